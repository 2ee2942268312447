"""What is known of labels: how they were made, and of what."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.counting import count_gray
from klevels.errors import DataError, ParameterError
from klevels.image import Image
from klevels.label_images import label_image
from klevels.lazy import ComputedArray, LazyArray
from klevels.recipe import Recipe, Segmentation, model_from_dict
from klevels.record import LABELING, read_json, record_of
from klevels.sources import as_gray_image, as_image
from klevels.workers import Workers


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of labels."""

    labels: Image
    source: Image | None
    inside: Any = None
    model: Levels | Palette | None = None
    recipe: Recipe | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    counted: Histogram | None = None
    """Of the voxels that count, as they were segmented."""
    clean: Image | None = None
    """What was segmented; None where that is not at hand."""
    is_recorded: bool = False

    def counting(self, shades: Image, workers: Workers, *, is_masked: bool) -> Known:
        """Return the same with the histogram of the voxels that have a label.

        Parameters
        ----------
        shades : Image
            The gray values.
        workers : Workers
            Who counts.
        is_masked : bool
            Whether there are voxels without a label.

        Returns
        -------
        Known
            It knows which voxels these are, where the record says that klevels marked them.
        """
        inside = _labeled(self.labels) if is_masked and self.is_recorded else self.inside
        return replace(self, inside=inside, counted=count_gray(shades, inside, "ignore", workers))


def of_segmentation(result: Segmentation) -> Known:
    """Return what is known of a segmentation.

    Parameters
    ----------
    result : Segmentation
        What `segment` returned.

    Returns
    -------
    Known
        All of it.
    """
    counted = result.histogram if isinstance(result.histogram, Histogram) else None
    versions = record_of("segment", None, None, [])["versions"]
    clean = result.source if result.recipe.denoise is None else result.denoised
    return Known(
        result.labels,
        result.source,
        result.inside,
        result.model,
        result.recipe,
        versions,
        counted,
        clean,
    )


def of_labels(labels: Any, gray: Any, record: Mapping[str, Any] | str | os.PathLike[str] | None) -> Known:
    """Return what is known of labels, from the record beside them.

    Parameters
    ----------
    labels, gray, record
        As `report` takes them.

    Returns
    -------
    Known
        Little, where there is no record.

    Raises
    ------
    DataError
        If shapes differ.
    ParameterError
        If the record is of another verb.
    """
    image = label_image(labels)
    source = None if gray is None else as_image(gray)
    if source is not None:
        shape = source.shape[: len(source.axes.replace("c", ""))]
        if shape != image.shape:
            raise DataError(f"the gray image has shape {shape}, the labels {image.shape}; give one of the same shape")
    stored = read_json(record) if isinstance(record, str | os.PathLike) else record
    if stored is None:
        return Known(image, source)
    if stored.get("verb") not in LABELING:
        raise ParameterError(f"the record is of {stored.get('verb')!r}; give one of segment or apply, or none")
    recipe, model = stored.get("recipe"), stored.get("model")
    found = Known(
        image if "label_colors" in image.meta else replace(image, meta={**image.meta, "label_colors": ()}),
        source,
        model=None if model is None else model_from_dict(model),
        recipe=None if recipe is None else Recipe.from_dict(recipe),
        versions=stored.get("versions", {}),
        is_recorded=True,
    )
    if found.recipe is not None and source is not None:
        if found.recipe.gray and "c" in source.axes:
            source = as_gray_image(source)
        found = replace(found, source=source, clean=source if found.recipe.denoise is None else None)
    return found


def _labeled(labels: Image) -> Any:
    """Return where voxels have a label, of labels that klevels made."""
    work = partial(_is_labeled, outside=int(np.iinfo(labels.dtype).max))
    data = labels.data
    return ComputedArray(work, [data], np.bool_, n_spatial=labels.ndim) if isinstance(data, LazyArray) else work(data)


def _is_labeled(labels: NDArray[Any], *, outside: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = labels != outside
    return found
