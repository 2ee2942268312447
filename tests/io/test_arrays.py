"""NPY and NPZ: what is written comes back; lies are refused before they take memory."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib import format as npy

from klevels.errors import ParameterError, ReadError
from klevels.image import Image
from klevels.io import arrays, describe, read, write
from klevels.lazy import MappedArray
from windows import check_lazy

DTYPES = ["?", "u1", "i1", "<u2", ">u2", "<i4", ">f4", "<f2", "<f8", "<i8"]


def npy_bytes(shape: tuple[int, ...], descr: Any, body: bytes) -> bytes:
    """An NPY whose header says whatever it likes."""
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue() + body


def npz(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def saved(array: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asanyarray(array))
    return stream.getvalue()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_round_trip(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3, max_side=5))
    array = data.draw(hnp.arrays(dtype, shape))
    if data.draw(st.booleans()):
        array = np.asfortranarray(array)
    path = tmp_path / f"image{suffix}"
    write(path, array, overwrite=True)
    image = read(path)
    np.testing.assert_array_equal(image.data, array)
    assert image.dtype == array.dtype
    assert image.axes == {2: "yx", 3: "zyx"}[array.ndim]
    assert image.spacing is None
    facts = describe(path)
    assert (facts["shape"], facts["dtype"], facts["axes"]) == (array.shape, str(array.dtype), image.axes)
    assert facts["bytes"] == array.nbytes


def test_npz_carries_axes_spacing_and_unit(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    write(tmp_path / "a.npz", Image(array, "zyxc", (0.5, 0.1, 0.1), "µm"))
    image = read(tmp_path / "a.npz")
    assert (image.axes, image.spacing, image.unit) == ("zyxc", (0.5, 0.1, 0.1), "µm")
    assert np.array_equal(image.data, array)
    facts = describe(tmp_path / "a.npz")
    assert (facts["axes"], facts["spacing"], facts["unit"]) == ("zyxc", (0.5, 0.1, 0.1), "µm")
    assert facts["compression"] == "deflate"


def test_strided_and_read_only_arrays_are_written(tmp_path: Path) -> None:
    array = np.arange(60).reshape(6, 10)[::2, ::-3]
    array.setflags(write=False)
    write(tmp_path / "a.npy", array)
    assert np.array_equal(read(tmp_path / "a.npy").data, array)


def test_npz_of_numpy(tmp_path: Path) -> None:
    image, other = np.ones((2, 3), np.uint8), np.zeros((4, 4), np.uint8)
    np.savez(tmp_path / "one.npz", image)
    assert read(tmp_path / "one.npz").shape == (2, 3)
    np.savez(tmp_path / "named.npz", other=other, labels=image)
    assert read(tmp_path / "named.npz").shape == (2, 3)
    np.savez(tmp_path / "two.npz", other=other, another=image)
    with pytest.raises(ReadError, match=r"2 arrays \(other, another\)"):
        read(tmp_path / "two.npz")


@pytest.mark.parametrize(
    ("shape", "descr", "body", "message"),
    [
        ((3, 4), "|u1", b"\0" * 11, "takes 12 bytes, the file holds 11"),
        ((3, 4), "|u1", b"\0" * 13, "takes 12 bytes, the file holds 13"),
        ((1 << 20, 1 << 20, 1 << 20), "<f8", b"", "takes"),
        ((1 << 40, 1 << 40), "<f8", b"\0" * 8, "takes"),
        ((0, 4), "|u1", b"", "at least one pixel"),
        ((-3, -4), "|u1", b"\0" * 12, "at least one pixel"),
        ((12,), "|u1", b"\0" * 12, "use axes"),
        ((), "|u1", b"\0", "use axes"),
        ((1, 1, 1, 1), "|u1", b"\0", "use axes"),
        ((2, 2), "<c8", b"\0" * 32, "dtype is complex64"),
        ((2, 2), "|O", b"\0" * 32, "dtype is object"),
        ((2, 2), "<U1", b"\0" * 16, "dtype is <U1"),
        ((2, 2), "<M8[s]", b"\0" * 32, "dtype is datetime64"),
        ((2, 2), [("a", "<f8")], b"\0" * 32, "dtype is"),
        ((20, 30, 3), "|u1", b"\0" * 1800, "may be a color image"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_lies_are_refused(
    tmp_path: Path, shape: tuple[int, ...], descr: Any, body: bytes, message: str, suffix: str
) -> None:
    path = tmp_path / f"image{suffix}"
    content = npy_bytes(shape, descr, body)
    if suffix == ".npy":
        path.write_bytes(content)
    else:
        npz(path, {"image.npy": content})
    for verb in (read, describe):
        with pytest.raises(ReadError, match=message) as caught:
            verb(path)
        assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("header", [b"{", b"__import__('os').getcwd()", b"{'descr': '<u1'}", b"(" * 5000, b"\xff\xfe"])
def test_broken_headers_are_refused(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(npy.magic(1, 0) + struct.pack("<H", len(header)) + header)
    with pytest.raises(ReadError):
        read(tmp_path / "a.npy")


def test_other_versions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x09\x00" + b"\0" * 99)
    with pytest.raises(ReadError, match=r"version 9\.0"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_every_cut_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    write(path, np.arange(12, dtype=np.uint8).reshape(3, 4))
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(ReadError):
            read(path)


def test_damage_in_an_npz_is_noticed(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", {"image.npy": saved(np.zeros((40, 40), np.uint8))}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReadError, match="CRC"):
        read(path)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path / "bomb.npz", {"image.npy": saved(np.zeros((2000, 2000), np.uint8))})
    assert read(path).shape == (2000, 2000)
    monkeypatch.setattr(arrays, "_BOMB_BYTES", 1 << 20)  # a real one would make the tests slow
    with pytest.raises(ReadError, match="bomb"):
        read(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"axes": "zyx"}, "do not fit"),
        ({"axes": "qq"}, "do not fit"),
        ({"spacing": [1.0]}, "spacing"),
        ({"spacing": [1.0, -1.0]}, "spacing"),
        ({"spacing": [1.0, np.nan]}, "spacing"),
        ({"axes": "y" * 2000}, "at most"),
    ],
)
def test_facts_that_do_not_fit_are_refused(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", image=np.zeros((2, 3)), **facts)
    with pytest.raises(ReadError, match=message):
        read(tmp_path / "a.npz")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=np.zeros((2, 3)), axes=np.array(["yx", None], object))
    with pytest.raises(ReadError):
        read(tmp_path / "a.npz")


def test_other_compressions_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", {"image.npy": saved(np.zeros((2, 3)))}, zipfile.ZIP_LZMA)
    with pytest.raises(ReadError, match="method"):
        read(path)


def test_other_archives_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", {"readme.txt": b"nothing"})
    with pytest.raises(ReadError, match=r"0 arrays \(none\)"):
        read(path)


def test_color_is_not_written_as_npy(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"a\.npy: .*write \.npz"):
        write(tmp_path / "a.npy", Image(np.zeros((2, 2, 3)), "yxc"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [complex, object, "U3", np.longdouble])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_other_dtypes_are_not_written(tmp_path: Path, dtype: Any, suffix: str) -> None:
    with pytest.raises(ParameterError, match="dtype"):
        write(tmp_path / f"a{suffix}", np.zeros((2, 2), dtype))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_open_npy_is_mapped(tmp_path: Path, dtype: str, order: Any) -> None:
    whole = (np.random.default_rng(0).random((3, 5, 7)) * 100).astype(dtype)
    np.save(tmp_path / "a.npy", np.asarray(whole, order=order))
    image = arrays.open(tmp_path / "a.npy")
    assert isinstance(image.data, MappedArray)
    assert (image.axes, image.shape, image.meta["format"]) == ("zyx", (3, 5, 7), "NPY")
    check_lazy(image.data, whole.astype(whole.dtype.newbyteorder("=")))
    assert image.data.chunks == ((3, 5, 1) if order == "F" else (1, 5, 7))


def test_an_npz_stays_in_memory(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", Image(np.ones((3, 4)), "yx", (1, 2), "mm"))
    image = arrays.open(tmp_path / "a.npz")
    assert not image.is_lazy
    assert (image.spacing, image.unit) == ((1, 2), "mm")


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_headers_of_both_versions_are_left_out_of_the_map(tmp_path: Path, version: tuple[int, int]) -> None:
    with (tmp_path / "a.npy").open("wb") as stream:
        npy.write_array(stream, np.arange(12.0).reshape(3, 4), version=version)
    assert np.asarray(arrays.open(tmp_path / "a.npy").data).tolist() == np.arange(12.0).reshape(3, 4).tolist()


def test_what_reading_refuses_is_not_opened(tmp_path: Path) -> None:
    for content in (
        npy_bytes((9, 9), "|u1", bytes(80)),
        npy_bytes((2, 2), "<c8", bytes(32)),
        npy_bytes((4,), "|u1", bytes(4)),
    ):
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(ReadError) as caught:
            arrays.read(tmp_path / "a.npy")
        with pytest.raises(ReadError) as again:
            arrays.open(tmp_path / "a.npy")
        assert str(caught.value) == str(again.value)
