"""The bilateral filter is its formula, and what OpenCV computes in two dimensions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from klevels.core.bilateral import bilateral, halo, strength_for
from klevels.errors import ParameterError
from klevels.samples import simulate_phases


def _reference(
    values: NDArray[Any], lengths: tuple[float, ...], inside: NDArray[np.bool_], strength: float, sigma: float
) -> NDArray[np.float64]:
    radii = [int(3 * sigma / length) for length in lengths]
    padding = [(r, r) for r in radii]
    padded = np.pad(values.astype(np.float64), padding, mode="symmetric")
    counts = np.pad(inside, padding, mode="symmetric")
    total, norm = np.zeros(values.shape), np.zeros(values.shape)
    for t in itertools.product(*(range(-r, r + 1) for r in radii)):
        square = sum((offset * length) ** 2 for offset, length in zip(t, lengths, strict=True))
        if square > (3 * sigma) ** 2:
            continue
        part = tuple(slice(r + o, r + o + n) for r, o, n in zip(radii, t, values.shape, strict=True))
        weights = np.exp(-((padded[part] - values) ** 2) / (2 * strength**2) - square / (2 * sigma**2)) * counts[part]
        total += weights * padded[part]
        norm += weights
    return np.where(inside, total / np.maximum(norm, 1e-300), values)


@given(
    shape=nps.array_shapes(min_dims=2, max_dims=3, min_side=7, max_side=9),
    lengths=st.lists(st.sampled_from([1.0, 1.3, 2.0, 5.0]), min_size=3, max_size=3),
    share=st.sampled_from([1.0, 0.9, 0.3]),
    strength=st.floats(3, 300),
    sigma=st.sampled_from([0.5, 0.8, 1.0, 1.2]),
    code=st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8"]),
    seed=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_formula(
    shape: tuple[int, ...],
    lengths: list[float],
    share: float,
    strength: float,
    sigma: float,
    code: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    image = (rng.integers(0, 2, shape) * 50 + rng.normal(100, 10, shape)).clip(0, 255).astype(code)
    inside = rng.random(shape) < share
    steps = (1.0, *lengths[1:])[: len(shape)]
    spacing = tuple(0.125 * step for step in steps)
    result = bilateral(image, strength=strength, sigma_space=sigma, inside=inside, spacing=spacing)
    expected = _reference(image, steps, inside, strength, sigma)
    np.testing.assert_allclose(result, expected, atol=(0.5 if image.dtype.kind in "iu" else 0) + 2e-3)


def _image() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shape = (96, 100)
    noisy = simulate_phases(shape, noise=4000, length=6).image.data.reshape(shape)
    clean = simulate_phases(shape, noise=0, length=6).image.data.reshape(shape)
    return noisy / 65535.0, clean / 65535.0


def test_agrees_with_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    image, _ = _image()
    strength = strength_for(4000) / 65535
    theirs = cv2.bilateralFilter(image.astype(np.float32), 7, strength, 1.0, borderType=cv2.BORDER_REFLECT)
    # (scikit-image 0.26 weighs the places of an odd window as if its center were one pixel further.)
    np.testing.assert_allclose(bilateral(image, strength=strength), theirs, atol=1e-5)


def test_halves_the_error_of_noise() -> None:
    image, clean = _image()
    denoised = bilateral(image, strength=strength_for(4000) / 65535)
    assert ((denoised - clean) ** 2).mean() < 0.4 * ((image - clean) ** 2).mean()


def test_the_halo_is_twice_the_radius() -> None:
    assert halo(2) == (6, 6)
    assert halo(3, strength=4.0, sigma_space=0.5, spacing=(1.0, 1.0, 3.0)) == (2, 2, 0)


def test_bad_parameters_are_refused() -> None:
    for bad in (0.0, 0.4, 5.1, -1.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match=f"sigma_space is {bad}; give a number from 0.5 to 5, in voxels"):
            bilateral(np.zeros((9, 9)), strength=1.0, sigma_space=bad)
    message = r"a window of 7 voxels is larger than the image along y \(5\); use a smaller sigma_space"
    with pytest.raises(ParameterError, match=message):
        bilateral(np.zeros((5, 20)), strength=1.0)
    with pytest.raises(ParameterError, match="strength is 0; give a number above 0"):
        halo(3, strength=0)
    with pytest.raises(ParameterError, match="sigma_space is 9"):
        halo(3, sigma_space=9)
    with pytest.raises(ParameterError, match="noise is nan"):
        strength_for(np.nan)
