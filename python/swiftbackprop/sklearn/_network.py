"""The network behind an estimator: made from scikit-learn's parameters, kept as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from swiftbackprop._net.optimizers import Optimizer, as_optimizer, optimizer
from swiftbackprop._net.rules import Activation
from swiftbackprop._net.spec import as_dtype
from swiftbackprop._net.state import OptimizerState, options, set_options
from swiftbackprop.network import Network

# scikit-learn's names for what has another one here.
_ACTIVATIONS = {"logistic": "sigmoid"}
OUTPUTS = {"sigmoid": "logistic"}
# Options of a network that no parameter of an estimator says.
_OWN_OPTIONS = ("trainable", "max_norm", "input_scale")


def as_hidden_layers(sizes: Any) -> tuple[int, ...]:
    """Return the widths of the hidden layers; a number is a single one."""
    given = sizes.tolist() if isinstance(sizes, np.ndarray) else sizes
    is_sequence = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    widths = tuple(given) if is_sequence else (given,)
    if any(not isinstance(n, Integral) or isinstance(n, bool) for n in widths):
        raise ValueError(f"hidden_layer_sizes must be an int or a sequence of ints, got {sizes!r}")
    if any(width <= 0 for width in widths):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {list(widths)}.")
    return tuple(int(width) for width in widths)


def as_activations(given: Any, layers: int) -> tuple[Activation, ...]:
    """Return the activations of the hidden layers: one for all, or a list."""
    if isinstance(given, str | Activation):
        return (_as_activation(given, "activation"),) * layers
    if not isinstance(given, Sequence):
        raise TypeError(
            "activation must be a name, an Activation or a list with one for each hidden layer, "
            f"got {given!r}"
        )
    rules = tuple(_as_activation(rule, f"activation[{i}]") for i, rule in enumerate(given))
    if len(rules) != layers:
        raise ValueError(
            f"activation: expected {layers}, one for each hidden layer, got {len(rules)}"
        )
    return rules


def _as_activation(given: Any, where: str) -> Activation:
    """Return an activation by the engine's name or by scikit-learn's."""
    if isinstance(given, Activation):
        return given
    if not isinstance(given, str):
        raise TypeError(f"{where} must be a name or an Activation, got {given!r}")
    return Activation(_ACTIVATIONS.get(given, given))


def make_optimizer(given: Any) -> Optimizer:
    """Return the optimizer that an estimator's parameters describe."""
    if given.optimizer is not None:
        return as_optimizer(given.optimizer)
    lr = float(given.learning_rate_init)
    if given.solver == "adam":
        return optimizer(
            "adam_hat", lr=lr, beta_1=given.beta_1, beta_2=given.beta_2, epsilon=given.epsilon
        )
    if given.solver == "lbfgs" or given.momentum == 0:
        return optimizer("sgd", lr=lr)
    name = "nesterov" if given.nesterovs_momentum else "momentum"
    return optimizer(name, lr=lr, momentum=given.momentum)


def draw_weights(net: Network, random: np.random.RandomState, activation: Any) -> None:
    """Draw W and b as scikit-learn does: the same state gives the same numbers.

    `activation` is the estimator's, by which an output layer goes that has no hidden one.

    Notes
    -----
    Uniform in ±√(6 / (D(m-1) + D(m))), Glorot and Bengio, "Understanding the difficulty of
    training deep feedforward neural networks", 2010; with 2 for 6 at sigmoids. The output
    layer goes by the last hidden layer's activation.
    """
    rules = [layer.activation for layer in net.layers[:-1]]
    alone = activation if isinstance(activation, str | Activation) else "identity"
    rules.append(rules[-1] if rules else _as_activation(alone, "activation"))
    for layer, rule in zip(net.layers, rules, strict=True):
        fan_in, fan_out = layer.sizes
        bound = np.sqrt((2.0 if rule.name == "sigmoid" else 6.0) / (fan_in + fan_out))
        layer.W = random.uniform(-bound, bound, (fan_in, fan_out)).T
        layer.b = random.uniform(-bound, bound, fan_out)


def change_rate(net: Network, rate: float) -> None:
    """Set lr as if it stood inside the velocities: v ← μv − lr·g, as in scikit-learn.

    The engine's v is that divided by −lr.
    """
    old = net.optimizer.lr
    net.optimizer.lr = rate
    if rate > 0 and net.optimizer.name in ("momentum", "nesterov"):
        net.optimizer.state[0][...] *= old / rate


def adopt(net: Network, old: Network, *, state: bool) -> None:
    """Go on from another network: its weights, generator and own options, and its `state`."""
    net.parameters[...] = old.parameters
    net._set_generator(old._generator())
    own = {name: value for name, value in options(old).items() if name.startswith(_OWN_OPTIONS)}
    set_options(net, options(net) | own)
    net.l1, net.clip_norm = old.l1, old.clip_norm
    if state and net.optimizer.name == old.optimizer.name:
        OptimizerState.of(old).write(net)


def dtype_of(given: Any, X: Any) -> np.dtype[Any]:
    """Return the network's dtype: the one asked for, or float32 for float32, else float64."""
    if given is not None:
        return as_dtype(given)
    return np.dtype("float32" if X.dtype == np.float32 else "float64")
