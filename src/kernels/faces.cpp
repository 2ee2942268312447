// Where a label meets others: surface areas, and Euler numbers. Of each label there are bits, and sums over boxes.
#include "faces.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "instructions.hpp"
#include "measures.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {

KLEVELS_LOOPS(FaceLoops, face_loops)

namespace {

using Triple = std::array<std::size_t, 3>;
using Word = std::uint64_t;
using Words = std::array<Word, most_words>;

constexpr std::size_t reach = 4;      // a voxel before a face, one of the differences, two of the box that smooths
constexpr std::size_t n_columns = 5;  // of labels: cosines along z, y, x; Euler numbers for 6 and for 26 neighbors
constexpr std::size_t n_axes = 3;     // of objects: cosines alone
constexpr std::size_t most_along_x = 256;
static_assert(most_along_x + 2 * reach <= longest_row);

template <class T>
struct Volume {
    const T* labels;
    const std::uint32_t* ids;  // of what is counted alone; or null
    Triple shape, begin, end;  // end of what is counted
    std::size_t n_labels;
    std::array<double, 3> weights;  // one over the size of a voxel
};

// Bits from begin to end.
Words range(std::size_t begin, std::size_t end) {
    Words words{};
    for (std::size_t x = begin; x < end; ++x) words[x / 64] |= Word{1} << (x % 64);
    return words;
}

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
        prepare_bits();
        for (const std::size_t label : present_) {
            if (label >= volume_.n_labels) continue;
            match(static_cast<T>(label), own_);
            std::int64_t* row = volume_.ids ? sums : sums + label * n_columns;
            if (present_.size() > 1) count_faces(row);
            if (!volume_.ids) count_windows(row);
        }
    }

private:
    std::size_t clamped(std::size_t at, int a) const {
        const std::size_t from_halo = at + begin_[a];
        return std::min(from_halo < reach ? 0 : from_halo - reach, volume_.shape[a] - 1);
    }

    bool inside(std::size_t at, int a) const {
        return at + begin_[a] >= reach && at + begin_[a] - reach < volume_.shape[a];
    }

    void load() {
        const auto& shape = volume_.shape;
        labels_.resize(whole_[0] * strides_[0] + 64);
        T* out = labels_.data();
        for (std::size_t z = 0; z < whole_[0]; ++z)
            for (std::size_t y = 0; y < whole_[1]; ++y, out += whole_[2]) {
                const T* row = volume_.labels + (clamped(z, 0) * shape[1] + clamped(y, 1)) * shape[2];
                std::size_t x = 0, last = whole_[2];
                while (x < last && x + begin_[2] < reach) out[x++] = row[0];
                while (last > x && last - 1 + begin_[2] - reach >= shape[2]) out[--last] = row[shape[2] - 1];
                std::copy(row + (x + begin_[2] - reach), row + (last + begin_[2] - reach), out + x);
            }
        find_present(static_cast<std::size_t>(out - labels_.data()));
    }

    void find_present(std::size_t n) {
        present_.clear();
        const T first = labels_[0];
        bool differ = false;
        for (std::size_t at = 0; at < n && !differ; at += whole_[2]) {
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
        constexpr std::size_t step = 8 / sizeof(T);
        Word word = 0, last = 0;
        for (std::size_t i = 0; i < n; i += step) {  // equal words come in a row
            std::memcpy(&word, labels_.data() + i, 8);
            if (word == last && i) continue;
            for (std::size_t j = i; j < std::min(i + step, n); ++j) seen[labels_[j]] = 1;
            last = word;
        }
        for (std::size_t label = 0; label < seen_.size(); ++label)
            if (seen_[label]) present_.push_back(label);
    }

    // What is left out, and all beyond the ends of the volume, has no label, and no face toward a label.
    void prepare_bits() {
        n_words_ = (whole_[2] + 63) / 64;
        std::size_t first = 0, last = whole_[2];
        while (!inside(first, 2)) ++first;
        while (!inside(last - 1, 2)) --last;
        within_ = range(first, last);
        counted_ = range(reach, reach + inner_[2]);
        wanted_ = range(reach, reach + windows_[2]);
        sums_.resize(whole_[0] * strides_[0]);
        own_.resize(whole_[0] * whole_[1] * n_words_);
        left_out_.assign(own_.size(), 0);
        for (auto label = present_.rbegin(); label != present_.rend() && *label >= volume_.n_labels; ++label) {
            match(static_cast<T>(*label), own_);
            for (std::size_t i = 0; i < own_.size(); ++i) left_out_[i] |= own_[i];
        }
        for (std::size_t z = 0; z < whole_[0]; ++z)
            for (std::size_t y = 0; y < whole_[1]; ++y)
                for (std::size_t w = 0; w < n_words_; ++w)
                    left_out_[place(z, y) + w] |= inside(z, 0) && inside(y, 1) ? ~within_[w] : ~Word{0};
    }

    std::size_t place(std::size_t z, std::size_t y) const { return (z * whole_[1] + y) * n_words_; }

    // Finds the bits of a label, and its sums over squares of 5 x 5, where what is left out counts half: to the phases
    // on both sides of a face it tilts the normal alike.
    void match(T label, std::vector<Word>& bits) {
        const FaceLoops& loops = face_loops();
        const T last = static_cast<T>(std::min(volume_.n_labels - 1, std::size_t{static_cast<T>(-1)}));
        for (std::size_t z = 0; z < whole_[0]; ++z) {
            std::uint8_t* sums = sums_.data() + z * strides_[0];
            for (std::size_t y = 0; y < whole_[1]; ++y) {
                const T* row = labels_.data() + z * strides_[0] + y * strides_[1];
                Word* out = bits.data() + place(z, y);
                if constexpr (std::is_same_v<T, std::uint8_t>)
                    loops.match8(row, whole_[2], label, last, out, sums + y * strides_[1]);
                else
                    loops.match16(row, whole_[2], label, last, out, sums + y * strides_[1]);
                const bool is_inside = inside(z, 0) && inside(y, 1);
                for (std::size_t w = 0; w < n_words_; ++w) out[w] &= is_inside ? within_[w] : 0;
            }
            loops.add_rows(sums, whole_[1], whole_[2]);
        }
    }

    void count_faces(std::int64_t* sums) {
        face_loops().add_rows(sums_.data(), whole_[0], strides_[0]);
        for (int a = 0; a < 3; ++a) {
            list_faces<true>(a, sums);
            if (volume_.ids) list_faces<false>(a, sums);
        }
    }

    // The bits of the voxels before, or after, along an axis.
    template <bool below>
    Word neighbors(const std::vector<Word>& bits, std::size_t row, std::size_t w, int a) const {
        const Word* here = bits.data() + row;
        if (a < 2) {
            const std::size_t step = n_words_ * (a ? 1 : whole_[1]);
            return below ? bits[row + w - step] : bits[row + w + step];
        }
        if constexpr (below) return here[w] << 1 | (w ? here[w - 1] >> 63 : 0);
        return here[w] >> 1 | (w + 1 < n_words_ ? here[w + 1] << 63 : 0);
    }

    // Goes through the faces toward the voxels before, or after. Those of labels are all found from the voxel after
    // them. Each of an object is found from the voxel that has the label, wherever the other one is.
    template <bool below>
    void list_faces(int a, std::int64_t* sums) {
        const std::uint32_t* ids = volume_.ids;
        n_listed_ = 0;
        for (std::size_t z = reach; z < reach + inner_[0]; ++z)
            for (std::size_t y = reach; y < reach + inner_[1]; ++y) {
                const std::size_t row = place(z, y);
                if (volume_.ids) ids = ids_of_row(z, y);
                for (std::size_t w = 0; w < n_words_; ++w) {
                    const Word own = own_[row + w], own_there = neighbors<below>(own_, row, w, a);
                    Word found = own & ~own_there & ~neighbors<below>(left_out_, row, w, a);
                    if (!ids) found |= own_there & ~own & ~left_out_[row + w];
                    found &= counted_[w];
                    const std::size_t from = z * strides_[0] + y * strides_[1] + 64 * w + (below ? 0 : strides_[a]);
                    for (; found; found &= found - 1) {
                        const auto x = static_cast<std::size_t>(std::countr_zero(found));
                        listed_[n_listed_] = static_cast<std::uint32_t>(from + x);
                        if (ids) ids_[n_listed_] = ids[64 * w + x - reach];
                        ++n_listed_;
                    }
                    if (n_listed_ > most_cosines - 64) sum_up(a, sums);
                }
            }
        sum_up(a, sums);
    }

    const std::uint32_t* ids_of_row(std::size_t z, std::size_t y) const {
        const Triple at{z - reach, y - reach, 0};
        std::size_t found = 0;
        for (int a = 0; a < 3; ++a)
            found = found * (volume_.end[a] - volume_.begin[a]) + at[a] + begin_[a] - volume_.begin[a];
        return volume_.ids + found;
    }

    void sum_up(int a, std::int64_t* sums) {
        FaceList list{sums_.data(), {}, {}, listed_.data(), n_listed_, a};
        for (int b = 0; b < 3; ++b) {
            list.strides[b] = static_cast<std::ptrdiff_t>(strides_[b]);
            list.weights[b] = volume_.weights[b];
        }
        face_loops().cosines(list, cosines_.data());
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < n_listed_; ++i) {
            if (!volume_.ids)
                sum += cosines_[i];
            else if (ids_[i])
                sums[ids_[i] * n_axes + a] += cosines_[i];
        }
        if (!volume_.ids) sums[a] += sum;
        n_listed_ = 0;
    }

    void count_windows(std::int64_t* row) {
        for (std::size_t z = reach; z < reach + windows_[0]; ++z)
            for (std::size_t y = reach; y < reach + windows_[1]; ++y) {
                const Word* own = own_.data();
                face_loops().add_euler({{own + place(z - 1, y - 1), own + place(z - 1, y), own + place(z, y - 1),
                                         own + place(z, y)},
                                        wanted_.data(), n_words_},
                                       row + 3);
            }
    }

    const Volume<T>& volume_;
    Triple begin_{}, inner_{}, whole_{}, windows_{}, strides_{};
    std::size_t n_words_ = 0, n_listed_ = 0;
    Words within_{}, counted_{}, wanted_{};  // along x: in the volume, in the tile, and the windows
    std::vector<T> labels_;
    std::vector<std::size_t> present_;
    std::vector<Word> own_, left_out_;
    std::vector<std::uint8_t> sums_, seen_;
    std::array<std::uint32_t, most_cosines> listed_{}, ids_{};
    std::array<std::int32_t, most_cosines> cosines_{};
};

template <class T>
void count_all(const Volume<T>& volume, std::size_t n_sums, std::size_t n_threads, std::int64_t* out) {
    const bool flat = volume.shape[0] == 1;
    const Triple most{32, flat ? std::size_t{128} : std::size_t{32}, most_along_x};
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
