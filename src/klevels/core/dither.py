"""Placeholder until the dithering kernel arrives."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import ArrayLike, NDArray

Dither = Literal["none", "floyd-steinberg", "blue-noise"]
DITHERS: tuple[Dither, ...] = ("none", "floyd-steinberg", "blue-noise")


def dither_labels(
    image: ArrayLike, colors: ArrayLike, method: Dither, *, mask: ArrayLike | None = None, threads: int | None = None
) -> NDArray[Any]:
    raise NotImplementedError(method)
