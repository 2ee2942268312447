// Unsigned 128-bit sums; MSVC has no __int128.
#pragma once
#include <cstdint>

namespace klevels {

struct Wide {
    std::uint64_t low = 0, high = 0;

    Wide& operator+=(std::uint64_t x) {
        low += x;
        high += low < x;
        return *this;
    }
    Wide& operator+=(const Wide& x) {
        low += x.low;
        high += x.high + (low < x.low);
        return *this;
    }
};

inline Wide product(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
    __extension__ using Native = unsigned __int128;
    const Native p = static_cast<Native>(a) * b;
    return {static_cast<std::uint64_t>(p), static_cast<std::uint64_t>(p >> 64)};
#else
    const std::uint64_t a0 = a & 0xffffffffu, a1 = a >> 32, b0 = b & 0xffffffffu, b1 = b >> 32;
    const std::uint64_t low = a0 * b0;
    const std::uint64_t middle = a1 * b0 + (low >> 32);
    const std::uint64_t carry = a0 * b1 + (middle & 0xffffffffu);
    return {(carry << 32) | (low & 0xffffffffu), a1 * b1 + (middle >> 32) + (carry >> 32)};
#endif
}

inline Wide shifted(const Wide& x, unsigned by) {  // by < 64
    if (by == 0) return x;
    return {x.low << by, (x.high << by) | (x.low >> (64 - by))};
}

}  // namespace klevels
