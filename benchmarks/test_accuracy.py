"""How many voxels are wrong, and how wrong a porosity is, where the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import klevels
from benchmarks import peers_denoise as peers
from benchmarks.conftest import Measure
from benchmarks.phantoms import GRAINS, OTHER_GRAINS, PORES, ROCK_NOISE, ROCKS, phantom, rock

Gray = NDArray[Any]
FILTERS = ("diffusion", "nlm", "bilateral", "tv", "median", "gaussian")
OURS: dict[str, dict[str, Any]] = {
    "klevels": {},
    **{f"klevels, {name}": {"denoise": name} for name in FILTERS},
    "klevels, smooth": {"smooth": "auto"},
    "klevels, denoise": {"denoise": "auto"},
    "klevels, denoise and smooth": {"denoise": "auto", "smooth": "auto"},
    "klevels, denoise and smooth 0.7": {"denoise": "auto", "smooth": 0.7},
    "klevels, denoise, borders and smooth": {"denoise": "auto", "borders": "resolve", "smooth": "auto"},
}
GAUSSIAN, CONDUCTANCE, TV_PER_NOISE, NLM_PER_NOISE, EXPANSION_BETA = 0.75, 2.0, 0.75, 0.5, 2.0
"""The strengths of peers: of several, those with the fewest wrong voxels on phantoms of length 6, by their truth."""
PEERS: dict[str, Callable[[Gray, float], Gray]] = {
    "SciPy Gaussian": lambda image, _: peers.scipy_gaussian(image, GAUSSIAN),
    "SciPy median 3³": lambda image, _: peers.scipy_median(image, 1),
    "SimpleITK diffusion": lambda image, _: peers.itk_diffusion(image, CONDUCTANCE),
    "scikit-image TV": lambda image, noise: peers.skimage_tv(image, TV_PER_NOISE * noise),
    "scikit-image non-local means": lambda image, noise: peers.skimage_nlm(image, NLM_PER_NOISE * noise, noise),
}
EXPANSION = "PyMaxflow α-expansion"
QUICK_PEERS = ("SciPy Gaussian", "SciPy median 3³", "SimpleITK diffusion")
"""Those that a volume of 400³ voxels can wait for."""
SEEDS = (0, 1, 2)


def labels_of(who: str, image: Gray, noise: float, gray: tuple[float, ...]) -> Gray:
    """Return labels: ours know the image alone, peers the noise as well, and α-expansion the gray values, too."""
    k = len(gray)
    if who in OURS:
        return klevels.segment(image, k, **OURS[who]).labels.data
    if who == EXPANSION:
        means = np.array(gray, np.float32).reshape(-1, *(1,) * image.ndim)
        costs = (image - means) ** 2 / np.float32(2 * noise**2)
        return peers.maxflow_expansion(costs, klevels.segment(image, k).labels.data, EXPANSION_BETA)
    clean = PEERS[who](image, noise)
    return klevels.segment(np.clip(np.rint(clean), 0, 65535).astype(np.uint16), k).labels.data


class TestPhantoms:
    """Three phases, 96³ voxels of uint16, blur 0.6, by noise and by correlation length of the material."""

    @pytest.mark.parametrize("who", [*OURS, *PEERS, EXPANSION])
    @pytest.mark.parametrize("noise", [4000, 8000])
    @pytest.mark.parametrize("length", [4, 6, 8])
    def test_wrong(self, measure: Measure, small: bool, who: str, noise: float, length: float) -> None:
        if who == EXPANSION:
            pytest.importorskip("maxflow", reason="PyMaxflow is not installed")
        shape = (16, 24, 24) if small else (96, 96, 96)
        scans = [phantom(shape, noise, length, seed) for seed in (SEEDS[:1] if small else SEEDS)]

        def work() -> list[Gray]:
            return [labels_of(who, scan.image, noise, (12_000, 30_000, 45_000)) for scan in scans]

        def check(found: list[Gray]) -> dict[str, Any]:
            wrong = []
            for labels, scan in zip(found, scans, strict=True):
                assert labels.shape == scan.image.shape
                assert set(np.unique(labels)) == {0, 1, 2}
                wrong.append(float((labels != scan.truth).mean()))
            return {"noise": noise, "length": length, "wrong": wrong}

        measure(f"accuracy: σ = {noise}, length {length}", who, work, check, rounds=1)


class TestRocks:
    """Published segmentations of two rocks, blur 0.6, noise of half the distance of two gray values."""

    @pytest.mark.parametrize("who", [*OURS, *QUICK_PEERS])
    @pytest.mark.parametrize("n_minerals", [1, 2])
    @pytest.mark.parametrize("name", ["berea", "ketton"])
    def test_porosity(self, measure: Measure, small: bool, who: str, name: str, n_minerals: int) -> None:
        """As published; and with two minerals: blur feigns one of them between pores and the other."""
        if not (ROCKS / f"{name}.zip").exists():
            pytest.skip("the folder of published segmentations is not beside this checkout")
        scan = rock(name, 48 if small else None, n_minerals)
        gray = (PORES, GRAINS, OTHER_GRAINS)[: n_minerals + 1]

        def work() -> Gray:
            return labels_of(who, scan.image, ROCK_NOISE, gray)

        def check(labels: Gray) -> dict[str, Any]:
            assert labels.shape == scan.image.shape
            assert set(np.unique(labels)) == set(range(len(gray)))
            porosity, truth = (float((these == 0).mean()) for these in (labels, scan.truth))
            return {"porosity": porosity, "truth": truth, "wrong": float((labels != scan.truth).mean())}

        measure(f"porosity: {name}" + (", two minerals" if n_minerals == 2 else ""), who, work, check, rounds=1)
