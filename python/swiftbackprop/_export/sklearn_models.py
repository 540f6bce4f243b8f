"""Networks as scikit-learn's own MLPs.

scikit-learn is imported by the functions that make a model of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.custom import CustomActivation, CustomLoss
from swiftbackprop._net.optional import optional

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


# Ours -> scikit-learn's.
_HIDDEN = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
_LOSSES = {  # output, loss -> the loss there
    ("softmax", "cross_entropy"): "log_loss",
    ("sigmoid", "binary_cross_entropy"): "log_loss",
    ("identity", "squared_error"): "squared_error",
    ("exp", "poisson"): "poisson",
}


def mlp(net: NetworkBase, classes: Any = None, parameters: Mapping[str, Any] = {}) -> Any:
    """Return a fitted MLPClassifier or MLPRegressor; `Network.to_sklearn` documents it.

    `classes` of a classifier are 0, 1 and so on by default. Of `parameters`, those of an estimator
    of ours, the ones that scikit-learn's has too are taken over.
    """
    activation, loss = _activation(net, parameters.get("activation")), _loss(net)
    if net.input_scale != 1:
        raise ValueError(
            f"the network multiplies integers in X with input_scale = {net.input_scale:.6g}, and "
            "scikit-learn's MLP does not: set net.input_scale = 1 and pass X times that number"
        )
    theirs = optional(
        "sklearn.neural_network",
        "this needs scikit-learn, which is not installed: pip install scikit-learn",
    )
    made = theirs.MLPClassifier() if loss == "log_loss" else theirs.MLPRegressor()
    names = made.get_params()
    if loss == "poisson" and "loss" not in names:
        raise ValueError("the loss poisson is in scikit-learn 1.7 and newer")
    own = {"hidden_layer_sizes": net.sizes[1:-1], "activation": activation, "loss": loss}
    made.set_params(**{name: own[name] for name in names if name in own})
    _fit_on_nothing(made, net, classes)
    made.set_params(**{n: v for n, v in parameters.items() if n in names and n not in own})
    made.coefs_ = [layer.W.T.copy() for layer in net.layers]
    made.intercepts_ = [layer.b.copy() for layer in net.layers]
    if classes is not None and not _has_several_labels(net):
        _sort_classes(made, np.argsort(classes))
    if net.layers[-1].activation.name == "softmax" and net.sizes[-1] == 2:
        # scikit-learn has one output for two classes: softmax is the logistic of z₂ - z₁.
        W, b = made.coefs_[-1], made.intercepts_[-1]
        made.coefs_[-1], made.intercepts_[-1] = W[:, 1:] - W[:, :1], b[1:] - b[:1]
    return made


def _has_several_labels(net: NetworkBase) -> bool:
    return net.layers[-1].activation.name == "sigmoid" and net.sizes[-1] > 1


def _sort_classes(made: Any, order: npt.NDArray[np.intp]) -> None:
    """Bring the outputs into the order of scikit-learn's classes, which are sorted."""
    W, b = made.coefs_[-1], made.intercepts_[-1]
    if len(b) == len(order):
        made.coefs_[-1], made.intercepts_[-1] = W[:, order], b[order]
    elif order[0]:  # one output, the probability of the class that comes first there
        made.coefs_[-1], made.intercepts_[-1] = -W, -b


def _activation(net: NetworkBase, given: Any) -> str:
    """Return scikit-learn's name for the activation of all hidden layers, of none too."""
    for layer in net.layers:
        if layer.norm is not None:
            raise ValueError(
                f"layer {layer.m} is normalised ({layer.norm!r}), and scikit-learn's MLP has no "
                "normalisation: to_torch and to_onnx keep it"
            )
        if isinstance(layer.activation, CustomActivation):
            raise ValueError(
                f"layer {layer.m} has the activation {layer.activation.name}, a function of your "
                "own, which scikit-learn's MLP cannot hold"
            )
    hidden = [layer.activation for layer in net.layers[:-1]]
    for m, rule in enumerate(hidden, 1):
        if rule.name not in _HIDDEN:
            raise ValueError(
                f"layer {m} has the activation {rule.name}, and scikit-learn's MLP has "
                f"{', '.join(_HIDDEN)}: to_torch and to_onnx keep it"
            )
        if rule != hidden[0]:
            raise ValueError(
                "scikit-learn's MLP has one activation for all hidden layers, and here layer 1 "
                f"has {hidden[0].name} and layer {m} {rule.name}: to_torch and to_onnx keep both"
            )
    name = hidden[0].name if hidden else str(getattr(given, "name", given))
    return _HIDDEN.get(name, name if name in _HIDDEN.values() else "relu")


def _loss(net: NetworkBase) -> str:
    pair = net.layers[-1].activation.name, net.loss.name
    if pair not in _LOSSES or isinstance(net.loss, CustomLoss):
        known = ", ".join(f"{output} with {loss}" for output, loss in _LOSSES)
        raise ValueError(
            f"the output is {pair[0]} with the loss {pair[1]}, and scikit-learn's MLP has {known}"
        )
    return _LOSSES[pair]


def _fit_on_nothing(made: Any, net: NetworkBase, classes: Any) -> None:
    """Let a model set whatever a fitted one has; then take back what it has learnt."""
    from sklearn.base import is_classifier

    outputs, state = net.sizes[-1], made.random_state
    y: Any
    more: dict[str, Any] = {}
    if not is_classifier(made):
        y = np.zeros(2) if outputs == 1 else np.zeros((2, outputs))
    elif _has_several_labels(net):
        y, more = np.eye(outputs, dtype=int), {"classes": np.arange(outputs)}
    else:
        y = np.arange(max(2, outputs)) if classes is None else np.asarray(classes)
        more = {"classes": y}
    made.random_state = 0  # or it would draw from NumPy's random numbers
    made.partial_fit(np.zeros((len(y), net.sizes[0]), net.dtype), y, **more)
    made.random_state = state
    del made._optimizer  # the next partial_fit begins one
    made.n_iter_ = made.t_ = 0
    made.loss_curve_, made.loss_, made.best_loss_ = [], np.inf, np.inf
