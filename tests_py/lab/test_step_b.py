"""sb.lab.step_b: the second deck's step (b) in its layout, beside grad_W."""

from __future__ import annotations

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, quiet_network, refused


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_deck_matrix_is_the_transpose_of_grad_W(outputs: int, rows: int) -> None:
    net = quiet_network(
        [3, 5, 4, outputs], activation=["tanh", "gelu"], output="sigmoid", loss="squared_error",
        dtype="float64", seed=0,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(rows, 3)), rng.normal(size=(rows, outputs))
    net.forward(X)
    net.backward(t)
    gradients = net.gradients.copy()
    for m in (1, 2, 3):
        step = sb.lab.step_b(net, X, t, m)
        inputs, units = net.sizes[m - 1 : m + 1]
        assert step.deck.shape == (inputs, units)
        assert step.grad_W.shape == net.layers[m - 1].W.shape == (units, inputs)
        np.testing.assert_array_equal(step.grad_W, net.layers[m - 1].grad_W)
        np.testing.assert_array_equal(step.x, net.layer(m - 1).a)
        np.testing.assert_array_equal(step.dpi, net.jacobian(X, layer=m))
        assert_matches(step.deck, net.layers[m - 1].grad_W.T, 1e-12)
        assert step.difference < 1e-12
        # Element by element, as the deck begins: ∂L/∂π(M) · x_i · ∂π(M)/∂π_j, added up.
        wanted = np.zeros((inputs, units))
        for n in range(rows):
            for k in range(outputs):
                for i in range(inputs):
                    for j in range(units):
                        wanted[i, j] += step.dL[n, k] * step.x[n, i] * step.dpi[n, k, j]
        assert_matches(step.deck, wanted, 1e-12)
        parts = sum(step.dL[n, k] * step.outer(n, k) for n in range(rows) for k in range(outputs))
        assert_matches(parts, step.deck, 1e-12)
    np.testing.assert_array_equal(net.gradients, gradients)
    net.backward(t)  # the network's own pass is still there


def test_what_it_says() -> None:
    net = quiet_network([2, 3, 2], loss="squared_error", activation="tanh", seed=0)
    X, t = np.ones((4, 2)), np.zeros((4, 2))
    said = str(sb.lab.step_b(net, X, t, 1))
    assert "π(2) is 2 outputs: ∂L/∂π(2) is a row vector" in said
    assert "x(0) · (∂L/∂π(2) · ∂π(2)/∂π(1)), the sum over 4 examples" in said
    assert "inputs × outputs, (2, 3):" in said
    assert "outputs × inputs as W(1), (3, 2):" in said
    assert "The deck's matrix is grad_W(1).T" in said
    scalar = quiet_network([2, 3, 1], activation="tanh", seed=0)
    said = repr(sb.lab.step_b(scalar, X[:1], t[:1, :1], 2))
    assert "∂L/∂π(2) · x(1) · (∂π(2)/∂π(2))ᵀ\n" in said


def test_wrong_arguments() -> None:
    net = quiet_network([2, 3, 2], loss="squared_error", seed=0)
    X, t = np.ones((4, 2)), np.zeros((4, 2))
    refused(lambda: sb.lab.step_b(net, X, t, 0), ValueError, "layer must be .*, got 0")
    refused(lambda: sb.lab.step_b(net, X, t, 3), ValueError, "layer must be .*, got 3")
    refused(lambda: sb.lab.step_b("net", X, t, 1), TypeError, "net must be a Network, got 'net'")
    refused(lambda: sb.lab.decision_boundary(3, X, t), TypeError, "net must be a Network, got 3")
    refused(lambda: sb.lab.step_b(net, X, t, 1.5), TypeError, "layer must be an int")
    refused(lambda: sb.lab.step_b(net, X.T, t, 1), ValueError, "X: layer 1 expected")
    refused(lambda: sb.lab.step_b(net, X, t[:3], 1), ValueError, "y: layer L expected")
