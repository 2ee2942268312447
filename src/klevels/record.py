"""The record beside an output: what was asked, of which input, with which versions, so that it can be done again."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.errors import DataError, InputMissingError, ParameterError, ReadError
from klevels.files import fingerprint
from klevels.poster import PosterRecipe
from klevels.recipe import Recipe
from klevels.version import __version__

FORMAT = 1
POSTERIZE = "posterize"
"""The verb of records of posters."""
READERS = ("numpy", "tifffile", "imagecodecs", "PIL")


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
        A file, or a folder of slices.

    Returns
    -------
    dict
        ``path``, ``bytes`` and ``sha256``.
    """
    return {"path": os.fspath(path), **fingerprint(path)}


def record_of(
    verb: str,
    recipe: Recipe | PosterRecipe | None,
    model: Levels | Palette | None,
    inputs: Sequence[Mapping[str, Any]],
    mask: Mapping[str, Any] | None = None,
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

    Returns
    -------
    dict
        Ready for JSON. It holds no date, so that the same run writes the same bytes.
    """
    return {
        "klevels_record": FORMAT,
        "verb": verb,
        "recipe": None if recipe is None else recipe.to_dict(),
        "model": None if model is None else model.to_dict(),
        "inputs": [dict(one) for one in inputs],
        "mask": None if mask is None else dict(mask),
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
        If the mask that it names has changed since.
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
    if recipe.mask is not None and not Path(recipe.mask).exists():
        beside = Path(path).parent / recipe.mask  # as it lay when the command ran in the record's folder
        if not beside.exists():
            raise InputMissingError(f"{recipe.mask}: no such mask, which {os.fspath(path)} names; give it with --mask")
        recipe = replace(recipe, mask=str(beside))
    known = stored.get("mask") if "recipe" in stored else None
    if (
        isinstance(known, dict)
        and recipe.mask is not None
        and fingerprint(recipe.mask)["sha256"] != known.get("sha256")
    ):
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


def _is_of_poster(stored: Mapping[str, Any]) -> bool:
    return stored["verb"] == POSTERIZE if "verb" in stored else "dither" in stored


def _versions() -> dict[str, str]:
    versions = {"klevels": __version__, "python": platform.python_version()}
    for name in READERS:
        module = sys.modules.get(name)
        if module is not None:
            versions[name] = str(getattr(module, "__version__", "unknown"))
    return versions
