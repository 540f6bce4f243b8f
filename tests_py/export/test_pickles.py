"""Networks in pickles, copies and other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import swiftbackprop as sb
from helpers import refused
from model_files import assert_same, examples, make, through_pickle, train

pytest.importorskip("safetensors")


class Named(sb.Network):
    """A subclass with an __init__ and attributes of its own."""

    def __init__(self, label: list[str]) -> None:
        super().__init__([4, 3], loss="cross_entropy", seed=0)
        self.label = label


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(protocol: int) -> None:
    net = train(make())
    again = pickle.loads(pickle.dumps(net, protocol))
    assert_same(net, again, history=True)
    assert again.history.stop_reason == "completed"
    normalised = make(norm=[sb.BatchNorm(), sb.LayerNorm()])
    again = pickle.loads(pickle.dumps(normalised, protocol))
    assert [layer.norm for layer in again.layers] == [layer.norm for layer in normalised.layers]


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {n}": lambda value, n=n: pickle.loads(pickle.dumps(value, n))  # type: ignore[misc]
        for n in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("way", list(COPIES))
def test_copies_of_what_a_network_is_made_of(way: str) -> None:
    """Of the optimizer its settings, which belong to no network; layers with their network."""
    net = train(make(optimizer=sb.AdamW(0.1), norm="batch"))
    net.optimizer.lr = 0.25
    settings = COPIES[way](net.optimizer)
    assert settings == net.optimizer.recipe == sb.AdamW(0.25)
    assert isinstance(settings, sb.AdamW)
    assert make(optimizer=settings).optimizer == settings
    layers, layer = COPIES[way](net.layers), COPIES[way](net.layers[1])
    for found in (layers[1], layer):
        assert found.m == 2
        np.testing.assert_array_equal(found.W, net.layers[1].W)
    for rule in (net.loss, layer.activation, net.layers[0].norm, net.history):
        assert COPIES[way](rule) == rule


def test_gradients_are_in_a_pickle_and_a_step_can_follow() -> None:
    net = make()
    X, y = examples()
    net.forward(X)
    net.backward(y)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.gradients, net.gradients)
    net.step()
    again.step()
    np.testing.assert_array_equal(again.parameters, net.parameters)
    refused(lambda: again.layers[0].z, RuntimeError, "forward")


def test_subclasses_keep_what_is_theirs() -> None:
    net = Named(["a", "b"])
    for again in (through_pickle(net), copy.deepcopy(net)):
        assert type(again) is Named
        assert again.label == ["a", "b"]
        assert again.label is not net.label
    pair = [net, net]
    twin = copy.deepcopy(pair)
    assert twin[0] is twin[1]


def test_a_deep_copy_has_a_history_of_its_own() -> None:
    net = train(make())
    twin = copy.deepcopy(net)
    twin.history["loss"].append(0.0)
    assert len(net.history["loss"]) == 2


def test_closed_networks_are_neither_pickled_nor_saved(tmp_path: Path) -> None:
    net = make()
    net.close()
    refused(lambda: pickle.dumps(net), RuntimeError, "closed")
    refused(lambda: net.save(tmp_path / "net"), RuntimeError, "closed")
    assert list(tmp_path.iterdir()) == []


def predict(net: Any) -> npt.NDArray[Any]:
    """What a worker process does."""
    a: npt.NDArray[Any] = train(net).predict(examples()[0])
    return a


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_networks_go_to_other_processes_and_back(method: str) -> None:
    nets = [make(seed=seed) for seed in range(3)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        there = pool.map(predict, nets)
    for net, a in zip(nets, there, strict=True):
        np.testing.assert_array_equal(a, predict(net))
