"""The confusion is what counting voxel by voxel gives, for every dtype, layout and mask."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from klevels.core import confusion
from klevels.core.agreement import Agreement
from klevels.core.confusion import confusion_part
from klevels.errors import DataError, DataTypeError
from strategies import LAYOUTS

Array = NDArray[Any]

DTYPES = ("?", "u1", "i1", "<u2", ">u2", "i2", "<u4", ">i4", "i8", "u8", "f2", "<f4", ">f8")
GREATEST = (1, 5, 120, 2**40)


def brute(labels: Array, truth: Array, kept: Array) -> dict[tuple[int, int], int]:
    pairs = zip(labels[kept].tolist(), truth[kept].tolist(), strict=True)
    return dict(Counter((int(one), int(other)) for one, other in pairs))


def cells(found: Agreement) -> dict[tuple[int, int], int]:
    rows, columns = np.nonzero(found.confusion)
    assert set(rows) == set(range(len(found.labels)))
    assert set(columns) == set(range(len(found.truth)))
    names = zip(found.labels[rows].tolist(), found.truth[columns].tolist(), strict=True)
    return dict(zip(names, found.confusion[rows, columns].tolist(), strict=True))


def numbers(dtype: str, shape: tuple[int, ...]) -> st.SearchStrategy[Array]:
    kind = np.dtype(dtype)
    limit = 1 if kind.kind == "b" else 2048 if kind == np.float16 else 2**24 if kind == np.float32 else None
    most = limit if limit is not None else int(np.iinfo(kind).max) if kind.kind in "iu" else 2**53
    values = st.one_of(*(st.integers(0, min(one, most)) for one in GREATEST)).map(kind.type)
    return nps.arrays(kind, shape, elements=values)


@settings(deadline=None)
@given(data=st.data(), dtypes=st.tuples(st.sampled_from(DTYPES), st.sampled_from(DTYPES)))
def test_every_dtype_and_layout_with_a_mask(data: st.DataObject, dtypes: tuple[str, str]) -> None:
    shape = data.draw(nps.array_shapes(min_dims=1, max_dims=4, max_side=5))
    labels, truth = (LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))](data.draw(numbers(d, shape))) for d in dtypes)
    mask = data.draw(st.none() | nps.arrays(np.bool_, shape))
    found = confusion_part(labels, truth, mask=mask)
    kept = np.ones(shape, bool) if mask is None else mask
    assert cells(found) == brute(labels, truth, kept)
    assert found.n_ignored == kept.size - np.count_nonzero(kept)


@pytest.mark.parametrize("most", [3, 200, 1000, 60000])
@pytest.mark.parametrize("shape", [(1, 700, 3), (50, 40), (3, 5, 1000)])
def test_strips_are_the_whole(most: int, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(most)
    labels, truth = rng.integers(0, most, (2, *shape)).astype(np.uint16)
    truth //= 1 + most // 100
    mask = rng.random(shape) < 0.7
    whole = confusion_part(labels, truth, mask=mask, ignore_label=1, ignore_truth=2)
    monkeypatch.setattr(confusion, "STRIP", 997)
    monkeypatch.setattr(confusion, "FEW_CELLS", 1 << 16)
    monkeypatch.setattr(confusion, "MOST_LISTED", 1 << 10)
    for turned in (lambda a: a, np.asfortranarray):
        cut = confusion_part(turned(labels), truth, mask=turned(mask), ignore_label=1, ignore_truth=2)
        assert cut.to_dict() == whole.to_dict()
    kept = mask & (labels != 1) & (truth != 2)
    assert cells(whole) == brute(labels, truth, kept)
    assert whole.n_ignored == np.count_nonzero(~kept)


def test_is_that_of_scikit_learn() -> None:
    labels, truth = np.random.default_rng(0).integers(0, 7, (2, 5000)).astype(np.uint8)
    np.testing.assert_array_equal(confusion_part(labels, truth).confusion.T, confusion_matrix(truth, labels))


def test_masked_arrays_and_integer_masks() -> None:
    labels = np.ma.MaskedArray([0, 1, 2, 3], [True, False, False, False])
    truth = np.ma.MaskedArray([0, 1, 2, 3], [False, True, False, False])
    found = confusion_part(labels, truth, mask=[7, 7, 0, -2])
    assert (found.labels.tolist(), found.truth.tolist(), found.n_ignored) == ([3], [3], 3)


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf, 2.0**60])
def test_what_is_outside_need_not_be_a_label(bad: float) -> None:
    values = np.array([0.0, bad, 1.0])
    found = confusion_part(values, [0, 1, 1], mask=[1, 0, 1])
    assert (found.n_voxels, found.n_ignored, found.accuracy) == (2, 1, 1.0)
    for pair in ((values, [0, 1, 1]), ([0, 1, 1], values)):
        with pytest.raises(DataError, match="labels are whole numbers from 0 on") as caught:
            confusion_part(*pair)
        assert "\n" not in str(caught.value)


def test_a_negative_number_is_named() -> None:
    with pytest.raises(DataError, match="a voxel of the truth is -3;"):
        confusion_part([1, 2], np.array([4, -3], np.int8))
    with pytest.raises(DataError, match="a voxel of the labels is 18446744073709551615;"):
        confusion_part(np.array([2**64 - 1], np.uint64), [0])


def test_gray_values_are_no_labels() -> None:
    gray = np.arange(65537)
    with pytest.raises(DataError, match="the truth has more than 65,536 distinct numbers"):
        confusion_part(np.zeros(65537, np.uint8), gray)
    with pytest.raises(DataError, match="9,000 labels on 9,000 classes"):
        confusion_part(gray[:9000], gray[:9000])


@pytest.mark.parametrize("dtype", ["c8", "O", "U3", "M8[s]", "g"])
def test_dtypes_without_labels_are_refused(dtype: str) -> None:
    if np.dtype(dtype).itemsize <= 8 and dtype == "g":
        pytest.skip("long double is double here")
    with pytest.raises(DataTypeError, match="of the labels holds no labels"):
        confusion_part(np.zeros(3, dtype), np.zeros(3, int))


def test_shapes_and_masks_must_fit() -> None:
    with pytest.raises(DataError, match=r"the truth has shape \(3,\), the labels \(2,\)"):
        confusion_part([0, 1], [0, 1, 2])
    with pytest.raises(DataError, match=r"the mask has shape \(1, 2\)"):
        confusion_part([0, 1], [0, 1], mask=[[1, 1]])
    with pytest.raises(DataTypeError, match="the mask is of dtype float64"):
        confusion_part([0, 1], [0, 1], mask=[0.0, 1.0])
