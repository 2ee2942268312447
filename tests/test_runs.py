"""Runs block by block from Python: the bits of the whole, whatever the blocks, and images that are written lazily."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klevels
from commands import files
from klevels import io, runs
from klevels.copying import as_labels, copy, write
from klevels.errors import DataError, OutputExistsError, ParameterError, ReadError
from klevels.image import Image
from klevels.io import is_streamed
from klevels.lazy import LazyArray, Window
from klevels.recipe import Recipe
from klevels.runs import Outputs, segment_to
from klevels.workers import Workers

SHAPE = (6, 21, 17)
VALUES = np.random.default_rng(3).normal(2000, 600, SHAPE).clip(0, 4095).astype(np.uint16)
MASK = np.random.default_rng(4).random(SHAPE) < 0.8
SUFFIXES = [".raw", ".nrrd", ".tif", ".ome.zarr"]


class Stored(LazyArray):
    """An array that fails at one slice, if it is told to."""

    def __init__(self, data: np.ndarray, broken: int | None = None) -> None:
        super().__init__(data.shape, data.dtype, (1, *data.shape[1:]), "scan.tif")
        self.data = data
        self.broken = broken

    def read(self, window: Window) -> np.ndarray:
        if self.broken is not None and window[0].start <= self.broken < window[0].stop:
            raise ReadError(f"scan.tif: page {self.broken} is damaged; copy it again")
        return self.data[window]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.memory.BLOCK_BYTES", 1500)


def run(output: Path, image: Image, mask: Any = None, k: int = 3, **options: Any) -> klevels.Segmentation:
    """Segment to one output."""
    how = {"fingerprint": {"k": k}, "record": lambda _: {"k": k}, **options}
    return segment_to(Outputs(labels=output, others={}), image, mask, Recipe(k=k), Workers(2), **how)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize("kind", ["memory", "lazy", "dask"])
def test_labels_are_those_in_memory(tmp_path: Path, suffix: str, mask: np.ndarray | None, kind: str) -> None:
    data = {"memory": VALUES, "lazy": Stored(VALUES), "dask": da.from_array(VALUES, chunks=(4, 5, 9))}[kind]
    expected = klevels.segment(VALUES, 3, mask=mask)
    result = run(tmp_path / f"a{suffix}", Image(data, "zyx", (2.0, 1.0, 0.5), "mm"), mask)
    written = io.read(tmp_path / f"a{suffix}", lazy=False)
    np.testing.assert_array_equal(written.data, expected.labels.data)
    assert (written.spacing, written.unit, written.axes) == ((2.0, 1.0, 0.5), "mm", "zyx")
    assert result.model.to_dict() == expected.model.to_dict()
    assert result.summary() == expected.summary() | {
        name: result.summary()[name] for name in ("spacing", "unit") if name in result.summary()
    }
    np.testing.assert_array_equal(np.asarray(result.labels.data), expected.labels.data)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{suffix}", f"a{suffix}.json"]


@settings(max_examples=10, deadline=None)
@given(st.integers(600, 20_000), st.integers(1, 4))
def test_any_block_size_writes_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, n_bytes: int, threads: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("klevels.memory.BLOCK_BYTES", n_bytes)
        outputs = Outputs(labels=folder / "a.raw", paint=folder / "b.nrrd", others={})
        segment_to(
            outputs,
            Image(Stored(VALUES), "zyx"),
            MASK,
            Recipe(k=3),
            Workers(threads),
            fingerprint={},
            record=lambda result: result.model.to_dict(),
        )
    expected = klevels.segment(VALUES, 3, mask=MASK)
    assert (folder / "a.raw").read_bytes() == expected.labels.data.tobytes()
    np.testing.assert_array_equal(io.read(folder / "b.nrrd", lazy=False).data, expected.paint().data)
    stored = json.loads((folder / "a.raw.json").read_text())
    assert stored.pop("layout")["shape"] == list(SHAPE)
    assert stored == json.loads((folder / "b.nrrd.json").read_text()) == expected.model.to_dict()


@pytest.mark.parametrize("broken", range(SHAPE[0]))
def test_nothing_is_left_of_a_broken_image(tmp_path: Path, broken: int) -> None:
    image = Image(Stored(VALUES, broken), "zyx")
    with pytest.raises(ReadError, match=f"page {broken} is damaged"):
        run(tmp_path / "a.raw", image)
    with pytest.raises(ReadError, match=f"page {broken} is damaged"):
        write(tmp_path / "b.nrrd", image)
    assert list(tmp_path.iterdir()) == []


def test_figures_come_with_the_labels_or_not_at_all(tmp_path: Path) -> None:
    def draw(result: klevels.Segmentation, part: Path) -> None:
        part.write_text(str(result.model.k))

    def fail(result: klevels.Segmentation, part: Path) -> None:
        raise DataError(f"{part.name} and {result.model.k}")

    def segment(how: Any, *, resume: bool) -> None:
        outputs = Outputs(labels=tmp_path / "a.raw", others={tmp_path / "a.png": how})
        image = Image(Stored(VALUES), "zyx")
        segment_to(outputs, image, None, Recipe(k=3), Workers(1), fingerprint={}, record=lambda _: {}, resume=resume)

    with pytest.raises(DataError):
        segment(fail, resume=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.raw.partial"]
    segment(draw, resume=True)
    assert (tmp_path / "a.png").read_text() == "3"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.png.json", "a.raw", "a.raw.json"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_interrupted_is_finished(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(Stored(VALUES), "zyx")
    once = tmp_path / "once"
    once.mkdir()
    run(once / f"a{suffix}", image)
    twice = tmp_path / "twice"
    twice.mkdir()
    real, n = runs.mark, 0

    def stop(folder: Path, number: int, note: object) -> None:
        nonlocal n
        n += 1
        real(folder, number, note)
        if n == (1 if suffix == ".ome.zarr" else 3):
            raise MemoryError

    monkeypatch.setattr(runs, "mark", stop)
    with pytest.raises(MemoryError):
        run(twice / f"a{suffix}", image)
    monkeypatch.undo()
    with pytest.raises(OutputExistsError, match="--resume"):
        run(twice / f"a{suffix}", image)
    with pytest.raises(OutputExistsError, match="another k"):
        run(twice / f"a{suffix}", image, k=4, fingerprint={"k": 4}, resume=True)
    run(twice / f"a{suffix}", image, resume=True)
    assert files(twice) == files(once)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "bool"])
def test_what_is_not_in_memory_is_written(tmp_path: Path, suffix: str, dtype: str) -> None:
    values = (VALUES > 2000) if dtype == "bool" else (VALUES // 20).astype(dtype)
    if dtype == "bool" and suffix in (".nrrd", ".tif"):
        values = values.astype(np.uint8)
    write(tmp_path / f"a{suffix}", Image(Stored(values), "zyx", (2.0, 1.0, 0.5), "mm"))
    layout = io.Layout(shape=SHAPE, dtype=values.dtype.name) if suffix == ".raw" else None
    image = io.read(tmp_path / f"a{suffix}", lazy=False, layout=layout)
    np.testing.assert_array_equal(image.data, values)
    assert suffix == ".raw" or (image.spacing, image.unit) == ((2.0, 1.0, 0.5), "mm")
    with pytest.raises(OutputExistsError):
        write(tmp_path / f"a{suffix}", Image(Stored(values), "zyx"))
    write(tmp_path / f"a{suffix}", Image(Stored(values[::-1]), "zyx"), overwrite=True)
    np.testing.assert_array_equal(io.read(tmp_path / f"a{suffix}", lazy=False, layout=layout).data, values[::-1])


def test_the_format_is_known_before_the_work() -> None:
    lazy, whole = Image(Stored(VALUES), "zyx"), Image(VALUES, "zyx")
    assert is_streamed(Path("a.tif"), lazy)
    assert not is_streamed(Path("a.tif"), whole)
    assert is_streamed(Path("a.ome.zarr"), whole)
    assert not is_streamed(Path("a.npy"), whole)
    with pytest.raises(ParameterError, match=r"^a\.npy: \.npy is not written block by block"):
        is_streamed(Path("a.npy"), lazy)


def test_a_pyramid_of_labels_needs_labels() -> None:
    assert as_labels(Image(VALUES, "zyx")).meta["label_colors"] == ()
    for image in (Image(VALUES.astype(np.float32), "zyx"), Image(np.stack([VALUES] * 3, -1), "zyxc")):
        with pytest.raises(DataError, match="labels are integers"):
            as_labels(image)


def test_copies_keep_channels(tmp_path: Path) -> None:
    values = np.stack([VALUES, VALUES[::-1]], axis=-1)
    for suffix in (".tif", ".ome.zarr"):
        copy(tmp_path / f"a{suffix}", Image(Stored(values), "zyxc"), Workers(1), fingerprint={})
        image = io.read(tmp_path / f"a{suffix}", lazy=False)
        assert image.axes == "zyxc"
        np.testing.assert_array_equal(image.data, values)
