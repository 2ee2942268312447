"""What is written on a picture: which color is which phase, how long things are, and how much of it is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

INK = (40, 40, 40)
PAPER = (255, 255, 255)
LONGEST_BAR = 0.25
"""Of the width of the picture."""
LEAST_TEXT = 11
LINES = 45
"""A line of text is this part of the height of the picture."""


@dataclass(frozen=True)
class Text:
    """Something written somewhere.

    Parameters
    ----------
    words : str
        What is written.
    left, top : int
        Where it begins, in pixels.
    """

    words: str
    left: int
    top: int


def text_size(height: int) -> int:
    """Return how large the letters of a picture are.

    Parameters
    ----------
    height : int
        Of the picture, in pixels.

    Returns
    -------
    int
        In pixels.
    """
    return max(LEAST_TEXT, height // LINES)


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
    note: str = "",
    texts: Sequence[Text] = (),
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
    note : str
        What is written at the bottom right.
    texts : sequence of Text
        What else is written.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        The bar lies at the bottom left, the legend at the top left.
    """
    from PIL import Image, ImageDraw

    height, width = picture.shape[:2]
    size = text_size(height)
    page = Image.fromarray(picture)
    draw = ImageDraw.Draw(page)
    font = _font(size)
    gap = size // 2
    _draw_legend(draw, font, size, height, phases, colors)
    length = round_length(LONGEST_BAR * width / scale)
    n_pixels = max(1, round(length * scale))
    bottom = height - gap
    bar = max(2, size // 5)
    draw.rectangle((gap - 1, bottom - bar - 1, gap + n_pixels, bottom), fill=PAPER)
    draw.rectangle((gap, bottom - bar, gap + n_pixels - 1, bottom - 1), fill=INK)
    name = unit if unit != "voxel" or length == 1 else "voxels"
    _write(draw, (gap, bottom - bar - size - gap), f"{length:g} {name}", font)
    if note:
        _write(draw, (width - gap - round(draw.textlength(note, font)), bottom - size - gap // 2), note, font)
    for text in texts:
        _write(draw, (text.left, text.top), text.words, font)
    return np.asarray(page)


def _font(size: int) -> Any:
    """Return the font of the figures; that of Pillow has neither µ nor ×."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _draw_legend(
    draw: Any, font: Any, size: int, height: int, phases: Sequence[int], colors: NDArray[np.uint8]
) -> None:
    gap = size // 2
    for row, (phase, color) in enumerate(zip(phases, colors, strict=True)):
        top = gap + row * (size + gap)
        if top + size > height - 4 * size:
            _write(draw, (gap, top), "…", font)
            break
        draw.rectangle((gap, top, gap + size, top + size), fill=tuple(color.tolist()), outline=INK)
        _write(draw, (2 * gap + size, top), f"phase {phase}", font)


def _write(draw: Any, place: tuple[int, int], text: str, font: Any) -> None:
    draw.text(place, text, fill=INK, font=font, stroke_width=2, stroke_fill=PAPER)
