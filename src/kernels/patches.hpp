// Non-local means: voxels are mixed by how much the patches around them are alike.
#pragma once
#include <cstddef>
#include <cstdint>

namespace klevels {

constexpr std::size_t patch_lanes = 16;     // rows are looked at in multiples of as many voxels
constexpr std::size_t patch_row_slack = 32; // voxels of room after each row: lanes to fill, and a patch of them
constexpr std::size_t most_patch_rows = 7;  // a patch reaches up to 3 voxels

// A part of the image with what lies around it. Pointers are to its first voxel; margins lie before and after.
template <class Value>
struct PatchTile {
    std::ptrdiff_t depth, height, width;
    std::ptrdiff_t row, plane;            // from one row, or plane, of values to the next
    const Value* values;                  // in units of about the strength
    const float* inside;                  // 1 where a voxel counts, else 0; or null, where all count
    std::ptrdiff_t sum_row, sum_plane;
    float *sums, *weights;                // of the differences to the voxels around
    float* scratch;                       // 2 * (most_patch_rows + 2) rows
};

// How unlike two patches are, and what weight that gives.
struct PatchRule {
    std::ptrdiff_t radius[3];  // of a patch, up to 3
    float scale;               // the mean of squared differences times this, less `floor`, is their distance
    float floor;
    float cutoff;              // up to 80; the weight beyond this distance is 0
};

// From a voxel to another: lexicographically above 0. Each pair is looked at once, and counts for both.
struct PatchOffset {
    std::ptrdiff_t z, y, x;
    float share;  // the weight of equal patches
};

template <class Value>
using Mix = void (*)(const PatchTile<Value>& tile, const PatchRule& rule, const PatchOffset& offset);

struct PatchLoops {
    // Adds to sums and weights of the tile's voxels what those at one offset, and at the opposite, give.
    Mix<float> mix_f32;
    Mix<double> mix_f64;
};

}  // namespace klevels
