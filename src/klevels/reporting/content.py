"""Report: what is told of a segmentation, as a page or as data."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from klevels.core.intervals import Intervals
from klevels.core.levels import Levels
from klevels.core.measures import Measures
from klevels.core.palette import Palette
from klevels.core.selection import KSweep
from klevels.files import atomic_output, check_output
from klevels.recipe import Recipe
from klevels.reporting.citations import Citation

if TYPE_CHECKING:
    from klevels.core.histogram import Histogram
    from klevels.reporting.drawings import Drawing

FORMAT = 1
SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """What is told of a segmentation: made by `klevels.report`.

    Parameters
    ----------
    title : str
        The name of the labels.
    measures : Measures
        Of the phases, and of objects where these were measured.
    about : mapping of str to object
        Facts about the labels.
    inputs : tuple of mapping
        Facts about each file that was segmented, with its ``path``.
    warnings : tuple of str
        What makes the report doubtful, or what it lacks, each in one line.
    versions : mapping of str to str
        Of what made the labels.
    recipe : Recipe, optional
        What was asked; None where it is unknown.
    model : Levels or Palette, optional
        The classes; None where they are unknown.
    histogram : Histogram, optional
        Of the gray values that count.
    sweep : KSweep, optional
        What every number of classes explains.
    intervals : Intervals, optional
        The fraction of each phase, and what other ways would have found.
    command : str, optional
        What makes the same labels again.
    citations : tuple of Citation
        For the methods that were used.
    drawings : tuple of Drawing
        The figures, in the order of the page.
    pictures : tuple of Drawing
        Pictures in three dimensions.
    """

    title: str
    measures: Measures
    about: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    inputs: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    recipe: Recipe | None = None
    model: Levels | Palette | None = None
    histogram: Histogram | None = None
    sweep: KSweep | None = None
    intervals: Intervals | None = None
    command: str | None = None
    citations: tuple[Citation, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    pictures: tuple[Drawing, ...] = ()

    def __repr__(self) -> str:
        return f"Report({self.title!r}: {len(self.measures.phases)} phases, {len(self.warnings)} warnings)"

    def html(self) -> str:
        """Return the report as one page that needs nothing else.

        Returns
        -------
        str
            HTML with its style and its pictures in it, and no script: it can be read offline, printed and sent.

        Raises
        ------
        MissingDependencyError
            If Jinja2 is not installed.
        """
        from klevels.reporting.page import page

        return page(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the content as plain values.

        Returns
        -------
        dict
            Ready for JSON: title, labels, inputs, warnings, versions, measures (of `Measures.to_dict`), recipe, model,
            histogram, sweep, intervals, command, citations and figures (their names and captions).
        """
        return {
            "klevels_report": FORMAT,
            "title": self.title,
            "labels": _plain(self.about),
            "inputs": _plain(self.inputs),
            "warnings": list(self.warnings),
            "versions": dict(self.versions),
            "measures": self.measures.to_dict(),
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
            "model": None if self.model is None else self.model.to_dict(),
            "histogram": None if self.histogram is None else _histogram(self.histogram),
            "sweep": None if self.sweep is None else _sweep(self.sweep),
            "intervals": None if self.intervals is None else self.intervals.to_dict(),
            "command": self.command,
            "citations": [{"text": one.text, "doi": one.doi} for one in self.citations],
            "figures": [{"name": one.name, "caption": one.caption} for one in (*self.drawings, *self.pictures)],
        }

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the page, or leave what is at `path` untouched.

        Parameters
        ----------
        path : str or path-like
            The output (.html).
        overwrite : bool
            Whether a file that exists may be replaced.

        Raises
        ------
        ParameterError
            If the suffix is another.
        OutputExistsError
            If there is a file, and `overwrite` is False.
        WriteError
            If it cannot be written.
        MissingDependencyError
            If Jinja2 is not installed.
        """
        check_output(path, overwrite=overwrite, suffixes=SUFFIXES)
        text = self.html()
        with atomic_output(path, overwrite=overwrite) as part:
            Path(part).write_text(text, encoding="utf-8")


def _histogram(counted: Histogram) -> dict[str, Any]:
    from klevels.figures.bins import rebin

    edges, counts = rebin(counted.levels, counted.counts)
    return {"n_voxels": counted.n_voxels, "edges": edges.tolist(), "counts": counts.tolist()}


def _sweep(swept: KSweep) -> dict[str, Any]:
    columns = ("k", "inertia", "explained_variance", "bic", "silhouette")
    return {name: _plain(getattr(swept, name).tolist()) for name in columns} | {"advice": swept.advice}


def _plain(value: Any) -> Any:
    """Return values that JSON can hold: None for numbers that are not finite, text for what it does not know."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)
