"""Palettes are at rest, exact where colors lie on a line, the same on any processor, and near the best known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from instruction_sets import digest_on
from klevels.core.clusters import QUALITIES, Quality
from klevels.core.colors import ColorTable, count_colors
from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.core.palette import Palette
from klevels.core.quantize import fit_palette
from klevels.core.spaces import Space, luminance, to_space
from klevels.errors import ParameterError, TooFewLevelsError
from reference import exact_means, least_clustering, lloyd, nearest_centers

Array = np.ndarray[Any, np.dtype[Any]]

colors_and_seeds = st.tuples(
    st.integers(1, 120), st.integers(1, 5), st.sampled_from([2, 9, 256]), st.integers(0, 2**32)
)


def _table(n: int, n_channels: int, span: int, seed: int) -> tuple[ColorTable, Array, Array]:
    rng = np.random.default_rng(seed)
    colors, counts = rng.integers(0, span, (n, n_channels)), rng.integers(1, 99, n)
    return ColorTable.of(colors, counts), np.repeat(colors, counts, axis=0).astype(np.uint8), counts


@settings(deadline=None)
@given(colors_and_seeds, st.integers(1, 40), st.sampled_from(QUALITIES))
def test_palettes_are_at_rest(problem: tuple[int, int, int, int], k: int, quality: Quality) -> None:
    table, image, _ = _table(*problem)
    k = min(k, table.n_colors)
    if quality == "best" and table.n_colors > 40:
        quality = "default"
    palette = fit_palette(table, k, quality=quality)
    labels = palette.classify(image)
    # What was fitted is what classify counts, and each center is the exact mean of its members.
    assert palette.counts.tolist() == np.bincount(labels, minlength=k).tolist()
    assert (palette.counts > 0).all()
    points, weights = table.colors, table.counts.astype(np.float64)
    nearest, distances = nearest_centers(points, palette.centers)
    np.testing.assert_array_equal(palette.classify(points), nearest)
    assert exact_means(points, weights, nearest, k) == palette.colors.tolist()
    assert palette.inertia == pytest.approx((weights * distances).sum(), rel=1e-12, abs=1e-9)
    total = ((image - image.mean(axis=0)) ** 2).sum()
    assert palette.total_inertia == pytest.approx(total, rel=1e-9, abs=1e-9)
    # Lloyd's algorithm from here gains nothing.
    assert lloyd(points, weights, palette.centers)[2][-1] >= palette.inertia * (1 - 1e-12)
    if table.n_channels == 3:
        assert (np.diff(luminance(palette.colors, 255.0)) >= 0).all()


def test_ties_between_centers_are_counted_as_they_are_labeled() -> None:
    """On small lattices, Lloyd's algorithm often rests with points halfway between two centers."""
    for seed in range(400):
        rng = np.random.default_rng(seed)
        lattice = np.unique(rng.integers(0, rng.integers(2, 7), (40, rng.integers(2, 5))), axis=0).astype(np.uint8)
        k = min(int(rng.integers(2, 12)), len(lattice))
        palette = fit_palette(count_colors(lattice), k, quality="fast", threads=1)
        labels = palette.classify(lattice)
        assert palette.counts.tolist() == np.bincount(labels, minlength=k).tolist()
        assert exact_means(lattice.astype(np.float64), np.ones(len(lattice)), labels, k) == palette.colors.tolist()


@given(colors_and_seeds, st.integers(1, 9))
def test_counts_are_repetitions_and_order_does_not_matter(problem: tuple[int, int, int, int], k: int) -> None:
    table, image, _ = _table(*problem)
    k = min(k, table.n_colors)
    expected = fit_palette(table, k).to_dict()
    shuffled = np.random.default_rng(1).permutation(image)
    for threads in (1, 3):
        assert fit_palette(count_colors(shuffled, threads=threads), k, threads=threads).to_dict() == expected
    halves = count_colors(image[: len(image) // 2 + 1]) + count_colors(image[len(image) // 2 :][::-1])
    assert fit_palette(halves, k).k == k


@given(colors_and_seeds)
def test_as_many_colors_as_there_are_cost_nothing(problem: tuple[int, int, int, int]) -> None:
    table, image, _ = _table(*problem)
    for quality in ("fast", "default"):
        palette = fit_palette(table, table.n_colors, quality=quality)
        assert palette.inertia == 0
        assert sorted(palette.colors.tolist()) == np.unique(image, axis=0).tolist()
        np.testing.assert_array_equal(palette.paint(palette.classify(image), np.uint8), image)
    with pytest.raises(
        TooFewLevelsError, match=rf"^k is {table.n_colors + 1}, .* distinct colors is {table.n_colors}; give k <="
    ):
        fit_palette(table, table.n_colors + 1)


@given(colors_and_seeds, st.sampled_from(["rgb", "linear", "lab", "oklab"]))
def test_one_color_is_the_mean(problem: tuple[int, int, int, int], space: Space) -> None:
    n, n_channels, span, seed = problem
    table, image, _ = _table(n, n_channels if space == "rgb" else 3, span, seed)
    palette = fit_palette(table, 1, space=space)
    points = to_space(image, space, 255.0)
    np.testing.assert_allclose(palette.centers, [points.mean(axis=0)], rtol=1e-12, atol=1e-12)
    assert palette.inertia == pytest.approx(palette.total_inertia, rel=1e-9, abs=1e-9)
    assert palette.counts.tolist() == [len(image)]


@given(st.integers(1, 200), st.integers(1, 12), st.sampled_from(["u1", "u2", "i2", "i8", "f8"]), st.integers(0, 2**32))
def test_one_channel_and_grays_equal_the_exact_engine(n: int, k: int, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gray = rng.integers(-100 if dtype[0] in "if" else 0, 127 if dtype == "u1" else 30000, n).astype(dtype)
    levels_table = histogram(gray)
    k = min(k, levels_table.n_levels)
    levels = fit_levels(levels_table, k)
    for n_channels in (1, 3, 4):
        image = np.repeat(gray[:, None], n_channels, axis=1)
        palette = fit_palette(count_colors(image), k)
        np.testing.assert_array_equal(palette.colors, np.repeat(levels.centers[:, None], n_channels, axis=1))
        assert palette.counts.tolist() == levels.counts.tolist()
        assert palette.inertia == levels.inertia * n_channels
        assert palette.total_inertia == levels.total_inertia * n_channels
        np.testing.assert_array_equal(palette.classify(image), levels.classify(gray))


def test_many_floats_of_one_channel_are_fitted_as_exactly_as_their_grid_allows() -> None:
    values = np.random.default_rng(0).standard_normal(30_000)
    palette, levels = fit_palette(count_colors(values[:, None]), 5), fit_levels(Histogram.of(values), 5)
    np.testing.assert_allclose(palette.colors[:, 0], levels.centers, atol=1e-5)
    assert palette.inertia == pytest.approx(levels.inertia, rel=1e-5)


@pytest.mark.parametrize("n_channels", [2, 3, 6])
def test_bins_are_fitted_as_wholes(n_channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.core.colors.MOST_BINS", 500)
    rng = np.random.default_rng(n_channels)
    image = rng.integers(0, 65536, (4000, n_channels)).astype(np.uint16)
    table = count_colors(image)
    assert table.shift > 0
    palette = fit_palette(table, 12)
    labels = nearest_centers(table.colors, palette.centers)[0]
    bins = {tuple(b): label for b, label in zip(table.bins.tolist(), labels.tolist(), strict=True)}
    of_pixels = np.array([bins[tuple(b)] for b in (image >> table.shift).tolist()])
    assert palette.counts.tolist() == np.bincount(of_pixels).tolist()
    for label in range(12):
        np.testing.assert_allclose(palette.colors[label], image[of_pixels == label].mean(axis=0), rtol=1e-12)
    inertia = ((image - palette.colors[of_pixels]) ** 2).sum()
    assert palette.inertia == pytest.approx(inertia, rel=1e-9)
    assert palette.total_inertia == pytest.approx(((image - image.mean(axis=0)) ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("unit", [1e-100, 1e-30, 1.0, 65535.0, 1e30, 1e100])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 16])
def test_units_do_not_matter(n_channels: int, unit: float) -> None:
    rng = np.random.default_rng(n_channels)
    shape = rng.random((300, n_channels)) + np.repeat(np.arange(3), 100)[:, None]
    palette = fit_palette(count_colors(shape * unit), 3)
    truth = np.array([shape[i : i + 100].mean(axis=0) for i in (0, 100, 200)])
    assert palette.counts.sum() == 300
    if n_channels > 1:
        np.testing.assert_allclose(palette.colors / unit, truth, rtol=1e-5)
    assert palette.inertia <= palette.total_inertia


@pytest.mark.parametrize("space", ["linear", "lab", "oklab"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_spaces(space: Space, dtype: str) -> None:
    rng = np.random.default_rng(3)
    white = 1.0 if dtype == "f4" else float(np.iinfo(dtype).max)
    image = (rng.random((40, 30, 3)) ** 2 * white).astype(dtype)
    palette = fit_palette(count_colors(image), 15, space=space)
    assert (palette.space, palette.white) == (space, white)
    points = to_space(image.reshape(-1, 3), space, white)
    labels, distances = nearest_centers(points, palette.centers)
    np.testing.assert_array_equal(palette.classify(image).ravel(), labels)
    assert palette.counts.tolist() == np.bincount(labels, minlength=15).tolist()
    tolerance = 1e-5 if dtype == "f4" else 1e-12  # floats were rounded to a grid
    assert palette.inertia == pytest.approx(distances.sum(), rel=tolerance)
    for label in range(15):
        np.testing.assert_allclose(palette.centers[label], points[labels == label].mean(axis=0), rtol=1e-6, atol=1e-6)
    assert (np.diff(luminance(palette.colors, white)) >= 0).all()
    gray = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[:, None], 3, axis=1)
    assert fit_palette(count_colors(gray), 25, space=space).inertia == 0


def test_normalized_channels_weigh_alike() -> None:
    rng = np.random.default_rng(4)
    plain = rng.normal(0, 1, (500, 4)) + np.repeat(np.arange(5) * 3, 100)[:, None]
    image = (plain * [1, 50, 1000, 0] + 7).astype(np.float32)  # the last channel is constant
    palette = fit_palette(count_colors(image), 5, normalize=True)
    assert palette.scale is not None
    np.testing.assert_allclose(palette.scale, [*image[:, :3].std(axis=0), 1], rtol=1e-4)
    points = image / np.array(palette.scale)
    labels, distances = nearest_centers(points.astype(np.float64), palette.centers)
    np.testing.assert_array_equal(palette.classify(image), labels)
    assert palette.inertia == pytest.approx(distances.sum(), rel=1e-4)
    for label in range(5):
        np.testing.assert_allclose(palette.colors[label], image[labels == label].mean(axis=0), rtol=1e-4, atol=1e-3)
    assert (np.diff(palette.centers.mean(axis=1)) > 0).all()
    wide = fit_palette(count_colors(image * np.float32(4)), 5, normalize=True)
    np.testing.assert_array_equal(wide.classify(image * np.float32(4)), labels)
    np.testing.assert_allclose(wide.colors, palette.colors * 4, rtol=1e-6)


@given(colors_and_seeds, st.integers(1, 30))
def test_painting_and_segmenting_again_returns_the_palette(problem: tuple[int, int, int, int], k: int) -> None:
    table, image, _ = _table(*problem)
    palette = fit_palette(table, min(k, table.n_colors))
    painted = palette.paint(palette.classify(image), np.uint8)
    again_table = count_colors(painted)
    again = fit_palette(again_table, again_table.n_colors)
    rounded = np.unique(np.rint(palette.colors), axis=0)
    assert sorted(again.colors.tolist()) == rounded.tolist()
    assert again.inertia == 0
    np.testing.assert_array_equal(again.paint(again.classify(painted), np.uint8), painted)
    _, where = np.unique(np.rint(palette.colors), axis=0, return_inverse=True)
    expected = np.bincount(where.ravel(), palette.counts)
    order = np.lexsort(again.colors.T[::-1])
    assert again.counts[order].tolist() == expected.tolist()


@pytest.mark.parametrize("k", [2, 100, 255, 256, 300])
def test_many_colors(k: int) -> None:
    rng = np.random.default_rng(k)
    image = rng.integers(0, 256, (1000, 3)).astype(np.uint8)
    table = count_colors(image)
    palette = fit_palette(table, k)
    labels = palette.classify(image)
    assert labels.dtype == (np.uint8 if k <= 255 else np.uint16)
    assert palette.counts.tolist() == np.bincount(labels, minlength=k).tolist()
    assert palette.counts.min() >= 1
    assert fit_palette(table, k, threads=1).to_dict() == palette.to_dict()


@given(st.integers(0, 2**32))
def test_on_tiny_problems_no_palette_is_below_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 8)), int(rng.integers(1, 4))
    table = ColorTable.of(rng.integers(0, 60, (n, 3)), rng.integers(1, 5, n))
    k = min(k, table.n_colors)
    least = least_clustering(table.colors, table.counts.astype(float), k)
    assert fit_palette(table, k, quality="best").inertia >= least * (1 - 1e-9) - 1e-9


def test_large_counts_stay_right() -> None:
    """Counts where float32 sums end at 2^24, and 32 bits overflow."""
    table = ColorTable.of([[10, 0, 0], [12, 0, 0], [200, 9, 9]], [2**31, 2**31, 2**24 + 1])
    for _ in range(8):
        table = table + table
    palette = fit_palette(table, 2)
    assert palette.colors.tolist() == [[11, 0, 0], [200, 9, 9]]
    assert palette.counts.tolist() == [2**40, 2**32 + 2**8]
    assert palette.inertia == 2**40


def test_what_cannot_be_fitted_is_refused() -> None:
    table, two = ColorTable.of([[1, 2, 3], [4, 5, 6]]), ColorTable.of([[1, 2], [3, 4]])
    for k in (0, -1, 1.5, None, True, 65536):
        with pytest.raises(ParameterError, match=r"^k is .*; give an integer from 1"):
            fit_palette(table, k)  # type: ignore[arg-type]
    with pytest.raises(TooFewLevelsError, match=r"^k is 3, but the number of distinct colors is 2; give k <= 2$"):
        fit_palette(table, 3)
    for options in (
        {"quality": "good"},
        {"space": "hsv"},
        {"random_state": -1},
        {"threads": 0},
        {"normalize": True, "space": "lab"},
    ):
        with pytest.raises(ParameterError) as caught:
            fit_palette(table, 2, **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    for space in ("linear", "lab", "oklab"):
        with pytest.raises(ParameterError, match="2 channels; use rgb, linear, lab, oklab, and rgb for all but three"):
            fit_palette(two, 1, space=space)  # type: ignore[arg-type]


SCRIPT = """
import hashlib
import numpy as np
from klevels.core import _kernels
from klevels.core.colors import ColorTable, count_colors
from klevels.core.quantize import fit_palette

rng = np.random.default_rng(1)
digest = hashlib.sha256()
for n_channels in (1, 2, 3, 4, 5, 16):
    colors = rng.integers(0, 256, (3001, n_channels)) // rng.integers(1, 30, (3001, 1))
    table = ColorTable.of(colors, rng.integers(1, 2**40, 3001))
    for k, quality in ((2, "default"), (37, "default"), (3, "fast"), (150, "fast")):
        palette = fit_palette(table, min(k, table.n_colors), quality=quality)
        digest.update(repr(palette.to_dict()).encode())
        digest.update(palette.classify(colors.astype(np.uint8)).tobytes())
    floats = rng.standard_normal((1003, n_channels))
    palette = fit_palette(count_colors(floats), 9, normalize=True)
    digest.update(repr(palette.to_dict()).encode())
    for array in _kernels.label_rows(floats, palette.centers, 2):
        digest.update(array.tobytes())
print(_kernels.instruction_set(), digest.hexdigest())
"""


@pytest.fixture(scope="module")
def baseline() -> str:
    name, digest = digest_on(SCRIPT, "baseline")
    assert name == "baseline"
    return digest


@pytest.mark.parametrize("wish", ["avx2", "avx512", None])
def test_instruction_sets_agree(wish: str | None, baseline: str) -> None:
    name, digest = digest_on(SCRIPT, wish)
    assert digest == baseline
    if wish is not None and name != wish:
        pytest.skip(f"this processor has no {wish}; it ran {name}")


BEST_KNOWN = {
    "china.jpg": (631.553, 189.776, 42.617),
    "flower.jpg": (434.092, 123.997, 26.869),
    "kodim01.png": (260.060, 49.332, 10.159),
    "kodim03.png": (672.868, 144.671, 19.354),
    "kodim05.png": (674.032, 186.031, 36.109),
    "kodim08.png": (516.790, 128.490, 23.923),
    "kodim23.png": (888.075, 226.432, 40.993),
}
"""Mean squared errors with 8, 32 and 256 colors."""


def _photo(folder: Path, name: str) -> Array:
    with Image.open(folder / "photos" / name) as photo:
        return np.asarray(photo.convert("RGB"))


def _mse(palette: Palette, table: ColorTable) -> float:
    return palette.inertia / table.n_pixels


@pytest.mark.parametrize("name", BEST_KNOWN)
def test_photographs_come_within_half_a_percent_of_the_best_known(name: str, shared_data: Path) -> None:
    photo = _photo(shared_data, name)
    table = count_colors(photo)
    for k, best_known in zip((8, 32, 256), BEST_KNOWN[name], strict=True):
        palette = fit_palette(table, k)
        assert _mse(palette, table) <= 1.005 * best_known, k
        labels = palette.classify(photo)
        assert palette.counts.tolist() == np.bincount(labels.ravel(), minlength=k).tolist()
        if k == 8:
            errors = (photo - palette.colors[labels]) ** 2
            assert palette.inertia == pytest.approx(errors.sum(), rel=1e-9)
            means = [photo[labels == label].mean(axis=0, dtype=np.float64) for label in range(k)]
            np.testing.assert_allclose(palette.colors, means, rtol=1e-12)
            assert fit_palette(table, k, threads=1).to_dict() == palette.to_dict()


@pytest.mark.parametrize("name", ["flower.jpg", "kodim03.png", "kodim23.png"])
def test_the_best_palettes_of_photographs(name: str, shared_data: Path) -> None:
    table = count_colors(_photo(shared_data, name))
    for k, best_known in zip((8, 32), BEST_KNOWN[name], strict=False):
        assert _mse(fit_palette(table, k, quality="best"), table) <= 1.001 * best_known, k
