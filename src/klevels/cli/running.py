"""Who does the work of a command: threads, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from klevels.cli.options import Reading, Running
from klevels.cli.progress import Stages
from klevels.io.reader import Access
from klevels.memory import parse_memory
from klevels.workers import Workers


@contextmanager
def workers_of(running: Running, threads: int | None, stage: Stages) -> Iterator[Workers]:
    """Give the workers that the options ask for, and let go of them in the end.

    Parameters
    ----------
    running : Running
        The options.
    threads : int or None
        How many threads of this process.
    stage : Stages
        The bar that shows how far they are.

    Yields
    ------
    Workers
        Threads, or those of a cluster.

    Raises
    ------
    SchedulerError
        If the cluster cannot be reached.
    """
    memory = None if running.memory is None else parse_memory(running.memory)
    if running.scheduler is None:
        yield Workers(threads, None, memory, stage.blocks)
        return
    import logging

    from klevels.blocks.cluster import connect

    # What it has to say of lost connections is said in one line by the error.
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    client = connect(running.scheduler)
    try:
        yield Workers(threads, client, memory, stage.blocks)
    finally:
        client.close()


def access_of(reading: Reading) -> Access:
    """Return how inputs are read.

    Parameters
    ----------
    reading : Reading
        The options.

    Returns
    -------
    Access
        For `klevels.cli.inputs`.
    """
    return Access(level=reading.level, missing=reading.fill, layout=reading.layout)
