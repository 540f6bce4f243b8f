"""Networks in files: the same bits again, in the format that the page documents."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import DTYPES, OPTIMIZERS, ROOT, refused
from model_files import (
    assert_same,
    description_of,
    make,
    through_file,
    through_pickle,
    train,
    unusual,
)
from swiftbackprop._export import spec_json
from test_docs import run_example

safetensors_numpy = pytest.importorskip("safetensors.numpy")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_file_holds_all_of_a_network(name: str, dtype: str, tmp_path: Path) -> None:
    net = train(make(optimizer=getattr(sb, name)(**OPTIMIZERS[name]), dtype=dtype))
    net.save(tmp_path / "net.safetensors")
    assert_same(net, sb.load(tmp_path / "net.safetensors"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy", "copy"])
def test_what_is_unusual_survives(way: str, dtype: str, tmp_path: Path) -> None:
    net = unusual(dtype)
    again = {"file": through_file, "pickle": through_pickle, "deepcopy": copy.deepcopy,
             "copy": copy.copy}[way](net)  # fmt: skip
    assert_same(net, again, history=way != "file")
    assert (again.optimizer.lr, again.l1, again.l2, again.clip_norm) == (0.003, 0.001, 0.02, 2.5)


@pytest.mark.parametrize("rule", sb.activations())
def test_every_activation_survives(rule: str) -> None:
    net = sb.Network([2, 3, 2], activation=rule, output=rule, loss="squared_error", seed=0)
    again = through_file(net)
    X = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


@pytest.mark.parametrize("loss", sb.losses())
@pytest.mark.parametrize("initializer", sb.initializers())
def test_every_loss_and_initializer_survives(loss: str, initializer: str) -> None:
    net = sb.Network([2, 3, 2], loss=loss, initializer=initializer, seed=0)
    again = through_file(net)
    assert again.loss == net.loss
    again.reset(4)
    net.reset(4)
    np.testing.assert_array_equal(again.parameters, net.parameters)


def test_a_network_that_clips_warns_once_and_not_when_it_is_read(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="clips"):
        net = sb.Network([2, 2], output="identity", loss="cross_entropy", seed=0)
    again = through_pickle(through_file(net))  # warnings are errors here
    assert again.layers[-1].activation.name == "identity"


def test_the_recipe_is_in_the_file_to_its_last_field() -> None:
    """A new field of a network has to find its place in the files."""
    from dataclasses import fields

    from swiftbackprop._net.spec import NetworkSpec

    described = spec_json.describe(make(norm="batch")._spec, 0)
    assert {field.name for field in fields(NetworkSpec)} - set(described) == {"start"}


def test_every_option_of_the_engine_is_in_files_and_pickles() -> None:
    """A new option has to find its place in state.py, or in the recipe."""
    from swiftbackprop._engine.loader import core
    from swiftbackprop._net import state

    engine = {name for name in dir(core) if name.startswith("OPTION_")}
    of_recipe = {"OPTION_L1", "OPTION_L2", "OPTION_CLIP_NORM", "OPTION_STEPS", "OPTION_HYPER"}
    tables = (state._OPTIONS, state._LAYER_OPTIONS)
    known = {number for table in tables for number, _ in table.values()}
    assert {getattr(core, name) for name in engine - of_recipe} == known
    assert state.options(make()) == {}
    net = make(l2=0.1, max_norm=2.0, dropout=0.25, input_scale=1 / 255, dtype="float32")
    net.precision = "bf16x2"
    net._set_option(core.OPTION_PENALTY_PER_SAMPLE, 1.0)
    net.layer(1).trainable = False
    for again in (through_file(net), through_pickle(net), copy.deepcopy(net)):
        assert again._option(core.OPTION_PENALTY_PER_SAMPLE) == 1
        assert (again.max_norm, again.dropout) == (2.0, net.dropout)
        assert again.dropout[0] == 0.25
        assert again.input_scale == 1 / 255
        assert again.precision == "bf16x2"
        assert not again.layer(1).trainable
        assert again.layer(2).trainable
        assert_same(net, again)


def quartic(a: Any, t: Any) -> Any:
    return np.sum((a - t) ** 4, axis=1)


def quartic_gradient(a: Any, t: Any) -> Any:
    return 4 * (a - t) ** 3


class Plain(sb.Network):
    """A subclass with nothing of its own."""


@pytest.mark.parametrize("kind", [sb.Network, Plain])
@pytest.mark.parametrize("name", ["sine", "relu", "loss"])
def test_functions_of_ones_own_are_pickled_and_not_saved(
    name: str, kind: Any, tmp_path: Path
) -> None:
    """Also under the name of a rule of the engine, which a file would take for that."""
    rules: dict[str, Any] = {"activation": sb.CustomActivation(np.sin, np.cos, name=name)}
    if name == "loss":
        rules = {"loss": sb.CustomLoss(quartic, quartic_gradient)}
    net = kind([2, 3, 1], seed=0, dropout=0.2, **rules)
    X, y = np.ones((9, 2), np.float32), np.ones(9)
    net.fit(X, y, epochs=2, progress=False)
    wanted = "quartic" if name == "loss" else name
    kind_of_error = NotImplementedError
    refused(lambda: net.save(tmp_path / "net"), kind_of_error, f"functions.*{wanted}.*pickle")
    assert list(tmp_path.iterdir()) == []
    for again in (through_pickle(net), copy.deepcopy(net)):
        assert type(again) is type(net)
        twin = net.copy()
        for one in (again, twin):
            one.fit(X, y, epochs=2, progress=False)
        np.testing.assert_array_equal(again.parameters, twin.parameters)


@pytest.mark.parametrize("optimizer", [False, True])
@pytest.mark.parametrize("generator", [False, True])
def test_state_is_optional(optimizer: bool, generator: bool, tmp_path: Path) -> None:
    net = train(make())
    net.save(tmp_path / "net", optimizer=optimizer, generator=generator)
    again, fresh = sb.load(tmp_path / "net"), make()
    np.testing.assert_array_equal(again.parameters, net.parameters)
    assert again.optimizer.recipe == net.optimizer.recipe
    assert again.step_count == (net.step_count if optimizer else 0)
    assert any(state.any() for state in again.optimizer.state) == optimizer
    assert again._generator() == (net if generator else fresh)._generator()


def test_the_format_is_the_documented_one(tmp_path: Path) -> None:
    """W as (D(m), D(m-1)) in C order; flat optimizer arrays; one description as JSON."""
    net = train(make())
    net.save(tmp_path / "net")
    tensors = safetensors_numpy.load_file(tmp_path / "net")
    assert set(tensors) == {"layers.1.W", "layers.1.b", "layers.2.W", "layers.2.b",
                            "optimizer.0", "optimizer.1"}  # fmt: skip
    for layer in net.layers:
        np.testing.assert_array_equal(tensors[f"layers.{layer.m}.W"], layer.W)
        np.testing.assert_array_equal(tensors[f"layers.{layer.m}.b"], layer.b)
    np.testing.assert_array_equal(tensors["optimizer.1"], net.optimizer.state[1])
    raw = (tmp_path / "net").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    metadata = json.loads(raw[8 : 8 + size])["__metadata__"]
    assert list(metadata) == ["swiftbackprop"]
    described = json.loads(metadata["swiftbackprop"])
    assert described["version"] == 1
    assert described["sizes"] == [4, 8, 3]
    assert described["activations"][1] == {"name": "softmax", "parameters": {}}
    assert described["optimizer"]["parameters"]["lr"] == net.optimizer.lr
    assert described["steps"] == net.step_count
    assert tuple(int(word, 16) for word in described["generator"]) == net._generator()


def test_the_same_network_is_the_same_file(tmp_path: Path) -> None:
    net = train(make())
    net.save(tmp_path / "one")
    net.copy().save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


PAGE = ROOT / "docs" / "files.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the docs are not part of an installation")
def test_the_page_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its example runs, and its tables name every key, tensor and form in ONNX."""
    text = PAGE.read_text("utf-8")
    (example,) = re.findall(r"^```pycon\n(.*?)^```$", text, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    run_example(example, "docs/files.md")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    described = description_of((tmp_path / "net.safetensors").read_bytes())
    keys = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert set(described) | {"notes", "norms"} <= keys
    tensors = {name for row in rows for name in re.findall(r"`layers\.m\.(\w+)`", row)}
    assert tensors == {"W", "b", "gamma", "beta", "running_mean", "running_var"}
    activations = {name for row in rows for name in re.findall(r"\w+", row)}
    onnx = pytest.importorskip("swiftbackprop._export.onnx")
    assert set(onnx._MAKERS) <= activations
