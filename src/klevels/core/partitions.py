"""How alike two partitions of the same voxels are, whatever their classes are called."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def adjusted_rand_index(counts: NDArray[np.int64]) -> float:
    """Return the share of pairs of voxels that both partitions join or both divide, adjusted for chance.

    Parameters
    ----------
    counts : ndarray of int64, shape (n, m)
        How many voxels are in each class of one partition and each of the other.

    Returns
    -------
    float
        1.0 for equal partitions, about 0 by chance [1]_. In whole numbers of any size, rounded once.

    References
    ----------
    .. [1] L. Hubert and P. Arabie, "Comparing partitions", Journal of Classification 2, 1985.

    Examples
    --------
    >>> adjusted_rand_index(np.array([[0, 3], [2, 0]]))
    1.0
    """
    n = int(counts.sum())
    both, everywhere = _pairs(counts[counts > 0]), n * (n - 1) // 2
    in_one, in_other = _pairs(counts.sum(axis=1)), _pairs(counts.sum(axis=0))
    by_chance = in_one * in_other
    span = (in_one + in_other) * everywhere - 2 * by_chance
    return 2 * (both * everywhere - by_chance) / span if span else 1.0


def conditional_entropies(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Return what is unknown of one partition where the other is known, and the reverse.

    Parameters
    ----------
    counts : ndarray of int64, shape (n, m)
        How many voxels are in each class of one partition, the rows, and each of the other, the columns.

    Returns
    -------
    tuple of float
        H(rows | columns) and H(columns | rows), in bits; their sum is the variation of information [1]_. The order of
        the classes changes no bit of them.

    References
    ----------
    .. [1] M. Meilă, "Comparing clusterings: an information based distance", Journal of Multivariate Analysis 98, 2007.

    Examples
    --------
    >>> conditional_entropies(np.array([[2], [2]]))
    (1.0, 0.0)
    """
    rows, columns = np.nonzero(counts)
    both = counts[rows, columns].astype(np.float64)
    given_columns, given_rows = (
        math.fsum((both * np.log2(whole / both)).tolist()) / max(1, int(counts.sum()))
        for whole in (counts.sum(axis=0)[columns], counts.sum(axis=1)[rows])
    )
    return given_columns, given_rows


def _pairs(counts: NDArray[np.int64]) -> int:
    """Return how many pairs there are of voxels of one class."""
    return sum(n * (n - 1) // 2 for n in counts.ravel().tolist())
