"""Regions are those of scipy and scikit-image, and windows merge into those of the whole in any order."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from klevels.core import region_rows
from klevels.core.region_rows import FIRST, GRAY, HIGH, LABEL, LOW, N_VOXELS, PRODUCTS, STEPS, SUMS
from klevels.core.regions import Regions, connectivity_of, regions
from klevels.errors import DataError, DataTypeError, ParameterError
from strategies import LAYOUTS

Array = NDArray[Any]
RANKS = {4: (2, 1), 8: (2, 2), 6: (3, 1), 18: (3, 2), 26: (3, 3)}
GRAYS = ("?", "u1", "i1", ">u2", "i2", "u4", "<i4")


def volumes(ndim: int, *, side: int = 7, n_numbers: int = 4) -> st.SearchStrategy[Array]:
    shapes = nps.array_shapes(min_dims=ndim, max_dims=ndim, max_side=side)
    return st.sampled_from(["u1", "u2"]).flatmap(
        lambda dtype: nps.arrays(dtype, shapes, elements=st.integers(0, n_numbers - 1), fill=st.nothing())
    )


def brute(labels: Array, n_labels: int, connectivity: int, gray: Array | None = None) -> tuple[Array, list[list[int]]]:
    """Return the ids in raster order of the first voxel, and the rows, one by one from SciPy's regions."""
    structure = ndimage.generate_binary_structure(*RANKS[connectivity])
    ids, n = np.zeros(labels.shape, np.int64), 0
    for label in range(n_labels):
        found, more = ndimage.label(labels == label, structure)
        ids[found > 0] = found[found > 0] + n
        n += more
    numbers, firsts = np.unique(ids, return_index=True)
    order = np.argsort(firsts[numbers > 0])
    rank = np.zeros(n + 1, np.int64)
    rank[numbers[numbers > 0][order]] = np.arange(1, n + 1)
    ids = rank[ids]
    rows = []
    volume = ids.reshape((1,) * (3 - ids.ndim) + ids.shape)
    for number in range(1, n + 1):
        places = np.argwhere(volume == number)
        products = [int((places[:, a] * places[:, b]).sum()) for a in range(3) for b in range(a, 3)]
        first = int(np.flatnonzero(ids == number)[0])
        total = 0 if gray is None else sum(gray[ids == number].tolist())
        low, high = places.min(0).tolist(), (places.max(0) + 1).tolist()
        row = [int(labels.flat[first]), first, len(places), *low, *high, *places.sum(0).tolist(), *products, total]
        rows.append(row)
    return ids, rows


def windows_of(shape: tuple[int, ...], cuts: list[list[int]]) -> list[tuple[slice, ...]]:
    bounds = [[0, *sorted(set(one)), side] for one, side in zip(cuts, shape, strict=True)]
    return list(itertools.product(*([slice(a, b) for a, b in itertools.pairwise(one)] for one in bounds)))


def merged(parts: list[Regions], draw: Any) -> Regions:
    parts = list(parts)
    while len(parts) > 1:
        one = parts.pop(draw(st.integers(0, len(parts) - 1)))
        other = parts.pop(draw(st.integers(0, len(parts) - 1)))
        parts.append(one + other)
    return parts[0]


@settings(deadline=None, max_examples=200)
@given(data=st.data(), connectivity=st.sampled_from(sorted(RANKS)))
def test_regions_are_those_of_scipy(data: st.DataObject, connectivity: int) -> None:
    labels = data.draw(volumes(RANKS[connectivity][0]))
    gray = data.draw(st.sampled_from(GRAYS).flatmap(lambda dtype: nps.arrays(dtype, labels.shape)))
    layout = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))]
    threads = data.draw(st.integers(1, 3))
    found = regions(layout(labels), 3, connectivity=connectivity, gray=layout(gray), with_ids=True, threads=threads)
    ids, rows = brute(labels, 3, connectivity, gray)
    assert found.ids is not None
    np.testing.assert_array_equal(found.ids, ids)
    assert found.rows.tolist() == rows
    check_connectivity(found, labels, ids)


def check_connectivity(found: Regions, labels: Array, ids: Array) -> None:
    known = connectivity_of(found)
    for label in range(found.n_labels):
        sizes = np.bincount(ids[labels == label])
        sizes = sizes[sizes > 0]
        assert known.n_components[label] == len(sizes)
        if len(sizes):
            assert known.largest_share[label] == sizes.max() / sizes.sum()
        else:
            assert np.isnan(known.largest_share[label])
        for axis in range(labels.ndim):
            ends = [set(ids.take(end, axis)[labels.take(end, axis) == label].tolist()) for end in (0, -1)]
            assert known.percolates[label, axis] == bool(ends[0] & ends[1])


@settings(deadline=None)
@given(data=st.data(), connectivity=st.sampled_from(sorted(RANKS)))
def test_regions_are_those_of_scikit_image(data: st.DataObject, connectivity: int) -> None:
    ndim, rank = RANKS[connectivity]
    labels = data.draw(volumes(ndim, side=9, n_numbers=3))
    found = regions(labels, 3, connectivity=connectivity, with_ids=True)
    expected = measure.label(labels.astype(np.int64), background=-1, connectivity=rank)
    pairs = np.unique(np.stack([found.ids.ravel(), expected.ravel()]), axis=1)  # type: ignore[union-attr]
    assert pairs.shape[1] == expected.max() == len(found.rows)


@settings(deadline=None, max_examples=300)
@given(data=st.data(), connectivity=st.sampled_from(sorted(RANKS)), summary=st.booleans(), wide=st.booleans())
def test_windows_merge_into_the_whole(data: st.DataObject, connectivity: int, summary: bool, wide: bool) -> None:
    labels = data.draw(volumes(RANKS[connectivity][0], n_numbers=3))
    gray = data.draw(nps.arrays(np.uint8, labels.shape))
    cuts = [data.draw(st.lists(st.integers(1, side - 1), max_size=3)) if side > 1 else [] for side in labels.shape]
    windows = windows_of(labels.shape, cuts)
    with pytest.MonkeyPatch.context() as patch:
        if wide:  # Python's integers, as very large volumes have them
            patch.setattr(region_rows, "dtype_of", lambda _shape: np.dtype(object))
        parts = [
            regions(
                labels[window],
                2,
                connectivity=connectivity,
                gray=gray[window],
                origin=[one.start for one in window],
                shape=labels.shape,
                summary=summary,
            )
            for window in windows
        ]
        found = merged(parts, data.draw)
        ids, rows = brute(labels, 2, connectivity, gray)
        check_connectivity(found, np.where(labels < 2, labels, 9), ids)
        assert not found._sides
        assert found.rows.tolist() == ([] if summary else rows)


@settings(deadline=None)
@given(data=st.data(), connectivity=st.sampled_from([8, 18, 26]))
def test_windows_of_no_grid_merge_too(data: st.DataObject, connectivity: int) -> None:
    labels = data.draw(volumes(RANKS[connectivity][0], side=8, n_numbers=3))

    def cut(window: tuple[slice, ...], depth: int) -> list[tuple[slice, ...]]:
        axis = data.draw(st.integers(0, labels.ndim - 1))
        one = window[axis]
        if depth == 0 or one.stop - one.start < 2:
            return [window]
        at = data.draw(st.integers(one.start + 1, one.stop - 1))
        halves = [(*window[:axis], half, *window[axis + 1 :]) for half in (slice(one.start, at), slice(at, one.stop))]
        return [part for half in halves for part in cut(half, depth - 1)]

    windows = cut(tuple(slice(0, side) for side in labels.shape), 3)
    parts = [
        regions(labels[w], 3, connectivity=connectivity, origin=[one.start for one in w], shape=labels.shape)
        for w in windows
    ]
    found = merged(parts, data.draw)
    assert found.rows.tolist() == brute(labels, 3, connectivity)[1]
    assert not found._sides


def rows_of(labels: Array, ids: Array) -> Array:
    """Return the rows of ids, as `brute` does, but for many voxels."""
    volume = ids.reshape((1,) * (3 - ids.ndim) + ids.shape)
    places = np.indices(volume.shape).reshape(3, -1)
    numbers, flat = int(ids.max()), ids.ravel() - 1
    order = np.argsort(flat, kind="stable")
    order = order[np.searchsorted(flat[order], 0) :]
    begins = np.searchsorted(flat[order], np.arange(numbers))
    ordered = places[:, order]
    rows = np.empty((numbers, GRAY), np.int64)
    rows[:, FIRST] = order[begins]
    rows[:, LABEL] = labels.ravel()[order[begins]]
    rows[:, N_VOXELS] = np.diff(begins, append=len(order))
    rows[:, LOW] = np.minimum.reduceat(ordered, begins, axis=1).T
    rows[:, HIGH] = np.maximum.reduceat(ordered, begins, axis=1).T + 1
    rows[:, SUMS] = np.add.reduceat(ordered, begins, axis=1).T
    pairs = [ordered[a] * ordered[b] for a in range(3) for b in range(a, 3)]
    rows[:, PRODUCTS] = np.add.reduceat(pairs, begins, axis=1).T
    return rows


@pytest.mark.parametrize("shape", [(5, 7, 63), (4, 6, 64), (3, 5, 65), (7, 4, 130), (1, 9, 200), (21, 129), (2, 640)])
@pytest.mark.parametrize("share", [0.03, 0.15, 0.3, 0.6])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rows_longer_than_words(shape: tuple[int, ...], share: float, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    labels = np.zeros(shape, dtype)
    for label in (1, 2, 200):  # the last is left out
        labels[rng.random(shape) < share] = label
    labels[..., 20:50][rng.random((*shape[:-1], 30)) < 0.9] = 1
    for connectivity in (8,) if len(shape) == 2 else (18, 26):
        whole = regions(labels, 3, connectivity=connectivity, with_ids=True)
        shifted = np.where(labels < 3, labels.astype(np.int64) + 1, 0)
        ids = measure.label(shifted, background=0, connectivity=RANKS[connectivity][1])
        np.testing.assert_array_equal(whole.ids, ids)
        np.testing.assert_array_equal(whole.rows[:, :GRAY], rows_of(labels, ids))
        one = regions(labels, 3, connectivity=connectivity, only=[1], with_ids=True)
        ids = measure.label(labels == 1, background=0, connectivity=RANKS[connectivity][1])
        np.testing.assert_array_equal(one.ids, ids)


@pytest.mark.parametrize(
    ("n_labels", "shape"),  # three slabs on two threads; those of the third are smaller than a layer
    [(1, (91, 161, 150)), (3, (91, 161, 150)), (3, (4, 1201, 500)), (3, (1700, 1500)), (12, (91, 161, 150))],
)
def test_slabs_of_bundles_change_nothing(n_labels: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    noise = rng.random(shape)
    labels = (noise * 12 if n_labels == 12 else 3 * (ndimage.uniform_filter(noise, 3) > 0.55) + 2 * noise).astype("u1")
    gray = rng.integers(0, 99, labels.shape, np.uint16)
    shifted = np.where(labels < n_labels, labels.astype(np.int64) + 1, 0)
    ids = measure.label(shifted, background=0, connectivity=len(shape))
    rows = rows_of(labels, ids)
    grays = np.bincount(ids.ravel(), gray.ravel())[1:]
    for threads in (1, 2, 3):
        found = regions(labels, n_labels, gray=gray, with_ids=True, threads=threads)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_array_equal(found.rows[:, :GRAY], rows)
        np.testing.assert_array_equal(found.rows[:, GRAY], grays)


def test_threads_and_slabs_change_nothing() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, (130, 200, 190)).astype(np.uint8)  # more than two slabs
    labels[ndimage.uniform_filter(rng.random(labels.shape), 5) > 0.52] = 1
    gray = rng.random(labels.shape)
    whole = regions(labels, 3, connectivity=6, gray=gray, gray_range=(0, 1), with_ids=True, threads=1)
    ids = measure.label(labels.astype(np.int64), background=-1, connectivity=1)
    np.testing.assert_array_equal(whole.ids, ids)
    for threads in (2, 5):
        again = regions(labels, 3, connectivity=6, gray=gray, gray_range=(0, 1), with_ids=True, threads=threads)
        np.testing.assert_array_equal(again.ids, whole.ids)
        np.testing.assert_array_equal(again.rows, whole.rows)


def test_regions_that_are_wide_and_thin() -> None:
    labels = np.zeros((3, 1_500_000 // 2), np.uint16)
    labels[1] = 300
    found = regions(labels, 301, only=[300]).rows
    x = range(labels.shape[1])
    assert found[:, LABEL].tolist() == [300]
    assert found[0, SUMS].tolist() == [0, len(x), sum(x)]
    assert found[0, PRODUCTS].tolist() == [0, 0, 0, len(x), sum(x), sum(i * i for i in x)]


def test_sums_of_the_largest_volumes_are_exact() -> None:
    shape, origin = (100_000, 100_000, 100_000), (99_990, 99_980, 99_970)
    found = regions(np.zeros((2, 3, 4), np.uint8), 1, origin=origin, shape=shape).rows
    places = [tuple(o + i for o, i in zip(origin, at, strict=True)) for at in np.ndindex(2, 3, 4)]
    assert found[0, FIRST] == (origin[0] * shape[1] + origin[1]) * shape[2] + origin[2]
    assert found[0, SUMS].tolist() == [sum(place[axis] for place in places) for axis in range(3)]
    products = [sum(p[a] * p[b] for p in places) for a in range(3) for b in range(a, 3)]
    assert found[0, PRODUCTS].tolist() == products
    assert found[0, LOW].tolist() == list(origin)
    assert found[0, HIGH].tolist() == [o + side for o, side in zip(origin, (2, 3, 4), strict=True)]


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f8"])
def test_floats_are_summed_in_steps_of_their_range(dtype: str) -> None:
    gray = np.array([[-1.0, -2.0, 0.25, 0.75, 3.0]], dtype)
    found = regions(np.array([[0, 0, 1, 1, 1]], np.uint8), 2, gray=gray, gray_range=(-1.0, 1.0)).rows
    assert found[:, GRAY].tolist() == [0, round((0.625 + 0.875 + 1) * STEPS)]
    assert regions(np.zeros((1, 5), np.uint8), 1, gray=gray, gray_range=(1.0, 1.0)).rows[0, GRAY] == 0


def test_only_some_labels_and_numbers_of_nothing() -> None:
    labels = np.array([[0, 1, 2, 3, 255, 1]], np.uint8)
    found = regions(labels, 4, only=[1, 3], with_ids=True)
    assert found.ids is not None
    assert found.ids.tolist() == [[0, 1, 0, 2, 0, 3]]
    assert found.rows[:, N_VOXELS].tolist() == [1, 1, 1]
    assert connectivity_of(found).n_components.tolist() == [0, 2, 0, 1]
    assert repr(found) == "Regions(3 of 4 labels, connectivity 8)"


def test_sides_are_kept_only_as_long_as_they_can_meet_something() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1, 1, 1] = 1
    parts = [
        regions(labels[:, :, i : i + 1], 2, origin=(0, 0, i), shape=labels.shape, connectivity=6) for i in range(4)
    ]
    assert [len(part._sides) for part in parts] == [1, 2, 2, 1]
    assert [(side.axis, side.ahead) for side in (parts[0] + parts[1])._sides] == [(2, True)]
    assert len((parts[0] + parts[2])._sides) == 3
    assert len((parts[0] + parts[1])._open) == 2
    assert len((parts[0] + parts[1] + parts[2])._closed) == 1


def test_bad_input_is_refused() -> None:
    labels = np.zeros((3, 4), np.uint8)
    with pytest.raises(DataTypeError, match="dtype int64; give uint8 or uint16"):
        regions(labels.astype(int), 1)
    with pytest.raises(DataError, match=r"shape \(4,\); give 2 or 3 axes"):
        regions(labels[0], 1)
    with pytest.raises(DataError, match="at least one voxel"):
        regions(labels[:0], 1)
    with pytest.raises(DataError, match="give smaller windows"):
        regions(np.broadcast_to(np.uint8(0), (1 << 11, 1 << 11, 1 << 11)), 1)
    for bad in (0, 257):
        with pytest.raises(ParameterError, match=f"n_labels is {bad}; give 1 to 256"):
            regions(labels, bad)
    with pytest.raises(ParameterError, match="connectivity is 6; give 4 or 8 for 2 axes"):
        regions(labels, 1, connectivity=6)
    for only in ([], [2], [-1]):
        with pytest.raises(ParameterError, match="give labels from 0 to 1"):
            regions(labels, 2, only=only)
    with pytest.raises(ParameterError, match="one of origin and shape is missing"):
        regions(labels, 1, origin=(0, 0))
    for origin, shape in (((1, 0), (3, 4)), ((-1, 0), (3, 4)), ((0, 0, 0), (3, 4)), ((0, 0), (2, 9))):
        with pytest.raises(ParameterError, match="is not inside"):
            regions(labels, 1, origin=origin, shape=shape)
    with pytest.raises(DataError, match=r"shape \(3, 3\), the labels \(3, 4\)"):
        regions(labels, 1, gray=labels[:, :3])
    for dtype in ("i8", "c8", "S1"):
        with pytest.raises(DataTypeError, match="give integers up to 32 bits, or floats"):
            regions(labels, 1, gray=np.zeros(labels.shape, dtype))
    for bounds in (None, (1.0, 0.0), (0.0, np.inf), (np.nan, 1.0)):
        with pytest.raises(ParameterError, match="give the least and the greatest"):
            regions(labels, 1, gray=np.zeros(labels.shape), gray_range=bounds)
    with pytest.raises(DataError, match="NaN in 12 voxels of regions"):
        regions(labels, 1, gray=np.full(labels.shape, np.nan), gray_range=(0, 1))
    with pytest.raises(ParameterError, match="threads is 0"):
        regions(labels, 1, threads=0)


def test_what_does_not_belong_together_is_not_merged() -> None:
    labels = np.zeros((2, 4), np.uint8)
    one = regions(labels, 1, origin=(0, 0), shape=(4, 4))
    with pytest.raises(DataError, match="are of 8 voxels, the whole has 16"):
        connectivity_of(one)
    with pytest.raises(ParameterError, match="overlaps another; add each voxel once"):
        one + regions(labels, 1, origin=(1, 0), shape=(4, 4))
    with pytest.raises(ParameterError, match="connectivity is 8 here and 4 there; merge windows of one volume"):
        one + regions(labels, 1, connectivity=4, origin=(2, 0), shape=(4, 4))
    with pytest.raises(TypeError):
        one + 1  # type: ignore[operator]
