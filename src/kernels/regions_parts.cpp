#include "regions_parts.hpp"

#include <algorithm>
#include <utility>

namespace klevels {
namespace {

Number root(std::vector<Number>& parents, Number number) {
    while (parents[number] != number) number = parents[number] = parents[parents[number]];
    return number;
}

// The parent is the lesser.
void unite(std::vector<Number>& parents, Number one, Number other) {
    if (parents[one] == parents[other]) return;
    one = root(parents, one);
    other = root(parents, other);
    parents[std::max(one, other)] = std::min(one, other);
}

void add(Component& to, const Component& other) {
    to[first] = std::min(to[first], other[first]);
    to[n_voxels] += other[n_voxels];
    for (int axis = 0; axis < 3; ++axis) {
        to[low + axis] = std::min(to[low + axis], other[low + axis]);
        to[high + axis] = std::max(to[high + axis], other[high + axis]);
    }
    for (int column = sums; column < n_columns; ++column) to[column] += other[column];
}

}  // namespace

Component nothing_of(Number number) {
    Component one{};
    one[label] = number;
    one[first] = one[low] = one[low + 1] = one[low + 2] = INT64_MAX;
    return one;
}

Number Parts::begin() {
    const auto number = static_cast<Number>(parents.size());
    parents.push_back(number);
    return number;
}

std::vector<Number> Parts::settle() {
    std::vector<Number> numbers = std::move(parents);
    parents.clear();
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = numbers[i] == i ? begin() : numbers[numbers[i]];
    return numbers;
}

void Parts::unite(Number part, Number other) { klevels::unite(parents, part, other); }

Joined::Joined(std::vector<Parts*> slabs) : slabs_(std::move(slabs)) {
    for (const Parts* slab : slabs_) {
        offsets_.push_back(static_cast<Number>(numbers_.size()));
        for (const Number parent : slab->parents) numbers_.push_back(offsets_.back() + parent);
    }
}

void Joined::join(std::size_t slab, Number part, std::size_t other_slab, Number other) {
    unite(numbers_, offsets_[slab] + part, offsets_[other_slab] + other);
}

std::vector<Component> Joined::components() {
    std::vector<Component> found;
    std::size_t i = 0;
    for (Parts* slab : slabs_) {
        for (const Component& one : slab->components) {
            if (numbers_[i] == i) {
                numbers_[i] = static_cast<Number>(found.size());
                found.push_back(one);
            } else {
                numbers_[i] = numbers_[numbers_[i]];
                add(found[numbers_[i]], one);
            }
            ++i;
        }
        *slab = Parts{};
    }
    return sorted(std::move(found));
}

std::vector<Component> Joined::sorted(std::vector<Component> components) {
    std::vector<std::pair<std::int64_t, Number>> order;
    order.reserve(components.size());
    for (const Component& one : components) order.emplace_back(one[first], static_cast<Number>(order.size()));
    if (std::is_sorted(order.begin(), order.end())) return components;
    std::sort(order.begin(), order.end());
    std::vector<Number> ranks(order.size());
    std::vector<Component> found;
    found.reserve(order.size());
    for (const auto& [place, number] : order) {
        ranks[number] = static_cast<Number>(found.size());
        found.push_back(components[number]);
    }
    for (Number& number : numbers_) number = ranks[number];
    return found;
}

}  // namespace klevels
