"""A real dask cluster on this machine: a scheduler and workers as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0
"""Seconds until a process is given up that should have done something."""


class Cluster:
    """A scheduler and its workers.

    Parameters
    ----------
    folder : Path
        Where they keep what they note.
    environment : dict of str to str, optional
        Of the processes, besides this one's.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3", **(environment or {})}
        note = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(note)
        )
        wait_for(note.exists)
        self.address = str(json.loads(note.read_text())["address"])
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, *, nanny: bool = False) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, in a folder of its own."""
        worker = self._start(
            "worker", self.address, "--nthreads", "1", "--no-dashboard", "--nanny" if nanny else "--no-nanny",
            "--local-directory", str(self.folder),
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, n: int) -> None:
        """Wait until so many have registered."""
        if n == 0:
            return
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(n, timeout=PATIENCE)

    def close(self) -> None:
        """Kill all that is left."""
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@contextmanager
def cluster_of(folder: Path, n_workers: int, environment: dict[str, str] | None = None) -> Iterator[Cluster]:
    """Give a cluster of so many workers, and take it down in the end."""
    folder.mkdir(exist_ok=True)
    cluster = Cluster(folder, environment)
    try:
        for _ in range(n_workers):
            cluster.add_worker()
        cluster.wait_for_workers(n_workers)
        yield cluster
    finally:
        cluster.close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
