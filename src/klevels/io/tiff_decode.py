"""Decode the checked pages of a TIFF file, whole or a strip or tile at a time, with nothing missing."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.tiff_checks import CCITT, JPEG, T4
from klevels.io.tiff_pages import Pages
from klevels.io.tiff_segments import dtype_of, is_plain, place_of, segment_bytes, segment_shape

SEGMENTS_A_TASK = 32  # enough work to outweigh handing it to a thread
CCITT_PADS = (b"\xff", b"\x55", b"\xaa", b"\x88")


def decode(pages: Pages, path: Path) -> NDArray[Any]:
    """Decode all pages.

    Parameters
    ----------
    pages : Pages
        As checked by `read_pages`.
    path : Path
        The file they lie in.

    Returns
    -------
    ndarray, shape (n_pages, length, width, samples)
        In native byte order.

    Raises
    ------
    ReadError
        If a strip or tile does not decode to exactly what it must hold.
    """
    if is_plain(pages.first) and pages.fill is None:
        return _read_plain(pages, path)
    out = np.empty(pages.shape, dtype_of(pages.first))
    pages.first.init_decode()  # before threads race for it
    n_pages, n_segments = pages.offsets.shape
    n_all = n_pages * n_segments
    starts = range(0, n_all, SEGMENTS_A_TASK if n_all > SEGMENTS_A_TASK * _n_workers() else 1)
    with path.open("rb") as file, ThreadPoolExecutor(_n_workers()) as pool:
        lock = threading.Lock()

        def work(start: int) -> None:
            indices = [divmod(index, n_segments) for index in range(start, min(start + starts.step, n_all))]
            with lock:
                encoded = [read_segment(pages, number, segment, file) for number, segment in indices]
            for (number, segment), data in zip(indices, encoded, strict=True):
                place = place_of(pages.first, segment)
                out[number, place.rows, place.columns, place.samples] = decode_segment(pages, number, segment, data)

        try:
            for _ in pool.map(work, starts):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return out


def read_segment(pages: Pages, number: int, segment: int, file: IO[bytes]) -> bytes:
    """Return the encoded bytes of a strip or tile.

    Parameters
    ----------
    pages : Pages
        As checked by `read_pages`.
    number, segment : int
        Which page, and which strip or tile of it, counted from 0.
    file : binary file
        The file they lie in.

    Returns
    -------
    bytes
        None of one that is to be filled.

    Raises
    ------
    ReadError
        If the file ends before it.
    """
    n_bytes = int(pages.counts[number, segment])
    file.seek(int(pages.offsets[number, segment]))
    data = file.read(n_bytes)
    if len(data) != n_bytes:
        raise ReadError("became shorter while it was read; try again")
    return data


def decode_segment(pages: Pages, number: int, segment: int, data: bytes) -> NDArray[Any]:
    """Decode a strip or tile.

    Parameters
    ----------
    pages : Pages
        As checked by `read_pages`; ``pages.first.init_decode()`` was called, if there are several threads.
    number, segment : int
        Which page, and which strip or tile of it, counted from 0.
    data : bytes
        What `read_segment` returns.

    Returns
    -------
    ndarray, shape (rows, columns, samples)
        As far as it lies in the image, in native byte order. What is to be filled is.

    Raises
    ------
    ReadError
        If it does not decode to exactly what it must hold.
    """
    page, place = pages.first, place_of(pages.first, segment)
    if not data:
        return np.full(place.shape, pages.fill, dtype_of(page))
    if page.compression == JPEG:
        _check_jpeg(data, page)
    try:
        values = _decode_bytes(pages, number, segment, data)
    except MemoryError:
        raise
    except Exception as error:  # codecs answer damage with exceptions of many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise _damaged(segment, number, reason) from error
    rows, columns, _ = place.shape
    if values.shape[0] < rows or values.shape[1] < columns:
        raise _damaged(segment, number, f"{len(values)} of {rows} rows are there")
    if page.compression in CCITT and not _is_complete(pages, number, segment, data, values):
        raise _damaged(segment, number, "its last rows are missing")
    values = values[:rows, :columns]
    return _wrapped(values, page.bitspersample) if page.predictor == 2 else values


def _n_workers() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _read_plain(pages: Pages, path: Path) -> NDArray[Any]:
    """Read samples that need no decoding; strips that follow each other are read at once."""
    n_pages, length, width, samples = pages.shape
    dtype = dtype_of(pages.first)
    flat = np.empty(n_pages * length * width * samples, dtype)
    target = flat.view(np.uint8)
    sizes = np.tile(segment_bytes(pages.first), n_pages)
    starts = pages.offsets.ravel()
    ends = starts + sizes
    firsts = np.flatnonzero(np.concatenate(([True], starts[1:] != ends[:-1])))
    bounds = np.append((np.cumsum(sizes) - sizes)[firsts], flat.nbytes)
    with path.open("rb", buffering=0) as file:
        for first, begin, end in zip(firsts, bounds[:-1], bounds[1:], strict=True):
            file.seek(int(starts[first]))
            _fill(file, target[int(begin) : int(end)])
    if dtype.newbyteorder(pages.first.parent.byteorder) != dtype:
        flat.byteswap(inplace=True)
    if pages.first.planarconfig == 2:
        return np.ascontiguousarray(np.moveaxis(flat.reshape(n_pages, samples, length, width), 1, -1))
    return flat.reshape(pages.shape)


def _fill(file: Any, target: NDArray[np.uint8]) -> None:
    """Read until the target is full; the system may give less than was asked for."""
    done = 0
    while done < len(target):
        n_bytes = file.readinto(target[done:])
        if not n_bytes:
            raise ReadError("became shorter while it was read; try again")
        done += n_bytes


def _decode_bytes(pages: Pages, number: int, segment: int, data: bytes) -> NDArray[Any]:
    """Return the rows, columns and samples of a segment; short data are an error."""
    page = pages.first
    values = page.decode(data, segment, jpegtables=pages.jpegtables[number], jpegheader=page.jpegheader)[0]
    rows: NDArray[Any] = values[0]
    return rows


def _damaged(segment: int, number: int, reason: str) -> ReadError:
    return ReadError(
        f"strip or tile {segment + 1} of page {number + 1} is damaged ({reason:.120}); copy or save the file again"
    )


def _check_jpeg(data: bytes, page: Any) -> None:
    """Refuse a JPEG stream that is cut off (decoders fill it with gray) or larger than its strip or tile."""
    if b"\xff\xd9" not in data[-64:]:
        raise ReadError("a JPEG strip or tile is cut off: its end marker is missing; copy or save the file again")
    height, width = segment_shape(page)
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    position = 2
    while position + 10 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            rows = int.from_bytes(data[position + 5 : position + 7], "big")
            columns = int.from_bytes(data[position + 7 : position + 9], "big")
            if not rows or rows * columns * data[position + 9] > (height + 15) * (width + 15) * samples:
                raise ReadError(
                    f"a JPEG strip or tile claims {rows}x{columns}x{data[position + 9]} samples where"
                    f" {height}x{width}x{samples} are expected; save the file again"
                )
            return
        position += 1 if marker == 0xFF else 2 + length
    raise ReadError("a JPEG strip or tile has no frame header; save the file again")


def _is_complete(pages: Pages, number: int, segment: int, data: bytes, values: NDArray[Any]) -> bool:
    """Tell whether CCITT data hold all their rows.

    The decoder fills rows that are missing with white, and says nothing. But it goes on reading as long as rows are
    missing: what follows the data shows in the image then, and only then.
    """
    if pages.first.compression == T4 and not _has_all_line_ends(data, len(values), pages.first.fillorder):
        return False
    n_bytes = int(segment_bytes(pages.first)[segment]) * 2 + 64
    for pad in CCITT_PADS:
        try:
            padded = _decode_bytes(pages, number, segment, data + pad * n_bytes)
        except Exception:  # the pad was read as data, and made no sense
            return False
        if not np.array_equal(padded, values):
            return False
    return True


def _has_all_line_ends(data: bytes, n_rows: int, fillorder: int) -> bool:
    """Tell whether each row follows an end-of-line code, at least 11 zeros and a one, or none does.

    A decoder that loses a row looks for the next code, and would not notice what follows the data.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little" if fillorder == 2 else "big")
    is_line_end = np.diff(np.flatnonzero(bits), prepend=-1) > 11
    n_line_ends = int(is_line_end.sum())
    return n_line_ends == 0 or n_line_ends >= n_rows - (not is_line_end[0])


def _wrapped(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Undo the overflow of summed differences into bits that the samples do not have, such as the 13th of 12."""
    if values.dtype.kind == "u" and bits != 8 * values.itemsize:
        own: NDArray[Any] = values & values.dtype.type((1 << bits) - 1)
        return own
    return values
