"""What was given, as an Image: a scan, gray or of several channels, or a picture, perhaps with transparency."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.errors import DataError, DataTypeError
from klevels.foreign import image_of_xarray, is_xarray, lazy_of
from klevels.image import Image
from klevels.lazy import ComputedArray, LazyArray, LoadedArray, StackedArray, TransposedArray, Window

PICTURES = ("uint8", "uint16", "float16", "float32", "float64")


def as_image(image: Image | ArrayLike) -> Image:
    """Return an Image of a scan: one gray value a voxel, or several channels.

    Parameters
    ----------
    image : Image or array_like
        A plain array is gray, with axes "yx" or "zyx": in memory, a dask array, a `LazyArray`, or an array that is
        stored, such as a zarr.Array or an h5py.Dataset. An xarray.DataArray names its axes.

    Returns
    -------
    Image
        The same data, where it is.

    Raises
    ------
    DataError
        If a plain array looks like color, or has neither two nor three axes; or an xarray.DataArray has other
        dimensions than z, y, x and channels.
    """
    if isinstance(image, Image):
        return image
    if is_xarray(image):
        return image_of_xarray(image)
    data = _plain(image)
    axes = {2: "yx", 3: "zyx"}.get(data.ndim)
    if axes is None:
        raise DataError(
            f"the image has {data.ndim} axes; give two (y, x) or three (z, y, x), or klevels.Image with axes that name "
            f"the channels"
        )
    if data.ndim == 3 and data.shape[2] in (3, 4) and min(data.shape[:2]) > 4:
        raise DataError(
            f"an array of shape {data.shape} looks like color; convert it to gray, or give klevels.Image(data, 'zyx') "
            f"if it is a volume, or klevels.Image(data, 'yxc') to cluster its channels"
        )
    return Image(data, axes)


def as_gray_image(image: Image | ArrayLike) -> Image:
    """Return an Image with one gray value a voxel.

    Parameters
    ----------
    image : Image or array_like
        As `as_image` takes it.

    Returns
    -------
    Image
        The same data, where it is.

    Raises
    ------
    DataError
        If it is a color image, or has neither two nor three axes.
    """
    found = as_image(image)
    if "c" in found.axes:
        raise DataError(
            f"the image has {found.shape[-1]} channels (axes {found.axes}); read it with gray=True (--gray)"
        )
    return found


def as_picture(image: Image | ArrayLike) -> Image:
    """Return an Image of a photograph: gray or of one to three channels, with transparency or without.

    Parameters
    ----------
    image : Image or array_like
        A plain array has axes "yx" or "yxc", in memory or not, as `as_image` takes it; a second or fourth channel is
        transparency.

    Returns
    -------
    Image
        The same data, where it is; bool as black and white in 8 bits.

    Raises
    ------
    DataError
        If it has other axes, or other channels, or floats that are not from 0 to 1.
    DataTypeError
        If it is neither 8- or 16-bit unsigned integers nor floats, or bool that is not in memory.

    Notes
    -----
    Floats that are not in memory are read once, for their range.
    """
    if is_xarray(image):
        image = image_of_xarray(image)
    if not isinstance(image, Image):
        data = _plain(image)
        if data.ndim not in (2, 3):
            raise DataError(f"the image has {data.ndim} axes; give (y, x) or (y, x, channels), or a klevels.Image")
        is_wide = isinstance(data, np.ndarray) and data.dtype.kind in "iu" and data.dtype.itemsize > 2
        if is_wide and data.size and data.min() >= 0 and data.max() <= 255:
            data = data.astype(np.uint8)
        meta = {"alpha": True} if data.shape[2:] in ((2,), (4,)) else {}
        image = Image(data, "yxc" if data.ndim == 3 else "yx", meta=meta)
    if image.dtype.kind == "b" and not image.is_lazy:
        image = replace(image, data=image.data * np.uint8(255))
    if image.dtype.newbyteorder("=") not in PICTURES:
        raise DataTypeError(f"the image is of dtype {image.dtype}; convert it to uint8, uint16, or floats from 0 to 1")
    if image.dtype.kind == "f" and image.data.size:
        low, high = _range(image.data)
        if -math.inf < low < 0 or 1 < high < math.inf:  # NaN and infinite values are refused where pixels are counted
            raise DataError(f"the values are from {low:g} to {high:g}; scale floats to 0 for black and 1 for white")
    n_channels = (image.shape[-1] if "c" in image.axes else 1) - has_alpha(image)
    if n_channels not in (1, 3):
        raise DataError(
            f"the image has {n_channels} color channels (axes {image.axes}); a poster needs gray or red, green and "
            f"blue: use segment to cluster other channels"
        )
    return image


def has_alpha(image: Image) -> bool:
    """Tell whether the last channel of an image is its transparency.

    Parameters
    ----------
    image : Image
        With or without channels.

    Returns
    -------
    bool
        As its reader says in ``meta["alpha"]``.
    """
    return "c" in image.axes and bool(image.meta.get("alpha"))


def color_channels(image: Image, n_wanted: int | None = None) -> Any:
    """Return the channels of an image without its transparency.

    Parameters
    ----------
    image : Image
        With or without channels.
    n_wanted : int, optional
        Where this is 3, gray is repeated to as many channels.

    Returns
    -------
    ndarray, LazyArray or dask array
        A view, with the channels on the last axis.
    """
    has_channels = "c" in image.axes
    n_spatial = image.ndim - has_channels
    n_channels = (image.shape[-1] if has_channels else 1) - has_alpha(image)
    n_channels = 3 if n_wanted == 3 and n_channels == 1 else n_channels
    if has_channels and n_channels == image.shape[-1]:
        return image.data
    chosen = partial(_channels, n_spatial=n_spatial, n_channels=n_channels)
    if isinstance(image.data, LazyArray):
        return ComputedArray(chosen, [image.data], image.dtype, n_spatial=n_spatial, n_channels=n_channels)
    return chosen(image.data)


def voxels_of(image: Image) -> Any:
    """Return what is clustered of an image.

    Parameters
    ----------
    image : Image
        Gray, or with channels.

    Returns
    -------
    ndarray, LazyArray or dask array
        The gray values, or the channels without transparency.
    """
    return color_channels(image) if "c" in image.axes else image.data


def side_by_side(channels: Sequence[Image]) -> Any:
    """Return the voxels of several gray images as channels.

    Parameters
    ----------
    channels : sequence of Image
        Of one shape and dtype, in memory or not.

    Returns
    -------
    ndarray, MaskedArray or LazyArray
        With the channels on the last axis. What is masked in one, is in all.
    """
    if any(one.is_lazy for one in channels):
        parts = [one.data if isinstance(one.data, LazyArray) else LoadedArray(one.data) for one in channels]
        n = channels[0].ndim
        return TransposedArray(StackedArray(parts, parts[0].source), (*range(1, n + 1), 0))
    data = np.stack([np.ma.getdata(one.data) for one in channels], axis=-1)
    if not any(np.ma.is_masked(one.data) for one in channels):
        return data
    hidden = np.logical_or.reduce([np.ma.getmaskarray(one.data) for one in channels])
    return np.ma.MaskedArray(data, np.broadcast_to(hidden[..., None], data.shape))


def _channels(data: Any, *, n_spatial: int, n_channels: int) -> Any:
    """Return the first channels; one is repeated where there are to be more."""
    channels = data[..., None] if data.ndim == n_spatial else data
    if channels.shape[-1] >= n_channels:
        return channels[..., :n_channels]
    return np.broadcast_to(channels[..., :1], (*channels.shape[:-1], n_channels))


def visible(image: Image, mask: Any) -> Any:
    """Return a mask without the pixels that are transparent.

    Parameters
    ----------
    image : Image
        With transparency or without.
    mask : array_like of bool or int, or None
        Of the image's shape without channels; nonzero where a pixel counts.

    Returns
    -------
    array_like or None
        The mask as it is where nothing can be transparent.

    Raises
    ------
    DataError
        If every pixel is transparent.
    """
    if not has_alpha(image):
        return mask
    if isinstance(image.data, LazyArray):
        return ComputedArray(_seen, [image.data, mask], np.bool_, n_spatial=image.ndim - 1)
    if image.is_lazy:
        return _seen(image.data, mask)
    seen: NDArray[np.bool_] = image.data[..., -1] != 0
    if not seen.any():
        raise DataError("every pixel is transparent; give an image with something to see, or drop its alpha channel")
    if mask is None:
        return seen
    inside: NDArray[Any] = np.asarray(mask)
    if inside.dtype.kind in "biu" and inside.shape == seen.shape:
        inside = seen & (inside != 0)
    return inside  # if it does not fit, it is refused where pixels are counted


def _seen(colors: Any, mask: Any) -> Any:
    return colors[..., -1] != 0 if mask is None else (colors[..., -1] != 0) & (mask != 0)


def _plain(image: Any) -> Any:
    """Return an array: an ndarray if it is in memory."""
    if isinstance(image, str | PathLike):
        raise DataTypeError(f"the image is a name, {image!r}; read the file first, with klevels.read")
    lazy = lazy_of(image)
    return np.asanyarray(image) if lazy is None else lazy


def _range(data: Any) -> tuple[float, float]:
    """Return the least and the greatest value; NaN do not count, except in a dask array."""
    if isinstance(data, np.ndarray):
        return float(np.fmin.reduce(data, axis=None)), float(np.fmax.reduce(data, axis=None))
    if not isinstance(data, LazyArray):
        return float(data.min()), float(data.max())
    lows, highs = zip(*(_range(np.asarray(data.read(window))) for window in _windows(data)), strict=True)
    return float(np.fmin.reduce(lows)), float(np.fmax.reduce(highs))


def _windows(data: LazyArray) -> Iterator[Window]:
    """Return each chunk's window."""
    cuts = ([slice(i, min(i + c, n)) for i in range(0, n, c)] for n, c in zip(data.shape, data.chunks, strict=True))
    return itertools.product(*cuts)
