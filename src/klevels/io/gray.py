"""Color to gray by luminance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import DataError, DataTypeError
from klevels.image import Image
from klevels.lazy import LazyArray, Window
from klevels.memory import free_memory

WEIGHTS = (299, 587, 114)  # thousandths of R, G and B, ITU-R BT.601
BLOCK = 1 << 20  # pixels that are converted at a time


def to_gray(image: Image) -> Image:
    """Return the luminance of a color image; a gray image is returned as it is.

    Parameters
    ----------
    image : Image
        Gray, "yx" or "zyx", or color, "yxc" or "zyxc", with 1 or 3 channels, and one more for alpha where
        ``image.meta["alpha"]`` is true.

    Returns
    -------
    Image
        On the same grid and of the same dtype. Where alpha is 0 a pixel carries no data: if there are such pixels the
        data is a masked array. Other values of alpha are left out. What is not in memory stays where it is, and each
        part becomes gray when it is read; but an image with alpha is read into memory.

    Raises
    ------
    DataError
        If the channels are neither gray nor red, green, blue.
    DataTypeError
        If color values are boolean, complex or 64-bit integers.

    Notes
    -----
    Luminance is 0.299 R + 0.587 G + 0.114 B [1]_, as in Pillow, OpenCV and MATLAB. Integers are weighted in exact
    integer arithmetic and rounded half up, so equal channels keep their value.

    References
    ----------
    .. [1] Recommendation ITU-R BT.601-7, "Studio encoding parameters of digital television", 2011.

    Examples
    --------
    >>> import numpy as np
    >>> red_and_white = np.array([[[255, 0, 0], [255, 255, 255]]], np.uint8)
    >>> to_gray(Image(red_and_white, "yxc")).data
    array([[ 76, 255]], dtype=uint8)
    """
    if "c" not in image.axes:
        return image
    has_alpha = bool(image.meta.get("alpha", False))
    n_colors = image.shape[-1] - has_alpha
    if n_colors not in (1, 3):
        alpha = " besides alpha" if has_alpha else ""
        raise DataError(
            f"the image has {n_colors} channels{alpha}; only 1 (gray) and 3 (red, green, blue) have a luminance"
        )
    _check_dtype(image.dtype, n_colors)
    if has_alpha:
        image = _in_memory(image)
        data: Any = _without_transparent(_gray(image.data, n_colors), image.data[..., -1])
    else:
        data = GrayArray(image.data) if isinstance(image.data, LazyArray) else _gray(image.data, n_colors)
    # The profile of a color image says nothing about luminance.
    lost = ("alpha", "icc_profile") if n_colors == 3 else ("alpha",)
    meta = {key: value for key, value in image.meta.items() if key not in lost}
    return Image(data, image.axes.replace("c", ""), image.spacing, image.unit, meta)


class GrayArray(LazyArray):
    """The luminance of an array whose last axis is channels, worked out for a window at a time.

    Parameters
    ----------
    colors : LazyArray
        With 1 or 3 channels, of a dtype that `to_gray` takes.
    """

    def __init__(self, colors: LazyArray) -> None:
        super().__init__(colors.shape[:-1], colors.dtype, colors.chunks[:-1], colors.source, colors.stored_bytes)
        self._colors = colors

    def read(self, window: Window) -> NDArray[Any]:
        n_colors = self._colors.shape[-1]
        return _gray(self._colors.read((*window, slice(0, n_colors))), n_colors)


def _gray(colors: NDArray[Any], n_colors: int) -> NDArray[Any]:
    """Weigh the colors, a block at a time: a large image is never copied at a higher precision."""
    if n_colors == 1:
        return colors[..., 0]
    weigh = _weigh_floats if colors.dtype.kind == "f" else _weigh_integers
    gray = np.empty(colors.shape[:-1], colors.dtype)
    n_rows = max(1, BLOCK // (gray[0].size or 1))
    for start in range(0, len(gray), n_rows):
        rows = slice(start, start + n_rows)
        gray[rows] = weigh(colors[rows])
    return gray


def _check_dtype(dtype: np.dtype[Any], n_colors: int) -> None:
    if n_colors == 3 and (dtype.kind not in "uif" or (dtype.kind in "ui" and dtype.itemsize == 8)):
        raise DataTypeError(f"color values are {dtype}; use integers of 8 to 32 bits, or floats")


def _in_memory(image: Image) -> Image:
    """Read an image with alpha: pixels without data are a mask, which no part by itself can tell of."""
    if not image.is_lazy:
        return image
    n_bytes = 2 * math.prod(image.shape) * image.dtype.itemsize  # the colors, and at most as much for gray and mask
    if n_bytes > (available := free_memory()):
        raise DataError(
            f"the image has alpha and takes {n_bytes >> 20} MB as gray, but {available >> 20} MB are free; "
            "save it without alpha"
        )
    return image.loaded()


def _weigh_integers(colors: NDArray[Any]) -> NDArray[Any]:
    wide = np.dtype(np.uint32 if colors.dtype in (np.uint8, np.uint16) else np.int64)
    total = np.full(colors.shape[:-1], 500, wide)  # half of 1000, so that the division rounds
    for channel, weight in enumerate(WEIGHTS):
        total += colors[..., channel].astype(wide) * wide.type(weight)
    total //= 1000
    return total


def _weigh_floats(colors: NDArray[Any]) -> NDArray[Any]:
    total = np.zeros(colors.shape[:-1], np.float64)
    for channel, weight in enumerate(WEIGHTS):
        total += colors[..., channel].astype(np.float64) * weight
    total /= 1000
    return total


def _without_transparent(data: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    transparent = alpha == 0
    return np.ma.MaskedArray(data, transparent) if transparent.any() else data
