"""Make the blue-noise mask that dithering ships: `python tools/blue_noise.py src/klevels/core/blue_noise.npy`.

Void and cluster, R. Ulichney, "The void-and-cluster method for dither array generation", SPIE 1913, 1993.
"""

from __future__ import annotations

import argparse
import random

import numpy as np
from numpy.typing import NDArray

SIDE = 64
SEED = 0
SIGMA = 1.5  # in pixels, as Ulichney found best
ONE = 1 << 24  # the energy is in whole numbers, so that no order of sums can change a rank


def blue_noise(side: int = SIDE, seed: int = SEED) -> NDArray[np.uint16]:
    """Return the ranks 0 to side² - 1, each once, such that those below any bound lie evenly spread on a torus."""
    kernel = _kernel(side)
    chance = random.Random(seed)  # its random() is the same in every version of Python; NumPy promises no such thing
    order = sorted(range(side * side), key=[chance.random() for _ in range(side * side)].__getitem__)
    pattern = np.zeros((side, side), bool)
    energy = np.zeros((side, side), np.int64)

    def flip(place: tuple[int, int]) -> None:
        pattern[place] = not pattern[place]
        moved = np.roll(kernel, place, axis=(0, 1))
        np.add(energy, moved if pattern[place] else -moved, out=energy)

    def tightest() -> tuple[int, int]:
        return _place(np.where(pattern, energy, -1).argmax(), side)

    def emptiest() -> tuple[int, int]:
        return _place(np.where(pattern, np.iinfo(np.int64).max, energy).argmin(), side)

    n_first = max(1, side * side // 10)
    for flat in order[:n_first]:
        flip(_place(flat, side))
    while True:
        moved = tightest()
        flip(moved)
        target = emptiest()
        flip(target)
        if target == moved:
            break
    ranks = np.empty((side, side), np.uint16)
    spread, spread_energy = pattern.copy(), energy.copy()
    for rank in reversed(range(n_first)):
        place = tightest()
        flip(place)
        ranks[place] = rank
    pattern[...], energy[...] = spread, spread_energy
    for rank in range(n_first, side * side):
        place = emptiest()
        flip(place)
        ranks[place] = rank
    return ranks


def _kernel(side: int) -> NDArray[np.int64]:
    distance = np.minimum(np.arange(side), side - np.arange(side))
    squares = distance[:, None] ** 2 + distance[None, :] ** 2
    return np.rint(ONE * np.exp(-squares / (2 * SIGMA**2))).astype(np.int64)


def _place(flat: np.integer | int, side: int) -> tuple[int, int]:
    return int(flat) // side, int(flat) % side


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="a .npy file, uint16")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()
    np.save(chosen.output, blue_noise(chosen.side, chosen.seed))
