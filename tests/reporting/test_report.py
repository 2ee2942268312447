"""A report is one page that needs nothing else, whatever was segmented, and the same content as data."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import klevels
from klevels.core.table import Table
from klevels.errors import DataError, MissingDependencyError, OutputExistsError, ParameterError
from klevels.image import Image
from klevels.lazy import LoadedArray
from klevels.record import record_of
from klevels.reporting import Report, report
from reporting.pages import check

RNG = np.random.default_rng(11)
TRUTH = RNG.integers(0, 3, (3, 6, 8)).repeat(4, 0).repeat(4, 1).repeat(4, 2).astype(np.uint8)
GRAY = (TRUTH.astype(np.int64) * 900 + RNG.integers(100, 400, TRUTH.shape)).astype(np.uint16)
SCAN = Image(GRAY, "zyx", (2.0, 1.0, 1.0), "µm")
FLAT = Image(SCAN.data[0], "yx")


def names(found: Report) -> list[str]:
    return [one.name for one in found.drawings]


def test_a_page_tells_everything_in_order() -> None:
    result = klevels.segment(SCAN, 3, smooth=1.0)
    found = report(
        result,
        title="labels.tif",
        inputs=[{"path": "scan.tif", "spacing": (2.0, 1.0, 1.0), "unit": "µm", "bytes": 1234}],
        command="klevels segment scan.tif --recipe labels.tif.json -o again.tif",
        warnings=["the beam drifts"],
        pictures=[("Bone.", np.full((20, 30, 3), 99, np.uint8))],
    )
    assert names(found) == ["planes", "histogram", "sweep", "profiles"]
    page = check(found.html())
    wanted = "warnings input planes histogram sweep phases profiles objects pictures recipe references"
    assert " ".join(one for one in page.ids if not one.startswith("figure")) == wanted
    for text in (
        "labels.tif",
        "2 × 1 × 1 µm",
        "1,234 bytes",
        "the beam drifts",
        "µm³",
        "µm²",
        "Potts model, β = 1",
        "klevels segment scan.tif --recipe labels.tif.json -o again.tif",
        "Interval of the fraction",
        "Figure 5. Bone.",
    ):
        assert text in page.text
    assert len(page.images) == 5


def test_the_data_are_those_of_the_page() -> None:
    found = report(klevels.segment(SCAN, 3, noise=500.0))
    stored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert stored["measures"] == json.loads(json.dumps(found.measures.to_dict()))
    assert stored["recipe"]["noise"] == 500.0
    assert klevels.Levels.from_dict(stored["model"]).k == 3
    assert stored["sweep"]["k"] == list(range(1, len(stored["sweep"]["k"]) + 1))
    assert stored["histogram"]["n_voxels"] == SCAN.data.size == sum(stored["histogram"]["counts"])
    assert len(stored["intervals"]["phases"]) == 4
    assert [one["name"] for one in stored["figures"]] == names(found)


def test_only_methods_that_were_used_are_cited() -> None:
    plain = report(klevels.segment(SCAN, 3))
    assert plain.citations[0].doi == "10.32614/RJ-2011-015"
    assert "Besag" not in plain.html()
    assert "Buades" not in plain.html()
    assert "Lorensen" not in plain.html()
    rich = report(
        klevels.segment(SCAN, 3, denoise="nlm", borders="resolve", smooth=0.5),
        pictures=[("All.", np.zeros((9, 9, 3), np.uint8))],
    )
    for name in ("Buades", "Wang", "Besag", "Schlüter", "Lorensen"):
        assert name in rich.html()


def test_names_of_files_are_harmless() -> None:
    evil = "<script>alert(1)</script>\"'&.tif"
    found = report(
        klevels.segment(SCAN, 2),
        title=evil,
        inputs=[{"path": evil, evil: evil}],
        warnings=[evil],
        command=evil,
        pictures=[(evil, np.zeros((20, 20, 3), np.uint8))],
        about={"written": evil},
    )
    page = check(found.html())
    assert page.text.count(evil) >= 5


@pytest.mark.parametrize("spacing", [None, (2.0, 3.0)])
def test_images_of_two_axes_and_unknown_sizes_are_told_of(spacing: tuple[float, float] | None) -> None:
    image = Image(FLAT.data, "yx", spacing, None)
    found = report(klevels.segment(image, 2))
    page = check(found.html())
    assert ("the size of a voxel is unknown" in page.text) == (spacing is None)
    assert ("voxel²" in page.text) == (spacing is None)
    assert "Perimeter" in page.text
    assert "Coeurjolly" not in page.text


def test_color_is_told_of_by_its_palette() -> None:
    color = np.stack([FLAT.data // 8, FLAT.data // 9, 255 - FLAT.data // 10], axis=-1).astype(np.uint8)
    for image in (Image(color, "yxc"), Image(np.stack([color] * 3), "zyxc"), Image(color[..., :2], "yxc")):
        found = report(klevels.segment(image, 3))
        page = check(found.html())
        assert names(found) == ["planes", "profiles"]
        assert "k-means++" in page.text
        assert "Ckmeans" not in page.text


def test_a_phase_without_voxels_is_told_of() -> None:
    fitted = klevels.segment(SCAN, 3)
    dark = SCAN.with_data(np.minimum(SCAN.data, 500))
    found = report(klevels.segment(dark, recipe=replace(fitted.recipe, model=fitted.model)))
    assert "phase 2: 0.00 %" in check(found.html()).text


def test_labels_alone_and_voxels_left_out_are_told_of() -> None:
    labels = np.where(SCAN.data < 500, 0, 2).astype(np.uint8)
    labels[0] = 255
    found = report(Image(labels, "zyx", meta={"label_colors": ()}))
    page = check(found.html())
    assert "left out" in page.text
    assert names(found) == ["planes", "profiles"]
    assert found.recipe is None
    assert "No record tells" in page.text


def test_undecided_voxels_and_many_phases_have_their_colors() -> None:
    blurred = SCAN.with_data(gaussian_filter(SCAN.data, 1.0))
    result = klevels.segment(blurred, 3, borders="undecided")
    assert result.n_undecided
    assert "undecided:" in check(report(result).html()).text
    labels = (np.arange(40 * 40).reshape(40, 40) % 70).astype(np.uint8)
    page = check(report(labels).html())
    assert "phase 69" in page.text


def test_objects_are_listed_from_the_largest_on() -> None:
    table = Table(
        {
            "object": np.arange(30),
            "n_voxels": np.arange(30),
            "volume": np.arange(30) * 2.0,
            "equivalent_diameter": np.cbrt(np.arange(30) + 1.0),
            "touches_border": np.arange(30) % 2 == 0,
        },
        {"volume": "µm³", "equivalent_diameter": "µm"},
    )
    measures = replace(klevels.measure(Image(TRUTH, "zyx", SCAN.spacing, SCAN.unit)), objects={1: table})
    page = check(report(TRUTH, measures=measures).html())
    assert "Phase 1: 30 objects, of which the largest 20 are listed." in page.text
    assert "volume [µm³]" in page.text
    assert "29 29 58 3.107 no 28 28 56 3.072 yes" in page.text


def test_a_record_tells_how_labels_were_made() -> None:
    result = klevels.segment(SCAN, 3)
    record = record_of("segment", result.recipe, result.model, [{"path": "scan.tif", "bytes": 1, "sha256": "0"}])
    whole = report(result)
    found = report(Image(result.labels.data, "zyx", SCAN.spacing, SCAN.unit), SCAN, record=record)
    assert found.warnings == whole.warnings == klevels.measure(result).warnings
    assert found.to_dict() == whole.to_dict()
    assert found.html() == whole.html()
    lazy = Image(LoadedArray(result.labels.data), "zyx", SCAN.spacing, SCAN.unit)
    scan = Image(LoadedArray(SCAN.data), "zyx", SCAN.spacing, SCAN.unit)
    assert report(lazy, scan, record=record).html() == whole.html()
    alone = report(result.labels, record=record)
    assert alone.recipe == result.recipe
    assert names(alone) == ["planes", "profiles"]


def test_what_does_not_belong_together_is_report() -> None:
    result = klevels.segment(SCAN, 3)
    record = record_of("segment", result.recipe, result.model, [])
    other = SCAN.with_data(SCAN.data // 2)
    found = report(result.labels, other, record=record)
    assert any("the gray image is not the one that was segmented" in one for one in found.warnings)
    swapped = 2 - result.labels.data
    found = report(Image(swapped, "zyx"), SCAN, record=record)
    assert any("the labels are not those that the record tells of" in one for one in found.warnings)


def test_a_mask_counts_for_the_histogram() -> None:
    mask = np.ones(SCAN.shape, bool)
    mask[:4] = False
    result = klevels.segment(SCAN, 3, mask=mask)
    record = record_of("segment", result.recipe, result.model, [])
    found = report(result.labels, SCAN, record=record)
    assert found.warnings == klevels.measure(result).warnings
    assert found.histogram is not None
    assert found.histogram.n_voxels == mask.sum()


def test_what_cannot_be_reported_is_one_line() -> None:
    measures = klevels.measure(TRUTH)
    with pytest.raises(DataError, match="shape"):
        report(TRUTH, SCAN.data[1:], measures=measures)
    with pytest.raises(DataError, match="measures are of shape"):
        report(TRUTH[1:], measures=measures)
    with pytest.raises(DataError, match="channels"):
        report(Image(np.zeros((4, 4, 3), np.uint8), "yxc"), measures=measures)
    with pytest.raises(ParameterError, match="record is of 'posterize'"):
        report(TRUTH, measures=measures, record={"verb": "posterize"})
    with pytest.raises(ParameterError, match="a picture is float64"):
        report(TRUTH, measures=measures, pictures=[("", np.zeros((4, 4, 3)))])  # type: ignore[list-item]


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    found = report(klevels.segment(FLAT, 2))
    target = tmp_path / "report.html"
    found.save(target)
    assert target.read_text(encoding="utf-8") == found.html()
    with pytest.raises(OutputExistsError):
        found.save(target)
    found.save(target, overwrite=True)
    with pytest.raises(ParameterError, match=r"\.html"):
        found.save(tmp_path / "report.pdf")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_without_jinja_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = report(klevels.segment(FLAT, 2))
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "klevels\[report\]"'):
        found.html()


def test_of_a_phase_with_too_many_objects_none_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rows", "verb", "page"):
        monkeypatch.setattr(f"klevels.reporting.{module}.MOST_OBJECTS", 2)
    labels = np.zeros((20, 20), np.uint8)
    labels[2::6, 2::6] = 1
    labels[0] = 2
    found = report(labels)
    assert sorted(found.measures.objects) == [0, 2]
    assert "Of phase 1 (9) no objects are listed: there are more than 2." in check(found.html()).text


def test_gray_values_are_told_in_the_unit_they_mean() -> None:
    result = klevels.segment(SCAN, 3)
    found = report(result, calibrate="0=-1000,1000=0,HU")
    assert found.measures.gray_unit == "HU"
    assert "HU" in check(found.html()).text
    with pytest.raises(ParameterError, match="calibrate is given with measures; give it to measure"):
        report(result, measures=found.measures, calibrate="1,0,HU")


def test_intervals_of_masked_labels_are_those_of_their_segmentation() -> None:
    mask = np.zeros(SCAN.shape, bool)
    mask[4:, 2:-2, 2:-2] = True
    outside = RNG.integers(0, 4000, SCAN.shape).astype(np.uint16)
    scan = SCAN.with_data(np.where(mask, SCAN.data, outside))
    result = klevels.segment(scan, 3, mask=mask)
    record = record_of("segment", result.recipe, result.model, [])
    told = report(result)
    assert told.intervals is not None
    for labels in (result.labels, result.labels.with_data(LoadedArray(result.labels.data))):
        again = report(labels, scan, record=record)
        assert again.intervals is not None
        assert again.intervals.to_dict() == told.intervals.to_dict()


def test_without_neighbors_there_are_no_intervals_but_a_report() -> None:
    sparse = np.zeros(SCAN.shape, bool)
    sparse[::2, ::2, ::2] = True
    found = report(klevels.segment(SCAN, 3, mask=sparse))
    assert found.intervals is None
    check(found.html())


def test_a_segmentation_brings_its_own_scan_and_record() -> None:
    with pytest.raises(ParameterError, match="which knows its own; leave them out"):
        report(klevels.segment(SCAN, 3), SCAN)
