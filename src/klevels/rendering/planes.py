"""Phases in slices: each voxel of the shape that it has, what is not asked for in gray."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from klevels.core.confusion import check_shape
from klevels.core.table import length_units
from klevels.errors import DataError, ParameterError
from klevels.image import Image
from klevels.rendering.notes import Text, annotate, text_size
from klevels.rendering.picking import Places, pick
from klevels.rendering.subjects import colors_of, is_marked, part_of, phases_in, sample_of
from klevels.sources import as_gray_image

Slices = Literal["middle"] | Sequence[tuple[str, int]]

OTHERS = 200
"""The gray of phases that are not asked for."""
DARKEST, BRIGHTEST = 20, 235
"""Gray values are drawn between these: neither ink nor paper."""
OUTLIERS = 0.2
"""Percent of the gray values that may be darker, or brighter, than what is drawn so."""
MOST_SLICES = 64


@dataclass(frozen=True)
class Panel:
    """A slice on the page.

    Parameters
    ----------
    name : str
        Such as "z = 31"; empty for an image of one slice.
    places : tuple of ndarray of int
        Which voxels are drawn, for each axis of the image.
    shape : tuple of int
        Rows and columns, in pixels.
    left, top : int
        Where it lies, in pixels.
    """

    name: str
    places: tuple[Places, ...]
    shape: tuple[int, int]
    left: int
    top: int


class Planes:
    """An image whose phases are drawn in slices.

    Parameters
    ----------
    labels : Image
        With axes "yx" or "zyx", in memory or not: only the slices are read of what is not.
    gray : Image or array_like or None
        The gray values of the same voxels, for what lies around the phases.
    slices : "middle" or sequence of tuple
        Which, of a volume.
    size : tuple of int
        Width and height of the page.

    Attributes
    ----------
    known : set of int
        The phases that there are: of the slices, and, where the labels are in memory, of the volume.
    what : str
        Which voxels were looked at.
    """

    def __init__(self, labels: Image, gray: Any, slices: Slices, size: tuple[int, int]) -> None:
        shades = None if gray is None else as_gray_image(gray)
        if shades is not None:
            check_shape("gray image", shades.shape, labels.shape)
        self._size = size
        self._unit = length_units(labels.spacing, labels.unit)[0]
        chosen = [] if labels.ndim == 2 else _chosen(labels, slices)
        self._panels, self._scale = _laid_out(labels, chosen, size)
        self._labels = [part_of(labels, panel.places).reshape(panel.shape) for panel in self._panels]
        self._gray = None
        if shades is not None:
            drawn = [pick(shades.data, panel.places).reshape(panel.shape) for panel in self._panels]
            self._gray = _as_drawn(drawn)
        self._is_marked = is_marked(labels)
        looked_at = [*self._labels, *([sample_of(labels)] if chosen and not labels.is_lazy else [])]
        self.known = set().union(*(phases_in(one, marked=self._is_marked) for one in looked_at))
        self.what = "every voxel that is drawn" if labels.is_lazy else "every voxel"
        self._colors = colors_of(labels, self.known) if self.known else np.zeros((0, 3), np.uint8)

    def draw(self, phases: Sequence[int], opacities: Sequence[float]) -> NDArray[np.uint8]:
        """Draw some phases.

        Parameters
        ----------
        phases : sequence of int
            Which.
        opacities : sequence of float
            How much of what is below does not shine through their colors.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            The slices, with legend and scale bar.
        """
        width, height = self._size
        page = np.full((height, width, 3), 255, np.uint8)
        for i, (panel, labels) in enumerate(zip(self._panels, self._labels, strict=True)):
            gray = None if self._gray is None else self._gray[i]
            rows, columns = panel.shape
            drawn = self._painted(labels, gray, phases, opacities)
            page[panel.top : panel.top + rows, panel.left : panel.left + columns] = drawn
        size = text_size(height)
        names = [Text(one.name, one.left, one.top - size - size // 3) for one in self._panels if one.name]
        return annotate(page, self._scale, self._unit, phases, self._colors[list(phases)], texts=names)

    def _painted(
        self, labels: NDArray[Any], gray: NDArray[np.float64] | None, phases: Sequence[int], opacities: Sequence[float]
    ) -> NDArray[np.uint8]:
        left_out = np.ma.getmaskarray(labels).copy()
        values = np.ma.getdata(labels)
        if self._is_marked:
            left_out |= values == np.iinfo(values.dtype).max
        below = np.where(left_out, 255.0, float(OTHERS)) if gray is None else gray
        n = np.iinfo(values.dtype).max + 1
        colors, weights = np.zeros((n, 3)), np.zeros(n)
        colors[list(phases)] = self._colors[list(phases)]
        weights[list(phases)] = opacities
        weight = np.where(left_out, 0.0, weights[values])[..., None]
        painted: NDArray[np.uint8] = np.rint(weight * colors[values] + (1 - weight) * below[..., None]).astype(np.uint8)
        return painted


def _chosen(labels: Image, slices: Slices) -> list[tuple[int, int]]:
    """Return the axis and the place of each slice."""
    shape = labels.shape
    if isinstance(slices, str):
        if slices != "middle":
            raise ParameterError(f"slices are {slices!r}; give middle, or an axis and a place, such as z=120")
        across = [axis for axis in range(3) if all(shape[other] > 1 for other in range(3) if other != axis)]
        return [(axis, shape[axis] // 2) for axis in across or [0]]
    found = []
    for axis, place in _pairs(slices):
        if axis not in ("z", "y", "x"):
            raise ParameterError(f"a slice is along {axis!r}; use z, y or x, as in z=120")
        n = shape["zyx".index(axis)]
        if not 0 <= place < n:
            raise ParameterError(f"there is no slice {axis}={place}; give {axis}=0 to {axis}={n - 1}")
        found.append(("zyx".index(axis), place))
    if not 0 < len(found) <= MOST_SLICES:
        raise ParameterError(f"there are {len(found)} slices; give 1 to {MOST_SLICES}")
    return found


def _pairs(slices: Any) -> list[tuple[str, int]]:
    try:
        return [(axis, operator.index(place)) for axis, place in slices]
    except (TypeError, ValueError):
        raise ParameterError(f'slices are {slices!r}; give "middle", or pairs such as [("z", 120)]') from None


def _laid_out(image: Image, chosen: Sequence[tuple[int, int]], size: tuple[int, int]) -> tuple[list[Panel], float]:
    """Return where slices lie, all at one scale, and pixels for each unit of length."""
    spacing = image.spacing or (1.0,) * image.ndim
    sides = [n * step for n, step in zip(image.shape, spacing, strict=True)]
    pairs = [[axis for axis in range(3) if axis != across] for across, _ in chosen] or [[0, 1]]
    heights, widths = ([sides[pair[i]] for pair in pairs] for i in range(2))
    text = text_size(size[1])
    gap, head = text, (2 * text if chosen else 0)
    legend, foot = 8 * text, 3 * text
    room = (size[0] - legend - gap, size[1] - foot - gap)

    def fit(n_columns: int) -> tuple[float, list[float], list[float]]:
        columns = [max(widths[i::n_columns]) for i in range(n_columns)]
        rows = [max(heights[i : i + n_columns]) for i in range(0, len(heights), n_columns)]
        across = (room[0] - gap * (len(columns) - 1)) / sum(columns)
        along = (room[1] - head * len(rows) - gap * (len(rows) - 1)) / sum(rows)
        return min(across, along), columns, rows

    scale, columns, rows = max((fit(n) for n in range(1, len(pairs) + 1)), key=lambda one: one[0])
    if scale <= 0:
        raise ParameterError(f"size is {size!r}, too small for {len(pairs)} slices; give a larger one, or fewer")
    total = sum(columns) * scale + gap * (len(columns) - 1)
    left_end = legend + (room[0] - total) / 2
    tall = sum(rows) * scale + (head + gap) * len(rows) - gap
    top_end = gap + (room[1] - tall) / 2
    panels = []
    for i, pair in enumerate(pairs):
        row, column = divmod(i, len(columns))
        shape = (max(1, round(heights[i] * scale)), max(1, round(widths[i] * scale)))
        left = round(left_end + sum(columns[:column]) * scale + gap * column)
        top = round(top_end + sum(rows[:row]) * scale + (head + gap) * row + head)
        places = [_sampled(image.shape[axis], n) for axis, n in zip(pair, shape, strict=True)]
        name = ""
        if chosen:
            across, place = chosen[i]
            places.insert(across, np.array([place]))
            name = f"{'zyx'[across]} = {place}"
        panels.append(Panel(name, tuple(places), shape, left, top))
    return panels, scale


def _sampled(n: int, n_pixels: int) -> Places:
    """Return which voxel each pixel shows."""
    return np.minimum((np.arange(n_pixels) * n) // n_pixels, n - 1)


def _as_drawn(gray: Sequence[NDArray[Any]]) -> list[NDArray[np.float64]]:
    """Return gray values as they are drawn: all slices on one scale."""
    values = [np.ma.filled(one.astype(np.float64), np.nan) for one in gray]
    finite = np.concatenate([one[np.isfinite(one)] for one in values])
    if finite.size == 0:
        raise DataError("no gray value of these slices is finite; leave the gray image out")
    low, high = np.percentile(finite, (OUTLIERS, 100 - OUTLIERS))
    span = (high - low) or 1.0
    shades = [np.clip((one - low) / span, 0, 1) * (BRIGHTEST - DARKEST) + DARKEST for one in values]
    return [np.where(np.isfinite(one), one, 255.0) for one in shades]
