"""Figures of posters: both pictures, the palette in its shares, and names that can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import klevels
from figures.pages import assert_nothing_is_cut_off_or_overlaps, rendered
from klevels import figures
from klevels.core.palette import Palette
from klevels.errors import DataError, ParameterError
from klevels.image import Image
from klevels.poster import Poster


def photograph(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Smooth colors with some noise."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    waves = np.stack([np.sin(5 * x + 3 * y), np.cos(4 * y - x), np.sin(9 * x * y)], axis=-1)
    noisy = 127 + 100 * waves + np.random.default_rng(seed).normal(0, 8, waves.shape)
    return noisy.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def poster() -> Poster:
    return klevels.posterize(photograph((60, 80)), k=6)


def pictures(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def drawn(axes: Axes) -> Any:
    return axes.images[0].get_array()


def strip(figure: Figure) -> Axes:
    return next(axes for axes in figure.axes if axes.collections and axes.axison)


def segments(figure: Figure) -> tuple[np.ndarray, list[str]]:
    """The widths and the colors of the bar."""
    mesh: Any = strip(figure).collections[0]
    colors = np.asarray(mesh.get_array()).reshape(-1, 3)
    return np.diff(mesh.get_coordinates()[0, :, 0]), [to_hex(color / 255) for color in colors]


def board(figure: Figure) -> Axes:
    return next(axes for axes in figure.axes if not axes.axison)


class TestPoster:
    def test_it_holds_both_pictures_and_the_palette_in_its_shares(self, poster: Poster) -> None:
        figure = figures.poster(poster)
        left, right = pictures(figure)
        np.testing.assert_array_equal(drawn(left), poster.source.data)
        np.testing.assert_array_equal(drawn(right), poster.image.data)
        widths, colors = segments(figure)
        np.testing.assert_allclose(widths, poster.palette.fractions)
        assert colors == list(poster.palette.hex)
        assert left.get_title() == "original"
        assert right.get_title() == f"6 colors in RGB, PSNR {poster.psnr:.1f} dB"

    def test_only_the_colors_of_the_poster_reach_the_page(self, poster: Poster) -> None:
        figure = figures.poster(poster)
        pixels = rendered(figure)
        box = pictures(figure)[1].get_window_extent()
        height = pixels.shape[0]
        inner = pixels[height - int(box.y1) + 4 : height - int(box.y0) - 4, int(box.x0) + 4 : int(box.x1) - 4, :3]
        found = {to_hex(color / 255) for color in np.unique(inner.reshape(-1, 3), axis=0)}
        assert found == set(poster.palette.hex)

    def test_each_segment_is_named_in_order_near_its_place(self, poster: Poster) -> None:
        bar = strip(figures.poster(poster))
        assert [text.get_text() for text in bar.texts] == [
            f"{name}\n{100 * share:.1f} %"
            for name, share in zip(poster.palette.hex, poster.palette.fractions, strict=True)
        ]
        middles = np.cumsum(poster.palette.fractions) - poster.palette.fractions / 2
        for line, text, middle in zip(bar.lines, bar.texts, middles, strict=True):
            assert line.get_xdata()[0] == pytest.approx(middle)
            assert line.get_xdata()[-1] == pytest.approx(text.get_position()[0])
            assert text.get_position()[0] == pytest.approx(middle, abs=0.1)

    @pytest.mark.parametrize("shape", [(60, 90), (90, 60), (70, 70), (20, 160), (200, 10), (1, 40), (40, 1)])
    @pytest.mark.parametrize("k", [1, 4, 16, 17])
    def test_it_fits_a_page_and_nothing_overlaps(self, shape: tuple[int, int], k: int) -> None:
        figure = figures.poster(klevels.posterize(photograph(shape), k=k, quality="fast"))
        width, height = figure.get_size_inches()
        assert width == 7.2
        assert height < 9.51
        assert_nothing_is_cut_off_or_overlaps(figure)
        assert len(strip(figure).texts) == (k if k <= 16 else 0)
        for axes in pictures(figure):
            box = axes.get_window_extent()
            assert box.height / box.width == pytest.approx(shape[0] / shape[1], rel=1e-6)

    def test_names_fit_where_all_segments_are_thin_but_one(self) -> None:
        data = np.zeros((100, 100, 3), np.uint8)
        data[0, :15] = np.arange(10, 250, 16)[:, None]
        figure = figures.poster(klevels.posterize(data, k=16))
        assert_nothing_is_cut_off_or_overlaps(figure)
        assert [text.get_text().split("\n")[1] for text in strip(figure).texts] == ["99.9 %", *["< 0.1 %"] * 15]

    def test_wide_pictures_stand_one_above_the_other(self) -> None:
        figure = figures.poster(klevels.posterize(photograph((20, 90)), k=3))
        upper, lower = (axes.get_position() for axes in pictures(figure))
        assert upper.x0 == pytest.approx(lower.x0)
        assert upper.y0 > lower.y1

    def test_gray_images_have_grays(self) -> None:
        gray = photograph((40, 50))[..., 0]
        poster = klevels.posterize(gray, k=5)
        figure = figures.poster(poster)
        np.testing.assert_array_equal(drawn(pictures(figure)[0]), np.dstack([gray] * 3))
        assert pictures(figure)[1].get_title() == f"5 grays, PSNR {poster.psnr:.1f} dB"
        assert segments(figure)[1] == list(poster.palette.hex)
        colored = klevels.posterize(gray, palette=Palette.of([[0, 0, 90], [255, 255, 0]]))
        assert "2 colors in RGB" in pictures(figures.poster(colored))[1].get_title()

    @pytest.mark.parametrize(
        ("space", "name"), [("linear", "linear RGB"), ("lab", "CIELAB"), ("oklab", "OKLab"), ("rgb", "RGB")]
    )
    def test_the_title_names_the_space(self, space: Any, name: str) -> None:
        figure = figures.poster(klevels.posterize(photograph((30, 40)), k=2, space=space))
        assert f"2 colors in {name}, " in pictures(figure)[1].get_title()

    def test_without_any_loss(self) -> None:
        figure = figures.poster(klevels.posterize(np.full((20, 30, 3), 90, np.uint8), k=1))
        assert pictures(figure)[1].get_title() == "1 color in RGB, PSNR ∞"

    def test_sixteen_bits_and_floats_look_like_eight(self, poster: Poster) -> None:
        for data in (poster.source.data.astype(np.uint16) * 257, poster.source.data.astype(np.float32) / 255):
            same = klevels.posterize(Image(data, "yxc"), k=6)
            left, right = pictures(figures.poster(same))
            np.testing.assert_array_equal(drawn(left), poster.source.data)
            assert {to_hex(color / 255) for color in np.unique(drawn(right).reshape(-1, 3), axis=0)} == set(
                same.palette.hex
            )

    def test_clear_pixels_lie_on_checks_and_do_not_count(self) -> None:
        data = np.dstack([photograph((40, 60)), np.full((40, 60), 255, np.uint8)])
        data[:20, :, 3] = 0
        poster = klevels.posterize(data, k=3)
        figure = figures.poster(poster)
        for axes in pictures(figure):
            assert set(np.unique(drawn(axes)[:20])) == {230, 255}
        assert segments(figure)[0].sum() == pytest.approx(1)

    def test_of_a_volume_the_middle_is_shown(self) -> None:
        data = np.stack([photograph((30, 40), seed) for seed in range(5)])
        poster = klevels.posterize(Image(data, "zyxc", (2.0, 1.0, 1.0), "mm"), k=4)
        figure = figures.poster(poster)
        left, right = pictures(figure)
        np.testing.assert_array_equal(drawn(left), data[2])
        np.testing.assert_array_equal(drawn(right), poster.image.data[2])
        assert left.get_title() == "original, z = 2"
        assert_nothing_is_cut_off_or_overlaps(figure)

    def test_pixels_that_are_not_square_keep_their_shape(self) -> None:
        image = Image(photograph((30, 40)), "yxc", (3.0, 1.0), "mm")
        figure = figures.poster(klevels.posterize(image, k=2))
        box = pictures(figure)[0].get_window_extent()
        assert box.height / box.width == pytest.approx(90 / 40)
        assert [text.get_text() for text in pictures(figure)[0].texts] == ["10 mm"]
        assert_nothing_is_cut_off_or_overlaps(figure)

    def test_an_empty_image_is_refused(self, poster: Poster) -> None:
        empty = replace(poster, source=Image(np.zeros((0, 4, 3), np.uint8), "yxc"))
        with pytest.raises(DataError, match="at least one voxel"):
            figures.poster(empty)

    @pytest.mark.parametrize("name", ["china.jpg", "chelsea.png", "ascent.png", "kodim03.png"])
    def test_photographs(self, shared_data: Path, name: str) -> None:
        poster = klevels.posterize(klevels.read(shared_data / "photos" / name), k=16, quality="fast")
        figure = figures.poster(poster)
        assert_nothing_is_cut_off_or_overlaps(figure)
        np.testing.assert_allclose(segments(figure)[0], poster.palette.fractions)


class TestSwatches:
    @pytest.mark.parametrize("k", [1, 2, 7, 8, 9, 24, 32, 33, 100, 255, 256])
    def test_every_color_has_a_swatch_a_name_and_a_share(self, k: int) -> None:
        palette = klevels.posterize(photograph((90, 90)), k=k, quality="fast").palette
        figure = figures.swatches(palette)
        swatches: Any = board(figure).collections[0]
        assert [to_hex(color) for color in swatches.get_facecolors()] == list(palette.hex)
        texts = board(figure).texts
        assert [text.get_text().split("\n")[0] for text in texts] == list(palette.hex)
        np.testing.assert_allclose(segments(figure)[0], palette.fractions)
        for path, text in zip(swatches.get_paths(), texts, strict=True):
            assert path.get_extents().contains(*text.get_position())
        assert_nothing_is_cut_off_or_overlaps(figure)
        assert figure.get_size_inches()[1] < 9.51

    @pytest.mark.parametrize("k", [8, 32, 33, 256])
    def test_names_stay_within_their_swatches(self, k: int) -> None:
        palette = Palette.of(np.random.default_rng(0).integers(0, 256, (k, 3)))
        palette = replace(palette, counts=np.arange(1, k + 1) ** 3)
        figure = figures.swatches(palette)
        rendered(figure)
        axes = board(figure)
        swatches: Any = axes.collections[0]
        for path, text in zip(swatches.get_paths(), axes.texts, strict=True):
            box, around = text.get_window_extent(), path.get_extents(axes.transData)
            assert around.x0 <= box.x0
            assert box.x1 <= around.x1
            assert around.y0 <= box.y0
            assert box.y1 <= around.y1

    def test_swatches_run_from_dark_to_bright_row_by_row_all_of_one_size(self) -> None:
        palette = klevels.posterize(photograph((60, 80)), k=20, quality="fast").palette
        swatches: Any = board(figures.swatches(palette)).collections[0]
        boxes = [path.get_extents() for path in swatches.get_paths()]
        assert [(round(box.y0), round(box.x0)) for box in boxes] == [(i // 7, i % 7) for i in range(20)]
        assert np.ptp([box.width for box in boxes]) < 1e-9
        assert np.ptp([box.height for box in boxes]) < 1e-9

    def test_given_colors_have_no_shares(self) -> None:
        figure = figures.swatches(Palette.of([[255, 255, 255], [0, 0, 0], [200, 30, 30]]))
        (axes,) = figure.axes
        assert [text.get_text() for text in axes.texts] == ["#000000", "#c81e1e", "#ffffff"]
        assert [text.get_color() for text in axes.texts] == ["white", "white", "black"]

    def test_grays_have_swatches(self) -> None:
        palette = klevels.posterize(photograph((40, 50))[..., 0], k=4).palette
        assert [text.get_text().split("\n")[0] for text in board(figures.swatches(palette)).texts] == list(palette.hex)

    def test_very_many_colors_have_no_text(self) -> None:
        palette = Palette.of(np.random.default_rng(0).integers(0, 256, (3000, 3)))
        figure = figures.swatches(palette)
        assert len(board(figure).collections[0].get_paths()) == palette.k
        assert not board(figure).texts
        rendered(figure)

    @pytest.mark.parametrize("n_channels", [2, 4, 5, 16])
    def test_channels_that_are_no_colors_are_refused(self, n_channels: int) -> None:
        palette = Palette.of(np.arange(2 * n_channels).reshape(2, n_channels))
        with pytest.raises(ParameterError, match=f"has {n_channels} channels, which are no colors"):
            figures.swatches(palette)
