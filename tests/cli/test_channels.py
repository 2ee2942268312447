"""Segment, fit and apply on images with channels, and on several files that are the channels of one scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

import klevels
from commands import Run, check_refused, files
from klevels.core.grid import peaks_of

SPACING = (0.02, 0.01, 0.01)


def scan(seed: int, shape: tuple[int, ...] = (6, 20, 24), n_channels: int = 2, dtype: Any = np.uint16) -> NDArray[Any]:
    """Blobs of four materials, each with a value of its own in every channel, and noise."""
    rng = np.random.default_rng(seed)
    material = rng.integers(0, 4, tuple(-(-n // 4) for n in shape))
    for axis in range(len(shape)):
        material = material.repeat(4, axis=axis)
    material = material[tuple(slice(n) for n in shape)]
    values = np.random.default_rng(99).uniform(0.1, 0.9, (4, n_channels))[material]
    values += rng.normal(0, 0.02, values.shape)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    peak = np.iinfo(dtype).max
    return np.clip(np.rint(values * peak), 0, peak).astype(dtype)


def save_channels(folder: Path, data: NDArray[Any], names: tuple[str, ...] = ("low", "high")) -> list[Path]:
    paths = [folder / f"{name}.tif" for name in names]
    for i, path in enumerate(paths):
        spacing = SPACING[-data.ndim + 1 :]
        klevels.write(path, klevels.Image(data[..., i], "zyx"[-data.ndim + 1 :], spacing, "mm"))
    return paths


def nearest(data: NDArray[Any], centers: Any, scale: Any = 1.0) -> NDArray[np.intp]:
    """The label of the nearest center, by brute force."""
    points, at = data.astype(np.float64) / scale, np.asarray(centers) / scale
    return np.asarray(((points[..., None, :] - at) ** 2).sum(axis=-1).argmin(axis=-1))


@pytest.mark.parametrize("normalize", [False, True])
def test_several_files_are_the_channels_of_one_scan(run: Run, tmp_path: Path, normalize: bool) -> None:
    data = scan(0)
    data[..., 1] //= 8
    paths, labels = save_channels(tmp_path, data), tmp_path / "labels.tif"
    flags = ("--normalize",) if normalize else ()
    outcome = run("segment", *paths, "-k", 4, *flags, "-o", labels, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    expected = klevels.segment(klevels.Image(data, "zyxc", SPACING, "mm"), 4, normalize=normalize)
    assert outcome.json == json.loads(json.dumps(expected.summary()))
    written = klevels.read(labels)
    assert (written.axes, written.spacing, written.unit) == ("zyx", SPACING, "mm")
    assert np.array_equal(written.data, expected.labels.data)
    scale = data.std(axis=(0, 1, 2)) if normalize else 1.0
    assert np.array_equal(written.data, nearest(data, outcome.json["centers"], scale))
    assert outcome.json["counts"] == np.bincount(written.data.ravel()).tolist()
    assert (outcome.json["scale"] is None) != normalize
    record = json.loads((tmp_path / "labels.tif.json").read_text())
    assert [one["path"] for one in record["inputs"]] == [str(path) for path in paths]
    for verb in (("segment", *paths, "--recipe", f"{labels}.json"), ("apply", f"{labels}.json", *paths)):
        assert run(*verb, "-o", tmp_path / "again.tif", "--overwrite").code == 0
        assert (tmp_path / "again.tif").read_bytes() == labels.read_bytes()


@pytest.mark.parametrize("suffix", [".tif", ".npz"])
@pytest.mark.parametrize(("axes", "shape"), [("yxc", (20, 24)), ("zyxc", (6, 20, 24))])
@pytest.mark.parametrize("n_channels", [2, 3, 5])
def test_an_image_with_channels(
    run: Run, tmp_path: Path, suffix: str, axes: str, shape: tuple[int, ...], n_channels: int
) -> None:
    data = scan(1, shape, n_channels)
    klevels.write(tmp_path / f"scan{suffix}", klevels.Image(data, axes))
    labels, painted = tmp_path / "labels.npy", tmp_path / f"painted{suffix}"
    source = tmp_path / f"scan{suffix}"
    outcome = run("segment", source, "-k", 4, "--seed", 3, "-o", labels, "--paint", painted, "--json")
    assert outcome.code == 0, outcome.err
    found = np.load(labels)
    assert np.array_equal(found, nearest(data, outcome.json["centers"]))
    assert np.array_equal(klevels.read(painted).data, np.rint(outcome.json["centers"]).astype(np.uint16)[found])
    means = [data[found == label].mean(axis=0) for label in range(4)]
    assert np.allclose(outcome.json["centers"], means, rtol=1e-9)
    brightness = np.mean(outcome.json["centers"], axis=1)
    assert n_channels == 3 or (np.diff(brightness) > 0).all()
    assert run("segment", source, "--recipe", f"{labels}.json", "-o", tmp_path / "again.npy").code == 0
    assert (tmp_path / "again.npy").read_bytes() == labels.read_bytes()


def test_a_photograph_is_clustered_by_color(run: Run, tmp_path: Path) -> None:
    data = scan(2, (40, 48), 3, np.uint8)
    Pillow.fromarray(data).save(tmp_path / "photo.png")
    outcome = run(
        "segment", tmp_path / "photo.png", "-k", 4, "-o", tmp_path / "l.png", "--paint", tmp_path / "p.png", "--json"
    )
    assert outcome.code == 0, outcome.err
    labels = klevels.read(tmp_path / "l.png").data
    assert np.array_equal(labels, nearest(data, outcome.json["centers"]))
    assert np.array_equal(klevels.read(tmp_path / "p.png").data, np.rint(outcome.json["centers"])[labels])


def test_an_unknown_voxel_size_takes_that_of_the_others(run: Run, tmp_path: Path) -> None:
    data = scan(3)
    low, high = save_channels(tmp_path, data)
    for channel, path in ((0, low), (1, high)):
        known = path.read_bytes()
        path.unlink()
        klevels.write(path, klevels.Image(data[..., channel], "zyx"))
        assert run("segment", low, high, "-k", 3, "-o", tmp_path / "l.tif", "--overwrite").code == 0
        assert klevels.read(tmp_path / "l.tif").spacing == SPACING
        path.write_bytes(known)


def test_transparent_voxels_of_one_channel_are_left_out(run: Run, tmp_path: Path) -> None:
    data = scan(4, (20, 24), 2, np.uint8)
    alpha = np.full((20, 24), 255, np.uint8)
    alpha[:5] = 0
    Pillow.fromarray(np.dstack([data[..., 0], alpha])).save(tmp_path / "a.png")
    Pillow.fromarray(data[..., 1]).save(tmp_path / "b.png")
    check_refused(run("segment", tmp_path / "a.png", tmp_path / "b.png", "-k", 3), 65, "a.png: has 2 channels")
    labels = tmp_path / "l.npy"
    outcome = run("segment", tmp_path / "b.png", tmp_path / "a.png", "-k", 3, "--gray", "-o", labels, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["n_ignored"] == 5 * 24
    assert ((np.load(labels) == 255) == (alpha == 0)).all()
    expected = klevels.segment(klevels.Image(data[5:, :, ::-1], "yxc"), 3)
    assert outcome.json["centers"] == expected.model.colors.tolist()  # type: ignore[union-attr]


def test_a_mask_has_no_channels(run: Run, tmp_path: Path) -> None:
    data = scan(5)
    paths = save_channels(tmp_path, data)
    inside = np.zeros(data.shape[:-1], np.uint8)
    inside[1:4, 3:15] = 1
    np.save(tmp_path / "mask.npy", inside)
    labels = tmp_path / "l.npy"
    outcome = run("segment", *paths, "-k", 3, "--mask", tmp_path / "mask.npy", "-o", labels, "--json")
    assert outcome.json["n_ignored"] == (inside == 0).sum()
    assert ((np.load(labels) == 255) == (inside == 0)).all()
    assert run("segment", *paths, "--recipe", f"{labels}.json", "-o", tmp_path / "again.npy").code == 0
    assert (tmp_path / "again.npy").read_bytes() == labels.read_bytes()


def test_nan_in_any_channel_is_refused_or_left_out(run: Run, tmp_path: Path) -> None:
    data = scan(6, dtype=np.float32)
    data[2, 3, 4, 1] = np.nan
    paths, labels = save_channels(tmp_path, data), tmp_path / "l.npy"
    check_refused(run("segment", *paths, "-k", 3, "-o", labels), 65, "low.tif and 1 more: the image has NaN")
    outcome = run("segment", *paths, "-k", 3, "--nan", "ignore", "-o", labels, "--json")
    assert outcome.json["n_ignored"] == 1
    assert np.argwhere(np.load(labels) == 255).tolist() == [[2, 3, 4]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_fit_pools_scans_with_channels_and_apply_uses_the_model(run: Run, tmp_path: Path, dtype: Any) -> None:
    one, two = scan(7, dtype=dtype), scan(8, dtype=dtype)
    if np.dtype(dtype).kind == "f":
        two *= np.float32(37.5)  # the grid of floats depends on the greatest magnitude of both
    for name, data in (("one", one), ("two", two)):
        klevels.write(tmp_path / f"{name}.tif", klevels.Image(data, "zyxc", SPACING, "mm"))
    paths, model = [tmp_path / "one.tif", tmp_path / "two.tif"], tmp_path / "model.json"
    fitted = run("fit", *paths, "-k", 5, "--normalize", "-o", model, "--json")
    assert fitted.code == 0, fitted.err
    both = np.concatenate([one, two])
    expected = klevels.fit_palette(klevels.count_colors(both, peak=peaks_of(both)), 5, normalize=True)
    assert fitted.json["centers"] == expected.centers.tolist()
    assert fitted.json["counts"] == expected.counts.tolist()
    assert fitted.json["n_voxels"] == 2 * one[..., 0].size
    run("fit", *reversed(paths), "-k", 5, "--normalize", "-o", model, "--overwrite")
    assert klevels.Palette.load(model).centers.tolist() == expected.centers.tolist()
    applied = run("apply", model, paths[1], "-o", tmp_path / "l.npy", "--json")
    assert applied.code == 0, applied.err
    labels = np.load(tmp_path / "l.npy")
    assert np.array_equal(labels, expected.classify(two))
    assert applied.json["counts"] == np.bincount(labels.ravel(), minlength=5).tolist()
    assert applied.json["centers"] == expected.colors.tolist()


def test_a_palette_labels_a_photograph(run: Run, tmp_path: Path) -> None:
    data = scan(9, (30, 40), 3, np.uint8)
    Pillow.fromarray(data).save(tmp_path / "photo.png")
    palette = klevels.Palette.of([[10, 20, 30], [200, 100, 50], [60, 200, 220]])
    palette.save(tmp_path / "palette.json")
    run("posterize", tmp_path / "photo.png", "--palette", tmp_path / "palette.json", "-o", tmp_path / "poster.png")
    for model in ("palette.json", "poster.png.json"):
        labels = tmp_path / "l.npy"
        outcome = run("apply", tmp_path / model, tmp_path / "photo.png", "-o", labels, "--overwrite")
        assert outcome.code == 0, outcome.err
        assert np.array_equal(np.load(labels), nearest(data, palette.colors))


def test_figure_is_drawn(run: Run, tmp_path: Path) -> None:
    paths, figure = save_channels(tmp_path, scan(10)), tmp_path / "figure.png"
    assert run("segment", *paths, "-k", 3, "--figure", figure).code == 0
    assert figure.stat().st_size > 10_000
    assert (tmp_path / "figure.png.json").exists()


def test_the_table_names_the_channels(run: Run, tmp_path: Path) -> None:
    paths = save_channels(tmp_path, scan(11))
    outcome = run("segment", *paths, "-k", 3)
    head, *rows = outcome.out.splitlines()
    assert head.split() == ["label", "low", "high", "voxels", "fraction", "mm³"]
    assert [row.split()[0] for row in rows[:3]] == ["0", "1", "2"]
    assert "explained variance" in rows[3]
    klevels.write(tmp_path / "both.tif", klevels.Image(scan(11), "zyxc"))
    outcome = run("fit", tmp_path / "both.tif", "-k", 3, "-o", tmp_path / "m.json")
    assert "channel 1" in outcome.out.splitlines()[0]


def test_a_model_of_another_scale_is_pointed_out(run: Run, tmp_path: Path) -> None:
    dark, bright = (klevels.Image(scan(12) // 50 + offset, "zyxc") for offset in (0, 60000))
    klevels.write(tmp_path / "dark.tif", dark)
    klevels.write(tmp_path / "bright.tif", bright)
    run("fit", tmp_path / "dark.tif", "-k", 3, "-o", tmp_path / "m.json")
    outcome = run("apply", tmp_path / "m.json", tmp_path / "bright.tif", "-o", tmp_path / "l.tif")
    assert outcome.code == 0
    assert "on the model's scale" in outcome.err


@pytest.mark.parametrize(
    ("tokens", "code", "says"),
    [
        (("segment", "{f}/a.tif", "{f}/deep.tif", "-k", "3"), 65, "deep.tif: its dtype is uint16, but that of"),
        (("segment", "{f}/a.tif", "{f}/small.tif", "-k", "3"), 65, "small.tif: its shape is (4, 5), but that of"),
        (("segment", "{f}/a.tif", "{f}/coarse.tif", "-k", "3"), 65, "coarse.tif: its voxel size is 0.02 × 0.02 mm"),
        (("segment", "{f}/a.tif", "{f}/other.tif", "-k", "3"), 65, "other.tif: its voxel size is 0.01 × 0.01 µm"),
        (("segment", "{f}/a.tif", "{f}/color.png", "-k", "3"), 65, "color.png: has 3 channels"),
        (("segment", "{f}/a.tif", "{f}/nosuch.tif", "-k", "3"), 66, "nosuch.tif"),
        (("segment", *["{f}/a.tif"] * 17, "-k", "3"), 2, "17 files"),
        (("segment", "{f}/a.tif", "{f}/b.tif", "-k", "3", "--noise", "valley"), 2, "2 files are given as channels"),
        (("segment", "{f}/color.png", "-k", "3", "--noise", "valley"), 2, "--gray"),
        (("segment", "{f}/a.tif", "-k", "3", "--normalize"), 2, "for several channels"),
        (("segment", "{f}/a.tif", "{f}/b.tif", "-k", "4000"), 65, "a.tif and 1 more: k is 4000"),
        (("segment", "{f}/a.tif", "{f}/b.tif", "-k", "3", "-o", "{f}/b.tif", "--overwrite"), 73, "is the input"),
        (("segment", "{f}/a.tif", "{f}/b.tif", "-k", "3", "--paint", "{f}/p.png"), 2, "for transparency"),
        (("segment", "{f}/a.tif", "{f}/b.tif", "-k", "3", "--paint", "{f}/p.npy"), 2, ".npz"),
        (("segment", "{f}/color.png", "-k", "3", "--mask", "{f}/small.tif"), 65, "the mask has shape (4, 5)"),
        (("segment", "{f}/color.png", "-k", "3", "--quality", "superb"), 2, "superb"),
        (("segment", "{f}/color.png", "--recipe", "{f}/gray.json", "--normalize"), 2, "one of them"),
        (("segment", "{f}/clear.png", "-k", "3"), 65, "clear.png: every pixel is transparent"),
        (("apply", "{f}/gray.json", "{f}/color.png", "-o", "{f}/l.tif"), 2, "--gray"),
        (("apply", "{f}/gray.json", "{f}/a.tif", "{f}/b.tif", "-o", "{f}/l.tif"), 2, "2 files are given as channels"),
        (("apply", "{f}/color.json", "{f}/a.tif", "-o", "{f}/l.tif"), 2, "the model is a palette"),
        (("apply", "{f}/color.json", "{f}/a.tif", "{f}/b.tif", "-o", "{f}/l.tif"), 65, "has 2 channels, the palette 3"),
        (("apply", "{f}/color.json", "{f}/deep.png", "-o", "{f}/l.tif"), 65, "deep.png: the image is uint16"),
        (("apply", "{f}/color.json", "-o", "{f}/l.tif"), 2, "no input"),
        (("apply", "{f}/list.json", "{f}/a.tif", "-o", "{f}/l.tif"), 65, "list.json"),
        (("apply", "{f}/odd.json", "{f}/color.png", "-o", "{f}/l.tif"), 65, "odd.json"),
        (
            ("fit", "{f}/a.tif", "{f}/color.png", "-k", "3", "-o", "{f}/m.json"),
            65,
            "color.png: its number of channels is",
        ),
        (("fit", "{f}/color.png", "{f}/deep.png", "-k", "3", "-o", "{f}/m.json"), 65, "deep.png: its dtype is uint16"),
        (("fit", "{f}/a.tif", "{f}/half.png", "-k", "3", "-o", "{f}/m.json"), 65, "--gray"),
        (("fit", "{f}/color.png", "-k", "3", "--noise", "valley", "-o", "{f}/m.json"), 2, "--gray"),
        (("fit", "{f}/a.tif", "-k", "3", "--normalize", "-o", "{f}/m.json"), 2, "--normalize"),
        (("fit", "{f}/color.png", "-k", "9000", "-o", "{f}/m.json"), 65, "color.png: k is 9000"),
        (("histogram", "{f}/color.png"), 65, "--gray"),
        (("sweep", "{f}/color.png"), 65, "--gray"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    run: Run, tmp_path: Path, tokens: tuple[str, ...], code: int, says: str
) -> None:
    color = scan(13, (20, 24), 3, np.uint8)
    gray = color[..., 0]
    for name, data, spacing, unit in (
        ("a", gray, (0.01, 0.01), "mm"),
        ("b", gray, None, None),
        ("coarse", gray, (0.02, 0.02), "mm"),
        ("other", gray, (0.01, 0.01), "µm"),
        ("deep", gray.astype(np.uint16), None, None),
        ("small", gray[:4, :5], None, None),
    ):
        klevels.write(tmp_path / f"{name}.tif", klevels.Image(data, "yx", spacing, unit))
    klevels.write(tmp_path / "color.png", klevels.Image(color, "yxc"))
    klevels.write(tmp_path / "deep.png", klevels.Image(color.astype(np.uint16) * 257, "yxc"))
    Pillow.fromarray(np.dstack([color, np.zeros_like(gray)])).save(tmp_path / "clear.png")
    Pillow.fromarray(np.dstack([gray, gray])).save(tmp_path / "half.png")
    assert run("fit", tmp_path / "a.tif", "-k", 3, "-o", tmp_path / "gray.json").code == 0
    assert run("fit", tmp_path / "color.png", "-k", 3, "-o", tmp_path / "color.json").code == 0
    (tmp_path / "list.json").write_text('{"model": [1, 2]}')
    (tmp_path / "odd.json").write_text('{"model": {"space": "rgb", "white": 255, "centers": 7}}')
    before = files(tmp_path)
    outcome = run(*(token.format(f=tmp_path) for token in tokens))
    check_refused(outcome, code, says)
    assert files(tmp_path) == before


def test_two_modalities_of_a_real_specimen(run: Run, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "microct"
    paths = [folder / "concrete_x-ray-bin16.tif", folder / "concrete_neutron-bin16.tif"]
    labels = tmp_path / "labels.tif"
    outcome = run("segment", *paths, "-k", 4, "--normalize", "-o", labels, "--json")
    assert outcome.code == 0, outcome.err
    data = np.stack([klevels.read(path).data for path in paths], axis=-1)
    found = klevels.read(labels).data
    assert np.array_equal(found, nearest(data, outcome.json["centers"], np.array(outcome.json["scale"])))
    assert outcome.json["counts"] == np.bincount(found.ravel()).tolist()
    alone = klevels.segment(klevels.read(paths[0]), 4)
    together = outcome.json["explained_variance"]
    assert 0.85 < together < alone.model.explained_variance  # two channels leave more to explain


def test_a_real_photograph_is_gray_as_before_or_in_color(run: Run, shared_data: Path, tmp_path: Path) -> None:
    photo = shared_data / "photos" / "flower.jpg"
    colors, grays = tmp_path / "c.png", tmp_path / "g.png"
    assert run("segment", photo, "-k", 5, "-o", colors, "--figure", tmp_path / "f.png").code == 0
    assert run("segment", photo, "-k", 5, "--gray", "-o", grays).code == 0
    assert np.array_equal(klevels.read(grays).data, klevels.segment(klevels.read(photo, gray=True), 5).labels.data)
    image = klevels.read(photo)
    assert np.array_equal(klevels.read(colors).data, klevels.segment(image, 5).labels.data)
    record = json.loads((tmp_path / "c.png.json").read_text())
    assert np.array_equal(klevels.read(colors).data, nearest(image.data, record["model"]["centers"]))
