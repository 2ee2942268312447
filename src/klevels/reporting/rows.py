"""What the tables of a report say: numbers as people read them, each with its unit."""

from __future__ import annotations

import numpy as np

from klevels.core.intervals import Intervals
from klevels.core.levels import Levels
from klevels.core.measures import Measures
from klevels.core.selection import KSweep
from klevels.core.table import Table
from klevels.reporting.numbers import NOTHING, number, percent

Row = tuple[str, str, list[str]]
"""A name, a unit, and a value for each phase."""

NAMES = {
    "n_voxels": "Voxels",
    "fraction": "Fraction",
    "fraction_of_whole": "Fraction of the whole image",
    "volume": "Volume",
    "area": "Area",
    "mean": "Mean gray value",
    "std": "Standard deviation of gray values",
    "min": "Least gray value",
    "max": "Greatest gray value",
    "surface_area": "Surface area",
    "perimeter": "Perimeter",
    "specific_surface": "Specific surface",
    "specific_perimeter": "Specific perimeter",
    "n_components": "Components",
    "largest_share": "Share of the largest component",
    "percolates_z": "Percolates along z",
    "percolates_y": "Percolates along y",
    "percolates_x": "Percolates along x",
    "euler": "Euler number",
    "thickness_mean": "Local thickness, mean",
    "thickness_std": "Local thickness, standard deviation",
    "thickness_max": "Local thickness, greatest",
}
SHARES = ("fraction", "fraction_of_whole", "largest_share")
GRAYS = ("mean", "std", "min", "max")
COUNTS = {"n_voxels": "voxels", "n_components": "regions"}
MOST_OBJECTS = 10_000
"""A phase of more objects is noise, or for scripts."""
MOST_LISTED = 20
FIRST_OF_OBJECTS = (
    "object",
    "label",
    "n_voxels",
    "volume",
    "area",
    "equivalent_diameter",
    "sphericity",
    "mean",
    "touches_border",
)
MOST_COLUMNS = 8


def phase_rows(measures: Measures, sure: Intervals | None) -> list[Row]:
    """Return what was measured of phases, a row a quantity.

    Parameters
    ----------
    measures : Measures
        Of the phases.
    sure : Intervals or None
        Of their fractions.

    Returns
    -------
    list of tuple
        Quantities that are known of no phase are left out.
    """
    table, found = measures.phases, []
    numbers = table["phase"].tolist()
    for name, values in table.columns.items():
        is_same = name == "fraction_of_whole" and not measures.n_ignored
        if name == "phase" or is_same or (values.dtype.kind == "f" and np.isnan(values).all()):
            continue
        shown = [percent(value) if name in SHARES else number(value) for value in values.tolist()]
        found.append((NAMES.get(name, name), _unit(name, table, measures.gray_unit), shown))
        if name == "fraction" and sure is not None:
            ends = [_ends(sure, i) for i in numbers]
            found.append(("Interval of the fraction", "%", ends))
    return found


def object_table(table: Table, gray_unit: str | None) -> tuple[list[str], list[list[str]], int]:
    """Return the largest objects of a phase.

    Parameters
    ----------
    table : Table
        A row an object.
    gray_unit : str or None
        Of gray values.

    Returns
    -------
    heads : list of str
        With units.
    rows : list of list of str
        From the largest on.
    n_more : int
        How many are not listed.
    """
    names = [name for name in FIRST_OF_OBJECTS if name in table.columns] or list(table.columns)
    names = names[:MOST_COLUMNS]
    order = np.arange(len(table))
    if "n_voxels" in table.columns:
        order = np.argsort(-table["n_voxels"].astype(np.int64), kind="stable")
    order = order[:MOST_LISTED]
    heads = [name.replace("_", " ") for name in names]
    units = [table.units.get(name, (gray_unit or "gray values") if name in GRAYS else None) for name in names]
    heads = [head if unit is None else f"{head} [{unit}]" for head, unit in zip(heads, units, strict=True)]
    rows = [[number(table[name][i].item()) for name in names] for i in order.tolist()]
    return heads, rows, len(table) - len(order)


def unlisted(measures: Measures) -> list[str]:
    """Return which phases have too many objects.

    Parameters
    ----------
    measures : Measures
        Of phases.

    Returns
    -------
    list of str
        Each with its number of objects.
    """
    counts = zip(measures.phases["phase"].tolist(), measures.phases["n_components"].tolist(), strict=True)
    return [f"phase {phase} ({n:,})" for phase, n in counts if n > MOST_OBJECTS and phase not in measures.objects]


def size_rows(table: Table) -> list[tuple[str, str, str]]:
    """Return how many objects there are of each size.

    Parameters
    ----------
    table : Table
        As `size_distribution` returns it.

    Returns
    -------
    list of tuple of str
        Diameters, objects, and their share in percent.
    """
    columns = (table[name].tolist() for name in ("diameter_from", "diameter_to", "n_objects", "share"))
    return [
        (f"{number(low)} to {number(high)}", number(n), percent(share))
        for low, high, n, share in zip(*columns, strict=True)
    ]


def class_rows(levels: Levels) -> list[tuple[str, str, str, str, str]]:
    """Return the classes of gray values.

    Parameters
    ----------
    levels : Levels
        The classes.

    Returns
    -------
    list of tuple
        Class, center, threshold up to which it reaches, voxels and percent.
    """
    ends = [number(value) for value in levels.thresholds.tolist()] + [NOTHING]
    noise = levels.noise_threshold is not None
    return [
        (f"{i}{' (noise)' if noise and i == 0 else ''}", number(center), end, number(count), percent(share))
        for i, (center, end, count, share) in enumerate(
            zip(levels.centers.tolist(), ends, levels.counts.tolist(), levels.fractions.tolist(), strict=True)
        )
    ]


def sweep_rows(swept: KSweep) -> list[tuple[str, ...]]:
    """Return what each number of classes explains.

    Parameters
    ----------
    swept : KSweep
        For every k.

    Returns
    -------
    list of tuple of str
        k, inertia, explained variance in percent, BIC, silhouette.
    """
    columns = (swept.k, swept.inertia, swept.explained_variance, swept.bic, swept.silhouette)
    return [
        (number(k), f"{inertia:.4g}", percent(share), number(bic), number(silhouette))
        for k, inertia, share, bic, silhouette in zip(*(one.tolist() for one in columns), strict=True)
    ]


def _ends(sure: Intervals, phase: int) -> str:
    if phase >= len(sure.phases):
        return NOTHING
    one = sure.phases[phase]
    return f"{percent(one.low)} to {percent(one.high)}"


def _unit(name: str, table: Table, gray_unit: str | None) -> str:
    if name in table.units:
        return table.units[name]
    if name in SHARES:
        return "%"
    if name in GRAYS:
        return gray_unit or "gray values"
    return COUNTS.get(name, NOTHING)
