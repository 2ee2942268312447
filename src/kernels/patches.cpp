// Non-local means, tile by tile; and the bilateral filter, which is the same with patches of one voxel.
#include "patches.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "filters.hpp"
#include "instructions.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {

KLEVELS_LOOPS(PatchLoops, patch_loops)

namespace {

using Triple = std::array<std::ptrdiff_t, 3>;  // along z, y, x

constexpr Triple tile_of_volume{16, 24, 112}, tile_of_image{1, 64, 112};
constexpr std::size_t offsets_at_a_time = 256;  // sums of more terms would round too much
constexpr double least_sum = 1e-30;  // in units of about the strength: below, floats have few digits

struct Job {
    Triple shape, search, patch;
    std::vector<PatchOffset> offsets;
    PatchRule rule;
    int exponent;  // gray values are looked at as multiples of 2^exponent
    std::size_t n_threads;
};

// The index within n voxels at which an index outside is mirrored, the voxels at the ends repeated.
std::ptrdiff_t mirrored(std::ptrdiff_t i, std::ptrdiff_t n) {
    const std::ptrdiff_t rest = i % (2 * n), at = rest < 0 ? rest + 2 * n : rest;
    return at < n ? at : 2 * n - 1 - at;
}

template <class T>
T moved(T value, double by) {
    if constexpr (std::is_floating_point_v<T>) {
        return static_cast<T>(static_cast<double>(value) + by);
    } else {
        // From an even number, so that halves go to the even one; in whole numbers, which doubles need not hold.
        using Limits = std::numeric_limits<T>;
        const std::int64_t from = static_cast<std::int64_t>(value) - (value & 1);
        const double step = std::nearbyint(by + static_cast<double>(value & 1));
        const auto start = static_cast<std::uint64_t>(from);
        const std::uint64_t above = static_cast<std::uint64_t>(Limits::max()) - start;
        const std::uint64_t below = start - static_cast<std::uint64_t>(Limits::min());
        if (step >= static_cast<double>(above)) return Limits::max();
        if (-step >= static_cast<double>(below)) return Limits::min();
        const auto size = static_cast<std::uint64_t>(std::abs(step));
        return static_cast<T>(step < 0.0 ? start - size : start + size);
    }
}

// Differences of wide numbers are taken in doubles: theirs would be lost in floats.
template <class T>
using ValueOf = std::conditional_t<std::is_same_v<T, float> || sizeof(T) <= 2, float, double>;

// One tile at a time, in memory that fits the caches and is kept for the next.
template <class T>
class Worker {
public:
    using Value = ValueOf<T>;

    Worker(const Job& job, Triple largest) : job_(job) {
        for (int axis = 0; axis < 3; ++axis) margin_[axis] = job.search[axis] + job.patch[axis];
        row_ = filled(margin_[2]) + filled(largest[2] + margin_[2] + static_cast<std::ptrdiff_t>(patch_row_slack));
        plane_ = row_ * (largest[1] + 2 * margin_[1]);
        sum_plane_ = row_ * (largest[1] + 2 * job.search[1]);
        values_.resize(room(plane_ * (largest[0] + 2 * margin_[0])));
        inside_.resize(values_.size());
        sums_.resize(room(sum_plane_ * (largest[0] + 2 * job.search[0])));
        weights_.resize(sums_.size());
        if (job.offsets.size() > offsets_at_a_time) {
            all_sums_.resize(sums_.size());
            all_weights_.resize(sums_.size());
        }
        scratch_.resize(room(2 * static_cast<std::ptrdiff_t>(most_patch_rows + 2) * row_));
    }

    void filter(const T* image, const std::uint8_t* inside, T* out, Triple begin, Triple size) {
        const bool all = load(image, inside, begin, size);
        PatchTile<Value> tile{size[0], size[1], size[2], row_, plane_, values_.data() + first(margin_, plane_),
                              all ? nullptr : inside_.data() + first(margin_, plane_), row_, sum_plane_,
                              sums_.data() + first(job_.search, sum_plane_),
                              weights_.data() + first(job_.search, sum_plane_), scratch_.data()};
        std::fill(sums_.begin(), sums_.end(), 0.0f);
        std::fill(weights_.begin(), weights_.end(), 0.0f);
        std::fill(all_sums_.begin(), all_sums_.end(), 0.0f);
        std::fill(all_weights_.begin(), all_weights_.end(), 0.0f);
        for (std::size_t i = 0; i < job_.offsets.size(); ++i) {
            if (i > 0 && i % offsets_at_a_time == 0) {
                collect(sums_, all_sums_);
                collect(weights_, all_weights_);
            }
            if constexpr (std::is_same_v<Value, float>)
                patch_loops().mix_f32(tile, job_.rule, job_.offsets[i]);
            else
                patch_loops().mix_f64(tile, job_.rule, job_.offsets[i]);
        }
        collect(all_sums_, sums_);
        collect(all_weights_, weights_);
        store(image, tile, out, begin, size);
    }

private:
    static std::ptrdiff_t filled(std::ptrdiff_t n) {
        constexpr auto lanes = static_cast<std::ptrdiff_t>(patch_lanes);
        return (n + lanes - 1) / lanes * lanes;
    }

    std::size_t room(std::ptrdiff_t n) const { return static_cast<std::size_t>(n + row_); }

    // Where the first voxel of a tile lies behind its margins.
    std::ptrdiff_t first(const Triple& margin, std::ptrdiff_t plane) const {
        return margin[0] * plane + margin[1] * row_ + filled(margin_[2]);
    }

    static void collect(std::vector<float>& from, std::vector<float>& to) {
        for (std::size_t i = 0; i < from.size(); ++i) {
            to[i] += from[i];
            from[i] = 0.0f;
        }
    }

    // Copies the tile and its margins; returns whether all of it counts.
    bool load(const T* image, const std::uint8_t* inside, const Triple& begin, const Triple& size) {
        const auto unit = static_cast<Value>(std::ldexp(1.0, -job_.exponent));
        const std::ptrdiff_t width = size[2] + 2 * margin_[2];
        columns_.resize(static_cast<std::size_t>(width));
        for (std::ptrdiff_t x = 0; x < width; ++x)
            columns_[static_cast<std::size_t>(x)] = mirrored(begin[2] + x - margin_[2], job_.shape[2]);
        bool all = true;
        for (std::ptrdiff_t z = -margin_[0]; z < size[0] + margin_[0]; ++z) {
            for (std::ptrdiff_t y = -margin_[1]; y < size[1] + margin_[1]; ++y) {
                const std::ptrdiff_t from = (mirrored(begin[0] + z, job_.shape[0]) * job_.shape[1] +
                                             mirrored(begin[1] + y, job_.shape[1])) * job_.shape[2];
                const std::ptrdiff_t to = first(margin_, plane_) + z * plane_ + y * row_ - margin_[2];
                for (std::ptrdiff_t x = 0; x < width; ++x) {
                    const std::ptrdiff_t column = columns_[static_cast<std::size_t>(x)];
                    const T value = image[from + column];
                    bool counts = inside == nullptr || inside[from + column] != 0;
                    if constexpr (std::is_floating_point_v<T>) counts = counts && std::isfinite(value);
                    values_[static_cast<std::size_t>(to + x)] = counts ? static_cast<Value>(value) * unit : Value(0);
                    inside_[static_cast<std::size_t>(to + x)] = counts ? 1.0f : 0.0f;
                    all = all && counts;
                }
            }
        }
        return all;
    }

    void store(const T* image, const PatchTile<Value>& tile, T* out, const Triple& begin, const Triple& size) const {
        for (std::ptrdiff_t z = 0; z < size[0]; ++z) {
            for (std::ptrdiff_t y = 0; y < size[1]; ++y) {
                const std::ptrdiff_t to = ((begin[0] + z) * job_.shape[1] + begin[1] + y) * job_.shape[2] + begin[2];
                const std::ptrdiff_t at = z * tile.sum_plane + y * tile.sum_row;
                for (std::ptrdiff_t x = 0; x < size[2]; ++x) {
                    const T value = image[to + x];
                    const bool kept = tile.inside != nullptr && tile.inside[z * tile.plane + y * tile.row + x] == 0.0f;
                    // The voxel itself has weight 1, and no difference.
                    const double sum = tile.sums[at + x], weight = 1.0 + static_cast<double>(tile.weights[at + x]);
                    const double by = std::abs(sum) < least_sum ? 0.0 : std::ldexp(sum / weight, job_.exponent);
                    out[to + x] = kept ? value : moved(value, by);
                }
            }
        }
    }

    const Job& job_;
    Triple margin_;
    std::ptrdiff_t row_, plane_, sum_plane_;
    std::vector<Value> values_;
    std::vector<float> inside_, sums_, weights_, all_sums_, all_weights_, scratch_;
    std::vector<std::ptrdiff_t> columns_;
};

// Gray values as multiples of a power of two near the strength: these are exact, and fit in floats where they matter.
void scale(Job& job, double strength, double noise, double cutoff, int most) {
    const double h = std::clamp(strength, std::ldexp(1.0, -most), std::ldexp(1.0, most));
    const double mantissa = std::frexp(h, &job.exponent), sigma = std::ldexp(noise, -job.exponent) / mantissa;
    job.rule.scale = static_cast<float>(1.0 / (mantissa * mantissa));
    job.rule.floor = static_cast<float>(std::min(2.0 * sigma * sigma, 1e30));
    job.rule.cutoff = static_cast<float>(cutoff);
}

template <class T>
void filter(const Job& job, const T* image, const std::uint8_t* inside, T* out) {
    const Triple wanted = job.shape[0] == 1 ? tile_of_image : tile_of_volume;
    Triple n_tiles, largest;
    for (int axis = 0; axis < 3; ++axis) {
        n_tiles[axis] = (job.shape[axis] + wanted[axis] - 1) / wanted[axis];
        largest[axis] = (job.shape[axis] + n_tiles[axis] - 1) / n_tiles[axis];
    }
    const auto n = static_cast<std::size_t>(n_tiles[0] * n_tiles[1] * n_tiles[2]);
    std::vector<std::optional<Worker<T>>> workers(std::max<std::size_t>(1, std::min(job.n_threads, n)));
    parallel_blocks(n, job.n_threads, [&](std::size_t thread, std::size_t block) {
        const auto index = static_cast<std::ptrdiff_t>(block);
        const Triple at{index / (n_tiles[1] * n_tiles[2]), index / n_tiles[2] % n_tiles[1], index % n_tiles[2]};
        Triple begin, size;
        for (int axis = 0; axis < 3; ++axis) {
            begin[axis] = job.shape[axis] * at[axis] / n_tiles[axis];
            size[axis] = job.shape[axis] * (at[axis] + 1) / n_tiles[axis] - begin[axis];
        }
        if (!workers[thread]) workers[thread].emplace(job, largest);
        workers[thread]->filter(image, inside, out, begin, size);
    });
}

using AnyIn = nb::ndarray<nb::ro, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using AnyOut = nb::ndarray<nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Mask = nb::ndarray<const std::uint8_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<const std::int64_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Shares = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void mix_patches(const AnyIn& image, const std::optional<Mask>& inside, const AnyOut& out, const Offsets& offsets,
                 const Shares& shares, const Triple& patch, double strength, double noise, double cutoff,
                 std::size_t n_threads) {
    Job job;
    job.n_threads = n_threads;
    job.patch = patch;
    job.search = {0, 0, 0};
    for (std::size_t axis = 0; axis < 3; ++axis) {
        job.shape[axis] = static_cast<std::ptrdiff_t>(image.shape(axis));
        job.rule.radius[axis] = patch[axis];
    }
    for (std::size_t i = 0; i < offsets.shape(0); ++i) {
        const std::int64_t* t = offsets.data() + 3 * i;
        job.offsets.push_back({t[0], t[1], t[2], shares.data()[i]});
        for (std::size_t axis = 0; axis < 3; ++axis)
            job.search[axis] = std::max(job.search[axis], static_cast<std::ptrdiff_t>(std::abs(t[axis])));
    }
    const nb::dlpack::dtype dtype = image.dtype();
    const auto run = [&]<class T>(T) {
        scale(job, strength, noise, cutoff, std::is_same_v<ValueOf<T>, float> ? 120 : 1000);
        nb::gil_scoped_release release;
        filter<T>(job, static_cast<const T*>(image.data()), inside ? inside->data() : nullptr,
                  static_cast<T*>(out.data()));
    };
    if (dtype == nb::dtype<std::uint8_t>()) return run(std::uint8_t{});
    if (dtype == nb::dtype<std::int8_t>()) return run(std::int8_t{});
    if (dtype == nb::dtype<std::uint16_t>()) return run(std::uint16_t{});
    if (dtype == nb::dtype<std::int16_t>()) return run(std::int16_t{});
    if (dtype == nb::dtype<std::uint32_t>()) return run(std::uint32_t{});
    if (dtype == nb::dtype<std::int32_t>()) return run(std::int32_t{});
    if (dtype == nb::dtype<std::int64_t>()) return run(std::int64_t{});
    if (dtype == nb::dtype<float>()) return run(float{});
    if (dtype == nb::dtype<double>()) return run(double{});
    throw std::invalid_argument("no kernel for this dtype");
}

}  // namespace

void bind_patches(nb::module_& m) {
    m.def("mix_patches", &mix_patches, "image"_a, "inside"_a.none(), "out"_a, "offsets"_a, "shares"_a, "patch"_a,
          "strength"_a, "noise"_a, "cutoff"_a, "n_threads"_a);
}

}  // namespace klevels
