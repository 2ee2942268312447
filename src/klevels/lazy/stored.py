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
        size = os.stat(path).st_size
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
