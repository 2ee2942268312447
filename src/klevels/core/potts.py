"""Potts: how labels are made to agree with their neighbors, with all that is needed to do it block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from klevels.core import smooth
from klevels.core.levels import Levels
from klevels.core.likelihood import Likelihood
from klevels.core.smoothness import fit_potts

SWEEPS = 5


@dataclass(frozen=True, eq=False)
class Potts:
    """How labels are made to agree with their neighbors.

    Parameters
    ----------
    beta : float
        How much a neighbor of another class costs; see `smooth`.
    likelihood : Likelihood
        How well each class explains a gray value, as it was measured.
    """

    beta: float
    likelihood: Likelihood

    @classmethod
    def of(
        cls,
        values: NDArray[Any],
        labels: NDArray[Any],
        model: Levels,
        *,
        beta: float | None = None,
        reestimate: bool = False,
        inside: NDArray[np.bool_] | None = None,
        spacing: Sequence[float] | None = None,
        threads: int | None = None,
    ) -> Self:
        """Choose it from an image, or a part that stands for it.

        Parameters
        ----------
        values : ndarray
            Gray values as they were measured.
        labels : ndarray of uint8 or uint16
            What smoothing begins with.
        model : Levels
            The classes behind the labels.
        beta : float, optional
            β, if it is given; estimated otherwise.
        reestimate : bool
            Whether the likelihood is found anew from the smoothed labels.
        inside : ndarray of bool, optional
            Where voxels count.
        spacing : sequence of float, optional
            The size of a voxel along each axis.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        Potts
            To be applied to any image like it.
        """
        found = Likelihood.of(values, labels, model.n_classes, inside, fallback=model, threads=threads)
        fit = partial(fit_potts, values, labels, found, sweeps=SWEEPS, inside=inside, spacing=spacing, threads=threads)
        strength = fit(reestimate=reestimate)[0] if beta is None else beta
        if reestimate:  # with β as it will be recorded, so that it gives the same when it is given
            found = fit(beta=strength, reestimate=True)[1]
        return cls(strength, found)

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return self.likelihood.n_classes

    def apply(
        self,
        values: NDArray[Any],
        labels: NDArray[Any],
        inside: NDArray[np.bool_] | None = None,
        *,
        spacing: Sequence[float] | None = None,
        origin: Sequence[int] | None = None,
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Change labels that neither their neighbors nor their gray value support.

        Parameters
        ----------
        values : ndarray
            Gray values as they were measured.
        labels : ndarray of uint8 or uint16
            Of the same shape.
        inside : ndarray of bool, optional
            Where voxels count.
        spacing : sequence of float, optional
            The size of a voxel along each axis.
        origin : sequence of int, optional
            Where the first voxel lies in the whole that this is a block of.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        ndarray of uint8 or uint16
            See `smooth`.
        """
        return smooth.smooth(
            values,
            labels,
            self.likelihood,
            beta=self.beta,
            sweeps=SWEEPS,
            inside=inside,
            spacing=spacing,
            origin=origin,
            threads=threads,
        )


def halo(ndim: int) -> tuple[int, ...]:
    """Return how far `Potts.apply` looks along each axis.

    Parameters
    ----------
    ndim : int
        2 or 3.

    Returns
    -------
    tuple of int
        In voxels.
    """
    return smooth.halo(ndim, sweeps=SWEEPS)
