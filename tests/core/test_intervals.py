"""Intervals hold what each alternative finds, to the voxel."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.confidence import low_share
from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.core.intervals import Alternative, intervals
from klevels.core.levels import Levels
from klevels.errors import ParameterError
from strategies import weighted_levels


def _by_name(levels: Levels, h: Histogram, noise: float, **kwargs: object) -> dict[str, Alternative]:
    return {other.name: other for other in intervals(levels, h, noise, **kwargs).alternatives}  # type: ignore[arg-type]


@given(weighted_levels(min_levels=4, max_levels=14), st.integers(1, 4), st.integers(0, 30), st.booleans())
def test_every_voxel_is_counted_once(weighted: tuple[list[int], list[int]], k: int, noise: int, split: bool) -> None:
    values = np.repeat(*weighted)
    h = histogram(values)
    dark = float(weighted[0][0]) if split and k < len(weighted[0]) else None
    levels = fit_levels(h, k, noise_threshold=dark)
    found = intervals(levels, h, noise, raw=h)
    for other in found.alternatives:
        assert other.counts is not None
        assert other.thresholds is not None
        assert sum(other.counts) == values.size
        assert other.fractions == tuple(count / values.size for count in other.counts)
        assert list(other.thresholds) == sorted(other.thresholds)
        assert dark is None or other.thresholds[0] == dark
        labels = np.searchsorted(other.thresholds, values)
        assert np.bincount(labels, minlength=levels.n_classes).tolist() == list(other.counts)
    for j, phase in enumerate(found.phases):
        shares = {other.name: other.fractions[j] for other in found.alternatives}
        assert phase.fraction == levels.fractions[j]
        assert (phase.low, phase.high) == (min(shares.values()), max(shares.values()))
        assert (shares[phase.low_from], shares[phase.high_from]) == (phase.low, phase.high)
    names = [other.name for other in found.alternatives]
    assert ("k = 1" in names) is False
    assert (f"k = {k - 1}" in names) is (k > 2)
    assert (f"k = {k + 1}" in names) is (k < len(weighted[0]) - (dark is not None))


def test_thresholds_by_hand() -> None:
    h = Histogram.of(np.arange(101))
    levels = fit_levels(h, 3)
    low, high = levels.thresholds.tolist()
    found = _by_name(levels, h, 10.0)
    assert list(found) == [
        "the answer",
        "thresholds −½ noise",
        "thresholds +½ noise",
        "thresholds ∓½ noise by turns",
        "thresholds ±½ noise by turns",
        "k = 2",
        "k = 4",
    ]
    assert found["thresholds −½ noise"].thresholds == (low - 5, high - 5)
    assert found["thresholds +½ noise"].thresholds == (low + 5, high + 5)
    assert found["thresholds ∓½ noise by turns"].thresholds == (low - 5, high + 5)
    assert found["thresholds ±½ noise by turns"].thresholds == (low + 5, high - 5)
    assert list(_by_name(fit_levels(h, 2), h, 1)) == ["the answer", *list(found)[1:3], "k = 3"]
    assert list(_by_name(fit_levels(h, 1), h, 1)) == ["the answer", "k = 2"]


def test_what_changes_hands_has_a_low_margin() -> None:
    rng = np.random.default_rng(0)
    h = histogram(rng.normal(rng.choice([1000, 2000], 10_000), 150).round().astype(np.uint16))
    levels = fit_levels(h, 2)
    found = _by_name(levels, h, 301.5)
    change = found["thresholds +½ noise"].fractions[0] - found["thresholds −½ noise"].fractions[0]
    assert change == pytest.approx(low_share(h, levels.centers, 301.5), abs=1e-12)


def test_thresholds_that_would_pass_meet() -> None:
    h = Histogram.of(np.arange(31))
    levels = fit_levels(h, 3)
    found = _by_name(levels, h, 40.0)["thresholds ±½ noise by turns"]
    assert found.thresholds == (levels.thresholds.mean(),) * 2
    assert found.counts is not None
    assert found.counts[1] == 0


def test_the_noise_threshold_stays() -> None:
    h = Histogram.of([0, 1, 2, 10, 12, 20, 22, 30], counts=[50, 9, 8, 7, 6, 5, 4, 3])
    levels = fit_levels(h, 2, noise_threshold=2)
    for other in intervals(levels, h, 100.0, raw=h).alternatives:
        assert other.thresholds is not None
        assert other.thresholds[0] == 2
        assert other.counts is not None
        assert other.counts[0] == 67
    no_noise = Histogram.of([10, 12, 20, 22, 30])
    assert "no denoising" not in _by_name(levels, h, 1, raw=no_noise)
    assert "no denoising" not in _by_name(levels, h, 1, raw=Histogram.of([0, 9]))


def test_more_classes_are_grouped_by_the_nearest_phase() -> None:
    h = Histogram.of([0, 10, 50, 100], counts=[20, 20, 20, 20])
    levels = fit_levels(h, 3)
    assert levels.centers.tolist() == [5, 50, 100]
    found = _by_name(levels, h, 0)["k = 4"]
    assert found.counts == (40, 20, 20)
    moved = replace(levels, centers=np.array([5.0, 95.0, 105.0]), thresholds=np.array([50.0, 100.0]))
    halfway = _by_name(moved, h, 0)["k = 4"]
    assert halfway.counts == (
        60,
        20,
        0,
    )  # 50 is as near to 5 as to 95, 100 as near to 95 as to 105: the darker get them


def test_a_phase_without_a_class_shares_one() -> None:
    h = Histogram.of([0, 100, 120, 130], counts=[50, 20, 10, 10])
    levels = fit_levels(h, 3)
    assert levels.counts.tolist() == [50, 20, 20]
    found = _by_name(levels, h, 0)["k = 2"]  # the bright class has its center at 112.5, nearer to 100 than to 125
    assert found.counts == (50, 20, 20)
    assert found.thresholds == (56.25, levels.thresholds[1])
    mirrored = Histogram.of([0, 10, 30, 130], counts=[10, 10, 20, 50])
    levels = fit_levels(mirrored, 3)
    found = _by_name(levels, mirrored, 0)["k = 2"]
    assert levels.counts.tolist() == [20, 20, 50]
    assert found.counts == (20, 20, 50)


def test_raw_and_other_alternatives() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice([1000.0, 2000.0], 10_000, p=[0.2, 0.8])
    raw, clean = (histogram((values + rng.normal(0, s, 10_000)).round().astype(np.uint16)) for s in (150, 50))
    levels = fit_levels(clean, 2)
    other = {"no smoothing": [0.19, 0.81], "by hand": [3, 1]}
    found = intervals(levels, clean, 50, raw=raw, other=other)
    assert found.alternatives[-3].fractions == tuple(fit_levels(raw, 2).fractions)
    assert found.alternatives[-2] == Alternative("no smoothing", (0.19, 0.81))
    assert found.alternatives[-1] == Alternative("by hand", (0.75, 0.25), (3, 1))
    assert (found.phases[0].high, found.phases[0].high_from) == (0.75, "by hand")
    smoothed = replace(levels, counts=np.array([1950, 8050]))
    assert intervals(smoothed, clean, 50).phases[0].fraction == 0.195
    described = found.to_dict()
    assert json.loads(json.dumps(described)) == described
    assert described["phases"][0]["high_from"] == "by hand"
    assert described["alternatives"][-1] == {
        "name": "by hand",
        "fractions": [0.75, 0.25],
        "counts": [3, 1],
        "thresholds": None,
    }


def test_many_voxels_stay_exact() -> None:
    h = Histogram.of([0, 10, 20], counts=[2**60, 2**61 + 1, 1])
    counts = intervals(fit_levels(h, 2), h, 5).alternatives[1].counts
    assert counts is not None
    assert sum(counts) == 2**60 + 2**61 + 2


def test_bad_input() -> None:
    h = Histogram.of([0, 1, 9])
    levels = fit_levels(h, 2)
    for noise in (-1.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match="noise is"):
            intervals(levels, h, noise)
    for wrong in ([0.5], [0.5, 0.4], [1.5, -0.5], [-1, 2], [np.nan, 1], ["a", "b"], []):
        with pytest.raises(ParameterError, match=r"'mine' has the fractions .*one for each of 2 phases"):
            intervals(levels, h, 1, other={"mine": wrong})
