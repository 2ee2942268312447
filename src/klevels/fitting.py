"""From counts to classes, as a recipe asks for them."""

from __future__ import annotations

from klevels.core.brightness import white_of
from klevels.core.colors import ColorTable
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.noise import split_noise
from klevels.core.palette import Palette
from klevels.core.quantize import fit_palette
from klevels.poster import PosterRecipe
from klevels.recipe import Recipe


def fit(counted: Histogram, recipe: Recipe, *, threads: int | None = None) -> Levels:
    """Fit the classes that a recipe asks for.

    Parameters
    ----------
    counted : Histogram
        Of one image, or of several pooled.
    recipe : Recipe
        What is asked.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    Levels
        With the noise as class 0 where the recipe splits it off.
    """
    threshold = None if recipe.noise is None else split_noise(counted, recipe.noise)
    return fit_levels(counted, recipe.k, noise_threshold=threshold, threads=threads)


def fit_channels(table: ColorTable, recipe: Recipe, *, threads: int | None = None) -> Palette:
    """Fit the classes that a recipe asks for, of several channels.

    Parameters
    ----------
    table : ColorTable
        Of one image, or of several pooled.
    recipe : Recipe
        What is asked.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    Palette
        In the space "rgb", the stored values, whatever the channels are.
    """
    return fit_palette(
        table,
        recipe.k,
        quality=recipe.quality,
        normalize=recipe.normalize,
        random_state=recipe.random_state,
        threads=threads,
    )


def fit_colors(table: ColorTable, recipe: PosterRecipe, *, threads: int | None = None) -> Palette:
    """Fit the palette that a recipe for posters asks for, or take the one that it gives.

    Parameters
    ----------
    table : ColorTable
        Of one image, or of several pooled.
    recipe : PosterRecipe
        What is asked.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    Palette
        In the range of the images, with their counts.
    """
    if recipe.palette is not None:
        return recipe.palette.rescaled(white_of(table.dtype)).on(table, threads=threads)
    return fit_palette(
        table,
        recipe.k,
        space=recipe.space,
        quality=recipe.quality,
        random_state=recipe.random_state,
        threads=threads,
    )
