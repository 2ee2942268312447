// How often each gray value of a 32- or 64-bit image occurs, in bins where there are too many distinct values.
//
// A gray value becomes an integer key of the same order. As long as the distinct keys are few, each is counted on its own.
// When they pass the limit, neighbors 2i and 2i + 1 become one bin, again and again until they fit: `shift` times. The
// grid never depends on the data, and the final shift only on the set of keys, so any split into chunks ends the same.
// A bin keeps the sums of the dropped bits and of their squares as integers, so its mean and spread stay exact.
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels.hpp"
#include "parallel.hpp"
#include "spans.hpp"

namespace klevels {
namespace {

constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;

inline std::uint64_t key_of(std::int32_t v) { return static_cast<std::uint64_t>(std::int64_t{v}) ^ sign_bit; }
inline std::uint64_t key_of(std::uint32_t v) { return std::uint64_t{v} ^ sign_bit; }
inline std::uint64_t key_of(std::int64_t v) { return static_cast<std::uint64_t>(v) ^ sign_bit; }
inline std::uint64_t key_of(float v) {
    const auto bits = std::bit_cast<std::uint32_t>(v + 0.0f);  // -0 becomes +0
    return bits >> 31 ? static_cast<std::uint32_t>(~bits) : bits | 0x80000000u;
}
inline std::uint64_t key_of(double v) {
    const auto bits = std::bit_cast<std::uint64_t>(v + 0.0);
    return bits >> 63 ? ~bits : bits | sign_bit;
}

// Open addressing: a slot is empty while its count is 0. The sums lie apart, because few distinct keys never need them.
class Table {
public:
    explicit Table(std::size_t limit) : limit_(limit) { resize(1024); }

    // Begins with bins as wide as these keys alone need, which is never too wide for them and others.
    void begin(std::vector<std::uint64_t> keys) {
        std::sort(keys.begin(), keys.end());
        std::array<std::size_t, 65> n_parted{};  // [b]: neighbors that the lowest b bits tell apart, and b - 1 do not
        for (std::size_t i = 1; i < keys.size(); ++i)
            if (keys[i] != keys[i - 1]) ++n_parted[static_cast<std::size_t>(std::bit_width(keys[i] ^ keys[i - 1]))];
        std::size_t n_bins = 1;
        unsigned shift = 64;
        while (shift > 0 && n_bins + n_parted[shift] <= limit_) n_bins += n_parted[shift--];
        while (shift_ < shift) double_width();
    }

    // A batch is prefetched before it is counted: the table is larger than the nearest cache, and its slots are random.
    void add(const std::uint64_t* keys, std::size_t n) {
        constexpr std::size_t batch = 32;
        for (std::size_t start = 0; start < n; start += batch) {
            const std::size_t end = std::min(n, start + batch);
            for (std::size_t i = start; i < end; ++i) {
                const std::size_t slot = home_of(keys[i] >> shift_);
                prefetch(&slots_[slot]);
                if (shift_ != 0) prefetch(&sums_[slot]);
            }
            for (std::size_t i = start; i < end; ++i) add(keys[i]);
        }
    }

    void add(const Bin& other, unsigned shift) {
        while (shift_ < shift) double_width();
        Bin wide = other;
        for (; shift < shift_; ++shift) wide = doubled(wide, shift);
        insert(wide);
        coarsen();
    }

    void add(const Bins& other) {
        for (const Bin& bin : other.bins) add(bin, other.shift);
    }

    Bins sorted() const {
        Bins result{shift_, occupied(), 0, 0};
        std::sort(result.bins.begin(), result.bins.end(), [](const Bin& a, const Bin& b) { return a.key < b.key; });
        return result;
    }

private:
    struct Slot {
        std::uint64_t key = 0;
        std::int64_t count = 0;
    };
    struct Sums {
        Wide rest, rest2;
    };

    std::size_t limit_, n_bins_ = 0;
    unsigned shift_ = 0, slot_bits_ = 0;
    std::vector<Slot> slots_;
    std::vector<Sums> sums_;  // empty while shift_ is 0

    static void prefetch(const void* address) {
#if defined(__GNUC__)
        __builtin_prefetch(address, 1);
#else
        (void)address;
#endif
    }

    std::size_t home_of(std::uint64_t key) const {
        return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15u >> (64 - slot_bits_));
    }

    // The slot of a key, occupied from now on; the table never fills, because it grows at three quarters: at 65,536 bins
    // it then has half as many slots as if it grew at half, and threads have one each.
    std::size_t find(std::uint64_t key) {
        std::size_t slot = home_of(key);
        while (slots_[slot].count != 0) {
            if (slots_[slot].key == key) return slot;
            slot = (slot + 1) & (slots_.size() - 1);
        }
        if (4 * (n_bins_ + 1) > 3 * slots_.size()) {
            resize(2 * slots_.size());
            return find(key);
        }
        ++n_bins_;
        slots_[slot].key = key;
        return slot;
    }

    void add(std::uint64_t full_key) {
        const std::size_t slot = find(full_key >> shift_);
        ++slots_[slot].count;
        if (shift_ != 0) {
            const std::uint64_t rest = full_key & ((std::uint64_t{1} << shift_) - 1);
            sums_[slot].rest += rest;
            sums_[slot].rest2 += product(rest, rest);
        }
        coarsen();
    }

    void insert(const Bin& bin) {
        const std::size_t slot = find(bin.key);
        slots_[slot].count += bin.count;
        if (shift_ != 0) {
            sums_[slot].rest += bin.rest;
            sums_[slot].rest2 += bin.rest2;
        }
    }

    std::vector<Bin> occupied() const {
        std::vector<Bin> bins;
        bins.reserve(n_bins_);
        for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
            if (slots_[slot].count == 0) continue;
            const Sums sums = shift_ != 0 ? sums_[slot] : Sums{};
            bins.push_back({slots_[slot].key, slots_[slot].count, sums.rest, sums.rest2});
        }
        return bins;
    }

    void resize(std::size_t n_slots) { rebuild(n_slots, 0); }

    void double_width() { rebuild(slots_.size(), 1); }

    void coarsen() {
        while (n_bins_ > limit_) double_width();
    }

    // Moves all bins to a table of n_slots, `by` (0 or 1) times twice as wide.
    void rebuild(std::size_t n_slots, unsigned by) {
        const std::vector<Bin> bins = occupied();
        shift_ += by;
        slots_.assign(n_slots, Slot{});
        sums_.assign(shift_ != 0 ? n_slots : 0, Sums{});
        slot_bits_ = static_cast<unsigned>(std::countr_zero(n_slots));
        n_bins_ = 0;
        for (const Bin& bin : bins) insert(by != 0 ? doubled(bin, shift_ - 1) : bin);
    }

    static Bin doubled(const Bin& bin, unsigned shift) {
        Bin wide{bin.key >> 1, bin.count, bin.rest, bin.rest2};
        if (bin.key & 1) {  // each rest grows by h = 2^shift, its square by 2 h rest + h^2
            const std::uint64_t h = std::uint64_t{1} << shift;
            const Wide h_count = product(h, static_cast<std::uint64_t>(bin.count));
            wide.rest += h_count;
            wide.rest2 += shifted(bin.rest, shift + 1);
            wide.rest2 += shifted(h_count, shift);
        }
        return wide;
    }
};

struct Odd {
    std::int64_t n_nan = 0, n_infinite = 0;
};

// The keys of the finite values; counts the others.
template <class T>
std::size_t keys_of(const T* x, std::size_t n, std::uint64_t* keys, Odd& odd) {
    if constexpr (std::numeric_limits<T>::has_quiet_NaN) {
        std::size_t kept = 0, n_nan = 0;
        for (std::size_t i = 0; i < n; ++i) {
            keys[kept] = key_of(x[i]);
            kept += std::abs(x[i]) <= std::numeric_limits<T>::max();
            n_nan += x[i] != x[i];
        }
        odd.n_nan += static_cast<std::int64_t>(n_nan);
        odd.n_infinite += static_cast<std::int64_t>(n - kept - n_nan);
        return kept;
    } else {
        (void)odd;
        for (std::size_t i = 0; i < n; ++i) keys[i] = key_of(x[i]);
        return n;
    }
}

// A thread's own table. The first keys wait until there are enough to know how wide bins must be at least: doubling the width
// again and again costs more than counting a small image.
class Counter {
public:
    Odd odd;

    explicit Counter(std::size_t limit) : table_(limit) {}

    void add(const std::uint64_t* keys, std::size_t n) {
        if (begun_) return table_.add(keys, n);
        waiting_.insert(waiting_.end(), keys, keys + n);
        if (waiting_.size() >= enough) begin();
    }

    // Hands over the bins, and frees the table: threads have one each, and they are merged one by one.
    Bins finish() {
        if (!begun_) begin();
        return std::exchange(table_, Table(1)).sorted();
    }

private:
    static constexpr std::size_t enough = std::size_t{1} << 18;
    Table table_;
    std::vector<std::uint64_t> waiting_;
    bool begun_ = false;

    void begin() {
        begun_ = true;
        table_.begin(waiting_);
        table_.add(waiting_.data(), waiting_.size());
        waiting_ = {};
    }
};

template <class T>
Bins count_as(const Walk& walk, bool swap, bool masked, std::size_t limit, std::size_t n_threads) {
    const std::size_t n_blocks = block_count(walk);
    n_threads = std::max<std::size_t>(1, std::min({n_threads, n_blocks, std::size_t{16}}));  // each fills 6 MB of its own
    std::vector<Counter> counters(n_threads, Counter(limit));
    parallel_blocks(n_blocks, n_threads, [&](std::size_t thread, std::size_t block) {
        selected_spans<T>(walk, masked, swap, block, [&](const T* x, std::size_t n) {
            std::uint64_t keys[span_length];
            for (std::size_t start = 0; start < n; start += span_length) {
                const std::size_t length = std::min(span_length, n - start);
                counters[thread].add(keys, keys_of(x + start, length, keys, counters[thread].odd));
            }
        });
    });
    Bins merged = counters[0].finish();
    for (std::size_t t = 1; t < n_threads; ++t) merged = merge_bins(merged, counters[t].finish(), limit);
    for (const Counter& counter : counters) {
        merged.n_nan += counter.odd.n_nan;
        merged.n_infinite += counter.odd.n_infinite;
    }
    return merged;
}

}  // namespace

Bins count_bins(const Walk& walk, Number number, bool swap, bool masked, std::size_t limit, std::size_t n_threads) {
    switch (number) {
        case Number::int32: return count_as<std::int32_t>(walk, swap, masked, limit, n_threads);
        case Number::uint32: return count_as<std::uint32_t>(walk, swap, masked, limit, n_threads);
        case Number::int64: return count_as<std::int64_t>(walk, swap, masked, limit, n_threads);
        case Number::float32: return count_as<float>(walk, swap, masked, limit, n_threads);
        default: return count_as<double>(walk, swap, masked, limit, n_threads);
    }
}

Bins merge_bins(const Bins& a, const Bins& b, std::size_t limit) {
    Table table(limit);
    table.add(a);
    table.add(b);
    return std::move(table).sorted();
}

}  // namespace klevels
