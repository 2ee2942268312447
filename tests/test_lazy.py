"""A part of an array that is not in memory is that part of the array, however it is stored and asked for."""

from __future__ import annotations

import errno
import math
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from klevels.errors import InputMissingError, ReadError
from klevels.lazy import (
    KeptArray,
    LazyArray,
    LoadedArray,
    MappedArray,
    PickedArray,
    ScaledArray,
    StackedArray,
    TransposedArray,
    Window,
    rows_of,
    scaled,
    scaled_dtype,
)
from klevels.memory import Grid, fitting_grid
from windows import check_lazy

WHOLE = np.random.default_rng(4).integers(0, 1000, (4, 5, 6), np.uint16)
STORED = ("|u1", "|b1", "<u2", ">u2", "<i4", ">f4", "<f2", ">i8")


class Held(LazyArray):
    """A lazy array over one in memory, which notes the windows that it reads."""

    def __init__(self, whole: NDArray[Any]) -> None:
        super().__init__(whole.shape, whole.dtype, source="held", stored_bytes=7)
        self.whole = whole
        self.seen: list[Window] = []

    def read(self, window: Window) -> NDArray[Any]:
        assert all(0 <= one.start < one.stop <= n for one, n in zip(window, self.shape, strict=True))
        assert all(one.step is None for one in window)
        self.seen.append(window)
        return self.whole[window]


def put(path: Path, whole: NDArray[Any], offset: int = 0, order: Any = "C") -> Path:
    path.write_bytes(bytes(offset) + whole.tobytes(order))
    return path


@given(data=st.data())
def test_indexing_is_that_of_numpy(data: st.DataObject) -> None:
    key = data.draw(hnp.basic_indices(WHOLE.shape, allow_newaxis=False))
    found = Held(WHOLE)[key]
    assert np.array_equal(found, WHOLE[key])
    assert np.shape(found) == np.shape(WHOLE[key])
    assert found.dtype == WHOLE.dtype


def test_only_the_least_window_is_read() -> None:
    held = Held(WHOLE)
    assert np.array_equal(held[::-2, 1, 5:1:-3], WHOLE[::-2, 1, 5:1:-3])
    assert held.seen == [(slice(1, 4), slice(1, 2), slice(2, 6))]
    assert held[2:2].shape == (0, 5, 6)
    assert held[:, 3:1, 2].shape == (4, 0)
    assert len(held.seen) == 1


@pytest.mark.parametrize("key", [4, -5, (0, 0, 6), (0, 0, 0, 0), (0, ..., 9), 1.5, "a"])
def test_what_numpy_refuses_is_refused(key: Any) -> None:
    with pytest.raises((IndexError, TypeError)):
        Held(WHOLE)[key]


def test_facts() -> None:
    held = Held(WHOLE)
    assert (held.ndim, held.size, held.nbytes, len(held), held.chunks) == (3, 120, 240, 4, (1, 5, 6))
    assert repr(held) == "Held(4 × 5 × 6, uint16, 'held')"
    assert np.array_equal(np.asarray(held), WHOLE)
    assert np.asarray(held, np.float32).dtype == np.float32
    assert np.array_equal(np.array(held, copy=True), WHOLE)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("offset", [0, 3])
def test_mapped(tmp_path: Path, stored: str, order: Any, offset: int) -> None:
    whole = (WHOLE % 200).astype(stored)
    path = put(tmp_path / "a", whole, offset, order)
    mapped = MappedArray(path, whole.shape, stored, offset, order)
    check_lazy(mapped, whole.astype(whole.dtype.newbyteorder("=")))
    assert mapped.chunks == ((4, 5, 1) if order == "F" else (1, 5, 6))
    assert mapped.stored_bytes is None
    assert MappedArray(path, whole.shape, stored, offset, order, chunks=(9, 2, 6)).chunks == (4, 2, 6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), order=st.sampled_from("CF"))
def test_windows_of_any_order(tmp_path: Path, data: st.DataObject, order: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
    whole = np.arange(np.prod(shape), dtype=">i4").reshape(shape)
    mapped = MappedArray(put(tmp_path / "a", whole, 5, order), shape, ">i4", 5, order)
    axes = data.draw(st.permutations(range(len(shape))))
    places = data.draw(st.tuples(*(st.one_of(st.none(), st.integers(0, n - 1)) for n in shape)))
    for lazy, expected in (
        (mapped, whole),
        (TransposedArray(mapped, axes), whole.transpose(axes)),
        (PickedArray(mapped, places), whole[tuple(slice(None) if place is None else place for place in places)]),
        (ScaledArray(mapped, 2.5, -1), whole * 2.5 - 1),
        (StackedArray([mapped, mapped], "both"), np.stack([whole, whole])),
    ):
        assert lazy.shape == expected.shape
        assert len(lazy.chunks) == expected.ndim
        window = data.draw(hnp.basic_indices(expected.shape, allow_newaxis=False)) if expected.ndim else ()
        assert np.array_equal(lazy[window], expected[window])


@pytest.mark.parametrize(
    ("shape", "itemsize", "order", "chunks"),
    [
        ((10, 40000, 40000), 2, "C", (1, 8, 40000)),
        ((40000, 40000, 10), 2, "F", (40000, 8, 1)),
        ((100, 200, 300), 2, "C", (1, 200, 300)),
        ((3000, 4000), 1, "C", (1, 4000)),
        ((3, 1 << 22), 1, "C", (1, 1 << 20)),
        ((10, 4000, 4000, 3), 2, "C", (1, 32, 4000, 3)),
        ((10,), 8, "C", (1,)),
        ((), 8, "C", ()),
    ],
)
def test_maps_are_read_by_rows(shape: tuple[int, ...], itemsize: int, order: Any, chunks: tuple[int, ...]) -> None:
    assert rows_of(shape, itemsize, order) == chunks


def test_large_slices_in_memory_or_mapped_fit(tmp_path: Path) -> None:
    shape = (2, 40000, 40000)
    path = tmp_path / "a.raw"
    with path.open("wb") as file:
        file.truncate(2 * 2 * 40000**2)
    held = np.broadcast_to(np.zeros((), np.uint16), shape)
    for lazy in (MappedArray(path, shape, np.uint16), LoadedArray(held)):
        grid = fitting_grid(shape, 2, lazy.chunks, None, memory=1 << 28, n_workers=4)
        assert math.prod(grid.block) * 2 <= 1 << 24
        assert not lazy.read(grid.window(grid.n_blocks - 1)).any()


def test_only_the_span_of_a_window_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped: list[tuple[int, tuple[int, ...]]] = []
    real = np.memmap

    def noting(path: Any, dtype: Any, mode: Any, offset: int, shape: tuple[int, ...], order: Any) -> Any:
        mapped.append((offset, shape))
        return real(path, dtype, mode, offset, shape, order)

    monkeypatch.setattr(np, "memmap", noting)
    for order, window, seen in (
        ("C", np.s_[1:3, 2:4, 1:2], (3 + 2 * 30, (2, 5, 6))),
        ("C", np.s_[2:3, 2:4, 1:2], (3 + 2 * (60 + 12), (1, 2, 6))),
        ("C", np.s_[3:4, 4:5, 5:6], (3 + 2 * 119, (1, 1, 1))),
        ("F", np.s_[1:3, 2:4, 1:3], (3 + 2 * 20, (4, 5, 2))),
        ("F", np.s_[1:3, 2:4, 1:2], (3 + 2 * (20 + 8), (4, 2, 1))),
    ):
        lazy = MappedArray(put(tmp_path / "a", WHOLE, 3, order), WHOLE.shape, WHOLE.dtype, 3, order)
        assert np.array_equal(lazy.read(window), WHOLE[window])
        assert mapped.pop() == seen


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOMEM])
def test_what_the_system_refuses_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    lazy = MappedArray(put(tmp_path / "a", WHOLE), WHOLE.shape, WHOLE.dtype)

    def fail(*_: Any) -> Any:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(np, "memmap", fail)
    with pytest.raises(ReadError, match=os.strerror(code)) as caught:
        lazy[0]
    assert str(caught.value).startswith(f"{lazy.source}: ")


def test_a_little_of_a_large_file_is_read_with_little_address_space(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    del resource
    with (tmp_path / "a.raw").open("wb") as file:
        file.truncate(12 << 30)
    program = f"""
import resource
from klevels.lazy import MappedArray
lazy = MappedArray({str(tmp_path / "a.raw")!r}, (12, 1 << 15, 1 << 15), "u1")
_, most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, most))
assert not lazy[11, -4:].any()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


WINDOWS = [(slice(i, i + 1), slice(0, 5), slice(0, 6)) for i in range(4)]


@pytest.mark.parametrize("reads", [1, 2, 3, 4])
@pytest.mark.parametrize("n_kept", [0, 1, 3, 4])
def test_windows_are_kept_until_the_last_read(reads: int, n_kept: int) -> None:
    held = Held(WHOLE)
    lazy = KeptArray(held, n_kept * 60 + 59, reads).cut(Grid(WHOLE.shape, (1, 5, 6)))
    for _ in range(reads):
        for window in WINDOWS:
            assert np.array_equal(lazy.read(window), WHOLE[window])
    assert len(held.seen) == 4 * reads - n_kept * (reads - 1)
    for window in WINDOWS:
        assert np.array_equal(lazy.read(window), WHOLE[window])
    assert len(held.seen) == 4 * (reads + 1) - n_kept * (reads - 1)


def test_what_is_kept_holds_no_more_than_itself() -> None:
    for part in (
        lambda a, w: a[w],
        lambda a, w: np.flip(a[w], 0),
        lambda a, w: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape)[w],
    ):
        held = Held(np.zeros((64, 256, 256), np.uint16))
        held.read = lambda window, part=part: part(np.zeros((64, 256, 256), np.uint16), window)  # type: ignore[method-assign]
        lazy = KeptArray(held, 1 << 30, 3)
        tracemalloc.start()
        for i in range(8):
            lazy.read((slice(i, i + 1), slice(0, 256), slice(0, 256)))
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert 8 * 256 * 256 * 2 <= taken < 9 * 256 * 256 * 2


def test_what_is_kept_cannot_be_changed() -> None:
    held = Held(WHOLE.copy())
    lazy = KeptArray(held, 1 << 20, 3)
    for _ in range(3):
        with pytest.raises(ValueError, match="read-only"):
            lazy.read(WINDOWS[0])[0] = 1
    assert held.whole.flags.writeable


def test_what_is_kept_does_not_travel() -> None:
    lazy = KeptArray(Held(WHOLE), 1 << 20, 3)
    check_lazy(lazy, WHOLE)
    copy = pickle.loads(pickle.dumps(lazy))
    for _ in range(2):
        copy.read(WINDOWS[0])
    assert copy._source.seen[-2:] == [WINDOWS[0]] * 2


def test_no_map_stays(tmp_path: Path) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("the system does not tell what is mapped")
    path = put(tmp_path / "map-that-must-go", WHOLE)
    mapped = MappedArray(path, WHOLE.shape, WHOLE.dtype)
    part = mapped[1]
    assert path.name in maps.read_text()
    assert np.array_equal(part, WHOLE[1])
    del part
    assert path.name not in maps.read_text()


def test_a_map_cannot_be_written_to(tmp_path: Path) -> None:
    part = MappedArray(put(tmp_path / "a", WHOLE), WHOLE.shape, WHOLE.dtype)[:2]
    assert type(part) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        part[0, 0, 0] = 1


def test_a_file_that_is_too_short_becomes_so_or_goes(tmp_path: Path) -> None:
    path = put(tmp_path / "a", WHOLE)
    with pytest.raises(ReadError, match="from byte 1 on end at byte 241, but the file has 240") as caught:
        MappedArray(path, WHOLE.shape, WHOLE.dtype, 1)
    assert str(caught.value).startswith(f"{path}: ")
    mapped = MappedArray(path, WHOLE.shape, WHOLE.dtype)
    path.write_bytes(bytes(200))
    with pytest.raises(ReadError, match="became shorter") as caught:
        mapped[3]
    assert str(caught.value).startswith(f"{path}: ")
    path.write_bytes(b"")
    with pytest.raises(ReadError, match="became shorter"):
        mapped[3]
    path.unlink()
    with pytest.raises(InputMissingError, match="no longer there"):
        mapped[3]


def test_transposed() -> None:
    check_lazy(TransposedArray(Held(WHOLE), (2, 0, 1)), WHOLE.transpose(2, 0, 1))
    lazy = TransposedArray(Held(WHOLE), (1, 2, 0))
    assert (lazy.chunks, lazy.source, lazy.stored_bytes) == ((5, 6, 1), "held", 7)


def test_picked() -> None:
    check_lazy(PickedArray(Held(WHOLE), (None, 2, None)), WHOLE[:, 2])
    held = Held(WHOLE)
    assert PickedArray(held, (3, None, None))[1:3, 4].tolist() == WHOLE[3, 1:3, 4].tolist()
    assert held.seen == [(slice(3, 4), slice(1, 3), slice(4, 5))]


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (2, 0), (0.5, 0.25), (1, 0.5)])
def test_scaled(slope: float, intercept: float) -> None:
    check_lazy(ScaledArray(Held(WHOLE), slope, intercept), scaled(WHOLE, slope, intercept))
    exact = WHOLE.astype(float) * slope + intercept
    assert np.array_equal(scaled(WHOLE, slope, intercept), exact.astype(scaled_dtype(WHOLE.dtype, slope, intercept)))


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "found"),
    [
        ("uint16", 1, 0, "uint16"),
        (">u2", 1, 0, "uint16"),
        ("uint8", 1, -1024, "int16"),
        ("int16", 1, -1024, "int32"),
        ("uint16", 1, -1024, "int32"),
        ("uint32", 1, -1, "int64"),
        ("uint64", 1, -1, "float64"),
        ("uint8", 1, 1e6, "int32"),
        ("uint16", 2, 0, "float32"),
        ("uint16", 1, 0.5, "float32"),
        ("int32", 2, 0, "float64"),
        ("float32", 2, 0, "float64"),
    ],
)
def test_dtypes_of_scaled_values(stored: str, slope: float, intercept: float, found: str) -> None:
    assert scaled_dtype(np.dtype(stored), slope, intercept) == np.dtype(found)
    extremes = np.array([np.iinfo(stored).min, np.iinfo(stored).max], stored) if stored[-3:] != "t32" else None
    if extremes is not None and np.dtype(found).kind == "i":
        assert [int(v) for v in scaled(extremes, slope, intercept)] == [int(v) + int(intercept) for v in extremes]


def test_stacked() -> None:
    stacked = StackedArray([Held(WHOLE), Held(WHOLE[::-1]), Held(WHOLE[:, ::-1])], "folder")
    check_lazy(stacked, np.stack([WHOLE, WHOLE[::-1], WHOLE[:, ::-1]]))
    assert (stacked.chunks, stacked.source, stacked.stored_bytes) == ((1, 1, 5, 6), "folder", 21)


def test_only_the_parts_of_a_stack_that_are_needed_are_read() -> None:
    parts = [Held(WHOLE[i]) for i in range(4)]
    assert np.array_equal(StackedArray(parts, "folder")[1:3, 2], WHOLE[1:3, 2])
    assert [len(part.seen) for part in parts] == [0, 1, 1, 0]


def test_a_stack_of_maps_travels_without_voxels(tmp_path: Path) -> None:
    path = put(tmp_path / "a", np.zeros((100, 100, 100), np.uint8))
    parts = [MappedArray(path, (100, 100), np.uint8, i * 10_000) for i in range(4)]
    assert len(pickle.dumps(ScaledArray(StackedArray(parts, "folder"), 2, 1))) < 2000
