"""Every public name is documented as numpydoc asks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from numpydoc.validate import validate

import klevels

# Not every name needs an extended summary, See Also and examples; bool and uint8 begin with a small letter.
IGNORED = {"ES01", "SA01", "EX01", "PR08", "RT04"}


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
