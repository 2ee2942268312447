"""What a recipe leaves to be chosen by the image: how strongly it is denoised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from klevels.core.count import histogram
from klevels.core.denoise import Filter, Method
from klevels.core.estimate import estimate_noise as estimate_array_noise
from klevels.core.levels import Levels
from klevels.errors import DataError
from klevels.fitting import fit
from klevels.image import Image
from klevels.recipe import Recipe
from klevels.sampling import Box, sample

NOISELESS: tuple[Method, ...] = ("median", "gaussian")
"""Filters whose strength is a length, whatever the noise."""
HARMLESS = 1 / 32
"""Noise of less than this share of the gap between two centers puts no voxel on the wrong side."""


def estimate_noise(image: Image, mask: Any) -> float:
    """Estimate the standard deviation of the noise of an image.

    Parameters
    ----------
    image : Image
        Gray, of any kind of array.
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
    "auto" is curvature anisotropic diffusion, with a conductance from the noise, unless the noise is less than an
    eighth of the least gap between two centers.
    """
    asked = recipe.denoise
    if asked is None or (isinstance(asked, Filter) and (asked.is_resolved or "c" in image.axes)):
        return recipe if asked is None else replace(recipe, denoise=resolved(asked, image, mask))
    _check_gray(image)
    box = sample(image, mask)
    noise = _noise_in(box, image)
    model = recipe.model if isinstance(recipe.model, Levels) else fit(_counted(box), recipe)
    contrast = float(np.diff(model.centers).min()) if model.n_classes > 1 else 0.0
    if isinstance(asked, Filter):
        return replace(recipe, denoise=asked.resolved(noise, contrast))
    is_harmless = noise <= HARMLESS * contrast
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
        If a strength is to be estimated of several channels.
    """
    if asked.is_resolved:
        return asked
    if asked.method in NOISELESS or ("c" in image.axes and asked.strength is not None):
        return asked.resolved(0.0)
    _check_gray(image)
    return asked.resolved(_noise_in(sample(image, mask), image))


def _check_gray(image: Image) -> None:
    if "c" in image.axes:
        raise DataError(
            f"the image has channels (axes {image.axes}), noise is estimated of gray; give a strength, as gaussian:1"
        )


def _noise_in(box: Box, image: Image) -> float:
    return estimate_array_noise(box.values, inside=box.inside, spacing=image.spacing)


def _counted(box: Box) -> Any:
    return histogram(box.values, mask=box.inside, nan="ignore")
