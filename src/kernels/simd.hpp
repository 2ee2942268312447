// The loops worth vectorizing, compiled once for each instruction set; `loops()` is the best this processor runs.
#pragma once
#include <cstddef>
#include <cstdint>

namespace klevels {

// One layer of the dynamic program: the best of m classes, from the best of m - 1. Indices count levels, 0 to n.
// Numbers come as unevaluated sums of two doubles; `pairs` is false where the low parts of sums and weights are all zero.
struct Layer {
    const double *sums, *sums_low, *weights, *weights_low;
    const double *before, *before_low;
    double *best, *best_low;
    bool pairs;
};

constexpr std::size_t few = 8;

constexpr std::size_t block_points = 64;  // points that are compared with centers at a time

// How near a block's points are to the centers chosen so far: their weighted sum, and the greatest.
struct Nearness {
    double sum, most;
};

constexpr double farthest = 0x1.fffffffffffffp1023;  // stands for the distance to a center that there is not

// How safely a block's points have their nearest center: the least by which the squared distance to another exceeds that
// to the nearest, and the greatest of those.
struct Lead {
    double least, most;
};

constexpr std::size_t swatch_stride = 4;  // channels of a color at most
constexpr std::size_t swatch_block = 8;   // colors, or pixels, that are looked at together: as many as the widest vectors hold
constexpr std::size_t mixed_colors = 4;

// The colors that dithering may use.
struct Swatches {
    std::size_t n, n_filled, n_channels;
    const double* by_channel;  // [channel][n_filled]: the last color is repeated to fill the last block
    const double* by_color;    // [n][swatch_stride]
    double gap;                // the square of the longest edge of the colors' minimum spanning tree
};

// For a block of pixels, the colors that mix to theirs, and the share of each; a share may be 0, a color there twice.
struct Mixtures {
    std::int64_t labels[mixed_colors][swatch_block];
    double shares[mixed_colors][swatch_block];
};

template <class T>
using Label = void (*)(const T* x, std::size_t n, const T* thresholds, std::size_t n_thresholds, std::uint8_t first,
                       std::uint8_t ignore, std::uint8_t* out);

struct Loops {
    const char* name;
    Label<std::uint8_t> label_u8;
    Label<std::int8_t> label_i8;
    Label<std::uint16_t> label_u16;
    Label<std::int16_t> label_i16;
    Label<std::uint32_t> label_u32;
    Label<std::int32_t> label_i32;
    Label<std::int64_t> label_i64;
    Label<float> label_f32;
    Label<double> label_f64;
    // The leftmost best beginning i in [first, last] of the last class over the first j levels; sets best[j].
    // scratch: as many doubles as there are candidates.
    std::size_t (*best_cut)(const Layer& layer, std::size_t j, std::size_t first, std::size_t last, double* scratch);
    // The same for n_j <= few neighboring j at once; back[l] is the beginning found for first_j + l.
    void (*best_cuts)(const Layer& layer, std::size_t first_j, std::size_t n_j, std::size_t first, std::size_t last,
                      double* scratch, std::int32_t* back);

    // For a block of points x[channel][point]: the squared distance to the nearest of n centers[center][channel], and
    // which it is, the first of equals.
    void (*nearest)(const double* x, std::size_t n_channels, const double* centers, std::size_t n, double* distances,
                    std::int64_t* which);
    // Which it is, and how safely.
    Lead (*lead)(const double* x, std::size_t n_channels, const double* centers, std::size_t n, std::int64_t* which);
    // The weight, and the weighted coordinates, of the points of a block whose `which` is this one.
    void (*sums_of)(const double* x, std::size_t n_channels, const double* weights, const std::int64_t* which,
                    std::int64_t one, double* out);
    // Which of n centers[channel][center], `stride` apart, is nearest to a point; any of equals.
    std::size_t (*closest)(const double* centers, std::size_t stride, std::size_t n, std::size_t n_channels,
                           const double* at);
    // For each of those centers: the least, over the points of a box, of the squared
    // distance to it less that to the pivot. Where this is above 0, the center is nearest to no point of the box.
    void (*margins)(const double* centers, std::size_t stride, std::size_t n, std::size_t n_channels, const double* pivot,
                    const double* low, const double* high, double* out);
    // The least of n values above a bound.
    double (*least_above)(double bound, const double* values, std::size_t n);
    // By how much the weighted sum of distances falls if a block has one more center.
    double (*gain)(const double* x, std::size_t n_channels, const double* weights, const double* center,
                   const double* distances);
    // Lowers the distances where the new center is nearer.
    Nearness (*approach)(const double* x, std::size_t n_channels, const double* weights, const double* center,
                         double* distances);

    // One row of error diffusion, from the right if `backward`. values[x][channel] hold what the row above passed on;
    // below[x][channel] is set to what this one does, with one pixel of room at either end. Where `inside` is zero, a
    // pixel gets no label and passes nothing on.
    void (*diffuse)(const Swatches& swatches, const double* values, const std::uint8_t* inside, std::size_t n,
                    bool backward, double* below, std::uint16_t* labels);
    // For a block of pixels x[channel][pixel]: a few colors that mix to about theirs, without too much contrast.
    void (*mix)(const Swatches& swatches, const double* x, Mixtures& mixtures);
};

const Loops& loops();

}  // namespace klevels
