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
from klevels.io.tiff_segments import dtype_of, is_plain, n_segments, segment_bytes

if TYPE_CHECKING:
    from tifffile import TiffFile

MINISWHITE, PALETTE = 0, 3


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
    fill : int or float, optional
        The sample that stands for strips and tiles that are not there, whose count is 0. None: all are there.
    """

    first: Any
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    jpegtables: tuple[bytes | None, ...]
    fill: float | None = None

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


def read_pages(tif: TiffFile, path: Path, missing: float | None = None) -> Pages:
    """Collect the full-resolution pages and check them.

    Parameters
    ----------
    tif : TiffFile
        The open file.
    path : Path
        The same file.
    missing : float, optional
        The gray level of strips and tiles that are not there. Without it they are an error.

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
    offsets, counts = [], []
    tables: list[bytes | None] = []
    known: dict[bytes | None, bytes | None] = {}  # thousands of pages share one table
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
        offsets.append(np.array(page_offsets, np.int64))
        counts.append(np.array(page_counts, np.int64))
        tables.append(known.setdefault(page.jpegtables, page.jpegtables))
    if first is None:
        raise ReadError("holds no image of full resolution; give the original file")
    where, n_bytes = np.stack(offsets), np.stack(counts)
    n_bytes[where == 0] = 0
    fill = None if missing is None or n_bytes.all() else _fill(first, missing)
    check_segments(first, where, n_bytes, segment_bytes(first), path.stat().st_size, may_miss=fill is not None)
    return Pages(first, where, n_bytes, tuple(tables), fill)


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
    is_gapless = pages.fill is None and bool((pages.offsets[0] == start + np.cumsum(sizes) - sizes).all())
    if pages.n_pages != 1 or not is_plain(pages.first) or not is_gapless or start + n_planes * step > size:
        raise ReadError(
            f"notes {n_planes} slices of {step} bytes but has {pages.n_pages} page and {size} bytes;"
            " copy or save it again"
        )
    offsets = pages.offsets + step * np.arange(n_planes, dtype=np.int64)[:, np.newaxis]
    return Pages(pages.first, offsets, np.repeat(pages.counts, n_planes, axis=0), pages.jpegtables * n_planes)


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
    needed = n_segments(page)
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


def _fill(page: Any, missing: float) -> float:
    """Return the sample that a gray level is stored as."""
    dtype, bits = dtype_of(page), page.bitspersample
    if page.photometric == PALETTE:
        raise ReadError("has a palette and strips or tiles that are missing, which have no color; save it again whole")
    is_float = dtype.kind == "f"
    high = float(np.finfo(dtype).max) if is_float else (1 << (bits - (dtype.kind == "i"))) - 1
    low = -high if is_float else -high - 1 if dtype.kind == "i" else 0
    is_held = low <= missing <= high and (is_float or missing == int(missing))
    if not is_held and (math.isfinite(missing) or not is_float):
        raise ReadError(
            f"strips or tiles are missing, and are to be {missing:g}, but {dtype} of {bits} bits holds {low:g} to"
            f" {high:g}; give one of those"
        )
    if is_float:
        return missing
    return high - int(missing) if page.photometric == MINISWHITE else int(missing)
