"""The typed face of what measures labels; the files that measures.hpp lists bind it."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def decimate(vertices: Array, faces: Array, n_faces: int) -> tuple[int, int]: ...
