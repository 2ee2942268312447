"""The figures: pictures and charts on pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.phase_colors import phase_colors
from klevels.errors import DataError, ParameterError
from klevels.figures.charts import draw_histogram, draw_legend, draw_path, legend_height
from klevels.figures.layout import COLUMN_WIDTH, PAGE_WIDTH, Page, inset, page_of_pictures, page_of_strips, write_letter
from klevels.figures.pictures import draw_gray, draw_phases
from klevels.figures.planes import Plane, as_image, gray_limits, gray_values, planes_of
from klevels.figures.style import styled
from klevels.image import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from klevels.core.histogram import Histogram
    from klevels.core.levels import Levels

CHART_HEIGHT = 2.4  # inches
PATH_HEIGHT = 3.0


def compare(image: Image | NDArray[Any], labels: Image | NDArray[Any], levels: Levels) -> Figure:
    """Draw an image beside its segmentation, each voxel painted its center's gray, on one gray scale.

    Parameters
    ----------
    image : Image or ndarray
        Gray values, with axes "yx" or "zyx".
    labels : Image or ndarray
        Its labels, of the same shape; the largest value of their dtype marks voxels that are ignored.
    levels : Levels
        What the labels stand for.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide. Of a volume, the planes in the middle of z, y and x.

    Raises
    ------
    ParameterError
        If `image` is not a gray image of two or three axes.
    DataError
        If `labels` do not fit `image` or `levels`.
    MissingDependencyError
        If matplotlib is not installed.

    Notes
    -----
    Percentiles of the image are black and white, so that a few outliers do not darken the rest. Large images are
    thinned to at most 2048 pixels a side; nothing is averaged. Voxels that are masked, NaN or ignored are pale blue.
    """
    scan = as_image(image)
    planes, classes = planes_of(scan), _class_planes(labels, scan, levels)
    with styled():
        page = page_of_pictures(scan, planes, ("original", "segmentation"), width=PAGE_WIDTH)
        limits = _draw_original(page.pictures[0], planes)
        painted = np.append(np.asarray(levels.centers, np.float64), np.nan)  # class -1 is the last
        for axes, plane in zip(page.pictures[1], classes, strict=True):
            draw_gray(axes, painted[plane.values], plane.size, limits)
        return page.figure


def phases(labels: Image | NDArray[Any], levels: Levels) -> Figure:
    """Draw a segmentation in the colors of its phases, with a legend of their fractions.

    Parameters
    ----------
    labels : Image or ndarray
        Labels, with axes "yx" or "zyx"; the largest value of their dtype marks voxels that are ignored.
    levels : Levels
        What the labels stand for.

    Returns
    -------
    matplotlib.figure.Figure
        4.8 inches wide; for a volume 7.2, with the planes in the middle of z, y and x. The noise is blue, the other
        phases run from brown to pale yellow as they brighten, and ignored voxels are pale blue.

    Raises
    ------
    ParameterError
        If `labels` do not have two or three axes.
    DataError
        If `labels` do not fit `levels`.
    MissingDependencyError
        If matplotlib is not installed.
    """
    scan = as_image(labels)
    classes = _class_planes(scan, scan, levels)
    width = PAGE_WIDTH if len(classes) > 1 else COLUMN_WIDTH
    with styled():
        page = page_of_pictures(scan, classes, ("",), width=width, strips=(_legend_strip(classes, levels, width),))
        _draw_segmentation(page, page.pictures[0], classes, levels)
        return page.figure


def histogram(histogram: Histogram, levels: Levels | None = None, *, log: bool = True) -> Figure:
    """Draw a histogram, with noise, thresholds and centers.

    Parameters
    ----------
    histogram : Histogram
        Rebinned to at most 256 bins of equal width; each count lands in one of them.
    levels : Levels, optional
        Its noise is shaded blue, its thresholds are dashed lines, its centers triangles in the colors of the phases.
    log : bool
        Whether the counts are on a logarithmic scale.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    with styled():
        page = page_of_strips((CHART_HEIGHT,), width=PAGE_WIDTH)
        _draw_chart(page.strips[0], histogram, levels, log=log)
        return page.figure


def path(k: ArrayLike, inertia: ArrayLike, explained_variance: ArrayLike) -> Figure:
    """Draw how inertia falls and explained variance rises with the number of classes.

    Parameters
    ----------
    k : array_like of int, shape (n,)
        Numbers of classes.
    inertia : array_like, shape (n,)
        In squared gray values; drawn on a logarithmic scale, which leaves out an inertia of 0.
    explained_variance : array_like, shape (n,)
        From 0 to 1.

    Returns
    -------
    matplotlib.figure.Figure
        4.8 inches wide.

    Raises
    ------
    ParameterError
        If the three are not of one length, or empty.
    MissingDependencyError
        If matplotlib is not installed.
    """
    numbers = np.asarray(k, np.int64)
    losses, shares = np.asarray(inertia, np.float64), np.asarray(explained_variance, np.float64)
    if not numbers.shape == losses.shape == shares.shape == (numbers.size,) or numbers.size == 0:
        raise ParameterError(
            f"k, inertia and explained_variance have shapes {numbers.shape}, {losses.shape} and {shares.shape}; "
            "give one value of each for every k"
        )
    with styled():
        page = page_of_strips((PATH_HEIGHT,), width=COLUMN_WIDTH)
        inset(page.strips[0], left=0.75, right=0.55, bottom=0.4, top=0.22)
        draw_path(page.strips[0], numbers, losses, shares)
        return page.figure


def sheet(
    image: Image | NDArray[Any], histogram: Histogram, labels: Image | NDArray[Any], levels: Levels, *, log: bool = True
) -> Figure:
    """Draw original, segmentation and histogram on one sheet for a paper.

    Parameters
    ----------
    image : Image or ndarray
        Gray values, with axes "yx" or "zyx".
    histogram : Histogram
        Of the image, or of all the images that `levels` were fitted to.
    labels : Image or ndarray
        Its labels, of the same shape; the largest value of their dtype marks voxels that are ignored.
    levels : Levels
        What the labels stand for.
    log : bool
        Whether the counts are on a logarithmic scale.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide, the width of two journal columns, and at most as high as a page: a the original, b the
        segmentation in the colors of its phases, c the histogram.

    Raises
    ------
    ParameterError
        If `image` is not a gray image of two or three axes.
    DataError
        If `labels` do not fit `image` or `levels`.
    MissingDependencyError
        If matplotlib is not installed.
    """
    scan = as_image(image)
    planes, classes = planes_of(scan), _class_planes(labels, scan, levels)
    with styled():
        strips = (_legend_strip(classes, levels, PAGE_WIDTH), CHART_HEIGHT)
        page = page_of_pictures(scan, planes, ("original", "segmentation"), width=PAGE_WIDTH, strips=strips)
        _draw_original(page.pictures[0], planes)
        _draw_segmentation(page, page.pictures[1], classes, levels)
        _draw_chart(page.strips[1], histogram, levels, log=log)
        for letter, axes in zip("abc", (page.pictures[0][0], page.pictures[1][0], page.strips[1]), strict=True):
            write_letter(axes, letter)
        return page.figure


def _class_planes(labels: Image | NDArray[Any], scan: Image, levels: Levels) -> tuple[Plane, ...]:
    """Cut the labels like the scan; ignored voxels become class -1."""
    data = as_image(labels).data
    if data.shape != scan.shape:
        raise DataError(f"the labels have shape {data.shape}, the image has {scan.shape}; give labels of this image")
    if data.dtype.kind != "u":
        raise DataError(f"the labels are {data.dtype}; give uint8 or uint16, whose largest value means ignored")
    ignored = np.iinfo(data.dtype).max
    n_classes = len(levels.centers)
    planes = []
    for plane in planes_of(scan.with_data(data)):
        values = np.ma.filled(plane.values, ignored).astype(np.int64)
        values[values == ignored] = -1
        if values.max() >= n_classes:
            raise DataError(
                f"the labels hold {values.max()}, the levels have classes 0 to {n_classes - 1}; give a pair"
            )
        planes.append(Plane(plane.name, values, plane.size))
    return tuple(planes)


def _draw_original(row: tuple[Axes, ...], planes: tuple[Plane, ...]) -> tuple[float, float]:
    """Draw gray values; return what is black and what is white."""
    values = [gray_values(plane) for plane in planes]
    limits = gray_limits(values)
    for axes, picture, plane in zip(row, values, planes, strict=True):
        draw_gray(axes, picture, plane.size, limits)
    return limits


def _draw_segmentation(page: Page, row: tuple[Axes, ...], classes: tuple[Plane, ...], levels: Levels) -> None:
    """Draw labels in phase colors, and their legend on the page's first strip."""
    colors = _colors(levels)
    for axes, plane in zip(row, classes, strict=True):
        draw_phases(axes, plane.values, plane.size, colors)
    draw_legend(page.strips[0], levels, colors, ignored=_any_ignored(classes))


def _draw_chart(strip: Axes, histogram: Histogram, levels: Levels | None, *, log: bool) -> None:
    inset(strip, left=0.55, right=0.1, bottom=0.4, top=0.22)
    draw_histogram(strip, histogram, levels, None if levels is None else _colors(levels), log=log)


def _colors(levels: Levels) -> NDArray[np.uint8]:
    return phase_colors(len(levels.centers), noise=levels.noise_threshold is not None)


def _legend_strip(classes: tuple[Plane, ...], levels: Levels, width: float) -> float:
    return legend_height(len(levels.centers), width, ignored=_any_ignored(classes))


def _any_ignored(classes: tuple[Plane, ...]) -> bool:
    return any(bool((plane.values < 0).any()) for plane in classes)
