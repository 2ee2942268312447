"""What VTK does with triangles: contours, smoothing, decimation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.mesh import Mesh
from klevels.errors import DataError, MissingDependencyError

PASS_BAND = 0.1
"""Of the windowed sinc: waves that are shorter than about ten voxels are taken away."""


def contoured(inside: NDArray[np.uint8]) -> Any:
    """Return the surface between zeros and ones.

    Parameters
    ----------
    inside : ndarray of uint8
        0 at all ends of the volume.

    Returns
    -------
    vtkPolyData
        In voxels, x before y before z.

    Raises
    ------
    MissingDependencyError
        If VTK is not installed.
    """
    try:
        from vtkmodules.util.numpy_support import numpy_to_vtk
        from vtkmodules.vtkCommonDataModel import vtkImageData
        from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D
    except ImportError as error:
        raise MissingDependencyError('surfaces need VTK; pip install "klevels[render]"') from error
    image = vtkImageData()
    image.SetDimensions(*inside.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(inside.reshape(-1)))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.5)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    return edges.GetOutput()


def smoothed(polygons: Any, n_iterations: int) -> Any:
    """Return the same triangles with smoother positions.

    Parameters
    ----------
    polygons : vtkPolyData
        A closed surface, in voxels.
    n_iterations : int
        The degree of the polynomial that stands for the windowed sinc.

    Returns
    -------
    vtkPolyData
        Of the same triangles.
    """
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    sinc = vtkWindowedSincPolyDataFilter()
    sinc.SetInputData(polygons)
    sinc.SetNumberOfIterations(n_iterations)
    sinc.SetPassBand(PASS_BAND)
    sinc.BoundarySmoothingOff()
    sinc.FeatureEdgeSmoothingOff()
    sinc.NonManifoldSmoothingOn()
    sinc.NormalizeCoordinatesOn()
    sinc.Update()
    return sinc.GetOutput()


def decimated(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], n_faces: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return at most so many triangles: the best ones if they are closed, else those of a way that opens nothing.

    Parameters
    ----------
    vertices : ndarray of float32, shape (n, 3)
        Of a closed surface.
    faces : ndarray of int32, shape (m, 3)
        Its triangles.
    n_faces : int
        How many may remain.

    Returns
    -------
    vertices, faces : ndarray
        Of a closed surface.

    Raises
    ------
    DataError
        If so few cannot close it.
    """
    from vtkmodules.vtkFiltersCore import vtkDecimatePro, vtkQuadricDecimation

    polygons = _polygons(vertices, faces)
    share = 1 - n_faces / len(faces)
    quadric = vtkQuadricDecimation()
    quadric.VolumePreservationOn()
    careful = vtkDecimatePro()
    careful.PreserveTopologyOn()
    careful.SplittingOff()
    careful.BoundaryVertexDeletionOff()
    fewest = len(faces)
    for decimation in (quadric, careful):
        decimation.SetInputData(polygons)
        decimation.SetTargetReduction(share)
        decimation.Update()
        found = arrays(decimation.GetOutput())
        if Mesh(*found).is_watertight:
            if len(found[1]) <= n_faces:
                return found
            fewest = min(fewest, len(found[1]))
    raise DataError(
        f"{n_faces} triangles cannot close the surface; allow about {fewest} (n_faces, --faces), or smooth it first"
    )


def arrays(polygons: Any) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the vertices and the triangles of a surface.

    Parameters
    ----------
    polygons : vtkPolyData
        Of triangles only.

    Returns
    -------
    vertices : ndarray of float32, shape (n, 3)
        In its order of axes.
    faces : ndarray of int32, shape (m, 3)
        Three vertices each.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy

    points = vtk_to_numpy(polygons.GetPoints().GetData())
    cells = vtk_to_numpy(polygons.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return points.astype(np.float32), cells.astype(np.int32)


def _polygons(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    points, cells, polygons = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetData(numpy_to_vtk(vertices))
    cells.SetData(3, numpy_to_vtk(faces.reshape(-1), array_type=_int32()))
    polygons.SetPoints(points)
    polygons.SetPolys(cells)
    return polygons


def _int32() -> int:
    from vtkmodules.vtkCommonCore import vtkTypeInt32Array

    return int(vtkTypeInt32Array().GetDataType())
