"""Folders at which one process works at a time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from klevels.errors import OutputExistsError

LOCK = "lock"
ATTEMPTS = 100


def make_and_lock(folder: Path) -> int | None:
    """Make a folder, if there is none, and lock it.

    Parameters
    ----------
    folder : Path
        Its parent must exist.

    Returns
    -------
    int or None
        What to close to let others have it; the system does so when the process ends. None where there are no locks.

    Raises
    ------
    OutputExistsError
        If another process has it.

    Notes
    -----
    Who removes the folder removes ``lock`` last, and before it is closed. This begins anew if that happens meanwhile.
    """
    for _ in range(ATTEMPTS):
        with suppress(FileExistsError):  # exist_ok would ask once more, and it may be removed meanwhile
            folder.mkdir()
        try:
            import fcntl
        except ImportError:  # no such locks on Windows: renaming what is in use fails there
            return None
        with suppress(FileNotFoundError):
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(descriptor)
                raise OutputExistsError(f"{folder}: another run is at work on it; wait for it, or stop it") from error
            except OSError:  # a file system without locks
                return descriptor
            if _is_there(folder / LOCK, descriptor):
                return descriptor
            os.close(descriptor)
    raise OutputExistsError(f"{folder}: other runs keep removing it; try again")


def _is_there(path: Path, descriptor: int) -> bool:
    """Tell whether an open file still has its name: who locks one that has been removed has locked nothing."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
