"""What a format offers that can be read, how a file is to be read, and what is known of it then."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from klevels.errors import ParameterError
from klevels.image import Image
from klevels.lazy import Layout, LazyArray

__all__ = ["Access", "Layout", "Reader", "facts_of", "stored_bytes"]


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a file is to be read, where it can be read in more than one way.

    Parameters
    ----------
    part : str, optional
        What follows ``::`` in an input's name: a dataset in an HDF5 file, an array or group in a Zarr store.
    frame : int, optional
        Of an animation, counted from 0.
    level : int
        Of a multi-resolution image; 0 is the full resolution.
    missing : float, optional
        The value of chunks that are not there. None: they are an error.
    layout : Layout, optional
        Of a raw file.
    """

    part: str | None = None
    frame: int | None = None
    level: int = 0
    missing: float | None = None
    layout: Layout | None = None


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A format that can be read. Packages offer their own through the entry point group ``klevels.readers``.

    Parameters
    ----------
    name : str
        What people call the format.
    sniff : callable
        Takes the path and the first 512 bytes, none of a folder; returns whether it is of this format. It must not read
        more than it needs, and never raises.
    open : callable
        Takes the path and an `Access`; returns the Image, with its voxels left where they are if that can be done: as a
        `LazyArray`. It raises ReadError, with the path first in the message, where the file is broken.
    read : callable, optional
        The same, into memory; by default, what `open` returns is loaded.
    describe : callable, optional
        Takes the same; returns the facts that `klevels.io.describe` lists. By default they are taken from `open`.
    takes : tuple of str
        Which of "part", "level" and "missing" of an `Access` it heeds; others are refused.

    See Also
    --------
    klevels.testing.check_reader : proves a reader.
    """

    name: str
    sniff: Callable[[Path, bytes], bool]
    open: Callable[[Path, Access], Image]
    read: Callable[[Path, Access], Image] | None = None
    describe: Callable[[Path, Access], dict[str, object]] | None = None
    takes: tuple[str, ...] = ()

    def check(self, path: Path, access: Access) -> None:
        """Refuse what the format does not have.

        Parameters
        ----------
        path : Path
            The file or folder.
        access : Access
            How it is to be read.

        Raises
        ------
        ParameterError
            If it asks for something inside, for a level, or to fill chunks, and there are none.
        """
        if access.part is not None and "part" not in self.takes:
            raise ParameterError(f"{path}: is {self.name}, which holds one image; leave out ::{access.part}")
        if access.level and "level" not in self.takes:
            raise ParameterError(f"{path}: is {self.name}, which has one resolution; give level 0, not {access.level}")
        if access.missing is not None and "missing" not in self.takes:
            raise ParameterError(f"{path}: is {self.name}, which cannot lack chunks; leave out missing (--missing)")

    def load(self, path: Path, access: Access) -> Image:
        """Read into memory.

        Parameters
        ----------
        path : Path
            The file or folder.
        access : Access
            How.

        Returns
        -------
        Image
            With an ndarray.
        """
        return self.open(path, access).loaded() if self.read is None else self.read(path, access)

    def facts(self, path: Path, access: Access) -> dict[str, object]:
        """Return facts about a file or folder.

        Parameters
        ----------
        path : Path
            The file or folder.
        access : Access
            How.

        Returns
        -------
        dict
            See `klevels.io.describe`.
        """
        return facts_of(self.open(path, access), path) if self.describe is None else self.describe(path, access)


def facts_of(image: Image, path: Path) -> dict[str, object]:
    """Return the facts about an image that is not in memory.

    Parameters
    ----------
    image : Image
        As its format's ``open`` returns it.
    path : Path
        The file or folder.

    Returns
    -------
    dict
        See `klevels.io.describe`.
    """
    facts: dict[str, Any] = {
        "format": image.meta.get("format"),
        "shape": image.shape,
        "axes": image.axes,
        "dtype": str(image.dtype),
        "spacing": image.spacing,
        "unit": image.unit,
        "compression": image.meta.get("compression", "none"),
        "bytes": math.prod(image.shape) * image.dtype.itemsize,
        "file_bytes": stored_bytes(path),
    }
    if isinstance(image.data, LazyArray):
        facts["chunks"] = image.data.chunks
    hidden = ("format", "compression", "icc_profile")
    return facts | {name: value for name, value in image.meta.items() if name not in hidden}


def stored_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder.

    Parameters
    ----------
    path : Path
        The file or folder.

    Returns
    -------
    int
        In bytes.
    """
    if not path.is_dir():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
