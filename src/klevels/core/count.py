"""One pass over an image of any dtype, and its histogram is filled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _kernels
from klevels.core.histogram import N_BINS, Histogram
from klevels.core.keys import keys_of
from klevels.core.voxels import as_voxels, count_threads
from klevels.errors import DataError, ParameterError


def histogram(
    image: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nan: Literal["error", "ignore"] = "error",
    threads: int | None = None,
) -> Histogram:
    """Count how often each gray level occurs.

    Parameters
    ----------
    image : array_like
        bool, (u)int8/16/32, int64 or float16/32/64, of any dimension, strides and byte order.
        Masked voxels of a masked array are left out.
    mask : array_like of bool or int, optional
        Of the image's shape: True, or nonzero, where a voxel counts.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    Histogram
        int64 counts; see there for how 32- and 64-bit data are binned.

    Raises
    ------
    DataTypeError
        If the dtype has no gray levels.
    DataError
        If no voxel is left to count, the mask has another shape, or there are infinite or unwanted NaN voxels.

    Examples
    --------
    >>> histogram([[0, 7], [7, 7]]).counts
    array([1, 3])
    """
    if nan not in ("error", "ignore"):
        raise ParameterError(f"nan is {nan!r}; use 'error' or 'ignore'")
    return count_part(image, mask=mask, threads=threads).checked(nan)


class Tally(ABC):
    """What a part of an image adds to its histogram, if it adds anything; `a + b` merges those of one dtype."""

    @abstractmethod
    def __add__(self, other: Self) -> Self: ...

    @abstractmethod
    def finished(self) -> tuple[Histogram, int]:
        """Return the histogram of the finite voxels that count, perhaps without any level, and how many are infinite.

        Returns
        -------
        tuple of Histogram and int
            Of all parts.
        """

    def checked(self, nan: Literal["error", "ignore"]) -> Histogram:
        """Return the histogram of the whole.

        Parameters
        ----------
        nan : {"error", "ignore"}
            Whether NaN voxels are refused.

        Returns
        -------
        Histogram
            With at least one level.

        Raises
        ------
        DataError
            If no voxel is left to count, or there are infinite or unwanted NaN voxels.
        """
        counted, n_infinite = self.finished()
        if n_infinite:
            raise DataError(f"the image has {n_infinite} infinite voxels; mask them or replace them by finite values")
        if counted.n_nan and nan == "error":
            raise DataError(
                f"the image has {counted.n_nan} NaN voxels; use nan='ignore' (--nan ignore) to leave them out"
            )
        if counted.n_levels == 0:
            what = "every voxel is NaN" if counted.n_nan else "the mask leaves no voxel"
            raise DataError(f"{what}; give at least one voxel that counts")
        return counted


@dataclass(frozen=True)
class PatternTally(Tally):
    """How often each bit pattern occurs: for 8 and 16 bits, where all fit into a table that is quick to add.

    Parameters
    ----------
    dtype : dtype
        What the bits mean.
    counts : ndarray of int64, shape (2**bits,)
        One for each pattern, in native byte order.
    """

    dtype: np.dtype[Any]
    counts: NDArray[np.int64]

    def __add__(self, other: Self) -> Self:
        return replace(self, counts=self.counts + other.counts)

    def finished(self) -> tuple[Histogram, int]:
        tallied = self.counts
        values = np.arange(len(tallied), dtype=f"u{self.dtype.itemsize}").view(self.dtype)
        n_nan = n_infinite = 0
        if self.dtype.kind == "f":
            n_nan = int(tallied[np.isnan(values)].sum())
            n_infinite = int(tallied[np.isinf(values)].sum())
            tallied = np.where(np.isfinite(values), tallied, 0)
        occupied = np.flatnonzero(tallied)
        keys = keys_of(values[occupied])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], tallied[occupied][order]
        twice = np.flatnonzero(keys[1:] == keys[:-1])  # -0 and +0
        counts[twice] += counts[twice + 1]
        keys, counts = np.delete(keys, twice + 1), np.delete(counts, twice + 1)
        return Histogram(keys, counts, self.dtype, 0, np.zeros((len(keys), 4), np.uint64), n_nan), n_infinite


@dataclass(frozen=True)
class BinTally(Tally):
    """A histogram of 32- or 64-bit voxels.

    Parameters
    ----------
    histogram : Histogram
        Of the finite voxels.
    n_infinite : int
        How many are infinite.
    """

    histogram: Histogram
    n_infinite: int

    def __add__(self, other: Self) -> Self:
        return replace(self, histogram=self.histogram + other.histogram, n_infinite=self.n_infinite + other.n_infinite)

    def finished(self) -> tuple[Histogram, int]:
        return self.histogram, self.n_infinite


def count_part(image: ArrayLike, *, mask: ArrayLike | None = None, threads: int | None = None) -> Tally:
    """Count a part of an image, of which nothing may be left.

    Parameters
    ----------
    image : array_like
        As `histogram` takes it.
    mask : array_like of bool or int, optional
        Of the part's shape.
    threads : int, optional
        How many threads to use.

    Returns
    -------
    Tally
        To be merged with those of other parts.
    """
    voxels = as_voxels(image, mask)
    n_threads = count_threads(threads)
    if voxels.dtype.itemsize <= 2:
        counts = _kernels.tally(voxels.bits, voxels.mask, n_threads)
        if voxels.swap:
            counts = counts[np.arange(len(counts), dtype=voxels.bits.dtype).byteswap()]
        return PatternTally(voxels.dtype, counts)
    shift, keys, counts, rests, n_nan, n_infinite = _kernels.count_bins(
        voxels.bits, voxels.dtype.name, voxels.swap, voxels.mask, N_BINS, n_threads
    )
    return BinTally(Histogram(keys, counts, voxels.dtype, shift, rests, n_nan), n_infinite)
