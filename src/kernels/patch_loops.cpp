// One copy of the loops of patches.hpp, for the instruction set that the build names as KLEVELS_ISA.
// No standard library in here: an inline function compiled for a newer processor must never be shared with the rest.
#include "patches.hpp"

#define KLEVELS_JOIN2(a, b) a##b
#define KLEVELS_JOIN(a, b) KLEVELS_JOIN2(a, b)

namespace klevels {
namespace {

// exp(-x) for x of 0 to 80, to 5e-6 of it; exactly 1 for 0. The same bits wherever floats are rounded as written.
inline float exp_minus(float x) {
    constexpr float to_whole = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to a whole number
    const float y = x * -1.44269504f, shifted = y + to_whole, f = y - (shifted - to_whole);
    const float power = 1.0f + f * (0.6931242f + f * (0.24024099f + f * (0.0559064f + f * 0.00958283f)));
    return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, power) +
                                         (__builtin_bit_cast(std::uint32_t, shifted) << 23));
}

// All bits, or none. A choice between numbers would be a branch, where the compiler may not compute both.
inline std::uint32_t bits_if(bool condition) { return 0u - static_cast<std::uint32_t>(condition); }

inline float kept(std::uint32_t bits, float x) {
    return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, x) & bits);
}

// Sums along z of squared differences, and of how many pairs there are if some voxels do not count.
template <class Value, bool masked, int radius>
void square(const Value* __restrict p, const Value* __restrict q, const float* __restrict in_p,
            const float* __restrict in_q, std::ptrdiff_t plane, std::size_t n, float* __restrict sums,
            float* __restrict counts) {
    n &= ~(patch_lanes - 1);
    for (std::size_t i = 0; i < n; ++i) {
        float sum = 0.0f, count = 0.0f;
        for (int k = -radius; k <= radius; ++k) {
            const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(i) + k * plane;
            const float d = static_cast<float>(q[at] - p[at]);
            if constexpr (masked) {
                const float both = in_p[at] * in_q[at];
                sum += kept(bits_if(both > 0.0f), d * d);
                count += both;
            } else {
                sum += d * d;
            }
        }
        sums[i] = sum;
        if constexpr (masked) counts[i] = count;
    }
}

template <int radius>
void add_rows(const float* const* rows, std::size_t n, float* __restrict out) {
    n &= ~(patch_lanes - 1);
    const float* r[2 * radius + 1];
    for (int k = 0; k <= 2 * radius; ++k) r[k] = rows[k];
    for (std::size_t i = 0; i < n; ++i) {
        float sum = r[0][i];
        for (int k = 1; k <= 2 * radius; ++k) sum += r[k][i];
        out[i] = sum;
    }
}

// A row's voxels p, those at the offset, q, and what is summed for either: the compiler must know that these lie apart.
template <class Value, bool masked, int radius>
void weigh(const float* __restrict squares, const float* __restrict counts, const Value* __restrict p,
           const Value* __restrict q, const float* __restrict in_p, const float* __restrict in_q, float* __restrict sums_p,
           float* __restrict weights_p, float* __restrict sums_q, float* __restrict weights_q, std::size_t n,
           const PatchRule& rule, float share, float one_by_size) {
    n &= ~(patch_lanes - 1);
    const float scale = rule.scale, floor = rule.floor, cutoff = rule.cutoff;
    for (std::size_t i = 0; i < n; ++i) {
        float sum = squares[i];
        for (int k = 1; k <= 2 * radius; ++k) sum += squares[i + k];
        std::uint32_t bits = ~0u;
        if constexpr (masked) {
            float count = counts[i];
            for (int k = 1; k <= 2 * radius; ++k) count += counts[i + k];
            sum *= 1.0f / count;
            bits = bits_if(in_p[i] * in_q[i] > 0.0f);
        } else {
            sum *= one_by_size;
        }
        const float above = sum * scale - floor, x = kept(bits_if(!(above < 0.0f)), above);
        bits &= bits_if(x <= cutoff);  // not if NaN
        const float d = static_cast<float>(q[i] - p[i]), weight = exp_minus(x) * share;
        const float kept_weight = kept(bits, weight), kept_sum = kept(bits, weight * d);
        sums_p[i] += kept_sum;
        weights_p[i] += kept_weight;
        sums_q[i] -= kept_sum;
        weights_q[i] += kept_weight;
    }
}

// What was summed apart, because p and q are of the same row.
void add(const float* __restrict sums, const float* __restrict weights, std::size_t n, float* __restrict to_sums,
         float* __restrict to_weights) {
    n &= ~(patch_lanes - 1);
    for (std::size_t i = 0; i < n; ++i) {
        to_sums[i] += sums[i];
        to_weights[i] += weights[i];
    }
}

// Calls run.operator()<radius>() with the radius as a constant.
template <class Run>
inline void with_radius(std::ptrdiff_t radius, const Run& run) {
    switch (radius) {
        case 0: return run.template operator()<0>();
        case 1: return run.template operator()<1>();
        case 2: return run.template operator()<2>();
        default: return run.template operator()<3>();
    }
}

inline std::ptrdiff_t above_zero(std::ptrdiff_t x) { return x > 0 ? x : 0; }

inline std::size_t filled(std::ptrdiff_t n) {
    return (static_cast<std::size_t>(n) + patch_lanes - 1) & ~(patch_lanes - 1);
}

template <class Value, bool masked>
void mix(const PatchTile<Value>& tile, const PatchRule& rule, const PatchOffset& t) {
    const auto [rz, ry, rx] = rule.radius;
    const std::ptrdiff_t n_rows = 2 * ry + 1, step = t.z * tile.plane + t.y * tile.row + t.x;
    const std::ptrdiff_t sum_step = t.z * tile.sum_plane + t.y * tile.sum_row + t.x;
    const float one_by_size = 1.0f / static_cast<float>((2 * rz + 1) * n_rows * (2 * rx + 1));
    const bool same_row = t.z == 0 && t.y == 0;
    // Of a pair, one voxel at least lies in the tile.
    const std::ptrdiff_t begin = -above_zero(t.x), end = tile.width + above_zero(-t.x);
    const std::size_t n = filled(end - begin), n_squares = filled(end - begin + 2 * rx);
    float *ring = tile.scratch, *ring_counts = ring + n_rows * tile.row;  // the squares of the rows of a patch
    float* added = ring + 2 * static_cast<std::ptrdiff_t>(most_patch_rows) * tile.row;
    float *added_counts = added + tile.row, *apart = added_counts + tile.row, *apart_weights = apart + tile.row;
    for (std::ptrdiff_t z = -t.z; z < tile.depth; ++z) {
        const bool p_in = z >= 0, q_in = z + t.z < tile.depth;
        const std::ptrdiff_t low = p_in ? (q_in ? -above_zero(t.y) : 0) : -t.y;
        const std::ptrdiff_t high = tile.height + (p_in ? (q_in ? above_zero(-t.y) : 0) : -t.y);
        for (std::ptrdiff_t newest = low - ry; newest < high + ry; ++newest) {
            const std::ptrdiff_t from = z * tile.plane + newest * tile.row + begin - rx;
            const std::ptrdiff_t slot = (newest - low + ry) % n_rows;
            with_radius(rz, [&]<int radius>() {
                square<Value, masked, radius>(tile.values + from, tile.values + from + step,
                                              masked ? tile.inside + from : nullptr,
                                              masked ? tile.inside + from + step : nullptr, tile.plane, n_squares,
                                              ring + slot * tile.row, ring_counts + slot * tile.row);
            });
            const std::ptrdiff_t y = newest - ry;
            if (y < low) continue;
            const float *rows[most_patch_rows], *rows_counts[most_patch_rows];
            for (std::ptrdiff_t k = 0; k < n_rows; ++k) {
                rows[k] = ring + (slot + 1 + k) % n_rows * tile.row;
                rows_counts[k] = ring_counts + (slot + 1 + k) % n_rows * tile.row;
            }
            if (ry > 0) {
                with_radius(ry, [&]<int radius>() {
                    add_rows<radius>(rows, n_squares, added);
                    if constexpr (masked) add_rows<radius>(rows_counts, n_squares, added_counts);
                });
            }
            const std::ptrdiff_t at = z * tile.plane + y * tile.row + begin;
            const std::ptrdiff_t sum_at = z * tile.sum_plane + y * tile.sum_row + begin, sum_at_q = sum_at + sum_step;
            if (same_row)
                for (std::size_t i = 0; i < n; ++i) apart[i] = apart_weights[i] = 0.0f;
            with_radius(rx, [&]<int radius>() {
                weigh<Value, masked, radius>(
                    ry > 0 ? added : rows[0], ry > 0 ? added_counts : rows_counts[0], tile.values + at,
                    tile.values + at + step, masked ? tile.inside + at : nullptr, masked ? tile.inside + at + step : nullptr,
                    tile.sums + sum_at, tile.weights + sum_at, same_row ? apart : tile.sums + sum_at_q,
                    same_row ? apart_weights : tile.weights + sum_at_q, n, rule, t.share, one_by_size);
            });
            if (same_row) add(apart, apart_weights, n, tile.sums + sum_at_q, tile.weights + sum_at_q);
        }
    }
}

template <class Value>
void mix_any(const PatchTile<Value>& tile, const PatchRule& rule, const PatchOffset& offset) {
    if (tile.inside == nullptr)
        mix<Value, false>(tile, rule, offset);
    else
        mix<Value, true>(tile, rule, offset);
}

}  // namespace

extern const PatchLoops KLEVELS_JOIN(patch_loops_, KLEVELS_ISA);
const PatchLoops KLEVELS_JOIN(patch_loops_, KLEVELS_ISA) = {mix_any<float>, mix_any<double>};

}  // namespace klevels
