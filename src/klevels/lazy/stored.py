"""Arrays whose values lie in a file as they do in memory, or in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from klevels.errors import InputMissingError, ReadError
from klevels.lazy.base import LazyArray
from klevels.memory import Window

ROWS_BYTES = 1 << 20
"""Pieces of what can be read anywhere take no more, so that a block never has to be a whole slice."""


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
        See `LazyArray`; by default those of `rows_of`.

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
        chunks = rows_of(shape, np.dtype(dtype).itemsize, order) if chunks is None else chunks
        super().__init__(shape, dtype, chunks, os.fspath(path))
        self._stored = np.dtype(dtype)
        self._offset = offset
        self._order = order
        size = os.stat(path).st_size
        if offset + self.nbytes > size:
            raise ReadError(
                f"{self.source}: {' × '.join(map(str, self.shape))} values of {self._stored} from byte {offset} on end "
                f"at byte {offset + self.nbytes}, but the file has {size}; it is cut short: copy or export it again"
            )

    def read(self, window: Window) -> NDArray[Any]:
        skipped, shape, inner = self._span(window)
        offset = self._offset + skipped * self._stored.itemsize
        # Mapped anew for each window: pages of a map that stays would count as memory until the end.
        try:
            is_shorter = os.stat(self.source).st_size < self._offset + self.nbytes
            mapped = None if is_shorter else np.memmap(self.source, self._stored, "r", offset, shape, self._order)
        except FileNotFoundError as error:
            raise InputMissingError(f"{self.source}: is no longer there; it must stay while it is read") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise ReadError(f"{self.source}: cannot be read ({reason}); see to it, then try again") from error
        except ValueError:  # between the two calls
            mapped = None
        if mapped is None:
            raise ReadError(f"{self.source}: became shorter after it was opened; open it again")
        return mapped[inner].view(np.ndarray)

    def _span(self, window: Window) -> tuple[int, tuple[int, ...], Window]:
        """Return how many values lie before the least part that holds a window, its shape, and where the window is."""
        skipped, behind, shape, inner = 0, self.size, list(self.shape), list(window)
        for axis in range(self.ndim) if self._order == "C" else reversed(range(self.ndim)):
            one = window[axis]
            behind //= self.shape[axis]
            skipped += one.start * behind
            shape[axis] = one.stop - one.start
            inner[axis] = slice(0, shape[axis])
            if shape[axis] > 1:  # what lies between its entries is in it
                break
        return skipped, tuple(shape), tuple(inner)


class LoadedArray(LazyArray):
    """An array that is in memory, beside others that are not.

    Parameters
    ----------
    data : ndarray
        The array.
    """

    def __init__(self, data: NDArray[Any]) -> None:
        super().__init__(data.shape, data.dtype, rows_of(data.shape, data.itemsize))
        self._data = data

    def read(self, window: Window) -> NDArray[Any]:
        part: NDArray[Any] = self._data[window]
        return part


def rows_of(shape: Sequence[int], itemsize: int, order: Literal["C", "F"] = "C") -> tuple[int, ...]:
    """Return the shape of pieces of an array of which any part can be read.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    itemsize : int
        Bytes of a value.
    order : {"C", "F"}
        Whether the last or the first axis is the one whose values follow each other.

    Returns
    -------
    tuple of int
        One entry of the axis that varies slowest, or as many of its rows, a power of two, as take 1 MB.
    """
    chunks = [1] * len(shape)
    room = max(1, ROWS_BYTES // itemsize)
    fast_first = range(1, len(shape))[::-1] if order == "C" else range(len(shape) - 1)
    for axis in fast_first:
        if shape[axis] > room:
            chunks[axis] = 1 << (room.bit_length() - 1)
            break
        chunks[axis] = shape[axis]
        room //= max(1, shape[axis])
    return tuple(chunks)
