"""ColorTable: which colors occur, and how often; what the histogram is to gray, it is to images with channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _kernels
from klevels.core.grid import LARGEST, finite_rows, on_grid, steps_of
from klevels.core.rows import STRIP, Rows, as_rows
from klevels.core.spaces import Space
from klevels.core.voxels import count_threads
from klevels.errors import DataError, ParameterError

MOST_BINS = 1 << 18
"""Beyond so many distinct colors the grid is made coarser; 8-bit images of up to three channels never need it."""
STRIP_OF_BYTES = 1 << 31
"""The kernel's counters overflow at twice as many pixels."""


@dataclass(frozen=True, eq=False)
class ColorTable:
    """The colors of an image, or of any image with channels, and how often each occurs.

    Made by `count_colors`, by `ColorTable.of`, or by adding tables: ``a + b`` is the table of both images.

    Parameters
    ----------
    bins : ndarray of int32, shape (n_colors, n_channels)
        The colors on the grid, in the order of their interleaved bits, so that like colors lie together.
    counts : ndarray of int64, shape (n_colors,)
        How often each occurs.
    dtype : dtype
        Of the image.
    shift : int
        Colors closer than ``2**shift`` grid steps may share a bin: 0 wherever all colors are told apart.
    steps : tuple of float
        The grid step of each channel, in the units of the image: 1 for integers up to 16 bits.
    rests : ndarray of int64, shape (n_colors, n_channels), optional
        Where bins hold several colors, the sums of what the colors are above their bin's corner, in grid steps.
    squares : ndarray of uint64, shape (n_colors, 2), optional
        And the sums of its squares, over all channels, low word first.

    Notes
    -----
    8-bit images of one to three channels are counted exactly, whatever they hold. All others have at most 2**18 bins:
    where there are more distinct colors, the grid is halved until they fit. A bin keeps the exact mean of its colors,
    so that centers are the exact means of whole bins. The grid depends on the colors alone: counting an image in pieces
    and adding the pieces gives the same table. Floats, and integers beyond 16 bits, are first rounded down to a grid of
    2**-23 of the power of two above the greatest magnitude; tables with different steps cannot be added, so give
    `count_colors` the greatest magnitude of all pieces as `peak`. Channels share one step unless `peak` has a number
    for each: then each is divided as finely, for its range, as the others.

    Examples
    --------
    >>> table = ColorTable.of([[255, 0, 0], [0, 0, 255], [255, 0, 0]])
    >>> table.colors
    array([[  0.,   0., 255.],
           [255.,   0.,   0.]])
    >>> (table + table).counts.tolist()
    [2, 4]
    """

    bins: NDArray[np.int32]
    counts: NDArray[np.int64]
    dtype: np.dtype[Any]
    shift: int = 0
    steps: tuple[float, ...] = ()
    rests: NDArray[np.int64] | None = None
    squares: NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", self.steps or (1.0,) * self.n_channels)
        for array in (self.bins, self.counts, self.rests, self.squares):
            if array is not None:
                array.setflags(write=False)
        most = int(self.counts.max(initial=0))
        # Sums of rests, and of pixels, are 64-bit integers; bins have fewer than 2**24 places.
        if self.shift + most.bit_length() > 62 or (most >= 2**38 and sum(self.counts.tolist()) >= 2**62):
            raise DataError(f"a color occurs {most} times, too often for exact sums; count fewer images in one table")

    @classmethod
    def of(cls, colors: ArrayLike, counts: ArrayLike | None = None) -> Self:
        """Return the table of a few colors.

        Parameters
        ----------
        colors : array_like, shape (n, n_channels)
            Integers from 0 to 255 are taken as 8-bit colors.
        counts : array_like of int, shape (n,), optional
            How often each occurs; once by default.

        Returns
        -------
        ColorTable
            With equal colors pooled.

        Raises
        ------
        ParameterError
            If counts are not positive integers, one for each color.
        DataError
            If there is no color, or there are too many to pool with counts, or their counts are too large.
        """
        given = np.asarray(colors)
        if given.ndim != 2:
            raise DataError(f"the colors have shape {given.shape}; give one row of channels for each color")
        if given.dtype.kind in "iu" and given.size and given.min() >= 0 and given.max() <= 255:
            given = given.astype(np.uint8)
        once = count_colors(given)
        if counts is None:
            return cls(once.bins, once.counts, once.dtype, once.shift, once.steps, once.rests, once.squares)
        weights = np.asarray(counts)
        if weights.dtype.kind not in "iu" or weights.shape != given.shape[:1] or (weights < 1).any():
            raise ParameterError("counts are not positive integers, one for each color; give one for each")
        if sum(weights.tolist()) >= 2**62:
            raise DataError(f"the counts sum to {sum(weights.tolist())}; give counts that sum to less than 2**62")
        if once.shift:
            raise DataError(f"there are more than {MOST_BINS} colors; count the image itself with count_colors")
        values = on_grid(given, once.steps)
        places = {color: i for i, color in enumerate(map(tuple, once.bins.tolist()))}
        total = np.zeros(len(once.counts), np.int64)
        np.add.at(total, [places[color] for color in map(tuple, values.tolist())], weights.astype(np.int64))
        return cls(once.bins, total, once.dtype, 0, once.steps)

    @property
    def n_colors(self) -> int:
        """How many colors, or bins, there are."""
        return len(self.counts)

    @property
    def n_channels(self) -> int:
        """How many channels a color has."""
        return int(self.bins.shape[1])

    @property
    def n_pixels(self) -> int:
        """How many pixels were counted."""
        return int(self.counts.sum())

    @property
    def colors(self) -> NDArray[np.float64]:
        """The colors, or the means of the colors of each bin, in image units. Shape (n_colors, n_channels)."""
        corners = self.bins.astype(np.float64) * 2.0**self.shift
        if self.rests is not None:
            corners += self.rests / self.counts[:, None]
        corners *= np.array(self.steps)
        return corners

    def counts_of(self, labels: NDArray[Any], n_labels: int) -> NDArray[np.int64]:
        """Return how many pixels have each label.

        Parameters
        ----------
        labels : ndarray of int, shape (n_colors,)
            One for each color.
        n_labels : int
            Labels are below.

        Returns
        -------
        ndarray of int64, shape (n_labels,)
            Exact.
        """
        if self.n_pixels < 2**53:  # so float64 holds every sum
            return np.bincount(labels, weights=self.counts, minlength=n_labels).astype(np.int64)
        totals = np.zeros(n_labels, np.int64)
        np.add.at(totals, labels, self.counts)
        return totals

    @property
    def tells_all(self) -> bool:
        """Whether every color of the image is told apart, and stored as it is."""
        return self.shift == 0 and set(self.steps) == {1.0} and self.dtype.kind in "iu"

    @property
    def scatter(self) -> float:
        """The sum of squared distances between the pixels and the means of their bins, in squared image units.

        NaN where channels have steps of their own: squares are summed over all channels.
        """
        if self.rests is None or self.squares is None:
            return 0.0
        if len(set(self.steps)) > 1:
            return math.nan
        squares = self.squares[:, 0] + self.squares[:, 1] * 2.0**64
        means = (self.rests.astype(np.float64) ** 2 / self.counts[:, None]).sum(axis=1)
        return float(np.maximum(squares - means, 0.0).sum()) * self.steps[0] ** 2

    def scatter_in(self, space: Space, scale: ArrayLike | None) -> float:
        """Return what the spread within bins adds to every inertia; 0 where it is not known in the units of the space.

        Parameters
        ----------
        space : {"rgb", "linear", "lab", "oklab"}
            Where distances are measured.
        scale : array_like of float, or None
            What channels are divided by: the spread of all channels together cannot be divided.

        Returns
        -------
        float
            In squared image units.
        """
        return self.scatter if space == "rgb" and scale is None and len(set(self.steps)) == 1 else 0.0

    def __add__(self, other: ColorTable) -> ColorTable:
        if not isinstance(other, ColorTable):
            return NotImplemented
        if self.dtype != other.dtype:
            raise DataError(f"the images are of dtypes {self.dtype} and {other.dtype}; convert them to one dtype first")
        if self.n_channels != other.n_channels:
            raise DataError(f"the images have {self.n_channels} and {other.n_channels} channels; give as many to all")
        if self.steps != other.steps:
            raise DataError(
                f"the colors are on grids of steps {self.steps} and {other.steps}; "
                f"count both images with peak= the greatest magnitude in any of them"
            )
        pooled = _kernels.ColorBins(self.n_channels, _most_bins(self.dtype, self.n_channels))
        for table in (self, other):
            pooled.add_bins(table._as_kernel_bins())
        return _table(pooled, self.dtype, self.steps)

    def _as_kernel_bins(self) -> _kernels.ColorBins:
        rests = np.zeros(self.bins.shape, np.int64) if self.rests is None else self.rests
        squares = np.zeros((self.n_colors, 2), np.uint64) if self.squares is None else self.squares
        limit = _most_bins(self.dtype, self.n_channels)
        return _kernels.ColorBins.of(limit, self.shift, self.bins, self.counts, rests, squares)


def count_colors(
    image: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nan: Literal["error", "ignore"] = "error",
    peak: float | Sequence[float] | None = None,
    threads: int | None = None,
) -> ColorTable:
    """Count how often each color occurs.

    Parameters
    ----------
    image : array_like, shape (..., n_channels)
        One to sixteen channels on the last axis, of any dtype that `histogram` takes.
    mask : array_like of bool or int, optional
        Of the image's shape without channels: True, or nonzero, where a pixel counts.
    nan : {"error", "ignore"}
        Whether pixels with NaN in any channel are refused or left out.
    peak : float or sequence of float, optional
        The greatest magnitude that can occur, in any channel or in each; for floats, and integers beyond 16 bits, that
        of the image by default. Give it to count an image in pieces. Give one for each channel, as
        `klevels.core.grid.peaks_of` returns them, where channels of different ranges shall be divided alike.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    ColorTable
        int64 counts; see there for how colors are binned.

    Raises
    ------
    DataTypeError
        If the dtype has no gray levels.
    DataError
        If no pixel is left to count, the mask has another shape, or there are infinite or unwanted NaN values.

    Examples
    --------
    >>> count_colors([[[0, 0, 0], [9, 9, 9]], [[9, 9, 9], [9, 9, 9]]]).counts.tolist()
    [1, 3]
    """
    table = count_part_of_colors(image, mask=mask, nan=nan, peak=peak, threads=threads)
    if table is None:
        left = mask is not None or isinstance(image, np.ma.MaskedArray)
        raise DataError(nothing_counts(masked=left))
    return table


def count_part_of_colors(
    image: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nan: Literal["error", "ignore"] = "error",
    peak: float | Sequence[float] | None = None,
    threads: int | None = None,
) -> ColorTable | None:
    """Count the colors of a part of an image, of which nothing may be left.

    Parameters
    ----------
    image : array_like, shape (..., n_channels)
        As `count_colors` takes it.
    mask : array_like of bool or int, optional
        Of the part's shape without channels.
    nan : {"error", "ignore"}
        Whether pixels with NaN in any channel are refused or left out.
    peak : float or sequence of float, optional
        Of the whole image.
    threads : int, optional
        How many threads to use.

    Returns
    -------
    ColorTable or None
        None if no pixel counts.
    """
    if nan not in ("error", "ignore"):
        raise ParameterError(f"nan is {nan!r}; use 'error' or 'ignore'")
    rows, n_threads = as_rows(image, mask), count_threads(threads)
    table = _count_bytes(rows, n_threads) if rows.is_narrow else _count_bins(rows, nan, peak, n_threads)
    return None if table is None or table.n_colors == 0 else table


def nothing_counts(*, masked: bool) -> str:
    """Return what is said of an image without a pixel that counts.

    Parameters
    ----------
    masked : bool
        Whether there is a mask.

    Returns
    -------
    str
        The message of an error.
    """
    what = "the mask leaves no pixel, or only NaN" if masked else "every pixel is NaN"
    return f"{what}; give at least one pixel that counts"


def _count_bytes(rows: Rows, n_threads: int) -> ColorTable | None:
    pooled: _kernels.ColorBins | None = None
    for strip in rows.strips(STRIP_OF_BYTES):
        colors, counts = _kernels.count_colors(strip.rows, strip.inside, n_threads)
        found = ColorTable(colors.astype(np.int32), counts, rows.dtype)
        if len(strip.rows) == rows.n_pixels:
            return found
        if pooled is None:
            pooled = _kernels.ColorBins(rows.n_channels, _most_bins(rows.dtype, rows.n_channels))
        pooled.add_bins(found._as_kernel_bins())
    return None if pooled is None else _table(pooled, rows.dtype, ())


def _count_bins(rows: Rows, nan: str, peak: float | Sequence[float] | None, n_threads: int) -> ColorTable | None:
    steps = steps_of(rows, nan, peak)
    from concurrent.futures import ThreadPoolExecutor  # loads logging: an import of klevels stays light
    from threading import Lock

    strips, one_at_a_time = rows.strips(), Lock()

    def drain(pool: _kernels.ColorBins) -> None:
        while True:
            with one_at_a_time:
                strip = next(strips, None)
            if strip is None:
                return
            values = on_grid(finite_rows(strip.counting, nan), steps)
            if values.size and not -LARGEST <= values.min() <= values.max() < LARGEST:
                raise DataError(f"a value is beyond the peak {peak!r}; give the greatest magnitude of all images")
            pool.add_rows(np.ascontiguousarray(values, dtype=np.int32))

    n_pools = min(n_threads, 1 + rows.n_pixels // STRIP)
    pools = [_kernels.ColorBins(rows.n_channels, _most_bins(rows.dtype, rows.n_channels)) for _ in range(n_pools)]
    with ThreadPoolExecutor(n_pools) as executor:
        list(executor.map(drain, pools))
    for other in pools[1:]:
        pools[0].add_bins(other)
    return _table(pools[0], rows.dtype, steps)


def _table(pooled: _kernels.ColorBins, dtype: np.dtype[Any], steps: tuple[float, ...]) -> ColorTable:
    shift, bins, counts, rests, squares = pooled.arrays()
    if shift == 0:
        return ColorTable(bins, counts, dtype, 0, steps)
    return ColorTable(bins, counts, dtype, shift, steps, rests, squares)


def _most_bins(dtype: np.dtype[Any], n_channels: int) -> int:
    return 1 << 24 if dtype.itemsize == 1 and n_channels <= 3 else MOST_BINS
