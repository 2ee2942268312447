"""From the samples of a TIFF file to gray levels or colors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.tiff_pages import MINISWHITE, PALETTE


def to_colors(samples: NDArray[Any], page: Any, kept: tuple[int, ...]) -> NDArray[Any]:
    """Turn samples into gray levels, 0 being black, or into colors.

    Parameters
    ----------
    samples : ndarray, shape (n_pages, length, width, n_samples)
        As decoded; may be changed in place.
    page : TiffPage
        A checked page.
    kept : tuple of int
        The samples of a pixel that are channels, see `find_channels`.

    Returns
    -------
    ndarray, shape (n_pages, length, width) or (n_pages, length, width, n_channels)
        Gray, or colors.

    Notes
    -----
    Gray levels are not scaled: 12 bits give 0 to 4095, one bit gives bool. "Min is white" is inverted. A palette is
    looked up: uint8 if it holds 8-bit colors, as nearly all do, else uint16; gray if all its entries are gray.
    """
    if page.photometric == PALETTE:
        return _look_up(samples[..., 0], lookup(page))
    if page.photometric == MINISWHITE:
        _invert(samples[..., 0], page)
    if len(kept) == 1:
        return np.ascontiguousarray(samples[..., 0])
    return samples if len(kept) == samples.shape[-1] else samples[..., kept]


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


def lookup(page: Any) -> NDArray[Any]:
    """Return what the indices of a page with a palette stand for.

    Parameters
    ----------
    page : TiffPage
        A page with a palette.

    Returns
    -------
    ndarray of uint8 or uint16, shape (n_colors, 3) or (n_colors,)
        Colors, or gray levels if all entries of the palette are gray.

    Raises
    ------
    ReadError
        If entries are missing.
    """
    colors = palette(page)
    return colors[:, 0] if (colors == colors[:, :1]).all() else colors


def is_direct(page: Any, kept: tuple[int, ...]) -> bool:
    """Tell whether samples are gray levels or colors as they are, but for some that may be left out.

    Parameters
    ----------
    page : TiffPage
        A checked page.
    kept : tuple of int
        The samples of a pixel that are channels, see `find_channels`.

    Returns
    -------
    bool
        True if the first sample, or all of them, are what `to_colors` returns.
    """
    return page.photometric not in (PALETTE, MINISWHITE) and len(kept) in (1, page.samplesperpixel)


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


def _look_up(indices: NDArray[Any], colors: NDArray[Any]) -> NDArray[Any]:
    """Replace indices by gray levels or colors, a page at a time: indexing makes wide copies of its indices."""
    out = np.empty(indices.shape + colors.shape[1:], colors.dtype)
    for index, target in zip(indices, out, strict=True):
        target[...] = colors[index.astype(np.intp)]
    return out


def _invert(gray: NDArray[Any], page: Any) -> None:
    if gray.dtype == np.bool_:
        np.logical_not(gray, out=gray)
    else:
        np.subtract(gray.dtype.type((1 << page.bitspersample) - 1), gray, out=gray)
