"""What the commands that look at a scan do, from the files they are given to the files and figures they leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from klevels import cutting, io
from klevels.cli import show
from klevels.cli.inputs import identify_mask, load_image, load_mask, load_scan, naming, parse_noise, present
from klevels.cli.options import Planned, Reading, Resumable, Running
from klevels.cli.outputs import FIGURE_SUFFIXES, Outputs, Writer, figure_writer, image_writer
from klevels.cli.pools import is_histogram
from klevels.cli.progress import Stages
from klevels.cli.running import access_of, workers_of
from klevels.core.histogram import Histogram
from klevels.core.noise import split_noise
from klevels.core.selection import choose_k
from klevels.counting import count_gray as count
from klevels.errors import ParameterError, ReadError
from klevels.partial import is_complete
from klevels.recipe import Recipe
from klevels.record import identify, record_of, state_of
from klevels.version import __version__
from klevels.workers import Workers

Nan = Literal["error", "ignore"]


def info(path: Path, *, json: bool, reading: Reading) -> None:
    from klevels.plans import estimate_reading

    access = access_of(reading)
    facts = io.describe(path, level=access.level, missing=access.missing, layout=access.layout)
    image = io.read(path, level=access.level, missing=access.missing, layout=access.layout, lazy=True)
    if image.is_lazy:
        with suppress(ReadError):  # a chunk is missing or damaged: what it is can be told all the same
            facts = {**facts, "reading_seconds": estimate_reading(image, Workers())}
    show.facts(facts, json=json)


def histogram(
    path: Path,
    output: Path | None,
    *,
    mask: Path | None,
    nan: Nan,
    gray: bool,
    shard: str | None,
    figure: Path | None,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
    running: Planned,
) -> None:
    from klevels.plans import plan_run  # with all that writes block by block: half of what a small scan takes

    path = running.place(path)
    outputs = Outputs(present(path, mask), overwrite=overwrite)
    outputs.claim(output, (".npz",))
    outputs.claim(figure, FIGURE_SUFFIXES)
    with Stages(3) as stage, workers_of(running, threads, stage) as workers:
        stage("reading")
        image = load_image(path, gray=gray, access=access_of(reading), lazy=running.lazy)
        inside = load_mask(mask, image, running)
        part = None if shard is None else _parse_shard(shard)
        if part is not None:
            image, inside = cutting.shard_of(image, inside, *part)
        if running.dry_run:
            show.plan(plan_run(image, Recipe(k=1), (), workers), json=json)
            return
        stage("counting")
        with naming([path]):
            counted = count(image, inside, nan, workers)
        stage("writing")
        files: dict[Path, Writer] = {}
        if output is not None:
            files[output] = lambda part: counted.save(part, overwrite=True)
        if figure is not None:
            from klevels import figures

            files[figure] = figure_writer(figure, figures.histogram(counted))
        told = {} if part is None else {"shard": list(part)}
        outputs.write_recorded(
            files, lambda: record_of("histogram", None, None, [identify(path)], identify_mask(mask)) | told
        )
    show.histogram(counted, math.prod(image.shape), json=json)


def sweep(
    path: Path,
    *,
    k_max: int | None,
    noise: str,
    mask: Path | None,
    nan: Nan,
    gray: bool,
    figure: Path | None,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
    running: Planned,
) -> None:
    method = parse_noise(noise)
    from klevels.plans import plan_run  # with all that writes block by block: half of what a small scan takes

    path = running.place(path)
    outputs = Outputs(present(path, mask), overwrite=overwrite)
    outputs.claim(figure, FIGURE_SUFFIXES)
    with Stages(3) as stage, workers_of(running, threads, stage) as workers:
        if running.dry_run:
            image = load_image(path, gray=gray, access=access_of(reading), lazy=running.lazy)
            show.plan(plan_run(image, Recipe(k=1), (), workers), json=json)
            return
        stage("counting")
        counted = _counted(path, mask, nan, gray, reading, running, workers)
        stage("fitting")
        with naming([path]):
            threshold = None if method is None else split_noise(counted, method)
            swept = choose_k(counted, k_max, noise_threshold=threshold, threads=threads)
        if figure is not None:
            from klevels import figures

            stage("drawing")
            drawn = figures.path(swept.k, swept.inertia, swept.explained_variance)
            outputs.write_recorded(
                {figure: figure_writer(figure, drawn)},
                lambda: record_of("sweep", None, None, [identify(path)], identify_mask(mask)),
            )
    show.sweep(swept, json=json)


def convert(
    path: Path,
    output: Path,
    *,
    gray: bool,
    labels: bool,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
    running: Resumable,
) -> None:
    from klevels.copying import as_labels, copy
    from klevels.plans import plan_run

    path = running.place(path)
    outputs = Outputs([path], overwrite=overwrite or (running.resume and is_complete(output)))
    outputs.claim(output, io.OUTPUT_SUFFIXES)
    access = access_of(reading)
    with Stages(2) as stage, workers_of(running, threads, stage) as workers:
        stage("reading")
        image = load_scan([path], gray=gray, access=access, lazy=running.lazy)
        if labels:
            image = as_labels(image)
        if running.dry_run:
            show.plan(plan_run(image, None, [output], workers), json=json)
            return
        stage("writing")
        record = record_of("convert", None, None, [identify(path)])
        if io.is_streamed(output, image) or workers.client is not None:
            fingerprint = {"inputs": [state_of(path)], "verb": "convert", "gray": gray, "labels": labels}
            copy(
                output,
                image,
                workers,
                fingerprint=fingerprint | {"access": repr(access), "version": __version__},
                record=record,
                resume=running.resume,
                overwrite=overwrite,
            )
        else:
            Outputs([path], overwrite=overwrite).write_recorded({output: image_writer(output, image)}, lambda: record)
    show.facts(io.describe(output), json=json)


def _counted(
    path: Path,
    mask: Path | None,
    nan: Nan,
    gray: bool,
    reading: Reading,
    running: Running,
    workers: Workers,
) -> Histogram:
    """Count an image, or read the histogram that was counted before."""
    if is_histogram(path):
        if mask is not None:
            raise ParameterError(f"{path}: is a histogram, which no mask fits any more; count with --mask")
        return Histogram.load(path)
    image = load_image(path, gray=gray, access=access_of(reading), lazy=running.lazy)
    inside = load_mask(mask, image, running)
    with naming([path]):
        return count(image, inside, nan, workers)


def _parse_shard(text: str) -> tuple[int, int]:
    number, _, total = text.partition("/")
    if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
        raise ParameterError(f"--shard is {text!r}; give i/n with 1 <= i <= n, such as 3/64")
    return int(number), int(total)


def demo(folder: Path, *, shape: Sequence[str], seed: int, json: bool, overwrite: bool) -> None:
    from klevels.demo import run_demo

    if not all(side.isdecimal() for side in shape):
        raise ParameterError(f"--shape is {' '.join(shape)}; give two or three whole numbers")
    with Stages(4) as stage:
        summary = run_demo(folder, shape=[int(side) for side in shape], seed=seed, overwrite=overwrite, progress=stage)
    show.demo(summary, folder, json=json)
