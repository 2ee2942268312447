"""Figures of a segmentation for papers and reports: made with matplotlib, saved as PNG, SVG or PDF."""

from __future__ import annotations

from klevels.figures.files import save
from klevels.figures.posters import poster, swatches
from klevels.figures.scans import channels
from klevels.figures.sheets import compare, histogram, path, phases, sheet
from klevels.figures.studies import study

__all__ = [
    "channels",
    "compare",
    "histogram",
    "path",
    "phases",
    "poster",
    "save",
    "sheet",
    "study",
    "swatches",
]
