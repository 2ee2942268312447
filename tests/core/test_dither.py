"""Dithering is what its notes say, to the bit, and shows from afar the colors of the image."""

from __future__ import annotations

import itertools
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from PIL import Image as Pictures
from scipy.ndimage import gaussian_filter

from klevels.core.dither import DITHERS, Dither, blue_noise, dither_labels
from klevels.core.labels import ignore_label
from klevels.errors import DataError, DataTypeError, ParameterError
from strategies import LAYOUTS

METHODS = DITHERS[1:]
TOOL = Path(__file__).resolve().parents[2] / "tools" / "blue_noise.py"
DTYPES = ("u1", "<u2", ">u2", "<f4", ">f4", "<f8", ">f8")

Floats = NDArray[np.float64]
Case = tuple[NDArray[Any], Floats, NDArray[np.bool_] | None]


def _keys(scores: Floats) -> Floats:
    """Put each score's label in the place of its last 16 bits: what is equal but for these is a tie."""
    return ((scores.view(np.int64) & ~0xFFFF) | np.arange(len(scores))).view(np.float64)


def _label(key: np.float64) -> int:
    return int(key.view(np.int64)) & 0xFFFF


def _summed(terms: Floats, start: float = 0.0) -> Floats:
    total = np.full(terms.shape[:-1], start)
    for c in range(terms.shape[-1]):
        total = total + terms[..., c]
    return total


def _drawn(image: NDArray[Any], colors: Floats) -> Floats:
    """Draw values that lie farther from the colors' bounding box than its longest side to there."""
    low, high = colors.min(axis=0), colors.max(axis=0)
    reach = (high - low).max()
    return np.clip(image.astype(np.float64), low - reach, high + reach)


def _longest_edge(colors: Floats) -> float:
    """Square of the longest step that cannot be avoided between two colors, by Floyd and Warshall."""
    steps = _summed((colors[:, None] - colors[None, :]) ** 2)
    for via in range(len(colors)):
        steps = np.minimum(steps, np.maximum(steps[:, via, None], steps[None, via, :]))
    return float(steps.max())


def _floyd_steinberg(image: NDArray[Any], colors: Floats, inside: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    values, limit = _drawn(image, colors), _longest_edge(colors)
    height, width, _ = values.shape
    labels = np.full((height, width), ignore_label(len(colors)))
    passed = np.zeros((height + 1, width + 2, values.shape[2]))  # what the row above passes on; a column to spare
    for y in range(height):
        step = 1 if y % 2 == 0 else -1
        error_before = np.zeros(values.shape[2])
        for x in range(width)[::step]:
            if inside is not None and not inside[y, x]:
                error_before[:] = 0
                continue
            wanted = (values[y, x] + passed[y, x + 1]) + error_before
            key = _keys(_summed((wanted - colors) ** 2, 2.0**-900)).min()
            labels[y, x] = _label(key)
            error = wanted - colors[labels[y, x]]
            part = 0.75 if key > limit else 1.0
            error_before = error * (7 / 16 * part)
            passed[y + 1, x + 1 - step] += error * (3 / 16 * part)
            passed[y + 1, x + 1] += error * (5 / 16 * part)
            passed[y + 1, x + 1 + step] += error * (1 / 16 * part)
    return labels


def _blue_noise(image: NDArray[Any], colors: Floats, inside: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    values, ranks, gap = _drawn(image, colors), blue_noise(), _longest_edge(colors)
    labels = np.full(values.shape[:2], ignore_label(len(colors)))
    for y, x in itertools.product(*map(range, labels.shape)):
        if inside is None or inside[y, x]:
            mixture = sorted(_mixture(values[y, x], colors, gap))
            below = [int(sum(share for _, share in mixture[: i + 1]) * 4096 + 0.5) for i in range(len(mixture) - 1)]
            labels[y, x] = mixture[sum(int(ranks[y % 64, x % 64]) >= bound for bound in below)][0]
    return labels


@np.errstate(divide="ignore", invalid="ignore")
def _mixture(wanted: Floats, colors: Floats, gap: float) -> list[tuple[int, float]]:
    """Lower the squared distance to the mixture, plus the mean cost of its colors, with each color that is added."""
    n_channels = len(wanted)
    weight = np.float64(2.0**-20 if n_channels == 1 else 1 / 8) / gap
    distances = _summed((colors - wanted) ** 2)
    costs = weight * (distances * distances)
    label = int(distances.argmin())
    mixture, mixed, cost = [(label, 1.0)], colors[label], costs[label]
    for _ in range(min(n_channels, 3)):
        spans = colors - mixed
        parts = (_summed((wanted - mixed) * spans) - 0.5 * (costs - cost)) / _summed(spans**2)
        clipped = np.where(parts < 1, parts, 1.0)
        sums = _summed(((wanted - mixed) - clipped[:, None] * spans) ** 2) + (cost + clipped * (costs - cost))
        sums = np.where((parts > 0) & ~np.isnan(sums), sums, 2.0**999)
        label = int(sums.argmin())
        share = float(clipped[label]) if sums[label] < 2.0**999 else 0.0
        mixed = mixed + share * spans[label]
        cost = cost + share * (costs[label] - cost)
        mixture = [(other, part * (1.0 - share)) for other, part in mixture] + [(label, share)]
    return mixture


REFERENCES = {"floyd-steinberg": _floyd_steinberg, "blue-noise": _blue_noise}


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    """Small images of every dtype and layout, some with a mask; palettes near to them and far, some with repeats."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    channels = draw(st.integers(1, 4))
    shape = (draw(st.integers(1, 7)), draw(st.integers(1, 9)), channels)
    top = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
    elements: st.SearchStrategy[Any] = (
        st.floats(-1, 2, width=32) | st.just(np.inf) | st.just(-1e30) if dtype.kind == "f" else st.integers(0, int(top))
    )
    image = draw(nps.arrays(dtype, shape, elements=elements))
    k = draw(st.integers(1, 20))
    grid = draw(st.sampled_from([4, 255, 10**6]))
    steps = draw(nps.arrays(np.int64, (k, channels), elements=st.integers(0, grid)))
    inside = draw(st.none() | nps.arrays(np.bool_, shape[:2]))
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](image), steps * (top / grid), inside


def _photograph(side: int = 96) -> NDArray[np.uint8]:
    """Soft colored shapes with some noise and a hard edge."""
    rng = np.random.default_rng(3)
    smooth = gaussian_filter(rng.random((side, side, 3)), (9, 9, 0), mode="wrap")
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    smooth[side // 2 :, : side // 3] *= 0.4
    return np.clip(smooth * 255 + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def _seen_from_afar(picture: NDArray[Any], sigma: float = 2.0) -> Floats:
    return gaussian_filter(picture.astype(np.float64), (sigma, sigma, 0))


def _error_from_afar(image: NDArray[Any], picture: NDArray[Any]) -> float:
    return float(((_seen_from_afar(image) - _seen_from_afar(picture)) ** 2).sum(axis=2).mean())


def _nearest(image: NDArray[Any], colors: Floats) -> NDArray[np.intp]:
    return np.stack([((image - color) ** 2).sum(axis=2) for color in colors]).argmin(axis=0)


@pytest.mark.parametrize("method", METHODS)
@given(_cases())
def test_equals_the_plain_reference(method: Dither, case: Case) -> None:
    image, colors, inside = case
    labels = dither_labels(image, colors, method, mask=inside)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, REFERENCES[method](image, colors, inside))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [2, 16, 200])
def test_equals_the_plain_reference_on_a_photograph(method: Dither, k: int) -> None:
    image = _photograph(66)  # wider than the tile of blue noise
    colors = image.reshape(-1, 3)[:: 66 * 66 // k][:k].astype(np.float64)
    np.testing.assert_array_equal(dither_labels(image, colors, method), REFERENCES[method](image, colors, None))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["china.jpg", "kodim23.png"])
@pytest.mark.parametrize("k", [4, 16])
def test_photographs_look_right_from_afar(shared_data: Path, name: str, k: int, method: Dither) -> None:
    with Pictures.open(shared_data / "photos" / name) as file:
        picture = file.convert("RGB")
    image = np.asarray(picture)
    palette = picture.quantize(k, method=Pictures.Quantize.MEDIANCUT)
    colors = np.array(palette.getpalette()[: 3 * k], np.float64).reshape(k, 3)
    pillow = np.asarray(picture.quantize(palette=palette, dither=Pictures.Dither.FLOYDSTEINBERG).convert("RGB"))
    error = _error_from_afar(image, colors[dither_labels(image, colors, method)])
    assert error < _error_from_afar(image, colors[_nearest(image.astype(np.float64), colors)])
    if method == "floyd-steinberg":
        assert error < 1.02 * _error_from_afar(image, pillow)


@pytest.mark.parametrize("method", METHODS)
def test_gray_ramps_keep_their_mean(method: Dither) -> None:
    grays = np.array([[0.0], [40.0], [170.0], [255.0]])
    for level in range(0, 256, 5):
        flat = np.full((128, 128, 1), level, np.uint8)
        shown = grays[dither_labels(flat, grays, method), 0]
        assert shown.mean() == pytest.approx(level, abs=0.5 if method == "floyd-steinberg" else 130 / 8192)
        below, above = grays[grays <= level].max(), grays[grays >= level].min()
        assert set(np.unique(shown)) <= {below, above}  # no third gray: the two next to it mix to any between


@pytest.mark.parametrize(("method", "bound"), [("floyd-steinberg", 0.005), ("blue-noise", 0.25)])
@given(st.lists(st.integers(0, 60), min_size=5, max_size=5).filter(any))
def test_flat_colors_within_the_palette_keep_their_mean(method: Dither, bound: float, shares: list[int]) -> None:
    colors = np.array([[10, 20, 30], [250, 40, 60], [40, 220, 80], [30, 60, 240], [240, 240, 230]], np.float64)
    mixed = np.array(shares) / sum(shares) @ colors
    flat = np.broadcast_to(mixed, (128, 128, 3))
    shown = colors[dither_labels(flat, colors, method)].mean(axis=(0, 1))
    assert np.linalg.norm(shown - mixed) < bound * _longest_edge(colors) ** 0.5


@given(st.integers(0, 1024), st.permutations(range(2)))
def test_blue_noise_mixes_two_colors_in_proportion(n_second: int, order: list[int]) -> None:
    colors = np.array([[10.0, 20, 30], [250, 40, 60]])[order]
    found = []
    for n in (n_second, n_second + 40):
        flat = np.broadcast_to(colors[0] * (1 - n / 1024) + colors[1] * (n / 1024), (64, 64, 3))
        found.append((dither_labels(flat, colors, "blue-noise") == 1).mean())
    assert found[0] == pytest.approx(n_second / 1024, abs=1 / 15)
    assert found[0] < found[1] or found[1] in (0, 1)


@pytest.mark.parametrize("method", METHODS)
@given(nps.arrays(np.uint8, (7, 3), unique=True), st.integers(0, 6))
def test_a_color_of_the_palette_is_not_dithered(method: Dither, colors: NDArray[np.uint8], label: int) -> None:
    flat = np.broadcast_to(colors[label], (9, 70, 3))
    first = int(np.flatnonzero((colors == colors[label]).all(axis=1))[0])
    assert (dither_labels(flat, colors, method) == first).all()


@pytest.mark.parametrize("method", METHODS)
def test_one_color_or_equal_colors(method: Dither) -> None:
    image = _photograph()
    for colors in ([[3.0, 4, 5]], [[7, 7, 7]] * 9):
        assert not dither_labels(image, colors, method).any()


def test_errors_leave_no_stains() -> None:
    colors = np.array([[100.0, 100, 100], [120, 100, 100], [100, 125, 100], [100, 100, 118]])
    image = np.full((40, 200, 3), 100, np.uint8)
    image[:, :100] = 255  # far outside all mixtures, so that an error remains at each pixel
    labels = dither_labels(image, colors, "floyd-steinberg")
    assert not labels[:, 120:].any()
    alone = dither_labels(image[:, 100:], colors, "floyd-steinberg")
    np.testing.assert_array_equal(labels[:, 120:], alone[:, 20:])


@pytest.mark.parametrize("method", METHODS)
def test_hot_pixels_count_as_far_ones(method: Dither) -> None:
    image = (_photograph() / 255).astype(np.float32)
    colors = image.reshape(-1, 3)[::1000].astype(np.float64)
    far = image.copy()
    image[20, 30], far[20, 30] = [np.inf, 3e38, -np.inf], [3, 3, -3]
    np.testing.assert_array_equal(dither_labels(image, colors, method), dither_labels(far, colors, method))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("exponent", [-1021, -540, 540, 1014])
def test_units_do_not_matter(method: Dither, exponent: int) -> None:
    image = _photograph().astype(np.float64)
    colors = image.reshape(-1, 3)[::1000]
    expected = dither_labels(image, colors, method)
    scaled = dither_labels(np.ldexp(image, exponent), np.ldexp(colors, exponent), method)
    np.testing.assert_array_equal(scaled, expected)


@pytest.mark.parametrize("method", METHODS)
def test_masked_pixels_change_nothing(method: Dither) -> None:
    image = _photograph().astype(np.float64)
    colors = image.reshape(-1, 3)[::700]
    inside = np.random.default_rng(1).random(image.shape[:2]) < 0.8
    inside[40:42] = False
    labels = dither_labels(image, colors, method, mask=inside)
    assert (labels[~inside] == 255).all()
    assert (labels[inside] < len(colors)).all()
    other = image.copy()
    other[~inside] = [np.nan, np.inf, 1e9]
    np.testing.assert_array_equal(dither_labels(other, colors, method, mask=inside.astype(np.int16)), labels)
    hidden = np.ma.array(image, mask=np.repeat(~inside[:, :, None], 3, axis=2))
    hidden[:, :, 1:].mask = False  # a pixel counts if all its channels do
    np.testing.assert_array_equal(dither_labels(hidden, colors, method), labels)
    assert (dither_labels(image, colors, method, mask=np.zeros_like(inside)) == 255).all()


def test_masked_rows_part_an_image() -> None:
    image = _photograph()
    colors = image.reshape(-1, 3)[::700].astype(np.float64)
    inside = np.ones(image.shape[:2], bool)
    inside[41] = False
    labels = dither_labels(image, colors, "floyd-steinberg", mask=inside)
    np.testing.assert_array_equal(labels[:41], dither_labels(image[:41], colors, "floyd-steinberg"))
    np.testing.assert_array_equal(labels[42:], dither_labels(image[42:], colors, "floyd-steinberg"))


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4"])
@pytest.mark.parametrize("method", METHODS)
def test_threads_change_nothing(method: Dither, dtype: str) -> None:
    image = np.tile(_photograph(), (9, 5, 1)).astype(dtype)
    image[::7, ::5] += 1
    colors = image.reshape(-1, 3)[::40_000].astype(np.float64)
    expected = dither_labels(image, colors, method, threads=1)
    for threads in (2, 3, 8, None):
        np.testing.assert_array_equal(dither_labels(image, colors, method, threads=threads), expected)


SCRIPT = """
import hashlib, sys
import numpy as np
from klevels.core import _kernels
from klevels.core.dither import dither_labels
rng = np.random.default_rng(1)
digest = hashlib.sha256()
for channels in (1, 2, 3, 4):
    for dtype, top in (("u1", 256), ("u2", 65536), ("f4", 1.0), ("f8", 1e-200)):
        image = (rng.random((50, 67, channels)) * top).astype(dtype)
        for k in (1, 2, 7, 8, 9, 100, 300):
            colors = rng.random((k, channels)) * top * 0.8
            for method in ("floyd-steinberg", "blue-noise"):
                digest.update(dither_labels(image, colors, method, threads=2).tobytes())
print(_kernels.instruction_set(), digest.hexdigest())
"""


def _run(wish: str) -> list[str]:
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    done = subprocess.run(command, env={**os.environ, "KLEVELS_SIMD": wish}, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_instruction_sets_agree() -> None:
    names, digests = zip(*map(_run, ("baseline", "avx2", "avx512")), strict=True)
    assert names[0] == "baseline"
    assert len(set(digests)) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [255, 256, 65535])
def test_any_number_of_colors(method: Dither, k: int) -> None:
    colors = np.arange(k, dtype=np.float64)[:, None]
    image = np.array([0, 1, 100, 254, k - 1], np.uint16).reshape(1, 5, 1)
    labels = dither_labels(image, colors, method, mask=[[1, 1, 0, 1, 1]])
    assert labels.dtype == (np.uint8 if k == 255 else np.uint16)
    assert labels.tolist() == [[0, 1, ignore_label(k), 254, k - 1]]


def test_blue_noise_depends_on_color_and_place_alone() -> None:
    image = _photograph(160)
    colors = image.reshape(-1, 3)[::700].astype(np.float64)
    labels = dither_labels(image, colors, "blue-noise")
    np.testing.assert_array_equal(dither_labels(image[64:, 64:100], colors, "blue-noise"), labels[64:, 64:100])
    other = image[::-1].copy()
    other[70:90] = image[70:90]
    np.testing.assert_array_equal(dither_labels(other, colors, "blue-noise")[70:90], labels[70:90])


@given(nps.arrays(np.uint8, 3), st.permutations(range(6)))
def test_blue_noise_mixes_the_same_colors_in_any_order(color: NDArray[np.uint8], order: list[int]) -> None:
    colors = np.array([[9, 20, 31], [250, 41, 60], [43, 220, 80], [30, 67, 240], [241, 239, 230], [111, 90, 99]], float)
    flat = np.broadcast_to(color, (64, 64, 3))
    counts = np.bincount(dither_labels(flat, colors, "blue-noise").ravel(), minlength=6)
    moved = np.bincount(dither_labels(flat, colors[order], "blue-noise").ravel(), minlength=6)
    assert np.abs(moved - counts[order]).max() <= 2  # bounds between labels are rounded


def test_ranks_are_a_permutation_and_what_the_tool_makes() -> None:
    ranks = blue_noise()
    assert ranks.dtype == np.uint16
    np.testing.assert_array_equal(np.sort(ranks, axis=None), np.arange(64 * 64))
    np.testing.assert_array_equal(ranks, runpy.run_path(str(TOOL))["blue_noise"]())


@pytest.mark.parametrize("share", [None, 1 / 32, 1 / 8, 1 / 4, 1 / 2, 7 / 8])
def test_ranks_have_little_energy_at_low_frequencies(share: float | None) -> None:
    pattern = blue_noise() if share is None else blue_noise() < share * 4096
    spectrum = np.abs(np.fft.fft2(pattern - pattern.mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None, :])
    # The mean distance of the dots sets the lowest frequency that they need.
    needed = 1.0 if share is None else 2 * min(share, 1 - share) ** 0.5
    low = (frequency > 0) & (frequency < 0.2 * needed)
    white = spectrum[frequency > 0].mean()  # white noise has as much everywhere
    assert spectrum[low].mean() < (0.01 if share is None else 0.15) * white


@pytest.mark.parametrize(("side", "seed"), [(1, 0), (2, 0), (3, 5), (8, 0), (8, 1), (16, 2)])
def test_the_tool_is_deterministic_and_gives_a_permutation(side: int, seed: int) -> None:
    make = runpy.run_path(str(TOOL))["blue_noise"]
    ranks = make(side, seed)
    np.testing.assert_array_equal(np.sort(ranks, axis=None), np.arange(side * side))
    np.testing.assert_array_equal(ranks, make(side, seed))


def test_the_tool_writes_a_file(tmp_path: Path) -> None:
    out = tmp_path / "ranks.npy"
    subprocess.run([sys.executable, str(TOOL), str(out), "--side", "8", "--seed", "3"], check=True)
    np.testing.assert_array_equal(np.load(out), runpy.run_path(str(TOOL))["blue_noise"](8, 3))


@pytest.mark.parametrize("method", METHODS)
def test_bad_input_is_refused(method: Dither) -> None:
    image, colors = np.zeros((4, 5, 3)), np.zeros((2, 3))
    with pytest.raises(ParameterError, match="method is 'none'; use 'floyd-steinberg' or 'blue-noise'"):
        dither_labels(image, colors, "none")
    with pytest.raises(ParameterError, match="method is 'bayer'"):
        dither_labels(image, colors, "bayer")  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="dtype int32; dithering takes uint8, uint16, float32, float64"):
        dither_labels(image.astype(np.int32), colors, method)
    with pytest.raises(DataTypeError, match="dtype complex128"):
        dither_labels(image.astype(complex), colors, method)
    with pytest.raises(DataError, match=r"shape \(4, 5\)"):
        dither_labels(image[:, :, 0], colors, method)
    with pytest.raises(DataError, match=r"shape \(4, 5, 5\); give \(y, x, channels\) with 1 to 4"):
        dither_labels(np.zeros((4, 5, 5)), np.zeros((2, 5)), method)
    with pytest.raises(DataError, match="empty"):
        dither_labels(image[:0], colors, method)
    with pytest.raises(DataError, match="the image has 3 channels, the colors 4"):
        dither_labels(image, np.zeros((2, 4)), method)
    for bad in (np.zeros((0, 3)), np.zeros(3), np.zeros((65536, 3))):
        with pytest.raises(ParameterError, match="give 1 to 65535 rows of channels"):
            dither_labels(image, bad, method)
    for value in (np.nan, np.inf):
        with pytest.raises(ParameterError, match="a color is NaN or infinite"):
            dither_labels(image, np.full((2, 3), value), method)
    with pytest.raises(DataError, match=r"the mask has shape \(5, 4\), the image \(4, 5\)"):
        dither_labels(image, colors, method, mask=np.ones((5, 4)) > 0)
    with pytest.raises(ParameterError, match="threads is 0"):
        dither_labels(image, colors, method, threads=0)
    image[1, 2, 0] = image[3, 3, 2] = image[3, 3, 1] = np.nan
    with pytest.raises(DataError, match="the image has NaN in 2 pixels; leave them out with a mask"):
        dither_labels(image, colors, method)
