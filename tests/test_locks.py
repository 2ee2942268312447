"""A folder is had by one at a time, even while it is being made and removed by many."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from klevels.errors import OutputExistsError
from klevels.locks import LOCK, make_and_lock

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@posix
def test_one_has_it_until_it_is_closed(tmp_path: Path) -> None:
    first = make_and_lock(tmp_path / "a")
    assert first is not None
    with pytest.raises(OutputExistsError, match=rf"^{tmp_path}/a: another run is at work"):
        make_and_lock(tmp_path / "a")
    os.close(first)
    second = make_and_lock(tmp_path / "a")
    assert second is not None
    os.close(second)


@posix
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    for _ in range(2):
        found = make_and_lock(tmp_path / "a")
        assert found is not None
        os.close(found)


@posix
def test_a_lock_whose_name_is_gone_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    flock = fcntl.flock
    removed: list[Path] = []

    def remove_first(descriptor: int, how: int) -> None:
        if len(removed) < 3:
            removed.append(tmp_path / "a" / LOCK)
            removed[-1].unlink()
            if len(removed) < 3:
                removed[-1].parent.rmdir()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    found = make_and_lock(tmp_path / "a")
    assert found is not None
    assert len(removed) == 3
    assert os.path.samestat(os.fstat(found), (tmp_path / "a" / LOCK).stat())
    os.close(found)


@posix
def test_a_folder_that_is_always_removed_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(fcntl, "flock", lambda *_: (tmp_path / "a" / LOCK).unlink())
    with pytest.raises(OutputExistsError, match="try again"):
        make_and_lock(tmp_path / "a")


@posix
def test_what_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_and_lock(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        make_and_lock(tmp_path / "no" / "a")


@posix
def test_never_two_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "a"

    def work(worker: int) -> int:
        n_had = 0
        for _ in range(300):
            try:
                descriptor = make_and_lock(folder)
            except OutputExistsError:
                continue
            assert descriptor is not None
            mine = folder / "mine"
            with mine.open("x") as stream:  # fails if another has it
                stream.write(str(worker))
            assert mine.read_text() == str(worker)
            mine.unlink()
            (folder / LOCK).unlink()
            os.close(descriptor)
            with suppress(OSError):  # another has begun in it
                folder.rmdir()
            n_had += 1
        return n_had

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) > 8
