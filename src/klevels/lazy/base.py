"""LazyArray: an array that stays where it is stored until a part of it is asked for."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from klevels.memory import Grid, Window, n_processors


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
        self.grid: Grid | None = None

    def cut(self, grid: Grid) -> Self:
        """Return the same array, to be worked on in blocks.

        Parameters
        ----------
        grid : Grid
            The blocks.

        Returns
        -------
        LazyArray
            With `grid`, which is None otherwise.
        """
        found = object.__new__(type(self))  # not a copy as pickle makes it: what is kept in memory is shared
        found.__dict__.update(self.__dict__, grid=grid)
        return found

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

    def read_into(self, window: Window, out: NDArray[Any]) -> None:
        """Read a part of the array to where it shall be.

        Parameters
        ----------
        window : tuple of slice
            As for `read`.
        out : ndarray
            Of the window's shape and the array's dtype.
        """
        out[...] = self.read(window)

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
        part: NDArray[Any] = self._part(tuple(window))[tuple(then)]
        return part

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self._part(tuple(slice(0, n) for n in self.shape))
        return np.array(whole, dtype=dtype or self.dtype, copy=copy)

    def _part(self, window: Window) -> NDArray[Any]:
        """Read a window: where it lies in several blocks, all of them at the same time."""
        parts = [] if self.grid is None else list(self.grid.parts(window))
        if len(parts) < 2:
            return self.read(window)
        from concurrent.futures import ThreadPoolExecutor  # loads logging: an import of klevels stays light

        out = np.empty([one.stop - one.start for one in window], self.dtype)

        def fill(part: Window) -> None:
            place = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, window, strict=True))
            self.read_into(part, out[place])

        with ThreadPoolExecutor(n_processors()) as pool:
            for _ in pool.map(fill, parts):
                pass
        return out


def _full_key(key: Any, ndim: int) -> tuple[Any, ...]:
    """Return one entry for each axis."""
    parts = key if isinstance(key, tuple) else (key,)
    if Ellipsis in parts:
        where = parts.index(Ellipsis)
        parts = (*parts[:where], *[slice(None)] * (ndim - len(parts) + 1), *parts[where + 1 :])
    if len(parts) > ndim:
        raise IndexError(f"{len(parts)} indices are given for {ndim} axes")
    return (*parts, *[slice(None)] * (ndim - len(parts)))
