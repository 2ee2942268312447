"""The verbs, joined in the order in which the data flows: histogram, noise, fit, label."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.noise import NoiseMethod, split_noise
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.image import Image
from klevels.recipe import Recipe, Segmentation


def segment(
    image: Image | ArrayLike,
    k: int | None = None,
    *,
    noise: NoiseMethod | float | None = None,
    mask: ArrayLike | None = None,
    nan: Literal["error", "ignore"] = "error",
    recipe: Recipe | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Segmentation:
    """Segment an image or a volume into `k` classes of gray, exactly.

    Parameters
    ----------
    image : Image or array_like
        One gray value a voxel, with axes "yx" or "zyx".
    k : int
        Number of classes; where noise is split off, of the signal alone.
    noise : {"valley", "kmeans", "minimum-error"} or float, optional
        Split noise off first, as label 0; see `split_noise`.
    mask : array_like of bool or int, optional
        Of the image's shape: True, or nonzero, where a voxel counts.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    recipe : Recipe, optional
        What was asked before, in place of `k`, `noise` and `nan`.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    progress : callable, optional
        Called with the name of each stage as it begins: "counting", "fitting", "labeling".

    Returns
    -------
    Segmentation
        Labels ascend with gray level; voxels left out have the ignore label, 255 (65535 beyond 255 classes).

    Raises
    ------
    ParameterError
        If an argument is out of its range.
    DataError
        If the image cannot be clustered as asked: color, empty, NaN, infinite, too few levels.

    Examples
    --------
    >>> segment([[0, 1], [8, 9]], k=2).labels.data
    array([[0, 0],
           [1, 1]], dtype=uint8)
    """
    if recipe is None:
        if k is None:
            raise ParameterError("k is missing; give the number of classes, or a recipe")
        recipe = Recipe(k=k, noise=noise, nan=nan)
    elif k is not None or noise is not None or nan != "error":
        raise ParameterError("both a recipe and k, noise or nan are given; give one of them")
    source = as_gray_image(image)
    step = progress or (lambda _: None)
    step("counting")
    counted = histogram(source.data, mask=mask, nan=recipe.nan, threads=threads)
    step("fitting")
    model = recipe.model or fit(counted, recipe, threads=threads)
    step("labeling")
    labels = model.classify(source.data, mask=mask, threads=threads)
    if recipe.model is not None:
        model = model.on(counted, _class_counts(labels, model.n_classes))
    return Segmentation(source.with_data(labels), model, recipe, counted, source)


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


def as_gray_image(image: Image | ArrayLike) -> Image:
    """Return an Image with one gray value a voxel.

    Parameters
    ----------
    image : Image or array_like
        A plain array has axes "yx" or "zyx".

    Returns
    -------
    Image
        The same data.

    Raises
    ------
    DataError
        If it is a color image, or has neither two nor three axes.
    """
    if not isinstance(image, Image):
        if isinstance(image, str | PathLike):
            raise DataTypeError(f"the image is a name, {image!r}; read the file first, with klevels.read")
        data = np.asanyarray(image)
        axes = {2: "yx", 3: "zyx"}.get(data.ndim)
        if axes is None:
            raise DataError(f"the image has {data.ndim} axes; give two (y, x) or three (z, y, x)")
        if data.ndim == 3 and data.shape[2] in (3, 4) and min(data.shape[:2]) > 4:
            raise DataError(
                f"an array of shape {data.shape} looks like color; convert it to gray, "
                f"or give klevels.Image(data, 'zyx') if it is a volume"
            )
        image = Image(data, axes)
    if "c" in image.axes:
        raise DataError(
            f"the image has {image.shape[-1]} channels (axes {image.axes}); read it with gray=True (--gray)"
        )
    return image


def _class_counts(labels: NDArray[Any], n_classes: int) -> NDArray[np.int64]:
    found = histogram(labels)
    counts = np.zeros(n_classes + 1, np.int64)
    counts[np.minimum(found.levels, n_classes)] = found.counts
    return counts[:n_classes]
