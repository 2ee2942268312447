"""Interiors: the voxels of a class that no border mixes with another, and what their gray values tell."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Interiors(NamedTuple):
    """What the interiors of all classes hold."""

    counts: NDArray[np.int64]
    """How many voxels, for each class."""
    means: NDArray[np.float64]
    """Their mean gray value; NaN for a class without any."""
    spread: float
    """The standard deviation about these means, pooled; NaN where there is no voxel."""


def interiors(values: NDArray[Any], labels: NDArray[Any], n_classes: int) -> Interiors:
    """Return what the voxels hold that have their own label on every side.

    Parameters
    ----------
    values : ndarray
        Gray values.
    labels : ndarray of uint8 or uint16
        Of the same shape; labels from `n_classes` on mark voxels that do not count.
    n_classes : int
        How many classes there are.

    Returns
    -------
    Interiors
        Counts, means and spread.

    Examples
    --------
    >>> interiors(np.array([[1, 3, 6, 9, 9, 9]]), np.array([[0, 0, 0, 1, 1, 1]], np.uint8), 2)[:2]
    (array([2, 2]), array([2., 9.]))
    """
    kept = _unmixed(labels) & (labels < n_classes)
    chosen, grays = labels[kept], values[kept].astype(np.float64)
    counts = np.bincount(chosen, minlength=n_classes)
    sums = np.bincount(chosen, grays, minlength=n_classes)
    means = np.divide(sums, counts, out=np.full(n_classes, math.nan), where=counts > 0)
    spread = math.sqrt(np.mean((grays - means[chosen]) ** 2)) if grays.size else math.nan
    return Interiors(counts, means, spread)


def _unmixed(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a voxel and all that share a face with it have one label."""
    found = np.ones(labels.shape, np.bool_)
    for axis in range(labels.ndim):
        inner, given = np.moveaxis(found, axis, 0), np.moveaxis(labels, axis, 0)
        same = given[1:] == given[:-1]
        inner[1:] &= same
        inner[:-1] &= same
    return found
