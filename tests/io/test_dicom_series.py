"""A DICOM series is one volume, whole and in the order of space, or refused."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import uid

from dicom_files import OBLIQUE, dataset, write_dicom, write_series
from klevels.errors import ReadError
from klevels.io import describe, dicom, read
from klevels.io.reader import Access
from klevels.testing import check_reader
from windows import check_lazy

VOLUME = np.random.default_rng(3).integers(0, 4096, (6, 4, 5), np.uint16)
CT_SCALE = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "BitsStored": 12, "HighBit": 11}


def by_simpleitk(folder: Path) -> tuple[NDArray[Any], tuple[float, ...]]:
    """The values and the spacing as GDCM reads and sorts them."""
    sitk = pytest.importorskip("SimpleITK")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    return np.asarray(sitk.GetArrayFromImage(image)), tuple(reversed(image.GetSpacing()))


def refused(folder: Path, match: str, part: str | None = None) -> str:
    """Assert that a folder is refused when it is opened, and return the message."""
    with pytest.raises(ReadError, match=match) as caught:
        dicom.open(folder, Access(part=part))
    message = str(caught.value)
    assert message.startswith(str(folder))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("directions", [(1, 0, 0, 0, 1, 0), OBLIQUE, (0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0)])
@pytest.mark.parametrize("step", [2.5, -2.5])
def test_slices_lie_in_the_order_of_space(tmp_path: Path, directions: Sequence[float], step: float) -> None:
    names = [f"IM{i}" for i in (3, 0, 5, 2, 4, 1)]
    numbers = [{"InstanceNumber": i} for i in (2, 6, 1, 3, 5, 4)]
    write_series(tmp_path, VOLUME, step=step, directions=directions, names=names, elements=numbers)
    image = read(tmp_path)
    assert image.axes == "zyx"
    assert image.unit == "mm"
    assert image.spacing == pytest.approx((2.5, 0.5, 0.25), rel=1e-9)
    assert np.array_equal(image.data, VOLUME if step > 0 else VOLUME[::-1])
    values, spacing = by_simpleitk(tmp_path)
    assert np.array_equal(image.data, values)
    assert image.spacing == pytest.approx(spacing, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_direction_any_names(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    axes = np.random.default_rng(data.draw(st.integers(0, 2**32))).normal(size=(3, 3))
    directions = np.linalg.qr(axes)[0][:2].ravel()
    names = data.draw(st.permutations([f"slice{i}" for i in range(6)]))
    folder = tmp_path_factory.mktemp("series")
    step = data.draw(st.floats(0.01, 100))
    write_series(folder, VOLUME, step=step, directions=[round(float(x), 9) for x in directions], names=names)
    image = read(folder)
    assert np.array_equal(image.data, VOLUME)
    assert image.spacing is not None
    assert image.spacing[0] == pytest.approx(step, rel=1e-5)


def test_each_slice_is_scaled_by_its_own(tmp_path: Path) -> None:
    slopes = [1, 0.5, 2, 1.25, 3, 1]
    elements = [{"RescaleSlope": str(s), "RescaleIntercept": str(-i)} for i, s in enumerate(slopes)]
    write_series(tmp_path, VOLUME, elements=elements)
    image = read(tmp_path)
    assert image.dtype == np.float32
    expected = VOLUME * np.array(slopes)[:, None, None] - np.arange(6)[:, None, None]
    assert np.array_equal(image.data, expected.astype(np.float32))
    assert "padding_value" not in image.meta


def test_whole_intercepts_keep_integers(tmp_path: Path) -> None:
    shifts = [0, -1000, 30000, -5, 7, 0]
    elements = [{"RescaleSlope": "1", "RescaleIntercept": str(s), "BitsStored": 12, "HighBit": 11} for s in shifts]
    write_series(tmp_path, VOLUME, elements=elements)
    image = read(tmp_path)
    assert image.dtype == np.int32
    assert np.array_equal(image.data, VOLUME.astype(int) + np.array(shifts)[:, None, None])


def test_ct_of_12_bits_is_int16(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME, elements=[CT_SCALE | {"PixelPaddingValue": 0}] * 6)
    image = read(tmp_path)
    assert image.dtype == np.int16
    assert dict(image.meta) == {
        "format": "DICOM",
        "compression": "none",
        "bits": 12,
        "photometric": "MONOCHROME2",
        "modality": "CT",
        "value_unit": "HU",
        "n_slices": 6,
        "padding_value": -1024,
    }
    facts = describe(tmp_path)
    assert (facts["shape"], facts["dtype"], facts["chunks"]) == ((6, 4, 5), "int16", (1, 4, 5))
    assert "Doe" not in f"{facts}{image.meta}"


def test_parts_are_those_of_the_whole(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME, elements=[CT_SCALE] * 6)
    check_lazy(dicom.open(tmp_path, Access()).data, VOLUME.astype(np.int16) - np.int16(1024))


def test_the_reader_does_what_klevels_relies_on(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    check_reader(dicom.READER, tmp_path, VOLUME)


def test_pickled_without_voxels(tmp_path: Path) -> None:
    volume = np.zeros((5, 200, 200), np.uint16)
    write_series(tmp_path, volume)
    data = dicom.open(tmp_path, Access()).data
    pickled = pickle.dumps(data)
    assert len(pickled) < 5_000
    assert np.array_equal(np.asarray(pickle.loads(pickled)), volume)


def test_a_window_reads_its_slices_only(tmp_path: Path) -> None:
    files = write_series(tmp_path, VOLUME)
    data = dicom.open(tmp_path, Access()).data
    files[0].write_bytes(b"")
    assert np.array_equal(data[3, 1:3], VOLUME[3, 1:3])
    with pytest.raises(ReadError) as caught:
        data[0]
    assert str(caught.value).startswith(str(files[0]))


def test_a_folder_with_one_slice_is_a_volume_of_one(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME[:1])
    image = read(tmp_path)
    assert (image.axes, image.shape, image.spacing) == ("zyx", (1, 4, 5), None)
    assert (image.meta["spacing_yx"], image.meta["unit_yx"]) == ((0.5, 0.25), "mm")


def test_a_folder_with_one_file_of_many_frames(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a", VOLUME)
    image = read(tmp_path)
    assert np.array_equal(image.data, VOLUME)
    assert image.spacing is None


def test_color(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    write_series(tmp_path, volume)
    image = read(tmp_path)
    assert image.axes == "zyxc"
    assert np.array_equal(image.data, volume)


def test_what_is_no_slice_is_left_out(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    for name in ("scan.log", "readme.txt", ".DS_Store", "Thumbs.db", "empty"):
        (tmp_path / name).write_bytes(b"" if name == "empty" else b"no image")
    shutil.copy(tmp_path / "000.dcm", tmp_path / ".hidden.dcm")
    (tmp_path / "sub.dcm").mkdir()
    report = dataset(VOLUME[0], {"SOPClassUID": uid.BasicTextSRStorage, "SeriesInstanceUID": "1.2.99", "Rows": None})
    report.file_meta = pydicom.dataset.FileMetaDataset()
    report.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    report.SOPClassUID = uid.MediaStorageDirectoryStorage
    report.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    assert dicom.sniff(tmp_path, b"")
    assert np.array_equal(read(tmp_path).data, VOLUME)


def test_a_broken_slice_is_not_taken_for_a_log(tmp_path: Path) -> None:
    files = write_series(tmp_path, VOLUME)
    whole = files[5].read_bytes()
    files[5].write_bytes(b"")
    refused(tmp_path, "005.dcm: is no DICOM file, but lies among some")
    for size in (150, 400, whole.index(b"\xe0\x7f\x10\x00"), len(whole) - 2):
        files[5].write_bytes(whole[:size])
        refused(tmp_path, "005.dcm: ")


def test_other_images_are_not_left_out(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    (tmp_path / "more.TIF").write_bytes(b"II*\0" + bytes(300))
    refused(tmp_path, "more.TIF: is no DICOM file, but lies among some")


def test_a_folder_without_dicom_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(300))
    (tmp_path / "b").write_bytes(b"DICM")
    assert not dicom.sniff(tmp_path, b"")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a", VOLUME[0], {"SOPClassUID": uid.RawDataStorage})
    data = pydicom.dcmread(tmp_path / "a")
    del data.PixelData, data.Rows
    data.save_as(tmp_path / "a")
    refused(tmp_path, "hold no image")


def test_several_series(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    other = {"SeriesInstanceUID": "1.2.4", "SeriesNumber": 7, "Modality": "MR"}
    write_series(tmp_path, VOLUME[:3] + 1, names=["x", "y", "z"], elements=[other] * 3)
    message = refused(tmp_path, "holds 2 series")
    assert "1.2.3 (number 4, CT, 6 files), 1.2.4 (number 7, MR, 3 files); add ::UID or ::number" in message
    for part in ("1.2.3", "4"):
        assert np.array_equal(read(f"{tmp_path}::{part}").data, VOLUME)
    for part in ("1.2.4", "7"):
        assert np.array_equal(read(f"{tmp_path}::{part}").data, VOLUME[:3] + 1)
    refused(tmp_path, "'5' is not one of 2 series", "5")


def test_a_number_that_two_series_have_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    write_series(tmp_path, VOLUME, names=list("abcdef"), elements=[{"SeriesInstanceUID": "1.2.4"}] * 6)
    refused(tmp_path, "'4' is not one of 2 series: 1.2.3 .*, 1.2.4", "4")


def test_many_series_are_not_all_listed(tmp_path: Path) -> None:
    for i in range(12):
        write_dicom(tmp_path / f"{i}", VOLUME[0], {"SeriesInstanceUID": f"1.2.{i}", "SeriesNumber": None})
    assert "and 4 more" in refused(tmp_path, r"holds 12 series: 1.2.0 \(number \?, CT, 1 files\)")


@pytest.mark.parametrize("missing", [1, 2, 4])
def test_a_gap_is_refused(tmp_path: Path, missing: int) -> None:
    files = write_series(tmp_path, VOLUME)
    files[missing].unlink()
    before, after = files[missing - 1].name, files[missing + 1].name
    refused(tmp_path, f"{before} and {after} are 4 mm apart, but other slices 2 mm; supply the slice that is missing")


def test_uneven_distances_are_refused(tmp_path: Path) -> None:
    files = write_series(tmp_path, VOLUME, directions=(1, 0, 0, 0, 1, 0))
    data = pydicom.dcmread(files[5])
    data.ImagePositionPatient[2] -= 0.1
    data.save_as(files[5])
    refused(tmp_path, "004.dcm and 005.dcm are 1.9 mm apart, but other slices 2 mm; take out")


@pytest.mark.parametrize("shift", [0.0, 1e-4])
def test_a_duplicate_is_refused(tmp_path: Path, shift: float) -> None:
    files = write_series(tmp_path, VOLUME, directions=(1, 0, 0, 0, 1, 0))
    data = pydicom.dcmread(files[3])
    data.ImagePositionPatient[2] += shift
    data.save_as(tmp_path / "again.dcm")
    assert "again.dcm" in refused(tmp_path, "003.dcm.* lie at the same place")


def test_two_echoes_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    write_series(tmp_path, VOLUME, names=list("abcdef"))
    refused(tmp_path, "lie at the same place; take one of them away, or keep each time, phase or echo by itself")


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    directions = (1, 0, 0, 0, 1, 0)
    tilted = [{"ImagePositionPatient": [0, 0.2 * i, 2 * i]} for i in range(6)]
    write_series(tmp_path, VOLUME, directions=directions, elements=tilted)
    refused(tmp_path, "005.dcm is shifted by 1 mm in its plane against 000.dcm, as with a tilted gantry")
    straight = [{"ImagePositionPatient": [0, 0.02 * i, 2 * i]} for i in range(6)]  # less than half a pixel
    write_series(tmp_path, VOLUME, directions=directions, elements=straight)
    assert read(tmp_path).shape == VOLUME.shape


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"PixelSpacing": [0.5, 0.26]}, "PixelSpacing is .0.5, 0.26., but .0.5, 0.25. in 000.dcm"),
        ({"PixelSpacing": None}, "PixelSpacing is None"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "ImageOrientationPatient is"),
        ({"BitsStored": 12, "HighBit": 11}, "BitsStored is 12, but 16 in 000.dcm"),
        ({"PixelRepresentation": 1}, "dtype is int16, but uint16"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "PhotometricInterpretation is MONOCHROME1"),
        ({"Modality": "MR"}, "modality is MR, but CT"),
        ({"RescaleIntercept": "-1", "RescaleSlope": "1"}, "unit of values is HU, but None"),
        ({"Rows": 5, "Columns": 4}, "size is .5, 4., but .4, 5. in 000.dcm"),
        ({"ImagePositionPatient": None}, "003.dcm has no ImagePositionPatient"),
    ],
)
def test_slices_that_differ_are_refused(tmp_path: Path, elements: dict[str, Any], message: str) -> None:
    write_series(tmp_path, VOLUME, elements=[elements if i == 3 else {} for i in range(6)])
    assert "003.dcm" in refused(tmp_path, message)


def test_the_last_digits_of_directions_and_spacings_may_differ(tmp_path: Path) -> None:
    other = {"PixelSpacing": [0.5, 0.2500001], "ImageOrientationPatient": [0.600001, 0.799999, 0, 0, 0, -1]}
    write_series(tmp_path, VOLUME, elements=[other if i == 3 else {} for i in range(6)])
    assert np.array_equal(read(tmp_path).data, VOLUME)


def test_slices_without_positions_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME, elements=[{"ImagePositionPatient": None}] * 6)
    refused(tmp_path, "000.dcm has no ImagePositionPatient, so its place among the slices is not known")
    write_series(tmp_path, VOLUME, elements=[{"ImageOrientationPatient": None}] * 6)
    refused(tmp_path, "000.dcm has no ImageOrientationPatient")


def test_frames_among_slices_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    write_dicom(tmp_path / "more.dcm", VOLUME)
    refused(tmp_path, "more.dcm: holds 6 frames, but is not the only file of its series; read it alone")


@pytest.mark.parametrize("name", ["ct_jpeg2000_series", "lidc_series"])
def test_real_series(shared_data: Path, name: str) -> None:
    folder = shared_data / "medical" / name
    image = read(folder)
    values, spacing = by_simpleitk(folder)
    assert (image.axes, image.dtype, image.meta["value_unit"]) == ("zyx", np.int16, "HU")
    assert np.array_equal(image.data, values)
    assert image.spacing == pytest.approx(spacing, rel=1e-6)
    lazy = dicom.open(folder, Access())
    assert np.array_equal(lazy.data[7:9, 100:120, 3], values[7:9, 100:120, 3])
