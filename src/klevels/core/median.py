"""The median filter: each voxel becomes the median of the box around it, in 2-D and 3-D, for every dtype."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core import _filters
from klevels.core.voxels import as_voxels, count_threads
from klevels.errors import DataError, ParameterError

MOST_RADIUS = 7


def median(
    values: NDArray[Any],
    *,
    radius: int = 1,
    inside: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    whole: Sequence[int] | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Replace each voxel by the median of the box around it.

    Parameters
    ----------
    values : ndarray, shape (y, x) or (z, y, x)
        Of any dtype that `histogram` takes, any strides and byte order. NaN does not count, nor do masked voxels of a
        masked array.
    radius : int
        1 to 7: the box has ``2 * radius + 1`` voxels along each axis. Along an axis whose voxels are s times as long
        as the shortest, the radius is divided by s and rounded, halves to even; along an axis of one voxel it is 0.
    inside : ndarray of bool, optional
        Of the shape of `values`: True where a voxel counts. All by default.
    spacing : sequence of float, optional
        The size of a voxel along each axis, in any unit; equal along all by default.
    whole : sequence of int, optional
        Where `values` are a part of an image, the shape of that image, which the box must fit in. A part may be
        smaller.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    ndarray
        Of the same shape and dtype, in native byte order and C order. Voxels that do not count keep their value.

    Raises
    ------
    ParameterError
        If `radius` is not an integer from 1 to 7, if the box is larger than the image along an axis of more than one
        voxel, or if the spacing is not a positive number for each axis.
    DataError
        If the image is empty, has not two or three axes, or the mask has another shape.
    DataTypeError
        If the dtype has no gray levels, such as complex.

    Notes
    -----
    At its ends the image goes on mirrored, with the voxels at the ends repeated. The result is always a value of the
    image: where the box holds an even number of voxels that count, it is the lower of the two in the middle. Where all
    count, the result equals that of ``scipy.ndimage.median_filter`` with its default mode.

    Up to a radius of 2, networks of minimum and maximum find the medians of many neighbors at once, by sorting what
    they share only once [1]_. Larger boxes, those that differ along y and x, and those near voxels that do not count,
    slide over a tile whose voxels have been ranked, as bits in the order of ranks [2]_: the time grows with the number
    of voxels that enter the box with each step, and hardly depends on the dtype.

    References
    ----------
    .. [1] A. Adams, "Fast median filters using separable sorting networks", ACM Trans. Graph. 40(4), 2021.
    .. [2] J. Suomela, "Median filtering is equivalent to sorting", arXiv:1406.1717, 2014.

    Examples
    --------
    >>> image = np.array([[1, 1, 1, 9], [1, 99, 1, 9], [1, 1, 9, 9]], np.uint8)
    >>> median(image)
    array([[1, 1, 1, 9],
           [1, 1, 9, 9],
           [1, 1, 9, 9]], dtype=uint8)
    """
    voxels = as_voxels(values, inside)
    data = np.asarray(values)
    if data.ndim not in (2, 3):
        raise DataError(f"the image has {data.ndim} axes; give (y, x) or (z, y, x)")
    if whole is not None and len(whole) != data.ndim:
        raise ParameterError(f"the whole image's shape is {tuple(whole)}; give {data.ndim} numbers, one for each axis")
    radii = _fitted(_radii(data.ndim, radius, spacing), data.shape if whole is None else whole)
    n_threads = count_threads(threads)
    image = np.ascontiguousarray(data, voxels.dtype)
    out = np.empty(image.shape, voxels.dtype)
    bits, flat = f"u{voxels.dtype.itemsize}", 3 - image.ndim
    shape = (1,) * flat + image.shape
    marks = None
    if voxels.mask is not None:
        marks = np.ascontiguousarray(voxels.mask.transpose(np.argsort(voxels.order))).reshape(shape)
    volume, medians = image.view(bits).reshape(shape), out.view(bits).reshape(shape)
    _filters.median(volume, voxels.dtype.kind, (0,) * flat + radii, marks, medians, n_threads)
    return out


def halo(ndim: int, *, radius: int = 1, spacing: Sequence[float] | None = None) -> tuple[int, ...]:
    """Return how far `median` looks.

    Parameters
    ----------
    ndim : int
        How many axes the image has.
    radius, spacing
        As for `median`.

    Returns
    -------
    tuple of int
        Voxels to either side, along each axis.

    Raises
    ------
    ParameterError
        As `median` does.

    Examples
    --------
    >>> halo(3, radius=2, spacing=(2.0, 1.0, 1.0))
    (1, 2, 2)
    """
    return _radii(ndim, radius, spacing)


def _radii(ndim: int, radius: int, spacing: Sequence[float] | None) -> tuple[int, ...]:
    try:
        number = operator.index(radius)
    except TypeError:
        number = 0
    if not 1 <= number <= MOST_RADIUS:
        raise ParameterError(f"radius is {radius!r}; give an integer from 1 to {MOST_RADIUS}")
    if spacing is None:
        return (number,) * ndim
    sizes = [float(size) for size in spacing]
    if len(sizes) != ndim or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise ParameterError(f"spacing is {tuple(spacing)!r}; give {ndim} positive numbers, one for each axis, or None")
    return tuple(round(number / (size / min(sizes))) for size in sizes)


def _fitted(radii: tuple[int, ...], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the radii, 0 along axes of one voxel; refuse a box that is larger than the image."""
    for name, radius, size in zip("zyx"[-len(radii) :], radii, shape, strict=True):
        if 1 < size < 2 * radius + 1:
            window = f"a window of {2 * radius + 1} voxels"
            raise ParameterError(f"{window} is larger than the image along {name} ({size}); use a smaller radius")
    return tuple(0 if size == 1 else radius for radius, size in zip(radii, shape, strict=True))
