"""Zarr, versions 2 and 3, and OME-Zarr: folders on this machine, read chunk by chunk."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from klevels.errors import ParameterError, ReadError
from klevels.image import Image
from klevels.io.ome_zarr import Multiscale, multiscale_of, spacing_of
from klevels.io.reader import Access, Reader
from klevels.io.zarr_codecs import compression_of
from klevels.io.zarr_lazy import ZarrArray
from klevels.io.zarr_nodes import Node, node_of
from klevels.lazy import LazyArray, PickedArray, TransposedArray

MOST_CHANNELS = 16
"""A last axis that has no name, after three others, is that of channels if it is not longer than this."""
_AXES = ("z", "y", "x", "c")
_LETTERS = {"channel": "c", "channels": "c", "band": "c"} | {axis: axis for axis in _AXES}
_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def sniff(path: Path, head: bytes = b"") -> bool:  # noqa: ARG001
    """Tell whether a folder is a Zarr store, or a part of one.

    Parameters
    ----------
    path : Path
        A file or folder.
    head : bytes
        The first bytes of a file; they do not matter.

    Returns
    -------
    bool
        Whether the metadata of Zarr are in it.
    """
    return any((path / mark).is_file() for mark in _MARKS)


def open(path: Path, access: Access) -> Image:
    """Open an image in a store, and leave its voxels there.

    Parameters
    ----------
    path : Path
        The folder of the store.
    access : Access
        ``part``, ``level`` and ``missing`` count.

    Returns
    -------
    Image
        Its data is a `LazyArray`. An OME-Zarr group is its image; another group is the only array in it of two or more
        axes. The axes are those that the metadata name; without names, two are yx, three zyx, and four zyxc if there
        are at most `MOST_CHANNELS` channels. Axes of other names, and a single channel, are left out if they have one
        entry.

    Raises
    ------
    ReadError
        If the store is broken or hostile, or it does not say which array is the image, or the image has a time axis.
        What is wrong with chunks is found when they are read.
    ParameterError
        If there is no such level or part, or the dtype does not have the value of missing chunks.
    """
    node, image = _found(path, access)
    array = ZarrArray(node, access.missing)
    names = _names(array, image)
    axes = "".join(axis for axis in _AXES if axis in names and (axis != "c" or array.shape[names.index("c")] > 1))
    data = _arranged(array, names, axes)
    spacing, unit = (None, None) if image is None else spacing_of(image, axes.replace("c", ""), path)
    return Image(data, axes, spacing, unit, _facts(node, array, image))


def _found(path: Path, access: Access) -> tuple[Node, Multiscale | None]:
    """Return the array that is asked for, and what OME-Zarr says of it."""
    node = node_of(_part(path, access.part))
    if _is_wrapped(node):
        node = _only_image(node)
    image = None if node.kind == "array" else multiscale_of(node.attributes, access.level, node.folder)
    if image is not None:
        array = node_of(node.folder / image.path)
        if array.kind != "array":
            raise ReadError(f"{node.folder}: the level {image.path} is no array; copy or export it again")
        return array, image
    if access.level:
        raise ParameterError(f"{path}: level is {access.level}, but there is one level only; give 0")
    return node if node.kind == "array" else _only_array(node), None


def _part(path: Path, part: str | None) -> Path:
    """Return the folder of what is asked for in a store."""
    inside = PurePosixPath((part or "").strip("/"))
    if ".." in inside.parts:
        raise ParameterError(f"{path}::{part}: leaves the store; name an array or group that is in it")
    folder = path / inside
    if not sniff(folder):
        found = ", ".join(_inside(path)) or "nothing"
        raise ParameterError(f"{path}::{part}: there is no such array or group; found: {found}")
    return folder


def _is_wrapped(node: Node) -> bool:
    """Whether a group was written by bioformats2raw, which numbers the images in it."""
    attributes: Any = node.attributes.get("ome", node.attributes)
    return isinstance(attributes, dict) and "bioformats2raw.layout" in attributes and "multiscales" not in attributes


def _only_image(node: Node) -> Node:
    images = [name for name in _inside(node.folder) if name.isdigit()]
    if len(images) == 1:
        return node_of(node.folder / images[0])
    raise ReadError(f"{node.folder}: holds {len(images)} images{_listed(node.folder, images)}")


def _only_array(node: Node) -> Node:
    """Return the only array of a group that can be an image: coordinates have one axis."""
    inside = {name: node_of(node.folder / name) for name in _inside(node.folder)}
    arrays = [n for n, one in inside.items() if one.kind == "array" and len(one.metadata.get("shape", ())) > 1]
    if len(arrays) == 1:
        return inside[arrays[0]]
    names = arrays or [name for name, one in inside.items() if one.kind == "group"]
    what = f"{len(arrays)} arrays" if arrays else "no array and no image"
    raise ReadError(f"{node.folder}: this group holds {what}{_listed(node.folder, names)}")


def _listed(folder: Path, names: list[str]) -> str:
    if not names:
        return "; name another"
    shown = ", ".join(names[:20]) + ", ..." * (len(names) > 20)
    return f": {shown}; name one of them: {folder}::{names[0]}"


def _inside(folder: Path) -> list[str]:
    """Return the names of the arrays and groups of a group."""
    return sorted(one.name for one in folder.iterdir() if one.is_dir() and sniff(one))


def _names(array: ZarrArray, image: Multiscale | None) -> tuple[str, ...]:
    """Return the name of each axis: z, y, x and c for those that an Image has."""
    names = image.axes if image is not None else _plain_names(array)
    if len(names) != array.ndim or len(set(names)) != array.ndim or not {"y", "x"} <= set(names):
        raise ReadError(
            f"{array.source}: has {array.ndim} axes of lengths {array.shape}, which are named {', '.join(names)}; "
            f"an image has two axes, y and x, or also z and c (channels), each once"
        )
    for name, n in zip(names, array.shape, strict=True):
        if name not in _AXES and n > 1:
            raise ReadError(
                f"{array.source}: has {n} entries along the axis {name!r}; save one of them as an array of its own "
                f"with the axes z, y, x"
            )
    return names


def _plain_names(array: ZarrArray) -> tuple[str, ...]:
    """Return the names of the axes of an array that is no OME-Zarr; those of axes z, y, x and c are what they say."""
    stated = tuple(_LETTERS.get(name.lower(), name) for name in array.stored.names or ())
    if {"y", "x"} <= set(stated):
        return stated
    if array.ndim == 4 and array.shape[-1] <= MOST_CHANNELS:
        return tuple("zyxc")
    if array.ndim in (2, 3):
        return tuple("zyx"[-array.ndim :])
    raise ReadError(
        f"{array.source}: has {array.ndim} axes of lengths {array.shape} and no names for them; two axes (y, x), three "
        f"(z, y, x), or four with at most {MOST_CHANNELS} channels last can be read: name the others in its metadata"
    )


def _arranged(array: ZarrArray, names: tuple[str, ...], axes: str) -> LazyArray:
    """Return the array with the axes in the order of `axes`, and no others."""
    kept = [name for name in names if name in tuple(axes)]
    data: LazyArray = array
    if len(kept) < len(names):
        data = PickedArray(array, [None if name in kept else 0 for name in names])
    if "".join(kept) != axes:
        data = TransposedArray(data, [kept.index(axis) for axis in axes])
    return data


def _facts(node: Node, array: ZarrArray, image: Multiscale | None) -> dict[str, object]:
    family = f"Zarr {node.version}" if image is None else f"OME-Zarr {image.version or ''}".rstrip()
    facts: dict[str, object] = {"format": family, "compression": compression_of(array.stored.codecs)}
    if image is not None:
        facts["levels"] = image.n_levels
    if array.stored.shards is not None:
        facts["shards"] = array.stored.shards.shape
    return facts


READER = Reader(name="Zarr", sniff=sniff, open=open, takes=("part", "level", "missing"))
