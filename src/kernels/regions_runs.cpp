// Regions by the runs along x: they are found, joined and summed in slabs of rows, and the slabs' components are joined
// where slabs meet.
#include "parallel.hpp"
#include "regions.hpp"

namespace klevels {
namespace {

constexpr std::size_t voxels_of_slab = std::size_t{1} << 21;

struct Run {
    Number begin, end, label;
    Number part;  // that it belongs to, of the slab
};

struct Slab {
    std::size_t first_row = 0, last_row = 0;
    std::vector<Run> runs;
    std::vector<std::size_t> starts;  // of each row, and the end of the last
    Parts parts;

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
    void find_parts(Slab& slab) const {
        std::vector<Number> starts(nx + 1 + 8);
        slab.starts.push_back(0);
        for (std::size_t row = slab.first_row; row < slab.last_row; ++row) {
            const T* values = static_cast<const T*>(labels) + row * nx;
            const std::size_t found = find_starts(values, nx, starts.data());
            if (slab.runs.capacity() < slab.runs.size() + found)
                slab.runs.reserve(std::max(slab.runs.size() + found, 2 * slab.runs.capacity()));
            for (std::size_t i = 0; i < found; ++i)
                if (const T value = values[starts[i]]; chosen[value])
                    slab.runs.push_back({starts[i], starts[i + 1], value, none});
            slab.starts.push_back(slab.runs.size());
            Run *begin = slab.begin(row), *end = slab.end(row);
            rows_before(row, [&](std::size_t other, Number reach) {
                if (other < slab.first_row) return;
                join_rows(begin, end, slab.begin(other), slab.end(other), reach, [&](Run& a, const Run& b) {
                    if (a.part != b.part) slab.parts.join(a.part, b.part);
                });
            });
            for (Run* run = begin; run < end; ++run)
                if (run->part == none) run->part = slab.parts.begin();
        }
    }

    // Of parts that are joined: there may be many fewer.
    void sum_up(Slab& slab) {
        std::int64_t nan = 0;
        const std::vector<Number> numbers = slab.parts.settle();
        auto& components = slab.parts.components;
        components.reserve(slab.parts.parents.size());
        for (std::size_t row = slab.first_row; row < slab.last_row; ++row)
            for (Run *run = slab.begin(row), *end = slab.end(row); run < end; ++run) {
                run->part = numbers[run->part];
                if (run->part == components.size()) components.push_back(nothing_of(run->label));
                sum_up(components[run->part], *run, row, nan);
            }
        if (nan) n_nan += nan;
    }

    void sum_up(Component& to, const Run& run, std::size_t row, std::int64_t& nan) const {
        const auto z = static_cast<std::int64_t>(row / ny), y = static_cast<std::int64_t>(row % ny);
        const std::int64_t b = run.begin, e = run.end, n = e - b, x = n * b + n * (n - 1) / 2;
        const std::size_t place = row * nx + run.begin;
        to[first] = std::min(to[first], static_cast<std::int64_t>(place));
        to[n_voxels] += n;
        to[low] = std::min(to[low], z);
        to[low + 1] = std::min(to[low + 1], y);
        to[low + 2] = std::min(to[low + 2], b);
        to[high] = std::max(to[high], z + 1);
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
        if (grays.data) to[gray] += grays.sum(place, run.end - run.begin, nan);
    }

    Joined join_slabs() {
        std::vector<Parts*> parts;
        for (Slab& slab : slabs) parts.push_back(&slab.parts);
        Joined joined(std::move(parts));
        for (std::size_t s = 1; s < slabs.size(); ++s) {
            Slab& slab = slabs[s];
            for (std::size_t row = slab.first_row; row < std::min(slab.last_row, slab.first_row + ny + 1); ++row)
                rows_before(row, [&](std::size_t other, Number reach) {
                    if (other >= slab.first_row) return;
                    const std::size_t o = other / rows_of_slab;
                    join_rows(slab.begin(row), slab.end(row), slabs[o].begin(other), slabs[o].end(other), reach,
                              [&](const Run& a, const Run& b) { joined.join(s, a.part, o, b.part); });
                });
        }
        return joined;
    }

    void paint_row(std::size_t s, std::size_t row, const Joined& joined, Number* out) {
        Number at = 0;
        for (const Run* run = slabs[s].begin(row); run < slabs[s].end(row); ++run) {
            std::fill(out + at, out + run->begin, Number{0});
            std::fill(out + run->begin, out + run->end, joined.id(s, run->part));
            at = run->end;
        }
        std::fill(out + at, out + nx, Number{0});
    }

    // Writes what is asked for: all ids, and those on the sides z0, z1, y0, y1, x0, x1.
    void paint(std::size_t s, const Joined& joined, Number* ids, const std::array<Number*, 6>& faces) {
        for (std::size_t row = slabs[s].first_row; row < slabs[s].last_row; ++row) {
            const std::size_t z = row / ny, y = row % ny;
            if (ids) paint_row(s, row, joined, ids + row * nx);
            if (faces[0] && z == 0) paint_row(s, row, joined, faces[0] + y * nx);
            if (faces[1] && z + 1 == nz) paint_row(s, row, joined, faces[1] + y * nx);
            if (faces[2] && y == 0) paint_row(s, row, joined, faces[2] + z * nx);
            if (faces[3] && y + 1 == ny) paint_row(s, row, joined, faces[3] + z * nx);
            const Run *begin = slabs[s].begin(row), *end = slabs[s].end(row);
            auto id = [&](const Run& run) { return joined.id(s, run.part); };
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
            search.find_parts<std::uint8_t>(search.slabs[s]);
        else
            search.find_parts<std::uint16_t>(search.slabs[s]);
        search.sum_up(search.slabs[s]);
    });
    Joined joined = search.join_slabs();
    auto components = joined.components();
    if (asked.any_ids())
        parallel_blocks(search.slabs.size(), asked.n_threads,
                        [&](std::size_t, std::size_t s) { search.paint(s, joined, asked.ids, asked.faces); });
    return {std::move(components), search.n_nan.load()};
}

}  // namespace klevels
