"""Accuracy, Dice and Jaccard are those of scikit-learn; parts add up to the whole; matching forgets names."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from klevels.core.agreement import MOST_NUMBERS, Agreement
from klevels.core.confusion import confusion_part
from klevels.errors import DataError, ParameterError

Labels = NDArray[np.uint8]
PAIRS = nps.arrays(np.uint8, st.tuples(st.just(2), st.integers(1, 40)), elements=st.integers(0, 5))


def same(one: Agreement, other: Agreement) -> bool:
    return one.to_dict() == other.to_dict()


@given(pair=PAIRS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_measures_are_those_of_scikit_learn(pair: Labels) -> None:
    labels, truth = pair
    found = confusion_part(labels, truth)
    assert found.accuracy == pytest.approx(accuracy_score(truth, labels))
    assert found.accuracy + found.misclassified == pytest.approx(1.0)
    options: dict[str, Any] = {"average": None, "labels": found.truth}
    np.testing.assert_allclose(found.dice, f1_score(truth, labels, **options))
    np.testing.assert_allclose(found.jaccard, jaccard_score(truth, labels, **options))


@given(pair=PAIRS, cut=st.integers(0, 40))
def test_parts_add_up_to_the_whole(pair: Labels, cut: int) -> None:
    first, second = (confusion_part(*pair[:, part]) for part in (slice(cut), slice(cut, None)))
    whole = confusion_part(*pair)
    assert same(first + second, whole)
    assert same(second + first, whole)


@given(pair=PAIRS, names=st.permutations(range(6)))
def test_matching_forgets_the_names_of_labels(pair: Labels, names: list[int]) -> None:
    labels, truth = pair
    renamed = np.array(names, np.uint8)[labels]
    one, other = confusion_part(labels, truth).matched(), confusion_part(renamed, truth).matched()
    assert one.accuracy == other.accuracy
    assert one.adjusted_rand_index == other.adjusted_rand_index
    assert one.conditional_entropies == other.conditional_entropies


@given(pair=PAIRS)
def test_no_naming_of_labels_is_better_than_the_match(pair: Labels) -> None:
    labels, truth = pair
    best = max(float(np.mean(np.array(names)[labels] == truth)) for names in itertools.permutations(range(6)))
    found = confusion_part(labels, truth)
    assert found.matched().accuracy == pytest.approx(best)
    assert found.matched().accuracy >= found.accuracy


@given(pair=PAIRS)
def test_everything_is_finite_and_ready_for_json(pair: Labels) -> None:
    for found in (confusion_part(*pair), confusion_part(*pair).matched()):
        read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert read["confusion"] == found.confusion.tolist()
        assert read["matched"] == (found.matches is not None)
        measures = (read["accuracy"], read["misclassified"], *read["dice"], *read["jaccard"])
        assert all(0 <= one <= 1 for one in measures)


def test_a_label_without_a_class_is_wrong_everywhere() -> None:
    found = Agreement([[5, 0], [0, 3], [2, 0]], labels=[0, 1, 7], truth=[0, 1])
    assert found.classes.tolist() == [0, 1, -1]
    assert (found.accuracy, found.misclassified) == (0.8, 0.2)
    assert found.dice.tolist() == [10 / 12, 1.0]
    assert found.jaccard.tolist() == [5 / 7, 1.0]
    assert found.to_dict()["classes"] == [0, 1, None]


def test_more_labels_than_classes_leave_one_unmatched() -> None:
    found = Agreement([[5, 0], [0, 3], [9, 0]], labels=[0, 1, 7], truth=[0, 1]).matched()
    assert found.classes.tolist() == [-1, 1, 0]
    assert found.accuracy == 12 / 17
    assert found.labels.tolist() == [0, 1, 7]


def test_a_class_that_nobody_has_is_found() -> None:
    found = Agreement([[4, 0], [0, 0]], labels=[0, 1], truth=[0, 1])
    assert found.dice.tolist() == [1.0, 1.0]
    assert found.jaccard.tolist() == [1.0, 1.0]


def test_nothing_agrees_with_nothing() -> None:
    found = confusion_part([], [])
    assert (found.n_voxels, found.accuracy, found.misclassified, found.adjusted_rand_index) == (0, 1.0, 0.0, 1.0)
    assert found.variation_of_information == 0.0
    assert found.dice.tolist() == []
    assert same(found.matched(), found.matched())


def test_volumes_of_any_size() -> None:
    counts = np.array([[900, 7, 0], [13, 500, 3], [0, 2, 75]])
    few = Agreement(counts, [0, 1, 2], [0, 1, 2])
    many = Agreement(counts * 10**15, [0, 1, 2], [0, 1, 2])
    assert many.n_voxels == 1500 * 10**15
    assert many.accuracy == few.accuracy
    np.testing.assert_allclose(many.dice, few.dice, rtol=1e-15)
    np.testing.assert_allclose(many.jaccard, few.jaccard, rtol=1e-15)
    assert many.adjusted_rand_index == pytest.approx(few.adjusted_rand_index, abs=1e-3)
    assert many.variation_of_information == pytest.approx(few.variation_of_information)
    full = Agreement([[2**62]], [0], [0]) + Agreement([[2**62 - 1]], [0], [0])
    assert full.n_voxels == 2**63 - 1
    assert full.dice.tolist() == [1.0]
    assert math.isfinite(full.adjusted_rand_index)


def test_arrays_are_the_agreements_own() -> None:
    counts = np.eye(2, dtype=np.int64)
    found = Agreement(counts, [0, 1], [0, 1])
    counts[0, 0] = 9
    assert found.n_voxels == 2
    with pytest.raises(ValueError, match="read-only"):
        found.confusion[0, 0] = 9
    assert repr(found) == "Agreement(accuracy 1.0000, confusion 2 × 2, 2 voxels)"


def test_what_is_matched_is_not_merged() -> None:
    found = Agreement([[1]], [0], [3])
    with pytest.raises(ParameterError, match="add the parts first"):
        _ = found.matched() + found
    with pytest.raises(TypeError):
        _ = found + 1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([[1, 2]], [0], [0]), "shape"),
        (([1], [0], [0]), "shape"),
        (([[1], [2]], [1, 0], [0]), "increasing"),
        (([[1], [2]], [1, 1], [0]), "increasing"),
        (([[1]], [-1], [0]), "from 0"),
        (([[0.5]], [0], [0]), "integers"),
        (([[-1]], [0], [0]), "negative"),
        (([[1]], [0], [0], -1), "negative"),
        (([[2**62, 2**62]], [0], [0, 1]), "2\\*\\*63"),
        (([[1], [2]], [0, 1], [0], 0, [0, 0]), "none twice"),
        (([[1]], [0], [0], 0, [4]), "classes of the truth"),
        (([[1]], [0], [0], 0, [0, 1]), "shape"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        Agreement(*arguments)
    assert "\n" not in str(caught.value)


def test_a_sum_of_too_many_numbers_is_refused() -> None:
    half = MOST_NUMBERS // 2 + 1
    one = confusion_part(np.arange(half), np.zeros(half, int))
    other = confusion_part(np.arange(half) + half, np.zeros(half, int))
    with pytest.raises(DataError, match="the labels have more than 65,536 distinct numbers"):
        _ = one + other
