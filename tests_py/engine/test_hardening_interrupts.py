"""Ctrl-C at any moment, and callbacks that end."""

from __future__ import annotations

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import run_python_ok

# Ctrl-C where Python looks for it: when a function begins, and when a call has ended.
INTERRUPTED = """
import gc, inspect, sys
import numpy as np
import swiftbackprop as sb

class Reads(sb.Callback):
    def on_batch_end(self, net, batch, logs):
        net.predict(X)
    def on_epoch_end(self, net, epoch, logs):
        net.evaluate(X, y)

X, y = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3), np.arange(8) % 2
own = sb.CustomActivation(lambda z: 2 * z, lambda z: np.full_like(z, 2), name="own")
pieces = [(X, y), (X, y)]
net, arguments, keywords = {
    "arrays": ("relu", (X, y), {"batch_size": 4}),
    "callbacks": ("relu", (X, y), {
        "validation_split": 0.25, "metrics": ["top_1"], "class_weight": "balanced",
        "callbacks": [Reads(), sb.EarlyStopping(),
                      sb.LearningRateScheduler(sb.schedules.OneCycle(2))],
    }),
    "pieces": ("relu", (pieces,), {"callbacks": [Reads()]}),
    "batches of pieces": ("relu", (lambda: iter(pieces),), {
        "batch_size": 4, "validation_data": (X, y)}),
    "own function": (own, (X, y), {"batch_size": 4, "validation_data": (X, y)}),
}[sys.argv[1]]
net = sb.Network([3, 4, 2], activation=net, loss="cross_entropy", seed=0)
gc.disable()
moment, stride = 0, int(sys.argv[2])
while True:
    moment += stride
    count = 0

    def look(frame, event, arg):
        global count
        if event in ("call", "c_return") and not frame.f_code.co_flags & inspect.CO_GENERATOR:
            count += 1
            if count == moment:
                raise KeyboardInterrupt

    caught = None
    sys.setprofile(look)
    try:
        net.fit(*arguments, epochs=2, progress=False, **keywords)
    except KeyboardInterrupt as error:
        caught = error
    finally:
        sys.setprofile(None)
    # The exception, and with it every frame, is still there.
    net.forward(X)
    net.backward(y)
    net.step()
    assert np.isfinite(net.parameters).all()
    if caught is None:
        break
print(moment // stride - 1)
"""


@pytest.mark.parametrize(
    ("way", "stride"),
    [("arrays", 1), ("callbacks", 3), ("pieces", 2), ("batches of pieces", 3), ("own function", 1)],
)
def test_ctrl_c_at_any_moment_of_fit_leaves_a_network_that_works(way: str, stride: int) -> None:
    assert int(run_python_ok(INTERRUPTED, way, str(stride))) > 50


def test_every_callback_is_told_of_the_end() -> None:
    told = []

    class Fails(sb.Callback):
        def on_train_end(self, net: sb.Network) -> None:
            told.append(net)
            raise OSError("disk full")

    net = sb.Network([2, 1], seed=0)
    X, y = np.ones((4, 2), np.float32), np.zeros(4)
    with pytest.raises(OSError, match="disk full"):
        net.fit(X, y, epochs=1, callbacks=[Fails(), Fails()], progress=False)
    assert told == [net, net]
    net.fit(X, y, epochs=1, progress=False)


class Counting(sb.Network):
    """A network that counts how often the engine is told something."""

    told = 0

    def _set_option(self, option: int, value: float) -> None:
        type(self).told += 1
        super()._set_option(option, value)


def test_many_layers_cost_no_call_each_that_walks_over_all() -> None:
    net = Counting([1] * 2001, seed=0)
    assert Counting.told < 10
    net.dropout = [0.0] * 1000 + [0.5] + [0.0] * 999
    assert Counting.told < 20
    assert [m for m, p in enumerate(net.dropout, 1) if p] == [1001]
    net.dropout = 0
    assert not any(net.dropout)
