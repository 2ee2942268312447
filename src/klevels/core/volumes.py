"""An image as the filters that compute take it: a volume of floats, what counts of it, and how near its voxels lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.voxels import check_dtype
from klevels.errors import DataError, DataTypeError, ParameterError

Floats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Volume:
    """An image of two or three axes as a volume of three."""

    values: NDArray[Any]
    """As given, in native byte order, C-contiguous."""
    floats: Floats
    """The same, float32 for dtypes whose values it holds, else float64; may be `values` itself."""
    inside: NDArray[np.bool_] | None
    """Where voxels count: finite ones, inside the mask; None for all."""
    closeness: tuple[float, float, float]
    """Along each axis: the spacing of the finest axis, divided by that of this one."""
    shape: tuple[int, ...]
    """Of the image."""

    def restored(self, floats: Floats) -> NDArray[Any]:
        """Return a result in the image's shape and dtype; voxels that do not count keep their values.

        Parameters
        ----------
        floats : ndarray
            Of the shape and dtype of `floats`; it may be changed.

        Returns
        -------
        ndarray
            For integers rounded to the nearest, halves to even.
        """
        dtype, out = self.values.dtype, floats
        if dtype.kind in "iu":
            if dtype.itemsize == 8:  # only changes: float64 has not all digits
                changes = np.clip(np.rint(out - self.floats), -(2.0**62), 2.0**62)
                restored = self.values + changes.astype(np.int64)
            else:
                limits = np.iinfo(dtype)
                restored = np.clip(np.rint(out, out=out), limits.min, limits.max, out=out).astype(dtype)
        elif dtype.kind == "b":
            restored = out > 0.5
        else:
            restored = out.astype(dtype, copy=False)
        if self.inside is not None:
            np.copyto(restored, self.values, where=~self.inside)
        return restored.reshape(self.shape)


def as_volume(
    values: NDArray[Any], *, inside: NDArray[np.bool_] | None = None, spacing: Sequence[float] | None = None
) -> Volume:
    """Check an image, its mask and its spacing, and make a volume of it.

    Parameters
    ----------
    values : ndarray, 2-D or 3-D
        Of any dtype that `check_dtype` allows.
    inside : ndarray of bool, optional
        Where voxels count.
    spacing : sequence of float, optional
        The size of a voxel along each axis.

    Returns
    -------
    Volume
        With a first axis of length 1 if the image has two.

    Raises
    ------
    DataTypeError
        If a dtype has no gray levels, or the mask is not bool.
    DataError
        If the image has not two or three axes, or is empty, or the mask has another shape.
    ParameterError
        If the spacing is not one positive number for each axis.
    """
    check_dtype(values.dtype)
    if values.ndim not in (2, 3) or values.size == 0:
        raise DataError(f"the image has shape {values.shape}; give 2 or 3 axes, and at least one voxel")
    if inside is not None and inside.dtype != np.bool_:
        raise DataTypeError(f"the mask is of dtype {inside.dtype}; give bool, True inside")
    if inside is not None and inside.shape != values.shape:
        raise DataError(
            f"the mask has shape {inside.shape}, the image {values.shape}; give a mask of the image's shape"
        )
    shape = (1,) * (3 - values.ndim) + values.shape
    closeness = (1.0,) * (3 - values.ndim) + closeness_of(values.ndim, spacing)
    native = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).reshape(shape)
    counts = None if inside is None else np.ascontiguousarray(inside).reshape(shape)
    if native.dtype.kind == "f":
        finite = np.isfinite(native)
        if not finite.all():
            counts = finite if counts is None else counts & finite
    if counts is not None and counts.all():
        counts = None
    single = native.dtype.itemsize <= 2 or native.dtype == np.float32
    floats = native.astype(np.float32, copy=False) if single else native.astype(np.float64, copy=False)
    return Volume(native, floats, counts, (closeness[0], closeness[1], closeness[2]), values.shape)


def closeness_of(ndim: int, spacing: Sequence[float] | None) -> tuple[float, ...]:
    """Return along each axis the spacing of the finest axis, divided by that of this one.

    Parameters
    ----------
    ndim : int
        How many axes.
    spacing : sequence of float or None
        The size of a voxel along each axis; None for equal ones.

    Returns
    -------
    tuple of float
        1 along the finest axis, less along others.

    Raises
    ------
    ParameterError
        If it is not one positive number for each axis.
    """
    if spacing is None:
        return (1.0,) * ndim
    sizes = tuple(spacing)
    if len(sizes) != ndim or not all(isinstance(s, Real) and math.isfinite(s) and s > 0 for s in sizes):
        raise ParameterError(f"spacing is {sizes}; give {ndim} positive numbers, the voxel size along each axis")
    return tuple(min(sizes) / size for size in sizes)


def check_strength(strength: float) -> float:
    """Return a strength that is a positive number.

    Parameters
    ----------
    strength : float
        Of a filter.

    Returns
    -------
    float
        The same.

    Raises
    ------
    ParameterError
        If it is not finite, or not above 0.
    """
    if isinstance(strength, bool) or not isinstance(strength, Real) or not math.isfinite(strength) or strength <= 0:
        raise ParameterError(f"strength is {strength!r}; give a positive number")
    return float(strength)


def check_steps(steps: int, most: int) -> int:
    """Return a number of steps that is a whole number from 1 on.

    Parameters
    ----------
    steps : int
        Of a filter that goes on step by step.
    most : int
        How many are allowed.

    Returns
    -------
    int
        The same.

    Raises
    ------
    ParameterError
        If it is no integer, below 1 or above `most`.
    """
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or not 1 <= steps <= most:
        raise ParameterError(f"steps is {steps!r}; give an integer from 1 to {most}")
    return int(steps)
