// What looks at neighborhoods. Arrays are volumes: C-contiguous, of three axes, in native byte order.
#pragma once
#include <nanobind/nanobind.h>

namespace klevels {

// median.cpp: the median of a box
void bind_median(nanobind::module_& m);
// patches.cpp: non-local means, and the bilateral filter, which is the same with patches of one voxel
void bind_patches(nanobind::module_& m);
// diffusion.cpp: curvature anisotropic diffusion, and total variation
void bind_diffusion(nanobind::module_& m);
// potts.cpp: labels that agree with their neighbors
void bind_potts(nanobind::module_& m);

}  // namespace klevels
