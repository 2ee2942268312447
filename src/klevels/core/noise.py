"""Where noise (empty space, voids) ends and signal begins."""

from __future__ import annotations

import math
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.errors import DataError, NoValleyError, ParameterError

NoiseMethod = Literal["valley", "kmeans", "minimum-error"]
NOISE_METHODS: tuple[NoiseMethod, ...] = ("valley", "kmeans", "minimum-error")

N_SMOOTH_BINS = 256
SMOOTHING = 2.0
"""Standard deviation, in bins of the 256, of the Gaussian that the valley is looked for with."""
OUTERMOST = 1e-4
"""The share of voxels at either end of the histogram in which no peak is looked for."""


def split_noise(histogram: Histogram, method: NoiseMethod | float = "valley") -> float:
    """Find the gray value at which noise ends and signal begins.

    Parameters
    ----------
    histogram : Histogram
        With the noise as its darkest part.
    method : {"valley", "kmeans", "minimum-error"} or float
        "valley": the lowest point between the darkest peak and the next, on 256 smoothed bins; values that were
        clipped to the darkest level belong to the peak on whose slope they stand. "kmeans": between two
        classes of least squared error, which is Otsu's threshold. "minimum-error": between two normal distributions,
        after Kittler and Illingworth [1]_. A number is taken as it is.

    Returns
    -------
    float
        Voxels up to this gray value are noise.

    Raises
    ------
    ParameterError
        If the method is unknown, or the number not finite.
    NoValleyError
        If the histogram has only one peak, or no two normal distributions fit it.
    TooFewLevelsError
        If there is only one gray level.

    References
    ----------
    .. [1] J. Kittler and J. Illingworth, "Minimum error thresholding", Pattern Recognition 19(1), 1986.

    Examples
    --------
    >>> split_noise(Histogram.of([0, 1, 2, 10, 11, 12], [5, 30, 5, 8, 50, 8]), "kmeans")
    6.0
    """
    if isinstance(method, str):
        if method == "valley":
            return _valley(histogram)
        if method == "kmeans":
            return float(fit_levels(histogram, 2).thresholds[0])
        if method == "minimum-error":
            return _minimum_error(histogram)
        raise ParameterError(f"noise is {method!r}; use {', '.join(NOISE_METHODS)} or a gray value")
    if isinstance(method, bool) or not isinstance(method, Real) or not math.isfinite(method):
        raise ParameterError(f"noise is {method!r}; use {', '.join(NOISE_METHODS)} or a finite gray value")
    return float(method)


def _valley(histogram: Histogram) -> float:
    counts, edges = _even_bins(histogram)
    if _is_clipped(counts):
        counts[0] = counts[1]
    cut = _lowest_between_peaks(counts)
    if cut is None:
        raise NoValleyError("the histogram has a single peak, so no valley; use kmeans, minimum-error or a gray value")
    return float(edges[cut] / 2 + edges[cut + 1] / 2)


def _is_clipped(counts: NDArray[np.float64]) -> bool:
    """Tell whether the darkest bin stands out on the slope of a peak, not apart as an empty background does."""
    if len(counts) < 3 or counts[0] <= 4 * counts[1:3].max():
        return False
    smooth = _smoothed(np.concatenate([counts[1:2], counts[1:]]))
    peaks = _significant_peaks(smooth)
    return bool(peaks) and bool(counts[1] >= 0.1 * smooth[peaks[0]])


def _lowest_between_peaks(counts: NDArray[np.float64]) -> int | None:
    """Return the lowest bin between the darkest peak and the next; the middle of several that are as low."""
    smooth = _smoothed(counts)
    peaks = _significant_peaks(smooth)
    if len(peaks) < 2:
        return None
    first, second = peaks[:2]
    between = smooth[first : second + 1]
    lowest = np.flatnonzero(between <= between.min() * (1 + 1e-9))
    return first + int(lowest[len(lowest) // 2])


def _even_bins(histogram: Histogram) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count in up to 256 bins of equal width; the outermost 0.01 % on either side are left out, and stretch nothing."""
    levels = histogram.levels.astype(np.float64)
    if len(levels) < 2:
        raise NoValleyError("there is a single gray level, so no valley; use an image with noise and signal")
    so_far = np.cumsum(histogram.counts) / histogram.n_voxels
    first = min(int(np.searchsorted(so_far, OUTERMOST)), len(levels) - 2)
    last = max(int(np.searchsorted(so_far, 1 - OUTERMOST)), first + 1)
    levels, counts = levels[first : last + 1], histogram.counts[first : last + 1]
    low, high = levels[0], levels[-1]
    n_bins = N_SMOOTH_BINS
    if histogram.levels.dtype.kind == "i":  # as many whole levels in each bin as in the others: no comb
        step = max(1, math.ceil((high - low + 1) / N_SMOOTH_BINS))
        n_bins = math.ceil((high - low + 1) / step)
        edges = float(low) - 0.5 + step * np.arange(n_bins + 1)
    else:
        edges = np.linspace(low, high, n_bins + 1)
    where = np.clip(np.searchsorted(edges, levels, side="right") - 1, 0, n_bins - 1)
    return np.bincount(where, counts, n_bins).astype(np.float64), edges


def _smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    reach = math.ceil(4 * SMOOTHING)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTHING) ** 2)
    kernel /= kernel.sum()
    return np.convolve(np.pad(counts, reach, mode="reflect" if len(counts) > reach else "edge"), kernel, mode="valid")


def _significant_peaks(smooth: NDArray[np.float64]) -> list[int]:
    """Return the peaks, from dark to bright, that chance cannot explain.

    A peak's persistence is its height above the higher of the saddles that part it from higher peaks. It must be a
    twentieth of the height, and four standard deviations of a smoothed Poisson count of that height.
    """
    spread = 1 / math.sqrt(2 * math.sqrt(math.pi) * SMOOTHING)
    owner = np.full(len(smooth), -1)
    persistence: dict[int, float] = {}
    for i in np.argsort(-smooth, kind="stable").tolist():  # flooding from the top: each bin joins the peak beside it
        beside = {int(owner[j]) for j in (i - 1, i + 1) if 0 <= j < len(smooth) and owner[j] >= 0}
        if not beside:
            owner[i] = i
            persistence[i] = float(smooth[i])
            continue
        highest = max(beside, key=lambda peak: (smooth[peak], -peak))
        for peak in beside - {highest}:
            persistence[peak] = float(smooth[peak] - smooth[i])
            owner[owner == peak] = highest
        owner[i] = highest
    return sorted(
        peak
        for peak, rise in persistence.items()
        if rise > max(0.05 * smooth[peak], 4 * spread * math.sqrt(smooth[peak]))
    )


def _minimum_error(histogram: Histogram) -> float:
    """Return the deepest inner minimum of the criterion J over all cuts between neighboring levels."""
    levels = histogram.levels.astype(np.float64)
    weights = histogram.counts / histogram.n_voxels
    centered = levels - np.sum(weights * levels)
    # Rounding to whole numbers adds a variance of 1/12, and keeps a class of one level from looking infinitely sharp.
    quantum = 1.0 if histogram.levels.dtype.kind == "i" else float(np.diff(levels).min(initial=np.inf))
    floor = quantum**2 / 12 if math.isfinite(quantum) else 0.0
    p = np.cumsum(weights)[:-1]
    first, second = np.cumsum(weights * centered)[:-1], np.cumsum(weights * centered**2)[:-1]
    total = float(np.sum(weights * centered**2))
    q = 1 - p
    with np.errstate(divide="ignore", invalid="ignore"):
        low = second / p - (first / p) ** 2 + floor
        high = (total - second) / q - (first / q) ** 2 + floor
        j = 1 + p * np.log(low) + q * np.log(high) - 2 * (p * np.log(p) + q * np.log(q))
    j[~np.isfinite(j)] = np.inf
    inner = np.flatnonzero((j[1:-1] < j[:-2]) & (j[1:-1] <= j[2:])) + 1
    if len(inner) == 0:
        raise NoValleyError("no two normal distributions fit the histogram; use valley, kmeans or a gray value")
    cut = int(inner[np.argmin(j[inner])])
    if not math.isfinite(j[cut]):
        raise DataError("the histogram has too few levels for minimum-error; use kmeans or a gray value")
    return float(levels[cut] / 2 + levels[cut + 1] / 2)
