"""The noise that was put in is found, whatever lies beneath it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from filtering import DTYPES_OF_FILTERS
from klevels.core.estimate import MOST, estimate_noise
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.samples import simulate_phases
from strategies import LAYOUTS


def _noisy(shape: tuple[int, ...], noise: float, offset: float = 100.0, seed: int = 0) -> NDArray[np.float64]:
    return offset + np.random.default_rng(seed).normal(0, noise, shape)


@pytest.mark.parametrize("shape", [(256, 256), (64, 64, 64)])
@pytest.mark.parametrize("noise", [500, 1000, 2000, 4000, 8000])
@pytest.mark.parametrize("length", [4, 6, 8])
def test_finds_the_noise_of_a_material(shape: tuple[int, ...], noise: float, length: float) -> None:
    scan = simulate_phases(shape, noise=noise, length=length)
    assert estimate_noise(scan.image.data) == pytest.approx(noise, rel=0.05)


@pytest.mark.parametrize("offset", [100.0, 100.25, 100.5])
@pytest.mark.parametrize("noise", [0.15, 0.2, 0.3, 0.5, 1, 1.5, 2, 5])
@pytest.mark.parametrize("shape", [(256, 256), (64, 64, 64)])
def test_counts_the_error_of_rounding(shape: tuple[int, ...], noise: float, offset: float) -> None:
    values = np.rint(_noisy(shape, noise, offset)).astype(np.uint8)
    assert estimate_noise(values) == pytest.approx(values.std(), rel=0.05)
    assert estimate_noise((values / 255).astype(np.float32)) * 255 == pytest.approx(values.std(), rel=0.05)


@pytest.mark.parametrize("dtype", DTYPES_OF_FILTERS)
def test_constant_images_have_none(dtype: str) -> None:
    noise = estimate_noise(np.full((5, 6, 7), np.array(1, dtype)))
    assert type(noise) is float
    assert noise == 0.0


@given(st.floats(-10, 10), st.floats(-10, 10), st.sampled_from([0.0, 0.25, 1e4]))
def test_slopes_have_none(a: float, b: float, c: float) -> None:
    y, x = np.mgrid[:20, :30]
    assert estimate_noise(a * y + b * x + c) <= 1e-10 * (1 + abs(a) + abs(b) + c)


def test_labels_have_none() -> None:
    assert estimate_noise(simulate_phases((128, 128), noise=0, blur=0, length=6).image.data) == 0.0


def test_scales_with_the_image() -> None:
    values = _noisy((40, 50, 30), 3)
    noise = estimate_noise(values)
    assert estimate_noise(values * 1e-6) == pytest.approx(noise * 1e-6)
    assert estimate_noise(values * 1e6 - 1e9) == pytest.approx(noise * 1e6)


@pytest.mark.parametrize("margin", [8, 16])
def test_margins_do_not_count(margin: int) -> None:
    side = 64 - 2 * margin
    values = np.pad(simulate_phases((side, side, side), noise=2000).image.data, margin)
    assert estimate_noise(values) == pytest.approx(2000, rel=0.05)


def test_keeps_to_the_mask() -> None:
    values = _noisy((60, 61), 3).astype(np.float32)
    inside = np.ones(values.shape, np.bool_)
    inside[10:30, 20:] = False
    masked = np.where(inside, values, np.float32(1e9))
    assert estimate_noise(masked, inside=inside) == pytest.approx(3, rel=0.05)
    assert estimate_noise(np.where(inside, values, np.float32(np.nan))) == estimate_noise(masked, inside=inside)


def test_thick_slices_are_looked_at_one_by_one() -> None:
    levels = 1000 * np.random.default_rng(1).normal(size=(40, 1, 1))
    values = _noisy((40, 30, 30), 3) + levels
    assert estimate_noise(values, spacing=(5, 1, 1)) == pytest.approx(3, rel=0.05)


def test_large_images_are_sampled() -> None:
    values = _noisy((24, 512, 512), 3).astype(np.float32)
    assert values.size > MOST
    assert estimate_noise(values) == pytest.approx(3, rel=0.02)
    assert estimate_noise(values.reshape(3072, 2048)) == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_alike(layout: str) -> None:
    values = _noisy((12, 13, 14), 3000, 30000).astype(">u2")
    assert estimate_noise(LAYOUTS[layout](values)) == estimate_noise(values.astype("<u2"))


def test_a_single_slice_is_an_image() -> None:
    values = _noisy((30, 31), 3)
    assert estimate_noise(values[None]) == estimate_noise(values) == estimate_noise(values[:, :, None])


@pytest.mark.parametrize("shape", [(4, 4), (1, 5), (1, 1), (3, 3, 9), (2, 2, 2)])
def test_refuses_too_few_voxels(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="voxels with all neighbors inside; give at least 8"):
        estimate_noise(np.zeros(shape))


def test_refuses_empty_masks_and_odd_arguments() -> None:
    values: Any = np.zeros((9, 9))
    with pytest.raises(DataError, match="has 0 voxels"):
        estimate_noise(values, inside=np.zeros((9, 9), np.bool_))
    with pytest.raises(DataTypeError, match="complex"):
        estimate_noise(values.astype(complex))
    with pytest.raises(ParameterError, match="spacing"):
        estimate_noise(values, spacing=(1, -1))
