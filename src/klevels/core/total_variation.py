"""Total variation: as near to the image as can be, with as little up and down as can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.volumes import as_volume, check_steps, check_strength, closeness_of
from klevels.core.voxels import count_threads

STEPS = 25
MOST_STEPS = 500


def total_variation(
    values: NDArray[Any],
    *,
    strength: float,
    steps: int = STEPS,
    inside: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Smooth an image so that it varies little, with edges as sharp as they are.

    Parameters
    ----------
    values : ndarray, 2-D or 3-D
        Of any dtype that klevels takes.
    strength : float
        In gray values: how much of them a voxel may lose over one face; see Notes.
    steps : int
        Steps of the iteration, 1 to 500. More are nearer to the optimum.
    inside : ndarray of bool, optional
        Where voxels count. All others keep their value, and differences between them and those inside do not count.
        NaN and infinite voxels are outside in any case.
    spacing : sequence of float, optional
        The size of a voxel along each axis, in any unit; equal by default.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number.

    Returns
    -------
    ndarray
        Of the shape and dtype of `values`.

    Raises
    ------
    ParameterError
        If the strength is not positive, there are not 1 to 500 steps, or the spacing does not fit.
    DataError
        If the image is empty or has not two or three axes, or the mask has another shape.
    DataTypeError
        If klevels does not take the dtype.

    Notes
    -----
    Seeks the image u that minimizes ``sum(|∇u|) + sum((u - values)²) / (2 strength)`` [1]_, with forward differences,
    by Chambolle's projection [2]_ with a fixed number of steps of 1 / (2 d), where d axes are longer than one voxel.
    The strength is the `weight` of scikit-image's `denoise_tv_chambolle`, for gray values as they are. Along an axis of
    longer voxels differences are divided by their length, relative to the finest.

    Computed in float32, for integers of 32 and 64 bits and float64 with differences in float64.

    References
    ----------
    .. [1] L. I. Rudin, S. Osher and E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D
       60, 1992.
    .. [2] A. Chambolle, "An algorithm for total variation minimization and applications", J. Math. Imaging Vis. 20,
       2004.

    Examples
    --------
    >>> image = np.array([[10, 12, 11, 90, 91], [11, 10, 12, 92, 90], [10, 14, 10, 90, 91]], np.uint8)
    >>> total_variation(image, strength=4)
    array([[12, 12, 12, 89, 89],
           [12, 12, 13, 89, 89],
           [12, 12, 12, 89, 89]], dtype=uint8)
    """
    k, n_steps, n_threads = check_strength(strength), check_steps(steps, MOST_STEPS), count_threads(threads)
    volume = as_volume(values, inside=inside, spacing=spacing)
    from klevels.core import _filters

    out = np.empty_like(volume.floats)
    mask = None if volume.inside is None else volume.inside.view(np.uint8)
    _filters.total_variation(volume.floats, mask, k, n_steps, volume.closeness, n_threads, out)
    return volume.restored(out)


def halo(ndim: int, *, strength: float, steps: int = STEPS, spacing: Sequence[float] | None = None) -> tuple[int, ...]:
    """Return how far along each axis the result looks.

    Parameters
    ----------
    ndim : int
        How many axes the image has.
    strength : float
        As for `total_variation`.
    steps : int
        As for `total_variation`.
    spacing : sequence of float, optional
        As for `total_variation`.

    Returns
    -------
    tuple of int
        One voxel for each step.

    Raises
    ------
    ParameterError
        As `total_variation` does.
    """
    check_strength(strength)
    closeness_of(ndim, spacing)
    return (check_steps(steps, MOST_STEPS),) * ndim


def strength_for(noise: float) -> float:
    """Return the strength that suits an image, with the default number of steps.

    Parameters
    ----------
    noise : float
        Its noise, in gray values, as `estimate_noise` finds it.

    Returns
    -------
    float
        Six tenths of the noise: the fewest wrong voxels on simulated scans whose noise is an eighth to a half of the
        distance between phases.
    """
    return 0.6 * noise
