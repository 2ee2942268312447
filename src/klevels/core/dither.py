"""Dithering: labels whose colors, seen from afar, mix to those of the image."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _kernels
from klevels.core.labels import ignore_label
from klevels.core.rows import as_rows
from klevels.core.voxels import count_threads
from klevels.errors import DataError, DataTypeError, ParameterError

Dither = Literal["none", "floyd-steinberg", "blue-noise"]
DITHERS: tuple[Dither, ...] = get_args(Dither)

MOST_COLORS = 65535
MOST_CHANNELS = 4
SAMPLES = ("uint8", "uint16", "float32", "float64")


def dither_labels(
    image: ArrayLike,
    colors: ArrayLike,
    method: Dither,
    *,
    mask: ArrayLike | None = None,
    threads: int | None = None,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Label each pixel with one of a few colors, so that neighbors together show the colors between.

    Parameters
    ----------
    image : array_like, shape (y, x, n_channels)
        uint8, uint16, float32 or float64, of any strides and byte order, with one to four channels. Masked pixels of a
        masked array are left out.
    colors : array_like of float, shape (k, n_channels)
        At most 65535, in the units of the image, finite.
    method : {"floyd-steinberg", "blue-noise"}
        How; see Notes.
    mask : array_like of bool or int, optional
        Shape (y, x): True, or nonzero, where a pixel counts.
    threads : int, optional
        How many threads "blue-noise" may use; all processors by default. The result is the same for any number.

    Returns
    -------
    ndarray of uint8 or uint16, shape (y, x)
        Rows of `colors`; uint16 beyond 255 colors. Pixels outside the mask get the greatest number of the dtype.

    Raises
    ------
    ParameterError
        If `method` is another, such as "none", or the colors are not one to 65535 rows of finite numbers.
    DataTypeError
        If the image is of another dtype.
    DataError
        If the image has no pixel, more than four channels, or others than the colors; if a pixel that counts is NaN; or
        if the mask has another shape.

    Notes
    -----
    Distances are Euclidean in the values as stored, in float64. Of two colors that are equally near (to 36 bits of the
    squared distance) a pixel gets the lower label. A value that lies farther from the bounding box of the colors than
    the longest side of the box, or is infinite, counts as one at that distance.

    "floyd-steinberg" [1]_ gives each pixel the nearest color and passes the error on: 7/16 to the next pixel, 3/16,
    5/16 and 1/16 to the row below. Rows run forth and back in turns. Where a color lies outside all mixtures of the
    palette, its errors would add up without end and show as stains; so an error that is longer than the longest edge
    of the colors' minimum spanning tree is shortened by a quarter: mixing two colors makes errors of half their
    distance. (Of more than 4096 colors, every n-th is in the tree, such that there are at most so many.) Pixels
    outside the mask neither take nor pass on an error. Each pixel waits for the one before: it is the work of one
    thread.

    "blue-noise" mixes up to four colors: first the nearest, then in turns the color, and as much of it as, that most
    lowers the squared distance between the pixel's color x and the mixture, plus the mean over the mixture of ``abs(x
    - color)**4 / (8 * g**2)``, where g is the longest edge of the same tree. The latter keeps lone dots of a far
    color out of calm areas, and the mean of a flat area off its color: by about g/20, seldom by more than g/5. With a
    single channel it only chooses among equals, and the mean is kept. Which of the colors a pixel gets depends,
    besides its own color, on its place alone, by a threshold from a tile of 64 x 64 ranks [2]_ that repeats: equal
    areas of two images are dithered alike.

    Both take time in proportion to the number of colors.

    References
    ----------
    .. [1] R. W. Floyd and L. Steinberg, "An adaptive algorithm for spatial greyscale", Proc. SID 17(2), 1976.
    .. [2] R. Ulichney, "The void-and-cluster method for dither array generation", Proc. SPIE 1913, 1993.

    Examples
    --------
    >>> gray = np.full((2, 8, 1), 128, np.uint8)
    >>> dither_labels(gray, [[0], [255]], "floyd-steinberg")
    array([[1, 0, 1, 0, 1, 0, 1, 0],
           [0, 1, 0, 1, 0, 1, 0, 1]], dtype=uint8)
    """
    if method not in DITHERS[1:]:
        raise ParameterError(
            f"the dither method is {method!r}; use {' or '.join(map(repr, DITHERS[1:]))}, or label without dithering"
        )
    rows, n_threads = as_rows(image, mask), count_threads(threads)
    if rows.data.ndim != 3 or rows.n_channels > MOST_CHANNELS:
        raise DataError(
            f"the image has shape {rows.data.shape}; give (y, x, channels) with 1 to {MOST_CHANNELS} channels"
        )
    if rows.dtype.name not in SAMPLES:
        raise DataTypeError(
            f"the image is of dtype {rows.dtype}; dithering takes {', '.join(SAMPLES)}: convert it first"
        )
    palette = _checked(colors, rows.n_channels)
    ignore = ignore_label(len(palette))
    labels = np.empty(rows.shape, np.uint8 if ignore == 255 else np.uint16)
    given = (_bits(rows.data), rows.dtype.name, not rows.data.dtype.isnative, rows.inside, palette)
    if method == "floyd-steinberg":
        n_nan = _kernels.dither_by_diffusion(*given, labels, ignore)
    else:
        n_nan = _kernels.dither_by_ranks(*given, blue_noise(), labels, ignore, n_threads)
    if n_nan:
        raise DataError(f"the image has NaN in {n_nan} pixels; leave them out with a mask, or replace them")
    return labels


def blue_noise() -> NDArray[np.uint16]:
    """Return the ranks that decide which pixel gets which color of a mixture.

    Returns
    -------
    ndarray of uint16, shape (64, 64)
        Each of 0 to 4095 once; those below any bound lie evenly spread, also across the edges of repeated tiles. Made
        by tools/blue_noise.py.
    """
    from pathlib import Path  # half of what a light import costs

    ranks: NDArray[np.uint16] = np.load(Path(__file__).with_name("blue_noise.npy"))
    return ranks


def _checked(colors: ArrayLike, n_channels: int) -> NDArray[np.float64]:
    palette = np.ascontiguousarray(colors, np.float64)
    if palette.ndim != 2 or not 1 <= len(palette) <= MOST_COLORS:
        raise ParameterError(f"the colors have shape {palette.shape}; give 1 to {MOST_COLORS} rows of channels")
    if palette.shape[1] != n_channels:
        raise DataError(f"the image has {n_channels} channels, the colors {palette.shape[1]}; give as many")
    if not np.isfinite(palette).all():
        raise ParameterError("a color is NaN or infinite; give finite numbers, in the units of the image")
    return palette


def _bits(data: NDArray[Any]) -> NDArray[Any]:
    """Return the image as unsigned integers that a kernel can step through."""
    itemsize = data.dtype.itemsize
    if not data.flags.aligned or any(stride % itemsize for stride in data.strides):
        data = np.ascontiguousarray(data)
    return data.view(f"u{itemsize}")
