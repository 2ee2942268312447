"""Pictures of phases in three dimensions, drawn without a screen; of slices, one phase in color and the others gray."""

from __future__ import annotations

from klevels.rendering.subjects import thinning
from klevels.rendering.views import each, render, turntable

__all__ = ["each", "render", "thinning", "turntable"]
