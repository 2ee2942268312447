"""What drifts is warned of, in one line a direction; what does not is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.drift import drift_warnings
from klevels.core.table import Table

N_PLACES = 12
RAMP = np.linspace(-1, 1, N_PLACES)


def profile(n_voxels: tuple[Any, Any], mean: tuple[Any, Any]) -> Table:
    """Return a profile of two phases; each is given as one value for all places, or one for each."""
    given = {"n_voxels": n_voxels, "mean": mean}
    return Table({name: np.stack(np.broadcast_arrays(*two, RAMP)[:2], axis=1).ravel() for name, two in given.items()})


PHASES = Table({"phase": np.array([0, 3]), "mean": np.array([100.0, 200.0])})
EVEN = profile((500, 500), (100, 200))


def test_what_is_even_is_not_warned_of() -> None:
    assert drift_warnings({"z": EVEN, "y": EVEN, "radius": EVEN}, PHASES) == ()


@pytest.mark.parametrize(("name", "reason"), [("z", "a drift of the scanner"), ("radius", "beam hardening")])
def test_means_that_move_by_more_than_a_tenth_are_told_with_the_reason(name: str, reason: str) -> None:
    moving = profile((500, 500), (100 + 20 * RAMP, 200 + 5 * RAMP))
    (found,) = drift_warnings({name: moving}, PHASES)
    assert "of phase 0 by +29.09, 29 % of the way to the next" in found
    assert "phase 3" not in found
    assert reason in found


def test_fractions_that_move_are_told_for_all_phases_in_one_line() -> None:
    moving = profile((500 + 200 * RAMP, 500 - 200 * RAMP), (100, 200))
    (found,) = drift_warnings({"radius": moving}, PHASES)
    assert "the fraction moves, of phase 0 from 35.5 to 64.5 %; of phase 3 from 64.5 to 35.5 %" in found


@given(st.floats(-0.09, 0.09))
def test_small_moves_are_none(share: float) -> None:
    moving = profile((500, 500), (100 + 100 * share * RAMP / (16 / 11), 200))
    assert drift_warnings({"z": moving}, PHASES) == ()


def test_a_phase_of_few_voxels_says_nothing() -> None:
    moving = profile((4, 996), (100 + 90 * RAMP, 200))
    assert drift_warnings({"z": moving}, PHASES) == ()


def test_the_shape_of_a_specimen_without_gray_values_is_no_drift() -> None:
    moving = profile((500 + 200 * RAMP, 500 - 200 * RAMP), (100, 200))
    bare = Table({"n_voxels": moving["n_voxels"]})
    assert drift_warnings({"radius": bare}, Table({"phase": np.array([0, 3])})) == ()
    assert len(drift_warnings({"z": bare}, Table({"phase": np.array([0, 3])}))) == 1


def test_too_few_places_and_empty_ends_say_nothing() -> None:
    short = Table({"n_voxels": np.array([5.0, 5.0, 9.0, 1.0]), "mean": np.array([1.0, 2.0, 9.0, 9.0])})
    assert drift_warnings({"z": short}, PHASES) == ()
    empty = profile((500 * (RAMP > 0), 0 * RAMP), (100.0, 200.0))
    assert drift_warnings({"radius": empty}, PHASES) == ()
    assert drift_warnings({"z": EVEN}, Table({"phase": np.array([0, 3])})) == ()
