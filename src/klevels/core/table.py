"""Table: columns of equal length, each with its unit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import DataError, MissingDependencyError, ParameterError

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Columns of equal length, each with its unit.

    Parameters
    ----------
    columns : mapping of str to array_like
        The columns by their names, in order; each of one axis, and of the same length.
    units : mapping of str to str
        Of those columns that have one, such as ``{"volume": "mm³"}``. A number without a unit is a count, a share or an
        index.

    Raises
    ------
    DataError
        If lengths differ, a column has another number of axes than one, or there is a unit of no column.

    Examples
    --------
    >>> table = Table({"phase": [0, 1], "volume": [2.5, 1.5]}, {"volume": "mm³"})
    >>> table["volume"]
    array([2.5, 1.5])
    >>> table.headers
    ('phase', 'volume [mm³]')
    """

    columns: Mapping[str, NDArray[Any]]
    units: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        columns = {name: _frozen(name, values) for name, values in self.columns.items()}
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            shown = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
            raise DataError(f"the columns have different lengths ({shown}); give as many values in each")
        strangers = sorted(set(self.units) - set(columns))
        if strangers:
            raise DataError(f"there are units of {', '.join(strangers)}, which is no column; give units of columns")
        object.__setattr__(self, "columns", MappingProxyType(columns))
        object.__setattr__(self, "units", MappingProxyType(dict(self.units)))

    def __repr__(self) -> str:
        return f"Table({len(self)} rows: {', '.join(self.headers)})"

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.columns:
            raise ParameterError(f"there is no column {name!r}; there are {', '.join(self.columns)}")
        return self.columns[name]

    def __reduce__(self) -> tuple[Any, ...]:
        return Table, (dict(self.columns), dict(self.units))

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of the columns, each with its unit in brackets where it has one."""
        return tuple(f"{name} [{self.units[name]}]" if name in self.units else name for name in self.columns)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row as plain values, ready for JSON.

        Yields
        ------
        dict
            By the names of the columns; None for NaN and infinity.
        """
        names = tuple(self.columns)
        for values in zip(*(one.tolist() for one in self.columns.values()), strict=True):
            yield dict(zip(names, map(_plain, values), strict=True))

    def to_pandas(self) -> pandas.DataFrame:
        """Return the same as a data frame.

        Returns
        -------
        pandas.DataFrame
            With the plain names of the columns; units are in ``attrs["units"]``.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise MissingDependencyError("pandas is not installed; pip install pandas, or take .columns") from None
        frame = pandas.DataFrame(dict(self.columns))
        frame.attrs["units"] = dict(self.units)
        return frame


def length_units(spacing: tuple[float, ...] | None, unit: str | None) -> tuple[str, str, str]:
    """Return the units of lengths, areas and volumes.

    Parameters
    ----------
    spacing : tuple of float or None
        The size of a voxel; None where it is unknown.
    unit : str or None
        The unit of the spacing; None where it is unknown.

    Returns
    -------
    tuple of str
        Powers of the unit; of "voxel" where the size of a voxel is unknown, and of "unit" where only its unit is.

    Examples
    --------
    >>> length_units((2.0, 1.0, 1.0), "µm")
    ('µm', 'µm²', 'µm³')
    >>> length_units(None, None)
    ('voxel', 'voxel²', 'voxel³')
    """
    name = "voxel" if spacing is None else unit or "unit"
    return name, f"{name}²", f"{name}³"


def _frozen(name: str, values: Any) -> NDArray[Any]:
    array = np.array(values)
    if array.ndim != 1:
        raise DataError(f"column {name!r} has {array.ndim} axes; give one value a row")
    array.setflags(write=False)
    return array


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
