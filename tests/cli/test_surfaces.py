"""`klevels mesh` and `klevels render`: what they write, what they say, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image as Pictures

import klevels
from commands import Run, check_refused, files
from klevels.core.phase_colors import phase_colors
from klevels.image import Image
from klevels.rendering import each

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
    assert told["outputs"] == [str(labels.with_name(f"alone-{phase}.png")) for phase in (1, 2)]
    assert told["thinned"] == [1, 1, 1]
    assert told["thresholds"] is None
    assert not alone.exists()


def test_render_segments_gray_images_first(run: Run, tmp_path: Path) -> None:
    scan = tmp_path / "scan.npy"
    np.save(scan, LABELS * np.float32(10.5) + np.random.default_rng(0).normal(0, 1, LABELS.shape).astype(np.float32))
    outcome = run("render", scan, "-k", 3, "-o", tmp_path / "of-scan.png", "--phases", 2)
    assert (outcome.code, outcome.err) == (0, "")
    assert "phases 0 to 2, divided at " in outcome.out
    whole = klevels.segment(klevels.read(scan), k=3)
    klevels.write(tmp_path / "labels.tif", whole.labels)
    assert run("render", tmp_path / "labels.tif", "-o", tmp_path / "of-labels.png", "--phases", 2).code == 0
    of_scan, of_labels = (np.asarray(Pictures.open(tmp_path / f"of-{one}.png")) for one in ("scan", "labels"))
    np.testing.assert_array_equal(of_scan, of_labels)


def test_render_says_that_a_volume_was_thinned(run: Run, tmp_path: Path) -> None:
    long = np.zeros((8, 10, 600), np.uint8)
    long[2:6, 2:8, 10:590] = 1
    np.save(tmp_path / "long.npy", long)
    outcome = run("render", tmp_path / "long.npy", "-o", tmp_path / "a.png")
    assert "8 × 10 × 600 voxels are many for a picture: 1 of 1 × 1 × 3 is drawn" in outcome.out
    assert run("render", tmp_path / "long.npy", "-o", tmp_path / "b.png", "--json").json["thinned"] == [1, 1, 3]


def test_render_draws_slices(run: Run, labels: Path) -> None:
    output = labels.with_name("slices.png")
    outcome = run("render", labels, "-o", output, "--slices", "z=1,6,y=10", "--each", "--json")
    assert outcome.json["outputs"] == [str(labels.with_name(f"slices-{phase}.png")) for phase in (1, 2)]
    assert outcome.json["thinned"] is None
    shown = np.asarray(Pictures.open(labels.with_name("slices-2.png")))
    expected = dict(each(klevels.read(labels), slices=[("z", 1), ("z", 6), ("y", 10)]))[2]
    np.testing.assert_array_equal(shown, expected)
    assert run("render", labels, "-o", output, "--slices", "middle").code == 0


def test_render_takes_the_colors_of_the_record(run: Run, tmp_path: Path) -> None:
    scan, output = tmp_path / "scan.npy", tmp_path / "labels.tif"
    np.save(scan, LABELS * np.uint8(100))
    assert run("segment", scan, "-k", 2, "--noise", "50", "-o", output).code == 0
    assert run("render", output, "-o", tmp_path / "noise.png", "--phases", 0, "--slices", "middle").code == 0
    blue = phase_colors(3, noise=True)[0]
    assert (np.asarray(Pictures.open(tmp_path / "noise.png")) == blue).all(axis=2).sum() > 1000


def test_render_refuses_in_one_line(run: Run, labels: Path) -> None:
    output = labels.with_name("out.png")
    np.save(labels.with_name("gray.npy"), np.random.default_rng(0).random((9, 9, 9)))
    np.save(labels.with_name("bytes.npy"), np.arange(9**3, dtype=np.uint16).reshape(9, 9, 9))
    before = files(labels.parent)
    check_refused(run("render", labels.with_name("gray.npy"), "-o", output), 65, "segment the image first")
    check_refused(run("render", labels.with_name("bytes.npy"), "-o", output), 65, "segment it first (-k)")
    check_refused(run("render", labels, "-o", output, "-k", 0), 2, "k is 0")
    check_refused(run("render", labels, "-o", output, "--slices", "front"), 2, "--slices is 'front'; give middle")
    check_refused(run("render", labels, "-o", output, "--slices", "z=99"), 2, "there is no slice z=99; give z=0")
    turning = ("--turntable", labels.with_name("a.gif"))
    check_refused(run("render", labels, "-o", output, "--slices", "z=9", *turning), 2, "--slices are flat")
    check_refused(run("render", labels, "-o", output, "--phases", 5), 65, "no voxel is of phase 5; there are 0, 1, 2")
    check_refused(run("render", labels, "-o", output, "--phases", "a"), 2, "--phases is 'a'; give numbers")
    check_refused(run("render", labels, "-o", output, "--opacity", "3"), 2, "opacity is 3")
    check_refused(run("render", labels, "-o", output, "--opacity", "1,1", "--each"), 2, "give one with --each")
    check_refused(run("render", labels, "-o", labels.with_name("out.jpg")), 2, "the suffix is '.jpg'")
    assert files(labels.parent) == before
