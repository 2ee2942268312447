"""A bar on stderr for work that takes longer than a second, on a terminal only."""

from __future__ import annotations

import sys
from threading import Timer
from types import TracebackType
from typing import Any, Self

PATIENCE = 1.0
"""Seconds before the bar appears."""


class Stages:
    """A bar that counts stages. Call it with the name of each stage as it begins.

    Parameters
    ----------
    n_stages : int
        How many there are.
    """

    def __init__(self, n_stages: int) -> None:
        self._n_stages = n_stages
        self._name = ""
        self._begun = 0
        self._share = 0.0
        self._bar: Any = None
        self._timer = Timer(PATIENCE, self._appear)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, name: str) -> None:
        self._name = name
        self._begun += 1
        self._share = 0.0
        if self._bar is not None:
            self._update()

    def blocks(self, n_done: int, n_blocks: int) -> None:
        """Show how far a stage is that works block by block.

        Parameters
        ----------
        n_done, n_blocks : int
            How many blocks are done, and how many there are.
        """
        self._share = n_done / max(1, n_blocks)
        if self._bar is not None:
            self._update()

    def _appear(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        bar.add_task(self._name, total=self._n_stages)
        self._bar = bar
        self._update()
        bar.start()

    def _update(self) -> None:
        self._bar.update(self._bar.task_ids[0], description=self._name, completed=self._begun - 1 + self._share)
