"""Two shapes of computation over blocks: map, with a halo, and reduce, by merging. The only room that knows dask."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from klevels.errors import MissingDependencyError, SchedulerError
from klevels.lazy import Window
from klevels.memory import Grid
from klevels.version import __version__
from klevels.workers import Workers

T = TypeVar("T")

WINDOW = 1024
"""Blocks of which the graph is made at a time: so that of a petabyte takes no more memory than that of a terabyte."""
FAN_IN = 8
"""Results that are merged at a time."""
RETRIES = 3
"""How often a block is tried again whose worker was lost."""
TIMEOUT = "10s"
KEY = "klevels-block-"
"""How the names of tasks begin that work on a block."""


def as_blocks(data: Any, grid: Grid | None = None) -> Any:
    """Return an array as a dask array.

    Parameters
    ----------
    data : ndarray, LazyArray or dask array
        The array.
    grid : Grid, optional
        How it is cut; a dask array stays as it is without one.

    Returns
    -------
    dask.array.Array
        Nothing is read yet.
    """
    da = _dask_array()
    if isinstance(data, da.Array):
        return data if grid is None or data.chunks == grid.chunks else data.rechunk(grid.chunks)
    if grid is None:
        grid = Grid(tuple(data.shape), tuple(data.shape))
    return da.from_array(
        data,
        chunks=grid.chunks,
        name=f"klevels-{os.urandom(8).hex()}",  # its bytes need not be read to name it
        asarray=False,
        inline_array=not isinstance(data, np.ndarray),
        meta=np.empty((0,) * len(data.shape), data.dtype),
    )


def map_blocks(
    function: Callable[..., Any],
    *arrays: Any,
    dtype: DTypeLike,
    halo: Sequence[int] | None = None,
    drop_axis: int | None = None,
    new_axis: int | None = None,
    n_new: int = 1,
) -> Any:
    """Return what a function makes of each block.

    Parameters
    ----------
    function : callable
        Takes a block of each array; returns one of the same shape.
    *arrays : dask array or None
        Cut alike, where some may lack the last axis, the channels; the function gets None for None.
    dtype : dtype
        Of what it returns.
    halo : sequence of int, optional
        How far beyond a block the function looks along each axis: it gets the block with so many voxels around it,
        fewer at the ends of the array, and what it returns for these is dropped.
    drop_axis : int, optional
        The axis that what it returns lacks.
    new_axis : int, optional
        The axis that what it returns has besides.
    n_new : int
        The length of that axis.

    Returns
    -------
    dask.array.Array
        Nothing is computed yet.
    """
    da = _dask_array()
    most = max(a.ndim for a in arrays if a is not None)
    lacks = tuple(None if a is None else a.ndim < most for a in arrays)
    # dask lines arrays up by their last axes, as NumPy does: a mask must have one for the channels.
    given = [a[..., np.newaxis] if a.ndim < most else a for a in arrays if a is not None]
    work = _Filled(function, lacks)
    ndim = given[0].ndim - (drop_axis is not None) + (new_axis is not None)
    meta = np.empty((0,) * ndim, dtype)
    if halo is not None:
        depth = dict(enumerate(halo))
        return da.map_overlap(
            work, *given, depth=[depth] * len(given), boundary="none", dtype=dtype, meta=meta, align_arrays=False
        )
    chunks = None
    if new_axis is not None:
        inner = list(given[0].chunks)
        inner.insert(new_axis, (n_new,))
        chunks = tuple(inner)
    options: dict[str, Any] = {} if drop_axis is None else {"drop_axis": drop_axis}
    if chunks is not None:
        options |= {"new_axis": new_axis, "chunks": chunks}
    return da.map_blocks(work, *given, dtype=dtype, meta=meta, **options)


def reduce_blocks(
    part: Callable[..., T],
    merge: Callable[[T, T], T],
    arrays: Sequence[Any],
    workers: Workers,
    done: Collection[int] = (),
) -> T | None:
    """Work on every block, and merge the results.

    Parameters
    ----------
    part : callable
        Takes the block's number and window, and a block of each array; returns its result.
    merge : callable
        Takes two results, that of the earlier blocks first, and returns their sum; associative.
    arrays : sequence of dask array or None
        Cut alike, except along axes that the first has and others lack; `part` gets None for None.
    workers : Workers
        Who does it.
    done : collection of int
        Numbers of blocks to leave out.

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
    Blocks are numbered with the last axis fastest. Results are merged next to where they arise, `FAN_IN` at a time, so
    that only one for each `WINDOW` blocks reaches this process; and none of the blocks does.
    """
    first = next(a for a in arrays if a is not None)
    n_total = math.prod(first.numblocks)
    n_each_row = math.prod(first.numblocks[1:])
    n_rows = max(1, WINDOW // n_each_row)
    skipped = frozenset(done)
    merged: T | None = None
    for row in range(0, first.numblocks[0], n_rows):
        rows = slice(row, min(row + n_rows, first.numblocks[0]))
        jobs = [job for job in _jobs(first, arrays, rows, part) if job.number not in skipped]
        if jobs:
            found = _compute(_tree([job.task for job in jobs], merge), workers, rows.start * n_each_row, n_total)
            merged = found if merged is None else merge(merged, found)
        if workers.progress is not None:
            workers.progress(rows.stop * n_each_row, n_total)
    return merged


def connect(address: str) -> Any:
    """Return a client of a dask scheduler whose workers run this version of klevels.

    Parameters
    ----------
    address : str
        Such as "tcp://10.0.0.1:8786".

    Returns
    -------
    distributed.Client
        Not the default one: other work of this process stays where it is.

    Raises
    ------
    SchedulerError
        If there is no scheduler, or it has no workers.
    MissingDependencyError
        If distributed is not installed, or a worker lacks this version of klevels.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            "a cluster needs the package distributed; install it with pip install 'klevels[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SchedulerError(f"{address}: no scheduler answers ({error}); start dask scheduler, or check it") from error
    with _minding(client):
        versions = client.run(_version, on_error="return")
    if not versions:
        client.close()
        raise SchedulerError(f"{address}: the scheduler has no workers; start dask worker {address}")
    for worker, version in versions.items():
        if version != __version__:
            client.close()
            raise MissingDependencyError(f"{worker}: has klevels {version}, not {__version__}; install it there")
    return client


def _version() -> str:
    from klevels.version import __version__ as found

    return found


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


class _Job:
    def __init__(self, number: int, task: Any) -> None:
        self.number = number
        self.task = task


def _jobs(first: Any, arrays: Sequence[Any], rows: slice, part: Callable[..., Any]) -> Iterator[_Job]:
    """Return the delayed work on some rows of blocks."""
    from dask import delayed

    cuts = [None if a is None else a.blocks[rows].to_delayed() for a in arrays]
    starts = [np.concatenate(([0], np.cumsum(lengths))).tolist() for lengths in first.chunks]
    work = delayed(part, pure=False, traverse=False)
    token = os.urandom(8).hex()
    for place in np.ndindex(*(rows.stop - rows.start, *first.numblocks[1:])):
        whole = (place[0] + rows.start, *place[1:])
        number = int(np.ravel_multi_index(whole, first.numblocks))
        window: Window = tuple(slice(s[i], s[i + 1]) for s, i in zip(starts, whole, strict=True))
        blocks = [None if c is None else c[place[: c.ndim]] for c in cuts]
        yield _Job(number, work(number, window, *blocks, dask_key_name=f"{KEY}{token}-{number}"))


def _tree(tasks: list[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """Merge neighbors until one is left."""
    from dask import delayed

    join = delayed(_Fold(merge), pure=False, traverse=False)
    while len(tasks) > 1:
        tasks = [join(*tasks[i : i + FAN_IN]) for i in range(0, len(tasks), FAN_IN)]
    return tasks[0]


class _Fold:
    """Merge some results in their order; a class, so that it can be pickled."""

    def __init__(self, merge: Callable[[Any, Any], Any]) -> None:
        self._merge = merge

    def __call__(self, *results: Any) -> Any:
        total = results[0]
        for one in results[1:]:
            total = self._merge(total, one)
        return total


def _compute(task: Any, workers: Workers, n_before: int, n_total: int) -> Any:
    if workers.client is not None:
        with _minding(workers.client):
            future = workers.client.compute(task, retries=RETRIES)
            try:
                return future.result()
            finally:
                future.cancel()
    with _counting(workers, n_before, n_total):
        return task.compute(scheduler="threads", num_workers=workers.n_at_once)


@contextmanager
def _counting(workers: Workers, n_before: int, n_total: int) -> Iterator[None]:
    """Tell of each block as it is done."""
    from dask.callbacks import Callback

    report = workers.progress
    if report is None:
        yield
        return
    n_done = n_before

    def count(key: Any, *_: Any) -> None:
        nonlocal n_done
        if str(key).startswith(KEY):
            n_done += 1
            report(min(n_done, n_total), n_total)

    with Callback(posttask=count):
        yield


@contextmanager
def _minding(client: Any) -> Iterator[None]:
    """Turn what a lost cluster does into an error of klevels."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    address = client.scheduler.address if client.scheduler is not None else "the scheduler"
    try:
        yield
    except KilledWorker as error:
        raise SchedulerError(
            f"{address}: {RETRIES + 1} workers were lost over one block ({error.last_worker.address}); "
            f"give them more memory or smaller blocks (--memory), then try again with --resume"
        ) from error
    except (CancelledError, CommClosedError, TimeoutError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SchedulerError(
            f"{address}: the scheduler was lost ({reason[:120]}); start it again, then try again with --resume"
        ) from error


def _dask_array() -> Any:
    try:
        import dask.array
    except ImportError as error:
        raise MissingDependencyError(
            "images that are not in memory need the package dask; install it with pip install 'dask[array]'"
        ) from error
    return dask.array
