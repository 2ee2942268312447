"""What a recipe leaves to be chosen by the image: how strongly it is denoised."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from klevels.core.count import histogram
from klevels.core.denoise import Filter
from klevels.core.estimate import estimate_noise as estimate_array_noise
from klevels.core.levels import Levels
from klevels.errors import DataError, NoValleyError, TooFewLevelsError
from klevels.fitting import fit
from klevels.image import Image
from klevels.recipe import Recipe
from klevels.sampling import Box, sample
from klevels.sources import has_alpha

HARMLESS = 1 / 32
"""Noise of less than this share of the gap between two centers puts no voxel on the wrong side."""


def estimate_noise(image: Image, mask: Any) -> float:
    """Estimate the standard deviation of the noise of an image.

    Parameters
    ----------
    image : Image
        Gray, or with channels, of any kind of array.
    mask : array or None
        Where a voxel counts.

    Returns
    -------
    float
        In gray values; from some boxes of the image, if it is large.

    Raises
    ------
    DataError
        If too few voxels are left.
    """
    return _noise_in(sample(image, mask), image)


def choose_filter(image: Image, mask: Any, recipe: Recipe) -> Recipe:
    """Choose what a recipe leaves open of the filter.

    Parameters
    ----------
    image : Image
        Gray, or with channels.
    mask : array or None
        Where a voxel counts.
    recipe : Recipe
        What is asked.

    Returns
    -------
    Recipe
        With a filter that has a strength, or with none: where "auto" was asked and the noise does not matter.

    Notes
    -----
    "auto" is curvature anisotropic diffusion, with a conductance from the noise and from the least gap between two
    centers, unless the noise is less than a 32nd of that gap.
    """
    asked = recipe.denoise
    if asked is None:
        return recipe
    if isinstance(asked, Filter) and (asked.is_resolved or asked.method != "diffusion"):
        return replace(recipe, denoise=resolved(asked, image, mask))
    box = sample(image, mask)
    noise, contrast = _noise_in(box, image), None if "c" in image.axes else _contrast_in(box, recipe)
    if isinstance(asked, Filter):
        return replace(recipe, denoise=asked.resolved(noise, contrast))
    is_harmless = noise == 0 or noise <= HARMLESS * (contrast or 0.0)
    return replace(recipe, denoise=None if is_harmless else Filter("diffusion").resolved(noise, contrast))


def resolved(asked: Filter, image: Image, mask: Any) -> Filter:
    """Return a filter with a strength, from the noise of the image if it has none.

    Parameters
    ----------
    asked : Filter
        What is asked.
    image : Image
        Of any kind of array.
    mask : array or None
        Where a voxel counts.

    Returns
    -------
    Filter
        That does the same to every image.

    Raises
    ------
    DataError
        If there are too few voxels to estimate the noise.
    """
    if asked.is_resolved:
        return asked
    return asked.resolved(_noise_in(sample(image, mask), image) if asked.needs_noise else None)


def _noise_in(box: Box, image: Image) -> float:
    """Return the noise; of channels, the root of their mean variance."""
    if box.inside is not None and not box.inside.any():
        raise DataError("the mask leaves no voxel; give at least one voxel that counts")
    if "c" not in image.axes:
        return estimate_array_noise(box.values, inside=box.inside, spacing=image.spacing)
    n_channels = image.shape[-1] - has_alpha(image)
    found = [
        estimate_array_noise(box.values[..., c], inside=box.inside, spacing=image.spacing) for c in range(n_channels)
    ]
    return math.sqrt(sum(one * one for one in found) / n_channels)


def _contrast_in(box: Box, recipe: Recipe) -> float | None:
    """Return the least difference between two centers; None where the noise leaves no classes to be told apart."""
    try:
        counted = histogram(box.values, mask=box.inside, nan="ignore")
        model = recipe.model if isinstance(recipe.model, Levels) else fit(counted, recipe)
    except (NoValleyError, TooFewLevelsError):
        return None
    return float(np.diff(model.centers).min()) if model.n_classes > 1 else None
