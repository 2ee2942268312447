// k-means on points: which center is nearest to each, and the sums from which centers become means.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "points.hpp"

namespace klevels {

// What one cell of points adds to the clusters near it.
struct CellSums {
    std::uint32_t pivot;                    // a center near the cell, to which others are compared
    std::vector<std::uint32_t> candidates;  // ascending; no other center is nearest to any point of the cell
    std::vector<double> sums;               // [candidate][weight, weighted coordinates, weighted squared distances]
};

// Centers, and the sums of the points nearest to them. A copy is cheap: cells are shared until they change.
class Clusters {
public:
    Clusters(const Points& points, const std::vector<double>& centers);

    // Assigns each point to its nearest center, the first of equals; looks only at cells that a moved center can reach.
    void assign(std::size_t n_threads);
    // Moves each center to the mean of its points; one without points stays. Returns whether any moved.
    bool update();
    // assign and update in turns, until nothing moves, or the inertia falls by less than its share `tolerance`, or after
    // so many passes. Returns how many there were.
    std::size_t converge(double tolerance, std::size_t most_passes, std::size_t n_threads);

    std::size_t k() const { return k_; }
    double inertia() const { return inertia_; }
    const std::vector<double>& centers() const { return centers_; }
    const double* center(std::size_t j) const { return centers_.data() + j * channels_; }
    double weight(std::size_t j) const { return totals_[j * width_]; }
    void place(std::size_t j, const double* at);

    // The cluster of each point and, unless null, the squared distance to its center; both hold whole blocks.
    void label(std::uint32_t* labels, double* distances, std::size_t n_threads) const;

private:
    struct Scratch;

    const Points* points_;
    std::size_t k_, channels_, width_;
    double slack_;                    // above the rounding error of a margin
    std::vector<double> centers_;     // [center][channel]
    std::vector<double> transposed_;  // [channel][center]
    std::vector<char> moved_;
    std::vector<std::shared_ptr<const CellSums>> cells_;
    std::vector<double> totals_;
    double inertia_ = 0.0;

    void find_candidates(std::size_t cell, CellSums& sums, Scratch& scratch) const;
    std::shared_ptr<const CellSums> summed(std::size_t cell, Scratch& scratch) const;
    template <class Visit>
    void visit_blocks(std::size_t cell, const std::vector<std::uint32_t>& candidates, Scratch& scratch, Visit&& visit) const;
};

}  // namespace klevels
