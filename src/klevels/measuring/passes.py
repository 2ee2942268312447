"""Passes over labels: each block adds what it knows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from klevels.blocks import reduce_blocks
from klevels.core.objects import object_regions
from klevels.core.phases import PhaseSums, halo, phase_sums
from klevels.core.region_parts import Regions
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
        Of which.
    workers : Workers
        Who does it.

    Returns
    -------
    Regions
        Of the whole, with their surfaces.
    """
    work = partial(
        object_regions,
        phases=phases,
        shape=what.grid.shape,
        connectivity=what.grid.connectivity,
        spacing=what.grid.spacing,
        gray_range=what.gray_range,
    )
    return _added(work, what, workers)


def _added(work: Callable[..., S], what: Labeled, workers: Workers) -> S:
    """Do the work on each block, with as much around it as surfaces need, and add up."""
    part = partial(_part, n_labels=what.n_labels, ignore=what.ignore, work=work)
    arrays, shape = what.arrays, what.grid.shape
    if all(one is None or isinstance(one, np.ndarray) for one in arrays) and workers.client is None:
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
    n_labels: int,
    ignore: int | None,
    work: Callable[..., S],
    threads: int | None = 1,
) -> S:
    del number
    if (mask is not None or ignore is not None) and n_labels > 255:
        labels = labels.astype(np.uint16)  # 255 is a phase, and cannot mark what is left out
    outside = np.iinfo(labels.dtype).max
    if mask is not None:
        labels = np.where(mask, labels, outside)
    if ignore is not None and ignore != outside:
        labels = np.where(labels == ignore, outside, labels)
    return work(np.ascontiguousarray(labels), gray, n_labels=n_labels, window=window, threads=threads)
