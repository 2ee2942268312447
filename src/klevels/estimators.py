"""The faces that people reach for: scikit-learn's KMeans and scikit-image's threshold functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.clusterer import KMeans
from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.sources import as_gray_image

__all__ = ["KMeans", "threshold_kmeans"]


def threshold_kmeans(
    image: ArrayLike, classes: int = 3, *, mask: ArrayLike | None = None, threads: int | None = None
) -> NDArray[np.float64]:
    """Return the thresholds between `classes` classes of least squared error.

    Parameters
    ----------
    image : array_like
        Gray values, of two or three axes.
    classes : int
        Number of classes.
    mask : array_like of bool or int, optional
        Of the image's shape: True, or nonzero, where a voxel counts.
    threads : int, optional
        How many threads to use; all processors by default.

    Returns
    -------
    ndarray of float64, shape (classes - 1,)
        A value on a threshold belongs to the lower class: ``numpy.digitize(image, thresholds, right=True)`` labels.

    Raises
    ------
    ParameterError
        If `classes` is not an integer, or outside 1 to 65535.
    DataError
        If the image is color, empty, NaN or infinite, or has too few levels.

    Notes
    -----
    The same partition as `skimage.filters.threshold_multiotsu`, whose objective is that of k-means on the histogram,
    for any number of classes and of gray levels; the thresholds lie halfway between the centers.

    Examples
    --------
    >>> threshold_kmeans([[0, 1, 8], [9, 20, 21]], classes=3)
    array([ 4.5, 14.5])
    """
    counted = histogram(as_gray_image(image).data, mask=mask, threads=threads)
    return fit_levels(counted, classes, threads=threads).thresholds
