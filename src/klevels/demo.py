"""The main job on a simulated scan, from projections to figures: what `klevels demo` and `make demo` run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from klevels import figures, io, samples
from klevels.core.selection import choose_k
from klevels.errors import WriteError
from klevels.files import atomic_output
from klevels.pipeline import segment

N_PHASES = 4


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
    step("simulating")
    scan = samples.simulate_scan(shape, n_phases=N_PHASES, seed=seed)
    step("segmenting")
    result = segment(scan.image, N_PHASES - 1, noise="valley")  # the void, which is the truth's phase 0, is the noise
    swept = choose_k(result.histogram, 8)
    step("drawing")
    drawn = {
        "sheet": figures.sheet(scan.image, result.histogram, result.labels, result.model),
        "compare": figures.compare(scan.image, result.labels, result.model),
        "histogram": figures.histogram(result.histogram, result.model),
        "phases": figures.phases(result.labels, result.model),
        "sweep": figures.path(swept.k, swept.inertia, swept.explained_variance),
    }
    pictures = {"scan.tif": scan.image, "truth.tif": scan.truth, "labels.tif": result.labels}
    summary = {
        **result.summary(),
        "misclassified": float(np.mean(result.labels.data != scan.truth.data)),
        "files": [*pictures, *(f"{name}.png" for name in drawn), "summary.json"],
    }
    step("writing")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made ({error.strerror}); name another folder") from error
    for name in summary["files"]:
        io.check_output(folder / name, overwrite=overwrite)
    for name, image in pictures.items():
        io.write(folder / name, image, overwrite=overwrite)
    for name, figure in drawn.items():
        with atomic_output(folder / f"{name}.png", overwrite=overwrite) as part:
            figures.save(figure, part, format="png")
    with atomic_output(folder / "summary.json", overwrite=overwrite) as part:
        part.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary
