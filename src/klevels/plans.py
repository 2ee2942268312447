"""What a run will cost, before it starts: passes, blocks, memory and time."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from klevels import engine
from klevels.core.count import count_part
from klevels.image import Image
from klevels.io.sinks import shards_for
from klevels.lazy import LazyArray, Window
from klevels.memory import COPIES, Grid
from klevels.recipe import Recipe
from klevels.runs import is_streamed
from klevels.workers import Workers

OVERHEAD_BYTES = 200 << 20
"""The interpreter with its libraries, and the histograms."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will cost.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    dtype : str
        Of its values.
    image_bytes : int
        Its size, were it in memory.
    in_memory : bool
        Whether it is worked on in memory, as a whole; there is one block then.
    block : tuple of int
        The shape of a block.
    n_blocks : int
        How many there are.
    n_workers : int
        How many are worked on at the same time.
    passes : tuple of str
        What is done with all blocks, one after the other.
    n_kept : int
        Decoded blocks that stay in memory from one pass to the next.
    n_reads : float
        How often a voxel is read and decoded, on the average.
    memory_bytes : int
        What will be taken at most, on one machine.
    output_bytes : int
        What will be written, before compression.
    seconds : float
        How long it will take, from the time of one block.
    """

    shape: tuple[int, ...]
    dtype: str
    image_bytes: int
    in_memory: bool
    block: tuple[int, ...]
    n_blocks: int
    n_workers: int
    passes: tuple[str, ...]
    n_kept: int
    n_reads: float
    memory_bytes: int
    output_bytes: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON.

        Returns
        -------
        dict
            One entry for each field.
        """
        return asdict(self)


def plan_run(image: Image, recipe: Recipe | None, outputs: Sequence[Path], workers: Workers) -> Plan:
    """Plan a segmentation, or a copy.

    Parameters
    ----------
    image : Image
        In memory or not.
    recipe : Recipe or None
        What is asked; None to copy the image.
    outputs : sequence of Path
        Images that will be written: the labels, and what is painted.
    workers : Workers
        Who will do it.

    Returns
    -------
    Plan
        One block is read for it.
    """
    n_voxels = math.prod(image.shape[: len(image.axes.replace("c", ""))])
    image_bytes = math.prod(image.shape) * image.dtype.itemsize
    first_bytes = image_bytes if recipe is None else n_voxels * (1 if recipe.k < 255 else 2)
    output_bytes = first_bytes + image_bytes * (len(outputs) - 1) if outputs else 0
    passes = _passes(image, recipe, has_outputs=bool(outputs))
    is_whole = not image.is_lazy and workers.client is None
    if is_whole and not any(is_streamed(path, image) for path in outputs):
        grid = Grid(image.shape, image.shape)
        seconds = _seconds(image, grid, 1.0) * len(passes) / workers.n_at_once
        return Plan(
            shape=image.shape,
            dtype=image.dtype.name,
            image_bytes=image_bytes,
            in_memory=True,
            block=image.shape,
            n_blocks=1,
            n_workers=workers.n_at_once,
            passes=passes,
            n_kept=0,
            n_reads=float(len(passes)),
            memory_bytes=image_bytes + n_voxels + OVERHEAD_BYTES,
            output_bytes=output_bytes,
            seconds=seconds,
        )
    shards = [shards_for(path, image) for path in outputs]
    common = tuple(np.lcm.reduce(shards).tolist()) if shards else None
    grid = engine.grid_of(image, workers, common)
    n_workers = workers.n_at_once if workers.client is None else sum(workers.client.nthreads().values())
    block_bytes = math.prod(grid.block) * image.dtype.itemsize
    n_kept = _n_kept(image, grid, workers) if len(passes) > 1 else 0
    share = n_kept / grid.n_blocks
    n_reads = len(passes) - share * (len(passes) - 1)
    seconds = _seconds(image, grid, n_reads) / n_workers
    working = min(grid.n_blocks, workers.n_at_once) * COPIES * block_bytes
    return Plan(
        shape=image.shape,
        dtype=image.dtype.name,
        image_bytes=image_bytes,
        in_memory=False,
        block=grid.block,
        n_blocks=grid.n_blocks,
        n_workers=n_workers,
        passes=passes,
        n_kept=n_kept,
        n_reads=n_reads,
        memory_bytes=OVERHEAD_BYTES + working + n_kept * block_bytes,
        output_bytes=output_bytes,
        seconds=seconds,
    )


def estimate_reading(image: Image, workers: Workers) -> float:
    """Return how long it takes to read and decode an image once.

    Parameters
    ----------
    image : Image
        Not in memory.
    workers : Workers
        Who will do it.

    Returns
    -------
    float
        In seconds, from the time of one block.
    """
    grid = engine.grid_of(image, workers)
    return _seconds(image, grid, 1.0) / workers.n_at_once


def _passes(image: Image, recipe: Recipe | None, *, has_outputs: bool) -> tuple[str, ...]:
    if recipe is None:
        return ("copy",)
    passes = ["count"]
    has_channels = "c" in image.axes
    is_on_its_own_grid = image.dtype.kind == "f" or image.dtype.itemsize > 2
    if has_channels and (recipe.normalize or is_on_its_own_grid):
        passes.insert(0, "find the range")
    if has_outputs:
        passes.append("label and write")
    elif has_channels or recipe.model is not None:
        passes.append("label")
    return tuple(passes)


def _n_kept(image: Image, grid: Grid, workers: Workers) -> int:
    data = image.data
    if not isinstance(data, LazyArray) or workers.client is not None:
        return 0
    room = engine.room_to_keep(data, grid, workers)
    return min(grid.n_blocks, room // (math.prod(grid.block) * data.dtype.itemsize))


def _seconds(image: Image, grid: Grid, n_reads: float) -> float:
    """Return how long one worker takes, from a block in the middle."""
    window: Window = grid.window(grid.n_blocks // 2)
    begun = time.perf_counter()
    block = np.asarray(image.data[window])
    found = time.perf_counter() - begun
    if "c" not in image.axes and block.dtype.kind in "biuf":
        count_part(block, threads=1)
    counted = time.perf_counter() - begun
    share = block.size / math.prod(image.shape)
    return (found * n_reads + (counted - found) * 2) / share
