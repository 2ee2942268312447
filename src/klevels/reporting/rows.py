"""What the tables of a report say: numbers as people read them, each with its unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from klevels.core.intervals import Intervals
from klevels.core.levels import Levels
from klevels.core.measures import Measures
from klevels.core.selection import KSweep
from klevels.core.table import Table
from klevels.recipe import Recipe

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
}
SHARES = ("fraction", "fraction_of_whole", "largest_share")
GRAYS = ("mean", "std", "min", "max")
COUNTS = {"n_voxels": "voxels", "n_components": "regions"}
NOTHING = "–"
MOST_OBJECTS = 20
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
    order = order[:MOST_OBJECTS]
    heads = []
    for name in names:
        unit = _unit(name, table, gray_unit)
        heads.append(f"{name.replace('_', ' ')}{f' [{unit}]' if unit not in ('', NOTHING, 'yes or no') else ''}")
    rows = [[number(table[name][i].item()) for name in names] for i in order.tolist()]
    return heads, rows, len(table) - len(order)


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


def recipe_rows(recipe: Recipe) -> list[tuple[str, str]]:
    """Return what was asked, in words.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    list of tuple of str
        A name and a value; what was not asked for is left out, but for the main steps.
    """
    borders = {None: "not at all", "resolve": "given to a neighboring phase", "undecided": "a class of their own"}
    smooth = "not at all" if recipe.smooth is None else f"Potts model, β = {_text(recipe.smooth)}"
    found = [
        ("Number of classes k", str(recipe.k)),
        ("Classes", "fitted before, and applied as they were" if recipe.model is not None else "fitted to this scan"),
        ("Noise split off first", "not at all" if recipe.noise is None else _text(recipe.noise)),
        ("Denoised", "not at all" if recipe.denoise is None else _denoised(recipe)),
        ("Voxels on borders", borders[recipe.borders]),
        ("Labels smoothed", smooth),
    ]
    found += [("Classes estimated anew while smoothed", "yes")] if recipe.reestimate else []
    found += [("Mask", recipe.mask)] if recipe.mask is not None else []
    found += [("NaN", "left out")] if recipe.nan == "ignore" else []
    found += [("Color", "read as gray")] if recipe.gray else []
    found += [("Channels", "divided by their standard deviations")] if recipe.normalize else []
    found += [("Resolution level", str(recipe.level))] if recipe.level else []
    found += [("Value of missing chunks", _text(recipe.missing))] if recipe.missing is not None else []
    if recipe.quality != "default" or recipe.random_state:
        found.append(("Search", f"{recipe.quality}, seed {recipe.random_state}"))
    return found


def fact_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return facts about a file.

    Parameters
    ----------
    facts : mapping of str to object
        As `klevels.io.describe` returns them.

    Returns
    -------
    list of tuple of str
        A name and a value; what is unknown says so.
    """
    found = []
    for name, value in facts.items():
        text = f"{value:,} bytes" if name in ("bytes", "file_bytes") and isinstance(value, int) else _text(value)
        if name == "spacing" and isinstance(value, list | tuple):
            text = f"{_text(value)} {facts.get('unit') or '(unit unknown)'}"
        if name == "unit" and facts.get("spacing") is not None:
            continue
        shown = {"bytes": "size in memory", "file_bytes": "size on disk", "spacing": "voxel size"}
        found.append((shown.get(name, name.replace("_", " ")), text))
    return found


def number(value: Any) -> str:
    """Write a number as people read it.

    Parameters
    ----------
    value : object
        A number, a truth value, or None.

    Returns
    -------
    str
        With four digits or more; a dash for what is unknown.

    Examples
    --------
    >>> number(1234567), number(0.19634), number(1234567.8), number(float("nan")), number(True)
    ('1,234,567', '0.1963', '1,234,568', '–', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
    return str(value)


def percent(share: float) -> str:
    """Write a share in percent, without the sign.

    Parameters
    ----------
    share : float
        From 0 to 1.

    Returns
    -------
    str
        With two decimals, or two digits where it is small.

    Examples
    --------
    >>> percent(0.196349), percent(0.000012), percent(0.0)
    ('19.63', '0.0012', '0.00')
    """
    if not math.isfinite(share):
        return NOTHING
    return f"{100 * share:.2g}" if 0 < share < 0.0001 else f"{100 * share:.2f}"


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


def _denoised(recipe: Recipe) -> str:
    if isinstance(recipe.denoise, str) or recipe.denoise is None:
        return str(recipe.denoise)
    words = {
        "diffusion": "curvature anisotropic diffusion",
        "nlm": "non-local means",
        "bilateral": "bilateral filter",
        "tv": "total variation",
        "median": "median",
        "gaussian": "Gaussian",
    }
    unit = "voxels" if recipe.denoise.method in ("median", "gaussian") else "gray values"
    strength = "" if recipe.denoise.strength is None else f", strength {_text(recipe.denoise.strength)} {unit}"
    noise = "" if recipe.denoise.noise is None else f", noise {_text(recipe.denoise.noise)} gray values"
    return f"{words[recipe.denoise.method]}{strength}{noise}"


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        parts: Sequence[Any] = value
        return " × ".join(map(_text, parts))
    return str(value)
