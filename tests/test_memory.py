"""Blocks that are whole chunks, whole shards, and fit into memory."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klevels import machine
from klevels.errors import ParameterError
from klevels.memory import (
    BLOCK_BYTES,
    COPIES,
    MOST_TIMES,
    Grid,
    fitting_grid,
    free_memory,
    parse_memory,
    rereads,
    working_bytes,
)

SIDES = st.lists(st.integers(1, 5000), min_size=3, max_size=3)
PIECES = st.lists(st.sampled_from([1, 2, 16, 32, 64, 100, 128]), min_size=3, max_size=3)


@given(SIDES, PIECES, PIECES, st.sampled_from([1, 2, 4, 8]), st.integers(1, 16), st.booleans())
def test_blocks_are_whole_shards_and_fit(
    shape: list[int], chunks: list[int], shards: list[int], itemsize: int, n_workers: int, is_decoded: bool
) -> None:
    memory = 8 << 30
    grid = fitting_grid(shape, itemsize, chunks, shards, memory=memory, n_workers=n_workers, is_decoded=is_decoded)
    for n, block, shard in zip(shape, grid.block, shards, strict=True):
        assert block % shard == 0 or block == n
    block_bytes = math.prod(grid.block) * itemsize
    one_shard = math.prod(map(min, shards, shape)) * itemsize
    assert block_bytes <= max(BLOCK_BYTES * (MOST_TIMES if is_decoded else 1), one_shard)
    pieces = [min(c, n) for c, n in zip(chunks, shape, strict=True)] if is_decoded else (1, 1, 1)
    assert n_workers * working_bytes(grid.block, pieces, itemsize) <= memory
    whole = [min(math.lcm(c, s), n) for n, c, s in zip(shape, chunks, shards, strict=True)]
    if math.prod(whole) * itemsize <= min(BLOCK_BYTES, memory // COPIES // n_workers):
        assert rereads(grid, chunks) == 1
        assert block_bytes <= BLOCK_BYTES


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=2),
    st.lists(st.integers(1, 25), min_size=2, max_size=2),
    st.lists(st.integers(1, 25), min_size=2, max_size=2),
)
def test_rereads_are_what_is_counted(shape: list[int], block: list[int], chunks: list[int]) -> None:
    grid = Grid(tuple(shape), tuple(map(min, block, shape)))
    stored = Grid(tuple(shape), tuple(map(min, chunks, shape)))
    n_touched = sum(len(list(stored.parts(grid.window(i)))) for i in range(grid.n_blocks))
    assert rereads(grid, chunks[: len(shape)]) == pytest.approx(n_touched / stored.n_blocks)


def test_slices_are_not_decoded_for_each_shard_of_a_page() -> None:
    shape, chunks, shards = (512, 2048, 2048), (1, 2048, 2048), (32, 512, 1024)
    roomy = fitting_grid(shape, 2, chunks, shards, memory=8 << 30, n_workers=4)
    assert (roomy.block, rereads(roomy, chunks)) == ((32, 2048, 2048), 1)
    tight = fitting_grid(shape, 2, chunks, shards, memory=2 << 30, n_workers=4)
    assert (math.prod(tight.block), rereads(tight, chunks)) == (32 * 1024 * 2048, 2)
    mapped = fitting_grid(shape, 2, chunks, shards, memory=8 << 30, n_workers=4, is_decoded=False)
    assert mapped.block == shards


def test_blocks_span_what_chunks_span() -> None:
    shape, chunks, shards = (3000, 3000, 3000), (1, 3000, 3000), (32, 100, 100)
    grid = fitting_grid(shape, 2, chunks, shards, memory=64 << 30, n_workers=2)
    assert grid.block[0] == 32
    assert rereads(grid, chunks) == 3


def test_a_chunk_larger_than_a_block_counts() -> None:
    shape, chunks, shards = (64, 8192, 8192), (1, 8192, 8192), (32, 256, 256)
    chunk_bytes = 8192 * 8192 * 4
    least = COPIES * 32 * 256 * 256 * 4 + chunk_bytes
    grid = fitting_grid(shape, 4, chunks, shards, memory=2 * least, n_workers=2)
    assert 2 * working_bytes(grid.block, chunks, 4) <= 2 * least
    with pytest.raises(ParameterError, match="blocks of 32 × 256 × 256 voxels for 2 workers"):
        fitting_grid(shape, 4, chunks, shards, memory=2 * least - 1, n_workers=2)


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


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control groups of another system: a job within a slice, limited by both."""
    monkeypatch.setattr(machine, "GROUPS", str(tmp_path))
    monkeypatch.setattr(machine, "OWN_GROUP", str(tmp_path / "own"))
    monkeypatch.setattr(machine, "available_memory", lambda: 1 << 40)
    monkeypatch.setattr("klevels.memory.available_memory", lambda: 1 << 40)
    (tmp_path / "own").write_text("4:memory:/other\n0::/slice/job\n")
    put_group(tmp_path, "max", 900, 0)
    put_group(tmp_path / "slice", "1000", 700, 100)
    put_group(tmp_path / "slice" / "job", "800", 600, 500)
    return tmp_path


def put_group(folder: Path, limit: str, used: int, cached: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\nactive_file 7\n")


def test_the_least_that_any_group_leaves_is_free(groups: Path) -> None:
    assert free_memory() == 1000 - 700 + 100
    put_group(groups / "slice" / "job", "800", 600, 50)
    assert free_memory() == 800 - 600 + 50
    put_group(groups / "slice" / "job", "800", 900, 50)
    assert free_memory() == 0
    put_group(groups / "slice" / "job", "max", 900, 50)
    put_group(groups / "slice", "max", 900, 50)
    assert free_memory() == 1 << 40


@pytest.mark.parametrize("own", ["0::/\n", "0::/../elsewhere\n", "0::/not/mounted\n", "", "nonsense"])
def test_in_a_container_the_mounted_group_is_its_own(groups: Path, own: str) -> None:
    (groups / "own").write_text(own)
    put_group(groups, "500", 400, 30)
    assert free_memory() == 130


def test_a_group_that_tells_little_is_believed(groups: Path) -> None:
    (groups / "slice" / "job" / "memory.stat").unlink()
    assert free_memory() == 200
    (groups / "slice" / "job" / "memory.current").unlink()
    assert free_memory() == 400


def test_an_import_is_light() -> None:
    program = """
import sys, numpy
before = set(sys.modules)
import klevels.memory, klevels.lazy
print(*({"pathlib", "logging", "concurrent.futures"} & (set(sys.modules) - before)))
"""
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == ""
