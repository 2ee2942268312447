"""Readers of other packages, through entry points, as they are when they are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

READER = """
import numpy as np
from klevels import Image
from klevels.io import Reader

def open(path, access):
    values = np.frombuffer(path.read_bytes()[4:], np.uint8).reshape(2, -1)
    return Image(values, "yx", (2.0, 2.0), "mm", {"format": "Acme"})

ACME = Reader(name="Acme", sniff=lambda path, head: head[:4] == b"ACME", open=open)
FOLDER = Reader(name="Acme folder", sniff=lambda path, head: (path / "acme").exists(), open=lambda path, access: open(path / "acme", access))
NO_READER = open
GREEDY = Reader(name="Greedy", sniff=lambda path, head: True, open=lambda path, access: 1 / 0)
"""  # noqa: E501


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a package as pip would install it."""
    site = tmp_path / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme.py").write_text(READER)
    (site / "broken.py").write_text("raise RuntimeError('no licence')")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    return site


def run(site: Path, entries: str, script: str) -> subprocess.CompletedProcess[str]:
    (site / "acme-1.0.dist-info" / "entry_points.txt").write_text(f"[klevels.readers]\n{entries}\n")
    start = f"import sys; sys.path.insert(0, {str(site)!r})\nimport klevels, klevels.io\n"
    return subprocess.run([sys.executable, "-W", "always", "-c", start + script], capture_output=True, text=True)


def test_a_plugin_reads_its_files_and_folders(site: Path, tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(b"ACME" + bytes(range(6)))
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "acme").write_bytes(b"ACME" + bytes(range(6)))
    script = f"""
for path in ({str(tmp_path / "scan.tif")!r}, {str(tmp_path / "scans")!r}):
    image = klevels.read(path)
    print(image, image.data.tolist(), klevels.io.describe(path)["format"])
"""
    done = run(site, "acme = acme:ACME\nfolder = acme:FOLDER", script)
    line = "Image(2 × 3 yx, uint8, spacing 2 × 2 mm) [[0, 1, 2], [3, 4, 5]] Acme\n"
    assert (done.stdout, done.stderr) == (line * 2, "")


def test_a_broken_plugin_warns_by_name_and_breaks_nothing_else(site: Path, tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(b"ACME" + bytes(range(6)))
    entries = "acme = acme:ACME\nbad = broken:READER\ngone = missing:READER\nlost = acme:LOST\nodd = acme:NO_READER"
    script = f"""
from klevels.io.formats import plugins
plugins()
print(klevels.read({str(tmp_path / "scan")!r}).shape, len(plugins()))
"""
    done = run(site, entries, script)
    assert done.stdout == "(2, 3) 1\n"
    warnings = [line for line in done.stderr.splitlines() if "UserWarning" in line]
    assert len(warnings) == 4
    for warning, said in zip(
        warnings,
        (
            "the reader 'bad' (broken:READER) cannot be loaded: no licence",
            "the reader 'gone' (missing:READER) cannot be loaded: No module named 'missing'",
            "the reader 'lost' (acme:LOST) cannot be loaded: module 'acme' has no attribute 'LOST'",
            "the reader 'odd' (acme:NO_READER) is no klevels.io.Reader",
        ),
        strict=True,
    ):
        assert said in warning


def test_klevels_own_readers_come_first(site: Path, tmp_path: Path) -> None:
    script = f"""
import numpy as np
klevels.write({str(tmp_path / "a.npy")!r}, np.eye(3))
print(klevels.read({str(tmp_path / "a.npy")!r}).shape)
"""
    done = run(site, "greedy = acme:GREEDY", script)
    assert (done.stdout, done.stderr) == ("(3, 3)\n", "")


def test_what_a_plugin_raises_is_a_read_error(site: Path, tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(b"what is this")
    script = f"""
try:
    klevels.read({str(tmp_path / "scan")!r})
except klevels.errors.ReadError as error:
    print(error)
"""
    done = run(site, "greedy = acme:GREEDY", "import klevels.errors\n" + script)
    assert done.stdout.startswith(f"{tmp_path / 'scan'}: cannot be read (division by zero)")


def test_no_plugin_is_loaded_until_a_file_is_read(site: Path) -> None:
    done = run(site, "bad = broken:READER", "print('broken' in sys.modules, klevels.Image)")
    assert done.stdout.startswith("False")
    assert done.stderr == ""


def test_an_unknown_file_lists_the_plugins_too(site: Path, tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(b"what is this")
    script = f"""
try:
    klevels.read({str(tmp_path / "scan")!r})
except OSError as error:
    print(error)
"""
    done = run(site, "acme = acme:ACME", script)
    assert "is of no known format" in done.stdout
    assert "Acme" in done.stdout
