"""Noise is split off where a reader of the histogram would: in the valley, at Otsu's threshold, or at Bayes'."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import klevels
from klevels.core.count import histogram
from klevels.core.histogram import Histogram
from klevels.core.noise import split_noise
from klevels.errors import KlevelsError, NoValleyError, ParameterError, TooFewLevelsError


def _mixture(seed: int, parts: list[tuple[float, float, float]], n: int = 200_000) -> np.ndarray:
    """Return n draws of normals, each given by its share, mean and standard deviation."""
    rng = np.random.default_rng(seed)
    shares, means, widths = np.array(parts).T
    which = rng.choice(len(parts), n, p=shares / shares.sum())
    return rng.normal(means[which], widths[which])


def _as(values: np.ndarray, dtype: str) -> np.ndarray:
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.round(values), limits.min, limits.max).astype(dtype)


def _lowest_density(parts: list[tuple[float, float, float]]) -> float:
    """Return where the true density is lowest between the two darkest modes."""
    (_, low, _), (_, high, _) = sorted(parts, key=lambda part: part[1])[:2]
    x = np.linspace(low, high, 2001)
    density = sum(share / width * np.exp(-0.5 * ((x - mean) / width) ** 2) for share, mean, width in parts)
    return float(x[np.argmin(density)])


TWO = [(0.5, 60.0, 8.0), (0.5, 150.0, 12.0)]
UNEVEN = [(0.9, 40.0, 6.0), (0.1, 120.0, 15.0)]
THREE = [(0.3, 40.0, 8.0), (0.4, 110.0, 10.0), (0.3, 190.0, 10.0)]
MOSTLY_SIGNAL = [(0.08, 30.0, 6.0), (0.92, 130.0, 20.0)]


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8", "i4"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("parts", [TWO, UNEVEN, THREE, MOSTLY_SIGNAL], ids=["two", "uneven", "three", "mostly signal"])
def test_the_valley_lies_where_the_density_is_lowest(
    parts: list[tuple[float, float, float]], seed: int, dtype: str
) -> None:
    scale = 200 if dtype == "u2" else 1
    values = _as(scale * _mixture(seed, parts), dtype)
    (_, dark, dark_width), (_, next_dark, next_width) = sorted(parts, key=lambda part: part[1])[:2]
    found = split_noise(histogram(values), "valley") / scale
    assert dark + 1.5 * dark_width < found < next_dark - 1.5 * next_width
    assert found == pytest.approx(_lowest_density(parts), abs=0.15 * (next_dark - dark))


@pytest.mark.parametrize("n", [64 * 64, 10**6])
def test_the_valley_needs_few_voxels_and_takes_many(n: int) -> None:
    found = split_noise(histogram(_as(_mixture(4, TWO, n), "u1")), "valley")
    assert 80 < found < 125


def test_the_valley_with_huge_counts() -> None:
    h = histogram(_as(_mixture(4, TWO, 10**6), "u1"))
    assert 80 < split_noise(Histogram.of(h.levels, h.counts * 2**42), "valley") < 125


@pytest.mark.parametrize("step", [2, 3, 16, 100, 257])
def test_the_valley_is_found_through_a_comb(step: int) -> None:
    """8-bit data stored in 16 bits occupy every 257th level only."""
    values = _as(_mixture(5, TWO), "u1").astype(np.uint16) * step
    assert 80 * step < split_noise(histogram(values), "valley") < 125 * step


@pytest.mark.parametrize("value", [1e4, 65535.0])
def test_hot_voxels_do_not_hide_the_valley(value: float) -> None:
    values = np.append(_as(_mixture(6, TWO), "u2"), np.full(15, value, np.uint16))
    assert 80 < split_noise(histogram(values), "valley") < 125
    floats = np.append(_mixture(6, TWO), np.full(15, 1e30))
    assert 80 < split_noise(histogram(floats), "valley") < 125


def test_a_spike_at_zero_is_noise() -> None:
    values = np.append(_as(_mixture(7, [(1.0, 130.0, 15.0)]), "u1"), np.zeros(300_000, np.uint8))
    assert 0 < split_noise(histogram(values), "valley") < 100


@pytest.mark.parametrize("n", [300, 64 * 64, 200_000])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("seed", range(5))
def test_a_single_peak_has_no_valley(seed: int, dtype: str, n: int) -> None:
    scale = 200 if dtype == "u2" else 1
    values = _as(scale * _mixture(seed, [(1.0, 120.0, 15.0)], n), dtype)
    with pytest.raises(NoValleyError, match="single peak, so no valley; use kmeans, minimum-error or a gray value"):
        split_noise(histogram(values), "valley")


def test_flat_histograms_have_no_valley() -> None:
    for h in (Histogram.of([5], [100]), Histogram.of(np.arange(256), np.full(256, 1000))):
        with pytest.raises(NoValleyError) as caught:
            split_noise(h)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, KlevelsError)


@pytest.mark.parametrize("parts", [TWO, UNEVEN, THREE])
def test_kmeans_is_otsus_threshold(parts: list[tuple[float, float, float]]) -> None:
    filters = pytest.importorskip("skimage.filters")
    image = _as(_mixture(8, parts), "u1").reshape(400, 500)
    found = split_noise(histogram(image), "kmeans")
    np.testing.assert_array_equal(image > found, image > filters.threshold_otsu(image))


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("seed", range(3))
def test_minimum_error_is_near_bayes_where_kmeans_is_not(seed: int, dtype: str) -> None:
    parts = [(0.5, 50.0, 4.0), (0.5, 120.0, 25.0)]
    scale = 200 if dtype == "u2" else 1
    x = np.linspace(50, 120, 7001)
    (p, a, s), (q, b, t) = parts
    narrow, wide = p / s * np.exp(-0.5 * ((x - a) / s) ** 2), q / t * np.exp(-0.5 * ((x - b) / t) ** 2)
    bayes = float(x[np.argmin(np.abs(narrow - wide))])
    h = histogram(_as(scale * _mixture(seed, parts), dtype))
    assert split_noise(h, "minimum-error") / scale == pytest.approx(bayes, abs=2.5)
    assert abs(split_noise(h, "kmeans") / scale - bayes) > 10


def test_minimum_error_with_huge_counts() -> None:
    h = histogram(_as(_mixture(1, TWO), "u1"))
    plain = split_noise(h, "minimum-error")
    assert split_noise(Histogram.of(h.levels, h.counts * 2**44), "minimum-error") == pytest.approx(plain, abs=1)


@pytest.mark.parametrize("levels", [[3], [3, 9], [0, 1, 2]])
def test_minimum_error_needs_two_distributions(levels: list[int]) -> None:
    with pytest.raises(KlevelsError, match=r"use .*kmeans"):
        split_noise(Histogram.of(levels), "minimum-error")


def test_kmeans_needs_two_levels() -> None:
    with pytest.raises(TooFewLevelsError, match=r"k is 2, .* gray levels is 1; give k <= 1"):
        split_noise(Histogram.of([3]), "kmeans")


@pytest.mark.parametrize("value", [0, -3, 17.5, np.float32(2.5), np.int16(9), 1e30])
def test_a_gray_value_is_taken_as_it_is(value: float) -> None:
    found = split_noise(Histogram.of([1, 2]), value)
    assert found == value
    assert type(found) is float


@pytest.mark.parametrize("method", ["otsu", "", math.nan, math.inf, True, None, [3], 1j])
def test_other_methods_are_refused(method: object) -> None:
    with pytest.raises(ParameterError, match=r"noise is .*; use valley, kmeans, minimum-error or a") as caught:
        split_noise(Histogram.of([1, 2]), method)  # type: ignore[arg-type]
    assert repr(method) in str(caught.value)


SCANS = sorted(["bone_128x128x128", "cement_128x128x128", "concrete_neutron-bin16", "concrete_x-ray-bin16", "snow"])


@pytest.mark.parametrize("name", SCANS)
def test_real_scans(name: str, shared_data: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    h = histogram(tifffile.imread(shared_data / "microct" / f"{name}.tif"))
    for method in ("valley", "kmeans", "minimum-error"):
        try:
            found = split_noise(h, method)  # type: ignore[arg-type]
        except NoValleyError:
            continue
        low, high = h.split(found)
        assert low is not None
        assert high is not None


@pytest.mark.parametrize("n", [200_000, 4_000_000])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_many_voxels_make_no_valley_of_a_single_peak(n: int, dtype: type) -> None:
    values = np.random.default_rng(5).normal(30_000, 2_000, n).astype(dtype)
    with pytest.raises(NoValleyError):
        split_noise(histogram(values))


def test_far_voxels_on_either_side_hide_no_valley() -> None:
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.normal(100, 5, 50_000), rng.normal(200, 5, 50_000), [-1e4, 1e6]])
    assert 115 < split_noise(histogram(values)) < 185


def test_values_clipped_to_zero_belong_to_the_noise_beside_them() -> None:
    rng = np.random.default_rng(7)
    noise, signal = rng.normal(15, 12, 90_000), rng.normal(150, 20, 60_000)
    clipped = np.concatenate([noise, signal]).clip(0, 255).astype(np.uint8)
    assert (clipped == 0).sum() > 5 * (clipped == 1).sum()
    assert 40 < split_noise(histogram(clipped)) < 110


def test_a_background_of_one_level_is_noise() -> None:
    values = np.concatenate([np.zeros(500_000), np.random.default_rng(8).normal(120, 10, 60_000)]).astype(np.uint8)
    assert 0 < split_noise(histogram(values)) < 100


@pytest.mark.parametrize("name", ["fibers_150x150x150.tif", "trabecular_bone_slices"])
def test_real_scans_without_a_valley(shared_data: Path, name: str) -> None:
    with pytest.raises(NoValleyError):  # a single peak, with a clipped foot in the bone slices
        split_noise(histogram(klevels.read(shared_data / "microct" / name).data))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("snow.tif", 17_000, 28_000),
        ("concrete_neutron-bin16.tif", 16_000, 23_000),
        ("cement_128x128x128.tif", 40, 70),
        ("shell_225x128x128.tif", 10, 80),
    ],
)
def test_the_valley_of_real_scans(shared_data: Path, name: str, low: float, high: float) -> None:
    counted = histogram(klevels.read(shared_data / "microct" / name).data)
    assert low < split_noise(counted) < high
