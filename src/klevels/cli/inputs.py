"""What the commands read: images, masks, models, palettes, and errors that name the file they came from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from klevels import io
from klevels.cli.options import RUNNING, Running, Settings
from klevels.core.levels import Levels
from klevels.core.noise import NOISE_METHODS, NoiseMethod
from klevels.core.palette import Palette
from klevels.core.rows import MOST_CHANNELS
from klevels.core.spaces import Space
from klevels.counting import inside_of
from klevels.errors import DataError, DataTypeError, NoValleyError, ParameterError, ReadError, TooFewLevelsError
from klevels.files import file_of
from klevels.image import Image
from klevels.io.reader import Access
from klevels.recipe import Recipe, model_from_dict
from klevels.record import identify, read_json
from klevels.sources import as_gray_image, as_picture, side_by_side

WHOLE = Access()
SAME_SPACING = 1e-4
"""Voxel sizes that differ by less, relatively, put no voxel of a scan of a thousand slices a tenth of one astray."""


def load_image(path: Path, *, gray: bool, access: Access = WHOLE, lazy: bool | None = None) -> Image:
    """Read an image with one gray value a voxel.

    Parameters
    ----------
    path : Path
        The file, or the folder of slices.
    gray : bool
        Whether color is turned to gray.
    access : Access
        How it is read.
    lazy : bool, optional
        Whether its voxels stay where they are stored; by default, if it is large.

    Returns
    -------
    Image
        With axes "yx" or "zyx".
    """
    with naming([path]):
        return as_gray_image(_read(path, gray, access, lazy))


def load_scan(paths: Sequence[Path], *, gray: bool, access: Access = WHOLE, lazy: bool | None = None) -> Image:
    """Read an image with its channels, or several gray images as the channels of one.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders of slices.
    gray : bool
        Whether color is turned to gray.
    access : Access
        How they are read.
    lazy : bool, optional
        Whether their voxels stay where they are stored; by default, if they are large.

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
            return _read(paths[0], gray, access, lazy)
    if len(paths) > MOST_CHANNELS:
        raise ParameterError(f"{len(paths)} files are given as channels; give at most {MOST_CHANNELS}")
    channels = [_load_channel(path, gray, access, lazy) for path in paths]
    first = channels[0]
    spacing, unit = first.spacing, first.unit
    for path, one in zip(paths, channels, strict=True):
        check_same(paths[0], path, "dtype", first.dtype.newbyteorder("="), one.dtype.newbyteorder("="))
        check_same(paths[0], path, "shape", first.shape, one.shape)
        if spacing is None:
            spacing, unit = one.spacing, one.unit
        elif one.spacing is not None and not (one.unit == unit and _close(spacing, one.spacing)):
            check_same(paths[0], path, "voxel size", _size(spacing, unit), _size(one.spacing, one.unit))
    names = tuple(path.stem for path in paths)
    return Image(side_by_side(channels), first.axes + "c", spacing, unit, {"channel_names": names})


def load_picture(path: Path, frame: int | None, *, lazy: bool | None = False) -> Image:
    """Read a photograph.

    Parameters
    ----------
    path : Path
        The file.
    frame : int or None
        Which one of an animation.
    lazy : bool, optional
        Whether its pixels stay where they are stored; None for large ones.

    Returns
    -------
    Image
        Gray or of three colors, with transparency or without.
    """
    with naming([path]):
        return as_picture(io.read(path, frame=frame, lazy=lazy))


def load_mask(path: Path | None, image: Image, running: Running = RUNNING) -> Any:
    """Read a mask, nonzero inside.

    Parameters
    ----------
    path : Path or None
        The file, or the folder of slices.
    image : Image
        Whose shape the mask must have.
    running : Running
        Who will read it: where it is large, or on a cluster, it stays where it is.

    Returns
    -------
    ndarray or LazyArray of bool, or None
        Of the image's shape; a color is inside unless it is black.
    """
    if path is None:
        return None
    mask = io.read(running.place(path), lazy=running.lazy)
    shape = image.shape[: len(image.axes.replace("c", ""))]
    found = mask.shape[: len(mask.axes.replace("c", ""))]
    if found != shape:
        raise DataError(f"{path}: the mask has shape {found}, the image {shape}; give one of the same shape")
    with naming([path]):
        return inside_of(mask)


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


def recorded_settings(path: Path) -> Settings:
    """Return how the voxels around a voxel counted where a model comes from.

    Parameters
    ----------
    path : Path
        A model, or the record of a segmentation.

    Returns
    -------
    Settings
        As they were: a filter with its strength, and β.
    """
    stored = read_json(path).get("recipe") or {}
    names = ("denoise", "borders", "smooth", "reestimate")
    recipe = Recipe.from_dict({"k": 1, **{name: stored[name] for name in names if name in stored}})
    return Settings(denoise=recipe.denoise, borders=recipe.borders, smooth=recipe.smooth, reestimate=recipe.reestimate)


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
        if any(str(error).startswith((f"{path}: ", f"{file_of(path)}: ")) for path in paths):
            raise
        name = f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else paths[0]
        raise type(error)(f"{name}: {error}") from error


def _read(path: Path, gray: bool, access: Access, lazy: bool | None) -> Image:
    return io.read(path, gray=gray, level=access.level, missing=access.missing, layout=access.layout, lazy=lazy)


def _load_channel(path: Path, gray: bool, access: Access, lazy: bool | None) -> Image:
    image = _read(path, gray, access, lazy)
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
