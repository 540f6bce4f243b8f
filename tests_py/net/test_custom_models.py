"""Functions of one's own in copies, files, estimators and metrics."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from custom_functions import QUARTIC, SINE, SQUARE, TANH
from helpers import assert_matches, data, quiet_network, refused

# --- Copies, pickles, files --------------------------------------------------------------


class Named(sb.Network):
    """A network of somebody's own."""

    def shout(self) -> str:
        return "!"


@pytest.mark.parametrize("kind", [sb.Network, Named])
@pytest.mark.parametrize("way", ["copy", "copy.copy", "deepcopy", "pickle"])
def test_copies_go_on_alike(way: str, kind: Any) -> None:
    net = kind([4, 6, 3], activation=SINE, loss=QUARTIC, seed=0, dropout=0.2, max_norm=3.0)
    X, y = data([4, 3], 40, "squared_error", "float32")
    net.fit(X, y, epochs=2, progress=False)
    ways: dict[str, Any] = {
        "copy": lambda: net.copy(),
        "copy.copy": lambda: copy.copy(net),
        "deepcopy": lambda: copy.deepcopy(net),
        "pickle": lambda: pickle.loads(pickle.dumps(net)),
    }
    twin = ways[way]()
    assert isinstance(twin, kind)
    if kind is Named:
        assert twin.shout() == "!"
        assert type(net).__name__ == "Named"
    for each in (net, twin):
        each.fit(X, y, epochs=2, progress=False)
    assert np.array_equal(net.parameters, twin.parameters)
    net.reset(1)
    assert not np.array_equal(net.parameters, twin.parameters)


def test_a_copy_made_during_fit_is_free() -> None:
    kept: list[Any] = []

    def keep(net: Any, epoch: int, logs: Any) -> None:
        kept.extend([copy.deepcopy(net), pickle.loads(pickle.dumps(net))])

    net = sb.Network([4, 6, 3], activation=SINE, seed=0)
    X, y = data([4, 3], 20, "squared_error", "float32")
    net.fit(X, y, epochs=1, callbacks=[keep], progress=False)
    for twin in kept:
        twin.forward(X)
        assert np.array_equal(twin.parameters, net.parameters)


def test_functions_that_cannot_be_pickled_say_so() -> None:
    rule = sb.CustomActivation(lambda z: z, lambda z: np.ones_like(z))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(sb.Network([2, 3, 1], activation=rule))


def test_what_only_the_engines_rules_can(tmp_path: Path) -> None:
    net = sb.Network([4, 6, 3], activation=SINE, loss=QUARTIC, seed=0)
    X, y = data([4, 3], 20, "squared_error", "float32")
    path, own = tmp_path / "net", r"sine \(layer 1\), quartic \(loss\)"
    for call in (lambda: net.to_torch(), lambda: net.to_onnx(path)):
        refused(call, NotImplementedError, r"of yours: sine \(layer 1\);")
    for writes in (
        lambda: net.save(path),
        lambda: net.fit(X, y, callbacks=[sb.Checkpoint(path)], progress=False),
    ):
        refused(writes, NotImplementedError, "of yours", own)
    start = net.parameters.copy()
    refused(
        lambda: net.fit(X, y, callbacks=[sb.Checkpoint(path, every=9)], progress=False),
        NotImplementedError, "save.*of yours", own,
    )  # fmt: skip
    assert np.array_equal(net.parameters, start)  # before the first epoch
    own = "activation of layer 1 is one of yours"
    refused(lambda: net.forward(X, method="loops"), ValueError, own)
    net.forward(X)
    refused(lambda: net.backward(y, method="vectors"), ValueError, own)
    refused(lambda: net.hvp(X, y, net.parameters), ValueError, "second derivative of the loss")
    flat = sb.Network([4, 6, 3], activation=SINE, seed=0)
    refused(lambda: flat.hvp(X, y, flat.parameters), ValueError, "sine", "second derivative")
    loss = sb.Network([4, 6, 3], loss=SQUARE, seed=0)
    refused(lambda: loss.forward(X, method="loops"), ValueError, "the loss is one of yours")
    assert not list(tmp_path.iterdir())
    weights = net.get_weights()
    twin = sb.Network([4, 6, 3], activation=SINE, loss=QUARTIC, seed=7)
    twin.set_weights(weights)
    assert np.array_equal(net.predict(X), twin.predict(X))
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


# --- In estimators -----------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_estimators_take_them(solver: str) -> None:
    pytest.importorskip("sklearn")
    from swiftbackprop.sklearn import MLPRegressor

    X, y = data([5, 2], 60, "squared_error", "float64")
    w = np.random.default_rng(0).uniform(0.5, 2, 60)
    made = []
    for activation, loss in ((TANH, SQUARE), ("tanh", "squared_error")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            model = MLPRegressor(
                loss, (6,), activation, solver=solver, alpha=0.5, max_iter=5, random_state=0,
                batch_size=25,
            ).fit(X, y, sample_weight=w)  # fmt: skip
        made.append(model)
    assert_matches(made[0].network_.parameters, made[1].network_.parameters, 1e-9)
    assert_matches(made[0].loss_curve_, made[1].loss_curve_, 1e-9)
    again = pickle.loads(pickle.dumps(made[0]))
    assert np.array_equal(again.predict(X), made[0].predict(X))


# --- Accuracy ------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_of_several_labels_a_row(weighted: bool) -> None:
    options: dict[str, Any] = {"loss": "binary_cross_entropy", "dtype": "float64", "seed": 3}
    own = quiet_network([5, 7, 3], activation=TANH, **options)
    twin = quiet_network([5, 7, 3], activation="tanh", **options)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 5))
    y = (rng.random((50, 3)) < 0.5).astype(float)
    w = rng.random(50) if weighted else None
    found, wanted = (n.evaluate(X, y, sample_weight=w)["accuracy"] for n in (own, twin))
    assert found == pytest.approx(wanted, abs=1e-12)
    if w is None:
        assert found == pytest.approx(np.mean((own.predict(X) >= 0.5) == (y >= 0.5)))
    numbers = np.arange(50) % 3
    assert own.evaluate(X, numbers)["accuracy"] == twin.evaluate(X, numbers)["accuracy"]
    histories = [
        n.fit(X, y, epochs=3, sample_weight=w, validation_split=0.2, progress=False)
        for n in (own, twin)
    ]
    for column in ("accuracy", "val_accuracy"):
        np.testing.assert_allclose(histories[0][column], histories[1][column], atol=1e-12)


@pytest.mark.parametrize("activation", [TANH, "tanh"])
@pytest.mark.parametrize("metric", ["accuracy", sb.metrics.accuracy])
def test_the_metric_leaves_the_networks_own_accuracy(activation: Any, metric: Any) -> None:
    net = quiet_network([5, 3], output="sigmoid", loss="binary_cross_entropy", seed=3)
    if activation is TANH:
        net = quiet_network([5, 4, 3], activation=TANH, loss="binary_cross_entropy", seed=3)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 5))
    y = (rng.random((50, 3)) < 0.5).astype(float)
    wanted = net.evaluate(X, y)
    assert net.evaluate(X, y, metrics=[metric, "mae"]) == wanted | {
        "mae": net.evaluate(X, y, metrics=["mae"])["mae"]
    }
    history = net.fit(
        X, y, epochs=2, validation_data=(X, y), metrics=[metric, "mae"], progress=False
    )
    assert history["val_accuracy"][-1] == net.evaluate(X, y)["accuracy"]
    assert len(history["val_mae"]) == 2


def test_a_metric_of_the_same_name_is_the_users() -> None:
    def accuracy(y: np.ndarray, a: np.ndarray) -> float:
        return 7.0

    net = quiet_network([5, 3], loss="cross_entropy", seed=3)
    assert net.evaluate(np.ones((2, 5)), np.array([0, 1]), metrics=[accuracy])["accuracy"] == 7
