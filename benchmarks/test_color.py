"""Photographs in few colors: how good, and how fast, each beside its peers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import klevels
from benchmarks import peers_color
from benchmarks.conftest import Measure
from benchmarks.peers_color import Picture

Painter = Callable[[Picture, int], Picture]
Photo = Callable[[str], Picture]
QUALITIES = ("fast", "default", "best")
N_SAMPLES = 2000

BEST_KNOWN = {
    "china.jpg": {8: 631.553, 32: 189.776, 256: 42.617},
    "flower.jpg": {8: 434.092, 32: 123.997, 256: 26.869},
    "kodim01.png": {8: 260.060, 32: 49.332, 256: 10.159},
    "kodim03.png": {8: 672.868, 32: 144.671, 256: 19.354},
    "kodim05.png": {8: 674.032, 32: 186.031, 256: 36.109},
    "kodim08.png": {8: 516.790, 32: 128.490, 256: 23.923},
    "kodim23.png": {8: 888.075, 32: 226.432, 256: 40.993},
}
"""The least MSE that was found before klevels, by long searches with random swaps of centers."""


def by_klevels(quality: str, picture: Picture, k: int, space: str = "rgb") -> Picture:
    return klevels.posterize(picture, k, space=space, quality=quality).image.data


fast, default, best = (partial(by_klevels, quality) for quality in QUALITIES)


class TestQuality:
    """The inertia of the palette, centers not rounded, against the best that is known."""

    @pytest.mark.parametrize("quality", QUALITIES)
    @pytest.mark.parametrize("k", [8, 32, 256])
    @pytest.mark.parametrize("name", BEST_KNOWN)
    def test_mse(self, measure: Measure, photo: Photo, small: bool, name: str, k: int, quality: str) -> None:
        picture = photo(name)

        def check(poster: klevels.Poster) -> dict[str, Any]:
            inertia = checked_inertia(picture, poster.labels.data, poster.palette, quality)
            assert poster.palette.inertia == pytest.approx(inertia, rel=1e-9)
            facts: dict[str, Any] = {"photo": name, "k": k, "mse": inertia / poster.labels.data.size}
            return facts if small else {**facts, "known": BEST_KNOWN[name][k]}

        def work() -> klevels.Poster:
            return klevels.posterize(picture, k, quality=quality)

        measure(f"quality, {name}, k = {k}", f"klevels {quality}", work, check, rounds=1)


def checked_inertia(picture: NDArray[Any], labels: NDArray[Any], palette: klevels.Palette, quality: str) -> float:
    """Return the inertia of labels, in float64; assert that they are the nearest centers, and these their means.

    `fast` ends a little before: its centers are the means of the pass before, within two gray values.
    """
    points, places = picture.reshape(-1, picture.shape[-1]).astype(np.float64), labels.ravel()
    np.testing.assert_array_equal(palette.counts, np.bincount(places, minlength=palette.k))
    sums = np.stack([np.bincount(places, channel, palette.k) for channel in points.T], axis=1)
    off = 2.0 if quality == "fast" else 0.0
    np.testing.assert_allclose(palette.centers, sums / palette.counts[:, None], rtol=1e-9, atol=off)
    some = np.random.default_rng(3).integers(0, len(points), N_SAMPLES)
    distances = ((points[some, None] - palette.centers) ** 2).sum(axis=-1)
    taken = np.take_along_axis(distances, places[some, None].astype(np.intp), axis=1)[:, 0]
    np.testing.assert_allclose(taken, distances.min(axis=1), rtol=1e-9, atol=1e-9)
    return float(((points - palette.centers[places]) ** 2).sum())


class TestPhotograph:
    """From china.jpg in memory to its poster in 8 bits: counting, fitting, labeling and painting."""

    @pytest.mark.parametrize("k", [8, 64, 256])
    @pytest.mark.parametrize(
        ("who", "work", "rounds", "ours"),
        [
            ("klevels fast", fast, 15, None),
            ("klevels default", default, 9, None),
            ("klevels best", best, 1, None),
            ("libimagequant", peers_color.libimagequant, 15, fast),
            ("Pillow median cut", peers_color.pillow_median_cut, 9, None),
            ("Pillow median cut, kmeans=1", peers_color.pillow_median_cut_kmeans, 1, None),
            ("Pillow octree", peers_color.pillow_octree, 9, None),
            ("faiss Kmeans", peers_color.faiss_kmeans, 3, None),
            ("faiss Kmeans, all pixels, 100 passes", peers_color.faiss_kmeans_all, 1, None),
            ("OpenCV kmeans", peers_color.opencv_kmeans, 1, None),
            ("scikit-learn MiniBatchKMeans", peers_color.sklearn_minibatch, 1, None),
            ("scikit-learn BisectingKMeans", peers_color.sklearn_bisecting, 1, None),
            ("scikit-learn KMeans, n_init=1", peers_color.sklearn_kmeans_once, 1, None),
            ("scikit-learn KMeans, n_init=4", peers_color.sklearn_kmeans, 1, default),
            ("scikit-learn KMeans, n_init=4, float64", peers_color.sklearn_kmeans_float64, 1, default),
        ],
    )
    def test_poster(
        self,
        measure: Measure,
        photo: Photo,
        small: bool,
        who: str,
        work: Painter,
        rounds: int,
        ours: Painter | None,
        k: int,
    ) -> None:
        """A peer is judged by the picture that it paints; those of the targets are timed by turns with ours."""
        picture = photo("china.jpg")

        def check(poster: Picture) -> dict[str, Any]:
            assert len(np.unique(poster.reshape(-1, 3), axis=0)) <= k
            return {"k": k, **peers_color.errors_of(picture, poster)}

        beside = None if ours is None else lambda: ours(picture, k)
        measure(f"photograph, k = {k}", who, lambda: work(picture, k), check, 1 if small else rounds, beside)


class TestLooks:
    """The same, as people see it: the mean CIEDE2000 and the structural similarity, and no MSE."""

    @pytest.mark.parametrize("k", [8, 64, 256])
    @pytest.mark.parametrize("who", ["klevels rgb", "klevels lab", "klevels oklab", "libimagequant"])
    def test_poster(self, measure: Measure, photo: Photo, who: str, k: int) -> None:
        picture = photo("china.jpg")

        def check(poster: Picture) -> dict[str, Any]:
            errors = peers_color.errors_of(picture, poster)
            difference = peers_color.color_difference(picture, poster)
            return {"k": k, "difference": difference, "ssim": errors["ssim"], "dssim": errors["dssim"]}

        def work() -> Picture:
            if who == "libimagequant":
                return peers_color.libimagequant(picture, k)
            return by_klevels("default", picture, k, who.removeprefix("klevels "))

        measure(f"looks, k = {k}", who, work, check, rounds=1)


class TestLargePhotograph:
    """100 megapixels, 16 colors."""

    def test_labels(self, measure: Measure, large_photo: Picture, small: bool) -> None:
        def check(poster: klevels.Poster) -> dict[str, Any]:
            palette, labels = poster.palette, poster.labels.data
            inertia = sum(
                float(((part - palette.centers[labeled]) ** 2).sum())
                for part, labeled in zip(large_photo, labels, strict=True)
            )
            assert palette.inertia == pytest.approx(inertia, rel=1e-9)
            np.testing.assert_array_equal(palette.counts, np.bincount(labels.ravel(), minlength=16))
            return {"voxels": labels.size, "found": f"{poster.n_colors:,} colors, MSE {inertia / labels.size:.2f}"}

        rounds = 1 if small else 5
        measure("100 megapixels", "klevels", lambda: klevels.posterize(large_photo, 16), check, rounds)

    def test_painting(self, measure: Measure, large_photo: Picture, small: bool) -> None:
        poster = klevels.posterize(large_photo, 16)
        table = np.rint(poster.palette.colors).astype(np.uint8)

        def check(picture: Picture) -> dict[str, Any]:
            for part, labeled in zip(picture, poster.labels.data, strict=True):
                np.testing.assert_array_equal(part, table[labeled])
            return {"voxels": poster.labels.data.size}

        def work() -> Picture:
            return poster.palette.paint(poster.labels.data, np.uint8)

        measure("100 megapixels: painting", "klevels", work, check, 1 if small else 5)

    @pytest.mark.parametrize(("who", "method"), [("Pillow median cut", 0), ("Pillow octree", 2)])
    def test_pillow(self, measure: Measure, large_photo: Picture, who: str, method: int) -> None:
        """Labels and a palette, as ours: nothing is painted."""
        import PIL.Image

        picture = PIL.Image.fromarray(large_photo)

        def check(found: PIL.Image.Image) -> dict[str, Any]:
            colors, error = np.array(found.getpalette()).reshape(-1, 3), 0
            for part, labeled in zip(large_photo, np.asarray(found), strict=True):
                error += int(((part - colors[labeled]) ** 2).sum())
            n_pixels = found.width * found.height
            return {"voxels": n_pixels, "found": f"MSE {error / n_pixels:.2f}"}

        measure("100 megapixels", who, lambda: picture.quantize(16, method), check, rounds=1)
