"""The colors of phases, in figures and in files of labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOISE = (26, 102, 232)
BRIGHTEST = 0.93  # of the scale; beyond it the yellow is hard to tell from the page
N_STEPS = 256
YLORBR = (
    (102, 37, 6),
    (153, 52, 4),
    (204, 76, 2),
    (236, 112, 20),
    (254, 153, 41),
    (254, 196, 79),
    (254, 227, 145),
    (255, 247, 188),
    (255, 255, 229),
)
"""ColorBrewer's YlOrBr in nine classes, dark to bright."""


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
    n_signal = n_classes - int(noise)
    positions = np.array([BRIGHTEST / 2]) if n_signal == 1 else np.linspace(0.0, BRIGHTEST, n_signal)
    steps = np.floor(positions * N_STEPS) / (N_STEPS - 1)
    places = np.linspace(0.0, 1.0, len(YLORBR))
    scale = np.array(YLORBR, np.float64)
    signal = np.rint([np.interp(steps, places, scale[:, channel]) for channel in range(3)]).T.astype(np.uint8)
    return np.concatenate((np.array([NOISE], np.uint8), signal)) if noise else signal
