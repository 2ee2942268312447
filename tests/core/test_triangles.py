"""Contours, smoothing and decimation: against VTK and plain NumPy, in any number of blocks and threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from klevels.core import _measures, triangles
from klevels.core.mesh import Mesh
from klevels.errors import DataError

Mask = NDArray[np.bool_]


def _noise(seed: int, shape: tuple[int, ...], share: float) -> Mask:
    return np.random.default_rng(seed).random(shape) < share


def _bodies() -> Mask:
    z, y, x = np.mgrid[-14:15, -14:15, -14:15]
    return (z**2 + y**2 + x**2 <= 100) | ((np.hypot(y - 1, x) - 9) ** 2 + (z - 3) ** 2 < 6)


def _euler_number(vertices: Any, faces: Any) -> int:
    return int(trimesh.Trimesh(vertices, faces, process=False).euler_number)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.5, 0.6, 0.9])
def test_contours_are_closed_and_like_those_of_vtk(share: float) -> None:
    core, filters = (
        pytest.importorskip("vtkmodules.vtkCommonDataModel"),
        pytest.importorskip("vtkmodules.vtkFiltersCore"),
    )
    support = pytest.importorskip("vtkmodules.util.numpy_support")
    mask = _noise(5, (20, 13, 17), share)
    vertices, faces = triangles.contoured(mask)
    assert Mesh(vertices, faces).is_watertight
    padded = np.pad(mask, 1).astype(np.uint8)
    image = core.vtkImageData()
    image.SetDimensions(*padded.shape[::-1])
    image.GetPointData().SetScalars(support.numpy_to_vtk(padded.reshape(-1)))
    edges = filters.vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.5)
    edges.Update()
    points = support.vtk_to_numpy(edges.GetOutput().GetPoints().GetData())[:, ::-1] - 1
    cells = support.vtk_to_numpy(edges.GetOutput().GetPolys().GetConnectivityArray()).reshape(-1, 3)
    np.testing.assert_array_equal(np.unique(vertices, axis=0), np.unique(points, axis=0))
    assert len(faces) == len(cells)
    assert _euler_number(vertices, faces) == _euler_number(points, cells)


def test_all_cells_of_two_by_two_by_two_voxels_are_closed() -> None:
    for code in range(1, 256):
        mask = np.unpackbits(np.array([code], np.uint8)).astype(bool).reshape(2, 2, 2)
        mesh = Mesh(*triangles.contoured(mask))
        assert mesh.is_watertight
        assert mesh.volume > 0


@pytest.mark.parametrize("n_iterations", [2, 5, 20, 50])
def test_smoothing_is_the_windowed_sinc(n_iterations: int) -> None:
    vertices, faces = triangles.contoured(_bodies())
    found = vertices.copy()
    triangles.smooth(found, faces, n_iterations)
    from scipy import sparse

    ends = (faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1))
    neighbors = sparse.csr_array((np.ones(faces.size), ends))
    half = sparse.diags_array(0.5 / neighbors.sum(axis=1)) @ neighbors + 0.5 * sparse.eye_array(len(vertices))
    last, now = vertices.astype(float), half @ vertices
    first, second, *others = triangles.sinc_weights(n_iterations)
    expected = first * last + second * now
    for weight in others:
        last, now = now, 2 * half @ now - last
        expected += weight * now
    np.testing.assert_allclose(found, expected, atol=5e-6)


@pytest.mark.parametrize("n_iterations", [5, 20, 50])
def test_smoothing_is_near_that_of_vtk(n_iterations: int) -> None:
    common, core = pytest.importorskip("vtkmodules.vtkCommonCore"), pytest.importorskip("vtkmodules.vtkCommonDataModel")
    filters, support = (
        pytest.importorskip("vtkmodules.vtkFiltersCore"),
        pytest.importorskip("vtkmodules.util.numpy_support"),
    )
    vertices, faces = triangles.contoured(_bodies())
    points, cells, polygons = common.vtkPoints(), core.vtkCellArray(), core.vtkPolyData()
    points.SetData(support.numpy_to_vtk(vertices.astype(np.float64), deep=True))
    cells.SetData(3, support.numpy_to_vtk(faces.astype(np.int64).reshape(-1), deep=True))
    polygons.SetPoints(points)
    polygons.SetPolys(cells)
    sinc = filters.vtkWindowedSincPolyDataFilter()
    sinc.SetInputData(polygons)
    sinc.SetNumberOfIterations(n_iterations)
    sinc.SetPassBand(triangles.PASS_BAND)
    sinc.NormalizeCoordinatesOn()
    sinc.Update()
    triangles.smooth(vertices, faces, n_iterations)
    found = support.vtk_to_numpy(sinc.GetOutput().GetPoints().GetData())
    np.testing.assert_allclose(vertices, found, atol=0.003)


def test_one_step_of_smoothing_moves_little() -> None:
    vertices, faces = triangles.contoured(_bodies())
    before = vertices.copy()
    triangles.smooth(vertices, faces, 1)
    assert 0 < np.abs(vertices - before).max() < 0.1


@settings(deadline=None)
@given(
    seed=st.integers(0, 99),
    share=st.floats(0.2, 0.8),
    n_faces=st.integers(4, 900),
    n_in_block=st.sampled_from([20, 100, 400]),
)
def test_blocks_keep_surfaces_closed(seed: int, share: float, n_faces: int, n_in_block: int) -> None:
    vertices, faces = triangles.contoured(_noise(seed, (9, 10, 11), share))
    number = _euler_number(vertices, faces)
    found = []
    for n_threads in (1, 3):
        places, corners = vertices.copy(), faces.copy()
        n_vertices, n_left = _measures.decimate(places, corners, n_faces, n_in_block, n_threads)
        found.append((places[:n_vertices], corners[:n_left]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    mesh = Mesh(*found[0])
    assert mesh.is_watertight
    assert _euler_number(*found[0]) == number
    assert set(np.unique(mesh.faces)) == set(range(len(mesh.vertices)))


@pytest.mark.parametrize("n_in_block", [500, 2000, 10**9])
def test_the_volume_stays_in_blocks_of_any_size(n_in_block: int) -> None:
    vertices, faces = triangles.contoured(_bodies())
    volume = Mesh(vertices, faces).volume
    triangles.smooth(vertices, faces, 20)
    smooth = Mesh(vertices.copy(), faces.copy())
    assert smooth.volume == pytest.approx(volume, rel=0.003)
    n_vertices, n_left = _measures.decimate(vertices, faces, 1500, n_in_block, 2)
    fewer = Mesh(vertices[:n_vertices], faces[:n_left])
    assert len(fewer.faces) == 1500
    assert fewer.is_watertight
    assert fewer.volume == pytest.approx(smooth.volume, rel=1e-4)
    assert fewer.area == pytest.approx(smooth.area, rel=0.01)
    away = trimesh.proximity.closest_point_naive(trimesh.Trimesh(smooth.vertices, smooth.faces), fewer.vertices)[1]
    assert away.max() < 0.4


def test_planes_in_blocks_need_few_triangles() -> None:
    vertices, faces = triangles.contoured(np.ones((40, 50, 60), bool))
    n_vertices, n_left = _measures.decimate(vertices, faces, 200, 1000, 2)
    mesh = Mesh(vertices[:n_vertices], faces[:n_left])
    assert n_left <= 200
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(40 * 50 * 60, rel=0.003)


def test_threads_change_nothing() -> None:
    mask = _noise(1, (40, 20, 20), 0.5)
    (vertices, faces), again = triangles.contoured(mask, threads=1), triangles.contoured(mask, threads=3)
    np.testing.assert_array_equal(vertices, again[0])
    np.testing.assert_array_equal(faces, again[1])
    triangles.smooth(vertices, faces, 9, threads=1)
    triangles.smooth(*again, 9, threads=3)
    np.testing.assert_array_equal(vertices, again[0])


def test_too_many_triangles_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triangles, "MOST_CORNERS", 23)
    with pytest.raises(DataError, match="8 triangles are too many to reduce; thin the labels"):
        triangles.decimated(*triangles.contoured(np.ones((1, 1, 1), bool)), 4)
