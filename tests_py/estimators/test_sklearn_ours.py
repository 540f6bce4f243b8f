"""What the estimators have beside scikit-learn's parameters, and their errors."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import swiftbackprop as sb
from helpers import refused
from short_fits import DIABETES, IRIS, short
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_an_activation_for_each_layer() -> None:
    slope = sb.activation("leaky_relu", slope=0.2)
    model = short(hidden_layer_sizes=(8, 6, 4), activation=["logistic", slope, "gelu"]).fit(*IRIS)
    assert [layer.activation.name for layer in model.network_.layers] == [
        "sigmoid", "leaky_relu", "gelu", "softmax",
    ]  # fmt: skip
    assert model.network_.layers[1].activation == slope
    with pytest.raises(
        ValueError, match="activation: expected 2, one for each hidden layer, got 1"
    ):
        short(hidden_layer_sizes=(8, 6), activation=["relu"]).fit(*IRIS)
    with pytest.raises(ValueError, match="relu"):
        short(activation="relo").fit(*IRIS)


@pytest.mark.parametrize("loss", ["huber", "absolute_error", sb.loss("huber", delta=0.5)])
def test_other_losses_of_numbers(loss: Any) -> None:
    X, y = DIABETES
    model = short(MLPRegressor, loss=loss, max_iter=60, learning_rate_init=0.01).fit(X, y)
    assert model.network_.loss == (sb.loss(loss) if isinstance(loss, str) else loss)
    assert model.score(X, y) > 0.4


def test_other_losses_of_classes_leave_probabilities() -> None:
    X, y = IRIS
    model = short(loss="squared_error", solver="lbfgs", max_iter=200).fit(X, y)
    assert model.out_activation_ == "softmax"
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_validation_data_and_curves(solver: str) -> None:
    X, y = IRIS
    held = (X[::3], y[::3], np.linspace(0, 1, 50))
    model = short(solver=solver, validation_data=held).fit(X, y)
    expected = accuracy_score(y[::3], model.predict(X[::3]), sample_weight=held[2])
    assert model.validation_scores_[-1] == pytest.approx(expected)
    assert len(model.validation_loss_curve_) == len(model.loss_curve_) == model.n_iter_ == 4
    loss = model.network_.evaluate(X[::3], y[::3], sample_weight=held[2])["loss"]
    assert model.validation_loss_curve_[-1] == pytest.approx(loss)


def test_early_stopping_by_data_of_ones_own() -> None:
    X, y = DIABETES
    model = short(
        MLPRegressor, max_iter=300, early_stopping=True, validation_data=(X[::4], y[::4])
    ).fit(np.delete(X, np.s_[::4], 0), np.delete(y, np.s_[::4]))
    assert model.n_iter_ < 300
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert r2_score(y[::4], model.predict(X[::4])) == pytest.approx(model.best_validation_score_)
    with pytest.raises(TypeError, match="validation_data must be a tuple"):
        short(validation_data=X).fit(*IRIS)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_callbacks(solver: str) -> None:
    seen: list[float] = []

    def stop_after_two(net: sb.Network, epoch: int, logs: Any) -> bool:
        assert epoch == len(seen)
        seen.append(logs["loss"])
        return epoch == 1

    model = short(solver=solver, callbacks=[stop_after_two], max_iter=50, alpha=0.0).fit(*IRIS)
    assert model.n_iter_ == 2
    np.testing.assert_allclose(seen, model.loss_curve_)


def test_any_optimizer() -> None:
    model = short(optimizer=sb.RMSprop(0.02), max_iter=30).fit(*IRIS)
    assert model.network_.optimizer.recipe == sb.RMSprop(0.02)
    assert model.partial_fit(*IRIS).network_.step_count == 31 * 5
    with pytest.raises(ValueError, match="lbfgs"):
        short(optimizer="adamw", solver="lbfgs").fit(*IRIS)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_dtype(solver: str) -> None:
    X, y = IRIS
    model = short(dtype="float32", solver=solver).fit(X, y)
    assert model.network_.dtype == model.coefs_[0].dtype == np.float32
    assert model.predict_proba(X).dtype == np.float32
    other = short(dtype="float64", solver=solver, shuffle=False).fit(X.astype(np.float32), y)
    assert other.coefs_[0].dtype == np.float64


def test_class_weights_are_sample_weights() -> None:
    X, y = IRIS
    X, y = X[:120], y[:120]
    by_class = short(class_weight={0: 1, 1: 2, 2: 5}, shuffle=False).fit(X, y)
    by_row = short(shuffle=False).fit(X, y, np.array([1, 2, 5])[y])
    assert by_class.loss_curve_ == by_row.loss_curve_
    balanced = short(class_weight="balanced", shuffle=False).fit(X, y, np.full(120, 2.0))
    by_row = short(shuffle=False).fit(X, y, 120 / (3 * np.bincount(y))[y] * 2)
    np.testing.assert_allclose(balanced.loss_curve_, by_row.loss_curve_)
    with pytest.raises(ValueError, match="balanced"):
        short(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_class_weights_are_looked_up_in_all_classes() -> None:
    """Not in those of a part of the rows: a class that is not in the dict counts 1."""
    X, y = IRIS
    names = np.array(["a", "b", "c"])[y]
    weights = {"a": 1.0, "b": 5.0}
    two = (X[100:], names[100:])  # rows of class c alone
    model = short(class_weight=weights, validation_data=two).fit(X, names)
    loss = model.network_.evaluate(two[0], y[100:])["loss"]
    assert model.validation_loss_curve_[-1] == pytest.approx(loss)
    parts = [short(class_weight=w, shuffle=False) for w in (weights, {**weights, "c": 1.0})]
    for part in (slice(100, 150), slice(0, 100)):
        for each in parts:
            each.partial_fit(X[part], names[part], classes=["a", "b", "c"])
    by_row = short(shuffle=False)
    by_row.partial_fit(X[100:], names[100:], classes=["a", "b", "c"])
    by_row.partial_fit(X[:100], names[:100], np.repeat([1.0, 5.0], 50))
    for each in parts:
        np.testing.assert_array_equal(each.network_.parameters, by_row.network_.parameters)


def test_balanced_weights_are_those_of_the_training_rows() -> None:
    X, y = IRIS
    data = (X[90:120], y[90:120])
    model = short(class_weight="balanced", validation_data=data).fit(X[:120], y[:120])
    weights = (120 / (3 * np.bincount(y[:120])))[y[90:120]]
    loss = model.network_.evaluate(*data, sample_weight=weights)["loss"]
    assert model.validation_loss_curve_[-1] == pytest.approx(loss)
    expected = accuracy_score(data[1], model.predict(data[0]), sample_weight=weights)
    assert model.validation_scores_[-1] == pytest.approx(expected)


def test_class_weights_of_several_labels() -> None:
    from sklearn.datasets import make_multilabel_classification
    from sklearn.utils.class_weight import compute_sample_weight

    X, Y = make_multilabel_classification(120, 6, n_classes=3, random_state=0)
    given = [{0: 1.0, 1: 2.0}, {1: 3.0}, {}]
    for weights in (given, "balanced"):
        one = short(class_weight=weights, shuffle=False).fit(X, Y)
        complete = [{0: 1.0, 1: 1.0, **table} for table in given]
        by_row = compute_sample_weight(complete if weights is given else weights, Y)
        other = short(shuffle=False).fit(X, Y, by_row)
        np.testing.assert_allclose(one.loss_curve_, other.loss_curve_)
    for wrong, words in (
        ({0: 1.0}, ["class_weight", "list with a dict for each label"]),
        (given[:2], ["class_weight has 2 dicts", "3 labels"]),
        ([{}, {}, {2: 1.0}], [r"class_weight\[2\]", "key 2", "0, 1"]),
        ([{}, {}, 3], ["class_weight", "item 2"]),
    ):
        model = short(class_weight=wrong)
        refused(lambda model=model: model.fit(X, Y), (TypeError, ValueError), *words)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"d": 2.0}, ["class_weight", "key 'd'", "'a', 'b', 'c'"]),
        ({0: 2.0}, ["class_weight", "key 0"]),
        ({"a": -1.0}, [r"class_weight\['a'\]", "must be a finite number >= 0, got -1"]),
        ({"a": float("nan")}, [r"class_weight\['a'\]", "finite", "nan"]),
        ({"a": "2"}, [r"class_weight\['a'\]", "number", "'2'"]),
        ("balance", ["class_weight", "balanced", "'balance'"]),
        ([1.0, 2.0, 3.0], ["class_weight", "dict", r"\[1.0, 2.0, 3.0\]"]),
    ],
    ids=str,
)
def test_wrong_class_weights_are_named(weights: Any, words: list[str]) -> None:
    names = np.array(["a", "b", "c"])[IRIS[1]]
    model = short(class_weight=weights)
    refused(lambda: model.fit(IRIS[0], names), (TypeError, ValueError), *words)


def test_the_network_shows_gradients_and_activations() -> None:
    X, y = IRIS
    net = short().fit(X, y).network_
    a = net.forward(X)
    net.backward(y)
    np.testing.assert_allclose(net.layers[1].grad_z, (a - np.eye(3)[y]) / 150, atol=1e-12)


def test_scikit_learns_callbacks_follow_the_epochs() -> None:
    pytest.importorskip("sklearn.callback")
    X, y = IRIS

    class Log:
        def __init__(self) -> None:
            self.calls: list[str] = []
            self.losses: list[float] = []

        def setup(self, estimator: Any, context: Any) -> None:
            self.calls.append("setup")

        def teardown(self, estimator: Any, context: Any) -> None:
            self.calls.append("teardown")

        def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
            self.calls.append(f"begin {context.task_name}")

        def on_fit_task_end(
            self, estimator: Any, context: Any, *, X: Any, y: Any, fitted_estimator: Any
        ) -> bool:
            self.calls.append(f"end {context.task_name} {context.task_id}")
            if fitted_estimator is not None:
                assert fitted_estimator.network_ is not estimator.network_
                self.losses.append(fitted_estimator.score(X, y))
            return context.task_name == "epoch" and context.task_id == 1

    log = Log()
    model = short().set_callbacks(log).fit(X, y)
    assert model.n_iter_ == 2
    assert log.calls == [
        "setup", "begin fit", "begin epoch", "end epoch 0", "begin epoch", "end epoch 1",
        "end fit 0", "teardown",
    ]  # fmt: skip
    assert log.losses[-1] == model.score(X, y)
    log.calls.clear()
    make_pipeline(StandardScaler(), short(solver="lbfgs").set_callbacks(log)).fit(X, y)
    assert log.calls.count("begin epoch") == 2


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_warns_and_keeps_the_model(solver: str) -> None:
    def interrupt(net: sb.Network, epoch: int, logs: Any) -> None:
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    model = short(callbacks=[interrupt], max_iter=1000, solver=solver)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(*IRIS)
    assert model.n_iter_ < 1000
    assert np.isfinite(model.predict_proba(IRIS[0])).all()


def test_verbose_prints_a_line_for_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    short(verbose=True, early_stopping=True).fit(*IRIS)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("Iteration")]) == 4
    assert len([line for line in lines if line.startswith("Validation score")]) == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"solver": "adams"}, ["solver", "adam"]),
        ({"alpha": -1}, ["alpha", "-1"]),
        ({"max_iter": 0}, ["max_iter must be an int >= 1, got 0"]),
        ({"batch_size": "all"}, ["batch_size", "auto"]),
        ({"learning_rate_init": 0.0}, ["learning_rate_init must be a finite number > 0, got 0"]),
        ({"hidden_layer_sizes": (3, 0)}, ["hidden_layer_sizes must be > 0"]),
        ({"loss": "hubert"}, ["huber"]),
        ({"validation_fraction": 0.001, "early_stopping": True}, ["validation set is too small"]),
        ({"solver": "sgd", "learning_rate_init": 1e60, "alpha": 1e60}, ["non-finite"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_errors_say_what_is_wanted(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words follow
        short(MLPRegressor, **changes).fit(*DIABETES)
    for word in words:
        assert word in str(caught.value)


def test_negative_weights_and_targets_are_refused() -> None:
    X, y = DIABETES
    with pytest.raises(ValueError, match="Negative values"):
        short(MLPRegressor).fit(X, y, -np.ones(len(y)))
    with pytest.raises(ValueError, match="poisson"):
        short(MLPRegressor, loss="poisson").fit(X, y)
    with pytest.raises(ValueError, match="Unknown label type"):
        short().fit(X, y)
    with pytest.raises(ValueError, match="several columns of classes"):
        short().fit(X, np.arange(2 * len(X)).reshape(-1, 2) % 3)


def test_a_batch_too_large_is_clipped() -> None:
    with pytest.warns(UserWarning, match="clipped"):
        model = short(batch_size=1000).fit(*IRIS)
    assert model.network_.step_count == 4


def test_an_estimator_takes_a_precision() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((120, 70)), rng.integers(0, 2, 120)
    model = MLPClassifier((8,), max_iter=3, random_state=0, precision="bfloat16")
    with pytest.warns(Warning, match="converged"):
        model.fit(X, y)
    assert model.network_.precision == "bfloat16"
    assert model.network_.dtype == np.float32  # though X is float64
    for bad in (
        MLPClassifier(precision="fp16"),
        MLPClassifier(precision="float64"),
        MLPRegressor(precision="bfloat16", dtype="float64"),
        MLPClassifier(precision="bfloat16", solver="lbfgs"),
    ):
        refused(lambda bad=bad: bad.fit(X, y), ValueError, "precision")


def test_an_estimator_of_a_version_without_precision_is_restored() -> None:
    model = MLPClassifier((3,))
    old = model.__getstate__()
    del old["precision"]
    again = MLPClassifier.__new__(MLPClassifier)
    again.__setstate__(old)
    assert again.precision is None
    assert "MLPClassifier" in repr(again)
