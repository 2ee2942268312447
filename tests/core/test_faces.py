"""Faces against a plain reference, shapes of known surface, and scikit-image's Euler numbers."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from skimage.measure import euler_number

from instruction_sets import digest_on
from klevels.core.faces import ONE, Faces, euler_numbers, faces, halo, object_faces, surface_areas
from klevels.errors import DataError, DataTypeError, ParameterError

Array = NDArray[Any]


def _reference(labels: Array, n_labels: int, spacing: tuple[float, ...], ids: Array | None = None) -> NDArray[np.int64]:
    """The sums of cosines, by the definition."""
    missing = 3 - labels.ndim
    volume = labels.reshape((1,) * missing + labels.shape)
    rows = volume if ids is None else ids.reshape(volume.shape)
    sizes = (1.0,) * missing + tuple(size / min(spacing) for size in spacing)
    sums = np.zeros((n_labels if ids is None else int(ids.max()) + 1, 3), np.int64)
    for label in range(n_labels):
        smooth = np.pad(2 * (volume == label).astype(np.int64) + (volume >= n_labels), 5, mode="edge")
        for axis in range(3):
            smooth = sum(np.roll(smooth, shift, axis) for shift in range(-2, 3))  # wraps where nobody looks
        slopes = [(np.roll(smooth, -1, axis) - np.roll(smooth, 1, axis))[3:-3, 3:-3, 3:-3] for axis in range(3)]
        for voxel in np.ndindex(volume.shape):
            for axis in range(3):
                before = tuple(at - (a == axis) for a, at in enumerate(voxel))
                if before[axis] < 0:
                    continue
                pair = int(volume[voxel]), int(volume[before])
                if max(pair) >= n_labels or pair[0] == pair[1] or label not in pair:
                    continue
                here, there = tuple(at + 2 for at in voxel), tuple(at + 2 for at in before)
                normal = [(slopes[a][here] + slopes[a][there]) * (1 / sizes[a]) for a in range(3)]
                squares = normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]
                cosine = abs(normal[axis]) / math.sqrt(squares) if squares else 1.0
                sums[rows[voxel if pair[0] == label else before], axis] += math.floor(cosine * ONE + 0.5)
    if ids is not None:
        sums[0] = 0
    return sums


@st.composite
def _labels(draw: st.DrawFn, *, max_side: int = 7) -> tuple[Array, int]:
    dtype = draw(st.sampled_from((np.uint8, np.uint16)))
    shape = draw(nps.array_shapes(min_dims=2, max_dims=3, max_side=max_side))
    n_labels = draw(st.integers(1, 4))
    some = st.one_of(st.integers(0, n_labels), st.just(int(np.iinfo(dtype).max)))
    return draw(nps.arrays(dtype, shape, elements=some)), n_labels


def _blobs(shape: tuple[int, ...], n_labels: int, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(size=shape)
    for _ in range(2):
        for axis in range(len(shape)):
            noise = sum(np.roll(noise, shift, axis) for shift in range(-1, 2))
    return np.digitize(noise, np.quantile(noise, np.arange(1, n_labels) / n_labels)).astype(np.uint8)


def _ball(radius: float, spacing: tuple[float, ...] = (1, 1, 1)) -> NDArray[np.uint8]:
    sides = [math.ceil(radius / size) + 5 for size in spacing]
    axes = np.ogrid[tuple(slice(-side, side + 1) for side in sides)]
    return (sum(((axis + 0.3) * size) ** 2 for axis, size in zip(axes, spacing, strict=True)) <= radius**2).astype("u1")


def _assert_equal(found: Faces, expected: Faces) -> None:
    np.testing.assert_array_equal(found.sums, expected.sums)
    np.testing.assert_array_equal(found.euler, expected.euler)


@given(_labels(), st.tuples(*[st.sampled_from((1.0, 0.3, 2.5))] * 3))
def test_equals_the_plain_reference(case: tuple[Array, int], sizes: tuple[float, ...]) -> None:
    labels, n_labels = case
    spacing = sizes[: labels.ndim]
    found = faces(labels, n_labels, spacing=spacing)
    np.testing.assert_array_equal(found.sums, _reference(labels, n_labels, spacing))


def test_equals_the_plain_reference_on_smooth_labels() -> None:
    labels = _blobs((20, 17, 15), 3)
    labels[:, :3] = 255
    np.testing.assert_array_equal(faces(labels, 3).sums, _reference(labels, 3, (1, 1, 1)))


@given(_labels())
def test_euler_numbers_equal_those_of_scikit_image(case: tuple[Array, int]) -> None:
    labels, n_labels = case
    found = faces(labels, n_labels)
    connectivities = (4, 8) if labels.ndim == 2 else (6, 26)
    for connectivity, steps in zip(connectivities, (1, labels.ndim), strict=True):
        expected = [euler_number(np.pad(labels == label, 1), steps) for label in range(n_labels)]
        assert euler_numbers(found, connectivity).tolist() == expected


def test_euler_numbers_of_bodies() -> None:
    z, y, x = np.ogrid[-20:21, -20:21, -20:21]
    torus = (np.hypot(y, x) - 12) ** 2 + z**2 <= 25
    ball = z**2 + y**2 + x**2 <= 200
    hollow = ball & (z**2 + y**2 + x**2 > 60)
    for body, expected in ((torus, 0), (ball, 1), (hollow, 2)):
        found = faces(body.astype(np.uint8), 2)
        assert euler_numbers(found, 6)[1] == euler_numbers(found, 26)[1] == expected


@pytest.mark.parametrize(("radius", "bound"), [(8, 0.015), (12, 0.01), (20, 0.005), (32, 0.003)])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 1, 1), (1, 1, 0.4)])
def test_surface_of_balls(radius: float, bound: float, spacing: tuple[float, ...]) -> None:
    areas = surface_areas(faces(_ball(radius, spacing), 2, spacing=spacing), spacing)
    assert areas[1] == pytest.approx(4 * math.pi * radius**2, rel=bound)
    assert areas[0] == areas[1]


@pytest.mark.parametrize("radius", [10, 20, 50])
def test_perimeters_of_disks(radius: float) -> None:
    spacing = (0.5, 0.5)
    found = faces(_ball(radius, (1, 1)), 2, spacing=spacing)
    assert surface_areas(found, spacing)[1] == pytest.approx(math.pi * radius, rel=0.01)


@pytest.mark.parametrize("normal", [(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 2, 3), (0.1, 0.2, 1), (0, 0.05, 1)])
def test_surface_of_planes(normal: tuple[float, ...]) -> None:
    axes = np.ogrid[-35:35, -35:35, -35:35]
    labels = (sum(n * axis for n, axis in zip(normal, axes, strict=True)) > 0.3).astype(np.uint8)
    inner = slice(5, -5)  # at the ends of an image normals bend
    found = faces(labels, 2, owned=(inner,) * 3)
    n_columns = np.count_nonzero(labels[inner, inner, inner] != labels[inner, inner, 4:-6])
    expected = n_columns * np.linalg.norm(normal) / normal[2]  # each a square unit, seen along x
    assert surface_areas(found)[1] == pytest.approx(expected, rel=0.012)


def test_cuts_are_no_surface() -> None:
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[:, :, 6:] = 1
    labels[:, 8:] = 255
    areas = surface_areas(faces(labels, 2))
    assert areas[0] == areas[1] < 12 * 8 + 1e-9
    assert not faces(np.zeros((5, 6, 7), np.uint8), 2).sums.any()


def _blocks(data: st.DataObject, shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice, ...], ...]]:
    """Yield blocks that cover an image: what is seen of it, what of that is owned, and where that lies in the image."""
    cuts = [sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=3))}) for n in shape]
    for block in itertools.product(*(itertools.pairwise(cut) for cut in cuts)):
        seen = tuple(
            slice(max(0, a - around), min(n, b + around))
            for (a, b), n, around in zip(block, shape, halo(len(shape)), strict=True)
        )
        owned = tuple(slice(a - part.start, b - part.start) for (a, b), part in zip(block, seen, strict=True))
        yield seen, owned, tuple(slice(*ends) for ends in block)


def _image(data: st.DataObject) -> Array:
    shape = tuple(data.draw(st.integers(1, 24)) for _ in range(data.draw(st.integers(2, 3))))
    labels = _blobs(shape, 3, data.draw(st.integers(0, 9))).astype(data.draw(st.sampled_from((np.uint8, np.uint16))))
    labels[labels == 2] = data.draw(st.sampled_from((2, 3, 255)))
    return labels


@given(st.data())
def test_blocks_add_up_to_the_whole(data: st.DataObject) -> None:
    labels = _image(data)
    spacing = (1, 2, 3)[: labels.ndim]
    parts = [faces(labels[seen], 3, owned=owned, spacing=spacing) for seen, owned, _ in _blocks(data, labels.shape)]
    _assert_equal(functools.reduce(operator.add, parts), faces(labels, 3, spacing=spacing))


@given(st.data())
def test_objects_of_blocks_add_up_to_those_of_the_whole(data: st.DataObject) -> None:
    labels = _image(data)
    ids = np.random.default_rng(1).integers(0, 5, labels.shape, np.uint32)
    spacing = (1, 2, 3)[: labels.ndim]
    parts = [
        object_faces(labels[seen], 3, ids[block], 4, owned=owned, spacing=spacing)
        for seen, owned, block in _blocks(data, labels.shape)
    ]
    np.testing.assert_array_equal(sum(parts), object_faces(labels, 3, ids, 4, spacing=spacing))


@given(_labels(max_side=6), st.integers(0, 99))
def test_objects_get_their_own(case: tuple[Array, int], seed: int) -> None:
    labels, n_labels = case
    ids = np.random.default_rng(seed).integers(0, 4, labels.shape, np.uint32)
    found = object_faces(labels, n_labels, ids, int(ids.max()))
    np.testing.assert_array_equal(found, _reference(labels, n_labels, (1,) * labels.ndim, ids))


def test_objects_add_up_to_their_labels() -> None:
    labels = _blobs((40, 37, 300), 4)
    labels[labels == 3] = 255
    parts = np.random.default_rng(2).integers(0, 5, labels.shape, np.uint32)
    ids = np.where(labels < 3, 5 * labels + parts + np.uint32(1), np.uint32(0))
    expected = object_faces(labels, 3, ids, 15, threads=1)
    np.testing.assert_array_equal(expected[1:].reshape(3, 5, 3).sum(axis=1), faces(labels, 3).sums)
    assert not expected[0].any()
    for threads in (2, 3, None):
        np.testing.assert_array_equal(object_faces(labels, 3, ids, 15, threads=threads), expected)
    areas = surface_areas(expected)
    np.testing.assert_allclose(areas[1:].reshape(3, 5).sum(axis=1), surface_areas(faces(labels, 3)), rtol=1e-12)


def test_threads_and_dtypes_change_nothing() -> None:
    labels = _blobs((70, 50, 270), 4)
    expected = faces(labels, 4, threads=1)
    for threads in (2, 3, None):
        _assert_equal(faces(labels, 4, threads=threads), expected)
    _assert_equal(faces(labels.astype(np.uint16), 4), expected)
    _assert_equal(faces(np.asfortranarray(labels).astype(">u2"), 4), expected)


SCRIPT = """
import hashlib
import os
import numpy as np
from klevels.core.faces import faces, object_faces
random = np.random.default_rng(5)
digest = hashlib.sha256()
for shape in ((9, 40, 300), (70, 500)):
    labels = random.integers(0, 4, shape).astype(np.uint16)
    labels[..., 30:90] = labels[..., 30:31]
    ids = random.integers(0, 9, shape, np.uint32)
    spacing = (0.7, 1.0, 1.3)[: len(shape)]
    for array in (labels, labels.astype(np.uint8)):
        found = faces(array, 3, spacing=spacing)
        for sums in (found.sums, found.euler, object_faces(array, 3, ids, 8, spacing=spacing)):
            digest.update(sums.tobytes())
print(os.environ.get("KLEVELS_SIMD", "best"), digest.hexdigest())
"""


def test_instruction_sets_change_nothing() -> None:
    assert len({digest_on(SCRIPT, wish)[1] for wish in ("baseline", "avx2", None)}) == 1


def test_bad_input_is_refused() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    ids = np.ones((4, 5, 6), np.uint32)
    with pytest.raises(DataTypeError, match="dtype int64; give uint8 or uint16"):
        faces(labels.astype(int), 2)
    with pytest.raises(DataError, match=r"shape \(4,\); give voxels along"):
        faces(labels[:, 0, 0], 2)
    with pytest.raises(DataError, match=r"shape \(0, 5, 6\)"):
        faces(labels[:0], 2)
    with pytest.raises(ParameterError, match="n_labels is 0; give 1 or more"):
        faces(labels, 0)
    with pytest.raises(ParameterError, match="owned has 2 slices; give 3"):
        faces(labels, 2, owned=(slice(None),) * 2)
    with pytest.raises(ParameterError, match="give slices without a step"):
        faces(labels, 2, owned=(slice(2, 2), slice(None), slice(None)))
    with pytest.raises(DataTypeError, match="ids are of dtype int64; give uint32"):
        object_faces(labels, 2, ids.astype(int), 1)
    with pytest.raises(DataError, match=r"shape \(4, 5, 6\), the owned part \(2, 5, 6\); give an id for each"):
        object_faces(labels, 2, ids, 1, owned=(slice(1, 3), slice(None), slice(None)))
    with pytest.raises(ParameterError, match="n_ids is 0, but there is an id 1"):
        object_faces(labels, 2, ids, 0)
    with pytest.raises(ParameterError, match="spacing is"):
        faces(labels, 2, spacing=(1, 1))
    found = faces(labels, 2)
    with pytest.raises(ParameterError, match="spacing is"):
        surface_areas(found, (1,))
    with pytest.raises(ParameterError, match="connectivity is 18"):
        euler_numbers(found, 18)
    with pytest.raises(DataError, match="faces of 2 and of 3 labels"):
        found + faces(labels, 3)
