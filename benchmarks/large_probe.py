"""What a command takes beyond the interpreter: `python -m benchmarks.large_probe COMMAND ...` prints bytes, seconds."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Run a command of klevels in this process, or count generated blocks."""
    before = resident("VmRSS")  # of the bare interpreter: all that klevels loads counts
    from klevels.cli import main as klevels_main

    start = time.perf_counter()
    if arguments[0] == "blocks":
        for n_blocks in map(int, arguments[1:]):
            start = time.perf_counter()
            count_blocks(n_blocks)
            print(resident("VmHWM") - before, time.perf_counter() - start)
        return
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            klevels_main(arguments)
        except SystemExit as end:
            if end.code:
                raise
    print(resident("VmHWM") - before, time.perf_counter() - start)


def count_blocks(n_blocks: int) -> None:
    """Count the gray levels of so many blocks of 8 × 8 voxels, and check how many there were."""
    from benchmarks.large_data import Generated
    from klevels import engine
    from klevels.blocks import as_blocks
    from klevels.memory import Grid
    from klevels.workers import Workers

    rows = n_blocks // 10
    shape = (rows, 80, 8)
    data = as_blocks(Generated(shape, "uint8", chunks=(1, 8, 8)), Grid(shape, (1, 8, 8)))
    found = engine.count(data, None, "error", Workers(2))
    assert int(found.counts.sum()) == n_blocks * 64


def resident(field: str) -> int:
    """Return a line of the status of this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    main(sys.argv[1:])
