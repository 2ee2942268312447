"""The examples run, and show what they say."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import klevels
from klevels import KMeans

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "vector_quantization.py"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_posters_have_their_colors_and_no_pixel_could_have_a_nearer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    _run(monkeypatch, "--width", 90, "--sample", 0, "--output", tmp_path / "posters")
    assert "64 colors: mean squared error" in capsys.readouterr().out
    original = np.asarray(Image.open(tmp_path / "posters" / "original.png"), float)
    assert original.shape == (60, 90, 3)
    errors = []
    for k in (4, 8, 16, 32, 64):
        stored = Image.open(tmp_path / "posters" / f"poster-{k}.png")
        poster = np.asarray(stored.convert("RGB"), float)
        palette = np.unique(poster.reshape(-1, 3), axis=0)
        assert stored.mode == "P"
        assert len(palette) == k
        own = np.sqrt(((poster - original) ** 2).sum(axis=-1))
        least = np.sqrt(((original[:, :, None] - palette) ** 2).sum(axis=-1)).min(axis=-1)
        assert (own <= least + np.sqrt(3)).all()  # centers are rounded to 8 bits after labeling
        errors.append(float(np.mean(own**2)))
    assert errors == sorted(errors, reverse=True)
    with Image.open(tmp_path / "posters" / "sheet.png") as page:
        assert page.size == (3 * 102 + 12, 2 * 98 + 12)


def test_a_photograph_can_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    gradient = np.arange(40 * 50 * 3, dtype=np.uint16).reshape(40, 50, 3) // 24
    Image.fromarray(gradient.astype(np.uint8)).save(tmp_path / "photo.png")
    _run(monkeypatch, tmp_path / "photo.png", "--sample", 1000, "--output", tmp_path)
    assert np.array_equal(Image.open(tmp_path / "original.png"), gradient)
    assert (tmp_path / "poster-64.png").is_file()


def test_only_the_import_differs_from_scikit_learn(example: dict[str, Any]) -> None:
    pytest.importorskip("sklearn.cluster")
    source = SCRIPT.read_text(encoding="utf-8")
    assert source.count("klevels") == source.count("from klevels import KMeans") == 1
    theirs: dict[str, Any] = {"__name__": "theirs"}
    exec(source.replace("from klevels import", "from sklearn.cluster import"), theirs)
    picture = example["sunset"](96, 64)
    assert example["KMeans"] is KMeans
    assert theirs["KMeans"] is not KMeans
    for k in (4, 16):
        ours, reference = (_error(script["quantize"](picture, k, 0), picture) for script in (example, theirs))
        assert ours <= reference * 1.005
    assert _error(example["quantize"](picture, 16, 1000), picture) < 1.1 * reference


def _error(poster: np.ndarray, picture: np.ndarray) -> float:
    return float(np.mean((poster.astype(float) - picture) ** 2))


def test_the_cluster_script_writes_the_labels_of_this_process(tmp_path: Path) -> None:
    scan = np.random.default_rng(0).integers(0, 4000, (12, 30, 40)).astype(np.uint16)
    klevels.write(tmp_path / "scan.ome.zarr", scan)
    script = SCRIPT.with_name("slurm.py")
    asked = [sys.executable, str(script), "scan.ome.zarr", "labels.ome.zarr", "-k", "3", "--local", "2"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    whole = klevels.segment(scan, k=3)
    assert f"{100 * whole.model.fractions[0]:8.3f} %" in done.stdout
    np.testing.assert_array_equal(klevels.read(tmp_path / "labels.ome.zarr").data, whole.labels.data)


def _tissues(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    script = str(SCRIPT.with_name("ct_tissues.py"))
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    runpy.run_path(script, run_name="__main__")


def _dice(printed: str) -> dict[str, list[float]]:
    """Return the Dice coefficients of fat, muscle and bone: of labeled voxels, and of the body."""
    rows = [line.rsplit(maxsplit=6) for line in printed.splitlines() if line.startswith("k-means")]
    return {name.strip(): list(map(float, numbers)) for name, *numbers in rows}


def test_tissues_of_a_simulated_body_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    _tissues(monkeypatch, "--output", tmp_path)
    found = _dice(capsys.readouterr().out)
    assert min(found["k-means, smoothed"][:3]) > 0.9
    with Image.open(tmp_path / "bone.gif") as frames:
        assert frames.n_frames == 24
    alone, both = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("bone", "bone-and-muscle"))
    assert (both == 255).all(axis=2).sum() < (alone == 255).all(axis=2).sum()  # muscle is drawn in one only
    assert {path.name for path in tmp_path.iterdir()} >= {"slices.png", "bone-slices.png"}


def test_tissues_of_a_real_body_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    """Found: 0.972, 0.902, 0.726 of labeled voxels; smoothed 0.986, 0.964, 0.964, of the body 0.881, 0.411, 0.879."""
    _tissues(monkeypatch, shared_data / "medical", "--output", tmp_path)
    found = _dice(capsys.readouterr().out)
    for numbers, least in zip(found.values(), ([0.96, 0.88, 0.70], [0.97, 0.94, 0.94]), strict=True):
        assert all(one > bound for one, bound in zip(numbers[:3], least, strict=True))
    fat, _, bone = found["k-means, smoothed"][3:]
    assert fat > 0.85
    assert bone > 0.85
