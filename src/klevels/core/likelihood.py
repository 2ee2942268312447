"""Likelihood: how well each class explains a gray value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.count import count_part
from klevels.core.exact import ExactSums
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.errors import DataError, ParameterError

SEPARATELY = 16
"""Up to so many classes, counting each in a pass of its own is faster than sorting the voxels by class."""


@dataclass(frozen=True, eq=False)
class Likelihood:
    """A normal distribution of gray values for each class.

    Parameters
    ----------
    means : array_like of float, shape (n_classes,)
        In gray values; finite, in any order.
    spreads : array_like of float, shape (n_classes,)
        Standard deviations, in gray values; finite and above 0.

    Raises
    ------
    ParameterError
        If the two are not lists of as many such numbers.

    Examples
    --------
    >>> Likelihood([10, 20], [1, 2]).costs([10, 16]).round(2)
    array([[ 0.  , 18.  ],
           [13.19,  2.69]])
    """

    means: NDArray[np.float64]
    spreads: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("means", "spreads"):
            array = np.array(getattr(self, name), np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.means.ndim != 1 or self.means.shape != self.spreads.shape or self.means.size == 0:
            raise ParameterError(
                f"means have shape {self.means.shape}, spreads {self.spreads.shape}; give one of each for each class"
            )
        if not np.isfinite(self.means).all():
            raise ParameterError("a mean is NaN or infinite; give finite gray values")
        with np.errstate(over="ignore", divide="ignore"):
            usable = np.isfinite(self.spreads) & (self.spreads > 0) & np.isfinite(self.inverses)
        if not usable.all():
            raise ParameterError(f"a spread is {self.spreads[~usable][0]}; give finite spreads above 0")

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.means)

    @property
    def inverses(self) -> NDArray[np.float64]:
        """1 / (sqrt(2) * spread) of each class: what a difference in gray is multiplied by before it is squared."""
        inverses: NDArray[np.float64] = math.sqrt(0.5) / self.spreads
        return inverses

    @property
    def constants(self) -> NDArray[np.float64]:
        """log(spread) of each class, above the least of all: no class has less, whatever the unit of gray."""
        constants: NDArray[np.float64] = np.log(self.spreads / self.spreads.min())
        return constants

    def costs(self, levels: ArrayLike) -> NDArray[np.float64]:
        """Return what each class costs at some gray values: the negative logarithm of its likelihood.

        Parameters
        ----------
        levels : array_like
            Gray values.

        Returns
        -------
        ndarray of float64, shape (n_classes, *levels.shape)
            ``(level - mean)**2 / (2 * spread**2) + log(spread)``.
        """
        grays = np.asarray(levels).astype(np.float64)
        each = (-1, *(1,) * grays.ndim)
        with np.errstate(over="ignore"):
            z = (grays - self.means.reshape(each)) * self.inverses.reshape(each)
            costs: NDArray[np.float64] = z * z + np.log(self.spreads).reshape(each)
        return costs

    @classmethod
    def of(
        cls,
        values: NDArray[Any],
        labels: NDArray[Any],
        n_classes: int,
        inside: NDArray[np.bool_] | None = None,
        *,
        fallback: Levels,
        threads: int | None = None,
    ) -> Self:
        """Return the mean and the spread of the gray values in each class.

        Parameters
        ----------
        values : ndarray
            Gray values of any dtype that `histogram` takes. NaN and infinite ones do not count.
        labels : ndarray of uint8 or uint16
            Of the same shape; labels from `n_classes` on, such as the ignore label, do not count.
        n_classes : int
            How many classes there are.
        inside : ndarray of bool, optional
            Where voxels count.
        fallback : Levels
            Whose centers stand for the means of classes without a voxel.
        threads : int, optional
            How many threads to use; all processors by default. The result is the same for any number.

        Returns
        -------
        Likelihood
            Its spreads are standard deviations within each class.

        Raises
        ------
        DataError
            If the shapes differ, or `fallback` has other classes.

        Notes
        -----
        Sums are exact, so that the order of voxels changes no bit. Where 32- or 64-bit values are counted in bins, the
        sums over each bin are exact, too. A class of fewer than two voxels, or of equal ones, has no spread of its own
        and gets the pooled one, of all voxels about the means of their classes. If that is 0, too, there is no noise,
        and it gets a 16th of the least difference between two centers of `fallback`, so little that no voxel costs less
        in another class, whatever its neighbors; or 1, where there is but one.

        Examples
        --------
        >>> import klevels
        >>> image = np.array([[0, 2, 8, 9]], np.uint8)
        >>> levels = klevels.fit_levels(klevels.histogram(image), k=2)
        >>> found = Likelihood.of(image, levels.classify(image), 2, fallback=levels)
        >>> found.means, found.spreads
        (array([1. , 8.5]), array([1. , 0.5]))
        """
        if fallback.n_classes != n_classes:
            raise DataError(f"the fallback has {fallback.n_classes} classes, the labels {n_classes}; give as many")
        return cls._found(values, labels, inside, fallback.centers, threads)

    def again(
        self,
        values: NDArray[Any],
        labels: NDArray[Any],
        inside: NDArray[np.bool_] | None = None,
        *,
        threads: int | None = None,
    ) -> Self:
        """Return the means and spreads of the same classes under other labels; see `of`.

        Parameters
        ----------
        values, labels : ndarray
            As `of` takes them.
        inside : ndarray of bool, optional
            Where voxels count.
        threads : int, optional
            How many threads to use.

        Returns
        -------
        Likelihood
            A class that has no voxel keeps its mean.
        """
        return self._found(values, labels, inside, self.means, threads)

    @classmethod
    def _found(
        cls,
        values: NDArray[Any],
        labels: NDArray[Any],
        inside: NDArray[np.bool_] | None,
        centers: NDArray[np.float64],
        threads: int | None,
    ) -> Self:
        if values.shape != labels.shape or (inside is not None and inside.shape != labels.shape):
            raise DataError(
                f"the image has shape {values.shape}, the labels {labels.shape}"
                f"{'' if inside is None else f', inside {inside.shape}'}; give them of one shape"
            )
        n_classes = len(centers)
        means, scatters, counts = centers.copy(), np.zeros(n_classes), np.zeros(n_classes, np.int64)
        for label, counted in _histograms(values, labels, n_classes, inside, threads):
            sums = ExactSums(counted, [counted.n_levels])
            runs = sums.runs([0, counted.n_levels])
            means[label], scatters[label], counts[label] = sums.mean(runs[0]), sums.inertia(runs), counted.n_voxels
        spreads = np.sqrt(scatters / np.maximum(counts, 1))
        pooled = math.sqrt(math.fsum(scatters) / max(1, int(counts.sum())))
        return cls(means, np.where(spreads > 0, spreads, pooled or _noiseless(centers)))


def _noiseless(centers: NDArray[np.float64]) -> float:
    gaps = np.diff(np.unique(centers))
    return float(gaps.min()) / 16 if gaps.size else 1.0


def _histograms(
    values: NDArray[Any], labels: NDArray[Any], n_classes: int, inside: NDArray[np.bool_] | None, threads: int | None
) -> list[tuple[int, Histogram]]:
    """Return the histogram of each class that has a voxel."""
    found = []
    if n_classes <= SEPARATELY:
        for label in range(n_classes):
            mask = labels == label
            if inside is not None:
                mask &= inside
            found.append((label, count_part(values, mask=mask, threads=threads).finished()[0]))
    else:
        counts = labels < n_classes
        if inside is not None:
            counts &= inside
        grays, classes = values[counts], labels[counts]
        order = np.argsort(classes, kind="stable")
        ends = np.cumsum(np.bincount(classes, minlength=n_classes))
        for label, part in enumerate(np.split(grays[order], ends[:-1])):
            if part.size:
                found.append((label, count_part(part, threads=1).finished()[0]))
    return [(label, counted) for label, counted in found if counted.n_levels]
