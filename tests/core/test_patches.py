"""What holds for all filters that compare patches: dtypes, masks, blocks, threads and processors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from instruction_sets import digest_on
from klevels.core import bilateral as by_gray
from klevels.core import nonlocal_means as by_patches
from klevels.core.bilateral import bilateral
from klevels.core.nonlocal_means import nonlocal_means
from klevels.core.patches import box, lengths
from klevels.errors import DataError, DataTypeError, ParameterError
from strategies import DTYPES, LAYOUTS, ORDERED_DTYPES, elements_of

Filter = Callable[..., NDArray[Any]]

FILTERS: dict[str, Filter] = {
    "patches of one": partial(nonlocal_means, patch=0, search=1, noise=0.1),
    "patches": partial(nonlocal_means, patch=1, search=2),
    "wide patches": partial(nonlocal_means, patch=3, search=1),
    "bilateral": partial(bilateral, sigma_space=0.7),
}
every_filter = pytest.mark.parametrize("denoise", FILTERS.values(), ids=FILTERS.keys())


def _elements(code: str) -> st.SearchStrategy[Any] | None:
    if code == "f2":  # of other draws, most would be refused
        return st.integers(-2048, 2048).map(float) | st.sampled_from([65504.0, -65504.0, 2.0**-24])
    return elements_of(code)


def _image(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.where(np.indices(shape).sum(axis=0) % 9 < 5, 100.0, 160.0) + rng.normal(0, 12, shape)


@every_filter
@pytest.mark.parametrize("code", DTYPES)
@given(st.data())
@settings(max_examples=20)
def test_constant_images_are_unchanged(denoise: Filter, code: str, data: st.DataObject) -> None:
    level = data.draw(nps.arrays(np.dtype(code), (), elements=_elements(code)))
    for shape in ((6, 5), (5, 5, 7)):
        image = np.full(shape, level)
        for strength in (1e-200, 1e-3, 1.0, 1e30):
            result = denoise(image, strength=strength)
            np.testing.assert_array_equal(result, image, strict=True)
            assert result.flags.c_contiguous
            assert not np.shares_memory(result, image)


@every_filter
@pytest.mark.parametrize("code", DTYPES)
@given(st.data())
@settings(max_examples=20)
def test_results_lie_within_the_range_of_the_image(denoise: Filter, code: str, data: st.DataObject) -> None:
    exact = st.integers(-(2**53), 2**53) if code == "i8" else _elements(code)
    image = data.draw(nps.arrays(np.dtype(code), (5, 6), elements=exact))
    for strength in (1e-3, 30.0, 1e6, 1e200):
        result = denoise(image, strength=strength)
        assert result.dtype == image.dtype
        assert result.min() >= image.min()
        assert result.max() <= image.max()


def test_sums_of_the_largest_windows_stay_within_the_range() -> None:
    image = np.full((21, 21, 21), np.float32(1 / 3))
    image[10, 10, 10] = 0
    result = nonlocal_means(image, strength=1e6, search=10)
    assert result.min() >= 0
    assert result.max() <= image.max()
    assert result[10, 10, 10] == pytest.approx((1 - 1 / 9261) / 3, rel=1e-5)


@every_filter
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", ORDERED_DTYPES)
def test_layouts_and_byte_orders_do_not_matter(denoise: Filter, code: str, layout: str) -> None:
    image = (_image((7, 8, 9)) / 2 > 60).astype(code) if code == "|b1" else (_image((7, 8, 9)) / 2).astype(code)
    given_image = LAYOUTS[layout](image)
    expected = denoise(np.ascontiguousarray(image.astype(image.dtype.newbyteorder("="))), strength=9.0)
    before = given_image.copy()
    np.testing.assert_array_equal(denoise(given_image, strength=9.0), expected, strict=True)
    np.testing.assert_array_equal(given_image, before)


@every_filter
@pytest.mark.parametrize("code", ["i1", "u2", "i2", "u4", "i4", "i8", "f2", "f4", "f8"])
def test_dtypes_agree(denoise: Filter, code: str) -> None:
    image = np.clip(np.rint(_image((8, 9, 10)) / 2), 0, 127)
    expected = denoise(image, strength=20.0)
    tolerance = {"f2": 0.04, "f4": 1e-4, "f8": 0.0}.get(code, 0.5 + 1e-4)
    assert np.abs(denoise(image.astype(code), strength=20.0) - expected).max() <= tolerance


@every_filter
@pytest.mark.parametrize(("code", "offset"), [("i4", -(2**31)), ("u4", 2**32 - 2000), ("i8", 2**62), ("f8", 2.0**40)])
def test_wide_numbers_keep_small_differences(denoise: Filter, code: str, offset: float) -> None:
    image = np.rint(_image((8, 9, 10))).astype("f8" if code == "f8" else "i8")
    moved = image + (offset if code == "f8" else int(offset))
    if code == "i8":
        moved = image * 1024 + int(offset)
        expected = np.rint(denoise(image.astype("f8") * 1024, strength=20.0 * 1024)).astype(np.int64) + int(offset)
        assert np.abs(denoise(moved, strength=20.0 * 1024) - expected).max() <= 1
    else:
        result = denoise(moved.astype(code), strength=20.0)
        back = result.astype("f8") - offset if code == "f8" else result.astype("i8") - int(offset)
        np.testing.assert_allclose(back, denoise(image, strength=20.0), atol=1e-3 if code == "f8" else 0)


@every_filter
@pytest.mark.parametrize("exponent", [-140, -60, 60, 110])
def test_units_do_not_matter(denoise: Filter, exponent: int) -> None:
    image = np.rint(_image((8, 9, 10)))
    noise = {} if denoise.func is bilateral else {"noise": 2.0**exponent}  # type: ignore[attr-defined]
    expected = denoise(image, strength=20.0, **dict.fromkeys(noise, 1.0))
    for dtype in (np.float64, np.float32):
        scaled = np.ldexp(image, exponent).astype(dtype)
        if abs(exponent) < 120 or dtype is np.float64:
            result = denoise(scaled, strength=20.0 * 2.0**exponent, **noise)
            np.testing.assert_allclose(np.ldexp(result.astype(np.float64), -exponent), expected, rtol=1e-6)


@pytest.mark.parametrize("code", ["u1", "i2", "i4", "i8"])
def test_halves_go_to_the_even_number(code: str) -> None:
    inside = np.zeros((5, 5), bool)
    inside[2, 2:4] = True  # a pair, far from mirrors
    for first in range(6):
        image = np.full((5, 5), 99, code)
        image[2, 2:4] = first, first + 1
        mixed = nonlocal_means(image, strength=1e6, search=1, inside=inside)
        assert mixed[2, 2] == mixed[2, 3] == np.rint(first + 0.5)


@every_filter
@given(st.data())
@settings(max_examples=30)
def test_masked_voxels_change_nothing_and_are_kept(denoise: Filter, data: st.DataObject) -> None:
    shape = data.draw(nps.array_shapes(min_dims=2, max_dims=3, min_side=5, max_side=8))
    inside = data.draw(nps.arrays(bool, shape))
    image = _image(shape).astype(np.float32)
    result = denoise(image, strength=20.0, inside=inside)
    other = image.copy()
    other[~inside] = data.draw(st.sampled_from([0.0, 1e30, np.inf, np.nan, -np.inf]))
    changed = denoise(other, strength=20.0, inside=inside)
    np.testing.assert_array_equal(changed[inside], result[inside])
    np.testing.assert_array_equal(result[~inside], image[~inside])
    np.testing.assert_array_equal(changed[~inside], other[~inside])
    np.testing.assert_array_equal(denoise(image, strength=20.0, inside=inside.astype(np.int16) * 256), result)
    if not np.isfinite(other).all():
        np.testing.assert_array_equal(denoise(other, strength=20.0), changed)


@every_filter
def test_masks_of_all_or_nothing(denoise: Filter) -> None:
    image = _image((9, 8, 40)).astype(np.uint16)
    whole = np.ones(image.shape, bool)
    np.testing.assert_array_equal(denoise(image, strength=20.0, inside=whole), denoise(image, strength=20.0))
    np.testing.assert_array_equal(denoise(image, strength=20.0, inside=~whole), image)


@every_filter
def test_a_far_masked_voxel_does_not_change_a_bit(denoise: Filter) -> None:
    image = _image((20, 30, 250)).astype(np.float32)
    image[10, 12, 200] = np.nan
    clean = np.nan_to_num(image, nan=120.0)
    result, expected = denoise(image, strength=20.0), denoise(clean, strength=20.0)
    np.testing.assert_array_equal(result[:, :, :190], expected[:, :, :190])
    assert np.isnan(result).sum() == 1


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("spacing", [None, (2.0, 1.0, 1.0), (1.0, 1.0, 3.0)])
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_blocks_equal_the_whole(name: str, spacing: tuple[float, ...] | None, data: st.DataObject) -> None:
    denoise = partial(FILTERS[name], strength=25.0, spacing=spacing)
    given_halo = by_gray.halo if name == "bilateral" else by_patches.halo
    halo = given_halo(3, strength=25.0, spacing=spacing, **FILTERS[name].keywords)  # type: ignore[attr-defined]
    shape = (data.draw(st.integers(7, 40)), data.draw(st.integers(7, 40)), data.draw(st.integers(7, 150)))
    image = _image(shape, data.draw(st.integers(0, 9))).astype(data.draw(st.sampled_from(["u2", "f4", "i4"])))
    inside = None if data.draw(st.booleans()) else np.random.default_rng(1).random(shape) < 0.9
    expected = denoise(image, inside=inside)
    for _ in range(3):
        window, crop, block = [], [], []
        for side, reach in zip(shape, halo, strict=True):
            begin = data.draw(st.integers(0, side - 1))
            end = data.draw(st.integers(begin + 1, min(side, begin + 30)))
            low, high = max(0, begin - reach), min(side, end + reach)
            window.append(slice(low, high))
            crop.append(slice(begin - low, end - low))
            block.append(slice(begin, end))
        part = denoise(image[tuple(window)], inside=None if inside is None else inside[tuple(window)])
        np.testing.assert_array_equal(part[tuple(crop)], expected[tuple(block)])


@every_filter
def test_threads_change_nothing(denoise: Filter) -> None:
    image = _image((40, 50, 130)).astype(np.uint16)
    expected = denoise(image, strength=20.0, threads=1)
    for threads in (2, 5, None):
        np.testing.assert_array_equal(denoise(image, strength=20.0, threads=threads), expected)


SCRIPT = """
import hashlib
import numpy as np
from klevels.core import _kernels
from klevels.core.bilateral import bilateral
from klevels.core.nonlocal_means import nonlocal_means
rng = np.random.default_rng(1)
digest = hashlib.sha256()
for shape in ((33, 70), (9, 17, 130)):
    for code, top in (("u1", 200), ("u2", 60000), ("i4", 1e9), ("f4", 1.0), ("f8", 1e-30)):
        image = (rng.random(shape) * top).astype(code)
        for inside in (None, rng.random(shape) < 0.8):
            for patch in (0, 1, 2, 3):
                kwargs = dict(strength=0.3 * top, noise=0.1 * top, patch=patch, search=2, inside=inside)
                digest.update(nonlocal_means(image, **kwargs, threads=2).tobytes())
            digest.update(bilateral(image, strength=0.3 * top, inside=inside, threads=2).tobytes())
print(_kernels.instruction_set(), digest.hexdigest())
"""


def test_instruction_sets_agree() -> None:
    names, digests = zip(*(digest_on(SCRIPT, wish) for wish in ("baseline", "avx2", None)), strict=True)
    assert names[0] == "baseline"
    assert len(set(digests)) == 1


@every_filter
def test_an_axis_of_one_voxel_is_no_axis(denoise: Filter) -> None:
    image = _image((12, 15))
    expected = denoise(image, strength=20.0)
    for axis in range(3):
        result = denoise(np.expand_dims(image, axis), strength=20.0)
        np.testing.assert_allclose(result, np.expand_dims(expected, axis), rtol=1e-6)
    assert denoise(np.full((1, 1), 7, np.uint8), strength=1.0) == 7


@given(st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_half_a_box_and_its_mirror_image_are_the_box(radii: list[int]) -> None:
    half = box(radii).reshape(-1, len(radii))
    every = {tuple(t) for t in half.tolist()} | {tuple(t) for t in (-half).tolist()}
    assert len(every) == 2 * len(half) == np.prod(2 * np.array(radii) + 1) - 1
    assert half.tolist() == sorted(half.tolist())
    assert all(tuple(t) > (0,) * len(radii) for t in half.tolist())


def test_lengths_are_in_units_of_the_finest() -> None:
    assert lengths(2, None) == (1.0, 1.0)
    assert lengths(3, (0.5, 0.25, 1.0)) == (2.0, 1.0, 4.0)
    for bad in ((1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (np.nan, 1.0, 1.0), (1.0, np.inf, 1.0)):
        with pytest.raises(ParameterError, match="give 3 numbers above 0, one for each axis"):
            lengths(3, bad)


@every_filter
def test_bad_input_is_refused(denoise: Filter) -> None:
    image = _image((9, 9))
    for bad in (-1.0, 0.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match=f"strength is {bad}; give a number above 0, in gray values"):
            denoise(image, strength=bad)
    with pytest.raises(DataTypeError, match="complex128"):
        denoise(image.astype(complex), strength=1.0)
    for shape in ((9,), (9, 9, 9, 9), (0, 9)):
        with pytest.raises(DataError, match=r"give \(y, x\) or \(z, y, x\)"):
            denoise(np.zeros(shape), strength=1.0)
    with pytest.raises(DataError, match=r"the mask has shape \(9, 8\), the image \(9, 9\)"):
        denoise(image, strength=1.0, inside=np.ones((9, 8), bool))
    with pytest.raises(DataTypeError, match="the mask is of dtype float64"):
        denoise(image, strength=1.0, inside=np.ones((9, 9)))
    with pytest.raises(ParameterError, match="spacing is"):
        denoise(image, strength=1.0, spacing=(1.0, 1.0, 1.0))
    with pytest.raises(ParameterError, match="threads is 0"):
        denoise(image, strength=1.0, threads=0)
