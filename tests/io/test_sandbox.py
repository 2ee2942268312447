"""The sandbox tells crashes from refusals, and whose they are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROBE = """
import os, time, warnings
import numpy as np
from klevels.errors import ReadError
from klevels.image import Image

def read(path):
    match os.path.basename(path):
        case "abort":
            os.abort()
        case "hang":
            time.sleep(60)
        case "big":
            return Image(np.ones((400, 1 << 20), np.uint8), "yx")
        case "huge":
            return Image(np.ones((1 << 20, 1 << 20), np.uint8), "yx")
        case "empty":
            return Image(np.ones((0, 3), np.uint8), "yx")
        case "warn":
            warnings.warn("careless")
        case "raise":
            raise ValueError("careless")
        case "exit":
            os._exit(3)
        case "refuse":
            raise ReadError(f"{path}: no")
        case "noisy":
            os.write(1, b"a codec prints")
    return Image(np.ones((2, 3), np.uint8), "yx")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_outcomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_in_sandbox: Callable[..., dict[Path, str]]
) -> None:
    (tmp_path / "probe_of_the_sandbox.py").write_text(PROBE)
    monkeypatch.syspath_prepend(tmp_path)
    expected = {
        "fine": "ok (2, 3) uint8",
        "abort": "crash SIGABRT",
        "noisy": "ok (2, 3) uint8",
        "refuse": f"ReadError: {tmp_path / 'refuse'}: no",
        "hang": "crash SIGALRM",
        "big": "crash took",
        "huge": "crash",
        "empty": "crash unsound",
        "warn": "crash UserWarning: careless",
        "raise": "crash ValueError: careless",
        "exit": "crash exit 3",
        "last": "ok (2, 3) uint8",
    }
    paths = [tmp_path / name for name in expected]
    outcome = read_in_sandbox(paths, reader="probe_of_the_sandbox:read", seconds=2, resident=300 << 20)
    assert list(outcome) == paths
    for path, found in outcome.items():
        assert found.startswith(expected[path.name]), path.name
