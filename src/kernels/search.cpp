// The search for good centers: seeds, Lloyd, and a small population of solutions that are crossed with each other.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "clusters.hpp"
#include "kernels.hpp"
#include "parallel.hpp"

namespace klevels {
namespace {

constexpr std::size_t passes_of_search = 1000;  // never reached with the tolerances in use
constexpr double least_gain = 1e-5;  // what counts as an improvement from one generation to the next, as a share

// Steele, Lea and Flood's SplitMix64: a stream of its own for each seed and place in the search.
class Random {
public:
    Random(std::uint64_t seed, std::uint64_t stream) : state_(seed) {
        state_ = next() + stream * 0xD1342543DE82EF95u;
        next();
    }
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }
    double below(double bound) { return static_cast<double>(next() >> 11) * 0x1p-53 * bound; }
    std::size_t index(std::size_t n) { return static_cast<std::size_t>(next() % n); }

private:
    std::uint64_t state_;
};

// Greedy k-means++: each seed is the best of a few points drawn with probabilities that grow with the squared distance
// to the seeds before it. Boxes tell which blocks a new seed can reach.
class Seeding {
public:
    Seeding(const Points& points, Random random) : p_(points), random_(random) {
        distances_.assign(p_.n_blocks * block_points, far);
        blocks_.assign(p_.n_blocks, {0.0, far});
        cells_.assign(p_.n_cells, {0.0, far});
    }

    std::vector<double> seeds(std::size_t k) {
        const std::size_t n_drawn = 2 + static_cast<std::size_t>(std::log(static_cast<double>(k)));
        std::vector<double> centers;
        add(first(), centers);
        while (centers.size() < k * p_.n_channels) {
            std::size_t best = 0;
            double most = -1.0;
            for (std::size_t i = 0; i < n_drawn; ++i) {
                const std::size_t point = draw();
                const double gain = gain_of(point);
                if (gain > most) {
                    most = gain;
                    best = point;
                }
            }
            add(best, centers);
        }
        return centers;
    }

private:
    static constexpr double far = std::numeric_limits<double>::max();

    const Points& p_;
    Random random_;
    std::vector<double> distances_;
    std::vector<Nearness> blocks_, cells_;

    std::size_t first() {
        double rest = random_.below(std::accumulate(p_.weights.begin(), p_.weights.end(), 0.0));
        std::size_t i = 0;
        while (i + 1 < p_.n && (rest -= p_.weights[i]) >= 0.0) ++i;
        return i;
    }

    // A point, with a probability in proportion to its weight times its squared distance.
    std::size_t draw() {
        double total = 0.0;
        for (const Nearness& cell : cells_) total += cell.sum;
        double rest = random_.below(total);
        std::size_t cell = 0;
        for (; cell + 1 < p_.n_cells && rest >= cells_[cell].sum; ++cell) rest -= cells_[cell].sum;
        std::size_t block = p_.cell_begin(cell);
        for (; block + 1 < p_.cell_end(cell) && rest >= blocks_[block].sum; ++block) rest -= blocks_[block].sum;
        std::size_t i = block * block_points;
        const std::size_t last = std::min(i + block_points, p_.n) - 1;
        while (i < last && (rest -= p_.weights[i] * distances_[i]) >= 0.0) ++i;
        return i;
    }

    bool reaches(const double* at, const std::vector<double>& low, const std::vector<double>& high, std::size_t box,
                 const Nearness& near) const {
        double distance = 0.0;
        for (std::size_t c = 0; c < p_.n_channels; ++c) {
            const double below = low[box * p_.n_channels + c] - at[c], above = at[c] - high[box * p_.n_channels + c];
            const double d = std::max(std::max(below, above), 0.0);
            distance += d * d;
        }
        return distance < near.most;
    }

    std::vector<double> coordinates(std::size_t point) const {
        std::vector<double> at(p_.n_channels);
        for (std::size_t c = 0; c < p_.n_channels; ++c) at[c] = p_.at(point, c);
        return at;
    }

    double gain_of(std::size_t point) const {
        const std::vector<double> at = coordinates(point);
        double gain = 0.0;
        for (std::size_t cell = 0; cell < p_.n_cells; ++cell) {
            if (!reaches(at.data(), p_.cell_low, p_.cell_high, cell, cells_[cell])) continue;
            for (std::size_t b = p_.cell_begin(cell); b < p_.cell_end(cell); ++b)
                if (reaches(at.data(), p_.block_low, p_.block_high, b, blocks_[b]))
                    gain += loops().gain(p_.block(b), p_.n_channels, p_.block_weights(b), at.data(),
                                         distances_.data() + b * block_points);
        }
        return gain;
    }

    void add(std::size_t point, std::vector<double>& centers) {
        const std::vector<double> at = coordinates(point);
        centers.insert(centers.end(), at.begin(), at.end());
        for (std::size_t cell = 0; cell < p_.n_cells; ++cell) {
            if (!reaches(at.data(), p_.cell_low, p_.cell_high, cell, cells_[cell])) continue;
            cells_[cell] = {0.0, 0.0};
            for (std::size_t b = p_.cell_begin(cell); b < p_.cell_end(cell); ++b) {
                if (reaches(at.data(), p_.block_low, p_.block_high, b, blocks_[b]))
                    blocks_[b] = loops().approach(p_.block(b), p_.n_channels, p_.block_weights(b), at.data(),
                                                  distances_.data() + b * block_points);
                cells_[cell].sum += blocks_[b].sum;
                cells_[cell].most = std::max(cells_[cell].most, blocks_[b].most);
            }
        }
    }
};

// The centers of two solutions, merged pair by pair, always the pair that costs least, until k are left.
class Crossing {
public:
    Crossing(const Clusters& a, const Clusters& b, std::size_t n_channels)
        : channels_(n_channels), n_(2 * a.k()), centers_(a.centers()), weights_(n_), partner_(n_), cost_(n_), alive_(n_) {
        centers_.insert(centers_.end(), b.centers().begin(), b.centers().end());
        for (std::size_t j = 0; j < a.k(); ++j) {
            weights_[j] = a.weight(j);
            weights_[a.k() + j] = b.weight(j);
        }
        std::iota(alive_.begin(), alive_.end(), std::size_t{0});
        for (const std::size_t i : alive_) find_partner(i);
    }

    std::vector<double> merged(std::size_t k) {
        while (alive_.size() > k) merge();
        std::vector<double> left;
        for (const std::size_t i : alive_)
            left.insert(left.end(), centers_.begin() + static_cast<std::ptrdiff_t>(i * channels_),
                        centers_.begin() + static_cast<std::ptrdiff_t>((i + 1) * channels_));
        return left;
    }

private:
    std::size_t channels_, n_;
    std::vector<double> centers_, weights_;
    std::vector<std::size_t> partner_;
    std::vector<double> cost_;
    std::vector<std::size_t> alive_;

    // What the inertia grows by: Ward's criterion.
    double cost(std::size_t i, std::size_t j) const {
        double distance = 0.0;
        for (std::size_t c = 0; c < channels_; ++c) {
            const double d = centers_[i * channels_ + c] - centers_[j * channels_ + c];
            distance += d * d;
        }
        const double weight = weights_[i] + weights_[j];
        return weight > 0.0 ? weights_[i] * weights_[j] / weight * distance : 0.0;
    }

    void find_partner(std::size_t i) {
        cost_[i] = std::numeric_limits<double>::infinity();
        for (const std::size_t j : alive_) {
            if (j == i) continue;
            const double of_pair = cost(i, j);
            if (of_pair < cost_[i]) {
                cost_[i] = of_pair;
                partner_[i] = j;
            }
        }
    }

    void merge() {
        const std::size_t i = *std::min_element(alive_.begin(), alive_.end(),
                                                [this](std::size_t a, std::size_t b) { return cost_[a] < cost_[b]; });
        const std::size_t j = partner_[i];
        const double weight = weights_[i] + weights_[j];
        if (weight > 0.0)
            for (std::size_t c = 0; c < channels_; ++c)
                centers_[i * channels_ + c] =
                    (weights_[i] * centers_[i * channels_ + c] + weights_[j] * centers_[j * channels_ + c]) / weight;
        weights_[i] = weight;
        alive_.erase(std::find(alive_.begin(), alive_.end(), j));
        for (const std::size_t other : alive_)
            if (other == i || partner_[other] == i || partner_[other] == j) find_partner(other);
    }
};

// Gives each center without points the point that adds most to the inertia, until every center has points. Returns the
// passes that this took.
std::size_t fill_empty(Clusters& clusters, const Points& points, std::size_t most_passes, std::size_t n_threads) {
    std::vector<double> at(points.n_channels);
    std::size_t n_passes = 0;
    for (;;) {
        std::size_t empty = 0;
        while (empty < clusters.k() && clusters.weight(empty) > 0.0) ++empty;
        if (empty == clusters.k()) return n_passes;
        std::size_t costliest = 0;
        double most = 0.0;
        for (std::size_t i = 0; i < points.n; ++i)
            if (const double cost = points.weights[i] * clusters.distance(i); cost > most) {
                costliest = i;
                most = cost;
            }
        if (!(most > 0.0)) return n_passes;
        for (std::size_t c = 0; c < points.n_channels; ++c) at[c] = points.at(costliest, c);
        clusters.place(empty, at.data());
        n_passes += clusters.converge(0.0, most_passes, n_threads);
    }
}

bool better(const Clusters& a, const Clusters& b) { return a.inertia() < b.inertia(); }

// Solutions that are kept, and the children that are made of them.
class Population {
public:
    Population(const Points& points, std::size_t k, std::uint64_t seed, const Effort& effort, std::size_t n_threads)
        : points_(points), k_(k), seed_(seed), effort_(effort), n_threads_(n_threads) {
        members_ = grown(effort.population, [this](std::size_t i) { return seeded(i); });
        n_streams_ = effort.population;
        std::stable_sort(members_.begin(), members_.end(), better);
    }

    // Crosses random members with each other, and one in four with fresh seeds, and keeps the best of all.
    void breed() {
        const std::size_t n = effort_.population;
        Random random(seed_, n_streams_++);
        std::vector<std::pair<std::size_t, std::size_t>> parents(n);
        for (auto& [a, b] : parents) {
            a = random.index(members_.size());
            b = random.index(members_.size());
        }
        const std::size_t first_stream = n_streams_;
        n_streams_ += n;
        auto children = grown(n, [&](std::size_t i) {
            const auto [a, b] = parents[i];
            if (i % 4 != 0 && a != b) return crossed(members_[a], members_[b]);
            Clusters fresh = seeded(first_stream + i);
            fresh.assign(1);
            return crossed(members_[a], fresh);
        });
        members_.insert(members_.end(), children.begin(), children.end());
        std::stable_sort(members_.begin(), members_.end(), better);
        const auto same = [](const Clusters& a, const Clusters& b) { return a.inertia() == b.inertia(); };
        members_.erase(std::unique(members_.begin(), members_.end(), same), members_.end());
        if (members_.size() > n) members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(n), members_.end());
    }

    const Clusters& best() const { return members_.front(); }

private:
    const Points& points_;
    std::size_t k_;
    std::uint64_t seed_;
    const Effort& effort_;
    std::size_t n_threads_;
    std::vector<Clusters> members_;
    std::uint64_t n_streams_ = 0;

    Clusters seeded(std::uint64_t stream) const {
        return Clusters(points_, Seeding(points_, Random(seed_, stream)).seeds(k_));
    }

    Clusters crossed(const Clusters& a, const Clusters& b) const {
        return Clusters(points_, Crossing(a, b, points_.n_channels).merged(k_));
    }

    // Several side by side, each by one thread, or a single one by all threads: the result is the same.
    template <class Make>
    std::vector<Clusters> grown(std::size_t n, Make&& make) const {
        std::vector<std::optional<Clusters>> made(n);
        parallel_blocks(n, n_threads_, [&](std::size_t, std::size_t i) {
            made[i].emplace(make(i));
            made[i]->converge(effort_.tolerance, passes_of_search, n > 1 ? 1 : n_threads_);
        });
        std::vector<Clusters> all;
        for (auto& one : made) all.push_back(std::move(*one));
        return all;
    }
};

}  // namespace

std::vector<double> find_centers(const Points& points, std::size_t k, std::uint64_t seed, const Effort& effort,
                                 std::size_t n_threads) {
    Population population(points, k, seed, effort, n_threads);
    std::size_t idle = 0;
    for (std::size_t generation = 0; generation < effort.generations && idle < effort.patience; ++generation) {
        const double before = population.best().inertia();
        population.breed();
        idle = before - population.best().inertia() > least_gain * before ? 0 : idle + 1;
    }
    return population.best().centers();
}

Found refine_centers(const Points& points, const std::vector<double>& centers, double tolerance, std::size_t most_passes,
                     std::size_t n_threads) {
    Clusters clusters(points, centers);
    std::size_t n_passes = clusters.converge(tolerance, most_passes, n_threads);
    n_passes += fill_empty(clusters, points, most_passes, n_threads);
    Found found{clusters.centers(), clusters.labels(), 0.0, n_passes};
    found.labels.resize(points.n);
    for (std::size_t i = 0; i < points.n; ++i) found.inertia += points.weights[i] * clusters.distance(i);
    return found;
}

void label_rows(const double* rows, std::size_t n, std::size_t n_channels, const std::vector<double>& centers,
                std::size_t n_threads, std::uint32_t* labels, double* distances) {
    constexpr std::size_t rows_at_a_time = 64 * block_points;
    const std::size_t k = centers.size() / n_channels;
    parallel_blocks((n + rows_at_a_time - 1) / rows_at_a_time, n_threads, [&](std::size_t, std::size_t part) {
        std::vector<double> x(n_channels * block_points);
        double near[block_points];
        std::int64_t which[block_points];
        const std::size_t end = std::min(n, (part + 1) * rows_at_a_time);
        for (std::size_t first = part * rows_at_a_time; first < end; first += block_points) {
            const std::size_t length = std::min(block_points, end - first);
            for (std::size_t l = 0; l < block_points; ++l)
                for (std::size_t c = 0; c < n_channels; ++c)
                    x[c * block_points + l] = rows[(first + std::min(l, length - 1)) * n_channels + c];
            loops().nearest(x.data(), n_channels, centers.data(), k, near, which);
            for (std::size_t l = 0; l < length; ++l) {
                labels[first + l] = static_cast<std::uint32_t>(which[l]);
                distances[first + l] = near[l];
            }
        }
    });
}

}  // namespace klevels
