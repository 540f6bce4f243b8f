"""The estimators' life: going on, storing, copying, meta-estimators."""

from __future__ import annotations

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import swiftbackprop as sb
from helpers import run_python_ok
from short_fits import IRIS, short
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def weights_of(model: Any) -> Any:
    return model.network_.parameters.copy()


# --- Going on -----------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"solver": "sgd", "learning_rate": "invscaling"}])
def test_partial_fit_epoch_by_epoch_is_scikit_learns(changes: dict[str, Any]) -> None:
    X, y = IRIS
    both = [
        module(random_state=0, shuffle=False, hidden_layer_sizes=8, batch_size=32, **changes)
        for module in (theirs.MLPClassifier, MLPClassifier)
    ]
    for part in (slice(0, 60), slice(60, 150), slice(0, 150), slice(20, 90)):
        for model in both:
            model.partial_fit(X[part], y[part], classes=[0, 1, 2])
    one, other = both
    for a, b in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    assert (one.t_, one.n_iter_) == (other.t_, other.n_iter_) == (370, 1)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_)


def test_partial_fit_draws_a_new_order_each_time() -> None:
    X, y = IRIS
    model = short()
    orders = [model.partial_fit(X, y, classes=[0, 1, 2]).network_._generator() for _ in range(3)]
    assert len(set(orders)) == 3


def test_partial_fit_wants_the_classes_first() -> None:
    X, y = IRIS
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        short().partial_fit(X, y)
    model = short().partial_fit(X[:50], y[:50], classes=[0, 1, 2])
    np.testing.assert_array_equal(model.partial_fit(X, y).classes_, [0, 1, 2])
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="has classes not in"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="does not support early_stopping"):
        short(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])
    assert not hasattr(short(solver="lbfgs"), "partial_fit")
    assert not hasattr(MLPRegressor(solver="lbfgs"), "partial_fit")


def test_a_new_learning_rate_counts_in_partial_fit() -> None:
    X, y = IRIS
    model = short().partial_fit(X, y, classes=[0, 1, 2])
    model.set_params(learning_rate_init=1e-30, alpha=0.5).partial_fit(X, y)
    assert model.network_.optimizer.lr == 1e-30
    assert model.network_.l2 == 0.5
    assert model.network_.step_count == 10


def test_warm_start_goes_on_as_scikit_learn_does() -> None:
    X, y = IRIS
    both = [
        module(warm_start=True, random_state=0, shuffle=False, batch_size=32, max_iter=3, tol=0.0)
        for module in (theirs.MLPClassifier, MLPClassifier)
    ]
    for model in both:
        model.fit(X, y).fit(X, y).set_params(learning_rate_init=0.01).fit(X, y)
    one, other = both
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_)
    assert (one.n_iter_, one.t_) == (other.n_iter_, other.t_) == (3, 1350)
    with pytest.raises(ValueError, match="same classes as in the previous call"):
        other.fit(X, np.minimum(y, 1))
    with pytest.raises(ValueError, match="asked to go on"):
        other.set_params(hidden_layer_sizes=5).fit(X, y)


def test_without_warm_start_everything_is_new() -> None:
    X, y = IRIS
    model = short().fit(X, y)
    weights, curve = weights_of(model), list(model.loss_curve_)
    model.partial_fit(X, y).fit(X, y)
    np.testing.assert_array_equal(weights_of(model), weights)
    assert model.loss_curve_ == curve
    assert model.fit(X[:, :2], y == 0).network_.sizes == (2, 8, 1)


def test_warm_start_keeps_the_best_weights_of_all_fits() -> None:
    X, y = IRIS
    model = short(early_stopping=True, warm_start=True, max_iter=50, learning_rate_init=0.05)
    best = weights_of(model.fit(X, y))
    score = model.best_validation_score_
    model.set_params(learning_rate_init=10.0, max_iter=2).fit(X, y)
    assert model.best_validation_score_ == score
    np.testing.assert_array_equal(weights_of(model), best)


def test_early_stopping_stops_early_and_keeps_the_best() -> None:
    X, y = IRIS
    model = short(early_stopping=True, max_iter=200, learning_rate_init=0.05).fit(X, y)
    assert model.n_iter_ == len(model.validation_scores_) < 200
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ is None


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_was_set_in_the_network_goes_on_too(solver: str, dtype: str) -> None:
    """Frozen layers above all: no parameter of the estimator says them."""
    X, y = IRIS
    model = short(solver=solver, warm_start=True, dtype=dtype).fit(X, y)
    goings = [model.fit] if solver == "lbfgs" else [model.fit, model.partial_fit]
    for going in goings:
        model.network_.layers[0].trainable = False
        model.network_.max_norm, model.network_.clip_norm, model.network_.l1 = 9.0, 5.0, 1e-5
        first, second = (W.copy() for W in model.coefs_)
        going(X, y)
        net = model.network_
        assert [layer.trainable for layer in net.layers] == [False, True]
        assert (net.max_norm, net.clip_norm, net.l1) == (9.0, 5.0, pytest.approx(1e-5))
        np.testing.assert_array_equal(model.coefs_[0], first)
        assert not np.array_equal(model.coefs_[1], second)
    assert model.set_params(warm_start=False).fit(X, y).network_.layers[0].trainable


# --- Storing and copying -------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_copy_goes_on_bit_for_bit(duplicate: Any, solver: str) -> None:
    X, y = IRIS
    model = short(solver=solver, learning_rate="adaptive").fit(X, y)
    twin = duplicate(model)
    assert twin.network_ is not model.network_
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    for _ in range(2):
        model.partial_fit(X, y)
        assert not np.array_equal(weights_of(twin), weights_of(model))
        np.testing.assert_array_equal(weights_of(twin.partial_fit(X, y)), weights_of(model))
    assert twin.loss_curve_ == model.loss_curve_


def bend(z: Any) -> Any:
    return np.where(z > 0, z, 0.1 * z)


def bend_slope(z: Any) -> Any:
    return np.where(z > 0, 1.0, 0.1)


def fitted(sort: str) -> Any:
    """A fitted estimator whose parameters and attributes are of many classes of ours."""
    X, y = IRIS
    if sort == "rules":
        leaky = sb.activation("leaky_relu", slope=0.2)
        model = short(activation=[leaky], optimizer=sb.RMSprop(0.01), dropout=0.1)
        return model.fit(X, np.array(["a", "b", "c"])[y])
    if sort == "callbacks":
        tools = [sb.EarlyStopping("val_loss"), sb.LearningRateScheduler(sb.schedules.Step(2))]
        return short(callbacks=tools, validation_data=(X, y), scoring="loss").fit(X, y)
    if sort == "numbers":
        return MLPRegressor(sb.loss("huber", delta=0.5), 5, max_iter=3, random_state=0).fit(X, y)
    changes: dict[str, dict[str, Any]] = {
        "default": {}, "lbfgs": {"solver": "lbfgs", "dtype": "float32"},
        "labels": {"early_stopping": True},
        "state": {"random_state": np.random.RandomState(3), "class_weight": {0: 2.0}},
    }  # fmt: skip
    return short(**changes[sort]).fit(X, np.eye(3, dtype=int)[y] if sort == "labels" else y)


SORTS = ["default", "rules", "callbacks", "numbers", "lbfgs", "labels", "state"]


def assert_equal_and_alive(again: Any, model: Any) -> None:
    """Same parameters, predictions and next epoch."""
    X, y = IRIS
    assert type(again) is type(model)
    for name in ("optimizer", "loss", "hidden_layer_sizes", "dropout", "class_weight", "dtype"):
        assert getattr(again, name, None) == getattr(model, name, None)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    if model.solver != "lbfgs":
        assert dict(again.network_.history) == dict(model.network_.history)
    assert again.network_.optimizer.recipe == model.network_.optimizer.recipe
    if model.solver != "lbfgs" and not model.early_stopping:
        y = model.predict(X)
        np.testing.assert_array_equal(
            weights_of(again.partial_fit(X, y)), weights_of(copy.deepcopy(model).partial_fit(X, y))
        )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(protocol: int) -> None:
    for sort in SORTS:
        model = fitted(sort)
        assert_equal_and_alive(pickle.loads(pickle.dumps(model, protocol)), model)
    custom = short(activation=sb.CustomActivation(bend, bend_slope)).fit(*IRIS)
    assert_equal_and_alive_custom(pickle.loads(pickle.dumps(custom, protocol)), custom)


def assert_equal_and_alive_custom(again: Any, model: Any) -> None:
    assert type(again.network_) is type(model.network_)
    np.testing.assert_array_equal(again.predict(IRIS[0]), model.predict(IRIS[0]))


@pytest.mark.parametrize("sort", SORTS)
def test_skops_files(sort: str) -> None:
    import skops.io

    model = fitted(sort)
    text = skops.io.dumps(model)
    kinds = skops.io.get_untrusted_types(data=text)
    others = [kind for kind in kinds if not kind.startswith("swiftbackprop.")]
    assert set(others) <= {"numpy.dtype", "numpy.random.mtrand.RandomState"}
    again = skops.io.loads(text, trusted=kinds)
    assert_equal_and_alive(again, model)
    if sort == "default":
        pipeline = make_pipeline(StandardScaler(), model)
        text = skops.io.dumps(pipeline.fit(*IRIS))
        again = skops.io.loads(text, trusted=kinds)
        np.testing.assert_array_equal(again.predict(IRIS[0]), pipeline.predict(IRIS[0]))


def test_an_unfitted_estimator_pickles() -> None:
    assert pickle.loads(pickle.dumps(short())).get_params() == short().get_params()


def test_coefs_are_the_networks_and_can_be_replaced() -> None:
    X, y = IRIS
    model = short().fit(X, y)
    assert [coef.shape for coef in model.coefs_] == [(4, 8), (8, 3)]
    model.coefs_[0][...] = 0
    assert not model.network_.layers[0].W.any()
    model.coefs_[1] = np.zeros((8, 3))
    model.intercepts_ = [np.zeros(8), np.array([0.0, 9.0, 0.0])]
    assert set(model.predict(X)) == {1}
    assert set(pickle.loads(pickle.dumps(model)).predict(X)) == {1}
    model.coefs_[0] = np.zeros((3, 3))
    with pytest.raises(ValueError, match="W of layer 1"):
        model.predict(X)


def test_clone_and_html() -> None:
    X, y = IRIS
    model = short(callbacks=[], activation=["tanh"]).fit(X, y)
    twin = clone(model)
    assert not hasattr(twin, "coefs_")
    assert twin.get_params() == model.get_params()
    assert "MLPClassifier" in estimator_html_repr(make_pipeline(StandardScaler(), model))
    assert "activation=['tanh']" in repr(model)


# --- Meta-estimators ------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_pipeline_grid_search_and_joblib(backend: str) -> None:
    import joblib

    X, y = IRIS
    pipeline = make_pipeline(StandardScaler(), short(max_iter=20, learning_rate_init=0.02))
    grid = {"mlpclassifier__hidden_layer_sizes": [4, (8, 4)], "mlpclassifier__alpha": [0, 0.1]}
    with joblib.parallel_backend(backend, n_jobs=2), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    alone = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
    assert search.best_score_ > 0.85


def test_threads_predict_with_one_estimator() -> None:
    X, y = IRIS
    model = short().fit(X, y)
    expected = model.predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: model.predict_proba(X), range(50)):
            np.testing.assert_array_equal(found, expected)


def test_convergence_warning() -> None:
    X, y = IRIS
    for solver in ("adam", "lbfgs"):
        with pytest.warns(ConvergenceWarning):
            short(solver=solver).fit(X, y)
    assert cross_val_score(short(max_iter=50, learning_rate_init=0.03), X, y).mean() > 0.85


def test_without_scikit_learn_it_says_how_to_install_it() -> None:
    said = run_python_ok(
        """
        import sys

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("sklearn", "scipy"):
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Absent())
        try:
            import swiftbackprop.sklearn
        except ImportError as error:
            print(error)
        """
    )
    assert said.strip() == (
        "swiftbackprop.sklearn needs scikit-learn 1.6 or newer: pip install 'scikit-learn>=1.6'"
    )


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("inside", [False, True])
def test_warnings_point_to_the_line_that_called(solver: str, inside: bool) -> None:
    """Not into this package, nor into scikit-learn, whose pipelines call it."""
    model: Any = MLPClassifier((3,), solver=solver, max_iter=2, batch_size=1000, random_state=0)
    model = make_pipeline(StandardScaler(), model) if inside else model
    X, y = IRIS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y[:, None])
    assert len(caught) == (3 if solver == "adam" else 2), [str(each.message) for each in caught]
    assert caught[0].category is DataConversionWarning
    assert {each.filename for each in caught} == {__file__}


def test_warnings_of_a_cross_validation_point_to_the_line_that_called() -> None:
    """Not into joblib, by which scikit-learn calls an estimator for every fold."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cross_val_score(MLPClassifier((3,), max_iter=2, random_state=0), *IRIS, cv=3)
    assert [each.category for each in caught] == [ConvergenceWarning] * 3
    assert {each.filename for each in caught} == {__file__}
