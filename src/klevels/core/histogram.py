"""Histogram: how often each gray level occurs. It is all that the clustering ever looks at."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _kernels
from klevels.core.keys import bin_origins, key_kind, keys_of, values_of
from klevels.core.voxels import check_dtype
from klevels.errors import DataError, DataTypeError, InputMissingError, ReadError

N_BINS = 65536
"""More distinct levels than this in 32- and 64-bit data are counted in bins."""


@dataclass(frozen=True, eq=False, repr=False)
class Histogram:
    """The distinct gray levels of one or more images, with their counts.

    Made by `histogram`, `Histogram.of` or `Histogram.load`, and merged with ``+``.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)
        The levels as integers of the same order, increasing, their `shift` lowest bits dropped.
    counts : ndarray of int64, shape (n,)
        How often each occurs, at least once.
    dtype : dtype
        Of the image.
    shift : int
        0 where every distinct level has an entry of its own; otherwise an entry is a bin of 2**shift keys.
    rests : ndarray of uint64, shape (n, 4)
        The sums of the dropped bits and of their squares over each bin, as (low, high, low, high) words.
    n_nan : int
        NaN voxels that were left out.

    Notes
    -----
    8- and 16-bit data are always counted level by level. 32- and 64-bit data are, too, up to 65,536 distinct levels.
    Beyond that, neighboring levels share bins. The grid of bins is fixed by the number format and not by the data:
    bins are as wide as 2**shift neighboring representable numbers, and shift is the least that leaves at most 65,536
    occupied bins. So one hot voxel costs one bin and stretches nothing, histograms of parts merge into exactly the
    histogram of the whole, and the sum over each bin stays exact.

    Examples
    --------
    >>> h = Histogram.of([0, 1, 9]) + Histogram.of([1])
    >>> h.levels, h.counts
    (array([0, 1, 9]), array([1, 2, 1]))
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    dtype: np.dtype[Any]
    shift: int
    rests: NDArray[np.uint64]
    n_nan: int = 0

    def __post_init__(self) -> None:
        for name, dtype in (("keys", np.uint64), ("counts", np.int64), ("rests", np.uint64)):
            array = np.asarray(getattr(self, name), dtype).view()
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        # Beyond, the 128 bits of a bin's sum of squares could overflow; it takes 2**40 voxels in a very wide bin.
        if self.shift and 2 * self.shift + int(self.counts.max()).bit_length() > 128:
            raise DataError("a bin holds too many voxels for exact sums; count fewer, or convert to a narrower dtype")

    def __repr__(self) -> str:
        kind = "levels" if self.shift == 0 else "bins"
        low, high = self.bounds[0][0], self.bounds[1][-1]
        return f"Histogram({self.n_voxels:,} voxels, {self.n_levels:,} {kind} from {low:g} to {high:g}, {self.dtype})"

    @classmethod
    def of(cls, values: ArrayLike, counts: ArrayLike | None = None) -> Histogram:
        """Count given values, once each or as often as `counts` says.

        Parameters
        ----------
        values : array_like
            Gray levels, of any dtype that `histogram` takes.
        counts : array_like of int, optional
            Of the shape of `values`, none negative; the total must stay below 2**63.

        Returns
        -------
        Histogram
            Level by level, up to 65,536 of them.

        Raises
        ------
        DataError
            If there is nothing to count, a value is NaN or infinite, or counts are negative, too many, or of another
            shape.

        Examples
        --------
        >>> Histogram.of([3.5, 7.0], counts=[10, 2**60]).n_voxels
        1152921504606846986
        """
        array = np.asarray(values)
        weights = np.ones(array.shape, np.int64) if counts is None else np.asarray(counts)
        _check_counts(array, weights)
        kept = weights.ravel() > 0
        once = array.ravel()[kept]
        if once.size == 0:
            raise DataError("all counts are 0, or there is no value; give at least one voxel")
        if once.dtype.kind == "f" and not np.isfinite(once).all():
            raise DataError("a value is NaN or infinite; give finite values")
        keys, where = np.unique(keys_of(once), return_inverse=True)
        totals = np.zeros(len(keys), np.int64)
        np.add.at(totals, where, weights.ravel()[kept].astype(np.int64))
        return _binned((0, keys, totals, _no_rests(len(keys))), (0, keys[:0], totals[:0], _no_rests(0)), once.dtype, 0)

    def __add__(self, other: Histogram) -> Histogram:
        """Merge, as if both images had been counted together."""
        if not isinstance(other, Histogram):
            return NotImplemented
        if self.n_voxels + other.n_voxels >= 2**63:
            raise DataError("the merged histogram would count 2**63 voxels or more; merge fewer")
        dtype = np.promote_types(self.dtype, other.dtype)
        a, b = self._as(dtype), other._as(dtype)
        return _binned(
            (a.shift, a.keys, a.counts, a.rests), (b.shift, b.keys, b.counts, b.rests), dtype, self.n_nan + other.n_nan
        )

    @property
    def n_levels(self) -> int:
        """How many distinct levels, or occupied bins, there are."""
        return len(self.counts)

    @cached_property
    def n_voxels(self) -> int:
        """How many voxels were counted."""
        return int(self.counts.sum())

    @cached_property
    def levels(self) -> NDArray[Any]:
        """The gray levels, increasing, int64 or float64: the exact values, or the mean of each bin. Shape (n,)."""
        origins, steps = bin_origins(self.keys, self.dtype, self.shift)
        if self.shift == 0:
            return origins
        rest = self.rests[:, 0].astype(np.float64) + self.rests[:, 1].astype(np.float64) * 2.0**64
        return origins + rest / self.counts * steps

    @cached_property
    def bounds(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The least and the greatest value that belong to each level or bin. Two arrays of shape (n,)."""
        first = self.keys << np.uint64(self.shift)
        last = first | np.uint64((1 << self.shift) - 1)
        return values_of(first, self.dtype), values_of(last, self.dtype)

    @property
    def bin_width(self) -> NDArray[np.float64] | None:
        """How wide each bin is, in gray values. None where every level is counted on its own."""
        if self.shift == 0:
            return None
        return bin_origins(self.keys, self.dtype, self.shift)[1] * 2.0**self.shift

    def split(self, threshold: float) -> tuple[Histogram | None, Histogram | None]:
        """Divide into what is at most `threshold` and what is above; a bin goes where its least value goes.

        Parameters
        ----------
        threshold : float
            A gray value.

        Returns
        -------
        tuple of Histogram or None
            The lower and the upper part; None for an empty one.
        """
        n_below = int(np.searchsorted(self.bounds[0], threshold, side="right"))
        below = self.part(0, n_below) if n_below > 0 else None
        return below, self.part(n_below, self.n_levels) if n_below < self.n_levels else None

    def part(self, first: int, last: int) -> Histogram:
        """Return the levels from index `first` to before `last`.

        Parameters
        ----------
        first, last : int
            0 <= first < last <= n_levels.

        Returns
        -------
        Histogram
            Of these levels alone.
        """
        where = slice(first, last)
        return Histogram(self.keys[where], self.counts[where], self.dtype, self.shift, self.rests[where])

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to a .npz file.

        Parameters
        ----------
        path : str or path-like
            Where to write; written whole, or not at all.
        overwrite : bool
            Whether to replace a file that is there.
        """
        from klevels.files import atomic_output  # not needed to count: an import of klevels stays light

        with atomic_output(path, overwrite=overwrite) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                keys=self.keys,
                counts=self.counts,
                rests=self.rests,
                shift=self.shift,
                dtype=self.dtype.str[1:],
                n_nan=self.n_nan,
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Histogram:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or path-like
            A .npz file.

        Returns
        -------
        Histogram
            The same, to the bit.

        Raises
        ------
        ReadError
            If the file does not hold a histogram; InputMissingError if there is no such file.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                loaded = cls(
                    stored["keys"].astype(np.uint64),
                    stored["counts"].astype(np.int64),
                    np.dtype(str(stored["dtype"])),
                    int(stored["shift"]),
                    stored["rests"].astype(np.uint64),
                    int(stored["n_nan"]),
                )
            _check_loaded(loaded)
        except FileNotFoundError as error:
            raise InputMissingError(f"{os.fspath(path)}: no such file; check the name") from error
        except MemoryError:
            raise
        except Exception as error:  # zipfile, zlib and NumPy raise a dozen kinds for a broken file
            raise ReadError(
                f"{os.fspath(path)}: not a saved histogram ({error}); give a .npz that klevels wrote"
            ) from error
        return loaded

    def _as(self, dtype: np.dtype[Any]) -> Histogram:
        if key_kind(dtype) == key_kind(self.dtype):
            return self
        if self.shift:
            raise DataTypeError(
                f"histograms of {self.dtype} and {dtype} data cannot merge once they have more than {N_BINS} levels; "
                f"convert the images to one dtype"
            )
        levels = self.levels.astype(dtype)
        if levels.tolist() != self.levels.tolist():  # Python compares integers with floats exactly
            raise DataTypeError(f"levels of {self.dtype} data do not all fit {dtype}; convert the images to one dtype")
        return Histogram(keys_of(levels), self.counts, dtype, 0, self.rests)


def _check_loaded(loaded: Histogram) -> None:
    check_dtype(loaded.dtype)
    keys, counts = loaded.keys, loaded.counts
    if not 0 < len(keys) == len(counts) == len(loaded.rests) or loaded.rests.shape[1:] != (4,):
        raise DataError("its arrays are of different lengths")
    if not (keys[1:] > keys[:-1]).all():
        raise DataError("its levels do not increase")
    if counts.min() < 1 or loaded.n_nan < 0 or sum(counts.tolist()) >= 2**63:
        raise DataError("its counts are not positive, or too many")
    if not 0 <= loaded.shift < 64 or int(keys[-1]) << loaded.shift >= 2**64:
        raise DataError("its bins are too wide")


Entries = tuple[int, NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64]]


def _binned(a: Entries, b: Entries, dtype: np.dtype[Any], n_nan: int) -> Histogram:
    """Merge entries, in bins where there are too many for a dtype that can have more."""
    limit = N_BINS if dtype.itemsize > 2 else 2**32
    shift, keys, counts, rests, _, _ = _kernels.merge_bins(*a, *b, limit)
    return Histogram(keys, counts, dtype, shift, rests, n_nan)


def _no_rests(n: int) -> NDArray[np.uint64]:
    return np.zeros((n, 4), np.uint64)


def _check_counts(values: NDArray[Any], counts: NDArray[Any]) -> None:
    check_dtype(values.dtype)
    if counts.shape != values.shape or counts.dtype.kind not in "iu":
        raise DataError(
            f"counts are of shape {counts.shape} and dtype {counts.dtype}; give one integer for each of the values"
        )
    if counts.size and (counts.min() < 0 or sum(counts.ravel().tolist()) >= 2**63):
        raise DataError("counts are negative or sum to 2**63 or more; give counts >= 0 with a smaller total")
