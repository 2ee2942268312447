"""`segment` does histogram, noise, fit and labels in that order, and reports numbers that agree with the labels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.noise import split_noise
from klevels.errors import DataError, DataTypeError, KlevelsError, ParameterError, TooFewLevelsError
from klevels.image import Image
from klevels.pipeline import segment
from klevels.recipe import Recipe, Segmentation
from reference import assert_same_levels, inertia_of_labels


def _scan(dtype: str = "u2", shape: tuple[int, ...] = (12, 30, 40)) -> np.ndarray:
    rng = np.random.default_rng(5)
    gray = rng.normal(rng.choice([400, 1500, 2600], shape, p=[0.5, 0.2, 0.3]), 150)
    return gray.astype(dtype)


def _check(result: Segmentation, image: np.ndarray, inside: np.ndarray) -> None:
    """Check that everything reported follows from the labels."""
    labels, summary = result.labels.data, result.summary()
    n_classes = result.model.n_classes
    assert labels.shape == image.shape
    assert (labels[~inside] == result.ignore).all()
    counts = np.bincount(labels[inside], minlength=n_classes)
    assert summary["counts"] == counts.tolist()
    assert summary["n_voxels"] == image.size
    assert summary["n_ignored"] == result.n_ignored == np.count_nonzero(~inside)
    assert summary["fractions"] == pytest.approx((counts / counts.sum()).tolist())
    assert summary["inertia"] == float(inertia_of_labels(image[inside], labels[inside]))
    assert summary["centers"] == pytest.approx(
        [image[inside & (labels == j)].mean(dtype=float) for j in range(n_classes)]
    )
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.parametrize("dtype", ["u2", ">u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("noise", [None, "valley", "kmeans", "minimum-error", 900.0])
def test_numbers_follow_from_labels(dtype: str, noise: object) -> None:
    image = _scan(dtype)
    result = segment(image, 2, noise=noise)  # type: ignore[arg-type]
    _check(result, image, np.ones(image.shape, bool))
    assert result.summary()["k"] == 2
    assert len(result.summary()["centers"]) == (2 if noise is None else 3)
    if noise is None:
        assert_same_levels(result.model, fit_levels(histogram(image), 2))
    else:
        threshold = split_noise(histogram(image), noise)  # type: ignore[arg-type]
        assert result.model.noise_threshold == threshold
        np.testing.assert_array_equal(result.labels.data == 0, image <= threshold)


def test_masks_and_nan_are_left_out() -> None:
    image = _scan("f4")
    image[0, :3] = np.nan
    mask = np.random.default_rng(1).random(image.shape) < 0.7
    _check(segment(image, 3, mask=mask, nan="ignore"), image, mask & ~np.isnan(image))
    hidden = np.ma.masked_invalid(image)
    _check(segment(hidden, 3), image, ~np.isnan(image))
    with pytest.raises(DataError, match="NaN voxels; use nan='ignore'"):
        segment(image, 3)


def test_an_image_keeps_its_grid() -> None:
    image = Image(_scan(), "zyx", spacing=(2.0, 1.0, 1.0), unit="µm")
    result = segment(image, 2)
    assert result.labels.axes == "zyx"
    assert result.labels.spacing == image.spacing
    assert result.labels.unit == "µm"
    painted = result.paint()
    assert painted.spacing == image.spacing
    assert painted.dtype == np.uint16
    np.testing.assert_array_equal(painted.data, np.round(result.model.centers).astype(np.uint16)[result.labels.data])
    assert result.paint(np.float64).data[0, 0, 0] in result.model.centers


def test_paint_is_in_the_images_dtype_in_native_byte_order() -> None:
    assert segment(_scan(">u2"), 2).paint().dtype == np.dtype(np.uint16)


def test_a_model_is_applied_as_it_is() -> None:
    model = segment(_scan(), 3).model
    other = _scan()[:, ::2] + np.uint16(60)
    mask = other > 500
    applied = segment(other, recipe=Recipe(k=3, model=model), mask=mask)
    np.testing.assert_array_equal(applied.labels.data, model.classify(other, mask=mask))
    assert applied.model.thresholds.tolist() == model.thresholds.tolist()
    assert applied.model.centers.tolist() == model.centers.tolist()
    assert applied.model.counts.tolist() == np.bincount(applied.labels.data[mask], minlength=3).tolist()
    assert applied.summary()["excess_bound"] is None
    assert applied.n_ignored == np.count_nonzero(~mask)


def test_beyond_255_classes_labels_are_16_bit() -> None:
    image = np.arange(600, dtype=np.uint16).reshape(20, 30)
    result = segment(image, 300, mask=image > 0)
    assert result.labels.dtype == np.uint16
    assert result.labels.data[0, 0] == result.ignore == 65535
    assert segment(image, 255).labels.dtype == np.uint8


def test_threads_change_nothing() -> None:
    image = np.random.default_rng(1).standard_normal((3, 1000, 900)).astype(np.float32)
    one = segment(image, 4, threads=1)
    for threads in (2, 4):
        other = segment(image, 4, threads=threads)
        assert other.summary() == one.summary()
        np.testing.assert_array_equal(other.labels.data, one.labels.data)


BAD = {
    "k missing": (lambda: segment(_scan()), ParameterError, ValueError, "k is missing; give the number"),
    "k = 0": (lambda: segment(_scan(), 0), ParameterError, ValueError, "k is 0; give an integer from 1"),
    "k = 2.0": (lambda: segment(_scan(), 2.0), ParameterError, ValueError, r"k is 2\.0; give an integer"),  # type: ignore[arg-type]
    "k too great": (lambda: segment(np.eye(3), 3), TooFewLevelsError, ValueError, "k is 3, .*; give k <= 2"),
    "two recipes": (lambda: segment(_scan(), 2, recipe=Recipe(k=2)), ParameterError, ValueError, "give one of them"),
    "empty": (lambda: segment(np.zeros((0, 4)), 1), DataError, ValueError, "empty, of shape .*; give at least"),
    "all masked": (
        lambda: segment(np.eye(3), 1, mask=np.zeros((3, 3), bool)),
        DataError,
        ValueError,
        "the mask leaves no voxel; give",
    ),
    "all NaN": (lambda: segment(np.full((2, 2), np.nan), 1, nan="ignore"), DataError, ValueError, "every voxel is NaN"),
    "NaN": (lambda: segment(np.full((2, 2), np.nan), 1), DataError, ValueError, "4 NaN voxels; use nan='ignore'"),
    "infinite": (lambda: segment(np.full((2, 2), np.inf), 1), DataError, ValueError, "4 infinite voxels; mask them"),
    "complex": (lambda: segment(np.eye(3, dtype=complex), 1), DataTypeError, TypeError, "complex128; klevels takes"),
    "object": (lambda: segment(np.eye(3, dtype=object), 1), DataTypeError, TypeError, "object; klevels takes"),
    "strings": (lambda: segment(np.array([["a"]]), 1), DataTypeError, TypeError, "<U1; klevels takes"),
    "dates": (lambda: segment(np.zeros((2, 2), "M8[s]"), 1), DataTypeError, TypeError, "klevels takes"),
    "uint64": (lambda: segment(np.eye(3, dtype=np.uint64), 1), DataTypeError, TypeError, "uint64; klevels takes"),
    "mask shape": (lambda: segment(np.eye(3), 1, mask=[True]), DataError, ValueError, "the mask has shape"),
    "mask dtype": (lambda: segment(np.eye(3), 1, mask=np.eye(3)), DataTypeError, TypeError, "the mask is of dtype"),
    "RGB": (lambda: segment(np.zeros((9, 9, 3), np.uint8), 1), DataError, ValueError, "looks like color; convert"),
    "RGBA": (lambda: segment(np.zeros((9, 9, 4), np.uint8), 1), DataError, ValueError, "looks like color; convert"),
    "channels and noise": (
        lambda: segment(Image(np.zeros((9, 9, 5), np.uint8), "yxc"), 1, noise="valley"),
        ParameterError,
        ValueError,
        "noise is 'valley', which is for gray images; read it with gray",
    ),
    "1 axis": (lambda: segment(np.zeros(9), 1), DataError, ValueError, "the image has 1 axes; give two"),
    "4 axes": (lambda: segment(np.zeros((2, 2, 2, 2)), 1), DataError, ValueError, "the image has 4 axes; give two"),
    "noise": (lambda: segment(_scan(), 1, noise="dark"), ParameterError, ValueError, "noise is 'dark'; use valley"),  # type: ignore[arg-type]
    "noise above all": (lambda: segment(_scan(), 1, noise=1e6), DataError, ValueError, "leaves no signal; give"),
    "nan": (lambda: segment(_scan(), 1, nan="keep"), ParameterError, ValueError, "nan is 'keep'; use"),  # type: ignore[arg-type]
    "threads": (lambda: segment(_scan(), 1, threads=0), ParameterError, ValueError, "threads is 0; give"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_line(name: str) -> None:
    call, kind, builtin, message = BAD[name]
    with pytest.raises(kind, match=message) as caught:
        call()
    assert type(caught.value) is kind
    assert isinstance(caught.value, KlevelsError)
    assert isinstance(caught.value, builtin)
    assert "\n" not in str(caught.value)


def test_a_thin_volume_is_told_from_color_by_its_axes() -> None:
    data = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert segment(Image(data, "zyx"), 2).labels.shape == (4, 4, 3)


MEMORY = """
import numpy as np
from pathlib import Path
from klevels.pipeline import segment

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

rng = np.random.default_rng(1)
volume = np.empty((256, 256, 256), np.uint16)
for plane in volume:
    plane[...] = rng.integers(0, 65536, plane.shape)
segment(volume[:4], 8)
before = status("VmRSS")
result = segment(volume, 8)
print(status("VmHWM") - before, result.labels.data.nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_extra_memory_is_the_labels_and_16_mb_at_most() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    extra, labels = (int(word) for word in done.stdout.split())
    assert extra <= labels + 16 * 2**20
    assert extra >= 0.9 * labels, "the measure would see an allocation of this size"


@pytest.mark.parametrize("name", ["cement_128x128x128", "concrete_x-ray-bin16", "snow"])
def test_real_scans(name: str, shared_data: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    image = tifffile.imread(shared_data / "microct" / f"{name}.tif")
    _check(segment(image, 4), image, np.ones(image.shape, bool))
