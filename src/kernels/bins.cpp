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

// The bins, one behind the other, and where each key's bin is: open addressing, where slot 0 means none and b + 1 bin b.
class Table {
public:
    explicit Table(std::size_t limit) : limit_(limit) {
        bins_.reserve(std::min(limit, std::size_t{65536}) + 1);  // pages that stay untouched cost nothing
        resize(1024);
    }

    // Begins with bins as wide as these keys alone need, which is never too wide for them and others. Sorts the keys.
    void begin(std::vector<std::uint64_t>& keys) {
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
            for (std::size_t i = start; i < end; ++i) prefetch(&slots_[home_of(keys[i] >> shift_)]);
            for (std::size_t i = start; i < end; ++i) {
                const std::uint32_t bin = slots_[home_of(keys[i] >> shift_)];
                prefetch(bins_.data() + (bin != 0 ? bin - 1 : 0));
            }
            for (std::size_t i = start; i < end; ++i) add(keys[i]);
        }
    }

    void add(const Bins& other) {
        for (const Bin& bin : other.bins) {
            while (shift_ < other.shift) double_width();
            Bin wide = bin;
            for (unsigned shift = other.shift; shift < shift_; ++shift) wide = doubled(wide, shift);
            merge(find(wide.key), wide);
            coarsen();
        }
    }

    Bins sorted() && {
        slots_ = {};
        std::sort(bins_.begin(), bins_.end(), [](const Bin& a, const Bin& b) { return a.key < b.key; });
        return {shift_, std::move(bins_)};
    }

private:
    std::size_t limit_;
    unsigned shift_ = 0, slot_bits_ = 0;
    std::vector<Bin> bins_;
    std::vector<std::uint32_t> slots_;

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

    // The slot that holds a key's bin, or the empty one where it belongs.
    std::size_t slot_of(std::uint64_t key) const {
        std::size_t slot = home_of(key);
        while (slots_[slot] != 0 && bins_[slots_[slot] - 1].key != key) slot = (slot + 1) & (slots_.size() - 1);
        return slot;
    }

    // The bin of a key, made if there is none; the slots never fill, because they are doubled at three quarters.
    Bin& find(std::uint64_t key) {
        std::size_t slot = slot_of(key);
        if (slots_[slot] != 0) return bins_[slots_[slot] - 1];
        if (4 * (bins_.size() + 1) > 3 * slots_.size()) {
            resize(2 * slots_.size());
            slot = slot_of(key);
        }
        bins_.push_back({key, 0, {}, {}});
        slots_[slot] = static_cast<std::uint32_t>(bins_.size());
        return bins_.back();
    }

    void add(std::uint64_t full_key) {
        const std::uint64_t rest = full_key & ((std::uint64_t{1} << shift_) - 1);
        Bin& bin = find(full_key >> shift_);
        ++bin.count;
        bin.rest += rest;
        bin.rest2 += product(rest, rest);
        coarsen();
    }

    static void merge(Bin& bin, const Bin& other) {
        bin.count += other.count;
        bin.rest += other.rest;
        bin.rest2 += other.rest2;
    }

    void resize(std::size_t n_slots) {
        slots_.assign(n_slots, 0);
        slot_bits_ = static_cast<unsigned>(std::countr_zero(n_slots));
        for (std::size_t b = 0; b < bins_.size(); ++b) slots_[slot_of(bins_[b].key)] = static_cast<std::uint32_t>(b + 1);
    }

    void coarsen() {
        while (bins_.size() > limit_) double_width();
    }

    // In place: the bins that are kept never overtake those that are still to be read.
    void double_width() {
        std::fill(slots_.begin(), slots_.end(), 0u);
        std::size_t n_kept = 0;
        for (std::size_t b = 0; b < bins_.size(); ++b) {
            const Bin wide = doubled(bins_[b], shift_);
            const std::size_t slot = slot_of(wide.key);
            if (slots_[slot] != 0) {
                merge(bins_[slots_[slot] - 1], wide);
            } else {
                bins_[n_kept++] = wide;
                slots_[slot] = static_cast<std::uint32_t>(n_kept);
            }
        }
        bins_.resize(n_kept);
        ++shift_;
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
        if (waiting_.empty()) waiting_.reserve(enough + span_length);
        waiting_.insert(waiting_.end(), keys, keys + n);
        if (waiting_.size() >= enough) begin();
    }

    // Hands over the bins, and frees the table: threads have one each, and they are merged one by one.
    Bins finish() {
        if (!begun_) begin();
        return std::move(table_).sorted();
    }

private:
    static constexpr std::size_t enough = std::size_t{1} << 17;
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
    std::vector<Counter> counters;
    counters.reserve(n_threads);
    for (std::size_t t = 0; t < n_threads; ++t) counters.emplace_back(limit);
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
