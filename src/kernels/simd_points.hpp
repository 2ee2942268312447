// The loops over blocks of points; simd_loops.cpp includes this once for each instruction set, as its own copy.
#pragma once
#include "simd.hpp"

namespace klevels {
namespace {

// As many doubles as one register holds. Where the compiler has no such types, one: the results are the same.
#if defined(__AVX512F__)
constexpr std::size_t width = 8, registers = 4;
#elif defined(__AVX__)
constexpr std::size_t width = 4, registers = 2;
#elif defined(__GNUC__)
constexpr std::size_t width = 2, registers = 2;
#else
constexpr std::size_t width = 1, registers = 4;
#endif
#if defined(__GNUC__)
using Doubles = double __attribute__((vector_size(8 * width), aligned(8), may_alias));
using Indices = std::int64_t __attribute__((vector_size(8 * width), aligned(8), may_alias));
#else
using Doubles = double;
using Indices = std::int64_t;
#endif

inline Doubles load(const double* x) { return *reinterpret_cast<const Doubles*>(x); }
inline void store(double* out, Doubles values) { *reinterpret_cast<Doubles*>(out) = values; }

// The number of channels as a constant where it is small, so that their loops unroll; `any` where it is not.
constexpr std::size_t any = 0;

template <template <std::size_t> class Loop, class... Arguments>
inline auto for_channels(std::size_t n_channels, Arguments... arguments) {
    switch (n_channels) {
        case 1: return Loop<1>::run(n_channels, arguments...);
        case 2: return Loop<2>::run(n_channels, arguments...);
        case 3: return Loop<3>::run(n_channels, arguments...);
        case 4: return Loop<4>::run(n_channels, arguments...);
        default: return Loop<any>::run(n_channels, arguments...);
    }
}

// The squared distances of `width` points to a center, summed channel by channel.
template <std::size_t fixed>
inline Doubles distances_to(std::size_t n_channels, const double* x, const double* center) {
    const std::size_t channels = fixed == any ? n_channels : fixed;
    Doubles sum = {};
    for (std::size_t c = 0; c < channels; ++c) {
        const Doubles d = load(x + c * block_points) - center[c];
        sum += d * d;
    }
    return sum;
}

template <std::size_t fixed>
struct Nearest {
    static void run(std::size_t n_channels, const double* x, const double* centers, std::size_t n, double* distances,
                    std::int64_t* which) {
        for (std::size_t first = 0; first < block_points; first += registers * width) {
            Doubles best[registers];
            Indices index[registers];
            for (std::size_t r = 0; r < registers; ++r) {
                best[r] = distances_to<fixed>(n_channels, x + first + r * width, centers);
                index[r] = Indices{};
            }
            for (std::size_t j = 1; j < n; ++j) {
                const Indices here = Indices{} + static_cast<std::int64_t>(j);
                for (std::size_t r = 0; r < registers; ++r) {
                    const Doubles d = distances_to<fixed>(n_channels, x + first + r * width, centers + j * n_channels);
                    index[r] = d < best[r] ? here : index[r];
                    best[r] = d < best[r] ? d : best[r];
                }
            }
            for (std::size_t r = 0; r < registers; ++r) {
                store(distances + first + r * width, best[r]);
                *reinterpret_cast<Indices*>(which + first + r * width) = index[r];
            }
        }
    }
};

template <std::size_t fixed>
struct Leads {
    static Lead run(std::size_t n_channels, const double* x, const double* centers, std::size_t n, std::int64_t* which) {
        Doubles least = Doubles{} + farthest, most = {};
        for (std::size_t first = 0; first < block_points; first += registers * width) {
            Doubles best[registers], second[registers];
            Indices index[registers];
            for (std::size_t r = 0; r < registers; ++r) {
                best[r] = distances_to<fixed>(n_channels, x + first + r * width, centers);
                second[r] = Doubles{} + farthest;
                index[r] = Indices{};
            }
            for (std::size_t j = 1; j < n; ++j) {
                const Indices here = Indices{} + static_cast<std::int64_t>(j);
                for (std::size_t r = 0; r < registers; ++r) {
                    const Doubles d = distances_to<fixed>(n_channels, x + first + r * width, centers + j * n_channels);
                    const Doubles greater = d < best[r] ? best[r] : d;
                    second[r] = greater < second[r] ? greater : second[r];
                    index[r] = d < best[r] ? here : index[r];
                    best[r] = d < best[r] ? d : best[r];
                }
            }
            for (std::size_t r = 0; r < registers; ++r) {
                const Doubles ahead = second[r] - best[r];
                least = ahead < least ? ahead : least;
                most = best[r] > most ? best[r] : most;
                *reinterpret_cast<Indices*>(which + first + r * width) = index[r];
            }
        }
        double least_of_lanes[width], most_of_lanes[width];
        store(least_of_lanes, least);
        store(most_of_lanes, most);
        Lead lead{least_of_lanes[0], most_of_lanes[0]};
        for (std::size_t l = 1; l < width; ++l) {
            lead.least = least_of_lanes[l] < lead.least ? least_of_lanes[l] : lead.least;
            lead.most = most_of_lanes[l] > lead.most ? most_of_lanes[l] : lead.most;
        }
        return lead;
    }
};

template <std::size_t fixed>
struct Closest {
    static std::size_t run(std::size_t n_channels, const double* centers, std::size_t stride, std::size_t n,
                           const double* at) {
        const std::size_t channels = fixed == any ? n_channels : fixed;
        Doubles best = Doubles{} + farthest;
        Indices index = {};
        std::size_t j = 0;
        for (; j + width <= n; j += width) {
            Doubles sum = {};
            for (std::size_t c = 0; c < channels; ++c) {
                const Doubles d = load(centers + c * stride + j) - at[c];
                sum += d * d;
            }
            index = sum < best ? Indices{} + static_cast<std::int64_t>(j) : index;
            best = sum < best ? sum : best;
        }
        double least[width];
        std::int64_t first[width];
        store(least, best);
        *reinterpret_cast<Indices*>(first) = index;
        std::size_t found = static_cast<std::size_t>(first[0]);
        for (std::size_t l = 1; l < width; ++l)
            if (least[l] < least[0]) {
                least[0] = least[l];
                found = static_cast<std::size_t>(first[l]) + l;
            }
        for (; j < n; ++j) {
            double sum = 0.0;
            for (std::size_t c = 0; c < channels; ++c) {
                const double d = centers[c * stride + j] - at[c];
                sum += d * d;
            }
            if (sum < least[0]) {
                least[0] = sum;
                found = j;
            }
        }
        return found;
    }
};

template <std::size_t fixed>
struct Margins {
    static void run(std::size_t n_channels, const double* centers, std::size_t stride, std::size_t n, const double* pivot,
                    const double* low, const double* high, double* out) {
        const std::size_t channels = fixed == any ? n_channels : fixed;
        const auto margin = [=](std::size_t j, auto number) {
            using Number = decltype(number);
            Number sum = {};
            for (std::size_t c = 0; c < channels; ++c) {
                const Number other = *reinterpret_cast<const Number*>(centers + c * stride + j);
                const Number difference = other - pivot[c];
                const Number corner = difference > 0.0 ? Number{} + 2.0 * high[c] : Number{} + 2.0 * low[c];
                sum += difference * (other + pivot[c] - corner);
            }
            *reinterpret_cast<Number*>(out + j) = sum;
        };
        std::size_t j = 0;
        for (; j + width <= n; j += width) margin(j, Doubles{});
        for (; j < n; ++j) margin(j, double{});
    }
};

constexpr std::size_t lanes = 16;  // sums run in as many lanes on every processor, so that they round alike

template <std::size_t fixed>
struct SumsOf {
    static void run(std::size_t n_channels, const double* x, const double* weights, const std::int64_t* which,
                    std::int64_t one, double* out) {
        const std::size_t channels = fixed == any ? n_channels : fixed;
        double of_one[block_points];
        for (std::size_t at = 0; at < block_points; at += width) {
            const Indices here = *reinterpret_cast<const Indices*>(which + at);
            store(of_one + at, here == Indices{} + one ? load(weights + at) : Doubles{});
        }
        for (std::size_t s = 0; s < 1 + channels; ++s) {
            Doubles sums[lanes / width] = {};
            for (std::size_t first = 0; first < block_points; first += lanes)
                for (std::size_t r = 0; r < lanes / width; ++r) {
                    const std::size_t at = first + r * width;
                    const Doubles w = load(of_one + at);
                    sums[r] += s == 0 ? w : w * load(x + (s - 1) * block_points + at);
                }
            double of_lanes[lanes];
            for (std::size_t r = 0; r < lanes / width; ++r) store(of_lanes + r * width, sums[r]);
            out[s] = 0.0;
            for (std::size_t l = 0; l < lanes; ++l) out[s] += of_lanes[l];
        }
    }
};

template <std::size_t fixed>
struct Gain {
    static double run(std::size_t n_channels, const double* x, const double* weights, const double* center,
                      const double* distances) {
        Doubles sums[lanes / width] = {};
        for (std::size_t first = 0; first < block_points; first += lanes)
            for (std::size_t r = 0; r < lanes / width; ++r) {
                const std::size_t at = first + r * width;
                const Doubles less = load(distances + at) - distances_to<fixed>(n_channels, x + at, center);
                sums[r] += load(weights + at) * (less > 0.0 ? less : Doubles{});
            }
        double of_lanes[lanes], sum = 0.0;
        for (std::size_t r = 0; r < lanes / width; ++r) store(of_lanes + r * width, sums[r]);
        for (std::size_t l = 0; l < lanes; ++l) sum += of_lanes[l];
        return sum;
    }
};

template <std::size_t fixed>
struct Approach {
    static Nearness run(std::size_t n_channels, const double* x, const double* weights, const double* center,
                        double* distances) {
        Doubles sums[lanes / width] = {}, most[lanes / width] = {};
        for (std::size_t first = 0; first < block_points; first += lanes)
            for (std::size_t r = 0; r < lanes / width; ++r) {
                const std::size_t at = first + r * width;
                const Doubles before = load(distances + at);
                const Doubles d = distances_to<fixed>(n_channels, x + at, center);
                const Doubles now = d < before ? d : before;
                sums[r] += load(weights + at) * now;
                most[r] = now > most[r] ? now : most[r];
                store(distances + at, now);
            }
        double of_lanes[lanes], most_of_lanes[lanes];
        for (std::size_t r = 0; r < lanes / width; ++r) {
            store(of_lanes + r * width, sums[r]);
            store(most_of_lanes + r * width, most[r]);
        }
        Nearness near{0.0, 0.0};
        for (std::size_t l = 0; l < lanes; ++l) {
            near.sum += of_lanes[l];
            near.most = most_of_lanes[l] > near.most ? most_of_lanes[l] : near.most;
        }
        return near;
    }
};

void nearest(const double* x, std::size_t n_channels, const double* centers, std::size_t n, double* distances,
             std::int64_t* which) {
    for_channels<Nearest>(n_channels, x, centers, n, distances, which);
}

Lead lead(const double* x, std::size_t n_channels, const double* centers, std::size_t n, std::int64_t* which) {
    return for_channels<Leads>(n_channels, x, centers, n, which);
}

std::size_t closest(const double* centers, std::size_t stride, std::size_t n, std::size_t n_channels, const double* at) {
    return for_channels<Closest>(n_channels, centers, stride, n, at);
}

void sums_of(const double* x, std::size_t n_channels, const double* weights, const std::int64_t* which, std::int64_t one,
             double* out) {
    for_channels<SumsOf>(n_channels, x, weights, which, one, out);
}

void margins(const double* centers, std::size_t stride, std::size_t n, std::size_t n_channels, const double* pivot,
             const double* low, const double* high, double* out) {
    for_channels<Margins>(n_channels, centers, stride, n, pivot, low, high, out);
}

double gain(const double* x, std::size_t n_channels, const double* weights, const double* center, const double* distances) {
    return for_channels<Gain>(n_channels, x, weights, center, distances);
}

Nearness approach(const double* x, std::size_t n_channels, const double* weights, const double* center, double* distances) {
    return for_channels<Approach>(n_channels, x, weights, center, distances);
}

double least_above(double bound, const double* values, std::size_t n) {
    Doubles least = Doubles{} + farthest;
    std::size_t i = 0;
    for (; i + width <= n; i += width) {
        const Doubles some = load(values + i), above = some > bound ? some : Doubles{} + farthest;
        least = above < least ? above : least;
    }
    double of_lanes[width], found = farthest;
    store(of_lanes, least);
    for (std::size_t l = 0; l < width; ++l) found = of_lanes[l] < found ? of_lanes[l] : found;
    for (; i < n; ++i) found = values[i] > bound && values[i] < found ? values[i] : found;
    return found;
}

}  // namespace
}  // namespace klevels
