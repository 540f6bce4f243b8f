"""The engine's gradients against central differences of its own cost, in float64.

Every activation, hidden and on the output, with every loss, for one and three outputs
and one and seven rows. Outputs lie inside the loss' domain and everything lies away from
the kinks: the points are drawn again until it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from helpers import quiet_network, reference_of, relative_difference, targets, usual_output
from reference import ACTIVATIONS, LOSSES

SIZES = [(outputs, rows) for outputs in (1, 3) for rows in (1, 7)]
STEP = 5e-4
MARGIN = 0.02  # how far from a kink; more than the differences move anything


def place(net: Any, names: list[str], rows: int, rng: np.random.Generator) -> np.ndarray:
    """Draw parameters and X such that z keeps away from kinks and a(L) is in the domain."""
    first, last = net.layers
    kinks = reference.activation(names[0]).kinks
    for _ in range(1000):
        X = rng.normal(size=(rows, first.W.shape[1]))
        first.W = rng.normal(size=first.W.shape) * 0.6
        first.b = rng.normal(size=first.b.shape) * 0.4
        z = X @ first.W.T + first.b
        if all(np.min(np.abs(z - kink)) > MARGIN for kink in kinks):
            break
    else:
        raise AssertionError("no point away from the kinks was found")
    low, high = reference.activation(names[1]).inside
    W = rng.normal(size=last.W.shape)
    spread = np.abs(reference.activation(names[0]).value(z)) @ np.abs(W).T
    last.W = W * (0.4 * (high - low) / np.max(spread))
    last.b = (low + high) / 2 + rng.uniform(-0.1, 0.1, last.b.shape) * (high - low)
    return X


def targets_away_from_kinks(
    loss: str, a: np.ndarray, rng: np.random.Generator, **parameters: float
) -> np.ndarray:
    """Targets in the domain whose residuals are not at a kink of the loss."""
    rule = reference.loss(loss, **parameters)
    if not rule.kinks:
        return targets(loss, *a.shape, rng)
    # Some closer than the kinks and some further away, where there is both.
    near, far = min(rule.kinks), max(rule.kinks)
    inside, outside = (
        rng.uniform(0.2, 0.8, a.shape) * near,
        far + rng.uniform(0.1, 1.0, a.shape),
    )
    size = np.where((near > 0) & (rng.random(a.shape) < 0.5), inside, outside)
    return np.asarray(a + rng.choice([-1.0, 1.0], a.shape) * size)


def differences(cost: Callable[[], float], array: np.ndarray) -> np.ndarray:
    """∂cost/∂array by central differences of fourth order."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        x = array[index]
        near, far = [], []
        for sign in (1, -1):
            array[index] = x + sign * STEP
            near.append(cost())
            array[index] = x + sign * 2 * STEP
            far.append(cost())
        array[index] = x
        gradient[index] = (8 * (near[0] - near[1]) - (far[0] - far[1])) / (12 * STEP)
    return gradient


def check(net: Any, X: np.ndarray, t: np.ndarray, weights: np.ndarray | None) -> None:
    """Every parameter's gradient and grad_a(0) against differences of backward's cost."""

    def cost() -> float:
        net.forward(X)
        return float(net.backward(t, sample_weight=weights))

    cost()
    analytic = net.unflatten(net.gradients.copy())
    grad_X = net.layer(0).grad_a.copy()
    numeric = net.unflatten(differences(cost, net.parameters))
    for m, (pair, wanted) in enumerate(zip(analytic, numeric, strict=True), start=1):
        for name, g, n in zip(("grad_W", "grad_b"), pair, wanted, strict=True):
            error = relative_difference(g, n)
            assert error <= 1e-7, f"{name}({m}): {error:.1e}\n{g}\n{n}"
    error = relative_difference(grad_X, differences(cost, X))
    assert error <= 1e-7, f"grad_a(0): {error:.1e}"


def case(hidden: str, output: str, loss: str, outputs: int, rows: int) -> tuple[Any, ...]:
    """A network of three inputs and four hidden units, X, t, the weights of seven rows, and what
    drew them; all away from kinks and inside the domain."""
    rng = np.random.default_rng([outputs, rows, list(LOSSES).index(loss)])
    net = quiet_network(
        [3, 4, outputs], activation=hidden, output=output, loss=loss, dtype="float64", seed=1
    )
    X = place(net, [hidden, output], rows, rng)
    a = reference_of(net, [hidden, output], loss).forward(X)
    t = targets_away_from_kinks(loss, a, rng)
    return net, X, t, rng.uniform(0.2, 2.0, rows) if rows > 1 else None, rng


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_activation(activation: str, loss: str) -> None:
    for outputs, rows in SIZES:
        check(*case(activation, usual_output(loss, outputs), loss, outputs, rows)[:4])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_output_activation(activation: str, loss: str) -> None:
    for outputs, rows in SIZES:
        if activation == "softmax" and outputs == 1:
            continue  # refused: test_errors.py
        check(*case("tanh", activation, loss, outputs, rows)[:4])


def test_rules_with_parameters(rng: np.random.Generator) -> None:
    import swiftbackprop as sb

    names = ["leaky_relu", "elu"]
    net = quiet_network(
        [3, 4, 3],
        activation=sb.activation("leaky_relu", slope=0.2),
        output=sb.activation("elu", alpha=0.7),
        loss=sb.loss("huber", delta=0.4),
        dtype="float64",
        seed=1,
    )
    X = place(net, names, 7, rng)
    net.layers[1].b = net.layers[1].b - 0.9  # elu's other side: z between −0.7 and −0.1
    a = net.forward(X)
    assert np.all(a < 0)
    t = targets_away_from_kinks("huber", a, rng, delta=0.4)
    check(net, X, t, None)


def test_a_deep_network_with_an_activation_per_layer(rng: np.random.Generator) -> None:
    net = quiet_network(
        [3, 5, 4, 6, 2],
        activation=["silu", "softmax", "tanh"],
        output="softplus",
        loss="squared_error",
        dtype="float64",
        seed=3,
    )
    net.parameters[:] = rng.normal(size=net.n_parameters) * 0.7
    check(net, rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), None)
