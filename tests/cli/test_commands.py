"""The commands, from files on disk to files on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import klevels
from commands import Run, check_refused, files
from klevels.samples import simulate_phases

SUMMARY = {
    "k",
    "centers",
    "thresholds",
    "counts",
    "fractions",
    "inertia",
    "explained_variance",
    "noise_threshold",
    "n_voxels",
    "n_ignored",
    "excess_bound",
}


@pytest.fixture(scope="session")
def volume() -> NDArray[np.uint16]:
    return np.asarray(simulate_phases((24, 32, 40), noise=2500.0, seed=3).image.data)


@pytest.fixture
def scan(tmp_path: Path, volume: NDArray[np.uint16]) -> Path:
    path = tmp_path / "scan.tif"
    klevels.write(path, klevels.Image(volume, "zyx", (0.02, 0.01, 0.01), "mm"))
    return path


def test_segment_writes_labels_with_voxel_size_and_a_record(run: Run, scan: Path, volume: NDArray[np.uint16]) -> None:
    labels, painted = scan.with_name("labels.tif"), scan.with_name("painted.tif")
    outcome = run("segment", scan, "-k", 3, "-o", labels, "--paint", painted, "--json")
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.json.keys() >= SUMMARY
    expected = klevels.segment(volume, 3)
    assert outcome.json == json.loads(json.dumps(expected.summary()))
    written = klevels.read(labels)
    assert np.array_equal(written.data, expected.labels.data)
    assert (written.axes, written.spacing, written.unit) == ("zyx", (0.02, 0.01, 0.01), "mm")
    gray = klevels.read(painted)
    assert gray.dtype == np.uint16
    assert np.array_equal(gray.data, np.round(expected.model.centers).astype(np.uint16)[expected.labels.data])
    record = json.loads((scan.parent / "labels.tif.json").read_text())
    assert record["inputs"][0]["bytes"] == scan.stat().st_size
    assert len(record["inputs"][0]["sha256"]) == 64
    assert record["versions"].keys() >= {"klevels", "python", "numpy"}
    assert (scan.parent / "painted.tif.json").read_text() == (scan.parent / "labels.tif.json").read_text()


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".npz"])
@pytest.mark.parametrize("noise", ["none", "valley", "kmeans", "minimum-error", "20000"])
def test_the_record_does_it_again_to_the_bit(run: Run, scan: Path, suffix: str, noise: str) -> None:
    first, again = scan.with_name(f"first{suffix}"), scan.with_name(f"again{suffix}")
    one = run("segment", scan, "-k", 2, "--noise", noise, "-o", first, "--json")
    two = run("segment", scan, "--recipe", f"{first}.json", "-o", again, "--json")
    assert (one.code, two.code) == (0, 0)
    assert one.json == two.json
    assert first.read_bytes() == again.read_bytes()
    assert (scan.parent / f"first{suffix}.json").read_text() == (scan.parent / f"again{suffix}.json").read_text()
    assert (one.json["noise_threshold"] is None) == (noise == "none")
    assert len(one.json["centers"]) == 2 + (noise != "none")


def test_a_mask_is_part_of_the_recipe(run: Run, scan: Path, volume: NDArray[np.uint16]) -> None:
    inside = np.zeros(volume.shape, np.uint8)
    inside[2:20, 5:25] = 7
    mask = scan.with_name("mask.npy")
    np.save(mask, inside)
    one = run("segment", scan, "-k", 3, "--mask", mask, "-o", scan.with_name("a.npy"), "--json")
    assert one.json["n_ignored"] == int((inside == 0).sum())
    assert one.json["n_voxels"] == volume.size
    labels = np.load(scan.with_name("a.npy"))
    assert ((labels == 255) == (inside == 0)).all()
    two = run("segment", scan, "--recipe", scan.with_name("a.npy.json"), "-o", scan.with_name("b.npy"))
    assert two.code == 0
    assert np.array_equal(np.load(scan.with_name("b.npy")), labels)
    np.save(mask, inside[::-1].copy())
    changed = run("segment", scan, "--recipe", scan.with_name("a.npy.json"), "-o", scan.with_name("c.npy"))
    assert changed.code == 65
    assert "mask has changed" in changed.err


def test_nan_is_refused_or_left_out(run: Run, tmp_path: Path) -> None:
    image = np.array([[0.0, 1.0, np.nan], [8.0, 9.0, 9.5]], np.float32)
    np.save(tmp_path / "a.npy", image)
    refused = run("segment", tmp_path / "a.npy", "-k", 2, "-o", tmp_path / "l.npy")
    assert refused.code == 65
    assert "1 NaN" in refused.err
    assert "--nan ignore" in refused.err
    assert not (tmp_path / "l.npy").exists()
    taken = run("segment", tmp_path / "a.npy", "-k", 2, "--nan", "ignore", "-o", tmp_path / "l.npy", "--json")
    assert taken.json["n_ignored"] == 1
    assert np.load(tmp_path / "l.npy").tolist() == [[0, 0, 255], [1, 1, 1]]


def test_color_is_gray_on_request(run: Run, tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    klevels.write(tmp_path / "c.png", klevels.Image(rgb, "yxc"))
    taken = run("segment", tmp_path / "c.png", "-k", 2, "--gray", "-o", tmp_path / "l.png")
    assert taken.code == 0
    gray = klevels.read(tmp_path / "c.png", gray=True)
    assert np.array_equal(klevels.read(tmp_path / "l.png").data, klevels.segment(gray, 2).labels.data)
    for verb in ("histogram", "sweep"):
        check_refused(run(verb, tmp_path / "c.png"), 65, "--gray")


def test_fit_pools_the_scans_and_apply_uses_the_model(run: Run, scan: Path, volume: NDArray[np.uint16]) -> None:
    other = scan.with_name("other.npy")
    np.save(other, (volume[::2] // 2).astype(np.uint16))
    model, labels = scan.with_name("model.json"), scan.with_name("labels.npy")
    fitted = run("fit", scan, other, "-k", 4, "-o", model, "--json")
    assert fitted.code == 0
    pooled = klevels.histogram(np.concatenate([volume.ravel(), np.load(other).ravel()]))
    expected = klevels.fit_levels(pooled, 4)
    assert fitted.json["centers"] == expected.centers.tolist()
    assert fitted.json["inertia"] == expected.inertia
    applied = run("apply", model, scan, "-o", labels, "--json")
    assert np.array_equal(np.load(labels), expected.classify(volume))
    assert applied.json["counts"] == np.bincount(expected.classify(volume).ravel(), minlength=4).tolist()
    assert applied.json["centers"] == expected.centers.tolist()
    again = run("segment", scan, "--recipe", f"{labels}.json", "-o", scan.with_name("again.npy"))
    assert again.code == 0
    assert scan.with_name("again.npy").read_bytes() == labels.read_bytes()


def test_thresholds_moved_by_hand_are_honored(run: Run, scan: Path, volume: NDArray[np.uint16]) -> None:
    model = scan.with_name("model.json")
    run("fit", scan, "-k", 3, "-o", model)
    moved = json.loads(model.read_text())
    moved["model"]["thresholds"] = [15000.0, 50000.0]
    model.write_text(json.dumps(moved))
    run("apply", model, scan, "-o", scan.with_name("l.npy"))
    assert np.array_equal(np.load(scan.with_name("l.npy")), np.digitize(volume, [15000, 50000], right=True))


def test_histogram_saves_what_loads(run: Run, scan: Path, volume: NDArray[np.uint16]) -> None:
    outcome = run("histogram", scan, "-o", scan.with_name("h.npz"), "--json")
    values, counts = np.unique(volume, return_counts=True)
    assert outcome.json["levels"] == values.tolist()
    assert outcome.json["counts"] == counts.tolist()
    assert outcome.json["std"] == pytest.approx(volume.std(), rel=1e-12)
    loaded = klevels.Histogram.load(scan.with_name("h.npz"))
    assert np.array_equal(loaded.counts, counts)
    bars = run("histogram", scan)
    assert "█" in bars.out


def test_sweep_lists_every_k(run: Run, scan: Path, volume: NDArray[np.uint16]) -> None:
    outcome = run("sweep", scan, "--k-max", 6, "--figure", scan.with_name("sweep.svg"), "--json")
    path = klevels.fit_path(klevels.histogram(volume), 6)
    assert [row["k"] for row in outcome.json["sweep"]] == [1, 2, 3, 4, 5, 6]
    assert [row["inertia"] for row in outcome.json["sweep"]] == [levels.inertia for levels in path]
    assert outcome.json["sweep"][0]["silhouette"] is None
    assert outcome.json["advice"]["silhouette"] in range(2, 7)
    assert scan.with_name("sweep.svg").read_text().startswith("<?xml")
    assert "Advice only" in run("sweep", scan, "--k-max", 3).out


def test_info_tells_what_a_file_holds(run: Run, scan: Path) -> None:
    facts = run("info", scan, "--json").json
    assert facts["shape"] == [24, 32, 40]
    assert facts["dtype"] == "uint16"
    assert facts["spacing"] == [0.02, 0.01, 0.01]
    assert "24 × 32 × 40" in run("info", scan).out


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_figure_is_drawn(run: Run, scan: Path, suffix: str) -> None:
    figure = scan.with_name(f"figure{suffix}")
    assert run("segment", scan, "-k", 3, "--noise", "valley", "--figure", figure).code == 0
    assert figure.stat().st_size > 10_000
    assert figure.with_name(figure.name + ".json").exists()


def test_demo_leaves_labels_figures_and_a_summary(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    outcome = run("demo", "-o", folder, "--shape", 96, 96, "--json")
    assert outcome.code == 0
    records = [f"{name}.json" for name in outcome.json["files"] if name != "summary.json"]
    assert sorted(files(folder)) == sorted([*outcome.json["files"], *records])
    truth, labels = klevels.read(folder / "truth.tif"), klevels.read(folder / "labels.tif")
    assert outcome.json["misclassified"] == np.mean(truth.data != labels.data)
    assert outcome.json["misclassified"] < 0.2
    before = files(folder)
    assert run("demo", "-o", folder, "--shape", 96, 96).code == 73
    assert files(folder) == before


def test_every_output_has_a_record(run: Run, scan: Path) -> None:
    for tokens, output in (
        (("histogram", scan, "-o"), scan.with_name("h.npz")),
        (("histogram", scan, "--figure"), scan.with_name("h.png")),
        (("sweep", scan, "--k-max", 3, "--figure"), scan.with_name("s.png")),
    ):
        assert run(*tokens, output).code == 0
        record = json.loads(output.with_name(output.name + ".json").read_text())
        assert record["inputs"][0]["bytes"] == scan.stat().st_size


def test_a_model_of_another_scale_is_pointed_out(run: Run, scan: Path) -> None:
    np.save(scan.with_name("dark.npy"), np.arange(100, dtype=np.uint8).reshape(10, 10))
    run("fit", scan.with_name("dark.npy"), "-k", 3, "-o", scan.with_name("m.json"))
    outcome = run("apply", scan.with_name("m.json"), scan, "-o", scan.with_name("l.npy"))
    assert outcome.code == 0
    assert "scale of gray" in outcome.err


def test_a_volume_is_simulated_as_well(run: Run, tmp_path: Path) -> None:
    outcome = run("demo", "-o", tmp_path / "demo", "--shape", 24, 96, 96, "--json")
    assert klevels.read(tmp_path / "demo" / "labels.tif").axes == "zyx"
    assert outcome.json["misclassified"] < 0.15


def test_tables_for_people(run: Run, scan: Path) -> None:
    outcome = run("segment", scan, "-k", 2, "--noise", "valley")
    assert "noise" in outcome.out
    assert "mm³" in outcome.out
    assert outcome.err == ""


@pytest.mark.parametrize(
    ("tokens", "code", "says"),
    [
        (("segment", "{scan}", "-k", "0"), 2, "k is 0"),
        (("segment", "{scan}", "-k", "-1"), 2, "k is -1"),
        (("segment", "{scan}", "-k", "2.5"), 2, "'2.5'"),
        (("segment", "{scan}", "-k", "three"), 2, "'three'"),
        (("segment", "{scan}", "-k", "70000"), 2, "65535"),
        (("segment", "{scan}"), 2, "-k is missing"),
        (("segment", "{scan}", "-k", "3", "--noise", "nosuch"), 2, "nosuch"),
        (("segment", "{scan}", "-k", "3", "--noise", "1"), 65, "no noise"),
        (("segment", "{scan}", "-k", "3", "--noise", "nan"), 2, "nan"),
        (("segment", "{scan}", "-k", "3", "--threads", "0"), 2, "threads is 0"),
        (("segment", "{scan}", "-k", "40000"), 65, "distinct gray levels"),
        (("segment", "{folder}/nosuch.tif", "-k", "3"), 66, "no such file"),
        (("segment", "{folder}/text.txt", "-k", "3"), 65, "text.txt"),
        (("segment", "{folder}/empty.tif", "-k", "3"), 65, "empty.tif"),
        (("segment", "{scan}", "-k", "3", "-o", "{scan}"), 73, "input"),
        (("segment", "{scan}", "-k", "3", "-o", "{scan}", "--overwrite"), 73, "input"),
        (("segment", "{scan}", "-k", "3", "-o", "{folder}/text.tif"), 73, "exists"),
        (("segment", "{scan}", "-k", "3", "-o", "{folder}/a/b.tif"), 73, "does not exist"),
        (("segment", "{scan}", "-k", "3", "-o", "{folder}/l.xyz"), 2, ".xyz"),
        (("segment", "{scan}", "-k", "3", "-o", "{folder}/l.png"), 2, ".png"),
        (("segment", "{scan}", "-k", "3", "-o", "{folder}/l.tif", "--paint", "{folder}/l.tif"), 2, "twice"),
        (("segment", "{scan}", "-k", "3", "--figure", "{folder}/f.bmp"), 2, ".bmp"),
        (("segment", "{scan}", "-k", "3", "--mask", "{folder}/small.npy"), 65, "shape"),
        (("segment", "{scan}", "-k", "3", "--recipe", "{folder}/text.txt"), 2, "one of them"),
        (("segment", "{scan}", "--recipe", "{folder}/text.txt", "--nan", "ignore"), 2, "one of them"),
        (("segment", "{scan}", "--recipe", "{folder}/text.txt", "--gray"), 2, "one of them"),
        (("segment", "{scan}", "--recipe", "{folder}/text.txt"), 65, "text.txt"),
        (("segment", "{scan}", "--recipe", "{folder}/odd.json"), 65, "odd.json"),
        (("apply", "{folder}/deep.json", "{scan}", "-o", "{folder}/l.tif"), 65, "deep.json"),
        (("segment", "{folder}/small.npy", "-k", "2", "--mask", "{folder}/nan.npy"), 65, "not finite"),
        (
            ("fit", "{scan}", "{folder}/small.npy", "-k", "2", "-o", "{folder}/m.json"),
            65,
            "small.npy: its dtype is uint8",
        ),
        (("demo", "--shape", "5.5", "7"), 2, "5.5"),
        (("segment", "{scan}", "--recipe", "{folder}/list.json"), 65, "list.json"),
        (("apply", "{folder}/list.json", "{scan}", "-o", "{folder}/l.tif"), 65, "list.json"),
        (("apply", "{folder}/nosuch.json", "{scan}", "-o", "{folder}/l.tif"), 66, "nosuch.json"),
        (("fit", "-k", "3", "-o", "{folder}/m.json"), 2, "no input"),
        (("segment", "-k", "3"), 2, "no input"),
        (("fit", "{scan}", "-k", "3", "-o", "{folder}/m.txt"), 2, ".txt"),
        (("sweep", "{scan}", "--k-max", "0"), 2, "k is 0"),
        (("sweep", "{folder}/small.npy"), 65, "small.npy"),
        (("nosuch",), 2, "nosuch"),
        (("segment", "{scan}", "-k", "3", "--nosuch"), 2, "--nosuch"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    run: Run, scan: Path, tokens: tuple[str, ...], code: int, says: str
) -> None:
    folder = scan.parent
    (folder / "text.txt").write_text("not an image\n")
    (folder / "text.tif").write_bytes(b"mine")
    (folder / "empty.tif").write_bytes(b"")
    (folder / "list.json").write_text("[1, 2]")
    np.save(folder / "small.npy", np.arange(6, dtype=np.uint8).reshape(2, 3))
    np.save(folder / "nan.npy", np.full((2, 3), np.nan))
    (folder / "odd.json").write_text('{"k": 3, "mask": 5}')
    deep = {"centers": [[1.0], [2.0]], "thresholds": [1.5], "counts": [1, 1], "inertia": 0, "total_inertia": 0}
    (folder / "deep.json").write_text(json.dumps({**deep, "excess_bound": 0, "noise_threshold": None}))
    before = files(folder)
    outcome = run(*(token.format(scan=scan, folder=folder) for token in tokens))
    check_refused(outcome, code, says)
    assert files(folder) == before


def test_a_record_that_is_there_is_not_lost(run: Run, scan: Path) -> None:
    mine = scan.with_name("l.tif.json")
    mine.write_text("mine")
    outcome = run("segment", scan, "-k", 3, "-o", scan.with_name("l.tif"))
    assert outcome.code == 73
    assert mine.read_text() == "mine"
    assert not scan.with_name("l.tif").exists()
    assert run("segment", scan, "-k", 3, "-o", scan.with_name("l.tif"), "--overwrite").code == 0
    assert json.loads(mine.read_text())["verb"] == "segment"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (KeyboardInterrupt(), 130),
        (MemoryError("no"), 71),
        (OSError(28, "No space left"), 74),
        (ZeroDivisionError(), 70),
    ],
)
def test_a_failure_in_the_middle_leaves_old_outputs(
    run: Run, scan: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int
) -> None:
    labels, painted = scan.with_name("labels.tif"), scan.with_name("painted.tif")
    assert run("segment", scan, "-k", 3, "-o", labels, "--paint", painted).code == 0
    before = files(scan.parent)

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr("klevels.recipe.Segmentation.paint", fail)
    outcome = run("segment", scan, "-k", 2, "-o", labels, "--paint", painted, "--overwrite")
    assert outcome.code == code
    assert outcome.err.count("\n") == 1
    assert files(scan.parent) == before


def test_debug_shows_the_traceback(run: Run, scan: Path) -> None:
    assert "Traceback" in run("segment", scan, "-k", 0, "--debug").err


def test_completion_knows_the_commands() -> None:
    from klevels.cli.app import app

    for shell in ("bash", "zsh", "fish"):
        script = app.generate_completion(shell=shell)  # type: ignore[arg-type]
        for name in ("segment", "sweep", "posterize", "--swatches", "blue-noise"):
            assert name in script


def test_every_command_has_examples_in_its_help(run: Run) -> None:
    for name in ("info", "histogram", "segment", "fit", "apply", "posterize", "sweep", "demo"):
        assert f"klevels {name}" in run(name, "--help").out.split("Examples:")[1]


def test_real_scans(run: Run, shared_data: Path, tmp_path: Path) -> None:
    for source in sorted((shared_data / "microct").iterdir()):
        labels = tmp_path / f"{source.stem}.tif"
        outcome = run("segment", source, "-k", 3, "-o", labels, "--json")
        assert outcome.code == 0, outcome.err
        image, written = klevels.read(source), klevels.read(labels)
        assert written.spacing == image.spacing
        assert np.array_equal(written.data, klevels.segment(image, 3).labels.data)
        assert sum(outcome.json["counts"]) == image.data.size


def test_malformed_files_leave_no_output(run: Run, shared_data: Path, tmp_path: Path) -> None:
    for source in sorted((shared_data / "malformed").rglob("*")):
        if not source.is_file():
            continue
        labels = tmp_path / "labels.npy"
        outcome = run("segment", source, "-k", 1, "--gray", "-o", labels)
        assert outcome.code in (0, 65), (source, outcome.err)
        if outcome.code:
            assert outcome.err.count("\n") == 1
            assert str(source) in outcome.err
            assert not labels.exists()
        for left in tmp_path.iterdir():
            left.unlink()
