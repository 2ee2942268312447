"""The main job in memory: histogram, fit and labels, at several sizes, each beside its peers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import klevels
from benchmarks import peers
from benchmarks.conftest import Measure

Peer = Callable[[NDArray[Any], int], NDArray[Any]]
K_MAX = 16


def by_klevels(image: NDArray[Any], k: int) -> NDArray[Any]:
    return klevels.segment(image, k).labels.data


class TestVolume:
    """512³ voxels of uint16, 8 classes."""

    @pytest.mark.parametrize(
        ("who", "work", "other"),
        [
            ("klevels", by_klevels, peers.opencv_ckwrap),
            ("OpenCV calcHist + ckwrap + OpenCV LUT", peers.opencv_ckwrap, by_klevels),
        ],
    )
    def test_segment(self, measure: Measure, volume: NDArray[Any], who: str, work: Peer, other: Peer) -> None:
        def check(labels: NDArray[Any]) -> dict[str, float]:
            assert labels.dtype == np.uint8
            np.testing.assert_array_equal(labels, other(volume, 8))
            return {"voxels": volume.size}

        measure("volume", who, lambda: work(volume, 8), check, 25, beside(work, volume, 8))

    @pytest.mark.parametrize(
        ("who", "work"),
        [
            ("klevels", lambda image: klevels.histogram(image)),
            ("OpenCV calcHist", peers.opencv_histogram),
            ("NumPy bincount", peers.numpy_histogram),
        ],
    )
    def test_histogram(self, measure: Measure, volume: NDArray[Any], who: str, work: Callable[..., Any]) -> None:
        def check(found: klevels.Histogram | NDArray[np.int64]) -> dict[str, float]:
            expected = sum(np.bincount(part.ravel(), minlength=65536) for part in volume)
            counts = found.counts if isinstance(found, klevels.Histogram) else found[found > 0]
            np.testing.assert_array_equal(counts, expected[expected > 0])
            return {"voxels": volume.size}

        measure("volume: histogram", who, lambda: work(volume), check, rounds=3 if who == "NumPy bincount" else 25)

    @pytest.mark.parametrize("who", ["klevels", "OpenCV LUT", "NumPy take"])
    def test_labels(self, measure: Measure, volume: NDArray[Any], who: str) -> None:
        import cv2

        levels = klevels.fit_levels(klevels.histogram(volume), 8)
        table = np.searchsorted(levels.thresholds, np.arange(65536), side="left").astype(np.uint8)
        work: dict[str, Callable[[], NDArray[Any]]] = {
            "klevels": lambda: levels.classify(volume),
            "OpenCV LUT": lambda: cv2.LUT(volume.reshape(-1, volume.shape[-1]), table).reshape(volume.shape),
            "NumPy take": lambda: np.take(table, volume),
        }

        def check(labels: NDArray[Any]) -> dict[str, float]:
            for part, labeled in zip(volume, labels, strict=True):
                np.testing.assert_array_equal(labeled, table[part])
            return {"voxels": volume.size}

        measure("volume: labels", who, work[who], check, rounds=3 if who == "NumPy take" else 25)


class TestSlice:
    """The everyday case: 2048² pixels. A peer's labels are judged by their inertia, recomputed in whole numbers."""

    @pytest.mark.parametrize(
        ("who", "work", "rounds"),
        [
            ("klevels", by_klevels, 25),
            ("OpenCV calcHist + ckwrap + OpenCV LUT", peers.opencv_ckwrap, 25),
            ("kmeans1d", peers.kmeans1d_voxels, 1),
            ("scikit-learn MiniBatchKMeans", peers.sklearn_minibatch, 1),
            ("scikit-learn KMeans", peers.sklearn_kmeans, 1),
            ("SimpleITK ScalarImageKmeans", peers.itk_kmeans, 1),
            ("OpenCV kmeans", peers.opencv_kmeans, 1),
        ],
    )
    def test_16_bit(self, measure: Measure, image: NDArray[Any], who: str, work: Peer, rounds: int) -> None:
        compare(measure, "slice, 16-bit", image, 8, who, work, rounds)

    @pytest.mark.parametrize(
        ("who", "work", "rounds"),
        [
            ("klevels", by_klevels, 25),
            ("OpenCV calcHist + ckwrap + OpenCV LUT", peers.opencv_ckwrap, 25),
            ("SimpleITK OtsuMultipleThresholds", peers.itk_otsu, 3),
            ("scikit-image threshold_multiotsu", peers.skimage_otsu, 3),
        ],
    )
    def test_8_bit(self, measure: Measure, image: NDArray[Any], who: str, work: Peer, rounds: int) -> None:
        """Where multi-Otsu finishes: 8 bits, few classes."""
        compare(measure, "slice, 8-bit", (image >> 8).astype(np.uint8), 4, who, work, rounds)


def compare(measure: Measure, job: str, image: NDArray[Any], k: int, who: str, work: Peer, rounds: int) -> None:
    ours = klevels.segment(image, k)
    optimum = peers.exact_inertia(image, ours.labels.data)
    assert ours.model.inertia == float(optimum)

    def check(labels: NDArray[Any]) -> dict[str, float]:
        found = peers.exact_inertia(image, labels)
        assert found >= optimum
        return {"voxels": image.size, "excess": float(found / optimum - 1)}

    measure(job, who, lambda: work(image, k), check, rounds, beside(work, image, k))


def beside(work: Peer, image: NDArray[Any], k: int) -> Callable[[], object] | None:
    """Return klevels' way of doing what the best peer does; None for the others, which are far slower."""
    return (lambda: by_klevels(image, k)) if work is peers.opencv_ckwrap else None


COUNTS = {
    "random counts": np.random.default_rng(5).integers(1, 1000, 65536),
    "equal counts": np.ones(65536, np.int64),
    "256 levels": np.random.default_rng(6).integers(1, 1000, 256),
}


class TestPath:
    """The optimum for every k up to 16; the peers find that for 16 alone."""

    @pytest.mark.parametrize("job", COUNTS)
    def test_klevels(self, measure: Measure, job: str) -> None:
        counts = COUNTS[job]
        levels = np.arange(len(counts))
        histogram = klevels.Histogram.of(levels, counts)

        def check(path: tuple[klevels.Levels, ...]) -> dict[str, float]:
            for k, found in enumerate(path, start=1):
                edges = [0, *np.searchsorted(levels, found.thresholds, side="right"), len(levels)]
                assert found.inertia == float(inertia_of_parts(levels, counts, edges))
                assert found.n_classes == k
            assert all(more.inertia < fewer.inertia for fewer, more in pairwise(path))
            assert path[-1].inertia <= float(inertia_of_labels(levels, counts, peers.ckwrap_cuts))
            if job == "equal counts":
                assert path[-1].inertia == K_MAX * equal_inertia(len(levels) // K_MAX)
            return {}

        measure(f"path, {job}", "klevels", lambda: klevels.fit_path(histogram, K_MAX), check, path_rounds(counts))

    @pytest.mark.parametrize(
        ("job", "who", "work"),
        [
            *((job, "ckwrap", peers.ckwrap_cuts) for job in COUNTS),
            ("equal counts", "kmeans1d", peers.kmeans1d_cuts),
        ],
    )
    def test_peer(self, measure: Measure, job: str, who: str, work: Callable[..., NDArray[Any]]) -> None:
        counts = COUNTS[job]
        levels = np.arange(len(counts))
        optimum = klevels.fit_levels(klevels.Histogram.of(levels, counts), K_MAX).inertia

        def check(labels: NDArray[Any]) -> dict[str, float]:
            found = float(inertia_of_labels(levels, counts, lambda *_: labels))
            assert found >= optimum
            return {"excess": found / optimum - 1}

        measure(f"path, {job}", f"{who}, a single k", lambda: work(levels, counts, K_MAX), check, path_rounds(counts))


def path_rounds(counts: NDArray[Any]) -> int:
    """Return how often to run: a millisecond needs many more tries than 50 to be seen undisturbed."""
    return 300 if len(counts) == 256 else 15


def inertia_of_parts(levels: NDArray[Any], counts: NDArray[Any], edges: list[int]) -> Fraction:
    return sum((peers.inertia_of_levels(levels[a:b], counts[a:b]) for a, b in pairwise(edges)), Fraction())


def inertia_of_labels(levels: NDArray[Any], counts: NDArray[Any], work: Callable[..., NDArray[Any]]) -> Fraction:
    labels = work(levels, counts, K_MAX)
    return sum((peers.inertia_of_levels(levels, counts * (labels == j)) for j in range(K_MAX)), Fraction())


def equal_inertia(n: int) -> float:
    """Return the inertia of the numbers 0 to n - 1 about their mean."""
    return n * (n * n - 1) / 12


class TestOtherData:
    """What has no fair peer: 8-bit and float volumes, and the advice on k."""

    @pytest.mark.parametrize(
        ("who", "work"), [("klevels", by_klevels), ("OpenCV calcHist + ckwrap + OpenCV LUT", peers.opencv_ckwrap)]
    )
    def test_8_bit_volume(self, measure: Measure, volume: NDArray[Any], who: str, work: Peer) -> None:
        narrow = (volume >> 8).astype(np.uint8)
        expected = klevels.fit_levels(klevels.histogram(narrow), 8)

        def check(labels: NDArray[Any]) -> dict[str, float]:
            assert expected.inertia == float(peers.exact_inertia(narrow, labels))
            return {"voxels": narrow.size}

        measure("volume, 8-bit", who, lambda: work(narrow, 8), check, 25, beside(work, narrow, 8))

    def test_float_volume(self, measure: Measure, float_volume: NDArray[np.float32]) -> None:
        """Nearly all voxels differ: bins, and a bound on what they cost."""

        def check(found: klevels.Segmentation) -> dict[str, float]:
            model, labels = found.model, found.labels.data
            np.testing.assert_array_equal(model.counts, np.bincount(labels.ravel(), minlength=8))
            inertia = 0.0
            for part, labeled in zip(float_volume, labels, strict=True):
                assert (labeled == np.searchsorted(model.thresholds, part, side="left")).all()
                inertia += float(np.sum((part - model.centers[labeled]) ** 2))
            assert model.inertia == pytest.approx(inertia, rel=1e-9)
            assert model.excess_bound is not None
            return {"voxels": labels.size}

        measure("volume, float32", "klevels", lambda: klevels.segment(float_volume, 8), check)

    def test_float_histogram(self, measure: Measure, float_volume: NDArray[np.float32]) -> None:
        """Not the job, but its first third, in uniform bins: for scale."""
        edges = (float(float_volume.min()), float(float_volume.max()))

        def check(counts: NDArray[np.int64]) -> dict[str, float]:
            assert counts.sum() == float_volume.size
            return {"voxels": float_volume.size}

        who = "NumPy histogram, 65536 bins, nothing else"
        measure("volume, float32", who, lambda: np.histogram(float_volume, 65536, edges)[0], check, rounds=1)


class TestChooseK:
    """Every k from 1 to 16 with its inertia, BIC and silhouette over all pixels of a slice."""

    def test_klevels(self, measure: Measure, image: NDArray[Any]) -> None:
        from sklearn.metrics import silhouette_score

        part = image[:24, :24]
        few = klevels.choose_k(klevels.histogram(part), 3)
        expected = silhouette_score(part.reshape(-1, 1), few.levels[2].classify(part).ravel(), metric="l1")
        assert few.silhouette[2] == pytest.approx(expected, abs=1e-9)
        histogram = klevels.histogram(image)
        path = klevels.fit_path(histogram, K_MAX)

        def check(sweep: klevels.KSweep) -> dict[str, float]:
            assert sweep.inertia.tolist() == [levels.inertia for levels in path]
            return {}

        measure("choose_k", "klevels", lambda: klevels.choose_k(histogram, K_MAX), check)

    def test_sklearn(self, measure: Measure, image: NDArray[Any]) -> None:
        """n² distances: all pixels would need terabytes."""
        from sklearn.metrics import silhouette_score

        part = image[:100, :100]
        found = klevels.choose_k(klevels.histogram(part), 3)
        labels = found.levels[2].classify(part).ravel()
        gray = part.reshape(-1, 1).astype(np.float64)

        def check(silhouette: float) -> dict[str, float]:
            assert found.silhouette[2] == pytest.approx(silhouette, abs=1e-9)
            return {}

        who = "scikit-learn silhouette_score, 10 000 pixels, a single k"
        measure("choose_k", who, lambda: silhouette_score(gray, labels), check, rounds=1)
