"""Measures of partitions are those of scikit-learn and scikit-image, at any size, and know no names."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from skimage.metrics import variation_of_information
from sklearn.metrics import adjusted_rand_score

from klevels.core.partitions import adjusted_rand_index, conditional_entropies

Counts = NDArray[np.int64]
TABLES = nps.arrays(
    np.int64, nps.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5), elements=st.integers(0, 4)
).filter(lambda table: bool(table.any()))


def voxels_of(counts: Counts) -> tuple[Counts, Counts]:
    """Return two partitions with such counts in common."""
    rows, columns = np.indices(counts.shape).reshape(2, -1)
    return np.repeat(rows, counts.ravel()), np.repeat(columns, counts.ravel())


@given(counts=TABLES)
def test_rand_index_is_that_of_scikit_learn(counts: Counts) -> None:
    one, other = voxels_of(counts)
    assert adjusted_rand_index(counts) == pytest.approx(adjusted_rand_score(one, other), abs=1e-12)


@given(counts=TABLES)
def test_entropies_are_those_of_scikit_image(counts: Counts) -> None:
    one, other = voxels_of(counts)
    # Its first is the entropy of the second image where the first is known.
    assert conditional_entropies(counts) == pytest.approx(variation_of_information(other, one), abs=1e-12)


@given(counts=TABLES, seed=st.integers(0, 99))
def test_names_and_order_of_classes_change_no_bit(counts: Counts, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(rng.permutation(counts, axis=0), axis=1)
    assert adjusted_rand_index(shuffled) == adjusted_rand_index(counts)
    assert conditional_entropies(shuffled) == conditional_entropies(counts)


@given(counts=TABLES)
def test_partitions_are_treated_alike(counts: Counts) -> None:
    assert adjusted_rand_index(counts.T) == adjusted_rand_index(counts)
    assert conditional_entropies(counts.T) == conditional_entropies(counts)[::-1]


@given(counts=TABLES)
def test_volumes_of_any_size_are_exact(counts: Counts) -> None:
    scale = 2**56
    table = [[int(n) * scale for n in row] for row in counts.tolist()]
    pairs = [n * (n - 1) // 2 for row in table for n in row]
    rows = sum(sum(row) * (sum(row) - 1) // 2 for row in table)
    columns = sum(sum(row) * (sum(row) - 1) // 2 for row in zip(*table, strict=True))
    total = sum(map(sum, table))
    expected = Fraction(rows * columns, total * (total - 1) // 2)
    span = Fraction(rows + columns, 2) - expected
    exact = float((sum(pairs) - expected) / span) if span else 1.0
    assert adjusted_rand_index(counts * scale) == exact
    assert conditional_entropies(counts * scale) == pytest.approx(conditional_entropies(counts), abs=1e-12)


def test_known_answers() -> None:
    assert adjusted_rand_index(np.diag([3, 4, 5])) == 1.0
    assert adjusted_rand_index(np.array([[1, 1], [1, 1]])) == -0.5
    assert adjusted_rand_index(np.array([[7]])) == 1.0
    assert adjusted_rand_index(np.zeros((0, 0), np.int64)) == 1.0
    assert conditional_entropies(np.array([[4, 4], [4, 4]])) == (1.0, 1.0)
    assert conditional_entropies(np.array([[1, 1, 1, 1]])) == (0.0, 2.0)
    assert conditional_entropies(np.zeros((0, 0), np.int64)) == (0.0, 0.0)
