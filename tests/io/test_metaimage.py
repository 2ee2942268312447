"""MetaImage: the values and the voxel size are those that ITK reads, and what is not certain is refused."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from klevels.errors import InputMissingError, ReadError
from klevels.io import describe, metaimage, packed, read
from klevels.lazy import scaled
from windows import check_lazy

DTYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
BASIC = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "DimSize": "2 3 4",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
VALUES = np.arange(24, dtype=np.int16).reshape(4, 3, 2)


def volume(dtype: str = "int16", shape: tuple[int, ...] = (4, 5, 6)) -> np.ndarray:
    return (np.random.default_rng(0).random(shape) * 100).astype(dtype)


def write_text(path: Path, values: bytes = VALUES.tobytes(), newline: str = "\n", **fields: str | None) -> Path:
    """Write a header as it may come, and values after it; a field of None is left out."""
    merged = BASIC | fields
    merged["ElementDataFile"] = merged.pop("ElementDataFile")
    lines = [f"{name} = {value}" for name, value in merged.items() if value is not None]
    path.write_bytes((newline.join(lines) + newline).encode() + values)
    return path


def by_itk(path: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
@pytest.mark.parametrize("use_compression", [False, True])
def test_itk_agrees(tmp_path: Path, dtype: str, name: str, use_compression: bool) -> None:
    image = SimpleITK.GetImageFromArray(volume(dtype))
    image.SetSpacing((0.5, 0.25, 2))
    SimpleITK.WriteImage(image, str(tmp_path / name), useCompression=use_compression)
    found = read(tmp_path / name, lazy=True)
    assert (found.axes, found.spacing, found.unit) == ("zyx", (2, 0.25, 0.5), None)
    assert found.meta == {"format": "MetaImage", "compression": "zlib" if use_compression else "none"}
    if use_compression:
        assert isinstance(found.data, np.ndarray)
        np.testing.assert_array_equal(found.data, volume(dtype))
        assert found.dtype == dtype
    else:
        check_lazy(found.data, volume(dtype))
    facts = describe(tmp_path / name)
    assert ("chunks" in facts) is not use_compression
    assert facts["file_bytes"] == sum(one.stat().st_size for one in tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(5, 6, 3), (4, 5, 6, 3)])
def test_channels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume("uint8", shape), isVector=True), str(tmp_path / "a.mha"))
    found = read(tmp_path / "a.mha", lazy=True)
    assert found.axes == "zyxc"[-len(shape) :]
    assert found.spacing == (1,) * (len(shape) - 1)
    check_lazy(found.data, volume("uint8", shape))


@pytest.mark.parametrize("field", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
def test_big_endian(tmp_path: Path, field: str) -> None:
    path = write_text(tmp_path / "a.mha", VALUES.astype(">i2").tobytes(), **{field: "True"})
    np.testing.assert_array_equal(by_itk(path), VALUES)
    check_lazy(read(path, lazy=True).data, VALUES)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_end_either_way(tmp_path: Path, newline: str) -> None:
    np.testing.assert_array_equal(read(write_text(tmp_path / "a.mha", newline=newline)).data, VALUES)


@pytest.mark.parametrize("size", ["10", "-1"])
def test_bytes_before_the_values(tmp_path: Path, size: str) -> None:
    (tmp_path / "values").write_bytes(b"0123456789" + VALUES.tobytes())
    path = write_text(tmp_path / "a.mhd", b"", HeaderSize=size, ElementDataFile="values")
    np.testing.assert_array_equal(by_itk(path), VALUES)
    check_lazy(read(path, lazy=True).data, VALUES)


def test_bytes_between_header_and_values(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.mha", b"0123456789" + VALUES.tobytes(), HeaderSize="-1")
    np.testing.assert_array_equal(by_itk(path), VALUES)
    np.testing.assert_array_equal(read(path).data, VALUES)


def test_values_as_text(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.mha", " ".join(map(str, [*VALUES.ravel(), ""])).encode(), BinaryData="False")
    np.testing.assert_array_equal(by_itk(path), VALUES)
    np.testing.assert_array_equal(read(path).data, VALUES)


def test_gzip_is_told_from_zlib(tmp_path: Path) -> None:
    import gzip

    path = write_text(tmp_path / "a.mha", gzip.compress(VALUES.tobytes()), CompressedData="True")
    np.testing.assert_array_equal(read(path).data, VALUES)


@pytest.mark.parametrize(
    ("fields", "spacing", "unit"),
    [
        ({}, None, None),
        ({"ElementSpacing": "1 2 3"}, (3, 2, 1), None),
        ({"ElementSize": "1 2 3"}, (3, 2, 1), None),
        ({"ElementSize": "4 5 6", "ElementSpacing": "1 2 3", "DistanceUnits": "um"}, (3, 2, 1), "µm"),
        ({"ElementSpacing": "1 2 3", "DistanceUnits": "mm"}, (3, 2, 1), "mm"),
        ({"ElementSpacing": "1 2 3", "DistanceUnits": "?"}, (3, 2, 1), None),
        ({"ElementSpacing": "1 0 3"}, None, None),
        ({"ElementSpacing": "1 nan 3"}, None, None),
        ({"NDims": "4", "DimSize": "2 3 4 1", "ElementSpacing": "1 2 3 9"}, (3, 2, 1), None),
        ({"NDims": "2", "DimSize": "6 4", "ElementSpacing": "1 2"}, (2, 1), None),
    ],
)
def test_spacing(tmp_path: Path, fields: dict[str, str], spacing: object, unit: str | None) -> None:
    image = read(write_text(tmp_path / "a.mha", **fields))
    assert (image.spacing, image.unit) == (spacing, unit)


def test_a_fourth_axis_of_length_one(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.mha", NDims="4", DimSize="2 3 4 1")
    check_lazy(read(path, lazy=True).data, VALUES)


def test_intensities_are_a_function_of_elements(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.mha", ElementToIntensityFunctionSlope="0.5", ElementToIntensityFunctionOffset="-1")
    check_lazy(read(path, lazy=True).data, scaled(VALUES, 0.5, -1))


@given(st.data())
def test_windows_are_parts_of_the_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "windows.mha"
    if not path.exists():
        write_text(path, DimSize="2 2 2", ElementNumberOfChannels="3")
    image = read(path, lazy=True)
    key = tuple(data.draw(st.slices(n)) for n in image.shape)
    np.testing.assert_array_equal(image.data[key], VALUES.reshape(2, 2, 2, 3)[key])


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"ObjectType": "Tube"}, "ObjectType is 'Tube'"),
    ({"DimSize": None}, "no DimSize"),
    ({"DimSize": "two"}, "DimSize is 'two'"),
    ({"DimSize": "1.5 2 3"}, "DimSize is '1.5 2 3'; whole numbers"),
    ({"DimSize": "inf 2 3"}, "whole numbers"),
    ({"DimSize": "2 -3 4"}, "NDims 3 and DimSize"),
    ({"DimSize": "2 0 4"}, "NDims 3 and DimSize"),
    ({"DimSize": "2 3"}, "NDims 3 and DimSize"),
    ({"NDims": "1", "DimSize": "24"}, "NDims 1 and DimSize"),
    ({"NDims": "4", "DimSize": "2 3 2 2"}, "NDims 4 and DimSize"),
    ({"DimSize": "2 3 5"}, "is cut short"),
    ({"DimSize": "2 3 1e300"}, "is cut short"),
    ({"DimSize": "99999 99999 99999", "CompressedData": "True"}, "decompression bomb"),
    ({"DimSize": "99999 99999 99999", "BinaryData": "False"}, "cannot hold"),
    ({"CompressedData": "True"}, "cannot be read as zlib"),
    ({"CompressedData": "Perhaps"}, "CompressedData is 'Perhaps'"),
    ({"ElementType": None}, "no ElementType"),
    ({"ElementType": "MET_STRING"}, "ElementType is 'MET_STRING'"),
    ({"ElementNumberOfChannels": "17"}, "has 17 channels"),
    ({"ElementNumberOfChannels": "0"}, "has 0 channels"),
    ({"ElementNumberOfChannels": "-1"}, "has -1 channels"),
    ({"ElementNumberOfChannels": "2"}, "is cut short"),
    ({"HeaderSize": "-2"}, "HeaderSize is -2"),
    ({"HeaderSize": "-1", "CompressedData": "True"}, "HeaderSize is -1"),
    ({"HeaderSize": "99999999999"}, "is cut short"),
    ({"HeaderSize": "-1", "DimSize": "2 3 5"}, "is cut short"),
    ({"HeaderSize": "1e300"}, "is cut short"),
    ({"ElementSpacing": "wide"}, "ElementSpacing is 'wide'"),
    ({"ElementToIntensityFunctionSlope": "0"}, "ElementToIntensityFunction is"),
    ({"ElementToIntensityFunctionOffset": "nan"}, "ElementToIntensityFunction is"),
    ({"ElementDataFile": "/etc/passwd"}, "in the folder of the header"),
    ({"ElementDataFile": "../a.raw"}, "in the folder of the header"),
    ({"ElementDataFile": r"\\host\a.raw"}, "in the folder of the header"),
    ({"ElementDataFile": ""}, "in the folder of the header"),
    ({"ElementDataFile": "LIST"}, "several files"),
    ({"ElementDataFile": "a%03d.raw 1 4 1"}, "several files"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_refusals(tmp_path: Path, fields: dict[str, str | None], message: str) -> None:
    path = write_text(tmp_path / "a.mha", **fields)
    with pytest.raises(ReadError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_values_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"there is no 'gone.raw' beside it"):
        read(write_text(tmp_path / "a.mhd", ElementDataFile="gone.raw"))


@pytest.mark.parametrize("is_compressed", [False, True])
def test_every_cut_is_refused(tmp_path: Path, is_compressed: bool) -> None:
    values = VALUES.tobytes()
    path = write_text(
        tmp_path / "a.mha", zlib.compress(values) if is_compressed else values, CompressedData=str(is_compressed)
    )
    content = path.read_bytes()
    for n in range(1, len(content), 5):
        path.write_bytes(content[:n])
        with pytest.raises(ReadError):
            read(path)


def test_damage_to_compressed_values_is_refused(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.mha", zlib.compress(VALUES.tobytes()), CompressedData="True")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # the checksum
    path.write_bytes(content)
    with pytest.raises(ReadError, match="cannot be read as zlib"):
        read(path)


def test_a_header_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.mha").write_bytes(b"NDims = 3\n" + b"#" * packed.MAX_HEADER + b"\nElementDataFile = LOCAL\n")
    with pytest.raises(ReadError, match="no line ElementDataFile"):
        read(tmp_path / "a.mha")


@pytest.mark.parametrize("content", [b"x = 1\n", b"NDims: 3\n", b"\0NDims = 3\n", b"some text\nNDims = 3\n"])
def test_what_is_not_metaimage(content: bytes) -> None:
    assert not metaimage.sniff(content)
