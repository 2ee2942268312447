"""The main job on a simulated scan, from projections to figures: what `klevels demo` and `make demo` run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from klevels import figures, io, samples
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.selection import choose_k
from klevels.errors import WriteError
from klevels.files import check_output, write_together
from klevels.pipeline import segment
from klevels.record import record_of

N_PHASES = 4
LEAST_LENGTH = {2: 8.0, 3: 12.0}
"""The radius of a grain in voxels, by the number of axes: below, blur leaves little of a phase but its border."""


def run_demo(
    folder: Path,
    *,
    shape: Sequence[int] = (512, 512),
    seed: int = 0,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Simulate a scan with a known truth, segment it, and fill a folder with the results.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    shape : sequence of int
        Rows and columns, or slices, rows and columns.
    seed : int
        Another seed, another scan.
    overwrite : bool
        Whether files that exist may be replaced.
    progress : callable, optional
        Called with the name of each stage as it begins.

    Returns
    -------
    dict
        The summary that is also written to ``summary.json``: that of the segmentation, with ``misclassified``, the
        share of voxels whose label differs from the truth, and ``files``.
    """
    step = progress or (lambda _: None)
    pictures = ["scan.tif", "truth.tif", "labels.tif"]
    drawings = ["sheet.png", "compare.png", "histogram.png", "phases.png", "sweep.png"]
    recorded = [name for made in (*pictures, *drawings) for name in (made, f"{made}.json")]
    for name in (*recorded, "summary.json") if folder.exists() else ():
        check_output(folder / name, overwrite=overwrite)
    step("simulating")
    length = max(LEAST_LENGTH.get(len(shape), 0.0), max(shape) / 64)
    scan = samples.simulate_scan(shape, n_phases=N_PHASES, length=length, seed=seed)
    step("segmenting")
    result = segment(scan.image, N_PHASES - 1, noise="valley")  # the void, which is the truth's phase 0, is the noise
    counted, levels = cast(Histogram, result.histogram), cast(Levels, result.model)  # as of every gray scan
    swept = choose_k(counted, 8)
    step("drawing")
    drawn = [
        figures.sheet(scan.image, counted, result.labels, levels),
        figures.compare(scan.image, result.labels, levels),
        figures.histogram(counted, levels),
        figures.phases(result.labels, levels),
        figures.path(swept.k, swept.inertia, swept.explained_variance),
    ]
    summary = {
        **result.summary(),
        "misclassified": float(np.mean(result.labels.data != scan.truth.data)),
        "files": [*pictures, *drawings, "summary.json"],
    }
    step("writing")
    record = record_of("demo", result.recipe, levels, [{"simulated": {"shape": list(shape), "seed": seed}}])
    images = zip(pictures, (scan.image, scan.truth, result.labels), strict=True)
    files: dict[Path, Callable[[Path], None]] = {
        **{folder / name: partial(io.encode, folder / name, image) for name, image in images},
        **{folder / name: partial(_save, figure) for name, figure in zip(drawings, drawn, strict=True)},
        **{folder / f"{name}.json": partial(_save_json, record) for name in (*pictures, *drawings)},
        folder / "summary.json": partial(_save_json, summary),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made ({error.strerror}); name another folder") from error
    write_together(files, overwrite=overwrite)
    return summary


def _save(figure: Any, part: Path) -> None:
    figures.save(figure, part, format="png")


def _save_json(content: Mapping[str, Any], part: Path) -> None:
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
