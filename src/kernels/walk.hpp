// Walks arrays of one shape and any strides together, as runs along the innermost axis.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace klevels {

constexpr std::size_t max_operands = 3;

struct Operand {
    char* data = nullptr;
    std::vector<std::ptrdiff_t> strides;  // in bytes
};

class Walk {
public:
    Walk(std::vector<std::size_t> shape, std::vector<Operand> operands)
        : shape_(std::move(shape)), operands_(std::move(operands)) {
        collapse();
        for (const std::size_t extent : shape_) size_ *= extent;
    }

    std::size_t size() const { return size_; }

    // Calls visit(pointers, strides, n) for runs of n elements that together cover flat positions [begin, end).
    template <class Visit>
    void runs(std::size_t begin, std::size_t end, Visit&& visit) const {
        const std::size_t inner = shape_.back();
        while (begin < end) {
            std::array<char*, max_operands> pointers{};
            const std::size_t column = begin % inner;
            for (std::size_t o = 0; o < operands_.size(); ++o)
                pointers[o] = operands_[o].data + static_cast<std::ptrdiff_t>(column) * operands_[o].strides.back();
            for (std::size_t axis = shape_.size() - 1, rest = begin / inner; axis-- > 0; rest /= shape_[axis])
                for (std::size_t o = 0; o < operands_.size(); ++o)
                    pointers[o] += static_cast<std::ptrdiff_t>(rest % shape_[axis]) * operands_[o].strides[axis];
            const std::size_t n = std::min(inner - column, end - begin);
            std::array<std::ptrdiff_t, max_operands> strides{};
            for (std::size_t o = 0; o < operands_.size(); ++o) strides[o] = operands_[o].strides.back();
            visit(pointers, strides, n);
            begin += n;
        }
    }

private:
    std::vector<std::size_t> shape_;
    std::vector<Operand> operands_;
    std::size_t size_ = 1;

    // Neighboring axes that lie end to end in every operand become one, so that contiguous arrays are a single run.
    void collapse() {
        std::vector<std::size_t> kept;
        for (std::size_t axis = 0; axis < shape_.size(); ++axis) {
            if (shape_[axis] == 1) continue;
            if (kept.empty()) {
                kept.push_back(axis);
                continue;
            }
            const std::size_t last = kept.back();
            bool joins = true;
            for (const auto& operand : operands_)
                joins = joins && operand.strides[last] ==
                                     operand.strides[axis] * static_cast<std::ptrdiff_t>(shape_[axis]);
            if (joins) {
                shape_[axis] *= shape_[last];
                kept.back() = axis;
            } else {
                kept.push_back(axis);
            }
        }
        std::vector<std::size_t> shape;
        for (const std::size_t axis : kept) shape.push_back(shape_[axis]);
        if (shape.empty()) shape.push_back(1);
        for (auto& operand : operands_) {
            std::vector<std::ptrdiff_t> strides;
            for (const std::size_t axis : kept) strides.push_back(operand.strides[axis]);
            if (strides.empty()) strides.push_back(0);
            operand.strides = std::move(strides);
        }
        shape_ = std::move(shape);
    }
};

}  // namespace klevels
