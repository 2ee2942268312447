"""Exact sums over runs of gray levels, in whole numbers: what inertia and centers are computed from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core import _kernels
from klevels.core.histogram import Histogram
from klevels.core.keys import bin_origins

PRECISION = 192
"""Bits behind the binary point that are kept when quotients are added up."""


@dataclass(frozen=True, slots=True)
class Run:
    """Count, sum and sum of squares of x over a run of levels, where gray value = (origin + x) * 2**exponent."""

    count: int
    sum: int
    sum2: int

    def scatter(self) -> int:
        """Return the sum of squared differences from the mean, times 2**PRECISION, rounded down."""
        return ((self.sum2 * self.count - self.sum * self.sum) << PRECISION) // self.count


class ExactSums:
    """Exact sums over runs of a histogram's levels.

    Parameters
    ----------
    histogram : Histogram
        Whose levels are taken as whole multiples of a power of two, which stored numbers always are.
    edges : iterable of int
        Where runs may begin and end, as indices of levels.
    """

    def __init__(self, histogram: Histogram, edges: Iterable[int]) -> None:
        levels = histogram.levels
        marks = sorted({0, *edges})
        is_narrow = levels.dtype.kind == "i" and histogram.shift == 0 and int(levels[-1]) - int(levels[0]) < 2**32
        if is_narrow and histogram.n_voxels < 2**62:
            self._origin, self._exponent = int(levels[0]), 0
            x = (levels - levels[0]).astype(np.uint64)
            moments = _kernels.segment_moments(histogram.counts, x, np.array(marks, np.int64))
            terms = [(n, (high << 64) | low, (high2 << 64) | low2) for n, high, low, high2, low2 in moments]
        else:
            self._origin, self._exponent, every = _level_sums(histogram)
            terms = [_total(every[begin:end]) for begin, end in pairwise(marks)]
        self._prefix = dict(zip(marks, accumulate(terms, _add, initial=(0, 0, 0)), strict=True))

    def runs(self, edges: Sequence[int]) -> list[Run]:
        """Return the sums over each run of levels [edges[i], edges[i + 1]).

        Parameters
        ----------
        edges : sequence of int
            Increasing, each among the edges given at the start.

        Returns
        -------
        list of Run
            One fewer than edges.
        """
        prefix = self._prefix
        return [
            Run(*(end - begin for begin, end in zip(prefix[first], prefix[last], strict=True)))
            for first, last in pairwise(edges)
        ]

    def mean(self, run: Run) -> float:
        """Return the mean gray value of a run, correctly rounded.

        Parameters
        ----------
        run : Run
            From `runs`.

        Returns
        -------
        float
            In gray values.
        """
        return _quotient(self._origin * run.count + run.sum, run.count, self._exponent)

    def inertia(self, runs: Sequence[Run]) -> float:
        """Return the sum of squared differences from each run's own mean.

        Parameters
        ----------
        runs : sequence of Run
            From `runs`.

        Returns
        -------
        float
            In squared gray values, rounded once.
        """
        return _quotient(sum(run.scatter() for run in runs), 1 << PRECISION, 2 * self._exponent)


Sums = tuple[int, int, int]


def _add(a: Sums, b: Sums) -> Sums:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _total(terms: Sequence[Sums]) -> Sums:
    return sum(t[0] for t in terms), sum(t[1] for t in terms), sum(t[2] for t in terms)


def _quotient(dividend: int, divisor: int, exponent: int) -> float:
    """Return dividend / divisor * 2**exponent; Python rounds the quotient of integers correctly."""
    if exponent < 0:
        divisor <<= -exponent
    else:
        dividend <<= exponent
    try:
        return dividend / divisor
    except OverflowError:
        return math.inf if dividend > 0 else -math.inf


def _level_sums(histogram: Histogram) -> tuple[int, int, list[Sums]]:
    """Return origin, exponent and the sums over each level, whatever their size, in Python integers."""
    origins, steps = bin_origins(histogram.keys, histogram.dtype, histogram.shift)
    firsts, units, exponent = _whole_numbers(origins, steps)
    counts: list[int] = histogram.counts.tolist()
    rests: list[list[int]] = histogram.rests.tolist()
    origin = firsts[0]
    sums: list[Sums] = []
    for count, first, unit, (low, high, low2, high2) in zip(counts, firsts, units, rests, strict=True):
        x = first - origin
        rest, rest2 = unit * ((high << 64) | low), unit * unit * ((high2 << 64) | low2)
        sums.append((count, count * x + rest, x * (count * x + 2 * rest) + rest2))
    return origin, exponent, sums


def _whole_numbers(origins: NDArray[Any], steps: NDArray[np.float64]) -> tuple[list[int], list[int], int]:
    """Write origins and steps as whole multiples of the greatest power of two that divides them all."""
    if origins.dtype.kind == "i":
        return origins.tolist(), [1] * len(origins), 0
    mantissas, exponents = np.frexp(origins)
    wholes = (mantissas * 2.0**53).astype(np.int64)
    exponents = exponents.astype(np.int64) - 53
    step_exponents = np.frexp(steps)[1].astype(np.int64) - 1
    is_zero = wholes == 0
    lowest_bits = np.frexp((wholes & -wholes).astype(np.float64))[1].astype(np.int64) - 1
    finest = np.where(is_zero, step_exponents, np.minimum(exponents + lowest_bits, step_exponents))
    exponent = int(finest.min())
    firsts = [
        whole << up if up >= 0 else whole >> -up
        for whole, up in zip(wholes.tolist(), (exponents - exponent).tolist(), strict=True)
    ]
    return firsts, [1 << up for up in (step_exponents - exponent).tolist()], exponent
