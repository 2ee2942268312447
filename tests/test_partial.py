"""What an interrupted run leaves: it is taken up, refused or removed, and never lost or mistaken for another."""

from __future__ import annotations

import errno
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import files
from klevels.errors import (
    DataError,
    DataTypeError,
    DiskError,
    OutputExistsError,
    ParameterError,
    ReadError,
    SchedulerError,
    TooFewLevelsError,
    WriteError,
)
from klevels.partial import Partial, is_complete, mark

WANTED = {"recipe": {"k": 3}, "inputs": [1]}


def partial_of(output: Path, *, resume: bool = False, overwrite: bool = False, **other: object) -> Partial:
    return Partial(output, {**WANTED, **other}, resume=resume, overwrite=overwrite)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "labels.raw"


@pytest.fixture
def left(output: Path) -> Path:
    """What an interrupted run left: two blocks are done."""
    partial = partial_of(output)
    partial.save({"begun": True})
    partial.cut(((1, 1), (5,)))
    mark(partial.path, 0, [1, 2])
    mark(partial.path, 1001, None)
    partial.release()
    return partial.path


def test_it_lies_beside_the_output(output: Path) -> None:
    partial = partial_of(output)
    assert partial.path == output.with_name("labels.raw.partial")
    assert (partial.is_resumed, partial.is_complete, partial.done()) == (False, False, {})
    partial.remove()
    assert list(output.parent.iterdir()) == []


def test_it_lies_beside_what_a_link_points_to(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link.raw").symlink_to(tmp_path / "far" / "labels.raw")
    partial = partial_of(tmp_path / "link.raw")
    assert partial.path == tmp_path / "far" / "labels.raw.partial"
    parts = partial.parts([tmp_path / "link.raw"])
    parts[tmp_path / "link.raw"].write_bytes(b"values")
    partial.complete(parts, {}, {})
    partial.publish(parts, overwrite=False)
    assert (tmp_path / "link.raw").is_symlink()
    assert (tmp_path / "far" / "labels.raw").read_bytes() == b"values"


def test_marks_are_kept(output: Path, left: Path) -> None:
    assert left.is_dir()
    partial = partial_of(output, resume=True)
    assert partial.is_resumed
    assert partial.done() == {0: [1, 2], 1001: None}
    partial.cut(((1, 1), (5,)))
    assert len(partial.done()) == 2


def test_marks_of_other_blocks_are_forgotten(output: Path, left: Path) -> None:
    partial = partial_of(output, resume=True)
    partial.cut(((2,), (5,)))
    assert partial.done() == {}
    mark(left, 0, [3])
    partial.release()
    again = partial_of(output, resume=True)
    again.cut(((2,), (5,)))
    assert again.done() == {0: [3]}


def test_a_mark_that_was_not_finished_is_none(output: Path, left: Path) -> None:
    (left / "done" / "0" / ".7-0011aabb").write_text("[1,")
    assert sorted(partial_of(output, resume=True).done()) == [0, 1001]


def test_it_is_refused_unless_something_is_said(output: Path, left: Path) -> None:
    before = files(left)
    with pytest.raises(OutputExistsError, match=rf"^{left}: an interrupted run left this; add --resume"):
        partial_of(output)
    assert files(left) == before


def test_another_run_is_refused_and_the_folder_stays_free(output: Path, left: Path) -> None:
    before = files(left)
    for _ in range(2):
        with pytest.raises(OutputExistsError, match="another inputs and recipe"):
            partial_of(output, resume=True, recipe={"k": 4}, inputs=[2])
    assert files(left) == before
    partial_of(output, resume=True)


def test_it_begins_anew(output: Path, left: Path) -> None:
    (left / "0-labels.raw").write_bytes(b"old")
    partial = partial_of(output, overwrite=True, recipe={"k": 4})
    assert (partial.is_resumed, partial.done()) == (False, {})
    assert not (left / "0-labels.raw").exists()
    assert json.loads((left / "run.json").read_text()) == {"fingerprint": {**WANTED, "recipe": {"k": 4}}}


def test_only_one_is_at_it(output: Path, left: Path) -> None:
    first = partial_of(output, resume=True)
    for how in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(OutputExistsError, match=rf"^{left}: another run is at work"):
            partial_of(output, **how)
    first.release()
    partial_of(output, resume=True)


@pytest.mark.parametrize("is_begun", [False, True])
def test_that_one_is_at_it_is_said_first(output: Path, is_begun: bool) -> None:
    first = partial_of(output)
    first.save({"begun": is_begun})
    with pytest.raises(OutputExistsError, match="another run is at work"):
        partial_of(output)
    with pytest.raises(OutputExistsError, match="another run is at work"):
        partial_of(output, resume=True, recipe={"k": 4})


def test_nobody_begins_in_a_folder_that_is_being_emptied(
    output: Path, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def trying(change: Callable[..., None]) -> Callable[..., None]:
        def changed(path: Path, **options: object) -> None:
            if path.name != "lock":
                with pytest.raises(OutputExistsError, match="another run is at work"):
                    partial_of(output, overwrite=True)
                refused.append(path.name)
            change(path, **options)

        return changed

    first = partial_of(output, resume=True)
    (left / "0-labels.raw").write_bytes(b"half")
    with monkeypatch.context() as watched:
        watched.setattr(shutil, "rmtree", trying(shutil.rmtree))
        watched.setattr(Path, "unlink", trying(Path.unlink))
        first.remove()
    assert sorted(refused[:-1]) == ["0-labels.raw", "done"]
    assert refused[-1] == "run.json"
    assert not left.exists()


@pytest.mark.usefixtures("left")
def test_a_run_that_begins_just_before_the_folder_goes_keeps_it(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Partial] = []
    release = Partial.release

    def begin_after(self: Partial) -> None:
        release(self)
        if not begun:
            begun.append(self)
            begun.append(partial_of(output))

    first = partial_of(output, resume=True)
    monkeypatch.setattr(Partial, "release", begin_after)
    first.remove()
    mark(begun[1].path, 1, "done")
    assert begun[1].done() == {1: "done"}
    with pytest.raises(OutputExistsError, match="another run is at work"):
        partial_of(output, resume=True)


@pytest.mark.usefixtures("left")
def test_it_is_emptied_on_a_full_disk(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    partial = partial_of(output, resume=True)
    monkeypatch.setattr(Path, "write_text", full)
    partial.remove()
    assert list(output.parent.iterdir()) == []


@pytest.mark.usefixtures("left")
def test_what_could_not_be_removed_is_known_to_be_nothing(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(*_: object) -> None:
        raise OSError(errno.EBUSY, "in use")

    partial = partial_of(output, resume=True)
    with monkeypatch.context() as broken:
        broken.setattr(shutil, "rmtree", stuck)
        partial.remove()
    again = partial_of(output)
    assert (again.is_resumed, again.done()) == (False, {})


@pytest.mark.parametrize("state", ["", "[", "[1]", "null", '{"fingerprint": {}}', "\0"])
def test_a_state_that_is_none_is_begun_anew(output: Path, state: str) -> None:
    folder = output.with_name("labels.raw.partial")
    folder.mkdir()
    (folder / "run.json").write_text(state)
    partial = partial_of(output, resume=True)
    assert not partial.is_resumed
    assert json.loads((folder / "run.json").read_text())["fingerprint"] == WANTED


def test_what_is_not_ours_stays(output: Path) -> None:
    folder = output.with_name("labels.raw.partial")
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    for how in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(OutputExistsError, match="is not of klevels"):
            partial_of(output, **how)
        assert (folder / "thesis.txt").read_text() == "mine"


def test_a_file_of_its_name_is_an_error(output: Path) -> None:
    output.with_name("labels.raw.partial").write_text("mine")
    with pytest.raises(WriteError):
        partial_of(output)
    assert output.with_name("labels.raw.partial").read_text() == "mine"


FAULTS = [SchedulerError("lost"), DiskError("full"), WriteError("x"), MemoryError(), ValueError("fault"), SystemExit(1)]
REFUSALS = [ReadError("chunk"), DataError("empty"), TooFewLevelsError("2"), DataTypeError("str"), ParameterError("k")]


@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_it_stays_after_all_but_refusals(output: Path, error: BaseException) -> None:
    partial = partial_of(output)
    partial.save({"begun": True})
    with pytest.raises(type(error)), partial.kept_if_resumable():
        raise error
    assert partial_of(output, resume=True).is_resumed


@pytest.mark.parametrize("error", REFUSALS, ids=repr)
def test_it_is_gone_after_refusals_if_nothing_was_done(output: Path, error: BaseException) -> None:
    partial = partial_of(output)
    partial.save({"begun": True})
    partial.cut(((2,),))
    with pytest.raises(type(error)), partial.kept_if_resumable():
        raise error
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize("error", REFUSALS, ids=repr)
def test_it_stays_if_a_block_is_done(output: Path, error: BaseException) -> None:
    partial = partial_of(output)
    partial.save({"begun": True})
    mark(partial.path, 3, None)
    with pytest.raises(type(error)), partial.kept_if_resumable():
        raise error
    assert partial_of(output, resume=True).done() == {3: None}


@pytest.mark.parametrize("error", [*FAULTS, *REFUSALS], ids=repr)
def test_what_is_resumed_stays_even_if_its_blocks_are_forgotten(output: Path, left: Path, error: BaseException) -> None:
    (left / "0-labels.raw").write_bytes(b"half")
    partial = partial_of(output, resume=True)
    partial.cut(((9,), (9,)))
    with pytest.raises(type(error)), partial.kept_if_resumable():
        raise error
    assert partial_of(output, resume=True).is_resumed
    assert (left / "0-labels.raw").read_bytes() == b"half"


def test_it_stays_when_one_stops_it(output: Path) -> None:
    partial = partial_of(output)
    partial.save({"begun": True})
    with pytest.raises(KeyboardInterrupt, match="--resume"), partial.kept_if_resumable():
        raise KeyboardInterrupt
    assert partial_of(output, resume=True).is_resumed


def test_parts_of_one_name_are_apart(output: Path) -> None:
    partial = partial_of(output)
    outputs = [output, output.parent / "sub" / output.name]
    parts = partial.parts(outputs)
    assert len(set(parts.values())) == 2
    assert all(part.name.endswith("labels.raw") for part in parts.values())


def test_outputs_get_their_names_after_their_records(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = output.with_name("paint.ome.zarr")
    partial = partial_of(output)
    parts = partial.parts([output, other])
    parts[output].write_bytes(b"labels")
    parts[other].mkdir()
    (parts[other] / "zarr.json").write_text("{}")
    named: list[str] = []
    replace = Path.replace

    def noting(self: Path, target: Path) -> Path:
        named.append(target.name)
        return replace(self, target)

    assert not is_complete(output)
    partial.complete(parts, {output: "one", other: "two"}, {"model": 1})
    assert is_complete(output)
    monkeypatch.setattr(Path, "replace", noting)
    partial.publish(parts, overwrite=False)
    assert [name for name in named if name != "run.json"] == [
        "paint.ome.zarr.json",
        "paint.ome.zarr",
        "labels.raw.json",
        "labels.raw",
    ]
    assert files(output.parent) == {
        "labels.raw": b"labels",
        "labels.raw.json": b"one",
        "paint.ome.zarr": b"",
        "paint.ome.zarr/zarr.json": b"{}",
        "paint.ome.zarr.json": b"two",
    }
    assert not is_complete(output)


def test_an_output_that_came_meanwhile_is_not_replaced_and_nothing_is_lost(output: Path) -> None:
    def publish(*, resume: bool, overwrite: bool) -> None:
        partial = partial_of(output, resume=resume, overwrite=overwrite)
        with partial.kept_if_resumable():
            parts = partial.parts([output])
            if not partial.is_complete:
                partial.save({"begun": True})
                parts[output].write_bytes(b"new")
                partial.complete(parts, {output: "{}"}, {})
            partial.publish(parts, overwrite=overwrite)

    output.write_bytes(b"of somebody else")
    with pytest.raises(OutputExistsError, match="exists already"):
        publish(resume=False, overwrite=False)
    assert output.read_bytes() == b"of somebody else"
    assert is_complete(output)
    publish(resume=True, overwrite=True)
    assert files(output.parent) == {"labels.raw": b"new", "labels.raw.json": b"{}"}


def test_a_folder_takes_the_place_of_a_file_and_of_a_folder(tmp_path: Path) -> None:
    output = tmp_path / "a.zarr"
    output.write_bytes(b"file")
    for content in ("one", "two"):
        partial = partial_of(output, overwrite=True)
        parts = partial.parts([output])
        parts[output].mkdir()
        (parts[output] / "zarr.json").write_text(content)
        partial.complete(parts, {}, {})
        partial.publish(parts, overwrite=True)
        assert files(tmp_path) == {"a.zarr": b"", "a.zarr/zarr.json": content.encode()}


def test_marks_need_no_lock(output: Path) -> None:
    partial = partial_of(output)
    for number in pickle.loads(pickle.dumps(list(range(990, 1010)))):
        mark(partial.path, number, number)
        mark(partial.path, number, number)  # a worker that was thought lost
    assert partial.done() == {number: number for number in range(990, 1010)}
