// Weighted points of a few coordinates, in blocks that vectors fill and cells of neighboring blocks, each with its box.
#pragma once
#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "simd.hpp"

namespace klevels {

constexpr std::size_t blocks_per_cell = 4;

// Points must come in an order where neighbors are near each other: the nearer, the faster, and the result is the same.
struct Points {
    std::size_t n, n_channels, n_blocks, n_cells;
    std::vector<double> x;          // [block][channel][block_points]; the last point is repeated to fill the last block
    std::vector<double> weights;    // [block][block_points]; 0 where repeated
    std::vector<double> block_low, block_high, cell_low, cell_high;  // [.][channel]

    Points(const double* rows, const double* given, std::size_t n_points, std::size_t channels)
        : n(n_points), n_channels(channels), n_blocks((n + block_points - 1) / block_points),
          n_cells((n_blocks + blocks_per_cell - 1) / blocks_per_cell), x(n_blocks * channels * block_points),
          weights(n_blocks * block_points, 0.0) {
        std::copy(given, given + n, weights.begin());
        for (std::size_t i = 0; i < n_blocks * block_points; ++i)
            for (std::size_t c = 0; c < channels; ++c)
                x[((i / block_points) * channels + c) * block_points + i % block_points] = rows[std::min(i, n - 1) * channels + c];
        bound();
    }

    const double* block(std::size_t b) const { return x.data() + b * n_channels * block_points; }
    const double* block_weights(std::size_t b) const { return weights.data() + b * block_points; }
    double at(std::size_t i, std::size_t channel) const {
        return block(i / block_points)[channel * block_points + i % block_points];
    }
    std::size_t cell_begin(std::size_t cell) const { return cell * blocks_per_cell; }
    std::size_t cell_end(std::size_t cell) const { return std::min(n_blocks, (cell + 1) * blocks_per_cell); }

private:
    void bound() {
        block_low.resize(n_blocks * n_channels);
        block_high.resize(n_blocks * n_channels);
        cell_low.assign(n_cells * n_channels, std::numeric_limits<double>::infinity());
        cell_high.assign(n_cells * n_channels, -std::numeric_limits<double>::infinity());
        for (std::size_t b = 0; b < n_blocks; ++b)
            for (std::size_t c = 0; c < n_channels; ++c) {
                const double* lane = block(b) + c * block_points;
                const auto [low, high] = std::minmax_element(lane, lane + block_points);
                block_low[b * n_channels + c] = *low;
                block_high[b * n_channels + c] = *high;
                const std::size_t of_cell = (b / blocks_per_cell) * n_channels + c;
                cell_low[of_cell] = std::min(cell_low[of_cell], *low);
                cell_high[of_cell] = std::max(cell_high[of_cell], *high);
            }
    }
};

}  // namespace klevels
