"""Simulated scans: the truth is what was asked for, and the physics does what physics does."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from klevels.errors import MissingDependencyError, ParameterError
from klevels.samples import Scan, simulate_phases, simulate_scan

MANY = 1e12  # photons that make the noise negligible


def core_of(scan: Scan, phase: int, depth: int = 3) -> NDArray[np.bool_]:
    """Voxels of a phase at least `depth` from every other phase."""
    return np.asarray(ndimage.binary_erosion(scan.truth.data == phase, iterations=depth))


def radius_of(shape: tuple[int, int]) -> NDArray[np.float64]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.asarray(np.hypot(y - shape[0] // 2, x - shape[1] // 2))


@pytest.mark.parametrize("simulate", [simulate_scan, simulate_phases])
@pytest.mark.parametrize("shape", [(48, 40), (6, 32, 40)])
def test_a_seed_gives_the_same_bits_and_another_seed_others(simulate: Any, shape: tuple[int, ...]) -> None:
    first, again, other = simulate(shape, seed=3), simulate(shape, seed=3), simulate(shape, seed=4)
    np.testing.assert_array_equal(first.image.data, again.image.data)
    np.testing.assert_array_equal(first.truth.data, again.truth.data)
    assert np.any(first.truth.data != other.truth.data)
    assert np.any(first.image.data != other.image.data)


@pytest.mark.parametrize("simulate", [simulate_scan, simulate_phases])
@pytest.mark.parametrize(("shape", "axes"), [((48, 40), "yx"), ((6, 32, 40), "zyx"), ((1, 32, 32), "zyx")])
def test_image_and_truth_lie_on_one_stated_grid(simulate: Any, shape: tuple[int, ...], axes: str) -> None:
    scan = simulate(shape)
    for image in (scan.image, scan.truth):
        assert (image.shape, image.axes, image.spacing, image.unit) == (shape, axes, (0.01,) * len(shape), "mm")
    assert scan.image.dtype == np.uint16
    assert scan.truth.dtype == np.uint8
    assert list(scan.gray) == sorted(scan.gray)


@pytest.mark.parametrize("fractions", [(0.25, 0.75), (0.5, 0.3, 0.2), (0.1, 0.2, 0.3, 0.25, 0.15)])
def test_fractions_are_as_asked_to_half_a_voxel(fractions: tuple[float, ...]) -> None:
    scan = simulate_phases((41, 53), gray=tuple(range(1000, 1000 * (len(fractions) + 1), 1000)), fractions=fractions)
    counts = np.bincount(scan.truth.data.ravel(), minlength=len(fractions))
    np.testing.assert_allclose(counts, np.array(fractions) * 41 * 53, atol=1)

    scan = simulate_scan((64, 64), n_phases=len(fractions), fractions=fractions, n_angles=2, dtype="float32")
    solid = np.bincount(scan.truth.data.ravel())[1:]
    np.testing.assert_allclose(solid / solid.sum(), np.array(fractions[1:]) / sum(fractions[1:]), atol=1e-3)


@pytest.mark.parametrize("n_phases", range(2, 9))
def test_every_number_of_phases_is_there(n_phases: int) -> None:
    scan = simulate_scan((64, 64), n_phases=n_phases, n_angles=2, dtype="float32")
    assert len(scan.gray) == n_phases
    np.testing.assert_array_equal(np.unique(scan.truth.data), np.arange(n_phases))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_without_noise_each_phase_has_its_true_gray(dtype: str) -> None:
    scan = simulate_scan((200, 200), length=9, photons=MANY, n_angles=600, blur=0, dtype=dtype)
    assert scan.image.dtype == np.dtype(dtype)
    span = scan.gray[-1] - scan.gray[0]
    for phase, gray in enumerate(scan.gray[:3]):
        mean = scan.image.data[core_of(scan, phase)].mean(dtype=np.float64)
        assert mean == pytest.approx(gray, abs=0.004 * span)
    dense = scan.image.data[core_of(scan, 3, depth=2)].mean(dtype=np.float64)  # small inclusions: few voxels inside
    assert dense == pytest.approx(scan.gray[3], abs=0.02 * span)


def test_an_off_center_frame_is_not_shifted() -> None:
    for shape in [(97, 64), (64, 97), (80, 81)]:
        scan = simulate_scan(shape, n_phases=2, photons=MANY, blur=0, dtype="float32")
        ideal = np.array(scan.gray)[scan.truth.data]
        moved = [np.roll(ideal, step, axis) for axis in (0, 1) for step in (-1, 1)]
        error = np.abs(scan.image.data - ideal).mean()
        assert all(error < np.abs(scan.image.data - other).mean() for other in moved)


def test_noise_falls_with_the_square_root_of_the_photons() -> None:
    def noise(photons: float) -> float:
        scan = simulate_scan((96, 96), n_phases=2, length=12, photons=photons, dtype="float32", seed=5)
        perfect = simulate_scan((96, 96), n_phases=2, length=12, photons=MANY, dtype="float32", seed=5)
        return float((scan.image.data - perfect.image.data)[core_of(scan, 1)].std())

    assert noise(1e4) / noise(1e6) == pytest.approx(10, rel=0.1)


def test_rings_are_structure_around_the_axis() -> None:
    def radial_part(rings: float) -> float:
        scan = simulate_scan((96, 96), n_phases=2, photons=MANY, rings=rings, dtype="float32")
        clean = simulate_scan((96, 96), n_phases=2, photons=MANY, dtype="float32")
        difference = scan.image.data - clean.image.data
        radius = np.rint(radius_of((96, 96))).astype(int)
        profile = np.bincount(radius.ravel(), difference.ravel()) / np.bincount(radius.ravel())
        inside = radius < 44
        return float(profile[radius][inside].var() / difference[inside].var()) if rings else float(difference.var())

    assert radial_part(0.0) == 0.0
    assert radial_part(0.02) > 0.4


def test_beam_hardening_darkens_the_center() -> None:
    def cupping(beam_hardening: float) -> float:
        scan = simulate_scan(
            (128, 128), n_phases=2, fractions=(0.05, 0.95), photons=MANY, beam_hardening=beam_hardening, dtype="float32"
        )
        solid, radius = core_of(scan, 1), radius_of((128, 128))
        center = scan.image.data[solid & (radius < 20)].mean()
        rim = scan.image.data[solid & (radius > 48)].mean()
        return float(center / rim)

    assert cupping(0.0) == pytest.approx(1, abs=0.01)
    assert cupping(0.5) < 0.95
    assert cupping(0.8) < cupping(0.5)


@pytest.mark.parametrize("shape", [(96, 96), (24, 48, 48)])
def test_blur_widens_edges(shape: tuple[int, ...]) -> None:
    def steepest(blur: float) -> float:
        scan = simulate_scan(shape, n_phases=2, photons=MANY, blur=blur, dtype="float32")
        gradient = np.hypot.reduce(np.gradient(scan.image.data.astype(np.float64)))
        return float(np.percentile(gradient, 99))

    assert steepest(2.0) < 0.6 * steepest(0.0)


def test_the_material_is_three_dimensional() -> None:
    truth = simulate_scan((24, 48, 48), n_angles=2, dtype="float32").truth.data
    agreement = [(np.diff(truth.astype(int), axis=axis) == 0).mean() for axis in range(3)]
    assert all(0.7 < share < 1 for share in agreement)


def test_length_sets_the_size_of_the_grains() -> None:
    def border(length: float) -> float:
        return float(np.mean(np.diff(simulate_phases((96, 96), length=length).truth.data.astype(int), axis=0) != 0))

    assert border(8.0) < 0.6 * border(4.0)


def test_phases_carry_the_noise_asked_for() -> None:
    scan = simulate_phases((96, 96), blur=0, noise=1000, seed=8)
    residual = scan.image.data - np.array(scan.gray)[scan.truth.data]
    assert residual.std() == pytest.approx(1000, rel=0.05)
    assert residual.mean() == pytest.approx(0, abs=50)

    clean = simulate_phases((32, 32), blur=0, noise=0)
    np.testing.assert_array_equal(clean.image.data, np.array(clean.gray)[clean.truth.data])


def test_phases_saturate_and_do_not_wrap() -> None:
    scan = simulate_phases((64, 64), gray=(100, 65000), blur=0, noise=3000)
    ends = scan.image.data[scan.truth.data == 0], scan.image.data[scan.truth.data == 1]
    assert ends[0].max() < 30000 < ends[1].min()
    assert ends[0].min() == 0
    assert ends[1].max() == 65535


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"shape": (64,)}, "shape"),
        ({"shape": (8, 64)}, "shape"),
        ({"shape": (0, 64, 64)}, "shape"),
        ({"n_phases": 1}, "n_phases is 1; give 2 to 8"),
        ({"n_phases": 9}, "n_phases"),
        ({"fractions": (0.5, 0.5)}, "give 4 positive numbers"),
        ({"fractions": (0.5, 0.2, 0.2, 0.2)}, "add up to 1"),
        ({"fractions": (1.2, -0.2, 0.0, 0.0)}, "positive"),
        ({"length": -1}, "length"),
        ({"photons": 0}, "photons"),
        ({"photons": float("nan")}, "photons"),
        ({"n_angles": 0}, "n_angles"),
        ({"blur": -0.1}, "blur"),
        ({"seed": -1}, "seed"),
        ({"rings": 2}, "rings"),
        ({"beam_hardening": 1.5}, "beam_hardening"),
        ({"dtype": "int8"}, "use uint16, uint8 or float32"),
    ],
)
def test_bad_parameters_of_a_scan_are_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        simulate_scan(**{"shape": (32, 32), **changes})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"shape": ()}, "shape"),
        ({"gray": ()}, "gray"),
        ({"gray": (3, 2)}, "ascending"),
        ({"gray": (0, 70000)}, "65535"),
        ({"fractions": (1.0,)}, "give 3 positive"),
        ({"noise": -1}, "noise"),
        ({"blur": -1}, "blur"),
        ({"length": float("inf")}, "length"),
    ],
)
def test_bad_parameters_of_phases_are_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        simulate_phases(**{"shape": (32, 32), **changes})


def test_noise_beyond_the_dtype_is_refused_and_not_clipped() -> None:
    with pytest.raises(ParameterError, match="uint8 holds 0 to 255; use more photons"):
        simulate_scan((64, 64), photons=20, dtype="uint8")
    assert np.isfinite(simulate_scan((64, 64), photons=1, dtype="float32").image.data).all()


@pytest.mark.parametrize(("module", "package"), [("scipy", "SciPy"), ("skimage", "scikit-image")])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, module: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"{package}; pip install 'klevels\[samples\]'"):
        simulate_scan((32, 32))
