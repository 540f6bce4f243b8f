"""Networks from and to PyTorch, Keras' lists and scikit-learn's MLP; tensors as arrays."""

from __future__ import annotations

import copy
import pickle
import sys
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn.utils import prune

import swiftbackprop as sb
from helpers import DTYPES, NORMS, refused, run_python_ok
from swiftbackprop._export.torch import _MAKERS
from test_other_libraries import (
    CLOSE,
    WithDLPack,
    address,
    assert_close,
    inputs,
    make,
    normalised,
    same_layers,
)

nn = torch.nn


def assert_as_exact(net: Any, module: Any, X: npt.NDArray[Any], dtype: str) -> None:
    """What a normalisation divides by may be small and rounding errors large, PyTorch's as well:
    from the result in double precision the network's is not further than PyTorch's."""
    ours, theirs = net.predict(X), run(module, X)
    exact = run(copy.deepcopy(module).double(), X.astype(float))
    error = float(abs(theirs - exact).max())
    atol = CLOSE[dtype] * max(1.0, float(abs(exact).max())) + error
    assert ours.dtype == theirs.dtype == dtype
    np.testing.assert_allclose(ours, exact, rtol=0, atol=atol)


def assert_same_state(state: dict[str, npt.NDArray[Any]], module: Any, dtype: str) -> None:
    """The names, order and values of PyTorch, in dense arrays of `dtype`."""
    wanted = module.state_dict()
    assert list(state) == list(wanted)
    for key, array in state.items():
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, wanted[key].numpy())
        assert array.dtype == (np.int64 if "num_batches" in key else dtype)


def tensors(state: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    return {key: torch.from_numpy(array) for key, array in state.items()}


def run(module: Any, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    a: npt.NDArray[Any] = module(torch.from_numpy(X)).detach().numpy()
    return a


# --- There and back -----------------------------------------------------------------------


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


# --- Dropout, frozen layers, integers -----------------------------------------------------


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


class Twice(nn.Linear):  # type: ignore[misc, name-defined]
    """A Linear that is none."""

    def forward(self, x: Any) -> Any:
        return 2 * super().forward(x)


def hooked() -> Any:
    module = nn.Linear(2, 2)
    module.register_forward_hook(lambda *_: None)
    return module


def old_weight_norm() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch has a newer one; many models have this
        return nn.utils.weight_norm(nn.Linear(2, 2))


class Net(nn.Module):  # type: ignore[misc, name-defined]
    """As the tutorials write them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(2, 3), nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        return self.fc2(torch.relu(self.fc1(x)))


class Chain(nn.Sequential):  # type: ignore[misc, name-defined]
    """A Sequential with a name of its own."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))


def nan_norm() -> Any:
    module = nn.BatchNorm1d(2)
    module.running_mean[0] = float("nan")
    return module


def negative_norm() -> Any:
    module = nn.BatchNorm1d(2)
    module.running_var[0] = -1
    return module


def frozen_in_part() -> Any:
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    return module


REFUSED: dict[str, tuple[Any, str]] = {
    "images": (lambda: nn.Dropout2d(0.5), "Dropout2d.*channels.*nn.Dropout drops units"),
    "alpha": (lambda: nn.AlphaDropout(0.5), "AlphaDropout.*nn.Dropout"),
    "everything": (lambda: nn.Dropout(1.0), r"module\[1\].*drops everything"),
    "twice": (
        lambda: nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.2)),
        r"module\[1\]\[1\].*another Dropout.*p=0\.6"),
    "before": (
        lambda: nn.Sequential(nn.Dropout(0.5), nn.Tanh()),
        r"module\[1\]\[1\].*tanh behind a Dropout.*before"),
    "images norm": (lambda: nn.BatchNorm2d(2), "BatchNorm2d.*nn.BatchNorm1d can be read"),
    "group norm": (lambda: nn.GroupNorm(1, 2), "GroupNorm.*a chain of Linear, .*BatchNorm1d"),
    "untracked": (
        lambda: nn.BatchNorm1d(2, track_running_stats=False),
        r"module\[1\].*batch in evaluation.*track_running_stats=True"),
    "mean of all": (lambda: nn.BatchNorm1d(2, momentum=None), r"module\[1\].*give it a momentum"),
    "momentum": (lambda: nn.BatchNorm1d(2, momentum=1.5), r"module\[1\].*momentum must be"),
    "eps": (lambda: nn.LayerNorm(2, eps=0.0), r"module\[1\].*eps must be a number in"),
    "other width": (lambda: nn.BatchNorm1d(3), r"module\[1\].*2 units.*shape \(3,\)"),
    "other row": (lambda: nn.LayerNorm(3), r"module\[1\].*2 units.*shape \(3,\)"),
    "two axes": (lambda: nn.LayerNorm([1, 2]), r"module\[1\].*over its units alone"),
    "two norms": (
        lambda: nn.Sequential(nn.LayerNorm(2), nn.ReLU(), nn.BatchNorm1d(2)),
        r"module\[1\]\[2\].*another normalisation"),
    "norm behind dropout": (
        lambda: nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2)), "a Dropout.*comes last"),
    "half norm": (lambda: nn.BatchNorm1d(2, dtype=torch.half), r"module\[1\].*float16"),
    "norm elsewhere": (lambda: nn.LayerNorm(2, device="meta"), "device meta"),
    "frozen norm": (
        lambda: nn.BatchNorm1d(2).requires_grad_(False), r"module\[1\] and the Linear before"),
    "NaN": (nan_norm, "running_mean of layer 1.*NaN"),
    "negative": (negative_norm, "running_var of layer 1 must be >= 0"),
    "one sided": (lambda: nn.Sequential(nn.Linear(2, 1), nn.LayerNorm(1)), "has one unit"),
    "frozen in part": (frozen_in_part, r"weight and bias of module\[1\].*requires_grad_"),
    "log softmax": (lambda: nn.LogSoftmax(dim=1), "LogSoftmax.*output='softmax'"),
    "prelu": (lambda: nn.PReLU(), "PReLU.*a chain of Linear, Dropout.*, Sigmoid"),
    "two": (lambda: nn.Sequential(nn.ReLU(), nn.Tanh()), r"module\[1\]\[1\].*another activation"),
    "softplus": (lambda: nn.Softplus(beta=2), r"module\[1\] is Softplus.*: it is.*beta=1"),
    "threshold": (lambda: nn.Softplus(threshold=5), "a threshold of at least 20"),
    "columns": (lambda: nn.Softmax(dim=0), r"module\[1\] is Softmax.*rows"),
    "subclass": (lambda: Twice(2, 2), "Twice"),
    "hooks": (hooked, r"module\[1\] has hooks"),
    "bfloat16": (lambda: nn.Linear(2, 2, dtype=torch.bfloat16), r"bfloat16.*module\.float"),
    "meta": (lambda: nn.Linear(2, 2, device="meta"), r"device meta.*module\.cpu"),
    "slope": (lambda: nn.LeakyReLU(-1.0), r"module\[1\] is LeakyReLU.*slope"),
    "weight norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
        r"module\[1\] computes its weight by a parametrization.*"
        r"remove_parametrizations\(module\[1\], 'weight'\)"),
    "spectral norm": (
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2)),
        r"remove_parametrizations\(module\[1\], 'weight'\)"),
    "old weight norm": (
        old_weight_norm, r"torch\.nn\.utils\.remove_weight_norm\(module\[1\], 'weight'\)"),
    "old spectral norm": (
        lambda: nn.utils.spectral_norm(nn.Linear(2, 2)),
        r"torch\.nn\.utils\.remove_spectral_norm\(module\[1\], 'weight'\)"),
    "pruned": (
        lambda: prune.l1_unstructured(nn.Linear(2, 2), "weight", 1),
        r"torch\.nn\.utils\.prune\.remove\(module\[1\], 'weight'\)"),
    "lazy": (lambda: nn.LazyLinear(2), r"module\[1\] is a LazyLinear.*call the whole module once"),
    "lazy norm": (lambda: nn.LazyBatchNorm1d(), "LazyBatchNorm1d.*call the whole module once"),
    "list": (
        lambda: nn.ModuleList([nn.Linear(2, 2), nn.Tanh()]),
        r"ModuleList.*nn\.Sequential\(module\[1\]\[0\], module\[1\]\[1\]\)"),
    "inner": (
        lambda: Net(), r"module\[1\] is a Net.*nn\.Sequential\(module\[1\]\.fc1, nn\.ReLU\(\), "
        r"module\[1\]\.fc2\), with the activations"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(REFUSED))
def test_what_is_refused(what: str) -> None:
    part, pattern = REFUSED[what]
    module = nn.Sequential(nn.Linear(2, 2), part())
    refused(lambda: sb.from_torch(module), ValueError, pattern)


def test_what_is_no_chain() -> None:
    refused(lambda: sb.from_torch(nn.Sequential()), ValueError, "no Linear")
    for first in (nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(2), nn.LayerNorm(2)):
        refused(
            lambda first=first: sb.from_torch(nn.Sequential(first, nn.Linear(2, 2))),
            ValueError, r"module\[0\].*before the first Linear",
        )  # fmt: skip
    flat = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    refused(lambda: sb.from_torch(flat), ValueError, "Flatten.*reshape")
    refused(lambda: sb.from_torch([nn.Linear(2, 2)]), TypeError, "list")  # type: ignore[arg-type]
    wrong = nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 3))
    refused(lambda: sb.from_torch(wrong), ValueError, r"W of layer 2.*\(3, 3\), got \(3, 2\)")
    done = nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=1))
    assert sb.from_torch(done, output="softmax").sizes == (2, 2)
    refused(lambda: sb.from_torch(done, output="sigmoid"), ValueError, "ends in.*softmax")
    broken = nn.Linear(2, 2)
    broken.weight.data[0, 0] = float("nan")
    refused(lambda: sb.from_torch(broken), ValueError, "NaN")


def test_what_stands_around_a_module() -> None:
    """What the sentence says to pass is taken."""
    X = inputs("float32")[:, :2]
    inner = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    averaged = torch.optim.swa_utils.AveragedModel(inner)
    for module in (nn.DataParallel(inner), averaged):
        refused(lambda m=module: sb.from_torch(m), ValueError, r"pass module\.module$")
        assert_close(sb.from_torch(module.module).predict(X), run(inner, X), "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch about itself
        compiled = torch.compile(inner)
    refused(lambda: sb.from_torch(compiled), ValueError, r"pass module\._orig_mod$")
    assert sb.from_torch(Chain()).sizes == (2, 3, 2)


def test_modules_of_ones_own_as_chains() -> None:
    module, X = Net(), inputs("float32")[:, :2]
    chain = r"nn\.Sequential\(module\.fc1, nn\.ReLU\(\), module\.fc2\)"
    refused(lambda: sb.from_torch(module), ValueError, f"module is a Net.*{chain}")
    net = sb.from_torch(nn.Sequential(module.fc1, nn.ReLU(), module.fc2))
    assert_close(net.predict(X), run(module, X), "float32")


def test_what_was_refused_is_taken_after_what_the_sentence_says() -> None:
    X = torch.from_numpy(inputs("float32")[:, :2].copy())
    lazy = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(2))
    lazy(X)
    assert sb.from_torch(lazy).sizes == (2, 3, 2)
    new = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    nn.utils.parametrize.remove_parametrizations(new, "weight")
    old, pruned = old_weight_norm(), prune.l1_unstructured(nn.Linear(2, 2), "weight", 1)
    nn.utils.remove_weight_norm(old, "weight")
    prune.remove(pruned, "weight")
    for module in (new, old, pruned):
        assert_close(sb.from_torch(module).predict(X), run(module, X.numpy()), "float32")


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "swiftbackprop._export.torch", raising=False)
    monkeypatch.delattr(sb._export, "torch", raising=False)
    refused(lambda: make("relu", "float32").to_torch(), ImportError, "pip install torch")


# --- Normalisation ----------------------------------------------------------------------------


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
    says({"4.weight": np.ones(7)}, ValueError, r"4\.weight, gamma of layer 2.*\(6,\), got \(7,\)")
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


# --- State dicts ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["relu", "identity", "softmax"])
def test_state_dicts_have_pytorch_names_and_layout(name: str, dtype: str) -> None:
    net = make(name, dtype)
    module, state = net.to_torch(), net.state_dict()
    assert_same_state(state, module, dtype)
    module.load_state_dict(tensors(state))
    other = make(name, dtype, seed=9)
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(other.parameters, net.parameters)
    state["0.bias"][...] = 7
    assert not (net.layers[0].b == 7).any()


def test_state_dicts_that_do_not_fit_change_nothing() -> None:
    net = make("relu", "float32")
    before, good = net.parameters.copy(), net.state_dict()

    def says(state: Any, kind: type[Exception], *patterns: str) -> None:
        refused(lambda: net.load_state_dict(state), kind, *patterns)
        np.testing.assert_array_equal(net.parameters, before)

    zeros = {key: np.zeros_like(array) for key, array in good.items()}
    says(list(zeros.items()), TypeError, "list")
    says({**zeros, "6.weight": zeros["4.weight"]}, ValueError, "unknown name '6.weight'", "0.bias")
    says(
        {k: v for k, v in zeros.items() if k != "4.bias"},
        ValueError,
        "missing in the state dict: 4.bias",
    )
    says({**zeros, "4.weight": zeros["4.weight"].T}, ValueError, r"4\.weight.*transpose")
    says({**zeros, "4.bias": np.full(3, np.nan)}, ValueError, r"4\.bias.*NaN")
    says({**zeros, "4.bias": ["a"] * 3}, TypeError, "4.bias")
    says({**zeros, "4.bias": 1.0}, ValueError, "4.bias: expected 1 or 2 dimensions")
    says(
        {**zeros, "4.bias": zeros["4.bias"] * 1j},
        TypeError,
        "4.bias.*: expected real numbers, got dtype complex64",
    )
    bfloat = torch.zeros(3, dtype=torch.bfloat16)
    says({**zeros, "4.bias": bfloat}, TypeError, r"bfloat16: pass 4\.bias\.float\(\)")
    parameters = dict(net.to_torch().named_parameters())
    says(parameters, TypeError, r"requires grad.*\.detach\(\)")
    net.load_state_dict(zeros)
    assert not net.parameters.any()


# --- Tensors as arrays ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_are_read_where_they_lie(dtype: str) -> None:
    net = make("relu", dtype)
    tensor = torch.from_numpy(inputs(dtype))
    for X in (tensor, tensor[::2], tensor.T.contiguous().T, tensor[:, :]):
        assert sb.explain_copy(X, net).startswith("X is used in place")
        a = net.forward(X, copy=False)
        assert address(net.layer(0).a) == X.data_ptr()
        np.testing.assert_array_equal(a, net.forward(X.numpy()))
        np.testing.assert_array_equal(net.predict(X, copy=False), a)
    y = torch.zeros(40, 3, dtype=tensor.dtype)
    net.forward(tensor)
    net.backward(y, sample_weight=torch.ones(40, dtype=tensor.dtype), copy=False)
    history = net.fit(tensor, y, epochs=1, validation_data=(tensor, y), progress=False)
    assert history.epochs == 1
    assert net.evaluate(tensor, y)["loss"] == pytest.approx(history["val_loss"][0], rel=1e-5)


def test_tensors_that_cannot_be_read() -> None:
    net = make("relu", "float32")
    X = torch.ones(2, 5)

    def says(X: Any, pattern: str) -> None:
        for call in (net.forward, net.predict, lambda X: net.fit(X, np.ones((2, 3)))):
            refused(lambda call=call: call(X), TypeError, pattern)
        refused(lambda: sb.explain_copy(X, net), TypeError, pattern)

    says(X.clone().requires_grad_(), r"requires grad: pass X\.detach\(\)")
    says(X.bfloat16(), r"bfloat16: pass X\.float\(\)")
    says(X.to("meta"), "meta device")
    says(WithDLPack(np.ones((2, 5)), device=(2, 0)), r"another device.*X\.cpu\(\)")
    says(torch.nn.Parameter(X), r"requires grad: pass X\.detach\(\)")
    says(X.to_sparse(), r"Tensor, cannot be read.*to_dense")
    says(X.to(torch.float8_e4m3fn), "Tensor, cannot be read.*Float8")
    says(X.to(torch.complex64), "complex64")


def test_arrays_of_jax() -> None:
    """Those of float32 lie where NumPy can read them; bfloat16 is refused in words.

    In a process of its own, for where JAX is at work no test can fork.
    """
    pytest.importorskip("jax")
    run_python_ok(
        r"""
        import jax.numpy as jnp, numpy as np, swiftbackprop as sb
        from helpers import refused
        net = sb.Network([5, 7, 3], seed=2)
        X = jnp.asarray(np.random.default_rng(3).normal(size=(40, 5)), "float32")
        a = net.forward(X, copy=False)
        assert np.shares_memory(net.layer(0).a, np.asarray(X))
        np.testing.assert_array_equal(a, net.predict(np.array(X)))
        pattern = r"bfloat16.*astype\('float32'\)"
        refused(lambda: net.predict(X.astype("bfloat16")), TypeError, pattern)
        """
    )
    fields = np.zeros(40, [("a", "f4"), ("b", "f4")])
    net = make("relu", "float32")
    refused(lambda: net.predict(fields), TypeError, "pass its fields as columns")


def test_tensors_are_converted_where_they_have_to_be() -> None:
    net, X = make("relu", "float32"), torch.arange(10).reshape(2, 5)
    assert "int64" in sb.explain_copy(X, net)
    refused(lambda: net.forward(X, copy=False), ValueError, "int64")
    np.testing.assert_array_equal(net.forward(X), net.forward(X.numpy().astype(np.float32)))
    half = torch.ones(2, 5, dtype=torch.float16)
    assert net.forward(half).shape == (2, 3)
