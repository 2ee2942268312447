"""Sums over runs of levels are exact, and every number taken from them is rounded once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.exact import ExactSums
from klevels.core.histogram import Histogram
from reference import scatter

FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e140, max_value=1e140)
NUMBERS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8, unique=True),
    st.lists(st.integers(0, 300), min_size=1, max_size=8, unique=True),
    st.lists(FLOATS, min_size=1, max_size=8, unique=True),
    st.lists(st.floats(-1e-300, 1e-300), min_size=1, max_size=8, unique=True),
)


@given(NUMBERS, st.data())
def test_means_and_inertia_equal_fractions(values: list[float], data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(1, 2**59), min_size=len(values), max_size=len(values)))
    dtype = np.float64 if isinstance(values[0], float) else np.int64
    h = Histogram.of(np.array(values, dtype), counts)
    levels, weights = h.levels.tolist(), h.counts.tolist()
    middle = data.draw(st.integers(0, len(levels)))
    sums = ExactSums(h, [middle, len(levels)])
    runs = [run for run in sums.runs([0, middle, len(levels)]) if run.count]
    parts = [part for part in ((levels[:middle], weights[:middle]), (levels[middle:], weights[middle:])) if part[0]]
    for run, (x, w) in zip(runs, parts, strict=True):
        total = sum((n * Fraction(v) for v, n in zip(x, w, strict=True)), Fraction(0))
        assert run.count == sum(w)
        assert sums.mean(run) == float(total / run.count)
    assert sums.inertia(runs) == float(sum((scatter(x, w) for x, w in parts), Fraction(0)))
    about = sum(
        (n * (Fraction(v) - Fraction(5)) ** 2 for v, n in zip(levels, weights, strict=True)),
        Fraction(0),
    )
    assert sums.inertia_about(runs, [5.0] * len(runs)) == float(about)


def test_what_float64_cannot_hold_is_infinite() -> None:
    h = Histogram.of([-1e300, 1e300])
    sums = ExactSums(h, [2])
    assert sums.inertia(sums.runs([0, 2])) == np.inf
