"""How much memory there is, and how large the blocks are that fit into it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from klevels.errors import ParameterError
from klevels.machine import available_memory, left_in_groups

Window = tuple[slice, ...]
"""A part of an array: one slice for each axis, with a start, a stop after it, and no step."""
BLOCK_BYTES = 1 << 24
"""Blocks grow no larger, whatever memory there is: beyond, nothing is gained, and a lost block costs more."""
MOST_TIMES = 16
"""A block may be so many times larger where chunks and shards do not fit each other: decoding again costs more."""
LEAST_MEMORY = 64 * 10**6
COPIES = 4
"""A block takes so many times its size at the peak: as it is stored, decoded, labeled, and encoded again."""
AROUND_BYTES = 24
"""What a voxel takes besides where blocks overlap: filters work in some arrays of float32, and some of labels."""
UNKNOWN = 4 << 30
"""What is taken for free where the system does not tell."""


@dataclass(frozen=True)
class Grid:
    """How an array is cut into blocks.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    block : tuple of int
        Of a block; those at the end of an axis are smaller.
    """

    shape: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many blocks there are along each axis."""
        return tuple(-(-n // b) for n, b in zip(self.shape, self.block, strict=True))

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return math.prod(self.counts)

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """The lengths of the blocks along each axis, as dask has it."""
        return tuple(
            (*[b] * (n // b), *([n % b] if n % b else [])) for n, b in zip(self.shape, self.block, strict=True)
        )

    def window(self, index: int) -> Window:
        """Return which part of the array a block is.

        Parameters
        ----------
        index : int
            0 <= index < n_blocks, the last axis fastest.

        Returns
        -------
        tuple of slice
            One for each axis.
        """
        place = np.unravel_index(index, self.counts)
        return tuple(
            slice(int(i) * b, min(n, (int(i) + 1) * b)) for i, b, n in zip(place, self.block, self.shape, strict=True)
        )

    def parts(self, window: Window) -> Iterator[Window]:
        """Cut a window where blocks meet.

        Parameters
        ----------
        window : tuple of slice
            A part of the array.

        Yields
        ------
        tuple of slice
            The parts of it, each in one block.
        """
        along = [
            [slice(max(one.start, start), min(one.stop, start + b)) for start in range(one.start // b * b, one.stop, b)]
            for one, b in zip(window, self.block, strict=True)
        ]
        yield from product(*along)


def free_memory() -> int:
    """Return how much memory this process can take without others being swapped out.

    Returns
    -------
    int
        In bytes: the least of what the system has available and what the control group of the process has left.
    """
    found = [n for n in (available_memory(), left_in_groups()) if n is not None]
    return min(found) if found else UNKNOWN


def n_processors() -> int:
    """Return how many processors this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_memory(text: str) -> int:
    """Return a size that people write.

    Parameters
    ----------
    text : str
        Such as "8GB", "512 MB" or "2GiB"; a plain number is bytes. Units are powers of 1000, with an i of 1024.

    Returns
    -------
    int
        In bytes.

    Raises
    ------
    ParameterError
        If it is no size.
    """
    compact = text.strip().lower().removesuffix("b")
    base = 1024 if compact.endswith("i") else 1000
    compact = compact.removesuffix("i")
    powers = {"k": 1, "m": 2, "g": 3, "t": 4}
    power = powers.get(compact[-1:], 0)
    try:
        size = float(compact[:-1] if power else compact) * base**power
    except ValueError:
        size = math.nan
    if not LEAST_MEMORY <= size < math.inf:
        raise ParameterError(f"memory is {text!r}; give at least 64MB, such as 8GB")
    return int(size)


def fitting_grid(
    shape: Sequence[int],
    itemsize: int,
    chunks: Sequence[int],
    shards: Sequence[int] | None,
    *,
    memory: int,
    n_workers: int,
    is_decoded: bool = True,
    halo: Sequence[int] | None = None,
) -> Grid:
    """Cut an array into blocks of whole chunks and whole shards that fit into memory.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    itemsize : int
        Bytes of a value.
    chunks : sequence of int
        The pieces in which the array is stored.
    shards : sequence of int, optional
        The pieces in which the output is written, if there is one: no two blocks share one.
    memory : int
        What all blocks in work may take, in bytes.
    n_workers : int
        How many blocks are in work.
    is_decoded : bool
        Whether a chunk is read whole or not at all. Where it is not, to read a part of one costs no more.
    halo : sequence of int, optional
        How far around a block voxels are needed, too: blocks are as large as fit then, up to 256 MB, because what
        overlaps is worked on twice.

    Returns
    -------
    Grid
        Of blocks of at most 16 MB, unless one chunk is larger, or chunks and shards meet in larger blocks only: these
        may take 256 MB. Where not even these are whole chunks, blocks are of whole shards, of the shape for which the
        fewest chunks are read again; see `rereads`.

    Raises
    ------
    ParameterError
        If not even one chunk for each worker fits into memory.
    """
    chunks = tuple(map(min, chunks, shape))
    pieces = chunks if is_decoded else (1,) * len(shape)

    def fits(block: Sequence[int]) -> bool:
        return working_bytes(block, pieces, itemsize, shape, halo) * n_workers <= memory

    unit = _whole(shape, chunks, chunks if shards is None else shards)
    if shards is not None:
        most = BLOCK_BYTES * (MOST_TIMES if is_decoded else 1) // itemsize
        if math.prod(unit) > most or not fits(unit):
            candidates = [one for one in _candidates(shape, chunks, shards) if math.prod(one) <= most and fits(one)]
            least = tuple(map(min, shards, shape))
            unit = min(candidates, key=lambda one: _cost(shape, one, chunks), default=least)
    needed = working_bytes(unit, pieces, itemsize, shape, halo)
    if not fits(unit):
        raise ParameterError(
            f"memory is {memory >> 20} MB, but blocks of {' × '.join(map(str, unit))} voxels for {n_workers} workers "
            f"take {needed * n_workers >> 20} MB; allow more (--memory), or use fewer threads"
        )
    if halo is not None:
        return Grid(tuple(shape), _largest(shape, unit, BLOCK_BYTES * MOST_TIMES // itemsize, fits))
    spare = memory // n_workers - needed
    limit = min(BLOCK_BYTES, spare // COPIES + math.prod(unit) * itemsize)
    return Grid(tuple(shape), _grown(shape, unit, max(1, limit // itemsize)))


def rereads(grid: Grid, chunks: Sequence[int]) -> float:
    """Return how often a chunk is read for all blocks to be read once.

    Parameters
    ----------
    grid : Grid
        The blocks.
    chunks : sequence of int
        The pieces in which the array is stored.

    Returns
    -------
    float
        On the average; 1.0 where no chunk is in two blocks.
    """
    along = (
        1 + ((n - 1) // block - (n - 1) // math.lcm(block, chunk)) / -(-n // chunk)  # ends of blocks within chunks
        for n, block, chunk in zip(grid.shape, grid.block, chunks, strict=True)
    )
    return math.prod(along)


def working_bytes(
    block: Sequence[int],
    chunks: Sequence[int],
    itemsize: int,
    shape: Sequence[int] | None = None,
    halo: Sequence[int] | None = None,
) -> int:
    """Return how much memory a block takes while it is worked on.

    Parameters
    ----------
    block : sequence of int
        Its shape.
    chunks : sequence of int
        The pieces that are decoded as a whole.
    itemsize : int
        Bytes of a value.
    shape : sequence of int, optional
        Of the array.
    halo : sequence of int, optional
        How far around the block voxels are needed, too.

    Returns
    -------
    int
        In bytes: of the block `COPIES` times, and of a chunk that is larger than it. With a halo, of all that is around
        it, and of what filters work in.
    """
    if shape is not None and halo is not None:
        n_voxels = math.prod(min(n, b + 2 * h) for n, b, h in zip(shape, block, halo, strict=True))
        return n_voxels * (COPIES * itemsize + AROUND_BYTES) + math.prod(chunks) * itemsize
    own, decoded = math.prod(block) * itemsize, math.prod(chunks) * itemsize
    return COPIES * own + (decoded if decoded > own else 0)


def _whole(shape: Sequence[int], chunks: Sequence[int], shards: Sequence[int]) -> tuple[int, ...]:
    """Return the least block of whole chunks and whole shards."""
    return tuple(min(math.lcm(c, s), n) for n, c, s in zip(shape, chunks, shards, strict=True))


def _candidates(shape: Sequence[int], chunks: Sequence[int], shards: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Give blocks of whole shards: as long as the axis, or parts of it, or of whole chunks, along each axis."""
    along = []
    for n, chunk, shard in zip(shape, chunks, shards, strict=True):
        n_parts = {*range(1, 8), *(1 << power for power in range(3, (n // shard).bit_length()))}
        parts = (min(n, -(-n // (m * shard)) * shard) for m in n_parts)
        along.append(sorted({min(n, shard), min(n, math.lcm(chunk, shard)), *parts}))
    yield from product(*along)


def _cost(shape: Sequence[int], block: Sequence[int], chunks: Sequence[int]) -> tuple[float, int]:
    return rereads(Grid(tuple(shape), tuple(block)), chunks), math.prod(block)


def _largest(
    shape: Sequence[int], unit: Sequence[int], most: int, fits: Callable[[Sequence[int]], bool]
) -> tuple[int, ...]:
    """Return the largest multiple of the unit that fits, of at most so many voxels; the unit at least."""
    while True:
        block = _grown(shape, unit, most)
        if fits(block) or most <= math.prod(unit):
            return block
        most = most * 3 // 4


def _grown(shape: Sequence[int], unit: Sequence[int], most: int) -> tuple[int, ...]:
    """Return a multiple of the unit, longest along the last axes, of at most so many voxels."""
    block = list(unit)
    for axis in reversed(range(len(block))):
        room = most // math.prod(block)
        if room > 1:
            block[axis] = min(shape[axis], unit[axis] * room)
    return tuple(block)
