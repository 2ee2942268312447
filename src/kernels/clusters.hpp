// k-means on points: which center is nearest to each, and the sums from which centers become means.
#pragma once
#include <cstdint>
#include <vector>

#include "points.hpp"

namespace klevels {

// Centers, and the sums of the points nearest to them.
class Clusters {
public:
    Clusters(const Points& points, const std::vector<double>& centers);

    // Assigns each point to its nearest center, the first of equals; looks only at blocks where
    // centers moved far enough to change that.
    void assign(std::size_t n_threads);
    // Moves each center to the mean of its points; one without points stays. Returns whether any moved.
    bool update();
    // assign and update in turns, until nothing moves, or the inertia falls by less than its share `tolerance`, or after
    // so many passes. Returns how many there were.
    std::size_t converge(double tolerance, std::size_t most_passes, std::size_t n_threads);

    std::size_t k() const { return k_; }
    const std::vector<double>& centers() const { return centers_; }
    const double* center(std::size_t j) const { return centers_.data() + j * channels_; }
    double weight(std::size_t j) const { return totals_[j * width_]; }
    void place(std::size_t j, const double* at);

    // As last assigned. The inertia is rounded in proportion to the scatter of all points.
    double inertia() const { return inertia_; }
    const std::vector<std::uint32_t>& labels() const { return labels_; }  // of whole blocks
    double distance(std::size_t point) const;                             // squared, to its center

private:
    struct Scratch;

    struct Block {
        double room = 0.0;                    // for two centers to move in before any point can change its cluster
        std::vector<std::uint32_t> clusters;  // those that have points of the block
        std::vector<double> sums;             // [cluster][weight, weighted coordinates]
    };
    struct Cell {
        double room = 0.0;                      // to move in before any but the candidates can be nearest to a point
        std::uint32_t pivot = 0;                // a center near the cell, to which others are compared
        std::vector<std::uint32_t> candidates;  // ascending
    };

    const Points* points_;
    std::size_t k_, channels_, width_;
    double slack_;                       // above the rounding error of a margin
    std::vector<double> centers_;        // [center][channel]
    std::vector<double> transposed_;     // [channel][center]
    std::vector<double> moves_;          // how far each center moved since points were assigned
    std::vector<Cell> cells_;
    std::vector<Block> blocks_;
    std::vector<std::uint32_t> labels_;  // of each point
    std::vector<double> totals_;         // [center][weight, weighted coordinates]
    double inertia_ = 0.0;

    std::vector<std::size_t> due_cells();
    void look(std::size_t cell, Scratch& scratch);
    void find_candidates(std::size_t cell, Scratch& scratch);
    void label(std::size_t block, const Cell& cell, Scratch& scratch);
    double find_near(std::size_t block, std::size_t n_candidates, Scratch& scratch) const;
    double sift(std::size_t n, Scratch& scratch) const;
    void sum(std::size_t block, const Cell& cell, const std::int64_t* which, Scratch& scratch);
    void add_up();
    double room(double lead, double most) const;
};

}  // namespace klevels
