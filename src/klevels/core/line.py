"""A histogram as the kernel's weighted line: levels less their mean, each an unevaluated sum of two doubles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.histogram import Histogram
from klevels.core.keys import bin_origins

Doubles = NDArray[np.float64]


def line_of(histogram: Histogram) -> tuple[NDArray[np.int64], Doubles, Doubles, Doubles, Doubles]:
    """Return counts, centered levels and the bins' rests, scaled by a power of two so that nothing over- or underflows.

    Parameters
    ----------
    histogram : Histogram
        To be clustered.

    Returns
    -------
    tuple of ndarray
        counts, offsets (high, low), rests (high, low), each of shape (n,). Scaling changes no cut.
    """
    origins, steps = bin_origins(histogram.keys, histogram.dtype, histogram.shift)
    high, low, exponent = _centered(origins, histogram)
    if histogram.shift == 0:
        nothing = np.zeros(len(high))
        return histogram.counts, high, low, nothing, nothing
    words = histogram.rests[:, :2]
    # Both words in halves of 32 bits: each is exact as a double, and their sum loses nothing that 106 bits could hold.
    halves = [(words[:, w] >> np.uint64(s) & np.uint64(0xFFFFFFFF)).astype(np.float64) for w in (1, 0) for s in (32, 0)]
    rest, rest_low = np.zeros(len(high)), np.zeros(len(high))
    for half, weight in zip(halves, (2.0**96, 2.0**64, 2.0**32, 1.0), strict=True):
        rest, error = _two_sum(rest, half * weight)
        rest_low = rest_low + error
    return histogram.counts, high, low, np.ldexp(rest * steps, -exponent), np.ldexp(rest_low * steps, -exponent)


def excess_bounds(histogram: Histogram, ks: Sequence[int]) -> list[float]:
    """Bound how much binning can have cost: the inertia less that of the optimum on unbinned data, for each k.

    Parameters
    ----------
    histogram : Histogram
        n levels or bins.
    ks : sequence of int
        Numbers of classes.

    Returns
    -------
    list of float
        In squared gray values; 0.0 where nothing was binned or k is 1.

    Notes
    -----
    Take the optimum on unbinned data. Where a threshold t lies inside a bin of width w with n voxels, give the whole
    bin to the class below or above. The cheaper way costs at most n w (c' - c), c and c' the centers on the two sides,
    and the sum over all thresholds at most (max - min) max(n w). A threshold is halfway between its centers, so c' - c
    is also at most 2 min(t - min, max - t): with k - 1 thresholds, at most k - 1 times the greatest such term. The
    smaller bound holds. A single hot voxel makes the first bound large but not the second.
    """
    width = histogram.bin_width
    if width is None:
        return [0.0] * len(ks)
    low, high = histogram.bounds
    with np.errstate(over="ignore"):
        weight = width * histogram.counts
        whole = float((high[-1] - low[0]) * weight.max())
        each = float((2 * np.minimum(high - low[0], high[-1] - low) * weight).max())
    return [min(whole, (k - 1) * each) for k in ks]


def _centered(origins: NDArray[Any], histogram: Histogram) -> tuple[Doubles, Doubles, int]:
    if origins.dtype.kind == "i":
        middle = round(float(np.average(origins.astype(np.float64), weights=histogram.counts.astype(np.float64))))
        span = max(abs(int(origins[0]) - middle), abs(int(origins[-1]) - middle))
        if span < 2**53:
            return (origins - middle).astype(np.float64), np.zeros(len(origins)), 0
        exact = [int(x) - middle for x in origins.tolist()]
        high = np.array([float(x) for x in exact])
        return high, np.array([float(x - int(h)) for x, h in zip(exact, high.tolist(), strict=True)]), 0
    exponent = int(np.frexp(np.abs(origins[[0, -1]]).max())[1])
    scaled = np.ldexp(origins, -exponent)
    center = float(np.average(scaled, weights=histogram.counts.astype(np.float64)))
    high, low = _two_sum(scaled, np.full(len(scaled), -center))
    return high, low, exponent


def _two_sum(a: Doubles, b: Doubles) -> tuple[Doubles, Doubles]:
    """Return a + b and its rounding error, exactly."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)
