"""Fixtures for reading and writing."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

ReadInSandbox = Callable[..., dict[Path, str]]


@pytest.fixture(scope="session")
def read_in_sandbox() -> ReadInSandbox:
    """`sandbox.read_in_sandbox`: read files in a child process that survives crashes."""
    pytest.importorskip("resource", reason="the limits are those of a POSIX system")
    read: ReadInSandbox = runpy.run_path(str(Path(__file__).with_name("sandbox.py")))["read_in_sandbox"]
    return read
