"""Keys have the order of their values, and lead back to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.keys import bin_origins, key_kind, keys_of, values_of
from strategies import ORDERED_DTYPES, gray_images


@given(st.sampled_from(ORDERED_DTYPES).flatmap(gray_images))
def test_keys_order_as_values_do_and_lead_back(image: np.ndarray) -> None:
    values = image.ravel().astype(image.dtype.newbyteorder("="))
    keys = keys_of(values)
    assert keys.dtype == np.uint64
    np.testing.assert_array_equal(values_of(keys, values.dtype), values)
    order = np.argsort(keys, kind="stable")
    np.testing.assert_array_equal(values[order], np.sort(values))
    np.testing.assert_array_equal(keys[:, None] < keys, values[:, None] < values)


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("?", "integer"), ("u1", "integer"), ("i8", "integer"), ("f2", "float32"), ("f4", "float32"), ("f8", "float64")],
)
def test_kinds(dtype: str, kind: str) -> None:
    assert key_kind(np.dtype(dtype)) == kind
    assert values_of(keys_of(np.zeros(1, dtype)), np.dtype(dtype)).dtype == (
        np.int64 if kind == "integer" else np.float64
    )


@pytest.mark.parametrize(("dtype", "mantissa"), [("f4", 23), ("f8", 52)])
@pytest.mark.parametrize("shift", [0, 1, 5, 20])
def test_bins_are_evenly_divided(dtype: str, mantissa: int, shift: int) -> None:
    plain = np.dtype(dtype)
    tiny, big = np.finfo(plain).smallest_subnormal, np.finfo(plain).max
    values = np.array([-big, -2, -1.5, -1, -tiny * 1000, -tiny, 0, tiny, tiny * 1000, 1, 1.5, 1.99, 2, big], plain)
    keys = np.unique(keys_of(values) >> np.uint64(shift))
    origins, steps = bin_origins(keys, plain, shift)
    assert shift < mantissa
    for offset in {0, 1, (1 << shift) // 2, (1 << shift) - 1} & set(range(1 << shift)):
        inside = values_of((keys << np.uint64(shift)) + np.uint64(offset), plain)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(inside, origins + offset * steps)
