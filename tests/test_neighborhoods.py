"""What looks around a voxel gives the same bits in memory, where it is stored, in blocks, in runs and with dask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klevels
from commands import files
from klevels import io
from klevels.core.denoise import METHODS, Filter
from klevels.errors import DataError, ParameterError
from klevels.image import Image
from klevels.labeling import reach
from klevels.lazy import LazyArray, LoadedArray, Window
from klevels.recipe import Recipe, Segmentation
from klevels.runs import Outputs, segment_to
from klevels.samples import simulate_phases
from klevels.workers import Workers

SHAPE = (24, 30, 28)
SPACING = (2.0, 1.0, 1.0)
SCAN = simulate_phases(SHAPE, noise=5000, length=5, seed=4)
VALUES = SCAN.image.data
MASK = np.random.default_rng(4).random(SHAPE) < 0.9
STRENGTHS = {"diffusion": 5000, "nlm": 4000, "bilateral": 9000, "tv": 4000, "median": 1, "gaussian": 0.8}
RECIPES = {
    "denoise": {"denoise": "auto"},
    "smooth": {"smooth": "auto"},
    "both": {"denoise": "diffusion", "smooth": 0.8},
    "borders": {"denoise": "gaussian:0.7", "borders": "resolve"},
    "undecided": {"denoise": "median", "borders": "undecided", "smooth": "auto"},
    "random field": {"smooth": "auto", "reestimate": True},
}


class Steps(LazyArray):
    """An array that is read where it is stored, and fails after so many reads, if it is told to."""

    def __init__(self, data: np.ndarray, n_reads: int | None = None) -> None:
        super().__init__(data.shape, data.dtype, (3, *data.shape[1:]), "scan.tif")
        self.data = data
        self.left = n_reads

    def read(self, window: Window) -> np.ndarray:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return self.data[window]


def kinds(values: np.ndarray) -> dict[str, Any]:
    return {
        "loaded": LoadedArray(values),
        "stored": Steps(values),
        "dask": da.from_array(values, chunks=(9, 7, 28)),
        "dask, small": da.from_array(values, chunks=(4, 30, 5)),
    }


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 800)


def segmented(data: Any, mask: Any = None, **options: Any) -> Segmentation:
    return klevels.segment(Image(data, "zyx", SPACING, "mm"), 3, mask=mask, **options)


@pytest.mark.parametrize("kind", kinds(VALUES))
@pytest.mark.parametrize("method", METHODS)
def test_denoised_in_blocks_as_in_memory(method: str, kind: str) -> None:
    options = {"strength": STRENGTHS[method], "mask": MASK}
    whole = klevels.denoise(Image(VALUES, "zyx", SPACING, "mm"), Filter(method, noise=5000.0), mask=MASK)
    assert (whole.spacing, whole.unit, whole.dtype, whole.is_lazy) == (SPACING, "mm", np.uint16, False)
    found = klevels.denoise(Image(kinds(VALUES)[kind], "zyx", SPACING), Filter(method, noise=5000.0), mask=MASK)
    assert found.is_lazy
    np.testing.assert_array_equal(np.asarray(found.data), whole.data)
    np.testing.assert_array_equal(whole.data[~MASK], VALUES[~MASK])
    named = klevels.denoise(VALUES, method, **options)
    assert named.meta["denoised"].startswith(method)


@pytest.mark.parametrize("kind", kinds(VALUES))
@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_labels_in_blocks_as_in_memory(name: str, kind: str, mask: np.ndarray | None) -> None:
    expected = segmented(VALUES, mask, **RECIPES[name])
    found = segmented(kinds(VALUES)[kind], mask, **RECIPES[name])
    assert found.recipe == expected.recipe
    assert found.summary() == expected.summary()
    np.testing.assert_array_equal(np.asarray(found.labels.data), expected.labels.data)
    assert expected.recipe.is_resolved
    if mask is not None:
        np.testing.assert_array_equal(expected.labels.data == 255, ~mask)


@pytest.mark.parametrize("kind", kinds(VALUES))
@pytest.mark.parametrize("name", RECIPES)
def test_many_boxes_stand_for_an_image_in_blocks_as_in_memory(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("klevels.sampling.MOST_VOXELS", 6000)
    expected = segmented(VALUES, MASK, **RECIPES[name])
    found = segmented(kinds(VALUES)[kind], MASK, **RECIPES[name])
    assert found.recipe == expected.recipe
    assert klevels.confidence(found).summary() == klevels.confidence(expected).summary()
    np.testing.assert_array_equal(np.asarray(found.labels.data), expected.labels.data)


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_that_comes_out_does_it_again(name: str) -> None:
    first = segmented(VALUES, **RECIPES[name])
    stored = json.loads(json.dumps(first.recipe.to_dict()))
    again = klevels.segment(Image(VALUES, "zyx", SPACING), recipe=Recipe.from_dict(stored))
    assert again.recipe == first.recipe
    np.testing.assert_array_equal(again.labels.data, first.labels.data)


@settings(max_examples=12, deadline=None)
@given(n_bytes=st.integers(200, 4000), threads=st.integers(1, 3), name=st.sampled_from(sorted(RECIPES)))
def test_any_block_size_gives_the_same_labels(n_bytes: int, threads: int, name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("klevels.memory.BLOCK_BYTES", n_bytes)
        found = segmented(Steps(VALUES), threads=threads, **RECIPES[name])
        labels = np.asarray(found.labels.data)
    np.testing.assert_array_equal(labels, segmented(VALUES, **RECIPES[name]).labels.data)


def run(folder: Path, data: Any, **options: Any) -> Segmentation:
    """Segment to files."""
    asked = Recipe(k=3, **options.pop("recipe"))
    outputs = Outputs(labels=folder / "a.ome.zarr", paint=folder / "b.tif", margins=folder / "c.nrrd", others={})
    how = {"fingerprint": asked.to_dict(), "record": lambda result: result.recipe.to_dict(), **options}
    return segment_to(outputs, Image(data, "zyx", SPACING, "mm"), None, asked, Workers(2), **how)


@pytest.mark.parametrize("is_kept", [True, False], ids=["on the disk", "computed again"])
@pytest.mark.parametrize("kind", ["stored", "dask"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_run_writes_what_there_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str, is_kept: bool
) -> None:
    monkeypatch.setattr("klevels.scratch.DISK_RATE", 1e12 if is_kept else 1e-3)
    expected = segmented(VALUES, **RECIPES[name])
    result = run(tmp_path, kinds(VALUES)[kind], recipe=RECIPES[name])
    written = {path: io.read(tmp_path / path, lazy=False).data for path in ("a.ome.zarr", "b.tif", "c.nrrd")}
    np.testing.assert_array_equal(written["a.ome.zarr"], expected.labels.data)
    np.testing.assert_array_equal(written["b.tif"], expected.paint().data)
    np.testing.assert_array_equal(written["c.nrrd"], klevels.confidence(expected).margins.data)
    assert result.summary() == expected.summary()
    np.testing.assert_array_equal(np.asarray(result.labels.data), expected.labels.data)
    assert json.loads((tmp_path / "b.tif.json").read_text()) == expected.recipe.to_dict()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("n_reads", [1, 3, 8, 15, 25, 40])
def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_reads: int) -> None:
    monkeypatch.setattr("klevels.scratch.DISK_RATE", 1e12)
    monkeypatch.setattr("klevels.sampling.MOST_VOXELS", 1000)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    recipe = {"denoise": "auto", "smooth": "auto"}
    run(tmp_path / "one", Steps(VALUES), recipe=recipe)
    try:
        run(tmp_path / "two", Steps(VALUES, n_reads), recipe=recipe)
    except KeyboardInterrupt:
        assert [path.suffix for path in (tmp_path / "two").iterdir()] == [".partial"]
        run(tmp_path / "two", Steps(VALUES), recipe=recipe, resume=True)
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_a_run_on_channels_is_not_smoothed_in_silence(tmp_path: Path) -> None:
    image = Image(LoadedArray(np.stack([VALUES[0]] * 3, axis=-1)), "yxc")
    for options in ({"smooth": 0.5}, {"borders": "resolve"}):
        with pytest.raises(ParameterError, match="is for gray images"):
            segment_to(
                Outputs(labels=tmp_path / "a.tif", others={}),
                image,
                None,
                Recipe(k=2, **options),
                Workers(1),
                fingerprint={},
                record=lambda _: {},
            )
    assert not list(tmp_path.iterdir())


def test_no_smoothing_is_plain_k_means() -> None:
    np.testing.assert_array_equal(segmented(VALUES, smooth=0.0).labels.data, segmented(VALUES).labels.data)


def test_denoising_and_smoothing_find_the_truth() -> None:
    for noise, most in ((4000, 0.016), (8000, 0.032)):
        scan = simulate_phases((96, 96, 96), noise=noise, length=6, seed=11)
        result = klevels.segment(scan.image, 3, denoise="auto", smooth="auto")
        assert (result.labels.data != scan.truth.data).mean() <= most


def test_two_denoised_classes_are_not_smoothed_unasked() -> None:
    scan = simulate_phases((32, 40, 40), gray=(20000, 40000), fractions=(0.2, 0.8), noise=10000, length=5, seed=1)
    alone = klevels.segment(scan.image, 2, denoise="auto")
    both = klevels.segment(scan.image, 2, denoise="auto", smooth="auto")
    assert both.recipe.smooth == 0
    np.testing.assert_array_equal(both.labels.data, alone.labels.data)
    assert abs(alone.model.fractions[0] - 0.2) < 0.005
    assert klevels.segment(scan.image, 2, smooth="auto").recipe.smooth > 0


def test_transparency_is_not_denoised() -> None:
    rng = np.random.default_rng(0)
    image = Image(rng.integers(0, 255, (20, 21, 4), np.uint8), "yxc", meta={"alpha": "straight"})
    found = klevels.denoise(image, "median")
    is_alpha = klevels.sources.has_alpha(image)
    assert is_alpha
    np.testing.assert_array_equal(found.data[..., 3], image.data[..., 3])


def test_voxels_left_out_are_not_undecided_with_255_classes() -> None:
    values = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    mask = np.ones((64, 64), bool)
    mask[:8] = False
    result = klevels.segment(values, 255, mask=mask, smooth=0.5)
    assert (result.n_undecided, result.n_ignored) == (0, 8 * 64)


def test_noise_split_off_and_denoised() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(1000, 1500, (40, 40, 40)).clip(0)
    values[8:32, 8:32, 8:32] = rng.normal(9000, 1500, (24, 24, 24))
    for method in ("auto", "nlm", "median", "diffusion"):
        result = klevels.segment(values.astype(np.uint16), 1, noise="valley", denoise=method)
        assert result.model.n_classes == 2


def test_confidence_knows_what_counted() -> None:
    values = VALUES.copy()
    values[~MASK] = 60000
    sure = klevels.confidence(segmented(values, MASK, denoise="auto"))
    np.testing.assert_array_equal(np.isnan(sure.margins.data), ~MASK)
    assert sure.noise < 6000
    for phase in sure.intervals.phases:
        assert phase.low <= phase.fraction <= phase.high
    lazy = klevels.confidence(segmented(Steps(values), MASK, denoise="auto"))
    assert lazy.summary() == sure.summary()
    np.testing.assert_array_equal(np.asarray(lazy.margins.data), sure.margins.data)
    with pytest.raises(ParameterError, match="has channels"):
        klevels.confidence(klevels.segment(Image(np.stack([VALUES[0]] * 3, -1), "yxc"), 2))


def test_a_figure_of_undecided_voxels() -> None:
    result = segmented(VALUES, denoise="median", borders="undecided")
    assert set(np.unique(result.decided.data)) == {0, 1, 2, 255}
    klevels.figures.sheet(result.source, result.histogram, result.decided, result.model)


@pytest.mark.parametrize(("noise", "is_denoised"), [(100.0, False), (1500.0, True)])
def test_noise_that_does_not_matter(noise: float, is_denoised: bool) -> None:
    scan = simulate_phases((24, 30, 30), gray=(10000, 30000), noise=noise, blur=0, seed=2)
    assert (klevels.segment(scan.image, 2, denoise="auto").recipe.denoise is not None) == is_denoised


def test_nothing_is_denoised_where_there_is_no_noise() -> None:
    clean = simulate_phases(SHAPE, noise=0, blur=0, seed=4)
    result = klevels.segment(clean.image, 3, denoise="auto")
    assert result.recipe.denoise is None
    assert result.denoised is None
    np.testing.assert_array_equal(result.labels.data, clean.truth.data)


def test_counts_are_of_the_labels() -> None:
    result = segmented(VALUES, denoise="median", borders="undecided", smooth="auto")
    found = np.bincount(result.labels.data.ravel(), minlength=4)
    assert result.model.counts.tolist() == found[:3].tolist()
    assert result.n_undecided == found[3] > 0
    assert result.n_ignored == 0
    assert dict(result.labels.meta["label_colors"])[3] == (255, 0, 255)
    painted = result.paint().data
    assert (painted[result.labels.data == 3] == 0).all()


def test_voxels_that_are_nan_take_no_part() -> None:
    values = VALUES.astype(np.float32)
    values[5:9, 10:12, 3:20] = np.nan
    options = {"nan": "ignore", "denoise": "auto", "smooth": "auto", "borders": "resolve"}
    result = segmented(values, **options)
    np.testing.assert_array_equal(result.labels.data == 255, np.isnan(values))
    found = segmented(Steps(values), **options)
    np.testing.assert_array_equal(np.asarray(found.labels.data), result.labels.data)


def test_channels_are_denoised_one_by_one() -> None:
    values = np.stack([VALUES[0], VALUES[9]], axis=-1)
    image = Image(values, "yxc")
    found = klevels.denoise(image, "median")
    for channel in range(2):
        np.testing.assert_array_equal(found.data[..., channel], klevels.denoise(values[..., channel], "median").data)
    lazy = klevels.denoise(Image(LoadedArray(values), "yxc"), "median")
    np.testing.assert_array_equal(np.asarray(lazy.data), found.data)
    assert klevels.segment(image, 2, denoise="gaussian:1").labels.shape == values.shape[:2]
    noise = [klevels.estimate_noise(values[..., c]) for c in range(2)]
    chosen = klevels.segment(image, 2, denoise="auto").recipe.denoise
    assert isinstance(chosen, Filter)
    assert chosen.noise == pytest.approx(np.sqrt(np.mean(np.square(noise))))
    with pytest.raises(ParameterError, match="smooth is for gray images"):
        klevels.segment(image, 2, smooth="auto")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"denoise": "blur"}, "denoise is 'blur'; use auto, or one of"),
        ({"denoise": 3}, "denoise is 3; give auto"),
        ({"denoise": "median:40"}, "radius is 40"),
        ({"denoise": "median:7"}, None),
        ({"smooth": -1}, "smooth is -1; give 'auto'"),
        ({"smooth": "much"}, "smooth is 'much'; give 'auto'"),
        ({"borders": "all"}, "borders is 'all'; use 'resolve', 'undecided' or none"),
        ({"reestimate": True}, "needs smooth"),
        ({"recipe": Recipe(k=2), "denoise": "auto"}, "both a recipe and settings"),
    ],
)
def test_what_cannot_be_done_is_refused(options: dict[str, Any], message: str | None) -> None:
    k = None if "recipe" in options else 3
    if message is None:
        klevels.segment(VALUES, k, **options)
        return
    with pytest.raises(ParameterError, match=message):
        klevels.segment(VALUES, k, **options)


def test_a_window_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ParameterError, match="larger than the image"):
        klevels.denoise(VALUES[:, :4], "median", strength=3)


def test_a_mask_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(DataError):
        klevels.segment(VALUES, 2, mask=np.zeros(SHAPE, bool), denoise="auto", smooth="auto")


def test_how_far_a_label_looks() -> None:
    image = Image(VALUES, "zyx")
    assert reach(image, Recipe(k=3)) is None
    alone = reach(image, Recipe(k=3, denoise=Filter("median", 2)))
    both = reach(image, Recipe(k=3, denoise=Filter("median", 2), borders="resolve"))
    assert alone == (2, 2, 2)
    assert both is not None
    assert all(one > other for one, other in zip(both, alone, strict=True))
