"""Means and spreads are exact, whatever the order of voxels, and there is one for every class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.levels import Levels
from klevels.core.likelihood import SEPARATELY, Likelihood
from klevels.errors import DataError, ParameterError
from strategies import LAYOUTS

Array = NDArray[Any]


def _levels(centers: list[float]) -> Levels:
    ascending = np.array(centers, float)
    thresholds = (ascending[1:] + ascending[:-1]) / 2
    return Levels(ascending, thresholds, np.ones(len(centers), np.int64), 0.0, 1.0)


@pytest.mark.parametrize("dtype", ["u1", ">i2", "u2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("k", [1, 3, SEPARATELY, SEPARATELY + 1])
@given(st.integers(0, 2**32))
def test_equals_numpy(dtype: str, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 100, (6, 7, 5)).astype(dtype)
    labels = rng.integers(0, k + 1, values.shape).astype(np.uint8)
    labels[labels == k] = 255
    inside = rng.random(values.shape) < 0.9
    found = Likelihood.of(values, labels, k, inside, fallback=_levels(list(range(k))))
    parts = [values[(labels == label) & inside].astype(float) for label in range(k)]
    means = [part.mean() if part.size else label for label, part in enumerate(parts)]
    np.testing.assert_allclose(found.means, means, rtol=1e-14)
    pooled = (sum(part.var() * part.size for part in parts if part.size) / sum(part.size for part in parts)) ** 0.5
    spreads = [part.std() if part.size and np.ptp(part) else pooled for part in parts]
    np.testing.assert_allclose(found.spreads, spreads, rtol=1e-12)


@pytest.mark.parametrize("k", [3, 40])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_of_voxels_changes_no_bit(layout: str, k: int) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1e6, (20, 30, 40)).astype(np.float32)
    labels = rng.integers(0, k, values.shape).astype(np.uint8)
    expected = Likelihood.of(values, labels, k, fallback=_levels(list(range(k))), threads=1)
    order = rng.permutation(values.size)
    shuffled = [LAYOUTS[layout](array.ravel()[order].reshape(values.shape)) for array in (values, labels)]
    found = Likelihood.of(*shuffled, k, fallback=_levels(list(range(k))), threads=3)
    np.testing.assert_array_equal(found.means, expected.means)
    np.testing.assert_array_equal(found.spreads, expected.spreads)


def test_classes_without_a_spread_get_the_pooled_one() -> None:
    values = np.array([[1, 3, 1, 3, 10, 20, 20]], np.uint8)
    labels = np.array([[0, 0, 0, 0, 1, 2, 2]], np.uint8)
    found = Likelihood.of(values, labels, 4, fallback=_levels([2, 10, 20, 33]))
    assert found.means.tolist() == [2, 10, 20, 33]
    assert found.spreads.tolist() == [1, *[(4 / 7) ** 0.5] * 3]


def test_without_noise_no_neighbor_outweighs_a_gray_value() -> None:
    values = np.array([[5, 5, 8, 20]], np.uint8)
    labels = np.array([[0, 0, 1, 2]], np.uint8)
    found = Likelihood.of(values, labels, 3, fallback=_levels([5, 8, 20]))
    assert found.spreads.tolist() == [3 / 16] * 3
    costs = found.costs([5, 8, 20]) - found.costs([5, 8, 20]).min(axis=0)
    assert costs[~np.eye(3, dtype=bool)].min() > 26 * 3
    alone = Likelihood.of(values, labels * np.uint8(0), 1, fallback=_levels([5]))
    assert alone.spreads[0] == pytest.approx(values.std())
    assert Likelihood.of(values[:, :2], labels[:, :2], 1, fallback=_levels([5])).spreads.tolist() == [1]


def test_nan_and_infinite_values_do_not_count() -> None:
    values = np.array([[1, 3, np.nan, np.inf, 8, 10]], np.float32)
    labels = np.array([[0, 0, 0, 1, 1, 1]], np.uint8)
    found = Likelihood.of(values, labels, 2, fallback=_levels([0, 9]))
    assert found.means.tolist() == [2, 9]
    assert found.spreads.tolist() == [1, 1]


def test_again_keeps_the_mean_of_a_class_that_vanished() -> None:
    values = np.array([[1, 3, 8, 10]])
    first = Likelihood([2, 5, 9], [1, 1, 1])
    found = first.again(values, np.array([[0, 0, 2, 2]], np.uint8))
    assert found.means.tolist() == [2, 5, 9]
    assert found.spreads.tolist() == [1, 1, 1]


def test_agrees_with_fitted_levels() -> None:
    image = np.random.default_rng(0).normal(1000, 300, (50, 60)).astype(np.uint16)
    levels = fit_levels(histogram(image), k=3)
    found = Likelihood.of(image, levels.classify(image), 3, fallback=levels)
    np.testing.assert_array_equal(found.means, levels.centers)
    assert (found.spreads**2 * levels.counts).sum() == pytest.approx(levels.inertia)


def test_arrays_are_copies_and_read_only() -> None:
    means = np.array([1.0, 2.0])
    found = Likelihood(means, [1, 1])
    means[0] = 7
    assert found.means.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        found.spreads[0] = 2


def test_bad_input_is_refused() -> None:
    for means, spreads in (([1, 2], [1]), ([], []), (3, 4), ([[1]], [[1]])):
        with pytest.raises(ParameterError, match="give one of each for each class"):
            Likelihood(means, spreads)
    for bad in (0, -1, np.nan, np.inf, 1e-310):
        with pytest.raises(ParameterError, match="a spread is"):
            Likelihood([1, 2], [1, bad])
    with pytest.raises(ParameterError, match="a mean is NaN or infinite"):
        Likelihood([1, np.nan], [1, 1])
    values, labels = np.zeros((2, 3)), np.zeros((2, 3), np.uint8)
    with pytest.raises(DataError, match=r"the image has shape \(3, 2\), the labels \(2, 3\)"):
        Likelihood.of(values.T, labels, 1, fallback=_levels([1]))
    with pytest.raises(DataError, match="the fallback has 2 classes, the labels 1"):
        Likelihood.of(values, labels, 1, fallback=_levels([1, 2]))
