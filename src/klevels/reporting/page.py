"""The page of a report: HTML that needs nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klevels.core.levels import Levels
from klevels.errors import MissingDependencyError
from klevels.figures.colors import hex_color
from klevels.reporting.drawings import phase_colors_of
from klevels.reporting.facts import fact_rows, recipe_rows
from klevels.reporting.numbers import number, percent
from klevels.reporting.rows import (
    MOST_OBJECTS,
    class_rows,
    object_table,
    phase_rows,
    size_rows,
    sweep_rows,
    unlisted,
)
from klevels.version import __version__

if TYPE_CHECKING:
    from klevels.reporting.content import Report

MOST_BESIDE = 6
"""So many phases stand beside each other on a page of paper."""
MOST_CLASSES = 64
"""A longer table is for scripts: the JSON has all."""


def page(report: Report) -> str:
    """Return the page of a report.

    Parameters
    ----------
    report : Report
        The content.

    Returns
    -------
    str
        HTML5.

    Raises
    ------
    MissingDependencyError
        If Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingDependencyError('reports need Jinja2; pip install "klevels[report]"') from None
    # What is shown comes from names of files, and from records that others wrote: all of it is escaped.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text: str = environment.get_template("page.html.j2").render(_content(report))
    return text


def _content(report: Report) -> dict[str, Any]:
    measures, drawn = report.measures, {one.name: one for one in report.drawings}
    numbered = {one.name: i for i, one in enumerate((*report.drawings, *report.pictures), 1)}
    levels = report.model if isinstance(report.model, Levels) else None
    numbers = [int(one) for one in measures.phases["phase"].tolist()]
    colors = [hex_color(one) for one in phase_colors_of(numbers, report.model)]
    names = [_name(report, one) for one in numbers]
    rows = phase_rows(measures, report.intervals)
    groups = [slice(i, i + MOST_BESIDE) for i in range(0, len(numbers), MOST_BESIDE)]
    recipe = None if report.recipe is None else report.recipe.to_dict()
    return {
        "report": report,
        "sections": _sections(report, drawn),
        "drawn": drawn,
        "numbered": numbered,
        "about": fact_rows(report.about),
        "inputs": [fact_rows(one) for one in report.inputs],
        "legend": list(zip(names, colors, _percents(report), strict=True))[:MOST_CLASSES],
        "classes": [] if levels is None else class_rows(levels)[:MOST_CLASSES],
        "explained": None if report.model is None else percent(report.model.explained_variance),
        "sweep": [] if report.sweep is None else sweep_rows(report.sweep),
        "groups": [
            (list(zip(names[one], colors[one], strict=True)), [(name, unit, row[one]) for name, unit, row in rows])
            for one in groups
        ],
        "objects": [
            (phase, len(table), *object_table(table, measures.gray_unit)) for phase, table in measures.objects.items()
        ],
        "sizes": {phase: (table.units["diameter_from"], size_rows(table)) for phase, table in measures.sizes.items()},
        "unlisted": ", ".join(unlisted(measures)),
        "most_objects": MOST_OBJECTS,
        "recipe": [] if report.recipe is None else recipe_rows(report.recipe),
        "recipe_json": None if recipe is None else json.dumps(recipe, indent=2, ensure_ascii=False),
        "n_voxels": number(measures.n_voxels),
        "n_ignored": number(measures.n_ignored) if measures.n_ignored else None,
        "version": __version__,
    }


def _sections(report: Report, drawn: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the anchors and titles of what there is to tell."""
    named = [
        ("warnings", "Warnings", bool(report.warnings)),
        ("input", "Input", True),
        ("planes", "Before and after", "planes" in drawn),
        ("histogram", "Gray values and classes", "histogram" in drawn or isinstance(report.model, Levels)),
        ("sweep", "Number of classes", report.sweep is not None),
        ("phases", "Phases", True),
        ("profiles", "Profiles", "profiles" in drawn),
        ("objects", "Objects", bool(report.measures.objects)),
        ("pictures", "In three dimensions", bool(report.pictures)),
        ("recipe", "How it was made", True),
        ("references", "References", bool(report.citations)),
    ]
    return [(anchor, title) for anchor, title, is_there in named if is_there]


def _name(report: Report, number: int) -> str:
    recipe = report.recipe
    is_undecided = recipe is not None and recipe.borders == "undecided" and number == recipe.n_classes
    return "undecided" if is_undecided else f"phase {number}"


def _percents(report: Report) -> list[str]:
    return [f"{percent(share)} %" for share in report.measures.phases["fraction"].tolist()]
