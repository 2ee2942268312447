"""Values that follow a header, or lie in a file beside it: as they are in memory, compressed, or as text."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from klevels.errors import InputMissingError, ReadError
from klevels.image import Image
from klevels.io.reader import facts_of
from klevels.io.tiff_checks import BOMB_BYTES, BOMB_RATIO
from klevels.lazy import LazyArray, MappedArray, Window

Packing = Literal["none", "gzip", "bzip2", "zlib", "text"]

MAX_HEADER = 1 << 20  # bytes of a header in text; real ones have a few hundred
MAX_TEXT = 1 << 26  # bytes of values written as text, which take some fifty times as much while they are read
_BLOCK = 1 << 22  # bytes that are unpacked at a time


class PackedArray(LazyArray):
    """An array that can only be unpacked as a whole: whatever the window, all of it is.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Of the array.
    dtype : dtype
        Of any byte order.
    packing : {"gzip", "bzip2", "zlib", "text"}
        How the values are written.
    offset : int
        Where in the file they begin, in bytes.
    skip : int
        How many unpacked bytes come before the first value.

    Raises
    ------
    ReadError
        If the file is too small to hold so much.
    """

    def __init__(
        self, path: Path, shape: Sequence[int], dtype: np.dtype[Any], packing: Packing, offset: int = 0, skip: int = 0
    ) -> None:
        n_packed = max(0, path.stat().st_size - offset)
        super().__init__(shape, dtype, shape, str(path), n_packed)
        self._stored = dtype
        self._packing = packing
        self._offset = offset
        self._skip = skip
        _check_room(path, self.shape, self.nbytes + skip, n_packed, packing)

    def read(self, window: Window) -> NDArray[Any]:
        return self._unpacked()[window]

    def _unpacked(self) -> NDArray[Any]:
        try:
            with Path(self.source).open("rb") as stream:
                stream.seek(self._offset)
                return self._parsed(stream) if self._packing == "text" else self._inflated(stream)
        except (zlib.error, EOFError, ValueError, OverflowError, OSError) as error:
            if isinstance(error, ReadError):
                raise
            raise ReadError(
                f"{self.source}: its values cannot be read as {self._packing} ({error}); "
                "it is damaged or cut short: copy or export it again"
            ) from error

    def _inflated(self, stream: IO[bytes]) -> NDArray[Any]:
        """Unpack block by block: memory is taken only as bytes really come."""
        array = np.empty(self.shape, self._stored)
        flat = array.reshape(-1).view(np.uint8)
        place = -self._skip
        for block in _unpacking(stream, self._packing):
            part = block[max(0, -place) :]
            start = max(0, place)
            if start + len(part) > len(flat):
                raise ReadError(
                    f"{self.source}: holds more values than its header says, {_times(self.shape)}; "
                    "correct the header, or export it again"
                )
            flat[start : start + len(part)] = np.frombuffer(part, np.uint8)
            place += len(block)
        if place < len(flat):
            raise ReadError(
                f"{self.source}: is cut short after {max(0, place)} of {len(flat)} bytes of values; "
                "copy or export it again"
            )
        return array

    def _parsed(self, stream: IO[bytes]) -> NDArray[Any]:
        """Read numbers between white space."""
        words = stream.read().split()
        if len(words) != self.size:
            raise ReadError(
                f"{self.source}: holds {len(words)} numbers, but its header says {_times(self.shape)}; "
                "it is damaged or cut short: copy or export it again"
            )
        number = float if self._stored.kind == "f" else int
        return np.array([number(word) for word in words], self._stored).reshape(self.shape)


def values_in(
    path: Path, shape: Sequence[int], dtype: np.dtype[Any], packing: Packing, offset: int = 0, skip: int = 0
) -> LazyArray:
    """Return the values in a file, read when they are asked for.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Slowest axis first.
    dtype : dtype
        Of any byte order.
    packing : {"none", "gzip", "bzip2", "zlib", "text"}
        How the values are written.
    offset : int
        Where in the file they begin, in bytes.
    skip : int
        How many bytes come before the first value once they are unpacked.

    Returns
    -------
    LazyArray
        Mapped where nothing is to be unpacked.

    Raises
    ------
    ReadError
        If the sizes make no sense, or the file is too small to hold so much.
    """
    if any(n < 1 for n in shape):
        raise ReadError(f"{path}: claims {_times(shape)} voxels; each size is 1 or more: export it again")
    if offset < 0 or skip < 0:
        raise ReadError(f"{path}: its values begin at byte {min(offset, skip)}; 0 or more is possible: export it again")
    if packing == "none":
        return MappedArray(path, shape, dtype, offset + skip)
    return PackedArray(path, shape, dtype, packing, offset, skip)


def beside(path: Path, name: str) -> Path:
    """Return the file of values that a header names.

    Parameters
    ----------
    path : Path
        The header.
    name : str
        What it names: a file in its own folder, or in a folder below.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ReadError
        If the name leads elsewhere, or stands for several files; InputMissingError if there is no such file.
    """
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if name.split()[:1] == ["LIST"] or "%" in name:
        raise ReadError(f"{path}: its values are in several files, {name!r}; save them as one file, or read the slices")
    if not name or posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        raise ReadError(f"{path}: names its values {name!r}; a name in the folder of the header is needed: edit it")
    found = path.parent / posix
    if not found.exists():
        raise InputMissingError(f"{path}: there is no {name!r} beside it, which holds its values; put it there")
    if not found.is_file():
        raise ReadError(f"{path}: names its values {name!r}, which is no regular file; put the file of values there")
    return found


def opened(image: Image) -> Image:
    """Return an image whose values are in memory, if they had to be unpacked.

    Parameters
    ----------
    image : Image
        With its packing in ``meta["compression"]``.

    Returns
    -------
    Image
        The same, or in memory.
    """
    return image if image.meta["compression"] == "none" else image.loaded()


def facts_unopened(image: Image, path: Path) -> dict[str, object]:
    """Return facts about an image without unpacking it.

    Parameters
    ----------
    image : Image
        With its packing in ``meta["compression"]``.
    path : Path
        The file, or the header of one.

    Returns
    -------
    dict
        See `klevels.io.describe`.
    """
    facts = facts_of(image, path)
    if image.meta["compression"] != "none":
        facts.pop("chunks")
    values = Path(image.data.source)
    if values != path:
        facts["file_bytes"] = path.stat().st_size + values.stat().st_size
    return facts


def _check_room(path: Path, shape: Sequence[int], n_bytes: int, n_packed: int, packing: Packing) -> None:
    """Refuse sizes that no such file can hold, before they take memory."""
    if packing == "text":
        if n_packed > MAX_TEXT:
            raise ReadError(f"{path}: holds {n_packed >> 20} MB of text; at most {MAX_TEXT >> 20} are read: save raw")
        # A number takes a digit, and white space before the next one.
        if 2 * np.prod([float(n) for n in shape]) - 1 > n_packed:
            raise ReadError(f"{path}: {n_packed} bytes of text cannot hold {_times(shape)} numbers; export it again")
    elif n_bytes > max(BOMB_BYTES, BOMB_RATIO * n_packed):
        raise ReadError(
            f"{path}: {n_packed} bytes claim to unfold to {n_bytes >> 20} MB, more than {BOMB_RATIO} to 1, "
            "as decompression bombs do; save it uncompressed if it is genuine"
        )


def _unpacking(stream: IO[bytes], packing: Packing) -> Iterator[bytes]:
    """Give the unpacked bytes, some at a time; reaching the end also compares the checksum."""
    if packing == "zlib":
        yield from _zlib(stream)
        return
    unpacked = gzip.GzipFile(fileobj=stream) if packing == "gzip" else bz2.BZ2File(stream)
    with unpacked:
        while block := unpacked.read(_BLOCK):
            yield block


def _zlib(stream: IO[bytes]) -> Iterator[bytes]:
    one = zlib.decompressobj(wbits=47)  # the header says whether it is zlib or gzip, as ITK reads it
    while not one.eof:
        packed = one.unconsumed_tail or stream.read(1 << 16)
        block = one.decompress(packed, _BLOCK)
        if not (packed or block):
            raise EOFError("the compressed stream has no end")
        yield block


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
