"""`klevels mesh` and `klevels render`: what they write, what they say, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image as Pictures

import klevels
from commands import Run, check_refused, files
from klevels.image import Image

LABELS = np.zeros((16, 20, 24), np.uint8)
LABELS[4:12, 5:15, 6:18] = 2
LABELS[0:3] = 1


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    klevels.write(tmp_path / "labels.nrrd", Image(LABELS, "zyx", (0.5, 0.25, 0.25), "mm"))
    return tmp_path / "labels.nrrd"


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj", ".glb", ".gltf"])
def test_mesh_writes_what_others_read(run: Run, labels: Path, suffix: str) -> None:
    output = labels.with_name(f"block{suffix}")
    outcome = run("mesh", labels, "--phase", 2, "-o", output, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    told = outcome.json
    found = trimesh.load_mesh(output)
    assert found.is_watertight
    assert found.volume == pytest.approx(told["volume"], rel=1e-5)
    assert found.bounds[1].tolist() == [17.5 * 0.25, 14.5 * 0.25, 11.5 * 0.5]
    assert told["units"] == {"area": "mm²", "volume": "mm³"}
    assert (told["phase"], told["n_faces"]) == (2, len(found.faces))


def test_mesh_smooths_and_reduces(run: Run, labels: Path) -> None:
    output = labels.with_name("block.stl")
    outcome = run("mesh", labels, "--phase", 2, "-o", output, "--smooth", 10, "--faces", 100)
    assert (outcome.code, outcome.err) == (0, "")
    assert len(trimesh.load_mesh(output).faces) <= 100
    assert "mm²" in outcome.out
    assert "mm³" in outcome.out


def test_without_a_voxel_size_the_mesh_is_in_voxels(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", LABELS)
    outcome = run("mesh", tmp_path / "labels.npy", "--phase", 1, "-o", tmp_path / "one.ply")
    assert "voxel³" in outcome.out, outcome.err


def test_mesh_refuses_in_one_line(run: Run, labels: Path) -> None:
    output = labels.with_name("block.stl")
    before = files(labels.parent)
    check_refused(run("mesh", labels, "--phase", 7, "-o", output), 65, f"{labels}: no voxel is of phase 7; there are 0")
    check_refused(run("mesh", labels, "--phase", 2, "-o", labels.with_name("a.tif")), 2, "the suffix is '.tif'")
    check_refused(run("mesh", labels, "--phase", 2, "--smooth", -1, "-o", output), 2, "smooth is -1")
    check_refused(run("mesh", labels, "--phase", 2, "-o", labels.parent / "no" / "a.stl"), 73, "does not exist")
    check_refused(run("mesh", labels.with_name("none.tif"), "--phase", 2, "-o", output), 66, "no such file")
    assert files(labels.parent) == before
    assert run("mesh", labels, "--phase", 2, "-o", output).code == 0
    check_refused(run("mesh", labels, "--phase", 2, "-o", output), 73, "exists already")
    assert run("mesh", labels, "--phase", 2, "-o", output, "--overwrite").code == 0


def test_render_draws_phases_together_each_alone_and_turning(run: Run, labels: Path) -> None:
    output, movie = labels.with_name("out.png"), labels.with_name("out.gif")
    outcome = run("render", labels, "-o", output, "--phases", "1,2", "--opacity", "0.3,1", "--turntable", movie)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.split() == [str(output), str(movie)]
    with Pictures.open(output) as picture, Pictures.open(movie) as frames:
        assert (picture.format, picture.size) == ("PNG", (1000, 800))
        assert (frames.format, frames.n_frames) == ("GIF", 36)
    alone = labels.with_name("alone.png")
    told = run("render", labels, "-o", alone, "--each", "--json").json
    assert told == {"outputs": [str(labels.with_name(f"alone-{phase}.png")) for phase in (1, 2)]}
    assert not alone.exists()


def test_render_refuses_in_one_line(run: Run, labels: Path) -> None:
    output = labels.with_name("out.png")
    np.save(labels.with_name("gray.npy"), np.random.default_rng(0).random((9, 9, 9)))
    before = files(labels.parent)
    check_refused(run("render", labels.with_name("gray.npy"), "-o", output), 65, "segment it first")
    check_refused(run("render", labels, "-o", output, "--phases", 5), 65, "no voxel is of phase 5; there are 0, 1, 2")
    check_refused(run("render", labels, "-o", output, "--phases", "a"), 2, "--phases is 'a'; give numbers")
    check_refused(run("render", labels, "-o", output, "--opacity", "3"), 2, "opacity is 3")
    check_refused(run("render", labels, "-o", output, "--opacity", "1,1", "--each"), 2, "leave it out with --each")
    check_refused(run("render", labels, "-o", labels.with_name("out.jpg")), 2, "the suffix is '.jpg'")
    assert files(labels.parent) == before
