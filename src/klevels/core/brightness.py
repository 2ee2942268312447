"""How colors sort from dark to bright, and what a dtype calls white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.spaces import luminance


def dark_to_bright(colors: NDArray[np.float64], white: float, scale: ArrayLike | None = None) -> NDArray[np.intp]:
    """Return the order of colors from dark to bright.

    Parameters
    ----------
    colors : ndarray of float64, shape (n, n_channels)
        In image units.
    white : float
        The greatest value of a channel.
    scale : array_like of float, shape (n_channels,), optional
        What channels are divided by, where there are not three, before their mean is taken.

    Returns
    -------
    ndarray of int, shape (n,)
        By luminance where there are three channels and no scale, else by the mean of the channels; equal ones by their
        first channels.
    """
    if colors.shape[1] == 3 and scale is None:
        brightness = luminance(colors, white)
    else:
        brightness = (colors / (1.0 if scale is None else np.asarray(scale))).mean(axis=1)
    return np.lexsort((*colors.T[::-1], brightness))


def white_of(dtype: np.dtype[Any]) -> float:
    """Return the greatest value of a channel.

    Parameters
    ----------
    dtype : dtype
        Of an image.

    Returns
    -------
    float
        The greatest number of an integer dtype, 1.0 for floats.
    """
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
