"""The structure of a PNG file, checked before any decoder sees it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from klevels.errors import ReadError
from klevels.io import icc
from klevels.io.limits import check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # color types
_BITS = {GRAY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
_CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
_ADAM7 = (  # for each pass of an interlaced image: first column, step, first row, step
    (0, 8, 0, 8),
    (4, 8, 0, 8),
    (0, 4, 4, 8),
    (2, 4, 0, 4),
    (0, 2, 2, 4),
    (1, 2, 0, 2),
    (0, 1, 1, 2),
)
_KEPT_BYTES = 768  # the longest PLTE
_KEPT_PROFILE_BYTES = icc.MAX_BYTES + (1 << 16)  # packed, a profile can only be a little longer
_PILLOW_PROFILE_BYTES = 1 << 20  # Pillow refuses a file with a longer profile
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What a sound PNG file says about its pixels.

    Parameters
    ----------
    width, height : int
        In pixels.
    bits : int
        Of a sample: 1, 2, 4, 8 or 16.
    color_type : int
        0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha.
    palette : bytes
        Red, green and blue of each entry; empty without a palette.
    transparency : bytes
        The tRNS chunk: the alpha of palette entries, or the one color that is transparent. Empty without one.
    profile : bytes
        The ICC profile. Empty if there is none, or it cannot be unpacked.
    suits_pillow : bool
        Whether the profile is no reason for Pillow to refuse the file.
    n_frames : int
        How many frames an animation has; 0 if it is none.
    """

    width: int
    height: int
    bits: int
    color_type: int
    palette: bytes
    transparency: bytes
    profile: bytes
    suits_pillow: bool
    n_frames: int


def read_png_header(path: Path) -> PngHeader:
    """Check that a PNG file is whole, and return its header.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    PngHeader
        The header.

    Raises
    ------
    ReadError
        If the header makes no sense or claims too many pixels, a chunk's checksum does not match, or pixels are
        missing.

    Notes
    -----
    Decoders skip some checksums, and return zeros for rows that are missing from a stream that is otherwise sound. So
    all is checked here, before they see the file.
    """
    chunks: dict[bytes, bytes] = {}
    with path.open("rb") as stream:
        stream.seek(len(SIGNATURE))
        name, content = _read_chunk(path, stream)
        if name != b"IHDR" or len(content) != 13:
            raise ReadError(f"{path}: this PNG has no header; copy or export it again")
        width, height, bits, color_type, _, _, interlaced = struct.unpack(">IIBBBBB", content)
        if bits not in _BITS.get(color_type, ()):
            raise ReadError(f"{path}: no PNG has {bits} bits of color type {color_type}; copy or export it again")
        n_channels = 3 if color_type == PALETTE else _CHANNELS[color_type]
        check_size(path, width, height, n_channels * (2 if bits == 16 else 1))
        counter = _ByteCounter(_n_stored_bytes(width, height, bits * _CHANNELS[color_type], bool(interlaced)))
        while name != b"IEND":
            name, content = _read_chunk(path, stream, counter)
            chunks.setdefault(name, content)
    if not counter.is_complete():
        raise ReadError(f"{path}: pixels are missing from this PNG; copy or export it again")
    palette = chunks.get(b"PLTE", b"") if color_type == PALETTE else b""
    profile = _unpack_profile(chunks.get(b"iCCP", b""))
    suits_pillow = b"iCCP" not in chunks or 0 < len(profile) <= _PILLOW_PROFILE_BYTES
    n_frames = max(1, int.from_bytes(chunks[b"acTL"][:4], "big")) if b"acTL" in chunks else 0
    transparency = chunks.get(b"tRNS", b"")
    return PngHeader(width, height, bits, color_type, palette, transparency, profile, suits_pillow, n_frames)


def without_profile(path: Path) -> bytes:
    """Return the content of a PNG file, less its ICC profile.

    Parameters
    ----------
    path : Path
        A file that `read_png_header` has checked.

    Returns
    -------
    bytes
        A PNG file of the same pixels.
    """
    content = memoryview(path.read_bytes())
    kept = [content[: len(SIGNATURE)]]
    start, name = len(SIGNATURE), b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", content, start)
        stop = start + 12 + length
        if name != b"iCCP":
            kept.append(content[start:stop])
        start = stop
    return b"".join(kept)


class _ByteCounter:
    """Counts what the pixel chunks unfold to, without keeping it."""

    def __init__(self, n_expected: int) -> None:
        self._n_missing = n_expected
        self._inflate = zlib.decompressobj()

    def feed(self, block: bytes) -> None:
        while block and self._n_missing > 0:
            self._n_missing -= len(self._inflate.decompress(block, min(self._n_missing, _BLOCK)))
            block = self._inflate.unconsumed_tail

    def is_complete(self) -> bool:
        return self._n_missing <= 0 or self._n_missing <= len(self._inflate.flush())


def _unpack_profile(content: bytes) -> bytes:
    """Return the profile in an iCCP chunk; none if it is damaged or huge, for pixels can be read without."""
    _, _, packed = content.partition(b"\0")
    if packed[:1] != b"\0":  # the method: deflate
        return b""
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(packed[1:], icc.MAX_BYTES + 1)
    except zlib.error:
        return b""
    return profile if inflate.eof and len(profile) <= icc.MAX_BYTES else b""


def _n_stored_bytes(width: int, height: int, bits_per_pixel: int, interlaced: bool) -> int:
    """Return how many bytes the rows of pixels take before compression, each with its filter byte."""
    passes = _ADAM7 if interlaced else ((0, 1, 0, 1),)
    n_bytes = 0
    for x, x_step, y, y_step in passes:
        n_columns, n_rows = len(range(x, width, x_step)), len(range(y, height, y_step))
        n_bytes += n_rows * (1 + (n_columns * bits_per_pixel + 7) // 8) if n_columns else 0
    return n_bytes


def _read_chunk(path: Path, stream: BinaryIO, counter: _ByteCounter | None = None) -> tuple[bytes, bytes]:
    """Read one chunk, check it, and return its name and its content as far as a header needs it."""
    length, name = struct.unpack(">I4s", _read_exactly(path, stream, 8))
    checksum = zlib.crc32(name)
    kept = b""
    n_kept = _KEPT_PROFILE_BYTES if name == b"iCCP" else _KEPT_BYTES
    while length:
        block = _read_exactly(path, stream, min(length, _BLOCK))
        kept += block[: n_kept - len(kept)]
        checksum = zlib.crc32(block, checksum)
        length -= len(block)
        if name == b"IDAT" and counter is not None:
            counter.feed(block)
    if _read_exactly(path, stream, 4) != checksum.to_bytes(4, "big"):
        raise ReadError(
            f"{path}: the checksum of the PNG chunk {name.decode('latin-1')!r} does not match; "
            "it is damaged, copy or export it again"
        )
    return name, kept


def _read_exactly(path: Path, stream: BinaryIO, n: int) -> bytes:
    content = stream.read(n)
    if len(content) < n:
        raise ReadError(f"{path}: this PNG is cut short; copy or export it again")
    return content
