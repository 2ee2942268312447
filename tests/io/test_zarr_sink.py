"""OME-Zarr as zarr and a validator read it, at all levels; shards are whole or absent."""

from __future__ import annotations

import errno
import json
import math
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from klevels.errors import MissingDependencyError, ReadError, WriteError
from klevels.image import Image
from klevels.io import pyramid, zarr_grid, zarr_shards, zarr_sink
from klevels.io.pyramid import reduce_block
from klevels.io.sinks import create, open_sink, write_whole
from klevels.io.windows import grid_windows
from klevels.io.zarr_sink import ZarrSink

zarr = pytest.importorskip("zarr")
RNG = np.random.default_rng(20261125)
COLORS = ((0, (0, 0, 0)), (1, (255, 128, 0)), (2, (1, 2, 3)), (255, (9, 9, 9)))
DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")
AXES = (("yx", (41, 37)), ("zyx", (9, 20, 27)), ("yxc", (20, 31, 3)), ("zyxc", (5, 12, 23, 2)))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, shards and levels so small that a small image has many."""
    monkeypatch.setattr(zarr_grid, "CHUNKS", {2: (8, 8), 3: (4, 8, 8)})
    monkeypatch.setattr(zarr_grid, "SHARD_BYTES", 1 << 10)
    monkeypatch.setattr(pyramid, "COARSEST", 8)
    monkeypatch.setattr(pyramid, "THIN", 3)


def labels_image(shape: tuple[int, ...] = (13, 20, 43)) -> Image:
    data = RNG.choice(np.array([0, 1, 2, 255], np.uint8), shape)
    return Image(data, "zyx"[-len(shape) :], (0.5,) * len(shape), "µm", {"label_colors": COLORS})


def made(path: Path, image: Image) -> Any:
    sink = create(path, image, path)
    write_whole(sink, image)
    return zarr.open_group(path, mode="r")


def in_order(values: NDArray[Any], axes: str) -> NDArray[Any]:
    return np.moveaxis(values, 0, -1) if axes.endswith("c") else values


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dtype", [*DTYPES, *FLOATS])
def test_zarr_reads_what_was_written(tmp_path: Path, dtype: str) -> None:
    for axes, shape in AXES:
        image = Image(RNG.integers(0, 100, shape).astype(dtype), axes)
        group = made(tmp_path / f"{axes}.zarr", image)
        levels = [in_order(group[str(i)][...], axes) for i in range(len(list(group.array_keys())))]
        assert len(levels) > 2
        np.testing.assert_array_equal(levels[0], image.data)
        for fine, coarse in pairwise(levels):
            factors = tuple(2 if a != b else 1 for a, b in zip(fine.shape, coarse.shape, strict=True))
            np.testing.assert_array_equal(coarse, reduce_block(fine, factors, labels=False))
            assert coarse.dtype == dtype


@pytest.mark.usefixtures("small")
def test_labels_at_every_level_are_those_of_most(tmp_path: Path) -> None:
    image = labels_image()
    group = made(tmp_path / "a.ome.zarr", image)
    fine = image.data
    for level in range(1, len(list(group.array_keys()))):
        coarse = group[str(level)][...]
        factors = tuple(2 if a != b else 1 for a, b in zip(fine.shape, coarse.shape, strict=True))
        np.testing.assert_array_equal(coarse, reduce_block(fine, factors, labels=True))
        assert set(np.unique(coarse)) <= {0, 1, 2, 255}
        fine = coarse


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("axes", [axes for axes, _ in AXES])
def test_a_validator_accepts_images(tmp_path: Path, axes: str) -> None:
    yaozarrs = pytest.importorskip("yaozarrs")
    shape = dict(AXES)[axes]
    spacing = (2.0, 0.5, 0.5)[-len(axes.replace("c", "")) :]
    for number, (sizes, unit) in enumerate([(None, None), (spacing, "µm"), (spacing, None), (spacing, "mm")]):
        path = tmp_path / f"{number}.ome.zarr"
        made(path, Image(np.zeros(shape, np.uint16), axes, sizes, unit))
        yaozarrs.validate_zarr_store(str(path))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("shape", [(41, 37), (9, 20, 27)])
def test_a_validator_accepts_labels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    yaozarrs = pytest.importorskip("yaozarrs")
    made(tmp_path / "a.ome.zarr", labels_image(shape))
    yaozarrs.validate_zarr_store(str(tmp_path / "a.ome.zarr"))
    attributes = json.loads((tmp_path / "a.ome.zarr/zarr.json").read_text())["attributes"]
    found = yaozarrs.validate_ome_object(attributes, yaozarrs.v05.OMEAttributes).ome
    assert isinstance(found, yaozarrs.v05.LabelImage)
    colors = [(color.label_value, tuple(color.rgba)) for color in found.image_label.colors]
    assert colors == [(label, (*rgb, 255)) for label, rgb in COLORS]


@pytest.mark.usefixtures("small")
def test_voxels_keep_their_place_at_every_level(tmp_path: Path) -> None:
    image = Image(np.zeros((10, 64, 64), np.uint8), "zyx", (2.0, 0.5, 0.5), "µm")
    ome = made(tmp_path / "a.zarr", image).attrs["ome"]
    multiscale = ome["multiscales"][0]
    assert ome["version"] == "0.5"
    assert multiscale["axes"] == [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    found = [one["coordinateTransformations"] for one in multiscale["datasets"]]
    assert found[0] == [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    assert found[1] == [
        {"type": "scale", "scale": [2.0, 1.0, 1.0]},
        {"type": "translation", "translation": [0.0, 0.25, 0.25]},
    ]
    assert found[3] == [
        {"type": "scale", "scale": [4.0, 4.0, 4.0]},
        {"type": "translation", "translation": [1.0, 1.75, 1.75]},
    ]


def test_unknown_spacing_has_no_unit(tmp_path: Path) -> None:
    ome = made(tmp_path / "a.zarr", Image(np.zeros((4, 5, 3), np.uint8), "yxc")).attrs["ome"]
    axes = [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    assert ome["multiscales"][0]["axes"] == axes
    assert "image-label" not in ome


def test_arrays_are_named_and_sharded(tmp_path: Path) -> None:
    image = Image(np.zeros((40, 300, 200), np.uint8), "zyx")
    array = made(tmp_path / "a.zarr", image)["0"]
    assert array.metadata.dimension_names == ("z", "y", "x")
    assert (array.chunks, array.shards) == ((32, 128, 128), (64, 512, 256))
    assert array.metadata.zarr_format == 3


@pytest.mark.parametrize(
    ("axes", "shape", "dtype"),
    [
        ("zyx", (2000, 2048, 2048), "uint8"),
        ("zyx", (2000, 2048, 2048), "float64"),
        ("yx", (100_000, 100_000), "uint8"),
        ("zyx", (5000, 101, 99), "uint16"),
        ("zyx", (1, 3, 10**6), "uint8"),
        ("yxc", (30_000, 20_000, 3), "uint16"),
    ],
)
def test_shards_are_of_bounded_size_and_divide(tmp_path: Path, axes: str, shape: tuple[int, ...], dtype: str) -> None:
    image = Image(np.broadcast_to(np.zeros((), dtype), shape), axes)
    sink = create(tmp_path / "a.zarr", image, tmp_path / "a.zarr")
    assert isinstance(sink, ZarrSink)
    for level, array in enumerate(sink.arrays):
        n_bytes = int(np.prod(array.shards)) * np.dtype(dtype).itemsize
        assert n_bytes <= zarr_grid.SHARD_BYTES
        assert all(shard % chunk == 0 for shard, chunk in zip(array.shards, array.chunks, strict=True))
        if level < len(sink.factors):
            steps = zip(array.shards, array.shape, sink.factors[level], strict=True)
            assert all(shard % factor == 0 or shard >= n for shard, n, factor in steps)


@settings(max_examples=200, deadline=None)
@given(
    shape=st.lists(st.integers(1, 10**5), min_size=2, max_size=3),
    spacing=st.none() | st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    dtype=st.sampled_from(["uint8", "uint16", "float64"]),
)
def test_shards_of_a_level_are_whole_cells_of_whole_shards_below(
    shape: list[int], spacing: list[float] | None, dtype: str
) -> None:
    sizes = None if spacing is None else tuple(spacing[: len(shape)])
    image = Image(np.broadcast_to(np.zeros((), dtype), shape), "zyx"[-len(shape) :], sizes)
    sink = zarr_sink.plan(Path("a.zarr"), image, Path("a.zarr"))
    for (below, above), factors in zip(pairwise(sink.arrays), sink.factors, strict=True):
        for fine, n, coarse, factor in zip(below.shards, below.shape, above.shards, factors, strict=True):
            assert coarse * factor >= n or coarse * factor % fine == 0
            assert fine >= n or fine % factor == 0


@pytest.mark.usefixtures("small")
def test_windows_and_order_change_no_byte(tmp_path: Path) -> None:
    image = labels_image((13, 40, 50))
    made(tmp_path / "whole.zarr", image)
    for number, times in enumerate([(1, 1, 1), (2, 1, 3), (1, 4, 2)]):
        path = tmp_path / f"{number}.zarr"
        sink = create(path, image, path)
        assert isinstance(sink, ZarrSink)
        steps = tuple(n * m for n, m in zip(sink.shards, times, strict=True))
        windows = list(grid_windows(image.shape, steps))
        for at in RNG.permutation(len(windows)):
            sink.write(windows[at], image.data[windows[at]])
        for level in range(2, sink.n_levels):
            for window in reversed(sink.windows(level)):
                sink.reduce(level, window)
        sink.finish()
        assert contents(path) == contents(tmp_path / "whole.zarr")


@pytest.mark.usefixtures("small")
def test_all_chunks_are_stored_also_those_of_zeros(tmp_path: Path) -> None:
    image = Image(np.zeros((20, 40, 40), np.uint8), "zyx")
    array = made(tmp_path / "a.zarr", image)["0"]
    n_chunks = math.prod(shard // chunk for shard, chunk in zip(array.shards, array.chunks, strict=True))
    files = [file for file in (tmp_path / "a.zarr/0/c").rglob("*") if file.is_file()]
    assert len(files) == math.prod(-(-n // shard) for n, shard in zip(array.shape, array.shards, strict=True))
    stored = [np.frombuffer(file.read_bytes()[-16 * n_chunks - 4 : -4], "<u8").reshape(-1, 2)[:, 1] for file in files]
    lengths = np.concatenate(stored)
    in_array = [-(-n // chunk) for n, chunk in zip(array.shape, array.chunks, strict=True)]
    assert np.count_nonzero(lengths != 2**64 - 1) == math.prod(in_array)


@pytest.mark.usefixtures("small")
def test_a_shard_that_was_never_written_is_an_error(tmp_path: Path) -> None:
    image = labels_image()
    path = tmp_path / "a.zarr"
    sink = create(path, image, path)
    windows = list(grid_windows(image.shape, sink.shards))
    for window in windows[1:]:
        sink.write(window, image.data[window])
    with pytest.raises(
        WriteError, match=r"^\S+a\.zarr: the shard 0/c/0/0/0 was never written; resume, or start again$"
    ):
        sink.finish()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_damage_is_found_where_a_level_is_made(tmp_path: Path, damage: str) -> None:
    image = labels_image()
    path = tmp_path / "a.zarr"
    sink = create(path, image, path)
    for window in grid_windows(image.shape, sink.shards):
        sink.write(window, image.data[window])
    file = path / "1/c/0/0/0"
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.unlink()
    if damage != "remove":
        file.write_bytes({"flip": bytes(data), "cut": bytes(data[:30]), "empty": b""}[damage])
    assert isinstance(sink, ZarrSink)
    with pytest.raises(ReadError, match=r"^\S+1/c/0/0/0: the shard is (damaged|missing)"):
        sink.reduce(2, sink.windows(2)[0])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(errno.ENOSPC, "full")])
def test_an_interrupted_shard_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | type[BaseException]
) -> None:
    image, path = labels_image(), tmp_path / "a.zarr"
    sink = create(path, image, path)
    before = contents(path)
    calls = []

    def fail(_: object, values: NDArray[Any]) -> bytes:
        calls.append(values)
        if len(calls) == 2:
            raise error
        return b"12345"

    monkeypatch.setattr(zarr_shards.ShardedArray, "_encoded", fail)
    window = next(iter(grid_windows(image.shape, sink.shards)))
    with pytest.raises(error if isinstance(error, type) else OSError):
        sink.write(window, image.data[window])
    assert contents(path).keys() == before.keys() | {name for name in contents(path) if name.startswith("1/c/")}
    assert not list(path.rglob("*.partial"))
    assert not (path / "0/c/0/0/0").exists()


def test_a_full_disk_reaches_the_caller(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="the limit is that of a POSIX system")
    image = Image(RNG.integers(0, 255, (32, 128, 128)).astype(np.uint8), "zyx")
    sink = create(tmp_path / "a.zarr", image, tmp_path / "a.zarr")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with pytest.raises(OSError, match="File too large") as caught:
            sink.write(tuple(slice(0, n) for n in image.shape), image.data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert [name for name in contents(tmp_path / "a.zarr") if not name.endswith("zarr.json")] == []


WRITER = """
import pickle, sys
import numpy as np
from klevels.io.windows import grid_windows
sink, data = pickle.loads(sys.stdin.buffer.read())
print("begun", flush=True)
while True:
    for window in grid_windows(data.shape, sink.shards):
        sink.write(window, data[window])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
@pytest.mark.usefixtures("small")
def test_a_killed_process_leaves_whole_shards_only(tmp_path: Path) -> None:
    import pickle

    image, path = labels_image((21, 60, 90)), tmp_path / "a.zarr"
    sink = create(path, image, path)
    for delay in (0.01, 0.03):
        command = [sys.executable, "-c", WRITER]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(pickle.dumps((sink, image.data)))
            process.stdin.close()
            assert process.stdout.readline() == b"begun\n"
            time.sleep(delay)
            process.kill()
    assert isinstance(sink, ZarrSink)
    for window in grid_windows(image.shape, sink.shards):
        if sink.arrays[0].file(window).exists():
            np.testing.assert_array_equal(sink.arrays[0].read_shard(window), image.data[window])
    (path / "0/c/0/0/0.0123456789abcdef.partial").write_bytes(b"torn")
    write_whole(open_sink(path, image, path), image)
    made(tmp_path / "b.zarr", image)
    assert contents(path) == contents(tmp_path / "b.zarr")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    image = Image(np.zeros((4, 4), np.uint8), "yx")
    with pytest.raises(MissingDependencyError, match=r"pip install 'klevels\[io\]'"):
        made(tmp_path / "a.zarr", image)
