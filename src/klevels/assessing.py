"""How sure a segmentation is: of each voxel, and of the fraction of each phase."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels import choosing, cutting, engine, labeling
from klevels.blocks import map_blocks
from klevels.core.confidence import low_share, margins
from klevels.core.histogram import Histogram
from klevels.core.interiors import interiors
from klevels.core.intervals import Intervals, intervals
from klevels.core.levels import Levels
from klevels.errors import ParameterError
from klevels.image import Image
from klevels.recipe import Segmentation
from klevels.sampling import sample
from klevels.workers import Workers


@dataclass(frozen=True, eq=False)
class Confidence:
    """How sure a segmentation is.

    Parameters
    ----------
    noise : float
        The standard deviation of the noise that is left in what was segmented, in gray values.
    margins : Image
        float32: how much nearer each voxel is to the nearest center than to the second nearest, in units of the noise;
        NaN for voxels left out. Not computed yet where the image is not in memory.
    low_share : float
        The share of voxels with a margin below 1: their class would be another with half a standard deviation more of
        noise, or less.
    intervals : Intervals
        The fraction of each phase, and its range over other thresholds and numbers of classes, and without denoising.
    """

    noise: float
    margins: Image
    low_share: float
    intervals: Intervals

    def summary(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON.

        Returns
        -------
        dict
            noise, low_share and intervals.
        """
        return {"noise": self.noise, "low_share": self.low_share, "intervals": self.intervals.to_dict()}


def confidence(
    result: Segmentation,
    *,
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Confidence:
    """Tell how sure a segmentation is.

    Parameters
    ----------
    result : Segmentation
        Of a gray image.
    threads : int, optional
        How many threads to use; all processors by default.
    memory : int, optional
        What an image that is not in memory may take of it at a time, in bytes.
    client : distributed.Client, optional
        The dask cluster that does the work.

    Returns
    -------
    Confidence
        The margin of each voxel, and the interval of each phase.

    Raises
    ------
    ParameterError
        If the image has channels.

    Examples
    --------
    >>> import klevels
    >>> scan = np.repeat([[10, 11, 9, 10, 90, 91, 89, 90]], 8, axis=0)
    >>> confidence(klevels.segment(scan, k=2)).low_share
    0.0
    """
    workers = Workers(threads, client, memory)
    halo = labeling.reach(result.source, result.recipe)
    source, inside = cutting.in_blocks(result.source, result.inside, workers, halo=halo)
    model, counted, recipe = result.model, result.histogram, result.recipe
    if not isinstance(model, Levels) or not isinstance(counted, Histogram):
        raise ParameterError(f"the image has channels (axes {result.source.axes}); confidence is told of gray only")
    clean = labeling.denoised(source, inside, recipe, workers)
    noise = remaining_noise(source, clean, inside, model, workers)
    is_denoised = recipe.denoise is not None
    raw = engine.count(source.data, inside, recipe.nan, workers) if is_denoised else None
    others: dict[str, NDArray[np.int64]] = {}
    if recipe.smooth is not None or recipe.borders is not None:
        others = {"each voxel alone": model.on(counted).counts}
    return Confidence(
        noise,
        replace(clean, data=margins_of(clean, inside, model, noise), meta={}),
        low_share(counted, model.centers, noise),
        intervals(model, counted, noise, raw=raw, other=others),
    )


def margins_of(clean: Image, inside: Any, model: Levels, noise: float) -> Any:
    """Return the margin of each voxel.

    Parameters
    ----------
    clean : Image
        As it was segmented.
    inside : array or None
        Where a voxel counts; cut like the image.
    model : Levels
        The classes.
    noise : float
        Of what was segmented.

    Returns
    -------
    ndarray, LazyArray or dask array of float32
        Of the kind of the image's array.
    """
    work = partial(_margins, centers=model.centers, noise=noise)
    if isinstance(clean.data, np.ndarray):
        return work(clean.data, inside)
    return map_blocks(work, clean.data, inside, dtype=np.float32, n_spatial=clean.ndim)


def remaining_noise(image: Image, clean: Image, mask: Any, model: Levels, workers: Workers) -> float:
    """Return the noise that is left in what is segmented.

    Parameters
    ----------
    image : Image
        As it was measured.
    clean : Image
        As it is segmented; the same one, if it is not denoised.
    mask : array or None
        Where a voxel counts.
    model : Levels
        The classes.
    workers : Workers
        Who does it.

    Returns
    -------
    float
        A standard deviation, in gray values: the spread within classes, away from borders. Noise that neighbors share,
        as they do after a filter, and in many reconstructions, is not in the differences between them; nor is texture.
        Where there is no filter, the noise that does differ from voxel to voxel is the least.
    """
    measured = choosing.estimate_noise(image, mask)
    box = sample(clean, mask)
    seen = replace(clean, data=box.values)
    spread = noise_within(seen, box.inside, model, measured, threads=workers.threads)
    return max(spread, measured) if clean is image else spread


def noise_within(clean: Image, inside: Any, model: Levels, measured: float, *, threads: int | None = None) -> float:
    """Return the noise that is left in a denoised image.

    Parameters
    ----------
    clean : Image
        In memory.
    inside : array or None
        Where a voxel counts.
    model : Levels
        Its classes.
    measured : float
        What stands for it where no voxel is away from borders.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    float
        A standard deviation, in gray values: the spread within classes, away from borders.
    """
    labels = model.classify(clean.data, mask=inside, threads=threads)
    spread = interiors(clean.data, labels, model.n_classes).spread
    return measured if math.isnan(spread) else spread


def _margins(
    values: NDArray[Any], mask: NDArray[Any] | None, *, centers: NDArray[np.float64], noise: float
) -> NDArray[Any]:
    inside = None if mask is None else np.asarray(mask) != 0
    if np.ma.is_masked(values):
        shown = ~np.ma.getmaskarray(values)
        inside = shown if inside is None else inside & shown
    return margins(np.ma.getdata(values), centers, noise, inside=inside)
