"""The median filter gives SciPy's medians, with masks those of a plain search; however an image is cut or laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from instruction_sets import digest_on
from klevels.core.median import halo, median
from klevels.errors import DataError, DataTypeError, ParameterError
from strategies import DTYPES, LAYOUTS, ORDERED_DTYPES

Array = NDArray[Any]

TILED = {2: (75, 150), 3: (19, 70, 135)}  # no multiples of tiles or lanes


def _noise(dtype: str, shape: Sequence[int], seed: int = 0) -> Array:
    """Every value of a narrow integer, and many equal ones of other dtypes."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return np.round(rng.normal(0, 1000, shape)).astype(dtype)
    if dtype == "?":
        return rng.random(shape) < 0.5
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -(2**50)), min(limits.max, 2**50)  # SciPy goes through float64
    return rng.integers(low, high, shape, dtype, endpoint=True)


def _by_scipy(values: Array, size: int | Sequence[int]) -> Array:
    known = {"?": np.uint8, "e": np.float32}.get(values.dtype.char, values.dtype)
    return median_filter(values.astype(known), size, mode="reflect").astype(values.dtype)


def _plain(values: Array, radii: Sequence[int], inside: NDArray[np.bool_]) -> Array:
    """Sort what counts in each window."""
    margins, widths = [(r, r) for r in radii], tuple(2 * r + 1 for r in radii)
    seen = np.lib.stride_tricks.sliding_window_view(np.pad(values, margins, mode="symmetric"), widths)
    counts = np.lib.stride_tricks.sliding_window_view(np.pad(inside, margins, mode="symmetric"), widths)
    out = values.copy()
    for place in zip(*np.nonzero(inside), strict=True):
        window = np.sort(seen[place][counts[place]])
        out[place] = window[(len(window) - 1) // 2]
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_equals_scipy(dtype: str, ndim: int, radius: int) -> None:
    values = _noise(dtype, TILED[ndim] if radius < 3 else (*TILED[ndim][:-1], 40))
    before = values.copy()
    medians = median(values, radius=radius)
    assert medians.dtype == values.dtype
    assert medians.flags.c_contiguous
    np.testing.assert_array_equal(medians, _by_scipy(values, 2 * radius + 1))
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("shape", [(30, 41), (15, 15), (16, 15, 18)])
@pytest.mark.parametrize("radius", [4, 5, 6, 7])
def test_equals_scipy_for_every_radius(shape: tuple[int, ...], radius: int) -> None:
    for dtype in ("u1", "f8"):
        values = _noise(dtype, shape)
        np.testing.assert_array_equal(median(values, radius=radius), _by_scipy(values, 2 * radius + 1))


@pytest.mark.parametrize("dtype", ORDERED_DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_and_byte_order_change_nothing(dtype: str, layout: str) -> None:
    values = _noise(dtype[1:], (6, 7, 9)).astype(dtype)
    inside = np.random.default_rng(1).random(values.shape) < 0.7
    medians = median(LAYOUTS[layout](values))
    assert medians.dtype.isnative
    assert medians.flags.c_contiguous
    np.testing.assert_array_equal(medians, _by_scipy(values.astype(dtype[1:]), 3))
    masked = median(LAYOUTS[layout](values), inside=LAYOUTS[layout](inside))
    np.testing.assert_array_equal(masked, _plain(values, (1, 1, 1), inside))


@given(
    st.sampled_from(DTYPES),
    nps.array_shapes(min_dims=2, max_dims=3, min_side=3, max_side=8),
    st.integers(1, 3),
    st.lists(st.sampled_from([1.0, 1.25, 2.0, 3.5]), min_size=3, max_size=3),
    st.sampled_from([0.02, 0.4, 0.9, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_equals_a_plain_search(
    dtype: str, shape: tuple[int, ...], radius: int, sizes: list[float], share: float, seed: int
) -> None:
    spacing = sizes[: len(shape)]
    radii = halo(len(shape), radius=radius, spacing=spacing)
    values = _noise(dtype, shape, seed)
    inside = np.random.default_rng(seed).random(shape) < share
    medians = median(values, radius=radius, spacing=spacing, inside=inside, whole=(99,) * len(shape))
    np.testing.assert_array_equal(medians, _plain(values, radii, inside))
    if values.dtype.kind == "f":
        values[~inside] = np.nan
        medians = median(values, radius=radius, spacing=spacing, whole=(99,) * len(shape))
        np.testing.assert_array_equal(medians, _plain(values, radii, inside))


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_tiles_with_and_without_holes_meet(radius: int, dtype: str) -> None:
    values = _noise(dtype, TILED[3])
    inside = np.ones(values.shape, bool)
    inside[8:12, 60:66, 62:] = False
    inside[0, 0, 0] = False
    expected = _plain(values, (radius,) * 3, inside)
    np.testing.assert_array_equal(median(values, radius=radius, inside=inside), expected)
    np.testing.assert_array_equal(median(values, radius=radius, inside=inside.astype(np.int16) * 2), expected)
    if dtype == "f4":
        values[~inside] = np.nan
        np.testing.assert_array_equal(median(values, radius=radius), np.where(inside, expected, np.nan))


@pytest.mark.parametrize("spacing", [(2.0, 1, 1), (1, 2, 1), (1, 1, 2), (3, 1, 1), (2, 3, 1), (4, 4, 1)])
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_spacing_shortens_the_window(spacing: tuple[float, ...], radius: int) -> None:
    values = _noise("u2", (9, 11, 70))
    radii = tuple(round(radius / size) for size in spacing)
    assert halo(3, radius=radius, spacing=[0.3 * size for size in spacing]) == radii
    medians = median(values, radius=radius, spacing=spacing)
    np.testing.assert_array_equal(medians, _by_scipy(values, [2 * r + 1 for r in radii]))


@given(st.data())
def test_blocks_equal_the_whole(data: st.DataObject) -> None:
    shape = data.draw(nps.array_shapes(min_dims=2, max_dims=3, min_side=7, max_side=24))
    radius, dtype = data.draw(st.integers(1, 3)), data.draw(st.sampled_from(["u1", "u2", "f4"]))
    spacing = data.draw(st.sampled_from([None, (2.0, 1.0, 1.0)[-len(shape) :]]))
    seed = data.draw(st.integers(0, 1000))
    values = _noise(dtype, shape, seed)
    inside = None
    if data.draw(st.booleans()):
        inside = np.random.default_rng(seed).random(shape) < 0.8
    elif dtype == "f4":
        values[np.random.default_rng(seed).random(shape) < 0.1] = np.nan
    whole = median(values, radius=radius, spacing=spacing, inside=inside)
    begin = [data.draw(st.integers(0, size - 1)) for size in shape]
    end = [data.draw(st.integers(first + 1, size)) for first, size in zip(begin, shape, strict=True)]
    reach = halo(len(shape), radius=radius, spacing=spacing)
    low = [max(first - r, 0) for first, r in zip(begin, reach, strict=True)]
    seen = tuple(slice(first, last + r) for first, last, r in zip(low, end, reach, strict=True))
    part = median(
        values[seen], radius=radius, spacing=spacing, inside=None if inside is None else inside[seen], whole=shape
    )
    cropped = part[tuple(slice(b - a, e - a) for a, b, e in zip(low, begin, end, strict=True))]
    expected = np.ascontiguousarray(whole[tuple(map(slice, begin, end))])
    assert cropped.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["i8", "u4", "i4"])
def test_large_integers_are_exact(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(limits.min, limits.max, (5, 6, 7), dtype, endpoint=True)
    values[:2, :2, :2] = limits.min
    values[3:, 3:, 3:] = limits.max
    everything = np.ones(values.shape, bool)
    for radius in (1, 2):
        expected = _plain(values, (radius,) * 3, everything)
        np.testing.assert_array_equal(median(values, radius=radius), expected)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_every_kind_of_float_is_ordered(dtype: str) -> None:
    limits = np.finfo(dtype)
    some = [-np.inf, limits.min, -1, -limits.smallest_subnormal, 0, limits.smallest_subnormal, 1, limits.max, np.inf]
    values = np.random.default_rng(0).choice(np.array(some, dtype), (6, 7, 8))
    for radius in (1, 2):
        expected = _plain(values, (radius,) * 3, np.ones(values.shape, bool))
        np.testing.assert_array_equal(median(values, radius=radius), expected)
        expected = _plain(values, (radius,) * 3, values < 2)
        np.testing.assert_array_equal(median(values, radius=radius, inside=values < 2), expected)


def test_negative_zero_is_below_zero() -> None:
    values = np.array([[-0.0, -0.0, 0.0]] * 3)
    assert np.signbit(median(values)).tolist() == [[True, True, False]] * 3
    assert np.signbit(median(values, inside=np.arange(9).reshape(3, 3) > 0)).tolist() == [[True, True, False]] * 3


def test_what_does_not_count_keeps_its_bits() -> None:
    values = np.full((5, 6), 3.0, np.float32)
    values.view(np.uint32)[1, 2] = 0x7FC12345  # NaN with a message
    values.view(np.uint32)[3, 3] = 0xFFC54321
    values[0, 0] = 9
    inside = np.ones(values.shape, bool)
    inside[0, 0] = False
    assert median(values, inside=inside).tobytes() == values.tobytes()


def test_masked_arrays_and_masks_are_joined() -> None:
    values = _noise("u2", (12, 13))
    inside = np.random.default_rng(1).random(values.shape) < 0.8
    hidden = np.random.default_rng(2).random(values.shape) < 0.2
    medians = median(np.ma.array(values, mask=hidden), inside=inside)
    assert type(medians) is np.ndarray
    np.testing.assert_array_equal(medians, _plain(values, (1, 1), inside & ~hidden))
    nothing = np.zeros(values.shape, bool)
    np.testing.assert_array_equal(median(values, inside=nothing), values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_images_are_unchanged(dtype: str) -> None:
    values = np.full((9, 8, 7), 1.7 if dtype[0] == "f" else 1, dtype)
    for radius in (1, 2, 3):
        np.testing.assert_array_equal(median(values, radius=radius), values)


@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (1, 1), (1, 9, 40), (9, 1, 40), (9, 40, 1), (1, 1, 9), (1, 1, 1)])
def test_axes_of_one_voxel_have_no_window(shape: tuple[int, ...]) -> None:
    values = _noise("u2", shape)
    for radius in (1, 2, 4):
        size = [1 if side == 1 else 2 * radius + 1 for side in shape]
        np.testing.assert_array_equal(median(values, radius=radius), _by_scipy(values, size))


def test_threads_change_nothing() -> None:
    values = _noise("f4", (20, 130, 140))
    holes = np.random.default_rng(0).random(values.shape) < 0.95
    for radius, inside in ((1, None), (2, None), (1, holes)):
        expected = median(values, radius=radius, inside=inside, threads=1)
        for threads in (2, 7, None):
            medians = median(values, radius=radius, inside=inside, threads=threads)
            np.testing.assert_array_equal(medians, expected)


SCRIPT = """
import hashlib
import numpy as np
from klevels.core import _kernels
from klevels.core.median import median
rng = np.random.default_rng(1)
digest = hashlib.sha256()
for shape in ((11, 30, 75), (40, 75)):
    for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "i8", "f2", "f4", "f8"):
        values = rng.normal(60, 20, shape).astype(dtype)
        for radius in (1, 2, 3):
            for spacing in (None, (1, 1, 1.6)[:len(shape)], (1.6, 1, 1)[:len(shape)]):
                digest.update(median(values, radius=radius, spacing=spacing, threads=2).tobytes())
        digest.update(median(values, inside=values > 45, threads=2).tobytes())
print(_kernels.instruction_set(), digest.hexdigest())
"""


def test_instruction_sets_agree() -> None:
    names, digests = zip(*(digest_on(SCRIPT, wish) for wish in ("baseline", "avx2", None)), strict=True)
    assert names[0] == "baseline"
    assert len(set(digests)) == 1


def test_the_halo_is_the_radius_in_voxels() -> None:
    assert halo(2) == (1, 1)
    assert halo(3, radius=7) == (7, 7, 7)
    assert halo(3, radius=3, spacing=(20.0, 10.0, 10.0)) == (2, 3, 3)  # halves to even
    assert halo(3, radius=1, spacing=(2.0, 1.0, 1.0)) == (0, 1, 1)
    with pytest.raises(ParameterError, match=r"spacing is \(1, 1\); give 3 positive numbers"):
        halo(3, spacing=(1, 1))


@pytest.mark.parametrize("radius", [0, -1, 8, 1.0, None, "2"])
def test_other_radii_are_refused(radius: Any) -> None:
    with pytest.raises(ParameterError, match=f"radius is {radius!r}; give an integer from 1 to 7"):
        median(np.zeros((20, 20)), radius=radius)


def test_bad_input_is_refused() -> None:
    image = np.zeros((4, 3, 9), np.uint8)
    with pytest.raises(
        ParameterError, match=r"a window of 5 voxels is larger than the image along z \(4\); use a smal"
    ):
        median(image, radius=2)
    with pytest.raises(ParameterError, match=r"a window of 5 voxels is larger than the image along y \(3\)"):
        median(image[0], radius=2)
    with pytest.raises(ParameterError, match=r"a window of 3 voxels is larger than the image along x \(2\)"):
        median(image[..., :2], whole=(4, 3, 2))
    median(image[:2, :1, :2], whole=(4, 3, 9))
    with pytest.raises(ParameterError, match=r"shape is \(4, 3\); give 3 numbers"):
        median(image, whole=(4, 3))
    for spacing in ((1, 1), (1, 1, 0), (1, 1, -1), (1, 1, np.nan), (1, 1, np.inf)):
        with pytest.raises(ParameterError, match="give 3 positive numbers, one for each axis, or None"):
            median(image, spacing=spacing)
    with pytest.raises(ParameterError, match="threads is 0"):
        median(image, threads=0)
    with pytest.raises(DataError, match=r"the image has 1 axes; give \(y, x\) or \(z, y, x\)"):
        median(np.zeros(9))
    with pytest.raises(DataError, match="the image has 4 axes"):
        median(np.zeros((3, 3, 3, 3)))
    with pytest.raises(DataError, match="empty"):
        median(image[:0])
    with pytest.raises(DataError, match=r"the mask has shape \(3, 4, 9\), the image \(4, 3, 9\)"):
        median(image, inside=np.ones((3, 4, 9), bool))
    with pytest.raises(DataTypeError, match="dtype complex128"):
        median(image.astype(complex))
