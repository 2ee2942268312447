"""StudyRow, one way to segment a scan and how it did, and LeftOut, one that was not possible."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.agreement import Agreement
from klevels.core.denoise import Filter
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.recipe import Recipe


@dataclass(frozen=True, eq=False)
class StudyRow:
    """One way to segment the scan, and how it did.

    Parameters
    ----------
    recipe : Recipe
        With the filter and its strength, and β; nothing is left to be chosen.
    levels : Levels
        The classes, with the counts of their labels: after smoothing, where that was done.
    histogram : Histogram
        Of the scan as it was segmented.
    separation : float
        The least gap between two centers, in units of the spread within classes, before labels are smoothed.
    valley : float
        How high the valleys of the histogram are between its peaks: 0 for empty ones, 1 for none.
    low_confidence : float
        The share of voxels whose class would be another with half a standard deviation of the remaining noise more, or
        less.
    edges_kept : float
        The height of the steps between the phases of the truth, relative to the scan before it was denoised: 1 if all
        is kept. Of the simulated scan, where the truth is simulated.
    seconds : float
        How long it took.
    agreement : Agreement
        With the truth; of the simulated scan, where the truth is simulated.
    """

    recipe: Recipe
    levels: Levels
    histogram: Histogram
    separation: float
    valley: float
    low_confidence: float
    edges_kept: float
    seconds: float
    agreement: Agreement

    def __repr__(self) -> str:
        return f"StudyRow({self.name}, misclassified {100 * self.misclassified:.2f} %)"

    @property
    def filter(self) -> Filter | None:
        """The filter, or None where the scan was not denoised."""
        chosen = self.recipe.denoise
        return chosen if isinstance(chosen, Filter) else None

    @property
    def smooth(self) -> float | None:
        """The weight β of the Potts model, or None where labels were not smoothed."""
        beta = self.recipe.smooth
        return None if beta is None or beta == "auto" else beta

    @property
    def name(self) -> str:
        """What was done, in a few words."""
        smoothed = "" if self.smooth is None else f", smoothed (β = {self.smooth:g})"
        return f"{'no denoising' if self.filter is None else self.filter}{smoothed}"

    @property
    def misclassified(self) -> float:
        """The share of voxels with another label than the truth."""
        return self.agreement.misclassified

    @property
    def dice(self) -> NDArray[np.float64]:
        """The Dice coefficient of each class of the truth; 1 for a class that is nowhere."""
        return self.agreement.dice

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers of the row.

        Returns
        -------
        dict
            Ready for JSON. What is infinite is None.
        """
        return {
            "denoise": None if self.filter is None else asdict(self.filter),
            "smooth": self.smooth,
            "centers": self.levels.centers.tolist(),
            "fractions": self.levels.fractions.tolist(),
            "explained_variance": self.levels.explained_variance,
            "separation": self.separation if math.isfinite(self.separation) else None,
            "valley": self.valley,
            "low_confidence": self.low_confidence,
            "edges_kept": self.edges_kept,
            "seconds": self.seconds,
            "agreement": self.agreement.to_dict(),
        }


@dataclass(frozen=True)
class LeftOut:
    """A filter that was not tried, or failed.

    Parameters
    ----------
    filter : Filter or None
        The filter; None for no denoising.
    reason : str
        Why.
    """

    filter: Filter | None
    reason: str
