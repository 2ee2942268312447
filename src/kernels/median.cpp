// The median of a box: by networks of least and most where the box is small and all its voxels count, and otherwise by
// a window of bits that slides over ranks. Both work on integers of the same order as the values, tile by tile.
#include "median.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "filters.hpp"
#include "instructions.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {

KLEVELS_LOOPS(MedianLoops, median_loops)

namespace {

using Triple = std::array<std::size_t, 3>;  // along z, y and x

// An image, and where its medians go; `inside` is null where all voxels count.
struct Task {
    const void* bits;
    const std::uint8_t* inside;
    void* out;
    Triple shape, radii;
    Order order;
};

template <class K>
const KeyLoops<K>& key_loops() {
    if constexpr (sizeof(K) == 1) return median_loops().keys8;
    else if constexpr (sizeof(K) == 2) return median_loops().keys16;
    else if constexpr (sizeof(K) == 4) return median_loops().keys32;
    else return median_loops().keys64;
}

template <class K>
Network<K> network_of(const Triple& radii) {
    const bool small = std::max(radii[0], radii[1]) <= network_radius && radii[1] == radii[2];
    return small ? key_loops<K>().networks[radii[0]][radii[1]] : nullptr;
}

// How much is ranked at a time: little, so that bits lie close, but not so little that most of it is seen by windows only.
Triple ranked_shape(const Triple& radii) {
    const bool flat = radii[0] == 0;
    Triple shape;
    for (std::size_t axis = 0; axis < 3; ++axis) shape[axis] = std::max<std::size_t>(flat ? 32 : 16, 5 * radii[axis]);
    if (flat) shape[0] = 1;
    const auto seen = [&](std::size_t axis) { return shape[axis] + 2 * radii[axis]; };
    while (seen(0) * seen(1) * seen(2) > most_ranked) --*std::max_element(shape.begin(), shape.end());
    return shape;
}

// Where a place beyond the ends is mirrored to; what is at the ends is there twice.
std::size_t mirrored(std::ptrdiff_t place, std::size_t size) {
    if (static_cast<std::size_t>(place) < size) return static_cast<std::size_t>(place);  // as most are
    const auto n = static_cast<std::ptrdiff_t>(size), turn = ((place % (2 * n)) + 2 * n) % (2 * n);
    return static_cast<std::size_t>(turn < n ? turn : 2 * n - 1 - turn);
}

// What a thread needs for one tile after another.
template <class K>
class Worker {
public:
    Worker(const Task& task, const Triple& most)
        : task_(task), network_(network_of<K>(task.radii)), ranked_(ranked_shape(task.radii)) {
        // A network takes as many columns as it has lanes, and rows two by two.
        const std::size_t columns = network_ ? lanes : 1, rows = network_ ? 2 : 1;
        row_ = (most[2] + columns - 1) / columns * columns + 2 * task.radii[2];
        plane_ = row_ * ((most[1] + rows - 1) / rows * rows + 2 * task.radii[1]);
        keys_.resize(plane_ * (most[0] + 2 * task.radii[0]));
        medians_.resize(keys_.size());
    }

    void filter(const Triple& first, const Triple& shape) {
        const bool whole = gather(first, shape);
        if (whole && network_ != nullptr) {
            for (std::size_t z = 0; z < shape[0]; ++z)
                for (std::size_t x = 0; x < shape[2]; x += lanes)
                    network_({keys_.data() + z * plane_ + x, row_, plane_}, shape[1], medians_.data() + z * plane_ + x, row_);
        } else {
            if (whole) inside_.assign(keys_.size(), 1);  // a window too large for a network
            Triple at;
            for (at[0] = 0; at[0] < shape[0]; at[0] += ranked_[0])
                for (at[1] = 0; at[1] < shape[1]; at[1] += ranked_[1])
                    for (at[2] = 0; at[2] < shape[2]; at[2] += ranked_[2]) {
                        Triple part;
                        for (std::size_t axis = 0; axis < 3; ++axis) part[axis] = std::min(ranked_[axis], shape[axis] - at[axis]);
                        slide(at, part);
                    }
        }
        for (std::size_t z = 0; z < shape[0]; ++z)
            for (std::size_t y = 0; y < shape[1]; ++y)
                key_loops<K>().turn(medians_.data() + z * plane_ + y * row_, shape[2], task_.order,
                                    static_cast<K*>(task_.out) + offset(first[0] + z, first[1] + y) + first[2]);
    }

private:
    using Bits = std::make_unsigned_t<K>;
    static constexpr std::size_t lanes = network_bytes / sizeof(K);

    struct Item {
        Bits key;
        std::uint16_t place;
    };

    const Task& task_;
    const Network<K> network_;
    const Triple ranked_;
    std::size_t row_, plane_;          // of keys, marks and medians alike
    std::vector<K> keys_, medians_;    // keys: what the windows see
    std::vector<std::uint8_t> inside_;
    std::vector<Item> items_, spare_;
    std::vector<std::uint16_t> ranks_, found_;

    std::size_t offset(std::size_t z, std::size_t y) const { return (z * task_.shape[1] + y) * task_.shape[2]; }

    // Calls copy(to, from, n) such that a tile of what lies in the image is laid out with all that its windows see.
    template <class Copy>
    void each_run(const Triple& first, const Triple& shape, Copy copy) const {
        std::ptrdiff_t low[3], high[3];
        for (std::size_t axis = 0; axis < 3; ++axis) {
            low[axis] = static_cast<std::ptrdiff_t>(first[axis]) - static_cast<std::ptrdiff_t>(task_.radii[axis]);
            high[axis] = static_cast<std::ptrdiff_t>(first[axis] + shape[axis] + task_.radii[axis]);
        }
        const std::ptrdiff_t begin = std::max<std::ptrdiff_t>(low[2], 0);
        const std::ptrdiff_t end = std::min(high[2], static_cast<std::ptrdiff_t>(task_.shape[2]));
        for (std::ptrdiff_t z = low[0]; z < high[0]; ++z)
            for (std::ptrdiff_t y = low[1]; y < high[1]; ++y) {
                const std::size_t from = offset(mirrored(z, task_.shape[0]), mirrored(y, task_.shape[1]));
                const std::size_t to = static_cast<std::size_t>(z - low[0]) * plane_ + static_cast<std::size_t>(y - low[1]) * row_;
                const auto place = [&](std::ptrdiff_t x) { return to + static_cast<std::size_t>(x - low[2]); };
                copy(place(begin), from + static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
                for (std::ptrdiff_t x = low[2]; x < begin; ++x) copy(place(x), from + mirrored(x, task_.shape[2]), 1);
                for (std::ptrdiff_t x = end; x < high[2]; ++x) copy(place(x), from + mirrored(x, task_.shape[2]), 1);
            }
    }

    // Returns whether all voxels count; if not, `inside_` says which.
    bool gather(const Triple& first, const Triple& shape) {
        const auto* bits = static_cast<const K*>(task_.bits);
        const auto turn = key_loops<K>().turn;
        bool valid = true, whole = true;
        each_run(first, shape, [&](std::size_t to, std::size_t from, std::size_t n) {
            valid &= turn(bits + from, n, task_.order, keys_.data() + to);
        });
        if (!valid || task_.inside != nullptr) inside_.assign(keys_.size(), 1);
        if (task_.inside != nullptr)
            each_run(first, shape, [&](std::size_t to, std::size_t from, std::size_t n) {
                std::copy_n(task_.inside + from, n, inside_.data() + to);
                whole &= std::memchr(task_.inside + from, 0, n) == nullptr;
            });
        if (!valid)
            each_run(first, shape, [&](std::size_t to, std::size_t from, std::size_t n) {
                if (turn(bits + from, n, task_.order, keys_.data() + to)) return;
                for (std::size_t i = 0; i < n; ++i)
                    if (!turn(bits + from + i, 1, task_.order, keys_.data() + to + i)) inside_[to + i] = 0;
            });
        return whole && valid;
    }

    // The medians of a part of the tile.
    void slide(const Triple& at, const Triple& shape) {
        Triple seen;
        for (std::size_t axis = 0; axis < 3; ++axis) seen[axis] = shape[axis] + 2 * task_.radii[axis];
        ranks_.assign(seen[0] * seen[1] * seen[2], no_rank);
        items_.clear();
        const std::size_t corner = at[0] * plane_ + at[1] * row_ + at[2];
        std::size_t place = 0;
        for (std::size_t z = 0; z < seen[0]; ++z)
            for (std::size_t y = 0; y < seen[1]; ++y)
                for (std::size_t x = 0, i = corner + z * plane_ + y * row_; x < seen[2]; ++x, ++i, ++place)
                    if (inside_[i]) items_.push_back({as_bits(keys_[i]), static_cast<std::uint16_t>(place)});
        sort_items();
        for (std::size_t rank = 0; rank < items_.size(); ++rank) ranks_[items_[rank].place] = static_cast<std::uint16_t>(rank);
        found_.resize(shape[0] * shape[1] * shape[2]);
        RankBox box{ranks_.data(), {}, {}};
        std::copy(shape.begin(), shape.end(), box.shape);
        std::copy(task_.radii.begin(), task_.radii.end(), box.radii);
        median_loops().slide(box, found_.data());
        const std::size_t middle = task_.radii[0] * plane_ + task_.radii[1] * row_ + task_.radii[2];
        const std::uint16_t* found = found_.data();
        for (std::size_t z = 0; z < shape[0]; ++z)
            for (std::size_t y = 0; y < shape[1]; ++y)
                for (std::size_t x = 0, i = corner + z * plane_ + y * row_; x < shape[2]; ++x, ++i, ++found)
                    medians_[i] = *found == no_rank ? keys_[i + middle] : as_key(items_[*found].key);
    }

    // Unsigned integers of the same order as the keys, and back.
    static constexpr Bits sign = std::is_signed_v<K> ? static_cast<Bits>(Bits{1} << (8 * sizeof(K) - 1)) : Bits{0};
    static Bits as_bits(K key) { return static_cast<Bits>(static_cast<Bits>(key) ^ sign); }
    static K as_key(Bits bits) { return static_cast<K>(bits ^ sign); }

    // By the keys, byte by byte from the lowest; what is equal in all stays in order.
    void sort_items() {
        spare_.resize(items_.size());
        for (std::size_t shift = 0; shift < 8 * sizeof(K); shift += 8) {
            std::array<std::uint32_t, 256> places{};
            const auto digit = [=](const Item& item) { return static_cast<std::uint8_t>(item.key >> shift); };
            for (const Item& item : items_) ++places[digit(item)];
            if (std::find(places.begin(), places.end(), items_.size()) != places.end()) continue;
            std::uint32_t before = 0;
            for (std::uint32_t& place : places) {
                const std::uint32_t n = place;
                place = before;
                before += n;
            }
            for (const Item& item : items_) spare_[places[digit(item)]++] = item;
            items_.swap(spare_);
        }
    }
};

template <class K>
void filter(const Task& task, std::size_t n_threads) {
    const Triple rows{8, 64, 2 * network_bytes / sizeof(K)};
    Triple tile = network_of<K>(task.radii) ? rows : ranked_shape(task.radii), n_tiles;
    for (std::size_t axis = 0; axis < 3; ++axis) {
        tile[axis] = std::min(tile[axis], task.shape[axis]);
        n_tiles[axis] = (task.shape[axis] + tile[axis] - 1) / tile[axis];
    }
    std::vector<std::optional<Worker<K>>> workers(n_threads);
    parallel_blocks(n_tiles[0] * n_tiles[1] * n_tiles[2], n_threads, [&](std::size_t thread, std::size_t block) {
        if (!workers[thread]) workers[thread].emplace(task, tile);
        const Triple index{block / (n_tiles[1] * n_tiles[2]), block / n_tiles[2] % n_tiles[1], block % n_tiles[2]};
        Triple first, shape;
        for (std::size_t axis = 0; axis < 3; ++axis) {
            first[axis] = index[axis] * tile[axis];
            shape[axis] = std::min(tile[axis], task.shape[axis] - first[axis]);
        }
        workers[thread]->filter(first, shape);
    });
}

Order order_named(const std::string& kind, std::size_t item_size) {
    if (kind == "f") return Order::floating;
    if (kind == "i") return item_size == 1 ? Order::flipped : Order::plain;  // keys of 8 bits are unsigned
    return item_size == 1 ? Order::plain : Order::flipped;
}

using Volume = nb::ndarray<nb::ro, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Marks = nb::ndarray<const std::uint8_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using OutVolume = nb::ndarray<nb::ndim<3>, nb::c_contig, nb::device::cpu>;

void median_face(const Volume& image, const std::string& kind, const std::array<std::size_t, 3>& radii,
                 const std::optional<Marks>& inside, const OutVolume& out, std::size_t n_threads) {
    Task task{image.data(), inside ? inside->data() : nullptr, out.data(), {}, radii, order_named(kind, image.itemsize())};
    for (std::size_t axis = 0; axis < 3; ++axis) task.shape[axis] = image.shape(axis);
    const nb::gil_scoped_release release;
    switch (image.itemsize()) {
        case 1: return filter<std::uint8_t>(task, n_threads);
        case 2: return filter<std::int16_t>(task, n_threads);
        case 4: return filter<std::int32_t>(task, n_threads);
        case 8: return filter<std::int64_t>(task, n_threads);
        default: throw std::invalid_argument("no kernel for items of this size");
    }
}

}  // namespace

void bind_median(nb::module_& m) {
    m.def("median", &median_face, "image"_a, "kind"_a, "radii"_a, "inside"_a.none(), "out"_a, "n_threads"_a);
}

}  // namespace klevels
