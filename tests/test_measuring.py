"""Phases are measured to the same bits wherever labels are, and as SciPy and NumPy measure them."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import klevels
from cluster import cluster_of
from klevels.blocks.cluster import connect
from klevels.core.histogram import Histogram
from klevels.errors import DataError, DataTypeError, ParameterError
from klevels.image import Image
from klevels.lazy import LoadedArray
from klevels.measuring import measure

SHAPE = (9, 21, 17)
RNG = np.random.default_rng(3)
COARSE = RNG.integers(0, 3, tuple(-(-n // 3) for n in SHAPE))
LABELS = COARSE.repeat(3, 0).repeat(3, 1).repeat(3, 2)[: SHAPE[0], : SHAPE[1], : SHAPE[2]].astype(np.uint8)
LABELS[RNG.random(SHAPE) < 0.1] = 1
GRAY = (LABELS * np.uint16(900) + RNG.integers(0, 500, SHAPE)).astype(np.uint16)
MASK = RNG.random(SHAPE) < 0.9
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

KINDS: dict[str, Any] = {
    "array": lambda a: a,
    "lazy": LoadedArray,
    "lazy Image": lambda a: Image(LoadedArray(a), "zyx"),
    "dask": lambda a: da.from_array(a, chunks=(4, 9, 17)),
    "other dask": lambda a: da.from_array(a, chunks=(5, 21, 5)),
    "xarray": lambda a: xarray.DataArray(a, dims=("z", "y", "x")),
    "zarr": lambda a: zarr.array(a, chunks=(2, 8, 8)),
}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@settings(deadline=None, max_examples=15)
@given(
    kinds=st.tuples(*(st.sampled_from(sorted(KINDS)) for _ in range(3))),
    threads=st.sampled_from([None, 1, 3]),
    block=st.integers(500, 4000),
)
def test_all_kinds_of_arrays_give_the_same_bits(
    dtype: type, kinds: tuple[str, str, str], threads: int | None, block: int
) -> None:
    gray = (GRAY / 7).astype(dtype)
    whole = measure(LABELS, gray, mask=MASK, objects=(0, 2)).to_dict()
    labels, values, mask = (KINDS[kind](one) for kind, one in zip(kinds, (LABELS, gray, MASK), strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("klevels.memory.BLOCK_BYTES", block)
        assert measure(labels, values, mask=mask, objects=(0, 2), threads=threads).to_dict() == whole


def test_a_cluster_gives_the_same_bits(tmp_path: Path) -> None:
    with cluster_of(tmp_path / "cluster", 2) as running, connect(running.address) as client:
        found = measure(da.from_array(LABELS, chunks=(3, 9, 9)), GRAY, objects=2, client=client)
    assert found.to_dict() == measure(LABELS, GRAY, objects=2).to_dict()


@pytest.mark.parametrize(("connectivity", "rank"), [(6, 1), (18, 2), (26, 3)])
def test_counts_gray_values_and_components_are_those_of_numpy_and_scipy(connectivity: int, rank: int) -> None:
    found = measure(Image(LABELS, "zyx", (0.5, 2.0, 3.0), "mm"), GRAY, mask=MASK, connectivity=connectivity)
    table = found.phases
    for i, phase in enumerate(table["phase"].tolist()):
        inside = (phase == LABELS) & MASK
        values = GRAY[inside].astype(np.float64)
        joined, n = ndimage.label(inside, ndimage.generate_binary_structure(3, rank))
        sizes = np.bincount(joined.ravel())[1:]
        assert table["n_voxels"][i] == inside.sum()
        assert table["fraction"][i] == inside.sum() / MASK.sum()
        assert table["fraction_of_whole"][i] == inside.sum() / inside.size
        assert table["volume"][i] == pytest.approx(3.0 * inside.sum())
        assert table["mean"][i] == pytest.approx(values.mean())
        assert table["std"][i] == pytest.approx(values.std())
        assert (table["min"][i], table["max"][i]) == (values.min(), values.max())
        assert table["n_components"][i] == n
        assert table["largest_share"][i] == pytest.approx(sizes.max() / sizes.sum())
        for axis, name in enumerate("zyx"):
            ends = [set(np.unique(np.take(joined, end, axis))) - {0} for end in (0, -1)]
            assert table[f"percolates_{name}"][i] == bool(ends[0] & ends[1])
    assert found.n_ignored == (~MASK).sum()
    assert table.headers[:5] == ("phase", "n_voxels", "fraction", "fraction_of_whole", "volume [mm³]")


def test_profiles_are_those_of_numpy() -> None:
    found = measure(Image(LABELS, "zyx", (0.5, 2.0, 3.0), "mm"), GRAY, mask=MASK)
    for axis, (name, step) in enumerate(zip("zyx", (0.5, 2.0, 3.0), strict=True)):
        profile = found.profiles[name]
        others = tuple(other for other in range(3) if other != axis)
        counts = np.stack([((p == LABELS) & MASK).sum(axis=others) for p in range(3)], axis=1)
        sums = np.stack([np.where((p == LABELS) & MASK, GRAY, 0).sum(axis=others) for p in range(3)], axis=1)
        np.testing.assert_array_equal(profile["n_voxels"].reshape(-1, 3), counts)
        np.testing.assert_allclose(profile["mean"].reshape(-1, 3), sums / counts)
        np.testing.assert_allclose(profile["position"][::3], np.arange(SHAPE[axis]) * step)
        assert profile.units["position"] == "mm"


def test_the_profile_along_the_radius_is_that_of_numpy() -> None:
    found = measure(Image(LABELS, "zyx", (0.5, 2.0, 3.0), "mm"), GRAY, mask=MASK).profiles["radius"]
    places = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(SHAPE[1:], (2.0, 3.0), strict=True))
    radius = np.hypot(*np.meshgrid(*places, indexing="ij"))
    n_rings = min(SHAPE[1:]) // 2
    width = min(21 * 2.0, 17 * 3.0) / 2 / n_rings
    rings = (radius / width).astype(int) + np.zeros(SHAPE, int)
    np.testing.assert_allclose(found["position"][::3], (np.arange(n_rings) + 0.5) * width)
    for phase in range(3):
        inside = (phase == LABELS) & MASK & (rings < n_rings)
        counts = np.bincount(rings[inside], minlength=n_rings)
        sums = np.bincount(rings[inside], GRAY[inside], minlength=n_rings)
        np.testing.assert_array_equal(found["n_voxels"][phase::3], counts)
        seen = counts > 0
        np.testing.assert_allclose(found["mean"][phase::3][seen], sums[seen] / counts[seen])


def test_a_segmentation_tells_its_gray_values_without_a_second_look() -> None:
    found = klevels.segment(GRAY, 3)
    by_histogram = measure(found).phases
    by_voxels = measure(found.labels, GRAY).phases
    assert list(by_histogram.rows()) == list(by_voxels.rows())


def test_a_smoothed_segmentation_is_measured_voxel_by_voxel() -> None:
    found = klevels.segment(GRAY, 3, smooth=1.0)
    labels = np.asarray(found.labels.data)
    assert measure(found).phases["mean"].tolist() == pytest.approx([GRAY[labels == p].mean() for p in range(3)])


def test_phases_that_do_not_occur_have_a_row_in_a_segmentation_and_none_in_plain_labels() -> None:
    fitted = klevels.segment(np.arange(200, dtype=np.uint8).reshape(10, 20), 3)
    empty = klevels.segment(
        np.zeros((4, 5), np.uint8),
        recipe=klevels.Recipe(k=3, model=fitted.model),  # type: ignore[arg-type]
    )
    table = measure(empty).phases
    assert table["n_voxels"].tolist() == [20, 0, 0]
    assert np.isnan(table["mean"][1:]).all()
    assert measure([[0, 5], [5, 9]]).phases["phase"].tolist() == [0, 5, 9]


def test_gray_values_are_told_in_the_unit_that_they_are_calibrated_to() -> None:
    plain, line = measure(LABELS, GRAY), measure(LABELS, GRAY, calibrate="0=1000,100=900,HU")
    np.testing.assert_allclose(line.phases["mean"], 1000 - plain.phases["mean"])
    np.testing.assert_allclose(line.phases["max"], 1000 - plain.phases["min"])
    np.testing.assert_allclose(line.phases["std"], plain.phases["std"])
    np.testing.assert_allclose(line.profiles["z"]["mean"], 1000 - plain.profiles["z"]["mean"])
    assert line.phases.units["mean"] == line.gray_unit == "HU"


def test_the_unit_of_an_image_is_told() -> None:
    image = Image(GRAY, "zyx", meta={"value_unit": "HU"})
    assert measure(LABELS, image).phases.units["mean"] == "HU"


def test_unknown_sizes_are_told_in_voxels() -> None:
    assert measure(LABELS).phases.units["volume"] == "voxel³"
    flat = measure(LABELS[0])
    assert flat.phases.units["area"] == "voxel²"
    assert flat.connectivity == 8


def test_what_segment_left_out_does_not_count() -> None:
    found = klevels.segment(GRAY, 3, mask=MASK)
    assert measure(found).n_ignored == (~MASK).sum()
    marked = np.where(MASK, LABELS, 77).astype(np.uint8)
    assert measure(marked, ignore=77).to_dict() == measure(LABELS, mask=MASK).to_dict()


def test_labels_beyond_eight_bits_are_measured_with_a_mask() -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    mask = np.ones((16, 16), bool)
    mask[0, 0] = False
    found = measure(labels, mask=mask)
    assert found.phases["phase"].tolist() == list(range(1, 256))


def test_beam_hardening_is_warned_of() -> None:
    z, y, x = np.ogrid[:24, :64, :64]
    radius = np.hypot(y - 31.5, x - 31.5) / 32
    rng = np.random.default_rng(1)
    labels = (rng.random((24, 64, 64)) < 0.5).astype(np.uint8) + 0 * z
    flat = 1000 + 1000 * labels + rng.normal(0, 20, labels.shape)
    assert drifts(labels, flat) == ()
    cupped = drifts(labels, flat + 300 * radius)
    assert len(cupped) == 1
    assert "third of the radius the mean gray value moves" in cupped[0]
    assert "beam hardening" in cupped[0]
    drifting = drifts(labels, flat + 20 * z)
    assert len(drifting) == 1
    assert "third of z the mean gray value moves, of phase 0 by" in drifting[0]
    assert "; of phase 1 by" in drifting[0]
    layered = drifts((rng.random((24, 64, 64)) < z / 24).astype(np.uint8))
    assert len(layered) == 1
    assert "third of z the fraction moves, of phase 0 from" in layered[0]


def drifts(labels: Any, gray: Any = None) -> tuple[str, ...]:
    """Return what drifts, of voxels whose size is known."""
    return measure(Image(labels, "zyx", (1.0, 1.0, 1.0)), gray).warnings


@pytest.mark.parametrize(("name", "porosity"), [("berea", 0.196), ("ketton", 0.127)])
def test_the_porosity_of_rocks(name: str, porosity: float) -> None:
    path = DATA / "truth" / f"{name}.zip"
    if not path.is_file():
        pytest.skip("the real scans are not beside the checkout")
    with zipfile.ZipFile(path) as archive:
        inner = next(one for one in archive.namelist() if one.endswith((".tif", ".tiff")))
        labels = tifffile.imread(io.BytesIO(archive.read(inner)))
    table = measure((labels > labels.min()).astype(np.uint8)).phases
    assert table["fraction"][0] == pytest.approx(porosity, abs=0.0005)
    assert table["percolates_z"].all()


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        (LABELS.astype(np.float32), {}, DataTypeError, "labels are float32, like gray values; segment the image first"),
        (LABELS.astype(np.int16) - 1, {}, DataError, "a label is -1, which is negative"),
        (LABELS.astype(np.int64) + 70000, {}, DataError, "greater than 65,535"),
        (np.arange(2000, dtype=np.uint16).reshape(40, 50), {}, DataError, "2,000 labels up to 1,999"),
        (LABELS, {"gray": GRAY[1:]}, DataError, r"the gray image has shape \(8, 21, 17\)"),
        (LABELS, {"mask": MASK[1:]}, DataError, r"the mask has shape \(8, 21, 17\)"),
        (LABELS, {"mask": np.zeros(SHAPE, bool)}, DataError, "the mask leaves no voxel"),
        (np.full((3, 4), 7, np.uint8), {"ignore": 7}, DataError, "nothing is left to measure"),
        (LABELS, {"connectivity": 8}, ParameterError, "connectivity is 8; in 3 dimensions use one of 6, 18, 26"),
        (LABELS[0], {"connectivity": 6}, ParameterError, "in 2 dimensions use one of 4, 8"),
        (LABELS, {"ignore": -1}, ParameterError, "ignore is -1"),
        (LABELS, {"calibrate": "1,2,HU"}, ParameterError, "there are no gray values"),
        (LABELS, {"calibrate": "x", "gray": GRAY}, ParameterError, "calibration is 'x'"),
        (LABELS, {"gray": np.where(MASK, GRAY, np.nan)}, DataError, "voxels of phase 0 is no finite number"),
    ],
)
def test_what_cannot_be_measured_is_refused(labels: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        measure(labels, **options)


def test_nan_outside_of_the_mask_does_no_harm() -> None:
    gray = np.where(MASK, GRAY, np.nan)
    found = measure(LABELS, gray, mask=MASK).phases
    assert math.isclose(found["mean"][0], GRAY[(LABELS == 0) & MASK].mean())


def test_the_histogram_of_a_phase_is_what_it_is_measured_by() -> None:
    counted = Histogram.of(GRAY[LABELS == 2].tolist())
    assert measure(LABELS, GRAY).phases["max"][2] == counted.levels[-1]


def test_objects_are_those_of_scipy_in_the_units_of_the_image() -> None:
    image = Image(LABELS, "zyx", (0.5, 2.0, 3.0), "mm")
    found = measure(image, GRAY, mask=MASK, objects=2, connectivity=6, calibrate="2,-1000,HU", min_voxels=2)
    table = found.objects[2]
    joined, n = ndimage.label((LABELS == 2) & MASK)
    sizes = ndimage.sum_labels(np.ones(SHAPE), joined, np.arange(1, n + 1))
    kept = np.arange(1, n + 1)[sizes >= 2]
    assert table["object"].tolist() == kept.tolist()
    np.testing.assert_array_equal(table["n_voxels"], sizes[kept - 1])
    np.testing.assert_allclose(table["volume"], 3.0 * sizes[kept - 1])
    np.testing.assert_allclose(table["mean"], 2 * ndimage.mean(GRAY, joined, kept) - 1000)
    assert (table.units["mean"], table.units["surface_area"]) == ("HU", "mm²")
    all_of_them = measure(image, mask=MASK, objects=2, connectivity=6)
    assert all_of_them.sizes[2]["n_objects"].sum() == n


@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.float16, np.int32, np.bool_])
def test_objects_have_means_of_gray_values_of_any_dtype(dtype: type) -> None:
    gray = (GRAY > 900).astype(dtype) if dtype is np.bool_ else GRAY.astype(dtype)
    table = measure(LABELS, gray, objects=1).objects[1]
    joined, n = ndimage.label(LABELS == 1, np.ones((3, 3, 3)))
    np.testing.assert_allclose(table["mean"], ndimage.mean(gray.astype(float), joined, range(1, n + 1)), rtol=1e-6)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_local_thickness_is_told_of_phases_that_were_asked_for(kind: str) -> None:
    slab = np.zeros((20, 24, 30), np.uint8)
    slab[:, 8:14] = 1
    image = KINDS[kind](slab)
    found = measure(image, thickness=1).phases
    assert np.isnan(found["thickness_mean"][0])
    assert found["thickness_max"][1] == pytest.approx(6, abs=0.5)
    assert found["thickness_mean"][1] == pytest.approx(6, abs=0.5)
    assert found.units["thickness_max"] == "voxel"
    everywhere = np.ones((4, 5, 6), np.uint8)
    with pytest.raises(DataError, match="every voxel is of phase 1: it has no end"):
        measure(everywhere, thickness=1)


def test_local_thickness_of_what_does_not_fit_into_memory_is_refused() -> None:
    large = da.from_array(LABELS, chunks=(4, 9, 17))
    with pytest.raises(DataError, match=r"local thickness takes 0.0 GB of memory here, and may have 0.0 GB; crop"):
        measure(large, thickness=1, memory=1000)


def test_what_cannot_be_measured_one_by_one_is_refused() -> None:
    with pytest.raises(DataError, match="no voxel is of phase 7; there are 0, 1, 2"):
        measure(LABELS, objects=7)
    with pytest.raises(DataError, match="no voxel is of phase 3; there are 0, 1, 2"):
        measure(LABELS, thickness=(0, 3))
    with pytest.raises(ParameterError, match="min_voxels is 0; give a whole number from 1 on"):
        measure(LABELS, objects=1, min_voxels=0)
    with pytest.raises(ParameterError, match=r"connectivity is 26\.0; in 3 dimensions use one of"):
        measure(LABELS, connectivity=26.0)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"min_voxels is 1\.5"):
        measure(LABELS, min_voxels=1.5)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="phases are 'one'; give whole numbers"):
        measure(LABELS, objects="one")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="calibration is 5; give"):
        measure(LABELS, GRAY, calibrate=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [3, 4])
def test_a_plain_volume_of_few_columns_is_no_color(columns: int) -> None:
    assert measure(LABELS[..., :columns]).shape == (*SHAPE[:2], columns)


def test_specific_surface_is_for_each_volume_of_the_region_of_interest() -> None:
    found = measure(Image(LABELS, "zyx", (0.5, 2.0, 3.0), "mm"), mask=MASK).phases
    np.testing.assert_allclose(found["specific_surface"], found["surface_area"] / (3.0 * MASK.sum()))
    flat = measure(Image(LABELS[0], "yx", (2.0, 3.0), "mm")).phases
    np.testing.assert_allclose(flat["specific_perimeter"], flat["perimeter"] / (6.0 * LABELS[0].size))
    assert (found.units["specific_surface"], flat.units["specific_perimeter"]) == ("1/mm", "1/mm")


def test_thickness_is_spread_as_its_voxels_are() -> None:
    labels = np.zeros((30, 40), np.uint8)
    labels[5:9], labels[14:26] = 1, 1
    found = measure(Image(labels, "yx", (0.5, 0.5), "mm"), thickness=1).phases
    voxels = klevels.local_thickness(labels == 1, spacing=(0.5, 0.5))[labels == 1]
    for name, value in (("mean", voxels.mean()), ("std", voxels.std()), ("max", voxels.max())):
        assert found[f"thickness_{name}"][1] == pytest.approx(float(value), rel=1e-5)


def test_the_end_of_a_region_of_interest_makes_nothing_thinner() -> None:
    labels = np.zeros((40, 60, 60), np.uint8)
    labels[10:30] = 1
    region = np.zeros(labels.shape, bool)
    region[:, 26:34] = True
    whole = measure(labels, thickness=1).phases["thickness_mean"][1]
    assert measure(labels, mask=region, thickness=1).phases["thickness_mean"][1] == pytest.approx(whole)
    empty = measure(klevels.segment(labels, 2), mask=labels == 0, thickness=1).phases
    assert np.isnan(empty["thickness_mean"]).all()


def test_a_segmentation_is_measured_with_other_gray_values_when_they_are_given() -> None:
    found = klevels.segment(GRAY, 3)
    assert measure(found, np.full(SHAPE, 7, np.uint8)).phases["mean"].tolist() == [7.0, 7.0, 7.0]
    assert measure(found, ignore=0).phases["phase"].tolist() == [1, 2]


@pytest.mark.parametrize("odd", [-1e10, np.inf, np.nan])
@pytest.mark.parametrize("is_lazy", [False, True])
def test_gray_values_of_voxels_left_out_do_not_matter(odd: float, is_lazy: bool) -> None:
    gray = GRAY.astype(np.float32)
    expected = measure(LABELS[1:], gray[1:], objects=1)
    gray[0] = odd
    mask = np.ones(SHAPE, bool)
    mask[0] = False
    labels = np.where(mask, LABELS, np.uint8(9))
    for found in (
        measure(LoadedArray(labels) if is_lazy else labels, gray, ignore=9, objects=1),
        measure(LoadedArray(LABELS) if is_lazy else LABELS, gray, mask=mask, objects=1),
    ):
        np.testing.assert_allclose(found.phases["mean"], expected.phases["mean"])
        np.testing.assert_allclose(found.objects[1]["mean"], expected.objects[1]["mean"], rtol=1e-6)
        np.testing.assert_allclose(found.profiles["y"]["mean"], expected.profiles["y"]["mean"], rtol=1e-6)


def test_both_the_mark_of_klevels_and_what_is_ignored_are_left_out() -> None:
    result = klevels.segment(GRAY, 3, mask=MASK)
    found = measure(result.labels, ignore=0)
    assert found.phases["phase"].tolist() == [1, 2]
    assert found.n_ignored == (~MASK).sum() + (np.asarray(result.labels.data) == 0).sum()


def test_masked_voxels_of_masked_arrays_do_not_count() -> None:
    whole = measure(LABELS, GRAY, mask=MASK).to_dict()
    assert measure(np.ma.array(LABELS, mask=~MASK), GRAY).to_dict() == whole
    assert measure(LABELS, np.ma.array(GRAY, mask=~MASK)).to_dict() == whole
    half = np.arange(SHAPE[2]) < 9 + np.zeros(SHAPE)
    assert measure(np.ma.array(LABELS, mask=~half), mask=MASK).to_dict() == measure(LABELS, mask=MASK & half).to_dict()


@settings(deadline=None, max_examples=30)
@given(
    numbers=st.lists(st.integers(0, 65534), min_size=3, max_size=3, unique=True).map(sorted),
    is_masked=st.booleans(),
    dtype=st.sampled_from([np.uint16, np.int64]),
)
def test_labels_with_gaps_are_measured_as_those_without(numbers: list[int], is_masked: bool, dtype: type) -> None:
    labels = np.array(numbers)[LABELS].astype(dtype)
    mask = MASK if is_masked else None
    found, known = (measure(one, GRAY, mask=mask, objects=int(one.max())) for one in (labels, LABELS))
    assert found.phases["phase"].tolist() == numbers
    for name in known.phases.columns:
        if name != "phase":
            np.testing.assert_array_equal(found.phases[name], known.phases[name])
    for name, column in known.objects[2].columns.items():
        np.testing.assert_array_equal(found.objects[numbers[2]][name], column)
    np.testing.assert_array_equal(found.profiles["z"]["phase"][:3], numbers)


def test_an_array_that_is_too_large_for_one_window_is_measured_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(LABELS, GRAY, objects=1).to_dict()
    monkeypatch.setattr("klevels.core.regions.MOST_VOXELS", LABELS.size - 1)
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 500)
    assert measure(LABELS, GRAY, objects=1).to_dict() == whole


def test_warnings_are_in_the_unit_of_the_calibration() -> None:
    labels = (np.arange(24)[:, None, None] + np.zeros((24, 16, 16)) >= 12).astype(np.uint8) ^ (
        np.arange(16) % 2
    ).astype(np.uint8)
    gray = 1000.0 * labels + 40 * np.arange(24)[:, None, None]
    (found,) = (one for one in measure(labels, gray, calibrate="0.5,-1000,HU").warnings if "mean gray value" in one)
    assert "by +320 HU" in found
    flat = np.zeros(labels.shape) + np.arange(24)[:, None, None]
    checked = (np.indices(labels.shape).sum(axis=0) % 2).astype(np.uint8)
    assert drifts(checked, flat - flat.mean()) == ()


def test_both_sides_of_an_interface_have_the_same_surface_in_any_region() -> None:
    ball = (np.hypot(*np.ogrid[-20:20, -20:20])[None] + np.abs(np.arange(-20, 20))[:, None, None] < 22).astype(np.uint8)
    region = np.random.default_rng(2).random(ball.shape) < 0.7
    areas = measure(ball, mask=region).phases["surface_area"]
    assert areas[0] == areas[1] > 0


def test_many_labels_are_doubted() -> None:
    gray = np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert any("there are 100 phases, as many as gray values" in one for one in measure(gray).warnings)


def test_an_unknown_size_of_voxels_is_told() -> None:
    told = "the size of a voxel is unknown: lengths, areas and volumes are in voxels"
    assert told in measure(LABELS).warnings
    assert told not in measure(Image(LABELS, "zyx", (1.0, 1.0, 1.0))).warnings
