"""The compressed frames of a DICOM file: where they lie in it, and what they decode to."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.dicom_header import Header
from klevels.lazy import LazyArray, Window

RLE = "1.2.840.10008.1.2.5"
# The name of a compression, and the codec of imagecodecs that decodes it.
CODECS = {
    RLE: ("RLE", "packbits"),
    "1.2.840.10008.1.2.4.50": ("JPEG", "jpeg8"),
    "1.2.840.10008.1.2.4.51": ("JPEG", "jpeg8"),
    "1.2.840.10008.1.2.4.57": ("lossless JPEG", "jpegsof3"),
    "1.2.840.10008.1.2.4.70": ("lossless JPEG", "jpegsof3"),
    "1.2.840.10008.1.2.4.80": ("JPEG-LS", "jpegls"),
    "1.2.840.10008.1.2.4.81": ("JPEG-LS", "jpegls"),
    "1.2.840.10008.1.2.4.90": ("JPEG 2000", "jpeg2k"),
    "1.2.840.10008.1.2.4.91": ("JPEG 2000", "jpeg2k"),
    "1.2.840.10008.1.2.4.201": ("HTJ2K", "jpeg2k"),
    "1.2.840.10008.1.2.4.202": ("HTJ2K", "jpeg2k"),
    "1.2.840.10008.1.2.4.203": ("HTJ2K", "jpeg2k"),
}
# Baseline, extended, lossless and JPEG-LS. Progressive ones are not allowed in DICOM, and can be made to take hours.
_STARTS_OF_FRAME = (0xC0, 0xC1, 0xC3, 0xF7)
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"

# A compressed frame must not claim more than both: empty frames compress well, but never so well.
_BOMB_BYTES = 1 << 28
_BOMB_RATIO = 500
_MAX_PIECES = 1_000_000

Pieces = tuple[tuple[int, int], ...]
"""Where the parts of a compressed frame lie in the file: offsets and lengths in bytes."""


class EncodedFrames(LazyArray):
    """The compressed frames of a file, each decoded when it is needed.

    Parameters
    ----------
    header : Header
        Of a file whose transfer syntax is one of `CODECS`.

    Raises
    ------
    ReadError
        If the file does not hold as many frames as it claims, or they could not be so large.
    """

    def __init__(self, header: Header) -> None:
        with header.path.open("rb") as stream:
            self._frames = _find_frames(header, stream)
        n_bytes = [sum(length for _, length in pieces) for pieces in self._frames]
        one = math.prod(header.shape[1:]) * header.dtype.itemsize
        if one > max(_BOMB_BYTES, _BOMB_RATIO * min(n_bytes)):
            raise ReadError(
                f"{header.path}: claims {header.shape[1]} x {header.shape[2]} pixels, {one} bytes, a frame, of which "
                f"one is {min(n_bytes)} bytes in the file, more than {_BOMB_RATIO} to 1; save it uncompressed"
            )
        super().__init__(header.shape, header.dtype, None, str(header.path), sum(n_bytes))
        self._codec = CODECS[header.syntax][1]

    def read(self, window: Window) -> NDArray[Any]:
        out = np.empty([one.stop - one.start for one in window], self.dtype)
        for to, i in zip(out, range(window[0].start, window[0].stop), strict=True):
            to[...] = self._decoded(i)[window[1:]]
        return out

    def _decoded(self, i: int) -> NDArray[Any]:
        """Decode a frame, and refuse any other than the header describes."""
        import imagecodecs

        where = f"{self.source}: frame {i + 1}"
        try:
            with Path(self.source).open("rb") as stream:
                code = b"".join(_bytes_at(stream, *piece) for piece in self._frames[i])
            if self._codec == "packbits":
                return _decode_rle(code, self.shape[1:], self.dtype)
            _check_code(code, *self.shape[1:3])
            values: NDArray[Any] = getattr(imagecodecs, f"{self._codec}_decode")(code)
            if values.shape != self.shape[1:] or values.dtype.kind not in "iu" or values.itemsize > self.dtype.itemsize:
                raise ReadError(f"decodes to {values.shape} of {values.dtype}, not {self.shape[1:]} of {self.dtype}")
        except MemoryError:
            raise
        except Exception as error:  # decoders answer damage with nearly every exception there is
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ReadError(f"{where} cannot be decoded ({reason[:200]}); copy or export the file again") from error
        # A code may be signed where the header is not, and the other way round: the bits are what counts.
        wide: NDArray[Any] = values.astype(f"{values.dtype.kind}{self.dtype.itemsize}")
        return wide.view(self.dtype)


def _find_frames(header: Header, stream: BinaryIO) -> tuple[Pieces, ...]:
    """Return where each frame lies: the items after the first, which is a table of offsets that may be empty."""
    if header.n_bytes is not None:
        raise ReadError(f"{header.path}: its pixels should be compressed, but are not framed; export it again")
    items = _find_items(header, stream)
    n_frames = header.shape[0]
    pieces = items[1:]
    if any(length == 0 for _, length in pieces):
        raise ReadError(f"{header.path}: a frame is empty; copy or export it again")
    if len(pieces) == n_frames:
        return tuple((one,) for one in pieces)
    if n_frames == 1 and pieces:
        return (tuple(pieces),)
    table = np.frombuffer(_bytes_at(stream, *items[0]), "<u4") if items and items[0][1] % 4 == 0 else np.empty(0, "<u4")
    starts = {offset - pieces[0][0]: i for i, (offset, _) in enumerate(pieces)}
    places = [starts.get(int(offset), -1) for offset in table]
    if len(places) != n_frames or places[0] != 0 or any(before >= after for before, after in pairwise(places)):
        raise ReadError(
            f"{header.path}: has {n_frames} frames, but {len(pieces)} pieces of compressed pixels, and does not say "
            "which belong together; it is cut short or damaged: copy or export it again"
        )
    return tuple(tuple(pieces[start:stop]) for start, stop in pairwise([*places, len(pieces)]))


def _find_items(header: Header, stream: BinaryIO) -> list[tuple[int, int]]:
    """Return the offsets and lengths of the items, up to the mark of their end."""
    size = header.path.stat().st_size
    items: list[tuple[int, int]] = []
    at = header.offset
    while len(items) <= _MAX_PIECES:
        stream.seek(at)
        head = stream.read(8)
        if head[:4] == _END:
            return items
        length = int.from_bytes(head[4:], "little")
        if len(head) < 8 or head[:4] != _ITEM or at + 8 + length > size:
            raise ReadError(
                f"{header.path}: its compressed pixels are cut short or damaged at byte {at}, after "
                f"{max(0, len(items) - 1)} pieces for {header.shape[0]} frames; copy or export it again"
            )
        items.append((at + 8, length))
        at += 8 + length
    raise ReadError(f"{header.path}: has more than {_MAX_PIECES} pieces of compressed pixels; export it again")


def _bytes_at(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    found = stream.read(length)
    if len(found) < length:
        raise ReadError(f"the file ends at byte {offset + len(found)}")
    return found


def _check_code(code: bytes, rows: int, columns: int) -> None:
    """Refuse a code that is cut short, or whose own size is another: decoders take memory for what it claims."""
    if not code.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        raise ReadError("the end of the compressed data is missing")
    claimed = _size_of_jpeg(code) if code[:2] == b"\xff\xd8" else _size_of_jpeg2000(code)
    if claimed != (rows, columns, 1):
        raise ReadError(f"the code claims rows, columns and samples {claimed}, not {(rows, columns, 1)}")


def _size_of_jpeg(code: bytes) -> tuple[int, int, int]:
    """Return the rows, columns and samples that a JPEG or JPEG-LS code claims, from its start of frame."""
    at = 2
    while at + 10 <= len(code) and code[at] == 0xFF:
        marker = code[at + 1]
        if marker in _STARTS_OF_FRAME:
            rows, columns = (int.from_bytes(code[at + i : at + i + 2], "big") for i in (5, 7))
            return rows, columns, code[at + 9]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            raise ReadError(f"JPEG process {marker - 0xC0} is not one of DICOM")
        at += 2 + int.from_bytes(code[at + 2 : at + 4], "big") if marker != 0xFF else 1
    raise ReadError("the compressed data has no size")


def _size_of_jpeg2000(code: bytes) -> tuple[int, int, int]:
    """Return the rows, columns and samples that a JPEG 2000 code claims; some wrap it into the boxes of a file."""
    at = code.find(b"\xff\x4f\xff\x51", 0, 1 << 16)
    if at < 0 or len(code) < at + 42:
        raise ReadError("the compressed data is neither JPEG nor JPEG 2000")
    x, y, x0, y0 = (int.from_bytes(code[at + i : at + i + 4], "big") for i in (8, 12, 16, 20))
    return y - y0, x - x0, int.from_bytes(code[at + 40 : at + 42], "big")


def _decode_rle(code: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Decode a frame of segments: one for each byte of each sample, the highest first, as PackBits.

    The decoder that imagecodecs has for the whole of it can be made to read outside of memory.
    """
    import imagecodecs

    n_samples = math.prod(shape[2:])
    n_pixels = shape[0] * shape[1]
    n_segments, *offsets = np.frombuffer(code[:64], "<u4").tolist()
    if n_segments != n_samples * dtype.itemsize:
        raise ReadError(f"there are {n_segments} segments, not {n_samples * dtype.itemsize}")
    starts = offsets[:n_segments]
    planes = np.empty((n_samples, dtype.itemsize, n_pixels), np.uint8)
    for plane, start, stop in zip(planes.reshape(-1, n_pixels), starts, [*starts[1:], len(code)], strict=True):
        if not 64 <= start < stop <= len(code):
            raise ReadError(f"a segment lies from byte {start} to {stop} of {len(code)}")
        found = imagecodecs.packbits_decode(code[start:stop])
        if not n_pixels <= len(found) <= n_pixels + 1:  # a segment of odd length is padded
            raise ReadError(f"a segment holds {len(found)} bytes, not {n_pixels}")
        plane[:] = np.frombuffer(found, np.uint8, n_pixels)
    values = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(dtype.newbyteorder(">"))
    return values.reshape(shape).astype(dtype)
