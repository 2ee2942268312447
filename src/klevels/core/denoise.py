"""The filters that take noise from an image before it is segmented: their names, strengths and reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from numbers import Real
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from klevels.errors import DataError, ParameterError

Method = Literal["diffusion", "nlm", "bilateral", "tv", "median", "gaussian"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class Filter:
    """How an image is denoised.

    Parameters
    ----------
    method : {"diffusion", "nlm", "bilateral", "tv", "median", "gaussian"}
        Curvature anisotropic diffusion, non-local means, the bilateral filter, total variation, the median of a box, or
        a Gaussian.
    strength : float, optional
        In gray values for "diffusion" (the conductance K), "nlm" (h), "bilateral" (the range σ) and "tv" (the weight);
        for "median" the radius and for "gaussian" the σ, in voxels of the finest axis. From the noise by default.
    noise : float, optional
        The standard deviation of the noise, in gray values: where the strength comes from, and what non-local means
        expects between patches that are alike. Estimated by default; see `estimate_noise`.

    Examples
    --------
    >>> Filter.parse("median:2")
    Filter(method='median', strength=2.0, noise=None)
    """

    method: Method
    strength: float | None = None
    noise: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ParameterError(f"denoise is {self.method!r}; use auto, or one of {', '.join(METHODS)}")
        for name in ("strength", "noise"):
            value = getattr(self, name)
            if value is None:
                continue
            is_number = isinstance(value, Real) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or value < 0 or (name == "strength" and value == 0):
                raise ParameterError(f"the {name} of {self.method} is {value}; give a positive number")
            object.__setattr__(self, name, float(value))
        if self.method == "median" and self.strength is not None and not self.strength.is_integer():
            raise ParameterError(
                f"the strength of median is {self.strength}; give its radius, a whole number of voxels"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the filter that is written as its method, perhaps with a strength.

        Parameters
        ----------
        text : str
            Such as "nlm" or "median:2".

        Returns
        -------
        Filter
            Without a strength, if none is given.

        Raises
        ------
        ParameterError
            If there is no such method, or the strength is no positive number.
        """
        method, colon, strength = text.partition(":")
        if method not in METHODS:
            raise ParameterError(f"denoise is {text!r}; use auto, or one of {', '.join(METHODS)}, as median:2")
        try:
            return cls(method, float(strength) if colon else None)
        except ValueError as error:
            if isinstance(error, ParameterError):
                raise
            raise ParameterError(f"the strength of {method} is {strength!r}; give a positive number") from None

    def __str__(self) -> str:
        return self.method if self.strength is None else f"{self.method}:{self.strength:.6g}"

    @property
    def needs_noise(self) -> bool:
        """Whether the noise must be known to choose what was not given."""
        return not self.is_resolved and self.method not in ("median", "gaussian")

    @property
    def is_resolved(self) -> bool:
        """Whether all is known that it needs, so that it does the same to every image."""
        return self.strength is not None and (self.method != "nlm" or self.noise is not None)

    def resolved(self, noise: float | None, contrast: float | None = None) -> Self:
        """Return the same filter with what was not given chosen by the noise.

        Parameters
        ----------
        noise : float or None
            The standard deviation of the noise, in gray values; None where `needs_noise` is false.
        contrast : float, optional
            The least difference between the gray values of two phases, if it is known: diffusion is the better for it.

        Returns
        -------
        Filter
            That does the same to every image.
        """
        sigma = self.noise if self.noise is not None or noise is None else float(noise)
        strength = self.strength if self.strength is not None else _default_strength(self.method, sigma, contrast)
        return replace(self, strength=strength, noise=sigma)

    def halo(self, ndim: int, spacing: Sequence[float] | None) -> tuple[int, ...]:
        """Return how far along each axis the result at a voxel depends on others.

        Parameters
        ----------
        ndim : int
            How many axes there are.
        spacing : sequence of float or None
            The size of a voxel along each; only ratios matter.

        Returns
        -------
        tuple of int
            In voxels.
        """
        halo: tuple[int, ...] = _module(self.method).halo(ndim, **self._strengths, spacing=spacing)
        return halo

    def apply(
        self,
        values: NDArray[Any],
        inside: NDArray[np.bool_] | None = None,
        *,
        spacing: Sequence[float] | None = None,
        whole: Sequence[int] | None = None,
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Denoise an image.

        Parameters
        ----------
        values : ndarray
            Gray values of two or three axes.
        inside : ndarray of bool, optional
            Where voxels count; others are left out of every neighborhood, and stay as they are, as NaN does.
        spacing : sequence of float, optional
            The size of a voxel along each axis; only ratios matter.
        whole : sequence of int, optional
            The shape of the image, where `values` is a block of it with its halo.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        ndarray
            Of the same shape and dtype.

        Raises
        ------
        ParameterError
            If the strength is out of its range, or the filter's window is larger than the image.
        DataError
            If there are integers beyond 2^53, except for the median.
        """
        strengths = self._strengths
        if self.method == "median":
            strengths["whole"] = whole
        elif values.dtype.kind == "i" and values.dtype.itemsize == 8 and values.size and not _fits(values):
            raise DataError("the image has integers beyond 2^53, which float64 does not hold; subtract an offset first")
        found: NDArray[Any] = getattr(_module(self.method), _FUNCTIONS[self.method])(
            values, **strengths, inside=inside, spacing=spacing, threads=threads
        )
        return found

    @property
    def _strengths(self) -> dict[str, Any]:
        """The arguments of the filter's own function."""
        if not self.is_resolved:
            raise ParameterError(f"the strength of {self.method} is not known; give it, or the noise")
        if self.method == "median":
            return {"radius": int(self.strength or 0)}
        if self.method == "nlm":
            return {"strength": self.strength, "noise": self.noise}
        return {"strength": self.strength}


_FUNCTIONS: dict[Method, str] = {
    "diffusion": "diffusion",
    "nlm": "nonlocal_means",
    "bilateral": "bilateral",
    "tv": "total_variation",
    "median": "median",
    "gaussian": "gaussian",
}
"""Each is in a module of its own name, which is loaded when it is used."""


def _fits(values: NDArray[Any]) -> bool:
    """Tell whether float64 holds all values."""
    return max(abs(int(values.min())), abs(int(values.max()))) <= 1 << 53


def _module(method: Method) -> Any:
    return import_module(f"klevels.core.{_FUNCTIONS[method]}")


def _default_strength(method: Method, noise: float | None, contrast: float | None) -> float:
    """Return the strength that a filter has for this noise."""
    if method in ("median", "gaussian"):
        return 1.0
    known = {"contrast": contrast} if method == "diffusion" else {}
    strength: float = _module(method).strength_for(noise, **known)
    if strength <= 0:
        raise ParameterError(f"no noise is found, so {method} has no strength of its own; give one, or denoise nothing")
    return strength
