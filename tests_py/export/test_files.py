"""Networks in files and pickles: the same bits again, and files that are not what they say."""

from __future__ import annotations

import base64
import copy
import errno
import itertools
import json
import multiprocessing
import os
import pickle
import re
import signal
import stat
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import swiftbackprop as sb
from helpers import DTYPES, OPTIMIZERS, ROOT, refused, run_python, run_python_ok
from swiftbackprop._export import files, spec_json
from swiftbackprop._import.load import read_notes
from test_docs import run_example

safetensors_numpy = pytest.importorskip("safetensors.numpy")
hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

RULES = {name: getattr(sb, name)(**values) for name, values in OPTIMIZERS.items()}


def make(**keywords: Any) -> Any:
    """A network of three classes: [4, 8, 3]."""
    keywords = {"loss": "cross_entropy", "seed": 3, **keywords}
    return sb.Network([4, 8, 3], **keywords)


def examples(rows: int = 50) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, 4)).astype(np.float32), rng.integers(0, 3, rows)


def train(net: Any, epochs: int = 2) -> Any:
    net.fit(*examples(), epochs=epochs, batch_size=8, progress=False)
    return net


def assert_same(one: Any, other: Any, *, history: bool = False) -> None:
    """Both networks are the same to the last bit, and stay so in training."""
    assert type(one) is type(other)
    for name in ("sizes", "dtype", "seed", "loss", "l1", "l2", "clip_norm", "step_count"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.optimizer.recipe == other.optimizer.recipe
    assert [layer.activation for layer in one.layers] == [la.activation for la in other.layers]
    assert one._generator() == other._generator()
    np.testing.assert_array_equal(one.parameters, other.parameters)
    for mine, theirs in zip(one.optimizer.state, other.optimizer.state, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    if history:
        assert dict(one.history or {}) == dict(other.history or {})
    assert not np.shares_memory(one.parameters, other.parameters)
    one, other = one.copy(), other.copy()
    np.testing.assert_array_equal(train(one).parameters, train(other).parameters)
    one.reset(5)
    other.reset(5)
    np.testing.assert_array_equal(one.parameters, other.parameters)


def unusual(dtype: str = "float32") -> Any:
    """A network with everything that can be chosen, options changed after some steps."""
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(8, 4)), rng.normal(size=8)),
             (rng.normal(size=(3, 8)), rng.normal(size=3))]  # fmt: skip
    net = make(
        activation=sb.activation("leaky_relu", slope=0.2), dtype=dtype, initializer=pairs,
        optimizer=sb.AdamW(0.01, beta_1=0.8), l1=0.001, l2=0.01, clip_norm=1.5,
    )  # fmt: skip
    train(net)
    net.optimizer.lr, net.l2, net.clip_norm = 0.003, 0.02, 2.5
    return train(net)


# --- There and back ---------------------------------------------------------------------


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


def through_file(net: Any) -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        net.save(os.path.join(folder, "net"))
        return sb.load(os.path.join(folder, "net"))


def through_pickle(net: Any) -> Any:
    return pickle.loads(pickle.dumps(net))


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
    of_layers = {number for number, _ in state._LAYER_OPTIONS.values()}
    known = set(state._OPTIONS.values()) | of_layers
    assert {getattr(core, name) for name in engine - of_recipe} == known
    net = make(l2=0.1, max_norm=2.0, dropout=0.25, input_scale=1 / 255)
    net._set_option(core.OPTION_PENALTY_PER_SAMPLE, 1.0)
    net.layer(1).trainable = False
    for again in (through_file(net), through_pickle(net), copy.deepcopy(net)):
        assert again._option(core.OPTION_PENALTY_PER_SAMPLE) == 1
        assert (again.max_norm, again.dropout) == (2.0, net.dropout)
        assert again.dropout[0] == 0.25
        assert again.input_scale == 1 / 255
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


# --- Normalised layers --------------------------------------------------------------------

NORMS: dict[str, Any] = {
    "batch": "batch",
    "layer": "layer",
    "after": [sb.BatchNorm(momentum=0.3, eps=1e-3, after=True), sb.BatchNorm(eps=0.01)],
    "both": [sb.LayerNorm(eps=1e-4, after=True), "layer"],
    "output": [None, "batch"],
}


def statistics(net: Any) -> list[npt.NDArray[Any]]:
    """All running statistics."""
    return [
        array.copy()
        for layer in net.layers
        if isinstance(layer.norm, sb.BatchNorm)
        for array in (layer.running_mean, layer.running_var)
    ]


def assert_same_statistics(one: Any, other: Any) -> None:
    assert one.norm == other.norm
    for mine, theirs in zip(statistics(one), statistics(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert not np.shares_memory(mine, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy", "copy"])
@pytest.mark.parametrize("name", list(NORMS))
def test_normalised_layers_survive(name: str, way: str, dtype: str) -> None:
    """gamma and beta, the running statistics and the recipe; training goes on alike."""
    net = train(make(norm=NORMS[name], dtype=dtype, dropout=0.2))
    again = {"file": through_file, "pickle": through_pickle, "deepcopy": copy.deepcopy,
             "copy": copy.copy}[way](net)  # fmt: skip
    assert_same_statistics(net, again)
    X, _ = examples()
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert_same(net, again)
    for one in (net, again):
        train(one)
    assert_same_statistics(net, again)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


@pytest.mark.parametrize("name", list(NORMS))
def test_initial_arrays_and_norms_together(name: str) -> None:
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(8, 4)), rng.normal(size=8)),
             (rng.normal(size=(3, 8)), rng.normal(size=3))]  # fmt: skip
    net = train(make(norm=NORMS[name], initializer=pairs))
    again = through_file(net)
    assert_same_statistics(net, again)
    for one in (net, again):
        one.reset(5)
        np.testing.assert_array_equal(one.layers[0].W, np.float32(pairs[0][0]))
    np.testing.assert_array_equal(again.parameters, net.parameters)
    assert_same_statistics(net, again)


def test_the_format_of_normalised_layers(tmp_path: Path) -> None:
    net = train(make(norm=[sb.BatchNorm(0.2, 1e-3), sb.LayerNorm(after=True)]))
    net.save(tmp_path / "net")
    tensors = safetensors_numpy.load_file(tmp_path / "net")
    names = {"gamma", "beta", "running_mean", "running_var"}
    assert {name for name in tensors if name[:9] == "layers.1."} == {
        f"layers.1.{name}" for name in names | {"W", "b"}
    }
    assert {name for name in tensors if name[:9] == "layers.2."} == {
        f"layers.2.{name}" for name in ("W", "b", "gamma", "beta")
    }
    for name in names:
        array = tensors[f"layers.1.{name}"]
        assert array.shape == (8,)
        np.testing.assert_array_equal(array, getattr(net.layers[0], name))
    assert description_of((tmp_path / "net").read_bytes())["norms"] == [
        {"name": "batch", "momentum": 0.2, "eps": 0.001, "after": False},
        {"name": "layer", "eps": 1e-05, "after": True},
    ]
    make().save(tmp_path / "net")
    assert "norms" not in description_of((tmp_path / "net").read_bytes())


# Of the days before normalisation: [2, 2, 1], elu, momentum, six steps.
OLD = (
    "c-nna&x_MQ81<mw-J5zSa}gwz%%n}4f~_YJL9c?F5+=#ac5w2;%yhL|qaYpx{{d0KqX#{D5lXwVCl4Mxir{~-Cq<"
    "l@)ZH!pG31c%&G+8CdHHhv>>0BrAPiF?ae^fdL(rW7@sLp&;rM=0<^|}2NdWdpDOjEbpxb~}BLIT!6QQdeWHr<S2"
    "O7n(WP4bu#(GZ?Gn^9r9st5e0nl9qE)^)1qTWzFm={B=-|c3*s;tHmjU^<LOpe!btIC|qbMas6geV@2a7mJolx1F"
    "SU~4chBumwG$`yq)Pu1C@bc1bP)}BouC%qc-YiX7-$uQUAYXTXPFw4sn^Nr?~+IM+g<}w^*j4IZ)I1)K779`4ZEF"
    "DyLb6C5xO@S7Lu^)3*7&jWsMx2|EOh{78c(s6zYVmEAH8E8Aim)IV=91Opun<r2qhqxN#Ij-}LlI+ctih&jA`+4m"
    "hUw~Rmt>^GGB?TYsF}g7xYMEtwj=2I2-Y^*lu+t=ZIZ;q_mNYheuPmci9FkjD8|&TQRpOY;&`5o?N+BvI{_F}pt1"
    "nRW0hJHHt*_*H;Ji9zu_QY>5J(~jW!xs!2B0ErGiMIK-+@u;Iu%rMPQW<T?@5N@zFK|aGe3vvK+Leu*Csf<vYl7%"
    "ngnQziDq4@Ye{qmZuC<je60mUwfAizRWKDc|Uvl>&N`I^JM<`kWT-ed((UM;okg0@2G!tE9`&!`25<Px6k_TUca2"
    "~|Nh(;pU%%NT8H!RKd1dGFK!<E178+-Vg"
)


def test_files_of_old_are_read(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(zlib.decompress(base64.b85decode(OLD)))
    net = sb.load(tmp_path / "old")
    assert net.layers[0].activation == sb.activation("elu", alpha=0.5)
    assert net.norm == (None, None)
    assert (net.seed, net.step_count, net.l2) == (7, 6, 0.01)
    assert net.optimizer.state[0].any()
    net.fit(
        np.arange(8.0).reshape(4, 2) / 8, np.arange(4.0), epochs=3, batch_size=2, progress=False
    )
    wanted = [0.019837137, -0.32535458, -0.81275094, -1.5557201, -1.708974, 0.72319275, 1.4038732,
              -1.3606398, 1.9535931]  # fmt: skip
    np.testing.assert_allclose(net.parameters, wanted, rtol=1e-5)


def test_the_best_epoch_comes_back_with_its_running_statistics(tmp_path: Path) -> None:
    net = make(norm="batch", optimizer=sb.SGD(3.0))
    X, y = examples(60)
    stop = sb.EarlyStopping("val_loss", patience=19)
    keep = sb.Checkpoint(tmp_path / "best", monitor="val_loss")
    net.fit(X[:40], y[:40], epochs=20, validation_data=(X[40:], y[40:]), callbacks=[stop, keep],
            progress=False)  # fmt: skip
    assert 0 <= stop.best_epoch < 19, "the test wants an epoch after the best"
    best = sb.load(tmp_path / "best")
    np.testing.assert_array_equal(best.parameters, net.parameters)
    assert_same_statistics(best, net)
    assert abs(net.evaluate(X[40:], y[40:])["loss"] - stop.best) < 1e-6


NORM = {"name": "batch", "momentum": 0.1, "eps": 1e-5, "after": False}
HOSTILE_NORMS: dict[str, tuple[Any, str]] = {
    "none": ([], "norm: expected .* got 0"),
    "one": ([NORM] * 3, "norm: expected .* got 3"),
    "text": ("batch", "norms must be a list, got 'batch'"),
    "number": ([3, None], "norms must be a dict or null, got 3"),
    "name": ([{**NORM, "name": "evil"}, None], "unknown norm 'evil'"),
    "class": ([{**NORM, "name": "__class__"}, None], "unknown norm"),
    "no eps": ([{"name": "layer", "after": False}, None], "eps is missing"),
    "eps": ([{**NORM, "eps": 0}, None], "eps must be a number in"),
    "huge eps": ([{**NORM, "eps": 10**400}, None], "eps must be a number in"),
    "momentum": ([{**NORM, "momentum": 2}, None], "momentum must be a number in"),
    "bool": ([{**NORM, "momentum": True}, None], "momentum must be a number, got True"),
    "after": ([{**NORM, "after": 1}, None], "after must be true or false, got 1"),
    "more": ([{**NORM, "run": 1}, None], "unknown fields of batch norm: .*run"),
    "layer's momentum": ([{**NORM, "name": "layer"}, None], "unknown fields of layer.*momentum"),
    "absent": ([NORM, None], r"layers\.1\.gamma is missing"),
    "one unit": ([None, {"name": "layer", "eps": 1e-5, "after": False}], "one unit"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(HOSTILE_NORMS))
def test_hostile_norms(what: str, good: bytes, tmp_path: Path) -> None:
    norms, pattern = HOSTILE_NORMS[what]
    described = {**description_of(good), "norms": norms}
    (tmp_path / "file").write_bytes(with_description(good, described))
    refused(lambda: sb.load(tmp_path / "file"), ValueError, "is not read", pattern)


def test_running_statistics_that_are_none(tmp_path: Path) -> None:
    net, path = train(make(norm="batch")), tmp_path / "file"
    net.save(path)
    header, body = split(unsigned(path.read_bytes()))
    place = header["layers.1.running_var"]["data_offsets"][0]
    for value, pattern in ((-1.0, "running_var of layer 1 must be >= 0"), (np.nan, "NaN")):
        bad = np.float32(value).tobytes()
        path.write_bytes(joined(header, body[:place] + bad + body[place + 4 :]))
        refused(lambda: sb.load(path), ValueError, "is not read", pattern)
    header["layers.1.other"] = header.pop("layers.1.running_mean")
    path.write_bytes(joined(header, body))
    refused(lambda: sb.load(path), ValueError, r"layers\.1\.running_mean is missing")
    net.layers[0].running_mean[0] = np.inf
    refused(lambda: net.save(path), ValueError, r"layers\.1\.running_mean.*infinity")


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


# --- Going on -----------------------------------------------------------------------------

# What happens in every training here: rows shuffled, a last short batch, units dropped.
WHOLE: dict[str, Any] = {
    "dropout": [0.3, 0.1], "max_norm": 2.0, "l1": 1e-4, "l2": 1e-3, "clip_norm": 1.0,
}  # fmt: skip
SCHEDULES: dict[str, Any] = {
    "cosine": sb.schedules.Cosine(10, warmup=3),
    "one cycle": sb.schedules.OneCycle(10),
    "function": lambda epoch, lr: lr * (0.9 if epoch % 2 else 1.05),
}

TRAININGS = [
    *((rule, "none") for rule in OPTIMIZERS),
    *(("Adam", name) for name in (*SCHEDULES, *NORMS)),
]


def scheduled(name: str, epochs: int, lr: float | None = None) -> list[Any]:
    """The callback of a schedule, after so many epochs."""
    if name not in SCHEDULES:
        return []
    schedule = SCHEDULES[name]
    timed = isinstance(schedule, sb.schedules.Schedule)
    return [sb.LearningRateScheduler(schedule, start=epochs, lr=lr if timed else None)]


def go_on(folder: Path) -> None:
    """What the other process does: epochs 6 to 10 of every training."""
    for path in sorted(folder.glob("*-5")):
        net, name = sb.load(path), path.name.split("-")[1]
        lr = RULES[type(net.optimizer.recipe).__name__].lr
        net.fit(*examples(203), epochs=5, callbacks=scheduled(name, 5, lr), **FIVE)
        net.save(folder / path.name.replace("-5", "-ten"))


FIVE: dict[str, Any] = {"batch_size": 16, "progress": False}
RESUME = """
    import sys, pathlib, test_files
    test_files.go_on(pathlib.Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every training: after ten epochs, after five, and ten in two processes."""
    folder = tmp_path_factory.mktemp("resumed")
    for (rule, name), dtype in itertools.product(TRAININGS, DTYPES):
        options = {"optimizer": RULES[rule], "dtype": dtype, "norm": NORMS.get(name), **WHOLE}
        nets = [make(**options) for _ in range(3)]
        for net in nets:
            net.layers[1].trainable = rule != "SGD"
        whole, first, watched = nets
        stem = folder / f"{rule}-{name}-{dtype}"
        whole.fit(*examples(203), epochs=10, callbacks=scheduled(name, 0), **FIVE)
        whole.save(f"{stem}-wanted")
        first.fit(*examples(203), epochs=5, callbacks=scheduled(name, 0), **FIVE)
        first.save(f"{stem}-after-5")
        keep = sb.Checkpoint(f"{stem}-within-{{epoch}}", every=5)
        watched.fit(*examples(203), epochs=10, callbacks=[*scheduled(name, 0), keep], **FIVE)
    run_python_ok(RESUME, str(folder))
    return folder


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rule", "name"), TRAININGS)
def test_ten_epochs_are_five_and_five_in_another_process(
    rule: str, name: str, dtype: str, resumed: Path
) -> None:
    """Bit for bit, with shuffling, dropout and schedules: saved after fit, and within it."""

    def content(what: str) -> bytes:
        return (resumed / f"{rule}-{name}-{dtype}-{what}").read_bytes()

    assert content("after-ten") == content("wanted")
    assert content("within-ten") == content("wanted")
    assert content("after-5") != content("wanted")
    if name not in SCHEDULES:  # else the optimizer has the rate of its epoch
        assert content("after-5") == content("within-5")
        assert content("wanted") == content("within-10")


def test_training_that_a_callback_stopped_goes_on_with_the_same_bits() -> None:
    whole, parts = make(), make()
    X, y = examples(203)
    whole.fit(X, y, epochs=10, progress=False)
    parts.fit(X, y, epochs=10, progress=False, callbacks=[lambda net, epoch, logs: epoch == 4])
    parts.fit(X, y, epochs=5, progress=False)
    np.testing.assert_array_equal(whole.parameters, parts.parameters)


# --- Pickles ------------------------------------------------------------------------------


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


# --- Checkpoints --------------------------------------------------------------------------


def test_a_checkpoint_every_few_epochs(tmp_path: Path) -> None:
    net = make()
    X, y = examples()
    path = tmp_path / "net-{epoch:02d}.safetensors"
    net.fit(X, y, epochs=7, callbacks=[sb.Checkpoint(path, every=3)], progress=False)
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "net-03.safetensors", "net-06.safetensors"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("monitor", "best"), [("loss", min), ("val_accuracy", max), ("val_loss", min)]
)
def test_a_checkpoint_of_the_best_epoch(monitor: str, best: Any, tmp_path: Path) -> None:
    net = make(optimizer=sb.SGD(3.0))
    X, y = examples(60)
    checkpoint = sb.Checkpoint(tmp_path / "best", monitor=monitor)
    data = (X[40:], y[40:])
    kept: list[npt.NDArray[Any]] = []

    def keep(net: Any, epoch: int, logs: Any) -> None:
        kept.append(net.parameters.copy())

    history = net.fit(
        X[:40], y[:40], epochs=20, validation_data=data, callbacks=[checkpoint, keep],
        progress=False,
    )  # fmt: skip
    column = history[monitor]
    place = column.index(best(column))
    assert 0 < place < 19, "the test wants a best epoch in between"
    np.testing.assert_array_equal(sb.load(tmp_path / "best").parameters, kept[place])
    assert checkpoint.best == column[place]
    assert checkpoint.path == str(tmp_path / "best")


def test_a_checkpoint_starts_anew_with_each_fit(tmp_path: Path) -> None:
    checkpoint = sb.Checkpoint(tmp_path / "best", monitor="loss")
    X, y = examples()
    make().fit(X, y, epochs=5, callbacks=[checkpoint], progress=False)
    net = make()
    net.fit(X, y, epochs=1, callbacks=[checkpoint], progress=False)
    np.testing.assert_array_equal(sb.load(tmp_path / "best").parameters, net.parameters)


def test_what_a_checkpoint_refuses(tmp_path: Path) -> None:
    path = tmp_path / "net"
    refused(lambda: sb.Checkpoint(path, every=0), ValueError, "every must be an int >= 1, got 0")
    refused(lambda: sb.Checkpoint(path, every="2"), TypeError, "every must be an int")  # type: ignore[arg-type]
    refused(lambda: sb.Checkpoint(path, mode="up"), ValueError, '"min".*"max"')
    refused(lambda: sb.Checkpoint(f"{path}-{{loss}}"), ValueError, r"\{epoch\}")
    refused(lambda: sb.Checkpoint(path, monitor="loss", every=2), ValueError, "every.*monitor")
    refused(lambda: sb.Checkpoint(3), TypeError, "path")  # type: ignore[arg-type]
    X, y = examples()
    for name, pattern in (("val_loss", "validation"), ("los", "did you mean 'loss'")):
        checkpoint = sb.Checkpoint(path, monitor=name)
        refused(
            lambda c=checkpoint: make().fit(X, y, callbacks=[c], progress=False),
            ValueError, name, pattern,
        )  # fmt: skip
    lost = sb.Checkpoint(tmp_path / "nowhere" / "net")
    refused(
        lambda: make().fit(X, y, callbacks=[lost], progress=False), OSError, "no folder.*nowhere"
    )


# --- Whole or not at all --------------------------------------------------------------------


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net"
    make().save(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(lambda: train(make()).save(path), OSError, f"No space.*{path}")
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["net"]


def test_the_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("sync"), real_sync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("replace"), real_replace(*a))[1])
    make().save(tmp_path / "net")
    assert done == ["sync", "replace", "sync"]


# Files grow to 4096 bytes at most, as if the disk were full.
FULL_DISK = """
import os, resource, sys
import numpy as np
import swiftbackprop as sb

net = sb.Network([4, 400, 3], loss="cross_entropy", seed=0)
X, y = np.ones((4, 4), np.float32), np.zeros(4, int)
writers = {
    "net.safetensors": net.save,
    "net.onnx": net.to_onnx,
    "net.svg": net.diagram().save,
    "best.safetensors": lambda path: net.fit(
        X, y, epochs=1, callbacks=[sb.Checkpoint(path)], progress=False
    ),
    "log.csv": lambda path: net.fit(
        X, y, epochs=1000, callbacks=[sb.CSVLogger(path)], progress=False
    ),
}
for name, write in writers.items():
    path = os.path.join(sys.argv[1], name)
    with open(path, "w") as file:
        file.write("old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        write(path)
    except OSError as error:
        print(name, error.errno, error.filename or "", open(path).read(3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    net.predict(X)
"""


def test_a_full_disk_is_an_oserror_of_every_writer(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    said = run_python_ok(FULL_DISK, str(tmp_path)).splitlines()
    whole = ["net.safetensors", "net.onnx", "net.svg", "best.safetensors"]
    assert said[:-1] == [f"{name} {errno.EFBIG} {tmp_path / name} old" for name in whole]
    assert said[-1] == f"log.csv {errno.EFBIG} {tmp_path / 'log.csv'} epo"
    lines = (tmp_path / "log.csv").read_bytes().decode().split("\r\n")
    assert lines.pop() == ""  # what did not find room is not there in part
    assert {line.count(",") for line in lines} == {lines[0].count(",")}
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted([*whole, "log.csv"])


# Ctrl-C where Python looks for it: when a function begins, and when a call has ended.
INTERRUPTED = """
import gc, os, sys
import swiftbackprop as sb
from swiftbackprop._export import atomic_file

gc.disable()
folder, place = sys.argv[1], os.path.join(sys.argv[1], "net.safetensors")
one, two = sb.Network([2, 1], seed=0), sb.Network([2, 1], seed=1)
two.save(place)
new = open(place, "rb").read()
one.save(place)
old = open(place, "rb").read()
descriptors = os.listdir("/proc/self/fd")
interrupted, moment = 0, 0
while True:
    moment += 1
    count, inside = 0, False

    def look(frame, event, arg):
        global count, inside
        inside |= frame.f_code is atomic_file.write_whole.__code__
        if event not in ("call", "c_return") or not inside:
            return
        count += 1
        if count == moment:
            sys.setprofile(None)
            raise KeyboardInterrupt

    caught = None
    sys.setprofile(look)
    try:
        two.save(place)
    except KeyboardInterrupt as error:
        caught = error
    finally:
        sys.setprofile(None)
    # The exception, and with it every frame, is still there.
    assert os.listdir(folder) == ["net.safetensors"], (moment, os.listdir(folder))
    assert os.listdir("/proc/self/fd") == descriptors, moment
    assert open(place, "rb").read() in (old, new)
    if caught is None:
        break
    interrupted += 1
    one.save(place)
assert open(place, "rb").read() == new
print(interrupted)
"""


def test_ctrl_c_at_any_moment_leaves_no_file_and_no_descriptor(tmp_path: Path) -> None:
    assert int(run_python_ok(INTERRUPTED, str(tmp_path))) > 40


WRITER = """
import os, signal, sys
from swiftbackprop._export.atomic_file import write_whole

def write(file):
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()

write_whole(sys.argv[1], write)
"""


def test_the_next_file_clears_what_a_dead_process_left(tmp_path: Path) -> None:
    done = run_python(WRITER, str(tmp_path / "net"), "die")
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    others = [".swiftbackprop-1-0123456789abcdef.tmp", ".swiftbackprop-x.tmp", "mine.tmp"]
    for name in others:  # of a process that lives, and names that are not ours
        (tmp_path / name).write_bytes(b"")
    make().save(tmp_path / "other")
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted([*others, "other"])
    assert not left.exists()


def test_the_next_file_leaves_alone_what_is_being_written(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "net"), "live"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        (part,) = tmp_path.iterdir()
        # As it looks from another container, where the number is that of nobody.
        far = part.rename(tmp_path / ".swiftbackprop-999999999-0123456789abcdef.tmp")
        make().save(tmp_path / "other")
        assert far.exists()
        far.rename(part)
        make().save(tmp_path / "other")
        assert part.exists()
        writer.communicate(b"")
    assert writer.returncode == 0
    assert (tmp_path / "net").read_bytes() == b"half"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["net", "other"]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "net", tmp_path / "link"
    path.write_bytes(b"")
    path.chmod(0o640)
    link.symlink_to("net")
    make().save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    new = tmp_path / "new"
    mask = os.umask(0o027)
    try:
        make().save(new)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(new.stat().st_mode) == 0o640


def test_what_cannot_be_written(tmp_path: Path) -> None:
    net = make()
    refused(lambda: net.save(tmp_path), OSError, "is a folder")
    refused(lambda: net.save(tmp_path / "no" / "net"), OSError, "no folder")
    refused(lambda: net.save(3), TypeError, "path|str")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        refused(lambda name=name: net.save(tmp_path / name), OSError, "no regular file")
        (tmp_path / name).unlink()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    net.layers[0].b[2] = np.nan
    refused(lambda: net.save(tmp_path / "net"), ValueError, r"layers\.1\.b.*NaN")
    assert list(tmp_path.iterdir()) == []


def test_without_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    refused(lambda: make().save(tmp_path / "net"), ImportError, "pip install safetensors")
    refused(lambda: sb.load(tmp_path / "net"), ImportError, "pip install safetensors")


def test_optional_packages_are_not_imported_with_the_package() -> None:
    said = run_python_ok(
        """
        import sys, swiftbackprop as sb, pickle
        pickle.dumps(sb.Network([2, 1], seed=0))
        wanted = {"safetensors", "torch", "onnx", "sklearn", "pandas"}
        print(sorted(wanted & set(sys.modules)))
        """
    )
    assert said == "[]\n"


# --- Files are data -------------------------------------------------------------------------


def small(**keywords: Any) -> Any:
    net = sb.Network([2, 2, 1], activation=[sb.activation("elu", alpha=0.5)], seed=0, **keywords)
    net.forward(np.eye(2, dtype=np.float32), training=True)
    net.backward(np.ones(2))
    net.step()
    return net


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a good file."""
    path = tmp_path_factory.mktemp("good") / "net"
    small().save(path)
    return path.read_bytes()


def read(content: bytes, folder: Path) -> Any:
    """Load what may be anything: a network, or one of the errors that are promised."""
    path = folder / "file"
    path.write_bytes(content)
    try:
        return sb.load(path)
    except (ValueError, MemoryError) as caught:
        error = caught
    assert str(error).startswith(f"{path} is not read: "), error
    assert len(str(error)) < 1000
    return None


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=400)
def test_truncated_files(data: Any, good: bytes, tmp_path_factory: Any) -> None:
    cut = data.draw(st.integers(0, len(good) - 1))
    assert read(good[:cut], tmp_path_factory.getbasetemp()) is None


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=1500)
def test_flipped_bytes(data: Any, good: bytes, tmp_path_factory: Any) -> None:
    """They are found by the checksum; without one they may change a number."""
    signed = data.draw(st.booleans())
    before = good if signed else unsigned(good)
    content = bytearray(before)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    net = read(bytes(content), tmp_path_factory.getbasetemp())
    assert net is None or content == before or not signed
    if net is not None:
        assert net.parameters.shape == (net.n_parameters,)
        assert np.isfinite(net.parameters).all()


def test_any_flipped_bit_is_found(good: bytes, tmp_path: Path) -> None:
    """One of every byte of the file; what is said of those in the arrays."""
    path = tmp_path / "file"
    start = 8 + int.from_bytes(good[:8], "little")
    for place in range(len(good)):
        content = bytearray(good)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        message = "it is damaged: its content" if place >= start else ""
        refused(lambda: sb.load(path), ValueError, "is not read", message)


def test_notes_that_look_like_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    notes = {"note": '"checksum": "01234567"', "checksum": "89abcdef"}
    files.save(small(), path, True, True, notes)
    assert read_notes(path) == notes
    assert sb.load(path).sizes == (2, 2, 1)


def test_the_checksum_is_the_documented_one(good: bytes, tmp_path: Path) -> None:
    said = description_of(good)["checksum"]
    assert good.count(said.encode()) == 1
    assert said == f"{zlib.crc32(good.replace(said.encode(), b'00000000')):08x}"
    header, body = split(good)  # other programs write no checksum, and in another order
    described = json.loads(header["__metadata__"]["swiftbackprop"])
    del described["checksum"]
    header["__metadata__"]["swiftbackprop"] = json.dumps(described, sort_keys=True, indent=1)
    (tmp_path / "file").write_bytes(joined(header, body))
    np.testing.assert_array_equal(sb.load(tmp_path / "file").parameters, small().parameters)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=800)
def test_any_value_anywhere_in_the_description(
    data: Any, good: bytes, tmp_path_factory: Any
) -> None:
    described = description_of(good)
    place: Any = described
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    net = read(with_description(good, described), tmp_path_factory.getbasetemp())
    assert net is None or net.sizes == (2, 2, 1)


@hypothesis.given(content=st.binary(max_size=200))
def test_any_bytes(content: bytes, tmp_path_factory: Any) -> None:
    assert read(content, tmp_path_factory.getbasetemp()) is None


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header: Any, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def description_of(content: bytes) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(split(content)[0]["__metadata__"]["swiftbackprop"])
    return described


def with_description(content: bytes, described: Any) -> bytes:
    """A file with another description, without a checksum unless one is given as text."""
    header, body = split(content)
    if isinstance(described, dict):
        described.pop("checksum", None)
    text = described if isinstance(described, str) else json.dumps(described)
    header["__metadata__"]["swiftbackprop"] = text
    return joined(header, body)


def unsigned(content: bytes) -> bytes:
    """The same file without its checksum."""
    return with_description(content, description_of(content))


HOSTILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "unknown rule": (lambda d: d["loss"].update(name="os.system"), "unknown loss 'os.system'"),
    "unknown optimizer": (lambda d: d["optimizer"].update(name="evil"), "unknown optimizer"),
    "long name": (lambda d: d["loss"].update(name="x" * 10**6), "name must have at most"),
    "unknown parameter": (
        lambda d: d["activations"][0]["parameters"].update(beta=1),
        "unexpected keyword argument 'beta'"),
    "NaN": (lambda d: d.update(l1=float("nan")), "NaN is not allowed"),
    "infinity": (lambda d: d["optimizer"]["parameters"].update(lr=1e999), "Infinity"),
    "negative rate": (lambda d: d["optimizer"]["parameters"].update(lr=-1), "lr"),
    "text for a number": (lambda d: d.update(l2="0"), "l2 must be a number, got '0'"),
    "bool for a number": (lambda d: d.update(l2=True), "l2 must be a number, got True"),
    "huge sizes": (lambda d: d.update(sizes=[2**31 - 1] * 3), r"layers\.1\.W: expected shape"),
    "absurd sizes": (lambda d: d.update(sizes=[10**30, 2, 1]), r"sizes\[0\]"),
    "negative sizes": (lambda d: d.update(sizes=[-2, 2, 1]), r"sizes\[0\]"),
    "many layers": (lambda d: d.update(sizes=[1] * 10**5), "activation: expected"),
    "no sizes": (lambda d: d.pop("sizes"), "sizes is missing"),
    "no layers": (lambda d: d.update(sizes=[], activations=[]), "activations must not be empty"),
    "other dtype": (lambda d: d.update(dtype="float64"), r"\.1\.W: expected dtype F64, got F32"),
    "strange dtype": (lambda d: d.update(dtype="O,O,(9999999,)f8"), "dtype must be"),
    "future": (lambda d: d.update(version=2), "another version"),
    "surplus": (lambda d: d.update(run="rm -rf"), "unknown fields of its description: .*run"),
    "steps": (lambda d: d.update(steps=-1), "steps must be an int in .*, got -1"),
    "many steps": (lambda d: d.update(steps=10**400), r"steps must be an int in 0\.\."),
    "no steps": (lambda d: d.pop("steps"), "expected 4 tensors, got 6"),
    "option": (lambda d: d["options"].update(run=1), "unknown option 'run'"),
    "trainable in part": (lambda d: d["options"].update({"trainable.1": 0.5}), "must be 0 or 1"),
    "shares": (lambda d: d["options"].update(shares_penalties=-1), "must be 0 or 1"),
    "no scale": (lambda d: d["options"].update(input_scale=0), "input_scale must be a finite"),
    "dropout": (lambda d: d["options"].update({"dropout.2": 1}), r"in \[0, 1\)"),
    "dropout of no layer": (lambda d: d["options"].update({"dropout.3": 0.5}), "unknown option"),
    "dropout of X": (lambda d: d["options"].update({"dropout.0": 0.5}), "unknown option"),
    "max_norm": (lambda d: d["options"].update(max_norm=-1), "max_norm"),
    "huge option": (lambda d: d["options"].update(shares_penalties=10**400), "too large"),
    "notes": (lambda d: d.update(notes={"table": 3}), "table must be a str, got 3"),
    "zero generator": (lambda d: d.update(generator=["0" * 16] * 4), "not all zero"),
    "short generator": (lambda d: d.update(generator=["1" * 16] * 3), "generator must be"),
    "strange generator": (lambda d: d.update(generator=["-" + "1" * 15] * 4), "generator must be"),
    "seed": (lambda d: d.update(seed="99999999999999999999"), "seed must be an int in"),
    "strange seed": (lambda d: d.update(seed="²"), "seed must be the digits"),
    "other optimizer": (lambda d: d.update(optimizer={"name": "sgd", "parameters": {}}), "tensors"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(HOSTILE))
def test_hostile_descriptions(what: str, good: bytes, tmp_path: Path) -> None:
    change, pattern = HOSTILE[what]
    described = description_of(good)
    change(described)
    (tmp_path / "file").write_bytes(with_description(good, described))
    message = refused(lambda: sb.load(tmp_path / "file"), ValueError, "is not read", pattern)
    assert len(message) < 700


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "is not a JSON object"),
        ("[" * 10**5, "damaged"),
        ('{"version": 1, "sizes": ' + "[" * 900 + "]" * 900 + "}", "missing|damaged"),
        ('{"version": ' + "9" * 10**5 + "}", "damaged"),
        ('{"version": 1}', "is missing"),
        ('"text"', "is not a JSON object"),
    ],
)
def test_descriptions_that_are_none(text: str, pattern: str, good: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(with_description(good, text))
    refused(lambda: sb.load(tmp_path / "file"), ValueError, "is not read", pattern)


def test_hostile_tensors(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"

    def reads(content: bytes, pattern: str) -> None:
        path.write_bytes(content)
        refused(lambda: sb.load(path), ValueError, "is not read", pattern)

    header, body = split(unsigned(good))
    reads(joined(header, body + b"more"), "damaged")
    reads((2**63 - 1).to_bytes(8, "little") + good[8:], "no safetensors file.*header takes 9")
    reads(joined(b"[" * 10**5, body), "damaged")
    for name, value in {"dtype": "F64", "shape": [2**40, 2**40], "data_offsets": [8, 0]}.items():
        changed = copy.deepcopy(header)
        changed["layers.1.W"][name] = value
        reads(joined(changed, body), "damaged")
    changed = copy.deepcopy(header)
    changed["layers.1.W"]["shape"] = [4]
    reads(joined(changed, body), r"layers\.1\.W: expected shape .*got \(4,\)")
    changed = copy.deepcopy(header)
    changed["layers.1.W"]["dtype"] = "I32"
    reads(joined(changed, body), "expected dtype .*, got I32")
    changed = copy.deepcopy(header)
    changed["other"] = changed.pop("layers.1.W")
    reads(joined(changed, body), r"layers\.1\.W is missing")
    place = header["layers.2.W"]["data_offsets"][0]
    nan = np.float32(np.nan).tobytes()
    reads(joined(header, body[:place] + nan + body[place + 4 :]), r"layers\.2\.W contains NaN")
    del header["__metadata__"]
    reads(joined(header, body), "no description of a network.*load_state_dict")


def test_a_network_larger_than_the_memory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    """A file of 1 TB, which is one hole."""
    rows, cols = 2**20, 2**18
    net = sb.Network([1, 1], seed=0)
    net.save(tmp_path / "net", optimizer=False)
    described = description_of((tmp_path / "net").read_bytes())
    described["sizes"] = [cols, rows]  # the checksum is not looked at before there is memory
    end = 4 * rows * cols
    header = {
        "__metadata__": {"swiftbackprop": json.dumps(described)},
        "layers.1.W": {"dtype": "F32", "shape": [rows, cols], "data_offsets": [0, end]},
        "layers.1.b": {"dtype": "F32", "shape": [rows], "data_offsets": [end, end + 4 * rows]},
    }
    path = tmp_path / "huge"
    head = joined(header, b"")
    path.write_bytes(head)
    os.truncate(path, len(head) + end + 4 * rows)
    refused(lambda: sb.load(path), MemoryError, "huge is not read.*memory")


FUZZ = """
    import pathlib, resource, sys
    import numpy as np
    import test_files

    folder, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    # What the interpreter has now, and a quarter of a gigabyte.
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 2**28
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print(*test_files.fuzz(folder / "file", seed, 1500))
"""


def fuzz(path: Path, seed: int, times: int) -> list[int]:
    """Load a file that was damaged in one way after the other; return what came of it."""
    rng = np.random.default_rng(seed)
    (small(norm="batch") if seed % 2 else small()).save(path)
    good = unsigned(path.read_bytes())
    outcomes = [0, 0]
    for _ in range(times):
        content = good
        for _ in range(rng.integers(1, 4)):
            content = DAMAGE[rng.integers(len(DAMAGE))](content, rng)
        net = read(content, path.parent)
        outcomes[net is None] += 1
        if net is not None:
            assert np.isfinite(net.parameters).all()
            assert net.predict(np.ones((1, net.sizes[0]))).shape == (1, net.sizes[-1])
    return outcomes


NUMBERS = [0, 1, -1, 7, 2**31, 2**53, 2**60, 2**63, 2**64, 10**30, 1e308, 1e999, -0.5, None, True]


def rewritten(content: bytes, rng: np.random.Generator) -> bytes:
    """A number or a text of the header, or of the description in it, is another one."""
    size = int.from_bytes(content[:8], "little")
    head = content[8 : 8 + size].decode("utf-8", "replace")
    found = list(re.finditer(r"\d+|[a-z_]+", head))
    if not found:
        return content
    place = found[rng.integers(len(found))]
    value = NUMBERS[rng.integers(len(NUMBERS))]
    words = [json.dumps(value), found[rng.integers(len(found))].group(), "[" * 300, "9" * 5000]
    new = words[rng.integers(len(words))]
    head = head[: place.start()] + new + head[place.end() :]
    raw = head.encode()
    return len(raw).to_bytes(8, "little") + raw + content[8 + size :]


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        if changed:
            changed[rng.integers(len(changed))] = rng.integers(256)
    return bytes(changed)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    first, last = sorted(rng.integers(len(content) + 1, size=2))
    return content[:first] + content[last:]


def other_size(content: bytes, rng: np.random.Generator) -> bytes:
    """Another length of the header, up to more than there is."""
    return int(2 ** rng.uniform(0, 64) - 1).to_bytes(8, "little") + content[8:]


def poisoned(content: bytes, rng: np.random.Generator) -> bytes:
    """NaN or infinity somewhere behind the header."""
    body = 8 + int.from_bytes(content[:8], "little")
    if body + 4 > len(content):
        return content
    place = rng.integers(body, len(content) - 3)
    bad = np.array([np.nan, np.inf], np.float32)[rng.integers(2)].tobytes()
    return content[:place] + bad + content[place + 4 :]


DAMAGE = [rewritten, rewritten, flipped, cut, other_size, poisoned]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux' own")
@pytest.mark.parametrize("seed", range(2))
def test_damaged_files_with_little_memory(seed: int, tmp_path: Path) -> None:
    """Every one is a network or an error that names the file; the process lives."""
    good, bad = map(int, run_python_ok(FUZZ, str(tmp_path), str(seed)).split())
    assert good + bad == 1500
    assert bad > 1000
    assert good > 10


def test_large_headers_are_not_read(good: bytes, tmp_path: Path) -> None:
    """What JSON makes of sixteen million bytes is a limit of memory and time."""
    path = tmp_path / "file"
    header, body = split(good)
    header["pad"] = " " * 2**24
    path.write_bytes(joined(header, body))
    refused(lambda: sb.load(path), ValueError, "is not read.*header takes 1677")
    notes = {"long": "x" * 2**24}
    refused(lambda: files.save(small(), path, True, True, notes), ValueError, "too long for a")
    assert path.read_bytes() == joined(header, body)
    assert len(list(tmp_path.iterdir())) == 1


def test_names_that_come_twice(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    header, body = split(good)
    text = json.dumps(header)
    twice = text[:-1] + ', "__metadata__": {}}'
    path.write_bytes(joined(twice.encode(), body))
    refused(lambda: sb.load(path), ValueError, "is not read.*__metadata__")
    described = json.dumps(description_of(good))
    for more in ('"l1": 0.5', '"options": {"max_norm": 1, "max_norm": 2}'):
        path.write_bytes(with_description(good, f"{described[:-1]}, {more}}}"))
        refused(lambda: sb.load(path), ValueError, "is not read.*duplicate name")


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(lambda: sb.load(tmp_path / "none"), FileNotFoundError, "none")
    refused(lambda: sb.load(tmp_path), ValueError, "no regular file")
    refused(lambda: sb.load("/dev/zero"), ValueError, "no regular file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "link"):
        refused(lambda name=name: sb.load(tmp_path / name), ValueError, name, "no regular file")
    refused(lambda: sb.load(tmp_path / "loop"), OSError, "loop")
    small().save(tmp_path / "net")
    (tmp_path / "good").symlink_to("net")
    assert sb.load(tmp_path / "good").sizes == (2, 2, 1)
    refused(lambda: sb.load(3), TypeError, "path|str")  # type: ignore[arg-type]
