// Voxels of one label that hang together. The runs along x are the data: they are found, joined and summed in slabs of
// rows, and the slabs' components are joined where slabs meet. All sums are integers.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "measures.hpp"
#include "parallel.hpp"

namespace nb = nanobind;

namespace klevels {
namespace {

using Number = std::uint32_t;
using Volume = nb::ndarray<nb::ro, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Chosen = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<Number, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Face = nb::ndarray<Number, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<nb::numpy, std::int64_t, nb::ndim<2>>;

constexpr std::size_t voxels_of_slab = std::size_t{1} << 21;

// The columns of a component, as core/regions.py names them.
enum Column { label, first, n_voxels, low, high = low + 3, sums = high + 3, products = sums + 3, gray = products + 6,
              n_columns };
using Component = std::array<std::int64_t, n_columns>;

void add(Component& to, const Component& other) {
    to[first] = std::min(to[first], other[first]);
    to[n_voxels] += other[n_voxels];
    for (int axis = 0; axis < 3; ++axis) {
        to[low + axis] = std::min(to[low + axis], other[low + axis]);
        to[high + axis] = std::max(to[high + axis], other[high + axis]);
    }
    for (int column = sums; column < n_columns; ++column) to[column] += other[column];
}

struct Run {
    Number begin, end, label;
    Number parent;  // an earlier run of the slab; once the slab is done, the component in it
};

struct Slab {
    std::size_t first_row = 0, last_row = 0;
    std::vector<Run> runs;
    std::vector<std::size_t> starts;  // of each row, and the end of the last
    std::vector<Component> components;

    Run* begin(std::size_t row) { return runs.data() + starts[row - first_row]; }
    Run* end(std::size_t row) { return runs.data() + starts[row - first_row + 1]; }
};

// A row that comes before, and how far along x its runs may be off.
struct Neighbor {
    int dz, dy;
    Number reach;
};

std::vector<Neighbor> neighbors(int connectivity) {
    if (connectivity == 6) return {{0, -1, 0}, {-1, 0, 0}};
    if (connectivity == 18) return {{0, -1, 1}, {-1, 0, 1}, {-1, -1, 0}, {-1, 1, 0}};
    return {{0, -1, 1}, {-1, 0, 1}, {-1, -1, 1}, {-1, 1, 1}};
}

struct Grays {
    const void* data = nullptr;
    nb::dlpack::dtype dtype{};
    double low = 0, range = 1;

    template <class T>
    std::int64_t integers(std::size_t begin, std::size_t n) const {
        const T* values = static_cast<const T*>(data) + begin;
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::int64_t>(values[i]);
        return sum;
    }

    // Steps of 1 / 2^24 of the range; adding `shift` rounds to the nearest.
    template <class T>
    std::int64_t floats(std::size_t begin, std::size_t n, std::int64_t& n_nan) const {
        constexpr double shift = 6755399441055744.0, steps = 16777216.0;
        const T* values = static_cast<const T*>(data) + begin;
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const double value = static_cast<double>(values[i]);
            n_nan += value != value;
            const double share = range > 0 ? (value - low) / range : 0.0;
            const double step = (share > 0 ? (share < 1 ? share : 1.0) : 0.0) * steps;
            sum += std::bit_cast<std::int64_t>(step + shift) - std::bit_cast<std::int64_t>(shift);
        }
        return sum;
    }

    std::int64_t sum(std::size_t begin, std::size_t n, std::int64_t& n_nan) const {
        using Code = nb::dlpack::dtype_code;
        if (dtype.code == static_cast<std::uint8_t>(Code::Float))
            return dtype.bits == 32 ? floats<float>(begin, n, n_nan) : floats<double>(begin, n, n_nan);
        const bool is_signed = dtype.code == static_cast<std::uint8_t>(Code::Int);
        if (dtype.bits == 8)
            return is_signed ? integers<std::int8_t>(begin, n) : integers<std::uint8_t>(begin, n);
        if (dtype.bits == 16)
            return is_signed ? integers<std::int16_t>(begin, n) : integers<std::uint16_t>(begin, n);
        return is_signed ? integers<std::int32_t>(begin, n) : integers<std::uint32_t>(begin, n);
    }
};

// Numbers of which each points to an equal or smaller one that it belongs to.
template <class Parent>
Number root(Number number, Parent&& parent) {
    while (parent(number) != number) {
        parent(number) = parent(parent(number));
        number = parent(number);
    }
    return number;
}

template <class Parent>
void unite(Number one, Number other, Parent&& parent) {
    if (parent(one) == parent(other)) return;
    one = root(one, parent);
    other = root(other, parent);
    if (one < other)
        parent(other) = one;
    else
        parent(one) = other;
}

// Calls join(a, b) for all runs of two rows that have the same label and touch.
template <class Join>
void join_rows(Run* a, const Run* a_end, Run* b, const Run* b_end, Number reach, Join&& join) {
    while (a < a_end && b < b_end) {
        if (a->label == b->label && a->begin < b->end + reach && b->begin < a->end + reach) join(*a, *b);
        const Number ends = a->end, others = b->end;
        if (reach && ends == others) {  // the next of one may touch this of the other across the corner
            if (b + 1 < b_end && b[1].begin == ends && b[1].label == a->label) join(*a, b[1]);
            if (a + 1 < a_end && a[1].begin == ends && a[1].label == b->label) join(a[1], *b);
        }
        a += ends <= others;
        b += others <= ends;
    }
}

// Returns how many runs of equal labels there are, and where they begin.
template <class T>
std::size_t find_starts(const T* row, std::size_t n, Number* starts) {
    constexpr std::size_t step = 8 / sizeof(T);
    std::size_t found = 0, x = 1;
    starts[found++] = 0;
    for (; x + step <= n; x += step) {
        std::uint64_t here, before;
        std::memcpy(&here, row + x, 8);
        std::memcpy(&before, row + x - 1, 8);
        if (here == before) continue;
        for (std::size_t i = x; i < x + step; ++i) {
            starts[found] = static_cast<Number>(i);
            found += row[i] != row[i - 1];
        }
    }
    for (; x < n; ++x) {
        starts[found] = static_cast<Number>(x);
        found += row[x] != row[x - 1];
    }
    starts[found] = static_cast<Number>(n);
    return found;
}

struct Search {
    std::size_t nz, ny, nx;
    const void* labels;
    const std::uint8_t* chosen;
    std::vector<Neighbor> before;
    Grays grays;
    std::size_t rows_of_slab;
    std::vector<Slab> slabs;
    std::vector<Number> offsets;  // of the slabs' components
    std::vector<Number> numbers;  // of all slabs' components, in the end those of the volume
    std::vector<Component> components;
    std::atomic<std::int64_t> n_nan{0};

    // Calls each(neighboring row, reach) for those before a row.
    template <class Each>
    void rows_before(std::size_t row, Each&& each) const {
        const std::size_t z = row / ny, y = row % ny;
        for (const auto& [dz, dy, reach] : before) {
            if ((dz < 0 && z == 0) || (dy < 0 && y == 0) || (dy > 0 && y + 1 == ny)) continue;
            each(row - (dz < 0 ? ny : 0) + static_cast<std::size_t>(dy + 1) - 1, reach);
        }
    }

    template <class T>
    void find_runs(Slab& slab) const {
        std::vector<Number> starts(nx + 1 + 8);
        slab.starts.reserve(slab.last_row - slab.first_row + 1);
        auto parent = [&](Number run) -> Number& { return slab.runs[run].parent; };
        for (std::size_t row = slab.first_row; row < slab.last_row; ++row) {
            const T* values = static_cast<const T*>(labels) + row * nx;
            const std::size_t found = find_starts(values, nx, starts.data());
            auto& runs = slab.runs;
            slab.starts.push_back(runs.size());
            if (runs.capacity() < runs.size() + found)
                runs.reserve(std::max(runs.size() + found, 2 * runs.capacity()));
            for (std::size_t i = 0; i < found; ++i) {
                const T value = values[starts[i]];
                if (chosen[value])
                    runs.push_back({starts[i], starts[i + 1], value, static_cast<Number>(runs.size())});
            }
            slab.starts.push_back(runs.size());
            rows_before(row, [&](std::size_t other, Number reach) {
                if (other < slab.first_row) return;
                join_rows(slab.begin(row), slab.end(row), slab.begin(other), slab.end(other), reach,
                          [&](const Run& a, const Run& b) {
                              unite(static_cast<Number>(&a - runs.data()), static_cast<Number>(&b - runs.data()),
                                    parent);
                          });
            });
            slab.starts.pop_back();
        }
        slab.starts.push_back(slab.runs.size());
    }

    void sum_up(Slab& slab) {
        std::int64_t nan = 0;
        std::size_t n_components = 0;
        for (std::size_t run = 0; run < slab.runs.size(); ++run) n_components += slab.runs[run].parent == run;
        slab.components.reserve(n_components);
        for (std::size_t row = slab.first_row; row < slab.last_row; ++row) {
            const auto z = static_cast<std::int64_t>(row / ny), y = static_cast<std::int64_t>(row % ny);
            for (Run* run = slab.begin(row); run < slab.end(row); ++run) {
                const std::int64_t b = run->begin, e = run->end, n = e - b;
                const std::size_t place = row * nx + run->begin;
                if (slab.runs.data() + run->parent == run) {
                    run->parent = static_cast<Number>(slab.components.size());
                    const auto at = static_cast<std::int64_t>(place);
                    slab.components.push_back({run->label, at, 0, z, y, b, z + 1, y + 1, e});
                } else {
                    run->parent = slab.runs[run->parent].parent;
                }
                Component& to = slab.components[run->parent];
                const std::int64_t x = n * b + n * (n - 1) / 2;
                to[n_voxels] += n;
                to[low + 1] = std::min(to[low + 1], y);
                to[low + 2] = std::min(to[low + 2], b);
                to[high] = z + 1;
                to[high + 1] = std::max(to[high + 1], y + 1);
                to[high + 2] = std::max(to[high + 2], e);
                to[sums] += n * z;
                to[sums + 1] += n * y;
                to[sums + 2] += x;
                to[products] += n * z * z;
                to[products + 1] += n * z * y;
                to[products + 2] += z * x;
                to[products + 3] += n * y * y;
                to[products + 4] += y * x;
                to[products + 5] += n * b * b + b * n * (n - 1) + (n - 1) * n * (2 * n - 1) / 6;
                if (grays.data) to[gray] += grays.sum(place, run->end - run->begin, nan);
            }
        }
        if (nan) n_nan += nan;
    }

    void join_slabs() {
        std::size_t n = 0;
        for (auto& slab : slabs) {
            offsets.push_back(static_cast<Number>(n));
            n += slab.components.size();
        }
        numbers.resize(n);
        for (std::size_t i = 0; i < n; ++i) numbers[i] = static_cast<Number>(i);
        auto parent = [&](Number component) -> Number& { return numbers[component]; };
        for (std::size_t s = 1; s < slabs.size(); ++s) {
            Slab& slab = slabs[s];
            for (std::size_t row = slab.first_row; row < std::min(slab.last_row, slab.first_row + ny + 1); ++row)
                rows_before(row, [&](std::size_t other, Number reach) {
                    if (other >= slab.first_row) return;
                    const std::size_t o = other / rows_of_slab;
                    join_rows(slab.begin(row), slab.end(row), slabs[o].begin(other), slabs[o].end(other), reach,
                              [&](const Run& a, const Run& b) {
                                  unite(offsets[s] + a.parent, offsets[o] + b.parent, parent);
                              });
                });
        }
        std::size_t i = 0, n_roots = 0;
        for (; i < n; ++i) n_roots += numbers[i] == i;
        components.reserve(n_roots);
        i = 0;
        for (auto& slab : slabs) {
            for (const auto& one : slab.components) {
                if (numbers[i] == i) {
                    numbers[i] = static_cast<Number>(components.size());
                    components.push_back(one);
                } else {
                    numbers[i] = numbers[numbers[i]];
                    add(components[numbers[i]], one);
                }
                ++i;
            }
            std::vector<Component>().swap(slab.components);
        }
    }

    void paint_row(std::size_t s, std::size_t row, Number* out) {
        Number at = 0;
        for (const Run* run = slabs[s].begin(row); run < slabs[s].end(row); ++run) {
            std::fill(out + at, out + run->begin, Number{0});
            std::fill(out + run->begin, out + run->end, numbers[offsets[s] + run->parent] + 1);
            at = run->end;
        }
        std::fill(out + at, out + nx, Number{0});
    }

    // Writes what is asked for: all ids, and those on the sides z0, z1, y0, y1, x0, x1.
    void paint(std::size_t s, Number* ids, const std::array<Number*, 6>& faces) {
        for (std::size_t row = slabs[s].first_row; row < slabs[s].last_row; ++row) {
            const std::size_t z = row / ny, y = row % ny;
            if (ids) paint_row(s, row, ids + row * nx);
            if (faces[0] && z == 0) paint_row(s, row, faces[0] + y * nx);
            if (faces[1] && z + 1 == nz) paint_row(s, row, faces[1] + y * nx);
            if (faces[2] && y == 0) paint_row(s, row, faces[2] + z * nx);
            if (faces[3] && y + 1 == ny) paint_row(s, row, faces[3] + z * nx);
            const Run *begin = slabs[s].begin(row), *end = slabs[s].end(row);
            auto id = [&](const Run& run) { return numbers[offsets[s] + run.parent] + 1; };
            if (faces[4]) faces[4][row] = begin < end && begin->begin == 0 ? id(*begin) : 0;
            if (faces[5]) faces[5][row] = begin < end && end[-1].end == nx ? id(end[-1]) : 0;
        }
    }
};

nb::tuple find_regions(const Volume& labels, const Chosen& chosen, int connectivity,
                       const std::optional<Volume>& gray_values, double lowest, double highest,
                       const std::optional<Ids>& ids, const std::vector<std::optional<Face>>& faces,
                       std::size_t n_threads) {
    Search search;
    search.nz = labels.shape(0);
    search.ny = labels.shape(1);
    search.nx = labels.shape(2);
    search.labels = labels.data();
    search.chosen = chosen.data();
    search.before = neighbors(connectivity);
    if (gray_values) search.grays = {gray_values->data(), gray_values->dtype(), lowest, highest - lowest};
    const bool narrow = labels.dtype() == nb::dtype<std::uint8_t>();
    std::array<Number*, 6> sides{};
    for (std::size_t side = 0; side < 6; ++side) sides[side] = faces[side] ? faces[side]->data() : nullptr;
    Number* out = ids ? ids->data() : nullptr;
    {
        const nb::gil_scoped_release released;
        const std::size_t n_rows = search.nz * search.ny;
        search.rows_of_slab = std::max<std::size_t>(1, voxels_of_slab / search.nx);
        for (std::size_t row = 0; row < n_rows; row += search.rows_of_slab) {
            search.slabs.emplace_back();
            search.slabs.back().first_row = row;
            search.slabs.back().last_row = std::min(n_rows, row + search.rows_of_slab);
        }
        parallel_blocks(search.slabs.size(), n_threads, [&](std::size_t, std::size_t s) {
            if (narrow)
                search.find_runs<std::uint8_t>(search.slabs[s]);
            else
                search.find_runs<std::uint16_t>(search.slabs[s]);
            search.sum_up(search.slabs[s]);
        });
        search.join_slabs();
        if (out || std::any_of(sides.begin(), sides.end(), [](const Number* side) { return side; }))
            parallel_blocks(search.slabs.size(), n_threads,
                            [&](std::size_t, std::size_t s) { search.paint(s, out, sides); });
    }
    auto kept = std::make_unique<std::vector<Component>>(std::move(search.components));
    auto* data = reinterpret_cast<std::int64_t*>(kept->data());
    const std::size_t n = kept->size();
    nb::capsule owner(kept.release(), [](void* p) noexcept { delete static_cast<std::vector<Component>*>(p); });
    return nb::make_tuple(Rows(data, {n, std::size_t{n_columns}}, owner), search.n_nan.load());
}

using Pairs = nb::ndarray<const std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Roots = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The smallest number that each is joined with; `roots` holds 0, 1, 2, … before.
void join_pairs(const Pairs& pairs, const Roots& roots) {
    const nb::gil_scoped_release released;
    std::int64_t* parents = roots.data();
    auto find = [&](std::int64_t i) {
        while (parents[i] != i) i = parents[i] = parents[parents[i]];
        return i;
    };
    for (std::size_t i = 0; i < pairs.shape(0); ++i) {
        const std::int64_t one = find(pairs.data()[2 * i]), other = find(pairs.data()[2 * i + 1]);
        parents[std::max(one, other)] = std::min(one, other);
    }
    for (std::size_t i = 0; i < roots.shape(0); ++i) parents[i] = parents[parents[i]];
}

}  // namespace

void bind_regions(nb::module_& m) {
    m.def("find_regions", &find_regions, nb::arg("labels"), nb::arg("chosen"), nb::arg("connectivity"),
          nb::arg("gray").none(), nb::arg("lowest"), nb::arg("highest"), nb::arg("ids").none(), nb::arg("faces"),
          nb::arg("threads"));
    m.def("join_pairs", &join_pairs, nb::arg("pairs"), nb::arg("roots"));
}

}  // namespace klevels
