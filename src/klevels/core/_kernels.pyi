"""The typed face of the compiled part; src/kernels/module.cpp binds it, and kernels.hpp says what each does."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Bins = tuple[int, NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64], int, int]

def tally(image: Array, mask: Array | None, n_threads: int) -> NDArray[np.int64]: ...
def count_bins(image: Array, number: str, swap: bool, mask: Array | None, limit: int, n_threads: int) -> Bins: ...
def merge_bins(
    shift_a: int,
    keys_a: NDArray[np.uint64],
    counts_a: NDArray[np.int64],
    rests_a: NDArray[np.uint64],
    shift_b: int,
    keys_b: NDArray[np.uint64],
    counts_b: NDArray[np.int64],
    rests_b: NDArray[np.uint64],
    limit: int,
    /,
) -> Bins: ...
def label_by_thresholds(
    image: Array,
    labels: Array,
    number: str,
    swap: bool,
    mask: Array | None,
    thresholds: Array,
    first: int,
    ignore: int,
    n_threads: int,
) -> None: ...
def label_by_table(
    image: Array, labels: Array, mask: Array | None, table: NDArray[np.uint16], ignore: int, n_threads: int
) -> None: ...
def optimal_cuts(
    counts: NDArray[np.int64],
    offset_high: NDArray[np.float64],
    offset_low: NDArray[np.float64],
    rest_high: NDArray[np.float64],
    rest_low: NDArray[np.float64],
    k: int,
    n_threads: int,
) -> NDArray[np.int32]: ...
def segment_moments(
    counts: NDArray[np.int64], x: NDArray[np.uint64], edges: NDArray[np.int64]
) -> list[tuple[int, int, int, int, int]]: ...
def instruction_set() -> str: ...
