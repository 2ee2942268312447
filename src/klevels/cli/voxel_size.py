"""The size of a voxel, as it is given on the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

from cyclopts import Parameter

from klevels.errors import ParameterError
from klevels.image import Image
from klevels.units import short_unit


@Parameter(name="*")
@dataclass(frozen=True)
class VoxelSize:
    """The size of a voxel, where the file does not tell it."""

    spacing: Annotated[
        tuple[str, ...],
        Parameter(
            name="--spacing",
            consume_multiple=True,
            negative=(),
            help="The size of a voxel along z, y and x, or one number for all, in place of what the file tells.",
        ),
    ] = ()
    unit: Annotated[str | None, Parameter(name="--unit", help="Of the size of a voxel, such as µm.")] = None

    def of(self, image: Image) -> Image:
        """Return an image with this size.

        Parameters
        ----------
        image : Image
            As it was read.

        Returns
        -------
        Image
            The same where nothing was asked for.

        Raises
        ------
        ParameterError
            If there is not one positive number, or one for each axis, or a unit without a size.
        """
        if not self.spacing:
            if self.unit is not None and image.spacing is None:
                raise ParameterError(f"--unit is {self.unit}, but the size of a voxel is unknown; give --spacing, too")
            return image if self.unit is None else replace(image, unit=short_unit(self.unit))
        shown = " ".join(self.spacing)
        try:
            sizes = [float(one) for one in shown.replace(",", " ").split()]
        except ValueError:
            sizes = []
        sizes = sizes * image.ndim if len(sizes) == 1 else sizes
        if len(sizes) != image.ndim or not all(0 < size < math.inf for size in sizes):
            raise ParameterError(f"--spacing is {shown}; give one positive number, or {image.ndim}, one for each axis")
        return replace(image, spacing=tuple(sizes), unit=None if self.unit is None else short_unit(self.unit))


AS_READ = VoxelSize()
