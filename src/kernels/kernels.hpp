// The compiled part of klevels, as module.cpp binds it; each group has a file of its own name.
#pragma once
#include <cstdint>
#include <vector>

#include "walk.hpp"
#include "wide.hpp"

namespace klevels {

// tally.cpp: how often each bit pattern of an 8- or 16-bit image occurs
std::vector<std::int64_t> tally(const Walk& walk, std::size_t item_size, bool masked, std::size_t n_threads);

// bins.cpp: how often each gray value of a 32- or 64-bit image occurs, in bins where there are too many values
enum class Number { int32, uint32, int64, float32, float64 };

struct Bin {
    std::uint64_t key;   // the order-preserving integer of the gray value, its lowest `shift` bits dropped
    std::int64_t count;
    Wide rest, rest2;    // the sums of those lowest bits, and of their squares
};

struct Bins {
    unsigned shift = 0;
    std::vector<Bin> bins;  // ascending
    std::int64_t n_nan = 0, n_infinite = 0;
};

Bins count_bins(const Walk& walk, Number number, bool swap, bool masked, std::size_t limit, std::size_t n_threads);
Bins merge_bins(const Bins& a, const Bins& b, std::size_t limit);

// classify.cpp: the label of each voxel
struct Labeling {
    Number number;                   // meaningful where item_size > 2
    std::size_t item_size;
    bool is_signed;                  // meaningful where item_size <= 2
    bool swap, masked;
    std::size_t label_size;          // 1 or 2 bytes
    std::uint16_t first;             // the label of a value below all thresholds
    std::uint16_t ignore;
};

// thresholds: ascending, in the image's dtype; the label is first + the number of thresholds below the value.
void label_by_thresholds(const Walk& walk, const Labeling& labeling, const void* thresholds, std::size_t n_thresholds,
                         std::size_t n_threads);
// table: a label for each bit pattern of an 8- or 16-bit image.
void label_by_table(const Walk& walk, const Labeling& labeling, const std::uint16_t* table, std::size_t n_threads);

// levels.cpp: the optimal cuts of a weighted sorted line
struct Line {
    std::size_t n;
    const std::int64_t* counts;
    const double *offset_high, *offset_low;  // each level less the center, as an unevaluated sum of two doubles
    const double *rest_high, *rest_low;      // what the voxels of a bin add to count x offset
};

// back[(m - 2) * n + j - 1]: where the last of m classes over the first j levels begins, 2 <= m <= k.
std::vector<std::int32_t> optimal_cuts(const Line& line, std::size_t k, std::size_t n_threads);

// Exact count, sum and sum of squares of x over each [edges[i], edges[i + 1]).
struct Moments {
    std::int64_t count;
    Wide sum, sum2;
};
std::vector<Moments> segment_moments(const std::int64_t* counts, const std::uint64_t* x, const std::int64_t* edges,
                                     std::size_t n_segments);

}  // namespace klevels
