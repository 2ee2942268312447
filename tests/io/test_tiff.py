"""Every kind of TIFF is read rightly or refused with one clear line; what is written comes back to the bit."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from klevels.errors import ParameterError, ReadError
from klevels.image import Image
from klevels.io import tiff

RNG = np.random.default_rng(20261122)
DTYPES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "float16",
    "float32",
    "float64",
    "int64",
    "uint64",
)
ENTRY = {"c": 2, "H": 3, "I": 4, "Q": 16}

# What klevels cannot turn into gray or RGB with certainty, and the word that says why.
REFUSED = {
    "cmyk-3c-16b.tiff": "SEPARATED",
    "cmyk-3c-8b.tiff": "SEPARATED",
    "seq-4c-16b-cmyk-c6e52592.tiff": "SEPARATED",
    "seq-4c-8b-cmyk-352ac1da.tiff": "SEPARATED",
    "tiled-cmyk-i8.tif": "SEPARATED",
    "flower-separated-contig-16.tif": "SEPARATED",
    "flower-separated-planar-16.tif": "SEPARATED",
    "off_luv24.tif": "SGILOG24",
    "ojpeg-strip.tif": "OJPEG",
    "ycbcr-cat.tif": "YCbCr",
}
CALIBRATED = {"shell_225x128x128.tif": ((1.0, 1.0, 1.0), "µm")}


def test_formats_against_independent_readers(shared_data: Path) -> None:
    n_compared = 0
    for path in sorted((shared_data / "formats").rglob("*.tif*")):
        if path.name in REFUSED:
            with pytest.raises(ReadError, match=REFUSED[path.name]):
                tiff.read(path)
            continue
        image = tiff.read(path)
        np.testing.assert_array_equal(np.squeeze(image.data), _by_tifffile(path), err_msg=path.name)
        by_pillow = _by_pillow(path)
        if by_pillow is not None:
            n_compared += 1
            _assert_like_pillow(image.data, by_pillow, path.name)
    assert n_compared > 40


def test_sequences_count_up_whatever_the_encoding(shared_data: Path) -> None:
    for path in sorted((shared_data / "formats/image-tiff/seq").glob("seq-1c-*.tiff")):
        data = tiff.read(path).data.reshape(-1, 256)[0]
        if data.dtype.kind == "f":
            np.testing.assert_allclose(data, np.arange(256) / 255, atol=1e-6, err_msg=path.name)
            continue
        bits = tiff.describe(path)["bits"]
        assert isinstance(bits, int)
        counted = np.arange(256) - (128 if data.dtype.kind == "i" else 0)
        n_values = 1 << min(bits, 8)
        if "miniswhite" in path.name and bits > 8:
            continue  # compared with tifffile above
        np.testing.assert_array_equal(np.unique(data), np.unique(counted % n_values if bits < 8 else counted))


def test_describe_agrees_with_read(shared_data: Path) -> None:
    for path in sorted((shared_data / "formats").rglob("*.tif*")):
        if path.name in REFUSED or path.parent.name == "odd_extrasamples":  # whose alpha is opaque
            continue
        assert _facts(tiff.describe(path)) == _facts_of(tiff.read(path)), path.name


def test_scans_and_their_voxels(shared_data: Path) -> None:
    for path in [*shared_data.glob("microct/*.tif"), *shared_data.glob("truth/*.tif")]:
        image = tiff.read(path)
        np.testing.assert_array_equal(image.data, tifffile.imread(path), err_msg=path.name)
        assert image.axes == "zyx"
        assert (image.spacing, image.unit) == CALIBRATED.get(path.name, (None, None)), path.name


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 7}, {"tile": (16, 32)}, {"bigtiff": True}])
def test_codes_orders_and_layouts(
    tmp_path: Path, compression: str | None, byteorder: str, layout: dict[str, Any]
) -> None:
    for dtype, predictor in (("uint8", 2), ("uint16", 2), ("int32", 1), ("float32", 3), ("float64", 1)):
        data = (RNG.random((3, 40, 50)) * 200).astype(dtype)
        options: dict[str, Any] = {"predictor": predictor} if compression else {}
        path = tmp_path / "a.tif"
        options |= {"photometric": "minisblack", "byteorder": byteorder}
        tifffile.imwrite(path, data, compression=compression, **options, **layout)
        image = tiff.read(path)
        np.testing.assert_array_equal(image.data, data)
        assert image.dtype == data.dtype
        assert image.data.dtype.isnative
        assert image.axes == "zyx"


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colors_are_channel_last(tmp_path: Path, planar: str) -> None:
    color = RNG.integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    stored = color if planar == "contig" else np.moveaxis(color, -1, 1)
    for compression in (None, "zlib"):
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, compression=compression)
        image = tiff.read(tmp_path / "a.tif")
        assert image.axes == "zyxc"
        np.testing.assert_array_equal(image.data, color)


@pytest.mark.parametrize(("bits", "top"), [(1, 1), (8, 255), (16, 65535)])
def test_min_is_white_is_inverted(tmp_path: Path, bits: int, top: int) -> None:
    data = RNG.integers(0, top + 1, (9, 11)).astype({1: bool, 8: np.uint8, 16: np.uint16}[bits])
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="miniswhite")
    np.testing.assert_array_equal(tiff.read(tmp_path / "a.tif").data, top - data.astype(int))


def test_white_floats_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.float32), photometric="miniswhite")
    with pytest.raises(ReadError, match="only unsigned integers can be inverted"):
        tiff.read(tmp_path / "a.tif")


@pytest.mark.parametrize("scale", [1, 256, 257])
def test_palettes_become_colors_or_gray(tmp_path: Path, scale: int) -> None:
    indices = RNG.integers(0, 256, (12, 13), dtype=np.uint8)
    colors = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=colors * np.uint16(scale))
    image = tiff.read(tmp_path / "a.tif")
    assert image.axes == "yxc"
    np.testing.assert_array_equal(image.data, colors.T[indices].astype(np.uint8))
    grays = np.repeat(colors[:1] * np.uint16(scale), 3, axis=0)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=grays)
    image = tiff.read(tmp_path / "a.tif")
    assert (image.axes, image.dtype) == ("yx", np.uint8)
    np.testing.assert_array_equal(image.data, colors[0][indices])


def test_deep_palettes_stay_deep(tmp_path: Path) -> None:
    colors = np.arange(768, dtype=np.uint16).reshape(3, 256) * np.uint16(85)
    tifffile.imwrite(tmp_path / "a.tif", np.full((2, 2), 7, np.uint8), photometric="palette", colormap=colors)
    assert tiff.read(tmp_path / "a.tif").data[0, 0].tolist() == [595, 595 + 21760, 595 + 43520]


@pytest.mark.parametrize("n_colors", [1, 3])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_alpha_is_kept_unless_opaque(tmp_path: Path, n_colors: int, kind: str) -> None:
    data = RNG.integers(0, 200, (8, 9, n_colors + 1), dtype=np.uint8)
    photometric = "rgb" if n_colors == 3 else "minisblack"
    options: Any = {"photometric": photometric, "planarconfig": "contig", "extrasamples": [kind], "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", data, **options)
    image = tiff.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, data)
    assert image.meta["alpha"] is True
    assert image.meta.get("premultiplied", False) == (kind == "assocalpha")
    data[..., -1] = 255
    tifffile.imwrite(tmp_path / "a.tif", data, **options)
    image = tiff.read(tmp_path / "a.tif")
    assert "alpha" not in image.meta
    np.testing.assert_array_equal(image.data, data[..., 0] if n_colors == 1 else data[..., :3])


def test_unspecified_samples_are_filling_or_refused(tmp_path: Path) -> None:
    data = RNG.integers(0, 200, (8, 9, 2), dtype=np.uint8)
    options: Any = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unspecified"]}
    tifffile.imwrite(tmp_path / "a.tif", data, metadata=None, **options)
    with pytest.raises(ReadError, match="sample 2 is of unspecified kind"):
        tiff.read(tmp_path / "a.tif")
    data[..., 1] = 17
    tifffile.imwrite(tmp_path / "a.tif", data, metadata=None, **options)
    np.testing.assert_array_equal(tiff.read(tmp_path / "a.tif").data, data[..., 0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_as_in_pillow(tmp_path: Path, orientation: int) -> None:
    from PIL.ImageOps import exif_transpose

    path = tmp_path / "a.tif"
    data = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
    tifffile.imwrite(path, data, extratags=[(274, 3, 1, orientation, True)])
    picture = PIL.Image.fromarray(data)
    picture.getexif()[274] = orientation
    upright = np.asarray(exif_transpose(picture))
    image = tiff.read(path)
    np.testing.assert_array_equal(image.data, upright)
    assert tiff.describe(path)["shape"] == image.shape


def test_bilevel_codes_of_fax(tmp_path: Path) -> None:
    data = np.hypot(*np.mgrid[-40:40, -50:50]) < 30
    for compression in ("tiff_ccitt", "group3", "group4"):
        PIL.Image.fromarray(data).save(tmp_path / "a.tif", compression=compression)
        np.testing.assert_array_equal(tiff.read(tmp_path / "a.tif").data, data)


def test_thumbnails_and_pyramids_are_left_out(tmp_path: Path) -> None:
    data = RNG.integers(0, 256, (64, 64), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(data, subifds=1, metadata=None)
        writer.write(data[::2, ::2], subfiletype=1, metadata=None)
        writer.write(data[::4, ::4], subfiletype=1, metadata=None)
    np.testing.assert_array_equal(tiff.read(tmp_path / "a.tif").data, data)


def test_pages_of_another_shape_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((8, 8), np.uint8), metadata=None)
        writer.write(np.zeros((9, 8), np.uint8), metadata=None)
    with pytest.raises(ReadError, match="page 2"):
        tiff.read(tmp_path / "a.tif")


@pytest.mark.parametrize("axes", ["TYX", "CYX", "TZYX", "ZCYX"])
@pytest.mark.parametrize("flavor", [{"imagej": True}, {"ome": True}, {}])
def test_times_and_channels_are_refused(tmp_path: Path, axes: str, flavor: dict[str, Any]) -> None:
    data = np.zeros({3: (2, 8, 9), 4: (2, 3, 8, 9)}[len(axes)], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, metadata={"axes": axes}, photometric="minisblack", **flavor)
    with pytest.raises(ReadError, match=r"channels|axes"):
        tiff.read(tmp_path / "a.tif")


def test_a_stack_behind_one_page(tmp_path: Path) -> None:
    data = RNG.integers(0, 60000, (5, 8, 9)).astype(np.uint16)
    for flavor in ({"imagej": True}, {}):
        tifffile.imwrite(tmp_path / "a.tif", data, truncate=True, metadata={"axes": "ZYX"}, **flavor)
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert len(tif.pages) == 1
        np.testing.assert_array_equal(tiff.read(tmp_path / "a.tif").data, data)


@pytest.mark.parametrize(
    ("unit", "found"),
    [
        *[("um", "µm"), ("micron", "µm"), ("\\u00B5m", "µm"), ("\\u03bcm", "µm"), ("micrometer", "µm")],
        *[("mm", "mm"), (" mm", "mm"), ("nm", "nm"), ("cm", "cm"), ("m", "m")],
        *[("", None), (" ", None), ("pixel", None), ("pixels", None), ("inch", None), ("furlong", None)],
    ],
)
def test_units_of_imagej(tmp_path: Path, unit: str, found: str | None) -> None:
    _write_imagej(tmp_path / "a.tif", f"unit={unit}\nspacing=0.5\n", (4, 1))
    image = tiff.read(tmp_path / "a.tif")
    assert image.unit == found
    assert image.spacing == (None if found is None else (0.5, 0.25, 0.25))


@pytest.mark.parametrize(
    ("notes", "resolution", "spacing"),
    [
        ("unit=mm\nspacing=-2.5\n", (4, 1), (2.5, 0.25, 0.25)),  # ImageJ reads the amount
        ("unit=mm\n", (1, 1), (1.0, 1.0, 1.0)),  # ImageJ leaves 1 out
        ("unit=mm\n", (4, 1), None),  # left out because it is 1, or because nobody set it?
        ("unit=mm\nspacing=0.0\n", (4, 1), None),
        ("unit=mm\nspacing=nan\n", (4, 1), None),
        ("unit=mm\nspacing=2.0\n", (0, 1), None),
        ("unit=mm\nzunit=um\nspacing=2.0\n", (4, 1), None),
        ("unit=mm\nspacing=2.0\n", (4, 0), None),
        ("spacing=2.0\n", (4, 1), None),
    ],
)
def test_spacing_of_imagej(tmp_path: Path, notes: str, resolution: tuple[int, int], spacing: object) -> None:
    _write_imagej(tmp_path / "a.tif", notes, resolution)
    image = tiff.read(tmp_path / "a.tif")
    assert image.spacing == spacing
    if notes == "unit=mm\n" and spacing is None:
        assert image.meta["spacing_yx"] == (0.25, 0.25)
        assert image.meta["unit_yx"] == "mm"


def test_spacing_of_ome(tmp_path: Path) -> None:
    data = np.zeros((2, 8, 9), np.uint8)
    sizes = {"PhysicalSizeX": 0.3, "PhysicalSizeY": 0.4, "PhysicalSizeZ": 500.0, "PhysicalSizeZUnit": "nm"}
    tifffile.imwrite(tmp_path / "a.tif", data, ome=True, metadata={"axes": "ZYX"} | sizes, photometric="minisblack")
    image = tiff.read(tmp_path / "a.tif")
    assert image.spacing == pytest.approx((0.5, 0.4, 0.3), rel=1e-12)
    assert image.unit == "µm"
    del sizes["PhysicalSizeZ"]
    tifffile.imwrite(tmp_path / "a.tif", data, ome=True, metadata={"axes": "ZYX"} | sizes, photometric="minisblack")
    image = tiff.read(tmp_path / "a.tif")
    assert image.spacing is None
    assert image.meta["spacing_yx"] == (0.4, 0.3)


def test_an_ome_series_over_several_files_is_refused(tmp_path: Path) -> None:
    options: Any = {"ome": True, "photometric": "minisblack", "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 8, 9), np.uint8), **options)
    assert tiff.read(tmp_path / "a.tif").shape == (3, 8, 9)
    text = tifffile.tiffcomment(tmp_path / "a.tif")
    assert isinstance(text, str)
    tifffile.tiffcomment(tmp_path / "a.tif", text.replace('SizeZ="3"', 'SizeZ="7"'))
    with pytest.raises(ReadError, match="several files"):
        tiff.read(tmp_path / "a.tif")


@pytest.mark.parametrize("resolutionunit", ["INCH", "CENTIMETER"])
def test_the_density_of_print_is_no_spacing(tmp_path: Path, resolutionunit: Any) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), resolution=(72, 72), resolutionunit=resolutionunit)
    image = tiff.read(tmp_path / "a.tif")
    assert (image.spacing, image.unit) == (None, None)


@st.composite
def images(draw: st.DrawFn) -> Image:
    """Draw an image of any kind that can be written."""
    axes = draw(st.sampled_from(["yx", "zyx", "yxc", "zyxc"]))
    shape = draw(st.tuples(*[st.integers(1, 9)] * len(axes.replace("c", ""))))
    meta: dict[str, Any] = {}
    if axes.endswith("c"):
        shape += (draw(st.sampled_from([2, 3, 4, 5, 16])),)
        meta = draw(st.sampled_from([{}, {"alpha": True}, {"alpha": True, "premultiplied": True}]))
    data = draw(arrays(draw(st.sampled_from(DTYPES[1:] if axes.endswith("c") else DTYPES)), shape))
    if meta:
        data[..., -1].flat[0] = 0  # alpha that is opaque everywhere is left out when it is read
    size = st.floats(1e-9, 1e9) | st.decimals("0.001", "100", places=4).map(float)
    spacing = draw(st.none() | st.tuples(*[size] * len(axes.replace("c", ""))))
    unit = None if spacing is None else draw(st.none() | st.sampled_from(["µm", "nm", "mm", "inch", "ångström"]))
    return Image(data, axes, spacing, unit, meta)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(images())
def test_what_is_written_comes_back(tmp_path: Path, image: Image) -> None:
    path = tmp_path / "a.tif"
    tiff.write(path, image)
    content = path.read_bytes()
    tiff.write(path, image)
    assert path.read_bytes() == content
    back = tiff.read(path)
    assert (back.axes, back.spacing, back.unit, back.dtype) == (image.axes, image.spacing, image.unit, image.dtype)
    assert back.data.tobytes() == np.ascontiguousarray(image.data).tobytes()
    assert {name: back.meta[name] for name in ("alpha", "premultiplied") if name in back.meta} == image.meta
    assert _facts(tiff.describe(path)) == _facts_of(back)


@pytest.mark.parametrize("n_channels", [2, 3, 4, 5, 16])
@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("axes", ["yxc", "zyxc"])
@pytest.mark.parametrize("alpha", [False, True])
def test_channels_as_others_read_them(tmp_path: Path, n_channels: int, dtype: str, axes: str, alpha: bool) -> None:
    data = (RNG.random((2, 5, 7, n_channels)[4 - len(axes) :]) * 100).astype(dtype)
    path = tmp_path / "a.tif"
    tiff.write(path, Image(data, axes, meta={"alpha": alpha}))
    with tifffile.TiffFile(path) as tif:
        np.testing.assert_array_equal(np.squeeze(tif.asarray()), data)
        page = tif.pages[0]
        assert (page.samplesperpixel, page.planarconfig) == (n_channels, 1)
        is_rgb = dtype in ("uint8", "uint16") and (n_channels == 4 or (n_channels == 3 and not alpha))
        assert page.photometric == (2 if is_rgb else 1)
        kinds = [int(kind) for kind in page.extrasamples]
        assert len(kinds) == n_channels - (3 if is_rgb else 1)
        assert kinds == [0] * (len(kinds) - alpha) + [2] * alpha
        if tif.is_ome:
            pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
            assert pixels["SizeC"] == pixels["Channel"]["SamplesPerPixel"] == n_channels
    if axes == "yxc" and dtype == "uint8" and is_rgb and (alpha or n_channels == 3):
        with PIL.Image.open(path) as picture:
            np.testing.assert_array_equal(np.asarray(picture), data)


def test_constant_channels_are_kept_if_klevels_wrote_them(tmp_path: Path) -> None:
    data = np.full((4, 5, 6), 7, np.uint16)
    tiff.write(tmp_path / "a.tif", Image(data, "yxc"))
    image = tiff.read(tmp_path / "a.tif")
    assert (image.axes, image.meta.get("alpha")) == ("yxc", None)
    np.testing.assert_array_equal(image.data, data)


def test_opaque_alpha_beside_channels_is_left_out(tmp_path: Path) -> None:
    data = RNG.integers(0, 200, (4, 5, 5), np.uint8)
    data[..., -1] = 255
    tiff.write(tmp_path / "a.tif", Image(data, "yxc", meta={"alpha": True}))
    image = tiff.read(tmp_path / "a.tif")
    assert "alpha" not in image.meta
    np.testing.assert_array_equal(image.data, data[..., :4])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_labels_are_imagej_stacks_with_voxels(tmp_path: Path, dtype: str) -> None:
    data = RNG.integers(0, 200, (3, 5, 7)).astype(dtype)
    tiff.write(tmp_path / "a.tif", Image(data, "zyx", (0.5, 0.0195, 0.25), "µm"))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.imagej_metadata is not None
        assert tif.imagej_metadata["slices"] == 3
        assert (tif.imagej_metadata["spacing"], tif.imagej_metadata["unit"]) == (0.5, "um")
        x, y = (Fraction(*tif.pages[0].tags[tag].value) for tag in ("XResolution", "YResolution"))
        assert (float(1 / y), float(1 / x)) == pytest.approx((0.0195, 0.25), rel=1e-9)
        np.testing.assert_array_equal(tif.asarray(), data)


def test_the_note_in_the_software_tag_is_json(tmp_path: Path) -> None:
    tiff.write(tmp_path / "a.tif", Image(np.zeros((2, 2), np.uint8), "yx", (0.5, 0.25), "µm"))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        note = json.loads(tif.pages[0].software.removeprefix("klevels "))
    assert note == {"axes": "yx", "spacing": [0.5, 0.25], "unit": "µm"}


def test_labels_of_4_gb_stand_behind_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.io.tiff_write.ALL_PAGES_BYTES", 100)
    labels = Image(RNG.integers(0, 5, (3, 6, 7)).astype(np.uint8), "zyx", (0.5, 0.3, 0.25), "µm")
    tiff.write(tmp_path / "a.tif", labels)
    facts = tiff.describe(tmp_path / "a.tif")
    assert (facts["n_pages"], facts["shape"], facts["spacing"]) == (1, (3, 6, 7), labels.spacing)
    np.testing.assert_array_equal(tiff.read(tmp_path / "a.tif").data, labels.data)


def test_signed_volumes_are_ome_with_voxels(tmp_path: Path) -> None:
    data = RNG.integers(-900, 900, (3, 5, 7)).astype(np.int16)
    tiff.write(tmp_path / "a.tif", Image(data, "zyx", (0.5, 0.3, 0.25), "µm"))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_ome
        assert tif.series[0].axes == "ZYX"
        np.testing.assert_array_equal(tif.asarray(), data)
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
        assert (pixels["PhysicalSizeZ"], pixels["PhysicalSizeY"], pixels["PhysicalSizeX"]) == (0.5, 0.3, 0.25)


@pytest.mark.parametrize(
    ("data", "axes"),
    [
        (np.zeros((2, 2), complex), "yx"),
        (np.zeros((2, 2), "U3"), "yx"),
        (np.zeros((0, 2), np.uint8), "yx"),
        (np.zeros((2, 2, 1), np.uint8), "yxc"),
        (np.zeros((2, 2, 17), np.uint8), "yxc"),
        (np.zeros((2, 2, 3), bool), "yxc"),
    ],
)
def test_what_tiff_cannot_hold_is_refused(tmp_path: Path, data: np.ndarray[Any, Any], axes: str) -> None:
    with pytest.raises(ParameterError, match=r"dtype|shape|channels"):
        tiff.write(tmp_path / "a.tif", Image(data, axes))


def test_sniff() -> None:
    assert all(tiff.sniff(head) for head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
    assert not any(tiff.sniff(head) for head in (b"", b"II", b"\x89PNG", b"II*\1", b"MM*\0"))


def _write_imagej(path: Path, notes: str, resolution: tuple[int, int]) -> None:
    """Write a stack of two slices as ImageJ does; tifffile would tidy the notes up."""
    description = f"ImageJ=1.53t\nimages=2\nslices=2\n{notes}loop=false\n"
    tifffile.imwrite(path, np.zeros((2, 4, 5), np.uint8), description=description, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for tag in ("XResolution", "YResolution"):
            tif.pages[0].tags[tag].overwrite(resolution)


def _by_tifffile(path: Path) -> Any:
    """Decode with tifffile itself, and apply the rules for colors in the plainest way."""
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        data = tif.asarray()
        bits = int(page.bitspersample)
        if page.planarconfig == 2:
            data = np.moveaxis(data, 0, -1)
        if page.photometric == 0:
            data = ~data if data.dtype == bool else (2**bits - 1) - data
        if page.predictor == 2 and bits == 12:
            data = data & 4095
        if page.photometric == 3:
            colors = np.asarray(page.tags[320].value).reshape(3, -1).T.astype(np.uint16)
            data = colors[data]
        if page.extrasamples and (data[..., -1] == data[0, 0, -1]).all():
            data = data[..., 0] if data.shape[-1] == 2 else data[..., :3]
        return np.squeeze(data)


def _by_pillow(path: Path) -> Any:
    """Decode with Pillow, where it keeps all the bits; None where it does not."""
    try:
        with PIL.Image.open(path) as picture:
            if getattr(picture, "n_frames", 1) > 1 or picture.mode not in (
                "1",
                "L",
                "RGB",
                "RGBA",
                "LA",
                "I;16",
                "F",
                "I",
            ):
                return None
            bits = picture.tag_v2.get(258, (1,))  # type: ignore[attr-defined]
            if max(bits) not in (1, 8, 16, 32) or (max(bits) > 8 and picture.mode in ("L", "RGB", "RGBA", "LA")):
                return None
            return np.asarray(picture)
    except (OSError, SyntaxError, ValueError, TypeError):
        return None


def _assert_like_pillow(data: Any, by_pillow: Any, name: str) -> None:
    if data.ndim == 3 and by_pillow.ndim == 2:
        return
    if by_pillow.ndim == 3 and data.ndim == 2:
        by_pillow = by_pillow[..., 0]
    if data.dtype in (np.int8, np.uint32):  # Pillow knows no signed bytes, and only signed words
        data = data.view({"int8": np.uint8, "uint32": np.int32}[data.dtype.name])
    if name.startswith("strike"):
        return  # Pillow divides by the alpha it was multiplied with
    tolerance = 3 if "jpeg" in name or "jpg" in name else 0
    difference = np.abs(data.astype(np.float64) - by_pillow.astype(np.float64))
    assert difference.max() <= tolerance, name


def _facts(facts: dict[str, object]) -> tuple[object, ...]:
    return tuple(facts[name] for name in ("shape", "axes", "dtype", "spacing", "unit", "bytes"))


def _facts_of(image: Image) -> tuple[object, ...]:
    return image.shape, image.axes, str(image.dtype), image.spacing, image.unit, image.data.nbytes
