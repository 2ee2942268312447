"""A color table is the image's colors counted: exactly where it can be, else in the bins of one grid for all."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core import _kernels
from klevels.core import colors as colors_module
from klevels.core.colors import ColorTable, count_colors
from klevels.core.grid import GRID_BITS, peaks_of
from klevels.errors import DataError, DataTypeError, KlevelsError, ParameterError
from reference import assert_same_table, binned_colors, bins_of_table, interleaved
from strategies import LAYOUTS

Array = np.ndarray[Any, np.dtype[Any]]


def _unique(image: Array) -> dict[tuple[int, ...], int]:
    colors, counts = np.unique(image.reshape(-1, image.shape[-1]), axis=0, return_counts=True)
    return dict(zip(map(tuple, colors.tolist()), counts.tolist(), strict=True))


def _counted(table: ColorTable) -> dict[tuple[int, ...], int]:
    assert table.shift == 0
    assert set(table.steps) == {1.0}
    return dict(zip(map(tuple, table.bins.tolist()), table.counts.tolist(), strict=True))


def _on_grid(image: Array, step: float | tuple[float, ...]) -> Array:
    return np.floor(image.reshape(-1, image.shape[-1]).astype(np.float64) / step).astype(np.int64)


@pytest.fixture
def few_bins(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(colors_module, "MOST_BINS", 64)
    return 64


@given(st.integers(1, 3), st.integers(1, 700), st.integers(1, 256), st.integers(0, 99), st.integers(1, 3))
def test_bytes_are_counted_as_by_numpy(n_channels: int, n: int, span: int, seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(256 - span, 256, (n, n_channels)).astype(np.uint8)
    table = count_colors(image, threads=threads)
    assert _counted(table) == _unique(image)
    assert table.n_pixels == n
    assert table.counts.dtype == np.int64
    places = [interleaved(color) for color in table.bins.tolist()]
    assert places == sorted(places)
    inside = rng.random(n) < 0.5
    if inside.any():
        assert _counted(count_colors(image, mask=inside, threads=threads)) == _unique(image[inside])


@pytest.mark.parametrize("n", [(1 << 21) - 1, 1 << 21, (1 << 21) + 65])
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_many_bytes_are_counted_as_by_numpy(n_channels: int, n: int) -> None:
    rng = np.random.default_rng(n)
    image = (rng.integers(0, 256, (n, n_channels)) & [255, 255, 3][:n_channels]).astype(np.uint8)
    packed = image[:, 0].astype(np.int64)
    for c in range(1, n_channels):
        packed = 256 * packed + image[:, c]
    inside = rng.random(n) < 0.7
    for mask, own in ((None, packed), (inside, packed[inside])):
        table = count_colors(image, mask=mask)
        expected = np.bincount(own)
        at = np.zeros(table.n_colors, np.int64)
        for c in range(n_channels):
            at = 256 * at + table.bins[:, c]
        np.testing.assert_array_equal(table.counts, expected[at])
        assert table.n_colors == np.count_nonzero(expected)


def test_several_tables_of_all_colors_are_added() -> None:
    image = np.arange(1 << 24, dtype=np.uint32).view(np.uint8)[:, None]  # so many that each of two threads has a table
    expected = [(3 << 16) + (1 << 24), *[3 << 16] * 255]
    for threads in (1, 3):
        table = count_colors(image, threads=threads)
        assert table.bins[:, 0].tolist() == list(range(256))
        assert table.counts.tolist() == expected


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "<u2", ">u2", ">i2", "<i4", ">i4", ">i8", ">f2", ">f4", "<f8"])
def test_any_layout_and_mask(dtype: str, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    for n_channels in (1, 3, 4):
        plain = (rng.integers(0, 2 if dtype == "?" else 120, (9, 7, n_channels))).astype(dtype)
        image = LAYOUTS[layout](plain)
        inside = rng.random((9, 7)) < 0.6
        whole, part = count_colors(plain), count_colors(plain[inside][None], peak=120.0)
        assert_same_table(count_colors(image), whole)
        assert_same_table(count_colors(image, mask=LAYOUTS[layout](inside), peak=120.0), part)
        hidden = np.repeat(~inside[..., None], n_channels, axis=-1)
        assert_same_table(count_colors(np.ma.array(image, mask=hidden), peak=120.0), part)
        with monkeypatch.context() as patched:
            patched.setattr("klevels.core.rows.COPIED", 5)
            patched.setattr(colors_module, "STRIP_OF_BYTES", 11)
            assert_same_table(count_colors(image), whole)
            assert_same_table(count_colors(image, mask=inside, peak=120.0), part)


def test_channel_first_images() -> None:
    planes = np.random.default_rng(2).integers(0, 5, (3, 40, 30)).astype(np.uint8)
    assert _counted(count_colors(np.moveaxis(planes, 0, -1))) == _unique(np.moveaxis(planes, 0, -1))


@given(
    st.sampled_from(["i1", "u2", "i2", "u4", "i4", "i8"]), st.integers(1, 16), st.integers(0, 2**32), st.integers(1, 25)
)
def test_whole_numbers_are_counted_on_their_grid(dtype: str, n_channels: int, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    span = int(rng.integers(1, limits.bits + 1))
    values = rng.integers(limits.min, limits.max, (n, n_channels), dtype=np.int64, endpoint=True) >> (64 - span)
    image = np.clip(values, limits.min, limits.max).astype(dtype)
    image[0, 0] = rng.choice([limits.min, limits.max, 0])
    table = count_colors(image)
    peak = max(abs(v) for v in image.ravel().tolist())
    step = 2 ** max(0, math.frexp(peak)[1] - GRID_BITS) if limits.bits > 16 else 1
    assert table.steps[0] == step
    exact = [[v // step for v in color] for color in image.tolist()]
    assert bins_of_table(table) == binned_colors(exact, 1 << 18)


@given(st.sampled_from(["f2", "f4", "f8"]), st.integers(1, 6), st.integers(0, 2**32), st.integers(-60, 60))
def test_floats_are_rounded_down_to_their_grid(dtype: str, n_channels: int, seed: int, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 2.0 ** (exponent if dtype != "f2" else exponent % 9)
    image = (rng.standard_normal((50, n_channels)) * scale).astype(dtype)
    table = count_colors(image)
    peak = float(np.abs(image).max())
    assert table.steps[0] == 2.0 ** (math.frexp(peak)[1] - GRID_BITS)
    assert peak / table.steps[0] < 2**GRID_BITS <= 2 * peak / table.steps[0]
    exact = [[Fraction(v) // Fraction(table.steps[0]) for v in color] for color in image.astype(np.float64).tolist()]
    assert bins_of_table(table) == binned_colors(exact, 1 << 18)


def test_zeros_and_extremes() -> None:
    assert count_colors(np.zeros((4, 2), np.float32)).colors.tolist() == [[0, 0]]
    assert count_colors(np.array([[-0.0], [0.0]])).n_colors == 1
    for peak in (1e-100, 1e-30, 1.0, 65535.0, 1e30, 1e100):
        table = count_colors(np.array([[peak, -peak, 0.0], [0.0, peak / 2, 0.0]]))
        assert table.n_colors == 2
        np.testing.assert_allclose(table.colors[np.argsort(table.colors[:, 0])][1], [peak, -peak, 0], rtol=3e-7)
    for unit in (1e-130, 1e130, 5e-324):
        with pytest.raises(DataError, match=r"its square no float; scale the image"):
            count_colors(np.array([[unit, 0.0]]))


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "f4"])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 6])
@pytest.mark.usefixtures("few_bins")
def test_bins_are_those_of_the_finest_grid(dtype: str, n_channels: int) -> None:
    rng = np.random.default_rng(n_channels)
    for scale in (3, 60, 9000):
        image = (rng.standard_normal((300, n_channels)) * scale).astype(dtype)
        image = np.abs(image) if dtype == "u2" else image
        table = count_colors(image)
        assert table.n_colors <= 64
        assert bins_of_table(table) == binned_colors(_on_grid(image, table.steps), 64)


def test_real_limit_of_bins() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 65536, (400_000, 2)).astype(np.uint16)
    table = count_colors(image)
    assert table.shift > 0
    assert table.n_colors <= colors_module.MOST_BINS
    assert len(np.unique(image >> (table.shift - 1), axis=0)) > colors_module.MOST_BINS
    corners = (image >> table.shift).astype(np.int64)
    rests = image - (corners << table.shift)
    keys = corners[:, 0] << 32 | corners[:, 1]
    order = np.argsort(table.bins[:, 0].astype(np.int64) << 32 | table.bins[:, 1])
    found, where, counts = np.unique(keys, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal((table.bins[:, 0].astype(np.int64) << 32 | table.bins[:, 1])[order], found)
    np.testing.assert_array_equal(table.counts[order], counts)
    assert table.rests is not None
    assert table.squares is not None
    for c in range(2):
        np.testing.assert_array_equal(table.rests[order, c], np.bincount(where, rests[:, c]).astype(np.int64))
    squares = np.bincount(where, (rests**2).sum(axis=1)).astype(np.uint64)
    np.testing.assert_array_equal(table.squares[order, 0], squares)
    assert not table.squares[:, 1].any()


def test_threads_share_one_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colors_module, "MOST_BINS", 2000)
    rng = np.random.default_rng(4)
    palette = (rng.standard_normal((3000, 4)) * rng.choice([1, 500], (3000, 1))).astype(np.float32)
    image = palette[rng.integers(0, 3000, (1 << 21) + 77) * (np.arange((1 << 21) + 77) % 3 // 2)]  # most are the first
    expected = count_colors(image, threads=1)
    assert expected.shift > 0
    for threads in (2, 3, 9):
        assert_same_table(count_colors(image, threads=threads), expected)
    with pytest.raises(DataError, match="NaN"):
        count_colors(np.where(np.arange(len(image))[:, None] == 2_000_000, np.nan, image), threads=3)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "f4"])
@pytest.mark.parametrize("n_channels", [1, 3, 5])
@pytest.mark.usefixtures("few_bins")
def test_pieces_add_up_in_any_order(dtype: str, n_channels: int) -> None:
    rng = np.random.default_rng(n_channels)
    spreads = rng.choice([1, 4, 30], (400, 1))
    image = (rng.standard_normal((400, n_channels)) * spreads + 60).astype(dtype)
    whole = count_colors(image, peak=300.0)
    for cuts in ([200], [1, 399], [100, 150, 160, 390]):
        tables = [count_colors(piece, peak=300.0) for piece in np.split(image, cuts)]
        left = tables[0]
        for table in tables[1:]:
            left = left + table
        right = tables[-1]
        for table in tables[-2::-1]:
            right = table + right
        shuffled = [tables[i] for i in rng.permutation(len(tables))]
        assert_same_table(left, whole)
        assert_same_table(right, whole)
        assert_same_table(sum(shuffled[1:], start=shuffled[0]), whole)
    assert_same_table(count_colors(rng.permutation(image), peak=300.0, threads=1), whole)
    twice = whole + whole
    assert_same_table(twice, count_colors(np.concatenate([image, image]), peak=300.0))


@given(st.integers(1, 4), st.integers(0, 2**32), st.integers(7, 200))
def test_sums_of_large_counts_are_exact(n_channels: int, seed: int, limit: int) -> None:
    """Tables with counts far beyond 2^31, merged until their bins coarsen, as Python's integers merge them."""
    rng = np.random.default_rng(seed)
    limit = max(limit, 1 << n_channels)
    pooled = _kernels.ColorBins(n_channels, limit)
    rows: list[tuple[tuple[int, ...], int]] = []
    for _ in range(int(rng.integers(1, 5))):
        colors = np.unique(rng.integers(-(2**11), 2 ** int(rng.integers(2, 12)), (limit, n_channels)), axis=0)
        counts = rng.integers(1, 2**44, len(colors))
        once = _kernels.ColorBins.of(
            limit,
            0,
            colors.astype(np.int32),
            counts,
            np.zeros(colors.shape, np.int64),
            np.zeros((len(colors), 2), np.uint64),
        )
        pooled.add_bins(once)
        rows += zip(map(tuple, colors.tolist()), counts.tolist(), strict=True)
    shift, bins, counts, rests, squares = pooled.arrays()
    table = ColorTable(bins, counts, np.dtype(np.int16), shift, (), rests, squares)
    found = bins_of_table(table)
    assert found[0] == binned_colors([color for color, _ in rows], limit)[0]
    expected: dict[tuple[int, ...], list[Any]] = {}
    for color, count in rows:
        bin_ = tuple(v >> shift for v in color)
        entry = expected.setdefault(bin_, [0, [0] * n_channels, 0])
        rest = [v - (b << shift) for v, b in zip(color, bin_, strict=True)]
        entry[0] += count
        entry[1] = [r + count * own for r, own in zip(entry[1], rest, strict=True)]
        entry[2] += count * sum(r * r for r in rest)
    assert found[1] == {key: (n, tuple(r), s) for key, (n, r, s) in expected.items()}
    exact = Fraction(0)
    for n, r, s in found[1].values():
        exact += s - Fraction(sum(v * v for v in r), n)
    assert table.scatter == pytest.approx(float(exact), rel=1e-9, abs=1e-9 * sum(s for _, _, s in found[1].values()))


def test_counts_beyond_what_32_bits_hold() -> None:
    table = ColorTable.of([[1, 2, 3], [200, 0, 9]], counts=[2**31 + 1, 2**40 + 7])
    assert table.n_pixels == 2**40 + 2**31 + 8
    for _ in range(10):
        table = table + table
    assert table.counts.tolist() == [(2**31 + 1) << 10, (2**40 + 7) << 10]
    with pytest.raises(DataError, match=r"^the counts sum to \d+; give counts that sum to less than 2\*\*62$"):
        ColorTable.of([[1], [2]], counts=[2**61, 2**61])
    large = ColorTable.of([[1], [2]], counts=[2**61, 1])
    with pytest.raises(DataError, match="too often for exact sums"):
        large + large


@given(st.integers(1, 4), st.integers(0, 2**32), st.sampled_from(["u1", "i8", "f8"]))
def test_tables_of_given_colors(n_channels: int, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    colors = (rng.integers(0, 4, (12, n_channels)) * rng.choice([1, 2**40 + 1] if dtype == "i8" else [1])).astype(dtype)
    counts = rng.integers(1, 5, 12)
    table = ColorTable.of(colors, counts)
    assert_same_table(table, ColorTable.of(np.repeat(colors, counts, axis=0)))
    assert_same_table(table, count_colors(np.repeat(colors.astype(table.dtype), counts, axis=0)))
    assert_same_table(ColorTable.of(colors), ColorTable.of(colors, np.ones(12, int)))


def test_arrays_are_read_only_and_cannot_be_mixed_up() -> None:
    a = ColorTable.of([[1, 2, 3]])
    for array in (a.bins, a.counts):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(TypeError):
        a + 1  # type: ignore[operator]


def test_nan_is_refused_or_left_out() -> None:
    image = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    image[1, 0, 2] = image[3, 1, 0] = np.nan
    with pytest.raises(DataError, match=r"NaN.*--nan ignore"):
        count_colors(image)
    good = ~np.isnan(image).any(axis=-1)
    assert_same_table(count_colors(image, nan="ignore"), count_colors(image[good][None]))
    assert_same_table(count_colors(image, mask=good), count_colors(image[good][None]))
    with pytest.raises(DataError, match="every pixel is NaN; give at least one pixel that counts"):
        count_colors(np.full((3, 3), np.nan), nan="ignore")
    with pytest.raises(DataError, match="the mask leaves no pixel"):
        count_colors(image, mask=~good, nan="ignore")
    with pytest.raises(ParameterError, match="nan is 'drop'; use 'error' or 'ignore'"):
        count_colors(image, nan="drop")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_infinity_is_refused_unless_it_does_not_count(dtype: str) -> None:
    image = np.ones((3, 2, 3), dtype)
    image[1, 1, 1] = -np.inf
    for nan in ("error", "ignore"):
        with pytest.raises(DataError, match="infinite values; mask them or replace them"):
            count_colors(image, nan=nan)
    assert count_colors(image, mask=np.isfinite(image).all(axis=-1)).n_pixels == 5
    image[1, 1, 0] = np.nan
    assert count_colors(image, nan="ignore").n_pixels == 5


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_masks_that_leave_nothing_are_refused(dtype: str, n_channels: int) -> None:
    image = np.zeros((5, 4, n_channels), dtype)
    for lying in (image, image[::-1, ::-1], np.moveaxis(np.zeros((n_channels, 5, 4), dtype), 0, -1)):
        with pytest.raises(DataError, match="the mask leaves no pixel"):
            count_colors(lying, mask=np.zeros((5, 4), bool))
    one = np.zeros((5, 4), bool)
    one[2, 3] = True
    assert count_colors(image[::-1], mask=one).counts.tolist() == [1]


def test_the_peak_fixes_the_grid() -> None:
    image = np.array([[0.25, 1.0], [0.5, 3.0]])
    dark, bright = image[:1], image[1:]
    with pytest.raises(DataError, match=r"grids of steps .* and .*; count both images with peak="):
        count_colors(dark) + count_colors(bright)
    assert_same_table(count_colors(dark, peak=3.0) + count_colors(bright, peak=3.0), count_colors(image))
    for beyond in (np.array([[100.0]]), np.array([[-100.0]]), np.array([[2**40]]), np.array([[-(2**63)]])):
        with pytest.raises(DataError, match=r"beyond the peak 1\.0; give the greatest magnitude of all images"):
            count_colors(beyond, peak=1.0)
    with pytest.raises(DataError, match=r"beyond the peak 1\.0"):
        count_colors(np.array([[-(2**31)]], np.int32), peak=1.0)
    for bad in (-1.0, np.nan, np.inf, "3"):
        with pytest.raises(ParameterError, match="give the greatest magnitude that occurs, a finite number"):
            count_colors(image, peak=bad)  # type: ignore[arg-type]


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(DataError, match=r"dtypes uint8 and uint16; convert them to one dtype first"):
        ColorTable.of([[1, 2]]) + count_colors(np.zeros((1, 2), np.uint16))
    with pytest.raises(DataError, match="2 and 3 channels; give as many to all"):
        ColorTable.of([[1, 2]]) + ColorTable.of([[1, 2, 3]])


@pytest.mark.parametrize(
    ("colors", "counts"),
    [
        ([[1], [2]], [1]),
        ([[1], [2]], [1, 0]),
        ([[1], [2]], [1, -1]),
        ([[1], [2]], [1.0, 2.0]),
        ([[1], [2]], [[1], [2]]),
        ([1, 2], None),
        ([[[1, 2]]], None),
        ([], None),
        (np.zeros((0, 3)), None),
        ([["a"]], None),
        (np.zeros((2, 17)), None),
        ([[1j]], None),
    ],
    ids=str,
)
def test_given_colors_that_are_none_are_refused(colors: Any, counts: Any) -> None:
    with pytest.raises(KlevelsError) as caught:
        ColorTable.of(colors, counts)
    assert "\n" not in str(caught.value)


def test_images_that_are_none_are_refused() -> None:
    with pytest.raises(DataTypeError):
        count_colors(np.zeros((2, 3), complex))
    with pytest.raises(ParameterError, match="threads is 0"):
        count_colors(np.zeros((2, 3), np.uint8), threads=0)
    with pytest.raises(DataError, match="empty"):
        count_colors(np.zeros((0, 3), np.uint8))


def _bins(**changes: Any) -> dict[str, Any]:
    sound = {
        "limit": 64,
        "shift": 1,
        "bins": np.zeros((2, 3), np.int32),
        "counts": np.ones(2, np.int64),
        "rests": np.zeros((2, 3), np.int64),
        "squares": np.zeros((2, 2), np.uint64),
    }
    return {**sound, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"limit": 4},
        {"limit": 1},
        {"limit": 1 << 40},
        {"shift": 32},
        {"bins": np.zeros((3, 3), np.int32)},
        {"bins": np.zeros((2, 0), np.int32)},
        {"bins": np.zeros((2, 17), np.int32)},
        {"counts": np.ones(3, np.int64)},
        {"rests": np.zeros((2, 2), np.int64)},
        {"rests": np.zeros((1, 3), np.int64)},
        {"squares": np.zeros((2, 3), np.uint64)},
        {"squares": np.zeros((1, 2), np.uint64)},
    ],
    ids=str,
)
def test_the_kernel_refuses_bins_that_do_not_fit(changes: dict[str, Any]) -> None:
    assert _kernels.ColorBins.of(**_bins()).arrays()[0] == 1
    with pytest.raises(ValueError, match=r".+"):
        _kernels.ColorBins.of(**_bins(**changes))


def test_the_kernel_refuses_other_channels() -> None:
    bins = _kernels.ColorBins(3, 64)
    for n_channels in (0, 1, 2, 4, 16):
        with pytest.raises(ValueError, match="rows of other channels"):
            bins.add_rows(np.zeros((5, n_channels), np.int32))
    for n_channels in (1, 4):
        with pytest.raises(ValueError, match="bins of other channels"):
            bins.add_bins(_kernels.ColorBins(n_channels, 64))
    with pytest.raises(ValueError, match="bins added to themselves"):
        bins.add_bins(bins)
    for n_channels in (0, 17):
        with pytest.raises(ValueError, match="not one to sixteen channels"):
            _kernels.ColorBins(n_channels, 1 << 18)
    with pytest.raises(ValueError, match="no such limit"):
        _kernels.ColorBins(3, 7)
    with pytest.raises(TypeError):
        bins.add_rows(np.zeros(3, np.int32))
    assert bins.arrays()[2].size == 0


def test_the_kernel_refuses_rows_and_masks_that_do_not_fit() -> None:
    for n_channels in (0, 4):
        with pytest.raises(ValueError, match="not one to three channels"):
            _kernels.count_colors(np.zeros((5, n_channels), np.uint8), None, 1)
    with pytest.raises(ValueError, match="mask of another size"):
        _kernels.count_colors(np.zeros((5, 3), np.uint8), np.zeros(4, np.uint8), 1)
    rows, colors, labels = np.zeros((5, 3), np.uint8), np.zeros((1, 3), np.uint8), np.zeros(1, np.uint16)
    for wrong in (
        (np.zeros((5, 4), np.uint8), None, np.zeros((1, 4), np.uint8), labels, 255, 1, np.zeros(5, np.uint8)),
        (rows, None, np.zeros((1, 2), np.uint8), labels, 255, 1, np.zeros(5, np.uint8)),
        (rows, None, np.zeros((2, 3), np.uint8), labels, 255, 1, np.zeros(5, np.uint8)),
        (rows, None, colors, labels, 255, 1, np.zeros(4, np.uint8)),
        (rows, np.zeros(6, np.uint8), colors, labels, 255, 1, np.zeros(5, np.uint8)),
    ):
        with pytest.raises(ValueError, match=r".+"):
            _kernels.label_by_colors(*wrong)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_a_peak_for_each_channel_divides_each_for_its_range(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.core.colors.MOST_BINS", 1 << 10)
    rng = np.random.default_rng(5)
    image = np.stack([rng.integers(0, 60000, 20000), rng.integers(0, 7, 20000)], axis=1).astype(dtype)
    apart = count_colors(image, peak=peaks_of(image))
    assert apart.shift > 0
    assert len(np.unique(apart.bins[:, 1])) == 7  # a common step would have left one
    total = (apart.colors * apart.counts[:, None]).sum(axis=0)
    np.testing.assert_allclose(total, image.astype(float).sum(axis=0), rtol=1e-6)
    halves = count_colors(image[:9000], peak=peaks_of(image)) + count_colors(image[9000:], peak=peaks_of(image))
    np.testing.assert_array_equal(halves.bins, apart.bins)
    np.testing.assert_array_equal(halves.rests, apart.rests)


def test_peaks_are_one_for_each_channel() -> None:
    assert peaks_of([[-3, 1], [2, 5]]) == (3.0, 5.0)
    with pytest.raises(ParameterError, match="peak has 1 numbers, the image 2 channels; give one for each"):
        count_colors([[1.0, 2.0]], peak=[3.0])
