"""Arguments of the compiled module that run code, lack strides or have the other byte order."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import run_python_ok
from swiftbackprop._engine.loader import core

X = np.random.default_rng(0).normal(size=(64, 3))


class Fresh:
    """A sequence whose items nobody else holds."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> Any:
        name, parameters = self.items[place]
        return "".join(list(name)), tuple(parameters)


def regression() -> sb.Network:
    return sb.Network([3, 1], dtype="float64", seed=0, optimizer="sgd")


def create(net: core.Net, **changed: Any) -> None:
    """Call what `Network` makes the engine's net with."""
    arguments = {
        "sizes": (2, 3, 1),
        "dtype": "float64",
        "activations": [("tanh", ()), ("identity", ())],
        "initializers": [("glorot_uniform", ()), ("zeros", ())],
        "loss": ("squared_error", ()),
        "optimizer": ("sgd", (0.1,)),
        "l1": 0.0,
        "l2": 0.0,
        "clip_norm": 0.0,
        "seed": 0,
        "norms": None,
    } | changed
    net._create(*arguments.values())  # type: ignore[arg-type]


def test_rules_that_are_made_as_they_are_read() -> None:
    """Names in memory that is given back and written over as soon as nothing holds them."""
    for _ in range(200):
        net = core.Net()
        create(
            net,
            activations=Fresh(("leaky_relu", (0.2,)), ("softplus", ())),
            initializers=Fresh(("glorot_normal", ()), ("lecun_normal", ())),
        )
        assert net._view(core.PARAMETERS, 0).shape == (13,)
    with pytest.raises(ValueError, match="'no_such_rule_of_any_kind'"):
        create(core.Net(), activations=Fresh(("tanh", ()), ("no_such_rule_of_any_kind", ())))


@pytest.mark.parametrize("norm", [None, 3, "batch", [1, 0, 1e-5, 0.1], {}])
def test_norms_that_are_no_tuples(norm: Any) -> None:
    with pytest.raises(TypeError, match="a norm must be"):
        create(core.Net(), norms=[(core.NORM_LAYER, 0, 1e-5, 0.0), norm])


@pytest.mark.parametrize("what", ["sizes", "activations", "initializers", "norms"])
def test_lists_of_a_network_that_are_none(what: str) -> None:
    for bad in (3, 2.5, object()):
        with pytest.raises(TypeError):
            create(core.Net(), **{what: bad})
    with pytest.raises((ValueError, TypeError)):
        create(core.Net(), **{what: ()})


@pytest.mark.parametrize("call", ["create", "copy", "close"])
def test_a_network_that_is_made_while_it_is_made(call: str) -> None:
    """Numbers may be objects whose conversion calls what it likes."""
    net, other = core.Net(), sb.Network([4, 1], seed=0)

    class Number:
        def __index__(self) -> int:
            match call:
                case "create":
                    create(net, sizes=(2, 5, 1))
                case "copy":
                    net._copy_from(other)
                case "close":
                    net.close()
            return 3

    with pytest.raises(RuntimeError, match="already called"):
        create(net, sizes=(2, Number(), 1))
    if call == "close":
        with pytest.raises(RuntimeError, match="closed"):
            net._view(core.PARAMETERS, 0)
    else:
        assert net._view(core.PARAMETERS, 0).shape == (21 if call == "create" else 5,)


def test_buffers_that_leave_their_strides_out() -> None:
    """As NumPy's datetime64 does: no array, where the extension is called itself."""
    run_python_ok(
        """
        import numpy as np, swiftbackprop as sb
        net, X, bad = sb.Network([8, 1], seed=0), np.ones((1, 8), "f4"), np.datetime64("2020")
        y = np.ones((1, 1), "f4")
        session = net._fit(X, y, None, None, None, None, 1, 1, False, 0)
        calls = [
            lambda: net._evaluate(bad, y, None), lambda: net._jacobian(bad, 6, 6, 1),
            lambda: net._hvp(X, y, None, bad), lambda: session.set_rates(bad),
            lambda: net._fit(bad, y, None, None, None, None, 1, 1, False, 0),
            lambda: net._gradient_norms(X, np.timedelta64(3), False),
        ]
        for call in calls:
            try:
                call()
            except (TypeError, RuntimeError):
                continue
            raise SystemExit("taken")
        assert not net._in_place(bad)
        """
    )


def test_the_first_wrong_number_ends_the_reading() -> None:
    """The next one is not read while an exception is set."""
    net, bad, other = (
        sb.Network([3, 1], dtype="float64", seed=0, optimizer="sgd"),
        np.array(None),
        np.array([1, 2]),
    )
    y = X[:, :1]
    for args in ((bad, other, True, 0), (1, bad, True, other), (1, other, NotImplemented, bad)):
        with pytest.raises((TypeError, DeprecationWarning)):
            net._fit(X, y, None, None, None, None, *args)
    with pytest.raises(TypeError):
        net._jacobian(X, bad, other, NotImplemented)


def test_rates_in_the_other_byte_order_are_refused() -> None:
    net = regression()
    session = net._fit(X, X[:, :1], None, None, None, None, 1, 32, False, 0)
    with pytest.raises(TypeError, match="dense array of float64"):
        session.set_rates(np.full(2, 0.1).astype(">f8"))
    session.set_rates(np.full(2, 0.1))
    session.end()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory in common is Linux's")
def test_memory_in_common_that_is_none() -> None:
    """A process that is not there, and files that are closed, empty, or cannot be written to."""
    net, y = sb.Network([8, 200, 1], seed=0, dtype="float64"), np.ones((6, 1))
    X = np.random.default_rng(0).standard_normal((6, 8))
    before = net.parameters.copy()

    def train(memory: Any) -> None:
        session = net._fit(
            X, y, None, None, None, None, 1, 3, False, 0, 6, 0, lambda *asked: None, memory
        )
        try:
            while not session.run(10**9)[4]:
                pass
        finally:
            session.end()

    reading, writing = os.pipe()
    empty, closed = os.memfd_create("empty"), os.memfd_create("closed")
    os.close(closed)
    for memory, kind in (
        (3, TypeError),
        ((empty, 0, 2), TypeError),
        ((empty, 2, 2, False), ValueError),
        ((empty, -1, 2, False), ValueError),
        ((closed, 0, 2, False), ValueError),
        ((reading, 0, 2, False), MemoryError),
        ((empty, 1, 2, False), MemoryError),
    ):
        with pytest.raises(kind):
            train(memory)
        assert np.array_equal(net.parameters, before)
    for file in (empty, reading, writing):
        os.close(file)
    train(None)
    assert not np.array_equal(net.parameters, before)
