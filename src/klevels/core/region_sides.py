"""The sides of windows, across which connected regions go on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[tuple[int, ...], tuple[int, ...]]
"""The first voxel along each axis, and the one after the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The outermost voxels of a window, toward its neighbors along one axis."""

    axis: int
    ahead: bool
    """Whether the neighbors lie at greater coordinates."""
    low: tuple[int, ...]
    high: tuple[int, ...]
    """Of the window."""
    numbers: NDArray[np.uint32]
    """Of each voxel: from 1 on, in `rows`; 0 for none."""
    rows: NDArray[np.int64]
    """Of the regions that are on this side."""
    unseen: int
    """How many of the voxels that it can meet have not come yet."""

    @property
    def plane(self) -> int:
        """Where along the axis the voxels ahead begin."""
        return self.high[self.axis] if self.ahead else self.low[self.axis]

    def after(self, windows: Sequence[Box], shape: tuple[int, ...], reach: int) -> Side:
        """Return the same when windows have come."""
        low, high = self._opposite(shape, reach)
        seen = sum(_overlap(low, high, *window) for window in windows)
        return replace(self, unseen=self.unseen - seen) if seen else self

    def _opposite(self, shape: tuple[int, ...], reach: int) -> Box:
        """Return the voxels that it can meet, as a box."""
        low = [max(0, first - reach) for first in self.low]
        high = [min(end, last + reach) for end, last in zip(shape, self.high, strict=True)]
        low[self.axis] = self.plane if self.ahead else self.plane - 1
        high[self.axis] = low[self.axis] + 1
        return tuple(low), tuple(high)


def inner_sides(low: tuple[int, ...], high: tuple[int, ...], shape: tuple[int, ...]) -> list[bool]:
    """Return which sides of a window, z0, z1, y0, y1, x0 and x1, are not at the end of the whole."""
    return [inner for axis in range(3) for inner in (low[axis] > 0, high[axis] < shape[axis])]


def sides_of(
    low: tuple[int, ...],
    high: tuple[int, ...],
    shape: tuple[int, ...],
    faces: Sequence[NDArray[np.uint32] | None],
    n_rows: int,
    reach: int,
) -> tuple[Side, ...]:
    """Return the sides of a window across which regions may go on.

    Parameters
    ----------
    low, high, shape : tuple of int
        Of the window and the whole.
    faces : sequence of ndarray of uint32 or None
        The ids on the sides z0, z1, y0, y1, x0, x1: rows, counted from 1.
    n_rows : int
        How many rows there are.
    reach : int
        1 where regions hang together across edges; else 0.

    Returns
    -------
    tuple of Side
        None for those at the end of the whole.
    """
    sides = []
    for index, face in enumerate(faces):
        if face is None:
            continue
        here = np.zeros(n_rows + 1, bool)
        here[face] = True
        here[0] = False
        rows = np.flatnonzero(here)
        numbers = np.zeros(n_rows + 1, np.uint32)
        numbers[rows] = np.arange(1, len(rows) + 1)
        side = Side(index // 2, bool(index % 2), low, high, numbers[face], rows - 1, 0)
        sides.append(replace(side, unseen=_volume(*side._opposite(shape, reach))))
    return tuple(sides)


def meetings(
    sides: Sequence[Side], others: Sequence[Side], labels: NDArray[Any], connectivity: int
) -> Iterator[NDArray[np.int64]]:
    """Find the regions that hang together across the sides of windows.

    Parameters
    ----------
    sides, others : sequence of Side
        Of windows here and there; their rows are those of one table.
    labels : ndarray of int
        Of the rows.
    connectivity : int
        6, 18 or 26.

    Yields
    ------
    ndarray of int64, shape (n, 2)
        Rows of the same region.
    """
    offsets = [
        (u, v) for u, v in product((-1, 0, 1), repeat=2) if abs(u) + abs(v) <= {6: 0, 18: 1, 26: 2}[connectivity]
    ]
    for one in sides:
        for other in others:
            if one.axis == other.axis and one.ahead != other.ahead and one.plane == other.plane:
                yield from _pairs(one, other, labels, offsets)


def check_apart(windows: Sequence[Box], others: Sequence[Box]) -> Box | None:
    """Return the first window that overlaps one of the others, or None.

    Parameters
    ----------
    windows, others : sequence of Box
        Of two parts.

    Returns
    -------
    Box or None
        None if they are apart.
    """
    return next((one for one in windows for other in others if _overlap(*one, *other)), None)


def _pairs(
    one: Side, other: Side, labels: NDArray[Any], offsets: Sequence[tuple[int, int]]
) -> Iterator[NDArray[np.int64]]:
    axes = [axis for axis in range(3) if axis != one.axis]
    here, there = ((side.low[axes[0]], side.low[axes[1]]) for side in (one, other))
    label, other_label = (np.append(-1 - i, labels[side.rows]) for i, side in enumerate((one, other)))
    width = len(other.rows) + 1
    for offset in offsets:
        cuts, other_cuts = [], []
        for i, axis in enumerate(axes):
            begin = max(one.low[axis], other.low[axis] - offset[i])
            end = max(begin, min(one.high[axis], other.high[axis] - offset[i]))
            cuts.append(slice(begin - here[i], end - here[i]))
            other_cuts.append(slice(begin + offset[i] - there[i], end + offset[i] - there[i]))
        if any(cut.start >= cut.stop for cut in cuts):
            continue
        a, b = one.numbers[tuple(cuts)], other.numbers[tuple(other_cuts)]
        same = label[a] == other_label[b]
        found = np.unique(a[same].astype(np.int64) * width + b[same])
        yield np.stack([one.rows[found // width - 1], other.rows[found % width - 1]], axis=1)


def _volume(low: tuple[int, ...], high: tuple[int, ...]) -> int:
    return math.prod(end - first for first, end in zip(low, high, strict=True))


def _overlap(
    low: tuple[int, ...], high: tuple[int, ...], other_low: tuple[int, ...], other_high: tuple[int, ...]
) -> int:
    """Return how many voxels two boxes share."""
    shared = 1
    for a, b, c, d in zip(low, high, other_low, other_high, strict=True):
        width = min(b, d) - max(a, c)
        if width <= 0:
            return 0
        shared *= width
    return shared
