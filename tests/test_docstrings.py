"""Every public name is documented as numpydoc asks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from numpydoc.validate import validate

import klevels

# GL01: the summary starts on the first line here; SA01, EX01, ES01: not every helper needs them; RT03, PR01 and PR02:
# a dataclass documents its fields as parameters; YD01: context managers say Yields where they do.
IGNORED = {
    "GL01",
    "GL02",
    "GL03",
    "SA01",
    "EX01",
    "ES01",
    "RT03",
    "PR01",
    "PR02",
    "PR06",
    "PR07",
    "PR08",
    "PR09",
    "RT02",
    "RT04",
    "RT05",
    "GL08",
}


def public() -> Iterator[str]:
    for name in klevels.__all__:
        item = getattr(klevels, name)
        if inspect.ismodule(item):
            for inner in item.__all__:
                yield f"klevels.{name}.{inner}"
            continue
        yield f"klevels.{name}"
        if inspect.isclass(item) and not issubclass(item, Exception):
            for attribute, value in vars(item).items():
                if not attribute.startswith("_") and (
                    inspect.isfunction(value) or isinstance(value, property | classmethod)
                ):
                    yield f"klevels.{name}.{attribute}"


@pytest.mark.parametrize("name", list(public()))
def test_docstring_is_numpydoc(name: str) -> None:
    errors = [(code, text) for code, text in validate(name)["errors"] if code not in IGNORED]
    assert errors == []
