"""Units of length: how they are written, and how long they are."""

from __future__ import annotations

import unicodedata

METERS = {"pm": 1e-12, "Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "dm": 1e-1, "m": 1.0, "km": 1e3}
"""The units that klevels converts between, in meters."""

_PREFIXES = {
    "pm": "pico",
    "nm": "nano",
    "µm": "micro",
    "mm": "milli",
    "cm": "centi",
    "dm": "deci",
    "m": "",
    "km": "kilo",
}
_SPELLINGS = {"um": "µm", "micron": "µm", "microns": "µm", "angstrom": "Å", "å": "Å"} | {
    spelling: unit
    for unit, prefix in _PREFIXES.items()
    for spelling in (unit, *(f"{prefix}{name}" for name in ("meter", "metre", "meters", "metres")))
}


def short_unit(text: str) -> str:
    """Return a unit as klevels writes it.

    Parameters
    ----------
    text : str
        Such as "micrometer", "um" or "mm".

    Returns
    -------
    str
        One of `METERS` where it is one of them, however it is spelled; the text itself otherwise.

    Examples
    --------
    >>> short_unit("Millimeters"), short_unit("parsec")
    ('mm', 'parsec')
    """
    # Two characters look like µ: the micro sign, and the Greek letter, which is the normal form of both.
    plain = unicodedata.normalize("NFKC", text).strip().casefold().replace("\u03bc", "µ")
    return _SPELLINGS.get(plain, text.strip())


def in_one_unit(sizes: tuple[float, ...], units: tuple[str | None, ...]) -> tuple[tuple[float, ...], str | None] | None:
    """Return sizes that are all in the unit of the first.

    Parameters
    ----------
    sizes : tuple of float
        One for each axis.
    units : tuple of str or None
        Of each size, as `short_unit` writes it.

    Returns
    -------
    tuple or None
        The sizes and their unit, None where there are no units. None where the units cannot be converted.
    """
    first = units[0]
    if all(one == first for one in units):
        return sizes, first
    if first not in METERS or not all(one in METERS for one in units):
        return None
    return tuple(
        size if unit == first else float(f"{size * (METERS[str(unit)] / METERS[first]):.15g}")
        for size, unit in zip(sizes, units, strict=True)
    ), first
