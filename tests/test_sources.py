"""What was given, as an Image: arrays in memory, of dask, of xarray, and arrays that are stored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

from klevels.errors import DataError, DataTypeError, ReadError
from klevels.foreign import WrappedArray
from klevels.image import Image
from klevels.lazy import LazyArray, MappedArray, Window
from klevels.sources import as_gray_image, as_image, as_picture

VALUES = np.random.default_rng(0).integers(0, 200, (4, 6, 8), dtype=np.uint8)


def test_neither_dask_nor_xarray_is_imported_for_others() -> None:
    used = "import sys, numpy, klevels; klevels.segment(numpy.eye(4), 2)"
    script = f"{used}; print({{'dask', 'xarray', 'zarr'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


@pytest.mark.parametrize("convert", [as_image, as_gray_image])
def test_plain_arrays(convert: Any) -> None:
    image = convert(VALUES)
    assert image.data is VALUES
    assert (image.axes, image.spacing) == ("zyx", None)
    assert convert(VALUES[0].tolist()).axes == "yx"
    assert convert(image) is image


@pytest.mark.parametrize("convert", [as_image, as_gray_image, as_picture])
def test_names_are_refused(convert: Any) -> None:
    with pytest.raises(DataTypeError, match=r"read the file first"):
        convert("scan.tif")


# dask


@pytest.mark.parametrize("convert", [as_image, as_gray_image])
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_dask_array_stays_one(convert: Any, ndim: int) -> None:
    data = da.from_array(VALUES[0] if ndim == 2 else VALUES, chunks=3)
    image = convert(data)
    assert image.data is data
    assert image.axes == "zyx"[-ndim:]
    assert image.is_lazy
    assert np.array_equal(image.loaded().data, data.compute())


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 5), ()])
def test_a_dask_array_of_other_dimensions_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=rf"has {len(shape)} axes"):
        as_image(da.zeros(shape))


def test_a_dask_array_that_looks_like_color_is_refused() -> None:
    with pytest.raises(DataError, match="looks like color"):
        as_image(da.zeros((9, 9, 3)))
    assert as_image(Image(da.zeros((9, 9, 3)), "yxc")).axes == "yxc"
    with pytest.raises(DataError, match="3 channels"):
        as_gray_image(Image(da.zeros((9, 9, 3)), "yxc"))


def test_a_dask_array_of_unknown_shape_is_refused() -> None:
    data = da.from_array(VALUES[0], chunks=3)
    with pytest.raises(DataError, match="compute_chunk_sizes"):
        as_image(data[data[:, 0] > 3])


# xarray


def scan(dims: tuple[str, ...] = ("z", "y", "x"), data: Any = VALUES, **coords: Any) -> xr.DataArray:
    return xr.DataArray(data, dims=dims, coords=coords)


def test_an_xarray_in_any_order() -> None:
    names = ("x", "z", "y")
    image = as_image(scan(names))
    assert image.axes == "zyx"
    assert np.array_equal(image.data, VALUES.transpose(1, 2, 0))
    assert image.spacing is None
    assert not image.is_lazy
    assert dict(image.meta) == {}
    assert as_image(scan(("Z", "Y", "X")).rename("sand")).meta["name"] == "sand"


@pytest.mark.parametrize("name", ["c", "channel", "channels", "band", "Band"])
def test_channels_of_an_xarray_come_last(name: str) -> None:
    image = as_image(scan((name, "y", "x")))
    assert image.axes == "yxc"
    assert np.array_equal(image.data, np.moveaxis(VALUES, 0, -1))
    assert as_picture(scan((name, "y", "x"), VALUES[:3])).axes == "yxc"


def test_an_xarray_over_dask_stays_lazy() -> None:
    image = as_image(scan(("x", "y", "z"), da.from_array(VALUES, chunks=2)))
    assert isinstance(image.data, da.Array)
    assert image.data.chunks == ((2,) * 4, (2,) * 3, (2,) * 2)
    assert np.array_equal(image.loaded().data, VALUES.T)


def test_coordinates_give_the_spacing() -> None:
    coords = {
        "z": ("z", np.arange(4) * 2.0, {"units": "millimeter"}),
        "x": ("x", np.arange(8) * 0.1 + 7, {"units": "mm"}),
    }
    y = ("y", np.arange(6)[::-1] * 100, {"unit": "um"})
    image = as_image(scan(**coords, y=y))
    assert image.spacing == (2.0, 0.1, 0.1)
    assert image.unit == "mm"
    assert as_image(scan(**coords)).spacing is None  # nothing is known along y


def test_float32_coordinates_are_even() -> None:
    places = (1000 + np.arange(6) * 0.013).astype(np.float32)
    image = as_image(scan(("y", "x"), VALUES[0], y=places, x=np.arange(8)))
    assert image.spacing == pytest.approx((0.013, 1.0), rel=1e-2)


@pytest.mark.parametrize(
    "places",
    [np.array([0, 1, 2, 3, 4, 6.0]), np.zeros(6), np.array([0, 1, 2, np.nan, 4, 5]), list("abcdef"),
     np.arange(6).astype("M8[D]").astype("M8[ns]")],
)  # fmt: skip
def test_coordinates_without_an_even_step_give_none(places: Any) -> None:
    image = as_image(scan(("y", "x"), VALUES[0], y=places, x=np.arange(8)))
    assert (image.spacing, image.unit) == (None, None)


def test_one_coordinate_gives_no_step() -> None:
    assert as_image(scan(("y", "x"), VALUES[0, :1], y=[3.0], x=np.arange(8))).spacing is None


def test_units_that_cannot_be_converted_give_no_spacing() -> None:
    y, x = ("y", np.arange(6), {"units": "degrees_north"}), ("x", np.arange(8), {"units": "degrees_east"})
    assert as_image(scan(("y", "x"), VALUES[0], y=y, x=x)).spacing is None


def test_an_axis_of_one_entry_is_left_out() -> None:
    assert as_image(scan(("time", "z", "y", "x"), VALUES[None])).shape == VALUES.shape


@pytest.mark.parametrize("dims", [("t", "y", "x"), ("z", "y", "k"), ("c", "z", "x"), ("band", "channel", "y")])
def test_other_dimensions_of_an_xarray_are_refused(dims: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=rf"dimensions {', '.join(dims)} of lengths .*; rename them"):
        as_image(scan(dims))


# What is stored


@pytest.fixture(params=["zarr", "h5py", "h5py contiguous", "LazyArray", "sliceable"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "zarr":
        array = zarr.create_array(tmp_path / "a.zarr", shape=VALUES.shape, chunks=(2, 6, 4), dtype="u1")
        array[...] = VALUES
        yield array
    elif request.param.startswith("h5py"):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            yield file.create_dataset("scan", data=VALUES, chunks=None if "contiguous" in request.param else (2, 6, 4))
    elif request.param == "LazyArray":
        VALUES.tofile(tmp_path / "a.raw")
        yield MappedArray(tmp_path / "a.raw", VALUES.shape, VALUES.dtype)
    else:
        yield Sliceable()


class Sliceable:
    """The least that is taken for an array that is stored."""

    shape = VALUES.shape
    dtype = np.dtype(">u2")
    is_broken = False

    def __getitem__(self, key: Any) -> Any:
        if self.is_broken:
            raise RuntimeError("the disk is gone")
        return VALUES.astype(">u2")[key]


@pytest.mark.parametrize("convert", [as_image, as_gray_image])
def test_what_is_stored_is_not_read(convert: Any, stored: Any) -> None:
    image = convert(stored)
    assert isinstance(image.data, LazyArray)
    assert image.is_lazy
    assert image.axes == "zyx"
    assert image.dtype.isnative
    assert np.array_equal(image.data[1:3, ::2], VALUES[1:3, ::2])
    assert np.array_equal(image.loaded().data, VALUES)
    assert image.data.chunks in ((2, 6, 4), (1, 6, 8))


def test_what_fails_names_its_source() -> None:
    array = Sliceable()
    image = as_image(array)
    array.is_broken = True
    with pytest.raises(ReadError, match=r"Sliceable: cannot be read \(the disk is gone\)"):
        image.loaded()


def test_what_is_in_memory_is_not_wrapped() -> None:
    class Interface:
        shape, dtype = (2, 2), np.dtype("u1")
        __array_interface__ = VALUES[0, :2, :2].copy().__array_interface__

        def __getitem__(self, key: Any) -> Any:
            raise AssertionError

    assert isinstance(as_image(Interface()).data, np.ndarray)
    masked = np.ma.masked_less(VALUES, 9)
    assert as_image(masked).data is masked


def test_an_h5py_dataset_cannot_be_pickled(tmp_path: Path) -> None:
    import pickle

    with h5py.File(tmp_path / "a.h5", "w") as file, pytest.raises(TypeError, match="h5py"):
        pickle.dumps(WrappedArray(file.create_dataset("scan", data=VALUES)))


# Photographs


def test_pictures_of_dask() -> None:
    data = da.from_array(np.moveaxis(VALUES, 0, -1), chunks=2)
    assert as_picture(data[..., :3]).data.shape == (6, 8, 3)
    assert as_picture(data).meta["alpha"]
    assert as_picture(data[..., 0]).axes == "yx"


class Floats(LazyArray):
    def __init__(self, values: np.ndarray) -> None:
        super().__init__(values.shape, values.dtype, (1, 2))
        self.values = values

    def read(self, window: Window) -> np.ndarray:
        return self.values[window]


@pytest.mark.parametrize("of", [Floats, lambda values: da.from_array(values, chunks=2)])
def test_lazy_floats_must_be_from_0_to_1(of: Any) -> None:
    values = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    assert as_picture(of(values)).is_lazy
    values[3, 3] = 1.5
    with pytest.raises(DataError, match=r"values are from 0 to 1\.5"):
        as_picture(of(values))
    values[3, 3] = -0.5
    with pytest.raises(DataError, match=r"values are from -0\.5 to 1"):
        as_picture(of(values))


def test_lazy_bool_is_no_picture() -> None:
    with pytest.raises(DataTypeError, match="dtype bool"):
        as_picture(da.zeros((4, 4), dtype=bool))
    assert as_picture(np.eye(4, dtype=bool)).data.max() == 255
