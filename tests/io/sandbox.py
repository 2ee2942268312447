"""Read hostile files in a child process with capped memory and time, so that a crash is attributed to its file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

ADDRESS_SPACE = 3 << 30  # bytes: what the child may map, libraries included
RESIDENT = 1 << 30  # bytes: what reading may really take
SECONDS = 10  # for one file


def read_in_sandbox(
    paths: list[Path], *, reader: str = "klevels.io:read", seconds: int = SECONDS, resident: int = RESIDENT
) -> dict[Path, str]:
    """Read each file in a child process.

    Parameters
    ----------
    paths : list of Path
        Files or folders. One child reads many; after a crash a new one goes on with the next file.
    reader : str, default "klevels.io:read"
        The module and the function that reads.
    seconds : int, default 10
        The time for one file.
    resident : int, default 1 GB
        The memory in bytes that reading may take, libraries included.

    Returns
    -------
    dict
        For each path "ok (3, 4) uint8", "ReadError: message", or "crash ...": a signal (SIGALRM means too slow), any
        other exception or warning, too much memory, or a result that is not a sound Image.
    """
    outcome: dict[Path, str] = {}
    rest = list(paths)
    while rest:
        done, ending = _run_child(rest, [reader, str(seconds), str(resident)])
        outcome.update(zip(rest, done, strict=False))
        rest = rest[len(done) :]
        if rest and not done and ending == "exit 0":
            raise RuntimeError("the sandbox makes no progress")
        if rest and ending != "exit 0":
            outcome[rest.pop(0)] = f"crash {ending}"
    return outcome


def _run_child(paths: list[Path], arguments: list[str]) -> tuple[list[str], str]:
    """Return the outcomes of the files that the child finished, and how the child ended."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-W", "error", __file__, *arguments],
        input=json.dumps([str(p) for p in paths]),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    done = [json.loads(line) for line in child.stdout.splitlines()]
    if child.returncode < 0:
        return done, signal.Signals(-child.returncode).name
    last_words = child.stderr.strip().splitlines()[-1:] if child.returncode else []
    return done, " ".join([f"exit {child.returncode}", *last_words])


def _child(reader: str, seconds: int, resident: int) -> None:
    """Read the paths given on stdin; print one JSON string a file."""
    import importlib
    import resource

    import imagecodecs  # noqa: F401  (heavy imports come first: they must not count against the first file)
    import PIL.Image  # noqa: F401

    module, _, function = reader.partition(":")
    read = getattr(importlib.import_module(module), function)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a codec prints must not mix with the results
    for path in json.load(sys.stdin):
        signal.alarm(seconds)  # the default action ends the process, even inside a codec
        outcome = _outcome(read, path)
        signal.alarm(0)
        peak = _peak_resident()
        if peak > resident:
            outcome = f"crash took {peak >> 20} MB"
        print(json.dumps(outcome), file=results, flush=True)
        if peak > resident:
            return  # the peak never falls: the next file needs a new process


def _outcome(read: Callable[[str], object], path: str) -> str:
    from klevels.errors import ReadError
    from klevels.image import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = read(path)
    except ReadError as error:
        message = str(error)
        if not message.startswith(path) or "\n" in message:
            return f"crash unclear message {message!r}"
        return f"ReadError: {message}"
    except BaseException as error:
        return f"crash {type(error).__name__}: {error}"
    if not isinstance(image, Image) or image.data.size == 0 or image.data.dtype.kind not in "buif":
        return f"crash unsound result {image!r:.200}"
    return f"ok {image.shape} {image.dtype}"


def _peak_resident() -> int:
    """Return the peak resident memory of this process in bytes; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
