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
    std::vector<double> mean;       // [channel]: of all points
    double scatter;                 // the weighted sum of squared distances to it

    Points(const double* rows, const double* given, std::size_t n_points, std::size_t channels)
        : n(n_points), n_channels(channels), n_blocks((n + block_points - 1) / block_points),
          n_cells((n_blocks + blocks_per_cell - 1) / blocks_per_cell), x(n_blocks * channels * block_points),
          weights(n_blocks * block_points, 0.0) {
        std::copy(given, given + n, weights.begin());
        for (std::size_t b = 0; b < n_blocks; ++b)
            for (std::size_t l = 0; l < block_points; ++l) {
                const double* row = rows + std::min(b * block_points + l, n - 1) * channels;
                for (std::size_t c = 0; c < channels; ++c) x[(b * channels + c) * block_points + l] = row[c];
            }
        bound();
        scatter_about_mean();
    }

    const double* block(std::size_t b) const { return x.data() + b * n_channels * block_points; }
    const double* block_weights(std::size_t b) const { return weights.data() + b * block_points; }
    double at(std::size_t i, std::size_t channel) const {
        return block(i / block_points)[channel * block_points + i % block_points];
    }
    std::size_t cell_begin(std::size_t cell) const { return cell * blocks_per_cell; }
    std::size_t cell_end(std::size_t cell) const { return std::min(n_blocks, (cell + 1) * blocks_per_cell); }

private:
    static constexpr std::size_t side_by_side = 8;  // sums and extremes, so that they do not wait for each other

    void bound() {
        block_low.resize(n_blocks * n_channels);
        block_high.resize(n_blocks * n_channels);
        cell_low.assign(n_cells * n_channels, std::numeric_limits<double>::infinity());
        cell_high.assign(n_cells * n_channels, -std::numeric_limits<double>::infinity());
        for (std::size_t b = 0; b < n_blocks; ++b)
            for (std::size_t c = 0; c < n_channels; ++c) {
                const double* lane = block(b) + c * block_points;
                double lows[side_by_side], highs[side_by_side];
                std::copy(lane, lane + side_by_side, lows);
                std::copy(lane, lane + side_by_side, highs);
                for (std::size_t first = side_by_side; first < block_points; first += side_by_side)
                    for (std::size_t l = 0; l < side_by_side; ++l) {
                        lows[l] = lane[first + l] < lows[l] ? lane[first + l] : lows[l];
                        highs[l] = lane[first + l] > highs[l] ? lane[first + l] : highs[l];
                    }
                const double low = *std::min_element(lows, lows + side_by_side);
                const double high = *std::max_element(highs, highs + side_by_side);
                block_low[b * n_channels + c] = low;
                block_high[b * n_channels + c] = high;
                const std::size_t of_cell = (b / blocks_per_cell) * n_channels + c;
                cell_low[of_cell] = std::min(cell_low[of_cell], low);
                cell_high[of_cell] = std::max(cell_high[of_cell], high);
            }
    }

    void scatter_about_mean() {
        const auto total = [this](std::size_t channel, double from, bool squared) {
            double of_lanes[side_by_side] = {}, sum = 0.0;
            for (std::size_t b = 0; b < n_blocks; ++b) {
                const double *lane = block(b) + channel * block_points, *w = block_weights(b);
                for (std::size_t first = 0; first < block_points; first += side_by_side)
                    for (std::size_t l = 0; l < side_by_side; ++l) {
                        const double d = lane[first + l] - from;
                        of_lanes[l] += w[first + l] * (squared ? d * d : d);
                    }
            }
            for (const double of_lane : of_lanes) sum += of_lane;
            return sum;
        };
        double weight = 0.0;
        for (const double w : weights) weight += w;
        mean.resize(n_channels);
        scatter = 0.0;
        for (std::size_t c = 0; c < n_channels; ++c) {
            mean[c] = x[c * block_points] + total(c, x[c * block_points], false) / weight;
            scatter += total(c, mean[c], true);
        }
    }
};

}  // namespace klevels
