"""How the samples of a TIFF page are cut into strips or tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Place:
    """Where a strip or tile lies in its page, as far as it does.

    Parameters
    ----------
    rows, columns, samples : slice
        With a start and a stop.
    """

    rows: slice
    columns: slice
    samples: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of rows, columns and samples."""
        rows, columns, samples = self.rows, self.columns, self.samples
        return rows.stop - rows.start, columns.stop - columns.start, samples.stop - samples.start


def place_of(page: Any, segment: int) -> Place:
    """Return where a strip or tile belongs.

    Parameters
    ----------
    page : TiffPage
        A checked page.
    segment : int
        Counted from 0, over all planes.

    Returns
    -------
    Place
        Cut at the edges of the image.
    """
    height, width = segment_shape(page)
    n_down, n_across = _n_along(page)
    plane, rest = divmod(segment, n_down * n_across)
    row, column = divmod(rest, n_across)
    return Place(
        slice(row * height, min((row + 1) * height, page.imagelength)),
        slice(column * width, min((column + 1) * width, page.imagewidth)),
        slice(0, page.samplesperpixel) if page.planarconfig == 1 else slice(plane, plane + 1),
    )


def segments_in(page: Any, rows: slice, columns: slice) -> list[int]:
    """Return which strips or tiles hold a part of a page.

    Parameters
    ----------
    page : TiffPage
        A checked page.
    rows, columns : slice
        With a start and a stop.

    Returns
    -------
    list of int
        Over all planes, in increasing order.
    """
    height, width = segment_shape(page)
    n_down, n_across = _n_along(page)
    return [
        (plane * n_down + row) * n_across + column
        for plane in range(_n_planes(page))
        for row in range(rows.start // height, (rows.stop - 1) // height + 1)
        for column in range(columns.start // width, (columns.stop - 1) // width + 1)
    ]


def segment_shape(page: Any) -> tuple[int, int]:
    """Return how many rows and columns a strip or tile has that does not lie at the edge.

    Parameters
    ----------
    page : TiffPage
        A checked page.

    Returns
    -------
    tuple of int
        Rows and columns.
    """
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    return page.rowsperstrip, page.imagewidth


def segment_bytes(page: Any) -> NDArray[np.int64]:
    """Return how many bytes each strip or tile of a page takes when decompressed.

    Parameters
    ----------
    page : TiffPage
        A checked page.

    Returns
    -------
    ndarray of int64, shape (n_segments,)
        Rows are padded to whole bytes. Tiles at the edge count in full.
    """
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    if page.is_tiled:
        rows, width = np.full(n_segments(page), page.tilelength, np.int64), page.tilewidth
    else:
        tops = np.arange(0, page.imagelength, page.rowsperstrip, dtype=np.int64)
        rows, width = np.minimum(page.rowsperstrip, page.imagelength - tops), page.imagewidth
        rows = np.resize(rows, n_segments(page))  # the same for each plane
    n_bytes: NDArray[np.int64] = rows * math.ceil(width * samples * page.bitspersample / 8)
    return n_bytes


def n_segments(page: Any) -> int:
    """Return how many strips or tiles a page has.

    Parameters
    ----------
    page : TiffPage
        A checked page.

    Returns
    -------
    int
        Over all planes.
    """
    return math.prod(_n_along(page)) * _n_planes(page)


def is_plain(page: Any) -> bool:
    """Tell whether the samples of a strip lie in the file as they lie in memory, but for the order of bytes.

    Parameters
    ----------
    page : TiffPage
        A checked page.

    Returns
    -------
    bool
        False if they are compressed, packed, in tiles, or need any other decoding.
    """
    is_stored = page.compression == 1 and page.predictor == 1 and page.fillorder == 1 and not page.is_tiled
    return is_stored and bool(page.bitspersample == 8 * dtype_of(page).itemsize)


def dtype_of(page: Any) -> np.dtype[Any]:
    """Return the dtype of a page's samples in memory.

    Parameters
    ----------
    page : TiffPage
        A checked page.

    Returns
    -------
    dtype
        Of native byte order: bool for one bit, the next larger integer for an odd number of bits.
    """
    dtype: np.dtype[Any] = np.dtype(page.dtype).newbyteorder("=")
    return dtype


def _n_along(page: Any) -> tuple[int, int]:
    """Return how many strips or tiles lie below, and beside, each other in a plane."""
    height, width = segment_shape(page)
    return math.ceil(page.imagelength / height), math.ceil(page.imagewidth / width)


def _n_planes(page: Any) -> int:
    return 1 if page.planarconfig == 1 else int(page.samplesperpixel)
