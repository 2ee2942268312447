"""Which dataset of an HDF5 file is meant, found without ever leaving the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from klevels.errors import ReadError

if TYPE_CHECKING:
    import h5py

_MOST_LISTED = 8
_MOST_LINKS = 16  # soft links and defaults that lead to each other; more are a circle


@dataclass(frozen=True, slots=True)
class Found:
    """A dataset, and the group that it was found in.

    Parameters
    ----------
    dataset : h5py.Dataset
        It may lie elsewhere in the file, if a soft link led to it.
    group : h5py.Group
        With the NeXus attributes that describe it.
    """

    dataset: h5py.Dataset
    group: h5py.Group


def find(path: Path, file: h5py.File, part: str | None) -> Found:
    """Find the dataset that is meant.

    Parameters
    ----------
    path : Path
        The file.
    file : h5py.File
        Open.
    part : str, optional
        The name of a dataset, or of a group that is searched. None: the whole file is.

    Returns
    -------
    Found
        The dataset of that name; or, in a group, the default that NeXus attributes lead to, or the only dataset of
        numbers with two or more axes, or the only signal.

    Raises
    ------
    ReadError
        If there is none, or several could be meant: the message lists them.
    """
    import h5py

    here, parent = (file["/"], file["/"]) if part is None else follow(path, file["/"], part)
    if isinstance(here, h5py.Dataset):
        return Found(here, parent)
    if (default := _default(path, here)) is not None:
        return default
    datasets, signals = _candidates(path, here)
    for found in (datasets, signals):
        if len(found) == 1:
            return found[0]
    if not datasets:
        raise ReadError(f"{path}: {here.name} holds no dataset of numbers with two or more axes; name another group")
    names = ", ".join(str(one.dataset.name) for one in datasets[:_MOST_LISTED])
    more = ", ..." if len(datasets) > _MOST_LISTED else ""
    raise ReadError(
        f"{path}: {here.name} holds several datasets ({names}{more}); "
        f"name one, as in {path}::{datasets[0].dataset.name}"
    )


def follow(path: Path, start: h5py.Group, name: str, n_links: int = 0) -> tuple[Any, h5py.Group]:
    """Return what has a name, link by link.

    Parameters
    ----------
    path : Path
        The file.
    start : h5py.Group
        Where the name begins, unless it begins with a slash.
    name : str
        Of a group or a dataset.
    n_links : int
        How many soft links led here.

    Returns
    -------
    here : h5py.Group or h5py.Dataset
        What has the name.
    parent : h5py.Group
        The group that its last link is in.

    Raises
    ------
    ReadError
        If there is no such thing, or a link on the way leads to another file or in a circle.
    """
    import h5py

    here: Any = start.file["/"] if name.startswith("/") else start
    parent = here
    for piece in (one for one in name.split("/") if one not in ("", ".")):
        link = here.get(piece, getlink=True) if isinstance(here, h5py.Group) else None
        if link is None:
            raise ReadError(f"{path}: there is no {piece!r} in {here.name}; {_listed(here)}")
        place = f"{here.name.rstrip('/')}/{piece}"
        if isinstance(link, h5py.ExternalLink):
            raise ReadError(
                f"{path}: {place} is an external link to {link.path} in {link.filename}; "
                "other files are not opened: read that file"
            )
        parent = here
        if isinstance(link, h5py.SoftLink):
            if n_links >= _MOST_LINKS:
                raise ReadError(f"{path}: {place} is a soft link that leads in a circle; name the dataset itself")
            here, _ = follow(path, here, link.path, n_links + 1)
        else:
            here = here[piece]
    if not isinstance(here, h5py.Group | h5py.Dataset):
        raise ReadError(f"{path}: {name} is neither a dataset nor a group; name a dataset")
    return here, parent


def text_of(value: Any) -> str | None:
    """Return the text of an attribute, however it is stored.

    Parameters
    ----------
    value : Any
        As h5py returns it.

    Returns
    -------
    str or None
        None if it is no text.
    """
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, str) else None


def _default(path: Path, group: h5py.Group) -> Found | None:
    """Follow the attributes by which NeXus says what is to be shown first."""
    import h5py

    for _ in range(_MOST_LINKS):
        default = text_of(group.attrs.get("default"))
        if default is None:
            break
        group, _ = follow(path, group, default)
        if not isinstance(group, h5py.Group):
            return None
    return _signal(path, group)


def _signal(path: Path, group: h5py.Group) -> Found | None:
    import h5py

    name = text_of(group.attrs.get("signal"))
    if name is None:
        return None
    here, _ = follow(path, group, name)
    return Found(here, group) if isinstance(here, h5py.Dataset) else None


def _candidates(path: Path, group: h5py.Group) -> tuple[list[Found], list[Found]]:
    """List the datasets that may be images, and those that are signals; no external link is followed."""
    import h5py

    datasets: list[Found] = []
    signals: list[Found] = []
    for item, parent in _items(group):
        if isinstance(item, h5py.Dataset):
            if item.shape is not None and sum(n > 1 for n in item.shape) > 1 and item.dtype.kind in "buif":
                datasets.append(Found(item, parent))
        elif isinstance(item, h5py.Group) and (signal := _signal(path, item)) is not None:
            signals.append(signal)
    return datasets, signals


def _items(group: h5py.Group) -> Iterator[tuple[Any, h5py.Group]]:
    """Give all that hard links lead to, once, with its group.

    h5py's own visit makes HDF5 measure each object, which crashes where an index of chunks is damaged.
    """
    import h5py

    seen: set[Any] = set()
    groups = [group]
    for parent in groups:
        for name in parent:
            if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
                continue
            item = parent[name]
            if item in seen:
                continue
            seen.add(item)
            yield item, parent
            if isinstance(item, h5py.Group):
                groups.append(item)


def _listed(here: Any) -> str:
    import h5py

    if not isinstance(here, h5py.Group):
        return "it is a dataset, and ends the name"
    names = [name for name, _ in zip(here, range(_MOST_LISTED + 1), strict=False)]
    more = ", ..." if len(names) > _MOST_LISTED else ""
    return f"it holds {', '.join(names[:_MOST_LISTED]) or 'nothing'}{more}"
