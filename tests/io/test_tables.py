"""Tables come back from files as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from klevels.core.table import Table
from klevels.io.tables import write_table

TABLE = Table(
    {
        "phase": np.array([0, 2], np.int64),
        "volume": [0.1, 1e-9],
        "mean": [np.nan, -1000.5],
        "percolates_z": [True, False],
    },
    {"volume": "µm³", "mean": "HU"},
)


def test_pandas_reads_the_csv_with_units_in_its_head(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "t.csv"
    write_table(TABLE, path, ".csv")
    frame = pandas.read_csv(path)
    assert list(frame.columns) == ["phase", "volume [µm³]", "mean [HU]", "percolates_z"]
    for name, values in zip(frame.columns, TABLE.columns.values(), strict=True):
        np.testing.assert_array_equal(frame[name].to_numpy(), values)
        assert frame[name].dtype == values.dtype


def test_json_has_plain_names_and_units_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    write_table(TABLE, path, ".json")
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored == {"rows": list(TABLE.rows()), "units": {"volume": "µm³", "mean": "HU"}}


def test_parquet_keeps_values_to_the_bit(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    write_table(TABLE, path, ".parquet")
    found = parquet.read_table(path)
    assert tuple(found.column_names) == TABLE.headers
    for name, values in zip(TABLE.headers, TABLE.columns.values(), strict=True):
        np.testing.assert_array_equal(found[name].to_numpy(), values)
