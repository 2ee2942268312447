"""Saving a figure: PNG, SVG or PDF, the same bytes every time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from klevels.errors import ParameterError
from klevels.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNDATED: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def save(figure: Figure, path: str | Path, *, format: str | None = None, dpi: float = 200) -> None:
    """Save a figure as PNG, SVG or PDF.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure.
    path : str or path-like
        Where to write, as given.
    format : {"png", "svg", "pdf"}, optional
        By default the suffix of `path`.
    dpi : float
        Pixels per inch of a PNG, and of the images inside an SVG or PDF.

    Raises
    ------
    ParameterError
        If the format is none of the three, or `dpi` is not between 10 and 2400.

    Notes
    -----
    The same figure gives the same bytes: neither the date nor anything random is written.
    """
    kind = (Path(path).suffix[1:] if format is None else format).lower()
    if kind not in UNDATED:
        raise ParameterError(f"{str(path)!r}: the figure format is {kind!r}; use png, svg or pdf")
    if not 10 <= dpi <= 2400:
        raise ParameterError(f"dpi is {dpi}; give 10 to 2400")
    with styled():
        figure.savefig(path, format=kind, dpi=dpi, metadata=UNDATED[kind])
