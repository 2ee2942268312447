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
def count_colors(
    rows: NDArray[np.uint8], mask: NDArray[np.uint8] | None, n_threads: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...
def label_by_colors(
    rows: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    colors: NDArray[np.uint8],
    labels: NDArray[np.uint16],
    ignore: int,
    n_threads: int,
    out: Array,
) -> None: ...
def paint(labels: Array, table: NDArray[np.uint8], n_threads: int, out: NDArray[np.uint8]) -> None: ...

class ColorBins:
    def __init__(self, n_channels: int, limit: int) -> None: ...
    @staticmethod
    def of(
        limit: int,
        shift: int,
        bins: NDArray[np.int32],
        counts: NDArray[np.int64],
        rests: NDArray[np.int64],
        squares: NDArray[np.uint64],
    ) -> ColorBins: ...
    def add_rows(self, rows: NDArray[np.int32]) -> None: ...
    def add_bins(self, other: ColorBins) -> None: ...
    def arrays(self) -> tuple[int, NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]: ...

def find_centers(
    rows: NDArray[np.float64],
    weights: NDArray[np.float64],
    k: int,
    seed: int,
    population: int,
    generations: int,
    tolerance: float,
    patience: int,
    n_threads: int,
) -> NDArray[np.float64]: ...
def refine_centers(
    rows: NDArray[np.float64],
    weights: NDArray[np.float64],
    centers: NDArray[np.float64],
    n_threads: int,
    most_passes: int = ...,
    tolerance: float = ...,
) -> tuple[NDArray[np.float64], NDArray[np.uint32], float, int]: ...
def label_rows(
    rows: NDArray[np.float64], centers: NDArray[np.float64], n_threads: int
) -> tuple[NDArray[np.uint32], NDArray[np.float64]]: ...
def dither_by_diffusion(
    image: Array,
    sample: str,
    swap: bool,
    mask: NDArray[np.uint8] | None,
    colors: NDArray[np.float64],
    labels: Array,
    ignore: int,
) -> int: ...
def dither_by_ranks(
    image: Array,
    sample: str,
    swap: bool,
    mask: NDArray[np.uint8] | None,
    colors: NDArray[np.float64],
    ranks: NDArray[np.uint16],
    labels: Array,
    ignore: int,
    n_threads: int,
) -> int: ...
def instruction_set() -> str: ...
