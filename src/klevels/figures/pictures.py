"""Pictures: gray values, labels and a scale bar, drawn on axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from klevels.figures.colors import IGNORED, hex_color
from klevels.figures.style import LINE, SMALL, size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

BAR_SHARE = 0.25  # of the width of the picture that the scale bar may take


def draw_gray(axes: Axes, values: NDArray[np.float64], size: tuple[float, float], limits: tuple[float, float]) -> None:
    """Draw gray values.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    values : ndarray of float64, shape (rows, columns)
        NaN where nothing is known.
    size : tuple of float
        Height and width of the picture.
    limits : tuple of float
        The gray values drawn black and white.
    """
    from matplotlib import colormaps

    cmap = colormaps["gray"].with_extremes(bad=hex_color(IGNORED))
    _show(axes, size, np.ma.masked_invalid(values), cmap, limits)


def draw_phases(axes: Axes, labels: NDArray[Any], size: tuple[float, float], colors: NDArray[np.uint8]) -> None:
    """Draw labels in the colors of their phases.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    labels : ndarray of integers, shape (rows, columns)
        -1 where a voxel is ignored.
    size : tuple of float
        Height and width of the picture.
    colors : ndarray of uint8, shape (n_classes, 3)
        Red, green, blue of each phase.
    """
    table = np.concatenate((colors, np.array([IGNORED], np.uint8)))  # -1 is the last
    _show(axes, size, table[labels], None, (None, None))


def draw_photo(axes: Axes, colors: NDArray[np.uint8], size: tuple[float, float], *, smooth: bool) -> None:
    """Draw a picture in its own colors.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    colors : ndarray of uint8, shape (rows, columns, 3)
        Red, green, blue.
    size : tuple of float
        Height and width of the picture.
    smooth : bool
        Whether pixels may be mixed where the page has fewer: a photograph looks as it should, a poster would get colors
        that it does not have.
    """
    _show(axes, size, colors, None, (None, None), smooth=smooth)


def draw_scale_bar(axes: Axes, width: float, unit: str | None) -> None:
    """Draw a scale bar below a picture, left-aligned.

    Parameters
    ----------
    axes : Axes
        Of a picture of known spacing, on a figure whose size is settled.
    width : float
        Of the picture, in `unit`.
    unit : str or None
        None where it is unknown.
    """
    _, inches = size_of(axes)
    length = round_length(BAR_SHARE * width)
    below = axes.get_xaxis_transform()
    bar = axes.plot([0.0, length], [-0.08 / inches] * 2, color="black", linewidth=2, transform=below, clip_on=False)
    bar[0].set(solid_capstyle="butt", gid="scale bar")
    text = f"{length:g} {unit}" if unit else f"{length:g} (unit unknown)"
    axes.text(0.0, -0.12 / inches, text, transform=below, va="top", fontsize=SMALL)


def round_length(longest: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is not above a length.

    Parameters
    ----------
    longest : float
        Positive.

    Returns
    -------
    float
        A length that reads well.

    Examples
    --------
    >>> round_length(349.0), round_length(0.013)
    (200.0, 0.01)
    """
    exponent = math.floor(math.log10(longest))
    lengths = (float(f"{digit}e{exponent + up}") for up, digit in ((-1, 5), (0, 1), (0, 2), (0, 5), (1, 1)))
    return max(length for length in lengths if length <= longest)


def _show(
    axes: Axes,
    size: tuple[float, float],
    values: NDArray[Any],
    cmap: Colormap | None,
    limits: tuple[float, float] | tuple[None, None],
    *,
    smooth: bool = False,
) -> None:
    height, width = size
    low, high = limits
    axes.imshow(
        values,
        cmap=cmap,
        vmin=low,
        vmax=high,
        extent=(0.0, width, height, 0.0),
        # Labels must not be averaged, and both sides of a comparison of gray values are treated alike.
        interpolation="antialiased" if smooth else "nearest",
        aspect="equal",
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_linewidth(LINE)
