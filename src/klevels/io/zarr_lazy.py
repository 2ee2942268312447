"""A Zarr array, decoded chunk by chunk; a chunk that is not there is an error."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from klevels.errors import KlevelsError, ParameterError, ReadError
from klevels.io.zarr_arrays import Shards, Stored, stored_as
from klevels.io.zarr_codecs import checked_crc32c, decode
from klevels.io.zarr_nodes import Node
from klevels.lazy import LazyArray, Window

_N_SAMPLED = 1000  # files whose sizes tell those of all
_NOWHERE = 2**64 - 1  # the place, in the index of a shard, of a chunk that is not there


class ZarrArray(LazyArray):
    """A Zarr array in a folder on this machine.

    Parameters
    ----------
    node : Node
        The array.
    missing : float, optional
        The value of chunks that are not there. None: they are an error.

    Raises
    ------
    ReadError
        If its metadata are broken or hostile, or it is stored in a way that is not known.
    ParameterError
        If the dtype does not have the value `missing`.

    Notes
    -----
    The chunks are decoded here, by imagecodecs, in the thread that asks for them: zarr-python takes two to six times as
    long for it, and it fills a chunk that is not there without a word.
    """

    def __init__(self, node: Node, missing: float | None = None) -> None:
        stored = stored_as(node)
        n_bytes = _stored_bytes(node.folder, stored) if stored.codecs else None
        super().__init__(stored.shape, stored.dtype, stored.chunks, str(node.folder), n_bytes)
        self.stored: Stored = stored
        self._missing = None if missing is None else _fitting(missing, self.dtype, self.source)

    def read(self, window: Window) -> NDArray[Any]:
        chunks = self.stored.chunks
        scratch = np.empty(math.prod(chunks) * self.dtype.itemsize, np.uint8)
        if all(s.start // c == (s.stop - 1) // c for s, c in zip(window, chunks, strict=True)):
            (part,) = self._parts(window, scratch)
            return part[1]
        out = np.empty([one.stop - one.start for one in window], self.dtype)
        for where, values in self._parts(window, scratch):
            out[_shifted(where, window)] = values
        return out

    def _parts(self, window: Window, scratch: NDArray[np.uint8]) -> Iterator[tuple[Window, NDArray[Any]]]:
        """Yield the parts of a window that lie in one chunk each. The next overwrites the values of the last."""
        shards = self.stored.shards
        files = shards.shape if shards else self.stored.chunks
        for place in _places(window, files):
            inside = _overlap(place, files, window)
            key = self.stored.key(place)
            with self._opened(key) as stream:
                index = _index(stream, shards, self.stored.chunks) if stream and shards else None
                for chunk in _places(inside, self.stored.chunks):
                    where = _overlap(chunk, self.stored.chunks, inside)
                    stored = _stored_chunk(stream, index, chunk) if stream else None
                    yield where, self._values(stored, chunk, where, key, scratch)

    def _values(
        self, stored: bytes | None, chunk: tuple[int, ...], where: Window, key: str, scratch: NDArray[np.uint8]
    ) -> NDArray[Any]:
        """Return the part of a chunk that is at `where` in the array."""
        if stored is None:
            return self._fill(where, key, chunk)
        shape, order = self.stored.chunks, self.stored.order
        try:
            flat = decode(stored, self.stored.codecs, math.prod(shape), scratch)
        except (ImportError, MemoryError):
            raise
        # Codecs meet hostile bytes here, and each raises errors of its own.
        except Exception as error:
            raise self._damaged(key, error) from error
        values = flat.view(self.stored.dtype).reshape([shape[axis] for axis in order])
        upright = values.transpose([order.index(axis) for axis in range(len(order))])
        origin = tuple(slice(place * n, (place + 1) * n) for place, n in zip(chunk, shape, strict=True))
        return upright[_shifted(where, origin)]

    def _fill(self, where: Window, key: str, chunk: tuple[int, ...]) -> NDArray[Any]:
        if self._missing is None:
            fill = self.stored.fill_value
            value = fill if isinstance(fill, int | float | str) else "VALUE"
            inner = f" of the shard {key}" if self.stored.shards else ""
            raise ReadError(
                f"{self.source}: the chunk {'/'.join(map(str, chunk)) if inner else key}{inner} is missing; copy the "
                f"store again, or, if its writer leaves out empty chunks, accept them with --missing fill={value} "
                f"(missing={value})"
            )
        return np.broadcast_to(self._missing, [one.stop - one.start for one in where])

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO | None]:
        """Open the file of a chunk or a shard; None if there is none."""
        try:
            with Path(self.source, key).open("rb", buffering=0) as stream:
                yield stream
        except FileNotFoundError:
            yield None
        except (OSError, ValueError) as error:
            if isinstance(error, KlevelsError):
                raise
            raise self._damaged(key, error) from error

    def _damaged(self, key: str, error: Exception) -> ReadError:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        return ReadError(f"{self.source}: the chunk {key} is damaged ({reason}); copy or export the store again")


def _stored_bytes(folder: Path, stored: Stored) -> int:
    """Return the size of the files, estimated from some of them where they are many."""
    files = stored.shards.shape if stored.shards else stored.chunks
    grid = [-(-n // part) for n, part in zip(stored.shape, files, strict=True)]
    n_files = math.prod(grid)
    sample = range(0, n_files, max(1, n_files // _N_SAMPLED))
    sizes = 0
    for number in sample:
        place = []
        for n in reversed(grid):
            number, last = divmod(number, n)
            place.append(last)
        with suppress(OSError):  # a chunk that is not there takes no room, and is refused when it is read
            sizes += (folder / stored.key(tuple(reversed(place)))).stat().st_size
    return sizes * n_files // len(sample)


def _fitting(missing: float, dtype: np.dtype[Any], source: str) -> NDArray[Any]:
    """Return the value of missing chunks in the dtype of the others."""
    with np.errstate(all="ignore"):
        value = np.asarray(missing, np.float64 if isinstance(missing, float) else None)
        found = value.astype(dtype)
    if dtype.kind != "f" and (found != value or not np.isfinite(value)):
        allowed = "0 or 1" if dtype.kind == "b" else f"{np.iinfo(dtype).min} to {np.iinfo(dtype).max}"
        raise ParameterError(
            f"{source}: missing is {missing}, but the dtype is {dtype}; give a whole number, {allowed}"
        )
    return found


def _stored_chunk(stream: BinaryIO, index: NDArray[np.uint64] | None, chunk: tuple[int, ...]) -> bytes | None:
    """Return a chunk as it is stored; None if it is not in its shard."""
    if index is None:
        return stream.read()
    offset, n_bytes = (int(n) for n in index[tuple(c % n for c, n in zip(chunk, index.shape, strict=False))])
    if offset == n_bytes == _NOWHERE:
        return None
    if offset + n_bytes > stream.seek(0, 2):
        raise ValueError(f"the chunk {'/'.join(map(str, chunk))} would be at bytes {offset} to {offset + n_bytes}")
    stream.seek(offset)
    return stream.read(n_bytes)


def _index(stream: BinaryIO, shards: Shards, chunks: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return where the chunks of a shard are: first byte and number of bytes, for each."""
    grid = [whole // part for whole, part in zip(shards.shape, chunks, strict=True)]
    n_bytes = math.prod(grid) * 16 + 4 * shards.has_checksum
    size = stream.seek(0, 2)
    if n_bytes > size:
        raise ValueError(f"it has {size} bytes, and its index alone takes {n_bytes}")
    stream.seek(size - n_bytes if shards.index_at_end else 0)
    found = stream.read(n_bytes)
    return np.frombuffer(checked_crc32c(found) if shards.has_checksum else found, "<u8").reshape(*grid, 2)


def _places(window: Window, pieces: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Return which pieces of a grid a window touches."""
    return itertools.product(*(range(s.start // n, (s.stop - 1) // n + 1) for s, n in zip(window, pieces, strict=True)))


def _overlap(place: tuple[int, ...], pieces: tuple[int, ...], window: Window) -> Window:
    """Return the part of a window that lies in one piece of a grid."""
    return tuple(
        slice(max(s.start, i * n), min(s.stop, (i + 1) * n)) for i, n, s in zip(place, pieces, window, strict=True)
    )


def _shifted(window: Window, origin: Window) -> Window:
    """Return a window as seen from the beginning of another."""
    return tuple(slice(s.start - o.start, s.stop - o.start) for s, o in zip(window, origin, strict=True))
