"""The slices of a DICOM series: which belong together, and in which order they lie in space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.files import visible_files
from klevels.io.dicom_frames import Frame
from klevels.io.dicom_header import Header, read_header

_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_IMAGE_SUFFIXES = (*_DICOM_SUFFIXES, ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".npy")

N_HEAD = 132
_LISTED = 8  # series that a message names


def is_dicom(head: bytes) -> bool:
    """Tell a DICOM file by its first bytes.

    Parameters
    ----------
    head : bytes
        At least the first 132 of the file.

    Returns
    -------
    bool
        True where the prefix is there, or where the file begins with what would follow it. A bare data set, without
        either, is not told from other data for certain.
    """
    return head[128:132] == b"DICM" or head[:8] == b"\x02\0\0\0UL\x04\0"


def holds_dicom(folder: Path) -> bool:
    """Tell a folder with DICOM files in it.

    Parameters
    ----------
    folder : Path
        A folder; its subfolders and hidden files do not count.

    Returns
    -------
    bool
        Whether a file is DICOM.
    """
    return any(is_dicom(_head(file)) for file in sorted(visible_files(folder)))


def read_series(folder: Path, chosen: str | None = None) -> list[Header]:
    """Read the headers of one series.

    Parameters
    ----------
    folder : Path
        With DICOM files. What is no image, such as reports and a DICOMDIR, and what has not even the name of one, such
        as logs, is left out.
    chosen : str, optional
        The SeriesInstanceUID or the SeriesNumber, where there are several.

    Returns
    -------
    list of Header
        In the order of the names.

    Raises
    ------
    ReadError
        If there are several series and none is chosen, none that is chosen, no image, a broken one, one that differs
        from the first in more than place and scale, or images that are not DICOM.
    """
    series: dict[str, list[Header]] = {}
    for file in sorted(visible_files(folder)):
        if not is_dicom(_head(file)):
            if file.suffix.lower() in _IMAGE_SUFFIXES:
                raise ReadError(f"{file}: is no DICOM file, but lies among some; take it out, or copy it again")
            continue
        header = read_header(file)
        if header is not None:
            series.setdefault(header.series, []).append(header)
    headers = _choose(folder, series, chosen)
    for header in headers[1:]:
        _check_alike(headers[0], header)
    return headers


def order_slices(
    source: Path, frames: Sequence[Frame], names: Sequence[str], *, are_ordered: bool
) -> tuple[list[int], float | None]:
    """Return in which order slices lie in space, and how far apart they are.

    Parameters
    ----------
    source : Path
        The file or folder, for messages.
    frames : sequence of Frame
        At least one.
    names : sequence of str
        Of the frames, for messages.
    are_ordered : bool
        Whether frames without positions are in the order of space already, as those of one file are.

    Returns
    -------
    order : list of int
        Along the normal: the cross product of the directions of a row and a column. As given, if no frame has a
        position.
    step : float or None
        In mm; None where it is not known.

    Raises
    ------
    ReadError
        If they differ in direction or size of pixels, a position is missing or there twice, distances differ by more
        than 1 %, or they are shifted against each other by more than half a pixel, as with a tilted gantry.
    """
    _check_frames(source, frames, names)
    lost = [name for name, frame in zip(names, frames, strict=True) if frame.position is None]
    if len(frames) == 1 or (are_ordered and len(lost) == len(frames)):
        return list(range(len(frames))), None
    if lost or frames[0].orientation is None:
        what = "ImagePositionPatient" if lost else "ImageOrientationPatient"
        raise ReadError(
            f"{source}: {(lost or names)[0]} has no {what}, so its place among the slices is not known; "
            "export it with positions, or as TIFF slices numbered in order"
        )
    positions = np.array([frame.position for frame in frames], np.float64)
    normal = np.cross(frames[0].orientation[:3], frames[0].orientation[3:])
    depths = positions @ normal
    order = [int(i) for i in np.argsort(depths, kind="stable")]
    _check_steps(source, depths[order], [names[i] for i in order])
    step = float(np.ptp(depths)) / (len(frames) - 1)
    shifts = np.linalg.norm(positions - positions[0] - np.outer(depths - depths[0], normal), axis=1)
    if shifts.max() > 0.5 * min(frames[0].spacing or (step,)):
        raise ReadError(
            f"{source}: {names[int(shifts.argmax())]} is shifted by {shifts.max():.4g} mm in its plane against "
            f"{names[0]}, as with a tilted gantry; resample the slices to a straight grid"
        )
    return order, step


def _head(file: Path) -> bytes:
    with file.open("rb", buffering=0) as stream:
        return stream.read(N_HEAD)


def _choose(folder: Path, series: dict[str, list[Header]], chosen: str | None) -> list[Header]:
    """Return the one series, or the chosen one."""
    if not series:
        raise ReadError(f"{folder}: its DICOM files hold no image; name a folder with the slices of one series")
    if chosen is None and len(series) == 1:
        return next(iter(series.values()))
    found = [one for uid, one in series.items() if chosen in (uid, one[0].number)]
    if len(found) == 1:
        return found[0]
    listed = [f"{uid or 'without a UID'} (number {one[0].number or '?'}, {one[0].modality}, {len(one)} files)"
              for uid, one in sorted(series.items())]  # fmt: skip
    more = "" if len(listed) <= _LISTED else f" and {len(listed) - _LISTED} more"
    asked = "holds" if chosen is None else f"{chosen!r} is not one of"
    raise ReadError(
        f"{folder}: {asked} {len(listed)} series: {', '.join(listed[:_LISTED])}{more}; "
        f"add ::UID or ::number to the name of the folder, or keep one series in a folder"
    )


def _check_alike(first: Header, one: Header) -> None:
    """Refuse a file that cannot lie in one volume with the first."""
    for header in (first, one):
        if header.shape[0] != 1:
            raise ReadError(
                f"{header.path}: holds {header.shape[0]} frames, but is not the only file of its series; read it alone"
            )
    for what, found, expected in (
        ("modality", one.modality, first.modality),
        ("size", one.shape[1:], first.shape[1:]),
        ("dtype", one.dtype.name, first.dtype.name),
        ("BitsStored", one.bits, first.bits),
        ("PhotometricInterpretation", one.photometric, first.photometric),
    ):
        if found != expected:
            raise ReadError(
                f"{one.path}: its {what} is {found}, but {expected} in {first.path.name}; "
                "take it out of the folder, or make all slices alike"
            )


def _check_frames(source: Path, frames: Sequence[Frame], names: Sequence[str]) -> None:
    """Refuse a frame that is not parallel to the first, or of other pixels."""
    first = frames[0]
    for name, one in zip(names, frames, strict=True):
        for what, found, expected in (
            ("PixelSpacing", one.spacing, first.spacing),
            ("ImageOrientationPatient", one.orientation, first.orientation),
            ("unit of values", one.unit, first.unit),
        ):
            if found != expected and not _are_close(found, expected):
                raise ReadError(
                    f"{source}: {name}: its {what} is {found}, but {expected} in {names[0]}; take it out, or make all "
                    "slices alike"
                )


def _are_close(found: object, expected: object) -> bool:
    """Whether numbers differ in their last digits only, as they do between slices of some scanners."""
    if not (isinstance(found, tuple) and isinstance(expected, tuple)):
        return False
    return bool(np.allclose(found, expected, rtol=1e-4, atol=1e-4 if len(found) == 6 else 0))  # 0 occurs in directions


def _check_steps(source: Path, depths: NDArray[np.float64], names: Sequence[str]) -> None:
    """Refuse slices at one place, and distances that differ."""
    steps = np.diff(depths)
    usual = float(np.median(steps))
    for step, (before, after) in zip(steps, pairwise(names), strict=True):
        if step <= 1e-3 * usual:
            raise ReadError(
                f"{source}: {before} and {after} lie at the same place; take one of them away, or keep each time, "
                "phase or echo by itself"
            )
        if abs(step - usual) > 0.01 * usual:
            hint = "supply the slice that is missing" if step > usual else "take out the one that does not belong"
            raise ReadError(
                f"{source}: {before} and {after} are {step:.6g} mm apart, but other slices {usual:.6g} mm; {hint}, or "
                "resample to even distances"
            )
