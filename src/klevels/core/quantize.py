"""The palette that suits a table of colors best."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.brightness import dark_to_bright, white_of
from klevels.core.clusters import Quality, check_quality, check_seed, cluster, inertia_about_mean
from klevels.core.colors import ColorTable
from klevels.core.fit import check_k, fit_levels
from klevels.core.grid import HUGE
from klevels.core.histogram import Histogram
from klevels.core.palette import Palette
from klevels.core.spaces import SPACES, Space, from_space, to_space
from klevels.core.voxels import count_threads
from klevels.errors import DataError, DataTypeError, ParameterError, TooFewLevelsError


def fit_palette(
    table: ColorTable,
    k: int,
    *,
    space: Space = "rgb",
    quality: Quality = "default",
    normalize: bool = False,
    random_state: int = 0,
    threads: int | None = None,
) -> Palette:
    """Find `k` colors of low squared error.

    Parameters
    ----------
    table : ColorTable
        n distinct colors with their counts; of several images, if they shall share the palette.
    k : int
        Number of colors, 1 <= k <= n.
    space : {"rgb", "linear", "lab", "oklab"}
        Where distances are measured, and centers are means. "rgb": the stored values, for any number of channels.
    quality : {"fast", "default", "best"}
        How long to search. On photographs "fast" is mostly within 1 %, seldom beyond 4 %, of the best palettes known,
        "default" within 0.5 %, and "best" at or below them; it takes seconds, and for hundreds of colors many.
    normalize : bool
        Divide each channel by its standard deviation first, so that channels of different ranges weigh alike. Only in
        the space "rgb".
    random_state : int
        The same number gives the same palette, to the bit.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    Palette
        Sorted dark to bright by luminance (by the mean of the channels, unless there are three).

    Raises
    ------
    ParameterError
        If an argument is out of its range.
    DataError
        If the colors are too far apart for sums of squares.
    TooFewLevelsError
        If `k` exceeds the number of distinct colors.

    Notes
    -----
    k-means with seeding by greedy k-means++, a population of solutions that are crossed, and Lloyd's algorithm until no
    center moves: see `klevels.core.clusters.cluster`. Finding the optimum for more than one channel is NP-hard, so this
    is no exact method, unlike `fit_levels`. A table of one channel, or of grays only in "rgb", is fitted exactly.

    Examples
    --------
    >>> fit_palette(ColorTable.of([[0, 0, 0], [10, 0, 0], [255, 255, 255]]), k=2).colors
    array([[  5.,   0.,   0.],
           [255., 255., 255.]])
    """
    if not isinstance(table, ColorTable):
        raise DataTypeError(f"the table is a {type(table).__name__}; count the image first, with count_colors")
    k, quality, seed, n_threads = check_k(k), check_quality(quality), check_seed(random_state), count_threads(threads)
    if space not in SPACES or (space != "rgb" and table.n_channels != 3):
        raise ParameterError(
            f"space is {space!r}, and the image has {table.n_channels} channels; use {', '.join(SPACES)}, "
            f"and rgb for all but three channels"
        )
    if normalize and space != "rgb":
        raise ParameterError(f"normalize divides stored values, but space is {space!r}; use rgb with it")
    if k > table.n_colors:
        raise TooFewLevelsError(
            f"k is {k}, but the number of distinct colors is {table.n_colors}; give k <= {table.n_colors}"
        )
    white = white_of(table.dtype)
    colors = table.colors
    if space == "rgb" and not normalize and (colors == colors[:, :1]).all():
        return _exact(table, colors, k, white, n_threads)
    weights = table.counts.astype(np.float64)
    scale = _spread(colors, weights) if normalize else None
    stored = colors if space == "rgb" else to_space(colors, space, white)
    points = stored if scale is None else stored / scale
    if not np.abs(points).max() < HUGE:
        raise DataError(f"colors reach {np.abs(colors).max():g}, too far for sums of squares; scale the image first")

    def order(centers: NDArray[np.float64]) -> NDArray[np.intp]:
        in_units = from_space(centers, space, white) if scale is None else centers * scale
        return dark_to_bright(in_units, white, scale)

    found = cluster(points, weights, table.bins, k, quality=quality, seed=seed, threads=n_threads, order=order)
    within = table.scatter_in(space, scale)
    is_stored = space == "rgb" and scale is None and table.tells_all
    total = _exact_total(table) if is_stored and table.n_pixels < 2**26 else inertia_about_mean(points, weights)
    return Palette(
        found.centers,
        table.counts_of(found.labels, k),
        inertia=found.inertia + within,
        total_inertia=total + within,
        space=space,
        white=white,
        scale=None if scale is None else tuple(scale.tolist()),
    )


def _exact(table: ColorTable, colors: NDArray[np.float64], k: int, white: float, n_threads: int) -> Palette:
    """Fit colors that lie on the line of grays, where the optimum can be found."""
    values: NDArray[Any] = colors[:, 0]
    if table.tells_all:
        values = values.astype(table.dtype)
    levels = fit_levels(Histogram.of(values, table.counts), k, threads=n_threads)
    within = table.scatter
    return Palette(
        np.repeat(levels.centers[:, None], table.n_channels, axis=1),
        levels.counts,
        inertia=levels.inertia * table.n_channels + within,
        total_inertia=levels.total_inertia * table.n_channels + within,
        white=white,
    )


def _exact_total(table: ColorTable) -> float:
    """Return the inertia about the mean in whole numbers, which fit 64 bits: fewer than 2**26 pixels of 16 bits."""
    weighted = [(channel, channel * table.counts) for channel in table.bins.T.astype(np.int64)]
    sums = [int(products.sum()) for _, products in weighted]
    squares = [int(products @ channel) for channel, products in weighted]
    n = table.n_pixels
    return float(sum(n * q - s * s for s, q in zip(sums, squares, strict=True)) / n)


def _spread(colors: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of each channel, 1 where it is constant."""
    away = colors - colors[0]  # so that a constant channel is 0, and not what rounding leaves
    mean = (away * weights[:, None]).sum(axis=0) / weights.sum()
    spread = np.sqrt((((away - mean) ** 2) * weights[:, None]).sum(axis=0) / weights.sum())
    return np.where(away.any(axis=0), spread, 1.0)
