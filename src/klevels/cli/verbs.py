"""What each command does, from the files it is given to the files and figures it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from klevels import io
from klevels.cli import show
from klevels.cli.inputs import load_image, load_mask, load_model, naming, parse_noise
from klevels.cli.outputs import FIGURE_SUFFIXES, Outputs, Writer, figure_writer, image_writer, json_writer
from klevels.cli.progress import Stages
from klevels.core.count import histogram as count
from klevels.core.noise import split_noise
from klevels.core.selection import choose_k
from klevels.errors import DataError, ParameterError
from klevels.pipeline import fit as fit_recipe
from klevels.pipeline import segment as run
from klevels.recipe import Recipe, Segmentation
from klevels.record import identify, load_recipe, record_of

Nan = Literal["error", "ignore"]


def info(path: Path, *, json: bool) -> None:
    show.facts(io.describe(path), json=json)


def histogram(
    path: Path,
    output: Path | None,
    *,
    mask: Path | None,
    nan: Nan,
    gray: bool,
    figure: Path | None,
    json: bool,
    overwrite: bool,
    threads: int | None,
) -> None:
    outputs = Outputs(_present(path, mask), overwrite=overwrite)
    outputs.claim(output, (".npz",))
    outputs.claim(figure, FIGURE_SUFFIXES)
    with Stages(3) as stage:
        stage("reading")
        image = load_image(path, gray=gray)
        inside = load_mask(mask, image)
        stage("counting")
        with naming(path):
            counted = count(image.data, mask=inside, nan=nan, threads=threads)
        stage("writing")
        files: dict[Path, Writer] = {}
        if output is not None:
            files[output] = lambda part: counted.save(part, overwrite=True)
        if figure is not None:
            from klevels import figures

            files[figure] = figure_writer(figure, figures.histogram(counted))
        outputs.write_recorded(files, lambda: record_of("histogram", None, None, [identify(path)], _of_mask(mask)))
    show.histogram(counted, image, json=json)


def segment(
    path: Path,
    output: Path | None,
    *,
    k: int | None,
    noise: str,
    mask: Path | None,
    nan: Nan,
    gray: bool,
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
        asked = Recipe(k=k, noise=parse_noise(noise), nan=nan, gray=gray, mask=None if mask is None else str(mask))
    else:
        if k is not None or noise != "none" or nan != "error" or gray:
            raise ParameterError("both --recipe and -k, --noise, --nan or --gray are given; give one of them")
        asked = load_recipe(recipe, mask=mask)
    _segment("segment", path, asked, output, figure, paint, json=json, overwrite=overwrite, threads=threads)


def apply(
    model: Path,
    path: Path,
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
    _segment("apply", path, asked, output, figure, paint, json=json, overwrite=overwrite, threads=threads)


def fit(
    paths: Sequence[Path],
    output: Path,
    *,
    k: int,
    noise: str,
    nan: Nan,
    gray: bool,
    json: bool,
    overwrite: bool,
    threads: int | None,
) -> None:
    if not paths:
        raise ParameterError("there is no input; give at least one image")
    asked = Recipe(k=k, noise=parse_noise(noise), nan=nan, gray=gray)
    outputs = Outputs(paths, overwrite=overwrite)
    outputs.claim(output, (".json",), recorded=False)
    with Stages(len(paths) + 2) as stage:
        parts = []
        for path in paths:
            stage(f"counting {path.name}")
            with naming(path):
                parts.append(count(load_image(path, gray=gray).data, nan=nan, threads=threads))
        kinds = sorted({part.dtype.name for part in parts})
        if len(kinds) > 1:
            raise DataError(f"the scans are of dtypes {' and '.join(kinds)}; convert them to one scale of gray first")
        pooled = reduce(lambda a, b: a + b, parts)
        stage("fitting")
        with naming(paths[0]) if len(paths) == 1 else nullcontext():
            model = fit_recipe(pooled, asked, threads=threads)
        stage("writing")
        record = record_of("fit", asked, model, [identify(path) for path in paths])
        outputs.write({output: json_writer(record)})
    show.model(model, pooled, json=json)


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
) -> None:
    method = parse_noise(noise)
    outputs = Outputs(_present(path, mask), overwrite=overwrite)
    outputs.claim(figure, FIGURE_SUFFIXES)
    with Stages(3) as stage:
        stage("reading")
        image = load_image(path, gray=gray)
        inside = load_mask(mask, image)
        stage("fitting")
        with naming(path):
            counted = count(image.data, mask=inside, nan=nan, threads=threads)
            threshold = None if method is None else split_noise(counted, method)
            swept = choose_k(counted, k_max, noise_threshold=threshold, threads=threads)
        if figure is not None:
            from klevels import figures

            stage("drawing")
            drawn = figures.path(swept.k, swept.inertia, swept.explained_variance)
            outputs.write_recorded(
                {figure: figure_writer(figure, drawn)},
                lambda: record_of("sweep", None, None, [identify(path)], _of_mask(mask)),
            )
    show.sweep(swept, json=json)


def demo(folder: Path, *, shape: Sequence[str], seed: int, json: bool, overwrite: bool) -> None:
    from klevels.demo import run_demo

    if not all(side.isdecimal() for side in shape):
        raise ParameterError(f"--shape is {' '.join(shape)}; give two or three whole numbers")
    with Stages(4) as stage:
        summary = run_demo(folder, shape=[int(side) for side in shape], seed=seed, overwrite=overwrite, progress=stage)
    show.demo(summary, folder, json=json)


def _segment(
    verb: str,
    path: Path,
    recipe: Recipe,
    output: Path | None,
    figure: Path | None,
    paint: Path | None,
    *,
    json: bool,
    overwrite: bool,
    threads: int | None,
) -> None:
    mask = None if recipe.mask is None else Path(recipe.mask)
    outputs = Outputs(_present(path, mask), overwrite=overwrite)
    outputs.claim(output, io.SUFFIXES)
    outputs.claim(paint, io.SUFFIXES)
    outputs.claim(figure, FIGURE_SUFFIXES)
    with Stages(5) as stage:
        stage("reading")
        image = load_image(path, gray=recipe.gray)
        inside = load_mask(mask, image)
        with naming(path):
            result = run(image, recipe=recipe, mask=inside, threads=threads, progress=stage)
        stage("writing")
        files = _files(result, output, figure, paint)
        outputs.write_recorded(files, lambda: record_of(verb, recipe, result.model, [identify(path)], _of_mask(mask)))
    show.segmentation(result, json=json)


def _files(result: Segmentation, output: Path | None, figure: Path | None, paint: Path | None) -> dict[Path, Writer]:
    """Return what writes each output."""
    files: dict[Path, Writer] = {}
    if output is not None:
        files[output] = image_writer(output, result.labels)
    if paint is not None:
        files[paint] = image_writer(paint, result.paint())
    if figure is not None:
        from klevels import figures

        sheet = figures.sheet(result.source, result.histogram, result.labels, result.model)
        files[figure] = figure_writer(figure, sheet)
    return files


def _of_mask(mask: Path | None) -> dict[str, Any] | None:
    return None if mask is None else identify(mask)


def _present(*paths: Path | None) -> list[Path]:
    return [path for path in paths if path is not None]
