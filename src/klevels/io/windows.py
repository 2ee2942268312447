"""Windows: the parts of an array, on a grid that begins at its first value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ParameterError
from klevels.lazy import Window


def grid_windows(shape: Sequence[int], steps: Sequence[int], within: Window | None = None) -> Iterator[Window]:
    """Yield the windows of a grid, the last axis fastest; those at the end of an axis may be smaller.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    steps : sequence of int
        The shape of a window.
    within : tuple of slice, optional
        Only the part of the grid in this window, which begins at multiples of `steps`.

    Yields
    ------
    tuple of slice
        Windows that do not overlap and cover the array, or `within`.
    """
    ends = [slice(0, n) for n in shape] if within is None else within
    starts = (range(end.start, end.stop, step) for end, step in zip(ends, steps, strict=True))
    for corner in product(*starts):
        yield tuple(slice(at, min(at + step, end.stop)) for at, step, end in zip(corner, steps, ends, strict=True))


def extent(window: Window) -> tuple[int, ...]:
    """Return the shape of a window.

    Parameters
    ----------
    window : tuple of slice
        One for each axis.

    Returns
    -------
    tuple of int
        How many values it has along each axis.
    """
    return tuple(one.stop - one.start for one in window)


def check_block(
    path: Path, window: Window, block: NDArray[Any], shape: Sequence[int], dtype: np.dtype[Any], steps: Sequence[int]
) -> None:
    """Refuse a block that is not what belongs in a window, or a window that splits what must be written at once.

    Parameters
    ----------
    path : Path
        The output, for the message.
    window : tuple of slice
        Where the block belongs.
    block : ndarray
        The values.
    shape : sequence of int
        Of the whole array.
    dtype : dtype
        Of the whole array; its byte order does not matter.
    steps : sequence of int
        What must be written at once.

    Raises
    ------
    ParameterError
        If a shape, the dtype or the window does not fit.
    """
    if block.shape != extent(window) or block.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise ParameterError(
            f"{path}: the block is {block.dtype} of shape {block.shape}; the window holds {dtype.newbyteorder('=')} of"
            f" shape {extent(window)}; give what belongs there"
        )
    for one, n, step in zip(window, shape, steps, strict=True):
        if not (0 <= one.start < one.stop <= n) or one.start % step or (one.stop % step and one.stop != n):
            raise ParameterError(
                f"{path}: the window {one.start}:{one.stop} of an axis of {n} does not fit; begin and end it at"
                f" multiples of {step}, or at the end of the axis"
            )
