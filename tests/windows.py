"""What every lazy array must keep: its parts are those of the whole, wherever and by whomever they are read."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.lazy import LazyArray


def windows_of(shape: tuple[int, ...], n: int = 12) -> list[tuple[slice, ...]]:
    """Return seeded windows, the whole among them."""
    rng = np.random.default_rng(sum(shape))
    found = [tuple(slice(0, one) for one in shape)]
    for _ in range(n):
        ends = [np.sort(rng.choice(one + 1, 2, replace=False)) for one in shape]
        found.append(tuple(slice(int(low), int(high)) for low, high in ends))
    return found


def check_lazy(data: Any, whole: NDArray[Any]) -> None:
    """Assert that an array is lazy and equal to `whole`: in windows, in threads, pickled, and as an array."""
    assert isinstance(data, LazyArray)
    assert (data.shape, data.dtype) == (whole.shape, whole.dtype)
    assert data.dtype.isnative
    copy = pickle.loads(pickle.dumps(data))
    assert len(pickle.dumps(data)) < 4096, "the voxels must not travel"
    for window in windows_of(whole.shape):
        for one in (data, copy):
            np.testing.assert_array_equal(one.read(window), whole[window])
    with ThreadPoolExecutor(4) as pool:
        for window, part in zip(windows_of(whole.shape), pool.map(data.read, windows_of(whole.shape)), strict=True):
            np.testing.assert_array_equal(part, whole[window])
    np.testing.assert_array_equal(np.asarray(copy), whole)
    assert np.asarray(copy).dtype == whole.dtype
