"""Where the frames of a DICOM file lie, and what their values mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from klevels.errors import ReadError


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a frame lies, and what its values mean.

    Parameters
    ----------
    spacing : tuple of float or None
        The distance of its rows and of its columns, in mm.
    position : tuple of float or None
        The center of its first pixel, in mm: x, y, z of the patient.
    orientation : tuple of float or None
        Two unit vectors: along a row, and down a column.
    slope, intercept : float
        What stored values are multiplied by, and what is added then.
    unit : str or None
        Of the values, such as "HU".
    """

    spacing: tuple[float, ...] | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    slope: float
    intercept: float
    unit: str | None


def read_frames(data: Any, n_frames: int) -> tuple[Frame, ...]:
    """Return where each frame lies, and what its values mean.

    Parameters
    ----------
    data : pydicom.Dataset
        The elements of a file.
    n_frames : int
        How many frames it has.

    Returns
    -------
    tuple of Frame
        One for each. Several frames have positions only where each states its own.

    Raises
    ------
    ReadError
        If a number is not one, or the number of functional groups is another.
    """
    shared = _items(data, "SharedFunctionalGroupsSequence")
    groups = _items(data, "PerFrameFunctionalGroupsSequence")
    if not groups:
        places = [*shared[:1], data]
        frame = _frame(data, places, has_position=n_frames == 1)
        return (frame,) * n_frames
    if len(groups) != n_frames:
        raise ReadError(f"has {n_frames} frames, but {len(groups)} functional groups; export it again")
    return tuple(_frame(data, [group, *shared[:1], data], has_position=True) for group in groups)


def text_of(value: Any) -> str:
    """Return what a file says in words, fit for a line of a message.

    Parameters
    ----------
    value : object
        Of an element; None where it is not given.

    Returns
    -------
    str
        Without what cannot be printed, which a hostile file would send to the terminal; at most 64 characters, the
        longest that a UID may be. Empty for None.
    """
    return "" if value is None else "".join(one for one in str(value) if one.isprintable())[:64]


def _frame(data: Any, places: list[Any], *, has_position: bool) -> Frame:
    """Read one frame; the first place that knows a thing says it."""
    spacing = _numbers(places, "PixelMeasuresSequence", "PixelSpacing", 2)
    if spacing is not None and min(spacing) <= 0:
        raise ReadError(f"PixelSpacing is {list(spacing)}; two positive numbers are needed: correct it")
    orientation = _numbers(places, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    if orientation is not None:
        _check_orientation(orientation)
    transformation = "PixelValueTransformationSequence"
    slope = _numbers(places, transformation, "RescaleSlope", 1)
    intercept = _numbers(places, transformation, "RescaleIntercept", 1)
    if slope == (0.0,):
        raise ReadError("RescaleSlope is 0, which leaves no gray values; correct it")
    kind = text_of(_find(places, transformation, "RescaleType"))
    is_scaled = slope is not None or intercept is not None
    if not kind and is_scaled and data.get("Modality") == "CT":
        kind = "HU"
    return Frame(
        spacing,
        _numbers(places, "PlanePositionSequence", "ImagePositionPatient", 3) if has_position else None,
        orientation,
        1.0 if slope is None else slope[0],
        0.0 if intercept is None else intercept[0],
        kind if kind not in ("", "US") else None,  # US means that the unit is not specified
    )


def _check_orientation(orientation: tuple[float, ...]) -> None:
    """Refuse vectors that do not span a plane at right angles."""
    row, column = orientation[:3], orientation[3:]
    lengths = (math.hypot(*row), math.hypot(*column))
    slant = sum(a * b for a, b in zip(row, column, strict=True))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(slant)) > 1e-3:
        raise ReadError(
            f"ImageOrientationPatient is {list(orientation)}; two unit vectors at right angles are needed: correct it"
        )


def _numbers(places: list[Any], sequence: str, name: str, n: int) -> tuple[float, ...] | None:
    """Return n finite numbers, or None where they are not given."""
    found = _find(places, sequence, name)
    if found is None or found == "":
        return None
    values = [found] if isinstance(found, int | float | str) else list(found)
    if not values:
        return None
    numbers = tuple(float(one) for one in values)
    if len(numbers) != n or not all(map(math.isfinite, numbers)):
        raise ReadError(f"{name} is {str(found)[:60]!r}; finite numbers are needed, {n} of them: correct it")
    return numbers


def _find(places: list[Any], sequence: str, name: str) -> Any:
    """Look a thing up: in a functional group it lies in a sequence of one item, at the top level by itself."""
    for place in places:
        inside = _items(place, sequence)
        found = inside[0].get(name) if inside else place.get(name)
        if found is not None:
            return found
    return None


def _items(data: Any, name: str) -> list[Any]:
    found = data.get(name)
    return [] if found is None else list(found)
