"""The study: what is in its rows, and what it recommends."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import klevels
from klevels.core.denoise import METHODS, Filter
from klevels.denoising import estimate_noise
from klevels.errors import DataError, NoValleyError, ParameterError, TooFewLevelsError
from klevels.image import Image
from klevels.lazy import LoadedArray
from klevels.samples import Scan, simulate_phases
from klevels.studying import Study, StudyRow, study, verb

SHAPE = (24, 40, 40)
METHODS_TRIED = ["diffusion", "median:1"]


@pytest.fixture(scope="module")
def scan() -> Scan:
    return simulate_phases(SHAPE, noise=5000, length=6, seed=7)


@pytest.fixture(scope="module")
def given(scan: Scan) -> Study:
    return study(scan.image, 3, methods=METHODS_TRIED, truth=scan.truth)


@pytest.fixture(scope="module")
def simulated(scan: Scan) -> Study:
    return study(scan.image, 3, methods=METHODS_TRIED)


def segmented(scan: Scan, row: StudyRow, **asked: Any) -> klevels.Segmentation:
    """Segment a scan with what can be read of a row."""
    denoise = None if row.filter is None else str(row.filter)
    return klevels.segment(scan.image, 3, denoise=denoise, smooth=row.smooth, **asked)


def untimed(found: Study) -> dict[str, Any]:
    stored = found.to_dict()
    for row in stored["rows"]:
        del row["seconds"]
    return stored


def test_errors_against_a_given_truth_are_what_counting_them_finds(scan: Scan, given: Study) -> None:
    for row in given.rows:
        labels = segmented(scan, row).labels.data
        assert row.misclassified == np.mean(labels != scan.truth.data)
        for phase, dice in enumerate(row.dice.tolist()):
            both = np.sum((labels == phase) & (scan.truth.data == phase))
            assert dice == pytest.approx(2 * both / (np.sum(labels == phase) + np.sum(scan.truth.data == phase)))
    assert given.recommended.misclassified == min(row.misclassified for row in given.rows)
    assert given.truth_source == "given"


def test_errors_of_a_simulated_scan_are_what_counting_them_finds(simulated: Study) -> None:
    assert simulated.truth_source == "simulated"
    truth = simulated.truth.data
    for row in simulated.rows:
        labels = klevels.segment(simulated.scored, recipe=row.recipe).labels.data
        assert row.misclassified == np.mean(labels != truth)


def test_the_simulated_scan_is_like_the_scan(scan: Scan, simulated: Study) -> None:
    assert simulated.noise == estimate_noise(scan.image)
    assert estimate_noise(simulated.scored) == pytest.approx(simulated.noise, rel=0.1)
    assert simulated.blur == pytest.approx(0.6, abs=0.21)
    best = klevels.segment(scan.image, 3, denoise="auto", smooth="auto")
    assert np.array_equal(simulated.truth.data, best.labels.data)
    assert np.mean(simulated.truth.data == scan.truth.data) > 0.9


def test_a_row_says_what_its_segmentation_says(scan: Scan, simulated: Study) -> None:
    for row in simulated.rows:
        expected = segmented(scan, row)
        assert np.array_equal(row.levels.centers, expected.model.centers)  # type: ignore[union-attr]
        assert np.array_equal(row.levels.counts, expected.model.counts)
        assert row.levels.explained_variance == expected.model.explained_variance
        assert row.histogram.n_voxels == math.prod(SHAPE)
        assert np.array_equal(simulated.segmentation(row).labels.data, expected.labels.data)


def test_denoising_makes_classes_clearer(simulated: Study) -> None:
    plain, best = simulated.baseline, simulated.recommended
    assert plain is not None
    assert best.filter is not None
    assert best.misclassified < plain.misclassified / 2
    assert best.separation > plain.separation
    assert best.valley < plain.valley
    assert best.low_confidence < plain.low_confidence
    assert best.edges_kept < plain.edges_kept == 1.0


def test_smoothing_changes_labels_and_nothing_before(simulated: Study) -> None:
    alone, smoothed = simulated.rows[2:4]
    assert (alone.smooth is None, smoothed.smooth is None) == (True, False)
    assert alone.recipe == replace(smoothed.recipe, smooth=None)
    assert alone.histogram is smoothed.histogram
    same = ("separation", "valley", "low_confidence", "edges_kept")
    assert [getattr(alone, name) for name in same] == [getattr(smoothed, name) for name in same]
    assert smoothed.seconds > alone.seconds > 0
    assert not np.array_equal(alone.levels.counts, smoothed.levels.counts)


def test_no_variant_is_lost(scan: Scan) -> None:
    stages: list[str] = []
    found = study(scan.image.data[:12], 3, truth=scan.truth.data[:12], progress=stages.append)
    pairs = {(str(row.filter), row.smooth is not None) for row in found.rows}
    assert len(pairs) == len(found.rows)
    names = {name for name, _ in pairs} | {str(one.filter) for one in found.left_out}
    assert len(names) == 1 + 3 * len(METHODS)
    assert pairs == {(name, is_smoothed) for name in {name for name, _ in pairs} for is_smoothed in (False, True)}
    assert {name.partition(":")[0] for name, _ in pairs} == {"None", *METHODS}
    assert len(stages) == 2 + 3 * len(METHODS)
    assert sorted(map(id, found.ranked)) == sorted(map(id, found.rows))


def test_the_same_study_gives_the_same_numbers_whatever_the_threads(scan: Scan, simulated: Study) -> None:
    again = study(scan.image, 3, methods=METHODS_TRIED, threads=1)
    assert untimed(again) == untimed(simulated)
    assert np.array_equal(again.scored.data, simulated.scored.data)
    other = study(scan.image, 3, methods=METHODS_TRIED[1:], seed=1)
    assert not np.array_equal(other.scored.data, simulated.scored.data)


def test_simulated_is_the_same_as_none(scan: Scan) -> None:
    image = scan.image.data[0]
    one, other = (study(image, 3, methods=["median:1"], truth=truth) for truth in (None, "simulated"))
    assert untimed(one) == untimed(other)


def test_it_says_why_in_a_sentence(given: Study) -> None:
    best, plain = given.recommended, given.baseline
    assert plain is not None
    assert f"{100 * best.misclassified:.2f}"[:-1] in given.reason
    assert f"no denoising {100 * plain.misclassified:.2f} %" in given.reason
    assert best.name in given.reason
    assert "next best" in given.reason
    assert "given truth" in given.reason


def test_the_command_names_all_settings(scan: Scan) -> None:
    found = study(scan.image, 2, methods=["median:1"], noise="kmeans", nan="ignore")
    row = next(row for row in found.rows if row.filter and row.smooth)
    words = shlex.split(found.command("a scan.tif", "l.tif", row=row, mask="m.tif", options=["--gray"]))
    assert words == [
        *("klevels", "segment", "a scan.tif", "-k", "2", "--noise", "kmeans", "--nan", "ignore", "--mask", "m.tif"),
        *("--gray", "--denoise", "median:1", "--smooth", f"{row.smooth:g}", "-o", "l.tif"),
    ]
    assert float(words[-3]) == row.smooth
    plain = found.command("s.tif", "l.tif", row=found.baseline)
    assert "--denoise" not in plain
    assert "--smooth" not in plain


def test_numbers_are_ready_for_json_and_for_a_table(given: Study) -> None:
    stored = json.loads(json.dumps(given.to_dict(), allow_nan=False))
    assert stored["rows"][stored["recommended"]]["agreement"]["misclassified"] == given.recommended.misclassified
    assert stored["window"] == [[0, n] for n in SHAPE]
    lines = list(csv.reader(io.StringIO(given.to_csv())))
    assert len({len(line) for line in lines}) == 1
    table = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    assert len(table) == len(given.rows) + len(given.left_out)
    assert float(table[0]["misclassified (%)"]) == pytest.approx(100 * given.recommended.misclassified, abs=1e-4)
    assert {line["strength unit"] for line in table} == {"", "gray values", "voxels"}
    for line, row in zip(table, given.ranked, strict=False):
        assert line["method"] == ("none" if row.filter is None else row.filter.method)
        assert float(line["center 1 (gray value)"]) == pytest.approx(row.levels.centers[1])


def test_a_filter_whose_window_does_not_fit_is_left_out_with_a_reason(scan: Scan) -> None:
    found = study(scan.image.data[:5], 3, methods=["median"])
    assert [str(one.filter) for one in found.left_out] == ["median:3"]
    assert "window" in found.left_out[0].reason
    assert "median,3,voxels" in found.to_csv().splitlines()[-1]
    assert [str(row.filter) for row in found.rows] == ["None", "None", "median:1", "median:1", "median:2", "median:2"]


def test_without_noise_nothing_is_better_than_no_denoising() -> None:
    values = np.repeat([[10] * 30, [20] * 30, [40] * 30], 10, axis=0).astype(np.uint8)
    found = study(values, 3, methods=["nlm", "median:1"])
    assert found.noise == 0
    assert [str(one.filter) for one in found.left_out] == ["nlm"]
    assert found.recommended is found.baseline
    assert found.recommended.misclassified == 0
    assert found.to_dict()["rows"][0]["separation"] is None


def test_the_middle_of_a_large_scan_is_studied(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "MOST_VOXELS", 20**3)
    found = study(scan.image, 3, methods=["median:1"], truth=scan.truth)
    assert found.image.shape == (20, 20, 20)
    assert found.window == (slice(2, 22), slice(10, 30), slice(10, 30))
    assert np.array_equal(found.image.data, scan.image.data[found.window])
    assert np.array_equal(found.truth.data, scan.truth.data[found.window])
    assert "the middle 20 × 20 × 20 of 24 × 40 × 40 voxels" in found.about
    assert not found.is_whole
    assert found.noise == estimate_noise(scan.image)  # as the command will find it


def test_what_is_not_in_memory_is_studied_as_if_it_were(scan: Scan, given: Study) -> None:
    image, truth = (replace(one, data=LoadedArray(one.data)) for one in (scan.image, scan.truth))
    assert untimed(study(image, 3, methods=METHODS_TRIED, truth=truth)) == untimed(given)


def test_a_mask_and_nan_are_left_out(scan: Scan) -> None:
    values, inside = scan.image.data.astype(np.float32), np.ones(SHAPE, np.uint8)
    inside[:, :8] = 0
    values[:, 8:10, 5] = np.nan
    with pytest.raises(DataError, match="NaN"):
        study(values, 3, methods=["median:1"], mask=inside)
    for truth in (scan.truth, None):
        found = study(values, 3, methods=["median:1"], mask=inside, nan="ignore", truth=truth)
        n_counted = int(inside.sum()) - 2 * SHAPE[0]
        for row in found.rows:
            assert row.agreement.n_voxels == n_counted
            assert row.levels.counts.sum() == n_counted
    masked = np.ma.MaskedArray(scan.image.data, inside == 0)
    one = study(Image(masked, "zyx"), 3, methods=["median:1"], truth=scan.truth)
    other = study(scan.image.data, 3, methods=["median:1"], mask=inside, truth=scan.truth)
    assert untimed(one)["rows"] == untimed(other)["rows"]


def test_a_truth_may_hold_the_mark_of_voxels_that_were_left_out(scan: Scan) -> None:
    inside = np.ones(SHAPE, np.bool_)
    inside[:3] = False
    truth = klevels.segment(scan.image, 3, mask=inside).labels
    found = study(scan.image, 3, methods=["median:1"], truth=truth)
    assert found.rows[0].agreement.n_voxels == inside.sum()
    assert found.recommended is found.baseline


def test_noise_is_split_off_in_every_row(scan: Scan) -> None:
    found = study(scan.image, 2, methods=["median:1"], noise=20000.0, truth=scan.truth)
    assert all(row.levels.noise_threshold == 20000.0 for row in found.rows)
    assert all(row.levels.n_classes == 3 for row in found.rows)


def test_the_end_of_the_noise_is_that_of_the_scan_also_where_the_scan_is_simulated(scan: Scan) -> None:
    found = study(scan.image, 2, methods=["median:1"], noise="kmeans")
    for row in found.rows:
        asked = replace(row.recipe, noise=row.levels.noise_threshold)
        labels = klevels.segment(found.scored, recipe=asked).labels.data
        assert row.misclassified == np.mean(labels != found.truth.data)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float16", "float64", ">u2"])
def test_every_dtype_is_studied(scan: Scan, dtype: str) -> None:
    values = (scan.image.data[0] // 256).astype(dtype)
    found = study(values, 3, methods=["median:1"], truth=scan.truth.data[0])
    assert found.recommended.misclassified < 0.2
    assert study(values, 3, methods=["median:1"]).scored.dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"k": None}, ParameterError, "k is missing"),
        ({"k": 0}, ParameterError, "k is 0"),
        ({"k": 1}, ParameterError, "k is 1"),
        ({"k": 60000}, TooFewLevelsError, "60,?000"),
        ({"methods": ["wavelets"]}, ParameterError, "wavelets"),
        ({"truth": "drawn"}, ParameterError, "simulated"),
        ({"truth": np.zeros((3, 4), np.uint8)}, DataError, r"truth has shape \(3, 4\)"),
        ({"truth": np.full(SHAPE, 7)}, DataError, "the truth has the numbers 7, but the labels are 0 to 2"),
        ({"truth": np.full(SHAPE, 0.5)}, DataError, "numbers 0.5"),
        ({"truth": np.full(SHAPE, -1)}, DataError, "numbers -1"),
        ({"mask": np.ones((3, 4))}, DataError, r"mask has shape \(3, 4\)"),
        ({"mask": np.zeros(SHAPE)}, DataError, "0 voxels"),
        ({"noise": "loud"}, ParameterError, "loud"),
        ({"nan": "keep"}, ParameterError, "keep"),
    ],
)
def test_what_cannot_be_studied_is_refused(
    scan: Scan, asked: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        study(scan.image, **{"k": 3, "methods": ["median:1"], **asked})


def test_channels_are_refused() -> None:
    with pytest.raises(DataError, match="channels"):
        study(Image(np.zeros((9, 9, 3), np.uint8), "yxc"), 3)


def test_a_filter_may_help_to_split_noise_off_where_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 3, (6, 6)), np.ones((10, 10), np.int64)).astype(np.uint8)
    values = np.array([10, 25, 40], np.uint8)[truth]
    real = verb._rows

    def rows(bench: Any, chosen: Filter | None) -> list[StudyRow]:
        if chosen is None:
            raise NoValleyError("the histogram has no valley")
        return real(bench, chosen)

    monkeypatch.setattr(verb, "_rows", rows)
    found = study(values, 3, methods=["median:1"], truth=truth)
    assert found.baseline is None
    assert found.left_out[0].filter is None
    assert "no denoising" not in found.reason
    assert "none,,," in found.to_csv().splitlines()[-1]


def test_nothing_left_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(*_: Any) -> list[StudyRow]:
        raise NoValleyError("the histogram has no valley")

    monkeypatch.setattr(verb, "_rows", rows)
    values = np.arange(144, dtype=np.uint8).reshape(12, 12)
    with pytest.raises(DataError, match="nothing could be tried: the histogram has no valley"):
        study(values, 3, methods=["median:1"], truth=np.zeros((12, 12), np.uint8))
