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
            self._origin, self._exponent, terms = _big_sums(histogram, marks)
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
        prefix = [self._prefix[edge] for edge in edges]
        return [Run(b[0] - a[0], b[1] - a[1], b[2] - a[2]) for a, b in pairwise(prefix)]

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

    def inertia_about(self, runs: Sequence[Run], centers: Sequence[float]) -> float:
        """Return the sum of squared differences from given centers.

        Parameters
        ----------
        runs : sequence of Run
            From `runs`.
        centers : sequence of float
            One for each run, in gray values.

        Returns
        -------
        float
            In squared gray values, rounded once.
        """
        from fractions import Fraction

        unit = Fraction(2) ** self._exponent
        total = Fraction(0)
        for run, center in zip(runs, centers, strict=True):
            x = Fraction(center) / unit - self._origin
            total += run.sum2 + x * (run.count * x - 2 * run.sum)
        return _quotient(total.numerator, total.denominator, 2 * self._exponent)


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


def _big_sums(histogram: Histogram, marks: Sequence[int]) -> tuple[int, int, list[Sums]]:
    """Return origin, exponent and the sums between neighboring marks, whatever their size, in Python integers."""
    origins, steps = bin_origins(histogram.keys, histogram.dtype, histogram.shift)
    exponent = _common_exponent(origins, steps)
    origin = _whole_numbers(origins[:1], exponent)[0]
    terms = []
    for begin, end in pairwise(marks):
        total = (0, 0, 0)
        # A few levels at a time: as Python integers they take ten times the memory of their arrays.
        for first in range(begin, end, 4096):
            part = slice(first, min(end, first + 4096))
            wholes, units = _whole_numbers(origins[part], exponent), _whole_numbers(steps[part], exponent)
            counts, rests = histogram.counts[part].tolist(), histogram.rests[part].tolist()
            for count, whole, unit, (low, high, low2, high2) in zip(counts, wholes, units, rests, strict=True):
                x = whole - origin
                rest, rest2 = unit * ((high << 64) | low), unit * unit * ((high2 << 64) | low2)
                total = _add(total, (count, count * x + rest, x * (count * x + 2 * rest) + rest2))
        terms.append(total)
    return origin, exponent, terms


def _common_exponent(origins: NDArray[Any], steps: NDArray[np.float64]) -> int:
    """Return that of the greatest power of two that divides all origins and steps."""
    if origins.dtype.kind == "i":
        return 0
    wholes, exponents = _parts(origins)
    lowest_bits = np.frexp((wholes & -wholes).astype(np.float64))[1] - 1
    step_exponents = np.frexp(steps)[1] - 1
    return int(np.where(wholes == 0, step_exponents, np.minimum(exponents + lowest_bits, step_exponents)).min())


def _whole_numbers(values: NDArray[Any], exponent: int) -> list[int]:
    """Write values as whole multiples of 2**exponent, which must divide them."""
    if values.dtype.kind == "i":
        return [int(value) for value in values.tolist()]
    wholes, exponents = _parts(values)
    ups = (exponents - exponent).tolist()
    return [whole << up if up >= 0 else whole >> -up for whole, up in zip(wholes.tolist(), ups, strict=True)]


def _parts(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write each value as an integer times a power of two."""
    mantissas, exponents = np.frexp(values)
    return (mantissas * 2.0**53).astype(np.int64), exponents.astype(np.int64) - 53
