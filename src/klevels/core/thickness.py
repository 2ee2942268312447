"""Local thickness: how large a sphere fits where a voxel lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.volumes import closeness_of
from klevels.core.voxels import count_threads
from klevels.errors import DataError, DataTypeError, MissingDependencyError, ParameterError

EQUAL = 1e-6
"""Distances that differ by less, relatively, are rounded ones of the same."""


def local_thickness(
    mask: ArrayLike,
    *,
    left_out: ArrayLike | None = None,
    spacing: Sequence[float] | None = None,
    n_sizes: int = 25,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Return for each voxel the diameter of the largest sphere that lies in the phase and holds the voxel.

    Parameters
    ----------
    mask : array_like of bool, 2-D or 3-D
        True in the phase.
    left_out : array_like of bool, optional
        Where it is not known whether voxels are of the phase: spheres may reach there, as beyond the end of the array.
    spacing : sequence of float, optional
        The size of a voxel along each axis; lengths are in voxels without.
    n_sizes : int
        How many sizes are told apart at least; as many more as it takes that they lie half a voxel apart.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    ndarray of float32
        In the units of the spacing; 0 outside the phase.

    Raises
    ------
    MissingDependencyError
        If edt is not installed.
    DataTypeError
        If the mask is not bool.
    DataError
        If the mask has not two or three axes, is empty, or True everywhere: a sphere of any size would fit.
    ParameterError
        If the spacing is not one positive number for each axis, or `n_sizes` or `threads` is below 1.

    Notes
    -----
    This is the model-independent thickness [1]_, by one distance transform for each size. Spheres are centered on
    voxels, and may reach beyond the end of the array. A sphere's diameter is twice the distance to the nearest voxel
    outside the phase, less half a voxel of the finest axis: on average over where the boundary lies between centers
    that is right. Of a slab of equal voxels the result is at most half a voxel off. Spheres between two sizes count as
    the smaller, whose radius is at most a quarter of a voxel less: together the error is at most one voxel.

    It takes some 20 bytes a voxel.

    References
    ----------
    .. [1] T. Hildebrand and P. Rüegsegger, "A new method for the model-independent assessment of thickness in
       three-dimensional images", Journal of Microscopy 185(1), 1997.

    Examples
    --------
    >>> mask = np.zeros((5, 9), bool)
    >>> mask[1:4] = True
    >>> local_thickness(mask)[:, 4]
    array([0. , 3.5, 3.5, 3.5, 0. ], dtype=float32)
    """
    phase = np.asarray(mask)
    if phase.dtype != np.bool_:
        raise DataTypeError(f"the mask is of dtype {phase.dtype}; give bool, True in the phase")
    if phase.ndim not in (2, 3) or phase.size == 0:
        raise DataError(f"the mask has shape {phase.shape}; give 2 or 3 axes, and at least one voxel")
    unknown = np.zeros(phase.shape, bool) if left_out is None else np.asarray(left_out, bool)
    if unknown.shape != phase.shape:
        raise DataError(f"left_out has shape {unknown.shape}, the mask {phase.shape}; give one of the same shape")
    unknown = unknown & ~phase
    if (phase | unknown).all():
        raise DataError("the mask is True everywhere, and any sphere would fit; give one with a boundary")
    if n_sizes < 1:
        raise ParameterError(f"n_sizes is {n_sizes}; give 1 or more")
    closeness_of(phase.ndim, spacing)
    sizes = tuple(map(float, spacing)) if spacing is not None else (1.0,) * phase.ndim
    try:
        from edt import edt
    except ImportError as error:
        raise MissingDependencyError("local thickness needs edt; pip install 'klevels[measure]'") from error
    transform = partial(edt, anisotropy=sizes, black_border=False, parallel=count_threads(threads))
    finest = min(sizes)
    thickness = np.zeros(phase.shape, np.float32)
    if not phase.any():
        return thickness
    distances = transform(phase | unknown)
    distances[unknown] = 0  # spheres have their centers in the phase
    for radius in _radii(distances[phase], n_sizes, finest / 4):
        below = np.float32(radius * (1 - EQUAL))
        held = (transform(distances < below) < below) & (thickness == 0) & phase
        thickness[held] = 2 * radius - finest / 2
    return thickness


def _radii(distances: NDArray[np.float32], n_sizes: int, step: float) -> list[float]:
    """Return distances that occur, the largest first: of each step the least, and the largest of all."""
    least, largest = float(distances.min()), float(distances.max())
    n = max(n_sizes, math.ceil((largest - least) / step))
    if largest == least:
        return [least]
    values = np.unique(distances)
    steps = ((values - least) * (n / (largest - least))).astype(np.int64)
    _, firsts = np.unique(steps, return_index=True)
    return sorted({*values[firsts].tolist(), largest}, reverse=True)
