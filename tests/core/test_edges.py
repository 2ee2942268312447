"""How much of the steps between phases a filter leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from klevels.core.edges import edges_kept
from klevels.samples import simulate_phases


def phases(noise: float, shape: tuple[int, ...] = (40, 40, 40)) -> tuple[np.ndarray, np.ndarray]:
    scan = simulate_phases(shape, noise=noise, blur=0.6, length=5, seed=2)
    return np.asarray(scan.image.data, np.float64), np.asarray(scan.truth.data)


@pytest.mark.parametrize("shape", [(40, 40, 40), (150, 150)])
def test_blur_lowers_it_and_the_more_the_stronger(shape: tuple[int, ...]) -> None:
    raw, truth = phases(0.0, shape)
    kept = [edges_kept(raw, ndimage.gaussian_filter(raw, sigma), truth, 3) for sigma in (0.0, 0.5, 0.8, 1.2, 2.0)]
    assert kept[0] == 1.0
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] < 0.4


@pytest.mark.parametrize("noise", [1000.0, 4000.0, 8000.0])
def test_noise_alone_does_not_change_it(noise: float) -> None:
    clean, truth = phases(0.0)
    noisy, _ = phases(noise)
    assert edges_kept(clean, noisy, truth, 3) > 0.98
    assert edges_kept(noisy, clean, truth, 3) > 0.98


def brute_force(raw: np.ndarray, clean: np.ndarray, labels: np.ndarray, n: int) -> float:
    sums = [0.0, 0.0]
    for at in np.ndindex(raw.shape):
        for axis in range(raw.ndim):
            to = tuple(i + (a == axis) for a, i in enumerate(at))
            if to[axis] == raw.shape[axis] or max(labels[at], labels[to]) >= n or labels[at] == labels[to]:
                continue
            sign = 1.0 if labels[to] > labels[at] else -1.0
            for i, values in enumerate((raw, clean)):
                sums[i] += sign * (float(values[to]) - float(values[at]))
    return min(max(sums[1] / sums[0], 0.0), 1.0) if sums[0] > 0 else 1.0


@given(st.integers(0, 2**32 - 1), st.sampled_from([(7, 9), (4, 5, 6), (1, 8), (3, 1, 5)]))
def test_it_is_the_sum_over_all_faces(seed: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), shape)
    raw, clean = (rng.integers(0, 1000, shape).astype(np.uint16) for _ in range(2))
    assert edges_kept(raw, clean, labels, 3) == pytest.approx(brute_force(raw, clean, labels, 3), abs=1e-9)


@pytest.mark.parametrize("labels", [np.zeros((3, 4), np.uint8), np.full((3, 4), 255, np.uint8)])
def test_without_an_edge_none_is_lost(labels: Any) -> None:
    raw = np.arange(12.0).reshape(3, 4)
    assert edges_kept(raw, raw * 0, labels, 2) == 1.0


def test_nan_outside_does_not_count() -> None:
    raw = np.array([[0.0, 4.0, np.nan]])
    assert edges_kept(raw, raw / 2, np.array([[0, 1, 255]], np.uint8), 2) == 0.5
