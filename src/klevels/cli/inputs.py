"""What the commands read: images, masks, models, and errors that name the file they came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels import io
from klevels.core.levels import Levels
from klevels.core.noise import NOISE_METHODS, NoiseMethod
from klevels.errors import DataError, DataTypeError, NoValleyError, ParameterError, ReadError, TooFewLevelsError
from klevels.image import Image
from klevels.pipeline import as_gray_image
from klevels.record import read_json


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
    with naming(path):
        return as_gray_image(io.read(path, gray=gray))


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
    if inside.shape != image.shape:
        raise DataError(
            f"{path}: the mask has shape {inside.shape}, the image {image.shape}; give one of the same shape"
        )
    return inside


def load_model(path: Path) -> Levels:
    """Read a fitted model, from a model file or from the record beside an output.

    Parameters
    ----------
    path : Path
        A .json file.

    Returns
    -------
    Levels
        The model.
    """
    stored = read_json(path)
    try:
        return Levels.from_dict(stored.get("model", stored))
    except (ParameterError, AttributeError) as error:
        raise ReadError(f"{path}: {error}") from error


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


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before what its data did wrong.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    None
        While its data is worked on.
    """
    try:
        yield
    except (TooFewLevelsError, NoValleyError, DataError, DataTypeError) as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise type(error)(f"{path}: {error}") from error
