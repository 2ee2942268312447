"""The verbs, joined in the order in which the data flows: count, split noise off, fit, label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.brightness import white_of
from klevels.core.clusters import Quality
from klevels.core.colors import ColorTable, count_colors
from klevels.core.count import histogram
from klevels.core.dither import Dither, dither_labels
from klevels.core.fit import fit_levels
from klevels.core.grid import peaks_of
from klevels.core.histogram import Histogram
from klevels.core.labels import rounded
from klevels.core.levels import Levels
from klevels.core.noise import NoiseMethod, split_noise
from klevels.core.palette import Palette
from klevels.core.quantize import fit_palette
from klevels.core.spaces import Space
from klevels.errors import DataError, ParameterError
from klevels.image import Image
from klevels.poster import Poster, PosterRecipe
from klevels.recipe import Recipe, Segmentation
from klevels.sources import as_image, as_picture, color_channels, visible


def segment(
    image: Image | ArrayLike,
    k: int | None = None,
    *,
    noise: NoiseMethod | float | None = None,
    mask: ArrayLike | None = None,
    nan: Literal["error", "ignore"] = "error",
    normalize: bool = False,
    quality: Quality = "default",
    random_state: int = 0,
    recipe: Recipe | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Segmentation:
    """Segment an image or a volume into `k` classes: of gray exactly, of several channels by a search.

    Parameters
    ----------
    image : Image or array_like
        One gray value a voxel, with axes "yx" or "zyx"; or an Image of 2 to 16 channels, "yxc" or "zyxc". A plain array
        is gray. Transparent pixels are left out, and transparency itself is no channel.
    k : int
        Number of classes; where noise is split off, of the signal alone.
    noise : {"valley", "kmeans", "minimum-error"} or float, optional
        Split noise off first, as label 0; see `split_noise`. For gray only.
    mask : array_like of bool or int, optional
        Of the image's shape without channels: True, or nonzero, where a voxel counts.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    normalize : bool
        Divide each channel by its standard deviation first, so that channels of different ranges weigh alike.
    quality : {"fast", "default", "best"}
        How long to search where there are several channels; see `fit_palette`.
    random_state : int
        The seed of that search; the same number gives the same labels.
    recipe : Recipe, optional
        What was asked before, in place of `k` and all other settings.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    progress : callable, optional
        Called with the name of each stage as it begins: "counting", "fitting", "labeling".

    Returns
    -------
    Segmentation
        Labels ascend with gray level, or with the brightness of the centers; voxels left out have the ignore label, 255
        (65535 beyond 255 classes).

    Raises
    ------
    ParameterError
        If an argument is out of its range.
    DataError
        If the image cannot be clustered as asked: empty, NaN, infinite, too few levels.

    Examples
    --------
    >>> segment([[0, 1], [8, 9]], k=2).labels.data
    array([[0, 0],
           [1, 1]], dtype=uint8)
    """
    if recipe is None:
        if k is None:
            raise ParameterError("k is missing; give the number of classes, or a recipe")
        recipe = Recipe(k=k, noise=noise, nan=nan, normalize=normalize, quality=quality, random_state=random_state)
    elif k is not None or noise is not None or nan != "error" or normalize or quality != "default" or random_state != 0:
        raise ParameterError("both a recipe and settings such as k are given; give one of them")
    source = as_image(image)
    step = progress or (lambda _: None)
    if "c" in source.axes:
        return _segment_channels(source, recipe, mask, threads, step)
    if recipe.normalize or isinstance(recipe.model, Palette):
        what = "normalize is for several channels" if recipe.normalize else "the model is a palette"
        raise ParameterError(f"{what}, but the image is gray; give an image with channels")
    step("counting")
    counted = histogram(source.data, mask=mask, nan=recipe.nan, threads=threads)
    step("fitting")
    model = recipe.model or fit(counted, recipe, threads=threads)
    step("labeling")
    labels = model.classify(source.data, mask=mask, threads=threads)
    if recipe.model is not None:
        model = model.on(counted, _class_counts(labels, model.n_classes))
    return Segmentation(source.with_data(labels), model, recipe, counted, source)


def posterize(
    image: Image | ArrayLike,
    k: int | None = None,
    *,
    space: Space | None = None,
    quality: Quality = "default",
    palette: Palette | None = None,
    dither: Dither = "none",
    mask: ArrayLike | None = None,
    random_state: int = 0,
    recipe: PosterRecipe | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Poster:
    """Paint an image in few colors, the best for it.

    Parameters
    ----------
    image : Image or array_like
        A photograph: gray, or red, green and blue. A plain array has axes (y, x) or (y, x, channels), and its second or
        fourth channel is its transparency, as in image files. Transparent pixels do not count.
    k : int
        Number of colors; 8 by default, or as many as the palette has.
    space : {"rgb", "linear", "lab", "oklab"}
        Where distances between colors are measured: "rgb", the default, for the least error in stored values, "lab" and
        "oklab" for looks. A palette that is given has a space already.
    quality : {"fast", "default", "best"}
        How long to search; see `fit_palette`.
    palette : Palette, optional
        Colors to use as they are, in place of fitting some.
    dither : {"none", "floyd-steinberg", "blue-noise"}
        How to mix colors between those of the palette; distances are then those of stored values.
    mask : array_like of bool or int, optional
        Of the image's shape without channels: True, or nonzero, where a pixel counts.
    random_state : int
        The seed of the search: the same number gives the same poster, to the bit.
    recipe : PosterRecipe, optional
        What was asked before, in place of `k` and all other settings.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    progress : callable, optional
        Called with the name of each stage as it begins: "counting", "fitting", "labeling".

    Returns
    -------
    Poster
        Its `image` is the picture: 8-bit where the input was, 16-bit where that was.

    Raises
    ------
    ParameterError
        If an argument is out of its range.
    DataError
        If the image cannot be posterized: no pixel that counts, NaN, fewer colors than k.

    Notes
    -----
    Gray images are fitted exactly, see `fit_levels`. Values are clustered as they are stored; a color profile is
    carried along, and the spaces take the values for sRGB: floats are from 0, black, to 1, white.

    Examples
    --------
    >>> poster = posterize([[[250, 0, 0], [254, 0, 0]], [[0, 0, 9], [0, 0, 7]]], k=2)
    >>> poster.palette.hex
    ('#000008', '#fc0000')
    """
    if recipe is None:
        if palette is not None:
            if not isinstance(palette, Palette):
                raise ParameterError(f"palette is {palette!r}; give a Palette, as Palette.load returns it")
            palette = palette.in_space(space or palette.space)
        recipe = PosterRecipe(
            k=k if k is not None else palette.k if palette is not None else 8,
            space=palette.space if palette is not None else space or "rgb",
            quality=quality,
            palette=palette,
            dither=dither,
            random_state=random_state,
        )
    elif (k, palette, space, quality, dither, random_state) != (None, None, None, "default", "none", 0):
        raise ParameterError("both a recipe and settings such as k are given; give one of them")
    source = as_picture(image)
    step = progress or (lambda _: None)
    inside = visible(source, mask)
    step("counting")
    given = recipe.palette
    colors = color_channels(source, None if given is None else given.n_channels)
    table = count_colors(colors, mask=inside, threads=threads)
    step("fitting")
    asked = fit_colors(table, recipe, threads=threads)
    step("labeling")
    if recipe.dither != "none":
        mixed = dither_labels(colors, asked.colors, recipe.dither, mask=inside, threads=threads)
        counted = replace(asked, counts=_class_counts(mixed, asked.k))
        return Poster(source.with_data(mixed), counted, recipe, table.n_colors, source)
    labels = asked.classify(colors, mask=inside, table=table, threads=threads)
    counted = replace(asked, counts=_class_counts(labels, asked.k))
    error = _squared_error(table, asked, recipe, threads) if table.tells_all else None
    return Poster(source.with_data(labels), counted, recipe, table.n_colors, source, error)


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


def _segment_channels(
    source: Image, recipe: Recipe, mask: ArrayLike | None, threads: int | None, step: Callable[[str], None]
) -> Segmentation:
    if recipe.noise is not None:
        raise ParameterError(f"noise is {recipe.noise!r}, which is for gray images; read it with gray=True (--gray)")
    if isinstance(recipe.model, Levels):
        raise ParameterError(
            f"the model is of gray levels, but the image has axes {source.axes}; read it with gray=True (--gray)"
        )
    if recipe.model is not None and recipe.model.white != white_of(source.dtype):
        raise DataError(
            f"the image is {source.dtype}, with values up to {white_of(source.dtype):g}, but the model is of values up "
            f"to {recipe.model.white:g}; convert the image to the dtype that was fitted"
        )
    inside = visible(source, mask)
    channels = color_channels(source)
    step("counting")
    # Channels that shall weigh alike are divided alike, each for its range.
    peak = peaks_of(channels, mask=inside, nan=recipe.nan) if recipe.normalize else None
    table = count_colors(channels, mask=inside, nan=recipe.nan, peak=peak, threads=threads)
    step("fitting")
    model = recipe.model or fit_channels(table, recipe, threads=threads)
    step("labeling")
    labels = model.classify(channels, mask=inside, table=table, threads=threads)
    if recipe.model is not None:
        model = model.on(table, threads=threads)
    # Bins count as wholes in a fit, and equal distances fall either way: what is counted is what the labels say.
    model = replace(model, counts=_class_counts(labels, model.k))
    return Segmentation(source.with_data(labels), model, recipe, table, source)


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


def _squared_error(table: ColorTable, palette: Palette, recipe: PosterRecipe, threads: int | None) -> float:
    """Return the sum of squared differences between the colors of a table and what they are painted as."""
    painted = rounded(palette.colors, table.dtype).astype(np.float64)
    if recipe.palette is None and recipe.space == "rgb" and recipe.quality != "fast":
        # Centers are means: what rounding moves them by adds to the inertia.
        return palette.inertia + float((((palette.centers - painted) ** 2).sum(axis=1) * palette.counts).sum())
    total = 0.0
    for first in range(0, table.n_colors, 1 << 16):  # few intermediate results at a time
        part = slice(first, first + (1 << 16))
        colors = table.bins[part].astype(np.float64)
        differences = colors - painted[palette.nearest(colors, threads=threads)[0]]
        total += float(((differences**2).sum(axis=1) * table.counts[part]).sum())
    return total


def count_channels(
    image: Image,
    *,
    n_wanted: int | None = None,
    nan: Literal["error", "ignore"] = "error",
    peak: float | Sequence[float] | None = None,
    threads: int | None = None,
) -> ColorTable:
    """Count the colors of one of several images that will be pooled.

    Parameters
    ----------
    image : Image
        With channels, or gray. Transparent pixels do not count.
    n_wanted : int, optional
        Where this is 3, gray counts as color.
    nan : {"error", "ignore"}
        Whether pixels with NaN are refused or left out.
    peak : float or sequence of float, optional
        The greatest magnitude in any of the images, or in each of their channels.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    ColorTable
        Without transparency. Tables can be added where dtype, number of channels and peak are the same.
    """
    channels = color_channels(image, n_wanted)
    return count_colors(channels, mask=visible(image, None), nan=nan, peak=peak, threads=threads)


def _class_counts(labels: NDArray[Any], n_classes: int) -> NDArray[np.int64]:
    found = histogram(labels)
    counts = np.zeros(n_classes + 1, np.int64)
    counts[np.minimum(found.levels, n_classes)] = found.counts
    return counts[:n_classes]
