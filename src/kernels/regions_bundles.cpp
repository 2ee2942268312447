// Regions where voxels hang together by corners, too. Rows are taken in bundles of two by two: in one, all voxels of
// a label that are at the same x, or at neighboring ones, hang together whatever rows they are in. So the runs of the
// four rows' bits, joined by or, are what is joined with the runs of other bundles: a fraction of those of the rows,
// and much longer where labels are noisy. Their bits tell where bundles touch.
#include <utility>

#include "parallel.hpp"
#include "regions.hpp"
#include "regions_bits.hpp"

namespace klevels {
namespace {

constexpr std::size_t n_rows = 4;  // of a bundle, at (z, y), (z, y + 1), (z + 1, y) and (z + 1, y + 1)
constexpr std::size_t least_voxels_of_slab = std::size_t{1} << 20;

struct Run {
    Number begin, end;
    Number part;  // that it belongs to, of the slab
};

struct Slab {
    std::size_t first = 0, last = 0;  // bundles
    std::vector<Run> runs;            // of a bundle's first label, its second, ..., of the next bundle
    std::vector<std::size_t> starts;
    std::vector<Word> bits;  // of the first layer of bundles, and of the last
    Parts parts;
};

// A bundle that comes before, which rows of it are looked at, and which of this one.
struct Neighbor {
    int dz, dy;
    std::array<std::size_t, 2> theirs, ours;
};

constexpr std::array<Neighbor, 4> neighbors{{{-1, 0, {2, 3}, {0, 1}},  // most of what touches touches these
                                             {0, -1, {1, 3}, {0, 2}},
                                             {-1, -1, {3, 3}, {0, 0}},
                                             {-1, 1, {2, 2}, {1, 1}}}};

// Where the rows of two bundles touch: our bits where theirs has one there or before, and those where there or after.
class Contact {
public:
    explicit Contact(std::size_t n) : n_(n), theirs_(n + 1), before_(n + 2), after_(n + 2) {}

    // Calls join(a, b) for the runs that touch, but for those that need not be joined.
    template <class Needed, class Join>
    void each(const Word* our_rows, const Word* their_rows, const Neighbor& neighbor, Run* a, const Run* a_end, Run* b,
              const Run* b_end, Needed&& needed, Join&& join) {
        bool is_set = false;
        while (a < a_end && b < b_end) {
            if (a->begin <= b->end && b->begin <= a->end && needed(*a, *b)) {
                if (!std::exchange(is_set, true)) set(our_rows, their_rows, neighbor);
                if (joins(*a, *b)) join(*a, *b);
            }
            const Number ends = a->end, others = b->end;
            a += ends <= others;
            b += others <= ends;
        }
    }

private:
    void set(const Word* our_rows, const Word* their_rows, const Neighbor& neighbor) {
        const Word *a = our_rows + neighbor.ours[0] * n_, *b = our_rows + neighbor.ours[1] * n_;
        const Word *c = their_rows + neighbor.theirs[0] * n_, *d = their_rows + neighbor.theirs[1] * n_;
        for (std::size_t w = 0; w < n_; ++w) theirs_[w] = c[w] | d[w];
        Word carried = 0;
        for (std::size_t w = 0; w < n_; ++w) {
            const Word ours = a[w] | b[w], theirs = theirs_[w];
            before_[w] = ours & (theirs | theirs << 1 | carried);
            after_[w] = ours & (theirs | theirs >> 1 | theirs_[w + 1] << 63);
            carried = theirs >> 63;
        }
    }

    // Right before and after a run there is none of its bits, so all that is found is theirs.
    bool joins(const Run& a, const Run& b) const {
        return any_bit(before_.data(), std::max(a.begin, b.begin), std::min(a.end, b.end + 1)) ||
               any_bit(after_.data(), std::max(a.begin + 1, b.begin) - 1, std::min(a.end, b.end));
    }

    std::size_t n_;
    std::vector<Word> theirs_, before_, after_;  // and zeros
};

template <class T>
class Search {
public:
    Search(const RegionsAsked& asked, const std::vector<Number>& labels)
        : asked_(asked), labels_(labels), ny_((asked.ny + 1) / 2), layer_(asked.nz > 2 ? ny_ + 1 : 1),
          n_words_((asked.nx + 63) / 64),
          indices_(std::size_t{1} << (8 * sizeof(T)), 255) {
        for (std::size_t l = 0; l < labels.size(); ++l) indices_[labels[l]] = static_cast<std::uint8_t>(l);
        const std::size_t n = ny_ * ((asked.nz + 1) / 2);
        const std::size_t n_slabs = asked.n_threads == 1 ? 1 : 4 * asked.n_threads;
        bundles_of_slab_ = std::max((n + n_slabs - 1) / n_slabs, least_voxels_of_slab / (n_rows * asked.nx) + 1);
        for (std::size_t first = 0; first < n; first += bundles_of_slab_) {
            slabs_.emplace_back();
            slabs_.back().first = first;
            slabs_.back().last = std::min(n, first + bundles_of_slab_);
        }
    }

    RegionsFound find() {
        parallel_blocks(slabs_.size(), asked_.n_threads, [&](std::size_t, std::size_t s) { find_parts(slabs_[s]); });
        Joined joined = join_slabs();
        auto components = joined.components();
        if (asked_.any_ids())
            parallel_blocks(slabs_.size(), asked_.n_threads, [&](std::size_t, std::size_t s) { paint(s, joined); });
        return {std::move(components), n_nan_.load()};
    }

private:
    struct Row {
        bool exists;
        std::size_t z, y, index;
    };

    Row row_of(std::size_t bundle, std::size_t r) const {
        const std::size_t z = bundle / ny_ * 2 + r / 2, y = bundle % ny_ * 2 + r % 2;
        return {z < asked_.nz && y < asked_.ny, z, y, z * asked_.ny + y};
    }

    const T* values(const Row& row) const { return static_cast<const T*>(asked_.labels) + row.index * asked_.nx; }

    // Those that bundles to come, and the slabs before and after, look at.
    Word* bits(Slab& slab, std::size_t bundle, std::size_t l) const {
        const std::size_t at = bundle - slab.first, place = at < layer_ ? at : layer_ + at % (layer_ + 1);
        return slab.bits.data() + (place * labels_.size() + l) * n_rows * n_words_;
    }

    Run* runs(Slab& slab, std::size_t bundle, std::size_t l) {
        return slab.runs.data() + slab.starts[(bundle - slab.first) * labels_.size() + l];
    }

    // Calls each(neighbor, bundle) for the bundles before.
    template <class Each>
    void bundles_before(std::size_t bundle, Each&& each) const {
        const std::size_t z = bundle / ny_, y = bundle % ny_;
        for (const Neighbor& neighbor : neighbors) {
            if ((neighbor.dz < 0 && z == 0) || (neighbor.dy < 0 && y == 0) || (neighbor.dy > 0 && y + 1 == ny_))
                continue;
            each(neighbor, bundle - (neighbor.dz < 0 ? ny_ : 0) + static_cast<std::size_t>(neighbor.dy + 1) - 1);
        }
    }

    void find_parts(Slab& slab) {
        Contact contact(n_words_);
        std::vector<Word> any(n_words_);
        std::int64_t n_nan = 0;
        slab.starts.push_back(0);
        const std::size_t n = slab.last - slab.first;
        slab.bits.resize((n <= layer_ ? n : 2 * layer_ + 1) * labels_.size() * n_rows * n_words_);
        for (std::size_t bundle = slab.first; bundle < slab.last; ++bundle) {
            find_bits(slab, bundle);
            for (std::size_t l = 0; l < labels_.size(); ++l) {
                find_runs(slab, bits(slab, bundle, l), any.data());
                slab.starts.push_back(slab.runs.size());
                Run *begin = runs(slab, bundle, l), *end = runs(slab, bundle, l + 1);
                if (begin == end) continue;
                bundles_before(bundle, [&](const Neighbor& neighbor, std::size_t other) {
                    if (other < slab.first) return;
                    Run *others = runs(slab, other, l), *others_end = runs(slab, other, l + 1);
                    if (others == others_end) return;
                    contact.each(
                        bits(slab, bundle, l), bits(slab, other, l), neighbor, begin, end, others, others_end,
                        [](const Run& a, const Run& b) { return a.part != b.part; },
                        [&](Run& a, const Run& b) { slab.parts.join(a.part, b.part); });
                });
                for (Run* run = begin; run < end; ++run) {
                    if (run->part == none) {
                        run->part = slab.parts.begin();
                        slab.parts.components.push_back(nothing_of(labels_[l]));
                    }
                    sum_up(slab.parts.components[run->part], *run, bundle, bits(slab, bundle, l), n_nan);
                }
            }
        }
        if (n_nan) n_nan_ += n_nan;
    }

    void find_bits(Slab& slab, std::size_t bundle) const {
        for (std::size_t r = 0; r < n_rows; ++r) {
            const Row row = row_of(bundle, r);
            for (std::size_t l = 0; l < labels_.size(); ++l) {
                Word* out = bits(slab, bundle, l) + r * n_words_;
                if (!row.exists) {
                    std::fill(out, out + n_words_, Word{0});
                    continue;
                }
                const T* labels = values(row);
                for (std::size_t w = 0; w < n_words_; ++w)
                    out[w] = matches(labels + 64 * w, static_cast<T>(labels_[l]),
                                     std::min<std::size_t>(64, asked_.nx - 64 * w));
            }
        }
    }

    void find_runs(Slab& slab, const Word* rows, Word* any) const {
        const std::size_t n = n_words_;
        for (std::size_t w = 0; w < n; ++w)
            any[w] = rows[w] | rows[w + n] | rows[w + 2 * n] | rows[w + 3 * n];
        each_run(any, 0, asked_.nx, [&](std::size_t begin, std::size_t end) {
            slab.runs.push_back({static_cast<Number>(begin), static_cast<Number>(end), none});
        });
    }

    void sum_up(Component& to, const Run& run, std::size_t bundle, const Word* rows, std::int64_t& n_nan) const {
        constexpr std::uint32_t counts = (1u << at_sum) - 1, places = (1u << (at_squares - at_sum)) - 1;
        std::array<std::int64_t, n_rows> n{}, x{};
        std::int64_t squares = 0;
        for (std::size_t byte = run.begin / 8; byte <= (run.end - 1) / 8; ++byte) {
            const auto from = static_cast<std::int64_t>(8 * byte);
            const Word wanted = within(byte / 8, run.begin, run.end);
            std::uint32_t total = 0;
            for (std::size_t r = 0; r < n_rows; ++r) {
                const Word bits = (rows[r * n_words_ + byte / 8] & wanted) >> (byte % 8 * 8) & 255;
                const std::uint32_t one = of_byte[bits];
                n[r] += one & counts;
                x[r] += (one & counts) * from + (one >> at_sum & places);
                total += one;
            }
            squares += ((total & counts) * from + 2 * (total >> at_sum & places)) * from + (total >> at_squares);
        }
        std::size_t r = 0;
        while (!n[r]) ++r;
        const std::size_t row = row_of(bundle, r).index * asked_.nx;
        if (static_cast<std::int64_t>(row + run.begin) < to[first])
            to[first] = std::min(to[first], static_cast<std::int64_t>(row + first_bit(rows + r * n_words_, run.begin)));
        if (asked_.grays.data)
            for (r = 0; r < n_rows; ++r)
                each_run(rows + r * n_words_, run.begin, run.end, [&](std::size_t begin, std::size_t end) {
                    to[gray] += asked_.grays.sum(row_of(bundle, r).index * asked_.nx + begin, end - begin, n_nan);
                });
        const auto z = static_cast<std::int64_t>(bundle / ny_ * 2), y = static_cast<std::int64_t>(bundle % ny_ * 2);
        const std::int64_t all = n[0] + n[1] + n[2] + n[3], all_x = x[0] + x[1] + x[2] + x[3];
        const std::int64_t n_z = n[2] + n[3], n_y = n[1] + n[3];  // in the second rows
        to[n_voxels] += all;
        to[low] = std::min(to[low], z + (n_z == all));
        to[low + 1] = std::min(to[low + 1], y + (n_y == all));
        to[low + 2] = std::min(to[low + 2], static_cast<std::int64_t>(run.begin));
        to[high] = std::max(to[high], z + 1 + (n_z > 0));
        to[high + 1] = std::max(to[high + 1], y + 1 + (n_y > 0));
        to[high + 2] = std::max(to[high + 2], static_cast<std::int64_t>(run.end));
        to[sums] += all * z + n_z;
        to[sums + 1] += all * y + n_y;
        to[sums + 2] += all_x;
        to[products] += all * z * z + n_z * (2 * z + 1);
        to[products + 1] += all * z * y + n_z * y + n_y * z + n[3];
        to[products + 2] += all_x * z + x[2] + x[3];
        to[products + 3] += all * y * y + n_y * (2 * y + 1);
        to[products + 4] += all_x * y + x[1] + x[3];
        to[products + 5] += squares;
    }

    Joined join_slabs() {
        std::vector<Parts*> parts;
        for (Slab& slab : slabs_) parts.push_back(&slab.parts);
        Joined joined(std::move(parts));
        Contact contact(n_words_);
        for (std::size_t s = 1; s < slabs_.size(); ++s) {
            Slab& slab = slabs_[s];
            for (std::size_t bundle = slab.first; bundle < std::min(slab.last, slab.first + layer_); ++bundle)
                bundles_before(bundle, [&](const Neighbor& neighbor, std::size_t other) {
                    if (other >= slab.first) return;
                    const std::size_t o = other / bundles_of_slab_;
                    for (std::size_t l = 0; l < labels_.size(); ++l)
                        contact.each(
                            bits(slab, bundle, l), bits(slabs_[o], other, l), neighbor, runs(slab, bundle, l),
                            runs(slab, bundle, l + 1), runs(slabs_[o], other, l), runs(slabs_[o], other, l + 1),
                            [](const Run&, const Run&) { return true; },
                            [&](const Run& a, const Run& b) { joined.join(s, a.part, o, b.part); });
                });
        }
        return joined;
    }

    void paint(std::size_t s, const Joined& joined) {
        const auto id = [&](const Run& run) { return joined.id(s, run.part); };
        Slab& slab = slabs_[s];
        for (std::size_t bundle = slab.first; bundle < slab.last; ++bundle)
            for (std::size_t r = 0; r < n_rows; ++r) {
                const Row row = row_of(bundle, r);
                if (!row.exists) continue;
                const auto paint_row = [&](Number* out) {
                    std::fill(out, out + asked_.nx, Number{0});
                    for (std::size_t l = 0; l < labels_.size(); ++l)
                        for (const Run *run = runs(slab, bundle, l), *end = runs(slab, bundle, l + 1); run < end; ++run)
                            paint_run(*run, values(row), static_cast<T>(labels_[l]), id(*run), out);
                };
                const auto& faces = asked_.faces;
                if (asked_.ids) paint_row(asked_.ids + row.index * asked_.nx);
                if (faces[0] && row.z == 0) paint_row(faces[0] + row.y * asked_.nx);
                if (faces[1] && row.z + 1 == asked_.nz) paint_row(faces[1] + row.y * asked_.nx);
                if (faces[2] && row.y == 0) paint_row(faces[2] + row.z * asked_.nx);
                if (faces[3] && row.y + 1 == asked_.ny) paint_row(faces[3] + row.z * asked_.nx);
                const std::uint8_t left = indices_[values(row)[0]], right = indices_[values(row)[asked_.nx - 1]];
                if (faces[4]) faces[4][row.index] = left == 255 ? 0 : id(*runs(slab, bundle, left));
                if (faces[5]) faces[5][row.index] = right == 255 ? 0 : id(runs(slab, bundle, right + 1u)[-1]);
            }
    }

    // May give voxels after it that have the label its number; they get theirs with their runs.
    void paint_run(const Run& run, const T* row, T label, Number number, Number* out) const {
        constexpr std::size_t step = 16;
        std::size_t x = run.begin;
        for (; x < run.end && x + step <= asked_.nx; x += step) {
            Number before[step], here[step];
            std::memcpy(before, out + x, sizeof(before));
            for (std::size_t i = 0; i < step; ++i) here[i] = static_cast<Number>(-(row[x + i] == label));
            for (std::size_t i = 0; i < step; ++i) here[i] = before[i] ^ ((before[i] ^ number) & here[i]);
            std::memcpy(out + x, here, sizeof(here));
        }
        for (; x < run.end; ++x)
            if (row[x] == label) out[x] = number;
    }

    const RegionsAsked& asked_;
    const std::vector<Number>& labels_;
    std::size_t ny_, layer_, n_words_;  // a bundle looks back as far as a layer
    std::size_t bundles_of_slab_ = 0;
    std::vector<std::uint8_t> indices_;  // of labels; 255 of those that are not asked for
    std::vector<Slab> slabs_;
    std::atomic<std::int64_t> n_nan_{0};
};

}  // namespace

RegionsFound find_by_bundles(const RegionsAsked& asked, const std::vector<Number>& labels) {
    if (asked.narrow) return Search<std::uint8_t>(asked, labels).find();
    return Search<std::uint16_t>(asked, labels).find();
}

}  // namespace klevels
