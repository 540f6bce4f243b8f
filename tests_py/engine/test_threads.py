"""Concurrent calls, and a busy network."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from helpers import assert_matches, run_python_ok
from running import PATIENCE, data, in_threads, network

LONG = 10**7  # epochs: a fit that ends because it is told to


class Started:
    """A callback that says when the first epoch has ended."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def on_epoch_end(self, net: Any, epoch: int, logs: dict[str, float]) -> None:
        self.event.set()


class Running:
    """`with Running(net): ...` while the net is fitting in another thread."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self.result: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.fit)

    def fit(self) -> None:
        X, y = data()
        try:
            self.result = self.net.fit(
                X, y, epochs=LONG, batch_size=16, callbacks=[self.started], progress=False
            )
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Running:
        self.started = Started()
        self.thread.start()
        assert self.started.event.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.net.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


def test_predict_from_many_threads_on_one_network() -> None:
    net = network(width=64)
    inputs = [data(rows, rows)[0] for rows in (1, 7, 256, 2000)]
    wanted = [net.predict(X) for X in inputs]

    def work(i: int) -> None:
        for _ in range(50):
            np.testing.assert_array_equal(net.predict(inputs[i]), wanted[i])

    in_threads(work)


def test_forward_from_many_threads_on_one_network() -> None:
    """What one caller holds is not what another one's forward writes into."""
    net = network(width=64)
    inputs = [data(128, i)[0] for i in range(4)]
    wanted = [net.predict(X) for X in inputs]

    def work(i: int) -> None:
        for _ in range(50):
            a = net.forward(inputs[i])
            assert_matches(a, wanted[i], 1e-6)

    in_threads(work)


def test_any_call_from_many_threads_is_an_error_at_worst() -> None:
    net = network(width=64)
    X, y = data(200)

    def work(i: int) -> int:
        refused = 0
        for turn in range(60):
            try:
                match (i + turn) % 6:
                    case 0:
                        net.forward(X)
                    case 1:
                        net.backward(y)
                    case 2:
                        net.step()
                    case 3:
                        net.evaluate(X, y)
                    case 4:
                        net.fit(X, y, epochs=1, progress=False)
                    case _:
                        net.layers[0].W.sum(), net.parameters.sum()
            except RuntimeError:
                refused += 1
        return refused

    in_threads(work)
    net.forward(X)
    assert np.isfinite(net.backward(y))
    net.step()
    assert np.all(np.isfinite(net.parameters))


def test_networks_in_threads_of_their_own() -> None:
    X, y = data(256)

    def train(seed: int) -> np.ndarray:
        net = network(seed, width=48)
        net.fit(X, y, epochs=3, progress=False)
        for _ in range(3):
            net.forward(X)
            net.backward(y)
            net.step()
        return net.parameters.copy()

    alone = [train(seed) for seed in range(4)]
    together = in_threads(train)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_threads_run_while_fit_works() -> None:
    net = network()
    with Running(net):
        assert threading.active_count() >= 2  # this very line runs: the GIL is free
        other = network(1)
        X, y = data()
        other.fit(X, y, epochs=2, progress=False)


def test_fit_makes_the_network_busy() -> None:
    net = network()
    X, y = data()
    with Running(net) as running:
        for call in (
            lambda: net.forward(X),
            lambda: net.backward(y),
            net.step,
            lambda: net.fit(X, y, epochs=1, progress=False),
        ):
            with pytest.raises(RuntimeError, match=r"(?i)fit|train|busy"):
                call()
    assert running.error is None
    net.forward(X)  # free again
    net.backward(y)
    net.step()


def test_stop_ends_fit_at_a_batch() -> None:
    net = network()
    with Running(net) as running:
        pass
    assert running.error is None
    history = running.result
    assert 1 <= len(history["loss"]) < LONG
    assert "stop" in history.stop_reason.lower()
    assert net.history is history
    X, y = data()
    again = net.fit(X, y, epochs=2, progress=False)  # a stop is for one fit
    assert len(again["loss"]) == 2
    assert "stop" not in again.stop_reason.lower()


def test_stop_without_a_fit_does_nothing() -> None:
    net = network()
    X, y = data()
    net.stop()
    assert len(net.fit(X, y, epochs=3, progress=False)["loss"]) == 3


def test_closing_while_fitting_is_safe() -> None:
    net = network()
    with Running(net) as running, suppress(RuntimeError):  # either is fine: refused, or closed
        net.close()
    assert running.error is None or isinstance(running.error, RuntimeError)


def test_options_and_plans_are_read_between_steps_of_fit() -> None:
    """What is read beside a step, ThreadSanitizer sees."""
    net = network(width=400)
    X, _ = data(50)
    with Running(net) as running:
        before = 0
        for _ in range(50):
            steps = net.step_count
            assert before <= steps
            before = steps
            assert (net.l1, net.l2, net.clip_norm, net.dropout) == (0, 0, None, (0, 0))
            assert net.plan(X, batch_size=50)
    assert running.error is None


def test_dropping_the_network_while_fitting_is_safe() -> None:
    said = run_python_ok(
        """
        import threading
        import numpy as np
        import swiftbackprop as sb

        ready = threading.Event()
        class Ready:
            def on_epoch_end(self, net, epoch, logs):
                ready.set()

        def work():
            net = sb.Network([4, 8, 2], seed=0)
            X, y = np.zeros((32, 4), "f4"), np.zeros((32, 2), "f4")
            net.fit(X, y, epochs=10**9, callbacks=[Ready()], progress=False)

        threading.Thread(target=work, daemon=True).start()
        ready.wait(60)
        print("ends")
        """
    )
    assert said == "ends\n"
