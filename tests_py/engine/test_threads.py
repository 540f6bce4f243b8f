"""Concurrent calls, a busy network, fork, Ctrl-C, stop, and who sets the thread count."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, quiet_network, reference_of, run_python_ok

LONG = 10**7  # epochs: a fit that ends because it is told to
PATIENCE = 60.0  # seconds until a test gives up; nothing here is a speed limit


def network(seed: int = 0, width: int = 16, **keywords: Any) -> Any:
    return quiet_network([8, width, 3], output="softmax", seed=seed, **keywords)


def data(rows: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 8)).astype("float32"), rng.integers(0, 3, rows)


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


def in_threads(work: Callable[[int], Any], count: int = 4) -> list[Any]:
    """Run work(0..count-1) at once; every one has to end."""
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(work, i) for i in range(count)]
        return [future.result(PATIENCE) for future in futures]


# --- Concurrent calls -----------------------------------------------------------------


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


# --- A busy network --------------------------------------------------------------------


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


# --- Ctrl-C ----------------------------------------------------------------------------

INTERRUPT = """
import os, signal, threading, time
import numpy as np
import swiftbackprop as sb

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
rng = np.random.default_rng(0)
X, y = rng.normal(size=(20000, 32)).astype("f4"), rng.integers(0, 4, 20000)
net = sb.Network([32, 64, 4], output="softmax", seed=0)

class Ended:
    ended = 0
    def on_train_begin(self, net):
        threading.Timer(0.4, send).start()
    def on_train_end(self, net):
        Ended.ended += 1

sent = []
def send():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

try:
    {call}
except KeyboardInterrupt:
    took = time.monotonic() - sent[0]
else:
    raise SystemExit("no KeyboardInterrupt")
assert took < 60, took  # it does take 0.1 seconds; without the signal it would be minutes
"""


def test_ctrl_c_during_fit() -> None:
    call = "net.fit(X, y, epochs=10**6, callbacks=[Ended()], progress=False)"
    code = INTERRUPT.format(call=call) + (
        """
assert Ended.ended == 1
assert np.all(np.isfinite(net.parameters))
assert net.history is not None and len(net.history["loss"]) >= 0
assert "interrupt" in net.history.stop_reason.lower(), net.history.stop_reason
net.forward(X[:10]); net.backward(y[:10]); net.step()
before = len(net.fit(X, y, epochs=1, progress=False)["loss"])
assert before == 1
print(net.evaluate(X, y)["loss"] > 0)
"""
    )
    assert run_python_ok(code) == "True\n"


@pytest.mark.parametrize("call", ["net.predict(X)", "net.evaluate(X, y)"])
def test_ctrl_c_during_long_reading(call: str) -> None:
    """predict and evaluate work in blocks of rows and can be interrupted between them."""
    wide = """
net = sb.Network([32, 2048, 2048, 4], output="softmax", seed=0)
X = np.broadcast_to(X[0], (10_000_000, 32)); y = np.zeros(len(X), np.int8)
threading.Timer(0.4, send).start()
try:
"""
    code = INTERRUPT.format(call=f"while True: {call}").replace("try:\n", wide, 1)
    code += "\nprint(net.predict(X[:3]).shape)\n"
    assert run_python_ok(code) == "(3, 4)\n"


def test_ctrl_c_with_progress_bar() -> None:
    call = "net.fit(X, y, epochs=10**6, callbacks=[Ended()])"
    assert run_python_ok(INTERRUPT.format(call=call) + "\nprint(1)") == "1\n"


# --- fork ------------------------------------------------------------------------------

FORK = """
import os, threading, time, warnings
import numpy as np
import swiftbackprop as sb

warnings.simplefilter("ignore")  # CPython warns of fork beside threads
rng = np.random.default_rng(0)
X, y = rng.normal(size=(512, 32)).astype("f4"), rng.integers(0, 4, 512)
net = sb.Network([32, 128, 4], output="softmax", seed=0)
other = sb.Network([32, 128, 4], output="softmax", seed=1)
ready = threading.Event()

class Ready:
    def on_epoch_end(self, net, epoch, logs):
        ready.set()

thread = threading.Thread(
    target=lambda: net.fit(X, y, epochs=10**9, callbacks=[Ready()], progress=False)
)
thread.start()
assert ready.wait(60)
codes = []
for turn in range(8):
    time.sleep(0.01 * turn)
    child = os.fork()
    if child == 0:
        try:
            import signal
            signal.alarm(50)
            for one in (other, sb.Network([32, 64, 4], output="softmax", seed=2)):
                one.forward(X); one.backward(y); one.step()
                one.fit(X, y, epochs=1, progress=False)
                assert np.all(np.isfinite(one.predict(X)))
            assert np.all(np.isfinite(net.parameters))
            net.forward(X); net.backward(y)  # the fit is the parent's, not the child's
            net.fit(X, y, epochs=1, progress=False)
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
net.stop()
thread.join()
assert codes == [0] * 8, codes
net.fit(X, y, epochs=1, progress=False)
print("ok")
"""


def test_fork_during_fit() -> None:
    assert run_python_ok(FORK, timeout=300).strip() == "ok"


def test_multiprocessing_with_fork() -> None:
    said = run_python_ok(
        """
        import multiprocessing, warnings
        import numpy as np
        import swiftbackprop as sb

        warnings.simplefilter("ignore")
        X = np.random.default_rng(0).normal(size=(3000, 64)).astype("f4")
        net = sb.Network([64, 256, 4], output="softmax", seed=0)
        wanted = net.predict(X)

        def work(i):
            return bool(np.array_equal(net.predict(X), wanted))

        with multiprocessing.get_context("fork").Pool(3) as pool:
            print(all(pool.map_async(work, range(12)).get(60)))
        """
    )
    assert said == "True\n"


# --- Thread counts and other libraries ---------------------------------------------------


def test_set_num_threads_is_reported_and_respected() -> None:
    said = run_python_ok(
        """
        import numpy as np
        import swiftbackprop as sb

        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(600, 200)).astype("f4"), rng.integers(0, 10, 600)
        hashes = {}
        for turn in range(2):
            for threads in (1, 2):
                sb.set_num_threads(threads)
                net = sb.Network([200, 300, 10], output="softmax", seed=0)
                net.fit(X, y, epochs=2, batch_size=200, progress=False)
                hashes.setdefault(threads, set()).add(net.parameters.tobytes())
        assert all(len(same) == 1 for same in hashes.values())
        one, two = (np.frombuffer(next(iter(hashes[k])), "f4") for k in (1, 2))
        print(float(np.abs(one - two).max()) < 1e-3)
        """
    )
    assert said == "True\n"


def test_set_num_threads_in_the_middle_of_a_batch() -> None:
    """The engine holds BLAS to one thread during a batch and gives it back what is allowed."""
    said = run_python_ok(
        """
        import ctypes
        import threading

        import numpy as np
        import swiftbackprop as sb
        from swiftbackprop._engine.loader import blas

        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(4000, 200)).astype("f4"), rng.integers(0, 10, 4000)
        net = sb.Network([200, 300, 300, 10], output="softmax", seed=0)
        held = ctypes.CFUNCTYPE(ctypes.c_int)(blas.library.table[2])
        told = []

        def limit():
            while held() != 1:
                pass
            told.append(sb.get_num_threads())
            sb.set_num_threads(1)
            told.append(sb.get_num_threads())
            net.stop()

        sb.set_num_threads(2)
        other = threading.Thread(target=limit)
        other.start()
        net.fit(X, y, epochs=10**7, batch_size=4000, progress=False)
        other.join()
        print(told, sb.get_num_threads())
        """
    )
    assert said == "[2, 1] 1\n"


def test_threadpoolctl_limits_the_engine() -> None:
    pytest.importorskip("threadpoolctl")
    said = run_python_ok(
        """
        import numpy as np
        import swiftbackprop as sb
        from threadpoolctl import threadpool_info, threadpool_limits

        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(600, 200)).astype("f4"), rng.integers(0, 10, 600)

        def train():
            net = sb.Network([200, 300, 10], output="softmax", seed=0)
            net.fit(X, y, epochs=2, batch_size=200, progress=False)
            return net.parameters.tobytes()

        # the library is seen by threadpoolctl, and counts are as they were afterwards
        before = [(i["filepath"], i["num_threads"]) for i in threadpool_info()]
        assert any("openblas" in path.lower() for path, _ in before), before
        free = train()
        with threadpool_limits(1):
            limited = train()
            assert all(i["num_threads"] == 1 for i in threadpool_info())
        assert [(i["filepath"], i["num_threads"]) for i in threadpool_info()] == before
        assert train() == free
        sb.set_num_threads(1)
        print(train() == limited)
        """
    )
    assert said == "True\n"


@pytest.mark.parametrize("bad", [0, -1, 1.5, "two", None])
def test_wrong_thread_counts(bad: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"thread|int"):
        sb.set_num_threads(bad)


def test_two_openblas_in_one_process() -> None:
    """NumPy's products and ours, at once, in several threads."""
    net = network(width=300)
    truth = reference_of(net, ["relu", "softmax"], "cross_entropy")
    X, _ = data(800)
    A = np.random.default_rng(1).normal(size=(300, 300))
    wanted, product = truth.forward(X), A @ A

    def work(i: int) -> None:
        for _ in range(20):
            if i % 2:
                np.testing.assert_allclose(A @ A, product, rtol=1e-10, atol=1e-10)
            else:
                assert_matches(net.predict(X), wanted, 1e-5)

    in_threads(work)
    assert_matches(net.predict(X), wanted, 1e-5)
