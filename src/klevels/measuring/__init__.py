"""Measure the phases of labels of any kind: in memory, where they are stored, or in blocks on a cluster."""

from __future__ import annotations

from klevels.measuring.labels import MOST_PHASES
from klevels.measuring.verb import Wanted, measure, measure_images

__all__ = ["MOST_PHASES", "Wanted", "measure", "measure_images"]
