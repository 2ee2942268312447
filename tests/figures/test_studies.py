"""The figure of a study."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.pages import assert_nothing_is_cut_off_or_overlaps
from klevels import figures
from klevels.image import Image
from klevels.samples import simulate_phases
from klevels.studying import Study, study
from klevels.studying.table import Study as Table

METHODS = ["diffusion", "nlm:2000", "median"]


@pytest.fixture(scope="module")
def found() -> Study:
    scan = simulate_phases((20, 48, 40), noise=5000, length=6, seed=1)
    return study(scan.image, 3, methods=METHODS, truth=scan.truth)


@pytest.fixture(scope="module")
def page(found: Study) -> Figure:
    return figures.study(found)


def titled(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def drawn(axes: Axes) -> Any:
    return np.asarray(axes.images[0].get_array())


def test_nothing_is_cut_off_or_overlaps(page: Figure) -> None:
    assert_nothing_is_cut_off_or_overlaps(page)
    assert page.get_size_inches()[0] == pytest.approx(7.2)


def test_the_middle_slice_is_shown_with_labels_and_truth(found: Study, page: Figure) -> None:
    pictures = titled(page)
    assert set(pictures) >= {"scan", "denoised", "labels of scan", "recommended", "truth"}
    middle = found.shape[0] // 2
    assert np.array_equal(drawn(pictures["scan"]), found.image.data[middle])
    labels = found.segmentation(found.recommended).labels.data[middle]
    colors = drawn(pictures["recommended"])
    for i, j in np.ndindex(3, 3):
        same = (labels == i)[..., None] * (found.truth.data[middle] == j)[..., None]
        both = np.where(same, colors, 0).reshape(-1, 3), np.where(same, drawn(pictures["truth"]), 0).reshape(-1, 3)
        assert np.array_equal(*both) == (i == j or not same.any())


def test_every_filter_has_a_histogram_and_every_row_its_dots(found: Study, page: Figure) -> None:
    names = [title.splitlines()[0] for title in titled(page) if "valley" in title]
    assert [name.partition(":")[0] for name in names] == ["no denoising", "diffusion", "nlm", "median"]
    panels = [axes for axes in page.axes if axes.get_xlabel()]
    assert [axes.get_xlabel().partition(" ")[0] for axes in panels] == ["misclassified", "edges", "separation", "time"]
    lines = [str(row.filter or "no denoising") for row in found.rows if row.smooth is None]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == lines
    alone, smoothed = (np.asarray(panels[0].lines[i].get_xdata(), np.float64) for i in range(2))
    assert alone.tolist() == [100 * row.misclassified for row in found.rows if row.smooth is None]
    assert smoothed.tolist() == [100 * row.misclassified for row in found.rows if row.smooth is not None]


def test_it_says_what_is_recommended(found: Study, page: Figure) -> None:
    said = " ".join(text.get_text() for axes in page.axes for text in axes.texts).replace("\n", " ")
    assert f"Recommended: {found.reason}." in said
    assert found.about in said


@pytest.mark.parametrize("name", ["one", "plain", "flat", "large", "uint8", "float32"])
def test_it_is_drawn_whatever_is_studied(name: str) -> None:
    scan = simulate_phases((150, 180), noise=3000, length=6, seed=1)
    values: Any = scan.image.data
    truth, methods = scan.truth.data, ["median:1"]
    if name == "one":
        methods = []
    elif name == "flat":
        values, truth = (one[60:70] for one in (values, truth))
    elif name == "plain":
        values = (truth * 50).astype(np.uint8)
    elif name == "uint8":
        values = (values // 256).astype(np.uint8)
    elif name == "float32":
        values = values.astype(np.float32) * 1e-6
        values[0, :9] = np.nan
    spacing = None if name == "large" else (0.02, 0.01)
    image = Image(values, "yx", spacing, "mm" if spacing else None)
    found = study(image, 3, methods=methods, truth=truth if name != "large" else None, nan="ignore")
    assert_nothing_is_cut_off_or_overlaps(figures.study(found))


def test_a_study_without_a_baseline_is_drawn(found: Study) -> None:
    fields = {name: getattr(found, name) for name in Table.__dataclass_fields__}
    rows = tuple(row for row in found.rows if row.filter is not None)
    less = Study(**{**fields, "rows": rows})
    assert less.baseline is None
    page = figures.study(less)
    assert_nothing_is_cut_off_or_overlaps(page)
    assert "labels of scan" not in titled(page)


def test_what_is_infinite_is_left_out_of_its_panel() -> None:
    values = np.repeat([[10] * 30, [20] * 30, [40] * 30], 10, axis=0).astype(np.uint8)
    found = study(values, 3, methods=["median:1"])
    assert found.rows[0].separation == math.inf
    assert_nothing_is_cut_off_or_overlaps(figures.study(found))


@pytest.mark.parametrize(("fastest", "slowest"), [(1e-5, 2e-3), (2.16e-4, 5.68e-2), (0.02, 0.3)])
def test_times_of_any_length_can_be_read(fastest: float, slowest: float) -> None:
    values = np.repeat([[10] * 30, [20] * 30, [40] * 30], 10, axis=0).astype(np.uint8)
    found = study(values, 3, methods=["median:1"])
    times = np.geomspace(fastest, slowest, len(found.rows)).tolist()
    rows = tuple(replace(row, seconds=one) for row, one in zip(found.rows, times, strict=True))
    assert_nothing_is_cut_off_or_overlaps(figures.study(replace(found, rows=rows)))
