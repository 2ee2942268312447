"""How an output that is complete gets its name: in one step, from whatever file system, once it is on the disk."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from klevels.errors import OutputExistsError


def give_name(part: Path, target: Path, attic: Path, *, overwrite: bool) -> None:
    """Give a complete output its name.

    Parameters
    ----------
    part : Path
        The output, a file or a folder, under the name under which it was made.
    target : Path
        Its name, with all links followed.
    attic : Path
        A folder in which all will be removed: what had the name goes there if it cannot be replaced in one step.
    overwrite : bool
        Whether what has the name is replaced.

    Raises
    ------
    OutputExistsError
        If the name is taken, and `overwrite` is False.
    """
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target}: exists already; name another output, or add --overwrite (overwrite=True)")
    if part.parent.stat().st_dev != target.parent.stat().st_dev:
        part = _copied(part, target)
    if target.is_dir() or (part.is_dir() and target.exists()):
        _move_away(target, attic)  # a folder cannot be replaced in one step
    part.replace(target)


def flush(path: Path) -> None:
    """Make sure that what was written has reached the disk before it gets its name.

    Parameters
    ----------
    path : Path
        A file, or a folder with all that is below it.
    """
    for one in [path] if not path.is_dir() else [p for p in path.rglob("*") if p.is_file()]:
        descriptor = os.open(one, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _copied(part: Path, target: Path) -> Path:
    """Return a copy beside the target: nothing gets its name from another file system in one step."""
    copy = target.with_name(f".klevels-{os.urandom(8).hex()}")
    try:
        if part.is_dir():
            shutil.copytree(part, copy)
        else:
            shutil.copyfile(part, copy)
        flush(copy)
    except BaseException:
        shutil.rmtree(copy) if copy.is_dir() else copy.unlink(missing_ok=True)
        raise
    return copy


def _move_away(target: Path, attic: Path) -> None:
    """Move what has the name to where it is removed with all that is there, or, from another file system, remove it."""
    try:
        target.replace(attic / f"old-{os.urandom(8).hex()}")
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.rmtree(target) if target.is_dir() else target.unlink()
