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
    image: ArrayLike, thresholds: NDArray[np.float64], *, mask: ArrayLike | None, threads: int | None
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
    threads : int or None
        How many threads to use.

    Returns
    -------
    ndarray of uint8 or uint16
        See `Levels.classify`.
    """
    voxels = as_voxels(image, mask)
    ignore = ignore_label(len(thresholds) + 1)
    labels = np.empty_like(voxels.bits, dtype=np.uint8 if ignore == 255 else np.uint16, subok=False)
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
    return labels.transpose(np.argsort(voxels.order))


def paint_labels(labels: NDArray[Any], grays: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give each voxel the gray of its label.

    Parameters
    ----------
    labels : ndarray of uint8 or uint16
        As `label_voxels` returns them.
    grays : ndarray of float64, shape (n,)
        One for each label.
    dtype : dtype
        Of the picture.

    Returns
    -------
    ndarray
        Of the shape of `labels`; voxels left out are 0, or NaN in a float dtype.

    Raises
    ------
    ParameterError
        If a label has no gray.
    DataTypeError
        If `dtype` has no gray levels, or the labels are neither uint8 nor uint16.
    """
    check_dtype(dtype)
    if labels.dtype not in (np.uint8, np.uint16):
        raise DataTypeError(f"the labels are of dtype {labels.dtype}; give uint8 or uint16, as classify returns them")
    used = labels[labels != ignore_label(len(grays))]
    if used.size and int(used.max()) >= len(grays):
        raise ParameterError(
            f"there is a label {int(used.max())}, but only {len(grays)} classes; give labels of this model"
        )
    n_entries = max(1 << (8 * labels.dtype.itemsize), len(grays))
    table = np.full(n_entries, math.nan if dtype.kind == "f" else 0, dtype)
    if dtype.kind == "f":
        table[: len(grays)] = grays
    elif dtype.kind == "b":
        table[: len(grays)] = grays >= 0.5
    else:
        limits = np.iinfo(dtype)
        table[: len(grays)] = [min(max(round(gray), limits.min), limits.max) for gray in grays.tolist()]
    painted = np.empty_like(labels, dtype=dtype, subok=False)
    # Slab by slab: NumPy makes an 8-byte index of each label that it looks up.
    for slab in range(labels.shape[0]) if labels.ndim > 1 else [slice(None)]:
        painted[slab] = table[labels[slab]]
    return painted


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
