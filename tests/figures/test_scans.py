"""The sheet of several channels: each channel, the labels, the fractions, and where the classes lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

import klevels
from figures.pages import assert_nothing_is_cut_off_or_overlaps
from klevels import figures
from klevels.core.phase_colors import phase_colors
from klevels.errors import ParameterError
from klevels.figures.colors import IGNORED
from klevels.image import Image
from klevels.recipe import Segmentation


def dual_energy(shape: tuple[int, ...], n_channels: int = 2, seed: int = 0) -> np.ndarray:
    """Three materials that no single channel tells apart."""
    rng = np.random.default_rng(seed)
    materials = np.repeat(np.repeat(rng.integers(0, 3, shape), 4, axis=-1), 4, axis=-2)[..., : shape[-2], : shape[-1]]
    means = rng.permuted(np.array([[8_000, 20_000, 40_000]] * n_channels), axis=1)
    values = np.stack([mean[materials] for mean in means], axis=-1)
    return (values + rng.normal(0, 1500, values.shape)).clip(0, 65535).astype(np.uint16)


def segmented(shape: tuple[int, ...], n_channels: int = 2, k: int = 3, **asked: Any) -> Segmentation:
    axes = "zyxc" if len(shape) == 3 else "yxc"
    return klevels.segment(Image(dual_energy(shape, n_channels), axes), k, **asked)


@pytest.fixture(scope="module")
def volume() -> Segmentation:
    spacing = (0.2, 0.1, 0.1)
    return klevels.segment(Image(dual_energy((9, 40, 50)), "zyxc", spacing, "mm"), 3)


def pictures(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images and not axes.get_xlabel()]


def drawn(axes: Axes) -> Any:
    return axes.images[0].get_array()


def cloud(figure: Figure) -> Axes:
    return next(axes for axes in figure.axes if axes.get_xlabel())


def legend_of(figure: Figure) -> dict[str, str]:
    legend = next(axes.get_legend() for axes in figure.axes if not axes.axison)
    return {
        text.get_text(): to_hex(patch.get_facecolor())
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }


def test_a_volume_shows_the_middle_of_each_channel_and_the_labels(volume: Segmentation) -> None:
    figure = figures.channels(volume)
    axes = pictures(figure)
    assert [each.get_title() for each in axes] == ["channel 0, z = 4", "channel 1, z = 4", "labels, z = 4"]
    for i in (0, 1):
        channel = volume.source.data[4, ..., i]
        np.testing.assert_array_equal(drawn(axes[i]), channel)
        np.testing.assert_allclose(axes[i].images[0].get_clim(), np.percentile(channel, (0.2, 99.8)))
    np.testing.assert_array_equal(drawn(axes[2]), phase_colors(3, noise=False)[volume.labels.data[4]])
    assert [text.get_text() for text in axes[0].texts] == ["1 mm"]
    assert_nothing_is_cut_off_or_overlaps(figure)


def test_fractions_are_drawn_and_named_in_phase_colors(volume: Segmentation) -> None:
    figure = figures.channels(volume)
    bar: Any = next(axes for axes in figure.axes if axes.get_xlim() == (0, 1) and axes.axison).collections[0]
    np.testing.assert_allclose(np.diff(bar.get_coordinates()[0, :, 0]), volume.model.fractions)
    np.testing.assert_array_equal(np.asarray(bar.get_array()).reshape(-1, 3), phase_colors(3, noise=False))
    assert list(legend_of(figure)) == [f"{i}: {100 * share:.1f} %" for i, share in enumerate(volume.model.fractions)]
    named = [to_rgb(color) for color in legend_of(figure).values()]
    np.testing.assert_allclose(named, phase_colors(3, noise=False) / 255)


@pytest.mark.parametrize("normalize", [False, True])
def test_centers_lie_among_the_voxels_that_they_stand_for(normalize: bool) -> None:
    result = segmented((60, 70), k=3, normalize=normalize)
    axes = cloud(figures.channels(result))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("channel 0", "channel 1")
    markers = axes.collections[0]
    means = [result.source.data[result.labels.data == i].mean(axis=0) for i in range(3)]
    np.testing.assert_allclose(np.asarray(markers.get_offsets()), means)
    np.testing.assert_allclose(markers.get_facecolors()[:, :3], phase_colors(3, noise=False) / 255)
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]
    assert drawn(axes).sum() == 60 * 70
    left, right, bottom, top = axes.images[0].get_extent()
    columns = ((np.array(means) - (left, bottom)) / (right - left, top - bottom) * drawn(axes).shape[::-1]).astype(int)
    assert all(drawn(axes)[row, column] > 1 for column, row in columns)


@pytest.mark.parametrize(("n_channels", "n_shown"), [(2, 2), (3, 3), (16, 4)])
@pytest.mark.parametrize("shape", [(40, 50), (90, 12), (10, 90), (3, 40, 40), (1, 30, 40)])
def test_it_fits_a_page_whatever_its_channels(n_channels: int, n_shown: int, shape: tuple[int, ...]) -> None:
    for k in (2, 20):
        figure = figures.channels(segmented(shape, n_channels, k, quality="fast"))
        assert len(pictures(figure)) == n_shown + 1
        assert figure.get_size_inches()[1] < 9.51
        assert_nothing_is_cut_off_or_overlaps(figure)
        boxes = [axes.get_window_extent() for axes in figure.axes]
        for i, box in enumerate(boxes):
            assert not any(box.fully_overlaps(other) for other in boxes[i + 1 :])


def test_a_photograph_is_shown_in_color() -> None:
    data = (dual_energy((40, 50), 3) // 256).astype(np.uint8)
    figure = figures.channels(klevels.segment(Image(data, "yxc"), 3))
    axes = pictures(figure)
    assert [each.get_title() for each in axes] == ["original", "labels"]
    np.testing.assert_array_equal(drawn(axes[0]), data)
    assert cloud(figure).get_xlabel() == "red"
    assert len(pictures(figures.channels(segmented((40, 50), 3)))) == 4


def test_voxels_left_out_are_pale_blue_and_named() -> None:
    data = dual_energy((30, 40)).astype(np.float32)
    data[:3, :, 1] = np.nan
    mask = np.ones((30, 40), np.bool_)
    mask[:, :5] = False
    result = klevels.segment(Image(data, "yxc"), 3, nan="ignore", mask=mask)
    figure = figures.channels(result)
    first, second, labels = pictures(figure)
    assert not np.ma.getmaskarray(drawn(first)).any()
    np.testing.assert_array_equal(np.ma.getmaskarray(drawn(second)), np.isnan(data[..., 1]))
    assert np.all(drawn(labels)[:3] == IGNORED)
    assert np.all(drawn(labels)[:, :5] == IGNORED)
    assert not np.any(np.all(drawn(labels)[3:, 5:] == IGNORED, axis=-1))
    assert "ignored" in legend_of(figure)
    assert_nothing_is_cut_off_or_overlaps(figure)


def test_transparency_is_no_channel() -> None:
    data = dual_energy((30, 40), 3)
    data[..., 2] = 65535
    data[:5, :, 2] = 0
    result = klevels.segment(Image(data, "yxc", meta={"alpha": True}), 3)
    axes = pictures(figures.channels(result))
    assert [each.get_title() for each in axes] == ["channel 0", "channel 1", "labels"]
    assert np.all(drawn(axes[2])[:5] == IGNORED)


def test_a_single_channel_has_a_histogram_with_the_thresholds_between_the_centers() -> None:
    result = segmented((30, 40), 1, 3)
    figure = figures.channels(result)
    axes = cloud(figure)
    assert axes.get_xlabel() == "gray value"
    centers = result.model.centers[:, 0]
    lines = [path.vertices[0, 0] for path in axes.collections[0].get_paths()]
    np.testing.assert_allclose(lines, (centers[1:] + centers[:-1]) / 2)
    assert_nothing_is_cut_off_or_overlaps(figure)


@pytest.mark.parametrize("value", [0.0, 7.0, -3.5, 1e-30, 1e6])
def test_a_constant_image(value: float) -> None:
    image = Image(np.full((20, 30, 2), value, np.float64), "yxc")
    assert_nothing_is_cut_off_or_overlaps(figures.channels(klevels.segment(image, 1)))


def test_classes_of_another_scan_do_not_stretch_the_cloud() -> None:
    result = segmented((30, 40))
    far = klevels.Palette.of(result.model.colors + 1e6, white=65535.0)
    recipe = klevels.Recipe(k=far.k, model=far)
    applied = klevels.segment(result.source, recipe=recipe)
    assert cloud(figures.channels(applied)).get_xlim() == cloud(figures.channels(result)).get_xlim()


def test_gray_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"without channels; draw it with figures\.sheet"):
        figures.channels(klevels.segment([[0, 1], [8, 9]], k=2))
