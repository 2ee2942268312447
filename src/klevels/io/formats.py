"""The formats of single files, and which of them a file is in."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from klevels.errors import ReadError
from klevels.image import Image
from klevels.io import arrays, raster, tiff

N_HEAD = 132  # bytes of a file that are enough to tell its format


class Format(Protocol):
    """What a module that reads and writes one family of formats offers."""

    NAME: str

    def sniff(self, head: bytes) -> bool:
        """Tell by a file's first bytes whether it is of this format."""

    def read(self, path: Path) -> Image:
        """Read the file into memory."""

    def describe(self, path: Path) -> dict[str, object]:
        """Return facts about the file."""

    @property
    def SUFFIXES(self) -> tuple[str, ...]:
        """The suffixes that ask for this format, in lower case."""

    def write(self, path: Path, image: Image) -> None:
        """Write the image to the file."""


FORMATS: tuple[Format, ...] = (tiff, raster, arrays)
SUFFIXES = tuple(suffix for one in FORMATS for suffix in one.SUFFIXES)


def read_file(path: Path, frame: int | None = None) -> Image:
    """Read a file of any format.

    Parameters
    ----------
    path : Path
        The file.
    frame : int, optional
        The frame of an animation, less than `count_frames`; of other files there is only one.

    Returns
    -------
    Image
        As its format's module reads it.

    Raises
    ------
    ReadError
        If it cannot be read, or is an animation of which no frame is asked for.
    """
    family = format_of(path)
    return raster.read(path, frame) if family is raster else family.read(path)


def count_frames(path: Path) -> int:
    """Return how many frames there are to choose from.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    int
        1 for all but an animated GIF.

    Raises
    ------
    ReadError
        If it is of no known format, or a broken GIF.
    """
    return raster.count_frames(path) if format_of(path) is raster else 1


def format_of(path: Path) -> Format:
    """Return the format of a file, by its first bytes and never by its name.

    Parameters
    ----------
    path : Path
        A file.

    Returns
    -------
    Format
        The module that reads it.

    Raises
    ------
    ReadError
        If the file is empty, no regular file, or of no known format.
    """
    if path.exists() and not path.is_file():
        raise ReadError(f"{path}: is a device or a pipe; name a file or a folder of slices")
    with path.open("rb") as stream:
        head = stream.read(N_HEAD)
    if not head:
        raise ReadError(f"{path}: is empty; copy or export it again")
    if head[128:132] == b"DICM":  # whose first 128 bytes are free, and often look like a TIFF file
        raise ReadError(f"{path}: is a DICOM file, which is not read yet; convert it to TIFF")
    for one in FORMATS:
        if one.sniff(head):
            return one
    allowed = ", ".join(one.NAME for one in FORMATS)
    raise ReadError(f"{path}: is of no known format, it starts with {head[:8]!r}; use {allowed}, or a folder of slices")
