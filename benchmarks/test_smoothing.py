"""Labels that agree with their neighbors: how fast, beside peers, and how near to the least energy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import klevels
from benchmarks import peers_denoise as peers
from benchmarks.conftest import Measure
from benchmarks.phantoms import Phantom, phantom
from klevels.core.likelihood import Likelihood
from klevels.core.smooth import smooth

Gray = NDArray[Any]
N_SLICES = 32
"""Of a volume, for peers that would take minutes; klevels runs beside them on the same ones."""
SWEEPS = 5
BETAS = {"faces": 2.0, "all": 0.7}
"""Much alike: there are three times as many neighbors in all, by their weights."""


@pytest.fixture(scope="module")
def volume(small: bool) -> Phantom:
    """Three phases with noise, 256³ voxels of uint16."""
    return phantom((32, 32, 32) if small else (256, 256, 256), noise=4000.0, length=6.0, seed=1)


class TestPotts:
    """Five sweeps over the labels of a denoised volume; the gray values are those measured."""

    @pytest.mark.parametrize("neighbors", ["faces", "all"])
    def test_klevels(self, measure: Measure, volume: Phantom, neighbors: str) -> None:
        labels, likelihood = begun(volume)

        def check(found: Gray) -> dict[str, Any]:
            part = slice(0, N_SLICES)
            costs = likelihood.costs(volume.image[part])
            if neighbors == "faces":
                assert energy(costs, found[part]) < energy(costs, labels[part])
            wrong, before = (100 * float((these != volume.truth).mean()) for these in (found, labels))
            return {"voxels": labels.size, "found": f"{wrong:.2f} % wrong, {before:.2f} % before"}

        def work() -> Gray:
            return smooth(volume.image, labels, likelihood, beta=BETAS[neighbors], neighbors=neighbors, sweeps=SWEEPS)

        measure(f"denoise: Potts, {neighbors}", "klevels", work, check, 7)

    @pytest.mark.parametrize(
        ("who", "peer"), [("NumPy", peers.numpy_icm), ("PyMaxflow α-expansion", peers.maxflow_expansion)]
    )
    def test_peer(self, measure: Measure, volume: Phantom, who: str, peer: Any) -> None:
        """From the likelihoods, which both want as a table; klevels computes them itself."""
        if peer is peers.maxflow_expansion:
            pytest.importorskip("maxflow", reason="PyMaxflow is not installed")
        labels, likelihood = begun(volume)
        gray, labels = volume.image[:N_SLICES], labels[:N_SLICES]
        costs = likelihood.costs(gray).astype(np.float32)

        def ours() -> Gray:
            return smooth(gray, labels, likelihood, beta=BETAS["faces"], neighbors="faces", sweeps=SWEEPS)

        def check(found: Gray) -> dict[str, Any]:
            mine = ours()
            above = energy(costs, mine) / energy(costs, found) - 1
            assert energy(costs, found) < energy(costs, labels)
            assert peer is peers.numpy_icm or above >= 0
            differ = 100 * float((mine != found).mean())
            return {"voxels": labels.size, "found": f"klevels' energy {100 * above:+.2f} %, {differ:.2f} % of labels"}

        measure("denoise: Potts, faces", who, lambda: peer(costs, labels, BETAS["faces"]), check, 1, ours)


def begun(scan: Phantom) -> tuple[Gray, Likelihood]:
    """Return labels to begin with, and how the gray values of each class spread."""
    found = klevels.segment(scan.image, 3, denoise="diffusion")
    labels = found.labels.data
    return labels, Likelihood.of(scan.image, labels, 3, fallback=found.model)


def energy(costs: NDArray[Any], labels: Gray) -> float:
    """Return what labels cost, with the Potts model over faces."""
    own = np.take_along_axis(costs, labels[None].astype(np.intp), axis=0).sum(dtype=np.float64)
    edges = sum(np.count_nonzero(np.diff(labels.astype(np.int8), axis=axis)) for axis in range(labels.ndim))
    return float(own + BETAS["faces"] * edges)
