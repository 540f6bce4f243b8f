"""Ctrl-C, and fork."""

from __future__ import annotations

import pytest

from helpers import run_python_ok

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
