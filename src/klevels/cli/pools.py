"""Several images counted into one table, one after the other, so that one at a time is in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from klevels.cli.inputs import check_same, load_picture, load_scan, naming
from klevels.core.colors import ColorTable
from klevels.core.count import histogram
from klevels.core.histogram import Histogram
from klevels.errors import DataError
from klevels.image import Image
from klevels.pipeline import count_channels
from klevels.sources import peak_of

Table = Histogram | ColorTable
T = TypeVar("T", bound=Table)
Stage = Callable[[str], None]


def pool_scans(
    paths: Sequence[Path], *, nan: Literal["error", "ignore"], gray: bool, threads: int | None, stage: Stage
) -> Table:
    """Count the levels of several scans, or the values of their channels.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders of slices, at least one.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    gray : bool
        Whether color is turned to gray.
    threads : int or None
        How many to use.
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

    def count(image: Image, peak: float | None) -> Table:
        if "c" in image.axes:
            return count_channels(image, nan=nan, peak=peak, threads=threads)
        return histogram(image.data, nan=nan, threads=threads)

    return _pool(paths, lambda path: load_scan([path], gray=gray), count, _merge, stage)


def pool_pictures(
    paths: Sequence[Path], *, frame: int | None, n_wanted: int | None, threads: int | None, stage: Stage
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
    threads : int or None
        How many to use.
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

    def count(image: Image, peak: float | None) -> ColorTable:
        return count_channels(image, n_wanted=n_wanted, peak=peak, threads=threads)

    def merge(one: ColorTable, other: ColorTable) -> ColorTable:
        return one + other

    return _pool(paths, lambda path: load_picture(path, frame), count, merge, stage)


def _pool(
    paths: Sequence[Path],
    load: Callable[[Path], Image],
    count: Callable[[Image, float | None], T],
    merge: Callable[[T, T], T],
    stage: Stage,
) -> T:
    first, peak = _load_and_count(paths[0], None, load, count, stage)
    pooled, is_of_one_grid = first, True
    for path in paths[1:]:
        part, own_peak = _load_and_count(path, None, load, count, stage)
        check_same(paths[0], path, "dtype", first.dtype, part.dtype)
        check_same(paths[0], path, "number of channels", _n_channels(first), _n_channels(part))
        peak = max(peak, own_peak)
        is_of_one_grid &= _step(part) == _step(first)
        if is_of_one_grid:
            pooled = merge(pooled, part)
    if not is_of_one_grid:  # floats: the grid depends on the greatest magnitude, which is known only now
        pooled = _load_and_count(paths[0], peak, load, count, stage)[0]
        for path in paths[1:]:
            pooled = merge(pooled, _load_and_count(path, peak, load, count, stage)[0])
    return pooled


def _load_and_count(
    path: Path,
    peak: float | None,
    load: Callable[[Path], Image],
    count: Callable[[Image, float | None], T],
    stage: Stage,
) -> tuple[T, float]:
    """Return the table of a file, and the greatest magnitude in it."""
    stage(f"counting {path.name}")
    with naming([path]):
        image = load(path)
        return count(image, peak), peak_of(image) if peak is None else peak


def _merge(one: Table, other: Table) -> Table:
    if isinstance(one, Histogram) and isinstance(other, Histogram):
        return one + other
    if isinstance(one, ColorTable) and isinstance(other, ColorTable):
        return one + other
    raise DataError("some images are gray and some have transparency besides; give --gray to read all as gray")


def _n_channels(table: Table) -> int:
    return 1 if isinstance(table, Histogram) else table.n_channels


def _step(table: Table) -> float:
    return 1.0 if isinstance(table, Histogram) else table.step
