"""The typed face of what looks at neighborhoods; the files that filters.hpp lists bind it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
