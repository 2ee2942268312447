"""What the benchmarks share: simulated scans, facts about the machine, and how an answer is asserted and timed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

Answer = TypeVar("Answer")
Measure = Callable[..., None]

PACKAGES = (
    "numpy",
    "scikit-learn",
    "scikit-image",
    "opencv-python-headless",
    "SimpleITK",
    "kmeans1d",
    "ckwrap",
)
N_SLICES_AT_ONCE = 32


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
    machine_info["versions"] = {name: metadata.version(name) for name in PACKAGES}
    machine_info["small"] = config.getoption("small")


@pytest.fixture(scope="session")
def small(request: pytest.FixtureRequest) -> bool:
    """Whether to check the answers only, on small data."""
    return bool(request.config.getoption("small"))


@pytest.fixture
def measure(benchmark: BenchmarkFixture) -> Measure:
    """`measure(job, who, work, check, rounds=5, beside=None)`: assert the answer of `work()`, and time it.

    `check` takes the answer, and returns facts for the report. With `rounds=1`, for slow peers, the very run that is
    timed is checked. `beside` is klevels doing the same: it is run, and timed, before each round of a fast peer, so
    that both see the same machine.
    """

    def run(
        job: str,
        who: str,
        work: Callable[[], Answer],
        check: Callable[[Answer], dict[str, float]],
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
            benchmark.extra_info.update(check(benchmark.pedantic(work, rounds=1, iterations=1)))
        else:
            benchmark.extra_info.update(check(work()))
            benchmark.pedantic(work, setup=run_beside, rounds=rounds, iterations=1)
        if took:
            benchmark.extra_info["klevels_seconds"] = min(took)

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
