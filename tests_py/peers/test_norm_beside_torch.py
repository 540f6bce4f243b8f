"""Training of normalised networks beside PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import swiftbackprop as sb
from helpers import DTYPES, assert_matches
from normalised import NORMS, each_norm, made


def torch_twin(net: Any) -> Any:
    kinds = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
    modules = []
    for layer in net.layers:
        linear = torch.nn.Linear(*layer.sizes)
        linear.weight.data = torch.tensor(layer.W.copy())
        linear.bias.data = torch.tensor(layer.b.copy())
        steps = [kinds[layer.activation.name]()] if layer.activation.name in kinds else []
        if layer.norm is not None:
            size, eps = layer.sizes[1], layer.norm.eps
            norm: Any
            if layer.norm.name == "batch":
                norm = torch.nn.BatchNorm1d(size, eps=eps, momentum=layer.norm.momentum)
                norm.running_mean = torch.tensor(layer.running_mean.copy())
                norm.running_var = torch.tensor(layer.running_var.copy())
            else:
                norm = torch.nn.LayerNorm(size, eps=eps)
            norm.weight.data = torch.tensor(layer.gamma.copy())
            norm.bias.data = torch.tensor(layer.beta.copy())
            steps.insert(len(steps) if layer.norm.after else 0, norm)
        modules += [linear, *steps]
    return torch.nn.Sequential(*modules)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@each_norm
def test_training_beside_torch(name: str, dtype: str, threads: int) -> None:
    """Steps by hand, then epochs of fit; parameters, running statistics, predictions."""
    sb.set_num_threads(threads)
    sizes = [20, 64, 48, 6]
    net = made(NORMS[name], sizes, dtype=dtype, loss="cross_entropy", optimizer=sb.SGD(0.05))
    twin = torch_twin(net)
    optimizer = torch.optim.SGD(twin.parameters(), 0.05)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(384, 20)).astype(dtype), rng.integers(0, 6, 384)

    def torch_step(rows: slice) -> None:
        optimizer.zero_grad()
        outputs = twin(torch.tensor(X[rows]))
        torch.nn.functional.cross_entropy(outputs, torch.tensor(y[rows])).backward()
        optimizer.step()

    for _ in range(3):
        net.forward(X, training=True)
        net.backward(y)
        net.step()
        torch_step(slice(None))
    net.fit(X, y, epochs=2, batch_size=128, shuffle=False, progress=False)
    for _ in range(2):
        for first in range(0, 384, 128):
            torch_step(slice(first, first + 128))
    twin.eval()
    limit = 1e-10 if dtype == "float64" else 1e-5
    with torch.no_grad():
        wanted = torch.softmax(twin(torch.tensor(X)), 1).numpy()
    assert_matches(net.predict(X), wanted, limit, "predict")
    assert_matches(net.forward(X), wanted, limit, "forward")
    norms = [module for module in twin if hasattr(module, "eps")]
    layers = [layer for layer in net.layers if layer.norm is not None]
    for layer, module in zip(layers, norms, strict=True):
        assert_matches(layer.gamma, module.weight.detach().numpy(), limit, "gamma")
        assert_matches(layer.beta, module.bias.detach().numpy(), limit, "beta")
        if layer.norm.name == "batch":
            assert_matches(layer.running_mean, module.running_mean.numpy(), limit, "mean")
            assert_matches(layer.running_var, module.running_var.numpy(), limit, "var")
