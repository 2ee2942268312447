"""Views of labels: phases together, each alone, or turning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.mesh import Mesh
from klevels.core.phase_colors import phase_colors
from klevels.core.surface import surface
from klevels.core.table import length_units
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.image import Image
from klevels.meshing import in_memory
from klevels.rendering.notes import annotate
from klevels.rendering.scene import Scene

LONGEST_SIDE = 256
"""Volumes that are longer along an axis are thinned: a picture shows no more."""
MOST_PHASES = 64
"""An image of more numbers is not of labels."""
SMOOTH = 20
OTHERS = (224, 224, 224)
IGNORED = {"u1": 255, "u2": 65535}
"""What marks voxels that were left out."""
LEAST_SIZE, MOST_SIZE = 64, 8192


@dataclass(frozen=True)
class _Subject:
    """Labels that can be drawn, and which of their phases are."""

    image: Image
    phases: list[int]
    opacities: list[float]
    colors: NDArray[np.uint8]
    unit: str


def render(
    labels: Image | ArrayLike,
    *,
    phases: Sequence[int] | None = None,
    opacity: float | Sequence[float] = 1.0,
    size: tuple[int, int] = (1000, 800),
    turn: tuple[float, float] = (30.0, 25.0),
) -> NDArray[np.uint8]:
    """Draw phases of a volume in three dimensions, or of a slice in color.

    Parameters
    ----------
    labels : Image or array_like
        Whole numbers from 0 on. What is not in memory is loaded.
    phases : sequence of int, optional
        Which to draw; by default all but 0, and all if there is no other.
    opacity : float or sequence of float
        From 0, which is not to be seen, to 1, for all phases or for each of them.
    size : tuple of int
        Width and height of the picture, in pixels.
    turn : tuple of float
        From where a volume is seen, in degrees: around z, and above the plane of x and y.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        In the colors of the phases on white, with a legend and a scale bar; without a voxel size, the bar is in voxels.

    Raises
    ------
    MissingDependencyError
        If VTK, or a library that draws without a screen, is not installed.
    ParameterError
        If an option is out of its range.
    DataTypeError
        If the labels are no numbers.
    DataError
        If they are gray values, or do not fit into memory, or a phase has no voxel.

    Notes
    -----
    The projection is parallel, so the scale bar is right everywhere in the picture. z points up, and a gray frame shows
    the volume. Surfaces are smoothed (`klevels.core.surface.surface`). A volume with more than 256 voxels along an axis
    is thinned: of each so many, the one in the middle is drawn.

    In a slice, the phases that are not asked for are light gray, and neither `opacity` nor `turn` matters.

    Examples
    --------
    >>> labels = np.repeat([0, 1, 2], 8).reshape(4, 6)
    >>> render(labels, phases=[2], size=(120, 80)).shape
    (80, 120, 3)
    """
    subject = _checked(labels, phases, opacity, size)
    if subject.image.ndim == 2:
        return _slice(subject, subject.phases, size)
    scene = _scene(subject, _meshes(subject), subject.phases, size)
    return _noted(subject, *scene.draw(*turn))


def each(
    labels: Image | ArrayLike,
    *,
    phases: Sequence[int] | None = None,
    size: tuple[int, int] = (1000, 800),
    turn: tuple[float, float] = (30.0, 25.0),
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Draw phases, each alone, all from the same side and at the same scale.

    Parameters
    ----------
    labels : Image or array_like
        As `render` takes them.
    phases : sequence of int, optional
        Which to draw; by default all but 0, and all if there is no other.
    size : tuple of int
        Width and height of a picture, in pixels.
    turn : tuple of float
        From where a volume is seen, as `render` takes it.

    Yields
    ------
    tuple of int and ndarray
        The phase, and its picture.
    """
    subject = _checked(labels, phases, 1.0, size)
    for phase in subject.phases:
        alone = _Subject(subject.image, [phase], [1.0], subject.colors, subject.unit)
        if subject.image.ndim == 2:
            yield phase, _slice(alone, [phase], size)
        else:
            yield phase, _noted(alone, *_scene(alone, _meshes(alone), [phase], size).draw(*turn))


def turntable(
    labels: Image | ArrayLike,
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
    labels : Image or array_like
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
    subject = _checked(labels, phases, opacity, size)
    if subject.image.ndim != 3:
        raise DataError("the labels have 2 axes; only a volume of three (z, y, x) turns")
    scene = _scene(subject, _meshes(subject), subject.phases, size)
    for frame in range(n_frames):
        yield _noted(subject, *scene.draw(360 * frame / n_frames, elevation, is_turned=True))


def _checked(labels: Any, phases: Any, opacity: Any, size: Any) -> _Subject:
    if len(size) != 2 or not all(LEAST_SIZE <= n <= MOST_SIZE for n in size):
        raise ParameterError(f"size is {size!r}; give a width and a height of {LEAST_SIZE} to {MOST_SIZE} pixels")
    image = in_memory(labels)
    there = _phases_in(image.data)
    mark = IGNORED.get(image.dtype.str[1:])
    known = [phase for phase in there if phase != mark or there == [mark]]
    if phases is None:
        drawn = [phase for phase in known if phase != 0] or known
    else:
        drawn = list(dict.fromkeys(int(phase) for phase in phases))
    strange = [phase for phase in drawn if phase not in there]
    if strange or not drawn:
        raise DataError(f"no voxel is of phase {strange[0] if strange else '?'}; there are {_few(there)}")
    opacities = [float(one) for one in np.atleast_1d(np.asarray(opacity, np.float64))]
    opacities = opacities * len(drawn) if len(opacities) == 1 else opacities
    if len(opacities) != len(drawn) or not all(0 <= one <= 1 for one in opacities):
        raise ParameterError(f"opacity is {opacity!r}; give one number from 0 to 1, or one for each of {drawn}")
    unit = length_units(image.spacing, image.unit)[0]
    colors = phase_colors(len(known), noise=False)
    numbers = {phase: colors[i] for i, phase in enumerate(known)}
    chosen = np.zeros((max(there) + 1, 3), np.uint8)
    for phase, color in numbers.items():
        chosen[phase] = color
    return _Subject(_thinned(image), drawn, opacities, chosen, unit)


def _phases_in(labels: NDArray[Any]) -> list[int]:
    if labels.dtype.kind not in "biuf":
        raise DataTypeError(f"dtype {labels.dtype} holds no labels; give whole numbers from 0 on")
    found: set[float] = set()
    for part in labels:
        found.update(np.unique(np.ma.compressed(part) if np.ma.isMaskedArray(part) else part).tolist())
        if len(found) > MOST_PHASES or any(value != value // 1 for value in found):
            raise DataError("the image holds gray values rather than labels; segment it first, and draw its labels")
    if not found:
        raise DataError(f"the labels have shape {labels.shape}, no voxels; give an image")
    if min(found) < 0 or max(found) > 65535:
        raise DataError(f"the labels hold {min(found):g} to {max(found):g}; give whole numbers from 0 to 65535")
    return sorted(int(value) for value in found)


def _few(phases: list[int]) -> str:
    return ", ".join(map(str, phases[:8])) + (", …" if len(phases) > 8 else "")


def _thinned(image: Image) -> Image:
    if image.ndim == 2:
        return image
    steps = [-(-n // LONGEST_SIDE) for n in image.shape]
    data = image.data[
        tuple(slice(min(step // 2, n - 1), None, step) for step, n in zip(steps, image.shape, strict=True))
    ]
    spacing = image.spacing or (1.0,) * 3
    return Image(data, "zyx", tuple(size * step for size, step in zip(spacing, steps, strict=True)), image.unit)


def _meshes(subject: _Subject) -> list[Mesh]:
    data, spacing = subject.image.data, subject.image.spacing
    return [surface(data, phase, spacing=spacing, smooth=SMOOTH) for phase in subject.phases]


def _scene(subject: _Subject, meshes: Sequence[Mesh], phases: Sequence[int], size: tuple[int, int]) -> Scene:
    spacing = subject.image.spacing or (1.0,) * 3
    box = [(-step / 2, (n - 0.5) * step) for n, step in zip(subject.image.shape, spacing, strict=True)]
    return Scene(meshes, subject.colors[list(phases)], subject.opacities, box, size)


def _noted(subject: _Subject, picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    return annotate(picture, scale, subject.unit, subject.phases, subject.colors[subject.phases])


def _slice(subject: _Subject, phases: Sequence[int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a slice in the middle of the page, each voxel of the shape that it has."""
    image = subject.image
    height, width = image.shape
    tall, wide = image.spacing or (1.0, 1.0)
    scale = min(size[1] / (height * tall), size[0] / (width * wide))
    n_rows, n_columns = (max(1, round(n * step * scale)) for n, step in ((height, tall), (width, wide)))
    table = np.full((len(subject.colors), 3), OTHERS, np.uint8)
    table[list(phases)] = subject.colors[list(phases)]
    rows = np.minimum(np.arange(n_rows) * height // n_rows, height - 1)
    columns = np.minimum(np.arange(n_columns) * width // n_columns, width - 1)
    drawn = np.ma.filled(image.data, 0)[np.ix_(rows, columns)].astype(np.int64)
    page = np.full((size[1], size[0], 3), 255, np.uint8)
    top, left = (size[1] - n_rows) // 2, (size[0] - n_columns) // 2
    page[top : top + n_rows, left : left + n_columns] = table[drawn]
    return annotate(page, scale, subject.unit, phases, subject.colors[list(phases)])
