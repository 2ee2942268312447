"""Arrays of other libraries, as Images: dask, xarray, and what is stored and can be sliced."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import DataError
from klevels.image import Image
from klevels.lazy import LazyArray, Window
from klevels.units import in_one_unit, short_unit

_LETTERS = {"z": "z", "y": "y", "x": "x", "c": "c", "channel": "c", "channels": "c", "band": "c"}
_UNEVEN = 1e-3
"""How far a coordinate may be from where even steps put it, in steps: files round them to a few digits."""


class WrappedArray(LazyArray):
    """An array of another library that is read when a part of it is asked for, such as an h5py dataset.

    Parameters
    ----------
    array : array-like
        With a shape, a NumPy dtype and slicing. It must be readable by several threads at once.

    Notes
    -----
    It can be pickled if that array can, which a cluster of several processes needs: an h5py dataset cannot, so give
    `klevels.read` the name of its file there. What a chunk holds that is not stored is up to that library; a file that
    klevels reads itself is refused then.
    """

    def __init__(self, array: Any) -> None:
        chunks = getattr(array, "chunks", None)
        is_regular = isinstance(chunks, tuple) and len(chunks) == len(array.shape) and all(chunks)
        kind = type(array)
        name = getattr(array, "name", None) or ""
        super().__init__(
            array.shape,
            array.dtype,
            chunks if is_regular else None,
            f"{kind.__module__}.{kind.__name__} {name}".strip(),
        )
        self._array = array

    def read(self, window: Window) -> NDArray[Any]:
        from pathlib import Path

        from klevels.files import reading  # half of what a light import of klevels costs

        with reading(Path(self.source)):
            return np.asarray(self._array[window])


def is_dask(data: object) -> bool:
    """Tell whether an object is a dask array, without importing dask.

    Parameters
    ----------
    data : object
        Anything.

    Returns
    -------
    bool
        Whether it is one.
    """
    return _is_a(data, "dask", "Array")


def is_xarray(data: object) -> bool:
    """Tell whether an object is an xarray DataArray, without importing xarray.

    Parameters
    ----------
    data : object
        Anything.

    Returns
    -------
    bool
        Whether it is one.
    """
    return _is_a(data, "xarray", "DataArray")


def lazy_of(data: Any) -> Any:
    """Return an array that is not in memory as what an Image may hold.

    Parameters
    ----------
    data : object
        Anything.

    Returns
    -------
    LazyArray or dask array or None
        None if it is in memory, or no array.

    Raises
    ------
    DataError
        If it is a dask array that does not know its shape.
    """
    if is_dask(data):
        if any(math.isnan(n) for n in data.shape):
            raise DataError(f"the dask array has shape {data.shape}; call its compute_chunk_sizes() first")
        return data
    if isinstance(data, LazyArray):
        return data
    # What is in memory says so by one of the protocols for it; what is stored has none of them.
    in_memory = ("__array_interface__", "__cuda_array_interface__", "__dlpack__")
    if isinstance(data, np.ndarray | np.generic) or any(hasattr(data, name) for name in in_memory):
        return None
    is_array = isinstance(getattr(data, "dtype", None), np.dtype) and hasattr(data, "__getitem__")
    return WrappedArray(data) if is_array and isinstance(getattr(data, "shape", None), tuple) else None


def image_of_xarray(array: Any) -> Image:
    """Return an xarray DataArray as an Image.

    Parameters
    ----------
    array : xarray.DataArray
        Its dimensions are among z, y, x and c (or channel, band), in any order; others must have one entry, and are
        left out.

    Returns
    -------
    Image
        The same data, transposed: a dask array if it holds one, else an ndarray. The spacing is the step of its
        coordinates, in the unit of their attribute ``units``; None if it has no coordinates along an axis, or they are
        uneven, or their units cannot be converted. ``meta["name"]`` is its name, if it has one.

    Raises
    ------
    DataError
        If its dimensions are others.
    """
    found = {_LETTERS.get(str(dim).lower(), str(dim)): dim for dim in array.dims}
    others = [dim for letter, dim in found.items() if letter not in _LETTERS.values()]
    axes = "".join(letter for letter in "zyxc" if letter in found)
    long = [dim for dim in others if array.sizes[dim] > 1]
    if len(found) < array.ndim or long or not {"y", "x"} <= set(axes):
        raise DataError(
            f"the DataArray has dimensions {', '.join(map(str, array.dims))} of lengths {array.shape}; rename them to "
            f"y and x, z, and c for channels, and select one entry of any other"
        )
    turned = array.isel(dict.fromkeys(others, 0)).transpose(*(found[letter] for letter in axes))
    steps = tuple(_step(turned, found[letter]) for letter in axes if letter != "c")
    spacing, unit = _spacing(steps)
    meta = {} if array.name is None else {"name": str(array.name)}
    data = lazy_of(turned.data)
    return Image(np.asanyarray(turned.data) if data is None else data, axes, spacing, unit, meta)


def _spacing(steps: tuple[tuple[float, str | None] | None, ...]) -> tuple[tuple[float, ...] | None, str | None]:
    known = [step for step in steps if step is not None]
    if len(known) < len(steps):
        return None, None
    return in_one_unit(tuple(size for size, _ in known), tuple(unit for _, unit in known)) or (None, None)


def _step(array: Any, dim: object) -> tuple[float, str | None] | None:
    """Return the step of even coordinates, and its unit; None if there are none."""
    if dim not in array.coords:
        return None
    coordinate = array.coords[dim]
    places = np.asarray(coordinate.values)
    if places.ndim != 1 or places.size < 2 or places.dtype.kind not in "iuf":
        return None
    places = places.astype(np.float64)
    step = (places[-1] - places[0]) / (places.size - 1)
    even = places[0] + step * np.arange(places.size)
    if not np.isfinite(step) or step == 0 or not np.all(np.abs(places - even) <= _UNEVEN * abs(step)):
        return None
    units = coordinate.attrs.get("units", coordinate.attrs.get("unit"))
    return float(f"{abs(step):.12g}"), short_unit(units) if isinstance(units, str) and units else None


def _is_a(data: object, package: str, name: str) -> bool:
    return any(one.__name__ == name and one.__module__.split(".")[0] == package for one in type(data).__mro__)
