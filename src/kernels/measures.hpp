// What measures labels. Arrays are volumes: C-contiguous, of three axes, in native byte order.
#pragma once
#include <nanobind/nanobind.h>

namespace klevels {

// tallies.cpp: how much there is of each label, along each axis and the radius
void bind_tallies(nanobind::module_& m);
// faces.cpp: where a label meets others: surface area and Euler number
void bind_faces(nanobind::module_& m);
// regions.cpp: voxels of one label that hang together
void bind_regions(nanobind::module_& m);
// contour.cpp: the surface of a mask
void bind_contour(nanobind::module_& m);
// decimate.cpp: surfaces of fewer triangles
void bind_decimate(nanobind::module_& m);
// triangles.cpp: what is asked of surfaces
void bind_triangles(nanobind::module_& m);

}  // namespace klevels
