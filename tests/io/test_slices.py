"""A folder of slices is one volume, whole and in order, or refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from klevels.errors import InputMissingError, ReadError
from klevels.image import Image
from klevels.io import describe, read, slices, write


def slice_of(value: int, dtype: type = np.uint8) -> np.ndarray:
    return np.full((3, 4), value, dtype)


def fill(folder: Path, names: list[str]) -> Path:
    for value, name in enumerate(names):
        write(folder / name, slice_of(value))
    return folder


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy"])
def test_order_is_that_of_the_numbers(tmp_path: Path, suffix: str) -> None:
    fill(tmp_path, [f"scan_v2_{i}{suffix}" for i in range(8, 13)])
    image = read(tmp_path)
    assert image.data[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert (image.axes, image.shape, image.dtype) == ("zyx", (5, 3, 4), np.uint8)
    assert image.spacing is None
    assert image.meta["n_slices"] == 5
    facts = describe(tmp_path)
    assert (facts["shape"], facts["axes"], facts["dtype"], facts["bytes"]) == ((5, 3, 4), "zyx", "uint8", 60)
    assert facts["n_slices"] == 5


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_that_are_read_only(tmp_path: Path, suffix: str) -> None:
    for i in range(3):
        PIL.Image.fromarray(slice_of(100 + i)).save(tmp_path / f"a{i}{suffix}")
    assert read(tmp_path).data[:, 0, 0].tolist() == [100, 101, 102]


def test_color_slices(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), np.uint8)
    for i in range(2):
        write(tmp_path / f"{i}.png", Image(colors[i], "yxc"))
    image = read(tmp_path)
    assert image.axes == "zyxc"
    assert np.array_equal(image.data, colors)
    assert read(tmp_path, gray=True).axes == "zyx"


def test_one_slice_is_a_volume_of_one(tmp_path: Path) -> None:
    assert read(fill(tmp_path, ["only.png"])).shape == (1, 3, 4)


def test_other_files_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, ["s1.png", "s2.png"])
    for name in ("scan.log", "readme.txt", ".DS_Store", ".hidden.png", "Thumbs.db", "empty"):
        (tmp_path / name).write_bytes(b"" if name == "empty" else b"no image")
    (tmp_path / "sub.png").mkdir()
    assert read(tmp_path).shape == (2, 3, 4)


def test_a_slice_is_known_by_its_content_too(tmp_path: Path) -> None:
    fill(tmp_path, ["s1.png", "s2.png", "s3.png"])
    for file in list(tmp_path.iterdir()):
        file.rename(file.with_suffix(""))
    assert read(tmp_path).shape == (3, 3, 4)


@pytest.mark.parametrize("names", [["s0007.png", "s0009.png"], ["s7.png", "s8.png", "s10.png", "s11.png"]])
def test_a_gap_is_refused(tmp_path: Path, names: list[str]) -> None:
    fill(tmp_path, names)
    for verb in (read, describe):
        with pytest.raises(ReadError, match=r"slice (8|9) is missing between s"):
            verb(tmp_path)


def test_a_gap_in_every_second_slice_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, ["s0.png", "s2.png", "s6.png", "s8.png"])
    with pytest.raises(ReadError, match="slice 4 is missing"):
        read(tmp_path)


def test_every_tenth_slice_is_a_series(tmp_path: Path) -> None:
    assert read(fill(tmp_path, ["s0.png", "s10.png", "s20.png"])).data[:, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("names", [["s1.png", "s01.png"], ["s1.png", "s1.npy"]])
def test_a_number_that_is_twice_there_is_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ReadError, match="have one number"):
        read(fill(tmp_path, names))


@pytest.mark.parametrize(
    "names",
    [["a1.png", "b2.png"], ["a1_1.png", "a1_2.png", "a2_1.png", "a2_2.png"], ["a.png", "b.png"], ["a.png", "a.npy"]],
)
def test_two_series_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ReadError, match="do not belong to one series"):
        read(fill(tmp_path, names))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    for verb in (read, describe):
        with pytest.raises(ReadError, match="holds no slices"):
            verb(tmp_path)


@pytest.mark.parametrize(
    ("odd", "what"),
    [
        (np.zeros((3, 5), np.uint8), "shape"),
        (np.zeros((3, 4), np.uint16), "dtype"),
        (np.zeros((4, 3), np.uint8), "shape"),
    ],
)
def test_slices_that_differ_are_refused(tmp_path: Path, odd: np.ndarray, what: str) -> None:
    fill(tmp_path, ["s1.png", "s2.png"])
    write(tmp_path / "s3.png", odd)
    with pytest.raises(ReadError, match=rf"s3\.png: its {what} is .* in s1\.png"):
        read(tmp_path)


def test_mixed_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"s2\.npy: its format is NPY, but PNG in s1\.png"):
        read(fill(tmp_path, ["s1.png", "s2.npy"]))


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n and no more"])
def test_a_broken_slice_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    fill(tmp_path, ["s1.png", "s3.png"])
    (tmp_path / "s2.png").write_bytes(content)
    with pytest.raises(ReadError) as caught:
        read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 's2.png'}: ")


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_a_slice_of_several_pages_is_refused(tmp_path: Path, suffix: str) -> None:
    for i in range(2):
        write(tmp_path / f"s{i}{suffix}", np.zeros((2, 3, 4), np.uint8))
    for verb in (read, describe):
        with pytest.raises(ReadError, match=rf"s0{suffix}: holds several slices"):
            verb(tmp_path)


def test_pixel_size_is_told_but_no_voxel_size_is_guessed(tmp_path: Path) -> None:
    for i in range(2):
        write(tmp_path / f"s{i}.tif", Image(slice_of(i), "yx", (0.5, 0.5), "µm"))
    image = read(tmp_path)
    assert image.spacing is None
    assert image.meta["spacing_yx"] == pytest.approx((0.5, 0.5))
    assert image.meta["unit_yx"] == "µm"
    write(tmp_path / "s2.tif", Image(slice_of(2), "yx", (0.25, 0.25), "µm"))
    with pytest.raises(ReadError, match="pixel size"):
        read(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read(tmp_path / "nowhere")


def test_real_slices(shared_data: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    folder = shared_data / "microct" / "trabecular_bone_slices"
    image = read(folder)
    assert (image.shape, image.dtype, image.axes) == ((200, 200, 200), np.uint8, "zyx")
    for i in (0, 9, 10, 99, 100, 199):
        assert np.array_equal(image.data[i], tifffile.imread(folder / f"3155_D_4_bc_{i:04}.tif"))
    assert describe(folder)["shape"] == (200, 200, 200)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy"])
def test_an_open_folder_is_the_read_folder(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(3)
    for i in range(8, 13):
        write(tmp_path / f"scan_v2_{i}{suffix}", rng.integers(0, 256, (20, 30), np.uint8))
    whole, lazy = slices.read(tmp_path), slices.open(tmp_path)
    assert lazy.is_lazy
    assert lazy.data.chunks == (1, 20, 30)
    assert lazy.data.stored_bytes == describe(tmp_path)["file_bytes"]
    assert (lazy.axes, lazy.shape, lazy.dtype, lazy.spacing) == (whole.axes, whole.shape, whole.dtype, whole.spacing)
    assert dict(lazy.meta) == dict(whole.meta)
    again = pickle.loads(pickle.dumps(lazy.data))
    for window in (np.s_[:], np.s_[1:4, 3:7, 2:29], np.s_[4], np.s_[2, 5, 6], np.s_[::-2, ::3]):
        assert np.array_equal(lazy.data[window], whole.data[window])
        assert np.array_equal(again[window], whole.data[window])


def test_an_open_folder_of_colors(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (3, 5, 6, 3), np.uint8)
    for i in range(3):
        write(tmp_path / f"{i}.tif", Image(colors[i], "yxc", (0.5, 0.5), "µm"))
    lazy = slices.open(tmp_path)
    assert (lazy.axes, lazy.meta["spacing_yx"], lazy.meta["unit_yx"]) == ("zyxc", (0.5, 0.5), "µm")
    assert np.array_equal(lazy.data[1:, 2:, :, 1:], colors[1:, 2:, :, 1:])


def test_an_open_folder_promises_no_profile_but_of_one_slice(tmp_path: Path) -> None:
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    for i in range(2):
        PIL.Image.new("RGB", (4, 3)).save(tmp_path / f"{i}.png", icc_profile=profile)
    assert "icc_profile" in slices.read(tmp_path).meta
    assert "icc_profile" not in slices.open(tmp_path).meta
    (tmp_path / "1.png").unlink()
    assert slices.open(tmp_path).meta["icc_profile"] == profile


def test_one_file_is_read_for_one_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, [f"{i}.png" for i in range(9)])
    lazy = slices.open(tmp_path)
    seen: list[str] = []
    known = slices.reader_of
    monkeypatch.setattr(slices, "reader_of", lambda file: seen.append(file.name) or known(file))
    assert lazy.data[4:6, 1].tolist() == [[4] * 4, [5] * 4]
    assert seen == ["4.png", "5.png"]


@pytest.mark.parametrize(
    ("odd", "what"),
    [
        (np.zeros((3, 5), np.uint8), "shape"),
        (np.zeros((3, 4), np.uint16), "dtype"),
        (np.zeros((3, 4, 3), np.uint8), "axes"),
        (np.zeros((2, 3, 4), np.uint8), "several slices"),
    ],
)
def test_a_slice_that_differs_is_found_when_it_is_read(tmp_path: Path, odd: np.ndarray, what: str) -> None:
    fill(tmp_path, ["1.tif", "2.tif", "3.tif"])
    axes = {(3, 4, 3): "yxc", (2, 3, 4): "zyx"}.get(odd.shape, "yx")
    write(tmp_path / "3.tif", Image(odd, axes), overwrite=True)
    lazy = slices.open(tmp_path)
    assert lazy.data[:2, 0, 0].tolist() == [0, 1]
    with pytest.raises(ReadError, match=what) as caught:
        lazy.data[1:]
    assert str(caught.value).startswith(str(tmp_path / "3.tif"))


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy"])
def test_a_slice_that_breaks_or_goes_is_named(tmp_path: Path, suffix: str) -> None:
    for i in range(3):
        write(tmp_path / f"{i}{suffix}", np.arange(4000, dtype=np.uint16).reshape(40, 100))
    lazy = slices.open(tmp_path)
    broken = tmp_path / f"1{suffix}"
    broken.write_bytes(broken.read_bytes()[:-60])
    assert lazy.data[0, 1, 1] == lazy.data[2, 1, 1] == 101
    with pytest.raises(ReadError) as caught:
        lazy.data[:]
    assert str(caught.value).startswith(f"{broken}: ")
    broken.unlink()
    with pytest.raises(InputMissingError) as gone:
        lazy.data[1]
    assert str(gone.value).startswith(f"{broken}: ")


def test_a_slice_whose_alpha_shows_late(tmp_path: Path) -> None:
    for i, alpha in enumerate((255, 255, 7)):
        PIL.Image.fromarray(np.full((3, 4, 4), alpha, np.uint8)).save(tmp_path / f"{i}.png")
    lazy = slices.open(tmp_path)
    assert lazy.data[:2].shape == (2, 3, 4, 3)
    with pytest.raises(ReadError, match=r"2\.png: its shape is"):
        lazy.data[2]
