"""What functions of one's own may do, and what ends a training that calls them."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from custom_functions import SINE, TANH, d_sine, examples, square, twins
from helpers import assert_matches, data, quiet_network, refused

# --- What a function may do ----------------------------------------------------------------


def test_arguments_are_read_only_and_stay_memory() -> None:
    kept: list[np.ndarray] = []

    def keep(z: np.ndarray) -> np.ndarray:
        kept.append(z)
        return z  # the engine's own memory, as the answer

    def spoil(z: np.ndarray) -> np.ndarray:
        z[...] = 0
        return z

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(keep, np.ones_like), seed=0)
    X, y = data([4, 3], 50, "squared_error", "float32")
    linear = quiet_network([4, 6, 3], activation="identity", seed=0)
    linear.parameters[...] = net.parameters
    assert_matches(net.predict(X), linear.predict(X), 1e-6)
    for each in (net, linear):
        each.fit(X, y, epochs=2, progress=False)
    assert_matches(net.parameters, linear.parameters, 1e-6)
    net.close()
    del net
    assert all(z.sum() == z.sum() or True for z in kept)  # whatever is there can be read
    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(spoil, np.ones_like), seed=0)
    refused(lambda: net.predict(X), ValueError, "read-only")


def test_a_function_that_calls_its_network_is_told() -> None:
    said: list[str] = []
    X, y = data([4, 3], 40, "squared_error", "float32")

    def calls(z: np.ndarray) -> np.ndarray:
        for call in (
            lambda: net.predict(X), lambda: net.forward(X), lambda: net.backward(y), net.step,
            lambda: net.evaluate(X, y), lambda: net.jacobian(X, layer=1), net.close,
            lambda: net.fit(X, y, progress=False), lambda: net.reset(1),
        ):  # fmt: skip
            said.append(refused(call, RuntimeError, "(called the network|in fit)"))
        assert net.layers[0].W.shape == (6, 4)  # to look at it is allowed
        return np.sin(z)

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(calls, d_sine), seed=0)
    twin = quiet_network([4, 6, 3], activation=SINE, seed=0)
    for each in (net, twin):
        each.fit(X, y, epochs=1, progress=False)
        each.forward(X)
        each.backward(y)
        each.step()
    assert np.array_equal(net.parameters, twin.parameters)
    assert np.array_equal(net.predict(X), twin.predict(X))
    assert len(said) == 9 * 4


def test_a_thread_of_a_function_may_predict() -> None:
    """It does not wait for the call that waits for it, and the call goes on."""
    X, y = data([4, 3], 40, "squared_error", "float32")
    depth: list[int] = []

    def calls(z: np.ndarray) -> np.ndarray:
        if not depth:
            depth.append(1)
            with ThreadPoolExecutor(1) as pool:
                results.append(pool.submit(net.predict, X).result())
                pool.submit(net.evaluate, X, y).result()
            depth.clear()
        return np.sin(z)

    results: list[np.ndarray] = []
    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(calls, d_sine), seed=0)
    twin = quiet_network([4, 6, 3], activation=SINE, seed=0)
    wanted = twin.predict(X)
    assert np.array_equal(net.predict(X), wanted)
    for each in (net, twin):
        each.fit(X, y, epochs=1, batch_size=10, progress=False)
        each.forward(X)
        each.backward(y)
        each.step()
    assert np.array_equal(net.parameters, twin.parameters)
    assert len(results) == 1 + 4 + 1
    assert np.array_equal(results[0], wanted)


def test_a_function_that_changes_dropout() -> None:
    """The masks of the batch at hand stay what they are."""
    X, y = data([4, 3], 40, "squared_error", "float32")
    sizes = [0.5, 0.0, 0.3]

    def changes(z: np.ndarray) -> np.ndarray:
        net.dropout = sizes[len(z) % 3]
        return np.sin(z)

    net = quiet_network(
        [4, 600, 3], activation=sb.CustomActivation(changes, d_sine), dropout=0.4, seed=0
    )
    for _ in range(20):
        net.fit(X, y, epochs=1, batch_size=7, progress=False)
        net.forward(X, training=True)
        net.backward(y)
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("name", ["all", "classes"])
def test_threads_on_one_network(name: str) -> None:
    net, twin = twins(name, [5, 8, 7, 3])
    X, y = examples(name)
    wanted = twin.predict(X), twin.evaluate(X, y)["loss"], twin.jacobian(X, layer=1)

    def work(_: int) -> bool:
        same = np.allclose(net.predict(X), wanted[0], rtol=1e-12)
        same &= abs(net.evaluate(X, y)["loss"] - wanted[1]) < 1e-12
        return bool(same and np.allclose(net.jacobian(X, layer=1), wanted[2], rtol=1e-11))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))


def test_a_fork_in_a_function() -> None:
    X, y = data([4, 3], 40, "squared_error", "float32")
    codes: list[int] = []

    def forks(z: np.ndarray) -> np.ndarray:
        if len(codes) < 2 and multiprocessing.parent_process() is None:
            codes.append(-1)
            child = multiprocessing.get_context("fork").Process(target=in_child)
            child.start()
            child.join(60)
            codes[-1] = -2 if child.exitcode is None else child.exitcode
        return np.sin(z)

    def in_child() -> None:
        twin = net.copy()
        twin.fit(X, y, epochs=2, progress=False)
        assert np.isfinite(net.predict(X)).all()

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(forks, d_sine), seed=0)
    net.fit(X, y, epochs=2, progress=False)
    assert codes == [0, 0]


@pytest.mark.parametrize("what", ["predict", "evaluate", "forward", "backward", "jacobian", "fit"])
def test_ctrl_c_in_a_function(what: str) -> None:
    armed: list[int] = []

    def interrupted(z: np.ndarray) -> np.ndarray:
        if armed:
            armed.clear()
            signal.raise_signal(signal.SIGINT)
        return np.sin(z)

    def cosine(z: np.ndarray) -> np.ndarray:
        interrupted(z)
        return np.cos(z)

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(interrupted, cosine), seed=0)
    X, y = data([4, 3], 40, "squared_error", "float32")
    calls: dict[str, Any] = {
        "predict": lambda: net.predict(X), "evaluate": lambda: net.evaluate(X, y),
        "forward": lambda: net.forward(X), "backward": lambda: net.backward(y),
        "jacobian": lambda: net.jacobian(X, layer=1),
        "fit": lambda: net.fit(X, y, epochs=1, progress=False),
    }  # fmt: skip
    net.forward(X)
    before = net.parameters.copy()
    armed.append(1)
    with pytest.raises(KeyboardInterrupt):
        calls[what]()
    assert np.array_equal(net.parameters, before)
    if what == "backward":
        net.backward(y)  # of the same forward
    net.fit(X, y, epochs=1, progress=False)
    assert not np.array_equal(net.parameters, before)


def test_the_time_of_functions_counts() -> None:
    def slow(z: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return np.sin(z)

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(slow, d_sine), seed=0)
    X, y = data([4, 3], 40, "squared_error", "float32")
    assert min(net.fit(X, y, epochs=2, progress=False)["seconds"]) > 0.03


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_estimators_with_warm_start_partial_fit_and_validation(kind: str) -> None:
    pytest.importorskip("sklearn")
    from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

    X, y = data([5, 2], 90, "squared_error", "float64")
    labels = np.array(["no", "yes", "perhaps"])[np.arange(90) % 3]
    made: list[Any] = []
    for activation in (TANH, "tanh"):
        options: dict[str, Any] = {
            "hidden_layer_sizes": (6, 5), "activation": activation, "random_state": 0,
            "max_iter": 4, "batch_size": 20, "warm_start": True, "early_stopping": True,
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            if kind == "classifier":
                model = MLPClassifier(**options)
                model.fit(X, labels).fit(X, labels)
                more = MLPClassifier(**(options | {"early_stopping": False}))
                more.partial_fit(X, labels, classes=np.unique(labels)).partial_fit(X, labels)
            else:
                model = MLPRegressor(**options).fit(X, y)
                model.fit(X, y)
                more = MLPRegressor(**(options | {"early_stopping": False}))
                more.partial_fit(X, y).partial_fit(X, y)
        made.append((model, more))
    target = labels if kind == "classifier" else y
    for own, twin in zip(*made, strict=True):
        assert_matches(own.network_.parameters, twin.network_.parameters, 1e-9)
        assert own.score(X, target) == pytest.approx(twin.score(X, target), rel=1e-9)
        again = pickle.loads(pickle.dumps(own))
        assert np.array_equal(again.predict(X), own.predict(X))
    assert_matches(made[0][0].validation_scores_, made[1][0].validation_scores_, 1e-9)


# --- Ends before the end -----------------------------------------------------------------


def test_exceptions_pass_through_and_the_network_goes_on() -> None:
    class Mine(Exception):
        pass

    calls = [0]

    def broken(a: np.ndarray, t: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] == 8:
            raise Mine("no luck")
        return a - t

    net = sb.Network([4, 6, 3], loss=sb.CustomLoss(square, broken), seed=0)
    X, y = data([4, 3], 60, "squared_error", "float32")
    with pytest.raises(Mine, match="no luck"):
        net.fit(X, y, batch_size=10, epochs=3, progress=False)
    assert net.history is not None
    assert (net.history.stop_reason, net.history.epochs, net.step_count) == ("error", 1, 7)
    assert not net._busy
    refused(lambda: net.layers[0].z, RuntimeError, "forward")
    refused(lambda: net.backward(y), RuntimeError, "forward")
    assert net.fit(X, y, epochs=2, progress=False).epochs == 2
    net.forward(X)
    net.backward(y)
    net.step()
    refused(lambda: net.backward(y), RuntimeError, "forward")


def test_ctrl_c_and_stop_in_the_middle() -> None:
    calls = [0]

    def slow(z: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] == 10:
            signal.raise_signal(signal.SIGINT)
        if calls[0] == 200:
            threading.Thread(target=net.stop).start()
        return z

    rule = sb.CustomActivation(slow, np.ones_like)
    net = sb.Network([4, 6, 3], activation=rule, seed=0)
    X, y = data([4, 3], 60, "squared_error", "float32")
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, batch_size=10, epochs=30, progress=False)
    assert net.history is not None
    assert (net.history.stop_reason, net.history.epochs, net.step_count) == ("interrupted", 1, 9)
    assert np.all(np.isfinite(net.parameters))

    def stop(net: sb.Network, epoch: int, logs: Any) -> None:
        net.stop()

    history = net.fit(X, y, epochs=30, callbacks=[stop], progress=False)
    assert (history.stop_reason, history.epochs) == ("stopped", 1)
    assert net.fit(X, y, epochs=10**6, progress=False).stop_reason == "stopped"
    assert calls[0] >= 200


def test_nobody_else_works_on_it_meanwhile() -> None:
    said: list[str] = []

    def meddle(net: Any, epoch: int, logs: Any) -> None:
        net.predict(X)
        net.evaluate(X, y)
        twin = net.copy()
        twin.forward(X)
        twin.backward(y)
        twin.step()
        for call in (
            lambda: net.forward(X), lambda: net.backward(y), net.step, net.reset, net.close,
            lambda: net.fit(X, y, progress=False),
        ):  # fmt: skip
            said.append(refused(call, RuntimeError, "in fit"))

    net = sb.Network([4, 6, 3], activation=SINE, seed=0, dtype="float64")
    X, y = data([4, 3], 20, "squared_error", "float64")
    net.fit(X, y, epochs=2, callbacks=[meddle], progress=False)
    assert len(said) == 12
    net.forward(X)
    net.close()
    assert net.closed
