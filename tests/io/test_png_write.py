"""PNG: every bit comes back, other programs read the same, and few colors make a small file."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from klevels.errors import ParameterError
from klevels.image import Image
from klevels.io import describe, png, png_palette, read, write
from klevels.io.png_palette import PngPalette, find_palette

RNG = np.random.default_rng(20261123)


def written(path: Path, data: np.ndarray, **meta: object) -> Image:
    """Write and read."""
    write(path, Image(data, "yxc"[: data.ndim], meta=meta), overwrite=True)
    return read(path)


def as_pillow_shows(path: Path, mode: str) -> np.ndarray:
    with PIL.Image.open(path) as picture:
        return np.asarray(picture.convert(mode))


def mode_of(path: Path) -> str:
    with PIL.Image.open(path) as picture:
        return picture.mode


def distinct(n_colors: int, n_channels: int) -> np.ndarray:
    """Distinct colors at random, of which the first is not gray."""
    keys = RNG.choice(256**n_channels, n_colors, replace=False) if n_channels < 4 else RNG.integers(0, 2**32, n_colors)
    colors = np.stack([keys >> 8 * i & 255 for i in range(n_channels)], axis=-1).astype(np.uint8)
    if n_channels > 2:
        colors[0, :3] = [1, 2, 3]
    return np.unique(colors, axis=0)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_round_trip(tmp_path: Path, data: st.DataObject) -> None:
    n_channels = data.draw(st.integers(1, 4))
    dtype = data.draw(st.sampled_from(["u1", "<u2", ">u2"]))
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    elements = st.sampled_from([0, 1, 7, 254, 255]) | st.integers(0, 255 if dtype == "u1" else 65535)
    array = data.draw(hnp.arrays(dtype, (*shape, n_channels)[: 2 + (n_channels > 1)], elements=elements))
    path = tmp_path / "a.png"
    image = written(path, array)
    top = np.iinfo(array.dtype).max
    is_opaque = n_channels in (2, 4) and bool((array[..., -1] == top).all())
    expected = array[..., : n_channels - 1] if is_opaque else array
    expected = expected[..., 0] if expected.ndim == 3 and expected.shape[2] == 1 else expected
    np.testing.assert_array_equal(image.data, expected)
    assert image.axes == "yxc"[: expected.ndim]
    assert image.dtype == array.dtype.newbyteorder("=")
    assert image.meta.get("alpha", False) == (n_channels in (2, 4) and not is_opaque)
    if mode_of(path) != "P":
        oracle = imagecodecs.png_decode(path.read_bytes())
        np.testing.assert_array_equal(oracle.reshape(array.shape), array)


@pytest.mark.parametrize("n_channels", [2, 3, 4])
@pytest.mark.parametrize("n_colors", [1, 2, 3, 4, 5, 16, 17, 255, 256, 257, 300])
@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 301])
def test_few_colors_make_a_palette(tmp_path: Path, n_channels: int, n_colors: int, width: int) -> None:
    colors = distinct(n_colors, n_channels)
    n_pixels = -(-len(colors) // width) * width
    pixels = RNG.permutation(np.resize(np.arange(len(colors)), n_pixels))
    array = colors[pixels].reshape(-1, width, n_channels)
    path = tmp_path / "a.png"
    image = written(path, array)
    header = png.read_png_header(path)
    if n_colors > 256:
        assert header.color_type == {2: 4, 3: 2, 4: 6}[n_channels]
        np.testing.assert_array_equal(image.data, array)
        return
    assert mode_of(path) == "P"
    assert (header.color_type, len(header.palette)) == (png.PALETTE, 3 * n_colors)
    assert header.bits == min(bits for bits in (1, 2, 4, 8) if n_colors <= 2**bits)
    has_alpha = n_channels != 3 and bool((array[..., -1] < 255).any())
    assert bool(header.transparency) == has_alpha
    rgba = as_pillow_shows(path, "RGBA")
    expected = array[..., [0, 0, 0, 1] if n_channels == 2 else [0, 1, 2, 3][:n_channels]]
    np.testing.assert_array_equal(rgba[..., : expected.shape[2]], expected)
    np.testing.assert_array_equal(image.data, array if has_alpha or n_channels == 3 else array[..., :-1].squeeze(-1))
    palette = np.frombuffer(header.palette, np.uint8).reshape(-1, 3).astype(int)
    assert (np.diff(palette @ [299, 587, 114]) >= 0).all()


def test_many_colors_at_the_end_are_found(tmp_path: Path) -> None:
    array = np.zeros((500, 400, 3), np.uint8)
    array[..., 0] = 9
    array[-1] = RNG.integers(0, 256, (400, 3))
    assert find_palette(array) is None
    assert np.array_equal(written(tmp_path / "a.png", array).data, array)
    array[-1, 255:] = array[-1, 0]
    assert written(tmp_path / "a.png", array).shape == array.shape
    assert mode_of(tmp_path / "a.png") == "P"


@pytest.mark.parametrize("n_channels", [3, 4])
def test_colors_that_are_gray_stay_colors(tmp_path: Path, n_channels: int) -> None:
    array = np.repeat(RNG.integers(0, 9, (5, 6, 1), np.uint8), n_channels, axis=2)
    image = written(tmp_path / "a.png", array)
    assert (image.axes, image.shape) == ("yxc", array.shape)
    assert np.array_equal(image.data, array)


def test_a_poster_is_a_fraction_of_its_colors(tmp_path: Path, shared_data: Path) -> None:
    with PIL.Image.open(shared_data / "photos" / "kodim23.png") as picture:
        quantized = picture.quantize(16)
    stream = io.BytesIO()
    quantized.save(stream, format="PNG")
    poster = np.asarray(quantized.convert("RGB"))
    assert np.array_equal(written(tmp_path / "a.png", poster).data, poster)
    size = (tmp_path / "a.png").stat().st_size
    assert size <= len(stream.getvalue())
    assert size < poster.nbytes / 20
    assert describe(tmp_path / "a.png")["bits"] == 4


def test_collisions_in_the_table_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A factor of 1 sends all small keys to slot 0."""
    monkeypatch.setattr(png_palette, "_FACTOR", 1)
    colors = np.array([[i, j, 0] for i in range(16) for j in range(16)], np.uint8)
    palette = PngPalette(RNG.permutation(colors))
    numbers = palette.numbers(colors.reshape(16, 16, 3))
    assert np.array_equal(palette.colors[numbers].reshape(-1, 3), colors)
    assert not len(palette.others(colors.reshape(16, 16, 3)))
    assert palette.others(np.array([[[0, 0, 1], [3, 3, 0]]], np.uint8)).tolist() == [[0, 0, 1]]


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12).map(lambda two: (*two, 3))))
def test_black_and_nearly_black_are_told_apart(array: np.ndarray) -> None:
    array = array & 1
    palette = find_palette(array)
    assert palette is not None
    assert {tuple(c) for c in palette.colors.tolist()} == {tuple(c) for c in array.reshape(-1, 3).tolist()}
    assert len(palette.colors) == len({tuple(c) for c in palette.colors.tolist()})


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    colors = distinct(200, 4)
    array = colors[RNG.integers(0, 200, (300, 300))]
    for name, one in (("a", array), ("b", np.asfortranarray(array)), ("c", array[::-1][::-1])):
        written(tmp_path / f"{name}.png", one)
    assert len({(tmp_path / f"{name}.png").read_bytes() for name in "abc"}) == 1


def test_large_images_are_written_by_bands(tmp_path: Path) -> None:
    colors = distinct(256, 4)
    array = colors[RNG.integers(0, 256, (3000, 3000), np.uint8)]
    write(tmp_path / "warm.png", Image(array[:9], "yxc"))
    tracemalloc.start()
    write(tmp_path / "a.png", Image(array, "yxc"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20 < array.nbytes / 8
    assert np.array_equal(read(tmp_path / "a.png").data, array)


@pytest.mark.parametrize("shape", [(1, 1_000_001), (1_000_001, 1), (1, 1_000_001, 3), (2, 1_000_001, 4)])
@pytest.mark.parametrize("n_values", [2, 256])
def test_sides_that_libpng_refuses(tmp_path: Path, shape: tuple[int, ...], n_values: int) -> None:
    array = RNG.integers(0, n_values, shape, np.uint8)
    np.testing.assert_array_equal(written(tmp_path / "a.png", array).data, array)
    if len(shape) == 2:
        deep = array.astype(np.uint16) * 257
        np.testing.assert_array_equal(written(tmp_path / "a.png", deep).data, deep)
        return
    with pytest.raises(ParameterError, match="at most 1000000 pixels"):
        written(tmp_path / "a.png", array.astype(np.uint16))


@pytest.mark.parametrize(
    ("data", "axes"),
    [
        (np.zeros((2, 3, 4), np.uint8), "zyx"),
        (np.zeros((2, 3, 4, 3), np.uint8), "zyxc"),
        (np.zeros((2, 3), np.float32), "yx"),
        (np.zeros((2, 3), bool), "yx"),
        (np.zeros((2, 3), np.int32), "yx"),
        (np.zeros((2, 3, 3), np.int16), "yxc"),
        (np.zeros((2, 3, 1), np.uint8), "yxc"),
        (np.zeros((2, 3, 5), np.uint8), "yxc"),
    ],
)
def test_what_a_png_cannot_hold_is_refused(tmp_path: Path, data: np.ndarray, axes: str) -> None:
    with pytest.raises(ParameterError, match=r"a\.png: a PNG holds .*write \.tif"):
        write(tmp_path / "a.png", Image(data, axes))
    assert not list(tmp_path.iterdir())


def test_colors_multiplied_by_alpha_are_refused(tmp_path: Path) -> None:
    image = Image(np.zeros((2, 2, 4), np.uint8), "yxc", meta={"alpha": True, "premultiplied": True})
    with pytest.raises(ParameterError, match="not multiplied by alpha"):
        write(tmp_path / "a.png", image)


def test_a_reader_of_its_own_agrees(tmp_path: Path) -> None:
    """Unfold the chunks by hand: width, bits and rows are what the standard says."""
    colors = distinct(4, 3)
    numbers = RNG.integers(0, 4, (3, 10))
    written(tmp_path / "a.png", colors[numbers])
    content = (tmp_path / "a.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: list[tuple[bytes, Any]] = []
    start = 8
    while start < len(content):
        length, name = struct.unpack_from(">I4s", content, start)
        body = content[start + 8 : start + 8 + length]
        assert zlib.crc32(name + body) == int.from_bytes(content[start + 8 + length : start + 12 + length], "big")
        chunks.append((name, body))
        start += 12 + length
    names = [name for name, _ in chunks]
    assert names[:2] == [b"IHDR", b"PLTE"]
    assert names[-1] == b"IEND"
    assert struct.unpack(">IIBBBBB", chunks[0][1]) == (10, 3, 2, 3, 0, 0, 0)
    rows = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    stored = np.frombuffer(rows, np.uint8).reshape(3, 4)
    assert not stored[:, 0].any()
    bits = np.unpackbits(stored[:, 1:], axis=1).reshape(3, -1, 2) @ [2, 1]
    palette = np.frombuffer(chunks[1][1], np.uint8).reshape(-1, 3)
    assert np.array_equal(palette[bits[:, :10]], colors[numbers])
    assert not bits[:, 10:].any()
