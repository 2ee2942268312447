"""Diffusion is ITK's scheme where ITK has one, keeps to the mask, and does not know where blocks end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import klevels
from filtering import DTYPES_OF_FILTERS, SCRIPT_OF_BITS, assert_blocks_equal_whole, windows
from instruction_sets import digest_on
from klevels.core.diffusion import diffusion, halo, strength_for
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.samples import simulate_phases
from strategies import LAYOUTS

Floats = NDArray[np.float64]


def _material(shape: tuple[int, ...], noise: float = 2000.0, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return gaussian_filter(rng.normal(size=shape), 2) * 5e4 + 30000 + rng.normal(size=shape) * noise


def _root_mean_square_gradient(values: NDArray[Any]) -> float:
    padded, squares = np.pad(values.astype(np.float64), 1, mode="edge"), 0.0
    for axis in range(values.ndim):
        halves = (np.roll(padded, -1, axis) - np.roll(padded, 1, axis)) / 2
        squares += float((halves[(slice(1, -1),) * values.ndim] ** 2).mean())
    return squares**0.5


def _by_itk(values: NDArray[Any], strength: float, steps: int) -> NDArray[Any]:
    """One step at a time, because ITK measures the gradient anew in each."""
    out = values.astype(np.float32)
    for _ in range(steps):
        itk = sitk.CurvatureAnisotropicDiffusionImageFilter()
        itk.SetNumberOfIterations(1)
        itk.SetTimeStep(0.5 / 2**values.ndim)
        itk.SetConductanceParameter(strength / _root_mean_square_gradient(out))
        out = sitk.GetArrayFromImage(itk.Execute(sitk.GetImageFromArray(out)))
    return out


@np.errstate(under="ignore")
def _reference(
    values: Floats, strength: float, steps: int, inside: NDArray[np.bool_], closeness: tuple[float, ...]
) -> Floats:
    """The scheme with whole arrays, in float64; differences over the mask's border are zero."""
    ndim = values.ndim
    out = values.copy()
    shifts = [tuple(int(i == axis) for i in range(ndim)) for axis in range(ndim)]

    def moved(array: NDArray[Any], axis: int, by: int) -> NDArray[Any]:
        n = array.shape[axis]
        return np.take(array, np.clip(np.arange(n) + by, 0, n - 1), axis)

    def ahead(axis: int) -> Floats:
        d = (moved(out, axis, 1) - out) * (moved(inside, axis, 1) & inside)
        return np.asarray(d * closeness[axis])

    def behind(array: Floats, axis: int) -> Floats:
        before = moved(array, axis, -1)
        before[(slice(None),) * axis + (0,)] = 0
        return before

    for _ in range(steps):
        forward = [ahead(axis) for axis in range(ndim)]
        backward = [behind(forward[axis], axis) for axis in range(ndim)]
        central = [(f + b) / 2 for f, b in zip(forward, backward, strict=True)]
        speed = np.zeros_like(out)
        for axis in range(len(shifts)):
            square = forward[axis] ** 2
            for other in set(range(ndim)) - {axis}:
                square = square + ((central[other] + moved(central[other], axis, 1)) / 2) ** 2
            flow = forward[axis] * np.exp(-square / (2 * strength**2)) / np.sqrt(square + 2e-12 * strength**2)
            speed += closeness[axis] * (flow - behind(flow, axis))
        pull = np.zeros_like(out)
        for f, b in zip(forward, backward, strict=True):
            rising = np.minimum(b, 0) ** 2 + np.maximum(f, 0) ** 2
            pull += np.where(speed > 0, rising, np.maximum(b, 0) ** 2 + np.minimum(f, 0) ** 2)
        out = out + 0.5 / 2**ndim * np.sqrt(pull) * speed
    return out


@pytest.mark.parametrize("shape", [(20, 24, 31), (50, 70)])
@pytest.mark.parametrize("strength", [1000.0, 5000.0, 20000.0])
def test_equals_itk(shape: tuple[int, ...], strength: float) -> None:
    values = _material(shape).astype(np.float32)
    filtered = diffusion(values, strength=strength, steps=5)
    np.testing.assert_allclose(filtered, _by_itk(values, strength, 5), rtol=0, atol=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "spacing"), [((9, 14, 17), (2.5, 1, 1.5)), ((30, 41), (1, 3)), ((9, 14, 17), None)])
def test_equals_the_formula_with_a_mask_and_long_voxels(
    shape: tuple[int, ...], spacing: tuple[float, ...] | None, dtype: type
) -> None:
    inside = gaussian_filter(np.random.default_rng(1).normal(size=shape), 1) > -0.1
    values = np.where(inside, _material(shape).astype(dtype), np.nan)
    filtered = diffusion(values, strength=4000, steps=3, inside=inside, spacing=spacing)
    sizes = spacing or (1,) * len(shape)
    expected = _reference(
        np.nan_to_num(values.astype(np.float64)), 4000, 3, inside, tuple(min(sizes) / size for size in sizes)
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
    assert_blocks_equal_whole(diffusion, halo, values, strengths, inside, window, spacing)


@given(
    nps.arrays(
        "f4", nps.array_shapes(min_dims=2, max_dims=3, max_side=6), elements=st.floats(-(2.0**100), 2.0**100, width=32)
    )
)
def test_no_voxel_leaves_the_range(values: NDArray[Any]) -> None:
    filtered = diffusion(values, strength=1.0)
    assert filtered.min() >= values.min()
    assert filtered.max() <= values.max()


@pytest.mark.parametrize("dtype", DTYPES_OF_FILTERS)
def test_keeps_dtypes_and_constants(dtype: str) -> None:
    constant = np.full((4, 5, 6), np.array(1 if dtype == "?" else 100, dtype))
    filtered = diffusion(constant, strength=3)
    assert filtered.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(filtered, constant)


def test_keeps_whole_numbers_that_floats_do_not_hold() -> None:
    constant = np.full((4, 5), 2**60 + 1)
    np.testing.assert_array_equal(diffusion(constant, strength=3), constant)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f4", "<i4"])
def test_layouts_are_alike(layout: str, dtype: str) -> None:
    values = _material((7, 8, 9)).astype(dtype)
    filtered = diffusion(LAYOUTS[layout](values), strength=4000)
    np.testing.assert_array_equal(filtered, diffusion(values.astype(dtype[1:]), strength=4000))


def test_whole_numbers_are_rounded() -> None:
    values = np.rint(_material((12, 13)))
    filtered = diffusion(values.astype(np.uint16), strength=4000)
    np.testing.assert_array_equal(filtered, np.rint(diffusion(values.astype(np.float32), strength=4000)))


def test_a_single_slice_is_an_image() -> None:
    values = _material((20, 21))
    filtered = diffusion(values[None], strength=4000)
    np.testing.assert_array_equal(filtered[0], diffusion(values, strength=4000))


def test_what_is_outside_has_no_influence() -> None:
    values, inside = _material((6, 12, 13)).astype(np.float32), np.ones((6, 12, 13), np.bool_)
    inside[2:4, 5:9, 3:7] = False
    spoiled = np.where(inside, values, np.float32(np.inf))
    filtered = diffusion(values, strength=4000, inside=inside)
    np.testing.assert_array_equal(filtered[inside], diffusion(spoiled, strength=4000)[inside])
    np.testing.assert_array_equal(filtered[~inside], values[~inside])
    nothing = diffusion(values, strength=4000, inside=np.zeros_like(inside))
    np.testing.assert_array_equal(nothing, values)


def test_threads_do_not_change_a_bit() -> None:
    values = _material((30, 140, 150)).astype(np.float32)
    one = diffusion(values, strength=4000, threads=1)
    np.testing.assert_array_equal(one, diffusion(values, strength=4000, threads=3))


def test_instruction_sets_do_not_change_a_bit() -> None:
    script = SCRIPT_OF_BITS.format(module="diffusion", name="diffusion", strengths="strength=4000")
    digests = {digest_on(script, wish)[1] for wish in ("baseline", "avx2", None)}
    assert len(digests) == 1


@pytest.mark.parametrize("strength", [0, -1.0, np.nan, np.inf, "1", True])
def test_refuses_strengths(strength: Any) -> None:
    with pytest.raises(ParameterError, match=r"strength is .*; give a positive number"):
        diffusion(np.zeros((3, 3)), strength=strength)


@pytest.mark.parametrize("steps", [0, 501, 2.0, True])
def test_refuses_steps(steps: Any) -> None:
    with pytest.raises(ParameterError, match=r"steps is .*; give an integer from 1 to 500"):
        diffusion(np.zeros((3, 3)), strength=1, steps=steps)
    with pytest.raises(ParameterError, match="steps is"):
        halo(3, strength=1, steps=steps)


@pytest.mark.parametrize("spacing", [(1,), (1, 0), (1, -2), (1, np.nan)])
def test_refuses_spacings(spacing: Any) -> None:
    with pytest.raises(ParameterError, match="2 positive numbers"):
        diffusion(np.zeros((3, 3)), strength=1, spacing=spacing)


def test_refuses_images() -> None:
    with pytest.raises(DataError, match="2 or 3 axes"):
        diffusion(np.zeros(5), strength=1)
    with pytest.raises(DataError, match="the mask has shape"):
        diffusion(np.zeros((3, 3)), strength=1, inside=np.ones((3, 4), np.bool_))
    with pytest.raises(DataTypeError, match="give bool"):
        diffusion(np.zeros((3, 3)), strength=1, inside=np.ones((3, 3)))  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="complex128"):
        diffusion(np.zeros((3, 3), np.complex128), strength=1)


def test_suits_the_strength_to_noise_and_contrast() -> None:
    assert strength_for(1000) == 2000
    assert strength_for(1000, contrast=10000) == 5200
    scan = simulate_phases((48, 48, 48), noise=4000, length=6)

    def wrong(values: NDArray[Any]) -> float:
        labels = klevels.segment(values, k=3).labels.data
        return float((np.asarray(labels) != scan.truth.data).mean())

    by_noise, by_contrast = (
        wrong(diffusion(scan.image.data, strength=strength_for(4000, contrast))) for contrast in (None, 15000)
    )
    assert by_contrast <= by_noise < wrong(scan.image.data) / 2
