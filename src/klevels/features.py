"""Samples of features as scikit-learn's users give them: checked, clustered, and compared with centers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _kernels
from klevels.core.clusters import Quality, check_seed, cluster, in_order
from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.histogram import N_BINS, Histogram
from klevels.core.levels import Levels
from klevels.core.voxels import count_threads
from klevels.errors import DataError, DataTypeError, TooFewLevelsError

ROWS_AT_A_TIME = 1 << 18
"""So many samples are turned to float64 at once, where not all must be."""
SAFE_EXPONENT = 400
"""Numbers from 2**-400 to 2**400 can be squared and added up in float64."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """What `cluster_samples` finds."""

    centers: NDArray[np.float64]
    """Shape (k, n_features), in the order of the labels."""
    inertia: float
    """The weighted sum of squared distances to the nearest centers."""
    n_iter: int
    """Passes of Lloyd's algorithm; 1 where the optimum was found without it."""
    n_distinct: int
    """How many samples or levels differ; where it is less than k, the last center is repeated."""
    levels: Levels | None
    """The classes of one feature, where they are optimal."""


def as_samples(X: ArrayLike) -> NDArray[Any]:
    """Return samples as a table of finite numbers.

    Parameters
    ----------
    X : array_like, shape (n_samples, n_features)
        Real numbers of any dtype.

    Returns
    -------
    ndarray
        Without a copy where the dtype is bool, an integer up to int64, or a float up to float64; else of float64.

    Raises
    ------
    DataError
        If it is empty, complex, no table, or has NaN, infinite or masked values.
    DataTypeError
        If it is sparse, or no numbers.
    """
    if hasattr(X, "toarray"):
        raise DataTypeError("X is sparse, and klevels takes dense arrays only; X.toarray() makes one")
    if np.ma.is_masked(X):
        raise DataError("X has masked values; leave them out")
    table = _as_numbers(X, "X")
    if table.ndim != 2:
        raise DataError(
            f"X has shape {table.shape}, not (n_samples, n_features). "
            f"Reshape your data: x.reshape(-1, 1) makes one feature"
        )
    for n, what in zip(table.shape, ("sample(s)", "feature(s)"), strict=True):
        if n == 0:
            raise DataError(f"X has 0 {what} (shape={table.shape}) while a minimum of 1 is required.")
    if table.dtype.kind == "f" and not all(np.isfinite(table[rows]).all() for rows in _strips(len(table))):
        raise DataError("X has NaN or infinite values; leave them out")
    return table


def as_weights(sample_weight: ArrayLike | None, n_samples: int) -> NDArray[Any] | None:
    """Return the weights of samples.

    Parameters
    ----------
    sample_weight : array_like, shape (n_samples,), or float, or None
        Not negative; a single number is the weight of all.
    n_samples : int
        How many samples there are.

    Returns
    -------
    ndarray or None
        int64 where all are whole numbers, and their sum is below 2**62; else float64. None for equal weights.

    Raises
    ------
    DataError
        If there are more or fewer, one is negative, NaN or infinite, or all are zero.
    DataTypeError
        If they are no numbers.
    """
    if sample_weight is None:
        return None
    weights = _as_numbers(sample_weight, "sample_weight")
    if weights.ndim == 0:
        weights = np.full(n_samples, weights)
    if weights.shape != (n_samples,):
        raise DataError(f"sample_weight has shape {weights.shape}; give one weight for each of {n_samples} samples")
    exact = weights.astype(np.float64)
    if not np.isfinite(exact).all() or (exact < 0).any():
        raise DataError("a sample weight is negative, NaN or infinite; give finite weights of at least 0")
    if not exact.any():
        raise DataError("all sample weights are zero; give at least one sample that counts")
    is_whole = float(exact.max()) * n_samples < 2.0**62 and bool((exact == np.floor(exact)).all())
    return weights.astype(np.int64) if is_whole else exact


def as_seed(random_state: Any) -> int:
    """Return the seed that a random state stands for.

    Parameters
    ----------
    random_state : int, None, numpy.random.RandomState or numpy.random.Generator
        None is 0. From a generator, one number is drawn.

    Returns
    -------
    int
        From 0 to 2**64 - 1.

    Raises
    ------
    ParameterError
        If it is anything else.
    """
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return check_seed(0 if random_state is None else random_state)


def cluster_samples(
    samples: NDArray[Any], weights: NDArray[Any] | None, k: int, *, quality: Quality, seed: int, max_iter: int
) -> Clusters:
    """Find `k` centers of low inertia; of least inertia, where there is one feature and the weights are whole.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_features)
        From `as_samples`.
    weights : ndarray, shape (n_samples,), or None
        From `as_weights`. Samples of zero weight are as good as absent.
    k : int
        Number of clusters, at most the number of samples.
    quality : {"fast", "default", "best"}
        How long to search, see `klevels.core.clusters.cluster`.
    seed : int
        Of the random numbers.
    max_iter : int
        Passes of Lloyd's algorithm after the search, at most.

    Returns
    -------
    Clusters
        The same to the bit for samples in any order, for any number of threads, and for weights or repetition.

    Raises
    ------
    TooFewLevelsError
        If `k` exceeds the number of samples, or of distinct samples of one feature.
    """
    if samples.shape[1] == 1 and (weights is None or weights.dtype.kind == "i"):
        return _optimal(samples[:, 0], weights, k)
    return _searched(samples, weights, k, quality, seed, max_iter)


def nearest_centers(
    samples: NDArray[Any], centers: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the nearest center of each sample, and the squared distance to it.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_features)
        From `as_samples`.
    centers : ndarray of float64, shape (k, n_features)
        In any order.

    Returns
    -------
    labels : ndarray of int32, shape (n_samples,)
        The first of equals.
    distances : ndarray of float64, shape (n_samples,)
        Squared.
    """
    labels, distances = np.empty(len(samples), np.int32), np.empty(len(samples))
    exponent, n_threads = _safe_exponent(samples, centers), count_threads(None)
    scaled = np.ascontiguousarray(np.ldexp(centers, -exponent))
    for rows in _strips(len(samples)):
        labels[rows], distances[rows] = _kernels.label_rows(_scaled(samples[rows], exponent), scaled, n_threads)
    with np.errstate(over="ignore"):
        return labels, np.ldexp(distances, 2 * exponent) if exponent else distances


def distances_to(samples: NDArray[Any], centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each sample to each center.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_features)
        From `as_samples`.
    centers : ndarray of float64, shape (k, n_features)
        In any order.

    Returns
    -------
    ndarray of float64, shape (n_samples, k)
        Euclidean.
    """
    distances = np.empty((len(samples), len(centers)))
    exponent = _safe_exponent(samples, centers)
    scaled = np.ldexp(centers, -exponent)
    for rows in _strips(len(samples)):
        of_strip = _scaled(samples[rows], exponent)
        for j, center in enumerate(scaled):
            distances[rows, j] = np.sqrt(((of_strip - center) ** 2).sum(axis=1))
    with np.errstate(over="ignore"):
        return np.ldexp(distances, exponent) if exponent else distances


def _optimal(values: NDArray[Any], counts: NDArray[np.int64] | None, k: int) -> Clusters:
    counted = histogram(values) if counts is None else Histogram.of(values, counts)
    _check_enough(k, counted.n_levels, "distinct samples")
    levels = fit_levels(counted, k)
    return Clusters(levels.centers.reshape(-1, 1), levels.inertia, 1, counted.n_levels, levels)


def _searched(
    samples: NDArray[Any], weights: NDArray[Any] | None, k: int, quality: Quality, seed: int, max_iter: int
) -> Clusters:
    n_threads, n_samples = count_threads(None), len(samples)
    if samples.dtype == np.uint8 and samples.shape[1] <= 3 and weights is None and n_samples < 2**32:
        samples, weights = _kernels.count_colors(np.ascontiguousarray(samples), None, n_threads)
    masses = np.ones(len(samples)) if weights is None else weights.astype(np.float64)
    # Powers of two scale without an error, and keep sums and squares from over- and underflow.
    mass_exponent = int(np.frexp(masses.max())[1])
    masses = np.ldexp(masses, -mass_exponent)
    held = masses > 0
    points = samples.astype(np.float64, order="C") if held.all() else samples[held].astype(np.float64, order="C")
    # Not the mean: halfway between the extremes is the same for samples in any order, and for weights or repetition.
    origin = points.min(axis=0) / 2 + points.max(axis=0) / 2
    points -= origin
    exponent = int(np.frexp(max(points.max(), -points.min()))[1])
    np.ldexp(points, -exponent, out=points)
    _check_enough(k, n_samples - int((~held).sum()), "samples")
    points, masses, grid = _merged(points, masses[held])
    n_distinct = len(points)
    if samples.shape[1] == 1:
        _check_enough(k, n_distinct, "distinct samples")
        start = fit_levels(Histogram.of(points[:, 0], _as_counts(masses)), k).centers.reshape(-1, 1)
        centers, _, inertia, n_iter = _kernels.refine_centers(points, masses, start, n_threads, max_iter)
    else:
        found = cluster(
            points, masses, grid, min(k, n_distinct), quality=quality, seed=seed, threads=n_threads, max_iter=max_iter
        )
        centers, inertia, n_iter = found.centers, found.inertia, found.n_iter
    centers = np.ldexp(centers, exponent) + origin
    order = np.lexsort((*centers.T[::-1], (centers / len(origin)).sum(axis=1)))
    centers = centers[np.append(order, np.repeat(order[-1:], k - len(order)))]
    with np.errstate(over="ignore"):
        return Clusters(centers, float(np.ldexp(inertia, 2 * exponent + mass_exponent)), n_iter, n_distinct, None)


def _merged(
    points: NDArray[np.float64], masses: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint64] | None]:
    """Return the distinct points in an order that depends on nothing but them, their masses, and their grid."""
    order, grid = in_order(points)
    points, masses = points[order], masses[order]
    alike = np.ones(len(points) - 1, bool) if grid is None else ~_differing(grid)
    differs = _differing(points)
    unordered = alike & (differs | (masses[1:] != masses[:-1]))
    if unordered.any():
        cell = np.concatenate([[0], np.cumsum(~alike)])
        mixed = np.flatnonzero(np.bincount(cell[1:], weights=unordered)[cell] > 0)
        ranked = mixed[np.lexsort((masses[mixed], *points[mixed].T[::-1], cell[mixed]))]
        points[mixed], masses[mixed] = points[ranked], masses[ranked]
        differs = _differing(points)
    first = np.flatnonzero(np.concatenate([[True], differs]))
    return points[first], np.add.reduceat(masses, first), None if grid is None else grid[first]


def _differing(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows differ from the one before them; column by column, which is many times faster than any()."""
    differs = np.zeros(len(rows) - 1, bool)
    for column in rows.T:
        differs |= column[1:] != column[:-1]
    return differs


def _as_counts(masses: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round masses to shares of 2**61, where the sums over bins of levels leave room for so many."""
    n_bits = 61 if len(masses) <= N_BINS else 30
    counts: NDArray[np.int64] = np.maximum(np.rint(masses / masses.sum() * 2.0**n_bits), 1).astype(np.int64)
    return counts


def _check_enough(k: int, n: int, what: str) -> None:
    if k > n:
        raise TooFewLevelsError(f"n_clusters is {k}, but the number of {what} is {n}; give n_clusters <= {n}")


def _as_numbers(given: ArrayLike, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(given)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        kind = DataTypeError if isinstance(error, TypeError) else DataError
        raise kind(f"{name} is no table of numbers ({error}); give real numbers") from error
    if array.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {name} is of dtype {array.dtype}; give real numbers")
    if array.dtype.kind not in "biuf":
        raise DataTypeError(f"{name} is of dtype {array.dtype}; give real numbers")
    is_wide = array.dtype.itemsize > 8 or array.dtype.newbyteorder("=") == np.uint64
    return array.astype(np.float64) if is_wide else array


def _safe_exponent(samples: NDArray[Any], centers: NDArray[np.float64]) -> int:
    """Return by which power of two to divide so that distances can be squared; 0 where they can be already."""
    if samples.dtype.itemsize < 8 or samples.dtype.kind != "f":
        return 0
    exponent = int(np.frexp(max(samples.max(), -samples.min(), np.abs(centers).max()))[1])
    return 0 if abs(exponent) <= SAFE_EXPONENT else exponent


def _scaled(samples: NDArray[Any], exponent: int) -> NDArray[np.float64]:
    table = np.ascontiguousarray(samples, np.float64)
    return np.ldexp(table, -exponent) if exponent else table


def _strips(n: int) -> Iterator[slice]:
    return (slice(first, first + ROWS_AT_A_TIME) for first in range(0, n, ROWS_AT_A_TIME))
