"""Two shapes of computation over blocks: map, with a halo, and reduce, by merging. The only room that knows dask."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from klevels.errors import MissingDependencyError, SchedulerError
from klevels.lazy import ComputedArray, LazyArray, LoadedArray
from klevels.memory import Grid, Window
from klevels.version import __version__
from klevels.workers import Workers

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

BATCH = 1024
"""Blocks that are handed to a scheduler at a time: a petabyte takes no more memory than a terabyte."""
FAN_IN = 8
"""Results that are merged at a time on a cluster."""
RETRIES = 3
"""How often a block is tried again whose worker was lost."""
TIMEOUT = "10s"
KEY = "klevels-block-"
"""How the names of tasks begin that work on a block."""


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


def map_blocks(
    function: Callable[..., Any],
    *arrays: Any,
    dtype: DTypeLike,
    n_spatial: int,
    n_channels: int | None = None,
    halo: Sequence[int] | None = None,
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

    Returns
    -------
    LazyArray or dask array
        Of the kind of the first. Nothing is computed yet.
    """
    if isinstance(arrays[0], LazyArray):
        return ComputedArray(function, arrays, dtype, n_spatial=n_spatial, n_channels=n_channels, halo=halo)
    import dask.array

    first = arrays[0]
    lacks = tuple(None if a is None else a.ndim < first.ndim for a in arrays)
    # dask lines arrays up by their last axes, as NumPy does: a mask must have one for the channels.
    given = [a[..., np.newaxis] if a.ndim < first.ndim else a for a in arrays if a is not None]
    work = _Filled(function, lacks)
    meta = np.empty((0,) * (n_spatial + (n_channels is not None)), dtype)
    if halo is not None:
        depth = {axis: halo[axis] if axis < n_spatial else 0 for axis in range(first.ndim)}
        return dask.array.map_overlap(
            work, *given, depth=[depth] * len(given), boundary="none", dtype=dtype, meta=meta, align_arrays=False
        )
    options: dict[str, Any] = {}
    if n_channels is None and first.ndim > n_spatial:
        options["drop_axis"] = n_spatial
    if n_channels is not None:
        options["chunks"] = (*first.chunks[:n_spatial], (n_channels,))
        if first.ndim == n_spatial:
            options["new_axis"] = n_spatial
    return dask.array.map_blocks(work, *given, dtype=dtype, meta=meta, **options)


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
    arrays : sequence of LazyArray, dask array or None
        Cut as the first is, and some without its last axis, the channels; `part` gets None for None.
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
    Blocks are numbered with the last axis fastest. On a cluster results are merged next to where they arise, `FAN_IN`
    at a time, so that only one for each `BATCH` of blocks reaches this process; and none of the blocks does.
    """
    first = arrays[0]
    is_dask = not isinstance(first, LazyArray)
    grid = _Chunks(blocks_of(first))
    numbers = [number for number in range(grid.n_blocks) if number not in done]
    if workers.client is None and not is_dask:
        return _on_threads(_Work(part, arrays, grid), merge, numbers, grid.n_blocks, workers)
    merged: T | None = None
    graphs = [None if a is None else _graph(a) for a in arrays] if is_dask else []
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        if is_dask:
            found = _run_graph(_tasks(part, arrays, graphs, grid, batch), merge, workers, start, len(numbers))
        else:
            with minding(workers.client):
                found = _on_cluster(_Work(part, arrays, grid), merge, batch, workers.client)
        merged = found if merged is None else merge(merged, found)
        if workers.progress is not None:
            workers.progress(start + len(batch), len(numbers))
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
    with minding(client):
        versions = client.run(_version, on_error="return")
    if not versions:
        client.close()
        raise SchedulerError(f"{address}: the scheduler has no workers; start dask worker {address}")
    for worker, version in versions.items():
        if version != __version__:
            client.close()
            raise MissingDependencyError(f"{worker}: has klevels {version}, not {__version__}; install it there")
    return client


@contextmanager
def minding(client: Any) -> Iterator[None]:
    """Turn what a lost cluster does into an error of klevels.

    Parameters
    ----------
    client : distributed.Client
        The cluster.

    Yields
    ------
    None
        While it works.

    Raises
    ------
    SchedulerError
        If the scheduler is lost, or too many workers over one block.
    """
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


def _version() -> str:
    from klevels.version import __version__ as found

    return found


class _Chunks:
    """Blocks of any lengths, numbered with the last axis fastest."""

    def __init__(self, chunks: tuple[tuple[int, ...], ...]) -> None:
        self._starts = [np.concatenate(([0], np.cumsum(lengths))).tolist() for lengths in chunks]
        self.counts = tuple(len(lengths) for lengths in chunks)
        self.n_blocks = math.prod(self.counts)

    def place(self, number: int) -> tuple[int, ...]:
        place = []
        for n in reversed(self.counts):
            number, index = divmod(number, n)
            place.append(index)
        return tuple(reversed(place))

    def window(self, number: int) -> Window:
        return tuple(slice(s[i], s[i + 1]) for s, i in zip(self._starts, self.place(number), strict=True))


class _Work:
    """Read a block, and work on it; a class, so that it can be pickled."""

    def __init__(self, part: Callable[..., Any], arrays: Sequence[LazyArray | None], grid: _Chunks) -> None:
        self._part = part
        self._arrays = arrays
        self._grid = grid

    def __call__(self, number: int) -> Any:
        window = self._grid.window(number)
        blocks = [None if one is None else one.read(window[: one.ndim]) for one in self._arrays]
        return self._part(number, window, *blocks)


def _on_threads(
    work: Callable[[int], T], merge: Callable[[T, T], T], numbers: Sequence[int], n_total: int, workers: Workers
) -> T | None:
    """Work on blocks in threads of this process; few results are waiting at a time."""
    from concurrent.futures import ThreadPoolExecutor  # loads logging: an import of klevels stays light

    merged: list[T] = []
    waiting: deque[Future[T]] = deque()
    n_done = n_total - len(numbers)

    def take() -> None:
        nonlocal n_done
        found = waiting.popleft().result()
        merged[:] = [merge(merged[0], found)] if merged else [found]
        n_done += 1
        if workers.progress is not None:
            workers.progress(n_done, n_total)

    with ThreadPoolExecutor(workers.n_at_once) as pool:
        try:
            for number in numbers:
                waiting.append(pool.submit(work, number))
                if len(waiting) > 2 * workers.n_at_once:
                    take()
            while waiting:
                take()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return merged[0] if merged else None


def _on_cluster(work: _Work, merge: Callable[[Any, Any], Any], numbers: Sequence[int], client: Any) -> Any:
    """Work on a batch of blocks where the workers are, and merge their results there."""
    # What all blocks need is a task's result, not data of this process: a worker that joins later, or takes the place
    # of one that was lost, gets it from the others or makes it again.
    shared = client.submit(_same, work, pure=False, retries=RETRIES)
    results = client.map(_do, numbers, work=shared, pure=False, retries=RETRIES)
    fold = _Fold(merge)
    while len(results) > 1:
        results = [
            client.submit(fold, *results[i : i + FAN_IN], pure=False, retries=RETRIES)
            for i in range(0, len(results), FAN_IN)
        ]
    try:
        return results[0].result()
    finally:
        client.cancel(results)


def _same(work: _Work) -> _Work:
    return work


def _do(number: int, work: _Work) -> Any:
    return work(number)


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


class _Fold:
    """Merge some results in their order; a class, so that it can be pickled."""

    def __init__(self, merge: Callable[[Any, Any], Any]) -> None:
        self._merge = merge

    def __call__(self, *results: Any) -> Any:
        return reduce(self._merge, results)


def _graph(array: Any) -> dict[Any, Any]:
    """Return the tasks of a dask array, each block's own ones in one."""
    from dask.core import flatten

    keys = list(flatten(array.__dask_keys__()))
    return dict(array.__dask_optimize__(array.__dask_graph__(), keys))


def _tasks(
    part: Callable[..., Any], arrays: Sequence[Any], graphs: Sequence[Any], grid: _Chunks, numbers: Sequence[int]
) -> list[Any]:
    """Return the delayed work on some blocks, with no more of the graphs than it needs."""
    from dask.delayed import Delayed, delayed
    from dask.highlevelgraph import HighLevelGraph
    from dask.optimization import cull

    token = os.urandom(8).hex()
    places = [grid.place(number) for number in numbers]
    blocks: list[list[Any]] = []
    for i, (array, graph) in enumerate(zip(arrays, graphs, strict=True)):
        if array is None:
            blocks.append([None] * len(numbers))
            continue
        keys = [(array.name, *place[: array.ndim]) for place in places]
        layer = f"{token}-{i}"
        needed = HighLevelGraph.from_collections(layer, cull(graph, keys)[0], dependencies=())
        blocks.append([Delayed(key, needed, layer=layer) for key in keys])
    work = delayed(part, pure=False, traverse=False)
    return [
        work(number, grid.window(number), *given, dask_key_name=f"{KEY}{token}-{number}")
        for number, *given in zip(numbers, *blocks, strict=True)
    ]


def _run_graph(
    tasks: list[Any], merge: Callable[[Any, Any], Any], workers: Workers, n_before: int, n_total: int
) -> Any:
    """Merge the results of delayed work, neighbors first, until one is left; and wait for it."""
    from dask.delayed import delayed

    join = delayed(_Fold(merge), pure=False, traverse=False)
    while len(tasks) > 1:
        tasks = [join(*tasks[i : i + FAN_IN]) for i in range(0, len(tasks), FAN_IN)]
    if workers.client is None:
        with _counting(workers, n_before, n_total):
            return tasks[0].compute(scheduler="threads", num_workers=workers.n_at_once)
    with minding(workers.client):
        future = workers.client.compute(tasks[0], retries=RETRIES)
        try:
            return future.result()
        finally:
            future.cancel()


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
