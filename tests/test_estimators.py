"""KMeans and threshold_kmeans stand in for scikit-learn's and scikit-image's."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klevels.core.count import histogram
from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.errors import DataError, DataTypeError, KlevelsError, ParameterError, TooFewLevelsError
from klevels.estimators import KMeans, threshold_kmeans
from reference import best_cuts, inertia_of_labels

try:
    from sklearn.utils.estimator_checks import parametrize_with_checks
except ImportError:  # the rest of the tests does without
    checks = pytest.mark.skip("scikit-learn is not installed")
else:
    checks = parametrize_with_checks([KMeans(), KMeans(3, quality="fast"), KMeans(n_clusters=2, quality="best")])


def _samples(n: int = 900) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(rng.choice([-4.0, 0.0, 7.0], n), 0.5)[:, None]


def _blobs(n: int, n_features: int, n_blobs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_blobs, n_features)) * 3
    return centers[rng.integers(0, n_blobs, n)] + rng.normal(size=(n, n_features))


def _squares(x: np.ndarray, centers: np.ndarray) -> np.ndarray:
    return ((x[:, None, :] - centers) ** 2).sum(axis=2)


def _assert_at_rest(model: KMeans, x: np.ndarray, weights: np.ndarray | None = None) -> None:
    """No center is off the mean of its samples, and no sample is nearer to another center."""
    weights = np.ones(len(x)) if weights is None else weights
    squares = _squares(x, model.cluster_centers_)
    own = squares[np.arange(len(x)), model.labels_]
    scale = float(np.ptp(x, axis=0).max()) ** 2
    assert (own <= squares.min(axis=1) + 1e-12 * scale).all()
    for j, center in enumerate(model.cluster_centers_):
        members = model.labels_ == j
        np.testing.assert_allclose(np.average(x[members], axis=0, weights=weights[members]), center, 1e-11, 1e-11)
    assert model.inertia_ == pytest.approx(float(own @ weights), rel=1e-10, abs=1e-12 * scale)


@pytest.mark.filterwarnings("ignore:n_clusters is 8, but the number of distinct samples is:UserWarning")
@checks
def test_scikit_learn_accepts_it(estimator: Any, check: Any) -> None:
    check(estimator)


def test_it_is_an_estimator_of_scikit_learn_once_that_is_loaded() -> None:
    base = pytest.importorskip("sklearn.base")
    assert base.is_clusterer(KMeans())
    assert isinstance(KMeans(), base.BaseEstimator)
    assert KMeans(2).set_output(transform="default").fit_transform([[0, 0], [9, 9]]).shape == (2, 2)  # type: ignore[attr-defined]
    script = (
        "import pickle, sys, klevels; early = klevels.KMeans(2).fit([[0, 0], [0, 1], [9, 9]])\n"
        "assert 'sklearn' not in sys.modules; from sklearn.base import BaseEstimator, clone\n"
        "late = klevels.KMeans(2); print(isinstance(late, BaseEstimator), type(early) is type(late))\n"
        "print(clone(early), pickle.loads(pickle.dumps(early)).predict([[8, 8]]))\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True True", "KMeans(n_clusters=2) [1]"]


def test_a_subclass_may_have_named_the_base_class_before() -> None:
    pytest.importorskip("sklearn.base")
    script = (
        "import klevels; from sklearn.base import BaseEstimator, clone\n"
        "class Mine(BaseEstimator, klevels.KMeans): ...\n"
        "print(clone(Mine(2)).fit([[0, 0], [9, 9]]).labels_, klevels.KMeans(3))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0 1] KMeans(n_clusters=3)"


def test_weights_are_routed() -> None:
    sklearn = pytest.importorskip("sklearn")
    pipeline = pytest.importorskip("sklearn.pipeline")
    x, weights = _blobs(100, 2, 3, 2), np.random.default_rng(1).random(100)
    with sklearn.config_context(enable_metadata_routing=True):
        model = KMeans(3).set_fit_request(sample_weight=True)  # type: ignore[attr-defined]
        routed = pipeline.make_pipeline(model).fit(x, sample_weight=weights)[-1]
    assert routed.inertia_ == KMeans(3).fit(x, sample_weight=weights).inertia_


def test_every_parameter_of_scikit_learn_is_taken_with_its_default() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    ours, theirs = (inspect.signature(kind).parameters for kind in (KMeans, cluster.KMeans))
    assert set(theirs) | {"quality"} == set(ours)
    differing = {name for name in theirs if ours[name].default != theirs[name].default}
    assert differing == {"random_state"}
    x = _blobs(200, 2, 4, 0)
    script = KMeans(4, init="random", n_init=10, max_iter=300, tol=1e-4, verbose=1, algorithm="elkan", random_state=0)
    assert script.fit(x).inertia_ == KMeans(4).fit(x).inertia_


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
    np.testing.assert_array_equal(model.fit_transform(x), model.transform(x))
    assert model.fit(x) is model
    assert model.set_params(n_clusters=4, quality="fast") is model
    assert repr(model) == "KMeans(n_clusters=4, quality='fast')"
    assert eval(repr(model)).get_params() == model.get_params()
    assert len(model.fit(x).cluster_centers_) == 4
    assert repr(KMeans()) == "KMeans()"
    assert KMeans().n_clusters == 8
    assert model.get_feature_names_out().tolist() == ["kmeans0", "kmeans1", "kmeans2", "kmeans3"]


def test_clones_and_pickles_keep_everything() -> None:
    base = pytest.importorskip("sklearn.base")
    model = KMeans(5, random_state=3, quality="best", n_init=4)
    assert base.clone(model).get_params() == model.get_params()
    for n_features in (1, 3):
        x = _blobs(300, n_features, 5, 1)
        again = pickle.loads(pickle.dumps(model.fit(x)))
        np.testing.assert_array_equal(again.predict(x), model.labels_)
        np.testing.assert_array_equal(again.transform(x), model.transform(x))


def test_it_fits_into_a_pipeline_and_a_grid() -> None:
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing, selection = (pytest.importorskip(f"sklearn.{n}") for n in ("preprocessing", "model_selection"))
    x = _blobs(200, 3, 4, 2)
    weights = np.random.default_rng(1).random(200)
    pipe = pipeline.make_pipeline(preprocessing.StandardScaler(), KMeans(4))
    labels = pipe.fit(x, kmeans__sample_weight=weights).predict(x)
    scaled = preprocessing.StandardScaler().fit_transform(x)
    np.testing.assert_array_equal(labels, KMeans(4).fit(scaled, sample_weight=weights).labels_)
    assert pipe.get_feature_names_out().tolist() == [f"kmeans{j}" for j in range(4)]
    search = selection.GridSearchCV(KMeans(), {"n_clusters": [1, 2, 3]}, cv=3).fit(x)
    assert search.best_params_ == {"n_clusters": 3}


def test_the_random_state_changes_nothing_of_one_feature() -> None:
    x = _samples()
    a, b = (KMeans(5, random_state=seed).fit(x) for seed in (1, 2))
    np.testing.assert_array_equal(a.labels_, b.labels_)
    assert a.inertia_ == b.inertia_


@pytest.mark.parametrize("n_features", [2, 30])
def test_the_same_seed_gives_the_same_bits(n_features: int) -> None:
    x = np.random.default_rng(0).random((600, n_features))
    assert KMeans(9, random_state=None).fit(x).inertia_ == KMeans(9, random_state=0).fit(x).inertia_
    found = {seed: KMeans(9, quality="fast", random_state=seed).fit(x).cluster_centers_ for seed in range(6)}
    for seed, centers in found.items():
        again = KMeans(9, quality="fast", random_state=np.int64(seed)).fit(x)
        np.testing.assert_array_equal(again.cluster_centers_, centers)
    assert len({centers.tobytes() for centers in found.values()}) > 1
    for kind in (np.random.RandomState, np.random.default_rng):
        a, b = (KMeans(9, random_state=kind(5)).fit(x).cluster_centers_ for _ in range(2))
        np.testing.assert_array_equal(a, b)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    x = _blobs(5000, 4, 20, 3)
    expected = KMeans(20).fit(x)
    for n_threads in (1, 3, 8):
        monkeypatch.setattr("klevels.features.count_threads", lambda _, n=n_threads: n)
        found = KMeans(20).fit(x)
        np.testing.assert_array_equal(found.cluster_centers_, expected.cluster_centers_)
        np.testing.assert_array_equal(found.labels_, expected.labels_)
        assert found.inertia_ == expected.inertia_


@pytest.mark.parametrize("n_features", [1, 2, 3, 5, 16, 21, 22, 30])
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_at_rest_and_the_same_for_any_order_and_for_repetition(n_features: int, decimals: int) -> None:
    rng = np.random.default_rng(n_features)
    x = np.round(_blobs(400, n_features, 6, n_features), decimals)
    k = min(6, len(np.unique(x, axis=0)))
    order = rng.permutation(len(x))
    plain, shuffled = KMeans(k).fit(x), KMeans(k).fit(x[order])
    _assert_at_rest(plain, x)
    assert shuffled.inertia_ == plain.inertia_
    np.testing.assert_array_equal(shuffled.cluster_centers_, plain.cluster_centers_)
    np.testing.assert_array_equal(shuffled.labels_, plain.labels_[order])

    fractions = rng.random(len(x))
    fractions[::7] = 0
    weighted = KMeans(k).fit(x, sample_weight=fractions)
    _assert_at_rest(weighted, x, fractions)
    again = KMeans(k).fit(x[order], sample_weight=fractions[order])
    np.testing.assert_array_equal(again.cluster_centers_, weighted.cluster_centers_)
    absent = KMeans(k).fit(x[fractions > 0], sample_weight=fractions[fractions > 0])
    np.testing.assert_array_equal(absent.cluster_centers_, weighted.cluster_centers_)

    counts = rng.integers(0, 4, len(x))
    for weights in (counts, counts.astype(np.float32), counts.tolist()):
        counted, repeated = KMeans(k).fit(x, sample_weight=weights), KMeans(k).fit(np.repeat(x, counts, axis=0))
        assert counted.inertia_ == repeated.inertia_
        np.testing.assert_array_equal(counted.cluster_centers_, repeated.cluster_centers_)
    assert counted.score(x, sample_weight=counts) == pytest.approx(-counted.inertia_)
    doubled = KMeans(k).fit(x, sample_weight=2.0)
    assert doubled.inertia_ == 2 * plain.inertia_
    np.testing.assert_array_equal(doubled.cluster_centers_, plain.cluster_centers_)


@pytest.mark.parametrize(
    ("n", "n_features", "n_blobs", "k"),
    [(500, 2, 5, 5), (500, 2, 5, 12), (2000, 3, 20, 8), (2000, 3, 20, 64), (1500, 8, 30, 30), (400, 30, 6, 10)],
)
def test_no_worse_than_scikit_learn(n: int, n_features: int, n_blobs: int, k: int) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    for seed in range(2):
        x = _blobs(n, n_features, n_blobs, seed)
        weights = np.random.default_rng(seed).random(n) + 0.1
        theirs = cluster.KMeans(k, n_init=4, random_state=seed)
        assert KMeans(k).fit(x).inertia_ <= theirs.fit(x).inertia_ * 1.005
        assert KMeans(k).fit(x, sample_weight=weights).inertia_ <= theirs.fit(x, sample_weight=weights).inertia_ * 1.005


def test_better_qualities_lower_the_inertia() -> None:
    x = np.random.default_rng(4).random((4000, 3))
    fast, default, best = (KMeans(40, quality=quality).fit(x).inertia_ for quality in ("fast", "default", "best"))
    assert best <= default <= fast


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_few_samples_of_one_feature_are_optimal_for_any_weights(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(-30, 30), min_size=1, max_size=7, unique=True))
    weights = data.draw(st.lists(st.integers(1, 1 << 20), min_size=len(values), max_size=len(values)))
    k = data.draw(st.integers(1, len(values)))
    order = np.argsort(values)
    least, _ = best_cuts([values[i] for i in order], [weights[i] for i in order], k)
    x = np.array(values, float)[:, None]
    assert KMeans(k).fit(x, sample_weight=weights).inertia_ == float(least)
    fractional = KMeans(k).fit(x, sample_weight=np.array(weights) / 1024 + 2.0**-11)
    least, _ = best_cuts([values[i] for i in order], [2 * weights[i] + 1 for i in order], k)
    assert fractional.inertia_ == pytest.approx(float(least / Fraction(2048)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, ">f4", bool, np.uint64, np.longdouble])
def test_one_feature_is_the_exact_engine(dtype: Any) -> None:
    x = (np.abs(_samples()) * 20).astype(np.uint8).astype(dtype)
    k = 2 if x.dtype == bool else 6
    model, levels = KMeans(k).fit(x), fit_levels(histogram(x.astype(np.float64)), k)
    np.testing.assert_array_equal(model.cluster_centers_[:, 0], levels.centers)
    np.testing.assert_array_equal(model.labels_, levels.classify(x.astype(np.float64))[:, 0])
    assert model.inertia_ == levels.inertia
    assert model.levels_ is not None
    assert model.fit(np.hstack([x, x])).levels_ is None
    assert model.inertia_ == pytest.approx(2 * levels.inertia, rel=0.005)


def test_more_levels_than_bins_with_fractional_weights() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 60_000), 10.0 ** rng.uniform(-200, 3, 20_000)])[:, None]
    weights = rng.random(len(x))
    fractional = KMeans(5).fit(x, sample_weight=weights)
    whole = fit_levels(Histogram.of(x[:, 0], np.rint(weights * 2.0**20).astype(np.int64)), 5)
    assert fractional.inertia_ == pytest.approx(whole.inertia / 2.0**20, rel=1e-5)
    _assert_at_rest(fractional, x, weights)


@pytest.mark.parametrize("n_features", [1, 3])
@pytest.mark.parametrize("offset", [1e9, -1e12])
def test_an_offset_does_no_harm(n_features: int, offset: float) -> None:
    x = np.round(_blobs(500, n_features, 4, 9) * 64) / 64
    near, far = KMeans(4).fit(x), KMeans(4).fit(x + offset)
    assert far.inertia_ == pytest.approx(near.inertia_, rel=1e-12)
    np.testing.assert_array_equal(far.labels_, near.labels_)
    np.testing.assert_allclose(far.cluster_centers_ - offset, near.cluster_centers_, rtol=0, atol=1e-15 * abs(offset))
    np.testing.assert_array_equal(far.predict(x + offset), far.labels_)


@pytest.mark.parametrize("exponent", [-900, -600, 500, 900, 1015])
def test_numbers_whose_squares_float64_cannot_hold(exponent: int) -> None:
    x = _blobs(200, 2, 3, 5)
    plain, scaled = KMeans(3).fit(x), KMeans(3).fit(np.ldexp(x, exponent))
    np.testing.assert_array_equal(scaled.labels_, plain.labels_)
    np.testing.assert_array_equal(scaled.cluster_centers_, np.ldexp(plain.cluster_centers_, exponent))
    np.testing.assert_allclose(scaled.transform(np.ldexp(x, exponent)), np.ldexp(plain.transform(x), exponent), 1e-12)
    with np.errstate(over="ignore"):
        assert scaled.inertia_ == np.ldexp(plain.inertia_, 2 * exponent)
    heavy = KMeans(3).fit(x, sample_weight=np.full(200, 1.7e308))
    np.testing.assert_array_equal(heavy.labels_, plain.labels_)


def test_float32_weights_would_saturate_where_these_do_not() -> None:
    x = np.ones((1000, 2), np.float32)
    x[::2] = 100
    for columns in (x, x[:, :1]):
        model = KMeans(2).fit(columns, sample_weight=np.full(1000, 60_000))
        assert model.cluster_centers_[:, 0].tolist() == [1.0, 100.0]
        weights = np.where(columns[:, 0] == 1, 2.0**40, 1.0)
        one = KMeans(1).fit(columns, sample_weight=weights)
        assert one.cluster_centers_[0, 0] == pytest.approx(1 + 99 / (1 + 2.0**40), rel=1e-15)


def test_labels_ascend_with_the_mean_of_the_coordinates() -> None:
    for n_features in (1, 2, 5):
        centers = KMeans(12).fit(_blobs(500, n_features, 12, 6)).cluster_centers_
        assert (np.diff(centers.mean(axis=1)) >= 0).all()
    tied = KMeans(4).fit([[1, -1], [0, 0], [-1, 1], [2, -2]])
    assert tied.cluster_centers_.tolist() == [[-1, 1], [0, 0], [1, -1], [2, -2]]


def test_as_many_clusters_as_distinct_samples_leave_no_error() -> None:
    x = np.repeat(np.random.default_rng(2).integers(0, 4, (20, 3)), 2, axis=0)
    k = len(np.unique(x, axis=0))
    model = KMeans(k).fit(x)
    assert model.inertia_ == 0
    np.testing.assert_array_equal(model.cluster_centers_[model.labels_], x)


def test_too_few_samples() -> None:
    with pytest.raises(
        TooFewLevelsError, match="n_clusters is 3, but the number of distinct samples is 2; give n_clus"
    ):
        KMeans(3).fit([[1.0], [2.0], [2.0]])
    with pytest.raises(
        TooFewLevelsError, match="n_clusters is 3, but the number of distinct samples is 2; give n_clus"
    ):
        KMeans(3).fit([[1.0], [2.0], [2.0]], sample_weight=[0.5, 1, 1])
    with pytest.raises(
        TooFewLevelsError, match="n_clusters is 3, but the number of samples is 2; give n_clusters <= 2"
    ):
        KMeans(3).fit([[1.0, 1], [2, 2], [3, 3]], sample_weight=[1, 1, 0])
    model = KMeans(4)
    with pytest.warns(UserWarning, match="n_clusters is 4, but the number of distinct samples is 2; the last center"):
        model.fit([[5, 5], [1, 1], [5, 5], [1, 1]])
    assert model.cluster_centers_.tolist() == [[1, 1], [5, 5], [5, 5], [5, 5]]
    assert model.labels_.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 16])
def test_bytes_are_as_good_as_floats(n_features: int) -> None:
    x = np.clip(_blobs(3000, n_features, 9, 8) * 12 + 128, 0, 255).astype(np.uint8)
    counted, sorted_ = KMeans(7).fit(x), KMeans(7).fit(x.astype(np.float32))
    np.testing.assert_array_equal(counted.cluster_centers_, sorted_.cluster_centers_)
    np.testing.assert_array_equal(counted.labels_, sorted_.labels_)
    assert counted.inertia_ == sorted_.inertia_


class _Frame:
    """What of a data frame counts here."""

    def __init__(self, data: np.ndarray, columns: list[Any]) -> None:
        self._data, self.columns = data, columns

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._data, dtype)


def test_the_names_of_columns_must_stay() -> None:
    x = _blobs(50, 2, 2, 0)
    model = KMeans(2).fit(_Frame(x, ["red", "green"]))
    assert model.feature_names_in_.tolist() == ["red", "green"]
    np.testing.assert_array_equal(model.predict(_Frame(x, ["red", "green"])), model.labels_)
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    with pytest.raises(DataError, match="X has the columns green, red, but KMeans was fitted on red, green; give the"):
        model.predict(_Frame(x, ["green", "red"]))
    assert not hasattr(model.fit(_Frame(x, [0, 1])), "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but KMeans was fitted without"):
        model.predict(_Frame(x, ["red", "green"]))


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (np.zeros(9), DataError, r"X has shape \(9,\), not .* Reshape your data"),
        (np.zeros((3, 3, 1)), DataError, "Reshape your data"),
        (5.0, DataError, "Reshape your data"),
        (np.zeros((0, 2)), DataError, r"0 sample\(s\)"),
        (np.zeros((2, 0)), DataError, r"0 feature\(s\)"),
        ([[1.0, np.nan]], DataError, "X has NaN or infinite values; leave them out"),
        ([[1.0, -np.inf]], DataError, "X has NaN or infinite values; leave them out"),
        ([[1j, 2]], DataError, "Complex data not supported"),
        ([[1, 2], [3]], DataError, "X is no table of numbers"),
        ([["a", "b"]], DataTypeError, "X is of dtype <U1; give real numbers"),
        ([[1, {}]], DataTypeError, "X is no table of numbers"),
        (np.array([["2020"]], "M8[Y]"), DataTypeError, "give real numbers"),
        (np.ma.masked_equal([[1, 2]], 2), DataError, "X has masked values; leave them out"),
    ],
)
def test_bad_samples_are_refused(x: Any, kind: type[KlevelsError], message: str) -> None:
    fitted = KMeans(1).fit([[1.0, 2.0]])
    for use in (KMeans(1).fit, fitted.predict, fitted.transform, fitted.score):
        with pytest.raises(kind, match=message) as caught:
            use(x)
        assert "\n" not in str(caught.value)


def test_sparse_samples_are_refused() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(
        DataTypeError, match=r"X is sparse, and klevels takes dense arrays only; X.toarray\(\) makes one"
    ):
        KMeans(1).fit(sparse.eye(3))


@pytest.mark.parametrize(
    ("weights", "kind", "message"),
    [
        ([1.0], DataError, r"sample_weight has shape \(1,\); give one weight for each of 2 samples"),
        ([[1.0, 2.0]], DataError, "give one weight for each of 2 samples"),
        ([1, -1], DataError, "a sample weight is negative, NaN or infinite"),
        ([np.nan, 1.0], DataError, "a sample weight is negative, NaN or infinite"),
        ([np.inf, 1.0], DataError, "a sample weight is negative, NaN or infinite"),
        ([0, 0], DataError, "all sample weights are zero"),
        (["1", "2"], DataTypeError, "sample_weight is of dtype <U1"),
        ([1j, 1], DataError, "Complex data not supported"),
    ],
)
@pytest.mark.parametrize("n_features", [1, 2])
def test_bad_weights_are_refused(n_features: int, weights: Any, kind: type[KlevelsError], message: str) -> None:
    x = np.arange(2.0)[:, None].repeat(n_features, axis=1)
    with pytest.raises(kind, match=message):
        KMeans(1).fit(x, sample_weight=weights)
    with pytest.raises(kind, match=message):
        KMeans(1).fit(x).score(x, sample_weight=weights)


def test_bad_use_is_refused() -> None:
    with pytest.raises(ParameterError, match="KMeans has no parameter 'n_jobs'; it has n_clusters, quality"):
        KMeans().set_params(n_jobs=1)
    x = [[1.0, 0.0], [2.0, 0.0]]
    for n_clusters in (2.5, 0, -1, True, "3", None):
        with pytest.raises(ParameterError, match=r"n_clusters is .*; give an integer of at least 1"):
            KMeans(n_clusters).fit(x)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="quality is 'good'; use fast, default, best"):
        KMeans(1, quality="good").fit(x)  # type: ignore[arg-type]
    for seed in (-1, 2**64, "0", 1.5):
        with pytest.raises(ParameterError, match=r"random_state is .*; give an integer from 0 to"):
            KMeans(1, random_state=seed).fit(x)
    for init in (np.zeros((1, 2)), len, "kmeans"):
        with pytest.raises(ParameterError, match=r"init is .*; leave it at 'k-means\+\+'"):
            KMeans(1, init=init).fit(x)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="X has 1 features, but KMeans is expecting 2 features as input"):
        KMeans(1).fit(x).predict([[1.0]])


def test_an_unfitted_one_says_so() -> None:
    for use in (KMeans().predict, KMeans().transform, KMeans().score):
        with pytest.raises(ParameterError, match="this KMeans is not fitted yet; call fit first"):
            use([[1.0]])
    with pytest.raises(ParameterError, match="not fitted yet"):
        KMeans().get_feature_names_out()
    with pytest.raises(DataError, match="input_features should have length equal to the number of features, 1"):
        KMeans(1).fit([[1.0]]).get_feature_names_out(["a", "b"])
    exceptions, validation = (pytest.importorskip(f"sklearn.{name}") for name in ("exceptions", "utils.validation"))
    with pytest.raises(exceptions.NotFittedError, match="this KMeans is not fitted yet"):
        KMeans().predict([[1.0]])
    with pytest.raises(exceptions.NotFittedError):
        validation.check_is_fitted(KMeans())


def test_scikit_learn_is_not_needed() -> None:
    script = (
        "import sys; sys.modules['sklearn'] = None; import klevels\n"
        "model = klevels.KMeans(2).fit([[0, 0], [0, 1], [9, 9]]); print(model.predict([[8, 8]]), model)\n"
        "try: klevels.KMeans().predict([[0]])\n"
        "except klevels.ParameterError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[1] KMeans(n_clusters=2)", "this KMeans is not fitted yet; call fit first"]


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
