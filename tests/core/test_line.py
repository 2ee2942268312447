"""Where levels are binned, the inertia is exact for the classes found, and the bound on its excess holds."""

from __future__ import annotations

import numpy as np
import pytest

from klevels.core import _kernels
from klevels.core.count import histogram
from klevels.core.fit import fit_levels, fit_path
from klevels.core.histogram import Histogram
from klevels.core.voxels import as_voxels
from reference import inertia_of_labels, least_inertia

N = 700
K_MAX = 7


def _gaussian(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(100, 10, N)


def _modes(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(rng.choice([0.1, 0.5, 0.52, 3.0], N), 0.02)


def _heavy_tails(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_t(1.2, N)


def _hot_voxel(rng: np.random.Generator) -> np.ndarray:
    return np.append(rng.normal(1, 0.1, N - 1), 1e6)


def _cold_voxel(rng: np.random.Generator) -> np.ndarray:
    return np.append(rng.normal(1, 0.1, N - 1), -1e6)


def _steps(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 20, N) + rng.random(N) * 1e-3


def _coarse(values: np.ndarray, limit: int = 96) -> Histogram:
    """Count in few bins, so that binning costs much."""
    voxels = as_voxels(values, None)
    shift, keys, counts, rests, n_nan, _ = _kernels.count_bins(voxels.bits, voxels.dtype.name, False, None, limit, 1)
    return Histogram(keys, counts, voxels.dtype, shift, rests, n_nan)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [_gaussian, _modes, _heavy_tails, _hot_voxel, _cold_voxel, _steps])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bound_on_the_excess_holds(kind: object, seed: int, dtype: type) -> None:
    values = kind(np.random.default_rng(seed)).astype(dtype)  # type: ignore[operator]
    h = _coarse(values)
    assert h.shift > 0
    path = fit_path(h, K_MAX)
    assert path[0].excess_bound == 0.0
    for fitted, optimum in zip(path, least_inertia(values.astype(np.float64), K_MAX), strict=True):
        assert fitted.inertia == float(inertia_of_labels(values, fitted.classify(values)))
        assert fitted.excess_bound is not None
        assert float(optimum) * (1 - 1e-12) <= fitted.inertia <= (float(optimum) + fitted.excess_bound) * (1 + 1e-12)


def test_binning_costs_something_that_the_bound_covers() -> None:
    """The test above would pass if nothing ever lay inside a bin: here it does."""
    values = _modes(np.random.default_rng(1))
    excess = [
        a.inertia - float(b)
        for a, b in zip(fit_path(_coarse(values), K_MAX), least_inertia(values, K_MAX), strict=True)
    ]
    assert max(excess) > 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_with_all_bins_the_bound_is_tiny(dtype: type) -> None:
    values = np.random.default_rng(1).normal(100, 20, 300_000).astype(dtype)
    h = histogram(values)
    assert h.shift > 0
    fitted = fit_levels(h, 4)
    assert fitted.excess_bound is not None
    assert 0 < fitted.excess_bound < 1e-2 * fitted.inertia
    hot = fit_levels(histogram(np.append(values, dtype(1e6))), 5)
    assert hot.excess_bound is not None
    assert hot.excess_bound < 1e-2 * fitted.inertia * 5
    np.testing.assert_array_equal(
        np.bincount(fitted.classify(values)), fitted.counts, "thresholds lie between bins, so labels equal counts"
    )


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4"])
def test_unbinned_data_have_no_excess(dtype: str) -> None:
    assert fit_levels(histogram(np.arange(100).astype(dtype)), 3).excess_bound == 0.0


def test_noise_moves_to_the_end_of_its_bin() -> None:
    values = np.random.default_rng(1).normal(0, 1, 200_000)
    h = histogram(values)
    fitted = fit_levels(h, 2, noise_threshold=-0.7)
    assert fitted.noise_threshold is not None
    assert h.bin_width is not None
    assert -0.7 <= fitted.noise_threshold < -0.7 + h.bin_width.max()
    assert fitted.counts[0] == np.count_nonzero(values <= fitted.noise_threshold)
    assert fitted.inertia == float(inertia_of_labels(values, fitted.classify(values)))
