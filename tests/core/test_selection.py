"""What each k explains equals the textbook definitions on the expanded data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.count import histogram
from klevels.core.fit import fit_path
from klevels.core.histogram import Histogram
from klevels.core.selection import choose_k
from klevels.errors import ParameterError, TooFewLevelsError
from reference import assert_same_levels
from strategies import weighted_levels


def _silhouette(values: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean silhouette by its definition, in O(n**2)."""
    distance = np.abs(values[:, None] - values[None, :]).astype(np.float64)
    scores = []
    for i, own in enumerate(labels):
        n_own = np.count_nonzero(labels == own)
        a = distance[i, labels == own].sum() / max(n_own - 1, 1)
        b = min(distance[i, labels == other].mean() for other in np.unique(labels) if other != own)
        scores.append(0.0 if n_own == 1 else (b - a) / max(a, b))
    return float(np.mean(scores))


@given(weighted_levels(min_levels=3, max_levels=12, span=1000), st.sampled_from([0, 10**9]))
def test_silhouette_equals_its_definition(weighted: tuple[list[int], list[int]], offset: int) -> None:
    values = np.repeat(*weighted) + offset
    sweep = choose_k(histogram(values), len(weighted[0]))
    assert math.isnan(sweep.silhouette[0])
    for levels, found in zip(sweep.levels[1:], sweep.silhouette[1:], strict=True):
        assert found == pytest.approx(_silhouette(values, levels.classify(values)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("offset", [0, 10**6])
def test_silhouette_equals_scikit_learn(offset: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(rng.choice([50, 100, 180], 1500), 12)).astype(np.int32) + offset
    sweep = choose_k(histogram(values), 7)
    for levels, found in zip(sweep.levels[1:], sweep.silhouette[1:], strict=True):
        theirs = metrics.silhouette_score(values[:, None].astype(np.float64), levels.classify(values))
        assert found == pytest.approx(theirs, rel=1e-9)
    assert sweep.advice["silhouette"] == 3


def test_silhouette_with_counts_beyond_the_precision_of_float64() -> None:
    h = Histogram.of([0, 1, 50, 51], [2**60, 1, 1, 2**60])
    near = choose_k(h, 2).silhouette[1]
    assert near == pytest.approx(1.0, abs=1e-9)


def test_silhouette_of_float_bins() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(rng.choice([0.0, 5.0], 150_000), 1.0)
    h = histogram(values)
    assert h.shift > 0
    rounded = choose_k(histogram(np.round(values, 3)), 4)
    assert choose_k(h, 4).silhouette[1:] == pytest.approx(rounded.silhouette[1:], rel=1e-3)


@given(weighted_levels(max_levels=12, max_count=50))
def test_inertia_and_bic_by_their_definitions(weighted: tuple[list[int], list[int]]) -> None:
    h = Histogram.of(*weighted)
    sweep = choose_k(h, h.n_levels)
    for a, b in zip(sweep.levels, fit_path(h, h.n_levels), strict=True):
        assert_same_levels(a, b)
    assert sweep.k.tolist() == list(range(1, h.n_levels + 1))
    total = sweep.inertia[0]
    assert sweep.explained_variance == pytest.approx(1 - sweep.inertia / total if total else np.ones(1))
    for levels, bic in zip(sweep.levels, sweep.bic, strict=True):
        n, k, inertia = h.n_voxels, levels.k, levels.inertia
        if inertia == 0 or n <= k:
            assert bic == -math.inf
            continue
        variance = inertia / (n - k)
        log_likelihood = sum(c * math.log(c / n) for c in levels.counts.tolist())
        log_likelihood -= n / 2 * math.log(2 * math.pi * variance) + inertia / (2 * variance)
        assert bic == pytest.approx(2 * k * math.log(n) - 2 * log_likelihood, rel=1e-9, abs=1e-6)


def test_advice_on_clear_phases() -> None:
    rng = np.random.default_rng(2)
    values = np.round(rng.normal(rng.choice([20, 120, 220], 5000), 4)).astype(np.int16)
    advice = choose_k(histogram(values), 8).advice
    assert advice == {"bic": 3, "silhouette": 3}
    assert choose_k(Histogram.of([3]), 1).advice["silhouette"] is None


def test_with_noise_the_criteria_are_those_of_the_signal() -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 20, 4000)
    signal = np.round(rng.normal(rng.choice([100, 160], 3000), 8)).astype(np.int64)
    both = choose_k(histogram(np.concatenate([noise, signal])), 5, noise_threshold=50)
    alone = choose_k(histogram(signal), 5)
    assert both.bic == pytest.approx(alone.bic, rel=1e-9)
    assert both.silhouette[1:] == pytest.approx(alone.silhouette[1:], rel=1e-9)
    assert both.advice == alone.advice


def test_bad_k_is_refused() -> None:
    h = Histogram.of([1, 2, 3])
    with pytest.raises(TooFewLevelsError, match=r"k is 16, .* gray levels is 3; give k <= 3"):
        choose_k(h, 16)
    assert len(choose_k(h).levels) == 3
    with pytest.raises(ParameterError, match="k is 0"):
        choose_k(h, 0)
