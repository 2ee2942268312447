"""What an array must be before a kernel may look at it: a numeric dtype, a matching mask, axes in memory order."""

from __future__ import annotations

import operator
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.errors import DataError, DataTypeError, ParameterError

SUPPORTED = "bool, (u)int8/16/32, int64, float16/32/64"


@dataclass(frozen=True, slots=True)
class Voxels:
    """An image as the kernels take it: raw bits of any strides, with the axes sorted as they lie in memory."""

    bits: NDArray[Any]
    """Unsigned integers of the image's item size, byte order as stored."""
    dtype: np.dtype[Any]
    """The dtype that the bits mean, in native byte order."""
    swap: bool
    """Whether the bits are in the other byte order."""
    mask: NDArray[np.uint8] | None
    """Nonzero where a voxel counts."""
    order: tuple[int, ...]
    """The image's axes in the order that `bits` has them."""

    @property
    def values(self) -> NDArray[Any]:
        """Every value that the bits can mean, for 8- and 16-bit images."""
        stored = self.dtype.newbyteorder() if self.swap else self.dtype
        return np.arange(1 << (8 * self.dtype.itemsize), dtype=self.bits.dtype).view(stored).astype(self.dtype)


def as_voxels(image: ArrayLike, mask: ArrayLike | None) -> Voxels:
    """Check an image and its mask, and turn them to the order in which they lie in memory.

    Parameters
    ----------
    image : array_like
        A masked array's masked voxels do not count.
    mask : array_like of bool or int or None
        Of the image's shape; True, or nonzero, where a voxel counts.

    Returns
    -------
    Voxels
        Views of the data; an array that is not aligned to its items is copied.

    Raises
    ------
    DataTypeError
        If the dtype has no gray levels, such as complex, object or string.
    DataError
        If the image is empty, or the mask has another shape.
    """
    array = np.asanyarray(image)
    check_dtype(array.dtype)
    native = array.dtype.newbyteorder("=")
    if array.size == 0:
        raise DataError(f"the image is empty, of shape {array.shape}; give at least one voxel")
    inside = _inside(array, mask)
    data = np.asarray(array)
    if not data.flags.aligned or any(stride % native.itemsize for stride in data.strides):
        data = np.ascontiguousarray(data)
    order = tuple(sorted(range(data.ndim), key=lambda axis: -abs(data.strides[axis])))
    bits = data.view(f"u{native.itemsize}").transpose(order)
    swap = not array.dtype.isnative
    return Voxels(bits, native, swap, None if inside is None else inside.transpose(order), order)


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse a dtype that has no gray levels, or more than 64-bit integers hold.

    Parameters
    ----------
    dtype : dtype
        Of an image.

    Raises
    ------
    DataTypeError
        If klevels does not take it.
    """
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or dtype.newbyteorder("=") == np.uint64:
        raise DataTypeError(f"the image is of dtype {dtype}; klevels takes {SUPPORTED}: convert it first")


def count_threads(threads: int | None) -> int:
    """Return how many threads to use: as many as asked for, or as the process may run on.

    Parameters
    ----------
    threads : int or None
        At least 1; None for all processors that the process may use.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ParameterError
        If `threads` is not an integer, or below 1.
    """
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        number = operator.index(threads)
    except TypeError:
        number = 0
    if number < 1:
        raise ParameterError(f"threads is {threads!r}; give an integer of at least 1, or None for all processors")
    return number


def _inside(array: NDArray[Any], mask: ArrayLike | None) -> NDArray[np.uint8] | None:
    inside: NDArray[Any] | None = None
    if mask is not None:
        inside = np.asarray(mask)
        if inside.dtype.kind not in "biu":
            raise DataTypeError(f"the mask is of dtype {inside.dtype}; give bool, or integers, nonzero inside")
        if inside.shape != array.shape:
            raise DataError(
                f"the mask has shape {inside.shape}, the image {array.shape}; give a mask of the image's shape"
            )
        if inside.dtype.itemsize != 1:
            inside = inside != 0
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        visible = ~np.ma.getmaskarray(array)
        inside = visible if inside is None else visible & (inside != 0)
    return None if inside is None else inside.view(np.uint8)
