"""The public face: sorted, complete, documented, and light to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import klevels
from klevels import errors

HEAVY = ("matplotlib", "PIL", "tifffile", "imagecodecs", "scipy", "skimage", "sklearn", "cyclopts", "rich", "pandas")


def test_all_is_sorted_and_complete() -> None:
    assert klevels.__all__ == sorted(klevels.__all__)
    assert len(set(klevels.__all__)) == len(klevels.__all__)
    assert dir(klevels) == sorted(klevels.__all__)
    public = {
        name
        for name, value in vars(klevels).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and name not in {"annotations", "TYPE_CHECKING", "Any"}
    }
    assert public <= set(klevels.__all__)


def test_all_errors_are_exported() -> None:
    tree = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert tree <= set(klevels.__all__)
    for name in tree:
        assert name in (errors.__doc__ or ""), f"{name} is not drawn in the tree"
        assert issubclass(getattr(errors, name), klevels.KlevelsError)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        ("ParameterError", ValueError),
        ("DataError", ValueError),
        ("TooFewLevelsError", ValueError),
        ("NoValleyError", ValueError),
        ("DataTypeError", TypeError),
        ("ReadError", OSError),
        ("InputMissingError", FileNotFoundError),
        ("WriteError", OSError),
        ("OutputExistsError", FileExistsError),
        ("DiskError", OSError),
        ("MissingDependencyError", ImportError),
    ],
)
def test_errors_are_the_built_in_that_a_caller_expects(error: str, builtin: type) -> None:
    assert issubclass(getattr(klevels, error), builtin)


@pytest.mark.parametrize("name", klevels.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    item = getattr(klevels, name)
    assert inspect.getdoc(item)
    if inspect.isclass(item):
        for member, value in vars(item).items():
            if not member.startswith("_") and (callable(value) or isinstance(value, property | classmethod)):
                assert inspect.getdoc(getattr(item, member)), f"{name}.{member}"


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'kmeans'"):
        _ = klevels.kmeans  # type: ignore[attr-defined]


def test_importing_loads_numpy_and_nothing_heavier() -> None:
    script = f"import sys, klevels; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
