// One copy of the loops of simd.hpp, for the instruction set that the build names as KLEVELS_ISA.
// No standard library in here: an inline function compiled for a newer processor must never be shared with the rest.
#include "simd.hpp"
#include "simd_dither.hpp"
#include "simd_points.hpp"

#define KLEVELS_JOIN2(a, b) a##b
#define KLEVELS_JOIN(a, b) KLEVELS_JOIN2(a, b)
#define KLEVELS_TEXT2(a) #a
#define KLEVELS_TEXT(a) KLEVELS_TEXT2(a)

namespace klevels {
namespace {

template <std::size_t size>
struct Unsigned;
template <>
struct Unsigned<1> {
    using type = std::uint8_t;
};
template <>
struct Unsigned<2> {
    using type = std::uint16_t;
};
template <>
struct Unsigned<4> {
    using type = std::uint32_t;
};
template <>
struct Unsigned<8> {
    using type = std::uint64_t;
};

template <class T>
void label(const T* x, std::size_t n, const T* thresholds, std::size_t n_thresholds, std::uint8_t first,
           std::uint8_t ignore, std::uint8_t* out) {
    using Counter = typename Unsigned<sizeof(T)>::type;
    constexpr std::size_t width = 256 / sizeof(T);
    std::size_t i = 0;
    for (; i + width <= n; i += width) {
        Counter labels[width];
        for (std::size_t l = 0; l < width; ++l) labels[l] = first;
        for (std::size_t j = 0; j < n_thresholds; ++j) {
            const T threshold = thresholds[j];
            for (std::size_t l = 0; l < width; ++l)
                labels[l] = static_cast<Counter>(labels[l] + (x[i + l] > threshold ? 1 : 0));
        }
        for (std::size_t l = 0; l < width; ++l) labels[l] = x[i + l] == x[i + l] ? labels[l] : ignore;
        for (std::size_t l = 0; l < width; ++l) out[i + l] = static_cast<std::uint8_t>(labels[l]);
    }
    for (; i < n; ++i) {
        std::uint8_t value = first;
        for (std::size_t j = 0; j < n_thresholds; ++j) value = static_cast<std::uint8_t>(value + (x[i] > thresholds[j]));
        out[i] = x[i] == x[i] ? value : ignore;
    }
}

// scores[i] = score(first + i) for all i < n; returns the greatest. Lanes of their own let the compiler use vectors.
template <class Score>
double scan(std::size_t first, std::size_t n, double* scores, Score score) {
    constexpr std::size_t lanes = 8;
    double top = -1.0;
    std::size_t i = 0;
    if (n >= lanes) {
        double most[lanes];
        for (std::size_t l = 0; l < lanes; ++l) most[l] = -1.0;
        for (; i + lanes <= n; i += lanes) {
            double values[lanes];  // read all before any is written: the compiler cannot know that they do not overlap
            for (std::size_t l = 0; l < lanes; ++l) values[l] = score(first + i + l);
            for (std::size_t l = 0; l < lanes; ++l) scores[i + l] = values[l];
            for (std::size_t l = 0; l < lanes; ++l) most[l] = values[l] > most[l] ? values[l] : most[l];
        }
        for (std::size_t l = 0; l < lanes; ++l) top = most[l] > top ? most[l] : top;
    }
    for (; i < n; ++i) {
        const double value = score(first + i);
        scores[i] = value;
        top = value > top ? value : top;
    }
    return top;
}

// An unevaluated sum of two doubles: about 106 bits.
struct Pair {
    double high, low;
};

Pair sum_of(double a, double b) {
    const double s = a + b, part = s - a;
    return {s, (a - (s - part)) + (b - part)};
}

Pair product_of(double a, double b) {
    const double p = a * b;
#if defined(__FMA__) || defined(__aarch64__)
    return {p, __builtin_fma(a, b, -p)};
#else
    constexpr double splitter = 134217729.0;  // 2^27 + 1
    const double a1 = splitter * a, b1 = splitter * b;
    const double ah = a1 - (a1 - a), al = a - ah, bh = b1 - (b1 - b), bl = b - bh;
    return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
#endif
}

double remainder_of(Pair dividend, double quotient, double divisor) {
    const Pair back = product_of(quotient, divisor);
    return ((dividend.high - back.high) - back.low) + dividend.low;
}

Pair added(Pair a, Pair b) {
    const Pair s = sum_of(a.high, b.high);
    return sum_of(s.high, s.low + (a.low + b.low));
}

Pair difference(const Pair& a, const Pair& b) {
    const Pair high = sum_of(a.high, -b.high), low = sum_of(a.low, -b.low);
    const Pair s = sum_of(high.high, high.low + low.high);
    return {s.high, s.low + low.low};
}

// The sums at one index.
struct Sums {
    Pair sum, weight;
};

Sums sums_at(const Layer& layer, std::size_t i) {
    return {{layer.sums[i], layer.sums_low[i]}, {layer.weights[i], layer.weights_low[i]}};
}

// before + (S_j - S_i)^2 / (W_j - W_i) in pairs.
template <bool pairs>
inline Pair exact_score(const Pair& before, const Sums& i, const Sums& j) {
    if constexpr (pairs) {
        const Pair d = difference(j.sum, i.sum), w = difference(j.weight, i.weight);
        Pair square = product_of(d.high, d.high);
        square = sum_of(square.high, square.low + 2.0 * d.high * d.low);
        const double inverse = 1.0 / w.high, q = square.high * inverse;
        return added(before, {q, (remainder_of(square, q, w.high) - q * w.low) * inverse});
    }
    const double d = j.sum.high - i.sum.high, w = j.weight.high - i.weight.high;
    const double inverse = 1.0 / w, q = d * d * inverse;
    return added(before, {q, remainder_of(product_of(d, d), q, w) * inverse});
}

// before[i] + (S_j - S_i)^2 / (W_j - W_i) in doubles; `near` bounds its relative error many times over.
template <bool pairs>
struct Scorer {
    static constexpr double near = pairs ? 0x1p-40 : 0x1p-48;
    const double *sums, *sums_low, *weights, *weights_low, *before;

    explicit Scorer(const Layer& layer)
        : sums(layer.sums), sums_low(layer.sums_low), weights(layer.weights), weights_low(layer.weights_low),
          before(layer.before) {}

    double weight(std::size_t i, std::size_t j) const {
        if constexpr (pairs) return (weights[j] - weights[i]) + (weights_low[j] - weights_low[i]);
        return weights[j] - weights[i];
    }
    double operator()(std::size_t i, std::size_t j) const {
        double d = sums[j] - sums[i];
        if constexpr (pairs) d += sums_low[j] - sums_low[i];
        return before[i] + d * d / weight(i, j);
    }
};

// The greatest exact score so far. What is equal to 94 bits is a tie, which goes to the left.
template <bool pairs>
struct Greatest {
    const Layer& layer;
    std::size_t j, chosen;
    Pair score{-1.0, 0.0};

    void consider(std::size_t i) {
        const Pair before{layer.before[i], layer.before_low[i]};
        const Pair other = exact_score<pairs>(before, sums_at(layer, i), sums_at(layer, j));
        const double gain = (other.high - score.high) + (other.low - score.low);
        if (gain > other.high * 0x1p-94) {
            score = other;
            chosen = i;
        }
    }
    std::size_t settle() const {
        layer.best[j] = score.high;
        layer.best_low[j] = score.low;
        return chosen;
    }
};

// One j: all candidates are scored in doubles, and those within the rounding error of the greatest compared in pairs.
template <bool pairs>
std::size_t cut_one(const Layer& layer, std::size_t j, std::size_t first, std::size_t last, double* scratch) {
    const Scorer<pairs> score(layer);
    const std::size_t n = last - first + 1;
    const double top = scan(first, n, scratch, [=](std::size_t i) { return score(i, j); });
    const double threshold = top - top * score.near;
    Greatest<pairs> greatest{layer, j, first};
    std::size_t i = 0;
    for (constexpr std::size_t block = 32; i + block <= n; i += block) {
        int n_near = 0;
        for (std::size_t l = 0; l < block; ++l) n_near += scratch[i + l] >= threshold;
        if (n_near == 0) continue;
        for (std::size_t l = 0; l < block; ++l)
            if (scratch[i + l] >= threshold) greatest.consider(first + i + l);
    }
    for (; i < n; ++i)
        if (scratch[i] >= threshold) greatest.consider(first + i);
    return greatest.settle();
}

// A few neighboring j at once, one in each lane: most have a single best candidate by far, and the rest go one by one.
template <bool pairs>
void cut_few(const Layer& layer, std::size_t first_j, std::size_t n_j, std::size_t first, std::size_t last,
             double* scratch, std::int32_t* back) {
    const Scorer<pairs> score(layer);
    double top[few], second[few], where[few], sums[few], sums_low[few], weights[few], weights_low[few];
    for (std::size_t l = 0; l < few; ++l) {
        const std::size_t j = first_j + (l < n_j ? l : n_j - 1);
        top[l] = second[l] = -1.0;
        where[l] = 0.0;
        sums[l] = layer.sums[j];
        sums_low[l] = layer.sums_low[j];
        weights[l] = layer.weights[j];
        weights_low[l] = layer.weights_low[j];
    }
    for (std::size_t i = first; i <= last; ++i) {
        const double index = static_cast<double>(i), so_far = layer.before[i];
        const double s = layer.sums[i], w = layer.weights[i];
        const double s_low = pairs ? layer.sums_low[i] : 0.0, w_low = pairs ? layer.weights_low[i] : 0.0;
        for (std::size_t l = 0; l < few; ++l) {
            double d = sums[l] - s, weight = weights[l] - w;
            if constexpr (pairs) {
                d += sums_low[l] - s_low;
                weight += weights_low[l] - w_low;
            }
            const double value = so_far + d * d / weight;
            const double valid = weight > 0.0 ? value : -1.0;  // i < j
            const double lesser = valid < top[l] ? valid : top[l];
            second[l] = lesser > second[l] ? lesser : second[l];
            where[l] = valid > top[l] ? index : where[l];
            top[l] = valid > top[l] ? valid : top[l];
        }
    }
    std::size_t chosen[few];
    Sums at_i[few], at_j[few];
    Pair before[few], exact[few];
    for (std::size_t l = 0; l < few; ++l) {
        chosen[l] = static_cast<std::size_t>(where[l]);
        at_i[l] = sums_at(layer, chosen[l]);
        at_j[l] = sums_at(layer, first_j + (l < n_j ? l : n_j - 1));
        before[l] = {layer.before[chosen[l]], layer.before_low[chosen[l]]};
    }
    for (std::size_t l = 0; l < few; ++l) exact[l] = exact_score<pairs>(before[l], at_i[l], at_j[l]);
    for (std::size_t l = 0; l < n_j; ++l) {
        const std::size_t j = first_j + l;
        if (second[l] < top[l] - top[l] * score.near) {
            layer.best[j] = exact[l].high;
            layer.best_low[j] = exact[l].low;
        } else {
            chosen[l] = cut_one<pairs>(layer, j, first, last < j ? last : j - 1, scratch);
        }
        back[l] = static_cast<std::int32_t>(chosen[l]);
    }
}

std::size_t best_cut(const Layer& layer, std::size_t j, std::size_t first, std::size_t last, double* scratch) {
    return layer.pairs ? cut_one<true>(layer, j, first, last, scratch) : cut_one<false>(layer, j, first, last, scratch);
}

void best_cuts(const Layer& layer, std::size_t first_j, std::size_t n_j, std::size_t first, std::size_t last,
               double* scratch, std::int32_t* back) {
    if (layer.pairs)
        cut_few<true>(layer, first_j, n_j, first, last, scratch, back);
    else
        cut_few<false>(layer, first_j, n_j, first, last, scratch, back);
}

}  // namespace

extern const Loops KLEVELS_JOIN(loops_, KLEVELS_ISA);
const Loops KLEVELS_JOIN(loops_, KLEVELS_ISA) = {
    KLEVELS_TEXT(KLEVELS_ISA), label<std::uint8_t>, label<std::int8_t>, label<std::uint16_t>, label<std::int16_t>,
    label<std::uint32_t>, label<std::int32_t>, label<std::int64_t>, label<float>, label<double>, best_cut, best_cuts, nearest, lead,
    sums_of, closest, margins, least_above, gain, approach, diffuse, mix};

}  // namespace klevels
