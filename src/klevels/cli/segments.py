"""What segment, fit and apply do, from the scans they are given to labels and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from klevels import io
from klevels.cli import show
from klevels.cli.inputs import (
    identify_mask,
    load_mask,
    load_model,
    load_scan,
    naming,
    parse_noise,
    present,
    recorded_settings,
)
from klevels.cli.options import AROUND, READING, Around, Reading, Resumable, Running
from klevels.cli.outputs import (
    FIGURE_SUFFIXES,
    REPORT_SUFFIXES,
    Outputs,
    Writer,
    check_reports,
    figure_writer,
    image_writer,
    json_writer,
)
from klevels.cli.pools import pool_scans
from klevels.cli.progress import Stages
from klevels.cli.running import access_of, workers_of
from klevels.core.clusters import Quality
from klevels.core.colors import ColorTable
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.errors import ParameterError
from klevels.fitting import fit as fit_gray
from klevels.fitting import fit_channels
from klevels.image import Image
from klevels.io.reader import Access
from klevels.partial import is_complete
from klevels.pipeline import segment as run
from klevels.recipe import Recipe, Segmentation
from klevels.record import identify, load_recipe, record_of, state_of
from klevels.version import __version__
from klevels.workers import Workers

if TYPE_CHECKING:
    from klevels.assessing import Confidence

Nan = Literal["error", "ignore"]


def segment(
    paths: Sequence[Path],
    output: Path | None,
    *,
    k: int | None,
    noise: str,
    mask: Path | None,
    nan: Nan,
    gray: bool,
    normalize: bool,
    quality: Quality,
    seed: int,
    around: Around,
    confidence: Path | None,
    figure: Path | None,
    paint: Path | None,
    report: Path | None,
    recipe: Path | None,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
    running: Resumable,
) -> None:
    if recipe is None:
        if k is None:
            raise ParameterError("-k is missing; give the number of classes, or --recipe")
        asked = Recipe(
            k=k,
            noise=parse_noise(noise),
            nan=nan,
            gray=gray,
            mask=None if mask is None else str(mask),
            level=reading.level,
            missing=reading.fill,
            layout=reading.layout,
            normalize=normalize,
            quality=quality,
            random_state=seed,
            **around.settings,
        )
    else:
        settings = (k, noise, nan, gray, normalize, quality, seed, around, reading)
        if settings != (None, "none", "error", False, False, "default", 0, AROUND, READING):
            raise ParameterError("both --recipe and settings such as -k or --gray are given; give one of them")
        asked = load_recipe(recipe, mask=mask)
    given = Given("segment", [running.place(path) for path in paths], output, figure, paint, confidence, report)
    _segment(given, asked, running, json=json, overwrite=overwrite, threads=threads)


def apply(
    model: Path,
    paths: Sequence[Path],
    output: Path,
    *,
    mask: Path | None,
    nan: Nan,
    gray: bool,
    around: Around,
    figure: Path | None,
    paint: Path | None,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
    running: Resumable,
) -> None:
    fitted = load_model(model)
    settings = around.settings if around != AROUND else recorded_settings(model)
    asked = Recipe(
        k=fitted.k,
        nan=nan,
        gray=gray,
        mask=None if mask is None else str(mask),
        level=reading.level,
        missing=reading.fill,
        layout=reading.layout,
        model=fitted,
        **settings,
    )
    given = Given("apply", [running.place(path) for path in paths], output, figure, paint)
    _segment(given, asked, running, json=json, overwrite=overwrite, threads=threads)


def fit(
    paths: Sequence[Path],
    output: Path,
    *,
    k: int,
    noise: str,
    nan: Nan,
    gray: bool,
    normalize: bool,
    quality: Quality,
    seed: int,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
    running: Running,
) -> None:
    if not paths:
        raise ParameterError("there is no input; give at least one image, or histograms (.npz)")
    paths = [running.place(path) for path in paths]
    asked = Recipe(
        k=k,
        noise=parse_noise(noise),
        nan=nan,
        gray=gray,
        normalize=normalize,
        quality=quality,
        random_state=seed,
    )
    outputs = Outputs(paths, overwrite=overwrite)
    outputs.claim(output, (".json",), recorded=False)
    with Stages(len(paths) + 2) as stage, workers_of(running, threads, stage) as workers:
        pooled = pool_scans(
            paths,
            nan=nan,
            gray=gray,
            normalize=normalize,
            access=access_of(reading),
            lazy=running.lazy,
            workers=workers,
            stage=stage,
        )
        stage("fitting")
        with naming(paths):
            model = _fit_pooled(pooled, asked, threads)
        stage("writing")
        record = record_of("fit", asked, model, [identify(path) for path in paths])
        outputs.write({output: json_writer(record)})
    show.model(model, pooled, json=json)


def _fit_pooled(pooled: Histogram | ColorTable, recipe: Recipe, threads: int | None) -> Levels | Palette:
    if isinstance(pooled, Histogram):
        if recipe.normalize:
            raise ParameterError("--normalize is for several channels, but the scans are gray; leave it out")
        return fit_gray(pooled, recipe, threads=threads)
    if recipe.noise is not None:
        raise ParameterError(f"--noise is {recipe.noise}, which is for gray scans; give --gray, or leave it out")
    return fit_channels(pooled, recipe, threads=threads)


@dataclass(frozen=True)
class Given:
    """What segment and apply read and write."""

    verb: str
    paths: Sequence[Path]
    output: Path | None
    figure: Path | None
    paint: Path | None
    confidence: Path | None = None
    report: Path | None = None

    @property
    def images(self) -> list[Path]:
        """The outputs that are as large as the input."""
        return present(self.output, self.paint, self.confidence)


def _segment(
    given: Given, recipe: Recipe, running: Resumable, *, json: bool, overwrite: bool, threads: int | None
) -> None:
    paths = given.paths
    if len(paths) > 1 and (recipe.noise is not None or isinstance(recipe.model, Levels)):
        what = "the model is of gray levels" if recipe.model else "noise is split off gray scans only"
        raise ParameterError(f"{what}, but {len(paths)} files are given as channels; give one gray scan")
    mask = None if recipe.mask is None else Path(recipe.mask)
    is_made = running.resume and bool(given.images) and is_complete(given.images[0])
    outputs = Outputs(present(*paths, mask), overwrite=overwrite or is_made)
    outputs.claim(given.output, io.OUTPUT_SUFFIXES)
    outputs.claim(given.paint, io.OUTPUT_SUFFIXES)
    outputs.claim(given.confidence, io.OUTPUT_SUFFIXES)
    outputs.claim(given.figure, FIGURE_SUFFIXES)
    if given.report is not None:
        check_reports()
        outputs.claim(given.report, REPORT_SUFFIXES)
    with Stages(6) as stage, workers_of(running, threads, stage) as workers:
        stage("reading")
        access = Access(level=recipe.level, missing=recipe.missing, layout=recipe.layout)
        image = load_scan(paths, gray=recipe.gray, access=access, lazy=running.lazy)
        inside = load_mask(mask, image, running)
        if running.dry_run:
            from klevels.plans import plan_run

            planned = plan_run(image, recipe, (given.output, given.paint, given.confidence), workers, mask=inside)
            show.plan(planned, json=json)
            return

        def record(result: Segmentation) -> dict[str, Any]:
            known = [identify(path) for path in paths]
            counted = result.histogram if any(one["sha256"] is None for one in known) else None
            return record_of(given.verb, result.recipe, result.model, known, identify_mask(mask), counted)

        def how_sure(result: Segmentation) -> Confidence | None:
            if given.confidence is None:
                return None
            from klevels.assessing import confidence

            return confidence(result, threads=threads, memory=workers.memory, client=workers.client)

        with naming(paths):
            if any(io.is_streamed(path, image) or workers.client is not None for path in given.images):
                result = _stream(given, image, inside, recipe, workers, record, running, stage, overwrite=overwrite)
                sure = how_sure(result)
            else:
                result = run(
                    image,
                    recipe=recipe,
                    mask=inside,
                    threads=threads,
                    memory=workers.memory,
                    client=workers.client,
                    progress=stage,
                )
                sure = how_sure(result)
                stage("writing")
                Outputs(paths, overwrite=overwrite).write_recorded(
                    _files(result, sure, given, workers), lambda: record(result)
                )
    show.segmentation(result, sure, asked=recipe, json=json)


def _stream(
    given: Given,
    image: Image,
    inside: Any,
    recipe: Recipe,
    workers: Workers,
    record: Callable[[Segmentation], dict[str, Any]],
    running: Resumable,
    stage: Stages,
    *,
    overwrite: bool,
) -> Segmentation:
    """Write block by block."""
    from klevels.runs import Outputs as StreamedOutputs
    from klevels.runs import segment_to

    drawn = {} if given.figure is None else {given.figure: _draw_to(given.figure)}
    if given.report is not None:
        drawn[given.report] = lambda result, part: _report(result, given, workers)(part)
    fingerprint = {
        "inputs": [state_of(path) for path in given.paths],
        "recipe": recipe.to_dict(),
        "mask": None if recipe.mask is None else state_of(recipe.mask),
        "outputs": [None if path is None else path.name for path in (given.output, given.paint, given.confidence)],
        "version": __version__,
    }
    return segment_to(
        StreamedOutputs(labels=given.output, paint=given.paint, margins=given.confidence, others=drawn),
        image,
        inside,
        recipe,
        workers,
        fingerprint=fingerprint,
        record=record,
        resume=running.resume,
        overwrite=overwrite,
        step=stage,
    )


def _draw_to(figure: Path) -> Callable[[Segmentation, Path], None]:
    return lambda result, part: figure_writer(figure, _drawn(result))(part)


def _files(result: Segmentation, sure: Confidence | None, given: Given, workers: Workers) -> dict[Path, Writer]:
    """Return what writes each output."""
    files: dict[Path, Writer] = {}
    if given.output is not None:
        files[given.output] = image_writer(given.output, result.labels)
    if given.paint is not None:
        painted = result.paint()
        _check_colors(given.paint, painted)
        files[given.paint] = image_writer(given.paint, painted)
    if given.confidence is not None and sure is not None:
        files[given.confidence] = image_writer(given.confidence, sure.margins)
    if given.figure is not None:
        files[given.figure] = figure_writer(given.figure, _drawn(result))
    if given.report is not None:
        files[given.report] = _report(result, given, workers)
    return files


def _report(result: Segmentation, given: Given, workers: Workers) -> Writer:
    """Return what writes the report; it is gathered when it is written, after what can be refused."""
    from klevels.cli.reports import of_segmentation

    return of_segmentation(result, given.paths, given.output, given.report or Path(), workers)


def _drawn(result: Segmentation) -> Any:
    from klevels import figures

    if isinstance(result.model, Levels) and isinstance(result.histogram, Histogram):
        return figures.sheet(result.source, result.histogram, result.decided, result.model)
    return figures.channels(result)


def _check_colors(paint: Path, painted: Image) -> None:
    """Refuse a PNG whose last channel would be taken for transparency."""
    if paint.suffix.lower() == ".png" and "c" in painted.axes and painted.shape[-1] in (2, 4):
        raise ParameterError(
            f"{paint}: a PNG takes the last of {painted.shape[-1]} channels for transparency; write .tif or .npz"
        )
