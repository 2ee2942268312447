"""Labels stay labels on every way from Python to a file."""

from __future__ import annotations

import json
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

import klevels
from klevels.errors import ParameterError
from klevels.image import Image
from klevels.lazy import LoadedArray

# Dark and bright slabs alone: whatever mixed their labels would make the class between them.
SCAN = np.repeat(np.array([1000, 9000], np.uint16), 300)[None, None, :] + np.zeros((70, 80, 1), np.uint16)
SCAN[0, 0, :2] = 5000


@pytest.mark.parametrize("kind", ["memory", "lazy", "dask"])
def test_no_level_of_the_pyramid_invents_a_label(tmp_path: Path, kind: str) -> None:
    data = {"memory": SCAN, "lazy": LoadedArray(SCAN), "dask": da.from_array(SCAN, chunks=(16, 80, 200))}[kind]
    result = klevels.segment(Image(data, "zyx"), k=3)
    klevels.write(tmp_path / "labels.ome.zarr", result.labels)
    stored = json.loads((tmp_path / "labels.ome.zarr" / "zarr.json").read_text())["attributes"]["ome"]
    assert [one["label-value"] for one in stored["image-label"]["colors"]] == [0, 1, 2, 255]
    finest = klevels.read(tmp_path / "labels.ome.zarr").data
    np.testing.assert_array_equal(finest, klevels.segment(SCAN, k=3).labels.data)
    n_levels = len(stored["multiscales"][0]["datasets"])
    assert n_levels > 1
    for level in range(1, n_levels):
        coarse = klevels.read(tmp_path / "labels.ome.zarr", level=level).data
        assert (coarse == 1).sum() <= 2


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.nrrd", "a.raw"])
def test_masked_arrays_are_refused_by_every_format(tmp_path: Path, name: str) -> None:
    masked = np.ma.MaskedArray(SCAN, SCAN > 5000)
    with pytest.raises(ParameterError, match=r"the array is masked, which no format holds"):
        klevels.write(tmp_path / name, Image(masked, "zyx"))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_from_python_leaves_nothing(tmp_path: Path) -> None:
    class Interrupted(LoadedArray):
        def read(self, window: tuple[slice, ...]) -> np.ndarray:
            del window
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        klevels.write(tmp_path / "a.ome.zarr", Image(Interrupted(SCAN), "zyx"))
    assert list(tmp_path.iterdir()) == []
