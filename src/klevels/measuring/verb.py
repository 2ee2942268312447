"""The verb measure: from labels to tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from klevels.core.calibration import Calibration, as_calibration
from klevels.core.drift import drift_warnings
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.measures import Measures
from klevels.core.objects import objects_table
from klevels.core.phase_tables import calibrated, phase_table, profile_tables, with_thickness
from klevels.core.phases import PhaseSums
from klevels.core.table import Table
from klevels.core.thickness import local_thickness
from klevels.counting import as_mask
from klevels.errors import DataError, ParameterError
from klevels.image import Image
from klevels.label_images import as_phases
from klevels.measuring.labels import Labeled, labeled
from klevels.measuring.passes import objects_of, phases_of, with_range
from klevels.recipe import Segmentation
from klevels.workers import Workers

MANY_PHASES = 64
"""So many are rarely meant."""
THICKNESS_BYTES = 24
"""What local thickness takes for each voxel."""


def measure(
    labels: Segmentation | Image | ArrayLike,
    gray: Image | ArrayLike | None = None,
    *,
    mask: Image | ArrayLike | None = None,
    ignore: int | None = None,
    connectivity: int | None = None,
    calibrate: Calibration | str | None = None,
    objects: int | Sequence[int] = (),
    min_voxels: int = 1,
    thickness: int | Sequence[int] = (),
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Measures:
    """Measure the phases of an image: how much there is of each, its gray values, its surface, what hangs together.

    On request its objects, too, the connected regions of a phase, each with its size and shape.

    Parameters
    ----------
    labels : Segmentation, Image or array_like
        What `segment` returned, or whole numbers from 0 on, axes "yx" or "zyx", in memory or not.
    gray : Image or array_like, optional
        The gray values of the same voxels. Of a `Segmentation` they are those of its source.
    mask : Image or array_like of bool or int, optional
        Of the same shape: True, or nonzero, where a voxel counts: the region of interest.
    ignore : int, optional
        The label of voxels that are left out. Those of a `Segmentation` are known; labels read from a file by
        `klevels.read` need it: klevels marks such voxels with the greatest number of the dtype, 255 or 65535.
    connectivity : {6, 18, 26} or {4, 8}, optional
        How many neighbors a voxel hangs together with; 26 by default, 8 in two dimensions.
    calibrate : Calibration or str, optional
        What gray values mean: "slope,intercept,unit", or two known points, "gray=value,gray=value,unit".
    objects : int or sequence of int, optional
        The phases whose objects are measured one by one.
    min_voxels : int
        Smaller objects are left out.
    thickness : int or sequence of int, optional
        The phases whose local thickness is told: see `local_thickness`. These must fit into memory.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    memory : int, optional
        What images that are not in memory may take of it at a time, in bytes; at most half of what is free by default.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.

    Returns
    -------
    Measures
        With a row for each phase: those of a `Segmentation`, else the labels that occur; and with tables of objects.

    Raises
    ------
    DataTypeError
        If labels are no integers.
    DataError
        If a label is negative, there are more than 1,024, shapes differ, no voxel is left, the gray value of a voxel is
        NaN, or there is no phase that objects or thickness are asked of.
    ParameterError
        If `connectivity`, `calibrate` or `min_voxels` is out of its range.
    MissingDependencyError
        If edt is missing, which tells local thickness.

    Notes
    -----
    Where the size of a voxel is unknown, lengths are in voxels, and units say so. Fractions are of the voxels that
    count. A surface is where a phase meets another one; where the image or the region of interest ends is none. A
    phase percolates along an axis if one of its components touches the first and the last plane.

    Objects take some 300 bytes of memory each, however large the image is. Local thickness is found in memory.

    Examples
    --------
    >>> found = measure([[0, 0, 1], [0, 1, 1]])
    >>> found.phases["fraction"], found.phases["n_components"]
    (array([0.5, 0.5]), array([1, 1]))
    >>> measure([[0, 0, 1], [1, 0, 0]], objects=1, connectivity=4).objects[1]["area"]
    array([1., 1.])
    """
    wanted = Wanted(
        ignore, connectivity, as_calibration(calibrate), as_phases(objects), min_voxels, as_phases(thickness)
    )
    return measure_images(labels, gray, as_mask(mask), wanted, Workers(threads, client, memory))


@dataclass(frozen=True)
class Wanted:
    """What is to be measured, and how.

    Parameters
    ----------
    ignore : int or None
        The label of voxels that are left out.
    connectivity : int or None
        How many neighbors a voxel hangs together with.
    line : Calibration or None
        What gray values mean.
    objects : tuple of int
        The phases whose objects are measured.
    min_voxels : int
        Smaller ones are left out.
    thickness : tuple of int
        The phases whose local thickness is told.
    most_objects : int
        Objects are measured of phases that have no more than so many, too.
    """

    ignore: int | None = None
    connectivity: int | None = None
    line: Calibration | None = None
    objects: tuple[int, ...] = ()
    min_voxels: int = 1
    thickness: tuple[int, ...] = ()
    most_objects: int = 0


def measure_images(labels: Any, gray: Any, mask: Any, wanted: Wanted, workers: Workers) -> Measures:
    """Measure the phases of an image.

    Parameters
    ----------
    labels, gray : Segmentation, Image or array_like
        As `measure` takes them.
    mask : array or None
        Where a voxel counts.
    wanted : Wanted
        What is measured.
    workers : Workers
        Who does it.

    Returns
    -------
    Measures
        As `measure` returns it.
    """
    known = None
    if isinstance(labels, Segmentation) and gray is None and mask is None and wanted.ignore is None:
        known = _split_histogram(labels)
    what = labeled(labels, gray, mask, ignore=wanted.ignore, connectivity=wanted.connectivity, workers=workers)
    _check(wanted, what)
    what = with_range(what, workers)
    sums = phases_of(what, workers, with_histograms=known is None)
    grays = known or _finished(sums, what.phases)
    table = phase_table(sums, what.phases, what.grid, grays, what.gray_unit)
    few = table["phase"][(table["n_components"] > 0) & (table["n_components"] <= wanted.most_objects)]
    objects = _objects(what, sorted({*wanted.objects, *few.tolist()}), wanted.min_voxels, workers)
    profiles = profile_tables(sums, what.phases, what.grid, what.gray_range, what.gray_unit)
    gray_unit = what.gray_unit
    if wanted.line is not None:
        line, gray_unit = wanted.line, wanted.line.unit
        table = calibrated(table, line)
        profiles = {name: calibrated(one, line) for name, one in profiles.items()}
        objects = {phase: calibrated(one, line) for phase, one in objects.items()}
    warnings = (*_doubts(what), *drift_warnings(profiles, table, what.n_decided))
    table = with_thickness(table, _thicknesses(what, wanted.thickness, workers), what.grid)
    n_voxels = math.prod(what.grid.shape)
    return Measures(
        table,
        profiles,
        objects,
        warnings,
        shape=what.grid.shape,
        spacing=what.grid.spacing,
        unit=what.grid.unit,
        gray_unit=gray_unit,
        connectivity=what.grid.connectivity,
        n_voxels=n_voxels,
        n_ignored=n_voxels - int(sums.tallies.along[0].sum()),
    )


def _check(wanted: Wanted, what: Labeled) -> None:
    for phase in (*wanted.objects, *wanted.thickness):
        if phase not in what.phases:
            known = ", ".join(map(str, what.phases[:16])) + (", …" if len(what.phases) > 16 else "")
            raise DataError(f"no voxel is of phase {phase}; there are {known}")
    if not isinstance(wanted.min_voxels, int | np.integer) or wanted.min_voxels < 1:
        raise ParameterError(f"min_voxels is {wanted.min_voxels!r}; give a whole number from 1 on")
    if wanted.line is not None and what.gray is None:
        raise ParameterError("calibrate is given, but there are no gray values; give the gray image, too (--gray)")


def _doubts(what: Labeled) -> list[str]:
    found = []
    if what.grid.spacing is None:
        found.append("the size of a voxel is unknown: lengths, areas and volumes are in voxels")
    if len(what.phases) > MANY_PHASES:
        found.append(f"there are {len(what.phases)} phases, as many as gray values; a gray image is segmented first")
    return found


def _objects(what: Labeled, phases: Sequence[int], min_voxels: int, workers: Workers) -> dict[int, Table]:
    if not phases:
        return {}
    found, grid = objects_of(what, phases, workers), what.grid
    units = {"unit": grid.unit, "gray_unit": what.gray_unit}
    return {
        phase: objects_table(found, what.phases.index(phase), spacing=grid.spacing, **units, min_voxels=min_voxels)
        for phase in phases
    }


def _thicknesses(what: Labeled, phases: Sequence[int], workers: Workers) -> dict[int, Any]:
    """Return the local thickness of the voxels of phases."""
    if not phases:
        return {}
    data, _, mask = what.arrays
    needed = THICKNESS_BYTES * math.prod(what.grid.shape)
    if not isinstance(data, np.ndarray) and needed > workers.budget:
        raise DataError(
            f"local thickness takes {needed / 1e9:.1f} GB of memory here, and may have {workers.budget / 1e9:.1f} GB; "
            f"crop the labels, or give more (--memory)"
        )
    labels = np.asarray(data)
    counts = np.isin(labels, what.phases)
    if mask is not None:
        counts &= np.asarray(mask, np.bool_)
    found = {}
    for phase in phases:
        here = (labels == phase) & counts
        if (here | ~counts).all():
            raise DataError(f"every voxel is of phase {phase}: it has no end that would tell its thickness")
        one = local_thickness(here, left_out=~counts, spacing=what.grid.spacing, threads=workers.threads)
        found[phase] = one[here]
    return found


def _finished(sums: PhaseSums, phases: Sequence[int]) -> list[Histogram | None]:
    if not sums.grays:
        return [None] * len(phases)
    found: list[Histogram | None] = []
    for phase, one in zip(phases, sums.grays, strict=True):
        counted, n_infinite = one.finished()
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
