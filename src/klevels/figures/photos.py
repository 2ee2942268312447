"""What is shown of a photograph: 8-bit red, green and blue of at most 2048 pixels a side, on checks where it is clear.

The readers and the poster keep an image as it is; here it becomes what a page can show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.brightness import white_of
from klevels.figures.planes import LONGEST, middle_plane
from klevels.image import Image
from klevels.poster import Poster
from klevels.sources import has_alpha

CHECKS = 40  # along the longer side
CHECK_COLORS = (1.0, 0.9)  # white, and a gray that is told from white but from no color that matters


def original_of(image: Image) -> NDArray[np.uint8]:
    """Return an image as it looks from afar.

    Parameters
    ----------
    image : Image
        Gray, or red, green and blue, with transparency or without; of a volume, the plane in the middle of z.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        Means over squares of pixels where the image has more than 2048 a side.
    """
    plane, _ = middle_plane(image)
    shares = _averaged(plane)
    if has_alpha(plane):
        return _on_checks(shares[..., :-1], shares[..., -1])
    return _as_bytes(shares)


def painted_of(poster: Poster) -> NDArray[np.uint8]:
    """Return a poster with no other colors than its own.

    Parameters
    ----------
    poster : Poster
        Of an image or a volume.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        Every n-th pixel where the image has more than 2048 a side.
    """
    plane, _ = middle_plane(poster.source)
    step = _step(plane)
    every = tuple(slice(min(step // 2, side - 1), None, step) for side in plane.shape[:2])
    labels = middle_plane(poster.labels)[0].data[every]
    colors = _shares(poster.palette.paint(labels, plane.dtype.newbyteorder("=")))
    if not has_alpha(plane):
        return _as_bytes(colors)
    alpha = _shares(plane.data[every][..., -1])
    return _on_checks(colors if plane.meta.get("premultiplied") else colors * alpha[..., None], alpha)


def _averaged(plane: Image) -> NDArray[np.float32]:
    """Return means over squares, as shares of white; straight colors are multiplied by their alpha."""
    data = plane.data if "c" in plane.axes else plane.data[..., None]
    straight = has_alpha(plane) and not plane.meta.get("premultiplied")
    height, width, n_channels = data.shape
    step = _step(plane)
    lefts = np.arange(0, width, step)
    widths = np.diff(lefts, append=width)[:, None]
    means = np.empty((-(-height // step), len(lefts), n_channels), np.float32)
    for row, top in enumerate(range(0, height, step)):
        shares = _shares(data[top : top + step])
        if straight:
            shares[..., :-1] *= shares[..., -1:]
        means[row] = np.add.reduceat(shares.sum(axis=0), lefts, axis=0) / (widths * len(shares))
    return means


def _step(plane: Image) -> int:
    """Return the side of the squares that become one pixel."""
    return -(-max(plane.shape[:2]) // LONGEST)


def _shares(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return values as shares of white."""
    shares = np.asarray(values, np.float32) / np.float32(white_of(values.dtype))
    return np.clip(np.nan_to_num(shares, copy=False), 0, 1, out=shares)


def _on_checks(multiplied: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay colors, multiplied by their alpha, on a board of checks."""
    side = max(1, -(-max(alpha.shape) // CHECKS))
    rows, columns = (np.arange(length) // side for length in alpha.shape)
    board = np.array(CHECK_COLORS, np.float32)[(rows[:, None] + columns) % 2]
    return _as_bytes(multiplied + ((1 - alpha) * board)[..., None])


def _as_bytes(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    colors = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return np.broadcast_to(colors, (*colors.shape[:2], 3))
