"""The figure of a study: what denoising does to a scan, to its histogram and to its labels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from klevels.core.levels import Levels
from klevels.core.phase_colors import phase_colors
from klevels.figures.bins import rebin
from klevels.figures.charts import draw_legend, legend_height
from klevels.figures.dots import DOTS_MARGIN, ROW_HEIGHT, draw_dots
from klevels.figures.layout import GAP, PAGE_WIDTH, inset, page_of_pictures, write_letter
from klevels.figures.pictures import draw_gray, draw_phases
from klevels.figures.planes import Plane, gray_limits, gray_values, middle_plane, size_of_plane
from klevels.figures.style import LINE, SMALL, styled
from klevels.image import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from klevels.core.histogram import Histogram
    from klevels.studying import Study, StudyRow

CROP = 128  # pixels a side of the part that is shown: few enough for each to be seen
CHART_HEIGHT = 1.2  # inches
CHART_COLUMNS = 4
LETTERS = 125  # of a line below the charts
LINE_HEIGHT = 0.14
N_BINS = 128
OUTLIERS = 0.001  # of the voxels, at either end of the gray values, that charts leave out


def study(found: Study) -> Figure:
    """Draw a study on one sheet.

    Parameters
    ----------
    found : Study
        As `klevels.study` returns it.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide: a the middle of the scan, as it was measured and denoised as recommended, with its labels, and
        the truth if it was given; b the histogram without denoising, and after each filter at its best strength; c for
        each filter the misclassified voxels, with smoothed labels and without, the edges that are kept, how far the
        classes stand apart, and the time. Below, which row is recommended, and why.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.

    Notes
    -----
    The scan is segmented again, as recommended and without denoising, for the pictures.
    """
    best, rows = found.recommended, best_of_each_method(found)
    names, grays, classes = _pictures(found)
    ignored = any(bool((one.data < 0).any()) for one in classes)
    n_charts = -(-len(rows) // CHART_COLUMNS)
    n_dots = len({str(row.filter) for row in found.rows})
    caption = _caption(found)
    legend = legend_height(best.levels.n_classes, PAGE_WIDTH, ignored=ignored)
    strips = (
        GAP / 2 + legend,
        *[CHART_HEIGHT] * n_charts,
        DOTS_MARGIN + ROW_HEIGHT * n_dots,
        LINE_HEIGHT * (len(caption) + 1),
    )
    with styled():
        size = size_of_plane(grays[0])
        planes = (Plane("", grays[0].data, size),)
        page = page_of_pictures(grays[0], planes, names, width=PAGE_WIDTH, strips=strips)
        _draw_pictures([axes for (axes,) in page.pictures], grays, classes, size, best.levels)
        draw_legend(page.strips[0], best.levels, _colors(best.levels), ignored=ignored)
        charts = [axes for strip in page.strips[1:-2] for axes in _split(strip, CHART_COLUMNS)]
        _draw_charts(charts, rows, found)
        draw_dots(page.strips[-2], found)
        _write(page.strips[-1], caption)
        for letter, axes in zip("ab", (page.pictures[0][0], charts[0]), strict=True):
            write_letter(axes, letter)
        return page.figure


def best_of_each_method(found: Study) -> list[StudyRow]:
    """Return the rows whose histograms are shown.

    Parameters
    ----------
    found : Study
        A study.

    Returns
    -------
    list of StudyRow
        For each filter the one with the fewest misclassified voxels, in the order of the study.
    """
    chosen: dict[str, StudyRow] = {}
    for row in found.rows:
        method = "" if row.filter is None else row.filter.method
        if method not in chosen or row.misclassified < chosen[method].misclassified:
            chosen[method] = row
    return list(chosen.values())


def _pictures(found: Study) -> tuple[list[str], list[Image], list[Image]]:
    """Return what is shown of the scan: the names of all pictures, those of gray values, and those of classes."""
    best, plain = found.recommended, found.baseline
    result = found.segmentation(best)
    names, shown = ["scan"], [found.image]
    if result.denoised is not None:
        names.append("denoised")
        shown.append(result.denoised)
    n_gray = len(shown)
    if plain is not None and plain is not best:
        names.append("labels of scan")
        shown.append(found.segmentation(plain).labels)
    names.append("recommended")
    shown.append(result.labels)
    if found.truth_source == "given":
        names.append("truth")
        shown.append(found.truth)
    parts = [_middle(one) for one in shown]
    n_classes = best.levels.n_classes
    classes = [_as_classes(one, n_classes) for one in parts[n_gray:]]
    return names, parts[:n_gray], classes


def _middle(image: Image) -> Image:
    """Return the middle of the middle plane."""
    plane = middle_plane(image)[0]
    cut = tuple(slice(max(0, (n - CROP) // 2), max(0, (n - CROP) // 2) + CROP) for n in plane.shape)
    return replace(plane, data=np.asarray(plane.data)[cut])


def _as_classes(labels: Image, n_classes: int) -> Image:
    """Return labels as they are drawn: -1 where a voxel is ignored."""
    numbers = labels.data.astype(np.int64)
    return replace(labels, data=np.where(numbers < n_classes, numbers, -1))


def _draw_pictures(
    axes: Sequence[Axes], grays: Sequence[Image], classes: Sequence[Image], size: tuple[float, float], levels: Levels
) -> None:
    values = [gray_values(Plane("", one.data, size)) for one in grays]
    for each, picture in zip(axes, values, strict=False):
        draw_gray(each, picture, size, gray_limits(values[:1]))
    for each, labels in zip(axes[len(grays) :], classes, strict=True):
        draw_phases(each, labels.data, size, _colors(levels))


def _draw_charts(axes: Sequence[Axes], rows: Sequence[StudyRow], found: Study) -> None:
    """Draw histograms, each on that of the scan as it was measured."""
    raw = found.baseline
    edges = _bins((raw or rows[0]).histogram)
    limits = float(edges[0]), float(edges[-1])
    for each, row in zip(axes, rows, strict=False):
        inset(each, left=0.08, right=0.08, bottom=0.22, top=0.32)
        counts = _shares(row.histogram, edges)
        each.stairs(counts, edges, fill=True, color="0.7")
        highest = float(counts.max())
        if raw is not None and row.histogram is not raw.histogram:
            each.stairs(_shares(raw.histogram, edges), edges, color="black", linewidth=LINE)
        each.set(xlim=limits, ylim=(0.0, 1.3 * highest), yticks=[])
        _draw_levels(each, row.levels, limits)
        name = "no denoising" if row.filter is None else str(row.filter)
        each.set_title(f"{name}\nvalley {row.valley:.2f} of peak", fontsize=SMALL, pad=2)
        each.tick_params(width=LINE, labelsize=SMALL - 1)
        each.locator_params(axis="x", nbins=4)
        each.spines[:].set_linewidth(LINE)
        each.spines[["top", "left", "right"]].set_visible(False)
    for each in axes[len(rows) :]:
        each.set_axis_off()


def _draw_levels(axes: Axes, levels: Levels, limits: tuple[float, float]) -> None:
    height = axes.get_xaxis_transform()
    shown = [t for t in levels.thresholds.tolist() if limits[0] < t < limits[1]]
    axes.vlines(shown, 0, 0.84, transform=height, color="black", linewidth=LINE, linestyle=(0, (4, 2)))
    inner = (levels.centers >= limits[0]) & (levels.centers <= limits[1])
    places = levels.centers[inner]
    marks = axes.scatter(
        places, np.full(len(places), 0.92), c=_colors(levels)[inner] / 255, marker="v", transform=height
    )
    marks.set(sizes=[16], edgecolor="black", linewidth=LINE, zorder=3)


def _bins(histogram: Histogram) -> NDArray[np.float64]:
    """Return the edges of the bins that all charts share: most of the scan's gray values, without outliers."""
    grays, counts = histogram.levels, histogram.counts
    ends = np.searchsorted(np.cumsum(counts) / histogram.n_voxels, (OUTLIERS, 1 - OUTLIERS))
    part = slice(int(ends[0]), int(ends[1]) + 1)
    return rebin(grays[part], counts[part], N_BINS)[0]


def _shares(histogram: Histogram, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of voxels in each bin."""
    grays = np.asarray(histogram.levels, np.float64)
    return np.histogram(grays, edges, weights=histogram.counts)[0] / histogram.n_voxels


def _split(strip: Axes, n_columns: int) -> list[Axes]:
    """Divide a strip into axes that stand side by side."""
    box, figure = strip.get_position(), strip.figure
    strip.set_axis_off()
    width = box.width / n_columns
    return [figure.add_axes((box.x0 + i * width, box.y0, width, box.height)) for i in range(n_columns)]


def _caption(found: Study) -> list[str]:
    """Return what is said below: what was studied, and what is recommended."""
    said = [f"Recommended: {found.reason}.", found.about]
    return [line for text in said for line in textwrap.wrap(text, LETTERS)]


def _write(strip: Axes, lines: Sequence[str]) -> None:
    strip.set_axis_off()
    strip.text(0.0, 0.5, "\n".join(lines), fontsize=SMALL, va="center", linespacing=1.3, transform=strip.transAxes)


def _colors(levels: Levels) -> NDArray[np.uint8]:
    return phase_colors(levels.n_classes, noise=levels.noise_threshold is not None)
