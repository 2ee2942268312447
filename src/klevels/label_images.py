"""Labels of any kind as an image."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.blocks import map_blocks
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.foreign import is_xarray, lazy_of
from klevels.image import Image
from klevels.recipe import Segmentation
from klevels.sources import as_image


def label_image(given: Any) -> Image:
    """Return labels as an image of uint8 or uint16.

    Parameters
    ----------
    given : Segmentation, Image or array_like
        What `segment` returned, or whole numbers from 0 on.

    Returns
    -------
    Image
        In memory where it was; its data are cut as they were otherwise.

    Raises
    ------
    DataTypeError
        If these are no integers.
    DataError
        If one is negative, or greater than 65,535, or there are channels.
    """
    image = _image(given)
    if "c" in image.axes:
        raise DataError(
            f"the labels have {image.shape[-1]} channels (axes {image.axes}), but labels are one number a voxel; "
            f"segment the image first"
        )
    if image.dtype.kind not in "biu":
        raise DataTypeError(
            f"labels are {image.dtype}, like gray values; segment the image first, or convert with .astype('uint8')"
        )
    if image.dtype in (np.uint8, np.uint16) and image.dtype.isnative:
        return image
    if not image.is_lazy:
        return replace(image, data=_narrowed(image.data))
    return replace(image, data=map_blocks(_narrowed, image.data, dtype=np.uint16, n_spatial=image.ndim))


def as_phases(given: int | Iterable[int]) -> tuple[int, ...]:
    """Return phases that were asked for, each once.

    Parameters
    ----------
    given : int or iterable of int
        One, or several.

    Returns
    -------
    tuple of int
        In the order given.

    Raises
    ------
    ParameterError
        If they are no whole numbers.
    """
    try:
        numbers = (given,) if isinstance(given, int | np.integer) else given
        return tuple(dict.fromkeys(operator.index(one) for one in numbers))
    except TypeError:
        raise ParameterError(f"phases are {given!r}; give whole numbers, such as 1 or (1, 2)") from None


def _image(given: Any) -> Image:
    """Return what was given as an image; a plain array of three axes is a volume, also of three or four columns."""
    if isinstance(given, Segmentation):
        return given.labels
    if isinstance(given, PathLike | str):
        raise ParameterError(f"labels are {given!r}; give an image or an array, as klevels.read returns it")
    if isinstance(given, Image) or is_xarray(given) or lazy_of(given) is not None:
        return as_image(given)
    array = np.asanyarray(given)
    if array.ndim not in (2, 3):
        raise DataError(f"the labels have {array.ndim} axes; give two (y, x) or three (z, y, x)")
    return Image(array, "zyx"[-array.ndim :])


def _narrowed(labels: NDArray[Any]) -> NDArray[Any]:
    if labels.size and labels.dtype.kind != "b":
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high > 65535:
            what, value = ("negative", low) if low < 0 else ("greater than 65,535", high)
            raise DataError(f"a label is {value}, which is {what}; labels are whole numbers from 0 on: renumber them")
    return labels.astype(np.uint16)
