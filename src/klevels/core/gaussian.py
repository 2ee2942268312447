"""The Gaussian filter, by SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.volumes import Floats, as_volume, check_strength, closeness_of
from klevels.core.voxels import count_threads
from klevels.errors import MissingDependencyError, ParameterError

STRENGTH = 1.0
TRUNCATE = 4.0
SLAB = 1 << 20
"""Voxels that a thread takes at a time."""

Window = tuple[slice, ...]


def gaussian(
    values: NDArray[Any],
    *,
    strength: float,
    inside: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Smooth an image with a Gaussian.

    Parameters
    ----------
    values : ndarray, 2-D or 3-D
        Of any dtype that klevels takes.
    strength : float
        The standard deviation of the Gaussian, in voxels of the finest axis.
    inside : ndarray of bool, optional
        Where voxels count. All others keep their value, and have no weight. NaN and infinite voxels are outside in any
        case.
    spacing : sequence of float, optional
        The size of a voxel along each axis, in any unit; equal by default.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    ndarray
        Of the shape and dtype of `values`.

    Raises
    ------
    ParameterError
        If the strength is not positive, or four times as much is more than the image has along an axis, or the spacing
        does not fit.
    DataError
        If the image is empty or has not two or three axes, or the mask has another shape.
    DataTypeError
        If klevels does not take the dtype.
    MissingDependencyError
        If SciPy is not installed.

    Notes
    -----
    One axis after the other, cut off at four standard deviations; beyond its ends the image is mirrored. With a mask,
    the smoothed image is divided by the smoothed mask [1]_. Computed in float64.

    References
    ----------
    .. [1] H. Knutsson and C.-F. Westin, "Normalized and differential convolution", Proc. IEEE CVPR, 1993.

    Examples
    --------
    >>> image = np.zeros((3, 7), np.uint8)
    >>> image[1, 3] = 100
    >>> gaussian(image, strength=0.6)
    array([[ 0,  0,  3, 11,  3,  0,  0],
           [ 0,  0, 11, 44, 11,  0,  0],
           [ 0,  0,  3, 11,  3,  0,  0]], dtype=uint8)
    """
    sigma, n_threads = check_strength(strength), count_threads(threads)
    volume = as_volume(values, inside=inside, spacing=spacing)
    out, reach = np.empty_like(volume.floats), _reach(sigma, volume.closeness)
    for name, side, radius in zip("zyx", volume.floats.shape, reach, strict=True):
        if radius > side > 1:
            raise ParameterError(
                f"a strength of {sigma:g} reaches {radius} voxels, but the image has {side} along {name}; "
                "use a smaller strength"
            )
    sigmas = [sigma * near if side > 1 else 0.0 for near, side in zip(volume.closeness, out.shape, strict=True)]
    ndimage = _ndimage()

    def smooth(slab: Slab) -> None:
        counts = None if volume.inside is None else volume.inside[slab.wide]
        out[slab.own] = _smoothed(ndimage, volume.floats[slab.wide], counts, sigmas, slab.crop)

    slabs = _slabs(volume.floats.shape, reach)
    if min(n_threads, len(slabs)) == 1:
        for slab in slabs:
            smooth(slab)
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(smooth, slabs))
    return volume.restored(out)


def halo(ndim: int, *, strength: float, spacing: Sequence[float] | None = None) -> tuple[int, ...]:
    """Return how far along each axis the result looks.

    Parameters
    ----------
    ndim : int
        How many axes the image has.
    strength : float
        As for `gaussian`.
    spacing : sequence of float, optional
        As for `gaussian`.

    Returns
    -------
    tuple of int
        Four standard deviations, rounded.

    Raises
    ------
    ParameterError
        As `gaussian` does.
    """
    return _reach(check_strength(strength), closeness_of(ndim, spacing))


def strength_for(noise: float) -> float:
    """Return a strength that suits an image.

    Parameters
    ----------
    noise : float
        Its noise, in gray values: it does not matter here, where the strength is a length.

    Returns
    -------
    float
        One voxel: most of the noise goes, and of the edges little.
    """
    del noise
    return STRENGTH


def _reach(sigma: float, closeness: Sequence[float]) -> tuple[int, ...]:
    return tuple(int(TRUNCATE * sigma * near + 0.5) for near in closeness)


@dataclass(frozen=True, slots=True)
class Slab:
    """A part of the image, that with all that it looks at, and where in this it lies."""

    own: Window
    wide: Window
    crop: Window


def _slabs(shape: tuple[int, ...], reach: tuple[int, ...]) -> list[Slab]:
    """Cut along the first axis that there is."""
    cut = next((axis for axis in range(3) if shape[axis] > 1), 0)
    n, radius, before = shape[cut], reach[cut], (slice(None),) * cut
    thick = max(4 * radius, SLAB * n // math.prod(shape), 1)
    slabs = []
    for start in range(0, n, thick):
        stop = min(start + thick, n)
        first, last = max(0, start - radius), min(n, stop + radius)
        slabs.append(
            Slab(
                (*before, slice(start, stop)),
                (*before, slice(first, last)),
                (*before, slice(start - first, stop - first)),
            )
        )
    return slabs


def _smoothed(
    ndimage: Any, values: Floats, inside: NDArray[np.bool_] | None, sigmas: Sequence[float], crop: Window
) -> NDArray[np.float64]:
    """Divide by the smoothed mask; without one by the weight of all voxels, which inside is the same to the bit."""

    def along_axes(array: NDArray[Any], smooth: Callable[[NDArray[Any], int], NDArray[Any]]) -> NDArray[Any]:
        for axis in range(3):
            if sigmas[axis] > 0:
                array = smooth(array, axis)
            if axis == len(crop) - 1:  # what lies around the slab along its axis is not looked at anymore
                array = array[crop]
        return array

    def mean(array: NDArray[Any], axis: int) -> Any:
        return ndimage.gaussian_filter1d(array, sigmas[axis], axis, mode="reflect", truncate=TRUNCATE)

    given = values.astype(np.float64)
    if inside is None:
        weight = np.ones((1, 1, 1))
        for axis in range(3):
            weight = mean(weight, axis) if sigmas[axis] > 0 else weight
        smoothed = along_axes(given, mean) / weight
    else:
        given[~inside] = 0
        weight = along_axes(inside.astype(np.float64), mean)
        weight[~inside[crop]] = 1  # not 0
        smoothed = along_axes(given, mean) / weight
    if values.dtype == np.float64:  # which a rounded sum of rounded weights could leave
        sizes = [2 * radius + 1 for radius in _reach(1.0, sigmas)]

        def least(array: NDArray[Any], axis: int) -> Any:
            return ndimage.minimum_filter1d(array, sizes[axis], axis)

        for sign in (1, -1):  # the greatest is the least of the negative
            known = sign * values if inside is None else np.where(inside, sign * values, math.inf)
            smoothed = np.maximum(smoothed * sign, along_axes(known, least)) * sign
    return smoothed


def _ndimage() -> Any:
    try:
        from scipy import ndimage
    except ImportError as error:
        raise MissingDependencyError("the Gaussian filter needs SciPy; pip install 'klevels[denoise]'") from error
    return ndimage
