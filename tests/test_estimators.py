"""KMeans and threshold_kmeans stand in for scikit-learn's and scikit-image's."""

from __future__ import annotations

import numpy as np
import pytest

from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.errors import DataError, DataTypeError, KlevelsError, ParameterError, TooFewLevelsError
from klevels.estimators import KMeans, threshold_kmeans
from reference import inertia_of_labels


def _samples(n: int = 900) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(rng.choice([-4.0, 0.0, 7.0], n), 0.5)[:, None]


def test_the_same_as_scikit_learn_where_it_finds_the_optimum() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    x = _samples()
    theirs = cluster.KMeans(3, n_init=10, random_state=0).fit(x)
    ours = KMeans(3, random_state=0).fit(x)
    order = np.argsort(theirs.cluster_centers_[:, 0])
    ranks = np.argsort(order)
    np.testing.assert_array_equal(ours.labels_, ranks[theirs.labels_])
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_[order], rtol=1e-12)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-12)
    assert ours.inertia_ == float(inertia_of_labels(x, theirs.labels_))
    new = np.linspace(-9, 9, 101)[:, None]
    np.testing.assert_array_equal(ours.predict(new), ranks[theirs.predict(new)])
    np.testing.assert_allclose(ours.transform(new), theirs.transform(new)[:, order], rtol=1e-9, atol=1e-12)
    assert ours.score(new) == pytest.approx(theirs.score(new))
    for name in ("cluster_centers_", "labels_"):
        a, b = getattr(ours, name), getattr(theirs, name)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert ours.n_features_in_ == theirs.n_features_in_
    assert isinstance(ours.inertia_, float)
    assert isinstance(ours.n_iter_, int)


def test_sample_weights_are_repetition() -> None:
    x = np.round(_samples(50), 1)
    weights = np.random.default_rng(2).integers(0, 5, 50)
    weighted = KMeans(3).fit(x, sample_weight=weights.astype(float))
    repeated = KMeans(3).fit(np.repeat(x, weights, axis=0))
    assert weighted.inertia_ == repeated.inertia_
    assert weighted.cluster_centers_.tolist() == repeated.cluster_centers_.tolist()
    assert len(weighted.labels_) == 50
    assert weighted.score(x, sample_weight=weights) == pytest.approx(-weighted.inertia_)


def test_fit_predict_and_parameters() -> None:
    x = _samples()
    model = KMeans(n_clusters=2)
    np.testing.assert_array_equal(model.fit_predict(x), model.labels_)
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    assert model.fit(x) is model
    assert model.set_params(n_clusters=4) is model
    assert model.get_params() == {"n_clusters": 4, "random_state": None}
    assert len(model.fit(x).cluster_centers_) == 4
    assert KMeans().n_clusters == 8


def test_it_can_be_cloned() -> None:
    base = pytest.importorskip("sklearn.base")
    assert base.clone(KMeans(5, random_state=3)).get_params() == {"n_clusters": 5, "random_state": 3}


def test_the_random_state_changes_nothing() -> None:
    x = _samples()
    a, b = (KMeans(5, random_state=seed).fit(x) for seed in (1, 2))
    np.testing.assert_array_equal(a.labels_, b.labels_)
    assert a.inertia_ == b.inertia_


@pytest.mark.parametrize("shape", [(9,), (9, 2), (3, 3, 1), ()])
def test_x_must_be_one_feature(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"X has shape .*; give one feature, shape \(n_samples, 1\)"):
        KMeans(1).fit(np.zeros(shape))


@pytest.mark.parametrize("weights", [[1.5, 1.0], [np.nan, 1.0], [np.inf, 1.0], [1e30, 1.0], ["1", "2"], [1j, 1]])
def test_weights_must_be_whole(weights: list[object]) -> None:
    with pytest.raises(DataError, match="sample weights are not whole numbers; scale them"):
        KMeans(1).fit([[1.0], [2.0]], sample_weight=weights)  # type: ignore[arg-type]


def test_bad_use_is_refused() -> None:
    with pytest.raises(ParameterError, match="not fitted yet; call fit first"):
        KMeans().predict([[1.0]])
    with pytest.raises(ParameterError, match="KMeans has no parameter 'tol'; it has n_clusters"):
        KMeans().set_params(tol=1)
    with pytest.raises(TooFewLevelsError, match="give k <= 2"):
        KMeans(3).fit([[1.0], [2.0], [2.0]])
    with pytest.raises(ParameterError, match=r"k is 2\.5"):
        KMeans(2.5).fit([[1.0], [2.0]])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="counts are negative"):
        KMeans(1).fit([[1.0], [2.0]], sample_weight=[1, -1])
    fitted = KMeans(1).fit([[1.0], [2.0]])
    for bad in (np.nan, np.inf):
        with pytest.raises(DataError):
            KMeans(1).fit([[1.0], [bad]])
        with pytest.raises(DataError, match="X has NaN or infinite values; leave them out"):
            fitted.predict([[1.0], [bad]])


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_thresholds_divide_as_multi_otsu_does(classes: int) -> None:
    filters = pytest.importorskip("skimage.filters")
    rng = np.random.default_rng(1)
    image = np.clip(rng.normal(rng.choice([50, 110, 180], (50, 60)), 14), 0, 255).astype(np.uint8)
    ours, theirs = threshold_kmeans(image, classes), filters.threshold_multiotsu(image, classes)
    assert ours.shape == (classes - 1,)
    assert ours.dtype == np.float64
    np.testing.assert_array_equal(
        np.digitize(image, ours, right=True), np.digitize(image, theirs, right=True), "the partitions differ"
    )


def test_thresholds_of_a_mask_and_by_default_three_classes() -> None:
    image = np.array([[0, 1, 8], [9, 20, 21]])
    assert threshold_kmeans(image).tolist() == [4.5, 14.5]
    assert threshold_kmeans(image, 2, mask=image < 15).tolist() == [4.5]
    assert threshold_kmeans(image).tolist() == fit_levels(histogram(image), 3).thresholds.tolist()
    assert threshold_kmeans(image, 1).shape == (0,)


@pytest.mark.parametrize(
    ("image", "classes", "kind"),
    [
        (np.zeros((4, 4, 3), np.uint8), 2, DataError),
        (np.zeros((4, 4)), 2, TooFewLevelsError),
        (np.eye(4), 0, ParameterError),
        (np.eye(4, dtype=complex), 2, DataTypeError),
        (np.full((4, 4), np.nan), 2, DataError),
    ],
)
def test_bad_images_are_refused(image: np.ndarray, classes: int, kind: type[KlevelsError]) -> None:
    with pytest.raises(kind) as caught:
        threshold_kmeans(image, classes)
    assert "\n" not in str(caught.value)
