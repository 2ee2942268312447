"""Every command on every format: what stays where it is stored gives what the same image in memory gives."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK
import tifffile
import zarr

from commands import Run, check_refused
from dicom_files import write_series
from klevels import copying, io
from klevels.image import Image
from klevels.io import read

SHAPE = (7, 18, 26)
SPACING = (2.0, 0.5, 0.25)
RNG = np.random.default_rng(4)
VALUES = (RNG.integers(0, 3, SHAPE) * 900 + RNG.normal(400, 60, SHAPE)).clip(0, 4000).astype(np.uint16)
Tokens = list[object]


def write_tiff(folder: Path, values: np.ndarray, name: str = "scan.tif", **options: Any) -> Tokens:
    tifffile.imwrite(folder / name, values, photometric="minisblack", metadata={"axes": "ZYX"}, **options)
    return [folder / name]


def write_slices(folder: Path, values: np.ndarray) -> Tokens:
    (folder / "slices").mkdir()
    for i, one in enumerate(values):
        tifffile.imwrite(folder / "slices" / f"{i:03}.tif", one)
    return [folder / "slices"]


def write_ome_zarr(folder: Path, values: np.ndarray) -> Tokens:
    copying.write(folder / "scan.ome.zarr", Image(values, "zyx", SPACING, "µm"))
    return [folder / "scan.ome.zarr"]


def write_zarr(folder: Path, values: np.ndarray) -> Tokens:
    array = zarr.create_array(folder / "scan.zarr", shape=values.shape, chunks=(3, 7, 11), dtype=values.dtype)
    array[...] = values
    return [folder / "scan.zarr"]


def write_hdf5(folder: Path, values: np.ndarray) -> Tokens:
    with h5py.File(folder / "scan.h5", "w") as file:
        file.create_dataset("entry/data", data=values, chunks=(3, 7, 11), compression="gzip")
        file.create_dataset("entry/other", data=np.zeros(values.shape, np.uint8))
    return [f"{folder / 'scan.h5'}::/entry/data"]


def write_nifti(folder: Path, values: np.ndarray) -> Tokens:
    nibabel.save(nibabel.Nifti1Image(values.T, np.diag([*SPACING[::-1], 1])), folder / "scan.nii")
    return [folder / "scan.nii"]


def write_nrrd(folder: Path, values: np.ndarray) -> Tokens:
    nrrd.write(str(folder / "scan.nrrd"), values.T, {"encoding": "raw", "spacings": list(SPACING[::-1])})
    return [folder / "scan.nrrd"]


def write_metaimage(folder: Path, values: np.ndarray) -> Tokens:
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing(SPACING[::-1])
    SimpleITK.WriteImage(image, str(folder / "scan.mha"))
    return [folder / "scan.mha"]


def write_raw(folder: Path, values: np.ndarray) -> Tokens:
    (folder / "scan.raw").write_bytes(b"header" + values.astype(values.dtype.newbyteorder(">")).tobytes())
    told = ["--shape", *values.shape, "--dtype", values.dtype.name, "--byte-order", "big", "--offset", 6]
    return [folder / "scan.raw", *told, "--spacing", *SPACING, "--unit", "µm"]


def write_dicom(folder: Path, values: np.ndarray) -> Tokens:
    write_series(folder / "series", values)
    return [folder / "series"]


FORMATS: dict[str, Callable[[Path, np.ndarray], Tokens]] = {
    "TIFF": write_tiff,
    "tiled TIFF": lambda folder, values: write_tiff(folder, values, tile=(16, 16), compression="zlib"),
    "slices": write_slices,
    "OME-Zarr": write_ome_zarr,
    "Zarr": write_zarr,
    "HDF5": write_hdf5,
    "NIfTI": write_nifti,
    "NRRD": write_nrrd,
    "MetaImage": write_metaimage,
    "raw": write_raw,
    "DICOM": write_dicom,
}


@pytest.fixture(params=FORMATS)
def scan(request: pytest.FixtureRequest, tmp_path: Path) -> Tokens:
    return FORMATS[request.param](tmp_path, VALUES)


@pytest.fixture
def lazily(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function after which all images stay where they are stored, and are cut into many blocks."""

    def call() -> None:
        monkeypatch.setattr("klevels.io.LAZY_BYTES", 0)
        monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 2000)

    return call


def done(run: Run, *tokens: object) -> Any:
    """Run a command that must succeed, and return what it prints."""
    outcome = run(*tokens, "--json")
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    return outcome.json


def record(path: Path) -> dict[str, Any]:
    """Return the record of an output, but for which packages were loaded by then, and where a raw file has what."""
    found: dict[str, Any] = json.loads(Path(f"{path}.json").read_text())
    del found["versions"]
    found.pop("layout", None)
    return found


def voxels(path: Path) -> tuple[str, str, tuple[float, ...] | None, str | None, bytes]:
    """Return all that matters of an image."""
    image = read(path, lazy=False)
    return image.axes, image.dtype.name, image.spacing, image.unit, np.ascontiguousarray(image.data).tobytes()


def test_what_a_scan_holds(run: Run, scan: Tokens) -> None:
    facts = done(run, "info", *scan)
    assert tuple(facts["shape"]) == SHAPE
    assert (facts["axes"], facts["dtype"], facts["bytes"]) == ("zyx", "uint16", VALUES.nbytes)
    assert facts["reading_seconds"] > 0
    people = run("info", *scan)
    assert (people.code, people.err) == (0, "")
    assert "7 × 18 × 26" in people.out


def test_labels_are_those_of_the_image_in_memory(
    run: Run, scan: Tokens, tmp_path: Path, lazily: Callable[[], None]
) -> None:
    plain = write_tiff(tmp_path, VALUES, "plain.tif")
    expected = done(run, "segment", *plain, "-k", 3, "-o", tmp_path / "plain-labels.tif")
    whole = done(run, "segment", *scan, "-k", 3, "-o", tmp_path / "whole.tif", "--paint", tmp_path / "whole-paint.tif")
    lazily()
    cut = done(run, "segment", *scan, "-k", 3, "-o", tmp_path / "cut.tif", "--paint", tmp_path / "cut-paint.tif")
    assert whole["centers"] == cut["centers"] == expected["centers"]
    assert cut == whole
    for kind in ("", "-paint"):
        assert voxels(tmp_path / f"cut{kind}.tif") == voxels(tmp_path / f"whole{kind}.tif")
        assert record(tmp_path / f"cut{kind}.tif") == record(tmp_path / f"whole{kind}.tif")
    assert voxels(tmp_path / "cut.tif")[-1] == voxels(tmp_path / "plain-labels.tif")[-1]


def test_other_verbs_find_what_they_find_in_memory(
    run: Run, scan: Tokens, tmp_path: Path, lazily: Callable[[], None]
) -> None:
    path, options = scan[0], scan[1:]
    verbs: list[Sequence[object]] = [("histogram", *scan), ("sweep", *scan, "--k-max", 4, "--noise", 300)]
    fit = ("fit", path, *options, "-k", 3, "--noise", "valley", "--overwrite", "-o", tmp_path / "model.json")
    whole = [done(run, *verb) for verb in verbs]
    fitted = done(run, *fit)
    text = record(tmp_path / "model")
    applied = done(run, "apply", tmp_path / "model.json", *scan, "-o", tmp_path / "whole.nrrd")
    lazily()
    assert [done(run, *verb) for verb in verbs] == whole
    assert done(run, *fit) == fitted
    assert record(tmp_path / "model") == text
    assert done(run, "apply", tmp_path / "model.json", *scan, "-o", tmp_path / "cut.nrrd") == applied
    assert (tmp_path / "cut.nrrd").read_bytes() == (tmp_path / "whole.nrrd").read_bytes()
    assert record(tmp_path / "cut.nrrd") == record(tmp_path / "whole.nrrd")


def test_a_record_is_done_again(run: Run, scan: Tokens, tmp_path: Path, lazily: Callable[[], None]) -> None:
    done(run, "segment", *scan, "-k", 3, "--noise", "valley", "-o", tmp_path / "a.raw")
    lazily()
    done(run, "segment", scan[0], "--recipe", tmp_path / "a.raw.json", "-o", tmp_path / "b.raw")
    assert (tmp_path / "b.raw").read_bytes() == (tmp_path / "a.raw").read_bytes()
    assert record(tmp_path / "b.raw")["model"] == record(tmp_path / "a.raw")["model"]


def test_a_copy_and_the_copy_of_it_are_the_same(
    run: Run, scan: Tokens, tmp_path: Path, lazily: Callable[[], None]
) -> None:
    options: Tokens = scan[1:]
    layout = (
        io.Layout(shape=SHAPE, dtype="uint16", byte_order="big", offset=6, spacing=SPACING, unit="µm")
        if options
        else None
    )
    first = read(str(scan[0]), layout=layout if options else None, lazy=False)
    lazily()
    done(run, "convert", *scan, "-o", tmp_path / "copy.ome.zarr")
    done(run, "convert", tmp_path / "copy.ome.zarr", "-o", tmp_path / "back.tif")
    for name in ("copy.ome.zarr", "back.tif"):
        image = read(tmp_path / name, lazy=False)
        np.testing.assert_array_equal(image.data, VALUES)
        assert (image.axes, image.dtype, image.unit) == (first.axes, first.dtype, first.unit), name
        assert (image.spacing is None) == (first.spacing is None), name
        assert image.spacing is None or image.spacing == pytest.approx(first.spacing, rel=1e-6), name
    assert sorted(path.name for path in tmp_path.glob("*.partial")) == []


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr", ".raw", ".nrrd"])
@pytest.mark.parametrize("extra", [["-k", 3], ["-k", 2, "--noise", "valley"]], ids=["plain", "noise"])
def test_every_output_holds_the_same_labels(
    run: Run, tmp_path: Path, lazily: Callable[[], None], suffix: str, extra: Tokens
) -> None:
    scan = write_ome_zarr(tmp_path, VALUES)
    done(run, "segment", *scan, *extra, "-o", tmp_path / "whole.tif")
    lazily()
    output = tmp_path / f"cut{suffix}"
    painted = tmp_path / f"paint{suffix}"
    sheet = tmp_path / "sheet.png"
    done(run, "segment", *scan, *extra, "-o", output, "--paint", painted, "--figure", sheet)
    found, expected = voxels(output), voxels(tmp_path / "whole.tif")
    assert (*found[:2], found[-1]) == (*expected[:2], expected[-1])
    image = read(output, lazy=True)
    assert image.spacing == SPACING
    assert image.unit == "µm"
    assert read(painted, lazy=True).spacing == SPACING
    centers = np.array(record(output)["model"]["centers"])
    nearest = np.rint(centers).astype(np.uint16)
    np.testing.assert_array_equal(read(painted, lazy=False).data, nearest[read(output, lazy=False).data])
    assert sheet.read_bytes()[:4] == b"\x89PNG"
    assert record(output) == record(painted) == record(sheet)
    assert done(run, "info", output)["spacing"] == list(SPACING)


def test_a_raw_output_says_how_it_is_read(run: Run, tmp_path: Path, lazily: Callable[[], None]) -> None:
    scan = write_ome_zarr(tmp_path, VALUES)
    for is_lazy in (False, True):
        if is_lazy:
            lazily()
        done(run, "segment", *scan, "-k", 3, "-o", tmp_path / "labels.raw", "--overwrite")
        done(run, "convert", *scan, "-o", tmp_path / "copy.raw", "--overwrite")
        labels, copy = read(tmp_path / "labels.raw"), read(tmp_path / "copy.raw")
        assert (labels.shape, labels.dtype, labels.spacing, labels.unit) == (SHAPE, np.uint8, SPACING, "µm")
        np.testing.assert_array_equal(copy.data, VALUES)
        done(run, "segment", tmp_path / "copy.raw", "-k", 3, "-o", tmp_path / "again.raw", "--overwrite")
        assert (tmp_path / "again.raw").read_bytes() == (tmp_path / "labels.raw").read_bytes()


def test_labels_in_ome_zarr_are_an_image_label_with_levels(
    run: Run, tmp_path: Path, lazily: Callable[[], None]
) -> None:
    values = np.kron(VALUES, np.ones((1, 16, 12), np.uint16))
    scan = write_ome_zarr(tmp_path, values)
    lazily()
    done(run, "segment", *scan, "-k", 3, "-o", tmp_path / "labels.ome.zarr")
    attributes = json.loads((tmp_path / "labels.ome.zarr" / "zarr.json").read_text())["attributes"]["ome"]
    assert attributes["version"] == "0.5"
    colors = {one["label-value"] for one in attributes["image-label"]["colors"]}
    assert {0, 1, 2} <= colors
    levels = [read(tmp_path / "labels.ome.zarr", level=i, lazy=False) for i in range(len(_levels(attributes)))]
    assert len(levels) > 1
    for one in levels:
        assert set(np.unique(one.data)) <= {0, 1, 2}
        extent = [n * s for n, s in zip(one.shape, one.spacing or (), strict=True)]
        assert extent == pytest.approx([n * s for n, s in zip(values.shape, SPACING, strict=True)])


def _levels(ome: dict[str, Any]) -> list[Any]:
    found: list[Any] = ome["multiscales"][0]["datasets"]
    return found


def test_a_pyramid_of_labels_invents_none(run: Run, tmp_path: Path, lazily: Callable[[], None]) -> None:
    labels = (RNG.integers(0, 2, (6, 300, 280)) * 200).astype(np.uint8)
    scan = write_tiff(tmp_path, labels)
    lazily()
    done(run, "convert", *scan, "--labels", "-o", tmp_path / "labels.ome.zarr")
    done(run, "convert", *scan, "-o", tmp_path / "gray.ome.zarr")
    small = read(tmp_path / "labels.ome.zarr", level=1, lazy=False)
    assert set(np.unique(small.data)) == {0, 200}
    assert len(np.unique(read(tmp_path / "gray.ome.zarr", level=1, lazy=False).data)) > 2
    done(run, "convert", tmp_path / "labels.ome.zarr", "--level", 1, "-o", tmp_path / "small.tif")
    np.testing.assert_array_equal(read(tmp_path / "small.tif", lazy=False).data, small.data)
    info = done(run, "info", tmp_path / "labels.ome.zarr", "--level", 1)
    assert tuple(info["shape"]) == small.shape
    check_refused(run("info", tmp_path / "labels.ome.zarr", "--level", 99), 2, "level")


def test_labels_are_whole_numbers(run: Run, tmp_path: Path) -> None:
    scan = write_tiff(tmp_path, VALUES.astype(np.float32))
    before = sorted(path.name for path in tmp_path.iterdir())
    check_refused(run("convert", *scan, "--labels", "-o", tmp_path / "a.ome.zarr"), 65, "float32")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz"])
def test_formats_that_are_written_whole_are_refused(
    run: Run, tmp_path: Path, lazily: Callable[[], None], suffix: str
) -> None:
    scan = write_tiff(tmp_path, VALUES)
    lazily()
    for verb in (["segment", "-k", 3], ["convert"]):
        refused = run(verb[0], *scan, *verb[1:], "-o", tmp_path / f"a{suffix}")
        check_refused(refused, 2, ".ome.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["scan.tif"]


@pytest.mark.parametrize("name", ["mask.tif", "mask.ome.zarr", "mask.h5::/m"])
def test_a_mask_in_a_file(run: Run, tmp_path: Path, lazily: Callable[[], None], name: str) -> None:
    scan = write_zarr(tmp_path, VALUES)
    mask = (RNG.random(SHAPE) < 0.7).astype(np.uint8)
    if "::" in name:
        with h5py.File(tmp_path / "mask.h5", "w") as file:
            file.create_dataset("m", data=mask, chunks=(2, 5, 5))
    else:
        copying.write(tmp_path / name, Image(mask, "zyx"))
    given = f"{tmp_path}/{name}"
    whole = done(run, "segment", *scan, "-k", 3, "--mask", given, "-o", tmp_path / "whole.tif")
    counted = done(run, "histogram", *scan, "--mask", given)
    swept = done(run, "sweep", *scan, "--mask", given, "--k-max", 4)
    lazily()
    cut = done(run, "segment", *scan, "-k", 3, "--mask", given, "-o", tmp_path / "cut.tif")
    assert cut == whole
    assert voxels(tmp_path / "cut.tif") == voxels(tmp_path / "whole.tif")
    np.testing.assert_array_equal(read(tmp_path / "cut.tif", lazy=False).data == 255, mask == 0)
    assert record(tmp_path / "cut.tif") == record(tmp_path / "whole.tif")
    assert done(run, "histogram", *scan, "--mask", given) == counted
    assert done(run, "sweep", *scan, "--mask", given, "--k-max", 4) == swept
    again = done(run, "segment", *scan, "--recipe", tmp_path / "cut.tif.json", "-o", tmp_path / "again.tif")
    assert again == whole
    assert voxels(tmp_path / "again.tif") == voxels(tmp_path / "whole.tif")


def test_a_mask_of_another_shape_leaves_nothing(run: Run, tmp_path: Path, lazily: Callable[[], None]) -> None:
    scan = write_zarr(tmp_path, VALUES)
    tifffile.imwrite(tmp_path / "mask.tif", np.ones((7, 18, 25), np.uint8))
    lazily()
    before = sorted(path.name for path in tmp_path.iterdir())
    refused = run("segment", *scan, "-k", 3, "--mask", tmp_path / "mask.tif", "-o", tmp_path / "a.tif")
    check_refused(refused, 65, "(7, 18, 25)")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("extra", [[], ["--normalize"], ["--quality", "fast"]], ids=["plain", "normalized", "fast"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_files_as_channels(run: Run, tmp_path: Path, lazily: Callable[[], None], extra: Tokens, dtype: str) -> None:
    low = write_zarr(tmp_path, VALUES.astype(dtype))
    high = write_tiff(tmp_path, (VALUES[::-1] // 3).astype(dtype), "high.tif", tile=(16, 16))
    pair = [*low, *high]
    paint = ["--paint", tmp_path / "whole-paint.tif"]
    whole = done(run, "segment", *pair, "-k", 3, *extra, "-o", tmp_path / "whole.tif", *paint)
    lazily()
    paint = ["--paint", tmp_path / "cut-paint.tif"]
    cut = done(run, "segment", *pair, "-k", 3, *extra, "-o", tmp_path / "cut.tif", *paint)
    assert cut == whole
    for kind in ("", "-paint"):
        assert voxels(tmp_path / f"cut{kind}.tif") == voxels(tmp_path / f"whole{kind}.tif")
        assert record(tmp_path / f"cut{kind}.tif") == record(tmp_path / f"whole{kind}.tif")
    again = done(run, "apply", tmp_path / "cut.tif.json", *pair, "-o", tmp_path / "again.ome.zarr")
    assert again["centers"] == whole["centers"]
    assert voxels(tmp_path / "again.ome.zarr")[-1] == voxels(tmp_path / "whole.tif")[-1]


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr", ".raw", ".nrrd"])
def test_voxels_that_are_no_number(run: Run, tmp_path: Path, lazily: Callable[[], None], suffix: str) -> None:
    values = VALUES.astype(np.float32)
    values[2, :5] = np.nan
    scan = write_zarr(tmp_path, values)
    whole = done(run, "segment", *scan, "-k", 3, "--nan", "ignore", "-o", tmp_path / "whole.tif")
    lazily()
    cut = done(run, "segment", *scan, "-k", 3, "--nan", "ignore", "-o", tmp_path / f"cut{suffix}")
    assert cut == whole
    assert voxels(tmp_path / f"cut{suffix}")[-1] == voxels(tmp_path / "whole.tif")[-1]
    assert cut["n_ignored"] == 5 * SHAPE[2]
    before = sorted(path.name for path in tmp_path.iterdir())
    check_refused(run("segment", *scan, "-k", 3, "-o", tmp_path / f"no{suffix}"), 65, "--nan ignore")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("n", range(1, 6))
def test_histograms_of_shards_fit_like_the_whole(run: Run, tmp_path: Path, lazily: Callable[[], None], n: int) -> None:
    scan = write_hdf5(tmp_path, VALUES)
    mask = tmp_path / "mask.tif"
    tifffile.imwrite(mask, (VALUES > 300).astype(np.uint8))
    whole = done(run, "fit", *scan, "-k", 3, "-o", tmp_path / "whole.json")
    lazily()
    parts = [tmp_path / f"h{i}.npz" for i in range(1, n + 1)]
    shapes = [
        done(run, "histogram", *scan, "--shard", f"{i}/{n}", "-o", part)["n_voxels"]
        for i, part in enumerate(parts, start=1)
    ]
    assert sum(shapes) == VALUES.size
    assert max(shapes) - min(shapes) <= 3 * math.prod(SHAPE[1:])  # chunks of three slices are not divided
    assert done(run, "fit", *parts, "-k", 3, "-o", tmp_path / "parts.json") == whole
    assert record(tmp_path / "parts")["model"] == record(tmp_path / "whole")["model"]
    counted = done(run, "histogram", *scan, "--mask", mask)
    masked = [done(run, "histogram", *scan, "--mask", mask, "--shard", f"{i}/{n}") for i in range(1, n + 1)]
    assert sum(one["n_voxels"] for one in masked) == counted["n_voxels"]


@pytest.mark.parametrize("shard", ["0/3", "4/3", "x", "1/", "/3", "-1/3", "1/8", "1/2/3", "1.5/3", ""])
def test_shards_that_are_none(run: Run, tmp_path: Path, shard: str) -> None:
    scan = write_tiff(tmp_path, VALUES)
    check_refused(run("histogram", *scan, f"--shard={shard}", "-o", tmp_path / "h.npz"), 2, "--shard")
    assert [path.name for path in tmp_path.iterdir()] == ["scan.tif"]


def test_a_fit_takes_histograms_and_scans(run: Run, tmp_path: Path, lazily: Callable[[], None]) -> None:
    low, high = (
        write_tiff(tmp_path, VALUES[:3], "low.tif"),
        write_tiff(tmp_path, VALUES[3:], "high.tif"),
    )
    whole = done(run, "fit", *low, *high, "-k", 3, "-o", tmp_path / "whole.json")
    done(run, "histogram", *high, "-o", tmp_path / "high.npz")
    lazily()
    mixed = done(run, "fit", *low, tmp_path / "high.npz", "-k", 3, "-o", tmp_path / "mixed.json")
    assert mixed == whole
    swept = done(run, "sweep", tmp_path / "high.npz", "--k-max", 4)
    assert swept == done(run, "sweep", *high, "--k-max", 4)
    other = write_tiff(tmp_path, VALUES.astype(np.float32), "other.tif")
    check_refused(run("fit", *other, tmp_path / "high.npz", "-k", 3, "-o", tmp_path / "no.json"), 65, "dtype")
    refused = run("sweep", tmp_path / "high.npz", "--mask", tmp_path / "low.tif")
    check_refused(refused, 2, "mask")


def test_shards_that_are_missing_or_there_twice_are_refused(run: Run, tmp_path: Path) -> None:
    scan = write_hdf5(tmp_path, VALUES)
    parts = [tmp_path / f"h{i}.npz" for i in (1, 2)]
    for i, part in enumerate(parts, start=1):
        done(run, "histogram", *scan, "--shard", f"{i}/2", "-o", part)
    for given, says in (
        ([parts[0], parts[0]], "is shard 1 of 2, and so is"),
        ([parts[1]], "of which number 1 is missing"),
    ):
        check_refused(run("fit", *given, "-k", 2, "-o", tmp_path / "model.json"), 65, says)
    done(run, "fit", *parts, "-k", 2, "-o", tmp_path / "model.json")


def test_info_tells_of_a_store_that_lacks_chunks(run: Run, tmp_path: Path) -> None:
    import zarr

    store = zarr.create_array(tmp_path / "a.zarr", shape=(8, 8, 8), chunks=(4, 4, 4), dtype="u2")
    store[:4] = 7
    facts = done(run, "info", tmp_path / "a.zarr")
    assert facts["shape"] == [8, 8, 8]
    assert "reading_seconds" not in facts
