// Components and their parts: slabs of the volume find parts, which are joined to components.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace klevels {

using Number = std::uint32_t;

constexpr Number none = ~Number{0};

// The columns of a component, as core/regions.py names them.
enum Column { label, first, n_voxels, low, high = low + 3, sums = high + 3, products = sums + 3, gray = products + 6,
              n_columns };
using Component = std::array<std::int64_t, n_columns>;

// Those of one slab. Each belongs to the same component as its parent, which is an earlier one or itself.
struct Parts {
    std::vector<Component> components;
    std::vector<Number> parents;

    Number begin();
    // Lets what belongs to one, or to none yet, belong to the other, too.
    void join(Number& part, Number other) {
        if (part == none)
            part = other;
        else if (parents[part] != parents[other])
            unite(part, other);
    }
    void unite(Number part, Number other);
    // Numbers those that are left when all are joined; returns the new number of each.
    std::vector<Number> settle();
};

// One of no voxels.
Component nothing_of(Number label);

// Those of all slabs.
class Joined {
public:
    explicit Joined(std::vector<Parts*> slabs);

    void join(std::size_t slab, Number part, std::size_t other_slab, Number other);
    // The components in the order of their first voxels; empties the slabs.
    std::vector<Component> components();
    // From 1 on, in that order.
    Number id(std::size_t slab, Number part) const { return numbers_[offsets_[slab] + part] + 1; }

private:
    std::vector<Component> sorted(std::vector<Component> components);

    std::vector<Parts*> slabs_;
    std::vector<Number> offsets_;
    std::vector<Number> numbers_;  // parents, in the end components
};

}  // namespace klevels
