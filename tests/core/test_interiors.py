"""What voxels hold that no border mixes with another class."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.interiors import interiors


@given(st.integers(0, 2**32 - 1), st.sampled_from([(6, 7), (4, 5, 6), (1, 9), (1, 1)]))
def test_it_is_what_brute_force_finds(seed: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < 0.8, 0, rng.integers(0, 3, shape)).astype(np.uint8)
    values = rng.integers(0, 100, shape).astype(np.int16)
    kept: list[list[float]] = [[], []]
    for at in np.ndindex(shape):
        around = [
            tuple(i + step * (a == axis) for a, i in enumerate(at)) for axis in range(len(shape)) for step in (-1, 1)
        ]
        inner = [to for to in around if all(0 <= i < n for i, n in zip(to, shape, strict=True))]
        if labels[at] < 2 and all(labels[to] == labels[at] for to in inner):
            kept[labels[at]].append(float(values[at]))
    found = interiors(values, labels, 2)
    assert found.counts.tolist() == [len(one) for one in kept]
    means = [np.mean(one) if one else math.nan for one in kept]
    np.testing.assert_allclose(found.means, means)
    pooled = [value - mean for one, mean in zip(kept, means, strict=True) for value in one]
    expected = math.sqrt(np.mean(np.square(pooled))) if pooled else math.nan
    assert found.spread == pytest.approx(expected, nan_ok=True)


def test_nan_that_is_left_out_does_not_count() -> None:
    values = np.array([[1.0, 1.0, np.nan], [3.0, 1.0, 5.0]])
    labels = np.array([[0, 0, 255], [0, 0, 255]], np.uint8)
    assert interiors(values, labels, 1).means.tolist() == [2.0]
