"""The size of a voxel, as HDF5 and NeXus files state it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from klevels.errors import ReadError
from klevels.io.hdf5_find import Found, follow, text_of
from klevels.io.voxel_size import length_unit, spacing_in_one_unit, spacing_of

_UNEVEN = 1e-3  # of a step: places on an axis are stored in few digits


def spacing_and_unit(path: Path, found: Found, axes: Sequence[int]) -> tuple[tuple[float, ...] | None, str | None]:
    """Return the size of a voxel, if the file states it.

    Parameters
    ----------
    path : Path
        The file.
    found : Found
        The dataset, and the group that describes it.
    axes : sequence of int
        Those axes of the dataset that are of space.

    Returns
    -------
    spacing : tuple of float or None
        Along (z,) y and x: by an attribute ``element_size_um``, or by NeXus axes whose places are even.
    unit : str or None
        Of the spacing.
    """
    sizes = found.dataset.attrs.get("element_size_um")
    if isinstance(sizes, np.ndarray) and sizes.ndim == 1 and sizes.dtype.kind in "iuf" and len(sizes) >= len(axes):
        spacing = spacing_of(sizes[-len(axes) :])
        return spacing, None if spacing is None else "µm"
    names = np.atleast_1d(found.group.attrs.get("axes"))
    if names.ndim != 1 or len(names) != found.dataset.ndim:
        return None, None
    try:
        steps = [_step(path, found, text_of(names[axis]), found.dataset.shape[axis]) for axis in axes]
    except ReadError:  # an axis that is not there, or in another file, says nothing
        return None, None
    return spacing_in_one_unit([size for size, _ in steps], [unit for _, unit in steps])


def _step(path: Path, found: Found, name: str | None, n: int) -> tuple[float, str]:
    """Return the distance of neighbors on an axis, and its unit; ReadError if it has none."""
    if name in (None, "", "."):
        raise ReadError(f"{path}: an axis has no name")
    axis, _ = follow(path, found.group, str(name))
    unit = length_unit(text_of(axis.attrs.get("units")))
    if unit is None or not _are_places(axis, n):
        raise ReadError(f"{path}: {name} is no axis of {n} places with a unit of length")
    places = axis[()].astype(np.float64)
    step = float(places[-1] - places[0]) / (len(places) - 1)
    if not np.abs(np.diff(places) - step).max() <= _UNEVEN * abs(step):
        raise ReadError(f"{path}: the places on {name} are not even")
    return abs(step), unit


def _are_places(axis: Any, n: int) -> bool:
    """Whether these are the centers, or the edges, of so many voxels."""
    shape = getattr(axis, "shape", None)
    return (
        shape in ((n,), (n + 1,))
        and shape[0] > 1
        and axis.dtype.kind in "iuf"
        and not axis.external
        and not axis.is_virtual
    )
