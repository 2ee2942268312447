"""A denoised volume that is kept on the disk while a run needs it several times."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels import cutting, labeling
from klevels.blocks import as_blocks, as_dask, blocks_of, reduce_blocks
from klevels.copying import write_block
from klevels.core.denoise import Filter, Method
from klevels.files import naming_output
from klevels.foreign import is_dask
from klevels.image import Image
from klevels.io import raw_sink
from klevels.io.sinks import Sink
from klevels.lazy import LazyArray, MappedArray, Window
from klevels.memory import Grid
from klevels.partial import Partial, mark
from klevels.recipe import Recipe
from klevels.sources import visible
from klevels.workers import Workers

STAGE = "denoised"
FILE = "denoised.raw"
DISK_RATE = 0.4e9
"""Bytes a second that a usual disk writes, and reads back."""
RATES: dict[Method, float] = {
    "median": 60e6,
    "gaussian": 15e6,
    "diffusion": 10e6,
    "nlm": 2e6,
    "bilateral": 2e6,
    "tv": 1e6,
}
"""Voxels a second that a thread filters, about. They are not measured: what else a machine does must not matter."""


def is_cheaper(image: Image, recipe: Recipe, folder: Path) -> bool:
    """Tell whether to keep a denoised image on the disk takes less time than to denoise it for each pass again.

    Parameters
    ----------
    image : Image
        What is segmented.
    recipe : Recipe
        With a filter that has its strength, or with none.
    folder : Path
        Where there must be room for it.

    Returns
    -------
    bool
        False where nothing is denoised. The result is the same to the bit either way.
    """
    chosen = recipe.denoise
    if not isinstance(chosen, Filter):
        return False
    n_values = math.prod(image.shape)
    n_bytes = n_values * image.dtype.itemsize
    n_passes = len(cutting.passes_over(image, recipe, has_outputs=True))
    again = (n_passes - 1) * seconds_of(image, chosen)
    if (folder / FILE).exists():  # of an interrupted run
        return True
    return again > 2 * n_bytes / DISK_RATE and shutil.disk_usage(_existing(folder)).free > 1.1 * n_bytes


def seconds_of(image: Image, chosen: Filter | None) -> float:
    """Return how long a usual processor takes to denoise an image, with one thread.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    chosen : Filter or None
        The filter.

    Returns
    -------
    float
        In seconds.
    """
    return 0.0 if chosen is None else math.prod(image.shape) / RATES[chosen.method]


def denoised(partial: Partial, image: Image, mask: Any, recipe: Recipe, like: Any, workers: Workers) -> Any:
    """Denoise an image into the folder of a run; go on where an interrupted one ended.

    Parameters
    ----------
    partial : Partial
        The run.
    image : Image
        Of any kind of array.
    mask : array or None
        Where a voxel counts.
    recipe : Recipe
        With a filter that has its strength.
    like : LazyArray or dask array
        Of the kind and with the blocks that the result shall have.
    workers : Workers
        Who does it.

    Returns
    -------
    LazyArray or dask array
        To be read as long as the folder is there.
    """
    path = partial.path / FILE
    blank = replace(image, data=np.broadcast_to(np.zeros((), image.dtype.newbyteorder("=")), image.shape))
    with naming_output(partial.output):
        sink = raw_sink.reopen(path, blank, path) if path.exists() else raw_sink.create(path, blank, path)
    halo = labeling.reach(image, replace(recipe, borders=None, smooth=None, reestimate=False))
    source, inside = cutting.in_blocks(image, mask, workers, shards=sink.shards, halo=halo)
    data = labeling.denoised(source, visible(source, inside), recipe, workers).data
    partial.cut(blocks_of(data), STAGE)
    done = partial.done(STAGE)
    reduce_blocks(_Store(sink, partial.output, partial.path), _nothing, (data,), workers, done=done)
    kept = MappedArray(path, image.shape, np.dtype(sink.dtype).newbyteorder("<"))
    if is_dask(like):
        return as_dask(kept, like.chunks)
    grid = like.grid if isinstance(like, LazyArray) and like.grid is not None else Grid(image.shape, image.shape)
    return as_blocks(kept, grid)


class _Store:
    """Write a block; a class, so that it can be pickled."""

    def __init__(self, sink: Sink, output: Path, folder: Path) -> None:
        self._sink = sink
        self._output = output
        self._folder = folder

    def __call__(self, number: int, window: Window, block: NDArray[Any]) -> None:
        with naming_output(self._output):
            write_block(self._sink, window[: block.ndim], block)
            mark(self._folder, number, None, STAGE)


def _nothing(one: None, other: None) -> None:
    del one, other


def _existing(folder: Path) -> Path:
    """Return the folder, or the first above it that there is."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())
