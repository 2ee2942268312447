// Curvature anisotropic diffusion: each step in time reads one copy of the image and writes another. Binds total
// variation, too.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "diffusion.hpp"
#include "filters.hpp"
#include "instructions.hpp"
#include "parallel.hpp"
#include "total_variation.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {

KLEVELS_LOOPS(DiffusionLoops, diffusion_loops)

namespace {

template <class T>
using Volume = nb::ndarray<T, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

template <class T>
const DiffusionOf<T>& loops_of() {
    if constexpr (std::is_same_v<T, float>) return diffusion_loops().f32;
    else return diffusion_loops().f64;
}

template <class T>
const TotalVariationOf<T>& total_loops_of() {
    if constexpr (std::is_same_v<T, float>) return diffusion_loops().total_f32;
    else return diffusion_loops().total_f64;
}

struct Extents {
    std::size_t nz, ny, nx;
};

// A volume whose rows have one voxel to spare at either end, which repeats the last; rows beyond the ends are
// repeated, too.
template <class T>
class Padded {
public:
    explicit Padded(const Extents& extents) : e_(extents), values_(new T[extents.nz * extents.ny * (extents.nx + 2)]) {}

    T* row(std::size_t z, std::size_t y) { return values_.get() + (z * e_.ny + y) * (e_.nx + 2) + 1; }
    const T* row(std::size_t z, std::size_t y) const { return values_.get() + (z * e_.ny + y) * (e_.nx + 2) + 1; }
    const T* near(std::size_t z, int dz, std::size_t y, int dy) const {
        return row(beside(z, dz, e_.nz), beside(y, dy, e_.ny));
    }

    void close(std::size_t z, std::size_t y) {
        T* values = row(z, y);
        values[-1] = values[0];
        values[e_.nx] = values[e_.nx - 1];
    }

private:
    Extents e_;
    std::unique_ptr<T[]> values_;  // not filled with zeros first: the threads that load it do so

    static std::size_t beside(std::size_t i, int d, std::size_t n) {
        if (d < 0) return i == 0 ? 0 : i - 1;
        return d > 0 && i + 1 < n ? i + 1 : i;
    }
};

// Of the faces after a row along an axis (0 = z, 1 = y, 2 = x); along x they begin before the first voxel.
template <class T>
Faces<T> faces_of(const Padded<T>& v, std::size_t z, std::size_t y, int axis) {
    const T* here = v.row(z, y);
    if (axis == 0) {
        const T* there = v.near(z, 1, y, 0);
        return {here, there, {{v.near(z, 0, y, -1), v.near(z, 0, y, 1)}, {here - 1, here + 1}},
                {{v.near(z, 1, y, -1), v.near(z, 1, y, 1)}, {there - 1, there + 1}}};
    }
    if (axis == 1) {
        const T* there = v.near(z, 0, y, 1);
        return {here, there, {{v.near(z, -1, y, 0), v.near(z, 1, y, 0)}, {here - 1, here + 1}},
                {{v.near(z, -1, y, 1), v.near(z, 1, y, 1)}, {there - 1, there + 1}}};
    }
    const T *above = v.near(z, -1, y, 0), *below = v.near(z, 1, y, 0);
    const T *back = v.near(z, 0, y, -1), *front = v.near(z, 0, y, 1);
    return {here - 1, here, {{above - 1, below - 1}, {back - 1, front - 1}}, {{above, below}, {back, front}}};
}

template <class T>
Cross<T> cross_of(const Padded<T>& v, std::size_t z, std::size_t y) {
    const T* here = v.row(z, y);
    const T *above = v.near(z, -1, y, 0), *below = v.near(z, 1, y, 0);
    return {here, {{above, below}, {v.near(z, 0, y, -1), v.near(z, 0, y, 1)}, {here - 1, here + 1}}};
}

constexpr std::size_t strip_voxels = 1 << 14;  // of a slice: three slices of a strip stay in the cache
constexpr std::size_t chunk_slices = 24;

template <class T>
class Diffusion {
public:
    Diffusion(const Extents& extents, const T* values, const std::uint8_t* inside, double strength,
              const std::array<double, 3>& closeness, std::size_t n_threads)
        : e_(extents), n_threads_(n_threads), now_(extents), next_(extents) {
        const int n_axes = (e_.nz > 1) + (e_.ny > 1) + (e_.nx > 1);
        const double unit = std::sqrt(2.0) * strength;
        for (int axis = 0; axis < 3; ++axis) {
            scale_[axis] = static_cast<T>(closeness[axis] / unit);
            weights_[axis] = static_cast<float>(closeness[axis]);
        }
        gain_ = static_cast<T>(unit * std::ldexp(0.5, -n_axes));
        if (inside != nullptr) inside_.emplace(extents);
        rows_at_a_time_ = std::min(e_.ny, std::max<std::size_t>(8, strip_voxels / e_.nx));
        n_strips_ = (e_.ny + rows_at_a_time_ - 1) / rows_at_a_time_;
        parallel_blocks(e_.nz, n_threads_, [&](std::size_t, std::size_t z) { load(values, inside, z); });
    }

    void run(std::size_t n_steps, T* out) {
        const std::size_t n_chunks = (e_.nz + chunk_slices - 1) / chunk_slices;
        for (std::size_t step = 0; step < n_steps; ++step) {
            parallel_blocks(n_chunks * n_strips_, n_threads_, [&](std::size_t, std::size_t block) {
                const std::size_t z = block / n_strips_ * chunk_slices, y = block % n_strips_ * rows_at_a_time_;
                advance(z, std::min(z + chunk_slices, e_.nz), y, std::min(y + rows_at_a_time_, e_.ny));
            });
            std::swap(now_, next_);
        }
        parallel_blocks(e_.nz, n_threads_, [&](std::size_t, std::size_t z) {
            for (std::size_t y = 0; y < e_.ny; ++y) std::copy_n(now_.row(z, y), e_.nx, out + (z * e_.ny + y) * e_.nx);
        });
    }

private:
    Extents e_;
    std::size_t n_threads_, rows_at_a_time_, n_strips_;
    Padded<T> now_, next_;
    std::optional<Padded<float>> inside_;
    T scale_[3], gain_;
    float weights_[3];

    void load(const T* values, const std::uint8_t* inside, std::size_t z) {
        for (std::size_t y = 0; y < e_.ny; ++y) {
            const std::size_t first = (z * e_.ny + y) * e_.nx;
            T* row = now_.row(z, y);
            std::copy_n(values + first, e_.nx, row);
            if (inside != nullptr) {
                float* row_inside = inside_->row(z, y);
                for (std::size_t x = 0; x < e_.nx; ++x) {
                    row_inside[x] = inside[first + x] != 0 ? 1.0f : 0.0f;
                    row[x] = inside[first + x] != 0 ? row[x] : T{0};  // what is outside may be NaN
                }
                inside_->close(z, y);
            }
            now_.close(z, y);
        }
    }

    void flow(std::size_t z, std::size_t y, int axis, float* out) const {
        const T scale[3] = {scale_[axis], scale_[axis == 0 ? 1 : 0], scale_[axis == 2 ? 1 : 2]};
        const Faces<T> values = faces_of(now_, z, y, axis);
        const Faces<float> inside = inside_ ? faces_of(*inside_, z, y, axis) : Faces<float>{};
        loops_of<T>().flow(values, inside_ ? &inside : nullptr, scale, e_.nx + (axis == 2 ? 1 : 0), out);
    }

    // Over each face of the strip flows what is computed once, and kept until the row, or the slice, after it.
    void advance(std::size_t z_begin, std::size_t z_end, std::size_t y_begin, std::size_t y_end) {
        const std::size_t n = e_.nx, n_rows = y_end - y_begin;
        std::vector<float> x_flow(n + 1), y_before(n, 0.0f), y_after(n), z_before(n_rows * n, 0.0f), z_after(n, 0.0f);
        if (z_begin > 0)
            for (std::size_t y = y_begin; y < y_end; ++y) flow(z_begin - 1, y, 0, z_before.data() + (y - y_begin) * n);
        for (std::size_t z = z_begin; z < z_end; ++z) {
            if (y_begin > 0)
                flow(z, y_begin - 1, 1, y_before.data());
            else
                std::fill(y_before.begin(), y_before.end(), 0.0f);
            for (std::size_t y = y_begin; y < y_end; ++y) {
                float* before = z_before.data() + (y - y_begin) * n;
                if (e_.nz > 1) flow(z, y, 0, z_after.data());
                flow(z, y, 1, y_after.data());
                flow(z, y, 2, x_flow.data());
                const float* const flows[3][2] = {
                    {before, z_after.data()}, {y_before.data(), y_after.data()}, {x_flow.data(), x_flow.data() + 1}};
                const Cross<T> values = cross_of(now_, z, y);
                const Cross<float> inside = inside_ ? cross_of(*inside_, z, y) : Cross<float>{};
                loops_of<T>().advance(values, inside_ ? &inside : nullptr, scale_, flows, weights_, gain_, n,
                                      next_.row(z, y));
                next_.close(z, y);
                std::copy(z_after.begin(), z_after.end(), before);
                std::swap(y_before, y_after);
            }
        }
    }
};

template <class T>
void diffuse(const Volume<const T>& values, const std::optional<Volume<const std::uint8_t>>& inside, double strength,
             std::size_t n_steps, const std::array<double, 3>& closeness, std::size_t n_threads, const Volume<T>& out) {
    const Extents extents{values.shape(0), values.shape(1), values.shape(2)};
    const nb::gil_scoped_release release;
    const std::uint8_t* mask = inside ? inside->data() : nullptr;
    Diffusion<T>(extents, values.data(), mask, strength, closeness, n_threads).run(n_steps, out.data());
}

template <class T>
void total_variation(const Volume<const T>& values, const std::optional<Volume<const std::uint8_t>>& inside,
                     double strength, std::size_t n_steps, const std::array<double, 3>& closeness,
                     std::size_t n_threads, const Volume<T>& out) {
    const std::array<std::size_t, 3> sides{values.shape(0), values.shape(1), values.shape(2)};
    const nb::gil_scoped_release release;
    const std::uint8_t* mask = inside ? inside->data() : nullptr;
    TotalVariation<T>(total_loops_of<T>(), sides, values.data(), mask, strength, closeness, n_threads)
        .run(n_steps, out.data());
}

template <class Face>
void define(nb::module_& m, const char* name, Face face) {
    m.def(name, face, "values"_a.noconvert(), "inside"_a.none(), "strength"_a, "n_steps"_a, "closeness"_a,
          "n_threads"_a, "out"_a.noconvert());
}

}  // namespace

void bind_diffusion(nb::module_& m) {
    define(m, "diffuse", diffuse<float>);
    define(m, "diffuse", diffuse<double>);
    define(m, "total_variation", total_variation<float>);
    define(m, "total_variation", total_variation<double>);
}

}  // namespace klevels
