"""NPY and NPZ, the files of NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from klevels.errors import ParameterError, ReadError
from klevels.image import AXES, Image
from klevels.io.reader import Reader
from klevels.lazy import MappedArray

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

NAME = "NPY, NPZ"
SUFFIXES = (".npy", ".npz")

_STORED, _DEFLATED = 0, 8  # methods of compression in a ZIP
_NPY, _ZIP = npy.MAGIC_PREFIX, b"PK\x03\x04"
_NAMES = ("image", "labels")  # of the array that is meant, where an NPZ holds several
_MAX_FACT = 4096  # bytes of an NPZ member that tells axes, spacing or unit
_BOMB_BYTES, _BOMB_RATIO = 1 << 29, 500  # nothing real is larger than the one and compresses better than the other
_BLOCK = 1 << 24  # bytes that are read at a time


def sniff(head: bytes) -> bool:
    """Tell by its first bytes whether a file is an NPY or NPZ.

    Parameters
    ----------
    head : bytes
        The first bytes, at least 6.

    Returns
    -------
    bool
        Whether `read` is the function for it.
    """
    return head.startswith((_NPY, _ZIP))


def read(path: Path) -> Image:
    """Read an NPY, or the one image in an NPZ.

    Parameters
    ----------
    path : Path
        The file. An NPZ holds one array, or one called "image" or "labels", and may hold "axes", "spacing" and "unit".

    Returns
    -------
    Image
        "yx" if the array is 2-D and "zyx" if it is 3-D, unless an NPZ tells its axes. An NPY has no spacing.

    Raises
    ------
    ReadError
        If the file is damaged, larger or smaller than it claims, without pixels, not numeric, or a 3-D NPY that
        may well be a color image.
    """
    with _opened(path) as (stream, n_bytes, facts):
        shape, fortran_order, dtype = _header(path, stream, n_bytes)
        axes = _axes(path, shape, facts)
        array = np.empty(shape, dtype, order="F" if fortran_order else "C")
        _fill(path, array, stream)
    return Image(array, axes, facts.get("spacing"), facts.get("unit"), {"format": facts["format"]})


def open(path: Path) -> Image:
    """Open an NPY, whose values are read when they are needed, or read an NPZ.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Image
        What `read` returns: over the file if it is an NPY, in memory if it is an NPZ.

    Raises
    ------
    ReadError
        As `read`.
    """
    with _opened(path) as (stream, n_bytes, facts):
        if facts["format"] == "NPY":
            shape, fortran_order, dtype = _header(path, stream, n_bytes)
            axes = _axes(path, shape, facts)
            data = MappedArray(path, shape, dtype, stream.tell(), "F" if fortran_order else "C")
            return Image(data, axes, meta={"format": "NPY"})
    return read(path)


def describe(path: Path) -> dict[str, object]:
    """Return facts about an NPY or NPZ, from its header.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        See `klevels.io.describe`.

    Raises
    ------
    ReadError
        If the header cannot be read.
    """
    with _opened(path) as (stream, n_bytes, facts):
        shape, _, dtype = _header(path, stream, n_bytes)
        return {
            "format": facts["format"],
            "shape": shape,
            "axes": _axes(path, shape, facts),
            "dtype": str(dtype),
            "spacing": facts.get("spacing"),
            "unit": facts.get("unit"),
            "compression": facts.get("compression", "none"),
            "bytes": math.prod(shape) * dtype.itemsize,
            "file_bytes": path.stat().st_size,
        }


def write(path: Path, image: Image) -> None:
    """Write an NPY, or an NPZ with axes, spacing and unit beside the image.

    Parameters
    ----------
    path : Path
        The file; its suffix tells which.
    image : Image
        The image. An NPY takes no color, for it could not be told from a volume.

    Raises
    ------
    ParameterError
        If the dtype is not numeric, or a color image would be written as NPY.
    """
    if not _is_numeric(image.dtype):
        raise ParameterError(f"the dtype is {image.dtype}; use bool, integers or floats of at most 64 bits")
    if path.suffix.lower() == ".npy":
        if "c" in image.axes:
            raise ParameterError("an NPY cannot tell color from a volume; write .npz")
        with path.open("wb") as stream:  # given a name, NumPy would add a suffix to some
            np.save(stream, image.data, allow_pickle=False)
        return
    facts: dict[str, Any] = {"axes": np.array(image.axes)}
    if image.spacing is not None:
        facts["spacing"] = np.array(image.spacing)
    if image.unit is not None:
        facts["unit"] = np.array(image.unit)
    with path.open("wb") as stream:
        np.savez_compressed(stream, image=image.data, **facts)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int, dict[str, Any]]]:
    """Give the stream of the array, its length in bytes, and what the file tells beside it."""
    from zipfile import ZipFile

    with path.open("rb") as stream:
        if stream.read(4) != _ZIP:
            stream.seek(0)
            yield stream, path.stat().st_size, {"format": "NPY"}
            return
    with ZipFile(path) as archive:
        member = _member(path, archive)
        facts = _facts(path, archive) | {"format": "NPZ"}
        if member.compress_type == _DEFLATED:
            facts["compression"] = "deflate"
        with archive.open(member) as stream:
            yield stream, member.file_size, facts


def _member(path: Path, archive: ZipFile) -> ZipInfo:
    """Return the member that holds the image."""
    members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
    arrays = [name for name in members if name not in ("axes", "spacing", "unit")]
    named = [name for name in _NAMES if name in members] or arrays
    if len(named) != 1:
        found = ", ".join(arrays[:8]) or "none"
        if {"keys", "counts", "rests"} <= set(arrays):
            raise ReadError(f"{path}: is a saved histogram, not an image; load it with klevels.Histogram.load")
        raise ReadError(f"{path}: holds {len(arrays)} arrays ({found}); use one, or call one image or labels")
    member = members[named[0]]
    if member.compress_type not in (_STORED, _DEFLATED):
        raise ReadError(
            f"{path}: is compressed by a method that NumPy does not use; save it with numpy.savez_compressed"
        )
    if member.file_size > _BOMB_BYTES and member.file_size > _BOMB_RATIO * member.compress_size:
        raise ReadError(
            f"{path}: {member.compress_size} bytes claim to unfold to {member.file_size >> 20} MB, "
            "as decompression bombs do; save it as NPY or TIFF if it is genuine"
        )
    return member


def _facts(path: Path, archive: ZipFile) -> dict[str, Any]:
    """Return axes, spacing and unit as far as the archive tells them."""
    facts: dict[str, Any] = {}
    for name in ("axes", "spacing", "unit"):
        try:
            info = archive.getinfo(f"{name}.npy")
        except KeyError:
            continue
        if info.file_size > _MAX_FACT:
            raise ReadError(f"{path}: its {name} takes {info.file_size} bytes; at most {_MAX_FACT} are sensible")
        with archive.open(info) as stream:
            value = npy.read_array(stream, allow_pickle=False)
        facts[name] = tuple(float(size) for size in value) if name == "spacing" else str(value)
    spacing = facts.get("spacing")
    if spacing is not None and not all(math.isfinite(size) and size > 0 for size in spacing):
        raise ReadError(f"{path}: its spacing is {spacing}; the size of a voxel is positive and finite")
    return facts


def _header(path: Path, stream: IO[bytes], n_bytes: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, Fortran order and dtype; refuse a lie before it takes memory."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, fortran_order, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran_order, dtype = npy.read_array_header_2_0(stream)
    else:
        raise ReadError(f"{path}: is NPY version {version[0]}.{version[1]}; use 1.0 or 2.0, as numpy.save does")
    if not _is_numeric(dtype):
        raise ReadError(f"{path}: the dtype is {dtype}; use bool, integers or floats of at most 64 bits")
    if any(n < 1 for n in shape):
        raise ReadError(f"{path}: the shape is {shape}; an image needs at least one pixel")
    claimed, held = math.prod(shape) * dtype.itemsize, n_bytes - stream.tell()
    if claimed != held:
        raise ReadError(
            f"{path}: shape {shape} of {dtype} takes {claimed} bytes, the file holds {held}; copy or export it again"
        )
    return shape, fortran_order, dtype


def _is_numeric(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "buif" and dtype.itemsize <= 8


def _axes(path: Path, shape: tuple[int, ...], facts: dict[str, Any]) -> str:
    """Return the axes that the file tells, or those of a plain array."""
    if "axes" in facts:
        axes = str(facts["axes"])
        if axes not in AXES or len(axes) != len(shape):
            raise ReadError(f"{path}: its axes {axes!r} do not fit the shape {shape}; use one of {', '.join(AXES)}")
        return axes
    if len(shape) not in (2, 3):
        raise ReadError(f"{path}: the shape is {shape}; use axes (y, x) or (z, y, x), or an NPZ that tells its axes")
    if len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) >= 16:
        raise ReadError(f"{path}: shape {shape} may be a color image; save it as PNG, or as NPZ with axes='yxc'")
    return "yx" if len(shape) == 2 else "zyx"


def _fill(path: Path, array: NDArray[Any], stream: IO[bytes]) -> None:
    """Read the array's bytes; memory is taken only as they really come."""
    flat = array.reshape(-1, order="A").view(np.uint8)  # the same memory, as bytes
    n_read = 0
    while n_read < len(flat):
        block = stream.read(min(_BLOCK, len(flat) - n_read))
        if not block:
            raise ReadError(f"{path}: is cut short after {n_read} of {len(flat)} bytes; copy or export it again")
        flat[n_read : n_read + len(block)] = np.frombuffer(block, np.uint8)
        n_read += len(block)
    if stream.read(1):  # reaching the end is also what makes zipfile compare the checksum
        raise ReadError(f"{path}: holds more bytes than its shape {array.shape} takes; copy or export it again")


READER = Reader(
    name=NAME,
    sniff=lambda _, head: sniff(head),
    open=lambda path, _: open(path),
    read=lambda path, _: read(path),
    describe=lambda path, _: describe(path),
)
