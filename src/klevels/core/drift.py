"""Warnings where phases change along the radius or along z: beam hardening, or a drifting detector, looks so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    "radius": "beam hardening, or a specimen that differs so",
    "z": "a drift of the scanner, or a specimen that differs so",
}


def drift_warnings(profiles: Mapping[str, Table], phases: Table) -> tuple[str, ...]:
    """Return what changes between the thirds of an image, along the radius and along z.

    Parameters
    ----------
    profiles : mapping of str to Table
        As `profile_tables` returns them.
    phases : Table
        As `phase_table` returns it.

    Returns
    -------
    tuple of str
        A line for each phase whose mean gray value, or whose fraction, in the first third differs from that in the
        last.

    Notes
    -----
    Means are judged by their distance to the mean of the nearest other phase. The radius is divided in thirds of its
    length.
    """
    found: list[str] = []
    for name, (first, last) in DIRECTIONS.items():
        if name in profiles:
            found += _along(profiles[name], phases, f"from the {first} to the {last} third", REASONS[name], name)
    return tuple(found)


def _along(profile: Table, phases: Table, where: str, reason: str, name: str) -> list[str]:
    numbers = phases["phase"].tolist()
    shape = (-1, len(numbers))
    counts = profile["n_voxels"].reshape(shape).astype(np.float64)
    if len(counts) < 3:
        return []
    third = len(counts) // 3
    ends = [counts[:third].sum(axis=0), counts[-third:].sum(axis=0)]
    if min(end.sum() for end in ends) == 0:
        return []
    shares = [end / end.sum() for end in ends]
    along = "the radius" if name == "radius" else name
    found = []
    if "mean" in profile.columns:
        gray = np.nan_to_num(profile["mean"].reshape(shape)) * counts
        means = [
            np.divide(part.sum(axis=0), end, out=np.full(len(end), np.nan), where=end > 0)
            for part, end in zip((gray[:third], gray[-third:]), ends, strict=True)
        ]
        for i, gap in enumerate(_gaps(phases["mean"])):
            moved = means[1][i] - means[0][i]
            if min(share[i] for share in shares) >= LEAST_SHARE and abs(moved) > GRAY_SHARE * gap:
                found.append(
                    f"the mean gray value of phase {numbers[i]} moves by {moved:+.4g} {where} of {along}, "
                    f"{100 * abs(moved) / gap:.0f} % of the way to the next phase: {reason}"
                )
    for i, number in enumerate(numbers):
        before, after = (float(share[i]) for share in shares)
        if abs(after - before) > max(FRACTION_POINTS, FRACTION_SHARE * max(before, after)):
            found.append(
                f"the fraction of phase {number} moves from {100 * before:.1f} to {100 * after:.1f} % {where} of "
                f"{along}: {reason}"
            )
    return found


def _gaps(means: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the mean of each phase is from the nearest other one; infinity where there is none."""
    values = np.asarray(means, np.float64)
    apart = np.abs(values[:, None] - values[None, :])
    np.fill_diagonal(apart, np.inf)
    nearest: NDArray[np.float64] = np.where(np.isnan(apart), np.inf, apart).min(axis=1, initial=np.inf)
    return nearest
