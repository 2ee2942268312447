"""Every object is counted once, in the bin of its size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.sizes import size_distribution
from klevels.core.table import Table
from klevels.errors import ParameterError


@given(st.lists(st.floats(0.1, 1e6), max_size=30), st.integers(1, 9))
def test_each_object_is_in_the_bin_of_its_size(diameters: list[float], n_bins: int) -> None:
    table = Table({"equivalent_diameter": np.array(diameters, float), "volume": np.array(diameters, float) ** 3})
    found = size_distribution(table, n_bins)
    assert found["n_objects"].sum() == len(diameters)
    assert len(found) <= n_bins
    if diameters:
        assert math.isclose(found["share"].sum(), 1)
        assert found["diameter_from"][0] == pytest.approx(min(diameters))
        assert found["diameter_to"][-1] == pytest.approx(max(diameters))
    if len(found) == n_bins > 1:
        inner = (found[name][1:-1] for name in ("diameter_from", "diameter_to", "n_objects"))
        for low, high, n in zip(*inner, strict=True):
            assert n == sum(low <= d < high for d in diameters)


def test_no_objects_have_no_sizes_and_no_bins_are_refused() -> None:
    nothing = Table({"equivalent_diameter": np.empty(0), "volume": np.empty(0)})
    assert len(size_distribution(nothing, 5)) == 0
    with pytest.raises(ParameterError, match="n_bins is 0"):
        size_distribution(nothing, 0)
