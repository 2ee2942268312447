"""GIF: every frame as viewers show it, or a refusal."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from klevels.errors import ParameterError, ReadError
from klevels.io import describe, limits, read

RNG = np.random.default_rng(20261123)
PALETTE = RNG.integers(0, 256, (16, 3), np.uint8)


@dataclass
class Frame:
    """What a frame of a GIF by hand is made of."""

    indices: np.ndarray
    left: int = 0
    top: int = 0
    palette: np.ndarray | None = None
    transparent: int | None = None
    disposal: int = 0
    is_interlaced: bool = False


def gif_bytes(
    width: int, height: int, frames: Sequence[Frame], palette: np.ndarray | None = PALETTE, end: bytes = b";"
) -> bytes:
    """A GIF by hand; palettes have 2 to 256 entries, a power of 2."""
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, _flags(palette), 0, 0), _entries(palette)]
    for frame in frames:
        rows, columns = frame.indices.shape
        flags = frame.disposal << 2 | (frame.transparent is not None)
        parts.append(b"!\xf9\x04" + struct.pack("<BHBB", flags, 10, frame.transparent or 0, 0))
        place = struct.pack(
            "<HHHHB", frame.left, frame.top, columns, rows, _flags(frame.palette) | 0x40 * frame.is_interlaced
        )
        order = np.r_[0:rows:8, 4:rows:8, 2:rows:4, 1:rows:2] if frame.is_interlaced else np.arange(rows)
        parts += [b",", place, _entries(frame.palette), lzw(frame.indices[order].ravel().tolist())]
    return b"".join([*parts, end])


def lzw(indices: Sequence[int], bits: int = 8) -> bytes:
    """LZW that never compresses: the table is cleared before its codes grow longer."""
    clear, end = 1 << bits, (1 << bits) + 1
    codes = [code for i, index in enumerate(indices) for code in ([clear, index] if i % 200 == 0 else [index])]
    number = sum(code << (bits + 1) * i for i, code in enumerate([*codes, end]))
    packed = number.to_bytes(((bits + 1) * (len(codes) + 1) + 7) // 8, "little")
    blocks = [packed[i : i + 255] for i in range(0, len(packed), 255)]
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def _flags(palette: np.ndarray | None) -> int:
    return 0 if palette is None else 0x80 | (len(palette).bit_length() - 2)


def _entries(palette: np.ndarray | None) -> bytes:
    return b"" if palette is None else palette.astype(np.uint8).tobytes()


def shown(width: int, height: int, frames: Sequence[Frame], number: int) -> np.ndarray:
    """Draw pixel by pixel, in the plainest way, RGBA."""
    canvas = np.zeros((height, width, 4), np.uint8)
    for i, frame in enumerate(frames[: number + 1]):
        before = canvas.copy()
        palette = PALETTE if frame.palette is None else frame.palette
        for (y, x), index in np.ndenumerate(frame.indices):
            if index != frame.transparent:
                canvas[frame.top + y, frame.left + x] = [*palette[index], 255]
        if i == number:
            return canvas
        rows, columns = frame.indices.shape
        if frame.disposal == 2:
            canvas[frame.top : frame.top + rows, frame.left : frame.left + columns] = 0
        if frame.disposal == 3:
            canvas = before
    raise AssertionError


def as_rgba(data: np.ndarray) -> np.ndarray:
    """Spread gray over the colors, and add the alpha that was left out."""
    channels = data[..., np.newaxis] if data.ndim == 2 else data
    alpha = channels[..., -1:] if channels.shape[2] in (2, 4) else np.full_like(channels[..., :1], 255)
    colors = channels[..., : 1 if channels.shape[2] < 3 else 3]
    return np.concatenate([np.broadcast_to(colors, (*colors.shape[:2], 3)), alpha], axis=2)


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@st.composite
def animations(draw: st.DrawFn) -> tuple[int, int, list[Frame]]:
    """Draw a screen and frames that lie anywhere on it."""
    width, height = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    frames = []
    for _ in range(draw(st.integers(1, 5))):
        left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        shape = draw(st.integers(1, height - top)), draw(st.integers(1, width - left))
        palette = draw(st.none() | st.sampled_from([PALETTE[::-1], PALETTE[3:7], PALETTE[:, [0, 0, 0]]]))
        n_colors = len(PALETTE if palette is None else palette)
        indices = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, n_colors - 1)))
        transparent = draw(st.none() | st.integers(0, n_colors))
        frames.append(Frame(indices, left, top, palette, transparent, draw(st.integers(0, 3)), draw(st.booleans())))
    return width, height, frames


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(animations())
def test_frames_are_what_viewers_show(tmp_path: Path, animation: tuple[int, int, list[Frame]]) -> None:
    width, height, frames = animation
    path = put(tmp_path / "a.gif", gif_bytes(width, height, frames))
    for number in range(len(frames)):
        image = read(path, frame=number)
        expected = shown(width, height, frames, number)
        np.testing.assert_array_equal(as_rgba(image.data), expected)
        is_gray = (expected[..., :3] == expected[..., :1]).all()
        has_alpha = (expected[..., 3] < 255).any()
        assert (
            image.shape[2:]
            == (
                {(True, False): (), (True, True): (2,), (False, False): (3,), (False, True): (4,)}[
                    bool(is_gray), bool(has_alpha)
                ]
            )
        )
        assert image.meta.get("alpha", False) == has_alpha
    facts = describe(path)
    assert (facts["frames"], facts["shape"]) == (len(frames), read(path, frame=0).shape)


@pytest.mark.parametrize("n_colors", [2, 3, 100, 256])
@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 301), (200, 3)])
def test_files_of_pillow(tmp_path: Path, n_colors: int, interlace: int, shape: tuple[int, int]) -> None:
    colors = RNG.integers(0, 256, (n_colors, 3), np.uint8)[RNG.integers(0, n_colors, shape)]
    path = tmp_path / "a.gif"
    PIL.Image.fromarray(colors).save(path, interlace=interlace)
    image = read(path)
    with PIL.Image.open(path) as picture:
        np.testing.assert_array_equal(as_rgba(image.data)[..., :3], np.asarray(picture.convert("RGB")))
    np.testing.assert_array_equal(
        as_rgba(image.data)[..., :3], np.squeeze(imagecodecs.gif_decode(path.read_bytes())).reshape(*shape, 3)
    )
    assert (image.dtype, image.spacing, image.meta["format"]) == (np.uint8, None, "GIF")
    facts = describe(path)
    assert (facts["frames"], facts["compression"], facts["bytes"]) == (1, "LZW", image.data.nbytes)


def test_a_photograph(tmp_path: Path, shared_data: Path) -> None:
    with PIL.Image.open(shared_data / "photos" / "china.jpg") as picture:
        picture.quantize(256).save(tmp_path / "a.gif")
    with PIL.Image.open(tmp_path / "a.gif") as picture:
        np.testing.assert_array_equal(read(tmp_path / "a.gif").data, np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_animations_of_pillow(tmp_path: Path, disposal: int) -> None:
    """Each frame is transparent in parts, for what Pillow makes of the background of opaque ones is its own."""
    frames = []
    for i in range(5):
        rgba = np.zeros((20, 30, 4), np.uint8)
        rgba[3 * i : 3 * i + 6, 4 * i : 4 * i + 9] = [40 * i, 255 - 40 * i, 7, 255]
        frames.append(PIL.Image.fromarray(rgba))
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], disposal=disposal, duration=20)
    assert describe(path)["frames"] == 5
    for i in range(5):
        with PIL.Image.open(path) as picture:
            picture.seek(i)
            expected = np.array(picture.convert("RGBA"))
        expected[expected[..., 3] == 0] = 0
        np.testing.assert_array_equal(as_rgba(read(path, frame=i).data), expected)


def test_gray_and_transparent(tmp_path: Path) -> None:
    grays = np.repeat(np.arange(4, dtype=np.uint8)[:, np.newaxis] * 60, 3, axis=1)
    indices = np.array([[0, 1, 2, 3]], np.uint8)
    image = read(put(tmp_path / "a.gif", gif_bytes(4, 1, [Frame(indices)], grays)))
    assert (image.axes, image.data.tolist()) == ("yx", [[0, 60, 120, 180]])
    image = read(put(tmp_path / "a.gif", gif_bytes(4, 1, [Frame(indices, transparent=3)], grays)))
    assert image.data.tolist() == [[[0, 255], [60, 255], [120, 255], [0, 0]]]
    assert image.meta["alpha"] is True


def test_an_animation_needs_a_frame(tmp_path: Path) -> None:
    frames = [Frame(np.full((2, 3), i, np.uint8)) for i in range(3)]
    path = put(tmp_path / "a.gif", gif_bytes(3, 2, frames))
    with pytest.raises(ReadError, match=r"animated GIF of 3 frames; give --frame N .*0 to 2") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    for number in (3, -1, 99, 1.5, "1"):
        with pytest.raises(ParameterError, match=r"frame is .*there are 3 frames; give 0 to 2"):
            read(path, frame=number)  # type: ignore[arg-type]
    assert read(path, frame=np.int64(2)).data[0, 0].tolist() == PALETTE[2].tolist()  # type: ignore[arg-type]


def test_a_single_frame_is_frame_0(tmp_path: Path) -> None:
    path = put(tmp_path / "a.gif", gif_bytes(3, 2, [Frame(np.zeros((2, 3), np.uint8))]))
    assert np.array_equal(read(path).data, read(path, frame=0).data)
    with pytest.raises(ParameterError, match="frame is 1, but only frame 0 can be read"):
        read(path, frame=1)


def test_every_cut_is_refused(tmp_path: Path) -> None:
    frames = [Frame(RNG.integers(0, 16, (9, 7)).astype(np.uint8), disposal=i) for i in (1, 2)]
    whole = gif_bytes(7, 9, frames)
    for n in range(len(whole)):
        for frame in (None, 0, 1):
            with pytest.raises(ReadError):
                read(put(tmp_path / "cut.gif", whole[:n]), frame=frame)
    assert read(put(tmp_path / "whole.gif", whole + b"and more"), frame=1).shape == (9, 7, 3)


def test_changed_bytes_are_read_or_refused(tmp_path: Path) -> None:
    whole = gif_bytes(7, 9, [Frame(RNG.integers(0, 16, (9, 7)).astype(np.uint8), transparent=3)])
    for n in range(6, len(whole)):
        for value in (0, 1, 127, 255):
            damaged = put(tmp_path / "a.gif", whole[:n] + bytes([value]) + whole[n + 1 :])
            try:
                assert read(damaged, frame=0).data.size
            except ReadError as error:
                assert str(error).startswith(f"{damaged}: ")  # noqa: PT017


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gif_bytes(3, 2, []), "holds no image"),
        (gif_bytes(3, 0, []), "3 x 0 pixels"),
        (gif_bytes(3, 2, [Frame(np.zeros((2, 4), np.uint8))]), "does not lie within the 3 x 2"),
        (gif_bytes(3, 2, [Frame(np.zeros((2, 3), np.uint8), left=1)]), "at column 1 and row 0 does not lie within"),
        (gif_bytes(3, 2, [Frame(np.zeros((0, 3), np.uint8))]), "does not lie within"),
        (gif_bytes(3, 2, [Frame(np.zeros((2, 3), np.uint8))], None), "no palette"),
        (gif_bytes(3, 2, [Frame(np.full((2, 3), 16, np.uint8))]), "color 16 of a palette of 16"),
        (gif_bytes(3, 2, [Frame(np.zeros((2, 3), np.uint8))], end=b"?;"), "damaged at byte"),
        (gif_bytes(3, 2, [Frame(np.zeros((2, 3), np.uint8))], end=b""), "cut short"),
        (gif_bytes(3, 3, [Frame(np.zeros((2, 3), np.uint8))]).replace(b"\3\0\2\0", b"\3\0\3\0"), "damaged or missing"),
        (gif_bytes(60000, 60000, [Frame(np.zeros((2, 3), np.uint8))]), "60000 x 60000 pixels, 13732 MB"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    path = put(tmp_path / "a.gif", content)
    for verb in (read, describe):
        with pytest.raises(ReadError, match=message) as caught:
            verb(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_transparent_color_may_be_none_of_the_palette(tmp_path: Path) -> None:
    indices = np.array([[0, 200, 1]], np.uint8)
    image = read(put(tmp_path / "a.gif", gif_bytes(3, 1, [Frame(indices, transparent=200)])))
    assert image.data[..., 3].tolist() == [[255, 0, 255]]


def test_hostile_files(tmp_path: Path, shared_data: Path, read_in_sandbox: Callable[..., dict[Path, str]]) -> None:
    whole = (shared_data / "malformed" / "libvips" / "truncated.gif").read_bytes()
    n_pixels = limits.MAX_BYTES // 4
    largest = Frame(np.zeros((1, 1), np.uint8))
    files = {
        "truncated": whole,
        "bomb": gif_bytes(65535, 65535, [largest]),
        "largest": gif_bytes(n_pixels // 16384, 16384, [largest] * 3),
        "many": gif_bytes(1, 1, [largest] * 100_000),
    }
    for i in range(60):
        damaged = bytearray(whole)
        for place in RNG.integers(6, len(whole), 1 + i % 7):
            damaged[place] = RNG.integers(256)
        files[f"damaged{i}"] = bytes(damaged)
    paths = [put(tmp_path / f"{name}.gif", content) for name, content in files.items()]
    outcome = read_in_sandbox(paths)
    assert [found for found in outcome.values() if found.startswith("crash")] == []
    assert "cut short" in outcome[paths[0]]
    assert "MB are decoded" in outcome[paths[1]]
    assert "3 frames" in outcome[paths[2]]
    assert "100000 frames" in outcome[paths[3]]


def test_the_largest_takes_less_than_a_gigabyte(
    tmp_path: Path, read_in_sandbox: Callable[..., dict[Path, str]]
) -> None:
    width, height = 16384, 6144
    assert width * height * 4 == limits.MAX_BYTES
    picture = PIL.Image.new("P", (width, height))
    picture.putpalette([1, 2, 3, 4, 5, 6])
    path = tmp_path / "a.gif"
    picture.save(path)
    assert path.stat().st_size < 1 << 20
    assert read_in_sandbox([path], seconds=100)[path] == f"ok ({height}, {width}, 3) uint8"


def test_gif_in_a_folder_of_slices(tmp_path: Path) -> None:
    for i in range(3):
        put(tmp_path / f"{i}.gif", gif_bytes(3, 2, [Frame(np.full((2, 3), i, np.uint8))]))
    image = read(tmp_path)
    assert image.data[:, 0, 0].tolist() == PALETTE[:3].tolist()
    assert read(tmp_path, frame=0).shape == describe(tmp_path)["shape"] == (3, 2, 3, 3)
    with pytest.raises(ParameterError, match="only frame 0"):
        read(tmp_path, frame=1)
    put(tmp_path / "0.gif", gif_bytes(3, 2, [Frame(np.full((2, 3), i, np.uint8)) for i in range(2)]))
    for verb in (read, describe):
        with pytest.raises(ReadError, match=r"of 2 frames.* save each frame as a file of its own"):
            verb(tmp_path)
