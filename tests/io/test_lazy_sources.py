"""What is read from a store, or given as an array of another library, is segmented as the same array in memory."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

import klevels
from klevels.errors import ReadError
from klevels.io import read

VALUES = np.random.default_rng(0).integers(0, 900, (9, 20, 30), dtype=np.uint16)
SOURCES: dict[str, Callable[[Path], Any]] = {
    "zarr file": lambda path: read(path, lazy=True),
    "zarr.Array": lambda path: zarr.open_array(path, mode="r"),
    "dask": lambda path: da.from_zarr(str(path)),
    "xarray": lambda path: xr.DataArray(da.from_zarr(str(path)), dims=("z", "y", "x")),
    "xarray, turned": lambda path: xr.DataArray(da.from_zarr(str(path)).T, dims=("x", "y", "z")),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    array = zarr.create_array(path, shape=VALUES.shape, chunks=(4, 9, 11), shards=(8, 18, 22), dtype="u2")
    array[...] = VALUES
    return path


@pytest.mark.parametrize("source", SOURCES)
def test_labels_are_those_of_the_array_in_memory(store: Path, source: str) -> None:
    expected = klevels.segment(VALUES, 3)
    found = klevels.segment(SOURCES[source](store), 3)
    assert found.labels.axes == "zyx"
    assert np.array_equal(np.asarray(found.labels.data), expected.labels.data)
    assert np.array_equal(found.model.centers, expected.model.centers)
    assert np.array_equal(found.model.counts, expected.model.counts)


def test_a_pickled_array_is_read_in_another_process(store: Path) -> None:
    script = "import pickle, sys; print(int(pickle.load(sys.stdin.buffer)[2:5, ::3, -4:].sum()))"
    given = pickle.dumps(read(store, lazy=True).data)
    done = subprocess.run([sys.executable, "-c", script], input=given, capture_output=True, check=True)
    assert int(done.stdout) == VALUES[2:5, ::3, -4:].sum()
    assert len(given) < 2000


def test_a_reader_in_another_process_loads_neither_zarr_nor_dask(store: Path) -> None:
    script = f"""
import sys
from klevels.io import read
read({str(store)!r}).data.max()
print({{'zarr', 'dask', 'numcodecs', 'asyncio'}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_threads_read_the_same(store: Path) -> None:
    data = read(store, lazy=True).data
    windows = [(slice(z, z + 3), slice(y, y + 7), slice(0, 30)) for z in range(7) for y in range(14)]
    with ThreadPoolExecutor(8) as pool:
        for window, part in zip(windows, pool.map(data.read, windows), strict=True):
            assert np.array_equal(part, VALUES[window])


def test_a_chunk_that_is_lost_on_the_way_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=VALUES.shape, chunks=(4, 9, 11), dtype="u2")[...] = VALUES
    image = read(path, lazy=True)
    (path / "c" / "1" / "1" / "1").unlink()
    with pytest.raises(ReadError, match=f"^{path}: the chunk c/1/1/1 is missing"):
        klevels.segment(image, 3)
