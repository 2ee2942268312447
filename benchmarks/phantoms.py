"""Scans with a known truth: simulated phases, and published segmentations of rocks, blurred and noised on the spot."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

import klevels

ROCKS = Path(__file__).resolve().parents[2] / "shared" / "data" / "truth"
PORES, GRAINS, OTHER_GRAINS = 27_000.0, 39_000.0, 51_000.0
"""Gray values of a rock: so far from both ends of uint16 that noise of half their distance hardly saturates."""
ROCK_NOISE = (GRAINS - PORES) / 2
BLUR = 0.6


@dataclass(frozen=True, eq=False)
class Phantom:
    """A scan, what it shows, and the scan as it were without noise."""

    image: NDArray[np.uint16]
    truth: NDArray[np.uint8]
    clean: NDArray[np.uint16]

    def rmse(self, image: NDArray[Any]) -> float:
        """Return how far an image is from the one without noise."""
        return float(np.sqrt(np.mean((image.astype(np.float64) - self.clean) ** 2)))


@lru_cache(maxsize=4)
def phantom(shape: tuple[int, ...], noise: float, length: float, seed: int) -> Phantom:
    """Return three phases of the samples, blurred."""
    scan = klevels.samples.simulate_phases(shape, noise=noise, length=length, blur=BLUR, seed=seed)
    image, truth = scan.image.data, scan.truth.data
    clean = ndimage.gaussian_filter(np.array(scan.gray, np.float32)[truth], BLUR)
    return Phantom(image, truth, np.rint(clean).astype(np.uint16))


@lru_cache(maxsize=1)
def rock(name: str, size: int | None, n_minerals: int) -> Phantom:
    """Return a scan of a rock with noise of half the distance of two phases; a corner of it, if a size is given.

    The grains are of one mineral, as they were published; or three tenths of them are made another one, in patches.
    """
    with zipfile.ZipFile(ROCKS / f"{name}.zip") as archive:
        solid = tifffile.imread(io.BytesIO(archive.read(f"{name}.tif"))) > 0
    truth = solid[:size, :size, :size].astype(np.uint8)
    rng = np.random.default_rng(31)
    if n_minerals == 2:
        field = ndimage.gaussian_filter(rng.standard_normal(truth.shape, dtype=np.float32), 8)
        truth += (truth == 1) & (field > np.quantile(field, 0.7))
    clean = ndimage.gaussian_filter(np.array([PORES, GRAINS, OTHER_GRAINS], np.float32)[truth], BLUR)
    image = rng.standard_normal(truth.shape, dtype=np.float32)
    image *= np.float32(ROCK_NOISE)
    image += clean
    return Phantom(np.clip(np.rint(image), 0, 65535).astype(np.uint16), truth, np.rint(clean).astype(np.uint16))
