"""The typed face of what looks at neighborhoods; the files that filters.hpp lists bind it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Triple = tuple[float, float, float]

def diffuse(
    values: Array,
    inside: NDArray[np.uint8] | None,
    strength: float,
    n_steps: int,
    closeness: Triple,
    n_threads: int,
    out: Array,
) -> None: ...
def median(
    image: Array, kind: str, radii: Sequence[int], inside: NDArray[np.uint8] | None, out: Array, n_threads: int
) -> None: ...
def mix_patches(
    image: Array,
    inside: NDArray[np.uint8] | None,
    out: Array,
    offsets: NDArray[np.int64],
    shares: NDArray[np.float32],
    patch: tuple[int, int, int],
    strength: float,
    noise: float,
    cutoff: float,
    n_threads: int,
) -> None: ...
def total_variation(
    values: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    strength: float,
    n_steps: int,
    closeness: Triple,
    n_threads: int,
    out: NDArray[Any],
) -> None: ...
def smooth_labels(
    labels: NDArray[Any],
    values: NDArray[Any],
    number: str,
    means: NDArray[np.float64],
    inverses: NDArray[np.float64],
    constants: NDArray[np.float64],
    beta: float,
    weights: list[int],
    checkerboard: bool,
    sweeps: int,
    origin: tuple[int, int, int],
    n_threads: int,
) -> None: ...
def count_leads(labels: NDArray[Any], n_classes: int, weights: list[int], n_threads: int) -> NDArray[np.int64]: ...
