"""Photographs made ready for a page: averaged, thinned, on checks, and never in other colors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from skimage.measure import block_reduce

import klevels
from klevels.figures import photos
from klevels.figures.photos import original_of, painted_of
from klevels.image import Image


def picture(shape: tuple[int, ...], dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8).astype(dtype)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 20 pixels a side are drawn."""
    monkeypatch.setattr(photos, "LONGEST", 20)


def test_what_fits_is_shown_as_it_is() -> None:
    data = picture((30, 40, 3))
    np.testing.assert_array_equal(original_of(Image(data, "yxc")), data)
    np.testing.assert_array_equal(original_of(Image(data[..., 0], "yx")), np.dstack([data[..., 0]] * 3))
    np.testing.assert_array_equal(original_of(Image(np.stack([0 * data, data, 0 * data]), "zyxc")), data)


def test_dtypes_are_scaled_by_their_greatest_value() -> None:
    data = picture((30, 40, 3))
    for same in (data.astype(np.uint16) * 257, data.astype(">u2") * 257, (data / 255).astype(np.float32)):
        np.testing.assert_array_equal(original_of(Image(same, "yxc")), data)
    wild = np.array([[-5.0, np.nan, 0.5, 7.0, np.inf]])
    np.testing.assert_array_equal(original_of(Image(wild, "yx"))[0, :, 0], [0, 0, 128, 255, 255])
    np.testing.assert_array_equal(original_of(Image(np.array([[False, True]]), "yx"))[0, :, 0], [0, 255])


@pytest.mark.usefixtures("short")
def test_large_images_are_averaged_over_squares() -> None:
    data = picture((60, 90, 3))  # 5 by 5
    means = block_reduce(data.astype(np.float64), (5, 5, 1), np.mean)
    assert np.abs(original_of(Image(data, "yxc")) - means).max() <= 0.501
    ragged = picture((61, 93, 3))
    shown = original_of(Image(ragged, "yxc"))
    assert shown.shape == (13, 19, 3)
    np.testing.assert_allclose(shown[-1, -1], ragged[60:, 90:].mean(axis=(0, 1)), atol=0.501)
    np.testing.assert_allclose(shown[0, -1], ragged[:5, 90:].mean(axis=(0, 1)), atol=0.501)


@pytest.mark.usefixtures("short")
def test_a_large_poster_keeps_its_colors() -> None:
    poster = klevels.posterize(Image(picture((60, 90, 3)), "yxc"), k=7)
    shown = painted_of(poster)
    assert shown.shape == (12, 18, 3)
    np.testing.assert_array_equal(shown, poster.image.data[2::5, 2::5])
    flat = klevels.posterize(Image(picture((1, 90, 3)), "yxc"), k=7)
    np.testing.assert_array_equal(painted_of(flat), flat.image.data[:, 2::5])


def test_a_poster_is_shown_as_it_is_painted() -> None:
    for data in (picture((30, 40, 3)), picture((30, 40)), picture((30, 40, 3)).astype(np.uint16) * 257):
        poster = klevels.posterize(data, k=5)
        painted = np.rint(poster.image.data / (257 if data.dtype == np.uint16 else 1))
        np.testing.assert_array_equal(painted_of(poster), painted if data.ndim == 3 else np.dstack([painted] * 3))


class TestTransparency:
    def test_clear_is_checks_and_opaque_is_itself(self) -> None:
        data = picture((80, 80, 4))
        data[..., 3] = 255
        data[:40, :, 3] = 0
        image = Image(data, "yxc", meta={"alpha": True})
        poster = klevels.posterize(image, k=4)
        for shown, wanted in ((original_of(image), data), (painted_of(poster), poster.image.data)):
            np.testing.assert_array_equal(shown[40:], wanted[40:, :, :3])
            assert {tuple(color) for color in shown[:40].reshape(-1, 3).tolist()} == {(255,) * 3, (230,) * 3}
            assert shown[0, 0, 0] != shown[0, 2, 0] == shown[2, 0, 0]
            assert shown[0, 0, 0] == shown[1, 1, 0] == shown[2, 2, 0]

    @pytest.mark.parametrize("n_channels", [1, 3])
    def test_what_is_in_between_is_mixed(self, n_channels: int) -> None:
        alpha = np.full((1, 5, 1), 51, np.uint8)  # a fifth
        colors = picture((1, 5, n_channels))
        board = np.array([255.0, 229.5, 255.0, 229.5, 255.0])[None, :, None]
        mixed = 0.2 * colors + 0.8 * board
        straight = Image(np.concatenate([colors, alpha], axis=2), "yxc", meta={"alpha": True})
        assert np.abs(original_of(straight) - mixed).max() <= 0.501
        multiplied = np.rint(0.2 * colors).astype(np.uint8)
        premultiplied = Image(
            np.concatenate([multiplied, alpha], axis=2), "yxc", meta={"alpha": True, "premultiplied": True}
        )
        assert np.abs(original_of(premultiplied) - mixed).max() <= 1.01
        assert np.abs(painted_of(klevels.posterize(premultiplied, k=1)) - board * 0.8).max() <= 52

    @pytest.mark.usefixtures("short")
    def test_the_colors_of_clear_pixels_do_not_bleed(self) -> None:
        data = np.zeros((40, 40, 4), np.uint8)
        data[..., 0] = 255  # red, where nothing is seen
        data[::2] = (0, 0, 255, 255)
        shown = original_of(Image(data, "yxc", meta={"alpha": True}))
        assert shown[..., 0].max() <= 128
        assert np.ptp(shown[..., 0].astype(int) - shown[..., 1]) == 0


def test_a_page_of_a_hundred_megapixels_needs_little_memory() -> None:
    wide = np.broadcast_to(picture((1, 1, 3)), (9_000, 11_000, 3))  # 300 MB if it were copied
    assert original_of(Image(wide, "yxc")).shape == (1500, 1834, 3)
    assert photos.LONGEST == 2048
