"""Meshes of phases, from labels of any kind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from klevels.core.mesh import Mesh
from klevels.core.surface import surface
from klevels.errors import DataError
from klevels.foreign import is_xarray, lazy_of
from klevels.image import Image
from klevels.memory import free_memory
from klevels.sources import as_image

WORKING_BYTES = 4
"""What a voxel takes besides its label: where the phase is, and the triangles of a phase that is not rough."""


def mesh(labels: Image | ArrayLike, phase: int, *, smooth: int = 0, n_faces: int | None = None) -> Mesh:
    """Return the surface of a phase, as triangles.

    Parameters
    ----------
    labels : Image or array_like
        A volume of whole numbers. What is not in memory is loaded.
    phase : int
        The label of the phase.
    smooth : int
        How many times steps between voxels are smoothed; 0 for not at all, 20 for what looks smooth.
    n_faces : int, optional
        The greatest number of triangles; all by default.

    Returns
    -------
    Mesh
        Closed, in the unit of the image's spacing, or in voxels where that is unknown. Its `save` writes STL, PLY, OBJ
        and glTF.

    Raises
    ------
    ParameterError
        If an option is out of its range.
    DataTypeError
        If the labels are no numbers.
    DataError
        If the labels are no volume, no whole numbers, or larger than the memory, no voxel is of the phase, or so few
        triangles cannot close it.

    Notes
    -----
    `klevels.core.surface.surface` says how it is done, and what smoothing changes.

    Examples
    --------
    >>> labels = np.zeros((12, 12, 12), np.uint8)
    >>> labels[3:9, 3:9, 3:9] = 1
    >>> cube = mesh(Image(labels, "zyx", (0.5, 0.5, 0.5), "mm"), 1)
    >>> cube.unit, cube.is_watertight, round(cube.volume, 1)
    ('mm', True, 26.0)
    """
    image = in_memory(labels)
    return surface(image.data, phase, spacing=image.spacing, unit=image.unit, smooth=smooth, n_faces=n_faces)


def in_memory(labels: Any) -> Image:
    """Return labels of any kind as an image in memory.

    Parameters
    ----------
    labels : Image or array_like
        With one number a voxel.

    Returns
    -------
    Image
        With axes "yx" or "zyx".

    Raises
    ------
    DataError
        If they have channels, another number of axes, or do not fit into memory.
    """
    if isinstance(labels, Image) or is_xarray(labels) or lazy_of(labels) is not None:
        image = as_image(labels)
    else:
        array = np.asanyarray(labels)
        if array.ndim not in (2, 3):
            raise DataError(f"the labels have {array.ndim} axes; give two (y, x) or three (z, y, x)")
        image = Image(array, "zyx"[-array.ndim :])
    if "c" in image.axes:
        raise DataError(f"there are {image.shape[-1]} channels (axes {image.axes}), but labels are one number a voxel")
    if image.is_lazy:
        needed, free = math.prod(image.shape) * (image.dtype.itemsize + WORKING_BYTES), free_memory()
        if needed > free:
            size = " × ".join(f"{n:,}" for n in image.shape)
            raise DataError(
                f"{size} labels of {image.dtype} take {needed / 1e9:.1f} GB to work on, but {free / 1e9:.1f} GB of "
                f"memory are free; cut out a part, or thin them"
            )
    return image.loaded()
