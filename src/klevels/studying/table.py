"""Study, the table of what was tried."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from klevels.image import Image
from klevels.pipeline import segment
from klevels.recipe import Recipe, Segmentation
from klevels.studying.csv_text import as_csv
from klevels.studying.rows import LeftOut, StudyRow

LEAST_GAIN = 0.0005
"""A filter that puts no more than this share of the voxels right is not worth its time."""


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """What denoising, and agreement with neighbors, change in the segmentation of one scan.

    Made by `study`.

    Parameters
    ----------
    rows : tuple of StudyRow
        In the order in which they were tried: no denoising first, each with and without smoothing.
    left_out : tuple of LeftOut
        Filters without a row.
    recipe : Recipe
        What all have in common: k, and how noise and NaN are treated.
    image : Image
        What was studied: the scan, or the middle part of a large one.
    inside : ndarray of bool or None
        Where a voxel of it counts.
    window : tuple of slice
        Which part of the scan it is.
    shape : tuple of int
        Of the whole scan.
    noise : float
        The standard deviation of the scan's noise, in gray values.
    truth : Image
        The labels with which those of each row were compared.
    truth_source : {"given", "simulated"}
        Whether the truth was given, or is that of a simulated scan.
    scored : Image
        What was segmented for that comparison: `image`, or the simulated scan.
    blur : float or None
        Of the simulated scan: the standard deviation of a Gaussian, in voxels of the finest axis.
    seed : int
        Of the noise of the simulated scan.
    """

    rows: tuple[StudyRow, ...]
    left_out: tuple[LeftOut, ...]
    recipe: Recipe
    image: Image
    inside: NDArray[np.bool_] | None
    window: tuple[slice, ...]
    shape: tuple[int, ...]
    noise: float
    truth: Image
    truth_source: Literal["given", "simulated"]
    scored: Image
    blur: float | None = None
    seed: int = 0

    def __repr__(self) -> str:
        best = self.recommended
        return f"Study({len(self.rows)} rows, recommended: {best.name}, misclassified {100 * best.misclassified:.2f} %)"

    @property
    def is_whole(self) -> bool:
        """Whether the whole scan was studied, and not its middle part."""
        return self.image.shape == self.shape

    @cached_property
    def ranked(self) -> tuple[StudyRow, ...]:
        """The rows, best first: by misclassified voxels, and where these are equal in the order of `rows`."""
        return tuple(sorted(self.rows, key=lambda row: row.misclassified))

    @property
    def recommended(self) -> StudyRow:
        """The row with the fewest misclassified voxels, of equal ones the first; none that gains next to nothing."""
        best, plain = self.ranked[0], self.baseline
        gains_nothing = plain is not None and plain.misclassified - best.misclassified < LEAST_GAIN
        return plain if plain is not None and gains_nothing else best

    @property
    def baseline(self) -> StudyRow | None:
        """The row without denoising and smoothing, or None where that failed."""
        plain = (row for row in self.rows if row.filter is None and row.smooth is None)
        return next(plain, None)

    @property
    def reason(self) -> str:
        """Why the recommended row is recommended, in one sentence."""
        best, plain = self.recommended, self.baseline
        if best is plain and best is not self.ranked[0]:
            first = self.ranked[0]
            return (
                f"no denoising misclassifies {100 * best.misclassified:.2f} % of the voxels, and the best, "
                f"{first.name}, {100 * first.misclassified:.2f} %: nothing that matters is gained"
            )
        next_best = next((row for row in self.ranked if row is not plain and row is not best), None)
        of = "of the given truth" if self.truth_source == "given" else "of a simulated scan with this scan's phases"
        shares = [row.misclassified for row in (best, next_best) if row is not None]
        digits = 2 if len({f"{100 * share:.2f}" for share in shares}) == len(shares) else 4
        said = f"{best.name} misclassifies {100 * best.misclassified:.{digits}f} % of the voxels {of}"
        others = []
        if plain is not None and plain is not best:
            others.append(f"no denoising {100 * plain.misclassified:.2f} %")
        if next_best is not None:
            others.append(f"the next best, {next_best.name}, {100 * next_best.misclassified:.{digits}f} %")
        return f"{said}; {' and '.join(others)}" if others else said

    @property
    def about(self) -> str:
        """What was studied: the part of the scan, its noise, and where the truth comes from, in a sentence or two."""
        size, whole = (" × ".join(f"{n:,}" for n in shape) for shape in (self.image.shape, self.shape))
        part = f"the whole scan, {size} voxels" if self.is_whole else f"the middle {size} of {whole} voxels"
        said = f"Studied is {part}, with noise of {self.noise:.4g} gray values."
        if self.truth_source == "given":
            return f"{said} The truth was given."
        return (
            f"{said} The truth is simulated: the scan's own segmentation, blurred by {self.blur:g} voxels, with the "
            f"scan's own noise from elsewhere; errors and edges are those of this simulated scan. Its phases are "
            f"smoother than the real ones, so its errors come out too low: a truth drawn by hand tells more."
        )

    def segmentation(self, row: StudyRow, *, threads: int | None = None) -> Segmentation:
        """Segment what was studied as a row did.

        Parameters
        ----------
        row : StudyRow
            Of this study.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        Segmentation
            The labels that the row was made of, to the bit.
        """
        return segment(self.image, recipe=row.recipe, mask=self.inside, threads=threads)

    def command(
        self,
        path: str,
        output: str,
        *,
        row: StudyRow | None = None,
        mask: str | None = None,
        options: Sequence[str] = (),
    ) -> str:
        """Return the command that segments the scan as a row did.

        Parameters
        ----------
        path : str
            The scan.
        output : str
            The labels.
        row : StudyRow, optional
            The recommended one by default.
        mask : str, optional
            The file of the mask, if there is one.
        options : sequence of str, optional
            More words, for how the file is read.

        Returns
        -------
        str
            Quoted for a shell. Of a scan that was studied whole, it gives the labels of the row to the bit.
        """
        chosen = (row or self.recommended).recipe
        words = ["klevels", "segment", path, "-k", str(chosen.k)]
        if chosen.noise is not None:
            words += ["--noise", str(chosen.noise)]
        if chosen.nan != "error":
            words += ["--nan", chosen.nan]
        if mask is not None:
            words += ["--mask", mask]
        words += options
        if chosen.denoise is not None:
            words += ["--denoise", str(chosen.denoise)]
        if chosen.smooth is not None:
            words += ["--smooth", f"{chosen.smooth:g}"]
        return shlex.join([*words, "-o", output])

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers.

        Returns
        -------
        dict
            Ready for JSON: shape, window (the first and the last voxel along each axis, exclusive), noise, truth, blur,
            seed, recipe, rows, left_out, and recommended, the number of a row, with its reason.
        """
        return {
            "shape": list(self.shape),
            "window": [[part.start, part.stop] for part in self.window],
            "noise": self.noise,
            "truth": self.truth_source,
            "blur": self.blur,
            "seed": self.seed,
            "recipe": self.recipe.to_dict(),
            "rows": [row.to_dict() for row in self.rows],
            "left_out": [
                {"denoise": None if one.filter is None else asdict(one.filter), "reason": one.reason}
                for one in self.left_out
            ],
            "recommended": self.rows.index(self.recommended),
            "reason": self.reason,
        }

    def to_csv(self) -> str:
        """Return the table as comma-separated values, best row first, with units in the first line.

        Returns
        -------
        str
            A line for each row; for each filter that was left out, a line with the reason in the last column.
        """
        return as_csv(self.ranked, self.left_out)
