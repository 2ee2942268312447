"""TIFF: read every kind that has one certain meaning, write labels and images that ImageJ reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from klevels.image import Image
from klevels.io import icc
from klevels.io.reader import Reader
from klevels.io.tiff_channels import Channels, find_channels, n_channels, needs_pixels
from klevels.io.tiff_checks import NAMES, check_bomb, check_chain, refusing
from klevels.io.tiff_colors import lookup, to_colors, upright
from klevels.io.tiff_decode import decode
from klevels.io.tiff_lazy import chunks_of, samples_of, values_of
from klevels.io.tiff_meaning import Meaning, find_meaning
from klevels.io.tiff_pages import PALETTE, Pages, read_pages, stacked
from klevels.io.tiff_segments import dtype_of
from klevels.io.tiff_write import write
from klevels.lazy import LazyArray

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["NAME", "READER", "SUFFIXES", "describe", "open", "read", "sniff", "write"]

NAME = "TIFF"
SUFFIXES = (".tif", ".tiff")

SMALL_BYTES = 1 << 28  # an image whose pixels decide what its channels are is read at once, not twice, up to this

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


def read(path: Path, missing: float | None = None) -> Image:
    """Read a TIFF file.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows.
    missing : float, optional
        The gray level of strips and tiles that are not there (their offset or size is 0), in every channel. Without it
        they are an error.

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
    klevels.io.tiff_channels.find_channels : what becomes of extra samples.
    """
    from tifffile import TiffFile

    with refusing(path):
        check_chain(path)
        with TiffFile(path) as tif:
            pages, meaning = _plan(tif, path, missing)
            samples = decode(pages, path)
            channels = find_channels([samples], pages.first, all_count=meaning.has_channels)
            values = upright(to_colors(samples, pages.first, channels.kept), _orientation(pages.first))
            return _as_image(values if meaning.is_volume else values[0], pages, meaning, channels)


def open(path: Path, missing: float | None = None) -> Image:
    """Open a TIFF file: its strips and tiles are read when a part of the image needs them.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows.
    missing : float, optional
        As in `read`.

    Returns
    -------
    Image
        What `read` returns, over a `LazyArray`; in memory where the image does not stand upright in the file, or is
        small and its pixels decide which samples are channels.

    Raises
    ------
    ReadError
        If `read` refuses the file for any reason but damaged pixels; those are found when they are read.

    Notes
    -----
    Of an image with alpha that is not small, pages are decoded until one is found that is not opaque.
    """
    from tifffile import TiffFile

    with refusing(path):
        check_chain(path)
        with TiffFile(path) as tif:
            pages, meaning = _plan(tif, path, missing)
            needs_all = needs_pixels(pages.first, all_count=meaning.has_channels)
            if _orientation(pages.first) == 1 and (not needs_all or pages.n_bytes > SMALL_BYTES):
                samples = samples_of(pages, path)
                channels = find_channels(_parts(samples), pages.first, all_count=meaning.has_channels)
                values = values_of(samples, pages, channels.kept, is_volume=meaning.is_volume)
                return _as_image(values, pages, meaning, channels)
    return read(path, missing)


def describe(path: Path, missing: float | None = None) -> dict[str, object]:
    """Return facts about a TIFF file, without decoding its pixels.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows.
    missing : float, optional
        As in `read`.

    Returns
    -------
    dict
        ``format``, ``shape``, ``axes``, ``dtype``, ``spacing``, ``unit``, ``compression``, ``bytes`` (in memory),
        ``file_bytes``, ``chunks``, ``bits`` and ``n_pages``. An alpha channel counts, though `read` leaves it out if it
        is opaque.

    Raises
    ------
    ReadError
        If `read` refuses the file for any reason but damaged pixels.
    """
    from tifffile import TiffFile

    with refusing(path):
        check_chain(path)
        with TiffFile(path) as tif:
            pages, meaning = _plan(tif, path, missing)
            page = pages.first
            channels = n_channels(page, all_count=meaning.has_channels)
            tail = (channels,) * bool(channels)
            dtype = lookup(page).dtype if page.photometric == PALETTE else dtype_of(page)
            plane = (page.imagelength, page.imagewidth)
            plane = plane[::-1] if _is_turned(page) else plane
            shape = (pages.n_pages,) * meaning.is_volume + plane + tail
            chunks = shape if _orientation(page) != 1 else (*chunks_of(pages)[not meaning.is_volume : 3], *tail)
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
                "chunks": chunks,
                "bits": page.bitspersample,
                "n_pages": len(tif.pages),
            }


def _plan(tif: TiffFile, path: Path, missing: float | None) -> tuple[Pages, Meaning]:
    """Check all that can be checked without decoding."""
    pages = read_pages(tif, path, missing)
    meaning = find_meaning(pages.first, pages.n_pages)
    if meaning.n_planes > pages.n_pages:
        pages = stacked(pages, meaning.n_planes, path)
    n_channels(pages.first, all_count=meaning.has_channels)  # refuses colors that are not certain
    n_copies = 4 if pages.first.photometric == PALETTE else 1  # the indices and three colors
    check_bomb(pages.n_bytes * n_copies, path.stat().st_size)
    return pages, meaning


def _parts(samples: LazyArray) -> Iterator[NDArray[Any]]:
    """Give all samples, a few rows or tiles at a time."""
    n_pages, length, _, _ = samples.shape
    for number in range(n_pages):
        for top in range(0, length, samples.chunks[1]):
            yield samples[number : number + 1, top : top + samples.chunks[1]]


def _as_image(values: Any, pages: Pages, meaning: Meaning, channels: Channels) -> Image:
    """Name the axes."""
    page = pages.first
    meta = {"format": NAME, "compression": NAMES[int(page.compression)], "bits": page.bitspersample} | channels.meta
    meta |= icc.as_meta(page.tags.valueof(34675))
    if meaning.spacing_yx is not None:
        meta |= {"spacing_yx": meaning.spacing_yx, "unit_yx": meaning.unit_yx}
    axes = _axes(meaning, has_channels=values.ndim > 2 + meaning.is_volume)
    return Image(values, axes, _spacing(meaning, page), meaning.unit, meta)


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


READER = Reader(
    name=NAME,
    sniff=lambda _, head: sniff(head),
    open=lambda path, access: open(path, access.missing),
    read=lambda path, access: read(path, access.missing),
    describe=lambda path, access: describe(path, access.missing),
    takes=("missing",),
)
