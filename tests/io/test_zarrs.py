"""Zarr and OME-Zarr, against zarr-python, which writes the stores and is the oracle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import yaozarrs
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

from klevels import io
from klevels.errors import InputMissingError, ParameterError, ReadError
from klevels.io.reader import Access
from klevels.io.zarrs import READER, open, sniff
from klevels.testing import check_reader

SHAPE = (9, 18, 7)
CHUNKS = (4, 8, 5)
VALUES = np.random.default_rng(0).integers(1, 60_000, SHAPE, dtype=np.uint16)
Folder = Callable[[str], Path]


def plain(path: Path, values: np.ndarray = VALUES, **how: Any) -> Path:
    how.setdefault("chunks", CHUNKS if values.ndim == 3 else values.shape)
    array = zarr.create_array(path, shape=values.shape, dtype=values.dtype, **how)
    array[...] = values
    return path


STORES: dict[str, dict[str, Any]] = {
    "v3 default": {},
    "v3 plain": {"compressors": None},
    "v3 gzip": {"compressors": GzipCodec(level=1)},
    "v3 blosc": {"compressors": BloscCodec(cname="lz4", shuffle="shuffle")},
    "v3 blosc bits": {"compressors": BloscCodec(cname="zstd", shuffle="bitshuffle")},
    "v3 zstd crc": {"compressors": [ZstdCodec(checksum=True), Crc32cCodec()]},
    "v3 big": {"serializer": BytesCodec(endian="big"), "compressors": None},
    "v3 turned": {"filters": [TransposeCodec(order=(2, 0, 1)), TransposeCodec(order=(1, 0, 2))]},
    "v3 v2 keys": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "v3 dots": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "v3 shards": {"shards": (8, 16, 10)},
    "v3 shards at start": {
        "chunks": (8, 16, 10),
        "serializer": ShardingCodec(chunk_shape=CHUNKS, codecs=[BytesCodec(), GzipCodec()], index_location="start"),
        "compressors": None,
    },
    "v3 shards without checksum": {
        "chunks": (8, 16, 10),
        "serializer": ShardingCodec(chunk_shape=CHUNKS, index_codecs=[BytesCodec()]),
        "compressors": None,
    },
    "v3 shards turned": {
        "chunks": (8, 16, 10),
        "serializer": ShardingCodec(
            chunk_shape=CHUNKS, codecs=[TransposeCodec(order=(2, 1, 0)), BytesCodec(endian="big"), Crc32cCodec()]
        ),
        "compressors": None,
    },
    "v2 default": {"zarr_format": 2},
    "v2 plain": {"zarr_format": 2, "compressors": None},
    "v2 zlib": {"zarr_format": 2, "compressors": numcodecs.Zlib(1)},
    "v2 gzip": {"zarr_format": 2, "compressors": numcodecs.GZip(1)},
    "v2 bz2": {"zarr_format": 2, "compressors": numcodecs.BZ2(1)},
    "v2 lzma": {"zarr_format": 2, "compressors": numcodecs.LZMA(preset=1)},
    "v2 lz4": {"zarr_format": 2, "compressors": numcodecs.LZ4()},
    "v2 blosc": {"zarr_format": 2, "compressors": numcodecs.Blosc("zstd", 1, 1)},
    "v2 delta": {"zarr_format": 2, "filters": [numcodecs.Delta("<u2")], "compressors": numcodecs.Zlib(1)},
    "v2 shuffle": {"zarr_format": 2, "filters": [numcodecs.Shuffle(2)], "compressors": numcodecs.Zlib(1)},
    "v2 checksum": {"zarr_format": 2, "filters": [numcodecs.Fletcher32()], "compressors": numcodecs.Zlib(1)},
    "v2 filter only": {"zarr_format": 2, "filters": [numcodecs.Delta("<u2")], "compressors": None},
    "v2 Fortran": {"zarr_format": 2, "order": "F"},
    "v2 nested": {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
}


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain(tmp_path_factory.mktemp("store") / "a.zarr", **STORES[request.param])


def test_readers_promises_hold(store: Path) -> None:
    check_reader(READER, store, VALUES)


@settings(max_examples=15)
@given(data=st.data())
def test_any_window_is_that_of_the_whole(store: Path, data: st.DataObject) -> None:
    array = open(store, Access()).data
    window = []
    for n in SHAPE:
        start = data.draw(st.integers(0, n - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, n))))
    assert np.array_equal(array.read(tuple(window)), VALUES[tuple(window)])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", ["bool", "i1", "u1", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">i4", ">f8"])
def test_every_dtype_of_real_numbers(tmp_path: Path, version: int, name: str) -> None:
    values = np.random.default_rng(1).integers(0, 2, (5, 6)).astype(name)
    image = open(plain(tmp_path / "a.zarr", values, zarr_format=version), Access())
    assert image.dtype == np.dtype(name).newbyteorder("=")
    assert np.array_equal(image.loaded().data, values)


@pytest.mark.parametrize("name", ["c8", "c16", "U4", "S3", "M8[s]"])
def test_other_dtypes_are_refused(tmp_path: Path, name: str) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 4), chunks=(4, 4), dtype=name, zarr_format=2)
    with pytest.raises(ReadError, match="data type is"):
        io.read(tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["v3 default", "v3 shards", "v3 plain", "v2 default"])
def test_stored_bytes_are_told_where_something_is_decoded(tmp_path: Path, name: str) -> None:
    path = plain(tmp_path / "a.zarr", **STORES[name])
    array = open(path, Access()).data
    chunks = [one for one in path.rglob("*") if one.is_file() and one.name not in ("zarr.json", ".zarray", ".zattrs")]
    expected = None if "plain" in name else sum(one.stat().st_size for one in chunks)
    assert array.stored_bytes == expected


def test_describe(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.zarr", shards=(8, 16, 10))
    facts = io.describe(path)
    assert facts["format"] == "Zarr 3"
    assert facts["compression"] == "zstd"
    assert (facts["chunks"], facts["shards"]) == (CHUNKS, (8, 16, 10))
    assert facts["file_bytes"] == sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    plain(tmp_path / "b.zarr", zarr_format=2, compressors=numcodecs.Blosc("lz4"))
    assert io.describe(tmp_path / "b.zarr")["compression"] == "blosc lz4"


def test_a_folder_without_metadata_is_none(tmp_path: Path) -> None:
    assert not sniff(tmp_path)
    assert not sniff(tmp_path / "nowhere")


# Chunks that are missing or broken


def chunk_of(path: Path, number: int) -> Path:
    marks = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
    return sorted(one for one in path.rglob("*") if one.is_file() and one.name not in marks)[number]


@pytest.mark.parametrize("name", ["v3 default", "v3 plain", "v3 shards", "v2 default", "v2 nested"])
def test_a_missing_chunk_is_an_error_and_never_zeros(tmp_path: Path, name: str) -> None:
    path = plain(tmp_path / "a.zarr", **STORES[name])
    lost = chunk_of(path, 3)
    lost.unlink()
    key = lost.relative_to(path).as_posix()
    with pytest.raises(ReadError, match=rf"^{path}: the chunk .*{key}.* is missing.*--missing fill=0 \(missing=0\)"):
        io.read(path)
    filled = io.read(path, missing=7.0).data
    assert np.array_equal(filled, np.where(zarr.open_array(path, mode="r")[...] == 0, 7, VALUES))
    assert (filled == 7).sum() > 0


def test_only_windows_that_touch_it_fail(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.zarr")
    (path / "c/0/0/0").unlink()
    array = open(path, Access()).data
    assert np.array_equal(array[4:], VALUES[4:])
    with pytest.raises(ReadError, match="c/0/0/0"):
        array[3:, 7:, 4:]


def test_a_chunk_that_is_not_in_its_shard_is_missing(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", shape=(13, 18, 11), chunks=CHUNKS, shards=(8, 16, 10), dtype="u2")
    array[4:8, :8, 5:10] = 3
    assert np.array_equal(open(tmp_path / "a.zarr", Access()).data[4:8, :8, 5:10], np.full((4, 8, 5), 3))
    with pytest.raises(ReadError, match=r"the chunk 0/0/1 of the shard c/0/0/0 is missing"):
        open(tmp_path / "a.zarr", Access()).data[3:8, :8, 5:10]
    found = open(tmp_path / "a.zarr", Access(missing=9)).data[:8, :8, :10]
    assert found[4:8, :, 5:].min() == found[4:8, :, 5:].max() == 3
    assert (found == 9).sum() == found.size - 160


@pytest.mark.parametrize(("dtype", "missing"), [("u1", 256), ("u1", -1), ("i2", 0.5), ("u2", float("nan")), ("?", 2)])
def test_missing_must_be_a_value_of_the_dtype(tmp_path: Path, dtype: str, missing: float) -> None:
    plain(tmp_path / "a.zarr", np.ones((4, 4), dtype))
    with pytest.raises(ParameterError, match=f"missing is {missing}"):
        open(tmp_path / "a.zarr", Access(missing=missing))


def test_missing_may_be_nan_in_floats(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 4), chunks=(2, 2), dtype="f4")
    assert np.isnan(io.read(tmp_path / "a.zarr", missing=float("nan")).data).all()


@pytest.mark.parametrize("harm", ["cut", "emptied", "flipped", "longer", "folder"])
def test_a_broken_chunk_is_an_error_that_names_it(store: Path, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "a.zarr"
    shutil.copytree(store, path)
    chunk = chunk_of(path, 1)
    content = chunk.read_bytes()
    key = chunk.relative_to(path).as_posix()
    if harm == "folder":
        chunk.unlink()
        chunk.mkdir()
    else:
        flipped = bytes(byte ^ 0xFF for byte in content)
        broken = {"cut": content[:-3], "emptied": b"", "flipped": flipped, "longer": content + b"more"}
        chunk.write_bytes(broken[harm])
    try:
        found = io.read(path).data
    except ReadError as error:
        assert str(error).startswith(f"{path}: the chunk {key} ")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        # Bytes after the end of a stream do no harm; where nothing is compressed, nobody can see flipped values.
        assert harm in ("longer", "flipped")
        assert np.array_equal(found, VALUES) == (harm == "longer")
        assert harm == "longer" or io.describe(path)["compression"] == "none"


@pytest.mark.parametrize("name", ["v3 zstd crc", "v3 shards turned", "v2 checksum"])
def test_checksums_are_checked(tmp_path: Path, name: str) -> None:
    path = plain(tmp_path / "a.zarr", **STORES[name])
    chunk = chunk_of(path, 0)
    content = bytearray(chunk.read_bytes())
    content[60] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(ReadError, match="is damaged"):
        io.read(path)


def test_a_shards_index_that_points_outside_is_an_error(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.zarr", **STORES["v3 shards without checksum"])
    chunk = chunk_of(path, 0)
    content = bytearray(chunk.read_bytes())
    content[-16:] = np.array([1 << 40, 1 << 50], "<u8").tobytes()
    chunk.write_bytes(content)
    with pytest.raises(ReadError, match="c/0/0/0 is damaged"):
        io.read(path)


@pytest.mark.parametrize("name", ["v3 default", "v3 gzip", "v3 blosc", "v2 zlib", "v2 bz2", "v2 lzma", "v2 lz4"])
def test_a_chunk_that_decodes_to_more_than_it_may_is_an_error(tmp_path: Path, name: str) -> None:
    """A bomb: the chunk holds more values than the metadata say, and they must not get the memory."""
    small = plain(tmp_path / "small.zarr", VALUES, **STORES[name])
    large = plain(
        tmp_path / "large.zarr",
        np.zeros((40, 80, 50), np.uint16),
        **STORES[name] | {"chunks": (40, 80, 50), "fill_value": 1},
    )
    shutil.copy(chunk_of(large, 0), chunk_of(small, 0))
    with pytest.raises(ReadError, match=f"{chunk_of(small, 0).relative_to(small).as_posix()} is damaged"):
        io.read(small)


# Metadata that are hostile


def edit(path: Path, **changes: Any) -> None:
    file = path / "zarr.json" if (path / "zarr.json").exists() else path / ".zarray"
    metadata = json.loads(file.read_text())
    file.write_text(json.dumps(metadata | changes))


GRID = {"name": "regular", "configuration": {"chunk_shape": [4, 8, 5]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [-9, 18, 7]}, "shape is"),
        ({"shape": [9, 18]}, "as many axes"),
        ({"shape": []}, "as many axes"),
        ({"shape": [9, 0, 7]}, "no values"),
        ({"shape": [1 << 31, 1 << 31, 8]}, "no computer"),
        ({"shape": "9"}, "shape is"),
        ({"shape": [9.5, 18, 7]}, "shape is"),
        ({"shape": [True, 18, 7]}, "shape is"),
        ({"data_type": "complex64"}, "data type"),
        ({"data_type": {"name": "struct"}}, "data type"),
        ({"data_type": "uint32"}, "is damaged"),
        ({"zarr_format": 4}, "zarr_format is 4"),
        ({"node_type": "folder"}, "node_type 'folder'"),
        ({"chunk_grid": {"name": "rectilinear"}}, "chunk grid"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 8, 5]}}}, "do not fill"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4096, 4096, 4096]}}}, "smaller chunks"),
        ({"chunk_key_encoding": {"name": "suffix"}}, "chunk key encoding"),
        ({"chunk_key_encoding": {"name": "default", "configuration": {"separator": "../"}}}, "separator is"),
        ({"storage_transformers": [{"name": "x"}]}, "storage transformers"),
        ({"codecs": []}, "are broken"),
        ({"codecs": [{"name": "jpeg"}]}, "codec 'jpeg'"),
        ({"codecs": [{"name": "bytes"}, {"name": "rot13"}]}, "codec 'rot13' is not known"),
        (
            {"codecs": [{"name": "transpose", "configuration": {"order": [0, 0, 1]}}, {"name": "bytes"}]},
            "transpose has",
        ),
        ({"codecs": [{"name": "bytes"}, {"name": "gzip"}, {"name": "gzip"}]}, "is damaged"),
        ({"attributes": [1]}, "metadata are a list"),
    ],
)
def test_hostile_metadata_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = plain(tmp_path / "a.zarr")
    edit(path, **changes)
    with pytest.raises(ReadError, match=message) as caught:
        io.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "A"},
        {"dtype": "<u2,<u4"},
        {"dtype": [["a", "<u2"]]},
        {"dtype": "<f16"},
        {"dtype": "|O"},
        {"compressor": {"id": "rot13"}},
        {"compressor": 3},
        {"chunks": [4, 8]},
        {"dimension_separator": "/../"},
        {"filters": [{}]},
    ],
)
def test_hostile_metadata_of_version_2_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = plain(tmp_path / "a.zarr", zarr_format=2)
    edit(path, **changes)
    with pytest.raises(ReadError, match=f"^{path}: "):
        io.read(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"chunk_shape": [3, 8, 5]},
        {"index_location": "middle"},
        {"index_codecs": [{"name": "bytes", "configuration": {"endian": "big"}}]},
        {"index_codecs": [{"name": "gzip"}]},
        {"codecs": [{"name": "sharding_indexed"}]},
    ],
)
def test_hostile_shards_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = plain(tmp_path / "a.zarr", shards=(8, 16, 10))
    codec = json.loads((path / "zarr.json").read_text())["codecs"][0]
    codec["configuration"] |= changes
    edit(path, codecs=[codec])
    with pytest.raises(ReadError, match=f"^{path}: "):
        io.read(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b"null"])
@pytest.mark.parametrize("mark", ["zarr.json", ".zarray", ".zattrs"])
def test_metadata_that_are_no_json_are_refused(tmp_path: Path, content: bytes, mark: str) -> None:
    path = plain(tmp_path / "a.zarr", zarr_format=3 if mark == "zarr.json" else 2)
    (path / mark).write_bytes(content)
    with pytest.raises(ReadError, match=f"^{path}"):
        io.read(path)


def test_a_huge_array_costs_nothing_until_it_is_read(tmp_path: Path) -> None:
    shape = (1 << 20, 1 << 20, 1 << 20)
    zarr.create_array(tmp_path / "a.zarr", shape=shape, chunks=(64, 64, 64), dtype="u1")
    image = io.read(tmp_path / "a.zarr", missing=5)
    assert image.is_lazy
    assert image.shape == shape
    assert image.data[-1, -3:, 70].tolist() == [5, 5, 5]


# Groups, parts and the names of axes


def test_the_only_array_of_a_group_is_its_image(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("x", shape=(11,), dtype="f8")[...] = 0  # a coordinate, as xarray writes them
    plain(tmp_path / "a.zarr" / "scan")
    assert np.array_equal(io.read(tmp_path / "a.zarr").data, VALUES)
    plain(tmp_path / "a.zarr" / "other")
    with pytest.raises(ReadError, match=r"holds 2 arrays: other, scan; name one of them: .*::other"):
        io.read(tmp_path / "a.zarr")
    assert np.array_equal(io.read(f"{tmp_path}/a.zarr::scan").data, VALUES)
    assert np.array_equal(io.read(f"{tmp_path}/a.zarr::/scan/").data, VALUES)


def test_a_group_of_groups_lists_them(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "a.zarr").create_group("B/2")
    with pytest.raises(ReadError, match=r"no array and no image: B; name one of them"):
        io.read(tmp_path / "a.zarr")
    with pytest.raises(ReadError, match="no array and no image; name another"):
        io.read(f"{tmp_path}/a.zarr::B/2")


def test_a_part_must_be_there_and_stay_in_the_store(tmp_path: Path) -> None:
    plain(tmp_path / "secret.zarr")
    zarr.create_group(tmp_path / "a.zarr").create_group("B")
    with pytest.raises(ParameterError, match=r"no such array or group; found: B"):
        open(tmp_path / "a.zarr", Access(part="C"))
    with pytest.raises(ParameterError, match="leaves the store"):
        open(tmp_path / "a.zarr", Access(part="../secret.zarr"))
    with pytest.raises(InputMissingError):
        io.read(tmp_path / "nowhere.zarr")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("names", [*permutations("zyx"), ("Z", "Y", "X")])
def test_named_axes_are_put_in_order(tmp_path: Path, version: int, names: tuple[str, ...]) -> None:
    path = plain(tmp_path / "a.zarr", zarr_format=version, **({"dimension_names": names} if version == 3 else {}))
    if version == 2:
        zarr.open_array(path).attrs["_ARRAY_DIMENSIONS"] = list(names)
    image = io.read(path)
    order = [[n.lower() for n in names].index(axis) for axis in "zyx"]
    assert image.axes == "zyx"
    assert image.spacing is None
    assert np.array_equal(image.data, VALUES.transpose(order))


def test_axes_by_number(tmp_path: Path) -> None:
    for shape, axes in [((4, 5), "yx"), ((3, 4, 5), "zyx"), ((3, 4, 5, 2), "zyxc"), ((3, 4, 5, 1), "zyx")]:
        path = plain(tmp_path / f"{len(shape)}{shape[-1]}.zarr", np.ones(shape, np.uint8))
        assert io.read(path).axes == axes
    for shape in [(7,), (2, 3, 4, 17), (1, 2, 3, 4, 5)]:
        path = plain(tmp_path / f"{len(shape)}.zarr", np.ones(shape, np.uint8))
        with pytest.raises(ReadError, match=rf"{len(shape)} axes of lengths .* and no names"):
            io.read(path)


def test_level_of_a_plain_array(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="there is one level only"):
        open(plain(tmp_path / "a.zarr"), Access(level=1))


# OME-Zarr


def ome(
    path: Path,
    axes: str = "zyx",
    *,
    version: str = "0.5",
    units: dict[str, str] | None = None,
    scales: tuple[dict[str, float], ...] = ({"z": 4.0, "y": 2.0, "x": 1.0},),
    whole: list[float] | None = None,
    values: np.ndarray | None = None,
) -> tuple[Path, np.ndarray]:
    """Write an image of as many levels as there are scales; return its full resolution in the order of `axes`."""
    if values is None:
        values = np.random.default_rng(3).integers(1, 9, [{"t": 1, "c": 2, "z": 5, "y": 6, "x": 7}[a] for a in axes])
        values = values.astype(np.uint8)
    kinds = {"t": "time", "c": "channel"}
    metadata: dict[str, Any] = {
        "axes": [
            {"name": a, "type": kinds.get(a, "space")} | ({"unit": units[a]} if units and a in units else {})
            for a in axes
        ],
        "datasets": [
            {
                "path": f"s{level}",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [scale.get(a, 1.0) for a in axes]},
                    {"type": "translation", "translation": [3.0 for _ in axes]},
                ],
            }
            for level, scale in enumerate(scales)
        ],
    }
    if whole is not None:
        metadata["coordinateTransformations"] = [{"type": "scale", "scale": whole}]
    zarr_format = 3 if version == "0.5" else 2
    group = zarr.create_group(path, zarr_format=zarr_format)
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", "multiscales": [metadata]}
    else:
        group.attrs["multiscales"] = [metadata | {"version": version}]
    for level in range(len(scales)):
        part = values[tuple(slice(None, None, 2**level) if a in "zyx" else slice(None) for a in axes)]
        names = {"dimension_names": list(axes)} if zarr_format == 3 else {}
        array = group.create_array(f"s{level}", shape=part.shape, chunks=(3,) * part.ndim, dtype=part.dtype, **names)
        array[...] = part
    return path, values


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path: Path, version: str) -> None:
    path, values = ome(tmp_path / "a.zarr", version=version, units=dict.fromkeys("zyx", "micrometer"))
    yaozarrs.validate_zarr_store(str(path))
    image = io.read(path)
    assert (image.axes, image.spacing, image.unit) == ("zyx", (4.0, 2.0, 1.0), "µm")
    assert image.meta["format"] == f"OME-Zarr {version}"
    assert np.array_equal(image.data, values)
    check_reader(READER, path, image)


ORDERS = ["yx", "xy", "tyx", "tczyx", "tzyxc", "czyx", "zcyx", "xyzct"]
ORDERS += ["".join(letters) for names in ("zyx", "cyx") for letters in permutations(names)]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ORDERS)
def test_any_order_of_axes(tmp_path: Path, version: str, axes: str) -> None:
    path, values = ome(tmp_path / "a.zarr", axes, version=version)
    image = io.read(path, lazy=True)
    wanted = "".join(a for a in "zyxc" if a in axes)
    assert image.axes == wanted
    assert image.spacing == tuple({"z": 4.0, "y": 2.0, "x": 1.0}[a] for a in wanted if a != "c")
    assert image.unit is None
    expected = np.einsum(f"{axes}->{wanted}", values)  # sums over the time axis, of one entry
    assert np.array_equal(image.data, expected)
    assert np.array_equal(image.data[1:3, ::-2], expected[1:3, ::-2])
    assert np.array_equal(image.data[..., 1], expected[..., 1])


def test_levels(tmp_path: Path) -> None:
    scales = tuple(dict.fromkeys("zyx", 2.0**level) for level in range(3))
    path, values = ome(tmp_path / "a.zarr", scales=scales, whole=[3.0, 1.0, 0.5])
    for level in range(3):
        image = io.read(path, level=level)
        assert np.array_equal(image.data, values[:: 2**level, :: 2**level, :: 2**level])
        assert image.spacing == (3.0 * 2**level, 2.0**level, 2.0**level / 2)
    with pytest.raises(ParameterError, match="level is 3, but there are 3; give 0 to 2"):
        open(path, Access(level=3))
    assert io.read(f"{path}::s2").shape == image.shape
    assert io.read(f"{path}::s2").spacing is None
    assert io.describe(path, level=1)["levels"] == 3


def test_one_channel_is_left_out(tmp_path: Path) -> None:
    values = np.ones((1, 1, 4, 5, 6), np.uint8)
    path, _ = ome(tmp_path / "a.zarr", "tczyx", values=values)
    assert (io.read(path).axes, io.read(path).shape) == ("zyx", (4, 5, 6))


def test_a_time_axis_is_refused(tmp_path: Path) -> None:
    path, _ = ome(tmp_path / "a.zarr", "tzyx", values=np.ones((3, 4, 5, 6), np.uint8))
    with pytest.raises(ReadError, match="has 3 entries along the axis 't'; save one of them"):
        io.read(path)


@pytest.mark.parametrize(
    ("units", "spacing", "unit"),
    [
        ({"z": "millimeter", "y": "micrometer", "x": "micrometer"}, (4.0, 0.002, 0.001), "mm"),
        ({"z": "nanometer", "y": "angstrom", "x": "nanometer"}, (4.0, 0.2, 1.0), "nm"),
        ({"z": "foot", "y": "foot", "x": "foot"}, (4.0, 2.0, 1.0), "foot"),
        ({}, (4.0, 2.0, 1.0), None),
    ],
)
def test_units(tmp_path: Path, units: dict[str, str], spacing: tuple[float, ...], unit: str | None) -> None:
    path, _ = ome(tmp_path / "a.zarr", units=units)
    image = io.read(path)
    assert image.spacing == pytest.approx(spacing, rel=1e-14)
    assert image.unit == unit


@pytest.mark.parametrize("units", [{"z": "foot", "y": "meter", "x": "meter"}, {"z": "meter"}])
def test_units_that_cannot_be_converted_are_refused(tmp_path: Path, units: dict[str, str]) -> None:
    path, _ = ome(tmp_path / "a.zarr", units=units)
    with pytest.raises(ReadError, match=r"the units along zyx are .*::s0"):
        io.read(path)


def change(path: Path, **changes: Any) -> None:
    group = zarr.open_group(path)
    metadata = dict(group.attrs["ome"])
    metadata["multiscales"] = [metadata["multiscales"][0] | changes]
    group.attrs["ome"] = metadata


def dataset(*transformations: dict[str, Any], path: str = "s0") -> dict[str, Any]:
    return {"datasets": [{"path": path, "coordinateTransformations": list(transformations)}]}


def test_spacing_is_unknown_without_a_scale(tmp_path: Path) -> None:
    path, _ = ome(tmp_path / "a.zarr", units=dict.fromkeys("zyx", "meter"))
    for metadata in (dataset(), dataset({"type": "identity"}), dataset({"type": "affine", "affine": [[1]]})):
        change(path, **metadata)
        assert io.read(path).spacing is None


@pytest.mark.parametrize(
    "changes",
    [
        dataset({"type": "scale", "scale": [1, 0, 1]}),
        dataset({"type": "scale", "scale": [1, -1, 1]}),
        dataset({"type": "scale", "scale": [1, float("nan"), 1]}),
        dataset({"type": "scale", "scale": [1, 1]}),
        dataset({"type": "scale", "scale": ["a", 1, 1]}),
        dataset({"type": "scale", "path": "scales"}),
        dataset({}),
        dataset(path="../a.zarr/s0"),
        dataset(path="/tmp/a.zarr/s0"),
        dataset(path="..\\s0"),
        dataset(path=""),
        dataset(path="nowhere"),
        dataset(path="."),
        {"datasets": []},
        {"datasets": {}},
        {"axes": ["z", "y"]},
        {"axes": ["z", "y", "y"]},
        {"axes": ["a", "b", "c"]},
        {"axes": [{"type": "space"}]},
        {"axes": 3},
    ],
)
def test_hostile_metadata_of_ome_zarr_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path, _ = ome(tmp_path / "a.zarr")
    change(path, **changes)
    with pytest.raises((ReadError, ParameterError), match=f"^{path}"):
        io.read(path)


def test_axes_before_version_0_4(tmp_path: Path) -> None:
    """They were names in version 0.3, and t, c, z, y, x before."""
    path, values = ome(tmp_path / "a.zarr", "tczyx", version="0.2")
    group = zarr.open_group(path)
    old = dict(group.attrs["multiscales"][0])
    del old["datasets"][0]["coordinateTransformations"]
    group.attrs["multiscales"] = [old | {"axes": list("tczyx")}]
    assert (io.read(path).axes, io.read(path).spacing) == ("zyxc", None)
    del old["axes"]
    group.attrs["multiscales"] = [old]
    assert np.array_equal(io.read(path).data, np.moveaxis(values[0], 0, -1))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_layout_of_bioformats2raw(tmp_path: Path, version: str) -> None:
    root = tmp_path / "a.zarr"
    group = zarr.create_group(root, zarr_format=3 if version == "0.5" else 2)
    layout = {"bioformats2raw.layout": 3}
    group.attrs.update({"ome": layout | {"version": "0.5"}} if version == "0.5" else layout)
    group.create_group("OME")
    with pytest.raises(ReadError, match="holds 0 images; name another"):
        io.read(root)
    _, values = ome(root / "0", version=version)
    assert np.array_equal(io.read(root).data, values)
    ome(root / "1", version=version)
    with pytest.raises(ReadError, match=r"holds 2 images: 0, 1; name one of them: .*::0"):
        io.read(root)
    assert np.array_equal(io.read(f"{root}::0").data, values)


def test_labels_beside_an_image(tmp_path: Path) -> None:
    path, values = ome(tmp_path / "a.zarr")
    zarr.open_group(path).create_group("labels").attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
    ome(path / "labels" / "cells", values=values + 1)
    assert np.array_equal(io.read(path).data, values)
    assert np.array_equal(io.read(f"{path}::labels/cells").data, values + 1)


# Real data


def test_axes_of_a_real_scan(shared_data: Path) -> None:
    path = shared_data / "zarr" / "niivue_mni152_axial.ome.zarr"
    for level in range(4):
        image = io.read(path, level=level)
        oracle = zarr.open_array(path / f"scale{level}" / "nibabel_converted_image", mode="r")[...]
        assert image.axes == "zyx"
        assert np.array_equal(image.data, oracle.transpose(2, 1, 0))
        assert image.spacing == pytest.approx((0.737463116645813, *[0.737463116645813 * 2**level] * 2))


def test_missing_chunks_of_a_real_scan(shared_data: Path) -> None:
    path = shared_data / "zarr" / "niivue_mni152.ome.zarr"
    for level in (0, 1):
        with pytest.raises(
            ReadError, match=rf"^{path}/scale{level}/nibabel_converted_image: the chunk 0/0/0 is missing"
        ):
            io.read(path, level=level)
        assert io.read(path, level=level, missing=0).data.max() == 0
    check_reader(READER, path, access=Access(level=2))
