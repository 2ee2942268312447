"""Tallies against plain NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from klevels.core.tallies import STEPS, Tallies, tally, tally_gray
from klevels.errors import DataError, DataTypeError, ParameterError

Array = NDArray[Any]
GRAYS = ("?", "u1", "i1", "u2", ">i2", "i4", "u4", "f2", ">f4", "f8")


def _reference(labels: Array, amounts: Array, n_labels: int, n_radii: int, spacing: tuple[float, ...]) -> Tallies:
    masks = [np.where(labels == label, amounts, 0) for label in range(n_labels)]
    along = []
    for axis in range(labels.ndim):
        others = tuple(a for a in range(labels.ndim) if a != axis)
        along.append(np.stack([mask.sum(axis=others) for mask in masks], axis=1))
    sides = np.multiply(labels.shape[-2:], spacing[-2:])
    places = np.indices(labels.shape[-2:], float)
    from_center = [(p - (n - 1) / 2) * s for p, n, s in zip(places, labels.shape[-2:], spacing[-2:], strict=True)]
    ring = np.broadcast_to(np.hypot(*from_center) / (sides.min() / 2) * n_radii, labels.shape)
    radial = [[mask[(ring >= r) & (ring < r + 1)].sum() for mask in masks] for r in range(n_radii)]
    return Tallies(tuple(along), np.array(radial, np.int64).reshape(n_radii, n_labels))


def _assert_equal(found: Tallies, expected: Tallies) -> None:
    assert len(found.along) == len(expected.along)
    for a, b in zip((*found.along, found.radial), (*expected.along, expected.radial), strict=True):
        assert a.dtype == np.int64
        np.testing.assert_array_equal(a, b)


@st.composite
def _labels(draw: st.DrawFn) -> tuple[Array, int]:
    dtype = draw(st.sampled_from(("u1", "u2", ">u2")))
    shape = draw(nps.array_shapes(min_dims=2, max_dims=3, max_side=9))
    n_labels = draw(st.sampled_from((1, 3, 16, 17, 40)))
    some = st.one_of(st.integers(0, n_labels), st.just(int(np.iinfo(dtype).max)))
    return draw(nps.arrays(dtype, shape, elements=some)), n_labels


@given(_labels(), st.integers(0, 5))
def test_counts_equal_those_of_numpy(case: tuple[Array, int], n_radii: int) -> None:
    labels, n_labels = case
    expected = _reference(labels, np.ones(labels.shape, np.int64), n_labels, n_radii, (1.0,) * labels.ndim)
    _assert_equal(tally(labels, n_labels, n_radii=n_radii), expected)


@pytest.mark.parametrize("shape", [(300, 3, 40), (600, 2, 2), (2, 3, 1000), (33, 257)])
@pytest.mark.parametrize("n_labels", [2, 30])
def test_counts_of_larger_images(shape: tuple[int, ...], n_labels: int) -> None:
    labels = np.zeros(shape, np.uint8)
    labels[..., 1:] = np.random.default_rng(1).integers(0, n_labels + 1, labels[..., 1:].shape)
    spacing = (3.0, 1.0, 0.7)[-len(shape) :]
    found = [tally(labels, n_labels, n_radii=7, spacing=spacing, threads=threads) for threads in (1, 2, 5, None)]
    expected = _reference(labels, np.ones(shape, np.int64), n_labels, 7, spacing)
    for one in found:
        _assert_equal(one, expected)


@pytest.mark.parametrize("dtype", GRAYS)
@given(_labels(), st.integers(0, 3), st.integers(0, 99))
def test_sums_equal_those_of_numpy(dtype: str, case: tuple[Array, int], n_radii: int, seed: int) -> None:
    labels, n_labels = case
    gray = (np.random.default_rng(seed).random(labels.shape) * 250 - 100).astype(np.dtype(dtype).newbyteorder("="))
    gray = gray.astype(dtype)
    wide = np.dtype(dtype).itemsize > 2 or np.dtype(dtype).kind == "f"
    amounts = np.rint((gray.astype(float) + 100) * (STEPS / 250)).clip(-(2.0**30), 2**30) if wide else gray
    expected = _reference(labels, amounts.astype(np.int64), n_labels, n_radii, (1.0,) * labels.ndim)
    _assert_equal(tally_gray(labels, gray, n_labels, low=-100, high=150, n_radii=n_radii), expected)


def test_what_no_sum_can_hold_counts_little() -> None:
    gray = np.array([[np.nan, np.inf, -np.inf, 1.0]])
    found = tally_gray(np.array([[0, 1, 2, 3]], np.uint8), gray, 4)
    assert found.along[0].tolist() == [[0, 2**30, -(2**30), STEPS]]


@given(_labels(), st.data())
def test_windows_add_up_to_the_whole(case: tuple[Array, int], data: st.DataObject) -> None:
    labels, n_labels = case
    gray = np.random.default_rng(1).random(labels.shape, np.float32)
    spacing = (2.0, 1.5, 1.0)[: labels.ndim]
    cuts = [sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=2))}) for n in labels.shape]
    parts = []
    for block in itertools.product(*(itertools.pairwise(cut) for cut in cuts)):
        window, origin = tuple(slice(*pair) for pair in block), [pair[0] for pair in block]
        place = {"origin": origin, "shape": labels.shape}
        counted = tally(labels[window], n_labels, n_radii=4, spacing=spacing, **place)
        parts.append((counted, tally_gray(labels[window], gray[window], n_labels, n_radii=4, spacing=spacing, **place)))
    counts, sums = parts[0]
    for more, more_sums in parts[1:]:
        counts, sums = counts + more, sums + more_sums
    _assert_equal(counts, tally(labels, n_labels, n_radii=4, spacing=spacing))
    _assert_equal(sums, tally_gray(labels, gray, n_labels, n_radii=4, spacing=spacing))


def test_bad_input_is_refused() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    with pytest.raises(DataTypeError, match="dtype int64; give uint8 or uint16"):
        tally(labels.astype(int), 2)
    with pytest.raises(DataError, match=r"shape \(4,\); give voxels along"):
        tally(labels[:, 0, 0], 2)
    with pytest.raises(ParameterError, match="n_labels is 0; give 1 or more"):
        tally(labels, 0)
    with pytest.raises(ParameterError, match="n_radii is -1; give 0"):
        tally(labels, 2, n_radii=-1)
    with pytest.raises(ParameterError, match="give 3 numbers, one for each axis"):
        tally(labels, 2, origin=(0, 0))
    with pytest.raises(ParameterError, match=r"at \(1, 0, 0\) are not within an image of \(4, 5, 6\)"):
        tally(labels, 2, origin=(1, 0, 0))
    with pytest.raises(ParameterError, match="spacing is"):
        tally(labels, 2, spacing=(1, 0, 1))
    with pytest.raises(DataTypeError, match="dtype complex128; give real numbers"):
        tally_gray(labels, labels.astype(complex), 2)
    with pytest.raises(DataError, match=r"gray values have shape \(3, 5, 6\)"):
        tally_gray(labels, labels[1:], 2)
    with pytest.raises(ParameterError, match="low is 1 and high 1; give two finite numbers"):
        tally_gray(labels, labels, 2, low=1, high=1)
    with pytest.raises(DataError, match="merge those of one image"):
        tally(labels, 2) + tally(labels, 3)
