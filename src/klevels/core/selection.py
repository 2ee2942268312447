"""What each number of classes costs and explains: advice on k, never a decision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from klevels.core.fit import fit_path
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels

MOST_BY_DEFAULT = 16


@dataclass(frozen=True, eq=False, repr=False)
class KSweep:
    """The optimum for every k, and what each explains. Made by `choose_k`.

    Parameters
    ----------
    levels : tuple of Levels
        The optimum for k = 1, 2, ..., k_max.
    bic : ndarray of float64, shape (k_max,)
        Bayesian information criterion; lower is better, -inf where the inertia is 0.
    silhouette : ndarray of float64, shape (k_max,)
        Mean silhouette over all voxels, -1 to 1; higher is better, NaN for k = 1.
    """

    levels: tuple[Levels, ...]
    bic: NDArray[np.float64]
    silhouette: NDArray[np.float64]

    def __repr__(self) -> str:
        favored = ", ".join(f"{name} favors {k}" for name, k in self.advice.items())
        return f"KSweep(k = 1 to {len(self.levels)}; {favored})"

    @property
    def k(self) -> NDArray[np.int64]:
        """The numbers of classes, 1 to k_max."""
        return np.arange(1, len(self.levels) + 1)

    @property
    def inertia(self) -> NDArray[np.float64]:
        """Sum of squared differences between voxels and centers, for each k."""
        return np.array([levels.inertia for levels in self.levels])

    @property
    def explained_variance(self) -> NDArray[np.float64]:
        """Goodness of variance fit, 0 to 1, for each k."""
        return np.array([levels.explained_variance for levels in self.levels])

    @property
    def advice(self) -> dict[str, int | None]:
        """The k that each criterion favors: "bic" and "silhouette"; None where it is undefined."""
        defined = np.flatnonzero(np.isfinite(self.silhouette))
        return {
            "bic": int(np.argmin(self.bic)) + 1,
            "silhouette": int(defined[np.argmax(self.silhouette[defined])]) + 1 if len(defined) else None,
        }


def choose_k(
    histogram: Histogram, k_max: int | None = None, *, noise_threshold: float | None = None, threads: int | None = None
) -> KSweep:
    """Compute what every number of classes up to `k_max` costs and explains.

    Parameters
    ----------
    histogram : Histogram
        n distinct levels with their counts.
    k_max : int, optional
        The greatest number of classes, 1 <= k_max <= n; by default 16, or n where that is less.
    noise_threshold : float, optional
        Levels up to this gray value are noise. BIC and silhouette are then those of the signal; inertia and explained
        variance are those of all classes.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    KSweep
        One entry for each k.

    Raises
    ------
    ParameterError
        If `k_max` is not an integer, or outside 1 to 65535.
    TooFewLevelsError
        If `k_max` exceeds the number of distinct levels.

    Notes
    -----
    BIC is that of a mixture of k normal distributions of one variance with hard assignment [1]_: it has 2 k parameters.
    On millions of voxels it favors many classes, because real phases are not normally distributed: look at where it
    levels off. The silhouette [2]_ is that of all voxels under the distance between gray values, exactly: on a line,
    sums of distances follow from prefix sums over the levels, and the nearest other class is a neighbor.

    References
    ----------
    .. [1] D. Pelleg and A. Moore, "X-means", ICML 2000.
    .. [2] P. J. Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20, 1987.

    Examples
    --------
    >>> choose_k(Histogram.of([0, 1, 10, 11]), k_max=3).advice["silhouette"]
    2
    """
    if k_max is None:
        above = histogram if noise_threshold is None else histogram.split(noise_threshold)[1]
        k_max = min(MOST_BY_DEFAULT, 1 if above is None else above.n_levels)
    path = fit_path(histogram, k_max, noise_threshold=noise_threshold, threads=threads)
    signal = histogram
    if path[0].noise_threshold is not None:
        signal = histogram.split(path[0].noise_threshold)[1] or histogram
    first = path[0].n_classes - 1
    noise_inertia = _noise_inertia(histogram, path[0])
    bic = [_bic(levels.counts[first:], levels.inertia - noise_inertia) for levels in path]
    silhouette = [_silhouette(signal, levels.counts[first:], levels.centers[first:]) for levels in path]
    return KSweep(path, np.array(bic), np.array(silhouette))


def _noise_inertia(histogram: Histogram, levels: Levels) -> float:
    if levels.noise_threshold is None:
        return 0.0
    noise = histogram.split(levels.noise_threshold)[0]
    return 0.0 if noise is None else fit_path(noise, 1)[0].inertia


def _bic(counts: NDArray[np.int64], inertia: float) -> float:
    n, k = int(counts.sum()), len(counts)
    if inertia <= 0 or n <= k:
        return -math.inf
    shares = counts[counts > 0] / n
    log_likelihood = n * float(np.sum(shares * np.log(shares))) - 0.5 * (
        n * math.log(2 * math.pi * inertia / (n - k)) + n - k
    )
    return 2 * k * math.log(n) - 2 * log_likelihood


def _silhouette(histogram: Histogram, counts: NDArray[np.int64], centers: NDArray[np.float64]) -> float:
    if len(counts) < 2:
        return math.nan
    x = histogram.levels - centers.mean()
    centers = centers - centers.mean()
    weights = histogram.counts.astype(np.float64)
    before = np.concatenate([[0.0], np.cumsum(weights)])
    sums = np.concatenate([[0.0], np.cumsum(weights * x)])
    edges = np.concatenate([[0], np.searchsorted(np.cumsum(histogram.counts), np.cumsum(counts)) + 1])
    total = 0.0
    for j, (begin, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        if counts[j] == 1:
            continue  # by convention 0
        own, w = x[begin:end], weights[begin:end]
        lower = own * (before[begin:end] - before[begin]) - (sums[begin:end] - sums[begin])
        upper = (sums[end] - sums[begin:end]) - own * (before[end] - before[begin:end])
        within = (lower + upper) / (counts[j] - 1)
        beside = _distances_to_neighbors(own, centers, j)
        total += float(np.sum(w * (beside - within) / np.maximum(np.maximum(beside, within), np.finfo(float).tiny)))
    return total / float(before[-1])


def _distances_to_neighbors(x: NDArray[np.float64], centers: NDArray[np.float64], j: int) -> NDArray[np.float64]:
    others: Sequence[int] = [other for other in (j - 1, j + 1) if 0 <= other < len(centers)]
    distances: NDArray[np.float64] = np.min([np.abs(x - centers[other]) for other in others], axis=0)
    return distances
