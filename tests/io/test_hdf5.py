"""HDF5: the dataset that is meant, its chunks as h5py reads them, and never a value that was not written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.errors import InputMissingError, MissingDependencyError, ReadError
from klevels.io import describe, hdf5, read
from klevels.io.hdf5_array import Hdf5Array
from klevels.lazy import MappedArray
from windows import check_lazy

DTYPES = ["bool", "uint8", "int16", ">u2", "int32", "uint32", "int64", "uint64", "float16", ">f4", "float64"]


def volume(dtype: str = "int16", shape: tuple[int, ...] = (7, 6, 5)) -> np.ndarray:
    return (np.random.default_rng(0).random(shape) * 100).astype(dtype)


def save(path: Path, values: np.ndarray | None = None, name: str = "a", **options: Any) -> Path:
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=volume() if values is None else values, **options)
    return path


def native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="))


def refused(path: Path, part: str = "", **options: Any) -> str:
    """Return the message with which a file is refused."""
    with pytest.raises(ReadError) as caught:
        read(f"{path}::{part}" if part else path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (2, 3, 4)},
        {"chunks": (7, 1, 5), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (3, 3, 3), "compression": "lzf"},
    ],
)
def test_values_are_lazy(tmp_path: Path, dtype: str, options: dict[str, Any]) -> None:
    image = read(save(tmp_path / "a.h5", volume(dtype), **options), lazy=True)
    compression = {"gzip": "deflate", "lzf": "lzf"}.get(options.get("compression", ""), "none")
    assert image.meta == {"format": "HDF5", "compression": compression, "dataset": "/a"}
    assert (image.axes, image.spacing, image.unit) == ("zyx", None, None)
    assert image.data.chunks == options.get("chunks", (1, 6, 5))
    assert isinstance(image.data, Hdf5Array if options or dtype == "bool" else MappedArray)
    check_lazy(image.data, native(volume(dtype)))


@given(st.data())
def test_windows_are_parts_of_the_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "windows.h5"
    expected = np.full((7, 6, 5), 9, np.int16)
    expected[2:4, 3:, 4:] = volume()[2:4, 3:, 4:]
    if not path.exists():
        with h5py.File(path, "w") as file:
            file.create_dataset("a", expected.shape, "i2", chunks=(2, 3, 4))[2:4, 3:, 4:] = volume()[2:4, 3:, 4:]
    image = read(path, lazy=True, missing=9)
    key = tuple(data.draw(st.slices(n)) for n in image.shape)
    np.testing.assert_array_equal(image.data[key], expected[key])


@pytest.mark.parametrize("n_bytes", [512, 2048])
@pytest.mark.parametrize("options", [{}, {"chunks": (2, 3, 4)}])
def test_a_block_of_the_users_comes_first(tmp_path: Path, n_bytes: int, options: dict[str, Any]) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=n_bytes) as file:
        file.create_dataset("a", data=volume(), **options)
    with (tmp_path / "a.mat").open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file" * 10)
    check_lazy(read(tmp_path / "a.mat", lazy=True).data, volume())


def test_matlab_runs_down_columns(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mat", chunks=(2, 3, 4))
    with h5py.File(path, "a") as file:
        file["a"].attrs["MATLAB_class"] = np.bytes_("int16")
    image = read(path, lazy=True)
    check_lazy(image.data, volume().swapaxes(1, 2))
    assert image.data.chunks == (2, 4, 3)


@pytest.mark.parametrize(
    ("shape", "axes", "kept"),
    [
        ((6, 5), "yx", (6, 5)),
        ((1, 6, 5), "zyx", (1, 6, 5)),
        ((3, 6, 5), "zyx", (3, 6, 5)),
        ((1, 1, 3, 6, 17), "zyx", (3, 6, 17)),
        ((1, 1, 3, 6, 5), "zyxc", (1, 3, 6, 5)),
        ((3, 6, 5, 1), "zyx", (3, 6, 5)),
        ((1, 3, 6, 5, 1), "zyx", (3, 6, 5)),
        ((1, 3, 6, 20), "zyx", (3, 6, 20)),
        ((4, 6, 5, 3), "zyxc", (4, 6, 5, 3)),
        ((1, 4, 6, 5, 3), "zyxc", (4, 6, 5, 3)),
        ((1, 6, 5, 3), "zyxc", (1, 6, 5, 3)),
    ],
)
def test_axes(tmp_path: Path, shape: tuple[int, ...], axes: str, kept: tuple[int, ...]) -> None:
    image = read(save(tmp_path / "a.h5", volume(shape=shape), chunks=True), lazy=True)
    assert image.axes == axes
    check_lazy(image.data, volume(shape=shape).reshape(kept))


@pytest.mark.parametrize("shape", [(4, 6, 5, 17), (2, 4, 6, 5, 3), (9,), (0, 3, 3)])
def test_axes_that_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert f"has the shape {shape}" in refused(save(tmp_path / "a.h5", volume(shape=shape)), "a")


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((3, 3), complex),
        np.zeros((3, 3), "S4"),
        np.zeros((3, 3), [("r", "u1"), ("g", "u1")]),
        np.zeros((3, 3), np.longdouble),
    ],
)
def test_types_that_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    assert "has the type" in refused(save(tmp_path / "a.h5", values), "a")


def test_bits_that_must_be_shifted_are_not_mapped(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        twelve = h5py.h5t.STD_U16LE.copy()
        twelve.set_precision(12)
        twelve.set_offset(4)
        dataset = h5py.Dataset(h5py.h5d.create(file.id, b"a", twelve, h5py.h5s.create_simple((7, 6, 5))))
        dataset[...] = volume("uint16")
    check_lazy(read(tmp_path / "a.h5", lazy=True).data, volume("uint16"))


# Which dataset is meant


def test_the_only_dataset_of_numbers(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", name="entry/data/volume")
    save(path, np.arange(9.0), "entry/data/x")
    save(path, np.zeros((3, 3), "S3"), "entry/names")
    assert read(path).meta["dataset"] == "/entry/data/volume"
    assert read(f"{path}::entry").meta["dataset"] == "/entry/data/volume"


def test_several_datasets_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for i in range(10):
        save(path, name=f"g/d{i}")
    assert f"(/g/d0, /g/d1, /g/d2, /g/d3, /g/d4, /g/d5, /g/d6, /g/d7, ...); name one, as in {path}::/g/d0" in refused(
        path
    )
    np.testing.assert_array_equal(read(f"{path}::/g/d9").data, volume())
    np.testing.assert_array_equal(read(f"{path}::g/d9").data, volume())


def test_hard_links_are_one_dataset(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", name="g/a")
    with h5py.File(path, "a") as file:
        file["g/again"] = file["g/a"]
        file["g/circle"] = file["/"]
        file["far"] = h5py.ExternalLink("gone.h5", "/")
    assert read(path).meta["dataset"] == "/g/a"


def test_no_dataset(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", np.arange(3), "g/line")
    assert "/ holds no dataset of numbers" in refused(path)
    assert "/g holds no dataset of numbers" in refused(path, "g")
    assert "there is no 'gone' in /; it holds g" in refused(path, "gone")
    assert "there is no 'x' in /g/line; it is a dataset" in refused(path, "/g/line/x")


def nexus(path: Path, *, legacy_default: bool = False, **axis: Any) -> Path:
    """Write a NeXus file of two volumes, one of which is the default, with places on its axes."""
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        file.create_dataset("entry/raw", data=volume())
        data = file.create_group("entry/shown")
        file["entry"].attrs["default"] = np.bytes_("shown") if legacy_default else "shown"
        data.attrs["NX_class"] = "NXdata"
        data.attrs["signal"] = "v"
        data.attrs["axes"] = axis.get("names", ["z", "y", "x"])
        data.create_dataset("v", data=volume() + 1, chunks=(2, 3, 4))
        for name, n, step in (("z", 7, 0.5), ("y", 6, -0.25), ("x", 5, 2)):
            places = np.arange(n + axis.get("n_more", 0)) * step + 10
            places[-1] += axis.get("bend", 0)
            data.create_dataset(name, data=places).attrs["units"] = axis.get("units", "um")
    return path


@pytest.mark.parametrize("axis", [{}, {"n_more": 1}, {"units": "micrometre"}, {"bend": 1e-5}, {"legacy_default": True}])
@pytest.mark.parametrize("part", ["", "::/entry/shown/v", "::entry/shown"])
def test_nexus_default_and_axes(tmp_path: Path, part: str, axis: dict[str, Any]) -> None:
    image = read(f"{nexus(tmp_path / 'a.nxs', **axis)}{part}")
    np.testing.assert_array_equal(image.data, volume() + 1)
    assert (image.spacing, image.unit) == (pytest.approx((0.5, 0.25, 2), abs=1e-4), "µm")


@pytest.mark.parametrize(
    "axis",
    [
        {"units": "pixel"},
        {"units": "degree"},
        {"bend": 0.1},
        {"n_more": 2},
        {"names": ["z", "y"]},
        {"names": [".", "y", "x"]},
        {"names": ["gone", "y", "x"]},
        {"names": ["v", "y", "x"]},
    ],
)
def test_nexus_axes_that_say_nothing(tmp_path: Path, axis: dict[str, Any]) -> None:
    image = read(nexus(tmp_path / "a.nxs", **axis))
    assert (image.spacing, image.unit) == (None, None)


def test_the_only_signal(tmp_path: Path) -> None:
    path = nexus(tmp_path / "a.nxs")
    with h5py.File(path, "a") as file:
        del file.attrs["default"]
    assert read(path).meta["dataset"] == "/entry/shown/v"


def test_defaults_in_a_circle(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file.attrs["default"] = "/"
    assert read(path).meta["dataset"] == "/a"


@pytest.mark.parametrize(
    ("sizes", "spacing"),
    [((3, 2, 1), (3, 2, 1)), ((9, 3, 2, 1), (3, 2, 1)), ((2, 1), None), ((0, 2, 1), None), ("3 2 1", None)],
)
def test_element_size(tmp_path: Path, sizes: Any, spacing: Any) -> None:
    path = save(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["a"].attrs["element_size_um"] = sizes if isinstance(sizes, str) else np.array(sizes, np.float32)
    image = read(path)
    assert (image.spacing, image.unit) == (spacing, None if spacing is None else "µm")


# Links


def test_soft_links_are_followed(tmp_path: Path) -> None:
    path = nexus(tmp_path / "a.nxs")
    with h5py.File(path, "a") as file:
        file["short"] = h5py.SoftLink("/entry/shown")
        file["entry/shown/w"] = h5py.SoftLink("../raw")
        file["entry/shown/u"] = h5py.SoftLink("v")
        file["circle"] = h5py.SoftLink("/circle")
        file["dangling"] = h5py.SoftLink("/gone")
    assert read(f"{path}::short/u").meta["dataset"] == "/entry/shown/v"
    assert read(f"{path}::short/u").spacing is not None
    assert "leads in a circle" in refused(path, "circle")
    assert "there is no 'gone'" in refused(path, "dangling")
    assert "there is no '..'" in refused(path, "entry/shown/w")


def test_other_files_are_not_opened(tmp_path: Path) -> None:
    other, path = save(tmp_path / "other.h5", name="g/a"), tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["far"] = h5py.ExternalLink("other.h5", "/g")
        file["soft"] = h5py.SoftLink("/far/a")
        layout = h5py.VirtualLayout((7, 6, 5), "i2")
        layout[...] = h5py.VirtualSource("other.h5", "g/a", (7, 6, 5))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("outside", (7, 6, 5), "i2", external=[(str(other), 0, h5py.h5f.UNLIMITED)])
        named = file.create_group("named")
        named.attrs["signal"] = "a"
        named["a"] = h5py.ExternalLink("other.h5", "/g/a")
    for part in ("far", "far/a", "soft"):
        assert "/far is an external link to /g in other.h5" in refused(path, part)
    assert "/named/a is an external link to /g/a in other.h5" in refused(path, "named")
    assert "is virtual, made of other.h5::g/a" in refused(path, "virtual")
    assert f"keeps its values in another file, '{other}'" in refused(path, "outside")


# Chunks


def test_missing_chunks_are_an_error_or_filled(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("a", (7, 6, 5), "i2", chunks=(2, 3, 4), compression="gzip", fillvalue=5)
        dataset[:2, :3, :4] = volume()[:2, :3, :4]
        dataset[6:, 3:, 4:] = volume()[6:, 3:, 4:]
    message = "dataset /a lacks 14 of 16 chunks of 2 × 3 × 4"
    assert message in refused(path)
    assert message in refused(path, lazy=True)
    with pytest.raises(ReadError, match="lacks 14 of 16"):
        describe(path)
    expected = np.full((7, 6, 5), -7, np.int16)
    expected[:2, :3, :4] = volume()[:2, :3, :4]
    expected[6:, 3:, 4:] = volume()[6:, 3:, 4:]
    check_lazy(read(path, lazy=True, missing=-7).data, expected)


@pytest.mark.parametrize("options", [{}, {"chunks": (2, 3, 4)}])
def test_a_dataset_that_was_never_written(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (7, 6, 5), "f4", **options)
    assert ("lacks 1 of 1" if not options else "lacks 16 of 16") in refused(path)
    check_lazy(read(path, lazy=True, missing=np.nan).data, np.full((7, 6, 5), np.nan, np.float32))


def test_a_vast_dataset_that_was_never_written(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (1 << 20,) * 3, "u1", chunks=(64,) * 3)
    assert "lacks 4398046511104 of 4398046511104" in refused(path)
    image = read(path, missing=3)
    assert image.is_lazy
    assert (image.data[-1, -2:, -3:] == 3).all()


@pytest.mark.parametrize("missing", [300, -1, 0.5, np.nan, np.inf])
def test_values_that_do_not_fit(tmp_path: Path, missing: float) -> None:
    assert "which cannot hold" in refused(save(tmp_path / "a.h5", volume("uint8")), missing=missing)


def test_missing_does_not_touch_what_is_there(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", np.zeros((7, 6, 5)), chunks=(2, 3, 4))
    assert not read(path, missing=1).data.any()


@pytest.mark.parametrize("compression", ["gzip", None])
def test_damaged_chunks_are_named(tmp_path: Path, compression: str | None) -> None:
    path = save(tmp_path / "a.h5", chunks=(2, 3, 4), compression=compression, fletcher32=compression is None)
    with h5py.File(path) as file:
        info = file["a"].id.get_chunk_info_by_coord((4, 3, 0))
    with path.open("r+b") as stream:
        stream.seek(info.byte_offset + 5)
        stream.write(b"\xff\xff\xff")
    image = read(path, lazy=True)
    np.testing.assert_array_equal(image.data[:4], volume()[:4])
    with pytest.raises(ReadError, match=r"dataset /a: chunk \(2, 1, 0\), which begins at \(4, 3, 0\), cannot be read"):
        np.asarray(image.data)
    assert "chunk (2, 1, 0)" in refused(path)


def test_a_file_that_is_gone_or_changed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", chunks=True)
    image = read(path, lazy=True)
    with h5py.File(path, "a") as file:
        file.move("a", "b")
    with pytest.raises(ReadError, match="has changed or is gone"):
        image.data[0]
    path.unlink()
    with pytest.raises(ReadError, match="has changed or is gone"):
        image.data[0]
    with pytest.raises(InputMissingError):
        read(path)


def test_filters_that_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.h5", chunks=(2, 3, 4), compression="lzf")
    image = read(path, lazy=True)
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda _: False)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    message = r"compressed with lzf \(filter 32000\), which is not installed; pip install hdf5plugin"
    assert "compressed with lzf (filter 32000), which is not installed" in refused(path)
    with pytest.raises(ReadError, match=message):
        image.data[0]


def test_filters_come_with_hdf5plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.h5", chunks=(2, 3, 4), compression="lzf")
    (tmp_path / "hdf5plugin.py").write_text("import h5py\nh5py.h5z.filter_avail = lambda code: True\n")
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda _: False)
    monkeypatch.delitem(sys.modules, "hdf5plugin", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    np.testing.assert_array_equal(read(path).data, volume())


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("a", (1 << 10, 1 << 10, 1 << 10), "u1", chunks=(1 << 10,) * 3, compression="gzip")
        dataset.id.write_direct_chunk((0, 0, 0), b"small")
    assert "decompression bombs" in refused(path)


def test_a_chunk_that_is_shorter_than_its_checksum(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", chunks=(2, 3, 4), compression="gzip", fletcher32=True)
    with h5py.File(path) as file:
        info = file["a"].id.get_chunk_info_by_coord((6, 3, 4))
    content = path.read_bytes()
    entry = info.size.to_bytes(4, "little") + bytes(4) + b"".join(n.to_bytes(8, "little") for n in (6, 3, 4))
    assert content.count(entry) == 1
    path.write_bytes(content.replace(entry, (2).to_bytes(4, "little") + entry[4:]))
    assert "the chunk that begins at (6, 3, 4) is cut short" in refused(path)


# Damaged files


def test_every_cut_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", chunks=(2, 3, 4), compression="gzip")
    content = path.read_bytes()
    for n in range(1, len(content), 97):
        path.write_bytes(content[:n])
        with pytest.raises(ReadError):
            read(path)


def test_damage_anywhere_is_survived(tmp_path: Path, read_in_sandbox: Any) -> None:
    rng = np.random.default_rng(0)
    content = save(tmp_path / "a.h5", chunks=(2, 3, 4), compression="gzip", fletcher32=True).read_bytes()
    paths = []
    for i in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] = rng.integers(256)
        paths.append(tmp_path / f"damaged{i}.h5")
        paths[-1].write_bytes(damaged)
    outcome = read_in_sandbox(paths)
    assert [one for one in outcome.values() if not one.startswith(("ok (7, 6, 5)", "ReadError"))] == []


def test_what_is_not_hdf5(tmp_path: Path) -> None:
    for content in (b"\x89HDF", b"\0" * 4096, b"\0" * 100 + b"\x89HDF\r\n\x1a\n" + b"\0" * 1000):
        (tmp_path / "a").write_bytes(content)
        assert not hdf5.sniff(tmp_path / "a", content[:512])
    assert not hdf5.sniff(tmp_path / "gone", b"\0" * 512)
    assert not hdf5.sniff(tmp_path, b"")


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'klevels\[io\]'"):
        read(path)
