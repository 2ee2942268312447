"""TIFF: read every kind that has one certain meaning, write labels and images that ImageJ reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from klevels.image import Image
from klevels.io import icc
from klevels.io.tiff_checks import NAMES, check_bomb, check_chain, refusing
from klevels.io.tiff_colors import PALETTE, n_channels, palette, to_colors, upright
from klevels.io.tiff_decode import decode
from klevels.io.tiff_meaning import Meaning, find_meaning
from klevels.io.tiff_pages import Pages, dtype_of, read_pages, stacked
from klevels.io.tiff_write import write

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["NAME", "SUFFIXES", "describe", "read", "sniff", "write"]

NAME = "TIFF"
SUFFIXES = (".tif", ".tiff")

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def sniff(head: bytes) -> bool:
    """Tell a TIFF or BigTIFF file by its first bytes.

    Parameters
    ----------
    head : bytes
        At least the first four bytes of a file.

    Returns
    -------
    bool
        True for TIFF and BigTIFF of either byte order.
    """
    return head[:4] in _SIGNATURES


def read(path: Path) -> Image:
    """Read a TIFF file.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows.

    Returns
    -------
    Image
        "yx" or "yxc" from one page, "zyx" or "zyxc" from several. Gray levels as stored, 0 being black; palettes are
        looked up. Thumbnails and levels of pyramids are left out. `spacing` is None unless the file states the size of
        a voxel along every axis; if only that within slices is known, it is meta["spacing_yx"], in meta["unit_yx"].
        meta["alpha"] is True where the last channel is alpha; alpha that is opaque everywhere is left out.
        meta["icc_profile"] is the color profile, bytes, if there is one.

    Raises
    ------
    ReadError
        If the file is damaged, incomplete, a decompression bomb, or not certain in its meaning: other colors than gray
        and RGB, several channels (unless klevels wrote them), times or series. Nothing that is missing is filled in.

    See Also
    --------
    klevels.io.tiff_meaning.find_meaning : where the voxel size comes from.
    klevels.io.tiff_colors.to_colors : what becomes of extra samples.
    """
    from tifffile import TiffFile

    with refusing(path):
        check_chain(path)
        with TiffFile(path) as tif:
            pages, meaning = _plan(tif, path)
            values, meta = to_colors(decode(pages, path), pages.first, all_count=meaning.has_channels)
            return _as_image(values, pages, meaning, meta)


def describe(path: Path) -> dict[str, object]:
    """Return facts about a TIFF file, without decoding its pixels.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows.

    Returns
    -------
    dict
        ``format``, ``shape``, ``axes``, ``dtype``, ``spacing``, ``unit``, ``compression``, ``bytes`` (in memory),
        ``file_bytes``, ``bits`` and ``n_pages``. An alpha channel counts, though `read` leaves it out if it is opaque.

    Raises
    ------
    ReadError
        If `read` refuses the file for any reason but damaged pixels.
    """
    from tifffile import TiffFile

    with refusing(path):
        check_chain(path)
        with TiffFile(path) as tif:
            pages, meaning = _plan(tif, path)
            page = pages.first
            channels = n_channels(page, all_count=meaning.has_channels)
            dtype = palette(page).dtype if page.photometric == PALETTE else dtype_of(page)
            plane = (page.imagelength, page.imagewidth)
            plane = plane[::-1] if _is_turned(page) else plane
            shape = (pages.n_pages,) * meaning.is_volume + plane + (channels,) * bool(channels)
            return {
                "format": NAME,
                "shape": shape,
                "axes": _axes(meaning, has_channels=channels > 0),
                "dtype": str(dtype),
                "spacing": _spacing(meaning, page),
                "unit": meaning.unit,
                "compression": NAMES[int(page.compression)],
                "bytes": math.prod(shape) * dtype.itemsize,
                "file_bytes": path.stat().st_size,
                "bits": page.bitspersample,
                "n_pages": len(tif.pages),
            }


def _plan(tif: TiffFile, path: Path) -> tuple[Pages, Meaning]:
    """Check all that can be checked without decoding."""
    pages = read_pages(tif, path)
    meaning = find_meaning(pages.first, pages.n_pages)
    if meaning.n_planes > pages.n_pages:
        pages = stacked(pages, meaning.n_planes, path)
    n_channels(pages.first, all_count=meaning.has_channels)  # refuses colors that are not certain
    n_copies = 4 if pages.first.photometric == PALETTE else 1  # the indices and three colors
    check_bomb(pages.n_bytes * n_copies, path.stat().st_size)
    return pages, meaning


def _as_image(values: NDArray[Any], pages: Pages, meaning: Meaning, meta: dict[str, object]) -> Image:
    """Name the axes, and turn the image upright."""
    page = pages.first
    values = upright(values, _orientation(page))
    meta = {"format": NAME, "compression": NAMES[int(page.compression)], "bits": page.bitspersample} | meta
    meta |= icc.as_meta(page.tags.valueof(34675))
    if meaning.spacing_yx is not None:
        meta |= {"spacing_yx": meaning.spacing_yx, "unit_yx": meaning.unit_yx}
    axes = _axes(meaning, has_channels=values.ndim == 4)
    data = values if meaning.is_volume else values[0]
    return Image(data, axes, _spacing(meaning, page), meaning.unit, meta)


def _axes(meaning: Meaning, *, has_channels: bool) -> str:
    return "z" * meaning.is_volume + "yx" + "c" * has_channels


def _orientation(page: TiffPage) -> int:
    return int(page.tags.valueof(274, 1))


def _is_turned(page: TiffPage) -> bool:
    return _orientation(page) >= 5


def _spacing(meaning: Meaning, page: TiffPage) -> tuple[float, ...] | None:
    """Return the spacing in the order of the axes once the image is upright."""
    if meaning.spacing is None or not _is_turned(page):
        return meaning.spacing
    *z, y, x = meaning.spacing
    return (*z, x, y)
