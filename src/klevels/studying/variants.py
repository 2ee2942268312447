"""What a study tries: each filter at three strengths, or what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from klevels.core.count import histogram
from klevels.core.denoise import METHODS, Filter, Method
from klevels.core.estimate import estimate_noise
from klevels.errors import NoValleyError, ParameterError
from klevels.fitting import fit
from klevels.image import Image
from klevels.recipe import Recipe
from klevels.sampling import sample

FACTORS = (0.5, 1.0, 2.0)
"""Of the strength that a filter has for the noise that is found."""
IN_VOXELS: dict[Method, tuple[float, ...]] = {"median": (1.0, 2.0, 3.0), "gaussian": (0.7, 1.0, 1.5)}
"""The strengths of filters whose strength is a length."""
DIGITS = 4
"""Of a strength: it shall be written in a command, and do the same there to the bit."""


class Variant(NamedTuple):
    """A filter to be tried."""

    filter: Filter | None
    reason: str | None
    """Why it cannot be; None if it can."""


def noise_and_contrast(image: Image, mask: Any, recipe: Recipe) -> tuple[float, float | None]:
    """Return what the strengths of filters depend on.

    Parameters
    ----------
    image : Image
        Gray, of any kind of array.
    mask : array or None
        Where a voxel counts.
    recipe : Recipe
        With k, and how noise is split off.

    Returns
    -------
    noise : float
        The standard deviation of the noise, in gray values.
    contrast : float or None
        The least difference between two centers; None where there are none without denoising.
    """
    box = sample(image, mask)
    noise = estimate_noise(box.values, inside=box.inside, spacing=image.spacing)
    try:
        model = fit(histogram(box.values, mask=box.inside, nan="ignore"), recipe)
    except NoValleyError:
        return noise, None
    return noise, float(np.diff(model.centers).min())


def variants(methods: Sequence[Filter | str] | None, noise: float, contrast: float | None = None) -> list[Variant]:
    """Return the filters that a study tries.

    Parameters
    ----------
    methods : sequence of str or Filter, or None
        Methods, each for three strengths, or methods with a strength; None for all methods.
    noise : float
        The standard deviation of the noise, in gray values.
    contrast : float, optional
        The least difference between the gray values of two phases.

    Returns
    -------
    list of Variant
        Ordered as in `methods`, weak before strong, none twice.

    Raises
    ------
    ParameterError
        If there is no such method, or a filter has a noise of its own.
    """
    if isinstance(methods, str | Filter):
        raise ParameterError(f"methods are {str(methods)!r}; give a list, such as ['nlm', 'median:2']")
    found: dict[str, Variant] = {}
    for asked in METHODS if methods is None else methods:
        for variant in _variants(_parsed(asked), noise, contrast):
            found.setdefault(str(variant.filter), variant)
    return list(found.values())


def _parsed(asked: Filter | str) -> Filter:
    if not isinstance(asked, str | Filter):
        raise ParameterError(f"methods hold {asked!r}; give names of filters, such as 'nlm' or 'median:2'")
    found = Filter.parse(asked) if isinstance(asked, str) else asked
    if found.noise is not None:
        raise ParameterError(f"{found} has a noise of {found.noise:g}; leave it out: the study estimates it")
    return found


def _variants(asked: Filter, noise: float, contrast: float | None) -> Iterator[Variant]:
    if asked.strength is not None:
        strengths: tuple[float, ...] = (asked.strength,)
    elif asked.method in IN_VOXELS:
        strengths = IN_VOXELS[asked.method]
    else:
        try:
            usual = asked.resolved(noise, contrast).strength or 0.0
        except ParameterError as error:
            yield Variant(asked, str(error))
            return
        strengths = tuple(factor * usual for factor in FACTORS)
    for strength in strengths:
        # Of any more digits the text of the filter, which a command repeats, would not tell all.
        text = str(replace(asked, strength=float(f"{strength:.{DIGITS}g}") if asked.strength is None else strength))
        yield Variant(replace(Filter.parse(text), noise=noise), None)
