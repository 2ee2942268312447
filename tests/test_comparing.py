"""Labels are compared to the same counts wherever they are: in memory, stored, in dask, on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import klevels
from cluster import cluster_of
from klevels import comparing
from klevels.blocks.cluster import connect
from klevels.comparing import compare
from klevels.core.confusion import confusion_part
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.image import Image
from klevels.lazy import LoadedArray

SHAPE = (6, 21, 17)
RNG = np.random.default_rng(3)
TRUTH = RNG.integers(0, 4, SHAPE).astype(np.uint8)
LABELS = np.where(RNG.random(SHAPE) < 0.2, RNG.integers(0, 5, SHAPE), TRUTH).astype(np.uint8)
MASK = RNG.random(SHAPE) < 0.8
WHOLE = confusion_part(LABELS, TRUTH, mask=MASK).to_dict()

KINDS: dict[str, Any] = {
    "array": lambda a: a,
    "list": lambda a: a.tolist(),
    "Image": lambda a: Image(a, "zyx"),
    "lazy": LoadedArray,
    "lazy Image": lambda a: Image(LoadedArray(a), "zyx"),
    "dask": lambda a: da.from_array(a, chunks=(4, 9, 17)),
    "other dask": lambda a: da.from_array(a, chunks=(1, 21, 5)),
    "xarray": lambda a: xarray.DataArray(a, dims=("z", "y", "x")),
    "zarr": lambda a: zarr.array(a, chunks=(2, 8, 8)),
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 1500)
    monkeypatch.setattr(comparing, "LARGE", 1)


@settings(deadline=None, max_examples=60)
@given(kinds=st.tuples(*(st.sampled_from(sorted(KINDS)) for _ in range(3))), threads=st.sampled_from([None, 1, 3]))
def test_all_kinds_of_arrays_give_the_same_counts(kinds: tuple[str, str, str], threads: int | None) -> None:
    labels, truth, mask = (KINDS[kind](one) for kind, one in zip(kinds, (LABELS, TRUTH, MASK), strict=True))
    assert compare(labels, truth, mask=mask, threads=threads).to_dict() == WHOLE


@pytest.mark.parametrize("shape", [(), (1,), (6, 1), (2, 1, 1, 3), (1, 1, 1)])
def test_arrays_of_any_dimension(shape: tuple[int, ...]) -> None:
    found = compare(np.full(shape, 3), np.full(shape, 3.0))
    assert found.confusion.tolist() == [[max(1, int(np.prod(shape)))]]


def test_a_volume_that_looks_like_color_is_labels() -> None:
    labels = RNG.integers(0, 3, (20, 30, 3)).astype(np.uint8)
    assert compare(labels, labels).accuracy == 1.0


def test_what_segment_left_out_does_not_count() -> None:
    scan = 1000 * TRUTH.astype(np.uint16) + RNG.integers(0, 100, SHAPE).astype(np.uint16)
    result = klevels.segment(scan, 4, mask=MASK)
    found = compare(result.labels, TRUTH)
    assert (found.accuracy, found.n_ignored) == (1.0, np.count_nonzero(~MASK))
    assert found.n_voxels == np.count_nonzero(MASK)
    lazy = compare(klevels.segment(LoadedArray(scan), 4, mask=MASK).labels, Image(TRUTH, "zyx"))
    assert lazy.to_dict() == found.to_dict()
    plain = compare(result.labels.data, TRUTH)  # an array does not say that 255 is a mark
    assert plain.labels.tolist() == [0, 1, 2, 3, 255]
    assert plain.n_ignored == 0
    assert compare(result.labels.data, TRUTH, ignore=255).to_dict() == found.to_dict()


def test_no_label_evades_by_the_number_that_the_truth_ignores() -> None:
    labels, truth = np.array([0, 0, 1, 255], np.uint8), np.array([0, 1, 1, 1], np.uint8)
    found = compare(labels, truth, ignore=0)
    assert (found.n_voxels, found.n_ignored, found.accuracy) == (3, 1, 1 / 3)
    found = compare(labels, truth, ignore=255)
    assert (found.n_voxels, found.n_ignored, found.accuracy) == (3, 1, 2 / 3)
    assert compare(labels.astype(np.uint16), truth, ignore=255).n_ignored == 0
    assert compare([0, 1, 65535], np.array([0, 1, 1], np.uint16), ignore=65535).n_ignored == 0


def test_classes_are_matched_by_overlap() -> None:
    renamed = np.array([40, 10, 30, 20], np.uint8)[TRUTH]
    with pytest.raises(DataError, match="use match=True"):
        compare(TRUTH, renamed)
    found = compare(TRUTH, renamed, match=True)
    assert found.accuracy == 1.0
    assert found.classes.tolist() == [40, 10, 30, 20]


def test_some_labels_that_the_truth_lacks_are_wrong() -> None:
    found = compare([0, 1, 7, 7], [0, 1, 1, 0])
    assert found.accuracy == 0.5
    assert found.classes.tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("labels", "truth", "options", "error", "says"),
    [
        ([0, 1], [0, 1, 1], {}, DataError, r"the truth has shape \(3,\), the labels \(2,\)"),
        (LoadedArray(TRUTH), TRUTH[1:], {}, DataError, r"the truth has shape \(5, 21, 17\)"),
        (TRUTH, TRUTH, {"mask": MASK[:, 1:]}, DataError, "the mask has shape"),
        (TRUTH, TRUTH, {"mask": MASK * 1.0}, DataTypeError, "the mask is of dtype float64"),
        (TRUTH, TRUTH, {"mask": MASK & False}, DataError, "no voxel is left"),
        ([], [], {}, DataError, "no voxel is left"),
        (TRUTH, TRUTH * 0, {"ignore": 0}, DataError, "no voxel is left"),
        (TRUTH, TRUTH + 0.5, {}, DataError, "a voxel of the truth is [0-3].5; labels are whole numbers"),
        (TRUTH - 1.0, TRUTH, {}, DataError, "a voxel of the labels is -1.0;"),
        (TRUTH * np.nan, TRUTH, {}, DataError, "a voxel of the labels is nan;"),
        (LoadedArray(TRUTH * np.nan), TRUTH, {}, DataError, "a voxel of the labels is nan;"),
        (da.from_array(TRUTH.astype(np.int8) - 1), TRUTH, {}, DataError, "a voxel of the labels is -1;"),
        (np.arange(70000), np.zeros(70000), {}, DataError, "the labels have more than 65,536 distinct numbers"),
        (TRUTH, TRUTH + np.uint8(9), {}, DataError, "the labels are 0, 1, 2, 3, the truth 9, 10, 11, 12; use match"),
        (np.arange(20), np.arange(20) + 50, {}, DataError, "6, 7, …, the truth 50"),
        (Image(TRUTH, "zyx"), Image(TRUTH[..., :3], "yxc"), {}, DataError, "the truth: 3 channels"),
        (TRUTH * 1j, TRUTH, {}, DataTypeError, "dtype complex128 of the labels"),
        (da.from_array(TRUTH * 1j), TRUTH, {}, DataTypeError, "dtype complex128 of the labels"),
        (TRUTH, Image(TRUTH * 1j, "zyx"), {}, DataTypeError, "dtype complex128 of the truth"),
        ("labels.tif", TRUTH, {}, DataTypeError, "read the file first"),
        (TRUTH, Path("truth.tif"), {}, DataTypeError, "read the file first"),
        (TRUTH, TRUTH, {"ignore": -1}, ParameterError, "ignore is -1; give a whole number"),
        (TRUTH, TRUTH, {"ignore": 0.5}, ParameterError, "ignore is 0.5"),
        (TRUTH, TRUTH, {"ignore": True}, ParameterError, "ignore is True"),
        (TRUTH, TRUTH, {"threads": 0}, ParameterError, "threads is 0"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    labels: Any, truth: Any, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        compare(labels, truth, **options)
    assert "\n" not in str(caught.value)


def test_a_cluster_counts_the_same(tmp_path: Path) -> None:
    klevels.write(tmp_path / "labels.tif", Image(LABELS, "zyx"))
    stored = klevels.read(tmp_path / "labels.tif", lazy=True)
    kinds: tuple[tuple[Any, Any, Any], ...] = (
        (stored, TRUTH, MASK),
        (LABELS, da.from_array(TRUTH, chunks=(2, 21, 5)), MASK),
        (LABELS, TRUTH, MASK),
    )
    with cluster_of(tmp_path / "cluster", 2) as found:
        client = connect(found.address)
        for labels, truth, mask in kinds:
            assert compare(labels, truth, mask=mask, client=client).to_dict() == WHOLE
        with pytest.raises(DataError, match=r"a voxel of the truth is [01]\.5"):
            compare(stored, TRUTH * 0.5, client=client)
        client.close()


def test_memory_bounds_what_is_read_at_a_time() -> None:
    class Noting(LoadedArray):
        sizes: list[int] = []  # noqa: RUF012

        def read(self, window: Any) -> NDArray[Any]:
            part = super().read(window)
            self.sizes.append(part.size)
            return part

    found = compare(Noting(LABELS), TRUTH, mask=MASK, memory=1 << 26)
    assert found.to_dict() == WHOLE
    assert max(Noting.sizes) * 3 <= 1500  # with truth and mask
    assert sum(Noting.sizes) == LABELS.size
