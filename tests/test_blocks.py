"""Blocks of any shape, threads and kinds of array give the bits of the whole."""

from __future__ import annotations

import operator
import subprocess
import sys
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import klevels
from klevels.blocks import as_blocks, as_dask, blocks_of, map_blocks, reduce_blocks
from klevels.errors import DataError, ParameterError, ReadError
from klevels.image import Image
from klevels.lazy import LazyArray, Window
from klevels.memory import Grid
from klevels.workers import Workers

RNG = np.random.default_rng(7)
SCAN = RNG.normal(2000, 600, (13, 21, 17)).clip(0, 4095).astype(np.uint16)
DTYPES = ("uint8", "int16", "uint16", "float32", "float64")


class Stored(LazyArray):
    """An array that says which windows were read."""

    def __init__(self, data: np.ndarray, chunks: tuple[int, ...] | None = None) -> None:
        super().__init__(data.shape, data.dtype, chunks, "scan.tif", stored_bytes=data.nbytes)
        self.data = data
        self.windows: list[Window] = []

    def read(self, window: Window) -> np.ndarray:
        self.windows.append(window)
        return self.data[window]


class Broken(Stored):
    """An array with a damaged chunk."""

    def read(self, window: Window) -> np.ndarray:
        if window[0].start <= 6 < window[0].stop:
            raise ReadError("scan.tif: strip 7 is damaged; copy it again")
        return super().read(window)


def number_and_sum(number: int, window: Window, block: np.ndarray) -> dict[int, tuple[Window, int]]:
    return {number: (window, int(block.sum()))}


@st.composite
def chunkings(draw: st.DrawFn, shape: tuple[int, ...] = SCAN.shape) -> tuple[tuple[int, ...], ...]:
    """Chunks of any length along each axis, unequal ones too."""
    found = []
    for n in shape:
        cuts = sorted(draw(st.sets(st.integers(1, n - 1), max_size=4)))
        found.append(tuple(int(length) for length in np.diff([0, *cuts, n])))
    return tuple(found)


@settings(max_examples=15, deadline=None)
@given(chunkings(), st.sampled_from(DTYPES), st.integers(1, 3))
def test_any_chunking_segments_like_the_whole(chunks: Any, dtype: str, threads: int) -> None:
    scan = SCAN.astype(dtype) if dtype != "uint8" else (SCAN >> 4).astype(dtype)
    scan = scan * np.float64(1.1) if dtype == "float64" else scan
    mask = SCAN > 1500
    whole = klevels.segment(scan, k=4, mask=mask)
    cut = klevels.segment(da.from_array(scan, chunks=chunks), k=4, mask=mask, threads=threads)
    assert isinstance(cut.labels.data, da.Array)
    np.testing.assert_array_equal(cut.labels.data.compute(), whole.labels.data)
    assert cut.model.to_dict() == whole.model.to_dict()
    assert cut.summary() == whole.summary()
    np.testing.assert_array_equal(cut.paint().data.compute(), whole.paint().data)


@settings(max_examples=8, deadline=None)
@given(chunkings(), st.sampled_from(DTYPES))
def test_any_chunking_applies_a_model_like_the_whole(chunks: Any, dtype: str) -> None:
    model = klevels.fit_levels(klevels.histogram(SCAN[::2].astype(dtype)), k=3)
    recipe = klevels.Recipe(k=3, model=model)
    whole = klevels.segment(SCAN.astype(dtype), recipe=recipe)
    cut = klevels.segment(da.from_array(SCAN.astype(dtype), chunks=chunks), recipe=recipe)
    assert cut.model.to_dict() == whole.model.to_dict()


@settings(max_examples=8, deadline=None)
@given(chunkings(), st.sampled_from(["uint8", "uint16", "float32"]), st.booleans(), st.booleans())
def test_any_chunking_clusters_channels_like_the_whole(chunks: Any, dtype: str, normalize: bool, masked: bool) -> None:
    channels = np.stack([SCAN >> 4, (SCAN >> 5) + np.arange(17, dtype=np.uint16)], axis=-1).astype(dtype)
    mask = SCAN > 1500 if masked else None
    whole = klevels.segment(Image(channels, "zyxc"), k=3, mask=mask, normalize=normalize, quality="fast")
    lazy = Image(da.from_array(channels, chunks=(*chunks, (2,))), "zyxc")
    cut = klevels.segment(lazy, k=3, mask=mask, normalize=normalize, quality="fast")
    np.testing.assert_array_equal(cut.labels.data.compute(), whole.labels.data)
    assert cut.model.to_dict() == whole.model.to_dict()


@settings(max_examples=8, deadline=None)
@given(chunkings((24, 30)))
def test_any_chunking_posterizes_like_the_whole(chunks: Any) -> None:
    photo = RNG.integers(0, 255, (24, 30, 3)).astype(np.uint8)
    whole = klevels.posterize(photo, k=5, quality="fast")
    cut = klevels.posterize(Image(da.from_array(photo, chunks=(*chunks, (3,))), "yxc"), k=5, quality="fast")
    np.testing.assert_array_equal(cut.labels.data.compute(), whole.labels.data)
    assert cut.summary() == whole.summary()


@settings(max_examples=8, deadline=None)
@given(chunkings(), st.tuples(*[st.integers(1, n) for n in SCAN.shape]))
def test_a_filter_with_a_halo_equals_the_filter_of_the_whole(chunks: Any, block: tuple[int, ...]) -> None:
    median = partial(ndimage.median_filter, size=(3, 3, 3), mode="nearest")
    whole = median(SCAN)
    for cut in (da.from_array(SCAN, chunks=chunks), Stored(SCAN).cut(Grid(SCAN.shape, block))):
        filtered = map_blocks(median, cut, dtype=np.uint16, n_spatial=3, halo=(1, 1, 1))
        np.testing.assert_array_equal(np.asarray(filtered), whole)


def test_every_block_is_worked_on_once_and_results_merge_in_order() -> None:
    blocks = da.from_array(SCAN, chunks=(4, 9, 17))
    found = reduce_blocks(number_and_sum, lambda a, b: {**a, **b}, (blocks,), Workers(2))
    assert list(found) == list(range(4 * 3 * 1))
    for window, total in found.values():
        assert SCAN[window].sum() == total


def test_blocks_that_are_done_are_left_out() -> None:
    blocks = da.from_array(SCAN, chunks=(4, 9, 17))
    found = reduce_blocks(number_and_sum, lambda a, b: {**a, **b}, (blocks,), Workers(2), done={0, 5, 11})
    assert sorted(found) == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert reduce_blocks(number_and_sum, operator.or_, (blocks,), Workers(2), done=range(12)) is None


@pytest.mark.parametrize("kind", ["lazy", "dask"])
@pytest.mark.parametrize("block", [(4, 21, 6), (13, 5, 17), (1, 2, 3)])
@pytest.mark.parametrize("halo", [(0, 0, 0), (2, 1, 3), (5, 5, 5)])
def test_a_block_comes_with_the_halo_that_the_array_has(kind: str, block: Any, halo: tuple[int, ...]) -> None:
    grid = Grid(SCAN.shape, block)
    data = as_blocks(SCAN, grid) if kind == "lazy" else as_dask(SCAN, grid.chunks)
    mask = as_blocks(SCAN > 2000, grid) if kind == "lazy" else as_dask(SCAN > 2000, grid.chunks)
    part = partial(seen_around, halo=halo)
    found = reduce_blocks(part, operator.add, (data, mask, None), Workers(2), halo=halo)
    assert found == SCAN.size


def seen_around(number: int, window: Window, block: Any, mask: Any, nothing: None, *, halo: tuple[int, ...]) -> int:
    del number
    around = tuple(slice(max(0, one.start - r), one.stop + r) for one, r in zip(window, halo, strict=True))
    np.testing.assert_array_equal(block, SCAN[around])
    np.testing.assert_array_equal(mask, SCAN[around] > 2000)
    assert nothing is None
    return SCAN[window].size


def test_more_blocks_than_a_graph_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.blocks.shapes.BATCH", 6)
    seen: list[tuple[int, int]] = []
    blocks = da.from_array(SCAN, chunks=(1, 9, 17))
    workers = Workers(2, progress=lambda done, total: seen.append((done, total)))
    found = reduce_blocks(number_and_sum, lambda a, b: {**a, **b}, (blocks,), workers)
    assert list(found) == list(range(13 * 3))
    assert seen[-1] == (39, 39)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_lazy_array_is_read_window_by_window_and_never_whole() -> None:
    stored = Stored(SCAN, (1, 21, 17))
    image = Image(stored, "zyx")
    result = klevels.segment(image, k=3, memory=1 << 26)
    assert isinstance(result.labels.data, LazyArray)
    assert stored.windows
    plane = np.asarray(result.labels.data[5])
    np.testing.assert_array_equal(plane, klevels.segment(SCAN, k=3).labels.data[5])


def test_blocks_of_nothing_but_masked_voxels_do_not_matter() -> None:
    mask = np.zeros(SCAN.shape, bool)
    mask[6] = True
    cut = klevels.segment(da.from_array(SCAN, chunks=(1, 21, 17)), k=2, mask=mask)
    assert cut.model.to_dict() == klevels.segment(SCAN, k=2, mask=mask).model.to_dict()
    with pytest.raises(DataError, match="the mask leaves no voxel"):
        klevels.segment(da.from_array(SCAN, chunks=(4, 21, 17)), k=2, mask=mask & False)


def test_nan_and_infinite_voxels_are_counted_over_all_blocks() -> None:
    scan = SCAN.astype(np.float32)
    scan[[1, 5, 12], 0, 0] = np.nan
    cut = da.from_array(scan, chunks=(4, 21, 17))
    with pytest.raises(DataError, match="the image has 3 NaN voxels"):
        klevels.segment(cut, k=2)
    left = klevels.segment(cut, k=2, nan="ignore")
    np.testing.assert_array_equal(left.labels.data.compute(), klevels.segment(scan, k=2, nan="ignore").labels.data)
    scan[[2, 7], 0, 0] = np.inf
    with pytest.raises(DataError, match="the image has 2 infinite voxels"):
        klevels.segment(da.from_array(scan, chunks=(4, 21, 17)), k=2, nan="ignore")


def test_errors_of_a_block_come_out_as_they_are() -> None:
    with pytest.raises(ReadError, match=r"scan.tif: strip 7 is damaged; copy it again"):
        klevels.histogram(Image(Broken(SCAN), "zyx"))


def test_masks_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"the mask has shape \(2, 2\), the image \(13, 21, 17\)"):
        klevels.segment(da.from_array(SCAN), k=2, mask=np.ones((2, 2), bool))


def test_dithering_needs_the_image_in_memory() -> None:
    photo = da.from_array(RNG.integers(0, 255, (24, 30, 3)).astype(np.uint8))
    with pytest.raises(ParameterError, match=r"dither is 'floyd-steinberg'.*lazy=False"):
        klevels.posterize(Image(photo, "yxc"), k=3, dither="floyd-steinberg")


def test_kept_blocks_are_decoded_once() -> None:
    from klevels.cutting import in_blocks

    stored = Stored(SCAN, (1, 21, 17))
    workers = Workers(1, memory=1 << 27)
    image, _ = in_blocks(Image(stored, "zyx"), None, workers, passes=2)
    for _ in range(2):
        reduce_blocks(number_and_sum, operator.or_, (image.data,), workers)
    read = [tuple((one.start, one.stop) for one in window) for window in stored.windows]
    assert len(read) == len(set(read))


def test_arrays_of_each_kind_are_cut_alike() -> None:
    grid = Grid(SCAN.shape, (5, 21, 10))
    blocks = da.from_array(SCAN, chunks=grid.chunks)
    assert as_blocks(blocks, grid) is blocks
    for data in (SCAN, Stored(SCAN), da.from_array(SCAN, chunks=(4, 9, 17))):
        cut = as_blocks(data, grid)
        assert blocks_of(cut) == ((5, 5, 3), (21,), (10, 7))
        np.testing.assert_array_equal(np.asarray(cut), SCAN)
    as_dask_array = as_dask(Stored(SCAN), grid.chunks)
    assert as_dask_array.chunks == grid.chunks
    np.testing.assert_array_equal(as_dask_array.compute(), SCAN)


def test_dask_is_not_imported_for_what_threads_do() -> None:
    program = """
import sys, numpy as np, klevels
from klevels.lazy import LoadedArray
image = klevels.Image(LoadedArray(np.arange(60, dtype=np.uint8).reshape(3, 4, 5)), "zyx")
assert np.asarray(klevels.segment(image, k=2).labels.data).sum() == 30
assert "dask" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
