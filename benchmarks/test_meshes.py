"""Meshes: all triangles, smoothed, and fewer of them, beside peers; and the memory of whole processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import peers_meshes as ways
from benchmarks.conftest import Measure
from benchmarks.phantoms import phantom
from klevels.core.mesh import Mesh

Mask = NDArray[np.bool_]
PHASE, N_FACES, N_VOXELS = 2, 100_000, 512**3
N_SLICES, N_ROWS = 128, 256
"""Of a volume, for peers that would take minutes; klevels runs beside them on the same part."""
PLAIN, SMOOTH, FEWER = "measures: mesh", "measures: mesh, smoothed", "measures: mesh, fewer triangles"


@pytest.fixture(scope="module")
def mask(small: bool) -> Mask:
    """One phase of a simulated scan, 256³ voxels, eight times side by side: 34 million triangles."""
    size = 32 if small else 256
    truth = phantom((size,) * 3, noise=4000.0, length=6.0, seed=1).truth
    return np.tile(truth == PHASE, (1, 1, 1) if small else (2, 2, 2))


@pytest.fixture(scope="module")
def part(mask: Mask) -> Mask:
    """A part of it."""
    return np.ascontiguousarray(mask[:N_SLICES, :N_ROWS, :N_ROWS])


@pytest.mark.parametrize(
    ("job", "way", "rounds"),
    [(PLAIN, ways.klevels_plain, 5), (SMOOTH, ways.klevels_smooth, 3), (FEWER, ways.klevels_fewer, 3)],
)
def test_klevels(measure: Measure, mask: Mask, job: str, way: Any, rounds: int) -> None:
    n_faces = n_faces_of(mask)

    def check(found: ways.Triangles) -> dict[str, Any]:
        mesh = Mesh(*found)
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(np.count_nonzero(mask), rel=0.01 if mask.size == N_VOXELS else 0.1)
        assert job != FEWER or len(mesh.faces) <= n_faces
        return facts(mesh, mask)

    measure(job, "klevels", lambda: way(mask, n_faces), check, rounds)


@pytest.mark.parametrize(
    ("job", "who", "way", "ours"),
    [
        (PLAIN, "scikit-image marching_cubes", ways.skimage_plain, ways.klevels_plain),
        (PLAIN, "VTK discrete flying edges", ways.vtk_plain, ways.klevels_plain),
        (SMOOTH, "VTK windowed sinc", ways.vtk_smooth, ways.klevels_smooth),
        (FEWER, "VTK quadric decimation", ways.vtk_quadric, ways.klevels_fewer),
        (FEWER, "VTK DecimatePro", ways.vtk_pro, ways.klevels_fewer),
    ],
)
def test_peer(measure: Measure, part: Mask, job: str, who: str, way: Any, ours: Any) -> None:
    """What peers leave open, or cannot reduce so far, is reported."""
    n_faces = n_faces_of(part)

    def check(found: ways.Triangles) -> dict[str, Any]:
        mesh = Mesh(*found)
        if job != FEWER:
            assert abs(mesh.volume) == pytest.approx(np.count_nonzero(part), rel=0.1)
        return facts(mesh, part)

    measure(job, who, lambda: way(part, n_faces), check, 1, lambda: ours(part, n_faces))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
class TestMemory:
    """The peak of a fresh process, whole: imports, the mask, and the mesh."""

    @pytest.mark.parametrize("way", [ways.klevels_plain, ways.klevels_smooth, ways.klevels_fewer])
    def test_klevels(self, benchmark: BenchmarkFixture, mask: Mask, tmp_path: Path, way: Any) -> None:
        self.probe(benchmark, mask, tmp_path, way.__name__, f"measures: mesh, memory of {way.__name__}")

    @pytest.mark.parametrize("way", ways.WAYS)
    def test_part(self, benchmark: BenchmarkFixture, part: Mask, tmp_path: Path, way: str) -> None:
        self.probe(benchmark, part, tmp_path, way, "measures: mesh, memory for a part")

    def probe(self, benchmark: BenchmarkFixture, mask: Mask, folder: Path, way: str, job: str) -> None:
        path = folder / "mask.npy"
        np.save(path, mask)
        command = [sys.executable, "-m", "benchmarks.peers_meshes", way, str(path), str(n_faces_of(mask))]

        def run() -> str:
            root = Path(__file__).resolve().parents[1]
            return subprocess.run(command, check=True, capture_output=True, text=True, cwd=root).stdout

        benchmark.group = job
        peak, beyond = map(int, benchmark.pedantic(run, rounds=1, iterations=1).split())
        found = f"peak {peak / 1e9:.2f} GB, {beyond / mask.size:.1f} bytes a voxel beyond the mask"
        benchmark.extra_info.update(who=way.replace("_", " "), bytes=peak, voxels=mask.size, found=found)


def n_faces_of(mask: Mask) -> int:
    """Return as many triangles for each voxel as 100,000 are for 512³, but some thousands."""
    return max(2_000, N_FACES * mask.size // N_VOXELS)


def facts(mesh: Mesh, mask: Mask) -> dict[str, Any]:
    """Return what a reader wants to know about a mesh."""
    off = 100 * (abs(mesh.volume) / np.count_nonzero(mask) - 1)
    closed = "closed" if mesh.is_watertight else "open"
    text = f"{len(mesh.faces):,} triangles, {closed}, volume {off:+.2f} %".replace("-", "−")
    return {"voxels": mask.size, "found": text, "off": off}
