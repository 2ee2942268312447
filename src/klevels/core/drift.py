"""Warnings where phases change along the radius or along z: beam hardening, or a drifting detector, looks so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from klevels.core.table import Table

GRAY_SHARE = 0.1
"""A mean that moves by more than a tenth of the way to the next phase puts voxels into the wrong one."""
FRACTION_POINTS = 0.05
FRACTION_SHARE = 0.2
"""A fraction that moves by more than 5 percentage points, and by more than a fifth of itself, is worth a look."""
LEAST_SHARE = 0.01
"""Phases below one percent of a part of the image say little about it."""
DIRECTIONS = {"radius": ("center", "rim"), "z": ("first", "last")}
REASONS = {
    "radius": "the specimen's own shape, or beam hardening",
    "z": "the specimen's own shape, or a drift of the scanner",
}


def drift_warnings(profiles: Mapping[str, Table], phases: Table, n_phases: int | None = None) -> tuple[str, ...]:
    """Return what changes between the thirds of an image, along the radius and along z.

    Parameters
    ----------
    profiles : mapping of str to Table
        As `profile_tables` returns them.
    phases : Table
        As `phase_table` returns it.
    n_phases : int, optional
        How many of its rows are looked at; all by default. Where voxels are undecided depends on the phases around, and
        is no drift of its own.

    Returns
    -------
    tuple of str
        For each direction at most two lines: the phases whose mean gray value, and those whose fraction, in the first
        third differs from that in the last.

    Notes
    -----
    Means are judged by their distance to the mean of the nearest other phase. The radius is divided in thirds of its
    length. Where no gray values are known, nothing is told of the radius: that most specimens are round says nothing
    about the beam.
    """
    found: list[str] = []
    n_phases = len(phases) if n_phases is None else n_phases
    for name, (first, last) in DIRECTIONS.items():
        is_known = name in profiles and (name != "radius" or "mean" in profiles[name].columns)
        ends = _ends(profiles[name], len(phases), n_phases) if is_known else None
        if ends is None:
            continue
        where = f"from the {first} to the {last} third of {'the radius' if name == 'radius' else name}"
        for what, moved in (("mean gray value", _moved_means(ends, phases)), ("fraction", _moved_shares(ends, phases))):
            if moved:
                found.append(f"{where} the {what} moves, of {'; of '.join(moved)}: {REASONS[name]}")
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _End:
    """A third of an image at one end."""

    shares: NDArray[np.float64]
    """Of each phase."""
    means: NDArray[np.float64]
    """Of the gray values of each phase; NaN where none are known."""


def _ends(profile: Table, n_rows: int, n_phases: int) -> tuple[_End, _End] | None:
    counts = profile["n_voxels"].reshape(-1, n_rows).astype(np.float64)[:, :n_phases]
    means = np.full(counts.shape, np.nan)
    if "mean" in profile.columns:
        means = profile["mean"].reshape(-1, n_rows)[:, :n_phases]
    third = len(counts) // 3
    parts = (slice(0, third), slice(len(counts) - third, None))
    if third == 0 or any(counts[part].sum() == 0 for part in parts):
        return None
    first, last = (_end(counts[part], means[part]) for part in parts)
    return first, last


def _end(counts: NDArray[np.float64], means: NDArray[np.float64]) -> _End:
    n = counts.sum(axis=0)
    sums = np.where(counts > 0, means * counts, 0).sum(axis=0)
    return _End(n / n.sum(), np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0))


def _moved_means(ends: tuple[_End, _End], phases: Table) -> list[str]:
    if "mean" not in phases.columns:
        return []
    first, last = ends
    moved, gaps = last.means - first.means, _gaps(phases["mean"][: len(first.means)])
    enough = np.minimum(first.shares, last.shares) >= LEAST_SHARE
    tell = enough & (gaps > 0) & (np.abs(moved) > GRAY_SHARE * gaps)
    unit = f" {phases.units['mean']}" if "mean" in phases.units else ""
    return [
        f"phase {phases['phase'][i]} by {moved[i]:+.4g}{unit}, "
        f"{100 * abs(moved[i]) / gaps[i]:.0f} % of the way to the next"
        for i in np.flatnonzero(tell).tolist()
    ]


def _moved_shares(ends: tuple[_End, _End], phases: Table) -> list[str]:
    before, after = (end.shares for end in ends)
    tell = np.abs(after - before) > np.maximum(FRACTION_POINTS, FRACTION_SHARE * np.maximum(before, after))
    return [
        f"phase {phases['phase'][i]} from {100 * before[i]:.1f} to {100 * after[i]:.1f} %"
        for i in np.flatnonzero(tell).tolist()
    ]


def _gaps(means: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the mean of each phase is from the nearest other one; infinity where there is none."""
    values = np.asarray(means, np.float64)
    apart = np.abs(values[:, None] - values[None, :])
    np.fill_diagonal(apart, np.inf)
    nearest: NDArray[np.float64] = np.where(np.isnan(apart), np.inf, apart).min(axis=1, initial=np.inf)
    return nearest
