"""NIfTI: the values and the voxel size are those that nibabel and ITK read, and what is not certain is refused."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from klevels.errors import InputMissingError, MissingDependencyError, ReadError
from klevels.io import describe, nifti, read
from klevels.lazy import ScaledArray, scaled
from windows import check_lazy

DTYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def volume(dtype: str = "int16", shape: tuple[int, ...] = (6, 5, 4)) -> np.ndarray:
    """Return values along x, y, z, as nibabel has them."""
    return (np.random.default_rng(0).random(shape) * 100).astype(dtype)


def save(path: Path, values: np.ndarray, kind: type = nibabel.Nifti1Image, **header: Any) -> Path:
    image = kind(values, np.diag([0.5, 0.6, 0.7, 1]), dtype=values.dtype)
    image.header.set_xyzt_units("mm")
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def patch(path: Path, place: int, content: bytes) -> Path:
    """Overwrite bytes of a file; in a compressed one, of what it unfolds to."""
    is_packed = path.suffix == ".gz"
    old = bytearray(gzip.decompress(path.read_bytes()) if is_packed else path.read_bytes())
    old[place : place + len(content)] = content
    path.write_bytes(gzip.compress(old) if is_packed else bytes(old))
    return path


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_mapped(tmp_path: Path, dtype: str, kind: type) -> None:
    values = volume(dtype)
    image = read(save(tmp_path / "a.nii", values, kind), lazy=True)
    assert (image.axes, image.unit, image.spacing) == ("zyx", "mm", (0.7, 0.6, 0.5))
    assert image.meta == {"format": "NIfTI", "compression": "none", "orientation": "RAS"}
    check_lazy(image.data, values.T)
    assert image.data.chunks == (1, 5, 6)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii.gz", "renamed.bin"])
def test_compressed_values_are_in_memory(tmp_path: Path, kind: type, name: str) -> None:
    path = save(tmp_path / "a.nii.gz", volume(), kind).rename(tmp_path / name)
    image = read(path, lazy=True)
    assert isinstance(image.data, np.ndarray)
    np.testing.assert_array_equal(image.data, volume().T)
    assert image.meta["compression"] == "gzip"


@pytest.mark.parametrize("suffix", [".img", ".img.gz"])
def test_pairs(tmp_path: Path, suffix: str) -> None:
    nibabel.save(nibabel.Nifti1Pair(volume(), np.eye(4)), tmp_path / f"a{suffix}")
    header = tmp_path / ("a.hdr.gz" if suffix.endswith("gz") else "a.hdr")
    image = read(header, lazy=True)
    assert image.is_lazy is not suffix.endswith("gz")
    np.testing.assert_array_equal(image.data, volume().T)
    facts = describe(header)
    assert facts["file_bytes"] == sum(one.stat().st_size for one in tmp_path.iterdir())
    (tmp_path / f"a{suffix}").unlink()
    with pytest.raises(InputMissingError, match=r"there is no 'a.img' beside it"):
        read(header)


def test_big_endian(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.save(nibabel.Nifti1Image(volume(), np.eye(4), header), tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == b"\0\0\x01\x5c"
    check_lazy(read(tmp_path / "a.nii", lazy=True).data, volume().T)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 4, 1), (6, 5, 4, 1, 1), (1, 1, 1)])
def test_axes_of_length_one(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = read(save(tmp_path / "a.nii", volume(shape=shape)), lazy=True)
    kept = volume(shape=shape).reshape(shape[:3])
    assert image.axes == "zyx"[-len(kept.shape) :]
    np.testing.assert_array_equal(image.data, kept.T)


@pytest.mark.parametrize(("slope", "intercept"), [(2.5, -3.0), (1.0, -1024.0), (-1.0, 0.0), (1.0, 0.5)])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_slope_and_intercept_are_applied(tmp_path: Path, slope: float, intercept: float, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", volume())
    path = patch(path, 112, np.array([slope, intercept], "<f4").tobytes())
    image = read(path, lazy=True)
    oracle = nibabel.load(path).get_fdata().T
    np.testing.assert_allclose(image.data, oracle, rtol=1e-6)
    np.testing.assert_array_equal(image.data, scaled(volume().T, slope, intercept))
    assert image.dtype == (np.int32 if (slope, intercept) == (1, -1024) else np.float32)
    if suffix == "nii":
        assert isinstance(image.data, ScaledArray)
        check_lazy(image.data, scaled(volume().T, slope, intercept))


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf, 1.0])
def test_slopes_that_are_none(tmp_path: Path, slope: float) -> None:
    path = patch(save(tmp_path / "a.nii", volume()), 112, np.array([slope, 0], "<f4").tobytes())
    assert read(path).dtype == np.int16


@pytest.mark.parametrize(("code", "unit"), [(0, None), (1, "m"), (2, "mm"), (3, "µm"), (2 | 8, "mm"), (5, None)])
def test_units(tmp_path: Path, code: int, unit: str | None) -> None:
    image = read(patch(save(tmp_path / "a.nii", volume()), 123, bytes([code])))
    assert (image.unit, image.spacing) == (unit, (0.7, 0.6, 0.5))


@pytest.mark.parametrize("size", [0.0, -1.0, np.nan, np.inf])
def test_sizes_that_are_none(tmp_path: Path, size: float) -> None:
    assert read(patch(save(tmp_path / "a.nii", volume()), 80, np.float32(size).tobytes())).spacing is None


def test_orientation(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(volume(), np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]))
    nibabel.save(image, tmp_path / "a.nii")
    assert read(tmp_path / "a.nii").meta["orientation"] == "PIR"
    patch(tmp_path / "a.nii", 252, bytes(4))
    assert "orientation" not in read(tmp_path / "a.nii").meta


def test_itk_agrees(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(volume().T)
    image.SetSpacing((0.5, 0.25, 2))
    SimpleITK.WriteImage(image, str(tmp_path / "a.nii.gz"))
    found = read(tmp_path / "a.nii.gz")
    assert (found.spacing, found.unit) == ((2, 0.25, 0.5), "mm")
    np.testing.assert_array_equal(found.data, volume().T)


def test_real_scan(shared_data: Path) -> None:
    path = shared_data / "medical" / "example_ct_sm.nii.gz"
    image, oracle = read(path), nibabel.load(path)
    np.testing.assert_array_equal(image.data, np.asarray(oracle.dataobj).T)
    assert (image.spacing, image.unit, image.dtype) == ((3, 3, 3), None, np.int16)
    facts = describe(path)
    assert (facts["shape"], facts["compression"], facts["orientation"]) == ((30, 101, 122), "gzip", "RAS")
    assert "chunks" not in facts


@given(st.data())
def test_windows_are_parts_of_the_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "windows.nii"
    if not path.exists():
        patch(save(path, volume("uint16")), 112, np.array([0.5, 7], "<f4").tobytes())
    image = read(path, lazy=True)
    key = tuple(data.draw(st.slices(n)) for n in image.shape)
    np.testing.assert_array_equal(image.data[key], scaled(volume("uint16").T, 0.5, 7)[key])


REFUSED = [
    (40, np.array([4, 6, 5, 4, 3], "<i2"), "holds 3 values for each voxel"),
    (40, np.array([5, 6, 5, 4, 1, 3], "<i2"), "holds 1 × 3 values for each voxel"),
    (40, np.array([1, 6], "<i2"), "two or more"),
    (40, np.array([0], "<i2"), "claims 0 dimensions"),
    (40, np.array([9], "<i2"), "claims 9 dimensions"),
    (40, np.array([3, -6], "<i2"), "claims the sizes"),
    (40, np.array([3, 0], "<i2"), "claims the sizes"),
    (40, np.array([3, 32767, 32767, 32767], "<i2"), "is cut short"),
    (70, np.array([32], "<i2"), "complex64"),
    (70, np.array([128], "<i2"), "datatype is 128"),
    (70, np.array([1536], "<i2"), "datatype is 1536"),
    (70, np.array([1], "<i2"), "datatype is 1 "),
    (70, np.array([77], "<i2"), "datatype is 77"),
    (108, np.array([-8], "<f4"), "begin at byte -8"),
    (108, np.array([np.nan], "<f4"), "begin at byte nan"),
    (108, np.array([352.5], "<f4"), "begin at byte 352.5"),
    (108, np.array([40], "<f4"), "within the header"),
    (108, np.array([1e30], "<f4"), "begin at byte"),
    (108, np.array([1e12], "<f4"), "is cut short"),
    (112, np.array([2, np.nan], "<f4"), "intercept is nan"),
]


@pytest.mark.parametrize(("place", "content", "message"), REFUSED)
def test_refusals(tmp_path: Path, place: int, content: np.ndarray, message: str) -> None:
    path = patch(save(tmp_path / "a.nii", volume()), place, content.tobytes())
    for function in (read, describe):
        with pytest.raises(ReadError, match=message) as caught:
            function(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_every_cut_is_refused(tmp_path: Path, kind: type, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", volume(), kind)
    content = path.read_bytes()
    for n in range(1, len(content), 13):
        path.write_bytes(content[:n])
        with pytest.raises(ReadError):
            read(path)


def test_damage_to_a_compressed_file_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", volume())
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # the checksum
    path.write_bytes(content)
    with pytest.raises(ReadError, match="cannot be read as gzip"):
        read(path)


def test_more_than_the_header_says(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", volume())
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\0"))
    with pytest.raises(ReadError, match="holds more values than its header says, 4 × 5 × 6"):
        read(path)


def test_members_of_gzip_are_joined(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", volume())
    content = path.read_bytes()
    path.write_bytes(b"".join(gzip.compress(content[i : i + 100]) for i in range(0, len(content), 100)))
    np.testing.assert_array_equal(read(path).data, volume().T)


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", volume())
    patch(path, 40, np.array([3, 32767, 32767, 32767], "<i2").tobytes())
    with pytest.raises(ReadError, match="decompression bomb"):
        read(path)
    patch(path, 40, np.array([3, 6, 5, 4], "<i2").tobytes())
    patch(path, 108, np.array([1e12], "<f4").tobytes())
    with pytest.raises(ReadError, match="decompression bomb"):
        read(path)


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"\x1f\x8bxx", gzip.compress(b"text"), b"\x5c\x01\0\0" * 90, b"n+1"])
def test_what_is_not_nifti(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(content)
    assert not nifti.sniff(path, content[:512])


def test_without_nibabel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.nii", volume())
    monkeypatch.setitem(sys.modules, "nibabel.nifti1", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'klevels\[io\]'"):
        read(path)


def test_libraries_are_loaded_when_they_are_needed() -> None:
    code = "import sys, klevels.io; sys.exit(bool({'nibabel', 'h5py', 'nrrd'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
