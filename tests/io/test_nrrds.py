"""NRRD: the values and the voxel size are those that pynrrd and ITK read, and what is not certain is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from klevels.errors import InputMissingError, MissingDependencyError, ReadError
from klevels.io import describe, nrrds, packed, read
from windows import check_lazy

DTYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
ENCODINGS = ["gzip", "bzip2", "ascii"]
BASIC = {
    "type": "short",
    "dimension": "3",
    "sizes": "2 3 4",
    "encoding": "raw",
    "endian": "little",
}
VALUES = np.arange(24, dtype=np.int16).reshape(4, 3, 2)


def volume(dtype: str = "int16", shape: tuple[int, ...] = (6, 5, 4)) -> np.ndarray:
    """Return values along x, y, z, as pynrrd has them."""
    return (np.random.default_rng(0).random(shape) * 100).astype(dtype)


def write_text(path: Path, values: bytes = VALUES.tobytes(), newline: str = "\n", **fields: str | None) -> Path:
    """Write a header as it may come, and values after it; a field of None is left out."""
    lines = ["NRRD0005", "# a comment"]
    for name, value in (BASIC | {name.replace("_", " "): value for name, value in fields.items()}).items():
        lines += [] if value is None else [f"{name}: {value}"]
    path.write_bytes((newline.join(lines) + 2 * newline).encode() + values)
    return path


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("endian", ["little", "big"])
def test_raw_values_are_mapped(tmp_path: Path, dtype: str, endian: str) -> None:
    header = {"encoding": "raw", "endian": endian}
    nrrd.write(str(tmp_path / "a.nrrd"), volume(dtype).astype(np.dtype(dtype).newbyteorder(endian[0])), header)
    image = read(tmp_path / "a.nrrd", lazy=True)
    assert (image.axes, image.spacing, image.unit) == ("zyx", None, None)
    assert image.meta == {"format": "NRRD", "compression": "none"}
    check_lazy(image.data, volume(dtype).T)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("dtype", ["int8", "uint16", "float64"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr"])
def test_packed_values_are_in_memory(tmp_path: Path, encoding: str, dtype: str, name: str) -> None:
    nrrd.write(str(tmp_path / name), volume(dtype), {"encoding": encoding})
    image = read(tmp_path / name, lazy=True)
    assert isinstance(image.data, np.ndarray)
    np.testing.assert_allclose(image.data, volume(dtype).T)
    facts = describe(tmp_path / name)
    assert facts["compression"] == ("text" if encoding == "ascii" else encoding)
    assert facts["file_bytes"] == sum(one.stat().st_size for one in tmp_path.iterdir())


def test_detached_header(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "a.nhdr"), volume(), {"encoding": "raw"})
    check_lazy(read(tmp_path / "a.nhdr", lazy=True).data, volume().T)
    (tmp_path / "a.raw").unlink()
    with pytest.raises(InputMissingError, match=r"there is no 'a.raw' beside it"):
        read(tmp_path / "a.nhdr")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_end_either_way(tmp_path: Path, newline: str) -> None:
    np.testing.assert_array_equal(read(write_text(tmp_path / "a.nrrd", newline=newline)).data, VALUES)


@pytest.mark.parametrize("fields", [{"line_skip": "2"}, {"byte_skip": "10"}, {"byte_skip": "-1"}, {"lineskip": "1"}])
def test_skipping(tmp_path: Path, fields: dict[str, str]) -> None:
    (tmp_path / "values").write_bytes(b"1234\n6789\n"[-5 if "lineskip" in fields else 0 :] + VALUES.tobytes())
    image = read(write_text(tmp_path / "a.nhdr", b"", **fields, data_file="./values"), lazy=True)
    check_lazy(image.data, VALUES)


def test_bytes_are_skipped_after_unpacking(tmp_path: Path) -> None:
    import gzip

    content = b"one line\n" + gzip.compress(b"12345" + VALUES.tobytes())
    path = write_text(tmp_path / "a.nrrd", content, encoding="gz", line_skip="1", byte_skip="5")
    np.testing.assert_array_equal(read(path).data, VALUES)


@pytest.mark.parametrize(
    ("fields", "spacing", "unit"),
    [
        ({"spacings": "1 2 3"}, (3, 2, 1), None),
        ({"spacings": "1 2 3", "units": '"um" "um" "um"'}, (3, 2, 1), "µm"),
        ({"spacings": "1 2 3", "units": '"µm" "µm" "µm"'}, (3, 2, 1), "µm"),
        ({"spacings": "1 2 3", "units": '"mm" "mm" "um"'}, (3, 2000, 1000), "µm"),
        ({"spacings": "1 2 3", "units": '"mm" "mm" "s"'}, None, None),
        (
            {"space": "LPS", "space_directions": "(1,0,0) (0,2,0) (0,0,3)", "space_units": '"mm" "mm" "um"'},
            None,
            None,
        ),
        ({"spacings": "1 2 NaN"}, None, None),
        ({"spacings": "1 2 0"}, None, None),
        ({"space_dimension": "3", "space_directions": "(1,0,0) (0,-2,0) (0,0,3)"}, (3, 2, 1), None),
        ({"space": "scanner-xyz", "space_directions": "(3,4,0) (-4,3,0) (0,0,2)"}, (2, 5, 5), None),
        (
            {"space": "LPS", "space_directions": "(1,0,0) (0,2,0) (0,0,3)", "space_units": '"mm" "mm" "mm"'},
            (3, 2, 1),
            "mm",
        ),
        ({"space": "LPS", "space_directions": "none (0,2,0) (0,0,3)", "kinds": "domain domain domain"}, None, None),
    ],
)
def test_spacing(tmp_path: Path, fields: dict[str, str], spacing: Any, unit: str | None) -> None:
    image = read(write_text(tmp_path / "a.nrrd", **fields))
    assert (image.spacing, image.unit) == (spacing, unit)
    assert "space_directions" not in image.meta


def test_sheared_voxels_have_no_spacing(tmp_path: Path) -> None:
    image = read(write_text(tmp_path / "a.nrrd", space="LPS", space_directions="(1,0,0) (0,2,0) (0,1,3)"))
    assert image.spacing is None
    assert image.meta["space_directions"] == ((0, 1, 3), (0, 2, 0), (1, 0, 0))


@pytest.mark.parametrize(
    ("sizes", "kinds", "axes", "order"),
    [
        ("3 4 2", "list domain domain", "yxc", (0, 1, 2)),
        ("4 2 3", "domain domain vector", "yxc", (1, 2, 0)),
        ("2 3 2 2", "domain RGB-color domain domain", "zyxc", (0, 1, 3, 2)),
        ("1 3 4 2", "list domain domain space", "zyx", (0, 1, 2, 3)),
        ("3 4 2 1", "domain domain domain time", "zyx", (0, 1, 2, 3)),
        ("3 4 2 1", None, "zyx", (0, 1, 2, 3)),
        ("6 4", None, "yx", (0, 1)),
        ("3 8 1", None, "zyx", (0, 1, 2)),
    ],
)
def test_axes(tmp_path: Path, sizes: str, kinds: str | None, axes: str, order: tuple[int, ...]) -> None:
    shape = [int(n) for n in sizes.split()][::-1]
    expected = VALUES.reshape(shape).transpose(order)
    expected = expected.reshape([n for i, n in enumerate(expected.shape) if n > 1 or (sizes == "3 8 1" and i == 0)])
    path = write_text(tmp_path / "a.nrrd", sizes=sizes, dimension=str(len(shape)), kinds=kinds)
    image = read(path, lazy=True)
    assert image.axes == axes
    check_lazy(image.data, expected)


def test_an_axis_without_direction_is_a_channel(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.nrrd", space="left-posterior", space_directions="none (1,0) (0,2)")
    image = read(path)
    assert (image.axes, image.spacing, image.shape) == ("yxc", (2, 1), (4, 3, 2))


@pytest.mark.parametrize("use_compression", [False, True])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_itk_agrees(tmp_path: Path, use_compression: bool, n_channels: int) -> None:
    values = np.random.default_rng(0).integers(0, 999, (4, 5, 6, n_channels), np.uint16)
    image = SimpleITK.GetImageFromArray(values if n_channels > 1 else values[..., 0], isVector=n_channels > 1)
    image.SetSpacing((0.5, 0.25, 2))
    angle = np.sin(0.5), np.cos(0.5)
    image.SetDirection((angle[1], -angle[0], 0, angle[0], angle[1], 0, 0, 0, 1))
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"), useCompression=use_compression)
    found = read(tmp_path / "a.nrrd", lazy=True)
    assert found.is_lazy is not use_compression
    assert found.spacing == pytest.approx((2, 0.25, 0.5))
    assert found.axes == ("zyx" if n_channels == 1 else "zyxc")
    np.testing.assert_array_equal(found.data, values.squeeze())


@given(st.data())
def test_windows_are_parts_of_the_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "windows.nrrd"
    if not path.exists():
        write_text(path, dimension="4", sizes="2 2 3 2", kinds="domain list domain domain")
    image = read(path, lazy=True)
    key = tuple(data.draw(st.slices(n)) for n in image.shape)
    np.testing.assert_array_equal(image.data[key], VALUES.reshape(2, 3, 2, 2).transpose(0, 1, 3, 2)[key])


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"sizes": "2 3"}, "claims 3 dimensions of sizes"),
    ({"sizes": "2 -3 4"}, "claims 3 dimensions of sizes"),
    ({"sizes": "2 0 4"}, "claims 3 dimensions of sizes"),
    ({"sizes": "2 3 400000000000"}, "is cut short"),
    ({"sizes": "2 3 5"}, "is cut short"),
    ({"sizes": "99999999999999 99999999999999 99999999999999"}, "is cut short"),
    ({"sizes": "99999 99999 99999", "encoding": "gzip"}, "decompression bomb"),
    ({"sizes": "99999 99999 99999", "encoding": "text"}, "cannot hold"),
    ({"sizes": "2 3 5", "byte_skip": "-1"}, "is cut short"),
    ({"sizes": None}, "no 'sizes'"),
    ({"type": None}, "no 'type'"),
    ({"encoding": None}, "no 'encoding'"),
    ({"dimension": None}, "no 'dimension'"),
    ({"endian": None}, "no 'endian'"),
    ({"endian": "middle"}, "endian is 'middle'"),
    ({"type": "block"}, "type is 'block'"),
    ({"type": "complex"}, "type is 'complex'"),
    ({"encoding": "hex"}, "encoding is 'hex'"),
    ({"encoding": "gzip"}, "cannot be read as gzip"),
    ({"encoding": "bz2"}, "cannot be read as bzip2"),
    ({"encoding": "text"}, "cannot be read as text|numbers"),
    ({"kinds": "domain domain"}, "2 kinds for 3 axes"),
    ({"kinds": "domain domain time"}, "is a time of 4"),
    ({"kinds": "list list domain"}, "at most one list"),
    ({"kinds": "domain complex domain"}, "is a complex of 3"),
    ({"dimension": "1", "sizes": "24"}, "two or three axes of space"),
    ({"dimension": "4", "sizes": "2 3 2 2"}, "two or three axes of space"),
    ({"spacings": "1 2"}, "spacings are 2, but 3"),
    ({"units": '"mm"'}, "units are 1, but 3"),
    ({"space": "LPS", "space_directions": "(1,0,0) (0,1,0)"}, "space directions are 2, but 3"),
    ({"byte_skip": "-2"}, "begin at byte -2"),
    ({"byte_skip": "99999999999999999999"}, "is cut short"),
    ({"line_skip": "-1"}, "-1 lines"),
    ({"line_skip": "99999999999999999999"}, "lines of it are to be skipped, it has"),
    ({"data_file": "/etc/passwd"}, "in the folder of the header"),
    ({"data_file": "../a.raw"}, "in the folder of the header"),
    ({"data_file": "b/../../a.raw"}, "in the folder of the header"),
    ({"data_file": r"..\a.raw"}, "in the folder of the header"),
    ({"data_file": r"C:\a.raw"}, "in the folder of the header"),
    ({"data_file": "LIST"}, "several files"),
    ({"data_file": "slice%03d.raw 1 9 1"}, "several files"),
    ({"data_file": "."}, "no regular file"),
    ({"data_file": "gone.raw"}, "there is no 'gone.raw'"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_refusals(tmp_path: Path, fields: dict[str, str | None], message: str) -> None:
    path = write_text(tmp_path / "a.nrrd", **fields)
    with pytest.raises(ReadError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3", "cannot hold"),
        (" ".join("1" * 23) + "  ", "holds 23 numbers"),
        (" ".join("1" * 25), "holds 25 numbers"),
        ("300 " * 24, "out of bounds|too large"),
        ("1.5 " * 24, "invalid literal"),
        ("one " * 24, "invalid literal"),
    ],
)
def test_broken_text(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read(write_text(tmp_path / "a.nrrd", text.encode(), encoding="text", type="uchar"))


def test_text_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_TEXT", 8)
    with pytest.raises(ReadError, match="of text; at most"):
        read(write_text(tmp_path / "a.nrrd", encoding="text"))


@pytest.mark.parametrize("encoding", ["raw", *ENCODINGS])
def test_every_cut_is_refused(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.nrrd"
    nrrd.write(str(path), volume() % 10, {"encoding": encoding})
    content = path.read_bytes()
    for n in range(1, len(content) - 1, 11):
        path.write_bytes(content[:n])
        with pytest.raises(ReadError):
            read(path)


def test_a_header_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\n" + b"#" * packed.MAX_HEADER)
    with pytest.raises(ReadError, match="does not end within 1 MB"):
        read(tmp_path / "a.nrrd")


@pytest.mark.parametrize("lines", ["type short", "type: short\ntype: short", "sizes: two three", "dimension: x"])
def test_headers_that_make_no_sense(tmp_path: Path, lines: str) -> None:
    (tmp_path / "a.nrrd").write_text(f"NRRD0004\n{lines}\n\n")
    with pytest.raises(ReadError, match="cannot be read"):
        read(tmp_path / "a.nrrd")


@pytest.mark.parametrize("content", [b"NRRD", b"NRRD0004", b"nrrd0004\n", b"NRRD9999\n", b"\nNRRD0004\n"])
def test_what_is_not_nrrd(content: bytes) -> None:
    assert not nrrds.sniff(content)


def test_without_pynrrd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nrrd", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'klevels\[io\]'"):
        read(write_text(tmp_path / "a.nrrd"))
