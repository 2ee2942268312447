"""What the metadata of a Zarr array, version 2 or 3, say of how its values are stored."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from klevels.errors import ReadError
from klevels.io.zarr_codecs import Codec, check_codecs
from klevels.io.zarr_nodes import Node

MOST_BYTES = 1 << 31
"""A chunk that is larger than this in memory is refused: it is a bomb, or should be stored in smaller ones."""
_V3_TYPES = ("bool", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)), "float16", "float32", "float64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """How chunks share a file.

    Parameters
    ----------
    shape : tuple of int
        Of the part of the array that one file holds.
    index_at_end : bool
        Whether the list of places of chunks is at the end of the file, or at its beginning.
    has_checksum : bool
        Whether the list ends with its checksum.
    """

    shape: tuple[int, ...]
    index_at_end: bool
    has_checksum: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How the values of an array are stored.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    chunks : tuple of int
        Of a chunk, the least that can be decoded.
    dtype : dtype
        Of the values, in the byte order in which they are stored.
    order : tuple of int
        The axes in the order in which the values of a chunk lie, the slowest first.
    codecs : tuple of Codec
        In the order of decoding.
    shards : Shards or None
        How chunks share a file, if they do.
    prefix, separator : str
        What the name of a file begins with, and what is between its numbers.
    fill_value : object
        What the metadata say chunks that are not there hold.
    names : tuple of str, or None
        Of the axes.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    order: tuple[int, ...]
    codecs: tuple[Codec, ...]
    shards: Shards | None
    prefix: str
    separator: str
    fill_value: object
    names: tuple[str, ...] | None

    def key(self, place: tuple[int, ...]) -> str:
        """Return the name of a file.

        Parameters
        ----------
        place : tuple of int
            Its place in the grid of files.

        Returns
        -------
        str
            From the folder of the array on.
        """
        return self.prefix + self.separator.join(map(str, place))


def stored_as(node: Node) -> Stored:
    """Return how the values of an array are stored.

    Parameters
    ----------
    node : Node
        An array.

    Returns
    -------
    Stored
        Checked: it can be decoded.

    Raises
    ------
    ReadError
        If the metadata are broken or hostile, or name what cannot be decoded here.
    """
    try:
        stored = _stored_2(node) if node.version == 2 else _stored_3(node)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReadError(
            f"{node.folder}: the metadata of the array are broken ({type(error).__name__}: {reason}); copy it again"
        ) from error
    _check(node.folder, stored)
    return stored


def _stored_2(node: Node) -> Stored:
    meta = node.metadata
    shape = _lengths(meta["shape"])
    codecs = [*([meta["compressor"]] if meta["compressor"] else []), *reversed(meta.get("filters") or [])]
    return Stored(
        shape=shape,
        chunks=_lengths(meta["chunks"]),
        dtype=_dtype(meta["dtype"], node),
        order=tuple(range(len(shape)))[:: _step(meta["order"])],
        codecs=tuple(Codec(str(c["id"]), {k: v for k, v in c.items() if k != "id"}) for c in codecs),
        shards=None,
        prefix="",
        separator=_separator(meta.get("dimension_separator", ".")),
        fill_value=meta.get("fill_value"),
        names=_names(node.attributes.get("_ARRAY_DIMENSIONS"), shape),
    )


def _stored_3(node: Node) -> Stored:
    meta = node.metadata
    shape = _lengths(meta["shape"])
    if meta["chunk_grid"]["name"] != "regular":
        raise ReadError(f"{node.folder}: the chunk grid is {meta['chunk_grid']['name']!r}; a regular one can be read")
    if meta.get("storage_transformers"):
        raise ReadError(f"{node.folder}: has storage transformers; store it without")
    chunks = _lengths(meta["chunk_grid"]["configuration"]["chunk_shape"])
    key = meta["chunk_key_encoding"]
    if key["name"] not in ("default", "v2"):
        raise ReadError(f"{node.folder}: the chunk key encoding is {key['name']!r}; 'default' or 'v2' can be read")
    is_default = key["name"] == "default"
    separator = _separator(key.get("configuration", {}).get("separator", "/" if is_default else "."))
    codecs, shards = list(meta["codecs"]), None
    if any(c["name"] == "sharding_indexed" for c in codecs):
        if len(codecs) > 1:
            raise ReadError(f"{node.folder}: shards are turned or compressed as a whole; store them plainly")
        settings = codecs[0]["configuration"]
        shards = _shards(node, chunks, settings)
        chunks, codecs = _lengths(settings["chunk_shape"]), list(settings["codecs"])
    order, endian, decoding = _pipeline(node, codecs, len(shape))
    return Stored(
        shape=shape,
        chunks=chunks,
        dtype=_dtype(meta["data_type"], node).newbyteorder(endian),
        order=order,
        codecs=decoding,
        shards=shards,
        prefix=f"c{separator}" if is_default else "",
        separator=separator,
        fill_value=meta.get("fill_value"),
        names=_names(meta.get("dimension_names"), shape),
    )


def _shards(node: Node, shape: tuple[int, ...], settings: Mapping[str, Any]) -> Shards:
    place = settings.get("index_location", "end")
    names = [c["name"] for c in settings["index_codecs"]]
    endian = settings["index_codecs"][0].get("configuration", {}).get("endian")
    if names not in (["bytes"], ["bytes", "crc32c"]) or endian != "little" or place not in ("start", "end"):
        raise ReadError(f"{node.folder}: the index of its shards is stored as {names}; bytes and crc32c can be read")
    return Shards(shape=shape, index_at_end=place == "end", has_checksum="crc32c" in names)


def _pipeline(node: Node, codecs: list[Any], ndim: int) -> tuple[tuple[int, ...], Literal["<", ">"], tuple[Codec, ...]]:
    """Return the order of the axes, the byte order, and what comes after, in the order of decoding."""
    order = list(range(ndim))
    while codecs[0]["name"] == "transpose":
        turn = codecs.pop(0)["configuration"]["order"]
        if sorted(turn) != list(range(ndim)):
            raise ValueError(f"transpose has the order {turn}")
        order = [order[axis] for axis in turn]
    values = codecs.pop(0)
    if values["name"] != "bytes":
        raise ReadError(f"{node.folder}: the codec {values['name']!r} is not known where 'bytes' can be read")
    endian: Literal["<", ">"] = ">" if values.get("configuration", {}).get("endian") == "big" else "<"
    steps = [Codec(str(c["name"]).removeprefix("numcodecs."), c.get("configuration") or {}) for c in reversed(codecs)]
    return tuple(order), endian, tuple(steps)


def _check(folder: Path, stored: Stored) -> None:
    """Refuse what is hostile or cannot be decoded."""
    ndim, files = len(stored.shape), stored.shards.shape if stored.shards else stored.chunks
    if not 0 < ndim <= 8 or len(stored.chunks) != ndim or len(files) != ndim:
        raise ReadError(
            f"{folder}: the shape is {stored.shape} and that of chunks {files}; they must have as many axes"
        )
    if math.prod(stored.shape) == 0:
        raise ReadError(f"{folder}: the shape is {stored.shape}: there are no values; name another array")
    if math.prod(stored.shape) * stored.dtype.itemsize >= 1 << 63:
        raise ReadError(f"{folder}: the shape is {stored.shape}: no computer can hold it; repair its metadata")
    if 0 in stored.chunks or any(whole % part for whole, part in zip(files, stored.chunks, strict=True)):
        raise ReadError(f"{folder}: chunks of shape {stored.chunks} do not fill shards or files of shape {files}")
    n_bytes = math.prod(stored.chunks) * stored.dtype.itemsize
    if n_bytes > MOST_BYTES:
        raise ReadError(
            f"{folder}: a chunk of shape {stored.chunks} takes {n_bytes} bytes, more than {MOST_BYTES}; "
            f"store it in smaller chunks"
        )
    check_codecs(stored.codecs, str(folder))


def _lengths(found: Any) -> tuple[int, ...]:
    if not isinstance(found, list) or any(type(n) is not int or n < 0 for n in found):
        raise ValueError(f"a shape is {found!r}")
    return tuple(found)


def _dtype(name: object, node: Node) -> np.dtype[Any]:
    """Return the dtype of real numbers; refuse all others."""
    is_known = name in _V3_TYPES if node.version == 3 else re.fullmatch(r"[<>|](b1|[iu][1248]|f[248])", str(name))
    if not is_known:
        raise ReadError(f"{node.folder}: the data type is {name!r}; integers, floats of 16 to 64 bits or bool are read")
    return np.dtype(str(name))


def _step(order: object) -> Literal[1, -1]:
    if order not in ("C", "F"):
        raise ValueError(f"order is {order!r}")
    return 1 if order == "C" else -1


def _separator(found: object) -> str:
    if found not in (".", "/"):
        raise ValueError(f"the separator is {found!r}")
    return str(found)


def _names(found: Any, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return the names of the axes, if all have one."""
    if not isinstance(found, list) or len(found) != len(shape) or not all(isinstance(n, str) for n in found):
        return None
    return tuple(found)
