"""Fill an NRRD file: an attached header, then the values as they are."""

from __future__ import annotations

from pathlib import Path

from klevels.errors import ParameterError
from klevels.image import Image
from klevels.io.raw_sink import FlatSink, begin, go_on

TYPES = {"float32": "float", "float64": "double"} | {
    name: name for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
}
ASCII_UNITS = {"µm": "um", "Å": "angstrom"}


def create(path: Path, image: Image, part: Path) -> FlatSink:
    """Begin an NRRD file.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        Whose values do not matter.
    part : Path
        The file to make.

    Returns
    -------
    FlatSink
        What fills it.

    Raises
    ------
    ParameterError
        If NRRD cannot hold the image.
    """
    return begin(path, image, part, header_of(image))


def reopen(path: Path, image: Image, part: Path) -> FlatSink:
    """Go on with what `create` began.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        As `create` had it.
    part : Path
        What `create` made.

    Returns
    -------
    FlatSink
        What fills it.

    Raises
    ------
    WriteError
        If the file is not what `create` made.
    """
    return go_on(path, image, part, header_of(image))


def header_of(image: Image) -> bytes:
    """Return what stands before the values.

    Parameters
    ----------
    image : Image
        Whose values do not matter.

    Returns
    -------
    bytes
        The header, with the empty line that ends it. It lists the axes from the fastest, x or the channels, to the
        slowest.

    Raises
    ------
    ParameterError
        If NRRD has no name for the dtype.
    """
    if image.dtype.name not in TYPES:
        raise ParameterError(f"the dtype is {image.dtype}; NRRD holds {', '.join(TYPES)}; convert it")
    has_channels = image.axes.endswith("c")
    lines = [
        "NRRD0005",
        f"type: {TYPES[image.dtype.name]}",
        f"dimension: {image.ndim}",
        f"sizes: {' '.join(str(n) for n in reversed(image.shape))}",
        f"kinds: {' '.join(['vector'] * has_channels + ['domain'] * (image.ndim - has_channels))}",
        "encoding: raw",
        "endian: little",
    ]
    if image.spacing is not None:
        sizes = ["nan"] * has_channels + [repr(float(size)) for size in reversed(image.spacing)]
        lines.append(f"spacings: {' '.join(sizes)}")
        if image.unit is not None:
            units = [""] * has_channels + [_ascii(image.unit)] * len(image.spacing)
            lines.append("units: " + " ".join(f'"{unit}"' for unit in units))
    return ("\n".join(lines) + "\n\n").encode()


def _ascii(unit: str) -> str:
    """Return a unit in ASCII: some readers drop all other letters, and take µm for m."""
    return ASCII_UNITS.get(unit, unit).encode("ascii", "backslashreplace").decode().replace('"', "")
