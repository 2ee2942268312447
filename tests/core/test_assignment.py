"""Pairs of classes have the greatest overlap, in whole numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from klevels.core.assignment import best_pairs

Counts = NDArray[np.int64]


def tables(most: int, side: int = 5) -> st.SearchStrategy[Counts]:
    shapes = nps.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=side)
    return nps.arrays(np.int64, shapes, elements=st.integers(0, most))


def overlap(counts: Counts, columns: Counts) -> int:
    return sum(int(counts[row, column]) for row, column in enumerate(columns.tolist()) if column >= 0)


@given(counts=tables(9))
def test_no_other_pairs_overlap_more(counts: Counts) -> None:
    columns = best_pairs(counts)
    paired = columns[columns >= 0].tolist()
    assert len(set(paired)) == len(paired)
    assert all(counts[row, column] > 0 for row, column in enumerate(columns.tolist()) if column >= 0)
    short, long = sorted((counts, counts.T), key=len)
    best = max(
        sum(long[r, c] for c, r in enumerate(rows)) for rows in itertools.permutations(range(len(long)), len(short))
    )
    assert overlap(counts, columns) == best


@pytest.mark.parametrize("shape", [(60, 60), (40, 90), (90, 40)])
@pytest.mark.parametrize("most", [3, 10**6])
def test_many_classes_are_paired_as_scipy_does(shape: tuple[int, int], most: int) -> None:
    counts = np.random.default_rng(0).integers(0, most, shape)
    assert overlap(counts, best_pairs(counts)) == int(counts[linear_sum_assignment(-counts)].sum())


@given(counts=tables(2**61, side=4))
def test_counts_that_no_float_tells_apart_decide(counts: Counts) -> None:
    columns = best_pairs(counts)
    short, long = sorted((counts.astype(object), counts.astype(object).T), key=len)
    best = max(
        sum(long[r, c] for c, r in enumerate(rows)) for rows in itertools.permutations(range(len(long)), len(short))
    )
    assert overlap(counts, columns) == best


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 3)])
def test_what_has_nothing_in_common_is_left_alone(shape: tuple[int, int]) -> None:
    assert best_pairs(np.zeros(shape, np.int64)).tolist() == [-1] * shape[0]
