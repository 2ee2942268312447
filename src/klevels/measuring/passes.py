"""Passes over labels: each block adds what it knows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from klevels.blocks import reduce_blocks
from klevels.core.objects import object_regions
from klevels.core.phases import PhaseSums, halo, phase_sums
from klevels.core.region_parts import Regions
from klevels.core.regions import is_window
from klevels.cutting import alike
from klevels.errors import DataError
from klevels.measuring.labels import Labeled
from klevels.memory import Window
from klevels.workers import Workers


class Sums(Protocol):
    """What blocks know, which adds up."""

    def __add__(self, other: Self, /) -> Self: ...


S = TypeVar("S", bound=Sums)


def phases_of(what: Labeled, workers: Workers, *, with_histograms: bool) -> PhaseSums:
    """Add up what is known of phases.

    Parameters
    ----------
    what : Labeled
        The labels.
    workers : Workers
        Who does it.
    with_histograms : bool
        Whether the gray values of each phase are counted.

    Returns
    -------
    PhaseSums
        Of the whole.
    """
    work = partial(
        phase_sums,
        shape=what.grid.shape,
        connectivity=what.grid.connectivity,
        spacing=what.grid.spacing,
        gray_range=what.gray_range,
        with_histograms=with_histograms,
    )
    return _added(work, what, workers)


def objects_of(what: Labeled, phases: Sequence[int], workers: Workers) -> Regions:
    """Find the objects of phases.

    Parameters
    ----------
    what : Labeled
        The labels.
    phases : sequence of int
        Of which; the objects have their places in ``what.phases`` as labels.
    workers : Workers
        Who does it.

    Returns
    -------
    Regions
        Of the whole, with their surfaces.
    """
    work = partial(
        object_regions,
        phases=[what.phases.index(phase) for phase in phases],
        shape=what.grid.shape,
        connectivity=what.grid.connectivity,
        spacing=what.grid.spacing,
        gray_range=what.gray_range,
    )
    return _added(work, what, workers)


def with_range(what: Labeled, workers: Workers) -> Labeled:
    """Return the same with the range of its gray values.

    Parameters
    ----------
    what : Labeled
        The labels.
    workers : Workers
        Who does it.

    Returns
    -------
    Labeled
        With a range, unless gray values are small integers, which are added as they are. Only voxels that count, and
        finite values, tell it.
    """
    dtype = None if what.gray is None else what.gray.dtype
    if dtype is None or (dtype.kind in "biu" and dtype.itemsize <= 2):
        return what
    found = _added(_extent, what, workers)
    low, high = (found.low, found.high) if found.low <= found.high else (0.0, 0.0)
    return replace(what, gray_range=(low, high if high > low else low + max(1.0, abs(low))))


@dataclass(frozen=True, slots=True)
class _Extent:
    """The least and the greatest value that were seen."""

    low: float
    high: float

    def __add__(self, other: Self) -> _Extent:
        return _Extent(min(self.low, other.low), max(self.high, other.high))


def _extent(labels: NDArray[Any], gray: NDArray[Any], *, n_labels: int, window: Window, threads: int | None) -> _Extent:
    del window, threads
    counts = labels < n_labels
    if gray.dtype.kind == "f":
        counts &= np.isfinite(gray)
    if not counts.any():
        return _Extent(np.inf, -np.inf)
    one = gray.flat[int(counts.argmax())]
    return _Extent(float(gray.min(where=counts, initial=one)), float(gray.max(where=counts, initial=one)))


def _added(work: Callable[..., S], what: Labeled, workers: Workers) -> S:
    """Do the work on each block, with as much around it as surfaces need, and add up."""
    part = partial(_part, phases=what.phases, work=work)
    arrays, shape = what.arrays, what.grid.shape
    if (
        all(one is None or isinstance(one, np.ndarray) for one in arrays)
        and workers.client is None
        and is_window(shape)
    ):
        whole = tuple(slice(0, n) for n in shape)
        return part(0, whole, *arrays, threads=workers.threads)
    reach = halo(len(shape))
    found: S | None = reduce_blocks(part, operator.add, alike(arrays, workers, reach), workers, halo=reach)
    if found is None:
        raise DataError(f"the labels have shape {shape}; give at least one voxel")
    return found


def _part(
    number: int,
    window: Window,
    labels: NDArray[Any],
    gray: NDArray[Any] | None,
    mask: NDArray[Any] | None,
    *,
    phases: tuple[int, ...],
    work: Callable[..., S],
    threads: int | None = 1,
) -> S:
    del number
    numbered = _numbered(labels, phases)
    if mask is not None:
        numbered = np.where(mask, numbered, np.iinfo(numbered.dtype).max)
    return work(np.ascontiguousarray(numbered), gray, n_labels=len(phases), window=window, threads=threads)


def _numbered(labels: NDArray[Any], phases: tuple[int, ...]) -> NDArray[Any]:
    """Return which of the phases each voxel is of, and greater numbers where it is of none."""
    dtype = np.uint8 if len(phases) < 256 else np.uint16
    if phases[-1] == len(phases) - 1 and labels.dtype == dtype:
        return labels
    table = np.full(1 << (8 * labels.dtype.itemsize), np.iinfo(dtype).max, dtype)
    table[list(phases)] = np.arange(len(phases))
    found: NDArray[Any] = table[labels]
    return found
