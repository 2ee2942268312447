"""Runs that read and write block by block, and can be resumed: larger than memory, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels import cutting, engine, labeling, scratch
from klevels.assessing import margins_of, remaining_noise
from klevels.blocks import blocks_of, reduce_blocks
from klevels.choosing import choose_filter
from klevels.copying import finish, record_text, write_block
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.core.potts import Potts
from klevels.errors import ParameterError
from klevels.files import naming_output
from klevels.image import Image
from klevels.io.sinks import Sink, create, open_sink
from klevels.lazy import Window
from klevels.partial import Partial, mark
from klevels.pipeline import as_label_image, as_segmentation, counts_labels, find_classes, undecided_in
from klevels.recipe import Recipe, Segmentation, model_from_dict, paint_decided
from klevels.sources import has_alpha, visible
from klevels.workers import Workers

Step = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a segmentation block by block writes.

    Parameters
    ----------
    labels : Path, optional
        The labels.
    paint : Path, optional
        Each voxel in its center's gray.
    margins : Path, optional
        How much nearer the nearest center is than the next, in units of noise.
    others : mapping of Path to callable
        Small files, such as figures: what writes each to the path that it is given, from the Segmentation.
    """

    labels: Path | None = None
    paint: Path | None = None
    margins: Path | None = None
    others: Mapping[Path, Callable[[Segmentation, Path], None]]

    @property
    def images(self) -> list[Path]:
        """Those that are written block by block; the first names the run."""
        return [path for path in (self.labels, self.paint, self.margins) if path is not None]


def segment_to(
    outputs: Outputs,
    image: Image,
    mask: Any,
    recipe: Recipe,
    workers: Workers,
    *,
    fingerprint: Mapping[str, Any],
    record: Callable[[Segmentation], Mapping[str, Any]],
    resume: bool = False,
    overwrite: bool = False,
    step: Step = lambda _: None,
) -> Segmentation:
    """Segment an image, and write its labels as they are found.

    Parameters
    ----------
    outputs : Outputs
        What to write; at least one image.
    image : Image
        In memory or not.
    mask : array or None
        Where a voxel counts.
    recipe : Recipe
        What is asked.
    workers : Workers
        Who does it.
    fingerprint : mapping
        What must be the same for the run to be resumed.
    record : callable
        Returns the record that lies beside each output, ready for JSON.
    resume : bool
        Whether to go on where an interrupted run ended.
    overwrite : bool
        Whether outputs, and what an interrupted run left, are replaced.
    step : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    Segmentation
        With counts from the labels that were written; its own labels are computed again where they are asked for.

    Raises
    ------
    OutputExistsError
        If an interrupted run left something that shall neither be resumed nor replaced.
    SchedulerError
        If the cluster is lost; the run can be resumed.
    """
    labeling.check_neighborhoods(image, recipe)
    partial = Partial(outputs.images[0], fingerprint, resume=resume, overwrite=overwrite)
    with partial.kept_if_resumable():
        made = partial.parts((*outputs.images, *outputs.others))
        if partial.is_complete:
            result = _remembered(partial, image, mask, recipe, workers, step)
            partial.publish(made, overwrite=overwrite)
            return result
        blanks = blank_outputs(image, recipe, outputs)
        sinks = _sinks(blanks, made, is_new=not partial.is_resumed)
        partial.save({"begun": True})
        n_spatial = len(image.axes.replace("c", ""))
        shards = tuple(np.lcm.reduce([s.shards[:n_spatial] for s in sinks]).tolist())
        recipe = _chosen(partial, image, mask, recipe, step)
        knows_model = "model" in partial.state  # of an interrupted run: nothing is counted again then
        passes = 1 if knows_model else len(cutting.passes_over(image, recipe, has_outputs=True))
        halo = labeling.reach(image, recipe)
        source, inside = cutting.in_blocks(image, mask, workers, shards=shards, halo=halo, passes=passes)
        inside = visible(source, inside)
        clean = labeling.denoised(source, inside, recipe, workers)
        if scratch.is_cheaper(image, recipe, partial.path):
            step("denoising")
            clean = replace(clean, data=scratch.denoised(partial, image, mask, recipe, clean.data, workers))
        model, counted = _find_or_remember(partial, clean, inside, recipe, workers, step)
        step("labeling")
        potts = labeling.choose_potts(source, clean, inside, model, recipe, workers)
        labels = labeling.label(source, clean, inside, model, recipe, potts, counted, workers)
        partial.cut(blocks_of(labels))
        has_counts = counts_labels(source, recipe, counted)
        margins = _margins(source, clean, inside, model, workers) if outputs.margins is not None else None
        work = _WritePart(
            model,
            outputs,
            dict(zip(outputs.images, sinks, strict=True)),
            source.dtype.newbyteorder("="),
            partial.path,
            has_counts=has_counts,
        )
        counts = _write_labels(work, (labels, margins), partial, workers, has_counts=has_counts)
        step("writing")
        for path, sink in zip(outputs.images, sinks, strict=True):
            finish(path, sink, workers)
        partial.save({"counts": None if counts is None else counts.tolist()})
        result = _result(partial, source, inside, model, recipe, potts, counted, workers)
        for path, write_other in outputs.others.items():
            write_other(result, made[path])
        common = record(result)
        texts = {path: record_text(path, blanks.get(path), common) for path in made}
        partial.complete(made, texts, {})
        partial.publish(made, overwrite=overwrite)
        return result


def blank_outputs(image: Image, recipe: Recipe, outputs: Outputs) -> dict[Path, Image]:
    """Return images of the shape and dtype of what will be written, which take no memory.

    Parameters
    ----------
    image : Image
        What is segmented.
    recipe : Recipe
        What is asked.
    outputs : Outputs
        What to write.

    Returns
    -------
    dict of Path to Image
        In the order of `Outputs.images`.
    """
    n_spatial = len(image.axes.replace("c", ""))
    blanks = {}
    if outputs.labels is not None:
        dtype = np.dtype(np.uint8 if recipe.n_classes <= 255 else np.uint16)
        blanks[outputs.labels] = as_label_image(image, _blank(image.shape[:n_spatial], dtype), recipe)
    if outputs.paint is not None:
        painted = _blank(image.shape, image.dtype.newbyteorder("="))
        painted = painted[..., :-1] if has_alpha(image) else painted
        blanks[outputs.paint] = Image(painted, image.axes, image.spacing, image.unit)
    if outputs.margins is not None:
        blanks[outputs.margins] = Image(
            _blank(image.shape, np.dtype(np.float32)), image.axes, image.spacing, image.unit
        )
    return blanks


class _WritePart:
    """Write the labels of a block, and what belongs to them; a class, so that it can be pickled."""

    def __init__(
        self,
        model: Levels | Palette,
        outputs: Outputs,
        sinks: Mapping[Path, Sink],
        dtype: np.dtype[Any],
        folder: Path,
        *,
        has_counts: bool,
    ) -> None:
        self._model = model
        self._first = outputs.images[0]
        self._labels, self._paint, self._margins = (
            None if path is None else (path, sinks[path]) for path in (outputs.labels, outputs.paint, outputs.margins)
        )
        self._dtype = dtype
        self._folder = folder
        self._has_counts = has_counts

    def __call__(
        self, number: int, window: Window, labels: NDArray[Any], margins: NDArray[Any] | None
    ) -> NDArray[np.int64] | None:
        _write(self._labels, window, labels)
        if self._paint is not None:
            _write(self._paint, window, paint_decided(self._model, labels, self._dtype))
        if margins is not None:
            _write(self._margins, window, margins)
        counts = engine.counts_in(labels, self._model.n_classes + 1, threads=1) if self._has_counts else None
        with naming_output(self._first):
            mark(self._folder, number, None if counts is None else counts.tolist())
        return counts


def _write(target: tuple[Path, Sink] | None, window: Window, block: NDArray[Any]) -> None:
    if target is not None:
        with naming_output(target[0]):
            write_block(target[1], window, block)


def _chosen(partial: Partial, image: Image, mask: Any, recipe: Recipe, step: Step) -> Recipe:
    """Choose what the recipe leaves open, or take what the interrupted run had chosen."""
    if recipe.is_resolved:
        return recipe
    if "recipe" in partial.state:
        return Recipe.from_dict(partial.state["recipe"])
    step("choosing")
    chosen = choose_filter(image, visible(image, mask), recipe)
    partial.save({"recipe": chosen.to_dict()})
    return chosen


def _find_or_remember(
    partial: Partial, source: Image, inside: Any, recipe: Recipe, workers: Workers, step: Step
) -> tuple[Levels | Palette, Any]:
    """Count and fit, or take what the interrupted run had found."""
    counts = partial.path / "histogram.npz"
    if "model" in partial.state and counts.exists():
        return model_from_dict(partial.state["model"]), Histogram.load(counts)
    model, counted = find_classes(source, inside, recipe, workers, step)
    if isinstance(counted, Histogram):  # colors are counted again: their tables have no file
        with naming_output(partial.output):
            counted.save(counts, overwrite=True)
    partial.save({"model": model.to_dict()})
    return model, counted


def _remembered(
    partial: Partial, image: Image, mask: Any, recipe: Recipe, workers: Workers, step: Step
) -> Segmentation:
    """Return what the interrupted run had found and written."""
    recipe = _chosen(partial, image, mask, recipe, step)
    source, inside = cutting.in_blocks(image, mask, workers, halo=labeling.reach(image, recipe))
    inside = visible(source, inside)
    clean = labeling.denoised(source, inside, recipe, workers)
    model, counted = _find_or_remember(partial, clean, inside, recipe, workers, step)
    potts = labeling.choose_potts(source, clean, inside, model, recipe, workers)
    return _result(partial, source, inside, model, recipe, potts, counted, workers)


def _result(
    partial: Partial,
    source: Image,
    inside: Any,
    model: Levels | Palette,
    recipe: Recipe,
    potts: Potts | None,
    counted: Any,
    workers: Workers,
) -> Segmentation:
    """Return what was found; labels are computed again where they are asked for: what is in the folder goes."""
    counts = partial.state.get("counts")
    if counts is not None:
        model = replace(model, counts=np.array(counts[:-1], np.int64))
    clean = labeling.denoised(source, inside, recipe, workers)
    labels = labeling.label(source, clean, inside, model, recipe, potts, counted, workers)
    n_undecided = 0 if counts is None else undecided_in(np.array(counts), recipe)
    return as_segmentation(source, clean, inside, labels, model, recipe, potts, counted, n_undecided=n_undecided)


def _margins(source: Image, clean: Image, inside: Any, model: Levels | Palette, workers: Workers) -> Any:
    """Return how sure each label is, to be written beside it."""
    if not isinstance(model, Levels):
        raise ParameterError(f"confidence is told of gray images, but the image has axes {source.axes}; leave it out")
    noise = remaining_noise(source, clean, inside, model, workers)
    return margins_of(clean, inside, model, noise)


def _write_labels(
    work: _WritePart, arrays: Sequence[Any], partial: Partial, workers: Workers, *, has_counts: bool
) -> NDArray[np.int64] | None:
    """Write all blocks that are not written yet; count the voxels of each class in all, if that is asked for."""
    done = partial.done()
    counts = reduce_blocks(work, _added, arrays, workers, done=done)
    for one in done.values() if has_counts else ():
        counts = _added(counts, np.array(one, np.int64))
    return counts


def _added(one: NDArray[np.int64] | None, other: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    return other if one is None else one if other is None else one + other


def _sinks(blanks: Mapping[Path, Image], made: Mapping[Path, Path], *, is_new: bool) -> list[Sink]:
    opening = create if is_new else open_sink
    sinks = []
    for path, blank in blanks.items():
        with naming_output(path):
            sinks.append(opening(path, blank, made[path]))
    return sinks


def _blank(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array of this shape and dtype, which takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)
