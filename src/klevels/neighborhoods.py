"""What looks at the voxels around a voxel, through one face for arrays in memory and arrays in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.blocks import map_blocks
from klevels.core.denoise import Filter
from klevels.core.labels import ignore_label
from klevels.core.levels import Levels
from klevels.core.potts import Potts
from klevels.core.potts import halo as halo_of_potts
from klevels.image import Image
from klevels.sources import has_alpha
from klevels.workers import Workers


def denoise(image: Image, mask: Any, chosen: Filter, workers: Workers) -> Image:
    """Denoise an image.

    Parameters
    ----------
    image : Image
        With an array in memory or in blocks. Channels are denoised one by one, all but transparency.
    mask : array or None
        Where a voxel counts; cut like the image.
    chosen : Filter
        The filter, with its strength.
    workers : Workers
        Who does it, where the image is in memory.

    Returns
    -------
    Image
        Of the same dtype; in blocks where the image is, and nothing is computed yet then.
    """
    n_spatial = len(image.axes.replace("c", ""))
    work = partial(
        _denoised, chosen=chosen, spacing=image.spacing, whole=image.shape[:n_spatial], n_kept=int(has_alpha(image))
    )
    data = image.data
    if isinstance(data, np.ndarray):
        return replace(image, data=work(data, mask, threads=workers.threads))
    halo = chosen.halo(n_spatial, image.spacing)
    n_channels = data.shape[-1] if data.ndim > n_spatial else None
    found = map_blocks(
        partial(work, threads=1),
        data,
        mask,
        dtype=data.dtype.newbyteorder("="),
        n_spatial=n_spatial,
        n_channels=n_channels,
        halo=halo,
    )
    return replace(image, data=found)


def resolve_borders(image: Image, labels: Any, mask: Any, model: Levels, *, is_kept: bool, workers: Workers) -> Any:
    """Give the voxels at borders between a dark and a bright phase to one of them.

    Parameters
    ----------
    image : Image
        Gray, as it was labeled.
    labels : ndarray, LazyArray or dask array
        Of its voxels.
    mask : array or None
        Where a voxel counts; cut like the image.
    model : Levels
        The classes.
    is_kept : bool
        Whether such voxels get a label of their own, the number of classes, instead.
    workers : Workers
        Who does it, where the image is in memory.

    Returns
    -------
    ndarray, LazyArray or dask array
        The labels.
    """
    from klevels.core import borders

    undecided = model.n_classes if is_kept else None
    work = partial(_resolved, centers=model.centers, undecided=undecided, spacing=image.spacing)
    if isinstance(image.data, np.ndarray):
        return work(image.data, labels, mask, threads=workers.threads)
    halo = borders.halo(image.ndim, spacing=image.spacing)
    return map_blocks(
        partial(work, threads=1), image.data, labels, mask, dtype=labels.dtype, n_spatial=image.ndim, halo=halo
    )


def smooth(image: Image, labels: Any, mask: Any, potts: Potts, workers: Workers) -> Any:
    """Make labels agree with their neighbors.

    Parameters
    ----------
    image : Image
        Gray, as it was measured: not denoised.
    labels : ndarray, LazyArray or dask array
        Of its voxels.
    mask : array or None
        Where a voxel counts; cut like the image.
    potts : Potts
        The model: the likelihood of each class, and β.
    workers : Workers
        Who does it, where the image is in memory.

    Returns
    -------
    ndarray, LazyArray or dask array
        The labels.
    """
    work = partial(_smoothed, potts=potts, spacing=image.spacing)
    if isinstance(image.data, np.ndarray):
        return work(image.data, labels, mask, origin=(0,) * image.ndim, threads=workers.threads)
    return map_blocks(
        partial(work, threads=1),
        image.data,
        labels,
        mask,
        dtype=labels.dtype,
        n_spatial=image.ndim,
        halo=halo_of_potts(image.ndim),
        is_placed=True,
    )


def _denoised(
    values: NDArray[Any],
    mask: NDArray[Any] | None,
    *,
    chosen: Filter,
    spacing: Sequence[float] | None,
    whole: tuple[int, ...],
    n_kept: int,
    threads: int | None,
) -> NDArray[Any]:
    """Denoise a block; the last `n_kept` channels stay as they are."""
    inside = _inside(values, mask, len(whole))
    plain = np.ma.getdata(values)
    apply = partial(chosen.apply, inside=inside, spacing=spacing, whole=whole, threads=threads)
    if plain.ndim == len(whole):
        return _masked_like(values, apply(plain))
    n_done = plain.shape[-1] - n_kept
    channels = [apply(plain[..., c]) if c < n_done else plain[..., c] for c in range(plain.shape[-1])]
    return _masked_like(values, np.stack(channels, axis=-1))


def _resolved(
    values: NDArray[Any],
    labels: NDArray[Any],
    mask: NDArray[Any] | None,
    *,
    centers: NDArray[np.float64],
    undecided: int | None,
    spacing: Sequence[float] | None,
    threads: int | None,
) -> NDArray[Any]:
    from klevels.core.borders import resolve_borders as resolve

    inside = _inside(values, mask, labels.ndim)
    return resolve(
        np.ma.getdata(values),
        labels,
        centers,
        undecided=undecided,
        inside=inside,
        spacing=spacing,
        threads=threads,
    )


def _smoothed(
    values: NDArray[Any],
    labels: NDArray[Any],
    mask: NDArray[Any] | None,
    *,
    potts: Potts,
    spacing: Sequence[float] | None,
    origin: tuple[int, ...],
    threads: int | None,
) -> NDArray[Any]:
    inside = _inside(values, mask, labels.ndim)
    is_undecided = labels == potts.n_classes
    given = np.where(is_undecided, labels.dtype.type(ignore_label(potts.n_classes)), labels)
    found: NDArray[Any] = potts.apply(
        np.ma.getdata(values), given, inside, spacing=spacing, origin=origin, threads=threads
    )
    found[is_undecided] = potts.n_classes
    return found


def _inside(values: NDArray[Any], mask: NDArray[Any] | None, n_spatial: int) -> NDArray[np.bool_] | None:
    """Return where voxels count, and are not masked in any channel."""
    inside: NDArray[np.bool_] | None = None if mask is None else np.asarray(mask) != 0
    if np.ma.is_masked(values):
        shown: NDArray[np.bool_] = ~np.ma.getmaskarray(values)
        if values.ndim > n_spatial:
            shown = np.asarray(shown.all(axis=-1))
        inside = shown if inside is None else inside & shown
    return inside


def _masked_like(values: NDArray[Any], found: NDArray[Any]) -> NDArray[Any]:
    """Return what was found, masked where the values were."""
    return np.ma.MaskedArray(found, np.ma.getmaskarray(values)) if isinstance(values, np.ma.MaskedArray) else found
