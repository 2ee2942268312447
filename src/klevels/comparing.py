"""Compare labels with a truth, of any kind: in memory, where they are stored, or in blocks on a cluster."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.blocks import reduce_blocks
from klevels.core.agreement import Agreement
from klevels.core.confusion import check_labels, check_mask, check_shape, confusion_part
from klevels.counting import as_mask
from klevels.cutting import alike
from klevels.errors import DataError, ParameterError
from klevels.foreign import is_xarray, lazy_of
from klevels.image import Image
from klevels.memory import Window
from klevels.sources import as_image
from klevels.workers import Workers

LARGE = 1 << 21
"""Arrays in memory of fewer voxels are compared sooner than threads are started."""
MOST_SHOWN = 8
"""So many numbers are listed in a message."""


def compare(
    labels: Image | ArrayLike,
    truth: Image | ArrayLike,
    *,
    match: bool = False,
    mask: Image | ArrayLike | None = None,
    ignore: int | None = None,
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Agreement:
    """Compare labels with a truth, voxel by voxel.

    Parameters
    ----------
    labels : Image or array_like
        Whole numbers from 0 on, at most 65,536 distinct ones: integers, bool or floats, of any strides and byte order,
        in memory or not. Masked voxels of a masked array are left out.
    truth : Image or array_like
        Of the same shape.
    match : bool
        Whether labels are paired with the classes of the truth so that most voxels agree, whatever their numbers. By
        default equal numbers are the same class.
    mask : Image or array_like of bool or int, optional
        Of the same shape: True, or nonzero, where a voxel counts.
    ignore : int, optional
        The number of voxels of the truth that nobody has labeled: they are left out. Voxels of the labels are left out
        if this is their mark for it, too: 255 in uint8, 65535 in uint16.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    memory : int, optional
        What images that are not in memory may take of it at a time, in bytes; at most half of what is free by default.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.

    Returns
    -------
    Agreement
        The confusion, with accuracy, Dice and Jaccard of each class, adjusted Rand index and variation of information.

    Raises
    ------
    DataTypeError
        If an array holds no numbers.
    DataError
        If shapes differ, a voxel that counts has no whole number from 0 on, there are too many distinct numbers, no
        voxel is left, or no label is among the classes of the truth and `match` is False.

    Notes
    -----
    Labels of `segment` carry a mark, 255 or 65535, where a voxel was masked or NaN: such voxels are left out, without
    `ignore`, and counted in `n_ignored`. A label that the truth lacks is wrong on each of its voxels.

    `ignore` leaves out no other number of the labels, for a method could then evade judgment by giving it.

    Examples
    --------
    >>> found = compare([[0, 0, 1], [1, 1, 1]], [[0, 0, 0], [1, 1, 1]])
    >>> found.confusion
    array([[2, 0],
           [1, 3]])
    >>> compare([7, 7, 3, 3], [0, 0, 1, 0], match=True).accuracy
    0.75
    """
    workers = Workers(threads, client, memory)
    return compare_images(labels, truth, as_mask(mask), match=match, ignore=ignore, workers=workers)


def compare_images(
    labels: Any, truth: Any, mask: Any, *, match: bool, ignore: int | None, workers: Workers
) -> Agreement:
    """Compare labels with a truth, voxel by voxel.

    Parameters
    ----------
    labels, truth : Image or array_like
        As `compare` takes them.
    mask : array_like or None
        Where a voxel counts.
    match : bool
        Whether labels are paired with classes by overlap.
    ignore : int or None
        The number of voxels that are left out.
    workers : Workers
        Who does it.

    Returns
    -------
    Agreement
        As `compare` returns it.
    """
    if ignore is not None and (isinstance(ignore, bool) or not isinstance(ignore, int | np.integer) or ignore < 0):
        raise ParameterError(f"ignore is {ignore!r}; give a whole number from 0 on, or None")
    one, other = _array_of(labels, "labels"), _array_of(truth, "truth")
    check_shape("truth", other.shape, one.shape)
    if mask is not None:
        lazy = lazy_of(mask)
        mask = np.asarray(mask) if lazy is None else lazy
        check_mask(mask.dtype)
        check_shape("mask", mask.shape, one.shape)
    part = partial(
        confusion_part,
        ignore_label=_ignored(labels, one.dtype, ignore),
        ignore_truth=_ignored(truth, other.dtype, None) if ignore is None else ignore,
    )
    return _checked(_compared(part, one, other, mask, workers), match=match)


def _array_of(given: Any, name: str) -> Any:
    """Return labels as an array of any kind."""
    is_named = isinstance(given, Image | str | PathLike) or is_xarray(given)
    if not is_named and lazy_of(given) is None:
        return check_labels(given, name)
    image = as_image(given)
    if "c" in image.axes:
        raise DataError(
            f"the {name}: {image.shape[-1]} channels (axes {image.axes}), but labels are one number a voxel; convert it"
        )
    if image.is_lazy:
        check_labels(np.empty(0, image.dtype), name)
        return image.data
    return check_labels(image.data, name)


def _ignored(given: Any, dtype: np.dtype[Any], ignore: int | None) -> int | None:
    """Return the label of voxels that are left out, where an image says that it has one, or it is asked for."""
    if dtype.kind != "u" or dtype.itemsize > 2:
        return None
    greatest = int(np.iinfo(dtype).max)
    is_known = isinstance(given, Image) and "label_colors" in given.meta
    return greatest if is_known or ignore == greatest else None


def _compared(part: Callable[..., Agreement], labels: Any, truth: Any, mask: Any, workers: Workers) -> Agreement:
    arrays = [labels, truth, mask]
    in_memory = all(one is None or isinstance(one, np.ndarray) for one in arrays)
    is_image = labels.ndim in (2, 3)
    if in_memory and not (is_image and (workers.client is not None or labels.size >= LARGE)):
        return part(labels, truth, mask=mask)
    found = reduce_blocks(partial(_part, part), operator.add, alike(arrays, workers), workers)
    return part((), ()) if found is None else found


def _part(
    part: Callable[..., Agreement],
    number: int,
    window: Window,
    labels: NDArray[Any],
    truth: NDArray[Any],
    mask: NDArray[Any] | None,
) -> Agreement:
    del number, window
    return part(labels, truth, mask=mask)


def _checked(found: Agreement, *, match: bool) -> Agreement:
    if found.n_voxels == 0:
        raise DataError("no voxel is left to compare; give a mask or an ignore label that leaves some")
    if match:
        return found.matched()
    if (found.classes < 0).all():
        raise DataError(
            f"no label is in the truth: the labels are {_listed(found.labels)}, the truth {_listed(found.truth)}; "
            f"use match=True (--match) to pair them by overlap"
        )
    return found


def _listed(numbers: NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, numbers[:MOST_SHOWN].tolist()))
    return f"{shown}, …" if len(numbers) > MOST_SHOWN else shown
