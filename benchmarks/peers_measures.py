"""How others measure labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]


def numpy_profiles(labels: Labels, n_phases: int) -> list[NDArray[np.int64]]:
    """Return the voxels of each phase in each plane along each axis, as people write it."""
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found.append(np.stack([(labels == phase).sum(axis=others) for phase in range(n_phases)], axis=1))
    return found


def skimage_surfaces(labels: Labels, n_phases: int) -> list[float]:
    """Return the area of the surface of each phase, by marching cubes."""
    from skimage.measure import marching_cubes, mesh_surface_area

    found = []
    for phase in range(n_phases):
        vertices, triangles, _, _ = marching_cubes((labels == phase).astype(np.uint8), 0.5)
        found.append(float(mesh_surface_area(vertices, triangles)))
    return found


def simpleitk_surfaces(labels: Labels, n_phases: int) -> list[float]:
    """Return the area of the surface of each phase, by Crofton's formula."""
    shape = _label_shape(labels + np.uint8(1))
    return [shape.GetPerimeter(phase + 1) - shape.GetPerimeterOnBorder(phase + 1) for phase in range(n_phases)]


def cc3d_components(labels: Labels) -> NDArray[Any]:
    """Return connected components, numbered."""
    import cc3d

    found: NDArray[Any] = cc3d.connected_components(labels, connectivity=26)
    return found


def skimage_objects(mask: NDArray[np.bool_]) -> list[int]:
    """Return the volumes of objects, from a table with their shapes."""
    from skimage.measure import label, regionprops_table

    names = ("area", "centroid", "bbox", "inertia_tensor_eigvals")
    found = regionprops_table(label(mask), properties=names)
    return [int(n) for n in found["area"]]


def simpleitk_objects(mask: NDArray[np.bool_]) -> list[int]:
    """Return the volumes of objects, with their shapes."""
    import SimpleITK as sitk

    joined = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOff()
    shape.Execute(joined)
    return [shape.GetNumberOfPixels(one) for one in shape.GetLabels()]


def porespy_objects(mask: NDArray[np.bool_]) -> list[int]:
    """Return the volumes of objects, with what else is asked of them."""
    import porespy
    from skimage.measure import label

    regions = porespy.metrics.regionprops_3D(label(mask))
    return [int(one.volume) for one in regions]


def cc3d_objects(mask: NDArray[np.bool_]) -> list[int]:
    """Return the volumes of objects, with their boxes and centroids."""
    import cc3d

    found = cc3d.statistics(cc3d.connected_components(mask, connectivity=26))
    return [int(n) for n in found["voxel_counts"][1:]]


def porespy_thickness(mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Return local thickness, as radii."""
    import porespy

    found: NDArray[Any] = porespy.filters.local_thickness(mask)
    return found


def _label_shape(labels: Labels) -> Any:
    import SimpleITK as sitk

    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOn()
    shape.Execute(sitk.GetImageFromArray(labels))
    return shape
