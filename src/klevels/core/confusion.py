"""One pass over labels and a truth, and how often each number meets each other one is counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _kernels
from klevels.core.agreement import Agreement, check_size
from klevels.errors import DataError, DataTypeError

STRIP = 1 << 20
"""So many voxels are counted at a time: what is made of them stays in the processor's cache."""
FEW_CELLS = 1 << 22
"""Up to here all pairs of numbers up to the greatest ones have a counter each; beyond, only those that occur."""
MOST_LISTED = 1 << 22
"""Up to here which numbers occur is listed for all of them; beyond, values are sorted."""
GREATEST = np.float64(1 << 53)
"""Floats hold every whole number up to here."""


def confusion_part(
    labels: ArrayLike,
    truth: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    ignore_label: int | None = None,
    ignore_truth: int | None = None,
) -> Agreement:
    """Compare a part of an image, of which nothing may be left, with its truth.

    Parameters
    ----------
    labels : array_like
        Whole numbers from 0 on, of any integer dtype, bool or floats, of any dimension, strides and byte order. Masked
        voxels of a masked array are left out.
    truth : array_like
        Of the same shape.
    mask : array_like of bool or int, optional
        Of the same shape: True, or nonzero, where a voxel counts.
    ignore_label, ignore_truth : int, optional
        The number of voxels that are left out, in the labels and in the truth.

    Returns
    -------
    Agreement
        To be merged with those of other parts.

    Raises
    ------
    DataTypeError
        If labels, truth or mask are of another dtype.
    DataError
        If shapes differ, or a voxel that counts has no whole number from 0 on.
    """
    one, other = check_labels(labels, "labels"), check_labels(truth, "truth")
    inside = _inside(one, other, mask)
    # Axes as they lie in memory, so that strips of it are read in order.
    order = sorted(range(one.ndim), key=lambda axis: -abs(one.strides[axis]))
    one, other = np.ma.getdata(one).transpose(order), np.ma.getdata(other).transpose(order)
    inside = None if inside is None else inside.transpose(order)
    total = _nothing(0)
    for strip in _strips(one.shape):
        kept = None if inside is None else inside[strip].reshape(-1)
        total = total + _counted(one[strip].reshape(-1), other[strip].reshape(-1), kept)
    return _without(total, ignore_label, ignore_truth)


def check_labels(values: ArrayLike, name: str) -> NDArray[Any]:
    """Refuse an array of a dtype that holds no labels.

    Parameters
    ----------
    values : array_like
        Labels, or a truth.
    name : str
        Which of them, for messages.

    Returns
    -------
    ndarray
        The same, perhaps masked.

    Raises
    ------
    DataTypeError
        If it holds no numbers.
    """
    array = np.atleast_1d(np.asanyarray(values))
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise DataTypeError(f"dtype {array.dtype} of the {name} holds no labels; give whole numbers from 0 on")
    return array


def check_shape(name: str, found: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuse an array that is not of the shape of the labels.

    Parameters
    ----------
    name : str
        What it is, for messages.
    found, shape : tuple of int
        Its shape, and that of the labels.

    Raises
    ------
    DataError
        If they differ.
    """
    if tuple(found) != tuple(shape):
        raise DataError(f"the {name} has shape {tuple(found)}, the labels {tuple(shape)}; give one of the same shape")


def check_mask(dtype: np.dtype[Any]) -> None:
    """Refuse a mask that is neither bool nor of integers.

    Parameters
    ----------
    dtype : dtype
        Of the mask.

    Raises
    ------
    DataTypeError
        If it is another.
    """
    if dtype.kind not in "biu":
        raise DataTypeError(f"the mask is of dtype {dtype}; give bool, or integers, nonzero inside")


def _inside(labels: NDArray[Any], truth: NDArray[Any], mask: ArrayLike | None) -> NDArray[np.bool_] | None:
    check_shape("truth", truth.shape, labels.shape)
    inside: NDArray[np.bool_] | None = None
    if mask is not None:
        given = np.atleast_1d(np.asarray(mask))
        check_mask(given.dtype)
        check_shape("mask", given.shape, labels.shape)
        inside = given.astype(bool, copy=False)
    for array in (labels, truth):
        if np.ma.is_masked(array):
            visible = ~np.ma.getmaskarray(array)
            inside = visible if inside is None else inside & visible
    return inside


def _strips(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cut the longest axis."""
    longest = int(np.argmax(shape))
    size = int(np.prod(shape, dtype=object))
    step = max(1, STRIP * shape[longest] // max(1, size))
    for start in range(0, shape[longest] if size else 0, step):
        yield (*[slice(None)] * longest, slice(start, start + step))


def _counted(labels: NDArray[Any], truth: NDArray[Any], kept: NDArray[np.bool_] | None) -> Agreement:
    """Count a strip."""
    n_ignored = 0 if kept is None else kept.size - int(np.count_nonzero(kept))
    if n_ignored == labels.size:
        return _nothing(n_ignored)
    is_small = all(one.dtype in (np.bool_, np.uint8) for one in (labels, truth))
    if n_ignored and not is_small:  # small ones outside are skipped as they are counted; others need not be labels
        labels, truth, kept = labels[kept], truth[kept], None
    labels, truth = _whole(labels, "labels"), _whole(truth, "truth")
    rows, columns = int(labels.max()) + 1, int(truth.max()) + 1
    if rows * columns <= FEW_CELLS:
        table = _tallied(labels, truth, rows, columns, kept)
        return _occupied(table, np.arange(rows), np.arange(columns), n_ignored)
    names, row_of = _numbered(labels, rows)
    classes, column_of = _numbered(truth, columns)
    check_size(len(names), len(classes))
    cells = np.bincount(row_of * len(classes) + column_of, minlength=len(names) * len(classes))
    return _confusion(cells.reshape(len(names), len(classes)), names, classes, n_ignored)


def _whole(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return labels as integers; there is at least one."""
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    if values.dtype.kind == "f":
        is_whole = (values >= 0) & (values <= GREATEST) & (values == np.floor(values))  # False for NaN
        if not is_whole.all():
            _refuse(values[~is_whole][0], name)
        return values.astype(np.int64)
    low, high = values.min(), values.max()
    if low < 0 or high >= 2**63:
        _refuse(low if low < 0 else high, name)
    return values


def _refuse(value: Any, name: str) -> NoReturn:
    raise DataError(f"a voxel of the {name} is {value}; labels are whole numbers from 0 on: convert it, or mask it")


def _tallied(
    labels: NDArray[Any], truth: NDArray[Any], rows: int, columns: int, kept: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """Count pairs as one number each: label · columns + class."""
    n_cells = rows * columns
    kinds: tuple[type[np.uint8 | np.uint16], ...] = (np.uint8, np.uint16)
    for kind in kinds:
        limit = np.iinfo(kind).max
        if n_cells <= limit + 1 and columns <= limit:
            cells: NDArray[Any] = labels.astype(kind)
            cells *= kind(columns)
            cells += truth.astype(kind, copy=False)
            inside = None if kept is None else kept.view(np.uint8)
            return _kernels.tally(cells, inside, 1)[:n_cells].reshape(rows, columns)
    wide = labels.astype(np.int64) * columns + truth.astype(np.int64, copy=False)
    return np.bincount(wide, minlength=n_cells).reshape(rows, columns)


def _numbered(values: NDArray[Any], end: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the numbers that occur, all below `end`, and for each value which of them it is."""
    if end > MOST_LISTED:
        numbers, places = np.unique(values, return_inverse=True)
        return numbers, places
    occurs = np.zeros(end, bool)
    occurs[values] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[values]


def _occupied(table: NDArray[np.int64], labels: NDArray[Any], truth: NDArray[Any], n_ignored: int) -> Agreement:
    """Return an agreement of the labels and classes that occur."""
    in_rows, in_columns = table.any(axis=1), table.any(axis=0)
    return _confusion(table[np.ix_(in_rows, in_columns)], labels[in_rows], truth[in_columns], n_ignored)


def _without(found: Agreement, label: int | None, number: int | None) -> Agreement:
    """Leave out the voxels with a label, and those with a number in the truth."""
    rows, columns = found.labels != label, found.truth != number
    if rows.all() and columns.all():
        return found
    left = found.confusion[np.ix_(rows, columns)]
    n_ignored = found.n_ignored + found.n_voxels - int(left.sum())
    return _occupied(left, found.labels[rows], found.truth[columns], n_ignored)


def _nothing(n_ignored: int) -> Agreement:
    none = np.zeros(0, np.int64)
    return Agreement(np.zeros((0, 0), np.int64), none, none, n_ignored)


def _confusion(table: NDArray[Any], labels: NDArray[Any], truth: NDArray[Any], n_ignored: int) -> Agreement:
    return Agreement(table.astype(np.int64), labels.astype(np.int64), truth.astype(np.int64), n_ignored)
