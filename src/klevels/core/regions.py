"""Connected regions: voxels of one label that hang together, of windows that merge into those of the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _measures
from klevels.core.region_parts import CONNECTIVITIES, Regions, as_volume
from klevels.core.region_rows import placed
from klevels.core.region_sides import inner_sides, sides_of
from klevels.core.voxels import count_threads
from klevels.errors import DataError, DataTypeError, ParameterError

MOST_VOXELS = (1 << 32) - 2
LONGEST_SIDE = 1 << 20
"""Of a window: its sums stay below 2**63."""


@dataclass(frozen=True, eq=False)
class Connectivity:
    """How each label hangs together.

    Parameters
    ----------
    n_components : ndarray of int64
        How many regions each label has.
    largest_share : ndarray of float64
        The share of the label's voxels that the largest of them holds; NaN for a label without voxels.
    percolates : ndarray of bool, shape (n_labels, n_axes)
        Whether one region touches both ends of the whole along each axis.
    """

    n_components: NDArray[np.int64]
    largest_share: NDArray[np.float64]
    percolates: NDArray[np.bool_]


def regions(
    labels: ArrayLike,
    n_labels: int,
    *,
    connectivity: int | None = None,
    only: Sequence[int] | None = None,
    gray: ArrayLike | None = None,
    gray_range: tuple[float, float] | None = None,
    origin: Sequence[int] | None = None,
    shape: Sequence[int] | None = None,
    with_ids: bool = False,
    more: Callable[[NDArray[np.uint32], int], NDArray[np.int64]] | None = None,
    summary: bool = False,
    threads: int | None = None,
) -> Regions:
    """Find the voxels of equal labels that hang together.

    Parameters
    ----------
    labels : array_like of uint8 or uint16, 2-D or 3-D
        Numbers from `n_labels` on, such as the ignore label, belong to no region.
    n_labels : int
        How many labels there are.
    connectivity : int, optional
        How many neighbors a voxel hangs together with: 6, 18 or 26, by default 26; 4 or 8 in two dimensions, by
        default 8.
    only : sequence of int, optional
        The labels to look at; all by default.
    gray : array_like, optional
        Gray values of the same shape, to sum; integers up to 32 bits, bool or floats.
    gray_range : tuple of float, optional
        The least and the greatest gray value; needed for floats. Values are rounded to steps of 2**-24 of the range,
        those beyond to its ends, so that sums are whole numbers.
    origin : sequence of int, optional
        Where these labels begin in the whole, if they are a window of it.
    shape : sequence of int, optional
        Of the whole.
    with_ids : bool
        Whether to keep the region of each voxel, in `Regions.ids`.
    more : callable, optional
        What else is known of each region: given ``ids``, of the labels' shape, and how many there are, it returns whole
        numbers, a row a region, that add up where regions of windows are joined. They are the last columns of `rows`.
    summary : bool
        Whether regions that no other window can touch any more are only counted, so that memory stays small.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    Regions
        Of this window. Those of all windows, added in any order, equal those of the whole.

    Raises
    ------
    ParameterError
        If `n_labels`, `connectivity`, `only`, `origin`, `shape` or `threads` are out of range, or `gray_range` is
        missing for floats.
    DataTypeError
        If labels are neither uint8 nor uint16, or gray values are of a dtype that cannot be summed exactly.
    DataError
        If labels have not two or three axes, are empty or too large for one window, the gray values have another shape,
        or one of a region's is NaN.

    Notes
    -----
    Runs of equal labels along x are joined by union-find [1]_, in slabs on several threads; then the slabs are joined.
    With all neighbors, and at most 8 labels, four rows go together, as bits. Memory is at most 16 bytes a run and 152
    bytes a region, and 4 bytes a voxel with ids or `more`.

    References
    ----------
    .. [1] K. Wu, E. Otoo and K. Suzuki, "Optimizing two-pass connected-component labeling algorithms", Pattern Analysis
       and Applications 12(2), 2009.

    Examples
    --------
    >>> labels = np.array([[0, 0, 1], [1, 1, 0]], np.uint8)
    >>> regions(labels, 2, with_ids=True).ids
    array([[1, 1, 2],
           [2, 2, 1]], dtype=uint32)
    >>> left, right = regions(labels[:, :1], 2, origin=(0, 0), shape=(2, 3)), regions(
    ...     labels[:, 1:], 2, origin=(0, 1), shape=(2, 3)
    ... )
    >>> left + right
    Regions(2 of 2 labels, connectivity 8)
    """
    array, volume, connectivity, chosen = _checked_labels(labels, n_labels, connectivity, only)
    low, high, whole = _checked_window(array.shape, origin, shape)
    values, bounds = _checked_gray(gray, gray_range, array.shape)
    ids = np.empty(volume.shape, np.uint32) if with_ids or more is not None else None
    faces: list[NDArray[np.uint32] | None] = [
        np.empty(volume.shape[:axis] + volume.shape[axis + 1 :], np.uint32) if inner else None
        for inner, axis in zip(inner_sides(low, high, whole), (0, 0, 1, 1, 2, 2), strict=True)
    ]
    inner = CONNECTIVITIES[array.ndim][connectivity]
    rows, n_nan = _measures.find_regions(
        volume, chosen, inner, values, *(bounds or (0.0, 0.0)), ids, faces, count_threads(threads)
    )
    if n_nan:
        raise DataError(
            f"the gray values have NaN in {n_nan} voxels of regions; label them as left out, or replace them"
        )
    here = placed(rows, low, volume.shape, whole)
    if more is not None and ids is not None:
        here = np.hstack([here, more(ids.reshape(array.shape), len(rows))])
    found = Regions(
        n_labels=n_labels,
        connectivity=connectivity,
        shape=whole[3 - array.ndim :],
        has_gray=gray is not None,
        gray_range=bounds,
        ids=ids.reshape(array.shape) if with_ids and ids is not None else None,
        summary=summary,
        _windows=((low, high),),
        _sides=(),
        _open=here[:0],
        _closed=(),
        _counts=np.zeros((n_labels, 6), np.int64),
    )
    sides = sides_of(low, high, whole, faces, len(rows), int(inner > 6))
    return found.settled(sides, here, (), found._counts)


def is_window(shape: Sequence[int]) -> bool:
    """Tell whether labels of a shape can be looked at in one go.

    Parameters
    ----------
    shape : sequence of int
        Of the labels.

    Returns
    -------
    bool
        False if numbers of runs, or sums, could overflow.
    """
    size, longest = math.prod(shape), max(shape)
    return size <= MOST_VOXELS and longest <= LONGEST_SIDE and size * longest**2 < 1 << 62


def connectivity_of(found: Regions) -> Connectivity:
    """Tell for each label how many regions it has, how large the largest is, and whether one percolates.

    Parameters
    ----------
    found : Regions
        Of the whole.

    Returns
    -------
    Connectivity
        An entry for each label.

    Raises
    ------
    DataError
        If windows are missing.

    Examples
    --------
    >>> found = connectivity_of(regions(np.array([[0, 0, 1], [1, 1, 0]], np.uint8), 2, connectivity=4))
    >>> found.n_components
    array([2, 2])
    >>> found.percolates
    array([[False, False],
           [False, False]])
    """
    found.check_whole()
    counts = found.counts
    with np.errstate(invalid="ignore"):
        share = counts[:, 1] / counts[:, 2]
    return Connectivity(counts[:, 0], share, counts[:, 6 - len(found.shape) :] > 0)


def _checked_labels(
    labels: ArrayLike, n_labels: int, connectivity: int | None, only: Sequence[int] | None
) -> tuple[NDArray[Any], NDArray[Any], int, NDArray[np.uint8]]:
    array = np.asarray(labels)
    if array.dtype not in (np.uint8, np.uint16):
        raise DataTypeError(f"the labels are of dtype {array.dtype}; give uint8 or uint16")
    if array.ndim not in CONNECTIVITIES or array.size == 0:
        raise DataError(f"the labels have shape {array.shape}; give 2 or 3 axes, and at least one voxel")
    if not is_window(array.shape):
        raise DataError(f"the labels have shape {array.shape}; give smaller windows, and add up their regions")
    n_numbers = 1 << (8 * array.dtype.itemsize)
    if not 1 <= n_labels <= n_numbers:
        raise ParameterError(f"n_labels is {n_labels}; give 1 to {n_numbers} for {array.dtype} labels")
    allowed = CONNECTIVITIES[array.ndim]
    connectivity = max(allowed) if connectivity is None else connectivity
    if connectivity not in allowed:
        raise ParameterError(
            f"connectivity is {connectivity}; give {' or '.join(map(str, allowed))} for {array.ndim} axes"
        )
    chosen = np.zeros(n_numbers, np.uint8)
    wanted = list(range(n_labels) if only is None else only)
    if not wanted or not all(0 <= label < n_labels for label in wanted):
        raise ParameterError(f"only is {wanted}; give labels from 0 to {n_labels - 1}")
    chosen[wanted] = 1
    volume = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(as_volume(array.shape))
    return array, volume, connectivity, chosen


def _checked_window(
    window: tuple[int, ...], origin: Sequence[int] | None, shape: Sequence[int] | None
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the first voxel of a window, the one after its last, and the shape of the whole, as volumes."""
    if (origin is None) != (shape is None):
        raise ParameterError("one of origin and shape is missing; give both for a window of a larger volume, or none")
    begin = tuple(map(int, origin if origin is not None else (0,) * len(window)))
    whole = tuple(map(int, shape if shape is not None else window))
    fits = len(begin) == len(whole) == len(window) and all(
        0 <= low <= low + side <= end for low, side, end in zip(begin, window, whole, strict=True)
    )
    if not fits:
        raise ParameterError(f"a window of shape {window} at {begin} is not inside {whole}; give where it lies in it")
    low = (0,) * (3 - len(window)) + begin
    return low, tuple(a + b for a, b in zip(low, as_volume(window), strict=True)), as_volume(whole)


def _checked_gray(
    gray: ArrayLike | None, gray_range: tuple[float, float] | None, shape: tuple[int, ...]
) -> tuple[NDArray[Any] | None, tuple[float, float] | None]:
    if gray is None:
        return None, None
    values = np.asarray(gray)
    if values.shape != shape:
        raise DataError(f"the gray values have shape {values.shape}, the labels {shape}; give a gray value a voxel")
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind not in "buif" or (kind in "ui" and size > 4) or size > 8:
        raise DataTypeError(f"the gray values are of dtype {values.dtype}; give integers up to 32 bits, or floats")
    bounds = None
    if kind == "f":
        if gray_range is None or not math.isfinite(gray_range[1] - gray_range[0]) or gray_range[0] > gray_range[1]:
            raise ParameterError(f"gray_range is {gray_range}; give the least and the greatest of float gray values")
        bounds = (float(gray_range[0]), float(gray_range[1]))
    dtype = np.dtype(np.uint8) if kind == "b" else np.dtype(np.float32) if size == 2 and kind == "f" else values.dtype
    native = np.ascontiguousarray(values, dtype.newbyteorder("="))
    return native.reshape(as_volume(shape)), bounds
