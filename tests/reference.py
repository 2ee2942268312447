"""Plain answers to compare with: slow, exact, and written without any of the library's code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.histogram import Histogram
from klevels.core.levels import Levels

Cuts = tuple[int, ...]


def scatter(levels: Sequence[float], counts: Sequence[int]) -> Fraction:
    """Return the sum of squared differences from the mean, exactly."""
    n = sum(counts)
    total = sum((c * Fraction(x) for x, c in zip(levels, counts, strict=True)), Fraction(0))
    total2 = sum((c * Fraction(x) ** 2 for x, c in zip(levels, counts, strict=True)), Fraction(0))
    return total2 - total**2 / n


def inertia_of_cuts(levels: Sequence[float], counts: Sequence[int], cuts: Cuts) -> Fraction:
    """Return the inertia of the classes that begin at 0 and at each cut."""
    edges = [0, *cuts, len(levels)]
    return sum((scatter(levels[a:b], counts[a:b]) for a, b in pairwise(edges)), Fraction(0))


def inertia_of_labels(values: NDArray[Any], labels: NDArray[Any]) -> Fraction:
    """Return the sum of squared differences between values and the mean of their label, exactly, in integers."""
    whole, exponent = whole_multiples(values)
    total = Fraction(0)
    for label in np.unique(labels):
        x = [w for w, own in zip(whole, (labels.ravel() == label).tolist(), strict=True) if own]
        total += Fraction(sum(w * w for w in x)) - Fraction(sum(x) ** 2, len(x))
    return total * Fraction(2) ** (2 * exponent)


def whole_multiples(values: NDArray[Any]) -> tuple[list[int], int]:
    """Return finite values as whole multiples of 2**exponent."""
    ratios = [x.as_integer_ratio() for x in values.ravel().tolist()]
    divisor = max(ratio[1] for ratio in ratios)
    return [n * (divisor // d) for n, d in ratios], 1 - divisor.bit_length()


def best_cuts(levels: Sequence[float], counts: Sequence[int], k: int) -> tuple[Fraction, Cuts]:
    """Return the least inertia over all cuts, and the leftmost cuts that reach it."""
    costs = {cuts: inertia_of_cuts(levels, counts, cuts) for cuts in combinations(range(1, len(levels)), k - 1)}
    least = min(costs.values())
    optimal = [cuts for cuts, cost in costs.items() if cost == least]
    leftmost = tuple(min(column) for column in zip(*optimal, strict=True))
    assert leftmost in optimal
    return least, leftmost


def cuts_of(levels: Levels, histogram: Histogram) -> Cuts:
    """Return at which level of the histogram each class but the first begins."""
    before = np.cumsum(histogram.counts).tolist()
    return tuple(before.index(n) + 1 for n in np.cumsum(levels.counts)[:-1].tolist())


def least_inertia(values: NDArray[np.float64], k_max: int) -> Iterator[Fraction]:
    """Yield the least inertia for k = 1, 2, ...: the textbook program in O(k n**2) finds cuts, which are then exact."""
    x = np.sort(values)
    centered = (x - x.mean()).astype(np.longdouble)
    sums = np.concatenate([[0], np.cumsum(centered)])
    squares = np.concatenate([[0], np.cumsum(centered**2)])
    n = len(x)
    begin, end = np.arange(n)[:, None], np.arange(1, n + 1)[None, :]
    length = np.maximum(end - begin, 1)
    cost = squares[end] - squares[begin] - (sums[end] - sums[begin]) ** 2 / length
    cost[begin >= end] = np.inf
    best = cost[0]
    back: list[NDArray[np.int64]] = []
    for k in range(1, k_max + 1):
        if k > 1:
            through = np.concatenate([[np.inf], best[:-1]])[:, None] + cost
            back.append(np.argmin(through, axis=0))
            best = through.min(axis=0)
        cuts: list[int] = []
        for layer in reversed(back):
            cuts.insert(0, int(layer[(cuts[0] if cuts else n) - 1]))
        yield inertia_of_labels(x, np.searchsorted(cuts, np.arange(n), side="right"))


def assert_same_histogram(a: Histogram, b: Histogram) -> None:
    """Check that two histograms are equal to the bit."""
    assert a.shift == b.shift
    assert a.n_nan == b.n_nan
    np.testing.assert_array_equal(a.keys, b.keys)
    np.testing.assert_array_equal(a.counts, b.counts)
    np.testing.assert_array_equal(a.rests, b.rests)


def assert_same_levels(a: Levels, b: Levels) -> None:
    """Check that two models are equal to the bit."""
    assert a.to_dict() == b.to_dict()
