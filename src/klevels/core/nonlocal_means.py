"""Non-local means: each voxel becomes the mean of those near it whose surroundings look alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.patches import Window, as_image, box, check_gray, check_radius, fitted, lengths, mix

STRENGTH_PER_NOISE = 0.75
"""Between what is best for gray values, 1.0, and for the labels found on them, 0.6."""

MOST_PATCH = 3
MOST_SEARCH = 10
CUTOFF = 80.0
"""Weights below exp(-80) are 0."""


def nonlocal_means(
    values: NDArray[Any],
    *,
    strength: float,
    noise: float = 0.0,
    patch: int = 1,
    search: int = 3,
    inside: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Denoise by the mean of the voxels near each whose patches look like its own.

    Parameters
    ----------
    values : ndarray, shape (y, x) or (z, y, x)
        Gray values of any dtype that `histogram` takes, of any strides and byte order.
    strength : float
        How unlike patches may be, in gray values: h in the notes. `strength_for` gives it for a noise.
    noise : float
        Standard deviation of the noise, in gray values: σ in the notes.
    patch : int
        Radius of a patch in voxels, 0 to 3: 1 compares 3 x 3 x 3 voxels.
    search : int
        Radius in voxels of the window in which patches are compared, 1 to 10: 3 compares with 7 x 7 x 7 patches.
    inside : ndarray of bool, optional
        Where voxels count. Others keep their value, and take no part, like those that are NaN or infinite.
    spacing : sequence of float, optional
        Size of a voxel along each axis, in any unit; equal by default. Along coarser axes the radii are divided by how
        many times longer voxels are than along the finest, and rounded, halves to even.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    ndarray
        Of the shape and dtype of `values`, in native byte order. Integers are rounded, halves to even.

    Raises
    ------
    ParameterError
        If a parameter is outside its range, or the window is larger than the image along an axis of two voxels or more.
    DataTypeError
        If the dtype has no gray levels.
    DataError
        If there is no voxel, or not two or three axes; or if `inside` has another shape.

    Notes
    -----
    Each voxel becomes the weighted mean of those in its window [1]_. The weight of another is ``exp(-max(d² - 2σ², 0) /
    h²)``, where d² is the mean, over the voxels of the two patches, of their squared differences: 2σ² of it is what
    noise alone makes [2]_. The voxel itself has weight 1. Of two patches only those places are compared where both
    voxels count. At its ends the image is mirrored, the voxels there repeated.

    Differences are rounded to float32, as multiples of h, and those of int64 beyond 2**53 to float64 before; weights
    are exact to 1e-5 of them. The order of sums is fixed for each voxel, so that blocks, threads and processors cannot
    change a bit.

    It takes time in proportion to the voxels of the window; the size of patches matters little.

    References
    ----------
    .. [1] A. Buades, B. Coll and J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005.
    .. [2] A. Buades, B. Coll and J.-M. Morel, "Non-local means denoising", Image Processing On Line 1, 2011.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> noisy = np.where(np.arange(64) < 32, 100, 200) + rng.normal(0, 10, (64, 64))
    >>> calm = nonlocal_means(noisy, strength=strength_for(10), noise=10)
    >>> [round(float(side.std()), 1) for side in (noisy[:, :32], calm[:, :32], calm[:, 32:])]
    [10.1, 2.8, 2.5]
    """
    image = as_image(values)
    h, sigma = check_gray("strength", strength), check_gray("noise", noise, zero=True)
    patches, searched = _radii(patch, search, lengths(image.ndim, spacing))
    searched = fitted(searched, image.shape, "search")
    patches = tuple(0 if length == 1 else radius for radius, length in zip(patches, image.shape, strict=True))
    offsets = box(searched)
    window = Window(offsets, np.ones(len(offsets), np.float32), patches)
    return mix(image, window, strength=h, noise=sigma, cutoff=CUTOFF, inside=inside, threads=threads)


def halo(
    ndim: int,
    *,
    strength: float = 1.0,
    noise: float = 0.0,
    patch: int = 1,
    search: int = 3,
    spacing: Sequence[float] | None = None,
) -> tuple[int, ...]:
    """Return how many voxels around a block `nonlocal_means` needs, along each axis.

    Parameters
    ----------
    ndim : int
        How many axes there are.
    strength, noise : float
        They make no difference.
    patch, search : int
        Radii, as for `nonlocal_means`.
    spacing : sequence of float, optional
        Size of a voxel along each axis.

    Returns
    -------
    tuple of int
        As far as the patches of the window reach, and at least twice the radius of the window: so that it fits in any
        block of an image in which it fits, also at the ends.

    Raises
    ------
    ParameterError
        If a parameter is outside its range.

    Examples
    --------
    >>> halo(3, patch=1, search=3, spacing=(2.0, 1.0, 1.0))
    (4, 6, 6)
    """
    check_gray("strength", strength)
    check_gray("noise", noise, zero=True)
    patches, searched = _radii(patch, search, lengths(ndim, spacing))
    return tuple(s + max(s, r) for s, r in zip(searched, patches, strict=True))


def strength_for(noise: float) -> float:
    """Return a good strength for a noise, where `noise` is given to `nonlocal_means` as well.

    Parameters
    ----------
    noise : float
        Standard deviation, in gray values.

    Returns
    -------
    float
        0.75 of it. On simulated scans of three phases, with noise of 1/8 to 1/2 of their distance in gray, labels after
        it are best at 0.6, and on average 1 % worse at 0.75; gray values err least at 1, and 7 % more at 0.75.

    Raises
    ------
    ParameterError
        If it is negative or not finite.

    Examples
    --------
    >>> strength_for(4000)
    3000.0
    """
    return STRENGTH_PER_NOISE * check_gray("noise", noise, zero=True)


def _radii(patch: int, search: int, steps: tuple[float, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    near, far = check_radius("patch", patch, 0, MOST_PATCH), check_radius("search", search, 1, MOST_SEARCH)
    return tuple(round(near / step) for step in steps), tuple(round(far / step) for step in steps)
