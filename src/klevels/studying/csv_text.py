"""A study as comma-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from klevels.core.denoise import Filter
from klevels.studying.rows import LeftOut, StudyRow

MOST_DICE = 16
"""Of so many classes the table has a column each."""


def as_csv(rows: Sequence[StudyRow], left_out: Sequence[LeftOut]) -> str:
    """Return rows as comma-separated values, with units in the first line.

    Parameters
    ----------
    rows : sequence of StudyRow
        At least one; in this order.
    left_out : sequence of LeftOut
        With the reason in the last column.

    Returns
    -------
    str
        A line for each.
    """
    classes = range(max(row.levels.n_classes for row in rows))
    dice = [int(one) for one in rows[0].agreement.truth[:MOST_DICE]]
    heads: list[object] = [
        *("method", "strength", "strength unit", "smooth (beta)", "misclassified (%)"),
        *(f"Dice of class {i}" for i in dice),
        *(
            "explained variance",
            "separation (d')",
            "valley / peak",
            "low confidence (%)",
            "edges kept (%)",
            "time (s)",
        ),
        *(f"center {i} (gray value)" for i in classes),
        *(f"fraction {i} (%)" for i in classes),
        "left out because",
    ]
    lines: list[list[object]] = [heads, *(_line(row, len(dice)) for row in rows)]
    lines += [[*_filter_cells(one.filter), *[""] * (len(heads) - 4), one.reason] for one in left_out]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _line(row: StudyRow, n_dice: int) -> list[object]:
    shares = (row.levels.fractions * 100).tolist()
    return [
        *_filter_cells(row.filter),
        "" if row.smooth is None else f"{row.smooth:g}",
        f"{100 * row.misclassified:.4f}",
        *(f"{one:.5f}" for one in row.dice[:n_dice].tolist()),
        f"{row.levels.explained_variance:.6f}",
        f"{row.separation:.4f}",
        f"{row.valley:.4f}",
        f"{100 * row.low_confidence:.3f}",
        f"{100 * row.edges_kept:.2f}",
        f"{row.seconds:.3f}",
        *(f"{center:.8g}" for center in row.levels.centers.tolist()),
        *(f"{share:.4f}" for share in shares),
        "",
    ]


def _filter_cells(chosen: Filter | None) -> tuple[str, str, str]:
    if chosen is None:
        return "none", "", ""
    unit = "voxels" if chosen.method in ("median", "gaussian") else "gray values"
    return chosen.method, "" if chosen.strength is None else f"{chosen.strength:.6g}", unit
