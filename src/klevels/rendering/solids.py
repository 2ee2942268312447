"""Phases of a volume as surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.mesh import Mesh
from klevels.core.surface import surface
from klevels.core.table import length_units
from klevels.image import Image
from klevels.rendering.notes import annotate
from klevels.rendering.scene import Scene
from klevels.rendering.subjects import colors_of, is_marked, phases_in, sample_of, thinning

SMOOTH = 20


class Solids:
    """A volume whose phases are drawn in three dimensions.

    Parameters
    ----------
    labels : Image
        With axes "zyx", in memory or not.
    size : tuple of int
        Width and height of a picture.

    Attributes
    ----------
    known : set of int
        The phases of the voxels that are drawn.
    what : str
        Which voxels these are.
    """

    def __init__(self, labels: Image, size: tuple[int, int]) -> None:
        steps = thinning(labels.shape)
        spacing = labels.spacing or (1.0,) * 3
        wide = tuple(one * step for one, step in zip(spacing, steps, strict=True))
        self._image = replace(labels, data=sample_of(labels), spacing=wide)
        self._size = size
        self._unit = length_units(labels.spacing, labels.unit)[0]
        self._note = thinning_note(steps)
        self.known = phases_in(self._image.data, marked=is_marked(labels))
        self.what = f"every voxel that is drawn ({self._note})" if self._note else "every voxel"
        self._colors = colors_of(labels, self.known) if self.known else np.zeros((0, 3), np.uint8)

    def scene(self, phases: Sequence[int], opacities: Sequence[float]) -> Scene:
        """Return some phases, ready to be drawn.

        Parameters
        ----------
        phases : sequence of int
            Which.
        opacities : sequence of float
            One for each.

        Returns
        -------
        Scene
            Of their surfaces.
        """
        spacing: Any = self._image.spacing
        box = [(-step / 2, (n - 0.5) * step) for n, step in zip(self._image.shape, spacing, strict=True)]
        return Scene([self._mesh(phase) for phase in phases], self._colors[list(phases)], opacities, box, self._size)

    def noted(self, phases: Sequence[int], picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
        """Return a picture with its legend and scale bar.

        Parameters
        ----------
        phases : sequence of int
            Which are drawn.
        picture : ndarray of uint8
            As `Scene.draw` returns it.
        scale : float
            Pixels for each unit of length.

        Returns
        -------
        ndarray of uint8
            Of the same shape.
        """
        return annotate(picture, scale, self._unit, phases, self._colors[list(phases)], self._note)

    def _mesh(self, phase: int) -> Mesh:
        return surface(self._image.data, phase, spacing=self._image.spacing, smooth=SMOOTH)


def thinning_note(steps: Sequence[int]) -> str:
    """Return how much of a volume is drawn, in words.

    Parameters
    ----------
    steps : sequence of int
        As `thinning` returns them.

    Returns
    -------
    str
        Empty where all of it is.

    Examples
    --------
    >>> thinning_note((1, 2, 2))
    '1 of 1 × 2 × 2 voxels'
    """
    return "" if max(steps) == 1 else f"1 of {' × '.join(map(str, steps))} voxels"
