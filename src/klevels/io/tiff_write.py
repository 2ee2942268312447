"""Write TIFF that ImageJ reads with the size of its voxels, and that klevels reads back to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ParameterError
from klevels.image import Image
from klevels.io import icc
from klevels.io.raw_sink import flat_sink, n_bytes
from klevels.io.tiff_meaning import SOFTWARE

IMAGEJ = ("uint8", "uint16", "float32")  # the gray values of ImageJ
OME_TYPES = {"bool": "bit", "float32": "float", "float64": "double"} | {
    name: name for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32")
}
OTHER = ("float16", "int64", "uint64")  # plain TIFF; neither ImageJ nor OME has a name for them
ALL_PAGES_BYTES = 2**32 - 2**26  # ImageJ knows no BigTIFF: of larger stacks, only the first page can be addressed
RGB_TYPES = ("uint8", "uint16")
MAX_CHANNELS = 16
IMAGEJ_UNITS = {"µm": "um"}  # the description must be ASCII


def write(path: Path, image: Image) -> None:
    """Write an image or labels.

    Parameters
    ----------
    path : Path
        The file to write; what is there is replaced.
    image : Image
        Gray, or 2 to 16 channels, of which the last is alpha where meta["alpha"] is true; integers, float16 to float64,
        or, if gray, bool.

    Raises
    ------
    ParameterError
        If TIFF cannot hold the image.

    Notes
    -----
    uint8, uint16 and float32 gray, and uint8 RGB, become ImageJ TIFF; the rest OME-TIFF, or plain TIFF for float16 and
    64-bit integers. All are uncompressed: ImageJ reads no compressed stacks, and they are written and read at the speed
    of the disk. Above 4 GB ImageJ's flavor keeps all slices behind one page, the others become BigTIFF. The same image
    gives the same bytes. The exact spacing and axes stand in the Software tag, as JSON: resolution tags are fractions.

    Three channels of uint8 or uint16 are RGB, and so are the first three of four; other channels are samples of a gray
    pixel, the first of them gray and the others of unspecified kind, which viewers show one by one or leave out.
    meta["icc_profile"] is embedded where it suits the colors.
    """
    if image.dtype == bool:
        _write(path, image, np.asarray(image.data))
        return
    sink = flat_sink(path, image, path, allocate(path, image))
    sink.write(tuple(slice(0, n) for n in image.shape), np.asarray(image.data))


def allocate(path: Path, image: Image) -> int:
    """Write all of a TIFF file but the values, and leave room for them.

    Parameters
    ----------
    path : Path
        The file to write; what is there is replaced.
    image : Image
        As `write` takes it; its values are not looked at.

    Returns
    -------
    int
        Where the values begin, in bytes: little-endian, in the order of the axes, without a gap.

    Raises
    ------
    ParameterError
        If TIFF cannot hold the image, or, of bool, holds it as single bits.
    """
    if image.dtype == bool:
        raise ParameterError("the dtype is bool, which TIFF holds as single bits; convert it to uint8")
    return _write(path, image, None)


def _write(path: Path, image: Image, data: NDArray[Any] | None) -> int:
    """Write a file; without data, leave room for them. Return where they begin."""
    import tifffile

    _check(image)
    has_channels = image.axes.endswith("c")
    n_channels = image.shape[-1] if has_channels else 1
    has_alpha = has_channels and bool(image.meta.get("alpha"))
    is_rgb = n_channels - has_alpha in (3, 4) and n_channels <= 4 and image.dtype.name in RGB_TYPES
    extra = [0] * (n_channels - (3 if is_rgb else 1))
    if has_alpha:
        extra[-1] = 1 if image.meta.get("premultiplied") else 2
    options: dict[str, Any] = {
        "shape": image.shape,
        "dtype": image.dtype.newbyteorder("<"),
        "photometric": "rgb" if is_rgb else "minisblack",
        "planarconfig": "contig" if has_channels else None,
        "extrasamples": extra or None,
        "iccprofile": icc.to_embed(image, n_channels - has_alpha),
        "software": f"{SOFTWARE} {json.dumps({'axes': image.axes, 'spacing': image.spacing, 'unit': image.unit})}",
        "byteorder": "<",
        "metadata": None,
        "returnoffset": True,
    }
    if _suits_imagej(image):
        *z, y, x = image.shape[: len(image.axes.replace("c", ""))]
        # Of fewer axes, tifffile loses those of length 1.
        options["shape"] = (1, *(z or [1]), 1, y, x, 3 if has_channels else 1)
        options["metadata"] = {"axes": "TZCYXS"} | _imagej_calibration(image)
        options["resolution"] = None if image.spacing is None else (1 / image.spacing[-1], 1 / image.spacing[-2])
        options["truncate"] = n_bytes(image) > ALL_PAGES_BYTES
        options["imagej"] = True
    elif image.dtype.name in OME_TYPES:
        options["description"] = _ome_xml(image)
    place = tifffile.imwrite(path, data, **options)
    return 0 if place is None else int(place[0])


def _check(image: Image) -> None:
    """Refuse what TIFF cannot hold, or klevels could not read back."""
    name = image.dtype.name
    if name not in (*OME_TYPES, *OTHER):
        raise ParameterError(f"the dtype is {name}; TIFF holds {', '.join((*OME_TYPES, *OTHER))}; convert it")
    if image.data.size == 0:
        raise ParameterError(f"the shape is {image.shape}; an image needs at least one pixel")
    if image.axes.endswith("c") and name == "bool":
        raise ParameterError("the dtype is bool, and the image has colors; convert it to uint8")
    if image.axes.endswith("c") and not 2 <= image.shape[-1] <= MAX_CHANNELS:
        raise ParameterError(f"there are {image.shape[-1]} channels; TIFF is written with 2 to {MAX_CHANNELS}, or gray")


def _suits_imagej(image: Image) -> bool:
    if image.axes.endswith("c"):
        return image.dtype == np.uint8 and image.shape[-1] == 3 and not image.meta.get("alpha")
    return image.dtype.name in IMAGEJ


def _imagej_calibration(image: Image) -> dict[str, object]:
    """Return what ImageJ needs to know of the voxels; it takes those without a unit to be pixels."""
    if image.spacing is None or image.unit is None:
        return {}
    unit = IMAGEJ_UNITS.get(image.unit, image.unit)
    calibration: dict[str, object] = {"unit": unit.encode("ascii", "backslashreplace").decode()}
    if image.axes.startswith("z"):
        calibration["spacing"] = image.spacing[0]
    return calibration


def _ome_xml(image: Image) -> str:
    """Return the least OME-XML that is valid, the same for the same image."""
    from xml.sax.saxutils import quoteattr

    spatial = dict(zip(image.axes.replace("c", "").upper(), image.shape, strict=False))
    channels = image.shape[-1] if image.axes.endswith("c") else 1
    sizes = {"X": 1, "Y": 1, "Z": 1} | spatial | {"C": channels, "T": 1}
    calibration = ""
    if image.spacing is not None and image.unit is not None:
        unit = quoteattr(image.unit)
        for axis, size in zip(spatial, image.spacing, strict=True):
            calibration += f' PhysicalSize{axis}="{size!r}" PhysicalSize{axis}Unit={unit}'
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        f'Type="{OME_TYPES[image.dtype.name]}"'
        + "".join(f' Size{axis}="{size}"' for axis, size in sizes.items())
        + calibration
        + f'><Channel ID="Channel:0:0" SamplesPerPixel="{channels}"/>'
        f'<TiffData IFD="0" PlaneCount="{sizes["Z"]}"/></Pixels></Image></OME>'
    )
    return text.encode("ascii", "xmlcharrefreplace").decode()
