"""Plain answers to compare with: slow, exact, and written without any of the library's code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.colors import ColorTable
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


Color = tuple[int, ...]


def binned_colors(rows: Iterable[Sequence[int]], limit: int) -> tuple[int, dict[Color, tuple[int, Color, int]]]:
    """Return the shift of the finest grid of at most `limit` bins, and each bin's count, rests and sum of squares."""
    colors = Counter(tuple(int(v) for v in row) for row in rows)
    shift = 0
    while len({tuple(v >> shift for v in color) for color in colors}) > limit:
        shift += 1
    bins: dict[Color, tuple[int, Color, int]] = {}
    for color, times in colors.items():
        corner = tuple(v >> shift for v in color)
        rest = [v - (b << shift) for v, b in zip(color, corner, strict=True)]
        count, rests, squares = bins.get(corner, (0, (0,) * len(color), 0))
        summed = tuple(r + times * own for r, own in zip(rests, rest, strict=True))
        bins[corner] = count + times, summed, squares + times * sum(r * r for r in rest)
    return shift, dict(sorted(bins.items(), key=lambda item: interleaved(item[0])))


def interleaved(color: Sequence[int]) -> int:
    """Return the bits of all channels taken in turns, the first channel's highest; below zero comes first."""
    columns = zip(*(f"{value + 2**31:032b}" for value in color), strict=True)
    return int("".join(bit for column in columns for bit in column), 2)


def bins_of_table(table: ColorTable) -> tuple[int, dict[Color, tuple[int, Color, int]]]:
    """Return a table as `binned_colors` returns it, in the table's order."""
    rests = np.zeros(table.bins.shape, np.int64) if table.rests is None else table.rests
    squares = np.zeros((table.n_colors, 2), np.uint64) if table.squares is None else table.squares
    columns = zip(table.bins.tolist(), table.counts.tolist(), rests.tolist(), squares.tolist(), strict=True)
    return table.shift, {tuple(b): (n, tuple(r), low + (high << 64)) for b, n, r, (low, high) in columns}


def assert_same_table(a: ColorTable, b: ColorTable) -> None:
    """Check that two tables are equal to the bit."""
    assert (a.dtype, a.steps) == (b.dtype, b.steps)
    found, expected = bins_of_table(a), bins_of_table(b)
    assert found == expected
    assert list(found[1]) == list(expected[1])


def nearest_centers(points: NDArray[np.float64], centers: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the nearest center of each point, the first of equals, and the squared distance, summed by channel."""
    distances = np.zeros((len(points), len(centers)))
    for channel in range(points.shape[1]):
        distances += (points[:, channel, None] - centers[None, :, channel]) ** 2
    labels = np.argmin(distances, axis=1)
    return labels, distances[np.arange(len(points)), labels]


def exact_means(points: NDArray[np.float64], weights: NDArray[np.float64], labels: NDArray[Any], k: int) -> list[Any]:
    """Return the means of the points of each label, rounded once; None where there are none."""
    means: list[Any] = []
    for label in range(k):
        own = [Fraction(weight) for weight in weights[labels == label].tolist()]
        columns = zip(*points[labels == label].tolist(), strict=True)
        sums = [sum(w * Fraction(x) for w, x in zip(own, column, strict=True)) for column in columns]
        means.append([float(total / sum(own)) for total in sums] if sums else None)
    return means


def lloyd(
    points: NDArray[np.float64], weights: NDArray[np.float64], centers: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[Any], list[float]]:
    """Run Lloyd's algorithm until nothing moves; return centers, labels, and the inertia after each pass."""
    inertias: list[float] = []
    while True:
        labels, distances = nearest_centers(points, centers)
        inertias.append(float((weights * distances).sum()))
        moved = centers.copy()
        for label in range(len(centers)):
            own = labels == label
            if own.any():
                moved[label] = (points[own] * weights[own, None]).sum(axis=0) / weights[own].sum()
        if (moved == centers).all():
            return centers, labels, inertias
        centers = moved


def least_clustering(points: NDArray[np.float64], weights: NDArray[np.float64], k: int) -> float:
    """Return the least inertia over all ways to put the points into at most `k` clusters."""
    n = len(points)
    labels = np.array(list(product(range(k), repeat=n - 1)), np.int8)
    labels = np.hstack([np.zeros((len(labels), 1), np.int8), labels])
    inertia = np.full(len(labels), float((weights[:, None] * points**2).sum()))
    for label in range(k):
        own = (labels == label) * weights
        sums, total = own @ points, own.sum(axis=1)
        inertia -= (sums**2).sum(axis=1) / np.maximum(total, 1)
    return float(inertia.min())
