"""Modules of PyTorch that are no network, and what makes one of them."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import pytest
import torch
from torch.nn.utils import prune

import swiftbackprop as sb
from helpers import refused
from test_other_libraries import assert_close, inputs, make
from torch_models import nn, run


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
    "lazy": (lambda: nn.LazyLinear(2), r"module\[1\], LazyLinear, .*call the whole module once"),
    "lazy norm": (lambda: nn.LazyBatchNorm1d(), "LazyBatchNorm1d.*call the whole module once"),
    "list": (
        lambda: nn.ModuleList([nn.Linear(2, 2), nn.Tanh()]),
        r"ModuleList.*nn\.Sequential\(module\[1\]\[0\], module\[1\]\[1\]\)"),
    "inner": (
        lambda: Net(), r"module\[1\], Net, has a forward.*nn\.Sequential\(module\[1\]\.fc1, "
        r"nn\.ReLU\(\), module\[1\]\.fc2\), with the activations"),
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
    for flat in (nn.Flatten(0), nn.Flatten(-1), nn.Flatten(1, 2)):
        module = nn.Sequential(flat, nn.Linear(2, 2))
        refused(lambda module=module: sb.from_torch(module), ValueError, r"only nn\.Flatten\(\)")
    alpha = nn.Sequential(nn.Linear(2, 2), nn.AlphaDropout())
    refused(lambda: sb.from_torch(alpha), ValueError, r"module\[1\] is AlphaDropout, which")
    refused(lambda: sb.from_torch([nn.Linear(2, 2)]), TypeError, "list")  # type: ignore[arg-type]
    wrong = nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 3))
    refused(lambda: sb.from_torch(wrong), ValueError, r"W of layer 2.*\(3, 3\), got \(3, 2\)")
    done = nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=1))
    assert sb.from_torch(done, output="softmax").sizes == (2, 2)
    refused(lambda: sb.from_torch(done, output="sigmoid"), ValueError, "ends in.*softmax")
    broken = nn.Linear(2, 2)
    broken.weight.data[0, 0] = float("nan")
    refused(lambda: sb.from_torch(broken), ValueError, "NaN")


def test_tied_weights_come_with_a_warning() -> None:
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    other.weight = one.weight
    for module in (nn.Sequential(one, nn.ReLU(), one), nn.Sequential(one, nn.ReLU(), other)):
        with pytest.warns(UserWarning, match=r"module\[2\] has the weights of module\[0\]") as told:
            assert sb.from_torch(module).sizes == (2, 2, 2)
        assert told[0].filename == __file__


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
    refused(lambda: sb.from_torch(module), ValueError, f"module, Net, has a forward.*{chain}")
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
