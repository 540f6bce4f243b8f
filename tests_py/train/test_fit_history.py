"""fit: its history, callbacks and progress."""

from __future__ import annotations

import copy
import io
import json
import math
import pickle
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from fits import N, data, network, train
from helpers import quiet_network, refused


def test_history_of_a_classifier() -> None:
    X, y = data(200)
    Xv, yv = data(80, seed=1)
    net = network()
    history = train(net, X, y, epochs=7, validation_data=(Xv, yv))
    assert isinstance(history, sb.History)
    assert net.history is history
    for key in ("loss", "val_loss", "accuracy", "val_accuracy"):
        values = history[key]
        assert len(values) == 7
        assert all(isinstance(value, float) and math.isfinite(value) for value in values)
        assert history.history[key] == values
    assert isinstance(history.history, dict)
    assert isinstance(history.stop_reason, str)
    assert history.stop_reason
    assert history["loss"][-1] < history["loss"][0]
    score = net.evaluate(Xv, yv)
    assert history["val_loss"][-1] == pytest.approx(score["loss"], rel=1e-6)
    assert history["val_accuracy"][-1] == pytest.approx(score["accuracy"], rel=1e-12)
    with pytest.raises(KeyError, match="loss"):
        history["no such thing"]


def test_history_without_validation() -> None:
    X, y = data()
    history = train(network(), X, y, epochs=2)
    assert "val_loss" not in history.history
    assert set(history.history) >= {"loss", "accuracy"}


def test_history_of_a_regression() -> None:
    X, _ = data(200, "float64")
    t = X[:, :2] @ np.array([[1.0], [2.0]])
    net = quiet_network([6, 8, 1], activation="tanh", dtype="float64", seed=0)
    history = train(net, X[:150], t[:150], epochs=3, validation_data=(X[150:], t[150:]))
    assert "accuracy" not in history.history
    score = net.evaluate(X[150:], t[150:])
    assert history["val_loss"][-1] == pytest.approx(score["loss"], rel=1e-12)


def test_penalty_is_a_column_of_its_own() -> None:
    X, y = data(dtype="float64")
    net = network("float64", l1=0.01, l2=0.1, optimizer=sb.SGD(1e-300))
    history = train(net, X, y, epochs=1, shuffle=False)
    W = [layer.W for layer in net.layers]
    penalty = sum(0.05 * np.sum(w**2) + 0.01 * np.sum(np.abs(w)) for w in W)
    assert history["penalty"][-1] == pytest.approx(penalty, rel=1e-12)
    assert history["loss"][-1] == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-12)


def test_validation_split_takes_the_last_rows() -> None:
    """As in Keras: the last fraction of the rows, before any shuffling."""
    X, y = data(40)
    nets = [network(), network()]
    one = train(nets[0], X, y, epochs=2, batch_size=8, validation_split=0.25)
    two = train(nets[1], X[:30], y[:30], epochs=2, batch_size=8, validation_data=(X[30:], y[30:]))
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)
    assert one["val_loss"] == two["val_loss"]


def test_validation_data_with_weights() -> None:
    X, y = data()
    w = np.random.default_rng(0).uniform(0, 2, N)
    net = network()
    history = train(net, X, y, epochs=1, validation_data=(X, y, w))
    score = net.evaluate(X, y, sample_weight=w)
    assert history["val_loss"][-1] == pytest.approx(score["loss"], rel=1e-6)


def test_validation_does_not_change_training() -> None:
    X, y = data()
    nets = [network(), network()]
    train(nets[0], X, y, epochs=3)
    train(nets[1], X, y, epochs=3, validation_data=data(20, seed=3))
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


def test_no_epochs() -> None:
    X, y = data()
    net = network()
    before = net.parameters.copy()
    history = train(net, X, y, epochs=0)
    assert list(history["loss"]) == []
    np.testing.assert_array_equal(net.parameters, before)


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_train_begin(self, net: Any) -> None:
        self.calls.append(("begin", net))

    def on_epoch_end(self, net: Any, epoch: int, logs: dict[str, float]) -> None:
        self.calls.append(("epoch", net, epoch, dict(logs)))

    def on_train_end(self, net: Any) -> None:
        self.calls.append(("end", net))


class OnlyTheEnd:
    """One method is enough."""

    ended = 0

    def on_train_end(self, net: Any) -> None:
        self.ended += 1


def test_callbacks_are_called_in_order() -> None:
    X, y = data()
    recorder, net = Recorder(), network()
    history = train(net, X, y, epochs=3, callbacks=[recorder], validation_data=(X, y))
    kinds = [call[0] for call in recorder.calls]
    assert kinds == ["begin", "epoch", "epoch", "epoch", "end"]
    assert all(call[1] is net for call in recorder.calls)
    epochs = [call[2] for call in recorder.calls[1:-1]]
    assert np.diff(epochs).tolist() == [1, 1]
    for turn, call in enumerate(recorder.calls[1:-1]):
        for key in ("loss", "val_loss", "accuracy"):
            assert call[3][key] == history[key][turn]


def test_callbacks_change_nothing() -> None:
    X, y = data()
    nets = [network(), network()]
    train(nets[0], X, y, epochs=3, batch_size=8)
    train(nets[1], X, y, epochs=3, batch_size=8, callbacks=[Recorder(), OnlyTheEnd()])
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


def test_callbacks_may_look_and_predict() -> None:
    X, y = data()
    seen = []

    class Look:
        def on_epoch_end(self, net: Any, epoch: int, logs: dict[str, float]) -> None:
            weights = net.layers[0].W.copy()
            seen.append((weights, net.evaluate(X, y)["loss"], net.predict(X[:2]).shape))
            net.optimizer.lr = 0.5 * net.optimizer.lr

    nets = [network(), network()]
    train(nets[0], X, y, epochs=3, callbacks=[Look()])
    assert len(seen) == 3
    assert np.any(seen[0][0] != seen[1][0])
    assert nets[0].optimizer.lr == pytest.approx(1e-3 / 8)


def test_a_callback_can_stop() -> None:
    X, y = data()

    class Stop:
        def on_epoch_end(self, net: Any, epoch: int, logs: dict[str, float]) -> None:
            if logs["loss"] < 10:
                net.stop()

    net, recorder = network(), Recorder()
    history = train(net, X, y, epochs=50, callbacks=[Stop(), recorder])
    assert len(history["loss"]) == 1
    assert "stop" in history.stop_reason.lower()
    assert recorder.calls[-1][0] == "end"


def test_an_exception_in_a_callback_comes_out() -> None:
    X, y = data()

    class Fail:
        def on_epoch_end(self, net: Any, epoch: int, logs: dict[str, float]) -> None:
            raise LookupError("from the callback")

    net = network()
    with pytest.raises(LookupError, match="from the callback"):
        train(net, X, y, epochs=5, callbacks=[Fail()])
    net.forward(X)  # usable, not busy
    assert len(train(net, X, y, epochs=2)["loss"]) == 2


def test_progress_is_silent_when_told() -> None:
    X, y = data()
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        network().fit(X, y, epochs=2, progress=False)
    assert out.getvalue() == err.getvalue() == ""


def test_progress_shows_epochs_and_loss() -> None:
    X, y = data()
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        network().fit(X, y, epochs=2)
    assert out.getvalue() == ""
    assert "loss" in err.getvalue()
    assert "2/2" in err.getvalue()


def test_the_history_is_a_dict_of_columns() -> None:
    net = sb.Network([2, 1], seed=0)
    X = np.random.default_rng(0).normal(size=(8, 2))
    history = net.fit(X, X[:, 0], epochs=3, validation_split=0.5, progress=False)
    assert json.loads(json.dumps(history)) == history.history == dict(history)
    assert history.epochs == 3
    with pytest.raises(KeyError, match=r"unknown column 'val_auc'; .*allowed: loss, val_loss"):
        history["val_auc"]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(history, protocol))
        assert again == history
        assert (again.epochs, again.stop_reason) == (3, "completed")
    assert copy.deepcopy(history).stop_reason == "completed"
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(history)
    assert frame.shape == (3, len(history))
    assert frame["val_loss"].tolist() == history["val_loss"]


def test_records_are_those_of_the_epochs_that_have_ended() -> None:
    net, (X, y) = network(), data()
    session = net._fit(X, y, None, None, None, None, 3, 25, False, 1)
    try:
        assert session.records(0) == []
        for ended in (1, 2, 3):
            session.run(10**12)  # with pause 1 to an epoch's end
            assert [len(session.records(first)) for first in range(4)] == [
                max(0, ended - first) for first in range(4)
            ]
        assert session.records(2)[0][:4] == session.records(0)[2][:4]
        assert session.records(-1) == session.records(2**63 - 1) == []
    finally:
        session.end()
    refused(lambda: session.records(0), RuntimeError)


def test_names_of_other_libraries_find_their_column() -> None:
    net = sb.Network([2, 2], loss="cross_entropy", seed=0)
    X, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 1, 0])

    def fit(monitor: str, split: float) -> Any:
        stop = sb.EarlyStopping(monitor)
        return net.fit(X, y, validation_split=split, callbacks=[stop], progress=False)

    for monitor, split, words in (
        ("acc", 0.0, "called 'accuracy' here"),
        ("val_acc", 0.5, "called 'val_accuracy' here"),
        (
            "val_loss",
            0.0,
            "^monitor: 'val_loss' needs validation data, of which fit was given none",
        ),
    ):
        refused(lambda m=monitor, s=split: fit(m, s), ValueError, words)
    history = net.fit(X, y, validation_split=0.5, progress=False)
    refused(lambda: history["val_acc"], KeyError, "called 'val_accuracy' here")
    refused(lambda: history.val_loss, AttributeError, r"write history\['val_loss'\]$")  # type: ignore[attr-defined]
    assert not hasattr(history, "_repr_html_")
