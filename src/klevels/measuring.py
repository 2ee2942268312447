"""Measure the phases of labels of any kind: in memory, where they are stored, or in blocks on a cluster."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels import engine
from klevels.blocks import map_blocks, reduce_blocks
from klevels.core.calibration import Calibration
from klevels.core.confusion import check_mask, check_shape
from klevels.core.drift import drift_warnings
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.measures import Measures
from klevels.core.phase_tables import Grid, calibrated, phase_table, profile_tables
from klevels.core.phases import PhaseSums, halo, phase_sums
from klevels.counting import as_mask
from klevels.cutting import alike
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.foreign import lazy_of
from klevels.image import Image
from klevels.memory import Window
from klevels.recipe import Segmentation
from klevels.sources import as_gray_image, as_image
from klevels.workers import Workers

MOST_PHASES = 1024
"""More labels than this are numbers of objects, or gray values."""
CONNECTIVITIES = {2: (4, 8), 3: (6, 18, 26)}


def measure(
    labels: Segmentation | Image | ArrayLike,
    gray: Image | ArrayLike | None = None,
    *,
    mask: Image | ArrayLike | None = None,
    ignore: int | None = None,
    connectivity: int | None = None,
    calibrate: Calibration | str | None = None,
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Measures:
    """Measure the phases of an image: how much there is of each, its gray values, its surface, what hangs together.

    Parameters
    ----------
    labels : Segmentation, Image or array_like
        What `segment` returned, or whole numbers from 0 on, axes "yx" or "zyx", in memory or not.
    gray : Image or array_like, optional
        The gray values of the same voxels. Of a `Segmentation` they are those of its source.
    mask : Image or array_like of bool or int, optional
        Of the same shape: True, or nonzero, where a voxel counts: the region of interest.
    ignore : int, optional
        The label of voxels that are left out. Labels of klevels mark them with 255, or 65535, and need no `ignore`.
    connectivity : {6, 18, 26} or {4, 8}, optional
        How many neighbors a voxel hangs together with; 26 by default, 8 in two dimensions.
    calibrate : Calibration or str, optional
        What gray values mean: "slope,intercept,unit", or two known points, "gray=value,gray=value,unit".
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    memory : int, optional
        What images that are not in memory may take of it at a time, in bytes; at most half of what is free by default.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.

    Returns
    -------
    Measures
        With a row for each phase: those of a `Segmentation`, else the labels that occur.

    Raises
    ------
    DataTypeError
        If labels are no integers.
    DataError
        If a label is negative, there are more than 1,024, shapes differ, no voxel is left, or the gray value of a voxel
        is NaN.
    ParameterError
        If `connectivity` or `calibrate` is out of its range.

    Notes
    -----
    Where the size of a voxel is unknown, lengths are in voxels, and units say so. Fractions are of the voxels that
    count. A surface is where a phase meets another one; where the image or the region of interest ends is none. A
    phase percolates along an axis if one of its components touches the first and the last plane.

    Examples
    --------
    >>> found = measure([[0, 0, 1], [0, 1, 1]])
    >>> found.phases["fraction"], found.phases["n_components"]
    (array([0.5, 0.5]), array([1, 1]))
    """
    workers = Workers(threads, client, memory)
    line = Calibration.parse(calibrate) if isinstance(calibrate, str) else calibrate
    return measure_images(
        labels, gray, as_mask(mask), ignore=ignore, connectivity=connectivity, line=line, workers=workers
    )


def measure_images(
    labels: Any,
    gray: Any,
    mask: Any,
    *,
    ignore: int | None,
    connectivity: int | None,
    line: Calibration | None,
    workers: Workers,
) -> Measures:
    """Measure the phases of an image.

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
    line : Calibration or None
        What gray values mean.
    workers : Workers
        Who does it.

    Returns
    -------
    Measures
        As `measure` returns it.
    """
    known: Sequence[int] | None = None
    grays: Sequence[Histogram | None] | None = None
    n_undecided = 0
    if isinstance(labels, Segmentation):
        n_undecided = int(labels.n_undecided > 0)
        gray = labels.source if gray is None and "c" not in labels.source.axes else gray
        known = range(labels.model.n_classes + bool(labels.n_undecided))
        grays = _split_histogram(labels) if mask is None else None
        labels = labels.labels
    image = label_image(labels)
    check_connectivity(connectivity, image.ndim)
    is_left_out = ignored_label(image, ignore)
    mask = _mask_of(mask, image.shape)
    n_labels, occurring = count_labels(image, mask, is_left_out, workers)
    phases = occurring if known is None else sorted({*known, *occurring})
    n_decided = len(phases) - n_undecided
    grid = Grid(image.shape, image.spacing, image.unit, connectivity or CONNECTIVITIES[image.ndim][-1])
    shades = None if gray is None else _gray_of(gray, image.shape)
    values = None if shades is None else shades.data
    n_labels = max(n_labels, max(phases) + 1)
    gray_range = None if values is None else _range_of(values, mask, workers)
    sums = _sums(
        image.data, values, mask, is_left_out, n_labels, grid, gray_range, workers, with_histograms=grays is None
    )
    if grays is None:
        grays = _finished(sums, phases)
    gray_unit = None if shades is None else shades.meta.get("value_unit")
    table = phase_table(sums, phases, grid, grays, gray_unit)
    profiles = profile_tables(sums, phases, grid, gray_range, gray_unit)
    if n_decided < len(phases):
        decided = phases[:n_decided]  # where voxels are undecided depends on the phases around
        warnings = drift_warnings(
            profile_tables(sums, decided, grid, gray_range, gray_unit),
            phase_table(sums, decided, grid, grays[:n_decided], gray_unit),
        )
    else:
        warnings = drift_warnings(profiles, table)
    if line is not None:
        if values is None:
            raise ParameterError("calibrate is given, but there are no gray values; give the gray image, too (--gray)")
        table, gray_unit = calibrated(table, line), line.unit
        profiles = {name: calibrated(one, line) for name, one in profiles.items()}
    n_voxels = math.prod(image.shape)
    return Measures(
        table,
        profiles,
        warnings=warnings,
        shape=image.shape,
        spacing=image.spacing,
        unit=image.unit,
        gray_unit=gray_unit,
        connectivity=grid.connectivity,
        n_voxels=n_voxels,
        n_ignored=n_voxels - int(sums.tallies.along[0].sum()),
    )


def label_image(given: Any) -> Image:
    """Return labels as an image of uint8 or uint16.

    Parameters
    ----------
    given : Image or array_like
        Whole numbers from 0 on.

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
    image = as_image(given) if not isinstance(given, PathLike | str) else given
    if not isinstance(image, Image):
        raise ParameterError(f"labels are {given!r}; give an image or an array, as klevels.read returns it")
    if "c" in image.axes:
        raise DataError(
            f"the labels have {image.shape[-1]} channels (axes {image.axes}), but labels are one number a voxel; "
            f"convert them"
        )
    if image.dtype.kind not in "biu":
        raise DataTypeError(
            f"labels are {image.dtype}; give integers, such as segment returns, or convert with .astype('uint8')"
        )
    if image.dtype in (np.uint8, np.uint16) and image.dtype.isnative:
        return image
    if not image.is_lazy:
        return replace(image, data=_narrowed(image.data))
    return replace(image, data=map_blocks(_narrowed, image.data, dtype=np.uint16, n_spatial=image.ndim))


def check_connectivity(connectivity: int | None, ndim: int) -> None:
    """Refuse a number of neighbors that there is not.

    Parameters
    ----------
    connectivity : int or None
        How many neighbors a voxel hangs together with.
    ndim : int
        2 or 3.

    Raises
    ------
    ParameterError
        If it is not one of 4 and 8, or of 6, 18 and 26.
    """
    allowed = CONNECTIVITIES[ndim]
    if connectivity is not None and connectivity not in allowed:
        shown = ", ".join(map(str, allowed))
        raise ParameterError(f"connectivity is {connectivity!r}; in {ndim} dimensions use one of {shown}")


def ignored_label(labels: Image, ignore: int | None) -> int | None:
    """Return the label of voxels that are left out.

    Parameters
    ----------
    labels : Image
        As `label_image` returns it.
    ignore : int or None
        What was asked for.

    Returns
    -------
    int or None
        255 or 65535 where the image is known to be of klevels.

    Raises
    ------
    ParameterError
        If it is no label.
    """
    if ignore is not None and (isinstance(ignore, bool) or not isinstance(ignore, int | np.integer) or ignore < 0):
        raise ParameterError(f"ignore is {ignore!r}; give a whole number from 0 on, or None")
    if ignore is None and "label_colors" in labels.meta:
        return int(np.iinfo(labels.dtype).max)
    return None if ignore is None else int(ignore)


def count_labels(labels: Image, mask: Any, ignore: int | None, workers: Workers) -> tuple[int, list[int]]:
    """Return one more than the greatest label, and which labels occur.

    Parameters
    ----------
    labels : Image
        As `label_image` returns it.
    mask : array or None
        Where a voxel counts.
    ignore : int or None
        The label of voxels that are left out.
    workers : Workers
        Who does it.

    Returns
    -------
    n_labels : int
        At most 1,024.
    occurring : list of int
        Increasing.
    """
    data, inside = labels.data, mask
    if not isinstance(data, np.ndarray) or not isinstance(inside, np.ndarray | None):
        data, inside = alike([data, inside], workers)
    counted = engine.count(data, inside, "error", workers)
    found = [int(one) for one in counted.levels.tolist() if one != ignore]
    if not found:
        raise DataError(f"every voxel that counts has the label {ignore} of those left out; nothing is left to measure")
    if len(found) > MOST_PHASES or found[-1] >= 65535:
        raise DataError(
            f"there are {len(found):,} labels up to {found[-1]:,}, like a gray image, or objects; at most "
            f"{MOST_PHASES:,} phases can be measured: segment it first"
        )
    return found[-1] + 1, found


def _narrowed(labels: NDArray[Any]) -> NDArray[Any]:
    if labels.size and labels.dtype.kind != "b":
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high > 65535:
            what, value = ("negative", low) if low < 0 else ("greater than 65,535", high)
            raise DataError(f"a label is {value}, which is {what}; labels are whole numbers from 0 on: renumber them")
    return labels.astype(np.uint16)


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
    data, inside = values, mask
    if not isinstance(data, np.ndarray) or not isinstance(inside, np.ndarray | None):
        data, inside = alike([data, inside], workers)
    counted = engine.count(data, inside, "ignore", workers)
    low, high = float(counted.bounds[0][0]), float(counted.bounds[1][-1])
    return low, high if high > low else low + max(1.0, abs(low))


def _sums(
    labels: Any,
    gray: Any,
    mask: Any,
    ignore: int | None,
    n_labels: int,
    grid: Grid,
    gray_range: tuple[float, float] | None,
    workers: Workers,
    *,
    with_histograms: bool,
) -> PhaseSums:
    part = partial(
        _part,
        n_labels=n_labels,
        ignore=ignore,
        work=partial(
            phase_sums,
            shape=grid.shape,
            connectivity=grid.connectivity,
            spacing=grid.spacing,
            gray_range=gray_range,
            with_histograms=with_histograms,
        ),
    )
    arrays = [labels, gray, mask]
    if all(one is None or isinstance(one, np.ndarray) for one in arrays) and workers.client is None:
        whole = tuple(slice(0, n) for n in grid.shape)
        return _part(0, whole, labels, gray, mask, **part.keywords, threads=workers.threads)
    reach = halo(len(grid.shape))
    found: PhaseSums | None = reduce_blocks(part, operator.add, alike(arrays, workers, reach), workers, halo=reach)
    if found is None:
        raise DataError(f"the labels have shape {grid.shape}; give at least one voxel")
    return found


def _part(
    number: int,
    window: Window,
    labels: NDArray[Any],
    gray: NDArray[Any] | None,
    mask: NDArray[Any] | None,
    *,
    n_labels: int,
    ignore: int | None,
    work: Callable[..., PhaseSums],
    threads: int | None = 1,
) -> PhaseSums:
    del number
    if (mask is not None or ignore is not None) and n_labels > 255:
        labels = labels.astype(np.uint16)  # 255 is a phase, and cannot mark what is left out
    outside = np.iinfo(labels.dtype).max
    if mask is not None:
        labels = np.where(mask, labels, outside)
    if ignore is not None and ignore != outside:
        labels = np.where(labels == ignore, outside, labels)
    return work(np.ascontiguousarray(labels), gray, n_labels=n_labels, window=window, threads=threads)


def _finished(sums: PhaseSums, phases: Sequence[int]) -> list[Histogram | None]:
    if not sums.grays:
        return [None] * len(phases)
    found: list[Histogram | None] = []
    for phase in phases:
        counted, n_infinite = sums.grays[phase].finished()
        n_bad = counted.n_nan + n_infinite
        if n_bad:
            raise DataError(f"the gray value of {n_bad:,} voxels of phase {phase} is no finite number; mask them")
        found.append(counted if counted.n_levels else None)
    return found


def _split_histogram(found: Segmentation) -> list[Histogram | None] | None:
    """Return the gray values of each phase from the histogram of the whole, where they tell the labels."""
    recipe, counted, model = found.recipe, found.histogram, found.model
    if recipe.looks_around or not isinstance(counted, Histogram) or not isinstance(model, Levels):
        return None
    parts: list[Histogram | None] = []
    rest: Histogram | None = counted
    for threshold in model.thresholds.tolist():
        below, rest = (None, None) if rest is None else rest.split(threshold)
        parts.append(below)
    parts.append(rest)
    counts = [0 if part is None else part.n_voxels for part in parts]
    return parts if counts == model.counts.tolist() else None
