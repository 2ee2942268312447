// Regions by the runs along x: they are found, joined and summed in slabs of rows, and the slabs' components are joined
// where slabs meet.
#include "parallel.hpp"
#include "regions.hpp"

namespace klevels {
namespace {

constexpr std::size_t voxels_of_slab = std::size_t{1} << 21;

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

}  // namespace

RegionsFound find_by_runs(const RegionsAsked& asked) {
    Search search;
    search.nz = asked.nz;
    search.ny = asked.ny;
    search.nx = asked.nx;
    search.labels = asked.labels;
    search.chosen = asked.chosen;
    search.before = neighbors(asked.connectivity);
    search.grays = asked.grays;
    const std::size_t n_rows = search.nz * search.ny;
    search.rows_of_slab = std::max<std::size_t>(1, voxels_of_slab / search.nx);
    for (std::size_t row = 0; row < n_rows; row += search.rows_of_slab) {
        search.slabs.emplace_back();
        search.slabs.back().first_row = row;
        search.slabs.back().last_row = std::min(n_rows, row + search.rows_of_slab);
    }
    parallel_blocks(search.slabs.size(), asked.n_threads, [&](std::size_t, std::size_t s) {
        if (asked.narrow)
            search.find_runs<std::uint8_t>(search.slabs[s]);
        else
            search.find_runs<std::uint16_t>(search.slabs[s]);
        search.sum_up(search.slabs[s]);
    });
    search.join_slabs();
    if (asked.any_ids())
        parallel_blocks(search.slabs.size(), asked.n_threads,
                        [&](std::size_t, std::size_t s) { search.paint(s, asked.ids, asked.faces); });
    return {std::move(search.components), search.n_nan.load()};
}

}  // namespace klevels
