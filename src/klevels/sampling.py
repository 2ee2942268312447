"""A few boxes of an image that stand for the whole where something is estimated: the same ones however it is cut."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from klevels.image import Image
from klevels.lazy import Window

MOST_VOXELS = 1 << 22
"""Images of no more voxels are looked at whole."""
N_ALONG = {2: 3, 3: 3}
"""How many boxes there are along each axis, by the number of axes."""


class Box(NamedTuple):
    """A part of an image, in memory."""

    values: NDArray[Any]
    inside: NDArray[np.bool_] | None
    """Where voxels count; None for everywhere."""


def sample(image: Image, mask: Any) -> Box:
    """Read some boxes of an image.

    Parameters
    ----------
    image : Image
        Of any kind of array; all channels of a voxel are read.
    mask : array or None
        Where a voxel counts; of any kind.

    Returns
    -------
    Box
        The whole image, if it is small. Else boxes at regular places, one behind the other along the first axis, with
        entries between that do not count. The places depend on the shape alone: what is estimated from them is the
        same for an image in memory and for one in blocks of any size.
    """
    n_spatial = len(image.axes.replace("c", ""))
    boxes = [_box(image.data, mask, window) for window in sample_windows(image.shape[:n_spatial])]
    if len(boxes) == 1:
        return boxes[0]
    values, inside = [], []
    for box in boxes:
        between = np.zeros((1, *box.values.shape[1:]), box.values.dtype)
        values += [box.values, between]
        shown = np.ones(box.values.shape[:n_spatial], np.bool_) if box.inside is None else box.inside
        inside += [shown, np.zeros((1, *shown.shape[1:]), np.bool_)]
    return Box(np.concatenate(values[:-1]), np.concatenate(inside[:-1]))


def sample_windows(shape: Sequence[int]) -> list[Window]:
    """Return where the boxes of `sample` are.

    Parameters
    ----------
    shape : sequence of int
        Of the image, two or three axes.

    Returns
    -------
    list of tuple of slice
        Boxes of about equal sides, in the middles of the cells of a regular grid, first axis slowest.
    """
    if math.prod(shape) <= MOST_VOXELS:
        return [tuple(slice(0, n) for n in shape)]
    n_boxes = [min(N_ALONG[len(shape)], n) for n in shape]
    sides = _sides(shape, MOST_VOXELS // math.prod(n_boxes), n_boxes)
    along = [
        [slice(start, start + side) for i in range(count) for start in [(2 * i + 1) * n // (2 * count) - side // 2]]
        for n, side, count in zip(shape, sides, n_boxes, strict=True)
    ]
    return list(itertools.product(*along))


def _sides(shape: Sequence[int], n_voxels: int, n_boxes: Sequence[int]) -> list[int]:
    """Return the sides of a box of at most so many voxels: equal ones, but for axes whose cells are shorter."""
    cells = [n // count for n, count in zip(shape, n_boxes, strict=True)]
    sides = [0] * len(shape)
    left = float(n_voxels)
    for n_left, axis in zip(range(len(shape), 0, -1), sorted(range(len(shape)), key=cells.__getitem__), strict=True):
        sides[axis] = max(1, min(cells[axis], int(left ** (1 / n_left))))
        left /= sides[axis]
    return sides


def _box(data: Any, mask: Any, window: Window) -> Box:
    part = data[window]
    inside = None if mask is None else np.asarray(mask[window]) != 0
    if isinstance(part, np.ma.MaskedArray):
        shown = ~np.ma.getmaskarray(part)
        if shown.ndim > len(window):
            shown = np.asarray(shown.all(axis=-1))
        inside = shown if inside is None else inside & shown
    return Box(np.asarray(part), inside)
