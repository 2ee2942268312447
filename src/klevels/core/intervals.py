"""Each phase's fraction as an interval: what other thresholds, other k and other ways to the image would have found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.confidence import checked_noise
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.core.levels import MAX_CLASSES, Levels
from klevels.errors import ParameterError

ANSWER = "the answer"
SUM_WITHIN = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to the same phases, and what it finds.

    Parameters
    ----------
    name : str
        Such as "k = 4".
    fractions : tuple of float
        The share of each phase.
    counts : tuple of int or None
        The voxels of each phase, if they were counted.
    thresholds : tuple of float or None
        Between the phases, if gray values alone decide.
    """

    name: str
    fractions: tuple[float, ...]
    counts: tuple[int, ...] | None = None
    thresholds: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """The fraction of a phase, and the bounds between which the alternatives find it.

    Parameters
    ----------
    fraction : float
        The answer.
    low, high : float
        The least and the greatest fraction of all alternatives, the answer included.
    low_from, high_from : str
        The names of the alternatives that gave them; of several, the first.
    """

    fraction: float
    low: float
    high: float
    low_from: str
    high_from: str


@dataclass(frozen=True, slots=True)
class Intervals:
    """The fraction of each phase as an interval. Made by `intervals`.

    Parameters
    ----------
    phases : tuple of Interval
        One for each class, the noise included.
    alternatives : tuple of Alternative
        What gave the bounds; the first is the answer.
    """

    phases: tuple[Interval, ...]
    alternatives: tuple[Alternative, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists, ready for JSON.

        Returns
        -------
        dict
            "phases" and "alternatives", with the names of their fields.
        """
        return {
            "phases": [asdict(phase) for phase in self.phases],
            "alternatives": [
                {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(other).items()}
                for other in self.alternatives
            ],
        }


def intervals(
    levels: Levels,
    histogram: Histogram,
    noise: float,
    *,
    raw: Histogram | None = None,
    other: Mapping[str, ArrayLike] | None = None,
    threads: int | None = None,
) -> Intervals:
    """Return each phase's fraction as an interval over other thresholds, other k and other ways to the image.

    Parameters
    ----------
    levels : Levels
        The answer. Its counts are the fractions, however they were found; its thresholds begin the alternatives.
    histogram : Histogram
        Of the image that the thresholds label.
    noise : float
        Standard deviation of the noise in that image, in gray values.
    raw : Histogram, optional
        Of the image before it was denoised.
    other : mapping of str to array_like, optional
        Further alternatives by name: the counts (integers) or fractions of the phases, such as those without smoothing.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    Intervals
        The least and greatest fraction of each phase, and all alternatives.

    Raises
    ------
    ParameterError
        If the noise is not a number from 0 on, or other fractions are not one for each phase that add up to 1.

    Notes
    -----
    The alternatives are

    - every threshold moved down, and up, by half the noise; with more than two phases also by turns, so that each
      phase is once at its widest and once at its narrowest. The voxels that change hands are those with a `margins` of
      less than 1. Thresholds that would pass each other meet halfway;
    - k - 1 and k + 1 classes, the optimum for the same histogram. Each class belongs to the phase whose center is
      nearest, the darker if two are. With k - 1 classes, a phase gets none: it takes its part of the class that its
      center lies in, up to the threshold of the answer. One class is no alternative to two;
    - the same k on the histogram of the raw image, in order;
    - the others that are given.

    A noise threshold stays where it is. What cannot be fitted, for too few levels, is no alternative.

    The interval is a range of defensible answers, not a confidence interval: it has no probability, and what is wrong
    with all alternatives alike, such as the pull of a large class on thresholds where there is blur, it does not show.

    Examples
    --------
    >>> h = Histogram.of([10, 28, 34, 50], counts=[40, 5, 5, 50])
    >>> fit = fit_levels(h, 2)
    >>> found = intervals(fit, h, noise=10).phases[0]
    >>> found.low, found.fraction, found.high
    (0.4, 0.45, 0.5)
    """
    half = checked_noise(noise) / 2
    found = [_counted(ANSWER, levels.counts, levels.thresholds)]
    found += [_counted(name, _counts(histogram, moved), moved) for name, moved in _moved(levels, half)]
    for fitted in _fitted(histogram, levels, [k for k in (levels.k - 1, levels.k + 1) if k > 1], threads):
        thresholds = _as_phases(fitted, levels)
        found.append(_counted(f"k = {fitted.k}", _counts(histogram, thresholds), thresholds))
    if raw is not None:
        for fitted in _fitted(raw, levels, [levels.k], threads):
            found.append(_counted("no denoising", fitted.counts, fitted.thresholds))
    found += [_given(name, shares, levels.n_classes) for name, shares in (other or {}).items()]
    return Intervals(tuple(_interval(found, phase) for phase in range(levels.n_classes)), tuple(found))


def _moved(levels: Levels, half: float) -> Iterator[tuple[str, Floats]]:
    """Yield the thresholds moved together, and by turns."""
    n_fixed = levels.n_classes - levels.k
    fixed, free = levels.thresholds[:n_fixed], levels.thresholds[n_fixed:]
    together, turns = np.ones(free.size), np.where(np.arange(free.size) % 2, 1.0, -1.0)
    ways = {"−½ noise": -together, "+½ noise": together, "∓½ noise by turns": turns, "±½ noise by turns": -turns}
    for name, way in list(ways.items())[: 2 * min(free.size, 2)]:  # a single threshold takes no turns
        moved = free + half * way
        for first in np.flatnonzero(moved[1:] < moved[:-1]):
            moved[first : first + 2] = free[first] / 2 + free[first + 1] / 2
        if n_fixed:
            moved = np.maximum(moved, fixed)
        yield f"thresholds {name}", np.concatenate((fixed, moved))


def _fitted(histogram: Histogram, levels: Levels, ks: Iterable[int], threads: int | None) -> Iterator[Levels]:
    """Yield the optimum for each k that can be fitted."""
    noise = levels.noise_threshold
    below, signal = (None, histogram) if noise is None else histogram.split(noise)
    if signal is None or (below is None and noise is not None):
        return
    for k in ks:
        if k <= min(signal.n_levels, MAX_CLASSES):
            yield fit_levels(histogram, k, noise_threshold=noise, threads=threads)


def _as_phases(fitted: Levels, levels: Levels) -> Floats:
    """Return thresholds between the phases of `levels` that group, or divide, the classes of `fitted`."""
    n_fixed = levels.n_classes - levels.k
    fixed, free, centers = levels.thresholds[:n_fixed], levels.thresholds[n_fixed:], levels.centers[n_fixed:]
    phases = np.searchsorted(centers[:-1] / 2 + centers[1:] / 2, fitted.centers[n_fixed:])
    ends = np.concatenate(([-np.inf], fitted.thresholds[n_fixed:], [np.inf]))
    between = ends[np.searchsorted(phases, np.arange(free.size), side="right")]
    for phase in sorted({*range(levels.k)} - {*phases.tolist()}):
        end = between[phase] if phase < free.size else np.inf
        if centers[phase] < end:  # its class is a darker phase's
            between[phase - 1] = min(free[phase - 1], end)
        else:
            between[phase] = max(free[phase], end)
    return np.maximum.accumulate(np.concatenate((fixed, between)))


def _counts(histogram: Histogram, thresholds: Floats) -> NDArray[np.int64]:
    """Count each phase's voxels; a bin counts with the phase of its least value, as in `Levels.on`."""
    inner = np.searchsorted(histogram.bounds[0], thresholds, side="right")
    up_to = np.concatenate(([0], np.cumsum(histogram.counts)))
    return np.diff(up_to[np.concatenate(([0], inner, [histogram.n_levels]))])


def _counted(name: str, counts: NDArray[np.int64], thresholds: Floats | None) -> Alternative:
    wholes = [int(count) for count in counts]
    total = max(1, sum(wholes))
    moved = None if thresholds is None else tuple(thresholds.tolist())
    return Alternative(name, tuple(count / total for count in wholes), tuple(wholes), moved)


def _given(name: str, shares: ArrayLike, n_phases: int) -> Alternative:
    numbers = np.asarray(shares)
    if numbers.shape == (n_phases,) and numbers.dtype.kind in "iuf" and numbers.min() >= 0:
        if numbers.dtype.kind != "f":
            return _counted(name, numbers, None)
        if abs(float(numbers.sum()) - 1) < SUM_WITHIN:
            return Alternative(name, tuple(map(float, numbers)))
    raise ParameterError(
        f"{name!r} has the fractions {numbers.tolist()}; "
        f"give counts, or fractions that add up to 1, one for each of {n_phases} phases"
    )


def _interval(found: list[Alternative], phase: int) -> Interval:
    least = min(found, key=lambda other: other.fractions[phase])
    greatest = max(found, key=lambda other: other.fractions[phase])
    low, high = least.fractions[phase], greatest.fractions[phase]
    return Interval(found[0].fractions[phase], low, high, least.name, greatest.name)
