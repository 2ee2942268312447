"""`klevels report`: the scan is found through the record; what is gone, changed or missing is told on the page."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import klevels
from commands import Run, check_refused, files
from klevels.image import Image
from reporting.pages import Page, check

SHAPE = (8, 24, 30)
RNG = np.random.default_rng(7)
COARSE = RNG.integers(0, 3, (2, 6, 10)).repeat(4, 0).repeat(4, 1).repeat(3, 2)
GRAY = (COARSE * 900 + RNG.integers(0, 500, SHAPE)).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    klevels.write("scan.tif", Image(GRAY, "zyx", (2.0, 1.0, 1.0), "µm"))
    assert run("segment", "scan.tif", "-k", "3", "-o", "labels.tif").code == 0
    return tmp_path


def page_of(folder: Path) -> Page:
    return check((folder / "report.html").read_text(encoding="utf-8"))


def data_of(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_the_scan_is_found_through_the_record(run: Run, folder: Path) -> None:
    before = files(folder)
    outcome = run("report", "labels.tif", "-o", "report.html", "--json", "report.json")
    assert (outcome.code, outcome.err) == (0, "")
    page, data = page_of(folder), data_of(folder)
    assert {"planes", "histogram", "sweep", "phases", "profiles", "recipe"} <= set(page.ids)
    assert data["inputs"][0]["path"] == "scan.tif"
    assert data["inputs"][0]["shape"] == list(SHAPE)
    assert data["recipe"]["k"] == 3
    assert data["command"] in page.text
    assert data["measures"]["phases"][0]["mean"] is not None
    after = files(folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"report.html", "report.json"}


def test_gray_values_are_calibrated_and_objects_are_told(run: Run, folder: Path) -> None:
    asked = ("report", "labels.tif", "-o", "report.html", "--json", "report.json", "--calibrate")
    check_refused(run(*asked, "HU"), 2, "calibration is 'HU'; give")
    assert run(*asked, "2,-1000,HU").code == 0
    told = data_of(folder)["measures"]
    assert told["gray_unit"] == "HU"
    known = klevels.measure(klevels.read("labels.tif"), GRAY, calibrate="2,-1000,HU", objects=(0, 1, 2))
    assert told["objects"] == json.loads(json.dumps(known.to_dict()["objects"]))
    assert "objects" in page_of(folder).ids


def test_phases_that_are_not_drawn_are_named(run: Run, folder: Path) -> None:
    klevels.write("many.tif", Image((np.arange(8)[:, None, None] + np.zeros((8, 6, 6))).astype(np.uint8), "zyx"))
    assert run("report", "many.tif", "-o", "report.html", "--spacing", "2", "--unit", "mm").code == 0
    page = page_of(folder)
    assert "there are no pictures of phases 6 to 7; klevels render draws them" in page.text
    assert "mm³" in page.text
    assert "Phase 5." in page.text
    assert "Phase 6." not in page.text


def test_segment_writes_the_same_report_in_one_go(run: Run, folder: Path) -> None:
    asked = ("segment", "scan.tif", "-k", "3", "--report")
    assert run(*asked, "report.html", "-o", "labels.tif", "--overwrite").code == 0
    page = page_of(folder)
    assert {"planes", "histogram", "sweep", "phases", "profiles", "recipe"} <= set(page.ids)
    assert "klevels segment scan.tif --recipe labels.tif.json -o again-labels.tif" in page.text
    assert run(*asked, "alone.html").code == 0
    assert (folder / "alone.html.json").exists()
    check_refused(run(*asked, "report.pdf"), 2, ".html")
    assert run(*asked, "streamed.html", "-o", "labels.ome.zarr").code == 0
    check((folder / "streamed.html").read_text(encoding="utf-8"))


def test_the_command_makes_the_same_labels_again(run: Run, folder: Path) -> None:
    assert run("report", "labels.tif", "-o", "report.html", "--json", "report.json").code == 0
    program, *tokens = shlex.split(data_of(folder)["command"])
    assert program == "klevels"
    assert run(*tokens).code == 0
    np.testing.assert_array_equal(
        klevels.read("again-labels.tif").data,
        klevels.read("labels.tif").data,
    )


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_scan_that_is_gone_or_changed_is_told(run: Run, folder: Path, how: str) -> None:
    (folder / "scan.tif").rename(folder / "kept.tif")
    if how == "changed":
        klevels.write("scan.tif", Image(GRAY + 1, "zyx"))
    outcome = run("report", "labels.tif", "-o", "report.html")
    assert outcome.code == 0
    page = page_of(folder)
    says = {"gone": "scan.tif is gone", "changed": "scan.tif has changed since it was segmented"}[how]
    assert says in page.text
    assert says in outcome.out
    assert "sweep" not in page.ids
    assert "scan.tif" in page.text
    assert run("report", "labels.tif", "--gray", "kept.tif", "-o", "report.html", "--overwrite").code == 0
    again = page_of(folder)
    assert says not in again.text
    assert "sweep" in again.ids


def test_labels_of_others_are_reported_with_what_they_tell(run: Run, folder: Path) -> None:
    klevels.write("others.npy", Image(COARSE.astype(np.uint8), "zyx"))
    assert run("report", "others.npy", "-o", "report.html").code == 0
    page = page_of(folder)
    assert "there is no record beside the labels" in page.text
    assert "the size of a voxel is unknown" in page.text
    assert "phases" in page.ids
    (folder / "others.npy.json").write_text('{"klevels_record": 1, "verb": "segment", "recipe": {"q": 1}}')
    assert run("report", "others.npy", "-o", "report.html", "--overwrite").code == 0
    assert "cannot be read" in page_of(folder).text
    (folder / "others.npy.json").write_text("{}")
    assert run("report", "others.npy", "-o", "report.html", "--overwrite").code == 0
    assert "is no record of labels" in page_of(folder).text


def test_labels_that_changed_after_their_record_are_told(run: Run, folder: Path) -> None:
    labels = klevels.read("labels.tif")
    klevels.write("labels.tif", labels.with_data(np.zeros_like(labels.data)), overwrite=True)
    assert run("report", "labels.tif", "-o", "report.html").code == 0
    assert "the labels are not those that the record tells of" in page_of(folder).text


def test_color_and_several_channels_are_reported(run: Run, folder: Path) -> None:
    color = np.stack([GRAY[0] // 8, GRAY[0] // 9, GRAY[0] // 10], axis=-1).astype(np.uint8)
    klevels.write("photo.png", Image(color, "yxc"))
    assert run("segment", "photo.png", "-k", "3", "-o", "photo-labels.tif").code == 0
    assert run("report", "photo-labels.tif", "-o", "report.html").code == 0
    assert "planes" in page_of(folder).ids
    klevels.write("low.tif", Image(GRAY // 2, "zyx"))
    assert run("segment", "low.tif", "scan.tif", "-k", "3", "-o", "both.tif").code == 0
    assert run("report", "both.tif", "-o", "report.html", "--overwrite").code == 0
    assert {"low.tif", "scan.tif"} <= set(page_of(folder).text.split())


def test_a_name_that_is_a_script_is_harmless(run: Run, folder: Path) -> None:
    evil = "<script>alert(1)<b>.tif"
    klevels.write(evil, Image(GRAY, "zyx"))
    assert run("segment", evil, "-k", "2", "-o", "x" + evil).code == 0
    assert run("report", "x" + evil, "-o", "report.html").code == 0
    assert page_of(folder).text.count("<script>") > 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("labels.tif", "-o", "report.pdf"), 2, ".html"),
        (("labels.tif", "-o", "nowhere/report.html"), 73, "nowhere"),
        (("labels.tif", "-o", "report.html", "--json", "labels.tif.json", "--overwrite"), 73, "labels.tif.json"),
        (("labels.tif", "-o", "report.html", "--gray", "small.tif"), 65, "small.tif: its shape is (7, 24, 30)"),
        (("missing.tif", "-o", "report.html"), 66, "missing.tif"),
        (("float.npy", "-o", "report.html"), 65, "float.npy: labels are float32"),
    ],
)
def test_what_cannot_be_reported_is_one_line(
    run: Run, folder: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    klevels.write("small.tif", Image(GRAY[1:], "zyx"))
    np.save("float.npy", GRAY.astype(np.float32))
    before = files(folder)
    check_refused(run("report", *arguments), code, message)
    assert files(folder) == before


def test_what_is_there_is_kept(run: Run, folder: Path) -> None:
    assert run("report", "labels.tif", "-o", "report.html").code == 0
    before = files(folder)
    check_refused(run("report", "labels.tif", "-o", "report.html"), 73, "--overwrite")
    assert files(folder) == before
