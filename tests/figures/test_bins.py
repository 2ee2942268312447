"""Bins for drawing: every count lands in one, and integers make no comb."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.figures.bins import rebin


@given(
    st.lists(
        st.one_of(
            st.integers(-(2**40), 2**40),
            st.floats(-1e300, 1e300),
            st.floats(0, 1e-3),
        ),
        min_size=1,
        max_size=60,
        unique=True,
    ),
    st.integers(1, 2**62),
)
def test_every_count_lands_in_the_bin_around_its_level(values: list[float], most: int) -> None:
    levels = np.unique(np.array(values))
    counts = np.ones(levels.size, np.int64)
    counts[0] = most
    edges, totals = rebin(levels, counts)
    assert totals.dtype == np.int64
    assert sum(totals.tolist()) == sum(counts.tolist())
    assert edges.size == totals.size + 1 <= 257
    assert np.all(np.isfinite(edges))
    assert edges[0] <= levels[0]
    assert edges[-1] >= levels[-1]
    assert totals[0] >= most
    assert totals[-1] > 0


@pytest.mark.parametrize(
    ("levels", "edges"),
    [
        (np.arange(3), [-0.5, 0.5, 1.5, 2.5]),
        (np.array([10.0, 11.0, 13.0]), [9.5, 10.5, 11.5, 12.5, 13.5]),
        (np.array([7]), [6.5, 7.5]),
        (np.array([False, True]), [-0.5, 0.5, 1.5]),
    ],
)
def test_few_integers_have_a_bin_each(levels: np.ndarray, edges: list[float]) -> None:
    found, totals = rebin(levels, np.arange(1, levels.size + 1))
    np.testing.assert_array_equal(found, edges)
    np.testing.assert_array_equal(totals[totals > 0], np.arange(1, levels.size + 1))


@pytest.mark.parametrize("step", [1, 16, 257])
@pytest.mark.parametrize("n", [256, 257, 4000, 65536])
def test_a_flat_histogram_stays_flat(n: int, step: int) -> None:
    _, totals = rebin(np.arange(n, dtype=np.int64) * step, np.ones(n, np.int64))
    assert 128 <= totals.size <= 256
    assert np.unique(totals[:-1]).size == 1


def test_floats_have_256_bins_of_one_width() -> None:
    edges, totals = rebin(np.linspace(0.001, 0.002, 10_000), np.ones(10_000, np.int64))
    assert totals.size == 256
    np.testing.assert_allclose(np.diff(edges), 0.001 / 256)
    assert totals.max() - totals.min() <= 2
