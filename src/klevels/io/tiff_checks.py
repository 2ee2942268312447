"""Prove, before a pixel is decoded, that a TIFF file can be what it claims to be."""

from __future__ import annotations

import logging
import math
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from klevels.errors import KlevelsError, ReadError

# How many decoded bytes a compressed byte can stand for at most, by the design of each code. Codes that are not listed
# are not read: their segments carry sizes of their own that could not be checked before decoding.
MAX_RATIO = {
    1: 1,  # none
    2: math.inf,  # CCITT RLE, T.4, T.6: a row of any width may take a single bit; `_check_segments` bounds the rows
    3: math.inf,
    4: math.inf,
    5: 2731,  # LZW: 4096 bytes from 12 bits
    7: 1536,  # JPEG: a 16x16 block of three samples from four bits
    8: 1032,  # deflate: 258 bytes from two bits
    32946: 1032,  # the older number of deflate
    32773: 64,  # PackBits: 128 bytes from two
    34925: 16384,  # LZMA
    50000: 32768,  # zstd: a block of 128 KiB from four bytes
}
NAMES = {1: "none", 2: "CCITT RLE", 3: "CCITT T.4", 4: "CCITT T.6", 5: "LZW", 7: "JPEG", 8: "deflate"} | {
    32946: "deflate",
    32773: "PackBits",
    34925: "LZMA",
    50000: "zstd",
}
CCITT = (2, 3, 4)
T4 = 3
JPEG = 7

# Larger images must not be smaller than one byte for so many in the file; a real scan, even a mask, never is.
BOMB_BYTES = 256 << 20
BOMB_RATIO = 500

MAX_TAGS = 4096
MAX_SIDE = 2**31 - 1
MAX_SAMPLES = 2**40
VENDORS = ("lsm", "stk", "fluoview", "ndpi", "mdgel", "scanimage", "eer")  # axes or gray values of their own


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn whatever a broken file provokes into a ReadError of one line that names the file.

    Parameters
    ----------
    path : Path
        The file that is read inside the `with` block.

    Raises
    ------
    ReadError
        For any error but a lack of memory and the operating system's own.
    """
    complaints = _Complaints()
    logger = logging.getLogger("tifffile")
    logger.addFilter(complaints)
    try:
        yield
        if complaints.first:
            raise ReadError(f"is a damaged TIFF file ({complaints.first}); save it again with the program that made it")
    except ReadError as error:
        raise type(error)(f"{path}: {error}") from None
    except (KlevelsError, MemoryError):
        raise
    except Exception as error:  # tifffile and the codecs answer damage with nearly every exception there is
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = complaints.first or " ".join(f"{type(error).__name__}: {error}".split())
        raise ReadError(
            f"{path}: is a damaged TIFF file ({reason:.160}); save it again with the program that made it"
        ) from error
    finally:
        logger.removeFilter(complaints)


def check_chain(path: Path) -> None:
    """Follow the chain of pages (IFDs) from the header to its end.

    Parameters
    ----------
    path : Path
        A file with a TIFF signature.

    Raises
    ------
    ReadError
        If the chain leaves the file, runs in a circle, or a link has no tags.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        order = {b"II": "<", b"MM": ">"}[file.read(2)]
        big = _unpack(file, order + "H") == 43
        count, link, entry = (order + "Q", order + "Q", 20) if big else (order + "H", order + "I", 12)
        file.seek(8 if big else 4)
        seen: set[int] = set()
        while offset := _unpack(file, link):
            if offset >= size:
                raise ReadError(
                    f"page {len(seen) + 1} lies at byte {offset}, but the file ends at {size}; copy it again"
                )
            if offset in seen:
                raise ReadError(f"its chain of pages runs in a circle at byte {offset}; save it again")
            seen.add(offset)
            file.seek(offset)
            n_tags = _unpack(file, count)
            if not 1 <= n_tags <= MAX_TAGS:
                raise ReadError(f"page {len(seen)} has {n_tags} tags; 1 to {MAX_TAGS} are sane; save it again")
            file.seek(n_tags * entry, 1)
        if not seen:
            raise ReadError("holds no page; save it again")


def check_page(page: Any) -> None:
    """Refuse sizes and kinds of samples that cannot be right, or that klevels does not read.

    Parameters
    ----------
    page : TiffPage
        As tifffile found it.

    Raises
    ------
    ReadError
        If its tags are wrong or of another kind; colors are not looked at.
    """
    for vendor in VENDORS:
        if getattr(page, f"is_{vendor}"):
            raise ReadError(f"is a {vendor.upper()} file, a dialect of TIFF; export it as OME-TIFF")
    sides = {"ImageWidth": page.imagewidth, "ImageLength": page.imagelength, "RowsPerStrip": page.rowsperstrip}
    if page.is_tiled:
        sides = sides | {"RowsPerStrip": 1, "TileWidth": page.tilewidth, "TileLength": page.tilelength}
    sides["SamplesPerPixel"] = page.samplesperpixel
    for name, side in sides.items():
        if not isinstance(side, int) or not 1 <= side <= MAX_SIDE:
            raise ReadError(f"{name} is {side!r:.40}; a whole number from 1 to {MAX_SIDE} is needed; save it again")
    area = max(page.imagelength, page.tilelength) * max(page.imagewidth, page.tilewidth)
    if area * page.samplesperpixel > MAX_SAMPLES:
        raise ReadError(
            f"claims {page.imagelength}x{page.imagewidth} pixels of {page.samplesperpixel} samples; at most"
            f" {MAX_SAMPLES} samples a page are read; save it again"
        )
    if page.imagedepth != 1 or page.tiledepth != 1:
        raise ReadError(f"ImageDepth is {page.imagedepth!r:.40}; only 1 is read; save one page for each slice")
    if page.compression not in MAX_RATIO:
        allowed = ", ".join(dict.fromkeys(NAMES.values()))
        name = getattr(page.compression, "name", page.compression)
        raise ReadError(f"compression is {name}; {allowed} are read; save it with one of them")
    if page.dtype is None or np.dtype(page.dtype).kind not in "buif":
        sample_format = getattr(page.sampleformat, "name", page.sampleformat)
        raise ReadError(
            f"samples have {page.bitspersample!r:.40} bits of format {sample_format}; integers of 1 to 64 bits and"
            " floats of 16 to 64 bits are read; convert it"
        )
    if page.planarconfig not in (1, 2) or page.fillorder not in (1, 2) or page.predictor not in (1, 2, 3):
        raise ReadError(
            f"PlanarConfiguration, FillOrder, Predictor are {page.planarconfig}, {page.fillorder}, {page.predictor};"
            " 1 or 2, 1 or 2, 1 to 3 are read; save it again"
        )


def check_segments(
    page: Any,
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    expected: NDArray[np.int64],
    size: int,
    *,
    may_miss: bool = False,
) -> None:
    """Refuse segments that are missing, outside the file, or too short for what they must hold.

    Parameters
    ----------
    page : TiffPage
        Checked by `check_page`.
    offsets, counts : ndarray of int64, shape (n_pages, n_segments)
        Where strips or tiles begin, and their encoded sizes in bytes.
    expected : ndarray of int64, shape (n_segments,)
        Their decoded sizes in bytes.
    size : int
        How many bytes the file has.
    may_miss : bool, default False
        Whether segments may have an offset or a size of 0: they are not there.

    Raises
    ------
    ReadError
        If any segment cannot be whole.
    """
    if page.compression in CCITT:
        width = page.tilewidth if page.is_tiled else page.imagewidth
        short = expected // math.ceil(width / 8) > 8 * counts  # a row takes a bit at least
    else:
        short = expected > MAX_RATIO[int(page.compression)] * counts
    is_missing = (offsets == 0) | (counts == 0)
    for wrong, what in (
        (is_missing if not may_miss else np.zeros_like(is_missing), "is missing"),
        ((offsets + counts > size) & ~is_missing, f"reaches beyond the end of the file ({size} bytes)"),
        (short & ~is_missing, "is too short"),
    ):
        if wrong.any():
            number, segment = np.argwhere(wrong)[0]
            raise ReadError(
                f"strip or tile {segment + 1} of page {number + 1} {what}: it holds {expected[segment]} bytes in"
                f" {counts[number, segment]} at byte {offsets[number, segment]}; copy or save it again"
            )
    if counts.sum() > size:
        raise ReadError(f"its strips or tiles overlap: {counts.sum()} bytes in a file of {size}; save it again")


def check_bomb(n_bytes: int, size: int) -> None:
    """Refuse a file that would fill the memory from next to nothing.

    Parameters
    ----------
    n_bytes : int
        How many bytes reading takes.
    size : int
        How many the file has.

    Raises
    ------
    ReadError
        If the image is large and its file is not.
    """
    if n_bytes > max(BOMB_BYTES, BOMB_RATIO * size):
        raise ReadError(
            f"would take {n_bytes} bytes of memory from a file of {size}, more than {BOMB_RATIO} to 1: a"
            " decompression bomb, or an empty image; crop it, or save it without compression"
        )


class _Complaints(logging.Filter):
    """Keeps what tifffile logs for this thread off the terminal, and remembers the first error."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()
        self.first = ""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self.thread:
            return True
        if record.levelno >= logging.ERROR and not self.first:
            self.first = " ".join(record.getMessage().split())[:160]
        return False


def _unpack(file: BinaryIO, form: str) -> int:
    """Read one number."""
    data = file.read(struct.calcsize(form))
    if len(data) < struct.calcsize(form):
        raise ReadError("ends within its list of pages; copy it again")
    return int(struct.unpack(form, data)[0])
