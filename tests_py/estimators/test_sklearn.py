"""The estimators: scikit-learn's own checks, and its numbers step by step.

With shuffle=False nothing but rounding lies between scikit-learn's estimators and ours:
the same random_state draws the same weights and sets the same rows apart.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn import neural_network as theirs
from sklearn.datasets import (
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import swiftbackprop.sklearn as ours
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor


@pytest.mark.filterwarnings("ignore")  # the checks' own: short trainings do not converge
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


ROWS = 130
SHORT: dict[str, Any] = {
    "hidden_layer_sizes": (12, 7),
    "random_state": 3,
    "shuffle": False,
    "batch_size": 32,  # the last one of an epoch has 2 rows
    "max_iter": 30,
    "alpha": 0.01,
}
SGD: dict[str, Any] = {
    "solver": "sgd",
    "learning_rate_init": 0.1,
    "tol": 1e-2,
    "n_iter_no_change": 2,
    "max_iter": 60,
}


def targets(kind: str) -> tuple[Any, Any]:
    """X and y of a kind of target."""
    if kind == "multilabel":
        return make_multilabel_classification(ROWS, 8, random_state=0)
    if kind in ("binary", "multiclass"):
        classes = 2 if kind == "binary" else 3
        return make_classification(
            ROWS, 8, n_informative=5, n_classes=classes, random_state=classes
        )
    X, y = make_regression(ROWS, 8, noise=1.0, random_state=0)
    y = y / y.std()
    return X, {"number": y, "numbers": np.c_[y, -(y**2)], "count": np.abs(y)}[kind]


def fit_both(kind: str, sample_weight: Any = None, **changes: Any) -> tuple[Any, Any]:
    """The two libraries' estimators after fit with the same parameters."""
    X, y = targets(kind)
    name = "MLPRegressor" if kind in ("number", "numbers", "count") else "MLPClassifier"
    both = [getattr(module, name)(**SHORT | changes) for module in (theirs, ours)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return tuple(model.fit(X, y, sample_weight) for model in both)  # type: ignore[return-value]


def assert_same(one: Any, other: Any, *, loss: bool = True) -> None:
    """Weights, counts and curves are the same to rounding."""
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(one, name) == getattr(other, name), name
    curves = ["validation_scores_", "best_validation_score_"]
    if loss:
        curves += ["loss_curve_", "loss_", "best_loss_"]
    for name in curves:
        value = getattr(one, name, "none")  # lbfgs of scikit-learn has no curves
        if value is None:
            assert getattr(other, name) is None, name
        elif not isinstance(value, str):
            np.testing.assert_allclose(getattr(other, name), value, rtol=1e-9, err_msg=name)


WEIGHTS = np.random.default_rng(0).uniform(0, 2, ROWS)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_every_activation_as_in_scikit_learn(activation: str) -> None:
    assert_same(*fit_both("multiclass", activation=activation))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "number", "count"])
def test_every_target_as_in_scikit_learn(kind: str, early_stopping: bool, weights: Any) -> None:
    changes = {"loss": "poisson"} if kind == "count" else {}
    one, other = fit_both(
        kind, weights, early_stopping=early_stopping, n_iter_no_change=4, **changes
    )
    # The constant of poisson's loss is weighted over all rows here, there in each batch.
    assert_same(one, other, loss=kind != "count" or weights is None)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_several_numbers_sum_in_the_loss(early_stopping: bool) -> None:
    one, other = fit_both("numbers", early_stopping=early_stopping, alpha=0.0, tol=0.0)
    assert_same(one, other, loss=False)
    np.testing.assert_allclose(other.loss_curve_, 2 * np.array(one.loss_curve_))


@pytest.mark.parametrize("momentum", [0.9, 0.0])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
def test_sgd_as_in_scikit_learn(schedule: str, nesterov: bool, momentum: float) -> None:
    changes = {"learning_rate": schedule, "nesterovs_momentum": nesterov, "momentum": momentum}
    one, other = fit_both("multiclass", **SGD | changes)
    assert_same(one, other)
    if schedule == "adaptive":
        assert other.network_.optimizer.lr < 0.1 == other.learning_rate_init


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "number", "count"])
def test_lbfgs_as_in_scikit_learn(kind: str, weights: Any) -> None:
    changes = {"loss": "poisson"} if kind == "count" else {}
    one, other = fit_both(kind, weights, solver="lbfgs", max_iter=15, **changes)
    assert_same(one, other)
    assert len(other.loss_curve_) == other.n_iter_
    assert other.loss_curve_[-1] == pytest.approx(one.loss_)


def test_float32_stays_float32() -> None:
    X, y = targets("multiclass")
    changes = SHORT | {"max_iter": 5}
    both = [module.MLPClassifier(**changes) for module in (theirs, ours)]
    for model in both:
        with pytest.warns(ConvergenceWarning):
            model.fit(X.astype(np.float32), y)
        assert all(coef.dtype == np.float32 for coef in model.coefs_)
    np.testing.assert_allclose(both[0].loss_curve_, both[1].loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(both[0].predict_proba(X), both[1].predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_predictions_as_in_scikit_learn(kind: str) -> None:
    one, other = fit_both(kind)
    X, y = targets(kind)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    np.testing.assert_array_equal(one.classes_, other.classes_)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-12)
    np.testing.assert_allclose(one.predict_log_proba(X), other.predict_log_proba(X), atol=1e-9)
    assert one.score(X, y, WEIGHTS) == pytest.approx(other.score(X, y, WEIGHTS))


def test_parameters_and_their_defaults_are_scikit_learns() -> None:
    added = {
        *("validation_data", "scoring", "callbacks", "optimizer", "dtype", "dropout", "precision"),
    }
    for name, more in (("MLPClassifier", {"loss", "class_weight"}), ("MLPRegressor", set())):
        one = getattr(theirs, name)().get_params()
        other = getattr(ours, name)().get_params()
        assert other.keys() - one.keys() == added | more
        assert {key: other[key] for key in one} == one


def test_it_shuffles_unless_told_not_to() -> None:
    curves = [
        fit_both("multiclass", shuffle=True, random_state=seed)[1].loss_curve_ for seed in (0, 0, 1)
    ]
    assert curves[0] == curves[1] != curves[2]
    assert fit_both("multiclass", shuffle=False, random_state=0)[1].loss_curve_ != curves[0]
