"""Margins are distances to the two nearest centers; their share follows from the histogram."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from klevels.core.confidence import checked_noise, low_share, margins
from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.errors import DataError, DataTypeError, ParameterError
from strategies import LAYOUTS, ORDERED_DTYPES, elements_of

CENTERS = st.lists(st.integers(-1000, 1000), min_size=1, max_size=8, unique=True).map(sorted)


def _expected(values: NDArray[Any], centers: list[float], noise: float) -> NDArray[np.float64]:
    grays = np.clip(values.astype(np.float64), centers[0], centers[-1])
    distances = np.sort(np.abs(grays[..., np.newaxis] - np.array(centers)), axis=-1)
    result: NDArray[np.float64] = (distances[..., 1] - distances[..., 0]) / noise
    return result


@given(CENTERS.filter(lambda centers: len(centers) > 1), st.integers(1, 100), st.data())
def test_margin_is_its_definition(centers: list[float], noise: int, data: st.DataObject) -> None:
    values = data.draw(nps.arrays(np.int16, nps.array_shapes(max_dims=3), elements=st.integers(-1500, 1500)))
    found = margins(values, centers, noise, dtype=np.float64)
    np.testing.assert_allclose(found, _expected(values, centers, noise), rtol=1e-13)
    assert (found >= 0).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6, unique=True).map(sorted), st.floats(1e-3, 1e3), st.data())
def test_margin_never_falls_from_a_threshold_toward_the_center(
    centers: list[float], noise: float, data: st.DataObject
) -> None:
    thresholds = [low / 2 + high / 2 for low, high in itertools.pairwise(centers)]
    ends = [centers[0] - 10.0, *thresholds, centers[-1] + 10.0]
    label = data.draw(st.integers(0, len(centers) - 1))
    center = centers[label]
    for end in ends[label : label + 2]:
        ways = np.array(sorted(data.draw(st.lists(st.floats(0, 1), min_size=2, max_size=20))))
        values = np.clip(end + ways * (center - end), min(end, center), max(end, center))
        values = np.sort(values) if end < center else -np.sort(-values)
        for dtype in (np.float32, np.float64):
            assert (np.diff(margins(values, centers, noise, dtype=dtype).clip(max=1e30)) >= 0).all()


@pytest.mark.parametrize("dtype", ORDERED_DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_and_layout(dtype: str, layout: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, (4, 5, 6)).astype(dtype)
    found = margins(LAYOUTS[layout](values), [5.0, 20.0, 70.0], 3)
    np.testing.assert_array_equal(found, margins(values.astype(np.float64), [5.0, 20.0, 70.0], 3))
    assert found.dtype == np.float32
    assert found.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["u1", "i1", "?", "u2", "i2", "f2"])
def test_tables_equal_arithmetic(dtype: str) -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2 if dtype == "?" else 1 << 8 * np.dtype(dtype).itemsize, 250_000)
    values = bits.astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
    centers = [-3.5, 0.25, 40, 1000]
    whole = margins(values, centers, 2.5)
    parts = np.concatenate([margins(part, centers, 2.5) for part in np.array_split(values, 100)])
    np.testing.assert_array_equal(whole, parts)


@given(st.sampled_from(["f2", "f4", "f8"]), st.data())
def test_extreme_floats_and_nan(dtype: str, data: st.DataObject) -> None:
    values = data.draw(nps.arrays(dtype, 5, elements=elements_of(dtype)))
    values = np.concatenate([values, np.array([np.nan, np.inf, -np.inf], dtype)])
    found = margins(values, [-1e308, 0.0, 1.5e308], 1e-300)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    assert (found[~np.isnan(found)] >= 0).all()


def test_one_class_no_noise_and_what_is_left_out() -> None:
    values = np.array([[1.0, 3.0], [np.nan, 5.0]])
    inside = np.array([[True, False], [True, True]])
    np.testing.assert_array_equal(margins(values, [2], 1), [[np.inf, np.inf], [np.nan, np.inf]])
    np.testing.assert_array_equal(margins(values, [2, 4], 0), [[np.inf, 0], [np.nan, np.inf]])
    np.testing.assert_array_equal(margins(values, [2, 4], 2, inside=inside), [[1, np.nan], [np.nan, 1]])
    assert margins(np.zeros((0, 3)), [1], 1).shape == (0, 3)


@given(st.integers(0, 2**32), st.floats(0, 5))
def test_low_share_is_that_of_the_voxels(seed: int, bound: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.choice([100, 200, 260], 500), 30).round().astype(np.int16)
    centers = fit_levels(histogram(values), 3).centers
    low = margins(values, centers, 30, dtype=np.float64) < bound
    assert low_share(histogram(values), centers, 30, bound) == int(low.sum()) / 500


def test_low_share_counts_half_the_noise_about_thresholds() -> None:
    h = Histogram.of(np.arange(101))
    assert low_share(h, [0, 100], 10) == 9 / 101  # 46 to 54: those at 45 and 55 have a margin of just 1
    assert low_share(h, [0, 100], 0) == 1 / 101
    assert low_share(h, [50], 10) == 0
    assert low_share(Histogram.of([10, 90], counts=[2**60, 2**60]), [0, 100], 10) == 0


def test_bad_input() -> None:
    values = np.zeros((4, 4))
    for noise in (-1, math.nan, math.inf, "1", None):
        with pytest.raises(ParameterError, match=r"noise is .*; give its standard deviation"):
            margins(values, [1, 2], noise)  # type: ignore[arg-type]
    assert checked_noise(np.float32(2)) == 2.0
    for wrong in ([0, 2, 1], [0, 0, 1], [0, np.nan], []):
        with pytest.raises(ParameterError, match="increasing order"):
            margins(values, wrong, 1)
        with pytest.raises(ParameterError, match="increasing order"):
            low_share(histogram(values), wrong, 1)
    with pytest.raises(ParameterError, match="the dtype is int32; give float16"):
        margins(values, [1], 1, dtype=np.int32)
    for bound in (-1, math.nan, math.inf):
        with pytest.raises(ParameterError, match="margin is"):
            low_share(histogram(values), [1], 1, bound)
    with pytest.raises(DataError, match=r"inside has shape \(4,\)"):
        margins(values, [1], 1, inside=np.ones(4, np.bool_))
    with pytest.raises(DataTypeError, match="inside is of dtype int64"):
        margins(values, [1], 1, inside=np.ones((4, 4), np.int64))  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="complex"):
        margins(values.astype(complex), [1], 1)
