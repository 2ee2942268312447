"""Some voxels of an array, wherever it is: of what is stored, only the pieces that hold one of them are read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.lazy import LazyArray
from klevels.memory import n_processors

Places = NDArray[np.intp]
PIECES_AT_ONCE = 1 << 10
"""So many pieces are asked for before the first is waited for; an array may have millions."""


def pick(data: Any, places: Sequence[Places]) -> NDArray[Any]:
    """Return the voxels at some places along each axis.

    Parameters
    ----------
    data : ndarray, LazyArray or dask array
        In memory or not.
    places : sequence of ndarray of int
        For each axis, increasing.

    Returns
    -------
    ndarray
        As long along each axis as there are places; a masked array where the data are one.

    Notes
    -----
    A `LazyArray` is read in the pieces in which it is stored, or computed, each from the first place in it to the last,
    some at the same time.

    Examples
    --------
    >>> pick(np.arange(12).reshape(3, 4), [np.array([0, 2]), np.array([1, 3])])
    array([[ 1,  3],
           [ 9, 11]])
    """
    if isinstance(data, np.ndarray):
        return data[np.ix_(*places)]
    if isinstance(data, LazyArray):
        return _read(data, places)
    for axis, one in enumerate(places):
        data = data[(*(slice(None),) * axis, one)]
    return np.asanyarray(data)


def thinned(n: int, most: int) -> Places:
    """Return places of which there are few, and which lie evenly.

    Parameters
    ----------
    n : int
        How long the axis is.
    most : int
        How many places there may be.

    Returns
    -------
    ndarray of int
        Of each group of voxels the one in the middle.

    Examples
    --------
    >>> thinned(10, 4)
    array([1, 4, 7])
    """
    step = step_of(n, most)
    return np.arange(min(step // 2, n - 1), n, step)


def step_of(n: int, most: int) -> int:
    """Return of how many voxels one is drawn.

    Parameters
    ----------
    n : int
        How long the axis is.
    most : int
        How many may be drawn.

    Returns
    -------
    int
        1 for all.
    """
    return max(1, -(-n // most))


def _read(data: LazyArray, places: Sequence[Places]) -> NDArray[Any]:
    from concurrent.futures import ThreadPoolExecutor

    out = np.empty([len(one) for one in places], data.dtype)
    pieces = data.chunks if data.grid is None else data.grid.block
    cuts = [list(_cuts(one, piece)) for one, piece in zip(places, pieces, strict=True)]

    def fill(parts: tuple[tuple[slice, Places], ...]) -> None:
        window = tuple(slice(int(inside[0]), int(inside[-1]) + 1) for _, inside in parts)
        block = data.read(window)
        out[tuple(where for where, _ in parts)] = block[np.ix_(*(inside - inside[0] for _, inside in parts))]

    tasks = itertools.product(*cuts)
    with ThreadPoolExecutor(n_processors()) as pool:
        while batch := list(itertools.islice(tasks, PIECES_AT_ONCE)):
            for _ in pool.map(fill, batch):
                pass
    return out


def _cuts(places: Places, piece: int) -> Iterator[tuple[slice, Places]]:
    """Yield, for each piece of an axis that holds places, where they go, and where they are."""
    owners = places // piece
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    for start, stop in itertools.pairwise([*starts.tolist(), len(places)]):
        yield slice(start, stop), places[start:stop]
