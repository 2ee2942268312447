"""Triangles: the surface of a mask, smoother places, and fewer of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from klevels.core import _measures
from klevels.core.voxels import count_threads
from klevels.errors import DataError

PASS_BAND = 0.1
"""Of the windowed sinc: waves that are shorter than about ten voxels are taken away."""
AT_END = 0.999
"""So much of the waves at the end of the pass band is left."""
BLOCK = 6_000
"""So many triangles are merged at a time: what is known of them stays in the processor's cache."""
MOST_CORNERS = 2**31 - 1
"""Of triangles that can be reduced."""
Vertices = NDArray[np.float32]
Faces = NDArray[np.int32]


def contoured(mask: NDArray[np.bool_], threads: int | None = None) -> tuple[Vertices, Faces]:
    """Return the surface around the voxels of a mask.

    Parameters
    ----------
    mask : ndarray of bool
        A volume in the order z, y, x, C-contiguous.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    vertices : ndarray of float32, shape (n, 3)
        In voxels; the center of the first voxel is at 0.
    faces : ndarray of int32, shape (m, 3)
        Three vertices each; the cross product of two successive edges points outward.

    Raises
    ------
    DataError
        If there are more vertices than 32 bits can number.
    """
    try:
        return _measures.contour(mask.view(np.uint8), count_threads(threads))
    except OverflowError as error:
        raise DataError(str(error)) from error


def smooth(vertices: Vertices, faces: Faces, n_iterations: int, threads: int | None = None) -> None:
    """Move vertices to smoother places.

    Parameters
    ----------
    vertices : ndarray of float32, shape (n, 3)
        They are changed.
    faces : ndarray of int32, shape (m, 3)
        Triangles of a closed surface.
    n_iterations : int
        The degree of the polynomial that stands for the windowed sinc.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    """
    weights = sinc_weights(n_iterations)
    weights[0] -= 1
    # What is left of each position, less the position, is a multiple of how far the mean of the neighbors is ahead.
    steps = np.polynomial.chebyshev.chebdiv(weights, [-2, 2])[0]
    _measures.smooth_triangles(vertices, faces, steps.tolist(), count_threads(threads))


def sinc_weights(degree: int) -> NDArray[np.float64]:
    """Return the polynomial that lets long waves pass, in Chebyshev's polynomials.

    Parameters
    ----------
    degree : int
        Of the polynomial, 1 or more.

    Returns
    -------
    ndarray of float64, shape (degree + 1,)
        Weights. The argument is 1 less half of the Laplacian's eigenvalue; the polynomial is nearly 1 in the pass band.
    """
    order = np.arange(degree + 1)
    turns = order * np.pi / (degree + 1)
    # Nuttall's window: what does not pass is damped most of all.
    window = 0.355768 + 0.487396 * np.cos(turns) + 0.144232 * np.cos(2 * turns) + 0.012604 * np.cos(3 * turns)
    angle = math.acos(1 - PASS_BAND / 2)

    def weights(shift: float) -> NDArray[np.float64]:
        sines = np.sin(order * (angle + shift)) / np.maximum(order, 1)
        found: NDArray[np.float64] = window * np.where(order, 2 * sines, angle + shift) / np.pi
        return found

    low, high = 0.0, math.pi - angle
    for _ in range(60):
        middle = (low + high) / 2
        at_end = float((weights(middle) * np.cos(order * angle)).sum())
        low, high = (middle, high) if at_end < AT_END else (low, middle)
    found = weights(high)
    found /= found.sum()  # what all vertices have in common stays as it is
    return found


def decimated(vertices: Vertices, faces: Faces, n_faces: int, threads: int | None = None) -> tuple[Vertices, Faces]:
    """Return at most so many triangles of much the same surface.

    Parameters
    ----------
    vertices : ndarray of float32, shape (n, 3)
        Of a closed surface. They are changed.
    faces : ndarray of int32, shape (m, 3)
        Its triangles. They are changed, too.
    n_faces : int
        How many may remain.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    vertices, faces : ndarray
        Of a closed surface with as many parts and holes.

    Raises
    ------
    DataError
        If so few cannot close it, or there are too many.
    """
    if faces.size > MOST_CORNERS:
        raise DataError(f"{len(faces):,} triangles are too many to reduce; thin the labels, or cut out a part")
    n_vertices, n_left = _measures.decimate(vertices, faces, n_faces, BLOCK, count_threads(threads))
    if n_left > n_faces:
        enough = n_left + n_left // 100  # the order in which edges are merged depends on how many are to be left
        raise DataError(
            f"{n_faces} triangles cannot close the surface with all its parts and holes; allow {enough} or more "
            f"(n_faces, --faces), or smooth the labels first"
        )
    return vertices[:n_vertices].copy(), faces[:n_left].copy()
