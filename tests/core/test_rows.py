"""Strips are the pixels of the image in order, however it lies in memory and however long strips may be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core import rows as rows_module
from klevels.core.rows import as_rows
from klevels.errors import DataError, DataTypeError
from strategies import LAYOUTS, ORDERED_DTYPES


def _image(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.random.default_rng(5).integers(0, 100, shape)
    return (values > 50 if dtype == "|?" else values).astype(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ORDERED_DTYPES)
def test_strips_are_the_pixels_in_order(dtype: str, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for shape in ((7, 3), (4, 5, 3), (3, 4, 5, 2), (1, 1, 1), (2, 3, 4, 2, 16)):
        image = LAYOUTS[layout](_image(dtype, shape))
        inside = np.random.default_rng(6).integers(0, 2, shape[:-1]).astype(bool)
        for lying in LAYOUTS if dtype == "|u1" else ["C"]:
            rows = as_rows(image, LAYOUTS[lying](inside))
            assert rows.n_pixels == np.prod(shape[:-1])
            for n_at_most, most_copied in ((1 << 20, 1 << 20), (3, 1 << 20), (1 << 20, 7), (1, 1)):
                monkeypatch.setattr(rows_module, "COPIED", most_copied)
                strips = list(rows.strips(n_at_most))
                assert all(1 <= len(s.rows) <= n_at_most for s in strips)
                for strip in strips:
                    assert strip.rows.flags.c_contiguous
                    assert strip.rows.flags.aligned
                    assert strip.rows.dtype == rows.dtype
                    assert rows.dtype.isnative
                    assert strip.inside is not None
                    assert strip.inside.dtype == np.uint8
                    assert strip.inside.flags.c_contiguous
                    np.testing.assert_array_equal(strip.counting, strip.rows[strip.inside != 0])
                joined = np.concatenate([s.rows for s in strips])
                np.testing.assert_array_equal(joined, image.reshape(-1, shape[-1]))
                np.testing.assert_array_equal(np.concatenate([s.inside for s in strips]) != 0, inside.ravel())
                whole = np.arange(rows.n_pixels)
                np.testing.assert_array_equal(np.concatenate([whole[s.where] for s in strips]), whole)


def test_broadcast_and_channel_first_images() -> None:
    flat = np.broadcast_to(np.array([1, 2, 3], np.uint8), (5, 4, 3))
    assert np.concatenate([s.rows for s in as_rows(flat, None).strips()]).tolist() == [[1, 2, 3]] * 20
    planes = _image("u1", (3, 6, 5))
    seen = np.concatenate([s.rows for s in as_rows(np.moveaxis(planes, 0, -1), None).strips(11)])
    np.testing.assert_array_equal(seen, planes.reshape(3, -1).T)


def test_contiguous_images_are_not_copied() -> None:
    for dtype in ("u1", "u2", "f4"):
        image = _image(dtype, (8, 9, 3))
        assert all(np.shares_memory(s.rows, image) for s in as_rows(image, None).strips(10))


def test_channel_first_images_come_in_few_strips() -> None:
    planes = np.moveaxis(np.zeros((3, 500, 300), np.uint8), 0, -1)
    assert len(list(as_rows(planes, None).strips(1 << 31))) == 1


@given(st.data())
def test_a_pixel_with_a_masked_channel_does_not_count(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shape = (4, 3, 2)
    hidden, inside = rng.random(shape) < 0.3, rng.random(shape[:-1]) < 0.6
    image = np.ma.array(_image("u1", shape), mask=hidden)
    given_mask = data.draw(st.sampled_from([None, inside, inside.astype(np.int64) * -256]))
    rows = as_rows(image, given_mask)
    expected = ~hidden.any(axis=-1) if given_mask is None else ~hidden.any(axis=-1) & inside
    seen = np.ones(shape[:-1], bool) if rows.inside is None else rows.inside != 0
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("shape", [(), (3,), (4, 0), (4, 17), (2, 3, 17)])
def test_what_has_no_channels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"^the image has shape .*; give 1 to 16 channels on the last axis"):
        as_rows(np.zeros(shape), None)


def test_what_cannot_be_counted_is_refused() -> None:
    for empty in ((0, 3), (4, 0, 3)):
        with pytest.raises(DataError, match="empty"):
            as_rows(np.zeros(empty), None)
    for dtype in ("c8", "u8", "U3", "O", "M8[s]"):
        with pytest.raises(DataTypeError, match="klevels takes"):
            as_rows(np.zeros((2, 3), dtype), None)
    for shape in ((4, 5, 3), (4,), (5, 4), (4, 5, 1)):
        with pytest.raises(DataError, match="mask has shape"):
            as_rows(np.zeros((4, 5, 3)), np.ones(shape, bool))
    with pytest.raises(DataTypeError, match="mask is of dtype float64"):
        as_rows(np.zeros((4, 5, 3)), np.ones((4, 5)))
