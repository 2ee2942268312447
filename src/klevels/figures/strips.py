"""Palettes: a bar of shares with its labels, and a board of swatches, drawn on axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.spaces import luminance
from klevels.figures.charts import percent
from klevels.figures.style import LINE, SMALL, size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELED = 16  # segments of a bar
LABEL_HEIGHT = 0.42  # inches below a bar: a leader and two lines
LEADER = 0.14
LETTERS = 7  # of a label: "#rrggbb", "12.3 %"
LETTER = 0.72  # of a label's width with a gap, in font sizes
BLACK_FROM = 0.179  # the luminance from which black is easier to read than white, by the contrast of WCAG 2

LARGE_SWATCHES = 32  # so many fill rows of 8, with room for larger labels
MOST_SWATCHES = 256  # with labels


def draw_bar(axes: Axes, shares: NDArray[np.float64], colors: NDArray[np.uint8]) -> None:
    """Draw shares as a bar, one segment for each.

    Parameters
    ----------
    axes : Axes
        Where to draw; from left to right it holds 0 to 1.
    shares : ndarray of float64, shape (n,)
        With a sum of 1.
    colors : ndarray of uint8, shape (n, 3)
        Red, green, blue of each segment.
    """
    ends = np.concatenate(([0.0], np.cumsum(shares)))
    axes.pcolormesh(ends / ends[-1], [0.0, 1.0], colors[None])
    axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0), xticks=[], yticks=[])
    axes.spines[:].set_linewidth(LINE)


def label_bar(axes: Axes, shares: NDArray[np.float64], names: Sequence[str]) -> None:
    """Name the segments of a bar and their shares below it, as near to each as there is room.

    Parameters
    ----------
    axes : Axes
        Of a bar, on a figure whose size is settled, with `LABEL_HEIGHT` below it.
    shares : ndarray of float64, shape (n,)
        At most `MOST_LABELED`.
    names : sequence of str
        Of up to seven letters.
    """
    width, height = size_of(axes)
    size = min(SMALL, 72 * width / (len(names) * LETTERS * LETTER))
    middles = np.cumsum(shares) - shares / 2
    places = spread(middles, LETTERS * LETTER * size / 72 / width)
    for middle, place, share, name in zip(middles, places, shares, names, strict=True):
        axes.plot(
            [middle, middle, place, place],
            np.array([0.0, -0.03, -LEADER + 0.02, -LEADER]) / height,
            color="0.6",
            linewidth=LINE,
            clip_on=False,
            transform=axes.transAxes,
        )
        axes.text(
            place,
            (-LEADER - 0.02) / height,
            f"{name}\n{percent(share)}",
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=size,
            linespacing=1.15,
        )


def spread(wanted: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return the places nearest to those wanted at which labels do not overlap.

    Parameters
    ----------
    wanted : ndarray of float64, shape (n,)
        Ascending, from 0 to 1.
    width : float
        Of a label, at most 1 / n.

    Returns
    -------
    ndarray of float64, shape (n,)
        At least `width` apart, with half of it left at both ends, and the least sum of squared moves.

    Examples
    --------
    >>> spread(np.array([0.5, 0.5, 0.9]), 0.25).tolist()
    [0.375, 0.625, 0.875]
    """
    offsets = width * np.arange(len(wanted))
    pools: list[tuple[float, int]] = []  # neighbors that touch move as one: their mean, and how many they are
    for place in (wanted - offsets).tolist():
        mean, n = place, 1
        while pools and pools[-1][0] > mean:
            other, n_other = pools.pop()
            mean, n = (mean * n + other * n_other) / (n + n_other), n + n_other
        pools.append((mean, n))
    free = np.repeat([mean for mean, _ in pools], [n for _, n in pools])
    return np.asarray(np.clip(free, width / 2, max(width / 2, 1 - width / 2 - offsets[-1])) + offsets)


def board_shape(n_colors: int) -> tuple[int, int]:
    """Return how many rows and columns a board of swatches has.

    Parameters
    ----------
    n_colors : int
        Positive.

    Returns
    -------
    tuple of int
        Rows of up to 8 swatches; up to 16 beyond 32 colors, and square beyond 256.
    """
    most = 8 if n_colors <= LARGE_SWATCHES else 16 if n_colors <= MOST_SWATCHES else math.isqrt(n_colors - 1) + 1
    n_rows = -(-n_colors // most)
    return n_rows, -(-n_colors // n_rows)


def board_height(n_colors: int, width: float) -> float:
    """Return how high a board of swatches is, in inches.

    Parameters
    ----------
    n_colors : int
        Positive.
    width : float
        Of the board, in inches.

    Returns
    -------
    float
        Rows of swatches that hold two lines of text, or square ones where there is no text.
    """
    n_rows, n_columns = board_shape(n_colors)
    if n_colors > MOST_SWATCHES:
        return n_rows * width / n_columns
    return n_rows * (0.62 if n_colors <= LARGE_SWATCHES else 0.42)


def draw_board(axes: Axes, colors: NDArray[np.uint8], names: Sequence[str], shares: NDArray[np.float64] | None) -> None:
    """Draw swatches, row by row, with names and shares in them while there is room.

    Parameters
    ----------
    axes : Axes
        As high as `board_height`, on a figure whose size is settled.
    colors : ndarray of uint8, shape (n, 3)
        Red, green, blue.
    names : sequence of str
        Of up to seven letters.
    shares : ndarray of float64, shape (n,), optional
        Without them, there are names only.
    """
    from matplotlib.collections import PolyCollection

    n_rows, n_columns = board_shape(len(colors))
    width, height = size_of(axes)
    gap = 0.03 if len(colors) <= MOST_SWATCHES else 0.0
    rows, columns = np.divmod(np.arange(len(colors)), n_columns)
    left, right = columns + gap * n_columns / width / 2, columns + 1 - gap * n_columns / width / 2
    top, bottom = rows + gap * n_rows / height / 2, rows + 1 - gap * n_rows / height / 2
    corners = np.stack([[left, top], [right, top], [right, bottom], [left, bottom]]).transpose(2, 0, 1)
    edges = "0.6" if gap else "face"
    axes.add_collection(PolyCollection(list(corners), facecolors=colors / 255, edgecolors=edges, linewidths=LINE / 2))
    axes.set(xlim=(0, n_columns), ylim=(n_rows, 0))
    axes.set_axis_off()
    if len(colors) > MOST_SWATCHES:
        return
    size = SMALL if len(colors) <= LARGE_SWATCHES else SMALL - 1.5
    for i, (name, ink) in enumerate(zip(names, inks(colors), strict=True)):
        text = name if shares is None else f"{name}\n{percent(shares[i])}"
        place = (columns[i] + 0.5, rows[i] + 0.5)
        axes.text(*place, text, color=ink, ha="center", va="center", fontsize=size, linespacing=1.3)


def inks(colors: ArrayLike) -> list[str]:
    """Choose black or white for the text on colors, whichever is easier to read.

    Parameters
    ----------
    colors : array_like, shape (n, 3)
        Red, green, blue from 0 to 255.

    Returns
    -------
    list of str
        Their ratio of contrast, as WCAG 2 measures it, is at least 4.5 on every color.

    Examples
    --------
    >>> inks([[255, 255, 0], [0, 0, 255]])
    ['black', 'white']
    """
    return ["black" if light > BLACK_FROM else "white" for light in luminance(colors, 255.0).tolist()]
