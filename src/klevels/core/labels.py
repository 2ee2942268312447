"""Labels from thresholds, for images of every dtype; and pictures from labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _kernels
from klevels.core.voxels import Voxels, as_voxels, check_dtype, count_threads
from klevels.errors import DataTypeError, ParameterError

MOST_COMPARISONS = 24
"""Up to here comparing with each threshold is faster than a look-up table; classify.cpp has the same bound."""


def ignore_label(n_classes: int) -> int:
    """Return the label of voxels that are left out: masked, or NaN.

    Parameters
    ----------
    n_classes : int
        How many classes there are.

    Returns
    -------
    int
        255 up to 255 classes, where labels are uint8; 65535 beyond, where they are uint16.
    """
    return 255 if n_classes <= 255 else 65535


def label_voxels(
    image: ArrayLike,
    thresholds: NDArray[np.float64],
    *,
    mask: ArrayLike | None,
    out: NDArray[Any] | None = None,
    threads: int | None,
) -> NDArray[Any]:
    """Label each voxel with the number of thresholds below its gray value.

    Parameters
    ----------
    image : array_like
        Of any dtype that `histogram` takes.
    thresholds : ndarray of float64
        In increasing order.
    mask : array_like or None
        Nonzero where a voxel counts.
    out : ndarray, optional
        Where to put the labels.
    threads : int or None
        How many threads to use.

    Returns
    -------
    ndarray of uint8 or uint16
        See `Levels.classify`.
    """
    voxels = as_voxels(image, mask)
    ignore = ignore_label(len(thresholds) + 1)
    dtype = np.dtype(np.uint8 if ignore == 255 else np.uint16)
    labels = np.empty_like(voxels.bits, dtype=dtype, subok=False) if out is None else _ordered(out, voxels, dtype)
    n_threads = count_threads(threads)
    if _by_table(voxels, len(thresholds)):
        values = voxels.values.astype(np.float64)
        table = np.searchsorted(thresholds, values, side="left").astype(np.uint16)
        table[np.isnan(values)] = ignore
        _kernels.label_by_table(voxels.bits, labels, voxels.mask, table, ignore, n_threads)
    else:
        first, comparable = _comparable(thresholds, voxels.dtype)
        _kernels.label_by_thresholds(
            voxels.bits, labels, voxels.dtype.name, voxels.swap, voxels.mask, comparable, first, ignore, n_threads
        )
    return labels.transpose(np.argsort(voxels.order)) if out is None else out


def _ordered(out: NDArray[Any], voxels: Voxels, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return where to put labels, with its axes as the image's voxels have them."""
    turned = out.transpose(voxels.order) if out.ndim == voxels.bits.ndim else out
    if turned.shape != voxels.bits.shape or out.dtype != dtype or not out.flags.writeable:
        raise ParameterError(f"out is {out.dtype} of shape {out.shape}; give a writable {dtype} of the image's shape")
    return turned


def paint_labels(
    labels: NDArray[Any], colors: NDArray[np.float64], dtype: np.dtype[Any], threads: int | None = None
) -> NDArray[Any]:
    """Give each voxel the gray, or the color, of its label.

    Parameters
    ----------
    labels : ndarray of uint8 or uint16
        As `label_voxels` returns them.
    colors : ndarray of float64, shape (n,) or (n, n_channels)
        One for each label.
    dtype : dtype
        Of the picture.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    ndarray
        Of the shape of `labels`, with one more axis for channels if there are some. Voxels left out are 0, or NaN in a
        float dtype.

    Raises
    ------
    ParameterError
        If a label has no color.
    DataTypeError
        If `dtype` has no gray levels, or the labels are neither uint8 nor uint16.
    """
    check_dtype(dtype)
    if labels.dtype not in (np.uint8, np.uint16):
        raise DataTypeError(f"the labels are of dtype {labels.dtype}; give uint8 or uint16, as classify returns them")
    n_entries = 1 << (8 * labels.dtype.itemsize)
    known = min(len(colors), n_entries)
    table = np.full((n_entries, *colors.shape[1:]), math.nan if dtype.kind == "f" else 0, dtype)
    table[:known] = rounded(colors[:known], dtype)
    order = sorted(range(labels.ndim), key=lambda axis: -abs(labels.strides[axis]))
    as_in_memory = np.ascontiguousarray(labels.transpose(order))
    _check_labels(as_in_memory, len(colors))
    painted = np.empty((*as_in_memory.shape, *colors.shape[1:]), dtype)
    entries = table.reshape(n_entries, -1).view(np.uint8)
    out = painted.reshape(-1).view(np.uint8).reshape(labels.size, entries.shape[1])
    _kernels.paint(as_in_memory.reshape(-1), entries, count_threads(threads), out)
    return painted.transpose([*np.argsort(order), *range(labels.ndim, painted.ndim)])


def rounded(colors: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return grays or colors as a dtype can hold them.

    Parameters
    ----------
    colors : ndarray of float64
        In the units of the dtype.
    dtype : dtype
        Of the picture.

    Returns
    -------
    ndarray
        For integers: rounded to the nearest, halves to even, and clipped to the range.
    """
    if dtype.kind == "f":
        return colors.astype(dtype)
    if dtype.kind == "b":
        return colors >= 0.5
    limits = np.iinfo(dtype)
    wholes = [min(max(round(value), limits.min), limits.max) for value in colors.ravel().tolist()]
    return np.array(wholes, dtype).reshape(colors.shape)


def _check_labels(labels: NDArray[Any], n_classes: int) -> None:
    ignore, flat = ignore_label(n_classes), labels.reshape(-1)
    for first in range(0, flat.size, 1 << 20):
        some = flat[first : first + (1 << 20)]
        greatest = int(some.max())
        if greatest == ignore:
            greatest = int(some.max(where=some != ignore, initial=0))
        if greatest >= n_classes:
            raise ParameterError(
                f"there is a label {greatest}, but only {n_classes} classes; give labels of this model"
            )


def _by_table(voxels: Voxels, n_thresholds: int) -> bool:
    if voxels.dtype.itemsize > 2:
        return False
    return voxels.dtype.kind in "bf" or (voxels.swap and voxels.dtype.itemsize == 2) or n_thresholds > MOST_COMPARISONS


def _comparable(thresholds: NDArray[np.float64], dtype: np.dtype[Any]) -> tuple[int, NDArray[Any]]:
    """Return thresholds that divide the dtype's own values alike, and how many lie below all of them."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # to infinity, which is above or below every finite value
            rounded = thresholds.astype(dtype)
        too_high = rounded.astype(np.float64) > thresholds
        rounded[too_high] = np.nextafter(rounded[too_high], dtype.type(-np.inf))
        return 0, rounded
    limits = np.iinfo(dtype)
    wholes = [math.floor(t) if math.isfinite(t) else t for t in thresholds.tolist()]
    first = sum(t < limits.min for t in wholes)
    return first, np.array([min(t, limits.max) for t in wholes[first:]], dtype)
