"""The typed face of what looks at neighborhoods; the files that filters.hpp lists bind it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

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
