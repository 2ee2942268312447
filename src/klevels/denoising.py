"""Denoise an image of any kind: in memory, where it is stored, or in blocks on a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from numpy.typing import ArrayLike

from klevels import choosing, cutting, neighborhoods
from klevels.core.denoise import Filter, Method
from klevels.counting import as_mask
from klevels.errors import ParameterError
from klevels.image import Image
from klevels.sources import as_gray_image, as_image, visible
from klevels.workers import Workers


def denoise(
    image: Image | ArrayLike,
    method: Filter | Method | Literal["auto"] | str = "auto",
    *,
    strength: float | None = None,
    mask: Image | ArrayLike | None = None,
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Image:
    """Take noise from an image.

    Parameters
    ----------
    image : Image or array_like
        Gray, or of several channels, which are denoised one by one; in memory or not.
    method : {"auto", "diffusion", "nlm", "bilateral", "tv", "median", "gaussian"} or Filter
        The filter; "auto" is curvature anisotropic diffusion. `segment` knows how many classes there are, and so the
        contrast between them: it chooses another conductance than this function, a better one for labels.
    strength : float, optional
        In gray values, or in voxels for "median" and "gaussian"; see `Filter`. From the noise by default, which is
        estimated.
    mask : Image or array_like of bool or int, optional
        Of the image's shape without channels: True, or nonzero, where a voxel counts. Others, and NaN, are left out of
        every neighborhood and stay as they are.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.
    memory : int, optional
        What an image that is not in memory may take of it at a time, in bytes; at most half of what is free by default.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.

    Returns
    -------
    Image
        Of the same dtype, with ``meta["denoised"]``, the filter as it was done. Where the image is not in memory,
        nothing is computed yet.

    Raises
    ------
    ParameterError
        If there is no such method, or the strength is out of its range, or the window is larger than the image.
    DataError
        If the noise cannot be estimated: too few voxels, or several channels.

    Examples
    --------
    >>> denoise([[1, 1, 1, 1], [1, 9, 1, 1], [1, 1, 1, 1]], "median").data
    array([[1, 1, 1, 1],
           [1, 1, 1, 1],
           [1, 1, 1, 1]])
    """
    workers = Workers(threads, client, memory)
    whole, inside = as_image(image), as_mask(mask)
    chosen = choose(whole, visible(whole, inside), method, strength)
    if chosen is None:
        return whole
    return apply(whole, inside, chosen, workers)


def apply(image: Image, mask: Any, chosen: Filter, workers: Workers) -> Image:
    """Denoise an image.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    mask : array or None
        Where a voxel counts.
    chosen : Filter
        With its strength.
    workers : Workers
        Who does it.

    Returns
    -------
    Image
        As `denoise` returns it.
    """
    source, inside = cutting.in_blocks(image, mask, workers, halo=halo_of(image, chosen))
    found = neighborhoods.denoise(source, visible(source, inside), chosen, workers)
    return replace(found, meta={**image.meta, "denoised": str(chosen)})


def halo_of(image: Image, chosen: Filter) -> tuple[int, ...]:
    """Return how far a filter looks in an image.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    chosen : Filter
        With its strength.

    Returns
    -------
    tuple of int
        In voxels, along each axis but the channels.
    """
    return chosen.halo(len(image.axes.replace("c", "")), image.spacing)


def choose(
    image: Image, mask: Any, method: Filter | Method | Literal["auto"] | str, strength: float | None
) -> Filter | None:
    """Return the filter that is asked for, with its strength.

    Parameters
    ----------
    image : Image
        Of any kind of array.
    mask : array or None
        Where a voxel counts.
    method : str or Filter
        As `denoise` takes it.
    strength : float or None
        As `denoise` takes it.

    Returns
    -------
    Filter or None
        None where "auto" finds no noise.
    """
    if isinstance(method, Filter):
        asked = method
    elif method == "auto":
        if strength is not None:
            raise ParameterError(f"strength is {strength}, but auto chooses it; name a method, or leave it out")
        noise = choosing.estimate_noise(image, mask)
        return Filter("diffusion").resolved(noise) if noise > 0 else None
    else:
        asked = Filter.parse(method)
        asked = Filter(asked.method, asked.strength if strength is None else strength)
    return choosing.resolved(asked, image, mask)


def estimate_noise(image: Image | ArrayLike, *, mask: Image | ArrayLike | None = None) -> float:
    """Estimate the standard deviation of the noise of an image, robustly against edges.

    Parameters
    ----------
    image : Image or array_like
        Gray, in memory or not.
    mask : Image or array_like of bool or int, optional
        Of the image's shape: True, or nonzero, where a voxel counts.

    Returns
    -------
    float
        In gray values. Of a large image, from boxes at regular places that depend on its shape alone.

    Raises
    ------
    DataError
        If there are too few voxels.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(0, 10, (64, 64))
    >>> round(estimate_noise(1000 + noise))
    10
    """
    whole = as_gray_image(image)
    return choosing.estimate_noise(whole, visible(whole, as_mask(mask)))
