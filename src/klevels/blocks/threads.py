"""Work on blocks in threads of this process, with few results waiting at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from klevels.lazy import LazyArray
from klevels.memory import Window

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


def on_threads(
    work: Callable[[Any], T],
    merge: Callable[[T, T], T],
    items: Iterable[Any],
    tell: Callable[[int], None] | None,
    n_threads: int,
) -> T | None:
    """Work on items, such as the numbers of blocks, and merge the results in their order.

    Parameters
    ----------
    work : callable
        Takes an item, returns its result.
    merge : callable
        Takes two results, that of the earlier items first.
    items : iterable
        What is worked on.
    tell : callable or None
        Called with how many items are done.
    n_threads : int
        How many threads.

    Returns
    -------
    object or None
        None if there is no item.
    """
    merged: list[T] = []
    for n_done, found in enumerate(_results(work, items, n_threads), start=1):
        merged[:] = [merge(merged[0], found)] if merged else [found]
        if tell is not None:
            tell(n_done)
    return merged[0] if merged else None


def _results(work: Callable[[Any], T], items: Iterable[Any], n_threads: int) -> Iterable[T]:
    """Give results in the order of the items; twice as many as threads are begun or waiting, no more."""
    from concurrent.futures import ThreadPoolExecutor  # loads logging: an import of klevels stays light

    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Chunks:
    """Blocks of any lengths, numbered with the last axis fastest.

    Parameters
    ----------
    chunks : tuple of tuple of int
        The lengths of the blocks along each axis.
    """

    def __init__(self, chunks: tuple[tuple[int, ...], ...]) -> None:
        self._starts = [np.concatenate(([0], np.cumsum(lengths))).tolist() for lengths in chunks]
        self.counts = tuple(len(lengths) for lengths in chunks)
        self.n_blocks = math.prod(self.counts)

    def place(self, number: int) -> tuple[int, ...]:
        """Return where a block is, counted in blocks.

        Parameters
        ----------
        number : int
            Of the block.

        Returns
        -------
        tuple of int
            One for each axis.
        """
        place = []
        for n in reversed(self.counts):
            number, index = divmod(number, n)
            place.append(index)
        return tuple(reversed(place))

    def window(self, number: int) -> Window:
        """Return which part of the array a block is.

        Parameters
        ----------
        number : int
            Of the block.

        Returns
        -------
        tuple of slice
            One for each axis.
        """
        return tuple(slice(s[i], s[i + 1]) for s, i in zip(self._starts, self.place(number), strict=True))


class Work:
    """Read a block, and work on it; a class, so that it can be pickled.

    Parameters
    ----------
    part : callable
        Takes the block's number and window, and a block of each array.
    arrays : sequence of LazyArray or None
        What is read.
    chunks : Chunks
        The blocks.
    halo : sequence of int, optional
        How many voxels around a block are read along each axis, fewer at the ends of the array.
    """

    def __init__(
        self,
        part: Callable[..., Any],
        arrays: Sequence[LazyArray | None],
        chunks: Chunks,
        halo: Sequence[int] | None = None,
    ) -> None:
        self._part = part
        self._arrays = arrays
        self._chunks = chunks
        self._halo = halo

    def __call__(self, number: int) -> Any:
        window = self._chunks.window(number)
        blocks = [None if one is None else one.read(self._around(window[: one.ndim], one)) for one in self._arrays]
        return self._part(number, window, *blocks)

    def _around(self, window: Window, array: LazyArray) -> Window:
        if self._halo is None:
            return window
        return tuple(
            slice(max(0, along.start - reach), min(n, along.stop + reach))
            for along, reach, n in zip(window, self._halo, array.shape, strict=True)
        )
