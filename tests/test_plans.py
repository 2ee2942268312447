"""What a plan says is what a run does."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from klevels.image import Image
from klevels.io.sinks import shards_for
from klevels.lazy import LazyArray, Window
from klevels.memory import COPIES, Grid, fitting_grid
from klevels.plans import OVERHEAD_BYTES, estimate_reading, plan_run
from klevels.recipe import Recipe
from klevels.runs import Outputs, segment_to
from klevels.workers import Workers

SHAPE = (12, 40, 50)
VALUES = np.random.default_rng(2).integers(0, 4000, SHAPE).astype(np.uint16)


class Noting(LazyArray):
    """An array that notes how many values are read of it."""

    def __init__(self, data: np.ndarray, *, is_compressed: bool) -> None:
        super().__init__(data.shape, data.dtype, None, "scan.tif", data.nbytes // 2 if is_compressed else None)
        self.data = data
        self.sizes: list[int] = []

    def read(self, window: Window) -> np.ndarray:
        part = self.data[window]
        self.sizes.append(part.size)
        return part


def lazy_image(*, is_compressed: bool = True, dtype: str = "uint16") -> tuple[Image, Noting]:
    data = Noting(VALUES.astype(dtype), is_compressed=is_compressed)
    return Image(data, "zyx"), data


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 8000)


def test_a_block_is_read_for_it() -> None:
    image, data = lazy_image()
    planned = plan_run(image, Recipe(k=3), [Path("a.raw")], Workers(2, None, 1 << 30))
    assert data.sizes == [math.prod(planned.block)]
    assert planned.n_blocks == 6
    assert json.loads(json.dumps(planned.to_dict()))["block"] == list(planned.block)


@pytest.mark.parametrize("is_compressed", [True, False])
@pytest.mark.parametrize("n_kept", [0, 2, 6])
def test_as_much_is_read_as_it_says(tmp_path: Path, n_kept: int, is_compressed: bool) -> None:
    image, data = lazy_image(is_compressed=is_compressed)
    block_bytes = 2 * 40 * 50 * 2
    workers = Workers(1, None, (COPIES + n_kept) * block_bytes)
    output = tmp_path / "a.raw"
    planned = plan_run(image, Recipe(k=3), [output], workers)
    assert planned.n_kept == (n_kept if is_compressed else 0)
    assert planned.passes == ("count", "label and write")
    data.sizes.clear()
    segmented(output, image, Recipe(k=3), workers)
    assert sum(data.sizes) / VALUES.size == pytest.approx(planned.n_reads)
    assert planned.memory_bytes - OVERHEAD_BYTES <= workers.budget
    assert planned.output_bytes == output.stat().st_size


def segmented(output: Path, image: Image, recipe: Recipe, workers: Workers) -> None:
    segment_to(Outputs(labels=output, others={}), image, None, recipe, workers, fingerprint={}, record=lambda _: {})


class Decoding(LazyArray):
    """An array in chunks, each of which is decoded as a whole; it notes how many values are decoded."""

    def __init__(self, data: np.ndarray, chunks: tuple[int, ...]) -> None:
        super().__init__(data.shape, data.dtype, chunks, "scan.tif", data.nbytes // 2)
        self.data = data
        self.n_decoded = 0

    def read(self, window: Window) -> np.ndarray:
        stored = Grid(self.shape, self.chunks)
        touched = {tuple(one.start // c for one, c in zip(w, self.chunks, strict=True)) for w in stored.parts(window)}
        self.n_decoded += len(touched)
        return self.data[window]

    @property
    def n_reads(self) -> float:
        return self.n_decoded / Grid(self.shape, self.chunks).n_blocks


@pytest.mark.parametrize(
    ("dtype", "has_alpha", "n_passes", "n_reads"),
    [("uint8", False, 2, 2), ("float32", False, 3, 3), ("uint8", True, 2, 4), ("float32", True, 3, 6)],
)
@pytest.mark.parametrize("n_kept", [0, 2, 4])
def test_channels_are_kept_through_all_passes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dtype: str,
    has_alpha: bool,
    n_passes: int,
    n_reads: int,
    n_kept: int,
) -> None:
    values = np.random.default_rng(4).integers(1, 9, (8, 20, 10, 3)).astype(dtype)
    data = Decoding(values / 8 if dtype == "float32" else values, (1, 20, 10, 3))
    image = Image(data, "zyxc", meta={"alpha": True} if has_alpha else {})
    block_bytes = data.nbytes // 4
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", block_bytes)
    workers = Workers(1, None, (COPIES + n_kept) * block_bytes)
    planned = plan_run(image, Recipe(k=3), [tmp_path / "a.raw"], workers)
    assert (len(planned.passes), planned.n_blocks, planned.n_kept) == (n_passes, 4, n_kept)
    assert planned.n_reads == n_reads - n_kept / 4 * (n_reads - 1)
    data.n_decoded = 0
    segmented(tmp_path / "a.raw", image, Recipe(k=3), workers)
    assert data.n_reads == planned.n_reads


@pytest.mark.parametrize("chunks", [(1, 64, 96), (8, 7, 11), (3, 64, 10)])
@pytest.mark.parametrize("memory", [1 << 30, 100_000])
def test_chunks_in_several_blocks_are_decoded_as_often_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunks: tuple[int, ...], memory: int
) -> None:
    monkeypatch.setattr("klevels.io.zarr_grid.SHARD_BYTES", 4000)
    monkeypatch.setattr("klevels.io.zarr_grid.CHUNKS", {2: (8, 8), 3: (4, 8, 8)})
    data = Decoding(np.random.default_rng(4).integers(0, 50, (16, 64, 96)).astype(np.uint16), chunks)
    image, output, workers = Image(data, "zyx"), tmp_path / "a.ome.zarr", Workers(1, None, memory)
    monkeypatch.setattr("klevels.cutting.room_to_keep", lambda *_: 0)
    planned = plan_run(image, Recipe(k=3), [output], workers)
    data.n_decoded = 0
    segmented(output, image, Recipe(k=3), workers)
    assert data.n_reads == pytest.approx(planned.n_reads)
    assert planned.n_blocks > 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    "names",
    [
        ("a.tif", None),
        ("a.raw", None),
        ("a.ome.zarr", None),
        (None, "b.ome.zarr"),
        ("a.ome.zarr", "b.ome.zarr"),
        ("a.tif", "b.ome.zarr"),
    ],
)
@pytest.mark.parametrize("axes", ["zyx", "zyxc"])
def test_the_blocks_are_those_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str | None, str | None], axes: str, dtype: str
) -> None:
    monkeypatch.setattr("klevels.io.zarr_grid.SHARD_BYTES", 4000)
    monkeypatch.setattr("klevels.io.zarr_grid.CHUNKS", {2: (8, 8), 3: (4, 8, 8)})
    shape = (12, 40, 50, 3)[: len(axes)]
    values = np.random.default_rng(4).integers(0, 9, shape).astype(dtype)
    image = Image(Decoding(values, (1, *shape[1:])), axes)
    labels, paint = (None if name is None else tmp_path / name for name in names)
    workers = Workers(1, None, 1 << 24)
    planned = plan_run(image, Recipe(k=3), [labels, paint], workers)
    cuts = []

    def noting(*asked: Any, **how: Any) -> Grid:
        cuts.append(fitting_grid(*asked, **how))
        return cuts[-1]

    monkeypatch.setattr("klevels.cutting.fitting_grid", noting)
    outputs = Outputs(labels=labels, paint=paint, others={})
    segment_to(outputs, image, None, Recipe(k=3), workers, fingerprint={}, record=lambda _: {})
    assert {cut.block for cut in cuts} == {planned.block}
    assert planned.output_bytes == 24000 * (labels is not None) + values.nbytes * (paint is not None)


@pytest.mark.parametrize(
    ("outputs", "n_bytes"),
    [([], 0), (["a.raw"], VALUES.size), (["a.raw", "b.raw"], 3 * VALUES.size)],
)
@pytest.mark.parametrize("is_lazy", [True, False])
def test_how_much_is_written(outputs: list[str], n_bytes: int, is_lazy: bool) -> None:
    image = lazy_image()[0] if is_lazy else Image(VALUES, "zyx")
    paths = [Path(name) for name in outputs]
    assert plan_run(image, Recipe(k=3), paths, Workers(1)).output_bytes == n_bytes
    many = 2 * n_bytes - 2 * VALUES.size if len(outputs) > 1 else 2 * n_bytes
    assert plan_run(image, Recipe(k=300), paths, Workers(1)).output_bytes == many


def test_an_image_in_memory_is_one_block() -> None:
    image = Image(VALUES, "zyx")
    planned = plan_run(image, Recipe(k=3), [Path("a.tif")], Workers(1))
    assert (planned.in_memory, planned.n_blocks, planned.block) == (True, 1, SHAPE)
    streamed = plan_run(image, Recipe(k=3), [Path("a.raw")], Workers(1))
    assert not streamed.in_memory
    assert streamed.n_blocks > 1


def test_blocks_are_whole_shards_of_all_outputs() -> None:
    image, _ = lazy_image()
    paths = [Path("a.ome.zarr"), Path("b.raw")]
    planned = plan_run(image, Recipe(k=3), paths, Workers(1))
    for path in paths:
        for n, block, shard in zip(SHAPE, planned.block, shards_for(path, image), strict=True):
            assert block % shard == 0 or block == n


def test_passes() -> None:
    gray, channels = Image(VALUES, "zyx"), Image(np.stack([VALUES, VALUES], axis=3), "zyxc")
    floats = Image(np.asarray(channels.data, np.float32), "zyxc")
    output = [Path("a.tif")]
    assert plan_run(gray, Recipe(k=3), [], Workers(1)).passes == ("count",)
    assert plan_run(gray, None, output, Workers(1)).passes == ("copy",)
    assert plan_run(channels, Recipe(k=3), output, Workers(1)).passes == ("count", "label and write")
    assert plan_run(channels, Recipe(k=3), [], Workers(1)).passes == ("count", "label")
    for image, recipe in ((floats, Recipe(k=3)), (channels, Recipe(k=3, normalize=True))):
        assert plan_run(image, recipe, output, Workers(1)).passes == ("find the range", "count", "label and write")


def test_a_copy_is_as_large_as_the_image() -> None:
    image, data = lazy_image()
    planned = plan_run(image, None, [Path("a.raw")], Workers(1))
    assert planned.output_bytes == planned.image_bytes == VALUES.nbytes
    assert planned.n_reads == 1
    assert len(data.sizes) == 1


def test_reading_takes_time() -> None:
    assert estimate_reading(lazy_image()[0], Workers(1)) > 0
