"""The typed face of what measures labels; the files that measures.hpp lists bind it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Place = tuple[int, int, int]

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
def count_faces(
    labels: Array,
    begin: Place,
    end: Place,
    n_labels: int,
    weights: tuple[float, float, float],
    n_threads: int,
    out: NDArray[np.int64],
) -> None: ...
def count_object_faces(
    labels: Array,
    ids: NDArray[np.uint32],
    begin: Place,
    end: Place,
    n_labels: int,
    weights: tuple[float, float, float],
    n_threads: int,
    out: NDArray[np.int64],
) -> None: ...
def count_labels(
    labels: Array,
    rings: NDArray[np.int32] | None,
    n_threads: int,
    z: NDArray[np.int64],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    radial: NDArray[np.int64],
) -> None: ...
def sum_grays(
    labels: Array,
    gray: Array,
    low: float,
    scale: float,
    rings: NDArray[np.int32] | None,
    n_threads: int,
    z: NDArray[np.int64],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    radial: NDArray[np.int64],
) -> None: ...
def contour(mask: NDArray[np.uint8], n_threads: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]: ...
def decimate(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], n_faces: int, n_in_block: int, n_threads: int
) -> tuple[int, int]: ...
def smooth_triangles(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], weights: list[float], n_threads: int
) -> None: ...
def measure_triangles(
    vertices: Array, faces: Array, middle: tuple[float, float, float], n_threads: int
) -> tuple[float, float]: ...
def is_closed(faces: Array, n_vertices: int, n_threads: int) -> bool: ...
