"""The fit is the global optimum, with the leftmost cuts, and its inertia is exact."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.count import histogram
from klevels.core.fit import fit_levels, fit_path
from klevels.core.histogram import Histogram
from klevels.errors import DataError, KlevelsError, ParameterError, TooFewLevelsError
from reference import assert_same_levels, best_cuts, cuts_of, inertia_of_cuts, inertia_of_labels, scatter
from strategies import weighted_levels

COMMON = math.lcm(*range(1, 22))
"""Every class of at most 21 voxels has a whole scatter in units of 1 / COMMON."""


def _all_counts_over(levels: tuple[int, ...]) -> tuple[np.ndarray, dict[int, tuple[np.ndarray, np.ndarray]]]:
    """Return all counts in {1, 2, 3}^n over levels, and for each k their least inertia and leftmost cuts."""
    counts = np.array(list(product((1, 2, 3), repeat=len(levels))))
    x = np.array(levels)
    cost = {}
    for a, b in combinations(range(len(levels) + 1), 2):
        n, s, s2 = (counts[:, a:b] @ x[a:b] ** power for power in (0, 1, 2))
        cost[a, b] = (s2 * n - s * s) * (COMMON // n)
    answers = {}
    for k in range(1, min(4, len(levels)) + 1):
        choices = list(combinations(range(1, len(levels)), k - 1))
        cuts = np.array(choices, np.int64).reshape(len(choices), k - 1)
        edges = [[0, *choice, len(levels)] for choice in choices]
        inertia = np.array([sum(cost[segment] for segment in pairwise(edge)) for edge in edges])
        least = inertia.min(axis=0)
        is_best = inertia == least
        leftmost = np.where(is_best[:, :, None], cuts[:, None, :], len(levels)).min(axis=0)
        is_leftmost = (cuts[:, None, :] == leftmost).all(axis=2)
        assert (is_best & is_leftmost).any(axis=0).all(), "the leftmost of each cut are not optimal together"
        answers[k] = least, leftmost
    return counts, answers


@pytest.mark.parametrize("n", range(1, 8))
def test_exhaustive_over_all_count_vectors(n: int) -> None:
    for levels in combinations(range(7), n):
        all_counts, answers = _all_counts_over(levels)
        for row, counts in enumerate(all_counts):
            h = Histogram.of(levels, counts)
            for fitted in fit_path(h, max(answers)):
                least, leftmost = answers[fitted.k]
                assert fitted.inertia == float(Fraction(int(least[row]), COMMON)), (levels, counts, fitted.k)
                assert cuts_of(fitted, h) == tuple(leftmost[row]), (levels, counts, fitted.k)


@given(weighted_levels(), st.integers(1, 8))
def test_equals_brute_force(weighted: tuple[list[int], list[int]], k: int) -> None:
    levels, counts = weighted
    k = min(k, len(levels))
    h = Histogram.of(levels, counts)
    fitted = fit_levels(h, k)
    least, leftmost = best_cuts(levels, counts, k)
    assert fitted.inertia == float(least)
    assert cuts_of(fitted, h) == leftmost
    edges = [0, *leftmost, len(levels)]
    means = [
        Fraction(sum(x * c for x, c in zip(levels[a:b], counts[a:b], strict=True)), sum(counts[a:b]))
        for a, b in pairwise(edges)
    ]
    assert fitted.centers.tolist() == [float(mean) for mean in means]
    assert fitted.thresholds == pytest.approx([float(a + b) / 2 for a, b in pairwise(means)], rel=1e-14, abs=1e-14)


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=7, unique=True),
    st.data(),
)
def test_equals_brute_force_on_floats_of_any_range(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(set(values))))
    h = Histogram.of(np.array(values))
    levels = sorted(set(values))
    fitted = fit_levels(h, k)
    least, _ = best_cuts(levels, [1] * len(levels), k)
    found = inertia_of_cuts(levels, [1] * len(levels), cuts_of(fitted, h))
    assert fitted.inertia == float(found)  # what it reports is what it did
    assert found <= least * (1 + Fraction(1, 2**80)), "floats over 80 orders of magnitude: optimal to 24 digits"


@given(st.lists(st.integers(1, 2**59), min_size=1, max_size=7), st.data())
def test_equals_brute_force_on_counts_up_to_2_62(counts: list[int], data: st.DataObject) -> None:
    span = data.draw(st.sampled_from([10, 65535, 2**31]))
    levels = sorted(data.draw(st.lists(st.integers(0, span), min_size=len(counts), max_size=len(counts), unique=True)))
    k = data.draw(st.integers(1, len(counts)))
    h = Histogram.of(levels, counts)
    fitted = fit_levels(h, k)
    found = inertia_of_cuts(levels, counts, cuts_of(fitted, h))
    assert fitted.inertia == float(found)  # what it reports is what it did
    assert found <= best_cuts(levels, counts, k)[0] + scatter(levels, counts) / 2**90


def test_a_count_of_2_62_is_exact() -> None:
    levels, counts = [0, 1, 65534, 65535], [2**62, 1, 3, 2**61 + 7]
    fitted = fit_levels(Histogram.of(levels, counts), 2)
    expected = scatter(levels[:2], counts[:2]) + scatter(levels[2:], counts[2:])
    assert fitted.inertia == float(expected)
    assert fitted.counts.tolist() == [2**62 + 1, 2**61 + 10]
    assert fitted.total_inertia == float(scatter(levels, counts))


@pytest.mark.parametrize(
    ("offset", "dtype"),
    [(10**9, np.int32), (10**9, np.uint32), (10**9, np.float64), (10**15, np.int64), (10**15, np.float64)],
)
def test_an_offset_changes_nothing(offset: int, dtype: type) -> None:
    rng = np.random.default_rng(1)
    near = rng.integers(0, 300, 5000)
    plain, moved = (fit_path(histogram(values), 12) for values in (near, (near + offset).astype(dtype)))
    for a, b in zip(plain, moved, strict=True):
        assert b.inertia == a.inertia
        assert b.counts.tolist() == a.counts.tolist()
        assert b.centers - offset == pytest.approx(a.centers, abs=1e-15 * offset)


@given(weighted_levels(max_levels=12, min_levels=2), st.integers(-50, 50).filter(bool), st.integers(-(10**9), 10**9))
def test_integer_affine_maps_scale_the_inertia(weighted: tuple[list[int], list[int]], a: int, b: int) -> None:
    levels, counts = weighted
    k = min(4, len(levels))
    plain = Histogram.of(levels, counts)
    mapped = Histogram.of([a * x + b for x in levels], counts)
    for p, q in zip(fit_path(plain, k), fit_path(mapped, k), strict=True):
        exact = inertia_of_cuts(levels, counts, cuts_of(p, plain))
        assert q.inertia == float(a * a * exact)
        if a > 0:
            assert cuts_of(q, mapped) == cuts_of(p, plain)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=12, unique=True), st.integers(1, 4))
def test_negation_mirrors_the_classes(levels: list[int], k: int) -> None:
    k = min(k, len(levels))
    levels.sort()
    ones = [1] * len(levels)
    least = best_cuts(levels, ones, k)[0]
    costs = [inertia_of_cuts(levels, ones, cuts) for cuts in combinations(range(1, len(levels)), k - 1)]
    plain = fit_levels(Histogram.of(levels), k)
    mirrored = fit_levels(Histogram.of([-x for x in levels]), k)
    assert mirrored.inertia == plain.inertia
    if costs.count(least) == 1:
        assert mirrored.centers.tolist() == (-plain.centers[::-1]).tolist()
        assert mirrored.counts.tolist() == plain.counts[::-1].tolist()


@given(weighted_levels(max_levels=12))
def test_weights_are_repetition(weighted: tuple[list[int], list[int]]) -> None:
    levels, counts = weighted
    k = min(3, len(levels))
    assert_same_levels(fit_levels(Histogram.of(levels, counts), k), fit_levels(histogram(np.repeat(levels, counts)), k))


@given(weighted_levels(max_levels=30, max_count=1000))
def test_inertia_falls_with_k_to_zero(weighted: tuple[list[int], list[int]]) -> None:
    path = fit_path(Histogram.of(*weighted), len(weighted[0]))
    inertia = [levels.inertia for levels in path]
    assert all(a > b for a, b in pairwise(inertia))
    assert inertia[-1] == 0
    assert path[-1].centers.tolist() == weighted[0]


@given(weighted_levels(max_levels=30), st.integers(1, 30))
def test_fit_levels_is_on_the_path(weighted: tuple[list[int], list[int]], k: int) -> None:
    h = Histogram.of(*weighted)
    k = min(k, h.n_levels)
    assert_same_levels(fit_levels(h, k), fit_path(h, h.n_levels)[k - 1])


@pytest.mark.parametrize("kind", ["integers", "floats", "huge counts", "bins"])
def test_threads_change_nothing(kind: str) -> None:
    rng = np.random.default_rng(7)
    h = {
        "integers": lambda: Histogram.of(np.arange(20000), rng.integers(1, 1000, 20000)),
        "floats": lambda: Histogram.of(rng.standard_normal(20000)),
        "huge counts": lambda: Histogram.of(np.arange(20000), rng.integers(1, 2**48, 20000)),
        "bins": lambda: histogram(rng.standard_normal(150000)),
    }[kind]()
    one = fit_path(h, 9, threads=1)
    for threads in (2, 4):
        for a, b in zip(one, fit_path(h, 9, threads=threads), strict=True):
            assert_same_levels(a, b)


def test_equal_levels_far_apart_are_cut_leftmost_at_any_size() -> None:
    levels = np.arange(8192)  # the same cost wherever an odd class is cut
    fitted = fit_levels(Histogram.of(levels), 3)
    assert fitted.counts.tolist() == [2730, 2731, 2731]
    assert fit_levels(Histogram.of(levels[:8191]), 2).counts.tolist() == [4095, 4096]


@pytest.mark.parametrize("seed", range(6))
def test_never_above_scikit_learn(seed: int) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    rng = np.random.default_rng(seed)
    centers = rng.uniform(0, 60000, rng.integers(2, 7))
    pixels = np.clip(rng.normal(rng.choice(centers, 4000), rng.uniform(200, 6000)), 0, 65535).astype(np.uint16)
    k = int(rng.integers(2, 10))
    theirs = cluster.KMeans(k, n_init=4, random_state=seed).fit(pixels[:, None].astype(np.float64))
    assert fit_levels(histogram(pixels), k).inertia <= float(inertia_of_labels(pixels, theirs.labels_))


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_equals_multi_otsu(classes: int, seed: int) -> None:
    filters = pytest.importorskip("skimage.filters")
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.normal(rng.choice([40, 90, 150, 210], (60, 60)), 12), 0, 255).astype(np.uint8)
    thresholds = filters.threshold_multiotsu(pixels, classes)
    theirs = np.digitize(pixels, thresholds, right=True)  # a value on a threshold belongs to the lower class
    ours = fit_levels(histogram(pixels), classes)
    assert ours.inertia == float(inertia_of_labels(pixels, theirs))
    np.testing.assert_array_equal(ours.classify(pixels), theirs)


def test_sixty_million_float_voxels_at_two_levels() -> None:
    voxels = np.ones(60_000_000, np.float32)
    voxels[::3] = 100
    fitted = fit_levels(histogram(voxels), 2)
    assert fitted.centers.tolist() == [1, 100]
    assert fitted.counts.tolist() == [40_000_000, 20_000_000]
    assert fitted.inertia == 0


def test_one_hot_voxel_does_not_spoil_the_fit() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(rng.choice([1.0, 2.0, 3.0], 100_000), 0.1)
    fitted = fit_levels(histogram(np.append(values, 1e30)), 4)
    assert fitted.counts[-1] == 1
    assert fitted.centers == pytest.approx([1, 2, 3, 1e30], rel=0.01)
    assert fitted.inertia == pytest.approx(fit_levels(histogram(values), 3).inertia, rel=1e-9)


def test_noise_is_a_class_of_its_own() -> None:
    h = Histogram.of([0, 1, 2, 10, 11, 20, 21], [9, 9, 9, 2, 2, 3, 3])
    fitted = fit_levels(h, 2, noise_threshold=4.5)
    assert fitted.k == 2
    assert fitted.n_classes == 3
    assert fitted.centers.tolist() == [1, 10.5, 20.5]
    assert fitted.thresholds.tolist() == [4.5, 15.5]
    assert fitted.counts.tolist() == [27, 4, 6]
    assert fitted.inertia == 18 + 1 + 1.5
    assert fitted.noise_threshold == 4.5
    alone = fit_path(Histogram.of([10, 11, 20, 21], [2, 2, 3, 3]), 3)
    for a, b in zip(fit_path(h, 3, noise_threshold=2), alone, strict=True):
        assert a.centers[1:].tolist() == b.centers.tolist()
        assert a.thresholds[1:].tolist() == b.thresholds.tolist()


@pytest.mark.parametrize("threshold", [-1.0, 21.0, 1e30, -math.inf, math.inf, math.nan])
def test_noise_must_leave_noise_and_signal(threshold: float) -> None:
    with pytest.raises(
        DataError, match=r"noise threshold .* leaves no (noise|signal); give a value from 0 to below 21"
    ):
        fit_levels(Histogram.of([0, 1, 21]), 1, noise_threshold=threshold)


@pytest.mark.parametrize("k", [0, -1, 65536, 10**30, 2.0, 2.5, "3", None, True, [2], np.float64(2), math.nan])
def test_k_must_be_an_integer_in_range(k: object) -> None:
    for fit in (fit_levels, fit_path):
        with pytest.raises(ParameterError, match=r"k is .*; give an integer from 1 to 65535") as caught:
            fit(Histogram.of([1, 2, 3]), k)  # type: ignore[operator]
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, KlevelsError)
        assert repr(k) in str(caught.value)


@pytest.mark.parametrize("k", [np.int8(2), np.uint16(2), np.int64(2), np.array(2)])
def test_k_may_be_a_numpy_integer(k: int) -> None:
    assert fit_levels(Histogram.of([1, 2, 3]), k).k == 2


def test_k_above_the_number_of_levels_is_refused() -> None:
    for fit in (fit_levels, fit_path):
        with pytest.raises(TooFewLevelsError, match=r"k is 4, but .* distinct gray levels is 3; give k <= 3"):
            fit(Histogram.of([1, 2, 3]), 4)
    with pytest.raises(TooFewLevelsError, match=r"is 2; give k <= 2"):
        fit_levels(Histogram.of([1, 2, 3]), 3, noise_threshold=1)


def test_levels_that_float64_cannot_tell_apart_are_refused() -> None:
    h = histogram(2**62 + np.arange(100))
    with pytest.raises(DataError, match="the same in float64, as thresholds are; subtract an offset"):
        fit_levels(h, 2)
    assert fit_levels(h, 1).counts.tolist() == [100]


def test_as_many_classes_as_levels_up_to_the_limit() -> None:
    fitted = fit_levels(Histogram.of(np.arange(400, dtype=np.uint16)), 400)
    assert fitted.inertia == 0
    assert fitted.centers.tolist() == list(range(400))
