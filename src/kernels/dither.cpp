// Dithering: each pixel gets the label of a color, so that neighbors together show the colors between.
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "kernels.hpp"
#include "parallel.hpp"
#include "simd.hpp"
#include "spans.hpp"

namespace klevels {
namespace {

constexpr std::size_t pixels_at_a_time = 1 << 14;
constexpr std::size_t most_of_tree = 4096;
constexpr unsigned memory_bits = 16;  // 2 MiB a thread

// The colors in units of about the longest side of their bounding box, so that no square is too small or too large.
class Gamut {
public:
    Gamut(const double* colors, std::size_t k, std::size_t n_channels)
        : k_(k), n_((k + swatch_block - 1) / swatch_block * swatch_block), n_channels_(n_channels), by_channel_(n_ * n_channels),
          by_color_(n_ * swatch_stride) {
        double longest = 0.0;
        for (std::size_t c = 0; c < n_channels; ++c) {
            low_[c] = high_[c] = colors[c];
            for (std::size_t j = 0; j < k; ++j) {
                low_[c] = std::min(low_[c], colors[j * n_channels + c]);
                high_[c] = std::max(high_[c], colors[j * n_channels + c]);
            }
            longest = std::max(longest, high_[c] / 2 - low_[c] / 2);
        }
        scale_ = longest > 0.0 ? std::ldexp(1.0, std::min(-std::ilogb(longest), 1000)) : 1.0;
        const double reach = 2.0 * (longest * scale_);
        for (std::size_t c = 0; c < n_channels; ++c) {
            low_[c] = low_[c] * scale_ - reach;
            high_[c] = high_[c] * scale_ + reach;
            for (std::size_t j = 0; j < n_; ++j)
                by_channel_[c * n_ + j] = by_color_[j * swatch_stride + c] =
                    colors[std::min(j, k - 1) * n_channels + c] * scale_;
        }
        gap_ = longest_edge();
    }

    std::size_t n_channels() const { return n_channels_; }
    Swatches swatches() const { return {k_, n_, n_channels_, by_channel_.data(), by_color_.data(), gap_}; }

    // Values farther from the bounding box than its longest side, infinite ones too, are drawn to there: a hot pixel
    // must not spoil its surroundings.
    double placed(double value, std::size_t channel) const {
        return drawn(value * scale_, low_[channel], high_[channel]);
    }

    // The same for whole rows, with the bounds of each value side by side, so that the loop can use vectors.
    class RowOf {
    public:
        RowOf(const Gamut& gamut, std::size_t width) : scale_(gamut.scale_), low_(width * gamut.n_channels_), high_(low_.size()) {
            for (std::size_t i = 0; i < low_.size(); ++i) {
                low_[i] = gamut.low_[i % gamut.n_channels_];
                high_[i] = gamut.high_[i % gamut.n_channels_];
            }
        }
        template <class T>
        void place(const T* values, const double* passed, double* out) const {
            for (std::size_t i = 0; i < low_.size(); ++i)
                out[i] = drawn(static_cast<double>(values[i]) * scale_, low_[i], high_[i]) + passed[i];
        }

    private:
        double scale_;
        std::vector<double> low_, high_;
    };

private:
    std::size_t k_, n_, n_channels_;
    double low_[swatch_stride] = {}, high_[swatch_stride] = {}, scale_, gap_;
    std::vector<double> by_channel_, by_color_;

    // The square of the longest edge of the minimum spanning tree of the colors, or of an even choice of them.
    double longest_edge() const {
        const std::size_t step = (k_ + most_of_tree - 1) / most_of_tree;
        std::vector<std::size_t> outside;
        for (std::size_t j = step; j < k_; j += step) outside.push_back(j);
        std::vector<double> nearest(k_, std::numeric_limits<double>::infinity());
        double longest = 0.0;
        for (std::size_t newest = 0; !outside.empty();) {
            std::size_t next = 0;
            for (std::size_t i = 0; i < outside.size(); ++i) {
                const std::size_t j = outside[i];
                nearest[j] = std::min(nearest[j], squared_distance(newest, j));
                if (nearest[j] < nearest[outside[next]]) next = i;
            }
            newest = outside[next];
            longest = std::max(longest, nearest[newest]);
            outside[next] = outside.back();
            outside.pop_back();
        }
        return longest;
    }

    static double drawn(double x, double low, double high) {
        const double above = x < low ? low : x;
        return above > high ? high : above;
    }

    double squared_distance(std::size_t i, std::size_t j) const {
        double sum = 0.0;
        for (std::size_t c = 0; c < n_channels_; ++c) {
            const double d = by_color_[i * swatch_stride + c] - by_color_[j * swatch_stride + c];
            sum += d * d;
        }
        return sum;
    }
};

// Rows of pixels and of the mask, contiguous and in native byte order.
template <class T>
class RowReader {
public:
    explicit RowReader(const Raster& raster)
        : raster_(raster), pixels_(raster.width * raster.n_channels), inside_(raster.mask ? raster.width : 0) {}

    const T* pixels(std::size_t y) {
        const char* row = raster_.data + static_cast<std::ptrdiff_t>(y) * raster_.strides[0];
        const std::size_t n_channels = raster_.n_channels;
        const bool direct = !raster_.swap && raster_.strides[2] == sizeof(T) &&
                            raster_.strides[1] == static_cast<std::ptrdiff_t>(n_channels * sizeof(T));
        if (direct) return reinterpret_cast<const T*>(row);
        for (std::size_t x = 0; x < raster_.width; ++x)
            gather(row + static_cast<std::ptrdiff_t>(x) * raster_.strides[1], raster_.strides[2], n_channels, raster_.swap,
                   pixels_.data() + x * n_channels);
        return pixels_.data();
    }

    // Null where all pixels count.
    const std::uint8_t* inside(std::size_t y) {
        if (raster_.mask == nullptr) return nullptr;
        const char* row = raster_.mask + static_cast<std::ptrdiff_t>(y) * raster_.mask_strides[0];
        gather(row, raster_.mask_strides[1], raster_.width, false, inside_.data());
        return inside_.data();
    }

private:
    const Raster& raster_;
    std::vector<T> pixels_;
    std::vector<std::uint8_t> inside_;
};

template <class T>
std::int64_t count_nan(const T* pixels, const std::uint8_t* inside, std::size_t n, std::size_t n_channels) {
    std::int64_t count = 0;
    if constexpr (std::is_floating_point_v<T>)
        for (std::size_t x = 0; x < n; ++x) {
            bool nan = false;
            for (std::size_t c = 0; c < n_channels; ++c) nan |= pixels[x * n_channels + c] != pixels[x * n_channels + c];
            count += nan && (inside == nullptr || inside[x] != 0);
        }
    return count;
}

template <class T, class L>
std::int64_t diffuse(const Raster& raster, const Gamut& gamut, const LabelRaster& out) {
    const std::size_t width = raster.width, n_channels = raster.n_channels;
    const Swatches swatches = gamut.swatches();
    const auto loop = loops().diffuse;
    const Gamut::RowOf row_of(gamut, width);
    RowReader<T> reader(raster);
    std::vector<double> values(width * n_channels), below((width + 2) * n_channels, 0.0);
    std::vector<std::uint16_t> labels(width, out.ignore);
    std::int64_t n_nan = 0;
    for (std::size_t y = 0; y < raster.height; ++y) {
        const T* pixels = reader.pixels(y);
        const std::uint8_t* inside = reader.inside(y);
        n_nan += count_nan(pixels, inside, width, n_channels);
        row_of.place(pixels, below.data() + n_channels, values.data());
        loop(swatches, values.data(), inside, width, y % 2 == 1, below.data() + n_channels, labels.data());
        L* row = static_cast<L*>(out.data) + y * width;
        for (std::size_t x = 0; x < width; ++x)
            row[x] = static_cast<L>(inside == nullptr || inside[x] != 0 ? labels[x] : out.ignore);
    }
    return n_nan;
}

// Which ranks get which label: those below the first bound the first, and so on, the last the rest.
struct Shares {
    std::uint16_t labels[mixed_colors] = {};
    std::uint32_t bounds[mixed_colors - 1] = {};

    Shares() = default;
    Shares(const Mixtures& mixtures, std::size_t pixel, std::size_t n_ranks) {
        std::pair<std::int64_t, double> parts[mixed_colors];
        for (std::size_t i = 0; i < mixed_colors; ++i) parts[i] = {mixtures.labels[i][pixel], mixtures.shares[i][pixel]};
        std::sort(std::begin(parts), std::end(parts));
        double sum = 0.0;
        for (std::size_t i = 0; i < mixed_colors; ++i) {
            labels[i] = static_cast<std::uint16_t>(parts[i].first);
            if (i + 1 == mixed_colors) break;
            sum += parts[i].second;
            bounds[i] = static_cast<std::uint32_t>(sum * static_cast<double>(n_ranks) + 0.5);
        }
    }

    std::uint16_t at(std::uint32_t rank) const {
        std::size_t i = 0;
        for (const std::uint32_t bound : bounds) i += rank >= bound;
        return labels[i];
    }
};

// What was found for the latest colors of an image; each color has one place that it can be remembered in.
class Memory {
public:
    struct Entry {
        std::uint64_t color = 0;
        bool known = false;
        Shares shares;
    };

    Memory() : entries_(std::size_t{1} << memory_bits) {}

    Entry& at(std::uint64_t color) { return entries_[(color * 0x9E3779B97F4A7C15u) >> (64 - memory_bits)]; }

private:
    std::vector<Entry> entries_;
};

template <class T>
std::uint64_t packed(const T* pixel, std::size_t n_channels) {
    std::uint64_t color = 0;
    for (std::size_t c = 0; c < n_channels; ++c) color = (color << (8 * sizeof(T))) | pixel[c];
    return color;
}

// The shares of colors of pixels, row by row.
template <class T>
class Mixer {
public:
    Mixer(const Gamut& gamut, std::size_t width, std::size_t n_ranks)
        : gamut_(gamut), n_ranks_(n_ranks), shares_(width), pending_(width) {}

    const Shares* shares(const T* pixels, const std::uint8_t* inside) {
        const std::size_t n_channels = gamut_.n_channels();
        std::size_t n_pending = 0;
        for (std::size_t x = 0; x < shares_.size(); ++x) {
            if (inside != nullptr && inside[x] == 0) continue;
            if constexpr (remembers) {
                const std::uint64_t color = packed(pixels + x * n_channels, n_channels);
                const Memory::Entry& entry = memory_.at(color);
                if (entry.known && entry.color == color) {
                    shares_[x] = entry.shares;
                    continue;
                }
            }
            pending_[n_pending++] = x;
        }
        for (std::size_t first = 0; first < n_pending; first += swatch_block)
            mix(pixels, pending_.data() + first, std::min(swatch_block, n_pending - first));
        return shares_.data();
    }

private:
    static constexpr bool remembers = std::is_integral_v<T>;
    struct Nothing {};

    const Gamut& gamut_;
    std::size_t n_ranks_;
    std::vector<Shares> shares_;
    std::vector<std::size_t> pending_;
    std::conditional_t<remembers, Memory, Nothing> memory_;

    void mix(const T* pixels, const std::size_t* places, std::size_t n) {
        const std::size_t n_channels = gamut_.n_channels();
        double x[swatch_stride * swatch_block];
        for (std::size_t i = 0; i < swatch_block; ++i)
            for (std::size_t c = 0; c < n_channels; ++c) {
                const T value = pixels[places[std::min(i, n - 1)] * n_channels + c];
                x[c * swatch_block + i] = gamut_.placed(static_cast<double>(value), c);
            }
        Mixtures mixtures;
        loops().mix(gamut_.swatches(), x, mixtures);
        for (std::size_t i = 0; i < n; ++i) {
            shares_[places[i]] = Shares(mixtures, i, n_ranks_);
            if constexpr (remembers) {
                const std::uint64_t color = packed(pixels + places[i] * n_channels, n_channels);
                memory_.at(color) = {color, true, shares_[places[i]]};
            }
        }
    }
};

template <class T, class L>
std::int64_t mix(const Raster& raster, const Gamut& gamut, const std::uint16_t* ranks, std::size_t side, const LabelRaster& out,
                 std::size_t n_threads) {
    const std::size_t width = raster.width, n_channels = raster.n_channels;
    const std::size_t rows_at_a_time = std::max<std::size_t>(1, pixels_at_a_time / width);
    const std::size_t n_blocks = (raster.height + rows_at_a_time - 1) / rows_at_a_time;
    std::vector<std::optional<Mixer<T>>> mixers(std::max<std::size_t>(1, std::min(n_threads, n_blocks)));
    std::atomic<std::int64_t> n_nan{0};
    parallel_blocks(n_blocks, n_threads, [&](std::size_t thread, std::size_t block) {
        if (!mixers[thread]) mixers[thread].emplace(gamut, width, side * side);
        RowReader<T> reader(raster);
        const std::size_t end = std::min(raster.height, (block + 1) * rows_at_a_time);
        for (std::size_t y = block * rows_at_a_time; y < end; ++y) {
            const T* pixels = reader.pixels(y);
            const std::uint8_t* inside = reader.inside(y);
            n_nan += count_nan(pixels, inside, width, n_channels);
            const Shares* shares = mixers[thread]->shares(pixels, inside);
            const std::uint16_t* row_ranks = ranks + y % side * side;
            L* row = static_cast<L*>(out.data) + y * width;
            for (std::size_t x = 0; x < width; ++x)
                row[x] = static_cast<L>(inside == nullptr || inside[x] != 0 ? shares[x].at(row_ranks[x % side]) : out.ignore);
        }
    });
    return n_nan;
}

// Calls run(T{}, L{}) with the types of the image's samples and of the labels.
template <class Run>
std::int64_t typed(Sample sample, std::size_t label_size, Run&& run) {
    const auto with = [&]<class T>(T zero) {
        return label_size == 1 ? run(zero, std::uint8_t{}) : run(zero, std::uint16_t{});
    };
    switch (sample) {
        case Sample::uint8: return with(std::uint8_t{});
        case Sample::uint16: return with(std::uint16_t{});
        case Sample::float32: return with(float{});
        default: return with(double{});
    }
}

}  // namespace

std::int64_t dither_by_diffusion(const Raster& raster, const double* colors, std::size_t k, const LabelRaster& labels) {
    const Gamut gamut(colors, k, raster.n_channels);
    return typed(raster.sample, labels.label_size,
                 [&]<class T, class L>(T, L) { return diffuse<T, L>(raster, gamut, labels); });
}

std::int64_t dither_by_ranks(const Raster& raster, const double* colors, std::size_t k, const std::uint16_t* ranks,
                             std::size_t side, const LabelRaster& labels, std::size_t n_threads) {
    const Gamut gamut(colors, k, raster.n_channels);
    return typed(raster.sample, labels.label_size,
                 [&]<class T, class L>(T, L) { return mix<T, L>(raster, gamut, ranks, side, labels, n_threads); });
}

}  // namespace klevels
