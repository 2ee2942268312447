"""Color spaces agree with their definitions and with scikit-image, and lead back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from klevels.core.spaces import SPACES, Space, from_space, luminance, to_space
from klevels.errors import DataError, DataTypeError, ParameterError

# Red, green, blue: steps of 17 with both ends, so that each corner, edge and gray of the cube is there.
CUBE = np.stack(np.meshgrid(*[np.arange(0, 256, 17, dtype=np.uint8)] * 3), axis=-1).reshape(-1, 3)
IEC = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

colors8 = nps.arrays(np.uint8, nps.array_shapes(min_dims=0, max_dims=2, max_side=20).map(lambda shape: (*shape, 3)))


def _decode(signal: float) -> float:
    """The transfer function, value by value, as IEC 61966-2-1 prints it."""
    return float(signal / 12.92 if signal <= 0.04045 else ((signal + 0.055) / 1.055) ** 2.4)


def test_linear_is_the_standard_for_every_16_bit_value() -> None:
    grays = np.arange(65536, dtype=np.uint16)[:, None].repeat(3, axis=1)
    expected = [_decode(gray / 65535) for gray in range(65536)]
    np.testing.assert_allclose(to_space(grays, "linear", 65535)[:, 1], expected, rtol=1e-14)
    np.testing.assert_allclose(from_space(to_space(grays, "linear", 65535), "linear", 65535), grays, rtol=1e-12)


def test_signals_on_either_side_of_the_knee_lead_back() -> None:
    # The knee itself is not among them: the two branches of the standard miss each other there by 3e-8.
    signals = np.linspace(0.0404, 0.0405, 30_000)[:, None].repeat(3, axis=1)
    for space in ("linear", "lab", "oklab"):
        np.testing.assert_allclose(from_space(to_space(signals, space, 1.0), space, 1.0), signals, rtol=1e-11)


def test_lab_is_that_of_scikit_image() -> None:
    color = pytest.importorskip("skimage.color")
    # Its matrix and its white have other last digits, which moves a and b by up to 0.02 and its grays off the axis.
    np.testing.assert_allclose(to_space(CUBE, "lab", 255), color.rgb2lab(CUBE), rtol=0, atol=0.025)
    # From our XYZ on only its rounded slope near black, 7.787, is left.
    white = color.xyz_tristimulus_values(illuminant="D65", observer="2")
    xyz = to_space(CUBE, "linear", 255) @ IEC.T / IEC.sum(axis=1) * white
    np.testing.assert_allclose(to_space(CUBE, "lab", 255), color.xyz2lab(xyz), rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("color", "expected"),
    [  # as Ottosson's reference code and CSS Color 4 have them
        ([255, 255, 255], [1.0, 0.0, 0.0]),
        ([255, 0, 0], [0.62796, 0.22486, 0.12585]),
        ([0, 255, 0], [0.86644, -0.23389, 0.17950]),
        ([0, 0, 255], [0.45201, -0.03246, -0.31153]),
        ([0, 0, 0], [0.0, 0.0, 0.0]),
    ],
)
def test_oklab_of_the_primaries(color: list[int], expected: list[float]) -> None:
    np.testing.assert_allclose(to_space(color, "oklab", 255), expected, rtol=0, atol=6e-6)


@pytest.mark.parametrize(
    ("xyz", "expected"),
    [  # the table of Ottosson's article, of three digits; the last three lie far outside sRGB
        ([0.950, 1.000, 1.089], [1.000, 0.000, 0.000]),
        ([1.000, 0.000, 0.000], [0.450, 1.236, -0.019]),
        ([0.000, 1.000, 0.000], [0.922, -0.671, 0.263]),
        ([0.000, 0.000, 1.000], [0.153, -1.415, -0.449]),
    ],
)
def test_oklab_of_the_published_table(xyz: list[float], expected: list[float]) -> None:
    light = np.linalg.solve(IEC, xyz)  # of four digits, where his has ten
    sizes = np.abs(light)
    signals = np.copysign(np.where(sizes > 0.0031308, 1.055 * sizes ** (1 / 2.4) - 0.055, 12.92 * sizes), light)
    np.testing.assert_allclose(to_space(signals, "oklab", 1.0), expected, rtol=0, atol=2e-3)


def test_the_way_back_has_the_published_inverse() -> None:
    """The inverse matrices that Ottosson prints undo ours."""
    okl, a, b = np.moveaxis(to_space(CUBE, "oklab", 255), -1, 0)
    long = (okl + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (okl - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (okl - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    light = np.stack((red, green, blue), axis=-1)
    np.testing.assert_allclose(light, to_space(CUBE, "linear", 255), rtol=0, atol=3e-7)


@pytest.mark.parametrize("space", SPACES)
@given(colors=colors8)
def test_8_bit_colors_lead_back(space: Space, colors: np.ndarray) -> None:
    coordinates = to_space(colors, space, 255)
    assert coordinates.dtype == np.float64
    assert coordinates.shape == colors.shape
    np.testing.assert_allclose(from_space(coordinates, space, 255), colors, rtol=0, atol=1e-10)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 65535), ("u2", 4095), ("f4", 1.0), (">f8", 100.0)])
def test_the_unit_of_the_image_changes_nothing_but_the_last_digits(space: Space, dtype: str, white: float) -> None:
    colors = (CUBE / 255 * white).astype(dtype)
    coordinates = to_space(colors, space, white)
    np.testing.assert_allclose(from_space(coordinates, space, white), colors, rtol=0, atol=1e-12 * white)
    if space != "rgb":
        of_shares = to_space(colors / white, space, 1.0)
        np.testing.assert_allclose(coordinates, of_shares, rtol=0, atol=1e-4 if dtype == "f4" else 1e-11)


@pytest.mark.parametrize("space", ["linear", "lab", "oklab"])
@given(colors=nps.arrays(np.float64, (5, 3), elements=st.floats(-3, 3)))
def test_floats_beyond_black_and_white_lead_back_to_the_range(space: Space, colors: np.ndarray) -> None:
    coordinates = to_space(colors, space, 1.0)
    assert np.isfinite(coordinates).all()
    back = from_space(coordinates, space, 1.0)
    np.testing.assert_allclose(back, np.clip(colors, 0, 1), rtol=0, atol=1e-7)


@given(nps.arrays(np.float64, (5, 3), elements=st.floats(-3, 3)))
def test_below_black_is_the_mirror_image(colors: np.ndarray) -> None:
    for space in ("linear", "oklab"):
        np.testing.assert_array_equal(to_space(-colors, space, 1.0), -to_space(colors, space, 1.0))
    np.testing.assert_array_equal(luminance(-colors, 1.0), -luminance(colors, 1.0))


@given(nps.arrays(np.float64, (6, 3), elements=st.floats(-1e3, 1e3)), st.sampled_from(["linear", "lab", "oklab"]))
def test_no_coordinates_lead_out_of_the_range(coordinates: np.ndarray, space: Space) -> None:
    colors = from_space(coordinates, space, 255)
    assert (colors >= 0).all()
    assert (colors <= 255).all()


def test_rgb_is_as_stored_whatever_the_channels() -> None:
    colors = np.array([[-3.5, 700.0, 1e300, 0.1]])
    for there in (to_space(colors, "rgb", 1.0), from_space(colors, "rgb", 1.0)):
        np.testing.assert_array_equal(there, colors)
        assert not np.shares_memory(there, colors)


@pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 65535), ("f8", 1.0)])
def test_grays_lie_on_the_axis_and_rise(dtype: str, white: float) -> None:
    grays = np.linspace(0, white, 256 if dtype == "u1" else 5000).astype(dtype)[:, None].repeat(3, axis=1)
    lab, oklab = to_space(grays, "lab", white), to_space(grays, "oklab", white)
    np.testing.assert_allclose(lab[:, 1:], 0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(oklab[:, 1:], 0, rtol=0, atol=4e-8)
    np.testing.assert_allclose(lab[[0, -1], 0], [0, 100], rtol=0, atol=1e-12)
    np.testing.assert_allclose(oklab[[0, -1], 0], [0, 1], rtol=0, atol=7e-9)
    bright = luminance(grays, white)
    np.testing.assert_allclose(bright[[0, -1]], [0, 1], rtol=0, atol=1e-15)
    for rising in (bright, lab[:, 0], oklab[:, 0]):
        assert (np.diff(rising) > 0).all()


def test_luminance_is_the_weighted_light() -> None:
    expected = [0.2126 * _decode(r / 255) + 0.7152 * _decode(g / 255) + 0.0722 * _decode(b / 255) for r, g, b in CUBE]
    np.testing.assert_allclose(luminance(CUBE, 255), expected, rtol=1e-13)
    assert luminance(CUBE.reshape(16, 256, 3), 255).shape == (16, 256)
    # L of CIELAB is a function of luminance alone.
    order = np.argsort(luminance(CUBE, 255), kind="stable")
    assert (np.diff(to_space(CUBE, "lab", 255)[order, 0]) > -1e-10).all()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 65535), ("f4", 1.0)])
def test_a_color_does_not_depend_on_its_neighbors(space: Space, dtype: str, white: float) -> None:
    """To the bit: alone, among many, or strided in memory; by the table or not."""
    rng = np.random.default_rng(8)
    colors = (rng.random((70_001, 3)) * white).astype(dtype)
    together = to_space(colors, space, white)
    for part in (slice(5, 6), slice(100, 131), slice(0, None, 1000)):
        np.testing.assert_array_equal(to_space(colors[part], space, white), together[part])
        np.testing.assert_array_equal(
            from_space(together[part], space, white), from_space(together, space, white)[part]
        )
        np.testing.assert_array_equal(luminance(colors[part], white), luminance(colors, white)[part])
    np.testing.assert_array_equal(to_space(np.asfortranarray(colors), space, white), together)


def test_nothing_is_written_to_the_input() -> None:
    colors = CUBE / 255
    colors.setflags(write=False)
    for space in SPACES:
        coordinates = to_space(colors, space, 1.0)
        coordinates.setflags(write=False)
        from_space(coordinates, space, 1.0)


def test_no_colors_are_no_coordinates() -> None:
    empty = np.zeros((0, 3), np.uint8)
    for space in SPACES:
        assert to_space(empty, space, 255).shape == from_space(empty, space, 255).shape == (0, 3)
    assert luminance(empty, 255).shape == (0,)


@pytest.mark.parametrize("space", ["RGB", "hsv", "", None, 3])
def test_unknown_spaces_are_refused(space: Space) -> None:
    for convert in (to_space, from_space):
        with pytest.raises(ParameterError, match=r"^space is .*; use rgb, linear, lab, oklab$"):
            convert(CUBE, space, 255)


@pytest.mark.parametrize("white", [0, -1, np.nan, np.inf, True, "255", None])
def test_whites_that_are_none_are_refused(white: float) -> None:
    with pytest.raises(ParameterError, match=r"^white is .*; give the greatest value of a channel"):
        to_space(CUBE, "rgb", white)
    with pytest.raises(ParameterError, match="white is"):
        from_space(CUBE, "lab", white)
    with pytest.raises(ParameterError, match="white is"):
        luminance(CUBE, white)


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (3, 1), (3, 0)])
def test_other_channels_have_only_rgb(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape)
    assert to_space(values, "rgb", 1.0).shape == shape
    for call in (
        lambda: to_space(values, "lab", 1.0),
        lambda: from_space(values, "oklab", 1.0),
        lambda: luminance(values, 1.0),
    ):
        with pytest.raises(DataError, match="give red, green and blue on the last axis"):
            call()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("space", ["linear", "lab", "oklab"])
def test_what_has_no_coordinates_is_refused(value: float, space: Space) -> None:
    with pytest.raises(DataError, match="a color is NaN, infinite, or too far beyond white"):
        to_space([[0.0, value, 0.0]], space, 1.0)
    with pytest.raises(DataError, match="a color is NaN"):
        luminance([[0.0, value, 0.0]], 1.0)
    if space != "linear" or value != 1e300:
        with pytest.raises(DataError, match="a color is NaN"):
            from_space([[0.0, value, 0.0]], space, 1.0)


@pytest.mark.parametrize("dtype", ["c16", "U3", "O", "u8"])
def test_dtypes_without_levels_are_refused(dtype: str) -> None:
    with pytest.raises(DataTypeError):
        to_space(np.zeros((2, 3), dtype), "lab", 255)
