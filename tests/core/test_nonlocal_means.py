"""Non-local means is its formula, and errs less than scikit-image's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from klevels.core.nonlocal_means import halo, nonlocal_means, strength_for
from klevels.errors import ParameterError
from klevels.samples import simulate_phases

Floats = NDArray[np.float64]


def _reference(
    values: NDArray[Any],
    weights: Floats,
    search: Sequence[int],
    *,
    strength: float,
    noise: float = 0.0,
    inside: NDArray[np.bool_] | None = None,
    cutoff: float = np.inf,
) -> Floats:
    """Non-local means by its formula; `weights` are those of the voxels of a patch."""
    patch = [side // 2 for side in weights.shape]
    reach = [near + far for near, far in zip(patch, search, strict=True)]
    mask = np.isfinite(values) if inside is None else inside & np.isfinite(values)
    padding = [(r, r) for r in reach]
    padded = np.pad(np.where(mask, values, 0).astype(np.float64), padding, mode="symmetric")
    counts = np.pad(mask, padding, mode="symmetric").astype(np.float64)

    def shifted(array: Floats, offset: Sequence[int]) -> Floats:
        return array[tuple(slice(r + o, r + o + n) for r, o, n in zip(reach, offset, values.shape, strict=True))]

    total, norm = np.zeros(values.shape), np.zeros(values.shape)
    for t in itertools.product(*(range(-r, r + 1) for r in search)):
        squares, pairs = np.zeros(values.shape), np.zeros(values.shape)
        for at, weight in np.ndenumerate(weights):
            u = [i - r for i, r in zip(at, patch, strict=True)]
            v = [a + b for a, b in zip(u, t, strict=True)]
            both = weight * shifted(counts, u) * shifted(counts, v)
            squares += both * (shifted(padded, u) - shifted(padded, v)) ** 2
            pairs += both
        distance = np.maximum(squares / np.maximum(pairs, 1e-300) - 2 * noise**2, 0) / strength**2
        share = np.where((pairs > 0) & (distance <= cutoff), np.exp(-distance), 0.0) * shifted(counts, t)
        if not any(t):
            share = np.ones(values.shape)
        total += share * shifted(padded, t)
        norm += share
    return np.where(mask, total / norm, values)


def _uniform(patch: Sequence[int]) -> Floats:
    return np.ones([2 * radius + 1 for radius in patch])


@given(
    shape=nps.array_shapes(min_dims=2, max_dims=3, min_side=5, max_side=6),
    patch=st.integers(0, 3),
    search=st.integers(1, 2),
    share=st.sampled_from([1.0, 0.9, 0.3]),
    strength=st.floats(3, 300),
    noise=st.floats(0, 15),
    code=st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8"]),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_formula(
    shape: tuple[int, ...],
    patch: int,
    search: int,
    share: float,
    strength: float,
    noise: float,
    code: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    image = (rng.integers(0, 2, shape) * 50 + rng.normal(100, 10, shape)).clip(0, 255).astype(code)
    inside = rng.random(shape) < share
    result = nonlocal_means(image, strength=strength, noise=noise, patch=patch, search=search, inside=inside)
    radii = [search] * len(shape)
    expected = _reference(image, _uniform([patch] * len(shape)), radii, strength=strength, noise=noise, inside=inside)
    np.testing.assert_allclose(result, expected, atol=(0.5 if image.dtype.kind in "iu" else 0) + 2e-3)


@pytest.mark.parametrize(
    ("spacing", "patch", "search"),
    [
        ((1.0, 1.0, 1.0), (1, 1, 1), (2, 2, 2)),
        ((0.1, 0.05, 0.05), (0, 1, 1), (1, 2, 2)),  # half of 1 is rounded to 0
        ((1.0, 3.0, 1.5), (1, 0, 1), (2, 1, 1)),
        ((1.0, 9.0, 9.0), (1, 0, 0), (2, 0, 0)),
    ],
)
def test_radii_shrink_along_coarse_axes(
    spacing: tuple[float, ...], patch: tuple[int, ...], search: tuple[int, ...]
) -> None:
    image = np.random.default_rng(0).normal(100, 10, (8, 9, 7))
    expected = _reference(image, _uniform(patch), search, strength=12.0, noise=3.0)
    result = nonlocal_means(image, strength=12.0, noise=3.0, search=2, spacing=spacing)
    np.testing.assert_allclose(result, expected, atol=1e-3)
    assert halo(3, search=2, spacing=spacing) == tuple(s + max(s, p) for s, p in zip(search, patch, strict=True))


def test_a_great_strength_gives_the_mean_of_the_window() -> None:
    image = np.random.default_rng(0).normal(100, 10, (9, 9, 9))
    padded = np.pad(image, 3, mode="symmetric")
    expected = np.lib.stride_tricks.sliding_window_view(padded, (7, 7, 7)).mean(axis=(3, 4, 5))
    np.testing.assert_allclose(nonlocal_means(image, strength=1e9), expected, rtol=1e-6)
    np.testing.assert_allclose(nonlocal_means(image, strength=1.0, noise=1e9), expected, rtol=1e-6)


def test_nan_and_infinite_voxels_are_left_out() -> None:
    image = np.random.default_rng(0).normal(100, 10, (8, 9, 10))
    image[2, 3, 4], image[5, 5, 5], image[0, 0, 0] = np.nan, np.inf, -np.inf
    expected = _reference(image, _uniform((1, 1, 1)), (2, 2, 2), strength=12.0)
    np.testing.assert_allclose(nonlocal_means(image, strength=12.0, search=2), expected, atol=1e-3)


def _gaussian(radius: int, ndim: int) -> Floats:
    line = np.arange(-radius, radius + 1) ** 2
    width = 2 * (2 * radius / 4) ** 2  # as scikit-image has it
    weights: Floats = np.exp(-sum(np.meshgrid(*[line] * ndim)) / width)
    return weights


@pytest.mark.parametrize(("shape", "radius"), [((30, 32), 1), ((30, 32), 3), ((13, 14, 15), 1)])
def test_the_reference_with_weights_in_the_patch_is_the_slow_mode(shape: tuple[int, ...], radius: int) -> None:
    # So a Gaussian weight within the patch is what parts ours from theirs, besides the ends and weights below exp(-5).
    image = simulate_phases(shape, noise=4000, length=6).image.data.reshape(shape).astype(np.float64)
    arguments = {"patch_size": 2 * radius + 1, "patch_distance": 2, "h": 3000.0, "sigma": 4000.0}
    slow = denoise_nl_means(image, fast_mode=False, preserve_range=True, **arguments)
    ours = _reference(image, _gaussian(radius, len(shape)), [2] * len(shape), strength=3000.0, noise=4000.0, cutoff=5.0)
    middle = tuple(slice(radius + 2, -radius - 2) for _ in shape)
    np.testing.assert_allclose(ours[middle], slow[middle], atol=0.05 * 4000)  # their exponential is a rough one


@pytest.mark.parametrize("noise", [2000, 4000, 8000])
def test_errs_less_than_scikit_image(noise: int) -> None:
    scan = simulate_phases((32, 32, 32), noise=noise, length=6)
    truth = simulate_phases((32, 32, 32), noise=0, length=6).image.data.astype(np.float64)
    image, h = scan.image.data, strength_for(noise)

    def error(denoised: NDArray[Any]) -> float:
        return float(np.sqrt(((denoised - truth) ** 2).mean()) / noise)

    ours = nonlocal_means(image, strength=h, noise=noise)
    theirs = {"patch_size": 3, "patch_distance": 3, "h": h, "sigma": noise, "preserve_range": True}
    fast = denoise_nl_means(image.astype(np.float64), fast_mode=True, **theirs)
    slow = denoise_nl_means(image.astype(np.float64), fast_mode=False, **theirs)
    assert error(ours) < error(fast)
    assert error(ours) < error(slow)
    # Both modes compare fewer voxels than a patch has, and so remove less: the noise that is left parts the results.
    assert np.sqrt(((ours - slow) ** 2).mean()) < 0.55 * noise
    assert np.sqrt(((ours - fast) ** 2).mean()) < 0.5 * noise


@pytest.mark.parametrize("noise", [2000, 4000, 8000])
def test_the_default_strength_is_near_the_best(noise: int) -> None:
    image = simulate_phases((48, 48, 48), noise=noise, length=6, seed=3).image.data
    truth = simulate_phases((48, 48, 48), noise=0, length=6, seed=3).image.data.astype(np.float64)
    errors = [
        float(((nonlocal_means(image, strength=factor * strength_for(noise), noise=noise) - truth) ** 2).mean())
        for factor in (0.1, 0.5, 1.0, 4.0)
    ]
    assert min(errors) == errors[2]


def test_bad_parameters_are_refused() -> None:
    image = np.zeros((20, 5), np.uint8)
    with pytest.raises(ParameterError, match="noise is -1; give 0 or a number above, in gray values"):
        nonlocal_means(image, strength=1.0, noise=-1, search=1)
    for bad in (-1, 4, 1.5):
        with pytest.raises(ParameterError, match=f"patch is {bad}; give an integer from 0 to 3, in voxels"):
            nonlocal_means(image, strength=1.0, patch=bad, search=1)  # type: ignore[arg-type]
    for bad in (0, 11, 1.5):
        with pytest.raises(ParameterError, match=f"search is {bad}; give an integer from 1 to 10, in voxels"):
            nonlocal_means(image, strength=1.0, search=bad)  # type: ignore[arg-type]
    message = r"a window of 7 voxels is larger than the image along x \(5\); use a smaller search"
    with pytest.raises(ParameterError, match=message):
        nonlocal_means(image, strength=1.0)
    with pytest.raises(ParameterError, match=r"along y \(5\)"):
        nonlocal_means(np.zeros((9, 5, 9)), strength=1.0)
    with pytest.raises(ParameterError, match="strength is 0; give a number above 0"):
        halo(3, strength=0)
    with pytest.raises(ParameterError, match="search is 0"):
        halo(3, search=0)
    with pytest.raises(ParameterError, match="noise is -1"):
        strength_for(-1)
