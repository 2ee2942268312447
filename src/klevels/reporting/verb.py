"""Gather a report: from a segmentation, or from labels with what is known of them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels import figures
from klevels.assessing import remaining_noise
from klevels.core.calibration import Calibration, as_calibration
from klevels.core.histogram import Histogram
from klevels.core.intervals import Intervals, intervals
from klevels.core.levels import Levels
from klevels.core.measures import Measures
from klevels.core.palette import Palette
from klevels.core.selection import KSweep, choose_k
from klevels.counting import count_gray
from klevels.errors import DataError, KlevelsError, ParameterError
from klevels.image import Image
from klevels.recipe import Recipe, Segmentation
from klevels.reporting.citations import citations
from klevels.reporting.content import Report
from klevels.reporting.drawings import Drawing, drawing, phase_colors_of, picture, planes, profiles
from klevels.reporting.known import Known, of_labels, of_segmentation
from klevels.reporting.rows import MOST_OBJECTS
from klevels.workers import Workers


def report(
    labels: Segmentation | Image | ArrayLike,
    gray: Image | ArrayLike | None = None,
    *,
    measures: Measures | None = None,
    calibrate: Calibration | str | None = None,
    record: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    title: str = "Segmentation",
    about: Mapping[str, Any] | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
    warnings: Sequence[str] = (),
    command: str | None = None,
    pictures: Sequence[tuple[str, NDArray[np.uint8]]] = (),
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Report:
    """Report on a segmentation: the scan and its labels, the classes, what was measured, and how it was done.

    Parameters
    ----------
    labels : Segmentation, Image or array_like
        What `segment` returned, or whole numbers from 0 on, axes "yx" or "zyx", in memory or not.
    gray : Image or array_like, optional
        What was segmented. Of a `Segmentation` it is known.
    measures : Measures, optional
        As `measure` returns them. Measured by default, with the objects of phases that have at most 10,000.
    calibrate : Calibration or str, optional
        What gray values mean, as `measure` takes it.
    record : mapping, str or path-like, optional
        The record that lies beside the labels: it knows the recipe and the classes. Of a `Segmentation` they are known.
    title : str
        The name of the labels.
    about : mapping of str to object, optional
        Facts about the labels, to be listed.
    inputs : sequence of mapping, optional
        Facts about each file that was segmented, such as `klevels.io.describe` returns them, each with its ``path``.
    warnings : sequence of str, optional
        What else the reader must know, each in one line.
    command : str, optional
        What makes the same labels again.
    pictures : sequence of tuple of str and ndarray
        Pictures in three dimensions: the caption, and uint8 pixels of shape (rows, columns, 3).
    threads : int, optional
        How many threads to use; all processors by default.
    memory : int, optional
        What images that are not in memory may take of it at a time, in bytes; at most half of what is free by default.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.

    Returns
    -------
    Report
        With `html`, `to_dict` and `save`.

    Raises
    ------
    DataError
        If shapes differ, or the labels cannot be measured.
    DataTypeError
        If labels are no integers.
    ReadError
        If the record is none of a segmentation.
    ParameterError
        If a picture is none.

    Notes
    -----
    Of large images only the planes that are shown, and a few boxes, are read, apart from what is measured and counted.
    Intervals of fractions are told of gray scans; of denoised ones only where the denoised scan is at hand.

    Examples
    --------
    >>> import klevels
    >>> result = klevels.segment(np.repeat([[10, 11, 9, 10, 90, 91, 89, 90]], 8, axis=0), k=2)
    >>> told = klevels.report(result, title="steps")
    >>> len(told.measures.phases), told.recipe.k
    (2, 2)
    """
    if isinstance(labels, Segmentation) and (gray is not None or record is not None):
        raise ParameterError("gray or record is given with a Segmentation, which knows its own; leave them out")
    workers = Workers(threads, client, memory)
    known = of_segmentation(labels) if isinstance(labels, Segmentation) else of_labels(labels, gray, record)
    shades = None if known.source is None or "c" in known.source.axes else known.source
    if measures is None:
        from klevels.measuring import Wanted, measure_images  # its kernels are not needed where measures are given

        what = labels if isinstance(labels, Segmentation) else known.labels
        measures = measure_images(
            what, shades, None, Wanted(line=as_calibration(calibrate), most_objects=MOST_OBJECTS), workers
        )
    elif calibrate is not None:
        raise ParameterError("calibrate is given with measures; give it to measure")
    if tuple(measures.shape) not in ((), known.labels.shape):
        raise DataError(f"the measures are of shape {measures.shape}, the labels {known.labels.shape}; give a pair")
    if known.counted is None and shades is not None:
        known = known.counting(shades, workers, is_masked=measures.n_ignored > 0)
    swept = None if known.counted is None else _swept(known.counted, known.model, threads)
    sure = None if shades is None else _intervals(known, shades, workers)
    shown = tuple(picture(f"picture {i}", caption, _checked(one)) for i, (caption, one) in enumerate(pictures, 1))
    return Report(
        title=title,
        measures=measures,
        about=dict(about or {}),
        inputs=tuple(inputs),
        warnings=(*warnings, *_doubts(known, measures), *measures.warnings),
        versions=known.versions,
        recipe=known.recipe,
        model=known.model,
        histogram=known.counted,
        sweep=swept,
        intervals=sure,
        command=command,
        citations=citations(known.recipe, known.model, measures, swept=swept is not None, pictured=bool(shown)),
        drawings=_drawings(known, measures, swept),
        pictures=shown,
    )


def _swept(counted: Histogram, model: Levels | Palette | None, threads: int | None) -> KSweep | None:
    if counted.n_levels < 2:
        return None
    ends = model.noise_threshold if isinstance(model, Levels) else None
    try:
        return choose_k(counted, noise_threshold=ends, threads=threads)
    except KlevelsError:  # the noise of another scan may leave nothing of this one
        return None


def _intervals(known: Known, shades: Image, workers: Workers) -> Intervals | None:
    """Return intervals of the fractions, where what was segmented is at hand."""
    model, counted, clean, recipe = known.model, known.counted, known.clean, known.recipe
    if not isinstance(model, Levels) or counted is None or clean is None or recipe is None:
        return None
    if recipe.denoise is None and int(model.counts.sum()) != counted.n_voxels and recipe.borders != "undecided":
        return None  # it is another scan
    try:
        noise = remaining_noise(shades, clean, known.inside, model, workers)
    except DataError:  # too few voxels hang together for the noise to be told
        return None
    raw = None if recipe.denoise is None else count_gray(shades, known.inside, recipe.nan, workers)
    alone = {"each voxel alone": model.on(counted).counts} if recipe.smooth is not None or recipe.borders else {}
    return intervals(model, counted, noise, raw=raw, other=alone)


def _doubts(known: Known, measures: Measures) -> list[str]:
    """Return what does not fit together."""
    found: list[str] = []
    model, counted, recipe = known.model, known.counted, known.recipe
    if not known.is_recorded or model is None:
        return found
    numbers = dict(zip(measures.phases["phase"].tolist(), measures.phases["n_voxels"].tolist(), strict=True))
    n_classes = model.n_classes
    if [numbers.get(i, 0) for i in range(n_classes)] != model.counts.tolist():
        found.append("the labels are not those that the record tells of: their counts differ; one of them has changed")
    elif counted is not None and _is_of_another(counted, model, recipe):
        found.append("the gray image is not the one that was segmented: its levels give other counts")
    return found


def _is_of_another(counted: Histogram, model: Levels | Palette, recipe: Recipe | None) -> bool:
    """Tell whether gray values cannot be those that were segmented: only where they alone decide is it known."""
    if not isinstance(model, Levels) or recipe is None or recipe.looks_around:
        return False
    return bool(model.on(counted).counts.tolist() != model.counts.tolist())


def _drawings(known: Known, measures: Measures, swept: KSweep | None) -> tuple[Drawing, ...]:
    numbers = [int(one) for one in measures.phases["phase"].tolist()]
    model, counted = known.model, known.counted
    colors = phase_colors_of(numbers, model)
    shown = "The labels" if known.source is None else "The scan before, and its labels after"
    where = "in the middle of z, y and x" if known.labels.ndim == 3 else ""
    left_out = "; pale blue is left out" if measures.n_ignored else ""
    found = [
        drawing(
            "planes",
            f"{shown}, {where}{left_out}.".replace(", ;", ";").replace(", .", "."),
            planes(known.labels, known.source, numbers, colors),
            "png",
        )
    ]
    levels = model if isinstance(model, Levels) else None
    if counted is not None:
        raw = known.recipe is not None and known.recipe.denoise is not None and known.clean is None
        note = " The scan is shown as it was before it was denoised; thresholds are of the denoised one." if raw else ""
        text = "How often each gray value occurs" + (", with thresholds and centers of the classes." if levels else ".")
        found.append(drawing("histogram", text + note, figures.histogram(counted, levels), "svg"))
    if swept is not None:
        favored = ", ".join(f"{name} favors k = {k}" for name, k in swept.advice.items() if k is not None)
        text = f"What every number of classes costs and explains. Advice only: {favored}."
        drawn = figures.path(swept.k, swept.inertia, swept.explained_variance)
        found.append(drawing("sweep", text.replace("bic", "BIC"), drawn, "svg"))
    if measures.profiles:
        around = " and with the distance from the axis" if "radius" in measures.profiles else ""
        text = f"How phases change along the axes{around}."
        found.append(drawing("profiles", text, profiles(measures, colors), "svg"))
    return tuple(found)


def _checked(pixels: Any) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.asarray(pixels)
    if array.ndim != 3 or array.shape[-1] != 3 or array.dtype != np.uint8 or not math.prod(array.shape):
        raise ParameterError(f"a picture is {array.dtype} of shape {array.shape}; give uint8, (rows, columns, 3)")
    return array
