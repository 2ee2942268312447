"""The colors of phases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

IGNORED = (202, 217, 234)  # a tint, so that it is neither a phase nor a gray value


def hex_color(color: Sequence[int] | NDArray[np.uint8]) -> str:
    """Write a color the way that matplotlib reads it.

    Parameters
    ----------
    color : sequence of int
        Red, green, blue from 0 to 255.

    Returns
    -------
    str
        Such as "#1a66e8".
    """
    return "#" + bytes(int(channel) for channel in color).hex()
