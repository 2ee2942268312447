"""Voxels far from all others, such as fill values, cost the others no precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.count import histogram
from klevels.core.cuts import optimal_edges
from klevels.core.fit import fit_levels, fit_path
from klevels.core.histogram import Histogram
from reference import best_cuts, inertia_of_cuts

HUGE = float(np.finfo(np.float32).max)


@pytest.mark.parametrize(
    "far",
    [[1e30], [-1e30], [-1e30, 1e30], [-HUGE, HUGE], [-HUGE] * 50, [1e30, 2e30, 3e10], [-3e20, -2e30, -1e30, 1e15]],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_voxels_do_not_move_the_other_classes(far: list[float], dtype: type) -> None:
    rng = np.random.default_rng(3)
    near = rng.normal(rng.choice([1.0, 2.0, 3.0], 20_000), 0.1).astype(dtype)
    alone = fit_path(histogram(near), 5)
    n_far, n_below = len(set(far)), len({x for x in far if x < 0})
    together = fit_path(histogram(np.append(near, far).astype(dtype)), 5 + n_far)
    for fitted, expected in zip(together[n_far:], alone, strict=True):
        assert fitted.centers[n_below : n_below + expected.k].tolist() == expected.centers.tolist()
        assert fitted.inertia == expected.inertia


@pytest.mark.parametrize("value", [1e200, -1e300, np.finfo(np.float64).max])
def test_as_far_as_float64_goes(value: float) -> None:
    near = np.random.default_rng(3).normal(0, 1, 3000)
    assert fit_levels(Histogram.of(np.append(near, value)), 4).inertia == fit_levels(Histogram.of(near), 3).inertia


def test_far_integers() -> None:
    near = np.arange(3000) % 97
    fitted = fit_levels(histogram(np.append(near, [2**52, -(2**52)])), 6)
    assert fitted.inertia == fit_levels(histogram(near), 4).inertia


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1e-20, 1.0, -1e10, 1e10, 1e25, -1e38]), st.integers(-8, 8)),
        min_size=2,
        max_size=9,
        unique=True,
    ),
    st.data(),
)
def test_equals_brute_force_on_clusters_of_any_magnitude(parts: list[tuple[float, int]], data: st.DataObject) -> None:
    values = np.unique([center + step * max(abs(center), 1e-30) * 2.0**-20 for center, step in parts])
    counts = data.draw(st.lists(st.integers(1, 10**6), min_size=len(values), max_size=len(values)))
    h = Histogram.of(values, counts)
    levels = values.tolist()
    for k in range(1, len(levels) + 1):
        edges = optimal_edges(h, [k], 1)[0]
        assert edges[0] == 0
        assert edges[-1] == len(levels)
        assert inertia_of_cuts(levels, counts, tuple(edges[1:-1])) == best_cuts(levels, counts, k)[0]


def test_values_over_all_magnitudes() -> None:
    """More gaps than are looked at: the classes are still sound."""
    rng = np.random.default_rng(1)
    values = 10.0 ** rng.uniform(-30, 30, 500) * rng.choice([-1, 1], 500)
    path = fit_path(Histogram.of(values), 40)
    assert [levels.k for levels in path] == list(range(1, 41))
    assert (np.diff([levels.inertia for levels in path]) < 0).all()
