"""A scan with a known truth that is like another: its phases, its blur, its noise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from klevels.core.denoise import Filter
from klevels.core.interiors import interiors
from klevels.core.levels import Levels
from klevels.image import Image

MOST_BLUR = 3.0
COARSE = 0.3
FINE = 0.1
MOST_VOXELS = 1 << 21
"""The blur of the middle part of a larger image stands for the whole."""
LEAST_INTERIOR = 27
"""So many voxels tell the gray value of a phase better than its center does."""


class Likeness(NamedTuple):
    """A simulated scan."""

    image: Image
    blur: float
    """The standard deviation of the Gaussian that it was blurred with, in voxels of the finest axis."""


def simulate_like(
    image: Image,
    inside: NDArray[np.bool_] | None,
    labels: NDArray[Any],
    model: Levels,
    noise: float,
    *,
    seed: int,
    threads: int | None,
) -> Likeness:
    """Simulate a scan of phases that are known, like the scan in which they were found.

    Parameters
    ----------
    image : Image
        The scan, gray and in memory.
    inside : ndarray of bool or None
        Where a voxel counts.
    labels : ndarray of uint8 or uint16
        Its phases: the truth of the simulation.
    model : Levels
        The phases' classes.
    noise : float
        The standard deviation of the scan's noise, in gray values: for white noise where the scan's own would come from
        voxels that do not count.
    seed : int
        Another seed, another place for the noise.
    threads : int or None
        How many threads to use; all processors by default.

    Returns
    -------
    Likeness
        Of the same shape and dtype; voxels that do not count are as they were.

    Notes
    -----
    Each phase is painted the mean gray value of its voxels whose neighbors are of the same phase: the center of a class
    is drawn toward its neighbors by voxels on borders. The picture is blurred by the Gaussian with which it is nearest
    to the scan, in least squares, of those with a standard deviation of 0, 0.1, … 3 voxels. Then the noise is added:
    what the blurred picture leaves of the scan, moved along each axis by a quarter to three quarters of its length, and
    around its ends. So it is as strong, as correlated and as textured as the scan's own, but has nothing to do with the
    phases at its new place. Integers are rounded, and clipped to the range of the dtype.
    """
    counts = labels < model.n_classes
    if inside is not None:
        counts &= inside
    grays = np.append(phase_grays(image.data, labels, model), 0.0)
    painted = grays.astype(np.float32 if image.dtype.itemsize <= 4 else np.float64)[np.minimum(labels, model.n_classes)]
    blur = estimate_blur(image, painted, counts, threads=threads)
    blurred = _blurred(replace(image, data=painted), blur, counts, threads)
    values = blurred + _noise_like(image.data - blurred, counts, noise, seed)
    found = np.where(counts, _as_dtype(values, image.dtype.newbyteorder("=")), image.data)
    return Likeness(replace(image, data=found), blur)


def _noise_like(rest: NDArray[Any], counts: NDArray[np.bool_], noise: float, seed: int) -> NDArray[Any]:
    """Return what a picture of a scan leaves of it, moved elsewhere; white noise where it comes from outside."""
    rng = np.random.default_rng(seed)
    steps = [int(rng.integers(n // 4, n - n // 4)) if n > 3 else 0 for n in rest.shape]
    axes = tuple(range(rest.ndim))
    moved, known = np.roll(rest, steps, axes), np.roll(counts, steps, axes)
    return np.where(known, moved, rng.normal(0.0, noise, rest.shape))


def phase_grays(values: NDArray[Any], labels: NDArray[Any], model: Levels) -> NDArray[np.float64]:
    """Return the gray value of each phase, away from its borders.

    Parameters
    ----------
    values : ndarray
        Gray values.
    labels : ndarray of uint8 or uint16
        The phases.
    model : Levels
        The phases' classes.

    Returns
    -------
    ndarray of float64, shape (n_classes,)
        The mean of the voxels whose neighbors have their label; the center of a class with too few of them.
    """
    inner = interiors(values, labels, model.n_classes)
    found = np.where(inner.counts >= LEAST_INTERIOR, inner.means, model.centers)
    return found if (np.diff(found) > 0).all() else model.centers


def estimate_blur(
    image: Image, painted: NDArray[Any], counts: NDArray[np.bool_], *, threads: int | None = None
) -> float:
    """Return the blur with which a painted segmentation is nearest to the scan that it was found in.

    Parameters
    ----------
    image : Image
        The scan.
    painted : ndarray of float
        The gray value of each voxel's phase.
    counts : ndarray of bool
        Where a voxel counts.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    float
        The standard deviation of a Gaussian, in voxels of the finest axis: a multiple of 0.1 from 0 to 3.
    """
    window = central_window(image.shape, MOST_VOXELS)
    part, shown = replace(image, data=painted[window]), np.ascontiguousarray(counts[window])
    values = image.data[window][shown].astype(np.float64)
    errors: dict[int, float] = {}

    def error(step: int) -> float:
        """Return the mean squared difference at so many fine steps of blur; tries are few, and none is made twice."""
        if step not in errors:
            difference = values - _blurred(part, step * FINE, shown, threads)[shown]
            errors[step] = float(np.mean(difference * difference)) if values.size else 0.0
        return errors[step]

    wide = round(COARSE / FINE)
    last = _last_step(part)
    best = 0
    while best + wide <= last and error(best + wide) < error(best):
        best += wide
    near = range(max(0, best - wide + 1), min(last, best + wide - 1) + 1)
    return round(FINE * min(near, key=lambda step: (error(step), step)), 1)


def central_window(shape: tuple[int, ...], n_voxels: int) -> tuple[slice, ...]:
    """Return the middle part of an image.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    n_voxels : int
        How many it holds at most.

    Returns
    -------
    tuple of slice
        A box with equal sides, but for axes that are shorter; the image itself, if it is small.
    """
    if math.prod(shape) <= n_voxels:
        return tuple(slice(0, n) for n in shape)
    sides, left = list(shape), n_voxels
    for n_left, axis in zip(range(len(shape), 0, -1), sorted(range(len(shape)), key=shape.__getitem__), strict=True):
        sides[axis] = max(1, min(shape[axis], _root(left, n_left)))
        left //= sides[axis]
    return tuple(slice((n - side) // 2, (n - side) // 2 + side) for n, side in zip(shape, sides, strict=True))


def _root(n: int, degree: int) -> int:
    """Return the greatest integer whose power is not above n."""
    found: int = round(n ** (1 / degree))
    return found if found**degree <= n else found - 1


def _last_step(image: Image) -> int:
    """Return the strongest blur whose window fits into the image."""
    last = round(MOST_BLUR / FINE)
    while last > 0:
        halo = Filter("gaussian", last * FINE).halo(image.ndim, image.spacing)
        if all(reach <= side or side == 1 for reach, side in zip(halo, image.shape, strict=True)):
            break
        last -= 1
    return last


def _blurred(image: Image, blur: float, inside: NDArray[np.bool_], threads: int | None) -> NDArray[Any]:
    if blur <= 0:
        values: NDArray[Any] = image.data
        return values
    shown = None if inside.all() else inside
    return Filter("gaussian", blur).apply(image.data, shown, spacing=image.spacing, threads=threads)


def _as_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(dtype)
    if dtype.kind == "b":
        return values >= 0.5
    limits = np.iinfo(dtype)
    # The greatest int64 has no float64 of its own; the next one below is as good.
    high = float(limits.max) if dtype.itemsize < 8 else np.nextafter(float(limits.max), 0.0)
    return np.asarray(np.clip(np.rint(values), float(limits.min), high).astype(dtype))
