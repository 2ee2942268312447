"""A multi-channel image as rows of channels, one row a pixel, strip by strip."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.voxels import as_voxels
from klevels.errors import DataError

MOST_CHANNELS = 16
STRIP = 1 << 18
"""Pixels that are converted at a time."""
COPIED = 1 << 23
"""Pixels that are copied at a time where more were asked for, as for 8-bit images: each strip is counted on its own."""


@dataclass(frozen=True)
class Strip:
    """Some neighboring pixels."""

    rows: NDArray[Any]
    """Shape (n, n_channels), contiguous, of native byte order."""
    inside: NDArray[np.uint8] | None
    """Shape (n,), nonzero where a pixel counts; None if all do."""
    where: slice
    """Which pixels of the flattened image these are."""

    @property
    def counting(self) -> NDArray[Any]:
        """The rows of the pixels that count."""
        return self.rows if self.inside is None else self.rows[self.inside != 0]


@dataclass(frozen=True)
class Rows:
    """An image as rows, checked: one to sixteen channels on its last axis."""

    data: NDArray[Any]
    inside: NDArray[np.uint8] | None

    @property
    def n_channels(self) -> int:
        """How many channels there are."""
        return int(self.data.shape[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape without channels."""
        return self.data.shape[:-1]

    @property
    def n_pixels(self) -> int:
        """How many pixels there are, those that do not count included."""
        return int(self.data.size) // self.n_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in native byte order."""
        return self.data.dtype.newbyteorder("=")

    @property
    def is_narrow(self) -> bool:
        """Whether a table of all colors is small enough to look them up."""
        return self.dtype == np.uint8 and self.n_channels <= 3

    def strips(self, n_at_most: int = STRIP) -> Iterator[Strip]:
        """Return the image strip by strip.

        Parameters
        ----------
        n_at_most : int
            Pixels in a strip.

        Yields
        ------
        Strip
            In the order of the flattened image; views where the image lies in memory so, else copies of `COPIED` pixels
            at most.
        """
        inside = None if self.inside is None else np.ascontiguousarray(self.inside).reshape(-1)
        start = 0
        for rows in self._parts(n_at_most):
            where = slice(start, start + len(rows))
            yield Strip(rows, None if inside is None else inside[where], where)
            start = where.stop

    def _parts(self, n_at_most: int) -> Iterator[NDArray[Any]]:
        flags = self.data.flags
        if flags.c_contiguous and flags.aligned and self.data.dtype.isnative:
            rows = self.data.reshape(-1, self.n_channels)
            for start in range(0, len(rows), n_at_most):
                yield rows[start : start + n_at_most]
            return
        for slab in _slabs(self.data, min(n_at_most, COPIED)):
            # `astype` copies, and so aligns, what has the dtype already.
            yield slab.astype(self.dtype, order="C").reshape(-1, self.n_channels)


def as_rows(image: ArrayLike, mask: ArrayLike | None) -> Rows:
    """Check a multi-channel image and its mask.

    Parameters
    ----------
    image : array_like, shape (..., n_channels)
        One to sixteen channels. A pixel of a masked array does not count if any of its channels is masked.
    mask : array_like of bool or int or None
        Of the image's shape without channels; True, or nonzero, where a pixel counts.

    Returns
    -------
    Rows
        Views of the data; bool becomes uint8.

    Raises
    ------
    DataTypeError
        If the dtype has no gray levels.
    DataError
        If the image is empty, has no channels or too many, or the mask has another shape.
    """
    array = np.asanyarray(image)
    if array.ndim < 2 or not 1 <= array.shape[-1] <= MOST_CHANNELS:
        raise DataError(
            f"the image has shape {array.shape}; give 1 to {MOST_CHANNELS} channels on the last axis, "
            f"as (y, x, channels) or (pixels, channels)"
        )
    hidden = None
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        hidden = np.ma.getmaskarray(array).any(axis=-1)
    data = np.asarray(array)
    checked = as_voxels(data[..., 0], mask)
    inside = None if checked.mask is None else checked.mask.transpose(np.argsort(checked.order))
    if hidden is not None:
        visible = ~hidden if inside is None else (inside != 0) & ~hidden
        inside = np.asarray(visible).view(np.uint8)
    return Rows(data.view(np.uint8) if data.dtype == bool else data, inside)


def _slabs(data: NDArray[Any], n_at_most: int) -> Iterator[NDArray[Any]]:
    """Cut an image across its first axis, and where that is not enough, across the next."""
    n_each = max(1, math.prod(data.shape[1:-1]))
    if n_each > n_at_most:
        for one in data:
            yield from _slabs(one, n_at_most)
        return
    step = n_at_most // n_each
    for start in range(0, len(data), step):
        yield data[start : start + step]
