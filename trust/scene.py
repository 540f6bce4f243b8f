"""A network and its data, and arguments that fit them, by the names of parameters."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import swiftbackprop as sb
from trust.calls import call
from trust.values import Deliberate, Random, Value, anything, array

LIMITED = [-1, 0, 1, 1, 1, 2, 3, True, 1.0, 1.5, "1", None, float("nan"), 2**63, -(2**63), 10**30]
# Where a large number is right and would take its time.
COUNTS = {"epochs", "max_iter", "max_fun", "per_array", "most", "n", "rows_per_block"}
# Bars and figures on the screen are not looked for.
SILENT: dict[str, Any] = {"progress": False, "verbose": False, "plot": False}


class Scene:
    """What a case plays with."""

    def __init__(self, rng: Random, log: Callable[[str], None], folder: Path) -> None:
        self.rng, self.log, self.folder = rng, log, folder
        self.sizes = [
            rng.choice([1, 1, 2, 3, 5, 8, 17]) for _ in range(rng.choice([2, 2, 3, 3, 4]))
        ]
        self.net: Any = None
        while not isinstance(self.net, sb.Network):
            self.net = self.call(sb.Network, "net = Network")

    def call(self, function: Callable[..., Any], name: str) -> Any:
        """Call a function with arguments by the names of its parameters."""
        args, keywords = self.arguments(function)
        told = [value.text for value in args]
        told += [f"{key}={value.text}" for key, value in keywords.items()]
        self.log(f"{name}({', '.join(told)})")
        given = {key: value.value for key, value in keywords.items()}
        return call(function, *(value.value for value in args), **given)

    def arguments(self, function: Callable[..., Any]) -> tuple[list[Value], dict[str, Value]]:
        """Draw arguments: most of them fit."""
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except ValueError:
            return [anything(self.rng) for _ in range(self.rng.randrange(3))], {}
        args: list[Value] = []
        keywords: dict[str, Value] = {}
        for parameter in parameters:
            name = parameter.name
            if parameter.kind is parameter.VAR_POSITIONAL:
                args += [self.argument(name) for _ in range(self.rng.choice([0, 0, 1]))]
            elif parameter.kind is parameter.VAR_KEYWORD:
                if self.rng.random() < 0.2:
                    keywords[self.rng.choice(["lr", "slope", "x", "None"])] = self.argument("lr")
            elif name in SILENT:
                keywords[name] = Value(repr(SILENT[name]), SILENT[name])
            elif parameter.default is not parameter.empty and self.rng.random() < 0.6:
                continue
            elif parameter.kind is parameter.KEYWORD_ONLY or len(args) < parameters.index(
                parameter
            ):
                keywords[name] = self.argument(name)
            else:
                args.append(self.argument(name))
        if self.rng.random() < 0.01:
            keywords["unknown"] = anything(self.rng)
        return args, keywords

    def argument(self, name: str) -> Value:
        """Draw an argument for a parameter of this name."""
        if name in COUNTS:
            value = self.rng.choice(LIMITED)
            return Value(repr(value), value)
        make = _FITTING.get(name)
        if make is None or self.rng.random() < 0.08:
            return anything(self.rng)
        made = make(self)
        return made if isinstance(made, Value) else Value(repr(made), made)

    def rows(self) -> int:
        return self.rng.choice([1, 2, 3, 4, 4, 4, 4, 9, 33, 200])

    def weights(self) -> list[Value]:
        """Arrays that fit [W, b, W, b, ...]."""
        made = []
        for before, units in itertools.pairwise(self.sizes):
            made += [array(self.rng, units, before), array(self.rng, units, None)]
        return made

    def y(self) -> Value:
        rows, outputs = self.rng.choice([4, 4, 4, self.rows()]), self.sizes[-1]
        kind = self.rng.random()
        if kind < 0.5:
            labels = [self.rng.randrange(max(outputs, 2)) for _ in range(rows)]
            if kind < 0.1:
                labels[-1] = self.rng.choice([-1, outputs, 2**40])
            if kind > 0.4:
                return Value(f"{labels} as text", [f"class {k}" for k in labels])
            return Value(repr(labels), np.array(labels))
        if kind < 0.7:
            return Value(f"full({rows}x{outputs}, 0.5)", np.full((rows, outputs), 0.5))
        return array(self.rng, rows, outputs)


def _x(scene: Scene) -> Value:
    rows = scene.rng.choice([4, 4, 4, scene.rows()])
    if scene.rng.random() < 0.4:
        return Value(f"ones({rows}x{scene.sizes[0]})", np.ones((rows, scene.sizes[0]), np.float32))
    return array(scene.rng, rows, scene.sizes[0])


def _rule(names: Callable[[], list[str]]) -> Callable[[Scene], Any]:
    return lambda scene: scene.rng.choice(names())


def _activation(scene: Scene) -> Any:
    kind = scene.rng.random()
    if kind < 0.7:
        return scene.rng.choice(sb.activations())
    if kind < 0.8:
        return Value("leaky_relu(0.2)", sb.activation("leaky_relu", slope=0.2))
    if kind < 0.9:
        return [scene.rng.choice(sb.activations()) for _ in scene.sizes[2:]]
    answer = anything(scene.rng)
    made = sb.CustomActivation(lambda z: z, lambda z: np.ones_like(z))
    wrong = sb.CustomActivation(lambda z: answer.value, lambda z: np.ones_like(z))
    return scene.rng.choice([Value("own", made), Value(f"own that returns {answer.text}", wrong)])


def _callbacks(scene: Scene) -> Value:
    X, y = _x(scene), scene.y()

    def raises(*_: Any) -> None:
        raise Deliberate("callback")

    stock: dict[str, Callable[[], Any]] = {
        "nothing": lambda: lambda *_: None,
        "ends": lambda: lambda *_: True,
        "raises": lambda: raises,
        "closes": lambda: lambda net, *_: net.close(),
        "fits": lambda: lambda net, *_: net.fit(X.value, y.value, epochs=1, progress=False),
        "forward": lambda: lambda net, *_: net.forward(X.value),
        "stops": lambda: lambda net, *_: net.stop(),
        "resets": lambda: lambda net, *_: net.reset(0),
        "spoils": lambda: lambda net, *_: net.parameters.fill(np.nan),
        "EarlyStopping": lambda: sb.EarlyStopping(patience=1),
        "Checkpoint": lambda: sb.Checkpoint(scene.folder / "best"),
        "CSVLogger": lambda: sb.CSVLogger(scene.folder / "log.csv", append=True),
        "HealthCheck": lambda: sb.HealthCheck(X.value, y.value),
    }
    names = [scene.rng.choice(list(stock)) for _ in range(scene.rng.choice([1, 1, 2]))]
    made = [call(stock[name]) for name in names]
    return Value(f"[{', '.join(names)}]", made)


def _pair(scene: Scene) -> Value:
    X, y = _x(scene), scene.y()
    return Value(f"({X.text}, {y.text})", (X.value, y.value))


def _state(scene: Scene) -> Value:
    arrays = scene.weights()
    names = [f"{2 * m}.{kind}" for m in range(len(arrays) // 2) for kind in ("weight", "bias")]
    pairs = dict(zip(names, arrays, strict=True))
    told = ", ".join(f"{name}: {value.text}" for name, value in pairs.items())
    return Value(f"{{{told}}}", {name: value.value for name, value in pairs.items()})


def _list(make: Callable[[Scene], list[Value]]) -> Callable[[Scene], Value]:
    def made(scene: Scene) -> Value:
        values = make(scene)
        return Value(f"[{', '.join(v.text for v in values)}]", [v.value for v in values])

    return made


def _pairs(scene: Scene) -> list[Value]:
    arrays = scene.weights()
    return [Value(f"({W.text}, {b.text})", (W.value, b.value))
            for W, b in zip(arrays[::2], arrays[1::2], strict=True)]  # fmt: skip


def _optimizer(scene: Scene) -> Any:
    name = scene.rng.choice(sb.optimizers())
    if scene.rng.random() < 0.7:
        return name
    lr = scene.rng.choice([0.0, 0.1, 1.0, 1e30])
    return Value(f"{name}(lr={lr})", sb.optimizer(name, lr=lr))


def _one_of(*choices: Any) -> Callable[[Scene], Any]:
    return lambda scene: scene.rng.choice(choices)


def _path(scene: Scene) -> Value:
    name = scene.rng.choice(["net", "net", "other.safetensors", "x.onnx", "no/net", ".", "log.csv"])
    return Value(f"folder/{name}", scene.folder / name)


_FLAG = _one_of(True, False)
_SHARE = _one_of(0.0, 0.1, 0.5, 1.0)
_FITTING: dict[str, Callable[[Scene], Any]] = {
    "sizes": lambda scene: list(scene.sizes),
    "X": _x, "x": _x, "y": Scene.y, "t": Scene.y, "a": Scene.y,
    "sample_weight": lambda scene: array(scene.rng, 4, None),
    "weights": _list(Scene.weights), "pairs": _list(_pairs), "initializer": _rule(sb.initializers),
    "state": _state, "activation": _activation, "output": _activation, "loss": _rule(sb.losses),
    "optimizer": _optimizer, "dtype": _one_of("float32", "float64"),
    "seed": _one_of(0, 1, 2**64 - 1), "random_state": _one_of(0, 1, None),
    "l1": _SHARE, "l2": _SHARE, "clip_norm": _SHARE, "max_norm": _SHARE, "dropout": _SHARE,
    "norm": _one_of("batch", "layer", None, ["batch"]), "input_scale": _one_of(1.0, 1 / 255),
    "copy": _one_of(True, False, None), "method": _one_of("matrices", "vectors", "loops"),
    "training": _FLAG, "accumulate": _FLAG, "stratify": _FLAG,
    "shuffle": _one_of(True, False, "even"),
    "batch_size": _one_of(1, 2, 3, 4, 100), "validation_data": _pair, "validation_split": _SHARE,
    "class_weight": _one_of("balanced", {0: 2.0}, {1: 0.0}), "callbacks": _callbacks,
    "metrics": _one_of(["mae"], ["accuracy"], ["auc"], ["f1"], ["top_2"], [len]),
    "steps_per_epoch": _one_of(1, 2), "of": _one_of("z", "a"), "wrt": _one_of("z", "a"),
    "layer": _one_of(0, 1, 2, -1), "m": _one_of(0, 1, 2, -1), "per_layer": _FLAG,
    "v": lambda scene: array(scene.rng, sum(
        (a + 1) * b for a, b in itertools.pairwise(scene.sizes)), None),
    "per_example": _FLAG, "path": _path, "generator": _FLAG, "logits": _FLAG,
    "show": _one_of("weights", "gradients"), "example": _one_of(0, 1),
    "symbols": _one_of("deck1", "deck2"), "lr": _one_of(0.0, 0.1, 1e30), "net": lambda scene:
    Value("net", scene.net), "name": _one_of("relu", "adam", "mse", "zeros"),
}  # fmt: skip
