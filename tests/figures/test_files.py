"""Saved figures: in three formats, the same bytes every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from klevels import figures
from klevels.core.count import histogram as count
from klevels.core.fit import fit_levels
from klevels.errors import MissingDependencyError, ParameterError

BEGINS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
DATA = np.arange(600, dtype=np.uint16).reshape(20, 30)


def sheet() -> Figure:
    histogram = count(DATA)
    levels = fit_levels(histogram, 4)
    return figures.sheet(DATA, histogram, levels.classify(DATA), levels)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_each_format_is_written_and_is_the_same_every_time(kind: str, tmp_path: Path) -> None:
    figure = sheet()
    figures.save(figure, tmp_path / f"first.{kind}")
    figures.save(figure, tmp_path / f"again.{kind.upper()}")
    figures.save(sheet(), str(tmp_path / "temporary"), format=kind)
    first = (tmp_path / f"first.{kind}").read_bytes()
    assert first.startswith(BEGINS[kind])
    assert len(first) > 5000
    assert (tmp_path / f"again.{kind.upper()}").read_bytes() == first
    assert (tmp_path / "temporary").read_bytes() == first
    assert len(list(tmp_path.iterdir())) == 3
    assert b"Date" not in first


def test_dpi_is_pixels_an_inch(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    figure = sheet()
    for dpi in (100, 300):
        figures.save(figure, tmp_path / "a.png", dpi=dpi)
        with pillow.open(tmp_path / "a.png") as picture:
            assert picture.width == pytest.approx(7.2 * dpi, abs=1)


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "figure.tif"])
def test_other_formats_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="use png, svg or pdf"):
        figures.save(sheet(), tmp_path / name)
    with pytest.raises(ParameterError, match="use png, svg or pdf"):
        figures.save(sheet(), tmp_path / "a.png", format="jpg")
    assert not list(tmp_path.iterdir())


def test_heavy_libraries_wait_until_they_are_needed() -> None:
    program = (
        "import sys, klevels.figures, klevels.samples;"
        "print(sorted({'matplotlib', 'scipy', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match="figures need matplotlib; pip install matplotlib"):
        figures.path([1], [1.0], [0.0])


@pytest.mark.parametrize("dpi", [0, -5, float("nan"), 1e9])
def test_an_impossible_dpi_is_refused(dpi: float, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="dpi"):
        figures.save(sheet(), tmp_path / "a.png", dpi=dpi)
