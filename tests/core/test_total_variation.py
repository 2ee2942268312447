"""Total variation is scikit-image's, step by step, keeps to the mask, and does not know where blocks end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_tv_chambolle

from filtering import DTYPES_OF_FILTERS, SCRIPT_OF_BITS, assert_blocks_equal_whole, windows
from instruction_sets import digest_on
from klevels.core.total_variation import halo, strength_for, total_variation
from klevels.errors import DataError, DataTypeError, ParameterError
from strategies import LAYOUTS

Floats = NDArray[np.float64]


def _material(shape: tuple[int, ...], noise: float = 2000.0, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return gaussian_filter(rng.normal(size=shape), 2) * 5e4 + 30000 + rng.normal(size=shape) * noise


def _reference(
    values: Floats, strength: float, steps: int, inside: NDArray[np.bool_], closeness: tuple[float, ...]
) -> Floats:
    """Chambolle's projection with whole arrays, in float64."""
    ndim, out = values.ndim, values.copy()
    flows = np.zeros((ndim, *values.shape))
    for _ in range(steps):
        slopes = np.zeros_like(flows)
        for axis in range(ndim):
            n = values.shape[axis]
            after = np.take(np.arange(n), np.minimum(np.arange(n) + 1, n - 1))
            both = inside & np.take(inside, after, axis)
            slopes[axis] = (np.take(out, after, axis) - out) * both * (closeness[axis] / strength)
        pace = 1 / (2 * ndim)
        flows = (flows - pace * slopes) / (1 + pace * np.sqrt((slopes**2).sum(axis=0)))
        out = values.copy()
        for axis in range(ndim):
            out -= strength * closeness[axis] * np.diff(flows[axis], axis=axis, prepend=0)
    return out


@pytest.mark.parametrize("shape", [(20, 24, 31), (50, 70)])
@pytest.mark.parametrize("strength", [500.0, 5000.0, 50000.0])
def test_equals_scikit_image(shape: tuple[int, ...], strength: float) -> None:
    values = _material(shape).astype(np.float32)
    filtered = total_variation(values, strength=strength, steps=30)
    expected = denoise_tv_chambolle(values.astype(np.float64), weight=strength, eps=0, max_num_iter=31)
    np.testing.assert_allclose(filtered, expected, rtol=0, atol=0.1)


def test_lowers_the_energy_to_nearly_the_least() -> None:
    values = _material((16, 17, 18))

    def energy(image: Floats) -> float:
        steps = [np.diff(image, axis=axis, append=np.take(image, [-1], axis)) for axis in range(3)]
        return float(np.sqrt(np.square(steps).sum(axis=0)).sum() + np.square(image - values).sum() / (2 * 3000))

    energies = [energy(total_variation(values, strength=3000, steps=steps)) for steps in (1, 10, 50, 500)]
    assert sorted(energies, reverse=True) == energies
    assert energies[2] < 1.01 * energies[3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "spacing"), [((9, 14, 17), (2.5, 1, 1.5)), ((30, 41), (1, 3)), ((9, 14, 17), None)])
def test_equals_the_formula_with_a_mask_and_long_voxels(
    shape: tuple[int, ...], spacing: tuple[float, ...] | None, dtype: type
) -> None:
    inside = gaussian_filter(np.random.default_rng(1).normal(size=shape), 1) > -0.1
    values = np.where(inside, _material(shape).astype(dtype), np.nan)
    filtered = total_variation(values, strength=4000, steps=12, inside=inside, spacing=spacing)
    sizes = spacing or (1,) * len(shape)
    expected = _reference(
        np.nan_to_num(values.astype(np.float64)), 4000, 12, inside, tuple(min(sizes) / size for size in sizes)
    )
    np.testing.assert_allclose(filtered[inside], expected[inside], rtol=0, atol=0.1)
    assert np.isnan(filtered[~inside]).all()


@given(windows(), st.sampled_from(["f4", "f8", "u2"]), st.integers(1, 4), st.booleans(), st.booleans())
def test_blocks_equal_the_whole(window: Any, dtype: str, steps: int, masked: bool, long_voxels: bool) -> None:
    shape, _ = window
    values = _material(shape, seed=3).astype(dtype)
    inside = np.random.default_rng(5).random(shape) > 0.2 if masked else None
    if inside is not None:
        inside[shape[0] // 2 :] = True  # some blocks have a mask, others none
    spacing = (2.0, 1.0, 1.5)[-len(shape) :] if long_voxels else None
    strengths = {"strength": 4000.0, "steps": steps}
    assert_blocks_equal_whole(total_variation, halo, values, strengths, inside, window, spacing)


@given(
    nps.arrays(
        "f4", nps.array_shapes(min_dims=2, max_dims=3, max_side=6), elements=st.floats(-(2.0**100), 2.0**100, width=32)
    )
)
def test_no_voxel_leaves_the_range(values: NDArray[Any]) -> None:
    filtered = total_variation(values, strength=1.0)
    assert filtered.min() >= values.min()
    assert filtered.max() <= values.max()


@pytest.mark.parametrize("dtype", DTYPES_OF_FILTERS)
def test_keeps_dtypes_and_constants(dtype: str) -> None:
    constant = np.full((4, 5, 6), np.array(1 if dtype == "?" else 100, dtype))
    filtered = total_variation(constant, strength=3)
    assert filtered.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(filtered, constant)


def test_keeps_whole_numbers_that_floats_do_not_hold() -> None:
    constant = np.full((4, 5), 2**60 + 1)
    np.testing.assert_array_equal(total_variation(constant, strength=3), constant)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f4", "<i4"])
def test_layouts_are_alike(layout: str, dtype: str) -> None:
    values = _material((7, 8, 9)).astype(dtype)
    np.testing.assert_array_equal(
        total_variation(LAYOUTS[layout](values), strength=4000),
        total_variation(values.astype(dtype[1:]), strength=4000),
    )


def test_whole_numbers_are_rounded() -> None:
    values = np.rint(_material((12, 13)))
    filtered = total_variation(values.astype(np.uint16), strength=4000)
    np.testing.assert_array_equal(filtered, np.rint(total_variation(values.astype(np.float32), strength=4000)))


def test_a_single_slice_is_an_image() -> None:
    values = _material((20, 21))
    np.testing.assert_array_equal(
        total_variation(values[None], strength=4000)[0], total_variation(values, strength=4000)
    )


def test_what_is_outside_has_no_influence() -> None:
    values, inside = _material((6, 12, 13)).astype(np.float32), np.ones((6, 12, 13), np.bool_)
    inside[2:4, 5:9, 3:7] = False
    spoiled = np.where(inside, values, np.float32(np.inf))
    filtered = total_variation(values, strength=4000, inside=inside)
    np.testing.assert_array_equal(filtered[inside], total_variation(spoiled, strength=4000)[inside])
    np.testing.assert_array_equal(filtered[~inside], values[~inside])
    nothing = total_variation(values, strength=4000, inside=np.zeros_like(inside))
    np.testing.assert_array_equal(nothing, values)


def test_threads_do_not_change_a_bit() -> None:
    values = _material((30, 140, 150)).astype(np.float32)
    one = total_variation(values, strength=4000, threads=1)
    np.testing.assert_array_equal(one, total_variation(values, strength=4000, threads=3))


def test_instruction_sets_do_not_change_a_bit() -> None:
    script = SCRIPT_OF_BITS.format(module="total_variation", name="total_variation", strengths="strength=4000")
    digests = {digest_on(script, wish)[1] for wish in ("baseline", "avx2", None)}
    assert len(digests) == 1


@pytest.mark.parametrize("strength", [0, -1.0, np.nan, np.inf, "1", True])
def test_refuses_strengths(strength: Any) -> None:
    with pytest.raises(ParameterError, match=r"strength is .*; give a positive number"):
        total_variation(np.zeros((3, 3)), strength=strength)


@pytest.mark.parametrize("steps", [0, 501, 2.0, True])
def test_refuses_steps(steps: Any) -> None:
    with pytest.raises(ParameterError, match=r"steps is .*; give an integer from 1 to 500"):
        total_variation(np.zeros((3, 3)), strength=1, steps=steps)
    with pytest.raises(ParameterError, match="steps is"):
        halo(3, strength=1, steps=steps)


@pytest.mark.parametrize("spacing", [(1,), (1, 0), (1, -2), (1, np.nan)])
def test_refuses_spacings(spacing: Any) -> None:
    with pytest.raises(ParameterError, match="2 positive numbers"):
        total_variation(np.zeros((3, 3)), strength=1, spacing=spacing)


def test_refuses_images() -> None:
    with pytest.raises(DataError, match="2 or 3 axes"):
        total_variation(np.zeros(5), strength=1)
    with pytest.raises(DataError, match="the mask has shape"):
        total_variation(np.zeros((3, 3)), strength=1, inside=np.ones((3, 4), np.bool_))
    with pytest.raises(DataTypeError, match="give bool"):
        total_variation(np.zeros((3, 3)), strength=1, inside=np.ones((3, 3)))  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="complex128"):
        total_variation(np.zeros((3, 3), np.complex128), strength=1)


def test_suits_the_strength_to_noise() -> None:
    assert strength_for(1000) == 600
