"""Lloyd's algorithm as the kernels run it is the textbook's, to the bit; the search starts it well."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klevels.core import _kernels
from klevels.core import clusters as clusters_module
from klevels.core.clusters import QUALITIES, Clustering, check_quality, check_seed, cluster, in_order
from klevels.errors import ParameterError
from reference import exact_means, interleaved, least_clustering, lloyd, nearest_centers

Array = np.ndarray[Any, np.dtype[Any]]


def _whole(rng: np.random.Generator, n: int, n_channels: int, span: int) -> tuple[Array, Array]:
    """Return points and weights whose sums are exact in float64, so that any order of adding gives the same bits."""
    points = rng.integers(-span, span + 1, (n, n_channels)).astype(np.float64)
    if rng.random() < 0.5:
        points = points[in_order(points)[0]]
    return points, rng.integers(1, 9, n).astype(np.float64)


def _refine(points: Array, weights: Array, start: Array, threads: int = 2) -> Clustering:
    return Clustering(*_kernels.refine_centers(points, weights, start, threads))


def _distinct(points: Array) -> Array:
    return np.unique(points, axis=0)


@given(
    st.integers(1, 400), st.integers(1, 16), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([1, 9, 60000])
)
def test_labels_are_the_nearest_centers(n: int, n_channels: int, k: int, seed: int, span: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-span, span + 1, (n, n_channels)) / rng.choice([1, 3])
    centers = rng.integers(-span, span + 1, (k, n_channels)) / 2  # halves: many ties
    labels, distances = _kernels.label_rows(rows, centers, 2)
    expected, squared = nearest_centers(rows, centers)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(distances, squared)


@pytest.mark.parametrize("n", [4095, 4096, 4097, 20_000])
def test_labels_of_many_rows(n: int) -> None:
    rng = np.random.default_rng(n)
    rows, centers = rng.standard_normal((n, 3)), rng.standard_normal((300, 3))
    for threads in (1, 2, 5):
        labels, distances = _kernels.label_rows(rows, centers, threads)
        np.testing.assert_array_equal(labels, nearest_centers(rows, centers)[0])
        np.testing.assert_array_equal(distances, nearest_centers(rows, centers)[1])


@settings(deadline=None)
@given(
    st.one_of(st.integers(1, 70), st.integers(71, 400)),
    st.integers(1, 16),
    st.integers(1, 20),
    st.integers(0, 2**32),
    st.sampled_from([1, 4, 100, 65535]),
)
def test_lloyd_is_the_textbooks(n: int, n_channels: int, k: int, seed: int, span: int) -> None:
    rng = np.random.default_rng(seed)
    points, weights = _whole(rng, n, n_channels, span)
    distinct = _distinct(points)
    start = distinct[rng.permutation(len(distinct))[:k]]
    found = _refine(points, weights, start)
    centers, labels, inertias = lloyd(points, weights, start)
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(inertias))
    if len(np.unique(labels)) == len(start):
        np.testing.assert_array_equal(found.centers, centers)
        np.testing.assert_array_equal(found.labels, labels)
        assert found.n_iter == len(inertias)
        assert found.inertia == pytest.approx(inertias[-1], rel=1e-12, abs=1e-300)
    assert found.inertia <= inertias[-1] * (1 + 1e-12)
    _check_at_rest(points, weights, found)


@pytest.mark.parametrize("span", [3, 40, 255])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 7])
def test_lloyd_on_many_points(n_channels: int, span: int) -> None:
    rng = np.random.default_rng(span)
    points = rng.integers(0, span + 1, (6000, n_channels)).astype(np.float64)
    points = points[in_order(points)[0]]
    weights = rng.integers(1, 1000, len(points)).astype(np.float64)
    distinct = _distinct(points)
    start = distinct[rng.permutation(len(distinct))[:60]]
    centers, labels, inertias = lloyd(points, weights, start)
    shuffled = rng.permutation(len(points))
    for order in (np.arange(len(points)), shuffled):
        for threads in (1, 2, 3):
            found = _refine(points[order], weights[order], start, threads)
            if len(np.unique(labels)) == len(start):
                np.testing.assert_array_equal(found.centers, centers)
                np.testing.assert_array_equal(found.labels, labels[order])
                assert found.inertia == pytest.approx(inertias[-1], rel=1e-12)


def _check_at_rest(points: Array, weights: Array, found: Clustering) -> None:
    labels, distances = nearest_centers(points, found.centers)
    np.testing.assert_array_equal(found.labels, labels)
    means = exact_means(points, weights, found.labels, len(found.centers))
    assert [
        mean if mean is not None else center for mean, center in zip(means, found.centers.tolist(), strict=True)
    ] == (found.centers.tolist())
    assert found.inertia == pytest.approx(float((weights * distances).sum()), rel=1e-12, abs=1e-300)


@given(st.integers(1, 200), st.integers(1, 5), st.integers(1, 60), st.integers(0, 2**32))
def test_no_center_stays_without_points(n: int, n_channels: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, weights = _whole(rng, n, n_channels, 6)
    k = min(k, len(_distinct(points)))
    for start in (np.repeat(points[:1], k, axis=0), np.full((k, n_channels), 1000.0), points[rng.integers(0, n, k)]):
        found = _refine(points, weights, np.ascontiguousarray(start))
        assert set(found.labels.tolist()) == set(range(k))
        _check_at_rest(points, weights, found)


@given(st.integers(0, 2**32), st.sampled_from([1e-40, 1e-30, 1.0, 1e9, 1e30, 1e60]))
def test_floats_of_any_size(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    points = (rng.standard_normal((300, 3)) + rng.choice([0, 5, 1000])) * scale
    weights = rng.random(300) + 0.01
    found = _refine(points, weights, points[:12].copy())
    labels, distances = nearest_centers(points, found.centers)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.inertia == pytest.approx(float((weights * distances).sum()), rel=1e-12)
    for label in range(12):
        own = labels == label
        mean = np.average(points[own], axis=0, weights=weights[own])
        np.testing.assert_allclose(found.centers[label], mean, rtol=1e-12, atol=1e-12 * scale)
    assert lloyd(points, weights, found.centers)[2][-1] >= found.inertia * (1 - 1e-12)


def _cluster(points: Array, weights: Array, k: int, quality: Any = "default", **options: Any) -> Clustering:
    order, grid = in_order(points)
    options = {"seed": 0, "threads": 2, **options}
    return cluster(points[order], weights[order], grid, k, quality=quality, **options)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("n_channels", [1, 2, 3, 5, 16])
def test_threads_and_seeds(n_channels: int, quality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(n_channels)
    points, weights = (
        rng.integers(0, 256, (1500, n_channels)).astype(np.float64),
        rng.integers(1, 99, 1500).astype(float),
    )
    if quality == "best":
        effort = clusters_module._Effort(256, 5, 3, 1e-4, 4, 0.0)
        monkeypatch.setattr(clusters_module, "_effort", lambda *_: effort)
    for k in (1, 2, 17):
        once = _cluster(points, weights, k, quality, threads=1)
        for threads in (2, 3, 8):
            again = _cluster(points, weights, k, quality, threads=threads)
            np.testing.assert_array_equal(again.centers, once.centers)
            np.testing.assert_array_equal(again.labels, once.labels)
            assert (again.inertia, again.n_iter) == (once.inertia, once.n_iter)
        seeds = {_cluster(points, weights, k, quality, seed=seed).inertia for seed in (1, 2, 2**64 - 1)}
        assert all(inertia <= 1.1 * once.inertia for inertia in seeds)


def test_a_good_start_is_found_where_clusters_are_apart() -> None:
    rng = np.random.default_rng(7)
    for n_channels in (2, 3, 8):
        corners = rng.permutation(np.array(np.meshgrid(*[[0.0, 100.0, 200.0]] * 2)).reshape(2, -1).T)
        truth = np.hstack([corners, np.zeros((9, n_channels - 2))])
        points = np.repeat(truth, 50, axis=0) + rng.uniform(-5, 5, (450, n_channels))
        for quality in QUALITIES:
            for seed in range(5):
                found = _cluster(points, np.ones(450), 9, quality, seed=seed)
                if quality != "fast":
                    assert sorted(found.centers.round(-2).tolist()) == sorted(truth.tolist())
                assert len(set(found.labels.tolist())) == 9


@pytest.mark.parametrize(("quality", "share"), [("fast", 0.7), ("default", 0.97), ("best", 0.99)])
def test_on_tiny_problems_the_optimum_is_found(quality: str, share: float) -> None:
    hits = 0
    for seed in range(200):  # of these, "fast" misses some and the others hardly any
        rng = np.random.default_rng(seed)
        n, k, n_channels = int(rng.integers(3, 9)), int(rng.integers(2, 4)), int(rng.integers(1, 4))
        points = rng.permutation(_distinct(rng.integers(0, 30, (n, n_channels)).astype(np.float64)))
        weights = rng.integers(1, 6, len(points)).astype(np.float64)
        k = min(k, len(points))
        least = least_clustering(points, weights, k)
        found = _cluster(points, weights, k, quality)
        assert found.inertia >= least - 1e-8 * (1 + least)
        hits += found.inertia <= least + 1e-8 * (1 + least)
    assert hits / 200 >= share, hits


def test_more_search_is_better_on_the_whole() -> None:
    inertias = {quality: np.zeros(8) for quality in QUALITIES}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        points = np.concatenate([rng.normal(rng.uniform(0, 200, 3), 6, (40, 3)) for _ in range(25)])
        for quality in QUALITIES:
            inertias[quality][seed] = _cluster(points, np.ones(len(points)), 20, quality, seed=seed).inertia
    assert (inertias["best"] <= 1.01 * inertias["default"]).all()
    assert (inertias["default"] <= 1.01 * inertias["fast"]).all()
    assert inertias["best"].mean() <= inertias["default"].mean() <= inertias["fast"].mean()


def test_beyond_so_many_centers_none_are_crossed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters_module, "MOST_CROSSED", 10)
    for quality in QUALITIES:
        assert clusters_module._effort(quality, 10).generations == (
            0 if quality == "fast" else clusters_module._effort(quality, 2).generations
        )
        effort = clusters_module._effort(quality, 11)
        assert (1 if quality == "fast" else effort.population, effort.generations) == (1, 0)
        assert clusters_module._effort(quality, 1).generations == 0
    points = np.random.default_rng(0).standard_normal((500, 3))
    found = _cluster(points, np.ones(500), 40, "best")
    assert len(set(found.labels.tolist())) == 40


@given(st.integers(1, 300), st.integers(1, 30), st.integers(0, 2**32))
def test_points_in_order(n: int, n_channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((n, n_channels)) * rng.choice([0, 1e-9, 1e9])
    order, grid = in_order(points)
    assert sorted(order.tolist()) == list(range(n))
    if n_channels > clusters_module.MOST_ORDERED:
        assert grid is None
        return
    assert grid is not None
    places = [interleaved(row) for row in grid.tolist()]
    assert places == sorted(places)
    wider = points[order] - points.min(axis=0)
    steps = (2 ** min(16, 63 // n_channels) - 1) / (float(wider.max()) or 1.0)
    assert np.abs(grid - wider * steps).max() <= 1.001


@given(st.integers(1, 400), st.integers(1, 4), st.integers(1, 500), st.integers(0, 2**32))
def test_pooled_points_keep_sums(n: int, n_channels: int, at_least: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    span = 2 ** int(rng.integers(1, 24))
    at_least += 2**n_channels  # more than there are cells that only signs tell apart
    distinct = sorted(_distinct(rng.integers(-span, span, (n, n_channels))).tolist(), key=interleaved)
    grid = np.array(distinct, rng.choice(["i4", "i8"]))
    points, weights = grid.astype(np.float64), rng.integers(1, 9, len(grid)).astype(np.float64)
    rows, masses = clusters_module._coarsened(points, weights, grid, at_least)
    assert masses.sum() == weights.sum()
    np.testing.assert_allclose(masses @ rows, weights @ points, rtol=1e-9, atol=1e-6)
    assert len(rows) >= min(at_least, len(points))
    shift = 0
    cells = len(points)
    while len(_distinct(grid >> (shift + 1))) >= at_least:
        shift += 1
        cells = len(_distinct(grid >> shift))
    assert len(rows) == cells


def test_quality_and_seed_are_checked() -> None:
    assert [check_quality(name) for name in QUALITIES] == list(QUALITIES)
    for bad in ("good", "", "Best", None):
        with pytest.raises(ParameterError, match=r"^quality is .*; use fast, default, best$"):
            check_quality(bad)  # type: ignore[arg-type]
    assert [check_seed(seed) for seed in (0, np.int64(7), 2**64 - 1)] == [0, 7, 2**64 - 1]
    for wrong in (-1, 2**64, 1.0, None, True, "1"):
        with pytest.raises(ParameterError, match=r"^random_state is .*; give an integer from 0 to 2\*\*64 - 1$"):
            check_seed(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_kernels_refuse_arrays_that_do_not_fit(n_channels: int) -> None:
    rows, weights = np.zeros((5, n_channels)), np.ones(5)
    other = np.zeros((2, n_channels + 1))
    for points, masses, centers in (
        (rows, np.ones(4), rows[:2]),
        (rows, weights, other),
        (rows, weights, rows[:0]),
        (rows[:0], weights[:0], rows[:2]),
        (rows[:, :0].copy(), weights, rows[:2, :0].copy()),
    ):
        with pytest.raises(ValueError, match="arrays of other sizes"):
            _kernels.refine_centers(points, masses, centers, 1)
    for centers in (other, rows[:0]):
        with pytest.raises(ValueError, match="arrays of other sizes"):
            _kernels.label_rows(rows, centers, 1)
    effort: tuple[Any, ...] = (0, 1, 0, 1e-3, 1, 1)
    for points, masses, k in (
        (rows, weights, 0),
        (rows, weights, 6),
        (rows, np.ones(6), 2),
        (rows[:0], weights[:0], 1),
    ):
        with pytest.raises(ValueError, match=r".+"):
            _kernels.find_centers(points, masses, k, *effort)
    with pytest.raises(ValueError, match="no such k or population"):
        _kernels.find_centers(rows, weights, 2, 0, 0, 1, 1e-3, 1, 1)
    assert _kernels.label_rows(rows[:0], rows[:1], 1)[0].shape == (0,)
