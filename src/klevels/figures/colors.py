"""The colors of phases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NOISE = (26, 102, 232)
IGNORED = (202, 217, 234)  # a tint, so that it is neither a phase nor a gray value
BRIGHTEST = 0.93  # of the scale; beyond it the yellow is hard to tell from the page


def phase_colors(n_classes: int, *, noise: bool) -> NDArray[np.uint8]:
    """Return one color for each phase, dark to bright like the gray values.

    Parameters
    ----------
    n_classes : int
        Number of phases, the noise included.
    noise : bool
        Whether phase 0 is the noise.

    Returns
    -------
    ndarray of uint8, shape (n_classes, 3)
        Red, green, blue.

    Notes
    -----
    The scale runs from dark brown over orange to pale yellow (ColorBrewer's YlOrBr). Its lightness only rises, so the
    order survives in gray print. It holds no blue: for normal vision and for simulated protanopia, deuteranopia and
    tritanopia [1]_, each of its colors is at least 40 CIEDE2000 units from the blue of the noise. For inferno, cividis
    and viridis that distance falls to 18, 18 and 9.

    References
    ----------
    .. [1] G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A Physiologically-based Model for Simulation of Color
       Vision Deficiency", IEEE TVCG 15(6), 2009.
    """
    from matplotlib import colormaps

    n_signal = n_classes - int(noise)
    positions = np.array([BRIGHTEST / 2]) if n_signal == 1 else np.linspace(0.0, BRIGHTEST, n_signal)
    signal = np.asarray(colormaps["YlOrBr_r"](positions, bytes=True), np.uint8)[:, :3]
    return np.concatenate((np.array([NOISE], np.uint8), signal)) if noise else signal


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
