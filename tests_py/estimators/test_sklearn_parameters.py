"""Every parameter of the estimators has a check that names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from scipy import stats

import swiftbackprop as sb
from helpers import refused
from short_fits import IRIS
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAN, INF = float("nan"), float("inf")
# What people pass by mistake; for each parameter, what of it is allowed.
STRANGE: dict[str, Any] = {
    "None": None, "text": "abc", "digits": "100", "bytes": b"x", "True": True, "nan": NAN,
    "inf": INF, "-1": -1, "1.5": 1.5, "distribution": stats.randint(1, 5), "nested": [[5, 4]],
    "list": [1, 2], "tuple": (1.5,), "dict": {7: 2}, "set": {"a"}, "array": np.array([1, 2]),
    "0-d array": np.array(NAN), "object": object(), "class": MLPClassifier,
}  # fmt: skip
ALLOWED: dict[str, set[str]] = {
    "hidden_layer_sizes": {"list", "array"}, "alpha": {"1.5"}, "learning_rate_init": {"1.5"},
    "power_t": {"1.5"}, "shuffle": {"True"}, "random_state": {"None", "True"}, "tol": {"1.5"},
    "verbose": {"True", "1.5"}, "warm_start": {"True"}, "nesterovs_momentum": {"True"},
    "early_stopping": {"True"}, "epsilon": {"1.5"}, "n_iter_no_change": {"inf"},
    "class_weight": {"None"}, "scoring": {"None"}, "validation_data": {"None"},
    "callbacks": {"None"}, "optimizer": {"None"}, "dtype": {"None"}, "precision": {"None"},
}  # fmt: skip


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("name", sorted(MLPClassifier().get_params()))
def test_a_strange_value_is_refused_by_name(kind: Any, name: str) -> None:
    if name not in kind().get_params():
        assert name == "class_weight"
        return
    for word, value in STRANGE.items():
        model = kind(**{"max_iter": 1, "hidden_layer_sizes": 3, name: value})
        if word in ALLOWED.get(name, set()):
            model.fit(*IRIS)
        else:
            refused(lambda model=model: model.fit(*IRIS), (TypeError, ValueError), name)


@pytest.mark.parametrize(
    "value", [None, "100", True, (5, False), 2.0, [[5, 4]], (5, 2.5), stats.randint(3, 9), {5}]
)
def test_hidden_layer_sizes_say_what_they_are(value: Any) -> None:
    model = MLPClassifier(hidden_layer_sizes=value)
    words = "hidden_layer_sizes must be an int or a sequence of ints, got "
    refused(lambda: model.fit(*IRIS), ValueError, words)


@pytest.mark.parametrize("value", [5, np.int32(5), [5], (5,), np.array([5]), range(5, 6)])
def test_hidden_layer_sizes_of_any_kind(value: Any) -> None:
    model = MLPClassifier(hidden_layer_sizes=value, max_iter=1).fit(*IRIS)
    assert model.network_.sizes == (4, 5, 3)


def test_distributions_and_lists_belong_elsewhere() -> None:
    for name, value, place in (
        ("hidden_layer_sizes", stats.randint(3, 9), "RandomizedSearchCV"),
        ("alpha", stats.loguniform(1e-5, 1), "RandomizedSearchCV"),
        ("alpha", [0.1, 0.2], "GridSearchCV"),
        ("hidden_layer_sizes", [(5,), (6, 4)], "GridSearchCV"),
    ):
        model = MLPRegressor(**{name: value})  # type: ignore[arg-type]
        refused(lambda model=model: model.fit(*IRIS), ValueError, name, place)


def test_values_of_another_parameter_say_of_which() -> None:
    for parameters, words in (
        ({"learning_rate": 0.01}, r"write learning_rate_init=0\.01$"),
        ({"solver": "rmsprop"}, "allowed: lbfgs, sgd, adam: write optimizer='rmsprop'$"),
        ({"solver": sb.Adam(0.1)}, r"write optimizer=Adam\(lr=0\.1"),
    ):
        model = MLPRegressor(**parameters)
        refused(lambda model=model: model.fit(*IRIS), ValueError, words)


def test_seeds_say_what_they_are() -> None:
    for value, word in ((2**32, "Seed"), (np.random.default_rng(0), "Generator")):
        model = MLPClassifier(random_state=value)
        refused(lambda model=model: model.fit(*IRIS), ValueError, "random_state", word)


# --- What fit is given besides X and y ------------------------------------------------------


def test_weights_and_classes_are_named() -> None:
    X, y = IRIS
    model = MLPClassifier(3, max_iter=1)
    for weights, words in (
        (["a"] * 150, ["sample_weight", r"'a' \(str\) in row 0"]),
        ([1.0] * 3, ["sample_weight", r"\(3,\)", r"\(150,\)"]),
        (np.full(150, NAN), ["sample_weight", "NaN"]),
        (np.full(150, -1.0), ["sample_weight", "negative"]),
        ([None] * 150, ["sample_weight", "None in row 0"]),
    ):
        refused(lambda w=weights: model.fit(X, y, w), (TypeError, ValueError), *words)
    for classes, words in (([None, 0, 1], ["None"]), (["a", 0, 1], ["text and other labels"])):
        refused(
            lambda c=classes: model.partial_fit(X, y, classes=c),
            (TypeError, ValueError), "classes", *words,
        )  # fmt: skip


def test_rows_to_validate_on_are_named() -> None:
    X, y = IRIS
    for kind, data, words in (
        (MLPClassifier, (X, y + 1), ["classes not in"]),
        (MLPClassifier, (X[:, :2], y), ["2 features"]),
        (MLPClassifier, (X, [None] * 150), ["None in row 0"]),
        (MLPRegressor, (X, np.c_[y, y]), ["2 outputs", "1$"]),
        (MLPRegressor, (X, y, -np.ones(150)), ["negative"]),
        (MLPRegressor, (X, y[:3]), ["150, 3"]),
    ):
        model: Any = kind(3, max_iter=1) if kind is MLPClassifier else kind(max_iter=1)
        given = dict(zip(("X_val", "y_val", "sample_weight_val"), data, strict=False))
        refused(lambda m=model, g=given: m.fit(X, y, **g), (ValueError, TypeError), "y_val", *words)
        model.set_params(validation_data=data)
        refused(lambda m=model: m.fit(X, y), (ValueError, TypeError), "validation_data", *words)
