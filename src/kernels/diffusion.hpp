// The loops of curvature diffusion and of total variation, compiled once for each instruction set.
#pragma once
#include <cstddef>

namespace klevels {

// The faces between a row of voxels `here` and their neighbors `there` along one axis, with the neighbors of both along
// the two other axes: [axis][0] before, [axis][1] after.
template <class T>
struct Faces {
    const T *here, *there;
    const T *beside_here[2][2], *beside_there[2][2];
};

// A row of voxels, and the neighbors before and after along each axis: z, y, x.
template <class T>
struct Cross {
    const T* here;
    const T* beside[3][2];
};

template <class T>
struct DiffusionOf {
    // What flows over each face: the difference along the axis, times exp(-g²) / g, where g² is the squared gradient.
    // Differences are multiplied by scale: along the axis, and along the two others. `inside` is null, or 0 and 1: over
    // the border between them nothing flows.
    void (*flow)(const Faces<T>& values, const Faces<float>* inside, const T* scale, std::size_t n, float* out);
    // One step in time, given what flows over the faces before and after each voxel along each axis.
    void (*advance)(const Cross<T>& values, const Cross<float>* inside, const T* scale, const float* const (*flows)[2],
                    const float* weights, T gain, std::size_t n, T* out);
};

template <class T>
struct TotalVariationOf {
    // Values as they are after the flows over the faces before and after each along each axis.
    void (*values)(const T* given, const float* const (*flows)[2], const float* weights, T strength, std::size_t n,
                   T* out);
    // Changes the flows over the faces between a row and the next along each axis. `open` is null, or for one axis
    // after the other n numbers: 0 where nothing can flow, else 1.
    void (*advance)(const T* here, const T* const* next, const float* open, const T* scale, float pace, std::size_t n,
                    float* const* flows);
};

struct DiffusionLoops {
    DiffusionOf<float> f32;
    DiffusionOf<double> f64;
    TotalVariationOf<float> total_f32;
    TotalVariationOf<double> total_f64;
};

}  // namespace klevels
