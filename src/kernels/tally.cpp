// How often each bit pattern of an 8- or 16-bit image occurs.
#include "kernels.hpp"
#include "parallel.hpp"
#include "spans.hpp"

namespace klevels {
namespace {

// Consecutive voxels are often equal, and an increment waits for the one before it on the same counter:
// several tables take turns. uint32 counters halve the cache they need; `flush` empties them before they can overflow.
template <class T, std::size_t n_tables>
class Tables {
public:
    static constexpr std::size_t n_levels = std::size_t{1} << (8 * sizeof(T));

    void add(const T* x, std::size_t n) {
        std::uint32_t* tables = tables_.data();
        std::size_t i = 0;
        for (; i + 4 <= n; i += 4) {
            ++tables[x[i]];
            ++tables[(1 % n_tables) * n_levels + x[i + 1]];
            ++tables[(2 % n_tables) * n_levels + x[i + 2]];
            ++tables[(3 % n_tables) * n_levels + x[i + 3]];
        }
        for (; i < n; ++i) ++tables[x[i]];
    }

    void flush(std::vector<std::int64_t>& total) {
        for (std::size_t t = 0; t < n_tables; ++t)
            for (std::size_t level = 0; level < n_levels; ++level) total[level] += tables_[t * n_levels + level];
        std::fill(tables_.begin(), tables_.end(), 0u);
    }

private:
    std::vector<std::uint32_t> tables_ = std::vector<std::uint32_t>(n_tables * n_levels);
};

template <class T, std::size_t n_tables>
std::vector<std::int64_t> tally_as(const Walk& walk, bool masked, std::size_t n_threads) {
    constexpr std::size_t blocks_before_overflow = (std::size_t{1} << 31) / block_length;
    const std::size_t n_blocks = block_count(walk);
    n_threads = std::max<std::size_t>(1, std::min(n_threads, n_blocks));
    using Own = Tables<T, n_tables>;
    std::vector<Own> tables(n_threads);
    std::vector<std::vector<std::int64_t>> totals(n_threads, std::vector<std::int64_t>(Own::n_levels));
    std::vector<std::size_t> pending(n_threads, 0);
    parallel_blocks(n_blocks, n_threads, [&](std::size_t thread, std::size_t block) {
        selected_spans<T>(walk, masked, false, block,
                          [&](const T* x, std::size_t n) { tables[thread].add(x, n); });
        if (++pending[thread] == blocks_before_overflow) {
            tables[thread].flush(totals[thread]);
            pending[thread] = 0;
        }
    });
    for (std::size_t t = 0; t < n_threads; ++t) {
        tables[t].flush(totals[t]);
        if (t > 0)
            for (std::size_t level = 0; level < Own::n_levels; ++level) totals[0][level] += totals[t][level];
    }
    return totals[0];
}

}  // namespace

std::vector<std::int64_t> tally(const Walk& walk, std::size_t item_size, bool masked, std::size_t n_threads) {
    if (item_size == 1) return tally_as<std::uint8_t, 4>(walk, masked, n_threads);
    return tally_as<std::uint16_t, 2>(walk, masked, n_threads);
}

}  // namespace klevels
