"""Random calls of the extension itself, past everything that checks arguments before it.

All but set_blas: a table of any addresses is one of any code.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from swiftbackprop._engine.loader import core
from trust.calls import call
from trust.values import Deliberate, Random, Value, anything, array

_SIZES = [1, 2, 3, 5, 9]
_KINDS = [core.ACTIVATION, core.LOSS, core.OPTIMIZER, core.INITIALIZER]
_NAMES = {kind: [rule[0] for rule in core.rules(kind)] for kind in _KINDS}
_QUANTITIES = [getattr(core, name) for name in (
    "PARAMETERS", "GRADIENTS", "W", "B", "GRAD_W", "GRAD_B", "Z", "A", "GRAD_Z", "GRAD_A", "SLOT",
    "MASK", "GAMMA", "BETA", "GRAD_GAMMA", "GRAD_BETA", "RUNNING_MEAN", "RUNNING_VAR", "U",
)]  # fmt: skip
_OPTIONS = [value for name, value in vars(core).items() if name.startswith("OPTION_")]
_INTS = [-1, 0, 1, 2, 3, 7, 100, 2**20, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 2**63, 2**64]


class Net(core.Net):
    """A net whose hooks answer as they are told."""

    answers: dict[str, Callable[..., Any]]

    def _as_input(self, X: Any, copy: bool | None) -> Any:
        return self._hook("input", X)

    def _as_target(self, y: Any, copy: bool | None) -> Any:
        return self._hook("target", y)

    def _as_weights(self, w: Any, copy: bool | None) -> Any:
        return self._hook("weights", w)

    def _hook(self, name: str, given: Any) -> Any:
        own = self.answers.get(name)
        return np.ascontiguousarray(given) if own is None else own(self, given)

    def _answer(self, kind: int, order: int, m: int, x: Any, t: Any, out: Any) -> None:
        own = self.answers.get("answer")
        if own is not None:
            own(self, out)
        elif x.shape == out.shape:
            out[...] = x if order == 0 else 1
        else:
            out[...] = 1


class _Scene:
    def __init__(self, rng: Random, log: Callable[[str], None]) -> None:
        self.rng, self.log = rng, log
        self.sizes = [rng.choice(_SIZES) for _ in range(rng.choice([2, 3, 4]))]
        self.sessions: list[Any] = []
        self.views: list[Any] = []
        self.net = self.made()

    def call(self, function: Callable[..., Any], name: str, *values: Value) -> Any:
        self.log(f"{name}({', '.join(value.text for value in values)})")
        return call(function, *(value.value for value in values))

    def maybe(self, value: Any, text: str = "", *, odd: float = 0.1) -> Value:
        """A value, or one of any kind."""
        if self.rng.random() < odd:
            return anything(self.rng)
        return Value(text or repr(value), value)

    def rule(self, kind: int, external: bool = False) -> Any:
        name = self.rng.choice(_NAMES[kind])
        if external and self.rng.random() < 0.2:
            name = core.EXTERNAL
        given = [(), (0.5,), (0.1,) * 4, (float("nan"),), (1e308,) * 3, "x"]
        return (name, self.rng.choice(given) if self.rng.random() < 0.1 else None)

    def made(self) -> Net:
        net = Net()
        net.answers = {}
        layers = len(self.sizes) - 1
        norms = [(self.rng.choice([0, 1, 2]), self.rng.choice([0, 1]), 1e-5, 0.1)] * layers
        for _ in range(20):
            rules = [self.rule(core.ACTIVATION, external=True) for _ in range(layers)]
            starts = [self.rule(core.INITIALIZER) for _ in range(layers)]
            given = [
                self.sizes, self.rng.choice(["float32", "float64"]), rules, starts,
                self.rule(core.LOSS, external=True), self.rule(core.OPTIMIZER), 0.0, 0.0,
                self.rng.choice([0.0, 1.0]), self.rng.choice([0, 2**64 - 1]),
                self.rng.choice([None, None, norms]),
            ]  # fmt: skip
            self.call(net._create, "net._create", *(self.maybe(each, odd=0.02) for each in given))
            if self.rng.random() < 0.9:
                break  # else once more: on one that was made, too
        return net

    def integer(self) -> Value:
        return self.maybe(self.rng.choice(_INTS if self.rng.random() < 0.3 else _INTS[:5]))

    def array(self, columns: int | None) -> Value:
        if self.rng.random() < 0.1:
            return anything(self.rng)
        rows = self.rng.choice([3, 3, 3, 3, 1, 0, 50])
        if self.rng.random() < 0.5:
            shape = (rows,) if columns is None else (rows, columns)
            kind = self.rng.choice([np.float32, np.float64])
            return Value(f"ones({shape}, {kind.__name__})", np.ones(shape, kind))
        return array(self.rng, rows, columns)

    def labels(self) -> Value:
        if self.rng.random() < 0.5:
            return self.array(self.sizes[-1])
        made = np.array([self.rng.randrange(self.sizes[-1]) for _ in range(3)])
        if self.rng.random() < 0.1:
            made[-1] = self.rng.choice([-1, self.sizes[-1], 2**62])
        return Value(f"labels {made}", made)

    def or_none(self, value: Value) -> Value:
        return value if self.rng.random() < 0.5 else Value("None", None)


def case(rng: Random, log: Callable[[str], None], folder: Path) -> None:
    """Make a net and some twenty calls on it, its sessions and its views."""
    scene = _Scene(rng, log)
    for _ in range(rng.randrange(5, 30)):
        rng.choice(_ACTS)(scene)
    log("the end: sessions, views and net are given back in any order")
    left = [scene.net, *scene.sessions, *scene.views]
    scene.net = scene.sessions = scene.views = None  # type: ignore[assignment]
    rng.shuffle(left)
    while left:
        last = left.pop()
        if isinstance(last, np.ndarray):
            last.sum()
        del last
    if rng.random() < 0.01:
        gc.collect()


def _pass(scene: _Scene) -> None:
    net, rng = scene.net, scene.rng
    scene.call(net.forward, "net.forward", scene.array(scene.sizes[0]))
    scene.call(net.backward, "net.backward", scene.labels())
    scene.call(net.step, "net.step")
    if rng.random() < 0.2:
        scene.call(net._forward_from, "net._forward_from", scene.integer())


def _read(scene: _Scene) -> None:
    net = scene.net
    x, y = scene.array(scene.sizes[0]), scene.labels()
    w = scene.or_none(scene.array(None))
    number, flag = scene.integer(), scene.maybe(True)
    name, given = scene.rng.choice([
        ("predict", [x]), ("_evaluate", [x, y, w]),
        ("_evaluate", [x, y, w, scene.array(scene.sizes[-1])]),
        ("_jacobian", [x, *(scene.maybe(scene.rng.choice([core.Z, core.A])) for _ in "zz"),
                       number]),
        ("_input_gradient", [x, y, w, flag]), ("_gradient_norms", [x, y, flag]),
        ("_hvp", [x, y, w, scene.array(None)]), ("_in_place", [x]), ("_input", []),
    ])  # fmt: skip
    scene.call(getattr(net, name), f"net.{name}", *given)


def _ask(scene: _Scene) -> None:
    net, rng = scene.net, scene.rng
    what, option = rng.choice(_QUANTITIES), rng.choice(_OPTIONS) + rng.choice([0, 0, 1, 2, 9])
    name, given = rng.choice([
        ("_view", [scene.maybe(what), scene.integer()]),
        ("_view", [scene.maybe(what), scene.integer()]),
        ("_option", [scene.maybe(option)]),
        ("_set_option", [scene.maybe(option), scene.maybe(rng.choice([0.0, 0.5, 1.0, -1, 1e300]))]),
        ("_generator", []), ("_set_generator", [scene.maybe(rng.choice(
            [(1, 2, 3, 4), (0, 0, 0, 0), (2**64, 1, 1, 1), (1,), [1, 2, 3, 4]]))]),
        ("_draw_order", [scene.maybe(np.zeros(rng.choice([0, 3]), rng.choice(["i4", "i8"])))]),
        ("_work", [scene.integer()]), ("_plan", [scene.integer(), scene.integer()]),
        ("_maker", [scene.integer() for _ in range(4)]), ("_slot_count", []),
        ("_reset", [scene.integer()]), ("release", []),
    ])  # fmt: skip
    found = scene.call(getattr(net, name), f"net.{name}", *given)
    if isinstance(found, np.ndarray):
        scene.views.append(found)
        if found.flags.writeable and rng.random() < 0.2:
            found[...] = rng.choice([0.0, 1.0, np.nan, 1e30])


def _begin(scene: _Scene) -> None:
    x, y, rng = scene.array(scene.sizes[0]), scene.labels(), scene.rng
    none = Value("None", None)
    valid = [x, y] if rng.random() < 0.4 else [none, none]
    epochs = scene.maybe(rng.choice([0, 1, 2, 3, -1]))
    if isinstance(epochs.value, int | float) and epochs.value in (2**31, 2**63 - 1):
        return
    made = scene.call(
        scene.net._fit, "net._fit", x, y, scene.or_none(scene.array(None)), *valid,
        scene.or_none(scene.array(None)), epochs, scene.integer(), scene.maybe(True),
        scene.maybe(rng.choice([0, 1, 2])),
    )  # fmt: skip
    if isinstance(made, core.FitSession):
        scene.sessions.append(made)


def _session(scene: _Scene) -> None:
    if not scene.sessions:
        _begin(scene)
        return
    k = scene.rng.randrange(len(scene.sessions))
    session = scene.sessions[k]
    rates = Value("rates", np.full(scene.rng.choice([0, 1, 3]), 0.1))
    name, given = scene.rng.choice([
        ("run", [scene.maybe(scene.rng.choice([0, -1, 10**6, 10**8]))]),
        ("run", [Value("10**7", 10**7)]), ("run", [Value("10**7", 10**7)]),
        ("records", [scene.integer()]), ("set_outputs", [scene.array(scene.sizes[-1])]),
        ("set_rates", [scene.maybe(rates.value, "rates")]), ("end", []), ("end", []),
    ])  # fmt: skip
    scene.call(getattr(session, name), f"session {k}.{name}", *given)
    if name == "end" and scene.rng.random() < 0.5:
        del scene.sessions[k]


def _hooked(scene: _Scene) -> None:
    """Let a hook do from now on what no hook should."""
    value = anything(scene.rng)

    def fails(net: Any, given: Any) -> Any:
        raise Deliberate("hook")

    def closes(net: Any, given: Any) -> Any:
        net.close()
        return given

    def passes(net: Any, given: Any) -> Any:
        net.answers = {}
        call(net.forward, np.ones((3, scene.sizes[0]), np.float32))
        return given

    ways: dict[str, Callable[[Any, Any], Any]] = {
        "fails": fails, "closes": closes, "passes": passes, value.text: lambda *_: value.value,
        "nothing": lambda *_: None,
    }  # fmt: skip
    name, way = (
        scene.rng.choice(["input", "target", "weights", "answer"]),
        scene.rng.choice([*ways]),
    )
    scene.log(f"net.answers[{name!r}] = {way}")
    scene.net.answers = {name: ways[way]} if scene.rng.random() < 0.5 else {}


def _life(scene: _Scene) -> None:
    act = scene.rng.choice(["copy", "copy", "close", "new", "new", "again"])
    if act == "copy":
        net = Net()
        net.answers = {}
        scene.call(net._copy_from, "copy._copy_from", scene.maybe(scene.net, "net"))
        scene.net = net
    elif act == "close":
        scene.call(scene.net.close, "net.close")
    elif act == "new":
        scene.net = scene.made()
    else:
        scene.log("a net that was never made")
        scene.net = Net.__new__(Net)
        scene.net.answers = {}


def _module(scene: _Scene) -> None:
    rng = scene.rng
    kind = rng.choice([core.ACTIVATION, core.LOSS])
    arrays = [np.ones((3, 2), rng.choice([np.float32, np.float64])) for _ in range(3)]
    given = [
        scene.maybe(each, "ones(3x2)") for each in arrays[: 2 if kind == core.ACTIVATION else 3]
    ]
    rule, order = scene.maybe(scene.rule(kind)), scene.integer()
    name, values = rng.choice([
        ("apply_activation" if kind == core.ACTIVATION else "apply_loss", [rule, order, *given]),
        ("rules", [scene.integer()]), ("num_threads", []),
        ("set_num_threads", [scene.maybe(rng.choice([1, 2, 0, -1, 64]))]),
        ("FitSession", []), ("View", []),
    ])  # fmt: skip
    scene.call(getattr(core, name), f"core.{name}", *values)


def _any(scene: _Scene) -> None:
    """Any method with any arguments."""
    name = scene.rng.choice([n for n in dir(core.Net) if not n.startswith("__") and n != "_fit"])
    method = call(getattr, scene.net, name)
    if callable(method):
        scene.call(
            method, f"net.{name}", *(anything(scene.rng) for _ in range(scene.rng.randrange(4)))
        )


_ACTS = [_pass, _pass, _read, _read, _ask, _ask, _ask, _begin, _session, _session, _session,
         _hooked, _life, _module, _any]  # fmt: skip
