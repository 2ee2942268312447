"""A conformance suite for readers: authors of readers prove with it that klevels can rely on theirs."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.errors import KlevelsError, ReadError
from klevels.files import reading
from klevels.image import Image
from klevels.io.formats import head_of, readers_for
from klevels.io.reader import Access, Reader
from klevels.lazy import LazyArray, Window

__all__ = ["check_reader"]

_N_WINDOWS = 24
_SMALL = 1 << 16  # bytes; of a smaller image its pickle does not tell whether voxels are in it
_STRANGERS = {
    "zeros": bytes(512),
    "text": b"A text that is no image.\n" * 30,
    "noise": np.random.default_rng(0).bytes(2048),
}


def check_reader(
    reader: Reader,
    path: str | os.PathLike[str],
    expected: Image | ArrayLike | None = None,
    *,
    access: Access | None = None,
) -> None:
    """Prove that a reader does what klevels relies on, with one file or folder of its format.

    Parameters
    ----------
    reader : Reader
        What is proved.
    path : path-like
        A file or folder that it can read. It is not changed. A small one with several chunks, of unequal lengths along
        its axes, proves most.
    expected : Image or array_like, optional
        What must be read from it; of an Image, axes, spacing and unit count too.
    access : Access, optional
        How it is read, if not in the usual way.

    Raises
    ------
    AssertionError
        If the reader breaks a promise; the message says which, with what, and what it should do.

    Notes
    -----
    Proved are: ``sniff`` knows the file, and nothing else; no reader of klevels takes the file first; ``open`` returns
    an `Image` whose dtype is of real numbers in native byte order; ``read`` and `expected` agree with it; facts agree
    with the image; windows of a `LazyArray` are equal to parts of the whole, in one thread and in several, and after
    pickling; the pickle holds no voxels; and copies that are cut short are read right or refused with a ReadError that
    starts with their path.

    A package offers its reader to klevels through an entry point, in its ``pyproject.toml``::

        [project.entry-points."klevels.readers"]
        acme = "acme_klevels:READER"

    Examples
    --------
    >>> import klevels
    >>> from klevels.io.arrays import READER
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     klevels.write(f"{folder}/scan.npy", np.arange(24, dtype=np.uint16).reshape(2, 3, 4))
    ...     check_reader(READER, f"{folder}/scan.npy")
    """
    source, how = Path(path), access or Access()
    _check_sniff(reader, source)
    image = reader.open(source, how)
    _check_image(reader, image)
    whole = np.asarray(image.data)
    _check_same(reader, "read (or open, loaded)", reader.load(source, how), image, whole)
    if expected is not None:
        _check_same(reader, "expected", expected, image, whole)
    _check_facts(reader, image, reader.facts(source, how))
    if isinstance(image.data, LazyArray):
        _check_lazy(reader, image.data, whole)
    _check_cut_short(reader, source, how, whole)


def _ensure(ok: object, reader: Reader, message: str) -> None:
    if not ok:
        raise AssertionError(f"the reader {getattr(reader, 'name', reader)!r}: {message}")


def _check_sniff(reader: Reader, path: Path) -> None:
    _ensure(isinstance(reader, Reader), reader, "is no klevels.io.Reader; make it one")
    head = head_of(path)
    _ensure(_sniffed(reader, path, head) is True, reader, f"sniff does not return True for {path}")
    first = next((one.name for one in readers_for(head) if one is reader or one.sniff(path, head)), reader.name)
    _ensure(
        first == reader.name, reader, f"{path} is taken by klevels' own reader of {first} before; choose another file"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, content in _STRANGERS.items():
            stranger = Path(folder, name).with_suffix(path.suffix)  # the name must not tell
            stranger.write_bytes(content)
            found = _sniffed(reader, stranger, content[:512])
            _ensure(found is False, reader, f"sniff does not return False for a file of {name}, but {found!r}")
        empty = Path(folder, "folder").with_suffix(path.suffix)
        empty.mkdir()
        found = _sniffed(reader, empty, b"")
        _ensure(found is False, reader, f"sniff does not return False for an empty folder, but {found!r}")


def _sniffed(reader: Reader, path: Path, head: bytes) -> object:
    try:
        return reader.sniff(path, head)
    except Exception as error:
        raise AssertionError(f"the reader {reader.name!r}: sniff raises {error!r} for {path}; return False") from error


def _check_image(reader: Reader, image: object) -> None:
    _ensure(isinstance(image, Image), reader, f"open returns a {type(image).__name__}; return a klevels.Image")
    data: Any = image.data if isinstance(image, Image) else None
    is_array = isinstance(data, np.ndarray | LazyArray)
    _ensure(is_array, reader, f"open returns an Image of a {type(data).__name__}; use an ndarray or a LazyArray")
    dtype = data.dtype
    _ensure(
        dtype.kind in "biuf" and dtype.itemsize <= 8 and dtype.isnative,
        reader,
        f"the dtype is {dtype.str}; return bool, integers or floats of 16 to 64 bits, in native byte order",
    )
    _ensure(0 not in data.shape, reader, f"the shape is {data.shape}; raise ReadError for an image without voxels")


def _check_same(reader: Reader, what: str, other: Image | ArrayLike, image: Image, whole: NDArray[Any]) -> None:
    """Compare what is said of an image, and its voxels, with what ``open`` returned."""
    if isinstance(other, Image):
        for name in ("axes", "spacing", "unit"):
            here, there = getattr(image, name), getattr(other, name)
            _ensure(here == there, reader, f"{name} is {here!r}, but {there!r} in what is {what}")
    values = np.asarray(other.data if isinstance(other, Image) else other)
    _ensure(
        values.shape == whole.shape and values.dtype == whole.dtype,
        reader,
        f"open has shape {whole.shape} and dtype {whole.dtype}, but {values.shape} and {values.dtype} is {what}",
    )
    _ensure(_equal(values, whole), reader, f"the voxels of open differ from what is {what}")


def _check_facts(reader: Reader, image: Image, facts: dict[str, object]) -> None:
    said: dict[str, object] = {
        "shape": image.shape,
        "axes": image.axes,
        "dtype": str(image.dtype),
        "spacing": image.spacing,
        "unit": image.unit,
        "bytes": int(np.prod(image.shape)) * image.dtype.itemsize,
    }
    for name, value in said.items():
        _ensure(facts.get(name) == value, reader, f"describe says {name} is {facts.get(name)!r}, but it is {value!r}")
    for name in ("format", "compression", "file_bytes"):
        _ensure(facts.get(name) is not None, reader, f"describe does not say {name!r}; add it")


def _check_lazy(reader: Reader, data: LazyArray, whole: NDArray[Any]) -> None:
    chunks = data.chunks
    fits = len(chunks) == data.ndim and all(0 < c <= n for c, n in zip(chunks, data.shape, strict=True))
    _ensure(fits, reader, f"chunks are {chunks}; give one length of 1 or more for each axis of {data.shape}")
    windows = list(_windows(data))
    for window in windows:
        _check_window(reader, data, window, whole, "")
    pickled = _pickled(reader, data)
    is_light = whole.nbytes <= _SMALL or len(pickled) < whole.nbytes // 2
    _ensure(
        is_light, reader, f"its pickle has {len(pickled)} bytes: it holds voxels; keep the path, and reopen the file"
    )
    copy = pickle.loads(pickled)
    for window in windows[:4]:
        _check_window(reader, copy, window, whole, " after pickling")
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(_check_window, reader, data, window, whole, " in threads") for window in windows * 4]
        for job in jobs:
            job.result()


def _pickled(reader: Reader, data: LazyArray) -> bytes:
    try:
        return pickle.dumps(data)
    except Exception as error:
        raise AssertionError(
            f"the reader {reader.name!r}: its LazyArray cannot be pickled ({error!r}); keep the path, not the open file"
        ) from error


def _check_window(reader: Reader, data: LazyArray, window: Window, whole: NDArray[Any], when: str) -> None:
    shown = ", ".join(f"{one.start}:{one.stop}" for one in window)
    try:
        part = data.read(window)
    except Exception as error:
        raise AssertionError(
            f"the reader {reader.name!r}: reading the window [{shown}]{when} raises {error!r}"
        ) from error
    wanted = whole[window]
    _ensure(
        isinstance(part, np.ndarray) and part.shape == wanted.shape and part.dtype.newbyteorder("=") == wanted.dtype,
        reader,
        f"the window [{shown}]{when} has shape {np.shape(part)} and dtype {getattr(part, 'dtype', None)}; it must have "
        f"{wanted.shape} and {wanted.dtype}",
    )
    _ensure(_equal(part, wanted), reader, f"the window [{shown}]{when} differs from that part of the whole")


def _windows(data: LazyArray) -> Iterator[Window]:
    """Return the first and the last voxel, the last chunk, and windows at random, the same each time."""
    yield tuple(slice(0, 1) for _ in data.shape)
    yield tuple(slice(n - 1, n) for n in data.shape)
    yield tuple(slice((n - 1) // c * c, n) for n, c in zip(data.shape, data.chunks, strict=True))
    rng = np.random.default_rng(0)
    for _ in range(_N_WINDOWS):
        starts = [int(rng.integers(n)) for n in data.shape]
        yield tuple(slice(low, int(rng.integers(low, n)) + 1) for low, n in zip(starts, data.shape, strict=True))


def _check_cut_short(reader: Reader, path: Path, access: Access, whole: NDArray[Any]) -> None:
    """Cut copies short: a file, or the largest file of a folder."""
    with tempfile.TemporaryDirectory() as folder:
        for number, keep in enumerate((0.0, 0.3, 0.5, 0.9, 1.0)):
            copy = Path(folder, f"{number}{path.suffix}")
            if path.is_dir():
                shutil.copytree(path, copy)
                victim = max((one for one in copy.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
            else:
                victim = Path(shutil.copyfile(path, copy))
            size = victim.stat().st_size
            os.truncate(victim, min(int(size * keep), size - 1))
            if victim.stat().st_size or path.is_dir():
                _check_broken(reader, copy, access, whole, f"a copy cut to {victim.stat().st_size} of {size} bytes")


def _check_broken(reader: Reader, copy: Path, access: Access, whole: NDArray[Any], what: str) -> None:
    if not reader.sniff(copy, head_of(copy)):
        return
    for read in (reader.load, reader.open):
        try:
            with reading(copy):
                image = read(copy, access)
            values = np.asarray(image.data)
        except KlevelsError as error:
            is_told = isinstance(error, ReadError) and str(error).startswith(str(copy))
            _ensure(is_told, reader, f"{what} raises {error!r}; raise ReadError, with the path first in the message")
        except Exception as error:
            raise AssertionError(f"the reader {reader.name!r}: {what} raises {error!r}; raise ReadError") from error
        else:
            same = values.shape == whole.shape and _equal(values, whole)
            _ensure(same, reader, f"{what} is read as if it were whole; raise ReadError")


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
