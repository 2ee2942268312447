"""The command as a process of its own: signals, a full disk, a terminal, a closed pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

COMMAND = [sys.executable, "-c", "from klevels.cli import main; main()"]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.npy"
    np.save(path, np.random.default_rng(0).integers(0, 60000, (64, 64, 64)).astype(np.uint16))
    return path


def start(*tokens: object, **options: object) -> subprocess.Popen[str]:
    command = [*COMMAND, *(str(token) for token in tokens)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


def finish(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def started(patch: str, *tokens: object) -> subprocess.Popen[str]:
    """Run a command of which `patch` makes one part announce itself on stdout, and wait for it to do so."""
    program = f"{patch}\nfrom klevels.cli import main\nmain()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *(str(token) for token in tokens)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


SIMULATING = """
from klevels import samples
simulate = samples.simulate_scan
def announced(*args, **kwargs):
    print("here", flush=True)
    return simulate(*args, **kwargs)
samples.simulate_scan = announced
"""
HALF_WRITTEN = """
import time
from klevels import io
encode = io.encode
def announced(path, image, part):
    encode(path, image, part)
    print("here", flush=True)
    time.sleep(60)
io.encode = announced
"""


def test_interrupt_exits_130_and_leaves_nothing(tmp_path: Path) -> None:
    demo = started(SIMULATING, "demo", "-o", tmp_path / "demo", "--shape", 400, 400)
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert err == "klevels: interrupted\n"
    assert not (tmp_path / "demo").exists()


def test_interrupt_while_writing_keeps_the_old_output(scan: Path) -> None:
    labels = scan.with_name("labels.npy")
    finish(start("segment", scan, "-k", 3, "-o", labels))
    before = {path.name: path.read_bytes() for path in scan.parent.iterdir()}
    again = started(HALF_WRITTEN, "segment", scan, "-k", 2, "-o", labels, "--overwrite")
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=60)
    assert again.returncode == 130
    assert {path.name: path.read_bytes() for path in scan.parent.iterdir()} == before


def test_interrupt_between_posters_leaves_nothing(tmp_path: Path) -> None:
    photos = [tmp_path / f"{name}.npz" for name in "ab"]
    for photo in photos:
        np.savez(photo, image=np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8), axes="yxc")
    run = started(HALF_WRITTEN, "posterize", *photos, "-k", 3, "-o", tmp_path / "posters")
    assert [path.name[:9] for path in (tmp_path / "posters").iterdir()] == [".klevels-"]
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (130, "klevels: interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_full_disk_keeps_the_old_output(scan: Path) -> None:
    import resource

    labels = scan.with_name("labels.npy")
    finish(start("segment", scan, "-k", 3, "-o", labels))
    before = {path.name: path.read_bytes() for path in scan.parent.iterdir()}

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    again = start("segment", scan, "-k", 2, "-o", labels, "--overwrite", preexec_fn=limit)
    _, err = again.communicate(timeout=60)
    assert again.returncode == 74
    assert err.count("\n") == 1
    assert str(labels) in err
    assert {path.name: path.read_bytes() for path in scan.parent.iterdir()} == before


def test_a_killed_run_keeps_the_old_output(scan: Path) -> None:
    labels = scan.with_name("labels.npy")
    finish(start("segment", scan, "-k", 3, "-o", labels))
    before = {path.name: path.read_bytes() for path in scan.parent.iterdir()}
    again = started(HALF_WRITTEN, "segment", scan, "-k", 2, "-o", labels, "--overwrite")
    again.kill()
    again.communicate()
    left = {path.name: path.read_bytes() for path in scan.parent.iterdir()}
    assert {name: content for name, content in left.items() if not name.startswith(".klevels-")} == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_bar_appears_on_a_terminal_only(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    demo = subprocess.Popen(
        [*COMMAND, "demo", "-o", str(tmp_path / "demo"), "--shape", "320", "320"], stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other side was closed
            break
        if not part:
            break
        drawn += part
    demo.communicate(timeout=120)
    os.close(ours)
    assert b"simulating" in drawn
    finish(start("demo", "-o", tmp_path / "quiet", "--shape", 320, 320))


def test_a_reader_that_leaves_is_no_error(scan: Path) -> None:
    command = " ".join(f"'{part}'" for part in [*COMMAND, "histogram", str(scan), "--json"])
    outcome = subprocess.run(
        f"{command} | head -c 10", shell=True, capture_output=True, text=True, timeout=60, check=False
    )
    assert outcome.stderr == ""


def test_import_loads_nothing_heavy() -> None:
    program = (
        "import sys, klevels.cli; print([m for m in ('matplotlib', 'PIL', 'tifffile', 'scipy') if m in sys.modules])"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert outcome.stdout.strip() == "[]"
