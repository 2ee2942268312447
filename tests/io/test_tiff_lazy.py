"""What is opened is what is read, window by window; what is missing or damaged is an error that names it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile

from klevels.errors import InputMissingError, ReadError
from klevels.image import Image
from klevels.io import describe, read, tiff, tiff_lazy
from klevels.lazy import MappedArray, PickedArray
from klevels.testing import check_reader

RNG = np.random.default_rng(20261204)
CODES = (None, "zlib", "lzw", "packbits", "zstd", "lzma", "jpeg")
LAYOUTS: tuple[dict[str, Any], ...] = ({}, {"rowsperstrip": 7}, {"tile": (16, 32)}, {"bigtiff": True})


def windows(shape: tuple[int, ...], n: int = 8) -> list[tuple[slice, ...]]:
    """The whole, single corners, and windows at random."""
    found = [
        tuple(slice(0, n) for n in shape),
        tuple(slice(0, 1) for _ in shape),
        tuple(slice(n - 1, n) for n in shape),
    ]
    for _ in range(n):
        ends = [np.sort(RNG.choice(n + 1, 2, replace=False)) for n in shape]
        found.append(tuple(slice(int(low), int(high)) for low, high in ends))
    return found


def assert_same(lazy: Image, whole: Image, name: str = "") -> None:
    """Prove that an image over a file is the one in memory."""
    assert (lazy.axes, lazy.shape, lazy.dtype) == (whole.axes, whole.shape, whole.dtype), name
    assert (lazy.spacing, lazy.unit, dict(lazy.meta)) == (whole.spacing, whole.unit, dict(whole.meta)), name
    if not lazy.is_lazy:
        np.testing.assert_array_equal(lazy.data, whole.data, err_msg=name)
        return
    assert len(lazy.data.chunks) == whole.ndim
    assert all(1 <= c <= n for c, n in zip(lazy.data.chunks, whole.shape, strict=True)), name
    for one in (lazy.data, pickle.loads(pickle.dumps(lazy.data))):
        for window in windows(whole.shape):
            part = one.read(window)
            assert part.dtype.newbyteorder("=") == whole.dtype, name
            np.testing.assert_array_equal(part, whole.data[window], err_msg=f"{name} {window}")


def read_or_message(verb: Callable[[Path], Image], path: Path) -> Image | str:
    """The image, or what is said of a file that is refused."""
    try:
        return verb(path)
    except ReadError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def save(path: Path, data: Any, **options: Any) -> Path:
    tifffile.imwrite(path, data, photometric="minisblack", **options)
    return path


def strip_table(path: Path, *, tiled: bool = False) -> tuple[list[int], list[int]]:
    with tifffile.TiffFile(path) as tif:
        tags = tif.pages.first.tags
        names = ("TileOffsets", "TileByteCounts") if tiled else ("StripOffsets", "StripByteCounts")
        return [list(np.atleast_1d(tags[name].value)) for name in names]  # type: ignore[return-value]


def set_tag(path: Path, name: str, value: Any, page: int = 0) -> None:
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[page].tags[name].overwrite(value)  # type: ignore[union-attr]


def test_every_format(shared_data: Path) -> None:
    n_lazy = 0
    for path in sorted((shared_data / "formats").rglob("*.tif*")):
        whole, lazy = read_or_message(tiff.read, path), read_or_message(tiff.open, path)
        if isinstance(whole, str) or isinstance(lazy, str):
            assert whole == lazy
            continue
        n_lazy += lazy.is_lazy
        assert_same(lazy, whole, path.name)
    assert n_lazy > 60


def test_scans(shared_data: Path) -> None:
    for path in [*shared_data.glob("microct/*.tif"), *shared_data.glob("truth/*.tif")]:
        lazy = tiff.open(path)
        assert lazy.is_lazy
        assert_same(lazy, tiff.read(path), path.name)


def test_malformed_files(shared_data: Path) -> None:
    for path in sorted(path for path in (shared_data / "malformed").rglob("*") if path.is_file()):
        if not tiff.sniff(path.read_bytes()[:4]):
            continue
        whole, lazy = read_or_message(tiff.read, path), read_or_message(tiff.open, path)
        if isinstance(whole, str):
            lazy = lazy if isinstance(lazy, str) else read_or_message(lambda _, lazy=lazy: lazy.loaded(), path)
            assert isinstance(lazy, str), path
            continue
        assert isinstance(lazy, Image)
        assert_same(lazy, whole, path.name)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_codes_orders_and_layouts(tmp_path: Path, code: str | None, byteorder: str, layout: dict[str, Any]) -> None:
    kinds = (("uint8", 1),) if code == "jpeg" else (("uint8", 2), ("uint16", 2), ("int32", 1), ("float32", 3))
    for dtype, predictor in kinds:
        data = (RNG.random((3, 40, 50)) * 200).astype(dtype)
        options: dict[str, Any] = {"predictor": predictor} if code and code != "jpeg" else {}
        path = save(tmp_path / "a.tif", data, compression=code, byteorder=byteorder, **options, **layout)
        lazy = tiff.open(path)
        assert lazy.is_lazy
        assert_same(lazy, tiff.read(path))
        assert describe(path)["chunks"] == lazy.data.chunks


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("n_pages", [1, 3])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}, {"compression": "lzw"}])
def test_colors(tmp_path: Path, planar: Any, n_pages: int, options: dict[str, Any]) -> None:
    data = RNG.integers(0, 65536, (n_pages, 40, 50, 3), np.uint16)
    stored = data if planar == "contig" else np.moveaxis(data, -1, 1)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, **options)
    lazy = tiff.open(tmp_path / "a.tif")
    assert lazy.is_lazy
    assert_same(lazy, tiff.read(tmp_path / "a.tif"))
    assert np.array_equal(np.asarray(lazy.data), data if n_pages > 1 else data[0])


@pytest.mark.parametrize("photometric", ["palette", "gray palette", "miniswhite"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_palettes_and_min_is_white(tmp_path: Path, photometric: str, compression: str | None) -> None:
    options: dict[str, Any] = {"photometric": photometric.split()[-1]}
    if "palette" in photometric:
        colors = RNG.integers(0, 256, (1 if "gray" in photometric else 3, 256)) * 257
        options["colormap"] = np.broadcast_to(colors, (3, 256)).astype(np.uint16)
    data = RNG.integers(0, 256, (2, 30, 40), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression, **options)
    lazy = tiff.open(tmp_path / "a.tif")
    assert lazy.is_lazy
    assert lazy.axes == ("zyxc" if photometric == "palette" else "zyx")
    assert_same(lazy, tiff.read(tmp_path / "a.tif"))


@pytest.mark.parametrize("opaque", ["everywhere", "but one pixel", "nowhere"])
@pytest.mark.parametrize("n_colors", [1, 3])
@pytest.mark.parametrize("small_bytes", [0, 1 << 28])
def test_alpha(tmp_path: Path, opaque: str, n_colors: int, small_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "SMALL_BYTES", small_bytes)
    data = RNG.integers(0, 256, (2, 40, 50, n_colors + 1), np.uint8)
    if opaque != "nowhere":
        data[..., -1] = 255
    if opaque == "but one pixel":
        data[1, 39, 49, -1] = 7
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        photometric="rgb" if n_colors == 3 else "minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
        tile=(16, 16),
        compression="zlib",
    )
    lazy = tiff.open(tmp_path / "a.tif")
    assert lazy.is_lazy == (small_bytes == 0)
    assert_same(lazy, tiff.read(tmp_path / "a.tif"))
    assert lazy.meta.get("alpha", False) == (opaque != "everywhere")


@pytest.mark.parametrize("is_filling", [True, False])
def test_unspecified_samples_of_large_images(tmp_path: Path, is_filling: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "SMALL_BYTES", 0)
    data = RNG.integers(0, 256, (60, 50, 4), np.uint8)
    data[..., 3] = 9
    data[59, 49, 3] = 9 if is_filling else 8
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, photometric="rgb", extrasamples=["unspecified"], compression="zlib", rowsperstrip=7)
    if is_filling:
        assert_same(tiff.open(path), tiff.read(path))
    else:
        with pytest.raises(ReadError, match="unspecified kind"):
            tiff.open(path)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_images_are_read(tmp_path: Path, orientation: int) -> None:
    data = RNG.integers(0, 256, (5, 7), np.uint8)
    save(tmp_path / "a.tif", data, extratags=[(274, 3, 1, orientation, True)], metadata=None)
    image = tiff.open(tmp_path / "a.tif")
    assert not image.is_lazy
    assert_same(image, tiff.read(tmp_path / "a.tif"))
    assert describe(tmp_path / "a.tif")["chunks"] == image.shape


def test_pages_in_a_row_are_mapped(tmp_path: Path) -> None:
    data = RNG.integers(0, 65536, (5, 30, 40), np.uint16)
    lazy = tiff.open(save(tmp_path / "a.tif", data, byteorder=">"))
    assert isinstance(lazy.data, PickedArray)
    assert isinstance(lazy.data._source, MappedArray)
    assert_same(lazy, Image(data, "zyx", meta=lazy.meta))


def test_pages_with_their_lists_between_them(tmp_path: Path) -> None:
    data = RNG.integers(0, 65536, (5, 30, 40), np.uint16)
    pages = [PIL.Image.fromarray(page) for page in data]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], description="longer than the others")
    lazy = tiff.open(tmp_path / "a.tif")
    assert isinstance(lazy.data, PickedArray)
    assert isinstance(lazy.data._source, tiff_lazy.PlainArray)
    assert_same(lazy, Image(data, "zyx", meta=lazy.meta))


def test_a_stack_behind_one_page(tmp_path: Path) -> None:
    data = RNG.integers(0, 65536, (7, 30, 40), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, truncate=True, metadata={"axes": "ZYX"})
    lazy = tiff.open(tmp_path / "a.tif")
    assert lazy.is_lazy
    assert_same(lazy, tiff.read(tmp_path / "a.tif"))
    assert np.array_equal(np.asarray(lazy.data), data)


def test_a_stack_of_more_than_4_gb(tmp_path: Path) -> None:
    """Sparse, so that it takes no room: one page, and 4.5 GB behind it."""
    path = tmp_path / "a.tif"
    shape = (1200, 1024, 2048)
    plane = RNG.integers(0, 65536, shape[1:], np.uint16)
    tifffile.imwrite(path, plane, imagej=True, metadata={"axes": "YX"}, description=None)
    with tifffile.TiffFile(path) as tif:
        start = tif.pages.first.dataoffsets[0]
    text = f"ImageJ=1.11a\nimages={shape[0]}\nslices={shape[0]}\n"
    set_tag(path, "ImageDescription", text)
    with path.open("r+b") as file:
        end = start + 2 * shape[0] * plane.size
        file.truncate(max(end, path.stat().st_size))
        file.seek(end - plane.nbytes)
        file.write(plane.tobytes())
    lazy = tiff.open(path)
    assert lazy.shape == shape
    assert np.array_equal(lazy.data[-1], plane)
    assert np.array_equal(lazy.data[0, 1], plane[1])
    assert not lazy.data[600, 500:502].any()


def test_only_what_a_window_touches_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = RNG.integers(0, 256, (4, 64, 96), np.uint8)
    lazy = tiff.open(save(tmp_path / "a.tif", data, compression="zlib", tile=(16, 32)))
    seen = []

    def spy(pages: Any, number: int, segment: int, file: Any) -> bytes:
        seen.append((number, segment))
        return read_segment(pages, number, segment, file)

    read_segment = tiff_lazy.read_segment
    monkeypatch.setattr(tiff_lazy, "read_segment", spy)
    assert np.array_equal(lazy.data[2, 15:17, 33:40], data[2, 15:17, 33:40])
    assert seen == [(2, 1), (2, 4)]
    assert lazy.data.chunks == (1, 16, 32)


def test_the_list_of_pages_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = RNG.integers(0, 256, (6, 30, 40), np.uint8)
    lazy = tiff.open(save(tmp_path / "a.tif", data, compression="zlib"))
    again = pickle.loads(pickle.dumps(lazy.data))
    lazy.data[0]
    monkeypatch.setattr(tifffile.TiffPage, "__init__", None)
    for i in range(6):
        assert np.array_equal(lazy.data[i], data[i])
        assert np.array_equal(again[i], data[i])


def test_several_threads(tmp_path: Path) -> None:
    data = RNG.integers(0, 4096, (16, 64, 64), np.uint16)
    lazy = tiff.open(save(tmp_path / "a.tif", data, compression="zstd", predictor=2, rowsperstrip=5))
    tiff_lazy._first_page.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda i: lazy.data[i % 16, i % 7 :], range(200)))
    assert all(np.array_equal(part, data[i % 16, i % 7 :]) for i, part in enumerate(parts))


@pytest.mark.parametrize(
    ("shape", "options", "chunks"),
    [
        ((3000, 1000), {}, (1024, 1000)),
        ((3000, 1000), {"rowsperstrip": 3, "compression": "zlib"}, (768, 1000)),
        ((3000, 1000), {"rowsperstrip": 3000, "compression": "zlib"}, (3000, 1000)),
        ((3, 100, 200), {"compression": "zlib", "rowsperstrip": 1}, (1, 100, 200)),
        ((3, 100, 200), {"compression": "zlib", "tile": (128, 64)}, (1, 100, 64)),
    ],
)
def test_chunks(tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any], chunks: tuple[int, ...]) -> None:
    lazy = tiff.open(save(tmp_path / "a.tif", np.zeros(shape, np.uint8), metadata=None, **options))
    assert lazy.data.chunks == chunks


def test_stored_bytes(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.zeros((4, 50, 60), np.uint8), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        assert tiff.open(path).data.stored_bytes == sum(sum(page.databytecounts) for page in tif.pages)


@pytest.mark.parametrize("what", ["TileOffsets", "TileByteCounts"])
@pytest.mark.parametrize("missing", [None, 0, 77])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_missing_tiles(tmp_path: Path, what: str, missing: int | None, compression: str | None) -> None:
    data = RNG.integers(1, 256, (64, 96), np.uint8)
    path = save(tmp_path / "a.tif", data, compression=compression, tile=(32, 32))
    values = strip_table(path, tiled=True)[what == "TileByteCounts"]
    set_tag(path, what, (*values[:4], 0, *values[5:]))
    if missing is None:
        for verb in (tiff.open, tiff.read, tiff.describe):
            with pytest.raises(ReadError, match=r"strip or tile 5 of page 1 is missing") as caught:
                verb(path)
            assert str(caught.value).startswith(f"{path}: ")
        return
    expected = data.copy()
    expected[32:64, 32:64] = missing
    whole = tiff.read(path, missing)
    assert np.array_equal(whole.data, expected)
    assert_same(tiff.open(path, missing), whole)
    assert np.array_equal(read(path, missing=missing).data, expected)
    assert describe(path, missing=missing)["shape"] == (64, 96)


def test_a_missing_strip_of_a_plain_image(tmp_path: Path) -> None:
    data = RNG.integers(1, 65536, (2, 64, 96), np.uint16)
    path = save(tmp_path / "a.tif", data, rowsperstrip=16)
    set_tag(path, "StripByteCounts", (96 * 32, 0, 96 * 32, 96 * 32), page=1)
    with pytest.raises(ReadError, match="strip or tile 2 of page 2 is missing"):
        tiff.open(path)
    data[1, 16:32] = 5
    assert_same(tiff.open(path, 5), tiff.read(path, 5))
    assert np.array_equal(np.asarray(tiff.open(path, 5).data), data)


def test_an_image_of_nothing_but_missing_tiles(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.ones((64, 64), np.float32), tile=(32, 32), compression="zlib")
    set_tag(path, "TileOffsets", (0, 0, 0, 0))
    assert np.isnan(np.asarray(tiff.open(path, float("nan")).data)).all()


def test_missing_colors_and_min_is_white(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.full((64, 64), 9, np.uint8), photometric="miniswhite", tile=(32, 32), compression="zlib")
    set_tag(path, "TileOffsets", (*strip_table(path, tiled=True)[0][:3], 0))
    lazy = tiff.open(path, 3)
    assert lazy.data[63, 63] == 3
    assert lazy.data[0, 0] == 246
    assert_same(lazy, tiff.read(path, 3))
    tifffile.imwrite(path, np.full((64, 64, 3), 9, np.uint8), photometric="rgb", tile=(32, 32), compression="zlib")
    set_tag(path, "TileOffsets", (*strip_table(path, tiled=True)[0][:3], 0))
    assert tiff.open(path, 3).data[63, 63].tolist() == [3, 3, 3]
    colormap = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), photometric="palette", colormap=colormap, tile=(32, 32))
    set_tag(path, "TileOffsets", (*strip_table(path, tiled=True)[0][:3], 0))
    with pytest.raises(ReadError, match="has a palette"):
        tiff.open(path, 3)


@pytest.mark.parametrize(
    ("dtype", "missing"),
    [("uint8", 256), ("uint8", -1), ("uint8", 0.5), ("int16", 40000), ("uint16", float("nan")), ("float16", 1e6)],
)
def test_values_that_missing_tiles_cannot_have(tmp_path: Path, dtype: str, missing: float) -> None:
    path = save(tmp_path / "a.tif", np.ones((64, 64), dtype), tile=(32, 32), compression="zlib")
    tiff.open(path, missing)  # nothing is missing
    set_tag(path, "TileOffsets", (*strip_table(path, tiled=True)[0][:3], 0))
    with pytest.raises(ReadError, match="strips or tiles are missing, and are to be"):
        tiff.open(path, missing)


def test_a_damaged_tile_is_found_when_it_is_read(tmp_path: Path) -> None:
    data = RNG.integers(0, 256, (3, 64, 64), np.uint8)
    path = save(tmp_path / "a.tif", data, tile=(32, 32), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset, count = tif.pages[1].dataoffsets[2], tif.pages[1].databytecounts[2]
    content = bytearray(path.read_bytes())
    content[offset + 40 : offset + count - 40] = bytes(count - 80)
    path.write_bytes(content)
    lazy = tiff.open(path)
    assert np.array_equal(lazy.data[1, :32], data[1, :32])
    with pytest.raises(ReadError, match=r"strip or tile 3 of page 2 is damaged") as caught:
        lazy.data[1]
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
@pytest.mark.parametrize("writer", ["tifffile", "pillow"])
def test_files_that_change_or_go(tmp_path: Path, options: dict[str, Any], writer: str) -> None:
    path = tmp_path / "a.tif"
    data = RNG.integers(0, 256, (3, 64, 64), np.uint8)
    if writer == "pillow":
        pages = [PIL.Image.fromarray(page) for page in data]
        code = "tiff_adobe_deflate" if options else "raw"
        pages[0].save(path, save_all=True, append_images=pages[1:], compression=code)
    else:
        save(path, data, **options)
    lazy = tiff.open(path)
    assert np.array_equal(np.asarray(lazy.data), data)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ReadError, match="open it again") as caught:
        lazy.data[2]
    assert str(caught.value).startswith(f"{path}: ")
    path.unlink()
    with pytest.raises(InputMissingError, match="no longer there") as gone:
        lazy.data[2]
    assert str(gone.value).startswith(f"{path}: ")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_truncated_files(tmp_path: Path, options: dict[str, Any]) -> None:
    path = save(tmp_path / "a.tif", RNG.integers(0, 256, (3, 64, 64), np.uint8), **options)
    content = path.read_bytes()
    for n_bytes in range(16, len(content), 997):
        path.write_bytes(content[:n_bytes])
        with pytest.raises(ReadError):
            tiff.open(path)


def test_pages_of_another_shape(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for shape in ((4, 5), (4, 5), (4, 6)):
            tif.write(np.zeros(shape, np.uint8), compression="zlib", metadata=None)
    with pytest.raises(ReadError, match="page 3"):
        tiff.open(tmp_path / "a.tif")


def test_no_part_of_a_fax_is_made_up(tmp_path: Path) -> None:
    data = np.hypot(*np.mgrid[-48:48, -40:40]) < 33
    for code in ("tiff_ccitt", "group3", "group4"):
        PIL.Image.fromarray(data).save(tmp_path / "a.tif", compression=code)
        assert_same(tiff.open(tmp_path / "a.tif"), tiff.read(tmp_path / "a.tif"), code)


def test_jpeg_tables_are_kept_once(tmp_path: Path) -> None:
    data = RNG.integers(0, 256, (20, 32, 32), np.uint8)
    path = save(tmp_path / "a.tif", data, compression="jpeg")
    lazy = tiff.open(path)
    assert_same(lazy, tiff.read(path))
    assert len(pickle.dumps(lazy.data)) < 4000


def test_thumbnails_before_the_image(tmp_path: Path) -> None:
    """The page that tells how to decode is not the first of the file."""
    data = RNG.integers(0, 256, (64, 64), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(data[::4, ::4], subfiletype=1, metadata=None)
        tif.write(data, compression="zlib", tile=(16, 16), metadata=None)
    lazy = tiff.open(tmp_path / "a.tif")
    assert np.array_equal(np.asarray(lazy.data), data)
    assert_same(lazy, tiff.read(tmp_path / "a.tif"))


def test_bits_and_predictors(tmp_path: Path, shared_data: Path) -> None:
    path = shared_data / "formats/image-tiff/seq/seq-1c-12b-hpredict-47c39b31.tiff"
    (tmp_path / "a.tif").write_bytes(path.read_bytes())
    assert_same(tiff.open(tmp_path / "a.tif"), tiff.read(path))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.zeros((64, 64), np.uint8), compression="zlib", metadata=None)
    for tag in ("ImageWidth", "ImageLength"):
        set_tag(path, tag, 1 << 16)
    set_tag(path, "RowsPerStrip", 1 << 16)
    with pytest.raises(ReadError):
        tiff.open(path)


@pytest.mark.parametrize(
    "options", [{}, {"byteorder": ">", "rowsperstrip": 3}, {"compression": "zlib", "tile": (16, 32)}, {"bigtiff": True}]
)
def test_the_reader_keeps_its_promises(tmp_path: Path, options: dict[str, Any]) -> None:
    data = RNG.integers(0, 65536, (3, 20, 50), np.uint16)
    check_reader(tiff.READER, save(tmp_path / "a.tif", data, **options), expected=data)
