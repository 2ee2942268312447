// The optimal cuts of a weighted sorted line into k classes, for every k at once.
//
// best[m][j] = max over i of best[m - 1][i] + S(i, j)^2 / W(i, j): maximizing what lies between the classes needs no sum of
// squares, so nothing cancels. The leftmost best i never falls as j grows, so each layer is solved by halves.
#include "kernels.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace klevels {
namespace {

// The prefix sums of the line, as pairs of doubles.
struct Prefix {
    std::vector<double> sums, sums_low, weights, weights_low;
    bool pairs = false;

    explicit Prefix(const Line& line)
        : sums(line.n + 1), sums_low(line.n + 1), weights(line.n + 1), weights_low(line.n + 1) {
        std::int64_t weight = 0;
        for (std::size_t i = 0; i < line.n; ++i) {
            weight += line.counts[i];
            split(weight, weights[i + 1], weights_low[i + 1]);
            double count, count_low;
            split(line.counts[i], count, count_low);
            double term, term_low;
            multiply(count, count_low, line.offset_high[i], line.offset_low[i], term, term_low);
            add(term, term_low, line.rest_high[i], line.rest_low[i]);
            add(term, term_low, sums[i], sums_low[i]);
            sums[i + 1] = term;
            sums_low[i + 1] = term_low;
            pairs = pairs || term_low != 0.0 || weights_low[i + 1] != 0.0;
        }
    }

private:
    static void split(std::int64_t x, double& high, double& low) {
        // The lowest 31 bits apart: both parts are exact, and so is their sum in two doubles.
        const std::int64_t bottom = x & 0x7fffffff;
        high = static_cast<double>(x - bottom);
        low = 0.0;
        add(high, low, static_cast<double>(bottom), 0.0);
    }
    static void add(double& high, double& low, double b, double b_low) {
        const double s = high + b, part = s - high;
        const double error = (high - (s - part)) + (b - part) + (low + b_low);
        high = s + error;
        low = error - (high - s);
    }
    static void multiply(double a, double a_low, double b, double b_low, double& high, double& low) {
        constexpr double splitter = 134217729.0;  // 2^27 + 1
        const double p = a * b;
        const double a1 = splitter * a, b1 = splitter * b;
        const double ah = a1 - (a1 - a), al = a - ah, bh = b1 - (b1 - b), bl = b - bh;
        const double error = (((ah * bh - p) + ah * bl + al * bh) + al * bl) + (a * b_low + a_low * b);
        high = p + error;
        low = error - (high - p);
    }
};

struct Range {
    std::size_t first_j, last_j, first_i, last_i;
};

class LayerSolver {
public:
    LayerSolver(const Layer& layer, std::int32_t* back, std::size_t n_classes)
        : layer_(layer), back_(back), n_classes_(n_classes) {}

    // Solves the middle j of the range, and returns the beginning found.
    std::size_t middle(const Range& range, double* scratch) const {
        const std::size_t j = range.first_j + (range.last_j - range.first_j) / 2;
        const std::size_t first = std::max(range.first_i, n_classes_ - 1), last = std::min(range.last_i, j - 1);
        const std::size_t chosen = loops().best_cut(layer_, j, first, last, scratch);
        back_[j - 1] = static_cast<std::int32_t>(chosen);
        return chosen;
    }

    void all(const Range& range, double* scratch) const {
        if (range.first_j > range.last_j) return;
        const std::size_t n_j = range.last_j - range.first_j + 1;
        if (n_j <= few) {
            const std::size_t first = std::max(range.first_i, n_classes_ - 1);
            const std::size_t last = std::min(range.last_i, range.last_j - 1);
            loops().best_cuts(layer_, range.first_j, n_j, first, last, scratch, back_ + range.first_j - 1);
            return;
        }
        const auto [left, right] = halves(range, scratch);
        all(left, scratch);
        all(right, scratch);
    }

    std::pair<Range, Range> halves(const Range& range, double* scratch) const {
        const std::size_t chosen = middle(range, scratch);
        const std::size_t j = range.first_j + (range.last_j - range.first_j) / 2;
        return {{range.first_j, j - 1, range.first_i, chosen}, {j + 1, range.last_j, chosen, range.last_i}};
    }

private:
    const Layer& layer_;
    std::int32_t* back_;
    std::size_t n_classes_;
};

}  // namespace

std::vector<std::int32_t> optimal_cuts(const Line& line, std::size_t k, std::size_t n_threads) {
    const std::size_t n = line.n;
    std::vector<std::int32_t> back(k > 1 ? (k - 1) * n : 0, 0);
    if (k < 2) return back;
    const Prefix prefix(line);
    n_threads = n < 4096 ? 1 : std::min<std::size_t>(n_threads, 16);  // each has scratch of its own, and few are busy

    std::vector<double> before(n + 1), before_low(n + 1), best(n + 1), best_low(n + 1);
    std::vector<std::vector<double>> scratch(n_threads, std::vector<double>(n + 1));
    const std::vector<double> nothing(n + 1, 0.0);

    const Layer one{prefix.sums.data(), prefix.sums_low.data(), prefix.weights.data(), prefix.weights_low.data(),
                    nothing.data(), nothing.data(), before.data(), before_low.data(), prefix.pairs};
    for (std::size_t j = 1; j <= n; ++j) loops().best_cut(one, j, 0, 0, scratch[0].data());

    for (std::size_t m = 2; m <= k; ++m) {
        const Layer layer{prefix.sums.data(), prefix.sums_low.data(), prefix.weights.data(), prefix.weights_low.data(),
                          before.data(), before_low.data(), best.data(), best_low.data(), prefix.pairs};
        const LayerSolver solver(layer, back.data() + (m - 2) * n, m);
        const Range whole{m == k ? n : m, n, m - 1, n - 1};  // of the last layer only the end is asked for
        std::vector<Range> ranges{whole};
        const std::size_t enough = n_threads > 1 ? 4 * n_threads : 1;
        while (ranges.size() < enough && ranges.size() < n - m) {
            std::vector<Range> halves;
            for (const Range& range : ranges) {
                if (range.first_j > range.last_j) continue;
                const auto [left, right] = solver.halves(range, scratch[0].data());
                halves.push_back(left);
                halves.push_back(right);
            }
            ranges = std::move(halves);
            if (ranges.empty()) break;
        }
        parallel_blocks(ranges.size(), n_threads, [&](std::size_t thread, std::size_t r) {
            solver.all(ranges[r], scratch[thread].data());
        });
        std::swap(before, best);
        std::swap(before_low, best_low);
    }
    return back;
}

std::vector<Moments> segment_moments(const std::int64_t* counts, const std::uint64_t* x, const std::int64_t* edges,
                                     std::size_t n_segments) {
    std::vector<Moments> moments(n_segments);
    for (std::size_t s = 0; s < n_segments; ++s) {
        Moments& m = moments[s];
        for (std::int64_t i = edges[s]; i < edges[s + 1]; ++i) {
            const auto count = static_cast<std::uint64_t>(counts[i]);
            m.count += counts[i];
            m.sum += product(count, x[i]);
            const Wide square = product(x[i], x[i]);  // x < 2^32, so the square fits its low half
            m.sum2 += product(count, square.low);
        }
    }
    return moments;
}

}  // namespace klevels
