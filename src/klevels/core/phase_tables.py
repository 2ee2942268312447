"""The tables that follow from the sums of phases: a row a phase, and a row for each place along an axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core import faces, regions, tallies
from klevels.core.calibration import Calibration
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.core.phases import PhaseSums, n_radii
from klevels.core.table import Table, length_units

GRAY_COLUMNS = ("mean", "std", "min", "max")


@dataclass(frozen=True)
class Grid:
    """The grid of voxels that was measured.

    Parameters
    ----------
    shape : tuple of int
        Of the labels.
    spacing : tuple of float or None
        The size of a voxel.
    unit : str or None
        Of the spacing.
    connectivity : int
        How many neighbors a voxel hangs together with.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    unit: str | None
    connectivity: int

    @property
    def axes(self) -> str:
        """The letters of the axes."""
        return "zyx"[-len(self.shape) :]

    @property
    def steps(self) -> tuple[float, ...]:
        """The size of a voxel, or ones where it is unknown."""
        return self.spacing or (1.0,) * len(self.shape)


def phase_table(
    sums: PhaseSums, phases: Sequence[int], grid: Grid, grays: Sequence[Histogram | None], gray_unit: str | None
) -> Table:
    """Return what is known of each phase.

    Parameters
    ----------
    sums : PhaseSums
        Of the whole image.
    phases : sequence of int
        What the first numbers of the sums stand for.
    grid : Grid
        The grid of voxels.
    grays : sequence of Histogram or None
        The gray values of each of `phases`, in the unit of the image; None for none.
    gray_unit : str or None
        Of these.

    Returns
    -------
    Table
        A row a phase. In two dimensions `area` and `perimeter` are in place of `volume` and `surface_area`.
    """
    n_voxels = sums.tallies.along[0].sum(axis=0)
    counted, total = int(n_voxels.sum()), math.prod(grid.shape)
    sizes = n_voxels * math.prod(grid.steps)
    surfaces = faces.surface_areas(sums.faces, grid.spacing)
    joined = regions.connectivity_of(sums.regions)
    _, area, volume = length_units(grid.spacing, grid.unit)
    length, is_flat = length_units(grid.spacing, grid.unit)[0], len(grid.shape) == 2
    size, surface = ("area", "perimeter") if is_flat else ("volume", "surface_area")
    size_unit, surface_unit = (area, length) if is_flat else (volume, area)
    all_columns: dict[str, Any] = {
        "n_voxels": n_voxels,
        "fraction": _ratio(n_voxels, counted),
        "fraction_of_whole": _ratio(n_voxels, total),
        size: sizes,
        surface: surfaces,
        f"specific_{'perimeter' if is_flat else 'surface'}": _ratio(surfaces, sizes.sum()),
        "n_components": joined.n_components,
        "largest_share": joined.largest_share,
        **{f"percolates_{axis}": joined.percolates[:, i] for i, axis in enumerate(grid.axes)},
        "euler": _euler(sums, grid.connectivity),
    }
    units = {size: size_unit, surface: surface_unit, f"specific_{'perimeter' if is_flat else 'surface'}": f"1/{length}"}
    columns = {name: np.asarray(values)[: len(phases)] for name, values in all_columns.items()}
    columns = {"phase": np.array(phases), **columns}
    statistics = [gray_statistics(one) for one in grays]
    gray: dict[str, Any] = {name: np.array([one[name] for one in statistics], np.float64) for name in GRAY_COLUMNS}
    before, after = _split(columns, surface)
    if gray_unit is not None:
        units |= dict.fromkeys(gray, gray_unit)
    return Table({**before, **gray, **after}, units)


def gray_statistics(histogram: Histogram | None) -> dict[str, float]:
    """Return mean, standard deviation and range of gray values.

    Parameters
    ----------
    histogram : Histogram or None
        Of them; None where none are known.

    Returns
    -------
    dict
        mean, std (of the population), min and max; NaN where there is no voxel. Of binned values the range is that of
        the bins.
    """
    if histogram is None or histogram.n_levels == 0:
        return dict.fromkeys(GRAY_COLUMNS, math.nan)
    one = fit_levels(histogram, 1)
    low, high = histogram.bounds
    return {
        "mean": float(one.centers[0]),
        "std": math.sqrt(one.inertia / histogram.n_voxels),
        "min": float(low[0]),
        "max": float(high[-1]),
    }


def calibrated(table: Table, line: Calibration) -> Table:
    """Return gray values in the unit of what they mean.

    Parameters
    ----------
    table : Table
        With columns such as mean, std, min and max.
    line : Calibration
        From gray values to what they mean.

    Returns
    -------
    Table
        The same, with these in its unit.
    """
    columns = dict(table.columns)
    for name in ("mean", "min", "max"):
        if name in columns:
            columns[name] = columns[name] * line.slope + line.intercept
    if "std" in columns:
        columns["std"] = columns["std"] * abs(line.slope)
    if line.slope < 0 and "min" in columns:
        columns["min"], columns["max"] = columns["max"], columns["min"]
    gray: dict[str, str] = {name: line.unit for name in GRAY_COLUMNS if name in columns}
    return Table(columns, {**table.units, **gray})


def with_thickness(table: Table, found: Mapping[int, NDArray[np.float32]], grid: Grid) -> Table:
    """Add how thick phases are.

    Parameters
    ----------
    table : Table
        A row a phase.
    found : mapping of int to ndarray
        The local thickness of each voxel of some phases.
    grid : Grid
        The grid of voxels.

    Returns
    -------
    Table
        With `thickness_mean`, `thickness_std` and `thickness_max`, over voxels; NaN for the other phases. The same
        table if none was asked for.
    """
    if not found:
        return table
    told = np.array([_spread(found.get(phase)) for phase in table["phase"].tolist()])
    columns = {f"thickness_{name}": told[:, i] for i, name in enumerate(("mean", "std", "max"))}
    units = dict.fromkeys(columns, length_units(grid.spacing, grid.unit)[0])
    return Table({**table.columns, **columns}, {**table.units, **units})


def profile_tables(
    sums: PhaseSums, phases: Sequence[int], grid: Grid, gray_range: tuple[float, float] | None, gray_unit: str | None
) -> dict[str, Table]:
    """Return how phases change along each axis, and with the distance from the axis of the image.

    Parameters
    ----------
    sums : PhaseSums
        Of the whole image.
    phases : sequence of int
        What the first numbers of the sums stand for.
    grid : Grid
        The grid of voxels.
    gray_range : tuple of float or None
        As `phase_sums` got it.
    gray_unit : str or None
        Of the gray values.

    Returns
    -------
    dict of str to Table
        For "z", "y", "x" and "radius": a row for each position and phase.
    """
    ring = min(n * s for n, s in zip(grid.shape[-2:], grid.steps[-2:], strict=True)) / 2 / n_radii(grid.shape)
    counts = dict(zip(grid.axes, sums.tallies.along, strict=True))
    counts["radius"] = sums.tallies.radial
    gray = dict.fromkeys(counts)
    if sums.gray_tallies is not None:
        gray = dict(zip(counts, (*sums.gray_tallies.along, sums.gray_tallies.radial), strict=True))
    starts = dict(zip(grid.axes, ((step, 0.0) for step in grid.steps), strict=True)) | {"radius": (ring, 0.5)}
    return {
        name: _profile(counts[name], gray[name], phases, *starts[name], grid, gray_range, gray_unit) for name in counts
    }


def _profile(
    counts: NDArray[np.int64],
    gray: NDArray[np.int64] | None,
    phases: Sequence[int],
    step: float,
    first: float,
    grid: Grid,
    gray_range: tuple[float, float] | None,
    gray_unit: str | None,
) -> Table:
    n_places, n_phases = len(counts), len(phases)
    totals = counts.sum(axis=1, keepdims=True)
    columns: dict[str, Any] = {
        "position": np.repeat((np.arange(n_places) + first) * step, n_phases),
        "phase": np.tile(phases, n_places),
        "n_voxels": counts[:, :n_phases].ravel(),
        "fraction": _ratio(counts, totals)[:, :n_phases].ravel(),
    }
    units = {"position": length_units(grid.spacing, grid.unit)[0]}
    if gray is not None:
        mean = _ratio(gray, counts)
        if gray_range is not None:
            low, high = gray_range
            mean = low + mean * ((high - low) / tallies.STEPS)
        columns["mean"] = mean[:, :n_phases].ravel()
        if gray_unit is not None:
            units["mean"] = gray_unit
    return Table(columns, units)


def _spread(values: NDArray[np.float32] | None) -> tuple[float, float, float]:
    if values is None or not values.size:
        return math.nan, math.nan, math.nan
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)), float(values.max())


def _ratio(part: Any, whole: Any) -> NDArray[np.float64]:
    """Return shares; NaN of nothing."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    shares: NDArray[np.float64] = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=shares, where=whole != 0)
    return shares


def _euler(sums: PhaseSums, connectivity: int) -> NDArray[Any]:
    """Return Euler numbers; with 18 neighbors they are not told by windows of 2×2×2 voxels, and unknown."""
    if connectivity == 18:
        return np.full(len(sums.faces.euler), np.nan)
    return faces.euler_numbers(sums.faces, connectivity)


def _split(columns: dict[str, Any], at: str) -> tuple[dict[str, Any], dict[str, Any]]:
    names = list(columns)
    i = names.index(at)
    return {name: columns[name] for name in names[:i]}, {name: columns[name] for name in names[i:]}
