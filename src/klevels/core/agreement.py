"""Agreement: how labels and a truth agree, voxel by voxel, class by class, and as partitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.assignment import best_pairs
from klevels.core.partitions import adjusted_rand_index, conditional_entropies
from klevels.errors import DataError, ParameterError

MOST_NUMBERS = 65536
"""More distinct numbers than this are gray values, not labels."""
MOST_CELLS = 1 << 26
"""A confusion takes at most half a gigabyte."""


@dataclass(frozen=True, eq=False, repr=False)
class Agreement:
    """How often each label lies on each class of a truth, and the measures that follow from it.

    Made by `compare`, or by hand; those of parts of an image are merged with ``+``.

    Parameters
    ----------
    confusion : ndarray of int64, shape (n_labels, n_truth)
        How many voxels have the label of the row and the class of the column.
    labels : ndarray of int64, shape (n_labels,)
        The labels, increasing, none negative.
    truth : ndarray of int64, shape (n_truth,)
        The classes of the truth, increasing, none negative.
    n_ignored : int
        How many voxels were left out.
    matches : ndarray of int64, shape (n_labels,), optional
        The class of the truth that each label stands for, -1 for none; no class twice. By default equal numbers are
        the same class.

    Raises
    ------
    DataError
        If the arrays do not fit each other, a count is negative, or all sum to 2**63 or more.

    Notes
    -----
    A label that stands for no class of the truth is wrong on every voxel. Where nothing was compared, labels and truth
    agree: no measure is ever NaN.

    Examples
    --------
    >>> a = Agreement([[5, 1], [0, 4]], labels=[0, 1], truth=[0, 1])
    >>> a.accuracy, a.dice
    (0.9, array([0.90909091, 0.88888889]))
    """

    confusion: NDArray[np.int64]
    labels: NDArray[np.int64]
    truth: NDArray[np.int64]
    n_ignored: int = 0
    matches: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for name in ("confusion", "labels", "truth", "matches"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, _frozen(given, name))
        _check(self)

    def __repr__(self) -> str:
        size = " × ".join(map(str, self.confusion.shape))
        return f"Agreement(accuracy {self.accuracy:.4f}, confusion {size}, {self.n_voxels:,} voxels)"

    def __add__(self, other: Agreement) -> Agreement:
        """Merge, as if both parts had been compared together."""
        if not isinstance(other, Agreement):
            return NotImplemented
        if self.matches is not None or other.matches is not None:
            raise ParameterError("a matched agreement cannot be merged; add the parts first, and match their sum")
        labels, truth = np.union1d(self.labels, other.labels), np.union1d(self.truth, other.truth)
        check_size(len(labels), len(truth))
        confusion = np.zeros((len(labels), len(truth)), np.int64)
        for one in (self, other):
            confusion[np.ix_(np.searchsorted(labels, one.labels), np.searchsorted(truth, one.truth))] += one.confusion
        return Agreement(confusion, labels, truth, self.n_ignored + other.n_ignored)

    @cached_property
    def n_voxels(self) -> int:
        """How many voxels were compared."""
        return int(self.confusion.sum())

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class of the truth that each label stands for, -1 for none. Shape (n_labels,)."""
        if self.matches is not None:
            return self.matches
        return np.where(np.isin(self.labels, self.truth), self.labels, -1)

    @property
    def accuracy(self) -> float:
        """The share of voxels whose label stands for their class."""
        return self._n_right / self.n_voxels if self.n_voxels else 1.0

    @property
    def misclassified(self) -> float:
        """The share of the other voxels: 1 - accuracy."""
        return (self.n_voxels - self._n_right) / self.n_voxels if self.n_voxels else 0.0

    @property
    def dice(self) -> NDArray[np.float64]:
        """Twice what label and class have in common, by the sum of both. Shape (n_truth,).

        The F1 score of each class of the truth. 1.0 for a class that no voxel has, neither by the truth nor by its
        label: there was nothing to find, and nothing was found.
        """
        return _shares(2 * self._hits, self._labeled + self._true)

    @property
    def jaccard(self) -> NDArray[np.float64]:
        """What label and class have in common, by what has either of them. Shape (n_truth,).

        The intersection over union of each class of the truth; 1.0 for a class that no voxel has, as in `dice`.
        """
        return _shares(self._hits, self._labeled + self._true - self._hits)

    @property
    def adjusted_rand_index(self) -> float:
        """How alike labels and truth divide the voxels, whatever the numbers: 1 if equally, about 0 by chance."""
        return adjusted_rand_index(self.confusion)

    @property
    def conditional_entropies(self) -> tuple[float, float]:
        """H(labels | truth) and H(truth | labels), in bits.

        The first grows where a class of the truth is split into several labels, the second where one label holds
        several classes.
        """
        return conditional_entropies(self.confusion)

    @property
    def variation_of_information(self) -> float:
        """The sum of the two conditional entropies, in bits: 0 where both divide the voxels equally."""
        return sum(self.conditional_entropies)

    def matched(self) -> Agreement:
        """Pair labels with classes of the truth so that most voxels agree, whatever their numbers.

        Returns
        -------
        Agreement
            With `matches`. Where there are more labels than classes, or a label has no voxel in common with what is
            left, it stands for none.

        Notes
        -----
        The assignment of greatest overlap, exactly. It divides nothing anew: adjusted Rand index and variation of
        information stay as they are.

        Examples
        --------
        >>> Agreement([[0, 7], [5, 1]], labels=[0, 1], truth=[10, 20]).matched().classes
        array([20, 10])
        """
        columns = best_pairs(self.confusion)
        return replace(self, matches=np.where(columns < 0, -1, np.append(self.truth, -1)[columns]))

    def to_dict(self) -> dict[str, Any]:
        """Return all counts and measures.

        Returns
        -------
        dict
            Ready for JSON: labels, truth, classes (None for none), confusion, n_voxels, n_ignored, matched, accuracy,
            misclassified, dice, jaccard, adjusted_rand_index, conditional_entropies and variation_of_information.
        """
        return {
            "labels": self.labels.tolist(),
            "truth": self.truth.tolist(),
            "classes": [None if one < 0 else one for one in self.classes.tolist()],
            "confusion": self.confusion.tolist(),
            "n_voxels": self.n_voxels,
            "n_ignored": self.n_ignored,
            "matched": self.matches is not None,
            "accuracy": self.accuracy,
            "misclassified": self.misclassified,
            "dice": self.dice.tolist(),
            "jaccard": self.jaccard.tolist(),
            "adjusted_rand_index": self.adjusted_rand_index,
            "conditional_entropies": list(self.conditional_entropies),
            "variation_of_information": self.variation_of_information,
        }

    @cached_property
    def _cells(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The rows of labels that stand for a class, and its column for each of them."""
        rows = np.flatnonzero(self.classes >= 0)
        return rows, np.searchsorted(self.truth, self.classes[rows])

    @property
    def _n_right(self) -> int:
        return int(self.confusion[self._cells].sum())

    @property
    def _hits(self) -> NDArray[np.float64]:
        """How many voxels of each class have its label."""
        hits = np.zeros(len(self.truth))
        hits[self._cells[1]] = self.confusion[self._cells]
        return hits

    @property
    def _labeled(self) -> NDArray[np.float64]:
        """How many voxels have the label of each class."""
        rows, columns = self._cells
        labeled = np.zeros(len(self.truth))
        labeled[columns] = self.confusion.sum(axis=1)[rows]
        return labeled

    @property
    def _true(self) -> NDArray[np.float64]:
        """How many voxels each class has; as floats, for the sum of two such counts may exceed an int64."""
        return np.asarray(self.confusion.sum(axis=0), np.float64)


def check_size(n_labels: int, n_truth: int) -> None:
    """Refuse a confusion that would be too large, before it takes memory.

    Parameters
    ----------
    n_labels, n_truth : int
        How many distinct numbers there are.

    Raises
    ------
    DataError
        If these are gray values, or too many for one table.
    """
    for n, names in ((n_labels, "labels have"), (n_truth, "truth has")):
        if n > MOST_NUMBERS:
            raise DataError(
                f"the {names} more than {MOST_NUMBERS:,} distinct numbers, like a gray image; segment it first"
            )
    if n_labels * n_truth > MOST_CELLS:
        raise DataError(
            f"{n_labels:,} labels on {n_truth:,} classes make a table of more than {MOST_CELLS:,} cells; compare parts "
            f"of the image, or give fewer labels"
        )


def _frozen(given: Any, name: str) -> NDArray[np.int64]:
    array = np.asarray(given)
    if array.size and array.dtype.kind not in "biu":
        raise DataError(f"{name} is of dtype {array.dtype}; give integers")
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array


def _check(found: Agreement) -> None:
    n_labels, n_truth = len(found.labels), len(found.truth)
    matches = np.full(n_labels, -1) if found.matches is None else found.matches
    if found.confusion.shape != (n_labels, n_truth) or matches.shape != (n_labels,):
        raise DataError(
            f"the confusion has shape {found.confusion.shape}, but there are {n_labels} labels and {n_truth} classes; "
            f"give a row for each label, and a column for each class"
        )
    for name, numbers in (("labels", found.labels), ("truth", found.truth)):
        if (numbers[:1] < 0).any() or (numbers[1:] <= numbers[:-1]).any():
            raise DataError(f"{name} are {numbers}; give increasing whole numbers from 0 on")
    paired = matches[matches >= 0]
    if len(np.unique(paired)) < len(paired) or not np.isin(paired, found.truth).all():
        raise DataError(f"matches are {matches}; give classes of the truth, none twice, and -1 for none")
    total = found.confusion.sum(dtype=np.float64)
    if total > 2.0**62:  # near the limit, exactly
        total = sum(found.confusion.ravel().tolist())
    if found.n_ignored < 0 or (found.confusion < 0).any() or total >= 2**63:
        raise DataError("a count is negative, or all sum to 2**63 or more; give counts >= 0 with a smaller total")


def _shares(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.ones(len(whole)), where=whole > 0)
