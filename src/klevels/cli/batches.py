"""What `klevels batch` does, from scans and a recipe to a folder of labels with one table."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from klevels.batching import MODEL, SUMMARY, Batch, find_scans
from klevels.batching import batch as run
from klevels.cli import show
from klevels.cli.inputs import parse_noise
from klevels.cli.options import AROUND, READING, Around, Reading, Running
from klevels.cli.progress import Stages
from klevels.cli.run import BAD_DATA
from klevels.cli.running import workers_of
from klevels.errors import ParameterError
from klevels.recipe import Recipe
from klevels.record import load_recipe


def batch(
    paths: Sequence[Path],
    output: Path,
    *,
    recipe: Path | None,
    k: int | None,
    model: Literal["each", "shared"],
    format: str,
    noise: str,
    mask: Path | None,
    nan: Literal["error", "ignore"],
    gray: bool,
    around: Around,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
    running: Running,
) -> None:
    asked = _asked(recipe, k, noise, mask, nan, gray, around, reading)
    scans = [running.place(path) for path in find_scans(paths, output)]
    is_counted = model == "shared" and asked.model is None
    with (
        _telling_how_to_go_on(),
        Stages(len(scans) * (1 + is_counted)) as stage,
        workers_of(running, threads, stage) as workers,
    ):
        found = run(
            scans,
            asked,
            output,
            model=model,
            format=format,
            overwrite=overwrite,
            threads=threads,
            memory=workers.memory,
            client=workers.client,
            progress=stage,
        )
    if json:
        show.facts(_told(found, output), json=True)
    else:
        _print(found, asked, output)
    if found.failures:
        n_done = len(found.table) - len(found.failures)
        print(f"klevels: {len(found.failures)} of {len(scans)} scans failed, {n_done} are done:", file=sys.stderr)
        for scan, reason in found.failures.items():
            print(f"  {scan}: {reason}", file=sys.stderr)
        raise SystemExit(BAD_DATA)


def _asked(
    recipe: Path | None,
    k: int | None,
    noise: str,
    mask: Path | None,
    nan: Literal["error", "ignore"],
    gray: bool,
    around: Around,
    reading: Reading,
) -> Recipe:
    if recipe is not None:
        if (k, noise, nan, gray, around, reading) != (None, "none", "error", False, AROUND, READING):
            raise ParameterError("both --recipe and settings such as -k or --gray are given; give one of them")
        return load_recipe(recipe, mask=mask)
    if k is None:
        raise ParameterError("-k is missing; give the number of classes, or --recipe")
    return Recipe(
        k=k,
        noise=parse_noise(noise),
        nan=nan,
        gray=gray,
        mask=None if mask is None else str(mask),
        level=reading.level,
        missing=reading.fill,
        layout=reading.layout,
        **around.settings,
    )


@contextmanager
def _telling_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; run the same command again to go on") from error


def _told(found: Batch, output: Path) -> dict[str, Any]:
    return {
        "n_scans": len(found.table),
        "n_failed": len(found.failures),
        "folder": str(output),
        "model": None if found.model is None else found.model.to_dict(),
        "scans": list(found.table.rows()),
        "failures": [{"file": str(scan), "message": reason} for scan, reason in found.failures.items()],
    }


def _print(found: Batch, asked: Recipe, output: Path) -> None:
    if asked.model is not None:
        print("the recipe holds a model, which is applied to all scans as it is")
    elif found.model is not None:
        print(f"one model for all scans: {output / MODEL}")
    rows = [row for row in found.table.rows() if row["status"] == "done"]
    width = max((len(row["file"]) for row in rows), default=0)
    for row in rows:
        shares = "  ".join(f"{100 * row[f'fraction_{i}']:6.2f} %" for i in range(asked.n_classes))
        print(f"{row['file']:<{width}}  {shares}")
    print(f"{len(rows)} of {len(found.table)} scans done: {output / SUMMARY}")
