"""What non-local means and the bilateral filter share: voxels mixed by how much the patches around them are alike."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _filters
from klevels.core.voxels import check_dtype, count_threads
from klevels.errors import DataError, DataTypeError, ParameterError


@dataclass(frozen=True, slots=True)
class Window:
    """The voxels that one is mixed with, by their offsets; and the patches that are compared."""

    offsets: NDArray[np.int64]
    """Shape (n, ndim): half of them, those that come after the center; the others lie opposite."""
    shares: NDArray[np.float32]
    """The weight at each offset where patches are equal; the center's is 1."""
    patch: tuple[int, ...]
    """Radius of a patch along each axis, up to 3."""


def mix(
    values: NDArray[Any],
    window: Window,
    *,
    strength: float,
    noise: float,
    cutoff: float,
    inside: ArrayLike | None,
    threads: int | None,
) -> NDArray[Any]:
    """Mix each voxel with those of its window, weighed by ``exp(-x)``; x = max(d - 2 noise^2, 0) / strength^2.

    Parameters
    ----------
    values : ndarray
        An image as `as_image` returns it.
    window : Window
        Of as many axes.
    strength, noise : float
        In gray values.
    cutoff : float
        Up to 80; beyond this x the weight is 0.
    inside : array_like of bool or int or None
        Nonzero where voxels count.
    threads : int or None
        How many threads to use.

    Returns
    -------
    ndarray
        A new one; d is the mean over a patch of the squared differences.
    """
    mask = _checked_mask(inside, values.shape)
    n_threads = count_threads(threads)
    missing = 3 - values.ndim
    working = values.astype(np.float32) if values.dtype == np.float16 else values
    if values.dtype == np.bool_:
        working = values.view(np.uint8)
    image = working.reshape((1,) * missing + values.shape)
    out = np.empty_like(image)
    offsets = np.pad(window.offsets, ((0, 0), (missing, 0)))
    rz, ry, rx = (0,) * missing + window.patch
    _filters.mix_patches(
        image,
        None if mask is None else mask.reshape(image.shape),
        out,
        offsets,
        window.shares,
        (rz, ry, rx),
        strength,
        noise,
        cutoff,
        n_threads,
    )
    mixed = out.reshape(values.shape)
    return mixed.view(np.bool_) if values.dtype == np.bool_ else mixed.astype(values.dtype, copy=False)


def as_image(values: ArrayLike) -> NDArray[Any]:
    """Return an image as the kernel takes it, contiguous and in native byte order.

    Parameters
    ----------
    values : array_like
        Of two or three axes.

    Returns
    -------
    ndarray
        The same array where that is possible.

    Raises
    ------
    DataTypeError
        If the dtype has no gray levels.
    DataError
        If there is no voxel, or another number of axes.
    """
    array = np.asarray(values)
    check_dtype(array.dtype)
    if array.ndim not in (2, 3) or array.size == 0:
        raise DataError(f"the image has shape {array.shape}; give (y, x) or (z, y, x), with at least one voxel")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def lengths(ndim: int, spacing: Sequence[float] | None) -> tuple[float, ...]:
    """Return how long a voxel is along each axis, in units of the finest.

    Parameters
    ----------
    ndim : int
        How many axes there are.
    spacing : sequence of float or None
        Along each axis, in any unit; None for equal.

    Returns
    -------
    tuple of float
        At least 1.

    Raises
    ------
    ParameterError
        If there are more or fewer, or one is not above 0 and finite.
    """
    if spacing is None:
        return (1.0,) * ndim
    given = tuple(float(length) for length in spacing)
    if len(given) != ndim or not all(0 < length < math.inf for length in given):
        raise ParameterError(f"spacing is {given}; give {ndim} numbers above 0, one for each axis")
    return tuple(length / min(given) for length in given)


def box(radii: Sequence[int]) -> NDArray[np.int64]:
    """Return the offsets of half a box: those that come after the center.

    Parameters
    ----------
    radii : sequence of int
        Along each axis.

    Returns
    -------
    ndarray of int64, shape (n, len(radii))
        In lexicographic order, which is the order of sums.
    """
    sides = [2 * radius + 1 for radius in radii]
    every = np.indices(sides, np.int64).reshape(len(sides), -1).T - np.array(radii)
    return np.ascontiguousarray(every[len(every) // 2 + 1 :])


def fitted(radii: Sequence[int], shape: Sequence[int], remedy: str) -> tuple[int, ...]:
    """Check that a window is not larger than the image.

    Parameters
    ----------
    radii : sequence of int
        Of the window, along each axis.
    shape : sequence of int
        Of the image.
    remedy : str
        What to use a smaller one of.

    Returns
    -------
    tuple of int
        The radii, 0 along axes that are one voxel long.

    Raises
    ------
    ParameterError
        If the window is larger along another axis.
    """
    for name, radius, length in zip("zyx"[-len(shape) :], radii, shape, strict=True):
        if 1 < length < 2 * radius + 1:
            raise ParameterError(
                f"a window of {2 * radius + 1} voxels is larger than the image along {name} ({length}); "
                f"use a smaller {remedy}"
            )
    return tuple(0 if length == 1 else radius for radius, length in zip(radii, shape, strict=True))


def check_gray(name: str, value: float, *, zero: bool = False) -> float:
    """Check a difference of gray values.

    Parameters
    ----------
    name : str
        Of the argument.
    value : float
        What was given.
    zero : bool
        Whether it may be 0.

    Returns
    -------
    float
        The value.

    Raises
    ------
    ParameterError
        If it is negative or not finite, or 0.
    """
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        allowed = "0 or a number above" if zero else "a number above 0"
        raise ParameterError(f"{name} is {value}; give {allowed}, in gray values")
    return float(value)


def check_radius(name: str, value: int, least: int, most: int) -> int:
    """Check a radius in voxels.

    Parameters
    ----------
    name : str
        Of the argument.
    value : int
        What was given.
    least, most : int
        The range.

    Returns
    -------
    int
        The radius.

    Raises
    ------
    ParameterError
        If it is no integer, or outside the range.
    """
    try:
        radius = operator.index(value)
    except TypeError:
        radius = least - 1
    if not least <= radius <= most:
        raise ParameterError(f"{name} is {value!r}; give an integer from {least} to {most}, in voxels")
    return radius


def _checked_mask(inside: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    if inside is None:
        return None
    mask = np.asarray(inside)
    if mask.dtype.kind not in "biu":
        raise DataTypeError(f"the mask is of dtype {mask.dtype}; give bool, or integers, nonzero inside")
    if mask.shape != shape:
        raise DataError(f"the mask has shape {mask.shape}, the image {shape}; give a mask of the image's shape")
    return np.ascontiguousarray(mask != 0).view(np.uint8)
