"""Views of labels: phases together, each alone, or turning; in three dimensions, or in slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.errors import DataError, ParameterError
from klevels.image import Image
from klevels.recipe import Segmentation
from klevels.rendering.planes import Planes, Slices
from klevels.rendering.solids import Solids
from klevels.rendering.subjects import check_size, chosen_of, labels_of, opacities_of


def render(
    labels: Segmentation | Image | ArrayLike,
    *,
    phases: Sequence[int] | None = None,
    opacity: float | Sequence[float] = 1.0,
    size: tuple[int, int] = (1000, 800),
    turn: tuple[float, float] = (30.0, 25.0),
    slices: Slices | None = None,
    gray: Image | ArrayLike | None = None,
) -> NDArray[np.uint8]:
    """Draw phases of a volume in three dimensions, or in slices.

    Parameters
    ----------
    labels : Segmentation, Image or array_like
        What `segment` returned, or whole numbers from 0 on, in memory or not.
    phases : sequence of int, optional
        Which to draw; by default all but 0, and all if there is no other.
    opacity : float or sequence of float
        From 0, which is not to be seen, to 1, for all phases or for each of them.
    size : tuple of int
        Width and height of the picture, in pixels.
    turn : tuple of float
        From where a volume is seen, in degrees: around z, and above the plane of x and y.
    slices : "middle" or sequence of tuple, optional
        Draw slices of a volume, all at one scale: those in the middle of z, y and x, or some, such as ``[("z", 120)]``.
    gray : Image or array_like, optional
        The gray values of the same voxels, to be seen in slices around the phases and, by their opacity, below them. Of
        a `Segmentation` they are those of its source.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        In the colors of the phases on white, with a legend and a scale bar; without a voxel size, the bar is in voxels.

    Raises
    ------
    MissingDependencyError
        If VTK, or a library that draws without a screen, is not installed. Slices need neither.
    ParameterError
        If an option is out of its range.
    DataTypeError
        If the labels are no integers.
    DataError
        If they are gray values, or no voxel is of a phase that is asked for.

    Notes
    -----
    The projection is parallel, so the scale bar is right everywhere in the picture. z points up, and a gray frame shows
    the volume. Surfaces are smoothed (`klevels.core.surface.surface`).

    A volume with more than 256 voxels along an axis is thinned: of each so many, the one in the middle is drawn, and
    the picture says so. Of what is not in memory, only the stored pieces that hold one of those are read.

    In slices, the phases that are not asked for are gray, and voxels that were left out are white; `turn` does not
    matter. An image of two axes is one slice.

    Examples
    --------
    >>> labels = np.repeat([0, 1, 2], 8).reshape(4, 6)
    >>> render(labels, phases=[2], size=(120, 80)).shape
    (80, 120, 3)
    """
    view = _view(labels, slices, gray, size)
    drawn = chosen_of(view.known, phases, view.what)
    return _drawn(view, drawn, opacities_of(opacity, drawn), turn)


def each(
    labels: Segmentation | Image | ArrayLike,
    *,
    phases: Sequence[int] | None = None,
    opacity: float = 1.0,
    size: tuple[int, int] = (1000, 800),
    turn: tuple[float, float] = (30.0, 25.0),
    slices: Slices | None = None,
    gray: Image | ArrayLike | None = None,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Draw phases, each alone, all from the same side and at the same scale.

    Parameters
    ----------
    labels : Segmentation, Image or array_like
        As `render` takes them.
    phases : sequence of int, optional
        Which to draw; by default all but 0, and all if there is no other.
    opacity : float
        From 0 to 1, for all phases.
    size : tuple of int
        Width and height of a picture, in pixels.
    turn, slices, gray
        As `render` takes them.

    Yields
    ------
    tuple of int and ndarray
        The phase, and its picture.
    """
    view = _view(labels, slices, gray, size)
    drawn = chosen_of(view.known, phases, view.what)
    for phase, one in zip(drawn, opacities_of(opacity, drawn), strict=True):
        yield phase, _drawn(view, [phase], [one], turn)


def turntable(
    labels: Segmentation | Image | ArrayLike,
    *,
    phases: Sequence[int] | None = None,
    opacity: float | Sequence[float] = 1.0,
    size: tuple[int, int] = (500, 400),
    n_frames: int = 36,
    elevation: float = 25.0,
) -> Iterator[NDArray[np.uint8]]:
    """Draw phases of a volume that turns once around z.

    Parameters
    ----------
    labels : Segmentation, Image or array_like
        A volume, as `render` takes it.
    phases, opacity
        As `render` takes them.
    size : tuple of int
        Width and height of a frame, in pixels.
    n_frames : int
        How many frames there are.
    elevation : float
        From how many degrees above the plane of x and y the volume is seen.

    Yields
    ------
    ndarray of uint8, shape (height, width, 3)
        The frames, all at one scale.
    """
    if isinstance(n_frames, bool) or not isinstance(n_frames, int | np.integer) or n_frames < 1:
        raise ParameterError(f"n_frames is {n_frames!r}; give 1 or more")
    check_size(size)
    image = labels_of(labels)
    if image.ndim != 3:
        raise DataError("the labels have 2 axes; only a volume of three (z, y, x) turns")
    solids = Solids(image, size)
    drawn = chosen_of(solids.known, phases, solids.what)
    scene = solids.scene(drawn, opacities_of(opacity, drawn))
    for frame in range(n_frames):
        yield solids.noted(drawn, *scene.draw(360 * frame / n_frames, elevation, is_turned=True))


def _view(labels: Any, slices: Slices | None, gray: Any, size: tuple[int, int]) -> Solids | Planes:
    check_size(size)
    image = labels_of(labels)
    if image.ndim == 2 or slices is not None:
        if gray is None and isinstance(labels, Segmentation) and "c" not in labels.source.axes:
            gray = labels.source
        if image.ndim == 2 and slices not in (None, "middle"):
            raise ParameterError(f"slices are {slices!r}, but the image is one slice already; leave them out")
        return Planes(image, gray, "middle" if slices is None else slices, size)
    if gray is not None:
        raise ParameterError("gray is given, but gray values are drawn in slices only; give slices, too (--slices)")
    return Solids(image, size)


def _drawn(
    view: Solids | Planes, phases: Sequence[int], opacities: Sequence[float], turn: tuple[float, float]
) -> NDArray[np.uint8]:
    if isinstance(view, Planes):
        return view.draw(phases, opacities)
    return view.noted(phases, *view.scene(phases, opacities).draw(*turn))
