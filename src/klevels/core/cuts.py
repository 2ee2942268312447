"""Where the best classes begin, by the kernel; voxels far from all others are kept from drowning them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from klevels.core import _kernels
from klevels.core.exact import ExactSums
from klevels.core.histogram import Histogram
from klevels.core.line import line_of

FAR = 2.0**20
"""How many times as long as the densest half of its levels a line must be before its widest gap is looked at."""
FEW_LEVELS = 64
"""Up to so many levels the two closest stand for the densest half: looking at many gaps costs nothing then."""
MOST_GAPS, MOST_CLASSES = 64, 256
"""So many gaps in turn are looked at, and only for so many classes; beyond, the kernel decides alone."""


def optimal_edges(histogram: Histogram, ks: Sequence[int], threads: int) -> list[list[int]]:
    """Return where the classes of least inertia begin and end, for each k.

    Parameters
    ----------
    histogram : Histogram
        n levels.
    ks : sequence of int
        Numbers of classes, each 1 to n.
    threads : int
        How many threads to use.

    Returns
    -------
    list of list of int
        k + 1 indices of levels for each k, from 0 to n.

    Notes
    -----
    The kernel's 106 bits are enough unless the line is very long for what lies on it, as with a fill value of 1e30
    among values around 1. Then the best classes that cut at the widest gap, found on either side of it, are held
    against the kernel's, in exact arithmetic: a class that bridges that gap costs so much that the kernel's precision
    is good enough for it.
    """
    return _edges(histogram, ks, threads, MOST_GAPS)


def _edges(histogram: Histogram, ks: Sequence[int], threads: int, gaps: int) -> list[list[int]]:
    back = _kernels.optimal_cuts(*line_of(histogram), max(ks), threads)
    found = [_follow(back, k, histogram.n_levels) for k in ks]
    gap = _far_gap(histogram) if gaps and 1 < max(ks) <= MOST_CLASSES else None
    if gap is None:
        return found
    parts = histogram.part(0, gap), histogram.part(gap, histogram.n_levels)
    below, above = (_edges(part, range(1, min(max(ks) - 1, part.n_levels) + 1), threads, gaps - 1) for part in parts)
    above = [[gap + edge for edge in edges] for edges in above]
    sums = ExactSums(histogram, {edge for edges in (*found, *below, *above) for edge in edges})
    costs_below, costs_above = ([_cost(sums, edges) for edges in side] for side in (below, above))
    for which, k in enumerate(ks):
        rivals = [(_cost(sums, found[which]), found[which])]
        for i in range(max(0, k - 1 - len(above)), min(k - 1, len(below))):  # i + 1 classes below the gap
            j = k - 2 - i
            rivals.append((costs_below[i] + costs_above[j], below[i] + above[j][1:]))
        found[which] = min(rivals)[1]  # among equals the leftmost
    return found


def _follow(back: NDArray[np.int32], k: int, n: int) -> list[int]:
    edges = [n]
    for m in range(k, 1, -1):
        edges.append(int(back[m - 2, edges[-1] - 1]))
    return [*edges, 0][::-1]


def _cost(sums: ExactSums, edges: Sequence[int]) -> int:
    return sum(run.scatter() for run in sums.runs(edges))


def _far_gap(histogram: Histogram) -> int | None:
    """Return the level above the widest gap of a line that is very long for the densest half of its levels."""
    levels = histogram.levels.astype(np.float64) / 2  # the difference of halves cannot overflow
    half = len(levels) // 2 if len(levels) > FEW_LEVELS else 2
    if len(levels) < 3:
        return None
    densest = float((levels[half - 1 :] - levels[: len(levels) - half + 1]).min())
    if not levels[-1] - levels[0] > FAR * densest:
        return None
    return int(np.argmax(np.diff(levels))) + 1
