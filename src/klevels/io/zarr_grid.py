"""How large the chunks and the shards of a Zarr array are."""

from __future__ import annotations

import math

SHARD_BYTES = 1 << 24
"""No shard is larger, before it is compressed, unless it is a single chunk."""
CHUNKS = {2: (1024, 1024), 3: (32, 128, 128)}
"""For 2 and for 3 spatial axes. Flat, so that a scan stored page by page is labeled in slabs of few pages."""


def shard_grid(
    shape: tuple[int, ...], factors: tuple[int, ...], itemsize: int, *, n_channel_axes: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of chunks and of shards.

    Parameters
    ----------
    shape : tuple of int
        Of the array: channels, then spatial axes.
    factors : tuple of int
        By what the next level is coarser, 1 or 2 for each axis.
    itemsize : int
        Of a value, in bytes.
    n_channel_axes : int
        0 or 1.

    Returns
    -------
    chunks : tuple of int
        One channel each.
    shards : tuple of int
        Multiples of the chunks, which `factors` divide: all channels, and first whole pages, then several.
    """
    room = CHUNKS[len(shape) - n_channel_axes]
    chunks = [1] * n_channel_axes + [
        min(most, n + n % factor)
        for most, n, factor in zip(room, shape[n_channel_axes:], factors[n_channel_axes:], strict=True)
    ]
    shards = [*shape[:n_channel_axes], *chunks[n_channel_axes:]]
    while True:
        growing = [axis for axis in range(len(shape)) if shards[axis] < shape[axis]]
        in_page = [axis for axis in growing if axis >= len(shape) - 2]
        if not growing or 2 * math.prod(shards) * itemsize > SHARD_BYTES:
            return tuple(chunks), tuple(shards)
        shards[min(in_page or growing, key=lambda axis: (shards[axis], -axis))] *= 2
