"""Filters: how fast, each beside its peers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import peers_denoise as peers
from benchmarks.conftest import Measure
from benchmarks.phantoms import Phantom, phantom
from klevels.core import bilateral, total_variation
from klevels.core.denoise import Filter

Gray = NDArray[Any]
Work = Callable[[Gray], Gray]
NOISE, LENGTH = 4000.0, 6.0
N_SLICES = 32
"""Of a volume, for peers that would take minutes; klevels runs beside them on the same ones."""
SIGMA = 1.0


def by_klevels(method: str, image: Gray, strength: float | None = None) -> Gray:
    return Filter(method, strength).resolved(NOISE).apply(image)


@pytest.fixture(scope="module")
def volume(small: bool) -> Phantom:
    """Three phases with noise, 256³ voxels of uint16."""
    return phantom((32, 32, 32) if small else (256, 256, 256), NOISE, LENGTH, seed=1)


@pytest.fixture(scope="module")
def image(small: bool) -> Phantom:
    """The same in two dimensions, 2048²."""
    return phantom((64, 64) if small else (2048, 2048), NOISE, LENGTH, seed=1)


def compare(
    measure: Measure,
    job: str,
    scan: Phantom,
    who: str,
    ours: Work,
    peer: Work | None,
    assert_right: Callable[[Gray, Gray], None] | None = None,
    n_rows: int | None = None,
    rounds: int = 7,
) -> None:
    """Time klevels on all of a scan, or a peer on its first rows, beside klevels on the same.

    `assert_right` takes the gray values and what became of them. Whatever it is, it must bring the image nearer to the
    one without noise.
    """
    part = Phantom(*(array[:n_rows] for array in (scan.image, scan.truth, scan.clean))) if peer else scan

    def check(found: Gray) -> dict[str, Any]:
        assert found.shape == part.image.shape
        if assert_right is not None:
            assert_right(part.image, found)
        rmse = part.rmse(found)
        assert rmse < part.rmse(part.image)
        facts = {"voxels": part.image.size, "rmse": rmse}
        if part.image.size < scan.image.size:
            facts["found"] = f"RMSE of klevels on this part: {part.rmse(ours(part.image)):.4g}"
        return facts

    beside = None if peer is None else lambda: ours(part.image)
    measure(f"denoise: {job}", who, lambda: (peer or ours)(part.image), check, rounds, beside)


class TestMedian:
    """The box of a radius of 1 and 2. Every answer is SciPy's, away from borders that peers treat differently."""

    @pytest.mark.parametrize("radius", [1, 2])
    @pytest.mark.parametrize(
        ("who", "peer"), [("klevels", None), ("SciPy", peers.scipy_median), ("SimpleITK", peers.itk_median)]
    )
    def test_volume(self, measure: Measure, volume: Phantom, who: str, peer: Any, radius: int) -> None:
        job = f"median {2 * radius + 1}³"
        work = None if peer is None else partial(peer, radius=radius)
        ours = partial(by_klevels, "median", strength=radius)
        right = partial(assert_median, radius=radius)
        compare(measure, job, volume, who, ours, work, right, N_SLICES, rounds=1 if peer else 7)

    @pytest.mark.parametrize("radius", [1, 2])
    @pytest.mark.parametrize(
        ("who", "peer"), [("klevels", None), ("SciPy", peers.scipy_median), ("OpenCV", peers.opencv_median)]
    )
    def test_image(self, measure: Measure, image: Phantom, who: str, peer: Any, radius: int) -> None:
        job = f"median {2 * radius + 1}², 2-D"
        work = None if peer is None else partial(peer, radius=radius)
        ours = partial(by_klevels, "median", strength=radius)
        right = partial(assert_median, radius=radius)
        compare(measure, job, image, who, ours, work, right, rounds=1 if who == "SciPy" else 25)

    @pytest.mark.parametrize("radius", [1, 2])
    @pytest.mark.parametrize(
        ("who", "peer"),
        [
            ("klevels", None),
            ("SciPy", peers.scipy_median),
            ("OpenCV", peers.opencv_median),
            ("scikit-image rank", peers.skimage_rank_median),
        ],
    )
    def test_8_bit(self, measure: Measure, image: Phantom, who: str, peer: Any, radius: int) -> None:
        job = f"median {2 * radius + 1}², 2-D, 8 bits"
        narrow = Phantom(to_8_bits(image.image), image.truth, to_8_bits(image.clean))
        work = None if peer is None else partial(peer, radius=radius)
        ours = partial(by_klevels, "median", strength=radius)
        right = partial(assert_median, radius=radius)
        compare(measure, job, narrow, who, ours, work, right, rounds=25 if who in ("klevels", "OpenCV") else 1)


def assert_median(image: Gray, found: Gray, radius: int) -> None:
    n_rows = 8 + 4 * radius
    inner = tuple(slice(radius, -radius) for _ in range(image.ndim))
    expected = peers.scipy_median(image[:n_rows], radius)[inner]
    np.testing.assert_array_equal(found[:n_rows][inner], expected)


def to_8_bits(image: Gray) -> NDArray[np.uint8]:
    return (image >> 8).astype(np.uint8)


class TestNonlocalMeans:
    """Patches of 3 voxels, a window of 7, the same h and σ."""

    @pytest.mark.parametrize(
        ("who", "factor", "peer"),
        [
            ("klevels", None, None),
            ("scikit-image, fast mode", None, peers.skimage_nlm),
            ("scikit-image, fast mode, h = 0.8 σ", 0.8, peers.skimage_nlm),
        ],
    )
    def test_volume(self, measure: Measure, small: bool, who: str, factor: float | None, peer: Any) -> None:
        """96³ voxels. Its own documents give scikit-image an h of 0.8 σ."""
        scan = phantom((24, 24, 24) if small else (96, 96, 96), NOISE, LENGTH, seed=0)
        h = default_strength("nlm") if factor is None else factor * NOISE
        work = None if peer is None else partial(peer, strength=h, noise=NOISE)
        compare(measure, "non-local means", scan, who, partial(by_klevels, "nlm"), work, rounds=1 if peer else 7)

    @pytest.mark.parametrize(
        ("who", "peer"),
        [
            ("klevels", None),
            ("scikit-image, fast mode", peers.skimage_nlm),
            ("OpenCV, absolute differences", peers.opencv_nlm),
        ],
    )
    def test_image(self, measure: Measure, image: Phantom, who: str, peer: Any) -> None:
        work = None if peer is None else partial(peer, strength=default_strength("nlm"), noise=NOISE)
        ours = partial(by_klevels, "nlm")
        compare(measure, "non-local means, 2-D", image, who, ours, work, rounds=1 if who.startswith("scikit") else 5)

    @pytest.mark.parametrize(("who", "peer"), [("klevels", None), ("OpenCV", peers.opencv_nlm)])
    def test_8_bit(self, measure: Measure, image: Phantom, who: str, peer: Any) -> None:
        narrow = Phantom(to_8_bits(image.image), image.truth, to_8_bits(image.clean))
        chosen = Filter("nlm", default_strength("nlm") / 256, NOISE / 256)
        work = None if peer is None else partial(peer, strength=chosen.strength, noise=chosen.noise)
        compare(measure, "non-local means, 2-D, 8 bits", narrow, who, chosen.apply, work, rounds=5)


def default_strength(method: str) -> float:
    return Filter(method).resolved(NOISE).strength


class TestBilateral:
    """The same σ in space and in gray, and the same reach, as far as a peer lets it be chosen."""

    @pytest.mark.parametrize(
        ("who", "peer", "n_rows"),
        [
            ("klevels", None, None),
            ("OpenCV", peers.opencv_bilateral, None),
            ("SimpleITK", peers.itk_bilateral, 512),
            ("scikit-image", peers.skimage_bilateral, 256),
        ],
    )
    def test_image(self, measure: Measure, image: Phantom, who: str, peer: Any, n_rows: int | None) -> None:
        rounds = 7 if who in ("klevels", "OpenCV") else 1
        ours, work = partial(by_klevels, "bilateral"), as_work(peer)
        compare(measure, "bilateral, 2-D", image, who, ours, work, n_rows=n_rows, rounds=rounds)

    @pytest.mark.parametrize(("who", "peer"), [("klevels", None), ("SimpleITK", peers.itk_bilateral)])
    def test_volume(self, measure: Measure, volume: Phantom, who: str, peer: Any) -> None:
        ours, work = partial(by_klevels, "bilateral"), as_work(peer)
        compare(measure, "bilateral", volume, who, ours, work, n_rows=N_SLICES // 2, rounds=1 if peer else 3)


def as_work(peer: Callable[..., Gray] | None) -> Work | None:
    """Return a peer's bilateral filter as klevels does it."""
    if peer is None:
        return None
    return partial(peer, strength=default_strength("bilateral"), sigma=SIGMA, radius=int(bilateral.REACH * SIGMA))


class TestDiffusion:
    """Curvature anisotropic diffusion, 5 steps, the default strength of each."""

    @pytest.mark.parametrize(("who", "peer"), [("klevels", None), ("SimpleITK", peers.itk_diffusion)])
    def test_volume(self, measure: Measure, volume: Phantom, who: str, peer: Any) -> None:
        ours = partial(by_klevels, "diffusion")
        compare(measure, "diffusion", volume, who, ours, peer, n_rows=2 * N_SLICES, rounds=1 if peer else 7)

    @pytest.mark.parametrize(("who", "peer"), [("klevels", None), ("SimpleITK", peers.itk_diffusion)])
    def test_image(self, measure: Measure, image: Phantom, who: str, peer: Any) -> None:
        ours = partial(by_klevels, "diffusion")
        compare(measure, "diffusion, 2-D", image, who, ours, peer, rounds=1 if peer else 15)


class TestTotalVariation:
    """Chambolle's projection, the same weight and the same number of steps."""

    @pytest.mark.parametrize(("who", "peer"), [("klevels", None), ("scikit-image", peers.skimage_tv)])
    @pytest.mark.parametrize("job", ["total variation", "total variation, 2-D"])
    def test_tv(self, measure: Measure, volume: Phantom, image: Phantom, job: str, who: str, peer: Any) -> None:
        scan = image if job.endswith("2-D") else volume
        given = {"strength": default_strength("tv"), "steps": total_variation.STEPS}
        work = None if peer is None else partial(peer, **given)

        def assert_near(gray: Gray, found: Gray) -> None:
            n_rows = 2 * total_variation.STEPS
            np.testing.assert_allclose(found[:4], peers.skimage_tv(gray[:n_rows], **given)[:4], rtol=0, atol=2)

        right = assert_near if who == "klevels" else None
        ours = partial(by_klevels, "tv")
        compare(measure, job, scan, who, ours, work, right, n_rows=N_SLICES if scan is volume else None, rounds=3)


class TestGaussian:
    """σ of one voxel. Recursive ones are near, not equal."""

    @pytest.mark.parametrize(
        ("who", "peer"),
        [
            ("klevels", None),
            ("SciPy", peers.scipy_gaussian),
            ("SimpleITK DiscreteGaussian", peers.itk_gaussian),
            ("SimpleITK SmoothingRecursiveGaussian", peers.itk_recursive_gaussian),
        ],
    )
    def test_volume(self, measure: Measure, volume: Phantom, who: str, peer: Any) -> None:
        self.compare(measure, "Gaussian", volume, who, peer)

    @pytest.mark.parametrize(
        ("who", "peer"),
        [
            ("klevels", None),
            ("SciPy", peers.scipy_gaussian),
            ("SimpleITK DiscreteGaussian", peers.itk_gaussian),
            ("OpenCV", peers.opencv_gaussian),
        ],
    )
    def test_image(self, measure: Measure, image: Phantom, who: str, peer: Any) -> None:
        self.compare(measure, "Gaussian, 2-D", image, who, peer)

    def compare(self, measure: Measure, job: str, scan: Phantom, who: str, peer: Any) -> None:
        work = None if peer is None else partial(peer, sigma=SIGMA)

        def assert_near(gray: Gray, found: Gray) -> None:
            expected = peers.scipy_gaussian(gray[:12], SIGMA)[:8]
            np.testing.assert_allclose(found[:8], expected, rtol=0, atol=1)

        right = assert_near if who in ("klevels", "SciPy") else None
        compare(measure, job, scan, who, partial(by_klevels, "gaussian", strength=SIGMA), work, right, rounds=5)
