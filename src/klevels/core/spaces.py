"""Color spaces: where distances between colors are measured, and the way there and back."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.voxels import check_dtype
from klevels.errors import DataError, ParameterError

Space = Literal["rgb", "linear", "lab", "oklab"]
SPACES: tuple[Space, ...] = ("rgb", "linear", "lab", "oklab")

Planes = NDArray[np.float64]
"""One row for each channel, shape (3, n)."""

KNEE = 0.04045
"""Up to this signal the transfer function of sRGB is a straight line, beyond it a power."""

XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
"""Linear sRGB to CIE XYZ, after IEC 61966-2-1; the second row holds the weights of BT.709."""
WHITE_RATIOS = XYZ / XYZ.sum(axis=1, keepdims=True)
"""The same as parts of the white's X, Y and Z: the white is D65, (0.9505, 1, 1.089)."""
CUBE_ROOT_FROM = (6 / 29) ** 3
"""Below this part of the white, CIELAB follows the tangent of the cube root."""

LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
"""Linear sRGB to the cone responses of OKLab."""
OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
"""The cube roots of these to L, a and b."""


def to_space(colors: ArrayLike, space: Space, white: float) -> NDArray[np.float64]:
    """Return the coordinates of colors in a color space.

    Parameters
    ----------
    colors : array_like, shape (..., 3)
        Red, green and blue as an sRGB image stores them: 0 is black, `white` is white.
    space : {"rgb", "linear", "lab", "oklab"}
        "rgb": the values as they are stored, of any number of channels. "linear": proportional to light, 0 to 1. "lab":
        CIELAB for the white D65, with L from 0 to 100. "oklab": OKLab [1]_, with L from 0 to 1.
    white : float
        The greatest value of a channel: 255, 65535, or 1.0 for most float images.

    Returns
    -------
    ndarray of float64
        Of the shape of `colors`.

    Raises
    ------
    ParameterError
        If there is no such space, or `white` is not a positive number.
    DataError
        If there are not three channels, or a value is NaN or infinite; "rgb" takes them all.
    DataTypeError
        If the dtype has no gray levels, such as complex or string.

    Notes
    -----
    Float images may hold values below 0 or above `white`. The transfer function and the cube root go on beyond white
    as they are, and below black as their mirror image, f(-x) = -f(x); CIELAB goes on below black in a straight line.
    So no finite color becomes NaN.

    The transfer function and the matrix are those of IEC 61966-2-1; grays have a = b = 0 in CIELAB. The matrices of
    OKLab are as published, with ten digits: grays have a = b = 0 to within 4e-8, and white an L of 1 to within 7e-9.

    A color's coordinates do not depend on the colors beside it. From one processor type to another they may differ in
    the last bit, as the powers and roots of NumPy do.

    References
    ----------
    .. [1] B. Ottosson, "A perceptual color space for image processing", 2020, https://bottosson.github.io/posts/oklab.

    Examples
    --------
    >>> to_space([255, 0, 0], "oklab", 255).round(3)
    array([0.628, 0.225, 0.126])
    """
    values = _checked(colors, space, white)
    if space == "rgb":
        return values.astype(np.float64)
    planes = _linear(values, white)
    if space == "lab":
        planes = _lab(planes)
    elif space == "oklab":
        planes = _mixed(np.cbrt(_mixed(planes, LMS)), OKLAB)
    return _interleaved(planes, values.shape)


def from_space(coordinates: ArrayLike, space: Space, white: float) -> NDArray[np.float64]:
    """Return the colors at coordinates of a color space.

    Parameters
    ----------
    coordinates : array_like, shape (..., 3)
        As `to_space` returns them.
    space : {"rgb", "linear", "lab", "oklab"}
        The space that they are in.
    white : float
        The greatest value of a channel.

    Returns
    -------
    ndarray of float64
        Red, green and blue in the units of the image, of the shape of `coordinates`. Colors that sRGB does not have are
        clipped, channel by channel, to 0 and `white`; in "rgb" the coordinates are returned as they are.

    Raises
    ------
    ParameterError
        If there is no such space, or `white` is not a positive number.
    DataError
        If there are not three channels, or a coordinate is NaN or infinite; "rgb" takes them all.
    DataTypeError
        If the dtype has no gray levels, such as complex or string.

    Examples
    --------
    >>> from_space([[100, 0, 0], [50, 0, 0]], "lab", 255).round()
    array([[255., 255., 255.],
           [119., 119., 119.]])
    """
    values = _checked(coordinates, space, white)
    if space == "rgb":
        return values.astype(np.float64)
    planes = _planes(values.astype(np.float64, copy=False))
    with np.errstate(over="ignore", invalid="ignore"):  # refused just below
        if space == "lab":
            planes = _lab_to_linear(planes)
        elif space == "oklab":
            planes = _mixed(_mixed(planes, np.linalg.inv(OKLAB)) ** 3, np.linalg.inv(LMS))
    _check_finite(planes)
    colors = _encoded(planes)
    colors *= white
    return _interleaved(np.clip(colors, 0, white, out=colors), values.shape)


def luminance(colors: ArrayLike, white: float) -> NDArray[np.float64]:
    """Return the relative luminance of colors, the Y of CIE XYZ.

    Parameters
    ----------
    colors : array_like, shape (..., 3)
        Red, green and blue as an sRGB image stores them.
    white : float
        The greatest value of a channel.

    Returns
    -------
    ndarray of float64, shape (...)
        0 for black to 1 for white; outside for colors that are, see `to_space`.

    Raises
    ------
    ParameterError
        If `white` is not a positive number.
    DataError
        If there are not three channels, or a value is NaN or infinite.
    DataTypeError
        If the dtype has no gray levels, such as complex or string.

    Examples
    --------
    >>> luminance([[255, 0, 0], [0, 255, 0], [0, 0, 255]], 255)
    array([0.2126, 0.7152, 0.0722])
    """
    values = _checked(colors, "linear", white)
    return _weighted(_linear(values, white), XYZ[1]).reshape(values.shape[:-1])


def _checked(colors: ArrayLike, space: Space, white: float) -> NDArray[Any]:
    values = np.asarray(colors)
    check_dtype(values.dtype)
    if space not in SPACES:
        raise ParameterError(f"space is {space!r}; use {', '.join(SPACES)}")
    if isinstance(white, bool) or not isinstance(white, Real) or not 0 < white < math.inf:
        raise ParameterError(f"white is {white!r}; give the greatest value of a channel: 255, 65535 or 1.0")
    if space != "rgb" and values.shape[-1:] != (3,):
        raise DataError(
            f"the colors are of shape {values.shape}; give red, green and blue on the last axis: space rgb takes others"
        )
    return values


def _planes(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values.reshape(-1, 3).T)


def _interleaved(planes: Planes, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.ascontiguousarray(planes.T).reshape(shape)


def _linear(values: NDArray[Any], white: float) -> Planes:
    """Undo the transfer function of sRGB; by a table where the dtype has fewer values than the colors."""
    planes = _planes(values)
    n_values = 1 << (8 * planes.dtype.itemsize)
    with np.errstate(over="ignore"):  # refused just below
        if planes.dtype.kind == "u" and n_values < planes.size:
            linear = np.take(_decoded(np.arange(n_values) / white), planes)
        else:
            linear = _decoded(planes.astype(np.float64) / white)
    _check_finite(linear)
    return linear


def _check_finite(planes: Planes) -> None:
    if not np.isfinite(planes).all():
        raise DataError("a color is NaN, infinite, or too far beyond white for a number; give finite colors")


def _decoded(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.abs(signals)
    powers = ((sizes + 0.055) / 1.055) ** 2.4
    return np.copysign(np.where(sizes <= KNEE, sizes / 12.92, powers), signals)


def _encoded(lights: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.abs(lights)
    powers = 1.055 * sizes ** (1 / 2.4) - 0.055
    # The standard rounds this knee to 0.0031308, which would lead signals just below the other knee astray.
    return np.copysign(np.where(sizes <= KNEE / 12.92, sizes * 12.92, powers), lights)


def _lab(linear: Planes) -> Planes:
    ratios = _mixed(linear, WHITE_RATIOS)
    x, y, z = np.where(ratios > CUBE_ROOT_FROM, np.cbrt(ratios), ratios * ((29 / 6) ** 2 / 3) + 4 / 29)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)))


def _lab_to_linear(lab: Planes) -> Planes:
    y = (lab[0] + 16) / 116
    roots = np.stack((y + lab[1] / 500, y, y - lab[2] / 200))
    ratios = np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * (3 * (6 / 29) ** 2))
    return _mixed(ratios, np.linalg.inv(WHITE_RATIOS))


def _mixed(planes: Planes, matrix: NDArray[np.float64]) -> Planes:
    return np.stack([_weighted(planes, weights) for weights in matrix])


def _weighted(planes: Planes, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted sum of the planes; not by `@`, whose rounding may depend on how many colors there are."""
    total: NDArray[np.float64] = weights[0] * planes[0]
    total += weights[1] * planes[1]
    total += weights[2] * planes[2]
    return total
