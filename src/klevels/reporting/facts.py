"""What was asked, and what is known of files, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from klevels.recipe import Recipe


def recipe_rows(recipe: Recipe) -> list[tuple[str, str]]:
    """Return what was asked, in words.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    list of tuple of str
        A name and a value; what was not asked for is left out, but for the main steps.
    """
    borders = {None: "not at all", "resolve": "given to a neighboring phase", "undecided": "a class of their own"}
    smooth = "not at all" if recipe.smooth is None else f"Potts model, β = {_text(recipe.smooth)}"
    found = [
        ("Number of classes k", str(recipe.k)),
        ("Classes", "fitted before, and applied as they were" if recipe.model is not None else "fitted to this scan"),
        ("Noise split off first", "not at all" if recipe.noise is None else _text(recipe.noise)),
        ("Denoised", "not at all" if recipe.denoise is None else _denoised(recipe)),
        ("Voxels on borders", borders[recipe.borders]),
        ("Labels smoothed", smooth),
    ]
    found += [("Classes estimated anew while smoothed", "yes")] if recipe.reestimate else []
    found += [("Mask", recipe.mask)] if recipe.mask is not None else []
    found += [("NaN", "left out")] if recipe.nan == "ignore" else []
    found += [("Color", "read as gray")] if recipe.gray else []
    found += [("Channels", "divided by their standard deviations")] if recipe.normalize else []
    found += [("Resolution level", str(recipe.level))] if recipe.level else []
    found += [("Value of missing chunks", _text(recipe.missing))] if recipe.missing is not None else []
    if recipe.quality != "default" or recipe.random_state:
        found.append(("Search", f"{recipe.quality}, seed {recipe.random_state}"))
    return found


def fact_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return facts about a file.

    Parameters
    ----------
    facts : mapping of str to object
        As `klevels.io.describe` returns them.

    Returns
    -------
    list of tuple of str
        A name and a value; what is unknown says so.
    """
    found = []
    for name, value in facts.items():
        text = f"{value:,} bytes" if name in ("bytes", "file_bytes") and isinstance(value, int) else _text(value)
        if name == "spacing" and isinstance(value, list | tuple):
            text = f"{_text(value)} {facts.get('unit') or '(unit unknown)'}"
        if name == "unit" and facts.get("spacing") is not None:
            continue
        shown = {"bytes": "size in memory", "file_bytes": "size on disk", "spacing": "voxel size"}
        found.append((shown.get(name, name.replace("_", " ")), text))
    return found


def _denoised(recipe: Recipe) -> str:
    if isinstance(recipe.denoise, str) or recipe.denoise is None:
        return str(recipe.denoise)
    words = {
        "diffusion": "curvature anisotropic diffusion",
        "nlm": "non-local means",
        "bilateral": "bilateral filter",
        "tv": "total variation",
        "median": "median",
        "gaussian": "Gaussian",
    }
    unit = "voxels" if recipe.denoise.method in ("median", "gaussian") else "gray values"
    strength = "" if recipe.denoise.strength is None else f", strength {_text(recipe.denoise.strength)} {unit}"
    noise = "" if recipe.denoise.noise is None else f", noise {_text(recipe.denoise.noise)} gray values"
    return f"{words[recipe.denoise.method]}{strength}{noise}"


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        parts: Sequence[Any] = value
        return " × ".join(map(_text, parts))
    return str(value)
