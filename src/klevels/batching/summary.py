"""The table of a batch: a row for each scan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from klevels.core.palette import Palette
from klevels.core.table import Table
from klevels.recipe import model_from_dict

Row = dict[str, Any]
FIRST = "file"
"""The first column, by which a summary is known."""


def row_of(scan: Path, output: Path, record: Mapping[str, Any]) -> Row:
    """Return the row of a scan that is done, from the record beside its labels.

    Parameters
    ----------
    scan : Path
        The input.
    output : Path
        Its labels.
    record : mapping
        As `klevels.batching.results` writes it.

    Returns
    -------
    dict
        By the names of the columns.
    """
    model = model_from_dict(record["model"])
    row: Row = {"file": str(scan), "output": output.name, "status": "done", "k": model.k}
    if isinstance(model, Palette):
        row |= {f"center_{i}": " ".join(map(repr, color)) for i, color in enumerate(model.colors.tolist())}
    else:
        row |= {f"center_{i}": center for i, center in enumerate(model.centers.tolist())}
        row |= {f"threshold_{i}": threshold for i, threshold in enumerate(model.thresholds.tolist())}
    row |= {f"fraction_{i}": share for i, share in enumerate(model.fractions.tolist())}
    return row | {name: record["batch"][name] for name in ("n_voxels", "n_ignored", "n_undecided")}


def failed_row(scan: Path, reason: str) -> Row:
    """Return the row of a scan that is bad.

    Parameters
    ----------
    scan : Path
        The input.
    reason : str
        What is bad.

    Returns
    -------
    dict
        By the names of the columns.
    """
    return {"file": str(scan), "status": "failed", "message": reason}


def as_table(rows: Sequence[Row], n_classes: int) -> Table:
    """Return the rows as columns.

    Parameters
    ----------
    rows : sequence of dict
        From `row_of` and `failed_row`.
    n_classes : int
        How many classes there are, the noise included.

    Returns
    -------
    Table
        All columns are there, also where no row has a value. Whole numbers that some rows lack are objects, with None.
    """
    columns: dict[str, Any] = {
        name: np.array([row.get(name, "") for row in rows]) for name in (FIRST, "output", "status")
    }
    columns["k"] = _whole(rows, "k")
    for kind, n in (("center", n_classes), ("threshold", n_classes - 1), ("fraction", n_classes)):
        columns |= {f"{kind}_{i}": _real(rows, f"{kind}_{i}") for i in range(n)}
    columns |= {name: _whole(rows, name) for name in ("n_voxels", "n_ignored", "n_undecided")}
    columns["message"] = np.array([row.get("message", "") for row in rows])
    return Table(columns)


def _whole(rows: Sequence[Row], name: str) -> Any:
    values = [row.get(name) for row in rows]
    return np.array(values, object if None in values else np.int64)


def _real(rows: Sequence[Row], name: str) -> Any:
    """Return a column of numbers; of texts if a scan is in color, whose centers are several numbers each."""
    values = [row.get(name, math.nan) for row in rows]
    if any(isinstance(value, str) for value in values):
        return np.array(["" if value != value else str(value) for value in values])
    return np.array(values, np.float64)
