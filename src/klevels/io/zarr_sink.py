"""Fill an OME-Zarr 0.5 of all resolution levels, shard by shard."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ParameterError, WriteError
from klevels.image import Image
from klevels.io.pyramid import coarser, plan_levels, reduce_block
from klevels.io.raw_sink import not_ours
from klevels.io.windows import check_block, extent, grid_windows
from klevels.io.zarr_grid import shard_grid
from klevels.io.zarr_metadata import group_metadata
from klevels.io.zarr_shards import PARTIAL, Codec, ShardedArray
from klevels.lazy import Window

LABEL_CODEC = Codec("lz4", 5, "bitshuffle")
"""For labels, which it makes 6 times smaller; zstd makes them 10 times smaller, and takes more than twice as long."""
GRAY_CODEC = Codec("zstd", 1, "shuffle")
"""For gray values, whose noise LZ4 leaves as it is."""


@dataclass(frozen=True, kw_only=True)
class ZarrSink:
    """An OME-Zarr that is filled shard by shard.

    Parameters
    ----------
    path : Path
        The name that it will have.
    part : Path
        The folder, which exists.
    arrays : tuple of ShardedArray
        The levels, the finest first. Channels are their first axis, as OME-Zarr wants it.
    factors : tuple of tuple of int
        For each level but the finest, by what it is coarser than the one before along each axis.
    has_labels : bool
        Whether the values are labels.
    has_channels : bool
        Whether windows and blocks have channels, as their last axis.
    """

    path: Path
    part: Path
    arrays: tuple[ShardedArray, ...]
    factors: tuple[tuple[int, ...], ...]
    has_labels: bool
    has_channels: bool

    @property
    def n_levels(self) -> int:
        """The number of levels, the finest included."""
        return len(self.arrays)

    @property
    def shards(self) -> tuple[int, ...]:
        """The shape of a shard of the finest level, in the order of the image's axes."""
        stored = self.arrays[0].shards
        return (*stored[1:], stored[0]) if self.has_channels else stored

    def write(self, window: Window, block: NDArray[Any]) -> None:
        """Write shards of the finest level, and those of the next, which cover the same voxels.

        Parameters
        ----------
        window : tuple of slice
            Where they are.
        block : ndarray
            Their values.

        Raises
        ------
        ParameterError
            If the block does not fit the window, or the window the shards.
        OSError
            If the disk is full or fails.

        Notes
        -----
        Each shard is whole or absent. Where one of the finest level is there, so is that of the next.
        """
        array = self.arrays[0]
        if self.has_channels:
            window, block = (window[-1], *window[:-1]), np.moveaxis(block, -1, 0)
        check_block(self.path, window, block, array.shape, np.dtype(array.dtype), array.shards)
        for shard in grid_windows(array.shape, array.shards, window):
            at = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(shard, window, strict=True))
            if self.n_levels > 1:
                self.arrays[1].write_shard(self._above(shard, 0), self._reduced(block[at], 0))
            array.write_shard(shard, block[at])

    def windows(self, level: int) -> list[Window]:
        """Return the shards of a level.

        Parameters
        ----------
        level : int
            2 or more: `write` makes the first two.

        Returns
        -------
        list of tuple of slice
            What `reduce` takes, in any order, by any thread, process or machine.
        """
        return list(grid_windows(self.arrays[level].shape, self.arrays[level].shards))

    def reduce(self, level: int, window: Window) -> None:
        """Make one shard of a level from the level before, all of which is written.

        Parameters
        ----------
        level : int
            2 or more.
        window : tuple of slice
            One of `windows`.

        Raises
        ------
        ReadError
            If a shard of the level before is missing or damaged.
        OSError
            If the disk is full or fails.

        Notes
        -----
        It holds this shard and one of the level before. What is there already is left as it is.
        """
        below, array = self.arrays[level - 1], self.arrays[level]
        if array.file(window).exists():
            return
        block = np.empty(extent(window), array.dtype)
        wanted = tuple(
            slice(one.start * factor, min(one.stop * factor, n))
            for one, factor, n in zip(window, self.factors[level - 1], below.shape, strict=True)
        )
        for shard in grid_windows(below.shape, below.shards, wanted):
            made = self._above(shard, level - 1)
            at = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(made, window, strict=True))
            block[at] = self._reduced(below.read_shard(shard), level - 1)
        array.write_shard(window, block)

    def finish(self) -> None:
        """Make the levels that are not there yet, and make sure that all is on the disk.

        Raises
        ------
        WriteError
            If a shard of the first two levels was never written.
        ReadError
            If a shard is damaged.
        OSError
            If the disk is full or fails.
        """
        for level in range(self.n_levels):
            for window in self.windows(level):
                file = self.arrays[level].file(window)
                if level > 1:
                    self.reduce(level, window)
                elif not file.exists():
                    name = file.relative_to(self.part)
                    raise WriteError(f"{self.path}: the shard {name} was never written; resume, or start again")
                with file.open("r+b") as stream:
                    os.fsync(stream.fileno())
        for left in self.part.rglob(f"*{PARTIAL}"):  # of processes that were killed
            left.unlink(missing_ok=True)

    def _above(self, window: Window, level: int) -> Window:
        """Return the window of the next level that covers the same voxels."""
        return tuple(
            slice(one.start // factor, -(-one.stop // factor))
            for one, factor in zip(window, self.factors[level], strict=True)
        )

    def _reduced(self, block: NDArray[Any], level: int) -> NDArray[Any]:
        return reduce_block(block, self.factors[level], labels=self.has_labels)


def create(path: Path, image: Image, part: Path) -> ZarrSink:
    """Begin an OME-Zarr.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        Whose values do not matter. Where ``meta["label_colors"]`` is, they are labels.
    part : Path
        The folder to make.

    Returns
    -------
    ZarrSink
        What fills it.

    Raises
    ------
    ParameterError
        If the image is said to be of labels, but not of integers.
    """
    sink = plan(path, image, part)
    part.mkdir()
    for file, text in _metadata(sink, image).items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return sink


def reopen(path: Path, image: Image, part: Path) -> ZarrSink:
    """Go on with what `create` began.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        As `create` had it.
    part : Path
        What `create` made.

    Returns
    -------
    ZarrSink
        What fills it.

    Raises
    ------
    WriteError
        If the folder is not what `create` made.
    """
    sink = plan(path, image, part)
    for file, text in _metadata(sink, image).items():
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise not_ours(path, part)
    return sink


def plan(path: Path, image: Image, part: Path) -> ZarrSink:
    """Return what would fill an OME-Zarr, without making it.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        As `create` takes it.
    part : Path
        The folder.

    Returns
    -------
    ZarrSink
        It depends on the shape, dtype, axes and spacing only, and on whether the values are labels.

    Raises
    ------
    ParameterError
        If the image is said to be of labels, but not of integers.
    """
    has_labels = "label_colors" in image.meta
    if has_labels and image.dtype.kind not in "iu":
        raise ParameterError(f"the dtype is {image.dtype}, but labels are integers; convert them")
    has_channels = image.axes.endswith("c")
    shape = (image.shape[-1], *image.shape[:-1]) if has_channels else image.shape
    factors = plan_levels(shape, image.spacing, n_other_axes=int(has_channels))
    codec = LABEL_CODEC if has_labels else GRAY_CODEC
    arrays: list[ShardedArray] = []
    for level in range(len(factors) + 1):
        steps = factors[level] if level < len(factors) else (1,) * len(shape)
        if level == 1:  # each shard covers one of the finest level, so that both are made from the same block
            first = arrays[0]
            shards = tuple(n // factor for n, factor in zip(first.shards, factors[0], strict=True))
            chunks = tuple(min(pair) for pair in zip(first.chunks, shards, strict=True))
        else:
            chunks, shards = shard_grid(shape, steps, image.dtype.itemsize, n_channel_axes=int(has_channels))
        folder, dtype = part / str(level), image.dtype.name
        arrays.append(ShardedArray(folder=folder, shape=shape, dtype=dtype, chunks=chunks, shards=shards, codec=codec))
        shape = coarser(shape, steps)
    return ZarrSink(
        path=path,
        part=part,
        arrays=tuple(arrays),
        factors=tuple(factors),
        has_labels=has_labels,
        has_channels=has_channels,
    )


def _metadata(sink: ZarrSink, image: Image) -> dict[Path, str]:
    """Return the files of metadata; that of the group is the last, so that where it is, all are."""
    names = ("c",) * sink.has_channels + tuple(image.axes.replace("c", ""))
    files = {array.folder / "zarr.json": array.metadata(names) for array in sink.arrays}
    files[sink.part / "zarr.json"] = group_metadata(image, sink.factors)
    return {file: json.dumps(content, indent=2) for file, content in files.items()}
