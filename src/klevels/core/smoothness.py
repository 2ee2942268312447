"""How smooth labels are, and with which strength to smooth them: the Potts model's beta."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core import _filters
from klevels.core.likelihood import Likelihood
from klevels.core.neighbors import UNIT, LabelVolume, Neighbors
from klevels.core.smooth import smooth
from klevels.core.voxels import count_threads
from klevels.errors import ParameterError

MOST_BETA = 3.0
"""Where labels are so smooth that they set no bound."""
BETA_STEPS = 1024
"""Beta is found to 1/1024: exponentials may differ in their last bits from one machine to the next."""
MOST_ROUNDS = 100


def estimate_beta(
    labels: NDArray[Any],
    *,
    n_classes: int,
    neighbors: Neighbors = "all",
    inside: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    threads: int | None = None,
) -> float:
    """Estimate how much a neighbor of another class costs, from labels alone.

    Parameters
    ----------
    labels : ndarray of uint8 or uint16, shape (y, x) or (z, y, x)
        Voxels that have the ignore label do not count.
    n_classes : int
        How many classes there are.
    neighbors : {"faces", "all"}
        As for `smooth`, for which the estimate is meant.
    inside : ndarray of bool, optional
        Where voxels count.
    spacing : sequence of float, optional
        The size of a voxel along each axis.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    float
        The beta from 0 to 3 under which the labels are the most likely, to 1/1024. 3 where nothing speaks against more,
        such as a single class; 0 where no voxel has a neighbor.

    Raises
    ------
    ParameterError, DataError, DataTypeError
        As `smooth`.

    Notes
    -----
    Maximizes the pseudo-likelihood [1]_ of the voxels in whose neighborhood at most two classes meet. Given that it is
    of one of the two, such a voxel has its label with the probability ``1 / (1 + exp(-beta * d))``, where d is the
    weight of the neighbors of its class less that of the others. Where three classes meet is often but a film, one
    voxel thick, of voxels that are in part of the darkest and in part of the brightest: no class of its own that would
    avoid borders. Films would lower the estimate by more than half.

    The labels enter by how often each d occurs, in integers, so that the order of voxels changes no bit.

    References
    ----------
    .. [1] J. Besag, "Statistical analysis of non-lattice data", The Statistician 24(3), 1975.

    Examples
    --------
    >>> rough = np.array([[0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]], np.uint8)
    >>> estimate_beta(rough, n_classes=2) < estimate_beta(np.repeat(rough, 4, axis=0), n_classes=2)
    True
    """
    volume = LabelVolume.of(labels, n_classes, neighbors, inside=inside, spacing=spacing)
    counts = _filters.count_leads(volume.labels, n_classes, volume.weights, count_threads(threads))
    return beta_of_leads(counts)


def beta_of_leads(counts: NDArray[np.int64]) -> float:
    """Return the beta under which labels are the most likely.

    Parameters
    ----------
    counts : ndarray of int64, shape (2 * n + 1,)
        How many voxels have neighbors of their class of a weight that exceeds that of the others by -n to n 2048ths.

    Returns
    -------
    float
        See `estimate_beta`.
    """
    occupied = np.flatnonzero(counts)
    leads, n_voxels = (occupied - len(counts) // 2) / UNIT, counts[occupied].astype(np.float64)
    first, last = 0, int(MOST_BETA * BETA_STEPS)
    while first < last:  # the slope falls with beta
        middle = (first + last + 1) // 2
        slope = float((n_voxels * leads / (1 + np.exp(leads * (middle / BETA_STEPS)))).sum())
        first, last = (middle, last) if slope > 0 else (first, middle - 1)
    return first / BETA_STEPS


def fit_potts(
    values: NDArray[Any],
    labels: NDArray[Any],
    likelihood: Likelihood,
    *,
    neighbors: Neighbors = "all",
    sweeps: int = 5,
    rounds: int = 3,
    beta: float | None = None,
    reestimate: bool = False,
    inside: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    threads: int | None = None,
) -> tuple[float, Likelihood]:
    """Choose beta, and the likelihoods if wanted, by smoothing and estimating in turns.

    Parameters
    ----------
    values, labels : ndarray
        As `smooth` takes them.
    likelihood : Likelihood
        How well each class explains a gray value.
    neighbors : {"faces", "all"}
        Which voxels are neighbors.
    sweeps : int
        Of each smoothing.
    rounds : int
        How often to smooth, 0 to 100. After three, beta changes but little.
    beta : float, optional
        β, if it is given and only the likelihood is to be found.
    reestimate : bool
        Whether the means and spreads of the classes are found anew from the smoothed labels: a hidden Markov random
        field [1]_.
    inside : ndarray of bool, optional
        Where voxels count.
    spacing : sequence of float, optional
        The size of a voxel along each axis.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    tuple of float and Likelihood
        What to hand to `smooth`, together with the labels as they were. The likelihood is the one given, unless it was
        to be found anew.

    Raises
    ------
    ParameterError, DataError, DataTypeError
        As `smooth`.

    Notes
    -----
    Noise makes labels rougher than the material, and `estimate_beta` too low. Smoothed with it, they are less rough,
    and the next estimate is better. Each round smooths the labels that were given, so that no error is carried on.

    References
    ----------
    .. [1] Y. Zhang, M. Brady and S. Smith, "Segmentation of brain MR images through a hidden Markov random field model
       and the expectation-maximization algorithm", IEEE Trans. Med. Imaging 20(1), 2001.

    Examples
    --------
    >>> truth = np.repeat([[0] * 16, [1] * 16], 8, axis=0).astype(np.uint8)
    >>> values = 10.0 * truth + np.random.default_rng(0).normal(0, 4, truth.shape)
    >>> labels = (values > 5).astype(np.uint8)
    >>> beta, found = fit_potts(values, labels, Likelihood([0, 10], [4, 4]))
    >>> int((labels != truth).sum()), int((smooth(values, labels, found, beta=beta) != truth).sum())
    (35, 0)
    """
    try:
        n_rounds = operator.index(rounds)
    except TypeError:
        n_rounds = -1
    if not 0 <= n_rounds <= MOST_ROUNDS:
        raise ParameterError(f"rounds is {rounds!r}; give an integer from 0 to {MOST_ROUNDS}")

    def estimated(some: NDArray[Any]) -> float:
        return estimate_beta(
            some, n_classes=likelihood.n_classes, neighbors=neighbors, inside=inside, spacing=spacing, threads=threads
        )

    strength, found = estimated(labels) if beta is None else beta, likelihood
    for _ in range(n_rounds):
        smoothed = smooth(
            values,
            labels,
            found,
            beta=strength,
            neighbors=neighbors,
            sweeps=sweeps,
            inside=inside,
            spacing=spacing,
            threads=threads,
        )
        strength = estimated(smoothed) if beta is None else beta
        if reestimate:
            found = found.again(values, smoothed, inside, threads=threads)
    return strength, found
