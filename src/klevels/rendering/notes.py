"""What is written on a picture: which color is which phase, and how long things are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

INK = (40, 40, 40)
PAPER = (255, 255, 255)
LONGEST_BAR = 0.25
"""Of the width of the picture."""
LEAST_TEXT = 11


def round_length(most: float) -> float:
    """Return the greatest of 1, 2 and 5 times a power of ten that is not longer.

    Parameters
    ----------
    most : float
        A positive length.

    Returns
    -------
    float
        The round length.

    Examples
    --------
    >>> round_length(0.73), round_length(2.0), round_length(1999)
    (0.5, 2.0, 1000.0)
    """
    power = math.floor(math.log10(most))
    steps = (float(f"{digit}e{exponent}") for exponent in (power, power - 1) for digit in (5, 2, 1))
    return next(step for step in steps if step <= most)


def annotate(
    picture: NDArray[np.uint8],
    scale: float,
    unit: str,
    phases: Sequence[int],
    colors: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Write the legend and the scale bar on a picture.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
        Not changed.
    scale : float
        Pixels for each unit of length.
    unit : str
        Of lengths.
    phases : sequence of int
        What the legend lists.
    colors : ndarray of uint8, shape (n, 3)
        Their colors.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        The bar lies at the bottom left, the legend at the top left.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = picture.shape[:2]
    size = max(LEAST_TEXT, height // 45)
    page = Image.fromarray(picture)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size)
    gap = size // 2
    for row, (phase, color) in enumerate(zip(phases, colors, strict=True)):
        top = gap + row * (size + gap)
        if top + size > height - 3 * size:
            break
        draw.rectangle((gap, top, gap + size, top + size), fill=tuple(color.tolist()), outline=INK)
        _write(draw, (2 * gap + size, top), f"phase {phase}", font)
    length = round_length(LONGEST_BAR * width / scale)
    n_pixels = max(1, round(length * scale))
    bottom = height - gap
    bar = max(2, size // 5)
    draw.rectangle((gap - 1, bottom - bar - 1, gap + n_pixels, bottom), fill=PAPER)
    draw.rectangle((gap, bottom - bar, gap + n_pixels - 1, bottom - 1), fill=INK)
    name = unit if unit != "voxel" or length == 1 else "voxels"
    _write(draw, (gap, bottom - bar - size - gap), f"{length:g} {name}", font)
    return np.asarray(page)


def _write(draw: object, place: tuple[int, int], text: str, font: object) -> None:
    draw.text(place, text, fill=INK, font=font, stroke_width=2, stroke_fill=PAPER)  # type: ignore[attr-defined]
