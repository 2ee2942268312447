"""What the tests of the commands share: a command run in this process, and what it left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Outcome:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


def run_process(*tokens: object, cwd: Path) -> Outcome:
    """Run a command in a process of its own."""
    program = [sys.executable, "-c", "from klevels.cli import main; main()", *map(str, tokens)]
    done = subprocess.run(program, cwd=cwd, capture_output=True, text=True, timeout=300)
    return Outcome(done.returncode, done.stdout, done.stderr)


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, with its content, and every folder, empty."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in found}


def check_refused(outcome: Outcome, code: int, says: str) -> None:
    """Check that a command said in one line why it did nothing."""
    assert outcome.code == code, (outcome.code, outcome.err)
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.startswith("klevels: ")
    assert says in outcome.err, outcome.err
    assert "Traceback" not in outcome.err
