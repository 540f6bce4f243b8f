"""Weights in Keras' order, scikit-learn's MLP, frames, and arrays by other protocols."""

from __future__ import annotations

import warnings
from array import array as python_array
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import swiftbackprop as sb
from helpers import DTYPES, NORMS, quiet_network, refused

CLOSE = {"float32": 1e-6, "float64": 1e-12}


PARAMETERS = {"leaky_relu": {"slope": 0.3}, "elu": {"alpha": 0.7}}


def assert_close(actual: npt.ArrayLike, wanted: npt.ArrayLike, dtype: str) -> None:
    """Equal to the tolerance of the type, relative to the largest number."""
    x, r = np.asarray(actual), np.asarray(wanted)
    assert x.shape == r.shape
    assert x.dtype == r.dtype == dtype
    np.testing.assert_allclose(x, r, rtol=0, atol=CLOSE[dtype] * max(1.0, float(abs(r).max())))


def make(name: str, dtype: str, **keywords: Any) -> Any:
    """A network [5, 7, 6, 3] with one activation everywhere."""
    rule = sb.activation(name, **PARAMETERS.get(name, {}))
    keywords = {"output": rule, "loss": "squared_error", "dtype": dtype, "seed": 2, **keywords}
    net = quiet_network([5, 7, 6, 3], activation=rule, **keywords)
    net.parameters[...] += np.linspace(-0.2, 0.2, net.n_parameters)
    if name == "exp":
        net.parameters[...] *= 0.2  # exp of exp of exp
    return net


def inputs(dtype: str, rows: int = 40) -> npt.NDArray[Any]:
    X: npt.NDArray[Any] = np.random.default_rng(3).normal(size=(rows, 5)).astype(dtype)
    return X


def address(array: Any) -> int:
    place: int = np.asarray(array).__array_interface__["data"][0]
    return place


def normalised(name: str, dtype: str, **keywords: Any) -> Any:
    """A network that has trained, so that nothing is 0 or 1 any more."""
    net = make("tanh", dtype, norm=NORMS[name], **keywords)
    net.fit(inputs(dtype), np.ones((40, 3)) / 2, epochs=3, batch_size=8, progress=False)
    return net


def same_layers(one: Any, other: Any) -> None:
    assert one.norm == other.norm
    for mine, theirs in zip(one.layers, other.layers, strict=True):
        names = ["W", "b"] + ["gamma", "beta"] * (mine.norm is not None)
        if isinstance(mine.norm, sb.BatchNorm):
            names += ["running_mean", "running_var"]
        for name in names:
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), name)


def test_norms_in_the_order_of_keras() -> None:
    """Dense and the normalisation behind it: gamma, beta, moving mean, moving variance."""
    net = make("tanh", "float64", norm=["batch", sb.LayerNorm(eps=1e-3)])
    net.fit(inputs("float64"), np.ones((40, 3)), epochs=2, batch_size=8, progress=False)
    weights = net.get_weights()
    shapes = [(5, 7), (7,), (7,), (7,), (7,), (7,), (7, 6), (6,), (6,), (6,), (6, 3), (3,)]
    assert [array.shape for array in weights] == shapes
    X = inputs("float64")
    kernel, bias, gamma, beta, mean, variance = weights[:6]
    a = np.tanh(gamma * (X @ kernel + bias - mean) / np.sqrt(variance + 1e-5) + beta)
    kernel, bias, gamma, beta = weights[6:10]
    z = a @ kernel + bias
    z = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-3)
    a = np.tanh(np.tanh(gamma * z + beta) @ weights[10] + weights[11])
    assert_close(a, net.predict(X), "float64")
    other = make("tanh", "float64", norm=net.norm, seed=5)
    other.set_weights(weights)
    same_layers(net, other)
    refused(lambda: other.set_weights(weights[:-2]), ValueError,
            "expected 12 arrays.*gamma.*got 10")  # fmt: skip
    weights[5] = -weights[5]
    refused(lambda: other.set_weights(weights), ValueError, r"weights\[5\] \(running_var.*variance")
    same_layers(net, other)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_in_the_order_of_keras(dtype: str) -> None:
    net = make("tanh", dtype)
    weights = net.get_weights()
    assert [array.shape for array in weights] == [(5, 7), (7,), (7, 6), (6,), (6, 3), (3,)]
    assert all(array.flags.c_contiguous for array in weights)
    a = inputs(dtype)
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        a = np.tanh(a @ kernel + bias)
    assert_close(a, net.predict(inputs(dtype)), dtype)
    other = make("tanh", dtype, seed=5)
    other.set_weights(weights)
    np.testing.assert_array_equal(other.parameters, net.parameters)


def test_weights_that_do_not_fit_change_nothing() -> None:
    net = make("relu", "float32")
    before = net.parameters.copy()

    def says(weights: Any, kind: type[Exception], *patterns: str) -> None:
        refused(lambda: net.set_weights(weights), kind, *patterns)
        np.testing.assert_array_equal(net.parameters, before)

    zeros = [np.zeros_like(array) for array in net.get_weights()]
    says(3, TypeError, "int")
    says(zeros[:-1], ValueError, "expected 6 arrays.*3 layers.*got 5")
    says([zeros[0].T, *zeros[1:]], ValueError, r"weights\[0\].*\(5, 7\), got \(7, 5\).*transpose")
    says([*zeros[:-1], np.zeros(4)], ValueError, r"weights\[5\].*\(3,\), got \(4,\)")
    says([*zeros[:-1], np.zeros(4)], ValueError, r"weights\[5\] \(b of layer 3\): expected shape")
    says([*zeros[:-1], np.full(3, np.inf)], ValueError, r"weights\[5\].*infinity")
    says([None, *zeros[1:]], TypeError, r"weights\[0\] is None")
    says([[[1, 2], [3]], *zeros[1:]], ValueError, r"weights\[0\], of type list, cannot be read")
    says([zeros[0], zeros[1][:, None], *zeros[2:]], ValueError, r"weights\[1\].*ravel")
    says(
        [zeros[0].astype(object), *zeros[1:]],
        TypeError,
        r"weights\[0\]: expected real numbers, got dtype object",
    )
    net.set_weights(iter(zeros))
    assert not net.parameters.any()


SKLEARN = [
    ("identity", 1, False), ("logistic", 2, True), ("tanh", 3, True), ("relu", 3, True),
    ("relu", 1, False), ("tanh", 2, False),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("activation", "outputs", "classifies"), SKLEARN)
def test_models_of_scikit_learn(
    activation: str, outputs: int, classifies: bool, dtype: str
) -> None:
    neural = pytest.importorskip("sklearn.neural_network")
    X = inputs(dtype, 60)
    kind = neural.MLPClassifier if classifies else neural.MLPRegressor
    mlp = kind(hidden_layer_sizes=(7, 6), activation=activation, max_iter=5, random_state=0)
    if classifies:
        y: Any = np.array(["x", "y", "z"])[np.arange(60) % outputs]
    else:
        y = X[:, :outputs].squeeze()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # five steps do not converge
        mlp.fit(X, y)
    net = sb.from_sklearn(mlp)
    assert net.dtype == mlp.coefs_[0].dtype
    ours = net.predict(X)
    theirs = mlp.predict_proba(X) if classifies else mlp.predict(X).reshape(len(X), -1)
    if classifies and outputs == 2:
        theirs = theirs[:, 1:]
    np.testing.assert_allclose(ours, theirs, atol=CLOSE[dtype] * 10)
    if classifies:
        np.testing.assert_array_equal(net.predict_classes(X), mlp.predict(X))
    # The way back, of a network with other weights.
    other = sb.from_sklearn(mlp)
    other.parameters[...] *= 0.5
    mlp.coefs_, mlp.intercepts_ = other.get_weights()[::2], other.get_weights()[1::2]
    np.testing.assert_array_equal(sb.from_sklearn(mlp).parameters, other.parameters)


def test_what_is_no_model_of_scikit_learn() -> None:
    neural = pytest.importorskip("sklearn.neural_network")
    refused(lambda: sb.from_sklearn(neural.MLPClassifier()), ValueError, "not fitted.*fit first")
    refused(lambda: sb.from_sklearn(3), TypeError, "int")
    model = SimpleNamespace(
        coefs_=[np.ones((2, 1))], intercepts_=[np.ones(1)], activation="relu",
        out_activation_="spline",
    )  # fmt: skip
    refused(lambda: sb.from_sklearn(model), ValueError, "unknown activation 'spline'")


ones = np.ones


DAMAGED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "one bias": ({"intercepts_": [ones(3)]}, ValueError, "coefs_ and in intercepts_, got 2 and 1"),
    "no bias": ({"intercepts_": None}, TypeError, "intercepts_ must be a list of arrays.*got None"),
    "no layers": ({"coefs_": [], "intercepts_": []}, TypeError, r"coefs_ must be a list.*got \[\]"),
    "vector": ({"coefs_": [ones(3), ones((3, 1))]}, ValueError, r"coefs_\[0\].*\(D\(0\), D\(1\)\)"),
    "chain": ({"coefs_": [ones((2, 3)), ones((4, 1))]}, ValueError, r"W of layer 2.*\(1, 3\)"),
    "bias": ({"intercepts_": [ones(4), ones(1)]}, ValueError, r"b of layer 1.*\(3,\), got \(4,\)"),
    "NaN": ({"intercepts_": [ones(3), ones(1) * np.nan]}, ValueError, "b of layer 2.*NaN"),
    "objects": (
        {"coefs_": [ones((2, 3), object), ones((3, 1))]},
        TypeError,
        r"\[0\].*object",
    ),
    "text": ({"coefs_": "ab"}, TypeError, "coefs_ must be a list of arrays.*'ab'"),
    "activation": ({"activation": 3}, TypeError, "activation must be a name.*got 3"),
    "activations": ({"activation": ["relu"] * 2}, ValueError, "activation: expected 1.*got 2"),
    "one unit": ({"out_activation_": "softmax"}, ValueError, "softmax.*one unit"),
}


@pytest.mark.parametrize("what", list(DAMAGED))
def test_damaged_models_of_scikit_learn(what: str) -> None:
    change, kind, pattern = DAMAGED[what]
    good: dict[str, Any] = {
        "coefs_": [ones((2, 3)), ones((3, 1))], "intercepts_": [ones(3), ones(1)],
        "activation": "relu", "out_activation_": "identity",
    }  # fmt: skip
    assert sb.from_sklearn(SimpleNamespace(**good)).sizes == (2, 3, 1)
    refused(lambda: sb.from_sklearn(SimpleNamespace(**{**good, **change})), kind, pattern)


def frames(library: str) -> Any:
    """The module, and a frame of numbers of several kinds."""
    module = pytest.importorskip(library)
    x = np.linspace(-1, 1, 40)
    columns = {f"x{j}": x * j for j in range(3)} | {"n": np.arange(40), "yes": x > 0}
    return module, module.DataFrame(columns), np.column_stack(list(columns.values()))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_numbers_train_and_predict(library: str) -> None:
    module, X, dense = frames(library)
    y = module.Series(np.arange(40) % 3)
    one, other = make("tanh", "float64", loss="squared_error"), make("tanh", "float64")
    for net, data in ((one, (X, y)), (other, (dense, np.arange(40) % 3))):
        net.fit(*data, epochs=2, validation_data=data, progress=False)
    np.testing.assert_array_equal(one.parameters, other.parameters)
    np.testing.assert_array_equal(one.predict(X), other.predict(dense))
    assert type(one.predict(X)) is np.ndarray


def test_numbers_of_pandas_own() -> None:
    """With masks and of Arrow: as floats; what is missing is NaN, which is refused."""
    module, X, array = frames("pandas")
    net = make("relu", "float32")
    wanted = net.predict(array)
    for kind in ("Int64", "int32[pyarrow]"):
        pytest.importorskip("pyarrow")
        mixed = X.assign(n=X["n"].astype(kind), yes=X["yes"].astype("boolean"))
        np.testing.assert_array_equal(net.predict(mixed), wanted)
    X["n"] = module.array([None, *range(1, 40)], dtype="Int64")
    refused(lambda: net.predict(X), ValueError, "NaN or infinity.*row 0")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_that_hold_no_numbers_are_named(library: str) -> None:
    module, X, _ = frames(library)
    net = make("relu", "float32")
    texts = module.Series(["a", "b"] * 20)
    other = X.assign(n=texts) if library == "pandas" else X.with_columns(texts.alias("n"))
    for call in (net.predict, lambda X: net.fit(X, np.ones((40, 3)), progress=False)):
        message = refused(lambda call=call: call(other), TypeError, "column 'n' of X holds str")
        assert "encode it as numbers" in message
    for labels in (texts, ["a", "b"] * 20):
        refused(
            lambda y=labels: net.fit(X, y, progress=False), ValueError, "y has 2 labels of text"
        )


class WithDLPack:
    """A tensor that has DLPack and nothing else."""

    def __init__(self, array: npt.NDArray[Any], device: tuple[int, int] = (1, 0)) -> None:
        self.array, self.device = array, device

    def __dlpack__(self, **keywords: Any) -> Any:
        if self.device[0] != 1:
            raise BufferError("cannot export")
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


class WithArray:
    """What has __array__ and nothing else."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


def test_the_buffer_protocol_of_python_itself() -> None:
    """array.array and bytes have one dimension: a memoryview gives them two."""
    net, X = make("tanh", "float32"), inputs("float32")
    numbers = python_array("f", X.ravel().tolist())
    wrapped = memoryview(numbers).cast("B").cast("f", X.shape)
    wanted = net.forward(X)
    np.testing.assert_array_equal(net.forward(wrapped, copy=False), wanted)
    assert address(net.layer(0).a) == numbers.buffer_info()[0]
    np.testing.assert_array_equal(net.predict(memoryview(X.astype(np.float64))), net.predict(X))
    np.testing.assert_array_equal(net.predict(X.tolist()), net.predict(X))
    np.testing.assert_array_equal(net.predict([tuple(row) for row in X.tolist()]), net.predict(X))
    column = python_array("d", np.linspace(0, 1, 40))
    sb.Network([5, 1], seed=0).fit(X, column, epochs=1, progress=False)
    refused(lambda: net.predict(numbers), ValueError, r"X: .*\(N, 5\), got \(200,\)")
    refused(lambda: net.predict(X.tobytes()), TypeError, "of type bytes; expected an array")


@pytest.mark.parametrize("wrap", [WithDLPack, WithArray, memoryview])
def test_other_protocols_are_read_where_the_numbers_lie(wrap: Any) -> None:
    net, X = make("tanh", "float32"), inputs("float32")
    wrapped = wrap(X)
    assert sb.explain_copy(wrapped, net).startswith("X is used in place")
    a = net.forward(wrapped, copy=False)
    assert address(net.layer(0).a) == address(X)
    np.testing.assert_array_equal(a, net.forward(X))
    net.fit(wrapped, WithDLPack(np.zeros((40, 3), np.float32)), epochs=1, progress=False)
