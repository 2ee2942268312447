"""What is shown of an image: the image itself or the three middle planes of a volume, thinned to the size of print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import DataError, ParameterError
from klevels.image import Image

LONGEST = 2048  # pixels of a side that are drawn; a page at 300 dpi has about as many
OUTLIERS = 0.2  # percent of the voxels that may lie beyond either end of the gray scale


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A plane through an image.

    Parameters
    ----------
    name : str
        Such as "z = 31"; empty for an image of one plane.
    values : ndarray
        Rows and columns, of the image's dtype; a masked array where the image is one.
    size : tuple of float
        Height and width, in units of the spacing, or in voxels where that is unknown.
    """

    name: str
    values: NDArray[Any]
    size: tuple[float, float]


def as_image(image: Image | NDArray[Any]) -> Image:
    """Take a plain array for a gray image or volume.

    Parameters
    ----------
    image : Image or ndarray
        With two or three axes.

    Returns
    -------
    Image
        With axes "yx" or "zyx".

    Raises
    ------
    ParameterError
        If the number of axes is another, or one is a channel.
    """
    if isinstance(image, Image):
        if "c" in image.axes:
            raise ParameterError(f"the image has axes {image.axes!r}; figures show gray images, axes 'yx' or 'zyx'")
        return image
    if image.ndim not in (2, 3):
        raise ParameterError(f"the image has {image.ndim} axes; figures show gray images of 2 or 3 axes")
    return Image(image, "zyx"[-image.ndim :])


def planes_of(image: Image) -> tuple[Plane, ...]:
    """Cut an image into the planes that a figure shows.

    Parameters
    ----------
    image : Image
        With axes "yx" or "zyx".

    Returns
    -------
    tuple of Plane
        The image itself, or the planes in the middle of z, of y and of x; not those that would be lines.

    Raises
    ------
    DataError
        If the image is empty.
    """
    if 0 in image.shape:
        raise DataError(f"the image has shape {image.shape}; a figure needs at least one voxel")
    spacing = image.spacing or (1.0,) * image.ndim
    if image.ndim == 2:
        return (_cut(image, spacing, None),)
    across = [axis for axis in range(3) if all(image.shape[other] > 1 for other in range(3) if other != axis)]
    return tuple(_cut(image, spacing, axis) for axis in across or [0])


def middle_plane(image: Image) -> tuple[Image, str]:
    """Cut the plane out of an image that stands for it where channels stand side by side.

    Parameters
    ----------
    image : Image
        With any axes.

    Returns
    -------
    plane : Image
        With axes "yx" or "yxc": the image itself, or the plane in the middle of z.
    name : str
        Such as "z = 31"; empty for the image itself.

    Raises
    ------
    DataError
        If the image is empty.
    """
    if 0 in image.shape:
        raise DataError(f"the image has shape {image.shape}; a figure needs at least one voxel")
    if "z" not in image.axes:
        return image, ""
    middle = image.shape[0] // 2
    spacing = None if image.spacing is None else image.spacing[1:]
    return Image(image.data[middle], image.axes[1:], spacing, image.unit, image.meta), f"z = {middle}"


def size_of_plane(plane: Image) -> tuple[float, float]:
    """Return how large a plane is.

    Parameters
    ----------
    plane : Image
        With axes "yx" or "yxc".

    Returns
    -------
    tuple of float
        Height and width, in units of the spacing, or in pixels where that is unknown.
    """
    spacing = plane.spacing or (1.0, 1.0)
    return plane.shape[0] * spacing[0], plane.shape[1] * spacing[1]


def _cut(image: Image, spacing: tuple[float, ...], axis: int | None) -> Plane:
    index: list[slice | int] = [thinned(side) for side in image.shape]
    name = ""
    if axis is not None:
        middle = image.shape[axis] // 2
        index[axis] = middle
        name = f"{image.axes[axis]} = {middle}"
    height, width = (side * step for i, (side, step) in enumerate(zip(image.shape, spacing, strict=True)) if i != axis)
    return Plane(name, np.asanyarray(image.data[tuple(index)]), (height, width))


def thinned(side: int) -> slice:
    """Choose every n-th voxel, from the middle of the first n.

    Parameters
    ----------
    side : int
        How many voxels there are.

    Returns
    -------
    slice
        Of at most 2048 of them.
    """
    step = -(-side // LONGEST)
    return slice(step // 2, None, step)


def gray_values(plane: Plane) -> NDArray[np.float64]:
    """Return gray values as numbers to draw.

    Parameters
    ----------
    plane : Plane
        Of any real dtype.

    Returns
    -------
    ndarray of float64
        NaN where the plane is masked or not finite.
    """
    values = np.ma.getdata(plane.values).astype(np.float64)
    values[np.ma.getmaskarray(plane.values) | ~np.isfinite(values)] = np.nan
    return values


def gray_limits(values: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Choose what is drawn black and what white.

    Parameters
    ----------
    values : sequence of ndarray
        All pictures that share the scale, NaN where nothing is known.

    Returns
    -------
    tuple of float
        Percentiles that leave out outliers; for a constant image, values around it.
    """
    finite = np.concatenate([picture[np.isfinite(picture)] for picture in values])
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(finite, (OUTLIERS, 100 - OUTLIERS)))
    if low == high:
        low, high = float(finite.min()), float(finite.max())
    margin = max(0.5, abs(low) / 2) if low == high else 0.0
    return low - margin, high + margin
