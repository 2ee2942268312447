"""Raw files are read as they are told to lie, to the byte, or refused."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from klevels.errors import InputMissingError, ReadError
from klevels.io import Layout, describe, raw, read
from klevels.lazy import MappedArray

SHAPES = ((5, 7), (3, 5, 7))


def values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return (np.random.default_rng(1).random(shape) * 2**7).astype(dtype)


@pytest.mark.parametrize("dtype", raw.DTYPES)
@pytest.mark.parametrize("byte_order", raw.BYTE_ORDERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0, 13])
def test_values_come_as_they_lie(
    tmp_path: Path, dtype: str, byte_order: Any, shape: tuple[int, ...], offset: int
) -> None:
    path, data = tmp_path / "scan.vol", values(shape, dtype)
    path.write_bytes(bytes(offset) + data.astype(data.dtype.newbyteorder(byte_order)).tobytes())
    spacing = (2.0, 0.5, 0.25)[-len(shape) :]
    layout = Layout(shape=shape, dtype=dtype, byte_order=byte_order, offset=offset, spacing=spacing, unit="µm")
    image = raw.open(path, layout)
    assert isinstance(image.data, MappedArray)
    assert (image.axes, image.spacing, image.unit) == ("zyx"[-len(shape) :], spacing, "µm")
    assert (image.shape, image.dtype) == (shape, np.dtype(dtype))
    assert np.array_equal(image.loaded().data, data)
    assert np.array_equal(pickle.loads(pickle.dumps(image.data))[1:, ..., 2:5], data[1:, ..., 2:5])
    small = read(path, layout=layout)
    assert not small.is_lazy
    assert small.data.dtype.isnative
    assert np.array_equal(small.data, data)


def test_the_record_beside_a_file_tells_its_layout(tmp_path: Path) -> None:
    path, data = tmp_path / "labels.raw", values((3, 5, 7), "uint16")
    path.write_bytes(data.tobytes())
    assert not raw.sniff(path)
    with pytest.raises(ReadError, match="no known format"):
        read(path)
    with pytest.raises(ReadError, match="nothing tells"):
        raw.open(path)
    layout = {"shape": [3, 5, 7], "dtype": "uint16", "byte_order": "little", "offset": 0}
    record = tmp_path / "labels.raw.json"
    record.write_text(json.dumps({"version": 1, "layout": layout | {"spacing": [2, 1, 1], "unit": "mm"}}))
    assert raw.sniff(path)
    image = read(path)
    assert (image.spacing, image.unit, image.axes) == ((2, 1, 1), "mm", "zyx")
    assert np.array_equal(image.data, data)
    facts = describe(path)
    assert (facts["format"], facts["shape"], facts["chunks"]) == ("raw", (3, 5, 7), (1, 5, 7))
    record.write_text(json.dumps({"layout": layout | {"spacing": None, "unit": None}}))
    assert read(path).spacing is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"layout": 3}', b'{"layout": null}', b"{}", b"\xff\xfe", b"[" * 100_000]
)
def test_other_records_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(10))
    (tmp_path / "a.raw.json").write_bytes(content)
    assert not raw.sniff(tmp_path / "a.raw")


def test_sniffing_never_raises(tmp_path: Path) -> None:
    assert not raw.sniff(tmp_path)
    assert not raw.sniff(tmp_path / "absent")
    (tmp_path / "a.raw.json").mkdir()
    assert not raw.sniff(tmp_path / "a.raw")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (3, 5)}, r"3 × 5 values of uint16 take 30 bytes, but the file has 210"),
        ({"shape": (3, 5, 8)}, r"3 × 5 × 8 values of uint16 take 240 bytes, but the file has 210"),
        ({"offset": 10}, r"take 210 bytes after 10 bytes of header, but the file has 210"),
        ({"offset": -1}, "its offset is -1"),
        ({"offset": True}, "its offset is True"),
        ({"shape": (210,)}, "its shape is"),
        ({"shape": (1, 3, 5, 7)}, "its shape is"),
        ({"shape": (3, 0, 7)}, "its shape is"),
        ({"shape": (3, 5.0, 7)}, "its shape is"),
        ({"shape": "abc"}, r"its shape is \('a', 'b', 'c'\)"),
        ({"dtype": "complex64"}, "its dtype is 'complex64'; give one of bool"),
        ({"dtype": ">u2"}, "its dtype is '>u2'"),
        ({"dtype": ["uint16"]}, "its dtype is"),
        ({"byte_order": "middle"}, "its byte order is 'middle'; give little or big"),
        ({"spacing": (1, 1)}, "its spacing is"),
        ({"spacing": (1, 1, 0)}, "its spacing is"),
        ({"spacing": (1, 1, float("nan"))}, "its spacing is"),
        ({"unit": 3}, "its unit is 3"),
    ],
)
def test_layouts_that_are_none_or_do_not_fit(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "scan.raw"
    path.write_bytes(values((3, 5, 7), "uint16").tobytes())
    layout = Layout(shape=(3, 5, 7), dtype="uint16")
    raw.open(path, layout)
    with pytest.raises(ReadError, match=words) as caught:
        raw.open(path, replace(layout, **change))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["shape", "dtype", "byte_order", "extra"])
def test_records_with_other_entries(tmp_path: Path, name: str) -> None:
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(4))
    layout: dict[str, Any] = {"shape": [2, 2], "dtype": "uint8", "byte_order": "little"}
    layout = layout | {"extra": 1} if name == "extra" else {key: layout[key] for key in layout if key != name}
    (tmp_path / "scan.raw.json").write_text(json.dumps({"layout": layout}))
    with pytest.raises(ReadError, match=name):
        read(path)


@pytest.mark.parametrize(("name", "value"), [("shape", 4), ("spacing", 1.5), ("shape", None), ("shape", "22")])
def test_records_of_other_kinds(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(4))
    layout = {"shape": [2, 2], "dtype": "uint8", "byte_order": "little", name: value}
    (tmp_path / "scan.raw.json").write_text(json.dumps({"layout": layout}))
    with pytest.raises(ReadError, match=f"its {name}") as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError):
        raw.open(tmp_path / "absent.raw", Layout(shape=(2, 2), dtype="uint8"))


def test_a_file_that_becomes_shorter_or_goes(tmp_path: Path) -> None:
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(300))
    image = raw.open(path, Layout(shape=(3, 10, 10), dtype="uint8"))
    path.write_bytes(bytes(200))
    with pytest.raises(ReadError, match="open it again"):
        image.data[0]
    path.unlink()
    with pytest.raises(InputMissingError, match="no longer there"):
        image.data[0]


def test_a_large_sparse_file_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "scan.raw"
    with path.open("wb") as file:
        file.truncate(2 * 1000 * 1000 * 1000)
        file.seek(-2, 2)
        file.write(b"\x01\x02")
    image = read(path, layout=Layout(shape=(1000, 1000, 1000), dtype="uint16"))
    assert image.is_lazy
    assert image.data[-1, -1, -1] == 0x0201
    assert (
        read(path, layout=Layout(shape=(1000, 1000, 1000), dtype="uint16", byte_order="big")).data[-1, -1, -1] == 0x0102
    )
