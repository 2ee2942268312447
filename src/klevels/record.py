"""The record beside an output: what was asked, of which input, with which versions, so that it can be done again."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from klevels.core.colors import ColorTable
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.errors import DataError, InputMissingError, ParameterError, ReadError
from klevels.files import file_of, fingerprint, reading
from klevels.poster import PosterRecipe
from klevels.recipe import Recipe
from klevels.version import __version__

FORMAT = 1
POSTERIZE = "posterize"
"""The verb of records of posters."""
MOST_HASHED = 1 << 28
"""Inputs that are larger are not read once more for their hash."""
ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
"""One of these is in each folder that is a Zarr store, or a group or array in one."""
READERS = ("numpy", "tifffile", "imagecodecs", "PIL", "zarr", "h5py", "nibabel", "nrrd", "pydicom", "dask")
LABELING = ("segment", "apply")
"""The verbs whose records are of labels."""


def record_path(output: str | os.PathLike[str]) -> Path:
    """Return where the record of an output lies.

    Parameters
    ----------
    output : str or path-like
        The output.

    Returns
    -------
    Path
        ``<output>.json``.
    """
    return Path(f"{os.fspath(output)}.json")


def identify(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a file is, so that it can be told from another.

    Parameters
    ----------
    path : str or path-like
        A file, a folder of slices, or a Zarr store; ``file.h5::/dataset`` names what is inside.

    Returns
    -------
    dict
        ``path``, ``bytes`` and ``sha256``, in hexadecimal. Beyond 256 MB and of a Zarr store ``sha256`` is None, and
        ``modified`` is the time of the last change, as `state_of` returns it: to read a large input for its hash alone
        would take as long as to segment it.
    """
    source = file_of(path)
    with reading(source):
        size, modified = _size_and_time(source)
        is_store = any((source / one).exists() for one in ZARR_MARKS)
    if size > MOST_HASHED or is_store:
        return {"path": os.fspath(path), "bytes": size, "sha256": None, "modified": modified}
    return {"path": os.fspath(path), **fingerprint(source)}


def state_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what tells whether an input has changed since a run was interrupted.

    Parameters
    ----------
    path : str or path-like
        A file or a folder.

    Returns
    -------
    dict
        ``path``, ``bytes`` and ``modified``, the time of the last change in nanoseconds: of a folder, the latest of
        its files. What is in a folder ``*.partial`` does not count: an output may be made in the store that is read.
    """
    source = file_of(path)
    with reading(source):
        size, modified = _size_and_time(source)
    inside = os.fspath(path)[len(os.fspath(source)) :]
    return {"path": f"{source.absolute()}{inside}", "bytes": size, "modified": modified}


def histogram_hash(counted: Histogram | ColorTable) -> str:
    """Return the SHA-256 of what was counted: it tells inputs apart that differ in more than the order of their voxels.

    Parameters
    ----------
    counted : Histogram or ColorTable
        The counts.

    Returns
    -------
    str
        In hexadecimal.
    """
    import hashlib

    values = counted.keys if isinstance(counted, Histogram) else counted.bins
    total = hashlib.sha256(f"{counted.dtype.name} {counted.shift}\n".encode())
    for array in (values, counted.counts):
        total.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()


def record_of(
    verb: str,
    recipe: Recipe | PosterRecipe | None,
    model: Levels | Palette | None,
    inputs: Sequence[Mapping[str, Any]],
    mask: Mapping[str, Any] | None = None,
    counted: Histogram | ColorTable | None = None,
) -> dict[str, Any]:
    """Return the record of a run.

    Parameters
    ----------
    verb : str
        The command.
    recipe : Recipe or PosterRecipe or None
        What was asked; None where nothing was segmented.
    model : Levels or Palette or None
        What was found.
    inputs : sequence of mapping
        From `identify`.
    mask : mapping, optional
        From `identify`.
    counted : Histogram or ColorTable, optional
        Of the inputs: its hash stands for those that have none.

    Returns
    -------
    dict
        Ready for JSON. It holds no date but that of a mask without a hash, so that the same run writes the same bytes.
    """
    return {
        "klevels_record": FORMAT,
        "verb": verb,
        "recipe": None if recipe is None else recipe.to_dict(),
        "model": None if model is None else model.to_dict(),
        "inputs": [{name: value for name, value in one.items() if name != "modified"} for one in inputs],
        "mask": None if mask is None else dict(mask),
        **({} if counted is None else {"histogram_sha256": histogram_hash(counted)}),
        "versions": _versions(),
    }


def load_recipe(path: str | os.PathLike[str], *, mask: Path | None = None) -> Recipe:
    """Read the recipe from a record, or from a file that holds nothing else.

    Parameters
    ----------
    path : str or path-like
        A record that lies beside an output, or the JSON of `Recipe.to_dict`.
    mask : Path, optional
        Another mask than the one that it names.

    Returns
    -------
    Recipe
        What was asked then.

    Raises
    ------
    ReadError
        If the file holds no recipe, or that of a poster.
    DataError
        If the mask that it names has changed since: its size or hash, or, where it has no hash, the time of its last
        change.
    """
    stored = read_json(path)
    if _is_of_poster(stored):
        raise ReadError(f"{os.fspath(path)}: is the record of a poster; use it with klevels posterize --recipe")
    try:
        recipe = Recipe.from_dict(stored.get("recipe", stored))
    except (ParameterError, TypeError) as error:
        raise ReadError(f"{os.fspath(path)}: {error}") from error
    if mask is not None:
        return replace(recipe, mask=str(mask))
    if recipe.mask is not None and not file_of(recipe.mask).exists():
        beside = Path(path).parent / recipe.mask  # as it lay when the command ran in the record's folder
        if not file_of(beside).exists():
            raise InputMissingError(f"{recipe.mask}: no such mask, which {os.fspath(path)} names; give it with --mask")
        recipe = replace(recipe, mask=str(beside))
    known = stored.get("mask") if "recipe" in stored else None
    if isinstance(known, dict) and recipe.mask is not None and _has_changed(recipe.mask, known):
        raise DataError(f"{recipe.mask}: the mask has changed since {os.fspath(path)} was written; give it with --mask")
    return recipe


def load_poster_recipe(path: str | os.PathLike[str]) -> PosterRecipe:
    """Read the recipe of a poster from its record, or from a file that holds nothing else.

    Parameters
    ----------
    path : str or path-like
        A record that lies beside a poster, or the JSON of `PosterRecipe.to_dict`.

    Returns
    -------
    PosterRecipe
        What was asked then.

    Raises
    ------
    ReadError
        If the file holds no recipe, or that of a segmentation.
    """
    stored = read_json(path)
    if "klevels_record" in stored and not _is_of_poster(stored):
        raise ReadError(
            f"{os.fspath(path)}: is a record of klevels {stored.get('verb')}, not of a poster; "
            f"give the .json that lies beside a poster"
        )
    try:
        return PosterRecipe.from_dict(stored.get("recipe", stored))
    except (ParameterError, TypeError) as error:
        raise ReadError(f"{os.fspath(path)}: {error}") from error


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON object.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    ReadError
        If the file cannot be read, or holds something else.
    """
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputMissingError(f"{os.fspath(path)}: no such file; check the name") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(f"{os.fspath(path)}: is no JSON ({error}); give a file that klevels wrote") from error
    if not isinstance(stored, dict):
        raise ReadError(f"{os.fspath(path)}: holds no JSON object; give a file that klevels wrote")
    return stored


def _has_changed(path: str, known: Mapping[str, Any]) -> bool:
    found = identify(path)
    return any(found.get(name) != known.get(name) for name in ("bytes", "sha256", "modified"))


def _size_and_time(source: Path) -> tuple[int, int]:
    """Return the bytes of a file, or of all files below a folder, and the time of the last change in nanoseconds."""
    files = _files_below(source) if source.is_dir() else [source]
    found = [one.stat() for one in files]
    return sum(one.st_size for one in found), max((one.st_mtime_ns for one in found), default=0)


def _files_below(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.endswith(".partial")]
        yield from (Path(path, name) for name in names)


def _is_of_poster(stored: Mapping[str, Any]) -> bool:
    return stored["verb"] == POSTERIZE if "verb" in stored else "dither" in stored


def _versions() -> dict[str, str]:
    versions = {"klevels": __version__, "python": platform.python_version()}
    for name in READERS:
        module = sys.modules.get(name)
        if module is not None:
            versions[name] = str(getattr(module, "__version__", "unknown"))
    return versions
