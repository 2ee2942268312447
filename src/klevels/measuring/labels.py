"""Labels that are to be measured, and what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from klevels import engine
from klevels.core.confusion import check_mask, check_shape
from klevels.core.phase_tables import Grid
from klevels.cutting import alike
from klevels.errors import DataError, ParameterError
from klevels.foreign import lazy_of
from klevels.image import Image
from klevels.label_images import label_image
from klevels.recipe import Segmentation
from klevels.sources import as_gray_image
from klevels.workers import Workers

MOST_PHASES = 1024
"""More labels than this are numbers of objects, or gray values."""
CONNECTIVITIES = {2: (4, 8), 3: (6, 18, 26)}


@dataclass(frozen=True, eq=False)
class Labeled:
    """Labels, and what belongs to them.

    Parameters
    ----------
    labels : Image
        Of uint8 or uint16, in memory or not.
    gray : Image or None
        The gray values of the same voxels.
    mask : array or None
        Where a voxel counts.
    grid : Grid
        The grid of voxels.
    phases : tuple of int
        The labels that have a row, increasing; voxels of any other label are left out.
    n_decided : int
        How many of them are not the class of undecided voxels, which is the last.
    gray_range : tuple of float or None
        Between which gray values lie; None for small integers, which are added as they are.
    """

    labels: Image
    gray: Image | None
    mask: Any
    grid: Grid
    phases: tuple[int, ...]
    n_decided: int
    gray_range: tuple[float, float] | None = None

    @property
    def gray_unit(self) -> str | None:
        """Of the gray values."""
        return None if self.gray is None else self.gray.meta.get("value_unit")

    @property
    def arrays(self) -> tuple[Any, Any, Any]:
        """Labels, gray values and mask."""
        return self.labels.data, None if self.gray is None else self.gray.data, self.mask


def labeled(
    labels: Any, gray: Any, mask: Any, *, ignore: int | None, connectivity: int | None, workers: Workers
) -> Labeled:
    """Look at what is to be measured.

    Parameters
    ----------
    labels, gray : Segmentation, Image or array_like
        As `measure` takes them.
    mask : array or None
        Where a voxel counts.
    ignore : int or None
        The label of voxels that are left out.
    connectivity : int or None
        How many neighbors a voxel hangs together with.
    workers : Workers
        Who does it.

    Returns
    -------
    Labeled
        Checked; the range of the gray values is not known yet.
    """
    known: Sequence[int] = ()
    n_undecided = 0
    if isinstance(labels, Segmentation):
        n_undecided = int(labels.n_undecided > 0)
        gray = labels.source if gray is None and "c" not in labels.source.axes else gray
        known = range(labels.model.n_classes + n_undecided)
    image = label_image(labels)
    _check_connectivity(connectivity, image.ndim)
    left_out = _left_out(image, ignore)
    shades = None if gray is None else _gray_of(gray, image.shape)
    inside = _mask_of(mask, image.shape)
    image, inside = _unmasked(image, inside)
    shades, inside = (None, inside) if shades is None else _unmasked(shades, inside)
    phases = tuple(sorted({*known, *_occurring(image, inside, left_out, workers)} - left_out))
    grid = Grid(image.shape, image.spacing, image.unit, connectivity or CONNECTIVITIES[image.ndim][-1])
    return Labeled(image, shades, inside, grid, phases, len(phases) - n_undecided)


def _check_connectivity(connectivity: int | None, ndim: int) -> None:
    allowed = CONNECTIVITIES[ndim]
    if connectivity is not None and (isinstance(connectivity, float) or connectivity not in allowed):
        shown = ", ".join(map(str, allowed))
        raise ParameterError(f"connectivity is {connectivity!r}; in {ndim} dimensions use one of {shown}")


def _left_out(labels: Image, ignore: int | None) -> set[int]:
    """Return the labels of voxels that do not count: those asked for, and the mark of klevels."""
    if ignore is not None and (isinstance(ignore, bool) or not isinstance(ignore, int | np.integer) or ignore < 0):
        raise ParameterError(f"ignore is {ignore!r}; give a whole number from 0 on, or None")
    asked = set() if ignore is None else {int(ignore)}
    return asked | ({int(np.iinfo(labels.dtype).max)} if "label_colors" in labels.meta else set())


def _occurring(labels: Image, mask: Any, left_out: set[int], workers: Workers) -> list[int]:
    """Return the labels that occur, increasing."""
    data, inside = labels.data, mask
    if not isinstance(data, np.ndarray) or not isinstance(inside, np.ndarray | None):
        data, inside = alike([data, inside], workers)
    counted = engine.count(data, inside, "error", workers)
    found = [int(one) for one in counted.levels.tolist() if one not in left_out]
    if not found:
        raise DataError(
            f"every voxel that counts has a label of those left out ({', '.join(map(str, sorted(left_out)))}); nothing "
            f"is left to measure"
        )
    if len(found) > MOST_PHASES or found[-1] >= 65535:
        raise DataError(
            f"there are {len(found):,} labels up to {found[-1]:,}, like a gray image, or objects; at most "
            f"{MOST_PHASES:,} phases can be measured: segment it first"
        )
    return found


def _mask_of(mask: Any, shape: tuple[int, ...]) -> Any:
    if mask is None:
        return None
    lazy = lazy_of(mask)
    array = np.asarray(mask) if lazy is None else lazy
    check_mask(array.dtype)
    check_shape("mask", array.shape, shape)
    return array


def _gray_of(gray: Any, shape: tuple[int, ...]) -> Image:
    image = as_gray_image(gray)
    check_shape("gray image", image.shape, shape)
    return image


def _unmasked(image: Image, mask: Any) -> tuple[Image, Any]:
    """Return an image without the mask of a masked array, which joins the other one."""
    if not np.ma.isMaskedArray(image.data):
        return image, mask
    inside = ~np.ma.getmaskarray(image.data)
    if mask is not None:
        inside &= np.asarray(mask).astype(bool)
    return replace(image, data=np.ma.getdata(image.data)), inside
