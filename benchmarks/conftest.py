"""What the benchmarks share: simulated scans, facts about the machine, and how an answer is asserted and timed."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

Answer = TypeVar("Answer")
Measure = Callable[..., None]

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "opencv-python-headless",
    "SimpleITK",
    "kmeans1d",
    "ckwrap",
    "pillow",
    "imagequant",
    "faiss-cpu",
    "PyMaxflow",
    "connected-components-3d",
    "porespy",
    "edt",
    "vtk",
)
N_SLICES_AT_ONCE = 32
N_BESIDE = 3
N_ROWS_AT_ONCE = 256
PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "photos"
PEAKS = ((9_000, 9_000), (26_000, 21_000), (26_000, 36_000), (45_000, 50_000))
"""Of four materials at two energies; at the first, two of them look alike."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --small."""
    parser.addoption("--small", action="store_true", help="small data: check the answers, in seconds")


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add to the JSON what a reader needs to know about the machine."""
    from klevels.core import _kernels

    machine_info["processors"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if hasattr(os, "sysconf"):
        machine_info["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    machine_info["instruction_set"] = _kernels.instruction_set()
    machine_info["versions"] = {name: version for name in PACKAGES if (version := installed_version(name))}
    machine_info["small"] = config.getoption("small")


def installed_version(name: str) -> str | None:
    """Return the version of a package, or None: a peer that is not there is skipped."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@pytest.fixture(scope="session")
def small(request: pytest.FixtureRequest) -> bool:
    """Whether to check the answers only, on small data."""
    return bool(request.config.getoption("small"))


@pytest.fixture
def measure(benchmark: BenchmarkFixture) -> Measure:
    """`measure(job, who, work, check, rounds=5, beside=None)`: assert the answer of `work()`, and time it.

    `check` takes the answer, and returns facts for the report. With `rounds=1`, for slow peers, the very run that is
    timed is checked. `beside` is klevels doing the same: it is run, and timed, before each round of a fast peer, or
    some times before and after the only round of a slow one, so that both see the same machine.
    """

    def run(
        job: str,
        who: str,
        work: Callable[[], Answer],
        check: Callable[[Answer], dict[str, Any]],
        rounds: int = 5,
        beside: Callable[[], object] | None = None,
    ) -> None:
        took: list[float] = []

        def run_beside() -> None:
            if beside is not None:
                start = time.perf_counter()
                beside()
                took.append(time.perf_counter() - start)

        benchmark.group = job
        benchmark.extra_info["who"] = who
        if rounds == 1:
            for _ in range(N_BESIDE):
                run_beside()
            answer = benchmark.pedantic(work, rounds=1, iterations=1)
            for _ in range(N_BESIDE):
                run_beside()
            benchmark.extra_info.update(check(answer))
        else:
            benchmark.extra_info.update(check(work()))
            benchmark.pedantic(work, setup=run_beside, rounds=rounds, iterations=1)
        if took:
            # A single run is as disturbed as runs are on average; the shortest of many is not.
            benchmark.extra_info["klevels_seconds"] = statistics.median(took) if rounds == 1 else min(took)

    return run


@pytest.fixture(scope="session")
def volume(small: bool) -> NDArray[np.uint16]:
    """A uint16 volume, 512³."""
    return simulated_scan((40, 64, 64) if small else (512, 512, 512))


@pytest.fixture(scope="session")
def float_volume(volume: NDArray[np.uint16]) -> NDArray[np.float32]:
    """A float32 volume of 128 slices whose voxels nearly all differ, as after a reconstruction."""
    part = volume[:128].astype(np.float32)
    part += np.random.default_rng(7).random(part.shape, dtype=np.float32)
    part *= np.float32(1.0 / 65536)
    return part


@pytest.fixture(scope="session")
def image(small: bool) -> NDArray[np.uint16]:
    """A uint16 slice, 2048²."""
    size = 128 if small else 2048
    return simulated_scan((1, size, size))[0]


@pytest.fixture(scope="session")
def photo(small: bool) -> Callable[[str], NDArray[np.uint8]]:
    """`photo(name)`: a photograph by its file name; a drawn picture in its place where the data is small."""

    def load(name: str) -> NDArray[np.uint8]:
        if small:
            return drawn_picture((32, 40), seed=sum(name.encode()))
        if name in ("china.jpg", "flower.jpg"):
            from sklearn.datasets import load_sample_image

            return load_sample_image(name)
        if not (PHOTOS / name).exists():
            pytest.skip("the folder of photographs is not beside this checkout")
        with PIL.Image.open(PHOTOS / name) as opened:
            return np.asarray(opened.convert("RGB"))

    return load


@pytest.fixture(scope="session")
def large_photo(small: bool, photo: Callable[[str], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A photograph of 100 megapixels: china.jpg enlarged, with the noise of a sensor, so that its colors are many."""
    rng = np.random.default_rng(11)
    size = (96, 64) if small else (12288, 8192)
    large = np.array(PIL.Image.fromarray(photo("china.jpg")).resize(size, PIL.Image.Resampling.BILINEAR))
    for first in range(0, len(large), N_ROWS_AT_ONCE):
        part = large[first : first + N_ROWS_AT_ONCE]
        noisy = rng.standard_normal(part.shape, dtype=np.float32)
        noisy *= 3
        noisy += part
        part[...] = np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy)
    return large


@pytest.fixture(scope="session")
def two_energies(small: bool) -> NDArray[np.uint16]:
    """A uint16 volume of two channels, 256³: one specimen scanned at two energies."""
    return dual_energy_scan((24, 48, 48) if small else (256, 256, 256))


def drawn_picture(shape: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """Return colored discs on a colored slope, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]] / np.array(shape)[:, None, None]
    picture = np.stack([200 * x, 60 + 120 * y, 220 - 150 * x * y], axis=-1)
    for _ in range(9):
        (at_y, at_x), radius, color = rng.random(2), rng.uniform(0.05, 0.2), rng.uniform(0, 255, 3)
        picture[(y - at_y) ** 2 + (x - at_x) ** 2 < radius**2] = color
    return np.clip(np.rint(picture + rng.normal(0, 6, picture.shape)), 0, 255).astype(np.uint8)


def dual_energy_scan(shape: tuple[int, int, int], seed: int = 2025) -> NDArray[np.uint16]:
    """Return four materials with soft borders and noise, at two energies."""
    rng = np.random.default_rng(seed)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    field = np.cos(z / 9) + np.cos(y / 13 + x / 31) + np.cos(x / 11 - y / 47) + 0.6 * np.cos(z / 5 + y / 6 + x / 7)
    places = [-1.1, -0.9, 0.1, 0.3, 1.1, 1.3]
    scan = np.empty((*shape, 2), np.uint16)
    for channel, (air, resin, fiber, metal) in enumerate(zip(*PEAKS, strict=True)):
        clean = np.interp(field, places, [air, resin, resin, fiber, fiber, metal])
        noisy = clean + rng.normal(0, 2500, shape)
        scan[..., channel] = np.clip(np.rint(noisy), 0, 65535)
    return scan


def simulated_scan(shape: tuple[int, int, int], seed: int = 2024) -> NDArray[np.uint16]:
    """Return three phases with soft borders (partial volume) and noise."""
    rng = np.random.default_rng(seed)
    n_z, n_y, n_x = shape
    z, y, x = np.ogrid[: min(n_z, N_SLICES_AT_ONCE), :n_y, :n_x]
    field = np.cos(z / 9) + np.cos(y / 13 + x / 31) + np.cos(x / 11 - y / 47) + 0.6 * np.cos(z / 5 + y / 6 + x / 7)
    clean = np.interp(field, [-0.6, -0.4, 0.7, 0.9], [12_000, 30_000, 30_000, 45_000]).astype(np.float32)
    scan = np.empty(shape, np.uint16)
    for first in range(0, n_z, N_SLICES_AT_ONCE):
        part = scan[first : first + N_SLICES_AT_ONCE]
        noisy = rng.standard_normal(part.shape, dtype=np.float32)
        noisy *= 3000
        noisy += clean[: len(part)]
        np.clip(noisy, 0, 65535, out=noisy)
        part[...] = noisy
    return scan
