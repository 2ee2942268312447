"""Clarity: how far the classes of a histogram stand apart, and how deep the valleys between them are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from klevels.core.histogram import Histogram
from klevels.core.levels import Levels

WIDTH = 1 / 16
"""Of the kernel that smooths the histogram, in distances between two centers: finer than any peak worth the name."""
STEPS = 1.5
"""It is at least so many steps between levels wide, so that a comb of levels is no row of valleys."""
BINS_IN_GAP = 128
N_PLACES = 129
"""Where the density of two classes is looked at; from half a distance below the one to half above the other."""

Floats = NDArray[np.float64]


def separation(levels: Levels) -> float:
    """Return the least gap between neighboring centers, in units of the spread within classes.

    Parameters
    ----------
    levels : Levels
        With the counts and the inertia of the data.

    Returns
    -------
    float
        The sensitivity index d' of the two classes that are hardest to tell apart, with the spread of all classes
        pooled. Infinite where there is no spread, or only one class.

    Examples
    --------
    >>> separation(Levels([10, 30], [20], [50, 50], inertia=1600, total_inertia=11600))
    5.0
    """
    spread = math.sqrt(levels.inertia / max(1, int(levels.counts.sum())))
    gaps = np.diff(levels.centers)
    return float(gaps.min()) / spread if gaps.size and spread > 0 else math.inf


def valley_ratio(histogram: Histogram, levels: Levels) -> float:
    """Return how high the valleys between classes are, relative to the peaks beside them.

    Parameters
    ----------
    histogram : Histogram
        Of the data.
    levels : Levels
        Classes of its levels.

    Returns
    -------
    float
        0 where the valleys are empty, 1 where there are none; the mean over all pairs of neighboring classes. 0 for a
        single class.

    Notes
    -----
    Between two centers the histogram is smoothed by a Gaussian with a standard deviation of a sixteenth of their
    distance. A peak is the highest point of a class within half that distance beyond its center, the valley the lowest
    point between the two peaks, and the ratio that of the valley to the lower peak.

    Examples
    --------
    >>> from klevels import fit_levels
    >>> for between in (0, 2, 8):
    ...     h = Histogram.of(np.arange(40), counts=[8] * 10 + [between] * 20 + [8] * 10)
    ...     print(round(valley_ratio(h, fit_levels(h, 2)), 2))
    0.0
    0.24
    0.99
    """
    if levels.n_classes < 2:
        return 0.0
    grays, weights = np.asarray(histogram.levels, np.float64), np.asarray(histogram.counts, np.float64)
    pairs = zip(levels.centers[:-1].tolist(), levels.centers[1:].tolist(), levels.thresholds.tolist(), strict=True)
    return float(np.mean([_ratio(grays, weights, *pair) for pair in pairs]))


def _ratio(grays: Floats, weights: Floats, low: float, high: float, threshold: float) -> float:
    gap = high - low
    places = np.linspace(low - gap / 2, high + gap / 2, N_PLACES)
    near = (grays >= low - gap) & (grays <= high + gap)
    if not near.any():  # centers without a level near them: nothing between
        return 0.0
    density = _density(grays[near], weights[near], places, gap)
    split = min(max(int(np.searchsorted(places, threshold, side="right")), 1), N_PLACES - 1)
    first, second = int(density[:split].argmax()), split + int(density[split:].argmax())
    lower = float(min(density[first], density[second]))
    return float(density[first : second + 1].min()) / lower if lower > 0 else 1.0


def _density(grays: Floats, weights: Floats, places: Floats, gap: float) -> Floats:
    # Of all steps between levels the usual one: an empty valley is one wide step among many.
    step = float(np.median(np.diff(grays))) if grays.size > 1 else 0.0
    width = max(WIDTH * gap, min(STEPS * step, gap / 8))
    # In bins of an eighth of the kernel at most: there may be as many levels as voxels.
    numbers = np.rint((grays - grays[0]) / gap * BINS_IN_GAP).astype(np.int64)
    totals = np.bincount(numbers, weights)
    middles = grays[0] + np.arange(totals.size) * (gap / BINS_IN_GAP)
    kernel = np.exp(-0.5 * ((places[:, None] - middles) / width) ** 2)
    return np.asarray((kernel * totals).sum(axis=1))  # in one order, whatever the number of threads
