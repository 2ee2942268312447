"""The formats that can be read, and which of them a file or a folder is in."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from klevels.errors import ReadError
from klevels.io.reader import Reader

N_HEAD = 512  # bytes of a file that are enough to tell its format

FORMATS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    # Of DICOM files the first 128 bytes are free, and often look like a TIFF file.
    ("dicom", lambda head: not head or head[128:132] == b"DICM" or head[:1] == b"\2"),
    ("tiff", lambda head: head[:2] in (b"II", b"MM")),
    ("raster", lambda head: head[:1] in (b"\x89", b"\xff", b"B", b"G")),
    ("arrays", lambda head: head[:6] == b"\x93NUMPY" or head[:2] == b"PK"),
    ("hdf5", bool),
    ("nifti", bool),
    ("nrrds", bool),
    ("metaimage", bool),
    ("raw", bool),
    ("zarrs", lambda head: not head),
)
"""The modules that read, and whether the first bytes of a file, none of a folder, are worth loading one for."""
NAMES = "DICOM, TIFF, PNG, JPEG, BMP, GIF, NPY, NPZ, HDF5, NIfTI, NRRD, MetaImage, raw, Zarr"


def readers_for(head: bytes) -> Iterator[Reader]:
    """Give the readers that may know a file or a folder, one after the other, each loaded when it is its turn.

    Parameters
    ----------
    head : bytes
        The first bytes of a file; none of a folder.

    Yields
    ------
    Reader
        klevels' own before those of other packages.
    """
    for name, may_be in FORMATS:
        if may_be(head):
            yield importlib.import_module(f"klevels.io.{name}").READER
    yield from plugins()


def reader_of(path: Path) -> Reader:
    """Return what reads a file, told by its content and never by its name.

    Parameters
    ----------
    path : Path
        A file.

    Returns
    -------
    Reader
        The first that knows it: klevels' own before those of other packages.

    Raises
    ------
    ReadError
        If the file is empty, no regular file, or of no known format.
    """
    if path.exists() and not path.is_file():
        raise ReadError(f"{path}: is a device or a pipe; name a file or a folder of slices")
    head = head_of(path)
    if not head:
        raise ReadError(f"{path}: is empty; copy or export it again")
    for one in readers_for(head):
        if one.sniff(path, head):
            return one
    allowed = ", ".join([NAMES, *(one.name for one in plugins())])
    raise ReadError(
        f"{path}: is of no known format, it starts with {head[:8]!r}; use {allowed}, or a folder of slices, or say "
        f"what a raw file holds (--shape, --dtype; layout=)"
    )


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file.

    Parameters
    ----------
    path : Path
        A file, or a folder.

    Returns
    -------
    bytes
        At most `N_HEAD`; none of a folder.
    """
    if path.is_dir():
        return b""
    with path.open("rb") as stream:
        return stream.read(N_HEAD)


@cache
def plugins() -> tuple[Reader, ...]:
    """Return the readers of other packages, from the entry point group ``klevels.readers``.

    Returns
    -------
    tuple of Reader
        In the order of their names. One that cannot be loaded is left out with a warning that names it.
    """
    from importlib.metadata import entry_points

    found = []
    for entry in sorted(entry_points(group="klevels.readers"), key=lambda one: one.name):
        try:
            reader = entry.load()
        except Exception as error:  # whatever a broken plugin does, it must not break klevels
            warnings.warn(f"the reader {entry.name!r} ({entry.value}) cannot be loaded: {error}", stacklevel=2)
            continue
        if isinstance(reader, Reader):
            found.append(reader)
        else:
            warnings.warn(f"the reader {entry.name!r} ({entry.value}) is no klevels.io.Reader", stacklevel=2)
    return tuple(found)
