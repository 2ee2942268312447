"""The conformance suite: it passes klevels' own readers, and finds each promise that a reader breaks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import klevels
from klevels.errors import ReadError
from klevels.image import Image
from klevels.io.formats import reader_of, readers_for
from klevels.io.reader import Access, Reader
from klevels.lazy import LazyArray, Window
from klevels.testing import check_reader

VALUES = np.random.default_rng(0).integers(0, 60_000, (5, 6, 7), dtype=np.uint16)
MAGIC = b"DEMO"


# klevels' own readers


def write_npy(path: Path) -> None:
    np.save(path, VALUES)


def write_npz(path: Path) -> None:
    klevels.write(path, Image(VALUES, "zyx", (2.0, 1.0, 1.0), "mm"))


def write_tiff(path: Path) -> None:
    klevels.write(path, Image(VALUES, "zyx", (2.0, 1.0, 1.0), "mm"))


def write_plain_tiff(path: Path) -> None:
    import tifffile

    tifffile.imwrite(path, VALUES, photometric="minisblack")


def write_png(path: Path) -> None:
    klevels.write(path, VALUES[0])


def write_bmp(path: Path) -> None:
    PIL.Image.fromarray(VALUES[0].astype(np.uint8)).save(path)


def write_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("scan", data=VALUES, chunks=(2, 3, 7), compression="gzip")


def write_nifti(path: Path) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(VALUES.T, np.diag([1.0, 2.0, 3.0, 1.0])), path)


def write_nrrd(path: Path) -> None:
    import nrrd

    nrrd.write(str(path), VALUES, index_order="C")


def write_metaimage(path: Path) -> None:
    import SimpleITK

    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VALUES), str(path))


def write_dicom(path: Path) -> None:
    import pydicom
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    slice_ = pydicom.Dataset()
    slice_.file_meta = pydicom.dataset.FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_.SOPClassUID, slice_.SOPInstanceUID, slice_.SeriesInstanceUID = CTImageStorage, generate_uid(), generate_uid()
    slice_.Rows, slice_.Columns = VALUES[0].shape
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 16, 15
    slice_.SamplesPerPixel, slice_.PixelRepresentation, slice_.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    slice_.PixelData = VALUES[0].tobytes()
    slice_.save_as(path, enforce_file_format=True)


def write_zarr(path: Path) -> None:
    import zarr

    zarr.create_array(path, shape=VALUES.shape, chunks=(2, 4, 3), dtype="u2")[...] = VALUES


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npy", write_npy),
        ("a.npz", write_npz),
        ("a.tif", write_tiff),
        ("b.tif", write_plain_tiff),
        ("a.png", write_png),
        ("a.bmp", write_bmp),
        ("a.h5", write_hdf5),
        ("a.nii", write_nifti),
        ("a.nii.gz", write_nifti),
        ("a.nrrd", write_nrrd),
        ("a.mha", write_metaimage),
        ("a.zarr", write_zarr),
        ("a.dcm", write_dicom),
    ],
)
def test_klevels_own_readers_pass(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    path = tmp_path / name
    write(path)
    reader = next(one for one in readers_for(b"") if one.sniff(path, b"")) if path.is_dir() else reader_of(path)
    check_reader(reader, path)


# A reader that keeps all promises, and readers that each break one


class Stored(LazyArray):
    """The values of a demo file: after the magic, the number of bytes, and a header in JSON."""

    def __init__(self, path: Path, **changes: Any) -> None:
        self.path, self.changes = path, changes
        with path.open("rb") as stream:
            stream.seek(len(MAGIC))
            self.offset = int(stream.read(8)) + len(MAGIC) + 8
            header = json.loads(stream.read(self.offset - len(MAGIC) - 8))
        super().__init__(header["shape"], header["dtype"], changes.get("chunks", (1, 3, 4)), str(path))

    def read(self, window: Window) -> np.ndarray:
        content = self.path.read_bytes()[self.offset :]
        if len(content) < self.nbytes and not self.changes.get("pads"):
            raise ReadError(f"{self.path}: is cut short")
        values = np.frombuffer(content.ljust(self.nbytes, b"\0"), self.dtype).reshape(self.shape)[window]
        for trick in self.changes.get("tricks", ()):
            values = trick(self, values, window)
        return values


def off_by_one(_: Stored, values: np.ndarray, window: Window) -> np.ndarray:
    return values + (window[0].start == 2)


def squeezed(_: Stored, values: np.ndarray, __: Window) -> np.ndarray:
    return values.squeeze()


def widened(_: Stored, values: np.ndarray, __: Window) -> np.ndarray:
    return values.astype(np.float64)


def raises(_: Stored, values: np.ndarray, window: Window) -> np.ndarray:
    if window[0].start == 3:
        raise RuntimeError("three")
    return values


def not_for_threads(_: Stored, values: np.ndarray, __: Window) -> np.ndarray:
    return values + (threading.current_thread() is not threading.main_thread())


class NotPicklable(Stored):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lock = threading.Lock()


class Heavy(Stored):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.voxels = path.read_bytes()


def plus_one(_: Stored, values: np.ndarray, __: Window) -> np.ndarray:
    return values + np.uint16(1)


class Forgetful(Stored):
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"changes": {"tricks": [plus_one]}}


class WrongPath(Stored):
    def read(self, window: Window) -> np.ndarray:
        try:
            return super().read(window)
        except ReadError as error:
            raise ReadError("is cut short") from error


class Unwrapped(Stored):
    def read(self, window: Window) -> np.ndarray:
        try:
            return super().read(window)
        except ReadError as error:
            raise EOFError("is cut short") from error


def sniff(_: Path, head: bytes) -> bool:
    return head[: len(MAGIC)] == MAGIC


def raising_sniff(_: Path, head: bytes) -> bool:
    return bool(head[2] and head[: len(MAGIC)] == MAGIC)


def demo(kind: Callable[..., Any] = Stored, **changes: Any) -> Callable[[Path, Access], Image]:
    def opened(path: Path, _: Access) -> Image:
        facts = {"format": "demo"}
        return Image(kind(path, **changes), "zyx", (2.0, 1.0, 1.0), "mm", facts)

    return opened


GOOD = Reader(name="demo", sniff=sniff, open=demo())


def swapped(path: Path, access: Access) -> Image:
    image = demo()(path, access).loaded()
    return replace(image, data=image.data.astype(image.dtype.newbyteorder()))


def other_values(path: Path, access: Access) -> Image:
    image = demo()(path, access).loaded()
    return replace(image, data=image.data + np.uint16(1))


def other_spacing(path: Path, access: Access) -> Image:
    return replace(demo()(path, access).loaded(), spacing=None)


def describe(**changes: Any) -> Callable[[Path, Access], dict[str, object]]:
    return lambda path, access: GOOD.facts(path, access) | changes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "a.demo", VALUES)


def written(path: Path, values: np.ndarray) -> Path:
    header = json.dumps({"shape": values.shape, "dtype": values.dtype.str}).encode()
    path.write_bytes(MAGIC + f"{len(header):8}".encode() + header + values.tobytes())
    return path


def test_a_good_reader_passes(path: Path) -> None:
    check_reader(GOOD, path)
    check_reader(GOOD, str(path), VALUES)
    check_reader(GOOD, path, Image(VALUES, "zyx", (2.0, 1.0, 1.0), "mm"), access=Access())
    check_reader(replace(GOOD, open=lambda path, access: demo()(path, access).loaded()), path, VALUES)


def test_a_large_file_passes(tmp_path: Path) -> None:
    check_reader(GOOD, written(tmp_path / "a.demo", np.arange(40_000.0).reshape(10, 40, 100)))


BROKEN: dict[str, tuple[Reader, str]] = {
    "sniffs nothing": (replace(GOOD, sniff=lambda *_: False), "sniff does not return True"),
    "sniffs nearly": (replace(GOOD, sniff=lambda *_: 1), "sniff does not return True"),
    "sniffs all": (replace(GOOD, sniff=lambda *_: True), "sniff does not return False for a file of zeros"),
    "sniffs by name": (replace(GOOD, sniff=lambda path, _: path.suffix == ".demo"), "return False for a file"),
    "sniffs all folders": (
        replace(GOOD, sniff=lambda path, head: path.is_dir() or sniff(path, head)),
        "False for an empty folder",
    ),
    "sniff raises": (replace(GOOD, sniff=raising_sniff), "sniff raises IndexError"),
    "no image": (replace(GOOD, open=lambda *_: VALUES), "open returns a ndarray"),
    "no array": (replace(GOOD, open=lambda *_: Image(memoryview(VALUES), "zyx")), "an Image of a memoryview"),
    "byte order": (replace(GOOD, open=swapped), "the dtype is >u2"),
    "dtype": (replace(GOOD, open=lambda *_: Image(VALUES * 1j, "zyx")), "the dtype is <c16"),
    "no voxels": (replace(GOOD, open=lambda *_: Image(VALUES[:0], "zyx")), r"the shape is \(0, 6, 7\)"),
    "read differs": (replace(GOOD, read=other_values), "the voxels of open differ from what is read"),
    "spacing differs": (replace(GOOD, read=other_spacing), "spacing is .* but None in what is read"),
    "axes of facts": (replace(GOOD, describe=describe(axes="yx")), "describe says axes is 'yx', but it is 'zyx'"),
    "bytes of facts": (replace(GOOD, describe=describe(bytes=3)), "describe says bytes is 3, but it is 420"),
    "no format": (replace(GOOD, describe=describe(format=None)), "describe does not say 'format'"),
    "chunks": (replace(GOOD, open=demo(chunks=(0, 6, 7))), r"chunks are \(0, 6, 7\)"),
    "windows": (replace(GOOD, open=demo(tricks=[off_by_one])), r"the window \[2:.*\] differs from that part"),
    "shape of windows": (replace(GOOD, open=demo(tricks=[squeezed])), r"the window \[.*\] has shape \(\)"),
    "dtype of windows": (replace(GOOD, open=demo(tricks=[widened])), "and dtype float64"),
    "windows raise": (replace(GOOD, open=demo(tricks=[raises])), r"reading the window \[3:.* raises RuntimeError"),
    "threads": (replace(GOOD, open=demo(tricks=[not_for_threads])), "in threads differs"),
    "no pickle": (replace(GOOD, open=demo(NotPicklable)), "cannot be pickled"),
    "another after pickling": (replace(GOOD, open=demo(Forgetful)), "after pickling differs"),
    "reads on": (replace(GOOD, open=demo(pads=True)), "is read as if it were whole"),
    "names no path": (replace(GOOD, open=demo(WrongPath)), "with the path first in the message"),
    "another error": (replace(GOOD, open=demo(Unwrapped)), r"raises EOFError\('is cut short'\); raise ReadError"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_promise_is_found(path: Path, name: str) -> None:
    reader, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message) as caught:
        check_reader(reader, path)
    assert str(caught.value).startswith("the reader 'demo': ")


def test_a_pickle_with_voxels_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "a.demo", np.arange(40_000.0).reshape(10, 40, 100))
    with pytest.raises(AssertionError, match="it holds voxels"):
        check_reader(replace(GOOD, open=demo(Heavy)), path)


def test_what_is_expected_counts(path: Path) -> None:
    for expected, message in [
        (VALUES + 1, "the voxels of open differ from what is expected"),
        (VALUES[1:], r"open has shape \(5, 6, 7\) .* but \(4, 6, 7\)"),
        (VALUES.astype(float), "dtype uint16, but .* float64"),
        (Image(VALUES, "zyx", (2.0, 1.0, 1.0), "µm"), "unit is 'mm', but 'µm'"),
        (Image(VALUES, "zyx"), "spacing is"),
    ]:
        with pytest.raises(AssertionError, match=message):
            check_reader(GOOD, path, expected)


def test_a_file_that_klevels_reads_itself_is_found(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    reader = replace(GOOD, sniff=lambda _, head: head[1:6] == b"NUMPY")
    with pytest.raises(AssertionError, match=r"is taken by klevels' own reader of .* before"):
        check_reader(reader, tmp_path / "a.npy")


def test_what_is_no_reader_is_found(path: Path) -> None:
    with pytest.raises(AssertionError, match=r"is no klevels\.io\.Reader"):
        check_reader(demo(), path)
