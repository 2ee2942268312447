"""Count an image of any kind: in memory, where it is stored, or in blocks on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels import cutting, engine
from klevels.core.colors import ColorTable
from klevels.core.count import histogram as count_array
from klevels.core.histogram import Histogram
from klevels.errors import DataError, ParameterError
from klevels.foreign import is_xarray, lazy_of
from klevels.image import Image
from klevels.lazy import ComputedArray
from klevels.sources import as_gray_image, color_channels, visible
from klevels.workers import Workers


def histogram(
    image: Image | ArrayLike,
    *,
    mask: Image | ArrayLike | None = None,
    nan: Literal["error", "ignore"] = "error",
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Histogram:
    """Count how often each gray level occurs.

    Parameters
    ----------
    image : Image or array_like
        Gray values of dtype bool, (u)int8/16/32, int64 or float16/32/64, of any dimension, strides and byte order, in
        memory or not. Masked voxels of a masked array are left out.
    mask : Image or array_like of bool or int, optional
        Of the image's shape: True, or nonzero, where a voxel counts.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    memory : int, optional
        What an image that is not in memory may take of it at a time, in bytes; at most half of what is free by default.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.

    Returns
    -------
    Histogram
        int64 counts; see there for how 32- and 64-bit data are binned.

    Raises
    ------
    DataTypeError
        If the dtype has no gray levels.
    DataError
        If no voxel is left to count, the mask has another shape, or there are infinite or unwanted NaN voxels.

    Examples
    --------
    >>> histogram([[0, 7], [7, 7]]).counts
    array([1, 3])
    """
    if nan not in ("error", "ignore"):
        raise ParameterError(f"nan is {nan!r}; use 'error' or 'ignore'")
    is_plain = not isinstance(image, Image) and not is_xarray(image) and lazy_of(image) is None
    if is_plain and not isinstance(mask, Image) and client is None:
        return count_array(image, mask=mask, nan=nan, threads=threads)
    return count_gray(as_gray_image(image), as_mask(mask), nan, Workers(threads, client, memory))


def count_gray(image: Image, mask: Any, nan: Literal["error", "ignore"], workers: Workers) -> Histogram:
    """Count how often each gray level of an image occurs.

    Parameters
    ----------
    image : Image
        Gray, in memory or not.
    mask : array or None
        Where a voxel counts.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    workers : Workers
        Who does it.

    Returns
    -------
    Histogram
        As `histogram` returns it.
    """
    source, inside = cutting.in_blocks(image, mask, workers)
    return engine.count(source.data, inside, nan, workers)


def as_mask(mask: Any) -> Any:
    """Return a mask as an array.

    Parameters
    ----------
    mask : Image, array_like or None
        As people give it.

    Returns
    -------
    array or None
        Of an Image, where it is nonzero.
    """
    return inside_of(mask) if isinstance(mask, Image) else mask


def inside_of(mask: Image) -> Any:
    """Return where a mask is nonzero.

    Parameters
    ----------
    mask : Image
        Gray, or in color: a color is inside unless it is black. Transparency does not count.

    Returns
    -------
    ndarray or LazyArray of bool
        Of the mask's shape without channels.

    Raises
    ------
    DataError
        If it has values that are not finite.
    """
    has_channels = "c" in mask.axes
    if not mask.is_lazy:
        return _nonzero(np.asarray(mask.data), has_channels=has_channels)
    n_spatial = mask.ndim - has_channels
    work = partial(_nonzero, has_channels=has_channels)
    return ComputedArray(work, [mask.data], np.bool_, n_spatial=n_spatial)


def _nonzero(values: NDArray[Any], *, has_channels: bool) -> NDArray[np.bool_]:
    if has_channels:
        values = values[..., :3]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError("the mask has values that are not finite; give 0 outside and another number inside")
    inside: NDArray[np.bool_] = (values != 0).any(axis=-1) if has_channels else values != 0
    return inside


def count_channels(
    image: Image,
    *,
    n_wanted: int | None = None,
    nan: Literal["error", "ignore"] = "error",
    peak: float | Sequence[float] | None = None,
    workers: Workers,
) -> ColorTable:
    """Count the colors of one of several images that will be pooled.

    Parameters
    ----------
    image : Image
        With channels, or gray. Transparent pixels do not count.
    n_wanted : int, optional
        Where this is 3, gray counts as color.
    nan : {"error", "ignore"}
        Whether pixels with NaN are refused or left out.
    peak : float or sequence of float, optional
        The greatest magnitude in any of the images, or in each of their channels.
    workers : Workers
        Who does it.

    Returns
    -------
    ColorTable
        Without transparency. Tables can be added where dtype, number of channels and peak are the same.
    """
    source, inside = cutting.in_blocks(image, None, workers)
    return engine.count_table(color_channels(source, n_wanted), visible(source, inside), nan, peak, workers)
