"""Image: an array with the names of its axes and the size of its voxels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import DataError, ParameterError

AXES = ("yx", "zyx", "yxc", "zyxc")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Image:
    """An array with the names of its axes and the size of its voxels.

    Parameters
    ----------
    data : ndarray, LazyArray or dask array
        The gray values, one axis for each letter of `axes`: in memory, or where they are stored.
    axes : {"yx", "zyx", "yxc", "zyxc"}
        What each axis of `data` is; `c` is the channel axis.
    spacing : tuple of float, optional
        The size of a voxel along each spatial axis, in the order of `axes`. None where it is unknown.
    unit : str, optional
        The unit of `spacing`, such as "mm" or "µm". None where it is unknown.
    meta : mapping, optional
        Facts about the source, such as its format and compression.

    Raises
    ------
    ParameterError
        If `axes` does not fit `data`, or `spacing` does not fit `axes`.

    Examples
    --------
    >>> import numpy as np
    >>> Image(np.zeros((4, 6), np.uint8), "yx", spacing=(0.5, 0.5), unit="µm").shape
    (4, 6)
    """

    data: Any
    axes: str
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    meta: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.axes not in AXES:
            raise ParameterError(f"axes are {self.axes!r}; use one of {', '.join(AXES)}")
        if self.data.ndim != len(self.axes):
            raise ParameterError(
                f"axes {self.axes!r} name {len(self.axes)} axes, but the data has {self.data.ndim}; name each axis once"
            )
        if self.spacing is not None:
            n_spatial = len(self.axes.replace("c", ""))
            if len(self.spacing) != n_spatial or not all(math.isfinite(s) and s > 0 for s in self.spacing):
                raise ParameterError(
                    f"spacing is {self.spacing!r}; give {n_spatial} positive numbers for axes {self.axes!r}, or None"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the data."""
        return tuple(self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the data."""
        dtype: np.dtype[Any] = self.data.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes, the channel axis included."""
        return len(self.axes)

    @property
    def is_lazy(self) -> bool:
        """Whether the values are not in memory: they are read, or computed, when a part of them is asked for."""
        return not isinstance(self.data, np.ndarray)

    def loaded(self) -> Image:
        """Return the same image with its values in memory.

        Returns
        -------
        Image
            This one where they are there already.
        """
        return replace(self, data=np.asarray(self.data)) if self.is_lazy else self

    def __repr__(self) -> str:
        size = " × ".join(str(n) for n in self.shape)
        spacing = (
            "unknown" if self.spacing is None else f"{' × '.join(f'{s:g}' for s in self.spacing)} {self.unit or ''}"
        )
        return f"Image({size} {self.axes}, {self.dtype}, spacing {spacing.rstrip()})"

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:
        if "c" in self.axes:
            raise DataError(
                f"the image has channels (axes {self.axes}), not gray values; use .data, or read it as gray"
            )
        return np.array(self.data, dtype=dtype, copy=copy, subok=True)

    def with_data(self, data: Any) -> Image:
        """Return other data, such as labels, on the same grid of voxels.

        Parameters
        ----------
        data : ndarray, LazyArray or dask array
            Of the shape of the spatial axes.

        Returns
        -------
        Image
            With the spatial axes, spacing and unit of this image.
        """
        return Image(data, self.axes.replace("c", ""), self.spacing, self.unit)
