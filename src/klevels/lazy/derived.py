"""Arrays that are made of others, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from klevels.lazy.base import LazyArray
from klevels.memory import Grid, Window


class ComputedArray(LazyArray):
    """What a function makes of windows of other arrays.

    Parameters
    ----------
    function : callable
        Takes a window's values of each source; returns as many along the axes that they share. It can be pickled. If it
        has a method `into`, this takes an array to fill first.
    sources : sequence of LazyArray or None
        The first has the shape, but for channels, and the grid; others may lack its last axis, the channels. The
        function gets None for None.
    dtype : dtype
        Of what the function returns.
    n_spatial : int
        How many axes they share.
    n_channels : int, optional
        How long the last axis is that the result has for channels; None if it has none.
    halo : sequence of int, optional
        How far beyond a window the function looks along each shared axis: it gets so many voxels more, fewer at the
        ends of the array, and what it returns for these is dropped.
    is_placed : bool
        Whether the function is told where what it gets begins, as `origin`.
    """

    def __init__(
        self,
        function: Callable[..., NDArray[Any]],
        sources: Sequence[LazyArray | None],
        dtype: DTypeLike,
        *,
        n_spatial: int,
        n_channels: int | None = None,
        halo: Sequence[int] | None = None,
        is_placed: bool = False,
    ) -> None:
        first: Any = sources[0]
        last = () if n_channels is None else (n_channels,)
        shape, chunks = (*first.shape[:n_spatial], *last), (*first.chunks[:n_spatial], *last)
        super().__init__(shape, dtype, chunks, first.source, first.stored_bytes)
        if first.grid is not None:
            self.grid = Grid(shape, (*first.grid.block[:n_spatial], *last))
        self._function = function
        self._sources = tuple(sources)
        self._n_spatial = n_spatial
        self._halo = (0,) * n_spatial if halo is None else tuple(halo)
        self._is_placed = is_placed

    def read_into(self, window: Window, out: NDArray[Any]) -> None:
        into = getattr(self._function, "into", None)
        if into is None or any(self._halo):
            super().read_into(window, out)
            return
        place = window[: self._n_spatial]
        into(out, *(None if one is None else self._of(one, place) for one in self._sources))

    def read(self, window: Window) -> NDArray[Any]:
        place = window[: self._n_spatial]
        around = tuple(
            slice(max(0, one.start - reach), min(n, one.stop + reach))
            for one, reach, n in zip(place, self._halo, self.shape, strict=False)
        )
        blocks = [None if one is None else self._of(one, around) for one in self._sources]
        if self._is_placed:
            found = self._function(*blocks, origin=tuple(one.start for one in around))
        else:
            found = self._function(*blocks)
        inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(place, around, strict=True))
        return found[(*inner, *window[self._n_spatial :])]

    def _of(self, source: LazyArray, window: Window) -> NDArray[Any]:
        """Return the values of a window with all channels."""
        return source.read((*window, *(slice(0, n) for n in source.shape[self._n_spatial :])))


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
    """Another array whose windows stay in memory from the first time that they are read to the last.

    For arrays that are read several times in the same windows, so that as many as there is room for are decoded once.
    It is for threads of one process; what is kept is not pickled.

    Parameters
    ----------
    source : LazyArray
        The array.
    room : int
        How much may be kept, in bytes.
    reads : int
        How often each window is read. Once the first has been read so often, nothing more is kept.
    """

    def __init__(self, source: LazyArray, room: int, reads: int = 2) -> None:
        super().__init__(source.shape, source.dtype, source.chunks, source.source, source.stored_bytes)
        self._source = source
        self._reads = reads
        self._kept = _Kept(room)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_kept": _Kept(0)})

    def read(self, window: Window) -> NDArray[Any]:
        key = tuple((one.start, one.stop) for one in window)
        kept = self._kept.take(key)
        if kept is not None:
            return kept
        found = self._source.read(window)
        if self._reads > 1 and self._kept.reserve(found.nbytes):
            found = _own(found)
            found.flags.writeable = False  # who reads it next gets the same
            self._kept.put(key, found, self._reads - 1)
        return found


class _Kept:
    """Windows in memory, with how often each will be read; shared by all cuts of an array."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._windows: dict[tuple[tuple[int, int], ...], tuple[NDArray[Any], int]] = {}
        self._lock = Lock()

    def take(self, key: tuple[tuple[int, int], ...]) -> NDArray[Any] | None:
        """Return a window, if it is kept; the last time, it goes, and from then on none is kept that is not."""
        with self._lock:
            if key not in self._windows:
                return None
            values, n_left = self._windows.pop(key)
            if n_left > 1:
                self._windows[key] = values, n_left - 1
            else:
                self._room = 0
            return values

    def reserve(self, n_bytes: int) -> bool:
        """Take room for a window, if there is so much."""
        with self._lock:
            has_room = n_bytes <= self._room
            self._room -= n_bytes * has_room
            return has_room

    def put(self, key: tuple[tuple[int, int], ...], values: NDArray[Any], n_left: int) -> None:
        """Keep a window for which room was taken."""
        with self._lock:
            self._windows[key] = values, n_left


def _own(values: NDArray[Any]) -> NDArray[Any]:
    """Return values that hold no more memory than they need: readers return parts of what they decode."""
    base: Any = values.base
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    is_whole = base is None or (isinstance(base, np.ndarray) and base.nbytes <= values.nbytes)
    return values.view() if is_whole else values.copy()
