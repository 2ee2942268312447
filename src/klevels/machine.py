"""How much memory the system has, and what its control groups leave to this process."""

from __future__ import annotations

import os

GROUPS = "/sys/fs/cgroup"
"""Where the control groups of version 2 are mounted."""
OWN_GROUP = "/proc/self/cgroup"
"""Which of them this process is in."""


def available_memory() -> int | None:
    """Return how much memory can be taken without anything being swapped out.

    Returns
    -------
    int or None
        In bytes; None where the system does not tell.
    """
    found = [line.split()[1] for line in _text("/proc/meminfo").splitlines() if line.startswith("MemAvailable:")]
    if found:
        return int(found[0]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def left_in_groups() -> int | None:
    """Return how much memory the control group of this process has left, and those that it lies in.

    Returns
    -------
    int or None
        In bytes, the least; None where there is no limit.
    """
    own = next((line[3:] for line in _text(OWN_GROUP).splitlines() if line.startswith("0::")), "/")
    names = [name for name in own.split("/") if name]
    if ".." in names:  # outside of what is mounted
        names = []
    left = [_left_in("/".join([GROUPS, *names[:depth]])) for depth in range(len(names) + 1)]
    return min((n for n in left if n is not None), default=None)


def _left_in(group: str) -> int | None:
    limit, used = _text(f"{group}/memory.max").strip(), _text(f"{group}/memory.current").strip()
    if not (limit.isdecimal() and used.isdecimal()):
        return None
    facts = dict(line.split(maxsplit=1) for line in _text(f"{group}/memory.stat").splitlines() if " " in line)
    cached = int(facts.get("inactive_file", 0))  # pages of files that were read: given up as soon as memory is short
    return max(0, int(limit) - max(0, int(used) - cached))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 (pathlib would be loaded with klevels)
            return file.read()
    except OSError:
        return ""
