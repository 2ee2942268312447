"""A tomograph: parallel rays, a detector that counts photons, filtered back-projection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import MissingDependencyError
from klevels.samples.material import smooth


def project(attenuation: NDArray[np.float64], theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrate the attenuation along parallel rays.

    Parameters
    ----------
    attenuation : ndarray, shape (slices, rows, columns)
        Per voxel; zero outside the ellipse that touches rows and columns.
    theta : ndarray, shape (n_angles,)
        Angles in degrees.

    Returns
    -------
    ndarray, shape (slices, detector pixels, n_angles)
        Line integrals. The detector is wider than the frame's diagonal, so that it sees air on both sides.
    """
    _, rows, columns = attenuation.shape
    side = max(rows, columns)
    square = np.pad(attenuation, ((0, 0), _centered(rows, side), _centered(columns, side)))
    sinograms = np.stack([_transform().radon(plane, theta, circle=True) for plane in square])
    return np.pad(sinograms, ((0, 0), _centered(side, math.ceil(math.sqrt(2) * side) + 2), (0, 0)))


def measure(
    integrals: NDArray[np.float64],
    *,
    photons: float,
    blur: float,
    rings: float,
    beam_hardening: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Count the photons that arrive, and infer line integrals from the counts.

    Parameters
    ----------
    integrals : ndarray, shape (slices, detector pixels, n_angles)
        The true line integrals.
    photons, blur, rings, beam_hardening : float
        As in `simulate_scan`.
    rng : numpy.random.Generator
        Where gain errors and photon noise come from.

    Returns
    -------
    ndarray
        The measured line integrals, of the shape of `integrals`.
    """
    arriving = np.exp(-integrals) * np.cosh(beam_hardening * integrals)  # mean of exp(-(1 + b) p) and exp(-(1 - b) p)
    blurred = np.stack([smooth(radiograph, blur) for radiograph in np.moveaxis(arriving, 2, 0)], axis=2)
    gain = np.exp(rng.normal(0.0, rings, (*integrals.shape[:2], 1)))
    counted = rng.poisson(photons * gain * blurred)
    return -np.log(np.maximum(counted, 1).astype(np.float64) / photons)


def reconstruct(
    measured: NDArray[np.float64], theta: NDArray[np.float64], extents: tuple[int, int, int]
) -> NDArray[np.float64]:
    """Turn line integrals into attenuation, by filtered back-projection with a ramp filter.

    Parameters
    ----------
    measured : ndarray, shape (slices, detector pixels, n_angles)
        Line integrals.
    theta : ndarray, shape (n_angles,)
        Angles in degrees.
    extents : tuple of int
        Slices, rows and columns to reconstruct.

    Returns
    -------
    ndarray, shape `extents`
        Attenuation per voxel.
    """
    _, rows, columns = extents
    side = max(rows, columns)
    top, left = _centered(rows, side)[0], _centered(columns, side)[0]
    back = [_transform().iradon(sinogram, theta, output_size=side, circle=False) for sinogram in measured]
    return np.stack([plane[top : top + rows, left : left + columns] for plane in back])


def _centered(length: int, longer: int) -> tuple[int, int]:
    """Return the padding that moves pixel ``length // 2``, on the rotation axis, to ``longer // 2``."""
    before = longer // 2 - length // 2
    return before, longer - length - before


def _transform() -> Any:
    try:
        from skimage import transform
    except ImportError as error:
        raise MissingDependencyError("simulated scans need scikit-image; pip install 'klevels[samples]'") from error
    return transform
