"""The command line: `klevels VERB …`; see `klevels --help`."""

from __future__ import annotations

from klevels.cli.run import main

__all__ = ["main"]
