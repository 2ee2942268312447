"""A material of several phases, cut from smooth random fields."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import MissingDependencyError

POWDER = 0.4  # correlation length of the densest of many phases, relative to the others: small inclusions


def fill(
    inside: NDArray[np.bool_], fractions: NDArray[np.float64], length: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Fill a region with phases, each where a smooth random field of its own is highest.

    Parameters
    ----------
    inside : ndarray of bool
        The region; phase 0 surrounds it.
    fractions : ndarray, shape (n_phases,)
        The volume fractions in the region, met to the voxel.
    length : float
        Standard deviation of the Gaussian that smooths the fields, in voxels.
    rng : numpy.random.Generator
        Where the fields come from.

    Returns
    -------
    ndarray of uint8
        Phases 0 to n_phases - 1, of the shape of `inside`.

    Notes
    -----
    The void takes its place first, so that nothing floats in it; then the densest phase and the others in turn; the
    matrix, phase 1, is what is left.
    """
    truth = np.zeros(inside.shape, np.uint8)
    free = np.flatnonzero(inside)
    ends = np.rint(np.cumsum(fractions) * free.size).astype(np.int64)
    counts = np.diff(ends, prepend=np.int64(0))
    densest = fractions.size - 1
    for phase in (0, *range(densest, 1, -1)):
        powder = POWDER if phase == densest > 2 else 1.0
        field = smooth(rng.standard_normal(inside.shape), length * powder)
        order = np.argsort(field.ravel()[free], kind="stable")
        n_left = free.size - int(counts[phase])
        truth.ravel()[free[order[n_left:]]] = phase
        free = np.sort(free[order[:n_left]])
    truth.ravel()[free] = 1
    return truth


def smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Blur with a Gaussian, along each axis that is longer than 1.

    Parameters
    ----------
    values : ndarray
        Of any shape.
    sigma : float
        Standard deviation, in voxels.

    Returns
    -------
    ndarray
        Of the shape of `values`.
    """
    sigmas = [sigma if side > 1 else 0.0 for side in values.shape]
    smoothed: NDArray[np.float64] = _ndimage().gaussian_filter(values, sigmas)
    return smoothed


def _ndimage() -> Any:
    try:
        from scipy import ndimage
    except ImportError as error:
        raise MissingDependencyError("simulated scans need SciPy; pip install 'klevels[samples]'") from error
    return ndimage
