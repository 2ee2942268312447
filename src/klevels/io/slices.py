"""A folder of slices, read as one volume."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.files import reading, visible_files
from klevels.image import Image
from klevels.io.formats import head_of, reader_of, readers_for
from klevels.io.reader import Access, Reader
from klevels.lazy import LazyArray, Window

_SLICE_SUFFIXES = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".npy"}


def read(path: Path) -> Image:
    """Read a folder of slices into one volume.

    Parameters
    ----------
    path : Path
        The folder. Its files are the slices, ordered by the number in their names: slice2 comes before slice10.

    Returns
    -------
    Image
        "zyx", or "zyxc" if the slices are in color. ``meta`` holds ``format``, ``n_slices`` and, where the slices state
        it, ``spacing_yx`` and ``unit_yx``.

    Raises
    ------
    ReadError
        If there are no slices, a number is missing or twice there, a slice is broken or holds several pages, or the
        slices differ in format, shape, dtype or spacing.

    Notes
    -----
    Files with the suffix of an image, or the first bytes of one, are slices; other files, such as logs, hidden files
    and subfolders are left out.

    A slice states at most the size of its pixels, never the distance to the next slice, and that is not guessed:
    `spacing` is None.
    """
    files = _sorted_slices(path)
    first = _read_slice(files[0])
    data = np.empty((len(files), *first.shape), first.dtype)
    data[0] = first.data
    nature = _nature(first)
    has_one_profile = True
    for i, file in enumerate(files[1:], start=1):
        one = _read_slice(file)
        _check_alike(files[0].name, nature, file, one)
        data[i] = one.data
        has_one_profile &= one.meta.get("icc_profile") == first.meta.get("icc_profile")
    return Image(data, "z" + first.axes, meta=_meta(first, len(files), has_one_profile=has_one_profile))


def open(path: Path) -> Image:
    """Open a folder of slices as one volume, whose slices are read when they are needed.

    Parameters
    ----------
    path : Path
        As in `read`.

    Returns
    -------
    Image
        What `read` returns, over a `SliceFiles`, but without a color profile if there are several slices: whether they
        share it is not looked up.

    Raises
    ------
    ReadError
        If there are no slices, a number is missing or twice there, or the first slice cannot be read. What is wrong
        with any other is found when it is read.
    """
    files = _sorted_slices(path)
    first = _read_slice(files[0])
    meta = _meta(first, len(files), has_one_profile=len(files) == 1)
    return Image(SliceFiles(path, files, first), "z" + first.axes, meta=meta)


def describe(path: Path) -> dict[str, object]:
    """Return facts about a folder of slices; all but their number are those of the first.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    dict
        See `klevels.io.describe`.

    Raises
    ------
    ReadError
        If there are no slices, a number is missing or twice there, or the first slice cannot be read.
    """
    files = _sorted_slices(path)
    with reading(files[0]):
        facts = reader_of(files[0]).facts(files[0], Access())
    shape, axes = facts["shape"], str(facts["axes"])
    if axes.startswith("z") or not isinstance(shape, tuple):
        raise ReadError(_volume_message(files[0], shape))
    n_frames = facts.pop("frames", 1)
    if n_frames != 1:
        raise ReadError(f"{files[0]}: is an animation of {n_frames} frames; save each frame as a file of its own")
    n_bytes = math.prod(shape) * np.dtype(str(facts["dtype"])).itemsize * len(files)
    return facts | {
        "shape": (len(files), *shape),
        "axes": "z" + axes,
        "spacing": None,
        "unit": None,
        "bytes": n_bytes,
        "file_bytes": sum(file.stat().st_size for file in files),
        "n_slices": len(files),
        "spacing_yx": facts["spacing"],
        "unit_yx": facts["unit"],
    }


def reader_of_folder(path: Path) -> Reader:
    """Return what reads a folder: a format that is one, such as Zarr, or else slices.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    Reader
        That of slices where no other knows it.
    """
    return next((one for one in readers_for(b"") if one.sniff(path, b"")), READER)


class SliceFiles(LazyArray):
    """Slices in files of their own, one behind the other.

    Parameters
    ----------
    folder : Path
        Where they are.
    files : list of Path
        In the order of the slices.
    first : Image
        The first slice, which all others must be like.
    """

    def __init__(self, folder: Path, files: list[Path], first: Image) -> None:
        shape = (len(files), *first.shape)
        super().__init__(shape, first.dtype, source=str(folder), stored_bytes=sum(one.stat().st_size for one in files))
        self._names = tuple(file.name for file in files)
        self._nature = _nature(first)

    def read(self, window: Window) -> NDArray[Any]:
        along, rest = window[0], window[1:]
        out = np.empty([one.stop - one.start for one in window], self.dtype)
        for i, name in enumerate(self._names[along]):
            file = Path(self.source, name)
            with reading(file):
                one = _as_slice(file, reader_of(file).open(file, Access()))
                _check_alike(self._names[0], self._nature, file, one)
                out[i] = one.data[rest]
        return out


def _sorted_slices(folder: Path) -> list[Path]:
    """Return the slices in the order of their numbers; refuse gaps, numbers that occur twice, and several series."""
    files = [file for file in visible_files(folder) if _is_slice(file)]
    if not files:
        raise ReadError(f"{folder}: this folder holds no slices; put TIFF, PNG, JPEG or NPY files into it")
    if len(files) == 1:
        return files
    files.sort()
    parts = {file: re.split(r"([0-9]+)", file.stem) for file in files}
    texts = {file: parts[file][::2] for file in files}
    numbers = {file: [int(digits) for digits in parts[file][1::2]] for file in files}
    stranger = next((file for file in files if texts[file] != texts[files[0]]), None)
    varying = [] if stranger else [i for i, n in enumerate(zip(*numbers.values(), strict=True)) if len(set(n)) > 1]
    if stranger or len(varying) > 1 or not numbers[files[0]]:
        raise ReadError(
            f"{folder}: {files[0].name} and {(stranger or files[-1]).name} do not belong to one series; "
            "keep one series in a folder, with names that differ in the number of the slice only"
        )
    place = varying[0] if varying else -1
    files.sort(key=lambda file: numbers[file][place])
    _check_series(folder, files, [numbers[file][place] for file in files])
    return files


def _is_slice(file: Path) -> bool:
    """Whether a file claims to be an image, by name or by content: a broken slice must not be taken for a log."""
    if file.suffix.lower() in _SLICE_SUFFIXES:
        return True
    with reading(file):
        head = head_of(file)
    return any(one.sniff(file, head) for one in readers_for(head))


def _check_series(folder: Path, files: list[Path], numbers: list[int]) -> None:
    """Refuse a number that is missing or twice there."""
    steps = [after - before for before, after in pairwise(numbers)]
    # Every second or tenth slice is a series too; but two slices alone do not make a step.
    step = max(1, min(steps)) if len(steps) > 1 else 1
    for i, found in enumerate(steps):
        if found == 0:
            raise ReadError(f"{folder}: {files[i].name} and {files[i + 1].name} have one number; take one of them away")
        if found != step:
            raise ReadError(
                f"{folder}: slice {numbers[i] + step} is missing between {files[i].name} and {files[i + 1].name}; "
                "supply it, or renumber the slices if there never was one"
            )


def _meta(first: Image, n_slices: int, *, has_one_profile: bool) -> dict[str, Any]:
    """Return the facts about the volume of which a slice is the first."""
    meta = {**first.meta, "n_slices": n_slices}
    if not has_one_profile:
        meta.pop("icc_profile", None)
    if first.spacing is not None:
        meta |= {"spacing_yx": first.spacing, "unit_yx": first.unit}
    return meta


def _read_slice(file: Path) -> Image:
    with reading(file):
        return _as_slice(file, reader_of(file).load(file, Access()))


def _as_slice(file: Path, image: Image) -> Image:
    if image.axes.startswith("z"):
        raise ReadError(_volume_message(file, image.shape))
    return image


def _volume_message(file: Path, shape: object) -> str:
    return f"{file}: holds several slices, shape {shape}; read it by itself, or save each slice as a file of its own"


def _nature(one: Image) -> dict[str, object]:
    """Return what all slices of a volume share."""
    return {
        "format": one.meta.get("format"),
        "axes": one.axes,
        "shape": one.shape,
        "dtype": one.dtype,
        "pixel size": (one.spacing, one.unit),
        "alpha": one.meta.get("alpha", False),
    }


def _check_alike(first_name: str, first: dict[str, object], file: Path, one: Image) -> None:
    """Refuse a slice that cannot lie in one volume with the first."""
    for what, here in _nature(one).items():
        if here != first[what]:
            raise ReadError(
                f"{file}: its {what} is {here}, but {first[what]} in {first_name}; "
                "take it out of the folder, or make all slices alike"
            )


READER = Reader(
    name="slices",
    sniff=lambda path, _: path.is_dir(),
    open=lambda path, _: open(path),
    read=lambda path, _: read(path),
    describe=lambda path, _: describe(path),
)
