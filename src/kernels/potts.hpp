// Labels that agree with their neighbors: what potts.cpp and its vector loops share.
//
// Labels lie in rows along x, and each row in two halves, the voxels of even x and those of odd x: the neighbors of one
// half along x are the other half, so that all neighbors of a few voxels lie side by side, too.
#pragma once
#include <cstddef>
#include <cstdint>

namespace klevels {

constexpr std::size_t potts_wide = 64;     // voxels that are looked at together,
constexpr std::size_t potts_narrow = 16;   // and where a row ends
constexpr std::size_t potts_few = 48;      // classes that are all compared, in vectors
constexpr std::size_t most_neighbors = 26;
constexpr std::int32_t potts_no_lead = INT32_MIN;
constexpr std::uint8_t potts_absent = 255;  // the label of a voxel that does not count, where there are a few classes

// Neighbors as offsets from a voxel of one half, those of equal weight together: group g ends before ends[g].
struct Neighborhood {
    std::size_t n_groups, n;
    std::uint16_t weights[most_neighbors];
    std::size_t ends[most_neighbors];
    std::ptrdiff_t offsets[most_neighbors];
};

// A class l costs a voxel of gray value g ((g - means[l]) * inverses[l])^2 + constants[l], less `beta` times the
// weights of the neighbors that have it.
struct PottsClasses {
    std::size_t n;
    const double *means, *inverses, *constants;
    double beta;
};

template <class T>
using Spread = void (*)(const T* values, std::size_t n, double* out);

struct PottsLoops {
    // Every second of n values, each in double precision.
    Spread<std::uint8_t> spread_u8;
    Spread<std::int8_t> spread_i8;
    Spread<std::uint16_t> spread_u16;
    Spread<std::int16_t> spread_i16;
    Spread<std::uint32_t> spread_u32;
    Spread<std::int32_t> spread_i32;
    Spread<std::int64_t> spread_i64;
    Spread<float> spread_f32;
    Spread<double> spread_f64;
    // Gives each of a few voxels its cheapest class, for up to potts_few classes; returns whether one changed.
    bool (*update_wide)(std::uint8_t* labels, const double* values, const Neighborhood& around,
                        const PottsClasses& classes);
    bool (*update_narrow)(std::uint8_t* labels, const double* values, const Neighborhood& around,
                          const PottsClasses& classes);
    // For each of a few voxels, the weights of the neighbors that have its label, less those of the others;
    // potts_no_lead where the others have two labels or more.
    void (*leads_narrow)(const std::uint8_t* labels, const Neighborhood& around, std::size_t n_classes,
                         std::int32_t* leads);
};

}  // namespace klevels
