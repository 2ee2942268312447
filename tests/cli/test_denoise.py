"""Denoising and neighborhoods from the command line: as from Python, recorded, planned, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import klevels
from commands import Run, check_refused
from klevels.core.denoise import METHODS
from klevels.samples import simulate_phases

SCAN = simulate_phases((20, 30, 28), noise=5000, length=5, seed=4)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    klevels.write(tmp_path / "scan.tif", SCAN.image)
    return tmp_path / "scan.tif"


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("output", ["clean.tif", "clean.ome.zarr"])
def test_a_scan_is_denoised(run: Run, scan: Path, method: str, output: str) -> None:
    path = scan.parent / output
    done = run("denoise", scan, "-o", path, "--method", method, "--json")
    assert (done.code, done.err) == (0, "")
    expected = klevels.denoise(SCAN.image, method)
    found = klevels.read(path)
    np.testing.assert_array_equal(found.data, expected.data)
    assert found.spacing == pytest.approx(SCAN.image.spacing)
    assert f"{done.json['method']}:{done.json['strength']:.6g}" == expected.meta["denoised"]
    record = json.loads(Path(f"{path}.json").read_text())
    assert record["verb"] == "denoise"
    assert record["denoise"] == {name: done.json[name] for name in ("method", "strength", "noise")}
    check_refused(run("denoise", scan, "-o", path), 73, "exists")


def test_lazily_and_in_memory(run: Run, scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = ["segment", scan, "-k", 3, "--denoise", "auto", "--smooth", "auto", "--json"]
    one = run(*tokens, "-o", scan.parent / "a.tif", "--confidence", scan.parent / "m.tif")
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 800)
    two = run(*tokens, "-o", scan.parent / "b.ome.zarr", "--confidence", scan.parent / "m.nrrd")
    assert (one.code, two.code, one.err, two.err) == (0, 0, "", "")
    assert one.json == two.json
    for whole, cut in (("a.tif", "b.ome.zarr"), ("m.tif", "m.nrrd")):
        np.testing.assert_array_equal(klevels.read(scan.parent / whole).data, klevels.read(scan.parent / cut).data)
    confidence = one.json["confidence"]
    assert 0 <= confidence["low_share"] <= 1
    for phase, fraction in zip(confidence["intervals"]["phases"], one.json["fractions"], strict=True):
        assert phase["low"] <= phase["fraction"] == fraction <= phase["high"]


def test_the_record_does_it_again(run: Run, scan: Path) -> None:
    first, again = scan.parent / "a.tif", scan.parent / "b.tif"
    run("segment", scan, "-k", 3, "--denoise", "auto", "--smooth", "auto", "--borders", "-o", first)
    recipe = json.loads(Path(f"{first}.json").read_text())["recipe"]
    assert recipe["denoise"]["method"] == "diffusion"
    assert isinstance(recipe["smooth"], float)
    assert recipe["borders"] == "resolve"
    assert run("segment", scan, "--recipe", f"{first}.json", "-o", again).code == 0
    assert again.read_bytes() == first.read_bytes()
    check_refused(
        run("segment", scan, "--recipe", f"{first}.json", "--smooth", "1", "-o", scan.parent / "c.tif"), 2, "--recipe"
    )


def test_a_model_is_applied_to_a_denoised_scan(run: Run, scan: Path) -> None:
    run("fit", scan, "-k", 3, "-o", scan.parent / "model.json")
    done = run("apply", scan.parent / "model.json", scan, "-o", scan.parent / "a.tif", "--denoise", "median", "--json")
    assert done.code == 0
    model = klevels.Levels.from_dict(json.loads((scan.parent / "model.json").read_text())["model"])
    expected = model.classify(klevels.denoise(SCAN.image, "median").data)
    np.testing.assert_array_equal(klevels.read(scan.parent / "a.tif").data, expected)


def test_a_record_is_applied_with_its_neighborhoods(run: Run, scan: Path) -> None:
    first, again = scan.parent / "a.tif", scan.parent / "b.tif"
    run("segment", scan, "-k", 3, "--denoise", "auto", "--smooth", "auto", "--borders", "-o", first)
    assert run("apply", f"{first}.json", scan, "-o", again).code == 0
    assert again.read_bytes() == first.read_bytes()


def test_undecided_voxels_are_told_and_drawn(run: Run, scan: Path) -> None:
    figure = scan.parent / "f.png"
    done = run("segment", scan, "-k", 3, "--denoise", "gaussian", "--undecided", "--figure", figure)
    assert done.code == 0
    assert "undecided, label 3" in done.out
    assert figure.exists()


@pytest.mark.parametrize("output", ["a.tif", "a.ome.zarr"])
def test_the_plan_says_what_becomes_of_the_denoised_image(run: Run, scan: Path, output: str) -> None:
    tokens = ["segment", scan, "-k", 3, "-o", scan.parent / output, "--dry-run"]
    said = run(*tokens, "--denoise", "nlm", "--json").json["denoised"]
    assert said == ("in memory" if output == "a.tif" else "kept beside the output until the end")
    assert run(*tokens, "--json").json["denoised"] == "not"
    assert "denoised" in run(*tokens, "--denoise", "tv").out
    assert not (scan.parent / output).exists()


def test_a_denoising_is_planned(run: Run, scan: Path) -> None:
    done = run("denoise", scan, "-o", scan.parent / "a.ome.zarr", "--dry-run", "--json")
    assert done.json["passes"] == ["denoise and write"]
    assert not (scan.parent / "a.ome.zarr").exists()


@pytest.mark.parametrize(
    ("tokens", "code", "says"),
    [
        (["segment", "-k", 3, "--denoise", "smart"], 2, "denoise is 'smart'; use auto, or one of"),
        (["segment", "-k", 3, "--denoise", "nlm:-2"], 2, "the strength of nlm is -2.0; give a positive number"),
        (["segment", "-k", 3, "--denoise", "nlm:much"], 2, "the strength of nlm is 'much'"),
        (["segment", "-k", 3, "--denoise", "median:99"], 2, "radius is 99"),
        (["segment", "-k", 3, "--smooth", "-1"], 2, "smooth is -1.0"),
        (["segment", "-k", 3, "--smooth", "much"], 2, "--smooth is 'much'; give auto, none, or a number"),
        (["segment", "-k", 3, "--reestimate"], 2, "needs smooth"),
        (["segment", "-k", 3, "--borders", "--undecided"], 2, "both --borders and --undecided"),
        (["denoise", "--method", "blur"], 2, "denoise is 'blur'"),
        (["denoise", "--method", "auto", "--strength", 3], 2, "auto chooses it"),
        (["denoise", "--method", "median", "--strength", 0], 2, "give a positive number"),
        (["denoise", "--method", "gaussian", "--strength", 40], 2, "reaches 160 voxels, but the image has 20"),
        (["denoise", "--mask", "missing.tif"], 66, "missing.tif"),
    ],
)
def test_what_cannot_be_done_is_refused(run: Run, scan: Path, tokens: list[object], code: int, says: str) -> None:
    verb, *options = tokens
    check_refused(run(verb, scan, "-o", scan.parent / "a.tif", *options), code, says)
    assert sorted(path.name for path in scan.parent.iterdir()) == ["scan.tif"]


def test_a_mask_that_covers_everything_is_refused(run: Run, scan: Path) -> None:
    klevels.write(scan.parent / "mask.tif", klevels.Image(np.zeros(SCAN.image.shape, np.uint8), "zyx"))
    tokens = ["--mask", scan.parent / "mask.tif", "-o", scan.parent / "a.tif"]
    check_refused(run("denoise", scan, *tokens), 65, "scan.tif")
    check_refused(run("segment", scan, "-k", 2, "--denoise", "auto", *tokens), 65, "scan.tif")
    assert not (scan.parent / "a.tif").exists()
