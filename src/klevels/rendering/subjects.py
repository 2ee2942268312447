"""What can be drawn: labels of any kind, which phases there are, and their colors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.count import histogram
from klevels.core.phase_colors import phase_colors
from klevels.errors import DataError, ParameterError
from klevels.image import Image
from klevels.label_images import as_phases, label_image
from klevels.measuring import MOST_PHASES
from klevels.rendering.picking import Places, pick, step_of, thinned

LONGEST_SIDE = 256
"""Volumes that are longer along an axis are thinned: a picture shows no more."""
MOST_DRAWN = 64
"""More phases than this are not told apart by their colors, and are gray values more often."""
LEAST_SIZE, MOST_SIZE = 64, 8192
MOST_LISTED = 8


def labels_of(given: Any) -> Image:
    """Return labels as an image, where they are.

    Parameters
    ----------
    given : Segmentation, Image or array_like
        Whole numbers from 0 on.

    Returns
    -------
    Image
        With axes "yx" or "zyx".

    Raises
    ------
    DataTypeError
        If these are no integers.
    DataError
        If there are channels, or no voxels.
    """
    image = label_image(given)
    if 0 in image.shape:
        raise DataError(f"the labels have shape {image.shape}, no voxels; give an image")
    return image


def part_of(image: Image, places: Sequence[Places]) -> NDArray[Any]:
    """Return the labels at some places.

    Parameters
    ----------
    image : Image
        As `labels_of` returns it.
    places : sequence of ndarray of int
        For each axis.

    Returns
    -------
    ndarray of uint8 or uint16
        A masked array where the labels are one.
    """
    found: NDArray[Any] = pick(image.data, places)
    return found


def thinning(shape: Sequence[int]) -> tuple[int, ...]:
    """Return of how many voxels along each axis of a volume one is drawn in three dimensions.

    Parameters
    ----------
    shape : sequence of int
        Of the volume.

    Returns
    -------
    tuple of int
        1 along axes of at most 256 voxels.

    Examples
    --------
    >>> thinning((100, 512, 513))
    (1, 2, 3)
    """
    return tuple(step_of(n, LONGEST_SIDE) for n in shape)


def sample_of(image: Image) -> NDArray[Any]:
    """Return labels of a volume, at most 256 along each axis.

    Parameters
    ----------
    image : Image
        As `labels_of` returns it.

    Returns
    -------
    ndarray of uint8 or uint16
        Every n-th, as `thinning` says.
    """
    return part_of(image, [thinned(n, LONGEST_SIDE) for n in image.shape])


def phases_of(labels: Any) -> list[int]:
    """Return which phases of a volume there are to draw.

    Parameters
    ----------
    labels : Segmentation, Image or array_like
        Whole numbers from 0 on, in memory or not.

    Returns
    -------
    list of int
        Increasing; those of the voxels that would be drawn.
    """
    image = labels_of(labels)
    return sorted(phases_in(sample_of(image), marked=is_marked(image)))


def phases_in(labels: NDArray[Any], *, marked: bool) -> set[int]:
    """Return which phases there are.

    Parameters
    ----------
    labels : ndarray of uint8 or uint16
        Those that are drawn. Masked voxels do not count.
    marked : bool
        Whether the greatest number of the dtype marks voxels that were left out.

    Returns
    -------
    set of int
        None if every voxel was left out.

    Raises
    ------
    DataError
        If there are so many that they can be no labels.
    """
    inside = ~np.ma.getmaskarray(labels) if np.ma.is_masked(labels) else None
    if inside is not None and not inside.any():
        return set()
    found = histogram(np.ma.getdata(labels), mask=inside).levels.astype(int).tolist()
    if len(found) > MOST_PHASES:
        raise DataError(
            f"there are {len(found):,} different values, gray ones or objects; segment the image first (-k)"
        )
    return {one for one in found if not (marked and one == np.iinfo(labels.dtype).max)}


def chosen_of(known: set[int], phases: Sequence[int] | None, what: str) -> list[int]:
    """Return which phases are drawn.

    Parameters
    ----------
    known : set of int
        Those that there are.
    phases : sequence of int or None
        Those that were asked for; None for all but 0, and all if there is no other.
    what : str
        Which voxels were looked at, for messages.

    Returns
    -------
    list of int
        Each once.

    Raises
    ------
    ParameterError
        If none is asked for, or so many that they cannot be told apart.
    DataError
        If there is none, or not one that is asked for.
    """
    there = sorted(known)
    if not there:
        raise DataError(f"{what} was left out; there is nothing to draw")
    drawn = [phase for phase in there if phase] or there if phases is None else list(as_phases(phases))
    if not drawn:
        raise ParameterError("phases are empty; give at least one, or None for all")
    strange = [phase for phase in drawn if phase not in known]
    if strange:
        listed = ", ".join(map(str, there[:MOST_LISTED])) + (", …" if len(there) > MOST_LISTED else "")
        raise DataError(f"no voxel is of phase {strange[0]}; there are {listed}: {what} was looked at")
    if len(drawn) > MOST_DRAWN:
        raise DataError(
            f"there are {len(drawn):,} phases to draw, as in a gray image; segment it first (-k), or choose at most "
            f"{MOST_DRAWN} of them (--phases)"
        )
    return drawn


def opacities_of(opacity: Any, phases: Sequence[int]) -> list[float]:
    """Return how opaque each phase is.

    Parameters
    ----------
    opacity : float or sequence of float
        What was asked for.
    phases : sequence of int
        Which are drawn.

    Returns
    -------
    list of float
        One for each.

    Raises
    ------
    ParameterError
        If there are fewer or more, or one is not from 0 to 1.
    """
    try:
        found = [float(one) for one in np.atleast_1d(np.asarray(opacity, np.float64))]
    except (TypeError, ValueError):
        found = []
    found = found * len(phases) if len(found) == 1 else found
    if len(found) != len(phases) or not all(0 <= one <= 1 for one in found):
        raise ParameterError(f"opacity is {opacity!r}; give one number from 0 to 1, or one for each of {list(phases)}")
    return found


def colors_of(image: Image, known: set[int]) -> NDArray[np.uint8]:
    """Return the colors of phases.

    Parameters
    ----------
    image : Image
        Whose ``meta["label_colors"]`` tell them, where they are known.
    known : set of int
        Which phases there are.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
        A row for each number up to the greatest.
    """
    there = sorted(known)
    told = dict(image.meta.get("label_colors", ()))
    if not known <= told.keys():
        told = dict(zip(there, phase_colors(len(there), noise=False).tolist(), strict=True))
    table = np.zeros((there[-1] + 1, 3), np.uint8)
    for phase in there:
        table[phase] = told[phase]
    return table


def is_marked(image: Image) -> bool:
    """Tell whether the greatest number marks voxels that were left out, as in labels of klevels.

    Parameters
    ----------
    image : Image
        As `labels_of` returns it.

    Returns
    -------
    bool
        Whether it does.
    """
    return "label_colors" in image.meta


def check_size(size: tuple[int, int]) -> None:
    """Refuse a picture that nobody could look at.

    Parameters
    ----------
    size : tuple of int
        Width and height in pixels.

    Raises
    ------
    ParameterError
        If one is out of its range.
    """
    is_pair = isinstance(size, Sequence) and len(size) == 2 and all(isinstance(n, int | np.integer) for n in size)
    if not is_pair or not all(LEAST_SIZE <= n <= MOST_SIZE for n in size):
        raise ParameterError(f"size is {size!r}; give a width and a height of {LEAST_SIZE} to {MOST_SIZE} pixels")
