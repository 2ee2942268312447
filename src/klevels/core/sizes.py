"""How large objects are: how many there are of each size."""

from __future__ import annotations

import numpy as np

from klevels.core.table import Table
from klevels.errors import ParameterError


def size_distribution(table: Table, n_bins: int = 10) -> Table:
    """Count objects by their size.

    Parameters
    ----------
    table : Table
        As `objects_table` returns it.
    n_bins : int
        How many bins there are.

    Returns
    -------
    Table
        A row a bin of equivalent diameters, each as much wider than the one before as that is than the one before it:
        `diameter_from` and `diameter_to`; `n_objects`; `share`, of the volume or area of all objects. The upper end
        belongs to the next bin, except for the last. No row without objects; one if all are equal.

    Raises
    ------
    ParameterError
        If there is not at least one bin.

    Examples
    --------
    >>> table = Table({"equivalent_diameter": [1.0, 1.5, 4.0], "area": [1.0, 2.0, 13.0]}, {"equivalent_diameter": "mm"})
    >>> found = size_distribution(table, 2)
    >>> found["diameter_to"], found["n_objects"], found["share"]
    (array([2., 4.]), array([2, 1]), array([0.1875, 0.8125]))
    """
    if n_bins < 1:
        raise ParameterError(f"n_bins is {n_bins}; give 1 or more")
    diameters = table["equivalent_diameter"]
    content = table["volume" if "volume" in table.columns else "area"]
    if len(table) == 0:
        edges = np.empty(1)
    elif diameters.min() == diameters.max():
        edges = np.array([diameters.min(), diameters.max()])
    else:
        edges = np.geomspace(diameters.min(), diameters.max(), n_bins + 1)
    bins = np.searchsorted(edges[1:-1], diameters, side="right")
    counts = np.bincount(bins, minlength=len(edges) - 1)[: len(edges) - 1]
    shares = np.bincount(bins, weights=content, minlength=len(edges) - 1)[: len(edges) - 1]
    columns = {
        "diameter_from": edges[:-1],
        "diameter_to": edges[1:],
        "n_objects": counts,
        "share": shares / max(content.sum(), np.finfo(float).tiny),
    }
    unit = table.units.get("equivalent_diameter")
    return Table(columns, {} if unit is None else {"diameter_from": unit, "diameter_to": unit})
