"""Dots: what each filter of a study does, one line for each."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from klevels.figures.charts import draw_key, thin
from klevels.figures.layout import write_letter
from klevels.figures.style import LINE, size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from klevels.studying import Study, StudyRow

ROW_HEIGHT = 0.15  # inches
TOP = 0.3
BOTTOM = 0.42
DOTS_MARGIN = TOP + BOTTOM
NAMES = 1.0  # for the names of the filters
SPACE = 0.16  # between panels
WIDTHS = (2.2, 1.0, 1.0, 1.0)  # of the panels, relative
BAND = "#fff3d6"  # behind the row that is recommended
ALONE = "0.45"
SMOOTHED = "#b34700"  # far in lightness and hue from gray, for every kind of color vision
TICK_WIDTH = 0.36  # inches, of the number at a tick
TICKS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (2, 5), (1,), (2,), (5,))  # of a logarithmic scale
WIDE_RATIO = 4.0  # from which values are on a logarithmic scale

Measure = tuple[str, Callable[["StudyRow"], float], bool, bool]


def draw_dots(strip: Axes, found: Study) -> None:
    """Draw what each filter does: errors, edges, separation and time.

    Parameters
    ----------
    strip : Axes
        As wide as the page, and as high as `DOTS_MARGIN` and a `ROW_HEIGHT` for each filter.
    found : Study
        The study.
    """
    lines: dict[str, list[StudyRow]] = {}
    for row in found.rows:
        lines.setdefault("no denoising" if row.filter is None else str(row.filter), []).append(row)
    measures: tuple[Measure, ...] = (
        ("misclassified (%)", lambda row: 100 * row.misclassified, True, True),
        ("edges kept (%)", lambda row: 100 * row.edges_kept, False, False),
        ("separation d′", lambda row: row.separation, False, False),
        ("time (s)", lambda row: row.seconds, True, True),
    )
    best = list(lines).index("no denoising" if found.recommended.filter is None else str(found.recommended.filter))
    axes = _panels(strip)
    for i, (each, measure) in enumerate(zip(axes, measures, strict=True)):
        each.axhspan(best - 0.5, best + 0.5, color=BAND, linewidth=0)
        _draw_measure(each, list(lines.values()), measure)
        each.set(ylim=(len(lines) - 0.5, -0.5), yticks=range(len(lines)))
        each.set_yticklabels(list(lines) if i == 0 else [])
        each.set_xlabel(measure[0])
        each.grid(axis="y", color="0.9", linewidth=LINE)
        each.set_axisbelow(True)
        thin(each)
        each.spines["right"].set_visible(False)
        each.tick_params(axis="y", length=0)
    keys = [
        axes[0].plot([], [], "o", color=ALONE, markersize=4, label="alone")[0],
        axes[0].plot([], [], "D", color=SMOOTHED, markersize=3.5, label="labels smoothed")[0],
    ]
    draw_key(axes[0], keys)
    write_letter(axes[0], "c")


def _draw_measure(axes: Axes, lines: list[list[StudyRow]], measure: Measure) -> None:
    _, value, is_logarithmic, has_both = measure
    alone = [[(value(row), y) for row in rows if row.smooth is None] for y, rows in enumerate(lines)]
    smoothed = [[(value(row), y) for row in rows if row.smooth is not None] for y, rows in enumerate(lines)]
    given = [(x, y) for points in alone for x, y in points if math.isfinite(x)]
    after = [(x, y) for points in smoothed for x, y in points if math.isfinite(x)] if has_both else []
    values = [x for x, _ in (*given, *after)]
    for points, marker, color, size in ((given, "o", ALONE, 4.0), (after, "D", SMOOTHED, 3.5)):
        axes.plot([x for x, _ in points], [y for _, y in points], marker, color=color, markersize=size, clip_on=False)
    if is_logarithmic and values and min(values) > 0 and max(values) > WIDE_RATIO * min(values):
        _set_log(axes, min(values), max(values))
    else:
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=max(2, int(size_of(axes)[0] / (1.3 * TICK_WIDTH))))
        axes.xaxis.set_major_formatter(_tick)
        if values and min(values) >= 0 and has_both:
            axes.set_xlim(left=0.0)


def _set_log(axes: Axes, low: float, high: float) -> None:
    """Set a logarithmic scale with as many ticks as can be read."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = low / 1.15, high * 1.15
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    least = (high / low) ** (TICK_WIDTH / size_of(axes)[0])  # of the ratio of one tick to the next
    ticks: list[float] = []
    for digits in TICKS:
        some = [tick for power in powers for digit in digits if low <= (tick := float(f"{digit}e{power}")) <= high]
        if len(some) > len(ticks) and all(b >= least * a for a, b in pairwise(some)):
            ticks = some
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _: Any) -> str:
    if 0 < abs(value) < 0.001:  # as short as 0.01: the next tick is near
        digits, power = f"{value:.1e}".split("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:g}"


def _panels(strip: Axes) -> list[Axes]:
    """Divide a strip into panels that stand side by side, with room for names on the left."""
    strip.set_axis_off()
    figure, box = strip.figure, strip.get_position()
    wide, high = size_of(strip)
    across, up = box.width / wide, box.height / high  # of the page, for each inch
    left, width = box.x0 + NAMES * across, box.width - (NAMES + 3 * SPACE + 0.08) * across
    axes = []
    for share in WIDTHS:
        part = width * share / sum(WIDTHS)
        axes.append(figure.add_axes((left, box.y0 + BOTTOM * up, part, box.height - DOTS_MARGIN * up)))
        left += part + SPACE * across
    return axes
