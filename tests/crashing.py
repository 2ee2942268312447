"""Commands that are killed at a chosen moment: before the nth change of a file."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands import Outcome

CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")


class Commands:
    """A process from which each command is forked: it need not load all libraries again."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *tokens: object, cwd: Path, die_at: int | None = None) -> tuple[Outcome, int]:
        """Run a command, and return how it ended, -9 if it was killed, and how many changes there were till then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"tokens": [str(one) for one in tokens], "cwd": str(cwd), "die_at": die_at}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        found = json.loads(self._process.stdout.readline())
        return Outcome(found["code"], found["out"], found["err"]), found["n"]


@contextmanager
def commands(prelude: str) -> Iterator[Commands]:
    """Give what runs commands; `prelude` is what runs once before."""
    program = f"{prelude}\nimport crashing\ncrashing.serve()"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    try:
        yield Commands(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def serve() -> None:
    """Fork a process for each line on stdin."""
    for line in sys.stdin:
        asked = json.loads(line)
        notes = Path(asked["cwd"]).with_name(f"{Path(asked['cwd']).name}-notes")
        notes.mkdir(exist_ok=True)
        child = os.fork()
        if child == 0:
            _run(asked, notes)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = {name: (notes / name).read_text() for name in ("out", "err")}
        n = len((notes / "changes").read_bytes())
        print(json.dumps({"code": code, "n": n, **texts}), flush=True)


def _run(asked: dict[str, Any], notes: Path) -> None:
    from klevels.cli import main

    code = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(notes / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.chdir(asked["cwd"])
        changes = os.open(notes / "changes", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        numbers = itertools.count(1)  # two threads never get the same number, and none is passed over

        def see(event: str, arguments: tuple[Any, ...]) -> None:
            is_open = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if (is_open or event in CHANGES) and asked["cwd"] in str(arguments[0]):
                number = next(numbers)
                os.write(changes, b".")
                if number == asked["die_at"]:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(see)
        main(asked["tokens"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
