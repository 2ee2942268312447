"""PosterRecipe, what was asked of a photograph, and Poster, what came out."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from klevels.blocks import map_blocks
from klevels.core.brightness import white_of
from klevels.core.clusters import Quality, check_quality, check_seed
from klevels.core.dither import DITHERS, Dither
from klevels.core.fit import check_k
from klevels.core.labels import ignore_label, rounded
from klevels.core.palette import Palette
from klevels.core.rows import as_rows
from klevels.core.spaces import SPACES, Space
from klevels.errors import ParameterError
from klevels.image import Image
from klevels.sources import color_channels, has_alpha


@dataclass(frozen=True, kw_only=True)
class PosterRecipe:
    """Everything that must be known to posterize the same image again, to the bit.

    Parameters
    ----------
    k : int
        Number of colors.
    space : {"rgb", "linear", "lab", "oklab"}
        Where distances between colors are measured.
    quality : {"fast", "default", "best"}
        How long to search.
    dither : {"none", "floyd-steinberg", "blue-noise"}
        How colors between those of the palette are mixed.
    random_state : int
        The seed of the search.
    frame : int, optional
        Which frame of an animation is read.
    palette : Palette, optional
        Colors that are given, or were fitted to several images; nothing is fitted then.

    Examples
    --------
    >>> PosterRecipe.from_dict(PosterRecipe(k=8, space="oklab").to_dict()).space
    'oklab'
    """

    k: int
    space: Space = "rgb"
    quality: Quality = "default"
    dither: Dither = "none"
    random_state: int = 0
    frame: int | None = None
    palette: Palette | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_k(self.k))
        object.__setattr__(self, "random_state", check_seed(self.random_state))
        check_quality(self.quality)
        if self.space not in SPACES:
            raise ParameterError(f"space is {self.space!r}; use {', '.join(SPACES)}")
        if self.dither not in DITHERS:
            raise ParameterError(f"dither is {self.dither!r}; use {', '.join(DITHERS)}")
        if self.palette is not None and self.palette.space != self.space:
            raise ParameterError(
                f"space is {self.space!r}, but the palette measures in {self.palette.space!r}; give that"
            )
        if self.palette is not None and self.palette.k != self.k:
            raise ParameterError(f"k is {self.k}, but the palette has {self.palette.k} colors; give the palette's k")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON.

        Returns
        -------
        dict
            One entry for each field.
        """
        stored = {field.name: getattr(self, field.name) for field in fields(self)}
        stored["palette"] = None if self.palette is None else self.palette.to_dict()
        return stored

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the recipe that `to_dict` described.

        Parameters
        ----------
        stored : dict
            From `to_dict`; fields that are missing have their defaults.

        Returns
        -------
        PosterRecipe
            The same.

        Raises
        ------
        ParameterError
            If there is no k, or a field that this version does not know.
        """
        if not isinstance(stored, dict) or "k" not in stored:
            raise ParameterError("not a klevels recipe: it has no k; give the .json that lies beside a poster")
        unknown = sorted(set(stored) - {field.name for field in fields(cls)})
        if unknown:
            raise ParameterError(f"the recipe has {', '.join(unknown)}, which no poster has; give one of a poster")
        palette = stored.get("palette")
        return cls(**{**stored, "palette": None if palette is None else Palette.from_dict(palette)})


@dataclass(frozen=True, eq=False, repr=False)
class Poster:
    """An image in few colors.

    Parameters
    ----------
    labels : Image
        uint8 or uint16, ascending from dark to bright; see `Palette.classify`.
    palette : Palette
        The colors, with their counts in this image and the inertia of its nearest colors.
    recipe : PosterRecipe
        What was asked.
    n_colors : int
        How many distinct colors the image had; in binned data, how many bins.
    source : Image
        The image.
    squared_error : float, optional
        The sum of squared differences between the image and its poster, where it is known already.
    """

    labels: Image
    palette: Palette
    recipe: PosterRecipe
    n_colors: int
    source: Image
    squared_error: float | None = None

    def __repr__(self) -> str:
        return f"Poster(k={self.palette.k}, {', '.join(self.palette.hex[:8])}{', …' if self.palette.k > 8 else ''})"

    @cached_property
    def image(self) -> Image:
        """The poster: of the axes, dtype, transparency and color profile of the image.

        Colors are rounded to the nearest integer, halves to even. Transparent pixels are black, and as transparent.
        """
        painted = self._painted(self.source.dtype.newbyteorder("="))
        if has_alpha(self.source) and self.source.is_lazy:
            n = self.palette.n_channels + 1
            painted = map_blocks(
                _with_alpha, painted, self.source.data, dtype=painted.dtype, n_spatial=self.labels.ndim, n_channels=n
            )
        elif has_alpha(self.source):
            painted = _with_alpha(painted, self.source.data)
        meta = self.source.meta
        kept = {name: meta[name] for name in ("alpha", "premultiplied", "icc_profile") if name in meta}
        axes = self.source.axes
        if "c" not in axes:
            if painted.shape[-1] == 1:
                if self.source.is_lazy:
                    painted = map_blocks(_first_channel, painted, dtype=painted.dtype, n_spatial=self.labels.ndim)
                else:
                    painted = painted[..., 0]
                return Image(painted, axes, self.source.spacing, self.source.unit, kept)
            axes += "c"
        return Image(painted, axes, self.source.spacing, self.source.unit, kept)

    def _painted(self, dtype: np.dtype[Any]) -> Any:
        palette, labels = self.palette, self.labels
        if not labels.is_lazy:
            return palette.paint(labels.data, dtype)
        work = partial(palette.paint, dtype=dtype)
        return map_blocks(work, labels.data, dtype=dtype, n_spatial=labels.ndim, n_channels=palette.n_channels)

    @cached_property
    def mse(self) -> float:
        """The mean squared error of the poster as painted: per pixel, summed over channels, in squared image units."""
        n_pixels = max(1, int(self.palette.counts.sum()))
        if self.squared_error is not None:
            return self.squared_error / n_pixels
        return (
            squared_error(color_channels(self.source, self.palette.n_channels), self.labels.data, self.palette)
            / n_pixels
        )

    @property
    def psnr(self) -> float:
        """The peak signal-to-noise ratio in dB, of `mse`; infinite where the poster is the image."""
        peak = white_of(self.source.dtype)
        mean = self.mse / self.palette.n_channels
        return math.inf if mean == 0 else 10 * math.log10(peak**2 / mean)

    def summary(self) -> dict[str, Any]:
        """Return the numbers that people report.

        Returns
        -------
        dict
            k, space, hex, centers (in image units), counts, fractions, inertia (in the squared units of the space),
            mse, psnr (None where it is infinite), n_colors, n_pixels (all of the image's) and n_ignored (of these).
        """
        palette = self.palette
        return {
            "k": palette.k,
            "space": palette.space,
            "hex": list(palette.hex),
            "centers": palette.colors.tolist(),
            "counts": palette.counts.tolist(),
            "fractions": palette.fractions.tolist(),
            "inertia": palette.inertia,
            "mse": self.mse,
            "psnr": self.psnr if math.isfinite(self.psnr) else None,
            "n_colors": self.n_colors,
            "n_pixels": math.prod(self.labels.shape),
            "n_ignored": math.prod(self.labels.shape) - int(palette.counts.sum()),
        }


def _with_alpha(painted: NDArray[Any], source: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([painted, source[..., -1:]], axis=-1)


def _first_channel(painted: NDArray[Any]) -> NDArray[Any]:
    return painted[..., 0]


def squared_error(colors: NDArray[Any], labels: NDArray[Any], palette: Palette) -> float:
    """Return the sum of squared differences between pixels and what they are painted as.

    Parameters
    ----------
    colors : ndarray, shape (..., n_channels)
        The pixels.
    labels : ndarray of uint8 or uint16
        As `Palette.classify` returns them.
    palette : Palette
        The colors, which are rounded as in a poster.

    Returns
    -------
    float
        Of the pixels that count, in squared image units.
    """
    ignore, dtype = ignore_label(palette.k), colors.dtype.newbyteorder("=")
    table = rounded(palette.colors, dtype).astype(np.float64)
    flat = labels.reshape(-1)
    error = 0.0
    for strip in as_rows(colors, None).strips(1 << 16):
        some = flat[strip.where]
        inside = some != ignore
        difference = strip.rows[inside].astype(np.float64) - table[some[inside]]
        error += float((difference**2).sum())
    return error
