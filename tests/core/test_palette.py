"""A palette labels each pixel with its nearest color, paints labels back, and reads back to the bit."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.brightness import dark_to_bright, white_of
from klevels.core.colors import ColorTable, count_colors
from klevels.core.palette import PALETTE_SUFFIXES, Palette
from klevels.core.quantize import fit_palette
from klevels.core.spaces import SPACES, Space, from_space, luminance, to_space
from klevels.errors import (
    DataError,
    DataTypeError,
    InputMissingError,
    KlevelsError,
    OutputExistsError,
    ParameterError,
    ReadError,
)
from reference import nearest_centers
from strategies import LAYOUTS

Array = np.ndarray[Any, np.dtype[Any]]


def _expected(palette: Palette, image: Array, inside: Array | None = None) -> Array:
    """Return labels by comparing each pixel with each color, in the palette's space."""
    flat = image.reshape(-1, image.shape[-1])
    counts = ~np.isnan(flat.astype(np.float64)).any(axis=1)
    if inside is not None:
        counts &= inside.ravel()
    points = to_space(np.where(counts[:, None], flat, 0), palette.space, palette.white)
    if palette.scale is not None:
        points = points / np.array(palette.scale)
    labels = nearest_centers(points, palette.centers)[0]
    dtype, ignore = (np.uint8, 255) if palette.k <= 255 else (np.uint16, 65535)
    return np.where(counts, labels, ignore).astype(dtype).reshape(image.shape[:-1])


def _palette(k: int, n_channels: int, *, space: Space = "rgb", seed: int = 0, white: float = 255.0) -> Palette:
    colors = np.random.default_rng(seed).integers(0, 2 * int(white) + 1, (k, n_channels)) / 2
    return Palette.of(colors, space=space, white=white)


@pytest.fixture
def palette() -> Palette:
    rng = np.random.default_rng(1)
    return fit_palette(ColorTable.of(rng.integers(0, 256, (40, 3)), rng.integers(1, 9, 40)), 5)


def _assert_same(a: Palette, b: Palette) -> None:
    assert a.to_dict() == b.to_dict()
    assert a.centers.tobytes() == b.centers.tobytes()
    assert a.scale == b.scale


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", ">u2", "i2", ">i4", "i8", "f2", ">f4", "f8"])
def test_labels_are_the_nearest_colors(dtype: str, layout: str) -> None:
    rng = np.random.default_rng(3)
    for n_channels in (1, 3, 4):
        plain = rng.integers(0, 127, (9, 11, n_channels)).astype(dtype)
        if plain.dtype.kind == "f":
            plain[2, 3, 0] = plain[5, 5, -1] = np.nan
        image = LAYOUTS[layout](plain)
        inside = rng.random((9, 11)) < 0.6
        for palette in (_palette(6, n_channels, white=127.0), _palette(1, n_channels), _palette(300, n_channels)):
            expected = _expected(palette, plain)
            for threads in (1, 3):
                labels = palette.classify(image, threads=threads)
                assert labels.dtype == expected.dtype
                np.testing.assert_array_equal(labels, expected)
            found = palette.classify(image, mask=LAYOUTS[layout](inside))
            np.testing.assert_array_equal(found, _expected(palette, plain, inside))
            hidden = np.repeat(~inside[..., None], n_channels, axis=-1)
            masked = palette.classify(np.ma.array(image, mask=hidden))
            np.testing.assert_array_equal(masked, _expected(palette, plain, inside))


@given(st.integers(1, 3), st.integers(1, 300), st.integers(0, 2**32), st.sampled_from(SPACES))
def test_bytes_are_labeled_as_floats_are(n_channels: int, k: int, seed: int, space: Space) -> None:
    if space != "rgb":
        n_channels = 3
    palette = _palette(k, n_channels, space=space, seed=seed)
    image = np.random.default_rng(seed).integers(0, 256, (30, 5, n_channels)).astype(np.uint8)
    labels = palette.classify(image)
    for dtype in (np.uint16, np.int64, np.float32, np.float64):
        np.testing.assert_array_equal(palette.classify(image.astype(dtype)), labels)
    np.testing.assert_array_equal(labels, _expected(palette, image))
    np.testing.assert_array_equal(palette.classify(image, table=count_colors(image)), labels)


def test_many_bytes_are_labeled_as_few() -> None:
    image = np.random.default_rng(5).integers(0, 256, (1500, 1500, 3)).astype(np.uint8)
    inside = image[..., 0] > 60
    palette = _palette(9, 3)
    labels = palette.classify(image, mask=inside)
    np.testing.assert_array_equal(labels[700:710], palette.classify(image[700:710], mask=inside[700:710]))
    np.testing.assert_array_equal(labels[700:710], _expected(palette, image[700:710], inside[700:710]))
    planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    np.testing.assert_array_equal(palette.classify(np.moveaxis(planes, 0, -1), mask=inside), labels)


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    for dtype in (np.uint8, np.float32):
        image = rng.integers(0, 256, (13, 17, 3)).astype(dtype)
        palette = _palette(20, 3)
        whole = palette.classify(image)
        for lying in (image, np.asfortranarray(image)):
            with monkeypatch.context() as patched:
                patched.setattr("klevels.core.rows.COPIED", 19)
                patched.setattr("klevels.core.nearest.STRIP_OF_BYTES", 23)
                np.testing.assert_array_equal(palette.classify(lying), whole)


def test_ties_go_to_the_darker() -> None:
    palette = Palette.of([[0, 0, 0], [10, 10, 10], [20, 20, 20]])
    for dtype in (np.uint8, np.float64):
        assert palette.classify(np.array([[5, 5, 5], [15, 15, 15], [6, 6, 6]], dtype)).tolist() == [0, 1, 1]


def test_ignored_pixels() -> None:
    assert _palette(255, 3).classify(np.zeros((2, 3), np.uint8), mask=[True, False])[1] == 255
    large = _palette(256, 3).classify(np.zeros((2, 3), np.uint8), mask=[True, False])
    assert (large.dtype, large[1]) == (np.uint16, 65535)
    none = _palette(4, 3).classify(np.zeros((2, 2, 3), np.uint8), mask=np.zeros((2, 2)) > 0)
    assert none.tolist() == [[255, 255]] * 2
    assert _palette(4, 3).classify(np.full((2, 3), np.nan)).tolist() == [255, 255]
    image = np.array([[np.inf, 0, 0], [1, 2, 3]])
    with pytest.raises(DataError, match="infinite values; mask them"):
        _palette(4, 3).classify(image)
    assert _palette(4, 3).classify(image, mask=[0, 1])[0] == 255


def test_images_of_other_kinds_are_refused(palette: Palette) -> None:
    for image in (np.zeros((4, 5)), np.zeros((4, 5, 4), np.uint8), np.zeros((4, 1), np.float32)):
        with pytest.raises(DataError, match=r"channels, the palette 3; give as many"):
            palette.classify(image)
    with pytest.raises(DataTypeError):
        palette.classify(np.zeros((4, 3), complex))
    with pytest.raises(ParameterError, match="threads is 0"):
        palette.classify(np.zeros((4, 3)), threads=0)
    with pytest.raises(DataError, match="give the table of this image, or none"):
        palette.classify(np.zeros((4, 3), np.uint8), table=count_colors(np.zeros((4, 3), np.uint16)))


@given(
    st.integers(1, 300), st.integers(1, 5), st.integers(0, 2**32), st.sampled_from(["u1", "i1", "u2", "f4", "f8", "i4"])
)
def test_painted_pixels_have_the_rounded_colors(k: int, n_channels: int, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    colors = rng.integers(-600, 600, (k, n_channels)) / 2
    palette = Palette(colors, np.zeros(k, int), 0.0, 0.0)
    labels = rng.integers(0, k, (5, 4)).astype(np.uint8 if k <= 255 else np.uint16)
    ignore = 255 if k <= 255 else 65535
    labels[1, 1] = ignore
    painted = palette.paint(labels, dtype)
    assert (painted.dtype, painted.shape) == (np.dtype(dtype), (5, 4, n_channels))
    for at in np.ndindex(5, 4):
        if labels[at] == ignore:
            assert np.isnan(painted[at]).all() if dtype[0] == "f" else not painted[at].any()
            continue
        for value, color in zip(painted[at].tolist(), colors[labels[at]].tolist(), strict=True):
            if dtype[0] == "f":
                assert value == color
            else:
                limits = np.iinfo(dtype)
                assert value == min(max(round(Fraction(color)), limits.min), limits.max)


def test_labels_of_other_palettes_are_refused(palette: Palette) -> None:
    with pytest.raises(ParameterError, match="label"):
        palette.paint(np.array([0, 5], np.uint8), np.uint8)
    with pytest.raises(ParameterError, match="label"):
        palette.paint(np.array([[65535]], np.uint16), np.uint8)
    for dtype in (np.int64, np.float32, bool):
        with pytest.raises(DataTypeError, match="give uint8 or uint16"):
            palette.paint(np.zeros(3, dtype), np.uint8)
    with pytest.raises(DataTypeError):
        palette.paint(np.zeros(3, np.uint8), complex)
    assert palette.paint(np.zeros((0, 3), np.uint8), np.uint8).shape == (0, 3, 3)


@pytest.mark.parametrize("space", SPACES)
def test_given_colors_are_sorted_and_kept(space: Space) -> None:
    rng = np.random.default_rng(4)
    given_colors = rng.integers(0, 256, (50, 3))
    palette = Palette.of(np.concatenate([given_colors, given_colors]), space=space)
    assert palette.k == palette.n_classes == len(np.unique(given_colors, axis=0))
    assert (np.diff(luminance(palette.colors, 255.0)) >= -1e-12).all()
    assert sorted(palette.colors.round(9).tolist()) == np.unique(given_colors, axis=0).tolist()
    np.testing.assert_allclose(palette.centers, to_space(palette.colors, space, 255.0), atol=1e-7)
    np.testing.assert_array_equal(palette.classify(palette.colors), np.arange(palette.k))


def test_colors_of_other_channels_are_sorted_by_their_mean() -> None:
    assert Palette.of([[9, 0], [0, 1], [4, 4]]).colors.tolist() == [[0, 1], [4, 4], [9, 0]]
    assert Palette.of([[7], [3], [5], [3]]).colors.tolist() == [[3], [5], [7]]
    assert Palette.of([[1, 0, 0, 3], [0, 1, 3, 0]]).colors.tolist() == [[0, 1, 3, 0], [1, 0, 0, 3]]


def test_hexadecimal_colors() -> None:
    assert Palette.of([[254.5, 0.5, 1.5], [300, -4, 16]]).hex == ("#fe0002", "#ff0010")
    assert Palette.of([[65535], [257 * 16]], white=65535).hex == ("#101010", "#ffffff")
    assert Palette.of([[1.0, 0.5, 0.0]], white=1.0).hex == ("#ff8000",)
    assert Palette.of([[1, 2]]).hex == ()


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 2**32), st.sampled_from(SPACES), st.booleans())
def test_on_other_data_counts_and_inertia_are_those_of_its_labels(
    k: int, n_channels: int, seed: int, space: Space, coarse: bool
) -> None:
    n_channels = n_channels if space == "rgb" else 3
    palette = _palette(k, n_channels, space=space, seed=seed)
    image = np.random.default_rng(seed).integers(0, 256, (200, n_channels)).astype(np.uint8)
    moved = palette.on(count_colors(image), threads=1 + coarse)
    labels = palette.classify(image)
    assert moved.counts.tolist() == np.bincount(labels, minlength=palette.k).tolist()
    points = to_space(image, space, 255.0)
    about = ((points - palette.centers[labels]) ** 2).sum()
    assert moved.inertia == pytest.approx(about, rel=1e-12, abs=1e-12)
    assert moved.total_inertia == pytest.approx(((points - points.mean(axis=0)) ** 2).sum(), rel=1e-9, abs=1e-9)
    assert moved.fractions.sum() == pytest.approx(1)
    assert moved.centers.tolist() == palette.centers.tolist()


def test_on_a_table_with_bins_the_inertia_is_that_of_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.core.colors.MOST_BINS", 64)
    image = np.random.default_rng(3).integers(0, 9000, (500, 3)).astype(np.uint16)
    table = count_colors(image)
    assert table.shift > 0
    palette = Palette.of([[4000, 4000, 4000]], white=65535.0)
    moved = palette.on(table)
    assert moved.counts.tolist() == [500]
    assert moved.total_inertia == pytest.approx(((image - image.mean(axis=0)) ** 2).sum(), rel=1e-12)
    with pytest.raises(DataError, match="3 channels, the palette 1; give as many"):
        Palette.of([[3]]).on(table)


def test_rescaled_palettes_look_the_same(palette: Palette) -> None:
    wide = palette.rescaled(65535.0)
    assert wide.hex == palette.hex
    assert wide.colors.tolist() == (palette.colors * 257).tolist()
    assert wide.inertia == palette.inertia * 257**2
    image = np.random.default_rng(2).integers(0, 256, (40, 3)).astype(np.uint8)
    np.testing.assert_array_equal(wide.classify(image.astype(np.uint16) * 257), palette.classify(image))
    _assert_same(palette.rescaled(255.0), palette)
    perceptual = Palette.of(palette.colors.round(), space="oklab")
    assert perceptual.rescaled(1.0).hex == perceptual.hex
    scaled = Palette([[1.0, 2.0]], [3], 0.5, 1.0, white=255.0, scale=(3.0, 5.0))
    assert scaled.rescaled(510.0).colors.tolist() == [[6.0, 20.0]]
    assert scaled.rescaled(510.0).inertia == 0.5
    for white in (0, -1, math.nan, math.inf):
        with pytest.raises(ParameterError):
            palette.rescaled(white)


def test_measures(palette: Palette) -> None:
    assert palette.fractions.tolist() == (palette.counts / palette.counts.sum()).tolist()
    assert palette.explained_variance == 1 - palette.inertia / palette.total_inertia
    single = fit_palette(ColorTable.of([[1, 2, 3]]), 1)
    assert (single.inertia, single.total_inertia, single.explained_variance) == (0, 0, 1)
    assert Palette.of([[1, 2, 3]]).fractions.tolist() == [0]
    for array in (palette.centers, palette.counts):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@given(
    st.lists(st.tuples(*[st.floats(-1e100, 1e100)] * 3), min_size=1, max_size=6),
    st.sampled_from([None, (0.1, 3.0, 1e-9)]),
    st.floats(0, 1e300),
)
def test_palettes_read_back_to_the_bit(
    centers: list[tuple[float, ...]], scale: tuple[float, ...] | None, inertia: float
) -> None:
    k = len(centers)
    given = Palette(np.array(centers), np.arange(k), inertia, inertia * 2, white=1e130, scale=scale)
    stored = replace(given, centers=given.centers[dark_to_bright(given.colors, given.white, scale)])
    _assert_same(Palette.from_dict(json.loads(json.dumps(stored.to_dict()))), stored)


def test_files_read_back_to_the_bit(palette: Palette, tmp_path: Path) -> None:
    for name in ("p.json", "P.JSON"):
        path = tmp_path / name
        palette.save(path)
        _assert_same(Palette.load(str(path)), palette)
        with pytest.raises(OutputExistsError):
            palette.save(path)
    palette.rescaled(9.0).save(path, overwrite=True)
    assert Palette.load(path).white == 9.0
    normalized = fit_palette(count_colors(np.random.default_rng(0).random((90, 5))), 3, normalize=True)
    normalized.save(tmp_path / "n.json")
    _assert_same(Palette.load(tmp_path / "n.json"), normalized)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("suffix", [".gpl", ".hex", ".txt", ".HEX"])
def test_lists_of_colors_keep_the_bytes(suffix: str, palette: Palette, tmp_path: Path) -> None:
    path = tmp_path / f"colors.of{suffix}"
    palette.save(path)
    back = Palette.load(path)
    assert back.hex == palette.hex
    assert back.counts.tolist() == [0] * 5
    Palette.of([[0], [65535]], white=65535).save(path, overwrite=True)
    assert Palette.load(path).hex == ("#000000", "#ffffff")
    perceptual = fit_palette(ColorTable.of(np.arange(30).reshape(10, 3)), 3, space="lab")
    perceptual.save(path, overwrite=True)
    assert Palette.load(path).hex == perceptual.hex
    before = path.read_bytes()
    with pytest.raises(ParameterError, match=r"2 channels, no colors; save it as \.json"):
        Palette.of([[1, 2]]).save(path, overwrite=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["p.png", "p", "p.json.bak", ".json.d/p"])
def test_other_suffixes_are_refused(name: str, palette: Palette, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    with pytest.raises(ParameterError, match=r"no palette has the suffix .*; use \.json, \.gpl, \.hex, \.txt"):
        palette.save(tmp_path / name)
    assert PALETTE_SUFFIXES == (".json", ".gpl", ".hex", ".txt")


@pytest.mark.parametrize(
    "fields",
    [
        {"centers": []},
        {"centers": [[]]},
        {"centers": [[1.0, 2.0], [3.0]]},
        {"centers": [1.0, 2.0]},
        {"centers": [[1.0, 2.0, math.nan]]},
        {"centers": [[1.0, 2.0, math.inf]]},
        {"centers": "abc"},
        {"centers": None},
        {"counts": [1, 2]},
        {"counts": [-1] * 5},
        {"counts": [1.5] * 5},
        {"counts": [2**70] * 5},
        {"counts": "abcde"},
        {"inertia": -1.0},
        {"inertia": math.nan},
        {"inertia": None},
        {"total_inertia": math.nan},
        {"space": "hsv"},
        {"space": ["rgb"]},
        {"space": "lab", "centers": [[1.0, 2.0]] * 5},
        {"white": 0},
        {"white": -1},
        {"white": math.inf},
        {"white": "bright"},
        {"scale": [1.0]},
        {"scale": [1.0, 2.0, 0.0]},
        {"scale": [1.0, 2.0, math.nan]},
        {"scale": 3.0},
        {"scale": [1.0, 2.0, 3.0], "space": "lab"},
    ],
    ids=str,
)
def test_what_does_not_hold_together_is_refused(palette: Palette, fields: dict[str, Any], tmp_path: Path) -> None:
    stored = {**palette.to_dict(), **fields}
    with pytest.raises(ParameterError) as caught:
        Palette.from_dict(stored)
    assert "\n" not in str(caught.value)
    (tmp_path / "p.json").write_text(json.dumps(stored))
    with pytest.raises(ReadError, match=r"p\.json: not a palette"):
        Palette.load(tmp_path / "p.json")


@pytest.mark.parametrize("name", ["centers", "counts", "inertia", "total_inertia", "space", "white", "scale"])
def test_a_missing_field_is_named(palette: Palette, name: str) -> None:
    stored = palette.to_dict()
    del stored[name]
    with pytest.raises(ParameterError, match=name):
        Palette.from_dict(stored)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 100_000, b"{}", b'{"model": 3}']
)
def test_broken_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"p\.json: not a palette") as caught:
        Palette.load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    (tmp_path / "p.hex").write_bytes(b"nothing")
    with pytest.raises(ReadError, match=r"p\.hex"):
        Palette.load(tmp_path / "p.hex")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    for name in ("none.json", "none.gpl"):
        with pytest.raises(InputMissingError, match=rf"{name}: no such file"):
            Palette.load(tmp_path / name)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ReadError):
        Palette.load(tmp_path / "folder.json")


@pytest.mark.parametrize(
    ("colors", "options"),
    [
        ([], {}),
        ([1, 2, 3], {}),
        ([[1, 2, math.nan]], {}),
        ([[1, math.inf]], {}),
        ([["red"]], {}),
        ([[1, 2], [3]], {}),
        ([[1, 2]], {"space": "lab"}),
        ([[1, 2, 3]], {"space": "hsv"}),
        ([[1, 2, 3]], {"white": 0}),
        (np.zeros((0, 3)), {}),
    ],
    ids=str,
)
def test_given_colors_that_are_none_are_refused(colors: Any, options: dict[str, Any]) -> None:
    with pytest.raises(KlevelsError) as caught:
        Palette.of(colors, **options)
    assert "\n" not in str(caught.value)


def test_white_is_the_greatest_value() -> None:
    assert [white_of(np.dtype(d)) for d in ("u1", "u2", "i2", "f4")] == [255, 65535, 32767, 1]
    gray = Palette.of([[0.5, 0.5, 0.5]], space="linear", white=1.0)
    np.testing.assert_allclose(from_space(gray.centers, "linear", 255.0), 127.5)
