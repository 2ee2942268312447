"""Surfaces are closed, lie where the phase is, and come near the volumes and areas of known bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from klevels.core.mesh import Mesh
from klevels.core.surface import surface
from klevels.errors import DataError, DataTypeError, ParameterError

Floats = NDArray[np.float64]


def _grid(half: int) -> Floats:
    return np.stack(np.meshgrid(*[np.arange(-half, half + 1.0)] * 3, indexing="ij"))


def _sphere(radius: float, spacing: tuple[float, ...] = (1, 1, 1)) -> NDArray[np.uint8]:
    sizes = np.array(spacing).reshape(3, 1, 1, 1)
    half = int(radius / min(spacing)) + 3
    return ((((_grid(half) * sizes) ** 2).sum(axis=0)) <= radius**2).astype(np.uint8)


def _torus(major: float, minor: float) -> NDArray[np.uint8]:
    z, y, x = _grid(int(major + minor) + 3)
    return ((np.hypot(y, x) - major) ** 2 + z**2 <= minor**2).astype(np.uint8)


def _as_trimesh(mesh: Mesh) -> Any:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def _agree(mesh: Mesh) -> None:
    """Check a mesh against trimesh, which knows nothing of klevels."""
    other = _as_trimesh(mesh)
    assert mesh.is_watertight
    assert other.is_watertight
    assert other.is_winding_consistent
    assert mesh.volume == pytest.approx(other.volume, rel=1e-6, abs=1e-9)
    assert mesh.area == pytest.approx(other.area, rel=1e-6)


@given(
    labels=nps.arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(0, 2)),
    sizes=st.tuples(*[st.sampled_from([0.25, 1.0, 3.0])] * 3),
)
def test_every_phase_has_a_closed_surface_around_its_voxels(labels: NDArray[np.uint8], sizes: tuple[float]) -> None:
    for phase in np.unique(labels).tolist():
        mesh = surface(labels, phase, spacing=sizes, unit="mm")
        _agree(mesh)
        places = np.argwhere(labels == phase)
        np.testing.assert_allclose(mesh.vertices.min(axis=0), (places.min(axis=0) - 0.5) * sizes, rtol=1e-6)
        np.testing.assert_allclose(mesh.vertices.max(axis=0), (places.max(axis=0) + 0.5) * sizes, rtol=1e-6)
        assert 0 < mesh.volume < len(places) * np.prod(sizes)


def test_one_voxel_is_an_octahedron() -> None:
    mesh = surface(np.ones((1, 1, 1), bool), 1, spacing=(2, 3, 5))
    assert (len(mesh.vertices), len(mesh.faces), mesh.unit) == (6, 8, "unit")
    assert mesh.volume == pytest.approx(30 / 6)


def test_normals_point_outward_along_each_axis() -> None:
    mesh = surface(_sphere(8), 1)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1])
    outward = corners.mean(axis=1) - mesh.vertices.mean(axis=0)
    assert ((normals * outward).sum(axis=1) > 0).all()


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 1, 1), (1, 1, 0.5), (0.5, 2, 1)])
def test_spheres_converge(spacing: tuple[float, ...]) -> None:
    errors = []
    for radius in (8, 16, 32):
        mesh = surface(_sphere(radius, spacing), 1, spacing=spacing, smooth=20)
        _agree(mesh)
        errors.append(abs(mesh.volume / (4 / 3 * np.pi * radius**3) - 1))
        assert mesh.area == pytest.approx(4 * np.pi * radius**2, rel=0.06)
    assert errors[2] < 0.005
    assert errors[2] < errors[0]


def test_smoothing_changes_the_volume_little_and_the_area_to_the_truth() -> None:
    labels = _sphere(25)
    rough, smooth = surface(labels, 1), surface(labels, 1, smooth=20)
    assert smooth.volume == pytest.approx(rough.volume, rel=3e-4)
    truth = 4 * np.pi * 25**2
    assert rough.area == pytest.approx(1.09 * truth, rel=0.02)
    assert smooth.area == pytest.approx(truth, rel=0.02)


def test_a_cube_has_its_volume_but_for_its_edges() -> None:
    labels = np.ones((20, 30, 40), np.uint8)
    mesh = surface(labels, 1, spacing=(0.1, 0.1, 0.1), unit="mm")
    _agree(mesh)
    edges = 4 * (20 + 30 + 40) * 0.125
    assert mesh.volume == pytest.approx((labels.size - edges) * 1e-3, rel=1e-3)


def test_a_torus_has_its_volume_its_area_and_its_hole() -> None:
    mesh = surface(_torus(24, 9), 1, smooth=20)
    _agree(mesh)
    assert mesh.volume == pytest.approx(2 * np.pi**2 * 24 * 81, rel=0.02)
    assert mesh.area == pytest.approx(4 * np.pi**2 * 24 * 9, rel=0.03)
    assert _as_trimesh(mesh).euler_number == 0


@pytest.mark.parametrize("smooth", [0, 20])
def test_fewer_triangles_keep_the_shape(smooth: int) -> None:
    labels = _torus(24, 9)
    whole = surface(labels, 1, spacing=(2, 1, 1), smooth=smooth)
    for n_faces in (len(whole.faces) // 2, 2000, 500):
        mesh = surface(labels, 1, spacing=(2, 1, 1), smooth=smooth, n_faces=n_faces)
        _agree(mesh)
        assert len(mesh.faces) <= n_faces
        assert mesh.volume == pytest.approx(whole.volume, rel=0.02)
        assert _as_trimesh(mesh).euler_number == 0
    assert len(surface(labels, 1, n_faces=10**9).faces) == len(whole.faces)


@given(seed=st.integers(0, 99), n_faces=st.integers(4, 600))
def test_fewer_triangles_are_closed_or_refused(seed: int, n_faces: int) -> None:
    labels = np.random.default_rng(seed).random((7, 8, 9)) < 0.4
    whole = surface(labels, 1)
    try:
        mesh = surface(labels, 1, n_faces=n_faces)
    except DataError as error:
        least = int(str(error).split("allow ")[1].split()[0])
        mesh = surface(labels, 1, n_faces=least)
        n_faces = least
    _agree(mesh)
    assert len(mesh.faces) <= n_faces
    assert _as_trimesh(mesh).euler_number == _as_trimesh(whole).euler_number


def test_the_unit_does_not_change_which_triangles_are_left() -> None:
    labels = _torus(12, 5)
    large, small = (surface(labels, 1, spacing=[size] * 3, n_faces=300) for size in (1, 2.0**-20))
    np.testing.assert_array_equal(large.faces, small.faces)
    np.testing.assert_allclose(large.vertices, small.vertices * 2.0**20, rtol=1e-6)


def test_planes_need_few_triangles() -> None:
    mesh = surface(np.ones((20, 30, 40), np.uint8), 1, n_faces=44)
    _agree(mesh)
    assert mesh.volume == pytest.approx(24_000, rel=0.01)


def test_other_layouts_and_dtypes_change_nothing() -> None:
    labels = _sphere(6, (1, 2, 1))
    expected = surface(labels, 1)
    wide = np.repeat(labels, 2, axis=2)
    for same in (np.asfortranarray(labels), wide[..., ::2], labels.astype(">i4"), labels.astype(float), labels > 0):
        found = surface(same, 1)
        np.testing.assert_array_equal(found.vertices, expected.vertices)
        np.testing.assert_array_equal(found.faces, expected.faces)


def test_masked_voxels_are_of_no_phase() -> None:
    labels = np.ones((4, 4, 8), np.uint8)
    masked = np.ma.array(labels, mask=np.arange(8) >= 4 + np.zeros((4, 4, 1)))
    assert surface(masked, 1).volume == surface(labels[..., :4], 1).volume


@pytest.mark.parametrize(
    ("labels", "phase", "options", "error", "says"),
    [
        (np.zeros((4, 4), int), 0, {}, DataError, "2 axes; a surface needs a volume"),
        (np.zeros((0, 4, 4), int), 0, {}, DataError, "no voxels"),
        (np.zeros((2, 2, 2), complex), 0, {}, DataTypeError, "complex128"),
        (np.full((2, 2, 2), 0.5), 0, {}, DataError, "0.5, but labels are whole numbers"),
        (np.full((2, 2, 2), np.nan), 0, {}, DataError, "nan, but labels are whole numbers"),
        (np.array([[[0, 3, -2]]]), 1, {}, DataError, "no voxel is of phase 1; there are -2, 0, 3"),
        (np.arange(27).reshape(3, 3, 3), 99, {}, DataError, "there are 0, 1, 2, 3, 4, 5, 6, 7, …"),
        (np.zeros((2, 2, 2), int), 0, {"smooth": -1}, ParameterError, "smooth is -1; give a whole number from 0"),
        (np.zeros((2, 2, 2), int), 0, {"n_faces": 3}, ParameterError, "n_faces is 3; give a whole number from 4"),
        (np.zeros((2, 2, 2), int), 0, {"n_faces": True}, ParameterError, "n_faces is True"),
        (np.zeros((2, 2, 2), int), 0, {"spacing": (1, 0, 1)}, ParameterError, "three positive numbers"),
    ],
)
def test_what_has_no_surface_is_refused(
    labels: NDArray[Any], phase: int, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says.replace("(", r"\(")):
        surface(labels, phase, **options)
