"""The Gaussian is SciPy's, divided by the smoothed mask, and does not know where blocks end."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from filtering import DTYPES_OF_FILTERS, assert_blocks_equal_whole, windows
from klevels.core import gaussian as module
from klevels.core.gaussian import gaussian, halo, strength_for
from klevels.errors import DataError, MissingDependencyError, ParameterError
from strategies import LAYOUTS


def _noisy(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(30000, 5000, shape)


@pytest.mark.parametrize(("shape", "spacing"), [((12, 14, 17), (3, 1, 1.5)), ((30, 41), (1, 2)), ((12, 14, 17), None)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "u2"])
def test_equals_scipy(shape: tuple[int, ...], spacing: tuple[float, ...] | None, dtype: str) -> None:
    values = _noisy(shape).astype(dtype)
    sigmas = [1.3 * min(spacing) / size for size in spacing] if spacing else [1.3] * len(shape)
    expected = gaussian_filter(values.astype(np.float64), sigmas, truncate=4)
    tolerance = {"f4": 1e-2, "f8": 1e-9, "u2": 0.51}[dtype]
    np.testing.assert_allclose(gaussian(values, strength=1.3, spacing=spacing), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_divides_by_the_smoothed_mask(dtype: str) -> None:
    values, inside = _noisy((11, 12, 13)).astype(dtype), np.random.default_rng(1).random((11, 12, 13)) > 0.4
    smoothed = gaussian_filter(np.where(inside, values, 0).astype(np.float64), 1)
    expected = smoothed / gaussian_filter(inside.astype(np.float64), 1)
    filtered = gaussian(np.where(inside, values, np.nan).astype(dtype), strength=1)
    np.testing.assert_allclose(filtered[inside], expected[inside], rtol=1e-6)
    assert np.isnan(filtered[~inside]).all()
    np.testing.assert_array_equal(gaussian(values, strength=1, inside=inside)[~inside], values[~inside])


@given(windows(), st.sampled_from(["f4", "f8", "u2", "i8"]), st.sampled_from([0.3, 0.6]), st.booleans(), st.booleans())
def test_blocks_equal_the_whole(window: Any, dtype: str, strength: float, masked: bool, long_voxels: bool) -> None:
    shape, _ = window
    assume(min((side for side in shape if side > 1), default=9) > 2)
    inside = np.ones(shape, np.bool_)
    inside[: max(1, shape[0] // 3)] = np.random.default_rng(5).random(inside[: max(1, shape[0] // 3)].shape) > 0.5
    spacing = (2.0, 1.0, 1.5)[-len(shape) :] if long_voxels else None
    values, mask = _noisy(shape).astype(dtype), inside if masked else None
    assert_blocks_equal_whole(gaussian, halo, values, {"strength": strength}, mask, window, spacing)


@pytest.mark.parametrize("shape", [(70, 30, 20), (50, 60)])
@pytest.mark.parametrize("masked", [False, True])
def test_slabs_and_threads_do_not_change_a_bit(
    shape: tuple[int, ...], masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = _noisy(shape).astype(np.float32)
    inside = np.random.default_rng(5).random(shape) > 0.2 if masked else None
    whole = gaussian(values, strength=1, inside=inside, threads=1)
    monkeypatch.setattr(module, "SLAB", 1)
    np.testing.assert_array_equal(gaussian(values, strength=1, inside=inside, threads=3), whole)


@pytest.mark.parametrize("dtype", DTYPES_OF_FILTERS)
@pytest.mark.parametrize("masked", [False, True])
def test_keeps_dtypes_and_constants(dtype: str, masked: bool) -> None:
    constant = np.full((5, 6, 7), np.array(1 if dtype == "?" else 101.1, dtype))
    inside = np.random.default_rng(5).random(constant.shape) > 0.3 if masked else None
    filtered = gaussian(constant, strength=0.9, inside=inside)
    assert filtered.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(filtered, constant)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f4", "<i4"])
def test_layouts_are_alike(layout: str, dtype: str) -> None:
    values = _noisy((7, 8, 9)).astype(dtype)
    filtered = gaussian(LAYOUTS[layout](values), strength=1)
    np.testing.assert_array_equal(filtered, gaussian(values.astype(dtype[1:]), strength=1))


def test_a_single_slice_is_an_image() -> None:
    values = _noisy((20, 21))
    np.testing.assert_array_equal(gaussian(values[None], strength=2)[0], gaussian(values, strength=2))


def test_infinite_voxels_are_outside() -> None:
    values = _noisy((9, 9))
    values[4, 4] = np.inf
    filtered = gaussian(values, strength=1)
    assert filtered[4, 4] == np.inf
    assert np.isfinite(np.delete(filtered, 40)).all()


def test_the_strength_is_a_length() -> None:
    assert strength_for(0) == strength_for(8000) == 1.0
    assert halo(3, strength=1.0, spacing=(4, 1, 2)) == (1, 4, 2)


@pytest.mark.parametrize("strength", [0, -1.0, np.nan, np.inf, "1"])
def test_refuses_strengths(strength: Any) -> None:
    with pytest.raises(ParameterError, match=r"strength is .*; give a positive number"):
        gaussian(np.zeros((3, 3)), strength=strength)


def test_refuses_windows_larger_than_the_image() -> None:
    with pytest.raises(ParameterError, match="reaches 12 voxels, but the image has 5 along y; use a smaller"):
        gaussian(np.zeros((5, 20)), strength=3)
    gaussian(np.zeros((1, 20, 20)), strength=3)
    gaussian(np.zeros((5, 20)), strength=3, spacing=(4, 1))


def test_refuses_images() -> None:
    with pytest.raises(DataError, match="2 or 3 axes"):
        gaussian(np.zeros((2, 2, 2, 2)), strength=1)
    with pytest.raises(DataError, match="at least one voxel"):
        gaussian(np.zeros((0, 2)), strength=1)


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingDependencyError, match=r"klevels\[denoise\]"):
        gaussian(np.zeros((5, 5)), strength=1)
