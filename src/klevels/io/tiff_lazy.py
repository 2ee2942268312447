"""TIFF files whose strips and tiles are read, and decoded, when a part of the image needs them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from klevels.errors import InputMissingError, ReadError
from klevels.io.tiff_checks import refusing
from klevels.io.tiff_colors import is_direct, lookup, to_colors
from klevels.io.tiff_decode import decode_segment, read_segment
from klevels.io.tiff_pages import PALETTE, Pages
from klevels.io.tiff_segments import dtype_of, is_plain, place_of, segment_bytes, segment_shape, segments_in
from klevels.lazy import LazyArray, MappedArray, PickedArray, Window

CHUNK_BYTES = 1 << 20  # strips are grouped until they take so many
COLOR_MAP = 320
N_FILES = 32  # whose first pages a process keeps


def samples_of(pages: Pages, path: Path) -> LazyArray:
    """Return the samples of a file, to be read when they are needed.

    Parameters
    ----------
    pages : Pages
        As checked by `read_pages`.
    path : Path
        The file they lie in.

    Returns
    -------
    LazyArray, shape (n_pages, length, width, samples)
        Mapped where they lie in the file as they lie in memory, else decoded.
    """
    if not _is_gapless(pages):
        return EncodedArray(pages, path)
    starts = pages.offsets[:, 0]
    stored = dtype_of(pages.first).newbyteorder(pages.first.parent.byteorder)
    is_separate = pages.first.planarconfig == 2 and pages.shape[-1] > 1
    if not is_separate and (np.diff(starts) == segment_bytes(pages.first).sum()).all():
        return MappedArray(path, pages.shape, stored, int(starts[0]), chunks=chunks_of(pages))
    return PlainArray(path, pages.shape, stored, starts, is_separate=is_separate, chunks=chunks_of(pages))


def values_of(samples: LazyArray, pages: Pages, kept: tuple[int, ...], *, is_volume: bool) -> LazyArray:
    """Return the gray levels or colors that samples stand for.

    Parameters
    ----------
    samples : LazyArray, shape (n_pages, length, width, samples)
        As `samples_of` returns them.
    pages : Pages
        Of the same file.
    kept : tuple of int
        The samples of a pixel that are channels.
    is_volume : bool
        Whether the pages are slices, or there is but one.

    Returns
    -------
    LazyArray
        With an axis for the pages in a volume, and one for the channels if there are several.
    """
    values = samples if is_direct(pages.first, kept) else ColorArray(samples, pages.first, kept)
    is_gray = values is samples and len(kept) == 1  # the first sample, of however many
    if is_volume and not is_gray:
        return values
    rest = (0 if is_gray else None,) * (values.ndim - 3)
    return PickedArray(values, (None if is_volume else 0, None, None, *rest))


def chunks_of(pages: Pages) -> tuple[int, int, int, int]:
    """Return the shape of pieces that are cheap to read at once.

    Parameters
    ----------
    pages : Pages
        As checked by `read_pages`.

    Returns
    -------
    tuple of int
        A tile, a strip, or several small strips, with all samples: of one page.
    """
    page = pages.first
    rows, columns = segment_shape(page)
    if is_plain(page):
        rows = 1
    row_bytes = columns * page.samplesperpixel * dtype_of(page).itemsize
    while not page.is_tiled and rows < page.imagelength and 2 * rows * row_bytes <= CHUNK_BYTES:
        rows *= 2
    return 1, min(rows, page.imagelength), min(columns, page.imagewidth), page.samplesperpixel


class EncodedArray(LazyArray):
    """Samples in strips or tiles, of which those are decoded that a window touches.

    Parameters
    ----------
    pages : Pages
        As checked by `read_pages`.
    path : Path
        The file they lie in.

    Notes
    -----
    Where the strips and tiles lie is kept, and pickled; how they are decoded is read again, once in each process.
    """

    def __init__(self, pages: Pages, path: Path) -> None:
        stored = int(pages.counts.sum())
        super().__init__(pages.shape, dtype_of(pages.first), chunks_of(pages), os.fspath(path), stored)
        self._index = int(pages.first.index)
        self._size = path.stat().st_size
        self._table = (pages.offsets, pages.counts, pages.jpegtables, pages.fill)

    def read(self, window: Window) -> NDArray[Any]:
        numbers, rows, columns, samples = window
        out = np.empty([one.stop - one.start for one in (numbers, rows, columns)] + [self.shape[-1]], self.dtype)
        path = Path(self.source)
        with refusing(path):
            page = first_page(path, self._index, self._size)
            pages = Pages(page, *self._table)
            touched = segments_in(page, rows, columns)
            with path.open("rb") as file:
                for number in range(numbers.start, numbers.stop):
                    for segment in touched:
                        values = decode_segment(pages, number, segment, read_segment(pages, number, segment, file))
                        place = place_of(page, segment)
                        to_rows, from_rows = _overlap(rows, place.rows)
                        to_columns, from_columns = _overlap(columns, place.columns)
                        target = out[number - numbers.start, to_rows, to_columns, place.samples]
                        target[...] = values[from_rows, from_columns]
        return out[..., samples]


class PlainArray(LazyArray):
    """Samples that lie in the file as they lie in memory within each page, wherever the pages are.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Pages, rows, columns and samples.
    dtype : dtype
        Of the file's byte order.
    starts : ndarray of int64, shape (n_pages,)
        Where in the file each page begins.
    is_separate : bool
        Whether all values of the first sample come first.
    chunks : tuple of int
        See `LazyArray`.
    """

    def __init__(
        self,
        path: Path,
        shape: Sequence[int],
        dtype: DTypeLike,
        starts: NDArray[np.int64],
        *,
        is_separate: bool,
        chunks: Sequence[int],
    ) -> None:
        super().__init__(shape, dtype, chunks, os.fspath(path))
        self._stored = np.dtype(dtype)
        self._starts = starts
        self._is_separate = is_separate

    def read(self, window: Window) -> NDArray[Any]:
        numbers, *rest = window
        path = Path(self.source)
        with refusing(path):
            _stat(path)
            mapped = np.memmap(path, np.uint8, "r")  # anew for each window, as in MappedArray
            pages = [self._page(mapped, int(start))[tuple(rest)] for start in self._starts[numbers]]
        return pages[0][np.newaxis] if len(pages) == 1 else np.stack(pages)

    def _page(self, mapped: NDArray[np.uint8], start: int) -> NDArray[Any]:
        length, width, samples = self.shape[1:]
        if start + length * width * samples * self._stored.itemsize > len(mapped):
            raise ReadError("became shorter after it was opened; open it again")
        if self._is_separate:
            planes: NDArray[Any] = np.ndarray((samples, length, width), self._stored, mapped.data, start)
            return np.moveaxis(planes, 0, -1)
        return np.ndarray((length, width, samples), self._stored, mapped.data, start)


class ColorArray(LazyArray):
    """The gray levels or colors that samples stand for, worked out for a window at a time.

    Parameters
    ----------
    samples : LazyArray, shape (n_pages, length, width, samples)
        As stored.
    page : TiffPage
        A checked page of the same file.
    kept : tuple of int
        The samples of a pixel that are channels.
    """

    def __init__(self, samples: LazyArray, page: Any, kept: tuple[int, ...]) -> None:
        dtype, n_channels = samples.dtype, len(kept) if len(kept) > 1 else 0
        if page.photometric == PALETTE:
            colors = lookup(page)
            dtype, n_channels = colors.dtype, colors.shape[1] if colors.ndim > 1 else 0
        tail = (n_channels,) if n_channels else ()
        super().__init__(
            (*samples.shape[:3], *tail), dtype, (*samples.chunks[:3], *tail), samples.source, samples.stored_bytes
        )
        self._samples = samples
        self._index = int(page.index)
        self._size = Path(samples.source).stat().st_size
        self._kept = kept

    def read(self, window: Window) -> NDArray[Any]:
        samples = self._samples.read((*window[:3], slice(0, self._samples.shape[-1])))
        own = np.require(samples, self._samples.dtype, "W")  # `to_colors` changes it
        path = Path(self.source)
        with refusing(path):
            page = first_page(path, self._index, self._size)
            colors = to_colors(own, page, self._kept)
        return colors[..., window[3]] if len(window) > 3 else colors


def first_page(path: Path, index: int, size: int) -> Any:
    """Return the page that tells how all pages of a file are decoded.

    Parameters
    ----------
    path : Path
        The file.
    index : int
        Which page it is, counted from 0.
    size : int
        How many bytes the file had when it was opened.

    Returns
    -------
    TiffPage
        Ready to decode, for several threads.

    Raises
    ------
    InputMissingError
        If the file is gone.
    ReadError
        If its size has changed.
    """
    found = _stat(path)
    if found.st_size != size:
        raise ReadError(f"has {found.st_size} bytes, but {size} when it was opened; open it again")
    return _first_page(os.fspath(path), index, size, found.st_mtime_ns)


@lru_cache(maxsize=N_FILES)
def _first_page(path: str, index: int, size: int, mtime: int) -> Any:  # noqa: ARG001 (another file has another time)
    from tifffile import TiffFile

    with TiffFile(path) as tif:
        page: Any = tif.pages[index]
        page.init_decode()
        page.tags.valueof(COLOR_MAP)  # long values are read when they are asked for first
        return page


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError as error:
        raise InputMissingError("is no longer there; it must stay while it is read") from error


def _is_gapless(pages: Pages) -> bool:
    """Whether the samples of each page can be mapped: nothing is encoded, and its strips follow each other."""
    sizes = segment_bytes(pages.first)
    if pages.fill is not None or not is_plain(pages.first):
        return False
    return bool((pages.offsets - pages.offsets[:, :1] == np.cumsum(sizes) - sizes).all())


def _overlap(window: slice, place: slice) -> tuple[slice, slice]:
    """Return where in the window, and where in the place, the two overlap."""
    low, high = max(window.start, place.start), min(window.stop, place.stop)
    return slice(low - window.start, high - window.start), slice(low - place.start, high - place.start)
