"""What a record says of the inputs: it tells them apart, and whether they have changed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import zarr

from klevels import record
from klevels.errors import DataError, InputMissingError
from klevels.recipe import Recipe
from klevels.record import identify, load_recipe, record_of, state_of


@pytest.fixture(params=[2, 3])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A Zarr store of one array, with no attributes."""
    path = tmp_path / "scan.zarr"
    array = zarr.create_array(path, shape=(4, 6), chunks=(2, 6), dtype="u1", zarr_format=request.param)
    array[...] = np.arange(24).reshape(4, 6)
    (path / ".zattrs").unlink(missing_ok=True)
    return path


def n_bytes(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def touch(path: Path, nanoseconds: int = 1) -> None:
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + nanoseconds))


def a_file(folder: Path) -> Path:
    """Return the file of a chunk."""
    return max(one for one in folder.rglob("*") if one.is_file() and "zarr" not in one.name and one.name[0] != ".")


def test_a_file_has_a_hash(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"abc")
    found = identify(tmp_path / "a.tif")
    assert found == {"path": str(tmp_path / "a.tif"), "bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    touch(tmp_path / "a.tif")
    assert identify(tmp_path / "a.tif") == found


def test_a_store_has_all_its_bytes_and_a_time_for_a_hash(store: Path) -> None:
    found = identify(store)
    assert found.pop("modified") == max(one.stat().st_mtime_ns for one in store.rglob("*") if one.is_file())
    assert found == {"path": str(store), "bytes": n_bytes(store), "sha256": None}
    assert found["bytes"] > 24


@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zgroup", ".zattrs"])
def test_each_mark_makes_a_store(tmp_path: Path, name: str) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "chunk").write_bytes(b"values")
    (tmp_path / name).write_text("{}")
    found = identify(tmp_path)
    assert (found["bytes"], found["sha256"]) == (8, None)


def test_a_part_of_a_store_is_a_store(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "scan.zarr", zarr_format=2)
    group.create_array("0", shape=(4,), chunks=(4,), dtype="u1")[...] = 1
    inside = tmp_path / "scan.zarr" / "0"
    assert (identify(inside)["bytes"], identify(inside)["sha256"]) == (n_bytes(inside), None)
    named = identify(f"{tmp_path / 'scan.zarr'}::0")
    assert (named["path"], named["bytes"]) == (f"{tmp_path / 'scan.zarr'}::0", n_bytes(tmp_path / "scan.zarr"))


def test_a_large_file_has_a_time_for_a_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST_HASHED", 5)
    (tmp_path / "a.raw").write_bytes(bytes(6))
    found = identify(tmp_path / "a.raw")
    assert (found["bytes"], found["sha256"]) == (6, None)
    touch(tmp_path / "a.raw")
    assert identify(tmp_path / "a.raw")["modified"] == found["modified"] + 1


@pytest.mark.parametrize("ask", [identify, state_of])
def test_what_is_missing(tmp_path: Path, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(InputMissingError, match=rf"^{tmp_path}/no: "):
        ask(tmp_path / "no")


def test_the_state_changes_with_any_file(store: Path) -> None:
    states = [state_of(store)]
    chunk = a_file(store)
    touch(chunk, 10**9)
    states.append(state_of(store))
    chunk.write_bytes(chunk.read_bytes() + b"+")
    states.append(state_of(store))
    (store / "new").write_bytes(b"1")
    states.append(state_of(store))
    assert all(states[i] != states[i + 1] for i in range(3))
    assert states[-1]["bytes"] == n_bytes(store)


def test_an_output_that_is_made_in_the_store_is_no_change(store: Path) -> None:
    before, known = state_of(store), identify(store)
    partial = store / "labels" / "phases.ome.zarr.partial" / "0-phases.ome.zarr"
    partial.mkdir(parents=True)
    (partial / "zarr.json").write_text("{}")
    assert (state_of(store), identify(store)) == (before, known)
    (store / "labels" / "zarr.json").write_text("{}")
    assert state_of(store) != before


def test_what_is_below_a_partial_folder_can_be_an_input(tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr.partial" / "slices"
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"12")
    assert state_of(folder)["bytes"] == 2


def test_the_state_names_what_is_inside(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    assert state_of("scan.zarr::0")["path"] == f"{store}::0"


def write_record(path: Path, mask: Path, **changes: object) -> Path:
    known = identify(mask) | changes
    path.write_text(json.dumps(record_of("segment", Recipe(k=2, mask=str(mask)), None, [known], known)))
    return path


def test_only_a_mask_without_a_hash_has_a_time_in_the_record(store: Path, tmp_path: Path) -> None:
    stored = json.loads(write_record(tmp_path / "r.json", store).read_text())
    assert stored["mask"] == identify(store)
    assert stored["inputs"] == [{name: stored["mask"][name] for name in ("path", "bytes", "sha256")}]


def test_a_mask_without_a_hash_that_has_changed_is_refused(store: Path, tmp_path: Path) -> None:
    path = write_record(tmp_path / "r.json", store)
    assert load_recipe(path) == Recipe(k=2, mask=str(store))
    chunk = a_file(store)
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[::-1])  # as many bytes
    touch(chunk, 10**9)
    with pytest.raises(DataError, match=rf"^{store}: the mask has changed since .*; give it with --mask"):
        load_recipe(path)
    assert load_recipe(path, mask=store) == Recipe(k=2, mask=str(store))


def test_a_mask_with_a_hash_may_have_been_copied(tmp_path: Path) -> None:
    mask = tmp_path / "mask.tif"
    mask.write_bytes(b"mask")
    path = write_record(tmp_path / "r.json", mask)
    touch(mask, 10**9)
    assert load_recipe(path).mask == str(mask)
    mask.write_bytes(b"ksam")
    with pytest.raises(DataError, match="the mask has changed"):
        load_recipe(path)
