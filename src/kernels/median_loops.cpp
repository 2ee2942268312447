// One copy of the loops of median.hpp, for the instruction set that the build names as KLEVELS_ISA.
// No standard library in here: an inline function compiled for a newer processor must never be shared with the rest.
#include "median.hpp"

#define KLEVELS_JOIN2(a, b) a##b
#define KLEVELS_JOIN(a, b) KLEVELS_JOIN2(a, b)

// A network is one long line of least and most, which lies in registers: no loop and no call must remain of it.
#if defined(__clang__)
#define KLEVELS_INLINE inline __attribute__((always_inline))
#define KLEVELS_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define KLEVELS_INLINE inline __attribute__((always_inline))
#define KLEVELS_UNROLL _Pragma("GCC unroll 128")
#else
#define KLEVELS_INLINE __forceinline
#define KLEVELS_UNROLL
#endif

namespace klevels {
namespace {

template <class K>
KLEVELS_INLINE K least(K a, K b) {
    return a < b ? a : b;
}

template <class K>
KLEVELS_INLINE K most(K a, K b) {
    return a < b ? b : a;
}

// Batcher's odd-even merge of two sorted lists, whose items are `step` apart.
template <int m, int n, int step = 1, class K>
KLEVELS_INLINE void merge(const K* a, const K* b, K* out) {
    if constexpr (m == 0 || n == 0) {
        KLEVELS_UNROLL
        for (int i = 0; i < m + n; ++i) out[i] = (m == 0 ? b : a)[i * step];
    } else if constexpr (m == 1 && n == 1) {
        out[0] = least(a[0], b[0]);
        out[1] = most(a[0], b[0]);
    } else {
        constexpr int n_even = (m + 1) / 2 + (n + 1) / 2, n_odd = m / 2 + n / 2;
        constexpr int n_pairs = n_even - 1 < n_odd ? n_even - 1 : n_odd;
        K even[n_even], odd[n_odd];
        merge<(m + 1) / 2, (n + 1) / 2, 2 * step>(a, b, even);
        merge<m / 2, n / 2, 2 * step>(a + step, b + step, odd);
        out[0] = even[0];
        KLEVELS_UNROLL
        for (int i = 0; i < n_pairs; ++i) {
            out[2 * i + 1] = least(odd[i], even[i + 1]);
            out[2 * i + 2] = most(odd[i], even[i + 1]);
        }
        if constexpr (n_odd > n_pairs) out[m + n - 1] = odd[n_odd - 1];
        if constexpr (n_even > n_pairs + 1) out[m + n - 1] = even[n_even - 1];
    }
}

template <int n, class K>
KLEVELS_INLINE void sort(const K* values, K* out) {
    if constexpr (n == 1) {
        out[0] = values[0];
    } else {
        K first[n / 2], rest[n - n / 2];
        sort<n / 2>(values, first);
        sort<n - n / 2>(values + n / 2, rest);
        merge<n / 2, n - n / 2>(first, rest, out);
    }
}

// The median of two sorted lists, of n + 1 and of n: the greatest of the n + 1 least.
template <int n, class K>
KLEVELS_INLINE K median(const K* a, const K* b) {
    K value = a[0];
    KLEVELS_UNROLL
    for (int i = 1; i <= n; ++i) value = most(value, least(a[i], b[n - i]));
    return value;
}

// Windows of 2 rz + 1 planes, 2 r + 1 rows and as many columns, for many neighbors along x at once. What a window has
// of one row is a slice. Two rows of results at a time: they share all slices but one each, and of what they share,
// only the middle, one more than a slice has, can be the median.
template <class K, int rz, int r>
struct Box {
    static constexpr int depth = 2 * rz + 1, width = 2 * r + 1, n_slice = depth * width, n_core = n_slice + 1;
    static constexpr int n_below = width * n_slice / 2 - n_slice;  // what is left out of 2 r slices below the core
    static constexpr int lanes = network_bytes / sizeof(K), wide = lanes + 2 * r;

    using Slice = K[n_slice][lanes];  // sorted
    using Pair = K[2 * n_slice][lanes];
    using Core = K[n_core][lanes];

    static void slice(const K* keys, std::size_t plane, Slice& out) {
        K columns[depth][wide], pairs[2 * depth][wide];
        for (int x = 0; x < wide; ++x) {
            K values[depth], sorted[depth];
            KLEVELS_UNROLL
            for (int i = 0; i < depth; ++i) values[i] = keys[i * plane + x];
            sort<depth>(values, sorted);
            KLEVELS_UNROLL
            for (int i = 0; i < depth; ++i) columns[i][x] = sorted[i];
        }
        for (int x = 0; x + 1 < wide; ++x) {
            K a[depth], b[depth], both[2 * depth];
            load<depth>(columns, x, a);
            load<depth>(columns, x + 1, b);
            merge<depth, depth>(a, b, both);
            KLEVELS_UNROLL
            for (int i = 0; i < 2 * depth; ++i) pairs[i][x] = both[i];
        }
        for (int x = 0; x < lanes; ++x) {
            K a[2 * depth], b[2 * depth], last[depth], four[4 * depth], all[n_slice];
            load<2 * depth>(pairs, x, a);
            load<depth>(columns, x + width - 1, last);
            if constexpr (r == 1) {
                merge<2 * depth, depth>(a, last, all);
            } else {
                load<2 * depth>(pairs, x + 2, b);
                merge<2 * depth, 2 * depth>(a, b, four);
                merge<4 * depth, depth>(four, last, all);
            }
            KLEVELS_UNROLL
            for (int i = 0; i < n_slice; ++i) out[i][x] = all[i];
        }
    }

    static void pair(const Slice& first, const Slice& second, Pair& out) {
        for (int x = 0; x < lanes; ++x) {
            K a[n_slice], b[n_slice], both[2 * n_slice];
            load<n_slice>(first, x, a);
            load<n_slice>(second, x, b);
            merge<n_slice, n_slice>(a, b, both);
            KLEVELS_UNROLL
            for (int i = 0; i < 2 * n_slice; ++i) out[i][x] = both[i];
        }
    }

    static void core(const Pair& first, const Pair& second, Core& out) {
        for (int x = 0; x < lanes; ++x) {
            K a[2 * n_slice], b[2 * n_slice], both[4 * n_slice];
            load<2 * n_slice>(first, x, a);
            load<2 * n_slice>(second, x, b);
            merge<2 * n_slice, 2 * n_slice>(a, b, both);
            KLEVELS_UNROLL
            for (int i = 0; i < n_core; ++i) out[i][x] = both[n_below + i];  // the compiler drops the rest
        }
    }

    static void finish(const K (*core)[lanes], const Slice& other, K* medians) {
        for (int x = 0; x < lanes; ++x) {
            K a[n_core], b[n_slice];
            load<n_core>(core, x, a);
            load<n_slice>(other, x, b);
            medians[x] = median<n_slice>(a, b);
        }
    }

    static void run(const KeyBox<K>& box, std::size_t n_y, K* medians, std::size_t row) {
        Slice even[r + 1], odd[2];
        Pair pairs[2];
        Core middle;
        const std::size_t n_steps = r + (n_y + 1) / 2;
        for (std::size_t step = 0; step < n_steps; ++step) {
            Slice &first = even[step % (r + 1)], &second = odd[step % 2];
            slice(box.keys + 2 * step * box.row, box.plane, first);
            slice(box.keys + (2 * step + 1) * box.row, box.plane, second);
            if (step == 0) continue;
            pair(odd[1 - step % 2], first, pairs[step % 2]);
            if (step < r) continue;
            if constexpr (r == 2) core(pairs[1 - step % 2], pairs[step % 2], middle);
            const auto kept = r == 1 ? pairs[step % 2] + n_below : middle;
            finish(kept, even[(step - r) % (r + 1)], medians);
            finish(kept, second, medians + row);
            medians += 2 * row;
        }
    }

private:
    template <int n, int stride>
    static KLEVELS_INLINE void load(const K (*from)[stride], int x, K* values) {
        KLEVELS_UNROLL
        for (int i = 0; i < n; ++i) values[i] = from[i][x];
    }
};

template <class K>
bool turn(const K* bits, std::size_t n, Order order, K* keys) {
    constexpr int size = 8 * sizeof(K), mantissa = size == 16 ? 10 : size == 32 ? 23 : 52;
    constexpr K top = static_cast<K>(std::uint64_t{1} << (size - 1)), rest = static_cast<K>(~top);
    if (order != Order::floating) {
        const K flip = order == Order::flipped ? top : 0;
        for (std::size_t i = 0; i < n; ++i) keys[i] = static_cast<K>(bits[i] ^ flip);
        return true;
    }
    constexpr K infinite = static_cast<K>(rest & (~std::uint64_t{0} << (mantissa % size)));
    K greatest = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const K x = bits[i], magnitude = static_cast<K>(x & rest);
        keys[i] = static_cast<K>(x < 0 ? x ^ rest : x);  // the more negative, the greater the magnitude
        greatest = most(greatest, magnitude);
    }
    return greatest <= infinite;
}

int n_bits(std::uint64_t word) {  // compilers know this one
    word -= (word >> 1) & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return static_cast<int>((word * 0x0101010101010101u) >> 56);
}

// The ranks in a window, a bit each, and how many of them lie below one of the words, which follows the median.
class Window {
public:
    void add(std::uint16_t rank) { change(rank, 1); }
    void drop(std::uint16_t rank) { change(rank, -1); }

    std::uint16_t median() {
        const int target = (n_ - 1) / 2;
        while (n_below_ > target) n_below_ -= n_bits(words_[--current_]);
        for (int n; n_below_ + (n = n_bits(words_[current_])) <= target; ++current_) n_below_ += n;
        std::uint64_t word = words_[current_];
        for (int i = n_below_; i < target; ++i) word &= word - 1;
        return static_cast<std::uint16_t>(64 * current_ + n_bits((word & (~word + 1)) - 1));
    }

private:
    std::uint64_t words_[1024] = {};
    int n_ = 0, n_below_ = 0, current_ = 0;

    void change(std::uint16_t rank, int by) {
        words_[rank / 64] ^= std::uint64_t{1} << (rank % 64);
        n_ += rank == no_rank ? 0 : by;
        n_below_ += rank / 64 < current_ ? by : 0;
    }
};

// The window goes forth and back, so that it only ever takes one step.
void slide(const RankBox& box, std::uint16_t* medians) {
    std::ptrdiff_t strides[3] = {0, 0, 1}, widths[3];
    for (int axis = 0; axis < 3; ++axis) widths[axis] = static_cast<std::ptrdiff_t>(2 * box.radii[axis] + 1);
    for (int axis = 1; axis >= 0; --axis)
        strides[axis] = strides[axis + 1] * (static_cast<std::ptrdiff_t>(box.shape[axis + 1]) + widths[axis + 1] - 1);
    std::ptrdiff_t middle = 0;
    for (int axis = 0; axis < 3; ++axis) middle += strides[axis] * (widths[axis] / 2);
    const std::uint16_t* corner = box.ranks;
    Window window;
    for (std::ptrdiff_t z = 0; z < widths[0]; ++z)
        for (std::ptrdiff_t y = 0; y < widths[1]; ++y)
            for (std::ptrdiff_t x = 0; x < widths[2]; ++x) window.add(corner[z * strides[0] + y * strides[1] + x]);
    const auto step = [&](int axis, bool forward) {
        const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
        const std::ptrdiff_t stride = strides[axis], far = stride * widths[axis];
        const std::uint16_t *leaves = corner + (forward ? 0 : far - stride), *comes = corner + (forward ? far : -stride);
        for (std::ptrdiff_t i = 0; i < widths[a]; ++i)
            for (std::ptrdiff_t j = 0; j < widths[b]; ++j) {
                window.drop(leaves[i * strides[a] + j * strides[b]]);
                window.add(comes[i * strides[a] + j * strides[b]]);
            }
        corner += forward ? stride : -stride;
    };
    const std::size_t n_z = box.shape[0], n_y = box.shape[1], n_x = box.shape[2];
    bool rightward = true;
    for (std::size_t z = 0; z < n_z; ++z) {
        if (z > 0) step(0, true);
        for (std::size_t i = 0; i < n_y; ++i) {
            const bool downward = z % 2 == 0;
            if (i > 0) step(1, downward);
            std::uint16_t* row = medians + (z * n_y + (downward ? i : n_y - 1 - i)) * n_x;
            for (std::size_t j = 0; j < n_x; ++j) {
                if (j > 0) step(2, rightward);
                row[rightward ? j : n_x - 1 - j] = corner[middle] == no_rank ? no_rank : window.median();
            }
            rightward = !rightward;
        }
    }
}

template <class K>
constexpr KeyLoops<K> key_loops() {
    return {turn<K>,
            {{nullptr, Box<K, 0, 1>::run, Box<K, 0, 2>::run},
             {nullptr, Box<K, 1, 1>::run, Box<K, 1, 2>::run},
             {nullptr, nullptr, Box<K, 2, 2>::run}}};
}

}  // namespace

extern const MedianLoops KLEVELS_JOIN(median_loops_, KLEVELS_ISA);
const MedianLoops KLEVELS_JOIN(median_loops_, KLEVELS_ISA) = {
    key_loops<std::uint8_t>(), key_loops<std::int16_t>(), key_loops<std::int32_t>(), key_loops<std::int64_t>(), slide};

}  // namespace klevels
