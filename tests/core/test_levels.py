"""Levels hold together, move to other thresholds and other data, and read back to the bit."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.count import histogram
from klevels.core.fit import fit_levels, fit_path
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.errors import InputMissingError, OutputExistsError, ParameterError, ReadError
from reference import assert_same_levels
from strategies import weighted_levels


@pytest.fixture
def levels() -> Levels:
    return fit_levels(Histogram.of([0, 1, 2, 10, 11, 20, 21], [9, 9, 9, 2, 2, 3, 3]), 2, noise_threshold=4.5)


@given(weighted_levels(max_levels=20, max_count=1000), st.integers(1, 20))
def test_what_was_fitted_is_what_classify_counts(weighted: tuple[list[int], list[int]], k: int) -> None:
    h = Histogram.of(*weighted)
    fitted = fit_levels(h, min(k, h.n_levels))
    voxels = np.repeat(*weighted)
    labels = fitted.classify(voxels)
    assert np.bincount(labels, minlength=fitted.n_classes).tolist() == fitted.counts.tolist()
    for label, center in enumerate(fitted.centers):
        assert voxels[labels == label].mean() == pytest.approx(center, rel=1e-14, abs=1e-14)
    assert (np.diff(fitted.centers) > 0).all()
    assert (fitted.centers[:-1] < fitted.thresholds).all()
    assert (fitted.thresholds < fitted.centers[1:]).all()


EMBEDDINGS = ["u1", "u2", "i2", ">u2", "i4", ">i4", "u4", "i8", "f2", "f4", ">f4", "f8", ">f8"]


@pytest.mark.parametrize("dtype", EMBEDDINGS)
def test_the_same_values_in_another_dtype_give_the_same_classes(dtype: str) -> None:
    rng = np.random.default_rng(3)
    image = np.clip(rng.normal(rng.choice([30, 90, 200], (40, 50)), 15), 0, 255).astype(np.uint8)
    assert (image.astype(dtype) == image).all()
    for a, b in zip(fit_path(histogram(image), 9), fit_path(histogram(image.astype(dtype)), 9), strict=True):
        assert_same_levels(a, b)
        np.testing.assert_array_equal(a.classify(image), b.classify(image.astype(dtype)))


def test_measures(levels: Levels) -> None:
    assert levels.n_classes == 3
    assert levels.k == 2
    assert levels.fractions.tolist() == pytest.approx([27 / 37, 4 / 37, 6 / 37])
    assert levels.explained_variance == 1 - levels.inertia / levels.total_inertia
    flat = fit_levels(Histogram.of([5], [9]), 1)
    assert flat.explained_variance == 1.0
    assert flat.inertia == flat.total_inertia == 0.0


@pytest.mark.parametrize("values", [np.arange(20) * 0.5, np.arange(20), 1e9 + np.arange(20)])
def test_on_other_data_the_inertia_is_about_the_old_centers(values: np.ndarray) -> None:
    fitted = fit_levels(Histogram.of(values[:12], np.arange(1, 13)), 3)
    other = Histogram.of(values, np.arange(2, 22))
    moved = fitted.on(other)
    labels = fitted.classify(values)
    expected = sum(
        count * (Fraction(value) - Fraction(fitted.centers[label].item())) ** 2
        for value, count, label in zip(values.tolist(), range(2, 22), labels.tolist(), strict=True)
    )
    assert moved.inertia == float(expected)
    assert moved.counts.tolist() == np.bincount(labels, np.arange(2, 22)).tolist()
    assert moved.total_inertia == fit_levels(other, 1).inertia
    assert moved.excess_bound is None
    assert moved.centers.tolist() == fitted.centers.tolist()
    assert moved.thresholds.tolist() == fitted.thresholds.tolist()


def test_on_data_that_leaves_classes_empty(levels: Levels) -> None:
    moved = levels.on(Histogram.of([20, 21]))
    assert moved.counts.tolist() == [0, 0, 2]
    assert moved.inertia == 0.5
    assert moved.fractions.tolist() == [0, 0, 1]


def test_thresholds_moved_by_hand_are_honored(levels: Levels) -> None:
    moved = levels.with_thresholds([0.5, 10])
    assert moved.noise_threshold == 0.5
    assert moved.classify([0, 1, 10, 10.5]).tolist() == [0, 1, 1, 2]
    assert moved.on(Histogram.of([0, 1, 10, 11])).counts.tolist() == [1, 2, 1]
    assert moved.centers.tolist() == levels.centers.tolist()
    for bad in ([1.0], [2.0, 1.0], [math.nan, 1.0], [1.0, 2.0, 3.0], []):
        with pytest.raises(ParameterError):
            levels.with_thresholds(bad)


@pytest.mark.parametrize(
    "fields",
    [
        {"centers": []},
        {"centers": [1.0, 2.0]},
        {"counts": [1, 2]},
        {"thresholds": []},
        {"thresholds": [16.0, 4.5]},
        {"thresholds": [4.5, math.nan]},
        {"centers": [1.0, math.nan, 20.0]},
        {"centers": [1.0, math.inf, 20.0]},
        {"counts": [1, -1, 2]},
        {"counts": [1, 1.5, 2]},
        {"counts": [1, "2", 2]},
        {"counts": [1, 2**70, 2]},
        {"inertia": -1.0},
        {"inertia": math.nan},
        {"total_inertia": math.nan},
        {"noise_threshold": 3.0},
        {"noise_threshold": "valley"},
        {"centers": "abc"},
        {"centers": None},
        {"excess_bound": []},
    ],
    ids=str,
)
def test_what_does_not_hold_together_is_refused(levels: Levels, fields: dict[str, object], tmp_path: Path) -> None:
    stored = {**levels.to_dict(), **fields}
    with pytest.raises(ParameterError) as caught:
        Levels.from_dict(stored)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
    (tmp_path / "m.json").write_text(json.dumps(stored))
    with pytest.raises(ReadError, match=r"m\.json: not a model"):
        Levels.load(tmp_path / "m.json")


@pytest.mark.parametrize("name", ["centers", "thresholds", "counts", "inertia", "total_inertia", "excess_bound"])
def test_a_missing_field_is_named(levels: Levels, name: str) -> None:
    stored = levels.to_dict()
    del stored[name]
    with pytest.raises(ParameterError, match=name):
        Levels.from_dict(stored)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=9, unique=True), st.booleans())
def test_models_read_back_to_the_bit(values: list[float], with_noise: bool) -> None:
    h = Histogram.of(values)
    fitted = (
        fit_levels(h, 1, noise_threshold=float(h.levels[0])) if with_noise and len(values) > 1 else fit_levels(h, 1)
    )
    back = Levels.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert_same_levels(back, fitted)
    assert back.counts.dtype == np.int64


def test_files_read_back_to_the_bit(levels: Levels, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    levels.save(path)
    assert_same_levels(Levels.load(str(path)), levels)
    with pytest.raises(OutputExistsError, match=r"m\.json: exists already"):
        levels.save(path)
    assert_same_levels(Levels.load(path), levels)
    levels.with_thresholds([1, 2]).save(path, overwrite=True)
    assert Levels.load(path).thresholds.tolist() == [1, 2]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 100_000, b"{}"])
def test_broken_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"m\.json: not a model") as caught:
        Levels.load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"none\.json: no such file"):
        Levels.load(tmp_path / "none.json")
    with pytest.raises(ReadError):
        Levels.load(tmp_path)


def test_arrays_are_read_only(levels: Levels) -> None:
    for array in (levels.centers, levels.thresholds, levels.counts):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
