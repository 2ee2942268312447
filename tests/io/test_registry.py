"""One door to all formats: told by content when reading, by suffix when writing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from klevels.errors import InputMissingError, OutputExistsError, ParameterError, ReadError, WriteError
from klevels.image import Image
from klevels.io import SUFFIXES, describe, read, write

DATA = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_name_does_not_tell_the_format(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a{suffix}", DATA)
    expected = read(tmp_path / f"a{suffix}")
    (tmp_path / f"a{suffix}").rename(tmp_path / "a.jpg")
    found = read(tmp_path / "a.jpg")
    assert np.array_equal(found.data, DATA)
    assert found.meta == expected.meta


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_paths_may_be_str_or_path_like(tmp_path: Path, suffix: str) -> None:
    name = str(tmp_path / f"a{suffix.upper()}")
    write(name, DATA)
    assert np.array_equal(read(name).data, DATA)
    assert np.array_equal(read(Path(name)).data, DATA)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_description_agrees_with_reading(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, DATA)
    image, facts = read(path), describe(path)
    assert facts["shape"] == image.shape
    assert facts["axes"] == image.axes
    assert facts["dtype"] == str(image.dtype)
    assert facts["spacing"] == image.spacing
    assert facts["unit"] == image.unit
    assert facts["bytes"] == image.data.nbytes
    assert facts["file_bytes"] == path.stat().st_size
    assert facts["format"] == image.meta["format"]
    assert "compression" in facts


def test_gray_on_request(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (4, 3), (255, 0, 0)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").axes == "yxc"
    gray = read(tmp_path / "a.png", gray=True)
    assert (gray.axes, gray.data[0, 0]) == ("yx", 76)


def test_missing_input(tmp_path: Path) -> None:
    for verb in (read, describe):
        with pytest.raises(InputMissingError, match=r"scan\.tif: no such file") as caught:
            verb(tmp_path / "scan.tif")
        assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("content", [b"", b"GIF90a" + bytes(50), b"hello", b"RIFF1234WEBP", b"\0" * 99])
def test_unknown_format(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(content)
    for verb in (read, describe):
        with pytest.raises(ReadError) as caught:
            verb(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: is ")
        assert not content or all(
            name in message for name in ("TIFF", "PNG", "JPEG", "BMP", "GIF", "NPY", "NPZ", "folder")
        )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_only_animations_have_frames(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, DATA)
    assert np.array_equal(read(path, frame=0).data, DATA)
    for frame in (1, -1, 7):
        with pytest.raises(ParameterError) as caught:
            read(path, frame=frame)
        assert str(caught.value) == f"{path}: frame is {frame}, but only frame 0 can be read"


def test_a_frame_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError):
        read(tmp_path / "a.gif", frame=0)
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(ReadError, match="cut short"):
        read(tmp_path / "a.gif", frame=0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a POSIX system")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    for verb in (read, describe):
        with pytest.raises(ReadError, match="device or a pipe"):
            verb(tmp_path / "pipe.tif")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.npy", DATA)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ReadError, match=r"a\.npy: no permission") as caught:
        read(tmp_path / "a.npy")
    assert isinstance(caught.value.__cause__, PermissionError)


@pytest.mark.parametrize("name", ["a.gif", "a", "a.jpg"])
def test_a_suffix_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match=r"\.tif, .*\.npz"):
        write(tmp_path / name, DATA)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_output_stays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(OutputExistsError):
        write(path, DATA)
    assert path.read_bytes() == b"old"
    write(path, DATA, overwrite=True)
    assert np.array_equal(read(path).data, DATA)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
        (np.zeros(4, np.uint8), "1 axes"),
        (np.zeros((1, 1, 1, 1), np.uint8), "4 axes"),
        (np.ma.masked_equal(DATA, 3), "masked"),
    ],
)
def test_arrays_that_cannot_be_written(tmp_path: Path, suffix: str, array: np.ndarray, message: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(ParameterError, match=message):
        write(path, array, overwrite=True)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".npz"])
def test_volumes(tmp_path: Path, suffix: str) -> None:
    volume = np.arange(2 * 5 * 7, dtype=np.uint16).reshape(2, 5, 7)
    write(tmp_path / f"a{suffix}", volume)
    image = read(tmp_path / f"a{suffix}")
    assert image.axes == "zyx"
    assert np.array_equal(image.data, volume)


@pytest.mark.parametrize("suffix", [".tif", ".npz"])
def test_voxel_size_is_kept(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a{suffix}", Image(np.zeros((2, 3, 4), np.uint8), "zyx", (2.0, 0.5, 0.5), "µm"))
    image = read(tmp_path / f"a{suffix}")
    assert image.spacing == pytest.approx((2.0, 0.5, 0.5))
    assert image.unit == "µm"


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a POSIX system")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk(tmp_path: Path, suffix: str) -> None:
    """The limit on file sizes makes the real system calls fail in the middle of a file, as a full disk does."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    program = (
        "import resource, sys\n"
        "import numpy as np\n"
        "from klevels.errors import DiskError\n"
        "from klevels.io import write\n"
        "noise = np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "try:\n"
        "    write(sys.argv[1], noise, overwrite=True)\n"
        "except DiskError as error:\n"
        "    print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    child = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, capture_output=True, text=True, check=False
    )
    assert child.stderr == ""
    assert child.stdout.startswith(f"{path}: the disk is full or failed")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_interrupted_writing(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(path, DATA, overwrite=True)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_missing_folder_for_the_output(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="create it first"):
        write(tmp_path / "nowhere" / "a.npy", DATA)


def test_heavy_libraries_are_loaded_when_needed_only() -> None:
    program = (
        "import sys, klevels.io\n"
        "print([name for name in ('PIL', 'tifffile', 'imagecodecs', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    child = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"
