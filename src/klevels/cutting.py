"""How an image that is not in memory is cut into blocks, and which of them stay in memory between passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from klevels.blocks import as_blocks, as_dask
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.foreign import is_dask
from klevels.image import Image
from klevels.lazy import CutArray, KeptArray, LazyArray, LoadedArray, rows_of
from klevels.memory import Grid, fitting_grid, working_bytes
from klevels.recipe import Recipe
from klevels.sources import has_alpha
from klevels.workers import Workers

MOST_KEPT = 1 << 29
"""Decoded blocks that are kept take no more where nobody said how much memory may be used."""


def in_blocks(
    image: Image,
    mask: Any,
    workers: Workers,
    *,
    shards: Sequence[int] | None = None,
    halo: Sequence[int] | None = None,
    passes: int = 1,
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
    halo : sequence of int, optional
        How far around a block voxels are needed, too, along each axis but the channels.
    passes : int
        How often all blocks will be worked on. If more than once, decoded blocks stay in memory until the last time, as
        far as there is room; without a halo.

    Returns
    -------
    image : Image
        With a `LazyArray` or a dask array if it is cut.
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
        return _in_dask_blocks(image, mask, n_spatial, workers, shards, halo)
    grid = grid_of(image, workers, shards, halo)
    data = image.data
    if passes > 1 and halo is None and isinstance(data, LazyArray) and workers.client is None:
        data = KeptArray(data, room_to_keep(image, grid, workers), n_reads(image, passes))
    inside = LoadedArray(mask) if isinstance(mask, np.ndarray) else mask
    return replace(image, data=as_blocks(data, grid)), inside


def shard_of(image: Image, mask: Any, number: int, n_shards: int) -> tuple[Image, Any]:
    """Return one of the parts into which an image is divided to be counted by several runs.

    Parameters
    ----------
    image : Image
        In memory or not.
    mask : array or None
        Of the image's shape without channels.
    number : int
        Which part, 1 <= number <= n_shards.
    n_shards : int
        How many parts.

    Returns
    -------
    image : Image
        Whole slices, or rows; of whole chunks, if there are enough.
    mask : array or None
        Of the same part.

    Raises
    ------
    ParameterError
        If there are fewer slices than parts.
    """
    n = image.shape[0]
    step = image.data.chunks[0] if isinstance(image.data, LazyArray) else 1
    step = step if -(-n // step) >= n_shards else 1
    n_steps = -(-n // step)
    first, last = (min(n, n_steps * i // n_shards * step) for i in (number - 1, number))
    if first == last:
        raise ParameterError(
            f"--shard is {number}/{n_shards}, but there are only {n} slices (or rows); use at most {n} shards"
        )
    part = slice(first, last)
    return replace(image, data=_slices(image.data, part)), None if mask is None else _slices(mask, part)


def grid_of(
    image: Image, workers: Workers, shards: Sequence[int] | None = None, halo: Sequence[int] | None = None
) -> Grid:
    """Return how an image is cut.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    workers : Workers
        Who will work on it.
    shards : sequence of int, optional
        The pieces in which the labels will be written.
    halo : sequence of int, optional
        How far around a block voxels are needed, too, along each axis but the channels.

    Returns
    -------
    Grid
        All channels of a voxel are in one block.
    """
    if shards is not None and "c" in image.axes:
        shards = (*shards[: len(image.axes) - 1], image.shape[-1])
    return fitting_grid(
        image.shape,
        image.dtype.itemsize,
        chunks_of(image),
        shards,
        memory=workers.budget,
        n_workers=workers.n_at_once,
        is_decoded=is_decoded(image),
        halo=_with_channels(halo, image),
    )


def alike(arrays: Sequence[Any], workers: Workers, halo: Sequence[int] | None = None) -> list[Any]:
    """Cut arrays into the same blocks: those in which the first that is not in memory is read best.

    Parameters
    ----------
    arrays : sequence of ndarray, LazyArray, dask array or None
        Of one shape, none with channels; the first is not None.
    workers : Workers
        Whose memory blocks must fit into.
    halo : sequence of int, optional
        How far around a block voxels are needed, too.

    Returns
    -------
    list
        LazyArrays, or dask arrays where one is given, and None for None.
    """
    given = [one for one in arrays if one is not None]
    dask = next((one for one in given if is_dask(one)), None)
    if dask is not None:
        return [None if one is None else as_dask(one, dask.chunks) for one in arrays]
    first = next((one for one in given if not isinstance(one, np.ndarray)), given[0])
    image = Image(first, "zyx"[-first.ndim :])
    grid = fitting_grid(
        image.shape,
        sum(one.dtype.itemsize for one in given),
        chunks_of(image),
        None,
        memory=workers.budget,
        n_workers=workers.n_at_once,
        is_decoded=is_decoded(image),
        halo=halo,
    )
    return [None if one is None else as_blocks(one, grid) for one in arrays]


def chunks_of(image: Image) -> tuple[int, ...]:
    """Return the pieces in which an image is read best.

    Parameters
    ----------
    image : Image
        Of any kind of array.

    Returns
    -------
    tuple of int
        One for each axis; with all channels.
    """
    data = image.data
    if isinstance(data, LazyArray):
        chunks = data.chunks
    elif is_dask(data):
        chunks = tuple(lengths[0] for lengths in data.chunks)
    else:
        chunks = rows_of(data.shape, data.dtype.itemsize)
    return (*chunks[:-1], image.shape[-1]) if "c" in image.axes else chunks


def is_decoded(image: Image) -> bool:
    """Tell whether pieces of an image are read as a whole or not at all.

    Parameters
    ----------
    image : Image
        Of any kind of array.

    Returns
    -------
    bool
        False for what is in memory, and what lies in files as it does in memory.
    """
    data = image.data
    return data.stored_bytes is not None if isinstance(data, LazyArray) else is_dask(data)


def bytes_in_work(image: Image, grid: Grid, workers: Workers, halo: Sequence[int] | None = None) -> int:
    """Return how much memory the blocks in work take on one machine.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    grid : Grid
        Its blocks.
    workers : Workers
        Who works on them.
    halo : sequence of int, optional
        How far around a block voxels are needed, too, along each axis but the channels.

    Returns
    -------
    int
        In bytes.
    """
    pieces = chunks_of(image) if is_decoded(image) else grid.block
    reach = _with_channels(halo, image)
    n_bytes = working_bytes(grid.block, pieces, image.dtype.itemsize, image.shape, reach)
    return min(grid.n_blocks, workers.n_at_once) * n_bytes


def n_reads(image: Image, passes: int) -> int:
    """Return how often each block is read.

    Parameters
    ----------
    image : Image
        That is segmented.
    passes : int
        How often all blocks are worked on.

    Returns
    -------
    int
        Twice in each pass where there is transparency: for the colors, and for where they count.
    """
    return passes * (1 + has_alpha(image))


def room_to_keep(image: Image, grid: Grid, workers: Workers) -> int:
    """Return how much memory there is to keep decoded blocks until they are read again.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    grid : Grid
        The blocks in which it is read.
    workers : Workers
        Who reads them, and with how much memory.

    Returns
    -------
    int
        In bytes; 0 where nothing has to be decoded, or others do it. Unless more is allowed by name, `MOST_KEPT` at
        most.
    """
    if not isinstance(image.data, LazyArray) or not is_decoded(image) or workers.client is not None:
        return 0
    room = max(0, workers.budget - bytes_in_work(image, grid, workers))
    return room if workers.memory is not None else min(room, MOST_KEPT)


def passes_over(image: Image, recipe: Recipe, *, has_outputs: bool) -> tuple[str, ...]:
    """Return what is done with all blocks, one after the other, to segment an image.

    Parameters
    ----------
    image : Image
        What is segmented.
    recipe : Recipe
        What is asked.
    has_outputs : bool
        Whether labels, or what is painted, are written.

    Returns
    -------
    tuple of str
        For people to read.
    """
    passes = ["count"]
    has_channels = "c" in image.axes
    is_on_its_own_grid = image.dtype.kind == "f" or image.dtype.itemsize > 2
    if has_channels and (recipe.normalize or is_on_its_own_grid):
        passes.insert(0, "find the range")
    if has_outputs:
        passes.append("label and write")
    elif has_channels or recipe.model is not None or recipe.borders is not None or recipe.smooth:
        passes.append("label")
    return tuple(passes)


def _with_channels(halo: Sequence[int] | None, image: Image) -> Sequence[int] | None:
    """Return a halo with none along the channels."""
    return (*halo, 0) if halo is not None and "c" in image.axes else halo


def _slices(data: Any, part: slice) -> Any:
    return CutArray(data, part) if isinstance(data, LazyArray) else data[part]


def _checked(mask: Any, shape: tuple[int, ...]) -> Any:
    found = mask if hasattr(mask, "shape") else np.asarray(mask)
    if tuple(found.shape) != shape:
        raise DataError(f"the mask has shape {tuple(found.shape)}, the image {shape}; give a mask of the image's shape")
    if found.dtype.kind not in "biu":
        raise DataTypeError(f"the mask is of dtype {found.dtype}; give bool, or integers, nonzero inside")
    return found


def _in_dask_blocks(
    image: Image,
    mask: Any,
    n_spatial: int,
    workers: Workers,
    shards: Sequence[int] | None,
    halo: Sequence[int] | None,
) -> tuple[Image, Any]:
    """Cut an image and a mask of which one is a dask array; both are then."""
    if not is_dask(image.data):
        data = as_dask(image.data, grid_of(image, workers, shards, halo).chunks)
    else:
        is_cut_anew = shards is not None or (halo is not None and _is_narrow(image.data.chunks, halo))
        data = as_blocks(image.data, grid_of(image, workers, shards, halo)) if is_cut_anew else image.data
        if "c" in image.axes and len(data.chunks[-1]) > 1:
            data = data.rechunk({n_spatial: -1})
    return replace(image, data=data), None if mask is None else as_dask(mask, data.chunks[:n_spatial])


def _is_narrow(chunks: Sequence[Sequence[int]], halo: Sequence[int]) -> bool:
    """Tell whether a block is shorter than what is needed around it: dask would look no further than its neighbor."""
    return any(len(lengths) > 1 and min(lengths) < reach for lengths, reach in zip(chunks, halo, strict=False))
