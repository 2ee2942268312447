"""What the pages of a TIFF file mean: slices or not, and how large a voxel is."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from klevels.errors import ReadError

SOFTWARE = "klevels"  # begins the Software tag of files that klevels wrote; JSON follows

MOST_CHANNELS = 4  # an ImageJ stack of more channels, one slice and one time is a volume

_METERS = {"pm": 1e-12, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}
_PREFIXES = {"pm": "pico", "nm": "nano", "µm": "micro", "mm": "milli", "cm": "centi", "m": ""}
_SPELLINGS = {"um": "µm", "micron": "µm", "microns": "µm"} | {
    name: unit
    for unit, prefix in _PREFIXES.items()
    for name in (unit, f"{prefix}meter", f"{prefix}metre", f"{prefix}meters", f"{prefix}metres")
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the pages are.

    Parameters
    ----------
    n_planes : int
        The number of slices; more than there are pages where one page describes a whole stack.
    is_volume : bool
        Whether there is a z axis.
    spacing : tuple of float or None
        Voxel size along (z,) y, x. None where any of it is unknown.
    unit : str or None
        The unit of `spacing`: one of pm, nm, µm, mm, cm, m, or what klevels itself wrote.
    spacing_yx : tuple of float or None
        The pixel size of a volume whose slice distance is unknown; its unit is `unit_yx`.
    unit_yx : str or None
        See `spacing_yx`.
    has_channels : bool
        Whether klevels itself noted that the samples of a pixel are channels, so that each counts.
    """

    n_planes: int
    is_volume: bool
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    spacing_yx: tuple[float, float] | None = None
    unit_yx: str | None = None
    has_channels: bool = False


def find_meaning(page: Any, n_pages: int) -> Meaning:
    """Read the description of a file.

    Parameters
    ----------
    page : TiffPage
        The first page.
    n_pages : int
        The number of pages of full resolution.

    Returns
    -------
    Meaning
        Several pages without a description are slices of a volume whose voxel size is unknown.

    Raises
    ------
    ReadError
        If the description tells of times, several channels, several images or other files, or contradicts the pages.

    Notes
    -----
    A voxel size is taken from ImageJ (`unit`, `spacing` and the resolution tags), from OME-XML (`PhysicalSizeX`, Y, Z)
    and from files that klevels wrote, and only in a metric unit: ImageJ itself fills in inches and pixels where it
    knows nothing. Resolution tags alone (so many pixels an inch, or a centimeter) are left alone: scanners, cameras and
    libraries fill them with the density of print, 72 or 300 dots an inch. ImageJ leaves out the distance of slices if
    it is exactly 1, and if nobody set it: it is taken as 1 only where pixels are exactly 1 wide and high as well.

    An ImageJ stack of more than four channels, one slice and one time is read as a volume: libraries write volumes so
    whose axes were not named.
    """
    if page.description.rstrip().endswith("OME>") or page.is_ome:
        meaning = _ome(page, n_pages)
    elif page.imagej_description is not None:
        meaning = _imagej(page, n_pages)
    elif page.shaped_description is not None:
        meaning = _shaped(page, n_pages)
    else:
        meaning = Meaning(n_pages, n_pages > 1)
    return _own(page, meaning) or meaning


def _own(page: Any, meaning: Meaning) -> Meaning | None:
    """Return what klevels itself noted when it wrote the file."""
    if not page.software.startswith(SOFTWARE + " {"):
        return None
    note = json.loads(page.software.removeprefix(SOFTWARE))
    is_volume, unit = note["axes"].startswith("z"), note["unit"]
    spacing = None if note["spacing"] is None else tuple(float(s) for s in note["spacing"])
    if meaning.n_planes > 1 and not is_volume:
        raise ReadError(f"has {meaning.n_planes} pages but notes axes {note['axes']!r}; save it again")
    if spacing is not None and (len(spacing) != 2 + is_volume or not all(math.isfinite(s) and s > 0 for s in spacing)):
        raise ReadError(f"notes the spacing {spacing}; {2 + is_volume} positive numbers are needed; save it again")
    unit = None if unit is None else str(unit)
    return Meaning(meaning.n_planes, is_volume, spacing, unit, has_channels=note["axes"].endswith("c"))


def _imagej(page: Any, n_pages: int) -> Meaning:
    notes = dict(line.split("=", 1) for line in page.imagej_description.splitlines() if "=" in line)
    channels, slices, frames = (int(notes.get(name, 1)) for name in ("channels", "slices", "frames"))
    images = int(notes.get("images", 1))
    if channels == page.samplesperpixel:
        channels = 1  # the samples of a color
    if channels > MOST_CHANNELS and slices == frames == 1:
        channels, slices = 1, channels  # so libraries write a volume whose axes nobody named
    if channels > 1 or frames > 1:
        raise ReadError(
            f"is an ImageJ stack of {channels} channels, {slices} slices, {frames} times;"
            " only slices are read: save one channel at one time"
        )
    n_planes = max(slices, images) if min(slices, images) <= 1 else slices
    if n_planes < 1 or n_pages not in (1, n_planes):
        if n_planes != 1:
            raise ReadError(f"has {n_pages} pages but notes {n_planes} slices; save it again with ImageJ")
        n_planes = n_pages
    unit = _unit(notes.get("unit", ""))
    if any(_unit(notes[name]) != unit for name in ("yunit", "zunit") if name in notes):
        unit = None
    y, x = _pixel_size(page, "YResolution"), _pixel_size(page, "XResolution")
    z = abs(_number(notes.get("spacing", "")) or 0)
    if not z and x == y == 1:
        z = 1.0
    return _with_spacing(n_planes, n_planes > 1, (z or None, y, x), unit)


def _ome(page: Any, n_pages: int) -> Meaning:
    from xml.etree import ElementTree

    if "<!DOCTYPE" in page.description or "<!ENTITY" in page.description:
        raise ReadError("its OME-XML defines entities, which can fill the memory; remove them")
    root = ElementTree.fromstring(page.description)
    images = root.findall("{*}Image/{*}Pixels")
    if len(images) != 1:
        raise ReadError(f"is an OME-TIFF of {len(images)} images; save the one to read to a file of its own")
    pixels = images[0]
    sizes = {axis: int(pixels.attrib["Size" + axis]) for axis in "TCZYX"}
    channels = sizes["C"] // page.samplesperpixel
    if sizes["T"] > 1 or channels > 1:
        raise ReadError(
            f"is an OME-TIFF of axes {', '.join(f'{axis}={size}' for axis, size in sizes.items())};"
            " only z, y, x and one color are read: save one channel at one time"
        )
    if (sizes["Y"], sizes["X"]) != (page.imagelength, page.imagewidth) or sizes["Z"] != n_pages:
        raise ReadError(
            f"has {n_pages} pages of {page.imagelength}x{page.imagewidth} pixels, but its OME-XML tells of {sizes['Z']}"
            f" of {sizes['Y']}x{sizes['X']}; a series over several files, or one that was cut, must be saved to one"
        )
    for data in pixels.findall("{*}TiffData"):
        if int(data.get("IFD", 0)) != int(data.get("FirstZ", 0)):
            raise ReadError("is an OME-TIFF whose slices are not in the order of its pages; save it again")
    units = {axis: _unit(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"}
    unit = units["X"]
    found = {axis: _number(pixels.get(f"PhysicalSize{axis}", "")) for axis in "ZYX"}
    size = {axis: _convert(found[axis], units[axis], unit) for axis in "ZYX"}
    return _with_spacing(n_pages, n_pages > 1, (size["Z"], size["Y"], size["X"]), unit)


def _shaped(page: Any, n_pages: int) -> Meaning:
    """Read the shape that tifffile notes, as JSON today and as "shape=(...)" once."""
    text = page.shaped_description
    notes: dict[str, Any] = json.loads(text) if text.startswith("{") else {"shape": re.findall(r"\d+", text)}
    shape = [int(n) for n in notes["shape"]]
    axes = notes.get("axes", "")
    n_planes, rest = divmod(math.prod(shape), math.prod(page.shape))
    if rest or n_planes < 1:
        raise ReadError(f"notes the shape {shape}, but its pages have the shape {list(page.shape)}; save it again")
    long = [i for i, n in enumerate(shape[: max(0, len(shape) - len(page.shape))]) if n > 1]
    if len(long) > 1 or (long and len(axes) == len(shape) and axes[long[0]] not in "ZQI"):
        raise ReadError(f"has axes {axes or shape}; only z, y, x and one color are read: save one volume to a file")
    if n_planes > 1 and n_pages not in (1, n_planes):
        raise ReadError(f"has {n_pages} pages, but its first image {n_planes}; save one image or volume to a file")
    n_planes = max(n_planes, n_pages)
    return Meaning(n_planes, n_planes > 1)


def _with_spacing(
    n_planes: int, is_volume: bool, sizes: tuple[float | None, float | None, float | None], unit: str | None
) -> Meaning:
    """Keep a spacing only if it is known along every axis."""
    z, y, x = sizes
    if unit is None or not x or not y:
        return Meaning(n_planes, is_volume)
    if not is_volume:
        return Meaning(n_planes, is_volume, (y, x), unit)
    if not z:
        return Meaning(n_planes, is_volume, spacing_yx=(y, x), unit_yx=unit)
    return Meaning(n_planes, is_volume, (z, y, x), unit)


def _unit(text: str) -> str | None:
    r"""Return the usual sign of a metric unit, however it is spelled (ImageJ writes "\u00B5m"); None for any other."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    # Two characters look like µ: the micro sign, and the Greek letter, which is the normal form of both.
    text = unicodedata.normalize("NFKC", text).strip().strip('"').casefold().replace("\u03bc", "µ")
    return _SPELLINGS.get(text)


def _pixel_size(page: Any, tag: str) -> float | None:
    """Return the size of a pixel from a resolution in pixels a unit."""
    value = page.tags.valueof(tag)
    if not isinstance(value, tuple) or len(value) != 2 or value[0] <= 0 or value[1] <= 0:
        return None
    return float(value[1] / value[0])


def _number(text: str) -> float | None:
    """Return a positive or negative number, None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value != 0 else None


def _convert(size: float | None, unit: str | None, wanted: str | None) -> float | None:
    if size is None or size < 0 or unit is None or wanted is None:
        return None
    converted = size if unit == wanted else size * _METERS[unit] / _METERS[wanted]
    return converted if 0 < converted < math.inf else None
