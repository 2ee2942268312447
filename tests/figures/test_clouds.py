"""The cloud of two channels: every voxel in its bin, but for a few far away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from klevels.figures.clouds import MOST_BINS, bin_pairs

VALUES = st.one_of(
    nps.arrays(np.float64, st.tuples(st.integers(1, 60), st.just(2)), elements=st.integers(-70_000, 70_000)),
    nps.arrays(np.float64, st.tuples(st.integers(1, 60), st.just(2)), elements=st.floats(-1e30, 1e30)),
)


@given(VALUES, st.integers(100, 2**50))
def test_what_is_counted_lies_in_its_bin(values: np.ndarray, most: int) -> None:
    counts = np.ones(len(values), np.int64)
    counts[0] = most
    (edges_x, edges_y), cloud = bin_pairs(values, counts, values[:1])
    assert cloud.dtype == np.int64
    assert cloud.shape == (len(edges_x) - 1, len(edges_y) - 1)
    assert max(cloud.shape) <= MOST_BINS
    assert most <= int(cloud.sum()) <= int(counts.sum())
    i, j = np.argwhere(cloud >= most)[0]
    x, y = values[0]
    assert edges_x[i] <= x <= edges_x[i + 1]
    assert edges_y[j] <= y <= edges_y[j + 1]


def test_it_equals_the_histogram_of_numpy() -> None:
    values = np.random.default_rng(0).normal(size=(5000, 2)).clip(-2, 2)
    (edges_x, edges_y), cloud = bin_pairs(values, np.ones(5000, np.int64), np.zeros((1, 2)))
    expected, _, _ = np.histogram2d(*values.T, bins=(edges_x, edges_y))
    assert np.abs(cloud - expected).sum() <= 4  # on the edge of two bins, roundings differ
    assert cloud.sum() == 5000


def test_outliers_do_not_shrink_the_rest_unless_they_are_a_class() -> None:
    values = np.random.default_rng(0).normal(size=(100_000, 2))
    values[:3] = 1e6
    one = np.zeros((1, 2))
    for centers, farthest in ((one, 10), (np.array([[0.0, 0.0], [1e6, 1e6]]), 2e6), (np.array([[1e9, 1e9]]), 2e6)):
        edges, cloud = bin_pairs(values, np.ones(len(values), np.int64), centers)
        assert max(edges[0][-1], edges[1][-1]) < farthest
        assert cloud.sum() >= 99_997
        assert (max(edges[0][-1], edges[1][-1]) > 1e5) == (centers.max() > 0)


@pytest.mark.parametrize("levels", [2, 5, 16])
def test_few_integers_make_no_comb(levels: int) -> None:
    values = np.random.default_rng(0).integers(0, levels, (10_000, 2)).astype(np.float64)
    _, cloud = bin_pairs(values, np.ones(10_000, np.int64), values[:1])
    assert cloud.shape == (levels, levels)
    assert cloud.min() > 0
