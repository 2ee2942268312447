"""What posterize does: one photograph in its own best colors, or several that share a palette."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from klevels import io
from klevels.cli import show
from klevels.cli.inputs import load_palette, load_picture, naming, present
from klevels.cli.outputs import FIGURE_SUFFIXES, Outputs, Writer, figure_writer, image_writer, json_writer, text_writer
from klevels.cli.pools import pool_pictures
from klevels.cli.progress import Stages
from klevels.core.clusters import Quality
from klevels.core.dither import Dither
from klevels.core.palette import PALETTE_SUFFIXES, Palette
from klevels.core.spaces import Space
from klevels.errors import ParameterError, WriteError
from klevels.fitting import fit_colors
from klevels.pipeline import posterize as run
from klevels.poster import Poster, PosterRecipe
from klevels.record import POSTERIZE, identify, load_poster_recipe, record_of, record_path
from klevels.workers import Workers

PICTURE_SUFFIXES = (*io.SUFFIXES, ".jpg", ".jpeg", ".bmp", ".gif")


def posterize(
    paths: Sequence[Path],
    output: Path | None,
    *,
    k: int | None,
    space: Space | None,
    quality: Quality,
    palette: Path | None,
    dither: Dither,
    frame: int | None,
    seed: int,
    swatches: Path | None,
    save_palette: Path | None,
    figure: Path | None,
    recipe: Path | None,
    json: bool,
    overwrite: bool,
    threads: int | None,
) -> None:
    if not paths:
        raise ParameterError("there is no input; give at least one image")
    if recipe is not None:
        if (k, space, quality, palette, dither, frame, seed) != (None, None, "default", None, "none", None, 0):
            raise ParameterError("both --recipe and settings such as -k or --palette are given; give one of them")
        asked = load_poster_recipe(recipe)
    else:
        given = None if palette is None else load_palette(palette, space=space, k=k)
        n_colors = k if given is None else given.k
        if n_colors is None:
            raise ParameterError("-k is missing; give the number of colors, --palette or --recipe")
        asked = PosterRecipe(
            k=n_colors,
            space=space or ("rgb" if given is None else given.space),
            quality=quality,
            dither=dither,
            random_state=seed,
            frame=frame,
            palette=given,
        )
    outputs = Outputs(present(*paths, palette), overwrite=overwrite)
    if len(paths) == 1:
        _posterize_one(
            paths[0],
            asked,
            outputs,
            output,
            swatches,
            save_palette,
            figure,
            json=json,
            overwrite=overwrite,
            threads=threads,
        )
        return
    if figure is not None:
        raise ParameterError(f"{figure}: shows one poster, but there are {len(paths)} images; give --swatches instead")
    with _made(output, len(paths)):
        _posterize_several(paths, asked, outputs, output, swatches, save_palette, json=json, threads=threads)


def _posterize_one(
    path: Path,
    recipe: PosterRecipe,
    outputs: Outputs,
    output: Path | None,
    swatches: Path | None,
    save_palette: Path | None,
    figure: Path | None,
    *,
    json: bool,
    overwrite: bool,
    threads: int | None,
) -> None:
    if output is not None and output.is_dir() and output.suffix.lower() != ".zarr":
        output = output / f"{path.stem}.png"
    outputs.claim(output, io.OUTPUT_SUFFIXES)
    outputs.claim(figure, FIGURE_SUFFIXES)
    _claim_palette(outputs, swatches, save_palette)

    def record(poster: Poster) -> dict[str, Any]:
        return record_of(POSTERIZE, recipe, poster.palette, [identify(path)])

    with Stages(5) as stage:
        stage("reading")
        # PNG and NPZ are written as a whole, and errors are passed on as a whole: such posters must fit into memory.
        fits_blocks = output is not None and output.suffix.lower() in io.SINK_SUFFIXES and recipe.dither == "none"
        image = load_picture(path, recipe.frame, lazy=None if fits_blocks else False)
        with naming([path]):
            poster = run(image, recipe=recipe, threads=threads, progress=stage)
        stage("writing")
        files: dict[Path, Writer] = {}
        if figure is not None:
            from klevels import figures

            files[figure] = figure_writer(figure, figures.poster(poster))
        files |= _palette_files(poster.palette, swatches, save_palette)
        if output is not None and io.is_streamed(output, poster.image):
            from klevels.copying import copy

            copy(
                output,
                poster.image,
                Workers(threads),
                fingerprint=None,
                record=record(poster),
                others=files,
                overwrite=overwrite,
            )
        else:
            if output is not None:
                files = {output: image_writer(output, poster.image), **files}
            outputs.write_recorded(files, lambda: record(poster))
    show.poster(poster, json=json)


def _posterize_several(
    paths: Sequence[Path],
    asked: PosterRecipe,
    outputs: Outputs,
    folder: Path | None,
    swatches: Path | None,
    save_palette: Path | None,
    *,
    json: bool,
    threads: int | None,
) -> None:
    targets = _targets(paths, folder)
    for target in targets:
        outputs.claim(target, io.SUFFIXES)
    _claim_palette(outputs, swatches, save_palette)
    summaries: list[dict[str, Any]] = []
    records: dict[Path, dict[str, Any]] = {}
    with Stages(2 * len(paths) + 1) as stage:
        n_wanted = None if asked.palette is None else asked.palette.n_channels
        table = pool_pictures(paths, frame=asked.frame, n_wanted=n_wanted, workers=Workers(threads), stage=stage)
        stage("fitting")
        with naming(paths):
            shared = fit_colors(table, asked, threads=threads)
        recipe = replace(asked, palette=shared)

        def paint(path: Path, target: Path | None) -> Poster:
            stage(f"painting {path.name}")
            with naming([path]):
                poster = run(load_picture(path, recipe.frame), recipe=recipe, threads=threads)
            named = {"input": str(path), "path": None if target is None else str(target)}
            summaries.append({**named, **poster.summary()})
            return poster

        def write(path: Path, target: Path, part: Path) -> None:
            poster = paint(path, target)
            io.encode(target, poster.image, part)
            records[target] = record_of(POSTERIZE, recipe, poster.palette, [identify(path)])

        def write_record(target: Path, part: Path) -> None:
            json_writer(records.pop(target))(part)

        files: dict[Path, Writer] = {}
        for path, target in zip(paths, targets, strict=True):
            if target is None:
                paint(path, None)
            else:  # painted when it is written, so that one poster at a time is in memory
                files[target] = partial(write, path, target)
                files[record_path(target)] = partial(write_record, target)
        of_palette = _palette_files(shared, swatches, save_palette)
        if of_palette:
            record = record_of(POSTERIZE, asked, shared, [identify(path) for path in paths])
            files |= of_palette | {record_path(path): json_writer(record) for path in of_palette}
        outputs.write(files)
    show.posters(shared, table.n_colors, summaries, json=json)


def _targets(paths: Sequence[Path], folder: Path | None) -> list[Path | None]:
    """Return where each poster goes; refuse two of one name, also where upper and lower case are one."""
    if folder is None:
        return [None] * len(paths)
    taken: dict[str, Path] = {}
    for path in paths:
        other = taken.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise ParameterError(f"{other} and {path} would both become {folder / path.stem}.png; rename one of them")
    return [folder / f"{path.stem}.png" for path in paths]


def _claim_palette(outputs: Outputs, swatches: Path | None, save_palette: Path | None) -> None:
    outputs.claim(swatches, FIGURE_SUFFIXES)
    outputs.claim(save_palette, PALETTE_SUFFIXES)


def _palette_files(palette: Palette, swatches: Path | None, save_palette: Path | None) -> dict[Path, Writer]:
    files: dict[Path, Writer] = {}
    if swatches is not None:
        from klevels import figures

        files[swatches] = figure_writer(swatches, figures.swatches(palette))
    if save_palette is not None:
        files[save_palette] = text_writer(palette.as_text(save_palette.suffix.lower()))
    return files


@contextmanager
def _made(folder: Path | None, n_images: int) -> Iterator[None]:
    """Make the folder of several posters, and take it away again if nothing comes of them."""
    if folder is None or folder.is_dir():
        yield
        return
    if folder.suffix.lower() in PICTURE_SUFFIXES or folder.exists():
        raise ParameterError(f"{folder}: is the name of a file, but there are {n_images} images; name a folder")
    try:
        folder.mkdir()
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made ({error.strerror}); name another folder") from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise
