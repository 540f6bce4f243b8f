"""Random calls of what users call: networks, their layers, the functions of the package."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import swiftbackprop as sb
from trust.calls import Finding, call
from trust.scene import Scene
from trust.values import Random, anything

# Not called: what draws with matplotlib or imports PyTorch, for seconds, and what prints.
_LEFT_OUT = {
    "plot_weights", "plot_activations", "to_torch", "from_torch", "show_config", "LivePlot",
    "datasets", "lab", "metrics", "schedules",
}  # fmt: skip
_PUBLIC = [name for name in dir(sb.Network) if not name.startswith("_") and name not in _LEFT_OUT]
_METHODS = [name for name in _PUBLIC if callable(getattr(sb.Network, name))]
_PROPERTIES = [name for name in _PUBLIC if isinstance(getattr(sb.Network, name), property)]
_OF_LAYERS = [name for name in dir(sb.Layer) if not name.startswith("_")]
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (sb, sb.metrics, sb.schedules)
    for name in module.__all__
    if callable(getattr(module, name)) and name not in _LEFT_OUT
}
for _name in ("check_backward", "check_gradient", "decision_boundary", "step_b"):
    _FUNCTIONS[f"lab.{_name}"] = getattr(sb.lab, _name)
# These are refused before anything changes.
_WHOLE = {"set_weights", "load_state_dict", "forward", "predict", "evaluate", "save", "hvp"}


def case(rng: Random, log: Callable[[str], None], folder: Path) -> None:
    """Make a network and some ten calls on it."""
    scene = Scene(rng, log, folder)
    for _ in range(rng.randrange(4, 18)):
        rng.choice(_KINDS)(scene)
    _look_at(scene)


def _method(scene: Scene) -> None:
    name = scene.rng.choice(_METHODS)
    if name == "close" and scene.rng.random() < 0.8:
        name = "fit"
    before: Any = None if scene.net.closed else scene.net.parameters.copy()
    result = scene.call(getattr(scene.net, name), f"net.{name}")
    refused = isinstance(result, TypeError | ValueError | MemoryError)
    looks = before is not None and refused and name in _WHOLE and not scene.net.closed
    if looks and not np.array_equal(before, scene.net.parameters, equal_nan=True):
        raise Finding(f"net.{name} was refused, and the parameters have changed")
    if isinstance(result, sb.Network) and scene.rng.random() < 0.5:
        scene.net = result


def _function(scene: Scene) -> None:
    name = scene.rng.choice(list(_FUNCTIONS))
    result = scene.call(_FUNCTIONS[name], name)
    if isinstance(result, sb.Network):
        scene.sizes, scene.net = list(result.sizes), result
    elif scene.rng.random() < 0.3 and not isinstance(result, BaseException):
        call(repr, result)


def _property(scene: Scene) -> None:
    name = scene.rng.choice(_PROPERTIES)
    if scene.rng.random() < 0.5:
        scene.log(f"net.{name}")
        call(getattr, scene.net, name)
        return
    value = scene.argument(name)
    scene.log(f"net.{name} = {value.text}")
    call(setattr, scene.net, name, value.value)


def _layer(scene: Scene) -> None:
    m, name = scene.rng.randrange(len(scene.sizes)), scene.rng.choice(_OF_LAYERS)
    layer = call(scene.net.layer, m)
    value = scene.argument(name) if scene.rng.random() < 0.7 else scene.rng.choice(scene.weights())
    scene.log(f"net.layer({m}).{name}, then = {value.text}")
    call(getattr, layer, name)
    call(setattr, layer, name, value.value)


def _hyper(scene: Scene) -> None:
    optimizer = call(getattr, scene.net, "optimizer")
    name, value = scene.rng.choice(["lr", "momentum", "state", "x"]), anything(scene.rng)
    scene.log(f"net.optimizer.{name} = {value.text}; {name} again, its copy and text")
    call(setattr, optimizer, name, value.value)
    call(getattr, optimizer, name)
    call(copy.copy, optimizer)
    call(repr, optimizer)


def _general(scene: Scene) -> None:
    name = scene.rng.choice(list(_GENERAL))
    scene.log(f"{name}(net)")
    result = call(_GENERAL[name], scene.net)
    if isinstance(result, sb.Network) and scene.rng.random() < 0.5:
        scene.net = result


def _training(scene: Scene) -> None:
    """The three calls of a step, which suit each other."""
    for name in ("forward", "backward", "step"):
        scene.call(getattr(scene.net, name), f"net.{name}")


_GENERAL: dict[str, Callable[[Any], Any]] = {
    "repr": repr, "str": str, "dir": dir, "len": len, "iter": iter, "hash": hash,
    "copy.copy": copy.copy, "copy.deepcopy": copy.deepcopy,
    "pickled": lambda net: pickle.loads(pickle.dumps(net)),
    "html": lambda net: net._repr_html_(),
    "vars": vars, "memoryview": memoryview, "bool": bool, "int": int,
}  # fmt: skip
_KINDS = [_method] * 6 + [_training, _training, _function, _property, _layer, _hyper, _general]


def _look_at(scene: Scene) -> None:
    """Whatever was called, the network can be used, or says that it is closed."""
    net = scene.net
    if net._busy:
        raise Finding("the network is busy, and nobody fits")
    scene.log("a look at what is left")
    X = np.zeros((3, net.sizes[0]))
    found = call(net.predict, X)
    if isinstance(found, np.ndarray):
        if found.shape != (3, net.sizes[-1]):
            raise Finding(f"predict gives shape {found.shape}")
        # Large weights, and exp of what is large, may overflow.
        tame = abs(net.parameters).max() < 10
        tame &= all(layer.activation.name != "exp" for layer in net.layers)
        if tame and not np.isfinite(found).all():
            raise Finding("predict gives NaN or infinity")
    elif not net.closed and not isinstance(found, ArithmeticError):
        own = any(layer.activation.name not in sb.activations() for layer in net.layers)
        if not own and np.isfinite(net.parameters).all():
            raise Finding(f"predict fails: {type(found).__name__}: {found}")
