"""What a run will cost, before it starts: passes, blocks, memory and time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from klevels import cutting, io, labeling, scratch
from klevels.choosing import choose_filter
from klevels.core.count import count_part
from klevels.core.denoise import Filter
from klevels.image import Image
from klevels.io.sinks import shards_for
from klevels.lazy import Window
from klevels.memory import AROUND_BYTES, Grid, rereads
from klevels.recipe import Recipe
from klevels.runs import Outputs, blank_outputs
from klevels.sources import visible
from klevels.workers import Workers

OVERHEAD_BYTES = 200 << 20
"""The interpreter with its libraries, and the histograms."""
KEPT = "kept beside the output until the end"
COMPUTED = "computed in each pass"


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
        How often a voxel is read and decoded, on the average: in each pass in which its block is not kept, and for each
        block that has a part of the chunk in which it is stored.
    memory_bytes : int
        What will be taken at most, on one machine.
    output_bytes : int
        What will be written, before compression.
    seconds : float
        How long it will take, from the time of one block; filters take the time of a usual processor.
    denoised : str
        What becomes of the denoised image: "not" denoised, "in memory", "kept beside the output until the end",
        "computed in each pass", or "written".
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
    denoised: str = "not"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON.

        Returns
        -------
        dict
            One entry for each field.
        """
        return asdict(self)


def plan_run(
    image: Image,
    recipe: Recipe | None,
    outputs: Sequence[Path | None],
    workers: Workers,
    *,
    mask: Any = None,
    chosen: Filter | None = None,
) -> Plan:
    """Plan a segmentation, or a copy.

    Parameters
    ----------
    image : Image
        In memory or not.
    recipe : Recipe or None
        What is asked; None to copy the image. What it leaves open is chosen from the image, as the run will.
    outputs : sequence of Path or None
        Images that will be written: the labels, or the copy, what is painted, and margins; None for what is not.
    workers : Workers
        Who will do it.
    mask : array, optional
        Where a voxel counts.
    chosen : Filter, optional
        How a copy is denoised, with its strength.

    Returns
    -------
    Plan
        One block is read for it.
    """
    if recipe is not None:
        recipe = choose_filter(image, visible(image, mask), recipe)
        chosen = recipe.denoise if isinstance(recipe.denoise, Filter) else None
    n_spatial = len(image.axes.replace("c", ""))
    n_voxels = math.prod(image.shape[:n_spatial])
    image_bytes = math.prod(image.shape) * image.dtype.itemsize
    blanks = _blanks(image, recipe, outputs)
    output_bytes = sum(blank.data.size * blank.dtype.itemsize for blank in blanks.values())
    passes, denoised = _passes(image, recipe, blanks, chosen)
    halo = labeling.reach(image, recipe or Recipe(k=1, denoise=chosen))
    is_whole = not image.is_lazy and workers.client is None
    if is_whole and not any(io.is_streamed(path, image) for path in blanks):
        grid = Grid(image.shape, image.shape)
        seconds = (_seconds(image, grid, 1.0) * len(passes) + scratch.seconds_of(image, chosen)) / workers.n_at_once
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
            memory_bytes=image_bytes + n_voxels * (1 if halo is None else 1 + AROUND_BYTES) + OVERHEAD_BYTES,
            output_bytes=output_bytes,
            seconds=seconds,
            denoised="not" if chosen is None else "in memory",
        )
    shards = [shards_for(path, blank)[:n_spatial] for path, blank in blanks.items()]
    grid = cutting.grid_of(image, workers, tuple(np.lcm.reduce(shards).tolist()) if shards else None, halo)
    n_workers = workers.n_at_once if workers.client is None else sum(workers.client.nthreads().values())
    block_bytes = math.prod(grid.block) * image.dtype.itemsize
    is_kept = bool(blanks) and len(passes) > 1 and halo is None
    n_kept = min(grid.n_blocks, cutting.room_to_keep(image, grid, workers) // block_bytes) if is_kept else 0
    share = n_kept / grid.n_blocks
    n_reads = 1 if recipe is None else cutting.n_reads(image, len(passes))
    n_block_reads = n_reads - share * (n_reads - 1)
    again = rereads(grid, cutting.chunks_of(image)) if cutting.is_decoded(image) else 1.0
    n_filtered = len(passes) if denoised == COMPUTED else 1
    seconds = (_seconds(image, grid, n_block_reads) + n_filtered * scratch.seconds_of(image, chosen)) / n_workers
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
        n_reads=n_block_reads * again,
        memory_bytes=OVERHEAD_BYTES + cutting.bytes_in_work(image, grid, workers, halo) + n_kept * block_bytes,
        output_bytes=output_bytes,
        seconds=seconds,
        denoised=denoised,
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
    grid = cutting.grid_of(image, workers)
    return _seconds(image, grid, 1.0) / workers.n_at_once


def _blanks(image: Image, recipe: Recipe | None, outputs: Sequence[Path | None]) -> dict[Path, Image]:
    """Return what each output will hold, without its values."""
    first, second, third = (*outputs, None, None, None)[:3]
    if recipe is not None:
        return blank_outputs(image, recipe, Outputs(labels=first, paint=second, margins=third, others={}))
    return {} if first is None else {first: image}


def _passes(
    image: Image, recipe: Recipe | None, blanks: Mapping[Path, Image], chosen: Filter | None
) -> tuple[tuple[str, ...], str]:
    """Return what is done with all blocks, and what becomes of the denoised image."""
    if recipe is None:
        return ("copy",) if chosen is None else ("denoise and write",), "not" if chosen is None else "written"
    passes = cutting.passes_over(image, recipe, has_outputs=bool(blanks))
    if chosen is None:
        return passes, "not"
    if not blanks:
        return passes, COMPUTED
    is_kept = scratch.is_cheaper(image, recipe, next(iter(blanks)).parent)
    return ("denoise", *passes) if is_kept else passes, KEPT if is_kept else COMPUTED


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
