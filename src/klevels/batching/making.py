"""The work on one scan of a batch: count it, or segment it and write its labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from klevels import cutting, engine, io, labeling
from klevels.batching.records import read_record, record_for
from klevels.batching.results import Results
from klevels.choosing import choose_filter
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.counting import inside_of
from klevels.errors import DataError
from klevels.files import file_of
from klevels.fitting import fit
from klevels.image import Image
from klevels.pipeline import segment
from klevels.recipe import Recipe, Segmentation
from klevels.record import state_of
from klevels.runs import Outputs, segment_to
from klevels.sources import visible
from klevels.version import __version__
from klevels.workers import Workers


class Maker:
    """What segments the scans of a batch.

    Parameters
    ----------
    recipe : Recipe
        What is asked of each.
    results : Results
        Where labels go.
    workers : Workers
        Who does it.
    """

    def __init__(self, recipe: Recipe, results: Results, workers: Workers) -> None:
        self.recipe = recipe
        self._results = results
        self._workers = workers
        self._counted: tuple[Path, Histogram] | None = None
        self._mask = None if recipe.mask is None else io.read(recipe.mask, lazy=self._lazy)

    def count(self, scan: Path) -> Histogram:
        """Add the counts of a scan to those that the model of all will be fitted to.

        Parameters
        ----------
        scan : Path
            The input: gray, and of the dtype of the first.

        Returns
        -------
        Histogram
            Its own.

        Raises
        ------
        DataError
            If it is in color, or of another dtype.
        """
        image = self._read(scan)
        if "c" in image.axes:
            raise DataError(
                f"has axes {image.axes}, but a shared model is of gray scans; read it with --gray (gray=True)"
            )
        mask = self._mask_for(image)
        labeling.check_neighborhoods(image, self.recipe)
        recipe = self.recipe
        if not recipe.is_resolved:
            recipe = choose_filter(image, visible(image, mask), recipe)
        source, inside = cutting.in_blocks(image, mask, self._workers, halo=labeling.reach(image, recipe))
        inside = visible(source, inside)
        clean = labeling.denoised(source, inside, recipe, self._workers)
        counted = engine.count(clean.data, inside, recipe.nan, self._workers)
        if self._counted is None:
            self._counted = scan, counted
            return counted
        first, pooled = self._counted
        if counted.dtype != pooled.dtype:
            raise DataError(
                f"its dtype is {counted.dtype}, but that of {first} is {pooled.dtype}; convert one of them first"
            )
        self._counted = first, pooled + counted
        return counted

    def share(self) -> Levels:
        """Fit one model to all scans that were counted, and apply it from now on.

        Returns
        -------
        Levels
            The model.
        """
        if self._counted is None:
            raise DataError("no scan was counted; count one at least")
        shared = fit(self._counted[1], self.recipe, threads=self._workers.threads)
        self.recipe = replace(self.recipe, model=shared, noise=None)
        return shared

    def make(self, scan: Path, output: Path, *, resume: bool) -> dict[str, Any] | None:
        """Segment a scan, and write its labels and its record.

        Parameters
        ----------
        scan : Path
            The input.
        output : Path
            The labels; they are replaced.
        resume : bool
            Whether labels that are written block by block go on where an interrupted run ended.

        Returns
        -------
        dict
            The record.
        """
        image = self._read(scan)
        mask = self._mask_for(image)
        workers = self._workers
        if not io.is_streamed(output, image) and workers.client is None:
            result = segment(image, recipe=self.recipe, mask=mask, threads=workers.threads, memory=workers.memory)
            return self._results.write_labels(output, result.labels, record_for(scan, result, self.recipe))

        def record(result: Segmentation) -> dict[str, Any]:
            return record_for(scan, result, self.recipe)

        segment_to(
            Outputs(labels=output, others={}),
            image,
            mask,
            self.recipe,
            workers,
            fingerprint={
                "inputs": [state_of(scan)],
                "recipe": self.recipe.to_dict(),
                "mask": None if self.recipe.mask is None else state_of(self.recipe.mask),
                "outputs": [output.name],
                "version": __version__,
            },
            record=record,
            resume=resume,
            overwrite=True,
        )
        return read_record(output)

    @property
    def _lazy(self) -> bool | None:
        return None if self._workers.client is None else True

    def _read(self, scan: Path) -> Image:
        recipe = self.recipe
        return io.read(
            scan,
            gray=recipe.gray,
            level=recipe.level,
            missing=recipe.missing,
            layout=recipe.layout,
            lazy=self._lazy,
        )

    def _mask_for(self, image: Image) -> Any:
        if self._mask is None:
            return None
        found, shape = (_shape(one) for one in (self._mask, image))
        if found != shape:
            raise DataError(f"its shape is {shape}, but that of the mask {self.recipe.mask} is {found}")
        return inside_of(self._mask)


def reason_of(scan: Path, error: BaseException) -> str:
    """Return what is bad about a scan, in one line that does not begin with its name.

    Parameters
    ----------
    scan : Path
        The input.
    error : BaseException
        What was raised.

    Returns
    -------
    str
        The reason.
    """
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"out of memory ({text}); use a machine with more, or --memory"
    for name in (scan, file_of(scan)):
        text = text.removeprefix(f"{name}: ")
    return text


def _shape(image: Image) -> tuple[int, ...]:
    return image.shape[: len(image.axes.replace("c", ""))]
