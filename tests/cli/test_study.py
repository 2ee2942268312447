"""klevels study: a folder with a figure, a table and a record, and the command that does best."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import klevels
from commands import Run, check_refused, files
from klevels.cli import studies
from klevels.image import Image
from klevels.samples import Scan, simulate_phases
from klevels.studying import study, verb

SHAPE = (20, 40, 40)
FILES = {"study.png", "study.csv", "study.json"}


@pytest.fixture(scope="module")
def simulated() -> Scan:
    return simulate_phases(SHAPE, noise=5000, length=6, seed=7)


@pytest.fixture
def scan(tmp_path: Path, simulated: Scan) -> Path:
    klevels.write(tmp_path / "scan.tif", simulated.image)
    klevels.write(tmp_path / "truth.tif", simulated.truth)
    return tmp_path / "scan.tif"


def test_the_command_that_is_printed_gives_the_labels_of_the_row(run: Run, scan: Path, simulated: Scan) -> None:
    truth, folder = scan.with_name("truth.tif"), scan.with_name("out")
    outcome = run("study", scan, "-k", 3, "--truth", truth, "--methods", "nlm", "median:1", "-o", folder)
    assert outcome.code == 0
    assert outcome.err == ""
    assert set(files(folder)) == FILES
    command = shlex.split(outcome.out.splitlines()[-1])
    assert command[:2] == ["klevels", "segment"]
    labels = scan.with_name("labels.npy")
    assert run(*command[1:-1], labels).code == 0
    record = json.loads((folder / "study.json").read_text())
    best = record["study"]["rows"][record["study"]["recommended"]]
    found = np.load(labels)
    assert np.mean(found != simulated.truth.data) == best["agreement"]["misclassified"]
    row = study(simulated.image, 3, methods=["nlm", "median:1"], truth=simulated.truth)
    assert np.array_equal(row.segmentation(row.recommended).labels.data, found)
    again = scan.with_name("again.npy")
    assert run("segment", scan, "--recipe", folder / "study.json", "-o", again).code == 0
    assert np.array_equal(np.load(again), found)


def test_each_row_can_be_run(run: Run, scan: Path, simulated: Scan) -> None:
    found = study(simulated.image, 3, methods=["tv", "nlm", "gaussian:1"], truth=simulated.truth)
    for i, row in enumerate(found.rows):
        labels = scan.with_name(f"{i}.npy")
        command = shlex.split(found.command(str(scan), str(labels), row=row))
        assert run(*command[1:]).code == 0
        assert np.mean(np.load(labels) != simulated.truth.data) == row.misclassified


def test_json_is_what_python_finds(run: Run, scan: Path, simulated: Scan) -> None:
    folder = scan.with_name("out")
    outcome = run("study", scan, "-k", 3, "--methods", "median:1", "-o", folder, "--json", "--seed", 5)
    assert outcome.code == 0
    expected = study(simulated.image, 3, methods=["median:1"], seed=5).to_dict()
    told = outcome.json
    assert told.pop("files") == ["study.png", "study.csv", "study.json"]
    assert shlex.split(told.pop("command"))[-1] == "scan-labels.tif"
    for row in (*told["rows"], *expected["rows"]):
        del row["seconds"]
    assert told == json.loads(json.dumps(expected))
    record = json.loads((folder / "study.json").read_text())
    assert record["verb"] == "study"
    assert record["inputs"][0]["path"] == str(scan)


def test_the_table_is_best_first_and_all_of_it_on_request(
    run: Run, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "MOST_ROWS", 2)
    asked = ("study", scan, "-k", 3, "--methods", "median", "-o", scan.with_name("out"), "--overwrite")
    short, long = run(*asked).out.splitlines(), run(*asked, "--all").out.splitlines()
    assert short[0].split()[:2] == ["filter", "β"]
    assert short[3].startswith("none ")  # no denoising is always there
    assert short[4].startswith("5 more rows: --all lists them")
    assert len([line for line in long if line.endswith(" s")]) == 8
    wrong = [float(line.split(" %")[0].split()[-1]) for line in long[1:9]]
    assert wrong == sorted(wrong)
    table = list(csv.DictReader((scan.with_name("out") / "study.csv").read_text().splitlines()))
    assert [f"{float(row['misclassified (%)']):.2f}" for row in table] == [f"{share:.2f}" for share in wrong]


def test_how_the_scan_is_read_is_in_the_command(run: Run, tmp_path: Path, simulated: Scan) -> None:
    plane = simulated.image.data[0]
    plane.tofile(tmp_path / "a scan.raw")
    np.save(tmp_path / "mask.npy", np.arange(1600).reshape(40, 40) >= 400)
    reading = ("--shape", 40, 40, "--dtype", "uint16", "--spacing", 2, 1, "--unit", "µm")
    asked = ("study", tmp_path / "a scan.raw", "-k", 2, "--noise", "20000", "--mask", tmp_path / "mask.npy", *reading)
    outcome = run(*asked, "--methods", "median:1", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    command = shlex.split(outcome.out.splitlines()[-1])
    assert run(*command[1:-1], tmp_path / "l.npy").code == 0
    recipe = ("--recipe", tmp_path / "out" / "study.json")
    assert run("segment", tmp_path / "a scan.raw", *recipe, "-o", tmp_path / "m.npy").code == 0
    labels = np.load(tmp_path / "l.npy")
    assert np.array_equal(labels, np.load(tmp_path / "m.npy"))
    assert (labels.ravel()[:400] == 255).all()


def test_color_is_studied_as_gray(run: Run, tmp_path: Path, simulated: Scan) -> None:
    plane = (simulated.image.data[0] // 256).astype(np.uint8)
    klevels.write(tmp_path / "c.png", Image(np.stack([plane] * 3, axis=-1), "yxc"))
    asked = ("study", tmp_path / "c.png", "-k", 3, "--methods", "median:1", "-o", tmp_path / "out")
    check_refused(run(*asked), 65, "--gray")
    outcome = run(*asked, "--gray")
    assert outcome.code == 0
    assert " --gray " in outcome.out.splitlines()[-1]


def test_the_middle_of_a_large_scan_is_studied_and_said_so(
    run: Run, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "MOST_VOXELS", 16**3)
    outcome = run("study", scan, "-k", 3, "--methods", "median:1", "-o", scan.with_name("out"))
    assert "the middle 16 × 16 × 16 of 20 × 40 × 40 voxels" in outcome.out
    assert outcome.out.splitlines()[-1].endswith("-o scan-labels.ome.zarr")


def test_what_is_there_is_replaced_only_on_request(run: Run, scan: Path) -> None:
    folder = scan.with_name("out")
    asked = ("study", scan, "-k", 3, "--methods", "median:1", "-o", folder)
    assert run(*asked).code == 0
    (folder / "mine.txt").write_text("mine")
    before = files(folder)
    check_refused(run(*asked), 73, "--overwrite")
    assert files(folder) == before
    assert run(*asked, "--overwrite").code == 0
    assert set(files(folder)) == {*FILES, "mine.txt"}
    (folder / "study.csv").unlink()
    check_refused(run(*asked), 73, "study.png")


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        (["-o", "out"], 2, "k"),
        (["-k", "3"], 2, "-o requires"),
        (["-k", "0", "-o", "out"], 2, "k is 0"),
        (["-k", "1", "-o", "out"], 2, "k is 1"),
        (["-k", "3", "-o", "out", "--methods", "wavelets"], 2, "wavelets"),
        (["-k", "3", "-o", "out", "--noise", "loud"], 2, "--noise is 'loud'"),
        (["-k", "3", "-o", "out", "--truth", "small.npy"], 65, "truth has shape (3, 4)"),
        (["-k", "3", "-o", "out", "--truth", "other.npy"], 65, "the truth has the numbers 7"),
        (["-k", "3", "-o", "out", "--truth", "missing.npy"], 66, "missing.npy"),
        (["-k", "3", "-o", "out", "--mask", "small.npy"], 65, "mask has shape (3, 4)"),
        (["-k", "3", "-o", "scan.tif"], 73, "is a file"),
        (["-k", "3", "-o", "no/such/scan.tif/out"], 73, "no/such"),
    ],
)
def test_what_cannot_be_studied_is_refused(
    run: Run, scan: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(scan.parent)
    np.save("small.npy", np.zeros((3, 4), np.uint8))
    np.save("other.npy", np.full(SHAPE, 7))
    if "no/such/scan.tif/out" in asked:
        Path("no/such").mkdir(parents=True)
        Path("no/such/scan.tif").write_text("a file")
    before = files(scan.parent)
    quick = [] if "--methods" in asked else ["--methods", "median:1"]
    check_refused(run("study", scan, *asked, *quick), code, says)
    assert files(scan.parent) == before


def test_nan_is_refused_or_left_out(run: Run, tmp_path: Path, simulated: Scan) -> None:
    values: Any = simulated.image.data[0].astype(np.float32)
    values[0, 0] = np.nan
    np.save(tmp_path / "a.npy", values)
    asked = ("study", tmp_path / "a.npy", "-k", 3, "--methods", "median:1", "-o", tmp_path / "out")
    check_refused(run(*asked), 65, "1 NaN")
    assert not (tmp_path / "out").exists()
    outcome = run(*asked, "--nan", "ignore")
    assert outcome.code == 0
    assert "--nan ignore" in outcome.out.splitlines()[-1]
