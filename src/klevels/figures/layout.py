"""Pages: where pictures and charts go. All lengths are inches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klevels.figures.pictures import draw_scale_bar
from klevels.figures.planes import Plane
from klevels.figures.style import TEXT, size_of
from klevels.image import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE_WIDTH = 7.2  # two columns of a journal
COLUMN_WIDTH = 4.8
PAGE_HEIGHT = 9.5  # what Letter and A4 leave
MARGIN = 0.06
GAP = 0.12
TITLE_HEIGHT = 0.2
TITLE_WIDTH = 1.0  # of the longest title, with a letter beside it
ROW_LABEL = 0.2
SCALE_BAR = 0.28
WIDE = 2.2  # width over height from which pictures stand one above the other


@dataclass(frozen=True, slots=True)
class Page:
    """A figure and its axes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    pictures : tuple of tuple of Axes
        For each picture the axes of its planes.
    strips : tuple of Axes
        The axes below the pictures, as wide as the page.
    """

    figure: Figure
    pictures: tuple[tuple[Axes, ...], ...]
    strips: tuple[Axes, ...]


def page_of_pictures(
    scan: Image,
    planes: tuple[Plane, ...],
    names: Sequence[str],
    *,
    width: float,
    strips: Sequence[float] = (),
    columns: int | None = None,
    title_width: float = TITLE_WIDTH,
) -> Page:
    """Lay out pictures of the same planes, all on one scale, with titles, a scale bar, and strips below.

    Parameters
    ----------
    scan : Image
        What the planes were cut from.
    planes : tuple of Plane
        Each picture shows them all.
    names : sequence of str
        The name of each picture; an empty one takes no room.
    width : float
        Of the page.
    strips : sequence of float
        The height of each strip.
    columns : int, optional
        How many pictures of a single plane stand side by side at most, all by default; fewer where that fills the rows.
    title_width : float
        Of the longest title.

    Returns
    -------
    Page
        As high as its content. Pictures of a single plane stand side by side unless they are wide; those of a volume
        take a row each. They are as large as the page allows.
    """
    height, length = planes[0].size
    beside = len(planes) == 1 and length < WIDE * height
    n_rows = -(-len(names) // (columns or len(names))) if beside else len(names)
    per_row = -(-len(names) // n_rows)
    row = planes * per_row
    titled = len(planes) > 1 or any(names)
    label = ROW_LABEL if len(planes) > 1 and any(names) else 0.0
    title = TITLE_HEIGHT if titled else 0.0
    bar = 0.0 if scan.spacing is None else SCALE_BAR

    available = width - 2 * MARGIN - label
    fixed = 2 * MARGIN + n_rows * title + bar + sum(strips) + (n_rows - 1) * GAP / 2
    highest = max(plane.size[0] for plane in row)
    scale = min(_across(row, available, title_width), max(PAGE_HEIGHT - fixed, 1.0) / (n_rows * highest))
    figure = _blank(width, fixed + n_rows * scale * highest)

    top = figure.get_size_inches()[1] - MARGIN
    axes: list[Axes] = []
    for _ in range(n_rows):
        top -= title
        left = MARGIN + label + (available - _width(row, scale, title_width)) / 2
        for plane in row[: len(names) * len(planes) - len(axes)]:
            high, wide = (scale * side for side in plane.size)
            slot = max(wide, title_width)
            axes.append(_place(figure, left + (slot - wide) / 2, top - high, wide, high))
            left += slot + GAP
        top -= scale * highest + GAP / 2
    pictures = tuple(tuple(axes[i : i + len(planes)]) for i in range(0, len(axes), len(planes)))

    _write_titles(figure, pictures, planes, names)
    if scan.spacing is not None:
        draw_scale_bar(pictures[(n_rows - 1) * per_row][0], length, scan.unit)
    return Page(figure, pictures, _stack(figure, top + GAP / 2 - bar, strips))


def page_of_strips(strips: Sequence[float], *, width: float) -> Page:
    """Lay out strips, one below the other.

    Parameters
    ----------
    strips : sequence of float
        The height of each strip.
    width : float
        Of the page.

    Returns
    -------
    Page
        Without pictures.
    """
    figure = _blank(width, 2 * MARGIN + sum(strips))
    return Page(figure, (), _stack(figure, MARGIN + sum(strips), strips))


def write_letter(axes: Axes, letter: str) -> None:
    """Write the letter of a panel, above its upper left corner.

    Parameters
    ----------
    axes : Axes
        On a page.
    letter : str
        Such as "a".
    """
    aside = max(0.0, TITLE_WIDTH - size_of(axes)[0]) / 2  # a narrow picture has room on both sides
    axes.annotate(
        letter,
        (0.0, 1.0),
        (-72 * aside, 3.0),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=TEXT,
        fontweight="bold",
    )


def inset(axes: Axes, *, left: float, right: float, bottom: float, top: float) -> None:
    """Shrink axes, to make room for what stands around them.

    Parameters
    ----------
    axes : Axes
        On a page.
    left, right, bottom, top : float
        How much on each side.
    """
    width, height = size_of(axes)
    box = axes.get_position()
    across, up = box.width / width, box.height / height  # of the page, for each inch
    axes.set_position(
        (
            box.x0 + left * across,
            box.y0 + bottom * up,
            box.width - (left + right) * across,
            box.height - (bottom + top) * up,
        )
    )


def _write_titles(
    figure: Figure, pictures: tuple[tuple[Axes, ...], ...], planes: tuple[Plane, ...], names: Sequence[str]
) -> None:
    """Write the names of single pictures above them; those of volumes on the left, and the planes' above."""
    for row, name in zip(pictures, names, strict=True):
        for axes, plane in zip(row, planes, strict=True):
            axes.set_title(plane.name or name, pad=3)
        if len(planes) > 1 and name:
            box = row[0].get_position()
            left = box.x0 - ROW_LABEL / figure.get_size_inches()[0]
            figure.text(left, (box.y0 + box.y1) / 2, name, rotation=90, va="center", fontsize=TEXT)


def _across(row: Sequence[Plane], available: float, title_width: float) -> float:
    """Return the inches per unit that make a row as wide as what is available."""
    widths = sorted(plane.size[1] for plane in row)
    free = available - GAP * (len(row) - 1)
    while len(widths) > 1 and free / sum(widths) * widths[0] < title_width:
        free -= title_width
        widths.pop(0)
    return free / sum(widths)


def _width(row: Sequence[Plane], scale: float, title_width: float) -> float:
    """Return the inches that a row takes: each picture its own, but enough for its title."""
    return sum(max(scale * plane.size[1], title_width) for plane in row) + GAP * (len(row) - 1)


def _stack(figure: Figure, top: float, heights: Sequence[float]) -> tuple[Axes, ...]:
    strips = []
    for height in heights:
        top -= height
        strips.append(_place(figure, MARGIN, top, figure.get_size_inches()[0] - 2 * MARGIN, height))
    return tuple(strips)


def _blank(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def _place(figure: Figure, left: float, bottom: float, across: float, up: float) -> Axes:
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, bottom / height, across / width, up / height))
