"""Connected regions as rows of whole numbers, which add up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]
"""A row a region: int64, or Python's integers where sums could be too large."""

LABEL, FIRST, N_VOXELS = 0, 1, 2
LOW, HIGH, SUMS = slice(3, 6), slice(6, 9), slice(9, 12)
PRODUCTS = slice(12, 18)
"""Of coordinates: zz, zy, zx, yy, yx, xx."""
GRAY = 18
MORE = slice(19, None)
"""What else is known, and adds up."""

STEPS = 1 << 24
"""Into so many steps the range of gray values is divided where they are floats."""


def dtype_of(shape: tuple[int, ...]) -> np.dtype[Any]:
    """Return the dtype of rows that hold regions of a volume.

    Parameters
    ----------
    shape : tuple of int
        Of the whole.

    Returns
    -------
    dtype
        int64, or object where sums over the whole could be larger.
    """
    largest = math.prod(shape) * max(max(shape) ** 2, 1 << 32)
    return np.dtype(np.int64) if largest < 1 << 62 else np.dtype(object)


def placed(rows: Rows, origin: tuple[int, ...], window: tuple[int, ...], whole: tuple[int, ...]) -> Rows:
    """Return the rows of a window as those of the whole.

    Parameters
    ----------
    rows : ndarray of int64
        With coordinates that begin at the window.
    origin, window, whole : tuple of int
        Where the window begins, its shape, and that of the whole.

    Returns
    -------
    ndarray
        With coordinates of the whole.
    """
    places = np.unravel_index(rows[:, FIRST], window)
    rows = rows.astype(dtype_of(whole), copy=False)
    if tuple(origin) == (0, 0, 0) and window == whole:
        return rows
    z, y, x = (place + offset for place, offset in zip(places, origin, strict=True))
    rows[:, FIRST] = (z * whole[1] + y) * whole[2] + x
    n, sums = rows[:, N_VOXELS], rows[:, SUMS].copy()
    column = PRODUCTS.start
    for one in range(3):
        for other in range(one, 3):
            a, b = origin[one], origin[other]
            rows[:, column] += a * sums[:, other] + b * sums[:, one] + n * a * b
            column += 1
    for axis, offset in enumerate(origin):
        rows[:, SUMS.start + axis] += n * offset
        rows[:, LOW.start + axis] += offset
        rows[:, HIGH.start + axis] += offset
    return rows


def joined(rows: Rows, roots: NDArray[np.int64]) -> tuple[Rows, NDArray[np.int64]]:
    """Add up the rows that belong together.

    Parameters
    ----------
    rows : ndarray
        Those of regions and parts of regions.
    roots : ndarray of int64
        The same number for those that belong together.

    Returns
    -------
    rows : ndarray
        One for each region.
    numbers : ndarray of int64
        Which of them each row went to.
    """
    if len(rows) == 0:
        return rows, roots
    order = np.argsort(roots, kind="stable")
    begins = np.flatnonzero(np.diff(roots[order], prepend=-1))
    numbers = np.empty(len(rows), np.int64)
    numbers[order] = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(rows)))
    if len(begins) == len(rows):
        return rows[order], numbers
    ordered = rows[order]
    sums = np.add.reduceat(ordered, begins)
    sums[:, LABEL] = ordered[begins, LABEL]
    sums[:, FIRST] = np.minimum.reduceat(ordered[:, FIRST], begins)
    sums[:, LOW] = np.minimum.reduceat(ordered[:, LOW], begins)
    sums[:, HIGH] = np.maximum.reduceat(ordered[:, HIGH], begins)
    return sums, numbers
