"""Local thickness of slabs, spheres and cylinders is their diameter, and elsewhere what brute force gives."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from klevels.core.thickness import local_thickness
from klevels.errors import DataError, DataTypeError, MissingDependencyError, ParameterError

Array = NDArray[Any]


def brute(mask: Array, spacing: tuple[float, ...], smaller: float = 0.0) -> Array:
    """Return the thickness by trying all spheres, each with a radius smaller by so much."""
    places = np.argwhere(np.ones(mask.shape, bool)) * spacing
    inside = mask.ravel()
    apart = np.sqrt(((places[:, None] - places[None]) ** 2).sum(-1))
    radii = np.where(inside, apart[:, ~inside].min(axis=1) - smaller, 0)
    holds = (apart < radii[:, None] * (1 - 1e-6)) & inside[:, None] & inside
    largest = np.where(holds, radii[:, None], 0).max(axis=0)
    return np.where(inside, 2 * largest - min(spacing) / 2, 0).reshape(mask.shape)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), ndim=st.sampled_from([2, 3]), n_sizes=st.sampled_from([1, 25]))
def test_thickness_is_that_of_all_spheres(data: st.DataObject, ndim: int, n_sizes: int) -> None:
    holes = data.draw(nps.arrays(np.uint8, (5, 8, 9)[3 - ndim :], elements=st.integers(0, 9), fill=st.nothing()))
    mask = holes > 0
    if mask.all():
        mask.flat[0] = False
    spacing = tuple(data.draw(st.lists(st.sampled_from([1.0, 2.0, 1.3]), min_size=ndim, max_size=ndim)))
    found = local_thickness(mask, spacing=spacing, n_sizes=n_sizes)
    assert (found <= brute(mask, spacing) + 1e-4).all()
    assert (found >= brute(mask, spacing, min(spacing) / 4) - 1e-4).all()
    np.testing.assert_array_equal(found > 0, mask)


@pytest.mark.parametrize("width", [1, 2, 5, 8, 31])
def test_a_slab_is_as_thick_as_it_is(width: int) -> None:
    mask = np.zeros((width + 6, 30), bool)
    mask[3 : 3 + width] = True
    found = local_thickness(mask)
    assert np.abs(found[mask] - width).max() <= 0.5
    np.testing.assert_array_equal(found[~mask], 0)
    thick = local_thickness(mask, spacing=(0.1, 0.2))
    assert np.abs(thick[mask] - 0.1 * width).max() <= 0.05 + 1e-6


@pytest.mark.parametrize("radius", [4.0, 9.3])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0)])
def test_spheres_and_cylinders(radius: float, spacing: tuple[float, ...]) -> None:
    z, y, x = (np.arange(-12, 13) * size for size in spacing)
    disk = y[:, None] ** 2 + x**2
    sphere = z[:, None, None] ** 2 + disk <= radius**2
    assert np.abs(local_thickness(sphere, spacing=spacing)[sphere].mean() - 2 * radius) <= 1
    cylinder = np.broadcast_to(disk <= radius**2, sphere.shape)
    found = local_thickness(cylinder, spacing=spacing)
    assert np.abs(found[cylinder].mean() - 2 * radius) <= 1


def test_an_empty_phase_has_no_thickness() -> None:
    found = local_thickness(np.zeros((3, 4, 5), bool))
    assert found.dtype == np.float32
    assert not found.any()


def test_bad_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.eye(4) > 0
    with pytest.raises(DataTypeError, match="dtype uint8; give bool"):
        local_thickness(mask.astype(np.uint8))
    with pytest.raises(DataError, match=r"shape \(4,\); give 2 or 3 axes"):
        local_thickness(mask[0])
    with pytest.raises(DataError, match="at least one voxel"):
        local_thickness(mask[:0])
    with pytest.raises(DataError, match="True everywhere"):
        local_thickness(mask | True)
    with pytest.raises(ParameterError, match="n_sizes is 0"):
        local_thickness(mask, n_sizes=0)
    with pytest.raises(ParameterError, match="give 2 positive numbers"):
        local_thickness(mask, spacing=(1.0, 0.0))
    monkeypatch.setitem(sys.modules, "edt", None)
    with pytest.raises(MissingDependencyError, match="needs edt"):
        local_thickness(mask)
