"""Normalised networks from and to PyTorch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import swiftbackprop as sb
from helpers import DTYPES, NORMS, refused
from test_other_libraries import CLOSE, assert_close, inputs, make, normalised, same_layers
from torch_models import assert_same_state, nn, run, tensors


def assert_as_exact(net: Any, module: Any, X: npt.NDArray[Any], dtype: str) -> None:
    """What a normalisation divides by may be small and rounding errors large, PyTorch's as well:
    from the result in double precision the network's is not further than PyTorch's."""
    ours, theirs = net.predict(X), run(module, X)
    exact = run(copy.deepcopy(module).double(), X.astype(float))
    error = float(abs(theirs - exact).max())
    atol = CLOSE[dtype] * max(1.0, float(abs(exact).max())) + error
    assert ours.dtype == theirs.dtype == dtype
    np.testing.assert_allclose(ours, exact, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(NORMS))
def test_normalised_layers_go_to_torch_and_back(name: str, dtype: str) -> None:
    net, X = normalised(name, dtype, dropout=[0.2, 0.0, 0.1]), inputs(dtype)
    module = net.to_torch()
    assert_as_exact(net, module.eval(), X, dtype)
    again = sb.from_torch(module)
    same_layers(net, again)
    assert again.dropout == net.dropout
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    # z(L), normalised if that stands before the activation.
    logits = net.to_torch(logits=True).eval()
    kind = {"output": nn.BatchNorm1d}.get(name, nn.Linear)
    assert type(logits[-1]) is kind
    rest = list(module)[len(logits) :]
    assert_as_exact(net, nn.Sequential(logits, *rest), X, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(NORMS))
def test_state_dicts_of_normalised_layers(name: str, dtype: str) -> None:
    net = normalised(name, dtype, dropout=[0.2, 0.0, 0.1])
    module, state = net.to_torch(), net.state_dict()
    wanted = module.state_dict()
    assert_same_state(state, module, dtype)
    fresh = make("tanh", dtype, norm=NORMS[name], seed=9, dropout=net.dropout)
    fresh.load_state_dict(wanted)
    same_layers(net, fresh)
    empty = fresh.to_torch()
    for parameter in empty.parameters():
        parameter.data.zero_()
    empty.load_state_dict(tensors(state))
    assert_as_exact(net, empty.eval(), inputs(dtype), dtype)
    # As in files of PyTorch before 0.4.1.
    fresh.load_state_dict({k: v for k, v in wanted.items() if "num_batches" not in k})


def test_state_dicts_of_norms_that_do_not_fit_change_nothing() -> None:
    net = make("relu", "float32", norm="batch")
    before, good = net.parameters.copy(), net.state_dict()
    zeros = {key: np.zeros_like(array) for key, array in good.items()}

    def says(change: Any, kind: type[Exception], *patterns: str) -> None:
        refused(lambda: net.load_state_dict({**zeros, **change}), kind, *patterns)
        np.testing.assert_array_equal(net.parameters, before)
        assert not net.layers[0].running_mean.any()
        assert (net.layers[0].running_var == 1).all()

    says({"1.running_var": -np.ones(7)}, ValueError, r"1\.running_var.*variance")
    says({"4.running_var": np.full(6, np.nan)}, ValueError, r"4\.running_var.*NaN")
    says(
        {"4.weight": np.ones(7)}, ValueError, r"4\.weight \(gamma of layer 2\).*\(6,\), got \(7,\)"
    )
    says({"1.num_batches_tracked": 0.5}, TypeError, r"1\.num_batches_tracked must be an int")
    says({"1.num_batches_tracked": -1}, ValueError, "must be an int >= 0, got -1")
    says({"6.num_batches_tracked": 1}, ValueError, "unknown name '6.num_batches_tracked'")
    missing = {k: v for k, v in zeros.items() if k != "1.running_mean"}
    refused(
        lambda: net.load_state_dict(missing),
        ValueError,
        "missing in the state dict: 1.running_mean",
    )
    layer = make("relu", "float32", norm="layer").state_dict()
    refused(
        lambda: net.load_state_dict(layer), ValueError, "missing in the state dict: 1.running_mean"
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(NORMS))
def test_training_with_norms_goes_the_same_way_on_both_sides(name: str, dtype: str) -> None:
    """From exchanged weights: parameters and running statistics after each of five steps."""
    net = make("tanh", dtype, norm=NORMS[name], optimizer=sb.Momentum(0.05))
    module = net.to_torch().train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    X = inputs(dtype)
    t = np.linspace(-1, 1, 120).reshape(40, 3).astype(dtype)
    for _ in range(5):
        net.forward(X, training=True)
        cost = net.backward(t)
        net.step()
        loss = ((module(torch.from_numpy(X)) - torch.from_numpy(t)) ** 2).sum(dim=1).mean() / 2
        assert abs(loss.item() - cost) < 10 * CLOSE[dtype]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ours, theirs = net.state_dict(), module.state_dict()
        for key, array in ours.items():
            np.testing.assert_allclose(array, theirs[key], rtol=0, atol=20 * CLOSE[dtype])
    a = run(module.eval(), X)
    np.testing.assert_allclose(net.predict(X), a, rtol=0, atol=20 * CLOSE[dtype])


def test_norms_without_parameters_get_them() -> None:
    module = nn.Sequential(
        nn.Linear(5, 6), nn.BatchNorm1d(6, affine=False), nn.ReLU(), nn.Linear(6, 4),
        nn.LayerNorm(4, elementwise_affine=False), nn.Tanh(), nn.Linear(4, 4),
        nn.LayerNorm(4, bias=False),
    )  # fmt: skip
    module(torch.from_numpy(inputs("float32")))  # moves the running statistics
    net = sb.from_torch(module)
    assert_close(net.predict(inputs("float32")), run(module.eval(), inputs("float32")), "float32")
    for layer in net.layers:
        assert (layer.gamma == 1).all()
        assert not layer.beta.any()
    assert net.layers[0].running_mean.any()


def test_frozen_normalised_layers() -> None:
    net = make("relu", "float32", norm="batch")
    net.layers[0].trainable = False
    module = net.to_torch()
    assert [p.requires_grad for p in module[:2].parameters()] == [False] * 4
    assert [p.requires_grad for p in module[3:].parameters()] == [True] * 6
    assert [layer.trainable for layer in sb.from_torch(module).layers] == [False, True, True]


def test_a_norm_before_an_output_that_is_chosen_here() -> None:
    module = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    net = sb.from_torch(module, output="softmax")
    assert net.norm == (sb.BatchNorm(),)
    whole = nn.Sequential(module, nn.Softmax(dim=1)).eval()
    assert_close(net.predict(inputs("float32")), run(whole, inputs("float32")), "float32")
