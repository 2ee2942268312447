"""Smoothing is plain iterated conditional modes, to the bit; its energy never rises and comes near the optimum."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import maxflow
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from instruction_sets import digest_on
from klevels.core.labels import ignore_label
from klevels.core.likelihood import Likelihood
from klevels.core.neighbors import NEIGHBORS, UNIT, Neighbors, weights_of
from klevels.core.smooth import energy, halo, smooth
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.samples import simulate_phases
from strategies import LAYOUTS, ORDERED_DTYPES

Array = NDArray[Any]
GRAY_CODE = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1), (1, 0, 0)]


def _moved(labels: Array, place: tuple[int, ...], absent: int) -> Array:
    """Return the label of each voxel's neighbor at a place."""
    padded = np.pad(labels, 1, constant_values=absent)
    return padded[tuple(slice(1 + step, 1 + step + side) for step, side in zip(place, labels.shape, strict=True))]


def _colors(shape: tuple[int, ...], neighbors: Neighbors, origin: tuple[int, ...]) -> list[NDArray[np.bool_]]:
    parities = [(grid + first) % 2 for grid, first in zip(np.indices(shape), origin, strict=True)]
    if neighbors == "faces":
        return [sum(parities) % 2 == color for color in (0, 1)]
    codes = GRAY_CODE if len(shape) == 3 else [code[1:] for code in GRAY_CODE[:4]]
    return [np.all([p == bit for p, bit in zip(parities, code, strict=True)], axis=0) for code in codes]


def _plain(
    values: Array,
    labels: Array,
    likelihood: Likelihood,
    beta: float,
    neighbors: Neighbors,
    sweeps: int,
    inside: NDArray[np.bool_] | None,
    spacing: tuple[float, ...] | None,
    origin: tuple[int, ...],
) -> Array:
    """Smooth as the notes say, with every class compared at every voxel."""
    absent = 70000
    counts = (labels != ignore_label(likelihood.n_classes)) & (values == values)
    if inside is not None:
        counts &= inside
    now = np.where(counts, labels.astype(int), absent)
    weights = weights_of(labels.ndim, neighbors, spacing)
    n = likelihood.n_classes
    each = (n, *(1,) * labels.ndim)
    z = (values.astype(np.float64) - likelihood.means.reshape(each)) * likelihood.inverses.reshape(each)
    data = z * z + likelihood.constants.reshape(each)
    for _ in range(sweeps):
        for color in _colors(labels.shape, neighbors, origin):
            same = np.zeros(data.shape)
            for place in itertools.product((-1, 0, 1), repeat=labels.ndim):
                other = _moved(now, place, absent)
                weight = float(weights[tuple(step + 1 for step in place)])
                same += weight * (other == np.arange(n).reshape(each))
            cost = data - (beta / UNIT) * same
            own = np.take_along_axis(cost, np.minimum(now, n - 1)[None], axis=0)[0]
            changes = color & counts & (cost.min(axis=0) < own)
            now[changes] = cost.argmin(axis=0)[changes]
    return np.where(counts, now, labels).astype(labels.dtype)


@dataclass
class Case:
    values: Array
    labels: Array
    likelihood: Likelihood
    beta: float
    neighbors: Neighbors
    sweeps: int
    inside: NDArray[np.bool_] | None
    spacing: tuple[float, ...] | None
    origin: tuple[int, ...]

    def smoothed(self, threads: int | None = None) -> Array:
        return smooth(
            self.values,
            self.labels,
            self.likelihood,
            beta=self.beta,
            neighbors=self.neighbors,
            sweeps=self.sweeps,
            inside=self.inside,
            spacing=self.spacing,
            origin=self.origin,
            threads=threads,
        )

    def energy_of(self, labels: Array) -> float:
        return energy(
            self.values,
            labels,
            self.likelihood,
            beta=self.beta,
            neighbors=self.neighbors,
            inside=self.inside,
            spacing=self.spacing,
        )


@st.composite
def _cases(draw: st.DrawFn, max_side: int = 9) -> Case:
    shape = draw(nps.array_shapes(min_dims=2, max_dims=3, max_side=max_side))
    if draw(st.booleans()):
        shape = (*shape[:-1], draw(st.integers(30, 150)))  # rows of several blocks
    k = draw(st.sampled_from([1, 2, 3, 4, 48, 49, 300]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(ORDERED_DTYPES))
    top = 1 if dtype == "|b1" else 100
    values = rng.integers(0, top + 1, shape).astype(dtype)
    labels = rng.integers(0, k, shape).astype(np.uint8 if k < 256 else np.uint16)
    if draw(st.booleans()):
        labels[rng.random(shape) < 0.2] = ignore_label(k)
    if values.dtype.kind == "f" and draw(st.booleans()):
        values[rng.random(shape) < 0.1] = np.nan
        values[rng.random(shape) < 0.05] = np.inf
    means = rng.integers(0, top + 1, k).astype(np.float64)
    spreads = rng.choice([1.0, 8.0, 50.0], k) if draw(st.booleans()) else np.full(k, 16.0)  # equal ones make ties
    return Case(
        values,
        labels,
        Likelihood(means, spreads),
        beta=draw(st.sampled_from([0.125, 0.5, 1.0, 3.0])),
        neighbors=draw(st.sampled_from(NEIGHBORS)),
        sweeps=draw(st.integers(1, 4)),
        inside=rng.random(shape) < 0.8 if draw(st.booleans()) else None,
        spacing=tuple(rng.choice([1.0, 1.5, 4.0], len(shape)).tolist()) if draw(st.booleans()) else None,
        origin=tuple(rng.integers(0, 3, len(shape)).tolist()),
    )


@settings(deadline=None)  # the reference compares every class at every voxel
@given(_cases())
def test_equals_the_plain_reference(case: Case) -> None:
    smoothed = case.smoothed()
    expected = _plain(*vars(case).values())
    assert smoothed.dtype == case.labels.dtype
    assert smoothed.flags.c_contiguous
    np.testing.assert_array_equal(smoothed, expected)


@given(_cases())
def test_energy_never_rises(case: Case) -> None:
    case.values[~np.isfinite(case.values)] = 0
    before = case.energy_of(case.labels)
    for sweeps in (1, 2, 5):
        case.sweeps = sweeps
        after = case.energy_of(case.smoothed())
        assert after <= before + 1e-9 * abs(before)
        before = after


@settings(deadline=None)  # one voxel after the other
@given(_cases())
def test_energy_is_the_sum_of_its_terms(case: Case) -> None:
    case.values[~np.isfinite(case.values)] = 0
    n, ndim = case.likelihood.n_classes, case.labels.ndim
    counts = case.labels != ignore_label(n)
    if case.inside is not None:
        counts &= case.inside
    weights = weights_of(ndim, case.neighbors, case.spacing) / UNIT
    now = np.where(counts, case.labels.astype(int), -1)
    expected = 0.0
    for at in zip(*np.nonzero(counts), strict=True):
        expected += float(case.likelihood.costs(case.values[at])[now[at]])
    for place in itertools.product((-1, 0, 1), repeat=ndim):
        other = _moved(now, place, -1)
        pairs = np.count_nonzero((now != other) & (now >= 0) & (other >= 0))
        expected += case.beta / 2 * float(weights[tuple(step + 1 for step in place)]) * pairs
    assert case.energy_of(case.labels) == pytest.approx(expected, rel=1e-12, abs=1e-9)


@given(_cases(max_side=14), st.data())
def test_blocks_equal_the_whole(case: Case, data: st.DataObject) -> None:
    whole = case.smoothed()
    reach = halo(case.labels.ndim, neighbors=case.neighbors, sweeps=case.sweeps, spacing=case.spacing)
    window, inner, shift = [], [], []
    for side, far in zip(case.labels.shape, reach, strict=True):
        first = data.draw(st.integers(0, side - 1))
        last = data.draw(st.integers(first + 1, side))
        begin = max(0, first - far)
        window.append(slice(begin, min(side, last + far)))
        inner.append(slice(first - begin, last - begin))
        shift.append(begin)
    cut = tuple(window)
    block = Case(
        case.values[cut],
        case.labels[cut],
        case.likelihood,
        case.beta,
        case.neighbors,
        case.sweeps,
        None if case.inside is None else case.inside[cut],
        case.spacing,
        tuple(first + begin for first, begin in zip(case.origin, shift, strict=True)),
    )
    expected = whole[cut][tuple(inner)]
    np.testing.assert_array_equal(block.smoothed()[tuple(inner)], expected)


@pytest.mark.parametrize("neighbors", NEIGHBORS)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("sweeps", [1, 2])
def test_the_halo_is_reached_but_not_exceeded(neighbors: Neighbors, ndim: int, sweeps: int) -> None:
    # What the plain reference may look at: one step along each axis for each color that follows another.
    sides = [4 * sweeps * 2 + 8] * ndim
    reach = np.array(halo(ndim, neighbors=neighbors, sweeps=sweeps))
    near = (weights_of(ndim, neighbors, None) > 0) | (np.indices((3,) * ndim) == 1).all(axis=0)
    found = np.zeros(ndim, int)
    for start in itertools.product((0, 1), repeat=ndim):
        middle = tuple(side // 2 // 2 * 2 + bit for side, bit in zip(sides, start, strict=True))
        needed = np.zeros(sides, bool)
        needed[middle] = True
        for color in _colors(tuple(sides), neighbors, (0,) * ndim)[::-1] * sweeps:
            seeds = needed & color
            for place in itertools.product((-1, 0, 1), repeat=ndim):
                if near[tuple(step + 1 for step in place)]:
                    needed |= _moved(seeds, place, 0)
        found = np.maximum(found, np.abs(np.argwhere(needed) - middle).max(axis=0))
    np.testing.assert_array_equal(found, reach)


def _phantom(
    shape: tuple[int, ...] = (40, 50, 70), k: int = 3, noise: float = 5000.0
) -> tuple[Array, Array, Likelihood]:
    gray = np.linspace(12000, 45000, k)
    scan = simulate_phases(shape, gray=gray.tolist(), length=4, noise=noise, seed=5)
    values = np.asarray(scan.image.data)
    likelihood = Likelihood(gray, np.full(k, max(noise, 500)))
    return values, likelihood.costs(values).argmin(axis=0).astype(np.uint8), likelihood


@pytest.mark.parametrize("neighbors", NEIGHBORS)
@pytest.mark.parametrize("shape", [(90, 110, 70), (900, 700), (3, 700, 300)])
def test_threads_change_nothing(neighbors: Neighbors, shape: tuple[int, ...]) -> None:
    values, labels, likelihood = _phantom(shape)
    expected = smooth(values, labels, likelihood, beta=0.8, neighbors=neighbors, threads=1)
    assert (expected != labels).mean() > 0.01
    for threads in (2, 5, None):
        again = smooth(values, labels, likelihood, beta=0.8, neighbors=neighbors, threads=threads)
        np.testing.assert_array_equal(again, expected)


SCRIPT = """
import hashlib
import numpy as np
from klevels.core import _kernels
from klevels.core.likelihood import Likelihood
from klevels.core.smooth import smooth
from klevels.core.smoothness import estimate_beta
rng = np.random.default_rng(1)
digest = hashlib.sha256()
for dtype in ("u1", "i2", "u2", "i4", "f4", "f8"):
    for shape in ((9, 11, 170), (40, 77)):
        values = rng.normal(60, 20, shape).astype(dtype)
        for k in (2, 5, 48, 60):
            likelihood = Likelihood(rng.random(k) * 120, rng.random(k) * 20 + 3)
            labels = likelihood.costs(values).argmin(axis=0).astype(np.uint8)
            for neighbors in ("faces", "all"):
                smoothed = smooth(values, labels, likelihood, beta=0.7, neighbors=neighbors, threads=2)
                digest.update(smoothed.tobytes())
                digest.update(str(estimate_beta(smoothed, n_classes=k, neighbors=neighbors)).encode())
print(_kernels.instruction_set(), digest.hexdigest())
"""


def test_instruction_sets_agree() -> None:
    names, digests = zip(*(digest_on(SCRIPT, wish) for wish in ("baseline", "avx2", None)), strict=True)
    assert names[0] == "baseline"
    assert len(set(digests)) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_change_nothing(layout: str) -> None:
    values, labels, likelihood = _phantom((8, 9, 21))
    expected = smooth(values, labels, likelihood, beta=0.8)
    turned = LAYOUTS[layout]
    np.testing.assert_array_equal(smooth(turned(values), turned(labels), likelihood, beta=0.8), expected)
    wide = smooth(values, turned(labels.astype(">u2")), likelihood, beta=0.8)
    assert wide.dtype == np.uint16
    np.testing.assert_array_equal(wide, expected)


def test_beta_0_keeps_every_label() -> None:
    values, labels, likelihood = _phantom()
    labels[::3] = 1
    kept = smooth(values, labels, likelihood, beta=0)
    np.testing.assert_array_equal(kept, labels)
    assert kept is not labels


def test_what_does_not_count_changes_nothing() -> None:
    values, labels, likelihood = _phantom()
    inside = np.random.default_rng(1).random(labels.shape) < 0.7
    expected = smooth(values, labels, likelihood, beta=0.8, inside=inside)
    np.testing.assert_array_equal(expected[~inside], labels[~inside])
    ignored = np.where(inside, labels, 255).astype(np.uint8)
    np.testing.assert_array_equal(smooth(values, ignored, likelihood, beta=0.8)[inside], expected[inside])
    holes = np.where(inside, values, np.nan)
    np.testing.assert_array_equal(smooth(holes, labels, likelihood, beta=0.8), expected)
    nowhere = smooth(values, labels, likelihood, beta=0.8, inside=np.zeros_like(inside))
    np.testing.assert_array_equal(nowhere, labels)


def test_units_do_not_matter() -> None:
    values, labels, likelihood = _phantom()
    expected = smooth(values, labels, likelihood, beta=0.8)
    for exponent in (-900, 900):
        scaled = Likelihood(np.ldexp(likelihood.means, exponent), np.ldexp(likelihood.spreads, exponent))
        far = smooth(np.ldexp(values.astype(np.float64), exponent), labels, scaled, beta=0.8)
        np.testing.assert_array_equal(far, expected)


@pytest.mark.parametrize("k", [255, 256, 65535])
def test_any_number_of_classes(k: int) -> None:
    rng = np.random.default_rng(0)
    values = np.full((30, 40), k // 2, np.uint16)
    labels = np.full(values.shape, k // 2, np.uint8 if k == 255 else np.uint16)
    labels[rng.random(values.shape) < 0.1] = k - 1
    smoothed = smooth(values, labels, Likelihood(np.arange(k), np.full(k, 2.0)), beta=1.0)
    assert (smoothed == k // 2).all()


def test_comes_near_the_optimum_of_two_classes() -> None:
    values, labels, likelihood = _phantom((24, 24, 24), k=2, noise=12000)
    beta = 0.8
    graph = maxflow.Graph[float]()
    nodes = graph.add_grid_nodes(values.shape)
    weights = weights_of(3, "faces", None) / UNIT * beta
    graph.add_grid_edges(nodes, 1.0, structure=weights * (np.indices((3, 3, 3)).sum(axis=0) > 3), symmetric=True)
    costs = likelihood.costs(values)
    graph.add_grid_tedges(nodes, costs[1] - costs.min(), costs[0] - costs.min())
    graph.maxflow()
    optimal = (~graph.get_grid_segments(nodes)).astype(np.uint8)
    if energy(values, 1 - optimal, likelihood, beta=beta, neighbors="faces") < energy(
        values, optimal, likelihood, beta=beta, neighbors="faces"
    ):
        optimal = 1 - optimal
    least, start, found = (
        energy(values, some, likelihood, beta=beta, neighbors="faces")
        for some in (optimal, labels, smooth(values, labels, likelihood, beta=beta, neighbors="faces"))
    )
    assert least <= found < start
    assert found - least < 0.1 * (start - least)


def test_comes_near_alpha_expansion() -> None:
    values, labels, likelihood = _phantom((24, 24, 24), k=3, noise=8000)
    beta = 0.6
    smoothed = smooth(values, labels, likelihood, beta=beta, neighbors="faces")
    costs = np.moveaxis(likelihood.costs(values), 0, -1)
    costs = np.ascontiguousarray(costs - costs.min())
    expanded = maxflow.aexpansion_grid(costs, beta * (1 - np.eye(3)), labels=labels.astype(np.int64)).astype(np.uint8)
    least, start, found = (
        energy(values, some, likelihood, beta=beta, neighbors="faces") for some in (expanded, labels, smoothed)
    )
    assert least - 1e-6 * abs(least) <= found < start
    assert found - least < 0.1 * (start - least)
    assert (smoothed != expanded).mean() < 0.05


def test_bad_input_is_refused() -> None:
    values, labels, likelihood = np.zeros((4, 5)), np.zeros((4, 5), np.uint8), Likelihood([0, 1], [1, 1])
    for beta in (-1, np.nan, np.inf):
        with pytest.raises(ParameterError, match=r"beta is .*; give 0 or more"):
            smooth(values, labels, likelihood, beta=beta)
    for sweeps in (0, 101, 2.5):
        with pytest.raises(ParameterError, match="give an integer from 1 to 100"):
            smooth(values, labels, likelihood, beta=1, sweeps=sweeps)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="neighbors is 'corners'; use 'faces' or 'all'"):
        smooth(values, labels, likelihood, beta=1, neighbors="corners")  # type: ignore[arg-type]
    for spacing in ((1,), (1, 0), (1, np.nan)):
        with pytest.raises(ParameterError, match="give one positive number for each of 2 axes"):
            smooth(values, labels, likelihood, beta=1, spacing=spacing)
    for origin in ((1,), (1, -1)):
        with pytest.raises(ParameterError, match="give a position of 0 or more for each of 2 axes"):
            smooth(values, labels, likelihood, beta=1, origin=origin)
    with pytest.raises(ParameterError, match="there is a label 2, but only 2 classes"):
        smooth(values, labels + np.uint8(2), likelihood, beta=0)
    with pytest.raises(DataError, match=r"the image has shape \(4, 4\), the labels \(4, 5\)"):
        smooth(values[:, :4], labels, likelihood, beta=1)
    with pytest.raises(DataError, match=r"the mask has shape \(5,\)"):
        smooth(values, labels, likelihood, beta=1, inside=np.ones(5, bool))
    for shape in ((5,), (0, 4), (1, 1, 1, 1)):
        with pytest.raises(DataError, match=r"give an image \(y, x\) or a volume \(z, y, x\)"):
            smooth(np.zeros(shape), np.zeros(shape, np.uint8), likelihood, beta=1)
    with pytest.raises(DataTypeError, match="labels are of dtype int64"):
        smooth(values, labels.astype(np.int64), likelihood, beta=1)
    with pytest.raises(DataTypeError, match="dtype complex128"):
        smooth(values.astype(complex), labels, likelihood, beta=1)
    with pytest.raises(ParameterError, match="threads is 0"):
        smooth(values, labels, likelihood, beta=1, threads=0)
