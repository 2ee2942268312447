"""Fill a file whose values lie one behind the other, as those of raw, NRRD and uncompressed TIFF files do."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import WriteError
from klevels.image import Image
from klevels.io.windows import check_block
from klevels.lazy import Window


@dataclass(frozen=True, kw_only=True)
class FlatSink:
    """A file whose values lie one behind the other, the last axis fastest, in little-endian byte order.

    Parameters
    ----------
    path : Path
        The name that the output will have.
    part : Path
        The file, which exists and is as long as it will be.
    shape : tuple of int
        Of the array.
    dtype : str
        Of the array, such as "uint16".
    n_row_axes : int
        How many of the last axes make a row, which is written at once: 1, or 2 where the last is the channel axis.
    offset : int
        Where the values begin, in bytes.
    """

    path: Path
    part: Path
    shape: tuple[int, ...]
    dtype: str
    n_row_axes: int
    offset: int

    @property
    def shards(self) -> tuple[int, ...]:
        """One row."""
        n_before = len(self.shape) - self.n_row_axes
        return (1,) * n_before + self.shape[n_before:]

    def write(self, window: Window, block: NDArray[Any]) -> None:
        """Write whole rows.

        Parameters
        ----------
        window : tuple of slice
            Where they belong.
        block : ndarray
            Their values.

        Raises
        ------
        ParameterError
            If the block does not fit the window, or the window the rows.
        OSError
            If the disk is full or fails.

        Notes
        -----
        Through a memory map, a full disk would kill the process: the file is sparse until it is written.
        """
        dtype = np.dtype(self.dtype).newbyteorder("<")
        check_block(self.path, window, block, self.shape, dtype, self.shards)
        values = np.ascontiguousarray(block, dtype)
        strides = [math.prod(self.shape[axis + 1 :]) * dtype.itemsize for axis in range(len(self.shape))]
        n_split = next((i for i in reversed(range(len(window))) if block.shape[i] != self.shape[i]), 0)
        with self.part.open("r+b", buffering=0) as stream:
            for corner in np.ndindex(values.shape[:n_split]):  # what follows those axes is in one piece
                starts = [one.start + at for one, at in zip(window, corner, strict=False)]
                starts += [one.start for one in window[n_split:]]
                stream.seek(self.offset + sum(at * step for at, step in zip(starts, strides, strict=True)))
                rest = values[corner].reshape(-1).view(np.uint8).data
                while rest:  # the system may take less than all at once
                    rest = rest[stream.write(rest) :]

    def finish(self) -> None:
        """Make sure that the values are on the disk."""
        with self.part.open("r+b") as stream:
            os.fsync(stream.fileno())


def create(path: Path, image: Image, part: Path) -> FlatSink:
    """Begin a file that holds the values and nothing else.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        Of which only shape, dtype and axes matter.
    part : Path
        The file to make.

    Returns
    -------
    FlatSink
        What fills it.

    See Also
    --------
    layout_of : What must be noted beside it.
    """
    return begin(path, image, part, b"")


def reopen(path: Path, image: Image, part: Path) -> FlatSink:
    """Go on with what `create` began.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        As `create` had it.
    part : Path
        What `create` made.

    Returns
    -------
    FlatSink
        What fills it.

    Raises
    ------
    WriteError
        If the file is not what `create` made.
    """
    return go_on(path, image, part, b"")


def layout_of(image: Image) -> dict[str, object]:
    """Return what must be known to read a raw file, which says nothing of itself.

    Parameters
    ----------
    image : Image
        That the file holds.

    Returns
    -------
    dict
        ``shape``, ``dtype``, ``byte_order``, ``offset``, ``spacing`` and ``unit``, as in `klevels.io.Layout`.
    """
    return {
        "shape": list(image.shape),
        "dtype": image.dtype.name,
        "byte_order": "little",
        "offset": 0,
        "spacing": None if image.spacing is None else list(image.spacing),
        "unit": image.unit,
    }


def flat_sink(path: Path, image: Image, part: Path, offset: int) -> FlatSink:
    """Return what fills a file with the values of an image.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        Of which only shape, dtype and axes matter.
    part : Path
        The file.
    offset : int
        Where in it the values begin, in bytes.

    Returns
    -------
    FlatSink
        What fills it.
    """
    n_row_axes = 2 if image.axes.endswith("c") else 1
    return FlatSink(
        path=path, part=part, shape=image.shape, dtype=image.dtype.name, n_row_axes=n_row_axes, offset=offset
    )


def begin(path: Path, image: Image, part: Path, header: bytes) -> FlatSink:
    """Make a file of a header and room for the values.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        Of which only shape, dtype and axes matter.
    part : Path
        The file to make.
    header : bytes
        What stands before the values.

    Returns
    -------
    FlatSink
        What fills it.
    """
    with part.open("xb") as stream:
        stream.write(header)
        stream.truncate(len(header) + n_bytes(image))
    return flat_sink(path, image, part, len(header))


def go_on(path: Path, image: Image, part: Path, header: bytes) -> FlatSink:
    """Return what fills a file that `begin` made.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        As `begin` had it.
    part : Path
        What `begin` made.
    header : bytes
        As `begin` had it.

    Returns
    -------
    FlatSink
        What fills it.

    Raises
    ------
    WriteError
        If the file is not what `begin` made.
    """
    with part.open("rb") as stream:
        found = stream.read(len(header))
    if found != header or part.stat().st_size != len(header) + n_bytes(image):
        raise not_ours(path, part)
    return flat_sink(path, image, part, len(header))


def not_ours(path: Path, part: Path) -> WriteError:
    """Return the error for an unfinished file that is not what was begun.

    Parameters
    ----------
    path : Path
        The output.
    part : Path
        The unfinished file.

    Returns
    -------
    WriteError
        To be raised.
    """
    return WriteError(f"{path}: the unfinished output {part} is not of this image; remove it and start again")


def n_bytes(image: Image) -> int:
    """Return the size of an image's values.

    Parameters
    ----------
    image : Image
        Of which only shape and dtype matter.

    Returns
    -------
    int
        In bytes.
    """
    return math.prod(image.shape) * image.dtype.itemsize
