// The loops of dithering; simd_loops.cpp includes this once for each instruction set, as its own copy.
#pragma once
#include "simd.hpp"
#include "simd_points.hpp"

namespace klevels {
namespace {

#if defined(__GNUC__)
using Word = std::int64_t __attribute__((may_alias));
#else
using Word = std::int64_t;
#endif

constexpr Word label_bits = 0xffff;
constexpr std::int64_t lane_numbers[swatch_block] = {0, 1, 2, 3, 4, 5, 6, 7};

// Numbers above 0 are in the order of their bits; compare them as what the processor is quick to take the lesser of.
#if defined(__AVX512F__)
using Ordered = Indices;
#else
using Ordered = Doubles;
#endif

// A score and what it belongs to in one double: the label takes the place of the last 16 bits of a number above 0.
// So the least of them, the first of equals, is found by comparing numbers alone.
struct Best {
    Ordered least = highest();
    Indices labels = *reinterpret_cast<const Indices*>(lane_numbers);

    static Ordered highest() {
        const Doubles high = Doubles{} + 0x1p1000;
        return *reinterpret_cast<const Ordered*>(&high);
    }
    void take(Doubles scores) {
        const Indices keys = (*reinterpret_cast<const Indices*>(&scores) & ~label_bits) | labels;
        const Ordered candidates = *reinterpret_cast<const Ordered*>(&keys);
        least = candidates < least ? candidates : least;
        labels += static_cast<std::int64_t>(width);
    }
    double key() const {
        double of_lanes[width];
        *reinterpret_cast<Ordered*>(of_lanes) = least;
        for (std::size_t half = width / 2; half > 0; half /= 2)
            for (std::size_t l = 0; l < half; ++l)
                of_lanes[l] = of_lanes[l + half] < of_lanes[l] ? of_lanes[l + half] : of_lanes[l];
        return of_lanes[0];
    }
};

inline std::size_t label_of(const double& key) {
    return static_cast<std::size_t>(*reinterpret_cast<const Word*>(&key) & label_bits);
}

template <std::size_t channels>
inline double nearest_key(const Swatches& swatches, const double* x) {
    Best best;
    for (std::size_t j = 0; j < swatches.n_filled; j += width) {
        Doubles sum = Doubles{} + 0x1p-900;  // so that no distance is 0, or too small to hold a label
        for (std::size_t c = 0; c < channels; ++c) {
            const Doubles d = x[c] - load(swatches.by_channel + c * swatches.n_filled + j);
            sum += d * d;
        }
        best.take(sum);
    }
    return best.key();
}

template <std::size_t channels>
void diffuse_row(const Swatches& swatches, const double* values, const std::uint8_t* inside, std::size_t n,
                 bool backward, double* below, std::uint16_t* labels) {
    // Floyd and Steinberg's: to the next pixel, and below to the one before, the same and the next.
    constexpr double shares[2][4] = {{7.0 / 16, 3.0 / 16, 5.0 / 16, 1.0 / 16}, {21.0 / 64, 9.0 / 64, 15.0 / 64, 3.0 / 64}};
    const std::ptrdiff_t step = backward ? -1 : 1, stride = step * static_cast<std::ptrdiff_t>(channels);
    std::ptrdiff_t x = backward ? static_cast<std::ptrdiff_t>(n) - 1 : 0;
    values += x * static_cast<std::ptrdiff_t>(channels);
    below += (x - step) * static_cast<std::ptrdiff_t>(channels);
    double passed[channels] = {}, before[channels] = {}, same[channels] = {};
    for (std::size_t i = 0; i < n; ++i, x += step, values += stride, below += stride) {
        double error[channels] = {};
        const double* share = shares[0];
        if (inside == nullptr || inside[x] != 0) {
            double wanted[channels];
            for (std::size_t c = 0; c < channels; ++c) wanted[c] = values[c] + passed[c];
            const double key = nearest_key<channels>(swatches, wanted);
            share = shares[key > swatches.gap];
            const std::size_t label = label_of(key);
            labels[x] = static_cast<std::uint16_t>(label);
            for (std::size_t c = 0; c < channels; ++c) error[c] = wanted[c] - swatches.by_color[label * swatch_stride + c];
        }
        for (std::size_t c = 0; c < channels; ++c) {
            passed[c] = error[c] * share[0];
            below[c] = before[c] + error[c] * share[1];
            before[c] = same[c] + error[c] * share[2];
            same[c] = error[c] * share[3];
        }
    }
    for (std::size_t c = 0; c < channels; ++c) below[c] = before[c];
}

// The coordinates of a color for each of `width` pixels.
template <std::size_t channels>
inline void colors_of(const Swatches& swatches, Indices labels, Doubles* colors) {
    std::int64_t of_pixels[width];
    *reinterpret_cast<Indices*>(of_pixels) = labels;
    for (std::size_t c = 0; c < channels; ++c) {
        double values[width];
        for (std::size_t l = 0; l < width; ++l)
            values[l] = swatches.by_color[static_cast<std::size_t>(of_pixels[l]) * swatch_stride + c];
        colors[c] = load(values);
    }
}

// The squared distance between a pixel's color and a mixture, plus the mean cost of what is mixed, falls with each color
// that is added, as much of it as makes the sum least (after Frank and Wolfe). The cost of a color grows with the
// fourth power of its distance: colors farther than the gaps of the palette would show up as lone dots in calm areas.
// With one channel, where the nearest two mix to any between, it is so small that it only chooses among equals.
template <std::size_t channels>
void mix_pixels(const Swatches& swatches, const double* x, std::size_t first, Mixtures& mixtures) {
    constexpr std::size_t most = channels < mixed_colors ? channels + 1 : mixed_colors;
    const double weight = (channels == 1 ? 0x1p-20 : 0x1p-3) / swatches.gap;
    Doubles wanted[channels], mixed[channels], least = Doubles{} + 0x1p999;
    Indices nearest_label = {};
    for (std::size_t c = 0; c < channels; ++c) wanted[c] = load(x + c * swatch_block + first);
    for (std::size_t j = 0; j < swatches.n; ++j) {
        Doubles distance = {};
        for (std::size_t c = 0; c < channels; ++c) {
            const Doubles d = swatches.by_color[j * swatch_stride + c] - wanted[c];
            distance += d * d;
        }
        nearest_label = distance < least ? Indices{} + static_cast<std::int64_t>(j) : nearest_label;
        least = distance < least ? distance : least;
    }
    colors_of<channels>(swatches, nearest_label, mixed);
    Doubles cost = weight * (least * least);
    Indices labels[mixed_colors] = {nearest_label};
    Doubles shares[mixed_colors] = {Doubles{} + 1.0};
    for (std::size_t i = 1; i < most; ++i) {
        Doubles offset[channels], share = {}, added_cost = {};
        for (std::size_t c = 0; c < channels; ++c) offset[c] = wanted[c] - mixed[c];
        least = Doubles{} + 0x1p999;
        labels[i] = Indices{};
        for (std::size_t j = 0; j < swatches.n; ++j) {
            Doubles distance = {}, along = {}, square = {}, spans[channels], sum = {};
            for (std::size_t c = 0; c < channels; ++c) {
                const double color = swatches.by_color[j * swatch_stride + c];
                const Doubles d = color - wanted[c];
                spans[c] = color - mixed[c];
                distance += d * d;
                along += offset[c] * spans[c];
                square += spans[c] * spans[c];
            }
            const Doubles more = weight * (distance * distance) - cost;
            const Doubles best_part = (along - 0.5 * more) / square;
            const Doubles part = best_part < 1.0 ? best_part : Doubles{} + 1.0;
            for (std::size_t c = 0; c < channels; ++c) {
                const Doubles rest = offset[c] - part * spans[c];
                sum += rest * rest;
            }
            sum += cost + part * more;
            sum = best_part > 0.0 ? sum : Doubles{} + 0x1p999;
            labels[i] = sum < least ? Indices{} + static_cast<std::int64_t>(j) : labels[i];
            share = sum < least ? part : share;
            added_cost = sum < least ? more : added_cost;
            least = sum < least ? sum : least;
        }
        Doubles colors[channels];
        colors_of<channels>(swatches, labels[i], colors);
        for (std::size_t c = 0; c < channels; ++c) mixed[c] += share * (colors[c] - mixed[c]);
        cost += share * added_cost;
        for (std::size_t before = 0; before < i; ++before) shares[before] *= 1.0 - share;
        shares[i] = share;
    }
    for (std::size_t i = 0; i < mixed_colors; ++i) {
        *reinterpret_cast<Indices*>(mixtures.labels[i] + first) = labels[i];
        store(mixtures.shares[i] + first, shares[i]);
    }
}

template <std::size_t channels>
void mix_block(const Swatches& swatches, const double* x, Mixtures& mixtures) {
    for (std::size_t first = 0; first < swatch_block; first += width)
        mix_pixels<channels>(swatches, x, first, mixtures);
}

void diffuse(const Swatches& swatches, const double* values, const std::uint8_t* inside, std::size_t n, bool backward,
             double* below, std::uint16_t* labels) {
    switch (swatches.n_channels) {
        case 1: return diffuse_row<1>(swatches, values, inside, n, backward, below, labels);
        case 2: return diffuse_row<2>(swatches, values, inside, n, backward, below, labels);
        case 3: return diffuse_row<3>(swatches, values, inside, n, backward, below, labels);
        default: return diffuse_row<4>(swatches, values, inside, n, backward, below, labels);
    }
}

void mix(const Swatches& swatches, const double* x, Mixtures& mixtures) {
    switch (swatches.n_channels) {
        case 1: return mix_block<1>(swatches, x, mixtures);
        case 2: return mix_block<2>(swatches, x, mixtures);
        case 3: return mix_block<3>(swatches, x, mixtures);
        default: return mix_block<4>(swatches, x, mixtures);
    }
}

}  // namespace
}  // namespace klevels
