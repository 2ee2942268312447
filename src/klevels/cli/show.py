"""What the commands print on stdout: a short table for people, or one JSON object for scripts."""

from __future__ import annotations

import json as json_module
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from klevels.core.colors import ColorTable
from klevels.core.denoise import Filter
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.core.selection import KSweep
from klevels.image import Image
from klevels.poster import Poster
from klevels.recipe import Recipe, Segmentation

if TYPE_CHECKING:
    from klevels.assessing import Confidence
    from klevels.plans import Plan

N_BARS = 24
BAR_WIDTH = 50
WIDEST = 24
"""So many letters of a channel's name are shown."""
MOST_COLORS = 32
"""So many rows of a palette are shown to people."""


def facts(described: Mapping[str, object], *, json: bool) -> None:
    if json:
        return _print_json(described)
    width = max(len(name) for name in described)
    for name, value in described.items():
        print(f"{name.replace('_', ' '):<{width}}  {_text(value)}")
    return None


def plan(planned: Plan, *, json: bool) -> None:
    if json:
        return _print_json(planned.to_dict())
    size = f"{' × '.join(f'{n:,}' for n in planned.shape)} {planned.dtype}, {_size(planned.image_bytes)}"
    where = "in memory" if planned.in_memory else f"in {planned.n_blocks:,} blocks of {_text(planned.block)}"
    kept = f", {planned.n_kept:,} blocks kept from the first to the next" if planned.n_kept else ""
    print(f"image    {size}, {where}")
    if planned.denoised != "not":
        print(f"denoised {planned.denoised}")
    print(f"passes   {len(planned.passes)}: {', '.join(planned.passes)}{kept}")
    print(f"reading  each voxel {planned.n_reads:.3g} times, on the average")
    print(f"workers  {planned.n_workers}")
    print(f"memory   {_size(planned.memory_bytes)} at most on one machine")
    print(f"output   {_size(planned.output_bytes)} before compression")
    print(f"time     {_duration(planned.seconds)}, from that of one block")
    return None


def denoised(chosen: Filter | None, output: Path, *, json: bool) -> None:
    if json:
        told = {} if chosen is None else asdict(chosen)
        return _print_json({"output": str(output), "method": None, "strength": None, "noise": None, **told})
    if chosen is None:
        print(f"no noise is found: {output} is the image as it was")
        return None
    noise = "" if chosen.noise is None else f"; noise of {chosen.noise:.4g} gray values"
    print(f"{output}: {chosen}{noise}")
    return None


def segmentation(result: Segmentation, sure: Confidence | None = None, *, asked: Recipe, json: bool) -> None:
    summary = result.summary() | ({} if sure is None else {"confidence": sure.summary()})
    if json:
        return _print_json(summary)
    model = result.model
    names = result.source.meta.get("channel_names", ())
    _print_classes(model, result.labels, names)
    ignored = f", {result.n_ignored:,} left out" if result.n_ignored else ""
    print(f"{summary['n_voxels']:,} voxels{ignored}; explained variance {model.explained_variance:.4f}")
    if model.explained_variance < 0:
        scale = "scale of gray" if isinstance(model, Levels) else "scale"
        print(f"the model fits worse than a single class: is this scan on the model's {scale}?", file=sys.stderr)
    if asked.looks_around:
        print(_neighborhoods(result, asked))
    if sure is not None:
        _print_confidence(sure)
    if isinstance(model, Levels) and model.excess_bound:
        print(f"counted in bins: the inertia is at most {model.excess_bound / model.inertia:.1e} too high")
    return None


def model(fitted: Levels | Palette, pooled: Histogram | ColorTable, *, json: bool) -> None:
    n_voxels = pooled.n_voxels if isinstance(pooled, Histogram) else pooled.n_pixels
    if json:
        shares = {"fractions": fitted.fractions.tolist(), "explained_variance": fitted.explained_variance}
        return _print_json({"k": fitted.k, **fitted.to_dict(), **shares, "n_voxels": n_voxels})
    _print_classes(fitted, None)
    print(f"{n_voxels:,} voxels; explained variance {fitted.explained_variance:.4f}")
    return None


def poster(shown: Poster, *, json: bool) -> None:
    summary = shown.summary()
    if json:
        return _print_json(summary)
    _print_colors(shown.palette)
    print(_errors(summary))
    return None


def posters(palette: Palette, n_colors: int, summaries: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    if json:
        shared = {
            "k": palette.k,
            "space": palette.space,
            "hex": list(palette.hex),
            "centers": palette.colors.tolist(),
            "counts": palette.counts.tolist(),
            "fractions": palette.fractions.tolist(),
            "inertia": palette.inertia,
            "n_colors": n_colors,
        }
        return _print_json({"palette": shared, "posters": summaries})
    _print_colors(palette)
    for summary in summaries:
        print(f"{summary['path'] or summary['input']}: {_errors(summary)}")
    return None


def histogram(counted: Histogram, n_voxels: int, *, json: bool) -> None:
    low, high = float(counted.bounds[0][0]), float(counted.bounds[1][-1])
    whole = fit_levels(counted, 1)
    described = {
        "n_voxels": counted.n_voxels,
        "n_ignored": n_voxels - counted.n_voxels,
        "n_nan": counted.n_nan,
        "n_levels": counted.n_levels,
        "binned": counted.shift > 0,
        "dtype": counted.dtype.name,
        "min": low,
        "max": high,
        "mean": float(whole.centers[0]),
        "std": math.sqrt(whole.inertia / counted.n_voxels),
    }
    if json:
        levels, counts = counted.levels.tolist(), counted.counts.tolist()
        return _print_json({**described, "levels": levels, "counts": counts})
    edges = np.linspace(low, high, min(N_BARS, max(1, counted.n_levels)) + 1)
    bars = np.histogram(counted.levels, edges, weights=counted.counts)[0]
    for start, bar in zip(edges[:-1].tolist(), bars.tolist(), strict=True):
        print(f"{start:>12.6g} {'█' * round(BAR_WIDTH * bar / bars.max()):<{BAR_WIDTH}} {round(bar):,}")
    for name, value in described.items():
        print(f"{name.removeprefix('n_'):<10} {_text(value)}")
    return None


def sweep(swept: KSweep, *, json: bool) -> None:
    rows = [
        {
            "k": int(k),
            "inertia": levels.inertia,
            "explained_variance": levels.explained_variance,
            "bic": float(bic),
            "silhouette": float(silhouette),
            "centers": levels.centers.tolist(),
            "thresholds": levels.thresholds.tolist(),
        }
        for k, levels, bic, silhouette in zip(swept.k, swept.levels, swept.bic, swept.silhouette, strict=True)
    ]
    if json:
        return _print_json({"sweep": rows, "advice": swept.advice})
    print(f"{'k':>3} {'inertia':>14} {'explained':>10} {'BIC':>14} {'silhouette':>11}")
    for row in rows:
        print(
            f"{row['k']:>3} {row['inertia']:>14.6g} {row['explained_variance']:>10.5f} {row['bic']:>14.6g} "
            f"{row['silhouette']:>11.4f}"
        )
    favored = ", ".join(f"{name} favors k = {k}" for name, k in swept.advice.items() if k is not None)
    print(f"Advice only: {favored}. Look at the figure and at what you know of the sample.")
    return None


def demo(summary: Mapping[str, Any], folder: Path, *, json: bool) -> None:
    if json:
        return _print_json(summary)
    print(f"{folder}: {', '.join(summary['files'])}")
    print(f"{100 * summary['misclassified']:.2f} % of the voxels differ from the truth")
    return None


def _print_classes(model: Levels | Palette, labels: Image | None, names: Sequence[str] = ()) -> None:
    volume = _voxel_volume(labels)
    if isinstance(model, Levels):
        upper = [*(f"{t:.6g}" for t in model.thresholds), ""]
        centers = [f"{center:>12.6g} {up_to:>12}" for center, up_to in zip(model.centers, upper, strict=True)]
        heads = f"{'center':>12} {'up to':>12}"
    else:
        shown = [name[:WIDEST] for name in names or (f"channel {i}" for i in range(model.n_channels))]
        width = max(12, *map(len, shown))
        centers = [" ".join(f"{value:>{width}.6g}" for value in color) for color in model.colors]
        heads = " ".join(f"{name:>{width}}" for name in shown)
    print(f"{'label':>5} {heads} {'voxels':>16} {'fraction':>9}" + (f" {volume[1]:>12}" if volume else ""))
    for j, (center, count, fraction) in enumerate(zip(centers, model.counts, model.fractions, strict=True)):
        noise = "  noise" if j == 0 and isinstance(model, Levels) and model.noise_threshold is not None else ""
        size = f" {count * volume[0]:>12.6g}" if volume else ""
        print(f"{j:>5} {center} {count:>16,} {100 * fraction:>8.3f}%{size}{noise}")


def _neighborhoods(result: Segmentation, asked: Recipe) -> str:
    """Tell how the voxels around a voxel counted."""
    recipe, told = result.recipe, []
    if asked.denoise is not None:
        told.append(
            "not denoised: no noise that matters" if recipe.denoise is None else f"denoised by {recipe.denoise}"
        )
    if recipe.borders == "resolve":
        told.append("borders resolved")
    if recipe.borders == "undecided":
        share = result.n_undecided / max(1, result.n_undecided + int(result.model.counts.sum()))
        told.append(f"{result.n_undecided:,} voxels ({100 * share:.2f} %) undecided, label {result.model.n_classes}")
    if recipe.smooth is not None:
        told.append(f"smoothed with β = {recipe.smooth:.3g}" if recipe.smooth else "not smoothed")
    return "; ".join(told)


def _print_confidence(sure: Confidence) -> None:
    print(f"{100 * sure.low_share:.1f} % of the voxels have a margin below 1 noise of {sure.noise:.4g} gray values")
    for phase, one in enumerate(sure.intervals.phases):
        low, high = 100 * one.low, 100 * one.high
        print(f"phase {phase}: {100 * one.fraction:.2f} %, from {low:.2f} to {high:.2f} %")


def _print_colors(palette: Palette) -> None:
    """List the colors, on a terminal each beside what it looks like; of many, those that most pixels have."""
    listed = sorted(np.argsort(-palette.counts, kind="stable")[:MOST_COLORS].tolist())
    lines = [f"{j:>5} {palette.hex[j]} {palette.counts[j]:>14,} {100 * palette.fractions[j]:>8.3f}%" for j in listed]
    print(f"{'label':>5} {'color':<7} {'pixels':>14} {'share':>9}")
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False, soft_wrap=True)
        for j, line in zip(listed, lines, strict=True):
            console.print(Text.assemble(line, "  ", ("    ", f"on {palette.hex[j]}")))
    else:
        print("\n".join(lines))
    if palette.k > len(listed):
        rest = 1 - palette.fractions[listed].sum()
        print(f"{palette.k - len(listed)} more colors, {100 * rest:.3f}% of the pixels: --json lists them all")


def _errors(summary: Mapping[str, Any]) -> str:
    ratio = "the same as the image" if summary["psnr"] is None else f"PSNR {summary['psnr']:.2f} dB"
    ignored = f", {summary['n_ignored']:,} left out" if summary["n_ignored"] else ""
    return (
        f"MSE {summary['mse']:.6g} over all channels, {ratio}; "
        f"{summary['n_colors']:,} distinct colors in {summary['n_pixels']:,} pixels"
        f"{ignored}"
    )


def _voxel_volume(labels: Image | None) -> tuple[float, str] | None:
    if labels is None or labels.spacing is None or labels.unit is None:
        return None
    power = "³" if labels.ndim == 3 else "²"
    return math.prod(labels.spacing), f"{labels.unit}{power}"


def _size(n_bytes: int) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:,} bytes"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} seconds"


def _print_json(content: Mapping[str, Any]) -> None:
    print(json_module.dumps(_finite(content), indent=2, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(one) for one in value]
    return value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, tuple | list):
        return " × ".join(_text(one) for one in value)
    return "unknown" if value is None else str(value)
