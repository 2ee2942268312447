"""Count and label, through one face for arrays in memory and arrays in blocks: the same call gives the same bits."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels import poster
from klevels.blocks import as_blocks, as_dask, map_blocks, reduce_blocks
from klevels.core import count as core_count
from klevels.core.colors import ColorTable, count_colors, count_part_of_colors, nothing_counts
from klevels.core.count import Tally, count_part
from klevels.core.grid import peaks_of
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.errors import DataError, DataTypeError
from klevels.foreign import is_dask
from klevels.image import Image
from klevels.lazy import KeptArray, LazyArray, LoadedArray
from klevels.memory import COPIES, Grid, Window, fitting_grid
from klevels.workers import Workers

Nan = Literal["error", "ignore"]
MOST_KEPT = 1 << 29
"""Decoded blocks that are kept take no more where nobody said how much memory may be used."""


def in_blocks(
    image: Image, mask: Any, workers: Workers, *, shards: Sequence[int] | None = None, keep: bool = False
) -> tuple[Image, Any]:
    """Cut an image that is not in memory, or is worked on by a cluster, into blocks; leave any other as it is.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    mask : array or None
        Of any kind; of the image's shape without channels.
    workers : Workers
        Who will work on it.
    shards : sequence of int, optional
        The pieces in which the labels will be written: no two blocks share one.
    keep : bool
        Whether decoded blocks stay in memory until they are read once more, as far as there is room.

    Returns
    -------
    image : Image
        With a dask array if it is cut.
    mask : array or None
        Cut likewise.

    Raises
    ------
    DataError
        If the mask has another shape.
    ParameterError
        If not even one chunk for each worker fits into memory.
    """
    if not image.is_lazy and workers.client is None and shards is None:
        return image, mask
    n_spatial = len(image.axes.replace("c", ""))
    if mask is not None:
        mask = _checked(mask, image.shape[:n_spatial])
    if is_dask(image.data) or is_dask(mask):
        return _in_dask_blocks(image, mask, n_spatial, workers, shards)
    grid = grid_of(image, workers, shards)
    data = image.data
    if keep and isinstance(data, LazyArray) and workers.client is None:
        data = KeptArray(data, room_to_keep(data, grid, workers))
    inside = LoadedArray(mask) if isinstance(mask, np.ndarray) else mask
    return replace(image, data=as_blocks(data, grid)), inside


def _checked(mask: Any, shape: tuple[int, ...]) -> Any:
    found = mask if hasattr(mask, "shape") else np.asarray(mask)
    if tuple(found.shape) != shape:
        raise DataError(f"the mask has shape {tuple(found.shape)}, the image {shape}; give a mask of the image's shape")
    if found.dtype.kind not in "biu":
        raise DataTypeError(f"the mask is of dtype {found.dtype}; give bool, or integers, nonzero inside")
    return found


def _in_dask_blocks(
    image: Image, mask: Any, n_spatial: int, workers: Workers, shards: Sequence[int] | None
) -> tuple[Image, Any]:
    """Cut an image and a mask of which one is a dask array; both are then."""
    if not is_dask(image.data):
        data = as_dask(image.data, grid_of(image, workers, shards).chunks)
    else:
        data = image.data if shards is None else as_blocks(image.data, grid_of(image, workers, shards))
        if "c" in image.axes and len(data.chunks[-1]) > 1:
            data = data.rechunk({n_spatial: -1})
    return replace(image, data=data), None if mask is None else as_dask(mask, data.chunks[:n_spatial])


def grid_of(image: Image, workers: Workers, shards: Sequence[int] | None = None) -> Grid:
    """Return how an image is cut.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    workers : Workers
        Who will work on it.
    shards : sequence of int, optional
        The pieces in which the labels will be written.

    Returns
    -------
    Grid
        All channels of a voxel are in one block.
    """
    data = image.data
    chunks = (
        data.chunks
        if isinstance(data, LazyArray)
        else tuple(c[0] for c in data.chunks)
        if is_dask(data)
        else (1, *data.shape[1:])
    )
    if "c" in image.axes:
        chunks = (*chunks[:-1], image.shape[-1])
        shards = None if shards is None else (*shards[: len(image.axes) - 1], image.shape[-1])
    return fitting_grid(
        image.shape, image.dtype.itemsize, chunks, shards, memory=workers.budget, n_workers=workers.n_at_once
    )


def room_to_keep(data: LazyArray, grid: Grid, workers: Workers) -> int:
    """Return how much memory there is to keep decoded blocks until they are read again.

    Parameters
    ----------
    data : LazyArray
        The array.
    grid : Grid
        The blocks in which it is read.
    workers : Workers
        Who reads them, and with how much memory.

    Returns
    -------
    int
        In bytes; 0 where nothing has to be decoded. Unless more is allowed by name, `MOST_KEPT` at most.
    """
    if data.stored_bytes is None:
        return 0
    block_bytes = data.dtype.itemsize * math.prod(grid.block)
    room = max(0, workers.budget - COPIES * block_bytes * workers.n_at_once)
    return room if workers.memory is not None else min(room, MOST_KEPT)


def count(data: Any, mask: Any, nan: Nan, workers: Workers) -> Histogram:
    """Count how often each gray level occurs.

    Parameters
    ----------
    data : ndarray or dask array
        Gray values.
    mask : array or None
        Where a voxel counts; cut like the data.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    workers : Workers
        Who does it.

    Returns
    -------
    Histogram
        See `klevels.core.count.histogram`.
    """
    if isinstance(data, np.ndarray):
        return core_count.histogram(data, mask=mask, nan=nan, threads=workers.threads)
    tally: Tally | None = reduce_blocks(_tally, operator.add, (data, mask), workers)
    if tally is None:
        raise DataError(f"the image has shape {data.shape}; give at least one voxel")
    return tally.checked(nan)


def count_table(data: Any, mask: Any, nan: Nan, peak: float | Sequence[float] | None, workers: Workers) -> ColorTable:
    """Count how often each color occurs.

    Parameters
    ----------
    data : ndarray or dask array
        Channels on the last axis.
    mask : array or None
        Where a pixel counts; cut like the data.
    nan : {"error", "ignore"}
        Whether pixels with NaN are refused or left out.
    peak : float or sequence of float or None
        The greatest magnitude in any channel, or in each.
    workers : Workers
        Who does it.

    Returns
    -------
    ColorTable
        See `klevels.core.colors.count_colors`.
    """
    if isinstance(data, np.ndarray):
        return count_colors(data, mask=mask, nan=nan, peak=peak, threads=workers.threads)
    if peak is None and (data.dtype.kind == "f" or data.dtype.itemsize > 2):
        peak = max(peaks(data, mask, nan, workers))  # blocks are counted on the grid of the whole
    table = reduce_blocks(partial(_table, nan=nan, peak=peak), _merged, (data, mask), workers)
    if table is None:
        raise DataError(nothing_counts(masked=mask is not None))
    return table


def peaks(data: Any, mask: Any, nan: Nan, workers: Workers) -> tuple[float, ...]:
    """Return the greatest magnitude in each channel.

    Parameters
    ----------
    data : ndarray or dask array
        Channels on the last axis.
    mask : array or None
        Where a pixel counts; cut like the data.
    nan : {"error", "ignore"}
        Whether pixels with NaN are refused or left out.
    workers : Workers
        Who does it.

    Returns
    -------
    tuple of float
        0.0 where no pixel counts.
    """
    if isinstance(data, np.ndarray):
        return peaks_of(data, mask=mask, nan=nan)
    found = reduce_blocks(partial(_peaks, nan=nan), _greater, (data, mask), workers)
    return found or (0.0,) * data.shape[-1]


def classify(
    model: Levels | Palette, data: Any, mask: Any, counted: Histogram | ColorTable | None, workers: Workers
) -> Any:
    """Label each voxel.

    Parameters
    ----------
    model : Levels or Palette
        The classes.
    data : ndarray or dask array
        Gray values, or channels on the last axis.
    mask : array or None
        Where a voxel counts; cut like the data.
    counted : Histogram or ColorTable or None
        Of this very image, if it is at hand: saves counting the colors of one in memory again.
    workers : Workers
        Who does it, where the image is in memory.

    Returns
    -------
    ndarray or dask array
        See `Levels.classify` and `Palette.classify`.
    """
    if isinstance(data, np.ndarray):
        if isinstance(model, Levels):
            return model.classify(data, mask=mask, threads=workers.threads)
        table = counted if isinstance(counted, ColorTable) else None
        return model.classify(data, mask=mask, table=table, threads=workers.threads)
    dtype = np.uint8 if model.n_classes <= 255 else np.uint16
    n_spatial = data.ndim - isinstance(model, Palette)
    return map_blocks(partial(label_block, model), data, mask, dtype=dtype, n_spatial=n_spatial)


def label_block(model: Levels | Palette, block: NDArray[Any], mask: NDArray[Any] | None = None) -> NDArray[Any]:
    """Label a block, in this thread.

    Parameters
    ----------
    model : Levels or Palette
        The classes.
    block : ndarray
        Gray values, or channels on the last axis.
    mask : ndarray or None
        Where a voxel counts.

    Returns
    -------
    ndarray of uint8 or uint16
        Its labels.
    """
    return model.classify(block, mask=mask, threads=1)


def squared_error(colors: Any, labels: Any, palette: Palette, workers: Workers) -> float:
    """Return the sum of squared differences between the pixels of an image in blocks and what they are painted as.

    Parameters
    ----------
    colors : dask array
        Channels on the last axis.
    labels : dask array
        Cut likewise.
    palette : Palette
        The colors.
    workers : Workers
        Who does it.

    Returns
    -------
    float
        In squared image units.
    """
    found: float | None = reduce_blocks(partial(_error, palette=palette), operator.add, (colors, labels), workers)
    return found or 0.0


def class_counts(labels: Any, n_classes: int, workers: Workers) -> NDArray[np.int64]:
    """Count the voxels of each class by their labels.

    Parameters
    ----------
    labels : ndarray or dask array
        As `classify` returns them.
    n_classes : int
        How many classes there are.
    workers : Workers
        Who does it.

    Returns
    -------
    ndarray of int64, shape (n_classes,)
        Voxels that are left out do not count.
    """
    if isinstance(labels, np.ndarray):
        return counts_in(labels, n_classes)
    found = reduce_blocks(partial(_counts, n_classes=n_classes), operator.add, (labels,), workers)
    return np.zeros(n_classes, np.int64) if found is None else found


def counts_in(labels: ArrayLike, n_classes: int, threads: int | None = None) -> NDArray[np.int64]:
    """Count the voxels of each class in labels that are in memory.

    Parameters
    ----------
    labels : ndarray of uint8 or uint16
        The labels.
    n_classes : int
        How many classes there are.
    threads : int, optional
        How many threads to use.

    Returns
    -------
    ndarray of int64, shape (n_classes,)
        Voxels that are left out do not count.
    """
    found = core_count.histogram(labels, threads=threads)
    counts = np.zeros(n_classes + 1, np.int64)
    counts[np.minimum(found.levels, n_classes)] = found.counts
    return counts[:n_classes]


def _tally(number: int, window: Window, block: NDArray[Any], mask: NDArray[Any] | None) -> Tally:
    del number, window
    return count_part(block, mask=mask, threads=1)


def _table(
    number: int,
    window: Window,
    block: NDArray[Any],
    mask: NDArray[Any] | None,
    *,
    nan: Nan,
    peak: float | Sequence[float] | None,
) -> ColorTable | None:
    del number, window
    return count_part_of_colors(block, mask=mask, nan=nan, peak=peak, threads=1)


def _merged(one: ColorTable | None, other: ColorTable | None) -> ColorTable | None:
    return other if one is None else one if other is None else one + other


def _peaks(
    number: int, window: Window, block: NDArray[Any], mask: NDArray[Any] | None, *, nan: Nan
) -> tuple[float, ...]:
    del number, window
    return peaks_of(block, mask=mask, nan=nan)


def _greater(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(map(max, one, other))


def _error(number: int, window: Window, colors: NDArray[Any], labels: NDArray[Any], *, palette: Palette) -> float:
    del number, window
    return poster.squared_error(colors, labels, palette)


def _counts(number: int, window: Window, labels: NDArray[Any], *, n_classes: int) -> NDArray[np.int64]:
    del number, window
    return counts_in(labels, n_classes, threads=1)
