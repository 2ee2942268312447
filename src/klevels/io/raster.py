"""PNG, JPEG and BMP."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ParameterError, ReadError
from klevels.image import Image
from klevels.io import png

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

NAME = "PNG, JPEG, BMP"
SUFFIXES = (".png",)

MAX_BYTES = 3 << 27  # of decoded pixels: small files can claim any size; with all copies, reading takes less than 1 GB
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # the sizes that a BMP header can have
_BMP_PLAIN = {None, 0, 3}  # uncompressed, with or without bit masks
_ORIENTATION = 0x0112  # the EXIF tag
_BAND = 64  # rows that are copied at a time
_CHANNELS = {"1": 1, "L": 1, "P": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGBA": 4}  # the modes of Pillow that are read


def sniff(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a PNG, JPEG or BMP.

    Parameters
    ----------
    head : bytes
        The first bytes, at least 18.

    Returns
    -------
    bool
        Whether `read` is the function for it.
    """
    return _kind(head) is not None


def read(path: Path) -> Image:
    """Read a PNG, JPEG or BMP.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Image
        "yx" if gray, else "yxc"; uint8, or uint16 from 16-bit PNG. ``meta`` holds ``format``, for PNG ``bits`` (of a
        sample in the file), and ``alpha``, True, if the last channel is alpha.

    Raises
    ------
    ReadError
        If the file is damaged or cut short, too large, CMYK, or an animation.

    Notes
    -----
    - Samples of 1, 2 and 4 bits are spread over 0 to 255, as the PNG standard asks and every viewer shows them.
    - A palette image comes as its colors, or as "yx" if all palette entries in use are gray.
    - An alpha channel that is opaque everywhere is dropped.
    - The EXIF orientation is applied; EXIF that cannot be parsed counts as absent.
    - Color profiles and gamma are left alone.
    - The resolution in dots per inch is not the size of a voxel: `spacing` is None.
    - JPEG has no checksum: damage within its pixels cannot be seen, unlike a file that is cut short.
    - A decoded size of more than 384 MB is refused: save such images as TIFF.
    """
    kind = _kind_of_file(path)
    header = png.read_png_header(path, MAX_BYTES) if kind == "PNG" else None
    samples, orientation = _decode(path, kind, header)
    samples, has_alpha = _without_opaque_alpha(_upright(samples, orientation))
    if samples.shape[2] == 1:
        samples = samples[..., 0]
    meta: dict[str, object] = {"format": kind}
    if header is not None:
        meta["bits"] = header.bits
    if has_alpha:
        meta["alpha"] = True
    return Image(np.ascontiguousarray(samples), "yx" if samples.ndim == 2 else "yxc", meta=meta)


def describe(path: Path) -> dict[str, object]:
    """Return facts about a PNG, JPEG or BMP.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        See `klevels.io.describe`.

    Raises
    ------
    ReadError
        If `read` refuses the file.

    Notes
    -----
    The pixels are decoded: whether a palette is gray, and alpha opaque, cannot be told without.
    """
    image = read(path)
    return {
        "format": image.meta["format"],
        "shape": image.shape,
        "axes": image.axes,
        "dtype": str(image.dtype),
        "spacing": None,
        "unit": None,
        "compression": {"PNG": "deflate", "JPEG": "jpeg", "BMP": "none"}[image.meta["format"]],
        "bytes": image.data.nbytes,
        "file_bytes": path.stat().st_size,
    } | {key: image.meta[key] for key in ("bits", "alpha") if key in image.meta}


def write(path: Path, image: Image) -> None:
    """Write a PNG.

    Parameters
    ----------
    path : Path
        The file.
    image : Image
        "yx" of uint8 or uint16, or "yxc" of three channels of uint8.

    Raises
    ------
    ParameterError
        For any other image.
    """
    import PIL.Image

    data = image.data.astype(image.dtype.newbyteorder("="), copy=False)
    if image.axes.startswith("z"):
        raise ParameterError(f"a PNG holds one slice, not a volume of shape {image.shape}; write .tif or .npy")
    is_rgb = image.axes == "yxc" and data.shape[2] == 3 and data.dtype == np.uint8
    is_gray = image.axes == "yx" and data.dtype in (np.uint8, np.uint16)
    if not (is_rgb or is_gray):
        raise ParameterError(
            f"a PNG holds gray of uint8 or uint16, or RGB of uint8, not {data.dtype} of shape {image.shape}; "
            "write .tif or .npz"
        )
    # Pillow does not say why writing to a file failed; encoding to memory leaves that to Python, which does.
    content = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(data)).save(content, format="PNG")
    path.write_bytes(content.getvalue())


def _kind(head: bytes) -> str | None:
    if head.startswith(png.SIGNATURE):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return None


def _kind_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        kind = _kind(stream.read(64))
    if kind is None:
        raise ReadError(f"{path}: is no PNG, JPEG or BMP")
    return kind


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
    n_bytes = width * height * _CHANNELS[picture.mode]
    if kind != "PNG" and n_bytes > MAX_BYTES:  # that of a PNG is checked with its header
        raise ReadError(
            f"{path}: claims {width} x {height} pixels, {n_bytes >> 20} MB; "
            f"at most {MAX_BYTES >> 20} MB are decoded: save it as TIFF if it is genuine"
        )


def _exceeds_pillow(header: png.PngHeader) -> bool:
    """Whether Pillow would lose something: the low byte of 16-bit color, or the place of a transparent color."""
    is_deep_color = header.bits == 16 and header.color_type != png.GRAY
    return is_deep_color or (header.color_type in (png.GRAY, png.RGB) and bool(header.transparency))


def _decode(path: Path, kind: str, header: png.PngHeader | None) -> tuple[NDArray[Any], int]:
    """Return the samples, shape (height, width, channels), and the EXIF orientation."""
    with path.open("rb") as stream, _open(kind, stream) as picture:
        _check(path, kind, picture)
        if header is not None and _exceeds_pillow(header):
            import imagecodecs

            samples = imagecodecs.png_decode(path.read_bytes())
        elif picture.mode == "P":
            in_use = np.flatnonzero(picture.histogram())
            samples = _colors(path, _array(picture), in_use, _palette(picture, header))
        else:
            samples = _array(picture)
        return samples.reshape(*samples.shape[:2], -1), _orientation(picture)


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


def _without_opaque_alpha(samples: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Drop the alpha channel if it says nothing; tell whether one remains."""
    has_alpha = samples.shape[2] in (2, 4)
    if has_alpha and (samples[..., -1] == np.iinfo(samples.dtype).max).all():
        return samples[..., :-1], False
    return samples, has_alpha
