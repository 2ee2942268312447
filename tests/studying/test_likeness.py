"""A simulated scan that is like another."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import klevels
from klevels.denoising import estimate_noise
from klevels.image import Image
from klevels.samples import simulate_phases
from klevels.studying.likeness import central_window, estimate_blur, phase_grays, simulate_like

SHAPE = (40, 40, 40)


def everywhere(image: Image) -> np.ndarray:
    return np.ones(image.shape, np.bool_)


@pytest.mark.parametrize("blur", [0.0, 0.6, 1.0, 1.5])
@pytest.mark.parametrize("noise", [0.0, 2000.0])
def test_blur_is_found_where_the_phases_are_known(blur: float, noise: float) -> None:
    scan = simulate_phases(SHAPE, blur=blur, noise=noise, length=6, seed=3)
    painted = np.asarray(scan.gray, np.float32)[scan.truth.data]
    assert estimate_blur(scan.image, painted, everywhere(scan.image)) == pytest.approx(blur, abs=0.11 if blur else 0.21)


def test_blur_is_found_in_a_plane_and_beside_what_does_not_count() -> None:
    scan = simulate_phases((120, 120), blur=1.0, noise=1000, length=6, seed=3)
    painted = np.asarray(scan.gray, np.float32)[scan.truth.data]
    counts = everywhere(scan.image)
    counts[:40] = False
    values = np.where(counts, scan.image.data, 0).astype(np.uint16)
    assert estimate_blur(Image(values, "yx"), painted, counts) == pytest.approx(1.0, abs=0.15)


def test_a_thin_image_is_not_blurred_further_than_it_is_wide() -> None:
    values = np.random.default_rng(0).integers(0, 99, (2, 30)).astype(np.uint8)
    image = Image(values, "yx")
    assert 0 <= estimate_blur(image, np.zeros(values.shape, np.float32), everywhere(image)) <= 3


def test_the_same_phases_blur_and_noise_come_out() -> None:
    scan = simulate_phases(SHAPE, blur=0.6, noise=3000, length=6, seed=3)
    result = klevels.segment(scan.truth, 3)  # the truth as if it had been found
    model = klevels.fit_levels(klevels.histogram(scan.image.data), 3)
    found = simulate_like(scan.image, None, result.labels.data, model, 3000.0, seed=1, threads=1)
    assert found.blur == pytest.approx(0.6, abs=0.11)
    assert found.image.dtype == np.uint16
    assert (found.image.axes, found.image.spacing) == (scan.image.axes, scan.image.spacing)
    for phase in range(3):
        inner = scan.truth.data == phase
        assert found.image.data[inner].mean() == pytest.approx(scan.image.data[inner].mean(), rel=0.02)
    assert found.image.data.std() == pytest.approx(scan.image.data.std(), rel=0.02)
    assert estimate_noise(found.image) == pytest.approx(3000, rel=0.06)


def test_one_seed_one_scan() -> None:
    scan = simulate_phases((24, 24), noise=1000, seed=3)
    model = klevels.fit_levels(klevels.histogram(scan.image.data), 3)

    def made(seed: int) -> np.ndarray:
        return simulate_like(scan.image, None, scan.truth.data, model, 1000.0, seed=seed, threads=1).image.data

    assert np.array_equal(made(5), made(5))
    assert not np.array_equal(made(5), made(6))


def test_voxels_that_do_not_count_stay_as_they_are() -> None:
    scan = simulate_phases((24, 24), noise=1000, seed=3)
    model = klevels.fit_levels(klevels.histogram(scan.image.data), 3)
    inside = np.zeros((24, 24), np.bool_)
    inside[5:20, 3:22] = True
    values = scan.image.data.astype(np.float32)
    values[0, 0] = np.nan
    labels = np.where(inside, scan.truth.data, 255).astype(np.uint8)
    found = simulate_like(Image(values, "yx"), inside, labels, model, 1000.0, seed=1, threads=1).image.data
    assert found.dtype == np.float32
    assert np.array_equal(found[~inside], values[~inside], equal_nan=True)
    assert np.isfinite(found[inside]).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", "float64"])
def test_the_dtype_stays_and_nothing_wraps(dtype: str) -> None:
    truth = simulate_phases((24, 24), noise=0, seed=3, gray=(0, 1)).truth.data
    limits = (0, 1) if dtype in ("bool", "float16", "float64") else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = np.array(limits).astype(dtype)[truth]
    model = klevels.fit_levels(klevels.histogram(values), 2)
    noise = float(limits[1] - limits[0]) / 4
    found = simulate_like(Image(values, "yx"), None, truth, model, noise, seed=1, threads=1).image.data
    assert found.dtype == np.dtype(dtype)
    bright, dark = (found[truth == phase].astype(np.float64).mean() for phase in (1, 0))
    assert bright > dark


def test_a_phase_has_the_gray_of_its_interior_and_a_small_one_its_center() -> None:
    scan = simulate_phases(SHAPE, blur=1.0, noise=0, length=6, seed=3)
    model = klevels.fit_levels(klevels.histogram(scan.image.data), 3)
    labels = model.classify(scan.image.data)
    grays = phase_grays(scan.image.data, labels, model)
    assert np.abs(grays - scan.gray).max() < np.abs(model.centers - scan.gray).max()
    few = np.where(np.arange(100) % 4 == 1, 1, 0).astype(np.uint8).reshape(10, 10)
    two = klevels.fit_levels(klevels.histogram(few), 2)
    assert phase_grays(few, few, two).tolist() == two.centers.tolist()


@given(st.lists(st.integers(1, 60), min_size=2, max_size=3), st.integers(1, 3000))
def test_the_middle_part_is_in_the_middle_and_as_large_as_it_may_be(shape: list[int], most: int) -> None:
    window = central_window(tuple(shape), most)
    sides = [part.stop - part.start for part in window]
    assert 1 <= math.prod(sides) <= most
    cut = [side for side, n in zip(sides, shape, strict=True) if side < n]
    assert max(cut, default=0) - min(cut, default=0) <= 3  # equal, but for what rounding leaves
    for part, n in zip(window, shape, strict=True):
        assert 0 <= part.start <= part.stop <= n
        assert abs(part.start - (n - part.stop)) <= 1
    if math.prod(shape) <= most:
        assert sides == shape


def test_noise_that_neighbors_share_is_simulated() -> None:
    rng = np.random.default_rng(5)
    scan = simulate_phases((40, 40, 40), gray=(20000, 40000), noise=0, length=6, seed=5)
    white = rng.normal(0, 1, scan.image.shape)
    shared = sum(np.roll(white, step, axis) for axis in range(3) for step in (-1, 0, 1)) / 3
    image = replace(scan.image, data=(scan.image.data + 6000 * shared).clip(0, 65535).astype(np.uint16))
    methods = ["median", "gaussian", "diffusion", "tv"]
    simulated = klevels.study(image, 2, methods=methods)
    real = klevels.study(image, 2, methods=methods, truth=scan.truth)
    errors = {row.name: row.misclassified for row in real.rows}
    told = [row.misclassified for row in simulated.rows if row.name in errors]
    assert np.corrcoef(told, [errors[row.name] for row in simulated.rows if row.name in errors])[0, 1] > 0.7
    assert errors[simulated.recommended.name] < 0.7 * errors["no denoising"]
