"""The folders of a Zarr store: arrays, groups, and what their writers say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from klevels.errors import ReadError

_MOST_METADATA = 1 << 26  # bytes; consolidated metadata of a large store are long, but not that long


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A folder of a Zarr store.

    Parameters
    ----------
    folder : Path
        The folder.
    version : int
        Of Zarr: 2 or 3.
    kind : {"array", "group"}
        What it is.
    metadata : mapping
        Of the array or group.
    attributes : mapping
        What its writer says of it.
    """

    folder: Path
    version: int
    kind: Literal["array", "group"]
    metadata: Mapping[str, Any]
    attributes: Mapping[str, Any]


def node_of(folder: Path) -> Node:
    """Return what a folder of a store is.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    Node
        With its metadata.

    Raises
    ------
    ReadError
        If it is neither an array nor a group, or its metadata are broken.
    """
    if (folder / "zarr.json").is_file():
        metadata = _json(folder / "zarr.json")
        kind = metadata.get("node_type")
        if metadata.get("zarr_format") != 3 or kind not in ("array", "group"):
            raise ReadError(
                f"{folder / 'zarr.json'}: zarr_format is {metadata.get('zarr_format')!r} and node_type {kind!r}; "
                f"an array or a group of Zarr 3 can be read"
            )
        attributes = metadata.get("attributes") or {}
        return Node(folder=folder, version=3, kind=kind, metadata=metadata, attributes=_mapping(attributes, folder))
    attributes = _json(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}
    if (folder / ".zarray").is_file():
        metadata = _json(folder / ".zarray")
        return Node(folder=folder, version=2, kind="array", metadata=metadata, attributes=attributes)
    if not attributes and not (folder / ".zgroup").is_file():
        raise ReadError(f"{folder}: is no Zarr array or group; name one that is in the store")
    return Node(folder=folder, version=2, kind="group", metadata={}, attributes=attributes)


def _json(file: Path) -> Mapping[str, Any]:
    """Return a file of metadata."""
    size = file.stat().st_size
    if size > _MOST_METADATA:
        raise ReadError(f"{file}: has {size} bytes; metadata of at most {_MOST_METADATA} can be read")
    try:
        return _mapping(json.loads(file.read_bytes()), file)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReadError(f"{file}: is no JSON ({reason}); it is damaged or cut short: copy it again") from error


def _mapping(found: object, file: Path) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise ReadError(f"{file}: the metadata are a {type(found).__name__}; an object with names is wanted")
    return found
