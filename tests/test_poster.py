"""Posters from Python: what goes in comes out in fewer colors, with its transparency, its profile and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import klevels
from klevels import DataError, DataTypeError, Image, Palette, ParameterError, PosterRecipe, TooFewLevelsError, posterize
from klevels.errors import KlevelsError

PICTURES = arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)), elements=st.integers(0, 255))


def _picture(dtype: str = "uint8", shape: tuple[int, ...] = (24, 31), n_channels: int = 3) -> NDArray[Any]:
    rng = np.random.default_rng(7)
    values = rng.integers(0, np.iinfo(dtype).max, (*shape, n_channels), endpoint=True).astype(dtype)
    values[: shape[0] // 2] //= 3
    return values


@given(picture=PICTURES, data=st.data())
def test_the_numbers_are_those_of_the_picture(picture: NDArray[np.uint8], data: st.DataObject) -> None:
    n_colors = len(np.unique(picture.reshape(-1, 3), axis=0))
    poster = posterize(picture, data.draw(st.integers(1, n_colors)))
    painted = poster.image.data
    assert painted.dtype == np.uint8
    assert painted.shape == picture.shape
    error = (picture.astype(float) - painted) ** 2
    assert poster.mse == pytest.approx(error.sum() / (picture.size / 3))
    assert poster.n_colors == n_colors
    summary = poster.summary()
    assert sum(summary["counts"]) == picture.size // 3
    np.testing.assert_array_equal(
        np.bincount(poster.labels.data.ravel(), minlength=poster.palette.k), summary["counts"]
    )
    assert (poster.mse == 0) == (summary["psnr"] is None)


@given(picture=PICTURES)
def test_a_poster_is_its_own_poster(picture: NDArray[np.uint8]) -> None:
    first = posterize(picture, 1 if (picture == picture[0, 0]).all() else 2)
    n_left = len(np.unique(first.image.data.reshape(-1, 3), axis=0))
    second = posterize(first.image, n_left)
    np.testing.assert_array_equal(second.image.data, first.image.data)
    assert second.palette.inertia == 0


@pytest.mark.parametrize("space", ["rgb", "linear", "lab", "oklab"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_sixteen_bits_are_eight_bits_with_more_steps(space: klevels.core.spaces.Space, dtype: str) -> None:
    picture = _picture()
    scaled = (picture.astype(np.uint32) * (257 if dtype == "uint16" else 1)).astype(dtype)
    poster = posterize(scaled, 6, space=space)
    assert poster.image.dtype == dtype
    assert poster.palette.hex == posterize(picture, 6, space=space).palette.hex
    assert poster.psnr == pytest.approx(posterize(picture, 6, space=space).psnr, abs=0.05)


def test_gray_goes_through_the_exact_engine() -> None:
    gray = _picture(n_channels=1)[..., 0]
    levels = klevels.fit_levels(klevels.histogram(gray), 5)
    poster = posterize(gray, 5)
    np.testing.assert_array_equal(poster.palette.centers[:, 0], levels.centers)
    np.testing.assert_array_equal(poster.labels.data, levels.classify(gray))
    assert poster.image.axes == "yx"
    in_color = posterize(np.repeat(gray[..., None], 3, axis=2), 5)
    np.testing.assert_array_equal(in_color.labels.data, poster.labels.data)
    assert in_color.palette.inertia == pytest.approx(3 * levels.inertia)


def test_transparency_and_profile_go_through_and_transparent_pixels_do_not_count() -> None:
    rgba = np.dstack([_picture(), np.full((24, 31), 255, np.uint8)])
    rgba[:5, :, 3] = 0
    rgba[5:8, :, 3] = 40
    source = Image(rgba, "yxc", meta={"alpha": True, "icc_profile": b"profile"})
    poster = posterize(source, 4)
    np.testing.assert_array_equal(poster.image.data[..., 3], rgba[..., 3])
    assert poster.image.meta["icc_profile"] == b"profile"
    assert (poster.labels.data[:5] == 255).all()
    visible = posterize(rgba[5:, :, :3], 4)
    np.testing.assert_array_equal(poster.palette.centers, visible.palette.centers)
    assert poster.summary()["n_ignored"] == 5 * 31
    plain = posterize(rgba, 4)
    np.testing.assert_array_equal(plain.image.data, poster.image.data)


def test_a_given_palette_is_used_as_it_is() -> None:
    palette = Palette.of([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 0]])
    poster = posterize(_picture(), palette=palette)
    assert set(map(tuple, poster.image.data.reshape(-1, 3).tolist())) <= {(0, 0, 0), (255, 0, 0), (255, 255, 255)}
    assert posterize(_picture("uint16"), palette=palette).image.data.max() == 65535
    gray = posterize(_picture(n_channels=1)[..., 0], palette=palette)
    assert gray.image.axes == "yxc"
    assert not (gray.image.data == [255, 0, 0]).all(axis=2).any()


def test_images_share_a_palette() -> None:
    one, other = _picture(), 255 - _picture()
    shared = klevels.fit_palette(klevels.count_colors(one) + klevels.count_colors(other), 5)
    joined = klevels.fit_palette(klevels.count_colors(np.concatenate([one, other])), 5)
    np.testing.assert_array_equal(shared.centers, joined.centers)
    np.testing.assert_array_equal(posterize(one, palette=shared).palette.centers, shared.centers)


@pytest.mark.parametrize("dither", ["floyd-steinberg", "blue-noise"])
def test_dithering_mixes_the_colors_of_the_palette(dither: klevels.core.dither.Dither) -> None:
    flat = np.full((64, 64, 3), (120, 60, 200), np.uint8)
    palette = Palette.of([[0, 0, 0], [240, 120, 255], [0, 0, 255], [255, 0, 0], [0, 255, 0], [255, 255, 255]])
    plain, mixed = posterize(flat, palette=palette), posterize(flat, palette=palette, dither=dither)
    target = np.array([120, 60, 200])
    assert len(np.unique(mixed.labels.data)) > 1
    error = np.abs(mixed.image.data.reshape(-1, 3).mean(axis=0) - target).max()
    assert error < np.abs(plain.image.data[0, 0] - target).max()
    assert int(mixed.palette.counts.sum()) == flat.size // 3
    assert mixed.mse >= plain.mse


def test_a_recipe_repeats_to_the_bit() -> None:
    recipe = PosterRecipe(k=6, space="oklab", quality="fast", dither="blue-noise", random_state=3)
    again = PosterRecipe.from_dict(recipe.to_dict())
    assert again == recipe
    first, second = posterize(_picture(), recipe=recipe), posterize(_picture(), recipe=again, threads=1)
    np.testing.assert_array_equal(first.labels.data, second.labels.data)
    np.testing.assert_array_equal(first.palette.centers, second.palette.centers)


def test_several_channels_are_segmented() -> None:
    volume = np.random.default_rng(1).normal(size=(4, 9, 8, 5)).astype(np.float32)
    volume[..., 1] *= 1000
    result = klevels.segment(Image(volume, "zyxc", spacing=(1.0, 2.0, 2.0), unit="mm"), 3)
    assert result.labels.axes == "zyx"
    assert result.labels.spacing == (1.0, 2.0, 2.0)
    volume[..., 0] /= 1000
    normalized = klevels.segment(Image(volume, "zyxc"), 3, normalize=True)
    assert isinstance(normalized.model, Palette)
    np.testing.assert_allclose(normalized.model.scale, volume.reshape(-1, 5).std(axis=0), rtol=1e-5)
    again = klevels.segment(Image(volume, "zyxc"), recipe=klevels.Recipe(k=3, normalize=True, model=normalized.model))
    np.testing.assert_array_equal(again.labels.data, normalized.labels.data)
    assert result.paint().axes == "zyxc"
    assert len(result.summary()["centers"][0]) == 5


BAD: dict[str, tuple[Callable[[], object], type[KlevelsError], str]] = {
    "one color": (lambda: posterize(np.zeros((4, 4, 3), np.uint8), 2), TooFewLevelsError, "k is 2, but the number of"),
    "no k": (lambda: posterize(_picture(), 0), ParameterError, "k is 0; give an integer"),
    "space": (lambda: posterize(_picture(), 2, space="hsv"), ParameterError, "space is 'hsv'; use rgb"),  # type: ignore[arg-type]
    "quality": (lambda: posterize(_picture(), 2, quality="top"), ParameterError, "quality is 'top'; use"),  # type: ignore[arg-type]
    "dither": (lambda: posterize(_picture(), 2, dither="bayer"), ParameterError, "dither is 'bayer'; use"),  # type: ignore[arg-type]
    "seed": (lambda: posterize(_picture(), 2, random_state=-1), ParameterError, "random_state is -1; give"),
    "palette and k": (
        lambda: posterize(_picture(), 2, palette=Palette.of([[0, 0, 0]])),
        ParameterError,
        "k is 2, but the palette has 1 colors",
    ),
    "transparent": (lambda: posterize(np.zeros((3, 3, 4), np.uint8), 1), DataError, "every pixel is transparent; give"),
    "five channels": (lambda: posterize(_picture(n_channels=5), 2), DataError, "the image has 5 color channels"),
    "a name": (lambda: posterize("photo.jpg", 2), DataTypeError, "read the file first"),
    "volume": (lambda: posterize(np.zeros((2, 2, 2, 3), np.uint8), 1), DataError, "the image has 4 axes; give"),
    "empty": (lambda: posterize(np.zeros((0, 4, 3), np.uint8), 1), DataError, "empty"),
    "complex": (lambda: posterize(np.zeros((4, 4, 3), complex), 1), DataTypeError, "dtype complex128"),
    "NaN": (lambda: posterize(np.full((4, 4, 3), np.nan), 1), DataError, "NaN"),
    "infinite": (lambda: posterize(np.full((4, 4, 3), np.inf), 1), DataError, "infinite"),
    "mask": (lambda: posterize(_picture(), 2, mask=np.zeros((2, 2), bool)), DataError, "the mask has shape"),
    "nothing inside": (
        lambda: posterize(_picture(), 2, mask=np.zeros((24, 31), bool)),
        DataError,
        "the mask leaves no",
    ),
    "recipe and k": (lambda: posterize(_picture(), 2, recipe=PosterRecipe(k=2)), ParameterError, "both a recipe and"),
    "recipe": (lambda: PosterRecipe.from_dict({"k": 2, "noise": 3}), ParameterError, "the recipe has noise, which no"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_line(name: str) -> None:
    call, kind, message = BAD[name]
    with pytest.raises(kind, match=message) as caught:
        call()
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_far_values_are_refused_where_their_squares_are_no_floats() -> None:
    far = klevels.count_colors(np.random.default_rng(0).random((400, 3)) * 1e100)
    with pytest.raises(DataError, match="too far for sums of squares"):
        klevels.fit_palette(far, 4, space="linear")


def test_floats_that_are_not_from_0_to_1_are_refused() -> None:
    with pytest.raises(DataError, match="the values are from 0 to 255; scale floats to 0 for black and 1 for white"):
        posterize(np.linspace(0, 255, 300).reshape(10, 10, 3), 4)


def test_a_mask_fits_or_is_refused_also_beside_transparency() -> None:
    rgba = np.full((6, 5, 4), 255, np.uint8)
    rgba[0, 0, 3] = 0
    with pytest.raises(DataError, match="the mask has shape"):
        posterize(rgba, 1, mask=np.ones((1, 5), bool))


def test_black_and_white_is_black_and_white() -> None:
    poster = posterize(np.eye(4, dtype=bool), 2)
    assert poster.palette.hex == ("#000000", "#ffffff")
    assert poster.image.data.max() == 255


def test_a_palette_can_measure_in_another_space() -> None:
    palette = Palette.of([[0, 0, 0], [255, 128, 0], [255, 255, 255]])
    assert posterize(_picture(), palette=palette, space="lab").palette.space == "lab"
    assert posterize(_picture(), palette=palette.in_space("oklab")).palette.space == "oklab"
    with pytest.raises(ParameterError, match="space is 'lab', but the palette measures in 'rgb'"):
        PosterRecipe(k=3, space="lab", palette=palette)


def test_a_constant_channel_has_no_say_however_often_it_occurs() -> None:
    colors = np.array([[9426, 51186], [29772, 51186], [49879, 51186], [300, 51186]], np.uint16)
    table = klevels.ColorTable.of(colors, [2**43 + 1, 2**44 - 3, 2**43 + 7, 2**43])
    fitted = klevels.fit_palette(table, 4, normalize=True)
    np.testing.assert_allclose(fitted.colors, colors[[3, 0, 1, 2]], rtol=1e-12)
