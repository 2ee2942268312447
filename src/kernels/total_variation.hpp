// Total variation, by Chambolle's projection: a flow over each face, at most 1 altogether at a voxel, times the
// strength.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "diffusion.hpp"
#include "parallel.hpp"

namespace klevels {

// Slices are handed to threads in chunks. While a slice's flows are changed, its values and those of the slice after it
// are in two buffers, computed from flows that are not yet changed; those of a chunk's first slice are computed ahead.
template <class T>
class TotalVariation {
public:
    TotalVariation(const TotalVariationOf<T>& loops, std::array<std::size_t, 3> sides, const T* values,
                   const std::uint8_t* inside, double strength, std::array<double, 3> closeness, std::size_t n_threads)
        : loops_(loops), values_(values), inside_(inside), n_threads_(n_threads) {
        int n_axes = 0;
        for (const std::size_t side : sides) n_axes += side > 1;
        if (sides[0] == 1) {  // the rows of an image are slices, so that threads can share them
            std::swap(sides[0], sides[1]);
            std::swap(closeness[0], closeness[1]);
        }
        nz_ = sides[0], ny_ = sides[1], nx_ = sides[2];
        for (std::size_t axis = 0; axis < 3; ++axis) {
            scale_[axis] = static_cast<T>(closeness[axis] / strength);
            weights_[axis] = static_cast<float>(closeness[axis]);
        }
        strength_ = static_cast<T>(strength);
        pace_ = static_cast<float>(0.5 / std::max(n_axes, 1));
        n_chunks_ = (nz_ + chunk_slices - 1) / chunk_slices;
        for (auto& flow : flows_) flow.reset(new float[nz_ * ny_ * (nx_ + 1)]);
        parallel_blocks(nz_, n_threads_, [&](std::size_t, std::size_t z) {
            for (auto& flow : flows_) std::fill_n(flow.get() + z * ny_ * (nx_ + 1), ny_ * (nx_ + 1), 0.0f);
        });
        ahead_.resize(n_chunks_ * slice_size());
    }

    void run(std::size_t n_steps, T* out) {
        for (std::size_t step = 0; step < n_steps; ++step) {
            parallel_blocks(n_chunks_, n_threads_, [&](std::size_t, std::size_t chunk) {
                values_of(chunk * chunk_slices, ahead_.data() + chunk * slice_size());
            });
            parallel_blocks(n_chunks_, n_threads_, [&](std::size_t, std::size_t chunk) { advance(chunk); });
        }
        parallel_blocks(nz_, n_threads_, [&](std::size_t, std::size_t z) {
            std::vector<T> slice(slice_size());
            values_of(z, slice.data());
            for (std::size_t y = 0; y < ny_; ++y)
                std::copy_n(slice.data() + y * (nx_ + 1), nx_, out + (z * ny_ + y) * nx_);
        });
    }

private:
    static constexpr std::size_t chunk_slices = 16;

    const TotalVariationOf<T>& loops_;
    const T* values_;
    const std::uint8_t* inside_;
    std::size_t n_threads_, nz_, ny_, nx_, n_chunks_;
    T scale_[3], strength_;
    float weights_[3], pace_;
    std::unique_ptr<float[]> flows_[3];  // over the face after each voxel along each axis; each row begins with a zero
    std::vector<T> ahead_;

    std::size_t slice_size() const { return ny_ * (nx_ + 1); }  // each row repeats its last voxel
    float* flow(int axis, std::size_t z, std::size_t y) const {
        return flows_[axis].get() + (z * ny_ + y) * (nx_ + 1) + 1;
    }

    void values_of(std::size_t z, T* slice) const {
        const std::vector<float> none(nx_, 0.0f);
        for (std::size_t y = 0; y < ny_; ++y) {
            const float* const flows[3][2] = {{z > 0 ? flow(0, z - 1, y) : none.data(), flow(0, z, y)},
                                              {y > 0 ? flow(1, z, y - 1) : none.data(), flow(1, z, y)},
                                              {flow(2, z, y) - 1, flow(2, z, y)}};
            T* row = slice + y * (nx_ + 1);
            const std::size_t first = (z * ny_ + y) * nx_;
            loops_.values(values_ + first, flows, weights_, strength_, nx_, row);
            if (inside_ != nullptr)
                for (std::size_t x = 0; x < nx_; ++x) row[x] = inside_[first + x] != 0 ? row[x] : T{0};
            row[nx_] = row[nx_ - 1];
        }
    }

    void advance(std::size_t chunk) const {
        const std::size_t end = std::min(nz_, (chunk + 1) * chunk_slices);
        std::vector<T> here(ahead_.begin() + chunk * slice_size(), ahead_.begin() + (chunk + 1) * slice_size());
        std::vector<T> after(slice_size());
        std::vector<float> open(inside_ != nullptr ? 3 * nx_ : 0);
        for (std::size_t z = chunk * chunk_slices; z < end; ++z) {
            if (z + 1 == nz_)
                after = here;
            else if (z + 1 == end)
                std::copy_n(ahead_.begin() + (chunk + 1) * slice_size(), slice_size(), after.begin());
            else
                values_of(z + 1, after.data());
            for (std::size_t y = 0; y < ny_; ++y) {
                const T* row = here.data() + y * (nx_ + 1);
                const T* const next[3] = {after.data() + y * (nx_ + 1), y + 1 < ny_ ? row + nx_ + 1 : row, row + 1};
                float* const flows[3] = {flow(0, z, y), flow(1, z, y), flow(2, z, y)};
                if (inside_ != nullptr) find_open(z, y, open.data());
                loops_.advance(row, next, inside_ != nullptr ? open.data() : nullptr, scale_, pace_, nx_, flows);
            }
            std::swap(here, after);
        }
    }

    // For each axis and voxel: 1 if it is inside and so is the one after it, else 0.
    void find_open(std::size_t z, std::size_t y, float* open) const {
        const std::uint8_t* row = inside_ + (z * ny_ + y) * nx_;
        const std::uint8_t* z_next = z + 1 < nz_ ? row + ny_ * nx_ : row;
        const std::uint8_t* y_next = y + 1 < ny_ ? row + nx_ : row;
        for (std::size_t x = 0; x < nx_; ++x) {
            open[x] = row[x] != 0 && z_next[x] != 0 ? 1.0f : 0.0f;
            open[nx_ + x] = row[x] != 0 && y_next[x] != 0 ? 1.0f : 0.0f;
            open[2 * nx_ + x] = row[x] != 0 && (x + 1 == nx_ || row[x + 1] != 0) ? 1.0f : 0.0f;
        }
    }
};

}  // namespace klevels
