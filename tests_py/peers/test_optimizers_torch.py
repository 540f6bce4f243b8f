"""Ten training steps beside PyTorch's own: cost, gradients and every optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import autodiff
import swiftbackprop as sb
from helpers import OPTIMIZERS, assert_matches, quiet_network
from torch_optimizers import TORCH_OPTIMIZERS


def torch_twin(net: Any, hidden: Any) -> Any:
    """A torch module with the parameters of `net`, two Linear layers, logits out."""
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 6, dtype=torch.float64), hidden, torch.nn.Linear(6, 3).double()
    )
    with torch.no_grad():
        for layer, linear in zip(net.layers, (module[0], module[2]), strict=True):
            linear.weight.copy_(torch.tensor(layer.W.copy()))
            linear.bias.copy_(torch.tensor(layer.b.copy()))
    return module


@pytest.mark.parametrize("name", TORCH_OPTIMIZERS)
def test_ten_steps_beside_torch(name: str, rng: np.random.Generator) -> None:
    net = quiet_network(
        [4, 6, 3],
        activation="gelu",
        output="softmax",
        loss="cross_entropy",
        optimizer=getattr(sb, name)(**OPTIMIZERS[name]),
        dtype="float64",
        seed=1,
    )
    module = torch_twin(net, torch.nn.GELU())
    theirs = TORCH_OPTIMIZERS[name](list(module.parameters()), OPTIMIZERS[name])
    X, y = rng.normal(size=(20, 4)), rng.integers(0, 3, 20)
    for _ in range(10):
        net.forward(X)
        cost = net.backward(y)
        theirs.zero_grad()
        theirs_cost = torch.nn.functional.cross_entropy(module(torch.tensor(X)), torch.tensor(y))
        theirs_cost.backward()
        assert cost == pytest.approx(theirs_cost.item(), rel=1e-10)
        linears = (module[0], module[2])
        for layer, linear in zip(net.layers, linears, strict=True):
            assert_matches(layer.grad_W, linear.weight.grad.numpy(), 1e-10, "grad_W")
            assert_matches(layer.grad_b, linear.bias.grad.numpy(), 1e-10, "grad_b")
        net.step()
        theirs.step()
        for layer, linear in zip(net.layers, linears, strict=True):
            assert_matches(layer.W, linear.weight.detach().numpy(), 1e-10, f"{name} W")
            assert_matches(layer.b, linear.bias.detach().numpy(), 1e-10, f"{name} b")


PEER = autodiff.PEERS["torch"]()


@pytest.mark.parametrize("name", PEER.activations)
def test_activation_gradients_beside_torch(name: str, rng: np.random.Generator) -> None:
    net = quiet_network(
        [3, 5, 4],
        activation=name,
        output=name,
        loss="squared_error",
        dtype="float64",
        seed=4,
    )
    net.parameters[:] = rng.normal(size=net.n_parameters)
    X, t = rng.normal(size=(9, 3)), rng.normal(size=(9, 4))
    weights = [torch.tensor(layer.W.copy(), requires_grad=True) for layer in net.layers]
    biases = [torch.tensor(layer.b.copy(), requires_grad=True) for layer in net.layers]
    a = torch.tensor(X)
    for W, b in zip(weights, biases, strict=True):
        a = PEER.activations[name](a @ W.T + b)
    cost = ((a - torch.tensor(t)) ** 2 / 2).sum(dim=1).mean()
    cost.backward()
    assert_matches(net.forward(X), a.detach().numpy(), 1e-10, name)
    assert net.backward(t) == pytest.approx(cost.item(), rel=1e-10)
    for layer, W, b in zip(net.layers, weights, biases, strict=True):
        assert_matches(layer.grad_W, W.grad.numpy(), 1e-10, f"{name} grad_W")
        assert_matches(layer.grad_b, b.grad.numpy(), 1e-10, f"{name} grad_b")
