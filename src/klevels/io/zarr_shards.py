"""Arrays in Zarr v3 whose shards are encoded where they are made: by any thread, without an event loop between them."""

from __future__ import annotations

import math
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from klevels.errors import MissingDependencyError, ReadError
from klevels.io.windows import extent, grid_windows
from klevels.lazy import Window

PARTIAL = ".partial"
"""The suffix of a shard that is being written."""

_BLOCK_BYTES = 1 << 19  # blosc's own choice, 32 KiB and up, costs a tenth of ratio and speed
_ABSENT = 2**64 - 1


@dataclass(frozen=True)
class Codec:
    """How the chunks of an array are compressed, by blosc.

    Parameters
    ----------
    name : {"lz4", "zstd"}
        The compressor.
    level : int
        Of the compressor.
    shuffle : {"shuffle", "bitshuffle"}
        What is brought together first: bytes of the same rank, or bits.
    """

    name: Literal["lz4", "zstd"]
    level: int
    shuffle: Literal["shuffle", "bitshuffle"]


@dataclass(frozen=True, kw_only=True)
class ShardedArray:
    """A Zarr array, in a folder, of which whole shards are written and read.

    Parameters
    ----------
    folder : Path
        Where it is.
    shape : tuple of int
        Of the array.
    dtype : str
        Such as "uint16".
    chunks : tuple of int
        What is compressed by itself.
    shards : tuple of int
        What is in one file; multiples of `chunks`.
    codec : Codec
        How.
    """

    folder: Path
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    shards: tuple[int, ...]
    codec: Codec

    def metadata(self, names: tuple[str, ...]) -> dict[str, object]:
        """Return what its ``zarr.json`` says.

        Parameters
        ----------
        names : tuple of str
            Of the axes.

        Returns
        -------
        dict
            To be written as JSON.
        """
        dtype = np.dtype(self.dtype)
        order: dict[str, object] = {"name": "bytes", "configuration": {"endian": "little"}}
        blosc = {
            "typesize": dtype.itemsize,
            "cname": self.codec.name,
            "clevel": self.codec.level,
            "shuffle": self.codec.shuffle,
            "blocksize": _BLOCK_BYTES,
        }
        sharding = {
            "chunk_shape": list(self.chunks),
            "codecs": [
                order if dtype.itemsize > 1 else {"name": "bytes"},
                {"name": "blosc", "configuration": blosc},
                {"name": "crc32c"},
            ],
            "index_codecs": [order, {"name": "crc32c"}],
            "index_location": "end",
        }
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self.shards)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": {"b": False, "f": 0.0}.get(dtype.kind, 0),
            "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
            "dimension_names": list(names),
            "attributes": {},
        }

    def file(self, window: Window) -> Path:
        """Return the file of a shard.

        Parameters
        ----------
        window : tuple of slice
            The shard.

        Returns
        -------
        Path
            Whether it exists or not.
        """
        return self.folder.joinpath("c", *(str(at.start // n) for at, n in zip(window, self.shards, strict=True)))

    def write_shard(self, window: Window, block: NDArray[Any]) -> None:
        """Write one shard, whole or not at all.

        Parameters
        ----------
        window : tuple of slice
            The shard.
        block : ndarray
            Its values, only those that lie in the array.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        file = self.file(window)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.urandom(8).hex()}{PARTIAL}")
        try:
            with part.open("xb") as stream:
                places = np.full((*self._n_chunks, 2), _ABSENT, "<u8")
                for chunk in grid_windows(block.shape, self.chunks):
                    coded = self._encoded(block[chunk])
                    places[self._place(chunk)] = stream.tell(), len(coded)
                    stream.write(coded)
                stream.write(_with_checksum(places.tobytes()))
            part.replace(file)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise

    def read_shard(self, window: Window) -> NDArray[Any]:
        """Return the values of one shard that lie in the array.

        Parameters
        ----------
        window : tuple of slice
            The shard.

        Returns
        -------
        ndarray
            Of the window's shape, in native byte order.

        Raises
        ------
        ReadError
            If the shard is missing or damaged.
        """
        file = self.file(window)
        out = np.empty(extent(window), self.dtype)
        try:
            data = file.read_bytes()
            n_index = 16 * math.prod(self._n_chunks) + 4
            places = np.frombuffer(_checked(data[-n_index:]), "<u8").reshape(*self._n_chunks, 2)
            for chunk in grid_windows(out.shape, self.chunks):
                begin, n = (int(one) for one in places[self._place(chunk)])
                values = self._decoded(data[begin : begin + n])
                out[chunk] = values[tuple(slice(n) for n in extent(chunk))]
        except FileNotFoundError as error:
            raise ReadError(f"{file}: the shard is missing; start again") from error
        except (ValueError, RuntimeError) as error:
            raise ReadError(f"{file}: the shard is damaged ({error}); remove it, and resume or start again") from error
        return out

    @property
    def _n_chunks(self) -> tuple[int, ...]:
        return tuple(shard // chunk for shard, chunk in zip(self.shards, self.chunks, strict=True))

    def _place(self, chunk: Window) -> tuple[int, ...]:
        return tuple(at.start // n for at, n in zip(chunk, self.chunks, strict=True))

    def _encoded(self, values: NDArray[Any]) -> bytes:
        """Return a chunk as it is stored; what is outside the array is zero."""
        from imagecodecs import blosc_encode

        if values.shape != self.chunks:
            values = np.pad(values, [(0, n - found) for n, found in zip(self.chunks, values.shape, strict=True)])
        dtype = np.dtype(self.dtype).newbyteorder("<")
        data: Any = np.ascontiguousarray(values, dtype)
        coded = blosc_encode(
            data,
            level=self.codec.level,
            compressor=self.codec.name,
            shuffle=self.codec.shuffle,
            typesize=dtype.itemsize,
            blocksize=_BLOCK_BYTES,
            numthreads=1,
        )
        return _with_checksum(bytes(coded))

    def _decoded(self, coded: bytes) -> NDArray[Any]:
        from imagecodecs import blosc_decode

        return np.frombuffer(
            blosc_decode(_checked(coded), numthreads=1), np.dtype(self.dtype).newbyteorder("<")
        ).reshape(self.chunks)


def _with_checksum(data: bytes) -> bytes:
    return data + struct.pack("<I", _crc32c(data))


def _checked(data: bytes) -> bytes:
    """Return what stands before a checksum."""
    content, checksum = data[:-4], data[-4:]
    if struct.pack("<I", _crc32c(content)) != checksum:
        raise ValueError("a checksum is wrong")
    return content


def _crc32c(data: bytes) -> int:
    try:
        from google_crc32c import value
    except ImportError as error:
        raise MissingDependencyError(
            "Zarr needs the package google-crc32c, which is not installed; run: pip install 'klevels[io]'"
        ) from error
    return int(value(data))
