"""Border voxels go to the phases that they mix, and true phases stay."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_opening, gaussian_filter

from klevels.core.borders import halo, resolve_borders
from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.samples import simulate_phases
from strategies import LAYOUTS, ORDERED_DTYPES

Array = NDArray[Any]

GRAY = {3: (12000.0, 30000.0, 45000.0), 4: (10000.0, 22000.0, 34000.0, 48000.0)}


def _around(voxel: tuple[int, ...], reach: tuple[int, ...], shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    sides = [range(max(0, x - r), min(side, x + r + 1)) for x, r, side in zip(voxel, reach, shape, strict=True)]
    return list(itertools.product(*sides))


def _expected(
    values: Array,
    labels: Array,
    centers: list[float],
    *,
    undecided: int | None = None,
    inside: Array | None = None,
    reach: tuple[int, ...] | None = None,
) -> Array:
    """Return what the notes say, voxel by voxel."""
    k, ndim, shape = len(centers), labels.ndim, labels.shape
    reach, once = reach or (2,) * ndim, (1,) * ndim
    counts = labels != np.iinfo(labels.dtype).max
    counts &= ~np.isnan(values.astype(np.float64))
    if inside is not None:
        counts &= inside
    voxels = [v for v in itertools.product(*map(range, shape)) if counts[v]]
    near = {v: [u for u in _around(v, once, shape) if counts[u]] for v in voxels}
    cores = [v for v in voxels if len({labels[u] for u in near[v]}) == 1]
    wide = {u for v in cores for u in near[v]}
    between: dict[tuple[int, ...], tuple[int, int, int]] = {}
    for v in voxels:
        own = int(labels[v])
        if v in wide or any(u in wide and labels[u] == own for u in near[v]):
            continue
        phases = {int(labels[u]) for u in _around(v, reach, shape) if u in wide}
        darker, brighter = [c for c in phases if c < own], [c for c in phases if c > own]
        if darker and brighter:
            gray = float(values[v])
            other = own + 1 if gray >= centers[own] else own - 1
            way = min(1.0, abs(gray - centers[own]) / abs(centers[other] / 2 - centers[own] / 2))
            between[v] = max(darker), min(brighter), int(255 * way)
    result = labels.copy()
    for v, (darker_one, brighter_one, _) in between.items():
        ways = [between[u][2] for u in _around(v, reach, shape) if u in between]
        if sum(ways) >= 102 * len(ways):
            gray = float(values[v])
            is_darker = gray - centers[darker_one] <= centers[brighter_one] - gray
            result[v] = undecided if undecided is not None else darker_one if is_darker else brighter_one
    assert k >= 3
    return result


def _layers(rng: np.random.Generator, shape: tuple[int, ...], k: int) -> tuple[Array, Array, list[float]]:
    """Slabs and blobs of a few classes, with mixtures between: small, but with many borders."""
    centers = np.cumsum(rng.integers(10, 40, k)).astype(np.float64)
    field = rng.integers(0, k, shape)
    field = np.rint(gaussian_filter(field.astype(np.float64), 1.2) * 4).astype(np.int64) % k
    for _ in range(3):
        axis = int(rng.integers(len(shape)))
        first = int(rng.integers(shape[axis]))
        slab = [slice(None)] * len(shape)
        slab[axis] = slice(first, first + int(rng.integers(3, 6)))
        field[tuple(slab)] = rng.integers(k)
    values = gaussian_filter(centers[field], float(rng.uniform(0.3, 1.2))) + rng.normal(0, 1, shape)
    thresholds = (centers[1:] + centers[:-1]) / 2
    labels = np.searchsorted(thresholds, values).astype(np.uint8)
    return values, labels, centers.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 3), st.integers(3, 20), st.booleans())
def test_labels_are_what_the_notes_say(seed: int, ndim: int, k: int, by_hand: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(side) for side in rng.integers(1, 24 if ndim == 2 else 11, ndim))
    values, labels, centers = _layers(rng, shape, k)
    inside = rng.random(shape) < rng.choice([0.8, 0.99]) if by_hand else None
    if by_hand:
        labels[rng.random(shape) < 0.02] = 255
        values[rng.random(shape) < 0.02] = np.nan
    spacing = [None, (2.0,) + (1.0,) * (ndim - 1), (5.0,) + (2.5,) * (ndim - 1)][int(rng.integers(3))]
    reach = None if spacing is None else (1,) + (2,) * (ndim - 1)
    undecided = 77 if rng.random() < 0.3 else None
    found = resolve_borders(values, labels, centers, undecided=undecided, inside=inside, spacing=spacing)
    expected = _expected(values, labels, centers, undecided=undecided, inside=inside, reach=reach)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == labels.dtype
    assert found.flags.c_contiguous
    assert not np.shares_memory(found, labels)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 3), st.integers(3, 12))
def test_blocks_equal_the_whole(seed: int, ndim: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(side) for side in rng.integers(10, 60 if ndim == 2 else 26, ndim))
    values, labels, centers = _layers(rng, shape, k)
    inside = rng.random(shape) < 0.995
    spacing = tuple(rng.choice([1.0, 1.5, 4.0], ndim).tolist())
    whole = resolve_borders(values, labels, centers, inside=inside, spacing=spacing)
    reach = halo(ndim, spacing=spacing)
    first = [int(rng.integers(side)) for side in shape]
    last = [int(rng.integers(begin, side)) + 1 for begin, side in zip(first, shape, strict=True)]
    start = [max(0, begin - length) for begin, length in zip(first, reach, strict=True)]
    window = tuple(slice(begin, end + length) for begin, end, length in zip(start, last, reach, strict=True))
    part = resolve_borders(values[window], labels[window], centers, inside=inside[window], spacing=spacing)
    crop = tuple(slice(b - s, e - s) for b, e, s in zip(first, last, start, strict=True))
    here = tuple(slice(b, e) for b, e in zip(first, last, strict=True))
    np.testing.assert_array_equal(part[crop], whole[here])


def test_threads_and_cuts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels, centers = _layers(np.random.default_rng(3), (60, 20, 20), 4)
    whole = resolve_borders(values, labels, centers, threads=1)
    assert (whole != labels).any()
    monkeypatch.setattr("klevels.core.borders.VOXELS_AT_ONCE", 1)
    for threads in (1, 2, 7):
        np.testing.assert_array_equal(resolve_borders(values, labels, centers, threads=threads), whole)


@pytest.mark.parametrize("dtype", ORDERED_DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_and_layout(dtype: str, layout: str) -> None:
    scan = simulate_phases((10, 20, 16), gray=(0, 50, 100), blur=1, noise=1, length=4, seed=1)
    values = scan.image.data.astype(dtype)
    plain, centers = values.astype(np.float64), [0.0, 50.0, 100.0]
    if dtype.endswith("?"):
        centers = [0.0, 0.5, 1.0]
    labels = np.searchsorted(np.array(centers[1:]) * 0.75, plain).astype(">u2")
    found = resolve_borders(LAYOUTS[layout](values), LAYOUTS[layout](labels), centers)
    np.testing.assert_array_equal(found, resolve_borders(plain, labels.astype(np.uint8), centers))
    assert dtype.endswith("?") or (found != labels).any()
    assert found.dtype == np.uint16
    assert found.dtype.isnative
    assert found.flags.c_contiguous


@pytest.mark.parametrize("k", [9, 64, 65, 300])
def test_many_classes(k: int) -> None:
    centers = np.arange(k) * 10.0
    values = np.repeat([0.0, 0, 0, 0, 0.3, 0.63, 1, 1, 1, 1], 5).reshape(10, 5) * centers[-1]
    labels = np.searchsorted(centers[:-1] + 5, values).astype(np.uint16)
    found = resolve_borders(values, labels, centers)
    np.testing.assert_array_equal(found[:, 2], np.repeat([0, k - 1], 5))


@pytest.mark.parametrize("k", [3, 4])
@pytest.mark.parametrize("blur", [1.0, 1.5])
@pytest.mark.parametrize("noise", [500.0, 2000.0])
def test_fewer_voxels_are_wrong_where_a_scan_is_blurred(k: int, blur: float, noise: float) -> None:
    scan = simulate_phases((48, 48, 48), gray=GRAY[k], blur=blur, noise=noise, length=7, seed=1)
    values, truth = scan.image.data, scan.truth.data
    levels = fit_levels(histogram(values), k)
    labels = levels.classify(values)
    resolved = resolve_borders(values, labels, levels.centers)
    assert np.mean(resolved != truth) < 0.72 * np.mean(labels != truth)
    undecided = resolve_borders(values, labels, levels.centers, undecided=k)
    certain = undecided != k
    np.testing.assert_array_equal(undecided[certain], resolved[certain])
    np.testing.assert_array_equal(certain, resolved == labels)
    assert np.mean((resolved != truth)[certain]) < np.mean(resolved != truth)


@pytest.mark.parametrize("k", [3, 4])
@pytest.mark.parametrize("noise", [0.0, 2000.0])
def test_a_phase_that_is_there_stays(k: int, noise: float) -> None:
    scan = simulate_phases((48, 48, 48), gray=GRAY[k], blur=0.0, noise=noise, length=7, seed=2)
    values, truth = scan.image.data, scan.truth.data
    levels = fit_levels(histogram(values), k)
    labels = levels.classify(values)
    resolved = resolve_borders(values, labels, levels.centers)
    assert np.mean(resolved != truth) <= np.mean(labels != truth) + 0.0005


def test_denoised_first_it_helps_in_strong_noise() -> None:
    scan = simulate_phases((48, 48, 48), blur=1.0, noise=4000, length=7, seed=3)
    values, truth = gaussian_filter(scan.image.data.astype(np.float32), 0.8), scan.truth.data
    levels = fit_levels(histogram(values), 3)
    labels = levels.classify(values)
    assert np.mean(resolve_borders(values, labels, levels.centers) != truth) < 0.5 * np.mean(labels != truth)


@pytest.mark.parametrize(("thickness", "stays"), [(1, False), (2, False), (3, True), (5, True)])
def test_a_layer_stays_from_three_voxels_on(thickness: int, stays: bool) -> None:
    values = np.repeat([10.0] * 6 + [62.0] * thickness + [90.0] * 6, 7).reshape(-1, 7)
    labels = np.searchsorted([25, 75], values).astype(np.uint8)
    resolved = resolve_borders(values, labels, [10, 50, 90])
    expected = labels if stays else np.where(labels == 1, 2, labels)
    np.testing.assert_array_equal(resolved, expected)


def test_a_thin_layer_of_its_own_gray_stays() -> None:
    values = np.repeat([10.0] * 6 + [52.0] + [90.0] * 6, 7).reshape(-1, 7)
    labels = np.searchsorted([25, 75], values).astype(np.uint8)
    np.testing.assert_array_equal(resolve_borders(values, labels, [10, 50, 90]), labels)


def test_halfway_is_darker() -> None:
    values = np.repeat([0.0] * 6 + [50.0] + [100.0] * 6, 7).reshape(-1, 7)
    labels = np.searchsorted([35, 85], values).astype(np.uint8)
    assert resolve_borders(values, labels, [0, 70, 100])[6, 3] == 0


@given(st.integers(0, 2**32))
def test_only_opened_phases_are_given(seed: int) -> None:
    values, labels, centers = _layers(np.random.default_rng(seed), (40, 40), 5)
    resolved = resolve_borders(values, labels, centers)
    changed = resolved != labels
    assert not changed[(labels == 0) | (labels == 4)].any()
    for label in range(5):
        # scipy's opening sees a border of nothing around the array: only what lies within is compared
        opened = binary_opening(labels == label, np.ones((3, 3)))
        assert not (changed & opened).any()


@pytest.mark.parametrize("k", [1, 2])
def test_fewer_than_three_classes_are_unchanged(k: int) -> None:
    labels = np.random.default_rng(0).integers(0, k, (9, 9)).astype(np.uint8)
    found = resolve_borders(labels, labels, np.arange(k))
    np.testing.assert_array_equal(found, labels)
    assert found is not labels


def test_infinite_and_extreme_values() -> None:
    values = np.repeat([-np.inf] * 4 + [-1e308, 1e308] + [np.inf] * 4, 5).reshape(-1, 5)
    centers = [-1.7e308, 0.0, 1.7e308]
    labels = np.repeat([0, 0, 0, 0, 1, 1, 2, 2, 2, 2], 5).reshape(-1, 5).astype(np.uint8)
    found = resolve_borders(values, labels, centers)
    np.testing.assert_array_equal(found[:, 2], [0] * 5 + [2] * 5)
    tiny = np.array([0, 5e-324, 1e-323])
    np.testing.assert_array_equal(resolve_borders(tiny[labels], labels, tiny), labels)


def test_what_is_left_out_takes_no_part() -> None:
    rows = [10.0] * 4 + [30.0, 70.0] + [90.0] * 4
    values = np.repeat(rows, 7).reshape(-1, 7)
    labels = np.searchsorted([25, 75], values).astype(np.uint8)
    assert resolve_borders(values, labels, [10, 50, 90])[4, 3] == 0
    inside = np.ones(values.shape, np.bool_)
    inside[:4] = False
    for how in ("inside", "NaN", "label"):
        some, named = values.copy(), labels.copy()
        some[:4] = np.nan if how == "NaN" else values[:4]
        named[:4] = 255 if how == "label" else labels[:4]
        found = resolve_borders(some, named, [10, 50, 90], inside=inside if how == "inside" else None)
        np.testing.assert_array_equal(found, named)
    np.testing.assert_array_equal(resolve_borders(values, labels, [10, 50, 90], inside=~inside & inside), labels)


def test_halo() -> None:
    assert halo(2) == (6, 6)
    assert halo(3, spacing=(0.5, 0.25, 0.25)) == (4, 6, 6)
    assert halo(3, spacing=(1, 1, 9)) == (6, 6, 4)


def test_bad_input() -> None:
    values, centers = np.zeros((4, 4)), [0.0, 1.0, 2.0]
    labels = np.zeros((4, 4), np.uint8)
    for wrong in ([0, 2, 1], [0, 0, 1], [0, np.nan, 2], [], [[0, 1, 2]]):
        with pytest.raises(ParameterError, match=r"centers are .*increasing order"):
            resolve_borders(values, labels, wrong)
    for mark in (2, 255, -1, 1.5):
        with pytest.raises(ParameterError, match="a label that no class has, from 3 to 254"):
            resolve_borders(values, labels, centers, undecided=mark)  # type: ignore[arg-type]
    for spacing in ((1, 1, 1), (1, 0), (1, -1), (1, np.nan), (1, np.inf)):
        with pytest.raises(ParameterError, match="give 2 positive numbers, one for each axis"):
            resolve_borders(values, labels, centers, spacing=spacing)
    with pytest.raises(ParameterError, match="threads is 0"):
        resolve_borders(values, labels, centers, threads=0)
    with pytest.raises(DataError, match="there is a label 3, but only 3 centers"):
        resolve_borders(values, labels + np.uint8(3), centers)
    with pytest.raises(DataError, match=r"the labels have shape \(4, 3\), the image \(4, 4\)"):
        resolve_borders(values, labels[:, :3], centers)
    with pytest.raises(DataError, match=r"inside has shape \(4, 3\)"):
        resolve_borders(values, labels, centers, inside=np.ones((4, 3), np.bool_))
    for shape in ((4,), (1, 1, 4, 4), (0, 4)):
        with pytest.raises(DataError, match="at least one voxel"):
            resolve_borders(np.zeros(shape), np.zeros(shape, np.uint8), centers)
    with pytest.raises(DataTypeError, match="labels are of dtype int64"):
        resolve_borders(values, labels.astype(np.int64), centers)
    with pytest.raises(DataTypeError, match="inside is of dtype uint8"):
        resolve_borders(values, labels, centers, inside=labels)  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="complex128"):
        resolve_borders(values.astype(complex), labels, centers)


def test_it_loads_nothing_heavy() -> None:
    code = "import sys, klevels.core.borders; print('scipy' in sys.modules, 'concurrent.futures' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
