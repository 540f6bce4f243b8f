"""Rules of one's own by themselves, what they return, and what is refused."""

from __future__ import annotations

import copy
import pickle
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from custom_functions import (
    ENTROPY,
    SINE,
    SQUARE,
    TANH,
    d_sine,
    d_square,
    d_tanh,
    examples,
    sine,
    square,
    tanh,
    twins,
)
from helpers import assert_matches, data, quiet_network, refused

# --- Rules by themselves -----------------------------------------------------------------


def test_rules_by_themselves() -> None:
    z = np.linspace(-1, 1, 5)
    assert_matches(TANH(z), np.tanh(z), 1e-15)
    assert_matches(TANH.derivative([0.5]), [1 - np.tanh(0.5) ** 2], 1e-15)
    assert TANH(z.astype(np.float32)).dtype == np.float32
    assert TANH(0.0) == 0
    refused(lambda: TANH.second_derivative(z), ValueError, "second derivative")
    curved = sb.CustomActivation(np.sin, np.cos, lambda z: -np.sin(z), name="wave")
    assert_matches(curved.second_derivative(z), -np.sin(z), 1e-15)
    assert repr(curved) == "CustomActivation('wave')"
    assert SQUARE([[1.0, 3.0]], [[0.0, 0.0]]).tolist() == [5.0]
    assert SQUARE.derivative([1.0, 3.0], [0.0, 0.0]).tolist() == [[1.0, 3.0]]
    refused(lambda: SQUARE.second_derivative([1.0], [0.0]), ValueError, "second derivative")
    assert copy.deepcopy(TANH) == TANH
    assert sb.CustomActivation(tanh, d_tanh) != TANH
    again = pickle.loads(pickle.dumps(ENTROPY))
    assert (again.name, again.partner, again.flags) == ("entropy", "softmax", ENTROPY.flags)
    with pytest.raises(AttributeError, match="does not change"):
        TANH.name = "other"  # type: ignore[misc]


def test_what_follows_from_the_loss() -> None:
    net = sb.Network([2, 4, 3], loss=ENTROPY, seed=0)
    assert net.layers[-1].activation.name == "softmax"
    assert net.layers[0].activation.name == "relu"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sb.Network([2, 3], loss=ENTROPY, output="identity")
    start = sb.CustomActivation(sine, d_sine, partner="lecun_normal")
    assert sb.Network([2, 3, 1], activation=start)._spec.initializers[0].name == "lecun_normal"


def test_wrong_rules() -> None:
    refused(lambda: sb.CustomActivation(3, np.cos), TypeError, "function of a custom activation")
    refused(lambda: sb.CustomActivation(np.sin, None), TypeError, "derivative")
    refused(lambda: sb.CustomActivation(np.sin, np.cos, 3), TypeError, "second")
    refused(lambda: sb.CustomActivation(np.sin, np.cos, partner="he"), ValueError, "he_normal")
    refused(lambda: sb.CustomLoss(square, "d"), TypeError, "derivative of a custom loss")
    refused(lambda: sb.CustomLoss(square, d_square, output="soft"), ValueError, "softmax")
    refused(lambda: sb.Network([2, 1], activation=SQUARE), TypeError)
    refused(lambda: sb.Network([2, 1], loss=SINE), TypeError, "loss")
    refused(lambda: sb.Network([2, 3, 1], activation=np.tanh), TypeError, "sb.CustomActivation")
    refused(lambda: sb.Network([2, 1], loss=square), TypeError, "sb.CustomLoss")
    refused(lambda: sb.CustomLoss(square, d_square, name=3), TypeError, "name")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (sb.CustomActivation(lambda z: z[:, :1], d_sine, name="thin"), ("thin", r"\(10, 1\)")),
        (sb.CustomActivation(sine, lambda z: 1.0, name="flat"), ("derivative of flat",)),
        (sb.CustomActivation(lambda z: None, d_sine, name="empty"), ("empty", "object")),
        (sb.CustomActivation(lambda z: z + 0j, d_sine, name="c"), ("complex",)),
    ],
)
def test_functions_that_return_the_wrong_thing(rule: Any, words: tuple[str, ...]) -> None:
    net = sb.Network([4, 6, 3], activation=rule, seed=0, dtype="float64")
    X, y = data([4, 3], 10, "squared_error", "float64")
    before = net.parameters.copy()

    def work() -> None:
        net.forward(X)
        net.backward(y)

    refused(work, ValueError, *words)
    refused(lambda: net.fit(X, y, batch_size=10, progress=False), ValueError, *words)
    assert np.array_equal(net.parameters, before)
    refused(lambda: net.layers[0].z, RuntimeError, "forward")


def test_losses_that_return_the_wrong_thing() -> None:
    X, y = data([4, 3], 10, "squared_error", "float64")

    def fit(*functions: Any) -> Any:
        net = sb.Network([4, 3], loss=sb.CustomLoss(*functions, name="own"), seed=0)
        return lambda: net.fit(X, y, progress=False)

    refused(fit(lambda a, t: (a - t) ** 2, d_square), ValueError, r"\(10, 3\)", "every row")
    refused(fit(lambda a, t: 0.0, d_square), ValueError, r"own returned", r"\(10,\)")
    refused(fit(square, lambda a, t: a[:, 0]), ValueError, "derivative of own", r"\(10, 3\)")
    refused(fit(lambda a, t: a[:, 0] * np.nan, d_square), sb.DivergenceError, "epoch 1, batch 1")
    refused(fit(square, lambda a, t: a * np.inf), sb.DivergenceError, "layer 1", "batch 1 of 1")


def test_nan_names_epoch_batch_and_layer() -> None:
    calls = [0]

    def sick(z: np.ndarray) -> np.ndarray:
        calls[0] += 1
        return np.where(calls[0] == 9, np.nan, z)

    net = sb.Network([4, 6, 3], activation=sb.CustomActivation(sick, np.ones_like), seed=0)
    X, y = data([4, 3], 60, "squared_error", "float32")
    seen: list[np.ndarray] = []

    class Keep:
        def on_batch_end(self, net: Any, batch: int, logs: Any) -> None:
            seen.append(net.parameters.copy())

    refused(
        lambda: net.fit(X, y, batch_size=10, epochs=3, callbacks=[Keep()], progress=False),
        sb.DivergenceError, "epoch 2, batch 3 of 6", "layer 1", "before this batch",
    )  # fmt: skip
    assert np.array_equal(net.parameters, seen[-1])
    assert net.history is not None
    assert (net.history.stop_reason, net.history.epochs) == ("diverged", 1)
    net.fit(X, y, epochs=1, progress=False)


# --- Wrong data --------------------------------------------------------------------------


def test_wrong_data_say_what_the_engine_says() -> None:
    X, y = examples("classes")
    w = np.ones(60)
    bad = X.copy()
    bad[7, 2] = np.nan
    wrong: list[tuple[Any, ...]] = [
        (bad, y, w), (X[:, :4], y, w), (X.T, y, w), (X, y[:5], w), (X, y * 1.5, w), (X, y + 1, w),
        (X, np.full((60, 3), np.nan), w), (X, y, -w), (X, y, w[:5]), (X, y, w * np.nan),
    ]  # fmt: skip
    for name in ("classes", "under the engine's partners"):
        for arrays in wrong:
            messages = []
            for net in twins(name, [5, 8, 7, 3]):
                before = net.parameters.copy()

                def fit(net: Any = net, arrays: Any = arrays) -> None:
                    net.fit(*arrays[:2], sample_weight=arrays[2], progress=False)

                messages.append(refused(fit, (ValueError, TypeError)))
                assert np.array_equal(net.parameters, before)
                assert not net._busy
            assert messages[0] == messages[1]
    net, _ = twins("classes", [5, 8, 7, 3])
    refused(lambda: net.fit(X, y, validation_data=(bad, y)), ValueError, "validation data", "row 7")
    refused(lambda: net.evaluate(X, y[:5]), ValueError, "60")
    net.forward(X)
    refused(lambda: net.backward(y[:5]), ValueError, "N = 60")
    refused(lambda: net.backward(y * 1.0), TypeError, "astype")
    refused(lambda: net.backward(y + 1), ValueError, r"0\.\.2")
    refused(lambda: net.backward(X), ValueError, r"\(60, 3\)")
    refused(lambda: net.backward(np.full((60, 3), np.inf)), ValueError, "NaN or infinity")
    refused(lambda: net.backward(y, sample_weight=-w), ValueError, ">= 0")
    refused(lambda: net.backward(y, sample_weight=w[:3]), ValueError, r"\(60,\)")
    refused(lambda: net.forward(X.astype("f4"), copy=False), ValueError, "copy=False")
    assert net.backward(y, sample_weight=0 * w) == 0


def test_integers_are_scaled() -> None:
    X = np.random.default_rng(0).integers(0, 255, (40, 5)).astype(np.uint8)
    net, twin = twins("all", [5, 4, 4, 3], input_scale=1 / 255)
    _, y = examples("all", 40)
    for each in (net, twin):
        each.fit(X, y, epochs=2, progress=False)
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(net.predict(X), twin.predict(X), 1e-12)


# --- What the engine refuses ----------------------------------------------------------------


def test_evaluate_refuses_no_rows() -> None:
    for activation in (TANH, "tanh"):
        net = quiet_network([4, 5, 2], activation=activation, seed=0)
        for y in (np.zeros((0, 2)), np.zeros(0, int)):
            refused(
                lambda net=net, y=y: net.evaluate(np.zeros((0, 4)), y),
                ValueError,
                r"X: expected at least one row, got shape \(0, 4\)",
            )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("cross_entropy", [[0.5, 0.5, 0.0], [0.9, 0.9, 0.0]]),
        ("cross_entropy", [[1.5, -0.5, 0.0], [1.0, 0.0, 0.0]]),
        ("cross_entropy", [0, 3]),
        ("cross_entropy", [0.0, 1.0]),
        ("binary_cross_entropy", [[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]]),
        ("binary_cross_entropy", [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]),
        ("poisson", [[0.0, 1.0, 0.0], [0.0, -0.5, 0.0]]),
        ("squared_error", [[0.0, 1.0, 0.0], [0.0, np.nan, 0.0]]),
        ("squared_error", [[0.0, 1.0], [0.0, 1.0]]),
        ("squared_error", [[0.0, 1.0, 2.0]]),
    ],
)
def test_targets_are_refused_in_the_engines_words(loss: str, y: Any, dtype: str) -> None:
    own = quiet_network([4, 5, 3], activation=TANH, loss=loss, dtype=dtype, seed=0)
    twin = quiet_network([4, 5, 3], activation="tanh", loss=loss, dtype=dtype, seed=0)
    X, targets = np.ones((2, 4), dtype), np.asarray(y)
    said = []
    for net in (own, twin):
        net.forward(X)
        for call in (net.backward, lambda t, net=net: net.evaluate(X, t)):
            with pytest.raises((ValueError, TypeError)) as caught:
                call(targets)
            said.append((caught.type, str(caught.value)))
    assert said[:2] == said[2:]
    own.backward(np.full((2, 3), 1 / 3))  # the pass is still there


def test_the_name_is_the_public_one() -> None:
    class Mine(sb.Network):
        pass

    assert repr(sb.Network([2, 3, 1], activation=TANH, seed=0)).startswith("Network([")
    assert repr(Mine([2, 3, 1], activation=TANH, seed=0)).startswith("Mine([")
    net = sb.Network([2, 3, 1], activation=TANH, seed=0)
    net.close()
    assert repr(net).startswith("Network([")


def test_two_threads_do_not_mix_their_passes() -> None:
    def slow(z: np.ndarray) -> np.ndarray:
        time.sleep(0.001)  # the other thread's turn
        return np.tanh(z)

    net = quiet_network(
        [3, 4, 4, 2], activation=sb.CustomActivation(slow, d_tanh), dtype="float64", seed=0
    )
    inputs = [np.full((rows, 3), 0.3 * rows) for rows in (2, 5)]
    wanted = [net.forward(X).copy() for X in inputs]
    wrong: list[object] = []

    def run(which: int) -> None:
        for _ in range(20):
            try:
                # What forward returns is a view of the layers: its shape is that of the pass.
                a = net.forward(inputs[which])
                if a.shape != wanted[which].shape:
                    wrong.append(a.shape)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=run, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
