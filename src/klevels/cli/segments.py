"""What segment, fit and apply do, from the scans they are given to labels and models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from klevels import io
from klevels.cli import show
from klevels.cli.inputs import identify_mask, load_mask, load_model, load_scan, naming, parse_noise, present
from klevels.cli.outputs import FIGURE_SUFFIXES, Outputs, Writer, figure_writer, image_writer, json_writer
from klevels.cli.pools import pool_scans
from klevels.cli.progress import Stages
from klevels.core.clusters import Quality
from klevels.core.colors import ColorTable
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.errors import ParameterError
from klevels.image import Image
from klevels.pipeline import fit as fit_gray
from klevels.pipeline import fit_channels
from klevels.pipeline import segment as run
from klevels.recipe import Recipe, Segmentation
from klevels.record import identify, load_recipe, record_of

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
    figure: Path | None,
    paint: Path | None,
    recipe: Path | None,
    json: bool,
    overwrite: bool,
    threads: int | None,
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
            normalize=normalize,
            quality=quality,
            random_state=seed,
        )
    else:
        settings = (k, noise, nan, gray, normalize, quality, seed)
        if settings != (None, "none", "error", False, False, "default", 0):
            raise ParameterError("both --recipe and settings such as -k or --gray are given; give one of them")
        asked = load_recipe(recipe, mask=mask)
    _segment("segment", paths, asked, output, figure, paint, json=json, overwrite=overwrite, threads=threads)


def apply(
    model: Path,
    paths: Sequence[Path],
    output: Path,
    *,
    mask: Path | None,
    nan: Nan,
    gray: bool,
    figure: Path | None,
    paint: Path | None,
    json: bool,
    overwrite: bool,
    threads: int | None,
) -> None:
    fitted = load_model(model)
    asked = Recipe(k=fitted.k, nan=nan, gray=gray, mask=None if mask is None else str(mask), model=fitted)
    _segment("apply", paths, asked, output, figure, paint, json=json, overwrite=overwrite, threads=threads)


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
) -> None:
    if not paths:
        raise ParameterError("there is no input; give at least one image")
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
    with Stages(len(paths) + 2) as stage:
        pooled = pool_scans(paths, nan=nan, gray=gray, normalize=normalize, threads=threads, stage=stage)
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


def _segment(
    verb: str,
    paths: Sequence[Path],
    recipe: Recipe,
    output: Path | None,
    figure: Path | None,
    paint: Path | None,
    *,
    json: bool,
    overwrite: bool,
    threads: int | None,
) -> None:
    if len(paths) > 1 and (recipe.noise is not None or isinstance(recipe.model, Levels)):
        what = "the model is of gray levels" if recipe.model else "noise is split off gray scans only"
        raise ParameterError(f"{what}, but {len(paths)} files are given as channels; give one gray scan")
    mask = None if recipe.mask is None else Path(recipe.mask)
    outputs = Outputs(present(*paths, mask), overwrite=overwrite)
    outputs.claim(output, io.SUFFIXES)
    outputs.claim(paint, io.SUFFIXES)
    outputs.claim(figure, FIGURE_SUFFIXES)
    with Stages(5) as stage:
        stage("reading")
        image = load_scan(paths, gray=recipe.gray)
        inside = load_mask(mask, image)
        with naming(paths):
            result = run(image, recipe=recipe, mask=inside, threads=threads, progress=stage)
        stage("writing")
        files = _files(result, output, figure, paint)
        outputs.write_recorded(
            files,
            lambda: record_of(verb, recipe, result.model, [identify(path) for path in paths], identify_mask(mask)),
        )
    show.segmentation(result, json=json)


def _files(result: Segmentation, output: Path | None, figure: Path | None, paint: Path | None) -> dict[Path, Writer]:
    """Return what writes each output."""
    files: dict[Path, Writer] = {}
    if output is not None:
        files[output] = image_writer(output, result.labels)
    if paint is not None:
        painted = result.paint()
        _check_colors(paint, painted)
        files[paint] = image_writer(paint, painted)
    if figure is not None:
        from klevels import figures

        if isinstance(result.model, Levels) and isinstance(result.histogram, Histogram):
            drawn = figures.sheet(result.source, result.histogram, result.labels, result.model)
        else:
            drawn = figures.channels(result)
        files[figure] = figure_writer(figure, drawn)
    return files


def _check_colors(paint: Path, painted: Image) -> None:
    """Refuse a PNG whose last channel would be taken for transparency."""
    if paint.suffix.lower() == ".png" and "c" in painted.axes and painted.shape[-1] in (2, 4):
        raise ParameterError(
            f"{paint}: a PNG takes the last of {painted.shape[-1]} channels for transparency; write .tif or .npz"
        )
