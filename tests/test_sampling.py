"""The boxes that stand for an image depend on its shape alone, lie within it, and do not touch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.blocks import as_blocks
from klevels.image import Image
from klevels.memory import Grid
from klevels.sampling import MOST_VOXELS, sample, sample_windows

LENGTHS = st.one_of(st.integers(1, 70), st.integers(1, 5000))


@given(st.lists(LENGTHS, min_size=2, max_size=3))
def test_boxes_lie_apart_within_the_image(shape: list[int]) -> None:
    windows = sample_windows(shape)
    n_voxels = sum(math.prod(one.stop - one.start for one in window) for window in windows)
    assert 0 < n_voxels <= MOST_VOXELS
    if math.prod(shape) <= MOST_VOXELS:
        assert windows == [tuple(slice(0, n) for n in shape)]
    for axis, n in enumerate(shape):
        along = sorted({(window[axis].start, window[axis].stop) for window in windows})
        assert along[0][0] >= 0
        assert along[-1][1] <= n
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(along))
        assert len({stop - start for start, stop in along}) == 1
    if math.prod(shape) > 4 * MOST_VOXELS:
        assert n_voxels > MOST_VOXELS // 4


def test_boxes_are_where_they_say() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1000, (300, 301, 302), np.uint16)
    mask = rng.random(values.shape) < 0.5
    box = sample(Image(values, "zyx"), mask)
    assert box.inside is not None
    found = 0
    for window in sample_windows(values.shape):
        n = window[0].stop - window[0].start
        np.testing.assert_array_equal(box.values[found : found + n], values[window])
        np.testing.assert_array_equal(box.inside[found : found + n], mask[window])
        found += n + 1
        if found < len(box.inside):
            assert not box.inside[found - 1].any()
    assert found == len(box.values) + 1


@pytest.mark.parametrize("block", [(7, 301, 302), (300, 50, 64)])
def test_the_same_in_blocks(block: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 1000, (300, 301, 302), np.uint16)
    whole = sample(Image(values, "zyx"), None)
    lazy = Image(as_blocks(values, Grid(values.shape, block)), "zyx")
    for one in (lazy, Image(as_dask_of(values, block), "zyx")):
        cut = sample(one, None)
        np.testing.assert_array_equal(cut.values, whole.values)
        np.testing.assert_array_equal(cut.inside, whole.inside)


def as_dask_of(values: np.ndarray, block: tuple[int, ...]) -> object:
    import dask.array

    return dask.array.from_array(values, chunks=block)


def test_what_is_masked_does_not_count() -> None:
    values = np.ma.MaskedArray(np.arange(12).reshape(3, 4), np.arange(12).reshape(3, 4) % 5 == 0)
    box = sample(Image(values, "yx"), None)
    assert type(box.values) is np.ndarray
    np.testing.assert_array_equal(box.inside, np.arange(12).reshape(3, 4) % 5 != 0)
