"""Decode PNG, JPEG and BMP with Pillow, and with libpng where Pillow would lose something."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io import icc, png
from klevels.io.limits import check_size

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_BMP_PLAIN = {None, 0, 3}  # uncompressed, with or without bit masks
_ORIENTATION = 0x0112  # the EXIF tag
_BAND = 64  # rows that are copied at a time
_CHANNELS = {"1": 1, "L": 1, "P": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGBA": 4}  # the modes of Pillow that are read


def decode(path: Path, kind: str, header: png.PngHeader | None) -> tuple[NDArray[Any], dict[str, object]]:
    """Return the pixels of a file, upright.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"PNG", "JPEG", "BMP"}
        Its format.
    header : PngHeader or None
        Of a PNG that was checked.

    Returns
    -------
    samples : ndarray of uint8 or uint16, shape (height, width, n_channels)
        The last of 2 or 4 channels is alpha.
    meta : dict
        ``bits``, of a sample in a PNG, and ``icc_profile``, if there is one.

    Raises
    ------
    ReadError
        If the file cannot be decoded rightly.
    """
    with _stream(path, header) as stream, _open(kind, stream) as picture:
        _check(path, kind, picture)
        if header is not None and _exceeds_pillow(header):
            import imagecodecs

            samples = imagecodecs.png_decode(path.read_bytes())
        elif picture.mode == "P":
            in_use = np.flatnonzero(picture.histogram())
            samples = _colors(path, _array(picture), in_use, _palette(picture, header))
        else:
            samples = _array(picture)
        samples = _upright(samples.reshape(*samples.shape[:2], -1), _orientation(picture))
        if header is not None:
            return samples, {"bits": header.bits, **icc.as_meta(header.profile)}
        return samples, icc.as_meta(picture.info.get("icc_profile"))


def _stream(path: Path, header: png.PngHeader | None) -> BinaryIO:
    return path.open("rb") if header is None or header.suits_pillow else io.BytesIO(png.without_profile(path))


def _open(kind: str, stream: Any) -> ImageFile:
    """Open with the one plugin that is wanted: PIL.Image.open would load all, and bring limits of its own."""
    if kind == "PNG":
        from PIL.PngImagePlugin import PngImageFile

        return PngImageFile(stream)
    if kind == "JPEG":
        from PIL.JpegImagePlugin import JpegImageFile

        return JpegImageFile(stream)
    from PIL.BmpImagePlugin import BmpImageFile

    return BmpImageFile(stream)


def _check(path: Path, kind: str, picture: ImageFile) -> None:
    """Refuse by the header what cannot be decoded rightly, before any memory is taken."""
    width, height = picture.size
    if picture.mode == "CMYK":
        raise ReadError(f"{path}: this {kind} is CMYK, made for print; convert it to RGB or gray first")
    if picture.mode not in _CHANNELS:
        raise ReadError(f"{path}: this {kind} has pixels of kind {picture.mode}; convert it to RGB or gray first")
    if kind == "BMP" and picture.info.get("compression") not in _BMP_PLAIN:
        raise ReadError(f"{path}: this BMP is compressed; save it uncompressed, or as PNG")
    if kind != "PNG":  # that of a PNG is checked with its header
        check_size(path, width, height, _CHANNELS[picture.mode])


def _exceeds_pillow(header: png.PngHeader) -> bool:
    """Whether Pillow would lose something: the low byte of 16-bit color, or the place of a transparent color."""
    is_deep_color = header.bits == 16 and header.color_type != png.GRAY
    return is_deep_color or (header.color_type in (png.GRAY, png.RGB) and bool(header.transparency))


def _array(picture: ImageFile) -> NDArray[Any]:
    """Return the samples by bands of rows: at once, Pillow would copy them twice."""
    picture.load()
    width, height = picture.size
    n_channels = _CHANNELS[picture.mode]
    shape = (height, width) if n_channels == 1 else (height, width, n_channels)
    array = np.empty(shape, np.uint16 if picture.mode == "I;16" else np.uint8)
    for top in range(0, height, _BAND):
        bottom = min(top + _BAND, height)
        array[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    if picture.mode == "1":
        array *= 255
    return array


def _palette(picture: ImageFile, header: png.PngHeader | None) -> NDArray[np.uint8]:
    """Return the entries as rows of red, green, blue and, from a PNG that has it, alpha."""
    entries = header.palette if header is not None else bytes(picture.getpalette("RGB") or ())
    colors = np.frombuffer(entries, np.uint8).reshape(-1, 3)
    if header is None or not header.transparency:
        return colors
    alpha = np.full((len(colors), 1), 255, np.uint8)
    given = np.frombuffer(header.transparency[: len(colors)], np.uint8)
    alpha[: len(given), 0] = given
    return np.hstack([colors, alpha])


def _colors(path: Path, indices: NDArray[Any], in_use: NDArray[Any], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Look the pixels up in the palette; keep one color channel if all entries in use are gray."""
    if in_use[-1] >= len(palette):
        raise ReadError(
            f"{path}: a pixel has color {in_use[-1]} of a palette of {len(palette)}; "
            "it is damaged, copy or export it again"
        )
    red, green, blue = palette[in_use, :3].T
    if (red == green).all() and (green == blue).all():
        palette = palette[:, [0, *range(3, palette.shape[1])]]
    colors = np.empty((*indices.shape, palette.shape[1]), np.uint8)
    for row, colors_of_row in zip(indices, colors, strict=True):  # NumPy widens indices to 64 bits, so not all at once
        colors_of_row[...] = palette[row]
    return colors


def _orientation(picture: ImageFile) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    # EXIF is written by thousands of devices; Pillow raises nearly anything on what it cannot parse.
    except Exception:
        return 1
    return value if value in range(1, 9) else 1


def _upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF orientation: 5 to 8 swap the axes, then some flip rows, some columns."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    return samples[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
