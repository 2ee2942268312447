"""The figures of a report, each as the bytes of a picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.levels import Levels
from klevels.core.measures import Measures
from klevels.core.palette import Palette
from klevels.core.phase_colors import phase_colors
from klevels.figures.charts import thin
from klevels.figures.colors import hex_color
from klevels.figures.files import UNDATED
from klevels.figures.layout import PAGE_WIDTH, page_of_pictures
from klevels.figures.pictures import draw_gray, draw_phases, draw_photo
from klevels.figures.planes import Plane, gray_limits, gray_values, planes_of, thinned
from klevels.figures.style import LINE, TEXT, styled
from klevels.image import Image
from klevels.pipeline import UNDECIDED_COLOR
from klevels.sources import color_channels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 200
TYPES = {"png": "image/png", "svg": "image/svg+xml"}
PANEL_HEIGHT = 1.5  # inches
MOST_LINES = 16
"""More phases are not told apart by the colors of lines."""


@dataclass(frozen=True)
class Drawing:
    """A figure, or a picture.

    Parameters
    ----------
    name : str
        What it is called on the page, such as "planes".
    caption : str
        What it shows.
    kind : {"png", "svg"}
        What the bytes are.
    content : bytes
        The file.
    """

    name: str
    caption: str
    kind: str
    content: bytes

    @property
    def uri(self) -> str:
        """The picture as an address that holds it."""
        return f"data:{TYPES[self.kind]};base64,{base64.b64encode(self.content).decode('ascii')}"


def drawing(name: str, caption: str, figure: Figure, kind: str) -> Drawing:
    """Return a figure as a drawing.

    Parameters
    ----------
    name, caption : str
        Of the drawing.
    figure : matplotlib.figure.Figure
        Any figure.
    kind : {"png", "svg"}
        How it is written.

    Returns
    -------
    Drawing
        The same bytes every time.
    """
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=UNDATED[kind])
    return Drawing(name, caption, kind, buffer.getvalue())


def picture(name: str, caption: str, pixels: NDArray[Any]) -> Drawing:
    """Return pixels as a drawing.

    Parameters
    ----------
    name, caption : str
        Of the drawing.
    pixels : ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.

    Returns
    -------
    Drawing
        A PNG.
    """
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return Drawing(name, caption, "png", buffer.getvalue())


def planes(labels: Image, source: Image | None, numbers: Sequence[int], colors: NDArray[np.uint8]) -> Figure:
    """Draw an image and its labels: of a volume, the planes in the middle of z, y and x.

    Parameters
    ----------
    labels : Image
        Whole numbers, with axes "yx" or "zyx", in memory or not.
    source : Image or None
        What was segmented, with channels or without; None where it is unknown.
    numbers : sequence of int
        The labels that are phases; all others are drawn as left out.
    colors : ndarray of uint8, shape (n, 3)
        Red, green, blue of each of `numbers`.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide.
    """
    classes = [replace(plane, values=_places(plane.values, numbers)) for plane in _read(planes_of(labels))]
    names = ("labels",) if source is None else ("before", "after")
    with styled():
        page = page_of_pictures(labels, tuple(classes), names, width=PAGE_WIDTH)
        if source is not None:
            _draw_source(page.pictures[0], source)
        for axes, plane in zip(page.pictures[-1], classes, strict=True):
            draw_phases(axes, plane.values, plane.size, colors)
        return page.figure


def profiles(measures: Measures, colors: NDArray[np.uint8]) -> Figure:
    """Draw how fractions, and gray values where these are known, change along the axes and the radius.

    Parameters
    ----------
    measures : Measures
        With profiles.
    colors : ndarray of uint8, shape (n_phases, 3)
        Red, green, blue of each phase.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    numbers = measures.phases["phase"].tolist()
    columns = ["fraction"]
    if any("mean" in table.columns for table in measures.profiles.values()):
        columns.append("mean")
    names = {"fraction": "fraction (%)", "mean": f"mean gray value{_in(measures.gray_unit)}"}
    with styled():
        figure = Figure(figsize=(PAGE_WIDTH, 0.35 + (PANEL_HEIGHT + 0.15) * len(columns)), layout="constrained")
        grid = figure.subplots(len(columns), len(measures.profiles), sharey="row", sharex="col", squeeze=False)
        for row, column in zip(grid, columns, strict=True):
            row[0].set_ylabel(names[column])
            for axes, table in zip(row, measures.profiles.values(), strict=True):
                if column not in table.columns:
                    continue
                values = table[column].reshape(-1, len(numbers)).astype(np.float64)
                places = table["position"].reshape(-1, len(numbers))[:, 0]
                _draw_lines(axes, places, values * (100 if column == "fraction" else 1), colors)
        for axes, (name, table) in zip(grid[-1], measures.profiles.items(), strict=True):
            axes.set_xlabel(f"{name}{_in(table.units.get('position'))}")
        if len(numbers) <= MOST_LINES:
            handles = [
                Patch(facecolor=hex_color(color), edgecolor="black", linewidth=LINE / 2, label=f"phase {number}")
                for number, color in zip(numbers, colors, strict=True)
            ]
            figure.legend(handles=handles, loc="outside upper center", ncols=min(8, len(handles)), frameon=False)
        return figure


def phase_colors_of(numbers: Sequence[int], model: Levels | Palette | None) -> NDArray[np.uint8]:
    """Return the color of each phase, as figures and files of labels have it.

    Parameters
    ----------
    numbers : sequence of int
        The labels that are phases.
    model : Levels, Palette or None
        The classes, where they are known.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
        Red, green, blue.
    """
    found = phase_colors(len(numbers), noise=False)
    if model is None:
        return found
    noise = isinstance(model, Levels) and model.noise_threshold is not None
    known = [*phase_colors(model.n_classes, noise=noise).tolist(), UNDECIDED_COLOR]
    for i, number in enumerate(numbers):
        if number < len(known):
            found[i] = known[number]
    return found


def _read(cut: Sequence[Plane]) -> list[Plane]:
    return [replace(plane, values=np.ma.getdata(plane.values)) for plane in cut]


def _places(values: NDArray[Any], numbers: Sequence[int]) -> NDArray[np.int64]:
    """Return which of the phases each voxel is of; -1 for none."""
    sought = np.asarray(numbers, np.int64)
    found = np.searchsorted(sought, values).astype(np.int64)
    found[found == len(sought)] = 0
    return np.where(sought[found] == values, found, -1)


def _draw_source(row: Sequence[Axes], source: Image) -> None:
    if "c" not in source.axes:
        cut = planes_of(source)
        values = [gray_values(plane) for plane in cut]
        limits = gray_limits(values)
        for axes, shades, plane in zip(row, values, cut, strict=True):
            draw_gray(axes, shades, plane.size, limits)
        return
    colored = _color_planes(source)
    is_photo = colored[0].values.shape[-1] == 3 and colored[0].values.dtype == np.uint8
    if is_photo:
        for axes, plane in zip(row, colored, strict=True):
            draw_photo(axes, plane.values, plane.size, smooth=True)
        return
    firsts = [gray_values(replace(plane, values=plane.values[..., 0])) for plane in colored]
    limits = gray_limits(firsts)
    for axes, shades, plane in zip(row, firsts, colored, strict=True):
        draw_gray(axes, shades, plane.size, limits)


def _color_planes(source: Image) -> list[Plane]:
    """Cut an image with channels as `planes_of` cuts one without."""
    data, shape = color_channels(source), source.shape[:-1]
    steps = source.spacing or (1.0,) * len(shape)
    across: list[int | None] = [None]
    if len(shape) == 3:
        across = [axis for axis in range(3) if all(shape[other] > 1 for other in range(3) if other != axis)] or [0]
    found = []
    for axis in across:
        index = tuple(shape[i] // 2 if i == axis else thinned(side) for i, side in enumerate(shape))
        height, width = (side * step for i, (side, step) in enumerate(zip(shape, steps, strict=True)) if i != axis)
        found.append(Plane("", np.ma.getdata(np.asanyarray(data[index])), (height, width)))
    return found


def _draw_lines(
    axes: Axes, places: NDArray[np.float64], values: NDArray[np.float64], colors: NDArray[np.uint8]
) -> None:
    from matplotlib.patheffects import Normal, Stroke

    marker = "o" if len(places) == 1 else ""
    for line, color in zip(values.T, colors, strict=True):
        drawn = axes.plot(places, line, color=hex_color(color), linewidth=1.2, marker=marker, markersize=3)
        # The brightest phases are hardly seen on white.
        drawn[0].set_path_effects([Stroke(linewidth=1.2 + 2 * LINE, foreground="0.25"), Normal()])
    axes.margins(x=0.01)
    axes.tick_params(labelsize=TEXT - 1)
    thin(axes)
    axes.spines["right"].set_visible(False)


def _in(unit: str | None) -> str:
    return "" if unit is None else f" ({unit})"
