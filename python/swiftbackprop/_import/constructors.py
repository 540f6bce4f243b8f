"""Networks made from the models of other libraries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._import.sklearn_models import holder
from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.checks import got
from swiftbackprop._net.names import translated
from swiftbackprop._net.normalization import Norm
from swiftbackprop._net.rules import Activation, as_rule
from swiftbackprop._net.spec import ActivationLike, LossLike
from swiftbackprop.network import Network

if TYPE_CHECKING:
    import torch


def from_torch(
    module: torch.nn.Module,
    output: ActivationLike | None = None,
    loss: LossLike | None = None,
) -> Network:
    """Make a network from a chain of Linears, activations, norms and Dropouts of PyTorch.

    Parameters
    ----------
    module : torch.nn.Sequential or torch.nn.Linear
        In float32 or float64, on the CPU. Sequentials in it are opened, Identity and Flatten()
        are left out: the network takes rows, ``X.reshape(len(X), -1)``.
        A BatchNorm1d or LayerNorm stands before or behind an activation, a Dropout behind
        both; they become the norm and the dropout of that layer.
    output : str or Activation, optional
        The activation of layer L where the module ends in a Linear, as it does before
        CrossEntropyLoss. By default the one that `loss` picks, and identity without a loss.
    loss : str or Loss, optional
        As for `Network`.

    Returns
    -------
    Network
        With copies of the weights; b is 0 where a Linear has no bias, gamma 1 and beta 0
        where a norm has none. With the default
        output its `predict` gives what the module gives in evaluation. A Linear whose
        parameters do not require grad is a layer that is not trainable.

    Raises
    ------
    ValueError
        If the module holds what a network here does not have, such as a convolution.
    TypeError
        If it is not a module of PyTorch.

    See Also
    --------
    Network.to_torch : The way back.

    Examples
    --------
    ::

        logits = torch.nn.Sequential(
            torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
        net = sb.from_torch(logits, output="softmax")
    """
    from swiftbackprop._import import torch

    parts = torch.read(module)
    last = parts[-1].rule
    if last is not None and output is not None and as_rule(Activation, output, "output") != last:
        raise ValueError(f"output is {output!r}, but the module ends in {last!r}: leave output out")
    if last is None and output is None and loss is None:
        last = Activation("identity")
    hidden = [part.rule or Activation("identity") for part in parts[:-1]]
    norms = [part.norm for part in parts]
    net = _network([part.pair for part in parts], hidden, last or output, loss, norms)
    if parts[-1].dropout and last is None and net.layers[-1].activation.name != "identity":
        raise ValueError(
            "the module ends in a Dropout, which would stand before the output's activation here: "
            "take it out"
        )
    for layer, part in zip(net.layers, parts, strict=True):
        layer.dropout, layer.trainable = part.dropout, part.trainable
        for name, vector in part.vectors.items():
            setattr(layer, name, vector)
    return net


def from_sklearn(mlp: Any) -> Network:
    """Make a network from a fitted MLPClassifier or MLPRegressor of scikit-learn.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        Anything with ``coefs_``, ``intercepts_``, ``activation`` and ``out_activation_``.

    Returns
    -------
    Network
        With copies of the weights, and the loss that is the partner of the output. Its
        `predict` gives what ``predict_proba`` gives, or a regressor's ``predict``; for two
        classes the probability of the second.

    Raises
    ------
    ValueError
        If the model is not fitted, or has an activation that is not known here.
    TypeError
        If it is not such a model; of a pipeline, a search or an ensemble the message says where
        in it one is.

    Notes
    -----
    Labels of text become `Network.classes_`. Other classes are their places in
    ``mlp.classes_``: ``mlp.classes_[net.predict_classes(X)]``. The penalty alpha is not taken
    over. Of a pipeline pass the last step, ``pipeline[-1]``; the network then takes what the
    steps before it make of X.

    See Also
    --------
    Network.to_sklearn : The way back.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> from types import SimpleNamespace
    >>> mlp = SimpleNamespace(coefs_=[np.array([[2.0], [1.0]])], intercepts_=[np.array([3.0])],
    ...                       activation="relu", out_activation_="identity")
    >>> sb.from_sklearn(mlp).predict(np.array([[1.0, 1.0]]))
    array([[6.]])
    """
    if not hasattr(mlp, "coefs_"):
        kind = type(mlp).__name__
        if hasattr(mlp, "fit") and hasattr(mlp, "hidden_layer_sizes"):
            raise ValueError(f"this {kind} is not fitted: call its fit first")
        advice = holder(mlp)
        raise TypeError(
            f"mlp: expected an MLPClassifier or MLPRegressor, got {kind}"
            + (f": {advice}" if advice else "")
        )
    pairs = _pairs(mlp)
    names = mlp.activation
    if isinstance(names, str):
        names = [names] * (len(pairs) - 1)
    elif not isinstance(names, Iterable):
        raise TypeError(f"activation must be a name, or one for each hidden layer, got {names!r}")
    hidden = [_known(name) for name in names]
    net = _network(pairs, hidden, _known(mlp.out_activation_), None)
    labels = getattr(mlp, "classes_", None)
    if isinstance(labels, np.ndarray) and all(isinstance(label, str) for label in labels):
        net.classes_ = labels
    return net


def _pairs(mlp: Any) -> list[tuple[FloatArray, FloatArray]]:
    """Return W and b of every layer of a model of scikit-learn."""
    lists = []
    for name in ("coefs_", "intercepts_"):
        arrays = getattr(mlp, name, None)
        if not isinstance(arrays, list | tuple) or not arrays:
            raise TypeError(
                f"{name} must be a list of arrays, one for each layer, got {got(arrays)}"
            )
        lists.append([as_data(array, f"{name}[{place}]") for place, array in enumerate(arrays)])
    coefs, intercepts = lists
    if len(coefs) != len(intercepts):
        raise ValueError(
            f"expected one array for each layer in coefs_ and in intercepts_, got {len(coefs)} and "
            f"{len(intercepts)}"
        )
    for place, W in enumerate(coefs):
        if W.ndim != 2:
            raise ValueError(
                f"coefs_[{place}] has shape {W.shape}: expected W({place + 1})ᵀ, of shape "
                f"(D({place}), D({place + 1}))"
            )
    return [(W.T, b) for W, b in zip(coefs, intercepts, strict=True)]


def _known(rule: ActivationLike) -> Activation:
    """Return the activation that scikit-learn calls by this name."""
    name = translated("activation", rule) if isinstance(rule, str) else rule
    return as_rule(Activation, name, "activation")


def _network(
    pairs: Sequence[tuple[FloatArray, FloatArray]],
    hidden: Sequence[Activation],
    output: ActivationLike | None,
    loss: LossLike | None,
    norms: Sequence[Norm | None] | None = None,
) -> Network:
    """Return a network with these weights as its initial ones."""
    sizes = [pairs[0][0].shape[1], *(W.shape[0] for W, _ in pairs)]
    dtypes = {array.dtype for pair in pairs for array in pair}
    dtype = "float32" if dtypes == {np.dtype("float32")} else "float64"
    return Network(
        sizes,
        activation=list(hidden),
        output=output,
        loss=loss,
        dtype=dtype,
        initializer=pairs,
        norm=norms,
    )
