"""Outputs that are filled window by window, in any order, by any thread, process or machine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from klevels.errors import OutputExistsError, ParameterError, WriteError
from klevels.image import Image
from klevels.io import nrrd_sink, raw_sink, tiff_sink, zarr_sink
from klevels.io.raw_sink import flat_sink
from klevels.io.windows import grid_windows
from klevels.lazy import Window

FORMATS: dict[str, ModuleType] = {
    ".ome.zarr": zarr_sink,
    ".zarr": zarr_sink,
    ".tif": tiff_sink,
    ".tiff": tiff_sink,
    ".raw": raw_sink,
    ".nrrd": nrrd_sink,
}
SINK_SUFFIXES = tuple(FORMATS)
"""The suffixes of outputs that can be filled window by window."""

_WINDOW_BYTES = 1 << 26


class Sink(Protocol):
    """An output that is filled window by window. It can be pickled, and holds nothing open."""

    @property
    def shards(self) -> tuple[int, ...]:
        """What must be written at once: windows begin at multiples of this shape and end at others, or at the end."""

    def write(self, window: Window, block: NDArray[Any]) -> None:
        """Write a part of the array. Parts that do not overlap can be written at the same time.

        Parameters
        ----------
        window : tuple of slice
            Where it is; see `shards`.
        block : ndarray
            Its values.
        """

    def finish(self) -> None:
        """Make it complete once all parts are written; again, if that was interrupted."""


def create(path: Path, image: Image, part: Path) -> Sink:
    """Begin an output.

    Parameters
    ----------
    path : Path
        The name that it will have; its suffix chooses the format.
    image : Image
        Its shape, dtype, axes, spacing, unit and meta; its values are not looked at.
    part : Path
        The file or folder to make; its folder exists.

    Returns
    -------
    Sink
        What fills it.

    Raises
    ------
    ParameterError
        If no such format is filled window by window, or it cannot hold the image.
    OutputExistsError
        If `part` exists.
    OSError
        If it cannot be made.
    """
    if part.exists():
        raise OutputExistsError(f"{path}: the unfinished output {part} exists already; resume it, or remove it")
    with _naming(path):
        sink: Sink = _format(path, image).create(path, image, part)
        return sink


def open_sink(path: Path, image: Image, part: Path) -> Sink:
    """Go on with what `create` began; what is written stays.

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
    Sink
        What fills it.

    Raises
    ------
    WriteError
        If there is no such file or folder, or it was begun for another image.
    """
    if not part.exists():
        raise WriteError(f"{path}: there is no unfinished output {part} to go on with; start again")
    with _naming(path):
        sink: Sink = _format(path, image).reopen(path, image, part)
        return sink


def shards_for(path: Path, image: Image) -> tuple[int, ...]:
    """Return the `shards` that an output will have, without making it.

    Parameters
    ----------
    path : Path
        Its name.
    image : Image
        As `create` takes it.

    Returns
    -------
    tuple of int
        One for each axis of the image.

    Raises
    ------
    ParameterError
        If no such format is filled window by window.
    """
    with _naming(path):
        family = _format(path, image)
        sink: Sink = zarr_sink.plan(path, image, path) if family is zarr_sink else flat_sink(path, image, path, 0)
        return sink.shards


def write_whole(sink: Sink, image: Image) -> None:
    """Fill an output, from its first value to its last, and finish it.

    Parameters
    ----------
    sink : Sink
        That nothing else fills.
    image : Image
        Of which some shards at a time are read, if it is not in memory.

    Raises
    ------
    OSError
        If the disk is full or fails.
    """
    for window in grid_windows(image.shape, _steps(image.shape, sink.shards, image.dtype.itemsize)):
        sink.write(window, np.asarray(image.data[window]))
    sink.finish()


def _steps(shape: tuple[int, ...], shards: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return as many shards as are well written at once."""
    steps = list(shards)
    for axis in reversed(range(len(shape))):
        room = _WINDOW_BYTES // (math.prod(steps) * itemsize)
        steps[axis] *= max(1, min(room, -(-shape[axis] // steps[axis])))
    return tuple(steps)


def _format(path: Path, image: Image) -> ModuleType:
    """Return the module that makes outputs of a name's format; refuse what no format holds."""
    name = path.name.lower()
    suffix = next((one for one in SINK_SUFFIXES if name.endswith(one)), None)
    if suffix is None:
        raise ParameterError(
            f"the suffix is {path.suffix!r}; outputs that are written in parts have one of {', '.join(SINK_SUFFIXES)}"
        )
    if image.dtype.kind not in "biuf" or image.dtype.itemsize > 8:
        raise ParameterError(f"the dtype is {image.dtype}; convert it to integers, float16 to float64, or bool")
    if np.ma.isMaskedArray(image.data):
        raise ParameterError("the array is masked, which no format holds; fill it first with .filled(value)")
    if 0 in image.shape:
        raise ParameterError(f"the shape is {image.shape}; an image needs at least one pixel")
    return FORMATS[suffix]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the output before the message of what is refused."""
    try:
        yield
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error
