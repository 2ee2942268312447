"""Many scans by one recipe: what each becomes, what is done again, and what is refused."""

from __future__ import annotations

import csv
import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import klevels
from commands import files
from klevels.batching import find_scans
from klevels.batching.scans import name_outputs
from klevels.errors import DataError, DiskError, InputMissingError, OutputExistsError, ParameterError, WriteError
from klevels.recipe import Recipe

SHAPE = (5, 20, 24)


def scan(seed: int, share: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    phases = rng.choice([40, 120, 200], SHAPE, p=[share, 0.5 - share / 2, 0.5 - share / 2])
    return (phases + rng.normal(0, 6, SHAPE)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three scans, which is the working directory."""
    (tmp_path / "scans").mkdir()
    for number, share in ((1, 0.2), (2, 0.3), (10, 0.6)):
        klevels.write(tmp_path / f"scans/s{number}.tif", scan(number, share))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def summary(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_scan_becomes_what_segment_makes_of_it(folder: Path) -> None:
    stages: list[str] = []
    found = klevels.batch("scans/*.tif", Recipe(k=3, denoise="auto"), "results", progress=stages.append)
    assert stages == [f"segmenting s{number}.tif" for number in (1, 2, 10)]
    assert found.failures == {}
    assert found.model is None
    assert list(found.table["file"]) == [f"scans/s{number}.tif" for number in (1, 2, 10)]
    for row, text in zip(found.table.rows(), summary(folder / "results"), strict=True):
        alone = klevels.segment(klevels.read(row["file"]), k=3, denoise="auto")
        told = alone.summary()
        np.testing.assert_array_equal(klevels.read(f"results/{row['output']}").data, alone.labels.data)
        assert (
            [row[f"center_{i}"] for i in range(3)] == told["centers"] == [float(text[f"center_{i}"]) for i in range(3)]
        )
        assert [row[f"threshold_{i}"] for i in range(2)] == told["thresholds"]
        assert [row[f"fraction_{i}"] for i in range(3)] == told["fractions"]
        assert (row["k"], row["n_voxels"], row["n_ignored"], row["status"]) == (3, alone.labels.data.size, 0, "done")
    assert {path.name for path in Path("results").iterdir()} == {
        *(f"s{number}.tif{ending}" for number in (1, 2, 10) for ending in ("", ".json")),
        "summary.csv",
    }


def test_a_shared_model_is_that_of_all_counts(folder: Path) -> None:
    found = klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared")
    scans = [klevels.read(f"scans/s{number}.tif").data for number in (1, 2, 10)]
    expected = klevels.fit_levels(sum((klevels.histogram(one) for one in scans[1:]), klevels.histogram(scans[0])), 3)
    assert isinstance(found.model, klevels.Levels)
    np.testing.assert_array_equal(found.model.centers, expected.centers)
    np.testing.assert_array_equal(
        json.loads(Path("results/model.json").read_text())["model"]["centers"], expected.centers
    )
    for number, one in zip((1, 2, 10), scans, strict=True):
        np.testing.assert_array_equal(klevels.read(f"results/s{number}.tif").data, expected.classify(one))
    assert len(set(found.table["center_0"])) == 1
    assert len(set(found.table["fraction_0"])) == 3
    before = files(folder)
    again = klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared")
    assert list(again.table.rows()) == list(found.table.rows())
    assert files(folder) == before


@pytest.mark.usefixtures("folder")
def test_a_shared_model_with_noise_split_off_and_scans_denoised() -> None:
    recipe = Recipe(k=2, noise=80.0, denoise="median:1")
    found = klevels.batch("scans/*.tif", recipe, "results", model="shared")
    clean = [klevels.denoise(klevels.read(f"scans/s{n}.tif"), "median", strength=1).data for n in (1, 2, 10)]
    counted = klevels.histogram(clean[0]) + klevels.histogram(clean[1]) + klevels.histogram(clean[2])
    expected = klevels.fit_levels(counted, 2, noise_threshold=80.0)
    assert isinstance(found.model, klevels.Levels)
    np.testing.assert_array_equal(found.model.centers, expected.centers)
    np.testing.assert_array_equal(klevels.read("results/s2.tif").data, expected.classify(clean[1]))


@pytest.mark.usefixtures("folder")
def test_a_model_in_the_recipe_is_applied_as_it_is() -> None:
    model = klevels.segment(scan(7), k=3).model
    for kind in ("each", "shared"):
        found = klevels.batch("scans/*.tif", Recipe(k=3, model=model), f"results-{kind}", model=kind)
        assert found.model is model
        assert not Path(f"results-{kind}/model.json").exists()
        labels = klevels.read(f"results-{kind}/s1.tif").data
        np.testing.assert_array_equal(labels, model.classify(klevels.read("scans/s1.tif").data))


@pytest.mark.usefixtures("folder")
def test_the_record_of_labels_is_a_recipe() -> None:
    klevels.batch("scans/*.tif", Recipe(k=2), "results")
    found = klevels.batch("scans/s1.tif", "results/s1.tif.json", "again", format="nrrd")
    assert found.failures == {}
    np.testing.assert_array_equal(klevels.read("again/s1.nrrd").data, klevels.read("results/s1.tif").data)


def test_bad_scans_are_listed_and_others_done(folder: Path) -> None:
    Path("scans/bad.tif").write_bytes(b"II*\0junk")
    klevels.write("scans/flat.tif", np.zeros((4, 4), np.uint8))
    found = klevels.batch(["scans/*.tif", "scans/none.tif"], Recipe(k=3), "results")
    assert [str(path) for path in found.failures] == ["scans/bad.tif", "scans/flat.tif", "scans/none.tif"]
    assert all("\n" not in reason and not reason.startswith("scans/") for reason in found.failures.values())
    rows = summary(folder / "results")
    assert [row["status"] for row in rows] == ["failed", "failed", "done", "done", "done", "failed"]
    assert rows[0]["message"] == found.failures[Path("scans/bad.tif")]
    assert {rows[0][name] for name in ("k", "center_0", "n_voxels")} == {""}
    assert list(found.table["k"]) == [None, None, 3, 3, 3, None]
    assert repr(found) == "Batch(3 scans done, 3 failed)"
    before = files(folder)
    assert klevels.batch(["scans/*.tif", "scans/none.tif"], Recipe(k=3), "results").failures == found.failures
    assert files(folder) == before


@pytest.mark.usefixtures("folder")
def test_color_and_other_dtypes_are_bad_where_the_model_is_shared() -> None:
    klevels.write("scans/t.tif", scan(3).astype(np.uint16))
    klevels.write("scans/u.png", klevels.Image(np.stack([scan(4)[0]] * 3, axis=-1), "yxc"))
    found = klevels.batch(["scans/*.tif", "scans/*.png"], Recipe(k=3), "results", model="shared")
    assert len(found.table) == 5
    assert "its dtype is uint16, but that of scans/s1.tif is uint8" in found.failures[Path("scans/t.tif")]
    assert "a shared model is of gray scans" in found.failures[Path("scans/u.png")]
    alone = klevels.batch("scans/s*.tif", Recipe(k=3), "others", model="shared")
    assert isinstance(found.model, klevels.Levels)
    assert isinstance(alone.model, klevels.Levels)
    np.testing.assert_array_equal(found.model.centers, alone.model.centers)
    gray = klevels.batch("scans/u.png", Recipe(k=3, gray=True), "gray", model="shared")
    assert gray.failures == {}


@pytest.mark.usefixtures("folder")
def test_no_scan_can_be_counted() -> None:
    Path("bad.tif").write_bytes(b"II*\0junk")
    found = klevels.batch("bad.tif", Recipe(k=3), "results", model="shared")
    assert list(found.failures) == [Path("bad.tif")]
    assert [path.name for path in Path("results").iterdir()] == ["summary.csv"]


@pytest.mark.usefixtures("folder")
def test_color_scans_have_a_model_each() -> None:
    pixels = np.stack([scan(n)[0] for n in (4, 5, 6)], axis=-1)
    klevels.write("photo.png", klevels.Image(pixels, "yxc"))
    found = klevels.batch(["photo.png", "scans/s1.tif"], Recipe(k=2), "results")
    assert found.failures == {}
    alone = klevels.segment(klevels.Image(pixels, "yxc"), k=2)
    centers = alone.summary()["centers"]
    assert [[float(one) for one in found.table[f"center_{i}"][0].split()] for i in range(2)] == centers
    np.testing.assert_array_equal(klevels.read("results/photo.tif").data, alone.labels.data)


@pytest.mark.usefixtures("folder")
def test_a_mask_counts_for_all_scans_of_its_shape() -> None:
    inside = np.zeros(SHAPE, np.uint8)
    inside[:, 4:15] = 1
    klevels.write("mask.tif", inside)
    klevels.write("scans/small.tif", scan(3)[:2])
    found = klevels.batch("scans/*.tif", Recipe(k=2, mask="mask.tif"), "results")
    assert list(found.failures) == [Path("scans/small.tif")]
    assert "that of the mask mask.tif is (5, 20, 24)" in found.failures[Path("scans/small.tif")]
    assert list(found.table["n_ignored"][:3]) == [int((inside == 0).sum())] * 3
    klevels.write("mask.tif", 1 - inside, overwrite=True)
    with pytest.raises(OutputExistsError, match=r"s1\.tif \(and 2 more\): exists already, of another recipe"):
        klevels.batch("scans/*.tif", Recipe(k=2, mask="mask.tif"), "results")


def test_what_is_done_is_not_done_again(folder: Path) -> None:
    whole = klevels.batch("scans/*.tif", Recipe(k=3), "results")
    before = files(folder)
    for name in ("s2.tif", "s2.tif.json", "summary.csv"):
        Path("results", name).unlink()
    Path("results/s10.tif").write_bytes(b"cut")
    kept = Path("results/s1.tif").stat().st_ino
    again = klevels.batch("scans/*.tif", Recipe(k=3), "results")
    assert list(again.table.rows()) == list(whole.table.rows())
    assert files(folder) == before
    assert Path("results/s1.tif").stat().st_ino == kept


def test_a_record_without_its_labels_is_begun(folder: Path) -> None:
    klevels.batch("scans/*.tif", Recipe(k=3), "results")
    before = files(folder)
    Path("results/s2.tif").unlink()
    klevels.batch("scans/*.tif", Recipe(k=3), "results")
    assert files(folder) == before


def test_other_recipes_and_inputs_are_refused_without_overwrite(folder: Path) -> None:
    klevels.batch("scans/*.tif", Recipe(k=3), "results")
    before = files(folder)
    for changed in (Recipe(k=2), Recipe(k=3, smooth=0.5)):
        with pytest.raises(OutputExistsError, match="of another recipe"):
            klevels.batch("scans/*.tif", changed, "results")
        assert files(folder) == before
    with pytest.raises(OutputExistsError, match="of another recipe"):
        klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared")
    assert files(folder) == before
    klevels.write("scans/s2.tif", scan(22), overwrite=True)
    with pytest.raises(OutputExistsError, match=r"s2\.tif: exists already, .* of an input that has changed"):
        klevels.batch("scans/*.tif", Recipe(k=3), "results")
    kept = Path("results/s1.tif").stat().st_ino
    klevels.batch("scans/*.tif", Recipe(k=3), "results", overwrite=True)
    assert Path("results/s1.tif").stat().st_ino == kept
    expected = klevels.segment(scan(22), k=3).labels.data
    np.testing.assert_array_equal(klevels.read("results/s2.tif").data, expected)
    found = klevels.batch("scans/*.tif", Recipe(k=2), "results", overwrite=True)
    assert "center_2" not in found.table.columns
    np.testing.assert_array_equal(klevels.read("results/s2.tif").data, klevels.segment(scan(22), k=2).labels.data)


def test_more_scans_make_another_shared_model(folder: Path) -> None:
    klevels.batch("scans/s?.tif", Recipe(k=3), "results", model="shared")
    before = files(folder)
    with pytest.raises(OutputExistsError, match="exists already"):
        klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared")
    assert files(folder) == before
    klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared", overwrite=True)


@pytest.mark.parametrize("name", ["s1.tif", "s1.tif.json", "summary.csv", "model.json"])
def test_foreign_files_are_kept(folder: Path, name: str) -> None:
    Path("results").mkdir()
    Path("results", name).write_text("{}")
    before = files(folder)
    with pytest.raises(OutputExistsError, match=name.removesuffix(".json") if name != "model.json" else name):
        klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared")
    assert files(folder) == before
    klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared", overwrite=True)
    assert Path("results", name).read_bytes() != b"{}"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["s1.tif", "summary.csv"])
def test_a_folder_of_an_outputs_name_is_never_replaced(name: str) -> None:
    Path("results", name).mkdir(parents=True)
    Path("results", name, "precious").touch()
    with pytest.raises(WriteError, match="is a folder"):
        klevels.batch("scans/*.tif", Recipe(k=3), "results", overwrite=True)
    assert Path("results", name, "precious").exists()


@pytest.mark.usefixtures("folder")
def test_two_batches_do_not_work_in_one_folder() -> None:
    def interfere(_: str) -> None:
        with pytest.raises(OutputExistsError, match="another run is at work"):
            klevels.batch("scans/*.tif", Recipe(k=3), "results")

    assert klevels.batch("scans/*.tif", Recipe(k=3), "results", progress=interfere).failures == {}


@pytest.mark.usefixtures("folder")
def test_an_interrupted_batch_leaves_whole_outputs_only() -> None:
    def stop(stage: str) -> None:
        if "s10" in stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        klevels.batch("scans/*.tif", Recipe(k=3), "results", progress=stop)
    assert {path.name for path in Path("results").iterdir()} == {"s1.tif", "s1.tif.json", "s2.tif", "s2.tif.json"}


@pytest.mark.usefixtures("folder")
def test_a_scan_that_is_damaged_within_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.io.LAZY_BYTES", 0)
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 5000)
    values = np.random.default_rng(1).integers(0, 255, (8, 64, 64), np.uint8)
    tifffile.imwrite("large.tif", values, photometric="minisblack", tile=(16, 16), compression="zlib")
    with tifffile.TiffFile("large.tif") as file:
        last = file.pages[-1].dataoffsets[-1]
    whole = Path("large.tif").read_bytes()
    Path("large.tif").write_bytes(whole[:last] + b"\xff" * 40 + whole[last + 40 :])
    recipe = Recipe(k=2, model=klevels.segment(values, k=2).model)
    found = klevels.batch("large.tif", recipe, "results", threads=1)
    assert list(found.failures) == [Path("large.tif")]
    assert [path.name for path in Path("results").iterdir()] == ["summary.csv"]
    Path("large.tif").write_bytes(whole)
    assert klevels.batch("large.tif", recipe, "results").failures == {}


def test_too_little_memory_for_one_scan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def segment(image: klevels.Image, **arguments: Any) -> klevels.Segmentation:
        if image.data[0, 0, 0] == second[0, 0, 0] and (image.data == second).all():
            raise MemoryError("Unable to allocate 9 TiB")
        return klevels.segment(image, **arguments)

    second = klevels.read(folder / "scans/s2.tif").data
    monkeypatch.setattr("klevels.batching.making.segment", segment)
    found = klevels.batch("scans/*.tif", Recipe(k=3), "results")
    assert list(found.failures) == [Path("scans/s2.tif")]
    assert "out of memory (Unable to allocate 9 TiB)" in found.failures[Path("scans/s2.tif")]


@pytest.mark.usefixtures("folder")
def test_a_full_disk_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(path: Path, image: klevels.Image, part: Path) -> None:
        if path.name == "s10.tif":
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(path, image, part)

    plain = klevels.io.encode
    monkeypatch.setattr("klevels.io.encode", encode)
    with pytest.raises(DiskError, match=r"s10\.tif: the disk is full"):
        klevels.batch("scans/*.tif", Recipe(k=3), "results")
    assert {path.name for path in Path("results").iterdir()} == {"s1.tif", "s1.tif.json", "s2.tif", "s2.tif.json"}


@pytest.mark.usefixtures("folder")
def test_bad_arguments() -> None:
    for problem, error, arguments in (
        ("model is 'all'", ParameterError, {"model": "all"}),
        ("format is 'jpg'; use one of .ome.zarr, ", ParameterError, {"format": "jpg"}),
        ("scans/s1.tif: is a file", WriteError, {"output": "scans/s1.tif"}),
        ("scans/s1.tif: is the input", WriteError, {"output": "scans"}),
        ("nothing\\*.tif: no input matches", InputMissingError, {"paths": "nothing*.tif"}),
        ("none.tif: no input matches", InputMissingError, {"paths": "none.tif"}),
        ("there is no input", ParameterError, {"paths": []}),
        ("no such file", InputMissingError, {"recipe": "none.json"}),
        ("no such file", InputMissingError, {"recipe": Recipe(k=2, mask="none.tif")}),
    ):
        with pytest.raises(error, match=problem):
            klevels.batch(**{"paths": "scans/*.tif", "recipe": Recipe(k=3), "output": "results", **arguments})
        assert not Path("results").exists()
    assert not list(Path("scans").glob(".*"))


@pytest.mark.usefixtures("folder")
def test_a_read_only_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("results").mkdir()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(WriteError, match="results: is read-only"):
        klevels.batch("scans/*.tif", Recipe(k=3), "results")
    assert not list(Path("results").iterdir())


@pytest.mark.usefixtures("folder")
def test_a_recipe_without_k() -> None:
    Path("r.json").write_text(json.dumps({"noise": "valley"}))
    with pytest.raises(klevels.ReadError, match="it has no k"):
        klevels.batch("scans/*.tif", "r.json", "results")


@pytest.mark.usefixtures("folder")
def test_scans_of_one_name_are_refused() -> None:
    Path("other").mkdir()
    klevels.write("other/S1.png", scan(1)[0])
    with pytest.raises(ParameterError, match=r"scans/s1\.tif and other/S1\.png would both become results/S1\.tif"):
        klevels.batch(["scans/*.tif", "other/*"], Recipe(k=3), "results")
    assert not Path("results").exists()


@pytest.mark.usefixtures("folder")
def test_patterns_are_sorted_and_each_scan_is_there_once() -> None:
    names = [str(path) for path in find_scans(["scans/s2.tif", "scans/*.tif", "./scans/s1.tif"], "results")]
    assert names == ["scans/s2.tif", "scans/s1.tif", "scans/s10.tif"]
    klevels.batch("scans/*.tif", Recipe(k=3), "scans/results")
    assert [path.name for path in find_scans("scans/*", "scans/results")] == ["s1.tif", "s2.tif", "s10.tif"]
    assert [path.name for path in find_scans("**/*.tif", "scans/results")] == ["s1.tif", "s2.tif", "s10.tif"]
    Path("scans/s1.tif.json").touch()
    assert [path.name for path in find_scans("scans/*", "scans/results")] == ["s1.tif", "s2.tif", "s10.tif"]
    Path("scans/[1].tif").touch()
    assert find_scans("scans/[1].tif", "results") == [Path("scans/[1].tif")]


@given(st.lists(st.integers(0, 10**6), min_size=2, unique=True))
def test_numbers_are_sorted_as_numbers(numbers: list[int]) -> None:
    from klevels.batching.scans import _natural

    found = sorted((f"a/s{number}.tif" for number in numbers), key=_natural)
    assert found == [f"a/s{number}.tif" for number in sorted(numbers)]


@pytest.mark.parametrize(
    ("scan", "name"),
    [
        ("a/scan.tif", "scan.tif"),
        ("scan.v1.2.ome.tif", "scan.v1.2.tif"),
        ("scan.nii.gz", "scan.tif"),
        ("scan.ome.zarr", "scan.tif"),
        ("scan.h5::/entry/data", "scan-entry-data.tif"),
    ],
)
def test_names_of_outputs(scan: str, name: str) -> None:
    assert name_outputs([Path(scan)], Path("results"), "TIF") == {Path(scan): Path("results", name)}


def test_folders_of_slices_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "scan.v1.2").mkdir()
    found = name_outputs([tmp_path / "scan.v1.2"], Path("results"), ".nrrd")
    assert list(found.values()) == [Path("results/scan.v1.2.nrrd")]
    with pytest.raises(WriteError, match="is the input"):
        name_outputs([tmp_path / "scan.v1.2"], tmp_path / "scan.v1.2", ".nrrd")


def test_large_scans_are_written_block_by_block_to_the_same_labels(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    klevels.batch("scans/*.tif", Recipe(k=3), "whole", model="shared")
    monkeypatch.setattr("klevels.io.LAZY_BYTES", 0)
    found = klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared")
    assert found.failures == {}
    before = files(folder)
    for number in (1, 2, 10):
        np.testing.assert_array_equal(
            klevels.read(f"whole/s{number}.tif").data, klevels.read(f"results/s{number}.tif", lazy=False).data
        )
    assert Path("whole/summary.csv").read_text() == Path("results/summary.csv").read_text()
    klevels.batch("scans/*.tif", Recipe(k=3), "results", model="shared")
    assert files(folder) == before


@pytest.mark.usefixtures("folder")
def test_unforeseen_data_errors_name_what_to_do() -> None:
    klevels.write("scans/nan.tif", np.float32([[1, np.nan], [2, 3]]))
    found = klevels.batch("scans/nan.tif", Recipe(k=2), "results")
    with pytest.raises(DataError) as refused:
        klevels.segment(klevels.read("scans/nan.tif"), k=2)
    assert found.failures[Path("scans/nan.tif")] == str(refused.value)
