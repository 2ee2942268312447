// The median of a box: the loops that are compiled once for each instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

namespace klevels {

// How the bits of a value become a signed integer of the same order (unsigned where it has 8 bits), and back: the same
// steps lead both ways.
enum class Order { plain, flipped, floating };

// Keys of a box: how far rows and planes are apart.
template <class K>
struct KeyBox {
    const K* keys;
    std::size_t row, plane;
};

constexpr std::size_t network_bytes = 128;  // what a network does at a time along x

// The medians of one plane: n_y rows, one more if that is odd, of network_bytes. All that the windows see is read.
template <class K>
using Network = void (*)(const KeyBox<K>& box, std::size_t n_y, K* medians, std::size_t row);

constexpr std::size_t network_radius = 2;  // the greatest that networks are for

template <class K>
struct KeyLoops {
    // Sets keys[i] to that of bits[i], or back; returns whether none of the bits mean NaN.
    bool (*turn)(const K* bits, std::size_t n, Order order, K* keys);
    Network<K> networks[network_radius + 1][network_radius + 1];  // [radius along z][along y and x], null where none is
};

constexpr std::uint16_t no_rank = 65535;
constexpr std::size_t most_ranked = 65535 - 63;  // no rank shares a word of bits with no_rank

// A box of ranks, each there once, or no_rank where a voxel does not count; contiguous, with what the windows see.
struct RankBox {
    const std::uint16_t* ranks;
    std::size_t shape[3];  // of the medians
    std::size_t radii[3];
};

struct MedianLoops {
    KeyLoops<std::uint8_t> keys8;
    KeyLoops<std::int16_t> keys16;
    KeyLoops<std::int32_t> keys32;
    KeyLoops<std::int64_t> keys64;
    // Of an even number the lower; no_rank where the voxel in the middle does not count.
    void (*slide)(const RankBox& box, std::uint16_t* medians);
};

const MedianLoops& median_loops();

}  // namespace klevels
