"""The simulations, from arguments to a scan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ParameterError
from klevels.image import Image
from klevels.samples.material import fill, smooth
from klevels.samples.tomography import measure, project, reconstruct

VOXEL_MM = 0.01  # an example: 10 µm is an everyday voxel of laboratory micro-CT
FILL = 0.92  # of the frame's width is the cylinder's diameter
DENSEST = 2.5  # attenuation of the densest phase, in units of the lightest solid
ABSORPTION = 1.6  # mean line integral through the middle of the cylinder: a fifth of the photons arrive
GRAY_RANGE = {
    "uint8": (50.0, 190.0),
    "uint16": (12000.0, 46000.0),
}  # void and densest phase, with head-room on both sides
MIN_SIDE = 16
MAX_PHASES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A simulated scan and what it shows.

    Parameters
    ----------
    image : Image
        Gray values, as a scanner delivers them.
    truth : Image
        The phase of each voxel, uint8. Phases ascend with gray value; 0 is the void.
    gray : tuple of float
        The gray value of each phase in a perfect scan.
    """

    image: Image
    truth: Image
    gray: tuple[float, ...]


def simulate_scan(
    shape: Sequence[int] = (512, 512),
    *,
    n_phases: int = 4,
    fractions: Sequence[float] | None = None,
    length: float | None = None,
    photons: float = 20000.0,
    n_angles: int | None = None,
    blur: float = 0.6,
    rings: float = 0.0,
    beam_hardening: float = 0.0,
    dtype: str = "uint16",
    seed: int = 0,
) -> Scan:
    """Simulate a micro-CT scan of a porous cylinder, from projections to reconstruction.

    A cylinder of void, matrix, grains and dense inclusions stands in air. Parallel rays cross it, a detector counts the
    photons that arrive, and filtered back-projection turns the counts into gray values.

    Parameters
    ----------
    shape : sequence of int
        Rows and columns, or slices, rows and columns; at least 16 rows and columns. Slices cut across the cylinder.
    n_phases : int
        2 to 8: the void, the matrix, then ever denser grains.
    fractions : sequence of float, optional
        The volume fraction of each phase inside the cylinder, adding up to 1. By default a fifth is void, a twentieth
        is the densest phase, and of the phases between them each has less than the one before.
    length : float, optional
        The correlation length of the material, in voxels: about the radius of a grain. By default a 64th of the rows or
        columns, whichever are more, but at least 3.
    photons : float
        Photons that reach a detector pixel through air, in one projection. The noise falls with its square root.
    n_angles : int, optional
        Projections over half a turn; by default pi/2 for each row or column, whichever are more.
    blur : float
        Standard deviation of the detector's Gaussian blur, in voxels.
    rings : float
        Standard deviation of the detector pixels' relative gain errors, such as 0.01; each error draws a ring.
    beam_hardening : float
        From 0 to 1: half of the photons are attenuated 1 + this times, the others 1 - this times as much as their mean.
    dtype : {"uint16", "uint8", "float32"}
        Of the image. float32 holds the attenuation per mm. The integers hold it linearly: the void is at 12000 (uint16)
        or 50 (uint8), the densest phase at 46000 or 190.
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    Scan
        With a spacing of 0.01 mm, which is an example.

    Raises
    ------
    ParameterError
        If an argument is outside its range, or if the noise is outside the range of `dtype`: nothing is clipped.
    MissingDependencyError
        If SciPy or scikit-image is not installed.

    Notes
    -----
    The air around the cylinder is phase 0, so the image holds more of it than ``fractions[0]``. Slices are projected
    one by one; the material and the blur are three-dimensional. The blur acts on the photons before they are counted. A
    pixel that counts no photon is taken to have counted one. Memory: about 100 bytes a voxel.

    References
    ----------
    .. [1] A. C. Kak and M. Slaney, "Principles of Computerized Tomographic Imaging", IEEE Press, 1988.

    Examples
    --------
    >>> scan = simulate_scan((64, 64), n_phases=3, seed=1)
    >>> scan.image.shape, str(scan.image.dtype), scan.gray
    ((64, 64), 'uint16', (12000.0, 25600.0, 46000.0))
    """
    extents = _checked_shape(shape, MIN_SIDE)
    if not 2 <= n_phases <= MAX_PHASES:
        raise ParameterError(f"n_phases is {n_phases}; give 2 to {MAX_PHASES}")
    shares = _checked_fractions(_usual_fractions(n_phases) if fractions is None else fractions, n_phases)
    if dtype not in ("float32", *GRAY_RANGE):
        raise ParameterError(f"dtype is {dtype!r}; use uint16, uint8 or float32")
    angles = math.ceil(math.pi / 2 * max(extents[1:])) if n_angles is None else n_angles
    grain = max(3.0, max(extents[1:]) / 64) if length is None else length
    _check_between("n_angles", angles, 1, 100_000)
    _check_between("seed", seed, 0, 2**63)
    _check_between("length", grain, 0, 1000)
    _check_between("photons", photons, 1, 1e15)
    _check_between("blur", blur, 0, 1000)
    _check_between("rings", rings, 0, 1)
    _check_between("beam_hardening", beam_hardening, 0, 1)

    rng = np.random.default_rng(seed)
    truth = fill(_cylinder(extents), shares, grain, rng)
    relative = _relative_attenuation(n_phases)
    per_voxel = relative * ABSORPTION / (np.dot(shares, relative) * FILL * max(extents[1:]))

    theta = np.linspace(0.0, 180.0, angles, endpoint=False)
    integrals = project(per_voxel[truth], theta)
    measured = measure(integrals, photons=photons, blur=blur, rings=rings, beam_hardening=beam_hardening, rng=rng)
    reconstructed = reconstruct(measured, theta, extents)

    image, gray = _to_gray(reconstructed, per_voxel, dtype)
    return _scan(image, truth, gray, shape)


def simulate_phases(
    shape: Sequence[int],
    *,
    gray: Sequence[float] = (12000.0, 30000.0, 45000.0),
    fractions: Sequence[float] | None = None,
    length: float = 4.0,
    blur: float = 0.6,
    noise: float = 4000.0,
    seed: int = 0,
) -> Scan:
    """Simulate a blurred material with additive Gaussian noise: quick, and without a tomograph's artifacts.

    Parameters
    ----------
    shape : sequence of int
        Rows and columns, or slices, rows and columns.
    gray : sequence of float
        The gray value of each phase, ascending, 0 to 65535.
    fractions : sequence of float, optional
        The volume fraction of each phase, adding up to 1; equal by default.
    length : float
        The correlation length of the material, in voxels.
    blur : float
        Standard deviation of the Gaussian blur, in voxels.
    noise : float
        Standard deviation of the noise, in gray values.
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    Scan
        Of uint16; the spacing of 0.01 mm is an example. Gray values beyond 0 or 65535 saturate, as on a camera.

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    MissingDependencyError
        If SciPy is not installed.

    Examples
    --------
    >>> scan = simulate_phases((32, 32), gray=(10000, 40000), fractions=(0.25, 0.75), noise=0, seed=1)
    >>> float((scan.truth.data == 0).mean())
    0.25
    """
    extents = _checked_shape(shape, 1)
    levels = np.asarray(gray, np.float64)
    if not 2 <= levels.size <= MAX_PHASES or np.any(np.diff(levels) <= 0) or levels[0] < 0 or levels[-1] > 65535:
        raise ParameterError(f"gray is {tuple(gray)}; give 2 to {MAX_PHASES} ascending values from 0 to 65535")
    shares = _checked_fractions(np.full(levels.size, 1 / levels.size) if fractions is None else fractions, levels.size)
    _check_between("seed", seed, 0, 2**63)
    _check_between("length", length, 0, 1000)
    _check_between("blur", blur, 0, 1000)
    _check_between("noise", noise, 0, 1e6)

    rng = np.random.default_rng(seed)
    truth = fill(np.ones(extents, np.bool_), shares, length, rng)
    values = smooth(levels[truth], blur) + rng.normal(0.0, noise, extents)
    image = np.clip(np.rint(values), 0, 65535).astype(np.uint16)
    return _scan(image, truth, levels, shape)


def _checked_shape(shape: Sequence[int], smallest: int) -> tuple[int, int, int]:
    """Return slices, rows and columns."""
    sides = tuple(shape)
    if len(sides) not in (2, 3) or min(sides) < 1 or min(sides[-2:]) < smallest:
        raise ParameterError(f"shape is {sides}; give 2 or 3 sides, rows and columns at least {smallest}")
    slices, rows, columns = (1, *sides)[-3:]
    return slices, rows, columns


def _checked_fractions(fractions: Sequence[float] | NDArray[np.float64], n_phases: int) -> NDArray[np.float64]:
    shares = np.asarray(fractions, np.float64)
    if shares.shape != (n_phases,) or not np.all(shares > 0) or not math.isclose(shares.sum(), 1.0, abs_tol=1e-6):
        raise ParameterError(
            f"fractions are {tuple(map(float, fractions))}; give {n_phases} positive numbers that add up to 1"
        )
    return shares


def _check_between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ParameterError(f"{name} is {value}; give a number from {low:g} to {high:g}")


def _usual_fractions(n_phases: int) -> NDArray[np.float64]:
    if n_phases == 2:
        return np.array([0.2, 0.8])
    between = np.arange(n_phases - 2, 0, -1, dtype=np.float64)
    return np.concatenate(([0.2], 0.75 * between / between.sum(), [0.05]))


def _relative_attenuation(n_phases: int) -> NDArray[np.float64]:
    """Return 0 for the void, 1 for the matrix, then equal ratios up to the densest phase."""
    solids = np.geomspace(1.0, DENSEST, n_phases - 1) if n_phases > 2 else np.ones(1)
    return np.concatenate(([0.0], solids))


def _cylinder(extents: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Mark the cylinder around the rotation axis, through pixel ``n // 2`` of the rows and of the columns."""
    _, rows, columns = extents
    y = (np.arange(rows)[:, None] - rows // 2) / (FILL * rows / 2)
    x = (np.arange(columns) - columns // 2) / (FILL * columns / 2)
    return np.broadcast_to(np.hypot(y, x) <= 1, extents)


def _to_gray(
    reconstructed: NDArray[np.float64], per_voxel: NDArray[np.float64], dtype: str
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Turn attenuation into gray values, of the picture and of the phases."""
    if dtype == "float32":
        return (reconstructed / VOXEL_MM).astype(np.float32), per_voxel / VOXEL_MM
    void, dense = GRAY_RANGE[dtype]
    slope = (dense - void) / per_voxel[-1]
    values = np.rint(void + slope * reconstructed)
    limit = np.iinfo(dtype).max
    if values.min() < 0 or values.max() > limit:
        raise ParameterError(
            f"gray values run from {values.min():.0f} to {values.max():.0f}, {dtype} holds 0 to {limit}; "
            "use more photons, fewer artifacts, or dtype float32"
        )
    return values.astype(dtype), void + slope * per_voxel


def _scan(image: NDArray[Any], truth: NDArray[np.uint8], gray: NDArray[np.float64], shape: Sequence[int]) -> Scan:
    axes = "zyx"[-len(shape) :]
    spacing = (VOXEL_MM,) * len(shape)
    return Scan(
        image=Image(image.reshape(shape), axes, spacing, "mm"),
        truth=Image(truth.reshape(shape), axes, spacing, "mm"),
        gray=tuple(round(float(value), 6) for value in gray),
    )
