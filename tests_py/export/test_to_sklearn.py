"""Networks and estimators as scikit-learn's own MLPs, and from_sklearn of what holds one."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import swiftbackprop as sb
from helpers import DTYPES, refused
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ROWS = 60


def inputs(dtype: str = "float64") -> npt.NDArray[Any]:
    X: npt.NDArray[Any] = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(dtype)
    return X


TARGETS: dict[str, Any] = {
    "two": np.array(["no", "yes"])[np.arange(ROWS) % 2],
    "three": np.array([3, 5, 9])[np.arange(ROWS) % 3],
    "labels": np.random.default_rng(1).integers(0, 2, (ROWS, 3)),
    "number": np.random.default_rng(1).normal(size=ROWS),
    "numbers": np.random.default_rng(1).normal(size=(ROWS, 2)),
}


def same(one: Any, other: Any, X: Any) -> None:
    for name in ("predict", "predict_proba"):
        if hasattr(one, name):
            found, wanted = getattr(one, name)(X), getattr(other, name)(X)
            assert found.shape == wanted.shape
            if np.asarray(wanted).dtype.kind == "f":
                np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [(), (7,), (6, 5)])
@pytest.mark.parametrize("target", list(TARGETS))
def test_estimators(target: str, hidden: tuple[int, ...], dtype: str) -> None:
    """Predictions, parameters, curves and names; and training goes on."""
    X, y = inputs(dtype), TARGETS[target]
    frame = pd.DataFrame(X, columns=list("abcd"))
    kind = MLPRegressor if target.startswith("number") else MLPClassifier
    model = kind(hidden_layer_sizes=hidden, activation="tanh", alpha=0.01, max_iter=5,
                 early_stopping=True, random_state=3, dropout=0.1).fit(frame, y)  # fmt: skip
    mlp = model.to_sklearn()
    assert type(mlp) is getattr(theirs, kind.__name__)
    same(mlp, model, frame)
    assert mlp.coefs_[0].dtype == dtype
    mine = model.get_params()
    assert {name: mine[name] for name in mlp.get_params()} == mlp.get_params()
    for name in ("loss_curve_", "validation_scores_", "n_iter_", "t_", "best_validation_score_",
                 "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):  # fmt: skip
        assert getattr(mlp, name) == getattr(model, name), name
    assert list(mlp.feature_names_in_) == list("abcd")
    same(pickle.loads(pickle.dumps(mlp)), model, frame)
    before = mlp.coefs_[0].copy()
    mlp.set_params(early_stopping=False).partial_fit(frame, y)
    assert not np.array_equal(mlp.coefs_[0], before)
    np.testing.assert_array_equal(before, model.coefs_[0])
    clone(mlp).fit(frame, y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("output", "loss", "units"),
    [
        ("softmax", "cross_entropy", 2),
        ("softmax", "cross_entropy", 3),
        ("sigmoid", "binary_cross_entropy", 1),
        ("sigmoid", "binary_cross_entropy", 3),
        ("identity", "squared_error", 1),
        ("identity", "squared_error", 2),
        ("exp", "poisson", 1),
    ],
)
def test_networks(output: str, loss: str, units: int, dtype: str) -> None:
    X = inputs(dtype)
    for activation in ("identity", "sigmoid", "tanh", "relu"):
        net = sb.Network([4, 6, 5, units], activation=activation, output=output, loss=loss,
                         dtype=dtype, seed=0, dropout=0.2)  # fmt: skip
        state = np.random.get_state()[1].copy()  # noqa: NPY002 - is it left alone?
        mlp = net.to_sklearn()
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
        a = net.predict(X)
        if isinstance(mlp, theirs.MLPRegressor):
            np.testing.assert_allclose(mlp.predict(X).reshape(a.shape), a, rtol=1e-5, atol=1e-6)
        else:
            found = mlp.predict_proba(X)
            found = found[:, 1:] if units == 1 else found
            np.testing.assert_allclose(found, a, rtol=1e-5, atol=1e-6)
            assert list(mlp.classes_) == list(range(max(units, 2)))
            if output == "softmax":
                np.testing.assert_array_equal(mlp.predict(X), net.predict_classes(X))
        if (output, units) == ("softmax", 2):  # is one logistic unit there
            np.testing.assert_allclose(sb.from_sklearn(mlp).predict(X)[:, 0], a[:, 1], rtol=1e-5)
        else:
            np.testing.assert_array_equal(sb.from_sklearn(mlp).parameters, net.parameters)


def test_networks_that_scikit_learn_has_not() -> None:
    own = sb.CustomActivation(np.tanh, lambda z: 1 - np.tanh(z) ** 2, name="tanh")
    for options, pattern in (
        ({"activation": ["relu", "tanh"]}, "layer 1 has relu and layer 2 tanh"),
        ({"activation": "gelu"}, "layer 1 has the activation gelu"),
        ({"activation": own}, "tanh, a function of your own"),
        ({"norm": "batch"}, "layer 1 is normalised"),
        ({"loss": "huber"}, "output is identity with the loss huber"),
        ({"output": "sigmoid", "loss": "squared_error"}, "sigmoid with the loss squared_error"),
    ):
        net = sb.Network([4, 3, 3, 2], seed=0, **options)
        refused(net.to_sklearn, ValueError, pattern)
    model = MLPClassifier((4,), "elu", max_iter=2, random_state=0)
    model.fit(inputs(), TARGETS["two"])
    refused(model.to_sklearn, ValueError, "activation elu")


PIPE = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=2, random_state=0))
MLP = theirs.MLPClassifier((4,), max_iter=2, random_state=0)
GRID = {"mlpclassifier__alpha": [1e-4]}
HOLDERS: dict[str, tuple[Any, str]] = {
    "pipeline": (PIPE, "pipeline[-1]"),
    "search": (GridSearchCV(MLP, {"alpha": [1e-4]}, cv=2), "search.best_estimator_"),
    "search of a pipeline": (
        RandomizedSearchCV(PIPE, GRID, n_iter=1, cv=2, random_state=0),
        "search.best_estimator_[-1]",
    ),
    "vote": (VotingClassifier([("one", MLP)]), "model.estimators_[0]"),
    "stack": (StackingClassifier([("one", PIPE)], cv=2), "model.estimators_[0][-1]"),
    "bag": (BaggingClassifier(MLP, 2, random_state=0), "model.estimators_[0]"),
    "one or rest": (OneVsRestClassifier(MLP), "model.estimators_[0]"),
    "calibrated": (
        CalibratedClassifierCV(PIPE, cv=2),
        "model.calibrated_classifiers_[0].estimator[-1]",
    ),
    "threshold": (TunedThresholdClassifierCV(MLP, cv=2), "model.estimator_"),
}


@pytest.mark.parametrize("name", list(HOLDERS))
def test_models_that_hold_a_network(name: str) -> None:
    """Before their fit and after it, with what to pass; which then is taken."""
    model, where = HOLDERS[name]
    X, y = inputs(), TARGETS["two"]
    say = rf"got {type(model).__name__}: pass what it holds, "
    called = where.partition(".")[0].partition("[")[0]
    exact = where.translate(str.maketrans({c: f"\\{c}" for c in "[].+-()"}))
    refused(lambda: sb.from_sklearn(clone(model)), TypeError,
            rf"{say}{exact} after {called}\.fit\(X, y\)")  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs on labels without sense
        fitted = clone(model).fit(X, y)
    refused(lambda: sb.from_sklearn(fitted), TypeError, rf"{say}{exact}$")
    net = sb.from_sklearn(eval(where, {called: fitted}))
    assert net.sizes == (4, 4, 1)


def test_targets_that_were_transformed_and_several_outputs() -> None:
    X = inputs()
    model = TransformedTargetRegressor(MLPRegressor(hidden_layer_sizes=(3,), max_iter=2,
                                                    random_state=0))  # fmt: skip
    refused(lambda: sb.from_sklearn(model), TypeError, r"model\.regressor_ after model\.fit")
    model.fit(X, X[:, 0])
    refused(lambda: sb.from_sklearn(model), TypeError, r"model\.regressor_$")
    several = MultiOutputClassifier(MLP).fit(X, TARGETS["labels"])
    refused(lambda: sb.from_sklearn(several), TypeError, r"model\.estimators_\[0\]$")


def test_models_that_hold_none() -> None:
    for model in (LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        say = f"expected an MLPClassifier or MLPRegressor, got {type(model).__name__}$"
        refused(lambda m=model: sb.from_sklearn(m), TypeError, say)


@pytest.mark.parametrize("classes", [["yes", "no"], ["c", "a", "b"]])
@pytest.mark.parametrize("single", [False, True])
def test_classes_in_an_order_of_their_own(classes: list[str], single: bool) -> None:
    """scikit-learn's classes are sorted, those of a network lie as its outputs do."""
    outputs = 1 if single and len(classes) == 2 else len(classes)
    loss = "cross_entropy" if outputs > 1 else "binary_cross_entropy"
    net = sb.Network([4, 6, outputs], activation="tanh", loss=loss, seed=0)
    net.classes_ = classes
    made, X = net.to_sklearn(), inputs("float32")
    assert made.classes_.tolist() == sorted(classes)
    np.testing.assert_array_equal(made.predict(X), net.predict_classes(X))
    wanted = net.predict_proba(X)[:, np.argsort(classes)]
    np.testing.assert_allclose(made.predict_proba(X), wanted, rtol=1e-5, atol=1e-6)


def test_a_scale_of_integers_is_not_lost() -> None:
    net = sb.Network([4, 1], input_scale=1 / 255, seed=0)
    refused(net.to_sklearn, ValueError, "input_scale = 0.0039.*set net.input_scale = 1")
    X = np.random.default_rng(0).integers(0, 256, (8, 4), np.uint8)
    wanted = net.predict(X)[:, 0]
    net.input_scale = 1
    np.testing.assert_allclose(net.to_sklearn().predict(X / 255), wanted, rtol=1e-5, atol=1e-6)
