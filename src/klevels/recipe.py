"""Recipe, what was asked, and Segmentation, what came out."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from functools import cached_property, partial
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike

from klevels.blocks import map_blocks
from klevels.core.clusters import Quality, check_quality, check_seed
from klevels.core.colors import ColorTable
from klevels.core.fit import check_k
from klevels.core.histogram import Histogram
from klevels.core.labels import ignore_label
from klevels.core.levels import Levels
from klevels.core.noise import NOISE_METHODS, NoiseMethod
from klevels.core.palette import Palette
from klevels.errors import ParameterError
from klevels.image import Image
from klevels.lazy import Layout


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that must be known to segment the same image again, to the bit.

    Parameters
    ----------
    k : int
        How many classes the signal is clustered into.
    noise : {"valley", "kmeans", "minimum-error"} or float, optional
        How noise is split off first, or the gray value where it ends; None for not at all.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    gray : bool
        Whether a color image is read as gray.
    mask : str, optional
        The file of the mask, nonzero inside.
    level : int
        Which resolution of a multi-resolution image is read; 0 is the full one.
    missing : float, optional
        The value of chunks that the image lacks; without it they are an error.
    layout : Layout, optional
        What a raw file holds.
    normalize : bool
        Whether the channels of an image with several are divided by their standard deviations.
    quality : {"fast", "default", "best"}
        How long to search, where there are several channels.
    random_state : int
        The seed of that search.
    model : Levels or Palette, optional
        Classes fitted before, to be applied as they are; nothing is fitted then.

    Examples
    --------
    >>> Recipe.from_dict(Recipe(k=3, noise="valley").to_dict()).noise
    'valley'
    """

    k: int
    noise: NoiseMethod | float | None = None
    nan: Literal["error", "ignore"] = "error"
    gray: bool = False
    mask: str | None = None
    level: int = 0
    missing: float | None = None
    layout: Layout | None = None
    normalize: bool = False
    quality: Quality = "default"
    random_state: int = 0
    model: Levels | Palette | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_k(self.k))
        object.__setattr__(self, "random_state", check_seed(self.random_state))
        check_quality(self.quality)
        if self.nan not in ("error", "ignore"):
            raise ParameterError(f"nan is {self.nan!r}; use 'error' or 'ignore'")
        if isinstance(self.noise, str):
            if self.noise not in NOISE_METHODS:
                raise ParameterError(f"noise is {self.noise!r}; use {', '.join(NOISE_METHODS)}, a gray value, or none")
        elif self.noise is not None:
            if isinstance(self.noise, bool) or not isinstance(self.noise, Real) or not math.isfinite(self.noise):
                raise ParameterError(f"noise is {self.noise!r}; use {', '.join(NOISE_METHODS)}, a finite value or none")
            object.__setattr__(self, "noise", float(self.noise))

        if not isinstance(self.gray, bool) or not isinstance(self.normalize, bool):
            raise ParameterError(f"gray is {self.gray!r} and normalize {self.normalize!r}; give true or false")
        if not isinstance(self.mask, str | None):
            raise ParameterError(f"mask is {self.mask!r}; give a file or none")
        if isinstance(self.level, bool) or not isinstance(self.level, int) or self.level < 0:
            raise ParameterError(f"level is {self.level!r}; give 0 for the full resolution, or a greater integer")
        if self.missing is not None and (isinstance(self.missing, bool) or not isinstance(self.missing, Real)):
            raise ParameterError(f"missing is {self.missing!r}; give the value of chunks that are not there, or none")
        if self.model is not None and self.model.k != self.k:
            raise ParameterError(f"k is {self.k}, but the model has {self.model.k} classes; give the model's k")

    @property
    def splits_noise(self) -> bool:
        """Whether class 0 is the noise."""
        if isinstance(self.model, Levels):
            return self.model.noise_threshold is not None
        return self.noise is not None

    @property
    def n_classes(self) -> int:
        """How many classes there will be, the noise included."""
        return self.k + self.splits_noise

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON.

        Returns
        -------
        dict
            One entry for each field.
        """
        stored = {field.name: getattr(self, field.name) for field in fields(self)}
        stored["model"] = None if self.model is None else self.model.to_dict()
        stored["layout"] = None if self.layout is None else asdict(self.layout)
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
        Recipe
            The same.

        Raises
        ------
        ParameterError
            If there is no k, or a field that this version does not know.
        """
        if not isinstance(stored, dict) or "k" not in stored:
            raise ParameterError("not a klevels recipe: it has no k; give the .json that lies beside an output")
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(stored) - known)
        if unknown:
            raise ParameterError(f"the recipe has {', '.join(unknown)}, unknown to this version of klevels; update it")
        model, layout = stored.get("model"), stored.get("layout")
        made = {
            "model": None if model is None else model_from_dict(model),
            "layout": None if layout is None else Layout(**layout),
        }
        return cls(**{**stored, **made})


def model_from_dict(stored: dict[str, Any]) -> Levels | Palette:
    """Return the model that was stored: a palette has a space, levels have thresholds.

    Parameters
    ----------
    stored : dict
        From `Levels.to_dict` or `Palette.to_dict`.

    Returns
    -------
    Levels or Palette
        The same, to the bit.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    return Palette.from_dict(stored) if "space" in stored else Levels.from_dict(stored)


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """An image's labels, the classes behind them, and how they were found.

    Parameters
    ----------
    labels : Image
        uint8 or uint16, ascending with gray level; see `Levels.classify`, and `Palette.classify` for several channels.
    model : Levels or Palette
        The classes, with counts and inertia on this image; a Palette where there are several channels.
    recipe : Recipe
        What was asked.
    histogram : Histogram or ColorTable
        Of the voxels that count.
    source : Image
        The image that was segmented.
    """

    labels: Image
    model: Levels | Palette
    recipe: Recipe
    histogram: Histogram | ColorTable
    source: Image

    def __repr__(self) -> str:
        shares = ", ".join(f"{100 * share:.1f} %" for share in self.model.fractions[:8])
        return f"Segmentation(k={self.model.k}, fractions {shares}{', …' if self.model.n_classes > 8 else ''})"

    @cached_property
    def n_ignored(self) -> int:
        """How many voxels were left out: masked, or NaN."""
        return math.prod(self.labels.shape) - int(self.model.counts.sum())

    @property
    def ignore(self) -> int:
        """The label of voxels that were left out: 255, or 65535 beyond 255 classes."""
        return ignore_label(self.model.n_classes)

    def paint(self, dtype: DTypeLike | None = None) -> Image:
        """Give each voxel its center's gray.

        Parameters
        ----------
        dtype : dtype, optional
            Of the picture; the image's own by default.

        Returns
        -------
        Image
            On the grid of the image; voxels left out are 0, or NaN in a float dtype.
        """
        data = self._painted(np.dtype(dtype or self.source.dtype).newbyteorder("="))
        if isinstance(self.model, Palette):
            return Image(data, self.labels.axes + "c", self.source.spacing, self.source.unit)
        return self.source.with_data(data)

    def _painted(self, dtype: np.dtype[Any]) -> Any:
        n_channels = self.model.n_channels if isinstance(self.model, Palette) else None
        if not self.labels.is_lazy:
            return self.model.paint(self.labels.data, dtype)
        work = partial(self.model.paint, dtype=dtype)
        return map_blocks(work, self.labels.data, dtype=dtype, n_spatial=self.labels.ndim, n_channels=n_channels)

    def summary(self) -> dict[str, Any]:
        """Return the numbers that people report.

        Returns
        -------
        dict
            k, n_classes, centers, thresholds, counts, fractions, inertia, explained_variance, noise_threshold,
            n_voxels (all of the image's), n_ignored (of these) and excess_bound. With noise split off, the first of
            centers, counts and fractions is the noise, and `k` counts the others. Where there are several channels,
            a center is a list, and there are scale (None unless normalized) but no thresholds, noise or bound.
        """
        model = self.model
        common = {
            "k": model.k,
            "n_classes": model.n_classes,
            "counts": model.counts.tolist(),
            "fractions": model.fractions.tolist(),
            "inertia": model.inertia,
            "explained_variance": model.explained_variance,
            "n_voxels": math.prod(self.labels.shape),
            "n_ignored": self.n_ignored,
        }
        if isinstance(model, Palette):
            scale = None if model.scale is None else list(model.scale)
            return {**common, "centers": model.colors.tolist(), "scale": scale}
        return {
            **common,
            "centers": model.centers.tolist(),
            "thresholds": model.thresholds.tolist(),
            "noise_threshold": model.noise_threshold,
            "excess_bound": model.excess_bound,
        }
