"""Who does the work on an image in blocks: threads of this process, or the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from klevels.core.voxels import count_threads
from klevels.errors import SchedulerError
from klevels.memory import free_memory, n_processors

Progress = Callable[[int, int], None]
"""Called with how many blocks are done, and how many there are."""


@dataclass(frozen=True)
class Workers:
    """Who does the work on an image in blocks.

    Parameters
    ----------
    threads : int, optional
        How many threads of this process; all processors by default.
    client : distributed.Client, optional
        The cluster that does it instead.
    memory : int, optional
        What this process may take for blocks, in bytes; half of what is free by default.
    progress : callable, optional
        Called with how many blocks are done, and how many there are.
    """

    threads: int | None = None
    client: Any = None
    memory: int | None = None
    progress: Progress | None = None

    @property
    def n_at_once(self) -> int:
        """How many blocks are worked on at the same time on one machine."""
        if self.client is not None:
            return max(_told(self.client.nthreads).values(), default=1)
        return count_threads(self.threads) if self.threads is not None else n_processors()

    @property
    def budget(self) -> int:
        """What the blocks in work may take on one machine, in bytes."""
        if self.memory is not None:
            return self.memory
        if self.client is not None:
            told = _told(lambda: self.client.scheduler_info(n_workers=-1))
            workers = told["workers"].values()
            limits = [int(one["memory_limit"]) for one in workers if one["memory_limit"]]
            if limits:
                return min(limits) // 2
        return free_memory() // 2


def _told(ask: Callable[[], Any]) -> Any:
    """Ask a cluster about itself."""
    try:
        return ask()
    except Exception as error:  # whatever a client raises whose scheduler is gone
        raise SchedulerError(f"the scheduler does not answer ({error}); start it again, then --resume") from error
