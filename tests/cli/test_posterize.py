"""Posterize: from photographs to posters, palettes and swatches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps

import klevels
from commands import Run, check_refused, files
from klevels.sources import color_channels

COMMAND = [sys.executable, "-c", "from klevels.cli import main; main()"]


def photograph(seed: int = 0, shape: tuple[int, int] = (48, 64), dtype: Any = np.uint8) -> NDArray[Any]:
    """Smooth colors with noise, of thousands of distinct values."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    phases = rng.uniform(0, 6, 3)
    waves = np.stack([np.sin(4 * x + 3 * y * (i + 1) + phase) for i, phase in enumerate(phases)], axis=-1)
    values = 0.5 + 0.4 * waves + rng.normal(0, 0.03, waves.shape)
    peak = np.iinfo(dtype).max
    return np.clip(np.rint(values * peak), 0, peak).astype(dtype)


def save(path: Path, data: NDArray[Any], **meta: Any) -> Path:
    klevels.write(path, klevels.Image(data, "yx" if data.ndim == 2 else "yxc", meta=meta))
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "photo.png", photograph())


def test_a_poster_is_an_indexed_png_of_k_colors_with_a_record(run: Run, photo: Path) -> None:
    poster = photo.with_name("poster.png")
    outcome = run("posterize", photo, "-k", 8, "-o", poster, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    expected = klevels.posterize(klevels.read(photo), 8)
    assert outcome.json == json.loads(json.dumps(expected.summary()))
    with Pillow.open(poster) as opened:
        assert opened.mode == "P"
        painted = np.asarray(opened.convert("RGB"))
    assert np.array_equal(painted, expected.image.data)
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 8
    error = ((painted.astype(float) - photograph()) ** 2).sum(axis=2).mean()
    assert outcome.json["mse"] == pytest.approx(error, rel=1e-12)
    assert outcome.json["psnr"] == pytest.approx(10 * np.log10(255**2 / (error / 3)), rel=1e-12)
    assert outcome.json["n_colors"] == len(np.unique(photograph().reshape(-1, 3), axis=0))
    record = json.loads(poster.with_name("poster.png.json").read_text())
    assert record["verb"] == "posterize"
    assert record["inputs"][0]["bytes"] == photo.stat().st_size
    assert record["recipe"]["palette"] is None


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npz"])
@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("--space", "oklab", "--seed", 7),
        ("--quality", "fast", "--dither", "floyd-steinberg"),
        ("--dither", "blue-noise", "--threads", 1),
        ("--palette", "{folder}/given.gpl", "--space", "lab"),
    ],
)
def test_the_record_does_it_again_to_the_bit(run: Run, photo: Path, suffix: str, settings: tuple[Any, ...]) -> None:
    folder = photo.parent
    klevels.Palette.of([[20, 30, 40], [200, 180, 30], [90, 160, 200]]).save(folder / "given.gpl")
    given = [str(one).format(folder=folder) for one in settings]
    k = () if "--palette" in given else ("-k", 5)
    first, again = folder / f"first{suffix}", folder / f"again{suffix}"
    one = run("posterize", photo, *k, *given, "-o", first, "--json")
    two = run("posterize", photo, "--recipe", f"{first}.json", "-o", again, "--json")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    assert one.json == two.json
    assert first.read_bytes() == again.read_bytes()
    records = [json.loads((folder / f"{name}{suffix}.json").read_text()) for name in ("first", "again")]
    assert all(records[0][key] == records[1][key] for key in ("verb", "recipe", "model", "inputs"))
    assert np.array_equal(klevels.read(first).data, klevels.read(again).data)


def test_sixteen_bits_stay_sixteen(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "deep.png", photograph(dtype=np.uint16))
    assert run("posterize", tmp_path / "deep.png", "-k", 6, "-o", tmp_path / "poster.png").code == 0
    assert (tmp_path / "poster.png").read_bytes()[24] == 16  # the bit depth, in the header
    poster = klevels.read(tmp_path / "poster.png")
    assert poster.dtype == np.uint16
    assert np.array_equal(poster.data, klevels.posterize(klevels.read(tmp_path / "deep.png"), 6).image.data)
    assert len(np.unique(poster.data.reshape(-1, 3), axis=0)) == 6


def test_gray_is_posterized_exactly(run: Run, tmp_path: Path) -> None:
    gray = photograph()[..., 0]
    save(tmp_path / "gray.png", gray)
    outcome = run("posterize", tmp_path / "gray.png", "-k", 5, "-o", tmp_path / "poster.png", "--json")
    levels = klevels.fit_levels(klevels.histogram(gray), 5)
    assert outcome.json["centers"] == levels.centers[:, None].tolist()
    assert outcome.json["inertia"] == pytest.approx(levels.inertia, rel=1e-12)
    expected = np.rint(levels.centers).astype(np.uint8)[levels.classify(gray)]
    assert np.array_equal(klevels.read(tmp_path / "poster.png").data, expected)


def test_a_jpeg_is_turned_upright(run: Run, tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[274] = 6  # the camera was held upright
    Pillow.fromarray(photograph()).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert run("posterize", tmp_path / "turned.jpg", "-k", 4, "-o", tmp_path / "poster.png").code == 0
    with Pillow.open(tmp_path / "turned.jpg") as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    expected = klevels.posterize(klevels.Image(upright, "yxc"), 4)
    with Pillow.open(tmp_path / "poster.png") as opened:
        assert opened.size == (48, 64)
        assert np.array_equal(np.asarray(opened.convert("RGB")), expected.image.data)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_color_profile_and_transparency_are_kept(run: Run, tmp_path: Path, suffix: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    alpha = np.random.default_rng(1).integers(0, 3, (48, 64, 1)).astype(np.uint8) * 127
    rgba = np.concatenate([photograph(), alpha], axis=2)
    Pillow.fromarray(rgba).save(tmp_path / "clear.png", icc_profile=profile)
    outcome = run("posterize", tmp_path / "clear.png", "-k", 5, "-o", tmp_path / f"poster{suffix}", "--json")
    assert outcome.code == 0, outcome.err
    visible = alpha[..., 0] > 0
    assert sum(outcome.json["counts"]) == visible.sum()
    assert outcome.json["n_ignored"] == (~visible).sum()
    seen = klevels.posterize(photograph(), 5, mask=visible)
    assert outcome.json["hex"] == list(seen.palette.hex)
    with Pillow.open(tmp_path / f"poster{suffix}") as opened:
        assert opened.info["icc_profile"] == profile
        assert opened.mode == ("P" if suffix == ".png" else "RGBA")
        painted = np.asarray(opened.convert("RGBA"))
    assert np.array_equal(painted[..., 3:], alpha)
    assert np.array_equal(painted[visible][:, :3], seen.image.data[visible])


def test_real_photographs(run: Run, shared_data: Path, tmp_path: Path) -> None:
    for source in sorted((shared_data / "photos").iterdir()):
        if source.suffix == ".dat":
            continue
        poster = tmp_path / f"{source.stem}.png"
        outcome = run("posterize", source, "-k", 8, "--quality", "fast", "-o", poster, "--json")
        assert outcome.code == 0, outcome.err
        with Pillow.open(source) as opened, Pillow.open(poster) as painted:
            assert painted.mode == ("L" if opened.mode == "L" else "P")
            assert painted.size == opened.size
            assert painted.info.get("icc_profile") == opened.info.get("icc_profile")
            difference = np.asarray(opened.convert("RGB"), float) - np.asarray(painted.convert("RGB"), float)
            assert len(painted.convert("RGB").getcolors() or ()) == 8
            bands = 3 if opened.mode == "L" else 1
        assert outcome.json["mse"] == pytest.approx((difference**2).sum(axis=2).mean() / bands, rel=1e-9)
        assert poster.stat().st_size < source.stat().st_size


def test_several_share_the_palette_of_all_of_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    parts = {name: photograph(seed, (24, 32)) for seed, name in enumerate(("a.png", "b.jpg", "c.png"))}
    sources = [tmp_path / "in" / name for name in parts]
    for source, data in zip(sources, parts.values(), strict=True):
        Pillow.fromarray(data).save(source)
    stored = [klevels.read(source).data for source in sources]
    out = tmp_path / "out"
    outcome = run("posterize", *sources, "-k", 6, "--space", "oklab", "-o", out, "--json")
    assert outcome.code == 0, outcome.err
    joined = klevels.posterize(np.concatenate(stored), 6, space="oklab")
    assert outcome.json["palette"]["hex"] == list(joined.palette.hex)
    assert outcome.json["palette"]["counts"] == joined.palette.counts.tolist()
    assert outcome.json["palette"]["n_colors"] == joined.n_colors
    painted = [klevels.read(out / f"{source.stem}.png").data for source in sources]
    assert np.array_equal(np.concatenate(painted), joined.image.data)
    assert [one["input"] for one in outcome.json["posters"]] == [str(source) for source in sources]
    for source, summary in zip(sources, outcome.json["posters"], strict=True):
        assert Path(summary["path"]) == out / f"{source.stem}.png"
        alone = klevels.posterize(klevels.read(source), palette=joined.palette).summary()
        assert {key: value for key, value in summary.items() if key not in ("input", "path")} == alone

    for source in sources:  # each can be done again without the others
        poster, again = out / f"{source.stem}.png", tmp_path / f"{source.stem}-again.png"
        record = json.loads(Path(f"{poster}.json").read_text())
        assert record["recipe"]["palette"]["hex"] == list(joined.palette.hex)
        assert [one["path"] for one in record["inputs"]] == [str(source)]
        assert run("posterize", source, "--recipe", f"{poster}.json", "-o", again).code == 0
        assert again.read_bytes() == poster.read_bytes()


def test_several_leave_palette_and_swatches_with_a_record_of_all(run: Run, tmp_path: Path) -> None:
    sources = [save(tmp_path / f"{name}.png", photograph(seed, (24, 32))) for seed, name in enumerate("ab")]
    out, palette, swatches = tmp_path / "out", tmp_path / "out" / "p.json", tmp_path / "s.png"
    outcome = run("posterize", *sources, "-k", 4, "-o", out, "--save-palette", palette, "--swatches", swatches)
    assert outcome.code == 0, outcome.err
    saved = klevels.Palette.load(palette)
    assert saved.counts.sum() == 2 * 24 * 32
    assert all(color in outcome.out for color in saved.hex)
    assert swatches.stat().st_size > 1000
    record = json.loads(Path(f"{palette}.json").read_text())
    assert len(record["inputs"]) == 2
    assert run("posterize", *sources, "--recipe", f"{palette}.json", "-o", tmp_path / "again").code == 0
    assert (tmp_path / "again" / "b.png").read_bytes() == (out / "b.png").read_bytes()


def test_floats_of_different_range_share_a_palette(run: Run, tmp_path: Path) -> None:
    parts = [photograph(seed, (16, 20)).astype(np.float32) / np.float32(peak) for seed, peak in ((0, 255), (1, 3000))]
    sources = []
    for name, part in zip("ab", parts, strict=True):
        sources.append(tmp_path / f"{name}.npz")
        klevels.write(sources[-1], klevels.Image(part, "yxc"))
    outcome = run("posterize", *sources, "-k", 5, "--json")
    assert outcome.code == 0, outcome.err
    joined = klevels.posterize(klevels.Image(np.concatenate(parts), "yxc"), 5)
    assert outcome.json["palette"]["centers"] == joined.palette.colors.tolist()
    assert files(tmp_path).keys() == {"a.npz", "b.npz"}


@pytest.mark.parametrize("suffix", [".json", ".gpl", ".hex", ".txt"])
def test_a_palette_that_was_saved_can_be_given(run: Run, photo: Path, suffix: str) -> None:
    palette, poster = photo.with_name(f"palette{suffix}"), photo.with_name("poster.png")
    first = run("posterize", photo, "-k", 6, "--save-palette", palette, "--json")
    other = save(photo.with_name("other.png"), photograph(5))
    given = run("posterize", other, "--palette", palette, "-k", 6, "-o", poster, "--json")
    assert given.code == 0, given.err
    assert given.json["hex"] == first.json["hex"]
    colors = {tuple(bytes.fromhex(code[1:])) for code in first.json["hex"]}
    painted = klevels.read(poster).data.reshape(-1, 3)
    assert set(map(tuple, painted.tolist())) <= colors
    nearest = (
        ((photograph(5).reshape(-1, 1, 3).astype(float) - np.array(given.json["centers"])) ** 2).sum(axis=2).min(axis=1)
    )
    assert given.json["inertia"] == pytest.approx(nearest.sum(), rel=1e-9)


def test_a_record_is_a_palette_too(run: Run, photo: Path) -> None:
    one = run("posterize", photo, "-k", 6, "--space", "lab", "-o", photo.with_name("one.png"), "--json")
    two = run(
        "posterize", photo, "--palette", photo.with_name("one.png.json"), "-o", photo.with_name("two.png"), "--json"
    )
    assert two.json["inertia"] == pytest.approx(one.json["inertia"], rel=1e-12)  # summed in another order
    assert {**two.json, "inertia": 0} == {**one.json, "inertia": 0}
    assert photo.with_name("one.png").read_bytes() == photo.with_name("two.png").read_bytes()


def test_a_list_of_colors_is_compared_in_the_space_asked_for(run: Run, photo: Path) -> None:
    colors = [[0, 0, 0], [255, 0, 0], [0, 120, 60], [255, 255, 255], [90, 90, 250]]
    (photo.parent / "five.hex").write_text("".join(bytes(color).hex() + "\n" for color in colors))
    found = {}
    for space in ("rgb", "oklab"):
        outcome = run("posterize", photo, "--palette", photo.with_name("five.hex"), "--space", space, "--json")
        expected = klevels.posterize(photograph(), palette=klevels.Palette.of(colors, space=space))  # type: ignore[arg-type]
        assert outcome.json["counts"] == expected.palette.counts.tolist()
        found[space] = outcome.json["counts"]
    assert found["rgb"] != found["oklab"]


def test_a_gray_and_a_deep_photograph_take_a_palette_of_color(run: Run, tmp_path: Path) -> None:
    klevels.Palette.of([[0, 0, 64], [120, 100, 90], [255, 250, 240]]).save(tmp_path / "toned.gpl")
    save(tmp_path / "gray.png", photograph()[..., 0])
    save(tmp_path / "deep.png", photograph(dtype=np.uint16))
    for name, unit in (("gray", 1), ("deep", 257)):
        poster = tmp_path / f"{name}-poster.png"
        assert run("posterize", tmp_path / f"{name}.png", "--palette", tmp_path / "toned.gpl", "-o", poster).code == 0
        colors = set(map(tuple, klevels.read(poster).data.reshape(-1, 3).tolist()))
        assert colors == {(0, 0, 64 * unit), (120 * unit, 100 * unit, 90 * unit), (255 * unit, 250 * unit, 240 * unit)}


def test_a_frame_of_an_animation(run: Run, tmp_path: Path) -> None:
    frames = [Pillow.fromarray(photograph(seed)).quantize(60) for seed in range(3)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=100, loop=0)
    refused = run("posterize", tmp_path / "moving.gif", "-k", 4, "-o", tmp_path / "poster.png")
    check_refused(refused, 65, "--frame")
    check_refused(run("posterize", tmp_path / "moving.gif", "-k", 4, "--frame", 3), 2, "0 to 2")
    outcome = run("posterize", tmp_path / "moving.gif", "-k", 4, "--frame", 2, "-o", tmp_path / "poster.png", "--json")
    assert outcome.code == 0, outcome.err
    with Pillow.open(tmp_path / "moving.gif") as opened:
        opened.seek(2)
        shown = np.asarray(opened.convert("RGB"))
    assert outcome.json["hex"] == list(klevels.posterize(shown, 4).palette.hex)
    record = tmp_path / "poster.png.json"
    assert run("posterize", tmp_path / "moving.gif", "--recipe", record, "-o", tmp_path / "again.png").code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "poster.png").read_bytes()


def test_one_color_is_the_mean_and_a_single_color_is_itself(run: Run, photo: Path) -> None:
    outcome = run("posterize", photo, "-k", 1, "-o", photo.with_name("mean.png"), "--json")
    assert outcome.json["centers"][0] == pytest.approx(photograph().reshape(-1, 3).mean(axis=0).tolist(), rel=1e-12)
    flat = save(photo.with_name("flat.png"), np.full((5, 7, 3), (9, 80, 200), np.uint8))
    outcome = run("posterize", flat, "-k", 1, "-o", photo.with_name("same.png"), "--json")
    assert (outcome.json["mse"], outcome.json["psnr"], outcome.json["hex"]) == (0.0, None, ["#0950c8"])
    assert np.array_equal(klevels.read(photo.with_name("same.png")).data, klevels.read(flat).data)
    assert "the same as the image" in run("posterize", flat, "-k", 1).out


def test_a_poster_of_a_poster_is_the_poster(run: Run, photo: Path) -> None:
    one, two = photo.with_name("one.png"), photo.with_name("two.png")
    run("posterize", photo, "-k", 7, "-o", one)
    outcome = run("posterize", one, "-k", 7, "-o", two, "--json")
    assert outcome.json["mse"] == 0
    assert one.read_bytes() == two.read_bytes()


def test_figures_are_drawn(run: Run, photo: Path) -> None:
    figure, swatches = photo.with_name("figure.png"), photo.with_name("swatches.svg")
    outcome = run("posterize", photo, "-k", 4, "--figure", figure, "--swatches", swatches)
    assert outcome.code == 0, outcome.err
    assert figure.stat().st_size > 10_000
    assert swatches.read_text().startswith("<?xml")
    assert figure.with_name("figure.png.json").read_bytes() == swatches.with_name("swatches.svg.json").read_bytes()


def test_the_table_for_people(run: Run, photo: Path) -> None:
    outcome = run("posterize", photo, "-k", 40)
    palette = klevels.posterize(photograph(), 40).palette
    listed = [line for line in outcome.out.splitlines() if "#" in line]
    assert len(listed) == 32
    shown = {int(line.split()[0]) for line in listed}
    assert min(palette.counts[list(shown)]) >= max(np.delete(palette.counts, list(shown)))
    assert "8 more colors" in outcome.out
    assert "\x1b" not in outcome.out
    assert all(word in outcome.out for word in ("MSE", "PSNR", "distinct colors"))


def test_a_folder_takes_the_poster_of_one(run: Run, photo: Path) -> None:
    (photo.parent / "out").mkdir()
    assert run("posterize", photo, "-k", 4, "-o", photo.parent / "out").code == 0
    assert sorted(files(photo.parent / "out")) == ["photo.png", "photo.png.json"]


@pytest.mark.parametrize(
    ("tokens", "code", "says"),
    [
        (("{photo}",), 2, "-k is missing"),
        (("-k", "3"), 2, "no input"),
        (("{photo}", "-k", "0"), 2, "k is 0"),
        (("{photo}", "-k", "2.5"), 2, "'2.5'"),
        (("{photo}", "-k", "70000"), 2, "65535"),
        (("{photo}", "-k", "4000"), 65, "photo.png: k is 4000"),
        (("{photo}", "-k", "3", "--seed", "-1"), 2, "-1"),
        (("{photo}", "-k", "3", "--threads", "0"), 2, "threads is 0"),
        (("{photo}", "-k", "3", "--space", "hsv"), 2, "hsv"),
        (("{photo}", "-k", "3", "--quality", "superb"), 2, "superb"),
        (("{photo}", "-k", "3", "--dither", "ordered"), 2, "ordered"),
        (("{photo}", "-k", "3", "--frame", "1"), 2, "only frame 0"),
        (("{folder}/nosuch.png", "-k", "3"), 66, "no such file"),
        (("{folder}/text.txt", "-k", "3"), 65, "text.txt"),
        (("{folder}/empty.png", "-k", "3"), 65, "empty.png"),
        (("{folder}/cut.png", "-k", "3"), 65, "cut.png"),
        (("{folder}/cmyk.jpg", "-k", "3"), 65, "CMYK"),
        (("{folder}/moving.gif", "-k", "3"), 65, "--frame"),
        (("{folder}/clear.png", "-k", "3"), 65, "clear.png: every pixel is transparent"),
        (("{folder}/flat.png", "-k", "2"), 65, "flat.png: k is 2"),
        (("{folder}/nan.npz", "-k", "2"), 65, "NaN"),
        (("{folder}/infinite.npz", "-k", "2"), 65, "infinite"),
        (("{folder}/five.npz", "-k", "2"), 65, "5 color channels"),
        (("{photo}", "-k", "3", "-o", "{photo}", "--overwrite"), 73, "is the input"),
        (("{photo}", "-k", "3", "-o", "{folder}/mine.png"), 73, "exists"),
        (("{photo}", "-k", "3", "-o", "{folder}/recorded.png"), 73, "recorded.png.json"),
        (("{photo}", "-k", "3", "-o", "{folder}/a/b.png"), 73, "does not exist"),
        (("{photo}", "-k", "3", "-o", "{folder}/poster.jpg"), 2, ".jpg"),
        (("{photo}", "-k", "3", "-o", "{folder}/poster.npy"), 2, ".npz"),
        (("{photo}", "-k", "3", "-o", "{folder}/poster"), 2, "no suffix"),
        (("{photo}", "-k", "3", "--swatches", "{folder}/s.bmp"), 2, ".bmp"),
        (("{photo}", "-k", "3", "--save-palette", "{folder}/p.ase"), 2, ".ase"),
        (("{photo}", "-k", "3", "--figure", "{folder}/x.png", "--swatches", "{folder}/x.png"), 2, "twice"),
        (("{photo}", "-k", "3", "-o", "{folder}/x.png", "--save-palette", "{folder}/x.png.json"), 2, "twice"),
        (("{photo}", "--palette", "{folder}/nosuch.gpl"), 66, "nosuch.gpl"),
        (("{photo}", "--palette", "{folder}/broken.gpl"), 65, "line 2"),
        (("{photo}", "--palette", "{folder}/broken.hex"), 65, "line 1"),
        (("{photo}", "--palette", "{folder}/empty.txt"), 65, "no color"),
        (("{photo}", "--palette", "{folder}/broken.json"), 65, "broken.json"),
        (("{photo}", "--palette", "{folder}/list.json"), 65, "list.json"),
        (("{photo}", "--palette", "{folder}/odd.json"), 65, "odd.json"),
        (("{photo}", "--palette", "{folder}/labels.tif.json"), 65, "labels.tif.json"),
        (("{photo}", "--palette", "{folder}/gray.json"), 65, "3 channels, the palette 1"),
        (("{photo}", "--palette", "{photo}"), 65, "photo.png"),
        (("{photo}", "--palette", "{folder}/good.gpl", "-k", "5"), 2, "has 2 colors"),
        (
            ("{photo}", "--palette", "{folder}/good.gpl", "--save-palette", "{folder}/good.gpl", "--overwrite"),
            73,
            "input",
        ),
        (("{photo}", "--recipe", "{folder}/text.txt", "-k", "3"), 2, "one of them"),
        (("{photo}", "--recipe", "{folder}/text.txt", "--dither", "blue-noise"), 2, "one of them"),
        (("{photo}", "--recipe", "{folder}/text.txt"), 65, "text.txt"),
        (("{photo}", "--recipe", "{folder}/odd.json"), 65, "odd.json"),
        (("{photo}", "--recipe", "{folder}/labels.tif.json"), 65, "not of a poster"),
        (("{photo}", "--recipe", "{folder}/segment.json"), 65, "segment.json"),
        (("{photo}", "{folder}/flat.png", "-k", "3", "-o", "{folder}/new.png"), 2, "name a folder"),
        (("{photo}", "{folder}/flat.png", "-k", "3", "-o", "{folder}/mine.png"), 2, "name a folder"),
        (("{photo}", "{folder}/flat.png", "-k", "3", "-o", "{folder}/a/b"), 73, "cannot be made"),
        (("{photo}", "{folder}/flat.png", "-k", "3", "-o", "{folder}"), 73, "is the input"),
        (("{photo}", "{folder}/flat.png", "-k", "3", "--figure", "{folder}/f.png"), 2, "--swatches instead"),
        (("{photo}", "{folder}/sub/PHOTO.tif", "-k", "3", "-o", "{folder}/new"), 2, "PHOTO.tif would both become"),
        (("{photo}", "{photo}", "-k", "3", "-o", "{folder}/new"), 2, "would both become"),
        (("{photo}", "{folder}/deep.png", "-k", "3", "-o", "{folder}/new"), 65, "deep.png: its dtype is uint16"),
        (
            ("{photo}", "{folder}/gray.png", "-k", "3", "-o", "{folder}/new"),
            65,
            "gray.png: its number of channels is 1",
        ),
        (("{photo}", "{folder}/cut.png", "-k", "3", "-o", "{folder}/new"), 65, "cut.png"),
        (("{photo}", "{folder}/clear.png", "-k", "3", "-o", "{folder}/new"), 65, "clear.png: every pixel"),
        (("{photo}", "{folder}/flat.png", "-k", "4000", "-o", "{folder}/new"), 65, "and 1 more: k is 4000"),
        (("{folder}/stack.tif", "{photo}", "-k", "3", "-o", "{folder}/new"), 2, "holds one slice"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    run: Run, photo: Path, tokens: tuple[str, ...], code: int, says: str
) -> None:
    folder = photo.parent
    small = photograph(1, (12, 10))
    Pillow.fromarray(np.zeros((4, 4, 4), np.uint8), "CMYK").save(folder / "cmyk.jpg")
    frames = [Pillow.fromarray(photograph(seed, (12, 10))) for seed in range(2)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    save(folder / "clear.png", np.concatenate([small, np.zeros((12, 10, 1), np.uint8)], axis=2), alpha=True)
    save(folder / "flat.png", np.full((5, 7, 3), 90, np.uint8))
    save(folder / "deep.png", small.astype(np.uint16) * 257)
    save(folder / "gray.png", small[..., 0])
    klevels.write(folder / "stack.tif", klevels.Image(np.stack([small, small]), "zyxc"))
    klevels.write(folder / "five.npz", klevels.Image(np.zeros((4, 4, 5), np.uint8), "yxc"))
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        klevels.write(folder / f"{name}.npz", klevels.Image(np.full((4, 4, 3), value), "yxc"))
    (folder / "sub").mkdir()
    save(folder / "sub" / "PHOTO.tif", small)
    (folder / "cut.png").write_bytes(photo.read_bytes()[:400])
    (folder / "text.txt").write_text("not an image\n")
    for name in ("empty.png", "empty.txt"):
        (folder / name).write_bytes(b"")
    (folder / "mine.png").write_bytes(b"mine")
    (folder / "recorded.png.json").write_text("mine")
    (folder / "broken.gpl").write_text("GIMP Palette\n300 0 0 red\n")
    (folder / "broken.hex").write_text("red\n")
    (folder / "broken.json").write_text('{"centers": [[')
    (folder / "list.json").write_text("[1, 2]")
    (folder / "odd.json").write_text('{"k": 3, "dither": 5}')
    klevels.Palette.of([[0, 0, 0], [255, 255, 255]]).save(folder / "good.gpl")
    klevels.Palette.of([[0], [255]]).save(folder / "gray.json")
    assert run("segment", folder / "gray.png", "-k", 2, "-o", folder / "labels.tif").code == 0
    (folder / "segment.json").write_text(json.dumps(klevels.Recipe(k=3).to_dict()))
    before = files(folder)
    outcome = run("posterize", *(token.format(photo=photo, folder=folder) for token in tokens))
    check_refused(outcome, code, says)
    assert files(folder) == before


def test_what_differs_is_named_with_both_files(run: Run, photo: Path) -> None:
    deep = save(photo.with_name("deep.png"), photograph(dtype=np.uint16))
    outcome = run("posterize", photo, deep, "-k", 4)
    check_refused(outcome, 65, f"{deep}: ")
    assert str(photo) in outcome.err


def test_the_record_of_a_poster_is_none_of_a_segmentation(run: Run, photo: Path) -> None:
    run("posterize", photo, "-k", 4, "-o", photo.with_name("poster.png"))
    (photo.parent / "bare.json").write_text(json.dumps(klevels.PosterRecipe(k=4).to_dict()))
    for name in ("poster.png.json", "bare.json"):
        refused = run("segment", photo, "--recipe", photo.with_name(name))
        check_refused(refused, 65, "klevels posterize --recipe")


@pytest.mark.parametrize(
    ("failure", "code"), [(KeyboardInterrupt(), 130), (MemoryError("no"), 71), (OSError(28, "No space left"), 74)]
)
def test_a_failure_in_the_middle_of_several_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int
) -> None:
    sources = [save(tmp_path / f"{name}.png", photograph(seed, (24, 32))) for seed, name in enumerate("abc")]
    before = files(tmp_path)
    original = klevels.Poster.summary
    done = []

    def fail(poster: klevels.Poster) -> dict[str, Any]:
        done.append(poster)
        if len(done) == 2:
            raise failure
        return original(poster)

    monkeypatch.setattr("klevels.poster.Poster.summary", fail)
    outcome = run("posterize", *sources, "-k", 3, "-o", tmp_path / "out")
    assert outcome.code == code
    assert outcome.err.count("\n") == 1
    assert len(done) == 2
    assert files(tmp_path) == before


def test_several_overwrite_only_when_told_to(run: Run, tmp_path: Path) -> None:
    sources = [save(tmp_path / f"{name}.png", photograph(seed, (24, 32))) for seed, name in enumerate("ab")]
    out = tmp_path / "out"
    assert run("posterize", *sources, "-k", 3, "-o", out).code == 0
    before = files(tmp_path)
    check_refused(run("posterize", *sources, "-k", 4, "-o", out), 73, "exists")
    assert files(tmp_path) == before
    assert run("posterize", *sources, "-k", 4, "-o", out, "--overwrite").code == 0
    assert json.loads((out / "a.png.json").read_text())["recipe"]["k"] == 4


def test_one_poster_at_a_time_is_in_memory(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc
    import weakref

    alive: list[weakref.ref[Any]] = []
    most = 0
    original = klevels.posterize

    def watched(*args: Any, **kwargs: Any) -> klevels.Poster:
        nonlocal most
        poster = original(*args, **kwargs)
        alive.append(weakref.ref(poster))
        gc.collect()
        most = max(most, sum(ref() is not None for ref in alive))
        return poster

    monkeypatch.setattr("klevels.cli.posters.run", watched)
    sources = [save(tmp_path / f"{i}.png", photograph(i, (24, 32))) for i in range(4)]
    assert run("posterize", *sources, "-k", 3, "-o", tmp_path / "out").code == 0
    assert len(alive) == 4
    assert most == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize(("environment", "is_colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colors_are_shown_on_a_terminal_only(photo: Path, environment: dict[str, str], is_colored: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [*COMMAND, "posterize", str(photo), "-k", "3"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**clean, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other side was closed
            break
        if not part:
            break
        drawn += part
    _, err = process.communicate(timeout=120)
    os.close(ours)
    assert err == b""
    color = klevels.posterize(photograph(), 3).palette.hex[0]
    assert color.encode() in drawn
    red, green, blue = bytes.fromhex(color[1:])
    assert (f"\x1b[48;2;{red};{green};{blue}m".encode() in drawn) == is_colored
    assert (b"\x1b[" in drawn) == is_colored


def test_malformed_files_leave_no_output(run: Run, shared_data: Path, tmp_path: Path) -> None:
    for source in sorted((shared_data / "malformed").rglob("*")):
        if not source.is_file():
            continue
        poster = tmp_path / "poster.npz"
        outcome = run("posterize", source, "-k", 1, "-o", poster)
        assert outcome.code in (0, 65), (source, outcome.err)
        if outcome.code:
            assert outcome.err.count("\n") == 1
            assert str(source) in outcome.err
            assert not poster.exists()
        else:
            assert color_channels(klevels.read(poster)).size
        for left in tmp_path.iterdir():
            left.unlink()
