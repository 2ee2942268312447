"""What `klevels report` does: it finds what was segmented through the record beside the labels, and writes the page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels import io
from klevels.cli.comparisons import load_labels
from klevels.cli.inputs import check_same, load_scan, present
from klevels.cli.options import Running
from klevels.cli.outputs import REPORT_SUFFIXES, Outputs, Writer, check_reports, json_writer, text_writer
from klevels.cli.progress import Stages
from klevels.cli.running import workers_of
from klevels.cli.voxel_size import VoxelSize
from klevels.core.calibration import Calibration, as_calibration
from klevels.errors import DataError, DataTypeError, InputMissingError, KlevelsError, MissingDependencyError, ReadError
from klevels.files import file_of
from klevels.image import Image
from klevels.io.reader import Access
from klevels.label_images import label_image
from klevels.recipe import Recipe, Segmentation
from klevels.record import LABELING, identify, read_json, record_path
from klevels.reporting import Report
from klevels.reporting import report as gather
from klevels.workers import Workers

MOST_PICTURES = 6


def report(
    labels: Path,
    output: Path,
    *,
    gray: Path | None,
    calibrate: str | None,
    size: VoxelSize,
    json: Path | None,
    overwrite: bool,
    threads: int | None,
    running: Running,
) -> None:
    line = as_calibration(calibrate)
    labels = running.place(labels)
    check_reports()
    outputs = Outputs(present(labels, gray, *_existing(record_path(labels))), overwrite=overwrite)
    outputs.claim(output, REPORT_SUFFIXES, recorded=False)
    outputs.claim(json, (".json",), recorded=False)
    with Stages(4) as stage, workers_of(running, threads, stage) as workers:
        stage("reading")
        image = size.of(load_labels(labels, running))
        found = _Found.beside(labels)
        found = found.with_source(image, running) if gray is None else found.given(gray, labels, image, running)
        stage("measuring")
        try:
            told = _gather(labels, label_image(image), found, line, workers)
        except (DataError, DataTypeError) as error:
            raise type(error)(f"{labels}: {error}") from error
        stage("writing")
        files = {output: text_writer(told.html())}
        if json is not None:
            files[json] = json_writer(told.to_dict())
        outputs.write(files)
    print(f"{output}: {len(told.measures.phases)} phases, {len(told.drawings) + len(told.pictures)} figures")
    for warning in told.warnings:
        print(f"warning: {warning}")


def of_segmentation(
    result: Segmentation, paths: Sequence[Path], output: Path | None, page: Path, workers: Workers
) -> Writer:
    """Return what writes the report of a segmentation that was just made.

    Parameters
    ----------
    result : Segmentation
        What came out.
    paths : sequence of Path
        What was segmented.
    output : Path or None
        Where its labels are written.
    page : Path
        The report.
    workers : Workers
        Who measures.

    Returns
    -------
    callable
        For `Outputs.write`.
    """
    labels = output or page
    pictures, lacking = _pictures(result.labels)
    told = gather(
        result,
        title=labels.name,
        inputs=[_facts(path, result.recipe) for path in paths],
        warnings=lacking,
        command=_again([str(path) for path in paths], labels, labels.suffix if output else ".tif"),
        pictures=pictures,
        threads=workers.threads,
        memory=workers.memory,
        client=workers.client,
    )
    return text_writer(told.html())


def _gather(labels: Path, image: Image, found: _Found, line: Calibration | None, workers: Workers) -> Report:
    pictures, lacking = _pictures(image)
    return gather(
        image,
        found.source,
        calibrate=line,
        record=found.record,
        title=labels.name,
        about=_about(labels),
        inputs=found.facts,
        warnings=(*found.warnings, *lacking),
        command=found.command(labels),
        pictures=pictures,
        threads=workers.threads,
        memory=workers.memory,
        client=workers.client,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """What was found beside labels."""

    record: Mapping[str, Any] | None = None
    recipe: Recipe | None = None
    source: Image | None = None
    facts: tuple[Mapping[str, Any], ...] = ()
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def beside(cls, labels: Path) -> _Found:
        """Return what the record beside the labels tells."""
        path = record_path(labels)
        try:
            record = read_json(path)
            if "klevels_record" not in record or record.get("verb") not in LABELING:
                return cls(warnings=(f"{path.name} is no record of labels: it is left aside",))
            recipe = record.get("recipe")
            asked = None if recipe is None else Recipe.from_dict(recipe)
            names = tuple(str(one["path"]) for one in record.get("inputs", ()))
        except InputMissingError:
            return cls(
                warnings=("there is no record beside the labels: how they were made, and of which scan, is unknown",)
            )
        except (KlevelsError, TypeError, KeyError, AttributeError) as error:
            return cls(warnings=(f"the record beside the labels cannot be read ({error}): it is left aside",))
        return cls(record, asked, names=names)

    def with_source(self, labels: Image, running: Running) -> _Found:
        """Return the same with the scan that the record names, if it is there and unchanged."""
        if self.record is None or not self.names:
            return self
        paths = []
        for known in self.record["inputs"]:
            path = Path(str(known["path"]))
            state = _state(path, known)
            if state is not None:
                return self._without(f"{path} {state}: the report does without it; give it with --gray")
            paths.append(running.place(path))
        try:
            source = _read(paths, self.recipe, running)
        except KlevelsError as error:
            return self._without(f"the scan that was segmented cannot be read ({error}): the report does without it")
        if _grid(source) != labels.shape:
            shapes = f"{_grid(source)}, the labels {labels.shape}"
            return self._without(f"{self.names[0]} has shape {shapes}: the report does without it")
        return replace(self, source=source, facts=tuple(_facts(path, self.recipe) for path in paths))

    def given(self, gray: Path, path: Path, labels: Image, running: Running) -> _Found:
        """Return the same with the scan that was given."""
        place = running.place(gray)
        source = _read([place], self.recipe, running)
        check_same(path, gray, "shape", labels.shape, _grid(source))
        return replace(self, source=source, facts=(_facts(place, self.recipe),))

    def command(self, labels: Path) -> str | None:
        """Return what makes the same labels again."""
        if not self.names or self.recipe is None:
            return None
        return _again(self.names, labels, labels.suffix)

    def _without(self, warning: str) -> _Found:
        told = [{name: value for name, value in one.items() if value is not None} for one in self.record["inputs"]]  # type: ignore[index]
        return replace(self, facts=tuple(told), warnings=(*self.warnings, warning))


def _again(names: Sequence[str], labels: Path, suffix: str) -> str:
    """Return the command that makes the same labels again, from the record that lies beside an output."""
    again = labels.with_name(f"again-{labels.name.removesuffix(labels.suffix)}{suffix}")
    return shlex.join(["klevels", "segment", *names, "--recipe", str(record_path(labels)), "-o", str(again)])


def _state(path: Path, known: Mapping[str, Any]) -> str | None:
    """Return what is wrong with an input that a record names; None if it is as it was."""
    if not file_of(path).exists():
        return "is gone"
    try:
        found = identify(path)
    except ReadError as error:
        return f"cannot be read ({error})"
    same = found["bytes"] == known.get("bytes") and known.get("sha256") in (None, found["sha256"])
    return None if same else "has changed since it was segmented"


def _read(paths: list[Path], recipe: Recipe | None, running: Running) -> Image:
    if recipe is None:
        return load_scan(paths, gray=False, lazy=running.lazy)
    access = Access(level=recipe.level, missing=recipe.missing, layout=recipe.layout)
    return load_scan(paths, gray=recipe.gray, access=access, lazy=running.lazy)


def _facts(path: Path, recipe: Recipe | None) -> dict[str, Any]:
    if recipe is None:
        return {"path": str(path), **io.describe(path)}
    return {
        "path": str(path),
        **io.describe(path, level=recipe.level, missing=recipe.missing, layout=recipe.layout),
    }


def _about(labels: Path) -> dict[str, Any]:
    written = datetime.fromtimestamp(file_of(labels).stat().st_mtime, UTC)
    return {"path": str(labels), "written": f"{written:%Y-%m-%d %H:%M} UTC", **io.describe(labels)}


def _grid(image: Image) -> tuple[int, ...]:
    return image.shape[: len(image.axes.replace("c", ""))]


def _existing(path: Path) -> list[Path]:
    return [path] if path.exists() else []


def _pictures(labels: Image) -> tuple[list[tuple[str, NDArray[np.uint8]]], list[str]]:
    """Return a picture of each phase of a volume, or what is lacking for that."""
    if labels.ndim != 3 or min(labels.shape) < 2:
        return [], []
    from klevels.rendering import each, phases_of

    phases = phases_of(labels)
    drawn, others = phases[:MOST_PICTURES], phases[MOST_PICTURES:]
    lacking = []
    if others:
        lacking.append(f"there are no pictures of phases {others[0]} to {others[-1]}; klevels render draws them")
    try:
        return [(f"Phase {one}.", picture) for one, picture in each(labels, phases=drawn)] if drawn else [], lacking
    except MissingDependencyError:
        return [], ['there are no pictures in three dimensions; pip install "klevels[render]" to have them']
