// The selected voxels of an array of any strides, handed on as contiguous spans in native byte order.
#pragma once
#include <algorithm>
#include <bit>
#include <cstring>

#include "walk.hpp"

namespace klevels {

constexpr std::size_t span_length = 4096;
constexpr std::size_t block_length = std::size_t{1} << 20;  // voxels a thread takes at a time

inline std::size_t block_count(const Walk& walk) { return (walk.size() + block_length - 1) / block_length; }

template <class T>
T byte_swapped(T value) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    std::reverse(bytes, bytes + sizeof(T));
    std::memcpy(&value, bytes, sizeof(T));
    return value;
}

template <class T>
void gather(const char* data, std::ptrdiff_t stride, std::size_t n, bool swap, T* out) {
    for (std::size_t i = 0; i < n; ++i)
        std::memcpy(out + i, data + static_cast<std::ptrdiff_t>(i) * stride, sizeof(T));
    if (swap)
        for (std::size_t i = 0; i < n; ++i) out[i] = byte_swapped(out[i]);
}

// Operand 0 is the image, operand 1 the mask (one byte a voxel, nonzero = inside) if `masked`.
template <class T, class Consume>
void selected_spans(const Walk& walk, bool masked, bool swap, std::size_t block, Consume&& consume) {
    const std::size_t begin = block * block_length;
    const std::size_t end = std::min(walk.size(), begin + block_length);
    walk.runs(begin, end, [&](const auto& pointers, const auto& strides, std::size_t n) {
        if (!masked && !swap && strides[0] == sizeof(T)) {
            consume(reinterpret_cast<const T*>(pointers[0]), n);
            return;
        }
        T buffer[span_length + 1];
        for (std::size_t start = 0; start < n; start += span_length) {
            std::size_t length = std::min(span_length, n - start);
            const auto offset = static_cast<std::ptrdiff_t>(start);
            gather(pointers[0] + offset * strides[0], strides[0], length, swap, buffer);
            if (masked) {
                const char* mask = pointers[1] + offset * strides[1];
                std::size_t kept = 0;
                for (std::size_t i = 0; i < length; ++i) {
                    const T value = buffer[i];
                    buffer[kept] = value;
                    kept += mask[static_cast<std::ptrdiff_t>(i) * strides[1]] != 0;
                }
                length = kept;
            }
            consume(static_cast<const T*>(buffer), length);
        }
    });
}

}  // namespace klevels
