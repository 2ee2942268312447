"""Which scans a batch has, and how their outputs are called."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from klevels.errors import InputMissingError, ParameterError, WriteError
from klevels.files import StrPath, file_of
from klevels.io import SINK_SUFFIXES, SUFFIXES

FORMATS = (".ome.zarr", *dict.fromkeys((*SINK_SUFFIXES, *SUFFIXES)))


def find_scans(paths: StrPath | Iterable[StrPath], output: StrPath) -> list[Path]:
    """Return the scans that paths and patterns name, each once.

    Parameters
    ----------
    paths : path or iterable of path
        Files, folders of slices, and patterns such as ``scans/*.tif``; what a pattern matches is sorted so that 2 comes
        before 10.
    output : path
        The folder of results: it is no scan, and in what ``**`` matches neither is what lies in it. Nor are records
        beside images.

    Returns
    -------
    list of Path
        At least one. A path that is no pattern is returned whether there is such a file or not.

    Raises
    ------
    InputMissingError
        If there is none.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        raise ParameterError("there is no input; give scans, or a pattern such as 'scans/*.tif'")
    found: dict[str, Path] = {}
    for one in given:
        for path in _matches(one, os.path.realpath(output)):
            found.setdefault(str(path.absolute()), path)
    if not any(file_of(path).exists() for path in found.values()):
        raise InputMissingError(f"{os.fspath(given[0])}: no input matches; check the name or the pattern")
    return list(found.values())


def name_outputs(scans: Sequence[Path], folder: Path, suffix: str) -> dict[Path, Path]:
    """Return where the labels of each scan go.

    Parameters
    ----------
    scans : sequence of Path
        From `find_scans`.
    folder : Path
        The folder of results.
    suffix : str
        Of the outputs, such as ".tif" or ".ome.zarr".

    Returns
    -------
    dict of Path to Path
        By the scans.

    Raises
    ------
    ParameterError
        If two would have one name, also where upper and lower case are one, or no format has the suffix.
    WriteError
        If an output would be a scan, or lie among the slices of one.
    """
    ending = f".{suffix.removeprefix('.')}".lower()
    if ending not in FORMATS:
        raise ParameterError(f"format is {suffix!r}; use one of {', '.join(FORMATS)}")
    inputs = {os.path.realpath(file_of(scan)): scan for scan in scans}
    taken: dict[str, Path] = {}
    outputs = {}
    for scan in scans:
        output = folder / f"{_name(scan)}{ending}"
        other = taken.setdefault(output.name.casefold(), scan)
        if other is not scan:
            raise ParameterError(f"{other} and {scan} would both become {output}; rename one, or do them apart")
        if os.path.realpath(output) in inputs:
            raise WriteError(f"{output}: is the input {inputs[os.path.realpath(output)]}; name another folder")
        outputs[scan] = output
    if os.path.realpath(folder) in inputs:
        raise WriteError(f"{folder}: is the input {inputs[os.path.realpath(folder)]}; name another folder")
    return outputs


def _matches(one: StrPath, output: str) -> list[Path]:
    text = os.fspath(one)
    pattern, mark, part = text.partition("::")
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return [Path(text)]
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207  # pathlib takes no absolute patterns
    is_deep = "**" in pattern
    kept = [name for name in found if not _is_record(name) and not _is_result(name, output, is_deep=is_deep)]
    return [Path(f"{name}{mark}{part}") for name in sorted(kept, key=_natural)]


def _is_record(name: str) -> bool:
    """Tell whether a file is the record that lies beside another."""
    return name.endswith(".json") and Path(name.removesuffix(".json")).exists()


def _is_result(name: str, output: str, *, is_deep: bool) -> bool:
    place = Path(os.path.realpath(name))
    return str(place) == output or (is_deep and Path(output) in place.parents)


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return what sorts scan2 before scan10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part) if part.isdecimal() else -1, "" if part.isdecimal() else part) for part in parts], name


def _name(scan: Path) -> str:
    """Return the name of a scan without its suffix, also ``.ome.tif`` and ``.nii.gz``; with the dataset inside."""
    source = file_of(scan)
    inside = os.fspath(scan)[len(os.fspath(source)) :].strip(":/").replace("/", "-")
    name = source.name or source.resolve().name
    if not source.is_dir() or source.suffix.lower() == ".zarr":
        name = re.sub(r"(\.ome|\.nii)$", "", Path(name).stem, flags=re.IGNORECASE)
    return f"{name}-{inside}" if inside else name
