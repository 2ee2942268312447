"""Arrays times a slope plus an intercept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.lazy.base import LazyArray
from klevels.memory import Window


class ScaledArray(LazyArray):
    """Another array times a slope plus an intercept.

    Parameters
    ----------
    source : LazyArray
        The array.
    slope, intercept : float
        What its values are multiplied by, and what is added then.

    Notes
    -----
    Where the slope is 1 and the intercept a whole number, as in CT, integers stay integers: of the least of int16,
    int32 and int64 that holds what the stored dtype can become. Otherwise the values are float32 where 16 bits or fewer
    are stored, and float64 where more are.
    """

    def __init__(self, source: LazyArray, slope: float, intercept: float) -> None:
        super().__init__(
            source.shape,
            scaled_dtype(source.dtype, slope, intercept),
            source.chunks,
            source.source,
            source.stored_bytes,
        )
        self._source = source
        self._slope = slope
        self._intercept = intercept

    def read(self, window: Window) -> NDArray[Any]:
        return scaled(self._source.read(window), self._slope, self._intercept)


def scaled_dtype(dtype: np.dtype[Any], slope: float, intercept: float) -> np.dtype[Any]:
    """Return the dtype of scaled values.

    Parameters
    ----------
    dtype : dtype
        Of the stored values.
    slope, intercept : float
        See `ScaledArray`.

    Returns
    -------
    dtype
        See the notes there.
    """
    if (slope, intercept) == (1, 0):
        return dtype.newbyteorder("=")
    if dtype.kind in "iu" and slope == 1 and float(intercept).is_integer():
        low, high = (int(np.iinfo(dtype).min + intercept), int(np.iinfo(dtype).max + intercept))
        for name in ("int16", "int32", "int64"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return np.dtype(name)
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def scaled(values: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Return values times a slope plus an intercept.

    Parameters
    ----------
    values : ndarray
        As stored.
    slope, intercept : float
        See `ScaledArray`.

    Returns
    -------
    ndarray
        Of the dtype that `scaled_dtype` says.
    """
    dtype = scaled_dtype(values.dtype, slope, intercept)
    if (slope, intercept) == (1, 0):
        return values
    if dtype.kind == "i":
        shifted: NDArray[Any] = values.astype(dtype) + dtype.type(intercept)
        return shifted
    stretched: NDArray[Any] = (values.astype(np.float64) * slope + intercept).astype(dtype)
    return stretched
