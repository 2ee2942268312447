"""Measuring labels: counts and profiles, surfaces, components and objects, beside peers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import klevels
from benchmarks import peers_measures as peers
from benchmarks.conftest import Measure
from benchmarks.phantoms import phantom
from klevels.core.faces import faces, surface_areas
from klevels.core.objects import objects_table
from klevels.core.regions import regions
from klevels.core.tallies import tally
from klevels.image import Image

Labels = NDArray[np.uint8]
N_SLICES = 32
"""Of a volume, for peers that would take minutes; klevels runs beside them on the same ones."""
N_PHASES = 3
KLEVELS = (sys.executable, "-c", "from klevels.cli import main; main()")


@pytest.fixture(scope="module")
def labels(small: bool) -> Labels:
    """The true phases of a simulated scan, 256³ voxels, eight times side by side."""
    size = 32 if small else 256
    truth = phantom((size,) * 3, noise=4000.0, length=6.0, seed=1).truth
    return np.tile(truth, (1, 1, 1) if small else (2, 2, 2))


@pytest.fixture(scope="module")
def part(labels: Labels) -> Labels:
    """A part of it, for slow peers."""
    return np.ascontiguousarray(labels[:N_SLICES, :256, :256])


class TestCounts:
    """Voxels of each phase in each plane along z, y and x."""

    def test_klevels(self, measure: Measure, labels: Labels) -> None:
        def check(found: Any) -> dict[str, Any]:
            assert [one.sum(axis=0).tolist() for one in found.along] == [np.bincount(labels.ravel()).tolist()] * 3
            return {"voxels": labels.size}

        measure("measures: counts and profiles", "klevels", lambda: tally(labels, N_PHASES), check, 7)

    def test_numpy(self, measure: Measure, labels: Labels) -> None:
        def check(found: Any) -> dict[str, Any]:
            for one, other in zip(found, tally(labels, N_PHASES).along, strict=True):
                np.testing.assert_array_equal(one, other)
            return {"voxels": labels.size}

        def ours() -> Any:
            return tally(labels, N_PHASES)

        measure(
            "measures: counts and profiles", "NumPy", lambda: peers.numpy_profiles(labels, N_PHASES), check, 1, ours
        )


class TestSurface:
    """The surface of each phase, and its Euler number, which klevels finds by the way."""

    def test_klevels(self, measure: Measure, labels: Labels) -> None:
        def check(found: Any) -> dict[str, Any]:
            return {"voxels": labels.size, "found": areas_text(surface_areas(found, None))}

        measure("measures: surface", "klevels", lambda: faces(labels, N_PHASES), check, 5)

    @pytest.mark.parametrize(
        ("who", "peer"),
        [
            ("scikit-image marching_cubes", peers.skimage_surfaces),
            ("SimpleITK LabelShape, Crofton", peers.simpleitk_surfaces),
        ],
    )
    def test_peer(self, measure: Measure, part: Labels, who: str, peer: Any) -> None:
        def check(found: Any) -> dict[str, Any]:
            ours = surface_areas(faces(part, N_PHASES), None)
            assert all(0.7 < one / other < 1.4 for one, other in zip(found, ours, strict=True))
            return {"voxels": part.size, "found": f"{areas_text(found)}; klevels {areas_text(ours)}"}

        measure("measures: surface", who, lambda: peer(part, N_PHASES), check, 1, lambda: faces(part, N_PHASES))


class TestComponents:
    """Connected components of all phases, 26 neighbors."""

    def test_klevels(self, measure: Measure, labels: Labels) -> None:
        expected = n_components(labels)

        def check(found: Any) -> dict[str, Any]:
            assert len(found.rows) == expected
            return {"voxels": labels.size, "found": f"{expected:,} components"}

        measure("measures: components", "klevels", lambda: regions(labels, N_PHASES), check, 7)

    def test_klevels_with_labels(self, measure: Measure, labels: Labels) -> None:
        def check(found: Any) -> dict[str, Any]:
            assert int(found.ids.max()) == len(found.rows)
            return {"voxels": labels.size, "found": f"{len(found.rows):,} components"}

        measure(
            "measures: components as an image",
            "klevels",
            lambda: regions(labels, N_PHASES, with_ids=True),
            check,
            5,
        )

    def test_cc3d(self, measure: Measure, labels: Labels) -> None:
        pytest.importorskip("cc3d", reason="cc3d is not installed")
        shifted = labels + np.uint8(1)  # to cc3d, 0 is the background

        def check(found: Any) -> dict[str, Any]:
            assert int(found.max()) == n_components(labels)
            return {"voxels": labels.size}

        measure(
            "measures: components as an image",
            "cc3d",
            lambda: peers.cc3d_components(shifted),
            check,
            3,
            lambda: regions(labels, N_PHASES, with_ids=True),
        )


class TestObjects:
    """A table of the grains of one phase: volume, centroid, axes of the ellipsoid, bounding box."""

    def test_klevels(self, measure: Measure, part: Labels) -> None:
        def check(found: Any) -> dict[str, Any]:
            joined, n = ndimage.label(part == 2, np.ones((3, 3, 3)))
            assert sorted(found["n_voxels"].tolist()) == sorted(np.bincount(joined.ravel())[1:].tolist())
            return {"voxels": part.size, "found": f"{n:,} objects"}

        measure("measures: objects", "klevels", lambda: our_objects(part), check, 5)

    @pytest.mark.parametrize(
        ("who", "peer"),
        [
            ("scikit-image regionprops_table", peers.skimage_objects),
            ("SimpleITK LabelShape", peers.simpleitk_objects),
            ("PoreSpy regionprops_3D", peers.porespy_objects),
            ("cc3d with its statistics", peers.cc3d_objects),
        ],
    )
    def test_peer(self, measure: Measure, part: Labels, who: str, peer: Any) -> None:
        if peer is peers.porespy_objects:
            pytest.importorskip("porespy", reason="PoreSpy is not installed")
        if peer is peers.cc3d_objects:
            pytest.importorskip("cc3d", reason="cc3d is not installed")

        def check(found: Any) -> dict[str, Any]:
            assert sorted(found) == sorted(our_objects(part)["n_voxels"].tolist())
            return {"voxels": part.size}

        measure("measures: objects", who, lambda: peer(part == 2), check, 1, lambda: our_objects(part))


class TestThickness:
    """Local thickness of one phase, voxel by voxel."""

    def test_klevels(self, measure: Measure, part: Labels) -> None:
        def check(found: Any) -> dict[str, Any]:
            assert ((found > 0) == (part == 2)).all()
            return {"voxels": part.size, "found": f"mean {found[found > 0].mean():.2f} voxels"}

        measure("measures: local thickness", "klevels", lambda: klevels.local_thickness(part == 2), check, 3)

    def test_porespy(self, measure: Measure, part: Labels) -> None:
        pytest.importorskip("porespy", reason="PoreSpy is not installed")

        def check(found: Any) -> dict[str, Any]:
            return {"voxels": part.size, "found": f"mean {found[found > 0].mean():.2f} voxels"}

        def ours() -> Any:
            return klevels.local_thickness(part == 2)

        measure("measures: local thickness", "PoreSpy", lambda: peers.porespy_thickness(part == 2), check, 1, ours)


class TestReport:
    """`klevels report` of a segmented volume, the whole process: planes, sweep, measures, objects, pictures in 3-D."""

    def test_klevels(self, measure: Measure, labels: Labels, tmp_path: Path) -> None:
        noise = np.random.default_rng(3).normal(0, 900, labels.shape).astype(np.float32)
        scan = tmp_path / "scan.tif"
        gray = (labels.astype(np.float32) * 9000 + 20000 + noise).astype(np.uint16)
        klevels.write(scan, Image(gray, "zyx", (1.0, 1.0, 1.0), "µm"))
        subprocess.run([*KLEVELS, "segment", scan, "-k", "3", "-o", tmp_path / "labels.tif"], check=True)

        def report() -> str:
            page = tmp_path / "report.html"
            command = [*KLEVELS, "report", tmp_path / "labels.tif", "-o", page, "--overwrite"]
            subprocess.run(command, check=True, capture_output=True)
            return page.read_text(encoding="utf-8")

        def check(found: str) -> dict[str, Any]:
            assert all(f'id="{one}"' in found for one in ("planes", "histogram", "sweep", "phases", "pictures"))
            return {"voxels": labels.size, "found": f"{len(found) / 1e6:.1f} MB"}

        measure("measures: report", "klevels", report, check, 2)


class TestMeasure:
    """All of `klevels.measure`, with gray values."""

    def test_klevels(self, measure: Measure, labels: Labels) -> None:
        gray = labels.astype(np.uint16) * np.uint16(9000) + np.uint16(500)

        def check(found: Any) -> dict[str, Any]:
            assert found.phases["mean"].tolist() == [500.0, 9500.0, 18500.0]
            return {"voxels": labels.size}

        measure(
            "measures: everything",
            "klevels",
            lambda: klevels.measure(Image(labels, "zyx", (1.0, 1.0, 1.0), "µm"), gray),
            check,
            3,
        )


def our_objects(labels: Labels) -> Any:
    """Return the table of the objects of phase 2."""
    return objects_table(regions(labels, N_PHASES, only=(2,)), 2, spacing=None, unit=None)


def n_components(labels: Labels) -> int:
    """Return how many components all phases have, by SciPy."""
    return sum(int(ndimage.label(labels == phase, np.ones((3, 3, 3)))[1]) for phase in range(N_PHASES))


def areas_text(areas: Any) -> str:
    """Return areas, in short."""
    return "areas " + ", ".join(f"{area:,.0f}" for area in areas)
