"""Arrays that stay where they are stored until a part of them is asked for."""

from __future__ import annotations

import math
import operator
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from klevels.errors import InputMissingError, ReadError

Window = tuple[slice, ...]
"""A part of an array: one slice for each axis, with a start, a stop after it, and no step."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a raw file does not say of itself.

    Parameters
    ----------
    shape : tuple of int
        Of two or three axes, the slowest first: (y, x) or (z, y, x).
    dtype : str
        Such as "uint16".
    byte_order : {"little", "big"}
        Of values of several bytes.
    offset : int
        Where the values begin, in bytes.
    spacing : tuple of float, optional
        The size of a voxel along each axis.
    unit : str, optional
        Of the spacing.
    """

    shape: tuple[int, ...]
    dtype: str
    byte_order: Literal["little", "big"] = "little"
    offset: int = 0
    spacing: tuple[float, ...] | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        for name in ("shape", "spacing"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))


class LazyArray(ABC):
    """An array that stays where it is stored until a part of it is asked for.

    A subclass says where its voxels are, in `read`. It must be picklable without them, for it is sent to the workers
    of a cluster, and it is read by several threads at once.

    Parameters
    ----------
    shape : tuple of int
        Of the whole array.
    dtype : dtype
        In native byte order.
    chunks : tuple of int, optional
        The shape of the pieces in which it is stored: a window of whole ones costs least to read. By default each entry
        of the first axis is a piece.
    source : str
        The file or folder it is read from, for messages and plans.
    stored_bytes : int, optional
        How many bytes are read for the whole of it, where that is not the size in memory.
    """

    def __init__(
        self,
        shape: Sequence[int],
        dtype: DTypeLike,
        chunks: Sequence[int] | None = None,
        source: str = "",
        stored_bytes: int | None = None,
    ) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        pieces = (1, *self.shape[1:]) if chunks is None else chunks
        self.chunks = tuple(min(int(c), n) for c, n in zip(pieces, self.shape, strict=True))
        self.source = source
        self.stored_bytes = stored_bytes

    @abstractmethod
    def read(self, window: Window) -> NDArray[Any]:
        """Return a part of the array.

        Parameters
        ----------
        window : tuple of slice
            One for each axis, ``0 <= start < stop <= n``, without a step.

        Returns
        -------
        ndarray
            Of the window's shape and the array's dtype. It may be read-only, and of any byte order and strides.

        Raises
        ------
        ReadError
            If this part is missing or damaged; the message names the file and the piece.
        """

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The size in memory, were it read whole."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({' × '.join(map(str, self.shape))}, {self.dtype}, {self.source!r})"

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a part: integers, slices and an ellipsis, as NumPy takes them."""
        window: list[slice] = []
        then: list[Any] = []
        for one, n in zip(_full_key(key, self.ndim), self.shape, strict=True):
            if isinstance(one, slice):
                places = range(n)[one]
                low, high = (min(places[0], places[-1]), max(places[0], places[-1]) + 1) if places else (0, 0)
                window.append(slice(low, high))
                then.append(slice(None, None, places.step))
            else:
                place = operator.index(one)
                if not -n <= place < n:
                    raise IndexError(f"index {place} is outside an axis of length {n}")
                window.append(slice(place % n, place % n + 1))
                then.append(0)
        if any(one.start == one.stop for one in window):
            nothing: NDArray[Any] = np.empty([one.stop - one.start for one in window], self.dtype)[tuple(then)]
            return nothing
        part: NDArray[Any] = self.read(tuple(window))[tuple(then)]
        return part

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self.read(tuple(slice(0, n) for n in self.shape))
        return np.array(whole, dtype=dtype or self.dtype, copy=copy)


class MappedArray(LazyArray):
    """An array whose values lie in one file, as they are in memory.

    Parameters
    ----------
    path : path-like
        The file.
    shape : tuple of int
        Of the array.
    dtype : dtype
        Of any byte order.
    offset : int
        Where in the file the values begin, in bytes.
    order : {"C", "F"}
        Whether the last or the first axis is the one whose values follow each other.
    chunks : tuple of int, optional
        See `LazyArray`; by default, each entry of the axis that varies slowest is a piece.

    Raises
    ------
    ReadError
        If the file ends before the array does.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: Sequence[int],
        dtype: DTypeLike,
        offset: int = 0,
        order: Literal["C", "F"] = "C",
        chunks: Sequence[int] | None = None,
    ) -> None:
        if chunks is None:
            chunks = (*shape[:-1], 1) if order == "F" else (1, *shape[1:])
        super().__init__(shape, dtype, chunks, os.fspath(path))
        self._stored = np.dtype(dtype)
        self._offset = offset
        self._order = order
        size = Path(path).stat().st_size
        if offset + self.nbytes > size:
            raise ReadError(
                f"{self.source}: {' × '.join(map(str, self.shape))} values of {self._stored} from byte {offset} on end "
                f"at byte {offset + self.nbytes}, but the file has {size}; it is cut short: copy or export it again"
            )

    def read(self, window: Window) -> NDArray[Any]:
        # Mapped anew for each window: pages of a map that stays would count as memory until the end.
        try:
            mapped = np.memmap(self.source, self._stored, "r", self._offset, self.shape, self._order)
        except FileNotFoundError as error:
            raise InputMissingError(f"{self.source}: is no longer there; it must stay while it is read") from error
        except ValueError as error:
            raise ReadError(f"{self.source}: became shorter after it was opened; open it again") from error
        return mapped[window].view(np.ndarray)


class LoadedArray(LazyArray):
    """An array that is in memory, beside others that are not.

    Parameters
    ----------
    data : ndarray
        The array.
    """

    def __init__(self, data: NDArray[Any]) -> None:
        super().__init__(data.shape, data.dtype)
        self._data = data

    def read(self, window: Window) -> NDArray[Any]:
        part: NDArray[Any] = self._data[window]
        return part


class TransposedArray(LazyArray):
    """Another array with its axes in another order.

    Parameters
    ----------
    source : LazyArray
        The array.
    axes : tuple of int
        Which of its axes comes first, second, and so on.
    """

    def __init__(self, source: LazyArray, axes: Sequence[int]) -> None:
        super().__init__(
            [source.shape[a] for a in axes],
            source.dtype,
            [source.chunks[a] for a in axes],
            source.source,
            source.stored_bytes,
        )
        self._source = source
        self._axes = tuple(axes)

    def read(self, window: Window) -> NDArray[Any]:
        inner = [slice(0)] * len(window)
        for axis, one in zip(self._axes, window, strict=True):
            inner[axis] = one
        return self._source.read(tuple(inner)).transpose(self._axes)


class CutArray(LazyArray):
    """Some neighboring entries of the first axis of another array.

    Parameters
    ----------
    source : LazyArray
        The array.
    part : slice
        Which entries, without a step.
    """

    def __init__(self, source: LazyArray, part: slice) -> None:
        n = part.stop - part.start
        stored = None if source.stored_bytes is None else source.stored_bytes * n // source.shape[0]
        super().__init__((n, *source.shape[1:]), source.dtype, source.chunks, source.source, stored)
        self._source = source
        self._start = part.start

    def read(self, window: Window) -> NDArray[Any]:
        along = slice(window[0].start + self._start, window[0].stop + self._start)
        return self._source.read((along, *window[1:]))


class PickedArray(LazyArray):
    """Another array at one place of some of its axes, which are gone then.

    Parameters
    ----------
    source : LazyArray
        The array.
    places : tuple of int or None
        For each of its axes the place, or None where the axis stays.
    """

    def __init__(self, source: LazyArray, places: Sequence[int | None]) -> None:
        kept = [axis for axis, place in enumerate(places) if place is None]
        super().__init__(
            [source.shape[a] for a in kept],
            source.dtype,
            [source.chunks[a] for a in kept],
            source.source,
            source.stored_bytes,
        )
        self._source = source
        self._places = tuple(places)

    def read(self, window: Window) -> NDArray[Any]:
        rest = iter(window)
        inner = tuple(next(rest) if place is None else slice(place, place + 1) for place in self._places)
        picked = tuple(slice(None) if place is None else 0 for place in self._places)
        return self._source.read(inner)[picked]


class ScaledArray(LazyArray):
    """Another array times a slope plus an intercept.

    Parameters
    ----------
    source : LazyArray
        The array.
    slope, intercept : float
        What its values are multiplied by, and what is added then.

    Notes
    -----
    Where the slope is 1 and the intercept a whole number, as in CT, integers stay integers: of the least of int16,
    int32 and int64 that holds what the stored dtype can become. Otherwise the values are float32 where 16 bits or fewer
    are stored, and float64 where more are.
    """

    def __init__(self, source: LazyArray, slope: float, intercept: float) -> None:
        super().__init__(
            source.shape,
            scaled_dtype(source.dtype, slope, intercept),
            source.chunks,
            source.source,
            source.stored_bytes,
        )
        self._source = source
        self._slope = slope
        self._intercept = intercept

    def read(self, window: Window) -> NDArray[Any]:
        return scaled(self._source.read(window), self._slope, self._intercept)


class StackedArray(LazyArray):
    """Arrays of one shape and dtype, one behind the other along a new first axis.

    Parameters
    ----------
    parts : sequence of LazyArray
        At least one.
    source : str
        The folder or file that they are from.
    """

    def __init__(self, parts: Sequence[LazyArray], source: str) -> None:
        first = parts[0]
        stored = None if any(p.stored_bytes is None for p in parts) else sum(p.stored_bytes or 0 for p in parts)
        super().__init__((len(parts), *first.shape), first.dtype, (1, *first.chunks), source, stored)
        self._parts = tuple(parts)

    def read(self, window: Window) -> NDArray[Any]:
        along, rest = window[0], window[1:]
        out = np.empty([one.stop - one.start for one in window], self.dtype)
        for i, part in enumerate(self._parts[along]):
            out[i] = part.read(rest)
        return out


class KeptArray(LazyArray):
    """Another array whose windows stay in memory once they are read, until they are read again.

    For arrays that are read twice in the same windows, so that as many as there is room for are decoded once. It is for
    threads of one process; what is kept is not pickled.

    Parameters
    ----------
    source : LazyArray
        The array.
    room : int
        How much may be kept, in bytes.
    """

    def __init__(self, source: LazyArray, room: int) -> None:
        super().__init__(source.shape, source.dtype, source.chunks, source.source, source.stored_bytes)
        self._source = source
        self._room = room
        self._windows: dict[tuple[tuple[int, int], ...], NDArray[Any]] = {}
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_windows": {}, "_lock": None, "_room": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_lock": Lock()})

    def read(self, window: Window) -> NDArray[Any]:
        key = tuple((one.start, one.stop) for one in window)
        with self._lock:
            kept = self._windows.pop(key, None)
            if kept is not None:
                self._room += kept.nbytes
                return kept
        found = self._source.read(window)
        with self._lock:
            if found.nbytes <= self._room:
                self._windows[key] = found
                self._room -= found.nbytes
        return found


def is_lazy(data: object) -> bool:
    """Tell whether an array is read, or computed, when a part of it is asked for.

    Parameters
    ----------
    data : object
        Any array.

    Returns
    -------
    bool
        True for a `LazyArray` and a dask array, and what holds one.
    """
    return isinstance(data, LazyArray) or hasattr(data, "__dask_graph__")


def scaled_dtype(dtype: np.dtype[Any], slope: float, intercept: float) -> np.dtype[Any]:
    """Return the dtype of scaled values.

    Parameters
    ----------
    dtype : dtype
        Of the stored values.
    slope, intercept : float
        See `ScaledArray`.

    Returns
    -------
    dtype
        See the notes there.
    """
    if (slope, intercept) == (1, 0):
        return dtype.newbyteorder("=")
    if dtype.kind in "iu" and slope == 1 and float(intercept).is_integer():
        low, high = (int(np.iinfo(dtype).min + intercept), int(np.iinfo(dtype).max + intercept))
        for name in ("int16", "int32", "int64"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return np.dtype(name)
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def scaled(values: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Return values times a slope plus an intercept.

    Parameters
    ----------
    values : ndarray
        As stored.
    slope, intercept : float
        See `ScaledArray`.

    Returns
    -------
    ndarray
        Of the dtype that `scaled_dtype` says.
    """
    dtype = scaled_dtype(values.dtype, slope, intercept)
    if (slope, intercept) == (1, 0):
        return values
    if dtype.kind == "i":
        shifted: NDArray[Any] = values.astype(dtype) + dtype.type(intercept)
        return shifted
    stretched: NDArray[Any] = (values.astype(np.float64) * slope + intercept).astype(dtype)
    return stretched


def _full_key(key: Any, ndim: int) -> tuple[Any, ...]:
    """Return one entry for each axis."""
    parts = key if isinstance(key, tuple) else (key,)
    if Ellipsis in parts:
        where = parts.index(Ellipsis)
        parts = (*parts[:where], *[slice(None)] * (ndim - len(parts) + 1), *parts[where + 1 :])
    if len(parts) > ndim:
        raise IndexError(f"{len(parts)} indices are given for {ndim} axes")
    return (*parts, *[slice(None)] * (ndim - len(parts)))
