"""How other packages do the same job, each in the fastest way we know; one function each, labels or cuts out."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[Any]
N_THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def exact_inertia(image: NDArray[Any], labels: Labels) -> Fraction:
    """Return the inertia of any labels of an 8- or 16-bit image, in whole numbers.

    Every sum here is below 2**28 voxels times 2**32, which int64 holds.
    """
    n_labels = int(labels.max()) + 1
    joint = np.bincount(image.ravel() + labels.ravel().astype(np.int64) * 65536, minlength=n_labels * 65536)
    return sum((inertia_of_levels(np.arange(65536), counts) for counts in joint.reshape(-1, 65536)), Fraction())


def inertia_of_levels(levels: NDArray[np.int64], counts: NDArray[np.int64]) -> Fraction:
    """Return the sum of squared differences from the mean, exactly; 0 where nothing was counted."""
    n, total, squares = int(counts.sum()), int(counts @ levels), int(counts @ (levels * levels))
    return squares - Fraction(total * total, n) if n else Fraction()


def sklearn_kmeans(image: NDArray[Any], k: int) -> Labels:
    """scikit-learn's KMeans, n_init=4."""
    from sklearn.cluster import KMeans

    gray = image.reshape(-1, 1).astype(np.float32)
    return KMeans(n_clusters=k, n_init=4, random_state=0).fit(gray).labels_.reshape(image.shape)


def sklearn_minibatch(image: NDArray[Any], k: int) -> Labels:
    """scikit-learn's MiniBatchKMeans, n_init=4."""
    from sklearn.cluster import MiniBatchKMeans

    gray = image.reshape(-1, 1).astype(np.float32)
    return MiniBatchKMeans(n_clusters=k, n_init=4, random_state=0).fit(gray).labels_.reshape(image.shape)


def opencv_kmeans(image: NDArray[Any], k: int) -> Labels:
    """OpenCV's kmeans, 2 attempts: 4 take a minute."""
    import cv2

    gray = image.reshape(-1, 1).astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 300, 0.1)
    return cv2.kmeans(gray, k, None, criteria, 2, cv2.KMEANS_PP_CENTERS)[1].reshape(image.shape)


def itk_kmeans(image: NDArray[Any], k: int) -> Labels:
    """ITK's ScalarImageKmeans through SimpleITK, begun at evenly spread grays."""
    import SimpleITK

    low, high = float(image.min()), float(image.max())
    means = [low + (high - low) * (j + 0.5) / k for j in range(k)]
    return SimpleITK.GetArrayFromImage(SimpleITK.ScalarImageKmeans(SimpleITK.GetImageFromArray(image), means))


def itk_otsu(image: NDArray[Any], k: int) -> Labels:
    """ITK's OtsuMultipleThresholds through SimpleITK, 256 bins."""
    import SimpleITK

    found = SimpleITK.OtsuMultipleThresholds(
        SimpleITK.GetImageFromArray(image), numberOfThresholds=k - 1, numberOfHistogramBins=256
    )
    return SimpleITK.GetArrayFromImage(found)


def skimage_otsu(image: NDArray[Any], k: int) -> Labels:
    """scikit-image's threshold_multiotsu."""
    from skimage.filters import threshold_multiotsu

    return np.digitize(image, threshold_multiotsu(image, classes=k), right=True)


def kmeans1d_voxels(image: NDArray[Any], k: int) -> Labels:
    """kmeans1d, which takes voxels and no counts."""
    import kmeans1d

    return np.array(kmeans1d.cluster(image.ravel().astype(np.float64), k).clusters).reshape(image.shape)


def opencv_ckwrap(image: NDArray[Any], k: int) -> Labels:
    """The best composition of parts: OpenCV's calcHist, ckwrap on the levels, OpenCV's LUT; threads throughout."""
    import cv2

    counts = opencv_histogram(image)
    levels = np.flatnonzero(counts)
    table = np.zeros(256**image.dtype.itemsize, np.uint8)
    table[levels] = ckwrap_cuts(levels, counts[levels], k)
    return cv2.LUT(image.reshape(-1, image.shape[-1]), table).reshape(image.shape)


def opencv_histogram(image: NDArray[Any]) -> NDArray[np.int64]:
    """OpenCV's calcHist on blocks: its float32 counts are wrong above 2**24."""
    import cv2

    n_levels = 256**image.dtype.itemsize
    rows = image.reshape(-1, image.shape[-1])
    n_blocks = max(N_THREADS, -(-image.size // 2**23))

    def count(block: NDArray[Any]) -> NDArray[np.int64]:
        return cv2.calcHist([block], [0], None, [n_levels], [0, n_levels]).ravel().astype(np.int64)

    with ThreadPoolExecutor(N_THREADS) as pool:
        return np.sum(list(pool.map(count, np.array_split(rows, n_blocks))), axis=0)


def numpy_histogram(image: NDArray[Any]) -> NDArray[np.int64]:
    """NumPy's bincount."""
    return np.bincount(image.ravel(), minlength=256**image.dtype.itemsize)


def ckwrap_cuts(levels: NDArray[Any], counts: NDArray[Any], k: int) -> Labels:
    """ckwrap on weighted levels, for a single k."""
    import ckwrap

    return ckwrap.ckmeans(levels.astype(np.float64), k, weights=counts.astype(np.float64)).labels


def kmeans1d_cuts(levels: NDArray[Any], counts: NDArray[Any], k: int) -> Labels:
    """kmeans1d on levels that all have the same count, for a single k."""
    import kmeans1d

    assert (counts == counts[0]).all(), "kmeans1d knows no counts"
    return np.array(kmeans1d.cluster(levels.astype(np.float64), k).clusters)
