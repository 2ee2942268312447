"""Image keeps data, axes and voxel size together, and refuses what does not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from klevels.errors import KlevelsError, ParameterError
from klevels.image import Image


def test_properties() -> None:
    image = Image(np.zeros((2, 3, 4), np.uint16), "zyx", spacing=(1.0, 0.5, 0.5), unit="mm")
    assert image.shape == (2, 3, 4)
    assert image.ndim == 3
    assert image.dtype == np.uint16
    assert dict(image.meta) == {}


def test_an_image_is_an_array_where_one_is_expected() -> None:
    data = np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]])
    image = Image(data, "yx")
    assert np.asanyarray(image).mask.tolist() == data.mask.tolist()
    assert np.shares_memory(np.asarray(Image(data.data, "yx")), data.data)
    assert np.asarray(image, np.float32).dtype == np.float32


def test_labels_take_over_the_grid() -> None:
    color = Image(np.zeros((4, 5, 3), np.uint8), "yxc", spacing=(2.0, 3.0), unit="µm", meta={"format": "PNG"})
    labels = color.with_data(np.zeros((4, 5), np.uint8))
    assert (labels.axes, labels.spacing, labels.unit) == ("yx", (2.0, 3.0), "µm")


@pytest.mark.parametrize("axes", ["", "xy", "y", "tzyx", "cyx", "YX"])
def test_unknown_axes_are_refused(axes: str) -> None:
    with pytest.raises(ParameterError, match=r"axes are .*; use one of yx, zyx, yxc, zyxc") as caught:
        Image(np.zeros((2, 2)), axes)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, KlevelsError)


def test_axes_must_fit_the_data() -> None:
    with pytest.raises(ParameterError, match="axes 'zyx' name 3 axes, but the data has 2; name each axis once"):
        Image(np.zeros((2, 2)), "zyx")


@pytest.mark.parametrize(
    "spacing", [(1.0,), (1.0, 1.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, math.inf)]
)
def test_spacing_must_fit_the_axes(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ParameterError, match=r"spacing is .*; give 2 positive numbers for axes 'yx', or None"):
        Image(np.zeros((2, 2)), "yx", spacing=spacing)
    with pytest.raises(ParameterError, match="give 2 positive numbers for axes 'yxc'"):
        Image(np.zeros((2, 2, 3)), "yxc", spacing=spacing)
