"""How strong the noise of an image is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.volumes import as_volume
from klevels.errors import DataError

FEWEST = 8
MOST = 1 << 22
FLATTEST = 0.3
WINDOW = 16
COARSE = 0.5
"""Along an axis that is farther than this from the finest, neighbors tell of the material, not of noise."""
MEDIAN = 0.6744897501960817
"""Of the absolute value of a standard normal variable."""
LEAST_RATIO = 0.25
"""Of ripples to slopes; for white noise it is about 0.6."""
MOST_ALIKE = 0.05
STEPS_OF_FAINT_NOISE = 4

Pattern = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]


def estimate_noise(
    values: NDArray[Any], *, inside: NDArray[np.bool_] | None = None, spacing: Sequence[float] | None = None
) -> float:
    """Estimate the standard deviation of additive noise.

    Parameters
    ----------
    values : ndarray, 2-D or 3-D
        Of any dtype that klevels takes.
    inside : ndarray of bool, optional
        Where voxels count; NaN and infinite ones do not.
    spacing : sequence of float, optional
        The size of a voxel along each axis, in any unit; equal by default.

    Returns
    -------
    float
        In gray values; 0 for a constant image.

    Raises
    ------
    DataError
        If fewer than 8 voxels have all their neighbors inside.
    DataTypeError
        If klevels does not take the dtype.
    ParameterError
        If the spacing does not fit.

    Notes
    -----
    Each voxel and its neighbors, 3 x 3 or 3 x 3 x 3, are weighted with the product of (1, -2, 1) along the axes, which
    sees noise and no slopes [1]_. Where Prewitt's gradient of the same voxels is among the least three tenths, edges
    are far: its weights are odd, those for noise even, so that for white noise the choice of flat places does not favor
    small values. The median of the absolute values there [2]_, over 0.6745, is the estimate.

    Neighborhoods of equal voxels, as in margins that a scanner fills, are left out, unless they are most of the image
    and what is left looks like edges between labels. Noise fainter than a step between gray levels is measured by the
    root mean square, where neighbors differ by at most four steps; the error of rounding is a part of it.

    The noise is taken to be white: what a reconstruction has smoothed is underestimated. Axes along which voxels are
    more than twice as long as along the finest are left out. Of more than four million voxels, slabs that lie evenly
    apart are looked at.

    References
    ----------
    .. [1] J. Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding 64(2), 1996.
    .. [2] D. L. Donoho and I. M. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81(3), 1994.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 5, (200, 200))
    >>> round(estimate_noise(100 + noise), 1)
    5.0
    """
    volume = as_volume(values, inside=inside, spacing=spacing)
    lengths = volume.floats.shape
    axes = tuple(axis for axis in range(3) if lengths[axis] > 2 and volume.closeness[axis] >= COARSE)
    parts = list(_parts(volume.floats, volume.inside, axes)) if axes else []
    ripples = np.concatenate([part.ripples for part in parts] or [np.empty(0)])
    if ripples.size < FEWEST:
        raise DataError(
            f"the image of shape {values.shape} has {ripples.size} voxels with all neighbors inside; "
            f"give at least {FEWEST} to estimate noise"
        )
    slopes, unequal = np.concatenate([part.slopes for part in parts]), np.concatenate([part.unequal for part in parts])
    if not unequal.any():
        return 0.0
    grid = 1.0 if values.dtype.kind in "biu" else min(part.grid for part in parts)
    noise, is_noise = _of_flat_places(ripples[unequal], slopes[unequal], grid / math.sqrt(6) ** len(axes))
    if not is_noise and 2 * np.count_nonzero(unequal) < unequal.size:
        return 0.0
    if noise >= grid:
        return float(noise)
    spans = np.concatenate([part.spans() for part in parts])
    faint = ripples[spans <= STEPS_OF_FAINT_NOISE * grid]
    return math.sqrt(float(np.mean(np.square(faint, dtype=np.float64)))) if faint.size >= FEWEST else 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """Voxels of which all neighbors are inside."""

    ripples: NDArray[Any]
    """What is neither flat nor a slope: of the noise's standard deviation."""
    slopes: NDArray[Any]
    """Squared gradients."""
    unequal: NDArray[np.bool_]
    """Where not all neighbors are equal."""
    grid: float
    """The smallest difference of neighbors that are not equal."""
    spans: Callable[[], NDArray[Any]]
    """How far the greatest neighbor is from the least."""


def _parts(values: NDArray[Any], inside: NDArray[np.bool_] | None, axes: tuple[int, ...]) -> Iterator[_Part]:
    """Look at slabs, all of them where they are not too many."""
    cut = max(axes, key=lambda axis: (values.shape[axis] > WINDOW, -axis))
    starts = np.arange(1, values.shape[cut] - 1, WINDOW)
    n_slabs = max(1, min(len(starts), MOST * len(starts) // values.size))
    for start in starts[np.linspace(0, len(starts) - 1, n_slabs).round().astype(int)].tolist():
        slab = (slice(None),) * cut + (slice(start - 1, start + WINDOW + 1),)
        yield _part(values[slab], None if inside is None else inside[slab], axes)


def _part(values: NDArray[Any], inside: NDArray[np.bool_] | None, axes: tuple[int, ...]) -> _Part:
    if inside is None:
        counts: Any = ...
    else:
        values = np.where(inside, values, values.dtype.type(0))
        counts = _along(inside, axes, lambda before, here, after: before & here & after)
    norm = 1 / math.sqrt(6) ** len(axes)
    ripples = np.abs(_along(values, axes, lambda before, here, after: (before - here) + (after - here)) * norm)
    slopes = np.zeros_like(ripples)
    for axis in axes:
        smoothed = _along(
            values, [other for other in axes if other != axis], lambda *three: three[0] + three[1] + three[2]
        )
        slopes += _along(smoothed, [axis], lambda before, _, after: after - before) ** 2
    slopes *= 1 / (2 * 3 ** (len(axes) - 1))
    ripples, slopes = ripples[counts].ravel(), slopes[counts].ravel()

    def spans() -> NDArray[Any]:
        most = _along(values, axes, lambda *three: reduce(np.maximum, three))
        least = _along(values, axes, lambda *three: reduce(np.minimum, three))
        return np.ravel((most - least)[counts])

    unequal = (ripples > 0) | (slopes > 0)
    return _Part(ripples, slopes, unequal, min(_finest_step(values, inside, axis) for axis in axes), spans)


def _finest_step(values: NDArray[Any], inside: NDArray[np.bool_] | None, axis: int) -> float:
    steps = np.abs(np.diff(values, axis=axis))
    if inside is not None:  # differences of bools: whether one of two is outside
        steps[np.diff(inside, axis=axis)] = 0
    return float(steps.min(where=steps > 0, initial=np.inf))


def _along(values: NDArray[Any], axes: Sequence[int], pattern: Pattern) -> NDArray[Any]:
    """Combine each voxel with its neighbors along some axes, one after the other; the outermost voxels have none."""
    for axis in axes:
        n, before = values.shape[axis], (slice(None),) * axis
        three = [values[(*before, slice(i, n - 2 + i))] for i in range(3)]
        values = pattern(*three)
    return values


def _of_flat_places(ripples: NDArray[Any], slopes: NDArray[Any], grid: float) -> tuple[float, bool]:
    """Return the noise, and whether it is: not slopes by far, and all alike."""
    n = max(min(FEWEST, ripples.size), math.ceil(FLATTEST * ripples.size))
    bound = float(np.partition(slopes, n - 1)[n - 1])
    flat = ripples[slopes <= bound]
    middle = float(np.median(flat))
    n_equal = int(np.count_nonzero(np.abs(flat - middle) < grid / 4))
    is_noise = middle >= LEAST_RATIO * math.sqrt(bound) or n_equal <= MOST_ALIKE * flat.size
    if n_equal:  # whole numbers stand for all between them
        share = (flat.size / 2 - np.count_nonzero(flat < middle - grid / 4)) / n_equal
        middle = grid / 2 * share if middle < grid / 4 else middle + grid * (share - 0.5)
    return middle / MEDIAN, is_noise
