"""Hypothesis strategies: histograms, images of every dtype, and the ways in which an array can lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

Array = NDArray[Any]

DTYPES = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "i8", "f2", "f4", "f8")
ORDERED_DTYPES = tuple(f"{order}{code}" for code in DTYPES for order in ("<>" if code[-1] not in "?1" else "|"))


@st.composite
def weighted_levels(
    draw: st.DrawFn, *, max_levels: int = 8, min_levels: int = 1, span: int = 40, max_count: int = 6
) -> tuple[list[int], list[int]]:
    """Distinct increasing whole levels and their counts."""
    levels = draw(st.lists(st.integers(-span, span), min_size=min_levels, max_size=max_levels, unique=True))
    counts = draw(st.lists(st.integers(1, max_count), min_size=len(levels), max_size=len(levels)))
    return sorted(levels), counts


def gray_images(dtype: str, *, max_dims: int = 3, max_side: int = 6) -> st.SearchStrategy[Array]:
    """Images of a dtype; floats are finite, and -0, subnormal numbers and extremes are among them."""
    shapes = nps.array_shapes(min_dims=1, max_dims=max_dims, max_side=max_side)
    return nps.arrays(np.dtype(dtype), shapes, elements=elements_of(dtype))


def elements_of(dtype: str) -> st.SearchStrategy[Any] | None:
    """Finite values of a dtype."""
    if np.dtype(dtype).kind != "f":
        return None
    return nps.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False)


def _in_record(array: Array) -> Array:
    records = np.zeros(array.shape, [("pad", "u1"), ("value", array.dtype)])  # packed: not aligned
    records["value"] = array
    return records["value"]


def _strided(array: Array) -> Array:
    wide = np.zeros([2 * side for side in array.shape], array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def _reversed(array: Array) -> Array:
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[backwards])[backwards]


def _read_only(array: Array) -> Array:
    frozen = array.copy()
    frozen.setflags(write=False)
    return frozen


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": _strided,
    "negative strides": _reversed,
    "axes swapped": lambda array: np.ascontiguousarray(np.swapaxes(array, 0, -1)).swapaxes(0, -1),
    "record field": _in_record,
    "read-only": _read_only,
}
"""Each returns an array of equal values that lies otherwise in memory."""
