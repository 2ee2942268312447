// Voxels of one label that hang together: what the ways to find them share.
#pragma once
#include <nanobind/ndarray.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "regions_parts.hpp"

namespace klevels {

namespace nb = nanobind;

struct Grays {
    const void* data = nullptr;
    nb::dlpack::dtype dtype{};
    double low = 0, range = 1;

    template <class T>
    std::int64_t integers(std::size_t begin, std::size_t n) const {
        const T* values = static_cast<const T*>(data) + begin;
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::int64_t>(values[i]);
        return sum;
    }

    // Steps of 1 / 2^24 of the range; adding `shift` rounds to the nearest.
    template <class T>
    std::int64_t floats(std::size_t begin, std::size_t n, std::int64_t& n_nan) const {
        constexpr double shift = 6755399441055744.0, steps = 16777216.0;
        const T* values = static_cast<const T*>(data) + begin;
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const double value = static_cast<double>(values[i]);
            n_nan += value != value;
            const double share = range > 0 ? (value - low) / range : 0.0;
            const double step = (share > 0 ? (share < 1 ? share : 1.0) : 0.0) * steps;
            sum += std::bit_cast<std::int64_t>(step + shift) - std::bit_cast<std::int64_t>(shift);
        }
        return sum;
    }

    std::int64_t sum(std::size_t begin, std::size_t n, std::int64_t& n_nan) const {
        using Code = nb::dlpack::dtype_code;
        if (dtype.code == static_cast<std::uint8_t>(Code::Float))
            return dtype.bits == 32 ? floats<float>(begin, n, n_nan) : floats<double>(begin, n, n_nan);
        const bool is_signed = dtype.code == static_cast<std::uint8_t>(Code::Int);
        if (dtype.bits == 8)
            return is_signed ? integers<std::int8_t>(begin, n) : integers<std::uint8_t>(begin, n);
        if (dtype.bits == 16)
            return is_signed ? integers<std::int16_t>(begin, n) : integers<std::uint16_t>(begin, n);
        return is_signed ? integers<std::int32_t>(begin, n) : integers<std::uint32_t>(begin, n);
    }
};

// What is asked, and where ids go: of all voxels, and on the sides z0, z1, y0, y1, x0, x1; null where none are wanted.
struct RegionsAsked {
    std::size_t nz, ny, nx;
    const void* labels;
    bool narrow;  // labels of 8 bits, else 16
    const std::uint8_t* chosen;
    int connectivity;
    Grays grays;
    Number* ids;
    std::array<Number*, 6> faces;
    std::size_t n_threads;

    bool any_ids() const {
        return ids || std::any_of(faces.begin(), faces.end(), [](const Number* face) { return face; });
    }
};

// In raster order of their first voxels.
struct RegionsFound {
    std::vector<Component> components;
    std::int64_t n_nan = 0;  // gray values
};

// regions_runs.cpp: the runs of rows, joined
RegionsFound find_by_runs(const RegionsAsked& asked);
// regions_bundles.cpp: rows two by two, for 26 neighbors and few labels
RegionsFound find_by_bundles(const RegionsAsked& asked, const std::vector<Number>& labels);

// Returns how many runs of equal labels there are, and where they begin.
template <class T>
std::size_t find_starts(const T* row, std::size_t n, Number* starts) {
    constexpr std::size_t step = 8 / sizeof(T);
    std::size_t found = 0, x = 1;
    starts[found++] = 0;
    for (; x + step <= n; x += step) {
        std::uint64_t here, before;
        std::memcpy(&here, row + x, 8);
        std::memcpy(&before, row + x - 1, 8);
        if (here == before) continue;
        for (std::size_t i = x; i < x + step; ++i) {
            starts[found] = static_cast<Number>(i);
            found += row[i] != row[i - 1];
        }
    }
    for (; x < n; ++x) {
        starts[found] = static_cast<Number>(x);
        found += row[x] != row[x - 1];
    }
    starts[found] = static_cast<Number>(n);
    return found;
}

}  // namespace klevels
