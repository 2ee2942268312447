"""Tables of objects are those of scikit-image, in units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops_table

from klevels.core.faces import faces
from klevels.core.objects import object_regions, objects_table
from klevels.core.phases import halo
from klevels.core.region_parts import Regions
from klevels.core.region_rows import LABEL, MORE
from klevels.core.regions import regions
from klevels.errors import DataError, ParameterError

Array = NDArray[Any]

PROPERTIES = ("label", "num_pixels", "area", "equivalent_diameter_area", "centroid", "bbox", "mean_intensity")


@settings(deadline=None)
@given(data=st.data(), ndim=st.sampled_from([2, 3]))
def test_the_table_is_that_of_scikit_image(data: st.DataObject, ndim: int) -> None:
    labels = data.draw(nps.arrays(np.uint8, (6, 7, 9)[3 - ndim :], elements=st.integers(0, 2), fill=st.nothing()))
    gray = data.draw(nps.arrays(np.uint16, labels.shape))
    spacing = tuple(data.draw(st.lists(st.sampled_from([0.5, 1.0, 2.5]), min_size=ndim, max_size=ndim)))
    found = regions(labels, 3, gray=gray, with_ids=True)
    assert found.ids is not None
    table = objects_table(found, 1, spacing=spacing, unit="µm")
    ids = np.where(labels == 1, found.ids, 0)
    if not ids.any():
        assert len(table) == 0
        return
    known = regionprops_table(ids, gray.astype(float), PROPERTIES, spacing=spacing)
    assert table["object"].tolist() == list(range(1, len(known["label"]) + 1))
    np.testing.assert_array_equal(table["n_voxels"], known["num_pixels"])
    np.testing.assert_allclose(table["volume" if ndim == 3 else "area"], known["area"])
    np.testing.assert_allclose(table["equivalent_diameter"], known["equivalent_diameter_area"])
    np.testing.assert_allclose(table["mean"], known["mean_intensity"])
    for i, name in enumerate("zyx"[3 - ndim :]):
        np.testing.assert_allclose(table[f"centroid_{name}"], known[f"centroid-{i}"], atol=1e-12)
        np.testing.assert_array_equal(table[f"bbox_{name}0"], known[f"bbox-{i}"])
        np.testing.assert_array_equal(table[f"bbox_{name}1"], known[f"bbox-{i + ndim}"])
    ends = [ids.take(end, axis).ravel() for axis in range(ndim) for end in (0, -1)]
    np.testing.assert_array_equal(table["touches_border"], np.isin(known["label"], np.concatenate(ends)))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.5, 1.0), (1.0, 1.5), (0.3, 0.2)])
def test_axes_are_those_of_scikit_image(spacing: tuple[float, ...]) -> None:
    rng = np.random.default_rng(4)
    shape = (24, 30, 40) if len(spacing) == 3 else (60, 70)
    labels = (ndimage.gaussian_filter(rng.normal(size=shape), 2) > 0).astype(np.uint8)
    found = regions(labels, 2, connectivity=6 if len(shape) == 3 else 4, with_ids=True)
    table = objects_table(found, 1, spacing=spacing, min_voxels=10)
    ids = np.where(labels == 1, found.ids, 0)  # type: ignore[arg-type]
    ids = np.where(np.bincount(ids.ravel())[ids] >= 10, ids, 0)
    known = regionprops_table(ids, properties=("axis_major_length", "axis_minor_length"), spacing=spacing)
    assert len(table) > 1
    np.testing.assert_allclose(table["axis_major"], known["axis_major_length"])
    np.testing.assert_allclose(table["axis_minor"], known["axis_minor_length"], atol=1e-5)


def ball(shape: tuple[int, ...], center: tuple[float, ...], radii: tuple[float, ...]) -> Array:
    places = np.indices(shape)
    return sum(((p - c) / r) ** 2 for p, c, r in zip(places, center, radii, strict=True)) <= 1


def test_an_ellipsoid_has_its_axes_and_direction() -> None:
    labels = ball((40, 60, 80), (20, 30, 40), (10, 15, 30)).astype(np.uint8)
    table = objects_table(with_surfaces(labels, 2, (2.0, 1.0, 1.0)), 1, spacing=(2.0, 1.0, 1.0), unit="mm")
    np.testing.assert_allclose(table["axis_major"], 60, rtol=0.01)
    np.testing.assert_allclose(table["axis_middle"], 40, rtol=0.01)
    np.testing.assert_allclose(table["axis_minor"], 30, rtol=0.01)
    np.testing.assert_allclose([table[f"direction_{name}"][0] for name in "zyx"], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(table["volume"], 4 / 3 * math.pi * 20 * 15 * 30, rtol=0.01)
    p, a, b, c = 1.6075, 20, 15, 30  # Thomsen's formula is right within 1.1 %
    known = 4 * math.pi * (((a * b) ** p + (a * c) ** p + (b * c) ** p) / 3) ** (1 / p)
    np.testing.assert_allclose(table["surface_area"], known, rtol=0.02)
    as_large = math.pi ** (1 / 3) * (6 * table["volume"]) ** (2 / 3)
    np.testing.assert_allclose(table["sphericity"], as_large / table["surface_area"])
    assert table.units["volume"] == "mm³"
    assert table.units["surface_area"] == "mm²"
    assert "mean" not in table.columns


def test_an_oblique_rod_has_its_direction() -> None:
    labels = np.zeros((30, 30, 30), np.uint8)
    for i in range(30):
        labels[i, i, 29 - i] = 1
    table = objects_table(regions(labels, 2), 1)
    np.testing.assert_allclose(np.abs([table[f"direction_{name}"][0] for name in "zyx"]), 3**-0.5)
    assert table["direction_z"][0] * table["direction_x"][0] < 0
    assert table["axis_middle"].tolist() == [0.0]
    assert table.units["axis_major"] == "voxel"


def test_a_disk_has_a_perimeter_in_place_of_a_surface_and_is_round() -> None:
    labels = ball((100, 100), (50, 50), (40, 40)).astype(np.uint8)
    table = objects_table(with_surfaces(labels, 2, (0.5, 0.5)), 1, spacing=(0.5, 0.5))
    np.testing.assert_allclose(table["perimeter"], 40 * math.pi, rtol=0.01)
    np.testing.assert_allclose(table["sphericity"], 1, rtol=0.01)
    assert table.units["perimeter"] == "unit"


def test_an_object_that_the_border_cuts_has_no_sphericity() -> None:
    labels = ball((30, 30, 60), (15, 15, 2), (10, 10, 10)) | ball((30, 30, 60), (15, 15, 40), (10, 10, 10))
    table = objects_table(with_surfaces(labels.astype(np.uint8), 2), 1)
    assert table["touches_border"].tolist() == [True, False]
    assert np.isnan(table["sphericity"]).tolist() == [True, False]
    speck = np.zeros((9, 9, 9), np.uint8)
    speck[3:6, 3:6, 3:6] = 1
    assert np.isnan(objects_table(with_surfaces(speck, 2), 1)["surface_area"]).all()
    assert table["sphericity"][1] == pytest.approx(1, abs=0.03)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), ndim=st.sampled_from([2, 3]), connectivity=st.sampled_from([0, -1]))
def test_windows_find_the_objects_and_surfaces_of_the_whole(data: st.DataObject, ndim: int, connectivity: int) -> None:
    shape = (9, 14, 17)[3 - ndim :]
    labels = data.draw(nps.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255]), fill=st.just(1)))
    gray = data.draw(nps.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    neighbors = {2: (4, 8), 3: (6, 26)}[ndim][connectivity]
    spacing = (2.0, 0.5, 1.0)[:ndim]
    whole = with_surfaces(labels, 3, spacing, gray, phases=(1, 2), connectivity=neighbors)
    cuts = [data.draw(st.integers(1, n - 1)) for n in shape]
    parts = []
    for corner in np.ndindex(*(2,) * ndim):
        window = tuple(
            slice(0, cut) if first == 0 else slice(cut, n) for first, cut, n in zip(corner, cuts, shape, strict=True)
        )
        parts.append(with_surfaces(labels, 3, spacing, gray, phases=(1, 2), connectivity=neighbors, window=window))
    merged = sum(parts[1:], parts[0])
    np.testing.assert_array_equal(merged.rows, whole.rows)
    for phase in (1, 2):
        known = objects_table(whole, phase, spacing=spacing)
        for name, column in objects_table(merged, phase, spacing=spacing).columns.items():
            np.testing.assert_array_equal(column, known[name])
        here = whole.rows[whole.rows[:, LABEL] == phase]
        np.testing.assert_array_equal(here[:, MORE].sum(axis=0), faces(labels, 3, spacing=spacing).sums[phase])


def with_surfaces(
    labels: Array,
    n_labels: int,
    spacing: tuple[float, ...] | None = None,
    gray: Array | None = None,
    *,
    phases: tuple[int, ...] = (1,),
    connectivity: int | None = None,
    window: tuple[slice, ...] | None = None,
) -> Regions:
    """Return the objects of a window of labels, or of the whole."""
    window = window or tuple(slice(0, n) for n in labels.shape)
    around = tuple(
        slice(max(0, along.start - reach), along.stop + reach)
        for along, reach in zip(window, halo(labels.ndim), strict=True)
    )
    return object_regions(
        labels[around],
        None if gray is None else gray[around],
        n_labels=n_labels,
        phases=phases,
        window=window,
        shape=labels.shape,
        connectivity=connectivity or {2: 8, 3: 26}[labels.ndim],
        spacing=spacing,
        gray_range=None if gray is None else (0.0, 1.0),
    )


def test_windows_give_the_same_table_far_from_the_origin() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (6, 8, 10)).astype(np.uint8)
    gray = rng.normal(size=labels.shape).astype(np.float32)
    whole = objects_table(regions(labels, 2, gray=gray, gray_range=(-4, 4)), 1, gray_unit="HU")
    parts = [
        regions(labels[:, cut], 2, gray=gray[:, cut], gray_range=(-4, 4), origin=(0, cut.start, 0), shape=labels.shape)
        for cut in (slice(0, 3), slice(3, 8))
    ]
    merged = objects_table(parts[1] + parts[0], 1, gray_unit="HU")
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(merged[name], column)
    assert merged.units["mean"] == "HU"
    np.testing.assert_allclose(
        whole["mean"], regionprops_table(labels, gray, ("mean_intensity",))["mean_intensity"], 1e-5
    )


def test_moments_are_exact_far_from_the_origin() -> None:
    labels = np.random.default_rng(0).integers(0, 2, (6, 8, 10)).astype(np.uint8)
    near = objects_table(regions(labels, 2), 1)
    shape = (1 << 21, 1 << 21, 1 << 21)
    for far in ((1 << 20,) * 3, (2_000_003, 1_999_999, 1_000_033)):
        rest = regions(labels, 2, origin=far, shape=shape)
        # as if the windows around it had come, which hold nothing
        object.__setattr__(rest, "_windows", (((0, 0, 0), shape),))
        table = objects_table(rest, 1)
        for name in ("axis_major", "axis_middle", "axis_minor"):
            np.testing.assert_array_equal(table[name], near[name])


def test_small_objects_are_left_out_and_numbers_stay() -> None:
    labels = np.array([[1, 0, 1, 1, 0, 1, 1, 1, 0, 1]], np.uint8)
    table = objects_table(regions(labels, 2), 1, min_voxels=2)
    assert table["object"].tolist() == [2, 3]
    assert table["n_voxels"].tolist() == [2, 3]


def test_bad_input_is_refused() -> None:
    labels = np.zeros((3, 4), np.uint8)
    found = regions(labels, 2)
    with pytest.raises(ParameterError, match="phase is 2; give one from 0 to 1"):
        objects_table(found, 2)
    with pytest.raises(ParameterError, match="give 2 positive numbers"):
        objects_table(found, 0, spacing=(1.0, 1.0, 1.0))
    with pytest.raises(ParameterError, match="min_voxels is 0; give 1 or more"):
        objects_table(found, 0, min_voxels=0)
    with pytest.raises(ParameterError, match="only counted"):
        objects_table(regions(labels, 2, summary=True), 0)
    with pytest.raises(DataError, match="add those of all windows first"):
        objects_table(regions(labels, 2, origin=(0, 0), shape=(6, 4)), 0)
    assert len(objects_table(found, 1)) == 0
