"""Decode the checked pages of a TIFF file into one array, with nothing missing."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.tiff_checks import CCITT, JPEG, T4
from klevels.io.tiff_pages import Pages, dtype_of, is_plain, segment_bytes

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
    if is_plain(pages.first):
        return _read_plain(pages, path)
    out = np.empty(pages.shape, dtype_of(pages.first))
    pages.first.init_decode()  # before threads race for it
    n_segments = pages.offsets.size
    starts = range(0, n_segments, SEGMENTS_A_TASK if n_segments > SEGMENTS_A_TASK * _n_workers() else 1)
    spans = list(zip(pages.offsets.ravel().tolist(), pages.counts.ravel().tolist(), strict=True))
    with path.open("rb") as file, ThreadPoolExecutor(_n_workers()) as pool:
        lock = threading.Lock()

        def work(start: int) -> None:
            stop = start + starts.step
            with lock:
                encoded = [_read_span(file, *span) for span in spans[start:stop]]
            for index, data in enumerate(encoded, start):
                _decode_segment(pages, index, data, out)

        try:
            for _ in pool.map(work, starts):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if pages.first.predictor == 2:
        _wrap(out, pages.first.bitspersample)
    return out


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


def _read_span(file: Any, offset: int, n_bytes: int) -> bytes:
    """Return the encoded bytes of one strip or tile."""
    file.seek(offset)
    data: bytes = file.read(n_bytes)
    if len(data) != n_bytes:
        raise ReadError("became shorter while it was read; try again")
    return data


def _decode_segment(pages: Pages, index: int, data: bytes, out: NDArray[Any]) -> None:
    """Decode one strip or tile and put it in its place."""
    number, segment = divmod(index, pages.offsets.shape[1])
    page = pages.first
    if page.compression == JPEG:
        _check_jpeg(data, page)
    try:
        decoded = _decode_bytes(pages, number, segment, data)
    except MemoryError:
        raise
    except Exception as error:  # codecs answer damage with exceptions of many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise _damaged(segment, number, reason) from error
    values, (plane, _, top, left, _), _ = decoded
    rows = min(values.shape[1], page.imagelength - top)
    columns = min(values.shape[2], page.imagewidth - left)
    height, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    if rows < min(height, page.imagelength - top) or columns < min(width, page.imagewidth - left):
        raise _damaged(segment, number, f"{rows} of {height} rows are there")
    if page.compression in CCITT and not _is_complete(pages, number, segment, data, values):
        raise _damaged(segment, number, "its last rows are missing")
    samples = slice(plane, plane + 1) if page.planarconfig == 2 else slice(None)
    out[number, top : top + rows, left : left + columns, samples] = values[0, :rows, :columns]


def _decode_bytes(pages: Pages, number: int, segment: int, data: bytes) -> Any:
    """Return the values of a segment, where they belong, and their shape; short data are an error."""
    return pages.first.decode(data, segment, jpegtables=pages.jpegtables[number], jpegheader=pages.first.jpegheader)


def _damaged(segment: int, number: int, reason: str) -> ReadError:
    return ReadError(
        f"strip or tile {segment + 1} of page {number + 1} is damaged ({reason:.120}); copy or save the file again"
    )


def _check_jpeg(data: bytes, page: Any) -> None:
    """Refuse a JPEG stream that is cut off (decoders fill it with gray) or larger than its strip or tile."""
    if b"\xff\xd9" not in data[-64:]:
        raise ReadError("a JPEG strip or tile is cut off: its end marker is missing; copy or save the file again")
    height, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
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
    if pages.first.compression == T4 and not _has_all_line_ends(data, values.shape[1], pages.first.fillorder):
        return False
    n_bytes = int(segment_bytes(pages.first)[segment]) * 2 + 64
    for pad in CCITT_PADS:
        try:
            padded = _decode_bytes(pages, number, segment, data + pad * n_bytes)[0]
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


def _wrap(out: NDArray[Any], bits: int) -> None:
    """Undo the overflow of summed differences into bits that the samples do not have, such as the 13th of 12."""
    if out.dtype.kind == "u" and bits != 8 * out.itemsize:
        out &= out.dtype.type((1 << bits) - 1)
