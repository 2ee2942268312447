"""Triangles as VTK makes them: contours and smoothing; and fewer of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core import _measures
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
    """Return at most so many triangles of much the same surface.

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
        Of a closed surface with as many parts and holes.

    Raises
    ------
    DataError
        If so few cannot close it.
    """
    places, corners = vertices.astype(np.float64), faces.copy()
    n_vertices, n_left = _measures.decimate(places, corners, n_faces)
    if n_left > n_faces:
        raise DataError(
            f"{n_faces} triangles cannot close the surface with all its parts and holes; allow {n_left} or more "
            f"(n_faces, --faces), or smooth the labels first"
        )
    return places[:n_vertices].astype(np.float32), corners[:n_left].copy()


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
