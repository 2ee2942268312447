"""Outputs that are filled in parts are, to the byte, those that are written at once; a broken run can be resumed."""

from __future__ import annotations

import errno
import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from klevels.errors import OutputExistsError, ParameterError, WriteError
from klevels.image import Image
from klevels.io import tiff_write
from klevels.io.raw_sink import FlatSink, layout_of
from klevels.io.sinks import SINK_SUFFIXES, Sink, create, open_sink, shards_for, write_whole
from klevels.io.windows import grid_windows
from klevels.lazy import LazyArray, Window

RNG = np.random.default_rng(20261124)
DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64")
SHAPES = (
    ("yx", (7, 9)),
    ("yx", (1, 1)),
    ("zyx", (5, 7, 9)),
    ("zyx", (1, 7, 9)),
    ("zyx", (4, 1, 16)),
    ("yxc", (7, 9, 3)),
    ("yxc", (7, 9, 4)),
    ("yxc", (6, 5, 2)),
    ("zyxc", (3, 7, 9, 3)),
    ("zyxc", (2, 3, 4, 5)),
)
FLAT = (".tif", ".raw", ".nrrd")


class Shape(LazyArray):
    """An array that nobody may read."""

    def read(self, window: Window) -> NDArray[Any]:
        raise AssertionError(f"{window} was read")


def unread(image: Image) -> Image:
    return Image(Shape(image.shape, image.dtype), image.axes, image.spacing, image.unit, image.meta)


def random_image(dtype: str, axes: str, shape: tuple[int, ...], spacing: float | None = None) -> Image:
    n_spatial = len(axes.replace("c", ""))
    sizes = None if spacing is None else tuple(spacing * (i + 1) for i in range(n_spatial))
    data = RNG.integers(0, 100, shape).astype(dtype)
    return Image(data, axes, sizes, None if spacing is None else "µm")


def fill(sink: Sink, image: Image, steps: tuple[int, ...]) -> None:
    windows = list(grid_windows(image.shape, steps))
    for at in RNG.permutation(len(windows)):
        sink.write(windows[at], image.data[windows[at]])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spacing", [None, 0.25])
def test_tiff_has_the_bytes_of_one_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, spacing: float | None
) -> None:
    for number, ((axes, shape), most) in enumerate(product(SHAPES, (tiff_write.ALL_PAGES_BYTES, 100))):
        monkeypatch.setattr(tiff_write, "ALL_PAGES_BYTES", most)  # as if it were larger than ImageJ's pages allow
        image = random_image(dtype, axes, shape, spacing)
        part = tmp_path / f"{number}.part"
        sink = create(tmp_path / "a.tif", unread(image), part)
        fill(sink, image, sink.shards)
        sink.finish()
        tiff_write.write(tmp_path / "whole.tif", image)
        assert sha256(part) == sha256(tmp_path / "whole.tif"), (axes, shape, most)
        if most > 100:
            np.testing.assert_array_equal(np.squeeze(tifffile.imread(part)), np.squeeze(image.data))


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiff_written_at_once_is_that_of_tifffile(tmp_path: Path, dtype: str) -> None:
    for axes, shape in SHAPES:
        image = random_image(dtype, axes, shape)
        tiff_write.write(tmp_path / "ours.tif", image)
        with tifffile.TiffFile(tmp_path / "ours.tif") as tif:
            np.testing.assert_array_equal(np.squeeze(tif.asarray()), np.squeeze(image.data))
            assert tif.pages.first.dtype == dtype


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_raw_is_the_values_and_nothing_else(tmp_path: Path, dtype: str) -> None:
    for number, (axes, shape) in enumerate(SHAPES):
        image = random_image(dtype, axes, shape, 0.5)
        part = tmp_path / str(number)
        write_whole(create(tmp_path / "a.raw", unread(image), part), image)
        layout = layout_of(image)
        values = np.fromfile(part, np.dtype(str(layout["dtype"])).newbyteorder("<"))
        np.testing.assert_array_equal(values.reshape(shape), image.data)
        assert layout == {
            "shape": list(shape),
            "dtype": dtype,
            "byte_order": "little",
            "offset": 0,
            "spacing": list(image.spacing or ()),
            "unit": "µm",
        }


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != "float16"])
def test_nrrd_against_independent_readers(tmp_path: Path, dtype: str) -> None:
    nrrd = pytest.importorskip("nrrd")
    for axes, shape in SHAPES:
        image = random_image(dtype, axes, shape, 0.25)
        part = tmp_path / f"{'x'.join(map(str, shape))}.nrrd"
        write_whole(create(part, unread(image), part), image)
        values, header = nrrd.read(str(part), index_order="C")
        np.testing.assert_array_equal(values, image.data)
        assert values.dtype == image.dtype
        n_channels = int(axes.endswith("c"))
        np.testing.assert_array_equal(header["spacings"][n_channels:], image.spacing[::-1] if image.spacing else ())
        assert header["units"] == [""] * n_channels + ["um"] * (len(axes) - n_channels)
        if image.spacing and 1 not in shape:
            _assert_like_itk(part, image)


def _assert_like_itk(path: Path, image: Image) -> None:
    itk = pytest.importorskip("SimpleITK")
    read = itk.ReadImage(str(path))
    np.testing.assert_array_equal(itk.GetArrayFromImage(read), image.data)
    assert read.GetSpacing() == (image.spacing or ())[::-1]


def test_nrrd_of_unknown_spacing_states_none(tmp_path: Path) -> None:
    part = tmp_path / "a.nrrd"
    create(part, random_image("uint8", "zyx", (2, 3, 4)), part)
    assert b"spacing" not in part.read_bytes()


@pytest.mark.parametrize("suffix", FLAT)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_windows_in_any_order(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    image = random_image("int16", "zyx", (5, 8, 6))
    steps = tuple(data.draw(st.integers(1, n)) for n in image.shape[:-1])
    part, whole = tmp_path / f"part{suffix}", tmp_path / f"whole{suffix}"
    part.unlink(missing_ok=True)
    whole.unlink(missing_ok=True)
    sink = create(part, unread(image), part)
    fill(sink, image, (*steps, image.shape[-1]))
    write_whole(create(whole, unread(image), whole), image)
    assert part.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("suffix", SINK_SUFFIXES)
def test_threads_and_pickled_sinks(tmp_path: Path, suffix: str) -> None:
    image = random_image("uint16", "zyx", (9, 40, 30))
    part = tmp_path / f"a{suffix}"
    assert shards_for(part, unread(image)) == create(tmp_path / f"c{suffix}", image, tmp_path / f"c{suffix}").shards
    dumped = pickle.dumps(create(part, unread(image), part))
    assert len(dumped) < 4000
    windows = list(grid_windows(image.shape, pickle.loads(dumped).shards))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda window: pickle.loads(dumped).write(window, image.data[window]), windows))
    pickle.loads(dumped).finish()
    pickle.loads(dumped).finish()
    other = tmp_path / f"b{suffix}"
    write_whole(create(other, image, other), image)
    assert contents(part) == contents(other)


@pytest.mark.parametrize("suffix", SINK_SUFFIXES)
def test_resuming_keeps_what_is_written(tmp_path: Path, suffix: str) -> None:
    image = random_image("uint8", "zyx", (4, 5, 6))
    part = tmp_path / f"a{suffix}"
    create(part, unread(image), part).write(tuple(slice(0, n) for n in image.shape), image.data)
    before = contents(part)
    open_sink(part, unread(image), part)
    assert contents(part) == before


@pytest.mark.parametrize("suffix", SINK_SUFFIXES)
def test_resuming_something_else_is_refused(tmp_path: Path, suffix: str) -> None:
    image, part = random_image("uint8", "zyx", (4, 5, 6)), tmp_path / f"a{suffix}"
    with pytest.raises(WriteError, match=r"^.*a\..*: there is no unfinished output .* start again"):
        open_sink(part, image, part)
    create(part, image, part)
    with pytest.raises(WriteError, match=r"^.*a\..*: the unfinished output .* is not of this image; .* start again"):
        open_sink(part, random_image("uint16", "zyx", (8, 5, 6)), part)
    with pytest.raises(OutputExistsError, match=r"^.*a\..*: the unfinished output .* exists already; resume it"):
        create(part, image, part)


def test_resuming_a_torn_tiff_is_refused(tmp_path: Path) -> None:
    image, part = random_image("uint8", "zyx", (4, 5, 6)), tmp_path / "a.tif"
    create(part, image, part)
    for n_bytes in (0, 6, 200, part.stat().st_size // 2):
        part.write_bytes(part.read_bytes()[:n_bytes])
        with pytest.raises(WriteError, match="is not of this image"):
            open_sink(part, image, part)


@pytest.mark.parametrize(
    ("name", "image", "words"),
    [
        ("a.png", random_image("uint8", "yx", (2, 2)), r"the suffix is '\.png'; .* \.ome\.zarr, \.zarr, \.tif"),
        ("a", random_image("uint8", "yx", (2, 2)), "the suffix is ''"),
        ("a.raw", Image(np.zeros((2, 2), np.complex64), "yx"), "the dtype is complex64; convert it"),
        ("a.zarr", Image(np.zeros((2, 2), "S4"), "yx"), r"the dtype is \|S4; convert it"),
        ("a.raw", Image(np.zeros((0, 2), np.uint8), "yx"), r"the shape is \(0, 2\)"),
        ("a.tif", Image(np.zeros((2, 2), bool), "yx"), "the dtype is bool, which TIFF holds as single bits"),
        ("a.tif", Image(np.zeros((2, 2, 17), np.uint8), "yxc"), "there are 17 channels"),
        ("a.nrrd", Image(np.zeros((2, 2), np.float16), "yx"), "the dtype is float16; NRRD holds"),
        ("a.nrrd", Image(np.zeros((2, 2), bool), "yx"), "the dtype is bool; NRRD holds"),
        (
            "a.zarr",
            Image(np.zeros((2, 2), np.float32), "yx", meta={"label_colors": ()}),
            "the dtype is float32, but labels are integers",
        ),
    ],
)
def test_what_cannot_be_held_is_refused(tmp_path: Path, name: str, image: Image, words: str) -> None:
    with pytest.raises(ParameterError, match=rf"^\S+{name}: {words}"):
        create(tmp_path / name, image, tmp_path / "part")
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize("suffix", SINK_SUFFIXES)
def test_blocks_that_do_not_fit_are_refused(tmp_path: Path, suffix: str) -> None:
    image, part = random_image("uint16", "zyx", (4, 5, 6)), tmp_path / f"a{suffix}"
    sink = create(part, image, part)
    whole = tuple(slice(0, n) for n in image.shape)
    before = contents(part)
    with pytest.raises(ParameterError, match=r"the block is uint16 of shape \(3, 5, 6\); the window holds uint16 of"):
        sink.write(whole, image.data[:3])
    with pytest.raises(ParameterError, match=r"the block is float32 of shape \(4, 5, 6\); the window holds uint16"):
        sink.write(whole, image.data.astype(np.float32))
    with pytest.raises(ParameterError, match=r"the window 0:5 of an axis of 6 does not fit; begin and end it at"):
        sink.write((*whole[:2], slice(0, 5)), image.data[..., :5])
    with pytest.raises(ParameterError, match=r"the window 4:8 of an axis of 4 does not fit"):
        sink.write((slice(4, 8), *whole[1:]), image.data)
    assert contents(part) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_an_error_of_the_system() -> None:
    full = Path("/dev/full")
    sink = FlatSink(path=Path("a.raw"), part=full, shape=(4, 4), dtype="uint8", n_row_axes=1, offset=0)
    with pytest.raises(OSError, match="No space") as caught:
        sink.write((slice(0, 4), slice(0, 4)), np.zeros((4, 4), np.uint8))
    assert caught.value.errno == errno.ENOSPC


def test_large_outputs_take_no_room_before_they_are_written(tmp_path: Path) -> None:
    image = Image(Shape((64, 16384, 16384), np.uint8), "zyx", (1.0, 1.0, 1.0), "µm")
    for suffix in FLAT:
        part = tmp_path / f"a{suffix}"
        sink = create(part, image, part)
        assert part.stat().st_size >= 2**34
        if hasattr(part.stat(), "st_blocks"):
            assert part.stat().st_blocks * 512 < 2**24
        sink.write((slice(63, 64), slice(16383, 16384), slice(0, 16384)), np.full((1, 1, 16384), 7, np.uint8))
        open_sink(part, image, part)


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}
