"""Confidence: how clear each voxel's class is."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from klevels.core.histogram import Histogram
from klevels.core.voxels import check_dtype
from klevels.errors import DataError, DataTypeError, ParameterError

VALUES_AT_ONCE = 1 << 16

Floats = NDArray[np.float64]


def margins(
    values: NDArray[Any],
    centers: ArrayLike,
    noise: float,
    *,
    inside: NDArray[np.bool_] | None = None,
    dtype: DTypeLike = np.float32,
) -> NDArray[Any]:
    """Return how much nearer each voxel is to the nearest center than to the second nearest, in units of the noise.

    Parameters
    ----------
    values : ndarray
        Gray values, of any shape and of any dtype that `histogram` takes.
    centers : array_like of float, shape (k,)
        The gray of each class, increasing.
    noise : float
        Standard deviation of the noise, in gray values.
    inside : ndarray of bool, optional
        True where a voxel counts; all do by default.
    dtype : dtype
        Of the result: float16, float32 or float64.

    Returns
    -------
    ndarray
        Of the shape of `values`, in C order: 0 halfway between two centers, and higher the clearer the class is. NaN
        for voxels that are left out, or NaN. Infinite for a single class; and without noise, except halfway.

    Raises
    ------
    ParameterError
        If the centers do not increase, the noise is not a number from 0 on, or `dtype` is not a float.
    DataError
        If `inside` has another shape.
    DataTypeError
        If the values have no gray levels, or `inside` is not bool.

    Notes
    -----
    Within a class the margin never falls from a threshold toward the center: it grows by 2 / noise for each gray value,
    up to the distance from the center to the next center on the other side. Beyond the outermost centers it is the
    distance between these and their neighbors. A voxel that is noise / 2 away from a threshold halfway between two
    centers has a margin of 1.

    Distances are from centers: thresholds that were moved by hand, or that split off noise, do not count.

    Examples
    --------
    >>> margins(np.array([10, 25, 30, 60, 80]), [10, 50, 90], noise=10)
    array([4., 1., 0., 2., 2.], dtype=float32)
    """
    grays, unit = _checked_centers(centers), checked_noise(noise)
    kind = np.dtype(dtype)
    if kind.kind != "f" or kind.itemsize > 8:
        raise ParameterError(f"the dtype is {kind}; give float16, float32 or float64")
    check_dtype(values.dtype)
    if inside is not None and inside.dtype != np.bool_:
        raise DataTypeError(f"inside is of dtype {inside.dtype}; give bool, True where a voxel counts")
    if inside is not None and inside.shape != values.shape:
        raise DataError(f"inside has shape {inside.shape}, the image {values.shape}; give the image's shape")
    native = values.astype(values.dtype.newbyteorder("="), order="C", copy=False, subok=False)
    result = np.empty(native.shape, kind)
    given, found, table = native.reshape(-1), result.reshape(-1), None
    if native.dtype.itemsize <= 2 < native.size // VALUES_AT_ONCE:
        given = given.view(f"u{native.dtype.itemsize}")
        every = np.arange(1 << 8 * native.dtype.itemsize).astype(given.dtype).view(native.dtype)
        table = _margins(every, grays, unit).astype(kind)
    for first in range(0, given.size, VALUES_AT_ONCE):
        some = given[first : first + VALUES_AT_ONCE]
        found[first : first + some.size] = _margins(some, grays, unit) if table is None else table[some]
    if inside is not None:
        result[~inside] = np.nan
    return result


def low_share(histogram: Histogram, centers: ArrayLike, noise: float, margin: float = 1.0) -> float:
    """Return the share of voxels whose margin is below a bound, from the histogram alone.

    Parameters
    ----------
    histogram : Histogram
        Of the voxels; those of a bin count with its mean.
    centers : array_like of float, shape (k,)
        As in `margins`.
    noise : float
        As in `margins`.
    margin : float
        The bound.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ParameterError
        If the centers do not increase, or the noise or `margin` is not a number from 0 on.

    Examples
    --------
    >>> low_share(Histogram.of([10, 29, 30, 31], counts=[70, 10, 10, 10]), [10, 50], noise=4)
    0.3
    """
    if not 0 <= margin < math.inf:
        raise ParameterError(f"margin is {margin}; give a number of 0 or more")
    is_low = _margins(histogram.levels, _checked_centers(centers), checked_noise(noise)) < margin
    return int(histogram.counts[is_low].sum()) / histogram.n_voxels


def checked_noise(noise: float) -> float:
    """Return the noise as a float.

    Parameters
    ----------
    noise : float
        A standard deviation.

    Returns
    -------
    float
        Finite, 0 or more.

    Raises
    ------
    ParameterError
        If it is anything else.
    """
    if not isinstance(noise, Real) or not 0 <= noise < math.inf:
        raise ParameterError(f"noise is {noise!r}; give its standard deviation in gray values, 0 or more")
    return float(noise)


def _margins(values: NDArray[Any], centers: Floats, noise: float) -> Floats:
    """Return margins in float64; each step is monotone, and so is the result, rounding included."""
    ends = np.concatenate(([-np.inf], centers, [np.inf]))
    grays = np.clip(values.astype(np.float64), centers[0], centers[-1])
    nearest = np.searchsorted(centers[:-1] / 2 + centers[1:] / 2, grays)
    own, darker, brighter = centers[nearest], ends[nearest], ends[nearest + 2]
    above = grays >= own
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # NaN stays NaN
        near_side = np.where(above, (brighter - grays) - (grays - own), (grays - darker) - (own - grays))
        far_side = np.where(above, own - darker, brighter - own)
        difference = np.maximum(np.minimum(near_side, far_side), 0.0)
        return np.where(difference == 0, 0.0, difference / noise)


def _checked_centers(centers: ArrayLike) -> Floats:
    grays = np.asarray(centers, np.float64)
    if grays.ndim != 1 or grays.size == 0 or not np.isfinite(grays).all() or not np.all(grays[1:] > grays[:-1]):
        raise ParameterError(f"centers are {grays.tolist()}; give finite numbers in increasing order")
    return grays
