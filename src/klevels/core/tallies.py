"""How much there is of each label along each axis, and from the axis of a volume outward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core import _measures
from klevels.core.patches import lengths
from klevels.core.voxels import count_threads
from klevels.errors import DataError, DataTypeError, ParameterError

STEPS = 1 << 24
"""Gray values of more than 16 bits are summed as whole numbers of this many steps between low and high."""


@dataclass(frozen=True, eq=False)
class Tallies:
    """Numbers of voxels, or sums of gray values, of each label; those of parts of an image are merged with ``+``.

    Parameters
    ----------
    along : tuple of ndarray of int64, each of shape (n_positions, n_labels)
        For each axis of the whole image, at each position along it.
    radial : ndarray of int64, shape (n_radii, n_labels)
        In rings around the axis of the volume; see `tally`.
    """

    along: tuple[NDArray[np.int64], ...]
    radial: NDArray[np.int64]

    def __add__(self, other: Tallies) -> Tallies:
        """Merge, as if both parts had been counted together."""
        if not isinstance(other, Tallies):
            return NotImplemented
        if _shapes(self) != _shapes(other):
            raise DataError(f"tallies of shapes {_shapes(self)} and {_shapes(other)}; merge those of one image")
        along = tuple(a + b for a, b in zip(self.along, other.along, strict=True))
        return Tallies(along, self.radial + other.radial)


def tally(
    labels: ArrayLike,
    n_labels: int,
    *,
    origin: Sequence[int] | None = None,
    shape: Sequence[int] | None = None,
    n_radii: int = 0,
    spacing: Sequence[float] | None = None,
    threads: int | None = None,
) -> Tallies:
    """Count the voxels of each label, along each axis and from the axis of the volume outward.

    Parameters
    ----------
    labels : array_like of uint8 or uint16, shape (y, x) or (z, y, x)
        An image, or a window of one. Numbers from `n_labels` on are voxels left out.
    n_labels : int
        How many labels there are.
    origin : sequence of int, optional
        Where in the whole image the window begins; 0 along each axis by default.
    shape : sequence of int, optional
        Of the whole image; by default the window is all of it.
    n_radii : int
        How many rings to count in; none by default.
    spacing : sequence of float, optional
        The size of a voxel along each axis; 1 by default. It tells distances.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    Tallies
        Of the whole image: 0 where the window is not.

    Raises
    ------
    ParameterError
        If `n_labels` is below 1, `n_radii` is negative, the window is not within the image, or the spacing is not a
        positive number for each axis.
    DataTypeError
        If the labels are neither uint8 nor uint16.
    DataError
        If there are no voxels, or another number of axes than two or three.

    Notes
    -----
    Radii are distances from the axis along z through the center of the plane of y and x; in two dimensions from the
    center. The rings are equally wide, from 0 to half of the shorter side of the plane; what lies beyond is in none.

    Examples
    --------
    >>> found = tally(np.array([[0, 0, 1], [0, 1, 1]], np.uint8), n_labels=2)
    >>> found.along[0]
    array([[2, 1],
           [1, 2]])
    >>> found.along[1]
    array([[2, 0],
           [1, 1],
           [0, 2]])
    """
    window = _Window.of(labels, n_labels, origin, shape, n_radii, spacing)
    parts = window.zeros()
    _measures.count_labels(_as_volume(window.labels), window.rings, count_threads(threads), *parts)
    return window.placed(parts)


def tally_gray(
    labels: ArrayLike,
    gray: ArrayLike,
    n_labels: int,
    *,
    low: float = 0.0,
    high: float = 1.0,
    origin: Sequence[int] | None = None,
    shape: Sequence[int] | None = None,
    n_radii: int = 0,
    spacing: Sequence[float] | None = None,
    threads: int | None = None,
) -> Tallies:
    """Sum gray values where `tally` counts voxels, so that their means along each axis and radius can be told.

    Parameters
    ----------
    labels : array_like of uint8 or uint16, shape (y, x) or (z, y, x)
        As in `tally`.
    gray : array_like of int or float
        The gray values, of the shape of `labels`.
    n_labels : int
        How many labels there are.
    low, high : float
        Of the whole image: gray values of floats, or of integers of more than 16 bits, are summed as ``rint((gray -
        low) * (2**24 / (high - low)))``. Those of up to 16 bits are summed as they are.
    origin, shape, n_radii, spacing, threads
        As in `tally`.

    Returns
    -------
    Tallies
        Sums, in units of 1 or of ``(high - low) / 2**24`` from `low`. A NaN adds 0; more than 64 times the range from
        low to high counts as that.

    Raises
    ------
    ParameterError
        As in `tally`; or if `high` is not above `low`, or one is not finite.
    DataTypeError
        If the labels are neither uint8 nor uint16, or gray values not real numbers.
    DataError
        As in `tally`; or if gray values have another shape than labels.

    Examples
    --------
    >>> tally_gray(np.uint8([[0, 0, 1]]), np.uint8([[5, 7, 200]]), n_labels=2).along[0]
    array([[ 12, 200]])
    """
    window = _Window.of(labels, n_labels, origin, shape, n_radii, spacing)
    values = np.asarray(gray)
    if values.dtype.kind not in "buif":
        raise DataTypeError(f"the gray values are of dtype {values.dtype}; give real numbers")
    if values.shape != window.labels.shape:
        raise DataError(f"the gray values have shape {values.shape}, the labels {window.labels.shape}; give as many")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ParameterError(f"low is {low} and high {high}; give two finite numbers, the greater last")
    parts = window.zeros()
    _measures.sum_grays(
        _as_volume(window.labels),
        _as_volume(_summable(values)),
        float(low),
        STEPS / (float(high) - float(low)),
        window.rings,
        count_threads(threads),
        *parts,
    )
    return window.placed(parts)


@dataclass(frozen=True)
class _Window:
    labels: NDArray[Any]
    origin: tuple[int, ...]
    shape: tuple[int, ...]
    n_labels: int
    n_radii: int
    rings: NDArray[np.int32] | None

    @classmethod
    def of(
        cls,
        labels: ArrayLike,
        n_labels: int,
        origin: Sequence[int] | None,
        shape: Sequence[int] | None,
        n_radii: int,
        spacing: Sequence[float] | None,
    ) -> _Window:
        array = np.asarray(labels)
        native = array.dtype.newbyteorder("=")
        if native not in (np.uint8, np.uint16):
            raise DataTypeError(
                f"the labels are of dtype {array.dtype}; give uint8 or uint16, as classify returns them"
            )
        if array.ndim not in (2, 3) or not array.size:
            raise DataError(f"the labels have shape {array.shape}; give voxels along (y, x) or (z, y, x)")
        if n_labels < 1:
            raise ParameterError(f"n_labels is {n_labels}; give 1 or more")
        if n_radii < 0:
            raise ParameterError(f"n_radii is {n_radii}; give 0, or as many rings as there shall be")
        begin = (0,) * array.ndim if origin is None else tuple(origin)
        whole = array.shape if shape is None else tuple(shape)
        if len(begin) != array.ndim or len(whole) != array.ndim:
            raise ParameterError(f"origin is {begin} and shape {whole}; give {array.ndim} numbers, one for each axis")
        if any(b < 0 or b + n > total for b, n, total in zip(begin, array.shape, whole, strict=True)):
            raise ParameterError(f"labels of shape {array.shape} at {begin} are not within an image of {whole}")
        sizes = lengths(array.ndim, spacing)
        rings = _rings(begin[-2:], array.shape[-2:], whole[-2:], sizes[-2:], n_radii) if n_radii else None
        return cls(array.astype(native, copy=False), begin, whole, n_labels, n_radii, rings)

    def zeros(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        n_z, n_y, n_x = (1,) * (3 - self.labels.ndim) + self.labels.shape
        z, y, x, radial = (np.zeros((n, self.n_labels), np.int64) for n in (n_z, n_y, n_x, self.n_radii))
        return z, y, x, radial

    def placed(self, parts: tuple[NDArray[np.int64], ...]) -> Tallies:
        along = []
        for part, begin, n in zip(parts[3 - self.labels.ndim : 3], self.origin, self.shape, strict=True):
            whole = np.zeros((n, self.n_labels), np.int64)
            whole[begin : begin + len(part)] = part
            along.append(whole)
        return Tallies(tuple(along), parts[3])


def _rings(
    origin: tuple[int, ...], window: tuple[int, ...], whole: tuple[int, ...], sizes: tuple[float, ...], n_radii: int
) -> NDArray[np.int32]:
    """Return the ring of each voxel of a plane; -1 beyond all."""
    y, x = (
        (np.arange(begin, begin + n) - (total - 1) / 2) * size
        for begin, n, total, size in zip(origin, window, whole, sizes, strict=True)
    )
    reach = min(total * size for total, size in zip(whole, sizes, strict=True)) / 2
    rings = np.floor(np.sqrt(y[:, None] ** 2 + x**2) / reach * n_radii)
    rings[rings >= n_radii] = -1
    return rings.astype(np.int32)


def _summable(values: NDArray[Any]) -> NDArray[Any]:
    """Return gray values as the kernel takes them: integers of up to 16 bits as they are, others as floats."""
    native = values.dtype.newbyteorder("=")
    if native.kind == "b":
        return values.astype(np.uint8)
    if (native.kind in "ui" and native.itemsize <= 2) or native in (np.float32, np.float64):
        return values.astype(native, copy=False)
    return values.astype(np.float64)


def _shapes(tallies: Tallies) -> list[tuple[int, ...]]:
    return [part.shape for part in (*tallies.along, tallies.radial)]


def _as_volume(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array.reshape((1,) * (3 - array.ndim) + array.shape))
