"""The codecs of Zarr: from the bytes of a chunk to the bytes of its values, never more than there may be."""

from __future__ import annotations

import bz2
import lzma
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import MissingDependencyError, ReadError

Bytes = NDArray[np.uint8]

_N_CHECKSUM = 4  # bytes
_BLOSC = struct.Struct("<4B3I")  # the header; its last number is the length of the whole


@dataclass(frozen=True, slots=True)
class Codec:
    """One step from stored bytes to values.

    Parameters
    ----------
    name : str
        As Zarr 2 and numcodecs call it.
    settings : mapping
        As the metadata state them.
    """

    name: str
    settings: Mapping[str, Any]


def check_codecs(codecs: Sequence[Codec], where: str) -> None:
    """Refuse codecs that cannot be undone here.

    Parameters
    ----------
    codecs : sequence of Codec
        In the order of decoding.
    where : str
        The array that is stored so, for the message.

    Raises
    ------
    ReadError
        If a codec is not known.
    """
    for one in codecs:
        if one.name not in (*_COMPRESSIONS, *_FILTERS, "crc32c"):
            allowed = ", ".join((*_COMPRESSIONS, *_FILTERS, "crc32c"))
            raise ReadError(f"{where}: the codec {one.name!r} is not known; store it with one of {allowed}, or none")


def compression_of(codecs: Sequence[Codec]) -> str:
    """Return what people call the way in which values are compressed.

    Parameters
    ----------
    codecs : sequence of Codec
        In the order of decoding.

    Returns
    -------
    str
        Such as "zstd" or "blosc lz4"; "none" where nothing is compressed.
    """
    names = [f"{c.name} {c.settings.get('cname', '')}".strip() for c in codecs if c.name in _COMPRESSIONS]
    return " ".join(names) or "none"


def decode(stored: bytes, codecs: Sequence[Codec], n_values: int, out: Bytes) -> Bytes:
    """Return the bytes of the values of a chunk.

    Parameters
    ----------
    stored : bytes
        The chunk as it lies in its file.
    codecs : sequence of Codec
        In the order of decoding.
    n_values : int
        The number of values.
    out : ndarray of uint8
        As long as the result must be. It may be written to.

    Returns
    -------
    ndarray of uint8
        As long as `out`; it may be `out`, or a view of `stored`.

    Raises
    ------
    ValueError
        If the chunk is damaged, or decodes to another number of bytes. The libraries raise errors of their own too.
    """
    data: Any = stored
    for i, codec in enumerate(codecs):
        if codec.name == "crc32c":
            data = checked_crc32c(data)
        elif codec.name in _COMPRESSIONS:
            n_bytes = _size_before(codecs[i + 1 :], n_values, out.size)
            room = out if n_bytes == out.size else np.empty(n_bytes, np.uint8)
            data = _decompress(codec, data, room)
        else:
            data = _undo_filter(codec, data)
    found = np.frombuffer(data, np.uint8)
    if found.size != out.size:
        raise ValueError(f"it decodes to {found.size} bytes, not to {out.size}")
    return found


def checked_crc32c(data: Any) -> Any:
    """Return bytes without the checksum at their end.

    Parameters
    ----------
    data : bytes-like
        They end with their checksum.

    Returns
    -------
    bytes-like
        A view.

    Raises
    ------
    ValueError
        If the checksum is wrong.
    MissingDependencyError
        If google-crc32c is not installed.
    """
    try:
        import google_crc32c
    except ImportError as error:
        raise MissingDependencyError("checksums of Zarr need google-crc32c: pip install 'klevels[io]'") from error
    view = memoryview(data)
    content, stated = view[:-_N_CHECKSUM], int.from_bytes(view[-_N_CHECKSUM:], "little")
    if len(view) < _N_CHECKSUM or google_crc32c.value(bytes(content)) != stated:
        raise ValueError("its checksum, crc32c, is wrong")
    return content


def _size_before(later: Sequence[Codec], n_values: int, n_bytes: int) -> int:
    """Return how many bytes are decompressed, where `later` codecs turn them into `n_bytes`."""
    for codec in reversed(later):
        if codec.name in _COMPRESSIONS:
            raise ValueError("it is compressed twice")
        n_bytes = n_bytes + _N_CHECKSUM if codec.name == "crc32c" else _FILTERS[codec.name](codec, n_values, n_bytes)
    return n_bytes


def _decompress(codec: Codec, data: Any, room: Any) -> Any:
    """Fill `room`, and no more."""
    if codec.name in ("bz2", "lzma"):
        stream = bz2.BZ2Decompressor() if codec.name == "bz2" else lzma.LZMADecompressor()
        found = stream.decompress(bytes(data), room.size + 1)
        if not stream.eof and len(found) <= room.size:
            raise ValueError("it ends too early")
        return found
    import imagecodecs

    if codec.name == "lz4":
        return imagecodecs.lz4_decode(data, header=True, out=room)
    # The decoder of blosc trusts the length in the header, and reads past the end.
    if codec.name == "blosc" and (len(data) < _BLOSC.size or _BLOSC.unpack_from(data)[-1] > len(data)):
        raise ValueError("it ends too early")
    return getattr(imagecodecs, f"{codec.name}_decode")(data, out=room)


def _undo_filter(codec: Codec, data: Any) -> Any:
    try:
        import numcodecs
    except ImportError as error:
        raise MissingDependencyError(
            f"the Zarr filter {codec.name!r} needs numcodecs: pip install 'klevels[io]'"
        ) from error
    values = np.asarray(numcodecs.get_codec({"id": codec.name, **codec.settings}).decode(data))
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1)


def _stored_as(codec: Codec, n_values: int, _n_bytes: int) -> int:
    """Return the size of values that a filter keeps in a dtype of its own."""
    name = codec.settings.get("astype") or codec.settings.get("dtype")
    return n_values * np.dtype(str(name)).itemsize


def _same(_codec: Codec, _n_values: int, n_bytes: int) -> int:
    return n_bytes


def _with_checksum(_codec: Codec, _n_values: int, n_bytes: int) -> int:
    return n_bytes + _N_CHECKSUM


_COMPRESSIONS = ("zstd", "gzip", "zlib", "blosc", "lz4", "bz2", "lzma")

_FILTERS: dict[str, Callable[[Codec, int, int], int]] = {
    "shuffle": _same,
    "delta": _stored_as,
    "fixedscaleoffset": _stored_as,
    "quantize": _stored_as,
    "bitround": _same,
    "adler32": _with_checksum,
    "crc32": _with_checksum,
    "fletcher32": _with_checksum,
}
"""The filters, and how many bytes one keeps of a number of values that take a number of bytes."""
