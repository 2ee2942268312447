"""The pages of a TIFF file: where their strips or tiles lie, and how large each is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.tiff_checks import check_page, check_segments

if TYPE_CHECKING:
    from tifffile import TiffFile


@dataclass(frozen=True, slots=True)
class Pages:
    """The full-resolution pages of a TIFF file: all of one size, stored in one way.

    Parameters
    ----------
    first : tifffile.TiffPage
        Stands for all of them.
    offsets, counts : ndarray of int64, shape (n_pages, n_segments)
        Where in the file each strip or tile begins, and its encoded size in bytes.
    jpegtables : tuple of bytes or None
        One for each page.
    """

    first: Any
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    jpegtables: tuple[bytes | None, ...]

    @property
    def n_pages(self) -> int:
        """The number of pages."""
        return len(self.offsets)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Pages, rows, columns and samples."""
        return self.n_pages, self.first.imagelength, self.first.imagewidth, self.first.samplesperpixel

    @property
    def n_bytes(self) -> int:
        """The size of all samples in memory."""
        return math.prod(self.shape) * dtype_of(self.first).itemsize


def read_pages(tif: TiffFile, path: Path) -> Pages:
    """Collect the full-resolution pages and check them.

    Parameters
    ----------
    tif : TiffFile
        The open file.
    path : Path
        The same file.

    Returns
    -------
    Pages
        Every segment lies inside the file and is long enough for what it must hold.

    Raises
    ------
    ReadError
        If pages differ, a size is impossible, or data are missing.
    """
    first: Any = None
    offsets, counts, tables = [], [], []
    for number, page in enumerate(tif.pages, 1):
        if is_reduced(page):
            continue
        if first is None:
            first = page
            check_page(page)
        elif _layout(page) != _layout(first):
            raise ReadError(
                f"page {number} ({_layout(page)[:4]} length, width, samples, bits) is stored otherwise than the first"
                f" ({_layout(first)[:4]}); save pages of one kind to a file of their own"
            )
        page_offsets, page_counts = _segments(page, number)
        offsets.append(page_offsets)
        counts.append(page_counts)
        tables.append(page.jpegtables)
    if first is None:
        raise ReadError("holds no image of full resolution; give the original file")
    pages = Pages(first, np.array(offsets, np.int64), np.array(counts, np.int64), tuple(tables))
    check_segments(first, pages.offsets, pages.counts, segment_bytes(first), path.stat().st_size)
    return pages


def stacked(pages: Pages, n_planes: int, path: Path) -> Pages:
    """Return the planes of a stack that a single page describes, as ImageJ writes those of more than 4 GB.

    Parameters
    ----------
    pages : Pages
        One page.
    n_planes : int
        How many planes follow each other in the file.
    path : Path
        The file.

    Returns
    -------
    Pages
        One page for each plane.

    Raises
    ------
    ReadError
        If the planes are not there.
    """
    sizes = segment_bytes(pages.first)
    step = int(sizes.sum())
    size = path.stat().st_size
    start = int(pages.offsets[0, 0])
    is_gapless = bool((pages.offsets[0] == start + np.cumsum(sizes) - sizes).all())
    if pages.n_pages != 1 or not is_plain(pages.first) or not is_gapless or start + n_planes * step > size:
        raise ReadError(
            f"notes {n_planes} slices of {step} bytes but has {pages.n_pages} page and {size} bytes;"
            " copy or save it again"
        )
    offsets = pages.offsets + step * np.arange(n_planes, dtype=np.int64)[:, np.newaxis]
    return Pages(pages.first, offsets, np.repeat(pages.counts, n_planes, axis=0), pages.jpegtables * n_planes)


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


def is_reduced(page: Any) -> bool:
    """Tell whether a page is a thumbnail or a level of a pyramid.

    Parameters
    ----------
    page : TiffPage
        Any page of a file.

    Returns
    -------
    bool
        True if its NewSubfileType says "reduced resolution".
    """
    return bool(page.subfiletype & 1)


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
        rows, width = np.full(_n_segments(page), page.tilelength, np.int64), page.tilewidth
    else:
        tops = np.arange(0, page.imagelength, page.rowsperstrip, dtype=np.int64)
        rows, width = np.minimum(page.rowsperstrip, page.imagelength - tops), page.imagewidth
        rows = np.resize(rows, _n_segments(page))  # the same for each plane
    n_bytes: NDArray[np.int64] = rows * math.ceil(width * samples * page.bitspersample / 8)
    return n_bytes


def _layout(page: Any) -> tuple[Any, ...]:
    """Return all that decides how a page is decoded; its size comes first."""
    return (
        page.imagelength,
        page.imagewidth,
        page.samplesperpixel,
        page.bitspersample,
        page.sampleformat,
        page.compression,
        page.photometric,
        page.planarconfig,
        page.predictor,
        page.fillorder,
        page.extrasamples,
        page.rowsperstrip,
        page.tilewidth,
        page.tilelength,
        page.tags.valueof(274),
    )


def _segments(page: Any, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return offsets and byte counts as they stand in the file."""
    needed = _n_segments(page)
    found = []
    for name, tiled, strip in (("offsets", 324, 273), ("byte counts", 325, 279)):
        # Early libtiff put the offsets of tiles into the tags for strips.
        value = page.tags.valueof(tiled if page.is_tiled and tiled in page.tags else strip)
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        if not values and name == "byte counts" and page.compression == 1 and needed == 1:
            values = (int(segment_bytes(page)[0]),)  # some old writers leave out the obvious
        if len(values) != needed or not all(isinstance(v, int) and 0 <= v < 2**62 for v in values):
            raise ReadError(
                f"page {number} has {len(values)} strip or tile {name} where {needed} are needed; save it again"
            )
        found.append(values)
    return found[0], found[1]


def _n_segments(page: Any) -> int:
    """Return how many strips or tiles a page has, over all its planes."""
    planes = 1 if page.planarconfig == 1 else page.samplesperpixel
    if page.is_tiled:
        n_segments = math.ceil(page.imagelength / page.tilelength) * math.ceil(page.imagewidth / page.tilewidth)
    else:
        n_segments = math.ceil(page.imagelength / page.rowsperstrip)
    return int(n_segments * planes)
