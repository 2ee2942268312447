"""Levels: classes of gray levels, with the thresholds that label an image."""

from __future__ import annotations

import math
import operator
import os
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from klevels.core.exact import ExactSums
from klevels.core.histogram import Histogram
from klevels.core.labels import label_voxels, paint_labels
from klevels.core.model_files import as_json, read_json, write_text
from klevels.errors import ParameterError

MAX_CLASSES = 65535
"""Labels are uint16 at most, and one label is kept for voxels that are left out."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Classes of gray levels: where each begins and ends, its center, and how much of the data it holds.

    Made by `fit_levels`, `fit_path` or `Levels.load`. The thresholds decide, not the centers.

    Parameters
    ----------
    centers : ndarray of float64, shape (n_classes,)
        The mean gray value of each class, increasing.
    thresholds : ndarray of float64, shape (n_classes - 1,)
        A value on a threshold belongs to the lower class.
    counts : ndarray of int64, shape (n_classes,)
        How many voxels each class held when it was fitted.
    inertia : float
        Sum of squared differences between the voxels and their centers, in squared gray values, from exact arithmetic.
    total_inertia : float
        The same for a single class.
    excess_bound : float or None
        How far above the optimum the inertia can be at most: 0.0 wherever every gray level was counted on its own,
        None where the thresholds were not fitted to this data.
    noise_threshold : float, optional
        Where noise ends, if it was split off: class 0 is then the noise and `thresholds[0]` this value.

    Examples
    --------
    >>> import klevels
    >>> levels = klevels.fit_levels(klevels.histogram([0, 1, 8, 9]), k=2)
    >>> levels.classify([[0, 4], [5, 9]])
    array([[0, 0],
           [1, 1]], dtype=uint8)
    """

    centers: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    counts: NDArray[np.int64]
    inertia: float
    total_inertia: float
    excess_bound: float | None = 0.0
    noise_threshold: float | None = None

    def __post_init__(self) -> None:
        for name, dtype in (("centers", np.float64), ("thresholds", np.float64), ("counts", np.int64)):
            array = np.array(getattr(self, name), dtype=dtype)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
            if array.ndim != 1:
                raise ParameterError(f"{name} have {array.ndim} axes; give a list of numbers")
        n = len(self.centers)
        if not 1 <= n <= MAX_CLASSES or len(self.thresholds) != n - 1 or len(self.counts) != n:
            raise ParameterError(
                f"there are {n} centers, {len(self.thresholds)} thresholds and {len(self.counts)} counts; "
                f"give n centers and counts and n - 1 thresholds, 1 <= n <= {MAX_CLASSES}"
            )
        least = min(int(self.counts.min()), self.inertia, self.total_inertia)
        if not np.isfinite(self.centers).all() or not least >= 0 or math.isnan(self.inertia + self.total_inertia):
            raise ParameterError("a center is not finite, or a count or an inertia is negative; fit again")
        if self.noise_threshold is not None and self.noise_threshold not in self.thresholds[:1]:
            raise ParameterError(f"noise_threshold is {self.noise_threshold}; give the first threshold, or None")
        if np.isnan(self.thresholds).any() or (self.thresholds[1:] < self.thresholds[:-1]).any():
            raise ParameterError(f"thresholds are {self.thresholds.tolist()}; give them in increasing order")

    @property
    def n_classes(self) -> int:
        """How many classes there are, the noise included."""
        return len(self.centers)

    @property
    def k(self) -> int:
        """How many classes the signal was clustered into: all but the noise."""
        return self.n_classes - (self.noise_threshold is not None)

    @property
    def fractions(self) -> NDArray[np.float64]:
        """The share of each class in the voxels counted. Shape (n_classes,)."""
        return self.counts / max(1, int(self.counts.sum()))

    @property
    def explained_variance(self) -> float:
        """The goodness of variance fit, 1 - inertia / total_inertia; 1.0 where there is no variance to explain."""
        return 1.0 - self.inertia / self.total_inertia if self.total_inertia > 0 else 1.0

    def classify(
        self,
        image: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        out: NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Label each voxel with the number of thresholds below its gray value.

        Parameters
        ----------
        image : array_like
            Of any dtype that `histogram` takes.
        mask : array_like of bool or int, optional
            Of the image's shape: True, or nonzero, where a voxel counts.
        out : ndarray of uint8 or uint16, optional
            Where to put the labels, of the image's shape.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        ndarray of uint8 or uint16
            `out` if it is given, else an array of the image's shape and memory layout. Labels are 0 (darkest, or noise)
            to n_classes - 1; uint16 beyond 255 classes. Voxels outside the mask, and NaN, get the greatest number of
            the dtype: 255, or 65535.

        Raises
        ------
        DataTypeError
            If the dtype has no gray levels.
        DataError
            If the image is empty, or the mask has another shape.
        ParameterError
            If `out` has another shape or dtype than the labels.

        Notes
        -----
        A value on a threshold belongs to the lower class: ``numpy.searchsorted(thresholds, value, side="left")``.
        """
        return label_voxels(image, self.thresholds, mask=mask, out=out, threads=threads)

    def paint(self, labels: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
        """Give each voxel its center's gray.

        Parameters
        ----------
        labels : ndarray of uint8 or uint16
            As `classify` returns them.
        dtype : dtype
            Of the picture. Centers are rounded to the nearest integer of an integer dtype, halves to even.

        Returns
        -------
        ndarray
            Of the shape of `labels`; voxels left out are 0, or NaN in a float dtype.

        Raises
        ------
        ParameterError
            If a label has no class.
        """
        return paint_labels(labels, self.centers, np.dtype(dtype))

    def with_thresholds(self, thresholds: ArrayLike) -> Self:
        """Return the same classes with thresholds moved by hand.

        Parameters
        ----------
        thresholds : array_like of float, shape (n_classes - 1,)
            In increasing order. The first is the noise threshold, if noise was split off.

        Returns
        -------
        Levels
            With centers, counts and inertia as they were fitted; `on` counts anew.

        Raises
        ------
        ParameterError
            If the thresholds are not n_classes - 1 increasing numbers.
        """
        moved = np.asarray(thresholds, np.float64)
        noise = float(moved[0]) if self.noise_threshold is not None and moved.size else self.noise_threshold
        return replace(self, thresholds=moved, noise_threshold=noise)

    def on(self, histogram: Histogram, counts: NDArray[np.int64] | None = None) -> Self:
        """Return the same classes with the counts and the inertia of other data.

        Parameters
        ----------
        histogram : Histogram
            Of the data that the classes are applied to, or of the same data after thresholds were moved.
        counts : ndarray of int64, shape (n_classes,), optional
            The voxels of each class, where they were counted from labels. Otherwise a bin of binned data counts with
            the class of its least value.

        Returns
        -------
        Levels
            With the centers and thresholds of this one. The inertia is that about these centers, which nothing bounds:
            `excess_bound` is None. In binned data, a bin that a threshold divides counts as a whole in the inertia.
        """
        inner = np.searchsorted(histogram.bounds[0], self.thresholds, side="right").tolist()
        edges = [0, *inner, histogram.n_levels]
        sums = ExactSums(histogram, edges)
        runs = sums.runs(edges)
        return replace(
            self,
            counts=np.array([run.count for run in runs], np.int64) if counts is None else counts,
            inertia=sums.inertia_about(runs, self.centers.tolist()),
            total_inertia=sums.inertia(sums.runs([0, histogram.n_levels])),
            excess_bound=None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON.

        Returns
        -------
        dict
            Whose floats read back to the same bits. An inertia beyond float64 is None: JSON has no infinity.
        """
        return {
            "centers": self.centers.tolist(),
            "thresholds": self.thresholds.tolist(),
            "counts": self.counts.tolist(),
            "inertia": _finite(self.inertia),
            "total_inertia": _finite(self.total_inertia),
            "excess_bound": self.excess_bound,
            "noise_threshold": self.noise_threshold,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the Levels that `to_dict` described.

        Parameters
        ----------
        stored : dict
            From `to_dict`.

        Returns
        -------
        Levels
            The same, to the bit.

        Raises
        ------
        ParameterError
            If a field is missing or of another kind.
        """
        try:
            noise, excess = stored["noise_threshold"], stored["excess_bound"]
            return cls(
                np.asarray(stored["centers"], np.float64),
                np.asarray(stored["thresholds"], np.float64),
                np.array([operator.index(count) for count in stored["counts"]], np.int64),
                inertia=math.inf if stored["inertia"] is None else float(stored["inertia"]),
                total_inertia=math.inf if stored["total_inertia"] is None else float(stored["total_inertia"]),
                excess_bound=None if excess is None else float(excess),
                noise_threshold=None if noise is None else float(noise),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ParameterError(f"not a klevels model: {error!r}; give what Levels.to_dict returned") from error

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to a JSON file.

        Parameters
        ----------
        path : str or path-like
            Where to write; written whole, or not at all.
        overwrite : bool
            Whether to replace a file that is there.
        """
        write_text(path, as_json("model", self.to_dict()), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or path-like
            A JSON file.

        Returns
        -------
        Levels
            The same, to the bit.

        Raises
        ------
        ReadError
            If the file does not hold a model; InputMissingError if there is no such file.
        """
        return read_json(path, "model", cls.from_dict)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
