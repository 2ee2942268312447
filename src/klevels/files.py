"""Files that are never half-written, and errors that name the file."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock

from klevels.errors import (
    DiskError,
    InputMissingError,
    KlevelsError,
    OutputExistsError,
    ParameterError,
    ReadError,
    WriteError,
)

StrPath = str | os.PathLike[str]

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}


@contextmanager
def atomic_output(path: StrPath, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary file to write to, and rename it to `path` once it is complete.

    Parameters
    ----------
    path : str or os.PathLike
        The output. A symbolic link is followed: what it points to is written.
    overwrite : bool, default False
        Replace an output that exists. Without it, not even a file that appears while the block runs is replaced.

    Yields
    ------
    Path
        An empty file in the same folder, with the same suffix and a hidden name.

    Raises
    ------
    OutputExistsError
        If `path` exists and `overwrite` is False.
    DiskError
        If the disk is full or fails.
    WriteError
        If the folder is missing, may not be written to, or is a file.

    Notes
    -----
    After any exception, KeyboardInterrupt included, the temporary file is gone and what was at `path` is untouched.
    A process that is killed leaves what was at `path` untouched too, but its temporary file, ``.klevels-*``, stays.
    """
    with naming_output(path):
        with _part(path, overwrite=overwrite) as part:
            yield part
            _flush(part, os.O_RDWR)
            _publish(part, path, overwrite)
        _flush_folders([path])


def write_together(files: Mapping[Path, Callable[[Path], None]], *, overwrite: bool = False) -> None:
    """Write several files, and give them their names once all are complete and on the disk.

    Parameters
    ----------
    files : mapping of Path to callable
        What writes each output to the temporary file that it is given. They get their names in this order.
    overwrite : bool, default False
        Replace outputs that exist.

    Raises
    ------
    OutputExistsError
        If an output exists and `overwrite` is False.
    DiskError
        If the disk is full or fails.
    WriteError
        If a folder is missing, may not be written to, or is a file.

    Notes
    -----
    As `atomic_output`, for all of them: only a failure between two renames, when all content is on the disk, can leave
    some new and some old.
    """
    with ExitStack() as stack:
        parts: dict[Path, Path] = {}
        for path, write in files.items():
            with naming_output(path):
                parts[path] = stack.enter_context(_part(path, overwrite=overwrite))
                write(parts[path])
                _flush(parts[path], os.O_RDWR)
        for path, part in parts.items():
            with naming_output(path):
                _publish(part, path, overwrite)
    _flush_folders(files)


def check_output(
    path: StrPath,
    *,
    inputs: Iterable[StrPath] = (),
    overwrite: bool = False,
    suffixes: Sequence[str] | None = None,
) -> None:
    """Refuse an output for every reason that can be known before any work is done.

    Parameters
    ----------
    path : str or os.PathLike
        The output.
    inputs : iterable of str or os.PathLike, optional
        Files, and folders of slices, that the output must not touch.
    overwrite : bool, default False
        Whether an output that exists may be replaced.
    suffixes : sequence of str, optional
        The suffixes that can be written, in lower case. None leaves the suffix to the caller.

    Raises
    ------
    ParameterError
        If the suffix is not one of `suffixes`.
    OutputExistsError
        If `path` exists and `overwrite` is False.
    WriteError
        If `path` is a folder other than a Zarr store, or a device, is or holds an input, or lies among its slices, or
        if its folder is missing or read-only.
    """
    output = Path(path)
    if suffixes is not None and output.suffix.lower() not in suffixes:
        found = f"the suffix is {output.suffix!r}" if output.suffix else "there is no suffix"
        raise ParameterError(f"{output}: {found}; name the output with one of {', '.join(suffixes)}")
    with naming_output(path):
        target = Path(os.path.realpath(output))
        is_store = target.suffix == ".zarr" and (target / "zarr.json").is_file()
        if target.is_dir() and not is_store:
            raise WriteError(f"{output}: is a folder; name a file in it")
        for source in inputs:
            _check_apart(output, target, file_of(source))
        if target.exists():
            if not target.is_file() and not is_store:
                raise WriteError(f"{output}: is a device or a pipe; name a regular file")
            if not overwrite:
                raise OutputExistsError(_exists_message(path))
        folder = target.parent
        if not folder.exists():
            raise WriteError(f"{output}: the folder {folder} does not exist; create it first")
        if not folder.is_dir():
            raise WriteError(f"{output}: {folder} is a file; name a file in a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise WriteError(f"{output}: the folder {folder} is read-only; write to another or change its permissions")


def fingerprint(path: StrPath) -> dict[str, int | str]:
    """Return what tells one input from another.

    Parameters
    ----------
    path : str or os.PathLike
        A file, or a folder of slices.

    Returns
    -------
    dict
        ``bytes``, the size, and ``sha256``, in hexadecimal. For a folder: the sum of the sizes of its files, and the
        hash of their sorted names and contents; hidden files and subfolders do not count.

    Raises
    ------
    ReadError
        If it cannot be read; InputMissingError if there is no such file.
    """
    import hashlib

    source = Path(path)
    with reading(source):
        if not source.is_dir():
            with source.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256")
                return {"bytes": stream.tell(), "sha256": digest.hexdigest()}
        total = hashlib.sha256()
        n_bytes = 0
        for file in sorted(visible_files(source)):
            one = fingerprint(file)
            n_bytes += int(one["bytes"])
            total.update(f"{file.name}\0{one['sha256']}\n".encode())
        return {"bytes": n_bytes, "sha256": total.hexdigest()}


def file_of(path: StrPath) -> Path:
    """Return the file or folder of an input that names what is inside: ``scan.h5`` of ``scan.h5::/data``.

    Parameters
    ----------
    path : str or os.PathLike
        The input.

    Returns
    -------
    Path
        What exists.
    """
    return Path(os.fspath(path).partition("::")[0])


def visible_files(folder: Path) -> list[Path]:
    """Return the files of a folder whose names do not start with a dot, in no order.

    Parameters
    ----------
    folder : Path
        The folder; its subfolders are left out.

    Returns
    -------
    list of Path
        The files.
    """
    return [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_file()]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever fails in the block into a ReadError that starts with `path`, and let no warning out.

    Parameters
    ----------
    path : Path
        The file or folder that is being read.

    Raises
    ------
    InputMissingError
        If there is no such file.
    ReadError
        For any other failure but a missing package or too little memory; the original is its cause.
    """
    try:
        with _SILENCE:  # decoders warn of oddities in metadata that klevels does not use
            yield
    except (ReadError, ImportError, MemoryError):
        raise
    except KlevelsError as error:  # what was asked cannot be had of this file, or it holds what makes no image
        if str(error).startswith(str(path)):
            raise
        raise ReadError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise InputMissingError(f"{path}: no such file or folder; check the name") from error
    except PermissionError as error:
        raise ReadError(f"{path}: no permission to read it; change its permissions") from error
    # Third-party decoders meet hostile bytes here: they raise struct.error, SyntaxError, IndexError and many more.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ReadError(
            f"{path}: cannot be read ({reason[:200]}); it is damaged or cut short: copy or export it again"
        ) from error


class _Silence:
    """No warnings, as long as any thread is within: `warnings.catch_warnings` alone is for one thread at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._n_within = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._n_within == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._n_within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_within -= 1
            if self._n_within == 0:
                self._caught.__exit__(None, None, None)


_SILENCE = _Silence()


@contextmanager
def _part(path: StrPath, *, overwrite: bool) -> Iterator[Path]:
    """Make an empty file beside an output, and remove it in the end, if it still has its own name then."""
    target = Path(os.path.realpath(path))
    if not overwrite and target.exists():
        raise OutputExistsError(_exists_message(path))
    part = target.with_name(f".klevels-{os.urandom(8).hex()}{target.suffix}")
    # Mode 0o666 less the umask, as for any new file; tempfile would make it private.
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def naming_output(path: StrPath) -> Iterator[None]:
    """Turn operating system errors in the block into errors of klevels that name `path`.

    Parameters
    ----------
    path : str or os.PathLike
        The output that is being written.

    Raises
    ------
    DiskError
        If the disk is full or fails.
    WriteError
        For any other failure of the system.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, WriteError | ReadError):
            raise
        # NumPy and Pillow report a short write, which a full disk causes, by an OSError without a number.
        if error.errno is None or error.errno in _DISK_ERRORS:
            raise DiskError(
                f"{path}: the disk is full or failed ({_reason(error)}); free space, or write elsewhere"
            ) from error
        if isinstance(error, FileNotFoundError) and not Path(path).parent.exists():
            raise WriteError(f"{path}: the folder does not exist; create it first") from error
        raise WriteError(
            f"{path}: cannot be written ({_reason(error)}); write elsewhere or change permissions"
        ) from error


def _reason(error: OSError) -> str:
    return error.strerror or " ".join(str(error).split()) or type(error).__name__


def _exists_message(path: StrPath) -> str:
    return f"{path}: exists already; name another output, or add --overwrite (overwrite=True)"


def _check_apart(output: Path, target: Path, source: Path) -> None:
    """Refuse an output that is the input `source`, by whatever name, holds it, or lies among its slices."""
    if not source.exists():
        return
    if target.exists() and target.samefile(source):
        raise WriteError(f"{output}: is the input {source}; name another output")
    if target.exists() and any(target.samefile(one) for one in Path(os.path.realpath(source)).parents):
        raise WriteError(f"{output}: holds the input {source}, which would be lost; name another output")
    if source.is_dir() and target.parent.exists() and target.parent.samefile(source):
        raise WriteError(f"{output}: lies among the slices of the input {source}; name an output in another folder")


def _flush(path: Path, flags: int) -> None:
    """Make sure that a file's content, or a folder's list of names, has reached the disk."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folders(paths: Iterable[StrPath]) -> None:
    """Make sure that the names are on the disk; the outputs are in place, and not every file system can do it."""
    if os.name != "posix":
        return
    for folder in {Path(os.path.realpath(path)).parent for path in paths}:
        with suppress(OSError):
            _flush(folder, os.O_RDONLY)


def _publish(temporary: Path, path: StrPath, overwrite: bool) -> None:
    """Give the complete file its name in one step."""
    target = Path(os.path.realpath(path))
    if overwrite:
        temporary.replace(target)
        return
    try:
        target.hardlink_to(temporary)  # unlike a rename, fails where the name is taken
    except FileExistsError as error:
        raise OutputExistsError(_exists_message(target)) from error
    except OSError:  # a file system without hard links, such as FAT
        if target.exists():
            raise OutputExistsError(_exists_message(target)) from None
        temporary.replace(target)
