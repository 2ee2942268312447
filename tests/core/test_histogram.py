"""Histograms merge without loss, in any order; binned ones keep exact sums."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.histogram import N_BINS, Histogram
from klevels.core.keys import keys_of
from klevels.errors import DataError, DataTypeError
from reference import assert_same_histogram, whole_multiples
from strategies import gray_images

MANY = 150_000


def _wild(dtype: str, seed: int) -> list[np.ndarray]:
    """Return chunks of wildly different ranges, with far more than 65,536 distinct values together."""
    rng = np.random.default_rng(seed)
    tiny, big = float(np.finfo(dtype).smallest_subnormal), float(np.finfo(dtype).max) / 4
    chunks = [
        rng.standard_normal(MANY // 3),
        1e6 + rng.random(MANY // 3),
        np.array([0.0, -0.0, tiny, -tiny, 5 * tiny, 1e-30, -1e-30, 3.0, 3.0]),
        -(10.0 ** rng.uniform(-30, 30, MANY // 3)),
        rng.uniform(-big, big, 1000),
        np.array([7.0]),
        tiny * rng.integers(-(10**6), 10**6, MANY // 3).astype(dtype).astype(np.float64),
    ]
    return [chunk.astype(dtype) for chunk in chunks]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("seed", range(3))
def test_chunks_merge_to_the_histogram_of_the_whole(dtype: str, seed: int) -> None:
    chunks = _wild(dtype, seed)
    whole = histogram(np.concatenate(chunks))
    assert whole.shift > 0
    assert whole.n_levels <= N_BINS
    parts = [histogram(chunk) for chunk in chunks]
    assert {part.shift for part in parts} != {whole.shift}
    rng = np.random.default_rng(seed)
    for _ in range(3):
        remaining = [parts[i] for i in rng.permutation(len(parts))]
        while len(remaining) > 1:  # merge any two neighbors: every order and every tree
            i = int(rng.integers(len(remaining) - 1))
            remaining[i : i + 2] = [remaining[i] + remaining[i + 1]]
        assert_same_histogram(remaining[0], whole)


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8"])
def test_chunks_of_integers_merge_to_the_histogram_of_the_whole(dtype: str) -> None:
    rng = np.random.default_rng(1)
    limits = np.iinfo(dtype)
    a = rng.integers(limits.min, limits.max, MANY, dtype=dtype, endpoint=True)
    b = np.arange(50_000, dtype=dtype)
    c = np.array([limits.min, limits.max], dtype)
    whole = histogram(np.concatenate([a, b, c]))
    assert whole.shift > 0
    ha, hb, hc = histogram(a), histogram(b), histogram(c)
    for merged in (ha + hb + hc, hc + (hb + ha), (hb + hc) + ha):
        assert_same_histogram(merged, whole)


@given(st.sampled_from(["?", "u1", "i2", ">u2", "i4", "f2", "f4", ">f8"]).flatmap(gray_images), st.data())
def test_any_split_merges_back(image: np.ndarray, data: st.DataObject) -> None:
    flat = image.ravel()
    where = data.draw(st.integers(1, max(1, flat.size - 1)))
    parts = [histogram(part) for part in (flat[:where], flat[where:]) if part.size]
    merged = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    assert_same_histogram(merged, histogram(image))
    if len(parts) == 2:
        assert_same_histogram(parts[1] + parts[0], merged)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
def test_levels_are_the_true_means_of_their_bins(dtype: str) -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(1000, 300, MANY), -rng.lognormal(3, 1, MANY)])
    values = (values * (1 if dtype[0] == "f" else 10**5)).astype(dtype)
    h = histogram(values)
    assert h.shift > 0
    keys = keys_of(values) >> np.uint64(h.shift)
    order = np.argsort(keys, kind="stable")
    starts = np.searchsorted(keys[order], h.keys)
    groups = np.split(values[order].astype(np.float64), starts[1:])
    means = np.array([math.fsum(group) / len(group) for group in groups])
    np.testing.assert_array_equal(h.counts, [len(group) for group in groups])
    np.testing.assert_allclose(h.levels, means, rtol=4e-16, atol=0)
    low, high = h.bounds
    assert all(group.min() >= a and group.max() <= b for group, a, b in zip(groups, low, high, strict=True))
    assert (np.diff(h.levels) > 0).all()
    assert h.bin_width is not None
    assert (high - low < h.bin_width).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_inertia_of_binned_data_is_exact(dtype: str) -> None:
    values = np.concatenate(_wild("f4", 9)).astype(dtype)
    values = values[np.abs(values) < 1e9]
    h = histogram(values)
    assert h.shift > 0
    whole, exponent = whole_multiples(values)
    scatter = Fraction(sum(w * w for w in whole)) - Fraction(sum(whole) ** 2, len(whole))
    fitted = fit_levels(h, 1)
    assert fitted.inertia == float(scatter * Fraction(2) ** (2 * exponent))
    assert fitted.centers[0] == float(Fraction(sum(whole), len(whole)) * Fraction(2) ** exponent)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_up_to_the_limit_each_level_is_counted_on_its_own(dtype: str) -> None:
    at_limit = np.arange(N_BINS, dtype=np.float64).astype(dtype)
    assert histogram(at_limit).shift == 0
    assert histogram(at_limit).bin_width is None
    beyond = histogram(np.append(at_limit, at_limit.dtype.type(N_BINS)))
    assert beyond.shift > 0
    assert beyond.n_voxels == N_BINS + 1


def test_one_hot_voxel_costs_one_bin() -> None:
    values = np.random.default_rng(2).normal(1, 0.1, MANY)
    plain, hot = histogram(values), histogram(np.append(values, 1e300))
    assert hot.shift == plain.shift
    assert_same_histogram(hot, plain + Histogram.of([1e300]))


@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [
        ("u1", "u2", "u2"),
        ("u1", "i1", "i2"),
        ("u2", "f4", "f4"),
        ("f2", "f4", "f4"),
        ("f4", "f8", "f8"),
        ("?", "i4", "i4"),
    ],
)
def test_histograms_of_two_dtypes_merge(a: str, b: str, dtype: str) -> None:
    ones, others = np.array([0, 1, 1], a), np.array([1, 5, 100], b)
    merged = histogram(ones) + histogram(others)
    assert merged.dtype == np.dtype(dtype)
    assert_same_histogram(merged, histogram(np.concatenate([ones.astype(dtype), others.astype(dtype)])))


def test_merging_never_loses_a_level_in_silence() -> None:
    for whole in (2**53 + 1, 2**63 - 1, -(2**63) + 1):
        with pytest.raises(DataTypeError, match="do not all fit float64; convert the images to one dtype"):
            Histogram.of([whole]) + Histogram.of([0.5])
    binned = histogram(np.random.default_rng(1).random(MANY, np.float32))
    with pytest.raises(DataTypeError, match="cannot merge once they have more than 65536 levels"):
        binned + Histogram.of([0.5])
    with pytest.raises(DataError, match=r"2\*\*63 voxels or more"):
        Histogram.of([1], [2**62]) + Histogram.of([2], [2**62])
    with pytest.raises(TypeError):
        Histogram.of([1]) + 3  # type: ignore[operator]


def test_merging_adds_what_was_left_out() -> None:
    a = histogram([1.0, np.nan], nan="ignore")
    assert (a + a + Histogram.of([2.0])).n_nan == 2


@pytest.mark.parametrize(
    ("values", "counts", "message"),
    [
        ([], None, "give at least one voxel"),
        ([1, 2], [0, 0], "give at least one voxel"),
        ([1, 2], [1], "give one integer for each"),
        ([1, 2], [1.0, 2.0], "give one integer for each"),
        ([1, 2], [-1, 2], "counts are negative"),
        ([1, 2], [2**62, 2**62], r"sum to 2\*\*63 or more"),
        ([1.0, np.nan], None, "NaN or infinite; give finite"),
        ([1.0, -np.inf], None, "NaN or infinite; give finite"),
    ],
)
def test_bad_counts_are_refused(values: list[float], counts: list[int] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Histogram.of(values, counts)


def test_values_of_count_zero_are_left_out() -> None:
    h = Histogram.of([5, 1, 3, 1, np.int64(9)], [1, 2, 0, 4, 0])
    assert h.levels.tolist() == [1, 5]
    assert h.counts.tolist() == [6, 1]
    assert Histogram.of([1.0, np.nan], [3, 0]).levels.tolist() == [1]


def test_arrays_are_read_only_and_the_callers_stay_writable() -> None:
    keys, counts, rests = np.array([3], np.uint64), np.array([1], np.int64), np.zeros((1, 4), np.uint64)
    h = Histogram(keys, counts, np.dtype(np.int64), 0, rests)
    for array in (h.keys, h.counts, h.rests):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    counts[0] = 5


@pytest.mark.parametrize("binned", [False, True])
def test_split_divides_at_the_threshold(binned: bool) -> None:
    rng = np.random.default_rng(6)
    values = rng.standard_normal(MANY) if binned else rng.integers(0, 100, MANY)
    h = histogram(values)
    for threshold in (-0.5, 0.0, 0.3):
        low, high = h.split(threshold)
        if low is None:
            assert (h.levels > threshold).all()
            continue
        assert high is not None
        assert_same_histogram(low + high, h)
        assert low.bounds[0][-1] <= threshold < high.bounds[0][0]
    assert h.split(-1e9)[0] is None
    assert h.split(1e9)[1] is None
