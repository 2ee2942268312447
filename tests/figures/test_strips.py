"""Strips of a palette: labels in their places, and text that can be read on every color."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from matplotlib.figure import Figure
from scipy.optimize import minimize

from klevels.core.spaces import luminance
from klevels.figures.strips import board_height, board_shape, draw_bar, inks, spread


@given(st.lists(st.floats(0, 1), min_size=1, max_size=16), st.floats(0.1, 1))
def test_labels_are_apart_in_order_and_on_the_page(wanted: list[float], fill: float) -> None:
    width = fill / len(wanted)
    places = spread(np.sort(wanted), width)
    assert np.all(np.diff(places) >= width - 1e-9)
    assert places[0] >= width / 2 - 1e-9
    assert places[-1] <= 1 - width / 2 + 1e-9


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(2, 8))
def test_no_other_places_are_nearer(wanted: list[int], width: int) -> None:
    """A general solver of constrained least squares finds none."""
    at = np.sort(wanted) / 40
    share = width / 40
    bounds = [(share / 2, 1 - share / 2)] * len(at)
    apart = [{"type": "ineq", "fun": lambda x, i=i: x[i + 1] - x[i] - share} for i in range(len(at) - 1)]
    start = np.linspace(share / 2, 1 - share / 2, len(at))
    found = minimize(lambda x: ((x - at) ** 2).sum(), start, bounds=bounds, constraints=apart, method="SLSQP")
    assert ((spread(at, share) - at) ** 2).sum() <= found.fun + 1e-6


def test_labels_with_room_stay_where_they_are() -> None:
    np.testing.assert_allclose(spread(np.array([0.2, 0.5, 0.9]), 0.1), [0.2, 0.5, 0.9])


@given(nps.arrays(np.uint8, st.tuples(st.integers(1, 200), st.just(3))))
def test_text_stands_out_from_every_color(colors: np.ndarray) -> None:
    light = luminance(colors, 255.0)
    ink = np.array([0.0 if name == "black" else 1.0 for name in inks(colors)])
    contrast = (np.maximum(light, ink) + 0.05) / (np.minimum(light, ink) + 0.05)
    assert contrast.min() >= 4.5


@pytest.mark.parametrize("k", [*range(1, 70), 255, 256, 257, 1000, 65535])
def test_a_board_has_a_place_for_every_color_and_no_empty_row(k: int) -> None:
    rows, columns = board_shape(k)
    assert (rows - 1) * columns < k <= rows * columns
    assert columns <= (8 if k <= 32 else 16) or k > 256
    assert 0.3 < board_height(k, 7.0) < 8


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300).filter(any))
def test_a_bar_ends_where_the_shares_end(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    axes = Figure().add_subplot()
    colors = np.zeros((len(counts), 3), np.uint8)
    draw_bar(axes, shares, colors)
    (mesh,) = axes.collections
    edges = mesh.get_coordinates()[0, :, 0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(np.diff(edges), shares, atol=1e-12)
    assert edges[-1] == 1.0
