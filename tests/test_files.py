"""Outputs are whole or absent, whatever goes wrong; refusals come before the work."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from klevels import files
from klevels.errors import DiskError, InputMissingError, OutputExistsError, ParameterError, ReadError, WriteError
from klevels.files import atomic_output, check_output, fingerprint, reading, write_together

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")
NOT_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def write_and_fail(output: Path, failure: BaseException) -> None:
    with atomic_output(output, overwrite=True) as temporary:
        temporary.write_bytes(b"half of the new")
        raise failure


class TestAtomicOutput:
    def test_appears_whole_and_leaves_nothing_else(self, tmp_path: Path) -> None:
        with atomic_output(tmp_path / "labels.tif") as temporary:
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".tif"
            assert temporary.name.startswith(".")
            temporary.write_bytes(b"whole")
            assert not (tmp_path / "labels.tif").exists()
        assert (tmp_path / "labels.tif").read_bytes() == b"whole"
        assert names(tmp_path) == ["labels.tif"]

    def test_refuses_to_replace(self, tmp_path: Path) -> None:
        output = tmp_path / "labels.tif"
        output.write_bytes(b"old")
        with pytest.raises(OutputExistsError, match=r"labels\.tif: exists already"), atomic_output(output):
            pytest.fail("the block must not run")
        assert output.read_bytes() == b"old"

    def test_replaces_on_request(self, tmp_path: Path) -> None:
        output = tmp_path / "labels.tif"
        output.write_bytes(b"old and longer")
        with atomic_output(output, overwrite=True) as temporary:
            temporary.write_bytes(b"new")
            assert output.read_bytes() == b"old and longer"
        assert output.read_bytes() == b"new"
        assert names(tmp_path) == ["labels.tif"]

    @pytest.mark.parametrize("links", [True, False])
    def test_never_replaces_a_file_that_appears_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
    ) -> None:
        if not links:
            monkeypatch.setattr(os, "link", _raise(OSError(errno.EPERM, "no hard links here")))
        output = tmp_path / "labels.tif"

        def race() -> None:
            with atomic_output(output) as temporary:
                temporary.write_bytes(b"ours")
                output.write_bytes(b"theirs")

        with pytest.raises(OutputExistsError):
            race()
        assert output.read_bytes() == b"theirs"
        assert names(tmp_path) == ["labels.tif"]

    def test_works_without_hard_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "link", _raise(OSError(errno.EPERM, "no hard links here")))
        with atomic_output(tmp_path / "labels.tif") as temporary:
            temporary.write_bytes(b"whole")
        assert (tmp_path / "labels.tif").read_bytes() == b"whole"
        assert names(tmp_path) == ["labels.tif"]

    @pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(1), ValueError("boom"), MemoryError()])
    def test_failure_leaves_the_old_file(self, tmp_path: Path, failure: BaseException) -> None:
        output = tmp_path / "labels.tif"
        output.write_bytes(b"old")
        with pytest.raises(type(failure)):
            write_and_fail(output, failure)
        assert output.read_bytes() == b"old"
        assert names(tmp_path) == ["labels.tif"]

    @pytest.mark.parametrize(
        ("number", "error"),
        [
            (errno.ENOSPC, DiskError),
            (errno.EDQUOT, DiskError),
            (errno.EIO, DiskError),
            (None, DiskError),  # how NumPy reports a short write
            (errno.EACCES, WriteError),
            (errno.EROFS, WriteError),
        ],
    )
    def test_system_errors_name_the_file(self, tmp_path: Path, number: int | None, error: type[WriteError]) -> None:
        output = tmp_path / "labels.tif"
        output.write_bytes(b"old")
        cause = OSError("10 requested and 3 written") if number is None else OSError(number, os.strerror(number))
        with pytest.raises(WriteError, match=r"labels\.tif: ") as caught:
            write_and_fail(output, cause)
        assert type(caught.value) is error
        assert caught.value.__cause__ is cause
        assert "\n" not in str(caught.value)
        assert output.read_bytes() == b"old"
        assert names(tmp_path) == ["labels.tif"]

    def test_flush_failure_is_a_disk_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "fsync", _raise(OSError(errno.EIO, "I/O error")))
        with pytest.raises(DiskError), atomic_output(tmp_path / "labels.tif") as temporary:
            temporary.write_bytes(b"whole")
        assert names(tmp_path) == []

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(WriteError, match="create it first"), atomic_output(tmp_path / "nowhere" / "labels.tif"):
            pytest.fail("the block must not run")

    @POSIX
    def test_mode_follows_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            with atomic_output(tmp_path / "labels.tif") as temporary:
                temporary.write_bytes(b"whole")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "labels.tif").stat().st_mode) == 0o640

    @POSIX
    def test_writes_through_a_symbolic_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "labels.tif").write_bytes(b"old")
        link = tmp_path / "link.tif"
        link.symlink_to(tmp_path / "real" / "labels.tif")
        with atomic_output(link, overwrite=True) as temporary:
            temporary.write_bytes(b"new")
        assert link.is_symlink()
        assert (tmp_path / "real" / "labels.tif").read_bytes() == b"new"

    @POSIX
    def test_a_killed_process_leaves_the_old_file(self, tmp_path: Path) -> None:
        output = tmp_path / "labels.tif"
        output.write_bytes(b"old")
        program = (
            "import sys, time\n"
            "from klevels.files import atomic_output\n"
            "with atomic_output(sys.argv[1], overwrite=True) as temporary:\n"
            "    temporary.write_bytes(b'half of the new')\n"
            "    print('writing', flush=True)\n"
            "    time.sleep(60)\n"
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        with subprocess.Popen(
            [sys.executable, "-c", program, str(output)], stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            process.send_signal(signal.SIGKILL)
        assert output.read_bytes() == b"old"
        assert [name for name in names(tmp_path) if not name.startswith(".")] == ["labels.tif"]


class TestCheckOutput:
    def test_accepts_a_new_file(self, tmp_path: Path) -> None:
        check_output(tmp_path / "labels.TIF", inputs=[tmp_path / "scan.tif"], suffixes=(".tif", ".png"))
        assert names(tmp_path) == []

    @pytest.mark.parametrize("name", ["labels.gif", "labels", "labels.tif.bak"])
    def test_refuses_a_suffix(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ParameterError, match=r"\.tif, \.png"):
            check_output(tmp_path / name, suffixes=(".tif", ".png"))

    def test_refuses_an_existing_file(self, tmp_path: Path) -> None:
        (tmp_path / "labels.tif").touch()
        with pytest.raises(OutputExistsError, match="overwrite"):
            check_output(tmp_path / "labels.tif")
        check_output(tmp_path / "labels.tif", overwrite=True)

    @pytest.mark.parametrize("overwrite", [True, False])
    @pytest.mark.parametrize("how", ["same", "symlink", "hardlink", "dots"])
    def test_refuses_the_input_under_any_name(self, tmp_path: Path, how: str, overwrite: bool) -> None:
        source = tmp_path / "scan.tif"
        source.write_bytes(b"scan")
        output = tmp_path / "other.tif"
        match how:
            case "same":
                output = source
            case "symlink":
                output.symlink_to(source)
            case "hardlink":
                output.hardlink_to(source)
            case "dots":
                (tmp_path / "sub").mkdir()
                output = tmp_path / "sub" / ".." / "scan.tif"
        with pytest.raises(WriteError, match="is the input"):
            check_output(output, inputs=[source], overwrite=overwrite)

    @pytest.mark.parametrize("source", ["0", "0/", "./0", "0::part", "labels/phases.ome.zarr/0"])
    @pytest.mark.parametrize("how", ["same", "symlink"])
    def test_refuses_a_store_that_holds_the_input(self, tmp_path: Path, source: str, how: str) -> None:
        store = tmp_path / "scan.ome.zarr"
        for folder in (store / "0", store / "labels" / "phases.ome.zarr" / "0"):
            folder.mkdir(parents=True)
        (store / "zarr.json").write_text("{}")
        output = store
        if how == "symlink":
            output = tmp_path / "link.ome.zarr"
            output.symlink_to(store)
        with pytest.raises(WriteError, match=rf"^{output}: holds the input .*; name another output$"):
            check_output(output, inputs=[f"{store}/{source}"], overwrite=True)

    def test_refuses_a_store_that_holds_what_the_input_links_to(self, tmp_path: Path) -> None:
        (tmp_path / "scan.zarr" / "0").mkdir(parents=True)
        (tmp_path / "scan.zarr" / "zarr.json").write_text("{}")
        (tmp_path / "link").symlink_to(tmp_path / "scan.zarr" / "0")
        with pytest.raises(WriteError, match="holds the input"):
            check_output(tmp_path / "scan.zarr", inputs=[tmp_path / "link"], overwrite=True)

    def test_accepts_an_output_in_the_store_that_is_read(self, tmp_path: Path) -> None:
        store = tmp_path / "scan.ome.zarr"
        (store / "0").mkdir(parents=True)
        (store / "labels" / "phases.ome.zarr").mkdir(parents=True)
        for folder in (store, store / "labels" / "phases.ome.zarr"):
            (folder / "zarr.json").write_text("{}")
        for source in (store, store / "0"):
            check_output(store / "labels" / "other.ome.zarr", inputs=[source])
            check_output(store / "labels" / "phases.ome.zarr", inputs=[source], overwrite=True)

    def test_refuses_a_file_among_the_slices(self, tmp_path: Path) -> None:
        with pytest.raises(WriteError, match="lies among the slices"):
            check_output(tmp_path / "labels.tif", inputs=[tmp_path])

    def test_refuses_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(WriteError, match="is a folder"):
            check_output(tmp_path, overwrite=True)

    def test_refuses_a_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(WriteError, match="create it first"):
            check_output(tmp_path / "nowhere" / "labels.tif")

    def test_refuses_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(WriteError):
            check_output(tmp_path / "file" / "labels.tif")

    @POSIX
    def test_refuses_a_device(self) -> None:
        with pytest.raises(WriteError, match="device"):
            check_output("/dev/null", overwrite=True)

    @NOT_ROOT
    @POSIX
    def test_refuses_a_read_only_folder(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o555)
        try:
            with pytest.raises(WriteError, match="read-only"):
                check_output(tmp_path / "labels.tif")
        finally:
            tmp_path.chmod(0o755)

    def test_refuses_a_folder_without_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(WriteError, match="read-only"):
            check_output(tmp_path / "labels.tif")


class TestFingerprint:
    def test_file(self, tmp_path: Path) -> None:
        (tmp_path / "scan.tif").write_bytes(b"abc")
        assert fingerprint(tmp_path / "scan.tif") == {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}

    def test_folder_knows_names_and_contents(self, tmp_path: Path) -> None:
        (tmp_path / "b").write_bytes(b"2")
        (tmp_path / "a").write_bytes(b"11")
        first = fingerprint(tmp_path)
        assert first["bytes"] == 3
        (tmp_path / ".DS_Store").write_bytes(b"hidden")
        assert fingerprint(tmp_path) == first
        (tmp_path / "b").rename(tmp_path / "c")
        assert fingerprint(tmp_path) != first
        (tmp_path / "c").rename(tmp_path / "b")
        assert fingerprint(tmp_path) == first
        (tmp_path / "a").write_bytes(b"12")
        assert fingerprint(tmp_path) != first

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputMissingError, match="no such file"):
            fingerprint(tmp_path / "scan.tif")


class TestReading:
    @pytest.mark.parametrize(
        "failure", [SyntaxError("not a\nPNG"), IndexError(), OverflowError("x" * 999), OSError("bad")]
    )
    def test_any_failure_is_one_line_about_the_file(self, tmp_path: Path, failure: Exception) -> None:
        path = tmp_path / "scan.tif"
        with pytest.raises(ReadError) as caught, reading(path):
            raise failure
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < len(str(path)) + 300
        assert caught.value.__cause__ is failure

    def test_permission(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="no permission") as caught, reading(tmp_path / "scan.tif"):
            raise PermissionError(errno.EACCES, "denied")
        assert isinstance(caught.value.__cause__, PermissionError)

    @pytest.mark.parametrize("failure", [MemoryError(), ImportError("no codec"), KeyboardInterrupt()])
    def test_other_troubles_pass(self, tmp_path: Path, failure: BaseException) -> None:
        with pytest.raises(type(failure)), reading(tmp_path):
            raise failure


def _raise(error: Exception) -> object:
    def function(*_: object, **__: object) -> None:
        raise error

    return function


def test_files_written_together_all_appear_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, record = tmp_path / "labels.tif", tmp_path / "labels.tif.json"
    old = {labels: b"old labels", record: b"old record"}
    for path, content in old.items():
        path.write_bytes(content)
    flush = files._flush

    def full(path: Path, flags: int) -> None:
        if path.suffix == ".tif":
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(path, flags)

    writers = {path: partial(Path.write_bytes, data=b"new") for path in (record, labels)}
    with monkeypatch.context() as broken:
        broken.setattr(files, "_flush", full)
        with pytest.raises(DiskError, match=r"labels\.tif: "):
            write_together(writers, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old
    write_together(writers, overwrite=True)
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"new"}


def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = files._flush

    def refuse_folders(path: Path, flags: int) -> None:
        if path.is_dir():
            raise OSError(errno.EACCES, "Permission denied")
        flush(path, flags)

    monkeypatch.setattr(files, "_flush", refuse_folders)
    with atomic_output(tmp_path / "a.npy") as part:
        part.write_bytes(b"whole")
    assert (tmp_path / "a.npy").read_bytes() == b"whole"


def test_warnings_are_silent_within_and_heard_again_after_many_threads(tmp_path: Path) -> None:
    def read(_: int) -> None:
        with reading(tmp_path):
            warnings.warn("an oddity", stacklevel=1)

    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(400)))
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)
