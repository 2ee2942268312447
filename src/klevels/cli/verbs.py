"""What the commands that look at a scan do, from the files they are given to the files and figures they leave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from klevels import io
from klevels.cli import show
from klevels.cli.inputs import identify_mask, load_image, load_mask, naming, parse_noise, present
from klevels.cli.outputs import FIGURE_SUFFIXES, Outputs, Writer, figure_writer
from klevels.cli.progress import Stages
from klevels.core.count import histogram as count
from klevels.core.noise import split_noise
from klevels.core.selection import choose_k
from klevels.errors import ParameterError
from klevels.record import identify, record_of

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
    outputs = Outputs(present(path, mask), overwrite=overwrite)
    outputs.claim(output, (".npz",))
    outputs.claim(figure, FIGURE_SUFFIXES)
    with Stages(3) as stage:
        stage("reading")
        image = load_image(path, gray=gray)
        inside = load_mask(mask, image)
        stage("counting")
        with naming([path]):
            counted = count(image.data, mask=inside, nan=nan, threads=threads)
        stage("writing")
        files: dict[Path, Writer] = {}
        if output is not None:
            files[output] = lambda part: counted.save(part, overwrite=True)
        if figure is not None:
            from klevels import figures

            files[figure] = figure_writer(figure, figures.histogram(counted))
        outputs.write_recorded(files, lambda: record_of("histogram", None, None, [identify(path)], identify_mask(mask)))
    show.histogram(counted, image, json=json)


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
    outputs = Outputs(present(path, mask), overwrite=overwrite)
    outputs.claim(figure, FIGURE_SUFFIXES)
    with Stages(3) as stage:
        stage("reading")
        image = load_image(path, gray=gray)
        inside = load_mask(mask, image)
        stage("fitting")
        with naming([path]):
            counted = count(image.data, mask=inside, nan=nan, threads=threads)
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


def demo(folder: Path, *, shape: Sequence[str], seed: int, json: bool, overwrite: bool) -> None:
    from klevels.demo import run_demo

    if not all(side.isdecimal() for side in shape):
        raise ParameterError(f"--shape is {' '.join(shape)}; give two or three whole numbers")
    with Stages(4) as stage:
        summary = run_demo(folder, shape=[int(side) for side in shape], seed=seed, overwrite=overwrite, progress=stage)
    show.demo(summary, folder, json=json)
