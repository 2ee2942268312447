"""The records of a batch: as those of ``klevels segment``, with what must be known to go on after an interruption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from klevels.errors import ReadError
from klevels.recipe import Recipe, Segmentation
from klevels.record import READERS, identify, read_json, record_of, record_path

PACKAGES = {"PIL": "pillow", "nrrd": "pynrrd"}
"""Readers whose packages have other names."""

TOLD = {"asked", "modified", "labels", "n_voxels", "n_ignored", "n_undecided"}
"""What the record of a batch says besides."""


def record_for(scan: Path, result: Segmentation, asked: Recipe) -> dict[str, Any]:
    """Return the record of a scan's labels.

    Parameters
    ----------
    scan : Path
        The input.
    result : Segmentation
        What came out.
    asked : Recipe
        What was asked of all scans.

    Returns
    -------
    dict
        As that of ``klevels segment``, with what a batch must know to go on. Its versions are those of all readers that
        are installed: which of them are loaded depends on the scans before.
    """
    known = identify(scan)
    mask = None if asked.mask is None else identify(asked.mask)
    counted = result.histogram if known["sha256"] is None else None
    record = record_of("segment", result.recipe, result.model, [known], mask, counted)
    summary = result.summary()
    told = {
        "asked": asked.to_dict(),
        "modified": known.get("modified"),
        "n_voxels": summary["n_voxels"],
        "n_ignored": summary["n_ignored"],
        "n_undecided": result.n_undecided,
        "labels": None,
    }
    return {**record, "versions": {**record["versions"], **installed()}, "batch": told}


def read_record(output: Path) -> dict[str, Any] | None:
    """Return the record beside an output, if it is one of a batch.

    Parameters
    ----------
    output : Path
        The labels.

    Returns
    -------
    dict or None
        As `record_for` made it.
    """
    try:
        record = read_json(record_path(output))
    except ReadError:
        return None
    told = record.get("batch")
    return record if isinstance(told, dict) and set(told) >= TOLD and record.get("inputs") else None


def as_json(record: Mapping[str, Any]) -> str:
    """Return a record as text.

    Parameters
    ----------
    record : mapping
        Ready for JSON.

    Returns
    -------
    str
        As all records are written.
    """
    return json.dumps(record, indent=2, allow_nan=False) + "\n"


@cache
def installed() -> dict[str, str]:
    """Return the versions of the readers that are installed, loaded or not.

    Returns
    -------
    dict of str to str
        By the names of their modules.
    """
    found = {}
    for name in READERS:
        with suppress(PackageNotFoundError):
            found[name] = version(PACKAGES.get(name, name))
    return found


def is_of(record: Mapping[str, Any], scan: Path, recipe: Recipe) -> bool:
    """Tell whether labels were made by this recipe from this input.

    Parameters
    ----------
    record : mapping
        From `read_record`.
    scan : Path
        The input; its content counts, wherever it lies.
    recipe : Recipe
        What is asked.

    Returns
    -------
    bool
        True if nothing has changed, the mask included.
    """
    asked = json.loads(json.dumps(recipe.to_dict()))
    if record["batch"].get("asked") != asked:
        return False
    if recipe.mask is not None and record.get("mask") != identify(recipe.mask):
        return False
    known = {"modified": record["batch"].get("modified"), **record["inputs"][0], "path": None}
    return known == {"modified": None, **identify(scan), "path": None}
