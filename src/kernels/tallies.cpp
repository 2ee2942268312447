// How much there is of each label, along each axis and the radius.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "measures.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {
namespace {

using Sums = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Rings = nb::ndarray<const std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Volumes = nb::ndarray<const T, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

constexpr std::size_t few = 16;             // labels that are compared one by one, in vectors
constexpr std::size_t planes_at_a_time = 255;  // that a byte can count

// Where a part of the volume is added: [z][label] and so on. A ring for each (y, x), negative for none.
struct Profiles {
    std::int64_t *z, *y, *x, *radial;
    const std::int32_t* rings;
    std::size_t n_labels;
};

// Rows of one y, through all z, of few labels: counts of each column (y, x) are kept in bytes, then added.
template <class T>
class ColumnCounter {
public:
    ColumnCounter(const T* labels, std::size_t n_z, std::size_t n_y, std::size_t n_x)
        : labels_(labels), n_z_(n_z), n_y_(n_y), n_x_(n_x), columns_(n_x) {}

    void count(std::size_t y, const Profiles& to) {
        for (std::size_t first = 0; first < n_z_; first += planes_at_a_time) {
            const std::size_t last = std::min(n_z_, first + planes_at_a_time);
            for (std::size_t label = 0; label < to.n_labels; ++label) count_label(y, first, last, label, to);
        }
    }

private:
    void count_label(std::size_t y, std::size_t first, std::size_t last, std::size_t label, const Profiles& to) {
        std::fill(columns_.begin(), columns_.end(), std::uint8_t{0});
        std::int64_t of_y = 0;
        for (std::size_t z = first; z < last; ++z) {
            const std::int64_t n = add_row(labels_ + (z * n_y_ + y) * n_x_, static_cast<T>(label), columns_.data());
            to.z[z * to.n_labels + label] += n;
            of_y += n;
        }
        if (of_y == 0) return;
        to.y[y * to.n_labels + label] += of_y;
        const std::int32_t* rings = to.rings ? to.rings + y * n_x_ : nullptr;
        for (std::size_t x = 0; x < n_x_; ++x) {
            to.x[x * to.n_labels + label] += columns_[x];
            if (rings && rings[x] >= 0) to.radial[rings[x] * to.n_labels + label] += columns_[x];
        }
    }

    // Adds to each column whether it has the label, and returns how many have.
    std::int64_t add_row(const T* row, T label, std::uint8_t* columns) const {
        std::int64_t total = 0;
        const std::size_t n = n_x_;
        for (std::size_t from = 0; from < n; from += 128) {  // a byte holds the sum
            const std::size_t size = std::min<std::size_t>(128, n - from);
            std::uint8_t sum = 0;
            for (std::size_t i = 0; i < size; ++i) {
                const auto is = static_cast<std::uint8_t>(row[from + i] == label);
                columns[from + i] = static_cast<std::uint8_t>(columns[from + i] + is);
                sum = static_cast<std::uint8_t>(sum + is);
            }
            total += sum;
        }
        return total;
    }

    const T* labels_;
    std::size_t n_z_, n_y_, n_x_;
    std::vector<std::uint8_t> columns_;
};

// Adds the amount of each voxel to the profiles of its label, in rows of one y.
class Adder {
public:
    // amounts_of(from, n) returns n amounts, from a voxel on.
    template <class T, class AmountsOf>
    void add(const T* labels, std::size_t n_z, std::size_t n_y, std::size_t n_x, std::size_t y, const Profiles& to,
             AmountsOf&& amounts_of) {
        const std::size_t n = to.n_labels;
        columns_.assign(n_x * n, 0);
        row_.assign(2 * n, 0);
        for (std::size_t z = 0; z < n_z; ++z) {
            const std::size_t from = (z * n_y + y) * n_x;
            add_row(labels + from, amounts_of(from, n_x), n_x, n);
            for (std::size_t label = 0; label < n; ++label) {
                const std::int64_t sum = row_[label] + row_[n + label];
                to.z[z * n + label] += sum;
                to.y[y * n + label] += sum;
            }
            std::fill(row_.begin(), row_.end(), std::int64_t{0});
        }
        const std::int32_t* rings = to.rings ? to.rings + y * n_x : nullptr;
        for (std::size_t x = 0; x < n_x; ++x) {
            const std::int64_t* column = columns_.data() + x * n;
            for (std::size_t label = 0; label < n; ++label) to.x[x * n + label] += column[label];
            if (!rings || rings[x] < 0) continue;
            for (std::size_t label = 0; label < n; ++label) to.radial[rings[x] * n + label] += column[label];
        }
    }

private:
    // Neighbors add to two sums in turns: neither waits for the other.
    template <class T, class A>
    void add_row(const T* labels, const A* amounts, std::size_t n_x, std::size_t n) {
        std::int64_t *column = columns_.data(), *row = row_.data(), *next = row + n;
        for (std::size_t x = 0; x < n_x; ++x, column += n) {
            std::swap(row, next);
            const std::size_t label = labels[x];
            if (label >= n) continue;
            row[label] += amounts[x];
            column[label] += amounts[x];
        }
    }

    std::vector<std::int64_t> columns_, row_;
};

// Gray values as whole numbers: those of few bits as they are.
template <class G>
class Whole {
public:
    Whole(const G* gray, double low, double scale) : gray_(gray), low_(low), scale_(scale) {}

    const auto* operator()(std::size_t from, std::size_t n) {
        if constexpr (sizeof(G) <= 2) {
            return gray_ + from;
        } else {
            // Beyond `most` an integer could not hold the sums; NaN counts as nothing. Adding and taking away a number
            // that leaves no bits for a fraction rounds to the nearest, halves to even.
            constexpr double most = 1 << 30, large = 6755399441055744.0;
            wholes_.resize(n);
            std::int32_t* out = wholes_.data();
            const double low = low_, scale = scale_;
            for (std::size_t i = 0; i < n; ++i) {
                const double value = (static_cast<double>(gray_[from + i]) - low) * scale;
                const double number = value == value ? value : 0.0;
                const double above = number < -most ? -most : number;
                const double clipped = above > most ? most : above;
                out[i] = static_cast<std::int32_t>((clipped + large) - large);
            }
            return static_cast<const std::int32_t*>(out);
        }
    }

private:
    const G* gray_;
    double low_, scale_;
    std::vector<std::int32_t> wholes_;
};

// Calls work(thread, y, profiles) for each y; profiles along y belong to all, the others to a thread until the end.
template <class Work>
void over_rows(Sums& z, Sums& y, Sums& x, Sums& radial, const std::optional<Rings>& rings, std::size_t n_threads,
               Work&& work) {
    const std::size_t n_y = y.shape(0);
    n_threads = std::max<std::size_t>(1, std::min(n_threads, n_y));
    struct Part {
        std::vector<std::int64_t> z, x, radial;
    };
    std::vector<Part> parts(n_threads);
    for (auto& part : parts) part = {std::vector<std::int64_t>(z.size()), std::vector<std::int64_t>(x.size()),
                                     std::vector<std::int64_t>(radial.size())};
    parallel_blocks(n_y, n_threads, [&](std::size_t thread, std::size_t row) {
        Part& part = parts[thread];
        work(thread, row, Profiles{part.z.data(), y.data(), part.x.data(), part.radial.data(),
                                   rings ? rings->data() : nullptr, y.shape(1)});
    });
    const auto add = [](const std::vector<std::int64_t>& from, std::int64_t* to) {
        for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
    };
    for (const auto& part : parts) {
        add(part.z, z.data());
        add(part.x, x.data());
        add(part.radial, radial.data());
    }
}

template <class T>
void count_labels(Volumes<T> labels, std::optional<Rings> rings, std::size_t n_threads, Sums z, Sums y, Sums x,
                  Sums radial) {
    const std::size_t n_z = labels.shape(0), n_y = labels.shape(1), n_x = labels.shape(2), n_labels = z.shape(1);
    nb::gil_scoped_release release;
    std::vector<ColumnCounter<T>> counters(std::max<std::size_t>(1, n_threads),
                                           ColumnCounter<T>(labels.data(), n_z, n_y, n_x));
    std::vector<Adder> adders(counters.size());
    const std::vector<std::uint8_t> ones(n_x, 1);
    over_rows(z, y, x, radial, rings, n_threads, [&](std::size_t thread, std::size_t row, const Profiles& to) {
        if (n_labels <= few) counters[thread].count(row, to);
        else adders[thread].add(labels.data(), n_z, n_y, n_x, row, to, [&](auto, auto) { return ones.data(); });
    });
}

template <class T, class G>
void sum_grays(Volumes<T> labels, Volumes<G> gray, double low, double scale, std::optional<Rings> rings,
               std::size_t n_threads, Sums z, Sums y, Sums x, Sums radial) {
    const std::size_t n_z = labels.shape(0), n_y = labels.shape(1), n_x = labels.shape(2);
    nb::gil_scoped_release release;
    std::vector<Adder> adders(std::max<std::size_t>(1, n_threads));
    std::vector<Whole<G>> wholes(adders.size(), Whole<G>(gray.data(), low, scale));
    over_rows(z, y, x, radial, rings, n_threads, [&](std::size_t thread, std::size_t row, const Profiles& to) {
        adders[thread].add(labels.data(), n_z, n_y, n_x, row, to, wholes[thread]);
    });
}

template <class T, class G>
void bind_gray(nb::module_& m) {
    m.def("sum_grays", sum_grays<T, G>, "labels"_a, "gray"_a, "low"_a, "scale"_a, "rings"_a.none(), "n_threads"_a,
          "z"_a, "y"_a, "x"_a, "radial"_a);
}

template <class T>
void bind_for(nb::module_& m) {
    m.def("count_labels", count_labels<T>, "labels"_a, "rings"_a.none(), "n_threads"_a, "z"_a, "y"_a, "x"_a,
          "radial"_a);
    bind_gray<T, std::uint8_t>(m);
    bind_gray<T, std::int8_t>(m);
    bind_gray<T, std::uint16_t>(m);
    bind_gray<T, std::int16_t>(m);
    bind_gray<T, float>(m);
    bind_gray<T, double>(m);
}

}  // namespace

void bind_tallies(nb::module_& m) {
    bind_for<std::uint8_t>(m);
    bind_for<std::uint16_t>(m);
}

}  // namespace klevels
