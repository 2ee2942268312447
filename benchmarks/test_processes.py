"""Whole processes: what an import costs, how long a command takes, how much memory a segmentation needs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import klevels
from benchmarks.conftest import simulated_scan

MEMORY_PROBE = """
import sys
import numpy as np
import klevels

def resident(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))

volume = np.load(sys.argv[1])
before = resident("VmRSS")
found = klevels.segment(volume, 8)
print(resident("VmHWM") - before - found.labels.data.nbytes, found.model.inertia.hex())
"""

PAINTING_PROBE = """
import sys
import numpy as np
import klevels

def resident(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))

photo = np.load(sys.argv[1])
before = resident("VmRSS")
found = klevels.posterize(photo, 16)
labeled = resident("VmHWM") - before
found.palette.paint(found.labels.data, np.uint8)
print(labeled, resident("VmHWM") - before, found.palette.inertia.hex())
"""

SKLEARN_SCRIPT = """
import sys
import numpy as np
from PIL import Image
from sklearn.cluster import KMeans
gray = np.asarray(Image.open(sys.argv[1]))
labels = KMeans(n_clusters=4, n_init=4, random_state=0).fit(gray.reshape(-1, 1).astype(np.float32)).labels_
Image.fromarray(labels.reshape(gray.shape).astype(np.uint8)).save(sys.argv[2])
"""


class TestImport:
    """What a process that needs NumPy anyway pays on top."""

    @pytest.mark.parametrize(
        ("who", "statement", "rounds"),
        [
            ("klevels", "import klevels", 11),
            ("OpenCV", "import cv2", 5),
            ("scikit-learn", "from sklearn.cluster import KMeans", 5),
            ("scikit-image", "from skimage.filters import threshold_multiotsu", 5),
            ("SimpleITK", "import SimpleITK", 5),
        ],
    )
    def test_import(self, benchmark: BenchmarkFixture, who: str, statement: str, rounds: int, small: bool) -> None:
        """Each run is preceded by one of NumPy alone, so that both see the same machine."""
        beyond: list[float] = []
        took: list[float] = []

        def run_numpy_alone() -> None:
            took.append(seconds_of([sys.executable, "-c", "import numpy"]))

        def run_both() -> None:
            beyond.append(seconds_of([sys.executable, "-c", f"import numpy; {statement}"]))

        benchmark.group = "import"
        benchmark.pedantic(run_both, setup=run_numpy_alone, rounds=1 if small else rounds, iterations=1)
        benchmark.extra_info.update(who=who, seconds=statistics.median(beyond) - statistics.median(took))


class TestCommand:
    """From an 8-bit PNG of 512² pixels to a file of labels."""

    @pytest.fixture
    def png(self, tmp_path: Path) -> Path:
        path = tmp_path / "scan.png"
        PIL.Image.fromarray((simulated_scan((1, 512, 512))[0] >> 8).astype(np.uint8)).save(path)
        return path

    def test_klevels(self, benchmark: BenchmarkFixture, png: Path) -> None:
        out = png.with_name("labels.tif")
        script = Path(sysconfig.get_path("scripts")) / "klevels"
        command = [str(script), "segment", str(png), "-k", "4", "-o", str(out), "--overwrite"]
        subprocess.run(command, check=True, capture_output=True)
        expected = klevels.segment(np.asarray(PIL.Image.open(png)), 4).labels.data
        np.testing.assert_array_equal(klevels.read(out).data, expected)
        self.time(benchmark, "klevels segment", command, rounds=7)

    def test_sklearn(self, benchmark: BenchmarkFixture, png: Path) -> None:
        out = png.with_name("labels.png")
        command = [sys.executable, "-c", SKLEARN_SCRIPT, str(png), str(out)]
        self.time(benchmark, "a script with scikit-learn KMeans", command, rounds=3)
        assert np.unique(np.asarray(PIL.Image.open(out))).tolist() == [0, 1, 2, 3]

    def time(self, benchmark: BenchmarkFixture, who: str, command: list[str], rounds: int) -> None:
        took: list[float] = []
        benchmark.group = "command"
        benchmark.pedantic(lambda: took.append(seconds_of(command)), rounds=rounds, iterations=1)
        benchmark.extra_info.update(who=who, seconds=statistics.median(took))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
class TestMemory:
    """The peak of a fresh process while it segments, less what was there before and less the labels."""

    @pytest.mark.parametrize("dtype", ["uint16", "float32"])
    def test_segment(
        self, benchmark: BenchmarkFixture, request: pytest.FixtureRequest, tmp_path: Path, dtype: str
    ) -> None:
        data: NDArray[np.uint16 | np.float32] = request.getfixturevalue(
            "volume" if dtype == "uint16" else "float_volume"
        )
        path = tmp_path / "volume.npy"
        np.save(path, data)
        command = [sys.executable, "-c", MEMORY_PROBE, str(path)]

        def probe() -> str:
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

        benchmark.group = f"memory, {dtype}"
        extra, inertia = benchmark.pedantic(probe, rounds=1, iterations=1).split()
        assert float.fromhex(inertia) == klevels.segment(data, 8).model.inertia
        benchmark.extra_info.update(who="klevels", bytes=int(extra), voxels=data.size)

    def test_posterize(self, benchmark: BenchmarkFixture, large_photo: NDArray[np.uint8], tmp_path: Path) -> None:
        """Labels count, a byte a pixel. Painted pixels take three more, once they are asked for."""
        path = tmp_path / "photo.npy"
        np.save(path, large_photo)
        command = [sys.executable, "-c", PAINTING_PROBE, str(path)]

        def probe() -> str:
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

        benchmark.group = "memory, 100 megapixels"
        labeled, painted, inertia = benchmark.pedantic(probe, rounds=1, iterations=1).split()
        assert float.fromhex(inertia) == klevels.posterize(large_photo, 16).palette.inertia
        pixels = large_photo[..., 0].size
        benchmark.extra_info.update(who="klevels", bytes=int(labeled), bytes_painted=int(painted), pixels=pixels)


def seconds_of(command: list[str]) -> float:
    """Run a process, and return how long it took."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start
