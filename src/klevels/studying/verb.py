"""study: segment a scan in many ways, and compare the results with a truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels import engine, labeling, neighborhoods
from klevels.assessing import noise_within
from klevels.comparing import compare_images
from klevels.core.agreement import Agreement
from klevels.core.clarity import separation, valley_ratio
from klevels.core.confidence import low_share
from klevels.core.denoise import Filter, Method
from klevels.core.edges import edges_kept
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.noise import NoiseMethod
from klevels.counting import as_mask
from klevels.errors import DataError, MissingDependencyError, NoValleyError, ParameterError
from klevels.fitting import fit
from klevels.image import Image
from klevels.lazy import Window
from klevels.pipeline import as_label_image, segment
from klevels.recipe import Recipe
from klevels.sources import as_gray_image
from klevels.studying.likeness import central_window, simulate_like
from klevels.studying.rows import LeftOut, StudyRow
from klevels.studying.table import Study
from klevels.studying.variants import Variant, noise_and_contrast, variants
from klevels.workers import Workers

MOST_VOXELS = 1 << 24
"""Of a larger scan, the middle part is studied."""
BETA_DIGITS = 3
"""Behind the point, of β: a command shall repeat it, and do the same to the bit."""
MOST_SHOWN = 8
"""So many numbers are listed in a message."""


def study(
    image: Image | ArrayLike,
    k: int | None = None,
    *,
    methods: Sequence[Filter | Method | str] | None = None,
    truth: Image | ArrayLike | Literal["simulated"] | None = None,
    noise: NoiseMethod | float | None = None,
    nan: Literal["error", "ignore"] = "error",
    mask: Image | ArrayLike | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Study:
    """Measure what denoising, and agreement with neighbors, change in the segmentation of a scan.

    Segments it without denoising and with each filter at three strengths, each alone and with smoothed labels, and
    compares the labels with a truth.

    Parameters
    ----------
    image : Image or array_like
        Gray, in memory or not. Of more than 2**24 voxels, the middle part is studied.
    k : int
        Number of classes; where noise is split off, of the signal alone.
    methods : sequence of str or Filter, optional
        The filters to try: a method, such as "nlm", at half, once and twice its usual strength for the noise that is
        found, "median" with a radius of 1, 2 and 3 voxels, and "gaussian" with 0.7, 1 and 1.5; or a method with a
        strength, such as "median:2". All methods by default.
    truth : Image or array_like or "simulated", optional
        The true label of each voxel, of the image's shape: 0 to the number of classes - 1, from dark to bright. Where
        there is none, it is simulated.
    noise : {"valley", "kmeans", "minimum-error"} or float, optional
        Split noise off first, as label 0; see `split_noise`.
    nan : {"error", "ignore"}
        Whether NaN voxels are refused or left out.
    mask : Image or array_like of bool or int, optional
        Of the image's shape: True, or nonzero, where a voxel counts.
    seed : int
        Of the noise of the simulated scan: the same number gives the same labels, to the bit.
    threads : int, optional
        How many threads to use; all processors by default. The result is the same for any number, but for the times.
    progress : callable, optional
        Called with the name of each stage as it begins.

    Returns
    -------
    Study
        A row for each way to segment the scan; `Study.recommended` is the best one.

    Raises
    ------
    ParameterError
        If an argument is out of its range.
    DataError
        If the image cannot be clustered as asked, or the truth has another shape or other labels.

    Notes
    -----
    The simulated truth is the scan's own segmentation, denoised and smoothed by "auto". A scan of it is simulated:
    painted in the gray values of its phases, with the blur and the noise that are estimated of the scan. Each way to
    segment is tried on that scan, too, with the same strengths and the same end of noise, and compared with the truth.
    What a real scan has beyond that, such as details that were smoothed away, noise that is correlated, or rings, it
    does not have: a truth that was drawn by hand tells more. What depends on the truth, the agreement and the edges
    that are kept, is of that scan; all else is of the scan itself. See `StudyRow` for each column.

    Examples
    --------
    >>> from klevels.samples import simulate_phases
    >>> scan = simulate_phases((48, 48), noise=5000, seed=1)
    >>> found = study(scan.image, 3, methods=["median"], truth=scan.truth)
    >>> len(found.rows), found.recommended.misclassified < found.baseline.misclassified
    (8, True)
    """
    if k is None:
        raise ParameterError("k is missing; give the number of classes")
    recipe = Recipe(k=k, noise=noise, nan=nan, random_state=seed)
    if recipe.n_classes < 2:
        raise ParameterError("k is 1, and with a single class there is nothing to tell apart; give 2 or more")
    step = progress or (lambda _: None)
    step("choosing")
    whole, inside = as_gray_image(image), as_mask(mask)
    if inside is not None:
        _check_shape("mask", inside, whole)
    sigma, contrast = noise_and_contrast(whole, inside, recipe)
    tried = variants(methods, sigma, contrast)
    window = central_window(whole.shape, MOST_VOXELS)
    part, within = _loaded(whole, inside, window)
    known = None if truth is None or isinstance(truth, str) else _truth(truth, whole, window, recipe, within)
    if isinstance(truth, str) and truth != "simulated":
        raise ParameterError(f"truth is {truth!r}; give labels, or 'simulated'")
    scored, blur, workers = part, None, Workers(threads)
    if known is None:
        step("simulating")
        asked = replace(recipe, denoise="auto", smooth="auto")
        reference = segment(part, recipe=asked, mask=within, threads=threads)
        labels, model = reference.labels.data, cast(Levels, reference.model)
        scored, blur = simulate_like(part, within, labels, model, sigma, seed=seed, threads=threads)
        known = reference.labels
    bench = _Bench(part, within, scored, known, sigma, recipe, workers)
    rows, left_out = _tried(bench, [Variant(None, None), *tried], step)
    if not rows:
        raise DataError(f"nothing could be tried: {left_out[0].reason}")
    return Study(
        tuple(rows),
        tuple(left_out),
        recipe,
        part,
        within,
        window,
        whole.shape,
        sigma,
        known,
        "given" if blur is None else "simulated",
        scored,
        blur,
        seed,
    )


@dataclass(frozen=True, eq=False)
class _Bench:
    """What is the same for all rows."""

    image: Image
    inside: NDArray[np.bool_] | None
    scored: Image
    """What is compared with the truth: the image, or the simulated scan."""
    truth: Image
    noise: float
    recipe: Recipe
    workers: Workers


class _Outcome(NamedTuple):
    """One image, segmented with a filter, alone and with smoothed labels."""

    clean: Image
    counted: Histogram
    model: Levels
    alone: NDArray[Any]
    smoothed: NDArray[Any]
    beta: float
    seconds: tuple[float, float]


def _tried(
    bench: _Bench, tried: Sequence[Variant], step: Callable[[str], None]
) -> tuple[list[StudyRow], list[LeftOut]]:
    rows: list[StudyRow] = []
    left_out: list[LeftOut] = []
    for chosen, reason in tried:
        step("no denoising" if chosen is None else str(chosen))
        if reason is not None:
            left_out.append(LeftOut(chosen, reason))
            continue
        try:
            rows += _rows(bench, chosen)
        except (DataError, MissingDependencyError, ParameterError) as error:
            # Without a filter only the split of noise depends on how noisy the scan is: a filter may help it.
            if chosen is None and not isinstance(error, NoValleyError):
                raise
            left_out.append(LeftOut(chosen, str(error)))
    return rows, left_out


def _rows(bench: _Bench, chosen: Filter | None) -> list[StudyRow]:
    """Return the rows of a filter: alone, and with smoothed labels."""
    recipe = replace(bench.recipe, denoise=chosen)
    found = _segmented(bench, bench.image, recipe, "auto")
    judged, model, left = found, found.model, bench.noise
    if bench.scored is not bench.image:
        judged = _segmented(bench, bench.scored, replace(recipe, noise=model.noise_threshold), found.beta)
    if chosen is not None:
        left = noise_within(found.clean, bench.inside, model, bench.noise, threads=bench.workers.threads)
    apart, valley = separation(model), valley_ratio(found.counted, model)
    low = low_share(found.counted, model.centers, left)
    kept = edges_kept(bench.scored.data, judged.clean.data, bench.truth.data, model.n_classes)
    return [
        StudyRow(
            recipe=replace(recipe, smooth=beta),
            levels=replace(model, counts=engine.class_counts(labels, model.n_classes, bench.workers)),
            histogram=found.counted,
            separation=apart,
            valley=valley,
            low_confidence=low,
            edges_kept=kept,
            seconds=seconds,
            agreement=_agreement(bench, scored, replace(recipe, smooth=beta)),
        )
        for beta, labels, scored, seconds in (
            (None, found.alone, judged.alone, found.seconds[0]),
            (found.beta, found.smoothed, judged.smoothed, found.seconds[1]),
        )
        if beta != 0  # what is not smoothed is there already
    ]


def _segmented(bench: _Bench, image: Image, recipe: Recipe, beta: float | Literal["auto"]) -> _Outcome:
    """Segment an image as `segment` does, with and without smoothing at the cost of one."""
    inside, workers = bench.inside, bench.workers
    begun = perf_counter()
    clean = labeling.denoised(image, inside, recipe, workers)
    counted = engine.count(clean.data, inside, recipe.nan, workers)
    model = fit(counted, recipe, threads=workers.threads)
    alone = labeling.label(image, clean, inside, model, recipe, None, counted, workers)
    labeled = perf_counter()
    potts = labeling.estimate_potts(image, clean, inside, model, replace(recipe, smooth=beta), workers)
    potts = replace(potts, beta=round(potts.beta, BETA_DIGITS))
    smoothed = neighborhoods.smooth(image, alone, inside, potts, workers)
    seconds = (labeled - begun, perf_counter() - begun)
    return _Outcome(clean, counted, model, alone, smoothed, potts.beta, seconds)


def _agreement(bench: _Bench, labels: NDArray[Any], recipe: Recipe) -> Agreement:
    shown = as_label_image(bench.scored, labels, recipe)  # it says which label marks voxels that were left out
    return compare_images(shown, bench.truth, bench.inside, match=False, ignore=None, workers=bench.workers)


def _loaded(whole: Image, mask: Any, window: Window) -> tuple[Image, NDArray[np.bool_] | None]:
    """Return a part of an image in memory, and where its voxels count."""
    values = whole.data[window]
    inside = None if mask is None else np.asarray(mask[window]) != 0
    if np.ma.is_masked(values):
        shown = ~np.ma.getmaskarray(values)
        inside = shown if inside is None else inside & shown
    plain = np.ascontiguousarray(np.ma.getdata(np.asanyarray(values)))
    return replace(whole, data=plain), inside


def _truth(
    given: Image | ArrayLike, whole: Image, window: Window, recipe: Recipe, inside: NDArray[np.bool_] | None
) -> Image:
    """Return the part of a truth that is looked at, if it fits the image and its classes."""
    truth = as_gray_image(given)
    _check_shape("truth", truth, whole)
    values = np.ma.getdata(np.asanyarray(truth.data[window]))
    counted = values if inside is None else values[inside]
    numbers = np.unique(counted)
    if "label_colors" in truth.meta and values.dtype.kind == "u":
        numbers = numbers[numbers != np.iinfo(values.dtype).max]
    if not np.isin(numbers, np.arange(recipe.n_classes)).all():
        shown = ", ".join(f"{number:g}" for number in numbers[:MOST_SHOWN].tolist())
        raise DataError(
            f"the truth has the numbers {shown}{', …' if numbers.size > MOST_SHOWN else ''}, but the labels are 0 to "
            f"{recipe.n_classes - 1}, from dark to bright; renumber it, give another k, or a mask of what is known"
        )
    return replace(truth, data=values)


def _check_shape(name: str, given: Any, whole: Image) -> None:
    found = np.shape(given.data if isinstance(given, Image) else given)
    if found != whole.shape:
        raise DataError(f"the {name} has shape {found}, the image {whole.shape}; give one of the same shape")
