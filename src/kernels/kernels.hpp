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

// colors.cpp: how often each color occurs. Rows are the channels of one pixel; a mask has one byte a pixel, nonzero inside
struct ColorCounts {
    std::vector<std::uint8_t> colors;  // [color][channel], in the order of their interleaved bits
    std::vector<std::int64_t> counts;
};

// 1 to 3 channels of 8 bits, fewer than 2^32 pixels.
ColorCounts count_colors(const std::uint8_t* rows, const std::uint8_t* mask, std::size_t n, std::size_t n_channels,
                         std::size_t n_threads);
// Labels are below `ignore`, which a color that is not among `colors` gets.
template <class Label>
void label_by_colors(const std::uint8_t* rows, const std::uint8_t* mask, std::size_t n, std::size_t n_channels,
                     const std::uint8_t* colors, const std::uint16_t* labels, std::size_t n_colors, Label ignore,
                     std::size_t n_threads, Label* out);

// Gives each label its entry of the table, of `item` bytes; the table has an entry for every number a label can be.
template <class Label>
void paint(const Label* labels, std::size_t n, const char* table, std::size_t item, std::size_t n_threads, char* out);

// Colors of whole numbers below 2^24, or minus that, in bins of a grid. The grid is as fine as `limit` bins allow: each
// step of coarsening halves it, so that the order in which colors come cannot change the result.
class ColorBins {
public:
    ColorBins(std::size_t n_channels, std::size_t limit);
    ColorBins(std::size_t n_channels, std::size_t limit, unsigned shift, const std::int32_t* bins,
              const std::int64_t* counts, const std::int64_t* rests, const std::uint64_t* squares, std::size_t n);

    void add(const std::int32_t* rows, std::size_t n);
    void add(const ColorBins& other);
    void sort();  // in the order of interleaved bits

    std::size_t n_channels() const { return n_channels_; }
    std::size_t size() const { return size_; }
    unsigned shift() const { return shift_; }
    const std::int32_t* bin(std::size_t i) const { return bins_.data() + i * n_channels_; }
    std::int64_t count(std::size_t i) const { return entry(i)[0]; }
    // For each channel, the sum of what the colors are above the bin's corner, and of all its squares.
    const std::int64_t* rests(std::size_t i) const { return entry(i) + 1; }
    Wide squares(std::size_t i) const;

private:
    static constexpr std::uint32_t empty = 0xffffffffu;

    // The sums of a bin are one run of words, so that they share a line of the cache: count, rests, squares.
    std::size_t n_channels_, limit_, stride_, size_ = 0;
    unsigned shift_ = 0;
    std::vector<std::uint32_t> slots_;
    std::vector<std::int32_t> bins_;
    std::vector<std::int64_t> entries_;

    const std::int64_t* entry(std::size_t i) const { return entries_.data() + i * stride_; }
    std::int64_t* entry(std::size_t i) { return entries_.data() + i * stride_; }
    std::uint64_t hash(const std::int32_t* bin) const;
    std::size_t find(const std::int32_t* bin, std::uint64_t hashed);
    void fill_slots();
    void add_color(std::size_t at, const std::int32_t* row);
    void merge(std::size_t at, const ColorBins& other, std::size_t i, unsigned steps);
    void coarsen();
};

// search.cpp: centers of weighted points, by k-means
struct Points;

struct Effort {
    std::size_t population;   // solutions that are kept and crossed
    std::size_t generations;  // of crossing, at most
    double tolerance;         // Lloyd stops, during the search, when a pass gains less than this share
    std::size_t patience;     // generations without improvement after which the search stops
};

struct Found {
    std::vector<double> centers;        // [center][channel]
    std::vector<std::uint32_t> labels;  // of each point
    double inertia;
    std::size_t n_passes;               // of Lloyd, until nothing moved
};

std::vector<double> find_centers(const Points& points, std::size_t k, std::uint64_t seed, const Effort& effort,
                                 std::size_t n_threads);
// Lloyd from these centers until nothing moves, or a pass gains less than its share `tolerance`, or after so many passes.
Found refine_centers(const Points& points, const std::vector<double>& centers, double tolerance, std::size_t most_passes,
                     std::size_t n_threads);
// For each row, the nearest of the centers, the first of equals, and the squared distance to it.
void label_rows(const double* rows, std::size_t n, std::size_t n_channels, const std::vector<double>& centers,
                std::size_t n_threads, std::uint32_t* labels, double* distances);

// dither.cpp: labels whose colors mix, seen from afar, to those of the image
enum class Sample { uint8, uint16, float32, float64 };

struct Raster {
    const char* data;
    std::size_t height, width, n_channels;  // 1 to 4 channels
    std::ptrdiff_t strides[3];              // in bytes: of rows, pixels and channels
    Sample sample;
    bool swap;
    const char* mask;  // one byte a pixel, nonzero inside; null if all are
    std::ptrdiff_t mask_strides[2];
};

struct LabelRaster {
    void* data;              // contiguous
    std::size_t label_size;  // 1 or 2 bytes
    std::uint16_t ignore;
};

// colors: k rows of channels. Both return how many pixels inside have a NaN; then the labels mean nothing.
std::int64_t dither_by_diffusion(const Raster& raster, const double* colors, std::size_t k, const LabelRaster& labels);
// ranks: side x side, each number below side^2 once; they repeat over the image from its corner.
std::int64_t dither_by_ranks(const Raster& raster, const double* colors, std::size_t k, const std::uint16_t* ranks,
                             std::size_t side, const LabelRaster& labels, std::size_t n_threads);

}  // namespace klevels
