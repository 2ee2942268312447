"""Which filters a study tries."""

from __future__ import annotations

from typing import Any

import pytest

from klevels.core.denoise import METHODS, Filter
from klevels.errors import ParameterError
from klevels.studying.variants import variants

NOISE = 1234.56789


def test_every_method_is_tried_at_three_strengths_weak_before_strong() -> None:
    found = variants(None, NOISE)
    assert [one.filter.method for one in found if one.filter] == [method for method in METHODS for _ in range(3)]
    for i in range(0, len(found), 3):
        strengths = [one.filter.strength for one in found[i : i + 3] if one.filter]
        assert strengths == sorted(strengths)
        assert len(set(strengths)) == 3
    assert all(one.reason is None for one in found)


def test_strengths_are_half_once_and_twice_the_usual_one() -> None:
    usual = Filter("nlm").resolved(NOISE).strength
    assert [one.filter.strength for one in variants(["nlm"], NOISE) if one.filter] == pytest.approx(
        [usual / 2, usual, 2 * usual], rel=1e-3
    )


def test_a_command_says_all_of_a_filter() -> None:
    for one in variants(None, NOISE):
        assert one.filter is not None
        assert Filter.parse(str(one.filter)).strength == one.filter.strength
        assert Filter.parse(str(one.filter)).resolved(NOISE) == one.filter


@pytest.mark.parametrize("asked", [["median:2"], [Filter("median", 2)], ["median:2", Filter("median", 2.0)]])
def test_a_strength_that_is_given_is_the_only_one_and_none_is_tried_twice(asked: Any) -> None:
    assert [str(one.filter) for one in variants(asked, NOISE)] == ["median:2"]


def test_without_noise_filters_without_a_strength_are_left_out() -> None:
    found = variants(None, 0.0)
    assert [str(one.filter) for one in found if one.reason is None] == [
        "median:1",
        "median:2",
        "median:3",
        "gaussian:0.7",
        "gaussian:1",
        "gaussian:1.5",
    ]
    assert all("no noise is found" in (one.reason or "") for one in found[:4])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["wavelets"], "wavelets"),
        (["median:0.5"], "whole number"),
        ("nlm", r"give a list"),
        ([3], "give names"),
        ([Filter("nlm", 100.0, 50.0)], "noise of 50"),
    ],
)
def test_what_is_no_filter_is_refused(asked: Any, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        variants(asked, NOISE)
