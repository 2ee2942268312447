"""Charts: the histogram, the path of inertia and the legend of phases, drawn on axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.levels import Levels
from klevels.core.phase_colors import NOISE
from klevels.figures.bins import rebin
from klevels.figures.colors import IGNORED, hex_color
from klevels.figures.style import LINE, SMALL, size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from klevels.core.histogram import Histogram
    from klevels.core.palette import Palette

VARIANCE = "#b34700"  # far in lightness and hue from black, for every kind of color vision
MANY = 16  # phases, beyond which lines and markers are finer
ENTRY_WIDTH = 1.15  # inches, of a legend entry
ENTRY_HEIGHT = 0.16
MOST = 96  # phases that a legend names one by one
LEAST = 0.7  # where the logarithmic scale of counts begins, so that a single voxel is seen
HEADROOM = 0.12  # of the height, above the bars, for the centers


def draw_histogram(
    axes: Axes, histogram: Histogram, levels: Levels | None, colors: NDArray[np.uint8] | None, *, log: bool
) -> None:
    """Draw a histogram with the noise, the thresholds and the centers.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    histogram : Histogram
        Rebinned to at most 256 bins.
    levels : Levels, optional
        Without it, only the histogram is drawn.
    colors : ndarray of uint8, shape (n_classes, 3), optional
        Red, green, blue of each phase's center.
    log : bool
        Whether the counts are on a logarithmic scale.
    """
    from matplotlib.ticker import EngFormatter

    edges, counts = rebin(histogram.levels, histogram.counts)
    axes.stairs(counts, edges, fill=True, color="0.6")
    margin = 0.01 * (edges[-1] - edges[0])
    axes.set(xlim=(edges[0] - margin, edges[-1] + margin), xlabel="gray value", ylabel="voxels")
    highest = float(counts.max())
    if log:
        axes.set_yscale("log")
        axes.set_ylim(LEAST, max(10.0, highest * (highest / LEAST) ** HEADROOM))
    else:
        axes.set_ylim(0.0, highest * (1 + HEADROOM))
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))  # 1.5M: large counts would not fit beside the axis
    thin(axes)
    axes.spines["right"].set_visible(False)
    if levels is not None and colors is not None:
        _draw_levels(axes, levels, colors)


def _draw_levels(axes: Axes, levels: Levels, colors: NDArray[np.uint8]) -> None:
    fine = len(levels.centers) > MANY
    left, right = axes.get_xlim()
    height = axes.get_xaxis_transform()
    handles: list[Any] = []
    if levels.noise_threshold is not None:
        end = min(max(levels.noise_threshold, left), right)
        handles.append(axes.axvspan(left, end, color=hex_color(NOISE), alpha=0.15, linewidth=0, label="noise"))
    if len(levels.thresholds) > 0:
        width = 0.4 if fine else 0.8
        handles.append(
            axes.vlines(
                levels.thresholds,
                0,
                1,
                transform=height,
                color="black",
                linewidth=width,
                linestyle=(0, (4, 2)),
                label="threshold",
            )
        )
    centers = axes.scatter(
        levels.centers, np.full(len(levels.centers), 0.95), c=colors / 255, marker="v", transform=height
    )
    centers.set(sizes=[9 if fine else 22], edgecolor="black", linewidth=LINE / 2 if fine else LINE, zorder=3)
    key = axes.scatter([], [], c="white", marker="v", label="center")
    key.set(sizes=[22], edgecolor="black", linewidth=LINE)
    handles.append(key)
    axes.set_xlim(left, right)
    draw_key(axes, handles)


def draw_path(
    axes: Axes,
    k: NDArray[np.int64],
    inertia: NDArray[np.float64],
    explained_variance: NDArray[np.float64],
) -> None:
    """Draw how inertia falls and explained variance rises with the number of classes.

    Parameters
    ----------
    axes : Axes
        Where to draw the inertia, logarithmic; an inertia of 0 is left out. A second scale stands on the right.
    k : ndarray of int64, shape (n,)
        Numbers of classes.
    inertia : ndarray, shape (n,)
        In squared gray values.
    explained_variance : ndarray, shape (n,)
        From 0 to 1.
    """
    from matplotlib.ticker import MaxNLocator

    other = axes.twinx()
    positive = np.where(inertia > 0, inertia, np.nan)
    inertia_line = axes.plot(k, positive, "o-", color="black", markersize=4, linewidth=1, label="inertia")
    variance_line = other.plot(
        k, 100 * explained_variance, "s--", color=VARIANCE, markersize=3.5, linewidth=1, label="explained variance"
    )
    if np.any(inertia > 0):
        axes.set_yscale("log")
    axes.set(xlabel="number of classes k", ylabel="inertia (squared gray values)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16, min_n_ticks=1))
    other.set_ylabel("explained variance (%)", color=VARIANCE)
    other.set_ylim(-4, 104)
    other.tick_params(axis="y", colors=VARIANCE)
    for each in (axes, other):
        thin(each)
    draw_key(axes, [*inertia_line, *variance_line])


def legend_height(n_classes: int, width: float, *, ignored: bool) -> float:
    """Return how high a legend is, in inches.

    Parameters
    ----------
    n_classes : int
        Number of phases.
    width : float
        Of the strip that it stands in, in inches.
    ignored : bool
        Whether it names the color of ignored voxels, too.

    Returns
    -------
    float
        With a margin above and below.
    """
    n_entries = len(_named(n_classes)) + ignored
    return -(-n_entries // _columns(n_entries, width)) * ENTRY_HEIGHT + 0.12


def draw_legend(axes: Axes, levels: Levels | Palette, colors: NDArray[np.uint8], *, ignored: bool) -> None:
    """Name the phases and their fractions.

    Parameters
    ----------
    axes : Axes
        A strip of `legend_height`, on a figure whose size is settled.
    levels : Levels or Palette
        With the fractions. Of more than 96 phases only some are named.
    colors : ndarray of uint8, shape (n_classes, 3)
        Red, green, blue of each phase.
    ignored : bool
        Whether to name the color of ignored voxels.
    """
    from matplotlib.patches import Patch

    noise = isinstance(levels, Levels) and levels.noise_threshold is not None
    entries: list[tuple[Sequence[int] | NDArray[np.uint8], str]] = [
        (colors[i], f"{i}{' noise' if noise and i == 0 else ''}: {percent(levels.fractions[i])}")
        for i in _named(len(colors))
    ]
    if ignored:
        entries.append((IGNORED, "ignored"))
    axes.set_axis_off()
    axes.legend(
        handles=[
            Patch(facecolor=hex_color(color), edgecolor="black", linewidth=LINE / 2, label=text)
            for color, text in entries
        ],
        loc="center",
        ncols=_columns(len(entries), size_of(axes)[0]),
        frameon=False,
        fontsize=SMALL,
        handlelength=1.2,
        handleheight=1.0,
        columnspacing=1.5,
        borderpad=0,
        borderaxespad=0,
    )


def _named(n_classes: int) -> NDArray[np.int64]:
    """Return the phases that a legend names: all, or six if they are too many."""
    return np.arange(n_classes) if n_classes <= MOST else np.linspace(0, n_classes - 1, 6).astype(np.int64)


def _columns(n_entries: int, width: float) -> int:
    """Return as many columns as fit, or fewer where that fills the rows evenly."""
    most = max(1, int(width / ENTRY_WIDTH))
    n_rows = -(-n_entries // most)
    return -(-n_entries // n_rows)


def percent(share: float) -> str:
    """Write a share in percent.

    Parameters
    ----------
    share : float
        From 0 to 1.

    Returns
    -------
    str
        Such as "12.3 %".

    Examples
    --------
    >>> percent(0.12345), percent(0.0001), percent(0.0)
    ('12.3 %', '< 0.1 %', '0.0 %')
    """
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def thin(axes: Axes) -> None:
    """Draw thin ticks and spines, and none on top.

    Parameters
    ----------
    axes : Axes
        Of a chart.
    """
    axes.tick_params(width=LINE, labelsize=SMALL)
    axes.tick_params(which="minor", width=LINE / 2)
    axes.spines[:].set_linewidth(LINE)
    axes.spines["top"].set_visible(False)


def draw_key(axes: Axes, handles: Sequence[Any]) -> None:
    """Say in one line above the axes what the lines and markers are.

    Parameters
    ----------
    axes : Axes
        Of a chart.
    handles : sequence of Artist
        Each with its label.
    """
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=SMALL,
        borderaxespad=0.1,
        columnspacing=1.2,
    )
