"""Recipe, what was asked, and Segmentation, what came out."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from klevels.blocks import map_blocks
from klevels.core.clusters import Quality, check_quality, check_seed
from klevels.core.colors import ColorTable
from klevels.core.denoise import Filter
from klevels.core.fit import check_k
from klevels.core.histogram import Histogram
from klevels.core.labels import ignore_label
from klevels.core.levels import Levels
from klevels.core.noise import NOISE_METHODS, NoiseMethod
from klevels.core.palette import Palette
from klevels.errors import ParameterError
from klevels.image import Image
from klevels.lazy import Layout

Borders = Literal["resolve", "undecided"]
MOST_WITH_UNDECIDED = 254
"""Labels are uint8 then, with one more for undecided voxels and 255 for those that are left out."""


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
    denoise : Filter, str or "auto", optional
        How noise is taken from the image before it is segmented, such as "nlm" or "median:2"; "auto" chooses by the
        noise that is estimated. None for not at all.
    borders : {"resolve", "undecided"}, optional
        What becomes of voxels on the border of a dark and a bright phase that look like a phase between: they are given
        to one of the two, or get a label of their own, `n_classes`. None for nothing.
    smooth : float or "auto", optional
        How much labels agree with their neighbors: the weight β of the Potts model, or "auto", estimated from the
        image, but 0 for two classes of a denoised one. None for not at all.
    reestimate : bool
        Whether smoothing estimates the gray values of each class anew from the smoothed labels.
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
    denoise: Filter | Literal["auto"] | None = None
    borders: Borders | None = None
    smooth: float | Literal["auto"] | None = None
    reestimate: bool = False
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
        self._check_neighborhoods()
        if self.model is not None and self.model.k != self.k:
            raise ParameterError(f"k is {self.k}, but the model has {self.model.k} classes; give the model's k")

    def _check_neighborhoods(self) -> None:
        if isinstance(self.denoise, str) and self.denoise != "auto":
            object.__setattr__(self, "denoise", None if self.denoise == "none" else Filter.parse(self.denoise))
        elif not isinstance(self.denoise, str | Filter | None):
            raise ParameterError(f"denoise is {self.denoise!r}; give auto, none, or a method such as 'nlm'")
        if self.borders not in (None, "resolve", "undecided"):
            raise ParameterError(f"borders is {self.borders!r}; use 'resolve', 'undecided' or none")
        if self.smooth is not None and self.smooth != "auto":
            is_number = isinstance(self.smooth, Real) and not isinstance(self.smooth, bool)
            if not is_number or not math.isfinite(self.smooth) or self.smooth < 0:
                raise ParameterError(f"smooth is {self.smooth!r}; give 'auto', a β of 0 or more, or none")
            object.__setattr__(self, "smooth", float(self.smooth))
        if not isinstance(self.reestimate, bool) or (self.reestimate and self.smooth is None):
            raise ParameterError(f"reestimate is {self.reestimate!r}; it is true or false, and needs smooth")
        if self.borders == "undecided" and self.n_classes > MOST_WITH_UNDECIDED:
            raise ParameterError(
                f"there are {self.n_classes} classes, and no label is left for undecided voxels; "
                f"give at most {MOST_WITH_UNDECIDED}, or borders='resolve'"
            )

    @property
    def looks_around(self) -> bool:
        """Whether the label of a voxel depends on the voxels around it."""
        return (self.denoise, self.borders, self.smooth) != (None, None, None)

    @property
    def is_resolved(self) -> bool:
        """Whether nothing is left to be chosen from the image."""
        is_known = self.denoise is None or (isinstance(self.denoise, Filter) and self.denoise.is_resolved)
        return is_known and self.smooth != "auto"

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
        stored["denoise"] = asdict(self.denoise) if isinstance(self.denoise, Filter) else self.denoise
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
        model, layout, denoise = stored.get("model"), stored.get("layout"), stored.get("denoise")
        made = {
            "model": None if model is None else model_from_dict(model),
            "layout": None if layout is None else Layout(**layout),
            "denoise": Filter(**denoise) if isinstance(denoise, dict) else denoise,
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
        The image as it was given.
    denoised : Image, optional
        The image that was segmented, where that is another: without noise.
    n_undecided : int
        How many voxels at borders were kept as undecided; their label is `model.n_classes`.
    inside : array, optional
        Where a voxel counts; of the kind of the source's array.
    """

    labels: Image
    model: Levels | Palette
    recipe: Recipe
    histogram: Histogram | ColorTable
    source: Image
    denoised: Image | None = None
    n_undecided: int = 0
    inside: Any = None

    def __repr__(self) -> str:
        shares = ", ".join(f"{100 * share:.1f} %" for share in self.model.fractions[:8])
        return f"Segmentation(k={self.model.k}, fractions {shares}{', …' if self.model.n_classes > 8 else ''})"

    @cached_property
    def n_ignored(self) -> int:
        """How many voxels were left out: masked, or NaN."""
        return math.prod(self.labels.shape) - int(self.model.counts.sum()) - self.n_undecided

    @property
    def ignore(self) -> int:
        """The label of voxels that were left out: 255, or 65535 beyond 255 classes."""
        return ignore_label(self.model.n_classes)

    @property
    def decided(self) -> Image:
        """The labels, with undecided voxels as such that were left out."""
        if not self.n_undecided:
            return self.labels
        data = self.labels.data
        work = partial(_decided, n_classes=self.model.n_classes)
        lazy = self.labels.is_lazy
        found = map_blocks(work, data, dtype=data.dtype, n_spatial=self.labels.ndim) if lazy else work(data)
        return replace(self.labels, data=found)

    def paint(self, dtype: DTypeLike | None = None) -> Image:
        """Give each voxel its center's gray.

        Parameters
        ----------
        dtype : dtype, optional
            Of the picture; the image's own by default.

        Returns
        -------
        Image
            On the grid of the image; voxels left out, or undecided, are 0, or NaN in a float dtype.
        """
        data = self._painted(np.dtype(dtype or self.source.dtype).newbyteorder("="))
        if isinstance(self.model, Palette):
            return Image(data, self.labels.axes + "c", self.source.spacing, self.source.unit)
        return self.source.with_data(data)

    def _painted(self, dtype: np.dtype[Any]) -> Any:
        n_channels = self.model.n_channels if isinstance(self.model, Palette) else None
        if not self.labels.is_lazy:
            return paint_decided(self.model, self.labels.data, dtype)
        work = partial(_painted, model=self.model, dtype=dtype)
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
        recipe = self.recipe
        if recipe.looks_around:
            stored = recipe.to_dict()
            common |= {name: stored[name] for name in ("denoise", "borders", "smooth")}
            common["n_undecided"] = self.n_undecided
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


def paint_decided(model: Levels | Palette, labels: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give each voxel its center's gray, but for those that are undecided.

    Parameters
    ----------
    model : Levels or Palette
        The classes.
    labels : ndarray of uint8 or uint16
        The label `model.n_classes` is that of undecided voxels.
    dtype : dtype
        Of the picture.

    Returns
    -------
    ndarray
        Voxels left out, or undecided, are 0, or NaN in a float dtype.
    """
    return model.paint(_decided(labels, model.n_classes), dtype)


def _decided(labels: NDArray[Any], n_classes: int) -> NDArray[Any]:
    """Return labels with undecided voxels as such that were left out."""
    is_undecided = labels == n_classes
    return np.where(is_undecided, labels.dtype.type(ignore_label(n_classes)), labels) if is_undecided.any() else labels


def _painted(labels: NDArray[Any], model: Levels | Palette, dtype: np.dtype[Any]) -> NDArray[Any]:
    return paint_decided(model, labels, dtype)
