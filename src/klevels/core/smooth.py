"""Labels that agree with their neighbors: a Potts model, and the classes' likelihoods of gray values."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core import _filters
from klevels.core.likelihood import Likelihood
from klevels.core.neighbors import UNIT, LabelVolume, Neighbors, weights_of
from klevels.core.voxels import count_threads
from klevels.errors import ParameterError

MOST_SWEEPS = 100


def smooth(
    values: NDArray[Any],
    labels: NDArray[Any],
    likelihood: Likelihood,
    *,
    beta: float,
    neighbors: Neighbors = "all",
    sweeps: int = 5,
    inside: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    origin: Sequence[int] | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Change labels that neither their neighbors nor their gray value support.

    Parameters
    ----------
    values : ndarray, shape (y, x) or (z, y, x)
        Gray values of any dtype that `histogram` takes. Best as measured: their noise should not depend on that of
        their neighbors, as it does after denoising.
    labels : ndarray of uint8 or uint16
        Of the same shape: what to begin with, such as `Levels.classify` of a denoised image.
    likelihood : Likelihood
        How well each class explains a gray value.
    beta : float
        How much a neighbor of another class costs, in nats; see `estimate_beta`. 0 returns the labels as they are, also
        where another class would explain the gray value better.
    neighbors : {"faces", "all"}
        Only voxels that share a face (4 in an image, 6 in a volume), or all around (8 and 26).
    sweeps : int
        How often each voxel is looked at, 1 to 100. Most of what changes does so in the first two.
    inside : ndarray of bool, optional
        Where voxels count; all by default. Others, voxels of NaN, and those that have the ignore label keep their label
        and are no neighbors.
    spacing : sequence of float, optional
        The size of a voxel along each axis, in any unit; all equal by default.
    origin : sequence of int, optional
        Where the first voxel lies in the whole that this is a block of; all 0 by default.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    ndarray of uint8 or uint16
        Of the shape and dtype of `labels`.

    Raises
    ------
    ParameterError
        If an argument is outside its range, or a label has no class.
    DataError
        If the shapes differ, or are not those of an image or a volume.
    DataTypeError
        If the labels are neither uint8 nor uint16, or the image's dtype has no gray levels.

    Notes
    -----
    Lowers the energy: the sum over voxels of ``(g - mean)**2 / (2 * spread**2) + log(spread)``, with gray value g and
    the mean and spread of the voxel's class, plus beta times the weights of all pairs of neighbors of different classes
    [1]_. A pair's weight is the least distance between neighbors over its own (for cubes 1, 0.71 over edges, 0.58 over
    corners), rounded to 1/2048. At the ends of the array there are fewer neighbors.

    By iterated conditional modes [2]_: in turn, each voxel takes the class that costs least, given its neighbors. Among
    equals it keeps its own, or takes the lowest. So the energy never rises. Voxels take turns by color, all of one
    color at once: for "faces" the colors of a checkerboard, for "all" the parities of z, y and x, along a Gray code.
    The color depends on the position in the whole, and the number of sweeps is fixed; so a block that is enlarged by
    `halo` gets the labels of the whole, to the bit.

    Up to 48 classes are all compared, in vectors. Of more, only those that the neighbors have, or that lie near the
    gray value.

    References
    ----------
    .. [1] S. Z. Li, "Markov Random Field Modeling in Image Analysis", Springer, 2009.
    .. [2] J. Besag, "On the statistical analysis of dirty pictures", J. R. Statist. Soc. B 48(3), 1986.

    Examples
    --------
    >>> values = np.array([[10, 11, 9], [10, 16, 10], [11, 10, 20]], np.uint8)
    >>> labels = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8)
    >>> smooth(values, labels, Likelihood([10, 20], [2, 2]), beta=1.0)
    array([[0, 0, 0],
           [0, 0, 0],
           [0, 0, 1]], dtype=uint8)
    """
    n_sweeps, strength = _checked_sweeps(sweeps), _checked_beta(beta)
    volume = LabelVolume.of(labels, likelihood.n_classes, neighbors, values=values, inside=inside, spacing=spacing)
    start = _checked_origin(origin, labels.ndim)
    n_threads = count_threads(threads)
    if strength == 0:
        return labels.astype(labels.dtype.newbyteorder("="), order="C")
    grays = values if volume.values is None else volume.values
    _filters.smooth_labels(
        volume.labels,
        grays,
        grays.dtype.name,
        likelihood.means,
        likelihood.inverses,
        likelihood.constants,
        strength / UNIT,
        volume.weights,
        neighbors == "faces",
        n_sweeps,
        start,
        n_threads,
    )
    smoothed = volume.labels.reshape(labels.shape).astype(labels.dtype.newbyteorder("="), copy=False)
    if volume.left_out is not None:
        np.copyto(smoothed, labels, where=volume.left_out)
    return smoothed


def halo(
    ndim: int, *, neighbors: Neighbors = "all", sweeps: int = 5, spacing: Sequence[float] | None = None
) -> tuple[int, ...]:
    """Return how far `smooth` looks along each axis.

    Parameters
    ----------
    ndim : int
        2 or 3.
    neighbors : {"faces", "all"}
        As for `smooth`.
    sweeps : int
        As for `smooth`.
    spacing : sequence of float, optional
        Of no influence but that it is checked.

    Returns
    -------
    tuple of int
        In voxels, for each axis.

    Raises
    ------
    ParameterError
        If an argument is outside its range.

    Notes
    -----
    A label depends on those that changed before it, step by step to a neighbor of another color. On a checkerboard,
    each sweep goes through two colors, so that it reaches two voxels. For "all", the parities of z alternate twice in a
    sweep, those of y, too, and those of x four times (in an image: twice); as the first color of a sweep has the same
    parity of y and x as the last, they begin one earlier.

    Examples
    --------
    >>> halo(3, neighbors="faces"), halo(3), halo(2)
    ((10, 10, 10), (10, 11, 21), (10, 11))
    """
    weights_of(ndim, neighbors, spacing)
    n = 2 * _checked_sweeps(sweeps)
    if neighbors == "faces":
        return (n,) * ndim
    return (n, n + 1) if ndim == 2 else (n, n + 1, 2 * n + 1)


def energy(
    values: NDArray[Any],
    labels: NDArray[Any],
    likelihood: Likelihood,
    *,
    beta: float,
    neighbors: Neighbors = "all",
    inside: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
) -> float:
    """Return what `smooth` lowers.

    Parameters
    ----------
    values, labels : ndarray
        As `smooth` takes them.
    likelihood : Likelihood
        How well each class explains a gray value.
    beta : float
        How much a neighbor of another class costs.
    neighbors : {"faces", "all"}
        Which voxels are neighbors.
    inside : ndarray of bool, optional
        Where voxels count.
    spacing : sequence of float, optional
        The size of a voxel along each axis.

    Returns
    -------
    float
        In nats, summed in float64.

    Raises
    ------
    ParameterError, DataError, DataTypeError
        As `smooth`.

    Examples
    --------
    >>> values, labels = np.array([[1, 1, 5]]), np.array([[0, 0, 1]], np.uint8)
    >>> round(energy(values, labels, Likelihood([1, 4], [1, 1]), beta=0.25), 12)
    0.75
    """
    strength = _checked_beta(beta)
    volume = LabelVolume.of(labels, likelihood.n_classes, neighbors, values=values, inside=inside, spacing=spacing)
    grays, classes = values if volume.values is None else volume.values, volume.labels
    ignore = np.iinfo(classes.dtype).max
    counts = classes != ignore
    at, z = classes[counts], grays.reshape(classes.shape)[counts].astype(np.float64)
    z = (z - likelihood.means[at]) * likelihood.inverses[at]
    total = float((z * z + np.log(likelihood.spreads)[at]).sum())
    n_pairs = 0
    for place, weight in enumerate(volume.weights[:13]):  # the other half are the same pairs
        steps = (place // 9 - 1, place // 3 % 3 - 1, place % 3 - 1)
        here, there = classes[_shifted(steps, 1)], classes[_shifted(steps, -1)]
        n_pairs += weight * int(np.count_nonzero((here != there) & (here != ignore) & (there != ignore)))
    return total + strength * (n_pairs / UNIT)


def _shifted(steps: tuple[int, ...], sign: int) -> tuple[slice, ...]:
    return tuple(slice(max(0, sign * step), min(0, sign * step) or None) for step in steps)


def _checked_beta(beta: float) -> float:
    if not (math.isfinite(beta) and beta >= 0):
        raise ParameterError(f"beta is {beta}; give 0 or more, or let it be estimated")
    return float(beta)


def _checked_sweeps(sweeps: int) -> int:
    try:
        number = operator.index(sweeps)
    except TypeError:
        number = 0
    if not 1 <= number <= MOST_SWEEPS:
        raise ParameterError(f"sweeps is {sweeps!r}; give an integer from 1 to {MOST_SWEEPS}")
    return number


def _checked_origin(origin: Sequence[int] | None, ndim: int) -> tuple[int, int, int]:
    start = [0] * ndim if origin is None else [operator.index(position) for position in origin]
    if len(start) != ndim or min(start) < 0:
        raise ParameterError(f"origin is {origin!r}; give a position of 0 or more for each of {ndim} axes")
    return start[0], start[1] if ndim == 3 else 0, start[-1]
