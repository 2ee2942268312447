"""Raw files: values one behind the other, whose shape and dtype are told by the user or by a record beside them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from klevels.errors import ReadError
from klevels.files import reading
from klevels.image import Image
from klevels.io.reader import Layout, Reader
from klevels.lazy import MappedArray

NAME = "raw"
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
DTYPES = ("bool", *INTEGERS, "float16", "float32", "float64")
BYTE_ORDERS = ("little", "big")

_MAX_RECORD = 1 << 24  # bytes of a record: larger ones are something else


def sniff(path: Path) -> bool:
    """Tell whether a record beside a file says how its values lie.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bool
        True if ``<path>.json`` has an object under "layout". It never raises.
    """
    try:
        return _recorded(path) is not None
    except (ReadError, OSError):
        return False


def open(path: Path, layout: Layout | None = None) -> Image:
    """Open a raw file, whose values are read when they are needed.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout, optional
        What it holds. By default, what the record beside it says.

    Returns
    -------
    Image
        "yx" or "zyx", over a `MappedArray`.

    Raises
    ------
    ReadError
        If the layout is none, or takes more bytes than the file has, or fewer.
    """
    with reading(path):
        if layout is None:
            record = _recorded(path)
            if record is None:
                raise ReadError(f"{path}: nothing tells what this raw file holds; give its shape, dtype and byte order")
            layout = _as_layout(path, record)
        _check(path, layout)
        stored = np.dtype(layout.dtype).newbyteorder(layout.byte_order)
        data = MappedArray(path, layout.shape, stored, layout.offset)
        axes = "yx" if len(layout.shape) == 2 else "zyx"
        return Image(data, axes, layout.spacing, layout.unit, {"format": NAME})


def _recorded(path: Path) -> dict[str, Any] | None:
    """Return the layout in the record beside a file, None if there is none."""
    record = path.with_name(path.name + ".json")
    if path.is_dir() or not record.is_file() or record.stat().st_size > _MAX_RECORD:
        return None
    try:
        found = json.loads(record.read_bytes())
    except (ValueError, RecursionError):
        return None
    layout = found.get("layout") if isinstance(found, dict) else None
    return layout if isinstance(layout, dict) else None


def _as_layout(path: Path, record: dict[str, Any]) -> Layout:
    """Return the layout of a record; what its values are is checked later."""
    names = ("shape", "dtype", "byte_order", "offset", "spacing", "unit")
    wrong = sorted(set(record) - set(names)) + sorted({"shape", "dtype", "byte_order"} - set(record))
    if wrong:
        raise ReadError(
            f"{path}: the layout in the record beside it has, or lacks, {wrong[0]!r:.40}; "
            "its entries are shape, dtype and byte_order, and may be offset, spacing and unit"
        )
    for name in ("shape", "spacing"):
        if not isinstance(record.get(name, []), list) and record[name] is not None:
            raise ReadError(f"{path}: its {name} in the record beside it is {record[name]!r:.60}; a list is needed")
    return Layout(**record)


def _check(path: Path, layout: Layout) -> None:
    """Refuse a layout that is none, or does not fit the file."""
    for what, found, is_right, allowed in (
        ("shape", layout.shape, _is_shape(layout.shape), "two or three whole numbers, (y, x) or (z, y, x)"),
        ("dtype", layout.dtype, layout.dtype in DTYPES, f"one of {', '.join(DTYPES)}"),
        ("byte order", layout.byte_order, layout.byte_order in BYTE_ORDERS, "little or big"),
        ("offset", layout.offset, _is_whole(layout.offset) and layout.offset >= 0, "a whole number of bytes"),
        ("spacing", layout.spacing, _is_spacing(layout), "a positive number for each axis, or none"),
        ("unit", layout.unit, layout.unit is None or isinstance(layout.unit, str), "a name such as mm, or none"),
    ):
        if not is_right:
            raise ReadError(f"{path}: its {what} is {found!r:.60}; give {allowed}")
    n_bytes = math.prod(layout.shape) * np.dtype(layout.dtype).itemsize
    size = path.stat().st_size
    if layout.offset + n_bytes != size:
        begin = f" after {layout.offset} bytes of header" if layout.offset else ""
        raise ReadError(
            f"{path}: {' × '.join(map(str, layout.shape))} values of {layout.dtype} take {n_bytes} bytes{begin}, "
            f"but the file has {size}; check shape, dtype and offset"
        )


def _is_shape(shape: object) -> bool:
    return isinstance(shape, tuple) and len(shape) in (2, 3) and all(_is_whole(n) and n > 0 for n in shape)


def _is_spacing(layout: Layout) -> bool:
    spacing = layout.spacing
    return spacing is None or (
        isinstance(spacing, tuple)
        and len(spacing) == len(layout.shape)
        and all(isinstance(s, int | float) and math.isfinite(s) and s > 0 for s in spacing)
    )


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


READER = Reader(
    name=NAME,
    sniff=lambda path, _: sniff(path),
    open=lambda path, access: open(path, access.layout),
)
