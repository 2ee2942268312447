"""The typed face of what measures labels; the files that measures.hpp lists bind it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Place = tuple[int, int, int]

def count_faces(
    labels: Array,
    ids: NDArray[np.uint32] | None,
    begin: Place,
    end: Place,
    n_labels: int,
    weights: tuple[float, float, float],
    n_threads: int,
    out: NDArray[np.int64],
) -> None: ...
