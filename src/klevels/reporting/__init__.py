"""The report: what was measured, of which scan, and how, as one page to hand on."""

from __future__ import annotations

from klevels.reporting.content import Report
from klevels.reporting.verb import report

__all__ = ["Report", "report"]
