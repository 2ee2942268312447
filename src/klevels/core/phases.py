"""What parts of an image add to what is known of its phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from klevels.core import faces, regions, tallies
from klevels.core.count import Tally, count_part
from klevels.core.faces import Faces
from klevels.core.region_parts import Regions
from klevels.core.tallies import Tallies

MOST_RINGS = 64


@dataclass(frozen=True, eq=False)
class PhaseSums:
    """What a part of an image adds to what is known of its phases; ``a + b`` merges.

    Parameters
    ----------
    tallies : Tallies
        How many voxels of each phase there are along each axis and the radius.
    faces : Faces
        Where phases meet.
    regions : Regions
        What hangs together.
    grays : tuple of Tally
        The gray values of each phase; empty where none are known.
    gray_tallies : Tallies or None
        The sums of gray values along each axis and the radius.
    """

    tallies: Tallies
    faces: Faces
    regions: Regions
    grays: tuple[Tally, ...] = ()
    gray_tallies: Tallies | None = None

    def __add__(self, other: Self) -> PhaseSums:
        gray = None
        if self.gray_tallies is not None and other.gray_tallies is not None:
            gray = self.gray_tallies + other.gray_tallies
        return PhaseSums(
            self.tallies + other.tallies,
            self.faces + other.faces,
            self.regions + other.regions,
            tuple(one + another for one, another in zip(self.grays, other.grays, strict=True)),
            gray,
        )


def halo(ndim: int) -> tuple[int, ...]:
    """Return how far around a block `phase_sums` looks.

    Parameters
    ----------
    ndim : int
        2 or 3.

    Returns
    -------
    tuple of int
        In voxels, along each axis.
    """
    return faces.halo(ndim)


def phase_sums(
    labels: NDArray[Any],
    gray: NDArray[Any] | None,
    *,
    n_labels: int,
    window: Sequence[slice],
    shape: Sequence[int],
    connectivity: int,
    spacing: Sequence[float] | None,
    gray_range: tuple[float, float] | None = None,
    with_histograms: bool = True,
    threads: int | None = None,
) -> PhaseSums:
    """Measure the phases in a part of an image.

    Parameters
    ----------
    labels : ndarray of uint8 or uint16
        The part, with a halo around it, fewer voxels at the ends of the image; numbers from `n_labels` on are left out.
    gray : ndarray, optional
        Gray values of the same voxels.
    n_labels : int
        How many phases there are.
    window : sequence of slice
        Which part of the image this is, without the halo.
    shape : sequence of int
        Of the image.
    connectivity : int
        How many neighbors a voxel hangs together with.
    spacing : sequence of float, optional
        The size of a voxel.
    gray_range : tuple of float, optional
        The least and the greatest gray value of the image, where these are no integers of at most 16 bits.
    with_histograms : bool
        Whether the gray values of each phase are counted.
    threads : int, optional
        How many threads to use.

    Returns
    -------
    PhaseSums
        To be merged with those of the other parts.
    """
    owned = inner_part(labels.shape, window)
    inner = np.ascontiguousarray(labels[owned])
    origin = tuple(along.start for along in window)
    place: dict[str, Any] = {"origin": origin, "shape": tuple(shape)}
    n_rings = n_radii(shape)
    counted = tallies.tally(inner, n_labels, **place, n_radii=n_rings, spacing=spacing, threads=threads)
    surfaces = faces.faces(labels, n_labels, owned=owned, spacing=spacing, threads=threads)
    joined = regions.regions(inner, n_labels, connectivity=connectivity, **place, summary=True, threads=threads)
    if gray is None:
        return PhaseSums(counted, surfaces, joined)
    inner_gray = np.ascontiguousarray(gray[owned])
    counted_labels = range(n_labels if with_histograms else 0)
    grays = tuple(count_part(inner_gray, mask=inner == label, threads=threads) for label in counted_labels)
    low, high = gray_range or (0.0, 1.0)
    sums = tallies.tally_gray(
        inner, inner_gray, n_labels, low=low, high=high, **place, n_radii=n_rings, spacing=spacing, threads=threads
    )
    return PhaseSums(counted, surfaces, joined, grays, sums)


def inner_part(shape: Sequence[int], window: Sequence[slice]) -> tuple[slice, ...]:
    """Return where in a part with its halo the part itself lies.

    Parameters
    ----------
    shape : sequence of int
        Of the part with its halo, which the ends of the image cut.
    window : sequence of slice
        Which part of the image it is, without.

    Returns
    -------
    tuple of slice
        Within that shape.
    """
    starts = [min(along.start, reach) for along, reach in zip(window, halo(len(shape)), strict=True)]
    return tuple(slice(a, a + along.stop - along.start) for a, along in zip(starts, window, strict=True))


def n_radii(shape: Sequence[int]) -> int:
    """Return into how many rings the image is divided around its axis.

    Parameters
    ----------
    shape : sequence of int
        Of the image.

    Returns
    -------
    int
        Rings of a voxel or more, at most 64.
    """
    return max(1, min(MOST_RINGS, min(shape[-2:]) // 2))
