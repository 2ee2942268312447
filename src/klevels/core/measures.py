"""Measures: what is known of the phases of an image, and of the objects in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from klevels.core.sizes import size_distribution
from klevels.core.table import Table


@dataclass(frozen=True, eq=False, repr=False)
class Measures:
    """What is known of the phases of an image, and of the objects in them.

    Parameters
    ----------
    phases : Table
        A row a phase.
    profiles : mapping of str to Table
        How phases change along each axis, "z", "y" and "x", and along the "radius" from the axis of the volume: a row
        for each position and phase, with `position`, `phase`, `n_voxels`, `fraction`, and `mean` where gray values are
        known.
    objects : mapping of int to Table
        A row a connected region, for each phase that was asked for.
    warnings : tuple of str
        What makes the numbers doubtful, each in one line with its reason.
    shape : tuple of int
        Of the labels.
    spacing : tuple of float, optional
        The size of a voxel along each axis; None where it is unknown: lengths are then in voxels.
    unit : str, optional
        Of the spacing.
    gray_unit : str, optional
        Of the gray values, such as "HU".
    connectivity : int
        How many neighbors a voxel hangs together with: 6, 18 or 26; 4 or 8 in two dimensions.
    n_voxels : int
        How many voxels there are, those left out included.
    n_ignored : int
        How many of them were left out.
    """

    phases: Table
    profiles: Mapping[str, Table] = field(default_factory=lambda: MappingProxyType({}))
    objects: Mapping[int, Table] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    gray_unit: str | None = None
    connectivity: int = 26
    n_voxels: int = 0
    n_ignored: int = 0

    def __repr__(self) -> str:
        shares = ", ".join(f"{100 * share:.1f} %" for share in self.phases["fraction"][:8].tolist())
        return f"Measures({len(self.phases)} phases: {shares}{', …' if len(self.phases) > 8 else ''})"

    @property
    def sizes(self) -> dict[int, Table]:
        """How many objects there are of each size, for each phase whose objects are known; see `size_distribution`."""
        return {phase: size_distribution(table) for phase, table in self.objects.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values.

        Returns
        -------
        dict
            Ready for JSON: phases (a list with a mapping for each), units (of their columns), profiles, objects
            and sizes (each with rows and units), warnings, shape, spacing, unit, gray_unit, connectivity,
            n_voxels, n_ignored.
        """
        return {
            "phases": list(self.phases.rows()),
            "units": dict(self.phases.units),
            "profiles": {name: _stored(table) for name, table in self.profiles.items()},
            "objects": {str(phase): _stored(table) for phase, table in self.objects.items()},
            "sizes": {str(phase): _stored(table) for phase, table in self.sizes.items()},
            "warnings": list(self.warnings),
            "shape": list(self.shape),
            "spacing": None if self.spacing is None else list(self.spacing),
            "unit": self.unit,
            "gray_unit": self.gray_unit,
            "connectivity": self.connectivity,
            "n_voxels": self.n_voxels,
            "n_ignored": self.n_ignored,
        }


def _stored(table: Table) -> dict[str, Any]:
    return {"rows": list(table.rows()), "units": dict(table.units)}
