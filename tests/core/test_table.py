"""Columns keep what they are given, and say their units."""

import json
import pickle

import numpy as np
import pytest

from klevels.core.table import Table, length_units
from klevels.errors import DataError, ParameterError


def test_rows_are_ready_for_json() -> None:
    table = Table(
        {"phase": np.array([0, 1], np.uint8), "mean": [np.nan, 2.5], "touches": [True, False]}, {"mean": "HU"}
    )
    assert json.loads(json.dumps(list(table.rows()))) == [
        {"phase": 0, "mean": None, "touches": True},
        {"phase": 1, "mean": 2.5, "touches": False},
    ]
    assert table.headers == ("phase", "mean [HU]", "touches")
    assert len(table) == 2


def test_columns_cannot_be_changed_from_outside() -> None:
    given = np.arange(3)
    table = Table({"a": given})
    given[0] = 9
    assert table["a"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        table["a"][0] = 9
    with pytest.raises(TypeError):
        table.columns["b"] = given  # type: ignore[index]


def test_a_table_survives_pickling() -> None:
    table = Table({"a": [1, 2], "b": ["x", "y"]}, {"a": "mm"})
    again = pickle.loads(pickle.dumps(table))
    assert list(again.rows()) == list(table.rows())
    assert again.units == table.units


def test_a_data_frame_has_the_columns_and_units() -> None:
    pandas = pytest.importorskip("pandas")
    frame = Table({"phase": [0, 1], "volume": [2.5, 1.5]}, {"volume": "mm³"}).to_pandas()
    pandas.testing.assert_frame_equal(frame, pandas.DataFrame({"phase": [0, 1], "volume": [2.5, 1.5]}))
    assert frame.attrs["units"] == {"volume": "mm³"}


@pytest.mark.parametrize(
    ("columns", "units", "message"),
    [
        ({"a": [1], "b": [1, 2]}, {}, "different lengths"),
        ({"a": [[1]]}, {}, "2 axes"),
        ({"a": [1]}, {"b": "mm"}, "no column"),
    ],
)
def test_what_is_no_table_is_refused(columns: dict[str, list[int]], units: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Table(columns, units)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ParameterError, match="'b'; there are a"):
        Table({"a": [1]})["b"]


def test_units_are_of_voxels_where_their_size_is_unknown() -> None:
    assert length_units(None, "mm") == ("voxel", "voxel²", "voxel³")
    assert length_units((1.0, 1.0), None) == ("unit", "unit²", "unit³")
