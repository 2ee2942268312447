"""GIF: its structure, checked before any decoder sees it, and its frames as viewers show them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.limits import check_size

SIGNATURES = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _TRAILER = b"!", b",", b";"
_CONTROL = 0xF9  # the label of the extension that tells transparency and disposal
_BACKGROUND = 2  # disposal: the frame's place is cleared after it was shown
_PREVIOUS = (3, 4)  # disposal: what was there before comes back; some programs number it 4
_BAND = 64  # rows that are drawn at a time


@dataclass(frozen=True, slots=True)
class GifFrame:
    """One frame: its place on the screen, its colors, and where its pixels lie in the file.

    Parameters
    ----------
    left, top, width, height : int
        In pixels.
    palette : bytes
        Red, green and blue of each entry.
    transparent : int or None
        The palette entry that lets through what was drawn before.
    disposal : int
        What becomes of the frame before the next is drawn; 0 and 1 let it stay.
    is_interlaced : bool
        Whether the rows are stored in four passes.
    code_bits : int
        The number of bits of a palette entry, with which LZW begins.
    offset, n_bytes : int
        Of its pixels.
    """

    left: int
    top: int
    width: int
    height: int
    palette: bytes
    transparent: int | None
    disposal: int
    is_interlaced: bool
    code_bits: int
    offset: int
    n_bytes: int


def count_frames(path: Path) -> int:
    """Check that a GIF file is whole, and count its frames.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ReadError
        If the file is cut short, claims too many pixels, or a frame has no place or no colors.
    """
    with path.open("rb") as stream:
        width, height, _ = _read_screen(path, stream)
    check_size(path, width, height, 4)
    n_frames = sum(1 for _ in _frames(path))
    if not n_frames:
        raise ReadError(f"{path}: this GIF holds no image; copy or export it again")
    return n_frames


def draw_frame(path: Path, number: int) -> NDArray[np.uint8]:
    """Return a frame on top of what those before it left, as viewers show it.

    Parameters
    ----------
    path : Path
        A file that `count_frames` has checked.
    number : int
        Of the frame, from 0.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4) or (height, width, 2)
        Red, green, blue and alpha, or gray and alpha if all colors are gray. Where nothing was drawn all are 0.

    Raises
    ------
    ReadError
        If pixels are damaged or missing, or have no color.

    Notes
    -----
    As in browsers, the background color is not used: what a frame clears becomes transparent.
    """
    with path.open("rb") as stream:
        width, height, _ = _read_screen(path, stream)
    canvas = np.zeros((height, width, 4), np.uint8)
    for i, frame in enumerate(_frames(path)):
        if i == number:
            _draw(path, frame, canvas)
            break
        # A frame that does not stay need not be drawn.
        if frame.disposal == _BACKGROUND:
            canvas[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width] = 0
        elif frame.disposal not in _PREVIOUS:
            _draw(path, frame, canvas)
    red, green, blue = canvas[..., 0], canvas[..., 1], canvas[..., 2]
    is_gray = np.array_equal(red, green) and np.array_equal(green, blue)
    return canvas[..., [0, 3]] if is_gray else canvas


def _draw(path: Path, frame: GifFrame, canvas: NDArray[np.uint8]) -> None:
    """Decode a frame and put its colors in their place."""
    import PIL.Image

    with path.open("rb") as stream:
        stream.seek(frame.offset)
        packed = stream.read(frame.n_bytes)
    size = frame.width, frame.height
    try:
        picture = PIL.Image.frombytes("L", size, packed, "gif", frame.code_bits, frame.is_interlaced, -1)
    except ValueError as error:
        raise ReadError(f"{path}: pixels of this GIF are damaged or missing; copy or export it again") from error
    n_colors = len(frame.palette) // 3
    colors = np.full((256, 4), 255, np.uint8)
    colors[:n_colors, :3] = np.frombuffer(frame.palette, np.uint8).reshape(-1, 3)
    place = canvas[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    for top in range(0, frame.height, _BAND):
        band = place[top : top + _BAND]
        indices = np.asarray(picture.crop((0, top, frame.width, top + len(band))))
        is_drawn = indices != (-1 if frame.transparent is None else frame.transparent)
        highest = int(indices.max(initial=0, where=is_drawn))
        if highest >= n_colors:
            raise ReadError(
                f"{path}: a pixel has color {highest} of a palette of {n_colors}; "
                "it is damaged, copy or export it again"
            )
        if frame.transparent is None:
            band[...] = colors[indices]
        else:
            band[is_drawn] = colors[indices[is_drawn]]


def _frames(path: Path) -> Iterator[GifFrame]:
    """Walk through the blocks of the file to its end."""
    with path.open("rb") as stream:
        width, height, common_palette = _read_screen(path, stream)
        transparent, disposal = None, 0
        while (mark := _read_exactly(path, stream, 1)) != _TRAILER:
            if mark == _EXTENSION:
                label = _read_exactly(path, stream, 1)[0]
                content = _skip_blocks(path, stream)
                if label == _CONTROL and len(content) >= 4:
                    transparent = content[3] if content[0] & 1 else None
                    disposal = content[0] >> 2 & 7
                continue
            if mark != _IMAGE:
                raise ReadError(f"{path}: this GIF is damaged at byte {stream.tell() - 1}; copy or export it again")
            left, top, columns, rows, flags = struct.unpack("<HHHHB", _read_exactly(path, stream, 9))
            if not (columns and rows and left + columns <= width and top + rows <= height):
                raise ReadError(
                    f"{path}: a frame of {columns} x {rows} pixels at column {left} and row {top} does not lie within "
                    f"the {width} x {height} of this GIF; export it again"
                )
            palette = _read_palette(path, stream, flags) or common_palette
            if not palette:
                raise ReadError(f"{path}: this GIF has no palette; export it again")
            code_bits = _read_exactly(path, stream, 1)[0]
            offset = stream.tell()
            _skip_blocks(path, stream)
            is_interlaced = bool(flags & 0x40)
            yield GifFrame(
                *(left, top, columns, rows, palette, transparent, disposal, is_interlaced, code_bits),
                offset=offset,
                n_bytes=stream.tell() - offset,
            )
            transparent, disposal = None, 0


def _read_screen(path: Path, stream: BinaryIO) -> tuple[int, int, bytes]:
    """Read the header: width, height, and the palette of all frames without their own."""
    stream.seek(len(SIGNATURES[0]))
    width, height, flags = struct.unpack("<HHB", _read_exactly(path, stream, 7)[:5])
    return width, height, _read_palette(path, stream, flags)


def _read_palette(path: Path, stream: BinaryIO, flags: int) -> bytes:
    return _read_exactly(path, stream, 3 * (2 << (flags & 7))) if flags & 0x80 else b""


def _skip_blocks(path: Path, stream: BinaryIO) -> bytes:
    """Go to the end of a chain of blocks; return the first of them."""
    first = b""
    while length := _read_exactly(path, stream, 1)[0]:
        block = _read_exactly(path, stream, length)
        first = first or block
    return first


def _read_exactly(path: Path, stream: BinaryIO, n: int) -> bytes:
    content = stream.read(n)
    if len(content) < n:
        raise ReadError(f"{path}: this GIF is cut short; copy or export it again")
    return content
