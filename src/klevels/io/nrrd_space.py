"""What an NRRD header says about space: the size of a voxel, its unit, and axes that are not at right angles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.voxel_size import length_unit, spacing_in_one_unit

_RIGHT = 1e-4  # the cosine of two axes that are taken to be at right angles, though they are stored in few digits


@dataclass(frozen=True, slots=True)
class Space:
    """What a header says about each axis, the fastest first.

    Parameters
    ----------
    directions : ndarray or None
        The step along each axis, shape (n axes, n dimensions of space); a row of NaN for an axis that is not of space.
    spacings : tuple of float
        The size of a voxel along each axis, NaN where it is not stated.
    units : tuple of str or None
        Of each axis; of each dimension of space where there are directions.
    """

    directions: NDArray[np.float64] | None
    spacings: tuple[float, ...]
    units: tuple[str | None, ...]

    def excludes(self, axis: int) -> bool:
        """Whether the header says that an axis is none of space."""
        return self.directions is not None and bool(np.isnan(self.directions[axis]).any())

    def spacing_and_unit(self, axes: Sequence[int]) -> tuple[tuple[float, ...] | None, str | None]:
        """Return the size of a voxel along axes of space, unless it is unknown or the voxels are no boxes."""
        if self.directions is None:
            return spacing_in_one_unit([self.spacings[a] for a in axes], [length_unit(self.units[a]) for a in axes])
        units = {length_unit(unit) for unit in self.units}
        if self.skewed(axes) is not None or len(units) > 1:
            return None, None
        sizes = np.linalg.norm(self.directions[list(axes)], axis=1)
        return spacing_in_one_unit(sizes.tolist(), [*units] * len(axes))

    def skewed(self, axes: Sequence[int]) -> tuple[tuple[float, ...], ...] | None:
        """Return the steps along axes of space, if they are not at right angles."""
        if self.directions is None:
            return None
        steps = self.directions[list(axes)]
        norms = np.linalg.norm(steps, axis=1)
        if not (np.isfinite(norms).all() and (norms > 0).all()):
            return None
        cosines = (steps / norms[:, None]) @ (steps / norms[:, None]).T
        if np.abs(cosines - np.eye(len(steps))).max() <= _RIGHT:
            return None
        return tuple(tuple(float(part) for part in step) for step in steps)


def space_of(path: Path, fields: Mapping[str, Any], n_axes: int) -> Space:
    """Collect what a header says about space.

    Parameters
    ----------
    path : Path
        The file.
    fields : mapping
        The header as pynrrd parses it.
    n_axes : int
        How many axes there are.

    Returns
    -------
    Space
        With NaN and None for what is not said.

    Raises
    ------
    ReadError
        If a field does not have one entry for each axis.
    """
    spacings = tuple(float(size) for size in fields.get("spacings", [np.nan] * n_axes))
    directions = _directions(fields)
    units = fields.get("space units" if directions is not None else "units")
    n_units = n_axes if directions is None else directions.shape[1]
    for name, found, wanted in (
        ("spacings", len(spacings), n_axes),
        ("space directions", n_axes if directions is None else len(directions), n_axes),
        ("units", n_units if units is None else len(units), n_units),
    ):
        if found != wanted:
            raise ReadError(f"{path}: its {name} are {found}, but {wanted} are needed: correct the header")
    return Space(directions, spacings, (None,) * n_units if units is None else tuple(units))


def _directions(fields: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the steps along the axes, as a matrix."""
    found = fields.get("space directions")
    if found is None:
        return None
    n_dimensions = max((len(row) for row in found if row is not None), default=0)
    matrix = np.array([[np.nan] * n_dimensions if row is None else row for row in found], np.float64)
    return None if matrix.ndim != 2 or np.isnan(matrix).all() else matrix
