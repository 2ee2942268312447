"""The look that all figures share: a white page, small type, thin lines, whatever the user's own settings are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from klevels.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT = 8.0  # points
SMALL = 7.0
LINE = 0.6

SETTINGS = {
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "axes.linewidth": LINE,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
    "svg.hashsalt": "klevels",  # the same ids in every run
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw with matplotlib's defaults and the settings above, and put the user's own back afterwards.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import style
    except ImportError as error:
        raise MissingDependencyError("figures need matplotlib; pip install matplotlib") from error
    with style.context(SETTINGS, after_reset=True):
        yield


def size_of(axes: Axes) -> tuple[float, float]:
    """Measure axes.

    Parameters
    ----------
    axes : Axes
        On a figure whose size is settled.

    Returns
    -------
    tuple of float
        Width and height in inches.
    """
    box, dpi = axes.get_window_extent(), axes.figure.dpi
    return box.width / dpi, box.height / dpi
