"""What the commands write: all files of a run appear together, or none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from klevels import io
from klevels.errors import MissingDependencyError, ParameterError
from klevels.files import check_output, write_together
from klevels.image import Image
from klevels.record import record_path

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
REPORT_SUFFIXES = (".html", ".htm")

Writer = Callable[[Path], None]


class Outputs:
    """The files that a run will write, checked before any work is done.

    Parameters
    ----------
    inputs : sequence of Path
        What must not be touched.
    overwrite : bool
        Whether files that exist may be replaced.
    """

    def __init__(self, inputs: Sequence[Path], *, overwrite: bool) -> None:
        self._inputs = inputs
        self._overwrite = overwrite
        self._paths: list[Path] = []
        self._writers: list[Writer] = []

    def claim(self, path: Path | None, suffixes: Sequence[str] | None, *, recorded: bool = True) -> None:
        """Check a file that will be written, and its record.

        Parameters
        ----------
        path : Path or None
            The output; None for none.
        suffixes : sequence of str or None
            Those that can be written; None for any.
        recorded : bool
            Whether a record will lie beside it.
        """
        if path is None:
            return
        check_output(path, inputs=self._inputs, overwrite=self._overwrite, suffixes=suffixes)
        for one in (path, record_path(path)) if recorded else (path,):
            if one.resolve() in (taken.resolve() for taken in self._paths):
                raise ParameterError(f"{one}: is asked for twice; give each output a name of its own")
            self._paths.append(one)
        if recorded:
            check_output(record_path(path), inputs=self._inputs, overwrite=self._overwrite)

    def write_recorded(self, files: Mapping[Path, Writer], record: Callable[[], Mapping[str, Any]]) -> None:
        """Write all files, each with the record beside it.

        Parameters
        ----------
        files : mapping of Path to callable
            What writes each file to the path it is given.
        record : callable
            Returns the record; called only if there is a file.
        """
        if files:
            writer = json_writer(record())
            self.write({**files, **{record_path(path): writer for path in files}})

    def write(self, files: Mapping[Path, Writer]) -> None:
        """Write all files beside their names, then give them their names.

        Parameters
        ----------
        files : mapping of Path to callable
            What writes each file to the path it is given.
        """
        write_together(files, overwrite=self._overwrite)


def check_reports() -> None:
    """Refuse a report that cannot be made, before any work is done.

    Raises
    ------
    MissingDependencyError
        If Jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise MissingDependencyError('reports need Jinja2; pip install "klevels[report]"') from None


def image_writer(path: Path, image: Image) -> Writer:
    """Return what writes an image.

    Parameters
    ----------
    path : Path
        The output, whose suffix chooses the format.
    image : Image
        The image.

    Returns
    -------
    callable
        For `Outputs.write`.
    """
    return lambda part: io.encode(path, image, part)


def json_writer(content: Mapping[str, Any]) -> Writer:
    """Return what writes a JSON object.

    Parameters
    ----------
    content : mapping
        Numbers, strings, lists and mappings.

    Returns
    -------
    callable
        For `Outputs.write`.
    """
    return text_writer(json.dumps(content, indent=2, allow_nan=False) + "\n")


def text_writer(text: str) -> Writer:
    """Return what writes a text.

    Parameters
    ----------
    text : str
        The content, for UTF-8.

    Returns
    -------
    callable
        For `Outputs.write`.
    """

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    return write


def figure_writer(path: Path, figure: Any) -> Writer:
    """Return what writes a figure.

    Parameters
    ----------
    path : Path
        The output, whose suffix chooses the format.
    figure : matplotlib.figure.Figure
        The figure.

    Returns
    -------
    callable
        For `Outputs.write`.
    """
    from klevels import figures

    return lambda part: figures.save(figure, part, format=path.suffix.lower().removeprefix("."))
