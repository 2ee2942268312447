// How often each gray value of a 32- or 64-bit image occurs, in bins where there are too many distinct values.
//
// A gray value becomes an integer key of the same order. As long as the distinct keys are few, each is counted on its own.
// When they pass the limit, neighbors 2i and 2i + 1 become one bin, again and again until they fit: `shift` times. The
// grid never depends on the data, and the final shift only on the set of keys, so any split into chunks ends the same.
// A bin keeps the sums of the dropped bits and of their squares as integers, so its mean and spread stay exact.
#include <cmath>
#include <limits>

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

class Table {
public:
    explicit Table(std::size_t limit) : limit_(limit) { resize_slots(1024); }

    void add(std::uint64_t full_key) {
        const std::uint64_t rest = full_key & mask_;
        Bin& bin = find(full_key >> shift_);
        ++bin.count;
        if (rest != 0) {
            bin.rest += rest;
            bin.rest2 += product(rest, rest);
        }
        if (bins_.size() > limit_) coarsen();
    }

    void add(const Bin& other, unsigned shift) {
        while (shift_ < shift) double_width();
        Bin wide = other;
        for (; shift < shift_; ++shift) wide = doubled(wide, shift);
        Bin& bin = find(wide.key);
        bin.count += wide.count;
        bin.rest += wide.rest;
        bin.rest2 += wide.rest2;
        if (bins_.size() > limit_) coarsen();
    }

    void add(const Bins& other) {
        for (const Bin& bin : other.bins) add(bin, other.shift);
    }

    Bins sorted() && {
        std::sort(bins_.begin(), bins_.end(), [](const Bin& a, const Bin& b) { return a.key < b.key; });
        return {shift_, std::move(bins_)};
    }

private:
    std::size_t limit_;
    unsigned shift_ = 0, slot_bits_ = 0;
    std::uint64_t mask_ = 0;
    std::vector<Bin> bins_;
    std::vector<std::uint32_t> slots_;  // 1 + the index into bins_, or 0; neighbors among the keys share a cache line

    std::size_t slot_of(std::uint64_t key) const {
        const std::uint64_t spread = (key >> 3) * 0x9e3779b97f4a7c15u >> (64 - (slot_bits_ - 3));
        return static_cast<std::size_t>((spread << 3) | (key & 7));
    }

    Bin& find(std::uint64_t key) {
        std::size_t slot = slot_of(key);
        while (slots_[slot] != 0) {
            Bin& bin = bins_[slots_[slot] - 1];
            if (bin.key == key) return bin;
            slot = (slot + 1) & (slots_.size() - 1);
        }
        bins_.push_back({key, 0, {}, {}});
        if (2 * bins_.size() > slots_.size())
            resize_slots(2 * slots_.size());
        else
            slots_[slot] = static_cast<std::uint32_t>(bins_.size());
        return bins_.back();
    }

    void resize_slots(std::size_t n) {
        slots_.assign(n, 0u);
        slot_bits_ = static_cast<unsigned>(std::countr_zero(n));
        for (std::size_t b = 0; b < bins_.size(); ++b) {
            std::size_t slot = slot_of(bins_[b].key);
            while (slots_[slot] != 0) slot = (slot + 1) & (n - 1);
            slots_[slot] = static_cast<std::uint32_t>(b + 1);
        }
    }

    static Bin doubled(const Bin& bin, unsigned shift) {
        Bin wide{bin.key >> 1, bin.count, bin.rest, bin.rest2};
        if (bin.key & 1) {  // each rest grows by h = 2^shift, its square by 2 h rest + h^2
            const std::uint64_t h = std::uint64_t{1} << shift;
            const auto count = static_cast<std::uint64_t>(bin.count);
            Wide h2_count = product(h, count);
            wide.rest += h2_count;
            wide.rest2 += shifted(bin.rest, shift + 1);
            wide.rest2 += shifted(h2_count, shift);
        }
        return wide;
    }

    void double_width() {
        std::vector<Bin> old;
        old.swap(bins_);
        std::fill(slots_.begin(), slots_.end(), 0u);
        for (const Bin& bin : old) {
            const Bin wide = doubled(bin, shift_);
            Bin& target = find(wide.key);
            target.count += wide.count;
            target.rest += wide.rest;
            target.rest2 += wide.rest2;
        }
        ++shift_;
        mask_ = (std::uint64_t{1} << shift_) - 1;
    }

    void coarsen() {
        while (bins_.size() > limit_) double_width();
    }
};

template <class T>
Bins count_as(const Walk& walk, bool swap, bool masked, std::size_t limit, std::size_t n_threads) {
    const std::size_t n_blocks = block_count(walk);
    n_threads = std::max<std::size_t>(1, std::min(n_threads, n_blocks));
    std::vector<Table> tables(n_threads, Table(limit));
    std::vector<std::int64_t> n_nan(n_threads, 0), n_infinite(n_threads, 0);
    parallel_blocks(n_blocks, n_threads, [&](std::size_t thread, std::size_t block) {
        Table& table = tables[thread];
        selected_spans<T>(walk, masked, swap, block, [&](const T* x, std::size_t n) {
            for (std::size_t i = 0; i < n; ++i) {
                if constexpr (std::numeric_limits<T>::has_quiet_NaN) {
                    if (!(std::abs(x[i]) <= std::numeric_limits<T>::max())) {
                        ++(x[i] != x[i] ? n_nan : n_infinite)[thread];
                        continue;
                    }
                }
                table.add(key_of(x[i]));
            }
        });
    });
    Bins merged = std::move(tables[0]).sorted();
    for (std::size_t t = 1; t < n_threads; ++t) merged = merge_bins(merged, std::move(tables[t]).sorted(), limit);
    for (std::size_t t = 0; t < n_threads; ++t) {
        merged.n_nan += n_nan[t];
        merged.n_infinite += n_infinite[t];
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
