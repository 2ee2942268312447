"""Several images counted into one table, one after the other, so that one at a time is in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar
from zipfile import BadZipFile, ZipFile

from klevels import cutting, engine
from klevels.cli.inputs import check_same, load_picture, load_scan, naming
from klevels.core.colors import ColorTable
from klevels.core.histogram import Histogram
from klevels.counting import count_channels, count_gray
from klevels.errors import DataError
from klevels.image import Image
from klevels.io.reader import Access
from klevels.record import read_json, record_path
from klevels.sources import color_channels, visible
from klevels.workers import Workers

Table = Histogram | ColorTable
T = TypeVar("T", bound=Table)
Stage = Callable[[str], None]
Peaks = tuple[float, ...]
"""The greatest magnitude in each channel; none of gray."""


def pool_scans(
    paths: Sequence[Path],
    *,
    nan: Literal["error", "ignore"],
    gray: bool,
    normalize: bool,
    access: Access,
    lazy: bool | None,
    workers: Workers,
    stage: Stage,
) -> Table:
    """Count the levels of several scans, or the values of their channels.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders of slices, at least one; histograms that were counted before are added as they are.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    gray : bool
        Whether color is turned to gray.
    normalize : bool
        Whether channels shall weigh alike, and so be divided alike, each for its range.
    access : Access
        How they are read.
    lazy : bool or None
        Whether their voxels stay where they are stored.
    workers : Workers
        Who counts.
    stage : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    Histogram or ColorTable
        A Histogram where the scans are gray.

    Raises
    ------
    DataError
        If they differ in dtype or in the number of channels.
    """

    def count(image: Image, peaks: Peaks | None) -> Table:
        if "c" in image.axes:
            return count_channels(image, nan=nan, peak=_common(peaks, normalize), workers=workers)
        return count_gray(image, None, nan, workers)

    def peaks_in(image: Image) -> Peaks:
        return _peaks(image, None, workers) if "c" in image.axes and (normalize or _is_on_its_own_grid(image)) else ()

    def load(path: Path) -> Image:
        return load_scan([path], gray=gray, access=access, lazy=lazy)

    counted = [path for path in paths if is_histogram(path)]
    scans = [path for path in paths if path not in counted]
    _check_shards(counted)
    tables: list[Table] = [Histogram.load(path) for path in counted]
    if scans:
        tables.append(_pool(scans, load, count, peaks_in, _merge, stage, twice=normalize))
    for path, table in zip(counted[1:] + scans[:1], tables[1:], strict=False):
        check_same(counted[0], path, "dtype", tables[0].dtype, table.dtype)
    return functools.reduce(_merge, tables)


def _check_shards(paths: Sequence[Path]) -> None:
    """Refuse histograms of parts of a scan of which one is missing, or there twice, as their records tell."""
    shards: dict[tuple[str, int], dict[int, Path]] = {}
    for path in paths:
        record = record_path(path)
        stored = read_json(record) if record.exists() else {}
        if "shard" in stored:
            number, total = stored["shard"]
            of_scan = shards.setdefault((stored["inputs"][0]["path"], total), {})
            if number in of_scan:
                raise DataError(f"{path}: is shard {number} of {total}, and so is {of_scan[number]}; give each once")
            of_scan[number] = path
    for (scan, total), of_scan in shards.items():
        missing = sorted(set(range(1, total + 1)) - set(of_scan))
        if missing:
            raise DataError(
                f"{next(iter(of_scan.values()))}: is one of {total} shards of {scan}, of which number {missing[0]} is "
                f"missing; give all of them"
            )


def is_histogram(path: Path) -> bool:
    """Tell whether a file is a histogram that klevels saved.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    bool
        True for a .npz file with the arrays of one.
    """
    try:
        with ZipFile(path) as archive:
            return {"keys.npy", "counts.npy", "rests.npy"} <= set(archive.namelist())
    except (OSError, BadZipFile):
        return False


def pool_pictures(
    paths: Sequence[Path], *, frame: int | None, n_wanted: int | None, workers: Workers, stage: Stage
) -> ColorTable:
    """Count the colors of several photographs.

    Parameters
    ----------
    paths : sequence of Path
        Files, at least one.
    frame : int or None
        Which one of animations.
    n_wanted : int or None
        Where this is 3, gray counts as color.
    workers : Workers
        Who counts.
    stage : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    ColorTable
        Of all of them.

    Raises
    ------
    DataError
        If they differ in dtype or in the number of channels.
    """

    def count(image: Image, peaks: Peaks | None) -> ColorTable:
        return count_channels(image, n_wanted=n_wanted, peak=_common(peaks, False), workers=workers)

    def peaks_in(image: Image) -> Peaks:
        return _peaks(image, n_wanted, workers) if _is_on_its_own_grid(image) else ()

    def merge(one: ColorTable, other: ColorTable) -> ColorTable:
        return one + other

    return _pool(paths, lambda path: load_picture(path, frame), count, peaks_in, merge, stage)


def _pool(
    paths: Sequence[Path],
    load: Callable[[Path], Image],
    count: Callable[[Image, Peaks | None], T],
    peaks_in: Callable[[Image], Peaks],
    merge: Callable[[T, T], T],
    stage: Stage,
    *,
    twice: bool = False,
) -> T:
    """Count all files, and again with the peaks of all where grids differ, or it must be `twice`."""
    first, peaks = _load_and_count(paths[0], None, load, count, peaks_in, stage)
    pooled, is_of_one_grid = first, not (twice and isinstance(first, ColorTable))
    for path in paths[1:]:
        part, own_peaks = _load_and_count(path, None, load, count, peaks_in, stage)
        check_same(paths[0], path, "dtype", first.dtype, part.dtype)
        check_same(paths[0], path, "number of channels", _n_channels(first), _n_channels(part))
        peaks = tuple(map(max, peaks, own_peaks))  # none where none are needed
        is_of_one_grid &= _steps(part) == _steps(first)
        if is_of_one_grid:
            pooled = merge(pooled, part)
    if not is_of_one_grid:
        pooled = _load_and_count(paths[0], peaks, load, count, peaks_in, stage)[0]
        for path in paths[1:]:
            pooled = merge(pooled, _load_and_count(path, peaks, load, count, peaks_in, stage)[0])
    return pooled


def _load_and_count(
    path: Path,
    peaks: Peaks | None,
    load: Callable[[Path], Image],
    count: Callable[[Image, Peaks | None], T],
    peaks_in: Callable[[Image], Peaks],
    stage: Stage,
) -> tuple[T, Peaks]:
    """Return the table of a file, and the greatest magnitude in each of its channels."""
    stage(f"counting {path.name}")
    with naming([path]):
        image = load(path)
        return count(image, peaks), peaks_in(image) if peaks is None else peaks


def _merge(one: Table, other: Table) -> Table:
    if isinstance(one, Histogram) and isinstance(other, Histogram):
        return one + other
    if isinstance(one, ColorTable) and isinstance(other, ColorTable):
        return one + other
    raise DataError("some images are gray and some have transparency besides; give --gray to read all as gray")


def _n_channels(table: Table) -> int:
    return 1 if isinstance(table, Histogram) else table.n_channels


def _steps(table: Table) -> tuple[float, ...]:
    return () if isinstance(table, Histogram) else table.steps


def _is_on_its_own_grid(image: Image) -> bool:
    return image.dtype.kind == "f" or image.dtype.itemsize > 2


def _peaks(image: Image, n_wanted: int | None, workers: Workers) -> Peaks:
    source, inside = cutting.in_blocks(image, None, workers)
    return engine.peaks(color_channels(source, n_wanted), visible(source, inside), "ignore", workers)


def _common(peaks: Peaks | None, normalize: bool) -> float | Peaks | None:
    """Return one peak for all channels, unless they shall weigh alike."""
    if not peaks:
        return None
    return peaks if normalize else max(peaks)
