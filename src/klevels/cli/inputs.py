"""What the commands read: images, masks, models, palettes, and errors that name the file they came from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels import io
from klevels.core.levels import Levels
from klevels.core.noise import NOISE_METHODS, NoiseMethod
from klevels.core.palette import Palette
from klevels.core.rows import MOST_CHANNELS
from klevels.core.spaces import Space
from klevels.errors import DataError, DataTypeError, NoValleyError, ParameterError, ReadError, TooFewLevelsError
from klevels.image import Image
from klevels.recipe import model_from_dict
from klevels.record import identify, read_json
from klevels.sources import as_gray_image, as_picture

SAME_SPACING = 1e-4
"""Voxel sizes that differ by less, relatively, put no voxel of a scan of a thousand slices a tenth of one astray."""


def load_image(path: Path, *, gray: bool) -> Image:
    """Read an image with one gray value a voxel.

    Parameters
    ----------
    path : Path
        The file, or the folder of slices.
    gray : bool
        Whether color is turned to gray.

    Returns
    -------
    Image
        With axes "yx" or "zyx".
    """
    with naming([path]):
        return as_gray_image(io.read(path, gray=gray))


def load_scan(paths: Sequence[Path], *, gray: bool) -> Image:
    """Read an image with its channels, or several gray images as the channels of one.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders of slices.
    gray : bool
        Whether color is turned to gray.

    Returns
    -------
    Image
        Several have their channels on the last axis, and ``meta["channel_names"]``; a voxel that is transparent in one
        of them is masked.

    Raises
    ------
    DataError
        If several are in color, or differ in shape, dtype or voxel size.
    """
    if not paths:
        raise ParameterError("there is no input; give at least one image")
    if len(paths) == 1:
        with naming(paths):
            return io.read(paths[0], gray=gray)
    if len(paths) > MOST_CHANNELS:
        raise ParameterError(f"{len(paths)} files are given as channels; give at most {MOST_CHANNELS}")
    first = _load_channel(paths[0], gray=gray)
    data = np.empty((*first.shape, len(paths)), first.dtype)
    hidden: NDArray[Any] | None = None
    spacing, unit = first.spacing, first.unit
    for i, path in enumerate(paths):
        one = first if i == 0 else _load_channel(path, gray=gray)
        check_same(paths[0], path, "dtype", first.dtype.newbyteorder("="), one.dtype.newbyteorder("="))
        check_same(paths[0], path, "shape", first.shape, one.shape)
        if spacing is None:
            spacing, unit = one.spacing, one.unit
        elif one.spacing is not None and not (one.unit == unit and _close(spacing, one.spacing)):
            check_same(paths[0], path, "voxel size", _size(spacing, unit), _size(one.spacing, one.unit))
        data[..., i] = np.ma.getdata(one.data)
        if np.ma.is_masked(one.data):
            hidden = np.ma.getmaskarray(one.data) if hidden is None else hidden | np.ma.getmaskarray(one.data)
    if hidden is not None:
        data = np.ma.MaskedArray(data, np.broadcast_to(hidden[..., None], data.shape))
    return Image(data, first.axes + "c", spacing, unit, {"channel_names": tuple(path.stem for path in paths)})


def load_picture(path: Path, frame: int | None) -> Image:
    """Read a photograph.

    Parameters
    ----------
    path : Path
        The file.
    frame : int or None
        Which one of an animation.

    Returns
    -------
    Image
        Gray or of three colors, with transparency or without.
    """
    with naming([path]):
        return as_picture(io.read(path, frame=frame))


def load_mask(path: Path | None, image: Image) -> NDArray[Any] | None:
    """Read a mask, nonzero inside.

    Parameters
    ----------
    path : Path or None
        The file, or the folder of slices.
    image : Image
        Whose shape the mask must have.

    Returns
    -------
    ndarray of bool or None
        Of the image's shape; a color is inside unless it is black.
    """
    if path is None:
        return None
    mask = io.read(path)
    values = mask.data[..., :3] if "c" in mask.axes else mask.data
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"{path}: the mask has values that are not finite; give 0 outside and another number inside")
    inside: NDArray[Any] = (values != 0).any(axis=-1) if "c" in mask.axes else values != 0
    shape = image.shape[: len(image.axes.replace("c", ""))]
    if inside.shape != shape:
        raise DataError(f"{path}: the mask has shape {inside.shape}, the image {shape}; give one of the same shape")
    return inside


def identify_mask(mask: Path | None) -> dict[str, Any] | None:
    """Return what a mask is, for the record.

    Parameters
    ----------
    mask : Path or None
        The file, or the folder of slices.

    Returns
    -------
    dict or None
        As `identify` returns it.
    """
    return None if mask is None else identify(mask)


def load_model(path: Path) -> Levels | Palette:
    """Read a fitted model, from a model file, from the record beside an output, or from a palette.

    Parameters
    ----------
    path : Path
        A .json file.

    Returns
    -------
    Levels or Palette
        The model.
    """
    stored = read_json(path)
    try:
        return model_from_dict(stored.get("model", stored))
    except (ParameterError, AttributeError, TypeError) as error:
        raise ReadError(f"{path}: {error}") from error


def load_palette(path: Path, *, space: Space | None, k: int | None) -> Palette:
    """Read the colors to use.

    Parameters
    ----------
    path : Path
        A palette, a record with one, or a list of colors.
    space : {"rgb", "linear", "lab", "oklab"} or None
        Where distances are measured; None for where the palette says, "rgb" for a list of colors.
    k : int or None
        How many colors are expected.

    Returns
    -------
    Palette
        Sorted dark to bright, equal colors once.
    """
    found = Palette.load(path)
    if space is not None:
        found = found.in_space(space)
    if k is not None and k != found.k:
        raise ParameterError(f"-k is {k}, but {path} has {found.k} colors; leave -k out, or give {found.k}")
    return found


def parse_noise(text: str) -> NoiseMethod | float | None:
    """Return what `--noise` means.

    Parameters
    ----------
    text : str
        A method, a gray value, or "none".

    Returns
    -------
    str or float or None
        As `segment` takes it.
    """
    if text == "none":
        return None
    for method in NOISE_METHODS:
        if text == method:
            return method
    try:
        return float(text)
    except ValueError:
        allowed = ", ".join(NOISE_METHODS)
        raise ParameterError(f"--noise is {text!r}; use {allowed}, a gray value, or none") from None


def present(*paths: Path | None) -> list[Path]:
    """Return the files that were given.

    Parameters
    ----------
    *paths : Path or None
        None for those that were not.

    Returns
    -------
    list of Path
        The others.
    """
    return [path for path in paths if path is not None]


def check_same(first_path: Path, path: Path, what: str, first: object, found: object) -> None:
    """Refuse a file that differs from the first where they must be alike.

    Parameters
    ----------
    first_path : Path
        The first file.
    path : Path
        Another.
    what : str
        What must be alike.
    first : object
        As it is in the first.
    found : object
        As it is in the other.

    Raises
    ------
    DataError
        If they differ.
    """
    if first != found:
        raise DataError(
            f"{path}: its {what} is {found}, but that of {first_path} is {first}; convert one of them first"
        )


@contextmanager
def naming(paths: Sequence[Path]) -> Iterator[None]:
    """Put the name of the file, or of the first of several, before what its data did wrong.

    Parameters
    ----------
    paths : sequence of Path
        The files, at least one.

    Yields
    ------
    None
        While their data is worked on.
    """
    try:
        yield
    except (TooFewLevelsError, NoValleyError, DataError, DataTypeError) as error:
        if any(str(error).startswith(f"{path}: ") for path in paths):
            raise
        name = f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else paths[0]
        raise type(error)(f"{name}: {error}") from error


def _load_channel(path: Path, *, gray: bool) -> Image:
    image = io.read(path, gray=gray)
    if "c" in image.axes:
        raise DataError(
            f"{path}: has {image.shape[-1]} channels (axes {image.axes}), but several files are the channels of one "
            f"scan; give --gray, or each image alone"
        )
    return image


def _close(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=SAME_SPACING) for a, b in zip(one, other, strict=True))


def _size(spacing: Sequence[float], unit: str | None) -> str:
    return f"{' × '.join(f'{size:g}' for size in spacing)} {unit or ''}".rstrip()
