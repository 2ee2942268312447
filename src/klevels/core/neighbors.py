"""Which voxels are neighbors, how much each counts, and volumes of labels as the kernels take them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from klevels.core.labels import ignore_label
from klevels.core.voxels import check_dtype
from klevels.errors import DataError, DataTypeError, ParameterError

Neighbors = Literal["faces", "all"]
NEIGHBORS: tuple[Neighbors, ...] = get_args(Neighbors)

UNIT = 2048
"""Weights are multiples of 1/2048, so that their sums are exact, and 26 of them fit 16 bits."""


def weights_of(ndim: int, neighbors: Neighbors, spacing: Sequence[float] | None) -> NDArray[np.uint16]:
    """Return how much each neighbor counts: the least distance of all over its own, in units of 1/2048.

    Parameters
    ----------
    ndim : int
        2 or 3.
    neighbors : {"faces", "all"}
        Those that share a face with a voxel (an edge with a pixel), or a corner is enough.
    spacing : sequence of float or None
        The size of a voxel along each axis; None for all equal.

    Returns
    -------
    ndarray of uint16, shape (3, 3) or (3, 3, 3)
        The voxel itself is in the middle. 0 where there is no neighbor.

    Raises
    ------
    ParameterError
        If `neighbors` is another, or the spacing is not one positive number for each axis.
    """
    if neighbors not in NEIGHBORS:
        raise ParameterError(f"neighbors is {neighbors!r}; use {' or '.join(map(repr, NEIGHBORS))}")
    steps = np.ones(ndim) if spacing is None else np.asarray(spacing, np.float64)
    if steps.shape != (ndim,) or not np.isfinite(steps).all() or not (steps > 0).all():
        raise ParameterError(f"spacing is {spacing!r}; give one positive number for each of {ndim} axes")
    distances = np.full((3,) * ndim, math.inf)
    for place in itertools.product((-1, 0, 1), repeat=ndim):
        n_axes = sum(map(abs, place))
        if n_axes == 1 or (n_axes > 1 and neighbors == "all"):
            distances[tuple(step + 1 for step in place)] = math.hypot(*(np.array(place) * (steps / steps.min())))
    weights: NDArray[np.uint16] = np.rint(distances.min() / distances * UNIT).astype(np.uint16)
    return weights


@dataclass(frozen=True, slots=True)
class LabelVolume:
    """Labels as the kernels take them, a copy of three axes, where all that does not count has the ignore label."""

    labels: NDArray[Any]
    values: NDArray[Any] | None
    """Gray values, contiguous and of a dtype that the kernels know."""
    left_out: NDArray[np.bool_] | None
    """Of the array's own axes, where voxels do not count though they have a label."""
    weights: list[int]
    """Of the 27 voxels around one."""

    @classmethod
    def of(
        cls,
        labels: NDArray[Any],
        n_classes: int,
        neighbors: Neighbors,
        *,
        values: NDArray[Any] | None = None,
        inside: NDArray[np.bool_] | None,
        spacing: Sequence[float] | None,
    ) -> LabelVolume:
        """Check labels, and the gray values that belong to them.

        Parameters
        ----------
        labels : ndarray of uint8 or uint16
            Of two or three axes.
        n_classes : int
            How many classes there are.
        neighbors : {"faces", "all"}
            Which voxels are neighbors.
        values : ndarray, optional
            Gray values; NaN does not count.
        inside : ndarray of bool or None
            Where voxels count.
        spacing : sequence of float or None
            The size of a voxel along each axis.

        Returns
        -------
        LabelVolume
            An image of rows is a volume of planes of one row each.

        Raises
        ------
        DataError
            If the shapes differ, the labels are empty, or have one axis or four.
        DataTypeError
            If the labels are neither uint8 nor uint16, or the image's dtype has no gray levels.
        ParameterError
            If a label has no class.
        """
        if labels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
            raise DataTypeError(
                f"the labels are of dtype {labels.dtype}; give uint8 or uint16, as classify returns them"
            )
        if labels.ndim not in (2, 3) or labels.size == 0:
            raise DataError(f"the labels have shape {labels.shape}; give an image (y, x) or a volume (z, y, x)")
        for name, other in (("image", values), ("mask", inside)):
            if other is not None and other.shape != labels.shape:
                raise DataError(f"the {name} has shape {other.shape}, the labels {labels.shape}; give one shape")
        weights = weights_of(labels.ndim, neighbors, spacing)
        ignore = ignore_label(n_classes)
        known = (labels < n_classes) | (labels == ignore)
        if not known.all():
            raise ParameterError(
                f"there is a label {labels[~known][0]}, but only {n_classes} classes; give labels of this model"
            )
        working = labels.astype(np.uint8 if ignore == 255 else np.uint16, order="C")
        grays = None if values is None else _plain(values)
        left_out = None if inside is None else ~inside.astype(bool)
        if grays is not None and grays.dtype.kind == "f":
            nan = np.isnan(grays)
            left_out = nan if left_out is None else left_out | nan
        if left_out is not None:
            working[left_out] = ignore
        around = weights if labels.ndim == 3 else np.pad(weights[:, None], [(0, 0), (1, 1), (0, 0)])
        return cls(
            _as_volume(working), None if grays is None else _as_volume(grays), left_out, around.reshape(-1).tolist()
        )


def _as_volume(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.ndim == 3 else array[:, None]


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    check_dtype(values.dtype)
    if values.dtype.kind == "b":
        return np.ascontiguousarray(values).view(np.uint8)
    native = values.dtype.newbyteorder("=")
    return np.ascontiguousarray(values, np.float32 if native == np.float16 else native)
