"""Write PNG: every bit as it is, in a palette where the colors are few."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ParameterError
from klevels.image import Image
from klevels.io import icc
from klevels.io.png import GRAY, GRAY_ALPHA, PALETTE, RGB, RGB_ALPHA, SIGNATURE
from klevels.io.png_filter import filter_rows
from klevels.io.png_palette import PngPalette, bands, find_palette

_LONGEST_SIDE = 1_000_000  # pixels that libpng allows, with which 16-bit color is read
_LEVEL = 6  # of deflate; 9 takes four times as long for 1 to 5 %


def write(path: Path, image: Image) -> None:
    """Write a PNG.

    Parameters
    ----------
    path : Path
        The file.
    image : Image
        "yx", or "yxc" of 2 channels (gray, alpha), 3 (red, green, blue) or 4 (red, green, blue, alpha); uint8 or
        uint16.

    Raises
    ------
    ParameterError
        For any other image.

    Notes
    -----
    uint8 of at most 256 colors, alpha included, gets a palette, dark to bright, of 1, 2, 4 or 8 bits a pixel: the
    values are the same, and the file is a fraction of the size. Three or four channels that are gray in every pixel
    stay as they are, for a gray palette is read as gray. ``meta["icc_profile"]`` is embedded where it suits the colors.
    """
    _check(image)
    data = image.data
    n_channels = 1 if data.ndim == 2 else data.shape[2]
    profile = icc.to_embed(image, n_channels - (n_channels in (2, 4)))
    # A palette is RGB to its profile, so gray with a profile has none.
    may_be_indexed = data.dtype == np.uint8 and (n_channels > 2 or (n_channels == 2 and profile is None))
    palette = find_palette(data) if may_be_indexed else None
    with path.open("wb") as stream:
        if palette is not None and (n_channels == 2 or not palette.is_gray):
            _write_indexed(stream, data, palette, profile)
        else:
            _write_colors(stream, data, n_channels, profile)


def _check(image: Image) -> None:
    """Refuse what a PNG cannot hold."""
    if image.axes.startswith("z"):
        raise ParameterError(f"a PNG holds one slice, not a volume of shape {image.shape}; write .tif or .npy")
    has_type = image.dtype.newbyteorder("=") in (np.uint8, np.uint16)
    if not (has_type and (image.axes == "yx" or image.shape[2] in (2, 3, 4))):
        raise ParameterError(
            f"a PNG holds gray or RGB, each with or without alpha, of uint8 or uint16, not {image.dtype} of shape "
            f"{image.shape}; write .tif or .npz"
        )
    if max(image.shape[:2]) > _LONGEST_SIDE and image.axes == "yxc" and image.dtype.itemsize == 2:
        raise ParameterError(f"in a PNG a side of 16-bit color has at most {_LONGEST_SIDE} pixels; write .tif or .npz")
    if image.meta.get("premultiplied"):
        raise ParameterError("a PNG holds colors that are not multiplied by alpha, and these are; write .tif or .npz")


def _write_colors(stream: BinaryIO, data: NDArray[Any], n_channels: int, profile: bytes | None) -> None:
    color_type = {1: GRAY, 2: GRAY_ALPHA, 3: RGB, 4: RGB_ALPHA}[n_channels]
    _write_header(stream, data, 8 * data.itemsize, color_type)
    _write_profile(stream, profile)
    _write_pixels(stream, _filtered(data, n_channels * data.itemsize))


def _filtered(data: NDArray[Any], n_pixel_bytes: int) -> Iterator[NDArray[np.uint8]]:
    big_endian = data.dtype.newbyteorder(">")
    above = np.zeros(data.shape[1] * n_pixel_bytes, np.uint8)
    for band in bands(data):
        rows = np.ascontiguousarray(band, big_endian).reshape(len(band), -1).view(np.uint8)
        yield filter_rows(rows, above, n_pixel_bytes)
        above = rows[-1]


def _write_indexed(stream: BinaryIO, data: NDArray[Any], palette: PngPalette, profile: bytes | None) -> None:
    colors = palette.colors
    bits = next(bits for bits in (1, 2, 4, 8) if len(colors) <= 1 << bits)
    _write_header(stream, data, bits, PALETTE)
    _write_profile(stream, profile)
    _write_chunk(stream, b"PLTE", colors[:, [0, 0, 0] if colors.shape[1] == 2 else [0, 1, 2]].tobytes())
    if colors.shape[1] != 3 and (colors[:, -1] < 255).any():
        _write_chunk(stream, b"tRNS", colors[: np.flatnonzero(colors[:, -1] < 255)[-1] + 1, -1].tobytes())
    _write_pixels(stream, (_packed(palette.numbers(band), bits) for band in bands(data)))


def _packed(numbers: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Put several numbers into a byte, the left one on top; a row begins with 0, for no filter."""
    n_rows, width = numbers.shape
    n_a_byte = 8 // bits
    padded = np.zeros((n_rows, -(-width // n_a_byte), n_a_byte), np.uint8)
    padded.reshape(n_rows, -1)[:, :width] = numbers
    rows = np.zeros((n_rows, padded.shape[1] + 1), np.uint8)
    for i in range(n_a_byte):
        rows[:, 1:] |= padded[..., i] << np.uint8(8 - bits * (i + 1))
    return rows


def _write_pixels(stream: BinaryIO, bands_of_rows: Iterable[NDArray[np.uint8]]) -> None:
    """Compress filtered rows, a band at a time, and end the file."""
    deflate = zlib.compressobj(_LEVEL)
    for rows in bands_of_rows:
        _write_chunk(stream, b"IDAT", deflate.compress(rows.data))
    _write_chunk(stream, b"IDAT", deflate.flush())
    _write_chunk(stream, b"IEND", b"")


def _write_header(stream: BinaryIO, data: NDArray[Any], bits: int, color_type: int) -> None:
    height, width = data.shape[:2]
    stream.write(SIGNATURE)
    _write_chunk(stream, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0))


def _write_profile(stream: BinaryIO, profile: bytes | None) -> None:
    if profile is not None:
        _write_chunk(stream, b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))


def _write_chunk(stream: BinaryIO, name: bytes, content: bytes) -> None:
    """Write a chunk, unless it is one of pixels without any."""
    if content or name == b"IEND":
        stream.write(struct.pack(">I4s", len(content), name))
        stream.write(content)
        stream.write(zlib.crc32(content, zlib.crc32(name)).to_bytes(4, "big"))
