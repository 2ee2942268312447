"""What `klevels study` does, from the scan that it is given to the folder that it fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from klevels.cli import show
from klevels.cli.comparisons import load_labels
from klevels.cli.inputs import identify_mask, load_image, load_mask, naming, parse_noise, present
from klevels.cli.options import Reading
from klevels.cli.outputs import Outputs, Writer, figure_writer, json_writer, text_writer
from klevels.cli.progress import Stages
from klevels.cli.running import access_of
from klevels.core.denoise import METHODS
from klevels.errors import WriteError
from klevels.files import file_of
from klevels.record import identify, record_of
from klevels.studying import Study, StudyRow
from klevels.studying import study as run
from klevels.studying.variants import FACTORS

FILES = ("study.png", "study.csv", "study.json")
MOST_ROWS = 12
"""So many rows are shown to people, the best ones."""


def study(
    path: Path,
    output: Path,
    *,
    k: int,
    truth: Path | None,
    methods: Sequence[str],
    noise: str,
    mask: Path | None,
    nan: Literal["error", "ignore"],
    gray: bool,
    seed: int,
    every: bool,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
) -> None:
    method = parse_noise(noise)
    outputs = Outputs(present(path, mask, truth), overwrite=overwrite)
    _claim(output, outputs)
    with Stages(_n_stages(methods)) as stage, naming([path]):
        stage("reading")
        image = load_image(path, gray=gray, access=access_of(reading))
        found = run(
            image,
            k,
            methods=methods or None,
            truth=None if truth is None else load_labels(truth),
            noise=method,
            nan=nan,
            mask=load_mask(mask, image),
            seed=seed,
            threads=threads,
            progress=stage,
        )
        stage("drawing")
        command = found.command(
            str(path), _labels_of(path, found), mask=None if mask is None else str(mask), options=_words(gray, reading)
        )
        told = {**found.to_dict(), "command": command}
        files = _files(output, found, _record(path, mask, truth, found, gray, reading) | {"study": told})
        stage("writing")
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"{output}: cannot be made ({error.strerror}); name another folder") from error
        outputs.write(files)
    if json:
        show.facts({**told, "files": list(FILES)}, json=True)
    else:
        _print(found, command, output, every=every)


def _claim(folder: Path, outputs: Outputs) -> None:
    if folder.exists() and not folder.is_dir():
        raise WriteError(f"{folder}: is a file; name a folder to be filled")
    for name in FILES if folder.is_dir() else ():
        outputs.claim(folder / name, None, recorded=False)


def _n_stages(methods: Sequence[str]) -> int:
    """Return how many stages there are: reading, choosing, simulating, each filter and none, drawing and writing."""
    return 6 + sum(1 if ":" in method else len(FACTORS) for method in methods or METHODS)


def _labels_of(path: Path, found: Study) -> str:
    """Return a name for the labels: of a large scan, one that is written block by block."""
    return f"{file_of(path).name.partition('.')[0]}-labels{'.tif' if found.is_whole else '.ome.zarr'}"


def _words(gray: bool, reading: Reading) -> list[str]:
    """Return the options that tell another command how the scan is read."""
    words = ["--gray"] if gray else []
    plain = Reading()
    for option, value in (
        ("--level", reading.level),
        ("--missing", reading.missing),
        ("--shape", reading.shape),
        ("--dtype", reading.dtype),
        ("--byte-order", reading.byte_order),
        ("--offset", reading.offset),
        ("--spacing", reading.spacing),
        ("--unit", reading.unit),
    ):
        if value != getattr(plain, option.removeprefix("--").replace("-", "_")):
            words += [option, *(value if isinstance(value, tuple) else (str(value),))]
    return words


def _record(
    path: Path, mask: Path | None, truth: Path | None, found: Study, gray: bool, reading: Reading
) -> dict[str, Any]:
    """Return a record whose recipe is what is recommended."""
    recipe = replace(
        found.recommended.recipe,
        gray=gray,
        mask=None if mask is None else str(mask),
        level=reading.level,
        missing=reading.fill,
        layout=reading.layout,
    )
    known = [identify(one) for one in present(path, truth)]
    return record_of("study", recipe, None, known, identify_mask(mask))


def _files(folder: Path, found: Study, record: dict[str, Any]) -> dict[Path, Writer]:
    from klevels import figures

    drawing, table, facts = (folder / name for name in FILES)
    return {
        drawing: figure_writer(drawing, figures.study(found)),
        table: text_writer(found.to_csv()),
        facts: json_writer(record),
    }


def _print(found: Study, command: str, folder: Path, *, every: bool) -> None:
    ranked = found.ranked
    shown = list(ranked if every else ranked[:MOST_ROWS])
    if found.baseline is not None and found.baseline not in shown:
        shown.append(found.baseline)
    width = max(len("filter"), *(len(_name(row)) for row in shown))
    print(
        f"{'filter':<{width}} {'β':>6} {'wrong':>8} {'worst Dice':>10} {'d′':>6} {'valley':>6} {'unsure':>7} "
        f"{'edges':>6} {'time':>8}"
    )
    for row in shown:
        beta = "" if row.smooth is None else f"{row.smooth:.3f}"
        print(
            f"{_name(row):<{width}} {beta:>6} {100 * row.misclassified:>6.2f} % {row.dice.min():>10.4f} "
            f"{row.separation:>6.2f} {row.valley:>6.2f} {100 * row.low_confidence:>5.1f} % "
            f"{100 * row.edges_kept:>4.0f} % {row.seconds:>6.2f} s"
        )
    if len(shown) < len(ranked):
        print(f"{len(ranked) - len(shown)} more rows: --all lists them, and so does {folder / FILES[1]}")
    for one in found.left_out:
        print(f"left out: {'no denoising' if one.filter is None else one.filter}: {one.reason}")
    print()
    print(
        "wrong: misclassified voxels; d′: the gap between classes in units of their spread; valley: how deep the "
        "histogram falls between peaks, 0 is best;\nunsure: voxels with a margin below 1 noise; edges: how much of the "
        "steps at borders is kept."
    )
    print(found.about)
    print(f"Recommended: {found.reason}.")
    print()
    print(f"  {command}")


def _name(row: StudyRow) -> str:
    return "none" if row.filter is None else str(row.filter)
