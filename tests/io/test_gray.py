"""Luminance is exact, and transparent pixels carry no data."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from klevels.errors import DataError, DataTypeError
from klevels.image import Image
from klevels.io import gray
from klevels.io.gray import to_gray
from klevels.lazy import MappedArray
from windows import check_lazy

INTEGERS = [np.uint8, np.uint16, np.uint32, np.int8, np.int16, np.int32]


@pytest.mark.parametrize("dtype", INTEGERS)
@given(data=st.data())
def test_integers_are_rounded_half_up_exactly(dtype: type[np.integer], data: st.DataObject) -> None:
    colors = data.draw(hnp.arrays(dtype, st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(3))))
    image = to_gray(Image(colors, "yxc"))
    expected = [
        floor(Fraction(299 * r + 587 * g + 114 * b, 1000) + Fraction(1, 2))
        for r, g, b in colors.reshape(-1, 3).tolist()
    ]
    assert image.dtype == dtype
    assert image.axes == "yx"
    assert image.data.ravel().tolist() == expected


@pytest.mark.parametrize("dtype", [*INTEGERS, np.float16, np.float32, ">u2", ">f4"])
def test_equal_channels_keep_their_value(dtype: type) -> None:
    values = np.linspace(0, 127, 40).astype(dtype).reshape(5, 8)
    image = to_gray(Image(np.repeat(values[..., np.newaxis], 3, axis=-1), "yxc"))
    assert np.array_equal(image.data, values)
    assert image.dtype == np.dtype(dtype)


def test_extremes_do_not_overflow() -> None:
    for dtype in INTEGERS:
        for value in (np.iinfo(dtype).min, np.iinfo(dtype).max):
            assert to_gray(Image(np.full((1, 1, 3), value, dtype), "yxc")).data[0, 0] == value


def test_floats_stay_floats() -> None:
    colors = np.array([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [np.nan, 0, 0]]], np.float32)
    image = to_gray(Image(colors, "yxc"))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image.data, np.array([[0.299, 0.587, 0.114, np.nan]], np.float32))


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (7, 5, 6, 3), np.uint8)
    whole = to_gray(Image(colors, "zyxc", (3, 2, 1), "mm", {"format": "X"}))
    monkeypatch.setattr(gray, "BLOCK", 1)
    parts = to_gray(Image(colors, "zyxc", (3, 2, 1), "mm"))
    assert np.array_equal(whole.data, parts.data)
    assert (whole.axes, whole.spacing, whole.unit, whole.meta["format"]) == ("zyx", (3, 2, 1), "mm", "X")


def test_agrees_with_pillow_to_its_rounding() -> None:
    PIL = pytest.importorskip("PIL.Image")
    colors = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    theirs = np.asarray(PIL.fromarray(colors).convert("L")).astype(int)
    assert np.abs(to_gray(Image(colors, "yxc")).data - theirs).max() <= 1


def test_gray_is_returned_as_it_is() -> None:
    image = Image(np.zeros((2, 3, 4), np.float32), "zyx")
    assert to_gray(image) is image


@pytest.mark.parametrize("n_colors", [1, 3])
def test_transparent_pixels_are_masked(n_colors: int) -> None:
    data = np.full((2, 2, n_colors + 1), 200, np.uint8)
    data[..., -1] = [[0, 1], [254, 255]]
    image = to_gray(Image(data, "yxc", meta={"alpha": True}))
    assert isinstance(image.data, np.ma.MaskedArray)
    assert image.data.mask.tolist() == [[True, False], [False, False]]
    assert image.data.compressed().tolist() == [200] * 3
    assert "alpha" not in image.meta


def test_without_transparent_pixels_the_array_is_plain() -> None:
    image = to_gray(Image(np.full((2, 2, 4), 9, np.uint8), "yxc", meta={"alpha": True}))
    assert type(image.data) is np.ndarray


@pytest.mark.parametrize(("n_channels", "alpha"), [(2, False), (4, False), (5, True), (3, True)])
def test_other_channels_are_refused(n_channels: int, alpha: bool) -> None:
    with pytest.raises(DataError, match="channels"):
        to_gray(Image(np.zeros((2, 2, n_channels), np.uint8), "yxc", meta={"alpha": alpha}))


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint64, complex])
def test_other_dtypes_are_refused(dtype: type) -> None:
    with pytest.raises(DataTypeError, match=np.dtype(dtype).name):
        to_gray(Image(np.zeros((2, 2, 3), dtype), "yxc"))


@pytest.mark.parametrize("dtype", [">u2", "u1", "<i4", "f4"])
@pytest.mark.parametrize("n_colors", [1, 3])
def test_what_is_not_in_memory_stays_there(tmp_path: Path, dtype: str, n_colors: int) -> None:
    colors = (np.random.default_rng(0).random((3, 5, 7, n_colors)) * 250).astype(dtype)
    (tmp_path / "a.raw").write_bytes(colors.tobytes())
    image = Image(MappedArray(tmp_path / "a.raw", colors.shape, dtype), "zyxc", (3, 2, 1), "mm")
    found = to_gray(image)
    assert (found.axes, found.spacing, found.unit) == ("zyx", (3, 2, 1), "mm")
    assert found.data.chunks == (1, 5, 7)
    native = np.ascontiguousarray(colors, colors.dtype.newbyteorder("="))
    check_lazy(found.data, to_gray(Image(native, "zyxc")).data)


def test_refusals_come_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(64 * 8))
    with pytest.raises(DataTypeError, match="int64"):
        to_gray(Image(MappedArray(tmp_path / "a.raw", (4, 4, 3), np.int64), "yxc"))
    with pytest.raises(DataError, match="channels"):
        to_gray(Image(MappedArray(tmp_path / "a.raw", (4, 4, 4), np.int64), "yxc"))


def test_alpha_is_read_into_memory_if_it_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colors = np.random.default_rng(0).integers(0, 3, (6, 7, 4), np.uint8)
    (tmp_path / "a.raw").write_bytes(colors.tobytes())
    image = Image(MappedArray(tmp_path / "a.raw", colors.shape, np.uint8), "yxc", meta={"alpha": True})
    found, expected = to_gray(image), to_gray(Image(colors, "yxc", meta={"alpha": True}))
    assert isinstance(found.data, np.ma.MaskedArray)
    assert np.array_equal(found.data.mask, expected.data.mask)
    assert np.array_equal(found.data.data, expected.data.data)
    monkeypatch.setattr(gray, "free_memory", lambda: 300)
    with pytest.raises(DataError, match="alpha"):
        to_gray(image)
