"""A cloud: where the voxels of two channels lie, and the centers among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from klevels.figures.bins import rebin
from klevels.figures.charts import MANY, draw_key, thin
from klevels.figures.strips import inks
from klevels.figures.style import LINE, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUTLIERS = 0.0005  # of the voxels that may lie at either end of an axis, far from the rest
REACH = 0.25  # of the span of the others, within which they are not far
FEWEST_BINS, MOST_BINS = 32, 192
BEYOND = 0.03  # of the span of the values, on each side


def draw_cloud(
    axes: Axes,
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
    centers: NDArray[np.float64],
    colors: NDArray[np.uint8],
) -> None:
    """Draw how many voxels have which values in two channels, on a logarithmic scale, with the centers.

    Parameters
    ----------
    axes : Axes
        Where to draw; the scale of the counts stands on its right.
    values : ndarray of float64, shape (n, 2)
        In image units.
    counts : ndarray of int64, shape (n,)
        How many voxels have them.
    centers : ndarray of float64, shape (n_classes, 2)
        In image units. Up to 16 are numbered.
    colors : ndarray of uint8, shape (n_classes, 3)
        Red, green, blue of each phase.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    edges, cloud = bin_pairs(values, counts, centers)
    grays = ListedColormap(colormaps["Greys"](np.linspace(0.2, 0.9, 256)))
    image = axes.imshow(
        np.ma.masked_equal(cloud.T, 0),
        cmap=grays,
        norm=LogNorm(1, max(10, int(cloud.max()))),
        extent=(edges[0][0], edges[0][-1], edges[1][0], edges[1][-1]),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    numbered = len(centers) <= MANY
    markers = axes.scatter(centers[:, 0], centers[:, 1], c=colors / 255, marker="o")
    markers.set(sizes=[80 if numbered else 12], edgecolor="black", linewidth=LINE, zorder=3)
    if numbered:
        for i, (ink, (x, y)) in enumerate(zip(inks(colors), centers, strict=True)):
            axes.text(x, y, str(i), color=ink, ha="center", va="center_baseline", fontsize=SMALL - 1, zorder=4)
    limits = [(ends[0] - BEYOND * np.ptp(ends), ends[-1] + BEYOND * np.ptp(ends)) for ends in edges]
    axes.set(xlim=limits[0], ylim=limits[1])
    thin(axes)
    axes.spines["right"].set_visible(False)
    scale = axes.inset_axes((1.015, 0.0, 0.012, 1.0))
    axes.figure.colorbar(image, cax=scale, label="voxels")
    scale.tick_params(width=LINE, labelsize=SMALL)
    scale.tick_params(which="minor", width=LINE / 2)
    scale.spines[:].set_linewidth(LINE)
    key = axes.scatter([], [], c="white", marker="o", label="center")
    key.set(sizes=[22], edgecolor="black", linewidth=LINE)
    draw_key(axes, [key])


def bin_pairs(
    values: NDArray[np.float64], counts: NDArray[np.int64], centers: NDArray[np.float64]
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], NDArray[np.int64]]:
    """Gather pairs of values into a grid of bins.

    Parameters
    ----------
    values : ndarray of float64, shape (n, 2)
        In image units.
    counts : ndarray of int64, shape (n,)
        How many voxels have them.
    centers : ndarray of float64, shape (n_classes, 2)
        Where there are voxels on both sides of them, the grid reaches so far.

    Returns
    -------
    edges : tuple of ndarray of float64
        Of the bins of both channels.
    cloud : ndarray of int64, shape (bins of the first, bins of the second)
        All voxels, but for a thousandth in each channel that lie far from the others.
    """
    inside = np.ones(len(counts), np.bool_)
    for channel in (0, 1):
        low, high = _limits(values[:, channel], counts, centers[:, channel])
        inside &= (values[:, channel] >= low) & (values[:, channel] <= high)
    if not inside.any():  # every voxel lies far from the others in one channel or the other
        inside[:] = True
    shown, weights = values[inside], counts[inside]
    n_bins = int(np.clip(2 * float(weights.sum()) ** (1 / 3), FEWEST_BINS, MOST_BINS))
    edges, places = zip(*(_places(shown[:, channel], n_bins) for channel in (0, 1)), strict=True)
    cloud = np.zeros((len(edges[0]) - 1, len(edges[1]) - 1), np.int64)
    np.add.at(cloud, places, weights)
    return (edges[0], edges[1]), cloud


def _limits(
    values: NDArray[np.float64], counts: NDArray[np.int64], centers: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the values between which all but outliers lie, and the centers, if they are of these data."""
    order = np.argsort(values)
    ascending, below = values[order], np.cumsum(counts[order], dtype=np.float64)
    first, last = np.searchsorted(below, [OUTLIERS * below[-1], (1 - OUTLIERS) * below[-1]]).tolist()
    reach = REACH * (ascending[last] - ascending[first])
    low, high = ascending[first] - reach, ascending[last] + reach
    before, after = (
        np.searchsorted(ascending, centers.min(), side="right") - 1,
        np.searchsorted(ascending, centers.max()),
    )
    low = min(low, ascending[max(before, 0)])
    high = max(high, ascending[min(after, len(values) - 1)])
    return float(low), float(high)


def _places(values: NDArray[np.float64], n_bins: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    levels = np.unique(values)
    edges, _ = rebin(levels, np.ones(len(levels), np.int64), n_bins)
    return edges, np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
