"""DICOM files are read as other programs read them, or refused."""

from __future__ import annotations

import builtins
import pickle
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from dicom_files import dataset, write_dicom
from klevels.errors import InputMissingError, MissingDependencyError, ReadError
from klevels.io import describe, dicom, read
from klevels.io.reader import Access
from klevels.testing import check_reader
from windows import check_lazy

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
RANDOM = np.random.default_rng(7)


def ramp(dtype: str, shape: tuple[int, ...] = (5, 7)) -> NDArray[Any]:
    """Values over the whole range of a dtype."""
    if np.dtype(dtype).kind == "f":
        return RANDOM.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    values = RANDOM.integers(info.min, info.max, shape, np.dtype(dtype), endpoint=True)
    values.flat[:2] = info.min, info.max
    return values


def by_pydicom(path: Path) -> NDArray[Any]:
    """The values as pydicom reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(path)
        slope, intercept = data.get("RescaleSlope", 1), data.get("RescaleIntercept", 0)
        return np.asarray(data.pixel_array * float(slope) + float(intercept))


def by_simpleitk(path: Path) -> NDArray[Any]:
    """The values as GDCM reads them."""
    sitk = pytest.importorskip("SimpleITK")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))


def refused(path: Path, match: str) -> str:
    """Assert that a file is refused when it is opened, and return the message."""
    with pytest.raises(ReadError, match=match) as caught:
        dicom.open(path, Access())
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_uncompressed_values_are_as_they_were(tmp_path: Path, dtype: str, syntax: uid.UID) -> None:
    values = ramp(dtype)
    image = read(write_dicom(tmp_path / "a", values, syntax=syntax))
    assert (image.axes, image.dtype, image.spacing, image.unit) == ("yx", np.dtype(dtype), (0.5, 0.25), "mm")
    assert image.dtype.isnative
    assert np.array_equal(image.data, values)


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (uid.JPEG2000Lossless, imagecodecs.jpeg2k_encode),
        (uid.JPEGLSLossless, imagecodecs.jpegls_encode),
        (uid.JPEGLosslessSV1, imagecodecs.ljpeg_encode),
        (uid.JPEGLossless, imagecodecs.ljpeg_encode),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_compressed_values_are_as_they_were(
    tmp_path: Path, dtype: str, syntax: uid.UID, encode: Callable[..., bytes]
) -> None:
    values = ramp(dtype, (3, 24, 40))
    options = {"level": 0, "reversible": True} if encode is imagecodecs.jpeg2k_encode else {}
    codes = [encode(frame.view(frame.dtype.str.replace("i", "u")), **options) for frame in values]
    path = write_dicom(tmp_path / "a", values, syntax=syntax, codes=codes)
    image = read(path)
    assert (image.axes, image.dtype) == ("zyx", np.dtype(dtype))
    assert np.array_equal(image.data, values)
    assert np.array_equal(by_simpleitk(path), values)


@pytest.mark.parametrize("shape", [(2, 6, 5), (6, 5, 3), (2, 6, 5, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_rle(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    values = ramp(dtype.replace("int16", "uint16") if shape[-1] == 3 else dtype, shape)
    data = dataset(values)
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.compress(uid.RLELossless, values, encoding_plugin="pydicom")
    data.save_as(tmp_path / "a", enforce_file_format=True)
    image = read(tmp_path / "a")
    assert image.meta["compression"] == "RLE"
    assert np.array_equal(image.data, values)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("n_frames", [1, 4])
def test_rgb(tmp_path: Path, planar: int, n_frames: int) -> None:
    values = ramp("uint8", (n_frames, 4, 6, 3))
    stored = values.transpose(0, 3, 1, 2).reshape(values.shape) if planar else values
    image = read(write_dicom(tmp_path / "a", stored, {"PlanarConfiguration": planar}))
    assert image.axes == ("zyxc" if n_frames > 1 else "yxc")
    assert np.array_equal(image.data, values if n_frames > 1 else values[0])


def test_a_code_in_several_pieces_is_joined(tmp_path: Path) -> None:
    values = ramp("uint16", (3, 20, 30))
    codes = [imagecodecs.jpegls_encode(frame) for frame in values]
    data = dataset(values)
    data.PixelData = encapsulate(codes, fragments_per_frame=3, has_bot=True)
    one = encapsulate(codes[:1], fragments_per_frame=3, has_bot=False)
    path = write_dicom(tmp_path / "a", values, syntax=uid.JPEGLSLossless, codes=codes)
    whole = path.read_bytes()
    start = whole.index(encapsulate(codes))
    path.write_bytes(whole[:start] + data.PixelData + b"\xfe\xff\xdd\xe0\0\0\0\0")
    assert np.array_equal(read(path).data, values)
    path.write_bytes(whole[:start] + encapsulate(codes, fragments_per_frame=3, has_bot=False) + whole[-8:])
    refused(path, "3 frames, but 9 pieces")
    single = write_dicom(tmp_path / "b", values[0], syntax=uid.JPEGLSLossless, codes=codes[:1])
    whole = single.read_bytes()
    single.write_bytes(whole.replace(encapsulate(codes[:1]), one))
    assert np.array_equal(read(single).data, values[0])


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_bits_above_those_stored_do_not_count(tmp_path: Path, dtype: str) -> None:
    values = ramp(dtype)
    path = write_dicom(tmp_path / "a", values, {"BitsStored": 12, "HighBit": 11})
    expected = values.astype(np.int64) % 4096
    if dtype == "int16":
        expected[expected >= 2048] -= 4096
    assert np.array_equal(read(path).data, expected)


@pytest.mark.parametrize(
    ("dtype", "bits", "slope", "intercept", "expected"),
    [
        ("uint16", 12, "1", "-1024", "int16"),
        ("uint16", 16, "1", "-1024", "int32"),
        ("int16", 16, "1", "-1024", "int32"),
        ("uint16", 16, "1", "0", "uint16"),
        ("uint8", 8, "1", "-5", "int16"),
        ("uint16", 12, "0.5", "-1024", "float32"),
        ("uint16", 12, "1", "0.5", "float32"),
        ("int32", 32, "2", "0", "float64"),
        ("uint32", 32, "1", "-1", "int64"),
    ],
)
def test_slope_and_intercept(tmp_path: Path, dtype: str, bits: int, slope: str, intercept: str, expected: str) -> None:
    values = ramp(dtype)
    if bits == 12:
        values %= 4096
    scale = {"RescaleSlope": slope, "RescaleIntercept": intercept, "BitsStored": bits, "HighBit": bits - 1}
    image = read(write_dicom(tmp_path / "a", values, scale))
    assert image.dtype == expected
    assert np.array_equal(image.data, values.astype(np.float64) * float(slope) + float(intercept))
    assert image.meta["value_unit"] == "HU"


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_meta(tmp_path: Path, syntax: uid.UID) -> None:
    values = ramp("int16")
    elements: dict[str, Any] = {"RescaleSlope": "1", "RescaleIntercept": "-1000", "PixelPaddingValue": -2000}
    path = write_dicom(tmp_path / "a", values, elements, syntax=syntax)
    assert dict(read(path).meta) == {
        "format": "DICOM",
        "compression": "none",
        "bits": 16,
        "photometric": "MONOCHROME2",
        "modality": "CT",
        "value_unit": "HU",
        "padding_value": -3000,
    }
    facts = describe(path)
    assert (facts["shape"], facts["axes"], facts["dtype"], facts["spacing"]) == ((5, 7), "yx", "int32", (0.5, 0.25))
    assert "Doe" not in f"{facts}{read(path).meta}"
    assert "secret" not in f"{facts}{read(path).meta}"


@pytest.mark.parametrize(
    ("elements", "unit"),
    [
        ({"Modality": "MR"}, None),
        ({}, None),
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "US"}, None),
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "MGML"}, "MGML"),
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "Modality": "MR"}, None),
    ],
)
def test_the_unit_of_values_is_not_guessed(tmp_path: Path, elements: dict[str, Any], unit: str | None) -> None:
    assert read(write_dicom(tmp_path / "a", ramp("int16"), elements)).meta.get("value_unit") == unit


def test_monochrome1_is_not_inverted(tmp_path: Path) -> None:
    values = ramp("uint16")
    image = read(write_dicom(tmp_path / "a", values, {"PhotometricInterpretation": "MONOCHROME1"}))
    assert np.array_equal(image.data, values)
    assert image.meta["photometric"] == "MONOCHROME1"


def test_spacing_is_none_where_it_is_unknown(tmp_path: Path) -> None:
    image = read(write_dicom(tmp_path / "a", ramp("uint8"), {"PixelSpacing": None, "ImagerPixelSpacing": [1, 1]}))
    assert (image.spacing, image.unit) == (None, None)


def group(position: float, **scale: str) -> Dataset:
    """A functional group of a frame."""
    plane, values, item = Dataset(), Dataset(), Dataset()
    plane.ImagePositionPatient = [0, 0, position]
    item.PlanePositionSequence = Sequence([plane])
    if scale:
        values.update(scale)
        item.PixelValueTransformationSequence = Sequence([values])
    return item


def shared() -> Sequence:
    """Functional groups that all frames share."""
    item, measures, direction = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [0.3, 0.2]
    direction.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    item.PixelMeasuresSequence = Sequence([measures])
    item.PlaneOrientationSequence = Sequence([direction])
    return Sequence([item])


NOT_AT_TOP = {"PixelSpacing": None, "ImagePositionPatient": None, "ImageOrientationPatient": None}


def test_frames_are_sorted_by_their_positions_and_scaled_by_their_own(tmp_path: Path) -> None:
    values = ramp("int16", (4, 5, 6))
    depths, slopes = [6.0, 0.0, 2.0, 4.0], [1.5, 2.0, 1.0, 0.5]
    groups = [group(z, RescaleSlope=str(s), RescaleIntercept="-3") for z, s in zip(depths, slopes, strict=True)]
    places = {"PerFrameFunctionalGroupsSequence": Sequence(groups), "SharedFunctionalGroupsSequence": shared()}
    image = read(write_dicom(tmp_path / "a", values, NOT_AT_TOP | places))
    assert (image.axes, image.spacing, image.unit, image.dtype) == ("zyx", (2.0, 0.3, 0.2), "mm", np.float32)
    order = np.argsort(depths)
    scaled = values * np.array(slopes)[:, None, None] - 3
    assert np.array_equal(image.data, scaled[order].astype(np.float32))


def test_frames_without_positions_stay_in_order(tmp_path: Path) -> None:
    values = ramp("uint8", (4, 5, 6))
    image = read(write_dicom(tmp_path / "a", values))
    assert np.array_equal(image.data, values)
    assert (image.spacing, image.meta["spacing_yx"], image.meta["unit_yx"]) == (None, (0.5, 0.25), "mm")


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ([0, 1, 1, 2], "frame 2 and frame 3 lie at the same place"),
        ([0, 1, 3, 4], "frame 2 and frame 3 are 2 mm apart, but other slices 1 mm; supply"),
        ([0, 1, 2], "4 frames, but 3 functional groups"),
    ],
)
def test_frames_that_are_no_volume(tmp_path: Path, depths: list[float], message: str) -> None:
    groups = Sequence([group(z) for z in depths])
    places = {"PerFrameFunctionalGroupsSequence": groups, "SharedFunctionalGroupsSequence": shared()}
    refused(write_dicom(tmp_path / "a", ramp("uint8", (4, 5, 6)), NOT_AT_TOP | places), message)


def test_parts_are_those_of_the_whole(volumes: list[tuple[Any, NDArray[Any]]]) -> None:
    for lazy, whole in volumes:
        check_lazy(lazy, whole)


def test_the_reader_does_what_klevels_relies_on(tmp_path: Path) -> None:
    values = ramp("int16", (3, 9, 8))
    codes = [imagecodecs.jpegls_encode(frame.view(np.uint16)) for frame in values]
    check_reader(dicom.READER, write_dicom(tmp_path / "a", values), values)
    check_reader(dicom.READER, write_dicom(tmp_path / "b", values, syntax=uid.JPEGLSLossless, codes=codes), values)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, NDArray[Any]]]:
    """Lazy arrays of each kind, and their values."""
    folder = tmp_path_factory.mktemp("volumes")
    gray, color = ramp("uint16", (4, 9, 8)) % 4096, ramp("uint8", (3, 7, 6, 3))
    scale = {"BitsStored": 12, "HighBit": 11, "RescaleSlope": "1", "RescaleIntercept": "-1000"}
    codes = [imagecodecs.jpegls_encode(frame) for frame in gray]
    planes = color.transpose(0, 3, 1, 2).reshape(color.shape)
    files = [
        (write_dicom(folder / "native", gray, scale), gray.astype(np.int16) - np.int16(1000)),
        (write_dicom(folder / "code", gray, scale, syntax=uid.JPEGLSLossless, codes=codes), gray.astype("i2") - 1000),
        (write_dicom(folder / "planes", planes, {"PlanarConfiguration": 1}), color),
        (write_dicom(folder / "one", color[0]), color[0]),
    ]
    return [
        (dicom.open(path, Access()).data, values.astype(dicom.open(path, Access()).dtype)) for path, values in files
    ]


def test_pickled_without_voxels(tmp_path: Path) -> None:
    values = np.arange(60_000, dtype=np.uint16).reshape(3, 100, 200)
    path = write_dicom(tmp_path / "a", values)
    coded = write_dicom(
        tmp_path / "b", values, syntax=uid.JPEGLSLossless, codes=[imagecodecs.jpegls_encode(one) for one in values]
    )
    for file in (path, coded):
        image = dicom.open(file, Access())
        assert image.is_lazy
        assert image.data.chunks == (1, 100, 200)
        pickled = pickle.dumps(image.data)
        assert len(pickled) < 5_000
        assert np.array_equal(np.asarray(pickle.loads(pickled)), values)


def test_opening_decodes_nothing(tmp_path: Path) -> None:
    values = ramp("uint16", (3, 10, 20))
    codes = [imagecodecs.jpegls_encode(one) for one in values]
    codes[1] = codes[1][:40] + bytes(len(codes[1]) - 42) + b"\xff\xd9"
    path = write_dicom(tmp_path / "a", values, syntax=uid.JPEGLSLossless, codes=codes)
    image = dicom.open(path, Access())
    assert np.array_equal(image.data[2, 3:5], values[2, 3:5])
    with pytest.raises(ReadError, match="frame 2 cannot be decoded") as caught:
        image.data[1]
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR; MONOCHROME1"),
        ({"PhotometricInterpretation": "RGB"}, "1 samples of RGB"),
        ({"BitsAllocated": 1}, "BitsAllocated is 1; 8, 16, 32 are read"),
        ({"BitsAllocated": 12}, "BitsAllocated is 12"),
        ({"BitsStored": 17}, "BitsStored is 17"),
        ({"BitsStored": 12}, "HighBit 15"),
        ({"Rows": None}, "Rows is 'None'; a whole number"),
        ({"Rows": 0}, "claims 0 x 7 pixels"),
        ({"Columns": 0}, "claims 5 x 0 pixels"),
        ({"Rows": 6}, "take 84 bytes, but 70 are stored; it is cut short"),
        ({"Rows": 65535, "Columns": 65535, "BitsAllocated": 32}, "it is cut short"),
        ({"NumberOfFrames": 2}, "it is cut short"),
        ({"NumberOfFrames": 0}, "NumberOfFrames is 0; 1 to 100000"),
        ({"NumberOfFrames": 2**31 - 1}, "NumberOfFrames is 2147483647"),
        ({"RescaleSlope": "0", "RescaleIntercept": "0"}, "RescaleSlope is 0"),
        ({"PixelSpacing": [0, 1]}, "PixelSpacing is .* two positive numbers"),
        ({"PixelSpacing": [1]}, "PixelSpacing is .* 2 of them"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "ImageOrientationPatient is .* right angles"),
        ({"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]}, "ImageOrientationPatient is .* unit vectors"),
        ({"ImageOrientationPatient": [0, 1, 0]}, "ImageOrientationPatient is .* 6 of them"),
        ({"ModalityLUTSequence": [Dataset()]}, "Modality LUT"),
        ({"DoseGridScaling": "1e-5"}, "radiation dose"),
        ({"TotalPixelMatrixColumns": 40}, "tiles of a slide"),
    ],
)
def test_refusals(tmp_path: Path, elements: dict[str, Any], message: str) -> None:
    refused(write_dicom(tmp_path / "a", ramp("uint16"), elements), message)


def test_words_of_a_file_cannot_reach_the_terminal(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a", ramp("uint8"), {"Modality": "CTXXX", "PhotometricInterpretation": "MONOCHROME2"})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"CTXXX ", b"CT\x1b[2J"))
    assert read(path).meta["modality"] == "CT[2J"
    path.write_bytes(whole.replace(b"MONOCHROME2", b"MONO\nCHR\x1b[J"))
    refused(path, "1 samples of MONOCHR.J; MONOCHROME1")


def test_a_film_is_no_volume(tmp_path: Path) -> None:
    elements = {"FrameIncrementPointer": 0x00181063, "FrameTime": "40"}
    refused(write_dicom(tmp_path / "a", ramp("uint8", (3, 4, 5)), elements), "is a film")


def test_a_part_of_a_file_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a", ramp("uint8"))
    with pytest.raises(ReadError, match="holds no parts, but ::7 is asked for"):
        read(f"{path}::7")


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a", ramp("uint8"), {"SOPClassUID": uid.BasicTextSRStorage, "Rows": None})
    data = pydicom.dcmread(path)
    del data.PixelData
    data.save_as(path)
    refused(path, "is DICOM, but no image")


@pytest.mark.parametrize(
    ("syntax", "codes", "message"),
    [
        (uid.MPEG2MPML, [b"abcd"], "its transfer syntax is 1.2.840.10008.1.2.4.100; uncompressed, RLE, JPEG"),
        (uid.JPEGLSLossless, None, "should be compressed, but are not framed"),
        (uid.ExplicitVRLittleEndian, [b"abcd"], "compressed, but its transfer syntax says they are not"),
        (uid.JPEGLSLossless, [b"", b"ab"], "a frame is empty"),
        (uid.JPEGLSLossless, [], "1 frames, but 0 pieces"),
    ],
)
def test_pixels_that_are_not_what_the_syntax_says(
    tmp_path: Path, syntax: uid.UID, codes: list[bytes] | None, message: str
) -> None:
    path = write_dicom(tmp_path / "a", ramp("uint8"), syntax=uid.JPEGLSLossless, codes=[b"ab"])
    whole = path.read_bytes()
    start = whole.index(b"\xe0\x7f\x10\x00")
    pixels = b"\xfe\xff\x00\xe0\0\0\0\0" + b"".join(
        b"\xfe\xff\x00\xe0" + struct.pack("<I", len(code)) + code for code in codes or []
    )
    if codes is None:
        element = b"\xe0\x7f\x10\x00OB\0\0" + struct.pack("<I", 70) + bytes(70)
    else:
        element = whole[start : start + 12] + pixels + b"\xfe\xff\xdd\xe0\0\0\0\0"
    old, new = (str(one).encode().ljust((len(one) + 1) // 2 * 2, b"\0") for one in (uid.JPEGLSLossless, syntax))
    head = whole[:start].replace(old + b"\x02\0", new + b"\x02\0")
    head = head.replace(b"UI" + struct.pack("<H", len(old)) + new, b"UI" + struct.pack("<H", len(new)) + new)
    path.write_bytes(head + element)
    refused(path, message)


def test_color_in_a_lossy_code_is_refused(tmp_path: Path) -> None:
    values = ramp("uint8", (16, 16, 3))
    code = imagecodecs.jpeg8_encode(values)
    refused(write_dicom(tmp_path / "a", values, syntax=uid.JPEGBaseline8Bit, codes=[code]), "in color, and compressed")


@pytest.mark.parametrize("claimed", [(65535, 65535), (16, 17)])
@pytest.mark.parametrize("codec", ["jpegls", "jpeg8", "jpeg2k", "ljpeg"])
def test_a_code_of_another_size_is_refused_before_it_is_decoded(
    tmp_path: Path, codec: str, claimed: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = ramp("uint8", (16, 16))
    code = bytearray(
        getattr(imagecodecs, f"{codec}_encode")(values, **({"codecformat": "j2k"} if codec == "jpeg2k" else {}))
    )
    if codec == "jpeg2k":
        code[8:16] = struct.pack(">II", claimed[1], claimed[0])
    else:
        marker = {"jpegls": b"\xff\xf7", "jpeg8": b"\xff\xc0", "ljpeg": b"\xff\xc3"}[codec]
        at = code.index(marker) + 5
        code[at : at + 4] = struct.pack(">HH", *claimed)
    syntax = {
        "jpegls": uid.JPEGLSLossless,
        "jpeg8": uid.JPEGBaseline8Bit,
        "jpeg2k": uid.JPEG2000,
        "ljpeg": uid.JPEGLossless,
    }[codec]
    path = write_dicom(tmp_path / "a", values, syntax=syntax, codes=[bytes(code)])
    name = "jpegsof3" if codec == "ljpeg" else codec
    monkeypatch.setattr(imagecodecs, f"{name}_decode", lambda _: pytest.fail("decoded"))
    with pytest.raises(ReadError, match="the code claims rows, columns and samples"):
        read(path)


def test_progressive_jpeg_is_refused(tmp_path: Path) -> None:
    code = imagecodecs.jpeg8_encode(ramp("uint8", (16, 16))).replace(b"\xff\xc0", b"\xff\xc2")
    path = write_dicom(tmp_path / "a", ramp("uint8", (16, 16)), syntax=uid.JPEGBaseline8Bit, codes=[code])
    with pytest.raises(ReadError, match="JPEG process 2 is not one of DICOM"):
        read(path)


def rle(*segments: bytes, n: int | None = None, shift: int = 0) -> bytes:
    """A frame of segments; `n` is how many it claims, and `shift` moves the offsets."""
    starts = np.cumsum([64, *map(len, segments)])[:-1] + shift
    return struct.pack("<16I", len(segments) if n is None else n, *starts, *[0] * (15 - len(segments))) + b"".join(
        segments
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (rle(b"\xf1\x07"), "there are 1 segments, not 2"),
        (rle(b"\xf1\x07", b"\xf1\x07", n=2**32 - 1), "there are 4294967295 segments, not 2"),
        (rle(b"\xf1\x07", b"\xf1\x07", shift=2**31), "a segment lies from byte 2147483712"),
        (rle(b"\xf1\x07", b"\xf1\x07", shift=-8), "a segment lies from byte 56"),
        (rle(b"\xf1\x07", b""), "a segment lies from byte 66 to 66 of 66"),
        (rle(b"\xf1\x07", b"\xf2\x07"), "a segment holds 15 bytes, not 16"),
        (rle(b"\xf1\x07", b"\x81\x07"), "a segment holds 128 bytes, not 16"),
        (rle(b"\xf1\x07", b"\x7f\x07"), "frame 1 cannot be decoded"),
        (b"\2\0\0\0", "frame 1 cannot be decoded"),
    ],
)
def test_broken_rle_is_refused(tmp_path: Path, code: bytes, message: str) -> None:
    values = np.full((4, 4), 0x0707, np.uint16)
    whole = write_dicom(tmp_path / "whole", values, syntax=uid.RLELossless, codes=[rle(b"\xf1\x07", b"\xf1\x07")])
    assert np.array_equal(read(whole).data, values)
    path = write_dicom(tmp_path / "a", values, syntax=uid.RLELossless, codes=[code])
    with pytest.raises(ReadError, match=message):
        read(path)


def test_damaged_anywhere_is_refused_or_read(tmp_path: Path, read_in_sandbox: Callable[..., dict[Path, str]]) -> None:
    values = np.random.default_rng(0).integers(0, 256, (2, 12, 12), np.uint8)
    codecs: dict[uid.UID, Callable[[NDArray[Any]], bytes]] = {
        uid.JPEGLSLossless: imagecodecs.jpegls_encode,
        uid.JPEG2000: imagecodecs.jpeg2k_encode,
        uid.JPEGLossless: imagecodecs.ljpeg_encode,
        uid.JPEGBaseline8Bit: imagecodecs.jpeg8_encode,
        uid.RLELossless: lambda one: rle(imagecodecs.packbits_encode(one.tobytes())),
    }
    files = []
    for syntax, encode in codecs.items():
        whole = write_dicom(
            tmp_path / "whole", values, syntax=syntax, codes=[encode(one) for one in values]
        ).read_bytes()
        for at in np.random.default_rng(1).integers(132, len(whole), 40).tolist():
            files.append(tmp_path / f"{syntax}-{at}")
            files[-1].write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    outcome = read_in_sandbox(sorted(set(files)))
    assert [text for text in outcome.values() if not text.startswith(("ok", "ReadError"))] == []


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    sides = {"Rows": 65535, "Columns": 65535}
    path = write_dicom(tmp_path / "a", ramp("uint8"), sides, syntax=uid.JPEGLSLossless, codes=[b"ab\xff\xd9"])
    refused(path, "claims 65535 x 65535 pixels, 4294836225 bytes, a frame")


@pytest.mark.parametrize("codec", ["jpegls", "jpeg8", "jpeg2k", "ljpeg"])
def test_a_code_that_is_cut_short_is_refused(tmp_path: Path, codec: str) -> None:
    values = ramp("uint8", (64, 64))
    code = getattr(imagecodecs, f"{codec}_encode")(values)
    syntax = {"jpegls": uid.JPEGLSLossless, "jpeg8": uid.JPEGBaseline8Bit, "jpeg2k": uid.JPEG2000}
    cut = code[: len(code) // 2 & ~1]
    path = write_dicom(tmp_path / "a", values, syntax=syntax.get(codec, uid.JPEGLossless), codes=[cut])
    with pytest.raises(ReadError, match=r"frame 1 cannot be decoded \(the end of the compressed data is missing"):
        read(path)


@pytest.mark.parametrize("is_coded", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, is_coded: bool) -> None:
    values = ramp("uint16", (2, 12, 10))
    coding: dict[str, Any] = {}
    if is_coded:
        coding = {"syntax": uid.JPEGLSLossless, "codes": [imagecodecs.jpegls_encode(one) for one in values]}
    whole = write_dicom(tmp_path / "whole", values, **coding).read_bytes()
    part = tmp_path / "part"
    for size in range(140, len(whole) - 8, 7):
        part.write_bytes(whole[:size])
        with pytest.raises(ReadError) as caught:
            dicom.open(part, Access())
        assert str(caught.value).startswith(str(part))


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a", ramp("uint16", (20, 30)))
    data = dicom.open(path, Access()).data
    path.write_bytes(path.read_bytes()[:-50])
    for change in (lambda: None, path.unlink):
        change()
        with pytest.raises(ReadError, match=r"after it was opened|must stay while it is read") as caught:
            data[:]
        assert str(caught.value).startswith(str(path))


def element(tag: int, kind: bytes, value: bytes, n_bytes: int | None = None) -> bytes:
    """A data element, Explicit VR Little Endian, of a length that may be a lie."""
    length = len(value) if n_bytes is None else n_bytes
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + kind
    return head + (struct.pack("<xxI", length) if kind in (b"SQ", b"OB", b"UN") else struct.pack("<H", length)) + value


def hostile(path: Path, inserted: bytes) -> Path:
    """A file with elements that pydicom would not write, before the first."""
    whole = write_dicom(path, ramp("uint8")).read_bytes()
    start = whole.index(b"\x08\0\x16\0UI")
    path.write_bytes(whole[:start] + inserted + whole[start:])
    return path


def test_sequences_without_end(tmp_path: Path) -> None:
    deep = element(0x00081140, b"SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff", 0xFFFFFFFF)
    refused(hostile(tmp_path / "a", deep * 100_000), "cannot be read")


def test_a_length_beyond_the_file_takes_no_memory(
    tmp_path: Path, read_in_sandbox: Callable[..., dict[Path, str]]
) -> None:
    kinds = (b"OB", b"UN", b"SQ")
    files = [hostile(tmp_path / kind.decode(), element(0x00080005, kind, b"", 0xFFFFFFF0)) for kind in kinds]
    assert all(text.startswith("ReadError") for text in read_in_sandbox(files).values())


def test_a_deflated_data_set_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a", ramp("uint8"), syntax=uid.DeflatedExplicitVRLittleEndian)
    refused(path, "is deflated as a whole")


def test_a_head_that_looks_like_tiff(tmp_path: Path) -> None:
    values = ramp("uint8")
    path = write_dicom(tmp_path / "a.tif", values)
    whole = path.read_bytes()
    path.write_bytes(b"II*\0\x08\0\0\0" + whole[8:])
    assert np.array_equal(read(path).data, values)
    path.write_bytes(whole[132:])  # begins with the group of the prefix, without the preamble
    assert np.array_equal(read(path).data, values)


def test_sniff_tells_dicom_only(tmp_path: Path) -> None:
    assert not dicom.sniff(tmp_path / "a", b"II*\0" + bytes(508))
    assert not dicom.sniff(tmp_path / "a", b"DICM")
    assert not dicom.sniff(tmp_path / "nothing", b"")
    assert dicom.sniff(tmp_path / "a", bytes(128) + b"DICM")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError):
        dicom.open(tmp_path / "nothing", Access())


def test_without_pydicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_dicom(tmp_path / "a", ramp("uint8"))
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pydicom":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"pip install 'klevels\[io\]'"):
        read(path)


ARE_READ = """693_J2KI CT_small ExplVR_BigEnd J2K_pixelrep_mismatch JPEG-lossy JPEG2000 JPEGLSNearLossless_08
JPEGLSNearLossless_16 JPGExtended MR_small MR_small_RLE MR_small_bigendian MR_small_expb MR_small_implicit
MR_small_jp2klossless MR_small_jpeg_ls_lossless MR_small_padded SC_rgb_jpeg_dcmd SC_rgb_rle SC_rgb_rle_16bit
SC_rgb_rle_16bit_2frame SC_rgb_rle_2frame SC_rgb_rle_32bit SC_rgb_rle_32bit_2frame SC_rgb_small_odd examples_overlay
examples_rgb_color"""


@pytest.mark.parametrize("path", sorted(PYDICOM_FILES.glob("*.dcm")), ids=lambda path: path.name)
def test_files_that_come_with_pydicom(path: Path) -> None:
    if path.stem not in ARE_READ.split():
        with pytest.raises(ReadError) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        return
    values = read(path).data
    try:
        expected = by_pydicom(path)
    except RuntimeError:  # pydicom has no decoder for it here
        expected = by_simpleitk(path)[0]
    assert np.array_equal(values, expected)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm"])
def test_real_files(shared_data: Path, name: str) -> None:
    path = shared_data / "medical" / name
    image = read(path)
    assert np.array_equal(image.data, by_pydicom(path))
    assert np.array_equal(image.data, by_simpleitk(path)[0])
    assert image.spacing == tuple(float(x) for x in pydicom.dcmread(path).PixelSpacing)


def test_broken_files_are_refused_or_right(shared_data: Path, read_in_sandbox: Callable[..., dict[Path, str]]) -> None:
    outcome = {
        path.name: text
        for path, text in read_in_sandbox(sorted((shared_data / "malformed" / "pydicom").iterdir())).items()
    }
    assert outcome.pop("MR_small_padded.dcm") == "ok (64, 64) int16"
    assert outcome.pop("bad_sequence.dcm") == "ok (512, 512) int16"  # what is broken is a private sequence
    assert len(outcome) >= 6
    assert all(text.startswith("ReadError") for text in outcome.values())
    path = shared_data / "malformed" / "pydicom" / "MR_small_padded.dcm"
    assert np.array_equal(read(path).data, by_pydicom(path))
    path = path.with_name("bad_sequence.dcm")
    assert np.array_equal(read(path).data, by_simpleitk(path)[0])
