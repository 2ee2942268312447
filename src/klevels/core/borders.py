"""Border voxels: labeled as a phase that lies between two others in gray, though none of it is there."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.voxels import check_dtype, count_threads
from klevels.errors import DataError, DataTypeError, ParameterError

REACH = 2
"""How far from a border voxel both phases begin, in voxels: enough for blurs up to a standard deviation of 1.5."""
SPREAD = 102
"""Of 255: how far the grays of border voxels lie from their centers on average, at least. It is 0.4 of the way to the
next class: mixtures lie half of the way on average, the grays of a phase that is there near its center."""
GROUP = 8
"""Classes that are looked for at once, as the bits of a byte."""
FIRST_BIT = np.array([(bits & -bits).bit_length() - 1 for bits in range(1 << GROUP)])
LAST_BIT = np.array([bits.bit_length() - 1 for bits in range(1 << GROUP)])
VOXELS_AT_ONCE = 1 << 20

Labels = NDArray[Any]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


def resolve_borders(
    values: NDArray[Any],
    labels: Labels,
    centers: ArrayLike,
    *,
    undecided: int | None = None,
    inside: Flags | None = None,
    spacing: Sequence[float] | None = None,
    threads: int | None = None,
) -> Labels:
    """Give voxels that only mix a darker and a brighter phase to one of the two.

    Parameters
    ----------
    values : ndarray, shape (y, x) or (z, y, x)
        Gray values, of any dtype that `histogram` takes.
    labels : ndarray of uint8 or uint16
        Of the shape of `values`: 0 to k - 1, ascending with gray. 255, or 65535, marks voxels that are left out.
    centers : array_like of float, shape (k,)
        The gray of each class, increasing.
    undecided : int, optional
        The label that border voxels get, one that no class has. By default each gets the label of a phase.
    inside : ndarray of bool, optional
        True where a voxel counts; all do by default.
    spacing : sequence of float, optional
        The size of a voxel along each axis, of which only the ratios matter; all equal by default.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    ndarray of uint8 or uint16
        New labels, of the dtype and shape of `labels`. Voxels that are left out, and NaN, keep theirs and take no part.

    Raises
    ------
    ParameterError
        If the centers do not increase, `undecided` is the label of a class or of voxels left out, or the spacing is not
        a positive number for each axis.
    DataError
        If the arrays have other than two or three axes, or not the same shape; or if there is a label without a center.
    DataTypeError
        If the values have no gray levels, the labels are neither uint8 nor uint16, or `inside` is not bool.

    Notes
    -----
    Blur mixes the grays of two phases along their border, and where a third lies between them, the mixture is labeled
    as that one [1]_. A voxel of class c is a border voxel if

    - it is not part of a region of class c that is at least 3 voxels wide along every axis (the opening of the class by
      a box of 3 voxels a side), and does not touch one either;
    - within 2 voxels there are such regions of a darker and of a brighter class; the next to c in gray are taken;
    - the grays of all such voxels within 2 voxels lie, on average, at least 0.4 of the way from the center of their
      class to the middle between it and the next class. Mixtures lie anywhere between, half of the way on average; a
      thin layer of a phase that is there lies near its center, and stays.

    The grays around a border voxel thus span at least half of the distance between the two phases, if the labels are by
    thresholds halfway between centers. It gets the class of the nearer center; the darker, if both are equally near.
    Across slices that are s times as thick as the finest axis, 2 voxels are 2 / s, rounded, and at least one. At the
    ends of the array neighborhoods end, too. With fewer than three classes there is nothing between.

    The third condition tells mixtures from a noisy phase only where noise is small: denoise first where its standard
    deviation is above a quarter of the distance between two centers.

    References
    ----------
    .. [1] S. Schlüter et al., "Image processing of multiphase images obtained via X-ray microtomography: A review",
       Water Resources Research 50(4), 2014.

    Examples
    --------
    >>> rows = np.array([10, 10, 10, 30, 70, 90, 90, 90])
    >>> values = np.repeat(rows[:, np.newaxis], 5, axis=1)
    >>> labels = np.digitize(values, [25, 75]).astype(np.uint8)
    >>> labels[:, 0], resolve_borders(values, labels, [10, 50, 90])[:, 0]
    (array([0, 0, 0, 1, 1, 2, 2, 2], dtype=uint8), array([0, 0, 0, 0, 2, 2, 2, 2], dtype=uint8))
    """
    from concurrent.futures import ThreadPoolExecutor  # most of what a light import costs

    _check_arrays(values, labels, inside)
    grays = _checked_centers(centers)
    _check_labels(labels, len(grays), undecided)
    n_threads, reach = count_threads(threads), _reach(labels.ndim, spacing)
    native = labels.astype(labels.dtype.newbyteorder("="), order="C", subok=False)
    if len(grays) < 3:
        return native
    scene = _Scene(np.ascontiguousarray(values), native, inside, grays, undecided, reach)
    out, n_rows = np.empty_like(native), len(native)
    step = min(VOXELS_AT_ONCE * n_rows // native.size, -(-n_rows // n_threads))
    step = max(step, 2 * _halo(reach)[0])  # long enough against what is looked at beyond
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(scene.resolve, first, first + step, out) for first in range(0, n_rows, step)]:
            done.result()
    return out


def halo(ndim: int, *, spacing: Sequence[float] | None = None) -> tuple[int, ...]:
    """Return how far the label of a voxel looks.

    Parameters
    ----------
    ndim : int
        2 or 3.
    spacing : sequence of float, optional
        As in `resolve_borders`.

    Returns
    -------
    tuple of int
        Voxels, along each axis.

    Raises
    ------
    ParameterError
        If the spacing is not a positive number for each axis.

    Examples
    --------
    >>> halo(3), halo(3, spacing=(3, 1, 1))
    ((6, 6, 6), (4, 6, 6))
    """
    return _halo(_reach(ndim, spacing))


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What is given, after a check."""

    values: NDArray[Any]
    labels: Labels
    inside: Flags | None
    centers: NDArray[np.float64]
    undecided: int | None
    reach: tuple[int, ...]

    def resolve(self, first: int, last: int, out: Labels) -> None:
        """Fill some rows, or slices, of `out`."""
        start = max(0, first - _halo(self.reach)[0])
        window = slice(start, last + _halo(self.reach)[0])
        resolved = self.labels[window].copy()
        where, into = self._borders(self.values[window].reshape(-1), resolved, self._left_out(window))
        resolved.reshape(-1)[where] = into
        out[first:last] = resolved[first - start : last - start]

    def _left_out(self, window: slice) -> Flags | None:
        """Return where voxels do not count; None if all do."""
        left_out = self.labels[window] == np.iinfo(self.labels.dtype).max
        if self.inside is not None:
            left_out |= ~self.inside[window]
        if self.values.dtype.kind == "f":
            left_out |= np.isnan(self.values[window])
        return left_out if left_out.any() else None

    def _borders(self, values: NDArray[Any], labels: Labels, left_out: Flags | None) -> tuple[Indices, Indices]:
        """Return which voxels are border voxels, and their new labels."""
        k = len(self.centers)
        wide = _opened(labels, left_out)
        thin = ~wide & (labels > 0) & (labels < k - 1)
        if left_out is not None:
            thin &= ~left_out
        where = np.flatnonzero(thin)
        own = labels.reshape(-1)[where].astype(np.int64)
        darker, brighter, beside = self._neighbors(labels, wide, where, own)
        between = (darker >= 0) & (brighter < k) & ~beside
        where, own, darker, brighter = where[between], own[between], darker[between], brighter[between]
        grays = values[where].astype(np.float64)
        mixed = self._mixed(grays, own, where, labels.shape)
        where, grays, darker, brighter = where[mixed], grays[mixed], darker[mixed], brighter[mixed]
        if self.undecided is not None:
            return where, np.full_like(where, self.undecided)
        with np.errstate(over="ignore"):  # to infinity, which compares as it should
            return where, np.where(grays - self.centers[darker] <= self.centers[brighter] - grays, darker, brighter)

    def _neighbors(self, labels: Labels, wide: Flags, where: Indices, own: Indices) -> tuple[Indices, Indices, Flags]:
        """Return the next darker and brighter class in reach, -1 and k for none, and whether the own one is beside."""
        k = len(self.centers)
        darker, brighter, beside = np.full_like(own, -1), np.full_like(own, k), np.zeros(own.shape, np.bool_)
        for first in range(0, k, GROUP):
            here = wide if k <= GROUP else wide & (labels // GROUP == first // GROUP)
            if not here.any():
                continue
            place = (labels % GROUP).astype(np.uint8)
            bits = _over_box(np.left_shift(here, place, dtype=np.uint8), (1,) * labels.ndim, np.bitwise_or)
            below = (1 << np.clip(own - first, 0, GROUP)) - 1
            up_to = (1 << np.clip(own - first + 1, 0, GROUP)) - 1
            beside |= (bits.reshape(-1)[where] & up_to & ~below) > 0
            bits = _over_box(bits, [length - 1 for length in self.reach], np.bitwise_or)
            near = bits.reshape(-1)[where]
            np.maximum(darker, first + LAST_BIT[near & below], out=darker, where=(near & below) > 0)
            np.minimum(brighter, first + FIRST_BIT[near & ~up_to], out=brighter, where=(near & ~up_to) > 0)
        return darker, brighter, beside

    def _mixed(self, grays: NDArray[np.float64], own: Indices, where: Indices, shape: tuple[int, ...]) -> Flags:
        """Tell mixtures from a thin phase: their grays lie anywhere in their class."""
        halves = np.maximum(np.diff(self.centers / 2), np.finfo(np.float64).tiny)
        with np.errstate(over="ignore"):
            away = grays - self.centers[own]
            ways = np.minimum(np.abs(away) / halves[own - (away < 0)], 1.0)
        far = np.zeros(math.prod(shape), np.int16)  # in whole numbers, so that sums are exact
        far[where] = np.floor(255 * ways) - SPREAD
        summed = _over_box(far.reshape(shape), self.reach, np.add)
        return summed.reshape(-1)[where] >= 0


def _opened(labels: Labels, left_out: Flags | None) -> Flags:
    """Return which voxels are part of a box of 3 voxels a side of one class, voxels that are left out apart."""
    once = (1,) * labels.ndim
    low = labels if left_out is None else np.where(left_out, np.iinfo(labels.dtype).max, labels)
    high = labels if left_out is None else np.where(left_out, 0, labels)
    equal = _over_box(low, once, np.minimum) == _over_box(high, once, np.maximum)
    if left_out is None:
        return _over_box(equal, once, np.logical_or)
    return _over_box(equal & ~left_out, once, np.logical_or) & ~left_out


def _over_box(field: NDArray[Any], reach: Sequence[int], combine: np.ufunc) -> NDArray[Any]:
    """Combine each voxel with those in reach, along one axis after the other; neighborhoods end with the array."""
    for axis, length in enumerate(reach):
        combined = field.copy()
        for step in range(1, length + 1):
            before, after = [slice(None)] * field.ndim, [slice(None)] * field.ndim
            before[axis], after[axis] = slice(None, -step), slice(step, None)
            lower, upper = tuple(before), tuple(after)
            combine(combined[upper], field[lower], out=combined[upper])
            combine(combined[lower], field[upper], out=combined[lower])
        field = combined
    return field


def _reach(ndim: int, spacing: Sequence[float] | None) -> tuple[int, ...]:
    sizes = [1.0] * ndim if spacing is None else [float(size) for size in spacing]
    if len(sizes) != ndim or not all(0 < size < math.inf for size in sizes):
        raise ParameterError(f"spacing is {spacing}; give {ndim} positive numbers, one for each axis")
    return tuple(max(1, round(REACH * min(sizes) / size)) for size in sizes)


def _halo(reach: tuple[int, ...]) -> tuple[int, ...]:
    """Add up: grays of border voxels in reach; phases in reach of these; the boxes that these are part of."""
    return tuple(2 * length + 2 for length in reach)


def _check_arrays(values: NDArray[Any], labels: Labels, inside: Flags | None) -> None:
    check_dtype(values.dtype)
    if labels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise DataTypeError(f"the labels are of dtype {labels.dtype}; give uint8 or uint16, as classify returns them")
    if inside is not None and inside.dtype != np.bool_:
        raise DataTypeError(f"inside is of dtype {inside.dtype}; give bool, True where a voxel counts")
    if values.ndim not in (2, 3) or values.size == 0:
        raise DataError(f"the image has shape {values.shape}; give (y, x) or (z, y, x), with at least one voxel")
    for name, array in (("the labels have", labels), ("inside has", inside)):
        if array is not None and array.shape != values.shape:
            raise DataError(f"{name} shape {array.shape}, the image {values.shape}; give the image's shape")


def _checked_centers(centers: ArrayLike) -> NDArray[np.float64]:
    grays = np.asarray(centers, np.float64)
    if grays.ndim != 1 or grays.size == 0 or not np.isfinite(grays).all() or not np.all(grays[1:] > grays[:-1]):
        raise ParameterError(f"centers are {grays.tolist()}; give finite numbers in increasing order")
    return grays


def _check_labels(labels: Labels, k: int, undecided: int | None) -> None:
    ignore = int(np.iinfo(labels.dtype).max)
    greatest = int(labels.max(where=labels != ignore, initial=0))
    if greatest >= k:
        raise DataError(f"there is a label {greatest}, but only {k} centers; give a center for each class")
    if undecided is not None and not (isinstance(undecided, SupportsIndex) and k <= operator.index(undecided) < ignore):
        raise ParameterError(f"undecided is {undecided!r}; give a label that no class has, from {k} to {ignore - 1}")
