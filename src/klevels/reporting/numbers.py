"""Numbers as people read them."""

from __future__ import annotations

import math
from typing import Any

NOTHING = "–"


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
