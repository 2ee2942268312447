"""Edges: how much of the steps between phases is left after an image was denoised."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def edges_kept(raw: NDArray[Any], clean: NDArray[Any], labels: NDArray[Any], n_classes: int) -> float:
    """Return how steep edges are after an image was denoised, relative to what they were.

    Parameters
    ----------
    raw : ndarray
        The image as it was measured.
    clean : ndarray
        The image after it was denoised.
    labels : ndarray of uint8 or uint16
        Where the edges are: between voxels with a common face and different labels. Labels ascend with gray.
    n_classes : int
        Labels from here on mark voxels that do not count.

    Returns
    -------
    float
        From 0, no step is left, to 1, every step is as high as it was. 1 where there is no edge.

    Notes
    -----
    At each edge the darker voxel is taken from the brighter one, and these differences are summed; returned is the sum
    in `clean` divided by that in `raw`. Blur lowers it. Noise does not, for it adds as often as it takes away, as long
    as the same edges are looked at for every filter.

    Examples
    --------
    >>> raw = np.array([[0, 0, 8, 8]])
    >>> edges_kept(raw, np.array([[0, 2, 6, 8]]), np.array([[0, 0, 1, 1]], np.uint8), 2)
    0.5
    """
    before = after = 0.0
    for axis in range(raw.ndim):
        first, second = (np.moveaxis(labels, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        at = np.nonzero((first != second) & (first < n_classes) & (second < n_classes))
        sign = np.where(second[at] > first[at], 1.0, -1.0)
        before += _rise(raw, axis, at, sign)
        after += _rise(clean, axis, at, sign)
    return min(max(after / before, 0.0), 1.0) if before > 0 else 1.0


def _rise(values: NDArray[Any], axis: int, at: tuple[NDArray[np.intp], ...], sign: NDArray[np.float64]) -> float:
    turned = np.moveaxis(values, axis, 0)
    rises = turned[1:][at].astype(np.float64) - turned[:-1][at].astype(np.float64)
    return float((sign * rises).sum())
