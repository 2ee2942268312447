"""Draw how good and how fast posters are: `python tools/quality_curve.py benchmark.json docs/figures/quality.png`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from klevels import figures
from klevels.errors import DataError
from klevels.figures.charts import thin
from klevels.figures.layout import PAGE_WIDTH
from klevels.figures.style import LINE, SMALL, TEXT, styled

Run = dict[str, Any]

GROUP = "photograph, k = "
QUALITIES = ("klevels fast", "klevels default", "klevels best")
# Families of peers share a color (Okabe and Ito's, told apart by every kind of color vision), and differ in markers.
FAMILIES = {
    "libimagequant": "#d55e00",
    "Pillow": "#0072b2",
    "faiss": "#009e73",
    "OpenCV": "#cc79a7",
    "scikit-learn": "#e69f00",
}
OURS: Run = {"color": "black", "markersize": 4.5, "linewidth": 1, "gid": "klevels"}
OTHERS = "#999999"
MARKERS = "osD^vP"
HEIGHT = 2.9  # inches, without the legend
ROW = 0.16  # of the legend
COLUMNS = 3
NEAR = 0.1  # percent, up to which the scale is linear, so that it holds 0


def main(source: str, target: str) -> None:
    """Draw the curve of a benchmark."""
    figures.save(quality_curve(json.loads(Path(source).read_text(encoding="utf-8"))), target)


def quality_curve(measured: Run) -> Figure:
    """Draw the excess of the MSE over the least against the time, one panel for each k."""
    panels = runs_by_k(measured)
    names = sorted({name for runs in panels.values() for name in runs if name not in QUALITIES}, key=rank)
    looks = dict(zip(names, looks_of(names), strict=True))
    n_rows = -(-(1 + len(names)) // COLUMNS)
    with styled():
        figure = Figure(figsize=(PAGE_WIDTH, HEIGHT + n_rows * ROW), layout="constrained")
        all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (k, runs) in zip(all_axes, panels.items(), strict=True):
            draw_panel(axes, k, runs, looks)
        all_axes[0].set_ylabel("MSE above the least (%)")
        all_axes[len(panels) // 2].set_xlabel("seconds, from the picture to its poster")
        # A peer may have been too slow for one k: its entry is drawn by itself.
        entries: list[Any] = [Line2D([], [], marker="o", label="klevels", **OURS)]
        entries += [all_axes[0].scatter([], [], label=name, **looks[name]) for name in names]
        figure.legend(handles=entries, loc="outside lower center", ncols=COLUMNS, frameon=False, fontsize=SMALL)
        return figure


def runs_by_k(measured: Run) -> dict[int, dict[str, tuple[float, float]]]:
    """Return the seconds and the MSE of every contender, for each k."""
    panels: dict[int, dict[str, tuple[float, float]]] = {}
    for run in measured["benchmarks"]:
        if str(run["group"]).startswith(GROUP):
            facts = run["extra_info"]
            took = float(facts.get("seconds", run["stats"]["min"]))
            panels.setdefault(int(facts["k"]), {})[facts["who"]] = took, float(facts["mse"])
    if not panels:
        raise DataError(f"the benchmark has no group {GROUP!r}; run benchmarks/test_color.py with --benchmark-json")
    return dict(sorted(panels.items()))


def draw_panel(axes: Axes, k: int, runs: dict[str, tuple[float, float]], looks: dict[str, dict[str, Any]]) -> None:
    """Draw one k: the curve of klevels, and a mark for each peer."""
    least = min(mse for _, mse in runs.values())
    at = {name: (took, 100 * (mse / least - 1)) for name, (took, mse) in runs.items()}
    ours = [at[name] for name in QUALITIES if name in at]
    if ours:
        axes.plot(*zip(*ours, strict=True), "o-", zorder=3, **OURS)
    for name in QUALITIES:
        if name in at:
            axes.annotate(
                name.removeprefix("klevels "),
                at[name],
                (-5, -3),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=SMALL,
            )
    for name, look in looks.items():
        if name in at:
            axes.scatter(*at[name], zorder=2, gid=name, **look)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=NEAR, linscale=0.5)
    axes.set_title(f"k = {k}", fontsize=TEXT, pad=4)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_minor_formatter(NullFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axes.margins(x=0.18)  # room for the names of the qualities
    axes.set_ylim(-0.6 * NEAR, 2 * max(NEAR, *(excess for _, excess in at.values())))
    axes.grid(color="0.9", linewidth=LINE)
    axes.set_axisbelow(True)
    thin(axes)
    axes.spines["right"].set_visible(False)


def rank(name: str) -> tuple[int, str]:
    """Order peers by family, then by name."""
    return next((i for i, family in enumerate(FAMILIES) if name.startswith(family)), len(FAMILIES)), name


def looks_of(names: list[str]) -> list[dict[str, Any]]:
    """Return a color and a marker for each peer."""
    looks, seen = [], dict.fromkeys(range(len(FAMILIES) + 1), 0)
    colors = [*FAMILIES.values(), OTHERS]
    for name in names:
        family = rank(name)[0]
        looks.append({"color": colors[family], "marker": MARKERS[seen[family] % len(MARKERS)], "s": 26, "linewidth": 0})
        seen[family] += 1
    return looks


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python tools/quality_curve.py BENCHMARK.json OUT.png")
    main(sys.argv[1], sys.argv[2])
