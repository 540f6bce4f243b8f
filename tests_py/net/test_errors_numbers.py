"""The table of errors: not finite, diverged, in the wrong order, too large, hostile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import D0, DL, N, inputs, labels, network, quiet_network, refused, run_python_ok


def regression(**keywords: Any) -> Any:
    return quiet_network([D0, 6, 1], loss="squared_error", seed=0, **keywords)


# --- NaN, infinity, divergence ---------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_data_that_is_not_finite(bad: float, dtype: str, order: Any) -> None:
    net = network()
    X = inputs().astype(dtype, order=order)
    X[13, 1:] = bad
    word = "nan" if np.isnan(bad) else "inf"
    for call in (
        lambda: net.forward(X),
        lambda: net.predict(X),
        lambda: net.predict_classes(X),
        lambda: net.evaluate(X, labels()),
        lambda: net.fit(X, labels(), epochs=1, progress=False),
    ):
        refused(call, ValueError, word, r"\bX\b", r"row 13, column 1$")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_targets_that_are_not_finite(bad: float) -> None:
    net = regression()
    X, y = inputs(), np.zeros(N, "f4")
    y[11] = bad
    word = "nan" if np.isnan(bad) else "inf"
    net.forward(X)
    for call in (
        lambda: net.backward(y),
        lambda: net.evaluate(X, y),
        lambda: net.fit(X, y, epochs=1, progress=False),
    ):
        refused(call, ValueError, word, r"\by\b", r"row 11$")
    several = np.zeros((N, DL), "f4")
    several[11, DL - 1] = bad
    net = quiet_network([D0, DL], seed=0)
    refused(lambda: net.evaluate(X, several), ValueError, word, rf"row 11, column {DL - 1}$")


def test_weights_that_are_not_finite() -> None:
    bad = np.zeros((6, D0))
    bad[2, 1] = np.nan
    net = network()
    before = net.parameters.copy()
    refused(lambda: setattr(net.layers[0], "W", bad), ValueError, "nan")
    np.testing.assert_array_equal(net.parameters, before)
    pairs = [(bad, np.zeros(6)), (np.zeros((DL, 6)), np.zeros(DL))]
    refused(lambda: network(initializer=pairs), ValueError, "nan")


def test_values_too_large_for_float32() -> None:
    """1e300 is finite in float64 and infinite in a float32 network: said at the door."""
    net = network()
    X = inputs(dtype="float64")
    X[3, 0] = 1e300
    refused(lambda: net.forward(X), ValueError, r"1e\+?300|float32|inf")
    refused(lambda: net.fit(X, labels(), epochs=1, progress=False), ValueError, "float32|inf")


def test_numbers_that_are_too_large_say_what_to_scale() -> None:
    """Where no step was made yet, a learning rate cannot be the cause."""
    net, X = regression(), inputs()
    refused(lambda: net.evaluate(X, np.full(N, 1e30)), sb.DivergenceError, "loss", "scaled y")
    refused(lambda: net.fit(X, np.full(N, 1e30), progress=False), sb.DivergenceError, "scaled y")
    refused(lambda: net.forward(X + 3e38), sb.DivergenceError, "z of layer 1", "scaled X")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_in_fit_names_epoch_batch_and_layer(dtype: str) -> None:
    net = regression(optimizer=sb.SGD(1e4), dtype=dtype)
    X, y = inputs(dtype=dtype), inputs(N, 1, dtype=dtype)[:, 0]
    assert issubclass(sb.DivergenceError, FloatingPointError)
    refused(
        lambda: net.fit(X, y, epochs=400, batch_size=8, progress=False),
        sb.DivergenceError,
        r"epoch\s*\d+", r"batch\s*\d+", r"layer\s*\d+",
    )  # fmt: skip
    assert np.all(np.isfinite(net.parameters))  # as before the bad step
    net.reset(0)
    net.optimizer.lr = 1e-3
    net.fit(X, y, epochs=2, progress=False)


def test_a_step_that_is_not_finite_is_not_applied() -> None:
    """Neither to the weights nor to the optimizer's state."""
    nets = [network(dtype="float64"), network(dtype="float64")]
    X, y = inputs(dtype="float64"), labels()
    for turn in range(3):
        for which, net in enumerate(nets):
            net.forward(X)
            net.backward(y)
            if which == 0 and turn == 1:
                saved, before = net.gradients.copy(), net.parameters.copy()
                for bad in (np.nan, np.inf):
                    net.gradients[5] = bad
                    refused(net.step, sb.DivergenceError, "layer|gradient")
                    np.testing.assert_array_equal(net.parameters, before)
                    net.forward(X)
                    net.backward(y)
                np.testing.assert_array_equal(net.gradients, saved)
            net.step()
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


def test_weights_made_infinite_through_a_view_are_found() -> None:
    net = network()
    net.layers[0].W[0, 0] = np.inf
    with pytest.raises((sb.DivergenceError, ValueError), match=r"layer|W"):
        net.fit(inputs(), labels(), epochs=1, progress=False)


# --- Wrong order -----------------------------------------------------------------------


def test_backward_before_forward() -> None:
    refused(lambda: network().backward(labels()), RuntimeError, r"forward")


def test_step_before_backward() -> None:
    net = network()
    refused(net.step, RuntimeError, "backward")
    net.forward(inputs())
    refused(net.step, RuntimeError, "backward")


def test_backward_after_step_needs_a_new_forward() -> None:
    net = network()
    X, y = inputs(), labels()
    net.forward(X)
    net.backward(y)
    net.step()
    refused(lambda: net.backward(y), RuntimeError, "forward")
    net.forward(X)
    net.backward(y)
    net.fit(X, y, epochs=1, progress=False)
    refused(lambda: net.backward(y), RuntimeError, "forward")


def test_quantities_before_they_exist() -> None:
    net = network()
    for name in ("z", "a"):
        refused(lambda name=name: getattr(net.layers[0], name), RuntimeError, "forward")
    refused(lambda: net.layer(0).a, RuntimeError, "forward")
    net.forward(inputs())
    for name in ("grad_z", "grad_a"):
        refused(lambda name=name: getattr(net.layers[0], name), RuntimeError, "backward")
    refused(lambda: net.layer(0).grad_a, RuntimeError, "backward")


def test_a_closed_network() -> None:
    net = network()
    X, y = inputs(), labels()
    net.close()
    for call in (
        lambda: net.forward(X),
        lambda: net.backward(y),
        net.step,
        lambda: net.predict(X),
        lambda: net.evaluate(X, y),
        lambda: net.fit(X, y, epochs=1, progress=False),
        lambda: net.parameters,
        lambda: net.layers[0].W,
        net.copy,
    ):
        refused(call, RuntimeError, "close")
    assert "closed" in repr(net)


def test_a_network_that_was_never_made() -> None:
    net = sb.Network.__new__(sb.Network)
    for call in (lambda: net.forward(inputs()), net.step, lambda: net.parameters):
        with pytest.raises((RuntimeError, AttributeError)):
            call()


# --- Memory ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes", [[10**6, 10**6], [2**31 - 1, 2**31 - 1], [2**40, 2**40], [2**62, 4, 2**62]]
)
def test_networks_beyond_the_memory_there_is(sizes: list[int]) -> None:
    with pytest.raises((MemoryError, ValueError, OverflowError)) as caught:
        sb.Network(sizes)
    assert len(str(caught.value)) > 20
    if sizes[0] == 10**6:
        assert isinstance(caught.value, MemoryError)


def test_results_beyond_the_memory_there_is() -> None:
    net = network()
    X = np.broadcast_to(np.zeros(D0, "f4"), (2**42, D0))
    for call in (net.forward, net.predict):
        refused(lambda call=call: call(X), MemoryError, r"memory|GB|GiB|TB|TiB")


def test_sizes_beyond_python_integers() -> None:
    for sizes in ([10**30, 2], [2, 10**30]):
        with pytest.raises((OverflowError, ValueError, MemoryError)):
            sb.Network(sizes)


# --- Never an abort --------------------------------------------------------------------

HOSTILE = """
import itertools, warnings
import numpy as np
import swiftbackprop as sb

warnings.simplefilter("ignore")
net = sb.Network([3, 4, 2], output="softmax", seed=0)
X, y = np.zeros((5, 3), "f4"), np.zeros(5, int)
things = [
    None, True, 0, -1, 2**63, 2**70, 1.5, float("nan"), "", "x", b"x", [], [[]], {}, (), object(),
    np.zeros(0), np.zeros((0, 3), "f4"), np.zeros((5, 0), "f4"), np.zeros((5, 3, 2)),
    np.zeros((5, 3), "f2"), np.zeros((5, 3), "c8"), np.zeros((5, 3), "S3"), np.zeros((5, 3), "O"),
    np.zeros((5, 3), "M8[s]"), np.zeros((5, 3), ">f4"), np.zeros((5, 3), "V4"), np.float32(1),
    np.lib.stride_tricks.as_strided(np.zeros(3, "f4"), (5, 3), (0, 0)),
    np.zeros((10, 6), "f4")[::-2, ::-2], np.ma.masked_array(X), np.zeros((5, 3), "g"),
    memoryview(b"abc"), bytearray(8), iter([1]), net, net.layers, lambda: 0, type, ...,
    np.zeros((5, 3), "i1"), np.zeros(5, "u8") - 1, np.full(5, 2**63, "u8"), np.full(5, -2**63),
]
calls = [
    lambda v: net.forward(v), lambda v: net.predict(v), lambda v: net(v),
    lambda v: (net.forward(X), net.backward(v)),
    lambda v: (net.forward(X), net.backward(y, sample_weight=v)),
    lambda v: net.forward(X, copy=v), lambda v: (net.forward(X), net.backward(y, accumulate=v)),
    lambda v: net.evaluate(v, y), lambda v: net.evaluate(X, v),
    lambda v: net.evaluate(X, y, sample_weight=v),
    lambda v: net.fit(v, y, epochs=1, progress=False),
    lambda v: net.fit(X, v, epochs=1, progress=False),
    lambda v: net.fit(X, y, epochs=v if not isinstance(v, int) or v < 9 else -1, progress=False),
    lambda v: net.fit(X, y, epochs=1, batch_size=v, progress=False),
    lambda v: net.fit(X, y, epochs=1, shuffle=v, progress=False),
    lambda v: net.fit(X, y, epochs=1, validation_data=v, progress=False),
    lambda v: net.fit(X, y, epochs=1, validation_data=(X, v), progress=False),
    lambda v: net.fit(X, y, epochs=1, validation_split=v, progress=False),
    lambda v: net.fit(X, y, epochs=1, sample_weight=v, progress=False),
    lambda v: net.fit(X, y, epochs=1, callbacks=v, progress=False),
    lambda v: sb.Network(v), lambda v: sb.Network([2, v]), lambda v: sb.Network([2, 2], seed=v),
    lambda v: sb.Network([2, 2], activation=v), lambda v: sb.Network([2, 2], output=v),
    lambda v: sb.Network([2, 2], loss=v), lambda v: sb.Network([2, 2], optimizer=v),
    lambda v: sb.Network([2, 2], dtype=v), lambda v: sb.Network([2, 2], initializer=v),
    lambda v: sb.Network([2, 2], initializer=[(v, v)]), lambda v: sb.Network([2, 2], l1=v),
    lambda v: sb.Network([2, 2], clip_norm=v), lambda v: net.layer(v), lambda v: net.layers[v],
    lambda v: net.unflatten(v), lambda v: net.flatten(v), lambda v: net.flatten([(v, v)] * 2),
    lambda v: setattr(net.layers[0], "W", v), lambda v: setattr(net.layers[0], "b", v),
    lambda v: setattr(net.optimizer, "lr", v), lambda v: net.reset(v), lambda v: sb.Adam(v),
    lambda v: sb.activation(v), lambda v: sb.activation("tanh")(v), lambda v: sb.loss(v),
    lambda v: sb.loss("huber")(v, v), lambda v: sb.activation("leaky_relu", slope=v),
    lambda v: sb.set_num_threads(v) if not (isinstance(v, int) and v > 64) else None,
    lambda v: net.input_gradient(v, y), lambda v: net.input_gradient(X, v),
    lambda v: net.plan(v), lambda v: net.plan(batch_size=v), lambda v: setattr(net, "l1", v),
    lambda v: setattr(net, "l2", v), lambda v: setattr(net, "clip_norm", v),
    lambda v: sb.explain_copy(v, net), lambda v: sb.explain_copy(X, v), lambda v: net.__init__(v),
]
count = 0
for call, thing in itertools.product(calls, things):
    net.optimizer.lr = 1e-3
    net.parameters[:] = 0.1
    net.l1, net.l2, net.clip_norm = 0, 0, None
    try:
        call(thing)
    except SystemError:
        raise
    except Exception:
        count += 1
sb.set_num_threads(2)
net = sb.Network([3, 4, 2], output="softmax", seed=0)
net.fit(X, y, epochs=1, progress=False)
assert np.all(np.isfinite(net.predict(X)))
print(count)
"""


def test_nothing_from_python_aborts_the_process() -> None:
    assert int(run_python_ok(HOSTILE, timeout=300)) > 500


BROKEN_BUFFERS = """
import gc
import numpy as np
import swiftbackprop as sb

core = type(sb.Network([2, 2])).__mro__[1]
for name in sorted(vars(core)):
    function = getattr(core, name)
    if not callable(function) or name.startswith("__"):
        continue
    for arguments in ((), (None,), (1,) * 12, (np.zeros((2, 2)),), (object(), object())):
        net = sb.Network([2, 2], seed=0)
        try:
            function(net, *arguments)
        except SystemError:
            raise
        except Exception:
            pass
        bare = core.__new__(core)
        try:
            function(bare, *arguments)
        except SystemError:
            raise
        except Exception:
            pass
        del net, bare
        gc.collect()
print("alive")
"""


def test_private_methods_do_not_abort_either() -> None:
    assert run_python_ok(BROKEN_BUFFERS).strip() == "alive"
