"""PNG, JPEG and BMP: the right values, or a refusal.  GIF has tests of its own."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from klevels.errors import ParameterError, ReadError
from klevels.image import Image
from klevels.io import describe, read, to_gray, write

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (5, 7), np.uint8)
COLOR = RNG.integers(0, 256, (5, 7, 3), np.uint8)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_bytes(samples: np.ndarray, bits: int, color_type: int, *extra: bytes) -> bytes:
    """A PNG by hand; `samples` are bytes by row, `extra` the chunks between header and pixels."""
    height, n_bytes = samples.shape
    n_channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color_type]
    header = struct.pack(">IIBBBBB", n_bytes * 8 // bits // n_channels, height, bits, color_type, 0, 0, 0)
    rows = np.hstack([np.zeros((height, 1), np.uint8), samples]).tobytes()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class TestPng:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_round_trip(self, tmp_path: Path, data: st.DataObject) -> None:
        shape: Any = st.tuples(st.integers(1, 9), st.integers(1, 9))
        array = data.draw(
            st.one_of(
                hnp.arrays(st.sampled_from(["u1", "<u2", ">u2"]), shape),
                hnp.arrays("u1", shape.map(lambda two: (*two, 3))),
            )
        )
        axes = "yx" if array.ndim == 2 else "yxc"
        write(tmp_path / "a.png", Image(array, axes), overwrite=True)
        image = read(tmp_path / "a.png")
        np.testing.assert_array_equal(image.data, array)
        assert (image.axes, image.spacing) == (axes, None)
        assert image.dtype == array.dtype.newbyteorder("=")
        oracle = imagecodecs.png_decode((tmp_path / "a.png").read_bytes())
        np.testing.assert_array_equal(oracle, array)

    @pytest.mark.parametrize(("bits", "packed"), [(1, [0b01100000]), (2, [0b00011011]), (4, [0x0F, 0x70])])
    def test_few_bits_spread_over_the_whole_range(self, tmp_path: Path, bits: int, packed: list[int]) -> None:
        path = put(tmp_path / "a.png", png_bytes(np.array([packed], np.uint8), bits, 0))
        image = read(path)
        stored = np.unpackbits(np.array(packed, np.uint8)).reshape(-1, bits) @ (1 << np.arange(bits)[::-1])
        assert image.data.tolist() == [(stored * 255 // (2**bits - 1)).tolist()]
        assert (image.dtype, image.meta["bits"]) == (np.uint8, bits)

    def test_16_bit_color_keeps_all_bits(self, tmp_path: Path) -> None:
        colors = RNG.integers(0, 65536, (4, 6, 3)).astype(">u2")
        image = read(put(tmp_path / "a.png", png_bytes(colors.reshape(4, -1).view(np.uint8), 16, 2)))
        assert image.dtype == np.uint16
        assert np.array_equal(image.data, colors)

    def test_palette_becomes_its_colors(self, tmp_path: Path) -> None:
        palette = bytes([0, 0, 0, 255, 0, 0, 9, 9, 9])
        indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
        image = read(put(tmp_path / "a.png", png_bytes(indices, 8, 3, chunk(b"PLTE", palette))))
        assert image.axes == "yxc"
        assert image.data[0].tolist() == [[0, 0, 0], [255, 0, 0], [9, 9, 9]]

    def test_palette_becomes_gray_if_the_entries_in_use_are(self, tmp_path: Path) -> None:
        palette = bytes([70, 70, 70, 255, 0, 0, 9, 9, 9])
        indices = np.array([[0, 2, 2]], np.uint8)
        image = read(put(tmp_path / "a.png", png_bytes(indices, 8, 3, chunk(b"PLTE", palette))))
        assert (image.axes, image.data.tolist()) == ("yx", [[70, 9, 9]])

    def test_palette_index_beyond_the_palette(self, tmp_path: Path) -> None:
        content = png_bytes(np.array([[0, 3]], np.uint8), 8, 3, chunk(b"PLTE", bytes(9)))
        with pytest.raises(ReadError, match="color 3 of a palette of 3"):
            read(put(tmp_path / "a.png", content))

    def test_palette_alpha(self, tmp_path: Path) -> None:
        extra = chunk(b"PLTE", bytes([1, 2, 3, 4, 5, 6])), chunk(b"tRNS", bytes([0]))
        image = read(put(tmp_path / "a.png", png_bytes(np.array([[0, 1]], np.uint8), 8, 3, *extra)))
        assert image.data.tolist() == [[[1, 2, 3, 0], [4, 5, 6, 255]]]
        assert image.meta["alpha"] is True
        opaque = read(put(tmp_path / "a.png", png_bytes(np.array([[1, 1]], np.uint8), 8, 3, *extra)))
        assert opaque.data.tolist() == [[[4, 5, 6], [4, 5, 6]]]
        assert "alpha" not in opaque.meta

    @pytest.mark.parametrize(("bits", "dtype"), [(8, ">u1"), (16, ">u2")])
    def test_one_transparent_gray(self, tmp_path: Path, bits: int, dtype: str) -> None:
        values = np.array([[0, 5, 9]], dtype)
        content = png_bytes(values.view(np.uint8), bits, 0, chunk(b"tRNS", struct.pack(">H", 5)))
        image = read(put(tmp_path / "a.png", content))
        top = 2**bits - 1
        assert image.data.tolist() == [[[0, top], [5, 0], [9, top]]]
        gray = to_gray(image).data
        assert isinstance(gray, np.ma.MaskedArray)
        assert gray.mask.tolist() == [[False, True, False]]

    @pytest.mark.parametrize(("mode", "axes"), [("LA", "yx"), ("RGBA", "yxc")])
    def test_opaque_alpha_is_dropped(self, tmp_path: Path, mode: str, axes: str) -> None:
        PIL.Image.fromarray(COLOR).convert(mode).save(tmp_path / "a.png")
        image = read(tmp_path / "a.png")
        assert image.axes == axes
        assert "alpha" not in image.meta
        assert np.array_equal(image.data, np.asarray(PIL.Image.fromarray(COLOR).convert(mode[:-1])))

    def test_transparency_is_kept(self, tmp_path: Path) -> None:
        rgba = np.dstack([COLOR, np.full(COLOR.shape[:2], 254, np.uint8)])
        PIL.Image.fromarray(rgba).save(tmp_path / "a.png")
        image = read(tmp_path / "a.png")
        assert image.meta["alpha"] is True
        assert np.array_equal(image.data, rgba)
        assert describe(tmp_path / "a.png")["alpha"] is True

    def test_every_cut_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "a.png", GRAY)
        whole = (tmp_path / "a.png").read_bytes()
        for n in range(len(whole)):
            with pytest.raises(ReadError):
                read(put(tmp_path / "cut.png", whole[:n]))

    def test_every_flipped_bit_is_noticed(self, tmp_path: Path) -> None:
        write(tmp_path / "a.png", GRAY)
        whole = (tmp_path / "a.png").read_bytes()
        for n in range(len(whole)):
            damaged = bytearray(whole)
            damaged[n] ^= 1 << (n % 8)
            with pytest.raises(ReadError):
                read(put(tmp_path / "damaged.png", bytes(damaged)))

    @pytest.mark.parametrize(("interlaced", "n_stored"), [(0, 101 * 100), (1, 10188)])
    def test_pixels_missing_from_a_sound_stream(self, tmp_path: Path, interlaced: int, n_stored: int) -> None:
        """Pillow returns black for them."""
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100, 100, 8, 0, 0, 0, interlaced))
        for n in (n_stored, n_stored - 1, n_stored // 2, 0):
            pixels = zlib.compress(bytes(n))
            pixel_chunks = chunk(b"IDAT", pixels[:7]) + chunk(b"IDAT", pixels[7:])
            path = put(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + header + pixel_chunks + chunk(b"IEND", b""))
            if n == n_stored:
                assert not read(path).data.any()
                continue
            with pytest.raises(ReadError, match="pixels are missing"):
                read(path)

    def test_animation_is_refused(self, tmp_path: Path) -> None:
        frames = [PIL.Image.fromarray(GRAY), PIL.Image.fromarray(GRAY.max() - GRAY)]
        frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
        with pytest.raises(ReadError, match="animated PNG; give --frame 0"):
            read(tmp_path / "a.png")
        assert np.array_equal(read(tmp_path / "a.png", frame=0).data, GRAY)
        assert describe(tmp_path / "a.png")["frames"] == 2
        for frame in (1, 2, -1):
            with pytest.raises(ParameterError, match=f"frame is {frame}, but only frame 0 can be read"):
                read(tmp_path / "a.png", frame=frame)

    @pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
    def test_default_image_of_an_animation(self, tmp_path: Path, mode: str) -> None:
        """Be it the first frame, or an image that no frame shows."""
        first, *others = [PIL.Image.fromarray(np.roll(COLOR, i, axis=1)).convert(mode) for i in range(3)]
        for default in (False, True):
            path = tmp_path / "a.png"
            first.save(path, save_all=True, append_images=others, default_image=default)
            still = tmp_path / "still.png"
            first.save(still)
            assert np.array_equal(read(path, frame=0).data, read(still).data)

    def test_deep_animations(self, tmp_path: Path) -> None:
        colors = RNG.integers(0, 65536, (4, 6, 3)).astype(">u2")
        control = chunk(b"acTL", struct.pack(">II", 1, 0))
        frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 6, 4, 0, 0, 1, 10, 0, 0))
        content = png_bytes(colors.reshape(4, -1).view(np.uint8), 16, 2, control, frame)
        assert np.array_equal(read(put(tmp_path / "a.png", content), frame=0).data, colors)

    @pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
    def test_no_pixels(self, tmp_path: Path, width: int, height: int) -> None:
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        with pytest.raises(ReadError, match=f"{width} x {height}"):
            read(put(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + body))

    def test_bomb_is_refused(self, tmp_path: Path) -> None:
        header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
        for verb in (read, describe):
            with pytest.raises(ReadError, match="60000 x 60000 pixels, 3433 MB"):
                verb(put(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + body))

    def test_the_largest_takes_less_than_a_gigabyte(
        self, tmp_path: Path, read_in_sandbox: Callable[..., dict[Path, str]]
    ) -> None:
        side = 11585
        compressor = zlib.compressobj(1)
        row = bytes(1 + 3 * side)
        pixels = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
        path = put(tmp_path / "a.png", content)
        assert len(content) < 4 << 20
        assert read_in_sandbox([path], seconds=100)[path] == f"ok ({side}, {side}, 3) uint8"


class TestJpeg:
    def test_values_are_those_of_another_decoder(self, tmp_path: Path) -> None:
        for name, array in (("gray", GRAY), ("color", COLOR)):
            path = tmp_path / f"{name}.jpg"
            PIL.Image.fromarray(array).save(path)
            image = read(path)
            assert image.axes == "yxc"[: array.ndim]
            np.testing.assert_array_equal(image.data, imagecodecs.jpeg8_decode(path.read_bytes()))

    def test_every_cut_is_refused(self, tmp_path: Path) -> None:
        stream = io.BytesIO()
        PIL.Image.fromarray(COLOR).save(stream, format="JPEG")
        whole = stream.getvalue()
        for n in range(len(whole)):
            with pytest.raises(ReadError):
                read(put(tmp_path / "cut.jpg", whole[:n]))

    def test_cmyk_is_refused(self, tmp_path: Path) -> None:
        PIL.Image.fromarray(COLOR).convert("CMYK").save(tmp_path / "a.jpg")
        with pytest.raises(ReadError, match="CMYK, made for print; convert it"):
            read(tmp_path / "a.jpg")

    @pytest.mark.parametrize("suffix", [".jpg", ".png"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, tmp_path: Path, orientation: int, suffix: str) -> None:
        blocks = np.kron(np.array([[0, 90, 180], [255, 40, 130]], np.uint8), np.ones((8, 8), np.uint8))
        path = tmp_path / f"a{suffix}"
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        PIL.Image.fromarray(blocks).save(path, exif=exif.tobytes())
        # What each number says about the stored rows and columns, in the words of the standard.
        upright = {
            1: blocks,
            2: np.fliplr(blocks),
            3: np.rot90(blocks, 2),
            4: np.flipud(blocks),
            5: blocks.T,
            6: np.rot90(blocks, -1),
            7: np.rot90(blocks, 2).T,
            8: np.rot90(blocks, 1),
        }[orientation]
        image = read(path)
        assert image.shape == upright.shape
        assert np.abs(image.data.astype(int) - upright).max() < 8
        assert describe(path)["shape"] == upright.shape

    @pytest.mark.parametrize("exif", [b"Exif\0\0II*\0", b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
    def test_broken_exif_counts_as_absent(self, tmp_path: Path, exif: bytes) -> None:
        path = tmp_path / "a.jpg"
        PIL.Image.fromarray(GRAY).save(path, exif=exif)
        assert read(path).shape == GRAY.shape

    def test_impossible_orientation_counts_as_absent(self, tmp_path: Path) -> None:
        exif = PIL.Image.Exif()
        exif[0x0112] = 77
        PIL.Image.fromarray(GRAY).save(tmp_path / "a.jpg", exif=exif.tobytes())
        assert read(tmp_path / "a.jpg").shape == GRAY.shape


class TestBmp:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
    def test_values(self, tmp_path: Path, mode: str) -> None:
        picture = PIL.Image.fromarray(COLOR).convert(mode)
        picture.save(tmp_path / "a.bmp")
        image = read(tmp_path / "a.bmp")
        expected = np.asarray(picture.convert("RGB" if mode in ("P", "RGB") else "L"))
        assert np.array_equal(image.data, expected)
        assert image.meta["format"] == "BMP"

    def test_every_cut_is_refused(self, tmp_path: Path) -> None:
        stream = io.BytesIO()
        PIL.Image.fromarray(COLOR).save(stream, format="BMP")
        whole = stream.getvalue()
        n_padding = 3  # at the end of the last row, where nothing is lost
        for n in range(len(whole) - n_padding):
            with pytest.raises(ReadError):
                read(put(tmp_path / "cut.bmp", whole[:n]))

    def test_a_text_is_no_bmp(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="no known format"):
            read(put(tmp_path / "a.bmp", b"BM is how this text starts, and on it goes"))


class TestSharedData:
    def test_pngsuite(self, shared_data: Path) -> None:
        files = sorted((shared_data / "formats" / "pngsuite").glob("*.png"))
        assert len(files) > 80
        for file in files:
            if file.name.startswith("x"):
                with pytest.raises(ReadError):
                    read(file)
                continue
            image = read(file)
            oracle = imagecodecs.png_decode(file.read_bytes())
            np.testing.assert_array_equal(image.data, oracle, err_msg=file.name)
            if image.meta["bits"] == 16 and image.axes == "yxc" and image.shape[2] >= 3:
                # The oracle has decoded these for us, too: Pillow, which keeps the high bytes only, shall agree.
                with PIL.Image.open(file) as picture:
                    assert np.array_equal(image.data >> 8, np.asarray(picture)), file.name

    def test_photographs(self, shared_data: Path) -> None:
        files = [file for file in sorted((shared_data / "photos").iterdir()) if file.suffix in (".png", ".jpg")]
        assert len(files) >= 11
        for file in files:
            image = read(file)
            np.testing.assert_array_equal(image.data, imagecodecs.imread(file), err_msg=file.name)
            facts = describe(file)
            assert (facts["shape"], facts["axes"]) == (image.shape, image.axes)
            assert read(file, gray=True).axes == "yx"

    def test_malformed(self, shared_data: Path, read_in_sandbox: Callable[..., dict[Path, str]]) -> None:
        folder = shared_data / "malformed"
        tiff = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        files = [file for file in files if file.read_bytes()[:4] not in tiff and file.read_bytes()[128:132] != b"DICM"]
        assert len(files) >= 60
        outcome = read_in_sandbox(files)
        assert [(file, found) for file, found in outcome.items() if found.startswith("crash")] == []
        read_ones = [file for file, found in outcome.items() if found.startswith("ok")]
        # These are harmless: what is broken in them is their metadata, or nothing.
        assert sorted(file.name for file in read_ones) == [
            "basn3p01.png",
            "bmp_b_baddens1.bmp",
            "bmp_b_badfilesize.bmp",
            "broken_exif_dpi.jpg",
            "chrome-bepbmhgboaologfdajaanbcjmnhjmhfn-Default.png",
            "exif_typeerror.jpg",
            "invalid-exif.jpg",
            "photoshop-200dpi-broken.jpg",
            "truncated_app14.jpg",
            "truncated_exif_dpi.jpg",
        ]
        for file in read_ones:
            if file.suffix != ".bmp":
                np.testing.assert_array_equal(read(file).data, imagecodecs.imread(file), err_msg=file.name)
        # Two BMPs of one picture; the other decoder reads the first only.
        bmp = imagecodecs.imread(folder / "pillow" / "bmp_b_baddens1.bmp")
        for name in ("bmp_b_baddens1.bmp", "bmp_b_badfilesize.bmp"):
            np.testing.assert_array_equal(read(folder / "pillow" / name).data, bmp[..., 0])
