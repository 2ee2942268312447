"""One histogram for one set of voxels: whatever the dtype, byte order, memory layout, mask, chunks or threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.count import histogram
from klevels.core.histogram import Histogram
from klevels.errors import DataError, DataTypeError, KlevelsError, ParameterError
from reference import assert_same_histogram
from strategies import LAYOUTS, ORDERED_DTYPES, elements_of, gray_images


def _image(dtype: str, shape: tuple[int, ...] = (3, 5, 7)) -> np.ndarray:
    rng = np.random.default_rng(11)
    whole = rng.integers(0, 256, shape)
    plain = np.dtype(dtype)
    if plain.kind == "f":
        return (whole / 8 - 16).astype(dtype)
    return (whole - (128 if plain.kind == "i" else 0)).astype(dtype)


def _check(h: Histogram, voxels: np.ndarray) -> None:
    levels, counts = np.unique(voxels.astype(voxels.dtype.newbyteorder("=")), return_counts=True)
    np.testing.assert_array_equal(h.levels, levels)
    np.testing.assert_array_equal(h.counts, counts)
    assert h.levels.dtype == (np.float64 if voxels.dtype.kind == "f" else np.int64)
    assert h.counts.dtype == np.int64
    assert h.shift == 0
    assert h.n_voxels == voxels.size


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ORDERED_DTYPES)
def test_equals_numpy_unique(dtype: str, layout: str) -> None:
    image = LAYOUTS[layout](_image(dtype))
    _check(histogram(image), image)
    inside = np.random.default_rng(1).random(image.shape) < 0.4
    for lying in LAYOUTS:
        _check(histogram(image, mask=LAYOUTS[lying](inside)), image[inside])
    _check(histogram(np.ma.array(image, mask=~inside)), image[inside])
    also = np.random.default_rng(2).random(image.shape) < 0.7
    _check(histogram(np.ma.array(image, mask=~inside), mask=also), image[inside & also])


@pytest.mark.parametrize("dtype", ORDERED_DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (50,), (1, 50), (50, 1), (6, 1, 7), (2, 3, 4, 5), (2, 3, 1, 4, 2)])
def test_any_dimension(dtype: str, shape: tuple[int, ...]) -> None:
    image = _image(dtype, shape)
    _check(histogram(image), image)
    _check(histogram(image.T), image)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_broadcast_voxels_count_each_time(dtype: str) -> None:
    row = _image(dtype, (7,))
    image = np.broadcast_to(row[:, None], (3, 7, 4))
    _check(histogram(image), image)
    _check(histogram(image, mask=np.broadcast_to(np.True_, image.shape)), image)


@pytest.mark.parametrize("mask_dtype", ["?", "u1", "i1", "u2", ">i4", "i8"])
def test_a_mask_of_integers_is_nonzero_inside(mask_dtype: str) -> None:
    image = _image("u2")
    mask = np.random.default_rng(3).integers(0, 2, image.shape).astype(mask_dtype) * np.array(100, mask_dtype)
    _check(histogram(image, mask=mask), image[mask != 0])


@given(st.sampled_from(ORDERED_DTYPES).flatmap(gray_images), st.randoms())
def test_order_of_voxels_does_not_matter(image: np.ndarray, random: object) -> None:
    flat = image.ravel()
    shuffled = flat[random.sample(range(flat.size), flat.size)]  # type: ignore[attr-defined]
    assert_same_histogram(histogram(image), histogram(shuffled))
    assert_same_histogram(histogram(image), Histogram.of(image))


@given(st.sampled_from(ORDERED_DTYPES).flatmap(gray_images))
def test_counts_equal_numpy_unique_on_all_values(image: np.ndarray) -> None:
    _check(histogram(image), image)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
def test_threads_change_nothing(dtype: str) -> None:
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 256, 3_200_000 * np.dtype(dtype).itemsize, np.uint8)
    image = bits.view(dtype)
    if image.dtype.kind == "f":
        image = np.where(np.isfinite(image), image, 0)
    image = image.reshape(2, -1, 1000)
    one = histogram(image, threads=1)
    for threads in (2, 4, 100, None):
        assert_same_histogram(one, histogram(image, threads=threads))
    assert (one.shift > 0) == (image.dtype.itemsize > 2)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f2", ">f4", ">f8"])
def test_negative_zero_is_zero(dtype: str) -> None:
    h = histogram(np.array([0.0, -0.0, -1.0, 1.0, -0.0], dtype))
    assert h.levels.tolist() == [-1, 0, 1]
    assert h.counts.tolist() == [1, 3, 1]
    assert not np.signbit(h.levels[1])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f2", ">f4", ">f8"])
def test_nan_is_refused_or_left_out(dtype: str) -> None:
    image = np.array([np.nan, 3.0, -np.nan, 3.0, 0.5], dtype)
    with pytest.raises(DataError, match=r"2 NaN voxels; use nan='ignore'"):
        histogram(image)
    h = histogram(image, nan="ignore")
    assert h.levels.tolist() == [0.5, 3]
    assert h.counts.tolist() == [1, 2]
    assert h.n_nan == 2
    assert histogram(image, mask=[0, 1, 0, 1, 1]).n_nan == 0
    with pytest.raises(DataError, match="every voxel is NaN"):
        histogram(image[:1], nan="ignore")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_voxels_are_refused_unless_masked(dtype: str, value: float) -> None:
    image = np.array([1, value, 2], dtype)
    for nan in ("error", "ignore"):
        with pytest.raises(DataError, match="1 infinite voxels; mask them or replace them"):
            histogram(image, nan=nan)  # type: ignore[arg-type]
    assert histogram(image, mask=[True, False, True]).levels.tolist() == [1, 2]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros(3, complex),
        np.zeros(3, object),
        np.array(["a"]),
        np.array([b"a"]),
        np.zeros(3, "M8[s]"),
        np.zeros(3, "m8[s]"),
        np.zeros(3, np.uint64),
        np.zeros(3, ">u8"),
        np.zeros(3, [("r", "u1"), ("g", "u1")]),
        "text",
        None,
    ],
    ids=lambda image: str(np.asarray(image).dtype),
)
def test_dtypes_without_gray_levels_are_refused(image: object) -> None:
    with pytest.raises(DataTypeError, match=r"the image is of dtype .*; klevels takes bool, .*: convert it") as caught:
        histogram(image)  # type: ignore[arg-type]
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, KlevelsError)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double here")
def test_long_double_is_refused() -> None:
    with pytest.raises(DataTypeError, match="klevels takes"):
        histogram(np.zeros(3, np.longdouble))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 0, 2)])
def test_empty_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"the image is empty, of shape .*; give at least one voxel"):
        histogram(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_a_mask_without_voxels_is_refused(dtype: str) -> None:
    image = np.ones((2, 3), dtype)
    with pytest.raises(DataError, match="the mask leaves no voxel; give at least one"):
        histogram(image, mask=np.zeros((2, 3), bool))
    with pytest.raises(DataError, match="the mask leaves no voxel; give at least one"):
        histogram(np.ma.masked_all_like(image))


@pytest.mark.parametrize("shape", [(3, 2), (6,), (1, 3), (2, 3, 1), ()])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"the mask has shape .*, the image \(2, 3\); give a mask"):
        histogram(np.ones((2, 3)), mask=np.ones(shape, bool))


@pytest.mark.parametrize("dtype", ["f4", "c8", "U1", "O"])
def test_a_mask_of_another_dtype_is_refused(dtype: str) -> None:
    with pytest.raises(DataTypeError, match=r"the mask is of dtype .*; give bool, or integers"):
        histogram(np.ones((2, 3)), mask=np.ones((2, 3)).astype(dtype))


@pytest.mark.parametrize("threads", [0, -1, 1.0, "2"])
def test_threads_must_be_a_positive_integer(threads: object) -> None:
    with pytest.raises(ParameterError, match=r"threads is .*; give an integer of at least 1"):
        histogram([1, 2], threads=threads)  # type: ignore[arg-type]


def test_an_unknown_way_with_nan_is_refused() -> None:
    with pytest.raises(ParameterError, match="nan is 'drop'; use 'error' or 'ignore'"):
        histogram([1.0], nan="drop")  # type: ignore[arg-type]


@given(st.data())
def test_the_image_is_not_changed(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["u1", "u2", "f4"]))
    image = data.draw(gray_images(dtype))
    before = image.copy()
    histogram(image)
    np.testing.assert_array_equal(image, before)
    assert image.flags.writeable
    assert elements_of("u1") is None
