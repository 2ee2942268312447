"""What a DICOM file says of its image, checked before a pixel is touched."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from klevels.errors import MissingDependencyError, ReadError
from klevels.files import reading
from klevels.io.dicom_frames import Frame, read_frames, text_of

MAX_FRAMES = 100_000

_PIXEL_TAGS = {0x7FE00010: "iu", 0x7FE00008: "f", 0x7FE00009: "f"}
_UNDEFINED = 0xFFFFFFFF
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_KEYWORDS = [
    "SOPClassUID",
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "FrameIncrementPointer",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "TotalPixelMatrixColumns",
    "ModalityLUTSequence",
    "DoseGridScaling",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of its image.

    Parameters
    ----------
    path : Path
        The file.
    series, number, modality : str
        SeriesInstanceUID, SeriesNumber and Modality; empty where they are not given.
    shape : tuple of int
        Of all frames: (frames, rows, columns), and 3 for color.
    dtype : dtype
        Of the values as they are stored, in their byte order.
    bits : int
        How many bits of a value count, from the lowest on; the others may hold anything.
    photometric : str
        MONOCHROME1, MONOCHROME2 or RGB.
    is_planar : bool
        Whether the colors of a frame are stored as one plane each.
    syntax : str
        The UID of the transfer syntax.
    offset : int
        Where the pixels begin in the file, in bytes.
    n_bytes : int or None
        How many bytes of pixels there are; None where they are compressed.
    padding : int or None
        The value of pixels outside the image, as stored.
    frames : tuple of Frame
        One for each frame.
    """

    path: Path
    series: str
    number: str
    modality: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bits: int
    photometric: str
    is_planar: bool
    syntax: str
    offset: int
    n_bytes: int | None
    padding: int | None
    frames: tuple[Frame, ...]


def read_header(path: Path) -> Header | None:
    """Read all but the pixels of a DICOM file.

    Parameters
    ----------
    path : Path
        A DICOM file.

    Returns
    -------
    Header or None
        None of what is no image, such as a report or a DICOMDIR.

    Raises
    ------
    ReadError
        If the file is damaged, or its image is of a kind that has no certain meaning as gray values or RGB.
    MissingDependencyError
        If pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise MissingDependencyError(
            f"{path}: DICOM is read with pydicom, which is not installed; run: pip install 'klevels[io]'"
        ) from error

    with reading(path), _Bounded(path) as stream:
        data = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=_KEYWORDS)
        found = _find_pixels(stream, is_big=_syntax(data) == _BIG_ENDIAN)
        if found is None and not _is_image(data):
            return None
        if found is None:
            raise ReadError(f"{path}: ends before its pixels; it is cut short: copy or export it again")
        try:
            return _as_header(path, data, *found)
        except ReadError as error:
            raise ReadError(f"{path}: {error}") from error


class _Bounded(io.BufferedReader):
    """A file that is never asked for more than it holds: lengths in a broken file would take memory by the gigabyte."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(str(path)))  # pydicom wants its name to be a str
        self._path = path
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:  # only a deflated data set is read, and inflated, whole
            raise ReadError(f"{self._path}: is deflated as a whole, which has no bound in size; save it uncompressed")
        return super().read(min(size, self._size))


def _find_pixels(stream: BinaryIO, *, is_big: bool) -> tuple[str, int, int | None, str] | None:
    """Return the kind of the pixels, where they begin, how many bytes they are, and in which representation."""
    at = stream.tell()
    head = stream.read(12)
    order: Literal["little", "big"] = "big" if is_big else "little"
    tag = int.from_bytes(head[0:2], order) << 16 | int.from_bytes(head[2:4], order)
    if len(head) < 8 or tag not in _PIXEL_TAGS:
        return None
    # Where the representation is implicit, its place holds a length, which is even: O and U as lowest bytes are odd.
    is_explicit = head[4:6] in (b"OB", b"OW", b"OF", b"OD", b"UN")
    n_bytes = int.from_bytes(head[8:12] if is_explicit else head[4:8], order)
    return (
        _PIXEL_TAGS[tag],
        at + (12 if is_explicit else 8),
        None if n_bytes == _UNDEFINED else n_bytes,
        head[4:6].decode("latin-1"),
    )


def _is_image(data: Any) -> bool:
    """Whether a file that holds no pixels should: one that does not say what it is ends before it could."""
    from pydicom.uid import UID

    kind = UID(str(data.file_meta.get("MediaStorageSOPClassUID") or data.get("SOPClassUID") or ""))
    return kind == "" or "Image Storage" in kind.name or "Rows" in data


def _syntax(data: Any) -> str:
    return text_of(data.file_meta.get("TransferSyntaxUID"))


def _as_header(path: Path, data: Any, kind: str, offset: int, n_bytes: int | None, representation: str) -> Header:
    """Check what can be known before a pixel is decoded."""
    rows, columns, n_samples = (whole(data, name, default) for name, default in _SIDES)
    n_frames = whole(data, "NumberOfFrames", 1)
    photometric = text_of(data.get("PhotometricInterpretation")) or "MONOCHROME2"
    if min(rows, columns) < 1:
        raise ReadError(f"claims {rows} x {columns} pixels; an image needs at least one: export it again")
    if not 1 <= n_frames <= MAX_FRAMES:
        raise ReadError(f"NumberOfFrames is {n_frames}; 1 to {MAX_FRAMES} are read: export it again")
    if (n_samples, photometric) not in ((1, "MONOCHROME1"), (1, "MONOCHROME2"), (3, "RGB")):
        raise ReadError(
            f"has {n_samples} samples of {photometric}; MONOCHROME1, MONOCHROME2 and RGB are read: convert it"
        )
    _check_meaning(data, n_frames)
    dtype, bits = _dtype(data, kind)
    if _syntax(data) == _BIG_ENDIAN:
        if dtype.itemsize == 1 and representation == "OW":
            raise ReadError("holds bytes in big-endian words; save it as Explicit VR Little Endian")
        dtype = dtype.newbyteorder(">")
    shape = (n_frames, rows, columns, 3)[: 3 + (n_samples == 3)]
    expected = math.prod(shape) * dtype.itemsize
    if n_bytes is not None and n_bytes < expected:
        raise ReadError(
            f"{' × '.join(map(str, shape))} values of {dtype.name} take {expected} bytes, but {n_bytes} are stored; "
            "it is cut short: copy or export it again"
        )
    padding = data.get("PixelPaddingValue")
    return Header(
        path=path,
        series=text_of(data.get("SeriesInstanceUID")),
        number=text_of(data.get("SeriesNumber")),
        modality=text_of(data.get("Modality")),
        shape=shape,
        dtype=dtype,
        bits=bits,
        photometric=photometric,
        is_planar=n_samples == 3 and whole(data, "PlanarConfiguration", 0) == 1,
        syntax=_syntax(data),
        offset=offset,
        n_bytes=n_bytes,
        padding=padding if isinstance(padding, int) else None,
        frames=read_frames(data, n_frames),
    )


_SIDES: tuple[tuple[str, int | None], ...] = (("Rows", None), ("Columns", None), ("SamplesPerPixel", 1))


def _check_meaning(data: Any, n_frames: int) -> None:
    """Refuse values and frames that are not gray values in slices."""
    if data.get("ModalityLUTSequence"):
        raise ReadError("its values mean something by a table (Modality LUT) only; export it with slope and intercept")
    if data.get("DoseGridScaling") is not None:
        raise ReadError("is a radiation dose, not an image; name the images that it belongs to")
    if data.get("TotalPixelMatrixColumns") is not None:
        raise ReadError("its frames are tiles of a slide, not slices; convert it to OME-TIFF or OME-Zarr")
    pointer = data.get("FrameIncrementPointer")
    pointers = [] if pointer is None else [pointer] if isinstance(pointer, int) else list(pointer)
    if n_frames > 1 and any(int(one) in (0x00181063, 0x00181065) for one in pointers):
        raise ReadError("is a film: its frames are moments, not slices; save the frame to read as a file of its own")


def _dtype(data: Any, kind: str) -> tuple[np.dtype[Any], int]:
    """Return the dtype of the stored values, little-endian, and how many of their bits count."""
    allocated = whole(data, "BitsAllocated", None)
    allowed = (32, 64) if kind == "f" else (8, 16, 32)
    if allocated not in allowed:
        raise ReadError(f"BitsAllocated is {allocated}; {', '.join(map(str, allowed))} are read: convert it")
    if kind == "f":
        return np.dtype(f"<f{allocated // 8}"), allocated
    bits = whole(data, "BitsStored", allocated)
    high = whole(data, "HighBit", bits - 1)
    if not 1 <= bits <= allocated or high != bits - 1:
        raise ReadError(
            f"BitsStored is {bits} and HighBit {high}; 1 to {allocated}, and one less, are read: export it again"
        )
    is_signed = whole(data, "PixelRepresentation", 0) == 1
    return np.dtype(f"<{'i' if is_signed else 'u'}{allocated // 8}"), bits


def whole(data: Any, name: str, default: int | None) -> int:
    """Return a whole number, or a default where it is not given.

    Parameters
    ----------
    data : pydicom.Dataset
        The elements.
    name : str
        The keyword.
    default : int or None
        None: it must be given.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ReadError
        If it is not given, or no number.
    """
    found = data.get(name)
    if found is None and default is not None:
        return default
    if isinstance(found, bool) or not isinstance(found, int):
        raise ReadError(f"{name} is {str(found)[:40]!r}; a whole number is needed: export it again")
    return int(found)
