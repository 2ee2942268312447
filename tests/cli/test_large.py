"""Runs block by block as processes of their own: killed, interrupted, on a full disk, and resumed to the same bits."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from commands import Run, check_refused, files
from crashing import Commands, commands
from klevels.io.zarr_lazy import ZarrArray
from klevels.lazy import Window

SHAPE = (6, 30, 40)
VALUES = np.random.default_rng(1).normal(2000, 500, SHAPE).clip(0, 4095).astype(np.uint16)
SMALL_BLOCKS = """
import dask.array, zarr, tifffile, imagecodecs, numpy
import klevels.cli.app, klevels.cli.segments, klevels.cli.verbs, klevels.blocks
import klevels.io, klevels.memory, klevels.io.zarr_grid, klevels.io.pyramid
klevels.io.LAZY_BYTES = 0
klevels.memory.BLOCK_BYTES = 5000
klevels.io.zarr_grid.CHUNKS = {3: (4, 16, 16)}
klevels.io.zarr_grid.SHARD_BYTES = 1 << 12
klevels.io.pyramid.COARSEST, klevels.io.pyramid.THIN = 8, 3
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no fork and no signals")


@pytest.fixture(scope="module")
def server() -> Iterator[Commands]:
    with commands(SMALL_BLOCKS) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a scan."""
    found = tmp_path / "run"
    found.mkdir()
    tifffile.imwrite(found / "scan.tif", VALUES, photometric="minisblack", tile=(16, 16), compression="zlib")
    tifffile.imwrite(found / "few.tif", VALUES >> 9, photometric="minisblack")
    return found


def leave_only(folder: Path, kept: set[str]) -> None:
    for one in folder.iterdir():
        if one.name not in kept:
            shutil.rmtree(one) if one.is_dir() else one.unlink()


def finished(folder: Path) -> dict[str, bytes]:
    """Return all files but those of a partial run."""
    return {name: content for name, content in files(folder).items() if ".partial" not in name}


def check_names(folder: Path, before: dict[str, bytes], after: dict[str, bytes], first: str) -> None:
    """Check that after a kill each file is as it was or as it will be, and the first is there only if all else is."""
    found = finished(folder)
    for name, content in found.items():
        assert content in (before.get(name), after.get(name)), name
    if first in found and found[first] != before.get(first):
        assert found == after


RUNS = {
    "raw": ["segment", "scan.tif", "-k", 3, "-o", "a.raw", "--paint", "b.raw"],
    "tif": ["segment", "scan.tif", "-k", 2, "--noise", 1500, "-o", "a.tif"],
    "zarr": ["segment", "scan.tif", "-k", 3, "-o", "a.ome.zarr"],
    "channels": ["segment", "few.tif", "few.tif", "-k", 3, "--quality", "fast", "-o", "a.nrrd"],
    "copy": ["convert", "scan.tif", "-o", "a.nrrd"],
}


@posix
@pytest.mark.parametrize("name", RUNS)
def test_killed_at_any_moment_and_resumed(server: Commands, folder: Path, name: str) -> None:
    tokens = RUNS[name]
    first = str(tokens[tokens.index("-o") + 1])
    before = files(folder)
    expected, n = server.run(*tokens, "--json", cwd=folder)
    assert (expected.code, expected.err) == (0, "")
    after = files(folder)
    assert n > 10
    rng = random.Random(name)
    early, late = range(1, 9), range(n - 12, n + 1)
    for moment in sorted({*rng.sample([*early, *late], 4), *rng.sample(range(9, n), 3)}):
        leave_only(folder, set(before))
        killed, _ = server.run(*tokens, cwd=folder, die_at=moment)
        assert killed.code in (-signal.SIGKILL, 0)
        check_names(folder, before, after, first)
        again, _ = server.run(*tokens, "--json", "--resume", cwd=folder, die_at=rng.randrange(1, n))
        while again.code == -signal.SIGKILL:
            check_names(folder, before, after, first)
            again, _ = server.run(*tokens, "--json", "--resume", cwd=folder, die_at=rng.randrange(10, 2 * n))
        if again.code != 0:  # all was done but to remove a folder in which nothing is left but its lock
            check_refused(again, 73, "exists already")
            assert {path.name for path in folder.glob("*.partial/*") if path.is_file()} <= {"lock"}
        else:
            assert again.err == "", moment
            assert again.out == expected.out
            assert files(folder) == after, moment
        assert finished(folder) == after, moment


@posix
@pytest.mark.parametrize("output", ["a.tif", "a.ome.zarr"])
def test_the_old_output_stays_until_the_new_one_is_complete(server: Commands, folder: Path, output: str) -> None:
    server.run("segment", "scan.tif", "-k", 2, "-o", output, cwd=folder)
    before = files(folder)
    tokens = ["segment", "scan.tif", "-k", 3, "-o", output, "--overwrite"]
    n = server.run(*tokens, cwd=folder)[1]
    after = files(folder)
    assert after != before
    for latest in (n // 2, n - 9, n - 7, n - 5):
        for moment in range(latest, 0, -1):  # threads that make one folder at the same time make a change more, or less
            leave_only(folder, {"scan.tif", "few.tif"})
            server.run("segment", "scan.tif", "-k", 2, "-o", output, cwd=folder)
            assert files(folder) == before
            if server.run(*tokens, cwd=folder, die_at=moment)[0].code == -signal.SIGKILL:
                break
        if finished(folder) not in (before, after):
            assert "complete" in (folder / f"{output}.partial" / "run.json").read_text()
        assert server.run(*tokens, "--resume", cwd=folder)[0].err == ""
        assert files(folder) == after


@pytest.fixture
def begun(server: Commands, folder: Path) -> dict[str, bytes]:
    """What a run leaves that was not interrupted, while there is one that was."""
    n = server.run("segment", "scan.tif", "-k", 3, "-o", "a.nrrd", cwd=folder)[1]
    after = files(folder)
    for moment in range(n // 3, n):
        leave_only(folder, {"scan.tif", "few.tif"})
        server.run("segment", "scan.tif", "-k", 3, "-o", "a.nrrd", cwd=folder, die_at=moment)
        if list((folder / "a.nrrd.partial" / "done").glob("*/*.json")):
            return after
    raise AssertionError("no block was done before the run was complete")


@posix
def test_what_an_interrupted_run_left_is_not_touched_unasked(
    server: Commands, folder: Path, begun: dict[str, bytes]
) -> None:
    left = files(folder)
    tokens = ["segment", "scan.tif", "-k", 3, "-o", "a.nrrd"]
    refused = server.run(*tokens, cwd=folder)[0]
    check_refused(refused, 73, "--resume")
    assert "--overwrite" in refused.err
    assert refused.err.startswith(f"klevels: {folder}/a.nrrd.partial: ")
    assert files(folder) == left
    assert server.run(*tokens, "--overwrite", cwd=folder)[0].code == 0
    assert files(folder) == begun


@posix
def test_another_run_is_not_resumed(server: Commands, folder: Path, begun: dict[str, bytes]) -> None:
    left = {name: content for name, content in files(folder).items() if not name.endswith("lock")}

    def check(says: str, *tokens: object) -> None:
        check_refused(server.run(*tokens, "-o", "a.nrrd", "--resume", cwd=folder)[0], 73, f"another {says}")
        assert {name: content for name, content in files(folder).items() if not name.endswith("lock")} == left

    check("recipe", "segment", "scan.tif", "-k", 4)
    check("recipe", "segment", "scan.tif", "-k", 3, "--noise", 1500)
    check("inputs and recipe", "segment", "few.tif", "-k", 2)
    check("outputs", "segment", "scan.tif", "-k", 3, "--paint", "b.nrrd")
    check("inputs", "segment", "few.tif", "-k", 3)
    check("access", "convert", "scan.tif")
    stat = (folder / "scan.tif").stat()
    os.utime(folder / "scan.tif", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    check("inputs", "segment", "scan.tif", "-k", 3)
    os.utime(folder / "scan.tif", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert server.run("segment", "scan.tif", "-k", 3, "-o", "a.nrrd", "--resume", cwd=folder)[0].code == 0
    assert files(folder) == begun


@posix
def test_what_is_resumed_stays_whatever_goes_wrong(server: Commands, folder: Path, begun: dict[str, bytes]) -> None:
    tokens = ["segment", "scan.tif", "-k", 3, "-o", "a.nrrd", "--resume"]
    path = folder / "scan.tif"
    whole, stat = path.read_bytes(), path.stat()
    marks = files(folder / "a.nrrd.partial" / "done")
    with tifffile.TiffFile(path) as tiff:
        tiles = [(page.dataoffsets[i], page.databytecounts[i]) for page in tiff.pages for i in (0, -1)]
    with path.open("r+b") as stream:
        for offset, n_bytes in tiles:
            stream.seek(offset)
            stream.write(bytes(n_bytes))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for _ in range(2):
        check_refused(server.run(*tokens, cwd=folder)[0], 65, f"{path.name}: ")
        assert marks.items() <= files(folder / "a.nrrd.partial" / "done").items()
    path.write_bytes(whole)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert server.run(*tokens, cwd=folder)[0].err == ""
    assert files(folder) == begun


@pytest.fixture
def pyramid(server: Commands, folder: Path) -> Path:
    """A scan in a Zarr store, of several resolutions."""
    outcome = server.run("convert", "scan.tif", "-o", "scan.ome.zarr", cwd=folder)[0]
    assert outcome.err == ""
    return folder / "scan.ome.zarr"


@posix
@pytest.mark.parametrize("source", ["scan.ome.zarr/0", "scan.ome.zarr/0/"])
def test_a_store_is_not_replaced_by_the_labels_of_its_parts(
    server: Commands, folder: Path, pyramid: Path, source: str
) -> None:
    assert (pyramid / "0").is_dir()
    before = files(folder)
    for output in (["-o", "scan.ome.zarr"], ["-o", "a.ome.zarr", "--paint", "scan.ome.zarr"]):
        refused = server.run("segment", source, "-k", 3, *output, "--overwrite", cwd=folder)[0]
        check_refused(refused, 73, "scan.ome.zarr: holds the input scan.ome.zarr/0")
        assert files(folder) == before


@posix
def test_a_run_whose_output_lies_in_its_input_is_resumed(server: Commands, folder: Path, pyramid: Path) -> None:
    (pyramid / "labels").mkdir()
    before = files(folder)
    tokens = ["segment", "scan.ome.zarr", "-k", 3, "-o", "scan.ome.zarr/labels/phases.ome.zarr"]
    outcome, n = server.run(*tokens, cwd=folder)
    assert outcome.err == ""
    after = files(folder)
    assert before.items() < after.items()
    for moment in (n // 2, n * 3 // 4):
        shutil.rmtree(pyramid / "labels")
        (pyramid / "labels").mkdir()
        assert server.run(*tokens, cwd=folder, die_at=moment)[0].code == -signal.SIGKILL
        assert list(pyramid.glob("labels/*.partial/done/*/*.json"))
        assert server.run(*tokens, "--resume", cwd=folder)[0].err == ""
        assert files(folder) == after


@posix
@pytest.mark.parametrize("output", ["a.nrrd", "a.ome.zarr"])
def test_blocks_of_another_size_are_not_taken_for_those_that_are_done(folder: Path, output: str) -> None:
    fine = SMALL_BLOCKS.replace("BLOCK_BYTES = 5000", "BLOCK_BYTES = 3000")
    tokens = ["segment", "scan.tif", "-k", 3, "-o", output]
    with commands(SMALL_BLOCKS) as one, commands(fine) as other:
        n = one.run(*tokens, cwd=folder)[1]
        after = files(folder)
        for share in (0.5, 0.75):
            leave_only(folder, {"scan.tif", "few.tif"})
            assert one.run(*tokens, cwd=folder, die_at=int(n * share))[0].code == -signal.SIGKILL
            assert other.run(*tokens, "--resume", "--threads", 1, cwd=folder)[0].err == ""
            assert files(folder) == after


@posix
def test_resuming_nothing_is_running(server: Commands, folder: Path) -> None:
    tokens = ["segment", "scan.tif", "-k", 3, "-o", "a.raw"]
    server.run(*tokens, cwd=folder)
    after = files(folder)
    leave_only(folder, {"scan.tif", "few.tif"})
    assert server.run(*tokens, "--resume", cwd=folder)[0].code == 0
    assert files(folder) == after


@posix
def test_a_folder_of_somebody_else_is_left_alone(server: Commands, folder: Path) -> None:
    (folder / "a.raw.partial").mkdir()
    (folder / "a.raw.partial" / "thesis.txt").write_text("mine")
    for extra in ([], ["--resume"], ["--overwrite"]):
        refused = server.run("segment", "scan.tif", "-k", 3, "-o", "a.raw", *extra, cwd=folder)[0]
        check_refused(refused, 73, "thesis.txt: is not of klevels")
        assert (folder / "a.raw.partial" / "thesis.txt").read_text() == "mine"
        assert not (folder / "a.raw").exists()


SLOW = (
    SMALL_BLOCKS
    + """
import time
from klevels.io.raw_sink import FlatSink
write = FlatSink.write
def slow(self, window, block):
    write(self, window, block)
    print("here", flush=True)
    time.sleep(SECONDS)
FlatSink.write = slow
"""
)


def start(folder: Path, seconds: float, *tokens: object) -> subprocess.Popen[str]:
    """Run a command that is slow in writing, and wait until it does."""
    program = SLOW.replace("SECONDS", str(seconds)) + "\nfrom klevels.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, tokens)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


@posix
def test_an_interrupted_run_says_how_it_goes_on(server: Commands, folder: Path) -> None:
    tokens = ["segment", "scan.tif", "-k", 3, "-o", "a.raw", "--threads", 1]
    server.run(*tokens, cwd=folder)
    after = files(folder)
    leave_only(folder, {"scan.tif", "few.tif"})
    run = start(folder, 0.3, *tokens)
    while not list((folder / "a.raw.partial" / "done").glob("*/*.json")):
        time.sleep(0.01)
    second = server.run(*tokens, "--resume", cwd=folder)[0]
    check_refused(second, 73, "another run is at work")
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err.count("\n") == 1
    assert err.startswith("klevels: interrupted; ")
    assert "--resume" in err
    assert finished(folder).keys() == {"scan.tif", "few.tif"}
    done = len(list((folder / "a.raw.partial" / "done").glob("*/*.json")))
    assert done > 0
    outcome = server.run(*tokens, "--resume", cwd=folder)[0]
    assert (outcome.code, outcome.err) == (0, "")
    assert files(folder) == after


@posix
def test_a_full_disk_is_no_reason_to_begin_anew(folder: Path) -> None:
    values = np.full((48, 128, 128), 100, np.uint8)
    values[16:32] = np.random.default_rng(0).integers(0, 250, (16, 128, 128))
    tifffile.imwrite(folder / "large.tif", values, photometric="minisblack")
    small = SMALL_BLOCKS.replace("5000", "1 << 18").replace("1 << 12", "1 << 18").replace("(4, 16, 16)", "(8, 64, 64)")
    limited = (
        small
        + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
"""
    )
    tokens = ["segment", "large.tif", "-k", 3, "-o", "a.ome.zarr", "--threads", 1]
    with commands(small) as free, commands(limited) as full:
        free.run(*tokens, cwd=folder)
        after = files(folder)
        leave_only(folder, {"scan.tif", "few.tif", "large.tif"})
        for extra in ([], ["--resume"]):
            check_refused(full.run(*tokens, *extra, cwd=folder)[0], 74, "a.ome.zarr: ")
            assert finished(folder).keys() == {"scan.tif", "few.tif", "large.tif"}
            assert (folder / "a.ome.zarr.partial" / "run.json").exists()
        assert list((folder / "a.ome.zarr.partial" / "done").glob("*/*.json"))
        assert free.run(*tokens, "--resume", cwd=folder)[0].err == ""
        assert files(folder) == after
        check_refused(full.run("convert", "large.tif", "-o", "b.raw", cwd=folder)[0], 74, "b.raw: ")
        assert free.run("convert", "large.tif", "-o", "b.raw", "--resume", cwd=folder)[0].err == ""
        assert (folder / "b.raw").read_bytes() == values.tobytes()


@posix
def test_outputs_of_one_name_in_two_folders(server: Commands, folder: Path) -> None:
    for name in ("labels", "paint"):
        (folder / name).mkdir()
    tokens = ["segment", "scan.tif", "-k", 3, "-o", "labels/a.tif", "--paint", "paint/a.tif"]
    assert server.run(*tokens, cwd=folder)[0].err == ""
    labels, paint = tifffile.imread(folder / "labels" / "a.tif"), tifffile.imread(folder / "paint" / "a.tif")
    assert (labels.dtype, paint.dtype) == (np.uint8, np.uint16)
    assert [len(np.unique(one)) for one in (labels, paint)] == [3, 3]
    assert json.loads((folder / "paint" / "a.tif.json").read_text())["verb"] == "segment"


@posix
@pytest.mark.parametrize("suffix", [".raw", ".ome.zarr"])
def test_outputs_on_two_file_systems(server: Commands, folder: Path, suffix: str) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == folder.stat().st_dev or not os.access(memory, os.W_OK):
        pytest.skip("there is but one file system")
    other = memory / f"klevels-{os.urandom(4).hex()}"
    other.mkdir()
    try:
        tokens = ["segment", "scan.tif", "-k", 3, "-o", f"a{suffix}", "--paint", other / f"b{suffix}", "--overwrite"]
        server.run(*tokens, cwd=folder)
        first, painted = files(folder), files(other)
        assert len(painted) >= 2
        assert server.run(*tokens, cwd=folder)[0].err == ""
        assert (files(folder), files(other)) == (first, painted)
    finally:
        shutil.rmtree(other)


@pytest.fixture
def lazily(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.io.LAZY_BYTES", 0)
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 5000)


@pytest.mark.usefixtures("lazily")
@pytest.mark.parametrize("level", [0, 1])
def test_chunks_that_are_not_there_are_an_error(run: Run, shared_data: Path, tmp_path: Path, level: int) -> None:
    path = shared_data / "zarr" / "niivue_mni152.ome.zarr"
    for verb in (["segment", "-k", 3, "-o", tmp_path / "a.ome.zarr"], ["histogram", "-o", tmp_path / "h.npz"]):
        refused = run(verb[0], path, "--level", level, *verb[1:])
        check_refused(refused, 65, f"scale{level}")
        assert "missing" in refused.err
        assert list(tmp_path.iterdir()) == []
    info = run("info", path, "--level", level, "--missing", "fill=0", "--json")
    assert (info.code, info.err) == (0, "")


@pytest.mark.usefixtures("lazily")
def test_chunks_that_are_there_are_read(run: Run, shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "zarr" / "niivue_mni152.ome.zarr"
    found = run("segment", path, "--level", 2, "-k", 3, "-o", tmp_path / "a.ome.zarr", "--json")
    assert (found.code, found.err) == (0, "")
    again = run("segment", path, "--recipe", tmp_path / "a.ome.zarr.json", "-o", tmp_path / "b.ome.zarr", "--json")
    assert again.json == found.json


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "scan.zarr"
    zarr.create_array(path, shape=SHAPE, chunks=(2, 16, 16), dtype="u2")[...] = VALUES
    return path


def remove_chunk(store: Path) -> Path:
    (store / "c/1/0/1").unlink()
    return store


def damage_chunk(store: Path) -> Path:
    whole = (store / "c/1/0/1").read_bytes()
    (store / "c/1/0/1").write_bytes(whole[: len(whole) // 2])
    return store


def cut_tiff_short(store: Path) -> Path:
    path = store.with_name("short.tif")
    tifffile.imwrite(path, VALUES, photometric="minisblack", tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[3].dataoffsets[1]
    # The directories must still be there, or it is refused when it is opened: so only a tile is overwritten.
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(bytes(40))
    return path


def forget_tile(store: Path) -> Path:
    path = store.with_name("sparse.tif")
    tifffile.imwrite(path, VALUES, photometric="minisblack", tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tag = tiff.pages[3].tags["TileOffsets"]
        tag.overwrite([0, *tag.value[1:]])
    return path


@pytest.mark.usefixtures("lazily")
@pytest.mark.parametrize("output", ["a.ome.zarr", "a.tif", "a.raw", None])
@pytest.mark.parametrize("spoil", [remove_chunk, damage_chunk, cut_tiff_short, forget_tile])
def test_nothing_is_left_behind_after_broken_data(run: Run, store: Path, spoil: object, output: str | None) -> None:
    assert callable(spoil)
    path: Path = spoil(store)
    before = files(store.parent)
    refused = run("segment", path, "-k", 3, *(["-o", store.with_name(output)] if output else []))
    assert refused.code == 65
    assert refused.err.startswith(f"klevels: {path}"), refused.err
    assert refused.err.count("\n") == 1
    if path == store:
        assert "1/0/1" in refused.err
    assert files(store.parent) == before


@pytest.mark.usefixtures("lazily")
def test_a_tiff_that_is_cut_short_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "short.tif"
    tifffile.imwrite(path, VALUES, photometric="minisblack")
    path.write_bytes(path.read_bytes()[:-5000])
    refused = run("segment", path, "-k", 3, "-o", tmp_path / "a.tif")
    check_refused(refused, 65, f"{path}: ")
    assert [one.name for one in tmp_path.iterdir()] == ["short.tif"]


@pytest.mark.usefixtures("lazily")
def test_missing_chunks_are_what_one_says(run: Run, store: Path) -> None:
    remove_chunk(store)
    output = store.with_name("a.tif")
    found = run("segment", store, "-k", 3, "--missing", "fill=4095", "-o", output, "--json")
    assert (found.code, found.err) == (0, "")
    filled = VALUES.copy()
    filled[2:4, :16, 16:32] = 4095
    tifffile.imwrite(store.with_name("filled.tif"), filled, photometric="minisblack")
    assert run("segment", store.with_name("filled.tif"), "-k", 3, "--json").json == found.json
    for wrong in ("fill=x", "0.5.5", ""):
        check_refused(run("segment", store, "-k", 3, f"--missing={wrong}"), 2, "--missing")


PLANNED = {
    "segment": ["segment", "-k", 3, "-o", "a.nrrd", "--paint", "b.tif"],
    "apply": ["apply", "-o", "a.tif"],
    "histogram": ["histogram", "-o", "h.npz"],
    "sweep": ["sweep", "--figure", "s.png"],
    "convert": ["convert", "-o", "a.raw"],
}


@pytest.mark.usefixtures("lazily")
@pytest.mark.parametrize("verb", PLANNED)
def test_a_plan_reads_a_block_and_writes_nothing(
    run: Run, store: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.parent)
    model: list[object] = []
    if verb == "apply":
        assert run("fit", store, "-k", 3, "-o", "model.json").code == 0
        model = ["model.json"]
    before = files(store.parent)
    read: list[int] = []
    whole = ZarrArray.read

    def counted(self: ZarrArray, window: Window) -> np.ndarray:
        part = whole(self, window)
        read.append(part.nbytes)
        return part

    monkeypatch.setattr(ZarrArray, "read", counted)
    tokens = [PLANNED[verb][0], *model, store, *PLANNED[verb][1:], "--dry-run"]
    people = run(*tokens)
    assert (people.code, people.err) == (0, "")
    assert len(people.out.splitlines()) == 7
    planned = run(*tokens, "--json").json
    assert (planned["shape"], planned["dtype"], planned["in_memory"]) == (list(SHAPE), "uint16", False)
    assert planned["n_blocks"] > 1
    assert planned["seconds"] > 0
    assert max(read) <= np.prod(planned["block"]) * 2
    assert len(read) == 2
    assert files(store.parent) == before


def test_a_plan_of_several_scans_is_refused(run: Run, store: Path) -> None:
    refused = run("fit", store, store, "-k", 3, "-o", store.with_name("m.json"), "--dry-run")
    check_refused(refused, 2, "--dry-run")
    assert not store.with_name("m.json").exists()


@pytest.mark.parametrize("memory", ["much", "", "-1GB", "0", "63MB", "1", "nan", "inf", "8XB", "1e400"])
def test_memory_that_is_none(run: Run, store: Path, memory: str) -> None:
    check_refused(run("segment", store, "-k", 3, f"--memory={memory}"), 2, "64MB")


@pytest.mark.parametrize("memory", ["64MB", "1GB", "2GiB", "100 MB", "64000000"])
def test_memory_that_is_some(run: Run, store: Path, memory: str) -> None:
    assert run("segment", store, "-k", 3, "--memory", memory).code == 0


def test_memory_for_less_than_a_chunk(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "large.zarr"
    zarr.create_array(path, shape=(600, 600, 600), chunks=(600, 600, 600), dtype="u2")
    for output in ([], ["-o", tmp_path / "a.raw"], ["-o", tmp_path / "a.ome.zarr"]):
        refused = run("segment", path, "-k", 1, "--memory", "64MB", "--missing", "fill=0", *output)
        check_refused(refused, 2, "--memory")
    assert [one.name for one in tmp_path.iterdir()] == ["large.zarr"]


def test_a_scheduler_that_is_not_there(run: Run, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.blocks.cluster.TIMEOUT", "0.3s")
    with socket.socket() as taken:  # bound, and not listening: nobody else can
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        refused = run("segment", store, "-k", 3, "--scheduler", address, "-o", store.with_name("a.ome.zarr"))
    check_refused(refused, 75, address)
    assert [one.name for one in store.parent.iterdir()] == ["scan.zarr"]
    for wrong in ("host", "x://y", "tcp://"):
        assert run("segment", store, "-k", 3, "--scheduler", wrong).code in (2, 75)
