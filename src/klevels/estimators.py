"""The faces that people reach for: scikit-learn's KMeans and scikit-image's threshold functions."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.errors import DataError, ParameterError
from klevels.pipeline import as_gray_image


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


class KMeans:
    """K-means clustering of one feature, exactly, with scikit-learn's names.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    random_state : int, optional
        Accepted for scikit-learn's sake: the optimum is found without chance, so the result never depends on it.

    Attributes
    ----------
    cluster_centers_ : ndarray of float64, shape (n_clusters, 1)
        Increasing, so label 0 is the darkest cluster.
    labels_ : ndarray of int32, shape (n_samples,)
        Of the data that was fitted.
    inertia_ : float
        Sum of squared distances to the centers, weighted; the least possible.
    n_iter_ : int
        Always 1.
    n_features_in_ : int
        Always 1.
    levels_ : Levels
        The classes behind it.

    Examples
    --------
    >>> KMeans(n_clusters=2).fit([[0.0], [1.0], [9.0]]).cluster_centers_
    array([[0.5],
           [9. ]])
    """

    cluster_centers_: NDArray[np.float64]
    labels_: NDArray[np.int32]
    inertia_: float
    n_iter_: int
    n_features_in_: int
    levels_: Levels

    def __init__(self, n_clusters: int = 8, *, random_state: int | None = None) -> None:
        self.n_clusters = n_clusters
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the clusters of least squared error.

        Parameters
        ----------
        X : array_like, shape (n_samples, 1)
            One gray value a sample.
        y : object
            Ignored.
        sample_weight : array_like of int, shape (n_samples,), optional
            How often each sample counts.

        Returns
        -------
        KMeans
            This estimator.
        """
        values = _one_feature(X)
        counted = histogram(values) if sample_weight is None else Histogram.of(values, _whole(sample_weight))
        self.levels_ = fit_levels(counted, self.n_clusters)
        self.cluster_centers_ = self.levels_.centers.reshape(-1, 1)
        self.labels_ = self.levels_.classify(values).astype(np.int32)
        self.inertia_ = self.levels_.inertia
        self.n_iter_ = 1
        self.n_features_in_ = 1
        return self

    def fit_predict(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> NDArray[np.int32]:
        """Fit, and return the label of each sample.

        Parameters
        ----------
        X : array_like, shape (n_samples, 1)
            One gray value a sample.
        y : object
            Ignored.
        sample_weight : array_like of int, shape (n_samples,), optional
            How often each sample counts.

        Returns
        -------
        ndarray of int32, shape (n_samples,)
            Labels, ascending with gray value.
        """
        return self.fit(X, y, sample_weight).labels_

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the label of the nearest center; halfway between two, the lower.

        Parameters
        ----------
        X : array_like, shape (n_samples, 1)
            One gray value a sample.

        Returns
        -------
        ndarray of int32, shape (n_samples,)
            Labels, ascending with gray value.
        """
        levels, values = self._fitted(), _one_feature(X)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError("X has NaN or infinite values; leave them out")
        return levels.classify(values).astype(np.int32)

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the distance of each sample to each center.

        Parameters
        ----------
        X : array_like, shape (n_samples, 1)
            One gray value a sample.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_clusters)
            Distances.
        """
        return np.abs(_one_feature(X).astype(np.float64)[:, None] - self._fitted().centers[None, :])

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """Return minus the sum of squared distances to the nearest centers.

        Parameters
        ----------
        X : array_like, shape (n_samples, 1)
            One gray value a sample.
        y : object
            Ignored.
        sample_weight : array_like, shape (n_samples,), optional
            How often each sample counts.

        Returns
        -------
        float
            At most 0; greater is better.
        """
        nearest = self.transform(X).min(axis=1) ** 2
        return -float(np.sum(nearest if sample_weight is None else nearest * np.asarray(sample_weight)))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor.

        Parameters
        ----------
        deep : bool
            Accepted for scikit-learn's sake.

        Returns
        -------
        dict
            By name.
        """
        del deep
        return {"n_clusters": self.n_clusters, "random_state": self.random_state}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the constructor.

        Parameters
        ----------
        **params : int
            `n_clusters` or `random_state`.

        Returns
        -------
        KMeans
            This estimator.
        """
        for name, value in params.items():
            if name not in self.get_params():
                raise ParameterError(f"KMeans has no parameter {name!r}; it has n_clusters and random_state")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"KMeans(n_clusters={self.n_clusters})"

    def _fitted(self) -> Levels:
        if not hasattr(self, "levels_"):
            raise ParameterError("this KMeans is not fitted yet; call fit first")
        return self.levels_


def _one_feature(X: ArrayLike) -> NDArray[Any]:
    values = np.asarray(X)
    if values.ndim != 2 or values.shape[1] != 1:
        raise DataError(
            f"X has shape {values.shape}; give one feature, shape (n_samples, 1), as x.reshape(-1, 1) makes it"
        )
    return values[:, 0]


def _whole(weights: ArrayLike) -> NDArray[np.int64]:
    given = np.asarray(weights)
    is_count = given.dtype.kind in "biu"
    if given.dtype.kind == "f":
        is_count = bool(((np.abs(given) < 2.0**63) & (given == np.floor(given))).all())
    if not is_count:
        raise DataError("sample weights are not whole numbers; scale them to counts")
    return given.astype(np.int64)
