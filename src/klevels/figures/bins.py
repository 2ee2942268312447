"""Histograms rebinned for drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_BINS = 256
EXACT_INTEGERS = 2.0**53  # float64 holds every integer up to here


def rebin(
    levels: NDArray[np.generic], counts: NDArray[np.int64], n_bins: int = N_BINS
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Gather levels into a few bins of equal width.

    Parameters
    ----------
    levels : ndarray, shape (n,)
        Ascending gray levels.
    counts : ndarray of int64, shape (n,)
        Voxels at each level.
    n_bins : int
        How many bins there may be.

    Returns
    -------
    edges : ndarray of float64, shape (bins + 1,)
        Bin edges.
    totals : ndarray of int64, shape (bins,)
        Voxels in each bin; they add up to those of `counts`.

    Notes
    -----
    On integer levels a bin holds a whole number of the steps that occur (their greatest common divisor), as few as will
    do; bins of a fractional width would hold unequal numbers of levels and draw a comb that is not in the data.
    """
    if _are_integers(levels):
        start, step, per_bin, index = _integer_bins(levels.astype(np.int64), n_bins)
        edges = start + step * (per_bin * np.arange(index[-1] + 2, dtype=np.float64) - 0.5)
    else:
        edges, index = _float_bins(levels.astype(np.float64), n_bins)
    totals = np.zeros(edges.size - 1, np.int64)
    np.add.at(totals, index, counts)
    return edges, totals


def _are_integers(levels: NDArray[np.generic]) -> bool:
    if levels.dtype.kind in "iub":
        return True
    values = levels.astype(np.float64)
    return bool(np.all(np.abs(values) < EXACT_INTEGERS) and np.all(values == np.rint(values)))


def _integer_bins(levels: NDArray[np.int64], n_bins: int) -> tuple[int, int, int, NDArray[np.int64]]:
    steps = levels - levels[0]
    step = int(np.gcd.reduce(steps)) or 1
    per_bin = -(-(int(steps[-1]) // step + 1) // n_bins)
    return int(levels[0]), step, per_bin, steps // (step * per_bin)


def _float_bins(levels: NDArray[np.float64], n_bins: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    low, high = float(levels[0]), float(levels[-1])
    half = high / 2 - low / 2  # high - low may overflow
    if half == 0:
        margin = max(abs(low), 1.0) / 2
        return np.array([low - margin, high + margin]), np.zeros(levels.size, np.int64)
    position = (levels / 2 - low / 2) / half
    index = np.minimum((position * n_bins).astype(np.int64), n_bins - 1)
    fraction = np.linspace(0.0, 1.0, n_bins + 1)
    return low * (1 - fraction) + high * fraction, index
