"""Count and label, through one face for arrays in memory and arrays in blocks: the same call gives the same bits."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels import poster
from klevels.blocks import map_blocks, reduce_blocks
from klevels.core import count as core_count
from klevels.core.colors import ColorTable, count_colors, count_part_of_colors, nothing_counts
from klevels.core.count import Tally, count_part
from klevels.core.grid import peaks_of
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.errors import DataError
from klevels.memory import Window
from klevels.workers import Workers

Nan = Literal["error", "ignore"]


def count(data: Any, mask: Any, nan: Nan, workers: Workers) -> Histogram:
    """Count how often each gray level occurs.

    Parameters
    ----------
    data : ndarray, LazyArray or dask array
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
    data : ndarray, LazyArray or dask array
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
    data : ndarray, LazyArray or dask array
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
    data : ndarray, LazyArray or dask array
        Gray values, or channels on the last axis.
    mask : array or None
        Where a voxel counts; cut like the data.
    counted : Histogram or ColorTable or None
        Of this very image, if it is at hand: saves counting the colors of one in memory again.
    workers : Workers
        Who does it, where the image is in memory.

    Returns
    -------
    ndarray, LazyArray or dask array
        See `Levels.classify` and `Palette.classify`.
    """
    if isinstance(data, np.ndarray):
        if isinstance(model, Levels):
            return model.classify(data, mask=mask, threads=workers.threads)
        table = counted if isinstance(counted, ColorTable) else None
        return model.classify(data, mask=mask, table=table, threads=workers.threads)
    dtype = np.uint8 if model.n_classes <= 255 else np.uint16
    n_spatial = data.ndim - isinstance(model, Palette)
    return map_blocks(_Labeler(model), data, mask, dtype=dtype, n_spatial=n_spatial)


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


class _Labeler:
    """Label blocks, to where the labels shall be if that is known; a class, so that it can be pickled."""

    def __init__(self, model: Levels | Palette) -> None:
        self._model = model

    def __call__(self, block: NDArray[Any], mask: NDArray[Any] | None) -> NDArray[Any]:
        return label_block(self._model, block, mask)

    def into(self, out: NDArray[Any], block: NDArray[Any], mask: NDArray[Any] | None) -> None:
        if isinstance(self._model, Levels):
            self._model.classify(block, mask=mask, out=out, threads=1)
        else:
            out[...] = self(block, mask)


def squared_error(colors: Any, labels: Any, palette: Palette, workers: Workers) -> float:
    """Return the sum of squared differences between the pixels of an image in blocks and what they are painted as.

    Parameters
    ----------
    colors : LazyArray or dask array
        Channels on the last axis.
    labels : LazyArray or dask array
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
    labels : ndarray, LazyArray or dask array
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
