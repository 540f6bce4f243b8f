"""Networks from and to PyTorch."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import swiftbackprop as sb
from helpers import DTYPES, refused
from swiftbackprop._export.torch import _MAKERS
from test_other_libraries import CLOSE, assert_close, inputs, make
from torch_models import nn, run


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["identity", *_MAKERS])
def test_every_activation_goes_to_torch_and_back(name: str, dtype: str) -> None:
    net, X = make(name, dtype), inputs(dtype)
    module = net.to_torch()
    assert_close(run(module, X), net.predict(X), dtype)
    again = sb.from_torch(module)
    assert [layer.activation for layer in again.layers] == [la.activation for la in net.layers]
    np.testing.assert_array_equal(again.parameters, net.parameters)
    assert_close(again.predict(X), run(module, X), dtype)


def test_a_rule_that_is_new_has_no_module_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    net = sb.Network([4, 6, 3], activation="tanh", seed=0)
    monkeypatch.delitem(_MAKERS, "tanh")
    refused(net.to_torch, ValueError, "PyTorch has no module for tanh, the activation of layer 1")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("part", "name"),
    [
        (nn.Identity(), "identity"), (nn.Sigmoid(), "sigmoid"), (nn.Tanh(), "tanh"),
        (nn.ReLU(), "relu"), (nn.LeakyReLU(), "leaky_relu"), (nn.LeakyReLU(0.2), "leaky_relu"),
        (nn.ELU(), "elu"), (nn.ELU(0.5), "elu"), (nn.GELU(), "gelu"),
        (nn.GELU(approximate="tanh"), "gelu_tanh"), (nn.SiLU(), "silu"),
        (nn.Softplus(), "softplus"), (nn.Softmax(dim=1), "softmax"),
    ],
)  # fmt: skip
def test_every_module_of_torch_is_read(part: Any, name: str, dtype: str) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 6), part, nn.Linear(6, 3), part).to(getattr(torch, dtype))
    net, X = sb.from_torch(module, loss="squared_error"), inputs(dtype)
    assert [layer.activation.name for layer in net.layers] == [name, name]
    assert net.dtype == dtype
    assert_close(net.predict(X), run(module, X), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_flatten_is_left_out_for_examples_are_rows(dtype: str) -> None:
    """As every module for images begins; behind it there is nothing left to flatten."""
    torch.manual_seed(0)
    parts = nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3)
    module, images = nn.Sequential(*parts).to(getattr(torch, dtype)), np.ones((5, 2, 3), dtype)
    net = sb.from_torch(module)
    assert net.sizes == (6, 4, 3)
    assert_close(net.predict(images.reshape(5, -1)), run(module, images), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_numbers_go_through_softplus(dtype: str) -> None:
    net = sb.Network([1, 1], output="softplus", dtype=dtype, initializer=[([[1.0]], [0.0])])
    X = np.array([[-300.0], [-30.0], [0.0], [19.0], [21.0], [39.0], [41.0], [500.0]], dtype)
    np.testing.assert_allclose(run(net.to_torch(), X), net.predict(X), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_training_goes_the_same_way_on_both_sides(dtype: str) -> None:
    """Ten steps of Adam on the logits, with the loss that belongs to them."""
    net = sb.Network([5, 8, 3], loss="cross_entropy", dtype=dtype, seed=0)
    module = net.to_torch(logits=True)
    assert [type(part) for part in module] == [nn.Linear, nn.ReLU, nn.Linear]
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    X, y = inputs(dtype), np.arange(40) % 3
    for _ in range(10):
        net.forward(X)
        cost = net.backward(y)
        net.step()
        loss = nn.functional.cross_entropy(module(torch.from_numpy(X)), torch.from_numpy(y))
        assert abs(loss.item() - cost) < 10 * CLOSE[dtype]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert_close(module[2].weight.detach(), net.layers[1].W.copy(), dtype)


def test_the_last_linear_is_identity_unless_told() -> None:
    module = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
    X = inputs("float32")
    plain, told = sb.from_torch(module), sb.from_torch(module, output="softmax")
    assert (plain.layers[-1].activation.name, plain.loss.name) == ("identity", "squared_error")
    assert (told.layers[-1].activation.name, told.loss.name) == ("softmax", "cross_entropy")
    assert_close(told.predict(X), run(nn.Sequential(module, nn.Softmax(dim=1)), X), "float32")
    chosen = sb.from_torch(module, loss="binary_cross_entropy")
    assert chosen.layers[-1].activation.name == "sigmoid"
    both = sb.from_torch(module, output="identity", loss="huber")
    assert (both.layers[-1].activation.name, both.loss.name) == ("identity", "huber")


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_goes_both_ways(dtype: str) -> None:
    """Behind the activation of its layer, counted in the names of the state dict."""
    net = make("tanh", dtype, dropout=[0.25, 0.0, 0.5])
    module, X = net.to_torch(), inputs(dtype)
    kinds = [nn.Linear, nn.Tanh, nn.Dropout, nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Dropout]
    assert [type(part) for part in module] == kinds
    assert (module[2].p, module[7].p) == (0.25, 0.5)
    assert module.training
    assert_close(run(module.eval(), X), net.predict(X), dtype)
    assert list(net.state_dict()) == list(module.state_dict())
    assert set(net.state_dict()) == {
        f"{k}.{part}" for k in (0, 3, 5) for part in ("weight", "bias")
    }
    other = make("tanh", dtype, seed=9, dropout=[0.1, 0.0, 0.0])
    other.load_state_dict(module.state_dict())
    again = sb.from_torch(module)
    assert again.dropout == net.dropout == (0.25, 0.0, 0.5)
    for one in (other, again):
        np.testing.assert_array_equal(one.parameters, net.parameters)
    # z(L) lies before what stands behind the last Linear.
    assert type(net.to_torch(logits=True)[-1]) is nn.Linear


def test_a_network_from_torch_drops_as_the_module_does() -> None:
    """In training, a share p of the units of that layer, the others times 1/(1 - p)."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(5, 50), nn.Sigmoid(), nn.Dropout(0.25, inplace=True), nn.Linear(50, 3),
        nn.Dropout(0.5),
    )  # fmt: skip
    net, X = sb.from_torch(module), inputs("float32", 400)
    net.forward(X, training=True)
    for layer, p in zip(net.layers, (0.25, 0.5), strict=True):
        ours, mask = layer.a, np.asarray(layer.mask)
        assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / (1 - p))}
        theirs = module[: 3 if layer.m == 1 else 5](torch.from_numpy(X)).detach().numpy()
        for a in (ours, theirs):
            assert abs((a == 0).mean() - p) < 0.05
    assert_close(net.predict(X), run(module.eval(), X), "float32")


def test_dropout_before_an_output_that_is_chosen_here() -> None:
    module = nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.5))
    refused(lambda: sb.from_torch(module, output="softmax"), ValueError, "ends in a Dropout")
    refused(lambda: sb.from_torch(module, loss="cross_entropy"), ValueError, "ends in a Dropout")
    assert sb.from_torch(module, output="identity").dropout == (0.5,)


def test_frozen_layers_require_no_grad() -> None:
    net = make("relu", "float32")
    net.layers[0].trainable = net.layers[2].trainable = False
    module = net.to_torch()
    assert [p.requires_grad for p in module.parameters()] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    again = sb.from_torch(module)
    assert [layer.trainable for layer in again.layers] == [False, True, False]
    before = again.parameters.copy()
    again.fit(inputs("float32"), np.zeros((40, 3)), epochs=1, progress=False)
    changed = [bool((W != V).any()) for (W, _), (V, _) in zip(
        again.unflatten(again.parameters), again.unflatten(before), strict=True)]  # fmt: skip
    assert changed == [False, True, False]
    loose = nn.Linear(2, 2, bias=False).requires_grad_(False)
    assert not sb.from_torch(loose).layers[0].trainable


def test_integers_are_scaled_by_who_calls_the_module() -> None:
    net = make("tanh", "float32", input_scale=1 / 255)
    X = np.random.default_rng(0).integers(0, 256, (40, 5), dtype=np.uint8)
    module = net.to_torch()
    tensor = torch.from_numpy(X).float()
    assert_close((module(tensor * net.input_scale)).detach(), net.predict(X), "float32")
    assert_close(module(tensor).detach(), net.predict(X.astype(np.float32)), "float32")


@pytest.mark.parametrize("name", ["sine", "relu"])
def test_activations_of_ones_own_have_no_module(name: str) -> None:
    """Not even if they have the name of one."""
    sine = sb.CustomActivation(np.sin, np.cos, name=name)
    net = sb.Network([2, 3, 1], activation=["tanh"], output=sine, loss="squared_error", seed=0)
    refused(net.to_torch, NotImplementedError, f"{name} .layer 2.*state_dict")


def test_forms_of_a_module() -> None:
    torch.manual_seed(0)
    X = inputs("float64")
    inner = nn.Sequential(nn.Linear(5, 4, bias=False), nn.Identity(), nn.ReLU(), nn.Dropout(0.0))
    module = nn.Sequential(inner, nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 2))).double()
    net = sb.from_torch(module)
    assert [layer.activation.name for layer in net.layers] == ["relu", "identity", "identity"]
    assert_close(net.predict(X), run(module, X), "float64")
    lone = nn.Linear(5, 2).double()
    assert_close(sb.from_torch(lone).predict(X), run(lone, X), "float64")
    named = nn.Sequential()
    named.add_module("first", nn.Linear(5, 2))
    assert sb.from_torch(named).sizes == (5, 2)


def test_nothing_is_shared_and_no_random_number_is_drawn() -> None:
    net = make("tanh", "float32")
    state = torch.random.get_rng_state()
    module = net.to_torch()
    assert torch.equal(state, torch.random.get_rng_state())
    before = net.parameters.copy()
    with torch.no_grad():
        for parameter in module.parameters():
            assert parameter.requires_grad
            parameter.zero_()
    np.testing.assert_array_equal(net.parameters, before)
    again = sb.from_torch(module)
    again.parameters[...] = 1
    assert not any(parameter.any() for parameter in module.parameters())


def test_modules_can_be_pickled() -> None:
    module = make("exp", "float32").to_torch()
    again = pickle.loads(pickle.dumps(copy.deepcopy(module)))
    assert torch.equal(again(torch.ones(1, 5)), module(torch.ones(1, 5)))
