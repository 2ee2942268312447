"""How other packages paint a photograph in few colors, each in the fastest way we know; one function each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]


def points_of(picture: Picture) -> Points:
    """Return one float32 row a pixel, as most packages want them."""
    return picture.reshape(-1, picture.shape[-1]).astype(np.float32)


def painted(centers: NDArray[Any], labels: NDArray[Any], like: Picture) -> Picture:
    """Return the picture that centers and labels make, rounded to the nearest integers."""
    return np.clip(np.rint(centers), 0, 255).astype(np.uint8)[labels.ravel()].reshape(like.shape)


def sklearn_kmeans(picture: Picture, k: int, n_init: int = 4) -> Picture:
    """scikit-learn's KMeans on all pixels, in float32, which is faster than float64."""
    from sklearn.cluster import KMeans

    found = KMeans(n_clusters=k, n_init=n_init, random_state=0).fit(points_of(picture))
    return painted(found.cluster_centers_, found.labels_, picture)


def sklearn_kmeans_float64(picture: Picture, k: int) -> Picture:
    """scikit-learn's KMeans on all pixels, as its own example has it: float64 from 0 to 1."""
    from sklearn.cluster import KMeans

    points = picture.reshape(-1, picture.shape[-1]) / 255
    found = KMeans(n_clusters=k, n_init=4, random_state=0).fit(points)
    return painted(found.cluster_centers_ * 255, found.labels_, picture)


def sklearn_kmeans_once(picture: Picture, k: int) -> Picture:
    """scikit-learn's KMeans on all pixels, from a single start."""
    return sklearn_kmeans(picture, k, n_init=1)


def sklearn_minibatch(picture: Picture, k: int) -> Picture:
    """scikit-learn's MiniBatchKMeans, n_init=4."""
    from sklearn.cluster import MiniBatchKMeans

    found = MiniBatchKMeans(n_clusters=k, n_init=4, random_state=0).fit(points_of(picture))
    return painted(found.cluster_centers_, found.labels_, picture)


def sklearn_bisecting(picture: Picture, k: int) -> Picture:
    """scikit-learn's BisectingKMeans."""
    from sklearn.cluster import BisectingKMeans

    found = BisectingKMeans(n_clusters=k, random_state=0).fit(points_of(picture))
    return painted(found.cluster_centers_, found.labels_, picture)


def opencv_kmeans(picture: Picture, k: int) -> Picture:
    """OpenCV's kmeans from a single start, until centers move by less than 0.1."""
    import cv2

    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 300, 0.1)
    _, labels, centers = cv2.kmeans(points_of(picture), k, None, criteria, 1, cv2.KMEANS_PP_CENTERS)
    return painted(centers, labels, picture)


def faiss_kmeans(picture: Picture, k: int) -> Picture:
    """faiss.Kmeans as it comes: 25 passes over 256 pixels for each color."""
    return _faiss(picture, k, niter=25, max_points_per_centroid=256)


def faiss_kmeans_all(picture: Picture, k: int) -> Picture:
    """faiss.Kmeans over all pixels, 100 passes."""
    return _faiss(picture, k, niter=100, max_points_per_centroid=picture.size)


def _faiss(picture: Picture, k: int, **settings: int) -> Picture:
    import faiss

    points = points_of(picture)
    found = faiss.Kmeans(points.shape[1], k, seed=1, min_points_per_centroid=1, **settings)
    found.train(points)
    return painted(found.centroids, found.index.search(points, 1)[1], picture)


def pillow_median_cut(picture: Picture, k: int, kmeans: int = 0) -> Picture:
    """Pillow's median cut."""
    import PIL.Image

    method = PIL.Image.Quantize.MEDIANCUT
    return np.asarray(PIL.Image.fromarray(picture).quantize(k, method=method, kmeans=kmeans).convert("RGB"))


def pillow_median_cut_kmeans(picture: Picture, k: int) -> Picture:
    """Pillow's median cut, then k-means until no pixel changes its color."""
    return pillow_median_cut(picture, k, kmeans=1)


def pillow_octree(picture: Picture, k: int) -> Picture:
    """Pillow's octree, which takes the option kmeans and ignores it."""
    import PIL.Image

    method = PIL.Image.Quantize.FASTOCTREE
    return np.asarray(PIL.Image.fromarray(picture).quantize(k, method=method).convert("RGB"))


def libimagequant(picture: Picture, k: int) -> Picture:
    """libimagequant at its usual speed, without dithering; its face for Pillow takes as long again to copy pixels."""
    import imagequant
    import PIL.Image

    height, width = picture.shape[:2]
    pixels = PIL.Image.fromarray(picture).convert("RGBA").tobytes()
    labels, palette = imagequant.quantize_raw_rgba_bytes(pixels, width, height, dithering_level=0.0, max_colors=k)
    colors = np.array(palette, np.uint8).reshape(-1, 4)[:, :3]
    return colors[np.frombuffer(labels, np.uint8)].reshape(picture.shape)


def errors_of(picture: Picture, poster: Picture) -> dict[str, float]:
    """Return the errors of a poster: MSE (a pixel, summed over channels), PSNR, SSIM and DSSIM."""
    from skimage.metrics import structural_similarity

    assert poster.dtype == np.uint8
    assert poster.shape == picture.shape
    difference = picture.astype(np.int64) - poster
    mse = float((difference**2).sum() / difference[..., 0].size)
    ssim = float(structural_similarity(picture, poster, channel_axis=-1, data_range=255))
    return {"mse": mse, "psnr": float(10 * np.log10(255**2 * 3 / mse)), "ssim": ssim, "dssim": (1 - ssim) / 2}


def color_difference(picture: Picture, poster: Picture) -> float:
    """Return the mean color difference that people see, CIEDE2000."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    return float(deltaE_ciede2000(rgb2lab(picture), rgb2lab(poster)).mean())
