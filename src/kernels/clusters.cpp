// Lloyd's two steps, where the boxes of cells and blocks leave few centers to compare with.
#include "clusters.hpp"

#include <cmath>

#include "parallel.hpp"

namespace klevels {
namespace {

constexpr std::size_t few_cells = 16;  // threads take longer to start than to look at these

// The greatest squared distance from a point to any of a box.
double most_distant(const double* at, const double* low, const double* high, std::size_t n_channels) {
    double sum = 0.0;
    for (std::size_t c = 0; c < n_channels; ++c) {
        const double d = std::max(std::abs(low[c] - at[c]), std::abs(high[c] - at[c]));
        sum += d * d;
    }
    return sum;
}

}  // namespace

struct Clusters::Scratch {
    std::vector<double> margins, cell_centers, block_centers, pivot, middle;
    std::vector<std::uint32_t> near, before;  // one more than there can be, as the last to be listed may not stay
    std::vector<char> holds;
    std::size_t n_near = 0;

    Scratch(std::size_t k, std::size_t n_channels)
        : margins(k), cell_centers(k * n_channels), block_centers(k * n_channels), pivot(n_channels), middle(n_channels),
          near(k + 1), holds(k) {}
};

Clusters::Clusters(const Points& points, const std::vector<double>& centers)
    : points_(&points), k_(centers.size() / points.n_channels), channels_(points.n_channels), width_(channels_ + 1),
      centers_(k_ * channels_), transposed_(k_ * channels_), moves_(k_), cells_(points.n_cells), blocks_(points.n_blocks),
      labels_(points.n_blocks * block_points), totals_(k_ * width_) {
    double most = 0.0;
    for (std::size_t i = 0; i < points.cell_low.size(); ++i)
        most = std::max({most, std::abs(points.cell_low[i]), std::abs(points.cell_high[i])});
    for (const double value : centers) most = std::max(most, std::abs(value));
    // A margin sums `channels` terms of up to 8 most^2, and the distances that it stands for round as well.
    slack_ = most * most * static_cast<double>(channels_ * (channels_ + 5)) * 0x1p-49;
    for (std::size_t j = 0; j < k_; ++j) place(j, centers.data() + j * channels_);
}

void Clusters::place(std::size_t j, const double* at) {
    double sum = 0.0;
    for (std::size_t c = 0; c < channels_; ++c) {
        const double d = at[c] - centers_[j * channels_ + c];
        sum += d * d;
        centers_[j * channels_ + c] = transposed_[c * k_ + j] = at[c];
    }
    moves_[j] += std::sqrt(sum);
}

bool Clusters::update() {
    std::vector<double> mean(channels_);
    bool any_moved = false;
    for (std::size_t j = 0; j < k_; ++j) {
        const double* total = totals_.data() + j * width_;
        if (total[0] <= 0.0) continue;
        for (std::size_t c = 0; c < channels_; ++c) mean[c] = total[1 + c] / total[0];
        any_moved |= !std::equal(mean.begin(), mean.end(), center(j));
        place(j, mean.data());
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
    const std::vector<std::size_t> due = due_cells();
    if (due.size() <= few_cells) n_threads = 1;
    std::vector<Scratch> scratch(n_threads, Scratch(k_, channels_));
    parallel_blocks(due.size(), n_threads, [&](std::size_t thread, std::size_t i) { look(due[i], scratch[thread]); });
    std::fill(moves_.begin(), moves_.end(), 0.0);
    add_up();
}

// Notes how far centers moved, and returns the cells where that was farther than they had room.
std::vector<std::size_t> Clusters::due_cells() {
    const double most = *std::max_element(moves_.begin(), moves_.end());
    const auto most_of = [this](const std::vector<std::uint32_t>& some) {
        double found = 0.0;
        for (const std::uint32_t j : some) found = std::max(found, moves_[j]);
        return found;
    };
    std::vector<std::size_t> due;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
        Cell& cell = cells_[i];
        cell.room -= most + moves_[cell.pivot];
        bool is_due = !(cell.room > 0.0);
        if (const double near = most_of(cell.candidates); near > 0.0)
            for (std::size_t b = points_->cell_begin(i); b < points_->cell_end(i); ++b) {
                blocks_[b].room -= near + most_of(blocks_[b].clusters);
                is_due |= !(blocks_[b].room > 0.0);
            }
        if (is_due) due.push_back(i);
    }
    return due;
}

void Clusters::look(std::size_t at, Scratch& scratch) {
    Cell& cell = cells_[at];
    bool all = false;
    if (!(cell.room > 0.0)) {
        scratch.before = cell.candidates;
        find_candidates(at, scratch);
        const auto &before = scratch.before, &now = cell.candidates;
        all = !std::includes(before.begin(), before.end(), now.begin(), now.end());
    }
    const std::size_t n = cell.candidates.size();
    for (std::size_t c = 0; c < channels_; ++c)
        for (std::size_t i = 0; i < n; ++i) scratch.cell_centers[c * n + i] = transposed_[c * k_ + cell.candidates[i]];
    for (std::size_t b = points_->cell_begin(at); b < points_->cell_end(at); ++b)
        if (all || !(blocks_[b].room > 0.0)) label(b, cell, scratch);
}

// Finds the nearest candidate of each point of a block, and sums the block if any changed.
void Clusters::label(std::size_t b, const Cell& cell, Scratch& scratch) {
    std::int64_t which[block_points];
    const double others = find_near(b, cell.candidates.size(), scratch);
    const Lead lead = loops().lead(points_->block(b), channels_, scratch.block_centers.data(), scratch.n_near, which);
    blocks_[b].room = room(std::min(lead.least, others), lead.most);
    bool changed = blocks_[b].clusters.empty();
    std::uint32_t* labels = labels_.data() + b * block_points;
    for (std::size_t l = 0; l < block_points; ++l) {
        const std::uint32_t j = cell.candidates[scratch.near[static_cast<std::size_t>(which[l])]];
        changed |= labels[l] != j;
        labels[l] = j;
    }
    if (changed) sum(b, cell, which, scratch);
}

void Clusters::sum(std::size_t b, const Cell& cell, const std::int64_t* which, Scratch& scratch) {
    Block& block = blocks_[b];
    std::fill(scratch.holds.begin(), scratch.holds.begin() + static_cast<std::ptrdiff_t>(scratch.n_near), 0);
    for (std::size_t l = 0; l < block_points; ++l) scratch.holds[static_cast<std::size_t>(which[l])] = 1;
    block.clusters.clear();
    block.sums.clear();
    for (std::size_t i = 0; i < scratch.n_near; ++i) {
        if (!scratch.holds[i]) continue;
        block.clusters.push_back(cell.candidates[scratch.near[i]]);
        block.sums.resize(block.sums.size() + width_);
        loops().sums_of(points_->block(b), channels_, points_->block_weights(b), which, static_cast<std::int64_t>(i),
                        block.sums.data() + block.sums.size() - width_);
    }
}

// In the order of the blocks, so that the sums are the same for any number of threads, and whenever blocks were summed.
void Clusters::add_up() {
    std::fill(totals_.begin(), totals_.end(), 0.0);
    for (const Block& block : blocks_)
        for (std::size_t i = 0; i < block.clusters.size(); ++i)
            for (std::size_t s = 0; s < width_; ++s) totals_[block.clusters[i] * width_ + s] += block.sums[i * width_ + s];
    // sum w |x - a|^2 = sum w |x - m|^2 - 2 (a - m) . sum w (x - m) + |a - m|^2 sum w, for any m
    double away = 0.0;
    for (std::size_t j = 0; j < k_; ++j)
        for (std::size_t c = 0; c < channels_; ++c) {
            const double a = centers_[j * channels_ + c] - points_->mean[c], w = totals_[j * width_];
            away += a * (a * w - 2.0 * (totals_[j * width_ + 1 + c] - w * points_->mean[c]));
        }
    inertia_ = std::max(0.0, points_->scatter + away);
}

double Clusters::distance(std::size_t point) const {
    double sum = 0.0;
    for (std::size_t c = 0; c < channels_; ++c) {
        const double d = points_->at(point, c) - centers_[labels_[point] * channels_ + c];
        sum += d * d;
    }
    return sum;
}

// By how much two distances together may change before one, now of `most` if squared, can exceed another, whose square is
// greater by `lead`.
double Clusters::room(double lead, double most) const {
    const double sure = lead - slack_;
    return sure > 0.0 ? sure / (std::sqrt(most + sure) + std::sqrt(most)) - std::sqrt(slack_) : 0.0;
}

// The centers that no margin rules out. Any pivot is right; the nearer it is to the cell, the fewer they are.
void Clusters::find_candidates(std::size_t at, Scratch& scratch) {
    Cell& cell = cells_[at];
    const double* low = points_->cell_low.data() + at * channels_;
    const double* high = points_->cell_high.data() + at * channels_;
    for (std::size_t c = 0; c < channels_; ++c) scratch.middle[c] = 0.5 * (low[c] + high[c]);
    cell.pivot = static_cast<std::uint32_t>(loops().closest(transposed_.data(), k_, k_, channels_, scratch.middle.data()));
    loops().margins(transposed_.data(), k_, k_, channels_, center(cell.pivot), low, high, scratch.margins.data());
    const double lead = sift(k_, scratch);
    cell.candidates.assign(scratch.near.begin(), scratch.near.begin() + static_cast<std::ptrdiff_t>(scratch.n_near));
    cell.room = room(lead, most_distant(center(cell.pivot), low, high, channels_));
}

// Which of the cell's centers the block's box leaves. Returns by how much the squared distance of any other is greater
// than that of the nearest, at least.
double Clusters::find_near(std::size_t block, std::size_t n, Scratch& scratch) const {
    const double* low = points_->block_low.data() + block * channels_;
    const double* high = points_->block_high.data() + block * channels_;
    const double* of_cell = scratch.cell_centers.data();
    for (std::size_t c = 0; c < channels_; ++c) scratch.middle[c] = 0.5 * (low[c] + high[c]);
    const std::size_t at = loops().closest(of_cell, n, n, channels_, scratch.middle.data());
    for (std::size_t c = 0; c < channels_; ++c) scratch.pivot[c] = of_cell[c * n + at];
    loops().margins(of_cell, n, n, channels_, scratch.pivot.data(), low, high, scratch.margins.data());
    const double lead = sift(n, scratch);
    for (std::size_t i = 0; i < scratch.n_near; ++i)
        for (std::size_t c = 0; c < channels_; ++c)
            scratch.block_centers[i * channels_ + c] = of_cell[c * n + scratch.near[i]];
    return lead;
}

// Lists which of n margins rule nothing out, and returns the least of all others.
double Clusters::sift(std::size_t n, Scratch& scratch) const {
    scratch.n_near = 0;
    for (std::size_t i = 0; i < n; ++i) {
        scratch.near[scratch.n_near] = static_cast<std::uint32_t>(i);
        scratch.n_near += !(scratch.margins[i] > slack_);
    }
    return loops().least_above(slack_, scratch.margins.data(), n);
}

}  // namespace klevels
