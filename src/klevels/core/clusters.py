"""k-means on weighted points of any number of coordinates: search on few points, then Lloyd on all."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from klevels.core import _kernels
from klevels.errors import ParameterError

Quality = Literal["fast", "default", "best"]
QUALITIES: tuple[Quality, ...] = ("fast", "default", "best")

PART = 1 << 16
"""Points whose intermediate results are held at a time."""
MOST_PASSES = 10000
"""Lloyd's algorithm ends by itself long before, but nobody has proven so."""
MOST_CROSSED = 4096
"""Merging two solutions takes time that grows with the square of k; beyond this many centers none are merged."""
MOST_SORTED = 100
"""Sorting anew after centers moved ends after once or twice, unless rounding keeps it going."""
MOST_ORDERED = 21
"""With more coordinates than this, points in 63 bits' worth of order are not near each other any more."""


@dataclass(frozen=True, eq=False)
class Clustering:
    """What `cluster` finds."""

    centers: NDArray[np.float64]
    """Shape (k, n_channels): the means of their points."""
    labels: NDArray[np.uint32]
    """Shape (n,): the nearest center of each point, the first of equals."""
    inertia: float
    """The weighted sum of squared distances."""
    n_iter: int
    """Passes of Lloyd's algorithm over all points."""


@dataclass(frozen=True)
class _Effort:
    points: int
    """On the coarse grid, at least."""
    population: int
    generations: int
    tolerance: float
    patience: int
    last_tolerance: float
    """Of Lloyd's algorithm on all points."""


def cluster(
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    grid: NDArray[Any] | None,
    k: int,
    *,
    quality: Quality,
    seed: int,
    threads: int,
    order: Callable[[NDArray[np.float64]], NDArray[np.intp]] | None = None,
    max_iter: int = MOST_PASSES,
) -> Clustering:
    """Find `k` centers of low inertia.

    Parameters
    ----------
    points : ndarray of float64, shape (n, n_channels)
        In an order where neighbors are near each other, see `in_order`. Any order is right, but may be slow.
    weights : ndarray of float64, shape (n,)
        Positive.
    grid : ndarray of int, shape (n, n_channels), or None
        The points as whole numbers in the order of their interleaved bits; None to search on all points.
    k : int
        Number of centers, at most the number of distinct points.
    quality : {"fast", "default", "best"}
        How long to search.
    seed : int
        Of the random numbers: the same seed, the same result.
    threads : int
        How many threads to use; the result is the same for any number.
    order : callable, optional
        Returns the indices that sort centers of shape (k, n_channels).
    max_iter : int
        Passes of Lloyd's algorithm over all points, at most.

    Returns
    -------
    Clustering
        Labels are the nearest centers. Centers are the means of their points, except where `max_iter` ended it, and in
        "fast", which ends when a pass over all points gains less than 1e-4: there, of the points of the pass before.

    Notes
    -----
    Greedy k-means++ [1]_ seeds a small population of solutions, each improved by Lloyd's algorithm. Two solutions are
    crossed by merging their 2k centers pairwise, the cheapest pair first, until k are left [2]_; one child in four
    has fresh seeds as its other parent. The search runs on the coarsest grid that keeps enough points for each center;
    its best solution starts Lloyd on all points.

    References
    ----------
    .. [1] D. Arthur and S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
    .. [2] P. Fränti, "Genetic algorithm with deterministic crossover for vector quantization", Pattern Recognition
       Letters 21(1), 2000.
    """
    effort = _effort(quality, k)
    rows, masses = points, weights
    if grid is not None:
        rows, masses = _coarsened(points, weights, grid, effort.points)
    start = _kernels.find_centers(
        rows, masses, k, seed, effort.population, effort.generations, effort.tolerance, effort.patience, threads
    )
    if grid is not None and effort.last_tolerance == 0:
        # From a coarse grid it is many passes to where nothing moves: most of them are cheaper halfway.
        middle, masses = _coarsened(points, weights, grid, 4 * len(rows))
        if len(middle) < len(points):
            start = _kernels.refine_centers(middle, masses, start, threads, max_iter)[0]
    start = start if order is None else start[order(start)]
    found = Clustering(*_kernels.refine_centers(points, weights, start, threads, max_iter, effort.last_tolerance))
    if order is None:
        return found
    # Points as near to two centers belong to the first: they may move when centers are sorted, and centers with them.
    for _ in range(MOST_SORTED):
        sorting = order(found.centers)
        if (sorting[1:] > sorting[:-1]).all():
            break
        again = Clustering(
            *_kernels.refine_centers(points, weights, found.centers[sorting], threads, max_iter, effort.last_tolerance)
        )
        found = replace(again, n_iter=found.n_iter + again.n_iter)
    sorting = order(found.centers)
    return replace(found, centers=found.centers[sorting], labels=np.argsort(sorting).astype(np.uint32)[found.labels])


def in_order(points: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.uint64] | None]:
    """Return an order in which points that follow each other lie near each other.

    Parameters
    ----------
    points : ndarray of float64, shape (n, n_channels)
        Finite.

    Returns
    -------
    order : ndarray of int, shape (n,)
        The points in the order of the interleaved bits of their coordinates.
    grid : ndarray of uint64, shape (n, n_channels), or None
        In that order, the coordinates as whole numbers, as `cluster` takes them. None for many coordinates.
    """
    n_channels = points.shape[1]
    if n_channels > MOST_ORDERED:
        return np.arange(len(points)), None
    n_bits = min(16, 63 // n_channels)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max()) or 1.0
    grid = ((points - low) * ((2**n_bits - 1) / extent)).astype(np.uint64)
    keys = np.zeros(len(points), np.uint64)
    for bit in range(n_bits):
        for channel in range(n_channels):
            place = bit * n_channels + n_channels - 1 - channel
            keys |= ((grid[:, channel] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    order = np.argsort(keys, kind="stable")
    return order, grid[order]


def inertia_about_mean(points: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the weighted sum of squared distances to the weighted mean.

    Parameters
    ----------
    points : ndarray of float64, shape (n, n_channels)
        Coordinates.
    weights : ndarray of float64, shape (n,)
        Of each point.

    Returns
    -------
    float
        The inertia of a single cluster.
    """
    parts = [slice(first, first + PART) for first in range(0, len(points), PART)]
    mean = sum((points[part] * weights[part, None]).sum(axis=0) for part in parts) / weights.sum()
    return float(sum((((points[part] - mean) ** 2).sum(axis=1) * weights[part]).sum() for part in parts))


def check_quality(quality: str) -> Quality:
    """Return the quality, or refuse it.

    Parameters
    ----------
    quality : str
        As given.

    Returns
    -------
    str
        One of `QUALITIES`.

    Raises
    ------
    ParameterError
        If it is none of them.
    """
    for known in QUALITIES:
        if quality == known:
            return known
    raise ParameterError(f"quality is {quality!r}; use {', '.join(QUALITIES)}")


def check_seed(seed: SupportsIndex) -> int:
    """Return the seed as an int.

    Parameters
    ----------
    seed : int
        As given.

    Returns
    -------
    int
        From 0 to 2**64 - 1.

    Raises
    ------
    ParameterError
        If it is anything else.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if isinstance(seed, bool) or not 0 <= number < 2**64:
        raise ParameterError(f"random_state is {seed!r}; give an integer from 0 to 2**64 - 1")
    return number


def _effort(quality: Quality, k: int) -> _Effort:
    crossed = 1 < k <= MOST_CROSSED
    if quality == "fast":
        return _Effort(min(256 * k, max(1 << 13, 32 * k)), max(1, min(8, 128 // k)), 0, 1e-3, 1, 1e-4)
    if quality == "default":
        population = max(4, min(16, 256 // k)) if crossed else 1
        # Sixteen solutions find the same again if it is the best; eight settle sooner on less.
        patience = 2 if population < 16 and k <= 64 else 1
        generations = 8 if k <= 64 else 4
        return _Effort(
            min(512 * k, max(1 << 14, 64 * k)), population, generations if crossed else 0, 1e-3, patience, 0.0
        )
    return _Effort(max(1 << 17, 512 * k), 16 if crossed else 1, 60 if crossed else 0, 1e-4, 4, 0.0)


def _coarsened(
    points: NDArray[np.float64], weights: NDArray[np.float64], grid: NDArray[Any], at_least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pool the points of each cell of the coarsest grid that has at least so many cells; each cell becomes its mean."""
    steps = (grid[1:] ^ grid[:-1]).T
    differing = functools.reduce(np.bitwise_or, steps).astype(np.uint64)
    # A cell of 2^s steps a side ends where neighbors differ in bit s or above.
    levels = np.frexp(differing.astype(np.float64))[1]
    n_cells = 1 + np.cumsum(np.bincount(levels, minlength=2)[::-1])[::-1]
    enough = np.flatnonzero(n_cells[1:] >= at_least)
    if enough.size == 0 or enough[-1] == 0:
        return points, weights
    first = np.flatnonzero(np.concatenate([[True], levels > enough[-1]]))
    masses = np.add.reduceat(weights, first)
    means = [np.add.reduceat(channel * weights, first) / masses for channel in points.T]
    return np.stack(means, axis=1), masses
