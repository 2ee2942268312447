"""Work on the blocks of dask arrays, by their graphs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from klevels.blocks.cluster import FAN_IN, Fold, minding
from klevels.blocks.threads import Chunks
from klevels.workers import Workers

KEY = "klevels-block-"
"""How the names of tasks begin that work on a block."""


def graph_of(array: Any) -> dict[Any, Any]:
    """Return the tasks of a dask array, each block's own ones in one.

    Parameters
    ----------
    array : dask array
        The array.

    Returns
    -------
    dict
        From keys to tasks.
    """
    from dask.core import flatten

    keys = list(flatten(array.__dask_keys__()))
    return dict(array.__dask_optimize__(array.__dask_graph__(), keys))


def tasks_of(
    part: Callable[..., Any], arrays: Sequence[Any], graphs: Sequence[Any], chunks: Chunks, numbers: Sequence[int]
) -> list[Any]:
    """Return the delayed work on some blocks, with no more of the graphs than it needs.

    Parameters
    ----------
    part : callable
        Takes the block's number and window, and a block of each array.
    arrays : sequence of dask array or None
        What is computed.
    graphs : sequence of dict or None
        Of each, from `graph_of`.
    chunks : Chunks
        The blocks.
    numbers : sequence of int
        Which of them.

    Returns
    -------
    list of Delayed
        One for each number.
    """
    from dask.delayed import Delayed, delayed
    from dask.highlevelgraph import HighLevelGraph
    from dask.optimization import cull

    token = os.urandom(8).hex()
    places = [chunks.place(number) for number in numbers]
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
        work(number, chunks.window(number), *given, dask_key_name=f"{KEY}{token}-{number}")
        for number, *given in zip(numbers, *blocks, strict=True)
    ]


def run_tasks(
    tasks: list[Any], merge: Callable[[Any, Any], Any], workers: Workers, tell: Callable[[int], None] | None
) -> Any:
    """Merge the results of delayed work, neighbors first, until one is left; and wait for it.

    Parameters
    ----------
    tasks : list of Delayed
        From `tasks_of`, at least one.
    merge : callable
        Takes two results, that of the earlier blocks first.
    workers : Workers
        Who does it.
    tell : callable or None
        Called with how many blocks are done, where threads of this process do it.

    Returns
    -------
    object
        The merged result.
    """
    from dask.delayed import delayed

    join = delayed(Fold(merge), pure=False, traverse=False)
    while len(tasks) > 1:
        tasks = [join(*tasks[i : i + FAN_IN]) for i in range(0, len(tasks), FAN_IN)]
    if workers.client is None:
        with _counting(tell):
            return tasks[0].compute(scheduler="threads", num_workers=workers.n_at_once)
    with minding(workers.client):
        future = workers.client.compute(tasks[0])
        try:
            return future.result()
        finally:
            future.cancel()


@contextmanager
def _counting(tell: Callable[[int], None] | None) -> Iterator[None]:
    """Tell of each block as it is done."""
    from dask.callbacks import Callback

    if tell is None:
        yield
        return
    n_done = 0

    def count(key: Any, *_: Any) -> None:
        nonlocal n_done
        if str(key).startswith(KEY):
            n_done += 1
            tell(n_done)

    with Callback(posttask=count):
        yield
