"""DICOM: a file with one or more frames, or a folder with the slices of a series."""

from __future__ import annotations

from pathlib import Path

from klevels.errors import ReadError
from klevels.image import Image
from klevels.io.dicom_header import Header, read_header
from klevels.io.dicom_pixels import SlicesArray, compression_of, dtype_of, frames_of
from klevels.io.dicom_series import holds_dicom, is_dicom, order_slices, read_series
from klevels.io.reader import Access, Reader
from klevels.lazy import PickedArray

__all__ = ["NAME", "READER", "open", "sniff"]

NAME = "DICOM"


def sniff(path: Path, head: bytes) -> bool:
    """Tell a DICOM file by its first bytes, and a folder by the files in it.

    Parameters
    ----------
    path : Path
        A file or a folder.
    head : bytes
        At least the first 132 bytes of a file; none of a folder.

    Returns
    -------
    bool
        Whether it is DICOM; of a folder, whether it holds a DICOM file.
    """
    if head:
        return is_dicom(head)
    try:
        return path.is_dir() and holds_dicom(path)
    except OSError:
        return False


def open(path: Path, access: Access) -> Image:
    """Open a DICOM file, or the slices of a series, and leave the pixels where they are.

    Parameters
    ----------
    path : Path
        A file, or a folder.
    access : Access
        `part` is the SeriesInstanceUID or the SeriesNumber of the series, where a folder holds several.

    Returns
    -------
    Image
        "yx" of a file with one frame, "zyx" of several frames and of every folder, with a "c" behind for RGB. Slices
        are in the order of their positions along the normal of their planes, whatever their names and numbers.
        `spacing` is in mm: the distance of the slices along that normal, of rows, and of columns; where only the latter
        two are known, they are meta["spacing_yx"].

    Raises
    ------
    ReadError
        If a file is damaged, or it is not certain that the slices make one volume: see
        `klevels.io.dicom_series.order_slices`.
    MissingDependencyError
        If pydicom is not installed.

    Notes
    -----
    Each slice is scaled by its own slope and intercept, and meta["value_unit"] names the unit of the result, "HU" for
    CT. MONOCHROME1, where a display shows low values bright, is not inverted, for its values mean what they mean; it is
    meta["photometric"]. Pixels outside the scanned field keep their value, which is meta["padding_value"].

    Nothing about the patient is in the meta.
    """
    if path.is_dir():
        return _as_image(path, read_series(path, access.part), "zyx")
    if access.part is not None:
        raise ReadError(f"{path}: holds no parts, but ::{access.part} is asked for; leave it out")
    header = read_header(path)
    if header is None:
        raise ReadError(f"{path}: is DICOM, but no image; name the images of the series")
    return _as_image(path, [header], "zyx" if header.shape[0] > 1 else "yx")


def _as_image(path: Path, headers: list[Header], axes: str) -> Image:
    """Put the frames into their order in space."""
    first = headers[0]
    arrays = [frames_of(header) for header in headers]
    slices = [(array, i, one.frames[i]) for array, one in zip(arrays, headers, strict=True) for i in range(len(array))]
    frames = [frame for _, _, frame in slices]
    names = [one.path.name for one in headers] if len(headers) > 1 else [f"frame {i + 1}" for i in range(len(frames))]
    order, step = order_slices(path, frames, names, are_ordered=len(headers) == 1)
    dtype = dtype_of(first.dtype, first.bits, frames)
    data = SlicesArray([slices[i] for i in order], first.bits, dtype, str(path))

    meta = _meta(headers)
    axes += "c" * (len(first.shape) == 4)
    plane = frames[0].spacing
    if axes.startswith("yx"):
        places = (0, *[None] * len(axes))
        return Image(PickedArray(data, places), axes, plane, "mm" if plane else None, meta)
    if plane is not None and step is not None:
        return Image(data, axes, (step, *plane), "mm", meta)
    return Image(data, axes, meta=meta if plane is None else meta | {"spacing_yx": plane, "unit_yx": "mm"})


def _meta(headers: list[Header]) -> dict[str, object]:
    """Return facts about the image, and none about the patient."""
    first = headers[0]
    frames = [frame for one in headers for frame in one.frames]
    compressions = sorted({compression_of(one) for one in headers})
    meta: dict[str, object] = {
        "format": NAME,
        "compression": ", ".join(compressions),
        "bits": first.bits,
        "photometric": first.photometric,
        "modality": first.modality or None,
        "value_unit": frames[0].unit,
        "n_slices": len(frames) if len(frames) > 1 or len(headers) > 1 else None,
    }
    paddings = {
        None if one.padding is None else one.padding * frame.slope + frame.intercept
        for one in headers
        for frame in one.frames
    }
    if len(paddings) == 1:
        padding = paddings.pop()
        meta["padding_value"] = int(padding) if padding is not None and padding.is_integer() else padding
    return {name: value for name, value in meta.items() if value is not None}


READER = Reader(name=NAME, sniff=sniff, open=open, takes=("part",))
