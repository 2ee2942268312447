"""Beta is the maximum of the pseudo-likelihood, and what is chosen from it comes near the best there is."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.labels import ignore_label
from klevels.core.likelihood import Likelihood
from klevels.core.neighbors import NEIGHBORS, UNIT, Neighbors, weights_of
from klevels.core.smooth import smooth
from klevels.core.smoothness import BETA_STEPS, MOST_BETA, estimate_beta, fit_potts
from klevels.errors import DataError, ParameterError
from klevels.samples import simulate_phases

Array = NDArray[Any]


def _leads(labels: Array, n_classes: int, neighbors: Neighbors, inside: Array | None, spacing: Any) -> list[float]:
    """The weight of a voxel's own class less that of the others, where at most two classes meet."""
    weights = weights_of(labels.ndim, neighbors, spacing) / UNIT
    counts = labels != ignore_label(n_classes)
    if inside is not None:
        counts &= inside
    now = np.pad(np.where(counts, labels.astype(int), -1), 1, constant_values=-1)
    found = []
    for at in itertools.product(*(range(side) for side in labels.shape)):
        around = now[tuple(slice(i, i + 3) for i in at)]
        own = around[(1,) * labels.ndim]
        near = (around >= 0) & (weights > 0)
        if own >= 0 and len({own, *around[near].tolist()}) <= 2:
            found.append(float((weights * near * np.where(around == own, 1, -1)).sum()))
    return found


@given(
    st.data(),
    nps.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7),
    st.sampled_from([1, 2, 3, 48, 49, 300]),
    st.sampled_from(NEIGHBORS),
)
def test_is_the_maximum_of_the_pseudo_likelihood(
    data: st.DataObject, shape: tuple[int, ...], k: int, neighbors: Neighbors
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    labels = rng.integers(0, min(k, 3), shape).astype(np.uint8 if k < 256 else np.uint16)
    labels[tuple(slice(0, side // 2 + 1) for side in shape)] = 0
    labels[rng.random(shape) < 0.1] = ignore_label(k)
    inside = rng.random(shape) < 0.9 if data.draw(st.booleans()) else None
    spacing = rng.choice([1.0, 2.5], len(shape)).tolist() if data.draw(st.booleans()) else None
    leads = np.array(_leads(labels, k, neighbors, inside, spacing))
    beta = estimate_beta(labels, n_classes=k, neighbors=neighbors, inside=inside, spacing=spacing)
    assert 0 <= beta <= MOST_BETA

    def slope(at: float) -> float:
        return float((leads / (1 + np.exp(leads * at))).sum())

    assert beta == 0 or slope(beta) > -1e-9
    assert beta == MOST_BETA or slope(beta + 1 / BETA_STEPS) <= 1e-9


@pytest.mark.parametrize("true_beta", [0.3, 0.5, 0.8])
def test_finds_the_beta_of_a_sampled_field(true_beta: float) -> None:
    rng = np.random.default_rng(2)
    side = 128
    field = rng.integers(0, 2, (side, side)).astype(np.int64)
    parity = np.indices(field.shape).sum(axis=0) % 2
    for _ in range(400):
        for color in (0, 1):
            padded = np.pad(2 * field - 1, 1)
            lead = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
            ones = rng.random(field.shape) < 1 / (1 + np.exp(-true_beta * lead))
            field = np.where(parity == color, ones, field)
    found = estimate_beta(field.astype(np.uint8), n_classes=2, neighbors="faces")
    assert found == pytest.approx(true_beta, abs=0.04)


def test_a_film_between_two_classes_does_not_count() -> None:
    rng = np.random.default_rng(0)
    smooth_field = np.cumsum(rng.integers(-1, 2, 60))
    heights = np.clip(smooth_field + 20, 4, 36)
    sharp = (np.arange(40)[:, None] > heights).astype(np.uint8) * np.uint8(2)
    film = np.where(np.arange(40)[:, None] == heights, 1, sharp).astype(np.uint8)
    assert estimate_beta(film, n_classes=3) > 0.8 * estimate_beta(sharp, n_classes=3)


def test_nothing_to_learn_from() -> None:
    assert estimate_beta(np.zeros((4, 5), np.uint8), n_classes=1) == MOST_BETA
    assert estimate_beta(np.full((4, 5), 255, np.uint8), n_classes=3) == 0
    assert estimate_beta(np.zeros((1, 1), np.uint8), n_classes=2) == 0


@pytest.mark.parametrize("neighbors", NEIGHBORS)
def test_threads_and_label_dtypes_change_nothing(neighbors: Neighbors) -> None:
    truth = np.asarray(simulate_phases((60, 70, 90), length=4, noise=0, seed=1).truth.data)
    expected = estimate_beta(truth, n_classes=3, neighbors=neighbors, threads=1)
    for threads in (2, 5, None):
        assert estimate_beta(truth, n_classes=3, neighbors=neighbors, threads=threads) == expected
    assert estimate_beta(truth.astype(np.uint16), n_classes=300, neighbors=neighbors) == expected
    assert estimate_beta(truth, n_classes=49, neighbors=neighbors) == expected


def _scan(noise: float, length: float = 6, **options: Any) -> tuple[Array, Array, Array, Likelihood]:
    """Gray values, labels by k-means after denoising, the truth, and the likelihood of the raw gray values."""
    scan = simulate_phases(noise=noise, length=length, **{"shape": (96, 96, 96), "seed": 0, **options})
    raw, truth = np.asarray(scan.image.data), np.asarray(scan.truth.data)
    step = 0.0625 if raw.ndim == 3 else 0.125
    denoised = sitk.CurvatureAnisotropicDiffusion(sitk.GetImageFromArray(raw.astype(np.float32)), step, 3.0, 1, 5)
    calm = np.clip(np.rint(sitk.GetArrayFromImage(denoised)), 0, 65535).astype(np.uint16)
    levels = fit_levels(histogram(calm), k=len(scan.gray))
    labels = levels.classify(calm)
    return raw, labels, truth, Likelihood.of(raw, labels, levels.n_classes, fallback=levels)


def _misclassified(labels: Array, truth: Array) -> float:
    return 100 * float((labels != truth).mean())


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"noise": 4000}, 1.5),
        ({"noise": 8000}, 2.85),
        ({"noise": 4000, "length": 4}, 2.75),
        ({"noise": 8000, "length": 8}, 1.9),
        ({"noise": 4000, "gray": (10000, 22000, 35000, 48000)}, 5.6),
        ({"noise": 4000, "shape": (400, 400)}, 1.3),
        ({"noise": 0}, 1.5),
    ],
)
@pytest.mark.parametrize("reestimate", [False, True])
def test_what_is_chosen_comes_near_the_best(options: dict[str, Any], most: float, reestimate: bool) -> None:
    raw, labels, truth, likelihood = _scan(**options)
    beta, found = fit_potts(raw, labels, likelihood, reestimate=reestimate)
    smoothed = smooth(raw, labels, found, beta=beta)
    assert _misclassified(smoothed, truth) < most < _misclassified(labels, truth)
    assert (found is likelihood) == (not reestimate)
    best = min(_misclassified(smooth(raw, labels, found, beta=b), truth) for b in (0.5, 0.7, 0.9, 1.2, 2))
    assert _misclassified(smoothed, truth) < 1.25 * best or options["noise"] == 0


def test_two_classes_are_not_made_much_worse() -> None:
    raw, labels, truth, likelihood = _scan(8000, gray=(12000, 30000))  # denoising alone is the best here
    beta, _ = fit_potts(raw, labels, likelihood)
    assert _misclassified(smooth(raw, labels, likelihood, beta=beta), truth) < 1.1 * _misclassified(labels, truth)


@pytest.mark.parametrize("reestimate", [False, True])
def test_detail_without_noise_is_kept(reestimate: bool) -> None:
    scan = simulate_phases((48, 48, 48), length=2, blur=0, noise=0, seed=0)
    values, truth = np.array(scan.image.data), np.array(scan.truth.data)
    truth[::7, ::5, ::3] = 2  # lone voxels, too
    values[truth == 2] = int(scan.gray[2])
    levels = fit_levels(histogram(values), k=3)
    likelihood = Likelihood.of(values, truth, 3, fallback=levels)
    beta, found = fit_potts(values, truth, likelihood, reestimate=reestimate)
    np.testing.assert_array_equal(smooth(values, truth, found, beta=beta), truth)


def test_rounds_end_at_a_fixed_point() -> None:
    raw, labels, _, likelihood = _scan(4000, shape=(48, 48, 48), length=4)
    betas = [fit_potts(raw, labels, likelihood, rounds=rounds)[0] for rounds in range(6)]
    assert betas[0] == estimate_beta(labels, n_classes=3)
    steps = np.abs(np.diff(betas))
    assert steps[-1] < 0.02
    assert betas[-1] == pytest.approx(betas[3], abs=0.04)


def test_bad_input_is_refused() -> None:
    values, labels = np.zeros((4, 5)), np.zeros((4, 5), np.uint8)
    for rounds in (-1, 101, 1.5):
        with pytest.raises(ParameterError, match=r"rounds is .*; give an integer from 0 to 100"):
            fit_potts(values, labels, Likelihood([0, 1], [1, 1]), rounds=rounds)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="there is a label 3, but only 2 classes"):
        estimate_beta(labels + np.uint8(3), n_classes=2)
    with pytest.raises(DataError, match="give an image"):
        estimate_beta(labels.ravel(), n_classes=2)
    with pytest.raises(DataError, match=r"the mask has shape \(4, 4\)"):
        estimate_beta(labels, n_classes=2, inside=np.ones((4, 4), bool))
