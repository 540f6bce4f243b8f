"""Networks as ONNX models: checked by onnx, and run by onnxruntime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import swiftbackprop as sb
from helpers import DTYPES, NORMS, quiet_network, refused

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
_MAKERS = pytest.importorskip("swiftbackprop._export.onnx")._MAKERS

PARAMETERS = {"leaky_relu": {"slope": 0.3}, "elu": {"alpha": 0.7}}


def session(path: Path) -> Any:
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(path: Path, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    (a,) = session(path).run(None, {"X": X})
    return np.asarray(a)


def make(name: str, dtype: str) -> Any:
    rule = sb.activation(name, **PARAMETERS.get(name, {}))
    net = quiet_network(
        [4, 6, 5, 3], activation=rule, output=rule, loss="squared_error", dtype=dtype, seed=1
    )
    net.parameters[...] += np.linspace(-0.2, 0.2, net.n_parameters)
    if name == "exp":
        net.parameters[...] *= 0.2  # exp of exp of exp
    return net


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", _MAKERS)
def test_every_activation_in_onnxruntime(name: str, dtype: str, tmp_path: Path) -> None:
    net, path = make(name, dtype), tmp_path / "net.onnx"
    net.to_onnx(path)
    onnx.checker.check_model(str(path), full_check=True)
    for rows in (1, 50):
        X = np.random.default_rng(0).normal(size=(rows, 4)).astype(dtype) * 2
        a, ours = run(path, X), net.predict(X)
        assert a.dtype == ours.dtype == dtype
        np.testing.assert_allclose(a, ours, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", _MAKERS)
def test_every_activation_from_end_to_end(name: str, dtype: str, tmp_path: Path) -> None:
    """Over the whole range of z, also where e^z is too large."""
    rule = sb.activation(name, **PARAMETERS.get(name, {}))
    net = quiet_network(
        [2, 2], output=rule, loss="squared_error", dtype=dtype,
        initializer=[(np.eye(2), np.zeros(2))],
    )  # fmt: skip
    net.to_onnx(tmp_path / "net.onnx")
    z = np.array([-900.0, -80, -20, -5, -1, -0.1, 0, 0.1, 1, 5, 20, 80, 900], dtype)
    if name == "exp":
        z = z[z < 88]
    X = np.stack([z, z[::-1]], axis=1)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", X), net.predict(X), rtol=1e-5, atol=1e-5)


def test_a_rule_that_is_new_has_no_form_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = sb.Network([4, 6, 3], activation="tanh", seed=0)
    monkeypatch.delitem(_MAKERS, "tanh")
    refused(lambda: net.to_onnx(tmp_path / "a"), ValueError, r"ONNX has no form of tanh.*\ba1\b")
    assert not list(tmp_path.iterdir())


def test_names_and_shapes(tmp_path: Path) -> None:
    """X goes in, a(L) or z(L) comes out; W has the lecture's shape; every z and a has a name."""
    net = sb.Network([4, 6, 3], loss="cross_entropy", seed=0)
    net.to_onnx(tmp_path / "a")
    net.to_onnx(tmp_path / "z", logits=True)
    X = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    net.forward(X)
    for name, wanted in (("a", net.layers[1].a), ("z", net.layers[1].z)):
        run_ = session(tmp_path / name)
        (given,), (made,) = run_.get_inputs(), run_.get_outputs()
        assert (given.name, given.shape) == ("X", ["N", 4])
        assert (made.name, made.shape) == (f"{name}2", ["N", 3])
        np.testing.assert_allclose(run(tmp_path / name, X), wanted, rtol=1e-5, atol=1e-6)
    model = onnx.load(str(tmp_path / "a"))
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    np.testing.assert_array_equal(weights["W1"], net.layers[0].W)
    np.testing.assert_array_equal(weights["b2"], net.layers[1].b)
    computed = [name for node in model.graph.node for name in node.output]
    assert computed == ["z1", "a1", "z2", "a2"]
    assert model.producer_name == "swiftbackprop"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(NORMS))
def test_normalised_layers_in_onnxruntime(name: str, dtype: str, tmp_path: Path) -> None:
    net = sb.Network([4, 6, 5, 3], activation="tanh", output="softmax", loss="squared_error",
                     norm=NORMS[name], dropout=0.2, dtype=dtype, seed=0)  # fmt: skip
    X = np.random.default_rng(0).normal(size=(50, 4)).astype(dtype)
    net.fit(X, np.eye(3)[np.arange(50) % 3], epochs=3, batch_size=8, progress=False)
    path = tmp_path / "net.onnx"
    net.to_onnx(path)
    onnx.checker.check_model(str(path), full_check=True)
    for rows in (1, 50):
        np.testing.assert_allclose(run(path, X[:rows]), net.predict(X[:rows]), rtol=1e-5, atol=1e-5)
    model = onnx.load(str(path))
    layer = any(isinstance(norm, sb.LayerNorm) for norm in net.norm)
    assert model.opset_import[0].version == (17 if layer else 13)
    computed = [name for node in model.graph.node for name in node.output]
    wanted = [f"{letter}{m}" for m in (1, 2, 3) for letter in "za"]
    assert set(wanted) <= set(computed)
    net.to_onnx(path, logits=True)
    z = run(path, X).astype(np.float64)
    if name != "output after":
        a = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(a, net.predict(X), rtol=1e-4, atol=1e-5)
    else:
        net.forward(X)
        np.testing.assert_allclose(z, net.layers[-1].z, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_is_for_training_alone(dtype: str, tmp_path: Path) -> None:
    net, plain = make("tanh", dtype), make("tanh", dtype)
    net.dropout = [0.5, 0.25, 0.5]
    net.layers[1].trainable = False
    net.to_onnx(tmp_path / "net")
    plain.to_onnx(tmp_path / "plain")
    assert (tmp_path / "net").read_bytes() == (tmp_path / "plain").read_bytes()


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int32", "int64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_integers_are_scaled_in_the_model(
    dtype: str, kind: str, scale: float, tmp_path: Path
) -> None:
    net = make("tanh", dtype)
    net.input_scale = scale
    info = np.iinfo(kind)
    low, high = max(info.min, -100), min(info.max, 1000)
    X = np.random.default_rng(0).integers(low, high, (20, 4), kind)
    net.to_onnx(tmp_path / "net", input_dtype=kind)
    np.testing.assert_allclose(run(tmp_path / "net", X), net.predict(X), rtol=1e-5, atol=1e-5)
    net.to_onnx(tmp_path / "net", input_dtype=dtype)
    X = X.astype(dtype)
    np.testing.assert_allclose(run(tmp_path / "net", X), net.predict(X), rtol=1e-5, atol=1e-5)


def test_a_scale_of_integers_is_not_passed_over(tmp_path: Path) -> None:
    net = sb.Network([4, 3], input_scale=1 / 255, seed=0)
    refused(lambda: net.to_onnx(tmp_path / "net"), ValueError, "input_scale = 0.0039", "'uint8'",
            "'float32'")  # fmt: skip
    for dtype, kind in (("float64", ValueError), ("bool", ValueError), ("unit8", TypeError)):
        refused(
            lambda d=dtype: net.to_onnx(tmp_path / "net", input_dtype=d),
            kind,
            "input_dtype must be",
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["sine", "tanh"])
def test_functions_of_ones_own_are_refused(name: str, tmp_path: Path) -> None:
    """Also under the name of one that ONNX has."""
    sine = sb.CustomActivation(np.sin, np.cos, name=name)
    net = sb.Network([2, 3, 1], activation=sine, seed=0)
    refused(lambda: net.to_onnx(tmp_path / "net"), NotImplementedError, f"{name} .layer 1")
    assert list(tmp_path.iterdir()) == []


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, path = make("relu", "float32"), tmp_path / "net.onnx"
    net.to_onnx(path)
    before = path.read_bytes()

    def broken(*args: object, **keywords: object) -> None:
        raise onnx.checker.ValidationError("flawed")

    monkeypatch.setattr(onnx.checker, "check_model", broken)
    refused(lambda: net.to_onnx(path), onnx.checker.ValidationError, "flawed")
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = make("relu", "float32")
    refused(lambda: net.to_onnx(tmp_path), OSError, "is a folder")
    from swiftbackprop._export import onnx

    monkeypatch.setattr(onnx, "_LARGEST", 100)
    refused(lambda: net.to_onnx(tmp_path / "net"), ValueError, "less than 2 GB")
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "swiftbackprop._export.onnx")
    monkeypatch.delattr(sb._export, "onnx")
    refused(lambda: net.to_onnx(tmp_path / "net"), ImportError, "pip install onnx")
    assert list(tmp_path.iterdir()) == []
