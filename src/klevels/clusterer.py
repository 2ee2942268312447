"""KMeans: scikit-learn's estimator, on klevels' engines."""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
import sys
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.core.clusters import Quality, check_quality
from klevels.core.levels import Levels
from klevels.errors import DataError, ParameterError
from klevels.features import as_samples, as_seed, as_weights, cluster_samples, distances_to, nearest_centers


class _Estimator:
    """What KMeans derives from; scikit-learn's base classes join it once scikit-learn is loaded."""


class KMeans(_Estimator):
    """K-means clustering with scikit-learn's names: exact for one feature, well searched for more.

    Parameters
    ----------
    n_clusters : int
        Number of clusters, at most the number of samples.
    quality : {"fast", "default", "best"}
        How long to search for clusters of more than one feature, see `fit_palette`.
    random_state : int, None, numpy.random.RandomState or numpy.random.Generator
        The same number gives the same result, to the bit. None is 0: nothing here depends on the time of day.
    init : {"k-means++", "random"}
        Without effect. Centers to begin with are refused: the search finds its own.
    n_init : int or "auto"
        Without effect, as the last four, so that scripts run with only their import changed: `quality` says how long to
        search, and a search begins many times.
    max_iter : int
        Passes of Lloyd's algorithm after the search, at most; few data need as many until no center moves any more.
    tol, verbose, copy_x, algorithm : float, int, bool or str
        Without effect: all ends when no center moves any more, silently, and the data are never changed.

    Attributes
    ----------
    cluster_centers_ : ndarray of float64, shape (n_clusters, n_features)
        In ascending order of the mean of their coordinates, so label 0 is the darkest cluster.
    labels_ : ndarray of int32, shape (n_samples,)
        Of the data that was fitted.
    inertia_ : float
        Sum of squared distances to the centers, weighted.
    n_iter_ : int
        Passes of Lloyd's algorithm over all samples; 1 where the optimum was found without it.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str, shape (n_features,)
        The names of a data frame's columns, where the data that was fitted had such.
    levels_ : Levels or None
        The classes of one feature, unless weights were fractional.

    Notes
    -----
    One feature is fitted as `fit_levels` does: the least inertia there is, whatever `quality` and `random_state`.
    Values of 32 or 64 bits are exact up to 65,536 distinct ones; beyond, ``levels_.excess_bound`` says what binning can
    have cost. Fractional weights are rounded to shares of 2**-61 of their sum (2**-30 beyond 65,536 distinct values)
    for the optimum, from which Lloyd's algorithm then runs with the true weights.

    More features are searched as `fit_palette` does, without a promise to find the optimum, which is NP-hard. Equal
    samples are merged first, so images cost what their distinct colors cost. Neither the order of the samples nor the
    number of threads changes a bit of the centers, and a weight is the same as repetition. Where there are fewer
    distinct samples than clusters, each is a center, the last one repeated, and a warning is given, as scikit-learn
    does; samples of one feature are refused then.

    Arithmetic is in float64, on coordinates less the middle of their range, so an offset does no harm. Besides the data
    it takes memory of some seven float64 numbers for each value; samples of up to three bytes are counted instead.

    Examples
    --------
    >>> model = KMeans(n_clusters=2).fit([[0.0, 1.0], [0.0, 3.0], [9.0, 9.0]])
    >>> model.cluster_centers_
    array([[0., 2.],
           [9., 9.]])
    >>> model.predict([[8.0, 8.0]])
    array([1], dtype=int32)
    """

    cluster_centers_: NDArray[np.float64]
    labels_: NDArray[np.int32]
    inertia_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    levels_: Levels | None

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        quality: Quality = "default",
        random_state: Any = 0,
        init: str = "k-means++",
        n_init: int | str = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        copy_x: bool = True,
        algorithm: str = "lloyd",
    ) -> None:
        _join_scikit_learn()
        # scikit-learn's rule: parameters are stored as given, and checked when fitting.
        self.n_clusters = n_clusters
        self.quality = quality
        self.random_state = random_state
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.copy_x = copy_x
        self.algorithm = algorithm

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite numbers.
        y : object
            Ignored.
        sample_weight : array_like, shape (n_samples,), or float, optional
            How often each sample counts, also fractions. Samples of zero weight are labeled, but count as absent.

        Returns
        -------
        KMeans
            This estimator.

        Raises
        ------
        ParameterError
            If a parameter is out of its range.
        TooFewLevelsError
            If there are more clusters than samples, or than distinct samples of one feature.
        DataError
            If the data are no table, or have NaN or infinite values, or weights are negative or all zero.
        DataTypeError
            If the data are sparse, or no numbers.
        """
        k, quality = _check_positive("n_clusters", self.n_clusters), check_quality(self.quality)
        if not (isinstance(self.init, str) and self.init in ("k-means++", "random")):
            shown = repr(self.init) if isinstance(self.init, str) else f"a {type(self.init).__name__}"
            raise ParameterError(
                f"init is {shown}; leave it at 'k-means++': klevels finds its own centers to begin with"
            )
        seed = as_seed(self.random_state)
        samples, names = as_samples(X), _names_of(X)
        weights = as_weights(sample_weight, len(samples))
        max_iter = _check_positive("max_iter", self.max_iter)
        found = cluster_samples(samples, weights, k, quality=quality, seed=seed, max_iter=max_iter)
        if found.n_distinct < k:
            warnings.warn(
                f"n_clusters is {k}, but the number of distinct samples is {found.n_distinct}; "
                f"the last center is repeated",
                stacklevel=2,
            )
        self.cluster_centers_, self.levels_ = found.centers, found.levels
        self.inertia_, self.n_iter_ = found.inertia, found.n_iter
        self.n_features_in_ = samples.shape[1]
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.labels_ = self._label(samples)
        return self

    def fit_predict(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> NDArray[np.int32]:
        """Fit, and return the label of each sample.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite numbers.
        y : object
            Ignored.
        sample_weight : array_like, shape (n_samples,), or float, optional
            As in `fit`.

        Returns
        -------
        ndarray of int32, shape (n_samples,)
            Labels.
        """
        return self.fit(X, y, sample_weight).labels_

    def fit_transform(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Fit, and return the distance of each sample to each center.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite numbers.
        y : object
            Ignored.
        sample_weight : array_like, shape (n_samples,), or float, optional
            As in `fit`.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_clusters)
            Distances.
        """
        return self.fit(X, y, sample_weight).transform(X)

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the label of the nearest center; of equally near ones, the lower.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        ndarray of int32, shape (n_samples,)
            Labels.
        """
        return self._label(self._like_fitted(X))

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the distance of each sample to each center.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_clusters)
            Distances.
        """
        return distances_to(self._like_fitted(X), self.cluster_centers_)

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """Return minus the sum of squared distances to the nearest centers.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite numbers.
        y : object
            Ignored.
        sample_weight : array_like, shape (n_samples,), or float, optional
            How often each sample counts.

        Returns
        -------
        float
            At most 0; greater is better.
        """
        samples = self._like_fitted(X)
        weights = as_weights(sample_weight, len(samples))
        squares = nearest_centers(samples, self.cluster_centers_)[1]
        return -float(np.sum(squares if weights is None else squares * weights))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return names for the columns that `transform` returns.

        Parameters
        ----------
        input_features : array_like of str, optional
            Accepted for scikit-learn's sake: as many as there are features.

        Returns
        -------
        ndarray of str, shape (n_clusters,)
            kmeans0, kmeans1 and so on, as scikit-learn has them.
        """
        self._check_fitted()
        if input_features is not None and np.shape(input_features) != (self.n_features_in_,):
            raise DataError(f"input_features should have length equal to the number of features, {self.n_features_in_}")
        return np.array([f"kmeans{j}" for j in range(len(self.cluster_centers_))], object)

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
        return {name: getattr(self, name) for name in _defaults()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the constructor.

        Parameters
        ----------
        **params : object
            Values by name.

        Returns
        -------
        KMeans
            This estimator.
        """
        for name, value in params.items():
            if name not in _defaults():
                raise ParameterError(f"KMeans has no parameter {name!r}; it has {', '.join(_defaults())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = _defaults()
        given = (f"{name}={value!r}" for name, value in self.get_params().items() if value is not defaults[name])
        return f"{type(self).__name__}({', '.join(given)})"

    def __sklearn_tags__(self) -> Any:
        utils = importlib.import_module("sklearn.utils")  # only scikit-learn asks
        return utils.Tags(
            estimator_type="clusterer",
            target_tags=utils.TargetTags(required=False),
            transformer_tags=utils.TransformerTags(),
            input_tags=utils.InputTags(),
        )

    def _label(self, samples: NDArray[Any]) -> NDArray[np.int32]:
        if self.levels_ is not None:
            return self.levels_.classify(samples[:, 0]).astype(np.int32)
        return nearest_centers(samples, self.cluster_centers_)[0]

    def _like_fitted(self, X: ArrayLike) -> NDArray[Any]:
        self._check_fitted()
        samples, names = as_samples(X), _names_of(X)
        fitted = getattr(self, "feature_names_in_", None)
        if fitted is not None and names is not None and names.tolist() != fitted.tolist():
            raise DataError(
                f"X has the columns {', '.join(names)}, but KMeans was fitted on {', '.join(fitted)}; "
                f"give the same in the same order"
            )
        if samples.shape[1] != self.n_features_in_:
            raise DataError(
                f"X has {samples.shape[1]} features, but KMeans is expecting {self.n_features_in_} features as input"
            )
        if names is not None and fitted is None:
            warnings.warn("X has feature names, but KMeans was fitted without feature names", stacklevel=3)
        return samples

    def _check_fitted(self) -> None:
        if not hasattr(self, "cluster_centers_"):
            raise _not_fitted_error("sklearn.exceptions" in sys.modules)(
                f"this {type(self).__name__} is not fitted yet; call fit first"
            )


def _join_scikit_learn() -> None:
    """Derive KMeans from scikit-learn's base classes, if someone has loaded them: klevels itself never does."""
    base: Any = sys.modules.get("sklearn.base")
    if hasattr(base, "BaseEstimator") and KMeans.__bases__ == (_Estimator,):
        try:
            KMeans.__bases__ = (_Estimator, base.TransformerMixin, base.ClusterMixin, base.BaseEstimator)
        except TypeError:  # a subclass names them before KMeans, and has them without this
            return
        super(_Estimator, KMeans).__init_subclass__()  # sets up set_output and metadata routing, as for any subclass


@functools.cache
def _defaults() -> dict[str, Any]:
    return {name: value.default for name, value in inspect.signature(KMeans).parameters.items()}


@functools.cache
def _not_fitted_error(for_sklearn: bool) -> type[ParameterError]:
    """Return an error that is also scikit-learn's, where someone may catch that."""
    if not for_sklearn:
        return ParameterError
    theirs = importlib.import_module("sklearn.exceptions").NotFittedError
    return type("NotFittedError", (ParameterError, theirs), {"__doc__": "The estimator was not fitted yet."})


def _check_positive(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise ParameterError(f"{name} is {value!r}; give an integer of at least 1")
    return number


def _names_of(X: object) -> NDArray[np.object_] | None:
    """Return the names of a data frame's columns, if all are strings."""
    columns = getattr(X, "columns", None)
    if columns is None:
        return None
    names = np.array(list(columns), object)
    return names if all(isinstance(name, str) for name in names) else None
