"""Which pairs of two sets of classes have most in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def best_pairs(overlaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pair rows with columns so that the overlaps of the pairs have the greatest sum.

    Parameters
    ----------
    overlaps : ndarray of int64, shape (n, m)
        How much each row has in common with each column; none is negative.

    Returns
    -------
    ndarray of int64, shape (n,)
        The column of each row, -1 where a row is left alone: columns may be fewer, and what has nothing in common is
        no pair.

    Notes
    -----
    Shortest augmenting paths [1]_, in O(min(n, m)² max(n, m)) time and whole numbers, so that no rounding decides.
    Which of several equal optima is returned depends on the order of rows and columns alone.

    References
    ----------
    .. [1] R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
       problems", Computing 38, 1987.

    Examples
    --------
    >>> best_pairs(np.array([[1, 9], [0, 8], [7, 0]]))
    array([ 1, -1,  0])
    """
    n, m = overlaps.shape
    columns = np.full(n, -1, np.int64)
    if n == 0 or m == 0:
        return columns
    if n <= m:
        rows = _rows_of_columns(overlaps)
        paired = np.flatnonzero(rows >= 0)
        columns[rows[paired]] = paired
    else:
        columns[:] = _rows_of_columns(overlaps.T)
    paired = np.flatnonzero(columns >= 0)
    columns[paired[overlaps[paired, columns[paired]] == 0]] = -1
    return columns


def _rows_of_columns(overlaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each row a column of its own, where there are at least as many; return the row of each column, or -1."""
    n, m = overlaps.shape
    greatest = int(overlaps.max())
    # Distances are sums along paths of up to 2 n edges; beyond int64 NumPy adds Python's own numbers.
    kind: Any = np.int64 if greatest * 4 * n < 2**62 else object
    costs = np.array(greatest, kind) - overlaps.astype(kind)
    far = 4 * n * greatest + 1
    row_prices, column_prices = np.zeros(n, kind), np.zeros(m, kind)
    rows = np.full(m, -1, np.int64)
    for first in range(n):
        row, column = first, -1
        distances, before = np.full(m, far, kind), np.full(m, -1, np.int64)
        is_reached = np.zeros(m, bool)
        reached_rows = [first]
        while True:
            through = costs[row] - row_prices[row] - column_prices
            nearer = ~is_reached & (through < distances)
            distances[nearer], before[nearer] = through[nearer], column
            column = int(np.argmin(np.where(is_reached, far + 1, distances)))
            step = distances[column]
            row_prices[reached_rows] += step
            column_prices[is_reached] -= step
            distances[~is_reached] -= step
            is_reached[column] = True
            row = int(rows[column])
            if row < 0:
                break
            reached_rows.append(row)
        while column >= 0:
            previous = int(before[column])
            rows[column] = first if previous < 0 else rows[previous]
            column = previous
    return rows
