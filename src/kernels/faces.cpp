// Where a label meets others: surface areas, and Euler numbers.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "measures.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {
namespace {

using Triple = std::array<std::size_t, 3>;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t reach = 4;       // a voxel before a face, one of the differences, two of the box that smooths
constexpr std::size_t n_columns = 5;   // of labels: cosines along z, y, x; Euler numbers for 6 and for 26 neighbors
constexpr std::size_t n_axes = 3;      // of objects: cosines alone
constexpr double unit = 1 << 20;       // of a cosine

// What a voxel is to the label that is looked at. Two neighbors are a face if just one of them has the label, and
// neither is left out: their states differ in the lowest bit alone.
enum State : std::uint8_t { other = 0, own = 1, left_out = 2 };

// Eight times what 2 x 2 x 2 voxels add to the Euler number. Voxels that hang together by corners are closed cubes,
// which share corners, edges and faces; those that hang together by faces are points, joined where they are neighbors.
// Both numbers in one: that for 26 neighbors times 2^32, and that for 6.
constexpr std::array<std::int64_t, 256> euler_table() {
    std::array<std::int64_t, 256> table{};
    for (unsigned code = 0; code < 256; ++code) {
        std::int64_t closed = code ? 8 : 0, open = code == 255 ? -8 : 0;
        for (unsigned fixed = 1; fixed < 8; ++fixed)  // axes along which a cell is one voxel wide
            for (unsigned place = 0; place < 8; ++place) {
                if (place & ~fixed) continue;
                unsigned cell = 0;
                for (unsigned corner = 0; corner < 8; ++corner)
                    if ((corner & fixed) == place) cell |= 1u << corner;
                const int n_fixed = std::popcount(fixed);
                constexpr int closed_weights[] = {0, -4, 2, -1}, open_weights[] = {0, 4, -2, 1};
                if (code & cell) closed += closed_weights[n_fixed];
                if ((code & cell) == cell) open += open_weights[n_fixed];
            }
        table[code] = closed * (std::int64_t{1} << 32) + open;
    }
    return table;
}

constexpr auto euler_of = euler_table();


void add_euler(std::int64_t both, std::int64_t* row) {
    const auto open = static_cast<std::int32_t>(static_cast<std::uint32_t>(both));
    row[3] += open;
    row[4] += (both - open) >> 32;
}

template <class T>
struct Volume {
    const T* labels;
    const std::uint32_t* ids;  // of what is counted alone; or null
    Triple shape, begin, end;  // end of what is counted
    std::size_t n_labels;
    std::array<double, 3> weights;  // one over the size of a voxel
};

// A part of the volume with `reach` voxels around it; beyond the ends of the volume its last voxels are repeated.
template <class T>
class Tile {
public:
    explicit Tile(const Volume<T>& volume) : volume_(volume) {}

    // A row of sums for each label, or, where there are ids, for each object.
    void count(const Triple& begin, const Triple& end, std::int64_t* sums) {
        begin_ = begin;
        for (int a = 0; a < 3; ++a) {
            inner_[a] = end[a] - begin[a];
            whole_[a] = inner_[a] + 2 * reach;
            // Windows are counted at their last voxel; at the end of the volume that lies one beyond.
            windows_[a] = inner_[a] + (end[a] == volume_.shape[a]);
        }
        strides_ = {whole_[1] * whole_[2], whole_[2], 1};
        load();
        const bool ends = windows_ != inner_ || !begin[0] || !begin[1] || !begin[2];
        if (present_.size() == 1 && (volume_.ids || !ends)) return;
        for (const std::size_t label : present_) {
            if (label >= volume_.n_labels) continue;
            set_states(static_cast<T>(label));
            if (volume_.ids) {
                count_object_faces(sums);
            } else {
                std::int64_t* row = sums + label * n_columns;
                if (present_.size() > 1) count_faces(row);
                count_windows(row);
            }
        }
    }

private:
    std::size_t size() const { return whole_[0] * strides_[0]; }

    std::size_t clamped(std::size_t at, int a) const {
        const std::size_t from_halo = at + begin_[a];
        return std::min(from_halo < reach ? 0 : from_halo - reach, volume_.shape[a] - 1);
    }

    void load() {
        const auto& shape = volume_.shape;
        labels_.resize(size());
        T* out = labels_.data();
        for (std::size_t z = 0; z < whole_[0]; ++z)
            for (std::size_t y = 0; y < whole_[1]; ++y, out += whole_[2]) {
                const T* row = volume_.labels + (clamped(z, 0) * shape[1] + clamped(y, 1)) * shape[2];
                std::size_t x = 0, last = whole_[2];
                while (x < last && x + begin_[2] < reach) out[x++] = row[0];
                while (last > x && last - 1 + begin_[2] - reach >= shape[2]) out[--last] = row[shape[2] - 1];
                std::copy(row + (x + begin_[2] - reach), row + (last + begin_[2] - reach), out + x);
            }
        find_present();
    }

    void find_present() {
        present_.clear();
        const T first = labels_[0];
        bool differ = false;
        for (std::size_t at = 0; at < labels_.size() && !differ; at += whole_[2]) {
            T bits = 0;
            for (std::size_t x = 0; x < whole_[2]; ++x) bits |= static_cast<T>(labels_[at + x] ^ first);
            differ = bits != 0;
        }
        if (!differ) {
            present_.push_back(first);
            return;
        }
        seen_.assign(std::size_t{1} << (8 * sizeof(T)), 0);
        std::uint8_t* seen = seen_.data();
        for (const T label : labels_) seen[label] = 1;
        for (std::size_t label = 0; label < seen_.size(); ++label)
            if (seen_[label]) present_.push_back(label);
    }

    void set_states(T label) {
        states_.resize(size());
        const std::size_t most = (std::size_t{1} << (8 * sizeof(T))) - 1;
        const T last = static_cast<T>(std::min(volume_.n_labels - 1, most));
        const T* labels = labels_.data();
        std::uint8_t* states = states_.data();
        for (std::size_t i = 0, n = size(); i < n; ++i)
            states[i] = static_cast<std::uint8_t>((labels[i] == label) | ((labels[i] > last) << 1));
    }

    std::size_t at(std::size_t z, std::size_t y, std::size_t x) const {
        return z * strides_[0] + y * strides_[1] + x;
    }

    void count_faces(std::int64_t* row) {
        const auto found = [&](int a) -> auto& {
            auto& faces = faces_[a];
            find_faces(a, [](std::uint8_t here, std::uint8_t before) { return (here ^ before) == own; }, true, faces);
            return faces;
        };
        if (found(0).empty() & found(1).empty() & found(2).empty()) return;
        smooth();
        for (int a = 0; a < 3; ++a) {
            std::int64_t sum = 0;
            for (const std::uint32_t face : faces_[a]) sum += cosine(face, a);
            row[a] += sum;
        }
    }

    // Each face belongs to the voxel that has the label, in whatever part of the volume the other one is.
    void count_object_faces(std::int64_t* sums) {
        bool smoothed = false;
        for (int a = 0; a < 3; ++a)
            for (const bool below : {true, false}) {
                auto& faces = faces_[a];
                find_faces(a, [](std::uint8_t here, std::uint8_t there) { return (here == own) & (there == other); },
                           below, faces);
                if (!faces.empty() && !std::exchange(smoothed, true)) smooth();
                const std::size_t ahead = below ? 0 : strides_[a];
                for (const std::uint32_t voxel : faces)
                    if (const std::uint32_t id = id_of(voxel)) sums[id * n_axes + a] += cosine(voxel + ahead, a);
            }
    }

    std::uint32_t id_of(std::size_t voxel) const {
        const Triple place{voxel / strides_[0], voxel % strides_[0] / strides_[1], voxel % strides_[1]};
        std::size_t found = 0;
        for (int a = 0; a < 3; ++a)
            found = found * (volume_.end[a] - volume_.begin[a]) + place[a] - reach + begin_[a] - volume_.begin[a];
        return volume_.ids[found];
    }

    // Lists the voxels that have a face toward the one before, or after, along an axis. Those beyond the ends of the
    // volume are repeated, and so have none.
    template <class Differs>
    void find_faces(int a, Differs&& differs, bool below, std::vector<std::uint32_t>& faces) {
        const std::size_t n = inner_[2], padded = (n + 7) / 8 * 8;
        flags_.assign(padded, 0);
        faces.clear();
        std::size_t n_found = 0;
        for (std::size_t z = reach; z < reach + inner_[0]; ++z)
            for (std::size_t y = reach; y < reach + inner_[1]; ++y) {
                const std::size_t from = at(z, y, reach);
                const std::uint8_t* here = states_.data() + from;
                const std::uint8_t* there = below ? here - strides_[a] : here + strides_[a];
                std::uint8_t* flags = flags_.data();
                for (std::size_t x = 0; x < n; ++x) flags[x] = differs(here[x], there[x]);
                if (faces.size() < n_found + padded) faces.resize(2 * (n_found + padded));
                std::uint32_t* found = faces.data() + n_found;
                each_word<false>(padded, [&](std::size_t x) {  // without branches, which would be hard to foresee
                    *found = static_cast<std::uint32_t>(from + x);
                    found += flags[x];
                });
                n_found = static_cast<std::size_t>(found - faces.data());
            }
        faces.resize(n_found);
    }

    // Calls seen(i) for all flags but where eight are zero; with `full`, also but where all bits of eight are set.
    template <bool full, class Seen>
    void each_word(std::size_t n, Seen&& seen) const {
        const std::uint8_t* flags = flags_.data();
        for (std::size_t i = 0; i < n; i += 8) {
            std::uint64_t word;
            std::memcpy(&word, flags + i, 8);
            if (word == 0 || (full && word == ~std::uint64_t{0})) continue;
            for (std::size_t j = i; j < i + 8; ++j) seen(j);
        }
    }

    // Sums of the label over boxes of 5 x 5 x 5, each at the first voxel of its box.
    void smooth() {
        sums_.resize(size());
        const std::size_t n = whole_[2], n_rows = whole_[0] * whole_[1];
        for (std::size_t r = 0; r < n_rows; ++r) {
            const std::uint8_t* in = states_.data() + r * n;
            std::uint8_t* out = sums_.data() + r * n;
            for (std::size_t x = 0; x + 4 < n; ++x)
                out[x] = static_cast<std::uint8_t>((in[x] & 1) + (in[x + 1] & 1) + (in[x + 2] & 1) + (in[x + 3] & 1) +
                                                   (in[x + 4] & 1));
            for (std::size_t x = n - 4; x < n; ++x) out[x] = 0;
        }
        for (std::size_t z = 0; z < whole_[0]; ++z) add_rows(sums_.data() + z * strides_[0], whole_[1], n);
        add_rows(sums_.data(), whole_[0], strides_[0]);
    }

    static void add_rows(std::uint8_t* rows, std::size_t n_rows, std::size_t n) {
        for (std::size_t r = 0; r + 4 < n_rows; ++r, rows += n)
            for (std::size_t x = 0; x < n; ++x)
                rows[x] = static_cast<std::uint8_t>(rows[x] + rows[x + n] + rows[x + 2 * n] + rows[x + 3 * n] +
                                                    rows[x + 4 * n]);
    }

    // |cos| of the angle between a face's axis and the normal of the smoothed label, in fixed point.
    std::int64_t cosine(std::size_t face, int a) const {
        const std::uint8_t* after = sums_.data() + face - 2 * (strides_[0] + strides_[1] + 1);
        const std::uint8_t* before = after - strides_[a];
        double along = 0, squares = 0;
        for (int b = 0; b < 3; ++b) {
            const auto step = static_cast<std::ptrdiff_t>(strides_[b]);
            const double slope =
                (after[step] - after[-step] + before[step] - before[-step]) * volume_.weights[b];
            if (b == a) along = slope;
            squares += slope * slope;
        }
        const double cosine = squares > 0 ? std::abs(along) / std::sqrt(squares) : 1.0;
        return static_cast<std::int64_t>(cosine * unit + 0.5);
    }

    // Nothing has a label beyond the ends of the volume.
    void clear_ends() {
        for (int a = 0; a < 3; ++a) {
            if (begin_[a] == 0) clear_layer(a, reach - 1);
            if (windows_[a] != inner_[a]) clear_layer(a, whole_[a] - reach);
        }
    }

    void clear_layer(int a, std::size_t where) {
        Triple first{}, last = whole_;
        first[a] = where;
        last[a] = where + 1;
        for (std::size_t z = first[0]; z < last[0]; ++z)
            for (std::size_t y = first[1]; y < last[1]; ++y)
                std::fill(states_.begin() + at(z, y, first[2]), states_.begin() + at(z, y, last[2] - 1) + 1, other);
    }

    void count_windows(std::int64_t* row) {
        clear_ends();
        sums_.resize(size());
        const std::uint8_t* states = states_.data();
        std::uint8_t* pairs = sums_.data();
        for (std::size_t i = 1, n_voxels = size(); i < n_voxels; ++i)
            pairs[i] = static_cast<std::uint8_t>((states[i - 1] & 1) + 2 * (states[i] & 1));
        const std::size_t n = windows_[2], padded = (n + 7) / 8 * 8;
        flags_.assign(padded, 0);
        std::int64_t both = 0;
        for (std::size_t z = reach; z < reach + windows_[0]; ++z) {
            for (std::size_t y = reach; y < reach + windows_[1]; ++y) {
                const std::uint8_t *last = sums_.data() + at(z, y, reach), *third = last - strides_[1],
                                   *second = last - strides_[0], *first = second - strides_[1];
                std::uint8_t* codes = flags_.data();
                for (std::size_t x = 0; x < n; ++x)
                    codes[x] = static_cast<std::uint8_t>(first[x] + 4 * second[x] + 16 * third[x] + 64 * last[x]);
                each_word<true>(padded, [&](std::size_t x) { both += euler_of[codes[x]]; });
            }
            add_euler(std::exchange(both, 0), row);
        }
    }

    const Volume<T>& volume_;
    Triple begin_{}, inner_{}, whole_{}, windows_{}, strides_{};
    std::vector<T> labels_;
    std::vector<std::size_t> present_;
    Bytes states_, sums_, flags_, seen_;
    std::vector<std::uint32_t> faces_[3];
};

template <class T>
void count_all(const Volume<T>& volume, std::size_t n_sums, std::size_t n_threads, std::int64_t* out) {
    const bool flat = volume.shape[0] == 1;
    const Triple most{32, flat ? std::size_t{128} : std::size_t{32}, 256};
    Triple n{};
    for (int a = 0; a < 3; ++a) n[a] = (volume.end[a] - volume.begin[a] + most[a] - 1) / most[a];
    const std::size_t n_tiles = n[0] * n[1] * n[2];
    n_threads = std::max<std::size_t>(1, std::min(n_threads, n_tiles));
    std::vector<std::vector<std::int64_t>> parts(n_threads - 1, std::vector<std::int64_t>(n_sums));
    std::vector<Tile<T>> tiles(n_threads, Tile<T>(volume));
    parallel_blocks(n_tiles, n_threads, [&](std::size_t thread, std::size_t tile) {
        const Triple index{tile / (n[1] * n[2]), tile / n[2] % n[1], tile % n[2]};
        Triple begin, end;
        for (int a = 0; a < 3; ++a) {
            begin[a] = volume.begin[a] + index[a] * most[a];
            end[a] = std::min(begin[a] + most[a], volume.end[a]);
        }
        tiles[thread].count(begin, end, thread ? parts[thread - 1].data() : out);
    });
    for (const auto& part : parts)
        for (std::size_t i = 0; i < part.size(); ++i) out[i] += part[i];
}

template <class T>
using Labels = nb::ndarray<const T, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const std::uint32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Weights = std::array<double, 3>;
template <std::size_t columns>
using Out = nb::ndarray<std::int64_t, nb::shape<-1, static_cast<nb::ssize_t>(columns)>, nb::c_contig, nb::device::cpu>;

template <class T>
Volume<T> volume_of(const Labels<T>& labels, const std::uint32_t* ids, const Triple& begin, const Triple& end,
                    std::size_t n_labels, const Weights& weights) {
    return {labels.data(), ids, {labels.shape(0), labels.shape(1), labels.shape(2)}, begin, end, n_labels, weights};
}

template <class T>
void bind_for(nb::module_& m) {
    m.def(
        "count_faces",
        [](Labels<T> labels, const Triple& begin, const Triple& end, std::size_t n_labels, const Weights& weights,
           std::size_t n_threads, Out<n_columns> out) {
            const auto volume = volume_of<T>(labels, nullptr, begin, end, n_labels, weights);
            nb::gil_scoped_release release;
            count_all(volume, out.size(), n_threads, out.data());
        },
        "labels"_a, "begin"_a, "end"_a, "n_labels"_a, "weights"_a, "n_threads"_a, "out"_a);
    m.def(
        "count_object_faces",
        [](Labels<T> labels, Ids ids, const Triple& begin, const Triple& end, std::size_t n_labels,
           const Weights& weights, std::size_t n_threads, Out<n_axes> out) {
            const auto volume = volume_of<T>(labels, ids.data(), begin, end, n_labels, weights);
            nb::gil_scoped_release release;
            count_all(volume, out.size(), n_threads, out.data());
        },
        "labels"_a, "ids"_a, "begin"_a, "end"_a, "n_labels"_a, "weights"_a, "n_threads"_a, "out"_a);
}

}  // namespace

void bind_faces(nb::module_& m) {
    bind_for<std::uint8_t>(m);
    bind_for<std::uint16_t>(m);
}

}  // namespace klevels
