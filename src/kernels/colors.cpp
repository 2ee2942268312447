// How often each color occurs: exactly, in a table of all 8-bit colors, or in bins of a grid where there are too many.
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>

#include "kernels.hpp"
#include "parallel.hpp"

namespace klevels {
namespace {

constexpr std::size_t page = 1024;             // colors that are looked through together if one of them occurs
constexpr std::size_t rows_at_a_time = 1 << 16;
constexpr std::size_t few_pixels = 1 << 21;    // below, sorting is faster than the table

// The place of an 8-bit color: the bits of its channels in turns, so that like colors lie together, in few pages.
class Places {
public:
    explicit Places(std::size_t n_channels) : n_channels_(n_channels) {
        for (std::size_t c = 0; c < n_channels; ++c)
            for (std::uint32_t value = 0; value < 256; ++value) {
                spread_[c][value] = 0;
                for (std::size_t bit = 0; bit < 8; ++bit)
                    spread_[c][value] |= ((value >> bit) & 1u) << (bit * n_channels + n_channels - 1 - c);
            }
        for (std::size_t c = 0; c < n_channels; ++c) {
            nibbles_[c].resize(std::size_t{1} << (4 * n_channels));
            for (std::size_t place = 0; place < nibbles_[c].size(); ++place)
                for (std::size_t bit = 0; bit < 4; ++bit) {
                    const std::size_t value = (place >> (bit * n_channels + n_channels - 1 - c)) & 1u;
                    nibbles_[c][place] |= static_cast<std::uint8_t>(value << bit);
                }
        }
    }

    std::size_t size() const { return std::size_t{1} << (8 * n_channels_); }

    std::size_t of(const std::uint8_t* color) const {
        std::uint32_t place = spread_[0][color[0]];
        if (n_channels_ > 1) place |= spread_[1][color[1]];
        if (n_channels_ > 2) place |= spread_[2][color[2]];
        return place;
    }

    void color(std::size_t place, std::uint8_t* out) const {
        const std::size_t high = place >> (4 * n_channels_), low = place & (nibbles_[0].size() - 1);
        for (std::size_t c = 0; c < n_channels_; ++c)
            out[c] = static_cast<std::uint8_t>(nibbles_[c][high] << 4 | nibbles_[c][low]);
    }

private:
    std::size_t n_channels_;
    std::uint32_t spread_[3][256];
    std::vector<std::uint8_t> nibbles_[3];  // half of a channel's bits, by half of a place's
};

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};

// Zeros that the system gives memory for only where they are touched.
template <class T>
std::unique_ptr<T[], Free> zeros(std::size_t n) {
    auto* memory = static_cast<T*>(std::calloc(n, sizeof(T)));
    if (memory == nullptr) throw std::bad_alloc();
    return std::unique_ptr<T[], Free>(memory);
}

struct Table {
    std::unique_ptr<std::uint32_t[], Free> counts;
    std::vector<char> touched;

    explicit Table(std::size_t size) : counts(zeros<std::uint32_t>(size)), touched((size + page - 1) / page) {}
};

template <class Visit>
void visit_rows(const std::uint8_t* rows, const std::uint8_t* mask, std::size_t n, std::size_t n_channels,
                std::size_t n_threads, Visit&& visit) {
    const std::size_t n_blocks = (n + rows_at_a_time - 1) / rows_at_a_time;
    parallel_blocks(n_blocks, n_threads, [&](std::size_t thread, std::size_t block) {
        const std::size_t end = std::min(n, (block + 1) * rows_at_a_time);
        for (std::size_t i = block * rows_at_a_time; i < end; ++i)
            visit(thread, i, rows + i * n_channels, mask == nullptr || mask[i] != 0);
    });
}

// Few pixels: sorting their places touches less memory than a table of all places.
ColorCounts sorted_colors(const Places& places, const std::uint8_t* rows, const std::uint8_t* mask, std::size_t n,
                          std::size_t n_channels) {
    std::vector<std::uint32_t> found, buffer;
    found.reserve(n);
    for (std::size_t i = 0; i < n; ++i)
        if (mask == nullptr || mask[i] != 0) found.push_back(static_cast<std::uint32_t>(places.of(rows + i * n_channels)));
    buffer.resize(found.size());
    for (const unsigned shift : {0u, 12u}) {
        std::vector<std::size_t> ends(4097, 0);
        for (const std::uint32_t place : found) ++ends[((place >> shift) & 4095u) + 1];
        std::partial_sum(ends.begin(), ends.end(), ends.begin());
        for (const std::uint32_t place : found) buffer[ends[(place >> shift) & 4095u]++] = place;
        found.swap(buffer);
    }
    ColorCounts counted;
    counted.colors.resize(found.size() * n_channels);
    std::uint8_t* color = counted.colors.data();
    for (std::size_t i = 0; i < found.size(); color += n_channels) {
        const std::size_t first = i;
        while (i < found.size() && found[i] == found[first]) ++i;
        places.color(found[first], color);
        counted.counts.push_back(static_cast<std::int64_t>(i - first));
    }
    counted.colors.resize(counted.counts.size() * n_channels);
    return counted;
}

}  // namespace

// n < 2^32, so that no count overflows.
ColorCounts count_colors(const std::uint8_t* rows, const std::uint8_t* mask, std::size_t n, std::size_t n_channels,
                         std::size_t n_threads) {
    const Places places(n_channels);
    if (n < few_pixels) return sorted_colors(places, rows, mask, n, n_channels);
    // A table has 64 MB: more than one is worth it only for large images, and stays below two bytes a pixel.
    n_threads = std::max<std::size_t>(1, std::min(n_threads, n >> 25));
    std::vector<Table> tables;
    for (std::size_t t = 0; t < n_threads; ++t) tables.emplace_back(places.size());
    visit_rows(rows, mask, n, n_channels, n_threads,
               [&](std::size_t thread, std::size_t, const std::uint8_t* color, bool inside) {
                   if (!inside) return;
                   const std::size_t place = places.of(color);
                   ++tables[thread].counts[place];
                   tables[thread].touched[place / page] = 1;
               });
    ColorCounts found;
    for (std::size_t first = 0; first < places.size(); first += page) {
        const std::size_t last = std::min(first + page, places.size());
        if (std::none_of(tables.begin(), tables.end(), [&](const Table& table) { return table.touched[first / page]; }))
            continue;
        for (std::size_t place = first; place < last; ++place) {
            std::int64_t count = 0;
            for (const Table& table : tables)
                if (table.touched[first / page]) count += table.counts[place];
            if (count == 0) continue;
            found.colors.resize(found.colors.size() + n_channels);
            places.color(place, found.colors.data() + found.colors.size() - n_channels);
            found.counts.push_back(count);
        }
    }
    return found;
}

template <class Label>
void label_by_colors(const std::uint8_t* rows, const std::uint8_t* mask, std::size_t n, std::size_t n_channels,
                     const std::uint8_t* colors, const std::uint16_t* labels, std::size_t n_colors, Label ignore,
                     std::size_t n_threads, Label* out) {
    const Places places(n_channels);
    // Labels, 1 more than they are, in the pages that have a color; the first page is for all that have none.
    std::vector<std::uint32_t> pages((places.size() + page - 1) / page, 0);
    std::vector<Label> table(page, 0);
    for (std::size_t i = 0; i < n_colors; ++i) {
        const std::size_t place = places.of(colors + i * n_channels);
        std::uint32_t& start = pages[place / page];
        if (start == 0) {
            start = static_cast<std::uint32_t>(table.size());
            table.resize(table.size() + page);
        }
        table[start + place % page] = static_cast<Label>(labels[i] + 1);
    }
    visit_rows(rows, mask, n, n_channels, n_threads,
               [&](std::size_t, std::size_t i, const std::uint8_t* color, bool inside) {
                   const std::size_t place = places.of(color);
                   const Label found = inside ? table[pages[place / page] + place % page] : Label{0};
                   out[i] = found == 0 ? ignore : static_cast<Label>(found - 1);
               });
}

template void label_by_colors(const std::uint8_t*, const std::uint8_t*, std::size_t, std::size_t, const std::uint8_t*,
                              const std::uint16_t*, std::size_t, std::uint8_t, std::size_t, std::uint8_t*);
template void label_by_colors(const std::uint8_t*, const std::uint8_t*, std::size_t, std::size_t, const std::uint8_t*,
                              const std::uint16_t*, std::size_t, std::uint16_t, std::size_t, std::uint16_t*);

namespace {

template <std::size_t fixed, class Label>
void paint_run(const Label* labels, std::size_t n, const char* table, std::size_t item, char* out) {
    const std::size_t size = fixed == 0 ? item : fixed;
    for (std::size_t i = 0; i < n; ++i) std::memcpy(out + i * size, table + labels[i] * size, size);
}

}  // namespace

template <class Label>
void paint(const Label* labels, std::size_t n, const char* table, std::size_t item, std::size_t n_threads, char* out) {
    const auto run = item == 1 ? paint_run<1, Label> : item == 2 ? paint_run<2, Label> : item == 3 ? paint_run<3, Label>
                     : item == 4 ? paint_run<4, Label> : item == 6 ? paint_run<6, Label> : paint_run<0, Label>;
    parallel_blocks((n + rows_at_a_time - 1) / rows_at_a_time, n_threads, [&](std::size_t, std::size_t block) {
        const std::size_t first = block * rows_at_a_time;
        run(labels + first, std::min(rows_at_a_time, n - first), table, item, out + first * item);
    });
}

template void paint(const std::uint8_t*, std::size_t, const char*, std::size_t, std::size_t, char*);
template void paint(const std::uint16_t*, std::size_t, const char*, std::size_t, std::size_t, char*);

namespace {

constexpr std::size_t ahead = 32;  // rows whose entries are fetched before they are needed

inline void fetch(const void* address) {
#if defined(__GNUC__)
    __builtin_prefetch(address, 1);
#else
    (void)address;
#endif
}

// Whether a comes before b where the bits of all channels are taken in turns, the highest first.
bool interleaved_before(const std::int32_t* a, const std::int32_t* b, std::size_t n_channels) {
    std::uint32_t most = 0;
    std::size_t deciding = 0;
    for (std::size_t c = 0; c < n_channels; ++c) {
        const std::uint32_t differ = static_cast<std::uint32_t>(a[c]) ^ static_cast<std::uint32_t>(b[c]);
        if (std::countl_zero(differ) < std::countl_zero(most)) {
            most = differ;
            deciding = c;
        }
    }
    return a[deciding] < b[deciding];
}

}  // namespace

ColorBins::ColorBins(std::size_t n_channels, std::size_t limit)
    : n_channels_(n_channels), limit_(limit), stride_(n_channels + 3), slots_(2048, empty) {}

ColorBins::ColorBins(std::size_t n_channels, std::size_t limit, unsigned shift, const std::int32_t* bins,
                     const std::int64_t* counts, const std::int64_t* rests, const std::uint64_t* squares, std::size_t n)
    : ColorBins(n_channels, limit) {
    shift_ = shift;
    size_ = n;
    bins_.assign(bins, bins + n * n_channels);
    entries_.assign(n * stride_, 0);
    for (std::size_t i = 0; i < n; ++i) {
        entry(i)[0] = counts[i];
        std::copy(rests + i * n_channels, rests + (i + 1) * n_channels, entry(i) + 1);
        std::memcpy(entry(i) + stride_ - 2, squares + 2 * i, 2 * sizeof(std::uint64_t));
    }
    while (slots_.size() < 2 * n + 2) slots_.resize(2 * slots_.size());
    fill_slots();
}

Wide ColorBins::squares(std::size_t i) const {
    return {static_cast<std::uint64_t>(entry(i)[stride_ - 2]), static_cast<std::uint64_t>(entry(i)[stride_ - 1])};
}

void ColorBins::add(const std::int32_t* rows, std::size_t n) {
    std::vector<std::int32_t> bins(ahead * n_channels_);
    std::uint64_t hashes[ahead];
    for (std::size_t first = 0; first < n;) {
        const std::size_t length = std::min(ahead, n - first);
        const std::int32_t* some = rows + first * n_channels_;
        const unsigned shift = shift_;
        for (std::size_t i = 0; i < length * n_channels_; ++i) bins[i] = some[i] >> shift;
        for (std::size_t i = 0; i < length; ++i) {
            hashes[i] = hash(bins.data() + i * n_channels_);
            fetch(slots_.data() + (hashes[i] & (slots_.size() - 1)));
        }
        for (std::size_t i = 0; i < length; ++i) {
            const std::uint32_t slot = slots_[hashes[i] & (slots_.size() - 1)];
            if (slot == empty) continue;
            fetch(bin(slot));
            fetch(entry(slot));
        }
        // Where this became too full, the grid changed: the rows that are left begin a new turn.
        std::size_t done = 0;
        while (done < length && shift_ == shift) {
            add_color(find(bins.data() + done * n_channels_, hashes[done]), some + done * n_channels_);
            ++done;
            while (size_ > limit_) coarsen();
        }
        first += done;
    }
}

void ColorBins::add_color(std::size_t at, const std::int32_t* row) {
    std::int64_t* sums = entry(at);
    const std::int32_t* corner = bin(at);
    ++sums[0];
    std::uint64_t square = 0;
    for (std::size_t c = 0; c < n_channels_; ++c) {
        const std::int64_t rest = row[c] - (std::int64_t{corner[c]} << shift_);
        sums[1 + c] += rest;
        square += static_cast<std::uint64_t>(rest * rest);
    }
    Wide total = squares(at);
    total += square;
    sums[1 + n_channels_] = static_cast<std::int64_t>(total.low);
    sums[2 + n_channels_] = static_cast<std::int64_t>(total.high);
}

void ColorBins::add(const ColorBins& other) {
    while (shift_ < other.shift_) coarsen();
    std::vector<std::int32_t> coarse(n_channels_);
    for (std::size_t i = 0; i < other.size_; ++i) {
        const unsigned steps = shift_ - other.shift_;  // more after each time that this became too full
        for (std::size_t c = 0; c < n_channels_; ++c) coarse[c] = other.bin(i)[c] >> steps;
        merge(find(coarse.data(), hash(coarse.data())), other, i, steps);
        while (size_ > limit_) coarsen();
    }
}

// Adds bin i of `other`, whose grid is finer by `steps` halvings: its rests grow by the place of its corner.
void ColorBins::merge(std::size_t at, const ColorBins& other, std::size_t i, unsigned steps) {
    std::int64_t* sums = entry(at);
    const std::int64_t count = other.count(i);
    Wide total = squares(at);
    total += other.squares(i);
    sums[0] += count;
    for (std::size_t c = 0; c < n_channels_; ++c) {
        const std::int64_t fine = other.bin(i)[c];
        const std::int64_t corner = (fine - ((fine >> steps) << steps)) << other.shift_;
        const std::int64_t rest = other.rests(i)[c];
        // sum (rest + corner)^2 = sum rest^2 + 2 corner sum rest + count corner^2
        total += product(static_cast<std::uint64_t>(2 * corner), static_cast<std::uint64_t>(rest));
        total += product(static_cast<std::uint64_t>(corner * corner), static_cast<std::uint64_t>(count));
        sums[1 + c] += rest + count * corner;
    }
    sums[1 + n_channels_] = static_cast<std::int64_t>(total.low);
    sums[2 + n_channels_] = static_cast<std::int64_t>(total.high);
}

void ColorBins::coarsen() {
    ColorBins coarser(n_channels_, limit_);
    coarser.shift_ = shift_ + 1;
    std::vector<std::int32_t> coarse(n_channels_);
    for (std::size_t i = 0; i < size_; ++i) {
        for (std::size_t c = 0; c < n_channels_; ++c) coarse[c] = bin(i)[c] >> 1;
        coarser.merge(coarser.find(coarse.data(), coarser.hash(coarse.data())), *this, i, 1);
    }
    *this = std::move(coarser);
}

std::uint64_t ColorBins::hash(const std::int32_t* bin) const {
    std::uint64_t hashed = 0;
    for (std::size_t c = 0; c < n_channels_; ++c) {
        hashed = (hashed ^ static_cast<std::uint32_t>(bin[c])) * 0x9E3779B97F4A7C15u;
        hashed ^= hashed >> 29;
    }
    return hashed;
}

std::size_t ColorBins::find(const std::int32_t* bin, std::uint64_t hashed) {
    const std::size_t wrap = slots_.size() - 1;
    std::size_t slot = hashed & wrap;
    for (; slots_[slot] != empty; slot = (slot + 1) & wrap)
        if (std::equal(bin, bin + n_channels_, this->bin(slots_[slot]))) return slots_[slot];
    const std::size_t at = size_++;
    slots_[slot] = static_cast<std::uint32_t>(at);
    entries_.resize(size_ * stride_, 0);
    bins_.insert(bins_.end(), bin, bin + n_channels_);
    if (2 * size_ > slots_.size()) {
        slots_.resize(2 * slots_.size());
        fill_slots();
    }
    return at;
}

void ColorBins::fill_slots() {
    std::fill(slots_.begin(), slots_.end(), empty);
    const std::size_t wrap = slots_.size() - 1;
    for (std::size_t i = 0; i < size_; ++i) {
        std::size_t slot = hash(bin(i)) & wrap;
        while (slots_[slot] != empty) slot = (slot + 1) & wrap;
        slots_[slot] = static_cast<std::uint32_t>(i);
    }
}

void ColorBins::sort() {
    std::vector<std::uint32_t> order(size_);
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
        return interleaved_before(bin(a), bin(b), n_channels_);
    });
    std::vector<std::int32_t> sorted_bins;
    std::vector<std::int64_t> sorted;
    sorted_bins.reserve(bins_.size());
    sorted.reserve(entries_.size());
    for (const std::uint32_t i : order) {
        sorted_bins.insert(sorted_bins.end(), bin(i), bin(i) + n_channels_);
        sorted.insert(sorted.end(), entry(i), entry(i) + stride_);
    }
    bins_ = std::move(sorted_bins);
    entries_ = std::move(sorted);
    fill_slots();
}

}  // namespace klevels
