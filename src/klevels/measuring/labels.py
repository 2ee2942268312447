"""Labels that are to be measured, and what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    ignore : int or None
        The label of voxels that are left out.
    grid : Grid
        The grid of voxels.
    phases : tuple of int
        The labels that have a row.
    decided : tuple of int
        Those without the class of undecided voxels.
    n_labels : int
        One more than the greatest of them.
    gray_range : tuple of float or None
        Between which gray values lie; None for small integers, which are added as they are.
    """

    labels: Image
    gray: Image | None
    mask: Any
    ignore: int | None
    grid: Grid
    phases: tuple[int, ...]
    decided: tuple[int, ...]
    n_labels: int
    gray_range: tuple[float, float] | None

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
        Checked.
    """
    known: Sequence[int] = ()
    n_undecided = 0
    if isinstance(labels, Segmentation):
        n_undecided = int(labels.n_undecided > 0)
        gray = labels.source if gray is None and "c" not in labels.source.axes else gray
        known = range(labels.model.n_classes + n_undecided)
    image = label_image(labels)
    _check_connectivity(connectivity, image.ndim)
    is_left_out = _ignored_label(image, ignore)
    inside = _mask_of(mask, image.shape)
    occurring = _occurring(image, inside, is_left_out, workers)
    phases = tuple(sorted({*known, *occurring}))
    shades = None if gray is None else _gray_of(gray, image.shape)
    return Labeled(
        image,
        shades,
        inside,
        is_left_out,
        Grid(image.shape, image.spacing, image.unit, connectivity or CONNECTIVITIES[image.ndim][-1]),
        phases,
        phases[: len(phases) - n_undecided],
        phases[-1] + 1,
        None if shades is None else _range_of(shades.data, inside, workers),
    )


def _check_connectivity(connectivity: int | None, ndim: int) -> None:
    allowed = CONNECTIVITIES[ndim]
    if connectivity is not None and connectivity not in allowed:
        shown = ", ".join(map(str, allowed))
        raise ParameterError(f"connectivity is {connectivity!r}; in {ndim} dimensions use one of {shown}")


def _ignored_label(labels: Image, ignore: int | None) -> int | None:
    """Return the label of voxels that are left out: 255 or 65535 where the image is known to be of klevels."""
    if ignore is not None and (isinstance(ignore, bool) or not isinstance(ignore, int | np.integer) or ignore < 0):
        raise ParameterError(f"ignore is {ignore!r}; give a whole number from 0 on, or None")
    if ignore is None and "label_colors" in labels.meta:
        return int(np.iinfo(labels.dtype).max)
    return None if ignore is None else int(ignore)


def _occurring(labels: Image, mask: Any, ignore: int | None, workers: Workers) -> list[int]:
    """Return the labels that occur, increasing."""
    counted = engine.count(*_cut(labels.data, mask, workers), "error", workers)
    found = [int(one) for one in counted.levels.tolist() if one != ignore]
    if not found:
        raise DataError(f"every voxel that counts has the label {ignore} of those left out; nothing is left to measure")
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


def _range_of(values: Any, mask: Any, workers: Workers) -> tuple[float, float] | None:
    """Return the range on whose grid gray values are added up; None for small integers, which are added as they are."""
    if values.dtype.kind in "biu" and values.dtype.itemsize <= 2:
        return None
    counted = engine.count(*_cut(values, mask, workers), "ignore", workers)
    low, high = float(counted.bounds[0][0]), float(counted.bounds[1][-1])
    return low, high if high > low else low + max(1.0, abs(low))


def _cut(values: Any, mask: Any, workers: Workers) -> tuple[Any, Any]:
    """Return both in the same blocks, unless they are in memory."""
    if isinstance(values, np.ndarray) and isinstance(mask, np.ndarray | None):
        return values, mask
    cut_values, cut_mask = alike([values, mask], workers)
    return cut_values, cut_mask
