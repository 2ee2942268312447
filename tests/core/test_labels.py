"""Labels are `searchsorted(thresholds, v, side="left")`, whatever the dtype, the layout and the thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.labels import MOST_COMPARISONS, ignore_label
from klevels.core.levels import Levels
from klevels.errors import DataError, DataTypeError, ParameterError
from strategies import LAYOUTS, ORDERED_DTYPES, gray_images


def _levels(thresholds: object) -> Levels:
    inner = np.asarray(thresholds, np.float64)
    n = len(inner) + 1
    return Levels(np.arange(n), inner, np.ones(n, np.int64), inertia=0.0, total_inertia=1.0)


def _expected(values: np.ndarray, thresholds: object, mask: np.ndarray | None = None) -> np.ndarray:
    """Return labels as NumPy gives them, compared exactly: every integer and float of 32 bits is a float64."""
    inner = np.asarray(thresholds, np.float64)
    exact = np.ma.getdata(values).astype(np.float64)
    labels = np.searchsorted(inner, exact, side="left")
    ignore = 255 if len(inner) < 255 else 65535
    outside = np.isnan(exact) if mask is None else np.isnan(exact) | ~mask
    return np.where(outside, ignore, labels).astype(np.uint8 if ignore == 255 else np.uint16)


def _image(dtype: str, shape: tuple[int, ...] = (4, 9, 11)) -> np.ndarray:
    rng = np.random.default_rng(11)
    whole = rng.integers(0, 256, shape)
    if np.dtype(dtype).kind == "f":
        image = (whole / 8 - 16).astype(dtype)
        image.flat[3::17] = np.nan
        return image
    return (whole - (128 if np.dtype(dtype).kind == "i" else 0)).astype(dtype)


THRESHOLDS = {
    "two classes": [3.0],
    "one class": [],
    "on values and between": [-100, -16, -3.5, -0.125, 0, 0.1, 1, 2.875, 7, 100.5, 200],
    "outside every dtype": [-math.inf, -1e300, -1e20, -1, 0.5, 255, 255.5, 256, 65535.5, 1e20, 1e300, math.inf],
    "equal": [2, 2, 5, 5, 5],
    "many": np.linspace(-140, 300, MOST_COMPARISONS + 5),
    "254": np.linspace(-200, 300, 254),
    "255": np.linspace(-200, 300, 255),
    "299": np.linspace(-200, 300, 299),
}


@pytest.mark.parametrize("name", THRESHOLDS)
@pytest.mark.parametrize("dtype", ORDERED_DTYPES)
def test_equals_searchsorted(dtype: str, name: str) -> None:
    thresholds = THRESHOLDS[name]
    image = _image(dtype)
    labels = _levels(thresholds).classify(image)
    expected = _expected(image, thresholds)
    assert labels.dtype == expected.dtype
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ORDERED_DTYPES)
def test_any_layout_and_mask(dtype: str, layout: str) -> None:
    thresholds = [-5.5, 0, 1, 9, 77.7]
    image = LAYOUTS[layout](_image(dtype))
    inside = np.random.default_rng(1).random(image.shape) < 0.6
    levels = _levels(thresholds)
    np.testing.assert_array_equal(levels.classify(image), _expected(image, thresholds))
    for lying in LAYOUTS:
        found = levels.classify(image, mask=LAYOUTS[lying](inside))
        np.testing.assert_array_equal(found, _expected(image, thresholds, inside))
    masked = levels.classify(np.ma.array(image, mask=~inside))
    assert type(masked) is np.ndarray
    np.testing.assert_array_equal(masked, _expected(image, thresholds, inside))


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4"])
@pytest.mark.parametrize("shape", [(), (1,), (300, 1), (1, 300), (2, 3, 4, 5), (2, 3, 1, 4, 2)])
def test_any_dimension(dtype: str, shape: tuple[int, ...]) -> None:
    image = _image(dtype, shape)
    labels = _levels([1, 7]).classify(image)
    assert labels.shape == shape
    np.testing.assert_array_equal(labels, _expected(image, [1, 7]))


def test_broadcast_images() -> None:
    image = np.broadcast_to(_image("u2", (7,))[:, None], (3, 7, 4))
    np.testing.assert_array_equal(_levels([1, 7]).classify(image), _expected(image, [1, 7]))


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_labels_lie_in_memory_as_the_image_does(dtype: str) -> None:
    levels = _levels([3.0])
    image = _image(dtype)
    assert levels.classify(image).flags.c_contiguous
    assert levels.classify(np.asfortranarray(image)).flags.f_contiguous
    turned = image.transpose(1, 0, 2)
    assert levels.classify(turned).transpose(1, 0, 2).flags.c_contiguous


@given(
    st.sampled_from([code for code in ORDERED_DTYPES if code[1:] not in ("i8", "f8")]).flatmap(gray_images),
    st.lists(st.floats(allow_nan=False), max_size=30),
)
def test_equals_searchsorted_on_any_values_and_thresholds(image: np.ndarray, thresholds: list[float]) -> None:
    thresholds.sort()
    np.testing.assert_array_equal(_levels(thresholds).classify(image), _expected(image, thresholds))


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4"])
def test_narrow_floats_are_compared_with_float64_thresholds(dtype: str) -> None:
    plain = np.dtype(dtype).newbyteorder("=").type
    value = plain(0.1)
    above, below = np.nextafter(value, plain(1)), np.nextafter(value, plain(0))
    image = np.array([below, value, above], dtype)
    exact = float(value)
    assert _levels([exact]).classify(image).tolist() == [0, 0, 1]
    assert _levels([np.nextafter(exact, 0)]).classify(image).tolist() == [0, 1, 1]
    assert _levels([np.nextafter(exact, 1)]).classify(image).tolist() == [0, 0, 1]


@pytest.mark.parametrize("value", [2**53, 2**62, -(2**63), 2**63 - 1])
def test_long_integers_are_compared_exactly(value: int) -> None:
    threshold = float(value)
    image = np.clip(np.array([value - 1, value, value + 1], object), -(2**63), 2**63 - 1).astype(np.int64)
    assert _levels([threshold]).classify(image).tolist() == [int(x > threshold) for x in image.tolist()]


@pytest.mark.parametrize("k", [2, 24, 25, 26, 254, 255, 256, 300, 1000])
@pytest.mark.parametrize("dtype", ["u2", ">i2", "i4", "f4"])
def test_any_number_of_classes(k: int, dtype: str) -> None:
    image = np.arange(1200).astype(dtype)
    thresholds = np.arange(1, k) - 0.5
    labels = _levels(thresholds).classify(image, mask=image != 7)
    assert labels.dtype == (np.uint8 if k <= 255 else np.uint16)
    expected = np.minimum(np.arange(1200), k - 1)
    expected[7] = 255 if k <= 255 else 65535
    np.testing.assert_array_equal(labels, expected)
    assert ignore_label(k) == expected[7]


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_threads_change_nothing(dtype: str) -> None:
    image = np.random.default_rng(1).integers(0, 256, (3, 1100, 1000)).astype(dtype)
    expected = _expected(image, [20, 50, 199])
    for threads in (1, 2, 4, None):
        np.testing.assert_array_equal(_levels([20, 50, 199]).classify(image, threads=threads), expected)


def test_infinite_voxels_are_beyond_all_thresholds() -> None:
    assert _levels([1, 2]).classify(np.array([-np.inf, np.inf, np.nan])).tolist() == [0, 2, 255]


def test_bad_images_are_refused() -> None:
    levels = _levels([1.0])
    with pytest.raises(DataTypeError, match="complex128; klevels takes"):
        levels.classify(np.zeros(3, complex))
    with pytest.raises(DataError, match="empty, of shape"):
        levels.classify([])
    with pytest.raises(DataError, match=r"the mask has shape \(2,\), the image \(3,\)"):
        levels.classify([1, 2, 3], mask=[True, True])
    with pytest.raises(ParameterError, match="threads is 0"):
        levels.classify([1], threads=0)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "f4", ">f8", "?"])
def test_paint_gives_each_voxel_its_center(dtype: str) -> None:
    levels = Levels([-3.0, 0.5, 1.5, 300.0], [0, 1, 2], [1, 1, 1, 1], inertia=0.0, total_inertia=1.0)
    painted = levels.paint(np.array([[0, 1], [2, 3], [255, 0]], np.uint8), dtype)
    assert painted.dtype == np.dtype(dtype)
    expected = {
        "u1": [0, 0, 2, 255, 0, 0],
        "i2": [-3, 0, 2, 300, 0, -3],
        "i8": [-3, 0, 2, 300, 0, -3],
        "f4": [-3, 0.5, 1.5, 300, np.nan, -3],
        ">f8": [-3, 0.5, 1.5, 300, np.nan, -3],
        "?": [0, 1, 1, 1, 0, 0],
    }[dtype]
    np.testing.assert_array_equal(painted.ravel(), np.array(expected, dtype))


@pytest.mark.parametrize("k", [255, 256, 300])
def test_paint_any_number_of_classes(k: int) -> None:
    levels = _levels(np.arange(1, k) - 0.5)
    labels = levels.classify(np.arange(k))
    assert levels.paint(labels, np.int32).tolist() == list(range(k))


def test_paint_refuses_labels_of_another_model() -> None:
    levels = _levels([1.0])
    with pytest.raises(ParameterError, match="there is a label 2, but only 2 classes; give labels of this model"):
        levels.paint(np.array([0, 2], np.uint8), np.uint8)
    with pytest.raises(DataTypeError, match="the labels are of dtype int64; give uint8 or uint16"):
        levels.paint(np.array([0, 1], np.int64), np.uint8)
    with pytest.raises(DataTypeError, match="dtype complex128"):
        levels.paint(np.array([0, 1], np.uint8), complex)
    assert _levels(np.arange(299)).paint(np.array([0, 255], np.uint8), np.int32).tolist() == [0, 255]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_labels_go_where_they_shall_be(layout: str) -> None:
    image = LAYOUTS[layout](_image("uint16"))
    levels = _levels([3.0, 50.0])
    whole = np.full((2, *image.shape), 77, np.uint8)
    found = levels.classify(image, out=whole[1])
    assert found.base is whole
    np.testing.assert_array_equal(whole[1], levels.classify(image))
    assert (whole[0] == 77).all()


@pytest.mark.parametrize("out", [np.zeros((4, 9, 10), np.uint8), np.zeros(4 * 9 * 11, np.uint8), np.zeros((4, 9, 11))])
def test_another_place_for_labels_is_refused(out: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="give a writable uint8 of the image's shape"):
        _levels([3.0]).classify(_image("uint16"), out=out)
    np.testing.assert_array_equal(out, 0)
