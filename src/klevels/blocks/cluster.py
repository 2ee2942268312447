"""Work on blocks where the workers of a dask cluster are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

from klevels.errors import MissingDependencyError, ParameterError, SchedulerError
from klevels.version import __version__

FAN_IN = 8
"""Results that are merged at a time."""
TIMEOUT = "10s"


def on_cluster(
    work: Callable[[Any], Any],
    merge: Callable[[Any, Any], Any],
    items: Sequence[Any],
    client: Any,
    tell: Callable[[int], None] | None = None,
) -> Any:
    """Work on some items, such as the numbers of blocks, where the workers are, and merge the results there.

    Parameters
    ----------
    work : callable
        Takes an item. It can be pickled.
    merge : callable
        Takes two results, that of the earlier items first.
    items : sequence
        At least one.
    client : distributed.Client
        The cluster.
    tell : callable, optional
        Called with how many items are done.

    Returns
    -------
    object
        The merged result, all that reaches this process.

    Raises
    ------
    SchedulerError
        If the cluster is lost.
    """
    with minding(client):
        # What all blocks need is a task's result, not data of this process: a worker that joins later, or takes the
        # place of one that was lost, gets it from the others or makes it again.
        shared = client.submit(_same, work, pure=False)
        results = client.map(_do, items, work=shared, pure=False)
        if tell is not None:
            _tell_of_each(results, tell)
        fold = Fold(merge)
        while len(results) > 1:
            results = [
                client.submit(fold, *results[i : i + FAN_IN], pure=False) for i in range(0, len(results), FAN_IN)
            ]
        try:
            return results[0].result()
        finally:
            client.cancel(results)


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
    ParameterError
        If it is no address.
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
    if not re.fullmatch(r"(\w+://)?[^/\s]+:\d+/?", address):
        raise ParameterError(f"the scheduler is {address!r}; give its address, such as tcp://10.0.0.1:8786")
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

    address = client.scheduler.address if client.scheduler is not None else "the scheduler"
    try:
        yield
    except KilledWorker as error:
        raise SchedulerError(
            f"{address}: too many workers were lost over one block (the last was {error.last_worker.address}); "
            f"give them more memory or smaller blocks (--memory), then try again with --resume"
        ) from error
    except Exception as error:  # a client whose scheduler is gone raises half a dozen kinds
        if client.status == "running" and not isinstance(error, CancelledError):
            raise
        raise SchedulerError(
            f"{address}: the scheduler was lost ({type(error).__name__}); start it again, then try again with --resume"
        ) from error


class Fold:
    """Merge some results in their order; a class, so that it can be pickled.

    Parameters
    ----------
    merge : callable
        Takes two results, that of the earlier blocks first.
    """

    def __init__(self, merge: Callable[[Any, Any], Any]) -> None:
        self._merge = merge

    def __call__(self, *results: Any) -> Any:
        return reduce(self._merge, results)


def _tell_of_each(results: Sequence[Any], tell: Callable[[int], None]) -> None:
    n_done = 0

    def count(_: Any) -> None:
        nonlocal n_done
        n_done += 1
        tell(n_done)

    for one in results:
        one.add_done_callback(count)


def _same(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return work


def _do(item: Any, work: Callable[[Any], Any]) -> Any:
    return work(item)


def _version() -> str:
    from klevels.version import __version__ as found

    return found
