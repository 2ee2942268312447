"""What `klevels measure` does, and how it shows what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.cli import show
from klevels.cli.comparisons import load_labels
from klevels.cli.inputs import check_same, load_image, load_mask, present
from klevels.cli.options import Running
from klevels.cli.outputs import Outputs
from klevels.cli.progress import Stages
from klevels.cli.running import workers_of
from klevels.cli.voxel_size import VoxelSize
from klevels.core.calibration import as_calibration
from klevels.core.measures import Measures
from klevels.core.table import Table
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.io.tables import TABLE_SUFFIXES, write_table
from klevels.measuring import Wanted, measure_images

MOST_ROWS = 64
"""A longer table is for scripts, not for a terminal."""
SHOWN = (
    "phase",
    "n_voxels",
    "fraction",
    "volume",
    "area",
    "mean",
    "std",
    "surface_area",
    "perimeter",
    "n_components",
    "largest_share",
    "euler",
    "thickness_mean",
    "thickness_std",
    "thickness_max",
    "diameter_from",
    "diameter_to",
    "n_objects",
    "share",
)


def measure(
    labels: Path,
    output: Path | None,
    *,
    gray: Path | None,
    mask: Path | None,
    ignore: int | None,
    connectivity: int | None,
    calibrate: str | None,
    objects: bool,
    phase: int | None,
    min_voxels: int,
    thickness: bool,
    size: VoxelSize,
    json: bool,
    overwrite: bool,
    threads: int | None,
    running: Running,
) -> None:
    line = as_calibration(calibrate)
    _check_phase(phase, objects=objects, thickness=thickness, min_voxels=min_voxels)
    chosen = () if phase is None else (phase,)
    wanted = Wanted(ignore, connectivity, line, chosen * objects, min_voxels, chosen * thickness)
    given = [running.place(one) for one in present(labels, gray, mask)]
    labels = running.place(labels)
    outputs = Outputs(given, overwrite=overwrite)
    outputs.claim(output, TABLE_SUFFIXES, recorded=False)
    with Stages(2) as stage, workers_of(running, threads, stage) as workers:
        stage("reading")
        image = size.of(load_labels(labels, running))
        shades = None
        if gray is not None:
            shades = load_image(running.place(gray), gray=True, lazy=running.lazy)
            check_same(labels, gray, "shape", image.shape, shades.shape)
        inside = load_mask(mask, image, running)
        stage("measuring")
        try:
            found = measure_images(image, shades, inside, wanted, workers)
        except (DataError, DataTypeError) as error:
            raise type(error)(f"{labels}: {error}") from error
        if output is not None:
            table = found.objects[phase] if objects and phase is not None else found.phases
            outputs.write({output: lambda part: write_table(table, part, output.suffix.lower())})
    if json:
        show.facts(found.to_dict(), json=True)
    else:
        _print(found)


def _check_phase(phase: int | None, *, objects: bool, thickness: bool, min_voxels: int) -> None:
    asked = [name for name, one in (("--objects", objects), ("--thickness", thickness)) if one]
    if asked and phase is None:
        raise ParameterError(f"{asked[0]} is of one phase, but none is given; add --phase with its label, such as 1")
    if phase is not None and not asked:
        raise ParameterError(f"--phase is {phase}, but nothing is asked of it; add --objects or --thickness")
    if min_voxels != 1 and not objects:
        raise ParameterError(f"--min-voxels is {min_voxels}, but no objects are asked for; add --objects")


def _print(found: Measures) -> None:
    _print_table(found.phases)
    axes = [name for name in found.phases.columns if name.startswith("percolates")]
    for phase, *through in zip(found.phases["phase"].tolist(), *(found.phases[name] for name in axes), strict=True):
        names = [name[-1] for name, one in zip(axes, through, strict=True) if one]
        print(f"phase {phase} percolates along {', '.join(names) or 'no axis'} ({found.connectivity} neighbors)")
    if found.n_ignored:
        print(f"{found.n_ignored:,} of {found.n_voxels:,} voxels are left out")
    for phase, table in found.objects.items():
        print(f"phase {phase} has {len(table):,} objects")
        if len(table):
            _print_table(found.sizes[phase])
    for warning in found.warnings:
        print(f"warning: {warning}")


def _print_table(table: Table) -> None:
    names = [name for name in SHOWN if name in table.columns and not _is_unknown(table[name])]
    heads = [f"{name} [{table.units[name]}]" if name in table.units else name for name in names]
    rows = [[_text(row[name]) for name in names] for row, _ in zip(table.rows(), range(MOST_ROWS), strict=False)]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for line in (heads, *rows):
        print("  ".join(f"{text:>{width}}" for text, width in zip(line, widths, strict=True)))
    if len(table) > MOST_ROWS:
        print(f"and {len(table) - MOST_ROWS:,} rows more: -o table.csv, or --json, lists all")


def _is_unknown(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "f" and bool(np.isnan(values).all())


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
