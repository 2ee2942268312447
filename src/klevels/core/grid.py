"""The grid on which colors are counted: steps that fit the greatest magnitude, and values as whole numbers of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.rows import Rows, as_rows
from klevels.errors import DataError, ParameterError

GRID_BITS = 23
"""Floats, and integers beyond 16 bits, are rounded down to this many bits of the greatest magnitude."""
LARGEST = 1 << 24
"""The kernel takes whole numbers below this, and from minus this."""
HUGE, TINY = 1e120, 1e-120
"""Sums of squares of floats beyond these, or of differences within them, might be infinite, or 0."""


def peaks_of(
    image: ArrayLike, *, mask: ArrayLike | None = None, nan: Literal["error", "ignore"] = "error"
) -> tuple[float, ...]:
    """Return the greatest magnitude in each channel.

    Parameters
    ----------
    image : array_like, shape (..., n_channels)
        As `count_colors` takes it.
    mask : array_like of bool or int, optional
        Of the image's shape without channels: True, or nonzero, where a pixel counts.
    nan : {"error", "ignore"}
        Whether pixels with NaN in any channel are refused or left out.

    Returns
    -------
    tuple of float
        0.0 where no pixel counts.
    """
    rows = as_rows(image, mask)
    found = [_peaks(finite_rows(strip.counting, nan)) for strip in rows.strips()]
    return tuple(max(of_channel) for of_channel in zip(*found, strict=True))


def steps_of(rows: Rows, nan: str, peak: float | Sequence[float] | None) -> tuple[float, ...]:
    """Return the grid step of each channel.

    Parameters
    ----------
    rows : Rows
        The image.
    nan : {"error", "ignore"}
        Whether rows with NaN are refused or left out.
    peak : float or sequence of float or None
        As `count_colors` takes it.

    Returns
    -------
    tuple of float
        Powers of two; 1.0 for integers up to 16 bits, unless each channel has a peak of its own.
    """
    n_channels = rows.n_channels
    is_whole = rows.dtype.kind != "f" and rows.dtype.itemsize <= 2
    if isinstance(peak, Sequence) and not isinstance(peak, str):
        if len(peak) != n_channels:
            raise ParameterError(f"peak has {len(peak)} numbers, the image {n_channels} channels; give one for each")
        return tuple(_step(one, rows.dtype, finest=0.0) for one in peak)
    if is_whole:
        return (1.0,) * n_channels
    if peak is None:
        peak = max((max(_peaks(finite_rows(strip.counting, nan))) for strip in rows.strips()), default=0.0)
    return (_step(peak, rows.dtype),) * n_channels


def on_grid(values: NDArray[Any], steps: tuple[float, ...]) -> NDArray[Any]:
    """Return values as whole numbers of grid steps, rounded down.

    Parameters
    ----------
    values : ndarray, shape (n, n_channels)
        Finite.
    steps : tuple of float
        Powers of two, one for each channel.

    Returns
    -------
    ndarray of int or float64
        Whole numbers.
    """
    if set(steps) == {1.0} and values.dtype.kind != "f":
        return values
    if values.dtype.kind == "f":
        floored: NDArray[np.float64] = np.floor(values.astype(np.float64) / np.array(steps))
        return floored
    # Not by division: float64 does not hold all integers of 64 bits.
    exponents = np.frexp(np.array(steps))[1] - 1
    shifted: NDArray[np.int64] = values.astype(np.int64) >> np.maximum(exponents, 0)
    shifted <<= np.maximum(-exponents, 0)
    return shifted


def finite_rows(values: NDArray[Any], nan: str) -> NDArray[Any]:
    """Leave out the rows with NaN, or refuse them; refuse infinite values.

    Parameters
    ----------
    values : ndarray, shape (n, n_channels)
        Of any dtype.
    nan : {"error", "ignore"}
        What becomes of rows with NaN.

    Returns
    -------
    ndarray
        The rows that are left.

    Raises
    ------
    DataError
        If there are infinite values, or unwanted NaN.
    """
    if values.dtype.kind != "f":
        return values
    missing = np.isnan(values).any(axis=1)
    if missing.any():
        if nan == "error":
            raise DataError("the image has NaN pixels; use nan='ignore' (--nan ignore) to leave them out")
        values = values[~missing]
    if not np.isfinite(values).all():
        raise DataError("the image has infinite values; mask them or replace them by finite values")
    return values


def _peaks(values: NDArray[Any]) -> list[float]:
    if not len(values):
        return [0.0] * values.shape[1]
    lows, highs = values.min(axis=0).tolist(), values.max(axis=0).tolist()
    return [max(abs(float(low)), abs(float(high))) for low, high in zip(lows, highs, strict=True)]


def _step(peak: float, dtype: np.dtype[Any], finest: float = 1.0) -> float:
    """Return the step of a grid up to `peak`; for integers no finer than `finest`."""
    if not isinstance(peak, Real) or not math.isfinite(peak) or peak < 0:
        raise ParameterError(f"peak is {peak!r}; give the greatest magnitude that occurs, a finite number")
    if peak > HUGE or 0 < peak < TINY:
        raise DataError(f"the greatest magnitude is {peak:g}, its square no float; scale the image to more usual units")
    step = math.ldexp(1.0, math.frexp(peak)[1] - GRID_BITS)
    return step if dtype.kind == "f" else max(step, finest)
