"""Models as JSON files, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from klevels.errors import InputMissingError, ReadError

T = TypeVar("T")


def as_json(kind: str, content: dict[str, Any]) -> str:
    """Return what the file of a model holds.

    Parameters
    ----------
    kind : str
        Of the model: "model" or "palette".
    content : dict
        From its `to_dict`.

    Returns
    -------
    str
        Lines of JSON.
    """
    import json

    return json.dumps({f"klevels_{kind}": 1, **content}, indent=2) + "\n"


def write_text(path: str | os.PathLike[str], text: str, *, overwrite: bool) -> None:
    """Write a file whole, or not at all.

    Parameters
    ----------
    path : str or path-like
        Where to write.
    text : str
        What to write, as UTF-8.
    overwrite : bool
        Whether to replace a file that is there.
    """
    from klevels.files import atomic_output  # not needed to label: an import of klevels stays light

    with atomic_output(path, overwrite=overwrite) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str], kind: str, from_dict: Callable[[dict[str, Any]], T]) -> T:
    """Read a model from its file.

    Parameters
    ----------
    path : str or path-like
        A JSON file.
    kind : str
        Of the model: "model" or "palette".
    from_dict : callable
        Makes the model from what the file holds; raises ValueError or AttributeError if that is none.

    Returns
    -------
    object
        What `from_dict` returns.

    Raises
    ------
    ReadError
        If the file does not hold such a model; InputMissingError if there is no such file.
    """
    import json

    try:
        with open(path, encoding="utf-8") as file:
            return from_dict(json.load(file))
    except FileNotFoundError as error:
        raise InputMissingError(f"{os.fspath(path)}: no such file; check the name") from error
    except (ValueError, OSError, RecursionError, AttributeError) as error:
        raise ReadError(f"{os.fspath(path)}: not a {kind} ({error}); give a .json that klevels wrote") from error
