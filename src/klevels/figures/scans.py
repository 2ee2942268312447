"""The sheet of a segmentation of several channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.phase_colors import phase_colors
from klevels.errors import ParameterError
from klevels.figures.charts import draw_histogram, draw_legend, legend_height
from klevels.figures.clouds import draw_cloud
from klevels.figures.layout import GAP, PAGE_WIDTH, inset, page_of_pictures
from klevels.figures.photos import original_of
from klevels.figures.pictures import draw_gray, draw_phases, draw_photo
from klevels.figures.planes import Plane, gray_limits, gray_values, middle_plane, size_of_plane, thinned
from klevels.figures.strips import draw_bar
from klevels.figures.style import styled
from klevels.sources import color_channels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from klevels.core.colors import ColorTable
    from klevels.core.palette import Palette
    from klevels.recipe import Segmentation

MOST_CHANNELS = 4  # that are shown
COLUMNS = 3
BAR_HEIGHT = 0.14  # inches
CLOUD_HEIGHT = 3.2
TITLE = 1.35


def channels(result: Segmentation) -> Figure:
    """Draw a segmentation of several channels on one sheet.

    Parameters
    ----------
    result : Segmentation
        Of an image or a volume with channels.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide, and at most as high as a page: the first four channels in gray, or the picture where they are
        8-bit red, green and blue; the labels in the colors of their phases; the fractions; and how the voxels and the
        centers lie in the first two channels. Of a volume, the plane in the middle of z.

    Raises
    ------
    ParameterError
        If the segmentation is of gray values.
    DataError
        If the image is empty.
    MissingDependencyError
        If matplotlib is not installed.

    Notes
    -----
    Percentiles of each channel are black and white, so that a few outliers do not darken the rest. Large images are
    thinned to at most 2048 pixels a side, and not averaged, except for a picture in color. Voxels that are NaN or
    ignored are pale blue.
    """
    model = result.model
    if isinstance(model, Levels) or isinstance(result.histogram, Histogram):
        raise ParameterError("the segmentation is of gray values, without channels; draw it with figures.sheet")
    plane, where = middle_plane(result.source)
    every = tuple(thinned(side) for side in plane.shape[:2])
    values = color_channels(plane)[every]
    size = size_of_plane(plane)
    in_color = result.source.axes == "yxc" and values.shape[-1] == 3 and values.dtype == np.uint8
    shown = ["original"] if in_color else [f"channel {i}" for i in range(min(values.shape[-1], MOST_CHANNELS))]
    labels = middle_plane(result.labels)[0].data[every].astype(np.int64)
    labels[labels == result.ignore] = -1
    ignored = bool((labels < 0).any())
    colors = phase_colors(model.k, noise=False)
    with styled():
        page = page_of_pictures(
            plane,
            (Plane("", values[..., 0], size),),
            [f"{name}, {where}" if where else name for name in (*shown, "labels")],
            width=PAGE_WIDTH,
            strips=(GAP + BAR_HEIGHT + GAP / 4, legend_height(model.k, PAGE_WIDTH, ignored=ignored), CLOUD_HEIGHT),
            columns=COLUMNS,
            title_width=TITLE,
        )
        for i, (axes,) in enumerate(page.pictures[:-1]):
            if in_color:
                draw_photo(axes, original_of(plane), size, smooth=True)
            else:
                grays = gray_values(Plane("", values[..., i], size))
                draw_gray(axes, grays, size, gray_limits([grays]))
        draw_phases(page.pictures[-1][0], labels, size, colors)
        bar, legend, cloud = page.strips
        inset(bar, left=0.0, right=0.0, bottom=GAP / 4, top=GAP)
        draw_bar(bar, model.fractions, colors)
        draw_legend(legend, model, colors, ignored=ignored)
        _draw_values(cloud, model, result.histogram, colors, ("red", "green") if in_color else shown)
        return page.figure


def _draw_values(
    axes: Axes, model: Palette, table: ColorTable, colors: NDArray[np.uint8], names: Sequence[str]
) -> None:
    """Draw the voxels of the first two channels, or the histogram of the only one."""
    if model.n_channels > 1:
        inset(axes, left=0.55, right=0.65, bottom=0.4, top=0.22)
        draw_cloud(axes, table.colors[:, :2], table.counts, model.colors[:, :2], colors)
        axes.set(xlabel=names[0], ylabel=names[1])
    else:
        inset(axes, left=0.55, right=0.1, bottom=0.4, top=0.22)
        draw_histogram(axes, Histogram.of(table.colors[:, 0], table.counts), _levels_of(model), colors, log=True)


def _levels_of(model: Palette) -> Levels:
    """Return the same classes of a single channel: what is nearest to a center lies between two thresholds."""
    centers = model.colors[:, 0]
    return Levels(centers, (centers[1:] + centers[:-1]) / 2, model.counts, model.inertia, model.total_inertia)
