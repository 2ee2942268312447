"""klevels batch: exit codes, what it says, and that a killed one goes on to the same bytes."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import klevels
from commands import Run, check_refused, files
from crashing import Commands, commands

PRELUDE = """
import tifffile, imagecodecs, numpy
import klevels.cli.app, klevels.cli.batches, klevels.io
import os
klevels.io.LAZY_BYTES = 0 if os.environ.get("SMALL") else 1 << 28
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no fork and no signals")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three scans, which is the working directory."""
    found = tmp_path / "run"
    (found / "scans").mkdir(parents=True)
    for number in (1, 2, 10):
        values = np.random.default_rng(number).normal(120, 40 + number, (3, 16, 20))
        klevels.write(found / f"scans/s{number}.tif", values.clip(0, 255).astype(np.uint8))
    monkeypatch.chdir(found)
    return found


@pytest.mark.usefixtures("folder")
def test_labels_are_those_of_segment(run: Run) -> None:
    done = run("batch", "scans/*.tif", "-k", 3, "--smooth", "auto", "-o", "results", "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.json["n_scans"], done.json["n_failed"], done.json["failures"]) == (3, 0, [])
    for row in done.json["scans"]:
        alone = run("segment", row["file"], "-k", 3, "--smooth", "auto", "-o", row["output"], "--json")
        assert Path(row["output"]).read_bytes() == Path("results", row["output"]).read_bytes()
        assert [row[f"fraction_{i}"] for i in range(3)] == alone.json["fractions"]
        mine, other = (json.loads(Path(at, f"{row['output']}.json").read_text()) for at in ("results", "."))
        assert {name: mine[name] for name in other if name != "versions"} == {
            name: value for name, value in other.items() if name != "versions"
        }
        assert other["versions"].items() <= mine["versions"].items()


@pytest.mark.usefixtures("folder")
def test_people_see_fractions_and_where_the_table_is(run: Run) -> None:
    done = run("batch", "scans/*.tif", "-k", 2, "--model", "shared", "-o", "results")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "one model for all scans: results/model.json"
    assert [line.split()[0] for line in lines[1:4]] == ["scans/s1.tif", "scans/s2.tif", "scans/s10.tif"]
    assert lines[-1] == "3 of 3 scans done: results/summary.csv"
    assert run("apply", "results/model.json", "scans/s1.tif", "-o", "again.tif").code == 0
    assert Path("again.tif").read_bytes() == Path("results/s1.tif").read_bytes()
    given = run("batch", "scans/*.tif", "--recipe", "results/s1.tif.json", "-o", "more", "--model", "shared")
    assert given.out.startswith("the recipe holds a model, which is applied to all scans as it is\n")
    assert Path("more/s2.tif").read_bytes() == Path("results/s2.tif").read_bytes()


@pytest.mark.usefixtures("folder")
def test_bad_scans_are_listed_at_the_end(run: Run) -> None:
    Path("scans/bad.tif").write_bytes(b"II*\0junk")
    done = run("batch", "scans/*.tif", "scans/none.tif", "-k", 3, "-o", "results", "--json")
    assert done.code == 65
    assert [row["status"] for row in done.json["scans"]] == ["failed", "done", "done", "done", "failed"]
    lines = done.err.splitlines()
    assert lines[0] == "klevels: 2 of 5 scans failed, 3 are done:"
    assert lines[1].startswith("  scans/bad.tif: page 1 lies")
    assert lines[2:] == ["  scans/none.tif: no such file or folder; check the name"]
    Path("scans/bad.tif").write_bytes(Path("scans/s1.tif").read_bytes())
    assert run("batch", "scans/*.tif", "-k", 3, "-o", "results").code == 0


@pytest.mark.usefixtures("folder")
def test_refusals(run: Run) -> None:
    Path("r.json").write_text("{}")
    Path("file").touch()
    for tokens, code, says in (
        (["x*.tif", "-k", 3, "-o", "results"], 66, "x*.tif: no input matches"),
        (["scans/*.tif", "-o", "results"], 2, "-k is missing"),
        (["scans/*.tif", "-k", 3, "--recipe", "r.json", "-o", "results"], 2, "both --recipe and settings"),
        (["scans/*.tif", "--recipe", "r.json", "-o", "results"], 65, "has no k"),
        (["scans/*.tif", "-k", 0, "-o", "results"], 2, "k is 0"),
        (["scans/*.tif", "-k", 3, "--model", "one", "-o", "results"], 2, "one"),
        (["scans/*.tif", "-k", 3, "--format", ".jpg", "-o", "results"], 2, "format is '.jpg'"),
        (["scans/*.tif", "-k", 3, "-o", "file"], 73, "file: is a file"),
        (["scans/*.tif", "-k", 3, "-o", "file/results"], 73, "cannot be made"),
        (["scans/*.tif", "-k", 3, "-o", "scans"], 73, "is the input"),
    ):
        check_refused(run("batch", *tokens), code, says)
        assert not Path("results").exists()
    assert run("batch", "scans/*.tif", "-k", 3, "-o", "results").code == 0
    check_refused(run("batch", "scans/*.tif", "-k", 2, "-o", "results"), 73, "add --overwrite")
    assert run("batch", "scans/*.tif", "-k", 2, "-o", "results", "--overwrite").code == 0


@pytest.fixture(scope="module", params=["whole", "blocks"])
def server(request: pytest.FixtureRequest) -> Iterator[Commands]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "blocks":
            patch.setenv("SMALL", "1")
        with commands(PRELUDE) as found:
            yield found


@posix
@pytest.mark.parametrize("options", [["--model", "each"], ["--model", "shared", "--format", ".ome.zarr"]])
def test_killed_at_any_moment_and_run_again(server: Commands, folder: Path, options: list[str]) -> None:
    Path("scans/bad.tif").write_bytes(b"II*\0junk")
    tokens = ["batch", "scans/*.tif", "-k", 3, "-o", folder / "results", *options]  # changes are seen by full names
    before = files(folder)
    expected, n = server.run(*tokens, "--json", cwd=folder)
    assert expected.code == 65
    after = files(folder)
    rng = random.Random(str(options))
    for moment in sorted(rng.sample(range(1, n), 8)):
        shutil.rmtree(folder / "results")
        killed, _ = server.run(*tokens, cwd=folder, die_at=moment)
        assert killed.code == -signal.SIGKILL
        _check_whole(folder, before, after)
        again, _ = server.run(*tokens, "--json", cwd=folder, die_at=rng.randrange(1, n))
        while again.code == -signal.SIGKILL:
            _check_whole(folder, before, after)
            again, _ = server.run(*tokens, "--json", cwd=folder, die_at=rng.randrange(10, 2 * n))
        assert (again.code, again.out, again.err) == (65, expected.out, expected.err)
        assert files(folder) == after


@posix
def test_killed_while_it_overwrites(server: Commands, folder: Path) -> None:
    old, new = (["batch", "scans/*.tif", "-k", k, "-o", folder / "results"] for k in (2, 3))
    assert server.run(*new, cwd=folder)[0].code == 0
    expected = files(folder)
    shutil.rmtree(folder / "results")
    assert server.run(*old, cwd=folder)[0].code == 0
    before = files(folder)
    n = server.run(*new, "--overwrite", cwd=folder)[1]
    assert files(folder) == expected
    for moment in random.Random(n).sample(range(1, n), 6):
        shutil.rmtree(folder / "results")
        server.run(*old, cwd=folder)
        assert server.run(*new, "--overwrite", cwd=folder, die_at=moment)[0].code == -signal.SIGKILL
        _check_whole(folder, before, expected)
        assert server.run(*new, "--overwrite", cwd=folder)[0].code == 0
        assert files(folder) == expected


def _check_whole(folder: Path, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """Check that each file is as it was, or as it will be."""
    for name, content in files(folder).items():
        if ".partial" not in name and ".klevels-batch" not in name:
            assert content in (before.get(name), after.get(name)), name
