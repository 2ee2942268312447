"""MetaImage: the volumes of ITK, in one file or a header beside its values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from klevels.errors import ReadError
from klevels.files import reading
from klevels.image import Image
from klevels.io.packed import MAX_HEADER, Packing, beside, facts_unopened, opened, values_in
from klevels.io.reader import Reader
from klevels.io.voxel_size import length_unit, spacing_of
from klevels.lazy import LazyArray, PickedArray, ScaledArray

NAME = "MetaImage"
MOST_CHANNELS = 16

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_FIRST = re.compile(rb"\s*[A-Za-z]\w*[ \t]*=")
_TYPICAL = re.compile(rb"^[ \t]*(NDims|DimSize|ElementType|ElementDataFile)[ \t]*=", re.MULTILINE)
_LAST = re.compile(rb"^[ \t]*ElementDataFile[ \t]*=[ \t]*([^\r\n]*)\r?(\n|$)", re.MULTILINE)


def sniff(head: bytes) -> bool:
    """Tell a MetaImage file, or the header of one, by its first bytes.

    Parameters
    ----------
    head : bytes
        The first bytes of a file.

    Returns
    -------
    bool
        Whether they are lines such as ``NDims = 3``.
    """
    return _FIRST.match(head) is not None and _TYPICAL.search(head) is not None


def read(path: Path) -> Image:
    """Read a MetaImage file.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows: with its values, or a header that names a file in its folder.

    Returns
    -------
    Image
        Lazy, unless it is compressed. "zyx", or "yx" from two dimensions, in the stored order, x running fastest; with
        "c" if there are up to 16 channels. `spacing` is None unless the header states it, and so is `unit`, which few
        headers do: ITK means mm. ElementToIntensityFunctionSlope and -Offset are applied.

    Raises
    ------
    ReadError
        If the file is damaged, cut short or a decompression bomb, of several files, or of a type that is not read.
    """
    with reading(path):
        return opened(_image(path))


def describe(path: Path) -> dict[str, object]:
    """Return facts about a MetaImage file from its header.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows.

    Returns
    -------
    dict
        See `klevels.io.describe`.

    Raises
    ------
    ReadError
        If `read` refuses the file for any reason but damaged values.
    """
    with reading(path):
        return facts_unopened(_image(path), path)


def _image(path: Path) -> Image:
    """Check all that can be checked without reading values."""
    fields, end = _header(path)
    if (kind := fields.get("ObjectType", "Image")) != "Image":
        raise ReadError(f"{path}: its ObjectType is {kind!r}; only images are read: export the image")
    sizes = _integers(path, fields, "DimSize")
    n_axes = _integer(path, fields, "NDims", len(sizes))
    if n_axes != len(sizes) or n_axes < 2 or any(n < 1 for n in sizes) or any(n > 1 for n in sizes[3:]):
        raise ReadError(f"{path}: has NDims {n_axes} and DimSize {sizes}; two or three sizes of 1 or more are read")
    n_channels = _integer(path, fields, "ElementNumberOfChannels", 1)
    if not 1 <= n_channels <= MOST_CHANNELS:
        raise ReadError(f"{path}: has {n_channels} channels; 1 to {MOST_CHANNELS} are read: save some of them")
    shape = (*sizes[::-1], *([n_channels] if n_channels > 1 else []))
    packing = _packing(path, fields)
    values = _values(path, fields, end, shape, packing)
    if len(sizes) > 3:
        values = PickedArray(values, [0] * (len(sizes) - 3) + [None] * (len(shape) - len(sizes) + 3))
    axes = "zyx"[-len(sizes) :] + "c" * (n_channels > 1)
    stated = "ElementSpacing" if "ElementSpacing" in fields else "ElementSize"
    spacing = spacing_of(_floats(path, fields, stated)[len(sizes[:3]) - 1 :: -1]) if stated in fields else None
    meta = {"format": NAME, "compression": packing}
    return Image(_scaled(path, fields, values), axes, spacing, length_unit(fields.get("DistanceUnits")), meta)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields, and where the one ends that is always the last."""
    with path.open("rb") as stream:
        head = stream.read(MAX_HEADER)
    last = _LAST.search(head)
    if last is None:
        raise ReadError(f"{path}: has no line ElementDataFile; it is cut short: copy or export it again")
    lines = head[: last.end()].decode("utf-8", "replace").splitlines()
    fields = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    for name in ("DimSize", "ElementType"):
        if name not in fields:
            raise ReadError(f"{path}: its header has no {name}; export it again")
    return fields, last.end()


def _packing(path: Path, fields: Mapping[str, str]) -> Packing:
    if not _flag(path, fields, "BinaryData", "True"):
        return "text"
    return "zlib" if _flag(path, fields, "CompressedData", "False") else "none"


def _values(path: Path, fields: Mapping[str, str], end: int, shape: tuple[int, ...], packing: Packing) -> LazyArray:
    """Return the values as they are stored."""
    name = fields["ElementDataFile"]
    source, start = (path, end) if name.upper() == "LOCAL" else (beside(path, name), 0)
    dtype = _dtype(path, fields)
    n_head = _integer(path, fields, "HeaderSize", 0)
    if n_head == -1 and packing == "none":
        start = max(start, source.stat().st_size - math.prod(shape) * dtype.itemsize)
    elif n_head < 0:
        raise ReadError(
            f"{path}: its HeaderSize is {n_head}; 0 or more, or -1 if uncompressed, is possible: correct it"
        )
    elif n_head > 0:
        start = n_head
    return values_in(source, shape, dtype, packing, start)


def _dtype(path: Path, fields: Mapping[str, str]) -> np.dtype[Any]:
    name = fields["ElementType"].removesuffix("_ARRAY")
    if name not in _TYPES:
        raise ReadError(f"{path}: its ElementType is {name!r}; use one of {', '.join(_TYPES)}")
    is_big = _flag(path, fields, "BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    return np.dtype((">" if is_big else "<") + _TYPES[name])


def _scaled(path: Path, fields: Mapping[str, str], values: LazyArray) -> LazyArray:
    """Apply the function from stored elements to intensities, if the header has one."""
    slope = _float(path, fields, "ElementToIntensityFunctionSlope", 1.0)
    offset = _float(path, fields, "ElementToIntensityFunctionOffset", 0.0)
    if not (math.isfinite(slope) and math.isfinite(offset) and slope != 0):
        raise ReadError(f"{path}: its ElementToIntensityFunction is {slope} x + {offset}; correct it")
    return values if (slope, offset) == (1, 0) else ScaledArray(values, slope, offset)


def _flag(path: Path, fields: Mapping[str, str], name: str, default: str) -> bool:
    value = fields.get(name, default)
    if value[:1].upper() not in ("T", "F", "1", "0"):
        raise ReadError(f"{path}: its {name} is {value!r}; use True or False")
    return value[:1].upper() in ("T", "1")


def _integer(path: Path, fields: Mapping[str, str], name: str, default: int) -> int:
    return _integers(path, fields, name)[0] if name in fields else default


def _float(path: Path, fields: Mapping[str, str], name: str, default: float) -> float:
    return _floats(path, fields, name)[0] if name in fields else default


def _integers(path: Path, fields: Mapping[str, str], name: str) -> list[int]:
    numbers = _floats(path, fields, name)
    if not all(number.is_integer() for number in numbers):
        raise ReadError(f"{path}: its {name} is {fields[name]!r}; whole numbers are needed: correct it")
    return [int(number) for number in numbers]


def _floats(path: Path, fields: Mapping[str, str], name: str) -> list[float]:
    """Return the numbers of a field, at least one."""
    try:
        numbers = [float(word) for word in fields[name].split()]
    except ValueError:
        numbers = []
    if not numbers:
        raise ReadError(f"{path}: its {name} is {fields[name]!r}; numbers are needed: correct it")
    return numbers


READER = Reader(
    name=NAME,
    sniff=lambda _, head: sniff(head),
    open=lambda path, _: read(path),
    describe=lambda path, _: describe(path),
)
