"""From the samples of a TIFF file to gray levels or colors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.tiff_pages import dtype_of

MINISWHITE, MINISBLACK, RGB, PALETTE, SEPARATED, YCBCR = 0, 1, 2, 3, 5, 6
JPEG = 7
ALPHA = {1: "premultiplied", 2: "straight", 999: "straight"}  # 999 is what Corel Draw writes for straight alpha


def n_channels(page: Any, *, all_count: bool) -> int:
    """Return how many channels the image of a page has; 0 for gray.

    Parameters
    ----------
    page : TiffPage
        A checked page.
    all_count : bool
        Whether samples of unspecified kind are channels.

    Returns
    -------
    int
        0, or the length of the channel axis, with the alpha channel if there is one.

    Raises
    ------
    ReadError
        If the page has colors that cannot be turned into RGB with certainty.
    """
    n_color = _n_color(page)
    if page.photometric == PALETTE:
        return 0 if is_gray(palette(page)) else 3
    n_extra = sum(all_count or kind in ALPHA for kind in _extra_samples(page))
    return 0 if n_color + n_extra == 1 else n_color + n_extra


def to_colors(samples: NDArray[Any], page: Any, *, all_count: bool) -> tuple[NDArray[Any], dict[str, object]]:
    """Turn samples into gray levels, 0 being black, or into colors.

    Parameters
    ----------
    samples : ndarray, shape (n_pages, length, width, n_samples)
        As decoded; may be changed in place.
    page : TiffPage
        A checked page.
    all_count : bool
        Whether samples of unspecified kind are channels.

    Returns
    -------
    values : ndarray, shape (n_pages, length, width) or (n_pages, length, width, n_channels)
        Gray, or colors, with alpha as the last channel unless it is opaque everywhere.
    meta : dict
        "alpha": True where the last channel is alpha; "premultiplied": True where the colors were multiplied by it.

    Raises
    ------
    ReadError
        If there are samples of unspecified kind that are more than filling.

    Notes
    -----
    Gray levels are not scaled: 12 bits give 0 to 4095, one bit gives bool. "Min is white" is inverted. A palette is
    looked up: uint8 if it holds 8-bit colors, as nearly all do, else uint16; gray if all its entries are gray. Extra
    samples of unspecified kind are left out if they are constant over the image; if not they may be anything, such as
    another channel, and the file is refused unless its description says that they are channels.
    """
    n_color = _n_color(page)
    if page.photometric == PALETTE:
        return _look_up(samples[..., 0], palette(page)), {}
    kept = list(range(n_color))
    meta: dict[str, object] = {}
    for index, kind in enumerate(_extra_samples(page), n_color):
        extra = samples[..., index]
        if kind not in ALPHA and all_count:
            kept.append(index)
        elif kind not in ALPHA:
            if (extra != extra.flat[0]).any():
                raise ReadError(
                    f"has {page.samplesperpixel} samples a pixel, and sample {index + 1} is of unspecified kind and not"
                    " constant; gray or RGB, with or without alpha, are read: save the channels apart"
                )
        elif (extra != _opaque(page)).any():
            kept.append(index)
            meta["alpha"] = True
            if kind == 1:
                meta["premultiplied"] = True
    if page.photometric == MINISWHITE:
        _invert(samples[..., 0], page)
    if len(kept) == 1:
        return np.ascontiguousarray(samples[..., 0]), meta
    return (samples if len(kept) == samples.shape[-1] else samples[..., kept]), meta


def palette(page: Any) -> NDArray[Any]:
    """Return the colors of a palette.

    Parameters
    ----------
    page : TiffPage
        A page with a palette.

    Returns
    -------
    ndarray of uint8 or uint16, shape (n_colors, 3)
        uint8 if the palette holds 8-bit colors.

    Raises
    ------
    ReadError
        If entries are missing.
    """
    value = page.tags.valueof(320)
    n_colors = 1 << page.bitspersample
    if value is None or np.size(value) != 3 * n_colors:
        raise ReadError(f"its palette has {np.size(value) // 3} colors where {n_colors} are needed; save it as RGB")
    colors = np.asarray(value).astype(np.uint16).reshape(3, n_colors).T
    high, low = colors >> 8, colors & 255
    if (high == low).all() or not low.any():
        return high.astype(np.uint8)
    if not high.any():  # some programs write 8-bit colors without scaling them
        return low.astype(np.uint8)
    return colors


def is_gray(colors: NDArray[Any]) -> bool:
    """Tell whether all colors of a palette are gray.

    Parameters
    ----------
    colors : ndarray, shape (n_colors, 3)
        Red, green and blue.

    Returns
    -------
    bool
        True if red, green and blue are equal in each.
    """
    return bool((colors == colors[:, :1]).all())


def upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn pages so that the first row is the top and the first column the left of the image.

    Parameters
    ----------
    values : ndarray, shape (n_pages, length, width, ...)
        As stored.
    orientation : int
        The Orientation tag, 1 to 8; 1 is upright.

    Returns
    -------
    ndarray
        A copy, or `values` itself if it is upright.

    Raises
    ------
    ReadError
        For any other number.
    """
    if orientation == 1:
        return values
    if orientation not in range(1, 9):
        raise ReadError(f"Orientation is {orientation!r:.40}; 1 to 8 are known; save it again")
    if orientation >= 5:
        values = values.swapaxes(1, 2)
    if orientation in (2, 3, 6, 7):
        values = values[:, :, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def _n_color(page: Any) -> int:
    """Return the number of color samples; refuse what is not gray, RGB, or surely turned into RGB."""
    photometric, n_samples = page.photometric, page.samplesperpixel
    if 262 not in page.tags:
        raise ReadError("does not say whether 0 is black or white (PhotometricInterpretation); save it again")
    if photometric == MINISWHITE and dtype_of(page).kind not in "bu":
        raise ReadError(f"is {dtype_of(page)} with 0 for white; only unsigned integers can be inverted; convert it")
    if photometric == MINISBLACK and n_samples == 3 and not page.extrasamples:
        return 3  # how tifffile writes colors of other kinds than uint8 and uint16
    if photometric == PALETTE and (n_samples != 1 or dtype_of(page).kind not in "bu" or page.bitspersample > 16):
        raise ReadError(f"has a palette and {n_samples} samples of {page.bitspersample} bits; save it again as RGB")
    if photometric == YCBCR and (page.compression != JPEG or dtype_of(page) != np.uint8 or page.planarconfig != 1):
        raise ReadError("has YCbCr colors that are not JPEG-compressed; save it again as RGB")
    needed = {MINISWHITE: 1, MINISBLACK: 1, PALETTE: 1, RGB: 3, YCBCR: 3}.get(photometric)
    if needed is None:
        name = getattr(photometric, "name", photometric)
        if photometric == SEPARATED:
            raise ReadError(f"is CMYK or another set of inks ({name}), made for print; convert it to RGB or gray first")
        raise ReadError(f"has colors of kind {name}; gray, RGB, palettes and JPEG's YCbCr are read; convert it to RGB")
    if n_samples < needed:
        raise ReadError(f"is RGB with {n_samples} samples a pixel; 3 are needed; save it again")
    return needed


def _extra_samples(page: Any) -> tuple[int, ...]:
    """Return the kind of each sample beyond the colors; 0 where it is not specified."""
    n_extra = page.samplesperpixel - _n_color(page)
    declared = page.extrasamples if isinstance(page.extrasamples, tuple) else (page.extrasamples,)
    kinds = [int(kind) for kind in declared][:n_extra]
    if sum(kind in ALPHA for kind in kinds) > 1:
        raise ReadError(f"has {len(kinds)} extra samples and several are alpha; save it again with one")
    return (*kinds, *(0,) * (n_extra - len(kinds)))


def _look_up(indices: NDArray[Any], colors: NDArray[Any]) -> NDArray[Any]:
    """Replace indices by gray levels or colors, a page at a time: indexing makes wide copies of its indices."""
    lookup = colors[:, 0] if is_gray(colors) else colors
    out = np.empty(indices.shape + lookup.shape[1:], lookup.dtype)
    for index, target in zip(indices, out, strict=True):
        target[...] = lookup[index.astype(np.intp)]
    return out


def _opaque(page: Any) -> float:
    """Return the value of alpha that hides all behind it."""
    dtype = dtype_of(page)
    if dtype.kind == "f":
        return 1.0
    return int(np.iinfo(dtype).max) if dtype.kind == "i" else (1 << page.bitspersample) - 1


def _invert(gray: NDArray[Any], page: Any) -> None:
    if gray.dtype == np.bool_:
        np.logical_not(gray, out=gray)
    else:
        np.subtract(gray.dtype.type((1 << page.bitspersample) - 1), gray, out=gray)
