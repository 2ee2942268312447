"""Levels are what a slow and plain definition says, cell by cell."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from klevels.io import pyramid
from klevels.io.pyramid import COARSEST, THIN, coarser, plan_levels, reduce_block

RNG = np.random.default_rng(20261123)
FACTORS = ((2, 2, 2), (1, 2, 2), (2, 1, 1), (1, 1, 1), (2, 2, 1))


def cells(block: NDArray[Any], factors: tuple[int, ...]) -> dict[tuple[int, ...], NDArray[Any]]:
    places = product(*(range(n) for n in coarser(block.shape, factors)))
    return {
        place: block[tuple(slice(at * f, at * f + f) for at, f in zip(place, factors, strict=True))].ravel()
        for place in places
    }


def majority(values: NDArray[Any]) -> Any:
    counts = Counter(values.tolist())
    return min(counts, key=lambda value: (-counts[value], value))


def rounded_mean(values: NDArray[Any]) -> int:
    return round(Fraction(sum(int(value) for value in values), len(values)))  # halves to even


@settings(max_examples=60, deadline=None)
@given(
    block=arrays(
        st.sampled_from([np.uint8, np.uint16, np.int8, np.int32, np.uint64]),
        st.tuples(*[st.integers(1, 5)] * 3),
        elements=st.sampled_from([0, 1, 2, 3, 100]),
    ),
    factors=st.sampled_from(FACTORS),
)
def test_labels_are_those_of_most_voxels(block: NDArray[Any], factors: tuple[int, ...]) -> None:
    reduced = reduce_block(block, factors, labels=True)
    assert reduced.dtype == block.dtype
    assert {place: reduced[place] for place in np.ndindex(reduced.shape)} == {
        place: majority(values) for place, values in cells(block, factors).items()
    }


@settings(max_examples=60, deadline=None)
@given(data=st.data(), factors=st.sampled_from(FACTORS))
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_means_of_integers_are_exact(dtype: str, data: st.DataObject, factors: tuple[int, ...]) -> None:
    limits = np.iinfo(dtype)
    near = st.sampled_from([limits.min, limits.min + 1, limits.max, limits.max - 1, 0, 1, 2, 3])
    block = data.draw(arrays(dtype, st.tuples(*[st.integers(1, 4)] * 3), elements=near))
    reduced = reduce_block(block, factors, labels=False)
    assert reduced.dtype == dtype
    for place, values in cells(block, factors).items():
        assert int(reduced[place]) == rounded_mean(values)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_means_of_floats(dtype: str) -> None:
    block = RNG.normal(size=(5, 6, 7)).astype(dtype)
    reduced = reduce_block(block, (2, 2, 2), labels=False)
    for place, values in cells(block, (2, 2, 2)).items():
        mean = float(values.astype(np.float64).mean())
        assert float(reduced[place]) == pytest.approx(mean, rel=2 * float(np.finfo(dtype).eps), abs=1e-7)
    largest = np.full((2, 2, 2), np.finfo(dtype).max, dtype)
    assert reduce_block(largest, (2, 2, 2), labels=False) == largest[0, 0, 0]


def test_nan_makes_a_cell_nan_and_no_other() -> None:
    block = np.ones((4, 4), np.float32)
    block[0, 0] = np.nan
    np.testing.assert_array_equal(reduce_block(block, (2, 2), labels=False), [[np.nan, 1], [1, 1]])


def test_truth_values_are_labels() -> None:
    block = np.array([[1, 0, 1, 1], [0, 1, 1, 0]], bool)
    np.testing.assert_array_equal(reduce_block(block, (2, 2), labels=False), np.array([[False, True]]))


def test_the_ignore_label_loses_a_tie() -> None:
    assert reduce_block(np.array([[255, 7], [7, 255]], np.uint8), (2, 2), labels=True) == 7


def test_no_label_is_invented() -> None:
    block = np.where(RNG.random((40, 50, 60)) < 0.5, 2, 9).astype(np.uint8)
    assert set(np.unique(reduce_block(block, (2, 2, 2), labels=True))) == {2, 9}


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("shape", [(3, 70, 90), (64, 5, 1), (1, 1, 9)])
def test_parts_equal_the_whole(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], labels: bool) -> None:
    block = RNG.integers(0, 4, shape).astype(np.uint8)
    whole = reduce_block(block, (2, 2, 2), labels=labels)
    monkeypatch.setattr(pyramid, "_RUN", 7)
    np.testing.assert_array_equal(reduce_block(block, (2, 2, 2), labels=labels), whole)
    at = [slice(n // 2 // 2 * 2, None) for n in shape]
    part = reduce_block(block[tuple(at)], (2, 2, 2), labels=labels)
    np.testing.assert_array_equal(part, whole[tuple(slice(one.start // 2, None) for one in at)])


def test_the_block_stays_as_it_is() -> None:
    for shape in ((4, 4, 4), (2, 2, 2), (2, 5, 6), (1, 2, 2), (2, 1, 1)):
        block = RNG.integers(0, 4, shape).astype(np.uint8)
        before = block.copy()
        for labels, factors in product((True, False), FACTORS):
            reduce_block(block, factors, labels=labels)
            np.testing.assert_array_equal(block, before)


def test_levels_of_cubic_voxels() -> None:
    assert plan_levels((1000, 2048, 2000), None) == [(2, 2, 2)] * 3
    assert plan_levels((256, 256), (1.0, 1.0)) == []
    assert plan_levels((3, 1000, 1000), None, n_other_axes=1) == [(1, 2, 2), (1, 2, 2)]


def test_coarse_axes_wait_and_thin_ones_stay() -> None:
    assert plan_levels((500, 2048, 2048), (4.0, 1.0, 1.0)) == [(1, 2, 2), (1, 2, 2), (2, 2, 2)]
    assert plan_levels((32, 4096, 4096), None) == [(1, 2, 2)] * 4


@given(
    shape=st.lists(st.integers(1, 10**6), min_size=2, max_size=3),
    sizes=st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3),
)
def test_the_coarsest_level_is_small(shape: list[int], sizes: list[float]) -> None:
    lengths = tuple(shape)
    for factors in plan_levels(shape, sizes[: len(shape)]):
        assert max(lengths) > COARSEST
        assert all(n > THIN for n, factor in zip(lengths, factors, strict=True) if factor == 2)
        assert 2 in factors
        lengths = coarser(lengths, factors)
    assert max(lengths) <= COARSEST
