"""Print a constraint for each dependency of use and of the tests: the lowest version that pyproject.toml allows."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

TOOLS = ("bench", "lint")
"""Extras that no user installs."""

project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
extras = [needed for name, needed in project["optional-dependencies"].items() if name not in TOOLS]
lowest = {}
for requirement in sum(extras, project["dependencies"]):
    bound = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement)
    if bound:
        lowest[bound[1]] = bound[2]
for name, version in lowest.items():
    print(f"{name}=={version}")
