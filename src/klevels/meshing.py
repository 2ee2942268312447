"""Meshes of phases, from labels of any kind."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from klevels.core.mesh import Mesh
from klevels.core.surface import surface
from klevels.errors import DataError
from klevels.image import Image
from klevels.label_images import label_image
from klevels.memory import free_memory
from klevels.recipe import Segmentation

WORKING_BYTES = 4
"""What a voxel takes besides its label: where the phase is, and the triangles of a phase that is not rough."""


def mesh(labels: Segmentation | Image | ArrayLike, phase: int, *, smooth: int = 0, n_faces: int | None = None) -> Mesh:
    """Return the surface of a phase, as triangles.

    Parameters
    ----------
    labels : Segmentation, Image or array_like
        What `segment` returned, or a volume of whole numbers. What is not in memory is loaded.
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
        If the labels are no integers.
    DataError
        If the labels are no volume, negative, or larger than the memory, no voxel is of the phase, or so few
        triangles cannot close it.

    Notes
    -----
    `klevels.core.surface.surface` says how it is done, and what smoothing changes.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((12, 12, 12), np.uint8)
    >>> labels[3:9, 3:9, 3:9] = 1
    >>> cube = mesh(Image(labels, "zyx", (0.5, 0.5, 0.5), "mm"), 1)
    >>> cube.unit, cube.is_watertight, round(cube.volume, 1)
    ('mm', True, 26.0)
    """
    image = label_image(labels)
    if image.is_lazy:
        _check_memory(image)
        image = image.loaded()
    return surface(image.data, phase, spacing=image.spacing, unit=image.unit, smooth=smooth, n_faces=n_faces)


def _check_memory(image: Image) -> None:
    needed, free = math.prod(image.shape) * (image.dtype.itemsize + WORKING_BYTES), free_memory()
    if needed > free:
        size = " × ".join(f"{n:,}" for n in image.shape)
        raise DataError(
            f"{size} labels of {image.dtype} take {needed / 1e9:.1f} GB to work on, but {free / 1e9:.1f} GB of "
            f"memory are free; cut out a part, or thin them"
        )
