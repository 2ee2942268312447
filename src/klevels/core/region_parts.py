"""Connected regions of a window of labels, which merge with those of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from klevels.core import _measures
from klevels.core.region_rows import FIRST, GRAY, HIGH, LABEL, LOW, N_VOXELS, STEPS, Rows, joined
from klevels.core.region_sides import Box, Side, check_apart, meetings
from klevels.errors import DataError, ParameterError

CONNECTIVITIES = {2: {4: 6, 8: 26}, 3: {6: 6, 18: 18, 26: 26}}
"""By the number of axes: which there are, and what each is in a volume."""


@dataclass(frozen=True, eq=False, repr=False)
class Regions:
    """Connected regions of labels; those of windows merge with ``+``.

    Parameters
    ----------
    n_labels : int
        How many labels there are.
    connectivity : int
        How many neighbors a voxel hangs together with.
    shape : tuple of int
        Of the whole.
    has_gray : bool
        Whether gray values were summed.
    gray_range : tuple of float or None
        What float gray values were rounded within; None for integers.
    ids : ndarray of uint32, optional
        Of one window: which region each voxel belongs to, from 1 on, in the order of `rows`; 0 for none.

    Notes
    -----
    `regions` makes them.
    """

    n_labels: int
    connectivity: int
    shape: tuple[int, ...]
    has_gray: bool
    gray_range: tuple[float, float] | None
    ids: NDArray[np.uint32] | None
    summary: bool
    _windows: tuple[Box, ...]
    _sides: tuple[Side, ...]
    _open: Rows
    _closed: tuple[Rows, ...]
    _counts: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Regions({int(self.counts[:, 0].sum())} of {self.n_labels} labels, connectivity {self.connectivity})"

    def __add__(self, other: object) -> Regions:
        """Return the regions of both windows, or unions of windows, joined where they touch."""
        if not isinstance(other, Regions):
            return NotImplemented
        self._check_same(other)
        offset, inner = len(self._open), CONNECTIVITIES[len(self.shape)][self.connectivity]
        rows = np.concatenate([self._open, other._open])
        moved = [replace(side, rows=side.rows + offset) for side in other._sides]
        pairs = [np.empty((0, 2), np.int64), *meetings(self._sides, moved, rows[:, LABEL], inner)]
        roots = np.arange(len(rows))
        _measures.join_pairs(np.concatenate(pairs), roots)
        rows, numbers = joined(rows, roots)
        whole, reach = as_volume(self.shape), int(inner > 6)
        after = [side.after(other._windows, whole, reach) for side in self._sides]
        after += [side.after(self._windows, whole, reach) for side in moved]
        sides = [replace(side, rows=numbers[side.rows]) for side in after if side.unseen]
        return replace(
            self.settled(sides, rows, self._closed + other._closed, _added(self._counts, other._counts)),
            ids=None,
            _windows=self._windows + other._windows,
        )

    @property
    def rows(self) -> Rows:
        """All that are in the table, in raster order of their first voxels; the columns are in `region_rows`."""
        rows = np.concatenate([self._open, *self._closed])
        return rows[np.argsort(rows[:, FIRST], kind="stable")]

    @property
    def counts(self) -> NDArray[np.int64]:
        """A row a label: regions, voxels of the largest, voxels of all, regions that percolate along z, y and x."""
        counts = self._counts.copy()
        for rows in (self._open, *self._closed):
            counts = _added(counts, _counted(rows, self.n_labels, as_volume(self.shape)))
        return counts

    @property
    def n_voxels_seen(self) -> int:
        """How many voxels the windows had."""
        return sum(math.prod(np.subtract(high, low).tolist()) for low, high in self._windows)

    def check_whole(self) -> None:
        """Raise DataError if windows are missing."""
        if self.n_voxels_seen != math.prod(self.shape):
            raise DataError(
                f"the regions are of {self.n_voxels_seen} voxels, the whole has {math.prod(self.shape)}; "
                "add those of all windows first"
            )

    def _check_same(self, other: Regions) -> None:
        names = ("n_labels", "connectivity", "shape", "has_gray", "gray_range", "summary")
        for name in names:
            if getattr(self, name) != getattr(other, name):
                raise ParameterError(
                    f"{name} is {getattr(self, name)} here and {getattr(other, name)} there; "
                    "merge windows of one volume, measured alike"
                )
        if both := check_apart(self._windows, other._windows):
            raise ParameterError(f"the window from {both[0]} to {both[1]} overlaps another; add each voxel once")

    def settled(
        self, sides: Sequence[Side], rows: Rows, closed: tuple[Rows, ...], counts: NDArray[np.int64]
    ) -> Regions:
        """Return the same with other regions; those that no side touches any more are closed.

        Parameters
        ----------
        sides : sequence of Side
            With rows of these.
        rows : ndarray
            Of the regions.
        closed : tuple of ndarray
            Rows of regions that are closed already.
        counts : ndarray of int64
            Those of regions that are in the table no more.

        Returns
        -------
        Regions
            Of the same windows.
        """
        held = np.zeros(len(rows), bool)
        for side in sides:
            held[side.rows] = True
        numbers = np.cumsum(held) - 1
        kept = tuple(replace(side, rows=numbers[side.rows]) for side in sides)
        done = rows[~held]
        if self.summary:
            counts = _added(counts, _counted(done, self.n_labels, as_volume(self.shape)))
        elif len(done):
            closed = (*closed, done)
        return replace(self, _sides=kept, _open=rows[held], _closed=closed, _counts=counts)


def gray_means(found: Regions, rows: Rows) -> NDArray[np.float64]:
    """Return the mean gray value of regions.

    Parameters
    ----------
    found : Regions
        That the rows are of, with gray values.
    rows : ndarray
        Some of its rows.

    Returns
    -------
    ndarray of float64
        In the units of the gray values.
    """
    means = np.asarray(rows[:, GRAY] / rows[:, N_VOXELS], np.float64)
    if found.gray_range is None:
        return means
    low, high = found.gray_range
    return low + means * ((high - low) / STEPS)


def as_volume(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an image as that of a volume.

    Parameters
    ----------
    shape : tuple of int
        Of two or three axes.

    Returns
    -------
    tuple of int
        Of three axes.
    """
    return (1,) * (3 - len(shape)) + tuple(shape)


def _counted(rows: Rows, n_labels: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    counts = np.zeros((n_labels, 6), np.int64)
    labels = rows[:, LABEL].astype(np.intp)
    sizes = rows[:, N_VOXELS].astype(np.int64)
    counts[:, 0] = np.bincount(labels, minlength=n_labels)
    np.maximum.at(counts[:, 1], labels, sizes)
    np.add.at(counts[:, 2], labels, sizes)
    through = (rows[:, LOW] == 0) & (rows[:, HIGH] == np.array(shape))
    for axis in range(3):
        counts[:, 3 + axis] = np.bincount(labels[through[:, axis].astype(bool)], minlength=n_labels)
    return counts


def _added(counts: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    total = counts + others
    total[:, 1] = np.maximum(counts[:, 1], others[:, 1])
    return total
