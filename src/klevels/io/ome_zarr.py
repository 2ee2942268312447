"""What the metadata of OME-Zarr say: which arrays are the levels, what their axes are, how large a voxel is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from klevels.errors import ParameterError, ReadError
from klevels.units import in_one_unit, short_unit

_V2_AXES = ("t", "c", "z", "y", "x")  # before version 0.3 there was no choice
_KINDS = {"channel": "c", "time": "t"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiscale:
    """One level of an image.

    Parameters
    ----------
    path : str
        Of its array, in the group.
    axes : tuple of str
        Their names; "c" for channels and "t" for time, whatever they are called.
    sizes : tuple of float, or None
        Of a voxel along each axis, as stated. None where nothing is stated.
    units : tuple of str or None
        Of the sizes.
    n_levels : int
        How many levels there are.
    version : str or None
        Of OME-Zarr.
    """

    path: str
    axes: tuple[str, ...]
    sizes: tuple[float, ...] | None
    units: tuple[str | None, ...]
    n_levels: int
    version: str | None


def multiscale_of(attributes: Mapping[str, Any], level: int, folder: Path) -> Multiscale | None:
    """Return what the attributes of a group say of one level of its image.

    Parameters
    ----------
    attributes : mapping
        Of the group.
    level : int
        The wanted level; 0 is the full resolution.
    folder : Path
        The group, for messages.

    Returns
    -------
    Multiscale or None
        None if the group is no image.

    Raises
    ------
    ParameterError
        If there is no such level.
    ReadError
        If the metadata are broken or hostile.
    """
    ome = attributes.get("ome")
    ome = ome if isinstance(ome, dict) and "multiscales" in ome else attributes
    if "multiscales" not in ome:
        return None
    try:
        image = ome["multiscales"][0]
        datasets = image["datasets"]
        if level >= len(datasets):
            raise ParameterError(f"{folder}: level is {level}, but there are {len(datasets)}; {_levels(len(datasets))}")
        axes, units = _axes(image.get("axes", _V2_AXES))
        transformations = [*(image.get("coordinateTransformations") or [])]
        transformations += datasets[level].get("coordinateTransformations") or []
        version = ome.get("version", image.get("version"))
        return Multiscale(
            path=_inner_path(datasets[level]["path"]),
            axes=axes,
            sizes=None if attributes.get("klevels") == {"spacing": None} else _sizes(transformations, len(axes)),
            units=units,
            n_levels=len(datasets),
            version=None if version is None else str(version),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ParameterError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ReadError(
            f"{folder}: the metadata of OME-Zarr are broken ({type(error).__name__}: {reason}); repair or export it "
            f"again, or name one of its arrays: {folder}::NAME"
        ) from error


def spacing_of(image: Multiscale, axes: str, folder: Path) -> tuple[tuple[float, ...] | None, str | None]:
    """Return the size of a voxel along spatial axes.

    Parameters
    ----------
    image : Multiscale
        The level.
    axes : str
        Letters for which there are axes, such as "zyx".
    folder : Path
        The group, for messages.

    Returns
    -------
    spacing : tuple of float or None
        In the order of `axes`.
    unit : str or None
        Of all of them.

    Raises
    ------
    ReadError
        If a size is not positive, or the units of two axes cannot be converted.
    """
    units = tuple(image.units[image.axes.index(axis)] for axis in axes)
    if image.sizes is None:
        return None, units[0] if len(set(units)) == 1 else None
    sizes = tuple(image.sizes[image.axes.index(axis)] for axis in axes)
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        raise ReadError(f"{folder}: the scales along {axes} are {sizes}; they must be positive: repair its metadata")
    found = in_one_unit(sizes, units)
    if found is None:
        raise ReadError(
            f"{folder}: the units along {axes} are {', '.join(map(str, units))}; state them all in one unit, or name "
            f"the array, {folder}::{image.path}, to read it without the size of its voxels"
        )
    return found


def _levels(n_levels: int) -> str:
    return "give 0" if n_levels == 1 else f"give 0 to {n_levels - 1}"


def _axes(found: Any) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Return names and units of axes; in version 0.3 they are names alone."""
    entries: list[Any] = [{"name": one} if isinstance(one, str) else one for one in found]
    names = tuple(str(_KINDS.get(str(one.get("type")), one["name"])).lower() for one in entries)
    units = tuple(short_unit(str(one["unit"])) if one.get("unit") else None for one in entries)
    return names, units


def _sizes(transformations: list[Any], n_axes: int) -> tuple[float, ...] | None:
    """Return the product of all scales; None where there are none, or others than scales count too."""
    sizes: tuple[float, ...] | None = None
    for one in transformations:
        if one["type"] == "scale":
            scale = one["scale"]
            if len(scale) != n_axes:
                raise ValueError(f"the scale {scale} is not one of {n_axes} axes")
            sizes = tuple(a * float(b) for a, b in zip(sizes or (1.0,) * n_axes, scale, strict=True))
        elif one["type"] not in ("translation", "identity"):
            return None
    return sizes


def _inner_path(found: object) -> str:
    """Return a path that stays in the group."""
    path = str(found)
    if not path or "\\" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"the path of a level is {path!r}: it must stay in the store")
    return path
