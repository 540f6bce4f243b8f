"""Rules, layers and optimizers as objects: equal, listed by `dir`, refusing what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused


def test_a_rule_tells_of_itself_and_does_not_change() -> None:
    rule = sb.activation("leaky_relu", slope=0.25)
    assert "slope" in rule.formula
    assert "slope" in dir(rule)
    assert rule != "leaky_relu"

    def change() -> None:
        rule.slope = 0.5

    refused(change, AttributeError, "slope=0.25.*does not change: make another one")


def test_what_acts_on_rows_needs_rows() -> None:
    softmax = sb.activation("softmax")
    refused(lambda: softmax(1.0), ValueError, "softmax acts on rows: z has no axis")
    refused(lambda: softmax.derivative([1.0, 2.0]), ValueError, "the matrix")


def test_layers_of_one_network_and_number_are_equal() -> None:
    net, other = (sb.Network([2, 3, 1], seed=0) for _ in range(2))
    assert net.layer(1) == net.layers[0]
    assert len({net.layer(1), net.layers[0], net.layers[1], other.layer(1)}) == 3
    assert net.layer(1) != 1
    assert repr(net.layer(0)) == "Layer(m=0, 2 inputs)"


def test_gradients_of_a_normalisation_can_be_set() -> None:
    net = sb.Network([2, 3, 1], norm="layer", seed=0)
    net.forward(np.eye(2))
    net.backward([1.0, 0.0])
    layer = net.layer(1)
    layer.grad_gamma, layer.grad_beta = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    np.testing.assert_array_equal(layer.grad_gamma, [1, 2, 3])
    np.testing.assert_array_equal(layer.grad_beta, [4, 5, 6])


def test_snapshots_cannot_be_set() -> None:
    layer = sb.Network([2, 3, 1], seed=0).layer(1)
    for name in ("z", "grad_z", "u", "mask"):
        refused(lambda name=name: setattr(layer, name, 1.0), AttributeError, f"{name} .*read-only")
    assert sb.Layer.z.__doc__ is not None


def test_an_optimizer_of_a_network_is_its_settings() -> None:
    one, other = (sb.Network([2, 1], optimizer=sb.Adam(0.1), seed=0) for _ in range(2))
    assert one.optimizer == other.optimizer
    assert sb.Network([2, 1], optimizer=one.optimizer, seed=0).optimizer == sb.Adam(0.1)
    assert {"lr", "beta_1", "state"} <= set(dir(one.optimizer))
    one.optimizer.lr = 0.2
    assert one.optimizer != other.optimizer


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sb.SGD(0.1, lr=0.2), r"SGD\(\) got multiple values for argument 'lr'"),
        (lambda: sb.SGD(0.1, 0.2), r"SGD\(\) takes 1 positional arguments \(lr\) but 2"),
        (lambda: sb.Optimizer(), "base class of the optimizers; make one of .*Adam"),
    ],
)
def test_wrong_calls_of_optimizers(call: object, words: str) -> None:
    refused(call, TypeError, words)  # type: ignore[arg-type]


def test_grading_needs_rows() -> None:
    net, X, y = sb.Network([2, 1], seed=0), np.zeros((0, 2)), np.zeros((0, 1))
    refused(lambda: sb.lab.grade({}, net, X, y), ValueError, "X has no rows")
