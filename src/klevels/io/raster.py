"""PNG, JPEG, BMP and GIF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.image import Image
from klevels.io import gif, png
from klevels.io.png_write import write
from klevels.io.raster_decode import decode
from klevels.io.reader import Reader

__all__ = ["NAME", "READER", "SUFFIXES", "describe", "read", "sniff", "write"]

NAME = "PNG, JPEG, BMP, GIF"
SUFFIXES = (".png",)

_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # the sizes that a BMP header can have
_COMPRESSION = {"PNG": "deflate", "JPEG": "jpeg", "BMP": "none", "GIF": "LZW"}


def sniff(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a PNG, JPEG, BMP or GIF.

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


def read(path: Path, frame: int | None = None) -> Image:
    """Read a PNG, JPEG, BMP or GIF.

    Parameters
    ----------
    path : Path
        The file.
    frame : int, optional
        The frame of an animation to read, less than `count_frames`; of an animated PNG 0 is its default image.

    Returns
    -------
    Image
        "yx" if gray, else "yxc"; uint8, or uint16 from 16-bit PNG. ``meta`` holds ``format``, for PNG ``bits`` (of a
        sample in the file), ``alpha``, True, if the last channel is alpha, and ``icc_profile``, bytes, if there is one.

    Raises
    ------
    ReadError
        If the file is damaged or cut short, too large, CMYK, or an animation of which no frame is asked for.

    Notes
    -----
    - Samples of 1, 2 and 4 bits are spread over 0 to 255, as the PNG standard asks and every viewer shows them.
    - A palette image comes as its colors, or as "yx" if all palette entries in use are gray.
    - An alpha channel that is opaque everywhere is dropped.
    - A frame of a GIF lies on top of what those before it left, as viewers show it; where nothing is drawn, color and
      alpha are 0.
    - The EXIF orientation is applied; EXIF that cannot be parsed counts as absent.
    - Color profiles and gamma are not applied. A profile that is damaged or larger than 4 MB counts as absent.
    - The resolution in dots per inch is not the size of a voxel: `spacing` is None.
    - JPEG has no checksum: damage within its pixels cannot be seen, unlike a file that is cut short.
    - A decoded size of more than 384 MB is refused: save such images as TIFF.
    """
    return _read(path, frame)[0]


def count_frames(path: Path) -> int:
    """Return how many frames there are to choose from.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    int
        1 for all but an animated GIF.

    Raises
    ------
    ReadError
        If it is a GIF that is damaged or cut short.
    """
    return gif.count_frames(path) if _kind_of_file(path) == "GIF" else 1


def describe(path: Path) -> dict[str, object]:
    """Return facts about a PNG, JPEG, BMP or GIF.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        See `klevels.io.describe`; ``frames``, their number, for a GIF and for an animated PNG, of which the first is
        described.

    Raises
    ------
    ReadError
        If `read` refuses the file.

    Notes
    -----
    The pixels are decoded: whether a palette is gray, and alpha opaque, cannot be told without.
    """
    image, n_frames = _read(path, 0)
    further = {key: image.meta[key] for key in ("bits", "alpha") if key in image.meta}
    return {
        "format": image.meta["format"],
        "shape": image.shape,
        "axes": image.axes,
        "dtype": str(image.dtype),
        "spacing": None,
        "unit": None,
        "compression": _COMPRESSION[image.meta["format"]],
        "bytes": image.data.nbytes,
        "file_bytes": path.stat().st_size,
        **further,
        **({"frames": n_frames} if n_frames else {}),
    }


def _read(path: Path, frame: int | None) -> tuple[Image, int]:
    """Return the image, and how many frames the file has, 0 if its format has none."""
    kind = _kind_of_file(path)
    meta: dict[str, object] = {"format": kind}
    n_frames = 0
    if kind == "GIF":
        n_frames = gif.count_frames(path)
        if n_frames > 1 and frame is None:
            raise ReadError(
                f"{path}: is an animated GIF of {n_frames} frames; "
                f"give --frame N (Python: frame=N), 0 to {n_frames - 1}, or save each frame as a file of its own"
            )
        samples: NDArray[Any] = gif.draw_frame(path, frame or 0)
    else:
        header = png.read_png_header(path) if kind == "PNG" else None
        n_frames = header.n_frames if header is not None else 0
        if n_frames and frame is None:
            raise ReadError(
                f"{path}: is an animated PNG; give --frame 0 (Python: frame=0) to read its default image, "
                "or save each frame as a file of its own"
            )
        samples, found = decode(path, kind, header)
        meta |= found
    samples, has_alpha = _without_opaque_alpha(samples)
    if samples.shape[2] == 1:
        samples = samples[..., 0]
    if has_alpha:
        meta["alpha"] = True
    return Image(np.ascontiguousarray(samples), "yx" if samples.ndim == 2 else "yxc", meta=meta), n_frames


def _kind(head: bytes) -> str | None:
    if head.startswith(png.SIGNATURE):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head.startswith(gif.SIGNATURES):
        return "GIF"
    return None


def _kind_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        kind = _kind(stream.read(64))
    if kind is None:
        raise ReadError(f"{path}: is no {NAME}")
    return kind


def _without_opaque_alpha(samples: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Drop the alpha channel if it says nothing; tell whether one remains."""
    has_alpha = samples.shape[2] in (2, 4)
    if has_alpha and (samples[..., -1] == np.iinfo(samples.dtype).max).all():
        return samples[..., :-1], False
    return samples, has_alpha


READER = Reader(
    name=NAME,
    sniff=lambda _, head: sniff(head),
    open=lambda path, access: read(path, access.frame),
    describe=lambda path, _: describe(path),
)
