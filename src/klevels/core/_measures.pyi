"""The typed face of what measures labels; the files that measures.hpp lists bind it."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def find_regions(
    labels: Array,
    chosen: Array,
    connectivity: int,
    gray: Array | None,
    lowest: float,
    highest: float,
    ids: Array | None,
    faces: list[Array | None],
    threads: int,
) -> tuple[Array, int]: ...
def join_pairs(pairs: Array, roots: Array) -> None: ...
