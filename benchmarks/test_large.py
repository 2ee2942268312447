"""Volumes larger than memory: what they take of it, how fast beside mere reading, over blocks and on a cluster."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import klevels
from benchmarks.large_data import K, Volume, n_slabs_of, slab_of
from klevels import cutting
from klevels.image import Image
from klevels.io.sinks import shards_for
from klevels.lazy import LoadedArray
from klevels.memory import parse_memory
from klevels.workers import Workers

PROBE = [sys.executable, "-m", "benchmarks.large_probe"]
SCRIPT = str(Path(sysconfig.get_path("scripts")) / "klevels")
HOME = Path(__file__).resolve().parents[1]
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is gone at once, for pytest keeps those of three runs."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@needs_proc
class TestMemory:
    """The peak of a fresh process beyond its imports, while a command labels a volume of 8 or of 32 GB."""

    @pytest.mark.parametrize(
        ("kind", "gigabytes", "output", "options"),
        [
            ("raw", 8, "labels.ome.zarr", []),
            ("raw", 32, "labels.ome.zarr", []),
            ("raw", 8, "labels.tif", []),
            ("zarr", 8, "labels.tif", ["--memory", "700MB"]),
        ],
    )
    def test_peak(
        self,
        benchmark: BenchmarkFixture,
        folder: Path,
        kind: str,
        gigabytes: int,
        output: str,
        options: list[str],
        small: bool,
    ) -> None:
        slab = slab_of(small)
        volume = Volume(slab, n_slabs_of(gigabytes, slab, small), step=8 if kind == "raw" else 1)
        source, labels = folder / f"volume.{kind}", folder / output
        given = written(volume, source)
        command = [*PROBE, "segment", *given, "-k", str(K), "-o", str(labels), *options]
        benchmark.group = f"memory, {gigabytes} GB {kind} to {output.partition('.')[2]}"
        peak, seconds = benchmark.pedantic(lambda: printed(command), rounds=1, iterations=1)[0]
        volume.check(labels, json.loads(Path(f"{labels}.json").read_text(encoding="utf-8")))
        note(benchmark, "klevels", bytes=int(peak), seconds=seconds, load=os.getloadavg()[0])


class TestEndToEnd:
    """A command, from a file of 2 GB to labels, beside reading and decoding every chunk once in as many threads."""

    @pytest.mark.parametrize("output", ["labels.tif", "labels.ome.zarr"])
    @pytest.mark.parametrize("kind", ["zarr", "tif", "raw"])
    def test_segment(self, benchmark: BenchmarkFixture, folder: Path, kind: str, output: str, small: bool) -> None:
        slab = slab_of(small)
        volume = Volume(slab, n_slabs_of(2, slab, small))
        labels = folder / output
        given = written(volume, folder / f"volume.{kind}")
        command = [SCRIPT, "segment", *given, "-k", str(K), "-o", str(labels), "--overwrite", "--memory", "8GB"]
        in_memory = None if kind != "raw" else np.memmap(given[0], np.uint16, "r", shape=volume.shape)
        floors: list[float] = []

        def run_floor() -> None:
            start = time.perf_counter()
            if in_memory is None:
                read_once(Path(given[0]), labels)
            else:
                klevels.segment(in_memory, K)
            floors.append(time.perf_counter() - start)

        def run() -> float:
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            return time.perf_counter() - start

        run()
        volume.check(labels, json.loads(Path(f"{labels}.json").read_text(encoding="utf-8")))
        benchmark.group = f"end to end, {kind} to {output.partition('.')[2]}"
        benchmark.pedantic(run, setup=run_floor, rounds=1 if small else 3, iterations=1)
        took = benchmark.stats.stats.min if benchmark.stats else run()
        share = min(floors) / took
        note(
            benchmark, "klevels", voxels=slab.size * volume.n_slabs, floor_seconds=min(floors), share=share,
            load=os.getloadavg()[0], found=f"{100 * share:.0f} % of the speed of the floor, {min(floors):.2f} s",
        )  # fmt: skip


class TestOverBlocks:
    """An array in memory, taken block by block, beside the same array taken whole."""

    def test_segment(self, benchmark: BenchmarkFixture, small: bool) -> None:
        slab = slab_of(small)
        whole = np.concatenate([slab] * n_slabs_of(1, slab, small))
        image = Image(LoadedArray(whole), "zyx")
        plain: list[float] = []

        def run_plain() -> Any:
            start = time.perf_counter()
            found = klevels.segment(whole, K).labels.data
            plain.append(time.perf_counter() - start)
            return found

        def run() -> Any:
            return np.asarray(klevels.segment(image, K).labels.data)

        np.testing.assert_array_equal(run(), run_plain())
        benchmark.group = "over blocks, in memory"
        benchmark.pedantic(run, setup=lambda: (run_plain(), None)[1], rounds=1 if small else 5, iterations=1)
        took = benchmark.stats.stats.min if benchmark.stats else 0.0
        above = took / min(plain) - 1
        note(
            benchmark, "klevels", voxels=whole.size, plain_seconds=min(plain), above=above, load=os.getloadavg()[0],
            found=f"{100 * above:.0f} % above {min(plain):.2f} s of the plain array",
        )  # fmt: skip


class TestCluster:
    """Worker processes of one thread each, on this machine."""

    def test_two_workers(self, benchmark: BenchmarkFixture, folder: Path, small: bool) -> None:
        distributed = pytest.importorskip("distributed")
        slab = slab_of(small)
        volume = Volume(slab, n_slabs_of(2, slab, small))
        given = written(volume, folder / "volume.zarr")
        took: dict[int, float] = {}
        hashes: set[str] = set()
        models: set[str] = set()

        def run(n_workers: int) -> None:
            labels = folder / f"labels-{n_workers}.tif"
            with distributed.LocalCluster(
                n_workers=n_workers, threads_per_worker=1, memory_limit="3GiB", dashboard_address=":0",
            ) as cluster:  # fmt: skip
                command = [SCRIPT, "segment", *given, "-k", str(K), "-o", str(labels), "--overwrite"]
                command += ["--scheduler", cluster.scheduler_address]
                for _ in range(1 if small else 2):
                    start = time.perf_counter()
                    subprocess.run(command, check=True, capture_output=True)
                    took[n_workers] = min(took.get(n_workers, np.inf), time.perf_counter() - start)
            record = json.loads(Path(f"{labels}.json").read_text(encoding="utf-8"))
            volume.check(labels, record)
            models.add(json.dumps(record["model"]))
            hashes.add(sha256(np.asarray(klevels.read(labels).data)))

        for n_workers in (1, 4) if small else (1, 4, 1):
            run(n_workers)
        benchmark.group = "cluster"
        benchmark.pedantic(lambda: run(2), rounds=1, iterations=1)
        whole = klevels.segment(np.concatenate([slab] * volume.n_slabs), K)
        hashes.add(sha256(whole.labels.data))
        models.add(json.dumps(whole.model.to_dict()))
        assert len(hashes) == 1
        assert len(models) == 1
        times = took[1] / took[2]
        note(
            benchmark, "klevels", seconds=took[2], times=times, voxels=volume.nbytes // 2, load=os.getloadavg()[0],
            found=f"{times:.2f} times as fast as one worker, {took[1]:.2f} s",
        )  # fmt: skip

    @pytest.mark.parametrize("chunks", [(8, 64, 64), (5, 17, 64), (100, 7, 31)])
    def test_chunks(self, chunks: tuple[int, ...]) -> None:
        da = pytest.importorskip("dask.array")
        whole = slab_of(small=True)
        expected = klevels.segment(whole, K)
        found = klevels.segment(Image(da.from_array(whole, chunks=chunks), "zyx"), K)
        assert found.model.to_dict() == expected.model.to_dict()
        assert sha256(np.asarray(found.labels.data)) == sha256(expected.labels.data)


@needs_proc
class TestManyBlocks:
    """Tiny blocks, generated where they are counted, so that only the scheduling costs."""

    def test_count(self, benchmark: BenchmarkFixture, small: bool) -> None:
        few, many = (100, 1000) if small else (10_000, 100_000)
        benchmark.group = "many blocks"
        (before, _), (after, seconds) = benchmark.pedantic(
            lambda: printed([*PROBE, "blocks", str(few), str(many)]), rounds=1, iterations=1
        )
        note(
            benchmark, "klevels", seconds=seconds, per_block=seconds / many, growth=after - before,
            load=os.getloadavg()[0],
            found=f"{1e3 * seconds / many:.3f} ms a block; {(after - before) / 1e6:.1f} MB more than {few} blocks",
        )  # fmt: skip


def written(volume: Volume, path: Path) -> list[str]:
    """Write a volume in the format of its suffix, and return how a command is given it."""
    if path.suffix == ".zarr":
        volume.write_zarr(path)
    elif path.suffix == ".tif":
        volume.write_tiff(path)
    else:
        volume.write_raw(path)
        return [str(path), "--dtype", "uint16", "--shape", *map(str, volume.shape)]
    return [str(path)]


def read_once(path: Path, labels: Path) -> None:
    """Read and decode all blocks that the command works on, in as many threads."""
    image = klevels.read(path)
    workers = Workers(memory=parse_memory("8GB"))
    grid = cutting.grid_of(image, workers, shards_for(labels, image))
    with ThreadPoolExecutor(workers.n_at_once) as pool:
        n_read = sum(pool.map(lambda i: np.asarray(image.data[grid.window(i)]).size, range(grid.n_blocks)))
    assert n_read == image.data.size


def printed(command: Sequence[str]) -> list[tuple[float, float]]:
    """Run a process, and return the two numbers of each line that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=HOME)
    assert done.returncode == 0, done.stderr
    return [(float(a), float(b)) for a, b in (line.split() for line in done.stdout.splitlines())]


def sha256(labels: Any) -> str:
    """Return the hash of labels, in C order."""
    return hashlib.sha256(np.ascontiguousarray(labels)).hexdigest()


def note(benchmark: BenchmarkFixture, who: str, **facts: Any) -> None:
    """Add what was found to the report."""
    benchmark.extra_info.update(who=who, **facts)
