"""A real scheduler and real workers: the same bits as in this process, also when they are killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from distributed import Client

import klevels
from cluster import Cluster, cluster_of, wait_for
from commands import run_process
from klevels.blocks.cluster import connect
from klevels.errors import SchedulerError
from klevels.image import Image
from klevels.memory import Grid
from klevels.recipe import Recipe
from klevels.runs import Outputs, segment_to
from klevels.workers import Workers
from slow_reader import SlowArray

TESTS = str(Path(__file__).parent)
SCAN = np.random.default_rng(3).normal(2000, 600, (24, 40, 50)).clip(0, 4095).astype(np.uint16)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(tmp_path_factory.mktemp("cluster"), 2, {"PYTHONPATH": TESTS}) as found:
        yield found


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    klevels.write(tmp_path / "scan.tif", Image(SCAN, "zyx", (2.0, 1.0, 1.0), "µm"))
    return tmp_path / "scan.tif"


@pytest.fixture
def fine_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One slice a block."""
    monkeypatch.setattr("klevels.cutting.fitting_grid", lambda shape, *_, **__: Grid(tuple(shape), (1, *shape[1:])))


def files_in(path: Path) -> dict[str, bytes]:
    """Return the content of a file, or of each file in a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(one.relative_to(path)): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr", ".raw", ".nrrd"])
def test_a_cluster_writes_the_bytes_of_this_process(scan: Path, cluster: Cluster, suffix: str) -> None:
    here, there = scan.with_name(f"here{suffix}"), scan.with_name(f"there{suffix}")
    asked = ("segment", "scan.tif", "-k", "3", "--json")
    alone = run_process(*asked, "-o", here.name, cwd=scan.parent)
    shared = run_process(*asked, "-o", there.name, "--scheduler", cluster.address, cwd=scan.parent)
    assert (alone.code, shared.code) == (0, 0), (alone.err, shared.err)
    assert json.loads(alone.out) == json.loads(shared.out)
    assert files_in(here) == files_in(there)


def test_a_cluster_looks_around_voxels_as_this_process_does(scan: Path, cluster: Cluster) -> None:
    here, there = scan.with_name("here.ome.zarr"), scan.with_name("there.ome.zarr")
    asked = ("segment", "scan.tif", "-k", "3", "--denoise", "median", "--smooth", "auto", "--json")
    alone = run_process(*asked, "-o", here.name, "--confidence", "here.nrrd", cwd=scan.parent)
    tokens = (*asked, "-o", there.name, "--confidence", "there.nrrd", "--memory", "70MB")
    shared = run_process(*tokens, "--scheduler", cluster.address, cwd=scan.parent)
    assert (alone.code, shared.code) == (0, 0), (alone.err, shared.err)
    assert json.loads(alone.out) == json.loads(shared.out)
    assert files_in(here) == files_in(there)
    assert files_in(scan.with_name("here.nrrd")) == files_in(scan.with_name("there.nrrd"))


@pytest.mark.parametrize("n_workers", [1, 4])
def test_any_number_of_workers_gives_the_same_model_and_labels(tmp_path: Path, n_workers: int) -> None:
    whole = klevels.segment(SCAN, k=4, noise=1500.0)
    with cluster_of(tmp_path / "cluster", n_workers) as found:
        client = connect(found.address)
        cut = klevels.segment(da.from_array(SCAN, chunks=(5, 40, 17)), k=4, noise=1500.0, client=client)
        labels = client.compute(cut.labels.data).result()
        client.close()
    np.testing.assert_array_equal(labels, whole.labels.data)
    assert cut.model.to_dict() == whole.model.to_dict()


def test_every_verb_runs_on_a_cluster(scan: Path, cluster: Cluster) -> None:
    there = ("--scheduler", cluster.address)

    def run(*tokens: str) -> Any:
        outcome = run_process(*tokens, cwd=scan.parent)
        assert outcome.code == 0, outcome.err
        return json.loads(outcome.out)

    for asked in (("histogram", "scan.tif", "--json"), ("sweep", "scan.tif", "--k-max", "5", "--json")):
        assert run(*asked) == run(*asked, *there)
    here, away = (run("fit", "scan.tif", "-k", "3", "-o", f"{name}.json", "--json", *more)
                  for name, more in (("here", ()), ("away", there)))  # fmt: skip
    assert here == away
    run("apply", "here.json", "scan.tif", "-o", "here.tif", "--json")
    run("apply", "here.json", "scan.tif", "-o", "away.tif", "--json", *there)
    assert (scan.parent / "here.tif").read_bytes() == (scan.parent / "away.tif").read_bytes()
    run("convert", "scan.tif", "-o", "here.ome.zarr", "--json")
    run("convert", "scan.tif", "-o", "away.ome.zarr", "--json", *there)
    assert files_in(scan.parent / "here.ome.zarr") == files_in(scan.parent / "away.ome.zarr")


@pytest.mark.usefixtures("fine_blocks")
@pytest.mark.parametrize("phase", ["counting", "labeling"])
def test_a_worker_that_is_killed_is_replaced_by_the_others(tmp_path: Path, phase: str) -> None:
    with cluster_of(tmp_path / "cluster", 2, {"PYTHONPATH": TESTS}) as found:
        client = connect(found.address)

        def kill(name: str) -> None:
            if name == phase:
                notes = len(list(slow.notes.iterdir()))
                slow.after(notes + 4, lambda: os.killpg(found.workers[0].pid, signal.SIGKILL))

        slow = _Slow(tmp_path)
        result = segment_to(
            Outputs(labels=tmp_path / "labels.tif", others={}),
            slow.image,
            None,
            Recipe(k=3),
            Workers(client=client),
            fingerprint={},
            record=lambda _: {},
            step=kill,
        )
        assert found.workers[0].wait(timeout=10) == -signal.SIGKILL
        client.close()
    whole = klevels.segment(SCAN, k=3)
    assert result.model.to_dict() == whole.model.to_dict()
    np.testing.assert_array_equal(klevels.read(tmp_path / "labels.tif").data, whole.labels.data)


@pytest.mark.usefixtures("fine_blocks")
def test_a_scheduler_that_is_lost_leaves_what_can_be_resumed(tmp_path: Path) -> None:
    slow = _Slow(tmp_path)
    output = tmp_path / "labels.tif"

    def run(client: Client, step: Any) -> klevels.Segmentation:
        return segment_to(
            Outputs(labels=output, others={}),
            slow.image,
            None,
            Recipe(k=3),
            Workers(client=client),
            fingerprint={"of": "this test"},
            record=lambda _: {},
            resume=True,
            step=step,
        )

    with cluster_of(tmp_path / "first", 2, {"PYTHONPATH": TESTS}) as found:
        client = connect(found.address)

        def kill(name: str) -> None:
            if name == "labeling":
                slow.after(len(list(slow.notes.iterdir())) + 8, lambda: os.killpg(found.scheduler.pid, signal.SIGKILL))

        with pytest.raises(SchedulerError, match=r"the scheduler was lost .*--resume"):
            run(client, kill)
        client.close(timeout=1)
    assert not output.exists()
    assert (tmp_path / "labels.tif.partial").is_dir()
    before = len(list(slow.notes.iterdir()))
    with cluster_of(tmp_path / "second", 1, {"PYTHONPATH": TESTS}) as found:
        client = connect(found.address)
        run(client, lambda _: None)
        client.close()
    n_read = len(list(slow.notes.iterdir())) - before
    assert n_read < len(SCAN), "nothing was counted again, and no block labeled that was done"
    np.testing.assert_array_equal(klevels.read(output).data, klevels.segment(SCAN, k=3).labels.data)
    assert not (tmp_path / "labels.tif.partial").exists()


def test_no_scheduler_is_one_line_and_exit_75(scan: Path) -> None:
    outcome = run_process(
        "segment", "scan.tif", "-k", "3", "-o", "l.tif", "--scheduler", "tcp://127.0.0.1:9", cwd=scan.parent
    )
    assert outcome.code == 75
    assert outcome.err.startswith("klevels: tcp://127.0.0.1:9: no scheduler answers")
    assert outcome.err.count("\n") == 1
    assert not list(scan.parent.glob("l.tif*"))


def test_a_scheduler_without_workers_says_so(tmp_path: Path) -> None:
    with cluster_of(tmp_path / "cluster", 0) as found, pytest.raises(SchedulerError, match="has no workers"):
        connect(found.address)


class _Slow:
    """A scan that is read slowly, and what happens after some blocks are read."""

    def __init__(self, folder: Path) -> None:
        np.save(folder / "scan.npy", SCAN)
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.image = Image(SlowArray(folder / "scan.npy", self.notes, 0.05), "zyx")

    def after(self, n_notes: int, act: Any) -> None:
        """Act in another thread once so many notes are there."""
        from threading import Thread

        def watch() -> None:
            wait_for(lambda: len(list(self.notes.iterdir())) >= n_notes)
            act()

        Thread(target=watch, daemon=True).start()


@pytest.mark.parametrize(("status", "expected"), [("closed", SchedulerError), ("running", ZeroDivisionError)])
def test_any_error_of_a_client_that_has_lost_its_scheduler_is_that(status: str, expected: type[Exception]) -> None:
    from types import SimpleNamespace

    from klevels.blocks.cluster import minding

    client = SimpleNamespace(status=status, scheduler=SimpleNamespace(address="tcp://127.0.0.1:8786"))
    with pytest.raises(expected), minding(client):
        _ = 1 / 0
