"""Pictures of phases in three dimensions, drawn without a screen; of slices, one phase in color and the others gray."""

from __future__ import annotations

from klevels.rendering.subjects import phases_of, thinning
from klevels.rendering.views import each, render, turntable

__all__ = ["each", "phases_of", "render", "thinning", "turntable"]
