"""Broken, lying and hostile TIFF files end in an Image that is right, or in one clear line."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile

from klevels.errors import ReadError
from klevels.io import tiff

RNG = np.random.default_rng(7)
NOISY_RAMP = (np.arange(96 * 80).reshape(96, 80) // 97 + RNG.integers(0, 4, (96, 80))).astype(np.uint8)
DISC = np.hypot(*np.mgrid[-48:48, -40:40]) < 33
TIFFFILE_CODES = (None, "zlib", "lzw", "packbits", "zstd", "lzma", "jpeg")
PILLOW_CODES = ("raw", "tiff_adobe_deflate", "tiff_lzw", "packbits", "tiff_ccitt", "group3", "group4", "jpeg")


def write_tifffile(path: Path, code: str | None, **options: Any) -> Path:
    tifffile.imwrite(path, NOISY_RAMP, compression=code, photometric="minisblack", metadata=None, **options)
    return path


def write_pillow(path: Path, code: str) -> Path:
    data = DISC if code in ("tiff_ccitt", "group3", "group4") else NOISY_RAMP
    PIL.Image.fromarray(data).save(path, compression=code)
    return path


WRITERS = [(write_tifffile, code) for code in TIFFFILE_CODES] + [(write_pillow, code) for code in PILLOW_CODES]


def set_tag(path: Path, name: str, value: Any, page: int = 0) -> Path:
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[page].tags[name].overwrite(value)  # type: ignore[union-attr]
    return path


def assert_refused(path: Path, *words: str) -> None:
    for verb in (tiff.read, tiff.describe):
        with pytest.raises(ReadError) as caught:
            verb(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        assert all(word in message for word in words), message


@pytest.mark.parametrize("writer", WRITERS)
def test_no_truncated_file_is_read(tmp_path: Path, writer: tuple[Any, str]) -> None:
    write, code = writer
    path = write(tmp_path / "a.tif", code)
    content = path.read_bytes()
    whole = tiff.read(path).data
    for sixteenth in range(1, 16):
        path.write_bytes(content[: len(content) * sixteenth // 16])
        with pytest.raises(ReadError):
            tiff.read(path)
    path.write_bytes(content[:-1])
    with suppress(ReadError):  # unless the last byte is padding
        np.testing.assert_array_equal(tiff.read(path).data, whole)


@pytest.mark.parametrize("writer", WRITERS)
def test_no_short_strip_is_filled_up(tmp_path: Path, writer: tuple[Any, str]) -> None:
    write, code = writer
    path = write(tmp_path / "a.tif", code)
    with tifffile.TiffFile(path) as tif:
        counts = tif.pages[0].databytecounts
    for sixteenth in range(1, 16):
        short = (*counts[:-1], counts[-1] * sixteenth // 16)
        set_tag(path, "StripByteCounts", short)
        with pytest.raises(ReadError):
            tiff.read(path)


@pytest.mark.parametrize("code", ["tiff_ccitt", "group3", "group4"])
@pytest.mark.parametrize("data", [DISC, ~DISC, RNG.random(DISC.shape) < 0.5], ids=["disc", "hole", "noise"])
def test_no_row_of_a_fax_is_made_up(tmp_path: Path, code: str, data: Any) -> None:
    path = tmp_path / "a.tif"
    PIL.Image.fromarray(data).save(path, compression=code)
    with tifffile.TiffFile(path) as tif:
        (count,) = tif.pages[0].databytecounts
    for n_bytes in range(1, count, 3):
        set_tag(path, "StripByteCounts", (n_bytes,))
        with suppress(ReadError):
            np.testing.assert_array_equal(tiff.read(path).data, data, err_msg=f"{n_bytes} of {count} bytes")


@pytest.mark.parametrize("code", TIFFFILE_CODES)
def test_damaged_bytes_never_change_the_shape(tmp_path: Path, code: str | None) -> None:
    path = write_tifffile(tmp_path / "a.tif", code, rowsperstrip=16)
    content = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(content)
        for position in RNG.integers(0, len(content), 3):
            damaged[position] = RNG.integers(256)
        path.write_bytes(damaged)
        with suppress(ReadError):
            assert tiff.read(path).data.size > 0


def test_a_truncated_volume_is_not_a_shorter_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(4):
            writer.write(NOISY_RAMP, metadata=None, contiguous=False)
    content = path.read_bytes()
    for sixteenth in range(1, 16):
        path.write_bytes(content[: len(content) * sixteenth // 16])
        assert_refused(path)


@pytest.mark.parametrize("code", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize(("tag", "value"), [("ImageWidth", 81), ("ImageLength", 97), ("ImageWidth", 60000)])
def test_lying_sizes(tmp_path: Path, code: str | None, tag: str, value: int) -> None:
    path = set_tag(write_tifffile(tmp_path / "a.tif", code), tag, value)
    with pytest.raises(ReadError):
        tiff.read(path)


@pytest.mark.parametrize(
    ("tag", "value", "word"),
    [
        ("ImageWidth", 0, "ImageWidth is 0"),
        ("ImageLength", 0, "ImageLength is 0"),
        ("ImageWidth", 2**31 - 1, "is too short"),
        ("RowsPerStrip", 0, "RowsPerStrip is 0"),
        ("SamplesPerPixel", 0, "SamplesPerPixel is 0"),
        ("SamplesPerPixel", 60000, "is too short"),
        ("BitsPerSample", 77, "77 bits"),
        ("StripOffsets", 0, "is missing"),
        ("StripByteCounts", 0, "is missing"),
        ("StripOffsets", 2**31, "beyond the end"),
        ("StripByteCounts", 2**31, "beyond the end"),
        ("Compression", 34712, "compression is JPEG2000"),
        ("PhotometricInterpretation", 8, "CIELAB"),
        ("PhotometricInterpretation", 4, "MASK"),
    ],
)
def test_impossible_tags(tmp_path: Path, tag: str, value: int, word: str) -> None:
    path = write_tifffile(tmp_path / "a.tif", None)
    set_tag(path, tag, (value,) if tag.startswith("Strip") else value)
    assert_refused(path, word)


def test_a_bomb_of_dimensions(tmp_path: Path) -> None:
    path = write_tifffile(tmp_path / "a.tif", "zlib")
    for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
        set_tag(path, name, 2**30)
    assert_refused(path, "at most")


def test_a_bomb_of_deflate(tmp_path: Path) -> None:
    import zlib

    # 2 GB of zeros, in strips of 8 MB that share nothing: each possible, all together no image.
    strip = zlib.compress(bytes(8 << 20), 9)
    path = tmp_path / "a.tif"
    path.write_bytes(_tiff_of_strips(width=8192, rows_a_strip=1024, strips=[strip] * 256))
    assert_refused(path, "decompression bomb", "2147483648")


def test_strips_that_share_their_bytes(tmp_path: Path) -> None:
    path = write_tifffile(tmp_path / "a.tif", None, rowsperstrip=8)
    with tifffile.TiffFile(path) as tif:
        first = tif.pages[0].dataoffsets[0]
    set_tag(path, "StripOffsets", (first,) * 12)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 80 * 16])
    assert_refused(path, "overlap")


def test_a_missing_tile_is_not_zeros(tmp_path: Path) -> None:
    path = write_tifffile(tmp_path / "a.tif", "zlib", tile=(32, 32))
    with tifffile.TiffFile(path) as tif:
        offsets, counts = tif.pages[0].dataoffsets, tif.pages[0].databytecounts
    set_tag(path, "TileOffsets", (*offsets[:-1], 0))
    assert_refused(path, "is missing")
    set_tag(path, "TileOffsets", offsets)
    set_tag(path, "TileByteCounts", (*counts[:-1], 0))
    assert_refused(path, "is missing")


@pytest.mark.parametrize("n_pages", [1, 3, 150])
def test_a_chain_of_pages_in_a_circle(tmp_path: Path, n_pages: int) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(n_pages):
            writer.write(NOISY_RAMP[:4, :4], metadata=None, contiguous=False)
    content = bytearray(path.read_bytes())
    offset = struct.unpack_from("<I", content, 4)[0]
    first = offset
    while offset:
        link = offset + 2 + 12 * struct.unpack_from("<H", content, offset)[0]
        offset = struct.unpack_from("<I", content, link)[0]
    struct.pack_into("<I", content, link, first)
    path.write_bytes(content)
    assert_refused(path, "circle")


def test_a_jpeg_larger_than_its_strip(tmp_path: Path) -> None:
    import imagecodecs

    small = imagecodecs.jpeg_encode(NOISY_RAMP)
    assert isinstance(small, bytes)
    position = small.index(b"\xff\xc0") + 5
    huge = small[:position] + struct.pack(">HH", 65000, 65000) + small[position + 4 :]
    (tmp_path / "a.tif").write_bytes(_tiff_of_strips(width=80, rows_a_strip=96, strips=[huge], compression=7))
    with pytest.raises(ReadError, match="65000x65000x1"):
        tiff.read(tmp_path / "a.tif")


@pytest.mark.parametrize("entity", ['<!ENTITY a "aaaaaaaaaa">', ""])
def test_ome_xml_with_entities(tmp_path: Path, entity: str) -> None:
    path = tmp_path / "a.tif"
    text = f'<?xml version="1.0"?><!DOCTYPE OME [{entity}]><OME>&a;</OME>'
    tifffile.imwrite(path, NOISY_RAMP, description=text, metadata=None)
    assert_refused(path, "entities")


@pytest.mark.parametrize(
    "text",
    [
        "<?xml version='1.0'?><OME><broken</OME>",
        "<?xml version='1.0'?><OME/>",
        "ImageJ=1.53t\nimages=x\n",
        "ImageJ=1.53t\nimages=1000000000\nslices=1000000000\n",
        "ImageJ=1.53t\nimages=-3\nslices=-3\n",
        '{"shape": [1000000000, 96, 80]}',
        '{"shape": []}',
        '{"shape": "many"}',
        '{"shape": ' + "[" * 100_000,
        '{"shape": [0, 96, 80]}',
    ],
)
def test_lying_descriptions(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISY_RAMP, description=text, metadata=None)
    with suppress(ReadError):
        assert tiff.read(path).shape == NOISY_RAMP.shape


@pytest.mark.parametrize("note", ["{", '{"axes": 5}', '{"axes": "zyx", "spacing": [1, 2], "unit": null}'])
def test_lying_software_tags(tmp_path: Path, note: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", NOISY_RAMP, software=f"klevels {note}", metadata=None)
    with pytest.raises(ReadError):
        tiff.read(tmp_path / "a.tif")


def test_the_log_of_tifffile_stays_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = set_tag(write_tifffile(tmp_path / "a.tif", None), "StripOffsets", (2**31,))
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", len(content) - 1)
    for data in (bytes(content), path.read_bytes()):
        path.write_bytes(data)
        assert_refused(path)
    assert not caplog.records


def test_malformed_files(shared_data: Path, read_in_sandbox: Callable[..., dict[Path, str]]) -> None:
    paths = [path for path in sorted((shared_data / "malformed").rglob("*")) if path.is_file() and _is_tiff(path)]
    outcomes = read_in_sandbox(paths)
    assert len(outcomes) > 70
    for path, outcome in outcomes.items():
        assert outcome.startswith(("ok", "ReadError: ")), f"{path}: {outcome}"
    survivors = [path for path, outcome in outcomes.items() if outcome.startswith("ok")]
    is_old = int(PIL.__version__.split(".")[0]) < 13  # those wheels of Pillow decode neither of the two
    for path in survivors:
        if is_old:
            assert path.name in ("hopper_lzma.tif", "crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif")
            continue
        with PIL.Image.open(path) as picture:
            np.testing.assert_array_equal(tiff.read(path).data, np.asarray(picture), err_msg=path.name)


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(132)
    return tiff.sniff(head) and head[128:] != b"DICM"  # a DICOM file may look like a TIFF at first


def _tiff_of_strips(*, width: int, rows_a_strip: int, strips: list[bytes], compression: int = 8) -> bytes:
    """Put a gray 8-bit TIFF together by hand."""
    n_tags, table = 9, 8 + 2 + 9 * 12 + 4
    data_at = table + 8 * len(strips)
    offsets = np.cumsum([data_at] + [len(strip) for strip in strips[:-1]])
    counts = [len(strip) for strip in strips]
    single = len(strips) == 1
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, rows_a_strip * len(strips)),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, len(strips), int(offsets[0]) if single else table),
        (277, 3, 1, 1),
        (278, 4, 1, rows_a_strip),
        (279, 4, len(strips), counts[0] if single else table + 4 * len(strips)),
    ]
    header = b"II*\0" + struct.pack("<IH", 8, n_tags) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    lists = struct.pack(f"<{len(strips)}I", *offsets) + struct.pack(f"<{len(strips)}I", *counts)
    return header + bytes(4) + lists + b"".join(strips)
