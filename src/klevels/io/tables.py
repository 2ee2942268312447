"""Tables as files: comma-separated values, JSON, Parquet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from klevels.core.table import Table
from klevels.errors import MissingDependencyError

TABLE_SUFFIXES = (".csv", ".json", ".parquet")


def write_table(table: Table, path: Path, suffix: str) -> None:
    """Write a table; each column is headed by its name, with its unit in brackets.

    Parameters
    ----------
    table : Table
        The table.
    path : Path
        The file.
    suffix : {".csv", ".json", ".parquet"}
        Its format. In JSON columns have their plain names, and units are beside them.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not installed, which Parquet needs.
    """
    {".csv": _write_csv, ".json": _write_json, ".parquet": _write_parquet}[suffix](table, path)


def as_csv(table: Table) -> str:
    """Return a table as comma-separated values.

    Parameters
    ----------
    table : Table
        The columns.

    Returns
    -------
    str
        A line for each row, below the names of the columns with their units; numbers are as long as they must be to be
        read again to the bit, and nothing stands for what is missing.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.headers)
    for row in table.rows():
        writer.writerow("" if value is None else _as_text(value) for value in row.values())
    return text.getvalue()


def _write_csv(table: Table, path: Path) -> None:
    path.write_text(as_csv(table), encoding="utf-8", newline="")


def _as_text(value: object) -> object:
    return ("FALSE", "TRUE")[value] if isinstance(value, bool) else value  # as R and pandas read them


def _write_json(table: Table, path: Path) -> None:
    content = {"rows": list(table.rows()), "units": dict(table.units)}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_parquet(table: Table, path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingDependencyError(
            'Parquet needs pyarrow; pip install "klevels[tables]", or write .csv or .json'
        ) from None
    columns = dict(zip(table.headers, table.columns.values(), strict=True))
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
