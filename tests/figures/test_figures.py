"""Figures: what is drawn equals the data, and any data can be drawn."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from figures.pages import assert_nothing_is_cut_off_or_overlaps, rendered
from klevels import figures
from klevels.core.count import histogram as count
from klevels.core.fit import fit_levels, fit_path
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.phase_colors import NOISE, phase_colors
from klevels.errors import DataError, ParameterError
from klevels.figures.colors import IGNORED
from klevels.image import Image
from klevels.samples import simulate_phases

Segmented = tuple[Image, Histogram, Image, Levels]


def segmented(image: Image, k: int, *, noise: bool = False, mask: Any = None) -> Segmented:
    histogram = count(image.data, mask=mask, nan="ignore")
    levels = fit_levels(histogram, k)
    if noise:
        levels = replace(levels, noise_threshold=float(levels.thresholds[0]))
    return image, histogram, image.with_data(levels.classify(image.data, mask=mask)), levels


@pytest.fixture(scope="module")
def slice_() -> Segmented:
    return segmented(simulate_phases((40, 50), seed=1).image, 3, noise=True)


@pytest.fixture(scope="module")
def volume() -> Segmented:
    scan = simulate_phases((20, 30, 40), seed=2).image
    return segmented(Image(scan.data, "zyx", (0.3, 0.1, 0.2), "mm"), 4)


def pictures(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def drawn(axes: Axes) -> Any:
    return axes.images[0].get_array()


def legend_of(figure: Figure) -> dict[str, tuple[float, ...]]:
    entries: dict[str, tuple[float, ...]] = {}
    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None and not axes.axison:
            for text, handle in zip(legend.get_texts(), legend.get_patches(), strict=True):
                entries[text.get_text()] = to_rgb(handle.get_facecolor())
    return entries


def chart(figure: Figure) -> Axes:
    return next(axes for axes in figure.axes if axes.get_xlabel() == "gray value")


def bars(axes: Axes) -> tuple[Any, Any]:
    data = axes.patches[0].get_data()  # type: ignore[attr-defined]
    return np.asarray(data.values), np.asarray(data.edges)


class TestCompare:
    def test_both_sides_hold_the_data_on_one_gray_scale(self, slice_: Segmented) -> None:
        image, _, labels, levels = slice_
        left, right = pictures(figures.compare(image, labels, levels))
        np.testing.assert_array_equal(drawn(left), image.data)
        np.testing.assert_allclose(drawn(right), levels.centers[labels.data])
        assert left.images[0].get_clim() == right.images[0].get_clim()
        np.testing.assert_allclose(left.images[0].get_clim(), np.percentile(image.data, (0.2, 99.8)))

    def test_there_are_no_ticks_and_titles_say_which_is_which(self, slice_: Segmented) -> None:
        image, _, labels, levels = slice_
        axes = pictures(figures.compare(image, labels, levels))
        assert [each.get_title() for each in axes] == ["original", "segmentation"]
        for each in axes:
            assert len(each.get_xticks()) == len(each.get_yticks()) == 0

    def test_a_volume_shows_its_three_middle_planes_true_to_scale(self, volume: Segmented) -> None:
        image, _, labels, levels = volume
        figure = figures.compare(image, labels, levels)
        axes = pictures(figure)
        z, y, x = 10, 15, 20
        planes = [np.s_[z], np.s_[:, y], np.s_[:, :, x]]
        assert [each.get_title() for each in axes] == [f"z = {z}", f"y = {y}", f"x = {x}"] * 2
        for i, plane in enumerate(planes):
            np.testing.assert_array_equal(drawn(axes[i]), image.data[plane])
            np.testing.assert_allclose(drawn(axes[3 + i]), levels.centers[labels.data[plane]])
        assert len({each.images[0].get_clim() for each in axes}) == 1
        assert [text.get_text() for text in figure.texts] == ["original", "segmentation"]

        extents = np.array([20 * 0.3, 30 * 0.1, 40 * 0.2])
        for each, (height, width) in zip(axes, extents[[[1, 2], [0, 2], [0, 1]] * 2], strict=True):
            box = each.get_window_extent()
            assert box.height / box.width == pytest.approx(height / width)
            assert box.width / width == pytest.approx(axes[0].get_window_extent().width / extents[2])

    def test_a_scale_bar_is_as_long_as_it_says(self, slice_: Segmented) -> None:
        image, _, labels, levels = slice_
        for spacing, unit, text, pixels in [
            ((0.01, 0.01), "mm", "0.1 mm", 10),
            ((3.0, 3.0), "µm", "20 µm", 20 / 3),
            ((1.0, 1.0), None, "10 (unit unknown)", 10),
        ]:
            left = pictures(figures.compare(Image(image.data, "yx", spacing, unit), labels, levels))[0]
            assert [each.get_text() for each in left.texts] == [text]
            ends = left.transData.transform([(end, 0) for end in left.lines[0].get_xdata()])
            assert ends[1, 0] - ends[0, 0] == pytest.approx(pixels / 50 * left.get_window_extent().width)
        without = figures.compare(Image(image.data, "yx"), labels, levels)
        assert all(not axes.texts and not axes.lines for axes in without.axes)

    def test_wide_images_stand_one_above_the_other(self) -> None:
        figure = figures.compare(*drop(segmented(simulate_phases((10, 90)).image, 2)))
        upper, lower = (each.get_position() for each in pictures(figure))
        assert upper.x0 == pytest.approx(lower.x0)
        assert upper.y0 > lower.y1

    def test_voxels_left_out_are_neither_black_nor_white(self) -> None:
        data = simulate_phases((30, 30)).image.data.astype(np.float32)
        data[:5] = np.nan
        mask = np.ones(data.shape, np.bool_)
        mask[:, :5] = False
        left, right = pictures(figures.compare(*drop(segmented(Image(data, "yx"), 2, mask=mask))))
        np.testing.assert_array_equal(np.ma.getmaskarray(drawn(left)), np.isnan(data))
        np.testing.assert_array_equal(np.ma.getmaskarray(drawn(right)), np.isnan(data) | ~mask)
        assert left.images[0].get_cmap().get_bad()[:3] == pytest.approx(np.array(IGNORED) / 255)

    def test_an_outlier_does_not_darken_the_rest(self) -> None:
        data = simulate_phases((60, 60)).image.data.astype(np.float64)
        usual = data.max()
        data[30, 30] = 1e12
        image, _, labels, levels = segmented(Image(data, "yx"), 3)
        assert pictures(figures.compare(image, labels, levels))[0].images[0].get_clim()[1] <= usual


def drop(all_: Segmented) -> tuple[Image, Image, Levels]:
    image, _, labels, levels = all_
    return image, labels, levels


class TestPhases:
    @pytest.mark.parametrize("noise", [False, True])
    def test_each_voxel_has_exactly_its_phases_color(self, noise: bool) -> None:
        _, _, labels, levels = segmented(simulate_phases((40, 50)).image, 4, noise=noise)
        (axes,) = pictures(figures.phases(labels, levels))
        np.testing.assert_array_equal(drawn(axes), phase_colors(4, noise=noise)[labels.data])
        assert (tuple(phase_colors(4, noise=noise)[0]) == NOISE) is noise

    def test_labels_reach_the_page_unmixed(self, slice_: Segmented) -> None:
        _, _, labels, levels = slice_
        figure = figures.phases(labels, levels)
        pixels = rendered(figure)
        box = pictures(figure)[0].get_window_extent()
        height = pixels.shape[0]
        inner = pixels[height - int(box.y1) + 4 : height - int(box.y0) - 4, int(box.x0) + 4 : int(box.x1) - 4, :3]
        assert {tuple(color) for color in np.unique(inner.reshape(-1, 3), axis=0)} == {
            tuple(color) for color in phase_colors(3, noise=True)
        }

    def test_the_legend_names_every_phase_its_fraction_and_its_color(self, slice_: Segmented) -> None:
        _, _, labels, levels = slice_
        legend = legend_of(figures.phases(labels, levels))
        shares = [f"{100 * share:.1f} %" for share in levels.fractions]
        assert list(legend) == [f"0 noise: {shares[0]}", f"1: {shares[1]}", f"2: {shares[2]}"]
        np.testing.assert_allclose(list(legend.values()), phase_colors(3, noise=True) / 255)

    def test_a_trace_is_not_called_nothing(self) -> None:
        levels = Levels(np.array([0.0, 1]), np.array([0.5]), np.array([999_999, 1]), 0.0, 1.0)
        assert list(legend_of(figures.phases(np.zeros((4, 4), np.uint8), levels))) == ["0: 100.0 %", "1: < 0.1 %"]

    def test_ignored_voxels_have_a_color_of_their_own(self, slice_: Segmented) -> None:
        _, _, labels, levels = slice_
        for dtype in (np.uint8, np.uint16):
            data = labels.data.astype(dtype)
            data[:7] = np.iinfo(dtype).max
            figure = figures.phases(labels.with_data(data), levels)
            assert np.all(drawn(pictures(figure)[0])[:7] == IGNORED)
            assert legend_of(figure)["ignored"] == pytest.approx(np.array(IGNORED) / 255)

    @pytest.mark.parametrize("k", [1, 2, 5, 8, 16, 64])
    @pytest.mark.parametrize("noise", [False, True])
    def test_the_layout_holds_for_any_number_of_phases(self, k: int, noise: bool) -> None:
        if k == 1 and noise:
            return
        image, histogram, labels, levels = segmented(simulate_phases((40, 50)).image, k, noise=noise)
        for figure in (figures.phases(labels, levels), figures.sheet(image, histogram, labels, levels)):
            assert len(legend_of(figure)) == k
            assert_nothing_is_cut_off_or_overlaps(figure)

    def test_of_very_many_phases_the_legend_names_a_few(self) -> None:
        ramp = np.arange(4000, dtype=np.uint16).reshape(40, 100)
        levels = fit_levels(count(ramp), 1000)
        figure = figures.phases(levels.classify(ramp), levels)
        assert [text.split(":")[0] for text in legend_of(figure)] == ["0", "199", "399", "599", "799", "999"]
        assert_nothing_is_cut_off_or_overlaps(figures.histogram(count(ramp), levels))


class TestHistogram:
    @pytest.mark.parametrize("log", [True, False])
    def test_bars_lines_and_markers_are_the_data(self, slice_: Segmented, log: bool) -> None:
        _, histogram, _, levels = slice_
        axes = chart(figures.histogram(histogram, levels, log=log))
        heights, edges = bars(axes)
        assert heights.sum() == histogram.counts.sum()
        assert 128 <= len(heights) <= 256
        assert edges[0] <= histogram.levels[0]
        assert edges[-1] >= histogram.levels[-1]
        lines, centers = axes.collections[0], axes.collections[1]
        np.testing.assert_array_equal([path.vertices[0, 0] for path in lines.get_paths()], levels.thresholds)
        np.testing.assert_array_equal(np.asarray(centers.get_offsets())[:, 0], levels.centers)
        np.testing.assert_allclose(centers.get_facecolors()[:, :3], phase_colors(3, noise=True) / 255)
        assert axes.get_yscale() == ("log" if log else "linear")

    def test_noise_is_shaded_blue_up_to_its_threshold(self, slice_: Segmented) -> None:
        _, histogram, _, levels = slice_
        axes = chart(figures.histogram(histogram, levels))
        shade = axes.patches[1]
        assert to_rgb(shade.get_facecolor()) == pytest.approx(np.array(NOISE) / 255)
        assert shade.get_x() + shade.get_width() == pytest.approx(levels.noise_threshold)  # type: ignore[attr-defined]
        assert len(chart(figures.histogram(histogram, replace(levels, noise_threshold=None))).patches) == 1

    def test_it_stands_without_levels(self, slice_: Segmented) -> None:
        axes = chart(figures.histogram(slice_[1]))
        assert axes.get_legend() is None
        assert not axes.collections

    def test_centers_stand_above_the_bars(self, slice_: Segmented) -> None:
        for log in (True, False):
            axes = chart(figures.histogram(slice_[1], slice_[3], log=log))
            top = axes.transAxes.inverted().transform(axes.transData.transform((0, bars(axes)[0].max())))[1]
            assert top < 0.93

    def test_levels_of_another_scan_do_not_stretch_it(self, slice_: Segmented) -> None:
        _, histogram, _, levels = slice_
        moved = levels.thresholds + 1e6
        far = replace(levels, centers=levels.centers + 1e6, thresholds=moved, noise_threshold=float(moved[0]))
        view = chart(figures.histogram(histogram)).get_xlim()
        assert chart(figures.histogram(histogram, far)).get_xlim() == view


class TestPath:
    def test_it_draws_what_it_is_given(self, slice_: Segmented) -> None:
        path = fit_path(slice_[1], 16)
        k = [levels.n_classes for levels in path]
        figure = figures.path(k, [each.inertia for each in path], [each.explained_variance for each in path])
        left, right = figure.axes
        np.testing.assert_array_equal(left.lines[0].get_xdata(), k)
        np.testing.assert_array_equal(left.lines[0].get_ydata(), [each.inertia for each in path])
        np.testing.assert_allclose(right.lines[0].get_ydata(), [100 * each.explained_variance for each in path])
        assert left.get_yscale() == "log"
        assert_nothing_is_cut_off_or_overlaps(figure)

    @pytest.mark.parametrize("inertia", [[5.0, 2.0, 0.0], [0.0, 0.0, 0.0], [3e12, 2.5e12, 2e12]])
    def test_inertia_may_be_zero_or_hardly_fall(self, inertia: list[float]) -> None:
        figure = figures.path([1, 2, 3], inertia, [0.0, 0.6, 1.0])
        positive = np.array(inertia) > 0
        np.testing.assert_array_equal(np.isfinite(figure.axes[0].lines[0].get_ydata()), positive)
        assert_nothing_is_cut_off_or_overlaps(figure)

    def test_a_single_k_is_a_path(self) -> None:
        rendered(figures.path([4], [10.0], [0.5]))

    def test_unequal_lengths_are_refused(self) -> None:
        with pytest.raises(ParameterError, match="one value of each for every k"):
            figures.path([1, 2], [3.0], [0.1, 0.2])
        with pytest.raises(ParameterError, match="shapes"):
            figures.path([], [], [])


class TestSheet:
    @pytest.mark.parametrize("fixture", ["slice_", "volume"])
    def test_it_holds_original_segmentation_and_histogram(self, fixture: str, request: pytest.FixtureRequest) -> None:
        image, histogram, labels, levels = request.getfixturevalue(fixture)
        figure = figures.sheet(image, histogram, labels, levels)
        axes = pictures(figure)
        half = len(axes) // 2
        first = image.data if image.ndim == 2 else image.data[10]
        classes = labels.data if image.ndim == 2 else labels.data[10]
        np.testing.assert_array_equal(drawn(axes[0]), first)
        np.testing.assert_array_equal(
            drawn(axes[half]), phase_colors(len(levels.centers), noise=levels.noise_threshold is not None)[classes]
        )
        assert bars(chart(figure))[0].sum() == histogram.counts.sum()
        letters = [each.texts[-1].get_text() for each in (axes[0], axes[half], chart(figure))]
        assert letters == ["a", "b", "c"]

    @pytest.mark.parametrize(
        "shape", [(50, 50), (200, 20), (20, 200), (3, 40, 40), (90, 12, 12), (12, 90, 12), (12, 12, 90), (1, 30, 40)]
    )
    def test_it_fits_a_page_and_nothing_overlaps(self, shape: tuple[int, ...]) -> None:
        for k in (2, 16):
            figure = figures.sheet(*segmented(simulate_phases(shape).image, k, noise=True))
            width, height = figure.get_size_inches()
            assert width == 7.2
            assert height < 9.51
            assert_nothing_is_cut_off_or_overlaps(figure)
            boxes = [axes.get_window_extent() for axes in figure.axes]
            for i, box in enumerate(boxes):
                assert not any(box.fully_overlaps(other) for other in boxes[i + 1 :])


class TestAnyData:
    @pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.float32, ">f8"])
    def test_any_dtype(self, dtype: Any) -> None:
        data = simulate_phases((30, 40)).image.data // 600
        data = data > 40 if dtype is np.bool_ else data.astype(dtype)
        every_figure(segmented(Image(data, "yx"), 2))

    @pytest.mark.parametrize("value", [0, 7, -3.5, 1e-30, 1e30])
    def test_a_constant_image(self, value: float) -> None:
        every_figure(segmented(Image(np.full((20, 30), value, np.float64), "yx"), 1))

    @pytest.mark.parametrize("pair", [(1.0, np.nextafter(1.0, 2)), (-1e150, 1e150), (0.0, 5e-324), (1e9, 1e9 + 1)])
    def test_two_values_close_together_or_far_apart(self, pair: tuple[float, float]) -> None:
        every_figure(segmented(Image(np.resize(np.array(pair), (20, 30)), "yx"), 2))

    def test_one_voxel(self) -> None:
        every_figure(segmented(Image(np.array([[5]], np.uint8), "yx"), 1))

    def test_a_masked_array(self) -> None:
        data = np.ma.masked_greater(simulate_phases((30, 40)).image.data, 40000)
        image, _, labels, levels = segmented(Image(data, "yx"), 2)
        left, _ = pictures(figures.compare(image, labels, levels))
        np.testing.assert_array_equal(np.ma.getmaskarray(drawn(left)), np.ma.getmaskarray(data))

    def test_nothing_but_nan(self) -> None:
        levels = Levels(np.array([1.0]), np.array([]), np.array([1]), 0.0, 0.0)
        data = np.full((20, 20), np.nan)
        rendered(figures.compare(data, np.full((20, 20), 255, np.uint8), levels))

    def test_infinite_values_are_left_out(self) -> None:
        data = simulate_phases((20, 20)).image.data.astype(np.float32)
        levels = fit_levels(count(data), 2)
        data[0, :2] = np.inf, -np.inf
        left, _ = pictures(figures.compare(data, np.zeros(data.shape, np.uint8), levels))
        assert np.ma.getmaskarray(drawn(left)).sum() == 2
        assert np.isfinite(left.images[0].get_clim()).all()

    def test_huge_images_are_thinned_and_never_averaged(self) -> None:
        data = np.zeros((2, 10_000), np.uint8)
        data[:, ::2] = 200
        tall = np.broadcast_to(data[:1].T, (10_000, 9_000))  # 90 MB if it were copied
        levels = Levels(np.array([0.0, 200]), np.array([100.0]), np.array([1, 1]), 0.0, 1.0)
        labels = np.broadcast_to((data[:1].T > 100).astype(np.uint8), tall.shape)
        for axes in pictures(figures.compare(tall, labels, levels)):
            assert max(drawn(axes).shape) <= 2048
            assert set(np.unique(drawn(axes))) <= {0.0, 200.0}
            box = axes.get_window_extent()
            assert box.height / box.width == pytest.approx(10 / 9)

    @pytest.mark.parametrize("name", ["bone_128x128x128.tif", "snow.tif", "shell_225x128x128.tif"])
    def test_real_scans(self, shared_data: Path, name: str) -> None:
        tifffile = pytest.importorskip("tifffile")
        every_figure(segmented(Image(tifffile.imread(shared_data / "microct" / name), "zyx"), 4, noise=True))


def every_figure(all_: Segmented) -> None:
    image, histogram, labels, levels = all_
    for figure in (
        figures.compare(image, labels, levels),
        figures.phases(labels, levels),
        figures.histogram(histogram, levels),
        figures.histogram(histogram, levels, log=False),
        figures.sheet(image, histogram, labels, levels),
    ):
        assert_nothing_is_cut_off_or_overlaps(figure)


class TestRefusals:
    def test_plain_arrays_are_taken_as_images(self, slice_: Segmented) -> None:
        image, _, labels, levels = slice_
        np.testing.assert_array_equal(
            drawn(pictures(figures.compare(image.data, labels.data, levels))[1]), levels.centers[labels.data]
        )

    def test_what_does_not_fit_is_named(self, slice_: Segmented) -> None:
        image, _, labels, levels = slice_
        with pytest.raises(DataError, match=re.escape("labels have shape (39, 50), the image has (40, 50)")):
            figures.compare(image, labels.data[1:], levels)
        with pytest.raises(DataError, match="labels are float64; give uint8 or uint16"):
            figures.phases(labels.data.astype(np.float64), levels)
        with pytest.raises(DataError, match="labels hold 9, the levels have classes 0 to 2"):
            figures.phases(np.full((4, 4), 9, np.uint8), levels)
        with pytest.raises(DataError, match="at least one voxel"):
            figures.phases(np.zeros((0, 4), np.uint8), levels)
        with pytest.raises(ParameterError, match="1 axes; figures show gray images of 2 or 3"):
            figures.phases(labels.data[0], levels)
        with pytest.raises(ParameterError, match="'yxc'; figures show gray images"):
            figures.compare(Image(np.zeros((4, 4, 3), np.uint8), "yxc"), labels, levels)

    def test_the_users_settings_are_neither_used_nor_changed(self, slice_: Segmented, tmp_path: Path) -> None:
        def picture(name: str) -> bytes:
            figures.save(figures.sheet(*slice_), tmp_path / name)
            return (tmp_path / name).read_bytes()

        plain = picture("plain.png")
        with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "savefig.bbox": "tight", "text.color": "red"}):
            before = dict(mpl.rcParams)
            styled = picture("styled.png")
            assert dict(mpl.rcParams) == before
        assert styled == plain
