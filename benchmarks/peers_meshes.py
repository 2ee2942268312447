"""How others make meshes. `python -m benchmarks.peers_meshes WHO MASK N_FACES` prints the memory that one takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.large_probe import resident

Mask = NDArray[np.bool_]
Triangles = tuple[NDArray[Any], NDArray[Any]]
SMOOTH = 20


def klevels_plain(mask: Mask, _: int) -> Triangles:
    """Return all triangles, by klevels."""
    return _klevels(mask)


def klevels_smooth(mask: Mask, _: int) -> Triangles:
    """Return all triangles, smoothed, by klevels."""
    return _klevels(mask, smooth=SMOOTH)


def klevels_fewer(mask: Mask, n_faces: int) -> Triangles:
    """Return so many triangles, by klevels."""
    return _klevels(mask, n_faces=n_faces)


def skimage_plain(mask: Mask, _: int) -> Triangles:
    """Return all triangles, by scikit-image's marching cubes; of a border of zeros as well, which closes them."""
    from skimage.measure import marching_cubes

    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.uint8), 0.5)
    return vertices, faces


def vtk_plain(mask: Mask, _: int) -> Triangles:
    """Return all triangles, by VTK's discrete flying edges."""
    return _arrays(_vtk_contour(mask))


def vtk_smooth(mask: Mask, _: int) -> Triangles:
    """Return all triangles, smoothed by VTK's windowed sinc."""
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    sinc = vtkWindowedSincPolyDataFilter()
    sinc.SetInputData(_vtk_contour(mask))
    sinc.SetNumberOfIterations(SMOOTH)
    sinc.SetPassBand(0.1)
    sinc.BoundarySmoothingOff()
    sinc.NormalizeCoordinatesOn()
    sinc.Update()
    return _arrays(sinc.GetOutput())


def vtk_quadric(mask: Mask, n_faces: int) -> Triangles:
    """Return so many triangles, by VTK's quadric decimation."""
    from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

    return _vtk_decimated(vtkQuadricDecimation(), mask, n_faces)


def vtk_pro(mask: Mask, n_faces: int) -> Triangles:
    """Return so many triangles, by VTK's decimation that keeps the topology."""
    from vtkmodules.vtkFiltersCore import vtkDecimatePro

    decimation = vtkDecimatePro()
    decimation.PreserveTopologyOn()
    return _vtk_decimated(decimation, mask, n_faces)


WAYS: dict[str, Callable[[Mask, int], Triangles]] = {
    way.__name__: way
    for way in (
        klevels_plain,
        klevels_smooth,
        klevels_fewer,
        skimage_plain,
        vtk_plain,
        vtk_smooth,
        vtk_quadric,
        vtk_pro,
    )
}


def _klevels(mask: Mask, **options: int) -> Triangles:
    import klevels

    mesh = klevels.mesh(mask, 1, **options)
    return mesh.vertices, mesh.faces


def _vtk_contour(mask: Mask) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersGeneral import vtkDiscreteFlyingEdges3D

    padded = np.pad(mask, 1).astype(np.uint8)
    image = vtkImageData()
    image.SetDimensions(*padded.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(padded.reshape(-1)))
    edges = vtkDiscreteFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 1)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    return edges.GetOutput()


def _vtk_decimated(decimation: Any, mask: Mask, n_faces: int) -> Triangles:
    polygons = _vtk_contour(mask)
    decimation.SetInputData(polygons)
    decimation.SetTargetReduction(1 - n_faces / polygons.GetNumberOfPolys())
    decimation.Update()
    return _arrays(decimation.GetOutput())


def _arrays(polygons: Any) -> Triangles:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    vertices = vtk_to_numpy(polygons.GetPoints().GetData())
    faces = vtk_to_numpy(polygons.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return vertices[:, ::-1].copy(), faces[:, ::-1].copy()


if __name__ == "__main__":
    given = np.load(sys.argv[2])
    before = resident("VmRSS")
    found = WAYS[sys.argv[1]](given, int(sys.argv[3]))
    print(resident("VmHWM"), resident("VmHWM") - before)
