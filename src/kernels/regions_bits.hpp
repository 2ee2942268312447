// Rows of labels as bits.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(KLEVELS_X86_64)
#include <emmintrin.h>
#endif

namespace klevels {

using Word = std::uint64_t;

// The first n of 64 values that have a label, a bit each.
template <class T>
Word matches(const T* values, T label, std::size_t n) {
    T padded[64];
    if (n < 64) {
        std::memset(padded, 0, sizeof(padded));
        std::memcpy(padded, values, n * sizeof(T));
        values = padded;
    }
    Word found = 0;
#if defined(KLEVELS_X86_64)
    for (int i = 0; i < 4; ++i) {
        const auto load = [](const T* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); };
        const T* at = values + 16 * i;
        __m128i same;
        if constexpr (sizeof(T) == 1) {
            same = _mm_cmpeq_epi8(load(at), _mm_set1_epi8(static_cast<char>(label)));
        } else {
            const __m128i wanted = _mm_set1_epi16(static_cast<short>(label));
            same = _mm_packs_epi16(_mm_cmpeq_epi16(load(at), wanted), _mm_cmpeq_epi16(load(at + 8), wanted));
        }
        found |= static_cast<Word>(static_cast<std::uint32_t>(_mm_movemask_epi8(same))) << (16 * i);
    }
#else
    for (std::size_t i = 0; i < 64; ++i) found |= static_cast<Word>(values[i] == label) << i;
#endif
    return n < 64 ? found & ((Word{1} << n) - 1) : found;
}

// The bits of a word from `begin` to `end`, counted along the row.
inline Word within(std::size_t word, std::size_t begin, std::size_t end) {
    Word bits = ~Word{0};
    if (begin > 64 * word) bits &= ~Word{0} << (begin % 64);
    if (end < 64 * (word + 1)) bits &= (Word{1} << (end % 64)) - 1;
    return bits;
}

// Calls each(begin, end) for the runs of bits, from `begin` to `end`.
template <class Each>
void each_run(const Word* bits, std::size_t begin, std::size_t end, Each&& each) {
    Word carried = 0;
    std::size_t from = 0;
    for (std::size_t w = begin / 64; w <= (end - 1) / 64; ++w) {
        const Word word = bits[w] & within(w, begin, end);
        Word turns = word ^ (word << 1 | carried);
        carried = word >> 63;
        for (; turns; turns &= turns - 1) {
            const auto bit = static_cast<std::size_t>(std::countr_zero(turns));
            if (word >> bit & 1)
                from = 64 * w + bit;
            else
                each(from, 64 * w + bit);
        }
    }
    if (carried) each(from, end);
}

// The bits from `begin` on; a word is read more than they are in.
inline Word bits_from(const Word* bits, std::size_t begin) {
    const std::size_t w = begin / 64, shift = begin % 64;
    return bits[w] >> shift | bits[w + 1] << 1 << (63 - shift);
}

inline bool any_bit(const Word* bits, std::size_t begin, std::size_t end) {
    for (; begin + 64 < end; begin += 64)
        if (bits_from(bits, begin)) return true;
    return begin < end && bits_from(bits, begin) << (64 - (end - begin));
}

// The first bit that is set, of which there is one from `begin` on.
inline std::size_t first_bit(const Word* bits, std::size_t begin) {
    std::size_t w = begin / 64;
    Word word = bits[w] & ~Word{0} << (begin % 64);
    while (!word) word = bits[++w];
    return 64 * w + static_cast<std::size_t>(std::countr_zero(word));
}

// Of the places of the bits of a byte: how many, their sum, and that of their squares, in fields that add up for some
// bytes. Without the branches that runs of bits would need: they are hard to foresee where labels are noisy.
constexpr int at_sum = 8, at_squares = 18;

constexpr std::array<std::uint32_t, 256> byte_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte)
        for (std::uint32_t i = 0; i < 8; ++i)
            if (byte >> i & 1) table[byte] += 1 + (i << at_sum) + (i * i << at_squares);
    return table;
}

inline constexpr auto of_byte = byte_table();

}  // namespace klevels
