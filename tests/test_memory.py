"""Blocks that are whole chunks, whole shards, and fit into memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klevels.errors import ParameterError
from klevels.memory import BLOCK_BYTES, COPIES, Grid, fitting_grid, free_memory, parse_memory

SIDES = st.lists(st.integers(1, 5000), min_size=3, max_size=3)
PIECES = st.lists(st.sampled_from([1, 2, 16, 32, 64, 100, 128, 512]), min_size=3, max_size=3)


@given(SIDES, PIECES, PIECES, st.sampled_from([1, 2, 4, 8]), st.integers(1, 16))
def test_blocks_are_whole_shards_and_fit(
    shape: list[int], chunks: list[int], shards: list[int], itemsize: int, n_workers: int
) -> None:
    memory = 8 << 30
    grid = fitting_grid(shape, itemsize, chunks, shards, memory=memory, n_workers=n_workers)
    for n, block, shard in zip(shape, grid.block, shards, strict=True):
        assert block % shard == 0 or block == n
    block_bytes = math.prod(grid.block) * itemsize
    one_shard = math.prod(min(s, n) for s, n in zip(shards, shape, strict=True)) * itemsize
    assert block_bytes <= max(BLOCK_BYTES, one_shard)
    assert COPIES * n_workers * block_bytes <= memory


@given(SIDES, PIECES)
def test_without_shards_blocks_are_whole_chunks(shape: list[int], chunks: list[int]) -> None:
    grid = fitting_grid(shape, 2, chunks, None, memory=8 << 30, n_workers=2)
    assert all(b % c == 0 or b == n for b, c, n in zip(grid.block, chunks, shape, strict=True))


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=3), st.data())
def test_windows_tile_the_array(shape: list[int], data: st.DataObject) -> None:
    block = tuple(data.draw(st.integers(1, n)) for n in shape)
    grid = Grid(tuple(shape), block)
    seen = np.zeros(shape, int)
    for index in range(grid.n_blocks):
        seen[grid.window(index)] += 1
    assert (seen == 1).all()
    assert tuple(sum(lengths) for lengths in grid.chunks) == tuple(shape)
    assert tuple(len(lengths) for lengths in grid.chunks) == grid.counts


def test_too_little_memory_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ParameterError, match=r"memory is 64 MB, but blocks of 1 × 20000 × 20000 voxels for 2 workers"):
        fitting_grid((100, 20000, 20000), 2, (1, 20000, 20000), None, memory=1 << 26, n_workers=2)


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("68MB", 68 * 10**6), ("8GB", 8 * 10**9), ("2 GiB", 2 << 30), ("1.5g", 1_500_000_000), ("1T", 10**12)],
)
def test_sizes_as_people_write_them(text: str, n_bytes: int) -> None:
    assert parse_memory(text) == n_bytes


@pytest.mark.parametrize("text", ["", "much", "63MB", "-1GB", "12", "inf", "nan", "8XB", "1e400GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"memory is .*; give at least 64MB, such as 8GB"):
        parse_memory(text)


def test_there_is_some_free_memory() -> None:
    assert 1 << 20 < free_memory() < 1 << 50
