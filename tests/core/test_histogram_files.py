"""Saved histograms read back to the bit; broken files are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from klevels.core.count import histogram
from klevels.core.histogram import Histogram
from klevels.core.keys import keys_of
from klevels.errors import InputMissingError, OutputExistsError, ReadError
from reference import assert_same_histogram

MANY = 150_000


@pytest.mark.parametrize("dtype", ["?", "u1", ">i2", "u4", "i8", "f2", ">f4", "f8"])
def test_files_read_back_to_the_bit(dtype: str, tmp_path: Path) -> None:
    h = histogram(
        np.random.default_rng(1).integers(0, 2**17, MANY).astype(dtype) if dtype != "f2" else np.ones(3, "f2")
    )
    h.save(tmp_path / "h.npz")
    loaded = Histogram.load(str(tmp_path / "h.npz"))
    assert_same_histogram(loaded, h)
    assert loaded.dtype == h.dtype


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "h.npz"
    Histogram.of([1]).save(path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match=r"h\.npz: exists already"):
        Histogram.of([2]).save(path)
    assert path.read_bytes() == before
    Histogram.of([2]).save(path, overwrite=True)
    assert Histogram.load(path).levels.tolist() == [2]
    assert list(tmp_path.iterdir()) == [path]


def _stored(path: Path, **changes: object) -> Path:
    fields = {
        "keys": keys_of(np.array([1, 2])),
        "counts": np.array([3, 4]),
        "rests": np.zeros((2, 4), np.uint64),
        "shift": 0,
        "dtype": "u1",
        "n_nan": 0,
    }
    kept = {name: value for name, value in {**fields, **changes}.items() if value is not None}
    np.savez(path, **kept)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": None},
        {"counts": np.array([3])},
        {"counts": np.array([3, 0])},
        {"counts": np.array([3, -1])},
        {"counts": np.array([2**62, 2**62])},
        {"keys": keys_of(np.array([2, 1]))},
        {"keys": keys_of(np.array([1, 1]))},
        {"keys": np.zeros((2, 2), np.uint64)},
        {"rests": np.zeros((2, 3), np.uint64)},
        {"dtype": "nonsense"},
        {"dtype": "c16"},
        {"dtype": "O"},
        {"shift": -1},
        {"shift": 64},
        {"n_nan": "many"},
        {"n_nan": -1},
        {"counts": np.array([None, None])},
    ],
    ids=str,
)
def test_broken_files_are_refused(changes: dict[str, object], tmp_path: Path) -> None:
    path = _stored(tmp_path / "broken.npz", **changes)
    with pytest.raises(ReadError, match=r"broken\.npz") as caught:
        Histogram.load(path)
    assert isinstance(caught.value, OSError)
    assert "\n" not in str(caught.value)
    assert_same_histogram(Histogram.load(_stored(tmp_path / "sound.npz")), Histogram.of(np.array([1, 2], "u1"), [3, 4]))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip", b"\x93NUMPY\x01\x00"])
def test_files_of_another_kind_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"other\.npz: not a saved histogram"):
        Histogram.load(path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    Histogram.of([1, 2, 3]).save(tmp_path / "h.npz")
    content = (tmp_path / "h.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    for size in range(0, len(content), 7):
        cut.write_bytes(content[:size])
        with pytest.raises(ReadError, match="not a saved histogram"):
            Histogram.load(cut)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"none\.npz: no such file") as caught:
        Histogram.load(tmp_path / "none.npz")
    assert isinstance(caught.value, FileNotFoundError)
