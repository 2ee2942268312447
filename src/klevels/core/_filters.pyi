"""The typed face of what looks at neighborhoods; the files that filters.hpp lists bind it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Triple = tuple[float, float, float]

def diffuse(
    values: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    strength: float,
    n_steps: int,
    closeness: Triple,
    n_threads: int,
    out: NDArray[Any],
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
