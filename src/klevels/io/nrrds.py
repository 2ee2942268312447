"""NRRD: volumes with a header in text, in one file or beside their values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from klevels.errors import MissingDependencyError, ReadError
from klevels.files import reading
from klevels.image import Image
from klevels.io.nrrd_space import Space, space_of
from klevels.io.packed import MAX_HEADER, Packing, beside, facts_unopened, opened, values_in
from klevels.io.reader import Reader
from klevels.lazy import LazyArray, PickedArray, TransposedArray

NAME = "NRRD"
MOST_CHANNELS = 16

_PACKINGS: dict[str, Packing] = {"raw": "none", "gz": "gzip", "gzip": "gzip", "bz2": "bzip2", "bzip2": "bzip2"}
_PACKINGS |= dict.fromkeys(("txt", "text", "ascii"), "text")
_TYPES = {
    "int8": ("signed char", "int8", "int8_t"),
    "uint8": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "int16": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "uint16": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "int32": ("int", "signed int", "int32", "int32_t"),
    "uint32": ("uint", "unsigned int", "uint32", "uint32_t"),
    "int64": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "uint64": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "float32": ("float",),
    "float64": ("double",),
}
_SPATIAL = {"domain", "space"}
_CHANNELS = {"list", "vector", "2-vector", "3-vector", "4-vector", "RGB-color", "RGBA-color", "3-color", "4-color"}
_UNKNOWN = {"???", "none"}


def sniff(head: bytes) -> bool:
    """Tell an NRRD file, or the header of one, by its first bytes.

    Parameters
    ----------
    head : bytes
        The first bytes of a file.

    Returns
    -------
    bool
        True for all versions.
    """
    return re.match(rb"NRRD000\d\s", head) is not None


def read(path: Path) -> Image:
    """Read an NRRD file.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows: with its values, or a header that names a file in its folder.

    Returns
    -------
    Image
        Lazy, unless it is compressed. "zyx", or "yx" from two dimensions, in the stored order, x running fastest;
        with "c" if there is a list of up to 16 values for each voxel. `spacing` is None unless the header states it
        for all axes, and they are at right angles: ``meta["space_directions"]`` holds, along z, y and x, the axes that
        are not. `unit` is None unless the header states it.

    Raises
    ------
    ReadError
        If the file is damaged, cut short or a decompression bomb, of several files, of an encoding or type that is not
        read, or has axes that are neither of space nor channels.
    """
    with reading(path):
        return opened(_image(path))


def describe(path: Path) -> dict[str, object]:
    """Return facts about an NRRD file from its header.

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


@dataclass(frozen=True, slots=True)
class _Header:
    """The fields of a header, and where it ends."""

    path: Path
    fields: dict[str, Any]
    n_bytes: int

    def get(self, *names: str) -> Any:
        """Return a field by the first of its names that is there, or None."""
        return next((self.fields[name] for name in names if name in self.fields), None)

    def need(self, name: str) -> Any:
        """Return a field that every NRRD has."""
        if name not in self.fields:
            raise ReadError(f"{self.path}: its header has no {name!r}; export it again")
        return self.fields[name]


def _image(path: Path) -> Image:
    """Check all that can be checked without reading values."""
    header = _header(path)
    sizes = [int(n) for n in header.need("sizes")]
    if len(sizes) != header.need("dimension") or any(n < 1 for n in sizes):
        raise ReadError(
            f"{path}: claims {header.need('dimension')} dimensions of sizes {sizes}; "
            "as many sizes of 1 or more are needed: export it again"
        )
    space = space_of(path, header.fields, len(sizes))
    spatial, channel = _roles(header, sizes, space)
    values, packing = _values(header, sizes)
    order = [*reversed(spatial), *([] if channel is None else [channel])]
    meta: dict[str, object] = {"format": NAME, "compression": packing}
    if (skewed := space.skewed(spatial[::-1])) is not None:
        meta["space_directions"] = skewed
    axes = "zyx"[-len(spatial) :] + "c" * (channel is not None)
    spacing, unit = space.spacing_and_unit(spatial[::-1])
    return Image(_arranged(values, order), axes, spacing, unit, meta)


def _header(path: Path) -> _Header:
    """Parse the header: up to an empty line, or to the end of a file without values."""
    try:
        import nrrd
    except ImportError as error:
        raise MissingDependencyError(f"{path}: NRRD needs pynrrd; pip install 'klevels[io]'") from error
    with path.open("rb") as stream:
        head = stream.read(MAX_HEADER)
    end = re.search(rb"\n[ \t\r]*\n", head)
    if end is None and len(head) == MAX_HEADER:
        raise ReadError(f"{path}: its header does not end within {MAX_HEADER >> 20} MB; export it again")
    text = head if end is None else head[: end.start()]
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        lines = text.decode("latin-1").split("\n")
    # pynrrd drops what is not ASCII from bytes, and makes m of µm; from text it drops nothing.
    return _Header(path, dict(nrrd.read_header(lines)), len(head) if end is None else end.end())


def _roles(header: _Header, sizes: Sequence[int], space: Space) -> tuple[list[int], int | None]:
    """Return the axes of space, and that of channels; axes of length 1 that are neither are dropped."""
    kinds = header.get("kinds") or ["???"] * len(sizes)
    if len(kinds) != len(sizes):
        raise ReadError(
            f"{header.path}: has {len(kinds)} kinds for {len(sizes)} axes; one for each is needed: correct it"
        )
    spatial: list[int] = []
    channels: list[int] = []
    for axis, (kind, n) in enumerate(zip(kinds, sizes, strict=True)):
        if kind in _SPATIAL or (kind in _UNKNOWN and not space.excludes(axis)):
            spatial.append(axis)
        elif n > 1 and n <= MOST_CHANNELS and (kind in _CHANNELS or kind in _UNKNOWN):
            channels.append(axis)
        elif n > 1:
            raise ReadError(
                f"{header.path}: its axis {axis} is a {kind} of {n}; axes of space, and one list of at most "
                f"{MOST_CHANNELS} channels, are read: save a part of it"
            )
    while len(spatial) > 3 and sizes[spatial[-1]] == 1:
        spatial.pop()
    if len(spatial) not in (2, 3) or len(channels) > 1:
        raise ReadError(
            f"{header.path}: has sizes {list(sizes)} of kinds {' '.join(kinds)}; two or three axes of space, and at "
            "most one list of channels, are read: state the kinds, or save a part of it"
        )
    return spatial, channels[0] if channels else None


def _values(header: _Header, sizes: Sequence[int]) -> tuple[LazyArray, Packing]:
    """Return the values in the order in which they are stored, slowest axis first."""
    encoding = str(header.need("encoding")).lower()
    if encoding not in _PACKINGS:
        raise ReadError(f"{header.path}: its encoding is {encoding!r}; use one of {', '.join(_PACKINGS)}")
    packing = _PACKINGS[encoding]
    dtype = _dtype(header, packing)
    name = header.get("data file", "datafile")
    source, start = (header.path, header.n_bytes) if name is None else (beside(header.path, str(name)), 0)
    start = _after_lines(source, start, int(header.get("line skip", "lineskip") or 0))
    skip = int(header.get("byte skip", "byteskip") or 0)
    if skip == -1 and packing == "none":
        n_bytes = dtype.itemsize
        for n in sizes:
            n_bytes *= n
        start, skip = max(start, source.stat().st_size - n_bytes), 0
    elif packing == "text":
        start, skip = start + skip, 0
    return values_in(source, sizes[::-1], dtype, packing, start, skip), packing


def _dtype(header: _Header, packing: Packing) -> np.dtype[Any]:
    name = str(header.need("type"))
    known = next((dtype for dtype, names in _TYPES.items() if name in names), None)
    if known is None:
        raise ReadError(f"{header.path}: its type is {name!r}; use integers or floats of at most 64 bits")
    dtype = np.dtype(known)
    if dtype.itemsize == 1 or packing == "text":
        return dtype
    endian = str(header.need("endian")).lower()
    if endian not in ("little", "big"):
        raise ReadError(f"{header.path}: its endian is {endian!r}; little or big is needed: correct it")
    return dtype.newbyteorder("<" if endian == "little" else ">")


def _after_lines(source: Path, start: int, n_lines: int) -> int:
    """Return where a file goes on after so many lines."""
    if n_lines < 0:
        raise ReadError(
            f"{source}: {n_lines} lines of it are to be skipped; 0 or more are possible: correct the header"
        )
    with source.open("rb") as stream:
        stream.seek(start)
        for i in range(n_lines):
            if not stream.readline(MAX_HEADER).endswith(b"\n"):
                raise ReadError(f"{source}: {n_lines} lines of it are to be skipped, it has {i}: correct the header")
        return stream.tell()


def _arranged(values: LazyArray, order: Sequence[int]) -> LazyArray:
    """Return the values with the axes in this order; they are counted from the fastest. Others have length 1."""
    n = values.ndim
    if len(order) < n:
        dropped = set(range(n)) - set(order)
        values = PickedArray(values, [0 if n - 1 - i in dropped else None for i in range(n)])
    kept = sorted(order, reverse=True)
    places = [kept.index(axis) for axis in order]
    return values if places == list(range(len(places))) else TransposedArray(values, places)


READER = Reader(
    name=NAME,
    sniff=lambda _, head: sniff(head),
    open=lambda path, _: read(path),
    describe=lambda path, _: describe(path),
)
