"""Clusters beyond one photograph: great counts, many points of one feature, scans of several channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import klevels
from benchmarks.conftest import Measure

Photo = Callable[[str], NDArray[np.uint8]]


class TestGreatCounts:
    """Counts of more than 2**31 pixels, where float32 and int32 fail."""

    @pytest.mark.parametrize("factor", [2**14, 9973])
    def test_scaled(self, measure: Measure, photo: Photo, small: bool, factor: int) -> None:
        """The same colors, each seen many times as often, have the same centers."""
        table = klevels.count_colors(photo("china.jpg"))
        if small:
            factor *= 256
        often = replace(table, counts=table.counts * factor)
        expected = klevels.fit_palette(table, 64)

        def check(palette: klevels.Palette) -> dict[str, Any]:
            assert often.n_pixels > 2**31
            if factor & (factor - 1) == 0:
                np.testing.assert_array_equal(palette.centers, expected.centers)
                assert palette.inertia == expected.inertia * factor
            np.testing.assert_allclose(palette.centers, expected.centers, rtol=1e-12)
            np.testing.assert_array_equal(palette.counts, expected.counts * factor)
            assert palette.inertia == pytest.approx(expected.inertia * factor, rel=1e-12)
            return {"found": f"{often.n_pixels / 2**31:.3g} × 2³¹ pixels, the same centers"}

        measure(
            "counts times a number", f"klevels, × {factor}", lambda: klevels.fit_palette(often, 64), check, rounds=1
        )


class TestManyPoints:
    """60 million float32 points, three tenths of them 1 and the others 100."""

    @pytest.mark.parametrize("who", ["klevels KMeans", "scikit-learn KMeans"])
    def test_two_levels(self, measure: Measure, small: bool, who: str) -> None:
        n_points = 6_000 if small else 60_000_000
        low = np.random.default_rng(17).random(n_points, dtype=np.float32) < 0.3
        points = np.where(low, np.float32(1), np.float32(100)).reshape(-1, 1)

        def check(found: tuple[NDArray[Any], NDArray[Any]]) -> dict[str, Any]:
            centers, labels = found
            np.testing.assert_array_equal(np.argsort(np.argsort(centers[:, 0]))[labels], ~low)
            if who == "klevels KMeans":
                assert centers.tolist() == [[1.0], [100.0]]
            first, second = sorted(float(center) for center in centers[:, 0])
            return {"voxels": n_points, "centers": [first, second], "found": f"centers {first:.6g} and {second:.6g}"}

        def work() -> tuple[NDArray[Any], NDArray[Any]]:
            if who == "klevels KMeans":
                fitted = klevels.KMeans(n_clusters=2, random_state=0).fit(points)
            else:
                from sklearn.cluster import KMeans

                fitted = KMeans(n_clusters=2, n_init=1, random_state=0).fit(points)
            return fitted.cluster_centers_, fitted.labels_

        measure("60 M points of two levels", who, work, check, rounds=1)


class TestChannels:
    """256³ voxels of two channels, uint16, 4 classes; labels are judged by their inertia, recomputed in float64."""

    @pytest.mark.parametrize(
        ("who", "rounds"), [("klevels", 3), ("scikit-learn KMeans", 1), ("scikit-learn MiniBatchKMeans", 1)]
    )
    def test_segment(self, measure: Measure, two_energies: NDArray[np.uint16], who: str, rounds: int) -> None:
        scan = klevels.Image(two_energies, "zyxc")
        ours = klevels.segment(scan, 4)
        least = inertia_of(two_energies, ours.labels.data)
        # The model counts whole bins, each voxel may be nearer to another center.
        assert least <= ours.model.inertia * (1 + 1e-12)
        assert least == pytest.approx(ours.model.inertia, rel=1e-3)

        def check(labels: NDArray[Any]) -> dict[str, Any]:
            inertia = inertia_of(two_energies, labels)
            return {"voxels": labels.size, "excess": inertia / least - 1}

        measure("two channels", who, lambda: segment_by(who, scan), check, rounds)


def segment_by(who: str, scan: klevels.Image) -> NDArray[Any]:
    if who == "klevels":
        return klevels.segment(scan, 4).labels.data
    from sklearn.cluster import KMeans, MiniBatchKMeans

    points = scan.data.reshape(-1, 2).astype(np.float32)
    fitted: KMeans | MiniBatchKMeans
    if who == "scikit-learn KMeans":
        fitted = KMeans(n_clusters=4, n_init=1, random_state=0).fit(points)
    else:
        fitted = MiniBatchKMeans(n_clusters=4, n_init=1, random_state=0).fit(points)
    return fitted.labels_.reshape(scan.data.shape[:-1])


def inertia_of(scan: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the sum of squared distances from the means of the classes."""
    places = labels.ravel()
    counts = np.bincount(places)
    inertia = 0.0
    for channel in np.moveaxis(scan, -1, 0):
        values = channel.ravel().astype(np.float64)
        means = np.bincount(places, values) / counts
        inertia += float(((values - means[places]) ** 2).sum())
    return inertia
