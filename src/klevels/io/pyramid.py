"""The levels of an image, each half as fine as the one before; labels are never mixed into others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

COARSEST = 256
"""No axis of the coarsest level is longer, unless it is not halved."""
THIN = 64
"""An axis is halved only while it is longer."""

_RUN = 1 << 17
"""Values that are found at once: of more, the work leaves the cache; of fewer, threads wait for each other's lock."""
_NETWORKS = {
    2: ((0, 1),),
    4: ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)),
    8: (
        *((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (1, 2), (5, 6)),
        *((0, 4), (3, 7), (1, 5), (2, 6), (1, 4), (3, 6), (2, 4), (3, 5), (3, 4)),
    ),
}
"""Which pairs to put in order, one after the other, to sort so many values."""


def plan_levels(
    shape: Sequence[int], spacing: Sequence[float] | None, *, n_other_axes: int = 0
) -> list[tuple[int, ...]]:
    """Return by what each level is coarser than the one before.

    Parameters
    ----------
    shape : sequence of int
        Of the finest level: its other axes, which are never halved, then its spatial axes.
    spacing : sequence of float, optional
        The size of a voxel along each spatial axis. None takes voxels to be cubes.
    n_other_axes : int, default 0
        How many axes are not spatial.

    Returns
    -------
    list of tuple of int
        For each level but the finest, 1 or 2 for each axis. Axes along which voxels are coarser than along others, by
        more than the square root of 2, wait until the others are as coarse, and those of at most `THIN` voxels stay. It
        ends when no axis that may be halved is longer than `COARSEST`.
    """
    lengths = list(shape[n_other_axes:])
    sizes = [1.0] * len(lengths) if spacing is None else list(spacing)
    levels = []
    while max(lengths) > COARSEST:
        long = [axis for axis, n in enumerate(lengths) if n > THIN]
        finest = min(sizes[axis] for axis in long)
        factors = [2 if axis in long and sizes[axis] ** 2 <= 2 * finest**2 else 1 for axis in range(len(lengths))]
        lengths = [-(-n // factor) for n, factor in zip(lengths, factors, strict=True)]
        sizes = [size * factor for size, factor in zip(sizes, factors, strict=True)]
        levels.append((1,) * n_other_axes + tuple(factors))
    return levels


def coarser(shape: Sequence[int], factors: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a coarser level.

    Parameters
    ----------
    shape : sequence of int
        Of the finer level.
    factors : sequence of int
        By what it is coarser along each axis.

    Returns
    -------
    tuple of int
        A cell that is not complete, at the end of an axis, counts as one.
    """
    return tuple(-(-n // factor) for n, factor in zip(shape, factors, strict=True))


def reduce_block(block: NDArray[Any], factors: Sequence[int], *, labels: bool) -> NDArray[Any]:
    """Return a block at the next level: one value for each cell of up to 2 × 2 × 2.

    Parameters
    ----------
    block : ndarray
        Of integers, floats or bool; of integers or bool if they are labels. It begins where a cell begins.
    factors : sequence of int
        1 or 2 for each axis, and 2 for at most three of them: the size of a cell.
    labels : bool
        Whether the values are labels. Those of a bool array always are.

    Returns
    -------
    ndarray
        Of the block's dtype.

    Notes
    -----
    Of labels, the one that most of the cell's voxels have; if several have as many, the smallest of them. So none is
    invented, and the ignore label, which is the largest, wins over no other that is as frequent.

    Of gray values the mean: of integers rounded to the nearest, halves to the even one; of floats as precise as
    float64, and NaN where a value of the cell is.

    A cell at the end of an axis has the voxels that are there.
    """
    if block.dtype == bool:
        return reduce_block(block.view(np.uint8), factors, labels=True).view(bool)
    pad = [(0, -n % factor) for n, factor in zip(block.shape, factors, strict=True)]
    # Twice the same voxel, in all of a cell, changes neither the mean nor what most of them are.
    whole = np.pad(block, pad, mode="edge") if any(map(any, pad)) else block
    corners = [
        whole[tuple(slice(at, None, factor) for at, factor in zip(corner, factors, strict=True))]
        for corner in product(*(range(factor) for factor in factors))
    ]
    out = np.empty(corners[0].shape, block.dtype)
    reduce = _most_frequent if labels else _mean
    for run in _runs(out.shape):
        out[run] = reduce([corner[run].copy() for corner in corners])
    return out


def _runs(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Return parts of an array, of about `_RUN` values, that cover it."""
    steps, room = [1] * len(shape), _RUN
    for axis in reversed(range(len(shape))):
        steps[axis] = max(1, min(shape[axis], room))
        room //= steps[axis]
    starts = product(*(range(0, n, step) for n, step in zip(shape, steps, strict=True)))
    return [tuple(slice(at, at + step) for at, step in zip(corner, steps, strict=True)) for corner in starts]


def _most_frequent(values: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the most frequent of a few values, the smallest of equally frequent ones; the arrays are used up."""
    for low, high in _NETWORKS.get(len(values), ()):
        smaller = np.minimum(values[low], values[high])
        np.maximum(values[low], values[high], out=values[high])
        values[low] = smaller
    best = values[0].copy()
    most, run = np.ones(best.shape, np.uint8), np.ones(best.shape, np.uint8)
    for before, value in pairwise(values):
        run *= (before == value).view(np.uint8)  # how often it was there so far: equal ones follow each other
        run += np.uint8(1)
        # As np.copyto(best, value, where=run > most), which takes fifty times as long where that is often and
        # irregularly so.
        all_bits = np.negative((run > most).view(np.int8)).astype(f"i{best.itemsize}", copy=False).view(best.dtype)
        best ^= (best ^ value) & all_bits
        np.maximum(most, run, out=most)
    return best


def _mean(values: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the mean of 1, 2, 4 or 8 arrays, in their dtype."""
    dtype, n = values[0].dtype, len(values)
    if n == 1:
        return values[0]
    if dtype.kind == "f":
        return np.asarray(sum(value.astype(np.float64) / n for value in values)).astype(dtype)
    # Whole parts and rests are summed apart: neither can leave the dtype.
    shift, rest_bits = dtype.type(n.bit_length() - 1), dtype.type(n - 1)
    whole: NDArray[Any] = values[0] >> shift
    rest: NDArray[Any] = values[0] & rest_bits
    for value in values[1:]:
        whole += value >> shift
        rest += value & rest_bits
    whole += rest >> shift
    rest &= rest_bits
    half = dtype.type(n // 2)
    whole += (rest > half) | ((rest == half) & ((whole & dtype.type(1)) == 1))
    return whole
