"""The size of a voxel, as a header states it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from klevels.units import METERS, in_one_unit, short_unit


def length_unit(text: str | None) -> str | None:
    """Return a unit of length as klevels writes it.

    Parameters
    ----------
    text : str, optional
        As a file spells it.

    Returns
    -------
    str or None
        One of `klevels.units.METERS`; None for anything else, such as "pixel".
    """
    unit = short_unit(text or "")
    return unit if unit in METERS else None


def spacing_of(sizes: Iterable[float]) -> tuple[float, ...] | None:
    """Return the size of a voxel, if a file states it.

    Parameters
    ----------
    sizes : iterable of float
        Along each axis; NaN, or a number that is no size, where it is unknown.

    Returns
    -------
    tuple of float or None
        None unless all are positive and finite.
    """
    spacing = tuple(float(size) for size in sizes)
    return spacing if spacing and all(math.isfinite(size) and size > 0 for size in spacing) else None


def spacing_in_one_unit(
    sizes: Iterable[float], units: Iterable[str | None]
) -> tuple[tuple[float, ...] | None, str | None]:
    """Return the size of a voxel where each axis has a unit of its own.

    Parameters
    ----------
    sizes : iterable of float
        Along each axis, as `spacing_of` takes them.
    units : iterable of str or None
        Of each, as `length_unit` returns them.

    Returns
    -------
    spacing : tuple of float or None
        In the unit of the first axis. None if a size is unknown, or only some of the units are known.
    unit : str or None
        Of the spacing. None if no unit is known.
    """
    spacing = spacing_of(sizes)
    return (None, None) if spacing is None else in_one_unit(spacing, tuple(units)) or (None, None)
