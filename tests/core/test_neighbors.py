"""Neighbors weigh less the farther they are, by the size of a voxel along each axis."""

from __future__ import annotations

import numpy as np
import pytest

from klevels.core.neighbors import UNIT, weights_of


def test_cubes() -> None:
    weights = weights_of(3, "all", None) / UNIT
    n_steps = np.abs(np.indices((3, 3, 3)) - 1).sum(axis=0)
    for n, expected in enumerate([0, 1, 2**-0.5, 3**-0.5]):
        np.testing.assert_allclose(weights[n_steps == n], expected, atol=0.5 / UNIT)
    faces = weights_of(3, "faces", (2, 2, 2)) / UNIT
    np.testing.assert_array_equal(faces, n_steps == 1)


def test_long_voxels() -> None:
    weights = weights_of(2, "all", (30, 40)) / UNIT
    np.testing.assert_allclose(weights[:, 1], [1, 0, 1])
    np.testing.assert_allclose(weights[1], [0.75, 0, 0.75])
    np.testing.assert_allclose(weights[::2, ::2], 0.6, atol=0.5 / UNIT)


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 3.7, 1e300])
def test_only_ratios_matter(unit: float) -> None:
    expected = weights_of(3, "all", (1, 2, 3))
    np.testing.assert_array_equal(weights_of(3, "all", (unit, 2 * unit, 3 * unit)), expected)
    assert int(expected.sum()) < 2**16


def test_needles_have_no_neighbors_at_their_ends() -> None:
    weights = weights_of(2, "all", (1, 1e5))
    assert weights.tolist() == [[0, UNIT, 0], [0, 0, 0], [0, UNIT, 0]]
