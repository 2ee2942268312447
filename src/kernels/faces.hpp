// Where a label meets others: the loops that are compiled once for each instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

namespace klevels {

constexpr std::size_t longest_row = 320;  // of a tile
constexpr std::size_t most_words = longest_row / 64;
constexpr std::size_t most_cosines = 1024;  // at a time
constexpr std::int32_t cosine_unit = 1 << 20;

// Which voxels of a row have a label, a bit each, and twice how many of the five from each on; voxels beyond the `last`
// label, which are left out, count half. Rows are read up to the next 64 voxels.
template <class T>
using MatchRow = void (*)(const T* row, std::size_t n, T label, T last, std::uint64_t* bits, std::uint8_t* sums);

// Faces by the voxel after each, in sums over boxes of 5 x 5 x 5, each at the first voxel of its box.
struct FaceList {
    const std::uint8_t* sums;
    std::ptrdiff_t strides[3];
    double weights[3];
    const std::uint32_t* faces;
    std::size_t n;
    int axis;
};

// The rows of bits at (z - 1, y - 1), (z - 1, y), (z, y - 1) and (z, y); bits of `wanted` windows, by the last voxel.
struct EulerRows {
    const std::uint64_t* rows[4];
    const std::uint64_t* wanted;
    std::size_t n_words;
};

struct FaceLoops {
    MatchRow<std::uint8_t> match8;
    MatchRow<std::uint16_t> match16;
    // Each row becomes the sum of itself and the four after it; of the last four nothing is known.
    void (*add_rows)(std::uint8_t* rows, std::size_t n_rows, std::size_t n);
    // Of each face |cos| of the angle between its axis and the normal of the smoothed label, in units of 2^-20.
    void (*cosines)(const FaceList& list, std::int32_t* out);
    // Adds what windows contribute to the Euler numbers for 6 and for 26 neighbors.
    void (*add_euler)(const EulerRows& rows, std::int64_t* both);
};

const FaceLoops& face_loops();

}  // namespace klevels
