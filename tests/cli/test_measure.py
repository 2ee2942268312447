"""`klevels measure`: a table for people, JSON for scripts, files that pandas reads; one line for what does not fit."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import klevels
from commands import Run, check_refused, files
from klevels.image import Image

SHAPE = (8, 24, 30)
RNG = np.random.default_rng(7)
LABELS = RNG.integers(0, 3, (2, 6, 10)).repeat(4, 0).repeat(4, 1).repeat(3, 2).astype(np.uint8)
GRAY = (LABELS * np.uint16(900) + RNG.integers(0, 500, SHAPE)).astype(np.uint16)
NEEDED = [
    "phase",
    "n_voxels",
    "fraction",
    "volume",
    "mean",
    "std",
    "surface_area",
    "n_components",
    "largest_share",
    "percolates_z",
    "percolates_y",
    "percolates_x",
    "euler",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    klevels.write(tmp_path / "labels.tif", Image(LABELS, "zyx", (2.0, 1.0, 1.0), "µm"))
    klevels.write(tmp_path / "gray.tif", Image(GRAY, "zyx", (2.0, 1.0, 1.0), "µm"))
    klevels.write(tmp_path / "small.tif", Image(GRAY[1:], "zyx"))
    klevels.write(tmp_path / "plain.npy", Image(LABELS, "zyx"))
    np.save(tmp_path / "float.npy", LABELS.astype(np.float32))
    np.save(tmp_path / "negative.npy", LABELS.astype(np.int16) - 1)
    return tmp_path


def test_json_holds_what_python_returns(run: Run, folder: Path) -> None:
    before = files(folder)
    outcome = run("measure", folder / "labels.tif", "--gray", folder / "gray.tif", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    image = Image(LABELS, "zyx", (2.0, 1.0, 1.0), "µm")
    assert outcome.json == json.loads(json.dumps(klevels.measure(image, GRAY).to_dict()))
    assert all(set(NEEDED) <= set(row) for row in outcome.json["phases"])
    assert files(folder) == before


def test_a_table_is_written_with_units_in_its_head(run: Run, folder: Path) -> None:
    target = folder / "phases.csv"
    outcome = run("measure", folder / "labels.tif", "--gray", folder / "gray.tif", "-o", target)
    assert outcome.code == 0
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["phase"]) for row in rows] == [0, 1, 2]
    assert [float(row["volume [µm³]"]) for row in rows] == [2.0 * (p == LABELS).sum() for p in range(3)]
    check_refused(run("measure", folder / "labels.tif", "-o", target), 73, "--overwrite")
    assert run("measure", folder / "labels.tif", "-o", target, "--overwrite").code == 0


def test_people_read_units_percolation_and_what_is_unknown(run: Run, folder: Path) -> None:
    known = run("measure", folder / "labels.tif").out
    assert "volume [µm³]" in known
    assert "surface_area [µm²]" in known
    assert "mean" not in known
    assert (
        "the size of a voxel is unknown: lengths, areas and volumes are in voxels"
        in run("measure", folder / "plain.npy").out
    )


def test_labels_that_segment_wrote_are_measured_without_what_it_left_out(run: Run, folder: Path) -> None:
    mask = np.ones(SHAPE, np.uint8)
    mask[:3] = 0
    klevels.write(folder / "mask.tif", Image(mask, "zyx"))
    made = run("segment", folder / "gray.tif", "-k", "3", "--mask", folder / "mask.tif", "-o", folder / "out.tif")
    assert made.code == 0
    found = run("measure", folder / "out.tif", "--json").json
    assert found["n_ignored"] == (mask == 0).sum()
    assert [row["phase"] for row in found["phases"]] == [0, 1, 2]


def test_gray_values_are_calibrated(run: Run, folder: Path) -> None:
    given = ("measure", folder / "labels.tif", "--gray", folder / "gray.tif", "--json")
    found = run(*given, "--calibrate", "0=-1000,100=0,HU").json
    plain = run(*given).json
    assert [row["mean"] for row in found["phases"]] == pytest.approx(
        [10 * row["mean"] - 1000 for row in plain["phases"]]
    )
    assert found["units"]["mean"] == "HU"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("float.npy",), 65, "float.npy: labels are float32, like gray values; segment the image first"),
        (("negative.npy",), 65, "negative.npy: a label is -1"),
        (("labels.tif", "--gray", "small.tif"), 65, "small.tif"),
        (("labels.tif", "--mask", "small.tif"), 65, "small.tif"),
        (("labels.tif", "--connectivity", "7"), 2, "connectivity is 7"),
        (("labels.tif", "--calibrate", "7"), 2, "calibration is '7'"),
        (("labels.tif", "--calibrate", "1,0,HU"), 2, "there are no gray values"),
        (("missing.tif",), 66, "missing.tif"),
        (("labels.tif", "-o", "table.xlsx"), 2, ".csv"),
        (("labels.tif", "-o", "nowhere/table.csv"), 73, "nowhere"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    run: Run, folder: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    before = files(folder)
    given = [folder / one if "." in one and "," not in one else one for one in arguments]
    check_refused(run("measure", *given), code, message)
    assert files(folder) == before


def test_objects_of_a_phase_are_a_table_of_their_own(run: Run, folder: Path) -> None:
    target = folder / "grains.csv"
    command = ("measure", folder / "labels.tif", "--gray", folder / "gray.tif", "--objects", "--phase", 1)
    outcome = run(*command, "--min-voxels", 40, "-o", target)
    known = klevels.measure(Image(LABELS, "zyx", (2.0, 1.0, 1.0), "µm"), GRAY, objects=1, min_voxels=40).objects[1]
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(known.headers)
    assert [int(row["n_voxels"]) for row in rows] == known["n_voxels"].tolist()
    assert [float(row["mean"]) for row in rows] == known["mean"].tolist()
    assert f"phase 1 has {len(known)} objects" in outcome.out
    assert "diameter_from [µm]" in outcome.out
    told = run(*command, "--json").json
    assert sum(row["n_objects"] for row in told["sizes"]["1"]["rows"]) == len(told["objects"]["1"]["rows"])


def test_local_thickness_is_told_in_units(run: Run, folder: Path) -> None:
    outcome = run("measure", folder / "labels.tif", "--thickness", "--phase", 1)
    assert "thickness_mean [µm]" in outcome.out


def test_a_phase_is_asked_for_with_what_is_asked_of_it(run: Run, folder: Path) -> None:
    labels = folder / "labels.tif"
    check_refused(run("measure", labels, "--objects"), 2, "--objects is of one phase, but none is given; add --phase")
    check_refused(run("measure", labels, "--phase", 1), 2, "--phase is 1, but nothing is asked of it; add --objects")
    check_refused(run("measure", labels, "--min-voxels", 5), 2, "no objects are asked for; add --objects")
    check_refused(run("measure", labels, "--objects", "--phase", 9), 65, "no voxel is of phase 9; there are 0, 1, 2")


def test_the_size_of_a_voxel_can_be_given(run: Run, folder: Path) -> None:
    plain = folder / "plain.npy"
    told = run("measure", plain, "--spacing", "0.5", "--unit", "um", "--json").json
    assert (told["spacing"], told["unit"]) == ([0.5, 0.5, 0.5], "µm")
    assert run("measure", folder / "labels.tif", "--spacing", "2", "3", "4", "--json").json["spacing"] == [2, 3, 4]
    assert "volume [nm³]" in run("measure", folder / "labels.tif", "--unit", "nm").out
    check_refused(run("measure", plain, "--unit", "nm"), 2, "the size of a voxel is unknown; give --spacing, too")
    for wrong in ("0", "1,2", "none", "inf"):
        check_refused(run("measure", plain, "--spacing", wrong), 2, "give one positive number, or 3, one for each axis")
