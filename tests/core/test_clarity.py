"""How far classes stand apart, and how deep the valleys are between them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import klevels
from klevels.core.clarity import separation, valley_ratio
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels


def two_peaks(sigma: float, dtype: str = "uint16") -> tuple[Histogram, Levels]:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(center, sigma, 50_000) for center in (10_000, 20_000)])
    counted = klevels.histogram(values.clip(0, 65535).astype(dtype))
    return counted, klevels.fit_levels(counted, 2)


@pytest.mark.parametrize("sigma", [500.0, 1000.0, 2000.0])
def test_separation_is_the_gap_in_units_of_the_spread(sigma: float) -> None:
    _, levels = two_peaks(sigma)
    assert separation(levels) == pytest.approx(10_000 / sigma, rel=0.05)


def test_the_least_gap_counts() -> None:
    levels = Levels([0, 10, 100], [5, 50], [10, 10, 10], 120, 1e5)
    assert separation(levels) == 5.0


def test_separation_without_spread_or_with_one_class_is_infinite() -> None:
    assert separation(Levels([0, 10], [5], [3, 3], 0, 150)) == math.inf
    assert separation(Levels([5], [], [6], 150, 150)) == math.inf


def test_the_valley_is_that_of_two_gaussians() -> None:
    counted, levels = two_peaks(2500.0)
    width = math.hypot(2500.0, 10_000 / 16)  # of a peak, smoothed
    x = np.array([15_000.0, 10_000.0])
    density = sum(np.exp(-0.5 * ((x - center) / width) ** 2) for center in (10_000, 20_000))
    assert valley_ratio(counted, levels) == pytest.approx(density[0] / density[1], abs=0.04)


def test_valleys_deepen_as_peaks_sharpen() -> None:
    ratios = [valley_ratio(*two_peaks(sigma)) for sigma in (500.0, 1500.0, 2500.0, 3500.0, 6000.0)]
    assert ratios == sorted(ratios)
    assert ratios[0] < 1e-6
    assert ratios[-1] > 0.9


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_the_dtype_does_not_matter(dtype: str) -> None:
    assert valley_ratio(*two_peaks(2500.0, dtype)) == pytest.approx(valley_ratio(*two_peaks(2500.0)), abs=1e-3)


@pytest.mark.parametrize("step", [1, 7, 16])
def test_a_comb_of_levels_has_no_valleys_of_its_own(step: int) -> None:
    grays = np.arange(0, 101 * step, step)
    counts = np.rint(1e6 * np.exp(-0.5 * ((grays / step - 50) / 40) ** 2)).astype(np.int64)
    counted = Histogram.of(grays, counts)
    assert valley_ratio(counted, klevels.fit_levels(counted, 8)) > 0.85


def test_a_single_class_has_no_valley() -> None:
    counted = Histogram.of([1, 2, 3])
    assert valley_ratio(counted, klevels.fit_levels(counted, 1)) == 0.0


def test_one_level_for_each_class_has_empty_valleys() -> None:
    counted = Histogram.of([0, 100], counts=[5, 9])
    assert valley_ratio(counted, klevels.fit_levels(counted, 2)) < 1e-3


def test_the_scale_of_gray_does_not_matter() -> None:
    counted, levels = two_peaks(2500.0, "float64")
    shifted = Histogram.of(counted.levels * 1e-3 + 7, counted.counts)
    moved = klevels.fit_levels(shifted, 2)
    assert valley_ratio(shifted, moved) == pytest.approx(valley_ratio(counted, levels), rel=1e-3)
