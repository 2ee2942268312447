// Lloyd's two steps, where the boxes of cells and blocks leave few centers to compare with.
#include "clusters.hpp"

#include <cmath>
#include <numeric>

#include "parallel.hpp"

namespace klevels {
struct Clusters::Scratch {
    std::vector<double> margins, cell_centers, block_centers, pivot, middle;
    std::vector<std::uint32_t> near;

    Scratch(std::size_t k, std::size_t n_channels)
        : margins(k), cell_centers(k * n_channels), block_centers(k * n_channels), pivot(n_channels), middle(n_channels),
          near(k) {}
};

Clusters::Clusters(const Points& points, const std::vector<double>& centers)
    : points_(&points), k_(centers.size() / points.n_channels), channels_(points.n_channels), width_(channels_ + 2),
      centers_(k_ * channels_), transposed_(k_ * channels_), moved_(k_, 1), cells_(points.n_cells),
      totals_(k_ * width_) {
    double most = 0.0;
    for (std::size_t i = 0; i < points.cell_low.size(); ++i)
        most = std::max({most, std::abs(points.cell_low[i]), std::abs(points.cell_high[i])});
    for (const double value : centers) most = std::max(most, std::abs(value));
    // A margin sums `channels` terms of up to 8 most^2, and the distances that it stands for round as well.
    slack_ = most * most * static_cast<double>(channels_ * (channels_ + 5)) * 0x1p-49;
    for (std::size_t j = 0; j < k_; ++j) place(j, centers.data() + j * channels_);
}

void Clusters::place(std::size_t j, const double* at) {
    for (std::size_t c = 0; c < channels_; ++c) {
        moved_[j] |= centers_[j * channels_ + c] != at[c];
        centers_[j * channels_ + c] = transposed_[c * k_ + j] = at[c];
    }
}

bool Clusters::update() {
    std::vector<double> mean(channels_);
    bool any_moved = false;
    for (std::size_t j = 0; j < k_; ++j) {
        const double* total = totals_.data() + j * width_;
        if (total[0] <= 0.0) continue;
        for (std::size_t c = 0; c < channels_; ++c) mean[c] = total[1 + c] / total[0];
        place(j, mean.data());
        any_moved |= moved_[j] != 0;
    }
    return any_moved;
}

std::size_t Clusters::converge(double tolerance, std::size_t most_passes, std::size_t n_threads) {
    assign(n_threads);
    for (std::size_t pass = 1; pass < most_passes; ++pass) {
        const double before = inertia_;
        if (!update()) return pass;
        assign(n_threads);
        if (before - inertia_ < tolerance * inertia_) return pass + 1;
    }
    return most_passes;
}

void Clusters::assign(std::size_t n_threads) {
    std::vector<std::uint32_t> moved;
    for (std::size_t j = 0; j < k_; ++j)
        if (moved_[j]) moved.push_back(static_cast<std::uint32_t>(j));
    const std::size_t m = moved.size();
    std::vector<double> moved_centers(m * channels_);
    for (std::size_t c = 0; c < channels_; ++c)
        for (std::size_t i = 0; i < m; ++i) moved_centers[c * m + i] = transposed_[c * k_ + moved[i]];

    const auto reached = [&](std::size_t cell, std::vector<double>& margins) {
        const CellSums* sums = cells_[cell].get();
        if (sums == nullptr || moved_[sums->pivot]) return true;
        for (const std::uint32_t j : sums->candidates)
            if (moved_[j]) return true;
        loops().margins(moved_centers.data(), m, m, channels_, center(sums->pivot),
                        points_->cell_low.data() + cell * channels_, points_->cell_high.data() + cell * channels_,
                        margins.data());
        for (std::size_t i = 0; i < m; ++i)
            if (!(margins[i] > slack_)) return true;
        return false;
    };
    std::vector<Scratch> scratch(n_threads, Scratch(k_, channels_));
    parallel_blocks(points_->n_cells, n_threads, [&](std::size_t thread, std::size_t cell) {
        if (reached(cell, scratch[thread].margins)) cells_[cell] = summed(cell, scratch[thread]);
    });
    std::fill(moved_.begin(), moved_.end(), 0);

    // In the order of the cells, so that the sums are the same for any number of threads.
    std::fill(totals_.begin(), totals_.end(), 0.0);
    inertia_ = 0.0;
    for (const auto& cell : cells_)
        for (std::size_t i = 0; i < cell->candidates.size(); ++i) {
            const double* sums = cell->sums.data() + i * width_;
            for (std::size_t s = 0; s < width_; ++s) totals_[cell->candidates[i] * width_ + s] += sums[s];
            inertia_ += sums[width_ - 1];
        }
}

void Clusters::label(std::uint32_t* labels, double* distances, std::size_t n_threads) const {
    std::vector<Scratch> scratch(n_threads, Scratch(k_, channels_));
    parallel_blocks(points_->n_cells, n_threads, [&](std::size_t thread, std::size_t cell) {
        CellSums found;
        find_candidates(cell, found, scratch[thread]);
        visit_blocks(cell, found.candidates, scratch[thread],
                     [&](std::size_t block, const std::uint32_t* near, std::size_t n_near, const double* centers) {
                         std::int64_t which[block_points];
                         double unused[block_points];
                         const std::size_t first = block * block_points;
                         loops().nearest(points_->block(block), channels_, centers, n_near,
                                         distances == nullptr ? unused : distances + first, which);
                         for (std::size_t l = 0; l < block_points; ++l)
                             labels[first + l] = found.candidates[near[which[l]]];
                     });
    });
}

std::shared_ptr<const CellSums> Clusters::summed(std::size_t cell, Scratch& scratch) const {
    auto result = std::make_shared<CellSums>();
    find_candidates(cell, *result, scratch);
    result->sums.assign(result->candidates.size() * width_, 0.0);
    visit_blocks(cell, result->candidates, scratch,
                 [&](std::size_t block, const std::uint32_t* near, std::size_t n_near, const double* centers) {
                     double distances[block_points];
                     std::int64_t which[block_points];
                     const double* x = points_->block(block);
                     const double* w = points_->block_weights(block);
                     loops().nearest(x, channels_, centers, n_near, distances, which);
                     for (std::size_t l = 0; l < block_points; ++l) {
                         double* sums = result->sums.data() + near[which[l]] * width_;
                         sums[0] += w[l];
                         for (std::size_t c = 0; c < channels_; ++c) sums[1 + c] += w[l] * x[c * block_points + l];
                         sums[1 + channels_] += w[l] * distances[l];
                     }
                 });
    return result;
}

// The centers that no margin rules out. Any pivot is right; the nearer it is to the cell, the fewer they are.
void Clusters::find_candidates(std::size_t cell, CellSums& sums, Scratch& scratch) const {
    const double* low = points_->cell_low.data() + cell * channels_;
    const double* high = points_->cell_high.data() + cell * channels_;
    const auto distance = [&](std::uint32_t j) {
        double sum = 0.0;
        for (std::size_t c = 0; c < channels_; ++c) {
            const double d = transposed_[c * k_ + j] - 0.5 * (low[c] + high[c]);
            sum += d * d;
        }
        return sum;
    };
    double least = std::numeric_limits<double>::infinity();
    const auto consider = [&](std::uint32_t j) {
        const double d = distance(j);
        if (d < least) {
            least = d;
            sums.pivot = j;
        }
    };
    sums.pivot = 0;
    if (const CellSums* before = cells_[cell].get())
        for (const std::uint32_t j : before->candidates) consider(j);
    else
        for (std::uint32_t j = 0; j < k_; ++j) consider(j);
    loops().margins(transposed_.data(), k_, k_, channels_, center(sums.pivot), low, high, scratch.margins.data());
    for (std::size_t j = 0; j < k_; ++j)
        if (!(scratch.margins[j] > slack_)) sums.candidates.push_back(static_cast<std::uint32_t>(j));
}

// Calls visit(block, near, n_near, centers): `near` holds the indices into `candidates` that the block's box leaves.
template <class Visit>
void Clusters::visit_blocks(std::size_t cell, const std::vector<std::uint32_t>& candidates, Scratch& scratch,
                            Visit&& visit) const {
    const std::size_t n = candidates.size();
    double* of_cell = scratch.cell_centers.data();
    for (std::size_t c = 0; c < channels_; ++c)
        for (std::size_t i = 0; i < n; ++i) of_cell[c * n + i] = transposed_[c * k_ + candidates[i]];
    for (std::size_t block = points_->cell_begin(cell); block < points_->cell_end(cell); ++block) {
        const double* low = points_->block_low.data() + block * channels_;
        const double* high = points_->block_high.data() + block * channels_;
        // With the box's middle in place of the box, the least margin is that of the center nearest to the middle.
        for (std::size_t c = 0; c < channels_; ++c) {
            scratch.middle[c] = 0.5 * (low[c] + high[c]);
            scratch.pivot[c] = of_cell[c * n];
        }
        const double* middle = scratch.middle.data();
        loops().margins(of_cell, n, n, channels_, scratch.pivot.data(), middle, middle, scratch.margins.data());
        const auto at = static_cast<std::size_t>(
            std::min_element(scratch.margins.begin(), scratch.margins.begin() + static_cast<std::ptrdiff_t>(n)) -
            scratch.margins.begin());
        for (std::size_t c = 0; c < channels_; ++c) scratch.pivot[c] = of_cell[c * n + at];
        loops().margins(of_cell, n, n, channels_, scratch.pivot.data(), low, high, scratch.margins.data());
        std::size_t n_near = 0;
        for (std::size_t i = 0; i < n; ++i)
            if (!(scratch.margins[i] > slack_)) scratch.near[n_near++] = static_cast<std::uint32_t>(i);
        for (std::size_t i = 0; i < n_near; ++i)
            for (std::size_t c = 0; c < channels_; ++c)
                scratch.block_centers[i * channels_ + c] = of_cell[c * n + scratch.near[i]];
        visit(block, scratch.near.data(), n_near, scratch.block_centers.data());
    }
}

}  // namespace klevels
