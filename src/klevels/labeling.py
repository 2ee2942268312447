"""From gray values and classes to labels, as a recipe asks: denoised before, in agreement with neighbors after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from klevels import engine, neighborhoods
from klevels.core import borders, potts
from klevels.core.colors import ColorTable
from klevels.core.denoise import Filter
from klevels.core.histogram import Histogram
from klevels.core.labels import ignore_label
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.core.potts import Potts
from klevels.errors import ParameterError
from klevels.image import Image
from klevels.recipe import Recipe
from klevels.sampling import sample
from klevels.sources import voxels_of
from klevels.workers import Workers


def check_neighborhoods(image: Image, recipe: Recipe) -> None:
    """Refuse what is for gray images only.

    Parameters
    ----------
    image : Image
        What is segmented.
    recipe : Recipe
        What is asked.

    Raises
    ------
    ParameterError
        If an image with channels shall be smoothed, or its borders resolved.
    """
    asked = [name for name in ("borders", "smooth") if getattr(recipe, name) is not None]
    if "c" in image.axes and asked:
        raise ParameterError(f"{asked[0]} is for gray images, but the image has axes {image.axes}; leave it out")


def denoised(image: Image, mask: Any, recipe: Recipe, workers: Workers) -> Image:
    """Return an image as it is segmented.

    Parameters
    ----------
    image : Image
        With an array in memory or in blocks.
    mask : array or None
        Where a voxel counts; cut like the image.
    recipe : Recipe
        With a filter that has its strength, or with none.
    workers : Workers
        Who does it, where the image is in memory.

    Returns
    -------
    Image
        The same one, where nothing is asked.
    """
    chosen = recipe.denoise
    return neighborhoods.denoise(image, mask, chosen, workers) if isinstance(chosen, Filter) else image


def label(
    image: Image,
    clean: Image,
    mask: Any,
    model: Levels | Palette,
    recipe: Recipe,
    potts: Potts | None,
    counted: Histogram | ColorTable | None,
    workers: Workers,
) -> Any:
    """Label each voxel.

    Parameters
    ----------
    image : Image
        As it was measured; with an array in memory or in blocks.
    clean : Image
        The same, denoised.
    mask : array or None
        Where a voxel counts; cut like the image.
    model : Levels or Palette
        The classes.
    recipe : Recipe
        What is asked.
    potts : Potts or None
        From `choose_potts`, if labels shall agree with their neighbors.
    counted : Histogram or ColorTable or None
        Of the image, if it is at hand.
    workers : Workers
        Who does it, where the image is in memory.

    Returns
    -------
    ndarray, LazyArray or dask array
        Of uint8 or uint16, of the kind of the image's array.
    """
    labels = engine.classify(model, voxels_of(clean), mask, counted, workers)
    if recipe.borders is not None and isinstance(model, Levels):
        is_kept = recipe.borders == "undecided"
        labels = neighborhoods.resolve_borders(clean, labels, mask, model, is_kept=is_kept, workers=workers)
    return labels if potts is None else neighborhoods.smooth(image, labels, mask, potts, workers)


def reach(image: Image, recipe: Recipe) -> tuple[int, ...] | None:
    """Return how far along each axis a label depends on the image.

    Parameters
    ----------
    image : Image
        What is segmented.
    recipe : Recipe
        With a filter that has its strength, or with none.

    Returns
    -------
    tuple of int or None
        In voxels, for each axis but the channels; None where labels depend on their own voxels only.
    """
    if not recipe.looks_around:
        return None
    n_spatial = len(image.axes.replace("c", ""))
    halos = [recipe.denoise.halo(n_spatial, image.spacing)] if isinstance(recipe.denoise, Filter) else []
    if recipe.borders is not None:
        halos.append(borders.halo(n_spatial, spacing=image.spacing))
    if recipe.smooth:
        halos.append(potts.halo(n_spatial))
    sums = [sum(along) for along in zip(*halos, strict=True)] or [0] * n_spatial
    return tuple(map(min, sums, image.shape))


def choose_potts(
    image: Image, clean: Image, mask: Any, model: Levels | Palette, recipe: Recipe, workers: Workers
) -> Potts | None:
    """Choose how labels are made to agree with their neighbors.

    Parameters
    ----------
    image : Image
        Gray, as it was measured, of any kind of array.
    clean : Image
        The same, denoised.
    mask : array or None
        Where a voxel counts.
    model : Levels or Palette
        The classes.
    recipe : Recipe
        With a filter that has its strength, or with none.
    workers : Workers
        Who does it.

    Returns
    -------
    Potts or None
        None where labels stay as they are.

    Notes
    -----
    Where β is not given, it is 0, so that nothing is smoothed, for two classes of a denoised image: what neighbors tell
    has been used then, and there is no phase between two others that blur could feign; smoothing would round corners
    off, and the smaller phase would shrink.
    """
    is_spared = recipe.smooth == "auto" and recipe.denoise is not None and model.n_classes <= 2
    if not recipe.smooth or is_spared or not isinstance(model, Levels):
        return None
    return estimate_potts(image, clean, mask, model, recipe, workers)


def estimate_potts(image: Image, clean: Image, mask: Any, model: Levels, recipe: Recipe, workers: Workers) -> Potts:
    """Find how likely each gray value is in each class, and β if it is not given.

    Parameters
    ----------
    image : Image
        Gray, as it was measured, of any kind of array.
    clean : Image
        The same, denoised.
    mask : array or None
        Where a voxel counts.
    model : Levels
        The classes.
    recipe : Recipe
        With `smooth` that is "auto" or β.
    workers : Workers
        Who does it.

    Returns
    -------
    Potts
        From some boxes of the image, if it is large.
    """
    box = sample(image, mask)
    measured = replace(image, data=box.values)
    seen = measured if clean is image else replace(image, data=sample(clean, None).values)
    labels = label(measured, seen, box.inside, model, recipe, None, None, Workers(workers.threads))
    inside = labels < model.n_classes
    return Potts.of(
        box.values,
        np.where(inside, labels, labels.dtype.type(ignore_label(model.n_classes))),
        model,
        beta=None if recipe.smooth == "auto" else recipe.smooth,
        inside=inside,
        spacing=image.spacing,
        reestimate=recipe.reestimate,
        threads=workers.threads,
    )
