"""A complete output gets its name, and what had the name is whole until then."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from commands import files
from klevels import publishing
from klevels.errors import OutputExistsError
from klevels.publishing import flush, give_name


@pytest.fixture
def attic(tmp_path: Path) -> Path:
    folder = tmp_path / "attic"
    folder.mkdir()
    return folder


def make(path: Path, *, is_folder: bool, text: str) -> Path:
    if is_folder:
        (path / "0").mkdir(parents=True)
        (path / "0" / "c").write_text(text)
    else:
        path.write_text(text)
    return path


def text_of(path: Path) -> str:
    return (path / "0" / "c" if path.is_dir() else path).read_text()


@pytest.fixture(params=[False, True])
def is_far(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, attic: Path) -> bool:
    """Whether the folder in which all is made is on another file system."""
    if request.param:
        stat, replace = Path.stat, Path.replace

        def other_device(self: Path, **options: bool) -> os.stat_result:
            found = stat(self, **options)
            if self != attic:
                return found
            return os.stat_result([*found[:2], found.st_dev + 1, *found[3:10]])

        def same_device_only(self: Path, target: Path) -> Path:
            if (attic in self.parents) != (attic in target.parents):
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            return replace(self, target)

        monkeypatch.setattr(Path, "stat", other_device)
        monkeypatch.setattr(Path, "replace", same_device_only)
    return bool(request.param)


@pytest.mark.usefixtures("is_far")
@pytest.mark.parametrize("old", [None, False, True])
@pytest.mark.parametrize("new", [False, True])
def test_a_name_is_given_to_files_and_folders(tmp_path: Path, attic: Path, old: bool | None, new: bool) -> None:
    part = make(attic / "part", is_folder=new, text="new")
    target = tmp_path / "target"
    if old is not None:
        make(target, is_folder=old, text="old")
        before = files(tmp_path)
        with pytest.raises(OutputExistsError, match=rf"^{target}: exists already"):
            give_name(part, target, attic, overwrite=False)
        assert files(tmp_path) == before
    give_name(part, target, attic, overwrite=old is not None)
    assert text_of(target) == "new"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["attic", "target"]


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_copy_that_fails_leaves_the_old_output(
    tmp_path: Path, attic: Path, monkeypatch: pytest.MonkeyPatch, is_far: bool, is_folder: bool
) -> None:
    if not is_far:
        pytest.skip("nothing is copied")
    part = make(attic / "part", is_folder=is_folder, text="new")
    make(tmp_path / "target", is_folder=is_folder, text="old")
    before = files(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        give_name(part, tmp_path / "target", attic, overwrite=True)
    assert files(tmp_path) == before


def test_an_old_folder_is_moved_away_in_one_step(tmp_path: Path, attic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = make(attic / "part", is_folder=True, text="new")
    target = make(tmp_path / "target", is_folder=True, text="old")
    monkeypatch.setattr(shutil, "rmtree", None)
    give_name(part, target, attic, overwrite=True)
    assert text_of(target) == "new"
    assert [text_of(one) for one in attic.iterdir()] == ["old"]


def test_all_files_below_a_folder_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b/c", "b/d/e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    flushed: list[int] = []
    monkeypatch.setattr(publishing.os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    flush(tmp_path)
    assert sorted(flushed) == sorted((tmp_path / name).stat().st_ino for name in ("a", "b/c", "b/d/e"))
    flush(tmp_path / "a")
    assert flushed[3:] == [(tmp_path / "a").stat().st_ino]
