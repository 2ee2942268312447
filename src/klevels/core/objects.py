"""Objects: the connected regions of a phase, and their table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.faces import object_faces, surface_areas
from klevels.core.phases import inner_part
from klevels.core.region_parts import Regions, as_volume, gray_means
from klevels.core.region_rows import HIGH, LABEL, LOW, MORE, N_VOXELS, PRODUCTS, SUMS, Rows
from klevels.core.regions import regions
from klevels.core.table import Table, length_units
from klevels.core.volumes import closeness_of
from klevels.errors import ParameterError

AXES = "zyx"
RESOLVED = 5
"""Voxels a side: surfaces are told from as many around."""


def object_regions(
    labels: NDArray[Any],
    gray: NDArray[Any] | None,
    *,
    n_labels: int,
    phases: Sequence[int],
    window: Sequence[slice],
    shape: Sequence[int],
    connectivity: int,
    spacing: Sequence[float] | None,
    gray_range: tuple[float, float] | None = None,
    threads: int | None = None,
) -> Regions:
    """Find the objects of phases in a part of an image, with their surfaces.

    Parameters
    ----------
    labels, gray, n_labels, window, shape, connectivity, spacing, gray_range, threads
        As `phase_sums` takes them.
    phases : sequence of int
        Those whose objects are looked for.

    Returns
    -------
    Regions
        To be merged with those of the other parts.
    """
    owned = inner_part(labels.shape, window)
    inner_gray = None if gray is None else np.ascontiguousarray(gray[owned])
    if inner_gray is not None and inner_gray.dtype.kind in "iu" and inner_gray.dtype.itemsize == 8:
        inner_gray = inner_gray.astype(np.float64)  # whose sums would not fit into 64 bits
    return regions(
        np.ascontiguousarray(labels[owned]),
        n_labels,
        connectivity=connectivity,
        only=phases,
        gray=inner_gray,
        gray_range=gray_range,
        origin=tuple(along.start for along in window),
        shape=tuple(shape),
        more=lambda ids, n: object_faces(labels, n_labels, ids, n, owned=owned, spacing=spacing, threads=threads)[1:],
        threads=threads,
    )


def objects_table(
    regions: Regions,
    phase: int,
    *,
    spacing: tuple[float, ...] | None = None,
    unit: str | None = None,
    gray_unit: str | None = None,
    min_voxels: int = 1,
) -> Table:
    """Measure the connected regions of a phase.

    Parameters
    ----------
    regions : Regions
        Of the whole.
    phase : int
        The label of the phase.
    spacing : tuple of float, optional
        The size of a voxel along each axis; lengths are in voxels without.
    unit : str, optional
        Of the spacing.
    gray_unit : str, optional
        Of the gray values.
    min_voxels : int
        Smaller objects are left out. The numbers of the others stay as they are.

    Returns
    -------
    Table
        A row an object, in raster order of their first voxels: `object`, counted from 1; `n_voxels`; `volume`, or
        `area` in two dimensions; `equivalent_diameter`, that of a sphere or circle as large; `centroid_z`,
        `centroid_y` and `centroid_x`, where 0 is the center of the first voxel of the whole; `bbox_z0`, `bbox_z1` and
        so on, in voxels, half open; `axis_major`, `axis_middle` and `axis_minor`, the lengths of the ellipsoid with the
        same second moments; `direction_z`, `direction_y` and `direction_x` of its longest axis; `touches_border`. Then,
        if they are known, `mean`, of the gray values, and `surface_area` or `perimeter` with `sphericity`: the surface
        of a sphere as large, divided by that of the object. Both are NaN where an object is too small for its surface
        to be resolved, and sphericity where it touches the border, which cuts it.

    Raises
    ------
    ParameterError
        If there is no such phase, the spacing is not one positive number for each axis, `min_voxels` is below 1, or
        regions were only counted.
    DataError
        If windows are missing.

    Notes
    -----
    Surfaces are known of regions that `object_regions` found. They are right within two percent for round objects that
    are 16 voxels wide; of smaller ones edges are rounded, and sphericity may be above 1. None is told below 125 voxels,
    25 in two dimensions, and that of thin plates is too small: see `faces`.

    Second moments are those of the voxels' centers: an object that is one voxel thick has a minor axis of 0. Where
    several axes are longest, the direction is one of them.

    Examples
    --------
    >>> from klevels.core.regions import regions
    >>> labels = np.array([[1, 1, 0, 0], [1, 1, 0, 1]], np.uint8)
    >>> table = objects_table(regions(labels, 2), 1, spacing=(0.5, 0.5), unit="mm")
    >>> table["area"], table.units["area"]
    (array([1.  , 0.25]), 'mm²')
    >>> table["centroid_x"]
    array([0.25, 1.5 ])
    """
    ndim = len(regions.shape)
    _check(regions, phase, min_voxels)
    closeness_of(ndim, spacing)
    sizes = np.array((1.0,) * ndim if spacing is None else spacing, np.float64)
    all_rows = regions.rows
    here = np.flatnonzero(all_rows[:, LABEL] == phase)
    numbers = np.arange(1, len(here) + 1)
    kept = (all_rows[here, N_VOXELS] >= min_voxels).astype(bool)
    rows, numbers, here = all_rows[here[kept]], numbers[kept], here[kept]
    n_voxels = rows[:, N_VOXELS].astype(np.int64)
    content = n_voxels * math.prod(sizes.tolist())
    axes, names = range(3 - ndim, 3), AXES[3 - ndim :]
    centers, covariances = _moments(rows)
    means = centers[:, 3 - ndim :] * sizes
    lengths, directions = _ellipsoids(covariances[:, 3 - ndim :, 3 - ndim :] * sizes[:, None] * sizes)

    length, area, volume = length_units(spacing, unit)
    content_name, content_unit = ("volume", volume) if ndim == 3 else ("area", area)
    columns: dict[str, NDArray[Any]] = {"object": numbers, "n_voxels": n_voxels, content_name: content}
    units = {content_name: content_unit, "equivalent_diameter": length}
    columns["equivalent_diameter"] = _diameters(content, ndim)
    for i, name in enumerate(names):
        columns[f"centroid_{name}"] = means[:, i]
        units[f"centroid_{name}"] = length
    for axis, name in zip(axes, names, strict=True):
        columns[f"bbox_{name}0"] = rows[:, LOW.start + axis].astype(np.int64)
        columns[f"bbox_{name}1"] = rows[:, HIGH.start + axis].astype(np.int64)
    for i, name in enumerate(
        ("axis_major", "axis_middle", "axis_minor") if ndim == 3 else ("axis_major", "axis_minor")
    ):
        columns[name] = lengths[:, i]
        units[name] = length
    for i, name in enumerate(names):
        columns[f"direction_{name}"] = directions[:, i]
    columns["touches_border"] = _at_border(rows, regions.shape)
    if regions.has_gray:
        columns["mean"] = gray_means(regions, rows)
        if gray_unit is not None:
            units["mean"] = gray_unit
    if all_rows.shape[1] > MORE.start:
        name = "surface_area" if ndim == 3 else "perimeter"
        surfaces = surface_areas(rows[:, MORE].astype(np.int64), tuple(sizes.tolist()))
        columns[name] = np.where(n_voxels >= RESOLVED**ndim, surfaces, math.nan)
        units[name] = area if ndim == 3 else length
        diameters = columns["equivalent_diameter"]
        ball = math.pi * (diameters**2 if ndim == 3 else diameters)
        is_whole = (columns[name] > 0) & ~columns["touches_border"]
        columns["sphericity"] = np.divide(ball, columns[name], out=np.full(len(rows), math.nan), where=is_whole)
    return Table(columns, units)


def _check(regions: Regions, phase: int, min_voxels: int) -> None:
    regions.check_whole()
    if regions.summary:
        raise ParameterError("the regions were only counted; find them without summary")
    if not 0 <= phase < regions.n_labels:
        raise ParameterError(f"phase is {phase}; give one from 0 to {regions.n_labels - 1}")
    if min_voxels < 1:
        raise ParameterError(f"min_voxels is {min_voxels}; give 1 or more")


def _moments(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the covariance of coordinates; whole numbers as long as large ones cancel."""
    n, sums = rows[:, N_VOXELS], rows[:, SUMS]
    near = sums // n[:, None]
    rest = np.asarray((sums - n[:, None] * near) / n[:, None], np.float64)
    covariances = np.empty((len(rows), 3, 3))
    column = PRODUCTS.start
    for a in range(3):
        for b in range(a, 3):
            # int64 may wrap around on the way; what is left does not
            product = rows[:, column] - near[:, a] * sums[:, b] - near[:, b] * sums[:, a] + n * near[:, a] * near[:, b]
            covariances[:, a, b] = np.asarray(product / n, np.float64) - rest[:, a] * rest[:, b]
            covariances[:, b, a] = covariances[:, a, b]
            column += 1
    return near.astype(np.float64) + rest, covariances


def _ellipsoids(covariances: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the axes of ellipsoids, the longest first, and the direction of that."""
    ndim = covariances.shape[-1]
    if len(covariances) == 0:
        return np.empty((0, ndim)), np.empty((0, ndim))
    variances, vectors = np.linalg.eigh(covariances)
    variances = variances[:, ::-1]
    # What rounding leaves of a flat object's thickness would be a length of its root.
    variances = np.where(variances > 1e-12 * variances[:, :1], variances, 0.0)
    directions = vectors[:, :, -1]
    strongest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return 2 * np.sqrt((ndim + 2) * variances), directions * np.sign(strongest)


def _diameters(content: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    if ndim == 3:
        return np.cbrt(content * (6 / math.pi))
    return np.sqrt(content * (4 / math.pi))


def _at_border(rows: Rows, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    axes = slice(3 - len(shape), 3)
    touches = (rows[:, LOW][:, axes] == 0) | (rows[:, HIGH][:, axes] == np.array(as_volume(shape)[axes]))
    found: NDArray[np.bool_] = touches.astype(bool).any(axis=1)
    return found
