"""Scripts in processes of their own, where the kernels use the instruction set that is wished for."""

from __future__ import annotations

import os
import subprocess
import sys


def digest_on(script: str, wish: str | None) -> tuple[str, str]:
    """Run a script on an instruction set, or the best; return the name and the digest that it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "KLEVELS_SIMD"}
    if wish is not None:
        environment["KLEVELS_SIMD"] = wish
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    name, digest = done.stdout.split()
    return name, digest
