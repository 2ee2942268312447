"""The figures of a poster: original beside posterized, and the palette."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ParameterError
from klevels.figures.layout import GAP, MARGIN, PAGE_WIDTH, inset, page_of_pictures, page_of_strips
from klevels.figures.photos import original_of, painted_of
from klevels.figures.pictures import draw_photo
from klevels.figures.planes import Plane, middle_plane, size_of_plane
from klevels.figures.strips import LABEL_HEIGHT, MOST_LABELED, board_height, draw_bar, draw_board, label_bar
from klevels.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from klevels.core.palette import Palette
    from klevels.poster import Poster

BAR_HEIGHT = 0.28  # inches
TITLE = 2.3
SPACES = {"rgb": "RGB", "linear": "linear RGB", "lab": "CIELAB", "oklab": "OKLab"}


def poster(poster: Poster) -> Figure:
    """Draw an image beside its poster, with the palette below: as wide as its share is each color.

    Parameters
    ----------
    poster : Poster
        Of a gray or color image; of a volume, the plane in the middle of z is shown.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide, and at most as high as a page. Wide images stand above their posters. Up to 16 colors have
        their hexadecimal names and shares.

    Raises
    ------
    DataError
        If the image is empty.
    MissingDependencyError
        If matplotlib is not installed.

    Notes
    -----
    Values are shown as sRGB, from 0 to the greatest of the dtype, or 1.0 for floats, whatever the image makes of that
    range. Beyond 2048 pixels a side, the original is averaged; the poster is thinned, and so keeps its colors.
    Transparent pixels lie on a board of light checks.
    """
    plane, where = middle_plane(poster.source)
    palette = poster.palette
    names = ("original", f"{_count(palette)}, PSNR {_decibels(poster.psnr)}")
    labeled = palette.k <= MOST_LABELED
    with styled():
        page = page_of_pictures(
            plane,
            (Plane("", plane.data, size_of_plane(plane)),),
            [f"{name}, {where}" if where else name for name in names],
            width=PAGE_WIDTH,
            strips=(GAP + BAR_HEIGHT + (LABEL_HEIGHT if labeled else 0.0),),
            title_width=TITLE,
        )
        pictures = (original_of(poster.source), painted_of(poster))
        for (axes,), picture, smooth in zip(page.pictures, pictures, (True, False), strict=True):
            draw_photo(axes, picture, size_of_plane(plane), smooth=smooth)
        bar = page.strips[0]
        inset(bar, left=0.0, right=0.0, bottom=LABEL_HEIGHT if labeled else 0.0, top=GAP)
        draw_bar(bar, palette.fractions, _bytes_of(palette))
        if labeled:
            label_bar(bar, palette.fractions, palette.hex)
        return page.figure


def swatches(palette: Palette) -> Figure:
    """Draw a palette: a bar of its shares, and swatches, dark to bright, with their hexadecimal names and shares.

    Parameters
    ----------
    palette : Palette
        Of one or three channels. One without counts, as `Palette.of` makes, has no bar and no shares.

    Returns
    -------
    matplotlib.figure.Figure
        7.2 inches wide: rows of up to 8 swatches, of up to 16 beyond 32 colors; beyond 256, swatches have no text.

    Raises
    ------
    ParameterError
        If the palette has two channels or more than three, which are no colors.
    MissingDependencyError
        If matplotlib is not installed.
    """
    colors = _bytes_of(palette)
    shares = palette.fractions if palette.counts.any() else None
    strips = [] if shares is None else [BAR_HEIGHT + GAP]
    with styled():
        page = page_of_strips([*strips, board_height(palette.k, PAGE_WIDTH - 2 * MARGIN)], width=PAGE_WIDTH)
        draw_board(page.strips[-1], colors, palette.hex, shares)
        if shares is not None:
            inset(page.strips[0], left=MARGIN / 4, right=MARGIN / 4, bottom=GAP / 2, top=GAP / 2)
            draw_bar(page.strips[0], shares, colors)
        return page.figure


def _bytes_of(palette: Palette) -> NDArray[np.uint8]:
    if not palette.hex:
        raise ParameterError(
            f"the palette has {palette.n_channels} channels, which are no colors; draw the segmentation with "
            "figures.channels"
        )
    return np.array([list(bytes.fromhex(name[1:])) for name in palette.hex], np.uint8)


def _count(palette: Palette) -> str:
    what = "gray" if palette.n_channels == 1 else "color"
    many = f"{palette.k} {what}{'' if palette.k == 1 else 's'}"
    return many if palette.n_channels == 1 else f"{many} in {SPACES[palette.space]}"


def _decibels(psnr: float) -> str:
    return f"{psnr:.1f} dB" if math.isfinite(psnr) else "∞"
