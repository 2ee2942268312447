"""Two shapes of computation over blocks: map, with a halo, and reduce, by merging."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from klevels.blocks.threads import Chunks, Work, on_threads
from klevels.lazy import ComputedArray, LazyArray, LoadedArray
from klevels.memory import Grid
from klevels.workers import Workers

T = TypeVar("T")

BATCH = 1024
"""Blocks that are handed to a scheduler at a time: a petabyte takes no more memory than a terabyte."""


def map_blocks(
    function: Callable[..., Any],
    *arrays: Any,
    dtype: DTypeLike,
    n_spatial: int,
    n_channels: int | None = None,
    halo: Sequence[int] | None = None,
    is_placed: bool = False,
) -> Any:
    """Return what a function makes of each block.

    Parameters
    ----------
    function : callable
        Takes a block of each array; returns one of the same shape, but for channels.
    *arrays : LazyArray, dask array or None
        Cut alike. Some may lack the last axis, the channels; the function gets None for None.
    dtype : dtype
        Of what it returns.
    n_spatial : int
        How many axes they share.
    n_channels : int, optional
        The length of a last axis of what it returns, the channels; None for none.
    halo : sequence of int, optional
        How far beyond a block the function looks along each shared axis: it gets the block with so many voxels around
        it, fewer at the ends of the array, and what it returns for these is dropped.
    is_placed : bool
        Whether the function is told where its block begins, halo included, as `origin`: one integer for each shared
        axis.

    Returns
    -------
    LazyArray or dask array
        Of the kind of the first. Nothing is computed yet.
    """
    if isinstance(arrays[0], LazyArray):
        return ComputedArray(
            function, arrays, dtype, n_spatial=n_spatial, n_channels=n_channels, halo=halo, is_placed=is_placed
        )
    import dask.array

    first = arrays[0]
    cut = _cut_alike(arrays, halo or ())
    first = cut[0]
    reaches = (*(halo or ()), 0)  # none along the channels
    depth = {
        axis: reaches[min(axis, len(reaches) - 1)] if len(along) > 1 else 0 for axis, along in enumerate(first.chunks)
    }
    lacks = tuple(None if a is None else a.ndim < first.ndim for a in cut)
    # dask lines arrays up by their last axes, as NumPy does: a mask must have one for the channels.
    given = [a[..., np.newaxis] if a.ndim < first.ndim else a for a in cut if a is not None]
    work = _Placed(function, lacks, first.chunks[:n_spatial], depth) if is_placed else _Filled(function, lacks)
    meta = np.empty((0,) * (n_spatial + (n_channels is not None)), dtype)
    options: dict[str, Any] = {}
    if n_channels is None and first.ndim > n_spatial:
        options["drop_axis"] = n_spatial
    if n_channels is not None and first.shape[n_spatial:] != (n_channels,):
        options["chunks"] = (*first.chunks[:n_spatial], (n_channels,))
        if first.ndim == n_spatial:
            options["new_axis"] = n_spatial
    if halo is not None:
        return dask.array.map_overlap(
            work,
            *given,
            depth=[depth] * len(given),
            boundary="none",
            dtype=dtype,
            meta=meta,
            align_arrays=False,
            allow_rechunk=False,
            **options,
        )
    return dask.array.map_blocks(work, *given, dtype=dtype, meta=meta, **options)


def reduce_blocks(
    part: Callable[..., T],
    merge: Callable[[T, T], T],
    arrays: Sequence[Any],
    workers: Workers,
    done: Collection[int] = (),
    halo: Sequence[int] | None = None,
) -> T | None:
    """Work on every block, and merge the results.

    Parameters
    ----------
    part : callable
        Takes the block's number and window, and a block of each array, with the halo around it; returns its result.
    merge : callable
        Takes two results, that of the earlier blocks first, and returns their sum; associative.
    arrays : sequence of LazyArray, dask array or None
        Cut as the first is, and some without its last axis, the channels; `part` gets None for None.
    workers : Workers
        Who does it.
    done : collection of int
        Numbers of blocks to leave out.
    halo : sequence of int, optional
        How many voxels around its window a block holds along each axis, fewer at the ends of the array.

    Returns
    -------
    object or None
        The merged result; None if there was no block to work on.

    Raises
    ------
    SchedulerError
        If the cluster is lost.

    Notes
    -----
    Blocks are numbered with the last axis fastest. On a cluster results are merged next to where they arise, eight at
    a time, so that only one for each `BATCH` of blocks reaches this process; and none of the blocks does.
    """
    is_lazy = isinstance(arrays[0], LazyArray)
    if not is_lazy:
        arrays = _cut_alike(arrays, halo or ())
    chunks = Chunks(blocks_of(arrays[0]))
    n_blocks, n_done = chunks.n_blocks, len(done)
    numbers = (number for number in range(n_blocks) if number not in done)
    work = Work(part, arrays, chunks, halo)
    if workers.client is None and is_lazy:
        return on_threads(work, merge, numbers, _teller(workers, n_done, n_blocks), workers.n_at_once)
    from klevels.blocks.cluster import on_cluster
    from klevels.blocks.graphs import graph_of, run_tasks, tasks_of

    if not is_lazy:
        arrays = _overlapping(arrays, halo)
    graphs = [] if is_lazy else [None if a is None else graph_of(a) for a in arrays]
    merged: T | None = None
    while batch := list(itertools.islice(numbers, BATCH)):
        tell = _teller(workers, n_done, n_blocks)
        if is_lazy:
            found = on_cluster(work, merge, batch, workers.client, tell)
        else:
            found = run_tasks(tasks_of(part, arrays, graphs, chunks, batch), merge, workers, tell)
        merged = found if merged is None else merge(merged, found)
        n_done += len(batch)
        if workers.progress is not None:
            workers.progress(n_done, n_blocks)
    return merged


def _teller(workers: Workers, n_before: int, n_total: int) -> Callable[[int], None] | None:
    report = workers.progress
    return None if report is None else lambda n_done: report(n_before + n_done, n_total)


def for_each(function: Callable[[Any], None], items: Sequence[Any], workers: Workers) -> None:
    """Do something for each of some items, which needs no block.

    Parameters
    ----------
    function : callable
        Takes an item. It can be pickled.
    items : sequence
        Small things that can be pickled.
    workers : Workers
        Who does it.
    """
    if workers.client is None:
        on_threads(function, _nothing, items, None, workers.n_at_once)
        return
    from klevels.blocks.cluster import on_cluster

    for start in range(0, len(items), BATCH):
        on_cluster(function, _nothing, items[start : start + BATCH], workers.client)


def as_blocks(data: Any, grid: Grid) -> Any:
    """Return an array that is worked on in blocks.

    Parameters
    ----------
    data : ndarray, LazyArray or dask array
        The array.
    grid : Grid
        The blocks.

    Returns
    -------
    LazyArray or dask array
        A dask array where one is given. Nothing is read yet.
    """
    if isinstance(data, np.ndarray):
        data = LoadedArray(data)
    if isinstance(data, LazyArray):
        return data.cut(grid)
    return data if data.chunks == grid.chunks else data.rechunk(grid.chunks)


def as_dask(data: Any, chunks: tuple[tuple[int, ...], ...]) -> Any:
    """Return an array as a dask array.

    Parameters
    ----------
    data : ndarray, LazyArray or dask array
        The array.
    chunks : tuple of tuple of int
        The lengths of its blocks along each axis.

    Returns
    -------
    dask.array.Array
        Nothing is read yet.
    """
    import dask.array

    if isinstance(data, dask.array.Array):
        return data if data.chunks == chunks else data.rechunk(chunks)
    return dask.array.from_array(
        data,
        chunks=chunks,
        name=f"klevels-{os.urandom(8).hex()}",  # its bytes need not be read to name it
        asarray=False,
        inline_array=not isinstance(data, np.ndarray),
        meta=np.empty((0,) * len(data.shape), data.dtype),
    )


def blocks_of(data: Any) -> tuple[tuple[int, ...], ...]:
    """Return how an array is cut.

    Parameters
    ----------
    data : LazyArray or dask array
        As `as_blocks` returns it.

    Returns
    -------
    tuple of tuple of int
        The lengths of its blocks along each axis.
    """
    cut: Any = data.grid if isinstance(data, LazyArray) else data
    found: tuple[tuple[int, ...], ...] = cut.chunks
    return found


def _nothing(one: None, other: None) -> None:
    del one, other


def _cut_alike(arrays: Sequence[Any], halo: Sequence[int]) -> Sequence[Any]:
    """Return dask arrays in the blocks of the first, of which those shorter than a halo are joined to others."""
    from dask.array.overlap import ensure_minimum_chunksize

    first = arrays[0]
    chunks = tuple(
        (n,) if reach >= n else ensure_minimum_chunksize(reach, along)
        for n, along, reach in zip(first.shape, first.chunks, (*halo, *[0] * (first.ndim - len(halo))), strict=True)
    )
    return [a if a is None or a.chunks == chunks[: a.ndim] else a.rechunk(chunks[: a.ndim]) for a in arrays]


def _overlapping(arrays: Sequence[Any], halo: Sequence[int] | None) -> Sequence[Any]:
    """Return dask arrays of which each block holds a halo as well."""
    if halo is None:
        return arrays
    from dask.array.overlap import overlap

    depth = {axis: halo[axis] if len(along) > 1 else 0 for axis, along in enumerate(arrays[0].chunks)}
    return [a if a is None else overlap(a, depth, "none", allow_rechunk=False) for a in arrays]


class _Filled:
    """A function of blocks that gets None for arrays that are None; a class, so that it can be pickled."""

    def __init__(self, function: Callable[..., Any], lacks: tuple[bool | None, ...]) -> None:
        self._function = function
        self._lacks = lacks

    def __call__(self, *blocks: Any) -> Any:
        rest = iter(blocks)
        return self._function(*(None if one is None else self._next(rest, one) for one in self._lacks))

    def _next(self, rest: Iterator[Any], lacks_channels: bool) -> Any:
        block = next(rest)
        return block[..., 0] if lacks_channels else block


class _Placed(_Filled):
    """The same, for a function that is told where its block begins."""

    def __init__(
        self,
        function: Callable[..., Any],
        lacks: tuple[bool | None, ...],
        chunks: tuple[tuple[int, ...], ...],
        depth: dict[int, int],
    ) -> None:
        super().__init__(function, lacks)
        self._starts = [np.concatenate(([0], np.cumsum(lengths))).tolist() for lengths in chunks]
        self._depth = depth

    def __call__(self, *blocks: Any, block_info: Any = None) -> Any:
        place = block_info[0]["chunk-location"] if block_info else (0,) * len(self._starts)
        origin = tuple(max(0, s[i] - self._depth[a]) for a, (s, i) in enumerate(zip(self._starts, place, strict=False)))
        rest = iter(blocks)
        given = [None if one is None else self._next(rest, one) for one in self._lacks]
        return self._function(*given, origin=origin)
