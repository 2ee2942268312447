"""Labels of every kind have the same mesh, in the unit of their image."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray
import zarr

import klevels
from klevels.errors import DataError
from klevels.image import Image
from klevels.lazy import LoadedArray

LABELS = (np.random.default_rng(5).random((8, 9, 7)) < 0.5).astype(np.uint8)


def test_all_kinds_of_arrays_have_the_same_mesh() -> None:
    expected = klevels.mesh(LABELS, 1)
    kinds = (
        LABELS.tolist(),
        Image(LABELS, "zyx"),
        LoadedArray(LABELS),
        Image(LoadedArray(LABELS), "zyx"),
        da.from_array(LABELS, chunks=4),
        xarray.DataArray(LABELS, dims=("z", "y", "x")),
        zarr.array(LABELS, chunks=(4, 4, 4)),
    )
    for labels in kinds:
        found = klevels.mesh(labels, 1)
        np.testing.assert_array_equal(found.vertices, expected.vertices)
        np.testing.assert_array_equal(found.faces, expected.faces)
    assert expected.unit == "voxel"


def test_the_size_of_a_voxel_counts() -> None:
    plain = klevels.mesh(LABELS, 1)
    found = klevels.mesh(Image(LABELS, "zyx", (2.0, 0.5, 3.0), "µm"), 1)
    assert found.unit == "µm"
    assert found.volume == pytest.approx(3 * plain.volume, rel=1e-5)
    assert klevels.mesh(Image(LABELS, "zyx", (2.0, 0.5, 3.0)), 1).unit == "unit"


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.zeros((4, 4), int), "a surface needs a volume"),
        (Image(np.zeros((4, 4, 3), np.uint8), "yxc"), "3 channels"),
        (np.zeros(4, int), "1 axes; give two"),
        (np.zeros((20, 20, 3), np.uint8), "no voxel is of phase 7; there are 0"),
    ],
)
def test_what_has_no_mesh_is_refused(labels: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        klevels.mesh(labels, 7)


def test_what_does_not_fit_is_refused_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.meshing.free_memory", lambda: 2000)
    with pytest.raises(DataError, match="8 × 9 × 7 labels of uint8 take"):
        klevels.mesh(LoadedArray(LABELS), 1)
    assert klevels.mesh(LABELS, 1).is_watertight  # what is in memory already is not asked


def test_a_segmentation_has_meshes_in_its_unit() -> None:
    scan = np.full((12, 12, 12), 100, np.uint8)
    scan[3:9, 3:9, 3:9] = 200
    result = klevels.segment(Image(scan, "zyx", (2.0, 2.0, 2.0), "µm"), 2)
    assert (klevels.mesh(result, 1).volume, klevels.mesh(result, 1).unit) == (
        klevels.mesh(result.labels, 1).volume,
        "µm",
    )
