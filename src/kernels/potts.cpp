// Labels that agree with their neighbors: iterated conditional modes of a Potts model, and how much labels agree.
#include "potts.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "filters.hpp"
#include "instructions.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {

KLEVELS_LOOPS(PottsLoops, potts_loops)

namespace {

constexpr std::size_t voxels_at_a_time = std::size_t{1} << 15;

struct Extents {
    std::size_t z, y, x;
};

std::size_t rows_at_a_time(const Extents& extents) { return std::max<std::size_t>(1, voxels_at_a_time / extents.x); }

// The weights of the 27 voxels around one, itself in the middle: 0 where they are no neighbors.
using Weights = std::vector<std::uint16_t>;

// Labels in halves of rows, with a frame of voxels that do not count.
template <class L>
class Halves {
public:
    static constexpr L absent = std::numeric_limits<L>::max();

    Halves(const L* labels, Extents extents, const Weights& weights, std::size_t n_threads)
        : extents_(extents), frame_y_(extents.y > 1 ? 1 : 0),
          filled_(((extents.x + 1) / 2 + potts_narrow - 1) / potts_narrow * potts_narrow), stride_(filled_ + 2),
          n_blocks_((filled_ + potts_wide - 1) / potts_wide), labels_(n_framed_rows() * 2 * stride_, absent),
          around_{neighborhood(weights, 0), neighborhood(weights, 1)} {
        each_row(n_threads, [&](std::size_t row, L* even, L* odd) {
            const L* from = labels + row * extents_.x;
            for (std::size_t i = 0; i < present(1); ++i) {
                even[i] = from[2 * i];
                odd[i] = from[2 * i + 1];
            }
            if (extents_.x % 2 != 0) even[present(1)] = from[extents_.x - 1];
        });
    }

    void copy_to(L* labels, std::size_t n_threads) {
        each_row(n_threads, [&](std::size_t row, const L* even, const L* odd) {
            L* to = labels + row * extents_.x;
            for (std::size_t i = 0; i < present(1); ++i) {
                to[2 * i] = even[i];
                to[2 * i + 1] = odd[i];
            }
            if (extents_.x % 2 != 0) to[extents_.x - 1] = even[present(1)];
        });
    }

    const Extents& extents() const { return extents_; }
    std::size_t filled() const { return filled_; }      // voxels of a half row, up to a multiple of potts_narrow
    std::size_t n_blocks() const { return n_blocks_; }  // of potts_wide voxels, in a half row
    std::size_t n_framed_rows() const { return (extents_.z + 2) * (extents_.y + 2 * frame_y_); }
    std::size_t framed_row(std::size_t z, std::size_t y) const { return (z + 1) * row_step_z() + y + frame_y_; }
    std::ptrdiff_t row_offset(int dz, int dy) const { return dz * static_cast<std::ptrdiff_t>(row_step_z()) + dy; }
    std::size_t present(std::size_t parity) const { return (extents_.x + 1 - parity) / 2; }  // voxels of a half row

    L* half(std::size_t z, std::size_t y, std::size_t parity) {
        return labels_.data() + (framed_row(z, y) * 2 + parity) * stride_ + 1;
    }
    const Neighborhood& around(std::size_t parity) const { return around_[parity]; }

private:
    Extents extents_;
    std::size_t frame_y_, filled_, stride_, n_blocks_;
    std::vector<L> labels_;
    Neighborhood around_[2];

    std::size_t row_step_z() const { return extents_.y + 2 * frame_y_; }

    template <class Visit>
    void each_row(std::size_t n_threads, Visit visit) {
        const std::size_t rows = extents_.z * extents_.y, at_a_time = rows_at_a_time(extents_);
        parallel_blocks((rows + at_a_time - 1) / at_a_time, n_threads, [&](std::size_t, std::size_t job) {
            for (std::size_t row = job * at_a_time, end = std::min(rows, row + at_a_time); row < end; ++row)
                visit(row, half(row / extents_.y, row % extents_.y, 0), half(row / extents_.y, row % extents_.y, 1));
        });
    }

    Neighborhood neighborhood(const Weights& weights, int parity) const {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < weights.size(); ++i)
            if (weights[i] != 0 && (frame_y_ != 0 || i / 3 % 3 == 1)) order.push_back(i);
        std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return weights[a] > weights[b]; });
        Neighborhood around{};
        for (const std::size_t i : order) {
            if (around.n == 0 || around.weights[around.n_groups - 1] != weights[i])
                around.weights[around.n_groups++] = weights[i];
            const int place = static_cast<int>(i), dz = place / 9 - 1, dy = place / 3 % 3 - 1, dx = place % 3 - 1;
            const auto stride = static_cast<std::ptrdiff_t>(stride_);
            const std::ptrdiff_t along_x = dx == 0 ? 0 : (1 - 2 * parity) * stride + (dx < 0 ? parity - 1 : parity);
            around.offsets[around.n++] = row_offset(dz, dy) * 2 * stride + along_x;
            around.ends[around.n_groups - 1] = around.n;
        }
        return around;
    }
};

// For each block of a half row, the last step at which one of its voxels changed. A block whose neighbors are what they
// were when it was last looked at needs no second look.
class Changes {
public:
    template <class L>
    Changes(const Halves<L>& halves, const Weights& weights)
        : stride_(halves.n_blocks() + 2), steps_(halves.n_framed_rows() * 2 * stride_, 0) {
        for (std::size_t i = 0; i < weights.size(); ++i) {
            if (weights[i] == 0 || (halves.extents().y == 1 && i / 3 % 3 != 1)) continue;
            const std::ptrdiff_t row = halves.row_offset(static_cast<int>(i / 9) - 1, static_cast<int>(i / 3 % 3) - 1);
            const int flips = i % 3 != 1;
            const std::pair<std::ptrdiff_t, int> one{row, flips};
            if (std::find(around_.begin(), around_.end(), one) == around_.end()) around_.push_back(one);
        }
    }

    void note(std::size_t row, std::size_t parity, std::size_t block, std::uint32_t step) {
        steps_[index(row, parity, block)] = step;
    }

    bool near(std::size_t row, std::size_t parity, std::size_t block, std::uint32_t since) const {
        for (const auto& [offset, flips] : around_) {
            const auto other = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(row) + offset);
            const std::uint32_t* step = steps_.data() + index(other, parity ^ static_cast<std::size_t>(flips), block);
            if (step[-1] > since || step[0] > since || step[1] > since) return true;
        }
        return false;
    }

private:
    std::size_t stride_;
    std::vector<std::uint32_t> steps_;
    std::vector<std::pair<std::ptrdiff_t, int>> around_;  // rows, and whether the other half

    std::size_t index(std::size_t row, std::size_t parity, std::size_t block) const {
        return (row * 2 + parity) * stride_ + block + 1;
    }
};

// The class of least cost, whatever their number. Classes whose means lie far from a gray value are not looked at.
class ManyClasses {
public:
    explicit ManyClasses(const PottsClasses& classes)
        : classes_(classes), order_(classes.n), sorted_(classes.n),
          least_inverse_(*std::min_element(classes.inverses, classes.inverses + classes.n)),
          least_constant_(*std::min_element(classes.constants, classes.constants + classes.n)) {
        std::iota(order_.begin(), order_.end(), std::size_t{0});
        std::stable_sort(order_.begin(), order_.end(),
                         [&](auto a, auto b) { return classes.means[a] < classes.means[b]; });
        for (std::size_t i = 0; i < order_.size(); ++i) sorted_[i] = classes.means[order_[i]];
    }

    template <class L>
    L cheapest(const L* at, double value, const Neighborhood& around) const {
        std::size_t labels[most_neighbors + 1], n_labels = 1;
        std::uint16_t same[most_neighbors + 1] = {};
        labels[0] = *at;
        for (std::size_t neighbor = 0, group = 0; neighbor < around.n; ++neighbor) {
            group += neighbor == around.ends[group];
            const std::size_t label = at[around.offsets[neighbor]];
            if (label == Halves<L>::absent) continue;
            const std::size_t which = static_cast<std::size_t>(std::find(labels, labels + n_labels, label) - labels);
            if (which == n_labels) labels[n_labels++] = label;
            same[which] = static_cast<std::uint16_t>(same[which] + around.weights[group]);
        }
        const double present = cost(labels[0], value, same[0]);
        Best best{present, labels[0]};
        for (std::size_t i = 1; i < n_labels; ++i) best.consider(cost(labels[i], value, same[i]), labels[i]);
        const auto at_or_above = std::lower_bound(sorted_.begin(), sorted_.end(), value);
        const auto middle = static_cast<std::size_t>(at_or_above - sorted_.begin());
        for (std::size_t i = middle; i < order_.size() && bound(sorted_[i], value) <= best.cost; ++i)
            best.consider(cost(order_[i], value, 0), order_[i]);
        for (std::size_t i = middle; i-- > 0 && bound(sorted_[i], value) <= best.cost;)
            best.consider(cost(order_[i], value, 0), order_[i]);
        return best.cost < present ? static_cast<L>(best.label) : *at;
    }

private:
    struct Best {
        double cost;
        std::size_t label;
        void consider(double other, std::size_t its_label) {
            if (other < cost || (other == cost && its_label < label)) {
                cost = other;
                label = its_label;
            }
        }
    };

    PottsClasses classes_;
    std::vector<std::size_t> order_;
    std::vector<double> sorted_;
    double least_inverse_, least_constant_;

    double cost(std::size_t l, double value, std::uint16_t same) const {
        const double z = (value - classes_.means[l]) * classes_.inverses[l];
        return (z * z + classes_.constants[l]) - classes_.beta * static_cast<double>(same);
    }
    // No class with this mean costs less, to the bit: rounding keeps the order of what it rounds.
    double bound(double mean, double value) const {
        const double z = (value - mean) * least_inverse_;
        return z * z + least_constant_;
    }
};

template <class T>
Spread<T> spread_loop() {
    const PottsLoops& loops = potts_loops();
    if constexpr (std::is_same_v<T, std::uint8_t>) return loops.spread_u8;
    if constexpr (std::is_same_v<T, std::int8_t>) return loops.spread_i8;
    if constexpr (std::is_same_v<T, std::uint16_t>) return loops.spread_u16;
    if constexpr (std::is_same_v<T, std::int16_t>) return loops.spread_i16;
    if constexpr (std::is_same_v<T, std::uint32_t>) return loops.spread_u32;
    if constexpr (std::is_same_v<T, std::int32_t>) return loops.spread_i32;
    if constexpr (std::is_same_v<T, std::int64_t>) return loops.spread_i64;
    if constexpr (std::is_same_v<T, float>) return loops.spread_f32;
    if constexpr (std::is_same_v<T, double>) return loops.spread_f64;
}

// What a run of iterated conditional modes is asked to do; origin is where the array begins in the whole.
struct Modes {
    bool checkerboard;
    std::size_t sweeps, origin[3];
};

template <class T, class L>
class Smoother {
public:
    Smoother(const T* values, Halves<L>& halves, const Weights& weights, const PottsClasses& classes,
             const Modes& modes)
        : values_(values), halves_(halves), classes_(classes), modes_(modes), changes_(halves, weights),
          many_(classes) {}

    // What changes in one phase does not look at each other. On a checkerboard, a phase is a color. Otherwise it is a
    // parity of z and y, and in each of its rows one parity of x follows the other. The order is a Gray code, for which
    // a voxel looks the least far.
    void run(std::size_t n_threads) {
        std::uint32_t step = 0;
        for (std::size_t sweep = 0; sweep < modes_.sweeps; ++sweep) {
            changed_ = false;
            if (modes_.checkerboard) {
                const std::size_t begin = modes_.origin[0] + modes_.origin[1] + modes_.origin[2];
                for (const std::size_t color : {0, 1}) {
                    step += 1;
                    each_row(0, 1, 0, 1, n_threads, [&](std::size_t z, std::size_t y, double* scratch) {
                        const std::size_t parity = (color + z + y + begin) % 2;
                        visit(z, y, parity, step, 2, scratch);
                    });
                }
            }
            for (std::size_t phase = 0; !modes_.checkerboard && phase < 4; ++phase) {
                const std::size_t z_parity = phase / 2, y_parity = (phase / 2) ^ (phase % 2);
                const std::uint32_t first = step + 1;
                step += 2;
                each_row((z_parity + modes_.origin[0]) % 2, 2, (y_parity + modes_.origin[1]) % 2, 2, n_threads,
                         [&](std::size_t z, std::size_t y, double* scratch) {
                             for (const std::uint32_t turn : {0u, 1u}) {
                                 const std::size_t parity = (phase + turn + modes_.origin[2]) % 2;
                                 visit(z, y, parity, first + turn, 8, scratch);
                             }
                         });
            }
            if (!changed_) return;
        }
    }

private:
    const T* values_;
    Halves<L>& halves_;
    const PottsClasses& classes_;
    const Modes& modes_;
    Changes changes_;
    ManyClasses many_;
    std::atomic<bool> changed_{false};

    template <class Visit>
    void each_row(std::size_t z0, std::size_t z_step, std::size_t y0, std::size_t y_step, std::size_t n_threads,
                  Visit visit) {
        const Extents& extents = halves_.extents();
        if (z0 >= extents.z || y0 >= extents.y) return;
        const std::size_t n_z = (extents.z - z0 + z_step - 1) / z_step, n_y = (extents.y - y0 + y_step - 1) / y_step;
        const std::size_t rows = n_z * n_y, at_a_time = rows_at_a_time(extents);
        parallel_blocks((rows + at_a_time - 1) / at_a_time, n_threads, [&](std::size_t, std::size_t job) {
            double scratch[potts_wide];
            for (std::size_t row = job * at_a_time, end = std::min(rows, row + at_a_time); row < end; ++row)
                visit(z0 + row / n_y * z_step, y0 + row % n_y * y_step, scratch);
        });
    }

    void visit(std::size_t z, std::size_t y, std::size_t parity, std::uint32_t step, std::uint32_t n_colors,
               double* scratch) {
        const std::size_t row = halves_.framed_row(z, y);
        bool any = false;
        for (std::size_t block = 0; block < halves_.n_blocks(); ++block) {
            if (step > n_colors && !changes_.near(row, parity, block, step - n_colors)) continue;
            if (!update(z, y, parity, block * potts_wide, scratch)) continue;
            changes_.note(row, parity, block, step);
            any = true;
        }
        if (any) changed_.store(true, std::memory_order_relaxed);
    }

    bool update(std::size_t z, std::size_t y, std::size_t parity, std::size_t begin, double* scratch) {
        const std::size_t end = std::min(begin + potts_wide, halves_.filled());
        const std::size_t n = std::min(end, halves_.present(parity)) - std::min(begin, halves_.present(parity));
        const T* row = values_ + (z * halves_.extents().y + y) * halves_.extents().x + parity;
        spread_loop<T>()(row + 2 * begin, n, scratch);
        std::fill(scratch + n, scratch + (end - begin), 0.0);
        const Neighborhood& around = halves_.around(parity);
        L* labels = halves_.half(z, y, parity) + begin;
        bool changed = false;
        if constexpr (std::is_same_v<L, std::uint8_t>) {
            if (classes_.n <= potts_few) {
                if (end - begin == potts_wide) return potts_loops().update_wide(labels, scratch, around, classes_);
                for (std::size_t i = 0; begin + i < end; i += potts_narrow)
                    changed |= potts_loops().update_narrow(labels + i, scratch + i, around, classes_);
                return changed;
            }
        }
        // None of these voxels is a neighbor of another.
        for (std::size_t i = 0; i < n; ++i) {
            if (labels[i] == Halves<L>::absent) continue;
            const L label = many_.cheapest(labels + i, scratch[i], around);
            changed |= label != labels[i];
            labels[i] = label;
        }
        return changed;
    }
};

// Calls run(T{}) with the type of the gray values.
template <class Run>
void typed(const std::string& number, Run&& run) {
    if (number == "uint8") return run(std::uint8_t{});
    if (number == "int8") return run(std::int8_t{});
    if (number == "uint16") return run(std::uint16_t{});
    if (number == "int16") return run(std::int16_t{});
    if (number == "uint32") return run(std::uint32_t{});
    if (number == "int32") return run(std::int32_t{});
    if (number == "int64") return run(std::int64_t{});
    if (number == "float32") return run(float{});
    if (number == "float64") return run(double{});
    throw std::invalid_argument("no kernel for " + number);
}

// See potts.hpp.
template <class L>
std::int32_t lead_of(const L* at, const Neighborhood& around) {
    L other = *at;
    std::int32_t lead = 0;
    for (std::size_t neighbor = 0, group = 0; neighbor < around.n; ++neighbor) {
        group += neighbor == around.ends[group];
        const L label = at[around.offsets[neighbor]];
        if (label == Halves<L>::absent) continue;
        if (label != *at) {
            if (other != *at && other != label) return potts_no_lead;
            other = label;
        }
        lead += label == *at ? around.weights[group] : -around.weights[group];
    }
    return lead;
}

template <class L>
void find_leads(const L* labels, const Neighborhood& around, std::size_t n_classes, std::int32_t* leads) {
    if constexpr (std::is_same_v<L, std::uint8_t>)
        if (n_classes <= potts_few) return potts_loops().leads_narrow(labels, around, n_classes, leads);
    for (std::size_t i = 0; i < potts_narrow; ++i)
        leads[i] = labels[i] == Halves<L>::absent ? 0 : lead_of(labels + i, around);
}

// How often each lead occurs; see potts.hpp. The least possible lead is at index 0.
template <class L>
std::vector<std::int64_t> count_leads(Halves<L>& halves, const Weights& weights, std::size_t n_classes,
                                      std::size_t n_threads) {
    const auto reach = std::accumulate(weights.begin(), weights.end(), std::size_t{0});
    const Extents& extents = halves.extents();
    const std::size_t rows = extents.z * extents.y, at_a_time = rows_at_a_time(extents);
    const std::size_t n_jobs = (rows + at_a_time - 1) / at_a_time;
    std::vector<std::vector<std::int64_t>> counts(std::max<std::size_t>(1, std::min(n_threads, n_jobs)));
    parallel_blocks(n_jobs, n_threads, [&](std::size_t thread, std::size_t job) {
        counts[thread].resize(2 * reach + 1);
        std::int64_t* middle = counts[thread].data() + reach;
        for (std::size_t row = job * at_a_time, end = std::min(rows, row + at_a_time); row < end; ++row)
            for (const std::size_t parity : {0, 1}) {
                const L* labels = halves.half(row / extents.y, row % extents.y, parity);
                const Neighborhood& around = halves.around(parity);
                for (std::size_t i = 0; i < halves.filled(); i += potts_narrow) {
                    std::int32_t leads[potts_narrow];
                    find_leads(labels + i, around, n_classes, leads);
                    for (std::size_t j = 0; j < potts_narrow; ++j)
                        if (labels[i + j] != Halves<L>::absent && leads[j] != potts_no_lead) middle[leads[j]] += 1;
                }
            }
    });
    std::vector<std::int64_t> total(2 * reach + 1, 0);
    for (const auto& part : counts)
        for (std::size_t i = 0; i < part.size(); ++i) total[i] += part[i];
    return total;
}

template <class L>
using Labels = nb::ndarray<L, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Values = nb::ndarray<nb::ro, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class L>
void smooth_labels(Labels<L> labels, const Values& values, const std::string& number, const Doubles& means,
                   const Doubles& inverses, const Doubles& constants, double beta, const Weights& weights,
                   const Modes& modes, std::size_t n_threads) {
    const Extents extents{labels.shape(0), labels.shape(1), labels.shape(2)};
    const PottsClasses classes{means.size(), means.data(), inverses.data(), constants.data(), beta};
    nb::gil_scoped_release release;
    Halves<L> halves(labels.data(), extents, weights, n_threads);
    typed(number, [&]<class T>(T) {
        Smoother<T, L>(static_cast<const T*>(values.data()), halves, weights, classes, modes).run(n_threads);
    });
    halves.copy_to(labels.data(), n_threads);
}

template <class L>
nb::ndarray<nb::numpy, std::int64_t> leads_face(Labels<const L> labels, std::size_t n_classes, const Weights& weights,
                                                std::size_t n_threads) {
    std::vector<std::int64_t> counts;
    {
        nb::gil_scoped_release release;
        Halves<L> halves(labels.data(), {labels.shape(0), labels.shape(1), labels.shape(2)}, weights, n_threads);
        counts = count_leads(halves, weights, n_classes, n_threads);
    }
    auto* owned = new std::vector<std::int64_t>(std::move(counts));
    nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<std::int64_t>*>(p); });
    return {owned->data(), {owned->size()}, owner};
}

template <class L>
void bind_for(nb::module_& m) {
    m.def(
        "smooth_labels",
        [](Labels<L> labels, const Values& values, const std::string& number, const Doubles& means,
           const Doubles& inverses, const Doubles& constants, double beta, const Weights& weights, bool checkerboard,
           std::size_t sweeps, const std::tuple<std::size_t, std::size_t, std::size_t>& origin, std::size_t n_threads) {
            const Modes modes{checkerboard, sweeps, {std::get<0>(origin), std::get<1>(origin), std::get<2>(origin)}};
            smooth_labels<L>(labels, values, number, means, inverses, constants, beta, weights, modes, n_threads);
        },
        "labels"_a, "values"_a, "number"_a, "means"_a, "inverses"_a, "constants"_a, "beta"_a, "weights"_a,
        "checkerboard"_a, "sweeps"_a, "origin"_a, "n_threads"_a);
    m.def("count_leads", leads_face<L>, "labels"_a, "n_classes"_a, "weights"_a, "n_threads"_a);
}

}  // namespace

void bind_potts(nb::module_& m) {
    bind_for<std::uint8_t>(m);
    bind_for<std::uint16_t>(m);
}

}  // namespace klevels
