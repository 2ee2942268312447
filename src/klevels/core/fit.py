"""The optimal classes of a histogram's levels, for one k or for every k at once."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import chain
from typing import SupportsIndex

import numpy as np

from klevels.core.cuts import optimal_edges
from klevels.core.exact import ExactSums
from klevels.core.histogram import Histogram
from klevels.core.levels import MAX_CLASSES, Levels
from klevels.core.line import excess_bounds
from klevels.core.voxels import count_threads
from klevels.errors import DataError, ParameterError, TooFewLevelsError


def fit_levels(
    histogram: Histogram, k: int, *, noise_threshold: float | None = None, threads: int | None = None
) -> Levels:
    """Partition gray levels into `k` classes of least squared error.

    Parameters
    ----------
    histogram : Histogram
        n distinct levels with their counts.
    k : int
        Number of classes, 1 <= k <= n. Where noise is split off, the number of classes of the signal.
    noise_threshold : float, optional
        Levels up to this gray value are noise: class 0, apart from the `k` classes of the signal. In binned
        data it moves to the end of its bin.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    Levels
        Centers, shape (k,) or (k + 1,) with noise, increasing, in the image's intensity units.

    Raises
    ------
    ParameterError
        If `k` is not an integer, or outside 1 to 65535.
    TooFewLevelsError
        If `k` exceeds the number of distinct levels.
    DataError
        If `noise_threshold` leaves no noise or no signal, or no float64 lies between two classes of int64 data.

    Notes
    -----
    The global optimum, by dynamic programming [1]_ [2]_: O(k n log n) time, O(k n) memory. Among equal optima, the
    leftmost cuts. Each threshold lies halfway between two centers. Candidates are compared to 2**-94 of the total sum
    of squares; where values lie too far apart for that, they are compared exactly, up to 64 wide gaps.

    References
    ----------
    .. [1] H. Wang and M. Song, "Ckmeans.1d.dp: optimal k-means clustering in one dimension by dynamic programming",
       The R Journal 3(2), 2011.
    .. [2] A. Grønlund et al., "Fast exact k-means, k-medians and Bregman divergence clustering in 1D", 2017,
       arXiv:1701.07204.

    Examples
    --------
    >>> fit_levels(Histogram.of([0, 1, 9]), k=2).centers
    array([0.5, 9. ])
    """
    k = check_k(k)
    problem = _Problem(histogram, noise_threshold, k)
    return problem.solutions([k], threads)[0]


def fit_path(
    histogram: Histogram, k_max: int, *, noise_threshold: float | None = None, threads: int | None = None
) -> tuple[Levels, ...]:
    """Partition gray levels optimally for every number of classes up to `k_max`, in one run.

    Parameters
    ----------
    histogram : Histogram
        n distinct levels with their counts.
    k_max : int
        The greatest number of classes, 1 <= k_max <= n.
    noise_threshold : float, optional
        As in `fit_levels`.
    threads : int, optional
        As in `fit_levels`.

    Returns
    -------
    tuple of Levels
        The optimum for k = 1, 2, ..., k_max; each equal to what `fit_levels` returns.

    Raises
    ------
    ParameterError
        If `k_max` is not an integer, or outside 1 to 65535.
    TooFewLevelsError
        If `k_max` exceeds the number of distinct levels.
    DataError
        If `noise_threshold` leaves no noise or no signal.

    Examples
    --------
    >>> [levels.inertia for levels in fit_path(Histogram.of([0, 1, 9]), k_max=3)]
    [48.666666666666664, 0.5, 0.0]
    """
    k_max = check_k(k_max)
    problem = _Problem(histogram, noise_threshold, k_max)
    return tuple(problem.solutions(range(1, k_max + 1), threads))


def check_k(k: SupportsIndex) -> int:
    """Return `k` as an int.

    Parameters
    ----------
    k : int
        A number of classes.

    Returns
    -------
    int
        1 <= k <= 65535.

    Raises
    ------
    ParameterError
        If it is anything else.
    """
    try:
        number = operator.index(k)
    except TypeError:
        raise ParameterError(f"k is {k!r}; give an integer from 1 to {MAX_CLASSES}") from None
    if isinstance(k, bool) or not 1 <= number <= MAX_CLASSES:
        raise ParameterError(f"k is {k!r}; give an integer from 1 to {MAX_CLASSES}")
    return number


class _Problem:
    """The levels to be clustered, behind those that are noise."""

    def __init__(self, histogram: Histogram, noise_threshold: float | None, k: int) -> None:
        self.histogram = histogram
        self.noise_threshold: float | None = None
        self.n_noise = 0
        self.signal = histogram
        if noise_threshold is not None:
            noise, signal = histogram.split(noise_threshold)
            if noise is None or signal is None:
                low, high = histogram.levels[[0, -1]].tolist()
                raise DataError(
                    f"the noise threshold {noise_threshold:g} leaves no {'noise' if noise is None else 'signal'}; "
                    f"give a value from {low:g} to below {high:g}"
                )
            self.signal, self.n_noise = signal, noise.n_levels
            self.noise_threshold = max(float(noise_threshold), float(noise.bounds[1][-1]))
        if k > self.signal.n_levels:
            raise TooFewLevelsError(
                f"k is {k}, but the number of distinct gray levels is {self.signal.n_levels}; "
                f"give k <= {self.signal.n_levels}"
            )

    def solutions(self, ks: Sequence[int], threads: int | None) -> list[Levels]:
        noise = [0] if self.n_noise else []
        found = optimal_edges(self.signal, ks, count_threads(threads))
        all_edges = [[*noise, *(self.n_noise + edge for edge in edges)] for edges in found]
        sums = ExactSums(self.histogram, chain.from_iterable(all_edges))
        total = sums.inertia(sums.runs([0, self.histogram.n_levels]))
        bounds = excess_bounds(self.signal, ks)
        return [
            _levels(sums, self.histogram, edges, noise_threshold=self.noise_threshold, total=total, excess=excess)
            for edges, excess in zip(all_edges, bounds, strict=True)
        ]


def _levels(
    sums: ExactSums,
    histogram: Histogram,
    edges: Sequence[int],
    *,
    noise_threshold: float | None,
    total: float,
    excess: float,
) -> Levels:
    runs = sums.runs(edges)
    centers = [sums.mean(run) for run in runs]
    thresholds = [] if noise_threshold is None else [noise_threshold]
    inner = np.array(edges[1:-1], np.int64)
    beginnings, ends = histogram.bounds[0][inner].tolist(), histogram.bounds[1][inner - 1].tolist()
    for j in range(len(thresholds), len(inner)):
        halfway = centers[j] / 2 + centers[j + 1] / 2
        end, beginning = ends[j], beginnings[j]
        threshold = halfway if end <= halfway < beginning else float(end)
        if not end <= threshold < beginning:  # Python compares integers with floats exactly
            raise DataError(
                f"gray levels {end} and {beginning} are the same in float64, as thresholds are; "
                f"subtract an offset from the image first"
            )
        thresholds.append(threshold)
    return Levels(
        np.array(centers),
        np.array(thresholds),
        np.array([run.count for run in runs], np.int64),
        inertia=sums.inertia(runs),
        total_inertia=total,
        excess_bound=excess,
        noise_threshold=noise_threshold,
    )
