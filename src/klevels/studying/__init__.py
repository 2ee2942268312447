"""The study: what denoising, and agreement with neighbors, change in the segmentation of one scan."""

from __future__ import annotations

from klevels.studying.rows import LeftOut, StudyRow
from klevels.studying.table import Study
from klevels.studying.verb import study

__all__ = ["LeftOut", "Study", "StudyRow", "study"]
