"""The verbs, joined in the order in which the data flows: count, split noise off, fit, label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels import cutting, engine, labeling
from klevels.choosing import choose_filter
from klevels.core.brightness import white_of
from klevels.core.clusters import Quality
from klevels.core.colors import ColorTable
from klevels.core.denoise import Filter, Method
from klevels.core.dither import Dither, dither_labels
from klevels.core.histogram import Histogram
from klevels.core.labels import ignore_label, rounded
from klevels.core.levels import Levels
from klevels.core.noise import NoiseMethod
from klevels.core.palette import Palette
from klevels.core.phase_colors import phase_colors
from klevels.core.potts import Potts
from klevels.core.spaces import Space
from klevels.counting import as_mask
from klevels.errors import DataError, ParameterError
from klevels.fitting import fit, fit_channels, fit_colors
from klevels.image import Image
from klevels.poster import Poster, PosterRecipe
from klevels.recipe import Borders, Recipe, Segmentation
from klevels.sources import as_image, as_picture, color_channels, visible
from klevels.workers import Workers

UNDECIDED_COLOR = (255, 0, 255)
"""Magenta: no class of a few has it."""


def segment(
    image: Image | ArrayLike,
    k: int | None = None,
    *,
    noise: NoiseMethod | float | None = None,
    mask: Image | ArrayLike | None = None,
    nan: Literal["error", "ignore"] = "error",
    normalize: bool = False,
    quality: Quality = "default",
    random_state: int = 0,
    denoise: Filter | Method | Literal["auto"] | str | None = None,
    borders: Borders | None = None,
    smooth: float | Literal["auto"] | None = None,
    reestimate: bool = False,
    recipe: Recipe | None = None,
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
    progress: Callable[[str], None] | None = None,
) -> Segmentation:
    """Segment an image or a volume into `k` classes: of gray exactly, of several channels by a search.

    Parameters
    ----------
    image : Image or array_like
        One gray value a voxel, with axes "yx" or "zyx"; or an Image of 2 to 16 channels, "yxc" or "zyxc". A plain array
        is gray. It may be a dask array, an xarray.DataArray, or an Image that is not in memory. Transparent pixels are
        left out, and transparency itself is no channel.
    k : int
        Number of classes; where noise is split off, of the signal alone.
    noise : {"valley", "kmeans", "minimum-error"} or float, optional
        Split noise off first, as label 0; see `split_noise`. For gray only.
    mask : Image or array_like of bool or int, optional
        Of the image's shape without channels: True, or nonzero, where a voxel counts.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    normalize : bool
        Divide each channel by its standard deviation first, so that channels of different ranges weigh alike.
    quality : {"fast", "default", "best"}
        How long to search where there are several channels; see `fit_palette`.
    random_state : int
        The seed of that search; the same number gives the same labels.
    denoise : Filter, str or "auto", optional
        Take noise from the image before its gray levels are counted: a method, such as "nlm", perhaps with a strength,
        as in "median:2"; "auto" chooses by the noise that is estimated. See `Filter`.
    borders : {"resolve", "undecided"}, optional
        Give voxels on the border of a dark and a bright phase, which look like a phase between, to one of the two, or
        keep them as a class of their own, with the label `n_classes`. For gray only.
    smooth : float or "auto", optional
        Make labels agree with their neighbors, by the Potts model with this weight β; "auto" estimates it from the
        image, and takes 0 for two classes of a denoised image, which smoothing makes no better. Gray values count as
        they were measured, denoised or not. For gray only.
    reestimate : bool
        Estimate the gray values of each class anew from the smoothed labels: a hidden Markov random field.
    recipe : Recipe, optional
        What was asked before, in place of `k` and all other settings.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    memory : int, optional
        What an image that is not in memory may take of it at a time, in bytes. By default blocks take half of what is
        free at most, and decoded ones are kept for the second pass up to half a gigabyte.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.
    progress : callable, optional
        Called with the name of each stage as it begins: "choosing", "counting", "fitting", "labeling".

    Returns
    -------
    Segmentation
        With the recipe as it was done: what was chosen is in it. Labels ascend with gray level, or with the brightness
        of the centers; voxels left out have the ignore label, 255 (65535 beyond 255 classes). Where the image is not in
        memory, or a client is given, they are not computed yet: a dask array where the image is one, else a
        `LazyArray`. `klevels.write` writes them block by block.

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
        recipe = Recipe(
            k=k,
            noise=noise,
            nan=nan,
            normalize=normalize,
            quality=quality,
            random_state=random_state,
            denoise=cast("Filter | None", denoise),
            borders=borders,
            smooth=smooth,
            reestimate=reestimate,
        )
    else:
        settings = (k, noise, nan, normalize, quality, random_state, denoise, borders, smooth, reestimate)
        if settings != (None, None, "error", False, "default", 0, None, None, None, False):
            raise ParameterError("both a recipe and settings such as k are given; give one of them")
    workers = Workers(threads, client, memory)
    step = progress or (lambda _: None)
    whole, mask = as_image(image), as_mask(mask)
    labeling.check_neighborhoods(whole, recipe)
    if not recipe.is_resolved:
        step("choosing")
        recipe = choose_filter(whole, visible(whole, mask), recipe)
    halo = labeling.reach(whole, recipe)
    source, inside = cutting.in_blocks(whole, mask, workers, halo=halo)
    inside = visible(source, inside)
    clean = labeling.denoised(source, inside, recipe, workers)
    model, counted = find_classes(clean, inside, recipe, workers, step)
    step("labeling")
    potts = labeling.choose_potts(source, clean, inside, model, recipe, workers)
    labels = labeling.label(source, clean, inside, model, recipe, potts, counted, workers)
    n_undecided = 0
    if counts_labels(source, recipe, counted):
        counts = engine.class_counts(labels, model.n_classes + 1, workers)
        model, n_undecided = replace(model, counts=counts[:-1]), undecided_in(counts, recipe)
    return as_segmentation(source, clean, inside, labels, model, recipe, potts, counted, n_undecided=n_undecided)


def undecided_in(counts: NDArray[np.int64], recipe: Recipe) -> int:
    """Return how many voxels are undecided.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_classes + 1,)
        How often each label occurs, and the number after the last.
    recipe : Recipe
        What is asked.

    Returns
    -------
    int
        0 where none are kept so: with 255 classes, the number after the last is that of voxels that are left out.
    """
    return int(counts[-1]) if recipe.borders == "undecided" else 0


def as_segmentation(
    source: Image,
    clean: Image,
    inside: Any,
    labels: Any,
    model: Levels | Palette,
    recipe: Recipe,
    potts: Potts | None,
    counted: Histogram | ColorTable,
    *,
    n_undecided: int,
) -> Segmentation:
    """Return what came out of a segmentation.

    Parameters
    ----------
    source : Image
        As it was given.
    clean : Image
        As it was segmented.
    inside : array or None
        Where a voxel counts.
    labels : ndarray, LazyArray or dask array
        The labels.
    model : Levels or Palette
        The classes, with the counts of these labels.
    recipe : Recipe
        What was asked, with the filter that was chosen.
    potts : Potts or None
        How labels were made to agree with their neighbors.
    counted : Histogram or ColorTable
        Of what was segmented.
    n_undecided : int
        How many voxels have the label `model.n_classes`.

    Returns
    -------
    Segmentation
        Its recipe says what was chosen.
    """
    beta = 0.0 if recipe.smooth is not None else None
    done = replace(recipe, smooth=beta if potts is None else potts.beta)
    return Segmentation(
        as_label_image(source, labels, done),
        model,
        done,
        counted,
        source,
        denoised=None if recipe.denoise is None else clean,
        inside=inside,
        n_undecided=n_undecided,
    )


def as_label_image(source: Image, labels: Any, recipe: Recipe) -> Image:
    """Return labels on the grid of the image that they are of, with the colors of their classes.

    Parameters
    ----------
    source : Image
        What was segmented.
    labels : ndarray, LazyArray or dask array
        As `klevels.engine.classify` returns them.
    recipe : Recipe
        What was asked.

    Returns
    -------
    Image
        ``meta["label_colors"]`` holds pairs of a label and its red, green and blue: it tells writers that these are
        labels, which no pyramid may mix.
    """
    n_classes = recipe.n_classes
    colors = phase_colors(n_classes, noise=recipe.splits_noise).tolist()
    undecided = [(n_classes, UNDECIDED_COLOR)] if recipe.borders == "undecided" else []
    shown = (*enumerate(map(tuple, colors)), *undecided, (ignore_label(n_classes), (0, 0, 0)))
    return replace(source.with_data(labels), meta={"label_colors": shown})


def find_classes(
    source: Image, inside: Any, recipe: Recipe, workers: Workers, step: Callable[[str], None]
) -> tuple[Levels | Palette, Histogram | ColorTable]:
    """Count an image, and fit the classes that a recipe asks for, or take those that it gives.

    Parameters
    ----------
    source : Image
        In memory or in blocks.
    inside : array or None
        Where a voxel counts; cut like the image.
    recipe : Recipe
        What is asked.
    workers : Workers
        Who does it.
    step : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    model : Levels or Palette
        With the counts and the inertia of this image.
    counted : Histogram or ColorTable
        Of the voxels that count.
    """
    find = _find_channels if "c" in source.axes else _find_levels
    return find(source, inside, recipe, workers, step)


def counts_labels(source: Image, recipe: Recipe, counted: Histogram | ColorTable) -> bool:
    """Tell whether the voxels of each class are counted by their labels, and not as the fit counts them.

    Parameters
    ----------
    source : Image
        What is segmented.
    recipe : Recipe
        What is asked.
    counted : Histogram or ColorTable
        Of it.

    Returns
    -------
    bool
        True where bins may be divided between classes, colors lie as near to one center as to another, or labels depend
        on their neighbors.
    """
    is_moved = recipe.borders is not None or recipe.smooth is not None
    return is_moved or "c" in source.axes or (recipe.model is not None and counted.shift > 0)


def _find_levels(
    source: Image, inside: Any, recipe: Recipe, workers: Workers, step: Callable[[str], None]
) -> tuple[Levels, Histogram]:
    if recipe.normalize or isinstance(recipe.model, Palette):
        what = "normalize is for several channels" if recipe.normalize else "the model is a palette"
        raise ParameterError(f"{what}, but the image is gray; give an image with channels")
    step("counting")
    counted = engine.count(source.data, inside, recipe.nan, workers)
    step("fitting")
    if isinstance(recipe.model, Levels):
        return recipe.model.on(counted), counted
    return fit(counted, recipe, threads=workers.threads), counted


def _find_channels(
    source: Image, inside: Any, recipe: Recipe, workers: Workers, step: Callable[[str], None]
) -> tuple[Palette, ColorTable]:
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
    channels = color_channels(source)
    step("counting")
    # Channels that shall weigh alike are divided alike, each for its range.
    peak = engine.peaks(channels, inside, recipe.nan, workers) if recipe.normalize else None
    table = engine.count_table(channels, inside, recipe.nan, peak, workers)
    step("fitting")
    if isinstance(recipe.model, Palette):
        return recipe.model.on(table, threads=workers.threads), table
    return fit_channels(table, recipe, threads=workers.threads), table


def posterize(
    image: Image | ArrayLike,
    k: int | None = None,
    *,
    space: Space | None = None,
    quality: Quality = "default",
    palette: Palette | None = None,
    dither: Dither = "none",
    mask: Image | ArrayLike | None = None,
    random_state: int = 0,
    recipe: PosterRecipe | None = None,
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
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
    mask : Image or array_like of bool or int, optional
        Of the image's shape without channels: True, or nonzero, where a pixel counts.
    random_state : int
        The seed of the search: the same number gives the same poster, to the bit.
    recipe : PosterRecipe, optional
        What was asked before, in place of `k` and all other settings.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    memory : int, optional
        What an image that is not in memory may take of it at a time, in bytes. By default blocks take half of what is
        free at most, and decoded ones are kept for the second pass up to half a gigabyte.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.
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
    workers = Workers(threads, client, memory)
    step = progress or (lambda _: None)
    source, inside = cutting.in_blocks(as_picture(image), as_mask(mask), workers)
    inside = visible(source, inside)
    if source.is_lazy and recipe.dither != "none":
        raise ParameterError(
            f"dither is {recipe.dither!r}, which passes errors from pixel to pixel, but the image is not in memory; "
            f"read it with lazy=False, or use 'none'"
        )
    step("counting")
    given = recipe.palette
    colors = color_channels(source, None if given is None else given.n_channels)
    table = engine.count_table(colors, inside, "error", None, workers)
    step("fitting")
    asked = fit_colors(table, recipe, threads=threads)
    step("labeling")
    if recipe.dither != "none":
        labels = dither_labels(colors, asked.colors, recipe.dither, mask=inside, threads=threads)
    else:
        labels = engine.classify(asked, colors, inside, table, workers)
    counted = replace(asked, counts=engine.class_counts(labels, asked.k, workers))
    is_known = recipe.dither == "none" and table.tells_all
    error = _squared_error(table, asked, recipe, threads) if is_known else None
    if error is None and source.is_lazy:
        error = engine.squared_error(colors, labels, asked, workers)
    return Poster(source.with_data(labels), counted, recipe, table.n_colors, source, error)


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
