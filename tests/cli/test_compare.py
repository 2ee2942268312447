"""`klevels compare`: a table for people, JSON for scripts, one line for what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import klevels
from commands import Run, check_refused, files
from klevels.image import Image

SHAPE = (8, 24, 30)
RNG = np.random.default_rng(7)
TRUTH = RNG.integers(0, 3, SHAPE).astype(np.uint8)
LABELS = np.where(RNG.random(SHAPE) < 0.1, RNG.integers(0, 3, SHAPE), TRUTH).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in (("labels", LABELS), ("truth", TRUTH), ("renamed", 2 - LABELS)):
        klevels.write(tmp_path / f"{name}.tif", Image(data, "zyx"))
    return tmp_path


def test_json_holds_what_python_returns(run: Run, folder: Path) -> None:
    before = files(folder)
    outcome = run("compare", folder / "labels.tif", folder / "truth.tif", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json == json.loads(json.dumps(klevels.compare(LABELS, TRUTH).to_dict()))
    assert files(folder) == before


def test_classes_are_matched_on_request(run: Run, folder: Path) -> None:
    asked = ("compare", folder / "renamed.tif", folder / "truth.tif", "--json")
    by_number, matched = run(*asked).json, run(*asked, "--match").json
    assert by_number["accuracy"] < 0.5
    assert matched["accuracy"] == klevels.compare(LABELS, TRUTH).accuracy
    assert matched["classes"] == [2, 1, 0]


def test_blocks_of_other_formats_and_threads_change_nothing(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("compare", folder / "labels.tif", folder / "truth.tif", "--json").json
    klevels.write(folder / "labels.ome.zarr", Image(LABELS, "zyx"))
    monkeypatch.setattr("klevels.io.LAZY_BYTES", 0)
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 3000)
    for options in ((), ("--threads", 1), ("--memory", "100MB")):
        outcome = run("compare", folder / "labels.ome.zarr", folder / "truth.tif", "--json", *options)
        assert outcome.json == whole, outcome.err


def test_a_mask_and_an_ignore_label_leave_voxels_out(run: Run, folder: Path) -> None:
    inside = RNG.random(SHAPE) < 0.5
    np.save(folder / "mask.npy", inside.astype(np.uint8) * 9)
    asked = ("compare", folder / "labels.tif", folder / "truth.tif", "--json")
    masked = run(*asked, "--mask", folder / "mask.npy").json
    assert masked == json.loads(json.dumps(klevels.compare(LABELS, TRUTH, mask=inside).to_dict()))
    ignored = run(*asked, "--ignore", 2).json
    assert ignored["truth"] == [0, 1]
    assert ignored["labels"] == [0, 1, 2]
    assert ignored["n_ignored"] == np.count_nonzero(TRUTH == 2)


def test_labels_of_klevels_say_what_was_left_out(run: Run, folder: Path) -> None:
    scan, labels = folder / "scan.tif", folder / "segmented.tif"
    klevels.write(scan, Image((1000 * TRUTH.astype(np.uint16)), "zyx"))
    np.save(folder / "mask.npy", RNG.random(SHAPE) < 0.5)
    left_out = np.count_nonzero(~np.load(folder / "mask.npy"))
    assert run("segment", scan, "-k", 3, "--mask", folder / "mask.npy", "-o", labels).code == 0
    found = run("compare", labels, folder / "truth.tif", "--json").json
    assert (found["accuracy"], found["n_ignored"]) == (1.0, left_out)
    (folder / "segmented.tif.json").write_text("{}")  # not a record of klevels
    found = run("compare", labels, folder / "truth.tif", "--json").json
    assert (found["labels"], found["n_ignored"]) == ([0, 1, 2, 255], 0)
    told = run("compare", labels, folder / "truth.tif")
    assert f"label 255 is not in the truth: {left_out:,} voxels count as wrong" in told.out
    assert "--ignore 255" in told.out
    found = run("compare", labels, folder / "truth.tif", "--json", "--ignore", 255).json
    assert (found["accuracy"], found["n_ignored"]) == (1.0, left_out)


def test_the_table_shows_counts_and_measures(run: Run, folder: Path) -> None:
    found = klevels.compare(LABELS, TRUTH)
    outcome = run("compare", folder / "labels.tif", folder / "truth.tif")
    assert (outcome.code, outcome.err) == (0, "")
    lines = [line.split() for line in outcome.out.splitlines()]
    for row, counts in enumerate(found.confusion.tolist()):
        assert [str(row), *(f"{count:,}" for count in counts)] in lines
    assert any(line[:1] == ["0"] and line[-2:] == [f"{found.dice[0]:.4f}", f"{found.jaccard[0]:.4f}"] for line in lines)
    assert f"accuracy                  {found.accuracy:.6f}; {100 * found.misclassified:.3f} % of 5,760" in outcome.out
    assert f"adjusted Rand index       {found.adjusted_rand_index:.6f}" in outcome.out
    assert f"variation of information  {found.variation_of_information:.6f} bits" in outcome.out
    assert all(len(line) <= 120 for line in outcome.out.splitlines())


def test_the_table_says_what_a_matched_label_stands_for(run: Run, folder: Path) -> None:
    extra = LABELS.copy()
    extra[0, 0, :5] = (9, 9, 9, 12, 12)
    np.save(folder / "extra.npy", extra)
    by_number = run("compare", folder / "extra.npy", folder / "truth.tif").out
    assert "labels 9, 12 are not in the truth: 5 voxels count as wrong" in by_number
    matched = run("compare", folder / "extra.npy", folder / "truth.tif", "--match").out
    assert "0 → 0" in matched
    assert "12 → none" in matched
    assert "labels 9, 12 have no class of the truth left: 5 voxels count as wrong" in matched


def test_many_classes_are_left_to_scripts(run: Run, tmp_path: Path) -> None:
    many = np.arange(40 * 40).reshape(40, 40) // 8
    np.save(tmp_path / "many.npy", many)
    outcome = run("compare", tmp_path / "many.npy", tmp_path / "many.npy")
    assert "200 labels on 200 classes of the truth: --json lists the whole confusion" in outcome.out
    assert "168 more classes: --json lists them all" in outcome.out
    assert outcome.out.count("\n") < 50


def test_what_cannot_be_compared_is_refused(run: Run, folder: Path) -> None:
    np.save(folder / "short.npy", TRUTH[1:])
    np.save(folder / "float.npy", TRUTH + 0.25)
    np.save(folder / "negative.npy", TRUTH.astype(np.int8) - 1)
    np.save(folder / "other.npy", TRUTH + np.uint8(10))
    klevels.write(folder / "color.png", Image(np.zeros((8, 9, 3), np.uint8), "yxc"))
    labels, truth = folder / "labels.tif", folder / "truth.tif"
    for tokens, code, says in (
        ((labels, folder / "short.npy"), 65, "short.npy: its shape is (7, 24, 30), but that of"),
        ((labels, folder / "float.npy"), 65, "labels.tif against "),
        ((labels, folder / "float.npy"), 65, "float.npy: a voxel of the truth is"),
        ((folder / "negative.npy", truth), 65, "truth.tif: a voxel of the labels is -1"),
        ((labels, folder / "other.npy"), 65, "the labels are 0, 1, 2, the truth 10, 11, 12; use match=True (--match)"),
        ((labels, folder / "color.png"), 65, "color.png: has 3 channels"),
        ((labels, truth, "--mask", folder / "short.npy"), 65, "the mask has shape (7, 24, 30)"),
        ((labels, truth, "--ignore", -3), 2, "ignore is -3"),
        ((labels, truth, "--ignore", "x"), 2, "is not an integer"),
        ((labels, truth, "--memory", "1"), 2, "memory is '1'"),
        ((labels, folder / "none.tif"), 66, "none.tif: no such file"),
        ((labels,), 2, "TRUTH"),
    ):
        check_refused(run("compare", *tokens), code, says)
